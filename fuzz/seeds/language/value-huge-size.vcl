gateway { .head_bytes_max = 99999999999999TB; }
