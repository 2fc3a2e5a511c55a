backend trac { .url = 8000; }
