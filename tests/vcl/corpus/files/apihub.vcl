vcl 4.1;
import std;
backend users { .host = "127.0.0.1"; .port = "9101"; }
backend orders { .host = "127.0.0.1"; .port = "9102"; }
backend legacy { .host = "127.0.0.1"; .port = "9103"; }

sub route_api {
    if (req.url ~ "^/v[12]/users(/|\?|$)") { set req.backend_hint = users; }
    elseif (req.url ~ "^/v[12]/orders(/|\?|$)") { set req.backend_hint = orders; }
    else { set req.backend_hint = legacy; }
}
sub check_key {
    if (!req.http.X-Api-Key && req.url ~ "[?&]key=") {
        set req.http.X-Api-Key = regsub(req.url, "^.*[?&]key=([^&]*).*$", "\1");
        set req.url = regsub(req.url, "([?&])key=[^&]*&?", "\1");
        set req.url = regsub(req.url, "[?&]$", "");
    }
    if (req.http.X-Api-Key !~ "^[0-9a-f]{32}$") { return (synth(401, "A key, please")); }
}
sub vcl_recv {
    if (req.url == "/") { return (synth(200, "api")); }
    call check_key;
    call route_api;
    if (req.url ~ "^/v1/") {
        set req.http.X-Version = "1";
    } else {
        set req.http.X-Version = "2";
    }
    if (req.method == "POST") {
        if (!std.cache_req_body(100KB)) { return (synth(413)); }
    }
    if (req.method ~ "^(PUT|POST|PATCH|DELETE)$") { return (pass); }
    return (hash);
}
sub vcl_hash {
    hash_data(req.http.X-Api-Key);
    hash_data(req.http.Accept);
}
sub vcl_backend_fetch { set bereq.http.X-Request-Id = bereq.xid; }
sub vcl_backend_response {
    if (beresp.http.Content-Type !~ "^application/(problem\+)?json") {
        return (error(502, "Not what was asked for"));
    }
    if (beresp.http.X-Ttl ~ "^\d+$") {
        set beresp.ttl = std.duration(beresp.http.X-Ttl + "s", 0s);
        unset beresp.http.X-Ttl;
    }
}
sub vcl_synth {
    set resp.http.Content-Type = "application/json";
    set resp.body = {"{"status":"} + resp.status + {","says":""} + resp.reason + """"}""";
    return (deliver);
}
sub vcl_backend_error {
    set beresp.http.Content-Type = "application/json";
    set beresp.body = {"{"status":"} + beresp.status + "}";
    return (deliver);
}
