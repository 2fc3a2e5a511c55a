# Honest failure. Each cause has its own sentence on the page that a visitor gets, in every site, and those pages are
# part of the gateway: no program has to be alive for them. Each site's `.status` is the way to the status page, from
# the first failure on, long before a probe has made up its mind; what is added here tells programs of it.

sub vcl_synth {
    call where_to_look;
}

sub vcl_deliver {
    call where_to_look;
}

sub where_to_look {
    if (resp.status >= 500) {
        set resp.http.Link = "<https://status." + domain + "/>; rel=help";
        set resp.http.Cache-Control = "no-store";
        # One line for whoever is called at night; the site's error log has the rest.
        log "failure: " + req.site + " " + if(cause, cause, "its own") + " " + resp.status;
    }
}
