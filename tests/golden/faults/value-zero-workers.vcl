gateway { .workers = 0; }
