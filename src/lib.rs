//! Doorward: one program in front of every legacy service of a community, under one domain.
//!
//! The house has floors; a room may use rooms on lower floors only, and rooms on one floor never
//! use each other. `tests/floors.rs` holds the house to it; `ARCHITECTURE.md` is the map.

// Floor 0
pub mod base;
// Floor 1: what a request means, and what rules may ask for
pub mod message;
pub mod plan;
// Floor 2
pub mod language;
pub mod script;
pub mod store;
// Floor 3: the rooms along the corridor
pub mod answer;
pub mod files;
pub mod listen;
pub mod record;
pub mod rules;
pub mod tls;
pub mod upstream;
// Floor 4: annexes
pub mod admin;
pub mod settings;
// Floor 5: the corridor, and what it would do
pub mod plays;
pub mod visit;
// Beside it: what is asked while rules are written
pub mod editor;
// Floor 6
pub mod front;
// Floor 7
pub mod house;
// Floor 8
pub mod demo;
// Floor 9
pub mod cli;
