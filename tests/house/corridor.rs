//! A request from the street to an old server and back.

use super::stage::{OldServer, Stage, closed_port};

#[test]
fn a_page_comes_from_the_old_server_and_says_who_asked_how() {
    let server = OldServer::saying("hello");
    let stage = Stage::with("route \"/\" { .backend = old; }", &server.declared("old"));
    let reply = stage.visitor().get("/a/page?x=1");
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    assert!(reply.header("date").is_some());
    let asked = server.heard();
    assert_eq!(asked.line, "GET /a/page?x=1 HTTP/1.1");
    assert_eq!(asked.header("host"), Some("www.test"));
    assert_eq!(asked.header("x-forwarded-proto"), Some("https"));
    assert_eq!(asked.header("x-forwarded-host"), Some("www.test"));
    let shown = asked.header("x-forwarded-for").expect("a pseudonym");
    assert!(shown.starts_with("fd"), "an address reached the backend: {shown}");
}

#[test]
fn a_server_that_is_down_has_a_page() {
    let down = closed_port();
    let mut stage = Stage::with(
        "route \"/\" { .backend = old; }",
        &format!("backend old {{ .url = \"http://{down}\"; }}"),
    );
    let reply = stage
        .visitor()
        .ask("GET / HTTP/1.1\r\nHost: www.test\r\nAccept: text/html\r\nUser-Agent: Firefox\r\n\r\n");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("<html"), "{}", reply.text());
    let id = reply.header("x-request-id").expect("a request id").to_owned();
    assert!(reply.text().contains(&id));
    let errors = stage.log("www.test", "error");
    assert!(errors.contains(&id) && errors.contains("refused"), "{errors}");
    let visits = stage.log("www.test", "access");
    assert_eq!(visits.lines().count(), 1, "{visits}");
    assert!(visits.starts_with("127.0.0.0 "), "{visits}");
}

#[test]
fn plain_http_is_sent_to_https_on_its_port() {
    let server = OldServer::saying("hello");
    let stage = Stage::with("route \"/\" { .backend = old; }", &server.declared("old"));
    let reply = stage.plain_visitor().get("/a?b=c");
    assert_eq!(reply.status, 301);
    let port = stage.https().port();
    assert_eq!(reply.header("location"), Some(&*format!("https://www.test:{port}/a?b=c")));
    assert!(server.heard_nothing());
}
