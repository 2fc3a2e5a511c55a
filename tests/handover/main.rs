//! The proof that change is no outage: the program itself, reloaded and upgraded over and over, while visitors ask
//! at a steady rate over HTTP/1 and HTTP/2, talk over WebSockets, and Subversion commits a large file to a real
//! Apache. Nothing may fail: no request, no connection, no message, no commit.
//!
//! `cargo test` plays it for some seconds, `make prove` at full length in release.

// A test says what is wrong by panicking, and how much it tried by printing.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod load;
#[path = "../services/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../house/stage.rs"]
#[allow(dead_code)]
mod stage;
mod svn;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::load::{Crowd, Tally};
use self::stage::Folder;
use self::svn::Apache;

struct Play {
    reloads: usize,
    upgrades: usize,
    /// Requests a second, all visitors together.
    rate: usize,
    commit_bytes: usize,
    /// How much of that rate a machine has to come to, which may be busy with other things.
    least: f64,
}

/// A gateway and all that take over from it.
struct Gateway {
    folder: Folder,
    child: Child,
    apache: SocketAddr,
    echo: SocketAddr,
}

impl Gateway {
    fn start(apache: SocketAddr, echo: SocketAddr) -> Self {
        let folder = Folder::new();
        let said = std::fs::File::create(folder.0.join("said")).expect("a file");
        let mut gateway = Self {
            child: {
                write_rules(&folder, apache, echo, 0);
                let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
                command.arg("serve").arg(folder.0.join("main.vcl")).stdin(Stdio::null());
                command.stdout(Stdio::null()).stderr(said);
                command.spawn().expect("the program starts")
            },
            folder,
            apache,
            echo,
        };
        let begun = Instant::now();
        while gateway.ask("status").is_err() {
            let ended = gateway.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && begun.elapsed() < stage::PATIENCE,
                "it does not stand: {}",
                gateway.said()
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
        gateway
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.0.join("said")).unwrap_or_default()
    }

    fn ask(&self, command: &str) -> Result<String, String> {
        let mut asking = Command::new(env!("CARGO_BIN_EXE_doorward"));
        let asked =
            asking.args([command, "--state"]).arg(self.folder.0.join("state")).output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if asked.status.success() { Ok(text(asked.stdout)) } else { Err(text(asked.stderr)) }
    }

    fn address(&self, kind: &str) -> SocketAddr {
        let status = self.ask("status").expect("it answers");
        let line = status.lines().find_map(|line| line.strip_prefix("listens: ")).expect("listeners");
        let found = line.split(", ").find_map(|each| each.strip_prefix(kind)?.strip_prefix(' '));
        found.and_then(|text| text.parse().ok()).expect("an address")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.ask("stop");
        let _ = self.ask("stop");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rules that differ from turn to turn, as edited ones do.
fn write_rules(folder: &Folder, apache: SocketAddr, echo: SocketAddr, turn: usize) {
    let text = format!(
        "gateway {{ .http = \"127.0.0.1:0\"; .https = \"127.0.0.1:0\"; .state = \"state\"; .workers = {}; }}\n\
         backend apache {{ .url = \"http://{apache}\"; }}\n\
         backend echo {{ .url = \"http://{echo}\"; .first_byte_timeout = {}s; }}\n\
         site \"www.test\" {{ .force_https = no;\n    route \"/\" {{ .backend = apache; }}\n    \
         route \"/talk\" {{ .backend = echo; }}\n}}\n\
         site \"127.0.0.1\" {{ .force_https = no;\n    \
         route \"/svn/\" {{ .backend = apache; .serves = subversion; .write = anyone; }}\n}}\nsite \"turn-{turn}.test\" {{ route \"/\" {{ .backend = apache; }} }}\n",
        2 + turn / 10 % 2,
        60 + turn % 2,
    );
    folder.write("main.vcl", &text);
}

fn play(play: &Play) {
    let apache = Apache::start();
    let echo = load::echo_server();
    let gateway = Gateway::start(apache.address, echo);
    let root = gateway.folder.0.join("state/authority/root.pem");
    let tally = Arc::new(Tally::default());
    let crowd = Crowd::start(gateway.address("http"), gateway.address("https"), &root, play.rate, &tally);
    let over = Arc::new(AtomicBool::new(false));
    let commits = svn::commits(&gateway, play.commit_bytes, &over);
    // Each thing is in full course before the first change.
    let begun = Instant::now();
    commits.running();
    let (mut reloads, mut upgrades) = (Vec::new(), Vec::new());
    for turn in 1..=play.reloads {
        write_rules(&gateway.folder, gateway.apache, gateway.echo, turn);
        let at = Instant::now();
        if let Err(why) = gateway.ask("reload") {
            panic!("a reload failed: {why}");
        }
        reloads.push(at.elapsed());
        if turn % (play.reloads / play.upgrades) == 0 {
            // One that talks through every process.
            crowd.talk();
            commits.running();
            let at = Instant::now();
            if let Err(why) = gateway.ask("upgrade") {
                panic!("an upgrade failed: {why}\n{}", gateway.said());
            }
            upgrades.push((at, at.elapsed()));
        }
    }
    over.store(true, Ordering::Relaxed);
    let commits = commits.end();
    let status = gateway.ask("status").expect("it answers");
    let drained = status.matches("draining: ").count();
    let elapsed = begun.elapsed();
    crowd.end();
    let during = upgrades.iter().filter(|(at, _)| commits.during(*at)).count();
    let longest = |times: &mut dyn Iterator<Item = Duration>| times.max().unwrap_or_default();
    println!(
        "{} reloads (slowest {:?}), {} upgrades (slowest {:?}), {during} of them during one of {} commits of {} MB, \
         {drained} processes still draining at the end; in {elapsed:.1?}:\n{tally}",
        reloads.len(),
        longest(&mut reloads.iter().copied()),
        upgrades.len(),
        longest(&mut upgrades.iter().map(|(_, took)| *took)),
        commits.count(),
        play.commit_bytes >> 20,
    );
    let expected = elapsed.as_secs_f64() * f64::from(u32::try_from(play.rate).expect("a rate"));
    tally.judge(play.least * expected);
    assert_eq!(upgrades.len(), play.upgrades);
    assert_eq!(drained, play.upgrades, "each process before this one still carries a WebSocket");
    assert!(during > 0, "no upgrade fell into a commit");
    commits.judge();
    apache.verify();
}

#[test]
fn change_is_no_outage() {
    play(&Play { reloads: 20, upgrades: 2, rate: 200, commit_bytes: 20 << 20, least: 0.5 });
}

/// Figures that only a release build reaches.
#[test]
#[ignore = "takes a minute or two; `make prove` plays it"]
fn change_is_no_outage_at_full_length() {
    play(&Play { reloads: 200, upgrades: 20, rate: 500, commit_bytes: 200 << 20, least: 0.95 });
}
