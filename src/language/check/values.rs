//! The value of a setting, judged by its row in the table: its kind, its range, the words it takes.

use std::time::Duration;

use super::Checker;
use super::constants::{Constant, truth};
use crate::base::amount;
use crate::language::ast::{Expr, ExprKind, Sign};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::source::{Span, quoted};
use crate::language::suggest::Near;
use crate::language::table::{self, Kind, Type, WEIGHT_MAX};
use crate::language::tree::{Certificate, Declaration, HashBy, Text, Value};
use crate::language::vocabulary::Dialect;

/// What VCL lets stand in a declaration.
const fn is_plain(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Faulty
            | ExprKind::Text { .. }
            | ExprKind::Number(_)
            | ExprKind::Real(_)
            | ExprKind::Duration(_)
            | ExprKind::Size(_)
            | ExprKind::Name
            | ExprKind::Braced(_)
            | ExprKind::Strands(_)
            | ExprKind::Blob(_)
    )
}

/// The quotes taken away, and what stands between them kept where it is.
fn without_quotes(fault: Diagnostic, whole: Span, inner: Span) -> Diagnostic {
    fault.fix(whole.front().to(inner.front()), "").fix(inner.behind().to(whole.behind()), "")
}

impl Checker<'_> {
    /// The value of an expression where a row says what is taken; `None` when a fault was reported.
    pub(super) fn typed(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Value> {
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
        if self.dialect == Dialect::Varnish && !is_plain(expr) {
            return self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    expr.span,
                    "VCL takes a plain value here, and nothing to work out",
                )
                .label(format!("write {}", row.takes.title())),
            );
        }
        match row.takes {
            Type::Probe => self.probe(expr, row),
            Type::Lines => self.lines(expr, row),
            Type::Name(Kind::Backend)
                if row.name != "scripts"
                    && matches!(&expr.kind, ExprKind::Call { name, .. } if self.sources.text(*name) == "lookup") =>
            {
                let ExprKind::Call { name, args } = &expr.kind else { return None };
                self.lookup_backend(*name, expr.span, args)
            }
            Type::Access => self.access(expr).map(Value::Access),
            Type::Certificate | Type::OwnCertificate => self.certificate(expr, row).map(Value::Certificate),
            Type::Member => self.member(expr, row),
            Type::HashBy => self.hash_by(expr, row).map(Value::HashBy),
            Type::Word(words) => self.word(expr, row, words),
            Type::Name(kind) => self.reference(expr, kind, Some(row)).map(Value::Name),
            _ => self.plain(expr, row),
        }
    }

    /// A probe by its name, or its settings between braces.
    fn probe(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Value> {
        let ExprKind::Braced(braced) = &expr.kind else {
            let index = self.reference(expr, Kind::Probe, Some(row))?;
            if self.dialect == Dialect::Varnish && index >= self.probes_declared {
                return self.fault(
                    Diagnostic::new(Code::UsedBefore, expr.span, "this probe is declared further down")
                        .label("Varnish wants it above: move it there"),
                );
            }
            return Some(Value::Name(index));
        };
        let mut declared = Declaration {
            kind: Kind::Probe,
            head: braced.span,
            name: None,
            flags: Vec::new(),
            settings: Vec::new(),
            entries: Vec::new(),
            inside: Vec::new(),
            broken: braced.broken,
        };
        self.members(&braced.body, &mut declared);
        self.probes_inside.push(declared);
        Some(Value::Name(self.probes + self.probes_inside.len() - 1))
    }

    /// Strings side by side, each a line of a request. `+` makes a line longer: `"Host: www." + domain`.
    fn lines(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Value> {
        let mut parts: Vec<&Expr> = vec![expr];
        if let ExprKind::Sum { first, rest } = &expr.kind
            && rest.iter().all(|(sign, _)| *sign == Sign::Plus)
        {
            parts = std::iter::once(&**first).chain(rest.iter().map(|(_, part)| part)).collect();
        }
        let mut lines: Vec<String> = Vec::new();
        let mut private = self.private(expr.span);
        for part in parts {
            let strands = match &part.kind {
                ExprKind::Strands(strands) => strands.as_slice(),
                _ => std::slice::from_ref(part),
            };
            for (at, strand) in strands.iter().enumerate() {
                let known = self.constant(strand)?;
                private |= known.private;
                let Constant::Text(text) = known.constant else {
                    let is = known.constant.title();
                    let title = row.takes.title();
                    return self.fault(
                        Diagnostic::new(
                            Code::WrongType,
                            strand.span,
                            format!("`.{}` takes {title}, and this is {is}", row.name),
                        )
                        .label("write it in quotes"),
                    );
                };
                match lines.last_mut() {
                    Some(line) if at == 0 => line.push_str(&text),
                    _ => lines.push(text),
                }
            }
        }
        Some(Value::Text(Text { value: lines.join("\r\n"), private }))
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
        let zero_means_none = row.range.0 == 0 && self.dialect != Dialect::Varnish;
        let value = match (row.takes, &known.constant) {
            (takes, Constant::Text(text)) if takes.is_text() => {
                return Some(Value::Text(Text { value: text.clone(), private }));
            }
            (takes, Constant::Number(status)) if takes.is_status_too() => {
                return Some(Value::Number(*status));
            }
            (Type::Port, Constant::Number(port)) if self.dialect != Dialect::Varnish => {
                return Some(Value::Text(Text { value: port.to_string(), private }));
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
            let unquoted = matches!(&known.constant, Constant::Text(text) if from_text(text).is_some());
            let label = match (&known.constant, row.takes) {
                _ if unquoted => "write it without quotes".to_owned(),
                (_, takes) if takes.is_text() => "write it in quotes".to_owned(),
                (Constant::Number(_), Type::Duration) => "say the unit: `10s`, `5m`, `1h`".to_owned(),
                _ => format!("write {}", row.takes.title()),
            };
            let title = row.takes.title();
            let fault = Diagnostic::new(
                Code::WrongType,
                expr.span,
                format!("`.{}` takes {title}, and this is {is}", row.name),
            )
            .label(label);
            return self.fault(match expr.kind {
                ExprKind::Text { inner, .. } if unquoted => without_quotes(fault, expr.span, inner),
                _ => fault,
            });
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
        // VCL takes 0 everywhere, for "as it is otherwise".
        if (least..=most).contains(&amount) || (amount == 0 && self.dialect == Dialect::Varnish) {
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

    pub(super) fn word(
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
                let near = self.suggestions.near(name, words.iter().map(|word| word.word));
                let fault = Diagnostic::new(
                    Code::UnknownValue,
                    expr.span,
                    format!("`.{}` is {title}, not {quote}", row.name),
                );
                return self.fault(match near {
                    Some(near) => fault.meant(near),
                    None => fault.label("write one of these"),
                });
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
            (Some(Value::Word(word)), ExprKind::Text { .. }) => self.fault(
                Diagnostic::new(
                    Code::UnknownValue,
                    expr.span,
                    format!("`.{}` is {title}, without quotes", row.name),
                )
                .label(format!("write `{word}`"))
                .fix(expr.span, word),
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

    /// A member of a director, `home` or `home weight 2`.
    fn member(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Value> {
        let (named, weight) = match &expr.kind {
            ExprKind::Strands(parts) => match parts.as_slice() {
                [named, _, weight] => (named, self.weight(weight)),
                _ => (expr, Some(1)),
            },
            _ => (expr, Some(1)),
        };
        let backend = self.reference(named, Kind::Backend, Some(row))?;
        if backend >= self.backends {
            let quote = self.quote(named.span);
            return self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    named.span,
                    format!("{quote} is a director, and the members of one are backends"),
                )
                .label("name its backends here"),
            );
        }
        Some(Value::Member { backend, weight: weight? })
    }

    fn weight(&mut self, expr: &Expr) -> Option<u64> {
        match self.constant(expr)?.constant {
            Constant::Number(weight) if (1..=WEIGHT_MAX).contains(&weight) => Some(weight),
            Constant::Number(weight) => {
                let label = if weight == 0 {
                    "write at least 1, or take the member out".to_owned()
                } else {
                    format!("write at most {WEIGHT_MAX}")
                };
                let (what, span) = (if weight == 0 { "too little" } else { "too much" }, expr.span);
                self.fault(
                    Diagnostic::new(Code::OutOfRange, span, format!("this is {what} for a weight"))
                        .label(label),
                )
            }
            other => self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    expr.span,
                    format!("a weight is a whole number, and this is {}", other.title()),
                )
                .label("write `weight 2`"),
            ),
        }
    }

    /// `client`, `path`, `cookie("name")` or `header("Name")`.
    fn hash_by(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<HashBy> {
        let word = self.sources.text(match &expr.kind {
            ExprKind::Call { name, .. } => *name,
            _ => expr.span,
        });
        match (&expr.kind, word) {
            (ExprKind::Name, "client") => return Some(HashBy::Client),
            (ExprKind::Name, "path") => return Some(HashBy::Path),
            (ExprKind::Call { args, .. }, "cookie" | "header") => {
                let example = if word == "cookie" { "cookie(\"session\")" } else { "header(\"X-Tenant\")" };
                let [name] = args.as_slice() else {
                    return self.arguments(expr.span, expr.span, example, 1, args.len());
                };
                let (name, span) = self.text_of(&name.value, "a name")?;
                return Some(if word == "cookie" {
                    HashBy::Cookie(name, span)
                } else {
                    HashBy::Header(name, span)
                });
            }
            _ => {}
        }
        self.touch(expr);
        let quote = self.quote(expr.span);
        let label = match (&expr.kind, word) {
            (ExprKind::Name, "cookie" | "header") => format!("say which: `{word}(\"…\")`"),
            (ExprKind::Name | ExprKind::Call { .. }, _) => {
                match self.suggestions.near(word, ["client", "path", "cookie", "header"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write one of these".to_owned(),
                }
            }
            _ => "write one of these".to_owned(),
        };
        let title = row.takes.title();
        self.fault(
            Diagnostic::new(
                Code::UnknownValue,
                expr.span,
                format!("`.{}` is {title}, not {quote}", row.name),
            )
            .label(label),
        )
    }

    fn certificate(&mut self, expr: &Expr, row: &'static table::Setting) -> Option<Certificate> {
        let title = row.takes.title();
        let name = self.sources.text(match &expr.kind {
            ExprKind::Call { name, .. } => *name,
            _ => expr.span,
        });
        match &expr.kind {
            ExprKind::Name if name == "local" && row.takes == Type::Certificate => Some(Certificate::Local),
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
                let (chain, key) = (self.file_name(&chain.value), self.file_name(&key.value));
                Some(Certificate::Files { chain: chain?, key: key? })
            }
            ExprKind::Name
                if matches!(name, "lets_encrypt" | "lets_encrypt_staging")
                    && row.takes == Type::Certificate =>
            {
                self.not_yet(expr.span);
                None
            }
            ExprKind::Name | ExprKind::Call { .. } => {
                let quote = self.quote(expr.span);
                let near = self.suggestions.near(
                    name,
                    ["local", "files"].into_iter().skip(usize::from(row.takes != Type::Certificate)),
                );
                let label = match near {
                    Some(Near { word: "files", .. }) => {
                        "did you mean `files(\"chain.pem\", \"key.pem\")`?".to_owned()
                    }
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write {title}"),
                };
                self.touch(expr);
                let fault =
                    Diagnostic::new(Code::UnknownValue, expr.span, format!("{quote} is no certificate"))
                        .label(label);
                self.fault(match (near, &expr.kind) {
                    (Some(near), ExprKind::Name) if near.word == "local" => fault.or(near),
                    _ => fault,
                })
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
        self.text_of(expr, "a file name")
    }

    fn text_of(&mut self, expr: &Expr, what: &str) -> Option<(Text, Span)> {
        let known = self.constant(expr)?;
        match known.constant {
            Constant::Text(value) => {
                Some((Text { value, private: known.private || self.private(expr.span) }, expr.span))
            }
            other => self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    expr.span,
                    format!("{what} is a string, and this is {}", other.title()),
                )
                .label("write it in quotes"),
            ),
        }
    }
}
