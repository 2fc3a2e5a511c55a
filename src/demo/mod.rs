//! The demo: a few small old services on unix sockets in the state folder, and the gateway in front of
//! them, in one process. `make run` starts it; `vcl-like-rules/main.vcl` says what stands where.
//!
//! | file | socket | what it is |
//! |---|---|---|
//! | `tracker` | `tracker.sock` | tickets, a form that posts |
//! | `wiki` | `wiki.sock` | pages that link, an edit form |
//! | `area` | `area.sock` | front page, a file of 1 GiB, a WebSocket echo, server-sent events |
//!
//! Called by `cli`. The services run on a thread of their own, behind the same HTTP/1 front the street
//! gets, and know nothing of the gateway. When the gateway stops they stop, and their sockets are removed.
//! A socket that another process still answers on is left alone, and the demo does not start.

#![allow(clippy::result_large_err)] // a refusal is the answer itself, and nothing here is a fast path

mod area;
mod page;
mod tracker;
mod websocket;
mod wiki;

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::base::clock;
use crate::front::closing::Closing;
use crate::message::Door;
use crate::{front, house, settings};

/// What a demo without a checkout serves.
const RULES: &str = include_str!("../../vcl-like-rules/main.vcl");

pub struct Options {
    /// The rules to serve; the program's own copy where none are named.
    pub rules: Option<PathBuf>,
    /// The state folder. The rules learn it as `DOORWARD_STATE`, whatever the environment says.
    pub state: PathBuf,
}

/// Serves until the gateway is told to stop.
pub fn run(options: Options) -> ExitCode {
    // Absolute, so that the rules and this process mean the same folder wherever the rules lie.
    let state = std::path::absolute(&options.state).unwrap_or(options.state);
    let bound = bind(&state).and_then(|(mut sockets, listeners)| {
        let rules = options.rules.map_or_else(|| sockets.put_rules(), Ok)?;
        Ok((sockets, listeners, rules))
    });
    let (sockets, listeners, rules) = match bound {
        Ok(bound) => bound,
        Err(fault) => {
            let _ = writeln!(io::stderr(), "the demo can't start: {fault}");
            return ExitCode::FAILURE;
        }
    };
    let (stop, stopped) = oneshot::channel();
    let services = match thread::Builder::new()
        .name("old-services".to_owned())
        .spawn(move || run_services(listeners, stopped))
    {
        Ok(services) => services,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the demo can't start: no thread for the old services: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = serve_gateway(rules, &state);
    drop(stop);
    let served = services.join();
    drop(sockets);
    match served {
        Ok(Ok(())) => ended,
        Ok(Err(error)) => {
            let _ = writeln!(io::stderr(), "the old services ended early: {error}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// How the demo evades what is in its way.
const ELSEWHERE: &str = "DOORWARD_HTTP, DOORWARD_HTTPS and DOORWARD_ADMIN (each such as 127.0.0.1:9443) and \
                         DOORWARD_STATE (a folder) move the demo elsewhere.";

/// The gateway itself. Tells what to open once everything listens.
fn serve_gateway(rules: PathBuf, state: &Path) -> ExitCode {
    let state = state.to_string_lossy().into_owned();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("doorward"));
    let shown = std::path::absolute(&rules).unwrap_or_else(|_| rules.clone());
    let started = house::start(house::Options {
        rules,
        doors: settings::Doors::default(),
        foreground: true,
        passed: Vec::new(),
        program: None,
        environment: Arc::new(move |name| match name {
            "DOORWARD_STATE" => Some(state.clone()),
            name => std::env::var(name).ok(),
        }),
        announce: Some(Box::new(move |open: &house::Open| {
            let text = welcome(&Open {
                https: &open.https,
                admin: open.admin,
                root: &open.root_certificate,
                state: &open.state,
                day: &clock::wall().day(),
                rules: &shown,
                program: &program,
            });
            let _ = io::stdout().write_all(text.as_bytes());
        })),
    });
    match started {
        Ok(running) => {
            if running.wait() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(fault) => {
            let _ = writeln!(io::stderr(), "the demo can't start: {fault}\n{ELSEWHERE}");
            ExitCode::FAILURE
        }
    }
}

/// One old service behind its socket, until the future is dropped.
async fn serve_service<D: Door>(listener: UnixListener, door: Rc<D>) -> io::Result<()> {
    front::serve_unix(
        tokio::net::UnixListener::from_std(listener)?,
        door,
        Arc::default(),
        Closing::default(),
    )
    .await;
    Ok(())
}

/// The listeners of the old services.
struct Listeners {
    tracker: UnixListener,
    wiki: UnixListener,
    area: UnixListener,
}

fn run_services(listeners: Listeners, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            // The sender is only ever dropped: that is the word to stop.
            _ = stopped => Ok(()),
            ended = serve_service(listeners.tracker, Rc::new(tracker::Tracker::new())) => ended,
            ended = serve_service(listeners.wiki, Rc::new(wiki::Wiki::new())) => ended,
            ended = serve_service(listeners.area, Rc::new(area::Area)) => ended,
        }
    })
}

/// What was put into the state folder, removed again at the end.
struct Sockets {
    folder: PathBuf,
    paths: Vec<PathBuf>,
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

fn bind(state: &Path) -> Result<(Sockets, Listeners), String> {
    let folder = state.join("demo");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    let mut sockets = Sockets { folder, paths: Vec::new() };
    let listeners = Listeners {
        tracker: sockets.bind("tracker.sock")?,
        wiki: sockets.bind("wiki.sock")?,
        area: sockets.bind("area.sock")?,
    };
    Ok((sockets, listeners))
}

impl Sockets {
    fn bind(&mut self, name: &str) -> Result<UnixListener, String> {
        let path = self.folder.join(name);
        // A socket left by a process that was killed refuses; one that answers belongs to a living demo.
        if UnixStream::connect(&path).is_ok() {
            return Err(format!(
                "another demo is running: it answers on {}. Stop that one first, or name another folder with \
                 DOORWARD_STATE",
                path.display()
            ));
        }
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(format!("{} can't be removed: {error}", path.display()));
        }
        let listener = UnixListener::bind(&path)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| {
                format!(
                    "{} can't be listened on: {error}; DOORWARD_STATE names another folder",
                    path.display()
                )
            })?;
        self.paths.push(path);
        Ok(listener)
    }

    /// The program's own copy of the rules, as a file that can be edited and reloaded.
    fn put_rules(&mut self) -> Result<PathBuf, String> {
        let path = self.folder.join("main.vcl");
        fs::write(&path, RULES).map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        self.paths.push(path.clone());
        Ok(path)
    }
}

/// What the gateway says of itself when everything listens.
struct Open<'a> {
    https: &'a [SocketAddr],
    admin: Option<SocketAddr>,
    /// The certificate of the machine's own authority.
    root: &'a Path,
    state: &'a Path,
    day: &'a str,
    rules: &'a Path,
    /// This program, as it can be called again.
    program: &'a Path,
}

/// What to open, what to trust, where to look, how to stop.
fn welcome(open: &Open) -> String {
    let port = open.https.first().map_or(443, SocketAddr::port);
    let base = if port == 443 { "https://localhost".to_owned() } else { format!("https://localhost:{port}") };
    let mut text = format!("\nDoorward stands. Open {base}/ in a browser, or one of these:\n\n");
    for (path, what) in [
        ("/tracker/", "a tracker, with a form that posts"),
        ("/wiki/", "a wiki whose pages can be edited"),
        ("/download/", "a file of 1 GiB, whole or in parts"),
        ("/talk", "a page that talks over a WebSocket (itself at /echo)"),
        ("/events", "server-sent events, one a second"),
        ("/down/", "a server that is down: the page visitors get then"),
        ("/half/", "the same one beside one that is well: nobody notices"),
    ] {
        let address = format!("{base}{path}");
        let _ = writeln!(text, "  {address:<36} {what}");
    }
    let (root, state) = (open.root.display(), open.state.display());
    let _ = write!(
        text,
        "\nThe certificate comes from an authority this machine made for itself: {root}\n\
         \x20 curl --cacert {root} {base}/\n\
         \x20 A browser warns until that file is imported among its authorities.\n\n\
         Log      {state}/log/localhost/access-{}.log (addresses cut to their networks)\n",
        open.day
    );
    if let Some(admin) = open.admin {
        let _ = writeln!(text, "Health   http://{admin}/health   Metrics  http://{admin}/metrics");
    }
    let (rules, program) = (open.rules.display(), open.program.display());
    let _ = writeln!(text, "Rules    {rules}; after an edit:\n  {program} reload --state {state}");
    let note = "--until 10m --note \"We move to a new disk.\"";
    let _ = writeln!(text, "Close    {program} maintenance on localhost {note} --state {state}");
    let _ = writeln!(text, "Stop     Ctrl-C: nothing stays but the folder {state}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test's own, short enough for a socket's path, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("doorward-{:x}", crate::base::random::number())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn sockets_are_bound_for_us_alone_and_removed() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = Folder::new();
        let (sockets, listeners) = bind(&state.0).unwrap();
        let mode = fs::metadata(state.0.join("demo")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(UnixStream::connect(state.0.join("demo/wiki.sock")).is_ok());
        drop(listeners);
        drop(sockets);
        assert!(state.0.exists() && !state.0.join("demo").exists());
    }

    #[test]
    fn a_dead_demo_s_sockets_are_taken_over_and_a_living_one_s_are_not() {
        let state = Folder::new();
        let (first, living) = bind(&state.0).unwrap();
        let refused = bind(&state.0).err().unwrap();
        assert!(refused.starts_with("another demo is running"), "{refused}");
        assert!(state.0.join("demo/tracker.sock").exists(), "the living demo keeps its sockets");
        drop(living);
        std::mem::forget(first); // as if it had been killed: nothing is removed
        assert!(bind(&state.0).is_ok());
    }

    #[test]
    fn the_welcome_names_all_there_is_to_know() {
        let https = ["127.0.0.1:8443".parse().unwrap(), "[::1]:8443".parse().unwrap()];
        let text = welcome(&Open {
            https: &https,
            admin: Some("127.0.0.1:9900".parse().unwrap()),
            root: Path::new("state/authority/root.pem"),
            state: Path::new("state"),
            day: "2026-11-20",
            rules: Path::new("rules/main.vcl"),
            program: Path::new("/bin/doorward"),
        });
        for part in [
            "https://localhost:8443/tracker/ ",
            "https://localhost:8443/down/ ",
            "curl --cacert state/authority/root.pem https://localhost:8443/\n",
            "state/log/localhost/access-2026-11-20.log",
            "http://127.0.0.1:9900/health",
            "rules/main.vcl",
            "/bin/doorward reload --state state\n",
            "/bin/doorward maintenance on localhost --until 10m ",
            "Ctrl-C",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let https = ["127.0.0.1:443".parse().unwrap()];
        let some = Path::new("s");
        let open = Open {
            https: &https,
            admin: None,
            root: some,
            state: some,
            day: "d",
            rules: some,
            program: some,
        };
        assert!(welcome(&open).contains("https://localhost/tracker/ "));
    }
}
