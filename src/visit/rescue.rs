//! What a visitor gets when a visit stops: the page, the line or the JSON for its cause.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderMap, Method, Response, StatusCode};

use super::maintenance::Closure;
use crate::answer::{self, Ask, Taste};
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::base::random::RequestId;
use crate::message::{Body, Departure};

/// Who asks, as far as it is known: enough to choose the form of an answer, also before there is a request.
pub struct Asker {
    id: RequestId,
    taste: Taste,
    head_only: bool,
    /// The host that was asked, empty while there is none.
    site: String,
    /// Why the site is closed, where an operator said so.
    closure: OnceCell<Arc<Closure>>,
}

impl Asker {
    pub fn new(id: RequestId) -> Self {
        Self { id, taste: Taste::default(), head_only: false, site: String::new(), closure: OnceCell::new() }
    }

    pub fn know(&mut self, method: &Method, headers: &HeaderMap, host: &str) {
        self.taste = Taste::of(method, headers);
        self.head_only = *method == Method::HEAD;
        self.site.push_str(host);
    }

    /// The site is closed: its page says what the operator says.
    pub fn closed(&self, closure: Arc<Closure>) {
        // There is one site to a visit.
        let _ = self.closure.set(closure);
    }

    /// A HEAD: no answer has a body.
    pub const fn head_only(&self) -> bool {
        self.head_only
    }

    fn ask(&self) -> Ask<'_> {
        Ask {
            form: self.taste.form(),
            request_id: self.id,
            site_name: (!self.site.is_empty()).then_some(&self.site),
            method_head: self.head_only,
            retry_after: None,
            note: self.closure.get().and_then(|closure| closure.note.as_deref()),
            until: self.closure.get().and_then(|closure| closure.until),
        }
    }
}

/// Every fault is answered; one that says the connection can't be trusted ends it.
pub fn answer(fault: &Fault, asker: &Asker) -> Departure {
    let close = matches!(
        fault.cause,
        Cause::Malformed
            | Cause::Framing
            | Cause::BadHost
            | Cause::HeadTimeout
            | Cause::BodyTimeout
            | Cause::Closing
    );
    Departure { response: answer::fault(fault.cause, &asker.ask()), tunnel: None, close }
}

/// What a visit comes to; a panic in it is a fault of our own, with a page and a line like any other, and
/// ends nothing but this visit.
///
/// Takes it pinned: a future that is handed over lies in its new owner twice, and this one is large.
pub async fn surviving<T>(mut visit: Pin<&mut impl Future<Output = Result<T, Fault>>>) -> Result<T, Fault> {
    poll_fn(|cx| {
        // Nothing of the visit is looked at again; what rooms share is borrowed for moments only.
        let polled = catch_unwind(AssertUnwindSafe(|| visit.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            Poll::Ready(Err(Fault::with(Cause::Internal, "a part of the house panicked")))
        })
    })
    .await
}

/// The page for what rules said without writing one.
pub fn ruled(status: StatusCode, told: Option<&str>, cause: Option<Cause>, asker: &Asker) -> Response<Body> {
    answer::ruled(status, told, cause, &asker.ask())
}

/// Sends the visitor to where the page really stands.
pub fn redirect(status: StatusCode, location: &str, asker: &Asker) -> Response<Body> {
    answer::redirect(status, location, &asker.ask())
}

/// What lies in a folder, as a page.
pub fn listing<'a>(
    path: &str,
    rows: impl Iterator<Item = answer::Row<'a>>,
    more: bool,
    asker: &Asker,
) -> Response<Body> {
    answer::listing(path, rows, more, &asker.ask())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_fault_of_our_own() {
        let visit = async {
            tokio::task::yield_now().await;
            assert!(Cause::ALL.is_empty(), "a visit that panics");
            Ok(())
        };
        let fault = surviving(pin!(visit)).await.unwrap_err();
        assert_eq!(fault.cause, Cause::Internal);
        assert_eq!(surviving(pin!(async { Ok(7) })).await, Ok(7));
    }
}
