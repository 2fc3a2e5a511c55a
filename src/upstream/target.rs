//! Who is asked: one server, or several that answer as one.

use std::sync::Arc;

use http::{HeaderMap, Request};

use super::backend::Backend;
use super::pool::Pool;
use super::send::{Answer, Waits};
use crate::base::clock::Wall;
use crate::base::fault::Fault;
use crate::message::{Body, Hints};

/// What a `plan::BackendId` stands for.
#[derive(Clone, Debug)]
pub enum Target {
    Server(Arc<Backend>),
}

/// What goes with a request, beside what is sent.
pub struct Passage<'a> {
    pub hints: Option<Hints>,
    /// How long is waited, where rules say so.
    pub waits: Waits,
    /// Writes what one server is told of the visitor: its `Host`, and who he is. Called for each server that
    /// is asked.
    pub introduce: &'a dyn Fn(&Backend, &mut HeaderMap),
}

impl Target {
    pub fn name(&self) -> &str {
        match self {
            Target::Server(backend) => backend.name(),
        }
    }

    /// The servers that may be asked in its name.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Backend>> {
        match self {
            Target::Server(backend) => std::iter::once(backend),
        }
    }

    /// Whether it may be asked.
    pub fn healthy(&self) -> bool {
        match self {
            Target::Server(backend) => backend.healthy(),
        }
    }

    /// Since when it is as healthy or sick as it is, where that is known.
    pub fn changed(&self) -> Option<Wall> {
        match self {
            Target::Server(backend) => Some(backend.standing()?.since),
        }
    }

    /// Requests it is working on now.
    pub fn in_flight(&self) -> u64 {
        match self {
            Target::Server(backend) => backend.in_flight(),
        }
    }
}

impl Pool {
    /// Asks a target and waits for the head of the answer. Dropping the future, or the answer's body before its
    /// end, closes the connection. A request that asks for an upgrade carries `Upgrade` and `Connection`.
    pub async fn ask(
        &self,
        target: &Target,
        mut request: Request<Body>,
        passage: Passage<'_>,
    ) -> Result<Answer, Fault> {
        match target {
            Target::Server(backend) => {
                (passage.introduce)(backend, request.headers_mut());
                let patience = passage.waits.or(backend.patience());
                self.send_within(backend, request, passage.hints, patience).await
            }
        }
    }
}
