//! What a tree of rule files declares: every name resolved, every value of the kind its setting takes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::data;
use super::diagnostic::Found;
use super::program::{Program, Table};
use super::source::{FileId, Sources, Span, quoted};
use super::table::{self, Kind};
use super::vocabulary::Dialect;

/// What of a request leads to a member of a director.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    Client,
    Path,
    Cookie(Text, Span),
    Header(Text, Span),
}

/// A text, and whether it may be shown. One private part makes the whole private.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    pub(super) value: String,
    pub(super) private: bool,
}

impl Text {
    /// The text itself. For messages there is `quote`.
    pub fn get(&self) -> &str {
        &self.value
    }

    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// A part of the text, as private as the whole.
    #[must_use]
    pub fn part(&self, value: &str) -> Text {
        Text { value: value.to_owned(), private: self.private }
    }

    /// As a message may show it.
    pub fn quote(&self) -> String {
        if self.private { "(private text)".to_owned() } else { quoted(&self.value) }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quote())
    }
}

/// Who may pass, as written; `Network` by the place of its `acl` in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    Anyone,
    Nobody,
    Network(usize),
    Not(Box<Access>),
    And(Vec<Access>),
    Or(Vec<Access>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    Local,
    Files { chain: (Text, Span), key: (Text, Span) },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A fault was reported; whatever depends on it keeps quiet.
    Faulty,
    Text(Text),
    Bool(bool),
    Number(u64),
    Duration(Duration),
    Size(u64),
    /// One of the words of the row.
    Word(&'static str),
    /// The place in the tree of a declaration of the row's kind.
    Name(usize),
    Certificate(Certificate),
    Access(Access),
    /// A backend by its place in the tree, and its weight.
    Member {
        backend: usize,
        weight: u64,
    },
    HashBy(HashBy),
    /// `lookup(table, "key", otherwise)` where a backend is meant: the places of the table and of the other
    /// backend. The key may hold names of a route's path.
    Lookup {
        table: usize,
        key: Text,
        key_span: Span,
        otherwise: Option<usize>,
    },
}

#[derive(Clone, Debug)]
pub struct Valued {
    pub span: Span,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub row: &'static table::Setting,
    /// The name with its dot.
    pub name_span: Span,
    pub values: Vec<Valued>,
}

/// A line of an `acl`, or of the file it takes lines from; `None` for an address that was faulty.
#[derive(Clone, Debug)]
pub struct Entry {
    pub span: Span,
    pub not: bool,
    /// In parentheses: what can't be found is passed over.
    pub lenient: bool,
    pub address: Option<Text>,
    pub address_span: Span,
    pub prefix: Option<(u64, Span)>,
}

#[derive(Clone, Debug)]
pub struct Declaration {
    pub kind: Kind,
    /// The kind and the name, for messages.
    pub head: Span,
    /// `None` where the kind has no name, or where it was faulty.
    pub name: Option<(Text, Span)>,
    /// Words of its kind that stand behind its name.
    pub flags: Vec<&'static str>,
    pub settings: Vec<Setting>,
    pub entries: Vec<Entry>,
    pub inside: Vec<Declaration>,
    /// A part of it could not be read.
    pub broken: bool,
}

impl Declaration {
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.row.name == name)
    }

    /// The value of a setting that takes one.
    pub fn value(&self, name: &str) -> Option<&Valued> {
        self.setting(name)?.values.first()
    }

    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    /// `backend`, and its name where it may be shown.
    pub fn title(&self) -> String {
        match &self.name {
            Some((name, _)) => format!("{} {}", self.kind.word(), name.quote()),
            None => self.kind.word().to_owned(),
        }
    }
}

/// A whole tree, with what was found wrong in it.
#[derive(Clone, Debug)]
pub struct Tree {
    pub sources: Arc<Sources>,
    /// How many of the sources are files; the built-in rules come behind them.
    pub read: usize,
    /// The main file says it.
    pub dialect: Dialect,
    pub gateway: Option<Declaration>,
    pub backends: Vec<Declaration>,
    /// Where a backend is named, these are meant by the places behind the backends'.
    pub directors: Vec<Declaration>,
    pub sites: Vec<Declaration>,
    pub acls: Vec<Declaration>,
    pub logs: Vec<Declaration>,
    /// First those that are declared by name, then those that stand in a backend.
    pub probes: Vec<Declaration>,
    pub tables: Vec<Arc<Table>>,
    /// Where the rows of each table begin; for tables of backends, whose keys settings judge further.
    pub(super) rows: Vec<Vec<(FileId, u32)>>,
    /// The subs, ready to run. Worth nothing where faults were found.
    pub program: Option<Arc<Program>>,
    pub found: Found,
}

impl Tree {
    /// Where a row stands, by its table and its key; for a table of backends. Looks through them all.
    pub fn row(&self, table: usize, key: &str) -> Option<Span> {
        data::row(&self.sources, self.rows.get(table)?, key)
    }
}
