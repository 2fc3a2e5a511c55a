//! Opening: a name below the root becomes an open file, or nothing. Whatever may wait for a disk happens on a
//! thread of its own; what the kernel has in its caches (`RESOLVE_CACHED`) is opened where the request is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;
use tokio::sync::Semaphore;

use super::encodings::{self, Encoding};
use super::{Shared, broken, names, types};
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant, Wall};
use crate::base::fault::Fault;
use crate::plan::{self, Links};
use crate::script;

/// How long a root stays open before its path is looked at again: releases are often switched by a link.
const FRESH: Duration = Duration::from_secs(1);
/// Threads of the whole house that may wait for a disk at once: one that hangs must not take all there are.
const WAITING_MAX: usize = 64;
/// How often an opening is tried anew that lost a race against somebody who renames folders.
const RACES_MAX: usize = 4;

static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);

/// A folder whose files are served.
pub struct Root {
    path: PathBuf,
    opened: ArcSwapOption<Opened>,
}

/// The folder, as it was opened last.
pub struct Opened {
    folder: OwnedFd,
    at: Instant,
}

/// A name to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Below the root, without a slash at either end; empty for the root itself.
    pub name: String,
    /// A folder is meant.
    pub slash: bool,
    /// It is the path that was asked for: a folder without its slash is asked for again with it.
    pub asked: bool,
    /// It names a script; this follows it in the path.
    pub runs: Option<String>,
}

/// What is looked for, one after the other, and in which encodings a file is taken.
pub struct Wanted {
    pub candidates: Vec<Candidate>,
    pub encodings: encodings::Wanted,
}

/// What lies at the first name that leads to something.
pub enum Stood {
    File(Found),
    /// A script, by its name below the root, and what follows it in the path.
    Script(String, String),
    /// A folder that can be shown, and was asked for without its slash.
    Slash,
    /// A folder without an index that may be listed.
    Folder(Folder),
}

/// An open file.
pub struct Found {
    pub file: Shared,
    /// The name of the file itself, whatever its encoding.
    pub name: String,
    pub size: u64,
    pub modified: Wall,
    pub encoding: Option<Encoding>,
    /// Another visitor may get another encoding.
    pub varies: bool,
}

/// A folder that may be listed.
pub struct Folder {
    pub root: Arc<Opened>,
    pub name: String,
    pub links: Links,
}

/// Whether the caches must have it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Now, or not at all.
    Cached,
    /// It may take as long as the disk does.
    Patient,
}

/// Why there is nothing.
enum Missed {
    /// The caches don't have it.
    Again,
    /// No such file; the reason is for the log.
    Absent(&'static str),
    Failed(io::Error),
}

impl Root {
    /// A folder that is missing now may be there later: it is looked for with each request.
    pub fn new(path: &Path) -> Self {
        // What backends name begins at the root of the file system, whatever the rules begin at.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { path, opened: ArcSwapOption::empty() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, to learn whether it can be.
    pub fn try_open(&self) -> io::Result<()> {
        self.open(Pace::Patient).map(|_| ())
    }

    fn folder(&self, pace: Pace) -> io::Result<Arc<Opened>> {
        if let Some(opened) = self.opened.load_full()
            && clock::now().saturating_duration_since(opened.at) < FRESH
        {
            return Ok(opened);
        }
        self.open(pace)
    }

    fn open(&self, pace: Pace) -> io::Result<Arc<Opened>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat2(CWD, &self.path, flags, Mode::empty(), pace.flags())?;
        let opened = Arc::new(Opened { folder, at: clock::now() });
        self.opened.store(Some(Arc::clone(&opened)));
        Ok(opened)
    }
}

impl Pace {
    fn flags(self) -> ResolveFlags {
        match self {
            Self::Cached => ResolveFlags::CACHED,
            Self::Patient => ResolveFlags::empty(),
        }
    }
}

impl Candidate {
    /// A name that the rules say, and not the visitor.
    pub fn said(name: &str) -> Self {
        let slash = name.ends_with('/');
        let name = name.trim_matches('/').to_owned();
        Self { name, slash, asked: false, runs: None }
    }
}

impl Opened {
    /// Opens a name below the folder. Where links may lead is the kernel's business, in one step with the opening.
    fn open(&self, name: &str, flags: OFlags, links: Links, pace: Pace) -> Result<OwnedFd, Missed> {
        let beneath = match links {
            Links::Inside => ResolveFlags::BENEATH,
            Links::Follow => ResolveFlags::empty(),
            Links::Refuse => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        };
        let resolve = beneath | ResolveFlags::NO_MAGICLINKS | pace.flags();
        let name = if name.is_empty() { "." } else { name };
        let mut races = 0;
        loop {
            match openat2(&self.folder, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Ok(file) => return Ok(file),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if pace == Pace::Cached => return Err(Missed::Again),
                Err(Errno::AGAIN) if races < RACES_MAX => races += 1,
                Err(error) => return Err(missed(error)),
            }
        }
    }

    /// Opens what can be read. Without waiting: a pipe that nobody writes to would hold us.
    fn read(&self, name: &str, links: Links, pace: Pace) -> Result<(OwnedFd, Stat), Missed> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.open(name, flags, links, pace)?;
        let stat = fstat(&file).map_err(|error| Missed::Failed(error.into()))?;
        Ok((file, stat))
    }

    /// Opens a folder, to read what is in it.
    pub fn list(&self, name: &str, links: Links) -> io::Result<OwnedFd> {
        self.open(name, OFlags::RDONLY | OFlags::DIRECTORY, links, Pace::Patient).map_err(Missed::into_io)
    }

    /// What lies at a name, without reading it.
    pub fn stat(&self, name: &str, links: Links) -> io::Result<Stat> {
        self.place(name, links, Pace::Patient).map_err(Missed::into_io)
    }

    fn place(&self, name: &str, links: Links, pace: Pace) -> Result<Stat, Missed> {
        let place = self.open(name, OFlags::PATH, links, pace)?;
        fstat(place.as_fd()).map_err(|error| Missed::Failed(error.into()))
    }
}

fn missed(error: Errno) -> Missed {
    match error {
        Errno::NOENT | Errno::NOTDIR => Missed::Absent("no file of this name lies below the route's folder"),
        Errno::XDEV => Missed::Absent("a link leads out of the route's folder"),
        Errno::LOOP => Missed::Absent("a link stands where none is followed"),
        Errno::ACCESS | Errno::PERM => {
            Missed::Absent("the user that doorward runs as may not read this file")
        }
        Errno::NAMETOOLONG | Errno::NXIO | Errno::NODEV => Missed::Absent("this is no file that can be sent"),
        other => Missed::Failed(other.into()),
    }
}

impl Missed {
    fn into_io(self) -> io::Error {
        match self {
            Self::Again => io::ErrorKind::WouldBlock.into(),
            Self::Absent(why) => io::Error::other(why),
            Self::Failed(error) => error,
        }
    }
}

pub fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

pub fn modified(stat: &Stat) -> Wall {
    Wall::from_seconds(u64::try_from(stat.st_mtime).unwrap_or(0))
}

pub fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Looks for the names, one after the other.
pub async fn look(root: &Arc<Root>, plan: &Arc<plan::Files>, wanted: Wanted) -> Result<Stood, Fault> {
    match look_up(root, plan, &wanted, Pace::Cached) {
        Err(Missed::Again) => {
            let (root, plan) = (Arc::clone(root), Arc::clone(plan));
            let found = on_disk(move || look_up(&root, &plan, &wanted, Pace::Patient)).await?;
            found.map_err(fault)
        }
        found => found.map_err(fault),
    }
}

fn fault(missed: Missed) -> Fault {
    match missed {
        Missed::Absent(why) => Fault::with(Cause::NoRoute, why),
        Missed::Again => Fault::with(Cause::Internal, "the caches change while a file is looked for"),
        Missed::Failed(error) => broken("a file can't be opened", &error),
    }
}

fn look_up(root: &Root, plan: &plan::Files, wanted: &Wanted, pace: Pace) -> Result<Stood, Missed> {
    let root = root.folder(pace).map_err(|error| match (error.kind(), pace) {
        (io::ErrorKind::WouldBlock, Pace::Cached) => Missed::Again,
        (kind, _) => {
            Missed::Failed(io::Error::new(kind, format!("the folder {}: {error}", root.path.display())))
        }
    })?;
    let mut why = "no file of this name lies below the route's folder";
    for candidate in &wanted.candidates {
        match look_at(&root, plan, wanted.encodings, candidate, pace) {
            Err(Missed::Absent(reason)) => why = reason,
            found => return found,
        }
    }
    Err(Missed::Absent(why))
}

fn look_at(
    root: &Arc<Opened>,
    plan: &plan::Files,
    encodings: encodings::Wanted,
    candidate: &Candidate,
    pace: Pace,
) -> Result<Stood, Missed> {
    let Candidate { name, slash, asked, runs } = candidate;
    if let Some(info) = runs {
        // Only its backend has to be able to read it.
        let stat = root.place(name, plan.links, pace)?;
        return match kind(&stat) {
            FileType::RegularFile => Ok(Stood::Script(name.clone(), info.clone())),
            _ => Err(Missed::Absent("what lies there is no file")),
        };
    }
    let (file, stat) = root.read(name, plan.links, pace)?;
    match kind(&stat) {
        FileType::RegularFile if *slash => Err(Missed::Absent("this is a file, and a folder is asked for")),
        FileType::RegularFile if is_source(plan, name) => Err(Missed::Absent(SOURCE)),
        FileType::RegularFile => {
            best(root, plan, encodings, (name.clone(), file, stat), pace).map(Stood::File)
        }
        FileType::Directory => {
            if !slash && !asked {
                return Err(Missed::Absent("a folder lies where a file is looked for"));
            }
            for index in &plan.index {
                let name = if name.is_empty() { index.to_string() } else { format!("{name}/{index}") };
                if is_script(plan, &name) {
                    match root.place(&name, plan.links, pace) {
                        Ok(stat) if kind(&stat) == FileType::RegularFile && !slash => {
                            return Ok(Stood::Slash);
                        }
                        Ok(stat) if kind(&stat) == FileType::RegularFile => {
                            return Ok(Stood::Script(name, String::new()));
                        }
                        Ok(_) | Err(Missed::Absent(_)) => {}
                        Err(other) => return Err(other),
                    }
                    continue;
                }
                if is_source(plan, &name) || !(plan.hidden || names::may_be_shown(index)) {
                    continue;
                }
                match root.read(&name, plan.links, pace) {
                    Ok((file, stat)) if kind(&stat) == FileType::RegularFile => {
                        if !slash {
                            return Ok(Stood::Slash);
                        }
                        return best(root, plan, encodings, (name, file, stat), pace).map(Stood::File);
                    }
                    Ok(_) | Err(Missed::Absent(_)) => {}
                    Err(other) => return Err(other),
                }
            }
            match (plan.listing, slash) {
                (false, _) => Err(Missed::Absent("the folder has no index, and is not listed")),
                (true, false) => Ok(Stood::Slash),
                (true, true) => Ok(Stood::Folder(Folder {
                    root: Arc::clone(root),
                    name: name.clone(),
                    links: plan.links,
                })),
            }
        }
        _ => Err(Missed::Absent("this is no file that can be sent")),
    }
}

const SOURCE: &str = "this is the source of a script";

/// Whether a file of this name is one that must not be shown, since programs run here.
fn is_source(plan: &plan::Files, name: &str) -> bool {
    plan.scripts.as_ref().is_some_and(|scripts| names::is_program(name, &scripts.endings))
}

/// Whether a name below the root is one that runs.
pub fn is_script(plan: &plan::Files, name: &str) -> bool {
    let named = |scripts: &plan::ScriptsBeside| script::among(&scripts.endings, &names::as_path(name));
    plan.scripts
        .as_ref()
        .is_some_and(|scripts| matches!(named(scripts), Ok((_, Some(info))) if info.is_empty()))
}

/// The file in the encoding that the visitor likes best. One that is older than the file itself was forgotten when
/// the file was changed.
fn best(
    root: &Opened,
    plan: &plan::Files,
    encodings: encodings::Wanted,
    (name, file, stat): (String, OwnedFd, Stat),
    pace: Pace,
) -> Result<Found, Missed> {
    let varies = plan.precompressed && types::of(&name).shrinks();
    if varies {
        for encoding in encodings.iter() {
            match root.read(&format!("{name}{}", encoding.suffix()), plan.links, pace) {
                Ok((smaller, its))
                    if kind(&its) == FileType::RegularFile && its.st_mtime >= stat.st_mtime =>
                {
                    return Ok(found(smaller, name, &its, Some(encoding), true));
                }
                Ok(_) | Err(Missed::Absent(_)) => {}
                Err(other) => return Err(other),
            }
        }
    }
    Ok(found(file, name, &stat, None, varies))
}

fn found(file: OwnedFd, name: String, stat: &Stat, encoding: Option<Encoding>, varies: bool) -> Found {
    let file = Arc::new(file.into());
    Found { file, name, size: size(stat), modified: modified(stat), encoding, varies }
}

/// Does what may wait for a disk where waiting costs nobody else.
pub async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let gone = || Fault::with(Cause::Internal, "the threads that read files have ended");
    let waiting = WAITING.acquire().await.map_err(|_| gone())?;
    // A visitor who leaves does not end what waits for the disk: its place is taken until it has.
    let work = move || {
        let done = work();
        drop(waiting);
        done
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| gone())
}
