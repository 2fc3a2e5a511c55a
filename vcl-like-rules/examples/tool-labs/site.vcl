# One line per request, and no address in any.
log visitors {
    .format = combined;
    .file   = "{state}/log/{site}/access-{day}.log";
    .errors = "{state}/log/{site}/error-{day}.log";
}

# Each tool has its lines in a folder of its own, its errors too: make the folder its maintainers' to read, and they
# can look for themselves. Only rows of tools.txt name one; what a visitor types does not.
log tool {
    .format = combined;
    .file   = "{state}/log/tools/{tool}/access-{day}.log";
    .errors = "{state}/log/tools/{tool}/error-{day}.log";
}

site "tools." + domain {
    .aliases     = domain, "www." + domain;
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route exact "/"            { .backend = landing; }
    route "/static/"           { .backend = landing; }
    route exact "/favicon.ico" { .backend = landing; }

    # A tool without a row has no page.
    route "/{tool}/" {
        .backend        = lookup(tools, "{tool}");
        .log            = tool;
        .body_bytes_max = 20MB;
        .total_timeout  = 15m;
    }
}

# A tool that outgrew its path. Its log is its site's.
site "maps." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route "/" { .backend = generic; }
}
