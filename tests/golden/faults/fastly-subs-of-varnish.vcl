# dialect: fastly
backend a { .host = "127.0.0.1"; }
sub vcl_backend_response { set beresp.ttl = 10s; }
sub vcl_synth { }
sub vcl_pipe { }
