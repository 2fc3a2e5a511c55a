//! The handshake. One TLS configuration for the life of the process, so that a reload costs nobody a full
//! handshake; certificates are looked up through a pointer that a reload swaps.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Certificates, canonical};
use super::tickets::Tickets;
use crate::base::cause::Cause;
use crate::base::crypto;
use crate::base::fault::Fault;
use crate::message::exchange::Secure;

/// Sealed bytes that may wait for a visitor who reads slowly: one piece of a large body from a backend, so
/// that it leaves in one write.
const SEALED_BYTES_MAX: usize = 136 << 10;

pub type TlsStream<S> = tokio_rustls::server::TlsStream<S>;

/// Does handshakes; shared by all workers.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    current: Arc<Current>,
    tickets: Arc<Tickets>,
}

/// The certificates of the current generation.
struct Current(ArcSwap<Certificates>);

impl Acceptor {
    /// `tickets`: those of the process before, so that its visitors resume here.
    pub fn new(certificates: Arc<Certificates>, tickets: Tickets) -> Result<Self, rustls::Error> {
        let tickets = Arc::new(tickets);
        let current = Arc::new(Current(ArcSwap::new(certificates)));
        let mut config = ServerConfig::builder_with_provider(crypto::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // What is needed to resume lies with the visitor, sealed under keys that change every six hours:
        // nothing here grows with the number of visitors. rustls takes a ticket only under the name it was
        // given for, so a session never crosses from one site to another.
        config.ticketer = Arc::clone(&tickets) as Arc<dyn ProducesTickets>;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Two, because a ticket is used once and a page with a WebSocket opens a second connection.
        config.send_tls13_tickets = 2;
        Ok(Self { tls: TlsAcceptor::from(Arc::new(config)), current, tickets })
    }

    /// Shows other certificates from the next handshake on. Open connections and sessions live on.
    pub fn swap(&self, certificates: Arc<Certificates>) {
        self.current.0.store(certificates);
    }

    /// The certificates that are shown now.
    pub fn certificates(&self) -> Arc<Certificates> {
        self.current.0.load_full()
    }

    /// The keys behind what visitors resume with.
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// One handshake. It has no time limit of its own: `handshake_timeout` covers the PROXY header as well.
    pub async fn accept<S>(&self, stream: S) -> Result<(TlsStream<S>, Secure), Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let roomy = |connection: &mut ServerConnection| connection.set_buffer_limit(Some(SEALED_BYTES_MAX));
        let stream = self.tls.accept_with(stream, roomy).await.map_err(|error| fault(&error))?;
        let secure = self.secure(stream.get_ref().1);
        Ok((stream, secure))
    }

    /// What a finished handshake settled.
    pub fn secure(&self, connection: &ServerConnection) -> Secure {
        let name = connection.server_name();
        Secure {
            name: name.map(|name| canonical(name).into()),
            certificate: self.current.0.load().shown(name).mark,
            protocol: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().shown(hello.server_name()).key))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

/// Whether the handshake settled on HTTP/2; who names no protocol speaks HTTP/1.1.
pub fn speaks_h2(connection: &ServerConnection) -> bool {
    connection.alpn_protocol() == Some(b"h2")
}

/// What the first byte on an https port says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// A handshake.
    Tls,
    /// Plain HTTP: it can be told so in words it understands.
    Http,
    /// The visitor left without a word.
    Nothing,
    /// Neither; the handshake will refuse it.
    Other,
}

/// Looks at the first byte without taking it.
pub async fn greeting(stream: &TcpStream) -> io::Result<Greeting> {
    let mut first = [0_u8; 1];
    let count = stream.peek(&mut first).await?;
    Ok(match (count, first) {
        (0, _) => Greeting::Nothing,
        // The record type of a handshake; no HTTP method begins with a control character.
        (_, [0x16]) => Greeting::Tls,
        (_, [byte]) if byte.is_ascii_alphabetic() => Greeting::Http,
        _ => Greeting::Other,
    })
}

/// Why a handshake failed. There is no page for it: the visitor got a TLS alert, and the log gets this.
fn fault(error: &io::Error) -> Fault {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => {
            Fault::with(Cause::VisitorLeft, format!("the visitor broke off the TLS handshake: {alert:?}"))
        }
        Some(error) => Fault::with(Cause::Malformed, format!("the TLS handshake failed: {error}")),
        None => Fault::with(
            Cause::VisitorLeft,
            format!("the visitor left during the TLS handshake: {}", error.kind()),
        ),
    }
}
