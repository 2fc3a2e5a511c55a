# dialect: fastly
backend F_web { .host = "127.0.0.1"; .port = "8000"; }
table t { "a": "b", }
sub vcl_recv {
#FASTLY recv
    set req.http.X = table.lookup(tt, "a");
}
