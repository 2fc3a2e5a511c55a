vcl 4.1;
backend default { .host = "127.0.0.1"; }
sub over { return (deliver); }
sub vcl_recv { call over; }
