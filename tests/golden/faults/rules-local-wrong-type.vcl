backend trac { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    route "/" { .backend = trac; }
}
sub vcl_recv { declare local var.x INT; set var.x = "1"; }
