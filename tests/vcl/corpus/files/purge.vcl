vcl 4.1;
import std;
backend app { .host = "127.0.0.1"; .port = "8000"; }
acl purge { "127.0.0.1"; "192.0.2.0"/26; }
# One page, all that match, or softly.
sub vcl_recv {
    if (req.method == "PURGE" || req.method == "BAN" || req.method == "REFRESH") {
        if (client.ip !~ purge && std.ip(req.http.X-Forwarded-For, "0.0.0.0") !~ purge) {
            return (synth(405, "PURGE is not for " + client.ip));
        }
        if (req.method == "PURGE") { return (purge); }
        if (req.method == "REFRESH") {
            set req.method = "GET";
            set req.hash_always_miss = true;
            return (hash);
        }
        if (req.http.X-Ban-Url && req.http.X-Ban-Host) {
            ban("obj.http.X-Url ~ " + req.http.X-Ban-Url + " && obj.http.X-Host ~ " + req.http.X-Ban-Host);
            return (synth(200, "Banned both"));
        }
        if (std.ban("obj.http.X-Url ~ " + req.url)) {
            return (synth(200, "Banned"));
        } else {
            return (synth(400, std.ban_error()));
        }
    }
}
sub vcl_purge {
    if (req.http.X-Again) {
        set req.method = "GET";
        return (restart);
    }
    return (synth(200, "Purged " + req.url));
}
sub vcl_backend_response {
    set beresp.http.X-Url = bereq.url;
    set beresp.http.X-Host = bereq.http.Host;
}
sub vcl_deliver { unset resp.http.X-Url; unset resp.http.X-Host; }
