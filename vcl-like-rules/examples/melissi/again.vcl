# A restart that nobody notices: whoever was sent to the one that is just starting is sent to the other.

sub vcl_backend_error {
    if (bereq.retries == 0 && bereq.backend == django.backend()) {
        # Nobody had listened, so nothing was begun: an upload may be sent to the other as well as a page.
        if (cause == "refused" || cause == "connect_timeout") {
            return (retry);
        }
        # It went away in the middle. What only reads can be asked again; what writes may be half done.
        if (cause == "read" && (bereq.method == "GET" || bereq.method == "HEAD")) {
            return (retry);
        }
    }
}
