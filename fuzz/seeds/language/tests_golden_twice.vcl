# Everything that stands twice.
let a = "one";
let a = "two";
backend trac { .url = "http://127.0.0.1:8000"; .idle_max = 1; .idle_max = 2; }
backend trac { .url = "http://127.0.0.1:8001", "http://127.0.0.1:8002"; }
let trac = "x";
gateway { .http = ":80"; }
gateway { .https = ":443"; }
include "parts/empty.vcl";
include "parts/empty.vcl";
include "twice.vcl";
include "parts/nowhere.vcl";
site "www.example" {
    .aliases = "example", "EXAMPLE";
    route "/trac" { .backend = trac; }
    route "/trac/" { .backend = trac; }
    route "//trac" { .backend = trac; }
}
site "WWW.Example" { route "/" { .backend = trac; } }
