//! From a backend's address to bytes: name look-up, connection, TLS.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use super::backend::Inner;
use super::config::{Address, Protocol};
use super::trust;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::exchange::Io;

/// How long one address of several may stay silent before the next is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// A connection that was opened.
pub struct Opened {
    pub io: Box<dyn Io>,
    /// Where it leads, over TCP.
    pub peer: Option<SocketAddr>,
    pub ear: Ear,
}

/// The system's own word on whether a connection at rest has something to say. What has arrived a moment ago
/// nobody may have read yet: whoever would send a request on it asks here first.
pub struct Ear(Option<Socket>);

impl Ear {
    fn at(stream: &impl AsFd) -> Self {
        Self(SockRef::from(stream).try_clone().ok())
    }

    /// Nothing has come, and the other side has not hung up. Without an ear the reader's word must do.
    pub fn is_silent(&self) -> bool {
        let Some(socket) = &self.0 else { return true };
        let heard = socket.peek(&mut [MaybeUninit::uninit()]);
        heard.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// A connection, within the time there is for it.
pub async fn open(backend: &Inner, limit: Duration) -> Result<Opened, Fault> {
    let named = Cell::new(false);
    if limit.is_zero() {
        return reach(backend, &named).await;
    }
    match tokio::time::timeout(limit, reach(backend, &named)).await {
        Ok(outcome) => outcome,
        Err(_) if !named.get() => Err(fault(backend, Cause::Dns, "nobody said in time where its name leads")),
        Err(_) => Err(fault(backend, Cause::ConnectTimeout, "no connection in time")),
    }
}

/// `named` is set when it is known where to go.
async fn reach(backend: &Inner, named: &Cell<bool>) -> Result<Opened, Fault> {
    let addresses = match &backend.names {
        None => None,
        Some(names) => {
            let known = names.addresses().await;
            Some(known.ok_or_else(|| fault(backend, Cause::Dns, "its name is not known"))?)
        }
    };
    named.set(true);
    if let Some(addresses) = addresses {
        let stream = first_of(in_turn(addresses.to_vec())).await;
        let stream = stream.map_err(|error| blame(backend, &error))?;
        // Requests are written whole; waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let (peer, ear) = (stream.peer_addr().ok(), Ear::at(&stream));
        return Ok(Opened { io: secure(backend, stream).await?, peer, ear });
    }
    match &backend.config.address {
        Address::Unix(path) => {
            let stream = unix(path).await.map_err(|error| blame(backend, &error))?;
            let ear = Ear::at(&stream);
            Ok(Opened { io: secure(backend, stream).await?, peer: None, ear })
        }
        _ => Err(fault(backend, Cause::Refused, "it is declared as `none`")),
    }
}

async fn secure(backend: &Inner, stream: impl Io + 'static) -> Result<Box<dyn Io>, Fault> {
    let Some((connector, name)) = &backend.tls else { return Ok(Box::new(stream)) };
    match connector.connect(name.clone(), stream).await {
        Ok(stream) => {
            let spoken = stream.get_ref().1.alpn_protocol();
            if backend.config.protocol == Protocol::Http2 && spoken != Some(b"h2") {
                return Err(fault(backend, Cause::Protocol, "it does not speak HTTP/2 over TLS"));
            }
            Ok(Box::new(stream))
        }
        Err(error) => {
            let why = match tls_inside(&error) {
                Some(error) => trust::explain(error),
                None => "it hung up during the handshake",
            };
            Err(fault(backend, Cause::Tls, why))
        }
    }
}

/// The TLS library's own error inside an IO error.
pub fn tls_inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inside| inside.downcast_ref::<rustls::Error>())
}

/// A full queue answers EAGAIN on a unix socket, where TCP would wait; so the waiting is done here.
async fn unix(path: &Path) -> io::Result<UnixStream> {
    let mut pause = Duration::from_millis(1);
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            outcome => return outcome,
        }
    }
}

/// The system's order of preference, with the two families taking turns.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut turns = Vec::with_capacity(first.len() + second.len());
    for address in first {
        turns.push(address);
        turns.extend(second.next());
    }
    turns.extend(second);
    turns
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

/// The first address that answers. The next one starts when all before have failed, or are slow.
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    if let [only] = addresses.as_slice() {
        return TcpStream::connect(*only).await;
    }
    let mut waiting = addresses.into_iter();
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut worst = io::Error::from(io::ErrorKind::NotFound);
    let mut stagger = Box::pin(sleep(Duration::ZERO));
    std::future::poll_fn(move |cx| {
        loop {
            let mut at = 0;
            while let Some(attempt) = attempts.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        // That something refuses says more than that another address has no way.
                        if worst.kind() != io::ErrorKind::ConnectionRefused {
                            worst = error;
                        }
                        drop(attempts.swap_remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            if !attempts.is_empty() && stagger.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(address) => {
                    attempts.push(Box::pin(TcpStream::connect(address)));
                    stagger.as_mut().reset(crate::base::clock::now() + STAGGER);
                }
                None if attempts.is_empty() => {
                    return Poll::Ready(Err(std::mem::replace(&mut worst, io::ErrorKind::Other.into())));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

fn blame(backend: &Inner, error: &io::Error) -> Fault {
    use io::ErrorKind as K;
    const TOO_MANY_FILES: [Option<i32>; 2] = [Some(23), Some(24)];
    if TOO_MANY_FILES.contains(&error.raw_os_error()) {
        return fault(backend, Cause::Overloaded, "no file descriptor is left for a connection to it");
    }
    let (cause, why) = match error.kind() {
        K::ConnectionRefused | K::ConnectionReset => (Cause::Refused, "nobody listens there"),
        K::NotFound if matches!(backend.config.address, Address::Unix(_)) => {
            (Cause::Refused, "its socket does not exist")
        }
        K::PermissionDenied => (Cause::Unreachable, "we may not open its socket"),
        K::TimedOut => (Cause::ConnectTimeout, "it did not pick up"),
        _ => (Cause::Unreachable, "there is no way to it"),
    };
    fault(backend, cause, why)
}

/// A fault in words for the error log: the backend's name and why.
pub fn fault(backend: &Inner, cause: Cause, why: &str) -> Fault {
    Fault::with(cause, format!("backend `{}`: {why}", backend.config.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = of(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]);
        assert_eq!(in_turn(mixed), of(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]));
        assert_eq!(in_turn(vec![]), vec![]);
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(first_of(vec![dead, good]).await.unwrap().peer_addr().unwrap(), good);
        assert_eq!(first_of(vec![dead, dead]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_of(vec![]).await.is_err());
    }
}
