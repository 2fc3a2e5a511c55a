gateway { .workers = 1.5; }
