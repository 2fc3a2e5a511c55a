//! The way of one request through the rules: which sub runs, and what happens between two of them. No IO: who
//! drives it (the corridor, the plays) judges routes and access, asks backends, and hands the answers in.
//!
//! The order is that of Varnish 7.1: recv → hash → miss or pass → `backend_fetch` → `backend_response`
//! or `backend_error` → deliver, with synth, pipe, purge, restart and retry beside it. Every look-up is a miss.
//! What differs is what has no meaning without a cache: the visitor's method and his conditional and range
//! headers go on to the backend, and no `Age`, `Via` or `X-Varnish` is added.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::Rules;
use super::case::{Case, Life, Patience, Question, Reply, ReplyBody};
use super::life;
use super::machine::{self, RuleFault, Surroundings, Verdict};
use crate::base::cause::Cause;
use crate::language::program::Choice;
use crate::language::vocabulary::{Action, Dialect, Phase};
use crate::plan::BackendId;

/// How often a request may begin again, and how often a backend may be asked again.
pub const RESTARTS_MAX: u32 = 4;
pub const RETRIES_MAX: u32 = 4;

/// What the driver has to do.
#[derive(Debug)]
pub enum Next {
    /// Judge `case().req`: where `moved` says so, read its path, query and host and look for its route; judge
    /// access in any case. Then `routed`, `settled`, or `refused`.
    Route,
    /// Where `sent_elsewhere` says so, read `bereq`'s path and host and judge access again. Then send `errand()`
    /// and hand in what comes back: `answered`.
    Fetch,
    /// Like `Fetch`, but nothing of the rules comes after it: what comes back goes to the visitor as it is.
    Pipe,
    /// `case().resp` is the answer.
    Deliver,
    /// The rules can't go on, and can't say so themselves: the house answers, and logs the fault.
    Fail(RuleFault),
}

/// What is sent to a backend.
#[derive(Debug)]
pub struct Errand {
    pub backend: BackendId,
    pub question: Question,
    pub patience: Patience,
    /// The visitor's body goes along.
    pub with_body: bool,
}

/// One request on its way.
#[derive(Debug)]
pub struct Flow<'r> {
    rules: &'r Rules,
    case: Case,
    at: At,
    /// Whom `Fetch` and `Pipe` ask.
    backend: Option<BackendId>,
}

/// Where a request stands.
#[derive(Debug)]
enum At {
    Recv,
    /// The driver is asked for a route; this comes after it.
    Judge(Way),
    Go(Way),
    MakeBereq,
    BackendFetch,
    /// The driver asks the backend.
    Asking,
    Piping,
    BackendResponse,
    BackendError,
    Deliver,
    Synth {
        status: u16,
        reason: Option<Bytes>,
    },
    Restart,
    Done,
    Failed(RuleFault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Miss,
    Pass,
    Pipe,
    Purge,
    /// The miss or the pass has run.
    Fetch,
}

impl<'r> Flow<'r> {
    /// The case's `default` says who answers where no rule does.
    pub fn begin(rules: &'r Rules, mut case: Case) -> Self {
        if let (Choice::None, Some(backend)) = (case.default, rules.program.default_backend) {
            case.default = Choice::Backend(backend);
        }
        if rules.needs.rollback {
            case.original = Some(Box::new(case.req.clone()));
        }
        Self { rules, case, at: At::Recv, backend: None }
    }

    pub const fn case(&self) -> &Case {
        &self.case
    }

    pub const fn case_mut(&mut self) -> &mut Case {
        &mut self.case
    }

    pub fn into_case(self) -> Case {
        self.case
    }

    /// After `Route`: go on. `default` is the backend of the route that was found.
    pub fn routed(&mut self, default: Choice) {
        if let At::Judge(way) = self.at {
            self.case.default = default;
            self.case.moved = false;
            self.at = At::Go(way);
        }
    }

    /// After `Route`: whether the route's own answer may be given where no backend is asked. A backend that a rule
    /// names goes before it, and so does a purge.
    pub const fn takes_settled(&self) -> bool {
        self.case.hint.is_none()
            && matches!(self.at, At::Judge(Way::Miss | Way::Pass | Way::Pipe | Way::Fetch))
    }

    /// After `Route`: the house has answered by itself (files, redirects, fixed answers). The rules of the backend's side
    /// have nothing to say of it, `vcl_deliver` has.
    pub fn settled(&mut self, reply: Reply) {
        if let At::Judge(_) = self.at {
            self.case.moved = false;
            self.case.cause = None;
            self.case.bereq = None;
            self.case.beresp = None;
            self.case.resp = Some(reply);
            self.at = At::Deliver;
        }
    }

    /// After `Route` or `Fetch`: there is no such route, or the visitor may not pass. `vcl_synth` makes the
    /// answer, and may read why.
    pub fn refused(&mut self, cause: Cause) {
        self.case.cause = Some(cause);
        self.at = At::Synth { status: self.case.statuses.of(cause), reason: None };
    }

    /// After `Fetch` or `Pipe`: what came back.
    pub fn answered(&mut self, answer: Result<Reply, Cause>) {
        let from = self.backend.map_or(Choice::None, Choice::Backend);
        match (&self.at, answer) {
            (At::Asking, Ok(mut reply)) => {
                reply.from = from;
                self.case.cause = None;
                self.case.beresp = Some(reply);
                self.at = At::BackendResponse;
            }
            (At::Asking, Err(cause)) => self.at = self.unanswered(cause),
            (At::Piping, Ok(mut reply)) => {
                reply.from = from;
                self.case.resp = Some(reply);
                self.at = At::Done;
            }
            (At::Piping, Err(cause)) => {
                self.case.cause = Some(cause);
                self.case.resp = Some(Reply::synthetic(self.case.statuses.of(cause), None));
                self.at = At::Done;
            }
            _ => {}
        }
    }

    /// What to send, after `Fetch` or `Pipe`. It is moved out of the case where no rule reads it later.
    pub fn errand(&mut self) -> Option<Errand> {
        let backend = self.backend?;
        let question = if self.rules.needs.bereq_later && matches!(self.at, At::Asking) {
            self.case.bereq.clone()
        } else {
            self.case.bereq.take()
        };
        Some(Errand {
            backend,
            question: question?,
            patience: self.case.patience,
            with_body: !self.case.drop_body,
        })
    }

    /// Runs rules until the driver is needed.
    pub fn next(&mut self, around: &mut dyn Surroundings) -> Next {
        loop {
            match std::mem::replace(&mut self.at, At::Done) {
                At::Recv => self.at = self.recv(around),
                At::Judge(way) => {
                    self.at = At::Judge(way);
                    return Next::Route;
                }
                At::Go(way) => self.at = self.go(way, around),
                At::MakeBereq => {
                    self.make_bereq(around);
                    self.at = At::BackendFetch;
                }
                At::BackendFetch => {
                    self.at = self.backend_fetch(around);
                    if matches!(self.at, At::Asking) {
                        return Next::Fetch;
                    }
                }
                At::Asking => {
                    self.at = At::Asking;
                    return Next::Fetch;
                }
                At::Piping => {
                    self.at = At::Piping;
                    return Next::Pipe;
                }
                At::BackendResponse => self.at = self.backend_response(around),
                At::BackendError => self.at = self.backend_error(around),
                At::Deliver => self.at = self.deliver(around),
                At::Synth { status, reason } => self.at = self.synth(status, reason, around),
                At::Restart => self.at = self.restart(around),
                At::Done => return Next::Deliver,
                At::Failed(fault) => {
                    self.at = At::Failed(fault.clone());
                    return Next::Fail(fault);
                }
            }
        }
    }

    fn fastly(&self) -> bool {
        self.rules.program.dialect == Dialect::Fastly
    }

    /// Runs the bodies of a phase. A rule's fault is told and leads where `return (fail)` does.
    fn run(&mut self, phase: Phase, around: &mut dyn Surroundings) -> Verdict {
        match machine::run(self.rules, &mut self.case, phase, around) {
            Ok(verdict) => verdict,
            Err(fault) => {
                around.fault(&fault);
                self.case.fault.get_or_insert(fault);
                Verdict::To(Action::Fail)
            }
        }
    }

    /// What `return (fail)` and a fault lead to on the visitor's side.
    fn failed(&mut self) -> At {
        self.case.cause = Some(Cause::RuleFault);
        if self.rules.program.dialect == Dialect::Doorward {
            return At::Synth { status: Cause::RuleFault.status(), reason: None };
        }
        At::Synth { status: 503, reason: Some(Bytes::from_static(b"VCL failed")) }
    }

    fn recv(&mut self, around: &mut dyn Surroundings) -> At {
        // What the first turn wished for stands in the next one too: the backend, the identity, the limits.
        let case = &mut self.case;
        case.hash.clear();
        case.pass = false;
        case.cause = None;
        let verdict = self.run(Phase::Recv, around);
        if verdict == Verdict::To(Action::Fail) {
            return self.failed();
        }
        // As in Varnish: wherever `vcl_recv` leads, `vcl_hash` runs first.
        if self.run(Phase::Hash, around) == Verdict::To(Action::Fail) {
            return self.failed();
        }
        match verdict {
            Verdict::To(Action::Pass) => At::Judge(Way::Pass),
            Verdict::To(Action::Pipe) => At::Judge(Way::Pipe),
            Verdict::To(Action::Purge) => At::Judge(Way::Purge),
            Verdict::To(Action::Restart) => At::Restart,
            Verdict::Synth { status, reason } => At::Synth { status, reason },
            _ => At::Judge(Way::Miss),
        }
    }

    fn go(&mut self, way: Way, around: &mut dyn Surroundings) -> At {
        let verdict = match way {
            Way::Fetch => return At::MakeBereq,
            Way::Miss | Way::Pass => {
                self.case.pass = way == Way::Pass;
                // There `vcl_miss` and `vcl_pass` write what the backend gets; from one to the other it is kept.
                if self.fastly() && self.case.bereq.is_none() {
                    self.make_bereq(around);
                }
                self.run(if self.case.pass { Phase::Pass } else { Phase::Miss }, around)
            }
            Way::Pipe => {
                self.case.pass = true;
                self.make_bereq(around);
                self.run(Phase::Pipe, around)
            }
            Way::Purge => self.run(Phase::Purge, around),
        };
        match verdict {
            Verdict::To(Action::Fail) => self.failed(),
            Verdict::To(Action::Restart) => At::Restart,
            Verdict::Synth { status, reason } => At::Synth { status, reason },
            _ if way == Way::Purge => At::Synth { status: 200, reason: Some(Bytes::from_static(b"Purged")) },
            Verdict::To(Action::Pass) if way == Way::Miss => At::Go(Way::Pass),
            _ if way == Way::Pipe => {
                match self.rules.resolve(self.case.choice, &self.case, Phase::BackendFetch, around) {
                    Ok(backend) => {
                        self.backend = Some(backend);
                        At::Piping
                    }
                    Err(cause) => {
                        self.case.cause = Some(cause);
                        self.case.resp = Some(Reply::synthetic(self.case.statuses.of(cause), None));
                        At::Done
                    }
                }
            }
            _ if self.fastly() => At::BackendFetch,
            // A rule wrote to the URL once more.
            _ if self.case.moved => At::Judge(Way::Fetch),
            _ => At::MakeBereq,
        }
    }

    /// `bereq` from `req`. What belongs to a connection was taken away when the request came in.
    fn make_bereq(&mut self, around: &dyn Surroundings) {
        let case = &mut self.case;
        let question = if self.rules.needs.req_later {
            case.req.clone()
        } else {
            Question {
                method: case.req.method.clone(),
                url: case.req.url.clone(),
                version: case.req.version,
                headers: std::mem::take(&mut case.req.headers),
            }
        };
        case.bereq = Some(question);
        case.beresp = None;
        case.choice = case.backend_hint();
        case.sent_elsewhere = false;
        case.retries = 0;
        case.drop_body = false;
        case.patience = Patience::default();
        case.asked_at = around.now();
    }

    fn backend_fetch(&mut self, around: &mut dyn Surroundings) -> At {
        let verdict =
            if self.fastly() { Verdict::To(Action::Fetch) } else { self.run(Phase::BackendFetch, around) };
        match verdict {
            Verdict::To(Action::Fail | Action::Abandon) => self.given_up(),
            Verdict::Error { status, reason } => self.stand_in(status, reason, None),
            _ => match self.rules.resolve(self.case.choice, &self.case, Phase::BackendFetch, around) {
                Ok(backend) => {
                    self.backend = Some(backend);
                    At::Asking
                }
                Err(cause) => {
                    self.backend = None;
                    self.unanswered(cause)
                }
            },
        }
    }

    /// No answer came.
    fn unanswered(&mut self, cause: Cause) -> At {
        if self.fastly() {
            self.case.cause = Some(cause);
            return At::Synth { status: 503, reason: None };
        }
        if self.rules.program.dialect == Dialect::Doorward {
            // What a visit without rules would be answered.
            return self.stand_in(self.case.statuses.of(cause), None, Some(cause));
        }
        self.stand_in(503, Some(Bytes::from_static(b"Backend fetch failed")), Some(cause))
    }

    fn stand_in(&mut self, status: u16, reason: Option<Bytes>, cause: Option<Cause>) -> At {
        let mut reply = Reply::synthetic(status, reason);
        reply.from = self.backend.map_or(Choice::None, Choice::Backend);
        self.case.cause = cause;
        self.case.beresp = Some(reply);
        At::BackendError
    }

    /// The fetch came to nothing, and no rule of the backend's side speaks for it.
    fn given_up(&mut self) -> At {
        self.case.beresp = None;
        if self.case.fault.is_some() {
            self.case.cause = Some(Cause::RuleFault);
        }
        At::Synth { status: 503, reason: None }
    }

    fn backend_response(&mut self, around: &mut dyn Surroundings) -> At {
        let now = around.now();
        let case = &mut self.case;
        case.answered_at = now;
        if let Some(reply) = &mut case.beresp {
            reply.life = life::of(reply.status, &reply.headers, now);
            if case.pass {
                reply.life = Life {
                    age: reply.life.age,
                    ttl: 0.0,
                    grace: 0.0,
                    keep: 0.0,
                    uncacheable: true,
                    ..Life::default()
                };
            }
        }
        match self.run(Phase::BackendResponse, around) {
            Verdict::To(Action::Retry) if self.case.retries < RETRIES_MAX => self.again(),
            Verdict::To(Action::Retry) => {
                self.case.retries += 1;
                self.too_many("too many retries", around);
                self.unanswered(Cause::RuleFault)
            }
            Verdict::To(Action::Fail) if self.fastly() => self.failed(),
            Verdict::To(Action::Fail | Action::Abandon) => self.given_up(),
            Verdict::To(Action::Restart) => At::Restart,
            Verdict::Error { status, reason } => self.stand_in(status, reason, None),
            Verdict::Synth { status, reason } => At::Synth { status, reason },
            Verdict::PassFor(time) => {
                if let Some(reply) = &mut self.case.beresp {
                    reply.life.uncacheable = true;
                    reply.life.ttl = time;
                }
                self.hand_over()
            }
            Verdict::To(Action::Pass | Action::HitForPass) => {
                if let Some(reply) = &mut self.case.beresp {
                    reply.life.uncacheable = true;
                }
                self.hand_over()
            }
            Verdict::To(_) => self.hand_over(),
        }
    }

    fn backend_error(&mut self, around: &mut dyn Surroundings) -> At {
        self.case.answered_at = around.now();
        match self.run(Phase::BackendError, around) {
            Verdict::To(Action::Retry) if self.case.retries < RETRIES_MAX => self.again(),
            Verdict::To(Action::Retry) => {
                self.too_many("too many retries", around);
                self.given_up()
            }
            Verdict::To(Action::Fail | Action::Abandon) => self.given_up(),
            _ => self.hand_over(),
        }
    }

    fn again(&mut self) -> At {
        self.case.retries += 1;
        self.case.beresp = None;
        At::BackendFetch
    }

    /// `resp` from `beresp`.
    fn hand_over(&mut self) -> At {
        self.case.resp = self.case.beresp.take();
        At::Deliver
    }

    fn deliver(&mut self, around: &mut dyn Surroundings) -> At {
        self.case.resp_at = around.now();
        match self.run(Phase::Deliver, around) {
            Verdict::To(Action::Fail) => self.failed(),
            Verdict::To(Action::Restart) => At::Restart,
            Verdict::Synth { status, reason } => At::Synth { status, reason },
            _ => self.done(around),
        }
    }

    fn synth(&mut self, status: u16, reason: Option<Bytes>, around: &mut dyn Surroundings) -> At {
        self.case.resp_at = around.now();
        self.case.beresp = None;
        self.case.resp = Some(Reply::synthetic(status, reason));
        match self.run(Phase::Synth, around) {
            Verdict::To(Action::Fail) => At::Failed(
                self.case.fault.take().unwrap_or_else(|| RuleFault::new(None, "vcl_synth returned `fail`")),
            ),
            Verdict::To(Action::Restart) if self.case.restarts <= RESTARTS_MAX => At::Restart,
            _ => self.done(around),
        }
    }

    /// The answer stands.
    fn done(&mut self, around: &mut dyn Surroundings) -> At {
        if self.fastly() {
            self.run(Phase::Log, around);
        }
        if let Some(resp) = &mut self.case.resp {
            resp.status = resp.visible_status();
            if resp.body != ReplyBody::Backend {
                // The length of another body.
                resp.headers.remove(CONTENT_LENGTH);
                resp.headers.remove(TRANSFER_ENCODING);
            }
        }
        At::Done
    }

    fn restart(&mut self, around: &mut dyn Surroundings) -> At {
        self.case.restarts += 1;
        if self.case.restarts > RESTARTS_MAX {
            self.too_many("too many restarts", around);
            self.case.cause = Some(Cause::RuleFault);
            return At::Synth { status: 503, reason: None };
        }
        self.case.bereq = None;
        self.case.beresp = None;
        self.case.resp = None;
        self.backend = None;
        At::Recv
    }

    fn too_many(&mut self, text: &'static str, around: &mut dyn Surroundings) {
        let fault = RuleFault::new(self.case.at, text);
        around.fault(&fault);
        self.case.fault.get_or_insert(fault);
    }
}
