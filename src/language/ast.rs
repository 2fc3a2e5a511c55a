//! A rule file as it was written: every node knows its place, and comments are kept beside the tree, so
//! that a formatter can put each back where it stood. Nothing here has been judged yet.

use std::time::Duration;

use super::source::{FileId, Span};

#[derive(Debug)]
pub struct File {
    pub id: FileId,
    pub items: Vec<Item>,
    /// In the order of the text, with their `#`, `//` or `/* */`.
    pub comments: Vec<Span>,
}

#[derive(Debug)]
pub enum Item {
    Let(Let),
    Include(Include),
    Declaration(Declaration),
}

/// `let name = value;`
#[derive(Debug)]
pub struct Let {
    pub span: Span,
    pub name: Span,
    pub value: Expr,
}

/// `include "file";` or `include private "file";`
#[derive(Debug)]
pub struct Include {
    pub span: Span,
    pub private: bool,
    /// The text between the quotes.
    pub path: Span,
}

/// `kind name { … }`
#[derive(Debug)]
pub struct Declaration {
    /// From the kind to the closing brace.
    pub span: Span,
    pub kind: super::table::Kind,
    pub kind_span: Span,
    pub name: Option<Expr>,
    pub body: Vec<Member>,
    /// A part of the body could not be read: what seems to be missing may have stood there.
    pub broken: bool,
}

#[derive(Debug)]
pub enum Member {
    Setting(Setting),
    Entry(Entry),
    Declaration(Declaration),
}

/// `.name = value, value;`
#[derive(Debug)]
pub struct Setting {
    pub span: Span,
    /// The name without its dot.
    pub name: Span,
    pub values: Vec<Expr>,
}

/// A line of an `acl`: `! "192.0.2.0"/24;`
#[derive(Debug)]
pub struct Entry {
    pub span: Span,
    pub not: bool,
    pub address: Expr,
    pub prefix: Option<(u64, Span)>,
}

#[derive(Debug)]
pub struct Expr {
    pub span: Span,
    pub kind: ExprKind,
}

#[derive(Debug)]
pub enum ExprKind {
    /// A fault was reported here; whatever depends on it keeps quiet.
    Faulty,
    /// The text between the quotes. VCL knows no escapes, so it is what the file says.
    Text(Span),
    Number(u64),
    Real,
    Duration(Duration),
    Size(u64),
    Rate,
    Name,
    Call {
        name: Span,
        args: Vec<Expr>,
    },
    Group(Box<Expr>),
    Not(Box<Expr>),
    /// Chains are flat, so that a long one is no deep one.
    Add(Vec<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare {
        equal: bool,
        left: Box<Expr>,
        right: Box<Expr>,
    },
}
