vcl 4.1;
import std;
backend gunicorn { .host = "127.0.0.1"; .port = "8001"; .probe = { .url = "/up/"; .interval = 10s; } }
backend nginx { .host = "127.0.0.1"; .port = "8002"; }
sub vcl_recv {
    if (req.url ~ "^/(static|media)/") {
        set req.backend_hint = nginx;
        unset req.http.Cookie;
        return (hash);
    }
    set req.backend_hint = gunicorn;
    if (req.url ~ "^/admin/" || req.http.Cookie ~ "sessionid" || req.http.Authorization) {
        return (pass);
    }
    if (req.url !~ "/($|\?)" && req.url !~ "\.[a-z]+(\?|$)" && req.method == "GET") {
        return (synth(308, regsub(req.url, "^([^?]*)", "\1/")));
    }
    unset req.http.Cookie;
}
sub vcl_synth {
    if (resp.status == 308) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Permanent Redirect";
        return (deliver);
    }
}
sub vcl_backend_response {
    if (beresp.http.Vary ~ "Cookie" && !bereq.http.Cookie) {
        set beresp.http.Vary = regsuball(beresp.http.Vary, "(?i),? *Cookie", "");
        if (beresp.http.Vary == "") { unset beresp.http.Vary; }
    }
    if (beresp.status == 404) { set beresp.ttl = 10s; }
}
