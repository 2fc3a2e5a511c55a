.workers = 2;
