backend trac {
    .url = "http://127.0.0.1:8000";
    .retry_every = 2s;
    .failure_rate = 101;
    .failures_max = many;
    .resolve_every = 10ms;
}
