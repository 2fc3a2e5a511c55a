gateway { .workers = -1; }
