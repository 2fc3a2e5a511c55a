backend trac { .url = "http://127.0.0.1:8000"; }
log visitors { .file = "{state}/log/{host}.log"; }
site "www.example" {
    .log = visitors;
    route "/" { .backend = trac; }
}
