//! HTTP/1 at the street door, ours: strict in what it takes, complete in what it answers.
//!
//! A connection is one task: wait for a head, let the door answer it, write the answer, make sure the body
//! that came with it is out of the way, again. Bodies stream in both directions at the same time. Called by
//! `front`; the grammar is in `parse` and `chunked`, which do no IO. A connection that rests holds no
//! buffer. What goes wrong is answered as a page and recorded by the door, or, when an answer has begun,
//! ends the connection so that nobody takes a part for the whole.

pub mod answer;
pub mod chunked;
pub mod parse;
pub mod wire;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use http::Version;

use self::answer::{Ending, Manner};
use self::parse::{Framing, Parsed};
use self::wire::{Line, Stream};
use super::closing::Ear;
use super::deadline::Deadline;
use super::tunnel;
use crate::base::bound::Bounds;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::{Arrival, Body, Departure, Door, Hints, Pace, Street, Tunnel};

/// What is read of an unwanted body before the connection is closed instead.
const DRAIN_MAX: u64 = 256 << 10;
/// How long a connection that rested lingers: it owes no answer but one that may still be on its way, and a
/// house that closes should not wait for clients who never look at connections they keep.
const REST_LINGER: Duration = Duration::from_secs(1);

enum Next {
    Head(Box<Parsed>),
    Fault(Fault),
    Closed,
}

/// How a request ended.
enum After {
    Again,
    /// Say goodbye, read on a little, close.
    Close,
    /// The answer is incomplete: close at once, so that it shows.
    Abort,
    Tunnelled,
}

/// The whole life of one HTTP/1 connection. `inbound` is what was read of it before.
pub async fn serve<I, D>(
    io: I,
    inbound: BytesMut,
    street: Rc<Street>,
    door: Rc<D>,
    bounds: Arc<Bounds>,
    ear: Ear,
) where
    I: Stream + 'static,
    D: Door,
{
    let mut connection = Connection::new(io, inbound, street, door, bounds, ear);
    loop {
        let after = match connection.next_head().await {
            // In boxes of their own, so that a connection at rest is not as large as a visit.
            Next::Head(parsed) => Box::pin(connection.request(parsed)).await,
            Next::Fault(fault) => Box::pin(connection.refuse(fault)).await,
            Next::Closed => {
                return connection.line.linger(connection.bounds.linger_timeout.min(REST_LINGER)).await;
            }
        };
        if !matches!(after, After::Again) {
            connection.line.wire().end_turn();
        }
        match after {
            After::Again => {}
            After::Close => return connection.line.linger(connection.bounds.linger_timeout).await,
            After::Abort | After::Tunnelled => return,
        }
    }
}

/// A connection on which nothing can be read that makes sense: says so, once.
pub async fn refuse<I, D>(io: I, fault: Fault, street: Rc<Street>, door: Rc<D>, bounds: Arc<Bounds>, ear: Ear)
where
    I: Stream + 'static,
    D: Door,
{
    let mut connection = Connection::new(io, BytesMut::new(), street, door, bounds, ear);
    if let After::Close = connection.refuse(fault).await {
        connection.line.linger(connection.bounds.linger_timeout).await;
    }
}

struct Connection<I, D> {
    line: Line<I>,
    street: Rc<Street>,
    door: Rc<D>,
    bounds: Arc<Bounds>,
    ear: Ear,
    deadline: Deadline,
    hints: Hints,
    pace: Pace,
}

impl<I, D> Connection<I, D>
where
    I: Stream + 'static,
    D: Door,
{
    fn new(io: I, inbound: BytesMut, street: Rc<Street>, door: Rc<D>, bounds: Arc<Bounds>, ear: Ear) -> Self {
        let line = Line::new(io, inbound);
        let pace = Pace::new(bounds.body_timeout);
        Self { line, street, door, bounds, ear, deadline: Deadline::default(), hints: Hints::default(), pace }
    }

    /// Waits for a request head: as long as the connection may rest for its first byte, and the head's
    /// own time from there to its last.
    async fn next_head(&mut self) -> Next {
        let mut reader = parse::Reader::new();
        let mut started = false;
        self.deadline.set(self.bounds.idle_timeout);
        loop {
            if let Some(next) = self.try_head(&mut reader) {
                return next;
            }
            if !started && !self.line.wire().inbound.is_empty() {
                started = true;
                self.deadline.set(self.bounds.head_timeout);
            }
            let (line, deadline, ear) = (&self.line, &mut self.deadline, &mut self.ear);
            let read = poll_fn(|cx| {
                let mut wire = line.wire();
                match wire.poll_fill_head(cx) {
                    Poll::Ready(read) => Poll::Ready(Some(read)),
                    Poll::Pending if !started && ear.poll_shut(cx).is_ready() => Poll::Ready(None),
                    Poll::Pending => deadline.poll(cx).map(|()| None),
                }
            });
            match read.await {
                Some(Ok(_)) => {}
                None if started => {
                    return Next::Fault(Fault::with(
                        Cause::HeadTimeout,
                        "the request head did not arrive in time",
                    ));
                }
                Some(Err(_)) | None => return Next::Closed,
            }
        }
    }

    /// What the bytes that are there make; `None` while they could become a head yet.
    fn try_head(&self, reader: &mut parse::Reader) -> Option<Next> {
        let mut wire = self.line.wire();
        if !wire.inbound.is_empty() {
            match reader.head(&mut wire.inbound, &self.bounds) {
                Ok(Some(parsed)) => return Some(Next::Head(Box::new(parsed))),
                Ok(None) => {}
                Err(fault) => return Some(Next::Fault(fault)),
            }
        }
        if !wire.eof {
            return None;
        }
        if wire.inbound.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return Some(Next::Closed);
        }
        Some(Next::Fault(Fault::with(Cause::Malformed, "the visitor left in the middle of a request head")))
    }

    /// A request that could not be read: answered and recorded like all others, then the end, because
    /// nobody knows where the next one would begin.
    async fn refuse(&mut self, fault: Fault) -> After {
        self.pace.set(self.bounds.body_timeout);
        let arrival = Arrival { head: Err(fault), body: Body::Empty, hints: None, pace: self.pace.clone() };
        let departure = Rc::clone(&self.door).visit(&self.street, arrival).await;
        let manner = Manner { version: Version::HTTP_11, head_only: false, keep_alive: false };
        match self.write(departure.response, manner).await {
            Ending::Complete => After::Close,
            Ending::Broken | Ending::BrokenUnseen => After::Abort,
        }
    }

    async fn request(&mut self, parsed: Box<Parsed>) -> After {
        let Parsed { head, framing, keep_alive, expects_continue } = *parsed;
        let manner = Manner {
            version: head.version,
            head_only: head.method == http::Method::HEAD,
            keep_alive: keep_alive && !self.ear.begun(),
        };
        // Nothing of the last request's route holds for this one.
        self.pace.set(self.bounds.body_timeout);
        let body = match framing {
            Framing::None | Framing::Length(0) => {
                self.line.wire().begin_upload(&framing, &self.bounds);
                Body::Empty
            }
            Framing::Length(_) | Framing::Chunked => {
                Body::stream(self.line.upload(&framing, &self.bounds, self.pace.clone()))
            }
        };
        let takes_hints = head.version == Version::HTTP_11;
        if takes_hints {
            self.hints.clear();
        }
        let hints = takes_hints.then(|| self.hints.clone());
        let arrival = Arrival { head: Ok(head), body, hints, pace: self.pace.clone() };
        let mut continued = !expects_continue;
        let Some(departure) = self.answered(arrival, &mut continued).await else { return After::Abort };
        let Departure { response, tunnel, close } = departure;
        if let Some(far) = tunnel {
            return self.tunnel(response, far).await;
        }
        // A body that may still come in full is read away; one that is too long or broken, or that the
        // visitor was never told to send, ends the connection instead.
        let drains = self.line.wire().upload_drains(DRAIN_MAX, continued);
        let manner =
            Manner { keep_alive: manner.keep_alive && !close && drains && !self.ear.begun(), ..manner };
        let manner = Manner { keep_alive: answer::keeps_alive(&response, manner), ..manner };
        match self.write(response, manner).await {
            Ending::Broken => return After::Abort,
            Ending::BrokenUnseen => {
                self.line.wire().io.spoil();
                return After::Abort;
            }
            Ending::Complete if !manner.keep_alive => return After::Close,
            Ending::Complete => {}
        }
        if !self.line.wire().upload_is_over() {
            self.line.wire().end_turn();
            if !self.line.drain(DRAIN_MAX, self.bounds.linger_timeout).await {
                return After::Close;
            }
        }
        After::Again
    }

    /// Lets the door answer; meanwhile hands on interim answers and notices when the visitor leaves. `None`
    /// when there is nobody left to answer.
    async fn answered(&mut self, arrival: Arrival, continued: &mut bool) -> Option<Departure> {
        enum Event {
            Done(Departure),
            Hint(http::Response<()>),
            Gone,
        }
        let takes_hints = arrival.hints.is_some();
        let mut visit = pin!(Rc::clone(&self.door).visit(&self.street, arrival));
        self.deadline.clear();
        loop {
            let (line, hints, deadline) = (&self.line, &self.hints, &mut self.deadline);
            let event = poll_fn(|cx| {
                // Before the answer: what came ahead of it goes ahead of it, also when both came at once.
                if takes_hints && let Poll::Ready(hint) = hints.poll_next(cx) {
                    return Poll::Ready(Event::Hint(hint));
                }
                if let Poll::Ready(departure) = visit.as_mut().poll(cx) {
                    return Poll::Ready(Event::Done(departure));
                }
                line.wire().poll_gone(cx, deadline).map(|()| Event::Gone)
            });
            match event.await {
                Event::Done(departure) => {
                    self.deadline.clear();
                    return Some(departure);
                }
                // Who was told to go on, or never waited for it, need not hear it again.
                Event::Hint(hint) if *continued && hint.status() == http::StatusCode::CONTINUE => {}
                Event::Hint(hint) => {
                    *continued |= hint.status() == http::StatusCode::CONTINUE;
                    let mut out = Vec::new();
                    answer::interim(&mut out, &hint);
                    let stall = self.bounds.body_timeout;
                    let mut deadline = Deadline::default();
                    self.line.send(&out, &mut deadline, stall).await.ok()?;
                    self.line.flush(&mut deadline, stall).await.ok()?;
                }
                Event::Gone => return None,
            }
        }
    }

    async fn write(&mut self, response: http::Response<Body>, manner: Manner) -> Ending {
        answer::write(&self.line, response, manner, &mut self.deadline, self.pace.get()).await
    }

    /// After a 101: bytes both ways, what the visitor sent ahead first, until both sides are done.
    async fn tunnel(&mut self, response: http::Response<Body>, far: Tunnel) -> After {
        let mut out = Vec::new();
        answer::switching(&mut out, &response);
        let stall = self.bounds.body_timeout;
        if self.line.send(&out, &mut self.deadline, stall).await.is_err()
            || self.line.flush(&mut self.deadline, stall).await.is_err()
        {
            return After::Abort;
        }
        tunnel::carry(tunnel::Near(self.line.clone()), far).await;
        After::Tunnelled
    }
}

#[cfg(test)]
mod tests;
