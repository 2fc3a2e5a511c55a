vcl 4.0;
import std;
backend default { .host = "127.0.0.1"; .port = "8080"; .first_byte_timeout = 300s; }
sub vcl_recv {
    if (req.http.X-Forwarded-For) {
        set req.http.X-Forwarded-For = req.http.X-Forwarded-For;
    } else {
        set req.http.X-Forwarded-For = regsub("" + client.ip, ":.*", "");
    }
    if (req.http.Authorization || req.method == "POST") { return (pass); }
    if (req.url ~ "^/(administrator|component/banners)" || req.url ~ "option=com_users") { return (pass); }
    if (req.http.x-logged-in == "True") { return (pass); }
    if (req.url ~ "\.(jpg|png|gif|css|js)$") { unset req.http.Cookie; }
    unset req.http.cookie;
    return (hash);
}
sub vcl_backend_response {
    if (beresp.http.x-logged-in == "False") {
        unset beresp.http.set-cookie;
    }
    if (bereq.method == "GET" && (beresp.status == 200 || beresp.status == 301 || beresp.status == 404)) {
        set beresp.ttl = 5m;
    }
    unset beresp.http.Pragma;
    set beresp.grace = 1h;
    return (deliver);
}
sub vcl_deliver { set resp.http.X-Seen = "" + now; }
