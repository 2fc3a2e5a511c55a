vcl 4.1;
import std;
backend app { .host = "127.0.0.1"; .port = "8000"; }
backend slow { .host = "127.0.0.1"; .port = "8000"; .max_connections = 2; .first_byte_timeout = 5s; }
sub vcl_recv {
    if (req.url == "/robots.txt") {
        return (synth(799, "robots"));
    }
    if (req.http.User-Agent ~ "(?i)(ahrefs|semrush|mj12|dotbot|petal)") { return (synth(403, "Read robots.txt")); }
    if (req.http.User-Agent ~ "(?i)(google|bing|yandex|duckduck)bot") {
        set req.backend_hint = slow;
        set req.http.X-Bot = "polite";
        unset req.http.Cookie;
        set req.grace = 1w;
    } else {
        set req.backend_hint = app;
    }
}
sub vcl_synth {
    if (resp.status == 799) {
        set resp.status = 200;
        set resp.reason = "OK";
        set resp.http.Content-Type = "text/plain";
        set resp.http.Cache-Control = "max-age=86400";
        synthetic({"User-agent: *
Disallow: /search
Crawl-delay: 10
"});
        return (deliver);
    }
}
sub vcl_backend_error {
    if (bereq.backend == slow && beresp.status == 503) {
        set beresp.status = 429;
        set beresp.reason = "Too Many Requests";
        set beresp.http.Retry-After = "600";
        synthetic("later");
        return (deliver);
    }
}
