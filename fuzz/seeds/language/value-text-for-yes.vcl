gateway { .proxy_protocol = "yes"; }
