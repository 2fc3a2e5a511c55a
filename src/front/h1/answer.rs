//! Writing answers: heads, interim heads, bodies with the right framing. Small answers leave in one write.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::Body as HttpBody;
use hyper::ext::ReasonPhrase;
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::Line;
use crate::base::amount;
use crate::front::date;
use crate::front::deadline::Deadline;
use crate::message::Body;

/// What is gathered before a write: about one TLS record, of pieces that are cheaper copied than written.
const GATHER: usize = 16 << 10;
const GATHER_PIECE: usize = 4 << 10;

/// How this answer is to be written.
#[derive(Clone, Copy)]
pub struct Manner {
    pub version: Version,
    /// The answer to a HEAD: its head is all there is.
    pub head_only: bool,
    pub keep_alive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Complete,
    /// The visitor or the backend broke off; the connection must show it.
    Broken,
    /// The same, in a body that ends with the connection: an end alone would look like the body's own.
    BrokenUnseen,
}

/// How the length of a body is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// The status or the method allows no body.
    None,
    Exact(u64),
    Chunked,
    UntilClose,
}

thread_local! {
    /// One scratch buffer a worker for answers that leave at once.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub async fn write<I: AsyncRead + AsyncWrite + Unpin>(
    line: &Line<I>,
    response: Response<Body>,
    manner: Manner,
    deadline: &mut Deadline,
    stall: Duration,
) -> Ending {
    let (head, mut body) = response.into_parts();
    let length = length_of(head.status, &body, manner);
    let mut out = SCRATCH.take();
    out.clear();
    final_head(&mut out, head.status, head.extensions.get::<ReasonPhrase>(), &head.headers, length, manner);
    let done = match length {
        Length::None => Ending::Complete,
        _ => stream(line, &mut out, &mut body, length, deadline, stall).await,
    };
    let ending = match done {
        Ending::Complete
            if line.send(&out, deadline, stall).await.is_ok()
                && line.flush(deadline, stall).await.is_ok() =>
        {
            Ending::Complete
        }
        _ if length == Length::UntilClose => Ending::BrokenUnseen,
        _ => Ending::Broken,
    };
    if out.capacity() <= 2 * GATHER {
        SCRATCH.set(out);
    }
    ending
}

/// Moves the body into `out`, and out of it whenever there is enough for a write or nothing to add. What is
/// left in `out` at the end is the caller's to send.
async fn stream<I: AsyncRead + AsyncWrite + Unpin>(
    line: &Line<I>,
    out: &mut Vec<u8>,
    body: &mut Body,
    length: Length,
    deadline: &mut Deadline,
    stall: Duration,
) -> Ending {
    let mut rest = match length {
        Length::Exact(bytes) => Some(bytes),
        _ => None,
    };
    loop {
        enum Step {
            Frame(Option<Result<http_body::Frame<Bytes>, crate::base::fault::Fault>>),
            Send,
            Gone,
        }
        let waiting = out.is_empty();
        let step = poll_fn(|cx| {
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Poll::Ready(Step::Frame(frame));
            }
            if !waiting {
                return Poll::Ready(Step::Send);
            }
            line.wire().poll_gone(cx, deadline).map(|()| Step::Gone)
        })
        .await;
        deadline.clear();
        match step {
            Step::Gone => return Ending::Broken,
            Step::Send => {
                if line.send(out, deadline, stall).await.is_err()
                    || line.flush(deadline, stall).await.is_err()
                {
                    return Ending::Broken;
                }
                out.clear();
            }
            Step::Frame(None) => {
                if length == Length::Chunked {
                    out.extend_from_slice(b"0\r\n\r\n");
                }
                // A body shorter than announced must not look complete.
                return if rest.is_none_or(|rest| rest == 0) { Ending::Complete } else { Ending::Broken };
            }
            Step::Frame(Some(Err(_))) => {
                // What came before the break is the visitor's; then the connection shows the break.
                let _ = line.send(out, deadline, stall).await;
                let _ = line.flush(deadline, stall).await;
                return Ending::Broken;
            }
            Step::Frame(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    if let Some(rest) = &mut rest {
                        match rest.checked_sub(data.len() as u64) {
                            Some(left) => *rest = left,
                            None => return Ending::Broken,
                        }
                    }
                    if piece(line, out, &data, length, deadline, stall).await.is_err() {
                        return Ending::Broken;
                    }
                }
                Err(frame) => {
                    if let (Length::Chunked, Ok(trailers)) = (length, frame.into_trailers()) {
                        out.extend_from_slice(b"0\r\n");
                        lines(out, &trailers);
                        out.extend_from_slice(b"\r\n");
                        return Ending::Complete;
                    }
                }
            },
        }
    }
}

/// One piece of body: small ones are gathered, large ones are written from where they lie, together with what
/// is gathered.
async fn piece<I: AsyncRead + AsyncWrite + Unpin>(
    line: &Line<I>,
    out: &mut Vec<u8>,
    data: &Bytes,
    length: Length,
    deadline: &mut Deadline,
    stall: Duration,
) -> std::io::Result<()> {
    if data.is_empty() {
        return Ok(()); // an empty chunk would end the body
    }
    if length == Length::Chunked {
        chunk_size(out, data.len());
    }
    if data.len() <= GATHER_PIECE && out.len() + data.len() <= GATHER {
        out.extend_from_slice(data);
    } else {
        line.send_both(out, data, deadline, stall).await?;
        out.clear();
    }
    if length == Length::Chunked {
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

fn length_of(status: StatusCode, body: &Body, manner: Manner) -> Length {
    if manner.head_only || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Length::None;
    }
    match body.length() {
        Some(bytes) => Length::Exact(bytes),
        None if manner.version == Version::HTTP_11 => Length::Chunked,
        None => Length::UntilClose,
    }
}

/// Whether the connection can go on after an answer written in this manner.
pub fn keeps_alive(response: &Response<Body>, manner: Manner) -> bool {
    manner.keep_alive && length_of(response.status(), response.body(), manner) != Length::UntilClose
}

fn final_head(
    out: &mut Vec<u8>,
    status: StatusCode,
    reason: Option<&ReasonPhrase>,
    headers: &HeaderMap,
    length: Length,
    manner: Manner,
) {
    status_line(out, status, reason);
    for (name, value) in headers {
        // Framing is ours to tell; but the answer to a HEAD, and a 304, tell of a body that is not there.
        let ours = *name == TRANSFER_ENCODING
            || *name == CONNECTION
            || (*name == CONTENT_LENGTH && (length != Length::None || status == StatusCode::NO_CONTENT));
        if !ours {
            field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if !headers.contains_key(DATE) {
        field(out, b"date", date::now().as_bytes());
    }
    match length {
        Length::Exact(bytes) => {
            out.extend_from_slice(b"content-length: ");
            amount::write_digits(out, bytes);
            out.extend_from_slice(b"\r\n");
        }
        Length::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Length::None | Length::UntilClose => {}
    }
    let keeps = manner.keep_alive && length != Length::UntilClose;
    match (keeps, manner.version) {
        (false, _) => out.extend_from_slice(b"connection: close\r\n"),
        (true, Version::HTTP_10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, _) => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// A 1xx answer.
pub fn interim(out: &mut Vec<u8>, hint: &Response<()>) {
    status_line(out, hint.status(), None);
    for (name, value) in hint.headers() {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING && *name != CONNECTION {
            field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The 101 that opens a tunnel.
pub fn switching(out: &mut Vec<u8>, response: &Response<Body>) {
    status_line(out, response.status(), None);
    for (name, value) in response.headers() {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: StatusCode, reason: Option<&ReasonPhrase>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    match reason {
        Some(reason) => out.extend_from_slice(reason.as_bytes()),
        None => out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
}

fn lines(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        field(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn chunk_size(out: &mut Vec<u8>, size: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(HEX.get((size >> (place * 4)) & 15).copied().unwrap_or(b'0'));
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_chunks_are_written_without_formatting() {
        for size in [1_usize, 15, 16, 255, 4_096, 65_537] {
            let mut out = Vec::new();
            chunk_size(&mut out, size);
            assert_eq!(out, format!("{size:x}\r\n").into_bytes());
        }
    }
}
