//! The two directions of one HTTP/1 connection: bytes in (heads, then bodies by their framing), bytes out.
//! The visit's upload reads from it while the connection's own task waits for the answer.

use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::chunked::{Decoder, Event};
use super::parse::Framing;
use crate::base::bound::Bounds;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::front::deadline::Deadline;
use crate::message::Pace;
use crate::tls::TlsStream;

/// Room made for one read while a head is awaited.
const HEAD_READ: usize = 4 << 10;
/// Room made for one read while a body streams.
const BODY_READ: usize = 64 << 10;
/// What a visitor may send ahead (pipelining) while an answer is being made.
const AHEAD_MAX: usize = 16 << 10;
/// How long a visitor who has closed its sending side may still wait for an answer, or for its next piece.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// What a connection runs on.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Makes the coming end of the connection an error to the visitor, where it is not one already.
    fn spoil(&self) {}
}

impl Stream for TcpStream {
    fn spoil(&self) {
        let _ = self.set_zero_linger();
    }
}

/// An end without a goodbye is an error in TLS.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for TlsStream<S> {}

/// Both sides are our own.
impl Stream for UnixStream {}

pub struct Wire<I> {
    pub io: I,
    /// Bytes read and not yet understood. Without capacity while the connection rests.
    pub inbound: BytesMut,
    /// The visitor has said its last byte.
    pub eof: bool,
    upload: UploadState,
    /// Which request's body may read here; an older handle gets nothing.
    turn: u64,
    /// Whoever waits for more of that body.
    reader: Option<Waker>,
}

enum UploadState {
    Done,
    Length(u64),
    Chunked(Box<Decoder>),
    /// The framing broke: nothing behind this point can be understood.
    Broken,
}

enum Piece {
    More,
    Data(Bytes),
    End(Option<HeaderMap>),
}

impl<I: AsyncRead + AsyncWrite + Unpin> Wire<I> {
    pub fn new(io: I, inbound: BytesMut) -> Self {
        Self { io, inbound, eof: false, upload: UploadState::Done, turn: 0, reader: None }
    }

    /// Reads once into `inbound`. A rest that finds nothing gives its buffer back: an idle connection
    /// holds none.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if self.inbound.capacity() - self.inbound.len() < room / 4 {
            self.inbound.reserve(room);
        }
        let read = pin!(self.io.read_buf(&mut self.inbound)).poll(cx);
        if read.is_pending() && self.inbound.is_empty() {
            self.inbound = BytesMut::new();
        }
        self.eof |= matches!(read, Poll::Ready(Ok(0)));
        read
    }

    pub fn poll_fill_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_fill(cx, HEAD_READ)
    }

    /// While a visitor waits for an answer, or for more of one: ready when it has left. Some old clients
    /// close their sending side and still wait, and nothing tells them from those who left: they get a
    /// moment, then the old server behind us is not kept busy for nobody.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>, deadline: &mut Deadline) -> Poll<()> {
        if self.poll_lost(cx).is_ready() {
            return Poll::Ready(());
        }
        if !self.eof {
            return Poll::Pending;
        }
        deadline.start(HALF_CLOSED);
        deadline.poll(cx)
    }

    /// Ready when the connection is lost.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.upload_is_over() {
            return Poll::Pending; // the upload's own reader notices
        }
        while !self.eof && self.inbound.len() < AHEAD_MAX {
            match self.poll_fill(cx, HEAD_READ) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// The next request's body begins; handles to earlier ones go dead.
    pub fn begin_upload(&mut self, framing: &Framing, bounds: &Bounds) -> u64 {
        self.turn += 1;
        self.reader = None;
        self.upload = match framing {
            Framing::None | Framing::Length(0) => UploadState::Done,
            Framing::Length(length) => UploadState::Length(*length),
            Framing::Chunked => UploadState::Chunked(Box::new(Decoder::new(bounds))),
        };
        self.turn
    }

    /// Nobody wants the rest of the body. Whoever still waits for it, on its way to a backend, is told now.
    pub fn end_turn(&mut self) {
        self.turn += 1;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub fn upload_is_over(&self) -> bool {
        matches!(self.upload, UploadState::Done)
    }

    /// Whether what is left of the body may be read away: not more than `most`, as far as that is known,
    /// and surely on its way.
    pub fn upload_drains(&self, most: u64, coming: bool) -> bool {
        match &self.upload {
            UploadState::Done => true,
            UploadState::Length(rest) => coming && *rest <= most,
            UploadState::Chunked(_) => coming,
            UploadState::Broken => false,
        }
    }

    /// Bytes of body still to come, where they were announced.
    fn upload_remaining(&self) -> Option<u64> {
        match &self.upload {
            UploadState::Done => Some(0),
            UploadState::Length(rest) => Some(*rest),
            UploadState::Chunked(_) | UploadState::Broken => None,
        }
    }

    fn next_piece(&mut self) -> Result<Piece, Fault> {
        match &mut self.upload {
            UploadState::Done => Ok(Piece::End(None)),
            UploadState::Broken => Err(Fault::with(Cause::Framing, "the body's framing is broken")),
            UploadState::Length(rest) => {
                if self.inbound.is_empty() {
                    return Ok(Piece::More);
                }
                let have = self.inbound.len();
                let take = usize::try_from(*rest).map_or(have, |rest| rest.min(have));
                *rest -= take as u64;
                if *rest == 0 {
                    self.upload = UploadState::Done;
                }
                Ok(Piece::Data(self.inbound.split_to(take).freeze()))
            }
            UploadState::Chunked(decoder) => match decoder.decode(&mut self.inbound) {
                Ok(Event::NeedMore) => Ok(Piece::More),
                Ok(Event::Data(bytes)) => Ok(Piece::Data(bytes)),
                Ok(Event::End(trailers)) => {
                    self.upload = UploadState::Done;
                    Ok(Piece::End(trailers))
                }
                Err(fault) => {
                    self.upload = UploadState::Broken;
                    Err(fault)
                }
            },
        }
    }
}

/// A connection's wire as its task and its upload share it. Nothing holds the borrow over an await, so
/// either may be polled while the other waits.
pub struct Line<I>(Rc<RefCell<Wire<I>>>);

impl<I> Clone for Line<I> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Line<I> {
    pub fn new(io: I, inbound: BytesMut) -> Self {
        Self(Rc::new(RefCell::new(Wire::new(io, inbound))))
    }

    pub fn wire(&self) -> RefMut<'_, Wire<I>> {
        self.0.borrow_mut()
    }

    pub fn upload(&self, framing: &Framing, bounds: &Bounds, pace: Pace) -> Upload<I> {
        let turn = self.wire().begin_upload(framing, bounds);
        Upload { line: Rc::downgrade(&self.0), turn, deadline: Deadline::default(), pace }
    }

    /// Reads what is left of a body that nobody wants, up to `most` bytes. True when its end was reached
    /// and the connection may be used again.
    pub async fn drain(&self, most: u64, within: Duration) -> bool {
        if within.is_zero() {
            return false;
        }
        let mut deadline = Deadline::default();
        deadline.set(within);
        let mut drained = 0;
        loop {
            let piece = self.wire().next_piece();
            match piece {
                Ok(Piece::End(_)) => return true,
                Ok(Piece::Data(bytes)) => {
                    drained += bytes.len() as u64;
                    if drained > most {
                        return false;
                    }
                }
                Ok(Piece::More) => {
                    if !self.read_some(&mut deadline).await {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    /// Says goodbye, then reads on for a while so that what the visitor still sends does not reset the
    /// connection under the answer. No time at all: closes at once.
    pub async fn linger(&self, within: Duration) {
        if within.is_zero() {
            return;
        }
        let mut deadline = Deadline::default();
        deadline.set(within);
        let goodbye = poll_fn(|cx| match Pin::new(&mut self.wire().io).poll_shutdown(cx) {
            Poll::Pending => deadline.poll(cx).map(|()| false),
            Poll::Ready(done) => Poll::Ready(done.is_ok()),
        });
        if !goodbye.await {
            return;
        }
        loop {
            self.wire().inbound.clear();
            if self.wire().eof || !self.read_some(&mut deadline).await {
                return;
            }
        }
    }

    async fn read_some(&self, deadline: &mut Deadline) -> bool {
        poll_fn(|cx| match self.wire().poll_fill(cx, BODY_READ) {
            Poll::Pending => deadline.poll(cx).map(|()| false),
            Poll::Ready(read) => Poll::Ready(matches!(read, Ok(bytes) if bytes > 0)),
        })
        .await
    }

    /// Writes all of `bytes`. A visitor who takes nothing for `stall` is given up.
    pub async fn send(&self, bytes: &[u8], deadline: &mut Deadline, stall: Duration) -> io::Result<()> {
        self.send_both(bytes, &[], deadline, stall).await
    }

    /// Writes two pieces one after the other, in one go as far as the connection can.
    pub async fn send_both(
        &self,
        mut first: &[u8],
        mut second: &[u8],
        deadline: &mut Deadline,
        stall: Duration,
    ) -> io::Result<()> {
        loop {
            if first.is_empty() {
                (first, second) = (second, &[]);
            }
            if first.is_empty() {
                return Ok(());
            }
            let pieces = [IoSlice::new(first), IoSlice::new(second)];
            let sent = poll_fn(|cx| {
                let mut wire = self.wire();
                let io = Pin::new(&mut wire.io);
                let polled = match second {
                    [] => io.poll_write(cx, first),
                    _ => io.poll_write_vectored(cx, &pieces),
                };
                match polled {
                    Poll::Pending => stalled(deadline, stall, cx),
                    Poll::Ready(sent) => Poll::Ready(sent),
                }
            })
            .await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            deadline.clear();
            let of_first = sent.min(first.len());
            first.advance(of_first);
            second.advance((sent - of_first).min(second.len()));
        }
    }

    pub async fn flush(&self, deadline: &mut Deadline, stall: Duration) -> io::Result<()> {
        poll_fn(|cx| match Pin::new(&mut self.wire().io).poll_flush(cx) {
            Poll::Pending => stalled(deadline, stall, cx),
            Poll::Ready(done) => Poll::Ready(done),
        })
        .await?;
        deadline.clear();
        Ok(())
    }
}

fn stalled<T>(deadline: &mut Deadline, stall: Duration, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    deadline.start(stall);
    deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
}

/// The body of one request, read from the connection as it is wanted. It does not keep the connection open:
/// a backend that is slow to take it must not keep a visitor who was told goodbye.
pub struct Upload<I> {
    line: Weak<RefCell<Wire<I>>>,
    turn: u64,
    deadline: Deadline,
    pace: Pace,
}

impl<I: AsyncRead + AsyncWrite + Unpin> HttpBody for Upload<I> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let upload = self.get_mut();
        let over = || fail(Cause::VisitorLeft, "the answer was complete before the upload");
        let Some(line) = upload.line.upgrade() else { return over() };
        let mut wire = line.borrow_mut();
        if wire.turn != upload.turn {
            return over();
        }
        loop {
            match wire.next_piece() {
                Ok(Piece::Data(bytes)) => {
                    upload.deadline.clear();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Ok(Piece::End(trailers)) => return Poll::Ready(trailers.map(|map| Ok(Frame::trailers(map)))),
                Ok(Piece::More) => {}
                Err(fault) => return Poll::Ready(Some(Err(fault))),
            }
            if wire.eof {
                wire.upload = UploadState::Broken;
                return fail(Cause::VisitorLeft, "the visitor left in the middle of an upload");
            }
            match wire.poll_fill(cx, BODY_READ) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => wire.eof = true,
                Poll::Pending => {
                    upload.deadline.start(upload.pace.get());
                    if upload.deadline.poll(cx).is_pending() {
                        if !wire.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                            wire.reader = Some(cx.waker().clone());
                        }
                        return Poll::Pending;
                    }
                    wire.upload = UploadState::Broken;
                    return fail(
                        Cause::BodyTimeout,
                        "the visitor stopped sending in the middle of an upload",
                    );
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.line.upgrade().is_some_and(|line| {
            let wire = line.borrow();
            wire.turn == self.turn && wire.upload_is_over()
        })
    }

    fn size_hint(&self) -> SizeHint {
        let Some(line) = self.line.upgrade() else { return SizeHint::default() };
        let wire = line.borrow();
        let rest = if wire.turn == self.turn { wire.upload_remaining() } else { None };
        rest.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn fail<T>(cause: Cause, detail: &str) -> Poll<Option<Result<T, Fault>>> {
    Poll::Ready(Some(Err(Fault::with(cause, detail))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waiting() -> (DuplexStream, Line<DuplexStream>, Upload<DuplexStream>) {
        let (visitor, door) = duplex(1 << 10);
        let line = Line::new(door, BytesMut::new());
        let upload =
            line.upload(&Framing::Length(10), &Bounds::default(), Pace::new(Bounds::default().body_timeout));
        (visitor, line, upload)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_body_that_nobody_wants_is_told_at_once() {
        let (_visitor, line, mut upload) = waiting();
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut upload).poll_frame(&mut cx).is_pending());
        line.wire().end_turn();
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
        let Poll::Ready(Some(Err(fault))) = Pin::new(&mut upload).poll_frame(&mut cx) else { panic!() };
        assert_eq!(fault.cause, Cause::VisitorLeft);
        assert!(!upload.is_end_stream() && upload.size_hint().exact().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_on_its_way_keeps_no_connection_open() {
        let (mut visitor, line, mut upload) = waiting();
        visitor.write_all(b"half").await.unwrap();
        assert!(poll_fn(|cx| Pin::new(&mut upload).poll_frame(cx)).await.is_some_and(|frame| frame.is_ok()));
        drop(line);
        assert_eq!(visitor.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(poll_fn(|cx| Pin::new(&mut upload).poll_frame(cx)).await.is_some_and(|frame| frame.is_err()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_to_linger_is_none() {
        let (_visitor, line, _upload) = waiting();
        line.linger(Duration::ZERO).await;
        assert!(!line.drain(1 << 10, Duration::ZERO).await);
    }
}
