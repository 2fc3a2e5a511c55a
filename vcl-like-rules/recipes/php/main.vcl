# A PHP program behind doorward, with httpd or nginx between the two. README.md says what to set there.
# Change the names, the address of the server and the network; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Who may open what administers the program and its database.
acl office { "192.0.2.0"/24; "2001:db8:1::"/48; }

backend php {
    .url                = "http://127.0.0.1:8080";
    .first_byte_timeout = 35s;  # a little more than max_execution_time, which is 30 s
    .max_connections    = 32;   # as pm.max_children
}

site "www." + domain {
    .aliases = domain;

    route "/"            { .backend = php; .body_bytes_max = 8MB; }  # post_max_size, where php.ini says nothing else
    route "/upload.php"  { .backend = php; .body_bytes_max = 64MB; }
    route "/admin/"      { .backend = php; .allow = network(office); }
    route "/phpmyadmin/" { .backend = php; .allow = network(office); .body_bytes_max = 64MB; }

    # Code that is included and never asked for, as composer and most programs lay it out.
    route "/vendor/"   { .backend = php; .allow = nobody; }
    route "/includes/" { .backend = php; .allow = nobody; }
    route "/config/"   { .backend = php; .allow = nobody; }
    route "/install/"  { .backend = php; .allow = nobody; }
}

sub vcl_recv {
    # Files that lie in the folder of the program and are nobody's business: .git, .env, .htaccess, copies of an editor.
    # Certificates are asked for below /.well-known/.
    if (req.path ~ "/\." && req.path !~ "^/\.well-known/") {
        return (synth(404));
    }
    if (req.path ~ "(?i)(~|\.(inc|ini|log|sql|bak|old|orig|swp|dist|sh|lock))$"
            || req.path ~ "^/(composer|package)\.json$") {
        return (synth(404));
    }
    # What is uploaded is a file: nothing there is run.
    if (req.path ~ "(?i)^/(uploads|files|cache)/.*\.(php|phtml|phar)[0-9]*(/|$)") {
        return (synth(404));
    }
    # Old PHP took a session from the address: it leaks by links, and may be planted.
    if (req.query ~ "(?i)(^|&)PHPSESSID=") {
        return (synth(301, regsub(regsub(req.url, "(?i)([?&])PHPSESSID=[^&]*&?", "\1"), "[?&]$", "")));
    }
    # Addresses of the time before a framework.
    if (req.path ~ "^/[a-z]+\.php3$") {
        return (synth(301, regsub(req.url, "\.php3", ".php")));
    }
}

sub vcl_synth {
    if (resp.status == 301) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Moved Permanently";
    }
}

sub vcl_deliver {
    unset resp.http.X-Powered-By;
}
