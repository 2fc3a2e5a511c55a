//! Reads a PROXY header off a socket. The bytes are looked at (`MSG_PEEK`) and only the header is taken, so
//! that what follows (a TLS handshake, a request) stays in the socket for whoever reads it next.

use std::io;
use std::mem::MaybeUninit;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

use super::proxy::{self, Proxied};
use crate::base::address::{NetworkSet, Peer};
use crate::base::cause::Cause;
use crate::base::fault::Fault;

/// More than any sender writes: the longest addresses, a host name and a certificate's subject.
const HEADER_BYTES_MAX: usize = 4_096;

/// Whom a trusted peer brings along. Where the listener demands a header (`proxy_protocol = yes`), one is
/// demanded of trusted peers and never looked for in the bytes of others, who would otherwise choose their
/// own address. `None`: the peer speaks for itself.
///
/// It has no time limit of its own: `handshake_timeout` covers the TLS handshake as well.
pub async fn proxied(
    stream: &mut TcpStream,
    peer: Peer,
    demanded: bool,
    trusted: &NetworkSet,
) -> Result<Option<Proxied>, Fault> {
    if !demanded || !trusted.contains(peer.ip) {
        return Ok(None);
    }
    let mut counted = vec![MaybeUninit::uninit(); HEADER_BYTES_MAX];
    let mut bytes = vec![0; HEADER_BYTES_MAX];
    let mut seen = 0;
    loop {
        let ready = stream.ready(Interest::READABLE).await.map_err(|error| left(&error))?;
        let looked = stream.try_io(Interest::READABLE, || {
            let count = SockRef::from(&*stream).peek(&mut counted)?;
            // A peek takes nothing away, so the socket would go on calling itself readable and this loop
            // would spin until the header is whole. Nothing new is the same as nothing: "would block" makes
            // the runtime wait for the next bytes.
            if count == seen && count > 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        });
        match looked {
            Ok(0) => return Err(Fault::with(Cause::VisitorLeft, "the peer left before its PROXY header")),
            Ok(_) => seen = stream.peek(&mut bytes).await.map_err(|error| left(&error))?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A closed side stays ready for good; nothing will follow what was seen.
                if seen > 0 && ready.is_read_closed() {
                    return Err(Fault::with(Cause::Malformed, "the PROXY header ends in the middle"));
                }
                continue;
            }
            Err(error) => return Err(left(&error)),
        }
        match proxy::parse(bytes.get(..seen).unwrap_or_default())? {
            Some((length, proxied)) => {
                bytes.truncate(length);
                stream.read_exact(&mut bytes).await.map_err(|error| left(&error))?;
                return Ok(Some(proxied));
            }
            None if seen == HEADER_BYTES_MAX => {
                return Err(Fault::with(Cause::Malformed, "the PROXY header is longer than 4 KiB"));
            }
            None => {}
        }
    }
}

fn left(error: &io::Error) -> Fault {
    Fault::with(Cause::VisitorLeft, format!("the connection broke in the PROXY header: {}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Network;
    use std::future::poll_fn;
    use std::pin::pin;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    const HEADER: &[u8] = b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n";

    fn loopback() -> NetworkSet {
        NetworkSet::new([(Network::new("127.0.0.0".parse().unwrap(), 8).unwrap(), true)])
    }

    async fn pair() -> (TcpStream, TcpStream, Peer) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let visitor = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        visitor.set_nodelay(true).unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        (visitor, stream, Peer::new(address))
    }

    #[tokio::test]
    async fn the_header_is_taken_and_nothing_behind_it() {
        let (mut visitor, mut stream, peer) = pair().await;
        visitor.write_all(&[HEADER, b"GET / HTTP/1.1\r\n"].concat()).await.unwrap();
        let proxied = proxied(&mut stream, peer, true, &loopback()).await.unwrap().unwrap();
        assert_eq!(proxied.source, Some("198.51.100.7:4711".parse().unwrap()));
        assert_eq!(proxied.destination, Some("203.0.113.1:443".parse().unwrap()));
        visitor.shutdown().await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "GET / HTTP/1.1\r\n");
    }

    #[tokio::test]
    async fn a_header_in_pieces_is_waited_for() {
        let (mut visitor, mut stream, peer) = pair().await;
        let trusted = loopback();
        let writing = async {
            for byte in HEADER {
                visitor.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (read, ()) = tokio::join!(proxied(&mut stream, peer, true, &trusted), writing);
        assert!(read.unwrap().unwrap().source.is_some());
    }

    #[tokio::test]
    async fn half_a_header_leaves_the_worker_idle() {
        let (mut visitor, mut stream, peer) = pair().await;
        visitor.write_all(&HEADER[..20]).await.unwrap();
        stream.readable().await.unwrap();
        let trusted = loopback();
        let mut reading = pin!(proxied(&mut stream, peer, true, &trusted));
        let mut polls = 0;
        let mut waiting = std::time::Duration::from_millis(0);
        // A future that spins inside one poll never returns from it; one that wakes itself is polled again at
        // once. Time stands still until nobody has anything to do, so reaching its end proves idleness.
        tokio::time::pause();
        while waiting < std::time::Duration::from_secs(5) {
            let step = std::time::Duration::from_secs(1);
            let counted = poll_fn(|cx| {
                polls += 1;
                assert!(polls <= 3 * 5, "polled {polls} times while there was nothing to do");
                reading.as_mut().poll(cx).map(|_| ())
            });
            assert!(tokio::time::timeout(step, counted).await.is_err());
            waiting += step;
        }
        visitor.write_all(&HEADER[20..]).await.unwrap();
        assert!(poll_fn(|cx| reading.as_mut().poll(cx)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn who_is_not_trusted_is_not_asked_and_not_believed() {
        let (mut visitor, mut stream, peer) = pair().await;
        visitor.write_all(HEADER).await.unwrap();
        assert!(proxied(&mut stream, peer, true, &NetworkSet::default()).await.unwrap().is_none());
        assert!(proxied(&mut stream, peer, false, &loopback()).await.unwrap().is_none());
        let mut first = [0; 5];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"PROXY", "the bytes are left for the next reader, who will refuse them");
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let (mut visitor, mut stream, peer) = pair().await;
        visitor.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let fault = proxied(&mut stream, peer, true, &loopback()).await.err().unwrap();
        assert_eq!(fault.cause, Cause::Malformed);
    }

    #[tokio::test]
    async fn half_a_header_and_none_at_all_end_with_the_connection() {
        for (sent, cause) in [(&HEADER[..20], Cause::Malformed), (&b""[..], Cause::VisitorLeft)] {
            let (mut visitor, mut stream, peer) = pair().await;
            visitor.write_all(sent).await.unwrap();
            visitor.shutdown().await.unwrap();
            let fault = proxied(&mut stream, peer, true, &loopback()).await.err().unwrap();
            assert_eq!(fault.cause, cause);
        }
    }
}
