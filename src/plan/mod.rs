//! What rules may ask for, as plain data: the vocabulary between `rules`, `settings` and the rooms along
//! the corridor, so that none of them needs to know another. No IO, no time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::address::{ClientIp, NetworkSet};

/// A backend by its place in the list of its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId(pub usize);

/// A site by its place in the list of its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub usize);

/// Which certificate a site shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateWish {
    /// From the authority the machine makes for itself.
    Local,
    Files {
        chain: PathBuf,
        key: PathBuf,
    },
}

/// What a route does with an encoded slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EncodedSlash {
    #[default]
    Refuse,
    /// Its backend knows `%2F` from `/` (`MediaWiki` titles such as `AC%2FDC`).
    Keep,
}

/// What a backend learns of a visitor's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum VisitorAddress {
    /// The same for a day, another tomorrow; shaped as an IPv6 unique local address.
    #[default]
    Pseudonym,
    /// The network: /24 or /48.
    Cut,
    /// The address itself.
    Full,
    /// Nothing.
    None,
}

/// Who may pass. Judged on the last path of `vcl_recv`, before anything is sent anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Access {
    #[default]
    Anyone,
    Nobody,
    Network(Arc<NetworkSet>),
    And(Box<Access>, Box<Access>),
    Or(Box<Access>, Box<Access>),
    Not(Box<Access>),
}

impl Access {
    pub fn admits(&self, client: ClientIp) -> bool {
        match self {
            Access::Anyone => true,
            Access::Nobody => false,
            Access::Network(networks) => networks.contains(client),
            Access::And(a, b) => a.admits(client) && b.admits(client),
            Access::Or(a, b) => a.admits(client) || b.admits(client),
            Access::Not(inner) => !inner.admits(client),
        }
    }
}

/// What happens to a request on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// As written in the rules, in canonical form, for logs and listings.
    pub path: Box<str>,
    pub backend: BackendId,
    pub access: Access,
    /// `None`: what the gateway says.
    pub body_bytes_max: Option<u64>,
    pub total_timeout: Option<Duration>,
    pub encoded_slash: EncodedSlash,
}

/// One host name (with its aliases) and its routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The canonical name.
    pub name: Box<str>,
    /// Other names, redirected to the first.
    pub aliases: Vec<Box<str>>,
    pub certificate: CertificateWish,
    pub force_https: bool,
    /// The name of the `log` declaration; `None` for the default log.
    pub log: Option<Box<str>>,
    pub routes: Vec<Route>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Network;

    #[test]
    fn access_is_what_its_terms_say() {
        let office = Access::Network(Arc::new(NetworkSet::new([(
            Network::new("192.0.2.0".parse().unwrap(), 24).unwrap(),
            true,
        )])));
        let inside = ClientIp::new("192.0.2.1".parse().unwrap());
        let outside = ClientIp::new("203.0.113.1".parse().unwrap());
        let not_office = Access::Not(Box::new(office.clone()));
        assert!(office.admits(inside) && !office.admits(outside));
        assert!(!not_office.admits(inside) && not_office.admits(outside));
        assert!(!Access::And(Box::new(office.clone()), Box::new(Access::Nobody)).admits(inside));
        assert!(Access::Or(Box::new(office), Box::new(Access::Nobody)).admits(inside));
    }
}
