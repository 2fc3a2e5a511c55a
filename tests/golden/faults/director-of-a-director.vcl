backend one { .url = "http://127.0.0.1:8001"; }
backend two { .url = "http://127.0.0.1:8002"; }
director far { .members = one; }
director home { .members = far, two; }
site "www.example" { route "/" { .backend = home; } }
