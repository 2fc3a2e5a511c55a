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
//! - Of several that answer as one (`director`) another is tried where nobody has seen anything of the request, or
//!   where it only reads and its body can be sent again: that at most for a tenth of all requests.
//! - Faults name a backend, never its address, path or certificate names.
//! - Nothing is buffered here beyond one connection's buffers: who reads slowly slows the backend, unless the
//!   corridor drains the answer for him.
//! - `.workers` and `.max_connections` are exact over all workers. The first counts connections, from before they
//!   are opened until they are closed, at rest too; the second counts requests, from before their connection is
//!   taken until their answer or tunnel has ended. Who must wait waits in one line, first come, first served.
//!
//! - A backend whose probe says that it is sick, and one that an operator has drained, is asked nothing. One
//!   whose visitors' requests fail is left alone too, but for one visitor now and then (`breaker`); that happens
//!   with the failure, not by a timer.
//! - A name is asked for in the background and kept when nobody answers any more (`names`).
//!
//! The house has `tending` run on the control thread for each backend: it probes, asks for names and tells what
//! changed; workers only read what came of it.

mod backend;
mod body;
mod breaker;
pub mod config;
mod connect;
mod director;
pub mod fastcgi;
mod framing;
mod health;
mod names;
mod permits;
mod pool;
mod probe;
mod queue;
mod send;
mod streams;
mod target;
#[cfg(test)]
mod tests;
mod trust;
mod wire;

pub use backend::{Backend, Figures};
pub use config::*;
pub use director::{By, Director, DirectorConfig, MemberStanding, Policy, StickyKey, Weighed};
pub use health::{Condition, Standing};
pub use pool::Pool;
pub use probe::{Event, News, tending};
pub use send::{Answer, Patience, Waits};
pub use target::{Passage, Target};
