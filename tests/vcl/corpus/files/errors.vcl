vcl 4.1;
import std;
backend default { .host = "127.0.0.1"; .port = "8000"; }
sub vcl_recv {
    if (req.url ~ "^/error/(\d\d\d)") {
        return (synth(std.integer(regsub(req.url, "^/error/(\d+).*$", "\1"), 500)));
    }
    if (req.url == "/fail") { return (fail); }
    if (req.restarts > 0 && req.url == "/loop") { set req.url = "/"; }
    if (req.url == "/loop") { return (restart); }
}
sub vcl_deliver {
    if (resp.status >= 500 && resp.status < 600 && req.restarts < 1) { return (restart); }
    if (resp.status == 404 && req.url !~ "^/api/") { return (synth(404, "Nothing here")); }
}
sub page {
    set resp.http.Content-Type = "text/html; charset=utf-8";
    set resp.http.X-Id = req.xid;
    set resp.body = {"<!doctype html><title>"} + resp.status + {"</title>
<h1>"} + resp.reason + {"</h1>
<p>"} + req.method + " " + req.http.Host + req.url + {"</p>
"};
}
sub vcl_synth {
    if (resp.status < 400) { return (deliver); }
    if (resp.status >= 600) { set resp.status = 500; set resp.reason = "Internal"; }
    call page;
    return (deliver);
}
sub vcl_backend_error {
    if (beresp.status == 503 && bereq.retries < 2 && bereq.method ~ "^(GET|HEAD)$") { return (retry); }
    set beresp.http.Content-Type = "text/html; charset=utf-8";
    synthetic({"<h1>"} + beresp.reason + {"</h1>"});
    set beresp.ttl = 5s;
    return (deliver);
}
