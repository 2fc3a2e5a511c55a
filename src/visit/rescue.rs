//! What a visitor gets when a visit stops: the page, the line or the JSON for its cause.

use std::cell::{Cell, OnceCell};
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
use crate::plan::{Route, SiteId};
use crate::record::Ticket;
use crate::upstream::Answer;

use super::World;

/// Who asks, as far as it is known: enough to choose the form of an answer, also before there is a request.
pub struct Asker {
    /// The generation of this visit: it knows how each site speaks.
    world: Arc<World>,
    id: RequestId,
    taste: Taste,
    head_only: bool,
    /// The host that was asked, empty while there is none.
    host: String,
    /// Whose pages he gets.
    site: Cell<Option<SiteId>>,
    /// Why the site is closed, where an operator said so.
    closure: OnceCell<Arc<Closure>>,
}

impl Asker {
    pub fn new(world: Arc<World>, id: RequestId) -> Self {
        Self {
            world,
            id,
            taste: Taste::default(),
            head_only: false,
            host: String::new(),
            site: Cell::new(None),
            closure: OnceCell::new(),
        }
    }

    pub fn know(&mut self, method: &Method, headers: &HeaderMap, host: &str) {
        self.taste = Taste::of(method, headers);
        self.head_only = *method == Method::HEAD;
        self.host.push_str(host);
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

    pub fn world(&self) -> &World {
        &self.world
    }

    /// The site is found; from here on it speaks in its own words.
    pub fn at(&self, site: SiteId) {
        self.site.set(Some(site));
    }

    pub fn ask(&self) -> Ask<'_> {
        Ask {
            form: self.taste.form(),
            languages: self.taste.languages(),
            site_name: (!self.host.is_empty()).then_some(&self.host),
            method_head: self.head_only,
            note: self.closure.get().and_then(|closure| closure.note.as_deref()),
            until: self.closure.get().and_then(|closure| closure.until),
            ..Ask::of(self.id, self.world.voice(self.site.get()))
        }
    }
}

/// Whether our page takes the place of this answer.
pub fn replaces(route: &Route, answer: &Answer, asker: &Asker) -> bool {
    answer.upgraded.is_none() && answer::replaces(route, answer.head.status(), asker.taste.form())
}

/// The page in the place of a backend's own. What is left of its body goes unread, and the connection with it where
/// it has not arrived yet.
pub fn replaced(answer: Answer, ticket: &mut Ticket, asker: &Asker) -> Departure {
    let (mut head, ()) = answer.head.into_parts();
    ticket.fault(&answer::own_fault(head.status));
    answer::keep_of_replaced(&mut head.headers);
    Departure::answer(answer::replaced(head.status, head.headers, &asker.ask()))
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

/// The same with the headers that rules set.
pub fn ruled_with(
    status: StatusCode,
    told: Option<&str>,
    cause: Option<Cause>,
    headers: HeaderMap,
    asker: &Asker,
) -> Response<Body> {
    answer::ruled_with(status, told, cause, headers, &asker.ask())
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
