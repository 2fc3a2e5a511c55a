# Which cookies a program gets to see.

sub vcl_recv {
    # What counts visitors in the browser is no session. Without it most readers have none, and their pages are
    # everybody's.
    if (req.http.Cookie) {
        set req.http.Cookie =
            regsuball(req.http.Cookie, "(^|; *)(_ga(_[A-Z0-9]+)?|_gid|_gat|__utm[a-z]|_pk_(id|ses)[^=;]*)=[^;]*", "");
        set req.http.Cookie = regsub(req.http.Cookie, "^; *", "");
        if (req.http.Cookie == "") {
            unset req.http.Cookie;
        }
    }
    # Programs answered differently to each spelling of what browsers unpack: two are enough.
    if (req.http.Accept-Encoding) {
        if (req.url ~ "\.(png|jpe?g|gif|webp|woff2?|zip|gz|mp4)(\?|$)") {
            unset req.http.Accept-Encoding;
        } elsif (req.http.Accept-Encoding ~ "gzip") {
            set req.http.Accept-Encoding = "gzip";
        } else {
            unset req.http.Accept-Encoding;
        }
    }
}

# What a reader without a session gets of the wiki may be kept for a while, and shown a day longer while the wiki
# is down. This is said to the cache; where there is none yet, it changes nothing.
sub vcl_backend_response {
    if (req.site == "docs." + domain && !bereq.http.Cookie && !beresp.http.Set-Cookie && beresp.status == 200) {
        set beresp.ttl = 5m;
        set beresp.grace = 1d;
    }
}
