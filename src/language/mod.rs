//! The rule language: text → typed declarations, or everything that is wrong with it, drawn.
//!
//! Called by `settings` (declarations → configs) and `cli` (`explain`, `check`). The way of a text:
//! `load` follows includes, `data` reads files of rows, `lexer` and `parser` make a tree of what is written, `check` resolves names and
//! judges every value by its row in `table`. What comes out is a [`Tree`].
//!
//! Promises: all faults of a tree in one run and in file order; each with its code ([`faults`]), its place
//! and the next thing to do; the text of private files in no message. Bounded in bytes, files, depth and
//! faults, whatever the text says. It never does IO but through [`Files`], reads no clock and no
//! environment of its own, and knows no room: what a url or a path means is judged in `settings`.

pub mod ast;
mod check;
mod data;
pub mod diagnostic;
pub mod faults;
pub mod format;
pub mod lexer;
mod load;
pub mod manual;
pub mod mend;
pub mod parser;
pub mod program;
pub mod source;
pub mod suggest;
pub mod table;
pub mod tree;
pub mod vocabulary;

use std::path::Path;

pub use check::Environment;
pub use diagnostic::{Diagnostic, Diagnostics, Edit, Found};
pub use faults::{Code, Severity, explain};
pub use load::{Loaded, load};
pub use source::{Files, Memory, Read, Sources, Span};
pub use suggest::Suggestions;
pub use tree::Tree;

/// Reads a whole tree. What is wrong with it stands in the tree, so that `settings` can add what it finds
/// and a person sees everything in one run.
pub fn read(files: &dyn Files, main: &Path, environment: Environment<'_>) -> Tree {
    let mut loaded = load::load(files, main);
    data::gather(files, &mut loaded);
    check::check(loaded, files, environment)
}

#[cfg(test)]
mod tests;
