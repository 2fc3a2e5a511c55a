//! Runs the subs of a program over a case.
//!
//! What only reads allocates nothing: leaves are looked at where they stand (`look`), texts side by side are
//! written once into one buffer. Only what is passed on (a header's new value, an argument that has to outlive
//! the next one) is shared or copied. A rule that goes wrong ends the run with a `RuleFault` that knows its
//! statement.

mod calls;
mod headers;
mod objects;
mod text;
mod variables;

pub(super) use variables::hash_key;

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;

use bytes::Bytes;

use super::Rules;
use super::case::Case;
use super::value::{Text, Value};
use crate::base::cause::Cause;
use crate::language::program::{
    self, Arithmetic, Block, Choice, Do, Expr, Mark, Order, Pattern, PatternId, Place, Program, Return, Sub,
    SubId, Test,
};
use crate::language::vocabulary::{Action, Dialect, Phase, Phases, Type, Variable};
use crate::plan::BackendId;

/// Bytes that the rules of one visit may make: headers, bodies, texts. What is above is a fault of the rules.
pub const MADE_BYTES_MAX: usize = 1 << 20;
/// Statements that one visit may run. Nothing loops, but subs that call others twice, which call others twice, come
/// to as many as one likes.
pub const STEPS_MAX: u32 = 100_000;

/// What rules need of the world around them.
// Whoever answers for real gives texts of its own; only the defaults are constants.
#[allow(clippy::unnecessary_literal_bound)]
pub trait Surroundings {
    /// Seconds since 1970.
    fn now(&self) -> f64;

    /// At least 0, below 1.
    fn random(&mut self) -> f64;

    fn healthy(&self, _backend: BackendId) -> bool {
        true
    }

    /// What it is called that a backend is not healthy.
    fn sickness(&self, _backend: BackendId) -> Cause {
        Cause::Unhealthy
    }

    /// When a backend became healthy or ill, in seconds since 1970.
    fn changed(&self, _backend: BackendId) -> f64 {
        0.0
    }

    /// Connections to a backend in use.
    fn connections(&self, _backend: BackendId) -> u64 {
        0
    }

    /// The name of the site, and the path of the route as written; empty where there is none.
    fn site(&self) -> &str {
        ""
    }

    fn route(&self) -> &str {
        ""
    }

    /// The name of this machine.
    fn hostname(&self) -> &str {
        ""
    }

    /// The listener that the visitor came by, as the tree writes it.
    fn listener(&self) -> &str {
        ""
    }

    /// The host name that the visitor asked for in the TLS handshake.
    fn tls_name(&self) -> Option<&str> {
        None
    }

    /// What stands for a `{name}` in the route's path.
    fn named(&self, _name: &str) -> Option<&str> {
        None
    }

    /// A line that a rule logs. It may hold any bytes.
    fn log(&mut self, _line: &[u8]) {}

    /// A rule went wrong.
    fn fault(&mut self, _fault: &RuleFault) {}

    /// Whether `mark`, `entered` and `left` are wanted. Asked once for each phase.
    fn listens(&self) -> bool {
        false
    }

    fn mark(&mut self, _mark: Mark) {}

    fn entered(&mut self, _phase: Phase) {}

    fn left(&mut self, _phase: Phase, _verdict: &Verdict) {}
}

/// Where a phase leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Any action without arguments.
    To(Action),
    /// `return (synth(403, "why"))`, `error 403 "why";`
    Synth { status: u16, reason: Option<Bytes> },
    /// `return (error(503, "why"))`
    Error { status: u16, reason: Option<Bytes> },
    /// `return (pass(10s))`
    PassFor(f64),
}

/// A rule that can't go on: what a rule did wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// The statement; `Program::marks` knows its place.
    pub mark: Option<Mark>,
    /// One sentence without a full stop.
    pub text: Cow<'static, str>,
}

impl RuleFault {
    pub fn new(mark: Option<Mark>, text: impl Into<Cow<'static, str>>) -> Self {
        Self { mark, text: text.into() }
    }
}

/// Runs the bodies of a phase, one after another until one returns.
pub fn run(
    rules: &Rules,
    case: &mut Case,
    phase: Phase,
    around: &mut dyn Surroundings,
) -> Result<Verdict, RuleFault> {
    let listens = around.listens();
    if listens {
        around.entered(phase);
    }
    let mut machine = Machine {
        rules,
        program: &rules.program,
        case,
        around,
        phase,
        now: Cell::new(None),
        listens,
        frame: Vec::new(),
        base: 0,
        groups: Groups::default(),
        hashing: false,
        too_long: Cell::new(false),
    };
    let verdict = machine.bodies()?;
    if listens {
        around.left(phase, &verdict);
    }
    Ok(verdict)
}

/// One run of a phase.
struct Machine<'r, 'c> {
    rules: &'r Rules,
    program: &'r Program,
    case: &'c mut Case,
    around: &'c mut dyn Surroundings,
    phase: Phase,
    /// The time stands still while a phase runs.
    now: Cell<Option<f64>>,
    listens: bool,
    /// Local variables, those of the callers below.
    frame: Vec<Value<'r>>,
    /// Where those of the running sub begin.
    base: usize,
    groups: Groups,
    /// What is written now is only hashed, and nothing but a backend comes of it: addresses are written whole.
    hashing: bool,
    /// A number was written that has more digits than Varnish writes.
    too_long: Cell<bool>,
}

/// What the last match found, where the program asks for it.
#[derive(Default)]
struct Groups {
    text: Bytes,
    spans: [Option<(usize, usize)>; 11],
}

/// Where a statement leads.
enum After<'r> {
    Next,
    /// Out of the `switch`.
    Break,
    /// Out of the sub, with its value where it has one.
    Sub(Value<'r>),
    Phase(Verdict),
}

type Run<T> = Result<T, RuleFault>;

impl<'r> Machine<'r, '_> {
    fn bodies(&mut self) -> Run<Verdict> {
        let program = self.program;
        for id in program.bodies(self.phase) {
            let Some(sub) = program.sub(*id) else { continue };
            if let After::Phase(verdict) = self.sub(sub)? {
                return Ok(verdict);
            }
        }
        Ok(Verdict::To(fallback(self.phase, program.dialect)))
    }

    /// A fault of the statement that runs.
    fn fault<T>(&self, text: impl Into<Cow<'static, str>>) -> Run<T> {
        Err(RuleFault::new(self.case.at, text))
    }

    fn now(&self) -> f64 {
        self.now.get().unwrap_or_else(|| {
            let now = self.around.now();
            self.now.set(Some(now));
            now
        })
    }

    fn fastly(&self) -> bool {
        self.program.dialect == Dialect::Fastly
    }

    /// Notes that rules made so many bytes.
    fn made(&mut self, bytes: usize) -> Run<()> {
        self.case.made = self.case.made.saturating_add(bytes);
        if self.case.made > MADE_BYTES_MAX {
            return self.fault("the rules made more than 1 MB of headers and texts for one request");
        }
        Ok(())
    }

    fn sub(&mut self, sub: &'r Sub) -> Run<After<'r>> {
        let hashing = std::mem::take(&mut self.hashing);
        let base = std::mem::replace(&mut self.base, self.frame.len());
        let after = self.block(&sub.body)?;
        self.frame.truncate(self.base);
        self.base = base;
        self.hashing = hashing;
        Ok(after)
    }

    fn call(&mut self, id: SubId) -> Run<After<'r>> {
        match self.program.sub(id) {
            Some(sub) => self.sub(sub),
            None => Ok(After::Next),
        }
    }

    fn block(&mut self, block: &'r Block) -> Run<After<'r>> {
        for step in block {
            self.come_by(step.mark);
            self.case.steps += 1;
            if self.case.steps > STEPS_MAX {
                return self.fault("the rules ran more than 100,000 statements for one request");
            }
            let after = self.step(&step.what)?;
            if self.too_long.get() {
                return self.fault("a number is too large to be written as text");
            }
            match after {
                After::Next => {}
                other => return Ok(other),
            }
        }
        Ok(After::Next)
    }

    fn come_by(&mut self, mark: Mark) {
        self.case.at = Some(mark);
        if self.listens {
            self.around.mark(mark);
        }
    }

    fn step(&mut self, what: &'r Do) -> Run<After<'r>> {
        match what {
            Do::If { arms, otherwise } => return self.choose(arms, otherwise.as_ref()),
            Do::Set { place, value } => self.set(place, value)?,
            Do::Add { place, value } => self.add(place, value)?,
            Do::Unset(place) => self.unset(place)?,
            Do::UnsetAll { family, prefix } => self.unset_all(*family, prefix),
            Do::Call(id) => {
                if let After::Phase(verdict) = self.call(*id)? {
                    return Ok(After::Phase(verdict));
                }
            }
            Do::Evaluate(expr) => {
                self.eval(expr)?;
            }
            Do::Declare { slot, of } => self.declare(slot.0 as usize, *of),
            Do::Switch { value, cases } => return self.switch(value, cases),
            Do::Break => return Ok(After::Break),
            Do::New { object, args } => {
                let args = self.all(args)?;
                self.make(*object, &args);
            }
            Do::Return(back) => return self.back(back),
            Do::Error { status, reason } => return self.error(status.as_ref(), reason.as_ref()),
        }
        Ok(After::Next)
    }

    fn choose(&mut self, arms: &'r [program::Arm], otherwise: Option<&'r Block>) -> Run<After<'r>> {
        for arm in arms {
            if self.truth(&arm.condition)? {
                self.come_by(arm.mark);
                return self.block(&arm.body);
            }
        }
        otherwise.map_or(Ok(After::Next), |block| self.block(block))
    }

    fn switch(&mut self, value: &'r Expr, cases: &'r [program::Case]) -> Run<After<'r>> {
        let value = self.eval(value)?;
        let mut found = None;
        for (at, case) in cases.iter().enumerate() {
            let meant = match &case.test {
                // Counts only where no other case does.
                Test::Default => continue,
                Test::Equals(other) => {
                    let other = self.eval(other)?;
                    self.compares(Order::Equal, &value, &other)
                }
                Test::Matches(pattern) => {
                    let text = self.text_of(&value).into_owned();
                    self.matches(&text, *pattern)
                }
            };
            if meant {
                found = Some(at);
                break;
            }
        }
        let found = found.or_else(|| cases.iter().position(|case| matches!(case.test, Test::Default)));
        let Some(found) = found else { return Ok(After::Next) };
        for case in cases.iter().skip(found) {
            self.come_by(case.mark);
            match self.block(&case.body)? {
                After::Next if case.falls_through => {}
                After::Next | After::Break => break,
                other => return Ok(other),
            }
        }
        Ok(After::Next)
    }

    fn declare(&mut self, slot: usize, of: Type) {
        let at = self.base + slot;
        if self.frame.len() <= at {
            self.frame.resize(at + 1, Value::Unset);
        }
        if let Some(place) = self.frame.get_mut(at) {
            *place = empty(of);
        }
    }

    fn back(&mut self, back: &'r Return) -> Run<After<'r>> {
        let (action, args) = match back {
            Return::Sub => return Ok(After::Sub(Value::Unset)),
            Return::Value(expr) => return Ok(After::Sub(self.eval(expr)?)),
            Return::Action { action, args } => (*action, args),
        };
        let verdict = match action {
            Action::Synth | Action::Error => return self.error(args.first(), args.get(1)),
            Action::Pass if !args.is_empty() => {
                let args = self.all(args)?;
                Verdict::PassFor(args.first().map_or(0.0, amount))
            }
            Action::Vcl => return self.fault("there are no other rules to go on under"),
            other => Verdict::To(other),
        };
        Ok(After::Phase(verdict))
    }

    /// `return (synth(…))`, `return (error(…))`, `error …;`
    fn error(&mut self, status: Option<&'r Expr>, reason: Option<&'r Expr>) -> Run<After<'r>> {
        let said = status.is_some();
        let status = match status {
            Some(expr) => {
                let status = self.eval(expr)?;
                self.status(&status)?
            }
            None => 503,
        };
        let reason = match reason {
            Some(expr) => match self.eval(expr)? {
                Value::Unset => None,
                value => {
                    let text = self.text_of(&value).into_owned();
                    Some(self.reason(&text)?)
                }
            },
            None => None,
        };
        let inside = Phases::BACKEND.has(self.phase) && !self.fastly();
        // `return (error);` says what a backend that does not answer says.
        let reason = match reason {
            None if inside && !said && self.program.dialect == Dialect::Varnish => {
                Some(Bytes::from_static(b"Backend fetch failed"))
            }
            reason => reason,
        };
        let verdict =
            if inside { Verdict::Error { status, reason } } else { Verdict::Synth { status, reason } };
        Ok(After::Phase(verdict))
    }

    /// A status as rules may write it: three digits, and two more in front that only rules see.
    fn status(&self, value: &Value<'_>) -> Run<u16> {
        #[allow(clippy::cast_possible_truncation)]
        let number = match value {
            Value::Int(number) | Value::Bytes(number) => *number,
            other => amount(other) as i64,
        };
        match u16::try_from(number) {
            Ok(status) if status % 1000 >= 100 => Ok(status),
            _ => self.fault(format!("{number} is no status: its last three digits must be 100 to 999")),
        }
    }

    fn reason(&mut self, text: &[u8]) -> Run<Bytes> {
        self.made(text.len())?;
        if text.iter().any(|byte| headers::is_control(*byte)) {
            return self.fault("the reason holds a control character");
        }
        Ok(Bytes::copy_from_slice(text))
    }

    // Expressions

    /// A leaf, where it stands. `None`: it has to be worked out.
    fn look<'a>(&'a self, expr: &'a Expr) -> Option<Value<'a>> {
        Some(match expr {
            Expr::Constant(value) => Value::of(value),
            Expr::Read(place) => self.read(place),
            Expr::Named { variable, name } => self.named(*variable, name),
            Expr::Capture(group) => self.group(*group),
            Expr::Text(inner) => match self.look(inner)? {
                Value::Unset => Value::text(""),
                Value::Text(text) => Value::Text(text),
                other => Value::Text(Text::from(self.text_of(&other).into_owned())),
            },
            _ => return None,
        })
    }

    fn all(&mut self, exprs: &'r [Expr]) -> Run<Vec<Value<'r>>> {
        exprs.iter().map(|expr| self.eval(expr)).collect()
    }

    /// The value of an expression, to keep.
    fn eval(&mut self, expr: &'r Expr) -> Run<Value<'r>> {
        Ok(match expr {
            Expr::Constant(value) => Value::of(value),
            Expr::Read(place) => self.read_to_keep(place),
            Expr::Named { .. } | Expr::Capture(_) => match self.look(expr) {
                Some(value) => value.into_owned(),
                None => Value::Unset,
            },
            Expr::Text(inner) => match self.eval(inner)? {
                Value::Unset => Value::text(""),
                Value::Text(text) => Value::Text(text),
                other => Value::Text(Text::from(self.text_of(&other).into_owned())),
            },
            Expr::Truth(_) | Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Match { .. } => {
                Value::Bool(self.truth(expr)?)
            }
            Expr::Compare { .. } | Expr::Within { .. } => Value::Bool(self.truth(expr)?),
            Expr::Convert { to, value } => {
                let value = self.eval(value)?;
                self.convert(*to, value)
            }
            Expr::Concat(parts) => Value::Text(Text::from(self.concat(parts)?)),
            Expr::Arithmetic { how, of, left, right } => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.arithmetic(*how, *of, &left, &right)?
            }
            Expr::Negative(value) => match self.eval(value)? {
                Value::Int(value) => Value::Int(value.wrapping_neg()),
                Value::Bytes(value) => Value::Bytes(value.wrapping_neg()),
                Value::Real(value) => Value::Real(-value),
                Value::Duration(value) => Value::Duration(-value),
                other => other,
            },
            Expr::If { condition, yes, no } => {
                let chosen = if self.truth(condition)? { yes } else { no };
                self.eval(chosen)?
            }
            Expr::Call { function, args } => self.function(*function, args)?,
            Expr::Method { object, method, args } => self.method(*object, *method, args)?,
            Expr::Ask(id) => match self.call(*id)? {
                After::Sub(value) => value,
                // A sub for its value that fell through: the empty value of its type.
                After::Next | After::Break => {
                    self.program.sub(*id).map_or(Value::Unset, |sub| empty(sub.returns))
                }
                After::Phase(_) => return self.fault("a sub that gives a value tried to end the phase"),
            },
        })
    }

    fn truth(&mut self, expr: &'r Expr) -> Run<bool> {
        Ok(match expr {
            Expr::Truth(inner) => match self.look(inner) {
                Some(value) => is_true(&value),
                None => is_true(&self.eval(inner)?),
            },
            Expr::Not(inner) => !self.truth(inner)?,
            Expr::And(all) => {
                for one in all {
                    if !self.truth(one)? {
                        return Ok(false);
                    }
                }
                true
            }
            Expr::Or(all) => {
                for one in all {
                    if self.truth(one)? {
                        return Ok(true);
                    }
                }
                false
            }
            Expr::Match { text, pattern } => self.matched(text, *pattern)?,
            Expr::Compare { how, left, right } => {
                if let (Some(left), Some(right)) = (self.look(left), self.look(right)) {
                    self.compares(*how, &left, &right)
                } else {
                    let (left, right) = (self.eval(left)?, self.eval(right)?);
                    self.compares(*how, &left, &right)
                }
            }
            Expr::Within { address, acl } => {
                let address = match self.look(address) {
                    Some(value) => client(&value),
                    None => client(&self.eval(address)?),
                };
                let networks = self.rules.networks.get(acl.0 as usize);
                matches!((address, networks), (Some(address), Some(networks)) if networks.contains(address))
            }
            other => is_true(&self.eval(other)?),
        })
    }

    fn matched(&mut self, text: &'r Expr, id: PatternId) -> Run<bool> {
        let Some(pattern) = self.pattern(id) else { return Ok(false) };
        // What a match finds can be read later, and what it says is known at once: nothing here is only hashed.
        let hashing = std::mem::take(&mut self.hashing);
        let matched = self.matched_as_shown(text, pattern, id);
        self.hashing = hashing;
        matched
    }

    fn matched_as_shown(&mut self, text: &'r Expr, pattern: &Pattern, id: PatternId) -> Run<bool> {
        if self.rules.needs.groups {
            let value = self.eval(text)?;
            let text = self.text_of(&value).into_owned();
            return Ok(self.matches(&text, id));
        }
        if let Some(value) = self.look(text) {
            return Ok(hits(pattern, &self.text_of(&value)));
        }
        let value = self.eval(text)?;
        Ok(hits(pattern, &self.text_of(&value)))
    }

    fn pattern(&self, id: PatternId) -> Option<&'r Pattern> {
        self.program.patterns.get(id.0 as usize)
    }

    /// Matches, and keeps what the groups found where the program asks for it.
    fn matches(&mut self, text: &[u8], id: PatternId) -> bool {
        let Some(pattern) = self.pattern(id) else { return false };
        if !self.rules.needs.groups {
            return hits(pattern, text);
        }
        let Some(found) = pattern.regex.captures(text) else { return false };
        self.groups.text = Bytes::copy_from_slice(text);
        for (at, place) in self.groups.spans.iter_mut().enumerate() {
            *place = found.get(at).map(|group| (group.start(), group.end()));
        }
        true
    }

    fn group(&self, group: u8) -> Value<'_> {
        let span = self.groups.spans.get(usize::from(group)).copied().flatten();
        match span.and_then(|(start, end)| self.groups.text.get(start..end)) {
            Some(bytes) => Value::Text(Text::Borrowed(bytes)),
            None => Value::Unset,
        }
    }

    /// Texts side by side, written once.
    fn concat(&mut self, parts: &'r [Expr]) -> Run<Vec<u8>> {
        let mut buffer = Vec::with_capacity(64);
        for part in parts {
            self.append(part, &mut buffer)?;
        }
        self.made(buffer.len())?;
        Ok(buffer)
    }

    /// Stops a text while it grows: it is counted only when it is whole.
    fn growing(&mut self, buffer: &[u8]) -> Run<()> {
        if buffer.len() > MADE_BYTES_MAX { self.made(buffer.len()) } else { Ok(()) }
    }

    fn append(&mut self, part: &'r Expr, buffer: &mut Vec<u8>) -> Run<()> {
        match part {
            Expr::Concat(parts) => {
                for part in parts {
                    self.append(part, buffer)?;
                }
            }
            Expr::Text(inner) => return self.append(inner, buffer),
            _ => {
                if let Some(value) = self.look(part) {
                    self.write(&value, buffer);
                } else {
                    let value = self.eval(part)?;
                    self.write(&value, buffer);
                }
            }
        }
        self.growing(buffer)
    }

    fn compares(&self, how: Order, left: &Value<'_>, right: &Value<'_>) -> bool {
        let order = match (left, right) {
            // What is unset is like nothing, and before nothing.
            (Value::Unset, _) | (_, Value::Unset) => {
                return matches!(how, Order::NotEqual | Order::Greater | Order::GreaterOrEqual);
            }
            (Value::Text(left), Value::Text(right)) => Some((**left).cmp(&**right)),
            (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            (Value::Int(left) | Value::Bytes(left), Value::Int(right) | Value::Bytes(right)) => {
                Some(left.cmp(right))
            }
            (Value::Backend(left), Value::Backend(right)) => {
                Some(if left == right { Ordering::Equal } else { Ordering::Less })
            }
            (Value::Blob(left), Value::Blob(right)) => Some(left.cmp(right)),
            (left, right) => match (client(left), client(right)) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                (None, None) if is_amount(left) && is_amount(right) => {
                    amount(left).partial_cmp(&amount(right))
                }
                _ => Some(self.text_of(left).cmp(&self.text_of(right))),
            },
        };
        match how {
            Order::Equal => order == Some(Ordering::Equal),
            Order::NotEqual => order != Some(Ordering::Equal),
            Order::Less => order == Some(Ordering::Less),
            Order::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Order::Greater => order == Some(Ordering::Greater),
            Order::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn convert(&self, to: Type, value: Value<'r>) -> Value<'r> {
        match (to, &value) {
            (Type::String, Value::Text(_) | Value::Unset) | (Type::Int, Value::Int(_)) => value,
            (Type::String, _) => Value::Text(Text::from(self.text_of(&value).into_owned())),
            (Type::Bool, _) => Value::Bool(is_true(&value)),
            (Type::Int, _) => Value::Int(amount(&value) as i64),
            (Type::Bytes, Value::Int(number)) => Value::Bytes(*number),
            (Type::Bytes, _) => Value::Bytes(amount(&value) as i64),
            (Type::Real, _) => Value::Real(amount(&value)),
            (Type::Duration, _) => Value::Duration(amount(&value)),
            (Type::Time, _) => Value::Time(amount(&value)),
            _ => value,
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn arithmetic(&self, how: Arithmetic, of: Type, left: &Value<'_>, right: &Value<'_>) -> Run<Value<'r>> {
        if let (Type::Int | Type::Bytes, Some(left), Some(right)) = (of, whole(left), whole(right)) {
            let number = match how {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
                Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
                    return self.fault("a number is divided by zero");
                }
                Arithmetic::Divide => left.checked_div(right),
                Arithmetic::Remainder => left.checked_rem(right),
                Arithmetic::BitOr => Some(left | right),
                Arithmetic::BitAnd => Some(left & right),
                Arithmetic::BitXor => Some(left ^ right),
                // Beyond 63 places nothing is left.
                Arithmetic::ShiftLeft => {
                    Some(u32::try_from(right).ok().and_then(|by| left.checked_shl(by)).unwrap_or(0))
                }
                Arithmetic::ShiftRight => {
                    Some(u32::try_from(right).ok().and_then(|by| left.checked_shr(by)).unwrap_or(0))
                }
                Arithmetic::RotateLeft => Some(left.rotate_left(right.rem_euclid(64) as u32)),
                Arithmetic::RotateRight => Some(left.rotate_right(right.rem_euclid(64) as u32)),
            };
            let Some(number) = number else { return self.fault("a number is too large") };
            return Ok(if of == Type::Bytes { Value::Bytes(number) } else { Value::Int(number) });
        }
        let (left, right) = (amount(left), amount(right));
        let number = match how {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            Arithmetic::Divide | Arithmetic::Remainder if right == 0.0 => {
                return self.fault("a number is divided by zero");
            }
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder => left % right,
            // The checker gives these whole numbers alone.
            _ => return self.fault("bits are counted in whole numbers only"),
        };
        Ok(match of {
            Type::Int => Value::Int(number as i64),
            Type::Bytes => Value::Bytes(number as i64),
            Type::Duration => Value::Duration(number),
            Type::Time => Value::Time(number),
            _ => Value::Real(number),
        })
    }

    // Places

    fn set(&mut self, place: &'r Place, value: &'r Expr) -> Run<()> {
        match place {
            Place::Header { family, name, part: None } => {
                let value = self.header_value(value)?;
                self.put_header(*family, name, value)
            }
            Place::Header { family, name, part: Some(part) } => {
                let value = self.eval(value)?;
                let text = self.text_of(&value).into_owned();
                self.set_part(*family, name, part, &text)
            }
            Place::Local(slot) => {
                let value = self.eval(value)?;
                let at = self.base + slot.0 as usize;
                if let Some(place) = self.frame.get_mut(at) {
                    *place = value;
                }
                Ok(())
            }
            Place::Variable(variable) => {
                let value = self.eval(value)?;
                self.write_variable(*variable, value)
            }
        }
    }

    fn add(&mut self, place: &'r Place, value: &'r Expr) -> Run<()> {
        let Place::Header { family, name, .. } = place else { return self.set(place, value) };
        let value = self.header_value(value)?;
        self.append_header(*family, name, value)
    }

    fn unset(&mut self, place: &'r Place) -> Run<()> {
        match place {
            Place::Header { family, name, part: None } => self.remove_header(*family, name),
            Place::Header { family, name, part: Some(part) } => return self.remove_part(*family, name, part),
            Place::Local(slot) => {
                let at = self.base + slot.0 as usize;
                if let Some(place) = self.frame.get_mut(at) {
                    *place = Value::Unset;
                }
            }
            Place::Variable(Variable::BereqBody) => self.case.drop_body = true,
            Place::Variable(variable) => return self.write_variable(*variable, Value::Unset),
        }
        Ok(())
    }

    fn read<'a>(&'a self, place: &'a Place) -> Value<'a> {
        match place {
            Place::Header { family, name, part } => self.header(*family, name, part.as_deref()),
            Place::Local(slot) => match self.frame.get(self.base + slot.0 as usize) {
                Some(Value::Text(text)) => Value::Text(Text::Borrowed(text)),
                Some(value) => value.clone(),
                None => Value::Unset,
            },
            Place::Variable(variable) => self.variable(*variable),
        }
    }

    /// Shared where it can be, copied where it can't.
    fn read_to_keep(&self, place: &Place) -> Value<'r> {
        match place {
            Place::Header { family, name, part: None } => match self.first_header(*family, name) {
                Some(value) => Value::Text(Text::Header(value.clone())),
                None => Value::Unset,
            },
            Place::Local(slot) => {
                self.frame.get(self.base + slot.0 as usize).cloned().unwrap_or(Value::Unset)
            }
            _ => self.read(place).into_owned(),
        }
    }
}

/// Where a phase leads that says nothing: what the built-in rules say.
fn fallback(phase: Phase, dialect: Dialect) -> Action {
    match phase {
        Phase::Init | Phase::Fini => Action::Ok,
        Phase::Recv if dialect == Dialect::Fastly => Action::Lookup,
        Phase::Recv => Action::Hash,
        Phase::Hash => Action::Lookup,
        Phase::Pass if dialect == Dialect::Fastly => Action::Pass,
        Phase::Miss | Phase::Pass | Phase::BackendFetch => Action::Fetch,
        Phase::Pipe => Action::Pipe,
        Phase::Purge
        | Phase::Hit
        | Phase::Synth
        | Phase::Deliver
        | Phase::Log
        | Phase::BackendResponse
        | Phase::BackendError => Action::Deliver,
    }
}

/// What a local is before it is set.
fn empty(of: Type) -> Value<'static> {
    match of {
        Type::Bool => Value::Bool(false),
        Type::Int => Value::Int(0),
        Type::Real => Value::Real(0.0),
        Type::Duration => Value::Duration(0.0),
        Type::Time => Value::Time(0.0),
        Type::Bytes => Value::Bytes(0),
        Type::Backend => Value::Backend(Choice::None),
        _ => Value::Unset,
    }
}

/// Compares the literal start before the engine is asked.
fn hits(pattern: &Pattern, text: &[u8]) -> bool {
    if !pattern.prefix.is_empty() {
        if !text.starts_with(&pattern.prefix) {
            return false;
        }
        if pattern.prefix_only {
            return true;
        }
    }
    pattern.regex.is_match(text)
}

fn is_true(value: &Value<'_>) -> bool {
    match value {
        Value::Unset => false,
        Value::Text(_) | Value::Ip(_) | Value::Visitor(_) | Value::Time(_) => true,
        Value::Bool(value) => *value,
        Value::Int(value) | Value::Bytes(value) => *value != 0,
        Value::Real(value) => *value != 0.0,
        Value::Duration(value) => *value > 0.0,
        Value::Backend(choice) => *choice != Choice::None,
        Value::Blob(bytes) => !bytes.is_empty(),
    }
}

fn client(value: &Value<'_>) -> Option<crate::base::address::ClientIp> {
    match value {
        Value::Visitor(client) => Some(*client),
        Value::Ip(address) => Some(crate::base::address::ClientIp::new(*address)),
        _ => None,
    }
}

fn is_amount(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Int(_)
            | Value::Bytes(_)
            | Value::Real(_)
            | Value::Duration(_)
            | Value::Time(_)
            | Value::Bool(_)
    )
}

fn whole(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(value) | Value::Bytes(value) => Some(*value),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss)]
fn amount(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(value) | Value::Bytes(value) => *value as f64,
        Value::Real(value) | Value::Duration(value) | Value::Time(value) => *value,
        Value::Bool(true) => 1.0,
        _ => 0.0,
    }
}
