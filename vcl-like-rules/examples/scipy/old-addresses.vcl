# Addresses that stand in papers, mails and working copies live on. Each leads to its new one in one step and by
# 301: the only redirect that svn follows.

# No https here: its visitors leave at once, and a name with nothing behind it needs no certificate to renew.
site "projects." + domain {
    .force_https = no;
    .log         = visitors;

    route "/" { .backend = nobody; }
}

sub vcl_recv {
    # projects.scipy.example/scipy/numpy/ticket/1
    if (req.site == "projects." + domain) {
        return (synth(301, regsub(req.url, "^/(scipy|scikits)/", "/trac/")));
    }
    # /cgi-bin/trac.cgi/ticket/1 was SciPy's own, from the time of one Trac
    if (req.url ~ "^/cgi-bin/trac\.cgi(/|$)") {
        return (synth(301, regsub(req.url, "^/cgi-bin/trac\.cgi/?", "/trac/scipy/")));
    }
    # /cgi-bin/viewcvs.cgi/numpy/trunk/setup.py
    if (req.url ~ "^/cgi-bin/view(cvs|vc)\.cgi/[^/]+/") {
        return (synth(301, regsub(req.url, "^/cgi-bin/view(?:cvs|vc)\.cgi/([^/]+)/", "/trac/\1/browser/")));
    }
    # /moin.cgi/FrontPage, in all its spellings
    if (req.url ~ "^(/cgi-bin)?/moin\.cgi(/|$)") {
        return (synth(301, regsub(req.url, "^(?:/cgi-bin)?/moin\.cgi/?", "/wiki/")));
    }
}

# The reason is the new path.
sub vcl_synth {
    if (resp.status == 301) {
        set resp.http.Location = "https://" + domain + resp.reason;
        set resp.reason = "Moved Permanently";
        return (deliver);
    }
}
