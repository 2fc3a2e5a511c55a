backend a { .host = www.example.org; }
site "www.example" { route "/" { .backend = a; } }
