//! From one process to the next: what is handed over, in which order, and how either side gives up.
//!
//! ```text
//! the old one                                      the new one
//! starts it, sends the listening sockets,
//!   keys of TLS tickets, older processes, end  ─▶  reads and checks its rules, takes and opens sockets
//! closes the store                            ◀─   store
//! closed                                      ─▶   opens store, logs, certificates; makes its generation
//!                                             ◀─   stands
//! go                                          ─▶   lets visitors in; its control socket replaces the old one
//! lets nobody in any more                     ◀─   serving
//! tells the service manager; yours            ─▶   is the service
//! ```
//!
//! Until `serving` the old one lets visitors in, and nothing has happened that it can't take back: when the new
//! one says `fault`, ends or takes too long, it is killed, the store is opened again, and all goes on. Both let
//! visitors in for a moment, out of the same queues: nobody waits in one that nobody empties.
//!
//! The line stays: its end tells the new process that the old one has gone, and by it a stop reaches both.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::line::{FILES_MAX, Heard, Line};
use super::{Environment, StartFault};
use crate::base::clock::Wall;
use crate::base::secret::Secret;
use crate::base::{base64, clock};
use crate::listen::{Doorway, Kind, Place};
use crate::tls::Tickets;

/// Tells a process that its standard input is a line to the one it takes over from.
const TAKE_OVER: &str = "DOORWARD_TAKE_OVER";
const PROTOCOL: u64 = 1;
/// Time for each step of the other side; reading many rules and certificates takes its time.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// What is kept of the words of a process that did not stand.
const SAID_BYTES_MAX: usize = 32 << 10;
/// How often a killed child is looked at.
const REAP_EVERY: Duration = Duration::from_millis(5);
/// What a service manager says to one process only.
const FOR_ONE_PROCESS: [&str; 4] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// How this process was started: what an upgrade starts again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// To be asked early: later, the file may be another one already.
    pub fn of_this_process() -> io::Result<Self> {
        let running = std::env::current_exe()?;
        let mut arguments = std::env::args_os();
        let typed = PathBuf::from(arguments.next().unwrap_or_default());
        // As it was typed, where that is the same file: a link that is turned to a newer version is followed.
        let same = |path: &PathBuf| {
            std::fs::canonicalize(path)
                .is_ok_and(|path| std::fs::canonicalize(&running).is_ok_and(|real| real == path))
        };
        let candidates = if typed.components().count() > 1 {
            vec![std::path::absolute(&typed)?]
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&folders).map(|folder| folder.join(&typed)).collect()
        };
        let path = candidates.into_iter().find(same).unwrap_or(running);
        Ok(Self { path, arguments: arguments.collect() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// An older process that still has visitors.
pub struct Predecessor {
    pub pid: u32,
    /// When it was taken over from.
    pub since: Wall,
    pub line: Line,
}

/// What is handed over beside the store.
pub struct Bequest<'a> {
    pub state: &'a Path,
    pub doorways: &'a [Doorway],
    pub tickets: Secret,
    pub predecessors: Vec<(u32, Wall, std::os::fd::BorrowedFd<'a>)>,
}

// ---- the old process's side

/// A process that was started to take over.
pub struct Successor {
    child: Child,
    line: Line,
    said: Arc<Mutex<Vec<u8>>>,
    listening: JoinHandle<()>,
}

impl Successor {
    pub fn start(program: &Program) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot start {}: {error}", program.path.display());
        let (line, theirs) = Line::pair().map_err(cannot)?;
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .env(TAKE_OVER, PROTOCOL.to_string())
            .stdin(Stdio::from(theirs))
            // What it says while it is not yet the gateway is told to who asked for it.
            .stderr(Stdio::piped());
        for name in FOR_ONE_PROCESS {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(cannot)?;
        drop(command);
        let said = Arc::new(Mutex::new(Vec::new()));
        let words = Arc::clone(&said);
        let source = child.stderr.take();
        let listening = std::thread::Builder::new().name("upgrade".to_owned()).spawn(move || {
            let Some(mut source) = source else { return };
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = source.read(&mut bytes) {
                let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
                let room = SAID_BYTES_MAX.saturating_sub(words.len());
                words.extend_from_slice(bytes.get(..read.min(room)).unwrap_or_default());
            }
        });
        match listening {
            Ok(listening) => Ok(Self { child, line, said, listening }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(cannot(error))
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub async fn bequeath(&self, bequest: &Bequest<'_>) -> Result<(), String> {
        self.say(&json!({
            "say": "bequest", "protocol": PROTOCOL, "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(), "state": bequest.state.to_string_lossy(),
        }))
        .await?;
        for (doorway, each) in bequest.doorways.iter().enumerate() {
            let files: Vec<_> = each.sockets().iter().map(std::os::fd::AsFd::as_fd).collect();
            for part in files.chunks(FILES_MAX) {
                let message = json!({
                    "say": "sockets", "doorway": doorway, "kind": each.kind().word(),
                    "place": each.place().map(|place| place.to_string()),
                });
                self.step(self.line.say(&message, part)).await?;
            }
        }
        for (pid, since, line) in &bequest.predecessors {
            let message = json!({"say": "predecessor", "pid": pid, "since": since.seconds});
            self.step(self.line.say(&message, &[*line])).await?;
        }
        self.say(&json!({"say": "tickets", "keys": base64::encode(bequest.tickets.expose())})).await?;
        self.step(self.line.say(&json!({"say": "stderr"}), &[io::stderr().as_fd()])).await?;
        self.say(&json!({"say": "end"})).await
    }

    pub async fn say(&self, message: &Value) -> Result<(), String> {
        self.step(self.line.say(message, &[])).await
    }

    /// Waits for this word. Whatever else comes of it is a reason to give up.
    pub async fn wait_for(&self, word: &str) -> Result<(), String> {
        loop {
            let heard = self.step(self.line.hear()).await?;
            if heard.word() == word {
                return Ok(());
            }
            if heard.word() == "fault" {
                return Err(heard.text("text").to_owned());
            }
        }
    }

    async fn step<T>(&self, step: impl Future<Output = io::Result<T>>) -> Result<T, String> {
        match timeout(STEP_TIMEOUT, step).await {
            Ok(Ok(done)) => Ok(done),
            // It has ended: what it said last tells why, once it is all there.
            Ok(Err(_)) => Err(String::new()),
            Err(_) => Err("the new process took too long".to_owned()),
        }
    }

    /// Ends what did not take over; the reason in its own words where there is no better one.
    pub async fn give_up(mut self, why: String) -> String {
        // It may have fallen by itself, and how tells more than that we killed it.
        let mut status = None;
        for _ in 0..20 {
            status = self.child.try_wait().ok().flatten();
            if status.is_some() || !why.is_empty() {
                break;
            }
            tokio::time::sleep(REAP_EVERY).await;
        }
        let _ = self.child.kill();
        while matches!(self.child.try_wait(), Ok(None)) {
            tokio::time::sleep(REAP_EVERY).await;
        }
        if !why.is_empty() {
            return why;
        }
        while !self.listening.is_finished() {
            tokio::time::sleep(REAP_EVERY).await;
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&said).trim_end().to_owned();
        let ended = status.map_or_else(String::new, |status| format!(" ({status})"));
        if text.is_empty() { format!("the new process ended without a word{ended}") } else { text }
    }

    /// It is the gateway. What stays is the line to it.
    pub fn taken_over(self) -> Line {
        self.line
    }

    /// Whether it has said so although nobody waited any more.
    pub fn serves_after_all(&self) -> bool {
        std::iter::from_fn(|| self.line.try_hear().ok()).any(|heard| heard.word() == "serving")
    }
}

// ---- the new process's side

/// What the process before hands over.
pub struct Legacy {
    line: Line,
    pid: u32,
    pub doorways: Vec<Doorway>,
    pub tickets: Option<Tickets>,
    pub predecessors: Vec<Predecessor>,
    pub state: PathBuf,
    stderr: Option<OwnedFd>,
}

impl Legacy {
    /// `None` where this process takes over from nobody.
    pub async fn receive(environment: &Environment) -> Result<Option<Self>, StartFault> {
        let Some(protocol) = environment(TAKE_OVER) else { return Ok(None) };
        if protocol != PROTOCOL.to_string() {
            return Err(StartFault(format!(
                "the running gateway hands over by protocol {protocol}, and doorward {} knows {PROTOCOL}: restart it \
                 instead",
                env!("CARGO_PKG_VERSION")
            )));
        }
        let line = take_stdin().and_then(Line::over).map_err(|_| {
            StartFault(format!(
                "{TAKE_OVER} is set, but the standard input is no line to a running gateway: unset it"
            ))
        })?;
        let mut legacy = Self {
            line,
            pid: 0,
            doorways: Vec::new(),
            tickets: None,
            predecessors: Vec::new(),
            state: PathBuf::new(),
            stderr: None,
        };
        legacy.listen().await?;
        Ok(Some(legacy))
    }

    async fn listen(&mut self) -> Result<(), StartFault> {
        let broken = |error: io::Error| StartFault(format!("what was handed over can't be used: {error}"));
        // The sockets of one doorway may come in several messages.
        let mut sockets: Vec<(u64, Kind, Option<Place>, Vec<std::net::TcpListener>)> = Vec::new();
        loop {
            let mut heard = self.hear().await?;
            let files = std::mem::take(&mut heard.files);
            match heard.word() {
                "bequest" => {
                    self.pid = heard.number("pid").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
                    self.state = PathBuf::from(heard.text("state"));
                }
                "sockets" => {
                    let Some(kind) = Kind::by_word(heard.text("kind")) else { continue };
                    let number = heard.number("doorway").unwrap_or(0);
                    let place = heard.text("place").parse().ok();
                    let files = files.into_iter().map(Into::into);
                    match sockets.iter_mut().find(|(known, ..)| *known == number) {
                        Some((.., more)) => more.extend(files),
                        None => sockets.push((number, kind, place, files.collect())),
                    }
                }
                "predecessor" => {
                    let pid = heard.number("pid").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
                    let since = Wall::from_seconds(heard.number("since").unwrap_or(0));
                    for line in files.into_iter().filter_map(|file| Line::over(file).ok()) {
                        self.predecessors.push(Predecessor { pid, since, line });
                    }
                }
                "tickets" => {
                    let keys = base64::decode(heard.text("keys").as_bytes()).map(Secret::new);
                    self.tickets = keys.and_then(|keys| Tickets::from_bytes(keys.expose()));
                }
                "stderr" => self.stderr = files.into_iter().next(),
                "end" => break,
                _ => {}
            }
        }
        for (_, kind, place, sockets) in sockets {
            self.doorways.extend(Doorway::received(kind, place, sockets).map_err(broken)?);
        }
        Ok(())
    }

    /// Asks for the store, and returns when it may be opened.
    pub async fn store(&self) -> Result<(), StartFault> {
        self.say(&json!({"say": "store"})).await?;
        self.wait_for("closed").await
    }

    /// All is there; returns when visitors may be let in.
    pub async fn stands(&self) -> Result<(), StartFault> {
        self.say(&json!({"say": "stands"})).await?;
        self.wait_for("go").await
    }

    /// Visitors are let in: there is no way back. Returns when this process is the service, with all processes
    /// before it that still have visitors.
    pub async fn serving(self) -> Vec<Predecessor> {
        // From now on the words of this process are the gateway's. Where that can't be, the log has them all the
        // same.
        if let Some(stderr) = &self.stderr {
            let _ = rustix::stdio::dup2_stderr(stderr);
        }
        let _ = self.say(&json!({"say": "serving"})).await;
        // If it has just ended, it is nobody's predecessor, and this process the service all the same.
        let _ = self.wait_for("yours").await;
        let mut predecessors = self.predecessors;
        predecessors.push(Predecessor { pid: self.pid, since: clock::wall(), line: self.line });
        predecessors
    }

    /// Says why it can't be.
    pub async fn refuse(self, why: &StartFault) {
        let mut text = why.to_string();
        let most = (0..=SAID_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(most);
        let _ = self.say(&json!({"say": "fault", "text": text})).await;
    }

    async fn say(&self, message: &Value) -> Result<(), StartFault> {
        self.step(self.line.say(message, &[])).await
    }

    async fn wait_for(&self, word: &str) -> Result<(), StartFault> {
        while self.hear().await?.word() != word {}
        Ok(())
    }

    async fn hear(&self) -> Result<Heard, StartFault> {
        self.step(self.line.hear()).await
    }

    async fn step<T>(&self, step: impl Future<Output = io::Result<T>>) -> Result<T, StartFault> {
        match timeout(STEP_TIMEOUT, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                Err(StartFault(format!("the gateway that was to hand over has hung up: {error}")))
            }
            Err(_) => Err(StartFault::new("the gateway that was to hand over took too long")),
        }
    }
}

/// The line, taken off the standard input: what is started later must not find it there.
fn take_stdin() -> io::Result<OwnedFd> {
    let line = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(line)
}
