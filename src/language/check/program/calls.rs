//! Functions, methods and subs that are asked for a value, and what they are given.

use std::path::Path;

use bytes::Bytes;

use super::Writer;
use super::expressions::Typed;
use super::names::Access;
use crate::language::ast::{self, Expr, ExprKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{self, Argument, Place, TableId, Value};
use crate::language::source::{Span, joined};
use crate::language::table::Kind;
use crate::language::vocabulary::{Dialect, Family, Function, Parameter, Phases, Shape, Type};

/// `std.fileread`: more than any page that a rule would make.
const READ_BYTES_MAX: u64 = 1 << 20;

impl<'a> Writer<'_, '_, 'a> {
    /// `name(args)`
    pub(super) fn call(
        &mut self,
        name: Span,
        span: Span,
        args: &[ast::Argument],
        hint: Type,
    ) -> Option<Typed> {
        let text = self.text(name);
        if text == "if" && !self.is_varnish() {
            return self.choice(span, args, hint);
        }
        if let Some(function) = self.function(name)? {
            if function.returns() == Type::Void {
                let quote = self.quote(name);
                return self.fault(
                    Diagnostic::new(Code::BadCall, name, format!("{quote} gives no value"))
                        .label("it is a statement of its own"),
                );
            }
            return self.function_called(function, name, span, args);
        }
        if let Some((object, word)) = text.rsplit_once('.') {
            let before = Span { end: name.start + bytes(object), ..name };
            let behind = Span { start: name.end - bytes(word), ..name };
            if let Some(at) = self.object(object) {
                return self.object_asked(at, before, behind, span, args);
            }
            if self.looks_like_a_value(object) {
                let of = Expr { span: before, kind: ExprKind::Name };
                return self.method(&of, behind, args);
            }
        }
        if let Some(at) = self.routine_called(name) {
            return self.sub_asked(at, name, span, args);
        }
        self.unknown_function(name)
    }

    fn looks_like_a_value(&self, name: &'a str) -> bool {
        let folded = self.folded(name);
        let first = folded.split('.').next().unwrap_or(&folded);
        matches!(first, "req" | "req_top" | "bereq" | "beresp" | "obj" | "resp" | "client" | "server" | "var")
            || self.declaration(Kind::Backend, name).is_some()
            || self.checker.lets.contains_key(name)
    }

    /// The function of a name, if there is one; reports a module that was not imported.
    #[expect(clippy::option_option, reason = "a fault that was reported is not the same as nothing found")]
    fn function(&mut self, name: Span) -> Option<Option<Function>> {
        let text = self.folded(self.text(name));
        let text: &str = &text;
        let Some((module, rest)) = text.split_once('.') else {
            return Some(Function::by_name(text, self.speech));
        };
        let known = match self.imported.get(module) {
            Some(real) if *real != module => Function::by_name(&format!("{real}.{rest}"), self.speech),
            _ => Function::by_name(text, self.speech),
        };
        if known.is_some() && !self.has_module(module, name) {
            return None;
        }
        Some(known)
    }

    /// Varnish wants an import above; the others know all modules.
    pub(super) fn has_module(&mut self, module: &str, span: Span) -> bool {
        if !self.is_varnish() || self.imported.contains_key(module) || !Function::MODULES.contains(&module) {
            return true;
        }
        let fault = Diagnostic::new(Code::NotImported, span, format!("`{module}` is not imported"))
            .label(format!("write `import {module};` above this sub"));
        self.fault::<()>(match self.head {
            Some(head) => fault.fix(head, format!("\nimport {module};")),
            None => fault,
        });
        false
    }

    fn function_called(
        &mut self,
        function: Function,
        name: Span,
        span: Span,
        args: &[ast::Argument],
    ) -> Option<Typed> {
        if !self.may_call(function.phases(), name) {
            return None;
        }
        let quote = self.text(name);
        let secret = std::mem::take(&mut self.here.secret);
        let args = self.arguments(quote, function.parameters(), span, args)?;
        let told = matches!(
            (function, args.first()),
            (
                Function::StdLog
                    | Function::StdSyslog
                    | Function::StdTimestamp
                    | Function::Synthetic
                    | Function::SyntheticBase64,
                _
            ) | (Function::HeaderSet, Some(Argument::Http(Family::Beresp | Family::Obj | Family::Resp)))
        );
        if told {
            self.shown(span);
        }
        // A sum over a secret is made to be shown.
        let summed = ["digest.hash", "digest.hmac", "digest.awsv4"];
        self.here.secret &= !summed.iter().any(|begin| function.name().starts_with(begin));
        self.here.secret |= secret;
        if function.at_load() {
            return self.settled(function, span, &args);
        }
        self.table_fits(function, span, &args)?;
        let value = program::Expr::Call { function, args };
        Some(Typed { of: function.returns(), value })
    }

    /// Whether what is called is there wherever this sub runs.
    pub(super) fn may_call(&mut self, phases: Phases, name: Span) -> bool {
        let missing = self.here.phases.but(phases);
        let Some(phase) = missing.iter().next() else { return true };
        let quote = self.quote(name);
        let fault = self.not_here(name, phase, &quote, "called");
        let fault = fault.label(format!("it can be called in {}", self.listed(phases)));
        self.report_here(fault, phase);
        false
    }

    /// A table's rows are of the type that is asked for.
    fn table_fits(&mut self, function: Function, span: Span, args: &[Argument]) -> Option<()> {
        let Some(Argument::Table(table)) = args.first() else { return Some(()) };
        if matches!(function, Function::TableContains) {
            return Some(());
        }
        self.here.secret |= self.checker.private_tables.contains(&(table.0 as usize));
        let of = self.tables.get(table.0 as usize)?.of;
        if of == function.returns() {
            return Some(());
        }
        let wanted = Function::ALL.iter().find(|other| {
            other.name().starts_with("table.lookup")
                && other.returns() == of
                && other.dialects().has(self.speech)
        });
        let fault = Diagnostic::new(
            Code::TypesClash,
            span,
            format!("this table holds {}, and {} is asked for", of.word(), function.returns().word()),
        );
        self.fault(match wanted {
            Some(other) => fault.label(format!("ask it by `{}`", other.name())),
            None => fault.label("ask a table of the other type"),
        })
    }

    /// What can be known before any request is.
    fn settled(&mut self, function: Function, span: Span, args: &[Argument]) -> Option<Typed> {
        let Some(Argument::Value(program::Expr::Constant(value))) = args.first() else {
            return self.fault(
                Diagnostic::new(Code::NotConstant, span, "this is settled when the rules are loaded")
                    .label("give it a constant"),
            );
        };
        match (function, value) {
            (Function::StdSyntax, Value::Real(version)) => {
                let ours = match self.syntax {
                    crate::language::vocabulary::Syntax::Vcl40 => 4.0,
                    crate::language::vocabulary::Syntax::Vcl41 => 4.1,
                };
                Some(Typed::constant(Type::Bool, Value::Bool(*version <= ours)))
            }
            (Function::StdGetenv, Value::Text(name)) => {
                let name = String::from_utf8_lossy(name).into_owned();
                let value = (self.checker.environment)(&name);
                Some(match value {
                    Some(value) => Typed::text(value),
                    None => Typed::constant(Type::String, Value::Unset),
                })
            }
            (Function::StdFileread | Function::StdBlobread, Value::Text(path)) => {
                let path = String::from_utf8_lossy(path).into_owned();
                let bytes = match self.file(Path::new(&path), span) {
                    Some(bytes) => bytes,
                    None if self.is_varnish() => {
                        return Some(Typed::constant(function.returns(), Value::Unset));
                    }
                    None => return None,
                };
                Some(if function == Function::StdBlobread {
                    Typed::constant(Type::Blob, Value::Blob(bytes))
                } else {
                    Typed::constant(Type::String, Value::Text(bytes))
                })
            }
            _ => None,
        }
    }

    /// Names are meant from the folder of the main file on.
    fn file(&mut self, path: &Path, span: Span) -> Option<Bytes> {
        let main = Path::new(self.checker.sources.name(crate::language::source::FileId(0))).to_owned();
        let path = joined(main.parent().unwrap_or(Path::new("")), path);
        match self.checker.files.read(&path, READ_BYTES_MAX) {
            Ok(read) => Some(Bytes::from(read.bytes)),
            Err(error) => {
                let quote = self.quote(span);
                // Varnish finds out when the rule runs, and goes on without.
                let code = if self.is_varnish() { Code::NoFile } else { Code::Unreadable };
                self.fault(Diagnostic::new(code, span, format!("the file of {quote} cannot be read")).label(
                    match error.kind() {
                        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                        std::io::ErrorKind::FileTooLarge => "it is larger than 1 MB".to_owned(),
                        kind => kind.to_string(),
                    },
                ))
            }
        }
    }

    /// `value.lower()`
    pub(super) fn method(&mut self, of: &Expr, name: Span, args: &[ast::Argument]) -> Option<Typed> {
        let typed = self.judge(of, Type::Void)?;
        let word = self.text(name);
        let kind = if typed.of == Type::Header { Type::String } else { typed.of };
        if let Some(function) = Function::of_value(&self.folded(word), kind, self.speech) {
            if let Some(extra) = args.first() {
                return self.fault(
                    Diagnostic::new(Code::BadCall, extra.value.span, format!("`.{word}` takes no arguments"))
                        .label("take this out"),
                );
            }
            let args = Box::new([Argument::Value(typed.value)]);
            return Some(Typed { of: function.returns(), value: program::Expr::Call { function, args } });
        }
        let quote = self.quote(name);
        self.fault(
            Diagnostic::new(
                Code::UnknownFunction,
                name,
                format!("{} has no method {quote}", typed.of.title()),
            )
            .label(match kind {
                Type::String => "a text has `.lower()` and `.upper()`",
                Type::Backend => "a backend has `.resolve()`",
                _ => "texts and backends have methods",
            }),
        )
    }

    /// A sub that returns a value.
    fn sub_asked(&mut self, at: usize, name: Span, span: Span, args: &[ast::Argument]) -> Option<Typed> {
        let routine = self.routines.get(at)?;
        let (of, id) = (routine.returns, routine.ids.first().copied()?);
        let quote = self.quote(name);
        if of == Type::Void {
            return self.fault(
                Diagnostic::new(Code::BadCall, span, format!("the sub {quote} returns no value"))
                    .label(format!("call it as a statement: `call {};`", quote.trim_matches('`'))),
            );
        }
        if let Some(extra) = args.first() {
            return self.fault(
                Diagnostic::new(Code::BadCall, extra.value.span, "a sub takes no arguments")
                    .label("hand it over in a header"),
            );
        }
        Some(Typed { of, value: program::Expr::Ask(id) })
    }

    fn unknown_function<T>(&mut self, name: Span) -> Option<T> {
        let text = self.text(name);
        let quote = self.quote(name);
        let fault = Diagnostic::new(Code::UnknownFunction, name, format!("there is no function {quote}"));
        if let Some(reason) = Function::unsupported(text) {
            let message = format!("{quote} can't be honoured");
            return self.fault(Diagnostic { message, ..fault }.label(reason));
        }
        if let Some(other) = [Dialect::Doorward, Dialect::Varnish, Dialect::Fastly]
            .into_iter()
            .find(|other| *other != self.speech && Function::by_name(text, *other).is_some())
        {
            return self.fault(fault.label(match other {
                Dialect::Doorward => "files that do not begin `vcl 4.1;` have it",
                Dialect::Varnish => "Varnish's VCL has it",
                Dialect::Fastly => "Fastly's VCL has it",
            }));
        }
        let speech = self.speech;
        let functions =
            Function::ALL.iter().filter(|known| known.dialects().has(speech)).map(|known| known.name());
        let near = self.checker.suggestions.near(text, functions.filter(|name| !name.starts_with('.')));
        self.fault(match near {
            Some(near) => fault.meant(near),
            None => fault.label("the manual lists all functions"),
        })
    }

    /// What a call is given, in the order of the parameters.
    pub(super) fn arguments(
        &mut self,
        name: &str,
        parameters: &'static [Parameter],
        span: Span,
        args: &[ast::Argument],
    ) -> Option<Box<[Argument]>> {
        let mut given: Vec<Option<&Expr>> = vec![None; parameters.len()];
        let mut more: Vec<&Expr> = Vec::new();
        let mut faulty = false;
        let mut next = 0;
        let mut named = false;
        for argument in args {
            let place = match argument.name {
                Some(written) => {
                    named = true;
                    let word = self.text(written);
                    let place = parameters.iter().position(|parameter| parameter.name == word);
                    if place.is_none() {
                        let quote = self.quote(written);
                        let names = parameters.iter().map(|parameter| parameter.name);
                        let near = self.checker.suggestions.near(word, names);
                        let fault = Diagnostic::new(
                            Code::BadCall,
                            written,
                            format!("`{name}` has no argument called {quote}"),
                        );
                        self.fault::<()>(match near {
                            Some(near) => fault.meant(near),
                            None => fault.label(format!("write `{}`", signature(name, parameters))),
                        });
                        faulty = true;
                        continue;
                    }
                    place
                }
                None if named => {
                    self.fault::<()>(
                        Diagnostic::new(
                            Code::BadCall,
                            argument.value.span,
                            "an argument without a name stands behind one with a name",
                        )
                        .label("put it before those with names"),
                    );
                    faulty = true;
                    continue;
                }
                None => {
                    next += 1;
                    Some(next - 1)
                }
            };
            let place = place.unwrap_or(usize::MAX);
            match given.get_mut(place) {
                Some(slot) if slot.is_none() => *slot = Some(&argument.value),
                Some(_) => {
                    self.fault::<()>(
                        Diagnostic::new(Code::BadCall, argument.value.span, "this argument is given twice")
                            .label("keep one of them"),
                    );
                    faulty = true;
                }
                None if parameters.last().is_some_and(|last| last.repeated) => more.push(&argument.value),
                None => {
                    let takes = parameters.len();
                    let count =
                        if takes == 1 { "1 argument".to_owned() } else { format!("{takes} arguments") };
                    self.fault::<()>(
                        Diagnostic::new(
                            Code::BadCall,
                            argument.value.span,
                            format!(
                                "`{name}` takes {}",
                                if takes == 0 { "no arguments".to_owned() } else { count }
                            ),
                        )
                        .label(format!("write `{}`", signature(name, parameters))),
                    );
                    faulty = true;
                    break;
                }
            }
        }
        let mut out = Vec::with_capacity(parameters.len() + more.len());
        for (parameter, given) in parameters.iter().zip(given) {
            let argument = match given {
                Some(expr) => self.argument(parameter, expr),
                None if parameter.optional => Some(default(parameter)),
                None if faulty => None,
                None => self.fault(
                    Diagnostic::new(
                        Code::BadCall,
                        span,
                        format!("`{name}` lacks its argument `{}`", parameter.name),
                    )
                    .label(format!("write `{}`", signature(name, parameters))),
                ),
            };
            match argument {
                Some(argument) => out.push(argument),
                None => faulty = true,
            }
        }
        if let Some(last) = parameters.last() {
            for expr in more {
                match self.argument(last, expr) {
                    Some(argument) => out.push(argument),
                    None => faulty = true,
                }
            }
        }
        (!faulty).then(|| out.into())
    }

    fn argument(&mut self, parameter: &Parameter, expr: &Expr) -> Option<Argument> {
        match (parameter.shape, parameter.of) {
            (Shape::Pattern, _) | (_, Type::Regex) => self.regex(expr).map(Argument::Pattern),
            (Shape::Words(words), _) => self.word(words, expr),
            (Shape::Strands, _) | (_, Type::String) => self.value(expr, Type::String).map(Argument::Value),
            (_, Type::Acl) => self.acl(expr).map(Argument::Acl),
            (_, Type::Table) => self.table(expr).map(Argument::Table),
            (_, Type::Header) => self.header_place(expr).map(Argument::Place),
            (_, Type::Http) => match expr.kind {
                ExprKind::Name => self.message(expr.span).map(Argument::Http),
                _ => self.fault(
                    Diagnostic::new(Code::TypesClash, expr.span, "a whole message is taken here")
                        .label("write `req`, `bereq`, `beresp` or `resp`"),
                ),
            },
            (_, Type::Sub) => {
                let at = self.called(expr.span)?;
                self.routines.get(at)?.ids.first().copied().map(Argument::Sub)
            }
            (_, of) => self.value(expr, of).map(Argument::Value),
        }
    }

    fn word(&mut self, words: &'static [&'static str], expr: &Expr) -> Option<Argument> {
        let text = self.text(expr.span);
        if let ExprKind::Name = expr.kind
            && let Some(at) = words.iter().position(|word| *word == text)
        {
            return Some(Argument::Word(u8::try_from(at).unwrap_or(u8::MAX)));
        }
        let quote = self.quote(expr.span);
        let near = self.checker.suggestions.near(text, words.iter().copied());
        let fault =
            Diagnostic::new(Code::BadCall, expr.span, format!("{quote} is none of the words taken here"));
        let all: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        self.fault(match near {
            Some(near) => fault.meant(near),
            None => fault.label(format!("write one of {}", all.join(", "))),
        })
    }

    fn header_place(&mut self, expr: &Expr) -> Option<Place> {
        if let ExprKind::Name = expr.kind {
            let (place, of) = self.place(expr.span, Access::Read)?;
            if of == Type::Header {
                return Some(place);
            }
        }
        self.fault(
            Diagnostic::new(
                Code::TypesClash,
                expr.span,
                "a header is taken here, as a place and not as its text",
            )
            .label("write its name: `req.http.X-Name`"),
        )
    }

    fn table(&mut self, expr: &Expr) -> Option<TableId> {
        let name: &'a str = self.text(expr.span);
        if let ExprKind::Name = expr.kind {
            if let Some((index, ..)) = self.declaration(Kind::Table, name) {
                self.checker.used.insert((Kind::Table, index));
                return Some(TableId(u32::try_from(index).unwrap_or(u32::MAX)));
            }
            return self.unknown(expr.span, Type::Table);
        }
        self.fault(
            Diagnostic::new(Code::TypesClash, expr.span, "a table is taken here")
                .label("write its name, without quotes"),
        )
    }

    /// A call as a statement.
    pub(super) fn statement_called(&mut self, expr: &Expr) -> Option<program::Expr> {
        match &expr.kind {
            ExprKind::Call { name, args } => {
                let text = self.text(*name);
                if let Some(function) = self.function(*name)? {
                    // What is asked only for its value changes nothing.
                    if function.returns() != Type::Void && !text.contains('.') {
                        let quote = self.quote(*name);
                        return self.fault(
                            Diagnostic::new(
                                Code::UselessCall,
                                expr.span,
                                format!("{quote} only gives a value"),
                            )
                            .label("set something to it: `set req.http.X = …;`"),
                        );
                    }
                    return self.function_called(function, *name, expr.span, args).map(|typed| typed.value);
                }
                if let Some((object, word)) = text.rsplit_once('.')
                    && let Some(at) = self.object(object)
                {
                    let before = Span { end: name.start + bytes(object), ..*name };
                    let behind = Span { start: name.end - bytes(word), ..*name };
                    return self.object_asked(at, before, behind, expr.span, args).map(|typed| typed.value);
                }
                if let Some(at) = self.routine_called(*name) {
                    let returns = self.routines.get(at).map(|routine| routine.returns);
                    let quote = self.quote(*name);
                    let fault = Diagnostic::new(Code::UselessCall, expr.span, format!("{quote} is a sub"));
                    return self.fault(match returns {
                        Some(Type::Void) | None => {
                            fault.label(format!("write `call {};`", quote.trim_matches('`')))
                        }
                        Some(_) => fault.label("set something to its value"),
                    });
                }
                self.unknown_function(*name)
            }
            ExprKind::Faulty => None,
            _ => self.fault(
                Diagnostic::new(Code::UselessCall, expr.span, "this value goes nowhere")
                    .label("set something to it: `set req.http.X = …;`"),
            ),
        }
    }

    pub(super) fn import(&mut self, import: &ast::Import) {
        let name = self.text(import.name);
        let quote = self.quote(import.name);
        if !Function::MODULES.contains(&name) {
            let fault =
                Diagnostic::new(Code::UnknownModule, import.name, format!("there is no module {quote}"));
            let near = self.checker.suggestions.near(name, Function::MODULES.iter().copied());
            let reason = Function::unsupported(&format!("{name}.x"));
            self.fault::<()>(match (near, reason) {
                (Some(near), _) => fault.meant(near),
                (None, Some(reason)) => fault.label(reason),
                (None, None) => fault.label("`std` and `directors` are built in, and there are no others"),
            });
            return;
        }
        if let Some(from) = import.from
            && !self.text(from).ends_with(&format!("libvmod_{name}.so"))
        {
            self.fault::<()>(
                Diagnostic::new(
                    Code::UnknownModule,
                    from,
                    format!("{quote} is built in, and not read from a file"),
                )
                .label(format!("write `import {name};`")),
            );
            return;
        }
        let called = import.alias.map_or(name, |alias| self.text(alias));
        self.imported.insert(called, name);
    }
}

fn bytes(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// `std.integer(STRING s, INT fallback, …)`
fn signature(name: &str, parameters: &[Parameter]) -> String {
    let all: Vec<String> = parameters
        .iter()
        .map(|parameter| {
            let word = match parameter.shape {
                Shape::Words(words) => words.join("|"),
                _ => parameter.of.word().to_owned(),
            };
            let shown = format!("{word} {}", parameter.name);
            if parameter.optional { format!("[{shown}]") } else { shown }
        })
        .collect();
    format!("{name}({})", all.join(", "))
}

/// What a parameter is when nothing is said.
fn default(parameter: &Parameter) -> Argument {
    let text = parameter.default;
    let value = match parameter.of {
        _ if text.is_empty() => None,
        Type::String => Some(Value::Text(Bytes::from_static(text.as_bytes()))),
        Type::Bool => text.parse().ok().map(Value::Bool),
        Type::Int => text.parse().ok().map(Value::Int),
        Type::Real => text.parse().ok().map(Value::Real),
        Type::Duration => {
            text.strip_suffix('s').and_then(|seconds| seconds.parse().ok()).map(Value::Duration)
        }
        Type::Word => {
            if let Shape::Words(words) = parameter.shape
                && let Some(at) = words.iter().position(|word| *word == text)
            {
                return Argument::Word(u8::try_from(at).unwrap_or(u8::MAX));
            }
            None
        }
        _ => None,
    };
    value.map_or(Argument::Absent, |value| Argument::Value(program::Expr::Constant(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::vocabulary::Class;

    #[test]
    fn every_default_of_the_tables_is_read() {
        let functions = Function::ALL.iter().flat_map(|function| function.parameters());
        let methods =
            Class::ALL.iter().flat_map(|class| class.methods()).flat_map(|method| method.parameters());
        let classes = Class::ALL.iter().flat_map(|class| class.parameters());
        for parameter in functions.chain(methods).chain(classes) {
            let absent = matches!(default(parameter), Argument::Absent);
            assert_eq!(absent, parameter.default.is_empty(), "{}", parameter.name);
        }
    }
}
