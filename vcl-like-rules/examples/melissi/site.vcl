acl home { "192.0.2.0"/24; "2001:db8:6d65::"/48; }

log visitors {
    .format = combined;
    .file   = "{state}/log/{site}/access-{day}.log";
    .errors = "{state}/log/{site}/error-{day}.log";
}

site domain {
    .aliases     = "www." + domain, "hive." + domain;
    .certificate = if(certificates == "", local, files(chain, key));
    .log         = visitors;

    # Pages and forms
    route "/" { .backend = django_one; .total_timeout = 1m; }

    # A client sends a file in one request, over whatever line it has. It may take all night.
    route "/api/1/upload/" { .backend = django_one; .body_bytes_max = 2GB; .total_timeout = 0; }
    route "/api/1/"        { .backend = django_one; .body_bytes_max = 1MB; }

    # A client asks for news, and is answered when there are some.
    route "/api/1/news/" { .backend = notifier; .total_timeout = 0; }

    route "/static/"           { .backend = static; }
    route exact "/favicon.ico" { .backend = static; }

    # Where the program keeps people's files. It alone says who gets which.
    route "/store/" { .backend = nobody; .allow = nobody; }
    # And hands it out by naming it (`X-Accel-Redirect: /kept/alice/diary.txt`): no visitor can.
    route internal "/kept/" { .files = "/srv/store"; }

    route "/admin/" { .backend = django_one; .allow = network(home); .body_bytes_max = 5MB; }
}
