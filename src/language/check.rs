//! Items → tree: names are resolved, every value is judged by its row in the table. Nothing here stops at
//! the first fault, and nothing faulty is reported twice: it becomes `None` or `Value::Faulty` and is quiet.
//!
//! Two walks: `names` collects who is called what, then each declaration is judged (`declarations`), each value
//! by its row (`values`, `access`), and what can be worked out at once is (`constants`).

mod access;
mod constants;
mod declarations;
mod names;
mod values;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use self::constants::Known;
use super::ast::Item;
use super::diagnostic::{Diagnostic, Found};
use super::faults::Code;
use super::load::Loaded;
use super::source::{Sources, Span};
use super::suggest::Suggestions;
use super::table::Kind;
use super::tree::Tree;

/// Looks up a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub fn check(loaded: Loaded, environment: Environment<'_>) -> Tree {
    let Loaded { sources, dialect: _, items, found, suggestions } = loaded;
    let mut checker = Checker {
        sources: &sources,
        environment,
        found,
        suggestions,
        lets: HashMap::new(),
        names: HashMap::new(),
        used: BTreeSet::new(),
        missing: BTreeSet::new(),
        unchosen: 0,
    };
    checker.collect(&items);
    let mut tree = Tree {
        program: None,
        sources: Arc::new(Sources::default()),
        gateway: None,
        backends: Vec::new(),
        sites: Vec::new(),
        acls: Vec::new(),
        logs: Vec::new(),
        found: Found::default(),
    };
    for item in &items {
        if let Item::Let(constant) = item {
            checker.constant_defined(constant);
        }
    }
    for item in &items {
        let written = match item {
            Item::Declaration(written) => match written.kind {
                Kind::Probe | Kind::Table | Kind::Director | Kind::PenaltyBox | Kind::RateCounter => {
                    checker.not_yet(written.kind_span);
                    continue;
                }
                _ => written,
            },
            Item::Sub(sub) => {
                checker.not_yet(sub.name);
                continue;
            }
            Item::Import(import) => {
                checker.not_yet(import.name);
                continue;
            }
            Item::Version(version) => {
                checker.not_yet(version.number);
                continue;
            }
            Item::Let(_) | Item::Include(_) | Item::InlineC(_) => continue,
        };
        let declared = checker.declaration(written, None);
        match written.kind {
            Kind::Gateway if tree.gateway.is_none() => tree.gateway = Some(declared),
            Kind::Gateway
            | Kind::Route
            | Kind::Probe
            | Kind::Table
            | Kind::Director
            | Kind::PenaltyBox
            | Kind::RateCounter => {}
            Kind::Backend => tree.backends.push(declared),
            Kind::Site => tree.sites.push(declared),
            Kind::Acl => tree.acls.push(declared),
            Kind::Log => tree.logs.push(declared),
        }
    }
    checker.unused();
    tree.found = checker.found;
    tree.sources = Arc::new(sources);
    tree
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
    environment: Environment<'a>,
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
