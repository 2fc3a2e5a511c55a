# MediaWiki behind doorward: articles at /wiki/, scripts at /w/. README.md says what to set in LocalSettings.php.
# Change the names, the address of the server and the networks; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Who may change pages: "everybody", or "editors" while spam comes in. Then reload.
let writers = env("WIKI_WRITERS", "everybody");

acl editors   { "192.0.2.0"/24; "2001:db8:1::"/48; }
acl everybody { "0.0.0.0"/0;    "::"/0; }

probe mediawiki_alive {
    # The page that is made for this. The server finds its wiki by the name that is asked for.
    .request =
        "GET /wiki/Special:BlankPage HTTP/1.1"
        "X-Forwarded-Proto: https"
        "Connection: close"
        "Host: wiki." + domain;
    .timeout = 5s;
}

backend mediawiki {
    .url                = "http://127.0.0.1:8080";  # httpd or nginx with PHP
    .first_byte_timeout = 3m;                       # saving a page that many others include
    .max_connections    = 48;
    .probe              = mediawiki_alive;
}

site "wiki." + domain {
    # `AC/DC` is one title, and MediaWiki's links call it AC%2FDC: the slash stays encoded, as the visitor sent it.
    route "/wiki/" {
        .backend        = mediawiki;
        .encoded_slash  = keep;
        .write          = if(writers == "editors", network(editors), network(everybody));
        .body_bytes_max = 20MB;  # Special:Upload; as upload_max_filesize in php.ini
    }

    # index.php, load.php and all other scripts.
    route "/w/" {
        .backend        = mediawiki;
        .write          = if(writers == "editors", network(editors), network(everybody));
        .body_bytes_max = 20MB;
    }

    # Programs. They read by POST, too, and say in the body which it is: closed to writing, they can't read so either.
    route "/w/api.php" {
        .backend        = mediawiki;
        .write          = if(writers == "editors", network(editors), network(everybody));
        .body_bytes_max = 20MB;
    }
    route "/w/rest.php" {
        .backend       = mediawiki;
        .encoded_slash = keep;  # titles stand in its paths
        .write         = if(writers == "editors", network(editors), network(everybody));
    }

    # What the web server should not show either: the installer, and folders that are code.
    route "/w/mw-config/"      { .backend = mediawiki; .allow = nobody; }
    route "/w/maintenance/"    { .backend = mediawiki; .allow = nobody; }
    route "/w/includes/"       { .backend = mediawiki; .allow = nobody; }
    route "/w/languages/"      { .backend = mediawiki; .allow = nobody; }
    route "/w/vendor/"         { .backend = mediawiki; .allow = nobody; }
    route "/w/tests/"          { .backend = mediawiki; .allow = nobody; }
    route "/w/cache/"          { .backend = mediawiki; .allow = nobody; }
    route "/w/images/deleted/" { .backend = mediawiki; .allow = nobody; }

    route exact "/"            { .backend = mediawiki; }
    route exact "/favicon.ico" { .backend = mediawiki; }
    route exact "/robots.txt"  { .backend = mediawiki; }
}

sub vcl_recv {
    # Addresses of the time before short ones.
    if (req.path ~ "^/index\.php/.") {
        return (synth(301, regsub(req.url, "^/index\.php/", "/wiki/")));
    }
    if (req.path == "/index.php") {
        return (synth(301, "/w" + req.url));
    }
    # Uploads are files: nothing there is ever run.
    if (req.path ~ "(?i)^/w/images/.*\.(php|phtml|phar|pl|py|cgi|htaccess)[0-9]*(/|$)") {
        return (synth(403, "Not a file of this wiki"));
    }
    if (req.path ~ "^/w/(images|resources|skins|extensions)/" || req.path == "/w/load.php") {
        unset req.http.Cookie;
    }
    # Forms that could not be sent are not shown either. This is a courtesy, `.write` is the wall.
    if (writers == "editors" && client.ip !~ editors
            && (req.arg.action ~ "^(edit|submit|delete|rollback|protect|unprotect|watch|unwatch|purge)$"
            || req.arg.veaction ~ "^edit")) {
        return (synth(403, "Pages can be read but not changed at the moment"));
    }
}

sub vcl_synth {
    if (resp.status == 301) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Moved Permanently";
    }
}
