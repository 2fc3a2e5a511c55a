# Nothing here is wrong, and each line is worth a look.
let domain = "scipy.example";
backend trac { .url = "http://127.0.0.1:8000"; }
acl office { "192.0.2.0"/24; }
log visitors { }
site "www.example" { }
