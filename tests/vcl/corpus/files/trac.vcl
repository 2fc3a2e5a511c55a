vcl 4.1;
import std;
import directors;
backend trac1 { .host = "127.0.0.1"; .port = "8000"; .max_connections = 8; }
backend trac2 { .host = "127.0.0.1"; .port = "8010"; .max_connections = 8; }
backend svn { .host = "127.0.0.1"; .port = "8080"; .first_byte_timeout = 600s; .between_bytes_timeout = 600s; }
sub vcl_init {
    new trac = directors.fallback(sticky = true);
    trac.add_backend(trac1);
    trac.add_backend(trac2);
}
sub vcl_recv {
    if (req.url ~ "^/svn/") {
        set req.backend_hint = svn;
        return (pipe);
    }
    set req.backend_hint = trac.backend();
    if (req.url ~ "^/trac/(browser|changeset|log|timeline)" && req.http.Cookie !~ "trac_auth=") {
        if (req.url ~ "format=(zip|diff|rss)") { return (synth(403, "Sign in for that")); }
        set req.http.X-Dear = "1";
        unset req.http.Cookie;
        return (hash);
    }
    if (req.http.Cookie ~ "trac_auth=") { return (pass); }
    set req.http.Cookie = regsuball(req.http.Cookie, "(trac_session|trac_form_token)=[^;]*;? *", "");
    if (req.http.Cookie == "") { unset req.http.Cookie; }
}
sub vcl_backend_response {
    if (bereq.http.X-Dear && beresp.status == 200) {
        unset beresp.http.Set-Cookie;
        set beresp.ttl = 10m;
        set beresp.grace = 1d;
    }
}
