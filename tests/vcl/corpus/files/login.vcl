vcl 4.1;
import std;
backend app { .host = "127.0.0.1"; .port = "8000"; }
backend auth { .host = "127.0.0.1"; .port = "8999"; }
# Every request is asked about first: the question goes to another backend, and the answer restarts it.
sub vcl_recv {
    if (req.restarts == 0) {
        unset req.http.X-User;
        unset req.http.X-Asked;
        set req.http.X-Url = req.url;
        set req.http.X-Method = req.method;
        set req.backend_hint = auth;
        set req.url = "/check";
        set req.method = "HEAD";
        return (pass);
    }
    set req.url = req.http.X-Url;
    set req.method = req.http.X-Method;
    unset req.http.X-Url;
    unset req.http.X-Method;
    set req.backend_hint = app;
    if (!req.http.X-User && req.url ~ "^/private/") {
        return (synth(401, "Sign in"));
    }
}
sub vcl_deliver {
    if (req.restarts == 0) {
        if (resp.status == 200 && resp.http.X-User) { set req.http.X-User = resp.http.X-User; }
        return (restart);
    }
}
sub vcl_synth {
    if (resp.status == 401) { set resp.http.WWW-Authenticate = {"Basic realm="here""}; }
}
