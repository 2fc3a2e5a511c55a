//! Old servers with few processes: never more connections than they have, a line before them, and no process that
//! waits for a slow visitor.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use super::frames::{Raw, get};
use super::stage::{Asked, Folder, OldServer, PATIENCE, Stage, ok};
use super::tools::{figure, page, until};

/// Larger than all that kernels hold of a connection between two programs of one machine.
const LARGE: usize = 24 << 20;

/// A gateway with two workers.
fn two_workers(rest: &str) -> Stage {
    let folder = Folder::new();
    folder.write("main.vcl", &Stage::text("", rest).replace(".workers = 1;", ".workers = 2;"));
    Stage::open(folder)
}

const SITE: &str = "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n";

/// Counts connections that are open at once, as their other end sees them.
struct Prefork {
    address: SocketAddr,
    most: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
}

fn prefork() -> Prefork {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (most, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (peak, count) = (Arc::clone(&most), Arc::clone(&made));
    thread::spawn(move || {
        let mut open: Vec<(TcpStream, Arc<AtomicBool>)> = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever hung up has done so before the next one came.
            open.retain(|(stream, over)| !over.load(Ordering::SeqCst) && !hung_up(stream));
            let over = Arc::new(AtomicBool::new(false));
            open.push((stream.try_clone().expect("a handle"), Arc::clone(&over)));
            peak.fetch_max(open.len(), Ordering::SeqCst);
            count.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                serve(stream);
                over.store(true, Ordering::SeqCst);
            });
        }
    });
    Prefork { address, most, made }
}

/// Whether the other end has closed. Bytes that lie there unread are a request that is being served.
fn hung_up(stream: &TcpStream) -> bool {
    let socket = socket2::SockRef::from(stream);
    let mut byte = [std::mem::MaybeUninit::uninit()];
    // MSG_PEEK | MSG_DONTWAIT
    match socket.recv_with_flags(&mut byte, 2 | 64) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

fn serve(mut stream: TcpStream) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).is_ok_and(|read| read == 1) {
        seen.push(byte[0]);
        if seen.ends_with(b"\r\n\r\n") {
            seen.clear();
            thread::yield_now();
            if stream.write_all(&ok("served")).is_err() {
                return;
            }
        }
    }
}

#[test]
fn a_prefork_server_never_has_more_connections_than_processes() {
    let server = prefork();
    let stage = two_workers(&format!(
        "{SITE}backend old {{ .url = \"http://{}\"; .workers = 2; .queue_timeout = 1m; }}",
        server.address
    ));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..4 {
                    // A connection each, so that both workers have visitors.
                    let mut visitor = stage.plain_visitor();
                    for _ in 0..3 {
                        assert_eq!(visitor.get("/").text(), "served");
                    }
                }
            });
        }
    });
    assert_eq!(server.most.load(Ordering::SeqCst), 2, "of {} made", server.made.load(Ordering::SeqCst));
    let series = |name: &str| figure(stage.admin(), &format!("doorward_backend_{name}{{backend=\"old\"}}"));
    assert_eq!(series("waiting"), Some(0.0));
    assert!(series("waited_total").is_some_and(|waited| waited > 0.0));
    assert!(series("connections").is_some_and(|open| open <= 2.0));
}

/// A server with one process that answers `/large` with a large page, and tells when all of it is out of its hands.
fn one_process(answer: &'static str) -> (OldServer, Receiver<&'static str>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = OldServer::playing(move |connection| {
        while let Some(asked) = connection.request() {
            if !asked.line.contains("large") {
                connection.write(&ok("small"));
                continue;
            }
            connection
                .write(format!("HTTP/1.1 200 OK\r\n{answer}Content-Length: {LARGE}\r\n\r\n").as_bytes());
            let body = vec![b'x'; LARGE];
            let outcome = connection.stream.get_mut().write_all(&body);
            let said = if outcome.is_ok() { "all of it" } else { "hung up" };
            tell.lock().expect("the test").send(said).expect("the test");
        }
    });
    (server, told)
}

fn routes(server: &OldServer) -> String {
    let routes = "route \"/\" { .backend = old; .answer_buffer = 32MB; }
                  route \"/straight/\" { .backend = old; .answer_buffer = 0; }";
    let old = server.declared_with("old", ".workers = 1; .queue_timeout = 300ms;");
    format!("site \"www.test\" {{ .force_https = no; {routes} }}\n{old}")
}

#[test]
fn a_server_is_free_while_its_answer_is_still_being_read() {
    let (server, told) = one_process("");
    let stage = Stage::raw(".buffers_max = 48MB;", &routes(&server));
    let mut slow = stage.plain_visitor();
    slow.send("GET /large HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(told.recv_timeout(PATIENCE), Ok("all of it"));
    // Its only process, and its only connection, serve the next one.
    assert_eq!(stage.plain_visitor().get("/").text(), "small");
    let reply = slow.reply(false);
    assert_eq!((reply.status, reply.body.len(), reply.complete), (200, LARGE, true));
    // The same on HTTP/2, where a stream has a window.
    let mut raw = Raw::new(&stage);
    raw.send(get(1, "/large"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok("all of it"));
    assert_eq!(stage.plain_visitor().get("/").text(), "small");
    // Who leaves takes what was held for him along: there is room for another one.
    drop(raw);
    let mut slow = stage.plain_visitor();
    until("the buffers are free again", || {
        slow.send("GET /large HTTP/1.1\r\nHost: www.test\r\n\r\n");
        let done = told.recv_timeout(PATIENCE);
        assert_eq!(slow.reply(false).body.len(), LARGE);
        done == Ok("all of it")
    });
}

#[test]
fn an_answer_that_passes_straight_keeps_its_server_busy() {
    for (path, answer) in [("/straight/large", ""), ("/large", "X-Accel-Buffering: no\r\n")] {
        let (server, told) = one_process(answer);
        let mut stage = Stage::raw(".buffers_max = 48MB;", &routes(&server));
        let mut slow = stage.plain_visitor();
        slow.send(format!("GET {path} HTTP/1.1\r\nHost: www.test\r\n\r\n"));
        server.heard();
        let busy = stage.plain_visitor().get("/");
        assert_eq!(busy.status, 503, "{path}");
        assert!(told.try_recv().is_err());
        let reply = slow.reply(false);
        assert_eq!((reply.body.len(), reply.complete), (LARGE, true));
        assert_eq!(reply.header("x-accel-buffering"), None);
        assert_eq!(told.recv_timeout(PATIENCE), Ok("all of it"));
        assert_eq!(stage.plain_visitor().get("/").text(), "small");
        assert!(stage.log("www.test", "error").contains("max_connections"));
    }
}

#[test]
fn a_form_that_drips_takes_nobodys_place() {
    let server = OldServer::answering(|asked: &Asked| ok(&format!("{} bytes", asked.body.len())));
    let old = server.declared_with("old", ".workers = 1; .queue = 0;");
    let mut stage = Stage::raw(".body_timeout = 2s;", &format!("{SITE}{old}"));
    let mut slow = stage.plain_visitor();
    for (framing, parts) in [
        ("Content-Length: 10", ["hello", "world"]),
        (
            "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked",
            ["5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"],
        ),
    ] {
        slow.send(format!("POST /form HTTP/1.1\r\nHost: www.test\r\n{framing}\r\n\r\n{}", parts[0]));
        // The one process is everybody's.
        assert_eq!(stage.plain_visitor().get("/").text(), "0 bytes");
        assert_eq!(server.heard().line, "GET / HTTP/1.1");
        assert!(server.heard_nothing());
        slow.send(parts[1]);
        assert_eq!(slow.reply(false).text(), "10 bytes");
        let asked = server.heard();
        assert_eq!((asked.header("content-length"), &*asked.body), (Some("10"), &b"helloworld"[..]));
        assert_eq!(asked.header("transfer-encoding"), None);
    }
    // Who waits to be told is told by us, and the server needs not to.
    slow.send("POST /form HTTP/1.1\r\nHost: www.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(slow.any_reply(false).status, 100);
    assert!(server.heard_nothing());
    slow.send("form");
    assert_eq!(slow.any_reply(false).text(), "4 bytes");
    assert_eq!(server.heard().header("expect"), None);
    // Who never sends the rest is given up, and the server has never heard of him.
    slow.send("POST /form HTTP/1.1\r\nHost: www.test\r\nContent-Length: 4\r\n\r\nfo");
    assert_eq!(slow.reply(false).status, 408);
    assert!(server.heard_nothing());
    assert!(stage.log("www.test", "access").contains("cause=body_timeout"));
}

#[test]
fn who_finds_the_line_full_is_told_so() {
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let server = OldServer::playing(move |connection| {
        while connection.request().is_some() {
            gate.lock().expect("the gate").recv_timeout(PATIENCE).expect("the gate opens");
            connection.write(&ok("served"));
        }
    });
    let old = server.declared_with("old", ".workers = 1; .queue = 1;");
    let mut stage = Stage::raw("", &format!("{SITE}{old}"));
    let (mut first, mut second) = (stage.plain_visitor(), stage.plain_visitor());
    first.send("GET /first HTTP/1.1\r\nHost: www.test\r\n\r\n");
    server.heard();
    second.send("GET /second HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let waiting = "doorward_backend_waiting{backend=\"old\"}";
    until("the second waits", || figure(stage.admin(), waiting) == Some(1.0));
    assert!(page(stage.admin(), "/metrics").1.contains("doorward_backend_waited_total{backend=\"old\"} 1"));
    let reply = stage.plain_visitor().get("/third");
    assert_eq!(reply.status, 503);
    // One who leaves makes room for the next.
    drop(second);
    until("he has left the line", || figure(stage.admin(), waiting) == Some(0.0));
    let mut fourth = stage.plain_visitor();
    fourth.send("GET /fourth HTTP/1.1\r\nHost: www.test\r\n\r\n");
    until("the fourth waits", || figure(stage.admin(), waiting) == Some(1.0));
    go.send(()).expect("the server");
    go.send(()).expect("the server");
    assert_eq!((first.reply(false).text(), fourth.reply(false).text()), ("served".into(), "served".into()));
    assert_eq!(server.heard().line, "GET /fourth HTTP/1.1");
    assert!(stage.log("www.test", "error").contains("queue_full"));
}
