//! Subs: who is called what, who calls whom, and so in which phases each runs.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use super::names::Access;
use super::{Here, Local, Writer, operators};
use crate::language::ast::{self, Argument, Expr, ExprKind, Item, Statement, StatementKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{self, Slot, SubId};
use crate::language::source::Span;
use crate::language::table::Kind;
use crate::language::vocabulary::{Dialect, Phase, Phases, Type};

/// Calls within calls.
const CALLS_DEEP_MAX: u32 = 64;
/// Words that can't be names in Varnish's VCL.
const WORDS: &[&str] = &[
    "acl",
    "sub",
    "probe",
    "backend",
    "import",
    "include",
    "vcl",
    "if",
    "set",
    "unset",
    "call",
    "return",
    "new",
    "ban",
    "hash_data",
    "synthetic",
    "true",
    "false",
    "default",
    "now",
    "req",
    "bereq",
    "beresp",
    "resp",
    "regsub",
    "regsuball",
];

/// All definitions of one sub.
pub(super) struct Routine<'t, 'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
    /// Called by the gateway itself.
    pub(super) phase: Option<Phase>,
    /// In the order in which they run; the built-in one is the last.
    pub(super) bodies: Vec<(&'t ast::Sub, bool)>,
    pub(super) returns: Type,
    /// One for each body of a phase, one for all of any other sub.
    pub(super) ids: Vec<SubId>,
    calls: Vec<(usize, Span)>,
    /// Where it runs.
    pub(super) phases: Phases,
    /// The call by which it runs in a phase that is not its own.
    via: Vec<(Phase, Span)>,
    /// How many local variables it declares, and where they begin in the frame of a run.
    pub(super) locals: u32,
    pub(super) base: u32,
    pub(super) called: bool,
    /// The first body of the tree's own that always leaves.
    left: Option<Span>,
}

impl Routine<'_, '_> {
    pub(super) fn via(&self, phase: Phase) -> Option<Span> {
        self.via.iter().find(|(known, _)| *known == phase).map(|(_, span)| *span)
    }
}

impl<'t, 'a> Writer<'_, 't, 'a> {
    /// First walk: names, calls, locals and objects of all subs.
    pub(super) fn gather(&mut self, items: &'t [Item], built_in: &'t [Item]) {
        for item in built_in {
            if let Item::Sub(sub) = item {
                self.define(sub, true);
            }
        }
        for item in items {
            if let Item::Sub(sub) = item {
                self.define(sub, false);
            }
        }
        let mut next = 0_u32;
        for at in 0..self.routines.len() {
            let Some(routine) = self.routines.get_mut(at) else { continue };
            // The tree speaks first.
            routine.bodies.sort_by_key(|(_, built_in)| *built_in);
            let ids = if routine.phase.is_some() { routine.bodies.len() } else { 1 };
            for _ in 0..ids {
                routine.ids.push(SubId(next));
                next += 1;
            }
            let bodies = routine.bodies.clone();
            for (body, _) in bodies {
                self.survey(at, &body.body.statements);
            }
        }
    }

    fn define(&mut self, sub: &'t ast::Sub, built_in: bool) {
        let name = self.text(sub.name);
        let dialect = if built_in { self.built_in_speech() } else { self.dialect };
        let folded = self.folded(name);
        let phase = Phase::of_sub(&folded, dialect);
        // A phase has several names in Fastly's dialect, and one routine.
        if phase.is_none() && dialect == Dialect::Fastly && self.is_elsewhere(&folded, sub.name) {
            return;
        }
        let key = phase.map_or(folded, |phase| Cow::Borrowed(phase.sub()));
        if let Some(at) = self.routine_of.get(&key).copied() {
            let Some(routine) = self.routines.get_mut(at) else { return };
            let splits = routine.phase.is_some() || routine.bodies.iter().any(|(_, built_in)| *built_in);
            if splits {
                if !built_in && routine.bodies.iter().all(|(_, built_in)| *built_in) {
                    routine.span = sub.name;
                }
                routine.bodies.push((sub, built_in));
                return;
            }
            let first = routine.span;
            let quote = self.quote(sub.name);
            self.fault::<()>(
                Diagnostic::new(Code::DeclaredTwice, sub.name, format!("a second `sub` called {quote}"))
                    .label("give it another name, or take it out")
                    .at(first, "the first stands here"),
            );
            return;
        }
        let misnamed = !built_in && phase.is_none() && !self.judge_name(name, sub.name);
        let returns = match sub.returns {
            None => Type::Void,
            Some(span) => self.returned(span).unwrap_or(Type::Void),
        };
        self.routine_of.insert(key, self.routines.len());
        self.routines.push(Routine {
            name,
            span: sub.name,
            phase,
            bodies: vec![(sub, built_in)],
            returns,
            ids: Vec::new(),
            calls: Vec::new(),
            phases: phase.map_or(Phases::NONE, |phase| Phases::of(&[phase])),
            via: Vec::new(),
            locals: 0,
            base: 0,
            // What has a wrong name is called by nobody, and that needs not be said too.
            called: misnamed,
            left: None,
        });
    }

    /// In Fastly's dialect, the name of a phase that has another one there, or none; reports it.
    fn is_elsewhere(&mut self, name: &str, span: Span) -> bool {
        let Some(phase) = Phase::ALL.iter().find(|phase| phase.sub() == name) else { return false };
        let label = match phase {
            Phase::BackendResponse => "write `vcl_fetch`",
            Phase::Synth | Phase::BackendError => "write `vcl_error`",
            Phase::BackendFetch => {
                "write `vcl_miss` and `vcl_pass`: what they change is what the backend is sent"
            }
            _ => "take it out",
        };
        let quote = self.quote(span);
        let fault = Diagnostic::new(Code::ReservedName, span, format!("Fastly's VCL has no sub {quote}"));
        self.fault::<()>(fault.label(label));
        true
    }

    /// Whether a sub may be called so; reports it if not.
    fn judge_name(&mut self, name: &str, span: Span) -> bool {
        let quote = self.quote(span);
        let then = match name {
            "vcl_fetch" => Some("vcl_backend_response"),
            "vcl_error" => Some("vcl_synth"),
            _ => None,
        };
        if let Some(now) = then {
            self.fault::<()>(
                Diagnostic::new(Code::ReservedName, span, format!("{quote} is a name of older VCL"))
                    .label(format!("it is `{now}` now"))
                    .help("what stands in it most often needs other variables too: see the manual"),
            );
            return false;
        }
        if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("vcl_")) {
            let dialect = self.dialect;
            let phases = Phase::ALL.iter().map(|phase| self.sub_of(*phase));
            let phases: Vec<&str> = phases.filter(|name| Phase::of_sub(name, dialect).is_some()).collect();
            let built_in: Vec<&str> = self.routines.iter().map(|routine| routine.name).collect();
            let near = self.checker.suggestions.near(name, phases.into_iter().chain(built_in));
            let fault = Diagnostic::new(
                Code::ReservedName,
                span,
                format!("the gateway calls no sub {quote}, and names that begin `vcl_` are its own"),
            );
            self.fault::<()>(match near {
                Some(near) => fault.meant(near),
                None => fault.label("give it another name"),
            });
            return false;
        }
        if self.is_varnish() && WORDS.contains(&name) {
            self.fault::<()>(
                Diagnostic::new(Code::ReservedName, span, format!("{quote} is a word of the language"))
                    .label("give the sub another name"),
            );
            return false;
        }
        true
    }

    fn returned(&mut self, span: Span) -> Option<Type> {
        if self.is_varnish() {
            return self.other_dialect(span, "a sub that returns a value", "let it set a header instead");
        }
        let word = self.text(span);
        match Type::by_word(word) {
            Some(of) if operators::is_storable(of) => Some(of),
            _ => {
                let quote = self.quote(span);
                self.fault(
                    Diagnostic::new(Code::TypesClash, span, format!("no sub can return {quote}"))
                        .label("there are STRING, BOOL, INT, REAL, DURATION, TIME, IP and BACKEND"),
                )
            }
        }
    }

    /// In Varnish's VCL all names stand in one list.
    pub(super) fn clashes(&mut self, items: &[Item]) {
        let mut declared: Vec<(Span, &'a str, &'static str)> = Vec::new();
        let varnishs = [Kind::Backend, Kind::Acl, Kind::Probe];
        for ((kind, name), (_, span)) in
            self.checker.names.iter().filter(|((kind, _), _)| varnishs.contains(kind))
        {
            declared.push((*span, name, kind.word()));
        }
        for made in &self.objects {
            declared.push((made.span, made.name, "object"));
        }
        for routine in &self.routines {
            if routine.bodies.iter().any(|(_, built_in)| !built_in) {
                declared.push((routine.span, routine.name, "sub"));
            }
        }
        let mut first: HashMap<String, (Span, &'a str, &'static str)> = HashMap::new();
        for item in items {
            if let Item::Import(import) = item {
                let span = import.alias.unwrap_or(import.name);
                let name = self.text(span);
                first.entry(name.to_ascii_lowercase()).or_insert((span, name, "module"));
            }
        }
        declared.sort_unstable();
        for (span, name, word) in declared {
            let folded = name.to_ascii_lowercase();
            let both = folded == "default" && matches!(word, "backend" | "probe");
            let own = word != "sub" && folded.starts_with("vcl_");
            if word != "sub" && !both && WORDS.contains(&folded.as_str()) || own || name.starts_with('_') {
                let quote = self.quote(span);
                self.fault::<()>(
                    Diagnostic::new(Code::ReservedName, span, format!("{quote} is no name here"))
                        .label("it is a word of the language; give it another name"),
                );
                continue;
            }
            match first.get(&folded) {
                // Of one kind and spelled the same: that was said when the names were collected.
                Some((_, spelled, other)) if *other == word && *spelled == name || both => {}
                Some((earlier, _, other)) => {
                    let quote = self.quote(span);
                    let fault = Diagnostic::new(
                        Code::DeclaredTwice,
                        span,
                        format!("{quote} is the name of a {other} already"),
                    )
                    .label("give it another name")
                    .at(*earlier, "it is declared here");
                    self.fault::<()>(fault);
                }
                None => {
                    first.insert(folded, (span, name, word));
                }
            }
        }
    }

    /// Calls, locals and objects of a body, without judging them.
    fn survey(&mut self, routine: usize, statements: &'t [Statement]) {
        for statement in statements {
            let mut inner: Vec<&'t [Statement]> = Vec::new();
            let mut values: Vec<&'t Expr> = Vec::new();
            match &statement.kind {
                StatementKind::If { arms, otherwise } => {
                    for (condition, block) in arms {
                        values.push(condition);
                        inner.push(&block.statements);
                    }
                    inner.extend(otherwise.as_ref().map(|block| block.statements.as_slice()));
                }
                StatementKind::Block(block) => inner.push(&block.statements),
                StatementKind::Include { body, .. } => inner.push(body),
                StatementKind::Switch { value, cases, .. } => {
                    values.push(value);
                    inner.extend(cases.iter().map(|case| case.body.as_slice()));
                }
                StatementKind::Call { name } => self.note_call(routine, *name),
                StatementKind::Declare { value, .. } => {
                    if let Some(known) = self.routines.get_mut(routine) {
                        known.locals += 1;
                    }
                    values.extend(value);
                }
                StatementKind::New { name, class, .. } => self.note_object(*name, *class),
                StatementKind::Set { value, .. }
                | StatementKind::Add { value, .. }
                | StatementKind::Synthetic { value, .. }
                | StatementKind::Log(value)
                | StatementKind::Evaluate(value)
                | StatementKind::Return { value: Some(value), .. } => values.push(value),
                _ => {}
            }
            for value in values {
                self.survey_value(routine, value);
            }
            for statements in inner {
                self.survey(routine, statements);
            }
        }
    }

    fn survey_value(&mut self, routine: usize, expr: &'t Expr) {
        each_call(expr, &mut |name| self.note_call(routine, name));
    }

    fn note_call(&mut self, routine: usize, name: Span) {
        if let Some(callee) = self.routine_called(name)
            && let Some(known) = self.routines.get_mut(routine)
        {
            known.calls.push((callee, name));
        }
    }

    pub(super) fn routine_called(&self, name: Span) -> Option<usize> {
        let name = self.folded(self.text(name));
        let phase = Phase::of_sub(&name, self.speech);
        let key = phase.map_or(name, |phase| Cow::Borrowed(phase.sub()));
        self.routine_of.get(&key).copied()
    }

    /// Who runs when: phases spread along the calls. Reports circles and chains that are too long.
    pub(super) fn follow(&mut self) {
        // Also those in a circle.
        let calls = self.routines.iter().flat_map(|routine| routine.calls.iter().map(|(callee, _)| *callee));
        for callee in calls.collect::<Vec<usize>>() {
            if let Some(called) = self.routines.get_mut(callee) {
                called.called = true;
            }
        }
        let Some(order) = self.order() else { return };
        for phase in Phase::ALL.iter().copied() {
            let starts = self.routines.iter().position(|routine| routine.phase == Some(phase));
            let Some(start) = starts else { continue };
            let mut queue = VecDeque::from([start]);
            let mut seen = vec![false; self.routines.len()];
            while let Some(at) = queue.pop_front() {
                let Some(routine) = self.routines.get(at) else { continue };
                for (callee, span) in routine.calls.clone() {
                    let Some(seen) = seen.get_mut(callee) else { continue };
                    if std::mem::replace(seen, true) {
                        continue;
                    }
                    let Some(called) = self.routines.get_mut(callee) else { continue };
                    called.phases = called.phases.and(Phases::of(&[phase]));
                    if called.phase != Some(phase) {
                        called.via.push((phase, span));
                    }
                    queue.push_back(callee);
                }
            }
        }
        let mut depth = vec![0_u32; self.routines.len()];
        for at in order {
            let Some(routine) = self.routines.get(at) else { continue };
            let (base, deep) = (routine.base + routine.locals, depth.get(at).copied().unwrap_or(0) + 1);
            for (callee, span) in routine.calls.clone() {
                if let Some(called) = self.routines.get_mut(callee) {
                    called.base = called.base.max(base);
                }
                let Some(known) = depth.get_mut(callee) else { continue };
                *known = (*known).max(deep);
                if *known == CALLS_DEEP_MAX {
                    self.fault::<()>(
                        Diagnostic::new(
                            Code::CallsTooDeep,
                            span,
                            format!("more than {CALLS_DEEP_MAX} subs call each other in a row"),
                        )
                        .label("call less deep"),
                    );
                }
            }
        }
    }

    /// Callers before those they call; `None` when there is a circle.
    fn order(&mut self) -> Option<Vec<usize>> {
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![0_u8; self.routines.len()];
        let mut order = Vec::with_capacity(self.routines.len());
        let mut circle: Option<(Span, usize)> = None;
        for start in 0..self.routines.len() {
            let mut path = vec![(start, 0_usize)];
            if state.get(start).is_none_or(|state| *state != 0) {
                continue;
            }
            if let Some(state) = state.get_mut(start) {
                *state = OPEN;
            }
            while let Some((at, next)) = path.last_mut() {
                let at = *at;
                let call = self.routines.get(at).and_then(|routine| routine.calls.get(*next)).copied();
                *next += 1;
                match call {
                    None => {
                        path.pop();
                        order.push(at);
                        if let Some(state) = state.get_mut(at) {
                            *state = DONE;
                        }
                    }
                    Some((callee, span)) => match state.get(callee).copied() {
                        Some(0) => {
                            if let Some(state) = state.get_mut(callee) {
                                *state = OPEN;
                            }
                            path.push((callee, 0));
                        }
                        Some(OPEN) if circle.is_none() => circle = Some((span, callee)),
                        _ => {}
                    },
                }
            }
        }
        if let Some((span, callee)) = circle {
            let quote = self.quote(span);
            let at = self.routines.get(callee).map(|routine| routine.span);
            let fault =
                Diagnostic::new(Code::Recursion, span, format!("{quote} would call itself in the end"))
                    .label("rules have no loops: take this call out");
            return self.fault(match at {
                Some(at) => fault.at(at, "it begins here"),
                None => fault,
            });
        }
        order.reverse();
        Some(order)
    }

    /// Second walk: one definition.
    pub(super) fn sub(&mut self, sub: &'t ast::Sub, into: &mut Vec<(SubId, program::Sub)>) {
        let Some(at) = self.routine_called(sub.name) else { return };
        let Some(routine) = self.routines.get(at) else { return };
        let Some(place) = routine.bodies.iter().position(|(body, _)| std::ptr::eq(*body, sub)) else {
            return;
        };
        let several = routine.phase.is_none() && routine.bodies.len() > 1;
        // All definitions of a small sub become one body, made with its first.
        if several && place > 0 {
            return;
        }
        let Some(id) = routine.ids.get(if several { 0 } else { place }).copied() else { return };
        let (name, phases, base, returns) = (routine.name, routine.phases, routine.base, routine.returns);
        let bodies: Vec<(&'t ast::Sub, bool)> = if several {
            routine.bodies.clone()
        } else {
            vec![(sub, routine.bodies.get(place).is_some_and(|(_, built_in)| *built_in))]
        };
        let mut steps = Vec::new();
        let mut built_in = true;
        let mut offset = base;
        for (body, of_ours) in bodies {
            built_in &= of_ours;
            let speech = if of_ours { self.built_in_speech() } else { self.dialect };
            if speech != self.speech {
                self.speak(speech);
            }
            self.here = Here { routine: at, phases, built_in: of_ours, next_slot: offset, ..Here::default() };
            let (block, leaves) = self.block(&body.body.statements);
            if !of_ours {
                self.behind_another(at, body, leaves);
            }
            steps.extend(block);
            offset = self.here.next_slot;
            self.unused_locals();
        }
        into.push((
            id,
            program::Sub { name: name.into(), span: sub.span, built_in, returns, body: steps.into() },
        ));
        let speech = if self.here.built_in && !several { self.built_in_speech() } else { self.dialect };
        if speech != self.speech {
            self.speak(speech);
        }
        self.unused_sub(at, sub);
    }

    /// Several bodies of a sub run one after another, unless one always leaves.
    fn behind_another(&mut self, at: usize, body: &ast::Sub, leaves: bool) {
        let Some(routine) = self.routines.get_mut(at) else { return };
        let Some(before) = routine.left else {
            routine.left = leaves.then_some(body.name);
            return;
        };
        let quote = self.quote(body.name);
        self.fault::<()>(
            Diagnostic::new(Code::Unreachable, body.name, format!("this {quote} is never reached"))
                .label("write it above the other, or make one of the two")
                .at(before, "this one always leaves"),
        );
    }

    fn unused_locals(&mut self) {
        if self.here.built_in || self.checker.found.has_errors() {
            return;
        }
        let mut unused: Vec<Span> =
            self.here.locals.values().filter(|local| !local.used).map(|local| local.span).collect();
        unused.sort_unstable();
        for span in unused {
            let quote = self.quote(span);
            self.checker.found.push(
                Diagnostic::new(Code::Unused, span, format!("nothing uses {quote}")).label("take it out"),
            );
        }
    }

    fn unused_sub(&mut self, at: usize, sub: &ast::Sub) {
        let Some(routine) = self.routines.get(at) else { return };
        if routine.phase.is_some() || routine.called || self.here.built_in {
            return;
        }
        let quote = self.quote(sub.name);
        let code = if self.dialect == Dialect::Varnish { Code::UnusedInVcl } else { Code::Unused };
        self.fault::<()>(
            Diagnostic::new(code, sub.name, format!("nothing calls the `sub` called {quote}"))
                .label(format!("call it where it was meant: `call {};`", quote.trim_matches('`'))),
        );
    }

    /// `declare local var.x STRING;`: the place it has in the frame.
    pub(super) fn declare(&mut self, name: Span, of: Type) -> Option<Slot> {
        let text = self.text(name);
        if let Some(first) = self.here.locals.get(text) {
            let first = first.span;
            let quote = self.quote(name);
            return self.fault(
                Diagnostic::new(Code::DeclaredTwice, name, format!("a second local called {quote}"))
                    .label("set the first one")
                    .at(first, "it is declared here"),
            );
        }
        let slot = Slot(self.here.next_slot);
        self.here.next_slot += 1;
        self.here.locals.insert(text, Local { slot, of, span: name, used: false });
        Some(slot)
    }

    /// The sub a `call` names.
    pub(super) fn called(&mut self, name: Span) -> Option<usize> {
        if let Some(at) = self.routine_called(name) {
            return Some(at);
        }
        let text = self.text(name);
        let quote = self.quote(name);
        let sources = self.checker.sources;
        let shown = |span: &Span| !sources.is_private(span.file);
        let names = self.routines.iter().filter(|routine| shown(&routine.span)).map(|routine| routine.name);
        let near = self.checker.suggestions.near(text, names);
        let place = near.and_then(|near| {
            let at = *self.routine_of.get(near.word)?;
            Some(sources.short_place(self.routines.get(at)?.span))
        });
        let fault = Diagnostic::new(Code::UnknownSub, name, format!("there is no sub called {quote}"));
        let other = self.checker.names.keys().find(|(_, known)| *known == text).map(|(kind, _)| *kind);
        let label = match (near, place, other) {
            (Some(near), Some(place), _) => {
                return self.fault(fault.label(format!("did you mean `{near}` ({place})?")).or(near));
            }
            (_, _, Some(kind)) => format!("this is the name of {}", Kind::a_word(kind)),
            _ if !self.missing.insert(text) => return None,
            _ => "declare it: `sub name { … }`".to_owned(),
        };
        self.fault(fault.label(label))
    }

    /// Reads a variable that is the target as well: `set x += 1`.
    pub(super) fn may_read(&mut self, span: Span) -> bool {
        match self.symbol(span) {
            Some(Some(symbol)) => self.allowed(&symbol, Access::Read, span),
            _ => false,
        }
    }
}

/// The names of all functions called in an expression. Its depth is the parser's to bound.
fn each_call(expr: &Expr, note: &mut dyn FnMut(Span)) {
    let all = |args: &[Argument], note: &mut dyn FnMut(Span)| {
        for argument in args {
            each_call(&argument.value, note);
        }
    };
    match &expr.kind {
        ExprKind::Call { name, args } => {
            note(*name);
            all(args, note);
        }
        ExprKind::Group(inner) | ExprKind::Not(inner) | ExprKind::Negative(inner) => each_call(inner, note),
        ExprKind::Sum { first, rest } => {
            each_call(first, note);
            for (_, part) in rest {
                each_call(part, note);
            }
        }
        ExprKind::Product { first, rest } => {
            each_call(first, note);
            for (_, part) in rest {
                each_call(part, note);
            }
        }
        ExprKind::Strands(parts) | ExprKind::And(parts) | ExprKind::Or(parts) => {
            for part in parts {
                each_call(part, note);
            }
        }
        ExprKind::Compare { left, right, .. } => {
            each_call(left, note);
            each_call(right, note);
        }
        _ => {}
    }
}
