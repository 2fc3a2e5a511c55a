//! Which site, which route: looked up on the canonical request, before anything else is decided.

use super::World;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::exchange::Secure;
use crate::message::{Request, SitePath, Street};
use crate::plan::{BackendId, EncodedSlash};
use crate::rules::{RouteRef, SiteRef};

/// Below a first segment of this name, every site's paths are ours.
const OWN_SEGMENT: &str = ".doorward";

/// The site that is asked for, and whether this connection may ask it: its certificate must be one that the
/// visitor was shown, or a page of one site could be asked for under the name of another.
pub fn site<'w>(world: &'w World, request: &Request, street: &Street) -> Result<SiteRef<'w>, Fault> {
    let name = request.host.name();
    let found = world.rules.site(name);
    // A trusted TLS peer names the host that was typed to it; its own certificate was for itself.
    if let Some(secure) = &street.secure
        && !street.trusted
        && secure.name.as_deref() != Some(name)
        && !found.is_some_and(|found| is_anybodys(world, found, secure))
        && !world.acceptor.certificates().fits(secure, name)
    {
        return Err(Fault::with(Cause::Misdirected, "the certificate that was shown is not this host's"));
    }
    found.ok_or_else(|| Fault::with(Cause::Misdirected, "no site has this name"))
}

/// Where one site takes any host, the name that a connection was opened for leads to it as well as every
/// other: there is no site to confuse it with.
fn is_anybodys(world: &World, found: SiteRef<'_>, secure: &Secure) -> bool {
    let leads_there = |name: &str| world.rules.site(name).is_some_and(|other| other.site.id == found.site.id);
    found.site.plan.any_host && secure.name.as_deref().is_none_or(leads_there)
}

/// Visitors of plain http are sent to https, those of an alias to the site's own name, in one step.
pub fn elsewhere(world: &World, found: SiteRef<'_>, request: &Request) -> Option<String> {
    let site = &found.site.plan;
    let upgrade = site.force_https && !request.secure && world.https_port.is_some();
    if !upgrade && !found.by_alias {
        return None;
    }
    let (scheme, port) =
        if upgrade { ("https", world.https_port) } else { (scheme(request), request.host.port()) };
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

/// The route that covers the path. A path that its backend may read in another way must be covered by the
/// same route in every reading.
pub fn route<'w, 'p>(found: SiteRef<'w>, request: &'p Request) -> Result<RouteRef<'w, 'p>, Fault> {
    if is_own(&request.path) {
        return Err(Fault::with(Cause::NoRoute, "nothing of our own stands at this path"));
    }
    let found =
        found.site.route(&request.path).ok_or(Fault::with(Cause::NoRoute, "no route covers this path"))?;
    let route = found.route;
    if request.path.ambiguous() && route.encoded_slash == EncodedSlash::Refuse {
        return Err(Fault::with(
            Cause::BadPath,
            format!("an encoded slash, and the route {} does not say `.encoded_slash = keep`", route.path),
        ));
    }
    Ok(found)
}

/// Who answers. A name that is in no row of the route's table is a page that is not there.
pub fn backend(covered: &RouteRef<'_, '_>) -> Result<BackendId, Fault> {
    covered.backend().ok_or_else(|| {
        Fault::with(Cause::NoRoute, format!("the table of the route {} has no such row", covered.route.path))
    })
}

/// Whether a path is ours, in whatever way it may be read.
fn is_own(path: &SitePath) -> bool {
    let own = |mut segments: crate::message::path::Segments<'_>| segments.next() == Some(OWN_SEGMENT);
    own(path.segments()) || path.other_readings().any(|reading| own(path.segments_in(reading)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
