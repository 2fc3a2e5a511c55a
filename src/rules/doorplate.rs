//! Where a request is sent on to, and which route it has: what the corridor decides at the door, and what the
//! plays decide in its place without a connection. One text for both.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};

use super::case::Question;
use super::{RouteRef, SiteRef, Table};
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::path::Query;
use crate::message::{Host, Request, SitePath};
use crate::plan::{Answers, BackendId, EncodedSlash, Part, Redirect, Route};

/// Below a first segment of this name, every site's paths are ours.
const OWN_SEGMENT: &str = ".doorward";

/// Whether the rules have closed the site to this visitor. What is ours on it stays open.
pub fn maintenance(found: SiteRef<'_>, request: &Request) -> Result<(), Fault> {
    let site = &found.site.plan;
    if !site.maintenance || is_own(&request.path) || site.maintenance_allow.admits(request.client) {
        return Ok(());
    }
    Err(Fault::with(Cause::Maintenance, "the rules say `.maintenance = yes`"))
}

/// Visitors of plain http are sent to https, those of an alias to the site's own name, in one step.
/// `https_port` is where https is served; without one nobody is sent there.
pub fn elsewhere(found: SiteRef<'_>, request: &Request, https_port: Option<u16>) -> Option<String> {
    let site = &found.site.plan;
    let upgrade = site.force_https && !request.secure && https_port.is_some();
    if !upgrade && !found.by_alias {
        return None;
    }
    let (scheme, port) = if upgrade { ("https", https_port) } else { (scheme(request), request.host.port()) };
    Some(address(scheme, &site.name, port, request.target_for_backend().as_str()))
}

/// An address as browsers write it. `*`, the server itself, has none of its own: the root stands for it.
fn address(scheme: &str, name: &str, port: Option<u16>, target: &str) -> String {
    let (open, close) = if name.contains(':') { ("[", "]") } else { ("", "") };
    let port = match (scheme, port) {
        (_, None) | ("https", Some(443)) | ("http", Some(80)) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let target = if target == "*" { "/" } else { target };
    format!("{scheme}://{open}{name}{close}{port}{target}")
}

fn scheme(request: &Request) -> &'static str {
    if request.secure { "https" } else { "http" }
}

/// Whether a path may be any site's.
pub fn not_ours(path: &SitePath) -> Result<(), Fault> {
    if is_own(path) {
        return Err(Fault::with(Cause::NoRoute, "nothing of our own stands at this path"));
    }
    Ok(())
}

/// The route that covers the path. A path that its backend may read in another way must be covered by the
/// same route in every reading. To a visitor, and to rules, an internal one is not there.
pub fn route<'w, 'p>(found: SiteRef<'w>, request: &'p Request) -> Result<RouteRef<'w, 'p>, Fault> {
    route_of(found, &request.path)
}

pub(super) fn route_of<'w, 'p>(found: SiteRef<'w>, path: &'p SitePath) -> Result<RouteRef<'w, 'p>, Fault> {
    not_ours(path)?;
    let found = covering(found, path)?;
    if found.route.internal {
        return Err(Fault::with(Cause::NoRoute, format!("the route {} is internal", found.route.path)));
    }
    Ok(found)
}

/// The internal route that a backend's answer names.
pub fn internal<'w, 'p>(found: SiteRef<'w>, path: &'p SitePath) -> Result<RouteRef<'w, 'p>, Fault> {
    not_ours(path)?;
    let found = covering(found, path)?;
    if !found.route.internal {
        return Err(Fault::with(Cause::NoRoute, format!("the route {} is not internal", found.route.path)));
    }
    Ok(found)
}

fn covering<'w, 'p>(found: SiteRef<'w>, path: &'p SitePath) -> Result<RouteRef<'w, 'p>, Fault> {
    let found = found.site.route(path).ok_or(Fault::with(Cause::NoRoute, "no route covers this path"))?;
    let route = found.route;
    if path.ambiguous() && route.encoded_slash == EncodedSlash::Refuse {
        return Err(Fault::with(
            Cause::BadPath,
            format!("an encoded slash, and the route {} does not say `.encoded_slash = keep`", route.path),
        ));
    }
    Ok(found)
}

/// Whether the visitor may do there what he asks for.
pub fn access(route: &Route, request: &Request) -> Result<(), Fault> {
    let query = request.query.as_ref().map(Query::as_str);
    if route.access_for(&request.method, request.path.as_str(), query).admits(request.client) {
        return Ok(());
    }
    Err(Fault::with(Cause::Denied, format!("the route {} does not admit the visitor", route.path)))
}

/// What a request means after rules have written to it.
#[derive(Clone, Debug)]
pub struct Decided {
    pub method: Method,
    pub host: Host,
    pub path: SitePath,
    pub query: Option<Query>,
}

/// Reads what rules wrote as strictly as what a visitor sends. `typed` is the visitor's own host: it is the one that
/// is sent where they left none.
pub fn reread(question: &Question, typed: &Host) -> Result<Decided, Fault> {
    let method = question.method.clone();
    if method == Method::CONNECT {
        return Err(Cause::NotImplemented.into());
    }
    let (path, query) = question.url.parts();
    let path =
        if path == b"*" && method == Method::OPTIONS { SitePath::asterisk() } else { SitePath::parse(path)? };
    let query = query.map(Query::parse).transpose()?;
    let host = match question.headers.get(HOST) {
        Some(written) if written.as_bytes() != typed.as_typed().as_bytes() => Host::read(written.clone())?,
        _ => typed.clone(),
    };
    Ok(Decided { method, host, path, query })
}

/// The site of a host that rules wrote. A name that no site has is only for the backend: the routes of the site
/// that was asked decide.
pub fn site_of<'t>(table: &'t Table, asked: SiteRef<'t>, host: &Host) -> SiteRef<'t> {
    table.site(host.name()).unwrap_or(asked)
}

/// The host that a backend is told under rules: one that a rule wrote goes before the backend's own.
pub fn host_sent(ruled: &HeaderMap, typed: HeaderValue, fixed: Option<&HeaderValue>) -> HeaderValue {
    match ruled.get(HOST) {
        Some(host) if *host != typed => host.clone(),
        _ => fixed.cloned().unwrap_or(typed),
    }
}

/// Who answers. A name that is in no row of the route's table is a page that is not there.
pub fn backend(covered: &RouteRef<'_, '_>) -> Result<BackendId, Fault> {
    covered.backend().ok_or_else(|| {
        Fault::with(Cause::NoRoute, format!("the table of the route {} has no such row", covered.route.path))
    })
}

/// What stands behind the route's own path: the rest of the canonical path, without a slash before it.
pub fn below<'p>(route: &Route, path: &'p SitePath) -> &'p str {
    let own = route.path.split('/').filter(|segment| !segment.is_empty()).count();
    let mut rest = path.as_str().strip_prefix('/').unwrap_or_default();
    for _ in 0..own {
        rest = rest.split_once('/').map_or("", |(_, behind)| behind);
    }
    rest
}

/// Where a redirect sends a request.
pub fn location(
    redirect: &Redirect,
    route: &Route,
    names: &[&str],
    path: &SitePath,
    query: Option<&Query>,
) -> String {
    let mut to = String::new();
    for part in &redirect.to {
        match part {
            Part::Text(text) => to.push_str(text),
            Part::Name(at) => to.push_str(names.get(*at).copied().unwrap_or_default()),
            Part::Path => to.push_str(below(route, path)),
            Part::Query => {
                if let Some(query) = query {
                    to.push('?');
                    to.push_str(query.as_str());
                }
            }
        }
    }
    to
}

/// What the house answers by itself, as listings, stories and plays say it.
pub fn in_words(answers: &Answers, names: &[Box<str>]) -> String {
    match answers {
        Answers::Files(files) => format!("files {}", files.root.display()),
        Answers::Redirect(redirect) => {
            let part = |part: &Part| match part {
                Part::Text(text) => text.to_string(),
                Part::Name(at) => names.get(*at).map(|name| format!("{{{name}}}")).unwrap_or_default(),
                Part::Path => "{path}".to_owned(),
                Part::Query => "{query}".to_owned(),
            };
            format!("redirect {} {}", redirect.status, redirect.to.iter().map(part).collect::<String>())
        }
        Answers::Fixed(fixed) => format!("answer {}", fixed.status),
        Answers::Backend(_) | Answers::Lookup { .. } => String::new(),
    }
}

/// Whether a path is ours, in whatever way it may be read.
pub fn is_own(path: &SitePath) -> bool {
    let own = |mut segments: crate::message::path::Segments<'_>| segments.next() == Some(OWN_SEGMENT);
    own(path.segments()) || path.other_readings().any(|reading| own(path.segments_in(reading)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Version;

    use super::*;
    use crate::rules::case::Url;

    #[test]
    fn what_rules_wrote_is_read_as_if_a_visitor_had_sent_it() {
        let typed = Host::parse(b"WWW.test:8443").unwrap();
        let read = |method: &str, url: &'static str, host: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, host.parse().unwrap());
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let url = Url::Written(Bytes::from_static(url.as_bytes()));
            reread(&Question { method, url, version: Version::HTTP_11, headers }, &typed).map(|decided| {
                let query = decided.query.map(|query| format!("?{}", query.as_str())).unwrap_or_default();
                format!("{}{}{query}", decided.host.as_typed(), decided.path.as_str())
            })
        };
        for (method, url, host, meant) in [
            ("GET", "/a/../b//%63?x=%2f", None, "WWW.test:8443/b/c?x=%2f"),
            ("GET", "/a", Some("Other.test"), "Other.test/a"),
            ("GET", "/a", Some("WWW.test:8443"), "WWW.test:8443/a"),
            ("OPTIONS", "*", None, "WWW.test:8443*"),
        ] {
            assert_eq!(read(method, url, host).unwrap(), meant, "{url}");
        }
        for (method, url, host, cause) in [
            ("GET", "", None, Cause::BadPath),
            ("GET", "*", None, Cause::BadPath),
            ("GET", "a", None, Cause::BadPath),
            ("GET", "http://www.test/a", None, Cause::BadPath),
            ("GET", "/../a", None, Cause::BadPath),
            ("GET", "/a%00", None, Cause::BadPath),
            ("GET", "/a?b c", None, Cause::Malformed),
            ("GET", "/a", Some("a b"), Cause::BadHost),
            ("GET", "/a", Some(""), Cause::BadHost),
            ("CONNECT", "/a", None, Cause::NotImplemented),
        ] {
            assert_eq!(read(method, url, host).unwrap_err().cause, cause, "{method} {url} {host:?}");
        }
    }

    #[test]
    fn addresses_are_written_as_browsers_write_them() {
        for (scheme, name, port, target, written) in [
            ("https", "www.test", Some(443), "/a?b=c", "https://www.test/a?b=c"),
            ("https", "www.test", Some(8_443), "/", "https://www.test:8443/"),
            ("http", "www.test", Some(80), "/", "http://www.test/"),
            ("http", "www.test", None, "/", "http://www.test/"),
            ("https", "2001:db8::1", Some(8_443), "/", "https://[2001:db8::1]:8443/"),
            ("https", "www.test", Some(443), "*", "https://www.test/"),
        ] {
            assert_eq!(address(scheme, name, port, target), written);
        }
    }

    #[test]
    fn our_own_paths_are_ours_in_every_reading() {
        for (path, ours) in [
            ("/.doorward", true),
            ("/.doorward/", true),
            ("/.doorward/x", true),
            ("/a/../%2edoorward/x", true),
            ("/.doorward;v=1/x", true),
            ("/.doorward%2Fx", true),
            ("/.doorwards/x", false),
            ("/x/.doorward", false),
            ("/", false),
        ] {
            assert_eq!(is_own(&SitePath::parse(path.as_bytes()).unwrap()), ours, "{path}");
        }
        assert!(!is_own(&SitePath::asterisk()));
    }
}
