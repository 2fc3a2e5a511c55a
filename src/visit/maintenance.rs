//! Sites that are closed for a while: by the rules, or by an operator at run time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::rescue::Asker;
use super::world::World;
use crate::base::cause::Cause;
use crate::base::clock::{self, Wall};
use crate::base::fault::Fault;
use crate::message::Request;
use crate::plan::{Access, SiteId};
use crate::rules::{SiteRef, doorplate};

/// A site that an operator has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// When it opens by itself; `None`: when somebody says so.
    pub until: Option<Wall>,
    /// What visitors are told beside the usual.
    pub note: Option<Box<str>>,
    /// Who sees it all the same.
    pub allow: Access,
}

impl Closure {
    /// Looked at with each request, so that no timer has to open it.
    pub fn holds(&self, now: Wall) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The sites of a generation that operators have closed. Changes while the generation holds.
#[derive(Default)]
pub struct Closures(ArcSwap<BTreeMap<SiteId, Arc<Closure>>>);

impl Closures {
    pub fn set(&self, closed: BTreeMap<SiteId, Arc<Closure>>) {
        self.0.store(Arc::new(closed));
    }

    fn of(&self, site: SiteId) -> Option<Arc<Closure>> {
        self.0.load().get(&site).cloned()
    }
}

/// Whether the site is open to this visitor. What an operator says goes before the rules: he may know until when.
pub fn open(world: &World, found: SiteRef<'_>, request: &Request, asker: &Asker) -> Result<(), Fault> {
    if let Some(closure) = world.closures.of(found.site.id).filter(|closure| closure.holds(clock::wall()))
        && !doorplate::is_own(&request.path)
    {
        if closure.allow.admits(request.client) {
            return Ok(());
        }
        asker.closed(closure);
        return Err(Fault::with(Cause::Maintenance, "an operator has closed the site"));
    }
    doorplate::maintenance(found, request)
}
