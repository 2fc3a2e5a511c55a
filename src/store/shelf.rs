//! What the orders mean, once, over anything that keeps ordered records: memory and the embedded file
//! differ only in how they find, lay and lift one.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use super::{
    ENTRY_BYTES, Key, Order, Outcome, PAGE_BYTES_MAX, PAGE_ENTRIES_MAX, Page, StoreFault, Swap,
    VALUE_BYTES_MAX,
};
use crate::base::clock::Wall;

/// Milliseconds since 1970 at which a record's life is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expiry(pub u64);

impl Expiry {
    pub const NEVER: Expiry = Expiry(u64::MAX);

    fn after(now: Wall, life: Option<Duration>) -> Self {
        let Some(life) = life else { return Self::NEVER };
        let millis = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        // One below "never": a life of ages still ends.
        Self(millis_of(now).saturating_add(millis).min(u64::MAX - 1))
    }

    pub fn is_over(self, now: Wall) -> bool {
        self != Self::NEVER && self.0 <= millis_of(now)
    }
}

pub(super) fn millis_of(now: Wall) -> u64 {
    now.seconds.saturating_mul(1_000).saturating_add(u64::from(now.nanos / 1_000_000))
}

pub(super) struct Record {
    pub expiry: Expiry,
    pub value: Bytes,
}

/// What an entry counts for against the bound of its store.
pub(super) fn weight(key: &[u8], value: &[u8]) -> u64 {
    (key.len() as u64).saturating_add(value.len() as u64).saturating_add(ENTRY_BYTES)
}

/// What a walk shows each record to: key, end of life, value.
pub(super) type See<'s> = dyn FnMut(&[u8], Expiry, &[u8]) -> ControlFlow<()> + 's;

/// Records that can be read, dead ones included.
pub(super) trait Shelf {
    fn find(&self, key: &[u8]) -> Result<Option<Record>, StoreFault>;

    /// Shows records in the order of their keys, beginning at `from` (or right behind it), until told to stop.
    fn walk(&self, from: &[u8], behind: bool, see: &mut See<'_>) -> Result<(), StoreFault>;
}

/// Records that can be changed. `lay` says `Full` before it changes anything.
pub(super) trait OpenShelf: Shelf {
    fn lay(&mut self, key: &[u8], expiry: Expiry, value: &[u8]) -> Result<(), StoreFault>;
    fn lift(&mut self, key: &[u8]) -> Result<(), StoreFault>;
    fn sweep(&mut self, now: Wall, most: usize) -> Result<usize, StoreFault>;
}

/// Dead entries swept out of the way when a store is full, before it says so.
const SWEPT_WHEN_FULL: usize = 1_000;

pub(super) fn change(shelf: &mut impl OpenShelf, order: &Order, now: Wall) -> Result<Outcome, StoreFault> {
    match order {
        Order::Get(_) | Order::Scan { .. } => read(shelf, order, now),
        Order::Put { key, value, life } => {
            lay(shelf, key, Expiry::after(now, *life), value, now)?;
            Ok(Outcome::Stored)
        }
        Order::Add { key, by, life } => {
            let (before, expiry) = match living(shelf, key, now)? {
                Some(record) => (number(&record.value)?, record.expiry),
                None => (0, Expiry::after(now, *life)),
            };
            let sum = before.checked_add(*by).ok_or(StoreFault::NotACounter)?;
            lay(shelf, key, expiry, sum.to_string().as_bytes(), now)?;
            Ok(Outcome::Count(sum))
        }
        Order::Swap { key, expected, new, life } => {
            let found = living(shelf, key, now)?.map(|record| record.value);
            if found != *expected {
                return Ok(Outcome::Swapped(Swap::Other(found)));
            }
            match new {
                Some(value) => lay(shelf, key, Expiry::after(now, *life), value, now)?,
                None => shelf.lift(key.whole())?,
            }
            Ok(Outcome::Swapped(Swap::Done))
        }
        Order::Delete(key) => {
            let was = living(shelf, key, now)?.is_some();
            shelf.lift(key.whole())?;
            Ok(Outcome::Deleted(was))
        }
    }
}

/// Orders that change nothing; the others are the caller's mistake and answered as such.
pub(super) fn read(shelf: &impl Shelf, order: &Order, now: Wall) -> Result<Outcome, StoreFault> {
    match order {
        Order::Get(key) => Ok(Outcome::Value(living(shelf, key, now)?.map(|record| record.value))),
        Order::Scan { prefix, after, most } => {
            page(shelf, prefix, after.as_deref(), *most, now).map(Outcome::Page)
        }
        _ => Err(StoreFault::Broken("a change was ordered of a store opened for reading".into())),
    }
}

fn living(shelf: &impl Shelf, key: &Key, now: Wall) -> Result<Option<Record>, StoreFault> {
    Ok(shelf.find(key.whole())?.filter(|record| !record.expiry.is_over(now)))
}

fn lay(
    shelf: &mut impl OpenShelf,
    key: &Key,
    expiry: Expiry,
    value: &[u8],
    now: Wall,
) -> Result<(), StoreFault> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(StoreFault::TooLarge);
    }
    match shelf.lay(key.whole(), expiry, value) {
        Err(StoreFault::Full) if shelf.sweep(now, SWEPT_WHEN_FULL)? > 0 => {
            shelf.lay(key.whole(), expiry, value)
        }
        done => done,
    }
}

/// A counter is what `i64` writes, nothing else: no sign but minus, no leading zero, no spaces.
fn number(value: &[u8]) -> Result<i64, StoreFault> {
    let count: i64 =
        std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(StoreFault::NotACounter)?;
    if count.to_string().as_bytes() == value { Ok(count) } else { Err(StoreFault::NotACounter) }
}

fn page(
    shelf: &impl Shelf,
    prefix: &Key,
    after: Option<&[u8]>,
    most: usize,
    now: Wall,
) -> Result<Page, StoreFault> {
    let most = most.clamp(1, PAGE_ENTRIES_MAX);
    let mut page = Page { entries: Vec::new(), more: None };
    let mut bytes = 0_usize;
    let space = prefix.space();
    let last = after.map(|name| [space, name].concat());
    // An `after` that sorts before the prefix must not begin the walk outside it.
    let (from, behind) = match &last {
        Some(last) if last.as_slice() >= prefix.whole() => (last.as_slice(), true),
        _ => (prefix.whole(), false),
    };
    shelf.walk(from, behind, &mut |key, expiry, value| {
        let Some(name) = key.strip_prefix(space).filter(|_| key.starts_with(prefix.whole())) else {
            return ControlFlow::Break(());
        };
        if expiry.is_over(now) {
            return ControlFlow::Continue(());
        }
        if page.entries.len() >= most || bytes >= PAGE_BYTES_MAX {
            page.more = page.entries.last().map(|(name, _)| name.as_ref().into());
            return ControlFlow::Break(());
        }
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        page.entries.push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value)));
        ControlFlow::Continue(())
    })?;
    Ok(page)
}
