//! How much a backend is asked at once, all workers together: `.workers` counts connections, `.max_connections`
//! requests. Who finds no permit waits in the backend's one line (`queue`), from whichever worker he came.
//!
//! A permit of `.workers` belongs to a connection from before it is opened until its socket is closed, also while
//! it rests: an old server that keeps a process for each connection has no process for another one. So before
//! anybody waits for long, connections that rest are looked for at all workers, and one of them is closed for the
//! first in the line: its permit goes to him and to nobody else. A connection that becomes free where the first in
//! the line waits is given to him as it is.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::backend::Inner;
use super::config::Config;
use super::connect;
use super::pool::{Held, Shelf};
use super::queue::{Joined, Slots};
use crate::base::cause::Cause;
use crate::base::fault::Fault;

/// How many may wait for a backend with `.workers` when nothing is said.
pub const QUEUE: usize = 100;

/// What a backend may have at once.
pub struct Limit {
    slots: Slots<Waiter>,
    counts: Counts,
    patience: Duration,
    /// How many requests had to wait so far.
    waited: AtomicU64,
    /// Where connections rest.
    yards: Mutex<Vec<Arc<Yard>>>,
}

/// What a permit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    Connections,
    Requests,
}

/// Somebody in the line.
pub struct Waiter {
    /// The worker whose connections he can use; `None`: only the permit is of use to him.
    worker: Option<usize>,
    tell: oneshot::Sender<Word>,
}

/// What somebody in the line is told.
enum Word {
    Permit(Permit),
    /// A connection lies on his worker's shelf, under his number.
    Reserved,
    /// The backend will not be able to answer.
    Sorry(Fault),
}

/// One worker's resting connections to a backend, as other workers see them.
pub struct Yard {
    worker: usize,
    pub idle: AtomicUsize,
    /// Rung when somebody waits who could use one of them.
    pub bell: Notify,
}

/// One of what a backend may have at once. Dropped, it goes to who has waited longest.
pub struct Permit {
    backend: Arc<Inner>,
    /// Who was promised it.
    heir: Option<Waiter>,
}

impl Permit {
    fn of(backend: &Arc<Inner>) -> Self {
        Self { backend: Arc::clone(backend), heir: None }
    }

    /// Goes to this one and to nobody else.
    pub fn promise(&mut self, heir: Waiter) {
        self.heir = Some(heir);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(limit) = &self.backend.limit else { return };
        // Who left in the meantime hands it back by dropping it: then it goes to the next.
        let give = |waiter: Waiter| drop(waiter.tell.send(Word::Permit(Permit::of(&self.backend))));
        match self.heir.take() {
            Some(heir) => give(heir),
            None => limit.slots.release().into_iter().for_each(give),
        }
    }
}

/// What a request goes out with.
#[derive(Default)]
pub struct Way {
    /// A connection, with the permit it has.
    pub kept: Option<Held>,
    /// For the connection that is to be opened.
    pub connection: Option<Permit>,
    /// For the request itself.
    pub request: Option<Permit>,
}

impl Limit {
    pub fn of(config: &Config) -> Option<Self> {
        let (most, counts, room) = match (config.workers, config.max_connections) {
            (0, 0) => return None,
            (0, most) => (most, Counts::Requests, 0),
            (workers, _) => (workers, Counts::Connections, QUEUE),
        };
        Some(Self {
            slots: Slots::new(most, config.queue.unwrap_or(room)),
            counts,
            patience: config.queue_timeout,
            waited: AtomicU64::new(0),
            yards: Mutex::default(),
        })
    }

    pub fn counts_connections(&self) -> bool {
        self.counts == Counts::Connections
    }

    pub fn held(&self) -> usize {
        self.slots.held()
    }

    pub fn waiting(&self) -> usize {
        self.slots.waiting()
    }

    pub fn waited(&self) -> u64 {
        self.waited.load(SeqCst)
    }

    /// A worker's resting connections are known to all.
    pub fn enter(&self, worker: usize) -> Arc<Yard> {
        let yard = Arc::new(Yard { worker, idle: AtomicUsize::new(0), bell: Notify::new() });
        self.yards().push(Arc::clone(&yard));
        yard
    }

    pub fn forget(&self, yard: &Arc<Yard>) {
        self.yards().retain(|other| !Arc::ptr_eq(other, yard));
    }

    /// Whoever waits longest, for a connection that has become free at `worker`.
    pub fn next(&self, worker: usize) -> Option<Next> {
        let (number, waiter) = self.slots.first()?;
        Some(if waiter.worker == Some(worker) { Next::Here(number, waiter) } else { Next::Elsewhere(waiter) })
    }

    /// Everybody who waits is told that it is in vain.
    pub fn dismiss(&self, fault: &Fault) {
        for waiter in self.slots.dismiss() {
            let _ = waiter.tell.send(Word::Sorry(fault.clone()));
        }
    }

    /// Asks one of the other workers to give up a connection that rests there. Where there is none, the next one
    /// that becomes free anywhere comes to the line by itself.
    fn ring(&self, worker: Option<usize>) {
        let yards = self.yards();
        let others = yards.iter().filter(|yard| Some(yard.worker) != worker);
        let fullest = others.max_by_key(|yard| yard.idle.load(SeqCst));
        if let Some(yard) = fullest.filter(|yard| yard.idle.load(SeqCst) > 0) {
            yard.bell.notify_one();
        }
    }

    fn yards(&self) -> MutexGuard<'_, Vec<Arc<Yard>>> {
        self.yards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first in the line, as seen from a worker that has a free connection.
pub enum Next {
    Here(u64, Waiter),
    Elsewhere(Waiter),
}

impl Waiter {
    /// Tells him that a connection was laid aside for him; false when he has left.
    pub fn reserved(self) -> bool {
        self.tell.send(Word::Reserved).is_ok()
    }
}

/// The right to have one connection more, for whichever protocol: at once, or in turn. Nothing to have where there
/// is no limit. What rests of it should be given up when `waiting()` says that others wait.
pub async fn take(backend: &Arc<Inner>) -> Result<Option<Permit>, Fault> {
    let Some(limit) = &backend.limit else { return Ok(None) };
    if limit.slots.take() {
        return Ok(Some(Permit::of(backend)));
    }
    let way = wait(backend, limit, None).await?;
    Ok(way.connection.or(way.request))
}

/// The way to a backend with a limit, where it is free.
pub fn at_once(backend: &Arc<Inner>, limit: &Limit, shelf: &Shelf) -> Option<Way> {
    if limit.slots.waiting() > 0 {
        return None;
    }
    match limit.counts {
        Counts::Connections => {
            if let Some(kept) = shelf.take() {
                return Some(Way { kept: Some(kept), ..Way::default() });
            }
            limit.slots.take().then(|| Way { connection: Some(Permit::of(backend)), ..Way::default() })
        }
        Counts::Requests => limit.slots.take().then(|| Way {
            kept: shelf.take(),
            request: Some(Permit::of(backend)),
            ..Way::default()
        }),
    }
}

/// The same, in turn.
pub async fn in_turn(backend: &Arc<Inner>, limit: &Limit, shelf: &Rc<Shelf>) -> Result<Way, Fault> {
    wait(backend, limit, Some(shelf)).await
}

async fn wait(backend: &Arc<Inner>, limit: &Limit, shelf: Option<&Rc<Shelf>>) -> Result<Way, Fault> {
    let permitted = |permit| match limit.counts {
        Counts::Connections => Way { connection: Some(permit), ..Way::default() },
        Counts::Requests => {
            Way { kept: shelf.and_then(|shelf| shelf.take()), request: Some(permit), ..Way::default() }
        }
    };
    let worker = shelf.map(|shelf| shelf.worker());
    let (tell, mut told) = oneshot::channel();
    let number = match limit.slots.join(Waiter { worker, tell }) {
        Joined::Free => return Ok(permitted(Permit::of(backend))),
        Joined::Full => return Err(full(backend, limit)),
        Joined::Waits(number) => number,
    };
    limit.waited.fetch_add(1, SeqCst);
    // Dropped first, so that who leaves is out of the line before what he was sent is given back.
    let in_line = InLine { limit, number, shelf };
    if limit.counts_connections() {
        limit.ring(worker);
        if let Some(shelf) = shelf {
            shelf.serve();
        }
    }
    let word = if limit.patience.is_zero() {
        (&mut told).await.ok()
    } else {
        timeout(limit.patience, &mut told).await.ok().and_then(Result::ok)
    };
    match word {
        Some(Word::Permit(permit)) => Ok(permitted(permit)),
        Some(Word::Reserved) => match in_line.claim() {
            Some(mut held) => match held.ready().await {
                Ok(()) => Ok(Way { kept: Some(held), ..Way::default() }),
                // It broke as soon as it was free: what it may have is there for another connection.
                Err(Some(permit)) => Ok(permitted(permit)),
                Err(None) => Box::pin(wait(backend, limit, shelf)).await,
            },
            None => Err(in_vain(backend, limit)),
        },
        Some(Word::Sorry(fault)) => Err(fault),
        None => Err(in_vain(backend, limit)),
    }
}

/// Somebody who waits; dropping it leaves the line.
struct InLine<'a> {
    limit: &'a Limit,
    number: u64,
    shelf: Option<&'a Rc<Shelf>>,
}

impl InLine<'_> {
    fn claim(&self) -> Option<Held> {
        self.shelf?.claim(self.number)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.limit.slots.leave(self.number);
        // What was laid aside for who leaves is there for others.
        if let Some(held) = self.claim() {
            held.rest();
        }
    }
}

fn full(backend: &Inner, limit: &Limit) -> Fault {
    let (most, room) = (limit.slots.most(), limit.slots.room());
    if room == 0 {
        connect::fault(backend, Cause::MaxConnections, &format!("all of its {most} connections are in use"))
    } else {
        let why = format!("all of its {most} connections are in use, and {room} requests wait for one");
        connect::fault(backend, Cause::QueueFull, &why)
    }
}

fn in_vain(backend: &Inner, limit: &Limit) -> Fault {
    let why = format!("none of its {} connections became free in time", limit.slots.most());
    connect::fault(backend, Cause::MaxConnections, &why)
}
