# What a route may answer by itself, and how it can't be said.
backend app { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    route "/nobody/"    { .allow = anyone; }
    route "/two/"       { .backend = app; .files = "/srv"; }
    route "/beside/"    { .backend = app; .index = "index.html"; .status = 302; .type = "text/html"; }
    route "/folder/"    { .files = "/srv/{site}"; }
    route "/none/"      { .files = ""; }
    route "/index/"     { .files = "/srv"; .index = "a/b.html", ".."; }
    route "/links/"     { .files = "/srv"; .links = inisde; }
    route "/try/"       { .files = "/srv"; .try = 404, "{path}", "{file}", "../x", "{path}/{path}", 200; }
    route "/host/"      { .redirect = "https://{path}"; }
    route "/glued/"     { .redirect = "https://new.example{path}"; }
    route "/slashes/"   { .redirect = "//new.example/{path}"; }
    route "/scheme/"    { .redirect = "new.example/{path}"; }
    route "/user/"      { .redirect = "https://a@new.example/"; }
    route "/space/"     { .redirect = "https://new.example/a b"; }
    route "/{a}/name/"  { .redirect = "/x/{b}"; }
    route "/brace/"     { .redirect = "/x/{path"; }
    route "/ok/"        { .redirect = "/x/"; .status = 200; }
    route "/status/"    { .answer = 200; }
    route "/text/"      { .answer = "text"; .status = 302; }
    route "/type/"      { .answer = "text"; .type = "plain"; }
    route "/page/"      { .answer = 404; .type = "text/html"; .status = 200; }
    route "/switch/"    { .answer = yes; }
}
