//! Whether a backend is well: what its probe says, what became of its visitors' requests, and what an operator
//! said. All of them feed one state, which has its reason and its time.
//!
//! Who asks a backend looks at one number; a lock is taken where something goes wrong or changes, never while
//! all is well.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::breaker::{self, Breaker, BreakerTerms, Opened};
use crate::base::cause::Cause;
use crate::base::clock::{Instant, Wall};

/// The longest window: one bit for each answer.
pub const WINDOW_MAX: u32 = 64;

/// The last answers, the newest in the lowest bit: 1 is a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    answers: u64,
    size: u32,
    threshold: u32,
}

impl Window {
    /// Of the last `size` answers `threshold` must be good; `initial` good ones are thought of at the start.
    pub fn new(size: u32, threshold: u32, initial: u32) -> Self {
        let mut window = Self { answers: 0, size: size.clamp(1, WINDOW_MAX), threshold };
        for _ in 0..initial.min(threshold).min(window.size) {
            window.note(true);
        }
        window
    }

    pub fn note(&mut self, good: bool) {
        self.answers = (self.answers << 1) | u64::from(good);
    }

    /// How many of the answers that count were good.
    pub fn good(&self) -> u32 {
        (self.answers & (u64::MAX >> (WINDOW_MAX - self.size))).count_ones()
    }

    pub fn healthy(&self) -> bool {
        self.good() >= self.threshold
    }
}

/// Nobody is sent there: an operator said so.
const DRAINED: u32 = 1;
/// Its probe says that it is sick.
const SICK: u32 = 2;
/// The breaker is open.
const BROKEN: u32 = 4;
/// Requests failed lately: a good answer is worth noting.
const TROUBLE: u32 = 8;

const KEPT_BACK: u32 = DRAINED | SICK | BROKEN;

/// The health of one backend, as all workers see it.
pub(super) struct Health {
    /// What is wrong, a bit each. Written under the lock.
    wrong: AtomicU32,
    /// When it became well again, in milliseconds since `born`; 0 where it was well from its beginning.
    recovered: AtomicU64,
    born: Instant,
    known: Mutex<Known>,
    /// Something changed that should be told.
    pub changed: Notify,
    /// Somebody tends it already.
    tended: AtomicBool,
}

struct Known {
    breaker: Breaker,
    probe: Option<Probed>,
    since: Wall,
    changes: u64,
    /// It was well before: who is found well for the first time does not come back.
    was_well: bool,
}

struct Probed {
    window: Window,
    /// What was wrong with the last bad answer; `None` before anything was asked.
    why: Option<Box<str>>,
}

/// How a backend stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Well,
    /// Its probe says so.
    Sick,
    /// Visitors' requests failed: one is sent there now and then.
    Failing,
    /// An operator keeps visitors away from it.
    Drained,
    /// It stands for no server at all.
    Nowhere,
}

impl Condition {
    pub const fn word(self) -> &'static str {
        match self {
            Condition::Well => "healthy",
            Condition::Sick => "sick",
            Condition::Failing => "failing",
            Condition::Drained => "drained",
            Condition::Nowhere => "none",
        }
    }
}

/// What is known of a backend's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub condition: Condition,
    /// When that began.
    pub since: Wall,
    /// Why, in words without an address; empty while it is well.
    pub reason: Box<str>,
    /// Where it has a probe: how many of the last answers were good, and how many count.
    pub probe: Option<(u32, u32)>,
    /// Grows with each change.
    pub changes: u64,
}

impl Standing {
    pub fn healthy(&self) -> bool {
        self.condition == Condition::Well
    }

    /// What there is to say beside the condition: that an operator drained it is said by the word.
    pub fn why(&self) -> Option<&str> {
        match self.condition {
            Condition::Well | Condition::Drained => None,
            _ => Some(&*self.reason).filter(|reason| !reason.is_empty()),
        }
    }
}

/// How a request is sent: as usual, or to see whether the backend is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Usual,
    Trial,
}

impl Health {
    pub fn new(terms: BreakerTerms, window: Option<Window>, now: Wall, born: Instant) -> Self {
        let sick = window.is_some_and(|window| !window.healthy());
        let probe = window.map(|window| Probed { window, why: None });
        Self {
            wrong: AtomicU32::new(if sick { SICK } else { 0 }),
            recovered: AtomicU64::new(0),
            born,
            known: Mutex::new(Known {
                breaker: Breaker::new(terms),
                probe,
                since: now,
                changes: 0,
                was_well: !sick,
            }),
            changed: Notify::new(),
            tended: AtomicBool::new(false),
        }
    }

    /// True for the first who wants to tend it, and nobody else.
    pub fn take_on(&self) -> bool {
        !self.tended.swap(true, Ordering::Relaxed)
    }

    /// Whether who comes now would be sent there.
    pub fn healthy(&self, now: impl FnOnce() -> Instant) -> bool {
        match self.wrong.load(Ordering::Relaxed) & KEPT_BACK {
            0 => true,
            BROKEN => self.lock().breaker.would_pass(now()),
            _ => false,
        }
    }

    pub fn drained(&self) -> bool {
        self.wrong.load(Ordering::Relaxed) & DRAINED != 0
    }

    /// The right to ask it; the error is why not.
    pub fn admit(&self, now: impl FnOnce() -> Instant) -> Result<Turn, Box<str>> {
        let wrong = self.wrong.load(Ordering::Relaxed) & KEPT_BACK;
        if wrong == 0 {
            return Ok(Turn::Usual);
        }
        let mut known = self.lock();
        if wrong == BROKEN {
            if known.breaker.open().is_none() {
                return Ok(Turn::Usual);
            }
            if known.breaker.try_it(now()) {
                return Ok(Turn::Trial);
            }
        }
        Err(known.reason(wrong))
    }

    /// The head of an answer came to a request that was admitted in this turn.
    pub fn answered(&self, turn: Turn, now: impl FnOnce() -> (Instant, Wall)) {
        if turn == Turn::Trial {
            let mut known = self.lock();
            if known.breaker.tried() {
                let (now, wall) = now();
                self.change(&mut known, wall, now, |wrong| wrong & !(BROKEN | TROUBLE));
            }
        }
    }

    /// An answer came, whole.
    pub fn good(&self) {
        if self.wrong.load(Ordering::Relaxed) & TROUBLE != 0 {
            let mut known = self.lock();
            known.breaker.good();
            self.wrong.fetch_and(!TROUBLE, Ordering::Relaxed);
        }
    }

    /// A request failed; `asked` is how many there were so far.
    pub fn failed(&self, cause: Cause, now: Instant, wall: Wall, asked: impl FnOnce() -> u64) {
        if !breaker::counts(cause) {
            return;
        }
        let mut known = self.lock();
        let asked = if known.breaker.counts_requests() { asked() } else { 0 };
        if known.breaker.failed(cause, now, asked) {
            self.change(&mut known, wall, now, |wrong| (wrong | BROKEN) & !TROUBLE);
        } else if known.breaker.in_trouble() {
            self.wrong.fetch_or(TROUBLE, Ordering::Relaxed);
        }
    }

    /// About once a second, for a breaker that sets failures against requests.
    pub fn second(&self, now: Instant, asked: impl FnOnce() -> u64) {
        let mut known = self.lock();
        if known.breaker.counts_requests() {
            known.breaker.second(now, asked());
        }
    }

    /// What the probe's last answer makes of it; `why` is what was wrong with it.
    pub fn probed(&self, window: Window, why: Option<Box<str>>, now: Instant, wall: Wall) {
        let mut known = self.lock();
        let first = known.probe.as_ref().is_none_or(|probe| probe.why.is_none());
        let before = known.probe.as_ref().is_none_or(|probe| probe.window.healthy());
        let bad = why.is_some();
        let why = why.or_else(|| known.probe.take().and_then(|probe| probe.why));
        known.probe = Some(Probed { window, why });
        if before != window.healthy() {
            let sick = if window.healthy() { 0 } else { SICK };
            self.change(&mut known, wall, now, |wrong| (wrong & !SICK) | sick);
        } else if first && bad && !before {
            // It began as sick and is: otherwise nobody would know why it gets nothing.
            known.changes += 1;
            self.changed.notify_one();
        }
    }

    /// An operator keeps visitors away from it, or lets them come again. True where that is news.
    pub fn drain(&self, drained: bool, now: Instant, wall: Wall) -> bool {
        let mut known = self.lock();
        if self.drained() == drained {
            return false;
        }
        let bit = if drained { DRAINED } else { 0 };
        self.change(&mut known, wall, now, |wrong| (wrong & !DRAINED) | bit);
        true
    }

    /// Since when it is well, where it once was not.
    pub fn well_since(&self) -> Option<Instant> {
        let recovered = self.recovered.load(Ordering::Relaxed);
        let well = self.wrong.load(Ordering::Relaxed) & KEPT_BACK == 0;
        (well && recovered > 0).then(|| self.born + Duration::from_millis(recovered))
    }

    pub fn standing(&self) -> Standing {
        let known = self.lock();
        let wrong = self.wrong.load(Ordering::Relaxed) & KEPT_BACK;
        Standing {
            condition: match wrong {
                0 => Condition::Well,
                _ if wrong & DRAINED != 0 => Condition::Drained,
                _ if wrong & SICK != 0 => Condition::Sick,
                _ => Condition::Failing,
            },
            since: known.since,
            reason: known.reason(wrong),
            probe: known.probe.as_ref().map(|probe| (probe.window.good(), probe.window.size)),
            changes: known.changes,
        }
    }

    fn change(&self, known: &mut Known, wall: Wall, now: Instant, to: impl FnOnce(u32) -> u32) {
        // Everybody who writes it holds the lock.
        let was = self.wrong.load(Ordering::Relaxed);
        let is = to(was);
        if was & KEPT_BACK == is & KEPT_BACK {
            return;
        }
        if is & KEPT_BACK == 0 && std::mem::replace(&mut known.was_well, true) {
            let since =
                u64::try_from(now.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX);
            self.recovered.store(since.max(1), Ordering::Relaxed);
        }
        known.since = wall;
        known.changes += 1;
        self.wrong.store(is, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing in here panics half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn reason(&self, wrong: u32) -> Box<str> {
        if wrong & DRAINED != 0 {
            return "drained by an operator".into();
        }
        if wrong & SICK != 0 {
            let why = self.probe.as_ref().and_then(|probe| probe.why.as_deref());
            return format!("its probe: {}", why.unwrap_or("it was not asked yet")).into();
        }
        match self.breaker.open() {
            None => Box::default(),
            Some((Opened::InARow(1), last)) => format!("a request failed: {}", last.name()).into(),
            Some((Opened::InARow(count), last)) => {
                format!("{count} failures in a row: {}", last.name()).into()
            }
            Some((Opened::Rate(failures, requests), last)) => {
                format!("{failures} of {requests} requests failed: {}", last.name()).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    /// The course of a backend's health: `+` and `-` are answers, `H` and `s` what that makes of it.
    fn course(size: u32, threshold: u32, initial: u32, answers: &str) -> String {
        let mut window = Window::new(size, threshold, initial);
        let word = |window: &Window| if window.healthy() { 'H' } else { 's' };
        let mut course = String::from(word(&window));
        for answer in answers.chars() {
            window.note(answer == '+');
            course.push(word(&window));
        }
        course
    }

    #[test]
    fn of_the_last_so_many_answers_so_many_must_be_good() {
        for (size, threshold, initial, answers, becomes) in [
            // VCL's defaults: sick at first, well with the first good answer, sick after six bad ones of eight.
            (8, 3, 2, "+------+++", "sHHHHHHsssH"),
            (8, 3, 2, "-+", "ssH"),
            (2, 2, 2, "-++", "HssH"),
            (1, 1, 0, "+-+", "sHsH"),
            (5, 4, 9, "-----", "HHssss"),
            (3, 0, 0, "---", "HHHH"),
            (4, 5, 5, "+++++", "ssssss"),
        ] {
            assert_eq!(course(size, threshold, initial, answers), becomes, "{size} {threshold} {initial}");
        }
    }

    #[test]
    fn the_longest_window_holds_all_its_answers() {
        let mut window = Window::new(64, 64, 64);
        assert!(window.healthy() && window.good() == 64);
        window.note(false);
        assert!(!window.healthy() && window.good() == 63);
        for _ in 0..64 {
            window.note(true);
        }
        assert!(window.healthy());
        assert_eq!(Window::new(1_000, 1, 1).good(), 1);
    }

    #[test]
    fn one_state_has_its_reason_and_its_time() {
        let born = clock::now();
        let at = |seconds| (born + Duration::from_secs(seconds), Wall::from_seconds(1_000 + seconds));
        let mut window = Window::new(2, 1, 0);
        let terms = BreakerTerms { failures_max: 2, ..BreakerTerms::default() };
        let health = Health::new(terms, Some(window), at(0).1, born);
        assert!(health.take_on() && !health.take_on());
        let stands = |condition, since, reason: &str| {
            let standing = health.standing();
            assert_eq!(
                (standing.condition, standing.since.seconds - 1_000, &*standing.reason),
                (condition, since, reason)
            );
            assert_eq!(standing.healthy(), condition == Condition::Well);
        };
        stands(Condition::Sick, 0, "its probe: it was not asked yet");
        let mut probed = |good: bool, why: Option<&str>, seconds| {
            window.note(good);
            health.probed(window, why.map(Into::into), at(seconds).0, at(seconds).1);
        };
        probed(false, Some("it answers 503, not 200"), 10);
        stands(Condition::Sick, 0, "its probe: it answers 503, not 200");
        assert_eq!(health.standing().changes, 1, "why it is sick is worth a line");
        assert_eq!(health.admit(|| born).unwrap_err(), "its probe: it answers 503, not 200".into());
        probed(true, None, 20);
        stands(Condition::Well, 20, "");
        assert_eq!(health.standing().probe, Some((1, 2)));
        assert_eq!(health.well_since(), None, "who is found well for the first time is not back");
        probed(true, None, 30);
        stands(Condition::Well, 20, "");
        // Requests fail: what is not the backend's failing does not count.
        for cause in [Cause::MaxConnections, Cause::Refused, Cause::TotalTimeout, Cause::VisitorLeft] {
            health.failed(cause, at(40).0, at(40).1, || 0);
        }
        stands(Condition::Well, 20, "");
        health.good();
        health.failed(Cause::Refused, at(41).0, at(41).1, || 0);
        stands(Condition::Well, 20, "");
        health.failed(Cause::FirstByteTimeout, at(42).0, at(42).1, || 0);
        stands(Condition::Failing, 42, "2 failures in a row: first_byte_timeout");
        assert!(health.well_since().is_none() && !health.healthy(|| at(42).0));
        assert!(health.healthy(|| at(43).0), "whoever comes now is sent there");
        // What an operator says goes before both, and neither is lost by it.
        assert!(health.drain(true, at(50).0, at(50).1) && !health.drain(true, at(51).0, at(51).1));
        stands(Condition::Drained, 50, "drained by an operator");
        assert!(!health.healthy(|| at(51).0) && health.admit(|| at(51).0).is_err());
        assert!(health.drain(false, at(60).0, at(60).1));
        stands(Condition::Failing, 60, "2 failures in a row: first_byte_timeout");
        assert_eq!(health.admit(|| at(61).0), Ok(Turn::Trial));
        assert!(health.admit(|| at(61).0).is_err());
        health.answered(Turn::Usual, || at(61));
        stands(Condition::Failing, 60, "2 failures in a row: first_byte_timeout");
        health.answered(Turn::Trial, || at(62));
        stands(Condition::Well, 62, "");
        assert_eq!((health.well_since(), health.admit(|| born)), (Some(at(62).0), Ok(Turn::Usual)));
        probed(false, Some("x"), 70);
        probed(false, Some("it took too long"), 71);
        stands(Condition::Sick, 71, "its probe: it took too long");
        let fresh = Health::new(terms, None, at(0).1, born);
        assert_eq!((fresh.well_since(), fresh.standing().condition), (None, Condition::Well));
    }
}
