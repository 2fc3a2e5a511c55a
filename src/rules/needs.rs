//! What a program may still want in later phases, found once: what nobody reads again is moved, not copied. And
//! whether it speaks of a cache.

use crate::language::program::{Argument, Block, Do, Expr, Place, Program, Return, SubId, Test};
use crate::language::vocabulary::{Action, Dialect, Family, Function, Phase, Variable};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// `req`, once `bereq` has been made of it.
    pub req_later: bool,
    /// `bereq`, once it has been sent.
    pub bereq_later: bool,
    /// `req` as it came.
    pub rollback: bool,
    /// What the groups of a match found.
    pub groups: bool,
    /// Rules of the tree's own use the words of a cache.
    pub cache: bool,
}

impl Needs {
    pub fn of(program: &Program) -> Self {
        let mut needs = Self::default();
        let asking = if program.dialect == Dialect::Fastly {
            &[Phase::Miss, Phase::Pass, Phase::BackendResponse][..]
        } else {
            &[Phase::Pipe, Phase::BackendFetch, Phase::BackendResponse, Phase::BackendError][..]
        };
        let answering = &[Phase::Deliver, Phase::Synth, Phase::Log][..];
        let late = Search::over(program, asking.iter().chain(answering));
        needs.req_later = late.req || late.restart;
        let answered = Search::over(program, &[Phase::BackendResponse, Phase::BackendError]);
        needs.bereq_later = answered.bereq || answered.retry;
        let all = Search::over(program, Phase::ALL);
        needs.rollback = all.rollback;
        needs.req_later |= all.rollback;
        needs.groups = all.groups;
        needs.cache =
            all.cache || [Phase::Hash, Phase::Hit, Phase::Purge].iter().any(|phase| program.has_own(*phase));
        needs
    }
}

/// What the bodies of some phases, and the subs they call, come by.
#[derive(Default)]
struct Search {
    seen: Vec<bool>,
    req: bool,
    bereq: bool,
    restart: bool,
    retry: bool,
    rollback: bool,
    groups: bool,
    cache: bool,
    /// The sub that is looked at is the tree's own.
    own: bool,
}

impl Search {
    fn over<'p>(program: &Program, phases: impl IntoIterator<Item = &'p Phase>) -> Self {
        let mut search = Self { seen: vec![false; program.subs.len()], ..Self::default() };
        for phase in phases {
            for id in program.bodies(*phase) {
                search.sub(program, *id);
            }
        }
        search
    }

    fn sub(&mut self, program: &Program, id: SubId) {
        let Some(seen) = self.seen.get_mut(id.0 as usize) else { return };
        if std::mem::replace(seen, true) {
            return;
        }
        if let Some(sub) = program.sub(id) {
            let caller = std::mem::replace(&mut self.own, !sub.built_in);
            self.block(program, &sub.body);
            self.own = caller;
        }
    }

    fn block(&mut self, program: &Program, block: &Block) {
        for step in block {
            match &step.what {
                Do::If { arms, otherwise } => {
                    for arm in arms {
                        self.expr(program, &arm.condition);
                        self.block(program, &arm.body);
                    }
                    if let Some(block) = otherwise {
                        self.block(program, block);
                    }
                }
                Do::Set { place, value } | Do::Add { place, value } => {
                    self.place(place);
                    self.expr(program, value);
                }
                Do::Unset(place) => self.place(place),
                Do::UnsetAll { family, .. } => self.family(*family),
                Do::Call(id) => self.sub(program, *id),
                Do::Evaluate(expr) => self.expr(program, expr),
                Do::Declare { .. } | Do::Break => {}
                Do::Switch { value, cases } => {
                    self.expr(program, value);
                    for case in cases {
                        if let Test::Equals(expr) = &case.test {
                            self.expr(program, expr);
                        }
                        self.block(program, &case.body);
                    }
                }
                Do::New { args, .. } => self.exprs(program, args),
                Do::Return(Return::Sub) => {}
                Do::Return(Return::Value(expr)) => self.expr(program, expr),
                Do::Return(Return::Action { action, args }) => {
                    self.restart |= *action == Action::Restart;
                    self.retry |= *action == Action::Retry;
                    self.cache |= self.own && matches!(action, Action::Purge | Action::HitForPass);
                    self.exprs(program, args);
                }
                Do::Error { status, reason } => {
                    for expr in status.iter().chain(reason) {
                        self.expr(program, expr);
                    }
                }
            }
        }
    }

    fn exprs(&mut self, program: &Program, exprs: &[Expr]) {
        for expr in exprs {
            self.expr(program, expr);
        }
    }

    fn expr(&mut self, program: &Program, expr: &Expr) {
        match expr {
            Expr::Constant(_) => {}
            Expr::Read(place) => self.place(place),
            Expr::Named { variable, .. } => self.variable(*variable),
            Expr::Capture(_) => self.groups = true,
            Expr::Text(inner) | Expr::Truth(inner) | Expr::Not(inner) | Expr::Negative(inner) => {
                self.expr(program, inner);
            }
            Expr::Convert { value, .. } => self.expr(program, value),
            Expr::Concat(all) | Expr::And(all) | Expr::Or(all) => self.exprs(program, all),
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
                self.expr(program, left);
                self.expr(program, right);
            }
            Expr::Match { text, .. } => self.expr(program, text),
            Expr::Within { address, .. } => self.expr(program, address),
            Expr::If { condition, yes, no } => {
                self.expr(program, condition);
                self.expr(program, yes);
                self.expr(program, no);
            }
            Expr::Call { function, args } => {
                self.rollback |= *function == Function::StdRollback;
                self.cache |=
                    self.own && matches!(function, Function::Ban | Function::StdBan | Function::HashData);
                self.arguments(program, args);
            }
            // A shard director may hash what is asked for.
            Expr::Method { args, .. } => {
                self.req = true;
                self.bereq = true;
                self.arguments(program, args);
            }
            Expr::Ask(id) => self.sub(program, *id),
        }
    }

    fn arguments(&mut self, program: &Program, args: &[Argument]) {
        for arg in args {
            match arg {
                Argument::Value(expr) => self.expr(program, expr),
                Argument::Place(place) => self.place(place),
                Argument::Http(family) => self.family(*family),
                Argument::Sub(id) => self.sub(program, *id),
                Argument::Absent
                | Argument::Pattern(_)
                | Argument::Acl(_)
                | Argument::Table(_)
                | Argument::Word(_) => {}
            }
        }
    }

    fn place(&mut self, place: &Place) {
        match place {
            Place::Header { family, .. } => self.family(*family),
            Place::Variable(variable) => self.variable(*variable),
            Place::Local(_) => {}
        }
    }

    fn family(&mut self, family: Family) {
        match family {
            Family::Req | Family::ReqTop => self.req = true,
            Family::Bereq => self.bereq = true,
            Family::Beresp | Family::Obj | Family::Resp => {}
        }
    }

    /// By their names: all of them read the message, but for a few that are kept beside it.
    fn variable(&mut self, variable: Variable) {
        self.cache |= self.own && is_of_a_cache(variable);
        match variable {
            Variable::BereqUncacheable
            | Variable::BereqRetries
            | Variable::BereqXid
            | Variable::BereqTime
            | Variable::ReqXid
            | Variable::ReqId
            | Variable::ReqRestarts
            | Variable::ReqTime
            | Variable::ReqSite
            | Variable::ReqRoute => {}
            // A director may hash what is asked for.
            Variable::BereqBackend => self.bereq = true,
            other if other.name().starts_with("req") => self.req = true,
            other if other.name().starts_with("bereq.") => self.bereq = true,
            _ => {}
        }
    }
}

/// Whether a variable means nothing without a cache.
fn is_of_a_cache(variable: Variable) -> bool {
    let name = variable.name();
    let (family, rest) = name.split_once('.').unwrap_or((name, ""));
    match family {
        "obj" => !matches!(rest, "status" | "reason" | "response" | "proto"),
        "beresp" => {
            matches!(
                rest,
                "ttl" | "grace" | "keep" | "age" | "uncacheable" | "cacheable" | "do_esi" | "was_304"
            ) || rest.starts_with("stale_")
                || rest.starts_with("storage")
        }
        "req" => rest.starts_with("hash") || matches!(rest, "ttl" | "grace" | "is_hitmiss" | "is_hitpass"),
        "stale" => true,
        _ => false,
    }
}
