//! What passes between a connection and a visit: what arrived, what leaves, and who opens the door.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Body;
use crate::base::address::Peer;
use crate::base::fault::Fault;

/// What is known of a connection for its whole life.
#[derive(Debug)]
pub struct Street {
    /// Who stands there: the peer of the socket, or whom a trusted peer's PROXY header named.
    pub peer: Peer,
    /// Who stands there is one whom the operator trusts to name visitors (`X-Forwarded-*`).
    pub trusted: bool,
    /// What the visitor connected to: our own end, or the one that a trusted peer's PROXY header named.
    /// `UNKNOWN` where there is none.
    pub local: SocketAddr,
    /// `None` on plain http.
    pub secure: Option<Secure>,
}

impl Street {
    pub const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
}

/// What the TLS handshake settled.
#[derive(Debug, Clone)]
pub struct Secure {
    /// The name the visitor asked for, canonical; `None` when it asked for none.
    pub name: Option<Box<str>>,
    /// Which certificate was shown; `None` for the neutral one.
    pub certificate: Option<CertificateMark>,
    /// `TLSv1.3`, `TLSv1.2`.
    pub protocol: &'static str,
}

/// Tells two certificates apart: the first eight bytes of the leaf's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateMark(pub u64);

/// A request head as it was read, its grammar checked, its meaning not yet.
#[derive(Debug)]
pub struct Head {
    pub method: Method,
    /// HTTP/1: the target exactly as sent, in any of its four forms. HTTP/2: `:path`, or empty when absent.
    pub target: Bytes,
    /// HTTP/2 only: `:authority`.
    pub authority: Option<Bytes>,
    /// HTTP/2 only: `:scheme`.
    pub scheme: Option<Bytes>,
    /// HTTP/2 only: `:protocol` of an extended CONNECT (RFC 8441).
    pub protocol: Option<Bytes>,
    pub version: Version,
    pub headers: HeaderMap,
}

/// How long a visitor may pause while he sends or takes a body: what the gateway says, until his route says
/// otherwise. Shared between his connection and his visit.
#[derive(Clone, Debug, Default)]
pub struct Pace(Rc<Cell<Duration>>);

impl Pace {
    pub fn new(pause: Duration) -> Self {
        Self(Rc::new(Cell::new(pause)))
    }

    pub fn get(&self) -> Duration {
        self.0.get()
    }

    pub fn set(&self, pause: Duration) {
        self.0.set(pause);
    }
}

/// One request at the door.
pub struct Arrival {
    /// A head, or why there is none: malformed requests are answered and recorded like all others.
    pub head: Result<Head, Fault>,
    pub body: Body,
    /// Where interim (1xx) answers go, when this visitor can take them.
    pub hints: Option<Hints>,
    pub pace: Pace,
}

/// What leaves by the same door.
pub struct Departure {
    pub response: Response<Body>,
    /// With a 101 (or a 200 to an extended CONNECT): the backend's side of the tunnel.
    pub tunnel: Option<Tunnel>,
    /// The connection is not to be used again.
    pub close: bool,
}

impl Departure {
    pub fn answer(response: Response<Body>) -> Self {
        Self { response, tunnel: None, close: false }
    }
}

/// Bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// The far end of an upgraded connection, and what must live as long as it (the record, a permit).
pub struct Tunnel {
    pub far: Box<dyn Io>,
    pub rider: Box<dyn TunnelRider>,
}

/// Learns what went through a tunnel; its end is the end of the visit.
pub trait TunnelRider {
    fn moved(&mut self, to_backend: u64, to_visitor: u64);
}

/// Whoever answers requests: the corridor, the admin pages, the demo's old services.
pub trait Door: 'static {
    fn visit(self: Rc<Self>, street: &Rc<Street>, arrival: Arrival) -> impl Future<Output = Departure>;
}

/// Interim answers on their way from a backend to the visitor. One per connection, used again for each
/// request; the backend's side may be on any thread.
#[derive(Clone, Default)]
pub struct Hints(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    answers: Vec<Response<()>>,
    waker: Option<Waker>,
}

impl Hints {
    /// More interim answers than this before one final answer are dropped.
    const MOST: usize = 16;

    pub fn send(&self, answer: Response<()>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.answers.len() < Self::MOST {
            waiting.answers.push(answer);
        }
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Response<()>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.answers.is_empty() {
            if !waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                waiting.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(waiting.answers.remove(0))
    }

    /// Before the next request: nothing of the last one may be left.
    pub fn clear(&self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.answers.clear();
        waiting.waker = None;
    }
}

/// What goes with a request to a program behind a gateway interface, as an extension of the request.
#[derive(Clone, Debug)]
pub struct Aside {
    /// Our own end of the visitor's connection.
    pub local: SocketAddr,
    pub murmurs: Murmurs,
}

/// What a program complains of while it answers: for the error log, never for the visitor. Lines, bounded.
#[derive(Clone, Debug, Default)]
pub struct Murmurs(Arc<Mutex<Murmured>>);

#[derive(Debug, Default)]
struct Murmured {
    /// Lines, each with its end.
    text: Vec<u8>,
    dropped: bool,
}

impl Murmurs {
    /// As much of one visit is kept.
    const BYTES_MAX: usize = 8 << 10;

    /// A piece of text; `ends` says that its last line is whole.
    pub fn hear(&self, piece: &[u8], ends: bool) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::BYTES_MAX.saturating_sub(heard.text.len());
        heard.dropped |= piece.len() > room;
        heard.text.extend_from_slice(piece.get(..room).unwrap_or(piece));
        if ends && heard.text.last().is_some_and(|last| *last != b'\n') {
            heard.text.push(b'\n');
        }
    }

    /// The lines heard so far, without blank ones; they are gone then. Of what was too much the end is missing,
    /// which the last line says.
    pub fn take(&self) -> Vec<Vec<u8>> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Murmured { text, dropped } = std::mem::take(&mut *heard);
        let lines = text.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec());
        let more = dropped.then(|| b"(more was said than is kept)".to_vec());
        lines.filter(|line| !line.is_empty()).chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmurs_are_lines_and_bounded() {
        let murmurs = Murmurs::default();
        murmurs.hear(b"PHP mes", false);
        murmurs.hear(b"sage: one\r\n\n two", true);
        murmurs.hear(b"three", true);
        assert_eq!(murmurs.take(), [&b"PHP message: one"[..], b"two", b"three"]);
        assert!(murmurs.take().is_empty());
        murmurs.hear(&vec![b'x'; 100_000], true);
        murmurs.hear(b"y", true);
        let lines = murmurs.take();
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [8 << 10, 28]);
    }
}
