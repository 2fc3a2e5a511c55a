vcl 4.1;
import std;
backend default none;

acl builders { "192.0.2.0"/24; ! "192.0.2.128"/25; }

# Everything is closed while the file is there.
sub closed {
    if (std.file_exists("/srv/closed") && client.ip !~ builders) {
        return (synth(750, "Closed for repairs"));
    }
}
sub vcl_recv {
    call closed;
    if (req.url == "/healthz") { return (synth(200, "Fine")); }
    if (req.url ~ "^/old/(.*)$") {
        return (synth(751, regsub(req.url, "^/old/", "/new/")));
    }
}
sub vcl_synth {
    if (resp.status == 750) {
        set resp.status = 503;
        set resp.http.Retry-After = "1800";
        set resp.http.Content-Type = "text/html; charset=utf-8";
        set resp.body = std.fileread("/etc/hostname");
        return (deliver);
    }
    if (resp.status == 751) {
        set resp.http.Location = "https://" + req.http.Host + resp.reason;
        set resp.status = 301;
        set resp.reason = "Moved Permanently";
        return (deliver);
    }
}
