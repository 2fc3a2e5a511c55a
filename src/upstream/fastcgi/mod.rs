//! Backends that run scripts, spoken to by FastCGI 1.0: php-fpm and its kin.
//!
//! Called by `send`, where a backend's `.url` says `fastcgi:`; what is asked carries the script that was found
//! (`script::Script`). The client is our own and runs in the visitor's task: one request at a time on a connection,
//! always number 1. Framing, header and parameters are pure (`record`, `answer`, `params`); `exchange` moves both
//! directions, `link` is the connection; `ping` is a probe's question.
//!
//! Promises beside those of `upstream`:
//! - A connection is kept only where `.idle_max` says so: each one keeps a process of php-fpm.
//! - What a program complains of (STDERR) goes to the error log, bounded, and never to the visitor.
//! - The length of a body is known before it is sent, since CGI wants it so: php reads nothing of a body without
//!   one. What does not say its length is collected, up to `COLLECTED_BYTES_MAX`; beyond it gets 413. All of that
//!   together has a bound as well: who opens many and ends none gets 503, and takes no memory from the others.
//! - A length that an answer says is kept to: a shorter body ends in a fault, of a longer one the rest is cut off.

pub mod answer;
mod exchange;
mod link;
mod params;
pub mod ping;
pub mod record;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode};
use http_body::Body as _;

use self::answer::HeadReader;
pub(super) use self::exchange::Busy;
use self::exchange::{Exchange, Failure, Receiving};
pub(super) use self::link::{Link, Shelf};
use super::backend::Backend;
use super::connect;
use super::permits::{self, Limit};
use super::pool::Pool;
use super::send::{Answer, Patience, Track, is_safe};
use crate::base::amount;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::exchange::Murmurs;
use crate::message::{Aside, Body};
use crate::script::Script;

/// A body that does not say how long it is may have as many bytes.
const COLLECTED_BYTES_MAX: usize = 1 << 20;

/// All that is collected so at once, by all workers, may have as many.
const COLLECTED_BYTES_SUM: usize = 64 << 20;

static COLLECTED: AtomicUsize = AtomicUsize::new(0);

/// What is collected, and what that takes of the sum.
struct Collected {
    bytes: BytesMut,
    taken: usize,
    of: &'static AtomicUsize,
    most: usize,
}

impl Collected {
    /// False where there is no room for it.
    fn add(&mut self, data: &[u8]) -> bool {
        let fits = |taken: usize| taken.checked_add(data.len()).filter(|sum| *sum <= self.most);
        if self.of.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return false;
        }
        self.taken += data.len();
        self.bytes.extend_from_slice(data);
        true
    }
}

impl AsRef<[u8]> for Collected {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        self.of.fetch_sub(self.taken, Relaxed);
    }
}

/// Makes a body's length known.
pub async fn measure(request: &mut Request<Body>) -> Result<(), Fault> {
    measure_within(request, &COLLECTED, COLLECTED_BYTES_SUM).await
}

async fn measure_within(
    request: &mut Request<Body>,
    of: &'static AtomicUsize,
    most: usize,
) -> Result<(), Fault> {
    if request.body().length().is_some() {
        return Ok(());
    }
    let mut body = std::mem::take(request.body_mut());
    let mut collected = Collected { bytes: BytesMut::new(), taken: 0, of, most };
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if collected.taken + data.len() > COLLECTED_BYTES_MAX {
            let most = amount::write_size(COLLECTED_BYTES_MAX as u64);
            let why = format!("a body that does not say its length is larger than {most}");
            return Err(Fault::with(Cause::BodyTooLarge, why));
        }
        if !collected.add(&data) {
            let why = "too much is collected already of bodies that do not say their length";
            return Err(Fault::with(Cause::Overloaded, why));
        }
    }
    // Counted until it is sent.
    *request.body_mut() =
        if collected.taken == 0 { Body::Empty } else { Body::full(Bytes::from_owner(collected)) };
    Ok(())
}

/// Asks, and waits for the head of the answer.
pub(super) async fn ask(
    pool: &Pool,
    backend: &Arc<Backend>,
    request: Request<Body>,
    patience: Patience,
    track: &Track,
) -> Result<Answer, Fault> {
    let inner = &backend.0;
    let shelf = pool.shelf(backend);
    let keep = inner.config.idle_max > 0;
    let (mut asked, mut body) = request.into_parts();
    let script = asked.extensions.remove::<Script>().ok_or_else(|| {
        connect::fault(
            inner,
            Cause::Internal,
            "it runs scripts, and this route has no `.root` where they lie",
        )
    })?;
    let (local, murmurs) = match asked.extensions.remove::<Aside>() {
        Some(Aside { local, murmurs }) => (Some(local), murmurs),
        None => (None, Murmurs::default()),
    };
    let mut told = BytesMut::with_capacity(1_024);
    params::write(&mut told, &script, &asked, body.length().unwrap_or(0), local);
    let mut head = BytesMut::with_capacity(told.len() + 64);
    record::begin(&mut head, keep, &told);
    let head = head.freeze();
    let repeatable = matches!(body, Body::Empty) && is_safe(&asked.method);

    let limit = inner.limit.as_ref();
    let of_connections = limit.is_some_and(Limit::counts_connections);
    let for_request = if of_connections { None } else { permits::take(inner).await? };
    let mut busy = Some(Busy::begin(inner, pool.worker(), for_request));
    // Nobody is overtaken by who comes when others wait.
    let mut kept = if limit.is_some_and(|limit| limit.waiting() > 0) { None } else { shelf.take_link() };
    loop {
        let link = if let Some(link) = kept.take() {
            link
        } else {
            let permit = if of_connections { permits::take(inner).await? } else { None };
            Link::open(inner, pool.worker(), permit, patience.connect, shelf.tick()).await?
        };
        track.unsent.set(false);
        let mut exchange = Exchange::begin(link, head.clone(), body, keep, murmurs.clone(), shelf.clone());
        exchange.busy = busy.take();
        let mut reader = HeadReader::default();
        let outcome = poll_fn(|cx| exchange.poll_head(cx, &mut reader, patience.first_byte)).await;
        let fault = match outcome {
            Ok(head) => return Ok(answer(exchange, head, &asked.method, patience)),
            Err(fault) => fault,
        };
        // A connection that was closed while it waited: nothing was done, or what was may be done again.
        busy = exchange.busy.take();
        match exchange.fail(fault) {
            Failure { stale: true, unsent: Some(same), .. } => {
                track.unsent.set(true);
                body = same;
            }
            Failure { stale: true, .. } if repeatable => {
                track.repeated.set(true);
                body = Body::Empty;
            }
            Failure { fault, .. } => return Err(fault),
        }
        inner.retried(pool.worker());
    }
}

fn answer(exchange: Exchange, mut head: answer::Head, method: &Method, patience: Patience) -> Answer {
    let bodiless = *method == Method::HEAD
        || matches!(head.answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = Receiving::new(exchange, &mut head, bodiless, patience.between_bytes).into_body();
    Answer { head: head.answer, body, upgraded: None, by: None, cookie: None }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Poll, Waker};

    use http_body::Frame;

    use super::*;

    /// A body that says nothing of its length: so many pieces of four bytes, and then its end, or none.
    struct Pieces {
        left: usize,
        ends: bool,
    }

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            if self.left == 0 {
                return if self.ends { Poll::Ready(None) } else { Poll::Pending };
            }
            self.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"four")))))
        }
    }

    #[test]
    fn who_never_ends_takes_no_more_memory_than_there_is_for_all() {
        static SUM: AtomicUsize = AtomicUsize::new(0);
        let asking = |left, ends| Request::new(Body::stream(Pieces { left, ends }));
        let mut cx = std::task::Context::from_waker(Waker::noop());
        {
            let (mut first, mut second) = (asking(2, false), asking(1, false));
            let mut first = pin!(measure_within(&mut first, &SUM, 12));
            let mut second = pin!(measure_within(&mut second, &SUM, 12));
            assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
            assert_eq!(SUM.load(Relaxed), 12);
            let mut third = asking(1, true);
            let Poll::Ready(Err(fault)) = pin!(measure_within(&mut third, &SUM, 12)).poll(&mut cx) else {
                panic!("there is no room")
            };
            assert_eq!(fault.cause, Cause::Overloaded);
        }
        assert_eq!(SUM.load(Relaxed), 0, "who leaves gives it back");
        let mut whole = asking(3, true);
        assert!(matches!(pin!(measure_within(&mut whole, &SUM, 12)).poll(&mut cx), Poll::Ready(Ok(()))));
        assert_eq!((whole.body().length(), SUM.load(Relaxed)), (Some(12), 12));
        drop(whole);
        assert_eq!(SUM.load(Relaxed), 0, "and so does who was sent");
    }
}
