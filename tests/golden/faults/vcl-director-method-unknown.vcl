vcl 4.1;
backend default { .host = "127.0.0.1"; }
import directors;
sub vcl_init { new d = directors.round_robin(); d.add(default); }
