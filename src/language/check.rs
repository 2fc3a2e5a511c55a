//! Items → tree: names are resolved, every value is judged by its row in the table. Nothing here stops at
//! the first fault, and nothing faulty is reported twice: it becomes `None` or `Value::Faulty` and is quiet.
//!
//! Two walks: `names` collects who is called what, then each declaration is judged (`declarations`), each value
//! by its row (`values`, `access`), and what can be worked out at once is (`constants`).

mod access;
mod constants;
mod declarations;
mod names;
mod program;
mod tables;
mod values;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use self::constants::Known;
use super::ast::Item;
use super::diagnostic::{Diagnostic, Found};
use super::faults::Code;
use super::load::Loaded;
use super::parser::parse;
use super::program::Table;
use super::source::{FileId, Files, Sources, Span};
use super::suggest::Suggestions;
use super::table::Kind;
use super::tree::{Declaration, Tree};
use super::vocabulary::Dialect;

/// Looks up a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub fn check(loaded: Loaded, files: &dyn Files, environment: Environment<'_>) -> Tree {
    let Loaded { mut sources, dialect, items, mut found, mut suggestions, data, .. } = loaded;
    let read = sources.len();
    let built_in = built_in(&mut sources, dialect, &mut found, &mut suggestions);
    let mut checker = Checker {
        sources: &sources,
        dialect,
        files,
        environment,
        data: &data,
        found,
        suggestions,
        lets: HashMap::new(),
        names: HashMap::new(),
        used: BTreeSet::new(),
        missing: BTreeSet::new(),
        unchosen: 0,
        tables: Vec::new(),
        private_tables: BTreeSet::new(),
        broken_tables: BTreeSet::new(),
        backends: 0,
        probes: 0,
        probes_declared: 0,
        probes_inside: Vec::new(),
    };
    checker.collect(&items);
    let mut tree = Tree {
        sources: Arc::new(Sources::default()),
        gateway: None,
        backends: Vec::new(),
        directors: Vec::new(),
        sites: Vec::new(),
        acls: Vec::new(),
        logs: Vec::new(),
        probes: Vec::new(),
        tables: Vec::new(),
        rows: Vec::new(),
        program: None,
        found: Found::default(),
        dialect,
        read,
    };
    for item in &items {
        if let Item::Let(constant) = item {
            checker.constant_defined(constant);
        }
    }
    // Settings look things up in tables, wherever those stand.
    for item in &items {
        if let Item::Declaration(written) = item
            && written.kind == Kind::Table
        {
            let (table, rows) = checker.table(written);
            checker.tables.push(Arc::new(table));
            tree.rows.push(rows);
        }
    }
    for item in &items {
        let written = match item {
            Item::Declaration(written) => match written.kind {
                // Fastly's are objects: `program` makes them.
                Kind::Director if dialect == Dialect::Fastly => continue,
                Kind::PenaltyBox | Kind::RateCounter => {
                    checker.not_yet(written.kind_span);
                    continue;
                }
                Kind::Table => continue,
                _ => written,
            },
            _ => continue,
        };
        let declared = checker.declaration(written, None);
        match written.kind {
            Kind::Gateway if tree.gateway.is_none() => tree.gateway = Some(declared),
            Kind::Gateway | Kind::Route | Kind::Table | Kind::PenaltyBox | Kind::RateCounter => {}
            Kind::Backend => tree.backends.push(declared),
            Kind::Director => tree.directors.push(declared),
            Kind::Site => tree.sites.push(declared),
            Kind::Acl => tree.acls.push(declared),
            Kind::Log => tree.logs.push(declared),
            Kind::Probe => {
                tree.probes.push(declared);
                checker.probes_declared += 1;
            }
        }
    }
    tree.probes.append(&mut checker.probes_inside);
    tree.tables = std::mem::take(&mut checker.tables);
    checker.implied(&tree);
    let written =
        program::Written { items: &items, built_in: &built_in, read, dialect, tables: tree.tables.clone() };
    tree.program = Some(program::program(&mut checker, written));
    checker.unused();
    tree.found = checker.found;
    tree.sources = Arc::new(sources);
    tree
}

/// The built-in policy, which is rules too.
fn built_in(
    sources: &mut Sources,
    dialect: Dialect,
    found: &mut Found,
    suggestions: &mut Suggestions,
) -> Vec<Item> {
    let speech = if dialect == Dialect::Fastly { dialect } else { Dialect::Doorward };
    let mut items = Vec::new();
    for (name, text) in program::built_in(dialect) {
        let file = sources.add(PathBuf::from(name), (*text).to_owned(), false);
        items.extend(parse(sources, file, speech, found, suggestions).items);
    }
    items
}

struct Let {
    name: Span,
    defined: bool,
    /// `None` until it is defined, and when it is faulty.
    value: Option<Known>,
    used: bool,
}

struct Checker<'a> {
    sources: &'a Sources,
    /// The main file's.
    dialect: Dialect,
    files: &'a dyn Files,
    environment: Environment<'a>,
    /// What stands in files of rows.
    data: &'a HashMap<Span, FileId>,
    found: Found,
    suggestions: Suggestions,
    lets: HashMap<&'a str, Let>,
    /// The place in its list of everything that is declared by name, and where.
    names: HashMap<(Kind, &'a str), (usize, Span)>,
    used: BTreeSet<(Kind, usize)>,
    /// Names that are like no other: one declaration mends all their uses, so the first is reported only.
    missing: BTreeSet<(Option<Kind>, String)>,
    /// How many `if(…)` did not choose what is being judged.
    unchosen: usize,
    tables: Vec<Arc<Table>>,
    /// Tables with a part in a private file.
    private_tables: BTreeSet<usize>,
    /// Tables with rows that could not be read.
    broken_tables: BTreeSet<usize>,
    /// How many `backend`s there are; what is called a backend behind them is a director.
    backends: usize,
    /// How many `probe`s have a name, and how many of them have been judged; those that stand in a backend
    /// come behind them.
    probes: usize,
    probes_declared: usize,
    probes_inside: Vec<Declaration>,
}

impl Checker<'_> {
    fn quote(&self, span: Span) -> String {
        self.sources.quote(span)
    }

    fn private(&self, span: Span) -> bool {
        self.sources.is_private(span.file)
    }

    /// What can be read, but not judged yet, must not be passed over.
    fn not_yet(&mut self, span: Span) {
        let quote = self.quote(span);
        self.found.push(
            Diagnostic::new(
                Code::NotYet,
                span,
                format!("this version of doorward does not know {quote} yet"),
            )
            .label("take it out for now"),
        );
    }

    /// Reports, and stands for the value that is not there.
    fn fault<T>(&mut self, fault: Diagnostic) -> Option<T> {
        self.found.push(fault);
        None
    }
}
