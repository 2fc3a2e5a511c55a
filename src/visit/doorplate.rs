//! Which site: looked up on the canonical request, before anything else is decided.

use super::World;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::exchange::Secure;
use crate::message::{Request, Street};
use crate::rules::SiteRef;

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
