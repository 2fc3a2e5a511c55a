acl office { "192.0.2.7"/24; }
gateway { .trusted = office; }
