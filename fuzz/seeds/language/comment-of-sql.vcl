-- a comment
backend trac { .url = "http://127.0.0.1:8000"; }
