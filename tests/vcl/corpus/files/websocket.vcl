vcl 4.1;
import std;
backend chat { .host = "127.0.0.1"; .port = "8088"; .connect_timeout = 1s; .first_byte_timeout = 1h; .between_bytes_timeout = 1h; }
sub vcl_recv {
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    if (req.url ~ "^/events") {
        set req.http.X-Long = "yes";
        return (pass);
    }
}
sub vcl_pipe {
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = req.http.Connection;
    }
    set bereq.connect_timeout = 2s;
    return (pipe);
}
sub vcl_backend_fetch {
    if (bereq.http.X-Long) {
        unset bereq.http.X-Long;
        set bereq.first_byte_timeout = 600s;
        set bereq.between_bytes_timeout = 10m;
    }
}
sub vcl_backend_response {
    if (beresp.http.Content-Type == "text/event-stream") {
        set beresp.do_stream = true;
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
    }
}
