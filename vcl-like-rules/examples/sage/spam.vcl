# Spam is refused before a service has any work with it, so that one that is spammed does not take the others
# along. None of this keeps anybody from reading.

acl spammers { from file "spammers.txt"; }

sub vcl_recv {
    # Git and the calculator have no forms: what they are sent is no page of anybody.
    if (req.method == "POST" && req.site != "git." + domain && req.site != "cell." + domain) {
        call judge_what_is_written;
    }
}

sub judge_what_is_written {
    if (client.ip ~ spammers) {
        return (synth(403, "Nothing can be written from your network. Write to the list of the admins."));
    }
    if (req.http.User-Agent ~ "(?i)(xrumer|scrapebox|gsa-|python-requests|libwww)") {
        return (synth(403, "This program may read here, and not write."));
    }
    # A form sent from a page of another site was not filled in here.
    if (req.http.Origin && req.http.Origin != "https://" + req.host) {
        return (synth(403, "This form was sent from another site."));
    }
    # Whoever has been shown a form of Trac, Moin or Askbot has a cookie of it. Robots send without having looked.
    if (!req.http.Cookie) {
        return (synth(403, "Please open the page with the form first, with cookies switched on."));
    }
}
