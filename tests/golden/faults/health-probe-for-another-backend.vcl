probe values { .kind = fastcgi; }
probe lines { .request = "GET / HTTP/1.1" "Host: a" "Connection: close"; }
backend web { .url = "http://127.0.0.1:8000"; .probe = values; }
backend php { .url = "fastcgi://127.0.0.1:9000"; .probe = lines; }
