//! When a backend that fails is left alone, and how it comes back. Pure: `now` is an argument, and who was asked
//! with what outcome is told by `health`.
//!
//! Closed, everybody passes. So many failures in a row, or so many of a hundred, open it at that very failure.
//! While it is open one visitor passes every `retry_every`, the trial; the others are told at once. The first good
//! answer to a trial closes it. A trial is never waited for: its slot is a matter of time, so one that hangs keeps
//! nobody from trying next, and one that was given up costs nothing. Nobody is asked without a visitor.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::cause::Cause;
use crate::base::clock::Instant;

/// Over how long failures are set against requests.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// Fewer requests in that time say nothing of a rate.
const RATE_REQUESTS_MIN: u64 = 20;
/// How finely the window slides.
const RATE_STEP: Duration = Duration::from_secs(1);

/// What a `backend` declaration says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerTerms {
    /// Failures in a row that open it; 0 is never.
    pub failures_max: u32,
    /// Failures in a hundred requests that open it; 0 is never.
    pub failure_rate: u32,
    /// From one trial to the next while it is open.
    pub retry_every: Duration,
}

impl Default for BreakerTerms {
    fn default() -> Self {
        Self { failures_max: 5, failure_rate: 0, retry_every: Duration::from_millis(500) }
    }
}

/// Whether a cause is the backend's failing. Not that it answers 4xx or 5xx: an answer is an answer. Not that we
/// did not ask it, nor what a visitor or the whole visit's clock broke off.
pub const fn counts(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Refused
            | Cause::Dns
            | Cause::Unreachable
            | Cause::ConnectTimeout
            | Cause::Tls
            | Cause::Write
            | Cause::Read
            | Cause::Protocol
            | Cause::FirstByteTimeout
            | Cause::BetweenBytes
    )
}

/// Why it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    InARow(u32),
    /// Failures, and the requests they are set against.
    Rate(u64, u64),
}

#[derive(Debug)]
pub struct Breaker {
    terms: BreakerTerms,
    in_a_row: u32,
    /// Seconds of the window in which something is known, the oldest first. Empty without a rate.
    seconds: VecDeque<Second>,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Second {
    began: Instant,
    /// Requests there had been when it began.
    before: u64,
    failures: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    why: Opened,
    /// What failed last.
    last: Cause,
    next_trial: Instant,
}

impl Breaker {
    pub fn new(terms: BreakerTerms) -> Self {
        Self { terms, in_a_row: 0, seconds: VecDeque::new(), open: None }
    }

    /// Why it is open, and what failed last.
    pub fn open(&self) -> Option<(Opened, Cause)> {
        self.open.map(|open| (open.why, open.last))
    }

    /// Whether good answers are news to it.
    pub const fn in_trouble(&self) -> bool {
        self.in_a_row > 0
    }

    /// Whether who comes now would pass.
    pub fn would_pass(&self, now: Instant) -> bool {
        self.open.is_none_or(|open| now >= open.next_trial)
    }

    /// Who comes while it is open: true for the one whose turn it is to try.
    pub fn try_it(&mut self, now: Instant) -> bool {
        let Some(open) = &mut self.open else { return false };
        if now < open.next_trial {
            return false;
        }
        open.next_trial = now + self.terms.retry_every;
        true
    }

    /// A trial was answered; true where that closed it.
    pub fn tried(&mut self) -> bool {
        self.in_a_row = 0;
        self.seconds.clear();
        self.open.take().is_some()
    }

    /// An answer came, whole.
    pub fn good(&mut self) {
        self.in_a_row = 0;
    }

    /// A request failed; `asked` is how many there were so far. True where that opened it.
    pub fn failed(&mut self, cause: Cause, now: Instant, asked: u64) -> bool {
        if let Some(open) = &mut self.open {
            // A trial, or one that was under way when it opened.
            open.last = cause;
            return false;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let rate = self.rate(now, asked);
        let in_a_row = self.terms.failures_max > 0 && self.in_a_row >= self.terms.failures_max;
        let why = if in_a_row { Some(Opened::InARow(self.in_a_row)) } else { rate };
        let Some(why) = why else { return false };
        self.open = Some(Open { why, last: cause, next_trial: now + self.terms.retry_every });
        self.in_a_row = 0;
        self.seconds.clear();
        true
    }

    /// Whether it wants to be told each second how many requests there were.
    pub const fn counts_requests(&self) -> bool {
        self.terms.failure_rate > 0
    }

    /// A second has passed.
    pub fn second(&mut self, now: Instant, asked: u64) {
        if !self.counts_requests() || self.open.is_some() {
            return;
        }
        while self.seconds.front().is_some_and(|oldest| now.duration_since(oldest.began) >= RATE_WINDOW) {
            self.seconds.pop_front();
        }
        if self.seconds.back().is_none_or(|newest| now.duration_since(newest.began) >= RATE_STEP) {
            self.seconds.push_back(Second { began: now, before: asked, failures: 0 });
        }
    }

    /// Whether this failure is one too many of a hundred.
    fn rate(&mut self, now: Instant, asked: u64) -> Option<Opened> {
        if !self.counts_requests() {
            return None;
        }
        // The request that failed is one of those that were asked.
        self.second(now, asked.saturating_sub(1));
        let newest = self.seconds.back_mut()?;
        newest.failures += 1;
        let failures: u64 = self.seconds.iter().map(|second| second.failures).sum();
        // Failures may have been asked before the window began.
        let requests = asked.saturating_sub(self.seconds.front()?.before).max(failures);
        let too_many =
            requests >= RATE_REQUESTS_MIN && failures * 100 >= requests * u64::from(self.terms.failure_rate);
        too_many.then_some(Opened::Rate(failures, requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    const MS: Duration = Duration::from_millis(1);

    fn terms(failures_max: u32, failure_rate: u32) -> BreakerTerms {
        BreakerTerms { failures_max, failure_rate, ..BreakerTerms::default() }
    }

    #[test]
    fn so_many_failures_in_a_row_open_it_at_once() {
        let now = clock::now();
        let mut breaker = Breaker::new(terms(3, 0));
        for outcomes in ["--+", "-+", "--+"] {
            for outcome in outcomes.chars() {
                if outcome == '+' {
                    breaker.good();
                } else {
                    assert!(!breaker.failed(Cause::Refused, now, 0), "{outcomes}");
                }
            }
        }
        assert!(!breaker.failed(Cause::Refused, now, 0) && !breaker.failed(Cause::Refused, now, 0));
        assert!(breaker.in_trouble() && breaker.would_pass(now));
        assert!(breaker.failed(Cause::Read, now, 0), "the third opens it");
        assert_eq!(breaker.open(), Some((Opened::InARow(3), Cause::Read)));
        assert!(!breaker.would_pass(now) && !breaker.would_pass(now + 499 * MS));
        let mut never = Breaker::new(terms(0, 0));
        assert!((0..1_000).all(|_| !never.failed(Cause::Refused, now, 0)));
    }

    #[test]
    fn one_passes_in_each_turn_and_a_good_answer_closes_it() {
        let begun = clock::now();
        let mut breaker = Breaker::new(terms(1, 0));
        assert!(breaker.failed(Cause::ConnectTimeout, begun, 0));
        assert!(!breaker.try_it(begun + 499 * MS));
        assert!(breaker.try_it(begun + 500 * MS), "the first is the trial");
        assert!(!breaker.try_it(begun + 500 * MS) && !breaker.try_it(begun + 999 * MS));
        // The trial hangs; nobody waits for it.
        assert!(breaker.try_it(begun + 1_000 * MS));
        assert!(!breaker.failed(Cause::Refused, begun + 1_001 * MS, 0));
        assert_eq!(breaker.open(), Some((Opened::InARow(1), Cause::Refused)), "what failed last is known");
        // Who was under way when it opened says nothing of now.
        breaker.good();
        assert!(breaker.open().is_some());
        assert!(breaker.try_it(begun + 9_000 * MS));
        assert!(breaker.tried() && breaker.open().is_none());
        assert!(breaker.would_pass(begun) && !breaker.tried(), "an older trial's answer changes nothing");
    }

    #[test]
    fn a_rate_is_of_the_last_ten_seconds_and_of_enough_requests() {
        let begun = clock::now();
        let mut breaker = Breaker::new(terms(0, 50));
        let mut asked = 0;
        // Half of them fail: of 19 it is too few to tell.
        for _ in 0..10 {
            asked += 2;
            assert!(!breaker.failed(Cause::Refused, begun, asked));
        }
        asked += 2;
        assert!(breaker.failed(Cause::Refused, begun, asked));
        assert_eq!(breaker.open(), Some((Opened::Rate(11, 21), Cause::Refused)));
        assert!(breaker.tried());
        // A tenth fails, for a minute.
        for second in 0..60_u32 {
            let now = begun + second * 1_000 * MS;
            breaker.second(now, asked);
            asked += 10;
            assert!(!breaker.failed(Cause::Refused, now, asked), "{second}");
        }
        // What was good long ago does not outweigh what fails now: with five bad seconds of ten it is half.
        let opened = (60..70_u32).find(|second| {
            let now = begun + *second * 1_000 * MS;
            breaker.second(now, asked);
            (0..10).any(|_| {
                asked += 1;
                breaker.failed(Cause::Read, now, asked)
            })
        });
        assert!(matches!(opened, Some(63..=65)), "{opened:?}");
    }

    /// A backend that dies, hangs and returns as chance has it, and visitors who come as chance has it.
    #[test]
    fn plays_from_seeds_keep_its_promises() {
        for seed in 1..300_u64 {
            let mut state = seed;
            let mut chance = |most: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % most
            };
            let every = Duration::from_millis(50 + chance(951));
            let failures_max = u32::try_from(chance(6)).unwrap();
            let failure_rate = if chance(2) == 0 { 0 } else { 30 + u32::try_from(chance(70)).unwrap() };
            let mut breaker = Breaker::new(BreakerTerms { failures_max, failure_rate, retry_every: every });
            let (begun, mut now) = (clock::now(), clock::now());
            let (mut asked, mut in_a_row, mut up, mut up_since) = (0, 0, true, now);
            let mut last_trial: Option<Instant> = None;
            let mut opened_at = now;
            for step in 0..2_000 {
                now += Duration::from_millis(chance(120));
                let place = format!("seed {seed}, step {step}, {:?}", now - begun);
                if chance(150) == 0 {
                    up = !up;
                    up_since = now;
                }
                if chance(8) == 0 {
                    breaker.second(now, asked);
                }
                assert!(breaker.seconds.len() <= 11, "{place}: the window is bounded");
                let was_open = breaker.open().is_some();
                let passes = breaker.would_pass(now);
                if was_open {
                    let due = last_trial.map_or(opened_at, |last| last.max(opened_at)) + every;
                    assert_eq!(passes, now >= due, "{place}: one in each turn, and none before");
                    assert_eq!(breaker.try_it(now), passes, "{place}");
                    if !passes {
                        continue;
                    }
                    last_trial = Some(now);
                } else {
                    assert!(passes && !breaker.try_it(now), "{place}: closed, everybody passes");
                }
                asked += 1;
                // Some who ask leave before they know.
                if chance(20) == 0 {
                    continue;
                }
                if up {
                    if was_open {
                        assert!(breaker.tried(), "{place}: a trial's good answer closes it");
                        assert!(now - up_since <= every + Duration::from_secs(3), "{place}: back soon");
                    } else {
                        breaker.good();
                    }
                    in_a_row = 0;
                    assert!(breaker.open().is_none() && !breaker.in_trouble(), "{place}");
                } else {
                    in_a_row = if was_open { 0 } else { in_a_row + 1 };
                    let opened = breaker.failed(Cause::Refused, now, asked);
                    assert!(!(opened && was_open), "{place}: it opens once");
                    if failure_rate == 0 {
                        let too_many = failures_max > 0 && in_a_row >= failures_max && !was_open;
                        assert_eq!(opened, too_many, "{place}: at that very failure");
                    }
                    if failures_max > 0 && in_a_row >= failures_max {
                        assert!(breaker.open().is_some(), "{place}");
                    }
                    if opened {
                        opened_at = now;
                        in_a_row = 0;
                    }
                }
            }
        }
    }
}
