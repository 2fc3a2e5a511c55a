# The place where the tools lived before. Its addresses stand in thousands of articles.

site "toolserver." + domain {
    .force_https = no;  # its visitors leave at once
    .log         = visitors;

    route "/{person}/" { .backend = nobody; }
    route "/"          { .backend = nobody; }
}

table moved { from file "toolserver.txt"; }

sub vcl_recv {
    if (req.site == "toolserver." + domain) {
        if (!req.name.person) {
            return (synth(301, "/"));
        }
        if (!table.contains(moved, req.name.person)) {
            # For the admins: what is still asked for. An address becomes text without its end.
            log "toolserver: nobody took " + req.name.person + " along, asked for from " + client.ip;
            return (synth(410));
        }
        return (synth(301, regsub(req.url, "^/[^/?]+/?", "/" + table.lookup(moved, req.name.person) + "/")));
    }
}
