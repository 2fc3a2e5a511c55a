# Reading goes on. Every night cron leaves a static copy of each Trac and of the wiki with `pages`. Who only reads
# gets it when the server itself is sick, full, too slow, or gives up; who writes is told what is wrong.

sub can_be_read_from_the_copy {
    if (bereq.method != "GET" && bereq.method != "HEAD") {
        return;
    }
    if (bereq.retries > 0 || bereq.backend == subversion || bereq.backend == pages) {
        return;
    }
    # A copy knows nobody: it gets no session, no password, and no query, which no file of it has.
    unset bereq.http.Cookie;
    unset bereq.http.Authorization;
    set bereq.url = bereq.path;
    set bereq.backend = pages;
    return (retry);
}

# Nobody answered.
sub vcl_backend_error {
    call can_be_read_from_the_copy;
}

# The server answered that it can't.
sub vcl_backend_response {
    if (beresp.status >= 500) {
        call can_be_read_from_the_copy;
    }
    # So that a reader who wonders about an old page can see why; nobody may keep it.
    if (bereq.retries > 0) {
        set beresp.http.X-Static-Copy = "last night's";
        set beresp.http.Cache-Control = "no-store";
    }
}
