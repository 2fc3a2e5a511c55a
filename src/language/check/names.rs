//! Who is called what: names are collected before anything is judged, so that a declaration may stand behind
//! its use; a name that is not there is answered with the one that was most likely meant.

use std::collections::HashMap;

use super::constants::Constant;
use super::{Checker, Let};
use crate::language::ast::{self, Expr, ExprKind, Item};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::source::Span;
use crate::language::table::{self, Kind, LATER, Named, Type};
use crate::language::tree::{Text, Tree};
use crate::language::vocabulary::Dialect;

/// Words that a `let` would hide.
const WORDS: &[&str] = &[
    "yes", "no", "true", "false", "if", "env", "files", "network", "anyone", "nobody", "local", "let",
    "include", "private", "sub", "import", "vcl", "lookup", "from", "file",
];
/// What is called by a name without quotes.
pub(super) const NAMED: &[Kind] =
    &[Kind::Backend, Kind::Acl, Kind::Log, Kind::Probe, Kind::Table, Kind::Director];
/// Words for access that need sign-in.
pub(super) const ACCESS_LATER: &[&str] = &["signed_in", "user", "group"];

impl<'a> Checker<'a> {
    /// First walk: who is called what.
    pub(super) fn collect(&mut self, items: &[Item]) {
        let mut counts: HashMap<Kind, usize> = HashMap::new();
        let mut gateway: Option<Span> = None;
        for item in items {
            match item {
                Item::Let(constant) => self.collect_let(constant),
                Item::Include(_) | Item::Version(_) | Item::Import(_) | Item::Sub(_) | Item::InlineC(_) => {}
                Item::Declaration(declaration) => {
                    let kind = declaration.kind;
                    let at = counts.entry(kind).or_default();
                    let index = *at;
                    *at += 1;
                    if kind == Kind::Probe {
                        self.probes += 1;
                    }
                    if kind == Kind::Gateway {
                        match gateway {
                            None => gateway = Some(declaration.kind_span),
                            Some(first) => self.found.push(
                                Diagnostic::new(
                                    Code::DeclaredTwice,
                                    declaration.kind_span,
                                    "a second `gateway`",
                                )
                                .label("put its settings into the first")
                                .at(first, "the first stands here"),
                            ),
                        }
                    }
                    if let (Named::Word, Some(Expr { span, kind: ExprKind::Name })) =
                        (kind.named(), &declaration.name)
                    {
                        self.collect_name(kind, *span, index);
                    }
                }
            }
        }
        self.backends = counts.get(&Kind::Backend).copied().unwrap_or(0);
        if self.dialect == Dialect::Doorward {
            self.directors_are_backends();
        }
        let mut clashes = Vec::new();
        for ((kind, name), (_, span)) in &self.names {
            if let Some(constant) = self.lets.get(name) {
                clashes.push(
                    Diagnostic::new(
                        Code::Reserved,
                        constant.name,
                        format!("{} is the name of {} too", self.sources.quote(constant.name), kind.a_word()),
                    )
                    .label("give one of them another name")
                    .at(*span, "it is declared here"),
                );
            }
        }
        for clash in clashes {
            self.found.push(clash);
        }
    }

    /// A director stands wherever a backend may be named: it takes a place behind them all.
    fn directors_are_backends(&mut self) {
        let mut directors: Vec<_> = self.names.extract_if(|(kind, _), _| *kind == Kind::Director).collect();
        directors.sort_unstable_by_key(|(_, (index, _))| *index);
        for ((_, name), (index, span)) in directors {
            if let Some((_, first)) = self.names.get(&(Kind::Backend, name)) {
                let first = *first;
                let quote = self.quote(span);
                self.found.push(
                    Diagnostic::new(
                        Code::DeclaredTwice,
                        span,
                        format!("{quote} is the name of a `backend` too"),
                    )
                    .label("give it another name: a director is named wherever a backend may be")
                    .at(first, "the backend stands here"),
                );
                continue;
            }
            self.names.insert((Kind::Backend, name), (self.backends + index, span));
        }
    }

    fn collect_let(&mut self, constant: &ast::Let) {
        let name = self.sources.text(constant.name);
        let quote = self.quote(constant.name);
        let words = Kind::ALL.iter().flat_map(|kind| kind.settings()).filter_map(|row| match row.takes {
            Type::Word(words) => Some(words),
            _ => None,
        });
        let taken = WORDS.contains(&name)
            || LATER.contains(&name)
            || ACCESS_LATER.contains(&name)
            || Kind::by_word(name).is_some()
            || words.flatten().any(|word| word.word == name);
        if taken {
            self.found.push(
                Diagnostic::new(Code::Reserved, constant.name, format!("{quote} is a word of the language"))
                    .label("give the constant another name"),
            );
        }
        if let Some(first) = self.lets.get(name) {
            let first = first.name;
            self.found.push(
                Diagnostic::new(Code::DeclaredTwice, constant.name, format!("a second `let` called {quote}"))
                    .label("give it another name, or take it out")
                    .at(first, "the first stands here"),
            );
            return;
        }
        self.lets.insert(name, Let { name: constant.name, defined: false, value: None, used: taken });
    }

    fn collect_name(&mut self, kind: Kind, span: Span, index: usize) {
        let name = self.sources.text(span);
        match self.names.get(&(kind, name)) {
            None => {
                self.names.insert((kind, name), (index, span));
            }
            Some((_, first)) => {
                let first = *first;
                // It can't be named, so it can't be used either; one message is enough.
                self.used.insert((kind, index));
                let quote = self.quote(span);
                self.found.push(
                    Diagnostic::new(
                        Code::DeclaredTwice,
                        span,
                        format!("a second `{}` called {quote}", kind.word()),
                    )
                    .label("give it another name, or take it out")
                    .at(first, "the first stands here"),
                );
            }
        }
    }

    pub(super) fn constant_defined(&mut self, constant: &ast::Let) {
        let name = self.sources.text(constant.name);
        if self.lets.get(name).is_none_or(|first| first.name != constant.name) {
            return;
        }
        let mut value = self.constant(&constant.value);
        if self.private(constant.name)
            && let Some(known) = &mut value
        {
            known.private = true;
        }
        if let Some(kept) = self.lets.get_mut(name) {
            kept.value = value;
            kept.defined = true;
        }
    }

    /// What is used without being named: the probe and the backend that are taken where no other is.
    pub(super) fn implied(&mut self, tree: &Tree) {
        self.mark(Kind::Probe, "default");
        if tree.sites.is_empty() {
            let default = self.names.get(&(Kind::Backend, "default")).map_or(0, |(index, _)| *index);
            self.used.insert((Kind::Backend, default));
        }
    }

    /// What nothing names. After an error it would only say what the error says.
    pub(super) fn unused(&mut self) {
        if self.found.has_errors() {
            return;
        }
        let mut unused: Vec<(Span, &str)> = self
            .lets
            .values()
            .filter(|constant| !constant.used)
            .map(|constant| (constant.name, "let"))
            .collect();
        for ((kind, _), (index, span)) in &self.names {
            if !self.used.contains(&(*kind, *index)) {
                let director = *kind == Kind::Backend && *index >= self.backends;
                unused.push((*span, if director { Kind::Director.word() } else { kind.word() }));
            }
        }
        unused.sort_unstable();
        // Varnish does not load such a file, so a tree that claims to be one is told so.
        let code = if self.dialect == Dialect::Varnish { Code::UnusedInVcl } else { Code::Unused };
        for (span, word) in unused {
            let quote = self.quote(span);
            self.found.push(
                Diagnostic::new(code, span, format!("nothing uses the `{word}` called {quote}"))
                    .label("take it out, or name it where it was meant"),
            );
        }
    }

    /// Marks what an expression names as used without judging it.
    pub(super) fn touch(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name => {
                let name = self.sources.text(expr.span);
                if let Some(constant) = self.lets.get_mut(name) {
                    constant.used = true;
                }
            }
            ExprKind::Call { args, .. } => {
                for argument in args {
                    self.touch(&argument.value);
                }
            }
            ExprKind::Sum { first, rest } => {
                self.touch(first);
                for (_, part) in rest {
                    self.touch(part);
                }
            }
            ExprKind::And(parts) | ExprKind::Or(parts) | ExprKind::Strands(parts) => {
                for part in parts {
                    self.touch(part);
                }
            }
            ExprKind::Group(inner) | ExprKind::Not(inner) => self.touch(inner),
            ExprKind::Compare { left, right, .. } => {
                self.touch(left);
                self.touch(right);
            }
            _ => {}
        }
    }

    /// The place in the tree of what an expression names.
    pub(super) fn reference(
        &mut self,
        expr: &Expr,
        kind: Kind,
        row: Option<&table::Setting>,
    ) -> Option<usize> {
        let name = self.sources.text(expr.span);
        if let ExprKind::Name = expr.kind {
            if let Some((index, _)) = self.names.get(&(kind, name)) {
                let index = *index;
                self.used.insert((kind, index));
                return Some(index);
            }
            if !self.lets.contains_key(name) {
                let quote = self.quote(expr.span);
                return self.unknown_reference(expr.span, kind, name, &quote);
            }
        }
        if let (ExprKind::Text { .. }, Some(row)) = (&expr.kind, row) {
            let text = self.quote(expr.span);
            let near = self.sources.text(expr.span).trim_matches('"');
            let fault = Diagnostic::new(
                Code::WrongType,
                expr.span,
                format!("`.{}` takes {}, without quotes", row.name, row.takes.title()),
            );
            let known = self.names.contains_key(&(kind, near)) && text.starts_with('`');
            return self.fault(if known {
                fault.label(format!("write `{near}`")).fix(expr.span, near)
            } else {
                fault.label("write its name")
            });
        }
        let known = self.constant(expr)?;
        let Constant::Text(text) = &known.constant else {
            let is = known.constant.title();
            return self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    expr.span,
                    format!("expected {}, and this is {is}", Type::Name(kind).title()),
                )
                .label("write its name"),
            );
        };
        if let Some((index, _)) = self.names.get(&(kind, text.as_str())) {
            let index = *index;
            self.used.insert((kind, index));
            return Some(index);
        }
        let quote = Text { value: text.clone(), private: known.private || self.private(expr.span) }.quote();
        self.unknown_reference(expr.span, kind, text, &quote)
    }

    fn unknown_reference<T>(&mut self, span: Span, kind: Kind, name: &str, quote: &str) -> Option<T> {
        let word = kind.word();
        let fault =
            Diagnostic::new(Code::UnknownReference, span, format!("there is no {word} called {quote}"));
        if let Some(other) = NAMED.iter().find(|other| self.names.contains_key(&(**other, name))) {
            return self.fault(fault.label(format!("this is the name of {}", other.a_word())));
        }
        let sources = self.sources;
        let names = self
            .names
            .iter()
            .filter(|((known, _), (_, span))| *known == kind && !sources.is_private(span.file))
            .map(|((_, name), _)| *name);
        let near = self.suggestions.near(name, names);
        let label = match near.and_then(|near| Some((near, self.names.get(&(kind, near.word))?))) {
            Some((near, (_, declared))) => {
                let place = self.sources.short_place(*declared);
                let fault = fault.label(format!("did you mean `{near}` ({place})?"));
                // What a `let` holds stands elsewhere.
                let here = sources.text(span) == name;
                return self.fault(if here { fault.or(near) } else { fault });
            }
            None if !self.missing.insert((Some(kind), name.to_owned())) => return None,
            None => format!("declare it: `{word} name {{ … }}`"),
        };
        self.fault(fault.label(label))
    }

    pub(super) fn mark(&mut self, kind: Kind, name: &'a str) {
        if let Some((index, _)) = self.names.get(&(kind, name)) {
            self.used.insert((kind, *index));
        }
    }
}
