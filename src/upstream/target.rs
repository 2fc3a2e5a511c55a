//! Who is asked: one server, or several that answer as one.

use std::sync::Arc;

use http::{HeaderMap, Request};

use super::backend::Backend;
use super::director::Director;
use super::pool::Pool;
use super::send::{Answer, Waits};
use crate::base::address::ClientIp;
use crate::base::cause::Cause;
use crate::base::clock::Wall;
use crate::base::fault::Fault;
use crate::message::{Body, Hints};

/// What a `plan::BackendId` stands for.
#[derive(Clone, Debug)]
pub enum Target {
    Server(Arc<Backend>),
    Director(Arc<Director>),
}

/// What goes with a request, beside what is sent.
pub struct Passage<'a> {
    pub hints: Option<Hints>,
    /// How long is waited, where rules say so.
    pub waits: Waits,
    /// Writes what one server is told of the visitor: its `Host`, and who he is. Called for each server that
    /// is asked.
    pub introduce: &'a dyn Fn(&Backend, &mut HeaderMap),
    /// Who asks, for a director that keeps visitors at one member.
    pub client: ClientIp,
    /// Whether he came by https: then his cookies stay there.
    pub secure: bool,
}

impl Target {
    pub fn name(&self) -> &str {
        match self {
            Target::Server(backend) => backend.name(),
            Target::Director(director) => director.name(),
        }
    }

    /// The servers that may be asked in its name.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Backend>> {
        let (one, several) = match self {
            Target::Server(backend) => (Some(backend), None),
            Target::Director(director) => (None, Some(director.servers())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// Whether it may be asked.
    pub fn healthy(&self) -> bool {
        match self {
            Target::Server(backend) => backend.healthy(),
            Target::Director(director) => director.healthy(),
        }
    }

    /// What a visitor is told when it is not asked since it is sick.
    pub fn sickness(&self) -> Cause {
        match self {
            Target::Director(director) if director.config().members.len() > 1 => Cause::NoneHealthy,
            Target::Server(_) | Target::Director(_) => Cause::Unhealthy,
        }
    }

    /// Whether what it is asked needs a script that runs for it.
    pub fn runs_scripts(&self) -> bool {
        // A director's members all run them, or none.
        match self {
            Target::Server(backend) => backend.runs_scripts(),
            Target::Director(director) => director.runs_scripts(),
        }
    }

    /// Since when it is as healthy or sick as it is, where that is known.
    pub fn changed(&self) -> Option<Wall> {
        match self {
            Target::Server(backend) => Some(backend.standing().since),
            Target::Director(director) => director.changed(),
        }
    }

    /// Requests it is working on now.
    pub fn in_flight(&self) -> u64 {
        match self {
            Target::Server(backend) => backend.in_flight(),
            Target::Director(director) => director.in_flight(),
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
            // In a box: most visits know who answers, and need no room for this.
            Target::Director(director) => Box::pin(self.ask_one_of(director, request, passage)).await,
        }
    }
}
