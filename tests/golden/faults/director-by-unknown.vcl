backend one { .url = "http://127.0.0.1:8001"; }
backend two { .url = "http://127.0.0.1:8002"; }
director home { .members = one, two; .policy = hash; .by = cookies("x"); }
director other { .members = one; .policy = hash; .by = cookie; }
director third { .members = one; .policy = hash; .by = header("X Y"); }
site "www.example" { route "/" { .backend = home; } }
