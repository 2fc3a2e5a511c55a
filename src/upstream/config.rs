//! What a `backend` declaration means.

use std::path::PathBuf;
use std::time::Duration;

use crate::plan;

/// One server behind the gateway. Two equal ones are the same: connections and counters outlive a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub name: Box<str>,
    pub address: Address,
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
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp { host: Box<str>, port: u16 },
    Unix(PathBuf),
}

/// How the backend proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsTo {
    /// The name its certificate must carry; `None`: the host of its address.
    pub name: Option<Box<str>>,
    /// The authorities that may have signed it; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Trust exactly the certificate with this SHA-256, whatever is wrong with it.
    pub pin: Option<[u8; 32]>,
}
