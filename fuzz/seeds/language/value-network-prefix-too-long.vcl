acl office { "192.0.2.0"/33; }
gateway { .trusted = office; }
