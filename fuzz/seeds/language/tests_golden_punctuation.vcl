# Commas, braces, quotes.
let domain = "scipy.example"
let curly = “scipy.example”;
let open = "scipy;
let single = 'a';
let sum = "a" "b";
backend trac {
    .url = "http://127.0.0.1:8000"
    .idle_max = 7
}
backend svn { url = "http://127.0.0.1:8080"; }
backend moin { .url = = "http://a"; .connect_timeout 5s; }
acl office {"192.0.2.0"/24; }
site "www.example" {
    .force_https = yes no;
    route "/" { .backend = trac;
}
log visitors { .format = json; }
}
@@@
sub vcl_recv {
    if (req.url ~ "^/x") { return (pass); }
}
let last = (1;
