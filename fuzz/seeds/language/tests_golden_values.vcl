# Values of the wrong kind, out of range, or that mean nothing.
gateway {
    .http = "80", ":99999", "localhost:80", "*:443";
    .https = ":443", "127.0.0.1:443";
    .admin = "127.0.0.1";
    .workers = "2";
    .head_timeout = 0s;
    .idle_timeout = 100y;
    .head_bytes_max = 64kb;
    .body_timeout = 10;
    .target_bytes_max = 10s;
    .proxy_protocol = ja;
}
backend a { .url = "127.0.0.1:8000"; .idle_max = 1.5; }
backend b { .url = "http://u:p@host/path"; .host_header = "http://x"; .first_byte_timeout = 6/m; }
backend c { .url = "ftp://host"; .pin = "md5:00"; }
backend d { .url = "http://host"; .ca = "ca.pem"; .tls_name = "a b"; }
backend e { .url = "unix:"; .connect_timeout = 10 s; }
acl office { "192.0.2.7"/24; "192.0.2.0"/33; "office.example"; "10.0.0.0/8"; 7; }
site "https://www.example/" { .aliases = "*.example", "bücher.example", "www.example:443"; route "/" { .backend = a; } }
site "b.example" {
    route "trac" { .backend = a; }
    route "/a?b=c" { .backend = a; }
    route "/{project}x/svn" { .backend = a; }
    route "/static/*" { .backend = a; }
    route "/a/../b" { .backend = a; }
    route "/.doorward/x" { .backend = a; }
    route "/x%2fy" { .backend = a; }
    route "/limits" { .backend = a; .body_bytes_max = 10; .total_timeout = 0; .encoded_slash = yes; }
}
