# What happens where your own rules do not end with `return`: these subs run behind yours, and say `return` last.
#
# Each is cut into small ones. To change one thing, write a sub of the same name: yours runs first, and where it
# returns, what stands here is left out. `sub vcl_req_cookie { return; }` does not end a phase, it only ends
# that one sub; `return (hash);` there takes requests with cookies for what may be kept.
#
# The order is Varnish 7.1's. Three things differ, because of what this gateway is:
# - A method that a cache does not know (PROPFIND, MERGE, REPORT, LOCK …) is passed, not piped: Subversion and
#   WebDAV are what we are for, and a pipe would go round the subs that come after.
# - The names of hosts are not changed to lower case: sites are found whatever the case, and the backend sees
#   what the visitor typed.
# - No page is made for an error. Where no sub sets a body, the visitor gets the house's own page for the status
#   and the cause.
# Files that begin `vcl 4.1;` get Varnish's behaviour in the first two, from builtin-varnish.vcl.

# The visitor's side

sub vcl_recv {
    call vcl_builtin_recv;
    return (hash);
}

sub vcl_builtin_recv {
    call vcl_req_host;
    call vcl_req_method;
    call vcl_req_authorization;
    call vcl_req_cookie;
}

# A request without a host, or with one that has two readings, was refused at the door.
sub vcl_req_host { }

# Only what asks for a page and changes nothing can be answered from a cache.
sub vcl_req_method {
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
}

# An answer to somebody who has signed in is for nobody else.
sub vcl_req_authorization {
    if (req.http.Authorization) {
        return (pass);
    }
}

# A cookie may be a session.
sub vcl_req_cookie {
    if (req.http.Cookie) {
        return (pass);
    }
}

# The place in the cache: the address, and the host it stands on.
sub vcl_hash {
    call vcl_builtin_hash;
    return (lookup);
}

sub vcl_builtin_hash {
    hash_data(req.url);
    if (req.http.Host) {
        hash_data(req.http.Host);
    } else {
        hash_data(server.ip);
    }
}

sub vcl_hit {
    call vcl_builtin_hit;
    return (deliver);
}

sub vcl_builtin_hit { }

sub vcl_miss {
    call vcl_builtin_miss;
    return (fetch);
}

sub vcl_builtin_miss { }

sub vcl_pass {
    call vcl_builtin_pass;
    return (fetch);
}

sub vcl_builtin_pass { }

sub vcl_pipe {
    call vcl_builtin_pipe;
    return (pipe);
}

sub vcl_builtin_pipe { }

sub vcl_purge {
    call vcl_builtin_purge;
    return (synth(200, "Purged"));
}

sub vcl_builtin_purge { }

sub vcl_deliver {
    call vcl_builtin_deliver;
    return (deliver);
}

sub vcl_builtin_deliver { }

# To make a page of your own: set resp.http.Content-Type, and resp.body.
sub vcl_synth {
    call vcl_builtin_synth;
    return (deliver);
}

sub vcl_builtin_synth { }

# The backend's side

sub vcl_backend_fetch {
    call vcl_builtin_backend_fetch;
    return (fetch);
}

sub vcl_builtin_backend_fetch { }

# Four reasons not to keep an answer. Whoever asks for it within the next two minutes does not wait for another
# visitor's answer, which would not be for him either.
sub vcl_backend_response {
    call vcl_builtin_backend_response;
    return (deliver);
}

sub vcl_builtin_backend_response {
    if (bereq.uncacheable) {
        return (deliver);
    }
    call vcl_beresp_stale;
    call vcl_beresp_cookie;
    call vcl_beresp_control;
    call vcl_beresp_vary;
}

# It is old already.
sub vcl_beresp_stale {
    if (beresp.ttl <= 0s) {
        call vcl_beresp_hitmiss;
    }
}

# It begins a session.
sub vcl_beresp_cookie {
    if (beresp.http.Set-Cookie) {
        call vcl_beresp_hitmiss;
    }
}

# It says so. What is said to gateways alone comes before what is said to all.
sub vcl_beresp_control {
    if (beresp.http.Surrogate-Control ~ "(?i)no-store"
            || (!beresp.http.Surrogate-Control && beresp.http.Cache-Control ~ "(?i)no-cache|no-store|private")) {
        call vcl_beresp_hitmiss;
    }
}

# It depends on something that nobody can compare.
sub vcl_beresp_vary {
    if (beresp.http.Vary == "*") {
        call vcl_beresp_hitmiss;
    }
}

sub vcl_beresp_hitmiss {
    set beresp.ttl = 120s;
    set beresp.uncacheable = true;
    return (deliver);
}

# To make a page of your own: set beresp.http.Content-Type, and beresp.body.
sub vcl_backend_error {
    call vcl_builtin_backend_error;
    return (deliver);
}

sub vcl_builtin_backend_error { }

# When rules are loaded and let go

sub vcl_init {
    return (ok);
}

sub vcl_fini {
    return (ok);
}
