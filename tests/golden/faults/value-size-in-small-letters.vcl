gateway { .head_bytes_max = 64kb; }
