vcl 4.1;
import std;
backend app { .host = "127.0.0.1"; .port = "8000"; }
sub vcl_recv {
    set req.http.X-Start = "" + now;
    std.timestamp("received");
    std.log("method:" + req.method + " proto:" + req.proto + " xid:" + req.xid);
    if (req.http.User-Agent) { std.log("agent:" + req.http.User-Agent); } else { std.log("agent:-"); }
    if (req.method == "POST") { std.syslog(14, "post to " + req.url + " of " + req.http.Content-Length); }
}
sub vcl_backend_response {
    std.log("took:" + (beresp.time - bereq.time));
    std.log("status:" + beresp.status + " ttl:" + beresp.ttl + " grace:" + beresp.grace + " keep:" + beresp.keep);
    if (beresp.uncacheable) { std.log("kept:no"); } else { std.log("kept:yes"); }
    set beresp.http.X-Took = now - bereq.time;
}
sub vcl_deliver {
    std.log("delivered:" + resp.status + ":" + resp.reason + " hits:" + obj.hits);
    set resp.http.Server-Timing = {"cache;desc=""} + obj.hits + {"", total;dur="} + (now - req.time);
    if (resp.is_streaming) { set resp.http.X-Streaming = "yes"; }
}
sub vcl_synth { std.log("synth:" + resp.status); }
