backend trac { .url = "http://127.0.0.1:8000"; .workers = many; }
backend wiki { .url = "http://127.0.0.1:8001"; .workers = 5s; .queue = -1; .queue_timeout = 5; }
