//! Fastly's `director name random { .quorum = 50%; { .backend = a; .weight = 2; } }`: an object with its members,
//! made before `vcl_init` runs.

use super::Writer;
use super::objects::Made;
use crate::language::ast::{Declaration, ExprKind, Item, Member, Setting};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{Argument, Choice, Do, Expr, ObjectId, Step, Value};
use crate::language::source::Span;
use crate::language::table::Kind;
use crate::language::vocabulary::{Class, Dialect, Method};

/// Shares of the traffic.
const WEIGHT_MAX: u64 = 1_000_000;

impl<'t> Writer<'_, 't, '_> {
    /// The steps that make the directors of a tree.
    pub(super) fn directors(&mut self, items: &'t [Item]) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.dialect != Dialect::Fastly {
            return steps;
        }
        for item in items {
            if let Item::Declaration(written) = item
                && written.kind == Kind::Director
            {
                self.director(written, &mut steps);
            }
        }
        steps
    }

    fn director(&mut self, written: &'t Declaration, steps: &mut Vec<Step>) -> Option<()> {
        let name = written.name.as_ref().filter(|name| matches!(name.kind, ExprKind::Name))?.span;
        // The name is known, whatever is wrong with the rest.
        let at = self.objects.len();
        let object = ObjectId(u32::try_from(at).unwrap_or(u32::MAX));
        let text = self.text(name);
        self.object_of.insert(self.folded(text), at);
        self.objects.push(Made::declared(text, name));
        let Some(policy) =
            written.flags.first().map(|first| first.to(*written.flags.last().unwrap_or(first)))
        else {
            return self.fault(
                Diagnostic::new(Code::Missing, name, "a director says how it chooses").label(
                    "write it behind the name: `random`, `hash`, `client`, `fallback` or `round-robin`",
                ),
            );
        };
        let (class, add) = match self.text(policy) {
            "random" => (Class::Random, Method::RandomAdd),
            "hash" | "client" => (Class::HashDirector, Method::HashAdd),
            "fallback" => (Class::Fallback, Method::FallbackAdd),
            "round-robin" | "round_robin" => (Class::RoundRobin, Method::RoundRobinAdd),
            "chash" => {
                return self.fault(
                    Diagnostic::new(Code::NotYet, policy, "the ring of Fastly's `chash` is not known here")
                        .label(
                            "`hash` keeps a page on its backend too; `directors.shard()` is a ring of ours",
                        ),
                );
            }
            _ => {
                let quote = self.quote(policy);
                return self.fault(
                    Diagnostic::new(Code::UnknownValue, policy, format!("no director chooses by {quote}"))
                        .label("there are `random`, `hash`, `client`, `fallback` and `round-robin`"),
                );
            }
        };
        let weighs = matches!(class, Class::Random | Class::HashDirector);
        let by_client = self.text(policy) == "client";
        if let Some(made) = self.objects.get_mut(at) {
            (made.class, made.by_client) = (Some(class), by_client);
        }
        let mut quorum = 0;
        let mut members = Vec::new();
        for member in &written.body {
            match member {
                Member::Setting(setting) => match self.text(setting.name) {
                    "quorum" if weighs => quorum = self.amount(setting, 100)?,
                    // Only backends that are well are asked at all: there is nothing to try again.
                    "retries" if weighs => {
                        self.amount(setting, WEIGHT_MAX)?;
                    }
                    _ => self
                        .no_setting(setting.name, if weighs { "`.quorum` and `.retries`" } else { "none" }),
                },
                Member::Block(braced) => {
                    let (mut backend, mut weight, mut named) = (None, 1, false);
                    for member in &braced.body {
                        let Member::Setting(setting) = member else { continue };
                        match self.text(setting.name) {
                            "backend" => (backend, named) = (self.member(setting), true),
                            "weight" if weighs => weight = self.amount(setting, WEIGHT_MAX)?,
                            _ => self.no_setting(
                                setting.name,
                                if weighs { "`.backend` and `.weight`" } else { "`.backend`" },
                            ),
                        }
                    }
                    match backend {
                        Some(backend) => members.push((braced.span, backend, weight)),
                        None if braced.broken || named => {}
                        None => self.no_backend(braced.span),
                    }
                }
                _ => {}
            }
        }
        if written.body.is_empty() && !written.broken {
            self.no_backend(name);
        }
        let mark = self.mark(name);
        #[expect(clippy::cast_precision_loss, reason = "bounded far below")]
        let share = Expr::Constant(Value::Real(quorum as f64 / 100.0));
        let args: Box<[Expr]> = if weighs { Box::new([share]) } else { Box::new([]) };
        steps.push(Step { mark, what: Do::New { object, args } });
        for (span, backend, weight) in members {
            let mark = self.mark(span);
            let mut args = vec![Argument::Value(Expr::Constant(Value::Backend(backend)))];
            if weighs {
                #[expect(clippy::cast_precision_loss, reason = "bounded far below")]
                args.push(Argument::Value(Expr::Constant(Value::Real(weight as f64))));
            }
            let add = Expr::Method { object, method: add, args: args.into() };
            steps.push(Step { mark, what: Do::Evaluate(add) });
        }
        Some(())
    }

    fn no_backend(&mut self, span: Span) {
        self.fault::<()>(
            Diagnostic::new(Code::Missing, span, "a member of a director is a backend")
                .label("write it: `{ .backend = name; }`"),
        );
    }

    fn no_setting(&mut self, name: Span, known: &str) {
        let quote = self.quote(name);
        self.fault::<()>(
            Diagnostic::new(Code::UnknownSetting, name, format!("there is no setting {quote} here"))
                .label(format!("take it out; known are: {known}")),
        );
    }

    /// A whole number, or so many percent.
    fn amount(&mut self, setting: &Setting, most: u64) -> Option<u64> {
        match setting.values.as_slice() {
            [value] => match value.kind {
                ExprKind::Number(number) if number <= most => Some(number),
                _ => self.fault(
                    Diagnostic::new(Code::WrongType, value.span, "a whole number is taken here")
                        .label(format!("from 0 to {most}")),
                ),
            },
            _ => self.fault(
                Diagnostic::new(Code::WrongType, setting.span, "one whole number is taken here")
                    .label(format!("from 0 to {most}")),
            ),
        }
    }

    fn member(&mut self, setting: &Setting) -> Option<Choice> {
        let value = setting.values.first().filter(|value| matches!(value.kind, ExprKind::Name))?;
        let name = self.text(value.span);
        let Some((index, ..)) = self.declaration(Kind::Backend, name) else {
            return self.unknown(value.span, crate::language::vocabulary::Type::Backend);
        };
        self.checker.used.insert((Kind::Backend, index));
        Some(self.backend(index))
    }
}
