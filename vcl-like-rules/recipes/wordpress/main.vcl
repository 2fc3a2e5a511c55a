# WordPress behind doorward. README.md says what to set in wp-config.php.
# Change the names, the address of the server and the networks; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Where authors write from. Where they write from everywhere, take out what names it: WordPress asks for passwords.
acl office { "192.0.2.0"/24; "2001:db8:1::"/48; }

# WordPress itself, which asks its own address for wp-cron.php and for the REST API.
acl ourselves { "127.0.0.1"; "::1"; "192.0.2.80"; }

probe wordpress_alive {
    .request =
        "GET /wp-includes/images/blank.gif HTTP/1.1"
        "X-Forwarded-Proto: https"
        "Connection: close"
        "Host: www." + domain;
    .timeout = 5s;
}

backend wordpress {
    .url                = "http://127.0.0.1:8080";  # httpd or nginx with PHP
    .first_byte_timeout = 2m;                       # updates of plugins
    .max_connections    = 48;
    .probe              = wordpress_alive;
}

site "www." + domain {
    .aliases = domain;

    route "/" { .backend = wordpress; .body_bytes_max = 1MB; }  # comments

    # Passwords are guessed here. Readers of protected posts send theirs here, too (`action=postpass`).
    route "/wp-login.php" { .backend = wordpress; .allow = network(office); .body_bytes_max = 64KB; }

    # Uploads: the library, the block editor. The doors of wp-admin are in vcl_recv.
    route "/wp-admin/" { .backend = wordpress; .body_bytes_max = 64MB; }
    route "/wp-json/"  { .backend = wordpress; .body_bytes_max = 64MB; }

    # Pingbacks and the oldest way to guess passwords, many in one request. The phone apps and Jetpack want it.
    route "/xmlrpc.php" { .backend = wordpress; .allow = nobody; }

    route "/wp-cron.php" { .backend = wordpress; .allow = network(ourselves); .total_timeout = 10m; }

    # Files that no browser has a reason to ask for.
    route "/wp-config.php"             { .backend = wordpress; .allow = nobody; }
    route "/wp-admin/install.php"      { .backend = wordpress; .allow = nobody; }
    route "/wp-admin/setup-config.php" { .backend = wordpress; .allow = nobody; }
    route "/readme.html"               { .backend = wordpress; .allow = nobody; }
    route "/license.txt"               { .backend = wordpress; .allow = nobody; }
}

sub vcl_recv {
    # wp-admin is for the office, except for two scripts in it that the pages of visitors call.
    if (req.path ~ "^/wp-admin(/|$)" && req.path !~ "^/wp-admin/(admin-ajax|admin-post)\.php$" && client.ip !~ office) {
        return (synth(403, "For authors only"));
    }
    # What is uploaded is a file, and what belongs to WordPress is called by WordPress: nothing there is run by its
    # address, but for the editor's own script of older versions.
    if (req.path ~ "(?i)^/(wp-content/uploads|wp-includes)/.*\.(php|phtml|phar)[0-9]*(/|$)"
            && req.path != "/wp-includes/js/tinymce/wp-tinymce.php"
            || req.path ~ "(?i)^/wp-content/.*(/\.[^/]+|\.(sql|log|bak|old))$") {
        return (synth(403, "Not for visitors"));
    }
    # Names to try passwords with. A courtesy: posts name their authors anyway.
    if (client.ip !~ office && client.ip !~ ourselves
            && (req.arg.author ~ "^[0-9]" || req.arg.rest_route ~ "^/wp/v2/users"
            || req.path ~ "^(/index\.php)?/wp-json/wp/v2/users(/|$)")) {
        return (synth(403, "Not for visitors"));
    }
    # Addresses of the time when the pages lay below /blog/.
    if (req.path ~ "^/blog(/|$)") {
        return (synth(301, regsub(req.url, "^/blog/?", "/")));
    }
    # Styles, scripts and pictures are the same for everybody.
    if (req.path ~ "(?i)^/wp-(content|includes)/.*\.(css|js|png|jpe?g|gif|svg|webp|avif|ico|woff2?)$") {
        unset req.http.Cookie;
    }
}

sub vcl_synth {
    if (resp.status == 301) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Moved Permanently";
    }
}

sub vcl_deliver {
    unset resp.http.X-Pingback;
    unset resp.http.X-Powered-By;
}
