backend trac { .idle_max = 8; }
