backend app { .url = "http://127.0.0.1:8000"; }

site "www.example" {
    route "/a/" { .backend = app; .strip = yes; .replace = "/b/"; }
    route "/" { .backend = app; .strip = yes; }
    route "/c/" { .answer = 404; .strip = yes; }
    route "/d/" { .answer = 404; .rewrite_links = yes; }
    route "/e/" { .answer = 404; .replace = "/x/"; }
}
