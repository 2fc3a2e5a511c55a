//! What operators try their rules with: one simulator, and what is made of it.
//!
//! Called by `cli`: `explain` (one request, told), `test` (plays: requests and what is expected of them),
//! `replay` (a log, decided again), `diff` (two trees compared). Promises: a request is read, routed, run
//! through the rules and judged by the code that serves (`message`, `rules`, `plan`), so that what is told here
//! is what would happen; the same play ends the same way each time; whatever stands in a play or a log, there
//! is an answer and no panic. It opens no connection, asks no backend and reads no clock: time, health,
//! answers and chance are what a play says.

mod asked;
mod decide;
mod decision;
mod difference;
mod doors;
mod expect;
mod gateway;
mod hinges;
mod logs;
mod replay;
mod run;
mod script;
mod tell;

pub use asked::{Asked, Scheme, Target};
pub use decide::Stage;
pub use decision::{Decision, Handling, Kind, Spot, Step};
pub use difference::{Change, Turn, compare, draw};
pub use doors::Door;
pub use gateway::Gateway;
pub use replay::{About, Replayed, replay};
pub use run::{Coverage, Failure, Report, Visited, coverage, play};
pub use script::{BYTES_MAX, Flaw, Given, Played, Script, Scripted, parse};
pub use script::{header, status_of as status};
pub use tell::{json, short, story};

#[cfg(test)]
mod tests;
