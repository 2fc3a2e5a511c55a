backend trac { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    backend home { .url = "http://127.0.0.1:8001"; }
    route "/" { .backend = trac; }
}
