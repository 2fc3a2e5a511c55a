//! The idle connections of one worker, and the life of a connection between being opened and being closed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Sleep, sleep_until, timeout};

use super::backend::{Backend, Inner};
use super::connect;
use super::fastcgi;
use super::permits::{Next, Permit, Yard};
use super::streams::Streams;
use super::wire::{Line, Tunnel, Wire};
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::Body;

/// Saying goodbye (a TLS close, a FIN) may take this long before the connection is just dropped.
const GOODBYE: Duration = Duration::from_secs(5);

/// One worker's way to all backends. Lives and is used inside a `LocalSet`.
#[derive(Clone)]
pub struct Pool(Rc<Shelves>);

struct Shelves {
    worker: usize,
    /// By the address of the `Backend`, which the shelf's `Weak` keeps from being given away again.
    by_backend: RefCell<HashMap<usize, Rc<Shelf>, BuildHasherDefault<ByAddress>>>,
}

/// Addresses are ours, so nobody chooses them to collide: spreading their bits is enough.
#[derive(Default)]
struct ByAddress(u64);

impl Hasher for ByAddress {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The connections of one worker to one backend that nobody uses.
pub(super) struct Shelf {
    backend: std::sync::Weak<Backend>,
    idle: RefCell<Vec<Held>>,
    /// The same for a backend that is spoken to by FastCGI.
    pub fastcgi: fastcgi::Shelf,
    /// Answered, but the request is still being taken by the backend.
    settling: RefCell<Vec<Held>>,
    /// Laid aside for who waits in the backend's line, by his number.
    reserved: RefCell<BTreeMap<u64, Held>>,
    /// The time of the last sweep: good enough to tell how long a connection has been idle, and free.
    tick: Cell<Instant>,
    idle_max: usize,
    worker: usize,
    /// Where the backend's connections are limited: what other workers know of those that rest here.
    yard: Option<Arc<Yard>>,
    /// Where HTTP/2 is spoken.
    pub streams: Streams,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl Pool {
    pub fn new() -> Self {
        static WORKERS: AtomicUsize = AtomicUsize::new(0);
        let worker = WORKERS.fetch_add(1, Ordering::Relaxed);
        Self(Rc::new(Shelves { worker, by_backend: RefCell::default() }))
    }

    /// About once a second: closes what has been idle too long or leads where the backend is no more, and
    /// forgets backends that are gone.
    pub fn sweep(&self, now: Instant) {
        let mut old = Vec::new();
        self.0.by_backend.borrow_mut().retain(|_, shelf| {
            let Some(backend) = shelf.backend.upgrade() else {
                old.append(&mut shelf.idle.borrow_mut());
                old.append(&mut shelf.settling.borrow_mut());
                shelf.tally();
                return false;
            };
            shelf.sweep(&backend.0, now, &mut old);
            true
        });
        for held in old {
            held.farewell();
        }
    }

    /// Closes all that nobody uses: for a process whose visitors are leaving, so that old servers with few places
    /// have them for the one that came after it.
    pub fn dismiss(&self) {
        let mut idle = Vec::new();
        for shelf in self.0.by_backend.borrow().values() {
            idle.append(&mut shelf.idle.borrow_mut());
        }
        for held in idle {
            held.farewell();
        }
    }

    /// How many connections to a backend wait here to be used.
    pub fn idle(&self, backend: &Arc<Backend>) -> usize {
        let shelf = self.shelf(backend);
        shelf.idle.borrow().len() + shelf.streams.idle() + shelf.fastcgi.len()
    }

    pub(super) fn worker(&self) -> usize {
        self.0.worker
    }

    pub(super) fn shelf(&self, backend: &Arc<Backend>) -> Rc<Shelf> {
        let mut shelves = self.0.by_backend.borrow_mut();
        let shelf = shelves.entry(Arc::as_ptr(backend).addr()).or_insert_with(|| {
            let limit = backend.0.limit.as_ref().filter(|limit| limit.counts_connections());
            let yard = limit.map(|limit| limit.enter(self.0.worker));
            let shelf = Rc::new(Shelf {
                backend: Arc::downgrade(backend),
                idle: RefCell::default(),
                fastcgi: fastcgi::Shelf::default(),
                settling: RefCell::default(),
                reserved: RefCell::default(),
                tick: Cell::new(clock::now()),
                idle_max: backend.0.config.idle_max,
                worker: self.0.worker,
                yard,
                streams: Streams::default(),
            });
            if let Some(yard) = &shelf.yard {
                spawn_local(attend(Arc::clone(yard), Arc::clone(&backend.0), Rc::downgrade(&shelf)));
            }
            shelf
        });
        Rc::clone(shelf)
    }
}

impl Shelf {
    /// The connection used last that can be used again.
    pub fn take(&self) -> Option<Held> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        let mut found = None;
        while at > 0 && found.is_none() {
            at -= 1;
            let held = idle.get(at)?;
            if held.sender.is_closed() {
                drop(idle.swap_remove(at));
            } else if held.sender.is_ready() {
                let held = idle.swap_remove(at);
                // What nobody asked for is no answer to this request either.
                found = held.ear.is_silent().then_some(held);
            }
        }
        drop(idle);
        self.tally();
        found
    }

    pub fn worker(&self) -> usize {
        self.worker
    }

    /// What was laid aside for this number.
    pub fn claim(&self, number: u64) -> Option<Held> {
        self.reserved.borrow_mut().remove(&number)
    }

    /// Somebody waits: what rests here is for him, the oldest first.
    pub fn serve(&self) {
        loop {
            let oldest = {
                let mut idle = self.idle.borrow_mut();
                if idle.is_empty() { None } else { Some(idle.remove(0)) }
            };
            self.tally();
            let Some(oldest) = oldest else { return self.give_up_links() };
            if oldest.sender.is_closed() {
                continue;
            }
            if let Some(unwanted) = self.offer(oldest) {
                self.idle.borrow_mut().insert(0, unwanted);
                return self.tally();
            }
        }
    }

    /// The same where FastCGI is spoken: each one that is closed gives its permit to the first in the line.
    fn give_up_links(&self) {
        let backend = self.backend.upgrade();
        let limit = backend.as_ref().and_then(|backend| backend.0.limit.as_ref());
        while limit.is_some_and(|limit| limit.waiting() > 0)
            && let Some(link) = self.fastcgi.take()
        {
            drop(link);
        }
        self.tally();
    }

    /// Gives a free connection to who has waited longest: as it is when he is of this worker, else by closing it,
    /// which gives him its permit. Handing a socket over to another worker would save him the opening, for the
    /// price of taking hyper, TLS and the watcher apart at one end and together at the other.
    fn offer(&self, held: Held) -> Option<Held> {
        let backend = Arc::clone(&held.backend);
        let Some(limit) = backend.limit.as_ref().filter(|limit| limit.counts_connections()) else {
            return Some(held);
        };
        // One that has just broken has given its permit back by itself: it is of no use to anybody.
        let Some(mut permit) = held.line.permit.take() else { return Some(held) };
        match limit.next(self.worker) {
            None => {
                held.line.permit.set(Some(permit));
                return Some(held);
            }
            Some(Next::Here(number, waiter)) => {
                held.line.permit.set(Some(permit));
                self.reserved.borrow_mut().insert(number, held);
                if !waiter.reserved()
                    && let Some(held) = self.claim(number)
                {
                    return self.offer(held);
                }
            }
            Some(Next::Elsewhere(waiter)) => {
                permit.promise(waiter);
                held.line.permit.set(Some(permit));
                held.farewell();
            }
        }
        None
    }

    /// Keeps a free connection, unless somebody waits for one.
    fn put(&self, held: Held) {
        let Some(held) = self.offer(held) else { return };
        if self.idle.borrow().len() >= self.idle_max {
            return held.farewell();
        }
        let backend = Arc::clone(&held.backend);
        self.idle.borrow_mut().push(held);
        self.laid(&backend);
    }

    /// Something rests here now. Somebody may have come to wait in between, and looked before it lay here.
    fn laid(&self, backend: &Inner) {
        self.tally();
        if self.yard.is_some() && backend.limit.as_ref().is_some_and(|limit| limit.waiting() > 0) {
            self.serve();
        }
    }

    /// Lets other workers know how many rest here.
    fn tally(&self) {
        if let Some(yard) = &self.yard {
            yard.idle.store(self.idle.borrow().len() + self.fastcgi.len(), Ordering::SeqCst);
        }
    }

    /// About now.
    pub fn tick(&self) -> Instant {
        self.tick.get()
    }

    /// The FastCGI connection used last that still stands.
    pub fn take_link(&self) -> Option<fastcgi::Link> {
        let link = self.fastcgi.take();
        self.tally();
        link
    }

    /// A connection that has answered waits to be used again, where there is room for it.
    pub fn keep(&self, link: fastcgi::Link) {
        self.fastcgi.put(link, self.tick.get(), self.idle_max);
        if let Some(backend) = self.backend.upgrade() {
            self.laid(&backend.0);
        }
    }

    fn sweep(&self, backend: &Inner, now: Instant, old: &mut Vec<Held>) {
        self.tick.set(now);
        let limit = backend.config.idle_timeout;
        self.fastcgi.sweep(now, limit);
        backend.health.second(now, || backend.asked());
        let gone = |held: &Held| match (&backend.names, held.peer) {
            (Some(names), Some(peer)) => !names.leads_to(peer),
            _ => false,
        };
        self.streams.sweep(now, limit, backend.names.as_ref());
        let mut idle = self.idle.borrow_mut();
        old.extend(idle.extract_if(.., |held| {
            held.sender.is_closed()
                || (!limit.is_zero() && now.duration_since(held.since) >= limit)
                || gone(held)
        }));
        // An upload that goes on after the answer lives as long as it moves.
        let pause = backend.config.between_bytes_timeout;
        let mut settling = self.settling.borrow_mut();
        let settled = settling.extract_if(.., |held| {
            held.sender.is_closed() || !held.line.uploading() || held.stalled(now, pause)
        });
        for mut held in settled {
            if held.line.uploading() {
                drop(held);
            } else if held.again && held.sender.is_ready() && idle.len() < self.idle_max {
                held.permit = None;
                idle.push(held);
            } else {
                old.push(held);
            }
        }
        drop((idle, settling));
        self.laid(backend);
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Some(yard) = &self.yard {
            yard.bell.notify_one();
        }
    }
}

/// Looks after what rests at this worker when another worker needs it.
async fn attend(yard: Arc<Yard>, backend: Arc<Inner>, shelf: Weak<Shelf>) {
    loop {
        yard.bell.notified().await;
        match shelf.upgrade() {
            Some(shelf) => shelf.serve(),
            None => break,
        }
    }
    if let Some(limit) = &backend.limit {
        limit.forget(&yard);
    }
}

/// A connection and the right to use it. Dropping it closes the connection at once.
pub(super) struct Held {
    pub backend: Arc<Inner>,
    pub sender: SendRequest<Body>,
    pub line: Rc<Line>,
    pub alarm: Alarm,
    /// An answer has come over it before.
    pub used: bool,
    /// Nothing speaks against using it again.
    pub again: bool,
    /// Counted as in flight.
    busy: bool,
    /// Where the backend has a limit: one of what it may have.
    permit: Option<Permit>,
    since: Instant,
    /// Where it leads, over TCP.
    peer: Option<SocketAddr>,
    ear: connect::Ear,
    worker: usize,
    shelf: Weak<Shelf>,
    driver: Option<AbortHandle>,
}

impl Held {
    /// A new connection.
    pub async fn open(
        backend: &Backend,
        shelf: &Rc<Shelf>,
        permit: Option<Permit>,
        limit: Duration,
    ) -> Result<Self, Fault> {
        let (backend, worker) = (Arc::clone(&backend.0), shelf.worker);
        let opened = connect::open(&backend, limit).await.inspect_err(|fault| backend.out_of_reach(fault))?;
        let connect::Opened { io, peer, ear } = opened;
        let line = Line::new();
        line.permit.set(permit);
        let wire = TokioIo::new(Wire::new(io, Rc::clone(&line)));
        let (sender, connection) = backend
            .http
            .handshake(wire)
            .await
            .map_err(|_| connect::fault(&backend, Cause::Internal, "hyper would not begin"))?;
        let open = Open::new(Arc::clone(&backend), worker);
        let driver = spawn_local(drive(Rc::clone(&line), open, connection)).abort_handle();
        Ok(Self {
            sender,
            line,
            alarm: Alarm::default(),
            used: false,
            again: true,
            busy: false,
            permit: None,
            since: shelf.tick.get(),
            peer,
            ear,
            worker,
            shelf: Rc::downgrade(shelf),
            driver: Some(driver),
            backend,
        })
    }

    /// From here on the connection counts the request as its own.
    pub fn begin(&mut self, permit: Option<Permit>) {
        self.busy = true;
        self.permit = permit;
    }

    /// The answer is complete.
    pub fn put_back(mut self) {
        self.end();
        self.used = true;
        self.line.rest();
        let Some(shelf) = self.shelf.upgrade() else { return self.farewell() };
        self.since = shelf.tick.get();
        if self.sender.is_closed() {
            return;
        }
        if self.line.uploading() {
            // What the backend still takes is one of its requests still.
            shelf.settling.borrow_mut().push(self);
        } else if self.again && !self.line.write_failed.get() {
            self.permit = None;
            shelf.put(self);
        } else {
            self.farewell();
        }
    }

    /// Nobody uses it after all.
    pub fn rest(self) {
        match self.shelf.upgrade() {
            Some(shelf) => shelf.put(self),
            None => self.farewell(),
        }
    }

    /// Waits until it can take a request, which a connection can a moment after its last answer. Where it broke,
    /// what it was permitted is left, unless that was given back already.
    pub async fn ready(&mut self) -> Result<(), Option<Permit>> {
        self.sender.ready().await.map_err(|_| self.line.permit.take())
    }

    /// Closes the connection as the protocol wants it, after what is still being sent.
    pub fn farewell(mut self) {
        self.driver = None;
    }

    fn stalled(&self, now: Instant, limit: Duration) -> bool {
        use super::wire::Upload;
        let moved = self.line.moved.get().unwrap_or(self.since);
        !limit.is_zero() && self.line.upload.get() == Upload::Moving && now.duration_since(moved) >= limit
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.busy) {
            self.backend.finished(self.worker);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
        if let Some(driver) = self.driver.take() {
            driver.abort();
        }
    }
}

/// Counts a connection as open for as long as it lives.
pub(super) struct Open {
    backend: Arc<Inner>,
    worker: usize,
}

impl Open {
    pub fn new(backend: Arc<Inner>, worker: usize) -> Self {
        backend.opened(worker);
        Self { backend, worker }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.backend.closed(self.worker);
    }
}

/// Moves one connection's bytes until it ends or is handed over to a tunnel. The connection comes last, so that
/// it is dropped first: its permit is free when its socket is closed, not before.
async fn drive(line: Rc<Line>, open: Open, connection: Connection<TokioIo<Wire>, Body>) {
    carry(&line, open, connection).await;
    // One that ended at rest may lie on its shelf for a moment more: its permit must not.
    if line.at_rest() {
        drop(line.permit.take());
    }
}

async fn carry(line: &Line, open: Open, mut connection: Connection<TokioIo<Wire>, Body>) {
    if let Err(error) = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await {
        *line.ended.borrow_mut() = Fault::inside(&error).cloned();
        // Whoever waits to take the connection over learns that there is none.
        drop(line.tunnel.take());
        return;
    }
    let parts = connection.into_parts();
    let mut wire = parts.io.into_inner();
    if let Some(heir) = line.tunnel.take() {
        let _ = heir.send(Tunnel { ahead: parts.read_buf, wire, _open: open, permit: None });
    } else {
        let _ = timeout(GOODBYE, wire.shutdown()).await;
    }
}

/// A clock used again for each wait on a connection. It is not set anew when it would ring too early
/// anyway: ringing early and looking is rarer than setting, by far.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    pub fn poll(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if clock::now() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}
