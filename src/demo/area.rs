//! The static old server: the front page of the demo, a download area with a file far larger than memory
//! should hold, a WebSocket echo with a page that talks to it, and a stream of events.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior};

use super::page::{Asked, Face, not_allowed, not_found, page, plain, say_length, see_other, without_body};
use super::websocket;
use crate::base::clock;
use crate::base::fault::Fault;
use crate::message::{Arrival, Body, Departure, Door, Street};

const BIG_BYTES: u64 = 1 << 30;
const BIG_ETAG: &str = "\"numbers-1\"";
const BIG_DATE: &str = "Tue, 01 Mar 2005 12:00:00 GMT";
/// Each line of the large file is as long as this and begins with its own place in it.
const LINE: &[u8; 64] = b"0000000000 bytes came before this line; the rest of it is dummy\n";
const LINE_BYTES: usize = LINE.len();
const PIECE_LINES: usize = 1024;

const FACE: Face = Face {
    name: "Old Files",
    home: "/download/",
    bar: &[("/download/", "Downloads"), ("/talk", "WebSocket"), ("/events", "Events"), ("/", "All services")],
};

const FRONT_PAGE: &str = "<p>Several old servers, one name, one certificate. None of them knows https.</p>\n\
<table><tr><th>Address</th><th>What is behind it</th></tr>\n\
<tr><td><a href=\"/tracker/\">/tracker/</a></td><td>a tracker: tickets and a form that posts</td></tr>\n\
<tr><td><a href=\"/wiki/\">/wiki/</a></td><td>a wiki: pages that link and can be edited</td></tr>\n\
<tr><td><a href=\"/download/\">/download/</a></td><td>a download area: a file of 1 GiB, in parts if you ask for parts</td></tr>\n\
<tr><td><a href=\"/talk\">/talk</a></td><td>a page that talks over a WebSocket</td></tr>\n\
<tr><td><a href=\"/events\">/events</a></td><td>server-sent events: one a second, until you leave</td></tr>\n\
<tr><td><a href=\"/down/\">/down/</a></td><td>a server that is down: what visitors are told then</td></tr>\n\
<tr><td><a href=\"/half/\">/half/</a></td><td>the same one beside one that is well: nobody notices</td></tr></table>";

const DOWNLOADS: &str = "<table><tr><th>Name</th><th>Size</th><th>Last modified</th></tr>\n\
<tr><td><a href=\"/download/numbers.txt\">numbers.txt</a></td><td>1 GiB</td><td>2005-03-01</td></tr></table>\n\
<p>Each line of it begins with its own place, so a part can be checked: \
<code>curl -r 640-703 &hellip;/download/numbers.txt</code></p>";

const TALK: &str = "<form id=\"say\"><input id=\"words\" size=\"50\" placeholder=\"say something\"> \
<input type=\"submit\" value=\"Send\"></form>\n<pre id=\"heard\">connecting\n</pre>\n\
<script>\n\
var heard = document.getElementById('heard'), words = document.getElementById('words');\n\
function note(text) { heard.textContent += text + '\\n'; }\n\
var socket = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/echo');\n\
socket.onopen = function () { note('connected'); socket.send('hello'); };\n\
socket.onmessage = function (message) { note('heard: ' + message.data); };\n\
socket.onclose = function (close) { note('closed with ' + close.code); };\n\
document.getElementById('say').onsubmit = function () { socket.send(words.value); words.value = ''; return false; };\n\
</script>\n<noscript><p>This page needs a script: the WebSocket is at /echo.</p></noscript>";

pub(super) struct Area;

impl Door for Area {
    async fn visit(self: Rc<Self>, _street: &Rc<Street>, arrival: Arrival) -> Departure {
        let asked = match Asked::of(arrival) {
            Ok(asked) => asked,
            Err(departure) => return departure,
        };
        if asked.path == "/echo" {
            return websocket::upgrade(&asked);
        }
        if asked.method != Method::GET && asked.method != Method::HEAD {
            return not_allowed("GET, HEAD");
        }
        let departure = match asked.path.as_str() {
            "/" => page(&FACE, &asked, StatusCode::OK, "All services", FRONT_PAGE),
            "/download" => see_other("/download/"),
            "/download/" => page(&FACE, &asked, StatusCode::OK, "Downloads", DOWNLOADS),
            "/download/numbers.txt" => numbers(&asked),
            "/talk" => page(&FACE, &asked, StatusCode::OK, "A WebSocket", TALK),
            "/events" => events(),
            _ => not_found(&FACE, &asked),
        };
        if asked.method == Method::HEAD { without_body(departure) } else { departure }
    }
}

/// What part of the file a Range header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first byte to before the second.
    Of(u64, u64),
    /// Nothing of it is in the file.
    None,
}

/// One range is answered; several, or what is no range, get the whole file, as RFC 9110 allows.
fn part(range: Option<&str>, length: u64) -> Part {
    let Some(range) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    let number = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    match (first, last) {
        ("", last) => match number(last) {
            Some(0) => Part::None,
            Some(most) => Part::Of(length.saturating_sub(most), length),
            None => Part::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if last < first => Part::Whole,
            (Some(first), _) if first >= length => Part::None,
            (Some(first), Some(last)) => Part::Of(first, last.saturating_add(1).min(length)),
            (Some(first), None) if last.is_empty() => Part::Of(first, length),
            _ => Part::Whole,
        },
    }
}

fn numbers(asked: &Asked) -> Departure {
    // A part of another version would not fit: then the whole file is the answer.
    let same = asked.header(IF_RANGE.as_str()).is_none_or(|mark| mark == BIG_ETAG || mark == BIG_DATE);
    // HTTP defines ranges for GET alone.
    let ranged = same && asked.method == Method::GET;
    let range = if ranged { asked.header(RANGE.as_str()) } else { None };
    let (status, from, to) = match part(range, BIG_BYTES) {
        Part::Whole => (StatusCode::OK, 0, BIG_BYTES),
        Part::Of(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Part::None => {
            let mut departure =
                plain(StatusCode::RANGE_NOT_SATISFIABLE, "The file ends before this part begins.");
            say_range(&mut departure, &format!("bytes */{BIG_BYTES}"));
            return departure;
        }
    };
    let mut response = Response::new(Body::stream(Numbers { at: from, end: to }));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, HeaderValue::from_static(BIG_ETAG));
    headers.insert(LAST_MODIFIED, HeaderValue::from_static(BIG_DATE));
    let mut departure = Departure::answer(response);
    if status == StatusCode::PARTIAL_CONTENT {
        say_range(&mut departure, &format!("bytes {from}-{}/{BIG_BYTES}", to - 1));
    }
    say_length(&mut departure);
    departure
}

fn say_range(departure: &mut Departure, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        departure.response.headers_mut().insert(CONTENT_RANGE, value);
    }
}

/// The large file, made as it is read: it is never anywhere.
struct Numbers {
    at: u64,
    end: u64,
}

impl HttpBody for Numbers {
    type Data = Bytes;
    type Error = Fault;

    #[allow(clippy::cast_possible_truncation)] // the remainder of a division by 64, and less than a piece
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.at >= self.end {
            return Poll::Ready(None);
        }
        let into_line = (self.at % LINE_BYTES as u64) as usize;
        let mut line_at = self.at - into_line as u64;
        let mut piece = BytesMut::with_capacity(PIECE_LINES * LINE_BYTES);
        for _ in 0..PIECE_LINES {
            let mut line = *LINE;
            let mut rest = line_at;
            for place in line.iter_mut().take(10).rev() {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            piece.extend_from_slice(&line);
            line_at += LINE_BYTES as u64;
            if line_at >= self.end {
                break;
            }
        }
        let mut piece = piece.freeze().slice(into_line..);
        piece.truncate(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        self.at += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.at))
    }
}

fn events() -> Departure {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut response = Response::new(Body::stream(Ticker { interval, number: 0 }));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Departure::answer(response)
}

/// One event a second, until the visitor leaves and the stream is dropped.
struct Ticker {
    interval: Interval,
    number: u64,
}

impl HttpBody for Ticker {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        ready!(self.interval.poll_tick(cx));
        self.number += 1;
        let event = format!("id: {}\ndata: it is {}\n\n", self.number, clock::wall());
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::super::page::tests::{arrival, ask, header, street, text};
    use super::*;

    async fn get(target: &str, headers: &[(&'static str, &str)]) -> Departure {
        Rc::new(Area).visit(&street(), arrival("GET", target, headers, "")).await
    }

    #[test]
    fn ranges_mean_what_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-0", Part::Of(0, 1)),
            ("bytes=10-", Part::Of(10, 100)),
            ("bytes=-10", Part::Of(90, 100)),
            ("bytes=-1000", Part::Of(0, 100)),
            ("bytes=90-1000", Part::Of(90, 100)),
            ("bytes=5-18446744073709551615", Part::Of(5, 100)),
            ("bytes=100-", Part::None),
            ("bytes=100-200", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=9-1", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("bytes=99999999999999999999-", Part::Whole),
        ] {
            assert_eq!(part(Some(range), 100), expected, "{range}");
        }
        assert_eq!(part(None, 100), Part::Whole);
    }

    #[tokio::test]
    async fn a_part_of_the_large_file_is_that_part() {
        let departure = get("/download/numbers.txt", &[("range", "bytes=640-703")]).await;
        assert_eq!(departure.response.status(), 206);
        assert_eq!(header(&departure, "content-range"), "bytes 640-703/1073741824");
        assert_eq!(header(&departure, "content-length"), "64");
        assert!(text(departure).await.starts_with("0000000640 bytes came before"));

        // Across pieces, and unaligned at both ends: the same as cut out of a longer part.
        let whole = text(get("/download/numbers.txt", &[("range", "bytes=0-199999")]).await).await;
        let cut = text(get("/download/numbers.txt", &[("range", "bytes=65-131100")]).await).await;
        assert_eq!(cut, whole[65..=131_100]);

        let past = get("/download/numbers.txt", &[("range", "bytes=2000000000-")]).await;
        assert_eq!(
            (past.response.status().as_u16(), header(&past, "content-range")),
            (416, "bytes */1073741824")
        );
        let other = get("/download/numbers.txt", &[("range", "bytes=0-1"), ("if-range", "\"old\"")]).await;
        assert_eq!((other.response.status().as_u16(), header(&other, "content-length")), (200, "1073741824"));
    }

    #[tokio::test]
    async fn the_large_file_comes_in_small_pieces() {
        let mut body = get("/download/numbers.txt", &[]).await.response.into_body();
        let mut seen = 0;
        for _ in 0..100 {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
            let piece = frame.into_data().unwrap();
            assert!(piece.len() <= 64 << 10);
            assert!(piece.starts_with(format!("{seen:010} ").as_bytes()));
            seen += piece.len();
        }
        assert_eq!(body.length(), Some(BIG_BYTES - seen as u64));
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_once_a_second() {
        let departure = get("/events", &[]).await;
        assert_eq!(header(&departure, "content-type"), "text/event-stream");
        let begun = clock::now();
        let mut body = departure.response.into_body();
        for number in 1..=3 {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
            let event = frame.into_data().unwrap();
            assert!(event.starts_with(format!("id: {number}\ndata: it is 2").as_bytes()), "{event:?}");
        }
        assert_eq!(clock::now() - begun, Duration::from_secs(2));
    }

    #[tokio::test]
    async fn every_page_is_there_and_nothing_else() {
        let area = Rc::new(Area);
        for target in ["/", "/download/", "/talk"] {
            assert_eq!(ask(&area, "GET", target, "").await.response.status(), 200, "{target}");
        }
        assert_eq!(ask(&area, "GET", "/nowhere", "").await.response.status(), 404);
        assert_eq!(ask(&area, "POST", "/", "x").await.response.status(), 405);
        assert_eq!(header(&ask(&area, "GET", "/download", "").await, "location"), "/download/");
        let head = ask(&area, "HEAD", "/download/numbers.txt", "").await;
        assert_eq!(header(&head, "content-length"), "1073741824");
        assert!(text(head).await.is_empty());
    }
}
