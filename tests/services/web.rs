//! nginx as an old server that speaks HTTP/1.

use std::net::SocketAddr;
use std::process::Command;

use crate::server::{Server, free_port};
use crate::stage::{Folder, Stage};

#[test]
fn nginx_answers_whole_partly_and_not_at_all() {
    let port = free_port();
    let folder = Folder::new();
    folder.write("page.txt", &"0123456789".repeat(10_000));
    folder.write(
        "nginx.conf",
        &format!(
            "daemon off; worker_processes 1; pid nginx.pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off; \
             client_body_temp_path body; server {{ listen 127.0.0.1:{port}; root {}; }} }}",
            folder.0.display()
        ),
    );
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder.0).args(["-c", "nginx.conf", "-e", "stderr"]);
    let mut nginx = Server::start(folder, command);
    nginx.wait_for(SocketAddr::from(([127, 0, 0, 1], port)));

    let stage = Stage::with(
        "route \"/\" { .backend = web; }",
        &format!("backend web {{ .url = \"http://127.0.0.1:{port}\"; }}"),
    );
    let mut visitor = stage.visitor();
    let whole = visitor.get("/page.txt");
    assert_eq!((whole.status, whole.body.len()), (200, 100_000));
    let tag = whole.header("etag").expect("a tag").to_owned();
    let part = visitor.ask("GET /page.txt HTTP/1.1\r\nHost: www.test\r\nRange: bytes=10-19\r\n\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "0123456789"));
    let same =
        visitor.ask(&format!("GET /page.txt HTTP/1.1\r\nHost: www.test\r\nIf-None-Match: {tag}\r\n\r\n"));
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(visitor.get("/none").status, 404);
}
