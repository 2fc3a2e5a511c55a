# Scripts need a folder, and only scripts have one.
backend php { .url = "fastcgi:/run/php/php-fpm.sock"; }
backend tcp { .url = "fastcgi://127.0.0.1:9000"; }
backend app { .url = "http://127.0.0.1:8000"; }
backend odd { .url = "fastcgi+unix:/run/php/php-fpm.sock"; }
table both BACKEND { "a": php, "b": app, }
site "www.example.org" {
    route "/a" { .backend = php; }
    route "/b" { .backend = app; .root = "/srv/www"; .script = "/index.php"; }
    route "/c" { .backend = php; .root = ""; }
    route "/d" { .backend = php; .root = "/srv/www"; .root_there = "www"; }
    route "/e" { .backend = php; .root = "/srv/www"; .index = "index.html"; }
    route "/f" { .backend = php; .root = "/srv/www"; .index = "a/b.php"; }
    route "/g" { .backend = php; .root = "/srv/www"; .script = "index.php"; }
    route "/h" { .backend = php; .root = "/srv/www"; .script = "/index.php"; .endings = ".php"; }
    route "/i" { .backend = php; .root = "/srv/www"; .endings = "php"; }
    route "/j/{name}/" { .backend = lookup(both, "{name}"); .root = "/srv/www"; }
    route "/k" { .backend = tcp; .root = "/srv/www"; .index = "home.phtml"; .endings = ".php", ".phtml"; }
    route "/l" { .backend = odd; }
    route "/m" { .backend = app; .index = "index.php"; }
}
