//! Keys and members on one ring, so that a key keeps its member, and only the keys of a member that goes move.
//! The ring is pingora's, which is nginx's `hash … consistent`.

use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddr};

use aws_lc_rs::digest::{SHA256, digest};
use pingora_ketama::{Bucket, Continuum};

/// Points of one share of weight.
const POINTS: usize = 160;
/// Shares on one ring, 5 MB of points; above it weights are scaled.
const SHARES_MAX: u64 = 4_096;

/// What leads to a member: the hash of what a request says.
pub struct Key {
    place: [u8; 8],
    /// From 0 to 1: at which share of its weight a member that starts slowly takes this key.
    lot: f64,
}

impl Key {
    pub fn of(hash: &[u8]) -> Option<Self> {
        let (place, rest) = hash.split_first_chunk::<8>()?;
        let lot = f64::from(u32::from_be_bytes(*rest.first_chunk()?)) / f64::from(u32::MAX);
        Some(Self { place: *place, lot })
    }
}

pub struct Ring {
    continuum: Continuum,
    members: HashMap<SocketAddr, usize>,
    points: usize,
}

impl Ring {
    /// Members by name and weight; who has none does not lie on it.
    pub fn new<'n>(members: impl Iterator<Item = (&'n str, u32)>) -> Self {
        let members: Vec<(usize, (&str, u32))> =
            members.enumerate().filter(|(_, (_, weight))| *weight > 0).collect();
        let sum: u64 = members.iter().map(|(_, (_, weight))| u64::from(*weight)).sum();
        let scaled = |weight: u32| {
            if sum <= SHARES_MAX {
                return weight;
            }
            u32::try_from(u64::from(weight) * SHARES_MAX / sum).unwrap_or(u32::MAX).max(1)
        };
        let mut places = HashMap::new();
        let mut buckets = Vec::new();
        let mut points = 0;
        for (at, (name, weight)) in members {
            let place = stands_for(name);
            places.insert(place, at);
            points += scaled(weight) as usize * POINTS;
            buckets.push(Bucket::new(place, scaled(weight)));
        }
        Self { continuum: Continuum::new(&buckets), members: places, points }
    }

    /// The first member from the key on that takes it: `share` is 0 for one that can't be asked, 1 for one that
    /// takes all its keys, and between them while it starts slowly. Which keys come back to it first, each key
    /// knows for itself. Where all start slowly the first takes it.
    pub fn walk(&self, key: &Key, share: impl Fn(usize) -> f64) -> Option<usize> {
        let mut spare = None;
        // A member that was passed over need not be asked again, and has hundreds of points.
        let mut passed: Vec<usize> = Vec::new();
        for place in self.continuum.node_iter(&key.place).take(self.points) {
            let at = *self.members.get(place)?;
            if passed.contains(&at) {
                continue;
            }
            let share = share(at);
            if share > 0.0 {
                if key.lot <= share {
                    return Some(at);
                }
                spare = spare.or(Some(at));
            }
            passed.push(at);
            if passed.len() == self.members.len() {
                break;
            }
        }
        spare
    }
}

/// The ring knows addresses, and members have names: a name's hash is an address that stands for it.
fn stands_for(name: &str) -> SocketAddr {
    let hash = digest(&SHA256, name.as_bytes());
    let bytes = hash.as_ref().first_chunk::<16>().copied().unwrap_or_default();
    SocketAddr::new(Ipv6Addr::from(bytes).into(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        Key::of(digest(&SHA256, &number.to_be_bytes()).as_ref()).unwrap()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("home{at}")).collect()
    }

    fn ring(names: &[String], weight: impl Fn(usize) -> u32) -> Ring {
        Ring::new(names.iter().enumerate().map(|(at, name)| (name.as_str(), weight(at))))
    }

    const KEYS: u32 = 20_000;

    #[test]
    fn only_the_keys_of_a_member_that_goes_move() {
        let names = names(10);
        let all = ring(&names, |_| 1);
        let mut most = 0;
        for gone in 0..10 {
            let fewer = ring(&names, |at| u32::from(at != gone));
            let mut moved = 0;
            for number in 0..KEYS {
                let (before, after) = (all.walk(&key(number), |_| 1.0), fewer.walk(&key(number), |_| 1.0));
                // It is the same whether it is taken out or just sick.
                let sick = all.walk(&key(number), |at| if at == gone { 0.0 } else { 1.0 });
                assert_eq!(sick, after);
                if before != after {
                    assert_eq!(before, Some(gone));
                    moved += 1;
                }
            }
            most = most.max(moved);
        }
        assert!(most < KEYS * 13 / 100, "{most} of {KEYS}");
    }

    #[test]
    fn keys_lie_by_weight() {
        let names = names(4);
        let ring = ring(&names, |at| [1, 1, 2, 4][at]);
        let mut counts = [0_u32; 4];
        for number in 0..KEYS {
            counts[ring.walk(&key(number), |_| 1.0).unwrap()] += 1;
        }
        for (count, weight) in counts.iter().zip([1, 1, 2, 4]) {
            let expected = KEYS * weight / 8;
            assert!(count.abs_diff(expected) < expected / 5, "{counts:?}");
        }
    }

    #[test]
    fn a_member_that_starts_slowly_takes_its_own_keys_one_by_one() {
        let names = names(3);
        let ring = ring(&names, |_| 1);
        for number in 0..2_000 {
            let home = ring.walk(&key(number), |_| 1.0).unwrap();
            let mut came_back = false;
            for tenth in 1..=10 {
                let share = f64::from(tenth) / 10.0;
                let at = ring.walk(&key(number), |at| if at == home { share } else { 1.0 }).unwrap();
                assert!(!came_back || at == home, "a key that came back stays");
                came_back |= at == home;
            }
            assert!(came_back);
        }
        // Where everyone starts slowly, nobody waits.
        assert!((0..100).all(|number| ring.walk(&key(number), |_| 0.1).is_some()));
        assert!((0..100).all(|number| ring.walk(&key(number), |_| 0.0).is_none()));
    }

    #[test]
    fn the_ring_has_an_end() {
        let names = names(256);
        let ring = ring(&names, |_| 1_000);
        assert!(ring.points <= 4_096 * POINTS);
        assert!(ring.walk(&key(1), |_| 1.0).is_some());
        assert!(Ring::new(std::iter::empty()).walk(&key(1), |_| 1.0).is_none());
    }
}
