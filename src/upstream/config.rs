//! What an operator says of one backend.

use std::path::PathBuf;
use std::time::Duration;

use crate::plan::VisitorAddress;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub name: Box<str>,
    pub address: Address,
    /// `None`: plain http.
    pub tls: Option<TlsTo>,
    /// `None`: what the visitor typed.
    pub host_header: Option<Box<str>>,
    pub visitor_address: VisitorAddress,
    pub connect_timeout: Duration,
    pub first_byte_timeout: Duration,
    pub between_bytes_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections each worker keeps.
    pub idle_max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IPv6 address stands without brackets.
    Tcp {
        host: Box<str>,
        port: u16,
    },
    Unix(PathBuf),
}

/// How a backend proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsTo {
    /// The name its certificate must carry; `None`: the host of its address.
    pub name: Option<Box<str>>,
    /// Trust these authorities instead of the system's.
    pub ca: Option<PathBuf>,
    /// Trust exactly the leaf with this SHA-256 and nothing else.
    pub pin: Option<[u8; 32]>,
}
