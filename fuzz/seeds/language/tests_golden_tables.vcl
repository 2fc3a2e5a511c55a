# What can be wrong with tables, look-ups and names.
table projects BACKEND { "a": app, "a": app, "b": ap, "": app, from file "parts/broken.txt"; }
table hosts STRNG { "a": "b", }
table titles { "svn": 5, from file "parts/nowhere.txt"; }
backend app { .url = "http://127.0.0.1:8000"; .host = "127.0.0.1"; }
backend other { .host = "127.0.0.1:81"; .port = "82"; .proxy_header = 1; }
backend third { .path = "run/app.sock"; .probe = { .window = 2; .url = "alive"; } }
backend closed non;

site lookup(titles, "snv") {
    route "/{project}/"   { .backend = lookup(projects, "{projet}"); }
    route "/{name}/"      { .backend = app; }
    route "/{a}b/"        { .backend = app; }
    route "/x;y/"         { .backend = app; }
    route exakt "/robots" { .backend = app; }
    route "/t/"           { .backend = lookup(titles, "svn"); }
    route "/both/"        { .backend = app; .allow = anyone; .write = nobody; }
}
