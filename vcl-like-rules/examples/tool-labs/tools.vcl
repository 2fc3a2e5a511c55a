# What differs from tool to tool.

# Answers that any page of any site may read.
table open_data BOOL {
    "geohack":   true,
    "wikitowns": true,
}

# Tools that keep connections open. Each of these holds a place on its machine as long as a page is open, so it is
# given by name.
table keeps_open BOOL {
    "recent-live": true,
}

# What maintainers tell the visitors of a tool that they have closed.
table notices { from file "notices.txt"; }

let https_only = if(certificates == "", "max-age=0", "max-age=31536000");

sub vcl_recv {
    if (req.site == "tools." + domain && req.name.tool) {
        call of_a_tool;
    }
}

sub of_a_tool {
    # Links in a tool's pages are meant to begin in its folder.
    if (req.path == "/" + req.name.tool && (req.method == "GET" || req.method == "HEAD")) {
        return (synth(301, req.path + "/" + if(req.query, "?" + req.query, "")));
    }
    if (table.contains(notices, req.name.tool)) {
        return (synth(503, "notice"));
    }
    if (req.method == "OPTIONS" && req.http.Origin && table.lookup_bool(open_data, req.name.tool, false)) {
        return (synth(204));
    }
    # WebSockets and event streams go through as they are, for those who have a row.
    if (table.lookup_bool(keeps_open, req.name.tool, false)) {
        if (req.http.Upgrade || req.http.Accept ~ "text/event-stream") {
            return (pipe);
        }
    } else {
        unset req.http.Upgrade;
    }
}

sub vcl_synth {
    call every_answer;
    if (resp.status == 301) {
        set resp.http.Location = "https://tools." + domain + resp.reason;
        set resp.reason = "Moved Permanently";
        return (deliver);
    }
    if (resp.reason == "notice") {
        set resp.reason = "Closed by its maintainers";
        set resp.http.Retry-After = "3600";
        set resp.http.Content-Type = "text/html; charset=utf-8";
        set resp.body = {"<!doctype html><meta charset="utf-8"><title>Closed for now</title><h1>"}
            + xml_escape(req.name.tool) + {" is closed for now</h1><p>"}
            + xml_escape(table.lookup(notices, req.name.tool)) + {"<p><a href="/">All tools and how they are</a>"};
        return (deliver);
    }
}

sub vcl_deliver {
    call every_answer;
}

sub every_answer {
    set resp.http.Strict-Transport-Security = https_only;
    set resp.http.X-Content-Type-Options = "nosniff";
    # A tool need not know where somebody came from, nor others that he was here.
    set resp.http.Referrer-Policy = "same-origin";
    unset resp.http.Server;
    unset resp.http.X-Powered-By;
    if (req.name.tool && table.lookup_bool(open_data, req.name.tool, false)) {
        set resp.http.Access-Control-Allow-Origin = "*";
        set resp.http.Access-Control-Allow-Methods = "GET, HEAD, OPTIONS";
    }
}
