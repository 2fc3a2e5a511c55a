//! What remains of a visit: one anonymous line, written exactly once, and a few counts.
//!
//! `house` opens the one [`Office`] and gives each worker a [`Pen`]; `visit` takes a [`Ticket`] from the pen
//! when a request arrives, fills it as facts come, and lets it [`ride`] on the answer's body; the line is
//! written when the ticket goes, however that happens. A background thread owns the files.
//!
//! Promises: no visitor's address (the ticket takes `Anonymous` only), no credential and no name of a
//! person is written, as far as a machine can tell one (`veil` says how, `docs/logs.md` tells operators);
//! every line is plain ASCII and can't be forged from outside; a full or missing disk never holds up a
//! worker: what can't be kept is counted and said. A clean stop loses nothing.
//!
//! | part | what it holds |
//! |---|---|
//! | `config` | what a `log` says; names of files |
//! | `veil` | what is taken out of text before it is written, and how the rest is escaped |
//! | `line` | the formats |
//! | `pen` | one worker's batches and counters |
//! | `ticket` | one visit on its way to its line |
//! | `office` | the shared part: which site writes where, the queue, the messages of the house itself |
//! | `writer` | the thread that owns the files |
//! | `metrics` | the one table of metrics |

pub mod config;
mod line;
pub mod metrics;
mod office;
mod pen;
mod process;
mod ticket;
mod veil;
mod writer;

#[cfg(test)]
mod tests;

pub use config::{FileName, Format, LogConfig};
pub use metrics::{BackendFigures, DirectorFigures, Handshake, Listener};
pub use office::{Level, Office, Options, Sheet};
pub use pen::{Pen, Presence};
pub use ticket::{Asked, Ticket, TunnelTicket, ride};

impl LogConfig {
    /// The log of a site that names none.
    pub fn standard() -> Self {
        Self {
            name: "standard".into(),
            format: Format::Combined,
            file: "{state}/log/{site}/access-{day}.log".into(),
            errors: "{state}/log/{site}/error-{day}.log".into(),
            names: Box::default(),
        }
    }
}
