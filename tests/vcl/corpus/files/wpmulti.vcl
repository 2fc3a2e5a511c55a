vcl 4.1;
import std;
backend one { .host = "127.0.0.1"; .port = "8101"; }
backend two { .host = "127.0.0.1"; .port = "8102"; }
acl nobody { }
acl us { "127.0.0.1"; "::1"; "10.1.0.0"/16; }
sub site_one {
    set req.backend_hint = one;
    if (req.url ~ "^/wp-admin/(?:admin-ajax\.php)?") { return (pass); }
    if (req.url == "/wp-login.php" && client.ip !~ us) { return (synth(403)); }
}
sub site_two {
    set req.backend_hint = two;
    if (req.url ~ "^/cart/?" || req.http.Cookie ~ "woocommerce_(cart_hash|items_in_cart)=") { return (pass); }
}
sub vcl_recv {
    if (client.ip ~ nobody) { return (synth(400)); }
    if (req.http.Host == "one.example" || req.http.Host == "www.one.example") { call site_one; }
    else if (req.http.Host ~ "^(www\.)?two\.example$") { call site_two; }
    else { return (synth(404, "No such site")); }
    unset req.http.Cookie;
}
sub vcl_backend_response {
    if (bereq.http.Host ~ "two") { set beresp.ttl = 5m; } else { set beresp.ttl = 1h; }
    if (beresp.http.Cache-Control ~ "(no-cache|private)" || beresp.http.Pragma ~ "no-cache") {
        set beresp.ttl = 0s;
    }
    return (deliver);
}
