//! How many requests may be sent twice: a tenth of all. Without a bound a director whose members all fail would
//! send its backends a multiple of what visitors ask, in the moment when they can bear it least. Pure: the count
//! of requests and the time are handed in.

use std::time::Duration;

use crate::base::clock::Instant;

/// A retry costs what so many requests earn.
const COST: u64 = 10;
/// What can be saved up.
const SAVED_MAX: u64 = 100 * COST;
/// A quiet site may retry too: so much there is at first, and while there is less, a retry comes each second.
const FLOOR: u64 = 10 * COST;
const FLOOR_EVERY: Duration = Duration::from_millis(1_000 / COST);

/// Filled when it is looked at, so that requests only have to be counted.
#[derive(Debug)]
pub struct Bucket {
    earned: u64,
    /// The count of requests, and the time, up to which it is filled.
    requests: u64,
    filled: Option<Instant>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { earned: FLOOR, requests: 0, filled: None }
    }
}

impl Bucket {
    /// Takes one retry, if there is one.
    pub fn take(&mut self, requests: u64, now: Instant) -> bool {
        self.fill(requests, now);
        let left = self.earned.checked_sub(COST);
        self.earned = left.unwrap_or(self.earned);
        left.is_some()
    }

    /// One was made without asking.
    pub fn owe(&mut self, requests: u64, now: Instant) {
        self.fill(requests, now);
        self.earned = self.earned.saturating_sub(COST);
    }

    fn fill(&mut self, requests: u64, now: Instant) {
        let since = *self.filled.get_or_insert(now);
        let steps = now.duration_since(since).as_millis() / FLOOR_EVERY.as_millis();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        // What is left of a step counts the next time.
        self.filled = since.checked_add(FLOOR_EVERY.saturating_mul(steps)).or(Some(now));
        if self.earned < FLOOR {
            self.earned = (self.earned + u64::from(steps)).min(FLOOR);
        }
        self.earned = (self.earned + requests.saturating_sub(self.requests)).min(SAVED_MAX);
        self.requests = requests;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    #[test]
    fn a_tenth_of_all_requests_may_be_sent_twice() {
        let (mut bucket, now) = (Bucket::default(), clock::now());
        let taken = (1..=100_000).filter(|requests| bucket.take(*requests, now)).count();
        assert_eq!(taken, 10_000 + 10);
    }

    #[test]
    fn what_is_saved_up_has_an_end() {
        let (mut bucket, now) = (Bucket::default(), clock::now());
        assert!(bucket.take(1_000_000, now));
        assert_eq!((0..1_000).filter(|_| bucket.take(1_000_000, now)).count(), 99);
    }

    #[test]
    fn a_quiet_site_may_retry_too() {
        let (mut bucket, start) = (Bucket::default(), clock::now());
        assert_eq!((0..100).filter(|_| bucket.take(0, start)).count(), 10);
        assert!(!bucket.take(0, start + Duration::from_millis(900)));
        assert!(bucket.take(0, start + Duration::from_millis(1_100)));
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..100).filter(|_| bucket.take(0, later)).count(), 10);
    }

    #[test]
    fn what_was_not_asked_for_counts_too() {
        let (mut bucket, now) = (Bucket::default(), clock::now());
        for _ in 0..20 {
            bucket.owe(0, now);
        }
        assert!(!bucket.take(0, now) && bucket.take(10, now));
    }
}
