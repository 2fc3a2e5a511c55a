backend trac { .url = "ftp://127.0.0.1"; }
