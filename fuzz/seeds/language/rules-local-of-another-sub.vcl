backend trac { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    route "/" { .backend = trac; }
}
sub a { declare local var.x STRING; set var.x = "1"; }
sub vcl_recv { call a; set req.http.X = var.x; }
