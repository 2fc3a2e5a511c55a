//! Where a backend's name leads: asked in the background, kept, and never forgotten because nobody answers.
//!
//! Names are asked as every program of the machine asks them (`getaddrinfo`), so `/etc/hosts` and `nsswitch.conf`
//! hold; that way tells no time to live, so the name is asked again every `.resolve_every`. One look-up of a name
//! runs at a time, whoever wants to know it. Addresses and `localhost` are never asked for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::config::Address;
use crate::base::clock::{self, Instant};

/// As long as this nobody asks again for a name that nobody knew.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// Asks for the addresses of a host.
pub(super) type Lookup = Arc<dyn Fn(&str, u16) -> Answer + Send + Sync>;

/// Asks the system.
pub(super) fn system() -> Lookup {
    Arc::new(|host, port| {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    })
}

/// Where a backend over TCP is.
pub(super) enum Names {
    /// It is said in numbers.
    Fixed(Arc<Vec<SocketAddr>>),
    Asked(Arc<Asked>),
}

impl Names {
    /// `None` for what is no matter of names.
    pub fn of(address: &Address, lookup: Lookup) -> Option<Self> {
        let Address::Tcp { host, port } = address else { return None };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Some(Self::Fixed(Arc::new(vec![SocketAddr::new(ip, *port)])));
        }
        if bare.eq_ignore_ascii_case("localhost") {
            let both = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
            return Some(Self::Fixed(Arc::new(both.map(|ip| SocketAddr::new(ip, *port)).into())));
        }
        Some(Self::Asked(Arc::new(Asked {
            host: bare.into(),
            port: *port,
            lookup,
            known: ArcSwapOption::empty(),
            asking: AtomicBool::new(false),
            answered: Notify::new(),
            unknown_since: Mutex::new(None),
        })))
    }

    /// Its addresses, in the system's order of preference; `None` where nobody ever knew.
    pub async fn addresses(&self) -> Option<Arc<Vec<SocketAddr>>> {
        match self {
            Self::Fixed(addresses) => Some(Arc::clone(addresses)),
            Self::Asked(asked) => asked.addresses().await,
        }
    }

    /// Whether it still leads there; true as long as nothing is known.
    pub fn leads_to(&self, address: SocketAddr) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Asked(asked) => asked.known.load().as_ref().is_none_or(|known| known.contains(&address)),
        }
    }
}

pub(super) struct Asked {
    host: Box<str>,
    port: u16,
    lookup: Lookup,
    /// The last good answer.
    known: ArcSwapOption<Vec<SocketAddr>>,
    asking: AtomicBool,
    answered: Notify,
    /// When nobody knew it last.
    unknown_since: Mutex<Option<Instant>>,
}

/// A look-up that runs. Its end is heard also where it was broken off.
struct Asking(Arc<Asked>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Release);
        self.0.answered.notify_waiters();
    }
}

impl Asked {
    async fn addresses(self: &Arc<Self>) -> Option<Arc<Vec<SocketAddr>>> {
        if let Some(known) = self.known.load_full() {
            return Some(known);
        }
        let fresh = |since: Instant| clock::now().duration_since(since) < UNKNOWN_FOR;
        if !self.unknown().is_some_and(fresh) {
            self.ask().await;
        }
        self.known.load_full()
    }

    /// Asks, or waits for who asks already; true where it was known.
    pub async fn ask(self: &Arc<Self>) -> bool {
        // Listened to before anybody asks, so that no answer is missed.
        let answered = self.answered.notified();
        if !self.asking.swap(true, Ordering::Acquire) {
            let asking = Asking(Arc::clone(self));
            // A task of its own: who wanted to know may leave, and the next one need not ask once more.
            tokio::spawn(async move {
                let found = (asking.0.lookup)(&asking.0.host, asking.0.port).await;
                asking.0.learn(found);
            });
        }
        answered.await;
        self.unknown().is_none()
    }

    fn learn(&self, found: io::Result<Vec<SocketAddr>>) {
        let unknown = match found {
            Ok(addresses) if !addresses.is_empty() => {
                self.known.store(Some(Arc::new(addresses)));
                None
            }
            _ => Some(clock::now()),
        };
        *self.unknown_since.lock().unwrap_or_else(PoisonError::into_inner) = unknown;
    }

    fn unknown(&self) -> Option<Instant> {
        *self.unknown_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is an answer of before to go on with.
    pub fn is_known(&self) -> bool {
        self.known.load().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_in_numbers_is_not_asked() {
        let never: Lookup = Arc::new(|_, _| Box::pin(async { Err(io::ErrorKind::Other.into()) }));
        for (host, is) in [
            ("127.0.0.1", "[127.0.0.1:80]"),
            ("[2001:db8::1]", "[[2001:db8::1]:80]"),
            ("::1", "[[::1]:80]"),
            ("LocalHost", "[[::1]:80, 127.0.0.1:80]"),
        ] {
            let address = Address::Tcp { host: host.into(), port: 80 };
            let Some(Names::Fixed(known)) = Names::of(&address, Arc::clone(&never)) else {
                panic!("{host} is asked for");
            };
            assert_eq!(format!("{known:?}"), is);
        }
        let address = Address::Tcp { host: "wiki.internal".into(), port: 80 };
        assert!(matches!(Names::of(&address, Arc::clone(&never)), Some(Names::Asked(_))));
        assert!(Names::of(&Address::Nowhere, never).is_none());
    }
}
