//! The https door: which certificate a visitor is shown, and the handshake.
//!
//! Called by `front` (a handshake for each connection), `house` (builds `Certificates` for a generation,
//! renews them, keeps one `Acceptor` for its whole life) and `visit` (which certificate belongs to a host).
//!
//! | part | what it holds |
//! |---|---|
//! | `acceptor` | one TLS configuration for the life of the process; certificates are swapped under it |
//! | `tickets` | the keys of session tickets, turned every six hours, handed over in an upgrade |
//! | `certificates` | name → certificate, a neutral one for everybody else; never changed once built |
//! | `files` | certificates an operator keeps in files, and what is wrong with them in plain words |
//! | `authority` | the authority the machine makes for itself, so that a first run has https |
//!
//! Promises: a certificate that can't be read never takes a site down, and never goes unreported; a key is
//! never written where others can read it; a root is never replaced behind anybody's back. Never does:
//! client certificates, early data (a request in it could be replayed), TLS below 1.2, suites without AEAD.
//!
//! An idle connection costs about 9 KiB resident, its socket and a bare task included (2,500 connections,
//! mimalloc): 4 KiB are the read buffer that rustls keeps, 1.2 KiB the connection itself, 2 KiB lie outside
//! Rust's heap (ciphers in C, the allocator's rounding). None of it can be given back while the connection
//! lives, so what is built around it has to be small.

mod acceptor;
mod authority;
mod certificates;
mod disk;
pub mod files;
mod tickets;

pub use acceptor::{Acceptor, Greeting, TlsStream, greeting, speaks_h2};
pub use authority::{Authority, AuthorityFault, needs_renewal};
pub use certificates::{Certificates, Problem, Severity, Wanted};
pub use tickets::Tickets;

#[cfg(test)]
mod tests;
