//! What a route changes on the way to its backend and back: its path is mapped, a `Destination` is judged and put
//! right, and an answer that names places names them as the visitor knows them. One text for the corridor and the
//! plays.

use http::header::ACCEPT_ENCODING;
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};

use super::doorplate::route_of;
use super::{SiteRef, Table};
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::destination::Destination;
use crate::message::homeward::{self, Homeward, Place};
use crate::message::path::Query;
use crate::message::{Body, Host, Mapping, Request, SitePath, links, mapping};
use crate::plan::{self, BackendId, Route};

/// How one request goes to its backend, and its answer home.
#[derive(Clone, Debug)]
pub struct Way<'w> {
    site: &'w plan::Site,
    mapping: Option<Mapping>,
    /// Links in pages are put right.
    links: bool,
}

impl<'w> Way<'w> {
    /// By what a route says of a path that it covers. Rules see and change a path as visitors see it, and access is
    /// judged on that; it is mapped behind both.
    pub fn of<N: AsRef<str>>(found: SiteRef<'w>, route: &Route, names: &[N], path: &SitePath) -> Self {
        Self { site: &found.site.plan, mapping: mapping_of(route, names, path), links: route.rewrite_links }
    }

    /// For rules that ask a backend where there is no route.
    pub fn nowhere(found: SiteRef<'w>) -> Self {
        Self { site: &found.site.plan, mapping: None, links: false }
    }

    pub fn target(&self, path: &SitePath, query: Option<&Query>) -> Result<PathAndQuery, Fault> {
        match &self.mapping {
            Some(mapping) => mapping.inward(path, query),
            None => Ok(path.target_with(query)),
        }
    }

    /// The same for a target that rules left.
    pub fn ruled_target(&self, target: PathAndQuery) -> Result<PathAndQuery, Fault> {
        let Some(mapping) = &self.mapping else { return Ok(target) };
        let (path, query) = mapping::read_target(&target)?;
        mapping.inward(&path, query.as_ref())
    }

    /// Takes out what would keep us from putting the answer right: what is compressed can't be read.
    pub fn prepare(&self, headers: &mut HeaderMap) {
        if self.links {
            headers.remove(ACCEPT_ENCODING);
        }
    }

    /// Puts the places right that an answer names, in its head and, where the route says so, in its page. `places`
    /// are those that the backend may call its own; most answers name none, and nobody asks for them.
    pub fn put_right(
        &self,
        request: &Request,
        places: impl Fn() -> Vec<Place>,
        parts: &mut Parts,
        body: Body,
    ) -> Body {
        let homeward = || Homeward {
            secure: request.secure,
            typed: request.host.clone(),
            port: request.port,
            cookies_secure: request.secure && self.site.force_https,
            places: places(),
            mapping: self.mapping.clone(),
        };
        if homeward::concerns(&parts.headers) {
            homeward().put_right(&mut parts.headers);
        }
        if self.links { links::put_right(parts, body, homeward) } else { body }
    }
}

/// Where the paths of a route lie at its backend; `None`: where visitors see them.
fn mapping_of<N: AsRef<str>>(route: &Route, names: &[N], path: &SitePath) -> Option<Mapping> {
    let to = route.moved_to.as_ref()?;
    // `*` is the server itself, wherever its pages lie.
    if *path == SitePath::asterisk() {
        return None;
    }
    let segments = route.path.split('/').filter(|segment| !segment.is_empty()).count();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    Some(Mapping::new(path, segments, &to.fill(&names), route.exact))
}

/// Where a copy or a move goes to: a place of the backend that is asked.
#[derive(Debug)]
pub struct Destined<'w> {
    pub route: &'w Route,
    /// As visitors see it.
    pub path: SitePath,
    /// What the backend has at it.
    pub target: PathAndQuery,
}

/// Reads a `Destination` and finds its route: it must be of the site that was asked, in any spelling, and the
/// backend that is asked must be the one that answers there. Whether the visitor may write there is for `admits` to
/// say. `headers` are those that would be sent, `asked` the backends that may be meant.
pub fn destination<'w>(
    table: &Table,
    found: SiteRef<'w>,
    request: &Request,
    headers: &HeaderMap,
    asked: &[BackendId],
) -> Result<Option<Destined<'w>>, Fault> {
    let Some(Destination { place, path, query }) = Destination::read(headers)? else { return Ok(None) };
    let elsewhere = |why: &'static str| Err(Fault::with(Cause::Destination, why));
    if let Some((secure, host)) = place {
        let usual = if secure { 443 } else { 80 };
        let port = host.port().unwrap_or(usual);
        let same = |site: SiteRef<'_>| !site.site.plan.any_host && site.site.id == found.site.id;
        if host.name() != request.host.name() && !table.site(host.name()).is_some_and(same) {
            return elsewhere("the destination is on another site");
        }
        if port != usual && port != request.port {
            return elsewhere("the destination is at another port");
        }
    }
    let covered = match route_of(found, &path) {
        Ok(covered) => covered,
        Err(fault) if fault.cause == Cause::NoRoute => return elsewhere("no route covers the destination"),
        Err(fault) => return Err(fault),
    };
    if !covered.backend().is_some_and(|backend| asked.contains(&backend)) {
        return elsewhere("another backend answers at the destination");
    }
    let route = covered.route;
    let target = match mapping_of(route, covered.names.values(), &path) {
        Some(mapping) => mapping.inward(&path, query.as_ref())?,
        None => path.target_with(query.as_ref()),
    };
    Ok(Some(Destined { route, path, target }))
}

impl Destined<'_> {
    /// Whether the visitor may write there, whatever he does here.
    pub fn admits(&self, request: &Request) -> Result<(), Fault> {
        let route = self.route;
        if route.write.admits(request.client) {
            return Ok(());
        }
        let why = format!("the route {} does not admit the visitor to write at the destination", route.path);
        Err(Fault::with(Cause::Denied, why))
    }
}

/// A `Destination` as a server sees itself: the scheme it is spoken to by, the host it is told.
pub fn destination_told(tls: bool, host: &HeaderValue, target: &PathAndQuery) -> Option<HeaderValue> {
    let scheme: &[u8] = if tls { b"https://" } else { b"http://" };
    HeaderValue::from_bytes(&[scheme, host.as_bytes(), target.as_str().as_bytes()].concat()).ok()
}

/// A host that rules wrote, as a place that a backend may call its own.
pub fn place_told(host: &HeaderValue, tls: bool) -> Option<Place> {
    Some(Place::told(&Host::read(host.clone()).ok()?, tls))
}

#[cfg(test)]
mod tests;
