gateway { .proxy_protocol = true; }
