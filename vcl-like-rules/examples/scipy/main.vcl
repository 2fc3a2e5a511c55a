# SciPy: every Subversion repository, every Trac and the wiki under one name, over https.
#
#   backends.vcl       the servers, and what each can bear
#   site.vcl           the doors: which path, which server, who may write
#   reading.vcl        while a server is down, reading goes on from a static copy
#   old-addresses.vcl  the many host names and cgi-bin paths of before
#   headers.vcl        what every answer says, whoever made it
#   projects.txt       one row for each project: setting one up ends here
#
# After an edit: doorward check main.vcl && doorward test .

# The one switch: SITE_DOMAIN=staging.scipy.example, and nothing here is production any more.
let domain = env("SITE_DOMAIN", "scipy.example");

# The folder with chain.pem and key.pem. Where it is not said, this machine signs for itself.
let certificates = env("CERTIFICATES", "");
let chain        = certificates + "/chain.pem";
let key          = certificates + "/key.pem";

gateway {
    .http  = env("HTTP", ":80");
    .https = env("HTTPS", ":443");
    .admin = "127.0.0.1:9900";
    .state = env("STATE", "/var/lib/doorward");
}

include "backends.vcl";
include "headers.vcl";
include "site.vcl";
include "old-addresses.vcl";
include "reading.vcl";
