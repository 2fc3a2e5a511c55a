# The smallest gateway: a site and a backend.
backend app { .url = "http://127.0.0.1:8000"; }
site "www.example" { route "/" { .backend = app; } }
