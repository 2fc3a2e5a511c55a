//! A generation: everything that one reading of the rules says, as the corridor needs it. Swapped whole; a
//! visit keeps the one it began with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::maintenance::Closures;
use super::rulebook::Rulebook;
use crate::answer::{self, Voice};
use crate::base::address::{NetworkSet, PseudonymKey};
use crate::base::bound::Bounds;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::files::Root;
use crate::plan::{BackendId, FilesId, LogId, Route, SiteId};
use crate::record::{Sheet, Ticket};
use crate::rules::Table;
use crate::tls::Acceptor;
use crate::upstream::{Backend, Director, Target};

/// One generation.
pub struct World {
    pub rules: Table,
    /// The subs of the tree; `None` where it has none of its own.
    pub rulebook: Option<Rulebook>,
    /// By `plan::BackendId`.
    pub targets: Vec<Target>,
    /// Folders of files.
    pub roots: BTreeMap<FilesId, Arc<Root>>,
    /// Where each site's lines go, by `plan::SiteId`.
    pub sheets: Vec<Sheet>,
    /// How each site speaks when something is wrong, by `plan::SiteId`.
    pub voices: Vec<Voice>,
    /// Where the lines of routes with a log of their own go.
    pub route_sheets: BTreeMap<(SiteId, LogId), Sheet>,
    /// Knows which certificate each name is shown: the host of a request must be one of its certificate's.
    pub acceptor: Acceptor,
    /// Sites that operators have closed.
    pub closures: Closures,
    /// The port to send visitors of plain http to.
    pub https_port: Option<u16>,
    /// The key of the day, which the control thread changes.
    pub pseudonyms: Arc<ArcSwap<PseudonymKey>>,
    pub terms: Arc<Terms>,
}

impl World {
    /// Where a site's lines go.
    pub fn sheet(&self, site: SiteId) -> Sheet {
        self.sheets.get(site.0).copied().unwrap_or(Sheet::NOBODY)
    }

    /// How a site speaks; how the house does, where it is none of ours.
    pub fn voice(&self, site: Option<SiteId>) -> &Voice {
        site.and_then(|site| self.voices.get(site.0)).unwrap_or(&answer::HOUSE)
    }

    /// The route is found and admits the visitor: if it has a log of its own, that gets the line. `names` is what
    /// the names of its path stand for.
    pub fn recorded<N: AsRef<str>>(&self, ticket: &mut Ticket, site: SiteId, route: &Route, names: &[N]) {
        let Some(recorded) = &route.log else { return ticket.no_route() };
        if let Some(sheet) = self.route_sheets.get(&(site, recorded.log)) {
            ticket.route(*sheet, recorded.names.iter().filter_map(|at| names.get(*at)).map(AsRef::as_ref));
        }
    }

    pub fn target(&self, id: BackendId) -> Result<&Target, Fault> {
        self.targets
            .get(id.0)
            .ok_or_else(|| Fault::with(Cause::Internal, "a route names a backend that is not there"))
    }

    pub fn root(&self, id: FilesId) -> Result<&Arc<Root>, Fault> {
        self.roots
            .get(&id)
            .ok_or_else(|| Fault::with(Cause::Internal, "a route names a folder that is not there"))
    }

    /// The servers behind this house.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.targets.iter().filter_map(|target| match target {
            Target::Server(backend) => Some(backend),
            Target::Director(_) => None,
        })
    }

    /// What answers as one.
    pub fn directors(&self) -> impl Iterator<Item = &Arc<Director>> {
        self.targets.iter().filter_map(|target| match target {
            Target::Server(_) => None,
            Target::Director(director) => Some(director),
        })
    }
}

/// What the rules say of connections; a connection keeps the terms it began with.
#[derive(Debug, Default)]
pub struct Terms {
    pub bounds: Arc<Bounds>,
    /// Peers who may name the visitor.
    pub trusted: Arc<NetworkSet>,
    /// Trusted peers owe a PROXY header.
    pub proxy_protocol: bool,
}

/// The current generation and its number. Workers compare the number, which nobody writes but a reload, and
/// take the generation only when it changed: no count that two workers fight over.
pub struct Worlds {
    current: ArcSwap<World>,
    number: AtomicU64,
}

impl Worlds {
    pub fn new(world: World) -> Self {
        Self { current: ArcSwap::from_pointee(world), number: AtomicU64::new(1) }
    }

    pub fn swap(&self, world: World) {
        self.current.store(Arc::new(world));
        self.number.fetch_add(1, Ordering::Release);
    }

    pub fn current(&self) -> Arc<World> {
        self.current.load_full()
    }

    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }
}
