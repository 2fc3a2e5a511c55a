//! Bytes with a life: what must outlast a request, a reload or the process.
//!
//! Rooms keep sessions' revocations, bans, counters, certificates' orders here, each in a [`Space`] of its
//! own. A store is asked with an [`Ask`] and answers with what the ask is typed for:
//!
//! | ask | answer |
//! |---|---|
//! | [`get`] | the value, unless it is absent or its life is over |
//! | [`put`] | nothing; replaces value and life |
//! | [`add`] | the counter after adding. It is born with its life and keeps it: a fixed window |
//! | [`swap`] | whether the value was the expected one and is now the new one, or else what it is |
//! | [`delete`] | whether there was one |
//! | [`scan`] | a page of a prefix, in the order of its names |
//!
//! **Why asks are data and [`Store`] has one working method.** The embedded store may block on a disk, so
//! it lives on a thread of its own behind a [`desk::Desk`] that takes everything waiting at once. As data,
//! a whole batch becomes one transaction with one flush to disk here, and one pipeline with one round trip
//! in a networked store. Neither the callers (who await the desk, with a deadline) nor the trait change.
//!
//! Promises: an ask that was answered survives `kill -9`; one ask is atomic; asks of one caller are done in
//! the order they were made; keys, values, pages and the whole are bounded, and a full store refuses rather
//! than forgets. Expiry needs no timer to be right: a value whose life is over is absent, whether or not it
//! was swept away yet. `now` is an argument.
//!
//! Never: it deletes no file, knows no room, and does not print what it holds (nothing here has `Debug`).
//!
//! It fails with a [`StoreFault`]. Who needs an answer to decide about a visitor answers 503 then; nothing
//! is ever let in because the store could not be asked.

pub mod desk;
pub mod embedded;
pub mod memory;
mod shelf;

#[cfg(test)]
mod conformance;

use std::fmt;
use std::time::Duration;

pub use bytes::Bytes;

use crate::base::clock::Wall;

pub use self::desk::Desk;
pub use self::embedded::Embedded;
pub use self::memory::Memory;

/// Longest name of a key inside its space.
pub const NAME_BYTES_MAX: usize = 1 << 10;
/// Largest value: a certificate chain fits many times over.
pub const VALUE_BYTES_MAX: usize = 256 << 10;
/// Most entries of one page of a scan.
pub const PAGE_ENTRIES_MAX: usize = 1_000;
/// A page ends early once it holds this much.
pub const PAGE_BYTES_MAX: usize = 1 << 20;
/// What an entry is counted as beside its own bytes: an empty value is not free.
pub const ENTRY_BYTES: u64 = 64;

/// Something that keeps bytes. Sync on purpose: see the room's story.
pub trait Store: Send {
    /// Does the orders one after the other, each atomically, and answers each in its place. What is
    /// answered `Ok` is durable where the store is.
    fn carry_out(&mut self, orders: &[Order], now: Wall) -> Vec<Result<Outcome, StoreFault>>;

    /// Removes up to `most` entries whose life is over and says how many. Gives room back, changes no answer.
    fn sweep(&mut self, now: Wall, most: usize) -> Result<usize, StoreFault>;

    /// What the entries count for against the store's bound.
    fn bytes_used(&mut self) -> Result<u64, StoreFault>;
}

/// Asks a store that is at hand, without a desk: at start, in commands, in tests.
pub fn ask<T>(store: &mut dyn Store, ask: Ask<T>, now: Wall) -> Result<T, StoreFault> {
    let outcome = store.carry_out(&[ask.order], now).pop().ok_or(StoreFault::Gone)??;
    (ask.read)(outcome).ok_or(StoreFault::Gone)
}

/// One room's part of the store; spaces never see each other's keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Space(&'static str);

impl Space {
    /// A constant of the room that owns it: one to 32 of a-z and `_`.
    ///
    /// # Panics
    /// On any other name; in a constant that is a fault of compilation.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 32, "the name of a space has 1 to 32 letters");
        let mut at = 0;
        while at < bytes.len() {
            // The byte that ends it in a key must not be in it.
            #[allow(clippy::indexing_slicing)]
            let letter = bytes[at];
            assert!(letter.is_ascii_lowercase() || letter == b'_', "the name of a space is a-z and _");
            at += 1;
        }
        Self(name)
    }

    /// A key of this space. Any bytes may be its name, also none.
    pub fn key(self, name: impl AsRef<[u8]>) -> Result<Key, StoreFault> {
        let name = name.as_ref();
        if name.len() > NAME_BYTES_MAX {
            return Err(StoreFault::TooLarge);
        }
        let mut whole = Vec::with_capacity(self.0.len() + 1 + name.len());
        whole.extend_from_slice(self.0.as_bytes());
        whole.push(0);
        whole.extend_from_slice(name);
        Ok(Key { whole: whole.into(), name_at: self.0.len() + 1 })
    }
}

/// A name in a space, or for [`scan`] the beginning of names.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Space, a zero byte, name: so a store needs one ordered table only.
    whole: Box<[u8]>,
    name_at: usize,
}

impl Key {
    pub fn name(&self) -> &[u8] {
        self.whole.get(self.name_at..).unwrap_or_default()
    }

    fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// What stands before the name: the space and its end.
    fn space(&self) -> &[u8] {
        self.whole.get(..self.name_at).unwrap_or_default()
    }
}

/// What a store is told to do. Made by [`get`], [`put`] and their neighbours.
pub enum Order {
    Get(Key),
    Put { key: Key, value: Bytes, life: Option<Duration> },
    Add { key: Key, by: i64, life: Option<Duration> },
    Swap { key: Key, expected: Option<Bytes>, new: Option<Bytes>, life: Option<Duration> },
    Delete(Key),
    Scan { prefix: Key, after: Option<Box<[u8]>>, most: usize },
}

impl Order {
    /// Whether it may change anything; a batch of others needs no flush to disk.
    pub fn writes(&self) -> bool {
        !matches!(self, Order::Get(_) | Order::Scan { .. })
    }
}

/// What came of an order.
pub enum Outcome {
    Value(Option<Bytes>),
    Stored,
    Count(i64),
    Swapped(Swap),
    Deleted(bool),
    Page(Page),
}

/// The end of a compare-and-swap.
#[derive(PartialEq, Eq)]
pub enum Swap {
    Done,
    /// Another value stood there (or none), and still does.
    Other(Option<Bytes>),
}

/// A part of a scan, in the order of the names.
pub struct Page {
    /// Names (without their space) and values.
    pub entries: Vec<(Bytes, Bytes)>,
    /// Give it to the next [`scan`] as `after`; `None` at the end. What is put in or deleted meanwhile may
    /// or may not be seen; what stays is seen exactly once.
    pub more: Option<Box<[u8]>>,
}

/// An order together with how to read its outcome.
pub struct Ask<T> {
    order: Order,
    read: fn(Outcome) -> Option<T>,
}

pub fn get(key: Key) -> Ask<Option<Bytes>> {
    Ask {
        order: Order::Get(key),
        read: |outcome| if let Outcome::Value(value) = outcome { Some(value) } else { None },
    }
}

/// `life`: how long it stays; `None` for ever.
pub fn put(key: Key, value: impl Into<Bytes>, life: Option<Duration>) -> Ask<()> {
    Ask {
        order: Order::Put { key, value: value.into(), life },
        read: |outcome| matches!(outcome, Outcome::Stored).then_some(()),
    }
}

/// Adds to a counter (decimal text; an absent one is 0). `life` counts from its birth only. A sum that
/// leaves the range of `i64`, and a value that is no number, are refused.
pub fn add(key: Key, by: i64, life: Option<Duration>) -> Ask<i64> {
    Ask {
        order: Order::Add { key, by, life },
        read: |outcome| if let Outcome::Count(count) = outcome { Some(count) } else { None },
    }
}

/// Puts `new` (or deletes, if `None`) if the value is `expected` (`None`: if there is none).
pub fn swap(key: Key, expected: Option<Bytes>, new: Option<Bytes>, life: Option<Duration>) -> Ask<Swap> {
    Ask {
        order: Order::Swap { key, expected, new, life },
        read: |outcome| if let Outcome::Swapped(swap) = outcome { Some(swap) } else { None },
    }
}

pub fn delete(key: Key) -> Ask<bool> {
    Ask {
        order: Order::Delete(key),
        read: |outcome| if let Outcome::Deleted(was) = outcome { Some(was) } else { None },
    }
}

/// Names that begin as `prefix` does, from the first, or from the one behind `after`; at most `most` and
/// never more than a page holds.
pub fn scan(prefix: Key, after: Option<Box<[u8]>>, most: usize) -> Ask<Page> {
    Ask {
        order: Order::Scan { prefix, after, most },
        read: |outcome| if let Outcome::Page(page) = outcome { Some(page) } else { None },
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// It holds as much as it may. Nothing was forgotten for the newcomer.
    Full,
    /// The key or the value is larger than a store takes.
    TooLarge,
    /// The value under the key is no number, or the sum would be none.
    NotACounter,
    /// No answer in time. A change may or may not have been made.
    Late,
    /// Too many asks wait already; this one was not begun.
    Busy,
    /// The store is closed.
    Gone,
    /// The disk or the file failed. The text is for the log.
    Broken(Box<str>),
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the store is full"),
            Self::TooLarge => f.write_str("the key or value is larger than the store takes"),
            Self::NotACounter => f.write_str("the value in the store is no number that can be counted on"),
            Self::Late => f.write_str("the store did not answer in time"),
            Self::Busy => f.write_str("too many are waiting for the store"),
            Self::Gone => f.write_str("the store is closed"),
            Self::Broken(why) => write!(f, "the store failed: {why}"),
        }
    }
}

impl std::error::Error for StoreFault {}
