vcl 4.1;
import std;
backend de { .host = "127.0.0.1"; .port = "8001"; }
backend en { .host = "127.0.0.1"; .port = "8002"; }
sub vcl_recv {
    if (req.http.Host ~ "^de\.") { set req.backend_hint = de; }
    elif (req.http.Host ~ "^en\.") { set req.backend_hint = en; }
    else {
        if (req.http.Accept-Language ~ "(?i)^de\b") {
            set req.http.Host = "de." + req.http.Host;
        } else {
            set req.http.Host = "en." + req.http.Host;
        }
        return (synth(702, "https://" + req.http.Host + req.url));
    }
    if (req.http.X-Lang == "de" && req.backend_hint == en) { std.log("mixed"); }
}
sub vcl_synth {
    if (resp.status > 700 && resp.status < 800) {
        set resp.http.Location = resp.reason;
        set resp.status = resp.status - 400;
        set resp.reason = "See there";
        set resp.http.Vary = "Accept-Language";
        return (deliver);
    }
}
