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
pub mod functions;
mod life;
pub mod machine;
pub mod value;

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::address::NetworkSet;
use crate::base::cause::Cause;
use crate::language::program::{Choice, Program};
use crate::message::SitePath;
use crate::plan::{self, BackendId, Route, SiteId};
use case::Case;
use machine::{RuleFault, Surroundings};

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

/// All sites of a generation, by every name they have.
#[derive(Debug, Default)]
pub struct Table {
    sites: Vec<Site>,
    names: HashMap<Box<str>, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    site: usize,
    alias: bool,
}

/// A site that was found.
#[derive(Clone, Copy, Debug)]
pub struct SiteRef<'a> {
    pub site: &'a Site,
    /// Found by another name than its first: visitors are sent there.
    pub by_alias: bool,
}

/// One host name and its routes.
#[derive(Debug)]
pub struct Site {
    pub id: SiteId,
    pub plan: plan::Site,
    tree: Tree,
}

impl Table {
    /// Takes names as `Host::name` gives them. Of two sites or routes of one name the first counts;
    /// `settings` says so before it comes to that.
    pub fn new(sites: Vec<plan::Site>) -> Self {
        let mut table = Self::default();
        for (id, plan) in sites.into_iter().enumerate() {
            let first = std::iter::once((&plan.name, false));
            for (name, alias) in first.chain(plan.aliases.iter().map(|name| (name, true))) {
                table.names.entry(name.clone()).or_insert(Entry { site: id, alias });
            }
            table.sites.push(Site { id: SiteId(id), tree: Tree::new(&plan.routes), plan });
        }
        table
    }

    /// The site of a canonical host name (`Host::name`).
    pub fn site(&self, host: &str) -> Option<SiteRef<'_>> {
        let entry = self.names.get(host)?;
        Some(SiteRef { site: self.sites.get(entry.site)?, by_alias: entry.alias })
    }
}

impl Site {
    /// The route that covers a path: the longest, by whole segments. None too where another reading of the
    /// path (`%2F` decoded before it is cut, `;…` dropped) would lead to another route: `/priv;x/` and
    /// `/priv%2Fx` must not pass by the route of `/` to a backend that takes them for `/priv/`. So a route
    /// whose own path holds `%2F` or `;` is hardly ever reached.
    pub fn route(&self, path: &SitePath) -> Option<&Route> {
        let found = self.tree.longest(path.segments());
        for reading in path.other_readings() {
            if self.tree.longest(path.segments_in(reading)) != found {
                return None;
            }
        }
        self.plan.routes.get(found?)
    }
}

/// Routes as a tree of whole segments; a node is a number, the root is the first.
#[derive(Debug, Default)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// The place of the route that ends here.
    route: Option<usize>,
    below: HashMap<Box<str>, usize>,
}

impl Tree {
    fn new(routes: &[Route]) -> Self {
        let mut tree = Self { nodes: vec![Node::default()] };
        for (at, route) in routes.iter().enumerate() {
            let mut here = 0;
            for segment in route.path.split('/').filter(|segment| !segment.is_empty()) {
                here = tree.child(here, segment);
            }
            if let Some(node) = tree.nodes.get_mut(here) {
                node.route.get_or_insert(at);
            }
        }
        tree
    }

    fn child(&mut self, parent: usize, segment: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return parent };
        let child = *node.below.entry(segment.into()).or_insert(next);
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    fn longest<'a>(&self, segments: impl Iterator<Item = &'a str>) -> Option<usize> {
        let mut node = self.nodes.first()?;
        let mut found = node.route;
        for segment in segments {
            let Some(child) = node.below.get(segment) else { break };
            node = self.nodes.get(*child)?;
            found = node.route.or(found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Access, BackendId, CertificateWish};

    fn site(name: &str, aliases: &[&str], routes: &[&str]) -> plan::Site {
        plan::Site {
            name: name.into(),
            aliases: aliases.iter().map(|alias| (*alias).into()).collect(),
            certificate: CertificateWish::Local,
            force_https: true,
            log: None,
            routes: routes
                .iter()
                .map(|path| Route {
                    path: SitePath::literal(path).unwrap().as_str().into(),
                    backend: BackendId(0),
                    access: Access::Anyone,
                    body_bytes_max: None,
                    total_timeout: None,
                    encoded_slash: crate::plan::EncodedSlash::Refuse,
                })
                .collect(),
        }
    }

    fn routed<'a>(table: &'a Table, path: &str) -> Option<&'a str> {
        let path = if path == "*" { SitePath::asterisk() } else { SitePath::parse(path.as_bytes()).unwrap() };
        table.site("www.example").unwrap().site.route(&path).map(|route| &*route.path)
    }

    #[test]
    fn a_site_is_found_by_each_of_its_names() {
        let table = Table::new(vec![
            site("www.example", &["example", "old.example"], &["/"]),
            site("svn.example", &["example"], &[]),
        ]);
        for (name, found) in [
            ("www.example", Some((0, false))),
            ("example", Some((0, true))),
            ("old.example", Some((0, true))),
            ("svn.example", Some((1, false))),
            ("ww.example", None),
            ("WWW.example", None),
            ("", None),
        ] {
            let site = table.site(name).map(|found| (found.site.id.0, found.by_alias));
            assert_eq!(site, found, "{name}");
        }
        assert_eq!(table.sites.len(), 2);
        assert_eq!(&*table.sites[1].plan.name, "svn.example");
    }

    #[test]
    fn the_longest_route_wins_by_whole_segments() {
        let routes = ["/", "/svn/", "/svn/private/", "/trac", "/a/b/c/", "/größe/", "/svn", "/wiki/AC%2FDC"];
        for turn in 0..routes.len() {
            let mut turned = routes;
            turned.rotate_left(turn);
            let table = Table::new(vec![site("www.example", &[], &turned)]);
            for (path, route) in [
                ("/", "/"),
                ("*", "/"),
                ("/x", "/"),
                ("/svnx", "/"),
                ("/sv", "/"),
                ("/SVN/", "/"),
                ("/svn/privat", "/svn"),
                ("/svn/x/private/", "/svn"),
                ("/svn/private", "/svn/private/"),
                ("/svn/private/", "/svn/private/"),
                ("/svn//private/x", "/svn/private/"),
                ("/svn/x/../private/x", "/svn/private/"),
                ("/%73vn/private", "/svn/private/"),
                ("/trac/ticket/1", "/trac"),
                ("/a/b", "/"),
                ("/a/b/d", "/"),
                ("/a/b/c", "/a/b/c/"),
                ("/gr%c3%b6%c3%9fe/x", "/gr%C3%B6%C3%9Fe/"),
            ] {
                let found = routed(&table, path).unwrap();
                assert_eq!(found.trim_end_matches('/'), route.trim_end_matches('/'), "{path}");
            }
        }
    }

    #[test]
    fn without_a_route_for_the_root_there_may_be_none() {
        let table = Table::new(vec![site("www.example", &[], &["/svn/"])]);
        assert_eq!(routed(&table, "/svn/x"), Some("/svn/"));
        assert_eq!(routed(&table, "/"), None);
        assert_eq!(routed(&table, "*"), None);
        assert_eq!(routed(&Table::new(vec![site("www.example", &[], &[])]), "/"), None);
    }

    #[test]
    fn every_reading_of_a_path_must_lead_to_one_route() {
        let table = Table::new(vec![site("www.example", &[], &["/", "/priv/", "/wiki/", "/wiki/staff/"])]);
        for (path, route) in [
            ("/x;v=1/y", Some("/")),
            ("/priv/x;y", Some("/priv/")),
            ("/wiki/a;b/c", Some("/wiki/")),
            ("/wiki/AC%2FDC", Some("/wiki/")),
            ("/a%2Fb", Some("/")),
            ("/priv;x/y", None),
            ("/priv;", None),
            ("/;/priv/x", None),
            ("/;x/priv;y/z", None),
            ("/priv%2Fx", None),
            ("/%2Fpriv/x", None),
            ("/priv;a%2Fb/c", None),
            ("/;a%2Fpriv/c", None),
            ("/x;%2F/priv", Some("/")),
            ("/wiki/staff%2Fplan", None),
            ("/wiki/staff;x", None),
            ("/wiki%3B/staff", None),
            ("/wiki/x%2Fstaff", Some("/wiki/")),
        ] {
            assert_eq!(routed(&table, path), route, "{path}");
        }
    }

    #[test]
    fn a_great_many_routes_are_told_apart() {
        let paths: Vec<String> = (0..100_000).map(|n| format!("/p{}/r{n}/", n % 300)).collect();
        let routes: Vec<&str> = paths.iter().map(String::as_str).collect();
        let table = Table::new(vec![site("www.example", &[], &routes)]);
        for n in (0..100_000).step_by(997) {
            assert_eq!(routed(&table, &format!("/p{}/r{n}/x", n % 300)), Some(&*paths[n]));
            assert_eq!(routed(&table, &format!("/p{}/r{n}/x", (n + 1) % 300)), None);
        }
    }

    /// `cargo test --release --lib rules:: -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn what_a_look_up_costs() {
        for count in [10_usize, 1_000, 100_000] {
            let paths: Vec<String> = (0..count).map(|n| format!("/projects/p{n}/svn/")).collect();
            let routes: Vec<&str> = paths.iter().map(String::as_str).collect();
            let table = Table::new(vec![site("www.example", &[], &routes)]);
            let asked: Vec<SitePath> = (0..64)
                .map(|n| {
                    SitePath::literal(&format!("/projects/p{}/svn/trunk/a.c", n * 7_919 % count)).unwrap()
                })
                .collect();
            let mut best = std::time::Duration::MAX;
            for _ in 0..20_000 {
                let start = crate::base::clock::now();
                for path in &asked {
                    let site = table.site(std::hint::black_box("www.example")).unwrap().site;
                    assert!(std::hint::black_box(site.route(path)).is_some());
                }
                best = best.min(start.elapsed());
            }
            println!("{count} routes: {:?} for a site and a route", best / 64);
        }
    }
}
