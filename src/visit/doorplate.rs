//! Which site: looked up on the canonical request, before anything else is decided.

use super::World;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::{Request, Street};
use crate::rules::SiteRef;

/// The site that is asked for, and whether this connection may ask it: its certificate must be one that the
/// visitor was shown, or a page of one site could be asked for under the name of another.
pub fn site<'w>(world: &'w World, request: &Request, street: &Street) -> Result<SiteRef<'w>, Fault> {
    let name = request.host.name();
    // A trusted TLS peer names the host that was typed to it; its own certificate was for itself.
    if let Some(secure) = &street.secure
        && !street.trusted
        && secure.name.as_deref() != Some(name)
        && !world.acceptor.certificates().fits(secure, name)
    {
        return Err(Fault::with(Cause::Misdirected, "the certificate that was shown is not this host's"));
    }
    world.rules.site(name).ok_or_else(|| Fault::with(Cause::Misdirected, "no site has this name"))
}
