backend a { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    route "/x%2fy/" { .backend = a; }
    route "/x;y/" { .backend = a; }
    route "/q#y/" { .backend = a; }
    route exact "/z" { .backend = a; }
    route exact "/z/" { .backend = a; }
}
