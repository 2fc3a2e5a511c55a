vcl 4.1;
backend forum { .host = "127.0.0.1"; .port = "4567"; }
acl spammers { "203.0.113.0"/25; "203.0.113.200"; "2001:db8:bad::"/48; }
sub vcl_recv {
    if (client.ip ~ spammers) {
        if (req.method == "POST") { return (synth(403, "No")); }
        set req.http.X-Slow = "1";
    }
    if (req.url ~ "^/(ucp|posting|memberlist|viewonline|search)\.php") { return (pass); }
    if (req.http.Cookie ~ "phpbb3_[a-z0-9]+_u=[^1]") { return (pass); }
    set req.url = regsub(req.url, "([?&])sid=[0-9a-f]{32}&?", "\1");
    set req.url = regsub(req.url, "[?&]$", "");
    unset req.http.Cookie;
    if (req.http.Referer ~ "(?i)://[^/]*(casino|viagra)") { return (synth(410)); }
}
sub vcl_backend_response {
    if (beresp.http.Set-Cookie ~ "phpbb3_[a-z0-9]+_u=1;") { unset beresp.http.Set-Cookie; }
    set beresp.ttl = 30s;
    if (bereq.http.X-Slow) { set beresp.ttl = 1h; }
}
