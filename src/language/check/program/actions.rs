//! `return (…)`: where a phase may lead, and with what.

use super::Writer;
use crate::language::ast::{Argument, Expr, ExprKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{self, Do, Return, Value};
use crate::language::source::Span;
use crate::language::vocabulary::{Action, Dialect, Phases, Type};

impl Writer<'_, '_, '_> {
    /// What stands in the parentheses.
    pub(super) fn action(&mut self, value: &Expr) -> Option<Do> {
        let (name, args): (Span, Option<&[Argument]>) = match &value.kind {
            ExprKind::Name => (value.span, None),
            ExprKind::Call { name, args } => (*name, Some(args)),
            ExprKind::Group(inner) if !self.is_varnish() => return self.action(inner),
            ExprKind::Faulty => return None,
            _ => {
                return self.fault(
                    Diagnostic::new(Code::BadReturn, value.span, "an action is one word")
                        .label(format!("write {}", self.actions(self.here.phases))),
                );
            }
        };
        let word = self.text(name);
        let known = Action::ALL.iter().copied().find(|action| action.word() == word);
        let Some(action) = known else {
            let quote = self.quote(name);
            let phases = self.here.phases;
            let (speech, all) = (self.speech, Action::ALL.iter().copied());
            let fitting =
                all.filter(|action| phases.iter().all(|phase| action.fits(phase, speech))).map(Action::word);
            let near = self.checker.suggestions.near(word, fitting);
            let fault = Diagnostic::new(Code::BadReturn, name, format!("there is no action {quote}"));
            return self.fault(match near {
                Some(near) => fault.meant(near),
                None => fault.label(format!("there are {}", self.actions(phases))),
            });
        };
        let fits = self.may_end(action, name);
        let args = self.action_arguments(action, name, value.span, args);
        if !fits {
            return None;
        }
        Some(Do::Return(Return::Action { action, args: args? }))
    }

    /// Whether every phase that this sub runs in may end so; reports where not.
    pub(super) fn may_end(&mut self, action: Action, span: Span) -> bool {
        let phases = self.here.phases;
        let speech = self.speech;
        let Some(phase) = phases.iter().find(|phase| !action.fits(*phase, speech)) else {
            // A sub that nothing calls is judged by the dialect alone.
            if phases.is_empty() && !action.dialects().has(speech) {
                self.fault::<()>(
                    Diagnostic::new(Code::BadReturn, span, format!("there is no action `{}`", action.word()))
                        .label("it belongs to another dialect"),
                );
                return false;
            }
            return true;
        };
        let sub = self.sub_of(phase);
        let word = action.word();
        let fault = Diagnostic::new(Code::BadReturn, span, format!("`{sub}` can't end with `{word}`"));
        let fault = fault.label(match (action, self.is_varnish() || speech == Dialect::Doorward) {
            (Action::Lookup, true) => "it is called `hash` here".to_owned(),
            (Action::Hash, true) => "`hash` is how `vcl_recv` ends".to_owned(),
            (Action::Synth, true) if Phases::BACKEND.has(phase) => {
                "a backend's sub makes answers by `error(status, reason)`".to_owned()
            }
            (Action::Error, true) if Phases::CLIENT.has(phase) => {
                "a visitor's sub makes answers by `synth(status, reason)`".to_owned()
            }
            (Action::Retry, true) if Phases::CLIENT.has(phase) => {
                "visitor's subs begin again by `restart`".to_owned()
            }
            (Action::Restart, true) if Phases::BACKEND.has(phase) => {
                "backend's subs ask again by `retry`".to_owned()
            }
            _ => format!(
                "there {} {}",
                if phases.iter().count() > 1 { "all its callers share" } else { "are" },
                self.actions(phases)
            ),
        });
        self.report_here(fault, phase);
        false
    }

    fn action_arguments(
        &mut self,
        action: Action,
        name: Span,
        span: Span,
        args: Option<&[Argument]>,
    ) -> Option<Box<[program::Expr]>> {
        let word = action.word();
        let (least, types): (usize, &[Type]) = match action {
            Action::Synth => (1, &[Type::Int, Type::String]),
            Action::Error => (0, &[Type::Int, Type::String]),
            Action::Pass if !self.is_fastly() => (0, &[Type::Duration]),
            Action::Fail => (0, &[Type::String]),
            Action::Vcl => return self.label(name, args),
            _ => (0, &[]),
        };
        let Some(args) = args else {
            if least > 0 {
                return self.fault(
                    Diagnostic::new(Code::BadReturn, name, format!("`{word}` lacks its status"))
                        .label(format!("write `{word}(403)` or `{word}(403, \"Forbidden\")`")),
                );
            }
            return Some(Box::new([]));
        };
        if types.is_empty() {
            return self.fault(
                Diagnostic::new(Code::BadReturn, span, format!("`{word}` takes nothing in parentheses"))
                    .label(format!("write `return ({word});`")),
            );
        }
        if args.is_empty() || args.len() > types.len() {
            let shape = match action {
                Action::Synth | Action::Error => "(status, \"reason\")",
                Action::Pass => "(120s)",
                _ => "(\"why\")",
            };
            return self.fault(
                Diagnostic::new(
                    Code::BadReturn,
                    span,
                    format!("`{word}` takes {} here, and here are {}", types.len(), args.len()),
                )
                .label(format!("write `{word}{shape}`")),
            );
        }
        let mut out = Vec::with_capacity(args.len());
        let mut faulty = false;
        for (argument, of) in args.iter().zip(types) {
            if let Some(written) = argument.name {
                self.fault::<()>(
                    Diagnostic::new(Code::BadReturn, written, "what an action takes has no names")
                        .label("write the value alone"),
                );
                faulty = true;
            }
            let value = self.value(&argument.value, *of);
            match value {
                Some(value) => {
                    if let (Type::Int, program::Expr::Constant(Value::Int(status))) = (of, &value) {
                        self.judge_status(*status, argument.value.span);
                    }
                    out.push(value);
                }
                None => faulty = true,
            }
        }
        (!faulty).then(|| out.into())
    }

    /// `return (vcl(label))`: no tree has labels, as no VCL file alone has.
    fn label<T>(&mut self, name: Span, args: Option<&[Argument]>) -> Option<T> {
        let span = args.and_then(|args| args.first()).map_or(name, |argument| argument.value.span);
        let quote = self.quote(span);
        self.fault(
            Diagnostic::new(
                Code::NoLabel,
                span,
                format!("no other rules are loaded under the label {quote}"),
            )
            .label("one tree holds everything: choose by `site` and `route`, or by `call`"),
        )
    }
}
