frontend www
    bind :80
    default_backend trac
