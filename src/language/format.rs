//! One layout for every rule file: what `doorward fmt` writes.
//!
//! It works on tokens and comments, not on the tree: nothing but white space is ever made or lost, and that
//! is checked each time before a text is handed out. What the writer decides stays: whether a short block
//! stands on one line, and where a blank line parts two thoughts.

mod layout;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, Found};
use super::faults::Code;
use super::lexer::{self, Lexed, lex};
use super::load::load;
use super::parser::{parse, parse_statements};
use super::source::{FileId, Files, Sources, Span};
use super::suggest::Suggestions;
use super::vocabulary::Dialect;

/// A tree, laid out.
pub struct Formatted {
    /// The files that could be read, in the order of the tree.
    pub files: Vec<Laid>,
    /// What keeps the others from it.
    pub found: Diagnostics,
}

/// A file as it should look.
pub struct Laid {
    pub path: PathBuf,
    pub text: String,
    /// Whether it looked otherwise before.
    pub changed: bool,
}

/// Lays out a main file and everything it includes. A file with a fault in it is left out.
pub fn tree(files: &dyn Files, main: &Path) -> Formatted {
    let loaded = load(files, main);
    if loaded.found.has_errors()
        && let Some(laid) = lone_fragment(&loaded.sources, loaded.dialect)
    {
        return laid;
    }
    let mut found = loaded.found;
    let faulty: Vec<FileId> =
        found.iter().filter(|fault| fault.is_error()).map(|fault| fault.span.file).collect();
    let mut laid = Vec::new();
    for (at, path) in loaded.sources.paths().enumerate() {
        let file = FileId(u32::try_from(at).unwrap_or(u32::MAX));
        if faulty.contains(&file) {
            continue;
        }
        let fragment = loaded.fragments.contains(&file);
        match layout(&loaded.sources, file, loaded.dialect, fragment) {
            Ok(text) => {
                laid.push(Laid { path: path.to_owned(), changed: text != loaded.sources.whole(file), text });
            }
            Err(fault) => found.push(*fault),
        }
    }
    Formatted { files: laid, found: Diagnostics::new(Arc::new(loaded.sources), found) }
}

/// A file that was named by itself may be one that others include in a `sub`.
fn lone_fragment(sources: &Sources, dialect: Dialect) -> Option<Formatted> {
    let main = FileId(0);
    let path = sources.paths().next().filter(|_| sources.len() == 1)?.to_owned();
    let again = sources_of(sources.whole(main), &path);
    let mut found = Found::default();
    let statements = parse_statements(&again, main, 0, dialect, &mut found, &mut Suggestions::default());
    if found.has_errors() || statements.is_empty() {
        return None;
    }
    let text = layout(&again, main, dialect, true).ok()?;
    let changed = text != again.whole(main);
    let found = Diagnostics::new(Arc::new(again), found);
    Some(Formatted { files: vec![Laid { path, text, changed }], found })
}

fn sources_of(text: &str, path: &Path) -> Sources {
    let mut sources = Sources::default();
    sources.add(path.to_owned(), text.to_owned(), false);
    sources
}

/// Lays out one text by itself; its includes are not followed. `name` is how faults call it.
pub fn text(text: &str, name: &Path) -> Result<String, Diagnostics> {
    let sources = sources_of(text, name);
    let dialect = lexer::dialect(text);
    let main = FileId(0);
    let mut found = Found::default();
    parse(&sources, main, dialect, &mut found, &mut Suggestions::default());
    if found.has_errors() {
        return match lone_fragment(&sources, dialect) {
            Some(laid) => Ok(laid.files.into_iter().map(|laid| laid.text).collect()),
            None => Err(Diagnostics::new(Arc::new(sources), found)),
        };
    }
    layout(&sources, main, dialect, false).map_err(|fault| {
        found.push(*fault);
        Diagnostics::new(Arc::new(sources), found)
    })
}

/// The text laid out, unless that would change what it says.
fn layout(
    sources: &Sources,
    file: FileId,
    dialect: Dialect,
    fragment: bool,
) -> Result<String, Box<Diagnostic>> {
    let before = sources.whole(file);
    let after = layout::layout(before, file, dialect, fragment);
    if says(before, file, dialect) == says(&after, file, dialect) {
        return Ok(after);
    }
    Err(Box::new(
        Diagnostic::new(
            Code::Unexpected,
            Span::new(file, 0, 0),
            "a layout for this file would have changed what it says",
        )
        .label("it is left as it is")
        .help("this is a fault of doorward; please report it with the file"),
    ))
}

/// All that is not white space, in its order: tokens, then comments.
fn says(text: &str, file: FileId, dialect: Dialect) -> (Vec<(lexer::TokenKind, &str)>, Vec<String>) {
    let Lexed { tokens, comments } = lex(file, text, dialect, &mut Found::default());
    let part = |start: u32, end: u32| text.get(start as usize..end as usize).unwrap_or("");
    let tokens = tokens.iter().map(|token| (token.kind, part(token.start, token.end))).collect();
    let comments = comments.iter().map(|span| layout::comment_text(part(span.start, span.end))).collect();
    (tokens, comments)
}
