//! Objects: `new x = directors.round_robin();` in `vcl_init`, and what is asked of them.

use super::Writer;
use super::expressions::Typed;
use crate::language::ast;
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{self, Argument, Do, ObjectId, Place, Value};
use crate::language::source::Span;
use crate::language::table::Kind;
use crate::language::vocabulary::{Class, Method, Phase, Phases, Type, Variable};

/// What a `new` makes.
pub(super) struct Made<'a> {
    pub(super) name: &'a str,
    /// `None` when nothing is called so; a fault says it.
    pub(super) class: Option<Class>,
    pub(super) span: Span,
    /// Its `new` was read: Varnish knows no object before.
    is_ready: bool,
    /// Fastly's `client`: it chooses by who asks.
    pub(super) by_client: bool,
}

impl<'a> Made<'a> {
    /// One that a declaration makes.
    pub(super) const fn declared(name: &'a str, span: Span) -> Self {
        Self { name, class: None, span, is_ready: true, by_client: false }
    }
}

impl Writer<'_, '_, '_> {
    /// Keeps the name; whether it may stand there is judged later.
    pub(super) fn note_object(&mut self, name: Span, class: Span) {
        let text = self.text(name);
        let key = self.folded(text);
        if self.object_of.contains_key(&key) {
            return;
        }
        let class = self.class(class);
        self.object_of.insert(key, self.objects.len());
        self.objects.push(Made { name: text, class, span: name, is_ready: false, by_client: false });
    }

    fn class(&self, class: Span) -> Option<Class> {
        let text = self.text(class);
        let (module, rest) = text.split_once('.')?;
        match self.imported.get(module) {
            Some(real) if *real != module => Class::by_name(&format!("{real}.{rest}")),
            _ => Class::by_name(&self.folded(text)),
        }
    }

    pub(super) fn object(&self, name: &str) -> Option<usize> {
        self.object_of.get(&self.folded(name)).copied()
    }

    /// `new name = class(args);`
    pub(super) fn made(&mut self, span: Span, name: Span, class: Span, args: &[ast::Argument]) -> Option<Do> {
        let only = Phases::of(&[Phase::Init]);
        let missing = self.here.phases.but(only);
        if let Some(phase) = missing.iter().next() {
            let fault = Diagnostic::new(
                Code::NotHere,
                span,
                format!("nothing can be made in `{}`", self.sub_of(phase)),
            )
            .label("objects are made in `vcl_init`");
            self.report_here(fault, phase);
            return None;
        }
        let text = self.text(class);
        let known = self.class(class);
        let Some(known) = known else {
            let quote = self.quote(class);
            let names = Class::ALL.iter().map(|known| known.name());
            let near = self.checker.suggestions.near(text, names);
            let fault =
                Diagnostic::new(Code::UnknownFunction, class, format!("nothing called {quote} can be made"));
            return self.fault(match near {
                Some(near) => fault.meant(near),
                None => fault
                    .label("there are `directors.round_robin`, `.fallback`, `.random`, `.hash` and `.shard`"),
            });
        };
        let module = text.split('.').next().unwrap_or(text);
        if !self.has_module(module, class) {
            return None;
        }
        let object_name = self.text(name);
        let at = self.object(object_name)?;
        let object = self.objects.get_mut(at)?;
        if object.is_ready || object.span != name {
            let first = object.span;
            let quote = self.quote(name);
            return self.fault(
                Diagnostic::new(Code::DeclaredTwice, name, format!("a second object called {quote}"))
                    .label("give it another name, or take it out")
                    .at(first, "the first is made here"),
            );
        }
        let args = self.arguments(text, known.parameters(), span, args);
        if let Some(object) = self.objects.get_mut(at) {
            object.is_ready = true;
        }
        let args = args?
            .into_iter()
            .map(|argument| match argument {
                Argument::Value(value) => value,
                Argument::Word(word) => program::Expr::Constant(Value::Int(i64::from(word))),
                _ => program::Expr::Constant(Value::Unset),
            })
            .collect();
        Some(Do::New { object: ObjectId(u32::try_from(at).unwrap_or(u32::MAX)), args })
    }

    /// `name.method(args)`
    pub(super) fn object_asked(
        &mut self,
        at: usize,
        name: Span,
        method: Span,
        span: Span,
        args: &[ast::Argument],
    ) -> Option<Typed> {
        let object = self.objects.get(at)?;
        let (class, declared, made) = (object.class?, object.span, object.is_ready);
        if self.is_varnish() && !made {
            let quote = self.quote(name);
            return self.fault(
                Diagnostic::new(Code::UsedBefore, name, format!("{quote} is used before it is made"))
                    .label("move `vcl_init` above this sub")
                    .at(declared, "it is made here"),
            );
        }
        let word = self.text(method);
        let Some(known) = class.method(&self.folded(word)) else {
            let quote = self.quote(method);
            let words = class.methods().iter().map(|known| known.word());
            let near = self.checker.suggestions.near(word, words);
            let fault = Diagnostic::new(
                Code::UnknownFunction,
                method,
                format!("`{}` has no method {quote}", class.name()),
            );
            let all: Vec<String> =
                class.methods().iter().map(|known| format!("`.{}`", known.word())).collect();
            return self.fault(match near {
                Some(near) => fault.label(format!("did you mean `.{near}`?")).or(near),
                None => fault.label(format!("there are {}", all.join(", "))),
            });
        };
        if !self.may_call(known.phases(), name.to(method)) {
            return None;
        }
        if self.is_varnish()
            && let Some(given) = args
                .iter()
                .find_map(|argument| argument.name.filter(|name| !known.may_name(self.text(*name))))
        {
            return self.fault(
                Diagnostic::new(
                    Code::BadCall,
                    given,
                    format!("this argument of `.{word}` has no name in Varnish"),
                )
                .label("write the value alone"),
            );
        }
        let shown = format!(".{word}");
        let args = self.arguments(&shown, known.parameters(), span, args)?;
        let object = ObjectId(u32::try_from(at).unwrap_or(u32::MAX));
        Some(Typed { of: known.returns(), value: program::Expr::Method { object, method: known, args } })
    }

    /// A director's name where a value should stand.
    pub(super) fn object_alone(&mut self, at: usize, span: Span) -> Option<Typed> {
        let quote = self.quote(span);
        if let Some((index, _)) = self.checker.names.get(&(Kind::Director, self.text(span))) {
            self.checker.used.insert((Kind::Director, *index));
        }
        let made = self.objects.get(at)?;
        let director = made.class?.is_director();
        if made.by_client {
            let who = program::Expr::Read(Place::Variable(Variable::ClientIdentity));
            let args = Box::new([Argument::Value(who)]);
            let object = ObjectId(u32::try_from(at).unwrap_or(u32::MAX));
            let value = program::Expr::Method { object, method: Method::HashBackend, args };
            return Some(Typed { of: Type::Backend, value });
        }
        if director && self.is_fastly() {
            let choice = program::Choice::Director(ObjectId(u32::try_from(at).unwrap_or(u32::MAX)));
            return Some(Typed::constant(Type::Backend, Value::Backend(choice)));
        }
        self.fault(
            Diagnostic::new(Code::TypesClash, span, format!("{quote} is an object, not a value")).label(
                if director {
                    format!("ask it: `{}.backend()`", quote.trim_matches('`'))
                } else {
                    "ask it by one of its methods".to_owned()
                },
            ),
        )
    }
}
