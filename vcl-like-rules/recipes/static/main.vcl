# Static files on a host of their own, without cookies; and a copy of a program that people read while it is down.
# README.md says how the copy is made.
# Change the names and the folders; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

backend trac { .url = "http://127.0.0.1:8000"; .first_byte_timeout = 30s; }

site "static." + domain {
    route "/"                 { .files = "/srv/static"; .expires = 1d; }
    route "/pub/"             { .files = "/srv/pub";    .listing = yes; }
    route exact "/robots.txt" { .answer = "User-agent: *"; }
    # Where the files were before.
    route "/media/" { .redirect = "/{path}{query}"; }
}

site "www." + domain {
    route "/trac/" { .backend = trac; }
    # Pages of the program as they were last night; what is not among them is still down.
    route "/copy/" { .files = "/srv/copy"; .try = "{path}", "{path}.html", 503; }
}

sub vcl_deliver {
    # Trac does not answer: the copy does, for whoever only reads.
    if (req.path ~ "^/trac(/|$)" && req.method == "GET" && req.restarts == 0 && resp.status >= 502
            && resp.status <= 504) {
        set req.url = "/copy" + req.path;
        return (restart);
    }
    if (req.site == "static." + domain && resp.status == 200) {
        # Names that hold a hash never change.
        if (req.path ~ "[.-][0-9a-f]{8,64}\.[a-z0-9]+$") {
            set resp.http.Cache-Control = "public, max-age=31536000, immutable";
        }
        # Browsers want to be told that fonts may be used by other hosts.
        if (req.path ~ "\.(woff2?|ttf|otf)$") {
            set resp.http.Access-Control-Allow-Origin = "*";
        }
    }
}
