backend app { .url = "http://127.0.0.1:8000"; }

site "www.example" {
    route "/svn/" { .backend = app; .serves = subversion; .strip = yes; }
    route "/dav/" { .serves = webdav; .replace = "/files/"; .backend = app; }
    route "/git/" { .backend = app; .serves = git; .replace = "/cgi-bin/git/"; }
}
