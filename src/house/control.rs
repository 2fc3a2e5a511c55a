//! The control thread: starts everything, then waits for orders (signals, the control socket), serves the
//! admin pages and renews what runs out.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use super::generation::{self, Keep};
use super::worker::{self, Phase, Post};
use super::{Announce, Environment, Open, Options, Order, StartFault};
use crate::admin::control::{self as socket, Answer, Command};
use crate::admin::{Admin, Standing, State, Troubles};
use crate::base::amount;
use crate::base::bound::Bounds;
use crate::base::clock::{self, Wall};
use crate::front::{self, closing::Closing};
use crate::listen::{self, Gate};
use crate::record::{Level, Office};
use crate::settings::{Doors, Gateway};
use crate::upstream::{self, Condition, Director, Event, MemberStanding, News};
use crate::visit::{World, Worlds};

/// How often certificates are looked at.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// True when the house ended because it was told to.
pub fn run(
    options: Options,
    orders: mpsc::UnboundedSender<Order>,
    received: mpsc::UnboundedReceiver<Order>,
    ready: &SyncSender<Result<Open, StartFault>>,
) -> bool {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(StartFault(format!("cannot start a runtime: {error}"))));
            return false;
        }
    };
    LocalSet::new().block_on(&runtime, async {
        match House::build(options, orders).await {
            Ok((house, open, announce)) => {
                if let Some(announce) = announce {
                    announce(&open);
                }
                let _ = ready.send(Ok(open));
                house.live(received).await
            }
            Err(fault) => {
                let _ = ready.send(Err(fault));
                false
            }
        }
    })
}

struct House {
    rules: PathBuf,
    doors: Doors,
    environment: Environment,
    keep: Rc<Keep>,
    worlds: Arc<Worlds>,
    gate: Arc<Gate>,
    /// What can't change while the house stands; a reload that says otherwise is told so.
    gateway: Gateway,
    phase: watch::Sender<Phase>,
    workers: Vec<JoinHandle<()>>,
    ended: mpsc::Receiver<()>,
    closing: Closing,
    started: Wall,
    generation: u64,
    generation_since: Wall,
    open: Open,
    signals: Option<Signals>,
    /// Workers that ended by themselves.
    gone: usize,
}

struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

enum Said {
    Reload,
    Stop,
}

impl House {
    async fn build(
        options: Options,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Result<(House, Open, Option<Announce>), StartFault> {
        let Options { rules, doors, environment, announce, foreground } = options;
        // Every path in the rules is relative to theirs, and some are joined to others on the way.
        let rules = std::path::absolute(&rules).unwrap_or(rules);
        let settings = generation::read(&rules, &doors, &environment).map_err(StartFault)?;
        let gateway = settings.gateway.clone();
        let workers =
            gateway.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        generation::state_folder(&gateway.state).map_err(StartFault)?;
        // The socket first: it is what tells two gateways on one state folder apart.
        let door =
            socket::open(&socket::socket(&gateway.state)).map_err(|fault| StartFault(fault.to_string()))?;
        let bind = |addresses: &[SocketAddr]| {
            let sockets = addresses.iter().map(|address| listen::bind(place(*address), workers));
            sockets.collect::<Result<Vec<_>, _>>().map_err(|fault| StartFault(fault.to_string()))
        };
        let (mut http, mut https) = (bind(&gateway.http)?, bind(&gateway.https)?);
        let admin = match gateway.admin {
            Some(address) => Some(
                listen::bind(listen::Place::At(address), 1)
                    .map_err(|fault| StartFault(fault.to_string()))?
                    .remove(0),
            ),
            None => None,
        };
        let https_port =
            https.first().and_then(|each| each.first()?.local_addr().ok()).map(|bound| bound.port());
        let keep = Rc::new(Keep::open(&gateway, https_port, foreground).await.map_err(StartFault)?);
        let world = generation::first(&settings, &keep).map_err(StartFault)?;
        let acceptor = world.acceptor.clone();
        let worlds = Arc::new(Worlds::new(world));
        let gate = Gate::new(&gateway.bounds);
        let (phase, phases) = watch::channel(Phase::Open);
        let (done, ended) = mpsc::channel(1);

        let bound = |sockets: &[Vec<std::net::TcpListener>]| {
            sockets.iter().filter_map(|each| each.first()?.local_addr().ok()).collect::<Vec<_>>()
        };
        let open = Open {
            http: bound(&http),
            https: bound(&https),
            admin: admin.as_ref().and_then(|listener| listener.local_addr().ok()),
            root_certificate: keep.authority.root_path(),
            state: gateway.state.clone(),
        };
        let mut threads = Vec::new();
        for number in 0..workers {
            let post = Post {
                http: http.iter_mut().filter_map(Vec::pop).collect(),
                https: https.iter_mut().filter_map(Vec::pop).collect(),
                worlds: Arc::clone(&worlds),
                acceptor: acceptor.clone(),
                gate: Arc::clone(&gate),
                office: Arc::clone(&keep.office),
                phase: phases.clone(),
            };
            let thread = worker::start(number, post, done.clone())
                .map_err(|error| StartFault(format!("cannot start a worker: {error}")))?;
            threads.push(thread);
        }
        let signals = if foreground { Some(Signals::new()?) } else { None };
        let started = clock::wall();
        let house = House {
            rules,
            doors,
            environment,
            keep,
            worlds,
            gate,
            gateway,
            phase,
            workers: threads,
            ended,
            closing: Closing::default(),
            started,
            generation: 1,
            generation_since: started,
            open: open.clone(),
            signals,
            gone: 0,
        };
        house.answer_commands(door, orders);
        house.tend();
        if let Some(listener) = admin {
            house.serve_admin(listener)?;
        }
        house.keep.office.note(
            Level::Info,
            "the house stands",
            &[
                ("version", &env!("CARGO_PKG_VERSION")),
                ("workers", &workers),
                ("rules", &house.rules.display()),
            ],
        );
        Ok((house, open, announce))
    }

    /// The control socket hands its commands to the loop in `live`, in the order they come.
    fn answer_commands(&self, door: socket::Door, orders: mpsc::UnboundedSender<Order>) {
        let office = Arc::clone(&self.keep.office);
        spawn_local(async move {
            let served = door.serve(move |command| {
                let orders = orders.clone();
                async move {
                    let stop = command == Command::Stop;
                    let (answer, answered) = oneshot::channel();
                    let order = match command {
                        Command::Status => Order::Status(answer),
                        Command::Reload => Order::Reload(answer),
                        Command::Tell(order) => Order::Tell(order, answer),
                        Command::Stop => {
                            drop(answer);
                            Order::Stop
                        }
                    };
                    if orders.send(order).is_err() {
                        return Answer::fault("the gateway is closing");
                    }
                    if stop {
                        return Answer::done("open visits are given their time, then the gateway ends");
                    }
                    answered.await.unwrap_or_else(|_| Answer::fault("the gateway is closing"))
                }
            });
            if let Err(error) = served.await {
                office.note(Level::Error, "the control socket ended", &[("error", &error)]);
            }
        });
    }

    /// Probes the backends, asks for their names and tells what changed; those that were kept are tended already.
    fn tend(&self) {
        for backend in self.worlds.current().servers() {
            let office = Arc::clone(&self.keep.office);
            if let Some(tending) = upstream::tending(backend, move |news| tell(&office, &news)) {
                spawn_local(tending);
            }
        }
    }

    fn serve_admin(&self, listener: std::net::TcpListener) -> Result<(), StartFault> {
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|error| StartFault(format!("cannot serve the admin pages: {error}")))?;
        let (worlds, closing) = (Arc::clone(&self.worlds), self.closing.clone());
        let office = Arc::clone(&self.keep.office);
        let (keep, here) = (Rc::clone(&self.keep), Arc::clone(&self.worlds));
        let admin = Admin::new(State {
            standing: Box::new(move || if closing.begun() { Standing::Draining } else { Standing::Open }),
            troubles: Box::new(move || troubles(&keep, &here.current())),
            metrics: Box::new(move || {
                let world = worlds.current();
                office.scrape(&generation::figures(&world), &generation::director_figures(&world))
            }),
        });
        let bounds = Arc::new(Bounds::default());
        spawn_local(front::serve_tcp(listener, Rc::new(admin), bounds, Closing::default()));
        Ok(())
    }

    /// Until it is told to stop; false when all workers ended without that.
    async fn live(mut self, mut orders: mpsc::UnboundedReceiver<Order>) -> bool {
        let mut renewals = interval(RENEW_EVERY);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(order) = orders.recv() => match order {
                    Order::Status(answer) => drop(answer.send(Answer::done(self.status()))),
                    Order::Reload(answer) => drop(answer.send(self.reload())),
                    Order::Tell(order, answer) => {
                        let told = self.keep.obey(&order, &self.worlds.current()).await;
                        drop(answer.send(told));
                    }
                    Order::Stop => self.stop(),
                },
                said = Signals::next(&mut self.signals) => match said {
                    Said::Reload => {
                        self.keep.office.reopen();
                        drop(self.reload());
                    }
                    Said::Stop => self.stop(),
                },
                _ = renewals.tick() => self.upkeep().await,
                // Every worker holds a sender; nothing is ever sent.
                _ = self.ended.recv() => break,
            }
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        let told = self.closing.begun();
        if told {
            self.keep.office.note(Level::Info, "the house is closed", &[]);
        } else {
            self.keep.office.note(Level::Error, "all workers have ended, and nobody said so", &[]);
        }
        self.keep.close().await;
        told
    }

    fn stop(&mut self) {
        let next = if self.closing.begun() { Phase::Shut } else { Phase::Closing };
        self.closing.begin();
        let text =
            if next == Phase::Shut { "closing at once" } else { "closing: open visits are given their time" };
        self.keep.office.note(Level::Info, text, &[]);
        self.phase.send_replace(next);
    }

    fn reload(&mut self) -> Answer {
        let done = generation::read(&self.rules, &self.doors, &self.environment).and_then(|settings| {
            let world = generation::next(&settings, &self.keep, &self.worlds.current())?;
            Ok((settings, world))
        });
        self.keep.office.reloaded(done.is_ok());
        match done {
            Ok((settings, world)) => {
                let bounds = Arc::clone(&world.terms.bounds);
                self.worlds.swap(world);
                self.tend();
                self.gate.set_bounds(&bounds);
                self.generation += 1;
                self.generation_since = clock::wall();
                self.keep.office.note(Level::Info, "rules reloaded", &[("generation", &self.generation)]);
                let mut text = format!(
                    "reloaded: {}, {}\n",
                    counted(settings.sites.len(), "site"),
                    counted(settings.backends.len(), "backend")
                );
                for name in fixed(&self.gateway, &settings.gateway) {
                    let _ = writeln!(text, "`.{name}` of the gateway changed: it takes a restart to follow");
                }
                Answer::done(text)
            }
            Err(text) => {
                self.keep.office.note(Level::Error, "the new rules were refused, the old ones go on", &[]);
                if self.signals.is_some() {
                    let _ = writeln!(std::io::stderr(), "{text}");
                }
                Answer::fault(format!("{text}\nthe old rules go on"))
            }
        }
    }

    /// What has to be looked at every minute.
    async fn upkeep(&mut self) {
        if let Err(error) = self.keep.turn_the_day().await {
            self.keep.office.note(
                Level::Error,
                "the day's pseudonyms could not be changed",
                &[("error", &error)],
            );
        }
        let gone = self.workers.iter().filter(|worker| worker.is_finished()).count();
        if gone > self.gone && !self.closing.begun() {
            self.gone = gone;
            self.keep.office.note(
                Level::Error,
                "a worker has ended by itself",
                &[("workers", &self.workers.len())],
            );
        }
        if let Err(error) = generation::renew(&self.keep, &self.worlds.current().acceptor) {
            self.keep.office.note(Level::Error, "certificates could not be renewed", &[("error", &error)]);
        }
    }

    fn status(&self) -> String {
        let now = clock::wall();
        let age =
            |since: Wall| amount::write_age(Duration::from_secs(now.seconds.saturating_sub(since.seconds)));
        let world = self.worlds.current();
        let mut text = format!(
            "doorward {} (pid {}), up {}\n",
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
            age(self.started)
        );
        if self.closing.begun() {
            text.push_str("closing: lets nobody in, open visits are given their time\n");
        }
        let _ = writeln!(
            text,
            "rules: {}, generation {}, {} old",
            self.rules.display(),
            self.generation,
            age(self.generation_since)
        );
        let listeners: Vec<String> =
            [("http", &*self.open.http), ("https", &self.open.https), ("admin", self.open.admin.as_slice())]
                .into_iter()
                .flat_map(|(kind, places)| places.iter().map(move |place| format!("{kind} {place}")))
                .collect();
        let _ = writeln!(text, "listens: {}", listeners.join(", "));
        let _ = writeln!(text, "connections: {} open, {} turned away", self.gate.open(), self.gate.refused());
        for backend in generation::figures(&world) {
            let faults: u64 = backend.faults.iter().map(|(_, count)| count).sum();
            let _ = writeln!(
                text,
                "backend {}: {} requests, {} in flight, {} connections, {} faults",
                backend.name, backend.requests, backend.in_flight, backend.open, faults
            );
        }
        for backend in world.servers() {
            let standing = backend.standing();
            let _ = write!(
                text,
                "backend {}: {} for {}",
                backend.name(),
                standing.condition.word(),
                age(standing.since)
            );
            if !standing.healthy() {
                let _ = write!(text, ", {}", standing.reason);
            }
            if let Some((good, window)) = standing.probe {
                let _ = write!(text, ", {good} of the last {window} probes were good");
            }
            text.push('\n');
        }
        for shut in self.keep.orders.shut(&world) {
            let _ = writeln!(text, "site {}: {}", shut.site, shut.tell(now));
        }
        for director in world.directors() {
            let _ = writeln!(text, "{}", told(director));
        }
        if self.keep.office.dropped() > 0 {
            let _ = writeln!(text, "log lines that could not be written: {}", self.keep.office.dropped());
        }
        text
    }
}

/// A director with its members, for the status.
fn told(director: &Director) -> String {
    let member = |member: MemberStanding| {
        let MemberStanding { name, weight, drained, healthy, gets } = member;
        let how = if drained {
            " (drained)"
        } else if !healthy {
            " (sick)"
        } else if weight > 0 && gets < f64::from(weight) {
            " (starts slowly)"
        } else {
            ""
        };
        format!("{name} weight {weight}{how}")
    };
    let members: Vec<String> = director.members(clock::now()).into_iter().map(member).collect();
    format!(
        "director {}: {}, {}; {} retries",
        director.name(),
        director.config().policy.word(),
        members.join(", "),
        director.retries()
    )
}

/// What is new of a backend, in a line.
fn tell(office: &Office, news: &News<'_>) {
    let name = &news.backend;
    match &news.event {
        Event::Stands(standing, times) => {
            let mut fields: Vec<(&str, &dyn std::fmt::Display)> = vec![("backend", name)];
            if !standing.healthy() {
                fields.push(("why", &standing.reason));
            }
            if *times > 1 {
                fields.push(("changes", times));
            }
            let (level, text) = match standing.condition {
                Condition::Well => (Level::Info, "a backend is healthy"),
                Condition::Sick => (Level::Warning, "a backend is sick and is asked nothing"),
                Condition::Failing => (Level::Warning, "a backend fails and is left alone"),
                Condition::Drained => (Level::Info, "a backend is drained and is asked nothing"),
                Condition::Nowhere => return,
            };
            office.note(level, text, &fields);
        }
        Event::NameLost { goes_on: true } => office.note(
            Level::Warning,
            "a backend's name is not known any more; its last addresses are gone on with",
            &[("backend", name)],
        ),
        Event::NameLost { goes_on: false } => {
            office.note(Level::Warning, "nobody knows a backend's name", &[("backend", name)]);
        }
        Event::NameFound => office.note(Level::Info, "a backend's name is known again", &[("backend", name)]),
    }
}

/// What is not as usual, for the health page.
fn troubles(keep: &Keep, world: &World) -> Troubles {
    let backends = world.servers().map(|backend| (backend.name().into(), backend.standing()));
    Troubles {
        backends: backends.filter(|(_, standing)| !standing.healthy()).collect(),
        closed: keep.orders.shut(world).into_iter().map(|shut| (shut.site, shut.until)).collect(),
    }
}

/// `[::]:443` in the settings stands for every address of the machine.
fn place(address: SocketAddr) -> listen::Place {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => listen::Place::Everywhere(v6.port()),
        address => listen::Place::At(address),
    }
}

impl Signals {
    fn new() -> Result<Self, StartFault> {
        let listen =
            |kind| signal(kind).map_err(|error| StartFault(format!("cannot listen to signals: {error}")));
        Ok(Self {
            reload: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The next signal; never one where none are listened to.
    async fn next(signals: &mut Option<Self>) -> Said {
        let Some(Self { reload, terminate, interrupt }) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = reload.recv() => Said::Reload,
            _ = terminate.recv() => Said::Stop,
            _ = interrupt.recv() => Said::Stop,
        }
    }
}

/// The settings that differ and can't change while the house stands.
fn fixed(old: &Gateway, new: &Gateway) -> Vec<&'static str> {
    let differs = [
        ("http", old.http != new.http),
        ("https", old.https != new.https),
        ("admin", old.admin != new.admin),
        ("state", old.state != new.state),
        ("workers", old.workers != new.workers),
    ];
    differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
