# Reading goes on: when a service can't answer, the request begins again and goes to the copies of last night,
# which lie below /mirror/trac/, /mirror/wiki/ and /mirror/ask/ at all three universities.

# Which sites have a copy, by the first word of their name.
table mirrored BOOL {
    "trac": true,
    "wiki": true,
    "ask":  true,
}

sub vcl_deliver {
    if (resp.status >= 500 && req.restarts == 0 && (req.method == "GET" || req.method == "HEAD")) {
        if (table.lookup_bool(mirrored, regsub(req.site, "\..*", ""), false)) {
            return (restart);
        }
    }
    if (req.restarts > 0) {
        set resp.http.X-Mirror = "last night's";
        set resp.http.Cache-Control = "no-store";
    }
}

sub vcl_recv {
    if (req.restarts > 0) {
        # A copy knows nobody, and has no queries.
        unset req.http.Cookie;
        unset req.http.Authorization;
        set req.url = "/mirror/" + regsub(req.site, "\..*", "") + req.path;
        set req.backend_hint = files.backend();
        return (pass);
    }
}
