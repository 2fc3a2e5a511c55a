//! What a decision hangs on that a log does not hold. The rules of a run are followed once more along the way
//! it took: what was read, what was written with it, which conditions turned on it. A condition on something
//! unknown that could have led elsewhere makes the decision undecidable; nothing is ever guessed.
//!
//! It ends where a backend is asked: what rules make of answers does not lie in a log, and is not compared.
//!
//! This errs on the side of saying that it can't be known: a condition counts whether or not both of its
//! outcomes would have come to the same, unless nothing it leads to can be seen from outside.

use super::decision::Decision;
use crate::language::program::{Argument, Block, Do, Expr, Mark, Place, Program, Return, Step, SubId, Test};
use crate::language::vocabulary::{Action, Family, Phase, Type, Variable};

/// Subs call each other; they can't call themselves, but who reads them needs no trust in that.
const DEPTH_MAX: usize = 64;

/// What a log knows of a visit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    pub address: bool,
    pub agent: bool,
    pub referer: bool,
    /// Nothing of the query is hidden.
    pub query: bool,
    pub time: bool,
}

/// The statements of a program by their marks.
pub struct Hinges<'p> {
    program: &'p Program,
    places: Vec<Option<At<'p>>>,
    /// There are own rules where a pass differs from a look-up.
    pass_shows: bool,
}

#[derive(Clone, Copy)]
enum At<'p> {
    Step {
        step: &'p Step,
        sub: SubId,
    },
    /// An arm or a case was reached: its conditions were judged with the statement it belongs to.
    Arm,
}

impl<'p> Hinges<'p> {
    pub fn new(program: &'p Program) -> Self {
        let mut hinges = Self {
            program,
            places: vec![None; program.marks.len()],
            pass_shows: [Phase::Hash, Phase::Hit, Phase::Miss, Phase::Pass]
                .iter()
                .any(|phase| program.has_own(*phase)),
        };
        for (at, sub) in program.subs.iter().enumerate() {
            hinges.enter(&sub.body, SubId(u32::try_from(at).unwrap_or(u32::MAX)));
        }
        hinges
    }

    fn enter(&mut self, block: &'p Block, sub: SubId) {
        for step in block {
            self.put(step.mark, At::Step { step, sub });
            match &step.what {
                Do::If { arms, otherwise } => {
                    for arm in arms {
                        self.put(arm.mark, At::Arm);
                        self.enter(&arm.body, sub);
                    }
                    if let Some(block) = otherwise {
                        self.enter(block, sub);
                    }
                }
                Do::Switch { cases, .. } => {
                    for case in cases {
                        self.put(case.mark, At::Arm);
                        self.enter(&case.body, sub);
                    }
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, mark: Mark, at: At<'p>) {
        if let Some(place) = self.places.get_mut(mark.0 as usize) {
            // An arm may share the mark of its statement.
            if !matches!((&place, &at), (Some(At::Step { .. }), At::Arm)) {
                *place = Some(at);
            }
        }
    }

    /// The first unknown that the decision hangs on, as the rules name it.
    pub fn of(&self, decision: &Decision, known: Known) -> Option<String> {
        let mut run = Run { hinges: self, known, tainted: Vec::new(), settled: Vec::new(), captured: None };
        if decision.sent.is_empty() {
            // Nobody was asked: the answer is of the rules' own making, and its status was judged where it was made.
            let made = [Variable::RespStatus, Variable::Cause];
            run.settled.extend(made.map(Place::Variable));
        }
        let way = decision.way.get(..decision.way_to_backend).unwrap_or(&decision.way);
        for mark in way {
            let Some(Some(At::Step { step, sub })) = self.places.get(mark.0 as usize) else { continue };
            if let Some(what) = run.step(step, *sub) {
                return Some(what);
            }
        }
        None
    }
}

/// One way through the rules.
struct Run<'h, 'p> {
    hinges: &'h Hinges<'p>,
    known: Known,
    /// Places that hold something unknown, and what.
    tainted: Vec<(Place, String)>,
    /// Places that rules wrote, with nothing unknown in it.
    settled: Vec<Place>,
    /// The last match was on something unknown.
    captured: Option<String>,
}

impl<'p> Run<'_, 'p> {
    fn step(&mut self, step: &'p Step, sub: SubId) -> Option<String> {
        match &step.what {
            Do::If { arms, otherwise } => {
                let unknown = arms.iter().find_map(|arm| self.reads(&arm.condition))?;
                let bodies = arms.iter().map(|arm| &arm.body).chain(otherwise);
                self.turn(unknown, bodies, sub)
            }
            Do::Switch { value, cases } => {
                let tests = cases.iter().find_map(|case| match &case.test {
                    Test::Equals(expr) => self.reads(expr),
                    Test::Default | Test::Matches(_) => None,
                });
                let unknown = self.reads(value).or(tests)?;
                self.turn(unknown, cases.iter().map(|case| &case.body), sub)
            }
            Do::Set { place, value } => {
                let unknown = self.reads(value);
                self.write(place, unknown)
            }
            Do::Add { place, value } => {
                let unknown = self.reads(value).or_else(|| self.place(place));
                self.write(place, unknown)
            }
            Do::Unset(place) => self.write(place, None),
            Do::Declare { slot, .. } => self.write(&Place::Local(*slot), None),
            Do::Return(Return::Action { args, .. }) => {
                let unknown = args.first().and_then(|status| self.reads(status));
                let reason = Place::Variable(Variable::RespReason);
                if unknown.is_none()
                    && let Some(said) = args.get(1)
                {
                    let unknown = self.reads(said);
                    return self.write(&reason, unknown);
                }
                unknown
            }
            Do::Return(Return::Value(value)) | Do::Evaluate(value) => {
                // What a sub gives is read by whoever asks it; that it is unknown is seen there.
                let _ = value;
                None
            }
            Do::Error { status, .. } => status.as_ref().and_then(|status| self.reads(status)),
            Do::UnsetAll { .. } | Do::Call(_) | Do::Break | Do::New { .. } | Do::Return(Return::Sub) => None,
        }
    }

    /// Something was written. Where it goes to shows: then what it hangs on does.
    fn write(&mut self, place: &Place, unknown: Option<String>) -> Option<String> {
        self.forget(place);
        let Some(unknown) = unknown else {
            self.settled.push(place.clone());
            return None;
        };
        if shows(place) {
            return Some(unknown);
        }
        self.tainted.push((place.clone(), unknown));
        None
    }

    fn forget(&mut self, place: &Place) {
        self.tainted.retain(|(other, _)| other != place);
        self.settled.retain(|other| other != place);
    }

    /// A condition turned on something unknown.
    fn turn(
        &mut self,
        unknown: String,
        bodies: impl Iterator<Item = &'p Block>,
        sub: SubId,
    ) -> Option<String> {
        let built_in = self.hinges.program.sub(sub).is_some_and(|sub| sub.built_in);
        let mut effects = Effects::default();
        for body in bodies {
            self.hinges.effects(body, &mut effects, 0);
        }
        // The built-in rules pass what carries a cookie by the cache; there is none yet, and nobody sees it.
        let only_passes = built_in && !self.hinges.pass_shows && effects.only_passes;
        if effects.shows || (effects.leaves && !only_passes) {
            return Some(unknown);
        }
        self.captured = Some(unknown.clone());
        for place in effects.writes {
            self.forget(&place);
            self.tainted.push((place, unknown.clone()));
        }
        None
    }

    /// The first unknown that an expression reads.
    fn reads(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Constant(_) => None,
            Expr::Read(place) => self.place(place),
            Expr::Named { variable, name } => {
                let what = format!("{}{name}", variable.name().trim_end_matches('*'));
                if variable.name().contains("cookie") {
                    Some(what)
                } else if variable.name().contains("arg") {
                    (!self.known.query).then_some(what)
                } else {
                    None
                }
            }
            // Of the match before it, whose text was read then.
            Expr::Capture(_) => self.captured.clone(),
            Expr::Text(inner)
            | Expr::Truth(inner)
            | Expr::Convert { value: inner, .. }
            | Expr::Not(inner)
            | Expr::Negative(inner)
            | Expr::Match { text: inner, .. }
            | Expr::Within { address: inner, .. } => self.reads(inner),
            Expr::Concat(all) | Expr::And(all) | Expr::Or(all) => {
                all.iter().find_map(|expr| self.reads(expr))
            }
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
                self.reads(left).or_else(|| self.reads(right))
            }
            Expr::If { condition, yes, no } => {
                self.reads(condition).or_else(|| self.reads(yes)).or_else(|| self.reads(no))
            }
            Expr::Call { function, args } => {
                let name = function.name();
                if name.contains("random") || name.starts_with("uuid") && !name.ends_with("is_valid") {
                    return Some("chance".to_owned());
                }
                if name.contains("healthy") {
                    return Some("a backend's health".to_owned());
                }
                if name.contains("getenv") || name.contains("fileread") || name.contains("blobread") {
                    return Some(format!("what {name}() read then"));
                }
                args.iter().find_map(|argument| self.argument(argument))
            }
            Expr::Method { args, .. } => {
                let unknown = args.iter().find_map(|argument| self.argument(argument));
                unknown.or_else(|| Some("a director's turn".to_owned()))
            }
            Expr::Ask(sub) => {
                Some(format!("what {} gives", self.hinges.program.sub(*sub).map_or("a sub", |sub| &sub.name)))
            }
        }
    }

    fn argument(&self, argument: &Argument) -> Option<String> {
        match argument {
            Argument::Value(expr) => self.reads(expr),
            Argument::Place(place) => self.place(place),
            Argument::Http(family) => Some(format!("{}.http", family.word())),
            _ => None,
        }
    }

    fn place(&self, place: &Place) -> Option<String> {
        if let Some((_, what)) = self.tainted.iter().find(|(other, _)| other == place) {
            return Some(what.clone());
        }
        if self.settled.contains(place) {
            return None;
        }
        match place {
            // What a backend is asked is made of what was asked of us.
            Place::Header { family: Family::Bereq, name, part } => {
                self.place(&Place::Header { family: Family::Req, name: name.clone(), part: part.clone() })
            }
            Place::Local(_) => None,
            Place::Header { family, name, part } => {
                let known = match (family, name.as_str()) {
                    (Family::Req, "host") => true,
                    (Family::Req, "user-agent") => self.known.agent,
                    (Family::Req, "referer") => self.known.referer,
                    _ => false,
                };
                let part = part.as_ref().map(|part| format!(":{part}")).unwrap_or_default();
                (!known).then(|| format!("{}.http.{name}{part}", family.word()))
            }
            Place::Variable(variable) => self.variable(*variable),
        }
    }

    fn variable(&self, variable: Variable) -> Option<String> {
        let name = variable.name();
        let last = name.rsplit('.').next().unwrap_or_default();
        let unknown = match name {
            "now" | "req.time" | "bereq.time" | "resp.time" | "beresp.time" | "obj.time" => !self.known.time,
            "client.ip" | "remote.ip" | "client.identity" | "client.network" => !self.known.address,
            _ if name.starts_with("now.") => !self.known.time,
            _ if name.starts_with("req.url") || name.starts_with("bereq.url") || last == "query" => {
                !self.known.query
            }
            // What the answer was.
            _ if name.starts_with("beresp.") || name.starts_with("resp.") || name.starts_with("obj.") => true,
            _ if name.starts_with("sess.") || name.starts_with("local.") || name.starts_with("server.") => {
                true
            }
            _ if name.starts_with("storage.") || name.starts_with("time.") => true,
            _ if name.starts_with("client.") => true,
            _ if matches!(last, "healthy" | "xid" | "body") => true,
            "req.id" | "cause" => true,
            _ => false,
        };
        unknown.then(|| name.to_owned())
    }
}

/// Whether what stands there is seen from outside: where a request goes, and how it is asked.
fn shows(place: &Place) -> bool {
    match place {
        Place::Variable(variable) => {
            variable.of() == Type::Backend
                || matches!(
                    variable.name(),
                    "req.url"
                        | "req.method"
                        | "req.host"
                        | "req.path"
                        | "req.query"
                        | "bereq.url"
                        | "bereq.method"
                        | "bereq.path"
                        | "bereq.query"
                        | "resp.status"
                )
        }
        Place::Header { family: Family::Req | Family::Bereq, name, .. } => name == "host",
        Place::Header { .. } | Place::Local(_) => false,
    }
}

/// What a block may do.
#[derive(Default)]
struct Effects {
    /// It says where a request goes, or ends it.
    shows: bool,
    /// It leaves the sub it stands in, so that what stands behind it does not run.
    leaves: bool,
    /// It leaves by `pass` or `hash` alone.
    only_passes: bool,
    writes: Vec<Place>,
}

impl<'p> Hinges<'p> {
    fn effects(&self, block: &'p Block, into: &mut Effects, depth: usize) {
        if depth == 0 && !into.leaves {
            into.only_passes = true;
        }
        for step in block {
            match &step.what {
                Do::If { arms, otherwise } => {
                    for body in arms.iter().map(|arm| &arm.body).chain(otherwise) {
                        self.effects(body, into, depth + 1);
                    }
                }
                Do::Switch { cases, .. } => {
                    for case in cases {
                        self.effects(&case.body, into, depth + 1);
                    }
                }
                Do::Set { place, .. } | Do::Add { place, .. } | Do::Unset(place) => {
                    into.shows |= shows(place);
                    into.writes.push(place.clone());
                }
                Do::UnsetAll { .. } | Do::Declare { .. } | Do::Break | Do::New { .. } | Do::Evaluate(_) => {}
                Do::Call(sub) => {
                    if depth < DEPTH_MAX
                        && let Some(sub) = self.program.sub(*sub)
                    {
                        self.effects(&sub.body, into, depth + 1);
                    }
                }
                Do::Return(Return::Sub | Return::Value(_)) => {
                    into.leaves = true;
                    into.only_passes = false;
                }
                Do::Return(Return::Action { action, .. }) => match action {
                    Action::Pass | Action::Hash | Action::Lookup => into.leaves = true,
                    Action::Deliver | Action::Fetch | Action::Ok => {
                        into.leaves = true;
                        into.only_passes = false;
                    }
                    _ => into.shows = true,
                },
                Do::Error { .. } => into.shows = true,
            }
        }
    }
}
