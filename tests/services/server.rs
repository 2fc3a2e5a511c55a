//! A real server of somebody else's, for the length of one test.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::stage::{Folder, PATIENCE};

/// How often a door is tried while its server starts: it tells nobody when it stands.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// A program that serves. It and what it starts are ended when this is dropped.
pub struct Server {
    pub folder: Folder,
    child: Child,
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address").port()
}

impl Server {
    /// Starts a program in the foreground; what it says goes to `said` in its folder.
    pub fn start(folder: Folder, mut command: Command) -> Self {
        let said = File::create(folder.0.join("said")).expect("a file for what it says");
        command.stdin(Stdio::null()).stdout(said.try_clone().expect("the same file")).stderr(said);
        // Apache ends its whole group of processes when it ends: it gets one of its own.
        command.process_group(0);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{name} does not start ({error}): `tests/needs.sh test` installs what the tests need")
        });
        Self { folder, child }
    }

    /// Waits until somebody takes connections at an address.
    pub fn wait_for(&mut self, address: SocketAddr) {
        self.wait_until(|| TcpStream::connect(address).is_ok());
    }

    /// The same for a socket in the file system.
    pub fn wait_for_socket(&mut self, path: &Path) {
        self.wait_until(|| UnixStream::connect(path).is_ok());
    }

    fn wait_until(&mut self, stands: impl Fn() -> bool) {
        let begun = Instant::now();
        while !stands() {
            let ended = self.child.try_wait().expect("a child that can be asked");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "it does not stand: {}", self.said());
            thread::sleep(TRY_EVERY);
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.path("said")).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first: these servers have children of their own, which end with them only then.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(TRY_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
