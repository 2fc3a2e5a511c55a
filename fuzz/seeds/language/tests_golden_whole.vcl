// A gateway with everything that the first floor of the language knows.
let domain = env("GOLDEN_DOMAIN", "scipy.example");
let level  = env("GOLDEN_LEVEL", "production");

include "parts/backends.vcl";

gateway {
    .http    = ":80", "127.0.0.1:8080";
    .https   = ":443";
    .admin   = "127.0.0.1:9900";
    .state   = "state";
    .workers = 2;
    .trusted = office;
    .proxy_protocol = yes;
    .head_timeout   = 5s;
    .head_bytes_max = 32KB;
    .header_count_max = 50;
}

/* The longest network decides,
   so the printer is outside. */
acl office { "192.0.2.0"/24; ! "192.0.2.66"; "2001:db8::"/48; }

log visitors { .format = json; .file = "{state}/log/{site}/visits-{day}.json"; .errors = "logs/{site}-errors.log"; }

site "www." + domain {
    .aliases     = domain, "old." + domain;
    .certificate = if(level == "production", files("parts/chain.pem", "/etc/ssl/key.pem"), local);
    .force_https = !(level == "test");
    .log         = visitors;

    route "/trac/"    { .backend = trac; .body_bytes_max = 10MB; .total_timeout = 5m; }
    route "/svn"      { .backend = svn; .body_bytes_max = 0; }
    route "/private/" { .backend = trac; .allow = network(office) && !nobody; }
    route "/wiki/"    { .backend = moin; .encoded_slash = keep; }
    route "/Bücher/"  { .backend = moin; .allow = nobody; }
    route "/"         { .backend = if(level == "production", home, trac); }
}
