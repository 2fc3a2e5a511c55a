backend a { .url = "http://127.0.0.1:8000"; }
site "www.example" { route "/" { .backend = a; } }
sub vcl_recv { return (pass); }
sub vcl_recv { set req.http.X = "1"; }
