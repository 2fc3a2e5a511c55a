backend a { .url = "http://127.0.0.1:8000"; .workers = 8; }
site "www.example" { .certificate = lets_encrypt; route "/" { .backend = a; .sign_in = "/login"; } }
