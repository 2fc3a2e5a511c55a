# Static files on a host of their own, without cookies; and a copy of a program that people read while it is down.
# Any web server that serves a folder stands behind it. README.md says how the copy is made.
# Change the names and the addresses; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

backend files {
    .url             = "http://127.0.0.1:8088";
    .visitor_address = none;  # it has no use for it
    .probe = { .url = "/robots.txt"; }
}

backend trac { .url = "http://127.0.0.1:8000"; .first_byte_timeout = 30s; }

site "static." + domain {
    # Nothing is sent here.
    route "/" { .backend = files; .write = nobody; .body_bytes_max = 1KB; }
}

site "www." + domain {
    route "/trac/" { .backend = trac; }
    # Pages of the program as they were last night.
    route "/copy/" { .backend = files; .write = nobody; }
}

sub vcl_recv {
    if (req.site == "static." + domain) {
        unset req.http.Cookie;
        unset req.http.Authorization;
        if (req.method != "GET" && req.method != "HEAD" && req.method != "OPTIONS") {
            return (synth(405));
        }
        # Folders of version control, files that begin with a dot.
        if (req.path ~ "/\." && req.path !~ "^/\.well-known/") {
            return (synth(404));
        }
        # What stands behind a question mark is a version at most, and no other file.
        if (req.query && req.query !~ "^v=[0-9A-Za-z.]+$") {
            set req.url = req.path;
        }
    }
}

# Trac does not answer: the copy does, for whoever only reads.
sub vcl_backend_error {
    if (bereq.path ~ "^/trac(/|$)" && bereq.method == "GET" && bereq.retries == 0) {
        set bereq.url = "/copy" + bereq.path;
        set bereq.backend = files;
        unset bereq.http.Cookie;
        return (retry);
    }
}

sub vcl_synth {
    if (resp.status == 405) {
        set resp.http.Allow = "GET, HEAD, OPTIONS";
    }
}

sub vcl_deliver {
    if (req.site == "static." + domain) {
        unset resp.http.Set-Cookie;
        set resp.http.X-Content-Type-Options = "nosniff";
        # Names that hold a hash never change; all else is looked at again after a day.
        if (resp.status == 200 && req.path ~ "[.-][0-9a-f]{8,64}\.[a-z0-9]+$") {
            set resp.http.Cache-Control = "public, max-age=31536000, immutable";
        } elsif (resp.status == 200) {
            set resp.http.Cache-Control = "public, max-age=86400";
        }
        # Browsers want to be told that fonts may be used by other hosts.
        if (req.path ~ "\.(woff2?|ttf|otf)$") {
            set resp.http.Access-Control-Allow-Origin = "*";
        }
    }
}
