# Pictures, scripts and styles stand on a host of their own, without cookies: a request is smaller, any cache may
# keep any answer, and no file is ever somebody's.

site "static." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = harmonised;
    .status      = "https://status." + domain + "/";

    route "/" { .backend = assets; }
}

sub vcl_recv {
    if (req.site == "static." + domain) {
        if (req.method != "GET" && req.method != "HEAD") {
            return (synth(405));
        }
        unset req.http.Cookie;
        unset req.http.Authorization;
        # The version in `?v=7` is for browsers; the file is the same.
        set req.url = req.path;
        return (hash);
    }
}

sub vcl_synth {
    if (resp.status == 405) {
        set resp.http.Allow = "GET, HEAD";
    }
}

sub vcl_backend_response {
    if (bereq.backend == assets) {
        unset beresp.http.Set-Cookie;
        if (beresp.status == 200) {
            set beresp.http.Cache-Control = "public, max-age=31536000, immutable";
            set beresp.ttl = 30d;
        }
        # Fonts and scripts are used by the pages of the other hosts.
        set beresp.http.Access-Control-Allow-Origin = "*";
    }
}
