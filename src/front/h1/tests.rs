//! The driver over a pipe, with a door that does what the test says and a clock that jumps.

pub mod pieces;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body as _, Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::base::address::Peer;
use crate::base::clock;
use crate::front::closing::Closing;

impl Stream for DuplexStream {}

/// What the door does with a request.
#[derive(Clone, Copy)]
enum Part {
    Say(&'static str),
    /// Reads the body first, and says it.
    Echo,
    /// Reads the body, and says what went wrong with it.
    Blame,
    /// Never answers.
    Think,
    /// Answers after so many seconds.
    After(u64),
    /// Begins a body and never goes on.
    Pause,
    /// Breaks off in the middle of a body.
    Break,
}

#[derive(Default)]
struct FakeDoor {
    parts: RefCell<VecDeque<Part>>,
    seen: RefCell<Vec<String>>,
    gone: Rc<std::cell::Cell<u32>>,
}

/// Notices that a visit was dropped before its end.
struct Noticing(Rc<std::cell::Cell<u32>>, bool);

impl Drop for Noticing {
    fn drop(&mut self) {
        if !self.1 {
            self.0.set(self.0.get() + 1);
        }
    }
}

struct Pieces {
    data: Option<Bytes>,
    fault: Option<Fault>,
    _noticing: Noticing,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        self.fault.take().map_or(Poll::Pending, |fault| Poll::Ready(Some(Err(fault))))
    }
}

async fn all(mut body: Body) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        bytes.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
    }
    Ok(bytes)
}

impl Door for FakeDoor {
    async fn visit(self: Rc<Self>, _: &Rc<Street>, arrival: Arrival) -> Departure {
        let Arrival { head, body, .. } = arrival;
        let head = match head {
            Ok(head) => head,
            Err(fault) => {
                self.seen.borrow_mut().push(fault.cause.name().to_owned());
                let mut response = Response::new(Body::full("refused"));
                *response.status_mut() = StatusCode::from_u16(fault.cause.status()).unwrap();
                return Departure { response, tunnel: None, close: true };
            }
        };
        self.seen.borrow_mut().push(String::from_utf8_lossy(&head.target).into_owned());
        let part = self.parts.borrow_mut().pop_front().unwrap_or(Part::Say("hello"));
        let mut noticing = Noticing(Rc::clone(&self.gone), false);
        let pieces = |fault: Option<Fault>| Pieces {
            data: Some(Bytes::from_static(b"begin")),
            _noticing: Noticing(Rc::clone(&self.gone), fault.is_some()),
            fault,
        };
        let answer = match part {
            Part::Say(text) => Body::full(text),
            Part::Echo => Body::full(all(body).await.unwrap()),
            Part::Blame => Body::full(all(body).await.unwrap_err().cause.name()),
            Part::Think => std::future::pending().await,
            Part::After(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Body::full("late")
            }
            Part::Pause => Body::stream(pieces(None)),
            Part::Break => Body::stream(pieces(Some(Fault::with(Cause::Read, "it broke")))),
        };
        noticing.1 = true;
        Departure::answer(Response::new(answer))
    }
}

struct Try {
    visitor: DuplexStream,
    door: Rc<FakeDoor>,
    closing: Closing,
}

impl Try {
    fn with(parts: impl IntoIterator<Item = Part>) -> Self {
        Self::bounded(parts, Bounds::default())
    }

    fn bounded(parts: impl IntoIterator<Item = Part>, bounds: Bounds) -> Self {
        let (visitor, io) = duplex(64 << 10);
        let door =
            Rc::new(FakeDoor { parts: RefCell::new(parts.into_iter().collect()), ..FakeDoor::default() });
        let closing = Closing::default();
        let street =
            Rc::new(Street { peer: Peer::unknown(), trusted: false, local: Street::UNKNOWN, secure: None });
        spawn_local(serve(io, BytesMut::new(), street, Rc::clone(&door), Arc::new(bounds), closing.ear()));
        Self { visitor, door, closing }
    }

    async fn send(&mut self, bytes: &str) {
        self.visitor.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// An answer up to and with this.
    async fn hear(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push(char::from(
                self.visitor.read_u8().await.unwrap_or_else(|_| panic!("ends with {text:?}")),
            ));
        }
        text
    }

    /// All that comes before the house hangs up.
    async fn rest(&mut self) -> String {
        let mut text = String::new();
        self.visitor.read_to_string(&mut text).await.unwrap();
        text
    }

    fn seen(&self) -> Vec<String> {
        self.door.seen.borrow().clone()
    }
}

/// Runs a test where `spawn_local` works and time stands still unless somebody waits for it.
macro_rules! on_stage {
    ($($(#[$doc:meta])* async fn $name:ident() $body:block)*) => { $(
        $(#[$doc])*
        #[tokio::test(start_paused = true)]
        async fn $name() {
            LocalSet::new().run_until(async $body).await;
        }
    )* };
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

on_stage! {
    async fn a_connection_rests_as_long_as_it_may() {
        let start = clock::now();
        let mut at = Try::with([]);
        assert_eq!(at.rest().await, "");
        assert_eq!(start.elapsed(), Bounds::default().idle_timeout);
        // And again after an answer; nothing of it is a visit.
        let mut at = Try::with([]);
        at.send(GET).await;
        at.hear("hello").await;
        let start = clock::now();
        assert_eq!(at.rest().await, "");
        assert_eq!(start.elapsed(), Bounds::default().idle_timeout);
        assert_eq!(at.seen(), ["/a"]);
    }

    async fn a_head_has_its_time_from_first_byte_to_last() {
        let mut at = Try::with([]);
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = clock::now();
        at.send("G").await;
        for byte in "ET /slow HTTP/1.1\r\nHo".chars() {
            tokio::time::sleep(Duration::from_millis(400)).await;
            at.send(&byte.to_string()).await;
        }
        let text = at.rest().await;
        assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("connection: close"), "{text}");
        assert_eq!(start.elapsed().as_secs(), Bounds::default().head_timeout.as_secs());
        assert_eq!(at.seen(), ["head_timeout"]);
    }

    async fn a_body_that_stops_is_not_waited_for_long() {
        for framing in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"] {
            let mut at = Try::with([Part::Blame]);
            let start = clock::now();
            at.send(&format!("POST /a HTTP/1.1\r\nHost: a\r\n{framing}")).await;
            assert!(at.hear("body_timeout").await.contains("connection: close"));
            assert_eq!(start.elapsed(), Bounds::default().body_timeout);
            assert_eq!(at.rest().await, "");
        }
    }

    async fn a_body_that_goes_on_slowly_is_taken() {
        let mut at = Try::with([Part::Echo]);
        at.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n").await;
        for byte in ["a", "b", "c", "d"] {
            tokio::time::sleep(Bounds::default().body_timeout.mul_f64(0.9)).await;
            at.send(byte).await;
        }
        at.hear("\r\n\r\nabcd").await;
    }

    async fn bad_chunks_reach_the_door_as_a_fault() {
        let mut at = Try::with([Part::Blame]);
        at.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n").await;
        assert!(at.hear("framing").await.contains("connection: close"));
        assert_eq!(at.rest().await, "");
        assert_eq!(at.seen(), ["/a"]);
    }

    async fn a_visitor_who_closed_its_side_has_a_moment() {
        let mut at = Try::with([Part::After(4)]);
        at.send(GET).await;
        at.visitor.shutdown().await.unwrap();
        assert!(at.rest().await.ends_with("late"));
        for part in [Part::Think, Part::After(6)] {
            let mut at = Try::with([part]);
            let start = clock::now();
            at.send(GET).await;
            at.visitor.shutdown().await.unwrap();
            assert_eq!(at.rest().await, "");
            assert_eq!((start.elapsed().as_secs(), at.door.gone.get()), (5, 1));
        }
    }

    async fn a_pausing_answer_is_not_kept_for_nobody() {
        let mut at = Try::with([Part::Pause]);
        at.send(GET).await;
        at.hear("begin\r\n").await;
        // As long as the visitor is there, the answer may pause.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(at.door.gone.get(), 0);
        let start = clock::now();
        at.visitor.shutdown().await.unwrap();
        assert_eq!(at.rest().await, "");
        assert_eq!((start.elapsed().as_secs(), at.door.gone.get()), (5, 1));
    }

    async fn what_breaks_has_no_end() {
        let mut at = Try::with([Part::Break]);
        at.send(GET).await;
        let text = at.rest().await;
        assert!(text.contains("chunked") && text.ends_with("\r\n\r\n5\r\nbegin\r\n"), "{text}");
        let mut at = Try::with([Part::Break]);
        at.send("GET /a HTTP/1.0\r\nHost: a\r\n\r\n").await;
        assert!(at.rest().await.ends_with("\r\n\r\nbegin"));
    }

    async fn an_unwanted_body_is_read_away_while_it_is_small() {
        let mut at = Try::with([Part::Say("no"), Part::Say("yes")]);
        at.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET").await;
        assert!(!at.hear("no").await.contains("connection"));
        at.send(" /").await;
        at.send(GET).await;
        at.hear("yes").await;
        assert_eq!(at.seen(), ["/a", "/a"]);
    }

    async fn an_unwanted_body_that_is_large_ends_the_connection() {
        let mut at = Try::with([Part::Say("no")]);
        at.send(&format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", DRAIN_MAX + 1)).await;
        assert!(at.hear("no").await.contains("connection: close"));
        // Goodbye is said at once, but what still comes is read, so that nothing resets the answer.
        assert_eq!(at.rest().await, "");
        at.send(&"x".repeat(200_000)).await;
        assert_eq!(at.seen(), ["/a"]);
    }

    async fn an_unwanted_body_that_never_comes_is_not_waited_for() {
        let mut at = Try::with([Part::Say("no")]);
        let start = clock::now();
        at.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").await;
        at.hear("no").await;
        assert_eq!(at.rest().await, "");
        assert_eq!(start.elapsed(), Bounds::default().linger_timeout);
    }

    async fn nobody_lingers_for_ever() {
        let mut at = Try::with([]);
        at.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(at.rest().await.ends_with("hello"));
        let start = clock::now();
        // The house reads on until it has had enough, and what comes then finds nobody.
        while at.visitor.write_all(&[b'x'; 1_000]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let waited = start.elapsed();
        assert!(waited <= Bounds::default().linger_timeout + Duration::from_millis(200), "{waited:?}");
        assert!(waited >= Bounds::default().linger_timeout, "{waited:?}");
    }

    async fn who_takes_nothing_is_given_up() {
        let large = &*Box::leak("x".repeat(1 << 20).into_boxed_str());
        let mut at = Try::with([Part::Say(large)]);
        let start = clock::now();
        at.send(GET).await;
        tokio::time::sleep(Bounds::default().body_timeout * 2).await;
        assert!(at.rest().await.len() < large.len());
        assert_eq!(start.elapsed(), Bounds::default().body_timeout * 2);
    }

    async fn who_takes_slowly_is_served() {
        let large = &*Box::leak("x".repeat(1 << 20).into_boxed_str());
        let mut at = Try::with([Part::Say(large)]);
        at.send(GET).await;
        at.hear("\r\n\r\n").await;
        let mut room = vec![0; 64 << 10];
        let mut got = 0;
        while got < large.len() {
            tokio::time::sleep(Bounds::default().body_timeout.mul_f64(0.9)).await;
            got += at.visitor.read(&mut room).await.unwrap();
        }
        assert_eq!(got, large.len());
    }

    async fn the_house_closes_between_requests_and_behind_the_last() {
        let mut resting = Try::with([]);
        resting.send(GET).await;
        resting.hear("hello").await;
        resting.closing.begin();
        assert_eq!(resting.rest().await, "");

        let mut busy = Try::with([Part::After(2)]);
        busy.send(GET).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        busy.closing.begin();
        let text = busy.rest().await;
        assert!(text.contains("connection: close") && text.ends_with("late"), "{text}");

        // A head that has begun is still read.
        let mut begun = Try::with([]);
        begun.send("GET /a HT").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        begun.closing.begin();
        begun.send("TP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(begun.rest().await.contains("connection: close"));
    }

    async fn however_it_is_cut_it_is_the_same() {
        let text = format!(
            "{GET}POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n{}",
            "GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        );
        let mut whole = None;
        for size in [1, 2, 3, 7, 50, text.len()] {
            let mut at = Try::with([Part::Say("one"), Part::Echo, Part::Say("three")]);
            for piece in text.as_bytes().chunks(size) {
                at.visitor.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            let heard = at.rest().await;
            assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 3, "in pieces of {size}: {heard}");
            let heard: Vec<String> = heard.lines().filter(|line| !line.starts_with("date")).map(str::to_owned).collect();
            assert_eq!(*whole.get_or_insert_with(|| heard.clone()), heard, "in pieces of {size}");
            assert_eq!(at.seen(), ["/a", "/b", "/c"]);
        }
    }

    async fn what_cannot_be_read_is_answered_once() {
        for (text, seen) in [
            ("nonsense\r\n\r\n", "malformed"),
            ("GET /a HTTP/9.9\r\n\r\n", "version"),
            ("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "framing"),
        ] {
            let mut at = Try::with([]);
            at.send(&format!("{text}{GET}")).await;
            let heard = at.rest().await;
            assert_eq!((heard.matches("HTTP/1.1 ").count(), heard.matches("connection: close").count()), (1, 1), "{heard}");
            assert_eq!(at.seen(), [seen]);
        }
        // A visitor who ends in the middle of a head is answered too; one who ends between two is not.
        let mut at = Try::with([]);
        at.send("GET /a HT").await;
        at.visitor.shutdown().await.unwrap();
        assert!(at.rest().await.starts_with("HTTP/1.1 400 "));
        let mut at = Try::with([]);
        at.send("\r\n").await;
        at.visitor.shutdown().await.unwrap();
        assert_eq!(at.rest().await, "");
        assert!(at.seen().is_empty());
    }
}
