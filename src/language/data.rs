//! Files of rows: what `from file "projects.txt";` names in a `table` or an `acl`. They are texts of the tree
//! like rule files: read before anything is judged, with the same care, and again with every reload.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::ast::{ExprKind, Item, Member};
use super::diagnostic::Diagnostic;
use super::faults::Code;
use super::load::{Loaded, unreadable};
use super::source::{FileId, Files, Sources, Span, joined, quoted};

/// A row has some thirty bytes: this is well beyond a million of them.
const FILE_BYTES_MAX: u64 = 64 << 20;
const ALL_BYTES_MAX: usize = 128 << 20;

/// Reads every file that is named. One that can't be read is a fault at its name.
pub fn gather(files: &dyn Files, loaded: &mut Loaded) {
    let mut known: HashMap<PathBuf, Option<FileId>> = HashMap::new();
    let mut room = ALL_BYTES_MAX;
    for item in &loaded.items {
        let Item::Declaration(declaration) = item else { continue };
        for member in &declaration.body {
            let Member::FromFile { path, .. } = member else { continue };
            let ExprKind::Text { inner, .. } = path.kind else { continue };
            let private = loaded.sources.is_private(inner.file);
            let at = joined(loaded.sources.folder(inner.file), loaded.sources.text(inner));
            let file = *known.entry(at.clone()).or_insert_with(|| {
                match read(files, &at, inner, private, &mut loaded.sources, &mut room) {
                    Ok(file) => Some(file),
                    Err(fault) => {
                        loaded.found.push(*fault);
                        None
                    }
                }
            });
            if let Some(file) = file {
                loaded.data.insert(path.span, file);
            }
        }
    }
}

fn read(
    files: &dyn Files,
    path: &Path,
    at: Span,
    private: bool,
    sources: &mut Sources,
    room: &mut usize,
) -> Result<FileId, Box<Diagnostic>> {
    let shown = if private { "a private file".to_owned() } else { quoted(&path.display().to_string()) };
    let fault = |code, what: String, label: String| {
        Box::new(Diagnostic::new(code, at, format!("{shown} {what}")).label(label))
    };
    let too_large = |most: &str| {
        fault(Code::TooLarge, format!("is larger than {most}"), "is it the right file?".to_owned())
    };
    let read = files.read(path, FILE_BYTES_MAX).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => too_large("64 MB"),
        _ => Box::new(unreadable(&error, &shown, at)),
    })?;
    *room = room
        .checked_sub(read.bytes.len())
        .ok_or_else(|| too_large("what is left of the 128 MB that all files of rows may hold"))?;
    if private && read.mode & 0o077 != 0 {
        let mode = format!("its mode is {:04o}, and may be 0600 at most", read.mode & 0o7777);
        return Err(fault(Code::NotPrivate, "is private, but others may get at it".to_owned(), mode));
    }
    let no_text = |label: &str| fault(Code::NotText, "is no UTF-8 text".to_owned(), label.to_owned());
    let text = String::from_utf8(read.bytes).map_err(|_| no_text("write its rows as text"))?;
    if text.contains('\0') {
        return Err(no_text("there is a zero byte in it"));
    }
    Ok(sources.add(path.to_owned(), text, private))
}

/// The lines of a file that say something, each with the place where it begins; `#` at the start of a line
/// makes a comment.
pub fn lines(sources: &Sources, file: FileId) -> impl Iterator<Item = (&str, u32)> {
    let text = sources.whole(file);
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = text.len() - plain.len();
    plain.split_inclusive('\n').filter_map(move |line| {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        // By its first byte: asked of a million lines, `starts_with` is a fifth of the time.
        let said = line.as_bytes().first().is_some_and(|first| *first != b'#');
        said.then(|| (line, u32::try_from(start).unwrap_or(u32::MAX)))
    })
}

/// A piece of a line as a place.
pub fn place(file: FileId, start: u32, piece: &str) -> Span {
    Span::new(file, start, start.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX)))
}

/// The place of the row with this key among rows that begin at `starts`. Only for faults: it looks at them all.
pub fn row(sources: &Sources, starts: &[(FileId, u32)], key: &str) -> Option<Span> {
    starts.iter().find_map(|(file, start)| {
        let text = sources.whole(*file).get(*start as usize..)?;
        let (quote, text) = match text.strip_prefix('"') {
            Some(inside) => (1, inside),
            None => (0, text),
        };
        let ends = text.strip_prefix(key)?.starts_with(|c: char| c == '"' || c.is_whitespace());
        let length = u32::try_from(key.len()).unwrap_or(u32::MAX).saturating_add(2 * quote);
        ends.then(|| Span::new(*file, *start, start.saturating_add(length)))
    })
}
