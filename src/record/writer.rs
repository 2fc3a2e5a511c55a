//! The thread that owns the files. It may wait for a disk; nobody waits for it.
//!
//! What a file does not take stays here, bounded, and is tried again each second, so that a disk that was
//! full for a while costs nothing but the wait. A line is never left half-written in the middle of a file:
//! the rest goes to the same file, or the whole line to the next one.

use std::collections::{HashMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Sheet;
use super::office::{Level, Message, Parcel, Shared, note_line};
use crate::base::clock::{Instant, now, wall};

/// However many sites and projects are visited: a table may name ten thousand files.
pub(super) const OPEN_FILES_MAX: usize = 128;
/// A file that nobody wrote to for so long is closed; the next line opens it again.
const UNUSED: Duration = Duration::from_secs(300);
/// What may wait for one file that does not open or take; and for all such files, so that they leave room
/// in the queue for the others.
const WAITING_BYTES_MAX: usize = 1 << 20;
const WAITING_BYTES_MAX_IN_ALL: usize = 8 << 20;
const RETRY: Duration = Duration::from_secs(1);
/// How often lost lines are spoken of.
const CONFESSION: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    shared: Arc<Shared>,
    stderr: bool,
    files: HashMap<PathBuf, Page>,
    open: usize,
    waiting_bytes: usize,
    /// The newest day that was written.
    day: u64,
    uses: u64,
    /// Unused files were looked for.
    tidied: Option<Instant>,
    /// Lost lines already spoken of, and when.
    confessed: u64,
    confessed_at: Option<Instant>,
    /// Messages of the writer's own that wait to be written.
    notes: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Page {
    file: Option<File>,
    day: u64,
    used: u64,
    used_at: Option<Instant>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// The last try failed, at this time.
    failed: Option<Instant>,
}

struct Waiting {
    bytes: Vec<u8>,
    written: usize,
    lines: u64,
}

impl Waiting {
    /// Back to the start of the line that was torn.
    fn rewind(&mut self) {
        let written = self.bytes.get(..self.written).unwrap_or_default();
        self.written = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    }
}

impl Writer {
    pub fn new(shared: Arc<Shared>, stderr: bool) -> Self {
        Self {
            shared,
            stderr,
            files: HashMap::new(),
            open: 0,
            waiting_bytes: 0,
            day: 0,
            uses: 0,
            tidied: None,
            confessed: 0,
            confessed_at: None,
            notes: Vec::new(),
        }
    }

    pub fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let troubled = self.waiting_bytes > 0 || self.shared.dropped() > self.confessed;
            let message = if troubled {
                messages.recv_timeout(RETRY)
            } else if self.open > 0 {
                messages.recv_timeout(UNUSED)
            } else {
                messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match message {
                Ok(Message::Parcel(parcel)) => self.take(parcel),
                Ok(Message::Reopen) => self.reopen(),
                Ok(Message::Settle(done)) => {
                    self.retry(true);
                    self.confess(true);
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.retry(false);
            self.confess(false);
            self.close_unused(now());
        }
        // What was sent while the last message was on its way.
        while let Ok(message) = messages.try_recv() {
            if let Message::Parcel(parcel) = message {
                self.take(parcel);
            }
        }
        self.retry(true);
        let lost: u64 = self.files.values().flat_map(|page| &page.waiting).map(|waiting| waiting.lines).sum();
        self.shared.drop_lines(lost);
        self.confess(true);
    }

    fn take(&mut self, parcel: Parcel) {
        if self.stderr && parcel.sheet == Sheet::HOUSE {
            // Nothing is left to tell a broken standard error to.
            let _ = io::stderr().write_all(&parcel.bytes);
        }
        let Some(plate) = self.shared.plate(parcel.sheet) else {
            self.shared.release(parcel.bytes.len());
            self.shared.drop_lines(parcel.lines);
            return;
        };
        self.put(
            &plate.path(parcel.paper, parcel.day, &parcel.names),
            parcel.day,
            parcel.bytes,
            parcel.lines,
        );
    }

    fn put(&mut self, path: &Path, day: u64, bytes: Vec<u8>, lines: u64) {
        if day > self.day {
            self.day = day;
            self.close_before(day);
        }
        self.uses += 1;
        let length = bytes.len();
        let page = self.files.entry(path.to_owned()).or_default();
        page.day = day;
        page.used = self.uses;
        page.used_at = Some(now());
        if page.failed.is_some()
            && (page.waiting_bytes + length > WAITING_BYTES_MAX
                || self.waiting_bytes + length > WAITING_BYTES_MAX_IN_ALL)
        {
            self.shared.release(length);
            self.shared.drop_lines(lines);
            return;
        }
        page.waiting.push_back(Waiting { bytes, written: 0, lines });
        page.waiting_bytes += length;
        self.waiting_bytes += length;
        // A file that failed a moment ago is asked again by `retry`.
        if page.failed.is_none() {
            self.write(path);
        }
    }

    /// Writes what waits for a file, opening it first.
    fn write(&mut self, path: &Path) {
        // Somebody took the file away without a word: lines into a nameless file are lost lines.
        let gone = |file: &File| file.metadata().is_ok_and(|facts| facts.nlink() == 0);
        if self.files.get(path).is_some_and(|page| page.file.as_ref().is_some_and(gone)) {
            self.shut(path);
        }
        if self.files.get(path).is_some_and(|page| page.file.is_none()) {
            while self.open >= OPEN_FILES_MAX && self.close_least_used() {}
        }
        let Some(page) = self.files.get_mut(path) else { return };
        let before = page.waiting_bytes;
        let was_open = page.file.is_some();
        let outcome = page.write(path, &self.shared);
        self.waiting_bytes -= before - page.waiting_bytes;
        self.open = self.open + usize::from(page.file.is_some()) - usize::from(was_open);
        match outcome {
            Ok(()) => {
                if page.failed.take().is_some() {
                    self.say(Level::Info, "a log file can be written again", path, "");
                }
            }
            Err(error) => {
                let first = page.failed.is_none();
                page.failed = Some(now());
                if first {
                    self.say(Level::Error, "a log file can't be written", path, &error.to_string());
                }
            }
        }
    }

    fn say(&mut self, level: Level, text: &'static str, path: &Path, error: &str) {
        let path = path.display();
        let line = if error.is_empty() {
            note_line(wall(), level, text, &[("file", &path)])
        } else {
            note_line(wall(), level, text, &[("file", &path), ("error", &error)])
        };
        self.notes.push(line);
    }

    /// Tries again where the last try failed, a second later or now; then writes the writer's own messages.
    fn retry(&mut self, at_once: bool) {
        if self.waiting_bytes > 0 {
            let due = |page: &Page| {
                !page.waiting.is_empty()
                    && page.failed.is_none_or(|at| at_once || now().saturating_duration_since(at) >= RETRY)
            };
            let paths: Vec<PathBuf> =
                self.files.iter().filter(|(_, page)| due(page)).map(|(path, _)| path.clone()).collect();
            for path in paths {
                self.write(&path);
            }
        }
        self.write_notes();
    }

    fn write_notes(&mut self) {
        for line in std::mem::take(&mut self.notes) {
            if self.stderr {
                let _ = io::stderr().write_all(&line);
            }
            if let Some(plate) = self.shared.plate(Sheet::HOUSE) {
                let day = wall().day_number();
                let path = plate.path(super::office::Paper::Errors, day, "");
                // Not queued, so there is nothing to release: counted as if it had been.
                self.shared.hold(line.len());
                self.put(&path, day, line, 1);
            }
        }
        // What writing them had to say is said next time.
    }

    /// Says how many lines were lost, now and then.
    fn confess(&mut self, at_once: bool) {
        let dropped = self.shared.dropped();
        let recently = self.confessed_at.is_some_and(|at| now().saturating_duration_since(at) < CONFESSION);
        if dropped > self.confessed && (at_once || !recently) {
            let lines = dropped - self.confessed;
            self.notes.push(note_line(wall(), Level::Error, "log lines were lost", &[("lines", &lines)]));
            self.confessed = dropped;
            self.confessed_at = Some(now());
            self.write_notes();
        }
    }

    fn reopen(&mut self) {
        for page in self.files.values_mut() {
            page.shut();
            page.failed = None;
        }
        self.open = 0;
        self.files.retain(|_, page| !page.waiting.is_empty());
    }

    fn close_before(&mut self, day: u64) {
        for page in self.files.values_mut().filter(|page| page.day < day) {
            self.open -= usize::from(page.file.is_some());
            page.shut();
        }
        self.files.retain(|_, page| page.day >= day || !page.waiting.is_empty());
    }

    fn close_unused(&mut self, now: Instant) {
        let long_ago = |at: Option<Instant>| at.is_none_or(|at| now.saturating_duration_since(at) >= UNUSED);
        if !long_ago(self.tidied) {
            return;
        }
        self.tidied = Some(now);
        for page in self.files.values_mut().filter(|page| page.waiting.is_empty() && long_ago(page.used_at)) {
            self.open -= usize::from(page.file.is_some());
            page.shut();
        }
        self.files.retain(|_, page| page.file.is_some() || !page.waiting.is_empty());
    }

    fn close_least_used(&mut self) -> bool {
        let open = self.files.iter().filter(|(_, page)| page.file.is_some());
        let Some(path) = open.min_by_key(|(_, page)| page.used).map(|(path, _)| path.clone()) else {
            return false;
        };
        self.shut(&path);
        if self.files.get(&path).is_some_and(|page| page.waiting.is_empty()) {
            self.files.remove(&path);
        }
        true
    }

    fn shut(&mut self, path: &Path) {
        if let Some(page) = self.files.get_mut(path) {
            self.open -= usize::from(page.file.is_some());
            page.shut();
        }
    }
}

impl Page {
    fn write(&mut self, path: &Path, shared: &Shared) -> io::Result<()> {
        while let Some(first) = self.waiting.front_mut() {
            let mut file = match &self.file {
                Some(file) => file,
                None => self.file.insert(open(path)?),
            };
            let rest = first.bytes.get(first.written..).unwrap_or_default();
            let outcome = if rest.is_empty() { Ok(0) } else { file.write(rest) };
            match outcome {
                Ok(0) if !rest.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => first.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // A full disk keeps the file, so that the line goes on where it broke off.
                    if error.kind() != io::ErrorKind::StorageFull {
                        self.shut();
                    }
                    return Err(error);
                }
            }
            if first.written == first.bytes.len() {
                shared.release(first.bytes.len());
                self.waiting_bytes -= first.bytes.len();
                self.waiting.pop_front();
            }
        }
        Ok(())
    }

    fn shut(&mut self) {
        self.file = None;
        if let Some(first) = self.waiting.front_mut() {
            first.rewind();
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path);
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
            }
            open()?
        }
        other => other?,
    };
    // A crash or a full disk may have torn the last line: the next one must not become a part of it.
    let mut last = [b'\n'];
    if let Some(end) = file.metadata()?.len().checked_sub(1) {
        file.read_exact_at(&mut last, end)?;
    }
    if last != [b'\n'] {
        (&file).write_all(b"\n")?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random;

    #[test]
    fn a_file_that_nobody_writes_to_is_closed_and_opened_again() {
        let folder = std::env::temp_dir().join(format!("doorward-writer-{:x}", random::number()));
        let mut writer = Writer::new(Arc::new(Shared::new(Vec::new())), false);
        let line = |writer: &mut Writer, name: &str| {
            let bytes = b"line\n".to_vec();
            writer.shared.hold(bytes.len());
            writer.put(&folder.join(name), 1, bytes, 1);
        };
        line(&mut writer, "a");
        line(&mut writer, "b");
        writer.close_unused(now());
        assert_eq!((writer.open, writer.files.len()), (2, 2), "both were written to just now");
        writer.close_unused(now() + UNUSED);
        assert_eq!((writer.open, writer.files.len()), (0, 0));
        line(&mut writer, "a");
        assert_eq!((writer.open, writer.files.len()), (1, 1));
        assert_eq!(std::fs::read(folder.join("a")).unwrap(), b"line\nline\n");
        let _ = std::fs::remove_dir_all(folder);
    }
}
