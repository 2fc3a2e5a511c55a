# MoinMoin 1.9 behind doorward, at /wiki/ of the public name. README.md says what to set in wikiconfig.py.
# Change the names, the address of the wiki and the networks; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Who may change pages: "everybody", or "editors" while spam comes in. Then reload.
let writers = env("WIKI_WRITERS", "everybody");

acl editors   { "192.0.2.0"/24; "2001:db8:1::"/48; }
acl everybody { "0.0.0.0"/0;    "::"/0; }

probe moin_alive {
    .url     = "/wiki/HelpContents?action=raw";
    .timeout = 5s;
}

backend moin {
    .url                = "unix:/run/moin/moin.sock";  # or "http://127.0.0.1:8080"
    .first_byte_timeout = 2m;                          # a full-text search reads every page
    .max_connections    = 24;
    .probe              = moin_alive;
}

site "www." + domain {
    # Everything that changes a page is a POST in MoinMoin, whatever its action: this door holds.
    route "/wiki/" {
        .backend        = moin;
        .read           = anyone;
        .write          = if(writers == "editors", network(editors), network(everybody));
        .body_bytes_max = 20MB;  # attachments
    }

    # The digits are those of the version: url_prefix_static of 1.9.11.
    route "/moin_static1911/" { .backend = moin; }
}

sub vcl_recv {
    # Addresses of the time when the wiki was a CGI program.
    if (req.path ~ "^(/cgi-bin)?/moin\.(cgi|fcgi)(/|$)") {
        return (synth(301, regsub(req.url, "^(/cgi-bin)?/moin\.(cgi|fcgi)/?", "/wiki/")));
    }
    # Themes and scripts are the same for everybody.
    if (req.path ~ "^/moin_static") {
        unset req.http.Cookie;
    }
    # Forms that could not be sent are not shown either. This is a courtesy, `.write` is the wall.
    if (writers == "editors" && req.path ~ "^/wiki(/|$)" && client.ip !~ editors
            && req.arg.action ~ "^(edit|newaccount|login|recoverpass|AttachFile|DeletePage|RenamePage|CopyPage|Load|SyncPages)$"
            && req.arg.do != "get" && req.arg.do != "view") {
        return (synth(403, "Pages can be read but not changed at the moment"));
    }
    # Differences and old versions of each page cost as much as the wiki itself; search engines need the pages only.
    if (req.arg.action ~ "^(diff|info|recall|SpellCheck|LikePages|LocalSiteMap)$"
            && req.http.User-Agent ~ "(?i)bot|crawl|spider") {
        return (synth(403, "Pages may be indexed, their history may not"));
    }
}

sub vcl_synth {
    if (resp.status == 301) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Moved Permanently";
    }
}
