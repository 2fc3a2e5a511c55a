//! Subversion: a real Apache with `mod_dav_svn` (prefork), and a client that commits through the gateway.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Gateway;
use super::server::{Server, free_port};
use super::stage::{Folder, PATIENCE};

/// What the readers read.
pub const PAGE_BYTES: usize = 1024;

pub struct Apache {
    pub address: SocketAddr,
    server: Server,
}

fn done(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Apache {
    pub fn start() -> Self {
        let folder = Folder::new();
        let root = folder.0.display().to_string();
        fs::create_dir(folder.0.join("htdocs")).expect("a folder");
        fs::write(folder.0.join("htdocs/page"), "x".repeat(PAGE_BYTES)).expect("a page");
        done(Command::new("svnadmin").arg("create").arg(folder.0.join("repository")));
        // As root Apache serves as another user, who has to be able to write.
        done(Command::new("chmod").args(["-R", "a+rwX"]).arg(&folder.0));
        let port = free_port();
        let mut modules = String::new();
        for name in ["mpm_prefork", "authz_core", "authn_core", "dir", "mime", "dav", "dav_svn"] {
            let _ = writeln!(modules, "LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so");
        }
        let config = folder.write(
            "httpd.conf",
            &format!(
                "ServerRoot {root}\nServerName apache.test\nPidFile httpd.pid\nErrorLog error.log\n\
                 Listen 127.0.0.1:{port}\n{modules}TypesConfig /dev/null\nDocumentRoot {root}/htdocs\n\
                 StartServers 64\nMaxSpareServers 128\nMaxRequestWorkers 128\nKeepAliveTimeout 5\n\
                 <Location /svn>\nDAV svn\nSVNPath {root}/repository\n</Location>\n"
            ),
        );
        let mut command = Command::new("apache2");
        command.arg("-f").arg(config).arg("-DFOREGROUND");
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        let mut server = Server::start(folder, command);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        server.wait_for(address);
        Self { address, server }
    }

    /// What was committed is whole.
    pub fn verify(&self) {
        done(Command::new("svnadmin").args(["verify", "--quiet"]).arg(self.server.path("repository")));
    }
}

/// Commits one large file after the other until told to stop.
pub struct Commits {
    now: Arc<(Mutex<State>, Condvar)>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Since when one runs.
    since: Option<Instant>,
    ended: Vec<(Instant, Instant)>,
    failed: Vec<String>,
}

pub struct Committed {
    ended: Vec<(Instant, Instant)>,
    failed: Vec<String>,
}

pub fn commits(gateway: &Gateway, bytes: usize, over: &Arc<AtomicBool>) -> Commits {
    let url = format!("http://{}/svn", gateway.address("http"));
    let home = Folder::new();
    let config = home.0.join("config");
    let copy = home.0.join("copy");
    let now: Arc<(Mutex<State>, Condvar)> = Arc::default();
    let (state, over) = (Arc::clone(&now), Arc::clone(over));
    let thread = thread::spawn(move || {
        let svn = |arguments: &[&str], at: &Path| {
            let mut command = Command::new("svn");
            command.args(["--non-interactive", "--config-dir"]).arg(&config).args(arguments).current_dir(at);
            let output = command.output().expect("svn runs");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
        };
        let lock = || state.0.lock().expect("the test");
        if let Err(why) = svn(&["checkout", &url, "copy"], &home.0) {
            lock().failed.push(why);
        }
        let mut number = 0;
        while !over.load(Ordering::Relaxed) && lock().failed.is_empty() {
            // Nothing that could be made smaller on its way.
            let name = format!("large-{number}");
            noise(&copy.join(&name), bytes);
            number += 1;
            let added = svn(&["add", &name], &copy);
            let begun = Instant::now();
            lock().since = Some(begun);
            state.1.notify_all();
            let committed = added.and_then(|_| svn(&["commit", "-m", "one more large file"], &copy));
            let mut now = lock();
            now.since = None;
            now.ended.push((begun, Instant::now()));
            now.failed.extend(committed.err());
            state.1.notify_all();
        }
    });
    Commits { now, thread }
}

fn noise(path: &Path, bytes: usize) {
    let mut file = fs::File::create(path).expect("a file");
    let mut source = fs::File::open("/dev/urandom").expect("noise").take(bytes as u64);
    std::io::copy(&mut source, &mut file).expect("a large file");
    file.flush().expect("a large file");
}

impl Commits {
    /// Waits until one has run for a moment, so that its bytes are on their way.
    pub fn running(&self) {
        let begun = Instant::now();
        let mut now = self.now.0.lock().expect("the commits");
        while now.since.is_none_or(|since| since.elapsed() <= Duration::from_millis(300)) {
            assert!(
                now.failed.is_empty() && begun.elapsed() < PATIENCE * 3,
                "no commit runs: {:?}",
                now.failed
            );
            now = self.now.1.wait_timeout(now, Duration::from_millis(50)).expect("the commits").0;
        }
    }

    pub fn end(self) -> Committed {
        self.thread.join().expect("the commits");
        let mut now = self.now.0.lock().expect("the commits");
        Committed { ended: std::mem::take(&mut now.ended), failed: std::mem::take(&mut now.failed) }
    }
}

impl Committed {
    pub fn count(&self) -> usize {
        self.ended.len()
    }

    /// Whether one was running then.
    pub fn during(&self, at: Instant) -> bool {
        self.ended.iter().any(|(begun, ended)| *begun < at && at < *ended)
    }

    pub fn judge(&self) {
        assert!(self.failed.is_empty(), "commits failed: {:?}", self.failed);
        assert!(!self.ended.is_empty());
    }
}
