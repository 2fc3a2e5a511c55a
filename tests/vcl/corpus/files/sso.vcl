vcl 4.1;
import std;
backend portal { .host = "127.0.0.1"; .port = "8300"; .host_header = "portal.example"; }
backend tools { .host = "127.0.0.1"; .port = "8301"; }
sub strip_identity {
    unset req.http.Remote-User;
    unset req.http.X-Remote-User;
    unset req.http.X-Forwarded-User;
    unset req.http.X-Auth-Token;
}
sub vcl_recv {
    call strip_identity;
    if (req.http.Host ~ "^([a-z0-9-]+)\.tools\.example$") {
        set req.http.X-Tool = regsub(req.http.Host, "\..*$", "");
        set req.backend_hint = tools;
        set req.url = "/" + req.http.X-Tool + req.url;
    } elseif (req.http.Host == "portal.example") {
        set req.backend_hint = portal;
        return (pass);
    } else {
        return (synth(421, "Who is that?"));
    }
    if (req.http.Authorization ~ "^(?i)basic ") {
        set req.http.X-Had-Password = "yes";
        unset req.http.Authorization;
    }
    if (req.url ~ "^/[^/]+/(login|logout)") { return (pass); }
    if (req.http.Cookie ~ "sso=([^;]+)") {
        set req.http.X-Sso = regsub(req.http.Cookie, "^.*\bsso=([^;]+).*$", "\1");
    }
}
sub vcl_hash {
    hash_data(req.http.X-Tool);
    hash_data(req.http.X-Sso);
}
sub vcl_backend_fetch { unset bereq.http.X-Had-Password; }
sub vcl_deliver {
    unset resp.http.X-Internal;
    if (resp.http.Location ~ "^http://127\.0\.0\.1:") {
        set resp.http.Location = regsub(resp.http.Location, "^http://127\.0\.0\.1:\d+", "https://" + req.http.Host);
    }
}
