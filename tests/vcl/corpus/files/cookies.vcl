vcl 4.0;
backend app { .host = "127.0.0.1"; .port = "8000"; }
# Keep the cookies that the application reads and drop all others.
sub vcl_recv {
    if (req.http.Cookie) {
        set req.http.X-Cookies = req.http.Cookie;
        set req.http.Cookie = ";" + req.http.Cookie;
        set req.http.Cookie = regsuball(req.http.Cookie, "; +", ";");
        set req.http.Cookie = regsuball(req.http.Cookie, ";(sessionid|csrftoken|lang)=", "; \1=");
        set req.http.Cookie = regsuball(req.http.Cookie, ";[^ ][^;]*", "");
        set req.http.Cookie = regsuball(req.http.Cookie, "^[; ]+|[; ]+$", "");
        if (req.http.Cookie == "") { unset req.http.Cookie; }
    }
    if (req.http.Cookie !~ "sessionid=" && req.url !~ "^/account/") {
        unset req.http.Cookie;
    }
    return (hash);
}
sub vcl_backend_response {
    if (bereq.url !~ "^/account/" && !bereq.http.Cookie) {
        unset beresp.http.Set-Cookie;
    }
}
sub vcl_deliver {
    if (req.http.X-Cookies && !req.http.Cookie) { set resp.http.X-Cookies = "dropped"; }
}
