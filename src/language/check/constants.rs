//! What can be worked out while the rules are read: `let`, `env`, `if()`, sums and comparisons. Whatever a
//! private file has touched stays private.

use std::time::Duration;

use super::Checker;
use super::names::NAMED;
use crate::language::ast::{Argument, Comparison, Expr, ExprKind, Sign};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::source::{Span, quoted};

/// A constant's value, with what hangs on it.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) constant: Constant,
    /// A part of it stands in a private file.
    pub(super) private: bool,
    /// A part of it comes from the environment, where everything is text.
    pub(super) environment: bool,
}

#[derive(Clone, PartialEq)]
pub(super) enum Constant {
    Text(String),
    Bool(bool),
    Number(u64),
    Duration(Duration),
    Size(u64),
    Real(f64),
    Rate,
}

impl Constant {
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Constant::Text(_) => "a string",
            Constant::Bool(_) => "`yes` or `no`",
            Constant::Number(_) => "a number",
            Constant::Duration(_) => "a duration",
            Constant::Size(_) => "a size",
            Constant::Real(_) => "a number with a fraction",
            Constant::Rate => "a rate",
        }
    }
}

impl Checker<'_> {
    /// `if(condition, a, b)`: both are judged, one is taken.
    pub(super) fn choose<T>(
        &mut self,
        name: Span,
        span: Span,
        args: &[Argument],
        mut judge: impl FnMut(&mut Self, &Expr) -> Option<T>,
    ) -> Option<T> {
        let [condition, yes, no] = args else {
            return self.arguments(span, name, "if(condition, a, b)", 3, args.len());
        };
        let (condition, yes, no) = (&condition.value, &yes.value, &no.value);
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

    pub(super) fn arguments<T>(
        &mut self,
        span: Span,
        name: Span,
        shape: &str,
        wants: usize,
        has: usize,
    ) -> Option<T> {
        let quote = self.quote(name);
        let count = if wants == 1 { "1 argument".to_owned() } else { format!("{wants} arguments") };
        self.fault(
            Diagnostic::new(Code::Arguments, span, format!("{quote} takes {count}, and here are {has}"))
                .label(format!("write `{shape}`")),
        )
    }

    /// The value of an expression without a row to say what is taken.
    pub(super) fn constant(&mut self, expr: &Expr) -> Option<Known> {
        let private = self.private(expr.span);
        let known = |constant| Some(Known { constant, private, environment: false });
        match &expr.kind {
            ExprKind::Faulty => None,
            ExprKind::Text { inner, .. } => known(Constant::Text(self.sources.text(*inner).to_owned())),
            ExprKind::Number(number) => known(Constant::Number(*number)),
            ExprKind::Duration(duration) => known(Constant::Duration(*duration)),
            ExprKind::Size(size) => known(Constant::Size(*size)),
            ExprKind::Real(value) => known(Constant::Real(*value)),
            ExprKind::Rate => known(Constant::Rate),
            ExprKind::Group(inner) => self.constant(inner),
            ExprKind::Name => self.named(expr.span),
            ExprKind::Call { name, args } => self.call(*name, expr.span, args),
            ExprKind::Sum { first, rest } if rest.iter().all(|(sign, _)| *sign == Sign::Plus) => {
                self.sum(std::iter::once(&**first).chain(rest.iter().map(|(_, part)| part)))
            }
            ExprKind::Not(inner) => {
                let mut known = self.truth_of(inner)?;
                known.0.constant = Constant::Bool(!known.1);
                Some(known.0)
            }
            ExprKind::And(parts) => self.joined(parts, true),
            ExprKind::Or(parts) => self.joined(parts, false),
            ExprKind::Compare {
                how: how @ (Comparison::Equal | Comparison::NotEqual), left, right, ..
            } => {
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
                    constant: Constant::Bool((a.constant == b.constant) == (*how == Comparison::Equal)),
                    private: a.private || b.private || private,
                    environment: false,
                })
            }
            _ => self.fault(
                Diagnostic::new(Code::WrongType, expr.span, "this has no meaning in a setting")
                    .label("values are joined by `+`, `==`, `!=`, `&&`, `||` and `!`"),
            ),
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

    fn sum<'e>(&mut self, parts: impl Iterator<Item = &'e Expr>) -> Option<Known> {
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
    pub(super) fn named(&mut self, span: Span) -> Option<Known> {
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
        if let Some(kind) = NAMED.iter().find(|kind| self.names.contains_key(&(**kind, name))) {
            return self.fault(
                fault.label(format!("this is the name of {}; a constant is defined by `let`", kind.a_word())),
            );
        }
        let near = {
            // A name that stands in a private file is not suggested: it might be more than a name.
            let sources = self.sources;
            let shown = self.lets.iter().filter(|(_, constant)| !sources.is_private(constant.name.file));
            self.suggestions.near(name, shown.map(|(name, _)| *name).chain(["yes", "no"]))
        };
        let label = match near {
            Some(near) => {
                let place = self.lets.get(near.word).map(|constant| self.sources.short_place(constant.name));
                let label = place.map_or_else(
                    || format!("did you mean `{near}`?"),
                    |place| format!("did you mean `{near}` ({place})?"),
                );
                return self.fault(fault.label(label).or(near));
            }
            None if !self.missing.insert((None, name.to_owned())) => return None,
            None => "text stands in quotes; a constant is defined by `let name = …;`".to_owned(),
        };
        self.fault(fault.label(label))
    }

    fn call(&mut self, name: Span, span: Span, args: &[Argument]) -> Option<Known> {
        match self.sources.text(name) {
            "if" => {
                // Whether a private condition held is private too.
                let private = args
                    .first()
                    .and_then(|condition| self.quiet(&condition.value))
                    .is_some_and(|known| known.private);
                let mut chosen = self.choose(name, span, args, Self::constant)?;
                chosen.private |= private || self.private(span);
                Some(chosen)
            }
            "env" => self.environment(name, span, args),
            "lookup" => self.lookup(name, span, args),
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
                let near = self.suggestions.near(word, ["env", "if", "lookup"]);
                self.fault(match near {
                    Some(near) => fault.meant(near),
                    None => fault.label(
                        "there are `env(\"NAME\", \"default\")`, `if(condition, a, b)` and `lookup(table, \"key\")`",
                    ),
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

    fn environment(&mut self, name: Span, span: Span, args: &[Argument]) -> Option<Known> {
        let (variable, default) = match args {
            [variable] => (&variable.value, None),
            [variable, default] => (&variable.value, Some(&default.value)),
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
}

pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}
