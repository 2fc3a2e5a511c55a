# Two of the program, on unix sockets that nobody else can open: one is restarted while the other answers.
probe alive {
    .url       = "/alive/";
    .interval  = 2s;
    .window    = 3;
    .threshold = 2;
}

backend django_one { .url = "unix:/run/melissi/one.sock"; .max_connections = 8; .connect_timeout = 1s; .probe = alive; }
backend django_two { .url = "unix:/run/melissi/two.sock"; .max_connections = 8; .connect_timeout = 1s; .probe = alive; }

# The one that waits for news with every client. Waiting costs it nothing, and waiters keep nobody else out.
backend notifier { .url = "unix:/run/melissi/notifier.sock"; .first_byte_timeout = 10m; }

# Style sheets, scripts, pictures.
backend static { .url = "unix:/run/static/static.sock"; }

backend nobody none;

sub vcl_init {
    new django = directors.round_robin();
    django.add_backend(django_one);
    django.add_backend(django_two);
}

# The routes say `django_one`; whichever is well answers.
sub vcl_recv {
    if (req.backend_hint == django_one) {
        set req.backend_hint = django.backend();
    }
}
