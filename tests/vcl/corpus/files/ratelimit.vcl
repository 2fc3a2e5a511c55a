vcl 4.1;
import std;
# A limit without counters: who already was refused waits, by a cookie that says when.
backend app { .host = "127.0.0.1"; .port = "8000"; }
acl friends { "192.0.2.0"/24; }
sub vcl_recv {
    if (client.ip ~ friends) { return (hash); }
    if (req.url ~ "^/(login|register|contact)" && req.method == "POST") {
        if (req.http.Cookie ~ "last_post=\d+") {
            set req.http.X-Last = regsub(req.http.Cookie, "^.*last_post=(\d+).*$", "\1");
            if (std.time(integer = std.integer(req.http.X-Last, 0), fallback = now) + 10s > now) {
                return (synth(429, "Too fast"));
            }
        }
        set req.http.X-Set-Last = "1";
    }
    if (req.http.User-Agent ~ "(?i)(crawler|spider|bot)" && std.random(0, 100) < 50) {
        return (synth(429, "Later, please"));
    }
}
sub vcl_synth {
    if (resp.status == 429) {
        set resp.http.Retry-After = "10";
        set resp.http.Content-Type = "text/plain";
        set resp.body = resp.reason;
        return (deliver);
    }
}
sub vcl_deliver {
    if (req.http.X-Set-Last) {
        set resp.http.Set-Cookie = "last_post=" + std.time2integer(now, 0) + "; Path=/; HttpOnly";
    }
}
