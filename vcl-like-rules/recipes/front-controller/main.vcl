# A PHP program with pretty links (WordPress, Drupal, Symfony …) and its files, run by php-fpm. README.md says the rest.
# Change the names, the folders and the network; then: doorward check && doorward test

let domain = env("SITE_DOMAIN", "example.org");

# Who may administer the program.
acl office { "192.0.2.0"/24; "2001:db8:1::"/48; }

backend php {
    .url                = "fastcgi:/run/php/php8.2-fpm.sock";  # as `listen` says in php-fpm's pool
    .first_byte_timeout = 35s;                                 # a little more than max_execution_time, which is 30 s
    .max_connections    = 32;                                  # as pm.max_children
}

site "www." + domain {
    .aliases = domain;

    # A script that lies there runs, a file is sent, and everything else is a pretty link: index.php knows it.
    route "/" {
        .files          = "/srv/blog";
        .scripts        = php;
        .try            = "{path}", "/index.php";
        .body_bytes_max = 8MB;  # as post_max_size
    }

    # Nothing runs here, whatever the upload form let through: a route without `.scripts` runs no script.
    route "/wp-content/uploads/" { .files = "/srv/blog/wp-content/uploads"; .expires = 7d; }

    route "/wp-admin/" {
        .files          = "/srv/blog/wp-admin";
        .scripts        = php;
        .allow          = network(office);
        .body_bytes_max = 64MB;  # plugins and themes
    }
    route "/wp-config.php" { .answer = 404; }
}
