//! Declarations, their names, their settings: what stands where, once, and under a name that the table knows.

use super::Checker;
use super::constants::Constant;
use crate::language::ast::{self, Expr, ExprKind, Member};
use crate::language::data;
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::source::{FileId, Span};
use crate::language::table::{self, Kind, Named, Type, one_of};
use crate::language::tree::{Declaration, Entry, Setting, Text, Value, Valued};
use crate::language::vocabulary::Dialect;

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
        self.spoken(written);
        let name = self.declared_name(written);
        let flags = self.flags(written);
        let mut declared = Declaration {
            kind,
            head,
            name,
            flags,
            settings: Vec::new(),
            entries: Vec::new(),
            inside: Vec::new(),
            broken: written.broken || kind.inside() != inside,
        };
        self.members(&written.body, &mut declared);
        if !declared.broken {
            for row in kind.settings().iter().filter(|row| row.required) {
                if declared.setting(row.name).is_none() {
                    let title = if self.private(head) { kind.word().to_owned() } else { declared.title() };
                    self.found.push(
                        Diagnostic::new(Code::Missing, head, format!("{title} has no `.{}`", row.name))
                            .label(format!("add `.{} = …;`, {}", row.name, row.takes.title())),
                    );
                }
            }
            self.whereabouts(&declared, head);
            self.answerer(&declared, head);
        }
        declared
    }

    /// Somebody answers on a route.
    fn answerer(&mut self, declared: &Declaration, head: Span) {
        if declared.kind != Kind::Route || table::ANSWERS.iter().any(|name| declared.setting(name).is_some())
        {
            return;
        }
        let title = if self.private(head) { "route".to_owned() } else { declared.title() };
        let names: Vec<String> = table::ANSWERS.iter().map(|name| format!("`.{name} = …;`")).collect();
        self.found.push(
            Diagnostic::new(Code::Missing, head, format!("nobody answers on {title}"))
                .label(format!("add {}", one_of(&names))),
        );
    }

    /// What stands between the braces.
    pub(super) fn members(&mut self, body: &[Member], declared: &mut Declaration) {
        let kind = declared.kind;
        let mut seen: Vec<(&'static str, Span)> = Vec::new();
        for member in body {
            match member {
                Member::Setting(setting) => self.setting(setting, declared, &mut seen),
                Member::Entry(entry) if kind == Kind::Acl => {
                    let entry = self.entry(entry);
                    declared.entries.push(entry);
                }
                Member::Entry(entry) => self.found.push(
                    Diagnostic::new(
                        Code::Misplaced,
                        entry.span,
                        "a line of networks stands in an `acl` only",
                    )
                    .label(format!("{} takes settings: `.name = value;`", kind.a_word())),
                ),
                Member::FromFile { path, .. } if kind == Kind::Acl => {
                    if let Some(file) = self.data_file(path) {
                        self.networks(file, declared);
                    }
                }
                // As Fastly writes it.
                Member::Block(braced) if kind == Kind::Director => {
                    declared.broken = true;
                    self.found.push(
                        Diagnostic::new(
                            Code::Misplaced,
                            braced.span,
                            "the members of a director stand in one setting",
                        )
                        .label("write `.members = one, two weight 2;`"),
                    );
                }
                Member::FromFile { span, .. }
                | Member::Row(ast::Row { span, .. })
                | Member::Block(ast::Braced { span, .. }) => {
                    self.found.push(
                        Diagnostic::new(
                            Code::Misplaced,
                            *span,
                            format!("{} holds nothing of this kind", kind.a_word()),
                        )
                        .label(if kind == Kind::Acl {
                            "it holds networks: `\"192.0.2.0\"/24;`"
                        } else {
                            "it takes settings: `.name = value;`"
                        }),
                    );
                }
                Member::Declaration(inner) => {
                    let inner = self.declaration(inner, Some(kind));
                    if inner.kind.inside() == Some(kind) {
                        declared.inside.push(inner);
                    }
                }
            }
        }
    }

    /// A backend is somewhere: at a url, a host or a path, or said to be nowhere.
    fn whereabouts(&mut self, declared: &Declaration, head: Span) {
        if declared.kind != Kind::Backend || declared.has("none") {
            return;
        }
        if ["url", "host", "path"].iter().all(|name| declared.setting(name).is_none()) {
            let title = if self.private(head) { "backend".to_owned() } else { declared.title() };
            let (name, example) = if self.dialect == Dialect::Doorward {
                ("url", Type::Url.title())
            } else {
                ("host", Type::Server.title())
            };
            self.found.push(
                Diagnostic::new(Code::Missing, head, format!("{title} has no `.{name}`"))
                    .label(format!("add `.{name} = …;`, {example}")),
            );
        }
    }

    /// Whether the tree's language has such declarations.
    pub(super) fn spoken(&mut self, written: &ast::Declaration) {
        if written.kind.dialects().has(self.dialect) || self.dialect == Dialect::Doorward {
            return;
        }
        let fault = Diagnostic::new(
            Code::OtherDialect,
            written.kind_span,
            format!("{} is not declared in this language", written.kind.a_word()),
        );
        self.found.push(fault.label(self.other_dialect()));
    }

    /// How to get at what this language does not have.
    pub(super) fn other_dialect(&self) -> &'static str {
        if self.dialect == Dialect::Varnish {
            "the main file begins with `vcl`: without that line it speaks doorward's own language"
        } else {
            "the main file says `# dialect: fastly`: without that line it speaks doorward's own language"
        }
    }

    fn flags(&mut self, written: &ast::Declaration) -> Vec<&'static str> {
        let known = written.kind.flags();
        let mut flags = Vec::new();
        for span in &written.flags {
            let word = self.sources.text(*span);
            let near = known.iter().find(|flag| flag.word == word);
            if let Some(flag) =
                near.filter(|_| self.dialect != Dialect::Fastly || written.kind == Kind::Backend)
            {
                flags.push(flag.word);
                continue;
            }
            let quote = self.quote(*span);
            let near = self.suggestions.near(word, known.iter().map(|flag| flag.word));
            let words: Vec<String> = known.iter().map(|flag| format!("`{}`", flag.word)).collect();
            let fault = Diagnostic::new(
                Code::Misplaced,
                *span,
                format!("{quote} means nothing beside the name of {}", written.kind.a_word()),
            );
            self.found.push(match near {
                Some(near) => fault.meant(near),
                None if written.kind == Kind::Director => {
                    fault.label("how it chooses is said between the braces: `.policy = …;`")
                }
                None if words.is_empty() => fault.label("take it out"),
                None => fault.label(format!("there is {}", one_of(&words))),
            });
        }
        flags
    }

    pub(super) fn declared_name(&mut self, written: &ast::Declaration) -> Option<(Text, Span)> {
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
            lenient: entry.lenient,
            address,
            address_span: entry.address.span,
            prefix: entry.prefix,
        }
    }

    /// One network on each line: `! 192.0.2.0/24 # why`.
    fn networks(&mut self, file: FileId, declared: &mut Declaration) {
        let sources = self.sources;
        let private = sources.is_private(file);
        for (line, start) in data::lines(sources, file) {
            let said = line.split_once('#').map_or(line, |(said, _)| said.trim_end());
            let (not, network) = match said.strip_prefix('!') {
                Some(network) => (true, network.trim_start()),
                None => (false, said),
            };
            let behind = u32::try_from(said.len() - network.len()).unwrap_or(0);
            let at = |skipped: usize, piece: &str| {
                data::place(file, start + behind + u32::try_from(skipped).unwrap_or(0), piece)
            };
            let (address, prefix) = match network.split_once('/') {
                None => (network, None),
                Some((address, prefix)) => {
                    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
                    let bits = if digits { prefix.parse().unwrap_or(u64::MAX) } else { u64::MAX };
                    (address, Some((bits, at(address.len() + 1, prefix))))
                }
            };
            declared.entries.push(Entry {
                span: data::place(file, start, said),
                not,
                lenient: false,
                address: Some(Text { value: address.trim_matches('"').to_owned(), private }),
                address_span: at(0, address),
                prefix,
            });
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
        let mut row = kind.setting(name, self.dialect);
        let known = row.is_some();
        if row.is_none() {
            row = self.unknown_setting(kind, name, name_span);
        }
        let Some(row) = row else {
            // What another language has here may be what seems to be missing.
            declared.broken |= kind.settings().iter().any(|row| row.name == name);
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
        let dialect = self.dialect;
        let rows: Vec<&'static table::Setting> =
            kind.settings().iter().filter(|row| row.dialects.has(dialect)).collect();
        let fault =
            Diagnostic::new(Code::UnknownSetting, span, format!("{} has no setting {quote}", kind.a_word()));
        if let Some((.., reason)) = table::REFUSED.iter().find(|(of, known, _)| *of == kind && *known == name)
        {
            let fault =
                Diagnostic::new(Code::NotYet, span, format!("{quote} can't be honoured")).label(*reason);
            return self.fault(fault);
        }
        if dialect == Dialect::Doorward
            && table::LATER_SETTINGS.iter().any(|(of, names)| *of == kind && names.contains(&name))
        {
            self.not_yet(span);
            return None;
        }
        if kind.setting(name, Dialect::Doorward).is_some() {
            let fault = Diagnostic::new(
                Code::OtherDialect,
                span,
                format!("{quote} is no setting of {} in this language", kind.a_word()),
            );
            return self.fault(fault.label(self.other_dialect()));
        }
        if let Some(near) = self.suggestions.near(name, rows.iter().map(|row| row.name)) {
            let fault = fault.label(format!("did you mean `.{near}`?"));
            // The place holds the dot too.
            let word = Span { start: span.start + 1, ..span };
            self.found.push(if near.certain { fault.fix(word, near.word) } else { fault });
            return rows.into_iter().find(|row| row.name == near.word);
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
