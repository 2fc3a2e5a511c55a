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
    /// `vcl 4.1;`
    Version(Version),
    Let(Let),
    Include(Include),
    Import(Import),
    Declaration(Declaration),
    Sub(Sub),
    /// `C{ … }C`, which is never run.
    InlineC(Span),
}

/// `vcl 4.1;`
#[derive(Debug)]
pub struct Version {
    pub span: Span,
    /// `4.1`
    pub number: Span,
}

/// `import std;`, `import x from "path";` or `import std as s;`
#[derive(Debug)]
pub struct Import {
    pub span: Span,
    pub name: Span,
    /// The name it is called by here, where that is another.
    pub alias: Option<Span>,
    /// The text between the quotes.
    pub from: Option<Span>,
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
    /// Words between the name and the brace, with a leading `-` or `+` where there is one: `backend x none;`, an
    /// acl's `-pedantic`, the type of a `table`, the policy of a `director`.
    pub flags: Vec<Span>,
    pub body: Vec<Member>,
    /// A part of the body could not be read: what seems to be missing may have stood there.
    pub broken: bool,
}

#[derive(Debug)]
pub enum Member {
    Setting(Setting),
    Entry(Entry),
    Row(Row),
    Declaration(Declaration),
    /// `{ .backend = a; .weight = 1; }` in a director of Fastly's.
    Block(Braced),
    /// `from file "x";` in a `table` or an `acl`.
    FromFile {
        span: Span,
        path: Expr,
    },
}

/// Settings between braces without a kind of their own: an inline probe, a member of a director.
#[derive(Debug)]
pub struct Braced {
    pub span: Span,
    pub body: Vec<Member>,
    pub broken: bool,
}

/// A line of a `table`: `"key": value,`
#[derive(Debug)]
pub struct Row {
    pub span: Span,
    pub key: Expr,
    pub value: Expr,
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
    /// In parentheses: a name that nobody knows is passed over.
    pub lenient: bool,
    pub address: Expr,
    pub prefix: Option<(u64, Span)>,
}

/// `sub name { … }`; Fastly's may say what it returns: `sub name STRING { … }`.
#[derive(Debug)]
pub struct Sub {
    pub span: Span,
    pub name: Span,
    pub returns: Option<Span>,
    pub body: Block,
}

/// `{ … }` with statements in it.
#[derive(Debug)]
pub struct Block {
    pub span: Span,
    pub statements: Vec<Statement>,
    /// A part of it could not be read.
    pub broken: bool,
}

#[derive(Debug)]
pub struct Statement {
    /// With its `;`, or from `if` to the last `}`.
    pub span: Span,
    pub kind: StatementKind,
}

#[derive(Debug)]
pub enum StatementKind {
    /// Each arm with its condition, then what is done otherwise. `else if` in its four spellings is an arm.
    If {
        arms: Vec<(Expr, Block)>,
        otherwise: Option<Block>,
    },
    /// Braces alone.
    Block(Block),
    Set {
        target: Span,
        how: Assign,
        how_span: Span,
        value: Expr,
    },
    /// `add resp.http.Set-Cookie = …;`
    Add {
        target: Span,
        value: Expr,
    },
    /// Also `remove`. The target may end in `*` (Fastly).
    Unset {
        target: Span,
    },
    /// `call name;`; Varnish allows `call name();` too.
    Call {
        name: Span,
    },
    /// `return;`, `return (action);`, `return action;` or, in a sub that returns a value, `return expression;`.
    Return {
        value: Option<Expr>,
        parens: bool,
    },
    /// `new name = directors.round_robin();`
    New {
        name: Span,
        class: Span,
        args: Vec<Argument>,
    },
    /// `std.log("…");`, `ban(…);`, `synthetic(…);`, `hash_data(…);`, `object.method(…);`
    Evaluate(Expr),
    /// `error 403 "reason";`, `error 403;`, `error;`
    Error {
        status: Option<Expr>,
        reason: Option<Expr>,
    },
    /// `restart;`
    Restart,
    /// `esi;`
    Esi,
    /// `log "…" req.url;`
    Log(Expr),
    /// `synthetic {"…"};` and `synthetic.base64 "…";`: without parentheses.
    Synthetic {
        value: Expr,
        base64: bool,
    },
    /// `declare local var.name STRING;`, with `= value` where one is given at once.
    Declare {
        name: Span,
        of: Span,
        value: Option<Expr>,
    },
    /// `switch (value) { case "a": … break; default: … }`
    Switch {
        value: Expr,
        cases: Vec<Case>,
        span_of_body: Span,
    },
    /// `break;` and `fallthrough;` stand in a `switch` only.
    Break,
    Fallthrough,
    /// `goto name;` and `name:`
    Goto {
        label: Span,
    },
    Label {
        label: Span,
    },
    /// `#FASTLY recv`
    Macro {
        name: Span,
    },
    /// `C{ … }C`
    InlineC,
    /// `import std;` within a sub.
    Import(Import),
    /// `include "file";` within a sub: the file's statements stand here.
    Include {
        include: Include,
        body: Vec<Statement>,
    },
}

#[derive(Debug)]
pub struct Case {
    pub span: Span,
    /// `None` for `default`.
    pub value: Option<Expr>,
    /// `case ~ "regex":`
    pub regex: bool,
    pub body: Vec<Statement>,
}

/// The operators of `set`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assign {
    Is,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    BitOr,
    BitAnd,
    BitXor,
    ShiftLeft,
    ShiftRight,
    RotateLeft,
    RotateRight,
    And,
    Or,
}

/// An argument of a call; vmods know some by name: `std.integer("7", fallback = 0)`.
#[derive(Debug)]
pub struct Argument {
    pub name: Option<Span>,
    pub value: Expr,
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
    /// The text between the quotes. VCL knows no escapes, so it is what the file says; in Fastly's dialect
    /// `%41` and `%u0041` in a short string are read by the checker.
    Text {
        inner: Span,
        long: bool,
    },
    /// `:aGVsbG8=:`; what stands between the colons.
    Blob(Span),
    Number(u64),
    Real(f64),
    Duration(Duration),
    Size(u64),
    Rate,
    /// A name, with its dots and its `:part`: `trac`, `req.http.Cookie:session`, `var.x`.
    Name,
    Call {
        /// With its dots: `std.ip`, `object.backend`, `table.lookup`.
        name: Span,
        args: Vec<Argument>,
    },
    /// `(a + b).lower()`. On a name, the method is part of the name of a `Call`.
    Method {
        of: Box<Expr>,
        name: Span,
        args: Vec<Argument>,
    },
    /// `{ .url = "/"; }` as the value of `.probe`.
    Braced(Braced),
    Group(Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    /// `a + b - c`. Chains are flat, so that a long one is no deep one; the first has no sign of its own.
    Sum {
        first: Box<Expr>,
        rest: Vec<(Sign, Expr)>,
    },
    /// `"a" req.url "b"`: side by side, without an operator.
    Strands(Vec<Expr>),
    /// `a * b / c % d`
    Product {
        first: Box<Expr>,
        rest: Vec<(Factor, Expr)>,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare {
        how: Comparison,
        how_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    Times,
    Over,
    Modulo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    MatchesNot,
}
