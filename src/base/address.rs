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
/// and an address in no network is not in the set. Kept as ranges that do not overlap, so that a look-up is
/// one search however many networks there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NetworkSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl NetworkSet {
    /// Of two equal networks the first that was written decides.
    pub fn new(entries: impl IntoIterator<Item = (Network, bool)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, inside) in entries {
            let behind = u32::from(network.prefix);
            match network.address {
                IpAddr::V4(address) => {
                    let first = address.to_bits();
                    v4.push((first, first | u32::MAX.checked_shr(behind).unwrap_or(0), inside));
                }
                IpAddr::V6(address) => {
                    let first = address.to_bits();
                    v6.push((first, first | u128::MAX.checked_shr(behind).unwrap_or(0), inside));
                }
            }
        }
        Self {
            v4: Ranges::new(v4, |last| last.checked_add(1)),
            v6: Ranges::new(v6, |last| last.checked_add(1)),
        }
    }

    pub fn contains(&self, client: ClientIp) -> bool {
        match client.0 {
            IpAddr::V4(address) => self.v4.contains(address.to_bits()),
            IpAddr::V6(address) => self.v6.contains(address.to_bits()),
        }
    }

    /// Whether a whole network is inside, or outside; `None` where its addresses are told apart. For who knows
    /// the network of a visitor alone.
    pub fn settled(&self, network: Network) -> Option<bool> {
        let behind = u32::from(network.prefix);
        match network.address {
            IpAddr::V4(address) => {
                let first = address.to_bits();
                self.v4.settled(first, first | u32::MAX.checked_shr(behind).unwrap_or(0))
            }
            IpAddr::V6(address) => {
                let first = address.to_bits();
                self.v6.settled(first, first | u128::MAX.checked_shr(behind).unwrap_or(0))
            }
        }
    }
}

/// What is in the set: the networks that an operator wrote, never a visitor's address.
impl fmt::Debug for NetworkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v4 = self.v4.inside().map(|(first, last)| {
            format!(
                "{}-{}",
                Ipv4Addr::from_bits(first),
                Ipv4Addr::from_bits(last.map_or(u32::MAX, |last| last - 1))
            )
        });
        let v6 = self.v6.inside().map(|(first, last)| {
            format!(
                "{}-{}",
                Ipv6Addr::from_bits(first),
                Ipv6Addr::from_bits(last.map_or(u128::MAX, |last| last - 1))
            )
        });
        f.debug_set().entries(v4.chain(v6)).finish()
    }
}

/// Where what is said of addresses changes, in order: what begins at the first start is inside, at the second
/// outside, and so on in turn.
#[derive(Clone, PartialEq, Eq)]
struct Ranges<T> {
    starts: Vec<T>,
    /// The leading bits of each: a search compares these, without a branch that is guessed wrong every other
    /// time. In 100,000 networks of IPv6 that takes a third of what comparing whole addresses does.
    leading: Vec<u64>,
}

/// An address as a number.
trait Bits: Copy + Ord {
    fn leading(self) -> u64;
}

impl Bits for u32 {
    fn leading(self) -> u64 {
        u64::from(self)
    }
}

impl Bits for u128 {
    fn leading(self) -> u64 {
        u64::try_from(self >> 64).unwrap_or(u64::MAX)
    }
}

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self { starts: Vec::new(), leading: Vec::new() }
    }
}

impl<T: Bits> Ranges<T> {
    /// From networks as first and last address: of any two, one holds the other or they share none. `after`
    /// is the next address, `None` behind the last of all.
    fn new(mut networks: Vec<(T, T, bool)>, after: fn(T) -> Option<T>) -> Self {
        // The wider before the narrower; stable, so that of equal ones the first stays.
        networks.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        networks.dedup_by_key(|(first, last, _)| (*first, *last));
        let mut ranges = Self::default();
        // The networks around the place that has been reached.
        let mut around: Vec<(T, bool)> = Vec::new();
        for (first, last, inside) in networks {
            ranges.leave(&mut around, Some(first), after);
            ranges.change(first, inside);
            around.push((last, inside));
        }
        ranges.leave(&mut around, None, after);
        ranges.leading = ranges.starts.iter().map(|start| start.leading()).collect();
        ranges
    }

    /// Ends the networks that lie before `next`.
    fn leave(&mut self, around: &mut Vec<(T, bool)>, next: Option<T>, after: fn(T) -> Option<T>) {
        while let Some((last, _)) = around.last().copied() {
            if next.is_some_and(|next| next <= last) {
                return;
            }
            around.pop();
            let Some(start) = after(last) else { return };
            self.change(start, around.last().is_some_and(|(_, inside)| *inside));
        }
    }

    fn change(&mut self, start: T, inside: bool) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
        }
        if is_inside(self.starts.len()) != inside {
            self.starts.push(start);
        }
    }

    /// How many starts lie at an address or before it.
    fn before(&self, address: T) -> usize {
        let leading = address.leading();
        let from = self.leading.partition_point(|other| *other < leading);
        let rest = self.leading.get(from..).unwrap_or_default();
        if rest.first() != Some(&leading) {
            return from;
        }
        let alike = from + rest.partition_point(|other| *other == leading);
        from + self.starts.get(from..alike).unwrap_or_default().partition_point(|start| *start <= address)
    }

    fn contains(&self, address: T) -> bool {
        is_inside(self.before(address))
    }

    /// What holds for each of these addresses; `None` where a range begins among them.
    fn settled(&self, first: T, last: T) -> Option<bool> {
        (self.before(first) == self.before(last)).then(|| self.contains(first))
    }

    /// What is inside: the first address, and the first behind it.
    fn inside(&self) -> impl Iterator<Item = (T, Option<T>)> {
        let ends = self.starts.iter().skip(1).copied().map(Some).chain([None]);
        self.starts.iter().copied().zip(ends).step_by(2)
    }
}

/// Whether what lies behind so many starts is inside.
const fn is_inside(starts: usize) -> bool {
    starts % 2 == 1
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
    fn an_address_is_found_among_any_number_of_networks() {
        for count in [0_u32, 1, 2, 7, 8, 9, 127, 128, 129, 2_047, 2_048, 2_049, 5_000] {
            // Every other network, each with an exception at its end.
            let v4 = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n));
            let v6 = |n: u32| IpAddr::V6(Ipv6Addr::from_bits(u128::from(n) << 63));
            for address in [&v4 as &dyn Fn(u32) -> IpAddr, &v6] {
                let hosts = if address(0).is_ipv4() { 32 } else { 65 };
                let networks = (0..count).flat_map(|n| {
                    let network = Network::around(address(n * 8), hosts - 2, hosts - 2);
                    let exception = Network::around(address(n * 8 + 3), hosts, hosts);
                    [(network, true), (exception, false)]
                });
                let set = NetworkSet::new(networks.collect::<Vec<_>>());
                for n in 0..count * 8 + 20 {
                    let inside = n / 8 < count && n % 8 < 3;
                    assert_eq!(set.contains(ClientIp::new(address(n))), inside, "{n} of {count}");
                }
            }
        }
    }

    #[test]
    fn a_network_is_settled_where_its_addresses_are_not_told_apart() {
        let office = NetworkSet::new([
            (network("192.0.2.0", 24), true),
            (network("198.51.100.64", 26), true),
            (network("2001:db8::", 48), true),
        ]);
        for (address, prefix, settled) in [
            ("192.0.2.0", 24, Some(true)),
            ("192.0.2.128", 25, Some(true)),
            ("192.0.2.0", 23, None),
            ("192.0.3.0", 24, Some(false)),
            ("198.51.100.0", 24, None),
            ("198.51.100.64", 26, Some(true)),
            ("2001:db8::", 48, Some(true)),
            ("2001:db8::", 32, None),
            ("2001:db8:1::", 48, Some(false)),
            ("0.0.0.0", 0, None),
        ] {
            assert_eq!(office.settled(network(address, prefix)), settled, "{address}/{prefix}");
        }
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

    /// The longest of all networks that hold the address, by looking at each.
    fn slowly(entries: &[(Network, bool)], client: ClientIp) -> bool {
        let mut best: Option<(u8, bool)> = None;
        for (network, inside) in entries {
            if network.contains(client.0) && best.is_none_or(|(prefix, _)| network.prefix > prefix) {
                best = Some((network.prefix, *inside));
            }
        }
        best.is_some_and(|(_, inside)| inside)
    }

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 32) as u32
        }

        /// Few values, so that networks lie in each other and addresses in networks; both ends of the space.
        fn v4(&mut self) -> IpAddr {
            let narrow = [0, 0x0a00_0000, 0xffff_ff00][self.roll() as usize % 3];
            IpAddr::V4(Ipv4Addr::from_bits(narrow | (self.roll() & 0xff)))
        }

        fn v6(&mut self) -> IpAddr {
            let narrow = [1 << 64, 0x2001_0db8_u128 << 96, u128::MAX - 0xff][self.roll() as usize % 3];
            IpAddr::V6(Ipv6Addr::from_bits(narrow | u128::from(self.roll() & 0xff)))
        }
    }

    #[test]
    fn ranges_say_what_a_look_at_every_network_says() {
        let mut dice = Dice(3);
        for _ in 0..2_000 {
            let entries: Vec<(Network, bool)> = (0..dice.roll() % 12)
                .map(|_| {
                    let inside = !dice.roll().is_multiple_of(3);
                    if dice.roll().is_multiple_of(2) {
                        let prefix = [0, 1, 8, 24, 25, 28, 30, 31, 32][dice.roll() as usize % 9];
                        (Network::new(dice.v4(), prefix).unwrap(), inside)
                    } else {
                        let prefix = [0, 1, 32, 64, 120, 122, 126, 127, 128][dice.roll() as usize % 9];
                        (Network::new(dice.v6(), prefix).unwrap(), inside)
                    }
                })
                .collect();
            let set = NetworkSet::new(entries.clone());
            for _ in 0..40 {
                let client = ClientIp::new(if dice.roll().is_multiple_of(2) { dice.v4() } else { dice.v6() });
                assert_eq!(set.contains(client), slowly(&entries, client), "{entries:?} {:?}", client.0);
            }
        }
    }

    #[test]
    fn a_set_shows_what_was_written() {
        let set = NetworkSet::new([(network("192.0.2.0", 24), true), (network("192.0.2.66", 32), false)]);
        assert_eq!(format!("{set:?}"), "{\"192.0.2.0-192.0.2.65\", \"192.0.2.67-192.0.2.255\"}");
        let all = NetworkSet::new([(network("::", 0), true)]);
        assert_eq!(format!("{all:?}"), "{\"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\"}");
    }

    /// `cargo test --release --lib address:: -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn what_a_look_up_costs() {
        let mut dice = Dice(7);
        let entries: Vec<(Network, bool)> = (0..100_000)
            .map(|_| {
                let prefix = [16, 20, 24, 28, 32][dice.roll() as usize % 5];
                let address = IpAddr::V4(Ipv4Addr::from_bits(dice.roll()));
                (Network::new(address, prefix).unwrap(), !dice.roll().is_multiple_of(4))
            })
            .collect();
        let set = NetworkSet::new(entries);
        let asked: Vec<ClientIp> =
            (0..100_000).map(|_| ClientIp::new(IpAddr::V4(Ipv4Addr::from_bits(dice.roll())))).collect();
        let start = crate::base::clock::now();
        let inside = asked.iter().filter(|client| set.contains(std::hint::black_box(**client))).count();
        let each = start.elapsed() / 100_000;
        println!("100000 networks: {each:?} a look-up ({inside} inside)");
        assert!(cfg!(debug_assertions) || each.as_nanos() <= 100, "{each:?}");
    }

    #[test]
    fn one_visitor_is_an_address_or_a_64() {
        assert_eq!(ip("2001:db8::1").network_key(), ip("2001:db8::2").network_key());
        assert_ne!(ip("2001:db8::1").network_key(), ip("2001:db8:0:1::1").network_key());
        assert_ne!(ip("192.0.2.1").network_key(), ip("192.0.2.2").network_key());
    }
}
