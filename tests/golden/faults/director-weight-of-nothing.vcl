backend one { .url = "http://127.0.0.1:8001"; }
backend two { .url = "http://127.0.0.1:8002"; }
director home { .members = one weight 0, two weight 2000; }
site "www.example" { route "/" { .backend = home; } }
