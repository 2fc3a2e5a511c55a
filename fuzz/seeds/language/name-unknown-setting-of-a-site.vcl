backend trac { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    .alias = "example";
    route "/" { .backend = trac; }
}
