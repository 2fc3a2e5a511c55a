vcl 4.1;
# As Varnish reads it: one site for any host.
probe default { .url = "/alive"; }
backend default { .host = "127.0.0.1"; .port = "8080"; .first_byte_timeout = 5m; }
