//! Whether a backend is well: what its last answers to the probe were, and since when that makes it healthy
//! or sick. Pure: whoever asks and when is `probe`'s business.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::clock::Wall;

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

/// The health of one backend, as all workers see it. Only its prober writes.
pub(super) struct Health {
    healthy: AtomicBool,
    good: AtomicU64,
    /// Seconds since 1970.
    since: AtomicU64,
    /// Somebody asks already.
    probed: AtomicBool,
}

/// What is known of a probed backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub healthy: bool,
    /// When that began.
    pub since: Wall,
    /// How many of the last `window` answers were good.
    pub good: u64,
    pub window: u32,
}

impl Health {
    pub fn new(window: &Window, now: Wall) -> Self {
        Self {
            healthy: AtomicBool::new(window.healthy()),
            good: AtomicU64::new(u64::from(window.good())),
            since: AtomicU64::new(now.seconds),
            probed: AtomicBool::new(false),
        }
    }

    /// True for the first who wants to ask, and nobody else.
    pub fn take_on(&self) -> bool {
        !self.probed.swap(true, Ordering::Relaxed)
    }

    pub fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Makes known what the window says now; true when that is news.
    pub fn tell(&self, window: &Window, now: Wall) -> bool {
        self.good.store(u64::from(window.good()), Ordering::Relaxed);
        let news = self.healthy.load(Ordering::Relaxed) != window.healthy();
        if news {
            self.since.store(now.seconds, Ordering::Relaxed);
            self.healthy.store(window.healthy(), Ordering::Relaxed);
        }
        news
    }

    /// When it became as healthy or sick as it is.
    pub fn since(&self) -> Wall {
        Wall::from_seconds(self.since.load(Ordering::Relaxed))
    }

    pub fn standing(&self, window: u32) -> Standing {
        Standing {
            healthy: self.healthy(),
            since: self.since(),
            good: self.good.load(Ordering::Relaxed),
            window,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn news_are_told_once_and_have_their_time() {
        let mut window = Window::new(2, 1, 0);
        let health = Health::new(&window, Wall::from_seconds(10));
        assert!(!health.healthy() && health.take_on() && !health.take_on());
        window.note(true);
        assert!(health.tell(&window, Wall::from_seconds(20)));
        window.note(true);
        assert!(!health.tell(&window, Wall::from_seconds(30)));
        let known = Standing { healthy: true, since: Wall::from_seconds(20), good: 2, window: 2 };
        assert_eq!(health.standing(2), known);
    }
}
