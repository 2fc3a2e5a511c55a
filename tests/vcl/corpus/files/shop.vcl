vcl 4.1;
import std;

# A shop: catalogue pages for everybody, the basket for one.
backend shop {
    .host = "192.0.2.20";
    .port = "8080";
    .first_byte_timeout = 600s;
    .probe = {
        .url = "/health_check.php";
        .timeout = 2s;
        .interval = 5s;
        .window = 10;
        .threshold = 5;
    }
}
acl purge { "192.0.2.20"; }

sub vcl_recv {
    if (req.restarts > 0) { set req.hash_always_miss = true; }
    if (req.method == "PURGE") {
        if (client.ip !~ purge) { return (synth(405, "Method not allowed")); }
        if (!req.http.X-Tags-Pattern && !req.http.X-Pool) {
            return (synth(400, "X-Tags-Pattern or X-Pool header required"));
        }
        if (req.http.X-Tags-Pattern) { ban("obj.http.X-Tags ~ " + req.http.X-Tags-Pattern); }
        if (req.http.X-Pool) { ban("obj.http.X-Pool ~ " + req.http.X-Pool); }
        return (synth(200, "Purged"));
    }
    if (req.method != "GET" && req.method != "HEAD" && req.method != "PUT" && req.method != "POST"
        && req.method != "TRACE" && req.method != "OPTIONS" && req.method != "DELETE") {
        return (pipe);
    }
    if (req.method != "GET" && req.method != "HEAD") { return (pass); }
    if (req.url ~ "/(checkout|customer|catalogsearch)") { return (pass); }
    if (req.url ~ "^/(pub/)?(health_check\.php)$") { return (pass); }
    # An address may come with its scheme and host: both are said elsewhere.
    set req.url = regsub(req.url, "^http[s]?://", "");
    std.collect(req.http.Cookie);
    if (req.http.Accept-Encoding) {
        if (req.url ~ "\.(jpg|jpeg|png|gif|gz|tgz|bz2|tbz|mp3|ogg|swf|flv)$") {
            unset req.http.Accept-Encoding;
        } elsif (req.http.Accept-Encoding ~ "gzip") {
            set req.http.Accept-Encoding = "gzip";
        } elsif (req.http.Accept-Encoding ~ "deflate" && req.http.user-agent !~ "MSIE") {
            set req.http.Accept-Encoding = "deflate";
        } else {
            unset req.http.Accept-Encoding;
        }
    }
    if (req.url ~ "(\?|&)(gclid|cx|ie|cof|siteurl|zanpid|origin|fbclid|mc_[a-z]+|utm_[a-z]+|_bta_[a-z]+)=") {
        set req.url = regsuball(req.url, "(gclid|cx|ie|cof|siteurl|zanpid|origin|fbclid|mc_[a-z]+|utm_[a-z]+|_bta_[a-z]+)=[-_A-z0-9+()%.]+&?", "");
        set req.url = regsub(req.url, "[?|&]+$", "");
    }
    if (req.http.Authorization ~ "^Bearer") { return (pass); }
    return (hash);
}

sub vcl_hash {
    if (req.http.cookie ~ "X-Vary=") {
        hash_data(regsub(req.http.cookie, "^.*?X-Vary=([^;]+);*.*$", "\1"));
    }
    if (req.http.X-Forwarded-Proto) { hash_data(req.http.X-Forwarded-Proto); }
    if (req.url ~ "/graphql") { call process_graphql_headers; }
}
sub process_graphql_headers {
    if (req.http.Store) { hash_data(req.http.Store); }
    if (req.http.Content-Currency) { hash_data(req.http.Content-Currency); }
}

sub vcl_backend_response {
    set beresp.grace = 3d;
    if (beresp.http.content-type ~ "text") { set beresp.do_esi = true; }
    if (bereq.url ~ "\.js$" || beresp.http.content-type ~ "text") { set beresp.do_gzip = true; }
    if (beresp.http.X-Debug) { set beresp.http.X-Cache-Control = beresp.http.Cache-Control; }
    if (beresp.status != 200 && beresp.status != 404) {
        set beresp.ttl = 0s;
        set beresp.uncacheable = true;
        return (deliver);
    } elsif (beresp.http.Cache-Control ~ "private") {
        set beresp.uncacheable = true;
        set beresp.ttl = 86400s;
        return (deliver);
    }
    if (beresp.ttl > 0s && (bereq.method == "GET" || bereq.method == "HEAD")) {
        unset beresp.http.set-cookie;
    }
    if (beresp.ttl <= 0s || beresp.http.Surrogate-control ~ "no-store" ||
        (!beresp.http.Surrogate-Control && beresp.http.Cache-Control ~ "no-cache|no-store") ||
        beresp.http.Vary == "*") {
        set beresp.ttl = 120s;
        set beresp.uncacheable = true;
    }
    return (deliver);
}

sub vcl_deliver {
    if (resp.http.x-varnish ~ " ") { set resp.http.X-Cache-Debug = "HIT"; } else { set resp.http.X-Cache-Debug = "MISS"; }
    if (resp.http.Cache-Control !~ "private" && req.url !~ "^/(pub/)?(media|static)/") {
        set resp.http.Pragma = "no-cache";
        set resp.http.Expires = "-1";
        set resp.http.Cache-Control = "no-store, no-cache, must-revalidate, max-age=0";
    }
    if (!resp.http.X-Debug) { unset resp.http.Age; }
    unset resp.http.X-Debug;
    unset resp.http.X-Tags;
    unset resp.http.Server;
    unset resp.http.Via;
    unset resp.http.Link;
}

sub vcl_hit {
    if (obj.ttl >= 0s) { return (deliver); }
    if (std.healthy(req.backend_hint)) {
        if (obj.ttl + 300s > 0s) {
            set req.http.grace = "normal (healthy server)";
            return (deliver);
        } else {
            return (restart);
        }
    } else {
        set req.http.grace = "unlimited (unhealthy server)";
        return (deliver);
    }
}
