//! The texts of a tree of rule files, and places in them.

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// The only way in which the language meets the world: one file, read whole.
pub trait Files {
    /// Reads a regular file of at most `bytes_max` bytes ([`io::ErrorKind::FileTooLarge`] otherwise). Bytes
    /// and mode come from the same open file, so that nobody can swap it between look and read.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Read>;
}

/// What a file held, and who may read it.
pub struct Read {
    pub bytes: Vec<u8>,
    /// The permission bits, as `chmod` counts them.
    pub mode: u32,
}

/// Files that exist in memory only: for tests, examples and the bench.
#[derive(Clone, Debug, Default)]
pub struct Memory(Vec<(PathBuf, u32, Vec<u8>)>);

impl Memory {
    #[must_use]
    pub fn with(mut self, path: &str, mode: u32, text: impl Into<Vec<u8>>) -> Self {
        self.0.push((PathBuf::from(path), mode, text.into()));
        self
    }
}

impl Files for Memory {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Read> {
        let (_, mode, bytes) =
            self.0.iter().find(|(name, ..)| name == path).ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() as u64 > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Read { bytes: bytes.clone(), mode: *mode })
    }
}

/// A file of the tree, in the order in which the tree was read: the main file is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A piece of a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// For what stands in no file: a main file that can't be read.
    pub const NOWHERE: Span = Span { file: FileId(u32::MAX), start: 0, end: 0 };

    pub const fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// From the start of this to the end of the other.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start, end: other.end.max(self.start) }
    }

    /// The empty place in front of it.
    #[must_use]
    pub const fn front(self) -> Span {
        Span { file: self.file, start: self.start, end: self.start }
    }

    /// The empty place behind it.
    #[must_use]
    pub const fn behind(self) -> Span {
        Span { file: self.file, start: self.end, end: self.end }
    }
}

/// Where a span begins, as people count: from one, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

struct Source {
    name: String,
    path: PathBuf,
    text: String,
    private: bool,
    /// Where each line begins; found when the first place is asked for.
    lines: OnceLock<Vec<u32>>,
}

/// All texts of a tree. Its `Debug` names the files and hides their texts.
#[derive(Default)]
pub struct Sources(Vec<Source>);

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|source| &source.name)).finish()
    }
}

impl Sources {
    pub(super) fn add(&mut self, path: PathBuf, text: String, private: bool) -> FileId {
        let id = FileId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        let name = printable(&path.display().to_string(), usize::MAX);
        self.0.push(Source { name, path, text, private, lines: OnceLock::new() });
        id
    }

    fn get(&self, file: FileId) -> Option<&Source> {
        self.0.get(file.0 as usize)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The files, in the order in which they were read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|source| source.path.as_path())
    }

    /// The name of a file as messages show it.
    pub fn name(&self, file: FileId) -> &str {
        self.get(file).map_or("", |source| &source.name)
    }

    /// The folder in which relative names of this file begin.
    pub fn folder(&self, file: FileId) -> &Path {
        self.get(file).and_then(|source| source.path.parent()).unwrap_or(Path::new(""))
    }

    /// Whether the file was included as `private` (or by a private file): its text is never shown.
    pub fn is_private(&self, file: FileId) -> bool {
        self.get(file).is_some_and(|source| source.private)
    }

    pub fn whole(&self, file: FileId) -> &str {
        self.get(file).map_or("", |source| &source.text)
    }

    pub fn text(&self, span: Span) -> &str {
        self.whole(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The text of a span as a message may show it: shortened, without control characters, and never from a
    /// private file.
    pub fn quote(&self, span: Span) -> String {
        if self.is_private(span.file) {
            return "(private text)".to_owned();
        }
        quoted(self.text(span))
    }

    fn line_starts(source: &Source) -> &[u32] {
        source.lines.get_or_init(|| {
            std::iter::once(0)
                .chain(
                    source
                        .text
                        .bytes()
                        .enumerate()
                        .filter(|(_, byte)| *byte == b'\n')
                        .map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX)),
                )
                .collect()
        })
    }

    pub fn place(&self, file: FileId, offset: u32) -> Option<Place> {
        let source = self.get(file)?;
        let starts = Self::line_starts(source);
        let line = starts.partition_point(|start| *start <= offset);
        let start = *starts.get(line.checked_sub(1)?)?;
        let before = source.text.get(start as usize..offset as usize).unwrap_or("");
        Some(Place { line, column: before.chars().count() + 1 })
    }

    /// `backends.vcl:3`, for a place named in passing.
    pub fn short_place(&self, span: Span) -> String {
        match self.place(span.file, span.start) {
            Some(place) => format!("{}:{}", self.name(span.file), place.line),
            None => "nowhere".to_owned(),
        }
    }

    /// The line in which a span begins, as a message may show it: trimmed and shortened, nothing of a private
    /// file.
    pub fn quote_line(&self, span: Span) -> String {
        match self.place(span.file, span.start) {
            Some(place) if !self.is_private(span.file) => {
                printable(self.line(span.file, place.line).trim(), 100)
            }
            _ => String::new(),
        }
    }

    /// A rule as it is told of: what stands at its place, up to the end of the line; nothing of a private file. Of
    /// an `if` it is the question alone, since what stands behind it may not have been done.
    pub fn quote_rule(&self, span: Span) -> String {
        if self.is_private(span.file) {
            return String::new();
        }
        let (start, end) = (span.start as usize, span.end as usize);
        let whole = self.whole(span.file);
        let before = whole.get(..start).unwrap_or_default();
        let before = before.get(before.rfind('\n').map_or(0, |at| at + 1)..).unwrap_or_default();
        // The question of an `if` stands behind its word and a bracket.
        let word = before.trim_end().ends_with('(').then(|| before.rfind("if")).flatten();
        let word = word.map(|at| before.get(..at).unwrap_or_default()).map(|ahead| {
            let bare = ahead.trim_end();
            bare.strip_suffix("else").or_else(|| bare.strip_suffix("els")).unwrap_or(ahead).len()
        });
        let (from, to) = match word {
            Some(at) => (start - before.len() + at, whole.len()),
            None => (start, end),
        };
        let line = whole.get(from..to).unwrap_or_default().lines().next().unwrap_or_default();
        let asks = line.starts_with("if") || line.starts_with("els");
        let end = if asks { line.find(") {").map(|at| at + 1) } else { None };
        printable(line.get(..end.unwrap_or(line.len())).unwrap_or_default().trim(), 100)
    }

    /// A line (counted from one) without its end.
    pub(super) fn line(&self, file: FileId, line: usize) -> &str {
        let Some(source) = self.get(file) else { return "" };
        let starts = Self::line_starts(source);
        let Some(start) = line.checked_sub(1).and_then(|at| starts.get(at)) else { return "" };
        let end = starts.get(line).map_or(source.text.len(), |next| *next as usize);
        source.text.get(*start as usize..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }
}

/// `text` between backticks, shortened, without control characters.
pub fn quoted(text: &str) -> String {
    format!("`{}`", printable(text, 60))
}

/// Control characters could move a terminal's cursor or hide what stands there: they become `\u{…}`.
pub(super) fn printable(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(256));
    for (count, c) in text.chars().enumerate() {
        if count == chars_max {
            out.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that turn the direction of text or show nothing: source could look other than it is.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A path joined and tidied without asking the disk, so that the same file has the same name.
pub fn joined(folder: &Path, name: impl AsRef<Path>) -> PathBuf {
    let mut out = PathBuf::new();
    for part in folder.join(name).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_and_in_characters() {
        let mut sources = Sources::default();
        let file = sources.add(PathBuf::from("a.vcl"), "ü = 1;\r\n  x\n".to_owned(), false);
        assert_eq!(sources.place(file, 3), Some(Place { line: 1, column: 3 }));
        assert_eq!(sources.place(file, 11), Some(Place { line: 2, column: 3 }));
        assert_eq!(sources.line(file, 1), "ü = 1;");
        assert_eq!(sources.line(file, 2), "  x");
        assert_eq!(sources.line(file, 9), "");
        assert_eq!(sources.place(FileId(7), 0), None);
    }

    #[test]
    fn a_path_has_one_name() {
        for (folder, name, path) in [
            ("", "./b.vcl", "b.vcl"),
            ("sites", "../b.vcl", "b.vcl"),
            ("/etc/doorward", "sites/./x.vcl", "/etc/doorward/sites/x.vcl"),
            ("etc", "/b.vcl", "/b.vcl"),
            ("", "../b.vcl", "../b.vcl"),
        ] {
            assert_eq!(joined(Path::new(folder), name), Path::new(path), "{folder} {name}");
        }
    }

    #[test]
    fn what_could_move_the_cursor_is_written_out() {
        assert_eq!(quoted("a\u{1b}[2Jb\u{202e}"), "`a\\u{1b}[2Jb\\u{202e}`");
        assert_eq!(quoted(&"x".repeat(90)).chars().count(), 63);
    }
}
