# Subversion over https: httpd with mod_dav_svn behind doorward. README.md says what to set in httpd.
# Change the names, the address of httpd and the network; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Where the members of the closed repository work.
acl members { "192.0.2.0"/24; "2001:db8:1::"/48; }

probe svn_alive {
    .request =
        "OPTIONS /svn/example/ HTTP/1.1"
        "Connection: close"
        "Host: svn." + domain;
    .expected_response = 200;  # 401 where httpd asks everybody for a password
    .timeout           = 5s;
}

backend svn {
    .url                   = "http://127.0.0.1:8080";
    .first_byte_timeout    = 20m;  # a commit is answered when its hooks have run; so is `svn blame` when it has read all
    .between_bytes_timeout = 20m;
    .probe                 = svn_alive;
}

site "svn." + domain {
    # One route for every repository below SVNParentPath; a new one needs no edit here. Everybody may ask, and httpd
    # wants a password where AuthzSVNAccessFile says so: it must answer 401 there, not 403, or svn never sends one.
    # Without passwords in httpd write `.read = anyone; .write = network(members);` instead.
    route "/svn/{repository}/" {
        .backend      = svn;
        .serves       = subversion;
        .allow        = anyone;
        .body_timeout = 10m;  # a client that writes a large checkout to a slow disk stops reading for minutes
    }

    # A repository of its own may have a door of its own. A path *inside* a repository may not: the same files are
    # reached by `/svn/closed/!svn/…` too, and a REPORT names them in its body.
    route "/svn/closed/" {
        .backend      = svn;
        .serves       = subversion;
        .allow        = network(members);
        .body_timeout = 10m;
    }

    # The list of repositories (SVNListParentPath on).
    route exact "/svn/" { .backend = svn; }
}
