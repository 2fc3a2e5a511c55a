vcl 4.1;

import std;

# A WordPress behind Apache on the same machine.
backend default {
    .host = "127.0.0.1";
    .port = "8080";
    .connect_timeout = 2s;
    .first_byte_timeout = 120s;
    .between_bytes_timeout = 30s;
    .max_connections = 100;
    .probe = {
        .request =
            "HEAD /wp-login.php HTTP/1.1"
            "Host: blog.example"
            "Connection: close";
        .interval = 10s;
        .timeout = 3s;
        .window = 8;
        .threshold = 3;
    }
}

acl editors {
    "127.0.0.1";
    "192.0.2.0"/24;
    "2001:db8:1::"/48;
}

sub vcl_recv {
    unset req.http.Proxy;
    set req.url = std.querysort(req.url);

    if (req.method == "PURGE") {
        if (client.ip !~ editors) {
            return (synth(405, "Not you"));
        }
        return (purge);
    }
    if (req.method == "BAN") {
        if (client.ip !~ editors) {
            return (synth(405, "Not you"));
        }
        ban("obj.http.x-url ~ " + req.url + " && obj.http.x-host == " + req.http.host);
        return (synth(200, "Banned"));
    }
    if (req.url ~ "^/wp-(login|admin|cron)" || req.url ~ "preview=true" || req.url ~ "^/xmlrpc\.php") {
        return (pass);
    }
    if (req.http.Cookie ~ "wordpress_logged_in_|comment_author_|wp-postpass_") {
        return (pass);
    }
    # Trackers' arguments change nothing in the page.
    if (req.url ~ "[?&](utm_[a-z]+|gclid|fbclid|mc_[a-z]+)=") {
        set req.url = regsuball(req.url, "(utm_[a-z]+|gclid|fbclid|mc_[a-z]+)=[^&]*&?", "");
        set req.url = regsub(req.url, "[?&]$", "");
    }
    if (req.url ~ "(?i)\.(css|js|jpe?g|png|gif|svg|webp|ico|woff2?)(\?.*)?$") {
        unset req.http.Cookie;
        return (hash);
    }
    set req.http.Cookie = regsuball(req.http.Cookie, "(^|;\s*)(__utm.|_ga|_gid|_gat|wp-settings-\d+|has_js)=[^;]*", "");
    set req.http.Cookie = regsub(req.http.Cookie, "^;\s*", "");
    if (req.http.Cookie ~ "^\s*$") {
        unset req.http.Cookie;
    }
}

sub vcl_backend_response {
    set beresp.http.x-url = bereq.url;
    set beresp.http.x-host = bereq.http.host;
    if (bereq.url !~ "wp-(login|admin)" && beresp.http.Set-Cookie !~ "wordpress_") {
        unset beresp.http.Set-Cookie;
    }
    if (beresp.status == 200) {
        set beresp.ttl = 10m;
        set beresp.grace = 6h;
    } elsif (beresp.status >= 500) {
        set beresp.uncacheable = true;
        set beresp.ttl = 5s;
        return (deliver);
    }
}

sub vcl_deliver {
    unset resp.http.x-url;
    unset resp.http.x-host;
    unset resp.http.X-Powered-By;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "hit " + obj.hits;
    } else {
        set resp.http.X-Cache = "miss";
    }
}
