# Keys of rows that name files are file names.
backend app { .url = "http://127.0.0.1:8000"; }
table projects BACKEND {
    "numpy": app,
    ".hidden": app,
    "group/part": app,
    "access": app,
}
log projects { .file = "{state}/log/{site}/{project}-{day}.log"; }
site "www.example" {
    route "/{project}/" { .backend = lookup(projects, "{project}"); .log = projects; }
}
