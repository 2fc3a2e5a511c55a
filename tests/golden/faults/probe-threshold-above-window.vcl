probe alive { .url = "/"; .window = 3; .threshold = 5; }
backend trac { .url = "http://127.0.0.1:8000"; .probe = alive; }
