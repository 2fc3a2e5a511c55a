//! The life of an HTTP/1 connection: how requests follow each other, how bodies stream, how answers come early
//! and visitors leave early, and that nobody ever takes a part for the whole.

use std::collections::BTreeSet;
use std::io::{BufRead, Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::stage::{Asked, Connection, OldServer, PATIENCE, Secure, Stage, Visitor, connect, ok};

const ROUTE: &str = "route \"/\" { .backend = old; }";

fn before(server: &OldServer) -> Stage {
    // What each failure looks like is looked at here, not that nobody is asked after five of them.
    Stage::with(ROUTE, &server.declared_with("old", ".failures_max = 0;"))
}

/// A gateway with these settings.
fn with_settings(settings: &str, server: &OldServer) -> Stage {
    Stage::raw(settings, &format!("site \"www.test\" {{ {ROUTE} }}\n{}", server.declared("old")))
}

/// What happens somewhere else, in order.
fn bell<T: Send>() -> (impl Fn(T) + Send + Sync, Receiver<T>) {
    let (sender, receiver): (Sender<T>, _) = channel();
    let sender = Mutex::new(sender);
    (move |event| drop(sender.lock().expect("the bell").send(event)), receiver)
}

fn wait<T>(events: &Receiver<T>) -> T {
    events.recv_timeout(PATIENCE).expect("it happens")
}

/// Permission to go on, given by the test.
fn gate() -> (impl Fn() + Send + Sync, Sender<()>) {
    let (opener, gate) = channel();
    let gate = Mutex::new(gate);
    (move || gate.lock().expect("the gate").recv_timeout(PATIENCE).expect("the gate opens"), opener)
}

/// Says goodbye and reads on.
fn close_sending(visitor: &mut Visitor<Secure>) {
    let stream = visitor.stream.get_mut();
    stream.conn.send_close_notify();
    stream.flush().expect("a goodbye");
}

/// Leaves without a goodbye.
fn leave(mut visitor: Visitor<Secure>) {
    let stream = &visitor.stream.get_mut().sock;
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a reset");
}

fn read_to_end(connection: &mut Connection) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = connection.stream.read_to_end(&mut all);
    all
}

fn echo(asked: &Asked) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", asked.body.len()).into_bytes();
    answer.extend_from_slice(&asked.body);
    answer
}

// One request after the other

#[test]
fn connections_live_on_both_sides() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = OldServer::playing(move |connection| {
        counted.fetch_add(1, Ordering::SeqCst);
        while let Some(asked) = connection.request() {
            connection.write(&ok(&asked.line));
        }
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    for turn in 0..20 {
        let reply = visitor.get(&format!("/{turn}"));
        assert_eq!(reply.text(), format!("GET /{turn} HTTP/1.1"));
        assert_eq!(reply.header("connection"), None);
        assert!(reply.header("date").is_some_and(|date| date.ends_with(" GMT")));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let last = visitor.ask("GET /last HTTP/1.1\r\nHost: www.test\r\nConnection: close\r\n\r\n");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert!(visitor.hung_up());
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let server = OldServer::answering(|asked| {
        if asked.line.contains("/long") {
            return ok(&"x".repeat(300_000));
        }
        ok(&format!("{} {}", asked.line, String::from_utf8_lossy(&asked.body)))
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    visitor.send(
        "GET /1 HTTP/1.1\r\nHost: www.test\r\n\r\n\
         POST /2 HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello\
         GET /long HTTP/1.1\r\nHost: www.test\r\n\r\n\r\n\
         POST /4 HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n\
         HEAD /5 HTTP/1.1\r\nHost: www.test\r\n\r\n\
         GET /6 HTTP/1.1\r\nHost: www.test\r\nConnection: close\r\n\r\n\
         GET /never HTTP/1.1\r\nHost: www.test\r\n\r\n",
    );
    assert_eq!(visitor.reply(false).text(), "GET /1 HTTP/1.1 ");
    assert_eq!(visitor.reply(false).text(), "POST /2 HTTP/1.1 hello");
    assert_eq!(visitor.reply(false).body.len(), 300_000);
    assert_eq!(visitor.reply(false).text(), "POST /4 HTTP/1.1 GET");
    assert_eq!(visitor.reply(true).status, 200);
    assert_eq!(visitor.reply(false).text(), "GET /6 HTTP/1.1 ");
    assert!(visitor.hung_up());
    let lines: Vec<String> = (0..6).map(|_| server.heard().line).collect();
    assert!(lines[5].contains("/6") && server.heard_nothing());
}

#[test]
fn many_requests_sent_ahead_are_all_answered() {
    const MANY: usize = 1_000;
    let server = OldServer::answering(|asked| ok(asked.line.split(' ').nth(1).expect("a target")));
    let stage = before(&server);
    let mut visitor = stage.visitor();
    // More than is read ahead while an answer is made.
    let one = |turn| format!("GET /{turn} HTTP/1.1\r\nHost: www.test\r\nX: {}\r\n\r\n", "y".repeat(50));
    visitor.send((0..MANY).map(one).collect::<Vec<_>>().concat());
    for turn in 0..MANY {
        assert_eq!(visitor.reply(false).text(), format!("/{turn}"));
    }
}

#[test]
fn http_1_0_closes_unless_it_asks_not_to() {
    let server = OldServer::answering(|asked| {
        if asked.line.contains("/chunked") {
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec();
        }
        ok("hello")
    });
    let stage = before(&server);
    let reply = |request: &str, again: bool| {
        let mut visitor = stage.visitor();
        let reply = visitor.ask(request);
        assert_eq!((reply.status, reply.text().as_str(), reply.complete), (200, "hello", true), "{request}");
        assert_eq!(reply.header("connection"), Some(if again { "keep-alive" } else { "close" }), "{request}");
        if again {
            assert_eq!(visitor.get("/again").status, 200);
        } else {
            assert!(visitor.hung_up());
        }
        reply
    };
    reply("GET / HTTP/1.0\r\nHost: www.test\r\n\r\n", false);
    reply("GET / HTTP/1.0\r\nHost: www.test\r\nConnection: Keep-Alive\r\n\r\n", true);
    reply("GET / HTTP/1.0\r\nHost: www.test\r\nConnection: keep-alive, close\r\n\r\n", false);
    // A body whose length nobody knows ends with the connection: HTTP/1.0 has no chunks.
    let unframed = reply("GET /chunked HTTP/1.0\r\nHost: www.test\r\nConnection: keep-alive\r\n\r\n", false);
    assert_eq!((unframed.header("transfer-encoding"), unframed.header("content-length")), (None, None));
    assert_eq!(server.heard().line, "GET / HTTP/1.1");
}

#[test]
fn answers_without_a_body_have_none() {
    let server = OldServer::answering(|asked| {
        let head = match asked.line.split(' ').nth(1).expect("a target") {
            "/204" => "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\nETag: \"x\"\r\n\r\n",
            "/205" => "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
            "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            _ => "HTTP/1.1 200 Fine, thanks\r\nContent-Length: 1234567\r\n\r\n",
        };
        head.as_bytes().to_vec()
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    let head = visitor.ask("HEAD /a HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(
        (head.status, head.reason.as_str(), head.header("content-length")),
        (200, "Fine, thanks", Some("1234567"))
    );
    let head = visitor.ask("HEAD /chunked HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, None));
    let none = visitor.get("/204");
    assert_eq!(
        (none.status, none.header("content-length"), none.header("transfer-encoding")),
        (204, None, None)
    );
    let unchanged = visitor.get("/304");
    assert_eq!(
        (unchanged.status, unchanged.header("content-length"), unchanged.header("etag")),
        (304, Some("700"), Some("\"x\""))
    );
    assert_eq!(visitor.get("/205").status, 205);
    let own = visitor.ask("HEAD /.doorward/nothing HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(own.status, 404);
    assert!(own.header("content-length").is_some_and(|length| length != "0"));
    assert_eq!(visitor.ask("HEAD /a HTTP/1.1\r\nHost: www.test\r\n\r\n").status, 200);
}

// Bodies

#[test]
fn chunks_go_both_ways() {
    let server = OldServer::answering(|asked| {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for byte in &asked.body {
            answer.extend_from_slice(format!("1;ext=\"x\"\r\n{}\r\n", char::from(*byte)).as_bytes());
        }
        answer.extend_from_slice(b"0\r\n\r\n");
        answer
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    for _ in 0..2 {
        let reply = visitor.ask(
            "POST / HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n3 ; a=b\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        );
        assert_eq!((reply.text().as_str(), reply.complete), ("hello", true));
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
        let asked = server.heard();
        assert_eq!(
            (asked.header("transfer-encoding"), asked.header("content-length")),
            (Some("chunked"), None)
        );
        assert_eq!((asked.count("transfer-encoding"), &asked.body[..]), (1, &b"hello"[..]));
    }
}

#[test]
fn trailers_go_both_ways() {
    let (ring, seen) = bell();
    let server = OldServer::playing(move |connection| {
        while let Some(asked) = connection.head() {
            let mut tail = String::new();
            while !tail.ends_with("\r\n\r\n") {
                connection.stream.read_line(&mut tail).expect("a chunked body");
            }
            ring((asked, tail));
            connection.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 9\r\nSet-Cookie: a=b\r\nContent-Length: 3\r\n\r\n",
            );
        }
    });
    let stage = before(&server);
    let reply = stage.visitor().ask(
        "POST / HTTP/1.1\r\nHost: www.test\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum, Remote-User\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\nRemote-User: root\r\n\r\n",
    );
    let (asked, tail) = wait(&seen);
    assert_eq!(asked.header("te"), Some("trailers"));
    assert_eq!(tail.to_ascii_lowercase(), "5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n");
    assert_eq!(reply.text(), "ok");
    assert_eq!(reply.trailers, [("x-sum".to_owned(), "9".to_owned())]);
}

#[test]
fn a_part_of_a_file_is_asked_for_and_comes() {
    let server = OldServer::answering(|_| {
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nAccept-Ranges: bytes\r\nContent-Length: 3\r\n\r\n234".to_vec()
    });
    let stage = before(&server);
    let reply = stage
        .visitor()
        .ask("GET / HTTP/1.1\r\nHost: www.test\r\nRange: bytes=2-4\r\nIf-Range: \"x\"\r\n\r\n");
    assert_eq!(
        (reply.status, reply.header("content-range"), reply.text().as_str()),
        (206, Some("bytes 2-4/10"), "234")
    );
    let asked = server.heard();
    assert_eq!((asked.header("range"), asked.header("if-range")), (Some("bytes=2-4"), Some("\"x\"")));
}

#[test]
fn an_event_stream_arrives_piece_by_piece() {
    let (go, opener) = gate();
    let server = OldServer::playing(move |connection| {
        let Some(_) = connection.request() else { return };
        connection.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for turn in 0..3 {
            go();
            connection.write(format!("9\r\ndata: {turn}\n\n\r\n").as_bytes());
        }
        go();
        connection.write(b"0\r\n\r\n");
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    visitor.send("GET /events HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        visitor.stream.read_line(&mut line).expect("the head comes before the first event");
    }
    for turn in 0..3 {
        // The next event is sent only once the one before it has come through.
        opener.send(()).expect("the old server listens");
        let mut chunk = [0; 14];
        visitor.stream.read_exact(&mut chunk).expect("an event");
        assert_eq!(String::from_utf8_lossy(&chunk), format!("9\r\ndata: {turn}\n\n\r\n"));
    }
    opener.send(()).expect("the old server listens");
    visitor.stream.read_line(&mut line).expect("the end");
    assert!(line.ends_with("0\r\n"));
}

#[test]
fn an_upload_is_answered_while_it_goes_on() {
    let server = OldServer::playing(|connection| {
        let Some(_) = connection.head() else { return };
        connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut piece = [0; 5];
        for _ in 0..3 {
            connection.stream.read_exact(&mut piece).expect("a piece");
            connection.write(&[b"5\r\n", &piece[..], b"\r\n"].concat());
        }
        connection.write(b"0\r\n\r\n");
        read_to_end(connection);
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    visitor.send("POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 15\r\n\r\n");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        visitor.stream.read_line(&mut line).expect("the head comes before the body was sent");
    }
    for piece in ["hello", "happy", "house"] {
        visitor.send(piece);
        let mut chunk = [0; 10];
        visitor.stream.read_exact(&mut chunk).expect("an echo");
        assert_eq!(String::from_utf8_lossy(&chunk), format!("5\r\n{piece}\r\n"));
    }
}

// Interim answers

#[test]
fn a_hundred_is_passed_on_once() {
    let server = OldServer::playing(|connection| {
        while let Some(asked) = connection.head() {
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\nX: y\r\n\r\n");
            let mut body = [0; 5];
            connection.stream.read_exact(&mut body).expect("a body");
            connection.note(Asked { body: body.to_vec(), ..asked });
            connection.write(&ok("got it"));
        }
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    for _ in 0..2 {
        visitor
            .send("POST / HTTP/1.1\r\nHost: www.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        let interim = visitor.any_reply(false);
        assert_eq!((interim.status, interim.headers.len()), (100, 0));
        visitor.send("hello");
        let reply = visitor.any_reply(false);
        assert_eq!((reply.status, reply.text().as_str()), (200, "got it"));
        let asked = server.heard();
        assert_eq!((asked.header("expect"), &asked.body[..]), (Some("100-continue"), &b"hello"[..]));
    }
    // Who does not wait for it is not told.
    visitor.send("POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(visitor.any_reply(false).text(), "got it");
    assert_eq!(server.heard().header("expect"), None);
}

#[test]
fn a_refusal_instead_of_a_hundred_ends_the_connection() {
    let server = OldServer::playing(|connection| {
        if let Some(asked) = connection.head() {
            connection.note(asked);
            connection.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
            read_to_end(connection);
        }
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    visitor.send("POST / HTTP/1.1\r\nHost: www.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let reply = visitor.any_reply(false);
    assert_eq!((reply.status, reply.text().as_str()), (401, "no"));
    // Whether the five bytes still come, nobody knows: so what comes next can't be told apart from them.
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(visitor.hung_up());
}

#[test]
fn early_hints_come_early() {
    let (go, opener) = gate();
    let server = OldServer::playing(move |connection| {
        while connection.request().is_some() {
            connection.write(
                b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X\r\nX: y\r\n\r\n",
            );
            connection.write(b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n");
            go();
            connection.write(&ok("page"));
        }
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    visitor.send("GET / HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let hint = visitor.any_reply(false);
    assert_eq!(
        (hint.status, hint.header("link"), hint.headers.len()),
        (103, Some("</a.css>; rel=preload"), 1)
    );
    assert_eq!(visitor.any_reply(false).header("link"), Some("</b.css>; rel=preload"));
    opener.send(()).expect("the old server listens");
    assert_eq!(visitor.any_reply(false).text(), "page");
    // HTTP/1.0 knows no interim answers.
    opener.send(()).expect("the old server listens");
    let reply = stage.visitor().ask("GET / HTTP/1.0\r\nHost: www.test\r\n\r\n");
    assert_eq!((reply.status, reply.text().as_str()), (200, "page"));
}

// Answers that come early

/// A visitor who sends twenty megabytes, more than any socket holds, whatever is said meanwhile, and reads the
/// answer then.
fn upload(stage: &Stage, path: &str, chunked: bool) -> (Visitor<Secure>, super::stage::Reply) {
    const PIECE: usize = 50_000;
    let mut visitor = stage.visitor();
    let framing = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", 400 * PIECE)
    };
    visitor.send(format!("POST {path} HTTP/1.1\r\nHost: www.test\r\n{framing}\r\n\r\n"));
    let piece = vec![b'x'; PIECE];
    for _ in 0..400 {
        if chunked {
            visitor.send(format!("{PIECE:x}\r\n"));
        }
        visitor.send(&piece);
        if chunked {
            visitor.send("\r\n");
        }
    }
    if chunked {
        visitor.send("0\r\n\r\n");
    }
    let reply = visitor.reply(false);
    (visitor, reply)
}

#[test]
fn an_early_answer_is_read_in_full_by_who_still_uploads() {
    let page = "p".repeat(20_000);
    let server = OldServer::playing(move |connection| {
        while let Some(asked) = connection.head() {
            let status =
                if asked.line.contains("/413") { "413 Content Too Large" } else { "401 Unauthorized" };
            connection.write(
                format!("HTTP/1.1 {status}\r\nContent-Length: 20000\r\nConnection: close\r\n\r\n{page}")
                    .as_bytes(),
            );
            if asked.line.contains("/goes") {
                return; // with bytes unread: that is a reset
            }
            read_to_end(connection);
        }
    });
    let stage = Stage::with(
        "route \"/\" { .backend = old; }\nroute \"/denied/\" { .backend = old; .allow = nobody; }\nroute \"/small/\" { .backend = old; .body_bytes_max = 1MB; }",
        &server.declared("old"),
    );
    for chunked in [false, true] {
        for (path, status, length) in [
            ("/401", 401, Some(20_000)),
            ("/413", 413, Some(20_000)),
            ("/401/goes", 401, Some(20_000)),
            ("/413/goes", 413, Some(20_000)),
            ("/denied/x", 403, None),
            ("/.doorward/nothing", 404, None),
        ] {
            let (mut visitor, reply) = upload(&stage, path, chunked);
            assert_eq!((reply.status, reply.complete), (status, true), "{path} chunked={chunked}");
            assert!(length.is_none_or(|length| reply.body.len() == length), "{path} chunked={chunked}");
            // How much of the upload had come when the answer did is chance, and so is what follows.
            if reply.header("connection") == Some("close") {
                assert!(visitor.hung_up(), "{path} chunked={chunked}");
            }
        }
    }
}

#[test]
fn what_is_left_of_a_small_upload_is_read_away() {
    let (ring, ended) = bell();
    let server = OldServer::playing(move |connection| {
        while let Some(asked) = connection.head() {
            if asked.line.contains("/early") {
                connection.write(&ok("early"));
                ring(read_to_end(connection));
            } else {
                connection.write(&ok("again"));
            }
        }
    });
    let stage = Stage::with(
        "route \"/\" { .backend = old; }\nroute \"/denied\" { .backend = old; .allow = nobody; }",
        &server.declared("old"),
    );
    let body = "x".repeat(1_000);
    for (path, status) in [("/denied", 403), ("/early", 200)] {
        for (framing, body) in [
            ("Content-Length: 1000", body.clone()),
            ("Transfer-Encoding: chunked", format!("3e8\r\n{body}\r\n0\r\n\r\n")),
        ] {
            let mut visitor = stage.visitor();
            visitor.send(format!("POST {path} HTTP/1.1\r\nHost: www.test\r\n{framing}\r\n\r\n"));
            let reply = visitor.reply(false);
            assert_eq!((reply.status, reply.header("connection")), (status, None));
            if status == 200 {
                // Its connection is useless now, and is given back to the old server at once.
                assert_eq!(wait(&ended), b"");
            }
            visitor.send(&body);
            assert_eq!(visitor.get("/again").text(), "again");
        }
    }
}

#[test]
fn garbage_behind_an_early_answer_is_no_request() {
    let server = OldServer::saying("again");
    let stage = Stage::with(
        "route \"/\" { .backend = old; }\nroute \"/denied\" { .backend = old; .allow = nobody; }",
        &server.declared("old"),
    );
    let mut visitor = stage.visitor();
    visitor.send("POST /denied HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(visitor.reply(false).status, 403);
    visitor.send("zz\r\nGET /smuggled HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert!(visitor.hung_up());
    assert!(server.heard_nothing());
}

// Visitors who leave

#[test]
fn a_half_closed_visitor_gets_its_answer() {
    let (go, opener) = gate();
    let server = OldServer::playing(move |connection| {
        while connection.request().is_some() {
            go();
            connection.write(&ok("late, but here"));
        }
    });
    let stage = before(&server);
    for request in [
        "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let mut visitor = stage.visitor();
        visitor.send(request);
        close_sending(&mut visitor);
        opener.send(()).expect("the old server listens");
        assert_eq!(visitor.reply(false).text(), "late, but here");
        assert!(visitor.hung_up());
    }
}

#[test]
fn a_visitor_who_leaves_frees_the_old_server_and_is_recorded_once() {
    let (ring, events) = bell();
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        ring(asked.line.clone());
        if asked.line.contains("/endless") {
            let piece = format!("2710\r\n{}\r\n", "x".repeat(10_000));
            connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while connection.stream.get_mut().write_all(piece.as_bytes()).is_ok() {}
        } else if asked.line.contains("/quiet") {
            connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
            read_to_end(connection);
        } else {
            read_to_end(connection);
        }
        ring("freed".to_owned());
    });
    let mut stage = before(&server);
    let cases = [
        ("/endless/answer", "GET /endless/answer HTTP/1.1\r\nHost: www.test\r\n\r\n"),
        ("/quiet/answer", "GET /quiet/answer HTTP/1.1\r\nHost: www.test\r\n\r\n"),
        ("/thinking", "GET /thinking HTTP/1.1\r\nHost: www.test\r\n\r\n"),
        ("/upload", "POST /upload HTTP/1.1\r\nHost: www.test\r\nContent-Length: 1000\r\n\r\nhello"),
        (
            "/chunks",
            "POST /chunks HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
    ];
    for (path, request) in cases {
        let mut visitor = stage.visitor();
        visitor.send(request);
        assert!(wait(&events).contains(path));
        if path.ends_with("answer") {
            let mut some = [0; 40];
            visitor.stream.read_exact(&mut some).expect("the beginning of an answer");
        }
        leave(visitor);
        assert_eq!(wait(&events), "freed", "{path}");
    }
    let log = stage.log("www.test", "access");
    for (path, _) in cases {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(path)).collect();
        assert_eq!(lines.len(), 1, "{path}: {log}");
        assert!(lines[0].contains("visitor_left"), "{}", lines[0]);
    }
}

#[test]
fn a_visitor_who_leaves_politely_frees_the_old_server_too() {
    let (ring, events) = bell();
    let server = OldServer::playing(move |connection| {
        if let Some(asked) = connection.head() {
            ring("asked");
            if asked.line.contains("/quiet") {
                connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
            }
            read_to_end(connection);
            ring("freed");
        }
    });
    let stage = before(&server);
    let mut visitors = Vec::new();
    for path in ["/quiet", "/thinking"] {
        let mut visitor = stage.visitor();
        visitor.send(format!("GET {path} HTTP/1.1\r\nHost: www.test\r\n\r\n"));
        assert_eq!(wait(&events), "asked");
        close_sending(&mut visitor);
        visitors.push(visitor);
    }
    // Nothing tells a visitor who left from one who only listens, so both get the same moment.
    assert_eq!((wait(&events), wait(&events)), ("freed", "freed"));
}

// Old servers that break off

#[test]
fn half_an_answer_never_looks_whole() {
    let server = OldServer::playing(|connection| {
        if let Some(asked) = connection.request() {
            let head = if asked.line.contains("/length") {
                "Content-Length: 100000"
            } else {
                "Transfer-Encoding: chunked"
            };
            connection.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes());
            connection.write(if asked.line.contains("/length") { b"hello" } else { b"5\r\nhello\r\n" });
            if asked.line.contains("/garbage") {
                connection.write(b"zz\r\n");
                read_to_end(connection);
            }
            if asked.line.contains("/reset") {
                connection.reset();
            }
        }
    });
    let mut stage = before(&server);
    let paths = ["/length", "/length/reset", "/chunked", "/chunked/reset", "/chunked/garbage"];
    for path in paths {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            let mut visitor = stage.visitor();
            visitor.send(format!("GET {path} {version}\r\nHost: www.test\r\n\r\n"));
            let mut first = [0; 12];
            visitor.stream.read_exact(&mut first).expect("an answer");
            // A reset may overtake what came before it: then the answer is a page of our own, and whole.
            if first == *b"HTTP/1.1 503" {
                continue;
            }
            assert_eq!(&first, b"HTTP/1.1 200", "{path} {version}");
            let mut rest = Vec::new();
            let end = visitor.stream.read_to_end(&mut rest);
            // Over TLS an end without a goodbye is an error: nobody takes it for the end of a body.
            assert!(end.is_err(), "{path} {version}: a clean end");
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{path} {version}: {}", String::from_utf8_lossy(&rest));
        }
    }
    let log = stage.log("www.test", "access");
    assert_eq!(log.lines().count(), 2 * paths.len(), "{log}");
    assert!(log.lines().all(|line| line.contains("cause=read") || line.contains("cause=protocol")), "{log}");
}

#[test]
fn over_plain_http_half_an_answer_never_looks_whole_either() {
    let server = OldServer::playing(|connection| {
        if connection.request().is_some() {
            connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        }
    });
    let stage = Stage::with(&format!(".force_https = no;\n{ROUTE}"), &server.declared("old"));
    let reply = stage.plain_visitor().get("/");
    assert!(!reply.complete);
    // HTTP/1.0 has nothing but the connection's end to tell it by.
    let mut visitor = stage.plain_visitor();
    visitor.send("GET / HTTP/1.0\r\nHost: www.test\r\n\r\n");
    let mut all = Vec::new();
    let end = visitor.stream.read_to_end(&mut all);
    assert!(
        end.is_err() || all.starts_with(b"HTTP/1.1 503"),
        "a clean end: {}",
        String::from_utf8_lossy(&all)
    );
}

// Limits

#[test]
fn who_is_too_slow_is_told_so() {
    let server = OldServer::answering(echo);
    let mut stage = with_settings(".head_timeout = 1s; .body_timeout = 1s;", &server);
    let mut visitor = stage.visitor();
    visitor.send("GET /slow-head HTTP/1.1\r\nHost: ww");
    let reply = visitor.reply(false);
    assert_eq!((reply.status, reply.header("connection"), reply.complete), (408, Some("close"), true));
    assert!(reply.text().contains("too long to arrive"), "{}", reply.text());
    assert!(visitor.hung_up());
    for framing in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"] {
        let mut visitor = stage.visitor();
        visitor.send(format!("POST /slow-body HTTP/1.1\r\nHost: www.test\r\n{framing}"));
        let reply = visitor.reply(false);
        assert_eq!((reply.status, reply.header("connection"), reply.complete), (408, Some("close"), true));
        assert!(visitor.hung_up());
    }
    assert!(server.heard_nothing());
    let log = stage.log("www.test", "access");
    assert_eq!(
        log.lines().filter(|line| line.contains(" 408 ") && line.contains("body_timeout")).count(),
        2,
        "{log}"
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let server = OldServer::answering(echo);
    let site = "site \"www.test\" { route \"/\" { .backend = old; } route \"/tiny/\" { .backend = old; .body_bytes_max = 10B; }\
         route \"/large/\" { .backend = old; .body_bytes_max = 100KB; } }";
    let settings =
        ".body_bytes_max = 1KB; .target_bytes_max = 1KB; .head_bytes_max = 4KB; .header_count_max = 20;";
    let stage = Stage::raw(settings, &format!("{site}\n{}", server.declared("old")));
    let post = |path: &str, bytes: usize| {
        let body = "x".repeat(bytes);
        let length = stage
            .visitor()
            .ask(&format!("POST {path} HTTP/1.1\r\nHost: www.test\r\nContent-Length: {bytes}\r\n\r\n{body}"));
        let chunked = stage
            .visitor()
            .ask(&format!("POST {path} HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n"));
        assert_eq!(length.status, chunked.status, "{path} {bytes}");
        assert!(length.complete && chunked.complete);
        length.status
    };
    assert_eq!((post("/", 1_024), post("/", 1_025)), (200, 413));
    assert_eq!((post("/tiny/", 10), post("/tiny/", 11)), (200, 413));
    assert_eq!((post("/large/", 102_400), post("/large/", 102_401)), (200, 413));
    let mut visitor = stage.visitor();
    assert_eq!(visitor.get(&format!("/{}", "a".repeat(1_023))).status, 200);
    assert_eq!(visitor.get(&format!("/{}", "a".repeat(1_024))).status, 414);
    assert_eq!(
        stage
            .visitor()
            .ask(&format!("GET / HTTP/1.1\r\nHost: www.test\r\n{}\r\n", "X: y\r\n".repeat(19)))
            .status,
        200
    );
    assert_eq!(
        stage
            .visitor()
            .ask(&format!("GET / HTTP/1.1\r\nHost: www.test\r\n{}\r\n", "X: y\r\n".repeat(20)))
            .status,
        431
    );
    assert_eq!(
        stage
            .visitor()
            .ask(&format!("GET / HTTP/1.1\r\nHost: www.test\r\nX: {}\r\n\r\n", "y".repeat(4_096)))
            .status,
        431
    );
}

// Other protocols

const WEBSOCKET: &str = "GET /echo HTTP/1.1\r\nHost: www.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    let (go, opener) = gate();
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        connection.note(asked);
        // Whatever the visitor sent ahead: nothing of it is here before the switch.
        connection.stream.get_ref().set_nonblocking(true).expect("a look");
        let early = connection.stream.fill_buf().map(<[u8]>::len);
        assert!(matches!(&early, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "{early:?}");
        connection.stream.get_ref().set_nonblocking(false).expect("a wait");
        go();
        connection.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nwelcome",
        );
        let mut bytes = [0; 5];
        while connection.stream.read_exact(&mut bytes).is_ok() {
            connection.write(&bytes);
        }
    });
    let mut stage = before(&server);
    let mut visitor = stage.visitor();
    visitor.send(format!("{WEBSOCKET}ahead"));
    let asked = server.heard();
    assert_eq!((asked.header("upgrade"), asked.header("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(asked.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    opener.send(()).expect("the old server listens");
    let reply = visitor.reply(false);
    assert_eq!(
        (reply.status, reply.header("connection"), reply.header("upgrade")),
        (101, Some("upgrade"), Some("websocket"))
    );
    assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let mut bytes = [0; 12];
    visitor.stream.read_exact(&mut bytes).expect("a welcome, and what was sent ahead");
    assert_eq!(&bytes, b"welcomeahead");
    for word in [b"GET /", b"\0\r\n\n\xff"] {
        visitor.send(word);
        let mut back = [0; 5];
        visitor.stream.read_exact(&mut back).expect("an echo");
        assert_eq!(&back, word);
    }
    close_sending(&mut visitor);
    assert!(visitor.hung_up());
    let log = stage.log("www.test", "access");
    assert_eq!((log.lines().count(), log.contains(" 101 ")), (1, true), "{log}");
}

#[test]
fn a_tunnel_ends_on_both_sides() {
    let (ring, events) = bell();
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        connection
            .write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        if asked.line.contains("/over") {
            connection.write(b"over");
            return;
        }
        ring(read_to_end(connection));
    });
    let mut stage = before(&server);
    // The old server has said its last.
    let mut visitor = stage.visitor();
    visitor.send(WEBSOCKET.replace("/echo", "/over"));
    assert_eq!(visitor.reply(false).status, 101);
    let mut last = String::new();
    visitor.stream.read_to_string(&mut last).expect("an end with a goodbye");
    assert_eq!(last, "over");
    drop(visitor);
    // The visitor has, and then one leaves without a word.
    let mut visitor = stage.visitor();
    visitor.send(WEBSOCKET);
    assert_eq!(visitor.reply(false).status, 101);
    visitor.send("last words");
    close_sending(&mut visitor);
    assert_eq!(wait(&events), b"last words");
    assert!(visitor.hung_up());
    let mut visitor = stage.visitor();
    visitor.send(WEBSOCKET);
    assert_eq!(visitor.reply(false).status, 101);
    leave(visitor);
    assert_eq!(wait(&events), b"");
    let log = stage.log("www.test", "access");
    assert_eq!(log.lines().filter(|line| line.contains(" 101 ")).count(), 3, "{log}");
}

#[test]
fn an_upgrade_that_is_refused_leaves_a_connection_as_it_was() {
    let server = OldServer::answering(|asked| ok(&asked.line));
    let stage = before(&server);
    let mut visitor = stage.visitor();
    visitor.send(WEBSOCKET);
    assert_eq!(visitor.reply(false).text(), "GET /echo HTTP/1.1");
    assert_eq!(visitor.get("/next").text(), "GET /next HTTP/1.1");
    // What was sent ahead is read as strictly as anything else.
    let mut visitor = stage.visitor();
    visitor.send(format!("{WEBSOCKET}\u{81}\u{5}hello GET /smuggled HTTP/1.1\r\nHost: www.test\r\n\r\n"));
    assert_eq!(visitor.reply(false).text(), "GET /echo HTTP/1.1");
    assert_eq!(visitor.reply(false).status, 400);
    assert!(visitor.hung_up());
    assert_eq!(server.heard().header("upgrade"), Some("websocket"));
    assert!(
        server.heard().line.contains("/next")
            && server.heard().line.contains("/echo")
            && server.heard_nothing()
    );
}

#[test]
fn an_old_server_cannot_switch_unasked() {
    let server = OldServer::answering(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec()
    });
    let stage = before(&server);
    for request in [
        "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: www.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: www.test\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: www.test\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: www.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi",
        "GET / HTTP/1.0\r\nHost: www.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        assert_eq!(stage.visitor().ask(request).status, 503, "{request}");
        let asked = server.heard();
        assert!(
            asked.header("upgrade").is_none_or(|to| to == "other")
                && asked.header("http2-settings").is_none()
        );
    }
}

#[test]
fn plain_http_on_the_https_port_is_answered_in_words() {
    let server = OldServer::saying("never");
    let stage = before(&server);
    let mut visitor = Visitor::new(connect(stage.https()));
    let reply = visitor.get("/");
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
    assert!(reply.text().contains("https"), "{}", reply.text());
    assert!(visitor.hung_up() && server.heard_nothing());
}

#[test]
fn every_answer_of_ours_has_an_id_of_its_own() {
    let server = OldServer::saying("hello");
    let stage = Stage::with("route \"/a/\" { .backend = old; }", &server.declared("old"));
    let mut ids = BTreeSet::new();
    let mut visitor = stage.visitor();
    for _ in 0..50 {
        let reply = visitor.get("/none");
        assert_eq!(reply.status, 404);
        let id = reply.header("x-request-id").expect("an id").to_owned();
        assert!(reply.text().contains(&id));
        assert!(ids.insert(id), "twice the same id");
        let refused = stage.visitor().ask("GET / HTTP/1.1\r\n\r\n");
        assert!(refused.header("date").is_some());
        assert!(ids.insert(refused.header("x-request-id").expect("an id").to_owned()), "twice the same id");
    }
}

// Large bodies

const MIB: u64 = 1 << 20;

/// Runs `a_large_body_alone` in a process of its own, where nobody else's memory is measured.
fn large_bodies_cost_no_memory(bytes: u64) {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "http1_life::a_large_body_alone", "--ignored", "--nocapture"])
        .env("DOORWARD_TEST_BODY_BYTES", bytes.to_string())
        .output()
        .expect("this program");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    for line in said.lines().filter(|line| line.contains("MiB")) {
        println!("{line}");
    }
}

#[test]
fn a_quarter_of_a_gibibyte_up_and_down_costs_no_memory() {
    large_bodies_cost_no_memory(256 * MIB);
}

#[test]
#[ignore = "takes minutes: part of `make prove`"]
fn ten_gibibytes_up_and_down_cost_no_memory() {
    large_bodies_cost_no_memory(10 << 30);
}

#[test]
#[ignore = "run by the two above, in a process of its own"]
fn a_large_body_alone() {
    let bytes: u64 =
        std::env::var("DOORWARD_TEST_BODY_BYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(MIB);
    let server = OldServer::playing(move |connection| {
        let piece = vec![b'x'; 1 << 16];
        while let Some(asked) = connection.head() {
            let mut got = 0;
            if asked.line.starts_with("PUT") {
                let length =
                    asked.header("content-length").and_then(|length| length.parse().ok()).expect("a length");
                got = std::io::copy(&mut (&mut connection.stream).take(length), &mut std::io::sink())
                    .expect("an upload");
                connection.write(&ok(&got.to_string()));
                continue;
            }
            connection.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").as_bytes());
            while got < bytes {
                connection.write(&piece);
                got += piece.len() as u64;
            }
        }
    });
    let stage = before(&server);
    let mut visitor = stage.visitor();
    assert_eq!(visitor.ask("PUT / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 0\r\n\r\n").status, 200);
    let start = resident();
    let peak = Arc::new(AtomicUsize::new(start));
    let watch = |peak: &AtomicUsize| peak.fetch_max(resident(), Ordering::Relaxed);

    visitor.send(format!("PUT / HTTP/1.1\r\nHost: www.test\r\nContent-Length: {bytes}\r\n\r\n"));
    let piece = vec![b'x'; 1 << 16];
    for turn in 0..bytes >> 16 {
        visitor.send(&piece);
        if turn % 256 == 0 {
            watch(&peak);
        }
    }
    assert_eq!(visitor.reply(false).text(), bytes.to_string());
    report("up", bytes, start, &peak);

    visitor.send("GET / HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        visitor.stream.read_line(&mut line).expect("a head");
    }
    // A visitor who reads slowly: what nobody takes must wait at the old server, not here.
    thread::yield_now();
    let mut room = vec![0; 1 << 16];
    let (mut got, mut turn) = (0, 0);
    while got < bytes {
        got += visitor.stream.read(&mut room).expect("a body") as u64;
        turn += 1;
        if turn % 1_024 == 0 {
            watch(&peak);
        }
    }
    assert_eq!(got, bytes);
    report("down", bytes, start, &peak);
}

fn report(way: &str, bytes: u64, start: usize, peak: &AtomicUsize) {
    let grown = peak.load(Ordering::Relaxed).saturating_sub(start) >> 10;
    println!("{} MiB {way}: memory grew by {grown} KiB", bytes / MIB);
    assert!(grown <= 16 << 10, "memory grew by {grown} KiB");
}

/// The memory of this process that is in use now.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4_096
}
