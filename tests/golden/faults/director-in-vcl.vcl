vcl 4.1;
backend one { .host = "127.0.0.1"; }
director home { .members = one; }
