acl office { "192.0.2.0/24"; }
gateway { .trusted = office; }
