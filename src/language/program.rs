//! What rules do, resolved and typed: no name is left to look up, no type to judge. The checker makes it, the
//! machine in `rules` runs it, `explain` and the plays show it. Plain data without behaviour of its own.

use std::net::IpAddr;

use bytes::Bytes;
use http::HeaderName;

use super::source::Span;
use super::vocabulary::{Action, Class, Dialect, Family, Function, Method, Phase, Type, Variable};
use crate::plan::BackendId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubId(pub u32);

/// A place among the objects that `new` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatternId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableId(pub u32);

/// The place of an `acl` in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AclId(pub u32);

/// A local variable: its place in the frame of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(pub u32);

/// A place in the text that a run can come by: a statement, or an arm of an `if`. What `explain` prints and
/// coverage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub u32);

/// All rules of a tree.
#[derive(Clone, Debug)]
pub struct Program {
    pub dialect: Dialect,
    pub subs: Vec<Sub>,
    /// For each phase, in the order of `Phase::ALL`: the bodies that run one after another until one returns,
    /// the built-in one last.
    pub phases: Vec<Vec<SubId>>,
    /// For each phase: whether the tree itself says something there, beside the built-in body.
    pub own: Vec<bool>,
    /// Where each mark stands.
    pub marks: Vec<Span>,
    pub patterns: Vec<Pattern>,
    /// In the order of the tree; settings look things up in them too.
    pub tables: Vec<std::sync::Arc<Table>>,
    pub objects: Vec<Object>,
    /// What `req.backend_hint` is before a rule says otherwise, where no route names a backend.
    pub default_backend: Option<BackendId>,
    /// The most local variables that live at once.
    pub locals_max: usize,
}

impl Program {
    pub fn bodies(&self, phase: Phase) -> &[SubId] {
        self.phases.get(phase as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether the tree itself says something in this phase.
    pub fn has_own(&self, phase: Phase) -> bool {
        self.own.get(phase as usize).copied().unwrap_or(false)
    }

    pub fn sub(&self, id: SubId) -> Option<&Sub> {
        self.subs.get(id.0 as usize)
    }

    /// Whether there is any rule of the tree's own: without one, the corridor has nothing to run.
    pub fn is_empty(&self) -> bool {
        !self.own.contains(&true)
    }
}

#[derive(Clone, Debug)]
pub struct Sub {
    pub name: Box<str>,
    /// From `sub` to its closing brace.
    pub span: Span,
    /// One of ours, not of the tree.
    pub built_in: bool,
    /// What it returns, where it is called for its value (Fastly).
    pub returns: Type,
    pub body: Block,
}

/// A compiled regular expression. Found in linear time, whatever the text.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub source: Box<str>,
    pub regex: regex::bytes::Regex,
    /// The text that every match begins with, where the expression is anchored at the start: compared before
    /// the machinery is asked. Empty where there is none.
    pub prefix: Box<[u8]>,
    /// The prefix is all of the expression.
    pub prefix_only: bool,
}

/// A `table`: looked up by an exact key.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: Box<str>,
    pub of: Type,
    pub rows: std::collections::HashMap<Box<[u8]>, Value>,
}

/// What `new name = class(args);` made.
#[derive(Clone, Debug)]
pub struct Object {
    pub name: Box<str>,
    pub class: Class,
    pub span: Span,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing was ever written there: false, and empty as text.
    Unset,
    Text(Bytes),
    Bool(bool),
    Int(i64),
    Real(f64),
    /// Seconds.
    Duration(f64),
    /// Seconds since 1970.
    Time(f64),
    Bytes(i64),
    Ip(IpAddr),
    Backend(Choice),
    Blob(Bytes),
}

/// Who is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// Nobody: `backend x none;`, or nothing was chosen.
    None,
    Backend(BackendId),
    /// A director of the tree.
    Director(ObjectId),
}

pub type Block = Box<[Step]>;

#[derive(Clone, Debug)]
pub struct Step {
    pub mark: Mark,
    pub what: Do,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Do {
    If {
        arms: Box<[Arm]>,
        otherwise: Option<Block>,
    },
    /// `+=` and its like are written out by the checker.
    Set {
        place: Place,
        value: Expr,
    },
    /// One more header of the name.
    Add {
        place: Place,
        value: Expr,
    },
    Unset(Place),
    /// All headers whose name begins so, in lower case (Fastly's `unset req.http.X-*`).
    UnsetAll {
        family: Family,
        prefix: Box<str>,
    },
    Call(SubId),
    Evaluate(Expr),
    /// A local begins to live, with the empty value of its type.
    Declare {
        slot: Slot,
        of: Type,
    },
    Switch {
        value: Expr,
        cases: Box<[Case]>,
    },
    /// Leaves the `switch` it stands in.
    Break,
    /// `new`: in `vcl_init`.
    New {
        object: ObjectId,
        args: Box<[Expr]>,
    },
    Return(Return),
    /// `error 403 "reason";`: on to `vcl_synth` (Fastly's `vcl_error`). Fastly's default status is 503.
    Error {
        status: Option<Expr>,
        reason: Option<Expr>,
    },
}

#[derive(Clone, Debug)]
pub struct Arm {
    /// Reached when the condition was true.
    pub mark: Mark,
    pub condition: Expr,
    pub body: Block,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub mark: Mark,
    pub test: Test,
    pub body: Block,
    /// Goes on with the body of the next case.
    pub falls_through: bool,
}

#[derive(Clone, Debug)]
pub enum Test {
    Default,
    Equals(Expr),
    Matches(PatternId),
}

#[derive(Clone, Debug)]
pub enum Return {
    /// `return;`: out of this sub alone.
    Sub,
    /// Out of this sub with its value (Fastly).
    Value(Expr),
    /// Out of the phase. The arguments stand in the order of the action's parameters.
    Action { action: Action, args: Box<[Expr]> },
}

/// Something that can be written to.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// `req.url`, `beresp.ttl`, …
    Variable(Variable),
    /// `req.http.Cookie`, or with a part: `req.http.Cookie:session`.
    Header {
        family: Family,
        name: HeaderName,
        part: Option<Box<str>>,
    },
    Local(Slot),
}

/// A value. The checker has made every conversion explicit.
#[derive(Clone, Debug)]
pub enum Expr {
    Constant(Value),
    Read(Place),
    /// One cookie or one argument of the query by name: `req.cookie.x`, `req.arg.x`.
    Named {
        variable: Variable,
        name: Box<str>,
    },
    /// A capture of the last match: `re.group.1`.
    Capture(u8),
    /// Of any type, as text. What is unset is the empty text.
    Text(Box<Expr>),
    /// As a truth: a string that is set, a number that is not zero, a duration above zero.
    Truth(Box<Expr>),
    /// To another type of amount: a whole number as a real one, …
    Convert {
        to: Type,
        value: Box<Expr>,
    },
    /// Texts side by side.
    Concat(Box<[Expr]>),
    Not(Box<Expr>),
    And(Box<[Expr]>),
    Or(Box<[Expr]>),
    Compare {
        how: Order,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `text ~ "regex"`
    Match {
        text: Box<Expr>,
        pattern: PatternId,
    },
    /// `address ~ acl`
    Within {
        address: Box<Expr>,
        acl: AclId,
    },
    /// Both sides are amounts; the checker has settled that they go together and what comes out (`of`).
    Arithmetic {
        how: Arithmetic,
        of: Type,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negative(Box<Expr>),
    /// `if(condition, a, b)`
    If {
        condition: Box<Expr>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
    /// A function of the table, with all its arguments: what was left out has its default.
    Call {
        function: Function,
        args: Box<[Argument]>,
    },
    Method {
        object: ObjectId,
        method: Method,
        args: Box<[Argument]>,
    },
    /// A sub that returns a value (Fastly).
    Ask(SubId),
}

#[derive(Clone, Debug)]
pub enum Argument {
    Value(Expr),
    /// Left out, and the function has no default for it.
    Absent,
    Pattern(PatternId),
    Acl(AclId),
    Table(TableId),
    Sub(SubId),
    Place(Place),
    /// All headers of a message: `req`, `bereq`, …
    Http(Family),
    /// One of the words the parameter knows, by its place among them.
    Word(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
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
}
