gateway { .http = "www.example:80"; }
