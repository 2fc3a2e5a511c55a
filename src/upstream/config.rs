//! What a `backend` declaration means.

use std::path::PathBuf;
use std::time::Duration;

pub use super::breaker::BreakerTerms;
use crate::message::Host;
use crate::message::homeward::Place;
use crate::plan;

/// One server behind the gateway. Two equal ones are the same: connections and counters outlive a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub name: Box<str>,
    pub address: Address,
    pub protocol: Protocol,
    /// `None`: plain.
    pub tls: Option<TlsTo>,
    /// The `Host` the backend sees; `None`: what the visitor typed.
    pub host_header: Option<Box<str>>,
    pub visitor_address: plan::VisitorAddress,
    /// Name look-up, connection and TLS handshake together. As with every time here, zero is no limit.
    pub connect_timeout: Duration,
    /// From the last byte of the request to the first of the answer.
    pub first_byte_timeout: Duration,
    /// The longest pause within an answer.
    pub between_bytes_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections each worker keeps.
    pub idle_max: usize,
    /// How long it takes to its full weight among the members of a director when it has come back.
    pub slow_start: Duration,
    /// How many connections it may have at once, all workers together; 0 is no limit.
    pub max_connections: usize,
    /// How its health is asked; `None`: it is taken for healthy.
    pub probe: Option<ProbeConfig>,
    /// When it is left alone because visitors' requests failed.
    pub breaker: BreakerTerms,
    /// How often its name is asked for again.
    pub resolve_every: Duration,
}

impl Config {
    /// What it may call itself: where it stands, and the `Host` it is told.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let tls = self.tls.is_some();
        let stands = match &self.address {
            Address::Tcp { host, port } => Some(Place { name: host.clone(), port: *port, told: false }),
            Address::Unix(_) | Address::Nowhere => None,
        };
        let told = self.host_header.as_ref().and_then(|host| Host::parse(host.as_bytes()).ok());
        stands.into_iter().chain(told.map(|host| Place::told(&host, tls)))
    }
}

/// What is spoken to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    Http1,
    /// From the first byte on, over TLS or without it.
    Http2,
    /// To programs that run scripts, as php-fpm does.
    FastCgi,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp {
        host: Box<str>,
        port: u16,
    },
    Unix(PathBuf),
    /// `backend x none;`: it is never healthy, and nobody is asked.
    Nowhere,
}

/// How a backend's health is asked: of the last `window` answers, `threshold` must have been good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConfig {
    pub ask: Ask,
    /// The statuses of a good answer, the first and the last of each range.
    pub expected: Box<[(u16, u16)]>,
    /// From the attempt to connect to the end of the answer.
    pub timeout: Duration,
    /// From one question to the next.
    pub interval: Duration,
    /// How many answers count, 1 to 64.
    pub window: u32,
    /// How many of them must be good; 0 is "it is always healthy".
    pub threshold: u32,
    /// How many of them count as good when nothing was asked yet, `threshold` at most.
    pub initial: u32,
    /// The connection is to end with the answer: one that stays open past `timeout` is a bad answer.
    pub expect_close: bool,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `GET` of this path and query, with the backend's `.host_header` (else its host) and
    /// `Connection: close`.
    Url(Box<str>),
    /// A whole request as the rules say it, each line ended by CR LF, and the empty line at its end.
    Request(Box<[u8]>),
    /// Nothing: that it takes the connection, and proves who it is where it does so by TLS, is its answer.
    Connection,
    /// What a FastCGI server can do (`FCGI_GET_VALUES`): no script runs.
    Values,
    /// A script of a FastCGI server, such as php-fpm's `ping.path`: the status it answers.
    Script(Box<str>),
}

/// How the backend proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsTo {
    /// The name its certificate must carry; `None`: the host of its address.
    pub name: Option<Box<str>>,
    /// The authorities that may have signed it; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// The certificate and the key by which the house proves who it is, where the backend asks for that.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Trust exactly the certificate with this SHA-256, whatever is wrong with it.
    pub pin: Option<[u8; 32]>,
}
