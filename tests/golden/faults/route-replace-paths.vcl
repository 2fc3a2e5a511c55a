backend app { .url = "http://127.0.0.1:8000"; }

site "www.example" {
    route "/a/{project}/" { .backend = app; .replace = "x/"; }
    route "/b/{project}/" { .backend = app; .replace = "/x?y"; }
    route "/c/{project}/" { .backend = app; .replace = "/x/../y/"; }
    route "/d/{project}/" { .backend = app; .replace = "/x;y/"; }
    route "/e/{project}/" { .backend = app; .replace = "/x//{project}/"; }
    route "/f/{project}/" { .backend = app; .replace = "/x%2Fy/"; }
    route "/g/{project}/" { .backend = app; .replace = "/{projekt}/"; }
    route "/h/{project}/" { .backend = app; .replace = "/{project/"; }
    route "/i/{project}/" { .backend = app; .replace = yes; }
    route "/j/{project}/" { .backend = app; .replace = "/trac-{project}/"; .strip = no; }
}
