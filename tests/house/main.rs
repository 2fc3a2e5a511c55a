//! The house, tried from the street: real sockets, real TLS, real old servers (as wicked as they come), all in
//! one process on free ports. Modules by subject; `stage` is what they stand on.

// A test says what is wrong by panicking, and how much it tried by printing.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod answers;
mod corridor;
mod directors;
mod editor;
mod files;
mod frames;
mod health;
mod http1_life;
mod http1_refused;
mod http2;
mod http2_raw;
mod life;
mod limits;
mod mirror;
mod pages;
mod records;
mod rules;
mod stage;
mod tls;
mod tools;
mod trust;
mod upgrade;
mod ways;
