backend a { .url = "http://127.0.0.1:1"; .client_certificate = files("a.pem", "a.key"); }
backend b { .url = "h2://b.example"; .client_certificate = local; }
backend c { .url = "h2c://c.example"; .tls_name = "c.example"; }
backend d { .url = "spdy://d.example"; }
site "www.example" { route "/" { .backend = a; } }
