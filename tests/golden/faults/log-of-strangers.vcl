# A visitor makes up what stands in a path: it names a file only where a table confines it.
backend app { .url = "http://127.0.0.1:8000"; }
table projects BACKEND {
    "numpy": app,
    ".hidden": app,
    "group/part": app,
}
log projects { .file = "{state}/log/{site}/{project}-{day}.log"; }
log parts { .file = "{state}/log/{part}.log"; .errors = "{state}/log/{parts}.log"; }
site "www.example" {
    .log = projects;
    route "/a/{project}/" { .backend = app; .log = projects; }
    route "/b/{project}/" { .backend = lookup(projects, "{project}", app); .log = projects; }
    route "/c/{part}/"    { .backend = lookup(projects, "{part}"); .log = projects; }
}
