//! The house closes, or others take over: every connection of a worker learns of it and ends with its next answer.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use std::sync::Arc;

/// One per worker; clones share the signal.
#[derive(Clone, Default)]
pub struct Closing {
    how: Rc<Cell<How>>,
    bell: Arc<Notify>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    #[default]
    Open,
    /// Another process lets visitors in. Each connection ends with its next answer; one that rests is left
    /// alone, because its visitor may be sending the next request at this very moment.
    Leaving,
    /// Nobody lets visitors in: those who rest are shown out, too.
    Shut,
}

impl Closing {
    /// Nobody is let in any more.
    pub fn begin(&self) {
        self.ring(How::Shut);
    }

    /// Another process has taken over.
    pub fn leave(&self) {
        self.ring(How::Leaving);
    }

    /// There is no way back.
    fn ring(&self, how: How) {
        self.how.set(self.how.get().max(how));
        self.bell.notify_waiters();
    }

    pub fn begun(&self) -> bool {
        self.how.get() > How::Open
    }

    pub fn ear(&self) -> Ear {
        Ear { closing: self.clone(), waiting: None }
    }
}

/// A connection's own ear for the signal, used again for each wait.
pub struct Ear {
    closing: Closing,
    waiting: Option<Pin<Box<OwnedNotified>>>,
}

impl Ear {
    pub fn begun(&self) -> bool {
        self.closing.begun()
    }

    /// Ready when the house closes or others take over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(How::Leaving, cx)
    }

    /// Ready when those who rest have to go as well.
    pub fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(How::Shut, cx)
    }

    fn poll_until(&mut self, how: How, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.closing.how.get() >= how {
                return Poll::Ready(());
            }
            let bell = &self.closing.bell;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(Arc::clone(bell).notified_owned()));
            if waiting.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It rang for less than this ear waits for.
            self.waiting = None;
        }
    }

    pub async fn heard(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_hears_and_who_comes_late_sees() {
        let closing = Closing::default();
        let mut ear = closing.ear();
        assert!(poll_fn(|cx| Poll::Ready(ear.poll(cx))).await.is_pending());
        closing.begin();
        ear.heard().await;
        closing.ear().heard().await;
        assert!(ear.begun());
    }

    #[tokio::test]
    async fn who_rests_hears_only_that_all_is_shut() {
        let closing = Closing::default();
        let mut resting = closing.ear();
        let mut shut = async || poll_fn(|cx| Poll::Ready(resting.poll_shut(cx).is_ready())).await;
        assert!(!shut().await);
        closing.leave();
        assert!(!shut().await && closing.begun());
        closing.ear().heard().await;
        closing.begin();
        closing.leave();
        assert!(shut().await, "there is no way back");
    }
}
