# Melissi: one Django program that keeps people's files the same on all their machines, and one machine to run it.
#
#   backends.vcl   the program, twice, and the server of its static files
#   site.vcl       the doors, with what each may be sent and how long it may take
#   files.vcl      how long browsers keep what, and paths that are for the program alone
#   again.vcl      a restart of the program that nobody notices
#
# It runs as it is: doorward serve main.vcl. Nobody has to run openssl: where no certificate is named, this machine has
# an authority of its own, whose root.pem lies in the folder `authority` of `.state`.
#
# After an edit, in this order: doorward check main.vcl && doorward test . && doorward reload. A reload takes all
# of it or nothing, and no open connection notices.

let domain       = env("SITE_DOMAIN", "melissi.example");
let certificates = env("CERTIFICATES", "");
let chain        = certificates + "/chain.pem";
let key          = certificates + "/key.pem";

gateway {
    .http  = env("HTTP", ":80");
    .https = env("HTTPS", ":443");
    .admin = "127.0.0.1:9900";
    .state = env("STATE", "/var/lib/doorward");

    # No request is larger than this unless its route says so.
    .body_bytes_max = 64KB;
}

include "backends.vcl";
include "site.vcl";
include "files.vcl";
include "again.vcl";
