vcl 4.1;
import std;
backend app { .host = "127.0.0.1"; .port = "8000"; }
sub refuse {
    std.log("refused: " + req.http.X-Rule + " " + client.ip + " " + req.url);
    return (synth(403, "Refused"));
}
sub rules {
    if (req.url ~ "(?i)(union[^a-z]+select|/etc/passwd|\.\./)") { set req.http.X-Rule = "address"; call refuse; }
    if (req.http.User-Agent ~ "(?i)(sqlmap|nikto|masscan|zgrab)") { set req.http.X-Rule = "agent"; call refuse; }
    if (!req.http.User-Agent || req.http.User-Agent == "-") { set req.http.X-Rule = "no agent"; call refuse; }
    if (req.url ~ "^.{4096}") { set req.http.X-Rule = "long"; call refuse; }
    if (req.method !~ "^(GET|HEAD|POST|OPTIONS)$") { set req.http.X-Rule = "method"; call refuse; }
    if (req.method == "POST" && !req.http.Content-Length && !req.http.Transfer-Encoding) {
        return (synth(411, "Length required"));
    }
    if (std.integer(req.http.Content-Length, 0) > 10485760) {
        return (synth(413, "Too much"));
    }
    if (req.url ~ "(?i)\.(sql|bak|old|swp|inc|git)(\?|$)" || req.url ~ "^/\.(git|svn|env)") {
        return (synth(404));
    }
}
sub vcl_recv {
    if (req.restarts == 0 && req.esi_level == 0) { unset req.http.X-Rule; call rules; }
}
sub vcl_deliver {
    set resp.http.Strict-Transport-Security = "max-age=31536000; includeSubDomains";
    set resp.http.X-Frame-Options = "SAMEORIGIN";
    set resp.http.Content-Security-Policy = "default-src 'self'; img-src * data:; script-src 'self' 'unsafe-inline'";
    set resp.http.Referrer-Policy = "same-origin";
    unset resp.http.X-Powered-By;
    unset resp.http.X-AspNet-Version;
    if (resp.http.Set-Cookie && resp.http.Set-Cookie !~ "(?i)secure") {
        set resp.http.Set-Cookie = resp.http.Set-Cookie + "; Secure";
    }
}
