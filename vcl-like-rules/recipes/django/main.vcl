# A Django program behind doorward. README.md says what to set in settings.py.
# Change the names, the sockets and the network; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Who may open /admin/.
acl office { "192.0.2.0"/24; "2001:db8:1::"/48; }

probe django_alive {
    # Django answers 400 where the Host is not in ALLOWED_HOSTS, and redirects what did not come over https.
    .request =
        "GET /health/ HTTP/1.1"
        "X-Forwarded-Proto: https"
        "Connection: close"
        "Host: www." + domain;
    .timeout = 3s;
}

backend django {
    .url                = "unix:/run/django/gunicorn.sock";  # or "http://127.0.0.1:8000"
    .first_byte_timeout = 35s;                               # a little more than gunicorn's --timeout, which is 30 s
    .max_connections    = 32;                                # as many as workers and threads can do, and some that wait in gunicorn's queue
    .probe              = django_alive;
}

# WebSockets and event streams (Channels): daphne, uvicorn or hypercorn.
backend channels {
    .url                   = "unix:/run/django/asgi.sock";
    .between_bytes_timeout = 1h;  # a stream of events may be silent for long
}

# Whatever serves the folders STATIC_ROOT and MEDIA_ROOT: nginx, or the program itself with WhiteNoise.
backend files { .url = "http://127.0.0.1:8088"; }

site "www." + domain {
    .aliases = domain;

    # DATA_UPLOAD_MAX_MEMORY_SIZE is 2.5 MB for all of a form but its files.
    route "/"       { .backend = django; .body_bytes_max = 3MB; }
    route "/admin/" { .backend = django; .allow = network(office); .body_bytes_max = 50MB; }

    # The one form that takes files.
    route "/upload/" { .backend = django; .body_bytes_max = 200MB; }

    # With i18n_patterns the administration has as many addresses as languages.
    route "/{language}/admin/" { .backend = django; .allow = network(office); .body_bytes_max = 50MB; }

    route "/ws/"     { .backend = channels; }
    route "/events/" { .backend = channels; }

    route "/static/" { .backend = files; .write = nobody; }
    route "/media/"  { .backend = files; .write = nobody; }

    # The probe asks Django itself; nobody else needs to.
    route "/health/" { .backend = django; .allow = nobody; }
}

sub vcl_recv {
    if (req.path ~ "^/(static|media)/") {
        unset req.http.Cookie;
    }
}

sub vcl_deliver {
    # ManifestStaticFilesStorage puts a part of the content's hash into the name: such a file never changes.
    if (req.path ~ "^/static/.*\.[0-9a-f]{12}\.[a-z0-9]+$" && resp.status == 200) {
        set resp.http.Cache-Control = "public, max-age=31536000, immutable";
    }
    # What people have uploaded is shown as what it says it is, and runs no scripts of this site.
    if (req.path ~ "^/media/") {
        set resp.http.X-Content-Type-Options = "nosniff";
        set resp.http.Content-Security-Policy = "sandbox";
        unset resp.http.Set-Cookie;
    }
}
