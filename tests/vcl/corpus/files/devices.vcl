vcl 4.1;
# Three looks of one site: the application is told which by a header, and the cache keeps them apart.
backend app { .host = "127.0.0.1"; .port = "3000"; }

sub devicedetect {
    unset req.http.X-Device;
    set req.http.X-Device = "desktop";
    if (req.http.Cookie ~ "(?i)X-Device-Force") {
        set req.http.X-Device = regsub(req.http.Cookie, "(?i).*X-Device-Force=([^;]+);*.*", "\1");
        set req.http.Cookie = regsub(req.http.Cookie, "(^|; ) *X-Device-Force=[^;]+;? *", "\1");
        if (req.http.Cookie ~ "^ *$") { unset req.http.Cookie; }
        return;
    }
    if (req.http.User-Agent ~ "(?i)(ads|google|bing|msn|yandex|baidu|ro|career|seznam|)bot") {
        set req.http.X-Device = "bot";
    } elsif (req.http.User-Agent ~ "(?i)ip(hone|od)") {
        set req.http.X-Device = "phone";
    } elsif (req.http.User-Agent ~ "(?i)ipad") {
        set req.http.X-Device = "tablet";
    } elsif (req.http.User-Agent ~ "(?i)android.*(mobile|mini)" || req.http.User-Agent ~ "(?i)Opera Mini") {
        set req.http.X-Device = "phone";
    }
}
sub vcl_recv { call devicedetect; }
sub append_ua {
    if (req.http.X-Device && req.method == "GET") {
        set req.http.X-Url = req.url;
        if (req.url ~ "\?") {
            set req.url = req.url + "&device=" + req.http.X-Device;
        } else {
            set req.url = req.url + "?device=" + req.http.X-Device;
        }
    }
}
sub vcl_miss { call append_ua; }
sub vcl_pass { call append_ua; }
sub vcl_backend_response {
    if (bereq.http.X-Device) {
        if (!beresp.http.Vary) {
            set beresp.http.Vary = "X-Device";
        } elseif (beresp.http.Vary !~ "X-Device") {
            set beresp.http.Vary = beresp.http.Vary + ", X-Device";
        }
    }
    set beresp.http.X-Url = bereq.url;
}
sub vcl_deliver {
    if (req.http.X-Device && resp.http.Vary) {
        set resp.http.Vary = regsub(resp.http.Vary, "X-Device", "User-Agent");
    }
}
