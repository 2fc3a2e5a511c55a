vcl 4.1;
import directors;
backend a { .host = "127.0.0.1"; }
sub vcl_init {
    new d = directors.random();
    d.add_backend(a, weight = 1.0);
}
