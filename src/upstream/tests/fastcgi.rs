//! Programs that are spoken to by FastCGI, good and bad.

use http::StatusCode;

use super::*;
use crate::base::cause::Cause;
use crate::message::Aside;
use crate::message::exchange::Murmurs;
use crate::script::Script;

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    padded(kind, content, 0)
}

fn padded(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut record = vec![1, kind, 0, 1, length[0], length[1], padding, 0];
    record.extend_from_slice(content);
    record.extend(std::iter::repeat_n(0, usize::from(padding)));
    record
}

fn out(text: &str) -> Vec<u8> {
    record(6, text.as_bytes())
}

fn err(text: &str) -> Vec<u8> {
    record(7, text.as_bytes())
}

fn end(status: u8) -> Vec<u8> {
    record(3, &[0, 0, 0, 0, status, 0, 0, 0])
}

const HI: &str = "Content-Type: text/plain\r\n\r\nhi";

/// A whole request: what the server is told, as bytes, and the body. `None` at the end of the connection.
async fn heard(stream: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut params, mut body) = (Vec::new(), Vec::new());
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header).await.ok()?;
        let mut content = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]]))];
        stream.read_exact(&mut content).await.ok()?;
        match header[1] {
            1 => assert_eq!(content.len(), 8),
            4 => params.extend(content),
            5 if content.is_empty() => return Some((params, body)),
            5 => body.extend(content),
            kind => panic!("a record of kind {kind}"),
        }
    }
}

fn speaks(config: &mut Config) {
    config.protocol = Protocol::FastCgi;
}

fn keeps(config: &mut Config) {
    config.protocol = Protocol::FastCgi;
    config.idle_max = 2;
    config.max_connections = 1;
}

/// A program that answers every request with the same bytes, and then hangs up or stays.
async fn says(answer: Vec<u8>, stays: bool) -> Raw {
    raw_with(
        move |_, mut stream| {
            let answer = answer.clone();
            async move {
                while heard(&mut stream).await.is_some() {
                    let _ = stream.write_all(&answer).await;
                    if !stays {
                        return;
                    }
                }
            }
        },
        keeps,
    )
    .await
}

fn asks(method: &str, body: Body) -> (Request<Body>, Murmurs) {
    let mut request = request(method, body);
    let murmurs = Murmurs::default();
    request.extensions_mut().insert(Script {
        prefix: Box::default(),
        root: "/srv".into(),
        name: "/index.php".into(),
        info: "".into(),
    });
    request
        .extensions_mut()
        .insert(Aside { local: "192.0.2.1:443".parse().unwrap(), murmurs: murmurs.clone() });
    (request, murmurs)
}

/// Status, body and how it ended, as one line; and what was complained of.
async fn told(
    pool: &Pool,
    backend: &Arc<Backend>,
    request: (Request<Body>, Murmurs),
) -> (String, Vec<String>) {
    let (request, murmurs) = request;
    let line = match pool.send(backend, request, None).await {
        Err(fault) => format!("{}: {}", fault.cause.name(), fault.detail()),
        Ok(answer) => {
            let (bytes, _, fault) = drain(answer.body).await;
            let text = match bytes.len() {
                0..100 => String::from_utf8(bytes).unwrap(),
                many => format!("{many} bytes"),
            };
            let end =
                fault.map_or(String::new(), |fault| format!(", {}: {}", fault.cause.name(), fault.detail()));
            format!("{} {text}{end}", answer.head.status().as_u16())
        }
    };
    let lines = murmurs.take().into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    (line.replace("backend `old`: ", ""), lines)
}

#[test]
fn every_answer_is_whole_or_a_fault() {
    let large = |size: usize| record(6, &vec![b'x'; size]);
    let mut other_version = end(0);
    other_version[0] = 2;
    let mut other_id = out(HI);
    other_id[3] = 7;
    let mut management = record(10, b"");
    management[3] = 0;
    let flood: Vec<u8> = std::iter::repeat_n(err(&"e".repeat(1_000)), 1_000).flatten().collect();
    let empty_flood: Vec<u8> = std::iter::repeat_n(err(""), 5_000).flatten().collect();
    let lines = "X: y\r\n".repeat(1_000);
    let cases: Vec<(&str, Vec<Vec<u8>>, &str)> = vec![
        ("as it should be", vec![out(HI), record(6, b""), end(0)], "200 hi"),
        ("no end of its output", vec![out(HI), end(0)], "200 hi"),
        ("a body of its own records", vec![out("\r\n"), out("a"), out("b"), end(0)], "200 ab"),
        ("padding", vec![padded(6, HI.as_bytes(), 255), padded(3, &[0; 8], 9)], "200 hi"),
        ("status and place", vec![out("Status: 303 See Other\nLocation: /x\n\n"), end(0)], "303 "),
        ("a place alone", vec![out("Location: /x\r\n\r\n"), end(0)], "302 "),
        ("an empty 500", vec![out("Status: 500\r\nContent-type: text/html\r\n\r\n"), end(0)], "500 "),
        (
            "the status of a program that failed",
            vec![out(HI), record(3, &[0, 0, 0, 255, 0, 0, 0, 0])],
            "200 hi",
        ),
        ("another protocol", vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()], "protocol: its answer is no FastCGI"),
        ("another version", vec![other_version], "protocol: its answer is no FastCGI"),
        ("another request", vec![other_id], "protocol: it answers a request that was not asked"),
        ("management", vec![management], "protocol: it answers a request that was not asked"),
        ("an unknown record", vec![record(42, b"")], "protocol: it sends a record that no answer has"),
        ("our own records", vec![record(5, b"x")], "protocol: it sends a record that no answer has"),
        (
            "a short end",
            vec![out(HI), record(3, b"x")],
            "200 hi, protocol: its last record has a wrong length",
        ),
        ("nothing at all", vec![], "read: it hung up without an answer"),
        ("an end alone", vec![end(0)], "protocol: it ended without an answer"),
        ("half a header", vec![out("A: b\r\n"), end(0)], "protocol: it ended in the middle of its header"),
        ("half a header and gone", vec![out("A: b\r\n")], "read: it hung up in the middle of its answer"),
        (
            "half a record",
            vec![vec![1, 6, 0, 1, 0, 99, 0, 0, b'A']],
            "read: it hung up in the middle of its answer",
        ),
        ("no header", vec![out("Fatal error: x\n"), end(0)], "protocol: a line of its header is none"),
        (
            "text for a header",
            vec![out("Segmentation fault\n"), end(0)],
            "protocol: a line of its header is none",
        ),
        ("a header bomb", vec![out(&lines), end(0)], "protocol: its header has too many lines"),
        ("a line without end", vec![large(40_000), large(40_000)], "protocol: its header is too large"),
        ("two statuses", vec![out("Status: 200\nStatus: 500\n\n")], "protocol: it says its status twice"),
        ("a switch", vec![out("Status: 101\n\n")], "protocol: its status makes no sense"),
        ("an interim answer", vec![out("Status: 103\n\n")], "protocol: its status makes no sense"),
        (
            "a framing of its own",
            vec![out("Transfer-Encoding: chunked\n\n0\n\n")],
            "protocol: it frames its body",
        ),
        (
            "output behind its end",
            vec![out(HI), out(""), out("x")],
            "200 hi, protocol: it goes on behind the end",
        ),
        ("gone in its body", vec![out(HI)], "200 hi, read: it hung up in the middle of its answer"),
        ("a promise kept", vec![out("Content-Length: 2\n\nhi"), end(0)], "200 hi"),
        ("a promise kept, and gone", vec![out("Content-Length: 2\n\nhi")], "200 hi"),
        ("more than promised", vec![out("Content-Length: 2\n\nhi there"), out("!"), end(0)], "200 hi"),
        (
            "less than promised",
            vec![out("Content-Length: 9\n\nhi"), end(0)],
            "200 hi, protocol: its body is shorter",
        ),
        ("less, and gone", vec![out("Content-Length: 9\n\nhi")], "200 hi, read: it hung up in the middle"),
        (
            "a giant promise",
            vec![out("Content-Length: 18446744073709551615\n\nhi"), end(0)],
            "200 hi, protocol: its body is shorter",
        ),
        (
            "two lengths",
            vec![out("Content-Length: 1\nContent-Length: 2\n\nhi")],
            "protocol: it says two different",
        ),
        ("too busy", vec![end(2)], "max_connections: it says that it is overloaded"),
        ("not its role", vec![end(3)], "protocol: it refuses the request"),
        ("gives up", vec![out(HI), end(2)], "200 hi, protocol: it gave up in the middle of its answer"),
        ("two ends", vec![out(HI), end(0), end(0)], "200 hi"),
        ("more behind the end", vec![out(HI), end(0), out("x")], "200 hi"),
        ("complains without end", vec![flood, out(HI), end(0)], "200 hi"),
        ("complains of nothing", vec![empty_flood, out(HI), end(0)], "200 hi"),
        ("no body for 204", vec![out("Status: 204\n\nhi"), end(0)], "204 "),
        ("no body for 304", vec![out("Status: 304\nContent-Length: 5\n\n"), end(0)], "304 "),
        (
            "a large one",
            [vec![out("\n")], vec![large(60_000); 20], vec![end(0)]].concat(),
            "200 1200000 bytes",
        ),
    ];
    for (name, records, expected) in cases {
        let expected = expected.to_owned();
        play(async move {
            let raw = says(records.concat(), false).await;
            let pool = Pool::new();
            let (line, _) = told(&pool, &raw.backend, asks("GET", Body::Empty)).await;
            assert!(
                if expected.contains(": ") { line.starts_with(&expected) } else { line == expected },
                "{name}: {line}"
            );
            settle().await;
            assert_eq!(raw.backend.in_flight(), 0, "{name}");
            assert_eq!(raw.backend.permits(), 0, "{name}");
        });
    }
}

#[test]
fn a_connection_is_used_again_only_after_a_clean_end() {
    for (name, answer, again) in [
        ("clean", [out(HI), end(0)].concat(), true),
        ("bodiless", [out("Status: 304\n\n"), end(0)].concat(), true),
        ("with a length", [out("Content-Length: 2\n\nhi"), end(0)].concat(), true),
        ("two ends", [out(HI), end(0), end(0)].concat(), false),
        ("more behind the end", [out(HI), end(0), vec![0]].concat(), false),
        ("longer than it says", [out("Content-Length: 1\n\nhi"), end(0)].concat(), false),
    ] {
        play(async move {
            let raw = says(answer, true).await;
            let pool = Pool::new();
            for _ in 0..3 {
                told(&pool, &raw.backend, asks("GET", Body::Empty)).await;
                settle().await;
            }
            assert_eq!(raw.accepted.get(), if again { 1 } else { 3 }, "{name}");
            assert_eq!(pool.idle(&raw.backend), usize::from(again), "{name}");
        });
    }
}

#[test]
fn no_connection_is_kept_unless_the_rules_say_so() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                let mut begin = [0; 16];
                stream.read_exact(&mut begin).await.unwrap();
                assert_eq!(begin[10], 0, "it is asked to hang up");
                stream.write_all(&[out(HI), end(0)].concat()).await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            },
            |config| {
                speaks(config);
                config.idle_max = 0;
            },
        )
        .await;
        let pool = Pool::new();
        for count in 1..=2 {
            assert_eq!(told(&pool, &raw.backend, asks("GET", Body::Empty)).await.0, "200 hi");
            assert_eq!((raw.accepted.get(), pool.idle(&raw.backend)), (count, 0));
        }
    });
}

#[test]
fn a_kept_connection_that_turned_out_dead_is_invisible() {
    play(async {
        // Closed while it waited: nothing was sent over it, so also a form goes out by another one.
        let raw = raw_with(
            |_, mut stream| async move {
                heard(&mut stream).await;
                stream.write_all(&[out(HI), end(0)].concat()).await.unwrap();
            },
            keeps,
        )
        .await;
        let pool = Pool::new();
        for method in ["GET", "POST"] {
            let body = if method == "POST" { Body::full("a=b") } else { Body::Empty };
            assert_eq!(told(&pool, &raw.backend, asks(method, body)).await.0, "200 hi");
            settle().await;
        }
        assert_eq!(raw.accepted.get(), 2);
        // Closed with the request in its hands: what only reads is asked again.
        let raw = raw_with(
            |number, mut stream| async move {
                heard(&mut stream).await;
                stream.write_all(&[out(HI), end(0)].concat()).await.unwrap();
                heard(&mut stream).await;
                assert!(number < 4);
            },
            keeps,
        )
        .await;
        let pool = Pool::new();
        for (method, line) in
            [("GET", "200 hi"), ("GET", "200 hi"), ("POST", "read: it hung up without an answer")]
        {
            assert_eq!(told(&pool, &raw.backend, asks(method, Body::Empty)).await.0, line, "{method}");
        }
        assert_eq!(raw.backend.figures().retries, 1);
    });
}

#[test]
fn idle_connections_are_closed_in_time_and_when_the_other_side_hangs_up() {
    play(async {
        let raw = says([out(HI), end(0)].concat(), true).await;
        let pool = Pool::new();
        told(&pool, &raw.backend, asks("GET", Body::Empty)).await;
        let now = crate::base::clock::now();
        pool.sweep(now);
        assert_eq!(pool.idle(&raw.backend), 1);
        pool.sweep(now + Duration::from_secs(51));
        assert_eq!((pool.idle(&raw.backend), raw.backend.figures().connections_open), (0, 0));
        let raw = says([out(HI), end(0)].concat(), false).await;
        told(&pool, &raw.backend, asks("GET", Body::Empty)).await;
        settle().await;
        pool.sweep(crate::base::clock::now());
        assert_eq!(pool.idle(&raw.backend), 0);
    });
}

#[test]
fn a_body_arrives_whole_and_with_its_length() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                let (params, body) = heard(&mut stream).await.unwrap();
                let params = String::from_utf8_lossy(&params).into_owned();
                let at = params.find("CONTENT_LENGTH").unwrap() + "CONTENT_LENGTH".len();
                let length: String = params[at..].chars().take_while(char::is_ascii_digit).collect();
                let text =
                    format!("\n{length} {} {}", body.len(), body.iter().map(|b| u64::from(*b)).sum::<u64>());
                stream.write_all(&[out(&text), end(0)].concat()).await.unwrap();
            },
            speaks,
        )
        .await;
        let pool = Pool::new();
        let large = vec![3_u8; 200_000];
        assert_eq!(
            told(&pool, &raw.backend, asks("POST", Body::full(large))).await.0,
            "200 200000 200000 600000"
        );
        assert_eq!(told(&pool, &raw.backend, asks("POST", Body::full(vec![1]))).await.0, "200 1 1 1");
        // Of unknown length: it is collected.
        let chunks = Feed::default();
        for _ in 0..10 {
            chunks.give(Ok(Bytes::from_static(&[1; 100])));
        }
        chunks.end();
        assert_eq!(told(&pool, &raw.backend, asks("POST", chunks.body())).await.0, "200 1000 1000 1000");
        let endless = Feed::default();
        for _ in 0..200 {
            endless.give(Ok(Bytes::from_static(&[1; 10_000])));
        }
        let (line, _) = told(&pool, &raw.backend, asks("POST", endless.body())).await;
        assert_eq!(line, "body_too_large: a body that does not say its length is larger than 1MB");
        let broken = Feed::default();
        broken.give(Err(Fault::new(Cause::BodyTimeout)));
        assert_eq!(
            told(&pool, &raw.backend, asks("POST", broken.body())).await.0,
            "body_timeout: The upload stopped on its way."
        );
        assert_eq!((raw.accepted.get(), raw.backend.in_flight()), (3, 0));
    });
}

/// A body that says its length and comes piece by piece.
struct Long(Feed, u64);

impl http_body::Body for Long {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Fault>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.1)
    }
}

#[test]
fn both_directions_move_at_once() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                let mut header = [0; 8];
                let mut answered = false;
                loop {
                    if stream.read_exact(&mut header).await.is_err() {
                        return;
                    }
                    let mut content = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]]))];
                    stream.read_exact(&mut content).await.unwrap();
                    match (header[1], content.is_empty()) {
                        (5, true) => break,
                        (5, false) => {
                            let head = if answered { "" } else { "\n" };
                            answered = true;
                            let text = format!("{head}{}", String::from_utf8(content).unwrap());
                            stream.write_all(&out(&text)).await.unwrap();
                        }
                        _ => {}
                    }
                }
                stream.write_all(&end(0)).await.unwrap();
            },
            speaks,
        )
        .await;
        let feed = Feed::default();
        feed.give(Ok(Bytes::from_static(b"one")));
        let (request, _) = asks("POST", Body::stream(Long(feed.clone(), 6)));
        let answer = Pool::new().send(&raw.backend, request, None).await.unwrap();
        let mut body = std::pin::pin!(answer.body);
        let mut next = async || std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        assert_eq!(next().await.unwrap().unwrap().into_data().unwrap(), "one");
        feed.give(Ok(Bytes::from_static(b"two")));
        assert_eq!(next().await.unwrap().unwrap().into_data().unwrap(), "two");
        feed.end();
        assert!(next().await.is_none());
    });
}

#[test]
fn an_answer_before_the_upload_is_an_answer() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                let mut first = [0; 8];
                stream.read_exact(&mut first).await.unwrap();
                stream.write_all(&[out("Status: 413\n\nno"), end(0)].concat()).await.unwrap();
            },
            keeps,
        )
        .await;
        let feed = Feed::default();
        let pool = Pool::new();
        let request = asks("POST", Body::stream(Long(feed, 1_000_000)));
        assert_eq!(told(&pool, &raw.backend, request).await.0, "413 no");
        assert_eq!((pool.idle(&raw.backend), raw.backend.in_flight()), (0, 0));
    });
}

#[test]
fn what_is_complained_of_is_heard_and_bounded() {
    play(async {
        let answer = [err("PHP Warning:  one\nPHP Notice"), err("two"), out("\nbody"), err("three"), end(0)];
        let raw = says(answer.concat(), false).await;
        let (line, murmurs) = told(&Pool::new(), &raw.backend, asks("GET", Body::Empty)).await;
        assert_eq!(line, "200 body");
        assert_eq!(murmurs, ["PHP Warning:  one", "PHP Notice", "two", "three"]);
        let flood: Vec<u8> = std::iter::repeat_n(err(&"e".repeat(1_000)), 1_000).flatten().collect();
        let raw = says([flood, out(HI), end(0)].concat(), false).await;
        let (_, murmurs) = told(&Pool::new(), &raw.backend, asks("GET", Body::Empty)).await;
        assert!(murmurs.iter().map(String::len).sum::<usize>() < 9_000);
        assert_eq!(murmurs.last().unwrap(), "(more was said than is kept)");
    });
}

#[test]
fn the_clocks_run_for_scripts_too() {
    // One that says nothing but complaints, one that begins and stops, one that takes nothing.
    for (answer, line) in [
        (err("working"), "first_byte_timeout: it did not begin to answer"),
        (out("A: b\n"), "first_byte_timeout: it did not begin to answer"),
        (out(HI), "200 hi, between_bytes: it stopped in the middle of its answer"),
    ] {
        play(async move {
            let raw = says(answer, true).await;
            let begun = crate::base::clock::now();
            assert_eq!(told(&Pool::new(), &raw.backend, asks("GET", Body::Empty)).await.0, line);
            assert_eq!(begun.elapsed().as_secs(), 60);
            assert_eq!(raw.backend.figures().connections_open, 0);
        });
    }
    play(async {
        let raw = raw_with(
            |_, stream| async move {
                std::future::pending::<()>().await;
                drop(stream);
            },
            speaks,
        )
        .await;
        let body = Body::full(vec![0; 50 << 20]);
        let (line, _) = told(&Pool::new(), &raw.backend, asks("POST", body)).await;
        assert_eq!(line, "first_byte_timeout: it neither took the request nor answered it");
    });
    // A visitor who takes his time is not the program's fault.
    play(async {
        let raw = says([out(HI), end(0)].concat(), false).await;
        let feed = Feed::default();
        let late = feed.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_secs(300)).await;
            late.give(Ok(Bytes::from_static(b"ab")));
            late.end();
        });
        let request = asks("POST", Body::stream(Long(feed, 2)));
        assert_eq!(told(&Pool::new(), &raw.backend, request).await.0, "200 hi");
    });
}

#[test]
fn a_program_that_works_on_behind_its_answer_counts_until_it_ends() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                heard(&mut stream).await;
                stream.write_all(&out("Content-Length: 2\n\nhi")).await.unwrap();
                tokio::time::sleep(Duration::from_secs(10)).await;
                stream.write_all(&end(0)).await.unwrap();
                heard(&mut stream).await;
            },
            keeps,
        )
        .await;
        let pool = Pool::new();
        assert_eq!(told(&pool, &raw.backend, asks("GET", Body::Empty)).await.0, "200 hi");
        assert_eq!((raw.backend.permits(), raw.backend.in_flight()), (1, 1));
        let (line, _) = told(&pool, &raw.backend, asks("GET", Body::Empty)).await;
        assert!(line.starts_with("max_connections"), "{line}");
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!((raw.backend.permits(), raw.backend.in_flight(), pool.idle(&raw.backend)), (0, 0, 1));
    });
}

#[test]
fn a_visitor_who_leaves_ends_the_request() {
    play(async {
        let raw = says([out(HI)].concat(), true).await;
        let pool = Pool::new();
        let (request, _) = asks("GET", Body::Empty);
        let answer = pool.send(&raw.backend, request, None).await.unwrap();
        assert_eq!((answer.head.status(), raw.backend.permits()), (StatusCode::OK, 1));
        drop(answer);
        let figures = raw.backend.figures();
        assert_eq!((figures.in_flight, figures.connections_open, raw.backend.permits()), (0, 0, 0));
    });
}

#[test]
fn head_has_no_body_and_a_route_without_scripts_no_answer() {
    play(async {
        let raw = says([out("Content-Length: 5\n\nhello"), end(0)].concat(), true).await;
        let pool = Pool::new();
        assert_eq!(told(&pool, &raw.backend, asks("HEAD", Body::Empty)).await.0, "200 ");
        settle().await;
        assert_eq!(told(&pool, &raw.backend, asks("GET", Body::Empty)).await.0, "200 hello");
        assert_eq!(raw.accepted.get(), 1);
        let fault = pool.send(&raw.backend, get(), None).await.err().unwrap();
        assert_eq!(fault.cause, Cause::Internal);
    });
}
