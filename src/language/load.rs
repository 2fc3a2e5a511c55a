//! Main file and includes → one list of items, in the order of the text.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use super::ast::{Block, Include, Item, Statement, StatementKind};
use super::diagnostic::{Diagnostic, Found};
use super::faults::Code;
use super::lexer;
use super::parser::{parse, parse_statements};
use super::source::{FileId, Files, Sources, Span, joined, quoted};
use super::suggest::Suggestions;
use super::vocabulary::Dialect;

const FILE_BYTES_MAX: u64 = 32 << 20;
const TREE_BYTES_MAX: u64 = 64 << 20;
const FILES_MAX: usize = 1_000;
const INCLUDES_DEEP_MAX: usize = 16;

/// A tree as it is written.
pub struct Loaded {
    pub sources: Sources,
    /// What the main file speaks, and with it the whole tree.
    pub dialect: Dialect,
    pub items: Vec<Item>,
    /// Files whose statements stand in subs.
    pub fragments: BTreeSet<FileId>,
    pub found: Found,
    pub suggestions: Suggestions,
    /// The files that `from file "…"` names, by the place of the name.
    pub data: HashMap<Span, FileId>,
}

/// Reads a tree; what could not be read stands in `found`.
pub fn load(files: &dyn Files, main: &Path) -> Loaded {
    let mut loader = Loader {
        files,
        into: Loaded {
            sources: Sources::default(),
            dialect: Dialect::Doorward,
            items: Vec::new(),
            fragments: BTreeSet::new(),
            found: Found::default(),
            suggestions: Suggestions::default(),
            data: HashMap::new(),
        },
        first: HashMap::new(),
        within: HashMap::new(),
        bytes: 0,
        included: 0,
    };
    let main = joined(Path::new(""), main);
    loader.first.insert(main.clone(), Span::NOWHERE);
    if let Some(file) = loader.read(&main, Span::NOWHERE, false) {
        loader.into.dialect = lexer::dialect(loader.into.sources.whole(file));
        loader.file(file, &main, 0);
    }
    loader.into
}

struct Loader<'a> {
    files: &'a dyn Files,
    into: Loaded,
    /// Where each file was asked for first.
    first: HashMap<PathBuf, Span>,
    /// Files of statements, which may stand in several subs; `None` where one can't be read.
    within: HashMap<PathBuf, Option<FileId>>,
    bytes: u64,
    /// How many includes were followed.
    included: usize,
}

impl Loader<'_> {
    fn file(&mut self, file: FileId, path: &Path, depth: usize) {
        let Loaded { sources, dialect, found, suggestions, .. } = &mut self.into;
        let parsed = parse(sources, file, *dialect, found, suggestions);
        for item in parsed.items {
            match item {
                Item::Include(include) => self.include(&include, path, depth),
                Item::Sub(mut sub) => {
                    self.block(&mut sub.body, &mut vec![path.to_owned()], 0);
                    self.into.items.push(Item::Sub(sub));
                }
                item => self.into.items.push(item),
            }
        }
    }

    fn include(&mut self, include: &Include, from: &Path, depth: usize) {
        let Some(path) = self.followed(include, from, depth) else { return };
        let quote = self.into.sources.quote(include.path);
        if let Some(first) = self.first.get(&path) {
            let mut fault = Diagnostic::new(
                Code::IncludedTwice,
                include.path,
                format!("{quote} is part of this tree already"),
            )
            .label("take this line out");
            fault = if *first == Span::NOWHERE {
                fault.help("it is the main file")
            } else {
                fault.at(*first, "it is included here")
            };
            self.into.found.push(fault);
            return;
        }
        let private = include.private || self.into.sources.is_private(include.path.file);
        self.first.insert(path.clone(), include.path);
        if let Some(file) = self.read(&path, include.path, private) {
            self.file(file, &path, depth + 1);
        }
    }

    /// The path of an included file, unless it is one include too many.
    fn followed(&mut self, include: &Include, from: &Path, depth: usize) -> Option<PathBuf> {
        self.included += 1;
        if depth >= INCLUDES_DEEP_MAX || self.included >= FILES_MAX {
            let quote = self.into.sources.quote(include.path);
            self.into.found.push(
                Diagnostic::new(
                    Code::TooManyIncludes,
                    include.path,
                    format!("{quote} is one include too many"),
                )
                .label(format!("at most {FILES_MAX} files, and {INCLUDES_DEEP_MAX} deep"))
                .help("include it from the main file"),
            );
            return None;
        }
        let name = self.into.sources.text(include.path);
        Some(joined(from.parent().unwrap_or(Path::new("")), name))
    }

    /// Puts the statements of included files where their includes stand. `open` are the files around this
    /// block, the main one first; `depth` is how deep in blocks the block lies.
    fn block(&mut self, block: &mut Block, open: &mut Vec<PathBuf>, depth: usize) {
        self.statements(&mut block.statements, open, depth);
    }

    fn statements(&mut self, statements: &mut [Statement], open: &mut Vec<PathBuf>, depth: usize) {
        for statement in statements {
            match &mut statement.kind {
                StatementKind::If { arms, otherwise } => {
                    for block in arms.iter_mut().map(|(_, block)| block).chain(otherwise) {
                        self.block(block, open, depth + 1);
                    }
                }
                StatementKind::Block(block) => self.block(block, open, depth + 1),
                StatementKind::Switch { cases, .. } => {
                    for case in cases {
                        self.statements(&mut case.body, open, depth + 1);
                    }
                }
                StatementKind::Include { include, body } => {
                    *body = self.include_statements(include, open, depth);
                }
                _ => {}
            }
        }
    }

    /// A file of statements may stand in several subs, for that is what it is for, but not in itself.
    fn include_statements(
        &mut self,
        include: &Include,
        open: &mut Vec<PathBuf>,
        depth: usize,
    ) -> Vec<Statement> {
        let from = open.last().cloned().unwrap_or_default();
        let Some(path) = self.followed(include, &from, open.len() - 1) else { return Vec::new() };
        if open.contains(&path) || self.first.contains_key(&path) {
            let quote = self.into.sources.quote(include.path);
            self.into.found.push(
                Diagnostic::new(
                    Code::IncludedTwice,
                    include.path,
                    format!("{quote} is part of this tree already"),
                )
                .label("a file of statements stands in subs only, and not in itself"),
            );
            return Vec::new();
        }
        let again = self.within.get(&path).copied();
        let file = if let Some(known) = again {
            known
        } else {
            let private = include.private || self.into.sources.is_private(include.path.file);
            let read = self.read(&path, include.path, private);
            self.within.insert(path.clone(), read);
            read
        };
        let Some(file) = file else { return Vec::new() };
        self.into.fragments.insert(file);
        self.bytes += self.into.sources.whole(file).len() as u64;
        if self.bytes > TREE_BYTES_MAX {
            let shown = self.into.sources.quote(include.path);
            self.into.found.push(too_large(include.path, &shown));
            return Vec::new();
        }
        // What is wrong with it is said where it stands first.
        let mut said = Found::default();
        let Loaded { sources, dialect, found, suggestions, .. } = &mut self.into;
        let found = if again.is_some() { &mut said } else { found };
        let mut body = parse_statements(sources, file, depth, *dialect, found, suggestions);
        open.push(path);
        self.statements(&mut body, open, depth);
        open.pop();
        body
    }

    fn read(&mut self, path: &Path, at: Span, private: bool) -> Option<FileId> {
        let shown = if self.into.sources.is_private(at.file) {
            "a private file".to_owned()
        } else {
            quoted(&path.display().to_string())
        };
        let read = match self.files.read(path, FILE_BYTES_MAX) {
            Ok(read) => read,
            Err(error) => {
                let fault = unreadable(&error, &shown, at);
                self.into.found.push(fault);
                return None;
            }
        };
        self.bytes += read.bytes.len() as u64;
        if self.bytes > TREE_BYTES_MAX {
            self.into.found.push(too_large(at, &shown));
            return None;
        }
        if private && read.mode & 0o077 != 0 {
            self.into.found.push(
                Diagnostic::new(
                    Code::NotPrivate,
                    at,
                    format!("{shown} is private, but others may get at it"),
                )
                .label(format!("its mode is {:04o}, and may be 0600 at most", read.mode & 0o7777))
                .help(if shown.starts_with('`') {
                    format!("run `chmod 600 {}`", shown.trim_matches('`'))
                } else {
                    "run `chmod 600` on it".to_owned()
                }),
            );
            return None;
        }
        let mut zero = false;
        let (text, bad) = match String::from_utf8(read.bytes) {
            Ok(text) => {
                let at = text.find('\0');
                zero = at.is_some();
                (text, at)
            }
            Err(error) => {
                let upto = error.utf8_error().valid_up_to();
                let mut bytes = error.into_bytes();
                bytes.truncate(upto);
                (String::from_utf8(bytes).unwrap_or_default(), Some(upto))
            }
        };
        let file = self.into.sources.add(path.to_owned(), text, private);
        if let Some(bad) = bad {
            let bad = u32::try_from(bad).unwrap_or(u32::MAX);
            let at = Span::new(file, bad, bad);
            self.into.found.push(if zero {
                Diagnostic::new(Code::NotText, at, format!("{shown} is no text: a zero byte stands in it"))
                    .label("take it out, if this is the right file")
            } else {
                Diagnostic::new(Code::NotText, at, format!("{shown} is no UTF-8 text"))
                    .label("the first byte that cannot be read stands here")
            });
            return None;
        }
        Some(file)
    }
}

fn too_large(at: Span, shown: &str) -> Diagnostic {
    Diagnostic::new(Code::TooLarge, at, format!("with {shown} this tree is larger than 64 MB"))
        .label("is it the right file?")
}

pub(super) fn unreadable(error: &io::Error, shown: &str, at: Span) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::FileTooLarge => {
            return Diagnostic::new(Code::TooLarge, at, format!("{shown} is larger than 32 MB"))
                .label("is it the right file?");
        }
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::InvalidInput => "it is no regular file".to_owned(),
        _ => error.to_string(),
    };
    let fault = Diagnostic::new(Code::Unreadable, at, format!("{shown} cannot be read: {why}"));
    if at == Span::NOWHERE {
        fault.help("say which file holds the rules, such as `/etc/doorward/main.vcl`")
    } else {
        fault.label("looked for beside the file that includes it")
    }
}
