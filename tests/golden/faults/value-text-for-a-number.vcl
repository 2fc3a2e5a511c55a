gateway { .workers = "2"; }
