# How long browsers keep what.

sub vcl_recv {
    # Files need no session to be read, and no query to be found.
    if (req.route == "/static/" || req.route == "/favicon.ico") {
        unset req.http.Cookie;
        set req.url = req.path;
    }
}

sub vcl_backend_response {
    if (bereq.backend == static && beresp.status == 200) {
        unset beresp.http.Set-Cookie;
        # A name with the digest of its content in it never means anything else: logo.3f2a1b9c04d7.png
        if (bereq.path ~ "\.[0-9a-f]{12}\.[a-z0-9]+$") {
            set beresp.http.Cache-Control = "public, max-age=31536000, immutable";
        } else {
            set beresp.http.Cache-Control = "public, max-age=86400";
        }
        unset beresp.http.Expires;
    }
    # Pages of somebody who has signed in stay in his own browser.
    if (bereq.backend != static && !beresp.http.Cache-Control) {
        set beresp.http.Cache-Control = "private, no-cache";
    }
}

let https_only = if(certificates == "", "max-age=0", "max-age=31536000");

sub vcl_deliver {
    call every_answer;
}

sub vcl_synth {
    call every_answer;
}

sub every_answer {
    set resp.http.Strict-Transport-Security = https_only;
    set resp.http.X-Content-Type-Options = "nosniff";
    set resp.http.X-Frame-Options = "DENY";
    set resp.http.Content-Security-Policy = "default-src 'self'; frame-ancestors 'none'";
    unset resp.http.Server;
}
