backend a { .url = "http://127.0.0.1:8000"; }
site "www.example" { route "/" { .backend = a; } }
site www.example.org { route /trac/ { .backend = a; } }
