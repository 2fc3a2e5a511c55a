# Statements that cannot be read: each is said once, and the rest is read.
sub first {
    if (req.url ~ "^/x" { return (pass); } else { esi; }
    if (req.url = "/") { retrun (pass); }
    sett req.http.A = "b";
    set req.http.A == "b";
    req.http.A = "b";
    set req.http.A = "b"
    unset req.http.B;
    set req.http.A = "a" & "b";
    while (req.restarts < 3) { restart; }
    switch (req.url) { esi; case "a" esi; default: break; }
    else { esi; }
    .url = "/";
    C{ int a; }C
    call second(;
}
table hosts {
    "a": "b"
    "c" "d",
    "e": "f",
}
acl office -pedantic { ! ("192.0.2.0"/24; "192.0.2.1"/x; }
backend old { .probe = { .url = "/" .timeout = 1s; } .share = 3 }
import std form "x";
sub third {
    if (req.url) {
        esi;

sub fourth { include +glob "x/*.vcl"; }
