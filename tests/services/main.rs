//! The old servers themselves, as a community runs them, behind the house: started on free ports, each with
//! folders of its own, and gone with their test. `tests/needs.sh` installs them.

// A test says what is wrong by panicking, and how much it tried by printing.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod apache;
mod causes;
mod litmus;
mod php;
mod python;
mod server;
#[path = "../house/stage.rs"]
#[allow(dead_code)]
mod stage;
mod streams;
mod subversion;
mod web;
