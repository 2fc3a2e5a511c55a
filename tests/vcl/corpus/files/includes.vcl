vcl 4.1;
import std;
include "headers.vcl";
backend app { .host = "127.0.0.1"; .port = "8000"; }
sub vcl_recv {
    call tidy;
    include "statement.vcl";
    if (req.http.X-Part) { std.log("part: " + req.http.X-Part); }
}
sub vcl_deliver {
    if (req.http.X-Part == "yes") { set resp.http.X-Part = req.http.X-Part; }
}
