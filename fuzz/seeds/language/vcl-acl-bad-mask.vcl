vcl 4.1;
backend default { .host = "127.0.0.1"; }
acl office { "192.0.2.0"/40; }
sub vcl_recv { if (client.ip ~ office) { return (pass); } }
