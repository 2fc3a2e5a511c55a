backend trac { .url = "http://127.0.0.1:8000"; }
log visitors { .format = combined; }
site "www.example" {
    .log = visitor;
    route "/" { .backend = trac; }
}
