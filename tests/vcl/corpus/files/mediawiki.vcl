vcl 4.1;
# A wiki whose titles hold anything.
backend wiki { .host = "127.0.0.1"; .port = "8181"; }
acl purge { "127.0.0.1"; "::1"; }

sub vcl_recv {
    if (req.method == "PURGE") {
        if (!(client.ip ~ purge)) { return (synth(405)); }
        return (purge);
    }
    # Who is signed in sees pages of his own.
    if (req.http.Authorization || req.http.Cookie ~ "(?i)(session|token|userid)=") {
        return (pass);
    }
    unset req.http.Cookie;
    if (req.http.If-None-Match) { return (pass); }
    if (req.http.Accept-Encoding) {
        if (req.http.User-Agent ~ "MSIE 6") {
            unset req.http.Accept-Encoding;
        } elseif (req.http.Accept-Encoding ~ "gzip") {
            set req.http.Accept-Encoding = "gzip";
        } else {
            unset req.http.Accept-Encoding;
        }
    }
    if (req.url ~ "^/index\.php\?title=Special(:|%3A)" || req.url ~ "action=(edit|submit|history)") {
        return (pass);
    }
}
sub vcl_pipe { set bereq.http.Connection = "close"; }
sub vcl_hit {
    if (obj.ttl >= 0s) { return (deliver); }
}
sub vcl_backend_response {
    set beresp.grace = 120s;
    if (beresp.ttl < 48h) { set beresp.ttl = 48h; }
    if (!(beresp.ttl > 0s)) {
        set beresp.uncacheable = true;
        return (deliver);
    }
    if (beresp.http.Authorization && beresp.http.Cache-Control !~ "public") {
        set beresp.uncacheable = true;
    }
}
sub vcl_deliver { set resp.http.X-Wiki = req.http.Host + req.url; }
