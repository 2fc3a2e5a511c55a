vcl 4.1;
import std;
backend a { .host = "127.0.0.1"; .port = "4001"; }
backend b { .host = "127.0.0.1"; .port = "4002"; }

sub choose_group {
    if (req.http.Cookie ~ "(^|;\s*)group=") {
        set req.http.X-Group = regsub(req.http.Cookie, "^(?:.*;\s*)?group=([ab]).*$", "\1");
    }
    if (req.http.X-Group !~ "^[ab]$") {
        if (std.random(0, 100) < 10.0) {
            set req.http.X-Group = "b";
        } else {
            set req.http.X-Group = "a";
        }
        set req.http.X-New-Group = "1";
    }
}
sub vcl_recv {
    if (req.restarts == 0) {
        unset req.http.X-Group;
        unset req.http.X-New-Group;
    }
    call choose_group;
    if (req.http.X-Group == "b") { set req.backend_hint = b; } else { set req.backend_hint = a; }
}
sub vcl_hash { hash_data(req.http.X-Group); }
sub vcl_deliver {
    if (req.http.X-New-Group) {
        set resp.http.Set-Cookie = "group=" + req.http.X-Group + "; Path=/; Expires=" + (now + 30d);
    }
}
