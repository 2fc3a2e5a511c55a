//! Watches the frames of an HTTP/2 connection under the library: how long a block of headers takes to
//! arrive, and how many frames come that carry nothing. The library bounds sizes; it knows no time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::clock::{self, Instant};
use crate::front::deadline::Deadline;

const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Frames without content that a visitor may send in one window of time.
const EMPTY_MAX: u32 = 1_000;
const WINDOW: Duration = Duration::from_secs(10);

/// The pure core: bytes in, verdicts out.
#[derive(Clone)]
pub struct Frames {
    preface: usize,
    head: [u8; HEAD],
    have: usize,
    payload: usize,
    /// The frame that is read belongs to a block of headers.
    heading: bool,
    /// A block of headers has begun, and the frame that ends it has not.
    open: bool,
    empty: u32,
    window: Instant,
}

impl Frames {
    pub fn new(now: Instant) -> Self {
        Self { preface: PREFACE, head: [0; HEAD], have: 0, payload: 0, heading: false, open: false, empty: 0, window: now }
    }

    /// Follows the bytes; false when there are too many empty frames.
    pub fn follow(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        let skip = self.preface.min(bytes.len());
        self.preface -= skip;
        bytes = bytes.get(skip..).unwrap_or_default();
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skip = self.payload.min(bytes.len());
                self.payload -= skip;
                bytes = bytes.get(skip..).unwrap_or_default();
                continue;
            }
            let take = (HEAD - self.have).min(bytes.len());
            let (part, after) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
            if let Some(place) = self.head.get_mut(self.have..self.have + take) {
                place.copy_from_slice(part);
            }
            self.have += take;
            bytes = after;
            if self.have == HEAD {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                if !self.frame(kind, flags, now) {
                    return false;
                }
            }
        }
        true
    }

    /// A block of headers has begun and not all of it is there.
    pub fn headers_open(&self) -> bool {
        self.open || (self.heading && self.payload > 0)
    }

    fn frame(&mut self, kind: u8, flags: u8, now: Instant) -> bool {
        self.heading = kind == HEADERS || kind == CONTINUATION;
        if self.heading {
            self.open = flags & END_HEADERS == 0;
        }
        let empty = match kind {
            PRIORITY | RST_STREAM | SETTINGS | PING => true,
            DATA => self.payload == 0 && flags & END_STREAM == 0,
            CONTINUATION => self.payload == 0,
            HEADERS => false,
            // Unknown kinds are to be ignored, but not for ever.
            other => other > CONTINUATION,
        };
        if empty {
            if now.duration_since(self.window) > WINDOW {
                self.window = now;
                self.empty = 0;
            }
            self.empty += 1;
        }
        self.empty <= EMPTY_MAX
    }
}

/// The connection under the library, watched.
pub struct Metered<I> {
    io: I,
    frames: Frames,
    deadline: Deadline,
    head_timeout: Duration,
}

impl<I> Metered<I> {
    pub fn new(io: I, head_timeout: Duration) -> Self {
        Self { io, frames: Frames::new(clock::now()), deadline: Deadline::default(), head_timeout }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Metered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buffer);
        if polled.is_ready() {
            let read = buffer.filled().get(before..).unwrap_or_default();
            if !read.is_empty() && !this.frames.follow(read, clock::now()) {
                return Poll::Ready(Err(io::Error::other("too many frames without content")));
            }
            if !this.frames.headers_open() {
                this.deadline.clear();
            }
        }
        if this.frames.headers_open() {
            this.deadline.start(this.head_timeout);
            if this.deadline.poll(cx).is_ready() {
                return Poll::Ready(Err(io::Error::other("a block of headers took too long")));
            }
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Metered<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        let mut out = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn headers_are_open_until_their_end() {
        let now = clock::now();
        let mut bytes = vec![b'P'; PREFACE];
        bytes.extend(frame(HEADERS, 0, b"abc"));
        bytes.extend(frame(CONTINUATION, 0, b"def"));
        let mut frames = Frames::new(now);
        for byte in &bytes {
            assert!(frames.follow(&[*byte], now));
        }
        assert!(frames.headers_open());
        // The last frame of a block is not there before its last byte is.
        let last = frame(CONTINUATION, END_HEADERS, b"gh");
        let (most, end) = last.split_at(last.len() - 1);
        assert!(frames.follow(most, now));
        assert!(frames.headers_open());
        assert!(frames.follow(end, now));
        assert!(!frames.headers_open());
        assert!(frames.follow(&frame(DATA, 0, b"ij")[..10], now));
        assert!(!frames.headers_open());
    }

    #[test]
    fn frames_without_content_run_out_and_come_back() {
        let now = clock::now();
        let mut frames = Frames::new(now);
        assert!(frames.follow(&[b'P'; PREFACE], now));
        for _ in 0..EMPTY_MAX {
            assert!(frames.follow(&frame(PING, 0, &[0; 8]), now));
        }
        let mut patient = frames.clone();
        assert!(!frames.follow(&frame(PING, 0, &[0; 8]), now));
        assert!(patient.follow(&frame(PING, 0, &[0; 8]), now + WINDOW * 2));
        // Content is never counted.
        for _ in 0..3 * EMPTY_MAX {
            assert!(patient.follow(&frame(DATA, 0, b"x"), now + WINDOW * 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickled_block_of_headers_is_given_up() {
        let (mut visitor, door) = duplex(1024);
        let mut metered = Metered::new(door, Duration::from_secs(10));
        visitor.write_all(&[b'P'; PREFACE]).await.unwrap();
        visitor.write_all(&frame(HEADERS, 0, b"abc")).await.unwrap();
        let mut sink = vec![0; 1024];
        assert!(metered.read(&mut sink).await.is_ok());
        let start = clock::now();
        assert!(metered.read(&mut sink).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 10);
    }
}
