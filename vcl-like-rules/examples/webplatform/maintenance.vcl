# Maintenance in progress: a row of maintenance.txt closes a site, by the first word of its name, for everybody but
# the staff, who want to see whether it works again. The page is pages/maintenance.html.

table maintenance { from file "maintenance.txt"; }

sub vcl_recv {
    if (table.contains(maintenance, regsub(req.site, "\..*", "")) && client.ip !~ staff) {
        return (synth(503, "maintenance"));
    }
}

sub vcl_synth {
    if (resp.reason == "maintenance") {
        declare local var.what STRING;
        set var.what = xml_escape(table.lookup(maintenance, regsub(req.site, "\..*", "")));
        set resp.reason = "Maintenance in progress";
        set resp.http.Retry-After = "900";
        set resp.http.Content-Type = "text/html; charset=utf-8";
        set resp.body = std.replaceall(std.fileread("pages/maintenance.html"), "{what}", var.what);
    }
}
