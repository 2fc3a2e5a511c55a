//! One request to one of several: who is asked, and who is asked next when that one fails.

use std::fmt::Write as _;
use std::sync::Arc;

use http::Request;
use http::request::Parts;
use http_body::Body as _;

use super::super::health::Condition;
use super::super::pool::Pool;
use super::super::send::{Answer, Track, is_safe};
use super::super::target::Passage;
use super::Director;
use crate::base::cause::Cause;
use crate::base::clock;
use crate::base::fault::Fault;
use crate::base::random;
use crate::message::Body;
use crate::message::body::Lent;

/// What is sent, kept for as long as it may have to be sent once more.
struct Parcel {
    head: Parts,
    body: Content,
}

enum Content {
    Empty,
    Full(bytes::Bytes),
    Lent(Lent),
}

impl Parcel {
    fn new(request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let body = match body {
            Body::Full(bytes) => Content::Full(bytes),
            body if body.is_end_stream() => Content::Empty,
            body => Content::Lent(Lent::new(body)),
        };
        Self { head, body }
    }

    /// What one member is sent; `None` where another has taken a part of the body.
    fn copy(&self) -> Option<Request<Body>> {
        let body = match &self.body {
            Content::Empty => Body::Empty,
            Content::Full(bytes) => Body::Full(bytes.clone()),
            Content::Lent(lent) => lent.lend()?,
        };
        Some(Request::from_parts(self.head.clone(), body))
    }

    fn is_whole(&self) -> bool {
        !matches!(&self.body, Content::Lent(lent) if lent.is_touched())
    }
}

impl Pool {
    pub(in super::super) async fn ask_one_of(
        &self,
        director: &Director,
        mut request: Request<Body>,
        passage: Passage<'_>,
    ) -> Result<Answer, Fault> {
        let worker = self.worker();
        director.count(worker);
        if let [only] = &*director.members {
            // As if it were named itself; its own fault says most.
            (passage.introduce)(&only.backend, request.headers_mut());
            let patience = passage.waits.or(only.backend.patience());
            let mut answer = self.send_within(&only.backend, request, passage.hints, patience).await?;
            answer.by = Some(Arc::clone(&only.backend));
            return Ok(answer);
        }
        let key = director.key(request.headers(), request.uri(), passage.client);
        let back_to = director.back_to(request.headers());
        let repeatable = is_safe(request.method());
        let parcel = Parcel::new(request);
        let mut tried: Vec<usize> = Vec::new();
        let mut failures: Vec<Fault> = Vec::new();
        loop {
            let now = clock::now();
            let chosen =
                director.choose(back_to, key.as_ref(), &tried, worker, now, &mut || random::fraction());
            let Some(member) = chosen.and_then(|at| Some((at, director.members.get(at)?))) else {
                return Err(director.nobody_left(&tried, &failures));
            };
            let (at, member) = member;
            let Some(mut request) = parcel.copy() else {
                return Err(Fault::with(Cause::Internal, "a body that was taken would be sent again"));
            };
            (passage.introduce)(&member.backend, request.headers_mut());
            let patience = passage.waits.or(member.backend.patience());
            let track = Track::default();
            let hints = passage.hints.clone();
            let outcome = self.send_tracked(&member.backend, request, hints, patience, &track).await;
            if track.repeated.get() {
                director.repeated(clock::now());
            }
            let fault = match outcome {
                Ok(mut answer) => {
                    answer.by = Some(Arc::clone(&member.backend));
                    answer.cookie =
                        (back_to != Some(at)).then(|| director.cookie(at, passage.secure)).flatten();
                    return Ok(answer);
                }
                Err(fault) => fault,
            };
            tried.push(at);
            // Nobody has seen anything of it: then asking the next one asks nobody twice.
            let unseen = track.unsent.get() && parcel.is_whole();
            let may = fault.cause.is_upstream()
                && tried.len() <= director.config.retries as usize
                && (unseen || (repeatable && parcel.is_whole() && director.may_repeat(clock::now())));
            if !may {
                if failures.is_empty() || !fault.cause.is_upstream() {
                    return Err(fault);
                }
                failures.push(fault);
                return Err(director.all_failed(&tried, &failures));
            }
            failures.push(fault);
        }
    }
}

impl Director {
    /// What became of a request for which there is nobody more to ask.
    fn nobody_left(&self, tried: &[usize], failures: &[Fault]) -> Fault {
        if failures.is_empty() {
            let why = self.told(tried, failures);
            return Fault::with(Cause::NoneHealthy, why);
        }
        self.all_failed(tried, failures)
    }

    fn all_failed(&self, tried: &[usize], failures: &[Fault]) -> Fault {
        Fault::with(Cause::AllFailed, self.told(tried, failures))
    }

    /// Each member that failed with what it did, and who was not asked.
    fn told(&self, tried: &[usize], failures: &[Fault]) -> String {
        let mut text = format!("director `{}`", self.config.name);
        let mut between = ": ";
        for failure in failures {
            let _ = write!(text, "{between}{}", failure.detail());
            between = "; ";
        }
        for (at, member) in self.members.iter().enumerate().filter(|(at, _)| !tried.contains(at)) {
            let why = match member.backend.standing().condition {
                Condition::Sick => "is sick",
                Condition::Failing => "is failing",
                Condition::Drained => "is drained",
                Condition::Nowhere => "is no server",
                Condition::Well if self.weight(at) == 0 => "has no weight",
                Condition::Well => "was not asked",
            };
            let _ = write!(text, "{between}backend `{}` {why}", member.backend.name());
            between = "; ";
        }
        text
    }
}
