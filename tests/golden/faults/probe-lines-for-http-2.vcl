probe lines { .request = "GET / HTTP/1.1" "Host: a"; }
backend a { .url = "h2c://127.0.0.1:1"; .probe = lines; }
site "www.example" { route "/" { .backend = a; } }
