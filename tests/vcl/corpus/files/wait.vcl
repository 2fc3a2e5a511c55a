vcl 4.1;
# Everything of the cache in one file.
import std;
backend app { .host = "127.0.0.1"; .port = "8000"; }
sub vcl_recv {
    set req.hash_ignore_busy = (req.http.X-Peer ~ "cache");
    set req.hash_ignore_vary = (req.url ~ "^/static/");
    if (req.http.X-Peer) { set req.hash_always_miss = true; }
    set req.ttl = 1d;
    set req.grace = 10s;
    return (hash);
}
sub vcl_miss { if (req.method == "POST") { return (pass); } return (fetch); }
sub vcl_hit {
    if (obj.hits > 100 && obj.http.X-Renew) { return (pass); }
    if (obj.ttl + obj.grace > 0s) { return (deliver); }
    return (restart);
}
sub vcl_pass { set req.http.X-Passed = "1"; return (fetch); }
sub vcl_backend_fetch {
    if (bereq.uncacheable) { set bereq.http.X-Uncacheable = "1"; }
    if (bereq.is_hitmiss || bereq.is_hitpass) { set bereq.http.X-Before = "1"; }
    return (fetch);
}
sub vcl_backend_response {
    if (beresp.was_304) { set beresp.http.X-Fresh = "304"; }
    if (beresp.age > 1h) { set beresp.ttl = 0s; }
    if (beresp.http.Cache-Control ~ "private") { return (pass(120s)); }
    set beresp.filters = beresp.filters;
    return (deliver);
}
sub vcl_deliver {
    if (obj.uncacheable) { set resp.http.X-Kept = "no"; }
    if (req.is_hitpass) { set resp.http.X-Hitpass = "1"; }
    if (req.is_hitmiss) { set resp.http.X-Hitmiss = "1"; }
    set resp.http.X-Obj-Age = obj.age;
    return (deliver);
}
