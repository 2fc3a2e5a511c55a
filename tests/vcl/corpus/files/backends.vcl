vcl 4.1;
import directors;
import std;

probe quick { .url = "/ping"; .interval = 2s; .timeout = 500ms; .window = 5; .threshold = 3; }

backend default { .host = "192.0.2.30"; .port = "80"; .probe = quick; }
backend images { .host = "192.0.2.31"; .port = "80"; .probe = quick; .host_header = "images.internal.example"; }
backend search1 { .host = "192.0.2.32"; .port = "9200"; .probe = quick; .first_byte_timeout = 5s; }
backend search2 { .host = "192.0.2.33"; .port = "9200"; .probe = quick; .first_byte_timeout = 5s; }
backend user1 { .host = "192.0.2.34"; .port = "8080"; .max_connections = 50; }
backend user2 { .host = "192.0.2.35"; .port = "8080"; .max_connections = 50; }
backend spare { .host = "2001:db8::36"; .port = "8080"; }

sub vcl_init {
    new search = directors.random();
    search.add_backend(search1, 2.0);
    search.add_backend(search2, 1.0);

    new users = directors.hash();
    users.add_backend(user1, 1.0);
    users.add_backend(user2, 1.0);

    new last = directors.fallback();
    last.add_backend(users.backend("x"));
    last.add_backend(spare);

    new shards = directors.shard();
    shards.add_backend(user1);
    shards.add_backend(user2);
    shards.reconfigure();
}

sub vcl_recv {
    if (req.http.Host ~ "^images\." || req.url ~ "(?i)\.(png|jpe?g|webp)$") {
        set req.backend_hint = images;
    } elseif (req.url ~ "^/search") {
        set req.backend_hint = search.backend();
    } elseif (req.url ~ "^/shard/") {
        set req.backend_hint = shards.backend(by = KEY, key = shards.key(req.url));
    } elseif (req.http.Cookie ~ "user=") {
        set req.http.X-User = regsub(req.http.Cookie, "^.*user=([^;]*).*$", "\1");
        set req.backend_hint = users.backend(req.http.X-User);
    } else {
        set req.backend_hint = default;
    }
    if (!std.healthy(req.backend_hint)) {
        set req.backend_hint = last.backend();
    }
}
sub vcl_backend_response {
    set beresp.http.X-From = beresp.backend.name;
}
