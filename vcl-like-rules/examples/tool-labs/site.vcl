# One line per request and no address in it; the path tells the tool. Tools with a host of their own
# have files of their own, which their maintainers may read.
log visitors {
    .format = combined;
    .file   = "{state}/log/{site}/access-{day}.log";
    .errors = "{state}/log/{site}/error-{day}.log";
}

site "tools." + domain {
    .aliases     = domain, "www." + domain;
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route exact "/"            { .backend = landing; }
    route "/static/"           { .backend = landing; }
    route exact "/favicon.ico" { .backend = landing; }

    # A tool without a row has no page.
    route "/{tool}/" { .backend = lookup(tools, "{tool}"); .body_bytes_max = 20MB; .total_timeout = 15m; }
}

# A tool that outgrew its path.
site "maps." + domain {
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    route "/" { .backend = generic; }
}
