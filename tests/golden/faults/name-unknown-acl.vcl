backend trac { .url = "http://127.0.0.1:8000"; }
acl office { "192.0.2.0"/24; }
site "www.example" {
    route "/" { .backend = trac; .allow = network(ofice); }
}
