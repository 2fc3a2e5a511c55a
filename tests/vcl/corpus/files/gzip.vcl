vcl 4.0;
backend default { .host = "127.0.0.1"; .port = "8000"; }
sub vcl_recv {
    if (req.http.Accept-Encoding) {
        if (req.url ~ "\.(jpg|png|gif|gz|tgz|bz2|mp3|ogg|zip|woff2)$") {
            unset req.http.Accept-Encoding;
        } elsif (req.http.Accept-Encoding ~ "br") {
            set req.http.Accept-Encoding = "br";
        } elsif (req.can_gzip) {
            set req.http.Accept-Encoding = "gzip";
        } else { unset req.http.Accept-Encoding; }
    }
    set req.http.X-Esi = req.esi;
}
sub vcl_backend_response {
    if (beresp.http.Content-Encoding == "br") { return (deliver); }
    if (beresp.http.content-type ~ "(text|json|xml|javascript|svg)" && !beresp.http.Content-Encoding) {
        set beresp.do_gzip = true;
    } else if (beresp.http.Content-Encoding ~ "gzip" && beresp.http.Content-Length == "0") {
        set beresp.do_gunzip = true;
        unset beresp.http.Content-Encoding;
    }
}
sub vcl_deliver {
    if (resp.http.Vary) { set resp.http.Vary = resp.http.Vary + ",Accept-Encoding"; }
    else { set resp.http.Vary = "Accept-Encoding"; }
}
