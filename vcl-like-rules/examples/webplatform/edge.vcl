# Where the gateway stands.

# The content network before it. What these say of a visitor's address is believed, from nobody else.
acl content_network { "198.51.100.0"/25; "2001:db8:cd::"/48; }

gateway {
    .http    = env("HTTP", ":80");
    .https   = env("HTTPS", ":443");
    .admin   = "127.0.0.1:9900";
    .state   = env("STATE", "/var/lib/doorward");
    .trusted = content_network;
}

# One form for all sites, so that one program reads them all; a new file each day, so that none grows for ever.
log harmonised {
    .format = json;
    .file   = "{state}/log/{site}/access-{day}.json";
    .errors = "{state}/log/{site}/error-{day}.log";
}

# Browsers come by https for a year; with the machine's own certificates they forget it.
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
    set resp.http.X-Frame-Options = "SAMEORIGIN";
    unset resp.http.Server;
    unset resp.http.X-Powered-By;
    unset resp.http.Via;
}
