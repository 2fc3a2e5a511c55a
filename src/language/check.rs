//! Items → tree: names are resolved, every value is judged by its row in the table. Nothing here stops at
//! the first fault, and nothing faulty is reported twice: it becomes `None` or `Value::Faulty` and is quiet.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::ast::{self, Expr, ExprKind, Item, Member};
use super::diagnostic::{Diagnostic, Found};
use super::faults::Code;
use super::load::Loaded;
use super::source::{Sources, Span, quoted};
use super::suggest::Suggestions;
use super::table::{self, Kind, LATER, Named, Type, one_of};
use super::tree::{Access, Certificate, Declaration, Entry, Setting, Text, Tree, Value, Valued};
use crate::base::amount;

/// Looks up a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Words that a `let` would hide.
const WORDS: &[&str] = &[
    "yes", "no", "true", "false", "if", "env", "files", "network", "anyone", "nobody", "local", "let",
    "include", "private",
];
/// Words for access that need sign-in.
const ACCESS_LATER: &[&str] = &["signed_in", "user", "group"];

pub fn check(loaded: Loaded, environment: Environment<'_>) -> Tree {
    let Loaded { sources, items, found, suggestions } = loaded;
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
        let Item::Declaration(written) = item else { continue };
        let declared = checker.declaration(written, None);
        match written.kind {
            Kind::Gateway if tree.gateway.is_none() => tree.gateway = Some(declared),
            Kind::Gateway | Kind::Route => {}
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

/// A constant's value, with what hangs on it.
#[derive(Clone)]
struct Known {
    constant: Constant,
    /// A part of it stands in a private file.
    private: bool,
    /// A part of it comes from the environment, where everything is text.
    environment: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Constant {
    Text(String),
    Bool(bool),
    Number(u64),
    Duration(Duration),
    Size(u64),
    Real,
    Rate,
}

impl Constant {
    const fn title(&self) -> &'static str {
        match self {
            Constant::Text(_) => "a string",
            Constant::Bool(_) => "`yes` or `no`",
            Constant::Number(_) => "a number",
            Constant::Duration(_) => "a duration",
            Constant::Size(_) => "a size",
            Constant::Real => "a number with a fraction",
            Constant::Rate => "a rate",
        }
    }
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

impl<'a> Checker<'a> {
    fn quote(&self, span: Span) -> String {
        self.sources.quote(span)
    }

    fn private(&self, span: Span) -> bool {
        self.sources.is_private(span.file)
    }

    /// Reports, and stands for the value that is not there.
    fn fault<T>(&mut self, fault: Diagnostic) -> Option<T> {
        self.found.push(fault);
        None
    }

    /// First walk: who is called what.
    fn collect(&mut self, items: &[Item]) {
        let mut counts: HashMap<Kind, usize> = HashMap::new();
        let mut gateway: Option<Span> = None;
        for item in items {
            match item {
                Item::Let(constant) => self.collect_let(constant),
                Item::Include(_) => {}
                Item::Declaration(declaration) => {
                    let kind = declaration.kind;
                    let at = counts.entry(kind).or_default();
                    let index = *at;
                    *at += 1;
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

    fn constant_defined(&mut self, constant: &ast::Let) {
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

    /// What nothing names. After an error it would only say what the error says.
    fn unused(&mut self) {
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
                unused.push((*span, kind.word()));
            }
        }
        unused.sort_unstable();
        for (span, word) in unused {
            let quote = self.quote(span);
            self.found.push(
                Diagnostic::new(Code::Unused, span, format!("nothing uses the `{word}` called {quote}"))
                    .label("take it out, or name it where it was meant"),
            );
        }
    }

    fn declaration(&mut self, written: &ast::Declaration, inside: Option<Kind>) -> Declaration {
        let kind = written.kind;
        let head = written.name.as_ref().map_or(written.kind_span, |name| written.kind_span.to(name.span));
        if kind.inside() != inside {
            let place = match kind.inside() {
                Some(outer) => format!("in {}", outer.a_word()),
                None => "at the top of a file, outside of all braces".to_owned(),
            };
            self.found.push(
                Diagnostic::new(
                    Code::Misplaced,
                    written.kind_span,
                    format!("{} does not stand here", kind.a_word()),
                )
                .label(format!("it stands {place}")),
            );
        }
        let name = self.declared_name(written);
        let mut declared = Declaration {
            kind,
            head,
            name,
            settings: Vec::new(),
            entries: Vec::new(),
            inside: Vec::new(),
            broken: written.broken || kind.inside() != inside,
        };
        let mut seen: Vec<(&'static str, Span)> = Vec::new();
        for member in &written.body {
            match member {
                Member::Setting(setting) => self.setting(setting, &mut declared, &mut seen),
                Member::Entry(entry) => {
                    if kind == Kind::Acl {
                        let entry = self.entry(entry);
                        declared.entries.push(entry);
                    } else {
                        self.found.push(
                            Diagnostic::new(
                                Code::Misplaced,
                                entry.span,
                                "a line of networks stands in an `acl` only",
                            )
                            .label(format!("{} takes settings: `.name = value;`", kind.a_word())),
                        );
                    }
                }
                Member::Declaration(inner) => {
                    let inner = self.declaration(inner, Some(kind));
                    if inner.kind.inside() == Some(kind) {
                        declared.inside.push(inner);
                    }
                }
            }
        }
        if !declared.broken {
            for row in kind.settings().iter().filter(|row| row.required) {
                if !seen.iter().any(|(name, _)| *name == row.name) {
                    let title = if self.private(head) { kind.word().to_owned() } else { declared.title() };
                    self.found.push(
                        Diagnostic::new(Code::Missing, head, format!("{title} has no `.{}`", row.name))
                            .label(format!("add `.{} = …;`, {}", row.name, row.takes.title())),
                    );
                }
            }
        }
        declared
    }

    fn declared_name(&mut self, written: &ast::Declaration) -> Option<(Text, Span)> {
        let kind = written.kind;
        match (kind.named(), &written.name) {
            (Named::Nothing, None) => None,
            (Named::Nothing, Some(name)) => self.fault(
                Diagnostic::new(Code::Misplaced, name.span, format!("{} has no name", kind.a_word()))
                    .label(format!("write `{} {{ … }}`", kind.word())),
            ),
            (_, None) => {
                let example = if kind.named() == Named::Word { "name" } else { "\"…\"" };
                self.fault(
                    Diagnostic::new(
                        Code::Misplaced,
                        written.kind_span,
                        format!("{} needs a name", kind.a_word()),
                    )
                    .label(format!("write `{} {example} {{ … }}`", kind.word())),
                )
            }
            (Named::Word, Some(Expr { span, kind: ExprKind::Name })) => {
                let text = Text { value: self.sources.text(*span).to_owned(), private: self.private(*span) };
                Some((text, *span))
            }
            (_, Some(Expr { kind: ExprKind::Faulty, .. })) => None,
            (Named::Word, Some(name)) => self.fault(
                Diagnostic::new(
                    Code::Misplaced,
                    name.span,
                    format!("the name of {} is one word without quotes", kind.a_word()),
                )
                .label(format!("write `{} name {{ … }}`", kind.word())),
            ),
            (Named::Text, Some(name)) => {
                let known = self.constant(name)?;
                let Constant::Text(value) = known.constant else {
                    let title = known.constant.title();
                    return self.fault(
                        Diagnostic::new(
                            Code::WrongType,
                            name.span,
                            format!("{} is called by a string, and this is {title}", kind.a_word()),
                        )
                        .label("write it in quotes"),
                    );
                };
                Some((Text { value, private: known.private || self.private(name.span) }, name.span))
            }
        }
    }

    fn entry(&mut self, entry: &ast::Entry) -> Entry {
        let address = self.constant(&entry.address).and_then(|known| match known.constant {
            Constant::Text(value) => {
                Some(Text { value, private: known.private || self.private(entry.address.span) })
            }
            other => self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    entry.address.span,
                    format!("an address is a string, and this is {}", other.title()),
                )
                .label("write it in quotes: `\"192.0.2.0\"/24;`"),
            ),
        });
        Entry {
            span: entry.span,
            not: entry.not,
            address,
            address_span: entry.address.span,
            prefix: entry.prefix,
        }
    }

    fn setting(
        &mut self,
        written: &ast::Setting,
        declared: &mut Declaration,
        seen: &mut Vec<(&'static str, Span)>,
    ) {
        let kind = declared.kind;
        let name = self.sources.text(written.name);
        let name_span = Span { start: written.name.start.saturating_sub(1), ..written.name };
        let mut row = kind.settings().iter().find(|row| row.name == name);
        let known = row.is_some();
        if row.is_none() {
            row = self.unknown_setting(kind, name, name_span);
        }
        let Some(row) = row else {
            // The values are judged as far as they can be, so that a `let` they name counts as used.
            for value in &written.values {
                self.touch(value);
            }
            return;
        };
        if let Some((_, first)) = seen.iter().find(|(seen, _)| *seen == row.name) {
            let first = *first;
            if known {
                let more = if row.several { "part several values by commas" } else { "keep one of them" };
                self.found.push(
                    Diagnostic::new(Code::SetTwice, name_span, format!("`.{}` is set twice", row.name))
                        .label(more)
                        .at(first, "first here"),
                );
            }
            for value in &written.values {
                self.typed(value, row);
            }
            return;
        }
        seen.push((row.name, name_span));
        if !row.several
            && let Some(second) = written.values.get(1)
        {
            self.found.push(
                Diagnostic::new(Code::OneValue, second.span, format!("`.{}` takes one value", row.name))
                    .label("take this one out"),
            );
        }
        let values = written
            .values
            .iter()
            .map(|expr| {
                let value = self.typed(expr, row).unwrap_or(Value::Faulty);
                Valued { span: expr.span, value }
            })
            .collect();
        declared.settings.push(Setting { row, name_span, values });
    }

    /// Reports, and returns the row that was most likely meant.
    fn unknown_setting(&mut self, kind: Kind, name: &str, span: Span) -> Option<&'static table::Setting> {
        let quote = self.quote(span);
        let rows = kind.settings();
        let fault =
            Diagnostic::new(Code::UnknownSetting, span, format!("{} has no setting {quote}", kind.a_word()));
        if let Some(near) = self.suggestions.nearest(name, rows.iter().map(|row| row.name)) {
            self.found.push(fault.label(format!("did you mean `.{near}`?")));
            return rows.iter().find(|row| row.name == near);
        }
        let elsewhere = Kind::ALL.iter().find(|other| other.settings().iter().any(|row| row.name == name));
        let all: Vec<String> = rows.iter().map(|row| format!("`.{}`", row.name)).collect();
        let fault = match (elsewhere, kind) {
            (Some(other), _) => fault.label(format!("it is a setting of {}", other.a_word())),
            (None, Kind::Acl) => fault.label("an `acl` holds networks: `\"192.0.2.0\"/24;`"),
            _ => fault.label("take it out"),
        };
        let fault = match all.as_slice() {
            [] => fault,
            few if few.len() <= 12 => fault.help(format!("{} takes {}", kind.a_word(), one_of(few))),
            _ => fault.help(format!("the manual lists all settings of {}", kind.a_word())),
        };
        self.fault(fault)
    }

    /// Marks what an expression names as used without judging it.
    fn touch(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name => {
                let name = self.sources.text(expr.span);
                if let Some(constant) = self.lets.get_mut(name) {
                    constant.used = true;
                }
            }
            ExprKind::Call { args: parts, .. }
            | ExprKind::Add(parts)
            | ExprKind::And(parts)
            | ExprKind::Or(parts) => {
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

    /// The value of an expression where a row says what is taken; `None` when a fault was reported.
    fn typed(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Value> {
        match &expr.kind {
            ExprKind::Faulty => return None,
            ExprKind::Group(inner) if row.takes != Type::Access => return self.typed(inner, row),
            ExprKind::Call { name, args }
                if self.sources.text(*name) == "if" && row.takes != Type::Access =>
            {
                return self.choose(*name, expr.span, args, |checker, branch| checker.typed(branch, row));
            }
            _ => {}
        }
        match row.takes {
            Type::Access => self.access(expr).map(Value::Access),
            Type::Certificate => self.certificate(expr, row).map(Value::Certificate),
            Type::Word(words) => self.word(expr, row, words),
            Type::Name(kind) => self.reference(expr, kind, Some(row)).map(Value::Name),
            _ => self.plain(expr, row),
        }
    }

    /// `if(condition, a, b)`: both are judged, one is taken.
    fn choose<T>(
        &mut self,
        name: Span,
        span: Span,
        args: &[Expr],
        mut judge: impl FnMut(&mut Self, &Expr) -> Option<T>,
    ) -> Option<T> {
        let [condition, yes, no] = args else {
            return self.arguments(span, name, "if(condition, a, b)", 3, args.len());
        };
        let choice = self.constant(condition).and_then(|known| {
            let value = match (&known.constant, known.environment) {
                (Constant::Bool(value), _) => Some(*value),
                (Constant::Text(text), true) => truth(text),
                _ => None,
            };
            if value.is_none() {
                let title = known.constant.title();
                self.found.push(
                    Diagnostic::new(
                        Code::WrongType,
                        condition.span,
                        format!("a condition is `yes` or `no`, and this is {title}"),
                    )
                    .label("compare it with something: `level == \"production\"`"),
                );
            }
            value
        });
        let mut side = |checker: &mut Self, expr: &Expr, chosen: bool| {
            checker.unchosen += usize::from(!chosen);
            let value = judge(checker, expr);
            checker.unchosen -= usize::from(!chosen);
            value
        };
        let yes = side(self, yes, choice == Some(true));
        let no = side(self, no, choice == Some(false));
        if choice? { yes } else { no }
    }

    fn arguments<T>(&mut self, span: Span, name: Span, shape: &str, wants: usize, has: usize) -> Option<T> {
        let quote = self.quote(name);
        let count = if wants == 1 { "1 argument".to_owned() } else { format!("{wants} arguments") };
        self.fault(
            Diagnostic::new(Code::Arguments, span, format!("{quote} takes {count}, and here are {has}"))
                .label(format!("write `{shape}`")),
        )
    }

    /// The value of an expression without a row to say what is taken.
    fn constant(&mut self, expr: &Expr) -> Option<Known> {
        let private = self.private(expr.span);
        let known = |constant| Some(Known { constant, private, environment: false });
        match &expr.kind {
            ExprKind::Faulty => None,
            ExprKind::Text(text) => known(Constant::Text(self.sources.text(*text).to_owned())),
            ExprKind::Number(number) => known(Constant::Number(*number)),
            ExprKind::Duration(duration) => known(Constant::Duration(*duration)),
            ExprKind::Size(size) => known(Constant::Size(*size)),
            ExprKind::Real => known(Constant::Real),
            ExprKind::Rate => known(Constant::Rate),
            ExprKind::Group(inner) => self.constant(inner),
            ExprKind::Name => self.named(expr.span),
            ExprKind::Call { name, args } => self.call(*name, expr.span, args),
            ExprKind::Add(parts) => self.sum(parts),
            ExprKind::Not(inner) => {
                let mut known = self.truth_of(inner)?;
                known.0.constant = Constant::Bool(!known.1);
                Some(known.0)
            }
            ExprKind::And(parts) => self.joined(parts, true),
            ExprKind::Or(parts) => self.joined(parts, false),
            ExprKind::Compare { equal, left, right } => {
                let (a, b) = (self.constant(left), self.constant(right));
                let (a, b) = (a?, b?);
                if std::mem::discriminant(&a.constant) != std::mem::discriminant(&b.constant) {
                    let (a, b) = (a.constant.title(), b.constant.title());
                    return self.fault(
                        Diagnostic::new(
                            Code::WrongType,
                            expr.span,
                            format!("{a} cannot be compared with {b}"),
                        )
                        .label("write both sides as the same kind of value"),
                    );
                }
                Some(Known {
                    constant: Constant::Bool((a.constant == b.constant) == *equal),
                    private: a.private || b.private || private,
                    environment: false,
                })
            }
        }
    }

    fn truth_of(&mut self, expr: &Expr) -> Option<(Known, bool)> {
        let known = self.constant(expr)?;
        match known.constant {
            Constant::Bool(value) => Some((known, value)),
            other => self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    expr.span,
                    format!("a condition is `yes` or `no`, and this is {}", other.title()),
                )
                .label("compare it with something: `level == \"production\"`"),
            ),
        }
    }

    fn joined(&mut self, parts: &[Expr], all: bool) -> Option<Known> {
        let mut out = Known { constant: Constant::Bool(all), private: false, environment: false };
        let mut value = all;
        let mut faulty = false;
        for part in parts {
            match self.truth_of(part) {
                None => faulty = true,
                Some((known, truth)) => {
                    out.private |= known.private;
                    value = if all { value && truth } else { value || truth };
                }
            }
        }
        out.constant = Constant::Bool(value);
        (!faulty).then_some(out)
    }

    fn sum(&mut self, parts: &[Expr]) -> Option<Known> {
        let mut sum: Option<Known> = None;
        let mut faulty = false;
        for part in parts {
            let Some(next) = self.constant(part) else {
                faulty = true;
                continue;
            };
            let Some(before) = sum.take() else {
                sum = Some(next);
                continue;
            };
            let private = before.private || next.private;
            let environment = before.environment || next.environment;
            let constant = match (before.constant, next.constant) {
                (Constant::Text(mut a), Constant::Text(b)) => {
                    a.push_str(&b);
                    Some(Constant::Text(a))
                }
                (Constant::Text(mut a), Constant::Number(b)) => {
                    a.push_str(&b.to_string());
                    Some(Constant::Text(a))
                }
                (Constant::Number(a), Constant::Text(b)) => Some(Constant::Text(format!("{a}{b}"))),
                (Constant::Number(a), Constant::Number(b)) => a.checked_add(b).map(Constant::Number),
                (Constant::Size(a), Constant::Size(b)) => a.checked_add(b).map(Constant::Size),
                (Constant::Duration(a), Constant::Duration(b)) => a.checked_add(b).map(Constant::Duration),
                (a, b) => {
                    let (a, b) = (a.title(), b.title());
                    return self.fault(
                        Diagnostic::new(Code::WrongType, part.span, format!("{b} cannot be added to {a}"))
                            .label("add strings to strings, and amounts of one kind to each other"),
                    );
                }
            };
            let Some(constant) = constant else {
                return self.fault(
                    Diagnostic::new(
                        Code::OutOfRange,
                        part.span,
                        "this sum is more than any setting can hold",
                    )
                    .label("with this one it is too much"),
                );
            };
            sum = Some(Known { constant, private, environment });
        }
        if faulty { None } else { sum }
    }

    /// A name in a constant: `yes`, `no`, or a `let`.
    fn named(&mut self, span: Span) -> Option<Known> {
        let name = self.sources.text(span);
        let private = self.private(span);
        if let Some(value) = truth(name) {
            return Some(Known { constant: Constant::Bool(value), private, environment: false });
        }
        let quote = self.quote(span);
        if let Some(constant) = self.lets.get_mut(name) {
            constant.used = true;
            if !constant.defined {
                let defined = constant.name;
                return self.fault(
                    Diagnostic::new(Code::UsedBefore, span, format!("{quote} is used before it is defined"))
                        .label("move this line below the one that defines it")
                        .at(defined, "it is defined here"),
                );
            }
            let mut value = constant.value.clone()?;
            value.private |= private;
            return Some(value);
        }
        let fault = Diagnostic::new(Code::UnknownName, span, format!("there is no constant called {quote}"));
        if let Some(kind) =
            [Kind::Backend, Kind::Acl, Kind::Log].iter().find(|kind| self.names.contains_key(&(**kind, name)))
        {
            return self.fault(
                fault.label(format!("this is the name of {}; a constant is defined by `let`", kind.a_word())),
            );
        }
        let near = {
            // A name that stands in a private file is not suggested: it might be more than a name.
            let sources = self.sources;
            let shown = self.lets.iter().filter(|(_, constant)| !sources.is_private(constant.name.file));
            self.suggestions.nearest(name, shown.map(|(name, _)| *name).chain(["yes", "no"]))
        };
        let label = match near {
            Some(near) => {
                let place = self.lets.get(near).map(|constant| self.sources.short_place(constant.name));
                place.map_or_else(
                    || format!("did you mean `{near}`?"),
                    |place| format!("did you mean `{near}` ({place})?"),
                )
            }
            None if !self.missing.insert((None, name.to_owned())) => return None,
            None => "text stands in quotes; a constant is defined by `let name = …;`".to_owned(),
        };
        self.fault(fault.label(label))
    }

    fn call(&mut self, name: Span, span: Span, args: &[Expr]) -> Option<Known> {
        match self.sources.text(name) {
            "if" => {
                // Whether a private condition held is private too.
                let private = args
                    .first()
                    .and_then(|condition| self.quiet(condition))
                    .is_some_and(|known| known.private);
                let mut chosen = self.choose(name, span, args, Self::constant)?;
                chosen.private |= private || self.private(span);
                Some(chosen)
            }
            "env" => self.environment(name, span, args),
            "files" | "network" => {
                let quote = self.quote(name);
                self.fault(
                    Diagnostic::new(Code::UnknownName, name, format!("{quote} is no constant"))
                        .label("it stands only in settings that take it: `.certificate`, `.allow`"),
                )
            }
            word => {
                let quote = self.quote(name);
                let fault =
                    Diagnostic::new(Code::UnknownName, name, format!("there is no function called {quote}"));
                let near = self.suggestions.nearest(word, ["env", "if"]);
                self.fault(match near {
                    Some(near) => fault.label(format!("did you mean `{near}`?")),
                    None => fault.label("there are `env(\"NAME\", \"default\")` and `if(condition, a, b)`"),
                })
            }
        }
    }

    /// The value of an expression that is judged elsewhere.
    fn quiet(&mut self, expr: &Expr) -> Option<Known> {
        let found = std::mem::take(&mut self.found);
        let known = self.constant(expr);
        self.found = found;
        known
    }

    fn environment(&mut self, name: Span, span: Span, args: &[Expr]) -> Option<Known> {
        let (variable, default) = match args {
            [variable] => (variable, None),
            [variable, default] => (variable, Some(default)),
            _ => return self.arguments(span, name, "env(\"NAME\", \"default\")", 2, args.len()),
        };
        let default_value = default.map(|default| self.constant(default));
        let known = self.constant(variable)?;
        let Constant::Text(wanted) = &known.constant else {
            return self.fault(
                Diagnostic::new(Code::WrongType, variable.span, "the name of a variable is a string")
                    .label("write it in quotes"),
            );
        };
        let private = known.private || self.private(span);
        if let Some(value) = (self.environment)(wanted) {
            return Some(Known { constant: Constant::Text(value), private, environment: true });
        }
        match default_value {
            Some(value) => {
                let mut value = value?;
                value.private |= private;
                value.environment |= matches!(value.constant, Constant::Text(_));
                Some(value)
            }
            None if self.unchosen > 0 => None,
            None => {
                let shown = if known.private { "a variable".to_owned() } else { quoted(wanted) };
                self.fault(
                    Diagnostic::new(
                        Code::NotInEnvironment,
                        span,
                        format!("{shown} is not set in the environment"),
                    )
                    .label("set it, or give a default: `env(\"NAME\", \"default\")`"),
                )
            }
        }
    }

    /// Text, switches and amounts.
    fn plain(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Value> {
        if let (Type::Bool, ExprKind::Name) = (row.takes, &expr.kind) {
            let name = self.sources.text(expr.span);
            if truth(name).is_none() && !self.lets.contains_key(name) {
                let quote = self.quote(expr.span);
                let label = match name.to_ascii_lowercase().as_str() {
                    "on" | "enabled" | "y" => "write `yes`",
                    "off" | "disabled" | "none" | "n" => "write `no`",
                    _ => "write one of these",
                };
                return self.fault(
                    Diagnostic::new(
                        Code::UnknownValue,
                        expr.span,
                        format!("`.{}` is `yes` or `no`, not {quote}", row.name),
                    )
                    .label(label),
                );
            }
        }
        let known = self.constant(expr)?;
        let private = known.private || self.private(expr.span);
        let from_text = |text: &str| -> Option<Value> {
            match row.takes {
                Type::Bool => truth(text).map(Value::Bool),
                Type::Count => text.parse().ok().map(Value::Number),
                Type::Duration => amount::duration(text).map(Value::Duration),
                Type::Size => amount::size(text).map(Value::Size),
                _ => None,
            }
        };
        let zero_means_none = row.range.0 == 0;
        let value = match (row.takes, &known.constant) {
            (takes, Constant::Text(text)) if takes.is_text() => {
                return Some(Value::Text(Text { value: text.clone(), private }));
            }
            (Type::Bool, Constant::Bool(value)) => Some(Value::Bool(*value)),
            (Type::Count, Constant::Number(value)) => Some(Value::Number(*value)),
            (Type::Duration, Constant::Duration(value)) => Some(Value::Duration(*value)),
            (Type::Duration, Constant::Number(0)) if zero_means_none => Some(Value::Duration(Duration::ZERO)),
            (Type::Size, Constant::Size(value) | Constant::Number(value)) => Some(Value::Size(*value)),
            (_, Constant::Text(text)) if known.environment => from_text(text),
            _ => None,
        };
        let Some(value) = value else {
            let is = match &known.constant {
                Constant::Text(text) if known.environment && !private => {
                    format!("{}, from the environment", quoted(text))
                }
                other => other.title().to_owned(),
            };
            let label = match (&known.constant, row.takes) {
                (Constant::Text(text), _) if from_text(text).is_some() => {
                    "write it without quotes".to_owned()
                }
                (_, takes) if takes.is_text() => "write it in quotes".to_owned(),
                (Constant::Number(_), Type::Duration) => "say the unit: `10s`, `5m`, `1h`".to_owned(),
                _ => format!("write {}", row.takes.title()),
            };
            let title = row.takes.title();
            return self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    expr.span,
                    format!("`.{}` takes {title}, and this is {is}", row.name),
                )
                .label(label),
            );
        };
        self.in_range(expr.span, row, value)
    }

    fn in_range(&mut self, span: Span, row: &'static table::Setting, value: Value) -> Option<Value> {
        let (least, most) = row.range;
        let amount = match value {
            Value::Number(amount) | Value::Size(amount) => amount,
            Value::Duration(duration) => match u64::try_from(duration.as_millis()) {
                // Less than a millisecond, and not nothing.
                Ok(0) if !duration.is_zero() => 1,
                Ok(millis) => millis,
                Err(_) => u64::MAX,
            },
            _ => return Some(value),
        };
        if (least..=most).contains(&amount) {
            return Some(value);
        }
        let show = |amount: u64| match row.takes {
            Type::Duration => amount::write_duration(Duration::from_millis(amount)),
            Type::Size => amount::write_size(amount),
            _ => amount.to_string(),
        };
        let (what, label) = if amount < least {
            ("too little", format!("write at least {}", show(least)))
        } else {
            ("too much", format!("write at most {}", show(most)))
        };
        self.fault(
            Diagnostic::new(Code::OutOfRange, span, format!("this is {what} for `.{}`", row.name))
                .label(label),
        )
    }

    fn word(
        &mut self,
        expr: &Expr,
        row: &'static table::Setting,
        words: &'static [table::Word],
    ) -> Option<Value> {
        let find =
            |name: &str| words.iter().find(|word| word.word == name).map(|word| Value::Word(word.word));
        let title = row.takes.title();
        if let ExprKind::Name = expr.kind {
            let name = self.sources.text(expr.span);
            if let Some(word) = find(name) {
                return Some(word);
            }
            if !self.lets.contains_key(name) {
                let quote = self.quote(expr.span);
                let near = self.suggestions.nearest(name, words.iter().map(|word| word.word));
                return self.fault(
                    Diagnostic::new(
                        Code::UnknownValue,
                        expr.span,
                        format!("`.{}` is {title}, not {quote}", row.name),
                    )
                    .label(near.map_or_else(
                        || "write one of these".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    )),
                );
            }
        }
        let known = self.constant(expr)?;
        let Constant::Text(text) = &known.constant else {
            let is = known.constant.title();
            return self.fault(
                Diagnostic::new(
                    Code::UnknownValue,
                    expr.span,
                    format!("`.{}` is {title}, and this is {is}", row.name),
                )
                .label("write one of these"),
            );
        };
        match (find(text), &expr.kind) {
            (Some(Value::Word(word)), ExprKind::Text(_)) => self.fault(
                Diagnostic::new(
                    Code::UnknownValue,
                    expr.span,
                    format!("`.{}` is {title}, without quotes", row.name),
                )
                .label(format!("write `{word}`")),
            ),
            (Some(word), _) => Some(word),
            (None, _) => {
                let quote =
                    Text { value: text.clone(), private: known.private || self.private(expr.span) }.quote();
                self.fault(
                    Diagnostic::new(
                        Code::UnknownValue,
                        expr.span,
                        format!("`.{}` is {title}, not {quote}", row.name),
                    )
                    .label("write one of these"),
                )
            }
        }
    }

    /// The place in the tree of what an expression names.
    fn reference(&mut self, expr: &Expr, kind: Kind, row: Option<&table::Setting>) -> Option<usize> {
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
        if let (ExprKind::Text(_), Some(row)) = (&expr.kind, row) {
            let text = self.quote(expr.span);
            let near = self.sources.text(expr.span).trim_matches('"');
            let fault = Diagnostic::new(
                Code::WrongType,
                expr.span,
                format!("`.{}` takes {}, without quotes", row.name, row.takes.title()),
            );
            let known = self.names.contains_key(&(kind, near)) && text.starts_with('`');
            return self.fault(if known {
                fault.label(format!("write `{near}`"))
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
        if let Some(other) = [Kind::Backend, Kind::Acl, Kind::Log]
            .iter()
            .find(|other| self.names.contains_key(&(**other, name)))
        {
            return self.fault(fault.label(format!("this is the name of {}", other.a_word())));
        }
        let sources = self.sources;
        let names = self
            .names
            .iter()
            .filter(|((known, _), (_, span))| *known == kind && !sources.is_private(span.file))
            .map(|((_, name), _)| *name);
        let near = self.suggestions.nearest(name, names);
        let label = match near.and_then(|near| Some((near, self.names.get(&(kind, near))?))) {
            Some((near, (_, declared))) => {
                format!("did you mean `{near}` ({})?", self.sources.short_place(*declared))
            }
            None if !self.missing.insert((Some(kind), name.to_owned())) => return None,
            None => format!("declare it: `{word} name {{ … }}`"),
        };
        self.fault(fault.label(label))
    }

    fn certificate(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Certificate> {
        let title = row.takes.title();
        let name = self.sources.text(match &expr.kind {
            ExprKind::Call { name, .. } => *name,
            _ => expr.span,
        });
        match &expr.kind {
            ExprKind::Name if name == "local" => Some(Certificate::Local),
            ExprKind::Call { args, .. } if name == "files" => {
                let [chain, key] = args.as_slice() else {
                    return self.arguments(
                        expr.span,
                        expr.span,
                        "files(\"chain.pem\", \"key.pem\")",
                        2,
                        args.len(),
                    );
                };
                let (chain, key) = (self.file_name(chain), self.file_name(key));
                Some(Certificate::Files { chain: chain?, key: key? })
            }
            ExprKind::Name | ExprKind::Call { .. } => {
                let quote = self.quote(expr.span);
                let near = self.suggestions.nearest(name, ["local", "files"]);
                let label = match near {
                    Some("files") => "did you mean `files(\"chain.pem\", \"key.pem\")`?".to_owned(),
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write {title}"),
                };
                self.touch(expr);
                self.fault(
                    Diagnostic::new(Code::UnknownValue, expr.span, format!("{quote} is no certificate"))
                        .label(label),
                )
            }
            _ => {
                let known = self.constant(expr)?;
                let is = known.constant.title();
                self.fault(
                    Diagnostic::new(
                        Code::WrongType,
                        expr.span,
                        format!("`.{}` takes {title}, and this is {is}", row.name),
                    )
                    .label("write one of these"),
                )
            }
        }
    }

    fn file_name(&mut self, expr: &Expr) -> Option<(Text, Span)> {
        let known = self.constant(expr)?;
        match known.constant {
            Constant::Text(value) => {
                Some((Text { value, private: known.private || self.private(expr.span) }, expr.span))
            }
            other => self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    expr.span,
                    format!("a file name is a string, and this is {}", other.title()),
                )
                .label("write it in quotes"),
            ),
        }
    }

    fn access(&mut self, expr: &Expr) -> Option<Access> {
        match &expr.kind {
            ExprKind::Faulty => None,
            ExprKind::Group(inner) => self.access(inner),
            ExprKind::Not(inner) => self.access(inner).map(|inner| Access::Not(Box::new(inner))),
            ExprKind::And(parts) => self.access_terms(parts).map(Access::And),
            ExprKind::Or(parts) => self.access_terms(parts).map(Access::Or),
            ExprKind::Call { name, args } => match self.sources.text(*name) {
                "if" => self.choose(*name, expr.span, args, Self::access),
                "network" => match args.as_slice() {
                    [acl] => self.reference(acl, Kind::Acl, None).map(Access::Network),
                    _ => self.arguments(expr.span, *name, "network(acl)", 1, args.len()),
                },
                word => self.unknown_access(*name, word),
            },
            ExprKind::Name => match self.sources.text(expr.span) {
                "anyone" => Some(Access::Anyone),
                "nobody" => Some(Access::Nobody),
                word => self.unknown_access(expr.span, word),
            },
            _ => {
                let known = self.constant(expr)?;
                let is = known.constant.title();
                let title = Type::Access.title();
                self.fault(
                    Diagnostic::new(
                        Code::WrongType,
                        expr.span,
                        format!("this is {is}, and says nothing about who may pass"),
                    )
                    .label(format!("write {title}")),
                )
            }
        }
    }

    fn access_terms(&mut self, parts: &[Expr]) -> Option<Vec<Access>> {
        let terms: Vec<Option<Access>> = parts.iter().map(|part| self.access(part)).collect();
        terms.into_iter().collect()
    }

    fn unknown_access<T>(&mut self, span: Span, word: &'a str) -> Option<T> {
        let quote = self.quote(span);
        if ACCESS_LATER.contains(&word) {
            return self.fault(
                Diagnostic::new(
                    Code::NotYet,
                    span,
                    format!("this version of doorward does not know {quote} yet"),
                )
                .label("there are `anyone`, `nobody` and `network(acl)`"),
            );
        }
        if let Some(constant) = self.lets.get_mut(word) {
            constant.used = true;
        }
        let fault = Diagnostic::new(Code::UnknownValue, span, format!("{quote} does not say who may pass"));
        if self.names.contains_key(&(Kind::Acl, word)) {
            self.mark(Kind::Acl, word);
            let label = if quote.starts_with('`') {
                format!("write `network({word})`")
            } else {
                "write `network(acl)`".to_owned()
            };
            return self.fault(fault.label(label));
        }
        let near = self.suggestions.nearest(word, ["anyone", "nobody", "network"]);
        self.fault(match near {
            Some("network") => fault.label("did you mean `network(acl)`?"),
            Some(near) => fault.label(format!("did you mean `{near}`?")),
            None => fault.label("there are `anyone`, `nobody` and `network(acl)`"),
        })
    }

    fn mark(&mut self, kind: Kind, name: &'a str) {
        if let Some((index, _)) = self.names.get(&(kind, name)) {
            self.used.insert((kind, *index));
        }
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}
