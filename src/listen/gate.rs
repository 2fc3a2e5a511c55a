//! How many connections are open: in all, and from one network (an IPv4 address, an IPv6 /64). One gate for
//! the process, shared by all workers and living through reloads, so that the counts are exact.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::address::{ClientIp, Network};
use crate::base::bound::Bounds;
use crate::base::cause::Cause;
use crate::base::clock::Instant;
use crate::base::fault::Fault;

/// A lock is held for one look-up at the beginning and the end of a connection; with this many of them two
/// workers rarely meet.
const SHARDS: usize = 64;

/// Complaints about accepting are told no more often than this.
const QUIET: Duration = Duration::from_secs(60);

pub struct Gate {
    most: AtomicU64,
    most_per_network: AtomicU64,
    open: AtomicU64,
    /// Turned away for their network's count since the start.
    refused: AtomicU64,
    /// Rung when a place becomes free that somebody may be waiting for.
    freed: Notify,
    /// Networks with open connections, and no others: it can't grow beyond the open connections.
    networks: [Mutex<HashMap<Network, u64>>; SHARDS],
    hasher: RandomState,
    complaints: Mutex<Complaints>,
}

/// A place in the house; leaving gives it back.
pub struct Pass {
    gate: Arc<Gate>,
    network: Option<Network>,
}

impl Gate {
    pub fn new(bounds: &Bounds) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicU64::new(bounds.connections_max.max(1)),
            most_per_network: AtomicU64::new(bounds.connections_per_network_max.max(1)),
            open: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            freed: Notify::new(),
            networks: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            complaints: Mutex::default(),
        })
    }

    /// Other limits from now on, after a reload. Nobody who is in is sent away for it.
    pub fn set_bounds(&self, bounds: &Bounds) {
        self.most.store(bounds.connections_max.max(1), SeqCst);
        self.most_per_network.store(bounds.connections_per_network_max.max(1), SeqCst);
        self.freed.notify_waiters();
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.open.load(SeqCst)
    }

    /// Connections turned away so far because their network had its share.
    pub fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }

    /// Waits until the house is not full. While it is, connections wait in the kernel's queue.
    pub async fn vacancy(&self) {
        loop {
            // Made before the look: a place that is freed in between is not missed.
            let freed = self.freed.notified();
            if self.open.load(SeqCst) < self.most.load(SeqCst) {
                return;
            }
            freed.await;
        }
    }

    /// Takes a place, waiting for one. Whom the connection counts for is said by `Pass::count`.
    pub async fn enter(self: &Arc<Self>) -> Pass {
        loop {
            let most = self.most.load(SeqCst);
            let free = |open: u64| (open < most).then_some(open + 1);
            if self.open.fetch_update(SeqCst, SeqCst, free).is_ok() {
                return Pass { gate: Arc::clone(self), network: None };
            }
            self.vacancy().await;
        }
    }

    /// Whether a complaint about accepting is due now; with how many were kept back since the last.
    pub(super) fn complain(&self, now: Instant) -> Option<u64> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).note(now)
    }

    fn shard(&self, network: &Network) -> MutexGuard<'_, HashMap<Network, u64>> {
        // In range by the remainder; the other arm is for the compiler.
        let at = usize::try_from(self.hasher.hash_one(network) % SHARDS as u64).unwrap_or(0);
        let shard = self.networks.get(at).unwrap_or(&self.networks[0]);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, network: Network) {
        let mut shard = self.shard(&network);
        if let Some(count) = shard.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                shard.remove(&network);
            }
        }
    }
}

impl Pass {
    /// Counts this connection for a visitor's network from now on, instead of any it was counted for before.
    /// Fails when that network has its share; the connection is to be closed then.
    pub fn count(&mut self, visitor: ClientIp) -> Result<(), Fault> {
        let network = visitor.network_key();
        if self.network == Some(network) {
            return Ok(());
        }
        {
            let most = self.gate.most_per_network.load(SeqCst);
            let mut shard = self.gate.shard(&network);
            let count = shard.entry(network).or_insert(0);
            // At least one is allowed, so a count that is refused here is not zero: no entry is left behind.
            if *count >= most {
                self.gate.refused.fetch_add(1, SeqCst);
                return Err(Fault::new(Cause::TooManyConnections));
            }
            *count += 1;
        }
        if let Some(before) = self.network.replace(network) {
            self.gate.leave(before);
        }
        Ok(())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(network) = self.network.take() {
            self.gate.leave(network);
        }
        let before = self.gate.open.fetch_sub(1, SeqCst);
        if before >= self.gate.most.load(SeqCst) {
            // All of them: the one that is woken may have nobody in its queue while another has.
            self.gate.freed.notify_waiters();
        }
    }
}

/// Lets one complaint through a minute and counts the others.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    kept_back: u64,
}

impl Complaints {
    fn note(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET) {
            self.kept_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    fn gate(most: u64, per_network: u64) -> Arc<Gate> {
        Gate::new(&Bounds {
            connections_max: most,
            connections_per_network_max: per_network,
            ..Bounds::default()
        })
    }

    fn ip(text: &str) -> ClientIp {
        ClientIp::new(text.parse().unwrap())
    }

    fn entries(gate: &Gate) -> usize {
        gate.networks.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    #[tokio::test]
    async fn a_full_house_lets_the_next_in_when_somebody_leaves() {
        let gate = gate(2, 9);
        let first = gate.enter().await;
        let second = gate.enter().await;
        let mut third = pin!(gate.enter());
        let mut room = pin!(gate.vacancy());
        assert!(poll_fn(|cx| Poll::Ready(third.as_mut().poll(cx).is_pending())).await);
        assert!(poll_fn(|cx| Poll::Ready(room.as_mut().poll(cx).is_pending())).await);
        drop(first);
        room.await;
        let third = third.await;
        assert_eq!(gate.open(), 2);
        drop((second, third));
        assert_eq!(gate.open(), 0);
    }

    #[tokio::test]
    async fn a_larger_house_lets_those_in_who_wait() {
        let gate = gate(1, 9);
        let _first = gate.enter().await;
        let mut second = pin!(gate.enter());
        assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await);
        gate.set_bounds(&Bounds { connections_max: 2, ..Bounds::default() });
        second.await;
    }

    #[tokio::test]
    async fn a_network_has_its_share_and_gets_it_back() {
        let gate = gate(100, 2);
        let mut passes = Vec::new();
        for address in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"] {
            let mut pass = gate.enter().await;
            pass.count(ip(address)).unwrap();
            passes.push(pass);
        }
        for address in ["192.0.2.1", "2001:db8::3"] {
            let mut pass = gate.enter().await;
            assert_eq!(pass.count(ip(address)).unwrap_err().cause, Cause::TooManyConnections);
        }
        assert_eq!((gate.open(), gate.refused(), entries(&gate)), (5, 2, 3));
        passes.remove(0);
        gate.enter().await.count(ip("192.0.2.1")).unwrap();
        drop(passes);
        assert_eq!((gate.open(), entries(&gate)), (0, 0), "nothing is kept of those who left");
    }

    #[tokio::test]
    async fn whom_a_proxy_names_is_counted_instead_of_the_proxy() {
        let gate = gate(100, 1);
        let mut pass = gate.enter().await;
        pass.count(ip("192.0.2.1")).unwrap();
        pass.count(ip("198.51.100.7")).unwrap();
        pass.count(ip("198.51.100.7")).unwrap();
        assert_eq!(entries(&gate), 1);
        let mut other = gate.enter().await;
        other.count(ip("192.0.2.1")).unwrap();
        assert!(other.count(ip("198.51.100.7")).is_err());
        drop(other);
        drop(pass);
        assert_eq!(entries(&gate), 0);
    }

    #[test]
    fn the_count_is_exact_over_many_threads() {
        let gate = gate(8, 1_000);
        std::thread::scope(|scope| {
            for worker in 0..4_u8 {
                let gate = &gate;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        for turn in 0..500_u16 {
                            let mut passes = Vec::new();
                            for _ in 0..2 {
                                let mut pass = gate.enter().await;
                                pass.count(ip(&format!("192.0.2.{}", (turn % 5) + u16::from(worker))))
                                    .unwrap();
                                assert!(gate.open() <= 8);
                                passes.push(pass);
                            }
                            if turn % 7 == 0 {
                                tokio::task::yield_now().await;
                            }
                        }
                    });
                });
            }
        });
        assert_eq!((gate.open(), entries(&gate)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn complaints_are_told_once_a_minute_with_how_many_there_were() {
        let mut complaints = Complaints::default();
        let start = clock::now();
        assert_eq!(complaints.note(start), Some(0));
        for second in 1..60 {
            assert_eq!(complaints.note(start + Duration::from_secs(second)), None);
        }
        assert_eq!(complaints.note(start + Duration::from_secs(60)), Some(59));
        assert_eq!(complaints.note(start + Duration::from_secs(61)), None);
    }
}
