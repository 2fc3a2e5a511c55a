vcl 4.0;
import std;
import directors;

probe drupal {
    .url = "/user/login?health";
    .interval = 15s;
    .timeout = 5s;
    .window = 5;
    .threshold = 3;
    .expected_response = 200;
}
backend web1 { .host = "192.0.2.11"; .port = "80"; .probe = drupal; }
backend web2 { .host = "192.0.2.12"; .port = "80"; .probe = drupal; }
backend web3 { .host = "192.0.2.13"; .port = "80"; .probe = drupal; }

acl purgers { "localhost"; "192.0.2.10"; "192.0.2.11"; "192.0.2.12"; "192.0.2.13"; }

sub vcl_init {
    new cluster = directors.round_robin();
    cluster.add_backend(web1);
    cluster.add_backend(web2);
    cluster.add_backend(web3);
}

sub vcl_recv {
    set req.backend_hint = cluster.backend();

    if (req.restarts == 0) {
        if (req.http.X-Forwarded-For) {
            set req.http.X-Forwarded-For = req.http.X-Forwarded-For + ", " + client.ip;
        } else {
            set req.http.X-Forwarded-For = client.ip;
        }
    }
    if (req.method == "PURGE" || req.method == "URIBAN") {
        if (!client.ip ~ purgers) {
            return (synth(403, "Forbidden."));
        }
        if (req.http.Cache-Tags) {
            ban("obj.http.Cache-Tags ~ " + req.http.Cache-Tags);
        } else {
            ban("req.http.host == " + req.http.host + " && req.url == " + req.url);
        }
        return (synth(200, "Ban added."));
    }
    if (req.url ~ "^/(cron|install|update)\.php" && !client.ip ~ purgers) {
        return (synth(404, "Page not found."));
    }
    if (req.url ~ "^/admin" || req.url ~ "^/user" || req.url ~ "^/flag" || req.url ~ "^.*/ajax/.*$") {
        return (pass);
    }
    if (req.url ~ "^/sites/.*/files/private") { return (pipe); }
    if (req.url ~ "(?i)\.(pdf|asc|dat|txt|doc|xls|ppt|tgz|csv|png|gif|jpeg|jpg|ico|swf|css|js)(\?.*)?$") {
        unset req.http.Cookie;
    }
    if (req.http.Cookie) {
        set req.http.Cookie = ";" + req.http.Cookie;
        set req.http.Cookie = regsuball(req.http.Cookie, "; +", ";");
        set req.http.Cookie = regsuball(req.http.Cookie, ";(SESS[a-z0-9]+|SSESS[a-z0-9]+|NO_CACHE)=", "; \1=");
        set req.http.Cookie = regsuball(req.http.Cookie, ";[^ ][^;]*", "");
        set req.http.Cookie = regsuball(req.http.Cookie, "^[; ]+|[; ]+$", "");
        if (req.http.Cookie == "") {
            unset req.http.Cookie;
        } else {
            return (pass);
        }
    }
    return (hash);
}

sub vcl_hash {
    hash_data(req.url);
    if (req.http.host) { hash_data(req.http.host); } else { hash_data(server.ip); }
    if (req.http.X-Forwarded-Proto) { hash_data(req.http.X-Forwarded-Proto); }
    return (lookup);
}

sub vcl_backend_response {
    if (beresp.status >= 500 && bereq.retries < 2) { return (retry); }
    if (bereq.url ~ "(?i)\.(css|js|png|gif|jpe?g)$") {
        unset beresp.http.Set-Cookie;
        set beresp.ttl = 1d;
    }
    set beresp.grace = 6h;
}

sub vcl_deliver {
    unset resp.http.Cache-Tags;
    unset resp.http.X-Generator;
    unset resp.http.X-Drupal-Cache;
    set resp.http.X-Hits = obj.hits;
}

sub vcl_synth {
    set resp.http.Content-Type = "text/html; charset=utf-8";
    synthetic( {"<!DOCTYPE html>
<html><head><title>"} + resp.reason + {"</title></head>
<body><h1>"} + resp.status + " " + resp.reason + {"</h1></body></html>
"} );
    return (deliver);
}
