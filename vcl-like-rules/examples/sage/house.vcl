# What holds for every site.

log visitors {
    .format = combined;
    .file   = "{state}/log/{site}/access-{day}.log";
    .errors = "{state}/log/{site}/error-{day}.log";
}

let https_only = if(certificates == "", "max-age=0", "max-age=31536000");

acl admins { "192.0.2.128"/28; "198.51.100.128"/28; "2001:db8:5a6e::"/48; }

sub vcl_recv {
    # One certbot for all names, whatever stands behind them.
    if (req.path ~ "^/\.well-known/acme-challenge/") {
        set req.backend_hint = certbot;
        return (pass);
    }
    # The same words in all sites for what no robot needs to walk through.
    if (req.path == "/robots.txt") {
        return (synth(200, "robots"));
    }
}

sub vcl_synth {
    call every_answer;
    if (resp.reason == "robots") {
        set resp.reason = "OK";
        set resp.http.Content-Type = "text/plain; charset=utf-8";
        set resp.http.Cache-Control = "public, max-age=86400";
        set resp.body = std.fileread("robots.txt");
        return (deliver);
    }
}

sub vcl_deliver {
    call every_answer;
}

sub every_answer {
    set resp.http.Strict-Transport-Security = https_only;
    set resp.http.X-Content-Type-Options = "nosniff";
    unset resp.http.Server;
    unset resp.http.X-Powered-By;
}
