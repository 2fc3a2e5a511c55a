acl office { "office"; }
gateway { .trusted = office; }
