backend trac { .url = "h2c://127.0.0.1:8000"; .workers = 8; }
