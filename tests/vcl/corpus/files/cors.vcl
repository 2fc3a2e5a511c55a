vcl 4.1;
backend api { .host = "127.0.0.1"; .port = "7000"; }
sub vcl_recv {
    unset req.http.X-Allowed;
    if (req.http.Origin ~ "^https://([a-z0-9-]+\.)?example\.(org|com)$") {
        set req.http.X-Allowed = req.http.Origin;
    }
    if (req.method == "OPTIONS" && req.http.Access-Control-Request-Method) {
        if (req.http.X-Allowed) { return (synth(204, "No Content")); }
        return (synth(403, "Not from there"));
    }
}
sub cors {
    set resp.http.Access-Control-Allow-Origin = req.http.X-Allowed;
    set resp.http.Access-Control-Allow-Credentials = "true";
    if (resp.http.Vary) {
        set resp.http.Vary = resp.http.Vary + ", Origin";
    } else {
        set resp.http.Vary = "Origin";
    }
}
sub vcl_synth {
    if (resp.status == 204) {
        call cors;
        set resp.http.Access-Control-Allow-Methods = "GET, POST, PUT, DELETE";
        set resp.http.Access-Control-Allow-Headers = req.http.Access-Control-Request-Headers;
        set resp.http.Access-Control-Max-Age = 600;
        set resp.body = "";
        return (deliver);
    }
}
sub vcl_deliver {
    if (req.http.X-Allowed) { call cors; }
}
