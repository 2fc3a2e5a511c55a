//! Answers are taken from old servers as fast as those speak, and given to visitors as fast as they read: what is
//! between the two waits in a buffer, bounded for each answer and in all. When the answer is whole in it, its
//! connection is free for the next request while the visitor still reads.
//!
//! A visitor who keeps up reads the backend's body directly: the buffer is empty and costs nothing. A pump beside
//! him runs whenever he has been given a piece; it finds something to do only when he is busy with that piece still
//! while the next is there. What can't be buffered waits at the backend, as ever. A fault of the backend comes
//! behind all that came before it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::{AbortHandle, spawn_local};

use super::buffers::{Buffers, Share};
use super::meter::{Alarm, Time};
use crate::base::fault::Fault;
use crate::message::body::Stream;
use crate::message::{Body, Departure};
use crate::plan::{Route, Serves};

/// By this a backend says whether its answer may be buffered, as with nginx. It is meant for us alone.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The largest piece that a backend's connection gives at once: so much is asked for before it is read.
const PIECE: u64 = 128 << 10;
/// What a piece costs beside its bytes.
const FRAME: u64 = 128;

type Polled = Poll<Option<Result<Frame<Bytes>, Fault>>>;

/// What leaves for a visitor; a tunnel passes as it is.
pub fn departing(
    departure: Departure,
    route: Option<&Route>,
    time: &Time,
    buffers: &Arc<Buffers>,
) -> Departure {
    if departure.tunnel.is_some() {
        return departure;
    }
    Departure { response: drained(departure.response, route, time, buffers), ..departure }
}

/// The answer as it leaves: drained into a buffer, unless it is one that passes straight.
pub fn drained(
    mut response: Response<Body>,
    route: Option<&Route>,
    time: &Time,
    buffers: &Arc<Buffers>,
) -> Response<Body> {
    let buffering = response.headers_mut().remove(X_ACCEL_BUFFERING);
    let refused = buffering.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no"));
    let most = route.filter(|route| route.serves == Serves::Web).map_or(0, |route| route.answer_buffer);
    if most == 0 || refused || is_events(response.headers()) {
        return response;
    }
    response.map(|body| match body {
        Body::Stream(stream) if !stream.is_end_stream() => {
            Body::stream(Drained::new(stream, most, Arc::clone(buffers), time.alarm()))
        }
        small => small,
    })
}

/// Events are for now, not for later.
fn is_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    kind.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}

/// The visitor's end.
struct Drained {
    basin: Rc<RefCell<Basin>>,
    pump: Option<AbortHandle>,
}

struct Basin {
    /// The backend's body; gone when there is nothing more to read of it.
    source: Option<Stream>,
    /// What was read and not yet fetched.
    ahead: VecDeque<Frame<Bytes>>,
    /// What all of that weighs; `None` while it is nothing.
    share: Option<Share>,
    /// The fault behind it.
    fault: Option<Fault>,
    most: u64,
    buffers: Arc<Buffers>,
    /// When the visit has had its time. Looked at by the pump: a visitor who reads nothing looks at nothing.
    alarm: Option<Alarm>,
    /// The visitor has taken all there is, and was told to wait. He may be busy writing what he has all the same.
    reader: Option<Waker>,
    /// The pump has nothing to do until something is fetched.
    full: bool,
    pump: Option<Waker>,
    /// Who is woken by the source: kept, as both stay the same for the most part.
    both: Option<(Waker, Arc<Both>)>,
}

/// Wakes the visitor first: if he is there he takes the next piece himself.
struct Both {
    reader: Waker,
    pump: Option<Waker>,
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reader.wake_by_ref();
        if let Some(pump) = &self.pump {
            pump.wake_by_ref();
        }
    }
}

impl Drained {
    fn new(source: Stream, most: u64, buffers: Arc<Buffers>, alarm: Option<Alarm>) -> Self {
        let basin = Basin {
            source: Some(source),
            ahead: VecDeque::new(),
            share: None,
            fault: None,
            most,
            buffers,
            alarm,
            reader: None,
            full: false,
            pump: None,
            both: None,
        };
        Self { basin: Rc::new(RefCell::new(basin)), pump: None }
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.abort();
        }
    }
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        let mut basin = this.basin.borrow_mut();
        let polled = basin.fetch(cx);
        if this.pump.is_none() && basin.source.is_some() && polled.is_ready() {
            drop(basin);
            this.pump = Some(spawn_local(pumping(Rc::downgrade(&this.basin))).abort_handle());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let basin = self.basin.borrow();
        basin.ahead.is_empty() && basin.fault.is_none() && basin.source.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let basin = self.basin.borrow();
        let ahead: usize = basin.ahead.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let rest = match &basin.source {
            Some(source) => source.size_hint(),
            None if basin.fault.is_none() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        };
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(ahead as u64));
        }
        hint.set_lower(rest.lower().saturating_add(ahead as u64));
        hint
    }
}

async fn pumping(basin: Weak<RefCell<Basin>>) {
    std::future::poll_fn(|cx| basin.upgrade().map_or(Poll::Ready(()), |basin| basin.borrow_mut().pump(cx)))
        .await;
}

impl Basin {
    /// The next piece for the visitor.
    fn fetch(&mut self, cx: &mut Context<'_>) -> Polled {
        if let Some(frame) = self.ahead.pop_front() {
            self.weigh_less(weight(&frame));
            if std::mem::take(&mut self.full)
                && let Some(pump) = &self.pump
            {
                pump.wake_by_ref();
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        let waker = Waker::from(self.both(cx.waker()));
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        let polled = source.as_mut().poll_frame(&mut Context::from_waker(&waker));
        match &polled {
            Poll::Pending => {
                if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                    self.reader = Some(cx.waker().clone());
                }
            }
            Poll::Ready(Some(Ok(_))) if !source.is_end_stream() => {
                self.reader = None;
                if let Some(pump) = &self.pump {
                    pump.wake_by_ref();
                }
            }
            Poll::Ready(_) => self.dry(),
        }
        polled
    }

    /// Takes what the backend says while the visitor is busy, as far as there is room.
    fn pump(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.pump.as_ref().is_some_and(|pump| pump.will_wake(cx.waker())) {
            self.pump = Some(cx.waker().clone());
            self.both = None;
        }
        if let Some(alarm) = &mut self.alarm
            && let Poll::Ready(fault) = alarm.poll(cx)
        {
            self.fault = Some(fault);
            self.dry();
            return Poll::Ready(());
        }
        loop {
            let reader = self.reader.clone();
            let waker = match &reader {
                // He waits as well: whatever comes is to wake him too.
                Some(reader) => Waker::from(self.both(reader)),
                None => cx.waker().clone(),
            };
            let Some(source) = &mut self.source else { return Poll::Ready(()) };
            let held = self.share.as_ref().map_or(0, Share::bytes);
            let room = if held < self.most { self.buffers.take(PIECE + FRAME) } else { None };
            let Some(mut share) = room else {
                self.full = true;
                return Poll::Pending;
            };
            let Poll::Ready(frame) = source.as_mut().poll_frame(&mut Context::from_waker(&waker)) else {
                return Poll::Pending;
            };
            match frame {
                Some(Ok(frame)) => {
                    let over = source.is_end_stream();
                    share.shrink(weight(&frame));
                    match &mut self.share {
                        Some(held) => held.join(share),
                        None => self.share = Some(share),
                    }
                    self.ahead.push_back(frame);
                    if over {
                        self.dry();
                    }
                }
                Some(Err(fault)) => {
                    self.fault = Some(fault);
                    self.dry();
                }
                None => self.dry(),
            }
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }

    /// Nothing more comes: the backend's connection is given back, or closed.
    fn dry(&mut self) {
        self.source = None;
        self.alarm = None;
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn weigh_less(&mut self, weight: u64) {
        if let Some(share) = &mut self.share {
            let rest = share.bytes().saturating_sub(weight);
            share.shrink(rest);
            if rest == 0 {
                self.share = None;
            }
        }
    }

    fn both(&mut self, reader: &Waker) -> Arc<Both> {
        match &self.both {
            Some((known, both)) if known.will_wake(reader) => Arc::clone(both),
            _ => {
                let both = Arc::new(Both { reader: reader.clone(), pump: self.pump.clone() });
                self.both = Some((reader.clone(), Arc::clone(&both)));
                both
            }
        }
    }
}

fn weight(frame: &Frame<Bytes>) -> u64 {
    FRAME + frame.data_ref().map_or(0, Bytes::len) as u64
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::*;
    use crate::base::cause::Cause;
    use crate::plan::{Answers, BackendId};

    fn play(act: impl Future<Output = ()>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, act);
    }

    /// A backend's body that a play feeds; it tells how far it was read, and when it was let go.
    #[derive(Clone, Default)]
    struct Old(Rc<Said>);

    #[derive(Default)]
    struct Said {
        frames: RefCell<VecDeque<Result<Frame<Bytes>, Fault>>>,
        over: Cell<bool>,
        read: Cell<usize>,
        gone: Cell<bool>,
        waker: RefCell<Option<Waker>>,
    }

    struct Speaking(Rc<Said>);

    impl Old {
        fn says(&self, bytes: usize) {
            self.gives(Ok(Frame::data(Bytes::from(vec![b'x'; bytes]))));
        }

        fn gives(&self, frame: Result<Frame<Bytes>, Fault>) {
            self.0.frames.borrow_mut().push_back(frame);
            self.wake();
        }

        fn ends(&self) {
            self.0.over.set(true);
            self.wake();
        }

        fn wake(&self) {
            if let Some(waker) = self.0.waker.take() {
                waker.wake();
            }
        }

        fn answer(&self) -> Response<Body> {
            Response::new(Body::stream(Speaking(Rc::clone(&self.0))))
        }
    }

    impl HttpBody for Speaking {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
            let said = &self.0;
            match said.frames.borrow_mut().pop_front() {
                Some(frame) => {
                    said.read.set(said.read.get() + 1);
                    Poll::Ready(Some(frame))
                }
                None if said.over.get() => Poll::Ready(None),
                None => {
                    *said.waker.borrow_mut() = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }
    }

    impl Drop for Speaking {
        fn drop(&mut self) {
            self.0.gone.set(true);
        }
    }

    fn route(answer_buffer: u64) -> Route {
        Route { answer_buffer, ..Route::new("/", Answers::Backend(BackendId(0))) }
    }

    fn draining(old: &Old, most: u64, buffers: &Arc<Buffers>) -> Body {
        drained(old.answer(), Some(&route(most)), &Time::begin(Duration::ZERO), buffers).into_body()
    }

    async fn next(body: &mut Body) -> Option<Result<Frame<Bytes>, Fault>> {
        std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    }

    async fn length(body: &mut Body) -> usize {
        next(body).await.unwrap().unwrap().into_data().unwrap().len()
    }

    /// Lets everybody do what he can.
    async fn settle() {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_server_that_has_said_all_is_free_while_the_visitor_still_reads() {
        play(async {
            let (old, buffers) = (Old::default(), Arc::new(Buffers::new(1 << 20)));
            let mut body = draining(&old, 1 << 20, &buffers);
            for bytes in 1..=20 {
                old.says(bytes * 100);
            }
            old.ends();
            assert_eq!(length(&mut body).await, 100);
            settle().await;
            assert!(old.0.gone.get() && old.0.read.get() == 20);
            assert_eq!(buffers.used(), (2..=20).map(|piece| piece * 100 + FRAME).sum::<u64>());
            for bytes in 2..=20 {
                assert_eq!(length(&mut body).await, bytes * 100);
            }
            assert!(next(&mut body).await.is_none() && body.is_end_stream());
            assert_eq!(buffers.used(), 0);
        });
    }

    #[test]
    fn who_keeps_up_reads_directly() {
        play(async {
            let (old, buffers) = (Old::default(), Arc::new(Buffers::new(1 << 20)));
            let mut body = draining(&old, 1 << 20, &buffers);
            for bytes in 1..10 {
                old.says(bytes);
                assert_eq!(length(&mut body).await, bytes);
                settle().await;
                assert_eq!(buffers.used(), 0);
            }
            // He is there before the next piece: it wakes him, and is not laid aside.
            let told = old.clone();
            tokio::task::spawn_local(async move {
                settle().await;
                told.says(77);
                told.ends();
            });
            assert_eq!(length(&mut body).await, 77);
            assert!(next(&mut body).await.is_none() && old.0.gone.get());
        });
    }

    #[test]
    fn who_was_told_to_wait_and_does_something_else_holds_nobody_up() {
        play(async {
            let (old, buffers) = (Old::default(), Arc::new(Buffers::new(1 << 20)));
            let mut body = draining(&old, 1 << 20, &buffers);
            old.says(1);
            assert_eq!(length(&mut body).await, 1);
            let waits =
                std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx).is_pending()));
            assert!(waits.await);
            settle().await;
            for bytes in 2..10 {
                old.says(bytes);
                settle().await;
            }
            old.ends();
            settle().await;
            assert!(old.0.gone.get());
            for bytes in 2..10 {
                assert_eq!(length(&mut body).await, bytes);
            }
            assert!(next(&mut body).await.is_none());
        });
    }

    #[test]
    fn buffers_are_bounded_for_each_answer_and_in_all() {
        play(async {
            let buffers = Arc::new(Buffers::new(3 * (PIECE + FRAME)));
            let (one, other) = (Old::default(), Old::default());
            let (mut first, mut second) =
                (draining(&one, 200_000, &buffers), draining(&other, 1 << 30, &buffers));
            for _ in 0..10 {
                one.says(100_000);
                other.says(100_000);
            }
            assert_eq!((length(&mut first).await, length(&mut second).await), (100_000, 100_000));
            settle().await;
            // Two pieces are as much as the first may have; the second finds room for one that is as large as any.
            assert_eq!((one.0.read.get(), other.0.read.get()), (3, 2));
            assert!(buffers.used() <= 3 * (PIECE + FRAME));
            // With no room left the visitor still gets all of it, at his own pace.
            for _ in 0..9 {
                assert_eq!((length(&mut first).await, length(&mut second).await), (100_000, 100_000));
                settle().await;
                assert!(buffers.used() <= 3 * (PIECE + FRAME));
            }
            one.ends();
            other.ends();
            assert!(next(&mut first).await.is_none() && next(&mut second).await.is_none());
            assert_eq!(buffers.used(), 0);
        });
    }

    #[test]
    fn a_fault_comes_behind_what_came_before_it() {
        play(async {
            let (old, buffers) = (Old::default(), Arc::new(Buffers::new(1 << 20)));
            let mut body = draining(&old, 1 << 20, &buffers);
            for bytes in 1..4 {
                old.says(bytes);
            }
            old.gives(Err(Cause::Read.into()));
            for bytes in 1..4 {
                assert_eq!(length(&mut body).await, bytes);
                settle().await;
                assert!(!body.is_end_stream() && body.length().is_none());
            }
            assert_eq!(next(&mut body).await.unwrap().unwrap_err().cause, Cause::Read);
            assert!(next(&mut body).await.is_none() && old.0.gone.get());
        });
    }

    #[test]
    fn who_leaves_takes_everything_with_him() {
        play(async {
            let (old, buffers) = (Old::default(), Arc::new(Buffers::new(1 << 20)));
            let mut body = draining(&old, 1 << 20, &buffers);
            old.says(1_000);
            old.says(1_000);
            length(&mut body).await;
            settle().await;
            assert!(buffers.used() > 0 && !old.0.gone.get());
            drop(body);
            assert!(old.0.gone.get() && buffers.used() == 0);
        });
    }

    #[test]
    fn a_visitor_who_reads_nothing_keeps_no_server_longer_than_a_visit_may_take() {
        play(async {
            let (old, buffers) = (Old::default(), Arc::new(Buffers::new(1 << 20)));
            let time = Time::begin(Duration::from_secs(3));
            let mut body = drained(old.answer(), Some(&route(1_000)), &time, &buffers).into_body();
            for _ in 0..10 {
                old.says(1_000);
            }
            assert_eq!(length(&mut body).await, 1_000);
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(!old.0.gone.get());
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(old.0.gone.get());
            assert_eq!(length(&mut body).await, 1_000);
            assert_eq!(next(&mut body).await.unwrap().unwrap_err().cause, Cause::TotalTimeout);
        });
    }

    #[test]
    fn some_answers_pass_straight() {
        play(async {
            let web = route(1 << 20);
            let subversion = Route { serves: Serves::Subversion, ..web.clone() };
            for (route, name, value, buffered) in [
                (Some(&web), "server", "old", true),
                (Some(&web), "x-accel-buffering", "yes", true),
                (Some(&web), "x-accel-buffering", "No", false),
                (Some(&web), "content-type", "text/event-stream", false),
                (Some(&web), "content-type", "Text/Event-Stream; charset=utf-8", false),
                (Some(&web), "content-type", "text/html", true),
                (Some(&subversion), "server", "old", false),
                (Some(&route(0)), "server", "old", false),
                (None, "server", "old", false),
            ] {
                let (old, buffers) = (Old::default(), Arc::new(Buffers::new(1 << 20)));
                let mut answer = old.answer();
                answer.headers_mut().insert(name, value.parse().unwrap());
                let answer = drained(answer, route, &Time::begin(Duration::ZERO), &buffers);
                assert!(!answer.headers().contains_key("x-accel-buffering"));
                let mut body = answer.into_body();
                old.says(1);
                old.says(1);
                length(&mut body).await;
                settle().await;
                assert_eq!(old.0.read.get(), if buffered { 2 } else { 1 }, "{name}: {value}");
            }
        });
    }
}
