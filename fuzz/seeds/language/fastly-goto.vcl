# dialect: fastly
backend F_web { .host = "127.0.0.1"; .port = "8000"; }
sub vcl_recv {
#FASTLY recv
    goto there;
}
