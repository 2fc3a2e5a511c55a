//! Where in the rules things stand, for who tells of them: a reviewer, a play, a story of one request.

use std::sync::Arc;

use crate::base::address::NetworkSet;
use crate::language::tree::Declaration;
use crate::language::{Sources, Span, Tree};

/// Places by the same numbers as the settings they belong to. What stands in no file (the one site of a plain
/// VCL file) has none.
#[derive(Clone, Debug)]
pub struct Places {
    pub sources: Arc<Sources>,
    /// By `plan::SiteId`.
    sites: Vec<Site>,
    /// By `plan::BackendId`.
    backends: Vec<Span>,
    /// The lists of networks, and what they are called.
    acls: Vec<(Box<str>, Arc<NetworkSet>)>,
}

#[derive(Clone, Debug)]
struct Site {
    head: Span,
    routes: Vec<Span>,
}

impl Places {
    pub(super) fn of(tree: &Tree, networks: &[Arc<NetworkSet>]) -> Self {
        let name = |acl: &Declaration| match &acl.name {
            Some((name, _)) if !name.is_private() => name.get().into(),
            _ => "…".into(),
        };
        let site = |site: &Declaration| Site {
            head: site.head,
            routes: site.inside.iter().map(|route| route.head).collect(),
        };
        Self {
            sources: Arc::clone(&tree.sources),
            sites: tree.sites.iter().map(site).collect(),
            backends: tree.backends.iter().chain(&tree.directors).map(|backend| backend.head).collect(),
            acls: tree.acls.iter().map(name).zip(networks.iter().cloned()).collect(),
        }
    }

    pub fn site(&self, site: usize) -> Option<Span> {
        Some(self.sites.get(site)?.head)
    }

    pub fn route(&self, site: usize, route: usize) -> Option<Span> {
        self.sites.get(site)?.routes.get(route).copied()
    }

    pub fn backend(&self, backend: usize) -> Option<Span> {
        self.backends.get(backend).copied()
    }

    /// Every list of networks by its name.
    pub fn acls(&self) -> impl Iterator<Item = (&str, &NetworkSet)> {
        self.acls.iter().map(|(name, networks)| (&**name, &**networks))
    }

    /// What a list of networks is called in the rules.
    pub fn acl(&self, networks: &Arc<NetworkSet>) -> Option<&str> {
        self.acls.iter().find(|(_, known)| Arc::ptr_eq(known, networks)).map(|(name, _)| &**name)
    }
}
