//! What backends say that they should not, and what is odd but right: each with what becomes of it.

use super::*;
use crate::base::cause::Cause;

/// What becomes of an answer.
#[derive(Debug, PartialEq)]
enum End {
    /// No answer reaches the visitor: the page for this cause does.
    Fault(Cause),
    /// The answer begins and its body ends in a fault.
    Cut(u16, Cause),
    /// The answer is passed on whole; `true` when the connection may be used again.
    Whole(u16, String, bool),
}

/// The backend reads one request, says this, and hangs up or stays.
async fn hear(method: &str, says: &[&str], stays: bool) -> End {
    let says: Vec<Vec<u8>> = says.iter().map(|text| text.chars().map(|c| c as u8).collect()).collect();
    let raw = raw(move |_, mut stream| {
        let says = says.clone();
        async move {
            head(&mut stream).await;
            for part in says {
                // The other side may have hung up already, rightly.
                let _ = stream.write_all(&part).await;
                settle().await;
            }
            if stays {
                let mut rest = [0; 1];
                let _ = stream.read(&mut rest).await;
            }
        }
    })
    .await;
    let pool = Pool::new();
    let end = match pool.send(&raw.backend, request(method, Body::Empty), None).await {
        Err(fault) => End::Fault(fault.cause),
        Ok(answer) => {
            let status = answer.head.status().as_u16();
            let headers = answer.head.headers().clone();
            assert!(!headers.contains_key("transfer-encoding"));
            let (bytes, trailers, fault) = drain(answer.body).await;
            let lengths: Vec<_> = headers.get_all("content-length").iter().collect();
            assert!(lengths.len() <= 1);
            if let (Some(length), None) = (lengths.first(), &fault)
                && method != "HEAD"
                && status != 304
            {
                assert_eq!(length.to_str().unwrap(), bytes.len().to_string());
            }
            if let Some(trailers) = trailers {
                assert!(!trailers.contains_key("set-cookie") && !trailers.contains_key("content-length"));
            }
            if let Some(fault) = fault {
                End::Cut(status, fault.cause)
            } else {
                settle().await;
                let again = pool.shelf(&raw.backend).take().is_some();
                End::Whole(status, bytes.iter().map(|byte| *byte as char).collect(), again)
            }
        }
    };
    let connections = raw.backend.figures().connections_made;
    assert_eq!(connections, 1, "nothing is asked twice on a fresh connection");
    end
}

fn whole(status: u16, body: &str, again: bool) -> End {
    End::Whole(status, body.into(), again)
}

use Cause::{Protocol, Read};

#[test]
fn hostile_answers_end_in_the_right_cause() {
    let long = "x".repeat(70_000);
    let many = "A: b\r\n".repeat(101);
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
    let ok = "HTTP/1.1 200 OK\r\n";
    let row = |text: &str| format!("{ok}{text}");
    let cases: Vec<(&str, String, bool, End)> = vec![
        ("nothing", String::new(), false, End::Fault(Read)),
        ("half a status line", "HTTP/1.1 20".into(), false, End::Fault(Read)),
        ("half a header", row("Content-Le"), false, End::Fault(Read)),
        ("no end of the header", row("A: b\r\n"), false, End::Fault(Read)),
        ("no HTTP", "220 mail.example ready\r\n".into(), true, End::Fault(Protocol)),
        ("HTML", "<html><body>It works</body></html>\r\n\r\n".into(), false, End::Fault(Protocol)),
        ("TLS", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{46}".into(), false, End::Fault(Protocol)),
        ("HTTP/2", "HTTP/2 200 OK\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("HTTP/11", "HTTP/11 200 OK\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("another protocol", "ICY 200 OK\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("lower case http", "http/1.1 200 OK\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("status 099", "HTTP/1.1 099 Low\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("status 000", "HTTP/1.1 000 Null\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("status 600", "HTTP/1.1 600 High\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("status 20", "HTTP/1.1 20 Short\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("status 2000", "HTTP/1.1 2000 Long\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("status -20", "HTTP/1.1 -20 Sign\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("two spaces", "HTTP/1.1  200 OK\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("bare LF", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx".into(), true, End::Fault(Protocol)),
        (
            "one bare LF",
            row("A: b\nSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        ("LF ends the header", row("Content-Length: 1\r\n\nx"), true, End::Fault(Protocol)),
        ("bare CR in a value", row("A: b\rSet-Cookie: evil=1\r\n\r\n"), true, End::Fault(Protocol)),
        ("bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n".into(), true, End::Fault(Protocol)),
        ("obs-fold", row("A: b\r\n c\r\nContent-Length: 0\r\n\r\n"), true, End::Fault(Protocol)),
        (
            "fold before the first header",
            row(" A: b\r\nContent-Length: 0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        ("NUL in a value", row("A: b\u{0}c\r\n\r\n"), true, End::Fault(Protocol)),
        ("NUL in a name", row("A\u{0}: b\r\n\r\n"), true, End::Fault(Protocol)),
        ("control character", row("A: b\u{1}c\r\n\r\n"), true, End::Fault(Protocol)),
        ("space before the colon", row("Content-Length : 5\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("no colon", row("Content-Length 5\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("empty name", row(": b\r\n\r\n"), true, End::Fault(Protocol)),
        ("name beyond ASCII", row("Conten\u{e9}: b\r\n\r\n"), true, End::Fault(Protocol)),
        ("leading empty line", format!("\r\n{ok}Content-Length: 0\r\n\r\n"), true, End::Fault(Protocol)),
        ("header too long", row(&format!("A: {long}\r\n\r\n")), true, End::Fault(Protocol)),
        ("endless header line", row(&format!("A: {long}{long}")), true, End::Fault(Protocol)),
        ("too many headers", row(&format!("{many}\r\n")), true, End::Fault(Protocol)),
        (
            "two lengths",
            row("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
            true,
            End::Fault(Protocol),
        ),
        ("two lengths in one line", row("Content-Length: 5, 6\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("length +5", row("Content-Length: +5\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("length -5", row("Content-Length: -5\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("length 0x5", row("Content-Length: 0x5\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("empty length", row("Content-Length:\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("length 5 5", row("Content-Length: 5 5\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("length 5,", row("Content-Length: 5,\r\n\r\nhello"), true, End::Fault(Protocol)),
        ("huge length", row("Content-Length: 99999999999999999999\r\n\r\nx"), true, End::Fault(Protocol)),
        ("coded gzip", row("Transfer-Encoding: gzip\r\n\r\nx"), false, End::Fault(Protocol)),
        (
            "coded gzip, chunked",
            row("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "coded chunked, gzip",
            row("Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "chunked twice",
            row("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        ("xchunked", row("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), true, End::Fault(Protocol)),
        (
            "HTTP/1.0 chunked",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            true,
            End::Fault(Protocol),
        ),
        (
            "unasked 101",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".into(),
            true,
            End::Fault(Protocol),
        ),
        ("flood of 1xx", format!("{flood}{ok}Content-Length: 0\r\n\r\n"), true, End::Fault(Protocol)),
        (
            "bare LF in a 1xx",
            format!("HTTP/1.1 103 Early\nLink: x\r\n\r\n{ok}Content-Length: 0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        ("1xx and no more", "HTTP/1.1 100 Continue\r\n\r\n".into(), false, End::Fault(Read)),
        // Begun, then broken: never the look of success.
        ("short body", row("Content-Length: 9\r\n\r\nhello"), false, End::Cut(200, Read)),
        ("cut in a chunk", row("Transfer-Encoding: chunked\r\n\r\n9\r\nhello"), false, End::Cut(200, Read)),
        (
            "no last chunk",
            row("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            false,
            End::Cut(200, Read),
        ),
        (
            "cut after the last chunk",
            row("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
            false,
            End::Cut(200, Read),
        ),
        (
            "chunk size is no number",
            row("Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "chunk size 0x5",
            row("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "chunk size -5",
            row("Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "chunk size too large",
            row("Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "chunk size ends in LF",
            row("Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "LF in a chunk extension",
            row("Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n"),
            true,
            End::Fault(Protocol),
        ),
        (
            "chunk longer than it says",
            row("Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"),
            true,
            End::Cut(200, Protocol),
        ),
        (
            "bare LF in a trailer",
            row("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\nC: d\r\n\r\n"),
            true,
            End::Cut(200, Protocol),
        ),
        // Passed on, but the connection is done with.
        (
            "length and chunks",
            row("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            true,
            whole(200, "hello", false),
        ),
        (
            "bytes after the body",
            row("Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
            true,
            whole(200, "hello", false),
        ),
        (
            "bytes after the chunks",
            row("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nevil"),
            true,
            whole(200, "hello", false),
        ),
        ("CR LF after the body", row("Content-Length: 5\r\n\r\nhello\r\n"), true, whole(200, "hello", false)),
        (
            "body with 204",
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello".into(),
            true,
            whole(204, "", false),
        ),
        (
            "body with 304",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello".into(),
            true,
            whole(304, "", false),
        ),
    ];
    for (name, says, stays, expected) in cases {
        let end = play(async { hear("GET", &[&says], stays).await });
        assert_eq!(end, expected, "{name}");
        // However the bytes are cut, the same becomes of them: only where the visitor already has the head
        // when the body turns out wrong does he see a cut answer instead of a page.
        if says.len() < 300 {
            for at in [1, 9, 12, 17, says.chars().count() / 2, says.chars().count().saturating_sub(1)] {
                let cut = says.char_indices().nth(at).map_or(says.len(), |(at, _)| at);
                let (first, second) = says.split_at(cut);
                let end = play(async { hear("GET", &[first, second], stays).await });
                let same = match (&end, &expected) {
                    (End::Cut(_, cause), End::Fault(expected)) => cause == expected,
                    (end, expected) => end == expected,
                };
                assert!(same, "{name}, cut at {at}: {end:?} instead of {expected:?}");
            }
        }
    }
}

#[test]
fn odd_but_valid_answers_pass() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let cases: Vec<(&str, &str, String, bool, End)> = vec![
        (
            "no reason",
            "GET",
            "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi".into(),
            true,
            whole(200, "hi", true),
        ),
        (
            "no reason, no space",
            "GET",
            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi".into(),
            true,
            whole(200, "hi", true),
        ),
        (
            "reason in Latin-1",
            "GET",
            "HTTP/1.1 404 Nicht gef\u{fc}nden\r\nContent-Length: 0\r\n\r\n".into(),
            true,
            whole(404, "", true),
        ),
        (
            "value in Latin-1",
            "GET",
            format!("{ok}X-Name: J\u{fc}rgen\r\nContent-Length: 2\r\n\r\nhi"),
            true,
            whole(200, "hi", true),
        ),
        (
            "unknown status",
            "GET",
            "HTTP/1.1 299 Fine\r\nContent-Length: 2\r\n\r\nhi".into(),
            true,
            whole(200 + 99, "hi", true),
        ),
        (
            "status 599",
            "GET",
            "HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nhi".into(),
            true,
            whole(599, "hi", true),
        ),
        ("body to the end, 1.1", "GET", format!("{ok}\r\nhi"), false, whole(200, "hi", false)),
        (
            "body to the end, 1.0",
            "GET",
            "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhi".into(),
            false,
            whole(200, "hi", false),
        ),
        (
            "1.0 kept alive",
            "GET",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi".into(),
            true,
            whole(200, "hi", false),
        ),
        (
            "equal lengths",
            "GET",
            format!("{ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"),
            true,
            whole(200, "hi", true),
        ),
        (
            "empty value",
            "GET",
            format!("{ok}X-Empty:\r\nContent-Length:2\r\n\r\nhi"),
            true,
            whole(200, "hi", true),
        ),
        (
            "padded value",
            "GET",
            format!("{ok}X-Tab:\t a \t\r\nContent-Length:   2  \r\n\r\nhi"),
            true,
            whole(200, "hi", true),
        ),
        (
            "chunk extensions",
            "GET",
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0;c\r\n\r\n"),
            true,
            whole(200, "hi", true),
        ),
        (
            "zeros before a chunk size",
            "GET",
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n0002\r\nhi\r\n000\r\n\r\n"),
            true,
            whole(200, "hi", true),
        ),
        (
            "Chunked",
            "GET",
            format!("{ok}transfer-encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
            true,
            whole(200, "hi", true),
        ),
        (
            "trailers",
            "GET",
            format!(
                "{ok}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n"
            ),
            true,
            whole(200, "hi", true),
        ),
        (
            "interim first",
            "GET",
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n{ok}Content-Length: 2\r\n\r\nhi"
            ),
            true,
            whole(200, "hi", true),
        ),
        (
            "close",
            "GET",
            format!("{ok}Connection: close\r\nContent-Length: 2\r\n\r\nhi"),
            false,
            whole(200, "hi", false),
        ),
        (
            "HEAD with a length",
            "HEAD",
            format!("{ok}Content-Length: 1000\r\n\r\n"),
            true,
            whole(200, "", false),
        ),
        (
            "HEAD with chunks",
            "HEAD",
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n"),
            true,
            whole(200, "", false),
        ),
        ("HEAD with neither", "HEAD", format!("{ok}Server: old\r\n\r\n"), true, whole(200, "", true)),
        (
            "304 with a tag",
            "GET",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".into(),
            true,
            whole(304, "", true),
        ),
        (
            "205",
            "GET",
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n".into(),
            true,
            whole(205, "", true),
        ),
        (
            "a hundred headers",
            "GET",
            format!("{ok}{}Content-Length: 2\r\n\r\nhi", "A: b\r\n".repeat(99)),
            true,
            whole(200, "hi", true),
        ),
        (
            "many cookies, in order",
            "GET",
            format!("{ok}Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nhi"),
            true,
            whole(200, "hi", true),
        ),
    ];
    for (name, method, says, stays, expected) in cases {
        let end = play(async { hear(method, &[&says], stays).await });
        assert_eq!(end, expected, "{name}");
        if says.len() < 300 {
            for at in 1..says.chars().count() {
                let cut = says.char_indices().nth(at).map_or(says.len(), |(at, _)| at);
                let (first, second) = says.split_at(cut);
                let end = play(async { hear(method, &[first, second], stays).await });
                assert_eq!(end, expected, "{name}, cut at {at}");
            }
        }
    }
}

#[test]
fn a_head_with_wrong_lengths_is_refused_without_a_body_too() {
    for (method, says) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1, 2\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ] {
        assert_eq!(play(async { hear(method, &[says], true).await }), End::Fault(Protocol), "{says}");
    }
}
