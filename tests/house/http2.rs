//! HTTP/2 as browsers speak it: what a stream may expect of the house from its head to its line in the log.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use doorward::base::base64;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frames::*;
use super::stage::{Asked, Connection, OldServer, PATIENCE, Stage, ok};

const ROUTE: &str = "route \"/\" { .backend = old; }";

fn run<T>(play: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { timeout(PATIENCE, play).await.expect("the play hangs") })
}

/// A browser, as far as HTTP/2 goes.
struct Browser {
    sender: SendRequest<Bytes>,
}

impl Browser {
    async fn open(stage: &Stage) -> Self {
        let stream = TcpStream::connect(stage.https()).await.expect("a connection");
        let name = ServerName::try_from("www.test").expect("a name");
        let tls =
            tokio_rustls::TlsConnector::from(stage.tls(&["h2"])).connect(name, stream).await.expect("TLS");
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let (sender, connection) = h2::client::handshake(tls).await.expect("HTTP/2");
        tokio::spawn(async move {
            // How it ends is seen by the streams.
            let _ = connection.await;
        });
        Self { sender: sender.ready().await.expect("room for a stream") }
    }

    fn send(&mut self, request: Request<()>, over: bool) -> (ResponseFuture, h2::SendStream<Bytes>) {
        self.sender.send_request(request, over).expect("a stream")
    }

    async fn get(&mut self, path: &str) -> Reply {
        read(self.send(asking(Method::GET, path), true).0).await
    }
}

fn asking(method: Method, path: &str) -> Request<()> {
    let uri = format!("https://www.test{path}");
    Request::builder().method(method).uri(uri).version(http::Version::HTTP_2).body(()).expect("a request")
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// How the stream broke, when it did.
    broken: Option<h2::Error>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn read(answer: ResponseFuture) -> Reply {
    finish(answer.await.expect("an answer")).await
}

async fn finish(answer: Response<RecvStream>) -> Reply {
    let (parts, mut incoming) = answer.into_parts();
    let mut reply = Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: Vec::new(),
        trailers: None,
        broken: None,
    };
    while let Some(data) = incoming.data().await {
        match data {
            Ok(data) => {
                incoming.flow_control().release_capacity(data.len()).expect("capacity");
                reply.body.extend_from_slice(&data);
            }
            Err(error) => {
                reply.broken = Some(error);
                return reply;
            }
        }
    }
    reply.trailers = incoming.trailers().await.expect("trailers");
    reply
}

async fn upload(stream: &mut h2::SendStream<Bytes>, body: &[u8], over: bool) {
    let mut rest = Bytes::copy_from_slice(body);
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        while stream.capacity() == 0 {
            poll_fn(|cx| stream.poll_capacity(cx)).await.expect("an open stream").expect("capacity");
        }
        let part = rest.split_to(stream.capacity().min(rest.len()));
        stream.send_data(part, over && rest.is_empty()).expect("an open stream");
    }
}

/// Tells the play what happened behind the house, and waits for the play's word.
#[derive(Clone)]
struct Cue {
    tell: Sender<&'static str>,
    word: Arc<Mutex<Receiver<()>>>,
}

fn cues() -> (Cue, Receiver<&'static str>, Sender<()>) {
    let (tell, told) = mpsc::channel();
    let (go, word) = mpsc::channel();
    (Cue { tell, word: Arc::new(Mutex::new(word)) }, told, go)
}

impl Cue {
    fn tell(&self, what: &'static str) {
        let _ = self.tell.send(what);
    }

    fn wait(&self) {
        let _ = self.word.lock().expect("a cue").recv_timeout(PATIENCE);
    }
}

/// Reads until the house hangs up.
fn until_hung_up(connection: &mut Connection) {
    let mut sink = [0; 4_096];
    while matches!(connection.stream.read(&mut sink), Ok(1..)) {}
}

/// Whether nothing more comes but the end.
async fn ends(incoming: &mut RecvStream) -> bool {
    loop {
        match incoming.data().await {
            None => return true,
            Some(Ok(data)) if data.is_empty() => {}
            Some(_) => return false,
        }
    }
}

#[track_caller]
fn hear(told: &Receiver<&'static str>) -> &'static str {
    told.recv_timeout(PATIENCE).expect("word from behind the house")
}

#[test]
fn a_hundred_streams_move_both_ways_at_once() {
    let server = OldServer::answering(|asked| {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", asked.body.len()).into_bytes();
        answer.extend_from_slice(&asked.body);
        answer
    });
    let stage = Stage::with(ROUTE, &server.declared("old"));
    run(async {
        let mut browser = Browser::open(&stage).await;
        let mut visits = Vec::new();
        for at in 0..100_u32 {
            browser.sender = browser.sender.clone().ready().await.expect("room for a stream");
            let (answer, mut stream) = browser.send(asking(Method::POST, "/echo"), false);
            visits.push(tokio::spawn(async move {
                let body: Vec<u8> = (0..50_000_u32).flat_map(|place| (place ^ at).to_be_bytes()).collect();
                let (reply, ()) = tokio::join!(read(answer), upload(&mut stream, &body, true));
                assert_eq!(reply.status, 200);
                assert!(reply.body == body, "stream {at} got another body");
            }));
        }
        for visit in visits {
            visit.await.expect("a visit");
        }
    });
}

#[test]
fn trailers_go_both_ways_and_name_nobody() {
    let heard = Arc::new(Mutex::new(String::new()));
    let notes = Arc::clone(&heard);
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        let mut tail = Vec::new();
        let mut byte = [0];
        while !tail.ends_with(b"\r\n\r\n") && connection.stream.read_exact(&mut byte).is_ok() {
            tail.push(byte[0]);
        }
        *notes.lock().expect("notes") = String::from_utf8_lossy(&tail).into_owned();
        connection.note(asked);
        connection.write(
            b"HTTP/1.1 200 OK\r\nTrailer: x-sum, set-cookie\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\nset-cookie: a=b\r\n\r\n",
        );
    });
    let stage = Stage::with(ROUTE, &server.declared("old"));
    run(async {
        let mut browser = Browser::open(&stage).await;
        let mut request = asking(Method::POST, "/");
        request.headers_mut().insert("te", "trailers".parse().expect("a value"));
        request
            .headers_mut()
            .insert("trailer", "x-end, remote-user, x-forwarded-for".parse().expect("a value"));
        let (answer, mut stream) = browser.send(request, false);
        stream.send_data(Bytes::from_static(b"ab"), false).expect("an open stream");
        let mut trailers = HeaderMap::new();
        for (name, value) in [("x-end", "1"), ("remote-user", "admin"), ("x-forwarded-for", "192.0.2.1")] {
            trailers.insert(name, value.parse().expect("a value"));
        }
        stream.send_trailers(trailers).expect("an open stream");
        let reply = read(answer).await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, b"abc".as_slice()));
        let trailers = reply.trailers.expect("trailers");
        assert_eq!(
            (trailers.len(), trailers.get("x-sum").map(http::HeaderValue::as_bytes)),
            (1, Some(b"7".as_slice()))
        );
    });
    let tail = heard.lock().expect("notes").to_ascii_lowercase();
    assert_eq!(tail, "2\r\nab\r\n0\r\nx-end: 1\r\n\r\n");
}

#[test]
fn interim_answers_come_ahead() {
    let server = OldServer::playing(|connection| {
        while let Some(asked) = connection.head() {
            connection.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            if asked.header("expect") == Some("100-continue") {
                connection.write(b"HTTP/1.1 100 Continue\r\n\r\n");
                let mut body = [0; 4];
                connection.stream.read_exact(&mut body).expect("a body");
            }
            connection.note(asked);
            connection.write(&ok("done"));
        }
    });
    let stage = Stage::with(ROUTE, &server.declared("old"));
    run(async {
        let mut browser = Browser::open(&stage).await;
        let (mut answer, _) = browser.send(asking(Method::GET, "/"), true);
        let hint = poll_fn(|cx| answer.poll_informational(cx)).await.expect("a hint").expect("a hint");
        assert_eq!(hint.status(), 103);
        assert_eq!(hint.headers()["link"], "</a.css>; rel=preload");
        assert_eq!(read(answer).await.body, b"done");

        // A visitor who waits for leave to send his body gets it from the server, behind its hint.
        let mut request = asking(Method::PUT, "/");
        request.headers_mut().insert("expect", "100-continue".parse().expect("a value"));
        request.headers_mut().insert("content-length", "4".parse().expect("a value"));
        let (mut answer, mut stream) = browser.send(request, false);
        let mut statuses = Vec::new();
        while statuses.last() != Some(&100) {
            let interim = poll_fn(|cx| answer.poll_informational(cx)).await.expect("leave").expect("leave");
            statuses.push(interim.status().as_u16());
        }
        upload(&mut stream, b"body", true).await;
        let reply = read(answer).await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, b"done".as_slice()));
        assert_eq!(statuses, [103, 100]);
    });
}

#[test]
fn an_early_answer_arrives_and_the_rest_of_the_upload_is_waved_off() {
    let server = OldServer::playing(|connection| {
        while let Some(asked) = connection.head() {
            connection.note(asked);
            connection.write(&ok("enough"));
            until_hung_up(connection);
        }
    });
    let stage = Stage::raw(
        ".linger_timeout = 200ms;",
        &format!(
            "site \"www.test\" {{ {ROUTE} route \"/small/\" {{ .backend = old; .body_bytes_max = 1KB; }} }}\n{}",
            server.declared("old")
        ),
    );
    let mut raw = Raw::new(&stage);
    raw.send(post(1, &[]));
    raw.send(frame(DATA, 0, 1, "the beginning"));
    assert_eq!(raw.verdict(1), Verdict::Answer(200));
    assert_eq!(raw.verdict(1), Verdict::Reset(0));
    // Refused by what it says, and by what it turns out to be.
    let mut fields = request("POST", "/small/x");
    raw.send([head(3, END_HEADERS, &fields), frame(DATA, 0, 3, vec![0; 2_000])].concat());
    assert_eq!(raw.verdict(3), Verdict::Answer(413));
    assert_eq!(raw.verdict(3), Verdict::Reset(0));
    fields.push(("content-length", "2000"));
    raw.send(head(5, END_HEADERS, &fields));
    assert_eq!(raw.verdict(5), Verdict::Answer(413));
    assert_eq!(raw.verdict(5), Verdict::Reset(0));
    // An upload that ends by itself meanwhile needs no reset.
    raw.send(head(7, END_HEADERS, &fields));
    assert_eq!(raw.verdict(7), Verdict::Answer(413));
    raw.send(frame(DATA, END_STREAM, 7, vec![0; 2_000]));
    assert_eq!(raw.trouble(7), Verdict::Silence);
    // What was on its way is taken, and the connection goes on.
    raw.send([frame(DATA, END_STREAM, 5, vec![0; 2_000]), get(9, "/")].concat());
    assert_eq!(raw.verdict(9), Verdict::Answer(200));
}

#[test]
fn a_visitor_who_leaves_frees_the_server_and_is_written_down_once() {
    let (cue, told, _go) = cues();
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        if asked.line.contains("/middle") {
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome");
        }
        connection.note(asked);
        until_hung_up(connection);
        cue.tell("hung up");
    });
    let mut stage = Stage::with(ROUTE, &server.declared("old"));
    let mut raw = Raw::new(&stage);
    raw.send(get(1, "/before"));
    server.heard();
    raw.send(frame(RST_STREAM, 0, 1, 8_u32.to_be_bytes()));
    assert_eq!(hear(&told), "hung up");
    raw.send(get(3, "/middle"));
    server.heard();
    assert_eq!(raw.wait_for(DATA).payload, b"some");
    raw.send(frame(RST_STREAM, 0, 3, 8_u32.to_be_bytes()));
    assert_eq!(hear(&told), "hung up");
    raw.send(post(5, &[]));
    raw.send(frame(DATA, 0, 5, "half an upload"));
    server.heard();
    raw.send(frame(RST_STREAM, 0, 5, 8_u32.to_be_bytes()));
    assert_eq!(hear(&told), "hung up");
    raw.send(get(7, "/vanished"));
    server.heard();
    drop(raw);
    assert_eq!(hear(&told), "hung up");
    let log = stage.log("www.test", "access");
    for (path, status) in
        [("GET /before", "499"), ("GET /middle", "200"), ("POST /post", "499"), ("GET /vanished", "499")]
    {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(path)).collect();
        assert_eq!(lines.len(), 1, "{path}: {log}");
        assert!(lines[0].contains(&format!("{path} HTTP/2.0\" {status} ")), "{}", lines[0]);
        assert!(lines[0].contains("left"), "{}", lines[0]);
    }
    assert_eq!(log.lines().count(), 4, "{log}");
    assert_eq!(stage.log("www.test", "error"), "");
}

#[test]
fn who_does_not_read_is_given_up() {
    let server = OldServer::answering(|_| ok(&"a".repeat(100_000)));
    let stage = Stage::raw(
        ".body_timeout = 300ms; .linger_timeout = 300ms;",
        &format!("site \"www.test\" {{ {ROUTE} }}\n{}", server.declared("old")),
    );
    let mut raw = Raw::with_settings(&stage, &[(1, 0), (4, 0)]);
    raw.send(get(1, "/"));
    assert_eq!(raw.verdict(1), Verdict::Answer(200));
    assert_eq!(raw.verdict(1), Verdict::Reset(2));
    // The same in the middle, and for a visitor who stops sending.
    raw.send([get(3, "/"), frame(WINDOW_UPDATE, 0, 3, 5_000_u32.to_be_bytes())].concat());
    assert_eq!(raw.verdict(3), Verdict::Answer(200));
    assert_eq!(raw.verdict(3), Verdict::Reset(2));
    raw.send([post(5, &[]), frame(WINDOW_UPDATE, 0, 5, 5_000_u32.to_be_bytes())].concat());
    assert_eq!(raw.verdict(5), Verdict::Answer(408));
    assert_eq!(raw.verdict(5), Verdict::Reset(0));
}

#[test]
fn who_reads_nothing_costs_no_memory() {
    const STREAMS: usize = 40;
    const ANSWER: usize = 32 << 20;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        connection.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER}\r\n\r\n").as_bytes());
        connection.note(asked);
        let part = vec![0; 64 << 10];
        while connection.stream.get_mut().write_all(&part).is_ok() {
            count.fetch_add(part.len(), Ordering::Relaxed);
        }
    });
    let stage = Stage::raw(
        ".body_timeout = 700ms;",
        &format!("site \"www.test\" {{ {ROUTE} }}\n{}", server.declared("old")),
    );
    let mut raw = Raw::with_settings(&stage, &[(1, 0), (4, 0)]);
    for at in 0..STREAMS {
        raw.send(get(1 + 2 * u32::try_from(at).expect("a stream"), "/"));
    }
    let mut resets = 0;
    while resets < STREAMS {
        if raw.next().expect("the house lives").kind == RST_STREAM {
            resets += 1;
        }
    }
    // What the server could write lies in the kernel's buffers; the house took next to nothing of it.
    let each = written.load(Ordering::Relaxed) / STREAMS;
    assert!(each < ANSWER / 4, "{each} bytes of each answer were taken from the server");
}

#[test]
fn rules_hold_on_streams_too() {
    let server = OldServer::saying("hello");
    let stage = Stage::with(
        "route \"/\" { .backend = old; }\nroute \"/private/\" { .backend = old; .allow = nobody; }",
        &format!(
            "{}\nsub vcl_recv {{\n\
             if (req.url == \"/open\") {{ set req.url = \"/private/page\"; }}\n\
             if (req.url == \"/said\") {{ return (synth(200, \"Fine\")); }}\n}}\n\
             sub vcl_synth {{ if (resp.status == 200) {{ synthetic(\"as written\"); return (deliver); }} }}\n\
             sub vcl_deliver {{ set resp.http.Connection = \"close\"; set resp.http.X-Seen = req.http.Host; }}",
            server.declared("old")
        ),
    );
    run(async {
        let mut browser = Browser::open(&stage).await;
        let reply = browser.get("/").await;
        assert_eq!((reply.status, &reply.body[..]), (200, &b"hello"[..]));
        assert_eq!((reply.header("x-seen"), reply.header("connection")), (Some("www.test"), None));
        assert_eq!(browser.get("/open").await.status, 403);
        let reply = browser.get("/said").await;
        assert_eq!((reply.status, reply.header("content-length")), (200, Some("10")));
        assert_eq!(reply.body, b"as written");
        let head = read(browser.send(asking(Method::HEAD, "/said"), true).0).await;
        assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("10"), 0));
        // To who asks for a tunnel a page would be one.
        let (answer, _stream) = browser.send(websocket("/said"), false);
        assert_eq!(read(answer).await.status, 500);
    });
    server.heard();
    assert!(server.heard_nothing());
}

fn accept(asked: &Asked) -> String {
    let key = asked.header("sec-websocket-key").expect("a key");
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::encode(digest.as_ref())
}

fn websocket(path: &str) -> Request<()> {
    let mut request = asking(Method::CONNECT, path);
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    request.headers_mut().insert("sec-websocket-version", "13".parse().expect("a value"));
    request
}

#[test]
fn a_websocket_opens_over_a_stream() {
    let server = OldServer::playing(|connection| {
        let Some(asked) = connection.head() else { return };
        let said = match asked.line.as_str() {
            line if line.contains("/wrong") => "bm90IHRoZSBhbnN3ZXIgdG8gaXQ=".to_owned(),
            line if line.contains("/never") => {
                connection.note(asked);
                connection
                    .write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nX-Why: because\r\n\r\nnever");
                return;
            }
            _ => accept(&asked),
        };
        connection.note(asked);
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {said}\r\n\r\n"
        );
        connection.write(head.as_bytes());
        let mut part = [0; 8_192];
        while let Ok(count @ 1..) = connection.stream.read(&mut part) {
            connection.write(&part[..count]);
        }
    });
    let mut stage = Stage::with(ROUTE, &server.declared("old"));
    let mut raw = Raw::new(&stage);
    let settings = raw.wait_for(SETTINGS).payload;
    assert!(
        settings.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]),
        "extended CONNECT is not announced"
    );
    run(async {
        let mut browser = Browser::open(&stage).await;
        // The house's settings come with its first answer.
        let (answer, _) = browser.send(asking(Method::GET, "/never"), true);
        assert_eq!(read(answer).await.status, 403);
        server.heard();

        let (answer, mut stream) = browser.send(websocket("/talk?room=1"), false);
        let (parts, mut incoming) = answer.await.expect("an answer").into_parts();
        assert_eq!(parts.status, 200);
        assert!(
            parts.headers.get("sec-websocket-accept").is_none() && parts.headers.get("upgrade").is_none()
        );
        let body: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let reading = async {
            let mut got = Vec::new();
            while got.len() < body.len() {
                let data = incoming.data().await.expect("data").expect("data");
                incoming.flow_control().release_capacity(data.len()).expect("capacity");
                got.extend_from_slice(&data);
            }
            got
        };
        let (got, ()) = tokio::join!(reading, upload(&mut stream, &body, false));
        assert!(got == body);
        stream.send_data(Bytes::new(), true).expect("an open stream");
        assert!(ends(&mut incoming).await);
        let asked = server.heard();
        assert_eq!(asked.line, "GET /talk?room=1 HTTP/1.1");
        assert_eq!(asked.header("upgrade"), Some("websocket"));
        assert_eq!(asked.header("sec-websocket-version"), Some("13"));

        let (answer, _stream) = browser.send(websocket("/wrong"), false);
        let reply = read(answer).await;
        assert_eq!(reply.status, 503);
        let (answer, _stream) = browser.send(websocket("/never"), false);
        let reply = read(answer).await;
        assert_eq!(
            (reply.status, reply.header("x-why"), reply.body.as_slice()),
            (403, Some("because"), b"never".as_slice())
        );
    });
    drop(raw);
    let log = stage.log("www.test", "access");
    assert_eq!(log.lines().count(), 4, "{log}");
    let talk = log.lines().find(|line| line.contains("/talk")).expect("a line for the tunnel");
    assert!(talk.contains(" 200 400000 "), "{talk}");
}

#[test]
fn events_arrive_as_they_happen() {
    let (cue, _told, go) = cues();
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        connection.note(asked);
        connection.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for _ in 0..3 {
            connection.write(b"9\r\ndata: 1\n\n\r\n");
            cue.wait();
        }
        connection.write(b"0\r\n\r\n");
    });
    let stage = Stage::with(ROUTE, &server.declared("old"));
    run(async {
        let mut browser = Browser::open(&stage).await;
        let (answer, _) = browser.send(asking(Method::GET, "/events"), true);
        let mut events = answer.await.expect("an answer").into_body();
        for _ in 0..3 {
            assert_eq!(events.data().await.expect("an event").expect("an event"), "data: 1\n\n");
            go.send(()).expect("a cue");
        }
        assert!(ends(&mut events).await);
    });
}

#[test]
fn answers_without_a_body_have_none() {
    let server = OldServer::answering(|asked| match asked.line.split(' ').nth(1) {
        Some("/204") => b"HTTP/1.1 204 No Content\r\nX-Y: a\r\n\r\n".to_vec(),
        Some("/304") => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n".to_vec(),
        Some("/empty") => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ if asked.line.starts_with("HEAD") => b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n".to_vec(),
        _ => ok("body"),
    });
    let mut stage = Stage::with(ROUTE, &server.declared("old"));
    run(async {
        let mut browser = Browser::open(&stage).await;
        let (answer, _) = browser.send(asking(Method::HEAD, "/page"), true);
        let reply = read(answer).await;
        assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("77"), 0));
        let reply = browser.get("/204").await;
        assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (204, None, 0));
        let reply = browser.get("/304").await;
        assert_eq!((reply.status, reply.header("etag"), reply.body.len()), (304, Some("\"a\""), 0));
        let reply = browser.get("/empty").await;
        assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("0"), 0));
        let reply = browser.get("/").await;
        assert_eq!(
            (reply.status, reply.header("content-length"), reply.body.as_slice()),
            (200, Some("4"), b"body".as_slice())
        );
        assert!(reply.header("date").is_some() && reply.header("connection").is_none());
        // A page of our own, asked for with HEAD.
        let (answer, _) = browser.send(asking(Method::HEAD, "/.doorward/nothing"), true);
        let reply = read(answer).await;
        assert_eq!((reply.status, reply.body.len()), (404, 0));
    });
    let log = stage.log("www.test", "access");
    assert_eq!(log.lines().count(), 6, "{log}");
    assert!(log.lines().all(|line| line.contains(" HTTP/2.0\" ") && !line.contains("left")), "{log}");
}

#[test]
fn another_host_is_another_connection() {
    let server = OldServer::saying("hello");
    let stage = Stage::raw(
        "",
        &format!(
            "site \"www.test\" {{ {ROUTE} }}\nsite \"other.test\" {{ {ROUTE} }}\n{}",
            server.declared("old")
        ),
    );
    let mut raw = Raw::new(&stage);
    for (stream, host) in [(1, "other.test"), (3, "nobody.test")] {
        let fields = [(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", "/")];
        raw.send(head(stream, WHOLE, &fields));
        assert_eq!(raw.verdict(stream), Verdict::Answer(421));
    }
    raw.send(get(5, "/"));
    assert_eq!(raw.verdict(5), Verdict::Answer(200));
}

#[test]
fn a_closing_house_says_goodbye_and_finishes_what_it_began() {
    let (cue, _told, go) = cues();
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        connection.note(asked);
        cue.wait();
        connection.write(&ok("late but whole"));
    });
    let stage = Stage::with(ROUTE, &server.declared("old"));
    let mut raw = Raw::new(&stage);
    let mut resting = Raw::new(&stage);
    raw.send(get(1, "/"));
    server.heard();
    assert_eq!(resting.trouble(0), Verdict::Silence);
    stage.running().stop();
    assert_eq!(number(&raw.wait_for(GOAWAY).payload[4..]), 0);
    // Who rests has nothing to wait for.
    assert_eq!(number(&resting.wait_for(GOAWAY).payload[4..]), 0);
    while resting.next().is_some() {}
    go.send(()).expect("a cue");
    let body = raw.wait_for(DATA);
    assert_eq!(
        (body.payload.as_slice(), body.flags & END_STREAM),
        (b"late but whole".as_slice(), END_STREAM)
    );
    while raw.next().is_some() {}
}

#[test]
fn who_rests_too_long_is_told_goodbye() {
    let server = OldServer::saying("hello");
    let stage = Stage::raw(
        ".idle_timeout = 200ms; .linger_timeout = 200ms;",
        &format!("site \"www.test\" {{ {ROUTE} }}\n{}", server.declared("old")),
    );
    let mut fresh = Raw::new(&stage);
    let mut used = Raw::new(&stage);
    used.send(get(1, "/"));
    assert_eq!(used.verdict(1), Verdict::Answer(200));
    let mut deaf = Raw::new(&stage);
    deaf.polite = false;
    for raw in [&mut fresh, &mut used, &mut deaf] {
        assert_eq!(number(&raw.wait_for(GOAWAY).payload[4..]), 0);
        while raw.next().is_some() {}
    }
}

#[test]
fn no_more_streams_are_open_than_were_agreed() {
    let (cue, _told, go) = cues();
    let server = OldServer::playing(move |connection| {
        while let Some(asked) = connection.head() {
            connection.note(asked);
            cue.wait();
            connection.write(&ok("hello"));
        }
    });
    let stage = Stage::raw(
        ".streams_max = 3;",
        &format!("site \"www.test\" {{ {ROUTE} }}\n{}", server.declared("old")),
    );
    let mut raw = Raw::new(&stage);
    let settings = raw.wait_for(SETTINGS).payload;
    assert!(settings.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 3]));
    for stream in [1, 3, 5, 7] {
        raw.send(get(stream, "/"));
    }
    assert_eq!(raw.verdict(7), Verdict::Reset(7));
    (0..3).for_each(|_| go.send(()).expect("a cue"));
    let mut whole = 0;
    while whole < 3 {
        whole += usize::from(raw.wait_for(DATA).flags & END_STREAM);
    }
    go.send(()).expect("a cue");
    raw.send(get(9, "/"));
    assert_eq!(raw.verdict(9), Verdict::Answer(200));
}

#[test]
fn a_trickled_head_is_given_up_whatever_else_is_open() {
    let (cue, _told, _go) = cues();
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        connection.note(asked);
        cue.wait();
    });
    let stage = Stage::raw(
        ".head_timeout = 300ms;",
        &format!("site \"www.test\" {{ {ROUTE} }}\n{}", server.declared("old")),
    );
    let whole = get(3, "/");
    let in_parts = frame(HEADERS, END_STREAM, 3, block(&request("GET", "/")));
    for begun in [&whole[..20], &whole[..9], in_parts.as_slice()] {
        let mut raw = Raw::new(&stage);
        raw.send(get(1, "/open"));
        server.heard();
        raw.send(begun);
        while raw.next().is_some() {}
    }
}

#[test]
fn floods_are_ended() {
    let server = OldServer::saying("hello");
    let stage = Stage::with(ROUTE, &server.declared("old"));
    let empty_data = || {
        let mut bytes = post(1, &[]);
        (0..5_000).for_each(|_| bytes.extend(frame(DATA, 0, 1, [])));
        bytes
    };
    let rapid = || {
        (0..5_000)
            .flat_map(|at| [get(1 + 2 * at, "/"), frame(RST_STREAM, 0, 1 + 2 * at, [0, 0, 0, 8])].concat())
            .collect()
    };
    let floods: [(&str, Vec<u8>); 6] = [
        ("pings", frame(PING, 0, 0, [0; 8]).repeat(5_000)),
        ("settings", settings_frame(&[(4, 70_000)]).repeat(5_000)),
        ("priorities", frame(PRIORITY, 0, 3, [0, 0, 0, 1, 9]).repeat(5_000)),
        ("frames that nobody knows", frame(0x16, 0, 0, []).repeat(5_000)),
        ("pieces of nothing", empty_data()),
        ("streams taken back at once", rapid()),
    ];
    for (name, bytes) in floods {
        let mut raw = Raw::new(&stage);
        raw.polite = false;
        raw.send(bytes);
        let mut answers = 0;
        while let Some(frame) = raw.next() {
            answers += usize::from(frame.kind == HEADERS);
        }
        assert!(answers < 1_100, "{name}: {answers} answers");
    }
    let mut raw = Raw::new(&stage);
    raw.send(get(1, "/"));
    assert_eq!(raw.verdict(1), Verdict::Answer(200));
}

#[test]
fn half_an_answer_is_no_success() {
    let server = OldServer::playing(|connection| {
        let Some(asked) = connection.head() else { return };
        let chunked = asked.line.contains("/chunked");
        connection.note(asked);
        if chunked {
            connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
        } else {
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome");
        }
    });
    let mut stage = Stage::with(ROUTE, &server.declared("old"));
    run(async {
        let mut browser = Browser::open(&stage).await;
        for path in ["/length", "/chunked"] {
            let reply = browser.get(path).await;
            assert_eq!((reply.status, reply.body.as_slice()), (200, b"some".as_slice()));
            assert_eq!(reply.broken.expect("a break").reason(), Some(Reason::INTERNAL_ERROR));
        }
    });
    let errors = stage.log("www.test", "error");
    assert_eq!(errors.lines().count(), 2, "{errors}");
}

#[test]
fn files_are_served_over_streams_too() {
    let folder = super::stage::Folder::new();
    folder.write("a.css", "body{}");
    std::fs::write(folder.0.join("large.bin"), vec![7; 3_000_000]).expect("a file");
    let site = format!("route \"/s/\" {{ .files = \"{}\"; }}", folder.0.display());
    let stage = Stage::with(&site, "");
    run(async {
        let mut browser = Browser::open(&stage).await;
        let reply = browser.get("/s/a.css").await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, b"body{}".as_slice()));
        let head = read(browser.send(asking(Method::HEAD, "/s/large.bin"), true).0).await;
        assert_eq!(
            head.headers.get("content-length").map(|value| value.as_bytes()),
            Some(b"3000000".as_slice())
        );
        assert!(head.body.is_empty() && head.broken.is_none());
        let reply = browser.get("/s/large.bin").await;
        assert!(reply.body.len() == 3_000_000 && reply.broken.is_none(), "{} bytes", reply.body.len());
        let mut request = asking(Method::GET, "/s/large.bin");
        request.headers_mut().insert("range", "bytes=-5,0-1".parse().expect("a value"));
        let reply = read(browser.send(request, true).0).await;
        assert_eq!(reply.status, 206);
        let kind = reply.headers.get("content-type").expect("a kind").to_str().expect("text");
        assert!(kind.starts_with("multipart/byteranges; boundary="), "{kind}");
        // A file that shrinks while it is sent: the stream is reset, and others go on.
        let file = std::fs::File::create(folder.0.join("huge.bin")).expect("a file");
        file.set_len(64 << 20).expect("room");
        let (response, _) = browser.send(asking(Method::GET, "/s/huge.bin"), true);
        let response = response.await.expect("a head");
        file.set_len(1 << 20).expect("room");
        let mut body = response.into_body();
        let broken = loop {
            match body.data().await {
                Some(Ok(data)) => body.flow_control().release_capacity(data.len()).expect("capacity"),
                Some(Err(error)) => break error,
                None => panic!("a whole body that is too short"),
            }
        };
        assert!(broken.is_reset(), "{broken}");
        assert_eq!(browser.get("/s/a.css").await.status, 200);
    });
}
