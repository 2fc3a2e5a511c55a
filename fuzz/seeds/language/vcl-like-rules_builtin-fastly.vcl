# What happens behind your own subs in files that begin `# dialect: fastly`, in place of builtin.vcl.

sub vcl_recv {
    if (req.method != "GET" && req.method != "HEAD" && req.method != "FASTLYPURGE") {
        return (pass);
    }
    return (lookup);
}

sub vcl_hash {
    set req.hash += req.url;
    set req.hash += req.http.Host;
    return (lookup);
}

sub vcl_hit {
    return (deliver);
}

sub vcl_miss {
    return (fetch);
}

sub vcl_pass {
    return (pass);
}

# What begins a session, or says so itself, is not kept.
sub vcl_fetch {
    if (beresp.http.Set-Cookie || beresp.http.Cache-Control ~ "(?i)private") {
        return (pass);
    }
    return (deliver);
}

sub vcl_error {
    return (deliver);
}

sub vcl_deliver {
    return (deliver);
}

sub vcl_log {
    return (deliver);
}
