# dialect: fastly
backend F_web { .host = "127.0.0.1"; .port = "8000"; }
penaltybox p { }
ratecounter r { }
sub vcl_recv {
#FASTLY recv
    if (ratelimit.check_rate(client.ip, r, 1, 10, 100, p)) { error 429; }
}
