vcl 4.1;
import std;
backend app { .host = "127.0.0.1"; .port = "8000"; }
# One page, one address.
sub normalize_url {
    set req.url = regsub(req.url, "#.*$", "");
    set req.url = regsuball(req.url, "%7[eE]", "~");
    set req.url = regsuball(req.url, "([?&])(utm_source|utm_medium|utm_campaign|ref|src)=[^&]*", "\1");
    set req.url = regsuball(req.url, "&&+", "&");
    set req.url = regsub(req.url, "\?&", "?");
    set req.url = regsub(req.url, "[?&]+$", "");
    set req.url = std.querysort(req.url);
    if (req.url !~ "\?") {
        set req.url = regsub(req.url, "/+$", "/");
    }
}
sub normalize_host {
    set req.http.Host = std.tolower(req.http.Host);
    set req.http.Host = regsub(req.http.Host, "\.$", "");
    set req.http.Host = regsub(req.http.Host, ":80$", "");
}
sub normalize_language {
    if (req.http.Accept-Language ~ "^de") {
        set req.http.Accept-Language = "de";
    } elif (req.http.Accept-Language ~ "^fr") {
        set req.http.Accept-Language = "fr";
    } else {
        unset req.http.Accept-Language;
    }
}
sub vcl_recv {
    call normalize_host;
    call normalize_url;
    call normalize_language;
    std.log("address:" + req.http.Host + req.url);
}
