gateway { .workers = 1; }
gateway { .workers = 2; }
