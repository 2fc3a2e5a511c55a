//! Who may pass: the expressions that `.allow` takes.

use super::Checker;
use super::names::ACCESS_LATER;
use crate::language::ast::{Argument, Expr, ExprKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::source::Span;
use crate::language::table::{Kind, Type};
use crate::language::tree::Access;

impl<'a> Checker<'a> {
    pub(super) fn access(&mut self, expr: &Expr) -> Option<Access> {
        match &expr.kind {
            ExprKind::Faulty => None,
            ExprKind::Group(inner) => self.access(inner),
            ExprKind::Not(inner) => self.access(inner).map(|inner| Access::Not(Box::new(inner))),
            ExprKind::And(parts) => self.access_terms(parts).map(Access::And),
            ExprKind::Or(parts) => self.access_terms(parts).map(Access::Or),
            ExprKind::Call { name, args } => match self.sources.text(*name) {
                "if" => self.choose(*name, expr.span, args, Self::access),
                "network" => match args.as_slice() {
                    [Argument { value: acl, .. }] => {
                        self.reference(acl, Kind::Acl, None).map(Access::Network)
                    }
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
        let near = self.suggestions.near(word, ["anyone", "nobody", "network"]);
        self.fault(match near {
            Some(near) if near.word == "network" => fault.label("did you mean `network(acl)`?").or(near),
            Some(near) => fault.meant(near),
            None => fault.label("there are `anyone`, `nobody` and `network(acl)`"),
        })
    }
}
