# Trac behind doorward, at /trac/ of the public name. README.md says what to set in trac.ini.
# Change the names, the address of tracd and the network; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");  # SITE_DOMAIN=staging.example.org makes it staging

# Who may open the administration pages.
acl office { "192.0.2.0"/24; "2001:db8:1::"/48; }

probe trac_alive {
    .url     = "/trac/about";  # asks no database for much, and needs no permission
    .timeout = 5s;
}

backend trac {
    .url                = "http://127.0.0.1:8000";
    .first_byte_timeout = 2m;  # annotate and large changesets take their time
    .max_connections    = 32;  # one more gets a page that says so, and the machine stays up
    .probe              = trac_alive;
}

site "www." + domain {
    .aliases = domain;

    # Pages and tickets are at most 256 KB in Trac, and up to three times as long in a form.
    route "/trac/" { .backend = trac; .body_bytes_max = 1MB; }

    # A little more than `[attachment] max_size`, which is 256 KB where trac.ini says nothing else.
    route "/trac/attachment/" { .backend = trac; .body_bytes_max = 10MB; }

    # Plugins are uploaded here.
    route "/trac/admin/" { .backend = trac; .allow = network(office); .body_bytes_max = 20MB; }

    # XmlRpcPlugin under its names; take these out where people use it from elsewhere.
    route "/trac/rpc/"           { .backend = trac; .allow = network(office); }
    route "/trac/xmlrpc/"        { .backend = trac; .allow = network(office); }
    route "/trac/jsonrpc/"       { .backend = trac; .allow = network(office); }
    route "/trac/login/rpc/"     { .backend = trac; .allow = network(office); }
    route "/trac/login/xmlrpc/"  { .backend = trac; .allow = network(office); }
    route "/trac/login/jsonrpc/" { .backend = trac; .allow = network(office); }
}

sub vcl_recv {
    # Addresses of the time when Trac was a CGI program, in mails and in bookmarks.
    if (req.path ~ "^(/cgi-bin)?/trac\.(cgi|fcgi)(/|$)") {
        return (synth(301, regsub(req.url, "^(/cgi-bin)?/trac\.(cgi|fcgi)/?", "/trac/")));
    }
    # Styles, scripts and pictures are the same for everybody.
    if (req.path ~ "^/trac/chrome/") {
        unset req.http.Cookie;
    }
    # A whole tree as one archive is dear, and crawlers follow the link at the foot of each page.
    if (req.path ~ "^/trac/(browser|changeset)(/|$)" && req.arg.format == "zip" && !req.cookie.trac_auth) {
        return (synth(403, "Sign in to download archives"));
    }
}

sub vcl_synth {
    if (resp.status == 301) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Moved Permanently";
    }
}
