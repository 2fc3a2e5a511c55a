backend trac { .url = "http://127.0.0.1:8000"; .workers = 8; .max_connections = 20; }
