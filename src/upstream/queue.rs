//! Who may ask a backend that takes so many at once, and who waits: places that are taken and given back, and one
//! line of those who wait, first come, first served. Pure: no IO, no time, no waiting. What a `W` is, and how it
//! is told, is `permits`' business.
//!
//! Taking and giving back is an atomic count as long as nobody waits; the line is locked only when somebody does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places, and who waits for one.
pub struct Slots<W> {
    most: usize,
    /// How many may wait.
    room: usize,
    held: AtomicUsize,
    /// The length of the line, for those who look without its lock.
    waiting: AtomicUsize,
    line: Mutex<Line<W>>,
}

struct Line<W> {
    /// By number: the lowest has waited longest.
    waiters: BTreeMap<u64, W>,
    next: u64,
}

/// What becomes of somebody who joins the line.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// A place was free after all: it is taken.
    Free,
    /// Waits, under this number.
    Waits(u64),
    /// As many wait as may wait.
    Full,
}

impl<W> Slots<W> {
    pub fn new(most: usize, room: usize) -> Self {
        Self {
            most,
            room,
            held: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            line: Mutex::new(Line { waiters: BTreeMap::new(), next: 0 }),
        }
    }

    pub fn most(&self) -> usize {
        self.most
    }

    pub fn room(&self) -> usize {
        self.room
    }

    pub fn held(&self) -> usize {
        self.held.load(SeqCst)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// Takes a free place, where nobody has waited for it.
    pub fn take(&self) -> bool {
        self.waiting() == 0 && self.grab()
    }

    fn grab(&self) -> bool {
        self.held.fetch_update(SeqCst, SeqCst, |held| (held < self.most).then_some(held + 1)).is_ok()
    }

    /// For somebody who got no place at once.
    pub fn join(&self, waiter: W) -> Joined {
        let mut line = self.line();
        if line.waiters.is_empty() && self.grab() {
            return Joined::Free;
        }
        if line.waiters.len() >= self.room {
            return Joined::Full;
        }
        let number = line.next;
        line.next += 1;
        line.waiters.insert(number, waiter);
        self.tally(&line);
        // A place that was given back a moment ago, when nobody was seen to wait, has woken nobody. Whoever gives
        // one back from here on sees the line: the count of it was written before the places are looked at, and
        // there it is the other way round.
        if line.waiters.len() == 1 && self.grab() {
            line.waiters.clear();
            self.tally(&line);
            return Joined::Free;
        }
        Joined::Waits(number)
    }

    /// Waits no longer; false when it had left the line before, with a place or without.
    pub fn leave(&self, number: u64) -> bool {
        let mut line = self.line();
        let waited = line.waiters.remove(&number).is_some();
        self.tally(&line);
        waited
    }

    /// Gives a place back. Each of those returned has one from now on, and must be told.
    #[must_use = "these have a place now, and nobody else will tell them"]
    pub fn release(&self) -> Vec<W> {
        self.held.fetch_sub(1, SeqCst);
        let mut served = Vec::new();
        if self.waiting() > 0 {
            let mut line = self.line();
            while !line.waiters.is_empty() && self.grab() {
                served.extend(line.waiters.pop_first().map(|(_, waiter)| waiter));
            }
            self.tally(&line);
        }
        served
    }

    /// The first in the line, for who gives him a place that is taken and stays so.
    pub fn first(&self) -> Option<(u64, W)> {
        if self.waiting() == 0 {
            return None;
        }
        let mut line = self.line();
        let first = line.waiters.pop_first();
        self.tally(&line);
        first
    }

    /// Everybody leaves the line, without a place.
    pub fn dismiss(&self) -> Vec<W> {
        let mut line = self.line();
        let all = std::mem::take(&mut line.waiters);
        self.tally(&line);
        all.into_values().collect()
    }

    fn tally(&self, line: &Line<W>) {
        self.waiting.store(line.waiters.len(), SeqCst);
    }

    /// Nothing that runs under the lock can panic half-way.
    fn line(&self) -> MutexGuard<'_, Line<W>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// A generator of its own, so that a play that fails can be played again.
    struct Seed(u64);

    impl Seed {
        fn below(&mut self, most: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % most
        }
    }

    /// Thousands of visitors come, wait, leave and finish in an order made of one number; after each step
    /// everything that must hold is looked at.
    fn play(seed: u64) {
        let mut chance = Seed(seed);
        let (most, room) = (1 + chance.below(4), chance.below(6));
        let slots = Slots::<u64>::new(usize::try_from(most).unwrap(), usize::try_from(room).unwrap());
        let (mut inside, mut line): (Vec<u64>, Vec<(u64, u64)>) = (Vec::new(), Vec::new());
        for visitor in 0..2_000 {
            match chance.below(5) {
                0 | 1 => {
                    if slots.take() {
                        assert!(line.is_empty(), "somebody was overtaken");
                        inside.push(visitor);
                    } else {
                        match slots.join(visitor) {
                            Joined::Free => panic!("a place was free and not taken"),
                            Joined::Waits(number) => line.push((number, visitor)),
                            Joined::Full => assert_eq!(line.len() as u64, room),
                        }
                    }
                }
                2 if !inside.is_empty() => {
                    inside.swap_remove(usize::try_from(chance.below(inside.len() as u64)).unwrap());
                    let served = slots.release();
                    let first = (!line.is_empty()).then(|| line.remove(0).1);
                    assert_eq!(
                        served,
                        Vec::from_iter(first),
                        "a place that is given back wakes the first, and him alone"
                    );
                    inside.extend(served);
                }
                3 if !line.is_empty() => {
                    let (number, _) = line.remove(usize::try_from(chance.below(line.len() as u64)).unwrap());
                    assert!(slots.leave(number) && !slots.leave(number));
                }
                4 if !line.is_empty() && !inside.is_empty() => {
                    // A connection is handed on as it is: its place stays taken.
                    inside.pop();
                    let (number, visitor) = line.remove(0);
                    assert_eq!(slots.first(), Some((number, visitor)));
                    inside.push(visitor);
                }
                _ if chance.below(50) == 0 => {
                    let dismissed: Vec<u64> = line.drain(..).map(|(_, visitor)| visitor).collect();
                    assert_eq!(slots.dismiss(), dismissed);
                }
                _ => {}
            }
            assert_eq!((slots.held(), slots.waiting()), (inside.len(), line.len()), "seed {seed}");
            assert!(slots.held() <= slots.most() && slots.waiting() <= slots.room());
            assert!(line.is_empty() || slots.held() == slots.most(), "somebody waits for a free place");
        }
    }

    #[test]
    fn never_more_than_may_be_first_come_first_served_and_nobody_forgotten() {
        for seed in 0..200 {
            play(seed);
        }
    }

    /// Real threads: each takes a place or waits for one, holds it for a moment and gives it back. A wake-up that
    /// got lost would leave somebody waiting for ever, and the play with him.
    #[test]
    fn no_wake_up_is_lost_between_threads() {
        const MOST: usize = 3;
        let slots = Arc::new(Slots::<std::sync::mpsc::Sender<()>>::new(MOST, 100));
        let inside = Arc::new(AtomicUsize::new(0));
        let exceeded = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (slots, inside, exceeded) =
                    (Arc::clone(&slots), Arc::clone(&inside), Arc::clone(&exceeded));
                std::thread::spawn(move || {
                    for _ in 0..2_000 {
                        if !slots.take() {
                            let (tell, told) = std::sync::mpsc::channel();
                            match slots.join(tell) {
                                Joined::Free => {}
                                Joined::Waits(_) => told.recv().expect("a place"),
                                Joined::Full => panic!("eight wait where a hundred may"),
                            }
                        }
                        if inside.fetch_add(1, SeqCst) >= MOST {
                            exceeded.store(true, SeqCst);
                        }
                        std::hint::spin_loop();
                        inside.fetch_sub(1, SeqCst);
                        for waiter in slots.release() {
                            waiter.send(()).expect("he waits");
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(!exceeded.load(SeqCst));
        assert_eq!((slots.held(), slots.waiting()), (0, 0));
    }
}
