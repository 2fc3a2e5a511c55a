# Names in paths, tables, and who may read and write.
acl office { "192.0.2.0"/24; "localhost"; from file "parts/networks.txt"; }

probe alive { .url = "/alive"; .window = 5; .threshold = 3; }

backend numpy { .host = "127.0.0.1"; .port = "8001"; .max_connections = 8; .probe = alive; }
backend scipy { .host = "127.0.0.1:8002"; .probe = { .request = "GET / HTTP/1.1" "Host: scipy" "Connection: close"; } }
backend closed none;

table projects BACKEND {
    "numpy": numpy,
    from file "parts/projects.txt";
}
table hosts { "svn": "svn.example", }

site lookup(hosts, "svn") {
    route "/{project}/" {
        .backend = lookup(projects, "{project}");
        .serves  = subversion;
        .read    = anyone;
        .write   = network(office);
    }
    route "/git/{group}/{repository}/" { .backend = lookup(projects, "{group}/{repository}", closed); .serves = git; .allow = network(office); }
    route exact "/robots.txt" { .backend = numpy; }
}
