//! What a tree declares by name, and where.

use std::path::{Path, PathBuf};

use super::documents::Documents;
use crate::language::ast::{Block, Declaration, ExprKind, Item, Member, Statement, StatementKind};
use crate::language::source::{Sources, Span};
use crate::language::table::Kind;
use crate::language::{self, Loaded};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Declared(Kind),
    Let,
    Sub,
    Object,
    Local,
}

impl What {
    /// As a hover says it.
    pub const fn word(self) -> &'static str {
        match self {
            What::Declared(kind) => kind.word(),
            What::Let => "let",
            What::Sub => "sub",
            What::Object => "object",
            What::Local => "local",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Symbol {
    pub name: String,
    pub what: What,
    pub file: PathBuf,
    /// Of the name, in bytes.
    pub at: (usize, usize),
    /// Of all that it names.
    pub whole: (usize, usize),
    /// The line it begins on, for a hover; empty in private files.
    pub line: String,
    /// How deep it lies in others.
    pub depth: usize,
}

/// All names of the tree that begins at `main`.
pub fn of_tree(documents: &Documents, main: &Path) -> Vec<Symbol> {
    let Loaded { sources, items, .. } = language::load(documents, main);
    let mut collector = Collector { sources: &sources, symbols: Vec::new() };
    for item in &items {
        match item {
            Item::Let(constant) => collector.add(constant.name, constant.span, What::Let, 0),
            Item::Declaration(declaration) => collector.declaration(declaration, 0),
            Item::Sub(sub) => {
                collector.add(sub.name, sub.span, What::Sub, 0);
                collector.block(&sub.body);
            }
            Item::Version(_) | Item::Include(_) | Item::Import(_) | Item::InlineC(_) => {}
        }
    }
    collector.symbols
}

struct Collector<'a> {
    sources: &'a Sources,
    symbols: Vec<Symbol>,
}

impl Collector<'_> {
    fn add(&mut self, name: Span, whole: Span, what: What, depth: usize) {
        let Some(file) = self.sources.paths().nth(name.file.0 as usize) else { return };
        let bytes = |span: Span| (span.start as usize, span.end as usize);
        let private = self.sources.is_private(name.file);
        let line = self.sources.place(name.file, whole.start).map_or("", |place| {
            let text = self.sources.whole(name.file);
            if private { "" } else { text.lines().nth(place.line - 1).unwrap_or("").trim() }
        });
        self.symbols.push(Symbol {
            name: self.sources.text(name).trim_matches('"').to_owned(),
            what,
            file: file.to_owned(),
            at: bytes(name),
            whole: bytes(whole),
            line: line.to_owned(),
            depth,
        });
    }

    fn declaration(&mut self, declaration: &Declaration, depth: usize) {
        let name = declaration.name.as_ref().map_or(declaration.kind_span, |name| match &name.kind {
            ExprKind::Text { inner, .. } => *inner,
            _ => name.span,
        });
        self.add(name, declaration.span, What::Declared(declaration.kind), depth);
        for member in &declaration.body {
            if let Member::Declaration(inside) = member {
                self.declaration(inside, depth + 1);
            }
        }
    }

    fn block(&mut self, block: &Block) {
        self.statements(&block.statements);
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Declare { name, .. } => self.add(*name, statement.span, What::Local, 1),
                StatementKind::New { name, .. } => self.add(*name, statement.span, What::Object, 1),
                StatementKind::If { arms, otherwise } => {
                    for (_, block) in arms {
                        self.block(block);
                    }
                    if let Some(block) = otherwise {
                        self.block(block);
                    }
                }
                StatementKind::Block(block) => self.block(block),
                StatementKind::Switch { cases, .. } => {
                    for case in cases {
                        self.statements(&case.body);
                    }
                }
                StatementKind::Include { body, .. } => self.statements(body),
                _ => {}
            }
        }
    }
}
