backend trac { .url = "http://127.0.0.1:8000"; .queue = 20; .queue_timeout = 5s; }
