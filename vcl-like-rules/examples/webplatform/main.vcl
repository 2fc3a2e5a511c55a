# WebPlatform: documents, discussions, a blog, code and statistics, each a program of its own, behind one edge.
#
#   edge.vcl             where the gateway stands, whom it trusts, what it writes down
#   backends.vcl         the programs
#   sites.vcl            the host names
#   static.vcl           the host without cookies
#   cookies.vcl          which cookies a program gets to see, and how long pages would keep
#   failure.vcl          when a program fails: a page for each cause, and the way to the status page
#   maintenance.vcl      a site is closed by a row of maintenance.txt
#   private.vcl.example  the rules that are in no public repository
#
# There is no console. A change is a commit: doorward check main.vcl && doorward test . && doorward reload

# The one switch. No other line names a domain: SITE_DOMAIN=webplatformstaging.example is the staging floor,
# SITE_DOMAIN=wpd.test somebody's laptop.
let domain = env("SITE_DOMAIN", "webplatform.example");

# The folder with chain.pem and key.pem for all names; where it is not said, this machine signs for itself.
let certificates = env("CERTIFICATES", "");
let chain        = certificates + "/chain.pem";
let key          = certificates + "/key.pem";

# To have them: cp private.vcl.example private.vcl && chmod 600 private.vcl, and take the # away in the copy of
# this folder that serves. A file that others may read is refused, and no message shows a word of it.
# include private "private.vcl";

include "edge.vcl";
include "backends.vcl";
include "static.vcl";
include "maintenance.vcl";
include "cookies.vcl";
include "failure.vcl";
include "sites.vcl";
