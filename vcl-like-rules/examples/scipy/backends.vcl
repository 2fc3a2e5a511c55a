# The servers behind the gateway. They listen on this machine only, so nobody comes past the gateway.

# A page that needs the database: a Trac whose front page answers may still be stuck.
probe trac_alive {
    .url       = "/trac/scipy/timeline?max=1";
    .interval  = 10s;
    .timeout   = 5s;
    .window    = 5;
    .threshold = 3;
}

# Apache stopped answering when more readers came than it has children. What is one too many is answered at
# once from the static copy (reading.vcl), and the server never sees it.
backend trac {
    .url                = "http://127.0.0.1:8000";
    .max_connections    = 16;
    .first_byte_timeout = 30s;
    .probe              = trac_alive;
}

# The Tracs that another machine keeps.
backend trac_enthought {
    .url             = "http://192.0.2.40:8000";
    .max_connections = 8;
    .connect_timeout = 2s;
}

# Thinks for minutes about a long log or blame before its first byte; svn itself waits for ten.
backend subversion {
    .url                   = "http://127.0.0.1:8080";
    .first_byte_timeout    = 10m;
    .between_bytes_timeout = 10m;
}

backend moin {
    .url             = "unix:/run/moin/moin.sock";
    .max_connections = 8;
}

# Static pages: the home page, and the copies of Tracs and wiki that cron makes every night.
backend pages { .url = "http://127.0.0.1:8090"; }

# Where no old server is left.
backend nobody none;

# Which server keeps the Trac of a project. A project without a row has no page.
table tracs BACKEND { from file "projects.txt"; }
