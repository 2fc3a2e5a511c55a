//! One request and its answer over one connection: both directions move whenever either is polled.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::AsyncWrite as _;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::answer::{Head, HeadReader};
use super::link::{Link, Trouble};
use super::record::{CONTENT_BYTES_MAX, End, Event, STDIN_END, stdin};
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::Body;
use crate::message::exchange::Murmurs;
use crate::upstream::backend::Inner;
use crate::upstream::connect;
use crate::upstream::permits::Permit;
use crate::upstream::pool::{Alarm, Shelf};

/// How long a program may work on behind its answer where no pause is too long.
const SETTLING: Duration = Duration::from_secs(60);

/// Counts a request as in flight, and holds its permit, until it is over.
pub struct Busy {
    backend: Arc<Inner>,
    worker: usize,
    _permit: Option<Permit>,
}

impl Busy {
    pub(in crate::upstream) fn begin(backend: &Arc<Inner>, worker: usize, permit: Option<Permit>) -> Self {
        backend.started(worker);
        Self { backend: Arc::clone(backend), worker, _permit: permit }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.backend.finished(self.worker);
    }
}

/// What is still to be written. Pieces of a body are not copied: header, piece and end are written as one.
struct Outgoing {
    head: Bytes,
    piece: Bytes,
    tail: &'static [u8],
    /// Of the frame that the piece is of: what does not fit into its record.
    rest: Bytes,
    body: Body,
    /// The end of the body is written, or on its way.
    ended: bool,
}

/// How far the request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    Done,
    /// The visitor has not sent the next piece yet: the backend's clock stands still.
    Visitor,
    Moving,
}

pub struct Exchange {
    link: Link,
    out: Outgoing,
    upload: Upload,
    /// A visitor sends a body, piece by piece.
    sends_a_body: bool,
    /// When something of the request last moved.
    moved: Instant,
    pub alarm: Alarm,
    /// Some of it has been written.
    begun: bool,
    /// Something of the answer has come.
    pub heard: bool,
    write_failed: bool,
    murmurs: Murmurs,
    shelf: Rc<Shelf>,
    /// The connection may be used again.
    keep: bool,
    pub busy: Option<Busy>,
}

/// Why there is no answer; with the body where nothing of it, and of the request, was sent.
pub struct Failure {
    pub fault: Fault,
    /// The connection had been used before, and was found dead before anything of an answer came.
    pub stale: bool,
    pub unsent: Option<Body>,
}

impl Exchange {
    /// `head` is all that is said before the body.
    pub fn begin(
        link: Link,
        head: Bytes,
        body: Body,
        keep: bool,
        murmurs: Murmurs,
        shelf: Rc<Shelf>,
    ) -> Self {
        let ended = body.is_end_stream();
        let sends_a_body = matches!(body, Body::Stream(_)) && !ended;
        let out = Outgoing {
            head,
            piece: Bytes::new(),
            tail: if ended { &STDIN_END } else { &[] },
            rest: Bytes::new(),
            body,
            ended,
        };
        Self {
            link,
            out,
            upload: Upload::Moving,
            sends_a_body,
            moved: clock::now(),
            alarm: Alarm::default(),
            begun: false,
            heard: false,
            write_failed: false,
            murmurs,
            shelf,
            keep,
            busy: None,
        }
    }

    /// Writes as much as can be written; only the visitor's own fault is one.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while self.upload != Upload::Done {
            let out = &mut self.out;
            if out.head.is_empty()
                && out.piece.is_empty()
                && out.tail.is_empty()
                && !out.fill(cx, &mut self.upload)?
            {
                return Ok(());
            }
            let slices = [IoSlice::new(&out.head), IoSlice::new(&out.piece), IoSlice::new(out.tail)];
            let written = match self.link.writer().poll_write_vectored(cx, &slices) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(count)) if count > 0 => count,
                // It may have answered before it hung up: the next read brings the answer or the end.
                Poll::Ready(_) => {
                    self.write_failed = true;
                    self.keep = false;
                    self.upload = Upload::Done;
                    return Ok(());
                }
            };
            self.begun = true;
            self.moved = clock::now();
            if self.out.advance(written) {
                self.upload = Upload::Done;
            }
        }
        Ok(())
    }

    /// The head of the answer, within the time there is for it. `limit` counts from the last byte of the request;
    /// while the visitor is sending, the backend has nothing to answer for.
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut HeadReader,
        limit: Duration,
    ) -> Poll<Result<Head, Fault>> {
        self.poll_write(cx)?;
        loop {
            let event = match self.link.poll_event(cx) {
                Poll::Ready(Ok(event)) => event,
                Poll::Ready(Err(trouble)) => return Poll::Ready(Err(self.blame(trouble))),
                Poll::Pending => break,
            };
            match event {
                Event::Stdout(piece) => {
                    self.heard = true;
                    match reader.read(&piece) {
                        Ok(Some(head)) => return Poll::Ready(Ok(head)),
                        Ok(None) => {}
                        Err(why) => return Poll::Ready(Err(self.fault(Cause::Protocol, why))),
                    }
                }
                Event::Stderr(piece, ends) => self.murmurs.hear(&piece, ends),
                Event::End(end) => {
                    self.heard = true;
                    let (cause, why) = match end {
                        End::Overloaded => (Cause::MaxConnections, "it says that it is overloaded"),
                        End::Refused => {
                            (Cause::Protocol, "it refuses the request as one that it can't answer")
                        }
                        End::Complete if reader.is_untouched() => {
                            (Cause::Protocol, "it ended without an answer")
                        }
                        End::Complete => (Cause::Protocol, "it ended in the middle of its header"),
                    };
                    return Poll::Ready(Err(self.fault(cause, why)));
                }
            }
        }
        if limit.is_zero() {
            return Poll::Pending;
        }
        loop {
            let from = if self.upload == Upload::Visitor { clock::now() } else { self.moved };
            let due = from + limit;
            ready!(self.alarm.poll(cx, due));
            if self.upload != Upload::Visitor {
                let why = match self.upload {
                    Upload::Done => "it did not begin to answer",
                    _ => "it neither took the request nor answered it",
                };
                return Poll::Ready(Err(self.fault(Cause::FirstByteTimeout, why)));
            }
        }
    }

    /// The next event behind the head.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Fault>> {
        self.poll_write(cx)?;
        self.link.poll_event(cx).map_err(|trouble| self.blame(trouble))
    }

    /// The visitor has all there is for him: what the program still does (it may have answered before its work was
    /// done) goes on without him, and counts as one of its requests until it ends, or is silent for too long.
    fn settle(mut self, pause: Duration) {
        let pause = if pause.is_zero() { SETTLING } else { pause };
        spawn_local(async move {
            let end = async {
                loop {
                    match poll_fn(|cx| self.poll_event(cx)).await {
                        Ok(Event::End(_)) => break true,
                        Ok(_) => {}
                        Err(_) => break false,
                    }
                }
            };
            if timeout(pause, end).await == Ok(true) {
                self.put_back();
            }
        });
    }

    fn count(&self, fault: Option<&Fault>) {
        if let (Some(busy), Some(fault)) = (&self.busy, fault) {
            busy.backend.fault(fault);
        }
    }

    /// The last event has been seen: the connection waits for the next request, where it can be trusted to.
    fn put_back(self) {
        if let Some(busy) = &self.busy {
            busy.backend.health.good();
        }
        // A request that was answered before it was whole leaves bytes behind that the next would begin with.
        if self.keep && self.upload == Upload::Done && self.link.rests() {
            self.shelf.keep(self.link);
        }
    }

    /// What failed, and what may be tried again.
    pub fn fail(self, fault: Fault) -> Failure {
        let stale = self.link.used && !self.heard && matches!(fault.cause, Cause::Read | Cause::Write);
        let unsent = (!self.begun).then_some(self.out.body);
        Failure { fault, stale, unsent }
    }

    fn blame(&self, trouble: Trouble) -> Fault {
        let (cause, why) = match trouble {
            Trouble::Broken(why) => (Cause::Protocol, why),
            Trouble::HungUp if !self.heard && (self.write_failed || self.upload != Upload::Done) => {
                (Cause::Write, "it hung up while the request was being sent")
            }
            Trouble::HungUp if self.heard => (Cause::Read, "it hung up in the middle of its answer"),
            Trouble::HungUp => (Cause::Read, "it hung up without an answer"),
        };
        let of_upload = self.sends_a_body && cause == Cause::Write;
        self.fault(cause, why).in_upload(of_upload)
    }

    fn fault(&self, cause: Cause, why: &str) -> Fault {
        match &self.busy {
            Some(busy) => connect::fault(&busy.backend, cause, why),
            None => Fault::with(cause, why.to_owned()),
        }
    }
}

impl Outgoing {
    /// The next piece of the body; false when there is none yet.
    fn fill(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Result<bool, Fault> {
        if self.rest.is_empty() {
            if self.ended {
                return Ok(false);
            }
            loop {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Pending => {
                        *upload = Upload::Visitor;
                        return Ok(false);
                    }
                    // Trailers have no place in CGI.
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) if !data.is_empty() => {
                            self.rest = data;
                            break;
                        }
                        _ => {}
                    },
                    Poll::Ready(Some(Err(fault))) => return Err(fault),
                    Poll::Ready(None) => break,
                }
            }
        }
        *upload = Upload::Moving;
        self.piece = self.rest.split_to(self.rest.len().min(CONTENT_BYTES_MAX));
        if !self.piece.is_empty() {
            self.head = Bytes::copy_from_slice(&stdin(&self.piece));
        }
        if self.rest.is_empty() && (self.piece.is_empty() || self.body.is_end_stream()) {
            self.tail = &STDIN_END;
            self.ended = true;
        }
        Ok(true)
    }

    /// Takes away what is written; true when that was the last of it.
    fn advance(&mut self, mut count: usize) -> bool {
        for part in [&mut self.head, &mut self.piece] {
            let written = count.min(part.len());
            part.advance(written);
            count -= written;
        }
        self.tail = self.tail.get(count..).unwrap_or_default();
        self.ended
            && self.head.is_empty()
            && self.piece.is_empty()
            && self.tail.is_empty()
            && self.rest.is_empty()
    }
}

/// An answer's body. Its end puts the connection back; dropping it before closes the connection.
pub struct Receiving {
    here: Option<Bytes>,
    /// The piece behind it: whether there is one tells whether this is the last.
    next: Option<Bytes>,
    /// What comes behind the pieces, when it is known to be no good end.
    fault: Option<Fault>,
    exchange: Option<Exchange>,
    /// What is still to come of the length that was said.
    left: Option<u64>,
    /// The longest pause there may be; zero is no limit.
    pause: Duration,
    due: Option<Instant>,
}

impl Receiving {
    /// `bodiless`: whatever comes behind the head is none of the visitor's business.
    pub fn new(exchange: Exchange, head: &mut Head, bodiless: bool, pause: Duration) -> Self {
        let first = std::mem::take(&mut head.first);
        let left = if bodiless { Some(0) } else { head.length };
        let mut body =
            Self { here: None, next: None, fault: None, exchange: Some(exchange), left, pause, due: None };
        body.next = if bodiless { None } else { body.within_length(first) };
        body.turn();
        body
    }

    /// A body that is here already, whole, needs nothing to ride on it.
    pub fn into_body(self) -> Body {
        match self {
            Self { exchange: None, next: None, fault: None, here, .. } => {
                Body::full(here.unwrap_or_default())
            }
            streamed => Body::stream(streamed),
        }
    }

    /// Cuts off what goes beyond the length that was said. It was not to be, and there may be more of it: the
    /// connection is not used again.
    fn within_length(&mut self, mut piece: Bytes) -> Option<Bytes> {
        if let Some(left) = &mut self.left {
            let here = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
            if here < piece.len() {
                piece.truncate(here);
                if let Some(exchange) = &mut self.exchange {
                    exchange.keep = false;
                }
            }
            *left -= here as u64;
        }
        (!piece.is_empty()).then_some(piece)
    }

    /// The next piece comes to the front, and what is at hand behind it is looked at: the end may have come with it.
    fn turn(&mut self) {
        if self.here.is_none() {
            self.look_ahead();
            self.here = self.next.take();
        }
        self.look_ahead();
    }

    fn look_ahead(&mut self) {
        while (self.next.is_none() || self.left == Some(0))
            && let Some(exchange) = &mut self.exchange
        {
            match exchange.link.event_at_hand() {
                Ok(Some(Event::Stderr(piece, ends))) => exchange.murmurs.hear(&piece, ends),
                Ok(Some(Event::Stdout(piece))) => {
                    // Behind the length that was said there is none.
                    if let Some(piece) = self.within_length(piece) {
                        self.next = Some(piece);
                    }
                }
                Ok(Some(Event::End(end))) => self.finish(end),
                // What is wrong is said when its turn comes.
                Ok(None) | Err(_) => break,
            }
        }
        if self.left == Some(0)
            && let Some(exchange) = self.exchange.take()
        {
            exchange.settle(self.pause);
        }
    }

    fn finish(&mut self, end: End) {
        let Some(exchange) = self.exchange.take() else { return };
        if end != End::Complete {
            self.fault = Some(exchange.fault(Cause::Protocol, "it gave up in the middle of its answer"));
        } else if self.left.is_some_and(|left| left > 0) {
            self.fault = Some(exchange.fault(Cause::Protocol, "its body is shorter than it says"));
        } else {
            return exchange.put_back();
        }
        exchange.count(self.fault.as_ref());
    }

    fn fail(&mut self, fault: Fault) -> Polled {
        if let Some(exchange) = self.exchange.take() {
            exchange.count(Some(&fault));
        }
        Poll::Ready(Some(Err(fault)))
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, Fault>>>;

impl HttpBody for Receiving {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        loop {
            if let Some(piece) = self.here.take() {
                self.due = None;
                self.turn();
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if let Some(fault) = self.fault.take() {
                return Poll::Ready(Some(Err(fault)));
            }
            let this = &mut *self;
            let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
            match exchange.poll_event(cx) {
                Poll::Ready(Ok(Event::Stdout(piece))) => {
                    self.here = self.within_length(piece);
                    if self.here.is_none() {
                        self.turn();
                    }
                }
                Poll::Ready(Ok(Event::Stderr(piece, ends))) => exchange.murmurs.hear(&piece, ends),
                Poll::Ready(Ok(Event::End(end))) => self.finish(end),
                Poll::Ready(Err(fault)) => return self.fail(fault),
                Poll::Pending => {
                    if this.pause.is_zero() {
                        return Poll::Pending;
                    }
                    let due = *this.due.get_or_insert_with(|| clock::now() + this.pause);
                    ready!(exchange.alarm.poll(cx, due));
                    let fault = exchange.fault(Cause::BetweenBytes, "it stopped in the middle of its answer");
                    return self.fail(fault);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.here.is_none() && self.next.is_none() && self.fault.is_none() && self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let here = [&self.here, &self.next].into_iter().flatten().map(|piece| piece.len() as u64).sum();
        match (self.left, &self.exchange, &self.fault) {
            (Some(left), ..) => SizeHint::with_exact(here + left),
            (None, None, None) => SizeHint::with_exact(here),
            _ => {
                let mut hint = SizeHint::new();
                hint.set_lower(here);
                hint
            }
        }
    }
}
