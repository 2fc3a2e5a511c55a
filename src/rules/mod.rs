//! What rules decide: which site and which route a request belongs to, and the subs that run on its way.
//!
//! Called by `visit`, and by the plays. Routes: looked up once per request and again when rules have changed
//! it; the most specific one wins whatever the order of the rows; a look-up costs one hash per segment of the
//! path, however many routes there are, and allocates nothing. A path that a backend might read in another way
//! than the gateway belongs to a route only when every reading of it does. Subs: `flow` knows their order,
//! `machine` runs one, `case` is what they see. They can't loop and can't block, and what one of them does
//! wrong is a `RuleFault`, never a panic. Pure: no IO, and time is an argument.

pub mod case;
pub mod flow;
mod life;
pub mod machine;
mod routes;
pub mod value;

use std::sync::Arc;

use crate::base::address::NetworkSet;
use crate::base::cause::Cause;
use crate::language::program::{Choice, Program};
use crate::plan::BackendId;
use case::Case;
use machine::{RuleFault, Surroundings};

pub use routes::{NAMES_MAX, Names, RouteRef, SEGMENTS_MAX, Site, SiteRef, Table};

/// The rules of a generation, ready to run.
#[derive(Debug)]
pub struct Rules {
    pub program: Arc<Program>,
    /// In the order of `AclId`.
    pub networks: Vec<Arc<NetworkSet>>,
    /// The names, in the order of `BackendId`.
    pub backends: Vec<Box<str>>,
    needs: Needs,
}

/// What later phases may still want to read.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    /// `req`, once `bereq` has been made of it.
    req_later: bool,
    /// `bereq`, once it has been sent.
    bereq_later: bool,
    /// `req` as it came.
    rollback: bool,
}

impl Rules {
    /// Runs `vcl_init`. Rules that refuse to start are not loaded.
    pub fn start(
        program: Arc<Program>,
        networks: Vec<Arc<NetworkSet>>,
        backends: Vec<Box<str>>,
        _around: &mut dyn Surroundings,
    ) -> Result<Self, RuleFault> {
        Ok(Self {
            program,
            networks,
            backends,
            needs: Needs { req_later: true, bereq_later: true, rollback: false },
        })
    }

    /// Runs `vcl_fini`, when the last visit under these rules has ended.
    pub fn end(&self, _around: &mut dyn Surroundings) {}

    /// The backend that is asked now: a director picks one that is well.
    pub fn resolve(
        &self,
        choice: Choice,
        _case: &Case,
        around: &dyn Surroundings,
    ) -> Result<BackendId, Cause> {
        match choice {
            Choice::Backend(backend) if around.healthy(backend) => Ok(backend),
            _ => Err(Cause::Unreachable),
        }
    }
}
