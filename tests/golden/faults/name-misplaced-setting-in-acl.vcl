acl office { .url = "http://127.0.0.1"; }
