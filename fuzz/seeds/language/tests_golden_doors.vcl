# Doors that stand open, and are most likely not meant to.
acl office { "192.0.2.0"/24; }
backend app { .url = "http://127.0.0.1:8000"; }
backend svn { .url = "http://127.0.0.1:8080"; }

site "www.example" {
    route "/"            { .backend = app; .allow = network(office); }
    route "/public/"     { .backend = app; .allow = anyone; }
    route "/forgotten/"  { .backend = app; }
    route "/wiki/"       { .backend = app; .read = network(office); .write = anyone; }
    route "/svn/"        { .backend = svn; .serves = subversion; .write = network(office); .read = network(office); }
    route "/svn/secret/" { .backend = svn; .allow = nobody; }
    route "/open/"       { .backend = svn; .serves = webdav; }
}
