vcl 4.1;
import std;
backend world { .host = "127.0.0.1"; .port = "6001"; }
acl home { "192.0.2.0"/24; "198.51.100.0"/24; }
acl banned { "203.0.113.0"/24; !"203.0.113.7"; }
acl edge { "127.0.0.1"; "10.0.0.0"/8; }

sub vcl_recv {
    # The one in front of us may say who the visitor is; others may not.
    if (client.ip ~ edge) {
        set req.http.X-Real = std.ip(regsub(req.http.X-Forwarded-For, "[, ].*$", ""), "0.0.0.0");
    } else {
        set req.http.X-Real = client.ip;
        unset req.http.X-Country;
    }
    if (std.ip(req.http.X-Real, "0.0.0.0") ~ banned) { return (synth(403, "Forbidden")); }
    if (std.ip(req.http.X-Real, "0.0.0.0") ~ home) { set req.http.X-Country = "HOME"; }
    if (!req.http.X-Country) { set req.http.X-Country = "XX"; }
    set req.http.X-Country = std.toupper(req.http.X-Country);
    if (req.http.X-Country ~ "^(DE|AT|CH)$") {
        set req.http.X-Language = "de";
    } elsif (req.http.X-Country == "FR") {
        set req.http.X-Language = "fr";
    } else {
        set req.http.X-Language = "en";
    }
    if (req.url == "/") { return (synth(302, "/" + req.http.X-Language + "/")); }
}
sub vcl_synth {
    if (resp.status == 302) {
        set resp.http.Location = resp.reason;
        set resp.http.Vary = "X-Country";
        set resp.reason = "Found";
        return (deliver);
    }
}
sub vcl_deliver { set resp.http.X-Country = req.http.X-Country; }
