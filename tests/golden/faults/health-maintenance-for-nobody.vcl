acl office { "192.0.2.0"/24; }
site "www.example.org" {
    .maintenance = perhaps;
    .maintenance_allow = offce;
}
