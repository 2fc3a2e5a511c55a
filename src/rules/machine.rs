//! Runs the subs of a program over a case.

use std::borrow::Cow;

use bytes::Bytes;

use super::Rules;
use super::case::Case;
use crate::language::program::Mark;
use crate::language::vocabulary::{Action, Phase};
use crate::plan::BackendId;

/// What rules need of the world around them.
pub trait Surroundings {
    /// Seconds since 1970.
    fn now(&self) -> f64;

    /// At least 0, below 1.
    fn random(&mut self) -> f64;

    fn healthy(&self, _backend: BackendId) -> bool {
        true
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
    _rules: &Rules,
    _case: &mut Case,
    _phase: Phase,
    _around: &mut dyn Surroundings,
) -> Result<Verdict, RuleFault> {
    Ok(Verdict::To(Action::Ok))
}
