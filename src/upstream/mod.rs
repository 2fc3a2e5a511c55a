//! The way to the old servers: connections over TCP, TLS and unix sockets, kept alive and used again.
//!
//! Called by `visit`, which hands in a finished request and gets an answer or a fault with its cause.
//! HTTP/1 is spoken by hyper's client connection; around it stands what a gateway in front of servers it
//! does not trust needs more: a watcher on the bytes (`wire`) that refuses heads with two readings, a check
//! of the framing (`framing`), the clocks, and the idle connections of one worker (`pool`).
//!
//! Promises:
//! - An answer is whole, or its body ends in a fault; a cut answer never looks like a complete one.
//! - A connection on which anything odd was seen is never used again.
//! - A request that a backend may have acted on is never sent twice; only what was surely not sent, or is
//!   safe to ask twice and has no body, is tried again, once, on a fresh connection.
//! - Faults name a backend, never its address, path or certificate names.
//! - Nothing is buffered beyond one connection's buffers: a slow reader slows the backend.
//!
//! It keeps no health: a backend is asked again each time.

mod backend;
mod body;
pub mod config;
mod connect;
mod framing;
mod pool;
mod send;
#[cfg(test)]
mod tests;
mod trust;
mod wire;

pub use backend::{Backend, Figures};
pub use config::*;
pub use pool::Pool;
pub use send::Answer;
