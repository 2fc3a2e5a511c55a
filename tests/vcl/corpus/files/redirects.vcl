vcl 4.1;
import std;
backend www { .host = "127.0.0.1"; .port = "8000"; }
backend api { .host = "127.0.0.1"; .port = "8001"; }

sub vcl_recv {
    # One name for the site, in lower case, without a port.
    set req.http.Host = regsub(std.tolower(req.http.Host), ":\d+$", "");
    if (req.http.Host == "example.org" || req.http.Host ~ "^(web|old)\.example\.org$") {
        return (synth(720, "https://www.example.org" + req.url));
    }
    if (req.http.X-Forwarded-Proto !~ "(?i)https") {
        return (synth(720, "https://" + req.http.Host + req.url));
    }
    if (req.url ~ "^/index\.(html?|php)$") { return (synth(720, "/")); }
    if (req.url ~ "//") { return (synth(721, regsuball(req.url, "//+", "/"))); }
    if (req.url ~ "^/api/v1/") {
        set req.backend_hint = api;
        set req.url = regsub(req.url, "^/api/v1", "");
        return (pass);
    }
    set req.backend_hint = www;
}
sub vcl_synth {
    if (resp.status == 720 || resp.status == 721) {
        set resp.http.Location = resp.reason;
        if (resp.status == 720) {
            set resp.status = 301;
        } else {
            set resp.status = 302;
        }
        set resp.reason = "Elsewhere";
        return (deliver);
    }
}
