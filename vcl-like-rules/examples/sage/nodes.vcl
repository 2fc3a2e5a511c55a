# The machines. Each service has a bound of its own, so that whoever drowns one of them drowns that one alone.

# What stands on many machines is asked which of them is well.
probe alive {
    .url       = "/alive";
    .interval  = 10s;
    .window    = 5;
    .threshold = 3;
}

# Washington
backend trac {
    .url                = "http://192.0.2.10:8000";
    .max_connections    = 12;
    .first_byte_timeout = 40s;
    .connect_timeout    = 2s;
}
backend wiki { .url = "http://192.0.2.11:8080"; .max_connections = 8; .connect_timeout = 2s; }
backend git  { .url = "http://192.0.2.12:8080"; .max_connections = 16; .first_byte_timeout = 5m; }

# Grenoble
backend ask { .url = "http://198.51.100.20:8001"; .max_connections = 12; .connect_timeout = 2s; }
backend cell_france {
    .url                   = "http://198.51.100.30:8888";
    .max_connections       = 200;
    .between_bytes_timeout = 10m;
    .probe                 = alive;
}

# Seoul
backend cell_korea {
    .url                   = "http://203.0.113.30:8888";
    .max_connections       = 200;
    .between_bytes_timeout = 10m;
    .probe                 = alive;
}

# Documents, downloads and every night's copies of Trac, wiki and questions: the same files at three universities.
backend files_washington { .url = "http://192.0.2.50";    .probe = alive; }
backend files_france     { .url = "http://198.51.100.50"; .probe = alive; }
backend files_korea      { .url = "http://203.0.113.50";  .probe = alive; }

# certbot, while it proves that a name is ours.
backend certbot { .url = "http://127.0.0.1:8402"; .connect_timeout = 1s; }

sub vcl_init {
    # Files: whichever is well, in turn.
    new files = directors.round_robin();
    files.add_backend(files_washington);
    files.add_backend(files_france);
    files.add_backend(files_korea);

    # A calculation lives on one machine: a visitor stays where he began, as long as it is well.
    new cells = directors.hash();
    cells.add_backend(cell_france, 1);
    cells.add_backend(cell_korea, 1);
}

# The route names one of them, for the table of doors; which one is asked is decided here.
sub vcl_recv {
    if (req.backend_hint == files_washington) {
        set req.backend_hint = files.backend();
    } elsif (req.backend_hint == cell_france) {
        set req.backend_hint = cells.backend(client.identity);
    }
}
