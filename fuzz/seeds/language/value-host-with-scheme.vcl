backend trac { .url = "http://127.0.0.1:8000"; }
site "https://www.example" { route "/" { .backend = trac; } }
