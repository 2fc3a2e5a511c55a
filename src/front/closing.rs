//! The house closes: every connection of a worker learns of it and ends with its next answer.

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
    shut: Rc<Cell<bool>>,
    bell: Arc<Notify>,
}

impl Closing {
    pub fn begin(&self) {
        self.shut.set(true);
        self.bell.notify_waiters();
    }

    pub fn begun(&self) -> bool {
        self.shut.get()
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

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.closing.begun() {
            return Poll::Ready(());
        }
        let bell = &self.closing.bell;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(Arc::clone(bell).notified_owned()));
        waiting.as_mut().poll(cx)
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
}
