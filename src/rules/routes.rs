//! Which site and which route a request belongs to.
//!
//! Called by `visit`, once per request and again when rules have changed it. Promises: the most specific
//! route wins whatever the order of the rules; a look-up costs a hash per segment of the path, however many
//! routes there are, and allocates nothing. A path that a backend might read in another way than the gateway
//! belongs to a route only when every reading of it does. Pure: no IO, no time.
//!
//! Most specific is: compared segment by segment from the left, a segment that is written out comes before a
//! name (`/svn/old/` before `/svn/{project}/`), then the longer path before the shorter, then one that covers
//! its path alone before one that covers everything below it too. So no two routes of a site are ever equally
//! specific, unless they cover the same.

use std::collections::HashMap;

use crate::message::SitePath;
use crate::message::path::Segments;
use crate::plan::{self, BackendId, Route, SiteId};

/// More names than this a path does not have; more segments neither.
pub const NAMES_MAX: usize = 8;
pub const SEGMENTS_MAX: usize = 100;

/// All sites of a generation, by every name they have.
#[derive(Debug, Default)]
pub struct Table {
    sites: Vec<Site>,
    names: HashMap<Box<str>, Entry>,
    /// For hosts that no site has.
    any: Option<usize>,
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

/// A route that was found, with what its names stand for in this path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRef<'r, 'p> {
    pub route: &'r Route,
    pub names: Names<'p>,
}

impl RouteRef<'_, '_> {
    /// Who answers. `None`: the table of the route has no row for these names, so there is no such route.
    pub fn backend(&self) -> Option<BackendId> {
        self.route.answers.backend(self.names.values())
    }
}

/// What the names of a route stand for: segments of the canonical path, as they are written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Names<'a> {
    values: [&'a str; NAMES_MAX],
    count: usize,
}

impl<'a> Names<'a> {
    /// In the order of `Route::names`.
    pub fn values(&self) -> &[&'a str] {
        self.values.get(..self.count).unwrap_or_default()
    }

    fn push(&mut self, value: &'a str) {
        if let Some(place) = self.values.get_mut(self.count) {
            *place = value;
            self.count += 1;
        }
    }
}

/// One host name and its routes.
#[derive(Debug)]
pub struct Site {
    pub id: SiteId,
    pub plan: plan::Site,
    tree: Tree,
    /// The places of its internal routes.
    internal: Box<[usize]>,
}

impl Table {
    /// Takes names as `Host::name` gives them. Of two sites or routes of one name the first counts;
    /// `settings` says so before it comes to that.
    pub fn new(sites: Vec<plan::Site>) -> Self {
        let mut table = Self::default();
        for (id, plan) in sites.into_iter().enumerate() {
            if plan.any_host {
                table.any.get_or_insert(id);
            } else {
                let first = std::iter::once((&plan.name, false));
                for (name, alias) in first.chain(plan.aliases.iter().map(|name| (name, true))) {
                    table.names.entry(name.clone()).or_insert(Entry { site: id, alias });
                }
            }
            let internal =
                plan.routes.iter().enumerate().filter(|(_, route)| route.internal).map(|(at, _)| at);
            let internal = internal.collect();
            table.sites.push(Site { id: SiteId(id), tree: Tree::new(&plan.routes), internal, plan });
        }
        table
    }

    /// The site of a canonical host name (`Host::name`).
    pub fn site(&self, host: &str) -> Option<SiteRef<'_>> {
        let entry = match self.names.get(host) {
            Some(entry) => *entry,
            None => Entry { site: self.any?, alias: false },
        };
        Some(SiteRef { site: self.sites.get(entry.site)?, by_alias: entry.alias })
    }

    /// In the order of the rules.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }
}

impl Site {
    /// The most specific route that covers a path. None too where another reading of the path (`%2F` decoded
    /// before it is cut, `;…` dropped) would lead to another route, or give its names other values:
    /// `/priv;x/` and `/priv%2Fx` must not pass by the route of `/` to a backend that takes them for
    /// `/priv/`. So a route whose own path holds `%2F` or `;` is hardly ever reached.
    pub fn route<'p>(&self, path: &'p SitePath) -> Option<RouteRef<'_, 'p>> {
        let found = self.tree.most_specific(path.segments());
        for reading in path.other_readings() {
            if self.tree.most_specific(path.segments_in(reading)) != found {
                return None;
            }
        }
        let (route, names) = found?;
        Some(RouteRef { route: self.plan.routes.get(route)?, names })
    }

    /// Routes that only a backend's answer leads to.
    pub fn internal(&self) -> impl Iterator<Item = &Route> {
        self.internal.iter().filter_map(|at| self.plan.routes.get(*at))
    }
}

/// Routes as a tree of whole segments; a node is a number, the root is the first.
#[derive(Debug, Default)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// The place of the route that begins here and covers everything below.
    route: Option<usize>,
    /// The place of the route for this path alone.
    exact: Option<usize>,
    below: HashMap<Box<str>, usize>,
    /// Where any segment leads to that is not among those.
    named: Option<usize>,
}

impl Tree {
    fn new(routes: &[Route]) -> Self {
        let mut tree = Self { nodes: vec![Node::default()] };
        for (at, route) in routes.iter().enumerate() {
            let mut here = 0;
            for segment in route.path.split('/').filter(|segment| !segment.is_empty()) {
                here = if segment.starts_with('{') { tree.named(here) } else { tree.child(here, segment) };
            }
            if let Some(node) = tree.nodes.get_mut(here) {
                let place = if route.exact { &mut node.exact } else { &mut node.route };
                place.get_or_insert(at);
            }
        }
        tree
    }

    fn child(&mut self, parent: usize, segment: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return parent };
        let child = *node.below.entry(segment.into()).or_insert(next);
        self.made(child, next)
    }

    fn named(&mut self, parent: usize) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return parent };
        let child = *node.named.get_or_insert(next);
        self.made(child, next)
    }

    fn made(&mut self, child: usize, next: usize) -> usize {
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    fn most_specific<'a>(&self, segments: Segments<'a>) -> Option<(usize, Names<'a>)> {
        self.below(self.nodes.first()?, segments, Names::default())
    }

    /// Calls itself only where a segment that is written out stands beside a name: at most `SEGMENTS_MAX`
    /// deep. How often a look-up turns back is bounded by the names that paths may hold, not by how many
    /// routes there are.
    fn below<'a>(
        &self,
        from: &Node,
        mut segments: Segments<'a>,
        mut names: Names<'a>,
    ) -> Option<(usize, Names<'a>)> {
        let mut node = from;
        let mut found = None;
        loop {
            // What begins here and covers all below is what stays when nothing below fits better.
            if let Some(route) = node.route {
                found = Some((route, names));
            }
            let Some(segment) = segments.next() else {
                return node.exact.map(|route| (route, names)).or(found);
            };
            let written = node.below.get(segment).and_then(|child| self.nodes.get(*child));
            let named = node.named.and_then(|child| self.nodes.get(child));
            node = match (written, named) {
                (Some(written), None) => written,
                (None, Some(named)) => {
                    names.push(segment);
                    named
                }
                (Some(written), Some(named)) => {
                    let inside = self.below(written, segments.clone(), names);
                    if inside.is_some() {
                        return inside;
                    }
                    names.push(segment);
                    named
                }
                (None, None) => return found,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::plan::{Answers, BackendId};

    /// `= /a` is for `/a` alone.
    fn route(written: &str) -> Route {
        let path = written.trim_start_matches("= ");
        let names = path.split('/').filter(|segment| segment.starts_with('{'));
        let names: Box<[Box<str>]> = names.map(|name| name.trim_matches(['{', '}']).into()).collect();
        let literal = SitePath::literal(path).ok().filter(|_| names.is_empty());
        let path = literal.map_or(path.to_owned(), |literal| literal.as_str().to_owned());
        Route { names, exact: written.starts_with('='), ..Route::new(path, Answers::Backend(BackendId(0))) }
    }

    fn site(name: &str, aliases: &[&str], routes: &[&str]) -> plan::Site {
        plan::Site {
            aliases: aliases.iter().map(|alias| (*alias).into()).collect(),
            ..plan::Site::new(name, routes.iter().map(|path| route(path)).collect())
        }
    }

    fn routed<'a>(table: &'a Table, path: &str) -> Option<&'a str> {
        let path = if path == "*" { SitePath::asterisk() } else { SitePath::parse(path.as_bytes()).unwrap() };
        let found = table.site("www.example").unwrap().site.route(&path)?.route;
        let routes = &table.sites[0].plan.routes;
        routes.iter().find(|route| std::ptr::eq(*route, found)).map(|route| &*route.path)
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

    /// What a path leads to: the route as it was written, and its names.
    fn found(routes: &[&str], path: &str) -> String {
        let table = Table::new(vec![site("www.example", &[], routes)]);
        let path = SitePath::parse(path.as_bytes()).unwrap();
        let Some(found) = table.site("www.example").unwrap().site.route(&path) else { return String::new() };
        let sign = if found.route.exact { "= " } else { "" };
        let mut text = format!("{sign}{}", found.route.path);
        for (name, value) in found.route.names.iter().zip(found.names.values()) {
            let _ = write!(text, " {name}={value}");
        }
        assert_eq!(found.route.names.len(), found.names.values().len());
        text
    }

    #[test]
    fn names_stand_for_whole_segments() {
        let mut routes = [
            "/",
            "/svn/{project}/",
            "/svn/old/",
            "/svn/{project}/private/",
            "/svn/old/deep/er/",
            "/{lang}/docs/",
            "/a/{x}/{y}/",
            "/a/b/",
            "/a/{x}/c/",
            "/new/x/y/",
            "/new/{n}/",
        ];
        for _ in 0..routes.len() {
            routes.rotate_left(1);
            for (path, route) in [
                ("/", "/"),
                ("/svn", "/"),
                ("/svn/", "/"),
                ("/svn/numpy", "/svn/{project}/ project=numpy"),
                ("/svn/numpy/trunk/a.c", "/svn/{project}/ project=numpy"),
                ("/svn/numpy/private/a.c", "/svn/{project}/private/ project=numpy"),
                ("/svn/old/trunk", "/svn/old/"),
                // A segment that is written out comes first, also where a name leads further.
                ("/svn/old/private", "/svn/old/"),
                ("/svn/old/deep", "/svn/old/"),
                ("/svn/old/deep/er/x", "/svn/old/deep/er/"),
                ("/de/docs/x", "/{lang}/docs/ lang=de"),
                ("/de/doc", "/"),
                ("/svn/docs", "/svn/{project}/ project=docs"),
                ("/a/b/c", "/a/b/"),
                ("/a/x/c", "/a/{x}/c/ x=x"),
                ("/a/x/d", "/a/{x}/{y}/ x=x y=d"),
                ("/a/x", "/"),
                ("/a/docs", "/{lang}/docs/ lang=a"),
                // `x` is written out, but nothing below it fits: the name is tried.
                ("/new/x", "/new/{n}/ n=x"),
                ("/new/x/z", "/new/{n}/ n=x"),
                ("/new/x/y", "/new/x/y/"),
                ("/svn/a%20b/x", "/svn/{project}/ project=a%20b"),
                ("/svn/%6eumpy/x", "/svn/{project}/ project=numpy"),
                ("/svn/x/../numpy/x", "/svn/{project}/ project=numpy"),
            ] {
                assert_eq!(found(&routes, path), route, "{path}");
            }
        }
    }

    #[test]
    fn a_name_has_one_value_in_every_reading() {
        let routes = ["/svn/{project}/", "/a/{x}/b/"];
        for (path, route) in [
            ("/svn/numpy/a;b", "/svn/{project}/ project=numpy"),
            ("/svn/numpy/a%2Fb", "/svn/{project}/ project=numpy"),
            ("/svn/numpy;x/a", ""),
            ("/svn/num%2Fpy/a", ""),
            ("/svn;x/numpy", ""),
            ("/a/x%2Fb/b", ""),
        ] {
            assert_eq!(found(&routes, path), route, "{path}");
        }
    }

    #[test]
    fn an_exact_route_covers_its_path_alone() {
        let mut routes = ["/", "= /robots.txt", "/robots.txt/", "= /", "= /p/{n}", "/p/x/", "= /q"];
        for _ in 0..routes.len() {
            routes.rotate_left(1);
            for (path, route) in [
                ("/", "= /"),
                ("/x", "/"),
                ("/robots.txt", "= /robots.txt"),
                ("/robots.txt/", "= /robots.txt"),
                ("/robots.txt/x", "/robots.txt/"),
                ("/p/a", "= /p/{n} n=a"),
                ("/p/a/b", "/"),
                ("/p/x/b", "/p/x/"),
                ("/q/", "= /q"),
                ("/q/x", "/"),
                ("/q;x", ""),
            ] {
                assert_eq!(found(&routes, path), route, "{path}");
            }
        }
    }

    /// Every route is tried on the path, by the words of the documentation: slow, and plainly right.
    fn slowly(routes: &[&str], path: &str) -> String {
        let asked: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut best: Option<(Vec<u8>, String)> = None;
        for written in routes {
            let exact = written.starts_with("= ");
            let own: Vec<&str> =
                written.trim_start_matches("= ").split('/').filter(|segment| !segment.is_empty()).collect();
            if own.len() > asked.len() || (exact && own.len() != asked.len()) {
                continue;
            }
            let pairs: Vec<(&str, &str)> = own.iter().copied().zip(asked.iter().copied()).collect();
            if pairs.iter().any(|(own, asked)| !own.starts_with('{') && own != asked) {
                continue;
            }
            // Written out: 2, a name: 1, at an end: 0, so that lists compare as the documentation says.
            let mut rank: Vec<u8> =
                pairs.iter().map(|(own, _)| if own.starts_with('{') { 1 } else { 2 }).collect();
            rank.push(0);
            rank.push(u8::from(exact));
            let mut text = (*written).to_owned();
            for (own, asked) in pairs.iter().filter(|(own, _)| own.starts_with('{')) {
                let _ = write!(text, " {}={asked}", own.trim_matches(['{', '}']));
            }
            if best.as_ref().is_none_or(|(other, _)| *other < rank) {
                best = Some((rank, text));
            }
        }
        best.map(|(_, text)| text).unwrap_or_default()
    }

    #[test]
    fn the_tree_finds_what_trying_every_route_finds() {
        let pieces = ["a", "b", "c", "{x}", "{y}"];
        let mut seed = 5_u64;
        let mut random = move |most: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % most
        };
        for _ in 0..300 {
            let mut routes: Vec<String> = Vec::new();
            let mut shapes: Vec<String> = Vec::new();
            for _ in 0..=random(14) {
                let mut path = String::from(if random(4) == 0 { "= /" } else { "/" });
                for at in 0..random(5) {
                    let piece = pieces[random(pieces.len())];
                    let piece = if piece.starts_with('{') {
                        format!("{{{}{at}}}", piece.trim_matches(['{', '}']))
                    } else {
                        piece.to_owned()
                    };
                    path.push_str(&piece);
                    path.push('/');
                }
                let shape: String = path
                    .split('/')
                    .map(
                        |segment| {
                            if segment.starts_with('{') { "{}/".to_owned() } else { format!("{segment}/") }
                        },
                    )
                    .collect();
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                    routes.push(path);
                }
            }
            let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
            for _ in 0..30 {
                let mut path = String::from("/");
                for _ in 0..random(6) {
                    path.push_str(["a", "b", "c", "d"][random(4)]);
                    path.push('/');
                }
                assert_eq!(found(&routes, &path), slowly(&routes, &path), "{routes:?} {path}");
            }
        }
    }

    #[test]
    fn a_site_for_any_host_takes_what_no_other_has() {
        let mut any = site("", &[], &["/"]);
        any.any_host = true;
        let table = Table::new(vec![site("www.example", &["example"], &["/"]), any]);
        for (host, id) in
            [("www.example", 0), ("example", 0), ("other.example", 1), ("", 1), ("192.0.2.1", 1)]
        {
            let found = table.site(host).unwrap();
            assert_eq!((found.site.id.0, found.by_alias), (id, host == "example"), "{host}");
        }
    }

    #[test]
    fn names_do_not_make_a_look_up_long() {
        // At every segment a name stands beside what is written out, and only the last segment tells.
        let mut routes: Vec<String> = Vec::new();
        for bits in 0..256_u32 {
            let path: String = (0..8)
                .map(|at| if bits >> at & 1 == 1 { format!("{{n{at}}}/") } else { "a/".to_owned() })
                .collect();
            routes.push(format!("/{path}{}z/", "a/".repeat(90)));
        }
        let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
        assert_eq!(found(&routes, &"/a".repeat(200)), "");
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
