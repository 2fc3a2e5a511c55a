vcl 4.1;
import std;
import directors;
backend m1 { .host = "192.0.2.61"; }
backend m2 { .host = "192.0.2.62"; }
backend m3 { .host = "192.0.2.63"; }
sub vcl_init {
    new near = directors.round_robin();
    near.add_backend(m1);
    near.add_backend(m2);
    new far = directors.fallback();
    far.add_backend(near.backend());
    far.add_backend(m3);
    std.log("ready: " + now);
}
sub vcl_recv {
    if (req.url !~ "^/(debian|ubuntu)/") { return (synth(404, "Not mirrored")); }
    set req.backend_hint = far.backend();
    if (req.url ~ "/(In)?Release(\.gpg)?$") { set req.ttl = 60s; }
    if (req.http.Cache-Control ~ "max-age=0") { set req.hash_always_miss = true; }
    if (req.restarts > 2) { return (fail("three times around")); }
}
sub vcl_backend_response {
    if (bereq.url ~ "\.(deb|udeb|xz|gz)$") { set beresp.ttl = 4w; }
    else { set beresp.ttl = 2m; }
    if (beresp.status == 404 && bereq.retries < 2) { return (retry); }
    if (beresp.status >= 500) { return (abandon); }
}
sub vcl_backend_fetch {
    if (bereq.retries > 0) { set bereq.backend = m3; }
    unset bereq.http.Accept-Encoding;
}
