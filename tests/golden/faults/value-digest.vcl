backend trac { .url = "https://127.0.0.1:8000"; .pin = "sha256:abc"; }
