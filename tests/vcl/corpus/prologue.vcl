vcl 4.1;
import std;
import directors;
probe alive { .url = "/"; }
backend default { .host = "127.0.0.1"; .port = "8080"; }
backend other { .host = "127.0.0.2"; .probe = alive; }
acl office { "192.0.2.0"/24; "2001:db8::"/48; }
sub vcl_init { new pool = directors.round_robin(); pool.add_backend(other); }
sub vcl_pass { if (client.ip ~ office) { set req.http.Office = "yes"; } }
