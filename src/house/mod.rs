//! The house as a whole: builds the rooms from the rules, lets visitors in, swaps generations, drains.
//!
//! Called by `cli`, `demo` and the tests. The process has one control thread (signals, control socket, admin
//! pages, probes, renewals), one thread that writes logs, one that owns the store, and one worker a core. Promises:
//! it starts whole or says why not; a reload replaces everything or nothing and drops nobody; a stop lets
//! open visits finish, a second one does not; an upgrade starts the program anew, hands everything over and then
//! lets its own visits finish, or fails and changes nothing. What outlives a generation (log files, store, local authority,
//! TLS tickets, backends by name) is kept in `Keep`.

mod control;
mod generation;
mod line;
mod notify;
mod orders;
mod succession;
mod upgrade;
mod worker;

pub use succession::Program;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::admin::control::Answer;
use crate::listen::Passed;
use crate::settings::Doors;

/// How to run a house.
pub struct Options {
    /// The main file of the rules.
    pub rules: PathBuf,
    /// Where to listen and to keep things, for rules without a `gateway`.
    pub doors: Doors,
    /// What `env()` in the rules sees; the process's environment, or a test's.
    pub environment: Environment,
    /// Called once, when every door is open.
    pub announce: Option<Announce>,
    /// Listen to SIGHUP, SIGUSR2, SIGTERM and SIGINT, and say what the house says on standard error too.
    pub foreground: bool,
    /// Sockets that systemd listens on for us; they stand for those of their kind in the rules.
    pub passed: Vec<Passed>,
    /// What an upgrade starts; `None` where the gateway is a part of another program.
    pub program: Option<Program>,
}

/// Told what is open.
pub type Announce = Box<dyn FnOnce(&Open) + Send>;

/// Looks a name up for `env()`.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment of this process.
pub fn environment() -> Environment {
    Arc::new(|name| std::env::var(name).ok())
}

/// What is open, as it was really bound.
#[derive(Clone, Debug)]
pub struct Open {
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub root_certificate: PathBuf,
    pub state: PathBuf,
}

/// Why the house does not stand. The text is whole sentences for the operator; drawn faults of the rules are
/// among them.
#[derive(Debug)]
pub struct StartFault(String);

impl StartFault {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartFault {}

/// What can be asked of a running house, from wherever.
enum Order {
    Status(oneshot::Sender<Answer>),
    Reload(oneshot::Sender<Answer>),
    /// What an operator says of a backend or a site.
    Tell(Box<str>, oneshot::Sender<Answer>),
    Upgrade(oneshot::Sender<Answer>),
    /// The first lets open visits finish, the second does not.
    Stop,
}

/// A house that stands.
pub struct Running {
    pub open: Open,
    orders: mpsc::UnboundedSender<Order>,
    thread: JoinHandle<bool>,
}

impl Running {
    /// Reads the rules again; the answer's text says what came of it.
    pub fn reload(&self) -> Answer {
        self.ask(Order::Reload)
    }

    pub fn status(&self) -> Answer {
        self.ask(Order::Status)
    }

    /// The order of an operator, as it comes over the control socket.
    pub fn tell(&self, order: &str) -> Answer {
        self.ask(|answer| Order::Tell(order.into(), answer))
    }

    fn ask(&self, order: impl FnOnce(oneshot::Sender<Answer>) -> Order) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = || Answer::fault("the gateway is closing");
        if self.orders.send(order(answer)).is_err() {
            return gone();
        }
        answered.blocking_recv().unwrap_or_else(|_| gone())
    }

    /// Lets open visits finish; called again, ends them.
    pub fn stop(&self) {
        // Nobody there to hear it means that it has stopped.
        let _ = self.orders.send(Order::Stop);
    }

    /// Waits for the end; true when it came because somebody said so, false when the house fell.
    pub fn wait(self) -> bool {
        self.thread.join().unwrap_or(false)
    }
}

/// Builds the house and opens its doors; returns when it stands.
pub fn start(options: Options) -> Result<Running, StartFault> {
    let (orders, received) = mpsc::unbounded_channel();
    let (ready, stands) = std::sync::mpsc::sync_channel(1);
    let own = orders.clone();
    let thread = std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || control::run(options, own, received, &ready))
        .map_err(|error| StartFault(format!("cannot start the control thread: {error}")))?;
    match stands.recv() {
        Ok(Ok(open)) => Ok(Running { open, orders, thread }),
        Ok(Err(fault)) => {
            let _ = thread.join();
            Err(fault)
        }
        Err(_) => Err(StartFault::new("the control thread ended before the house stood")),
    }
}
