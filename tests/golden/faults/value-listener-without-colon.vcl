gateway { .http = "80"; }
