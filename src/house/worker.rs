//! One worker: a thread with its own runtime, listeners, idle connections to backends, log batches.

use std::cell::Cell;
use std::net::TcpListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use crate::base::address::Peer;
use crate::base::bound::Bounds;
use crate::base::clock;
use crate::front::Front;
use crate::front::closing::Closing;
use crate::listen::{Entrance, Gate, Pass};
use crate::record::{Level, Listener, Office, Pen};
use crate::tls::Acceptor;
use crate::upstream::Pool;
use crate::visit::{Corridor, Worlds};

/// How often batches of log lines and counters are handed over.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// How many flushes there are to a sweep of idle backend connections.
const FLUSHES_A_SWEEP: u32 = 5;

/// Where the house is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Open,
    /// Another process lets visitors in; those who are here have `.upgrade_drain_timeout`.
    Leaving,
    /// Nobody new; open visits may finish within the drain time.
    Closing,
    Shut,
}

/// What a worker is given.
pub struct Post {
    pub http: Vec<TcpListener>,
    pub https: Vec<TcpListener>,
    pub worlds: Arc<Worlds>,
    pub acceptor: Acceptor,
    pub gate: Arc<Gate>,
    pub office: Arc<Office>,
    pub phase: watch::Receiver<Phase>,
    /// Raised at each flush, so that others see that this worker is not stuck.
    pub pulse: Arc<AtomicU64>,
}

/// The connections of a worker, counted.
#[derive(Default)]
struct Crowd {
    open: Cell<u64>,
    empty: Notify,
}

impl Crowd {
    async fn emptied(&self) {
        loop {
            let empty = self.empty.notified();
            if self.open.get() == 0 {
                return;
            }
            empty.await;
        }
    }
}

struct Present(Rc<Crowd>);

impl Present {
    fn new(crowd: &Rc<Crowd>) -> Self {
        crowd.open.set(crowd.open.get() + 1);
        Self(Rc::clone(crowd))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        if self.0.open.get() == 0 {
            self.0.empty.notify_waiters();
        }
    }
}

/// Starts a worker. `done` is dropped when it has ended.
pub fn start(
    number: usize,
    post: Post,
    done: tokio::sync::mpsc::Sender<()>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For names of backends; a resolver that hangs must not eat a thread for each visit.
        .max_blocking_threads(8)
        .build()?;
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let local = LocalSet::new();
        let pen = post.office.pen();
        let office = Arc::clone(&post.office);
        if let Err(error) = local.block_on(&runtime, work(post, Rc::clone(&pen))) {
            office.note(Level::Error, "a worker could not start", &[("error", &error)]);
        }
        pen.shut();
        // Visits that are still open end here, and their lines with them.
        drop(local);
        drop(runtime);
        pen.flush();
        drop(done);
    })
}

async fn work(post: Post, pen: Rc<Pen>) -> std::io::Result<()> {
    let Post { http, https, worlds, acceptor, gate, office, mut phase, pulse } = post;
    let pool = Rc::new(Pool::new());
    let corridor = Rc::new(Corridor::new(Arc::clone(&worlds), Rc::clone(&pool), Rc::clone(&pen)));
    let closing = Closing::default();
    let crowd = Rc::new(Crowd::default());
    let listeners = http.into_iter().map(|listener| (listener, None));
    let listeners = listeners.chain(https.into_iter().map(|listener| (listener, Some(acceptor.clone()))));
    for (listener, tls) in listeners {
        let office = Arc::clone(&office);
        let entrance = Entrance::new(listener, Arc::clone(&gate), move |trouble| {
            office.note(
                Level::Error,
                "connections cannot be accepted",
                &[("why", &trouble.text), ("kept_back", &trouble.kept_back)],
            );
        })?;
        let front = Front { door: Rc::clone(&corridor), pen: Rc::clone(&pen), closing: closing.clone(), tls };
        spawn_local(receive(entrance, Rc::new(front), Rc::clone(&crowd)));
    }
    let mut ticks = interval(FLUSH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut flushes = 0;
    while *phase.borrow_and_update() == Phase::Open {
        tokio::select! {
            changed = phase.changed() => if changed.is_err() { break },
            _ = ticks.tick() => {
                pulse.fetch_add(1, Ordering::Relaxed);
                pen.flush();
                flushes += 1;
                if flushes % FLUSHES_A_SWEEP == 0 {
                    // A worker without visitors lets go of the rules of before, too.
                    drop(corridor.world());
                    pool.sweep(clock::now());
                }
            }
        }
    }
    let bounds = Arc::clone(&corridor.world().terms.bounds);
    let mut drained = pin!(drain(phase, closing, Rc::clone(&crowd), bounds));
    loop {
        tokio::select! {
            () = &mut drained => break,
            _ = ticks.tick() => {
                pulse.fetch_add(1, Ordering::Relaxed);
                pen.flush();
                pool.sweep(clock::now());
                pool.dismiss();
            }
        }
    }
    Ok(())
}

/// Shows everybody out: until all have gone, or their time is over.
async fn drain(mut phase: watch::Receiver<Phase>, closing: Closing, crowd: Rc<Crowd>, bounds: Arc<Bounds>) {
    loop {
        let now = *phase.borrow_and_update();
        let time = match now {
            Phase::Leaving => {
                closing.leave();
                bounds.upgrade_drain_timeout
            }
            Phase::Open | Phase::Closing => {
                closing.begin();
                bounds.drain_timeout
            }
            Phase::Shut => return,
        };
        tokio::select! {
            () = crowd.emptied() => return,
            () = tokio::time::sleep(time) => return,
            // Nobody is left to say more when the control thread has died: then the drain time decides.
            Ok(()) = phase.changed() => {}
        }
    }
}

/// Lets visitors in until the house closes or others take over.
async fn receive(entrance: Entrance, front: Rc<Front<Corridor>>, crowd: Rc<Crowd>) {
    let mut ear = front.closing.ear();
    // Trusted peers bring many visitors over one address; they are counted when those are known.
    let exempt = |ip| front.door.world().terms.trusted.contains(ip);
    loop {
        tokio::select! {
            visitor = entrance.accept(exempt) => admit(visitor, &front, &crowd),
            () = ear.heard() => break,
        }
    }
    // One who waits for a place keeps the house open until there is one.
    let _waits = Present::new(&crowd);
    if let Some(visitor) = entrance.last(exempt).await {
        admit(visitor, &front, &crowd);
    }
}

fn admit((stream, peer, pass): (TcpStream, Peer, Pass), front: &Rc<Front<Corridor>>, crowd: &Rc<Crowd>) {
    let listener = if front.tls.is_some() { Listener::Https } else { Listener::Http };
    let terms = Arc::clone(&front.door.world().terms);
    let (front, present) = (Rc::clone(front), Present::new(crowd));
    spawn_local(async move {
        let _counted = (present, front.pen.presence(listener));
        front.receive(stream, peer, pass, terms).await;
    });
}
