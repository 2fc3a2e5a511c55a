gateway { .http = ":80",; }
