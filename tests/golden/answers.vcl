# Routes that the house answers by itself.
backend app { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    route "/"                 { .backend = app; }
    route "/static/"          { .files = "static"; .expires = 30d; }
    route "/pub/"             { .files = "{state}/pub"; .index = "index.html", "index.txt"; .listing = yes; .links = follow; .precompressed = no; .hidden = yes; .expires = 0; }
    route "/app/"             { .files = "/srv/app"; .links = refuse; .try = "{path}", "/sub/{path}.html", "/index.html", 404; }
    route internal "/kept/"   { .files = "/srv/kept"; }
    route internal "/store/"  { .backend = app; }
    route "/old/{project}/"   { .redirect = "https://new.example/{project}/{path}{query}"; .status = 308; }
    route exact "/robots.txt" { .answer = "User-agent: *"; }
    route "/data/"            { .answer = "{}"; .type = "application/json"; .status = 201; }
    route "/gone/"            { .answer = 410; }
}
