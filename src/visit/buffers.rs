//! The memory in which visits wait for slow visitors: forms that arrive slowly, answers that are read slowly. One
//! sum for all workers, exact: what is not taken here is not held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;

/// Shared by all workers, and by generations.
#[derive(Debug, Default)]
pub struct Buffers {
    most: AtomicU64,
    used: AtomicU64,
}

impl Buffers {
    pub fn new(most: u64) -> Self {
        Self { most: AtomicU64::new(most), used: AtomicU64::new(0) }
    }

    /// What the rules say from now on; what is held already stays until it is read.
    pub fn allow(&self, most: u64) {
        self.most.store(most, Relaxed);
    }

    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// So many bytes, or none.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let most = self.most.load(Relaxed);
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= most);
        self.used.fetch_update(Relaxed, Relaxed, fits).ok()?;
        Some(Share { of: Arc::clone(self), bytes })
    }
}

/// What somebody took; dropped, it is there for others.
#[derive(Debug)]
pub struct Share {
    of: Arc<Buffers>,
    bytes: u64,
}

impl Share {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds what another share of the same buffers has.
    pub fn join(&mut self, mut other: Share) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Gives back all but so many bytes.
    pub fn shrink(&mut self, to: u64) {
        let rest = self.bytes.saturating_sub(to);
        self.bytes -= rest;
        self.of.used.fetch_sub(rest, Relaxed);
    }

    /// Bytes that hold their share for as long as anybody holds them.
    pub fn around(mut self, bytes: Vec<u8>) -> Bytes {
        self.shrink(bytes.len() as u64);
        Bytes::from_owner(Kept { bytes, _share: self })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

struct Kept {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_until_it_is_dropped() {
        let buffers = Arc::new(Buffers::new(100));
        let mut first = buffers.take(60).unwrap();
        assert!(buffers.take(41).is_none());
        let second = buffers.take(40).unwrap();
        assert_eq!(buffers.used(), 100);
        first.shrink(10);
        first.join(second);
        assert_eq!((first.bytes(), buffers.used()), (50, 50));
        let bytes = first.around(b"seven".to_vec());
        assert_eq!(buffers.used(), 5);
        let part = bytes.slice(1..2);
        drop(bytes);
        assert_eq!((buffers.used(), &*part), (5, &b"e"[..]));
        drop(part);
        assert_eq!(buffers.used(), 0);
        buffers.allow(0);
        assert!(buffers.take(1).is_none() && buffers.take(0).is_some());
        assert!(buffers.take(u64::MAX).is_none());
    }

    #[test]
    fn all_workers_together_never_hold_more() {
        let buffers = Arc::new(Buffers::new(1_000));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let buffers = &buffers;
                scope.spawn(move || {
                    for turn in 0..5_000 {
                        let share = buffers.take(1 + (turn * 7 + thread * 13) % 600);
                        assert!(buffers.used() <= 1_000);
                        drop(share);
                    }
                });
            }
        });
        assert_eq!(buffers.used(), 0);
    }
}
