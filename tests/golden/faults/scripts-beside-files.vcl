# Scripts that lie among files need somebody who runs them, and files.
backend php { .url = "fastcgi:/run/php/php-fpm.sock"; }
backend app { .url = "http://127.0.0.1:8000"; }
director both { .members = php, app; }
table some BACKEND { "a": php, }
site "www.example.org" {
    route "/a" { .files = "/srv/www"; .scripts = app; }
    route "/b" { .backend = php; .root = "/srv/www"; .scripts = php; }
    route "/c" { .scripts = php; }
    route "/d" { .redirect = "/e"; .scripts = php; }
    route "/e" { .files = "/srv/www"; .backend = php; .scripts = php; }
    route "/f" { .files = "/srv/www"; .scripts = php; .root = "/srv/www"; .script = "/index.php"; }
    route "/g" { .files = "/srv/www"; .scripts = php; .endings = "php"; .root_there = "www"; }
    route "/h" { .files = "/srv/www"; .endings = ".php"; }
    route "/i/{name}/" { .files = "/srv/www"; .scripts = lookup(some, "{name}"); }
    route "/j" { .files = "/srv/www"; .scripts = both; }
    route "/k" { .files = "/srv/www"; .scripts = php; .endings = ".php", ".phtml"; .root_there = "/var/www/html"; }
}
