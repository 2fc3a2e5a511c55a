//! The bytes of a file on their way: read piece by piece, as the visitor takes them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http_body::{Body as HttpBody, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::disk::on_disk;
use super::ranges::Part;
use super::{Shared, broken};
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::Body;

/// What is read at once. As much is in memory for each visitor, and once more while it is sent.
const PIECE: usize = 64 << 10;

/// What a body is made of.
pub struct Sheet {
    pieces: VecDeque<Piece>,
    length: u64,
}

enum Piece {
    Text(Bytes),
    Part(Part),
}

impl Sheet {
    pub fn whole(size: u64) -> Self {
        Self::part(Part { at: 0, length: size })
    }

    pub fn part(part: Part) -> Self {
        Self { pieces: VecDeque::from([Piece::Part(part)]), length: part.length }
    }

    /// Several parts, each below a head of its own (RFC 9110, 14.6).
    pub fn parts(parts: &[Part], size: u64, boundary: &str, kind: &HeaderValue) -> Self {
        let mut sheet = Self { pieces: VecDeque::with_capacity(parts.len() * 2 + 1), length: 0 };
        let kind = kind.to_str().unwrap_or("application/octet-stream");
        for (at, part) in parts.iter().enumerate() {
            let before = if at == 0 { "" } else { "\r\n" };
            let range = part.content_range(size);
            sheet.text(format!(
                "{before}--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {range}\r\n\r\n"
            ));
            sheet.length += part.length;
            sheet.pieces.push_back(Piece::Part(*part));
        }
        sheet.text(format!("\r\n--{boundary}--\r\n"));
        sheet
    }

    fn text(&mut self, text: String) {
        self.length += text.len() as u64;
        self.pieces.push_back(Piece::Text(text.into()));
    }

    pub const fn length(&self) -> u64 {
        self.length
    }

    /// What is small is read at once, and travels as one piece.
    pub async fn read_from(self, file: Shared) -> Result<Body, Fault> {
        let Self { mut pieces, length } = self;
        match (pieces.front(), usize::try_from(length)) {
            (_, Ok(0)) => Ok(Body::Empty),
            (Some(Piece::Part(part)), Ok(whole)) if pieces.len() == 1 && whole <= PIECE => {
                let at = part.at;
                let buffer = BytesMut::zeroed(whole);
                let buffer = match fill(&file, buffer, at) {
                    Filled::All(buffer) => buffer,
                    Filled::Failed(fault) => return Err(fault),
                    Filled::Not(mut buffer) => {
                        on_disk(move || {
                            file.read_exact_at(&mut buffer, at)
                                .map(|()| buffer)
                                .map_err(|error| unread(&error))
                        })
                        .await??
                    }
                };
                Ok(Body::Full(buffer.freeze()))
            }
            _ => {
                pieces.make_contiguous();
                Ok(Body::stream(Reading { file, pieces, left: length, kept: None, waiting: None }))
            }
        }
    }
}

enum Filled {
    All(BytesMut),
    /// The page cache does not have it.
    Not(BytesMut),
    Failed(Fault),
}

fn fill(file: &File, mut buffer: BytesMut, at: u64) -> Filled {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match read_cached(file, rest, at + done as u64) {
            Ok(Some(0)) => return Filled::Failed(shorter()),
            Ok(Some(read)) => done += read,
            Ok(None) => return Filled::Not(buffer),
            Err(error) => return Filled::Failed(unread(&error)),
        }
    }
    Filled::All(buffer)
}

/// What the page cache has of it; `None` where it has nothing, or where the file system can't tell.
fn read_cached(file: &File, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    loop {
        match preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT) {
            Ok(read) => return Ok(Some(read)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn shorter() -> Fault {
    Fault::with(Cause::Internal, "the file became shorter while it was sent")
}

fn unread(error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        shorter()
    } else {
        broken("a file can't be read", error)
    }
}

/// A buffer, and how much of it was read.
type Read = (BytesMut, usize);

/// A thread reads.
type Waiting = Pin<Box<dyn Future<Output = Result<Read, Fault>>>>;

/// A body that is read as it is taken.
struct Reading {
    file: Shared,
    pieces: VecDeque<Piece>,
    left: u64,
    /// The last piece: when whoever got it is done with it, its memory is used again.
    kept: Option<Bytes>,
    waiting: Option<Waiting>,
}

impl Reading {
    fn buffer(&mut self) -> BytesMut {
        let kept = self.kept.take().and_then(|kept| kept.try_into_mut().ok());
        kept.filter(|kept| kept.len() == PIECE).unwrap_or_else(|| BytesMut::zeroed(PIECE))
    }

    /// What was read of the part in front.
    fn hand_on(&mut self, (buffer, read): Read) -> Result<Frame<Bytes>, Fault> {
        let Some(Piece::Part(part)) = self.pieces.front_mut() else { return Err(shorter()) };
        if read == 0 {
            return Err(shorter());
        }
        part.at += read as u64;
        part.length = part.length.saturating_sub(read as u64);
        if part.length == 0 {
            self.pieces.pop_front();
        }
        self.left = self.left.saturating_sub(read as u64);
        let buffer = buffer.freeze();
        let piece = buffer.slice(..read);
        self.kept = Some(buffer);
        Ok(Frame::data(piece))
    }
}

impl HttpBody for Reading {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let reading = self.get_mut();
        if let Some(waiting) = &mut reading.waiting {
            let read = ready!(waiting.as_mut().poll(cx));
            reading.waiting = None;
            return Poll::Ready(Some(read.and_then(|read| reading.hand_on(read))));
        }
        let (at, most) = match reading.pieces.front() {
            None => return Poll::Ready(None),
            Some(Piece::Text(_)) => {
                let Some(Piece::Text(text)) = reading.pieces.pop_front() else { return Poll::Ready(None) };
                reading.left = reading.left.saturating_sub(text.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(text))));
            }
            Some(Piece::Part(part)) => (part.at, usize::try_from(part.length).unwrap_or(PIECE).min(PIECE)),
        };
        let mut buffer = reading.buffer();
        let Some(into) = buffer.get_mut(..most) else { return Poll::Ready(Some(Err(shorter()))) };
        match read_cached(&reading.file, into, at) {
            Ok(Some(read)) => Poll::Ready(Some(reading.hand_on((buffer, read)))),
            Err(error) => Poll::Ready(Some(Err(unread(&error)))),
            Ok(None) => {
                let file = Arc::clone(&reading.file);
                let mut waiting = Box::pin(async move {
                    on_disk(move || {
                        let into = buffer.get_mut(..most).unwrap_or_default();
                        match file.read_at(into, at) {
                            Ok(read) => Ok((buffer, read)),
                            Err(error) => Err(unread(&error)),
                        }
                    })
                    .await?
                });
                match waiting.as_mut().poll(cx) {
                    Poll::Ready(read) => Poll::Ready(Some(read.and_then(|read| reading.hand_on(read)))),
                    Poll::Pending => {
                        reading.waiting = Some(waiting);
                        Poll::Pending
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
