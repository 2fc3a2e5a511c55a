vcl 4.1;
import std;
backend media { .host = "127.0.0.1"; .port = "8200"; .between_bytes_timeout = 60s; }
sub vcl_recv {
    if (req.url ~ "\.(m3u8|mpd)(\?|$)") { set req.http.X-Kind = "list"; }
    elsif (req.url ~ "\.(ts|m4s|mp4)(\?|$)") { set req.http.X-Kind = "piece"; }
    unset req.http.Cookie;
    if (req.http.Range ~ "bytes=") { set req.http.X-Range = req.http.Range; }
    if (req.http.X-Kind == "piece" && req.http.Range) { return (pass); }
    set req.url = regsub(req.url, "[?&]_=\d+", "");
}
sub vcl_hash { if (req.http.X-Range) { hash_data(req.http.X-Range); } }
sub vcl_backend_fetch { if (bereq.http.X-Range) { set bereq.http.Range = bereq.http.X-Range; } }
sub vcl_backend_response {
    if (bereq.http.X-Kind == "list") {
        set beresp.ttl = 2s;
        set beresp.grace = 500ms;
        set beresp.do_gzip = true;
    } elsif (bereq.http.X-Kind == "piece") {
        set beresp.ttl = 1.5h;
        set beresp.do_stream = true;
        if (std.bytes(beresp.http.Content-Length, 0B) > 100MB) { set beresp.storage = storage.Transient; }
    }
    if (beresp.status == 404 && beresp.ttl > 1s) { set beresp.ttl = 1s; }
    if (beresp.status == 206) { set beresp.ttl = 10m; }
}
sub vcl_deliver {
    if (resp.status == 206 && !resp.http.Accept-Ranges) { set resp.http.Accept-Ranges = "bytes"; }
    set resp.http.Timing-Allow-Origin = "*";
}
