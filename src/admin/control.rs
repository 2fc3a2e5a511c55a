//! The control socket: how commands talk to the running gateway, and the only way to change anything from
//! the machine. `{state}/control.sock`, mode 0600, and only root and the gateway's own user are heard.
//!
//! One connection carries one command, in lines:
//!
//! ```text
//! gateway: doorward-control 1 version=0.1.0 pid=4711
//! command: 1 reload
//! gateway: fault
//! gateway: | error[E014]: there is no backend called `tarc`
//! gateway: end
//! ```
//!
//! The number is the protocol's; each side says its own, so that an old command can talk to a new gateway
//! and a new command to an old one. A reader passes over words in the greeting and lines before `end` that
//! it does not know. Without `end` an answer is no answer.
//!
//! In an upgrade the new process opens its socket beside the old one and renames it over: there is no moment
//! without. The old one answers who was on the way to it.
//!
//! The door is opened before anything else of the state folder is touched: it is also what tells two
//! gateways on one folder apart. Lines are bounded, every step has a deadline, and at most a few talk at
//! once, so that nobody who may talk can hold the gateway up.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::future::Future;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::base::clock;

/// The socket's name in the state folder.
pub const SOCKET: &str = "control.sock";

/// Its name until whoever made it has taken over. Shorter than the real one, so that it fits wherever that does.
const NEW_SOCKET: &str = "control.new";

const PROTOCOL: u32 = 1;
const GREETING: &str = "doorward-control";
/// The one word with something behind it.
const TELL: &str = "tell";
/// Longest line in either direction, its end included.
const LINE_BYTES_MAX: u64 = 4 << 10;
/// Most a command reads of an answer.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Conversations at once; the next waits in the kernel's queue.
const TALKS_MAX: usize = 16;
/// Time for each line a command sends, and for it to take what it is sent.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which a living gateway greets.
const GREETING_TIMEOUT: Duration = Duration::from_secs(3);

/// What the running gateway can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// How it is: rules since when, connections, backends.
    Status,
    /// Read the rules again and swap them, all or nothing.
    Reload,
    /// What an operator says of a backend or a site: one line, which the house reads.
    Tell(Box<str>),
    /// Start the program anew and hand everything over to it.
    Upgrade,
    /// Finish what is open, take nothing new, end.
    Stop,
}

impl Command {
    /// Those that are a word and nothing else.
    pub const WORDS: &'static [Command] =
        &[Command::Status, Command::Reload, Command::Upgrade, Command::Stop];

    pub const fn word(&self) -> &'static str {
        match self {
            Command::Status => "status",
            Command::Reload => "reload",
            Command::Tell(_) => TELL,
            Command::Upgrade => "upgrade",
            Command::Stop => "stop",
        }
    }

    fn into_line(self) -> String {
        match self {
            Command::Tell(order) => format!("{TELL} {order}"),
            plain => plain.word().to_owned(),
        }
    }

    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.splitn(2, ' ');
        let word = words.next().unwrap_or_default();
        if word == TELL {
            return Ok(Command::Tell(words.next().unwrap_or_default().into()));
        }
        let Some(command) = Self::WORDS.iter().find(|command| command.word() == word).cloned() else {
            let known: Vec<&str> = Self::WORDS.iter().map(Command::word).chain([TELL]).collect();
            return Err(format!(
                "the running gateway is doorward {} and does not know `{}`; it knows {}",
                env!("CARGO_PKG_VERSION"),
                word.escape_debug(),
                known.join(", ")
            ));
        };
        match words.next() {
            None => Ok(command),
            Some(_) => Err(format!("`{word}` takes nothing behind it")),
        }
    }
}

/// What came of a command, as its user reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub done: bool,
    /// Lines for a person; an empty text is fine.
    pub text: String,
}

impl Answer {
    pub fn done(text: impl Into<String>) -> Self {
        Self { done: true, text: text.into() }
    }

    pub fn fault(text: impl Into<String>) -> Self {
        Self { done: false, text: text.into() }
    }

    fn lines(&self) -> String {
        let mut lines = String::from(if self.done { "done\n" } else { "fault\n" });
        for line in self.text.lines() {
            // A long line is cut where a reader would refuse it.
            let most = usize::try_from(LINE_BYTES_MAX).unwrap_or(usize::MAX).saturating_sub(8);
            let cut = (0..=line.len().min(most)).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            lines.push_str("| ");
            lines.push_str(line.get(..cut).unwrap_or_default());
            lines.push('\n');
        }
        lines.push_str("end\n");
        lines
    }
}

/// Where the socket of a state folder lies.
pub fn socket(state: &Path) -> PathBuf {
    state.join(SOCKET)
}

// ---- the gateway's side

/// The open socket. Removed when dropped, unless another has taken its place.
pub struct Door {
    listener: net::UnixListener,
    path: PathBuf,
    inode: u64,
    /// Who we are, as the file system says of what we make.
    user: u32,
}

/// Why the socket could not be opened.
#[derive(Debug)]
pub enum OpenFault {
    /// Somebody answers there; with the pid if it told.
    Running {
        path: PathBuf,
        pid: Option<u32>,
    },
    /// There is something else at the path. It was left alone.
    NoSocket(PathBuf),
    /// The kernel takes 107 bytes.
    PathTooLong(PathBuf),
    Io(PathBuf, io::Error),
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { path, pid } => {
                let folder = path.parent().unwrap_or(path).display();
                f.write_str("another doorward ")?;
                if let Some(pid) = pid {
                    write!(f, "(pid {pid}) ")?;
                }
                write!(
                    f,
                    "runs on the state folder {folder}. `doorward stop --state {folder}` ends it; a second \
                     gateway needs a `.state` of its own"
                )
            }
            Self::NoSocket(path) => write!(
                f,
                "{} is no socket, so it was left alone; move it away, it stands where the control socket belongs",
                path.display()
            ),
            Self::PathTooLong(path) => write!(
                f,
                "the path of the control socket, {}, is longer than the kernel takes (107 bytes); choose a \
                 shorter `.state`",
                path.display()
            ),
            Self::Io(path, error) => {
                write!(f, "the control socket {} can't be opened: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(_, error) = self { Some(error) } else { None }
    }
}

/// Opens the socket, making its folder (0700) if there is none. What a killed gateway left is replaced.
pub fn open(path: &Path) -> Result<Door, OpenFault> {
    let io = |error| OpenFault::Io(path.to_owned(), error);
    if too_long(path) {
        return Err(OpenFault::PathTooLong(path.to_owned()));
    }
    let folder = folder_of(path);
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    }
    // Two that find the same dead socket must not each remove what the other has just bound.
    let folder = File::open(folder).map_err(io)?;
    folder.lock().map_err(io)?;
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => match net::UnixStream::connect(path) {
            Ok(stream) => {
                let pid = greeted(&mut BufReader::new(stream)).ok().and_then(|greeting| greeting.pid);
                return Err(OpenFault::Running { path: path.to_owned(), pid });
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(io)?;
            }
            // Its queue is full: it lives.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(OpenFault::Running { path: path.to_owned(), pid: None });
            }
            Err(error) => return Err(io(error)),
        },
        Ok(_) => return Err(OpenFault::NoSocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    bound(path)
}

/// Opens a socket beside the one of the gateway that still runs. `Door::take_over` puts it in its place.
pub fn open_beside(path: &Path) -> Result<Door, OpenFault> {
    let new = path.with_file_name(NEW_SOCKET);
    // Of one who wanted to take over and was killed: a gateway is taken over by one at a time.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenFault::Io(new, error)),
        _ => bound(&new),
    }
}

fn bound(path: &Path) -> Result<Door, OpenFault> {
    let io = |error| OpenFault::Io(path.to_owned(), error);
    let listener = net::UnixListener::bind(path).map_err(io)?;
    // Until this line the mode is the umask's; who slips in is turned away by his user id.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io)?;
    listener.set_nonblocking(true).map_err(io)?;
    let made = fs::symlink_metadata(path).map_err(io)?;
    Ok(Door { listener, path: path.to_owned(), inode: made.ino(), user: made.uid() })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Drop for Door {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Door {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stands at this path from now on, in one step: whoever asks there meets the one before or this one.
    pub fn take_over(&mut self, path: &Path) -> io::Result<()> {
        // Who starts a second gateway at this moment looks at one socket, not at none.
        let folder = File::open(folder_of(path))?;
        folder.lock()?;
        fs::rename(&self.path, path)?;
        path.clone_into(&mut self.path);
        Ok(())
    }

    /// Answers commands until it is dropped, so drop it last: who said `stop` reads the answer here. `handler` decides what each one does; a command whose user left
    /// is done all the same.
    pub async fn serve<H, A>(self, handler: H) -> io::Result<()>
    where
        H: Fn(Command) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        let handler = Arc::new(handler);
        let mut talks = JoinSet::new();
        loop {
            while talks.len() >= TALKS_MAX {
                talks.join_next().await;
            }
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let allowed = stream.peer_cred().is_ok_and(|peer| may_talk(peer.uid(), self.user));
                        let handler = handler.clone();
                        talks.spawn(async move { talk(stream, allowed, &*handler).await });
                    }
                    // Out of file descriptors, most likely: trying again at once would change nothing.
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                },
                Some(_) = talks.join_next() => {}
            }
        }
    }
}

fn may_talk(peer: u32, ours: u32) -> bool {
    peer == 0 || peer == ours
}

/// One conversation. What goes wrong in it is the other side's to notice.
async fn talk<H, A>(mut stream: tokio::net::UnixStream, allowed: bool, handler: &H) -> Option<()>
where
    H: Fn(Command) -> A,
    A: Future<Output = Answer>,
{
    let (read, mut write) = stream.split();
    if !allowed {
        // Read nothing from a stranger, and tell him no more than that.
        say(&mut write, "fault\n| this socket answers root and the gateway's own user only\nend\n").await?;
        return None;
    }
    let version = env!("CARGO_PKG_VERSION");
    say(&mut write, &format!("{GREETING} {PROTOCOL} version={version} pid={}\n", std::process::id())).await?;
    let mut line = Vec::new();
    let mut read = tokio::io::BufReader::new(read.take(LINE_BYTES_MAX));
    timeout(STEP_TIMEOUT, read.read_until(b'\n', &mut line)).await.ok()?.ok()?;
    let answer = match asked(&line) {
        // Nobody there: a second gateway that only wanted to know whether we live.
        Ok(None) => return None,
        Ok(Some(command)) => handler(command).await,
        Err(why) => Answer::fault(why),
    };
    say(&mut write, &answer.lines()).await
}

/// The command in a line such as `1 reload`.
fn asked(line: &[u8]) -> Result<Option<Command>, String> {
    if line.is_empty() {
        return Ok(None);
    }
    let line = line
        .strip_suffix(b"\n")
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or("the command is no line of text, or too long a one")?;
    let (protocol, rest) = line.split_once(' ').ok_or("the command does not begin with a protocol number")?;
    // A newer command speaks to us as to what we greeted with; an older protocol there never was.
    if protocol.parse::<u32>().is_ok_and(|number| number >= 1) {
        Command::parse(rest).map(Some)
    } else {
        Err("the command does not begin with a protocol number".to_owned())
    }
}

async fn say(write: &mut tokio::net::unix::WriteHalf<'_>, text: &str) -> Option<()> {
    timeout(STEP_TIMEOUT, write.write_all(text.as_bytes())).await.ok()?.ok()
}

// ---- the command's side

/// Why there is no answer.
#[derive(Debug)]
pub enum AskFault {
    /// No gateway listens there.
    Nobody(PathBuf),
    /// It is another user's gateway.
    Forbidden(PathBuf),
    /// It listens but did not answer in time. What was asked may still be done.
    Silent(PathBuf),
    /// What answers is no doorward, or broke off.
    Garbled(PathBuf),
    PathTooLong(PathBuf),
    Io(PathBuf, io::Error),
}

impl fmt::Display for AskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(path) => write!(
                f,
                "no gateway runs on the state folder {}. `doorward serve` starts one; should another folder be \
                 meant, `--state DIR` or `--config main.vcl` says which",
                // A relative folder says little to who stands in another one.
                std::path::absolute(path).unwrap_or(path.clone()).parent().unwrap_or(path).display()
            ),
            Self::Forbidden(path) => write!(
                f,
                "{} belongs to another user: ask as root or as the user the gateway runs as",
                path.display()
            ),
            Self::Silent(path) => write!(
                f,
                "the gateway behind {} did not answer in time; what was asked may still be done",
                path.display()
            ),
            Self::Garbled(path) => {
                write!(f, "what answered at {} broke off, or is no doorward", path.display())
            }
            Self::PathTooLong(path) => {
                write!(f, "{} is longer than the kernel takes for a socket (107 bytes)", path.display())
            }
            Self::Io(path, error) => write!(f, "{} can't be asked: {error}", path.display()),
        }
    }
}

impl std::error::Error for AskFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(_, error) = self { Some(error) } else { None }
    }
}

/// Asks the gateway whose socket this is, and waits for its answer at most `patience`.
pub fn ask(path: &Path, command: Command, patience: Duration) -> Result<Answer, AskFault> {
    let until = clock::now() + patience;
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskFault::Nobody(path.to_owned()),
        io::ErrorKind::PermissionDenied => AskFault::Forbidden(path.to_owned()),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AskFault::Silent(path.to_owned()),
        io::ErrorKind::InvalidData
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => AskFault::Garbled(path.to_owned()),
        _ => AskFault::Io(path.to_owned(), error),
    };
    if too_long(path) {
        return Err(AskFault::PathTooLong(path.to_owned()));
    }
    let said = format!("{PROTOCOL} {}\n", command.into_line());
    if said.len() as u64 > LINE_BYTES_MAX || said.trim_end_matches('\n').contains('\n') {
        return Err(AskFault::Io(path.to_owned(), io::Error::other("the order is too long for one line")));
    }
    let mut stream = BufReader::new(net::UnixStream::connect(path).map_err(fault)?.take(ANSWER_BYTES_MAX));
    stream.get_ref().get_ref().set_write_timeout(Some(STEP_TIMEOUT)).map_err(fault)?;
    match greeted_through(&mut stream).map_err(fault)? {
        Hello::Gateway(_) => {}
        Hello::Refusal => return Err(AskFault::Forbidden(path.to_owned())),
    }
    stream.get_ref().get_ref().write_all(said.as_bytes()).map_err(fault)?;
    let mut next = || -> io::Result<String> {
        let left = until.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.get_ref().get_ref().set_read_timeout(Some(left))?;
        line(&mut stream)
    };
    let done = match next().map_err(fault)?.as_str() {
        "done" => true,
        "fault" => false,
        _ => return Err(AskFault::Garbled(path.to_owned())),
    };
    let mut text = String::new();
    loop {
        let line = next().map_err(fault)?;
        if line == "end" {
            return Ok(Answer { done, text });
        }
        if let Some(line) = line.strip_prefix("| ") {
            text.push_str(line);
            text.push('\n');
        }
    }
}

/// Leaves room for the zero byte at the end of `sun_path`.
fn too_long(path: &Path) -> bool {
    path.as_os_str().len() > 107
}

struct Greeting {
    pid: Option<u32>,
}

enum Hello {
    Gateway(Greeting),
    Refusal,
}

fn greeted(stream: &mut BufReader<net::UnixStream>) -> io::Result<Greeting> {
    stream.get_ref().set_read_timeout(Some(GREETING_TIMEOUT))?;
    match hello(&line(stream)?)? {
        Hello::Gateway(greeting) => Ok(greeting),
        Hello::Refusal => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

fn greeted_through(stream: &mut BufReader<io::Take<net::UnixStream>>) -> io::Result<Hello> {
    stream.get_ref().get_ref().set_read_timeout(Some(GREETING_TIMEOUT))?;
    hello(&line(stream)?)
}

fn hello(line: &str) -> io::Result<Hello> {
    let mut words = line.split(' ');
    match (words.next(), words.next().and_then(|number| number.parse::<u32>().ok())) {
        (Some(GREETING), Some(1..)) => {
            let pid = words.find_map(|word| word.strip_prefix("pid=")).and_then(|pid| pid.parse().ok());
            Ok(Hello::Gateway(Greeting { pid }))
        }
        (Some("fault"), None) => Ok(Hello::Refusal),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(whole) => Ok(whole.to_owned()),
        None if line.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests;
