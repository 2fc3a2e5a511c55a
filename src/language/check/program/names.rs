//! What a name in a sub stands for, and whether it is there: in this dialect, in every phase that the sub runs in.

use http::HeaderName;

use super::{Local, Writer};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::Place;
use crate::language::source::Span;
use crate::language::suggest::Near;
use crate::language::table::Kind;
use crate::language::vocabulary::{Dialect, Family, LATER, Phase, Phases, Syntax, Type, Variable};

/// What is done with a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    Unset,
}

impl Access {
    const fn verb(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "set",
            Access::Unset => "unset",
        }
    }
}

/// What a name with dots stands for.
#[derive(Clone)]
pub(super) enum Symbol {
    Header {
        family: Family,
        name: HeaderName,
        part: Option<Box<str>>,
    },
    Variable(Variable),
    /// `req.cookie.session`
    Indexed(Variable, Box<str>),
    Local(Local),
}

/// Varnish keeps the length of a header's name in one byte with a sign.
const HEADER_BYTES_MAX: usize = 126;

impl<'a> Writer<'_, '_, 'a> {
    /// `None` when a fault was reported; `Some(None)` when nothing is called so.
    #[expect(clippy::option_option, reason = "a fault that was reported is not the same as nothing found")]
    pub(super) fn symbol(&mut self, span: Span) -> Option<Option<Symbol>> {
        let written = self.text(span);
        let name = self.folded(written);
        let name: &str = &name;
        if name.starts_with("var.") {
            return match self.here.locals.get_mut(name) {
                Some(local) => {
                    local.used = true;
                    Some(Some(Symbol::Local(*local)))
                }
                None => self.unknown_local(written, span),
            };
        }
        if let Some((family, header)) = Family::of_header(name) {
            return self.header(family, header, span).map(Some);
        }
        Some(self.variable(written, name))
    }

    fn variable(&mut self, written: &'a str, name: &str) -> Option<Symbol> {
        let dialect = self.speech;
        let known = *self.variables.entry(written).or_insert_with(|| Variable::by_name(name, dialect));
        if let Some(variable) = known {
            // Varnish's two versions differ in a few variables; ours and Fastly's know all.
            let exists = !self.is_varnish() || variable.exists_in(self.syntax);
            return exists.then_some(Symbol::Variable(variable));
        }
        // `req.cookie.session`: one word of the name is what is asked for.
        let (variable, word) = Variable::by_pattern(name, dialect)?;
        if name.starts_with("storage.") && !is_storage(word) {
            return None;
        }
        let word = word.trim_matches('"');
        (!word.is_empty()).then(|| Symbol::Indexed(variable, word.into()))
    }

    fn header(&mut self, family: Family, written: &str, span: Span) -> Option<Symbol> {
        let (name, part) = match written.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((name, rest)) => (name, rest.strip_prefix(':')),
                None => (quoted, None),
            },
            None => match written.split_once(':') {
                Some((name, part)) => (name, Some(part)),
                None => (written, None),
            },
        };
        if part.is_some() && self.is_varnish() {
            return self.other_dialect(
                span,
                "a part of a header",
                "`vcl 4.1;` knows whole headers; match the part by a regular expression",
            );
        }
        let quotes = written.starts_with('"');
        let plain = quotes || name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('.');
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name)
                if plain
                    && part != Some("")
                    && !(self.is_varnish() && name.as_str().len() > HEADER_BYTES_MAX) =>
            {
                Some(Symbol::Header { family, name, part: part.map(Box::from) })
            }
            _ => {
                let quote = self.quote(span);
                let fault = Diagnostic::new(Code::BadHeaderName, span, format!("{quote} names no header"));
                self.fault(if plain {
                    fault.label("a header's name is letters, digits and `-`")
                } else {
                    fault.label(format!("write `{}.http.\"…\"`, the name in quotes", family.word()))
                })
            }
        }
    }

    /// Where a symbol may be used so.
    fn phases(&self, symbol: &Symbol, access: Access) -> Phases {
        let dialect = self.speech;
        match symbol {
            Symbol::Local(_) => Phases::ALL,
            Symbol::Header { family, .. } => Self::header_phases(*family, access, dialect),
            Symbol::Variable(variable) | Symbol::Indexed(variable, _) => match access {
                Access::Read => variable.readable_in(dialect),
                Access::Write => Phase::ALL.iter().copied().fold(Phases::NONE, |phases, phase| {
                    if variable.can_write(phase, dialect, self.syntax) {
                        phases.and(Phases::of(&[phase]))
                    } else {
                        phases
                    }
                }),
                Access::Unset if self.is_fastly() => Phases::NONE,
                Access::Unset => variable.unsettable(),
            },
        }
    }

    fn header_phases(family: Family, access: Access, dialect: Dialect) -> Phases {
        match access {
            Access::Read => family.readable(dialect),
            Access::Write | Access::Unset => family.writable(dialect),
        }
    }

    /// Whether the symbol may be used so here; reports where not.
    pub(super) fn allowed(&mut self, symbol: &Symbol, access: Access, span: Span) -> bool {
        let phases = self.phases(symbol, access);
        let verb = access.verb();
        if phases.is_empty() {
            let quote = self.quote(span);
            let (code, label) = match access {
                Access::Unset => (Code::NotUnset, "headers and bodies can be unset; give it another value"),
                Access::Write => (Code::ReadOnly, "it says what is; it can't be changed"),
                Access::Read => (Code::NotHere, "it can only be set"),
            };
            self.fault::<()>(Diagnostic::new(code, span, format!("{quote} can't be {verb}")).label(label));
            return false;
        }
        let missing = self.here.phases.but(phases);
        let Some(phase) = missing.iter().next() else { return true };
        let quote = self.quote(span);
        let mut fault = self.not_here(span, phase, &quote, verb);
        let twin = self.twin(symbol, access);
        let is_place = access != Access::Read && !self.phases(symbol, Access::Read).both(missing).is_empty();
        fault = if let Some(twin) = twin {
            fault.label(format!("did you mean `{twin}`?"))
        } else if is_place {
            fault.label(format!("it can be {verb} in {}", self.listed(phases)))
        } else {
            fault.label(format!("it is there in {}", self.listed(phases)))
        };
        self.report_here(fault, phase);
        false
    }

    /// `req.url` in a backend's sub is most often `bereq.url`.
    fn twin(&self, symbol: &Symbol, access: Access) -> Option<String> {
        let (word, rest) = match symbol {
            Symbol::Header { family, name, .. } => (family.word(), format!("http.{name}")),
            Symbol::Variable(variable) => {
                let (word, rest) = variable.name().split_once('.')?;
                (word, rest.to_owned())
            }
            _ => return None,
        };
        let others: &[Family] = match word {
            "req" => &[Family::Bereq],
            "bereq" => &[Family::Req],
            "beresp" => &[Family::Resp],
            "resp" | "obj" => &[Family::Beresp, Family::Resp],
            _ => return None,
        };
        others.iter().copied().find_map(|family| {
            let name = format!("{}.{rest}", family.word());
            let phases = if let Symbol::Header { .. } = symbol {
                Self::header_phases(family, access, self.speech)
            } else {
                let twin = Variable::by_name(&name, self.speech)?;
                self.phases(&Symbol::Variable(twin), access)
            };
            (!phases.is_empty() && self.here.phases.but(phases).is_empty()).then_some(name)
        })
    }

    /// A fault about what is not there in a phase, with both places when the phase comes by a call.
    pub(super) fn not_here(&self, span: Span, phase: Phase, quote: &str, verb: &str) -> Diagnostic {
        let sub = self.sub_of(phase);
        Diagnostic::new(Code::NotHere, span, format!("{quote} can't be {verb} in `{sub}`"))
    }

    /// Reports a fault that hangs on a phase: with the place the phase comes from, and at that place if the
    /// fault stands in the built-in policy.
    pub(super) fn report_here(&mut self, fault: Diagnostic, phase: Phase) {
        let via = self.routines.get(self.here.routine).and_then(|routine| routine.via(phase));
        let fault = match via {
            Some(call) if self.here.built_in => {
                if call.file.0 as usize >= self.read {
                    return;
                }
                Diagnostic {
                    span: call,
                    label: "this sub is not made for being called there".to_owned(),
                    fix: Vec::new(),
                    ..fault
                }
            }
            Some(call) => {
                let sub = self.sub_of(phase);
                fault.at(call, format!("on its way from `{sub}`, this sub is called here"))
            }
            None => fault,
        };
        self.fault::<()>(fault);
    }

    pub(super) fn sub_of(&self, phase: Phase) -> &'static str {
        match (self.speech, phase) {
            (Dialect::Fastly, Phase::BackendResponse) => "vcl_fetch",
            (Dialect::Fastly, Phase::Synth) => "vcl_error",
            _ => phase.sub(),
        }
    }

    /// Phases in a sentence.
    pub(super) fn listed(&self, phases: Phases) -> String {
        let client = Phases::CLIENT.but(Phases::of(&[Phase::Log]));
        let shown = if self.is_fastly() { phases } else { phases.but(Phases::of(&[Phase::Log])) };
        if !self.is_fastly() {
            let parts: &[(Phases, &str)] =
                &[(client, "the visitor's subs"), (Phases::BACKEND, "the backend's subs")];
            let mut rest = shown;
            let mut names: Vec<String> = Vec::new();
            for (group, title) in parts {
                if group.but(rest).is_empty() {
                    rest = rest.but(*group);
                    names.push((*title).to_owned());
                }
            }
            names.extend(rest.iter().map(|phase| format!("`{}`", phase.sub())));
            return joined(&names);
        }
        let names: Vec<String> = shown
            .iter()
            .filter(|phase| Phase::of_sub(self.sub_of(*phase), Dialect::Fastly).is_some())
            .map(|phase| format!("`{}`", self.sub_of(phase)))
            .collect();
        joined(&names)
    }

    /// Something to write to: its place and type.
    pub(super) fn place(&mut self, span: Span, access: Access) -> Option<(Place, Type)> {
        match self.symbol(span)? {
            Some(symbol) => {
                if !self.allowed(&symbol, access, span) {
                    return None;
                }
                match symbol {
                    Symbol::Header { family, name, part, .. } => {
                        Some((Place::Header { family, name, part }, Type::Header))
                    }
                    Symbol::Variable(variable) => Some((Place::Variable(variable), variable.of())),
                    Symbol::Local(local) => Some((Place::Local(local.slot), local.of)),
                    Symbol::Indexed(..) => {
                        let quote = self.quote(span);
                        self.fault(
                            Diagnostic::new(
                                Code::ReadOnly,
                                span,
                                format!("{quote} can't be {}", access.verb()),
                            )
                            .label("change the header or the url it is a part of"),
                        )
                    }
                }
            }
            None => self.unknown(span, Type::Void),
        }
    }

    /// Nothing is called so.
    pub(super) fn unknown<T>(&mut self, span: Span, wanted: Type) -> Option<T> {
        if self.checker.found.only_counts() {
            return self.fault(Diagnostic::new(Code::UnknownVariable, span, ""));
        }
        let name = self.text(span);
        let quote = self.quote(span);
        if LATER.contains(&name) && self.speech == Dialect::Doorward {
            return self.fault(
                Diagnostic::new(
                    Code::NotYet,
                    span,
                    format!("this version of doorward does not know {quote} yet"),
                )
                .label("take it out for now"),
            );
        }
        let known = match wanted {
            Type::Backend => Some((Kind::Backend, Code::UnknownReference)),
            Type::Acl => Some((Kind::Acl, Code::UnknownReference)),
            Type::Probe => Some((Kind::Probe, Code::UnknownReference)),
            Type::Table => Some((Kind::Table, Code::UnknownReference)),
            _ => None,
        };
        if let Some((kind, code)) = known
            && !name.contains('.')
        {
            let word = kind.word();
            let fault = Diagnostic::new(code, span, format!("there is no {word} called {quote}"));
            let near = self.nearest_declared(name, kind);
            let fault = match near {
                Some((near, place)) => fault.label(format!("did you mean `{near}` ({place})?")).or(near),
                None if !self.missing.insert(name) => return None,
                None => fault.label(format!("declare it: `{word} name {{ … }}`")),
            };
            return self.fault(fault);
        }
        let fault = Diagnostic::new(Code::UnknownVariable, span, format!("there is no variable {quote}"));
        if let Some(label) = self.elsewhere(name) {
            return self.fault(fault.label(label));
        }
        if let Some(family) = Family::ALL
            .iter()
            .map(|family| family.word())
            .find(|family| name.strip_prefix(family).is_some_and(|rest| matches!(rest, ".http" | ".http.")))
        {
            return self.fault(fault.label(format!("name a header: `{family}.http.Name`")));
        }
        let label = match self.nearest_variable(name) {
            Some((near, certain)) => {
                return self.fault(fault.meant(Near { word: &near, certain }));
            }
            None if !self.missing.insert(name) => return None,
            None if name.contains('.') => "the manual lists all variables".to_owned(),
            None => "text stands in quotes".to_owned(),
        };
        self.fault(fault.label(label))
    }

    /// The word belongs to another dialect.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let old = self.is_varnish() && Variable::by_name(name, Dialect::Varnish).is_some();
        if old {
            let version = if self.syntax == Syntax::Vcl40 { "4.1" } else { "4.0" };
            return Some(format!("it belongs to `vcl {version};`"));
        }
        if let Some(reason) = Variable::unsupported(name) {
            return Some(reason.to_owned());
        }
        let title = |dialect| match dialect {
            Dialect::Doorward => "files that do not begin `vcl 4.1;`",
            Dialect::Varnish => "Varnish's VCL",
            Dialect::Fastly => "Fastly's VCL (`# dialect: fastly`)",
        };
        [Dialect::Doorward, Dialect::Varnish, Dialect::Fastly]
            .into_iter()
            .find(|other| *other != self.speech && Variable::by_name(name, *other).is_some())
            .map(|other| format!("it belongs to {}", title(other)))
    }

    /// What is most likely meant, and where it is declared.
    pub(super) fn nearest_declared(&mut self, name: &str, kind: Kind) -> Option<(Near<'a>, String)> {
        let sources = self.checker.sources;
        let names = &self.checker.names;
        let shown = names
            .iter()
            .filter(|((known, _), (_, span))| *known == kind && !sources.is_private(span.file))
            .map(|((_, name), _)| *name);
        let near = self.checker.suggestions.near(name, shown)?;
        let (_, declared) = names.get(&(kind, near.word))?;
        Some((near, sources.short_place(*declared)))
    }

    fn nearest_variable(&mut self, name: &str) -> Option<(String, bool)> {
        // `req.htp.Host`: the header's name is not what is wrong.
        let mut dots = name.match_indices('.').map(|(at, _)| at);
        if let (Some(_), Some(second)) = (dots.next(), dots.next()) {
            let (stem, header) = name.split_at(second);
            let families = ["req.http", "bereq.http", "beresp.http", "obj.http", "resp.http"];
            if let Some(near) = self.checker.suggestions.near(stem, families) {
                return Some((format!("{near}{header}"), near.certain));
            }
        }
        let variables = Variable::names(self.speech).map(|(name, _)| name);
        let sources = self.checker.sources;
        let lets = &self.checker.lets;
        let shown = lets.iter().filter(|(_, constant)| !sources.is_private(constant.name.file));
        let lets = shown.map(|(name, _)| *name);
        let near = self.checker.suggestions.near(name, variables.chain(lets))?;
        Some((near.word.to_owned(), near.certain))
    }

    fn unknown_local<T>(&mut self, name: &'a str, span: Span) -> Option<T> {
        if self.is_varnish() {
            return self.other_dialect(
                span,
                "a local variable",
                "a file that begins `vcl 4.1;` keeps its notes in headers: `req.http.X-Name`",
            );
        }
        let quote = self.quote(span);
        let names = self.here.locals.keys().copied();
        let near = self.checker.suggestions.near(name, names);
        let fault = Diagnostic::new(Code::UnknownLocal, span, format!("{quote} is not declared in this sub"));
        self.fault(match near {
            Some(near) => fault.meant(near),
            None => fault.label(format!("declare it above: `declare local {} STRING;`", shown_name(&quote))),
        })
    }

    /// Something that this dialect does not know.
    pub(super) fn other_dialect<T>(&mut self, span: Span, what: &str, label: &str) -> Option<T> {
        let whose = match self.speech {
            Dialect::Varnish => "a file that begins `vcl 4.1;`",
            Dialect::Fastly => "a file in Fastly's dialect",
            Dialect::Doorward => "this dialect",
        };
        self.fault(
            Diagnostic::new(Code::OtherDialect, span, format!("{what} has no place in {whose}")).label(label),
        )
    }

    /// A message as a whole: `req`, `beresp`.
    pub(super) fn message(&mut self, span: Span) -> Option<Family> {
        let name = self.text(span);
        let family = Family::ALL.iter().copied().find(|family| family.word() == name);
        let Some(family) = family.filter(|family| !family.whole().is_empty()) else {
            return self.fault(
                Diagnostic::new(Code::TypesClash, span, "a whole message is taken here")
                    .label("write `req`, `bereq`, `beresp` or `resp`"),
            );
        };
        let missing = self.here.phases.but(family.whole());
        if let Some(phase) = missing.iter().next() {
            let quote = self.quote(span);
            let fault = self.not_here(span, phase, &quote, "named");
            let fault = fault.label(format!("it is there in {}", self.listed(family.whole())));
            self.report_here(fault, phase);
            return None;
        }
        Some(family)
    }
}

/// What Varnish calls the storages of a gateway that was not told of any.
pub(super) fn is_storage(name: &str) -> bool {
    name.eq_ignore_ascii_case("Transient")
        || name.strip_prefix('s').is_some_and(|number| number.parse::<u8>().is_ok())
}

fn shown_name(quote: &str) -> &str {
    quote.trim_matches('`')
}

/// `a`, `b` and `c`.
pub(super) fn joined(names: &[String]) -> String {
    match names {
        [] => "no sub".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
