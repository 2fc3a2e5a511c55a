backend default { .host = "127.0.0.1"; }
sub vcl_recv { set req.bakend_hint = default; }
