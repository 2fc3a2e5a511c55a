# The host names. Each is one program: nobody's cookie reaches another's.

acl staff { "203.0.113.0"/28; "2001:db8:57af::"/48; }

site "www." + domain {
    .aliases     = domain;
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = harmonised;
    .status      = "https://status." + domain + "/";

    route "/" { .backend = pages; }
}

site "docs." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = harmonised;
    .status      = "https://status." + domain + "/";

    # Titles such as `AC/DC` have a slash that is none of the path.
    route "/"                     { .backend = wiki_one; .encoded_slash = keep; .body_bytes_max = 2MB; }
    route "/wiki/Special:Upload/" { .backend = wiki_one; .body_bytes_max = 20MB; }
    # Changing how the wiki works is for the staff; reading its settings is, too.
    route "/w/mw-config/" { .backend = wiki_one; .allow = network(staff); }
}

site "blog." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = harmonised;
    .status      = "https://status." + domain + "/";

    route "/"            { .backend = blog; .body_bytes_max = 64KB; }
    route "/wp-admin/"   { .backend = blog; .allow = network(staff); .body_bytes_max = 20MB; }
    route "/xmlrpc.php/" { .backend = blog; .allow = nobody; }
}

site "talk." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = harmonised;
    .status      = "https://status." + domain + "/";

    route "/" { .backend = talk; .body_bytes_max = 1MB; .total_timeout = 0; }
}

site "code." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = harmonised;
    .status      = "https://status." + domain + "/";

    route "/" { .backend = code; .body_bytes_max = 512KB; }
}

site "stats." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = harmonised;
    .status      = "https://status." + domain + "/";

    # Everybody's pages count here; who looks at the counts is staff.
    route "/"                { .backend = statistics; .allow = network(staff); }
    route exact "/count.gif" { .backend = statistics; .allow = anyone; .body_bytes_max = 1KB; }
}
