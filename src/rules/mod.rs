//! What rules decide: which site and which route a request belongs to, and the subs that run on its way.
//!
//! Called by `visit`, and by the plays. Routes: looked up once per request and again when rules have changed
//! it; the most specific one wins whatever the order of the rows; a look-up costs one hash per segment of the
//! path, however many routes there are, and allocates nothing. A path that a backend might read in another way
//! than the gateway belongs to a route only when every reading of it does. Subs: `flow` knows their order,
//! `machine` runs one, `case` is what they see. They can't loop and can't block, and what one of them does
//! wrong is a `RuleFault`, never a panic. Pure: no IO, and time is an argument.

pub mod case;
pub mod directors;
pub mod doorplate;
pub mod flow;
pub mod functions;
pub mod handover;
mod life;
pub mod machine;
mod needs;
mod routes;
pub mod value;
pub mod way;

use std::sync::Arc;

use crate::base::address::NetworkSet;
use crate::language::program::Program;
use crate::language::vocabulary::{Action, Phase};
use case::Case;
use directors::Directors;
use machine::{RuleFault, Surroundings, Verdict};
use needs::Needs;

pub use routes::{NAMES_MAX, Names, RouteRef, SEGMENTS_MAX, Site, SiteRef, Table};
pub use way::Way;

/// The rules of a generation, ready to run.
#[derive(Debug)]
pub struct Rules {
    pub program: Arc<Program>,
    /// In the order of `AclId`.
    pub networks: Vec<Arc<NetworkSet>>,
    /// The names, in the order of `BackendId`.
    pub backends: Vec<Box<str>>,
    directors: Directors,
    needs: Needs,
}

impl Rules {
    /// Runs `vcl_init`. Rules that refuse to start are not loaded.
    pub fn start(
        program: Arc<Program>,
        networks: Vec<Arc<NetworkSet>>,
        backends: Vec<Box<str>>,
        around: &mut dyn Surroundings,
    ) -> Result<Self, RuleFault> {
        let needs = Needs::of(&program);
        let directors = Directors::new(&program);
        let rules = Self { program, networks, backends, directors, needs };
        match machine::run(&rules, &mut Case::of_nobody(around.now()), Phase::Init, around)? {
            Verdict::To(Action::Fail) => Err(RuleFault::new(None, "vcl_init returned `fail`")),
            _ => Ok(rules),
        }
    }

    /// Whether rules of the tree's own use the words of a cache: every look-up is a miss.
    pub const fn speak_of_a_cache(&self) -> bool {
        self.needs.cache
    }

    /// Runs `vcl_fini`, when the last visit under these rules has ended. Nothing hangs on how it goes.
    pub fn end(&self, around: &mut dyn Surroundings) {
        if let Err(fault) = machine::run(self, &mut Case::of_nobody(around.now()), Phase::Fini, around) {
            around.fault(&fault);
        }
    }
}

#[cfg(test)]
mod tests;
