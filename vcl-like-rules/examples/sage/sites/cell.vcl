# The calculator: WebSockets that stay open as long as somebody calculates, and pages of others that embed it.
site "cell." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route "/" { .backend = cell_france; .body_bytes_max = 64KB; .total_timeout = 0; }
}

sub vcl_deliver {
    if (req.site == "cell." + domain) {
        set resp.http.Access-Control-Allow-Origin = "*";
    }
}
