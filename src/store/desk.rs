//! The store's own thread: who asks awaits an answer with a deadline, and never a disk.
//!
//! What waits when the thread is free is carried out as one batch. So the flush to disk, which costs as much
//! for two hundred changes as for one, is shared by all who wait for it.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Ask, Order, Outcome, Store, StoreFault};
use crate::base::clock::{self, Wall};

/// Most asks that wait; one more is `Busy`.
const WAITING_MAX: usize = 4_096;
/// Most asks in one batch: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 256;
/// How often dead entries are looked for, and how many are removed at a time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_MOST: usize = 2_000;
/// How long an ask waits unless it says otherwise.
const DEADLINE: Duration = Duration::from_secs(2);

/// A handle to the store; cheap to clone, usable from every worker.
#[derive(Clone)]
pub struct Desk {
    jobs: SyncSender<Job>,
}

enum Job {
    Do(Order, oneshot::Sender<Result<Outcome, StoreFault>>),
    Used(oneshot::Sender<Result<u64, StoreFault>>),
    Lend(oneshot::Sender<()>),
    Resume(Box<dyn Store>),
    Close(oneshot::Sender<()>),
}

impl Desk {
    /// Starts the thread that owns `store` from now on. It ends when the desk is closed or when its last
    /// handle is dropped.
    pub fn open(store: Box<dyn Store>) -> io::Result<Self> {
        Self::open_at(store, clock::wall)
    }

    fn open_at(store: Box<dyn Store>, now: fn() -> Wall) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel(WAITING_MAX);
        thread::Builder::new().name("store".to_owned()).spawn(move || work(store, &waiting, now))?;
        Ok(Self { jobs })
    }

    pub async fn ask<T>(&self, ask: Ask<T>) -> Result<T, StoreFault> {
        self.ask_within(ask, DEADLINE).await
    }

    /// An ask whose asker has gone is not begun. One that is `Late` may still be done.
    pub async fn ask_within<T>(&self, ask: Ask<T>, deadline: Duration) -> Result<T, StoreFault> {
        let (answer, answered) = oneshot::channel();
        self.hand_in(Job::Do(ask.order, answer))?;
        let outcome = within(deadline, answered).await??;
        (ask.read)(outcome).ok_or(StoreFault::Gone)
    }

    /// What the entries count for against the store's bound.
    pub async fn bytes_used(&self) -> Result<u64, StoreFault> {
        let (answer, answered) = oneshot::channel();
        self.hand_in(Job::Used(answer))?;
        within(DEADLINE, answered).await?
    }

    /// Does what was asked before, then closes the store: afterwards another process may open it. Every
    /// later ask is `Gone`.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        self.press(Job::Close(answer)).await;
        // An error says that it is closed already.
        let _ = answered.await;
    }

    /// Does what was asked before, then closes the store, so that another process may open it. Asks are
    /// `Gone` until there is one again.
    pub async fn lend(&self) {
        let (answer, answered) = oneshot::channel();
        self.press(Job::Lend(answer)).await;
        let _ = answered.await;
    }

    /// Goes on with a store that was opened again.
    pub async fn resume(&self, store: Box<dyn Store>) {
        self.press(Job::Resume(store)).await;
    }

    /// Hands in what must not fail for a full desk: one empties itself.
    async fn press(&self, mut job: Job) {
        while let Err(TrySendError::Full(back)) = self.jobs.try_send(job) {
            job = back;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn hand_in(&self, job: Job) -> Result<(), StoreFault> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreFault::Busy,
            TrySendError::Disconnected(_) => StoreFault::Gone,
        })
    }
}

async fn within<T>(deadline: Duration, answered: oneshot::Receiver<T>) -> Result<T, StoreFault> {
    match tokio::time::timeout(deadline, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(StoreFault::Gone),
        Err(_) => Err(StoreFault::Late),
    }
}

fn work(store: Box<dyn Store>, waiting: &Receiver<Job>, now: fn() -> Wall) {
    let mut swept = now();
    let mut store = Some(store);
    loop {
        let first = match waiting.recv_timeout(SWEEP_EVERY) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut orders = Vec::new();
        let mut answers = Vec::new();
        let mut asides = Vec::new();
        for job in first.into_iter().chain(std::iter::from_fn(|| waiting.try_recv().ok())).take(BATCH_MAX) {
            match job {
                Job::Do(_, answer) if answer.is_closed() => {}
                Job::Do(order, answer) => {
                    orders.push(order);
                    answers.push(answer);
                }
                Job::Used(_) => asides.push(job),
                // What comes behind it is for the store that comes then.
                Job::Lend(_) | Job::Resume(_) | Job::Close(_) => {
                    asides.push(job);
                    break;
                }
            }
        }
        let time = now();
        if !orders.is_empty() {
            let outcomes = match &mut store {
                Some(store) => store.carry_out(&orders, time),
                None => orders.iter().map(|_| Err(StoreFault::Gone)).collect(),
            };
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Who left in the meantime needs no answer.
                let _ = answer.send(outcome);
            }
        }
        for aside in asides {
            match aside {
                Job::Used(answer) => {
                    let used = store.as_mut().map_or(Err(StoreFault::Gone), |store| store.bytes_used());
                    let _ = answer.send(used);
                }
                Job::Lend(answer) => {
                    store = None;
                    let _ = answer.send(());
                }
                Job::Resume(again) => store = Some(again),
                Job::Close(answer) => {
                    drop(store);
                    let _ = answer.send(());
                    return;
                }
                Job::Do(..) => {}
            }
        }
        if time.seconds.abs_diff(swept.seconds) >= SWEEP_EVERY.as_secs() {
            // More of them wait: go on with the next batch in between, so that nobody waits for a sweep.
            // A failure will be said to whoever asks next.
            let more = store.as_mut().is_some_and(|store| store.sweep(time, SWEEP_MOST) == Ok(SWEEP_MOST));
            if !more {
                swept = time;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Memory, Space, add, get, put};

    const DESK: Space = Space::new("desk");

    fn moment() -> Wall {
        Wall::from_seconds(1_000)
    }

    /// A store that waits to be let go and remembers how large its batches were.
    struct Slow {
        inner: Memory,
        gate: mpsc::Receiver<()>,
        batches: mpsc::Sender<usize>,
    }

    impl Store for Slow {
        fn carry_out(&mut self, orders: &[Order], now: Wall) -> Vec<Result<Outcome, StoreFault>> {
            let _ = self.batches.send(orders.len());
            let _ = self.gate.recv();
            self.inner.carry_out(orders, now)
        }
        fn sweep(&mut self, now: Wall, most: usize) -> Result<usize, StoreFault> {
            Store::sweep(&mut self.inner, now, most)
        }
        fn bytes_used(&mut self) -> Result<u64, StoreFault> {
            self.inner.bytes_used()
        }
    }

    fn slow() -> (Desk, mpsc::Sender<()>, mpsc::Receiver<usize>) {
        let (open, gate) = mpsc::channel();
        let (batches, seen) = mpsc::channel();
        let store = Slow { inner: Memory::new(1 << 20), gate, batches };
        (Desk::open_at(Box::new(store), moment).unwrap(), open, seen)
    }

    #[tokio::test]
    async fn asks_from_many_places_are_answered_each_with_its_own() {
        let desk = Desk::open(Box::new(Memory::new(1 << 20))).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..100_u32 {
            let desk = desk.clone();
            tasks.spawn(async move {
                let key = DESK.key(number.to_be_bytes()).unwrap();
                desk.ask(put(key.clone(), number.to_string(), None)).await.unwrap();
                assert_eq!(desk.ask(get(key)).await.unwrap().unwrap(), number.to_string());
                desk.ask(add(DESK.key("sum").unwrap(), 1, None)).await.unwrap();
            });
        }
        tasks.join_all().await;
        assert_eq!(desk.ask(add(DESK.key("sum").unwrap(), 0, None)).await, Ok(100));
        assert!(desk.bytes_used().await.unwrap() > 100 * super::super::ENTRY_BYTES);
    }

    #[tokio::test]
    async fn what_waits_is_done_in_one_batch() {
        let (desk, open, batches) = slow();
        let first = desk.ask(add(DESK.key("n").unwrap(), 1, None));
        let rest = async {
            // The desk is busy with the first one now: these wait together.
            let (a, b, c) = (DESK.key("n").unwrap(), DESK.key("n").unwrap(), DESK.key("n").unwrap());
            let waiting = async {
                tokio::join!(
                    desk.ask(add(a, 1, None)),
                    desk.ask(add(b, 1, None)),
                    desk.ask(add(c, 1, None)),
                    async {
                        open.send(()).unwrap();
                        open.send(()).unwrap();
                    }
                )
            };
            assert_eq!(batches.recv().unwrap(), 1);
            waiting.await
        };
        let (first, (a, b, c, ())) = tokio::join!(first, rest);
        assert_eq!((first, a, b, c), (Ok(1), Ok(2), Ok(3), Ok(4)));
        assert_eq!(batches.recv().unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_makes_askers_late_not_stuck() {
        let (desk, open, _batches) = slow();
        assert!(matches!(desk.ask(get(DESK.key("x").unwrap())).await, Err(StoreFault::Late)));
        open.send(()).unwrap();
    }

    #[tokio::test]
    async fn too_many_waiting_are_told_so_at_once() {
        let (desk, open, batches) = slow();
        let (answer, _first) = oneshot::channel();
        desk.hand_in(Job::Do(get(DESK.key("x").unwrap()).order, answer)).unwrap();
        assert_eq!(batches.recv().unwrap(), 1);
        for _ in 0..WAITING_MAX {
            let (answer, _) = oneshot::channel();
            desk.hand_in(Job::Do(get(DESK.key("x").unwrap()).order, answer)).unwrap();
        }
        assert!(matches!(desk.ask(get(DESK.key("x").unwrap())).await, Err(StoreFault::Busy)));
        drop(open);
        desk.close().await;
        // Those whose askers had gone were never begun.
        assert!(batches.recv().is_err());
    }

    #[tokio::test]
    async fn a_store_that_is_lent_is_gone_until_it_is_back() {
        let folder =
            std::env::temp_dir().join(format!("doorward-desk-{:016x}", crate::base::random::number()));
        let open = || super::super::Embedded::open(&folder, 1 << 20);
        let desk = Desk::open(Box::new(open().unwrap())).unwrap();
        let key = || DESK.key("word").unwrap();
        desk.ask(put(key(), "kept", None)).await.unwrap();
        assert!(open().is_err(), "one owner");
        desk.lend().await;
        assert!(matches!(desk.ask(get(key())).await, Err(StoreFault::Gone)));
        assert!(matches!(desk.bytes_used().await, Err(StoreFault::Gone)));
        let mut other = open().unwrap();
        crate::store::ask(&mut other, put(key(), "changed", None), moment()).unwrap();
        drop(other);
        desk.resume(Box::new(open().unwrap())).await;
        assert_eq!(desk.ask(get(key())).await.unwrap().unwrap(), "changed");
        desk.close().await;
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_closed_desk_did_what_was_asked_and_says_gone() {
        let desk = Desk::open(Box::new(Memory::new(1 << 20))).unwrap();
        let key = DESK.key("last").unwrap();
        let (put, ()) = tokio::join!(desk.ask(put(key.clone(), "word", None)), desk.close());
        assert_eq!(put, Ok(()));
        assert!(matches!(desk.ask(get(key)).await, Err(StoreFault::Gone)));
        desk.close().await;
    }
}
