//! The store in one file of the state folder: the default, for a gateway on one machine.
//!
//! A batch of orders is one redb transaction: after it is answered, the changes are on the disk. A killed
//! process leaves either the whole batch or nothing of it. The file belongs to one process at a time (redb
//! locks it) and to its user alone (0600).
//!
//! After a failed write (a full disk) redb wants to be closed and opened again: the next batch does so.
//! The file does not shrink when entries go; their room is used again.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageError, Table,
    TableDefinition,
};

use super::shelf::{self, Expiry, OpenShelf, Record, See, Shelf, millis_of, weight};
use super::{Order, Outcome, Store, StoreFault};
use crate::base::clock::Wall;

/// The file's name in the state folder.
pub const FILE: &str = "doorward.redb";

/// Whole key → the end of its life (eight bytes, big end first) and its value.
const ENTRIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("entries");
/// (end of life, whole key): sweeping looks only at what is over.
const ENDS: TableDefinition<(u64, &[u8]), ()> = TableDefinition::new("ends");
/// Two numbers: `format`, and `bytes` as counted against the bound.
const BOOK: TableDefinition<&str, u64> = TableDefinition::new("book");
/// Raised when a new program writes what an old one would misread.
const FORMAT: u64 = 1;
/// redb's own default is 1 GiB; a gateway's memory is for visitors.
const CACHE_BYTES: usize = 8 << 20;

pub struct Embedded {
    path: PathBuf,
    bytes_max: u64,
    /// `None` after a failure, until the next batch opens it again.
    open: Option<Database>,
}

/// Why the store's file could not be opened. The file is never touched then.
#[derive(Debug)]
pub enum OpenFault {
    /// Another process has it.
    Owned(PathBuf),
    /// It is no store, or a damaged one.
    Damaged(PathBuf, String),
    /// A newer program wrote it.
    Newer(PathBuf),
    Io(PathBuf, io::Error),
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned(path) => write!(
                f,
                "another process has the store {} open. `doorward status` says whether it is a running gateway; \
                 two gateways need two state folders",
                path.display()
            ),
            Self::Damaged(path, why) => write!(
                f,
                "the store {path} can't be read ({why}). It was left untouched. Put a backup of it in its place, \
                 or begin with an empty store: mv '{path}' '{path}.damaged' (what was kept in it is then forgotten)",
                path = path.display()
            ),
            Self::Newer(path) => write!(
                f,
                "the store {} was written by a newer doorward. Run that one, or put back the backup from before \
                 the upgrade",
                path.display()
            ),
            Self::Io(path, error) => write!(f, "the store {} can't be opened: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(_, error) = self { Some(error) } else { None }
    }
}

impl Embedded {
    /// Opens `{state}/doorward.redb`, making folder (0700) and file (0600) where they are missing.
    pub fn open(state: &Path, bytes_max: u64) -> Result<Self, OpenFault> {
        let path = state.join(FILE);
        let database = open(&path)?;
        Ok(Self { path, bytes_max, open: Some(database) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database for a piece of work; closed if the work fails.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database, u64) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let database = match self.open.take() {
            Some(database) => database,
            None => open(&self.path).map_err(|fault| StoreFault::Broken(fault.to_string().into()))?,
        };
        let done = work(&database, self.bytes_max);
        if done.is_ok() {
            self.open = Some(database);
        }
        done
    }
}

impl Store for Embedded {
    fn carry_out(&mut self, orders: &[Order], now: Wall) -> Vec<Result<Outcome, StoreFault>> {
        let done = if orders.iter().any(Order::writes) {
            self.with(|database, bytes_max| {
                changed(database, bytes_max, |drawer| {
                    orders.iter().map(|order| settle(shelf::change(drawer, order, now))).collect()
                })
            })
        } else {
            self.with(|database, _| {
                let transaction = database.begin_read().map_err(broken)?;
                let shelf = Reading(transaction.open_table(ENTRIES).map_err(broken)?);
                orders.iter().map(|order| settle(shelf::read(&shelf, order, now))).collect()
            })
        };
        match done {
            Ok(outcomes) => outcomes,
            Err(fault) => orders.iter().map(|_| Err(fault.clone())).collect(),
        }
    }

    fn sweep(&mut self, now: Wall, most: usize) -> Result<usize, StoreFault> {
        self.with(|database, bytes_max| changed(database, bytes_max, |drawer| drawer.sweep(now, most)))
    }

    fn bytes_used(&mut self) -> Result<u64, StoreFault> {
        self.with(|database, _| {
            let transaction = database.begin_read().map_err(broken)?;
            let book = transaction.open_table(BOOK).map_err(broken)?;
            Ok(book.get("bytes").map_err(broken)?.map_or(0, |used| used.value()))
        })
    }
}

/// One order's refusal is its own; a failure of the disk is the whole batch's.
fn settle(outcome: Result<Outcome, StoreFault>) -> Result<Result<Outcome, StoreFault>, StoreFault> {
    match outcome {
        Err(fault @ StoreFault::Broken(_)) => Err(fault),
        other => Ok(other),
    }
}

fn changed<T>(
    database: &Database,
    bytes_max: u64,
    work: impl FnOnce(&mut Drawer<'_>) -> Result<T, StoreFault>,
) -> Result<T, StoreFault> {
    let transaction = database.begin_write().map_err(broken)?;
    let done = {
        let mut book = transaction.open_table(BOOK).map_err(broken)?;
        let used = book.get("bytes").map_err(broken)?.map_or(0, |used| used.value());
        let mut drawer = Drawer {
            entries: transaction.open_table(ENTRIES).map_err(broken)?,
            ends: transaction.open_table(ENDS).map_err(broken)?,
            used,
            bytes_max,
        };
        let done = work(&mut drawer)?;
        if drawer.used != used {
            book.insert("bytes", drawer.used).map_err(broken)?;
        }
        done
    };
    transaction.commit().map_err(broken)?;
    Ok(done)
}

#[allow(clippy::needless_pass_by_value)] // what `map_err` hands over
fn broken(error: impl fmt::Display) -> StoreFault {
    StoreFault::Broken(error.to_string().into())
}

fn open(path: &Path) -> Result<Database, OpenFault> {
    let io = |error| OpenFault::Io(path.to_owned(), error);
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.as_os_str().is_empty() && !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    }
    let database = if path.exists() { open_file(path, path)? } else { create(path, folder)? };
    let newer = prepare(&database).map_err(|fault| OpenFault::Damaged(path.to_owned(), fault.to_string()))?;
    if newer { Err(OpenFault::Newer(path.to_owned())) } else { Ok(database) }
}

/// A new file gets its name only when it is whole: a process killed in here leaves nothing that looks like
/// a damaged store.
fn create(path: &Path, folder: &Path) -> Result<Database, OpenFault> {
    let io = |error| OpenFault::Io(path.to_owned(), error);
    let folder = File::open(folder).map_err(io)?;
    // Two that start at once take turns; the second then finds the first one's file.
    folder.lock().map_err(io)?;
    if path.exists() {
        return open_file(path, path);
    }
    let unfinished = path.with_extension("redb.new");
    if unfinished.exists() {
        fs::remove_file(&unfinished).map_err(io)?;
    }
    let database = open_file(&unfinished, path)?;
    fs::rename(&unfinished, path).map_err(io)?;
    folder.sync_all().map_err(io)?;
    Ok(database)
}

fn open_file(file: &Path, named: &Path) -> Result<Database, OpenFault> {
    let io = |error| OpenFault::Io(named.to_owned(), error);
    let damaged = |why: String| OpenFault::Damaged(named.to_owned(), why);
    let handle = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file)
        .map_err(io)?;
    let mut permissions = handle.metadata().map_err(io)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        handle.set_permissions(permissions).map_err(io)?;
    }
    // A damaged file may bring redb to an assertion of its own before it says `Corrupted`.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        builder.create_file(handle)
    }));
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => Err(OpenFault::Owned(named.to_owned())),
        Ok(Err(DatabaseError::Storage(StorageError::Io(error)))) if !says_damage(&error) => Err(io(error)),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("its pages contradict each other".to_owned())),
    }
}

/// Kinds of IO error by which redb means the content, not the disk.
fn says_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Makes the tables; true when a newer program wrote the file.
fn prepare(database: &Database) -> Result<bool, StoreFault> {
    {
        let transaction = database.begin_read().map_err(broken)?;
        if let Ok(book) = transaction.open_table(BOOK) {
            let format = book.get("format").map_err(broken)?.map_or(0, |format| format.value());
            if format >= FORMAT {
                return Ok(format > FORMAT);
            }
        }
    }
    let transaction = database.begin_write().map_err(broken)?;
    transaction.open_table(ENTRIES).map_err(broken)?;
    transaction.open_table(ENDS).map_err(broken)?;
    transaction.open_table(BOOK).map_err(broken)?.insert("format", FORMAT).map_err(broken)?;
    transaction.commit().map_err(broken)?;
    Ok(false)
}

fn taken_apart(record: &[u8]) -> Result<(Expiry, &[u8]), StoreFault> {
    let (end, value) = record.split_first_chunk::<8>().ok_or_else(|| broken("a record is too short"))?;
    Ok((Expiry(u64::from_be_bytes(*end)), value))
}

fn find(
    entries: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<Record>, StoreFault> {
    let Some(record) = entries.get(key).map_err(broken)? else { return Ok(None) };
    let (expiry, value) = taken_apart(record.value())?;
    Ok(Some(Record { expiry, value: Bytes::copy_from_slice(value) }))
}

fn walk(
    entries: &impl ReadableTable<&'static [u8], &'static [u8]>,
    from: &[u8],
    behind: bool,
    see: &mut See<'_>,
) -> Result<(), StoreFault> {
    let from = if behind { Bound::Excluded(from) } else { Bound::Included(from) };
    for entry in entries.range::<&[u8]>((from, Bound::Unbounded)).map_err(broken)? {
        let (key, record) = entry.map_err(broken)?;
        let (expiry, value) = taken_apart(record.value())?;
        if see(key.value(), expiry, value).is_break() {
            break;
        }
    }
    Ok(())
}

/// The entries as they were at one moment.
struct Reading(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Shelf for Reading {
    fn find(&self, key: &[u8]) -> Result<Option<Record>, StoreFault> {
        find(&self.0, key)
    }

    fn walk(&self, from: &[u8], behind: bool, see: &mut See<'_>) -> Result<(), StoreFault> {
        walk(&self.0, from, behind, see)
    }
}

/// The tables inside one transaction.
struct Drawer<'t> {
    entries: Table<'t, &'static [u8], &'static [u8]>,
    ends: Table<'t, (u64, &'static [u8]), ()>,
    used: u64,
    bytes_max: u64,
}

impl Shelf for Drawer<'_> {
    fn find(&self, key: &[u8]) -> Result<Option<Record>, StoreFault> {
        find(&self.entries, key)
    }

    fn walk(&self, from: &[u8], behind: bool, see: &mut See<'_>) -> Result<(), StoreFault> {
        walk(&self.entries, from, behind, see)
    }
}

impl OpenShelf for Drawer<'_> {
    fn lay(&mut self, key: &[u8], expiry: Expiry, value: &[u8]) -> Result<(), StoreFault> {
        let before = self.find(key)?.map_or(0, |record| weight(key, &record.value));
        let used = self.used.saturating_sub(before).saturating_add(weight(key, value));
        if used > self.bytes_max && used > self.used {
            return Err(StoreFault::Full);
        }
        self.lift(key)?;
        let record = [&expiry.0.to_be_bytes(), value].concat();
        self.entries.insert(key, record.as_slice()).map_err(broken)?;
        if expiry != Expiry::NEVER {
            self.ends.insert((expiry.0, key), ()).map_err(broken)?;
        }
        self.used = used;
        Ok(())
    }

    fn lift(&mut self, key: &[u8]) -> Result<(), StoreFault> {
        let removed = match self.entries.remove(key).map_err(broken)? {
            Some(record) => {
                let (expiry, value) = taken_apart(record.value())?;
                Some((expiry, weight(key, value)))
            }
            None => None,
        };
        if let Some((expiry, weight)) = removed {
            self.used = self.used.saturating_sub(weight);
            self.ends.remove((expiry.0, key)).map_err(broken)?;
        }
        Ok(())
    }

    fn sweep(&mut self, now: Wall, most: usize) -> Result<usize, StoreFault> {
        let mut over = Vec::new();
        let until = millis_of(now).saturating_add(1);
        for end in self.ends.range((0, &[][..])..(until, &[][..])).map_err(broken)?.take(most) {
            let (key, ()) = end.map(|(key, _)| (Box::<[u8]>::from(key.value().1), ())).map_err(broken)?;
            over.push(key);
        }
        for key in &over {
            self.lift(key)?;
        }
        Ok(over.len())
    }
}

#[cfg(test)]
mod tests;
