gateway { .http = ":80"; .https = ":80"; }
