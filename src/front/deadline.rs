//! One timer for a whole connection. Moving a deadline later costs a store; only moving it nearer, or its
//! arrival, touches tokio's timer wheel.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};

use crate::base::clock::{self, Instant};

#[derive(Default)]
pub struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
    at: Option<Instant>,
}

impl Deadline {
    /// From now on, this much time. Zero means no limit.
    pub fn set(&mut self, after: Duration) {
        self.at = if after.is_zero() { None } else { clock::now().checked_add(after) };
    }

    /// Starts counting unless it counts already: what a wait that is polled again and again needs.
    pub fn start(&mut self, after: Duration) {
        if self.at.is_none() {
            self.set(after);
        }
    }

    pub fn clear(&mut self) {
        self.at = None;
    }

    /// Ready when the time has come; never when none is set.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        loop {
            if sleep.deadline() > at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // The wheel fired for an earlier deadline that has moved on since.
            if sleep.deadline() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moves_both_ways() {
        let start = clock::now();
        let mut deadline = Deadline::default();
        deadline.set(Duration::from_secs(10));
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        deadline.set(Duration::from_secs(2));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 2);
        deadline.set(Duration::from_secs(3));
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        deadline.set(Duration::from_secs(20));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 22);
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit_and_a_started_wait_keeps_its_end() {
        let mut deadline = Deadline::default();
        deadline.set(Duration::ZERO);
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        let start = clock::now();
        deadline.start(Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(3)).await;
        deadline.start(Duration::from_secs(5));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
