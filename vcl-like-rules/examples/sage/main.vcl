# Sage: a wiki, a Trac, a question-and-answer site, git, documents and a calculator, kept by volunteers on
# machines that several universities lend.
#
#   nodes.vcl     the machines, by university, and what each service can bear
#   sites/        one file for each service: its doors and nothing else
#   spam.vcl      who is not let in to write
#   mirror.vcl    when a service gives up, its pages can still be read
#   house.vcl     what holds for all of them
#
# All of it is in this folder, and this folder is in git. Before a change: doorward diff main.vcl changed/main.vcl
# shows the doors that open and close. After it: doorward check main.vcl && doorward test . && doorward reload
#
# The same folder runs on every node: what differs between them is said by the environment alone.

let domain = env("SITE_DOMAIN", "sagemath.example");

# One way of managing certificates: certbot leaves one for all names here, and nothing else keeps any.
let certificates = env("CERTIFICATES", "");
let chain        = certificates + "/chain.pem";
let key          = certificates + "/key.pem";

gateway {
    .http  = env("HTTP", ":80");
    .https = env("HTTPS", ":443");
    .admin = "127.0.0.1:9900";
    .state = env("STATE", "/var/lib/doorward");

    # No page of any of these services takes more; what may be larger says so in its route.
    .body_bytes_max = 1MB;
}

include "nodes.vcl";
include "house.vcl";
include "spam.vcl";
include "mirror.vcl";
include "sites/www.vcl";
include "sites/trac.vcl";
include "sites/wiki.vcl";
include "sites/ask.vcl";
include "sites/git.vcl";
include "sites/cell.vcl";
