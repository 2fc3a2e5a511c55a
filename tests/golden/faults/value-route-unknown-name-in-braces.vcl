backend trac { .url = "http://127.0.0.1:8000"; }
table things BACKEND { "a": trac, }
site "www.example" {
    route "/svn/{project}/" { .backend = lookup(things, "{projcet}"); }
}
