//! HTTP/2 at the street door: the `h2` library speaks it, this turns each stream into a visit.
//!
//! Used without hyper's server above it, because that one can't send interim answers, and hides resets.
//! A connection is one task that accepts streams; each stream is a task of its own. Bodies stream both
//! ways, what is taken in bounded by the windows, what goes out by what the visitor has room for. A body
//! that breaks ends its stream with a reset, so that nobody takes a part for the whole.

mod meter;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::spawn_local;

use self::meter::Metered;
use super::closing::Ear;
use super::date;
use super::deadline::Deadline;
use super::tunnel;
use crate::base::bound::Bounds;
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::headers::any_padded;
use crate::message::{Arrival, Body, Departure, Door, Head, Hints, Pace, Street, Tunnel};

/// Taken in ahead of what was read, for one stream and for all of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Kept of one stream's answer for a visitor who reads slowly.
const SEND_BUFFER: usize = 64 << 10;
/// Streams that the visitor reset before we looked at them, and that we reset for its faults.
const RESETS_MAX: usize = 64;

/// What the streams of one connection share.
struct Shared<D> {
    street: Rc<Street>,
    door: Rc<D>,
    bounds: Arc<Bounds>,
    open: Cell<u64>,
    last_end: Cell<Instant>,
}

/// The whole life of one HTTP/2 connection.
pub async fn serve<I, D>(io: I, street: Rc<Street>, door: Rc<D>, bounds: Arc<Bounds>, mut ear: Ear)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    D: Door,
{
    let mut deadline = Deadline::default();
    deadline.set(bounds.handshake_timeout);
    let io = Metered::new(io, bounds.head_timeout, bounds.linger_timeout);
    let mut handshake = pin!(builder(&bounds).handshake(io));
    let begun = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Pending => deadline.poll(cx).map(|()| None),
        Poll::Ready(begun) => Poll::Ready(begun.ok()),
    });
    let Some(mut connection) = begun.await else { return };
    deadline.set(bounds.idle_timeout);
    let shared =
        Rc::new(Shared { street, door, bounds, open: Cell::new(0), last_end: Cell::new(clock::now()) });
    accept(&mut connection, &shared, &mut deadline, &mut ear).await;
}

async fn accept<I, D>(
    connection: &mut Connection<Metered<I>, Bytes>,
    shared: &Rc<Shared<D>>,
    deadline: &mut Deadline,
    ear: &mut Ear,
) where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    D: Door,
{
    enum Event {
        Stream(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
        Closed,
        Closing,
        Shut,
        Rested,
    }
    let (mut leaving, mut shut) = (false, false);
    loop {
        let event = poll_fn(|cx| {
            if let Poll::Ready(accepted) = connection.poll_accept(cx) {
                let stream = accepted.and_then(Result::ok);
                return Poll::Ready(stream.map_or(Event::Closed, |stream| Event::Stream(Box::new(stream))));
            }
            if !shut && ear.poll_shut(cx).is_ready() {
                return Poll::Ready(Event::Shut);
            }
            if !leaving && ear.poll(cx).is_ready() {
                return Poll::Ready(Event::Closing);
            }
            deadline.poll(cx).map(|()| Event::Rested)
        });
        match event.await {
            Event::Stream(stream) => {
                let visit = Visit::new(Rc::clone(shared));
                spawn_local(async move {
                    let (request, respond) = *stream;
                    visit.run(request, respond).await;
                });
            }
            Event::Closed => return,
            Event::Closing => {
                leaving = true;
                connection.graceful_shutdown();
                // The library ends it when the visitor has heard the goodbye and its streams are over. One who
                // is far away or asleep has as long as it might have rested; a house that closes ends it sooner.
                deadline.set(shared.bounds.idle_timeout);
            }
            Event::Shut => {
                leaving = true;
                shut = true;
                connection.graceful_shutdown();
                deadline.set(shared.bounds.linger_timeout);
            }
            Event::Rested if shared.open.get() > 0 => {
                deadline.set(if shut { shared.bounds.linger_timeout } else { shared.bounds.idle_timeout });
            }
            Event::Rested if leaving => return,
            Event::Rested => {
                let rested = clock::now().saturating_duration_since(shared.last_end.get());
                let rest = shared.bounds.idle_timeout.saturating_sub(rested);
                if rest.is_zero() {
                    if shared.bounds.linger_timeout.is_zero() {
                        return connection.abrupt_shutdown(Reason::NO_ERROR);
                    }
                    leaving = true;
                    connection.graceful_shutdown();
                    deadline.set(shared.bounds.linger_timeout);
                } else {
                    deadline.set(rest);
                }
            }
        }
    }
}

fn builder(bounds: &Bounds) -> h2::server::Builder {
    // The library counts 32 bytes more for each field than we do. Twice what we take, because what it refuses
    // it answers itself: with no page, and no line in the log. Above four times that it ends the connection.
    let list = bounds.head_bytes_max.saturating_add(32 * bounds.header_count_max).saturating_mul(2);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(u32::try_from(bounds.streams_max).unwrap_or(u32::MAX))
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESETS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(Some(RESETS_MAX))
        .enable_connect_protocol();
    builder
}

/// One stream.
struct Visit<D> {
    shared: Rc<Shared<D>>,
}

impl<D> Visit<D> {
    fn new(shared: Rc<Shared<D>>) -> Self {
        shared.open.set(shared.open.get() + 1);
        Self { shared }
    }
}

impl<D> Drop for Visit<D> {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.last_end.set(clock::now());
    }
}

impl<D: Door> Visit<D> {
    async fn run(self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let bounds = &self.shared.bounds;
        let (parts, incoming) = request.into_parts();
        let head_only = parts.method == Method::HEAD;
        let connect = parts.method == Method::CONNECT;
        // The library has checked that there is one at most, and holds the body to it.
        let length = length_told(&parts.headers);
        let head = head_of(parts, bounds);
        let pace = Pace::new(bounds.body_timeout);
        // The far side of an extended CONNECT is not a body: its bytes go through the tunnel.
        let (body, mut near, far) = if incoming.is_end_stream() {
            (Body::Empty, None, None)
        } else if connect {
            (Body::Empty, Some(incoming), None)
        } else {
            let far = Rc::new(Far { incoming: RefCell::new(Some(incoming)), waiting: Cell::new(None) });
            let upload = Upload::new(Rc::clone(&far), length, pace.clone());
            (Body::stream(upload), None, Some(far))
        };
        let hints = Hints::default();
        let arrival = Arrival { head, body, hints: Some(hints.clone()), pace: pace.clone() };
        let Some(departure) = self.answered(arrival, &hints, &mut respond).await else { return };
        let Departure { response, tunnel, .. } = departure;
        match (tunnel, near.take()) {
            (Some(far), Some(incoming)) => carry(response, &mut respond, incoming, far).await,
            (Some(_), None) => respond.send_reset(Reason::INTERNAL_ERROR),
            (None, near) => {
                send(response, &mut respond, head_only, &pace).await;
                if let Some(rest) = near.or_else(|| far?.take_back()) {
                    linger(rest, bounds).await;
                }
            }
        }
    }

    /// Lets the door answer; meanwhile hands on interim answers and notices when the visitor gives up.
    async fn answered(
        &self,
        arrival: Arrival,
        hints: &Hints,
        respond: &mut SendResponse<Bytes>,
    ) -> Option<Departure> {
        // In a box of its own: spawning a stream moves its task about, and a visit is large.
        let mut visit = Box::pin(Rc::clone(&self.shared.door).visit(&self.shared.street, arrival));
        poll_fn(|cx| {
            // Before the answer: what came ahead of it goes ahead of it, also when both came at once.
            while let Poll::Ready(hint) = hints.poll_next(cx) {
                // An interim answer that can't be sent is only a hint less.
                let _ = respond.send_informational(hint);
            }
            if let Poll::Ready(departure) = visit.as_mut().poll(cx) {
                return Poll::Ready(Some(departure));
            }
            respond.poll_reset(cx).map(|_| None)
        })
        .await
    }
}

/// The head as the visit wants it: what the library checked is taken as checked, what it does not count is
/// counted here.
fn head_of(parts: http::request::Parts, bounds: &Bounds) -> Result<Head, Fault> {
    let headers = parts.headers;
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(Bytes::new, |path| Bytes::copy_from_slice(path.as_str().as_bytes()));
    if target.len() as u64 > bounds.target_bytes_max {
        return Err(Fault::with(Cause::TargetTooLong, "the request target is too long"));
    }
    if headers.len() as u64 > bounds.header_count_max {
        return Err(Fault::with(Cause::HeadTooLarge, "too many header fields"));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if (bytes + target.len()) as u64 > bounds.head_bytes_max {
        return Err(Fault::with(Cause::HeadTooLarge, "too many bytes of header fields"));
    }
    Ok(Head {
        method: parts.method,
        target,
        authority: parts
            .uri
            .authority()
            .map(|authority| Bytes::copy_from_slice(authority.as_str().as_bytes())),
        scheme: parts.uri.scheme_str().map(|scheme| match scheme {
            "https" => Bytes::from_static(b"https"),
            other => Bytes::copy_from_slice(other.as_bytes()),
        }),
        protocol: parts
            .extensions
            .get::<h2::ext::Protocol>()
            .map(|protocol| Bytes::copy_from_slice(protocol.as_str().as_bytes())),
        version: Version::HTTP_2,
        headers,
    })
}

/// The length that a head tells.
fn length_told(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn send(response: Response<Body>, respond: &mut SendResponse<Bytes>, head_only: bool, pace: &Pace) {
    let (mut parts, mut body) = response.into_parts();
    if !parts.headers.contains_key(DATE) {
        parts.headers.insert(DATE, date::now());
    }
    let bodiless =
        head_only || parts.status == StatusCode::NO_CONTENT || parts.status == StatusCode::NOT_MODIFIED;
    if !bodiless {
        match body.length() {
            Some(length) => {
                if length_told(&parts.headers) != Some(length) {
                    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
            }
            None => {
                parts.headers.remove(CONTENT_LENGTH);
            }
        }
    }
    let over = bodiless || body.is_end_stream();
    let Ok(mut stream) = respond.send_response(Response::from_parts(parts, ()), over) else { return };
    if !over && pump(&mut body, &mut stream, pace).await.is_err() {
        stream.send_reset(Reason::INTERNAL_ERROR);
    }
}

/// The body broke, or the visitor takes no more.
struct Broken;

async fn pump(body: &mut Body, stream: &mut SendStream<Bytes>, pace: &Pace) -> Result<(), Broken> {
    let mut deadline = Deadline::default();
    loop {
        let frame = poll_fn(|cx| {
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Some(Err(Fault::new(Cause::VisitorLeft))));
            }
            Pin::new(&mut *body).poll_frame(cx)
        });
        match frame.await {
            None => return stream.send_data(Bytes::new(), true).map_err(|_| Broken),
            Some(Err(_)) => return Err(Broken),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => {
                    while !data.is_empty() {
                        let room = room(stream, data.len(), &mut deadline, pace).await.ok_or(Broken)?;
                        let part = data.split_to(room.min(data.len()));
                        let last = data.is_empty() && body.is_end_stream();
                        stream.send_data(part, last).map_err(|_| Broken)?;
                        if last {
                            return Ok(());
                        }
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return stream.send_trailers(trailers).map_err(|_| Broken);
                    }
                }
            },
        }
    }
}

/// Waits until the visitor has room for some of `wanted` bytes; `None` when it has none for too long.
async fn room(
    stream: &mut SendStream<Bytes>,
    wanted: usize,
    deadline: &mut Deadline,
    pace: &Pace,
) -> Option<usize> {
    stream.reserve_capacity(wanted);
    let mut room = stream.capacity();
    while room == 0 {
        room = poll_fn(|cx| match stream.poll_capacity(cx) {
            Poll::Ready(room) => Poll::Ready(room.and_then(Result::ok)),
            Poll::Pending => {
                deadline.start(pace.get());
                deadline.poll(cx).map(|()| None)
            }
        })
        .await?;
    }
    deadline.clear();
    Some(room)
}

async fn carry(
    response: Response<Body>,
    respond: &mut SendResponse<Bytes>,
    incoming: RecvStream,
    far: Tunnel,
) {
    let (parts, _) = response.into_parts();
    let Ok(outgoing) = respond.send_response(Response::from_parts(parts, ()), false) else { return };
    tunnel::carry(Near { incoming, outgoing, ahead: Bytes::new() }, far).await;
}

/// A stream of an extended CONNECT seen as plain bytes.
struct Near {
    incoming: RecvStream,
    outgoing: SendStream<Bytes>,
    ahead: Bytes,
}

impl AsyncRead for Near {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let near = self.get_mut();
        while near.ahead.is_empty() {
            match ready!(near.incoming.poll_data(cx)) {
                Some(Ok(data)) => near.ahead = data,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let part = near.ahead.split_to(near.ahead.len().min(buffer.remaining()));
        buffer.put_slice(&part);
        let _ = near.incoming.flow_control().release_capacity(part.len());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let near = self.get_mut();
        near.outgoing.reserve_capacity(bytes.len());
        while near.outgoing.capacity() == 0 {
            match ready!(near.outgoing.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let room = near.outgoing.capacity().min(bytes.len());
        let part = Bytes::copy_from_slice(bytes.get(..room).unwrap_or_default());
        Poll::Ready(near.outgoing.send_data(part, false).map(|()| room).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().outgoing.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}

/// Where an upload comes from. The backend's connection may hold the upload longer than the answer takes:
/// the stream takes this back when the answer is complete.
struct Far {
    incoming: RefCell<Option<RecvStream>>,
    waiting: Cell<Option<Waker>>,
}

impl Far {
    /// What of the upload has not come yet; nothing when it is over. The backend waits for it no longer.
    fn take_back(&self) -> Option<RecvStream> {
        let rest = self.incoming.take();
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
        rest.filter(|rest| !rest.is_end_stream())
    }
}

/// Takes what is still on its way of an upload that was answered early, as far as the window goes, and opens
/// that no further. Where it does not end by itself the library resets the stream with `NO_ERROR`; done at
/// once, that would reach some visitors (curl before 8) together with the answer and cost them the answer.
async fn linger(mut rest: RecvStream, bounds: &Bounds) {
    if bounds.linger_timeout.is_zero() {
        return;
    }
    let mut deadline = Deadline::default();
    deadline.set(bounds.linger_timeout);
    poll_fn(|cx| {
        loop {
            match rest.poll_data(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return deadline.poll(cx),
            }
        }
    })
    .await;
}

/// The body of a stream, read as it is wanted: the visitor may send more when it was taken.
struct Upload {
    far: Rc<Far>,
    data_over: bool,
    over: bool,
    /// What is still to come, where it was announced.
    rest: Option<u64>,
    deadline: Deadline,
    pace: Pace,
}

impl Upload {
    fn new(far: Rc<Far>, length: Option<u64>, pace: Pace) -> Self {
        Self { far, data_over: false, over: false, rest: length, deadline: Deadline::default(), pace }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, Fault>>>;

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let upload = self.get_mut();
        if upload.over {
            return Poll::Ready(None);
        }
        let far = Rc::clone(&upload.far);
        let mut incoming = far.incoming.borrow_mut();
        let Some(incoming) = incoming.as_mut() else {
            let why = "the answer was complete before the upload";
            return Poll::Ready(Some(Err(Fault::with(Cause::VisitorLeft, why))));
        };
        if !upload.data_over {
            match incoming.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    let _ = incoming.flow_control().release_capacity(data.len());
                    upload.deadline.clear();
                    upload.rest = upload.rest.map(|rest| rest.saturating_sub(data.len() as u64));
                    upload.over = incoming.is_end_stream();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(left(&error)))),
                Poll::Ready(None) => upload.data_over = true,
                Poll::Pending => return upload.wait(cx),
            }
        }
        match incoming.poll_trailers(cx) {
            Poll::Ready(Ok(Some(trailers))) if any_padded(&trailers) => Poll::Ready(Some(Err(Fault::with(
                Cause::Malformed,
                "a trailer of an HTTP/2 request begins or ends with white space",
            )))),
            Poll::Ready(Ok(trailers)) => {
                upload.over = true;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(left(&error)))),
            Poll::Pending => upload.wait(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Upload {
    fn wait(&mut self, cx: &mut Context<'_>) -> Polled {
        self.far.waiting.set(Some(cx.waker().clone()));
        self.deadline.start(self.pace.get());
        self.deadline.poll(cx).map(|()| {
            Some(Err(Fault::with(
                Cause::BodyTimeout,
                "the visitor stopped sending in the middle of an upload",
            )))
        })
    }
}

fn left(error: &h2::Error) -> Fault {
    Fault::with(Cause::VisitorLeft, format!("the visitor's stream ended in the middle of an upload: {error}"))
}
