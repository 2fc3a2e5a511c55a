//! A store in memory: for tests, and for what may be forgotten when the process ends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use super::shelf::{self, Expiry, OpenShelf, Record, See, Shelf, millis_of, weight};
use super::{Order, Outcome, Store, StoreFault};
use crate::base::clock::Wall;

pub struct Memory {
    records: BTreeMap<Box<[u8]>, (Expiry, Bytes)>,
    /// Keys by the end of their life, so that a sweep never looks at what stays.
    ends: BTreeSet<(u64, Box<[u8]>)>,
    used: u64,
    bytes_max: u64,
}

impl Memory {
    pub fn new(bytes_max: u64) -> Self {
        Self { records: BTreeMap::new(), ends: BTreeSet::new(), used: 0, bytes_max }
    }
}

impl Store for Memory {
    fn carry_out(&mut self, orders: &[Order], now: Wall) -> Vec<Result<Outcome, StoreFault>> {
        orders.iter().map(|order| shelf::change(self, order, now)).collect()
    }

    fn sweep(&mut self, now: Wall, most: usize) -> Result<usize, StoreFault> {
        OpenShelf::sweep(self, now, most)
    }

    fn bytes_used(&mut self) -> Result<u64, StoreFault> {
        Ok(self.used)
    }
}

impl Shelf for Memory {
    fn find(&self, key: &[u8]) -> Result<Option<Record>, StoreFault> {
        Ok(self.records.get(key).map(|(expiry, value)| Record { expiry: *expiry, value: value.clone() }))
    }

    fn walk(&self, from: &[u8], behind: bool, see: &mut See<'_>) -> Result<(), StoreFault> {
        let from = if behind { Bound::Excluded(from) } else { Bound::Included(from) };
        for (key, (expiry, value)) in self.records.range::<[u8], _>((from, Bound::Unbounded)) {
            if see(key, *expiry, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl OpenShelf for Memory {
    fn lay(&mut self, key: &[u8], expiry: Expiry, value: &[u8]) -> Result<(), StoreFault> {
        let before = self.records.get(key).map_or(0, |(_, old)| weight(key, old));
        let used = self.used.saturating_sub(before).saturating_add(weight(key, value));
        if used > self.bytes_max && used > self.used {
            return Err(StoreFault::Full);
        }
        self.lift(key)?;
        self.records.insert(key.into(), (expiry, Bytes::copy_from_slice(value)));
        if expiry != Expiry::NEVER {
            self.ends.insert((expiry.0, key.into()));
        }
        self.used = used;
        Ok(())
    }

    fn lift(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        if let Some((key, (expiry, value))) = self.records.remove_entry(key) {
            self.used = self.used.saturating_sub(weight(&key, &value));
            self.ends.remove(&(expiry.0, key));
        }
        Ok(())
    }

    fn sweep(&mut self, now: Wall, most: usize) -> Result<usize, StoreFault> {
        let mut swept = 0;
        while swept < most {
            let Some((_, key)) = self.ends.first().filter(|(end, _)| *end <= millis_of(now)).cloned() else {
                break;
            };
            self.lift(&key)?;
            swept += 1;
        }
        Ok(swept)
    }
}
