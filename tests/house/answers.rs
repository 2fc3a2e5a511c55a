//! What visitors get when the server behind a page answers badly. One gateway for all of it: after each bad
//! answer another visitor asks for a page of his own, and gets that and nothing else. The table of
//! `docs/broken-answers.md` is written from the one here (`UPDATE=1` rewrites it).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use doorward::base::cause::Cause;

use super::stage::{OldServer, Stage, ok};

/// What the server does when it has said its words.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// It hangs up.
    Leaves,
    /// It stays and says nothing more.
    Stays,
    /// It drops the connection with a reset.
    Resets,
    /// It says the same again and again, as long as somebody takes it.
    Repeats,
    /// It says the rest byte by byte.
    Drips,
}

/// What the visitor gets.
#[derive(Clone, Copy, PartialEq)]
enum Gets {
    /// Our page for this cause.
    Page(Cause),
    /// The answer begins and visibly breaks off.
    Cut,
    /// The whole answer: its status and its body.
    Whole(u16, &'static str),
}

struct Case {
    what: &'static str,
    method: &'static str,
    says: String,
    then: Then,
    gets: Gets,
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    use Cause::{FirstByteTimeout, Protocol, Read};
    use Gets::{Cut, Page, Whole};
    use Then::{Drips, Leaves, Repeats, Resets, Stays};
    let by = |method, what, says: String, then, gets| Case { what, method, says, then, gets };
    let raw = |what, says: &str, then, gets| by("GET", what, says.to_owned(), then, gets);
    let row = |what, rest: &str, then, gets| by("GET", what, format!("{OK}{rest}"), then, gets);
    let chunked = |what, rest: &str, then, gets| {
        by("GET", what, format!("{OK}Transfer-Encoding: chunked\r\n\r\n{rest}"), then, gets)
    };
    let long = "x".repeat(70_000);
    let many = "A: b\r\n".repeat(101);
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
    vec![
        // No answer
        raw("nothing, and hangs up", "", Leaves, Page(Read)),
        raw("nothing, and drops the connection", "", Resets, Page(Read)),
        raw("nothing, and stays", "", Stays, Page(FirstByteTimeout)),
        raw("half a status line", "HTTP/1.1 20", Leaves, Page(Read)),
        raw("half a status line, and stays", "HTTP/1.1 20", Stays, Page(FirstByteTimeout)),
        row("half a header", "Content-Le", Leaves, Page(Read)),
        row("a header without an end", "A: b\r\n", Leaves, Page(Read)),
        row("a header without an end, and drops the connection", "A: b\r\n", Resets, Page(Read)),
        raw("its header byte by byte, without an end", &format!("{OK}A: {}", "x".repeat(2_000)), Drips, Page(FirstByteTimeout)),
        raw("an interim answer, and no other", "HTTP/1.1 100 Continue\r\n\r\n", Leaves, Page(Read)),
        // No HTTP
        raw("a mail server's greeting", "220 mail.example ready\r\n", Stays, Page(Protocol)),
        raw("an SSH server's greeting", "SSH-2.0-OpenSSH_9.2\r\n", Stays, Page(Protocol)),
        raw("a page without any header", "<html><body>It works</body></html>\r\n\r\n", Leaves, Page(Protocol)),
        raw("TLS on a plain port", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{46}", Leaves, Page(Protocol)),
        raw("HTTP/2 where HTTP/1 is spoken", "HTTP/2 200 OK\r\n\r\n", Stays, Page(Protocol)),
        raw("a version of HTTP that there is not", "HTTP/1.7 200 OK\r\n\r\n", Stays, Page(Protocol)),
        raw("the radio's HTTP", "ICY 200 OK\r\n\r\n", Stays, Page(Protocol)),
        raw("`http` in small letters", "http/1.1 200 OK\r\n\r\n", Stays, Page(Protocol)),
        raw("an empty line before its answer", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Stays, Page(Protocol)),
        // Statuses
        raw("the status 099", "HTTP/1.1 099 Low\r\n\r\n", Stays, Page(Protocol)),
        raw("the status 600", "HTTP/1.1 600 High\r\n\r\n", Stays, Page(Protocol)),
        raw("the status 20", "HTTP/1.1 20 Short\r\n\r\n", Stays, Page(Protocol)),
        raw("the status 2000", "HTTP/1.1 2000 Long\r\n\r\n", Stays, Page(Protocol)),
        raw("the status -20", "HTTP/1.1 -20 Sign\r\n\r\n", Stays, Page(Protocol)),
        raw("two blanks before the status", "HTTP/1.1  200 OK\r\n\r\n", Stays, Page(Protocol)),
        raw("101, to nobody who asked for another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", Stays, Page(Protocol)),
        // Header lines
        raw("lines that end in a bare LF", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", Stays, Page(Protocol)),
        row("one line that ends in a bare LF", "A: b\nSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n", Stays, Page(Protocol)),
        row("a header that ends in a bare LF", "Content-Length: 1\r\n\nx", Stays, Page(Protocol)),
        row("a bare CR in a value", "A: b\rSet-Cookie: evil=1\r\n\r\n", Stays, Page(Protocol)),
        raw("a bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", Stays, Page(Protocol)),
        row("a folded line", "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", Stays, Page(Protocol)),
        row("a blank before a name", " A: b\r\nContent-Length: 0\r\n\r\n", Stays, Page(Protocol)),
        row("a blank before a colon", "Content-Length : 5\r\n\r\nhello", Stays, Page(Protocol)),
        row("a line without a colon", "Content-Length 5\r\n\r\nhello", Stays, Page(Protocol)),
        row("a line without a name", ": b\r\n\r\n", Stays, Page(Protocol)),
        row("NUL in a value", "A: b\u{0}c\r\n\r\n", Stays, Page(Protocol)),
        row("NUL in a name", "A\u{0}: b\r\n\r\n", Stays, Page(Protocol)),
        row("a control character", "A: b\u{1}c\r\n\r\n", Stays, Page(Protocol)),
        row("a name with an accent", "Conten\u{e9}: b\r\n\r\n", Stays, Page(Protocol)),
        row("a header of 70,000 bytes", &format!("A: {long}\r\n\r\n"), Stays, Page(Protocol)),
        row("a header of 101 lines", &format!("{many}\r\n"), Stays, Page(Protocol)),
        row("a header that never ends", &many, Repeats, Page(Protocol)),
        // Lengths
        row("two different lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Stays, Page(Protocol)),
        row("two lengths in one line", "Content-Length: 5, 6\r\n\r\nhello", Stays, Page(Protocol)),
        row("the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Stays, Whole(200, "hello")),
        row("a length of +5", "Content-Length: +5\r\n\r\nhello", Stays, Page(Protocol)),
        row("a length of -5", "Content-Length: -5\r\n\r\nhello", Stays, Page(Protocol)),
        row("a length of 0x5", "Content-Length: 0x5\r\n\r\nhello", Stays, Page(Protocol)),
        row("an empty length", "Content-Length:\r\n\r\nhello", Stays, Page(Protocol)),
        row("a length beyond all numbers", "Content-Length: 99999999999999999999\r\n\r\nx", Stays, Page(Protocol)),
        row("a length and chunks", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Stays, Whole(200, "hello")),
        row("a body in a coding other than chunked", "Transfer-Encoding: gzip\r\n\r\nx", Leaves, Page(Protocol)),
        row("chunks in a coding", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Stays, Page(Protocol)),
        row("`chunked` twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Stays, Page(Protocol)),
        raw("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Stays, Page(Protocol)),
        raw("HTTP/1.0, its body to the end of the connection", "HTTP/1.0 200 OK\r\n\r\nhello", Leaves, Whole(200, "hello")),
        row("a body without a length, and drops the connection", "\r\nhello", Resets, Cut),
        // Bodies
        row("less than it promised", "Content-Length: 9\r\n\r\nhello", Leaves, Cut),
        row("less than it promised, and drops the connection", "Content-Length: 9\r\n\r\nhello", Resets, Cut),
        row("less than it promised, and stays", "Content-Length: 9\r\n\r\nhello", Stays, Cut),
        row("more than it promised", "Content-Length: 5\r\n\r\nhello and more", Stays, Whole(200, "hello")),
        row("gigabytes where 5 bytes were promised", "Content-Length: 5\r\n\r\nhello", Repeats, Whole(200, "hello")),
        row("a second answer behind its answer", "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Stays, Whole(200, "hello")),
        by("HEAD", "a body to HEAD", format!("{OK}Content-Length: 4\r\n\r\nevil"), Stays, Whole(200, "")),
        by("HEAD", "chunks to HEAD", format!("{OK}Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n"), Stays, Whole(200, "")),
        raw("a body with 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", Stays, Whole(304, "")),
        raw("a body with 204", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", Stays, Whole(204, "")),
        // Chunks
        chunked("a chunk cut short", "9\r\nhello", Leaves, Cut),
        chunked("no last chunk", "5\r\nhello\r\n", Leaves, Cut),
        chunked("no last chunk, and stays", "5\r\nhello\r\n", Stays, Cut),
        chunked("a last chunk without its end", "5\r\nhello\r\n0\r\n", Leaves, Cut),
        chunked("a chunk size that is no number", "zz\r\nhello\r\n0\r\n\r\n", Stays, Page(Protocol)),
        chunked("a chunk size of 0x5", "0x5\r\nhello\r\n0\r\n\r\n", Stays, Page(Protocol)),
        chunked("a chunk size of -5", "-5\r\nhello\r\n0\r\n\r\n", Stays, Page(Protocol)),
        chunked("a chunk size beyond all numbers", "10000000000000005\r\nhello\r\n0\r\n\r\n", Stays, Page(Protocol)),
        chunked("a chunk size that ends in a bare LF", "5\nhello\r\n0\r\n\r\n", Stays, Page(Protocol)),
        chunked("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n", Stays, Cut),
        chunked("a second answer behind its last chunk", "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Stays, Whole(200, "hello")),
        chunked("a cookie behind its body", "5\r\nhello\r\n0\r\nSet-Cookie: evil=1\r\n\r\n", Stays, Whole(200, "hello")),
        chunked("a bare LF in what stands behind its body", "1\r\nx\r\n0\r\nA: b\nC: d\r\n\r\n", Stays, Cut),
        // Interim answers
        by("GET", "a hundred interim answers", format!("{}{OK}Content-Length: 5\r\n\r\nhello", interim.repeat(100)), Stays, Page(Protocol)),
        by("GET", "interim answers without end", interim.to_owned(), Repeats, Page(Protocol)),
        by("GET", "a few interim answers", format!("{}{OK}Content-Length: 5\r\n\r\nhello", interim.repeat(3)), Stays, Whole(200, "hello")),
        raw("a bare LF in an interim answer", "HTTP/1.1 103 Early\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Stays, Page(Protocol)),
        // Falls silent
        row("a header, and then nothing", "Content-Length: 5\r\n\r\n", Stays, Cut),
        chunked("a chunk's size, and then nothing", "5\r\n", Stays, Cut),
    ]
}

/// Latin-1, so that a case may hold any byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| character as u8).collect()
}

fn behind(cases: Vec<Case>) -> OldServer {
    OldServer::playing(move |connection| {
        while let Some(asked) = connection.head() {
            let target = asked.line.split(' ').nth(1).unwrap_or("").to_owned();
            let Some(case) = target.strip_prefix("/case/") else {
                connection.write(&ok(&target));
                continue;
            };
            let case = &cases[case.parse::<usize>().expect("the number of a case")];
            let said = bytes(&case.says);
            match case.then {
                Then::Drips => {
                    // One byte at a time, each as soon as the one before has gone.
                    for byte in said {
                        connection.write(&[byte]);
                        thread::yield_now();
                    }
                }
                Then::Repeats => while connection.stream.get_mut().write_all(&said).is_ok() {},
                Then::Leaves | Then::Stays | Then::Resets => connection.write(&said),
            }
            // Whoever stays answers the next request on this connection too, if he is asked.
            match case.then {
                Then::Stays | Then::Drips => {}
                Then::Resets => return connection.reset(),
                Then::Leaves | Then::Repeats => return,
            }
        }
    })
}

/// Longer than any clock of the backend below, by far.
const LONG: Duration = Duration::from_secs(10);

#[test]
fn a_bad_answer_is_a_page_or_visibly_cut_and_nobody_elses() {
    let server = behind(cases());
    let stage = Stage::with(
        "route \"/\" { .backend = old; }",
        &server.declared_with("old", ".first_byte_timeout = 500ms; .between_bytes_timeout = 300ms;"),
    );
    let mut other = stage.visitor();
    for (number, case) in cases().into_iter().enumerate() {
        let begun = Instant::now();
        let what = case.what;
        let mut visitor = stage.visitor();
        let reply = visitor.ask(&format!(
            "{} /case/{number} HTTP/1.1\r\nHost: www.test\r\nAccept: application/json\r\n\r\n",
            case.method
        ));
        match case.gets {
            Gets::Page(cause) => {
                assert_eq!(reply.status, cause.status(), "{what}: {}", reply.text());
                let told = format!("\"{}\"", cause.name());
                assert!(reply.complete && reply.text().contains(&told), "{what}: {}", reply.text());
            }
            Gets::Cut => assert!(reply.status == 200 && !reply.complete, "{what}: {reply:?}"),
            Gets::Whole(status, body) => {
                assert_eq!((reply.status, reply.text().as_str()), (status, body), "{what}");
                assert!(reply.complete, "{what}");
            }
        }
        assert!(reply.header("set-cookie").is_none() && reply.trailers.is_empty(), "{what}: {reply:?}");
        let mine = format!("/mine/{number}");
        let reply = other.get(&mine);
        assert_eq!((reply.status, reply.text()), (200, mine), "after {what}");
        assert!(begun.elapsed() < LONG, "{what} took {:?}", begun.elapsed());
    }
}

#[test]
fn the_page_of_broken_answers_is_what_was_tried() {
    let mut table = String::from("| what the server says | what the visitor gets |\n|---|---|\n");
    let cases = cases();
    assert!(cases.len() >= 60);
    for case in &cases {
        let gets = match case.gets {
            Gets::Page(cause) => format!("our page: `{}`", cause.name()),
            Gets::Cut => "the answer as far as it came, visibly broken off".to_owned(),
            Gets::Whole(status, "") => format!("the answer ({status}), without a body"),
            Gets::Whole(status, _) => format!("the answer ({status}), as it says itself"),
        };
        writeln!(table, "| {} | {gets} |", case.what).expect("a String takes everything");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/broken-answers.md");
    let page = fs::read_to_string(&path).expect("docs/broken-answers.md");
    let (before, rest) = page.split_once("<!-- table -->\n").expect("the mark before the table");
    let (_, after) = rest.split_once("<!-- end -->").expect("the mark behind the table");
    let expected = format!("{before}<!-- table -->\n{table}<!-- end -->{after}");
    if page != expected && env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).expect("docs/broken-answers.md can be written");
    } else {
        assert!(page == expected, "write it anew with: UPDATE=1 cargo test --test house broken");
    }
}
