backend trac { .url = "http://127.0.0.1:8000"; }
site "a.example" { route "/" { .backend = trac; } }
site "A.example" { route "/" { .backend = trac; } }
