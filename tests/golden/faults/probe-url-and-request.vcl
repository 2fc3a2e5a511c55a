probe alive { .url = "/"; .request = "GET / HTTP/1.1"; }
backend trac { .url = "http://127.0.0.1:8000"; .probe = alive; }
