//! HTTP/2 towards a backend: one connection of a worker carries many requests, each on a stream of its own.
//!
//! The `h2` library is spoken to directly, as it is at the street's door: it tells a stream that the backend
//! surely did not touch (and that may be asked again, whatever its method) from one that it may have acted on,
//! which the client above it does not. What HTTP/1 needs a watcher for, the library does: it refuses frames,
//! heads and lengths that contradict each other.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::{AbortHandle, spawn_local};

use super::backend::{Backend, Inner};
use super::body::Sending;
use super::names::Names;
use super::permits::Permit;
use super::pool::{Alarm, Open, Pool, Shelf};
use super::send::{Answer, Failure, Flight, Track, Wish, first_byte};
use super::wire::{INTERIM_MAX, Line, Upload};
use super::{connect, framing};
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::exchange::Io;
use crate::message::{Body, Hints, headers};

/// Requests on one connection, however many the backend would take: a connection that breaks ends them all.
const STREAMS_MAX: u32 = 100;
/// What may be under way to us on one stream, as for HTTP/1.
const STREAM_WINDOW: u32 = 128 << 10;
/// The same for all streams of a connection together: as much as all of them may have. With less, a few visitors who
/// read nothing would take the connection's window from everybody else's answers on it.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX;
const HEADER_BYTES_MAX: u32 = 64 << 10;
/// What of an upload waits in the library for a backend that takes nothing.
const SEND_BUFFER_BYTES_MAX: usize = 128 << 10;

/// The connections of one worker to one backend that speaks HTTP/2.
#[derive(Default)]
pub(super) struct Streams {
    lines: RefCell<Vec<Rc<Trunk>>>,
    /// Held while a connection is opened: who comes meanwhile waits for that one.
    opening: tokio::sync::Mutex<()>,
}

/// One connection.
struct Trunk {
    sender: SendRequest<Bytes>,
    /// Requests it carries.
    riding: Cell<usize>,
    /// It takes no more requests; those on it may end.
    over: Rc<Cell<bool>>,
    /// Something on it went wrong in a way that says nothing good of the others.
    suspect: Cell<bool>,
    /// When its last request ended.
    since: Cell<Instant>,
    /// Where it leads, over TCP.
    peer: Option<SocketAddr>,
    driver: AbortHandle,
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Trunk {
    fn takes_one(&self) -> bool {
        !self.over.get()
            && !self.suspect.get()
            && self.riding.get() < self.sender.current_max_send_streams().clamp(1, STREAMS_MAX as usize)
    }
}

impl Streams {
    /// The fullest connection that takes one more, so that the others may come to rest.
    fn take(&self) -> Option<Rc<Trunk>> {
        let lines = self.lines.borrow();
        lines.iter().filter(|trunk| trunk.takes_one()).max_by_key(|trunk| trunk.riding.get()).cloned()
    }

    pub fn idle(&self) -> usize {
        self.lines.borrow().iter().filter(|trunk| trunk.riding.get() == 0 && trunk.takes_one()).count()
    }

    /// Lets go of what is over, of what has been idle too long, and of what leads where the backend is no more.
    pub fn sweep(&self, now: Instant, idle: Duration, names: Option<&Names>) {
        self.lines.borrow_mut().retain(|trunk| {
            let resting = trunk.riding.get() == 0;
            let old = !idle.is_zero() && now.duration_since(trunk.since.get()) >= idle;
            let gone = matches!((names, trunk.peer), (Some(names), Some(peer)) if !names.leads_to(peer));
            // Requests that still ride on it hold it themselves.
            !(trunk.over.get() || trunk.suspect.get() || gone || (resting && old))
        });
    }

    /// A connection with room for one request; true when it was opened for it.
    async fn board(
        &self,
        backend: &Backend,
        worker: usize,
        limit: Duration,
    ) -> Result<(Rc<Trunk>, bool), Fault> {
        if let Some(trunk) = self.take() {
            return Ok((trunk, false));
        }
        let _opening = self.opening.lock().await;
        if let Some(trunk) = self.take() {
            return Ok((trunk, false));
        }
        let trunk = Rc::new(open(&backend.0, worker, limit).await?);
        let mut lines = self.lines.borrow_mut();
        lines.retain(|trunk| !trunk.over.get() && !trunk.suspect.get());
        lines.push(Rc::clone(&trunk));
        Ok((trunk, true))
    }
}

async fn open(backend: &Arc<Inner>, worker: usize, limit: Duration) -> Result<Trunk, Fault> {
    let opened = connect::open(backend, limit).await.inspect_err(|fault| backend.out_of_reach(fault))?;
    let connect::Opened { io, peer, .. } = opened;
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX);
    let begun = builder.handshake::<_, Bytes>(io).await;
    let (sender, connection) =
        begun.map_err(|error| connect::fault(backend, Cause::Write, explain(&error)))?;
    let over = Rc::new(Cell::new(false));
    let (end, counted) = (Rc::clone(&over), Open::new(Arc::clone(backend), worker));
    let driver = spawn_local(async move {
        let mut connection = pin!(connection);
        // How it ends is told to each of its streams.
        let _ = connection.as_mut().await;
        end.set(true);
        drop(counted);
    });
    Ok(Trunk {
        sender,
        riding: Cell::new(0),
        over,
        suspect: Cell::new(false),
        since: Cell::new(clock::now()),
        peer,
        driver: driver.abort_handle(),
    })
}

/// The status of the answer to one small question on a connection of its own.
pub(super) async fn status_of(io: Box<dyn Io>, url: &str, host: &str, secure: bool) -> Result<u16, Box<str>> {
    let broken = |error: h2::Error| Box::from(explain(&error));
    let mut head = Request::new(());
    *head.uri_mut() = url.parse().map_err(|_| "its probe asks for what is no path")?;
    head.headers_mut().insert(HOST, host.parse().map_err(|_| "its probe asks for what is no host")?);
    let head = addressed(&head.into_parts().0, secure).ok_or("its probe asks for what is no address")?;
    let (sender, connection) =
        Builder::new().enable_push(false).handshake::<_, Bytes>(io).await.map_err(broken)?;
    let asked = async {
        let mut sender = sender.ready().await?;
        Ok(sender.send_request(head, true)?.0.await?.status().as_u16())
    };
    tokio::select! {
        status = asked => status.map_err(broken),
        ended = connection => Err(ended.err().map_or("it hung up before its answer".into(), broken)),
    }
}

/// One request on its stream: counted on the connection and on the backend until it ends.
struct Ride {
    backend: Arc<Inner>,
    worker: usize,
    trunk: Rc<Trunk>,
    line: Rc<Line>,
    alarm: Alarm,
    /// Sends the body; gone with the request.
    pump: Option<AbortHandle>,
    /// The backend has it: it counts as in flight here.
    busy: bool,
    permit: Option<Permit>,
}

impl Drop for Ride {
    fn drop(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.abort();
        }
        self.trunk.riding.set(self.trunk.riding.get().saturating_sub(1));
        self.trunk.since.set(clock::now());
        if self.busy {
            self.backend.finished(self.worker);
        }
    }
}

/// Sends a request, a second time where that is safe.
pub(super) async fn send(
    pool: &Pool,
    shelf: &Shelf,
    backend: &Arc<Backend>,
    request: Request<Body>,
    wish: &Wish,
    flight: Flight<'_>,
    track: &Track,
) -> Result<Answer, Fault> {
    if wish.upgrade.is_some() {
        let why = "a WebSocket cannot be opened to a backend that speaks HTTP/2: give it an `http://` url";
        // No failing of the backend's: it was not even asked.
        return Err(connect::fault(&backend.0, Cause::NotImplemented, why));
    }
    let mut request = Some(request);
    let mut first = true;
    while let Some(this) = request.take() {
        let boarding = shelf.streams.board(backend, pool.worker(), wish.patience.connect);
        let (trunk, fresh) = Box::pin(boarding).await?;
        track.unsent.set(false);
        match Box::pin(exchange(trunk, backend, pool.worker(), this, wish, &flight, fresh)).await {
            Ok(answer) => return Ok(answer),
            Err(Failure { again: Some(same), .. }) if first => request = Some(*same),
            Err(Failure { fault, .. }) => return Err(fault),
        }
        first = false;
        backend.0.retried(pool.worker());
        track.repeated.set(true);
    }
    Err(connect::fault(&backend.0, Cause::Internal, "a request was lost"))
}

async fn exchange(
    trunk: Rc<Trunk>,
    backend: &Arc<Backend>,
    worker: usize,
    request: Request<Body>,
    wish: &Wish,
    flight: &Flight<'_>,
    fresh: bool,
) -> Result<Answer, Failure> {
    let backend = &backend.0;
    let (parts, body) = request.into_parts();
    let head = addressed(&parts, backend.tls.is_some())
        .ok_or_else(|| connect::fault(backend, Cause::Internal, "the request has no address"))?;
    let line = Line::new();
    let streamed = matches!(body, Body::Stream(_));
    line.begin(streamed, false, None);
    trunk.riding.set(trunk.riding.get() + 1);
    let mut ride = Ride {
        backend: Arc::clone(backend),
        worker,
        trunk,
        line,
        alarm: Alarm::default(),
        pump: None,
        busy: false,
        permit: None,
    };
    // What may be sent once more: without a body, or with one that is all here.
    let again = |parts, body: Option<Bytes>| {
        let body = body.map_or(Body::Empty, Body::Full);
        Box::new(Request::from_parts(parts, body))
    };

    let mut sender = ride.trunk.sender.clone();
    let opened = match sender.send_request(head, body.is_end_stream()) {
        Ok(opened) => opened,
        Err(error) => {
            // Nothing was sent: the connection had ended before.
            ride.trunk.suspect.set(true);
            let fault = blame(&ride, &error, false);
            let again = if fresh { None } else { Some(Box::new(Request::from_parts(parts, body))) };
            return Err(Failure { fault, again });
        }
    };
    let (mut answering, mut stream) = opened;
    let mut whole = None;
    match body {
        Body::Empty => drop(stream),
        Body::Full(bytes) => {
            whole = Some(bytes.clone());
            // What the windows have no room for waits in the library: it is all here, whoever holds it.
            let _ = stream.send_data(bytes, true);
        }
        body @ Body::Stream(_) => {
            let body = Sending::new(body, Rc::clone(&ride.line));
            ride.pump = Some(spawn_local(upload(body, stream, Rc::clone(&ride.line))).abort_handle());
        }
    }
    let answered = {
        let mut interim = 0;
        let hints = wish.hints.as_ref();
        let waiting = pin!(std::future::poll_fn(|cx| hear(&mut answering, hints, &mut interim, cx)));
        first_byte(&mut ride.alarm, &ride.line, wish.patience.first_byte, waiting).await
    };
    let response = match answered {
        None => {
            ride.trunk.suspect.set(true);
            let why = match ride.line.upload.get() {
                Upload::Done => "it did not begin to answer",
                _ => "it neither took the request nor answered it",
            };
            return Err(connect::fault(backend, Cause::FirstByteTimeout, why).into());
        }
        Some(Err(Deaf::Flood)) => {
            return Err(connect::fault(backend, Cause::Protocol, "it floods us with interim answers").into());
        }
        Some(Err(Deaf::Broken(error))) => {
            if !error.is_reset() {
                ride.trunk.suspect.set(true);
            }
            // Said by the backend itself: it has done nothing with this stream.
            let untouched = error.is_remote()
                && (error.reason() == Some(Reason::REFUSED_STREAM)
                    || (error.is_go_away() && error.reason() == Some(Reason::NO_ERROR)));
            let repeat = (untouched && !streamed) || (!fresh && wish.repeatable && !error.is_reset());
            let fault = blame(&ride, &error, false);
            return Err(Failure { fault, again: repeat.then(|| again(parts, whole)) });
        }
        Some(Ok(response)) => response,
    };

    let (mut head, mut incoming) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS || head.status.as_u16() > 599 {
        return Err(connect::fault(backend, Cause::Protocol, "it answers with a status that is none").into());
    }
    let length = framing::content_length(&mut head.headers)
        .map_err(|why| connect::fault(backend, Cause::Protocol, why))?
        .filter(|_| wish.method != Method::HEAD && head.status != StatusCode::NOT_MODIFIED);
    if head.status == StatusCode::NO_CONTENT {
        head.headers.remove(CONTENT_LENGTH);
    }
    flight.hand_over(|permit| {
        ride.busy = true;
        ride.permit = permit;
    });
    let early = std::future::poll_fn(|cx| {
        Poll::Ready(if incoming.is_end_stream() { Poll::Ready(None) } else { incoming.poll_data(cx) })
    });
    let body = match early.await {
        Poll::Ready(None) if incoming.is_end_stream() => Body::Empty,
        Poll::Ready(Some(Ok(data))) if incoming.is_end_stream() => Body::full(data),
        Poll::Ready(Some(Err(error))) => return Err(blame(&ride, &error, true).into()),
        Poll::Ready(Some(Ok(data))) => {
            Body::stream(Flowing::new(Some(data), incoming, ride, wish.patience.between_bytes, length))
        }
        Poll::Ready(None) | Poll::Pending => {
            Body::stream(Flowing::new(None, incoming, ride, wish.patience.between_bytes, length))
        }
    };
    Ok(Answer::new(Response::from_parts(head, ()), body, None))
}

/// The head as HTTP/2 has it: the host is part of the address, and nothing is said of the connection.
fn addressed(parts: &request::Parts, secure: bool) -> Option<Request<()>> {
    let authority = Authority::try_from(parts.headers.get(HOST)?.as_bytes()).ok()?;
    let mut uri = parts.uri.clone().into_parts();
    uri.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority);
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    let fields = request.headers_mut();
    *fields = parts.headers.clone();
    for name in [HOST, CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        fields.remove(name);
    }
    if fields.get(TE).is_some_and(|te| te != "trailers") {
        fields.remove(TE);
    }
    Some(request)
}

/// Why there is no answer.
enum Deaf {
    Flood,
    Broken(h2::Error),
}

/// The answer, after interim ones, which are passed on.
fn hear(
    answering: &mut ResponseFuture,
    hints: Option<&Hints>,
    interim: &mut u32,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, Deaf>> {
    // A stream that broke says so here for ever, and below once.
    while let Poll::Ready(Some(Ok(mut said))) = answering.poll_informational(cx) {
        *interim += 1;
        if *interim > INTERIM_MAX {
            return Poll::Ready(Err(Deaf::Flood));
        }
        if let Some(hints) = hints {
            headers::clean_answer(said.headers_mut());
            said.headers_mut().remove(CONTENT_LENGTH);
            hints.send(said);
        }
    }
    Pin::new(answering).poll(cx).map_err(Deaf::Broken)
}

/// Sends a body as fast as the backend takes it. What goes wrong on the visitor's side ends the stream; what goes
/// wrong on the backend's is heard by who waits for its answer.
async fn upload(body: Sending, mut stream: SendStream<Bytes>, line: Rc<Line>) {
    let mut body = pin!(body);
    loop {
        let next = std::future::poll_fn(|cx| {
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            body.as_mut().poll_frame(cx)
        });
        match next.await {
            Some(Ok(frame)) if frame.is_data() => {
                let Ok(mut data) = frame.into_data() else { return };
                while !data.is_empty() {
                    stream.reserve_capacity(data.len());
                    let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                    let Some(Ok(room)) = room else { return };
                    let piece = data.split_to(room.min(data.len()));
                    line.moved.set(Some(clock::now()));
                    if stream.send_data(piece, false).is_err() {
                        return;
                    }
                }
            }
            Some(Ok(frame)) => {
                if let Ok(trailers) = frame.into_trailers() {
                    let _ = stream.send_trailers(trailers);
                }
                return;
            }
            Some(Err(fault)) => {
                *line.ended.borrow_mut() = Some(fault);
                stream.send_reset(Reason::CANCEL);
                return;
            }
            None => {
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
        }
    }
}

/// Whose fault it is that a stream ended early, and why.
fn blame(ride: &Ride, error: &h2::Error, answered: bool) -> Fault {
    if let Some(fault) = ride.line.ended.borrow().clone() {
        return fault;
    }
    let cause = if error.is_library() || (!error.is_remote() && !error.is_io()) {
        Cause::Protocol
    } else if ride.line.uploading() && !answered {
        Cause::Write
    } else {
        Cause::Read
    };
    let of_upload = ride.line.uploading() && cause != Cause::Protocol;
    connect::fault(&ride.backend, cause, explain(error)).in_upload(of_upload)
}

fn explain(error: &h2::Error) -> &'static str {
    if error.is_io() {
        "it hung up"
    } else if !error.is_remote() {
        "what it sends is no HTTP/2, or breaks its rules"
    } else if error.is_go_away() {
        "it closed the connection"
    } else {
        match error.reason() {
            Some(Reason::REFUSED_STREAM) => "it refused the request",
            Some(Reason::HTTP_1_1_REQUIRED) => {
                "it wants HTTP/1.1 for this: give it an `http://` or `https://` url"
            }
            _ => "it broke the request off",
        }
    }
}

/// An answer's body. Its end ends the ride; dropping it before tells the backend to stop.
struct Flowing {
    first: Option<Bytes>,
    incoming: RecvStream,
    ride: Option<Ride>,
    /// What of the body is still to come, where its length was said.
    left: Option<u64>,
    data_over: bool,
    /// The longest pause there may be; zero is no limit.
    pause: Duration,
    due: Option<Instant>,
}

impl Flowing {
    fn new(
        first: Option<Bytes>,
        incoming: RecvStream,
        ride: Ride,
        pause: Duration,
        length: Option<u64>,
    ) -> Self {
        Self { first, incoming, ride: Some(ride), left: length, data_over: false, pause, due: None }
    }

    fn give(&mut self, data: Bytes) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        // Whoever asks for data has room for it: the backend may send as much again.
        let _ = self.incoming.flow_control().release_capacity(data.len());
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        self.due = None;
        if self.incoming.is_end_stream() {
            self.complete();
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn complete(&mut self) {
        if let Some(ride) = self.ride.take() {
            ride.backend.health.good();
        }
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(ride) = self.ride.take() {
            ride.backend.fault(&fault);
        }
        Poll::Ready(Some(Err(fault)))
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_over {
            match ready!(self.incoming.poll_data(cx)) {
                Some(data) => return Poll::Ready(Some(data.map(Frame::data))),
                None => self.data_over = true,
            }
        }
        let trailers = ready!(self.incoming.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|mut trailers| {
            headers::clean_trailers(&mut trailers);
            Ok(Frame::trailers(trailers))
        }))
    }
}

impl HttpBody for Flowing {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(first) = self.first.take() {
            return self.give(first);
        }
        if self.ride.is_none() {
            return Poll::Ready(None);
        }
        match self.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => self.give(data),
                Err(trailers) => {
                    self.complete();
                    Poll::Ready(Some(Ok(trailers)))
                }
            },
            Poll::Ready(Some(Err(error))) => {
                let Some(ride) = &self.ride else { return Poll::Ready(None) };
                let fault = blame(ride, &error, true);
                self.fail(fault)
            }
            Poll::Ready(None) => {
                self.complete();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let this = &mut *self;
                let Some(ride) = &mut this.ride else { return Poll::Pending };
                if this.pause.is_zero() {
                    return Poll::Pending;
                }
                let due = *this.due.get_or_insert_with(|| clock::now() + this.pause);
                if ride.alarm.poll(cx, due).is_pending() {
                    return Poll::Pending;
                }
                ride.trunk.suspect.set(true);
                let why = "it stopped in the middle of its answer";
                let fault = connect::fault(&ride.backend, Cause::BetweenBytes, why);
                self.fail(fault)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && (self.ride.is_none() || self.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::new(),
        }
    }
}
