//! The life of a connection: PROXY header, TLS, which version of HTTP, then a visit for each request.
//!
//! Called by `house`, one [`Front`] for each listener of a worker. Promises: what `base::bound` allows a
//! connection holds for both versions of HTTP; a connection ends when the house closes or another process takes
//! over, with its next answer. What fails before HTTP is spoken has no page: it is counted, and the log says it.

pub mod closing;
mod date;
pub mod deadline;
pub mod h1;
pub mod h2;
mod socket;
pub mod tunnel;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::spawn_local;
use tokio::time::timeout;

use self::closing::Closing;
use self::socket::Socket;
use crate::base::address::Peer;
use crate::base::bound::Bounds;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::listen::proxy::Proxied;
use crate::listen::{self, Pass};
use crate::message::{Door, Street};
use crate::record::{Handshake, Pen};
use crate::tls::{self, Acceptor, Greeting};
use crate::visit::Terms;

/// One listener's way of receiving visitors, on one worker.
pub struct Front<D> {
    pub door: Rc<D>,
    pub pen: Rc<Pen>,
    pub closing: Closing,
    /// `None`: plain http.
    pub tls: Option<Acceptor>,
}

impl<D: Door> Front<D> {
    /// A connection from its first byte to its last.
    pub async fn receive(&self, stream: TcpStream, peer: Peer, mut pass: Pass, terms: Arc<Terms>) {
        let local = end_of(&stream);
        let trusted = terms.trusted.contains(peer.ip);
        let mut street = Street { peer, trusted, local, secure: None };
        let bounds = Arc::clone(&terms.bounds);
        // Boxes of their own for each part of a connection's life: the many that rest are as large as the
        // largest part that is not.
        let greeting = Box::pin(self.greet(stream, &mut street, &mut pass, &terms));
        let greeted = timeout(limit(bounds.handshake_timeout), greeting).await;
        match greeted {
            Ok(Ok(Greeted::Plain(stream))) => self.http1(stream, street, bounds).await,
            Ok(Ok(Greeted::Tls(stream))) if tls::speaks_h2(stream.get_ref().1) => {
                Box::pin(h2::serve(
                    unboxed(stream),
                    Rc::new(street),
                    Rc::clone(&self.door),
                    bounds,
                    self.closing.ear(),
                ))
                .await;
            }
            Ok(Ok(Greeted::Tls(stream))) => self.http1(unboxed(stream), street, bounds).await,
            Ok(Ok(Greeted::PlainOnTls(stream))) => self.refuse(stream, street, bounds).await,
            Ok(Ok(Greeted::Nobody)) => {}
            Ok(Err(fault)) => self.failed(Handshake::Failed, &fault),
            Err(_) => self.failed(
                Handshake::Timeout,
                &Fault::with(Cause::HeadTimeout, "the handshake did not end in time"),
            ),
        }
    }

    async fn greet(
        &self,
        mut stream: TcpStream,
        street: &mut Street,
        pass: &mut Pass,
        terms: &Terms,
    ) -> Result<Greeted, Fault> {
        let proxied = listen::proxied(&mut stream, street.peer, terms.proxy_protocol, &terms.trusted).await?;
        if let Some(Proxied { source, destination }) = proxied {
            // The peer has said in its header what it knows; what follows are the visitor's own words, also
            // those of one whom it could not name. Only a named one may be trusted again.
            street.trusted = false;
            if let Some(source) = source {
                street.peer = Peer::new(source);
                street.trusted = terms.trusted.contains(street.peer.ip);
                if !street.trusted {
                    pass.count(street.peer.ip)?;
                }
            }
            if let Some(destination) = destination {
                street.local = plain(destination);
            }
        }
        let Some(acceptor) = &self.tls else { return Ok(Greeted::Plain(stream)) };
        match tls::greeting(&stream).await {
            Ok(Greeting::Nothing) | Err(_) => return Ok(Greeted::Nobody),
            Ok(Greeting::Http) => return Ok(Greeted::PlainOnTls(stream)),
            Ok(Greeting::Tls | Greeting::Other) => {}
        }
        let (stream, secure) = acceptor.accept(Socket(stream)).await?;
        self.pen.handshake(Handshake::Done);
        street.secure = Some(secure);
        Ok(Greeted::Tls(Box::new(stream)))
    }

    async fn http1<I>(&self, stream: I, street: Street, bounds: Arc<Bounds>)
    where
        I: h1::wire::Stream + 'static,
    {
        let ear = self.closing.ear();
        Box::pin(h1::serve(stream, BytesMut::new(), Rc::new(street), Rc::clone(&self.door), bounds, ear))
            .await;
    }

    /// Plain http on the https port: told so in words, recorded like any other visit.
    async fn refuse(&self, stream: TcpStream, street: Street, bounds: Arc<Bounds>) {
        let fault = Fault::with(Cause::PlainOnTls, "plain http came to the https port");
        let ear = self.closing.ear();
        Box::pin(h1::refuse(stream, fault, Rc::new(street), Rc::clone(&self.door), bounds, ear)).await;
    }

    fn failed(&self, handshake: Handshake, fault: &Fault) {
        self.pen.handshake(handshake);
        self.pen.handshake_fault(fault);
    }
}

enum Greeted {
    Plain(TcpStream),
    Tls(Box<tls::TlsStream<Socket>>),
    PlainOnTls(TcpStream),
    Nobody,
}

/// Out of its box, and the box gone: taken out in a match arm, it would lie there empty as long as the arm runs,
/// which is the life of a connection.
#[allow(clippy::boxed_local)] // to end the box is what it is for
fn unboxed<T>(boxed: Box<T>) -> T {
    *boxed
}

/// Zero means no limit; a year is none.
fn limit(duration: Duration) -> Duration {
    if duration.is_zero() { Duration::from_secs(31_536_000) } else { duration }
}

/// Our end of a connection.
fn end_of(stream: &TcpStream) -> SocketAddr {
    stream.local_addr().map_or(Street::UNKNOWN, plain)
}

/// An IPv4 address that came by a socket for both kinds is one.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Serves a door on a unix socket over plain HTTP/1, for as long as the future is polled.
pub async fn serve_unix<D: Door>(listener: UnixListener, door: Rc<D>, bounds: Arc<Bounds>, closing: Closing) {
    loop {
        let (stream, _) = accepted(async || listener.accept().await).await;
        let (door, bounds, ear) = (Rc::clone(&door), Arc::clone(&bounds), closing.ear());
        spawn_local(async move {
            let street =
                Street { peer: Peer::unknown(), trusted: false, local: Street::UNKNOWN, secure: None };
            h1::serve::<UnixStream, D>(stream, BytesMut::new(), Rc::new(street), door, bounds, ear).await;
        });
    }
}

/// Serves a door on a TCP port over plain HTTP/1, for as long as the future is polled and until it closes: the
/// admin pages.
pub async fn serve_tcp<D: Door>(
    listener: tokio::net::TcpListener,
    door: Rc<D>,
    bounds: Arc<Bounds>,
    closing: Closing,
) {
    let mut over = closing.ear();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accepted(async || listener.accept().await) => accepted,
            () = over.heard() => return,
        };
        let (door, bounds, ear) = (Rc::clone(&door), Arc::clone(&bounds), closing.ear());
        let local = end_of(&stream);
        spawn_local(async move {
            let street = Street { peer: Peer::new(peer), trusted: false, local, secure: None };
            h1::serve::<TcpStream, D>(stream, BytesMut::new(), Rc::new(street), door, bounds, ear).await;
        });
    }
}

/// The next connection, whatever goes wrong before: most likely no file descriptor is left, and then trying
/// again at once would change nothing.
async fn accepted<T>(accept: impl AsyncFn() -> std::io::Result<T>) -> T {
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;
    use crate::message::{Arrival, Body, Departure};
    use http::Response;
    use std::cell::Cell;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::LocalSet;

    /// Panics when it is asked to.
    struct Fragile;

    impl Door for Fragile {
        async fn visit(self: Rc<Self>, _: &Rc<Street>, arrival: Arrival) -> Departure {
            let target = arrival.head.expect("a head").target;
            assert!(&*target != b"/panic", "a visit that panics");
            Departure::answer(Response::new(Body::full("well")))
        }
    }

    async fn ask(at: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn a_panic_ends_one_connection_and_no_worker() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let visitors = async {
            for _ in 0..3 {
                assert_eq!(ask(at, "/panic").await, "");
                assert!(ask(at, "/").await.ends_with("well"));
            }
        };
        LocalSet::new()
            .run_until(async {
                tokio::select! {
                    () = serve_tcp(listener, Rc::new(Fragile), Arc::default(), Closing::default()) => {}
                    () = visitors => {}
                }
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_outlives_a_shortage_of_files() {
        let (tries, begun) = (Cell::new(0), clock::now());
        let accept = async || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 { Err(std::io::Error::from_raw_os_error(24)) } else { Ok(tries.get()) }
        };
        assert_eq!(accepted(accept).await, 3);
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }
}
