//! Statements → steps.

use super::Writer;
use super::expressions::concat;
use super::names::{Access, joined};
use super::operators::{self, Change};
use crate::language::ast::{self, Assign, Expr, ExprKind, Statement, StatementKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{self, Argument, Arm, Case, Do, Place, Return, Step, Test, Value};
use crate::language::source::Span;
use crate::language::vocabulary::{Action, Dialect, Family, Function, Phase, Phases, Type, Variable};

impl<'t> Writer<'_, 't, '_> {
    /// Steps, and whether nothing behind them is ever reached.
    pub(super) fn block(&mut self, statements: &'t [Statement]) -> (Vec<Step>, bool) {
        let mut steps = Vec::with_capacity(statements.len());
        let mut ends = false;
        let mut warned = false;
        for statement in statements {
            if ends && !warned && !matches!(statement.kind, StatementKind::Break | StatementKind::Fallthrough)
            {
                warned = true;
                self.unreachable(statement.span);
            }
            ends |= self.statement(statement, &mut steps);
        }
        (steps, ends)
    }

    fn unreachable(&mut self, span: Span) {
        if !self.here.built_in {
            self.fault::<()>(
                Diagnostic::new(Code::Unreachable, span, "this is never reached")
                    .label("what stands above always leaves"),
            );
        }
    }

    /// Whether nothing behind it is ever reached.
    fn statement(&mut self, statement: &'t Statement, steps: &mut Vec<Step>) -> bool {
        let span = statement.span;
        // Braces and files that stand here are their statements.
        match &statement.kind {
            StatementKind::Block(block) => {
                let (inner, ends) = self.block(&block.statements);
                steps.extend(inner);
                return ends;
            }
            StatementKind::Include { body, .. } => {
                let (inner, ends) = self.block(body);
                steps.extend(inner);
                return ends;
            }
            _ => {}
        }
        let mark = self.mark(span);
        self.here.secret = false;
        let push =
            |steps: &mut Vec<Step>, what: Option<Do>| steps.extend(what.map(|what| Step { mark, what }));
        if self.is_varnish() && !self.is_varnishs(statement) {
            return false;
        }
        match &statement.kind {
            StatementKind::If { arms, otherwise } => {
                let (what, ends) = self.choose(arms, otherwise.as_ref());
                push(steps, what);
                return ends;
            }
            StatementKind::Set { target, how, how_span, value } => {
                let what = self.set(*target, *how, *how_span, value);
                push(steps, what);
            }
            StatementKind::Add { target, value } => {
                let what = self.add(*target, value);
                push(steps, what);
            }
            StatementKind::Unset { target } => {
                let what = self.unset(*target);
                push(steps, what);
            }
            StatementKind::Call { name } => {
                if let Some(at) = self.called(*name)
                    && let Some(routine) = self.routines.get(at)
                {
                    if routine.returns != Type::Void {
                        let quote = self.quote(*name);
                        self.fault::<()>(
                            Diagnostic::new(
                                Code::UselessCall,
                                *name,
                                format!("the sub {quote} returns a value"),
                            )
                            .label(format!("use it: `set req.http.X = {}();`", quote.trim_matches('`'))),
                        );
                        return false;
                    }
                    // A phase has several bodies, and all of them run.
                    let calls = routine.ids.iter().map(|id| Step { mark, what: Do::Call(*id) });
                    steps.extend(calls.collect::<Vec<Step>>());
                }
            }
            StatementKind::Return { value, parens } => {
                let what = self.returned_with(value.as_ref(), *parens, span);
                if matches!(
                    what,
                    Some(Do::Return(Return::Action { action: Action::Synth | Action::Error, .. }))
                ) {
                    self.shown(span);
                }
                push(steps, what);
                return true;
            }
            StatementKind::New { name, class, args } => {
                let what = self.made(span, *name, *class, args);
                push(steps, what);
            }
            StatementKind::Evaluate(expr) => {
                let what = self.statement_called(expr).map(Do::Evaluate);
                push(steps, what);
            }
            StatementKind::Error { status, reason } => {
                let what = self.error(span, status.as_ref(), reason.as_ref());
                push(steps, what);
                return true;
            }
            StatementKind::Restart => {
                if self.may_end(Action::Restart, span) {
                    let what = Do::Return(Return::Action { action: Action::Restart, args: Box::new([]) });
                    push(steps, Some(what));
                }
                return true;
            }
            StatementKind::Esi => {
                if self.may_call(Phases::of(&[Phase::BackendResponse]), span) {
                    let place = Place::Variable(Variable::BerespDoEsi);
                    let value = program::Expr::Constant(Value::Bool(true));
                    push(steps, Some(Do::Set { place, value }));
                }
            }
            StatementKind::Log(value) => {
                let what = self.told(Function::StdLog, span, value);
                push(steps, what);
            }
            StatementKind::Synthetic { value, base64 } => {
                let function = if *base64 { Function::SyntheticBase64 } else { Function::Synthetic };
                let what = self.told(function, span, value);
                push(steps, what);
            }
            StatementKind::Declare { name, of, value } => {
                self.declared_local(*name, *of, value.as_ref(), mark, steps);
            }
            StatementKind::Switch { value, cases, .. } => {
                let (what, ends) = self.switch(value, cases);
                push(steps, what);
                return ends;
            }
            StatementKind::Break => {
                if self.here.switches == 0 {
                    self.fault::<()>(
                        Diagnostic::new(Code::BadSwitch, span, "there is no `switch` to leave")
                            .label("`break;` stands in a `switch`; `return;` leaves a sub"),
                    );
                } else {
                    push(steps, Some(Do::Break));
                }
                return true;
            }
            StatementKind::Fallthrough => {
                self.fault::<()>(
                    Diagnostic::new(
                        Code::BadSwitch,
                        span,
                        "`fallthrough;` is the last statement of a `case`",
                    )
                    .label("take it out, or move it to the end of the case"),
                );
            }
            StatementKind::Goto { label } | StatementKind::Label { label } => {
                let quote = self.quote(*label);
                self.fault::<()>(
                    Diagnostic::new(
                        Code::NoGoto,
                        span,
                        format!("rules do not jump, so {quote} leads nowhere"),
                    )
                    .label("write the condition the other way round, and what is skipped within it"),
                );
            }
            StatementKind::Macro { name } => self.macro_named(*name),
            StatementKind::Import(_) => {
                self.fault::<()>(
                    Diagnostic::new(Code::Misplaced, span, "an `import` does not stand in a sub")
                        .label("move it to the top of the file"),
                );
            }
            // Of C in rules the parser has said so.
            StatementKind::Block(_) | StatementKind::Include { .. } | StatementKind::InlineC => {}
        }
        false
    }

    /// Whether Varnish knows the statement; reports where not.
    fn is_varnishs(&mut self, statement: &Statement) -> bool {
        let word = match &statement.kind {
            StatementKind::Unset { .. } if !self.text(statement.span).starts_with("remove") => return true,
            StatementKind::Unset { .. } => "`remove`",
            StatementKind::Add { .. } => "`add`",
            StatementKind::Error { .. } => "`error`",
            StatementKind::Restart => "`restart;`",
            StatementKind::Esi => "`esi`",
            StatementKind::Log(_) => "`log`",
            StatementKind::Synthetic { .. } => "`synthetic` without parentheses",
            StatementKind::Declare { .. } => "`declare local`",
            StatementKind::Switch { .. } => "`switch`",
            StatementKind::Break => "`break`",
            StatementKind::Fallthrough => "`fallthrough`",
            StatementKind::Macro { .. } => "a macro",
            _ => return true,
        };
        let instead = match &statement.kind {
            StatementKind::Unset { .. } => "write `unset`",
            StatementKind::Add { .. } => "set the header with both values",
            StatementKind::Error { .. } => "write `return (synth(403, \"Forbidden\"));`",
            StatementKind::Restart => "write `return (restart);`",
            StatementKind::Esi => "write `set beresp.do_esi = true;`",
            StatementKind::Log(_) => "write `std.log(…);`",
            StatementKind::Synthetic { .. } => "write `synthetic(…);`",
            StatementKind::Declare { .. } => "keep it in a header: `set req.http.X-Name = …;`",
            _ => "write `if` and `elseif`",
        };
        self.other_dialect::<()>(statement.span, word, instead);
        false
    }

    fn choose(
        &mut self,
        arms: &'t [(Expr, ast::Block)],
        otherwise: Option<&'t ast::Block>,
    ) -> (Option<Do>, bool) {
        let mut lowered = Vec::with_capacity(arms.len());
        let mut ends = true;
        let mut faulty = false;
        for (condition, block) in arms {
            let mark = self.mark(condition.span);
            let truth = self.value(condition, Type::Bool);
            if !self.here.built_in && is_literal(condition) {
                self.fault::<()>(
                    Diagnostic::new(Code::AlwaysSame, condition.span, "this condition is always the same")
                        .label("take the `if` out, or what it guards"),
                );
            }
            let (body, leaves) = self.block(&block.statements);
            ends &= leaves;
            match truth {
                Some(condition) => lowered.push(Arm { mark, condition, body: body.into() }),
                None => faulty = true,
            }
        }
        let otherwise = match otherwise {
            None => {
                ends = false;
                None
            }
            Some(block) => {
                let (body, leaves) = self.block(&block.statements);
                ends &= leaves;
                Some(body.into())
            }
        };
        ((!faulty).then(|| Do::If { arms: lowered.into(), otherwise }), ends)
    }

    fn set(&mut self, target: Span, how: Assign, how_span: Span, value: &Expr) -> Option<Do> {
        let Some((place, of)) = self.place(target, Access::Write) else {
            // The value may have faults of its own; what it is to be is not known.
            self.judge(value, Type::String);
            return None;
        };
        let Some((change, wanted)) = operators::change(of, how, !self.is_varnish()) else {
            self.judge(value, of);
            let fault = Diagnostic::new(
                Code::TypesClash,
                how_span,
                format!("`{}` has no meaning for {}", operators::word(how), of.title()),
            );
            return self.fault(match (of, how) {
                (Type::Http | Type::Acl | Type::Probe, _) => fault.label("it can't be set"),
                (Type::String | Type::Header | Type::Body, _) => fault.label("texts know `=` and `+=`"),
                _ => fault.label("write `=`, and the whole value behind it"),
            });
        };
        // A backend may be given a whole `none`; all else has its value here.
        let typed = self.value(value, wanted)?;
        self.goes_to(&place, value.span);
        let read = |place: &Place| Box::new(program::Expr::Read(place.clone()));
        let value = match change {
            Change::Replace => typed,
            Change::Append => concat(vec![program::Expr::Read(place.clone()), typed]),
            Change::Calculate(how) => {
                if !self.may_read(target) {
                    return None;
                }
                program::Expr::Arithmetic { how, of, left: read(&place), right: Box::new(typed) }
            }
            Change::And => program::Expr::And(Box::new([program::Expr::Read(place.clone()), typed])),
            Change::Or => program::Expr::Or(Box::new([program::Expr::Read(place.clone()), typed])),
        };
        Some(Do::Set { place, value })
    }

    fn add(&mut self, target: Span, value: &Expr) -> Option<Do> {
        let place = self.place(target, Access::Write);
        let value = self.value(value, Type::String);
        let (place, of) = place?;
        if of != Type::Header || matches!(&place, Place::Header { part: Some(_), .. }) {
            let quote = self.quote(target);
            return self.fault(
                Diagnostic::new(Code::TypesClash, target, format!("{quote} is not a whole header"))
                    .label("only headers can stand several times"),
            );
        }
        self.goes_to(&place, target);
        Some(Do::Add { place, value: value? })
    }

    /// A value was written there.
    fn goes_to(&mut self, place: &Place, span: Span) {
        match place {
            Place::Local(slot) if self.here.secret => {
                self.here.secret_locals.insert(slot.0);
            }
            Place::Header { family: Family::Beresp | Family::Obj | Family::Resp, .. }
            | Place::Variable(
                Variable::BerespBody
                | Variable::BerespReason
                | Variable::ObjReason
                | Variable::RespBody
                | Variable::RespReason,
            ) => self.shown(span),
            _ => {}
        }
    }

    /// The value that was read is shown to visitors, or written to a log.
    pub(super) fn shown(&mut self, span: Span) {
        if std::mem::take(&mut self.here.secret) {
            self.fault::<()>(
                Diagnostic::new(Code::SecretShown, span, "this shows a value of a private file")
                    .label("compare it, hash it, or send it to a backend; in answers and logs it is no secret any more"),
            );
        }
    }

    fn unset(&mut self, target: Span) -> Option<Do> {
        let text = self.text(target);
        if let Some(stem) = text.strip_suffix('*') {
            if self.is_varnish() {
                return self.other_dialect(target, "a `*` behind a header", "name each header");
            }
            let family = crate::language::vocabulary::Family::of_header(stem);
            let Some((family, prefix)) = family.filter(|(_, prefix)| !prefix.is_empty()) else {
                return self.fault(
                    Diagnostic::new(
                        Code::NotUnset,
                        target,
                        "a `*` stands behind the beginning of a header's name",
                    )
                    .label("write `unset req.http.X-*;`"),
                );
            };
            let shorter = Span { end: target.end.saturating_sub(1), ..target };
            if prefix.ends_with('-') || self.place(shorter, Access::Unset).is_some() {
                return Some(Do::UnsetAll { family, prefix: prefix.to_ascii_lowercase().into() });
            }
            return None;
        }
        let (place, _) = self.place(target, Access::Unset)?;
        Some(Do::Unset(place))
    }

    /// `log …;` and its like: a function with one text.
    fn told(&mut self, function: Function, span: Span, value: &Expr) -> Option<Do> {
        let text = self.value(value, Type::String);
        self.shown(value.span);
        let here = self.may_call(function.phases(), span);
        let args = Box::new([Argument::Value(text?)]);
        here.then(|| Do::Evaluate(program::Expr::Call { function, args }))
    }

    fn declared_local(
        &mut self,
        name: Span,
        of: Span,
        value: Option<&Expr>,
        mark: program::Mark,
        steps: &mut Vec<Step>,
    ) {
        let word = self.text(of);
        let known = Type::by_word(word).filter(|of| operators::is_storable(*of));
        let Some(of) = known else {
            let quote = self.quote(of);
            let words = [
                "STRING", "BOOL", "INTEGER", "FLOAT", "TIME", "RTIME", "IP", "BACKEND", "INT", "REAL",
                "DURATION", "BYTES",
            ];
            let near = self.checker.suggestions.near(word, words);
            let fault = Diagnostic::new(Code::TypesClash, of, format!("no local can hold {quote}"));
            self.fault::<()>(match near {
                Some(near) => fault.meant(near),
                None => {
                    fault.label("there are STRING, BOOL, INT, REAL, DURATION, TIME, BYTES, IP and BACKEND")
                }
            });
            // So that its uses are not reported as well.
            let _ = self.declare(name, Type::String);
            return;
        };
        if !self.text(name).starts_with("var.") {
            let quote = self.quote(name);
            self.fault::<()>(
                Diagnostic::new(Code::ReservedName, name, format!("{quote} is no name of a local"))
                    .label(format!("write `var.{}`", quote.trim_matches('`'))),
            );
            return;
        }
        let value = value.and_then(|value| self.value(value, of));
        let Some(slot) = self.declare(name, of) else { return };
        self.goes_to(&Place::Local(slot), name);
        steps.push(Step { mark, what: Do::Declare { slot, of } });
        if let Some(value) = value {
            steps.push(Step { mark, what: Do::Set { place: Place::Local(slot), value } });
        }
    }

    /// `error 403 "reason";`
    fn error(&mut self, span: Span, status: Option<&Expr>, reason: Option<&Expr>) -> Option<Do> {
        let action = if self.is_fastly() { Action::Error } else { Action::Synth };
        let here = self.may_end(action, span);
        let status_value = match status {
            None => Some(None),
            Some(status) => self.value(status, Type::Int).map(Some),
        };
        let reason = match reason {
            None => Some(None),
            Some(reason) => self.value(reason, Type::String).map(Some),
        };
        if let (Some(Some(program::Expr::Constant(Value::Int(number)))), Some(status)) =
            (&status_value, status)
        {
            self.judge_status(*number, status.span);
        }
        self.shown(span);
        let (status, reason) = (status_value?, reason?);
        here.then_some(Do::Error { status, reason })
    }

    fn switch(&mut self, value: &'t Expr, cases: &'t [ast::Case]) -> (Option<Do>, bool) {
        let value = self.value(value, Type::String);
        self.here.switches += 1;
        let mut lowered = Vec::with_capacity(cases.len());
        let mut faulty = value.is_none();
        let mut default: Option<Span> = None;
        for (at, case) in cases.iter().enumerate() {
            let mark = self.mark(case.span);
            let test = match &case.value {
                None => {
                    if let Some(first) = default {
                        self.fault::<()>(
                            Diagnostic::new(Code::BadSwitch, case.span, "a second `default`")
                                .label("keep one")
                                .at(first, "the first stands here"),
                        );
                    }
                    default = Some(case.span);
                    Some(Test::Default)
                }
                Some(pattern) if case.regex => self.regex(pattern).map(Test::Matches),
                Some(text) => self.value(text, Type::String).map(Test::Equals),
            };
            let (body, falls_through) = match case.body.split_last() {
                Some((last, body)) if matches!(last.kind, StatementKind::Fallthrough) => {
                    if at + 1 == cases.len() {
                        self.fault::<()>(
                            Diagnostic::new(Code::BadSwitch, last.span, "there is no case to fall into")
                                .label("write `break;`"),
                        );
                    }
                    (self.block(body).0, true)
                }
                _ => {
                    let (body, ends) = self.block(&case.body);
                    if !ends {
                        self.fault::<()>(
                            Diagnostic::new(Code::BadSwitch, case.span, "this case has no end")
                                .label("end it by `break;` or `fallthrough;`"),
                        );
                    }
                    (body, false)
                }
            };
            match test {
                Some(test) => lowered.push(Case { mark, test, body: body.into(), falls_through }),
                None => faulty = true,
            }
        }
        self.here.switches -= 1;
        let what = match value {
            Some(value) if !faulty => Some(Do::Switch { value, cases: lowered.into() }),
            _ => None,
        };
        (what, false)
    }

    /// `#FASTLY recv`: where Fastly's own rules would stand.
    fn macro_named(&mut self, name: Span) {
        let word = self.text(name);
        let phase = Phase::of_sub(&format!("vcl_{}", word.to_ascii_lowercase()), Dialect::Fastly);
        let here = self.routines.get(self.here.routine).and_then(|routine| routine.phase);
        if phase.is_none() || phase != here {
            let quote = self.quote(name);
            self.fault::<()>(
                Diagnostic::new(Code::StrayMacro, name, format!("the macro {quote} belongs to another sub"))
                    .label(match here {
                        Some(here) => {
                            format!("write `#FASTLY {}`", self.sub_of(here).trim_start_matches("vcl_"))
                        }
                        None => "it stands in the subs that the gateway calls".to_owned(),
                    }),
            );
        }
    }

    /// A status that no answer can have. Varnish finds out when it is too late.
    pub(super) fn judge_status(&mut self, status: i64, span: Span) {
        if !(100..=65_535).contains(&status) && !self.is_varnish() {
            self.fault::<()>(
                Diagnostic::new(Code::OutOfRange, span, "no answer has this status")
                    .label("a status is a number from 100 to 999"),
            );
        }
    }

    /// `return …;`
    fn returned_with(&mut self, value: Option<&Expr>, parens: bool, span: Span) -> Option<Do> {
        let routine = self.routines.get(self.here.routine)?;
        let (returns, phase) = (routine.returns, routine.phase);
        if returns != Type::Void {
            let Some(value) = value else {
                return self.fault(
                    Diagnostic::new(Code::BadReturn, span, format!("this sub returns {}", returns.title()))
                        .label("write `return value;`"),
                );
            };
            return self.value(value, returns).map(|value| Do::Return(Return::Value(value)));
        }
        let Some(value) = value else {
            if let Some(phase) = phase {
                let actions = self.actions(Phases::of(&[phase]));
                return self.fault(
                    Diagnostic::new(
                        Code::BadReturn,
                        span,
                        format!("`{}` has to say how it ends", self.sub_of(phase)),
                    )
                    .label(format!("write `return (…);` with {actions}"))
                    .help("to leave only a part of it, put that part into a sub of its own: `return;` ends the sub that was called"),
                );
            }
            return Some(Do::Return(Return::Sub));
        };
        if !parens && self.is_varnish() {
            return self.other_dialect(value.span, "an action without parentheses", "write `return (…);`");
        }
        self.action(value)
    }

    /// The actions that fit all of these phases, in a sentence.
    pub(super) fn actions(&self, phases: Phases) -> String {
        let fitting = Action::ALL
            .iter()
            .copied()
            .filter(|action| phases.iter().all(|phase| action.fits(phase, self.speech)));
        joined(&fitting.map(|action| format!("`{}`", action.word())).collect::<Vec<_>>())
    }
}

/// A condition that says its answer itself. A `let` may be another tomorrow.
fn is_literal(condition: &Expr) -> bool {
    match &condition.kind {
        ExprKind::Text { .. } | ExprKind::Number(_) | ExprKind::Real(_) | ExprKind::Duration(_) => true,
        ExprKind::Group(inner) | ExprKind::Not(inner) => is_literal(inner),
        ExprKind::Compare { left, right, .. } => is_literal(left) && is_literal(right),
        _ => false,
    }
}
