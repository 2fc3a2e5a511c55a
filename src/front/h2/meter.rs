//! Watches the frames of an HTTP/2 connection under the library: how long a block of headers takes to
//! arrive, and how many frames come that carry nothing. The library bounds sizes; it knows no time. What it lets
//! pass of the standard's rules on frames is refused here too.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
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
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITIZED: u8 = 32;

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
    /// The first frame has come.
    begun: bool,
    /// The highest number of a stream so far: a head on one that is not higher is that of trailers.
    highest: u32,
    look: Look,
    /// When the block of headers began that has not ended.
    open: Option<Instant>,
    /// The frame at hand is the last of its block of headers.
    last: bool,
    empty: u32,
    window: Instant,
}

impl Frames {
    pub fn new(now: Instant) -> Self {
        Self {
            preface: PREFACE,
            head: [0; HEAD],
            have: 0,
            payload: 0,
            begun: false,
            highest: 0,
            look: Look::default(),
            open: None,
            last: false,
            empty: 0,
            window: now,
        }
    }

    /// Follows the bytes; says what is wrong with them.
    pub fn follow(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), &'static str> {
        let skip = self.preface.min(bytes.len());
        self.preface -= skip;
        bytes = bytes.get(skip..).unwrap_or_default();
        while !bytes.is_empty() {
            if self.payload > 0 {
                let (part, after) =
                    bytes.split_at_checked(self.payload.min(bytes.len())).unwrap_or((bytes, &[]));
                self.payload -= part.len();
                bytes = after;
                if self.look.at(part) {
                    return Err("a pseudo-field in trailers");
                }
                self.end_block();
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
                self.frame(kind, flags, now)?;
                self.end_block();
            }
        }
        Ok(())
    }

    /// Since when a block of headers has been on its way.
    pub fn headers_open(&self) -> Option<Instant> {
        self.open
    }

    /// A block ends with the last byte of its last frame, not with that frame's head: that one may be
    /// followed by sixteen kilobytes, one a minute.
    fn end_block(&mut self) {
        if self.last && self.payload == 0 {
            self.open = None;
            self.last = false;
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, now: Instant) -> Result<(), &'static str> {
        if !std::mem::replace(&mut self.begun, true) && (kind != SETTINGS || flags & ACK != 0) {
            // RFC 9113, 3.4; the library takes anything.
            return Err("the first frame is not SETTINGS");
        }
        self.look.flags = None;
        if kind == HEADERS {
            let [.., a, b, c, d] = self.head;
            let stream = u32::from_be_bytes([a & 0x7f, b, c, d]);
            if stream > self.highest {
                self.highest = stream;
            } else {
                self.look = Look { flags: Some(flags), ..Look::default() };
            }
        }
        if kind == HEADERS || kind == CONTINUATION {
            self.open.get_or_insert(now);
            self.last = flags & END_HEADERS != 0;
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
        if self.empty > EMPTY_MAX { Err("too many frames without content") } else { Ok(()) }
    }
}

/// A look at the first field of trailers. The library leaves out a pseudo-field that stands there (one
/// further on it refuses), where RFC 9113, 8.1 has the request refused. One that was put into the visitor's
/// table of fields before is not seen: it is left out.
#[derive(Clone, Default)]
struct Look {
    /// Of the frame that is looked at; `None` when there is nothing to look at.
    flags: Option<u8>,
    bytes: [u8; Look::MOST],
    have: usize,
}

impl Look {
    /// Padding's length, a priority, two changes of the table's size, a field's kind, a name's length, a colon.
    const MOST: usize = 1 + 5 + 8 + 1 + 1 + 1;

    /// Takes some of the frame's bytes; whether a pseudo-field was seen.
    fn at(&mut self, part: &[u8]) -> bool {
        let Some(flags) = self.flags else { return false };
        for (place, byte) in self.bytes.iter_mut().skip(self.have).zip(part) {
            *place = *byte;
        }
        self.have = (self.have + part.len()).min(Self::MOST);
        let pseudo = is_pseudo_first(self.bytes.get(..self.have).unwrap_or_default(), flags) == Some(true);
        if pseudo || self.have == Self::MOST {
            self.flags = None;
        }
        pseudo
    }
}

/// Whether the first field in the payload of HEADERS is a pseudo-field (RFC 7541, 6); `None` while it can't
/// be told.
fn is_pseudo_first(payload: &[u8], flags: u8) -> Option<bool> {
    let skip = usize::from(flags & PADDED != 0) + if flags & PRIORITIZED == 0 { 0 } else { 5 };
    let mut block = payload.get(skip..)?;
    // Changes of the table's size come first.
    while block.first()? & 0xe0 == 0x20 {
        let long = block.first()? & 0x1f == 0x1f;
        block = block.get(1..)?;
        while long && block.first()? & 0x80 != 0 {
            block = block.get(1..)?;
        }
        block = block.get(usize::from(long)..)?;
    }
    let first = *block.first()?;
    let index = match first {
        0x80.. => first & 0x7f,
        0x40.. => first & 0x3f,
        _ => first & 0x0f,
    };
    if index > 0 {
        // The static table begins with them.
        return Some(index <= 14);
    }
    // A name in letters: a colon, or what Huffman's code has for it.
    let (length, letter) = (*block.get(1)?, *block.get(2)?);
    Some(if length & 0x80 == 0 { letter == b':' } else { letter >> 1 == 0x5c })
}

/// The connection under the library, watched.
pub struct Metered<I> {
    io: I,
    frames: Frames,
    /// The block of headers that the deadline is set for.
    timed: Option<Instant>,
    deadline: Deadline,
    head_timeout: Duration,
    /// How long what still comes is read after the goodbye.
    linger: Duration,
    parted: bool,
}

impl<I> Metered<I> {
    pub fn new(io: I, head_timeout: Duration, linger: Duration) -> Self {
        Self {
            io,
            frames: Frames::new(clock::now()),
            timed: None,
            deadline: Deadline::default(),
            head_timeout,
            linger,
            parted: false,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Metered<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buffer);
        if polled.is_ready() {
            let read = buffer.filled().get(before..).unwrap_or_default();
            if !read.is_empty() {
                this.frames.follow(read, clock::now()).map_err(io::Error::other)?;
            }
        }
        let open = this.frames.headers_open();
        if this.timed != open {
            // Each block has its own time, also where one ends and the next begins in one read.
            this.timed = open;
            this.deadline.clear();
        }
        if open.is_some() {
            this.deadline.start(this.head_timeout);
            if this.deadline.poll(cx).is_ready() {
                return Poll::Ready(Err(io::Error::other("a block of headers took too long")));
            }
        }
        polled
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<I> {
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

    /// Says goodbye, then reads on until the visitor has hung up too: its last frames (a window opened for the
    /// answer it is still reading) would meet a closed socket, and the reset for that eats what it has not read.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.parted {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.parted = true;
            this.deadline.set(this.linger);
        }
        let mut bytes = [0; 512];
        while !this.linger.is_zero() && this.deadline.poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn after_the_goodbye_it_reads_on_until_the_visitor_has_hung_up_or_its_time_is_over() {
        let linger = Duration::from_secs(5);
        for hangs_up in [true, false] {
            let (mut visitor, door) = duplex(64);
            let mut metered = Metered::new(door, Duration::from_secs(10), linger);
            let begun = clock::now();
            let visit = async {
                let mut rest = Vec::new();
                visitor.read_to_end(&mut rest).await.unwrap();
                // More than fits: it is taken off the way.
                for _ in 0..10 {
                    visitor.write_all(&[0; 60]).await.unwrap();
                }
                if hangs_up {
                    drop(visitor);
                    None
                } else {
                    Some(visitor)
                }
            };
            let (shut, _visitor) = tokio::join!(metered.shutdown(), visit);
            shut.unwrap();
            assert_eq!(begun.elapsed(), if hangs_up { Duration::ZERO } else { linger });
        }
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        let mut out = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        out.extend_from_slice(payload);
        out
    }

    /// What every connection begins with.
    fn begun() -> Vec<u8> {
        let mut bytes = vec![b'P'; PREFACE];
        bytes.extend(frame(SETTINGS, 0, b""));
        bytes
    }

    #[test]
    fn settings_come_first() {
        let now = clock::now();
        for first in [frame(HEADERS, END_HEADERS, b"a"), frame(SETTINGS, ACK, b""), frame(PING, 0, &[0; 8])] {
            let mut frames = Frames::new(now);
            assert_eq!(frames.follow(&[b'P'; PREFACE], now), Ok(()));
            assert!(frames.follow(&first, now).is_err());
        }
    }

    #[test]
    fn headers_are_open_until_their_end() {
        let now = clock::now();
        let mut bytes = begun();
        bytes.extend(frame(HEADERS, 0, b"abc"));
        bytes.extend(frame(CONTINUATION, 0, b"def"));
        let mut frames = Frames::new(now);
        for byte in &bytes {
            assert_eq!(frames.follow(&[*byte], now), Ok(()));
        }
        assert_eq!(frames.headers_open(), Some(now));
        let last = frame(CONTINUATION, END_HEADERS, b"gh");
        let (most, rest) = last.split_at(last.len() - 1);
        assert_eq!(frames.follow(most, now), Ok(()));
        assert_eq!(frames.headers_open(), Some(now));
        assert_eq!(frames.follow(rest, now), Ok(()));
        assert_eq!(frames.headers_open(), None);
        assert_eq!(frames.follow(&frame(HEADERS, END_HEADERS, b""), now), Ok(()));
        assert_eq!(frames.headers_open(), None);
    }

    #[test]
    fn a_pseudo_field_in_trailers_is_seen_where_it_stands_first() {
        let now = clock::now();
        let bare = END_HEADERS | END_STREAM;
        let table: &[(u8, &[u8], bool)] = &[
            (bare, b"\x82", true),
            (bare, b"\x8e", true),
            (bare, b"\x8f", false),
            (bare, b"\xbe", false),
            (bare, b"\x44\x02/a", true),
            (bare, b"\x04\x02/a", true),
            (bare, b"\x14\x02/a", true),
            (bare, b"\x7e\x02/a", false),
            (bare, b"\x0f\x00\x01a", false),
            (bare, b"\x00\x05:path\x01/", true),
            (bare, b"\x40\x84\xb9\x58\xd3\x3f\x01/", true),
            (bare, b"\x00\x03x-y\x01a", false),
            (bare, b"\x20\x3f\xe1\x1f\x82", true),
            (bare, b"\x20\x00\x03x-y\x01a", false),
            (bare | PADDED, b"\x01\x82\0", true),
            (bare | PADDED | PRIORITIZED, b"\x01\0\0\0\0\x0f\x82\0", true),
            (bare | PRIORITIZED, b"\x82\x82\x82\x82\x82\x00\x03x-y\x01a", false),
            (bare, b"", false),
        ];
        for (flags, payload, seen) in table {
            let mut bytes = begun();
            bytes.extend(frame(HEADERS, END_HEADERS, b"\x82"));
            bytes.extend(frame(DATA, 0, b"\x82"));
            bytes.extend(frame(HEADERS, *flags, payload));
            assert_eq!(Frames::new(now).follow(&bytes, now).is_err(), *seen, "{payload:?}");
            let mut frames = Frames::new(now);
            assert_eq!(bytes.iter().any(|byte| frames.follow(&[*byte], now).is_err()), *seen, "{payload:?}");
        }
    }

    #[test]
    fn frames_without_content_run_out_and_come_back() {
        let now = clock::now();
        let mut frames = Frames::new(now);
        assert_eq!(frames.follow(&begun(), now), Ok(()));
        // The settings at the beginning are one.
        for _ in 1..EMPTY_MAX {
            assert_eq!(frames.follow(&frame(PING, 0, &[0; 8]), now), Ok(()));
        }
        let mut patient = frames.clone();
        assert!(frames.follow(&frame(PING, 0, &[0; 8]), now).is_err());
        assert_eq!(patient.follow(&frame(PING, 0, &[0; 8]), now + WINDOW * 2), Ok(()));
        // Content is never counted.
        for _ in 0..3 * EMPTY_MAX {
            assert_eq!(patient.follow(&frame(DATA, 0, b"x"), now + WINDOW * 2), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickled_block_of_headers_is_given_up() {
        let (mut visitor, door) = duplex(1024);
        let mut metered = Metered::new(door, Duration::from_secs(10), Duration::ZERO);
        visitor.write_all(&begun()).await.unwrap();
        visitor.write_all(&frame(HEADERS, 0, b"abc")).await.unwrap();
        let mut sink = vec![0; 1024];
        assert!(metered.read(&mut sink).await.is_ok());
        let start = clock::now();
        assert!(metered.read(&mut sink).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_last_frame_of_headers_may_not_trickle_either() {
        let (mut visitor, door) = duplex(1024);
        let mut metered = Metered::new(door, Duration::from_secs(10), Duration::ZERO);
        visitor.write_all(&begun()).await.unwrap();
        let block = frame(HEADERS, END_HEADERS, b"abcdefghijklmnop");
        let mut sink = vec![0; 1024];
        let start = clock::now();
        for byte in &block {
            visitor.write_all(&[*byte]).await.unwrap();
            if metered.read(&mut sink).await.is_err() {
                break;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(start.elapsed().as_secs(), 18);
    }
}
