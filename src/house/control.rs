//! The control thread: starts everything, then waits for orders (signals, the control socket), serves the
//! admin pages and renews what runs out.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use super::generation::{self, Keep};
use super::line::Line;
use super::notify::Manager;
use super::succession::{Legacy, Predecessor, Program};
use super::worker::{self, Phase, Post};
use super::{Announce, Environment, Open, Options, Order, StartFault};
use crate::admin::control::{self as socket, Answer, Command};
use crate::admin::{Admin, Standing, State, Troubles};
use crate::base::amount;
use crate::base::bound::Bounds;
use crate::base::clock::{self, Wall};
use crate::front::{self, closing::Closing};
use crate::listen::{self, Doorway, Gate, Kind};
use crate::record::{Level, Office};
use crate::settings::{Doors, Gateway};
use crate::upstream::{self, Condition, Director, Event, MemberStanding, News};
use crate::visit::{World, Worlds};

/// How often certificates are looked at.
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// How often the process that has taken over is told how many visitors are still here.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// What a service manager waits longer for the end than visits may take.
const STOP_MARGIN: Duration = Duration::from_secs(10);

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
        let mut legacy = match Legacy::receive(&options.environment).await {
            Ok(legacy) => legacy,
            Err(fault) => {
                let _ = ready.send(Err(fault));
                return false;
            }
        };
        match House::build(options, orders, &mut legacy).await {
            Ok((house, open, announce)) => {
                if let Some(announce) = announce {
                    announce(&open);
                }
                let _ = ready.send(Ok(open));
                house.live(received).await
            }
            Err(fault) => {
                if let Some(legacy) = legacy {
                    legacy.refuse(&fault).await;
                }
                let _ = ready.send(Err(fault));
                false
            }
        }
    })
}

pub(super) struct House {
    rules: PathBuf,
    doors: Doors,
    environment: Environment,
    pub(super) keep: Rc<Keep>,
    pub(super) worlds: Arc<Worlds>,
    gate: Arc<Gate>,
    /// What can't change while the house stands; a reload that says otherwise is told so.
    pub(super) gateway: Gateway,
    /// Where it listens: kept for the process that takes over.
    pub(super) doorways: Vec<Doorway>,
    pub(super) phase: watch::Sender<Phase>,
    workers: Vec<JoinHandle<()>>,
    /// How often each worker has looked around; what it was when the service manager was last told.
    pulses: Vec<(Arc<AtomicU64>, u64)>,
    ended: mpsc::Receiver<()>,
    /// Begins when nobody lets visitors in any more.
    closing: Closing,
    /// Of the admin pages: begins also when another process shows them.
    admin_closing: Closing,
    /// How often it was told to stop, by whom it can be told directly.
    stops: u8,
    started: Wall,
    generation: u64,
    generation_since: Wall,
    open: Open,
    pub(super) signals: Option<Signals>,
    /// Workers that ended by themselves.
    gone: usize,
    pub(super) manager: Manager,
    /// What an upgrade starts; nothing where the gateway is a part of another program.
    pub(super) program: Option<Program>,
    /// Processes before this one that still have visitors.
    pub(super) predecessors: Rc<Predecessors>,
    /// To the process that has taken over.
    pub(super) heir: Option<Heir>,
}

/// The process that lets visitors in instead of this one.
pub(super) struct Heir {
    pub pid: u32,
    /// Until it ends.
    pub line: Option<Rc<Line>>,
}

pub(super) struct Signals {
    reload: Signal,
    upgrade: Signal,
    terminate: Signal,
    interrupt: Signal,
}

enum Said {
    Reload,
    Upgrade,
    Stop,
}

impl House {
    /// `legacy`: of the process that this one takes over from; left there unless all went well.
    async fn build(
        options: Options,
        orders: mpsc::UnboundedSender<Order>,
        legacy: &mut Option<Legacy>,
    ) -> Result<(House, Open, Option<Announce>), StartFault> {
        let Options { rules, doors, environment, announce, foreground, passed, program } = options;
        // Every path in the rules is relative to theirs, and some are joined to others on the way.
        let rules = std::path::absolute(&rules).unwrap_or(rules);
        let settings = generation::read(&rules, &doors, &environment).map_err(StartFault)?;
        let gateway = settings.gateway.clone();
        let workers =
            gateway.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        if let Some(legacy) = legacy
            && legacy.state != gateway.state
        {
            return Err(StartFault(format!(
                "the rules name {} as state folder, and what is to be taken over lies in {}: that takes a restart",
                gateway.state.display(),
                legacy.state.display()
            )));
        }
        generation::state_folder(&gateway.state).map_err(StartFault)?;
        // The socket first: it is what tells two gateways on one state folder apart.
        let control = socket::socket(&gateway.state);
        let door = if legacy.is_some() { socket::open_beside(&control) } else { socket::open(&control) };
        let mut door = door.map_err(|fault| StartFault(fault.to_string()))?;
        let mut doorways = doorways(&gateway, workers, legacy, passed)?;
        let bound = |kind: Kind| -> Vec<SocketAddr> {
            doorways.iter().filter(|each| each.kind() == kind).filter_map(Doorway::address).collect()
        };
        let https_port = bound(Kind::Https).first().map(SocketAddr::port);
        if let Some(legacy) = legacy {
            legacy.store().await?;
        }
        let keep = Rc::new(Keep::open(&gateway, https_port, foreground).await.map_err(StartFault)?);
        let open = Open {
            http: bound(Kind::Http),
            https: bound(Kind::Https),
            admin: bound(Kind::Admin).first().copied(),
            root_certificate: keep.authority.root_path(),
            state: gateway.state.clone(),
        };
        let tickets = legacy.as_mut().and_then(|legacy| legacy.tickets.take());
        let world = generation::first(&settings, &keep, tickets).map_err(StartFault)?;
        let acceptor = world.acceptor.clone();
        let worlds = Arc::new(Worlds::new(world));
        let gate = Gate::new(&gateway.bounds);
        let (phase, phases) = watch::channel(Phase::Open);
        let (done, ended) = mpsc::channel(1);
        let signals = if foreground { Some(Signals::new()?) } else { None };
        if let Some(legacy) = legacy {
            legacy.stands().await?;
        }
        let mut shares = Vec::new();
        for doorway in &mut doorways {
            // The control thread serves the admin pages.
            let among = if doorway.kind() == Kind::Admin { 1 } else { workers };
            let shared = doorway.shares(among);
            shares.push(
                shared.map_err(|error| {
                    StartFault(format!("cannot share out the listening sockets: {error}"))
                })?,
            );
        }
        let mut of = |kind: Kind| {
            let these = doorways.iter().zip(&mut shares).filter(|(doorway, _)| doorway.kind() == kind);
            these.filter_map(|(_, shares)| shares.pop()).flatten().collect::<Vec<_>>()
        };
        let (mut threads, mut pulses) = (Vec::new(), Vec::new());
        for number in 0..workers {
            let pulse = Arc::new(AtomicU64::new(0));
            let post = Post {
                http: of(Kind::Http),
                https: of(Kind::Https),
                worlds: Arc::clone(&worlds),
                acceptor: acceptor.clone(),
                gate: Arc::clone(&gate),
                office: Arc::clone(&keep.office),
                phase: phases.clone(),
                pulse: Arc::clone(&pulse),
            };
            let thread = worker::start(number, post, done.clone())
                .map_err(|error| StartFault(format!("cannot start a worker: {error}")))?;
            threads.push(thread);
            pulses.push((pulse, 0));
        }
        let admin = of(Kind::Admin);
        let manager = Manager::of(&environment);
        let started = clock::wall();
        let mut house = House {
            rules,
            doors,
            environment,
            keep,
            worlds,
            gate,
            gateway,
            doorways,
            phase,
            workers: threads,
            pulses,
            ended,
            closing: Closing::default(),
            admin_closing: Closing::default(),
            stops: 0,
            started,
            generation: 1,
            generation_since: started,
            open: open.clone(),
            signals,
            gone: 0,
            manager,
            program,
            predecessors: Rc::default(),
            heir: None,
        };
        house.tend();
        for listener in admin {
            house.serve_admin(listener)?;
        }
        if let Some(legacy) = legacy.take() {
            // Visitors are let in: from here on nothing is a reason to fall.
            if let Err(error) = door.take_over(&control) {
                let office = &house.keep.office;
                office.note(Level::Error, "the control socket could not be taken over", &[("error", &error)]);
            }
            house.answer_commands(door, orders);
            for predecessor in legacy.serving().await {
                house.remember(predecessor);
            }
        } else {
            house.answer_commands(door, orders);
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
        house.manager.ready(&house.motto());
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
                        Command::Upgrade => Order::Upgrade(answer),
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
        spawn_local(front::serve_tcp(listener, Rc::new(admin), bounds, self.admin_closing.clone()));
        Ok(())
    }

    /// Until it is told to stop, or has handed over; false when all workers ended without that.
    async fn live(mut self, mut orders: mpsc::UnboundedReceiver<Order>) -> bool {
        let mut renewals = interval(RENEW_EVERY);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut signs = interval(self.manager.watchdog().map_or(RENEW_EVERY, |patience| patience / 2));
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reports = interval(REPORT_EVERY);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Its own visitors have gone; those of older processes may not.
        let (mut over, predecessors) = (false, Rc::clone(&self.predecessors));
        loop {
            if over && (self.heir.is_some() || self.stops != 1) {
                break;
            }
            let heir = self.heir.as_ref().and_then(|heir| heir.line.clone());
            tokio::select! {
                Some(order) = orders.recv() => self.obey(order).await,
                said = Signals::next(&mut self.signals) => match said {
                    Said::Reload => {
                        self.keep.office.reopen();
                        if self.heir.is_none() {
                            drop(self.reload());
                        }
                    }
                    Said::Upgrade if self.heir.is_none() => drop(self.upgrade().await),
                    Said::Upgrade => {}
                    Said::Stop => self.stop(),
                },
                heard = told_by(heir.as_deref()) => self.follow(heard.as_deref()),
                _ = renewals.tick() => self.upkeep().await,
                _ = signs.tick() => self.sign_of_life(),
                _ = reports.tick() => self.report(),
                // Every worker holds a sender; nothing is ever sent.
                _ = self.ended.recv(), if !over => over = true,
                () = predecessors.gone(), if over => break,
            }
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        let told = self.closing.begun() || self.heir.is_some();
        if told {
            self.keep.office.note(Level::Info, "the house is closed", &[]);
        } else {
            self.keep.office.note(Level::Error, "all workers have ended, and nobody said so", &[]);
        }
        self.keep.close().await;
        told
    }

    async fn obey(&mut self, order: Order) {
        if let Some(heir) = &self.heir {
            // Who asks here was on the way while the other took over.
            let text = format!("process {} has just taken over: ask again", heir.pid);
            match order {
                Order::Status(answer)
                | Order::Reload(answer)
                | Order::Tell(_, answer)
                | Order::Upgrade(answer) => {
                    drop(answer.send(Answer::fault(text)));
                }
                Order::Stop => self.stop(),
            }
            return;
        }
        match order {
            Order::Status(answer) => drop(answer.send(Answer::done(self.status()))),
            Order::Reload(answer) => drop(answer.send(self.reload())),
            Order::Tell(told, answer) => {
                let (told, news) = self.keep.obey(&told, &self.worlds.current()).await;
                if news {
                    self.keep.office.note(Level::Info, "an operator's order holds", &[("order", &told.text)]);
                }
                drop(answer.send(told));
            }
            Order::Upgrade(answer) => drop(answer.send(self.upgrade().await)),
            Order::Stop => self.stop(),
        }
    }

    pub(super) fn stop(&mut self) {
        self.stops = self.stops.saturating_add(1);
        let next = if self.stops > 1 { Phase::Shut } else { Phase::Closing };
        let text =
            if next == Phase::Shut { "closing at once" } else { "closing: open visits are given their time" };
        self.keep.office.note(Level::Info, text, &[]);
        self.manager.stopping(self.worlds.current().terms.bounds.drain_timeout + STOP_MARGIN);
        self.close(next);
        self.predecessors.tell(if next == Phase::Shut { "shut" } else { "stop" });
    }

    fn close(&mut self, next: Phase) {
        self.closing.begin();
        // A socket is closed when the last one lets go of it.
        self.doorways.clear();
        if self.heir.is_some() {
            self.admin_closing.begin();
        }
        self.phase.send_if_modified(|phase| {
            let on = *phase != Phase::Shut;
            if on {
                *phase = next;
            }
            on
        });
    }

    /// What the process that has taken over says: it was told to stop, and so is this one, unless it was already.
    fn follow(&mut self, heard: Option<&str>) {
        match heard {
            Some("stop") if self.stops == 0 && !self.closing.begun() => self.close(Phase::Closing),
            Some("shut") => self.close(Phase::Shut),
            Some(_) => {}
            // It has ended, and nobody else will say anything: open visits still have their time.
            None => {
                self.keep.office.note(Level::Warning, "the process that took over has ended", &[]);
                if let Some(heir) = &mut self.heir {
                    heir.line = None;
                }
            }
        }
    }

    /// Another process shows the admin pages.
    pub(super) fn leave_admin(&self) {
        self.admin_closing.leave();
    }

    /// Tells the process that has taken over how many visitors are still here.
    fn report(&self) {
        if let Some(line) = self.heir.as_ref().and_then(|heir| heir.line.as_ref()) {
            // One that does not read is told the next time.
            let _ = line.try_say(&json!({"say": "open", "connections": self.gate.open()}));
        }
    }

    /// Tells the service manager that nobody is stuck: not this thread, and no worker that has not ended.
    fn sign_of_life(&mut self) {
        if self.manager.watchdog().is_none() {
            return;
        }
        let mut moved = true;
        for ((pulse, before), worker) in self.pulses.iter_mut().zip(&self.workers) {
            let now = pulse.load(Ordering::Relaxed);
            moved &= now != *before || worker.is_finished();
            *before = now;
        }
        if moved {
            self.manager.alive();
        } else {
            self.keep.office.note(
                Level::Error,
                "a worker is stuck, and the service manager is not told \
                that all is well",
                &[],
            );
        }
    }

    /// Listens to a process before this one until it has ended.
    fn remember(&mut self, predecessor: Predecessor) {
        let Predecessor { pid, since, line } = predecessor;
        let line = Rc::new(line);
        let old = Rc::new(Old { pid, since, line, connections: Cell::new(None) });
        let (all, office, entry) =
            (Rc::clone(&self.predecessors), Arc::clone(&self.keep.office), Rc::clone(&old));
        let listening = spawn_local(async move {
            while let Ok(heard) = entry.line.hear().await {
                if heard.word() == "open" {
                    entry.connections.set(heard.number("connections"));
                }
            }
            all.old.borrow_mut().retain(|(each, _)| !Rc::ptr_eq(each, &entry));
            all.ended.notify_waiters();
            office.note(Level::Info, "a process before this one has ended", &[("pid", &pid)]);
        });
        self.predecessors.old.borrow_mut().push((old, listening.abort_handle()));
    }

    /// One line for who looks at the service.
    fn motto(&self) -> String {
        let world = self.worlds.current();
        format!(
            "doorward {} serves {}, generation {}",
            env!("CARGO_PKG_VERSION"),
            counted(world.sheets.len(), "site"),
            self.generation
        )
    }

    fn reload(&mut self) -> Answer {
        self.manager.reloading();
        let answer = self.reload_rules();
        self.manager.ready(&if answer.done {
            self.motto()
        } else {
            format!("{}; the new rules were refused", self.motto())
        });
        answer
    }

    fn reload_rules(&mut self) -> Answer {
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
                    let takes = if name == "state" { "a restart" } else { "`doorward upgrade`" };
                    let _ = writeln!(text, "`.{name}` of the gateway changed: it takes {takes} to follow");
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
        if self.heir.is_some() {
            // Store and certificates are another's now.
            self.keep.turn_the_day_alone();
            return;
        }
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
        for old in self.predecessors.all() {
            let _ = write!(text, "draining: process {}, taken over from {} ago", old.pid, age(old.since));
            if let Some(connections) = old.connections.get() {
                let _ = write!(text, ", {connections} connections");
            }
            text.push('\n');
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
        for (backend, figures) in world.servers().zip(generation::figures(&world)) {
            let standing = backend.standing();
            let _ = write!(text, "backend {}: {} for", figures.name, standing.condition.word());
            let _ = write!(text, " {}", age(standing.since));
            if let Some(why) = standing.why() {
                let _ = write!(text, ", {why}");
            }
            if let Some((good, window)) = standing.probe {
                let _ = write!(text, ", {good} of the last {window} probes were good");
            }
            let faults: u64 = figures.faults.iter().map(|(_, count)| count).sum();
            let _ = write!(
                text,
                "; {} in flight, {} open, {} so far with {}",
                figures.in_flight,
                counted(figures.open, "connection"),
                counted(figures.requests, "request"),
                counted(faults, "fault")
            );
            if figures.waited > 0 {
                let _ =
                    write!(text, "; {} wait for a place, {} had to so far", figures.waiting, figures.waited);
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

/// A process before this one, as it last told of itself.
pub(super) struct Old {
    pub pid: u32,
    pub since: Wall,
    pub line: Rc<Line>,
    connections: Cell<Option<u64>>,
}

#[derive(Default)]
pub(super) struct Predecessors {
    old: RefCell<Vec<(Rc<Old>, AbortHandle)>>,
    /// Rung for each that has ended.
    ended: Notify,
}

impl Predecessors {
    pub fn all(&self) -> Vec<Rc<Old>> {
        self.old.borrow().iter().map(|(old, _)| Rc::clone(old)).collect()
    }

    /// Listens to none of them any more: from now on another process does.
    pub fn leave(&self) {
        for (_, listening) in self.old.take() {
            listening.abort();
        }
    }

    /// Waits until all have ended. Those that were told to stop do, when their time is over.
    async fn gone(&self) {
        loop {
            let ended = self.ended.notified();
            if self.old.borrow().is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn tell(&self, word: &str) {
        for old in self.all() {
            // One that has just ended needs no telling.
            let _ = old.line.try_say(&json!({"say": word}));
        }
    }
}

/// The next word of the process that has taken over; `None` when it has ended. Never one where there is none.
async fn told_by(heir: Option<&Line>) -> Option<String> {
    let Some(line) = heir else { return std::future::pending().await };
    line.hear().await.ok().map(|heard| heard.word().to_owned())
}

/// The doorways that the settings want: those that stand already, and new ones.
fn doorways(
    gateway: &Gateway,
    workers: usize,
    legacy: &mut Option<Legacy>,
    passed: Vec<listen::Passed>,
) -> Result<Vec<Doorway>, StartFault> {
    let places = |addresses: &[SocketAddr]| addresses.iter().copied().map(place).collect::<Vec<_>>();
    let wanted = [
        (Kind::Http, places(&gateway.http)),
        (Kind::Https, places(&gateway.https)),
        (Kind::Admin, places(gateway.admin.as_slice())),
    ];
    let mut standing = listen::named(passed, &wanted).map_err(StartFault)?;
    standing.extend(legacy.iter_mut().flat_map(|legacy| legacy.doorways.drain(..)));
    let mut all = Vec::new();
    for (kind, places) in &wanted {
        let among = if *kind == Kind::Admin { 1 } else { workers };
        let these = listen::doorways(*kind, places, among, &mut standing);
        all.extend(these.map_err(|fault| StartFault(fault.to_string()))?);
    }
    Ok(all)
}

/// A director with its members, for the status.
fn told(director: &Director) -> String {
    let member = |member: MemberStanding| {
        let MemberStanding { name, weight, condition, gets } = member;
        let how = match condition {
            Condition::Well if weight > 0 && gets < f64::from(weight) => " (starts slowly)".to_owned(),
            Condition::Well => String::new(),
            other => format!(" ({})", other.word()),
        };
        let declared = director.config().members.iter().find(|(known, _)| *known == name);
        let said = match declared {
            Some((_, declared)) if *declared != weight => format!(" (the rules say {declared})"),
            _ => String::new(),
        };
        format!("{name} weight {weight}{said}{how}")
    };
    let members: Vec<String> = director.members(clock::now()).into_iter().map(member).collect();
    format!(
        "director {}: {}, {}; {}",
        director.name(),
        director.config().policy.word(),
        members.join(", "),
        counted(director.retries(), "retry")
    )
}

/// What is new of a backend, in a line.
fn tell(office: &Office, news: &News<'_>) {
    let name = &news.backend;
    match &news.event {
        Event::Stands(standing, times) => {
            let mut fields: Vec<(&str, &dyn std::fmt::Display)> = vec![("backend", name)];
            let why = standing.why();
            if let Some(why) = &why {
                fields.push(("why", why));
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
            upgrade: listen(SignalKind::user_defined2())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// The next signal to stop.
    pub(super) async fn stop(signals: &mut Option<Self>) {
        while !matches!(Self::next(signals).await, Said::Stop) {}
    }

    /// The next signal; never one where none are listened to.
    async fn next(signals: &mut Option<Self>) -> Said {
        let Some(Self { reload, upgrade, terminate, interrupt }) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = reload.recv() => Said::Reload,
            _ = upgrade.recv() => Said::Upgrade,
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

/// `1 request`, `2 requests`, `2 retries`.
fn counted<N: From<u8> + PartialEq + std::fmt::Display>(number: N, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if number == N::from(1) => format!("{number} {what}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {what}s"),
    }
}
