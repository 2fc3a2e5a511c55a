//! One request to one backend: which connection, the clocks, the second try, and whose fault it was.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;

use super::backend::{Backend, Inner};
use super::body::{Receiving, Sending};
use super::config::Protocol;
use super::permits::{self, Limit, Permit, Way};
use super::pool::{Alarm, Held, Pool, Shelf};
use super::wire::{Line, Upload};
use super::{connect, fastcgi, framing, streams};
use crate::base::cause::Cause;
use crate::base::clock;
use crate::base::fault::Fault;
use crate::message::exchange::Io;
use crate::message::{Body, Hints};

/// What a backend said.
pub struct Answer {
    pub head: Response<()>,
    pub body: Body,
    /// With a 101 that was asked for: the connection itself.
    pub upgraded: Option<Box<dyn Io>>,
    /// The member that answered for a director.
    pub by: Option<Arc<Backend>>,
    /// What the visitor is told, so that he comes back to it.
    pub cookie: Option<HeaderValue>,
}

impl Answer {
    /// What a server says that was asked by its own name.
    pub fn new(head: Response<()>, body: Body, upgraded: Option<Box<dyn Io>>) -> Self {
        Self { head, body, upgraded, by: None, cookie: None }
    }
}

/// How long a backend is waited for in one request. Zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Name look-up, connection and TLS handshake together.
    pub connect: Duration,
    /// From the last byte of the request to the first of the answer.
    pub first_byte: Duration,
    /// The longest pause within the answer.
    pub between_bytes: Duration,
}

/// What rules say of how long a backend is waited for; `None`: what the backend's declaration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    pub connect: Option<Duration>,
    pub first_byte: Option<Duration>,
    pub between_bytes: Option<Duration>,
}

impl Waits {
    pub fn or(self, own: Patience) -> Patience {
        Patience {
            connect: self.connect.unwrap_or(own.connect),
            first_byte: self.first_byte.unwrap_or(own.first_byte),
            between_bytes: self.between_bytes.unwrap_or(own.between_bytes),
        }
    }
}

/// What has to be remembered of a request while hyper has it.
pub(super) struct Wish {
    pub method: Method,
    /// The protocol it asks to switch to.
    pub upgrade: Option<HeaderValue>,
    /// Asking twice is as good as asking once, and there is no body.
    pub repeatable: bool,
    pub hints: Option<Hints>,
    pub patience: Patience,
}

pub(super) struct Failure {
    pub fault: Fault,
    /// The request, when it can be sent again.
    pub again: Option<Box<Request<Body>>>,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, again: None }
    }
}

impl Pool {
    /// Sends a request and waits for the head of its answer. Dropping the future, or the answer's body before
    /// its end, closes the connection. A request that asks for an upgrade carries `Upgrade` and `Connection`.
    pub async fn send(
        &self,
        backend: &Arc<Backend>,
        mut request: Request<Body>,
        hints: Option<Hints>,
    ) -> Result<Answer, Fault> {
        if let Some(host) = &backend.0.host_header {
            request.headers_mut().insert(HOST, host.clone());
        }
        self.send_within(backend, request, hints, backend.patience()).await
    }

    /// The same with other clocks than the backend's own, and with the `Host` that the request carries.
    pub async fn send_within(
        &self,
        backend: &Arc<Backend>,
        request: Request<Body>,
        hints: Option<Hints>,
        patience: Patience,
    ) -> Result<Answer, Fault> {
        self.send_tracked(backend, request, hints, patience, &Track::default()).await
    }

    /// The same, and what became of the request beside its answer.
    pub(super) async fn send_tracked(
        &self,
        backend: &Arc<Backend>,
        mut request: Request<Body>,
        hints: Option<Hints>,
        patience: Patience,
        track: &Track,
    ) -> Result<Answer, Fault> {
        if backend.0.config.protocol == Protocol::FastCgi {
            return Box::pin(self.send_by_fastcgi(backend, request, patience, track)).await;
        }
        framing::set_length(&mut request);
        let wish = Wish {
            method: request.method().clone(),
            upgrade: request.headers().get(UPGRADE).cloned(),
            repeatable: matches!(request.body(), Body::Empty) && is_safe(request.method()),
            hints,
            patience,
        };
        track.unsent.set(true);
        let turn = backend.0.turn().inspect_err(|fault| backend.0.fault(fault))?;
        let outcome = self.in_turn(backend, request, &wish, track).await;
        backend.0.came_of(turn, &outcome);
        outcome
    }

    async fn send_by_fastcgi(
        &self,
        backend: &Arc<Backend>,
        mut request: Request<Body>,
        patience: Patience,
        track: &Track,
    ) -> Result<Answer, Fault> {
        fastcgi::measure(&mut request).await?;
        track.unsent.set(true);
        let turn = backend.0.turn().inspect_err(|fault| backend.0.fault(fault))?;
        let outcome = fastcgi::ask(self, backend, request, patience, track).await;
        backend.0.came_of(turn, &outcome);
        outcome
    }

    /// Sends it when it is its turn: at once, where there is no limit.
    async fn in_turn(
        &self,
        backend: &Arc<Backend>,
        request: Request<Body>,
        wish: &Wish,
        track: &Track,
    ) -> Result<Answer, Fault> {
        let shelf = self.shelf(backend);
        let mut way = match &backend.0.limit {
            None => Way { kept: shelf.take(), ..Way::default() },
            Some(limit) => match permits::at_once(&backend.0, limit, &shelf) {
                Some(way) => way,
                None => Box::pin(permits::in_turn(&backend.0, limit, &shelf)).await?,
            },
        };
        let flight = Flight::begin(&backend.0, self.worker(), way.request.take());
        self.try_twice(backend, &shelf, way, request, wish, (flight, track)).await
    }

    async fn try_twice(
        &self,
        backend: &Arc<Backend>,
        shelf: &Rc<Shelf>,
        mut way: Way,
        mut request: Request<Body>,
        wish: &Wish,
        (flight, track): (Flight<'_>, &Track),
    ) -> Result<Answer, Fault> {
        if backend.0.config.protocol == Protocol::Http2 {
            return Box::pin(streams::send(self, shelf, backend, request, wish, flight, track)).await;
        }
        // One place for both tries, and opening in a box: this lies in every visit, and most never open anything.
        loop {
            let (held, line) = if let Some(held) = way.kept.take() {
                let line = Rc::clone(&held.line);
                (held, Some(line))
            } else {
                let permit = way.connection.take();
                let opened = Held::open(backend, shelf, permit, wish.patience.connect);
                (Box::pin(opened).await?, None)
            };
            track.unsent.set(false);
            let line = match (exchange(held, request, wish, &flight).await, line) {
                (Ok(answer), _) => return Ok(answer),
                (Err(Failure { again: Some(same), .. }), Some(line)) => {
                    request = *same;
                    line
                }
                (Err(Failure { fault, .. }), _) => return Err(fault),
            };
            // The backend has closed the dead one: a new one takes its place among those it may have.
            way.connection = line.permit.take();
            if way.connection.is_none() && backend.0.limit.as_ref().is_some_and(Limit::counts_connections) {
                way.connection = Box::pin(permits::take(&backend.0)).await?;
            }
            backend.0.retried(self.worker());
            track.repeated.set(true);
        }
    }
}

/// What became of a request that was sent, for who may send it once more.
#[derive(Default)]
pub(super) struct Track {
    /// No connection took it: nobody can have seen anything of it.
    pub unsent: Cell<bool>,
    /// It was sent again because a kept connection turned out dead.
    pub repeated: Cell<bool>,
}

/// Methods that change nothing (RFC 9110, 3253, 4918, 5323).
pub(super) fn is_safe(method: &Method) -> bool {
    method.is_safe() || matches!(method.as_str(), "PROPFIND" | "REPORT" | "SEARCH" | "QUERY")
}

/// Counts a request as in flight until a connection does.
pub(super) struct Flight<'a> {
    backend: &'a Inner,
    worker: usize,
    over: Cell<bool>,
    permit: Cell<Option<Permit>>,
}

impl<'a> Flight<'a> {
    fn begin(backend: &'a Inner, worker: usize, permit: Option<Permit>) -> Self {
        backend.started(worker);
        Self { backend, worker, over: Cell::new(false), permit: Cell::new(permit) }
    }

    /// From here on somebody else counts the request, and holds its permit.
    pub fn hand_over(&self, heir: impl FnOnce(Option<Permit>)) {
        if !self.over.replace(true) {
            heir(self.permit.take());
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.over.get() {
            self.backend.finished(self.worker);
        }
    }
}

async fn exchange(
    mut held: Held,
    mut request: Request<Body>,
    wish: &Wish,
    flight: &Flight<'_>,
) -> Result<Answer, Failure> {
    let upload = !matches!(request.body(), Body::Empty | Body::Full(_));
    held.line.begin(upload, held.used && wish.repeatable, wish.hints.clone());
    if upload {
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::stream(Sending::new(body, Rc::clone(&held.line)));
    }
    let heir = wish.upgrade.as_ref().map(|_| {
        let (heir, tunnel) = oneshot::channel();
        held.line.tunnel.set(Some(heir));
        tunnel
    });

    let sent = pin!(held.sender.try_send_request(request));
    let response = match first_byte(&mut held.alarm, &held.line, wish.patience.first_byte, sent).await {
        None => {
            let why = match held.line.upload.get() {
                Upload::Done => "it did not begin to answer",
                _ => "it neither took the request nor answered it",
            };
            return Err(connect::fault(&held.backend, Cause::FirstByteTimeout, why).into());
        }
        Some(Ok(response)) => response,
        Some(Err(mut error)) => {
            let again = error.take_message();
            let fault = blame(&held, &error.into_error());
            let repeat =
                held.used && wish.repeatable && !held.line.heard.get() && held.line.ended.borrow().is_none();
            let again = again.or_else(|| if repeat { read_back(&held.line.take_head()) } else { None });
            return Err(Failure { fault, again: again.map(Box::new) });
        }
    };

    let (mut head, mut incoming) = response.into_parts();
    let again = framing::admit(&mut head, &wish.method, wish.upgrade.as_ref())
        .map_err(|why| connect::fault(&held.backend, Cause::Protocol, why))?;
    held.again = again;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        head.extensions.remove::<OnUpgrade>();
        let Some(heir) = heir else {
            return Err(
                connect::fault(&held.backend, Cause::Protocol, "it switches protocols unasked").into()
            );
        };
        let mut tunnel = heir.await.map_err(|_| blame_end(&held))?;
        tunnel.permit = flight.permit.take();
        held.farewell();
        let upgraded: Box<dyn Io> = Box::new(tunnel);
        return Ok(Answer::new(Response::from_parts(head, ()), Body::Empty, Some(upgraded)));
    }
    held.line.tunnel.take();
    flight.hand_over(|permit| held.begin(permit));

    // A small answer is here already, whole: then nothing has to ride on its body.
    let early = std::future::poll_fn(|cx| {
        Poll::Ready(if incoming.is_end_stream() {
            Poll::Ready(None)
        } else {
            Pin::new(&mut incoming).poll_frame(cx)
        })
    });
    let pause = wish.patience.between_bytes;
    let body = match early.await {
        Poll::Ready(None) => {
            held.put_back();
            Body::Empty
        }
        Poll::Ready(Some(Ok(frame))) if frame.is_data() && incoming.is_end_stream() => {
            held.put_back();
            Body::full(frame.into_data().unwrap_or_default())
        }
        Poll::Ready(Some(Ok(frame))) => Body::stream(Receiving::new(Some(frame), incoming, held, pause)),
        Poll::Ready(Some(Err(error))) => return Err(blame(&held, &error).into()),
        Poll::Pending => Body::stream(Receiving::new(None, incoming, held, pause)),
    };
    Ok(Answer::new(Response::from_parts(head, ()), body, None))
}

/// Waits for the answer's head; `None` when it took too long. While the visitor is sending, the backend has
/// nothing to answer for, so its clock starts anew with every piece that moves.
pub(super) async fn first_byte<T>(
    alarm: &mut Alarm,
    line: &Line,
    limit: Duration,
    mut sent: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let started = clock::now();
    let mut due = started + limit;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(outcome) = sent.as_mut().poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        if limit == Duration::ZERO {
            return Poll::Pending;
        }
        loop {
            ready!(alarm.poll(cx, due));
            let now = clock::now();
            due = match line.upload.get() {
                Upload::Visitor => now,
                _ => line.moved.get().unwrap_or(started),
            } + limit;
            if due <= now {
                return Poll::Ready(None);
            }
        }
    })
    .await
}

/// The request that hyper had written and lost. Read back rather than copied beforehand: a copy would be
/// made for every request, this happens when a kept connection turns out dead.
fn read_back(head: &[u8]) -> Option<Request<Body>> {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Request::new(&mut fields);
    if !parsed.parse(head).ok()?.is_complete() {
        return None;
    }
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::from_maybe_shared(Bytes::copy_from_slice(parsed.path?.as_bytes())).ok()?;
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(request)
}

fn blame_end(held: &Held) -> Fault {
    connect::fault(&held.backend, Cause::Read, "it hung up while switching protocols")
}

/// Whose fault it is that an exchange ended early, and why.
pub fn blame(held: &Held, error: &hyper::Error) -> Fault {
    // The visitor's own fault, on its way through hyper: the backend is not to blame.
    if let Some(fault) = Fault::inside(error).cloned().or_else(|| held.line.ended.borrow().clone()) {
        return fault;
    }
    let line = &held.line;
    let (cause, why) = if let Some(why) = line.violation.get() {
        (Cause::Protocol, why)
    } else if error.is_parse() {
        let why = if error.to_string().contains("too large") {
            "its header is too large"
        } else if error.is_parse_status() {
            "its status line makes no sense"
        } else {
            "its answer is no HTTP"
        };
        (Cause::Protocol, why)
    } else if let Some(why) = line.tls_broken.get() {
        (Cause::Tls, why)
    } else if malformed_body(error) {
        (Cause::Protocol, "its body is not framed as it says")
    } else if line.uploading() || line.write_failed.get() {
        (Cause::Write, "it hung up while the request was being sent")
    } else if line.heard.get() {
        (Cause::Read, "it hung up in the middle of its answer")
    } else {
        (Cause::Read, "it hung up without an answer")
    };
    let of_upload = line.uploading() && matches!(cause, Cause::Write | Cause::Read);
    connect::fault(&held.backend, cause, why).in_upload(of_upload)
}

fn malformed_body(error: &hyper::Error) -> bool {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
        }
        next = error.source();
    }
    false
}
