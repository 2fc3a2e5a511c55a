//! How deep rules lie in each other while they run: blocks in blocks, values in values, and both again in every
//! sub that is called. Each level takes its part of a thread's stack, so there is an end to them, found here.

use crate::language::program::{Argument, Block, Do, Expr, Program, Return, SubId, Test};

/// All levels of a program. By hand nobody writes a third of them.
pub(super) const LEVELS_MAX: usize = 150;

/// The first sub that lies too deep with all that it calls.
pub(super) fn too_deep(program: &Program) -> Option<SubId> {
    let mut subs: Vec<Levels> = program.subs.iter().map(|sub| Levels::of(&sub.body)).collect();
    // Callers take over from whom they call, as often as calls can lie in each other: there are no circles.
    let mut changed = true;
    while changed {
        changed = false;
        for at in 0..subs.len() {
            let Some(sub) = subs.get(at) else { continue };
            let below =
                sub.calls.iter().filter_map(|(id, level)| Some(level + subs.get(id.0 as usize)?.deepest));
            let deepest = below.max().unwrap_or(0).max(sub.deepest);
            if deepest > LEVELS_MAX {
                return u32::try_from(at).ok().map(SubId);
            }
            if let Some(sub) = subs.get_mut(at).filter(|sub| sub.deepest < deepest) {
                sub.deepest = deepest;
                changed = true;
            }
        }
    }
    None
}

/// The levels of one sub.
#[derive(Default)]
struct Levels {
    deepest: usize,
    /// What is called, and how deep.
    calls: Vec<(SubId, usize)>,
}

impl Levels {
    fn of(body: &Block) -> Self {
        let mut levels = Self::default();
        levels.block(body, 1);
        levels
    }

    fn at(&mut self, level: usize) -> bool {
        self.deepest = self.deepest.max(level);
        level <= LEVELS_MAX
    }

    fn block(&mut self, block: &Block, level: usize) {
        if !self.at(level) {
            return;
        }
        let inside = level + 1;
        for step in block {
            match &step.what {
                Do::If { arms, otherwise } => {
                    for arm in arms {
                        self.expr(&arm.condition, inside);
                        self.block(&arm.body, inside);
                    }
                    if let Some(block) = otherwise {
                        self.block(block, inside);
                    }
                }
                Do::Set { value, .. } | Do::Add { value, .. } | Do::Evaluate(value) => {
                    self.expr(value, inside);
                }
                Do::Call(id) => self.calls.push((*id, inside)),
                Do::Switch { value, cases } => {
                    self.expr(value, inside);
                    for case in cases {
                        if let Test::Equals(expr) = &case.test {
                            self.expr(expr, inside);
                        }
                        self.block(&case.body, inside);
                    }
                }
                Do::New { args, .. } | Do::Return(Return::Action { args, .. }) => self.exprs(args, inside),
                Do::Return(Return::Value(expr)) => self.expr(expr, inside),
                Do::Error { status, reason } => {
                    for expr in status.iter().chain(reason) {
                        self.expr(expr, inside);
                    }
                }
                Do::Unset(_)
                | Do::UnsetAll { .. }
                | Do::Declare { .. }
                | Do::Break
                | Do::Return(Return::Sub) => {}
            }
        }
    }

    fn exprs(&mut self, exprs: &[Expr], level: usize) {
        for expr in exprs {
            self.expr(expr, level);
        }
    }

    fn expr(&mut self, expr: &Expr, level: usize) {
        if !self.at(level) {
            return;
        }
        let inside = level + 1;
        match expr {
            Expr::Constant(_) | Expr::Read(_) | Expr::Named { .. } | Expr::Capture(_) => {}
            Expr::Text(inner)
            | Expr::Truth(inner)
            | Expr::Not(inner)
            | Expr::Negative(inner)
            | Expr::Convert { value: inner, .. }
            | Expr::Match { text: inner, .. }
            | Expr::Within { address: inner, .. } => self.expr(inner, inside),
            Expr::Concat(all) | Expr::And(all) | Expr::Or(all) => self.exprs(all, inside),
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
                self.expr(left, inside);
                self.expr(right, inside);
            }
            Expr::If { condition, yes, no } => {
                self.expr(condition, inside);
                self.expr(yes, inside);
                self.expr(no, inside);
            }
            Expr::Call { args, .. } | Expr::Method { args, .. } => {
                for arg in args {
                    match arg {
                        Argument::Value(expr) => self.expr(expr, inside),
                        Argument::Sub(id) => self.calls.push((*id, inside)),
                        _ => {}
                    }
                }
            }
            Expr::Ask(id) => self.calls.push((*id, inside)),
        }
    }
}
