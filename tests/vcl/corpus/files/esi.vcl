vcl 4.1;
backend app { .host = "127.0.0.1"; .port = "5000"; }
# Pages made of pieces; the pieces are not to be had by themselves.
sub vcl_recv {
    if (req.url ~ "^/pieces/" && req.esi_level == 0) {
        return (synth(404, "No such page"));
    }
    if (req.esi_level > 0) {
        set req.http.X-Esi-Parent = req_top.url;
        unset req.http.If-Modified-Since;
        unset req.http.If-None-Match;
    }
    set req.http.Surrogate-Capability = "abc=ESI/1.0";
}
sub vcl_hash {
    if (req.url ~ "^/pieces/greeting" && req.http.Cookie) {
        hash_data(regsub(req.http.Cookie, ".*sid=([^;]+).*", "\1"));
    }
}
sub vcl_backend_response {
    if (beresp.http.Surrogate-Control ~ "ESI/1.0") {
        unset beresp.http.Surrogate-Control;
        set beresp.do_esi = true;
        set beresp.do_stream = false;
    }
    if (bereq.url ~ "^/pieces/clock") { set beresp.ttl = 1s; }
}
sub vcl_deliver {
    if (req.esi_level > 0) { unset resp.http.Set-Cookie; }
    if (req.http.User-Agent ~ "raw-reader") { set resp.do_esi = false; }
}
