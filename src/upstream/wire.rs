//! Between hyper and the socket: watches answer heads for what hyper would repair in silence, and notes what
//! the clocks, the retry and the blame need to know. Body bytes pass by untouched and uncopied.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::connect::tls_inside;
use super::framing;
use super::permits::Permit;
use super::pool::Open;
use super::trust;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::Hints;
use crate::message::exchange::Io;

/// More interim (1xx) answers to one request than this are a flood.
pub const INTERIM_MAX: u32 = 32;
const INTERIM_BYTES_MAX: usize = 16 << 10;

/// How far the request's body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// There is none, or all of it has been taken.
    Done,
    /// The visitor has not sent the next piece yet: the backend's clock stands still.
    Visitor,
    /// Pieces are on their way.
    Moving,
}

/// What is known of a connection by those who use it: one exchange at a time.
pub struct Line {
    watch: RefCell<Watch>,
    /// Where interim answers go.
    hints: RefCell<Option<Hints>>,
    /// What the backend did that no backend may do.
    pub violation: Cell<Option<&'static str>>,
    /// Why TLS broke in mid-connection.
    pub tls_broken: Cell<Option<&'static str>>,
    /// Some byte of the answer has come.
    pub heard: Cell<bool>,
    /// The backend takes no more bytes; it may still be answering.
    pub write_failed: Cell<bool>,
    pub upload: Cell<Upload>,
    /// When something of an upload last moved.
    pub moved: Cell<Option<Instant>>,
    /// The request head as hyper wrote it, kept when it may have to be said again.
    keep_head: Cell<bool>,
    head: RefCell<Vec<u8>>,
    /// Nothing is read before the first request is written: who speaks first is heard as its answer.
    spoken: Cell<bool>,
    listener: Cell<Option<Waker>>,
    /// Takes the connection over when hyper is done with it.
    pub tunnel: Cell<Option<oneshot::Sender<Tunnel>>>,
    /// The fault the connection ended with.
    pub ended: RefCell<Option<Fault>>,
    /// Where the backend's connections are limited: one of those it may have. Given back when the last who holds
    /// this line lets go of it, and that is the socket.
    pub permit: Cell<Option<Permit>>,
}

impl Line {
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            watch: RefCell::new(Watch::default()),
            hints: RefCell::new(None),
            violation: Cell::new(None),
            tls_broken: Cell::new(None),
            heard: Cell::new(false),
            write_failed: Cell::new(false),
            upload: Cell::new(Upload::Done),
            moved: Cell::new(None),
            keep_head: Cell::new(false),
            head: RefCell::new(Vec::new()),
            spoken: Cell::new(false),
            listener: Cell::new(None),
            tunnel: Cell::new(None),
            ended: RefCell::new(None),
            permit: Cell::new(None),
        })
    }

    /// Before a request: an answer is expected now.
    pub fn begin(&self, upload: bool, keep_head: bool, hints: Option<Hints>) {
        *self.hints.borrow_mut() = hints;
        *self.watch.borrow_mut() = Watch { phase: Phase::Head, ..Watch::default() };
        self.heard.set(false);
        self.upload.set(if upload { Upload::Moving } else { Upload::Done });
        self.moved.set(None);
        self.keep_head.set(keep_head);
    }

    /// After an answer: whatever comes now was not asked for.
    pub fn rest(&self) {
        self.watch.borrow_mut().phase = Phase::Rest;
        *self.hints.borrow_mut() = None;
    }

    /// Between two requests.
    pub fn at_rest(&self) -> bool {
        self.watch.borrow().phase == Phase::Rest
    }

    pub fn uploading(&self) -> bool {
        self.upload.get() != Upload::Done
    }

    /// The head of the request that was lost.
    pub fn take_head(&self) -> Vec<u8> {
        std::mem::take(&mut self.head.borrow_mut())
    }

    fn read(&self, bytes: &[u8]) -> io::Result<()> {
        self.heard.set(true);
        let mut tell = |status: &[u8; 12], head: &[u8]| {
            if let (Some(hints), Some(interim)) = (&*self.hints.borrow(), framing::interim(status, head)) {
                hints.send(interim);
            }
        };
        self.watch.borrow_mut().see(bytes, &mut tell).map_err(|why| {
            self.violation.set(Some(why));
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    /// Before bytes are written: what hyper offers first is the whole head.
    fn offered(&self, bytes: &[u8]) {
        if self.keep_head.take() {
            let mut head = self.head.borrow_mut();
            head.clear();
            head.extend_from_slice(bytes);
        }
        if !self.spoken.replace(true)
            && let Some(listener) = self.listener.take()
        {
            listener.wake();
        }
    }

    /// A backend that hangs up on an upload has often answered before (413, 401). So a broken pipe is kept
    /// from hyper, which would stop listening: the next read brings the answer or the end.
    fn written(&self, outcome: io::Result<usize>, offered: usize) -> io::Result<usize> {
        match outcome {
            Ok(count) => {
                if self.uploading() {
                    self.moved.set(Some(clock::now()));
                }
                Ok(count)
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                self.write_failed.set(true);
                Ok(offered)
            }
            Err(error) => {
                self.write_failed.set(true);
                Err(error)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing is expected.
    #[default]
    Rest,
    /// In an answer head, or before it.
    Head,
    /// In an answer body, or a tunnel: not our business.
    Body,
}

/// Reads answer heads line by line as they come. hyper's parser takes bare LF as a line's end and skips
/// empty lines before the status line; a strict reader refuses both, and so do we.
#[derive(Debug, Default)]
struct Watch {
    phase: Phase,
    /// Bytes of the unfinished line so far, and the last of them.
    length: usize,
    last: u8,
    /// `HTTP/1.1 200`, as far as it has come.
    status: [u8; 12],
    /// The status line is over.
    past_status: bool,
    interim: u32,
    /// The header lines of the interim answer that is being read.
    told: Vec<u8>,
}

/// An interim answer as it was read: its status line's first bytes, its header lines.
type Tell<'a> = dyn FnMut(&[u8; 12], &[u8]) + 'a;

impl Watch {
    fn see(&mut self, mut bytes: &[u8], tell: &mut Tell<'_>) -> Result<(), &'static str> {
        match self.phase {
            Phase::Body => return Ok(()),
            Phase::Rest => return Err("it sent bytes that nobody had asked for"),
            Phase::Head => {}
        }
        while let Some(at) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            self.take(line)?;
            if self.past_status && self.is_interim() {
                self.told.push(b'\n');
            }
            bytes = rest.get(1..).unwrap_or(&[]);
            if self.last != b'\r' {
                return Err("a line of its header does not end in CR LF");
            }
            let empty = self.length == 1;
            if empty && !self.past_status {
                return Err("an empty line stands where its answer should begin");
            }
            self.length = 0;
            self.last = 0;
            self.past_status = true;
            if empty {
                if !self.is_interim() {
                    self.phase = Phase::Body;
                    return Ok(());
                }
                tell(&self.status, &self.told);
                self.told.clear();
                self.interim += 1;
                if self.interim > INTERIM_MAX {
                    return Err("it sends interim answers without end");
                }
                self.past_status = false;
            }
        }
        self.take(bytes)
    }

    fn is_interim(&self) -> bool {
        self.status.get(9) == Some(&b'1') && !self.status.ends_with(b"101")
    }

    fn take(&mut self, part: &[u8]) -> Result<(), &'static str> {
        let Some(last) = part.last() else { return Ok(()) };
        if self.past_status && self.is_interim() {
            if self.told.len() + part.len() > INTERIM_BYTES_MAX {
                return Err("its interim answer is too large");
            }
            self.told.extend_from_slice(part);
        }
        if !self.past_status {
            for (place, byte) in self.status.iter_mut().skip(self.length).zip(part) {
                *place = *byte;
            }
        }
        self.last = *last;
        self.length += part.len();
        Ok(())
    }
}

/// The socket with its watcher.
pub struct Wire {
    io: Box<dyn Io>,
    line: Rc<Line>,
}

impl Wire {
    pub fn new(io: Box<dyn Io>, line: Rc<Line>) -> Self {
        Self { io, line }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.line.spoken.get() {
            self.line.listener.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if let Err(error) = ready!(Pin::new(&mut self.io).poll_read(cx, buf)) {
            if let Some(tls) = tls_inside(&error) {
                self.line.tls_broken.set(Some(trust::explain(tls)));
            }
            return Poll::Ready(Err(error));
        }
        let fresh = buf.filled().get(before..).unwrap_or(&[]);
        Poll::Ready(if fresh.is_empty() { Ok(()) } else { self.line.read(fresh) })
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.offered(bytes);
        if self.line.write_failed.get() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = ready!(Pin::new(&mut self.io).poll_write(cx, bytes));
        Poll::Ready(self.line.written(outcome, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.offered(parts.first().map_or(&[], |part| &**part));
        let whole = || parts.iter().map(|part| part.len()).sum();
        if self.line.write_failed.get() {
            return Poll::Ready(Ok(whole()));
        }
        // A list of one piece costs the kernel more than the piece.
        let outcome = match parts {
            [only] => ready!(Pin::new(&mut self.io).poll_write(cx, only)),
            parts => ready!(Pin::new(&mut self.io).poll_write_vectored(cx, parts)),
        };
        Poll::Ready(self.line.written(outcome, whole()))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.write_failed.get() {
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(&mut self.io).poll_flush(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(self.line.written(Err(error), 0).map(|_| ())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// An upgraded connection: first what hyper had read ahead, then the socket.
pub struct Tunnel {
    pub ahead: Bytes,
    pub wire: Wire,
    /// The connection stays counted.
    pub _open: Open,
    /// And its request, where the backend's requests are limited.
    pub permit: Option<Permit>,
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.wire.io).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(self.ahead.get(..count).unwrap_or(&[]));
        self.ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(pieces: &[&str]) -> (Result<(), &'static str>, Phase) {
        let mut watch = Watch { phase: Phase::Head, ..Watch::default() };
        for piece in pieces {
            if let Err(why) = watch.see(piece.as_bytes(), &mut |_, _| {}) {
                return (Err(why), watch.phase);
            }
        }
        (Ok(()), watch.phase)
    }

    #[test]
    fn heads_are_judged_the_same_however_they_are_cut() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\nbody", true, Phase::Body),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true, Phase::Body),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", true, Phase::Head),
            ("HTTP/1.1 101 Switching\r\n\r\n\n\n", true, Phase::Body),
            ("HTTP/1.1 200 OK\nA: b\r\n\r\n", false, Phase::Head),
            ("HTTP/1.1 200 OK\r\nA: b\n\r\n", false, Phase::Head),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\n", false, Phase::Head),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", false, Phase::Head),
            ("\nHTTP/1.1 200 OK\r\n\r\n", false, Phase::Head),
            ("HTTP/1.1 100 Continue\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", false, Phase::Head),
        ];
        for (text, good, phase) in cases {
            for size in 1..=text.len() {
                let pieces: Vec<&str> =
                    text.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
                let (outcome, ended) = watch(&pieces);
                assert_eq!((outcome.is_ok(), ended), (good, phase), "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn interim_answers_end_somewhere() {
        let some = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(INTERIM_MAX as usize);
        assert_eq!(watch(&[&some]).0, Ok(()));
        assert!(watch(&[&some, "HTTP/1.1 103 Early Hints\r\n\r\n"]).0.is_err());
    }

    #[test]
    fn bytes_at_rest_are_refused() {
        assert!(Watch::default().see(b"x", &mut |_, _| {}).is_err());
    }
}
