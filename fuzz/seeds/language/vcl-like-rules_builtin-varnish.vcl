# In files that begin `vcl 4.0;` or `vcl 4.1;` these bodies stand between your own and those of builtin.vcl, so
# that what such a file says means what it means in Varnish 7.1.

sub vcl_req_host {
    if (req.http.Host ~ "[A-Z]") {
        set req.http.Host = std.tolower(req.http.Host);
    }
    if (!req.http.Host && req.esi_level == 0 && req.proto == "HTTP/1.1") {
        return (synth(400));
    }
}

# What is no method of a web page goes through as it is, and no later sub sees it.
sub vcl_req_method {
    if (req.method == "PRI") {
        return (synth(405));
    }
    if (req.method != "GET" && req.method != "HEAD" && req.method != "PUT" && req.method != "POST" &&
        req.method != "TRACE" && req.method != "OPTIONS" && req.method != "DELETE" && req.method != "PATCH") {
        return (pipe);
    }
}

sub vcl_builtin_backend_fetch {
    if (bereq.method == "GET") {
        unset bereq.body;
    }
}
