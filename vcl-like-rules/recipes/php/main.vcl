# A PHP program behind doorward, run by php-fpm. README.md says what to set there.
# Change the names, the folders and the network; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Who may open what administers the program and its database.
acl office { "192.0.2.0"/24; "2001:db8:1::"/48; }

backend php {
    .url                = "fastcgi:/run/php/php8.2-fpm.sock";  # as `listen` says in php-fpm's pool
    .first_byte_timeout = 35s;                                 # a little more than max_execution_time, which is 30 s
    .max_connections    = 32;                                  # as pm.max_children
}

site "www." + domain {
    .aliases = domain;

    # Scripts: what a path names below the root, and nothing else there.
    route "/"            { .backend = php; .root = "/srv/www"; .body_bytes_max = 8MB; }  # as post_max_size
    route "/upload.php"  { .backend = php; .root = "/srv/www"; .body_bytes_max = 64MB; }
    route "/admin/"      { .backend = php; .root = "/srv/www"; .allow = network(office); }
    route "/phpmyadmin/" { .backend = php; .root = "/usr/share"; .allow = network(office); .body_bytes_max = 64MB; }

    # Files, which php has nothing to do with: nothing that lies here is run, whatever the upload form let through.
    route "/css/"         { .files = "/srv/www/css";    .expires = 1d; }
    route "/js/"          { .files = "/srv/www/js";     .expires = 1d; }
    route "/images/"      { .files = "/srv/www/images"; .expires = 7d; }
    route "/uploads/"     { .files = "/srv/www/uploads"; }
    route "/.well-known/" { .files = "/srv/www/.well-known"; }

    # Code that is included and never asked for, as composer and most programs lay it out.
    route "/vendor/"   { .backend = php; .root = "/srv/www"; .allow = nobody; }
    route "/includes/" { .backend = php; .root = "/srv/www"; .allow = nobody; }
    route "/config/"   { .backend = php; .root = "/srv/www"; .allow = nobody; }
    route "/install/"  { .backend = php; .root = "/srv/www"; .allow = nobody; }
}

sub vcl_recv {
    # Old PHP took a session from the address: it leaks by links, and may be planted.
    if (req.query ~ "(?i)(^|&)PHPSESSID=") {
        return (synth(301, regsub(regsub(req.url, "(?i)([?&])PHPSESSID=[^&]*&?", "\1"), "[?&]$", "")));
    }
    # Addresses of the time before a framework.
    if (req.path ~ "^/[a-z]+\.php3$") {
        return (synth(301, regsub(req.url, "\.php3", ".php")));
    }
}

sub vcl_synth {
    if (resp.status == 301) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Moved Permanently";
    }
}

sub vcl_deliver {
    unset resp.http.X-Powered-By;
}
