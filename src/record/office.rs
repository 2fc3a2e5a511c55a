//! The shared part: which site writes where, the queue to the writer, the messages of the house itself.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::{fmt, io};

use super::config::FileName;
use super::metrics::{BackendFigures, DirectorFigures, Meters};
use super::{Format, LogConfig, Pen, process, veil, writer};
use crate::base::clock::{Wall, wall};

/// Bytes that may wait for the disk, all workers together. What comes when they are used up is counted
/// and let go.
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// Where a site's lines go: a place in the office's list. It stays valid for the life of the office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sheet(pub(super) u32);

impl Sheet {
    /// For visits that name no site of ours: malformed requests, unknown hosts.
    pub const NOBODY: Sheet = Sheet(0);
    /// The house's own messages.
    pub(super) const HOUSE: Sheet = Sheet(1);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Paper {
    Visits,
    Errors,
}

/// A site and a log, its files named but for the day and the names of a path.
pub(super) struct Plate {
    /// As the label in metrics: the site's name, or `-`.
    pub label: Box<str>,
    /// The site's name where lines say it: where several sites share the file, and in JSON.
    pub in_lines: Option<Box<[u8]>>,
    pub log: LogConfig,
    visits: FileName,
    errors: FileName,
}

impl Plate {
    fn new(state: &Path, label: &str, folder: &str, log: &LogConfig) -> Self {
        let [visits, errors] = log.files(state, folder);
        let shared = !log.file.contains("{site}") || !log.errors.contains("{site}");
        // JSON goes to collectors, which read many files as one.
        let named = shared || log.format == Format::Json;
        let mut name = Vec::new();
        veil::escape(&mut name, label.as_bytes());
        Self { label: label.into(), in_lines: named.then(|| name.into()), log: log.clone(), visits, errors }
    }

    /// `names`: what the names of a path stand for, as `FileName` takes them.
    pub fn path(&self, paper: Paper, day: u64, names: &str) -> PathBuf {
        let file = match paper {
            Paper::Visits => &self.visits,
            Paper::Errors => &self.errors,
        };
        file.path(&Wall::from_seconds(day * 86_400).day(), names)
    }
}

pub(super) struct Parcel {
    pub sheet: Sheet,
    pub paper: Paper,
    /// Whose of the sheet's files: empty where it has one.
    pub names: Box<str>,
    pub day: u64,
    pub bytes: Vec<u8>,
    pub lines: u64,
}

pub(super) enum Message {
    Parcel(Parcel),
    Reopen,
    /// Answered when all that came before is written, or can't be.
    Settle(SyncSender<()>),
    Stop,
}

/// What pens, house and writer share.
pub(super) struct Shared {
    pub plates: Mutex<Vec<Arc<Plate>>>,
    queued: AtomicUsize,
    dropped: AtomicU64,
}

impl Shared {
    pub fn new(plates: Vec<Arc<Plate>>) -> Self {
        Self { plates: Mutex::new(plates), queued: AtomicUsize::new(0), dropped: AtomicU64::new(0) }
    }

    pub fn plate(&self, sheet: Sheet) -> Option<Arc<Plate>> {
        let plates = self.plates.lock().unwrap_or_else(PoisonError::into_inner);
        plates.get(sheet.0 as usize).cloned()
    }

    pub fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Bytes that wait without having come by the queue: the writer's own messages.
    pub fn hold(&self, bytes: usize) {
        self.queued.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was queued is on disk, or given up.
    pub fn release(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    pub state: PathBuf,
    /// The log of visits that name no site of ours; their `{site}` is `unknown`.
    pub unknown: LogConfig,
    /// Also say the house's own messages on standard error.
    pub stderr: bool,
}

/// One for the process. Dropping it writes what is left and ends the writer.
pub struct Office {
    shared: Arc<Shared>,
    state: PathBuf,
    to_writer: Sender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    pub(super) meters: Meters,
    started: Wall,
}

impl Office {
    pub fn open(options: Options) -> io::Result<Arc<Self>> {
        let house = LogConfig {
            name: "doorward".into(),
            format: Format::Combined,
            file: "{state}/log/doorward-{day}.log".into(),
            errors: "{state}/log/doorward-{day}.log".into(),
            names: Box::default(),
        };
        let plates = vec![
            Arc::new(Plate::new(&options.state, "-", "unknown", &options.unknown)),
            Arc::new(Plate::new(&options.state, "-", "doorward", &house)),
        ];
        let shared = Arc::new(Shared::new(plates));
        let (to_writer, from_pens) = mpsc::channel();
        let writer = writer::Writer::new(Arc::clone(&shared), options.stderr);
        let thread =
            std::thread::Builder::new().name("doorward-log".into()).spawn(move || writer.run(&from_pens))?;
        Ok(Arc::new(Self {
            shared,
            state: options.state,
            to_writer,
            writer: Mutex::new(Some(thread)),
            meters: Meters::new().map_err(io::Error::other)?,
            started: wall(),
        }))
    }

    /// Where lines of a site go. Asking twice for the same gives the same sheet, so a reload goes on in
    /// the files that are open.
    pub fn sheet(&self, site: &str, log: &LogConfig) -> Sheet {
        let mut plates = self.shared.plates.lock().unwrap_or_else(PoisonError::into_inner);
        let known = plates.iter().skip(2).position(|plate| *plate.label == *site && plate.log == *log);
        let at = known.map_or(plates.len(), |at| at + 2);
        if known.is_none() {
            plates.push(Arc::new(Plate::new(&self.state, site, site, log)));
        }
        Sheet(u32::try_from(at).unwrap_or(0))
    }

    /// A worker's pen.
    pub fn pen(self: &Arc<Self>) -> Rc<Pen> {
        Pen::new(Arc::clone(self))
    }

    /// A message of the house itself: constant lower-case text, and fields.
    pub fn note(&self, level: Level, text: &'static str, fields: &[(&'static str, &dyn fmt::Display)]) {
        let now = wall();
        let bytes = note_line(now, level, text, fields);
        self.send(Parcel {
            sheet: Sheet::HOUSE,
            paper: Paper::Errors,
            names: Box::default(),
            day: now.day_number(),
            bytes,
            lines: 1,
        });
    }

    /// Never waits.
    pub(super) fn send(&self, parcel: Parcel) {
        let (bytes, lines) = (parcel.bytes.len(), parcel.lines);
        if self.shared.queued.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES_MAX
            || self.to_writer.send(Message::Parcel(parcel)).is_err()
        {
            self.shared.release(bytes);
            self.shared.drop_lines(lines);
        }
    }

    pub(super) fn plate(&self, sheet: Sheet) -> Option<Arc<Plate>> {
        self.shared.plate(sheet)
    }

    /// Closes all files; the next line opens them anew. For log rotation by others.
    pub fn reopen(&self) {
        let _ = self.to_writer.send(Message::Reopen);
    }

    /// Waits until all that was handed over so far is on disk or given up. Not for workers.
    pub fn settle(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.to_writer.send(Message::Settle(done)).is_ok() {
            let _ = wait.recv();
        }
    }

    /// Writes what is left and ends the writer. Pens are flushed before; what comes after is counted as
    /// dropped.
    pub fn close(&self) {
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = self.to_writer.send(Message::Stop);
            let _ = thread.join();
        }
    }

    /// Lines that could not be kept.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    pub fn reloaded(&self, taken: bool) {
        self.meters.reloads.with_label_values(&[if taken { "taken" } else { "refused" }]).inc();
    }

    /// When each site's certificate ends; replaces what was said before.
    pub fn certificates(&self, ends: &[(&str, Wall)]) {
        self.meters.certificates(ends);
    }

    /// Lines that are not written.
    pub(super) fn drop_lines(&self, lines: u64) {
        self.shared.drop_lines(lines);
    }

    /// The page `/metrics`. Reads `/proc`: not for workers.
    pub fn scrape(&self, backends: &[BackendFigures], directors: &[DirectorFigures]) -> String {
        self.meters
            .scrape(backends, directors, process::figures(), self.dropped(), self.started)
            .unwrap_or_else(|error| {
                self.note(Level::Error, "metrics could not be written", &[("error", &error)]);
                String::new()
            })
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.close();
    }
}

/// `2026-11-20T13:55:12.123Z warning text of the message key="value"`.
pub(super) fn note_line(
    now: Wall,
    level: Level,
    text: &str,
    fields: &[(&'static str, &dyn fmt::Display)],
) -> Vec<u8> {
    let mut line = now.iso().into_bytes();
    line.push(b' ');
    line.extend_from_slice(level.name().as_bytes());
    line.push(b' ');
    veil::escape(&mut line, text.as_bytes());
    for (key, value) in fields {
        line.push(b' ');
        line.extend_from_slice(key.as_bytes());
        line.extend_from_slice(b"=\"");
        veil::prose(&mut line, &value.to_string());
        line.push(b'"');
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_the_site_where_the_file_does_not() {
        let plate = Plate::new(Path::new("/s"), "a.example", "a.example", &LogConfig::standard());
        assert_eq!(
            plate.path(Paper::Visits, 20_777, ""),
            Path::new("/s/log/a.example/access-2026-11-20.log")
        );
        assert!(plate.in_lines.is_none());
        let shared = LogConfig { file: "all.log".into(), ..LogConfig::standard() };
        let plate = Plate::new(Path::new("/s"), "a.example", "a.example", &shared);
        assert_eq!(plate.in_lines.as_deref(), Some(&b"a.example"[..]));
    }
}
