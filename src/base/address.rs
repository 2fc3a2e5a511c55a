//! Visitors' addresses. A raw address has no `Display`; what may be written down is `Anonymous`, by type.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aws_lc_rs::hmac;

use super::secret::Secret;

/// A visitor's address. It can be compared and looked up, but not printed: its `Debug` hides it.
/// An IPv4 address that arrived as `::ffff:a.b.c.d` is the IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientIp(IpAddr);

impl ClientIp {
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// For visitors who came over a unix socket and have none.
    pub const fn unknown() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// What may be written down: the network, cut to /24 or /48.
    pub fn anonymous(self) -> Anonymous {
        Anonymous(Network::around(self.0, 24, 48).address)
    }

    /// The same visitor looks the same for a day and different tomorrow: a hash under the day's key, shaped
    /// as an IPv6 unique local address so that every analyser can read it.
    pub fn pseudonym(self, key: &PseudonymKey) -> Ipv6Addr {
        let mut context = hmac::Context::with_key(&key.key);
        match self.0 {
            IpAddr::V4(v4) => context.update(&v4.octets()),
            IpAddr::V6(v6) => context.update(&v6.octets()),
        }
        let tag = context.sign();
        let mut octets = [0_u8; 16];
        for (place, byte) in octets.iter_mut().zip(tag.as_ref()) {
            *place = *byte;
        }
        if let Some(first) = octets.first_mut() {
            *first = 0xfd;
        }
        Ipv6Addr::from(octets)
    }

    /// The address itself, for the one header or lookup that an operator asked for by name.
    pub const fn expose(self) -> IpAddr {
        self.0
    }

    /// The network that counts as one visitor in caps: an IPv4 address, an IPv6 /64.
    pub fn network_key(self) -> Network {
        Network::around(self.0, 32, 64)
    }
}

impl fmt::Debug for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIp(hidden)")
    }
}

/// The key behind the pseudonyms of one day. The next day's key is made from it and it is forgotten then, so
/// that whoever finds today's key learns nothing of the visitors of yesterday.
pub struct PseudonymKey {
    day: u64,
    secret: Secret,
    key: hmac::Key,
}

impl PseudonymKey {
    pub fn new(day: u64, bytes: [u8; 32]) -> Self {
        Self::of(day, Secret::new(bytes))
    }

    fn of(day: u64, secret: Secret) -> Self {
        Self { day, key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), secret }
    }

    pub const fn day(&self) -> u64 {
        self.day
    }

    /// To be kept over a restart, where nobody else reads.
    pub fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    /// The key of a later day.
    #[must_use]
    pub fn on(&self, day: u64) -> Self {
        let mut secret = self.secret.clone();
        for _ in self.day..day {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
            secret = Secret::new(hmac::sign(&key, b"the next day").as_ref());
        }
        Self::of(day.max(self.day), secret)
    }
}

/// An address that may be written: the last octet (or all behind /48) is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Anonymous(IpAddr);

impl Anonymous {
    pub const fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Anonymous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where a connection came from: its address hidden, its port plain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    pub ip: ClientIp,
    pub port: u16,
}

impl Peer {
    pub fn new(address: SocketAddr) -> Self {
        Self { ip: ClientIp::new(address.ip()), port: address.port() }
    }

    pub const fn unknown() -> Self {
        Self { ip: ClientIp::unknown(), port: 0 }
    }
}

/// A network: an address whose bits behind the prefix are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// `None` when the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then(|| Self { address: cut(address, prefix), prefix })
    }

    /// The network around an address, by one prefix for each family.
    pub fn around(address: IpAddr, v4: u8, v6: u8) -> Self {
        let address = address.to_canonical();
        let prefix = if address.is_ipv4() { v4.min(32) } else { v6.min(128) };
        Self { address: cut(address, prefix), prefix }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && cut(address, self.prefix) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn cut(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

/// Networks and exceptions, as an `acl` says them: the longest network that holds the address decides,
/// and an address in no network is not in the set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSet {
    /// Longest prefix first; `true` is in, `false` is an exception.
    entries: Vec<(Network, bool)>,
}

impl NetworkSet {
    pub fn new(entries: impl IntoIterator<Item = (Network, bool)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        // Stable: of two equal networks the first that was written decides. Families never match each
        // other, so one order serves both.
        entries.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix));
        Self { entries }
    }

    pub fn contains(&self, client: ClientIp) -> bool {
        self.entries.iter().find(|(network, _)| network.contains(client.0)).is_some_and(|(_, inside)| *inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> ClientIp {
        ClientIp::new(text.parse().unwrap())
    }

    fn network(text: &str, prefix: u8) -> Network {
        Network::new(text.parse().unwrap(), prefix).unwrap()
    }

    #[test]
    fn a_raw_address_does_not_print() {
        assert_eq!(format!("{:?}", ip("203.0.113.7")), "ClientIp(hidden)");
        assert!(!format!("{:?}", Peer { ip: ip("203.0.113.7"), port: 1 }).contains("203"));
    }

    #[test]
    fn what_is_written_is_the_network() {
        assert_eq!(ip("203.0.113.77").anonymous().to_string(), "203.0.113.0");
        assert_eq!(ip("::ffff:203.0.113.77").anonymous().to_string(), "203.0.113.0");
        assert_eq!(ip("2001:db8:1:2:3:4:5:6").anonymous().to_string(), "2001:db8:1::");
    }

    #[test]
    fn a_pseudonym_lasts_a_day() {
        let key = PseudonymKey::new(1, [7; 32]);
        let (a, b) = (ip("203.0.113.77"), ip("203.0.113.78"));
        assert_eq!(a.pseudonym(&key), a.pseudonym(&PseudonymKey::new(1, [7; 32])));
        assert_ne!(a.pseudonym(&key), b.pseudonym(&key));
        assert_eq!(a.pseudonym(&key).octets()[0], 0xfd);
        assert_ne!(a.pseudonym(&key), a.pseudonym(&PseudonymKey::new(1, [8; 32])));
        assert_ne!(a.pseudonym(&key), a.pseudonym(&key.on(2)));
    }

    #[test]
    fn the_keys_of_days_follow_from_each_other_in_one_direction() {
        let key = PseudonymKey::new(1, [7; 32]);
        assert_eq!(key.on(2).on(5).expose(), key.on(5).expose());
        assert_ne!(key.on(2).expose(), key.expose());
        assert_eq!((key.on(5).on(3).day(), key.on(5).on(3).expose()), (5, key.on(5).expose()));
    }

    #[test]
    fn the_longest_network_decides() {
        let office = NetworkSet::new([
            (network("192.0.2.0", 24), true),
            (network("192.0.2.66", 32), false),
            (network("2001:db8::", 48), true),
        ]);
        for (address, inside) in [
            ("192.0.2.1", true),
            ("192.0.2.66", false),
            ("192.0.3.1", false),
            ("::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", true),
            ("2001:db8:1::1", false),
        ] {
            assert_eq!(office.contains(ip(address)), inside, "{address}");
        }
        assert!(Network::new("192.0.2.0".parse().unwrap(), 33).is_none());
        assert!(network("0.0.0.0", 0).contains("203.0.113.7".parse().unwrap()));
        assert!(!network("0.0.0.0", 0).contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn one_visitor_is_an_address_or_a_64() {
        assert_eq!(ip("2001:db8::1").network_key(), ip("2001:db8::2").network_key());
        assert_ne!(ip("2001:db8::1").network_key(), ip("2001:db8:0:1::1").network_key());
        assert_ne!(ip("192.0.2.1").network_key(), ip("192.0.2.2").network_key());
    }
}
