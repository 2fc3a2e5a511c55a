vcl 4.1;
# Files, and nothing but files.
backend files { .path = "/run/files.sock"; }

sub vcl_recv {
    if (req.method != "GET" && req.method != "HEAD") {
        return (synth(405, "Only reading here"));
    }
    unset req.http.Cookie;
    unset req.http.Authorization;
    set req.url = regsub(req.url, "\?.*$", "");
    if (req.url ~ "/\.") { return (synth(404)); }
    if (req.url ~ "/$") { set req.url = req.url + "index.html"; }
    return (hash);
}
sub vcl_synth {
    if (resp.status == 405) { set resp.http.Allow = "GET, HEAD"; }
}
sub vcl_backend_response {
    unset beresp.http.Set-Cookie;
    if (beresp.http.Content-Type ~ "^(text/|application/(javascript|json|xml))") {
        set beresp.do_gzip = true;
    }
    if (bereq.url ~ "\.[0-9a-f]{8,}\.") {
        set beresp.ttl = 52w;
        set beresp.http.Cache-Control = "public, max-age=31536000, immutable";
    } else {
        set beresp.ttl = 5m;
    }
    set beresp.keep = 1w;
}
sub vcl_deliver {
    unset resp.http.Server;
    set resp.http.X-Content-Type-Options = "nosniff";
}
