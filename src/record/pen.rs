//! One worker's batches and counters. Never leaves its thread, never waits, shares nothing that another
//! worker writes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use prometheus::local::{LocalHistogram, LocalIntCounter};

use super::line::{self, Remark, Stamp, Trouble, Visit};
use super::metrics::{Handshake, Listener, as_seconds};
use super::office::{Office, Paper, Parcel, Plate, Sheet};
use super::{Format, Ticket, veil};
use crate::base::address::Anonymous;
use crate::base::cause::Cause;
use crate::base::clock::{Wall, wall};
use crate::base::fault::Fault;
use crate::base::random::RequestId;

/// A batch of this size goes to the writer at once; smaller ones wait for the flush.
const BATCH_BYTES: usize = 32 << 10;
/// Text buffers of tickets that are kept for the next one, and the largest kept.
const SPARE_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 8 << 10;
/// Lines about failed handshakes, for each worker.
const KNOCKS_PER_SECOND: u32 = 10;
/// Lines that rules write, for each worker: more than that is a rule that logs every visit of a crowd.
const REMARKS_PER_SECOND: u32 = 1_000;

pub struct Pen {
    office: Arc<Office>,
    inner: RefCell<Inner>,
    spare: RefCell<Vec<Vec<u8>>>,
    connections: [Cell<i64>; Listener::ALL.len()],
    /// Failed handshakes written in this second.
    knocks: Cell<(u64, u32)>,
    /// Lines of rules written in this second.
    remarks: Cell<(u64, u32)>,
    /// The worker ends: what is open is ended by us.
    shut: Cell<bool>,
    #[cfg(test)]
    pub(super) time: Cell<Option<Wall>>,
}

struct Inner {
    stamp: Stamp,
    day: u64,
    leaves: Vec<Option<Box<Leaf>>>,
    /// Leaves with something to flush.
    dirty: Vec<Sheet>,
    /// In the order of `Cause::ALL`.
    faults: Vec<LocalIntCounter>,
    handshakes: Vec<LocalIntCounter>,
}

/// Where a line goes: a sheet, and which of its files where they are named by names of a path.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub sheet: Sheet,
    pub names: &'a str,
}

impl Page<'_> {
    /// Of a sheet with one file.
    pub const fn of(sheet: Sheet) -> Page<'static> {
        Page { sheet, names: "" }
    }
}

/// One site as this worker sees it.
struct Leaf {
    plate: Arc<Plate>,
    format: Format,
    dirty: bool,
    batches: Batches,
    /// The same for those whose files are named by names of a path; gone with the next flush, so that there are
    /// never more than were visited since the last.
    named: HashMap<Box<str>, Batches>,
    statuses: Vec<(u16, LocalIntCounter)>,
    seconds: LocalHistogram,
    bytes_in: LocalIntCounter,
    bytes_out: LocalIntCounter,
}

#[derive(Default)]
struct Batches {
    visits: Batch,
    errors: Batch,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Batches {
    fn hand_over(&mut self, office: &Office, page: Page<'_>, day: u64) {
        self.visits.hand_over(office, page, Paper::Visits, day);
        self.errors.hand_over(office, page, Paper::Errors, day);
    }
}

impl Batch {
    fn hand_over(&mut self, office: &Office, page: Page<'_>, paper: Paper, day: u64) {
        if self.lines > 0 {
            let bytes = std::mem::take(&mut self.bytes);
            let lines = std::mem::take(&mut self.lines);
            let Page { sheet, names } = page;
            office.send(Parcel { sheet, paper, names: names.into(), day, bytes, lines });
        }
    }
}

impl Pen {
    pub(super) fn new(office: Arc<Office>) -> Rc<Self> {
        let local =
            |vector: &prometheus::IntCounterVec, label: &str| vector.with_label_values(&[label]).local();
        let inner = Inner {
            stamp: Stamp::new(),
            day: 0,
            leaves: Vec::new(),
            dirty: Vec::new(),
            faults: Cause::ALL.iter().map(|cause| local(&office.meters.faults, cause.name())).collect(),
            handshakes: Handshake::ALL
                .iter()
                .map(|result| local(&office.meters.handshakes, result.name()))
                .collect(),
        };
        Rc::new(Self {
            office,
            inner: RefCell::new(inner),
            spare: RefCell::default(),
            connections: Default::default(),
            knocks: Cell::default(),
            remarks: Cell::default(),
            shut: Cell::new(false),
            #[cfg(test)]
            time: Cell::new(None),
        })
    }

    /// A visit begins.
    pub fn ticket(self: &Rc<Self>, id: RequestId, client: Anonymous) -> Ticket {
        Ticket::new(Rc::clone(self), id, client)
    }

    /// A fault that belongs to no visit.
    pub fn error(&self, sheet: Sheet, id: RequestId, fault: &Fault, backend: Option<&str>) {
        let (mut detail, mut name) = (Vec::new(), Vec::new());
        veil::prose(&mut detail, fault.detail());
        veil::escape(&mut name, backend.unwrap_or("").as_bytes());
        let trouble =
            Trouble { id, cause: fault.cause, status: fault.cause.status(), backend: &name, detail: &detail };
        let now = self.wall();
        let inner = &mut *self.inner.borrow_mut();
        inner.begin(&self.office, now);
        inner.count_fault(fault.cause);
        inner.trouble(&self.office, Page::of(sheet), now, &trouble);
    }

    /// Why a connection never came to a request. Strangers knock with all kinds of garbage, so only the
    /// first few of a second are written; the counter has them all.
    pub fn handshake_fault(&self, fault: &Fault) {
        let second = self.wall().seconds;
        let (last, written) = self.knocks.get();
        let written = if last == second { written } else { 0 };
        self.knocks.set((second, written.saturating_add(1)));
        if written < KNOCKS_PER_SECOND {
            self.error(Sheet::NOBODY, RequestId::next(), fault, None);
        } else {
            self.inner.borrow().count_fault(fault.cause);
        }
    }

    /// What a rule says of a visit (`std.log`), or the program that answers it: a line among the errors of its
    /// site, veiled like all else. Beyond what a worker may write in a second lines are counted as dropped.
    pub(super) fn remark(&self, page: Page<'_>, remark: &Remark<'_>) {
        let now = self.wall();
        let (last, written) = self.remarks.get();
        let written = if last == now.seconds { written } else { 0 };
        self.remarks.set((now.seconds, written.saturating_add(1)));
        if written >= REMARKS_PER_SECOND {
            return self.office.drop_lines(1);
        }
        let mut veiled = self.buffer();
        veil::prose(&mut veiled, &String::from_utf8_lossy(remark.text));
        let inner = &mut *self.inner.borrow_mut();
        inner.begin(&self.office, now);
        inner.remark(&self.office, page, now, &Remark { text: &veiled, ..*remark });
        self.take_back(veiled);
    }

    /// A connection from a visitor; it counts until the presence is dropped.
    pub fn presence(self: &Rc<Self>, listener: Listener) -> Presence {
        self.moved(listener, 1);
        Presence { pen: Rc::clone(self), listener }
    }

    fn moved(&self, listener: Listener, by: i64) {
        if let Some(cell) = self.connections.get(listener as usize) {
            cell.set(cell.get() + by);
        }
    }

    /// From now on visits that end without their whole answer were ended by the house.
    pub fn shut(&self) {
        self.shut.set(true);
    }

    pub(super) fn is_shut(&self) -> bool {
        self.shut.get()
    }

    pub fn handshake(&self, result: Handshake) {
        if let Some(counter) = self.inner.borrow().handshakes.get(result as usize) {
            counter.inc();
        }
    }

    /// Hands everything to the writer and the shared counters. The house calls it a few times a second,
    /// and when a worker ends.
    pub fn flush(&self) {
        let inner = &mut *self.inner.borrow_mut();
        inner.hand_over(&self.office);
        for counter in inner.faults.iter().chain(&inner.handshakes) {
            counter.flush();
        }
        for (listener, cell) in Listener::ALL.iter().zip(&self.connections) {
            let by = cell.take();
            if by != 0 {
                self.office.meters.connections.with_label_values(&[listener.name()]).add(by);
            }
        }
    }

    /// Writes a visit's line, its fault's line, and counts both. A tunnel stays out of the
    /// histogram: it lasts as long as somebody likes.
    pub(super) fn write(&self, page: Page<'_>, visit: &Visit<'_>, detail: Option<&[u8]>, in_histogram: bool) {
        let now = self.wall();
        let inner = &mut *self.inner.borrow_mut();
        inner.begin(&self.office, now);
        if let Some(cause) = visit.cause {
            inner.count_fault(cause);
        }
        if let (Some(cause), Some(detail)) = (visit.cause, detail) {
            let trouble =
                Trouble { id: visit.id, cause, status: visit.status, backend: visit.backend, detail };
            inner.trouble(&self.office, page, now, &trouble);
        }
        let Inner { stamp, leaves, dirty, day, .. } = inner;
        let Some(leaf) = leaf(leaves, dirty, &self.office, page.sheet) else { return };
        leaf.count(&self.office, visit, in_histogram);
        leaf.line(&self.office, page, Paper::Visits, *day, |into, format, site| {
            line::visit(into, format, site, now, stamp, visit);
        });
    }

    pub(super) fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(512))
    }

    pub(super) fn take_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_BYTES_MAX {
            buffer.clear();
            spare.push(buffer);
        }
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self)] // tests set their own time
    fn wall(&self) -> Wall {
        wall()
    }

    #[cfg(test)]
    fn wall(&self) -> Wall {
        self.time.get().unwrap_or_else(wall)
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Inner {
    /// A new day gets new files: what was written yesterday goes there first.
    fn begin(&mut self, office: &Office, now: Wall) {
        if self.day != now.day_number() {
            self.hand_over(office);
            self.day = now.day_number();
        }
        self.stamp.set(now);
    }

    fn count_fault(&self, cause: Cause) {
        if let Some(counter) = self.faults.get(cause as usize) {
            counter.inc();
        }
    }

    fn trouble(&mut self, office: &Office, page: Page<'_>, now: Wall, trouble: &Trouble<'_>) {
        let Inner { stamp, leaves, dirty, day, .. } = self;
        let Some(leaf) = leaf(leaves, dirty, office, page.sheet) else { return };
        leaf.line(office, page, Paper::Errors, *day, |into, format, site| {
            line::trouble(into, format, site, now, stamp, trouble);
        });
    }

    fn remark(&mut self, office: &Office, page: Page<'_>, now: Wall, remark: &Remark<'_>) {
        let Self { stamp, leaves, dirty, day, .. } = self;
        let Some(leaf) = leaf(leaves, dirty, office, page.sheet) else { return };
        leaf.line(office, page, Paper::Errors, *day, |into, format, site| {
            line::remark(into, format, site, now, stamp, remark);
        });
    }

    fn hand_over(&mut self, office: &Office) {
        for sheet in self.dirty.drain(..) {
            let Some(Some(leaf)) = self.leaves.get_mut(sheet.0 as usize) else { continue };
            leaf.dirty = false;
            leaf.batches.hand_over(office, Page::of(sheet), self.day);
            for (names, mut batches) in leaf.named.drain() {
                batches.hand_over(office, Page { sheet, names: &names }, self.day);
            }
            for (_, counter) in &leaf.statuses {
                counter.flush();
            }
            leaf.seconds.flush();
            leaf.bytes_in.flush();
            leaf.bytes_out.flush();
        }
    }
}

/// This worker's leaf of a sheet, made when it is first written on, marked for the next flush.
fn leaf<'a>(
    leaves: &'a mut Vec<Option<Box<Leaf>>>,
    dirty: &mut Vec<Sheet>,
    office: &Office,
    sheet: Sheet,
) -> Option<&'a mut Leaf> {
    let at = sheet.0 as usize;
    if leaves.len() <= at {
        leaves.resize_with(at + 1, || None);
    }
    let place = leaves.get_mut(at)?;
    if place.is_none() {
        *place = Some(Box::new(Leaf::new(office, office.plate(sheet)?)));
    }
    let leaf = place.as_deref_mut()?;
    if !leaf.dirty {
        leaf.dirty = true;
        dirty.push(sheet);
    }
    Some(leaf)
}

impl Leaf {
    fn new(office: &Office, plate: Arc<Plate>) -> Self {
        let site = &*plate.label;
        let meters = &office.meters;
        Self {
            format: plate.log.format,
            dirty: false,
            batches: Batches::default(),
            named: HashMap::new(),
            statuses: Vec::new(),
            seconds: meters.seconds.with_label_values(&[site]).local(),
            bytes_in: meters.bytes.with_label_values(&[site, "in"]).local(),
            bytes_out: meters.bytes.with_label_values(&[site, "out"]).local(),
            plate,
        }
    }

    /// Writes one line into a batch, which goes when it is large.
    fn line(
        &mut self,
        office: &Office,
        page: Page<'_>,
        paper: Paper,
        day: u64,
        write: impl FnOnce(&mut Vec<u8>, Format, Option<&[u8]>),
    ) {
        let batches = if page.names.is_empty() {
            &mut self.batches
        } else if self.named.contains_key(page.names) {
            let Some(batches) = self.named.get_mut(page.names) else { return };
            batches
        } else {
            self.named.entry(page.names.into()).or_default()
        };
        let batch = match paper {
            Paper::Visits => &mut batches.visits,
            Paper::Errors => &mut batches.errors,
        };
        write(&mut batch.bytes, self.format, self.plate.in_lines.as_deref());
        batch.lines += 1;
        if batch.bytes.len() >= BATCH_BYTES {
            batch.hand_over(office, page, paper, day);
        }
    }

    fn count(&mut self, office: &Office, visit: &Visit<'_>, in_histogram: bool) {
        let known = self.statuses.iter().find(|(status, _)| *status == visit.status);
        if let Some((_, counter)) = known {
            counter.inc();
        } else {
            let status = visit.status.to_string();
            let counter =
                office.meters.requests.with_label_values(&[&*self.plate.label, status.as_str()]).local();
            counter.inc();
            self.statuses.push((visit.status, counter));
        }
        if in_histogram {
            self.seconds.observe(as_seconds(visit.duration));
        }
        self.bytes_in.inc_by(visit.from_visitor);
        self.bytes_out.inc_by(visit.to_visitor);
    }
}

/// A connection that counts as open.
pub struct Presence {
    pen: Rc<Pen>,
    listener: Listener,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.pen.moved(self.listener, -1);
    }
}
