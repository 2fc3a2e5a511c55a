# Apache speaks plain http behind the gateway, and says whole addresses in both directions.

# A copy or a move names its end by its whole address. Apache would take https for another server: 502.
sub vcl_backend_fetch {
    if (bereq.backend == subversion && bereq.http.Destination) {
        set bereq.http.Destination = regsub(bereq.http.Destination, "^https://", "http://");
    }
}

# And what was made is not at http.
sub vcl_backend_response {
    if (bereq.backend == subversion && beresp.http.Location) {
        set beresp.http.Location = regsub(beresp.http.Location, "^http://", "https://");
    }
}
