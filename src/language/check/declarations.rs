//! Declarations, their names, their settings: what stands where, once, and under a name that the table knows.

use super::Checker;
use super::constants::Constant;
use crate::language::ast::{self, Expr, ExprKind, Member};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::source::Span;
use crate::language::table::{self, Kind, Named, one_of};
use crate::language::tree::{Declaration, Entry, Setting, Text, Value, Valued};

impl Checker<'_> {
    pub(super) fn declaration(&mut self, written: &ast::Declaration, inside: Option<Kind>) -> Declaration {
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
                Member::Row(_) | Member::Block(_) | Member::FromFile { .. } => {}
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
}
