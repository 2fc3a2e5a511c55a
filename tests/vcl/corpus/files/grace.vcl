vcl 4.1;
import std;
# An ill backend is hidden behind what is old.
probe alive { .url = "/alive"; .interval = 3s; .timeout = 1s; .window = 4; .threshold = 2; .initial = 1; }
backend app { .host = "127.0.0.1"; .port = "9000"; .probe = alive; }

sub vcl_recv {
    if (std.healthy(req.backend_hint)) {
        set req.grace = 10s;
        set req.http.X-Health = "well";
    } else {
        set req.grace = 24h;
        set req.http.X-Health = "ill";
    }
}
sub vcl_backend_response {
    set beresp.ttl = 1m;
    set beresp.grace = 24h;
    set beresp.keep = 8m;
    if (bereq.is_bgfetch && beresp.status >= 500) { return (abandon); }
    if (beresp.status == 500 || beresp.status == 502 || beresp.status == 503) {
        if (bereq.retries < 1) { return (retry); }
    }
}
sub vcl_deliver {
    set resp.http.X-Health = req.http.X-Health;
    if (obj.hits > 0 && obj.ttl < 0s) { set resp.http.Warning = "110 - stale"; }
    set resp.http.X-Age = obj.age;
    set resp.http.X-Left = obj.ttl + obj.grace;
}
sub vcl_backend_error {
    if (bereq.retries == 0) { return (retry); }
    set beresp.ttl = 1s;
    set beresp.http.Content-Type = "text/plain";
    set beresp.body = "Back in a moment: " + beresp.status + " " + beresp.reason;
    return (deliver);
}
