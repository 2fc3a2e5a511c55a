backend trac { .url = "http://127.0.0.1:8000"; .connect_timeout = 3 s; }
