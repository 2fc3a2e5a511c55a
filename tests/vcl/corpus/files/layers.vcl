vcl 4.1;
import std;
backend default none;
backend origin { .host = "192.0.2.50"; .port = "80"; }
backend peer { .host = "192.0.2.51"; .port = "6081"; }
acl peers { "192.0.2.51"; "192.0.2.52"; }
# Several definitions of one sub: they run one after another.
sub vcl_recv {
    if (req.http.X-Layer && client.ip !~ peers) { unset req.http.X-Layer; }
}
sub vcl_recv {
    if (req.http.X-Layer == "1") { set req.backend_hint = origin; }
    else { set req.backend_hint = peer; set req.http.X-Layer = "1"; }
}
sub vcl_recv {
    if (local.socket == "admin") { return (pass); }
    if (std.port(local.ip) == 8443) { set req.http.X-Forwarded-Proto = "https"; }
}
sub vcl_hash { hash_data(req.url); }
sub vcl_hash { hash_data(req.http.Host); return (lookup); }
sub vcl_deliver { set resp.http.X-Layer = server.hostname; }
sub vcl_deliver { set resp.http.X-Identity = server.identity; }
sub vcl_backend_error {
    if (bereq.backend == peer && bereq.retries == 0) {
        set bereq.backend = origin;
        return (retry);
    }
}
sub vcl_backend_response {
    if (beresp.backend == origin) { set beresp.http.X-From = "origin"; }
    else { set beresp.http.X-From = beresp.backend; }
}
sub vcl_init { return (ok); }
sub vcl_fini { return (ok); }
