# Tool Labs: hundreds of small tools by hundreds of volunteers, below one name.
#
#   webservers.vcl   where tools run, and what each of these machines can bear
#   site.vcl         the doors
#   tools.vcl        what differs from tool to tool, by tables
#   toolserver.vcl   the addresses of the place where the tools lived before
#   tools.txt        one row for each tool: a new one ends here
#   notices.txt      what maintainers want their visitors to know while a tool is closed
#   toolserver.txt   who of the old place lives where
#
# After an edit: doorward check main.vcl && doorward test .

let domain       = env("SITE_DOMAIN", "toollabs.example");
let certificates = env("CERTIFICATES", "");
let chain        = certificates + "/chain.pem";
let key          = certificates + "/key.pem";

gateway {
    .http  = env("HTTP", ":80");
    .https = env("HTTPS", ":443");
    .admin = "127.0.0.1:9900";
    .state = env("STATE", "/var/lib/doorward");
}

include "webservers.vcl";
include "site.vcl";
include "tools.vcl";
include "toolserver.vcl";
