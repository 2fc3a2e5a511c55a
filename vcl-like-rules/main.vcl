# The demo gateway: what `make run` serves. Three small old services and one that is down, behind one https name.
# Copy it, change the names and the addresses, and it is the start of your own.

# Where keys, logs and sockets live: `state` in the checkout; DOORWARD_STATE=/elsewhere moves all of it.
let state = env("DOORWARD_STATE", "../state");

# Where to listen, should a port be taken: DOORWARD_HTTPS=127.0.0.1:9443 and so on.
let http  = env("DOORWARD_HTTP", "127.0.0.1:8080");
let https = env("DOORWARD_HTTPS", "127.0.0.1:8443");
let admin = env("DOORWARD_ADMIN", "127.0.0.1:9900");

gateway {
    .http  = http;  # sends everybody to https
    .https = https;
    .admin = admin;  # health and metrics, read only
    .state = state;
}

backend tracker { .url = "unix:" + state + "/demo/tracker.sock"; }
backend wiki    { .url = "unix:" + state + "/demo/wiki.sock"; }
backend area    { .url = "unix:" + state + "/demo/area.sock"; .between_bytes_timeout = 30s; }

# Nobody listens there: open /down/ to see what visitors are told then.
backend down { .url = "http://127.0.0.1:1"; .connect_timeout = 1s; }

# The same one and another that is well: open /half/, and nobody notices.
director half { .members = down, area; .policy = fallback; }

log visitors {
    .format = combined;  # or json
    .file   = "{state}/log/{site}/access-{day}.log";
    .errors = "{state}/log/{site}/error-{day}.log";
}

site "localhost" {
    .certificate = local;  # from an authority this machine makes for itself; or files("chain.pem", "key.pem")
    .force_https = yes;
    .log         = visitors;

    route "/tracker/"  { .backend = tracker; .body_bytes_max = 64KB; }
    route "/wiki/"     { .backend = wiki;    .body_bytes_max = 64KB; }
    route "/download/" { .backend = area; }
    route "/down/"     { .backend = down; }
    route "/half/"     { .backend = half;    .strip = yes; }
    route "/"          { .backend = area; }

    # What needs no server at all.
    route "/tickets/" { .redirect = "/tracker/{path}{query}"; }
    route exact "/robots.txt" {
        .answer = {"User-agent: *
Disallow: /down/
"};
    }
}
