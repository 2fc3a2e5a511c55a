# dialect: fastly
backend F_web { .host = "127.0.0.1"; .port = "8000"; }
director d random { .quorum = 50%; }
sub vcl_recv {
#FASTLY recv
    set req.backend = d;
}
