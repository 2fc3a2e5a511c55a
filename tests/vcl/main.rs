//! Our compiler and our machine, held against Debian's Varnish.
//!
//! `corpus`: some four thousand snippets of VCL with the verdict that `varnishd` gave; ours must be the same, and
//! the few that differ on purpose are named with their reason in `corpus/known.txt`. `plays`: rules and requests
//! for which both must decide the same. What needs `varnishd` says so when it is missing, and is never skipped
//! where `CI` is set.

// A test says what is wrong by panicking, and how much it tried by printing.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod corpus;
mod ours;
mod plays;
mod varnish;
