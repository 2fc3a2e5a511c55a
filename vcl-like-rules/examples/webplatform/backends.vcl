# The programs.

probe alive {
    .url       = "/health";
    .interval  = 5s;
    .window    = 5;
    .threshold = 3;
}

# MediaWiki, twice
backend wiki_one { .url = "http://192.0.2.31"; .max_connections = 40; .probe = alive; }
backend wiki_two { .url = "http://192.0.2.32"; .max_connections = 40; .probe = alive; }

backend blog       { .url = "http://192.0.2.33";      .max_connections = 20; }
backend talk       { .url = "http://192.0.2.34:8000"; .max_connections = 40; .between_bytes_timeout = 5m; }
backend code       { .url = "unix:/run/dabblet/dabblet.sock"; }
backend statistics { .url = "http://192.0.2.35";      .visitor_address = cut; .connect_timeout = 1s; }
backend assets     { .url = "http://192.0.2.36"; }
backend pages      { .url = "http://192.0.2.37"; }

sub vcl_init {
    new wikis = directors.round_robin();
    wikis.add_backend(wiki_one);
    wikis.add_backend(wiki_two);
}

# The routes say `wiki_one`; either answers.
sub vcl_recv {
    if (req.backend_hint == wiki_one) {
        set req.backend_hint = wikis.backend();
    }
}

# One of them hangs, the other answers. What may have been done already is not asked for twice.
sub vcl_backend_error {
    if (bereq.backend == wikis.backend() && bereq.retries == 0 && (bereq.method == "GET" || bereq.method == "HEAD")) {
        return (retry);
    }
}
