//! The head of an HTTP/1 request: bytes in, a [`Head`] and its framing out, no IO.
//!
//! Refuses, never repairs: what two readers could understand in two ways ends here, with a cause for the
//! visitor and a sentence for the operator's log. What the head *means* (host, path, which headers may
//! pass) is settled in `message`; this file settles where each line and the whole request end.
//!
//! Lines are found here and not by `httparse`, which also ends lines at a bare LF, so each of its findings
//! would have to be looked at twice; `http`'s own types check every name and value on their way into the map.
//! Each byte is looked at once for line ends, however slowly it arrives, and whatever the pieces are, the
//! outcome is the same. Values are slices of what was read: nothing is copied.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Version};
use memchr::memchr;

use crate::base::bound::Bounds;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::Head;
use crate::message::headers::{is_token, trim};

/// A request head with all that the connection needs to know to read on.
#[derive(Debug)]
pub struct Parsed {
    pub head: Head,
    pub framing: Framing,
    /// The visitor lets the connection live on after this request.
    pub keep_alive: bool,
    /// The visitor waits for a 100 before it sends the body; only ever set where a body follows.
    pub expects_continue: bool,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// The longest method taken; those in use have at most 17 letters.
const METHOD_BYTES_MAX: usize = 64;
/// Empty lines forgiven before a request line: old clients send one after a form (RFC 9112, 2.2).
const EMPTY_LINES_MAX: u8 = 4;
/// The end of a request line after its target.
const VERSION_BYTES: u64 = b" HTTP/1.1\r\n".len() as u64;
/// Room for the headers that the house itself adds before it passes a request on.
const HEADERS_ADDED: usize = 8;

/// Reads one head after the other from a connection.
#[derive(Debug, Default)]
pub struct Reader {
    lines: Lines,
    empty_lines: u8,
    request: Option<RequestLine>,
}

#[derive(Debug)]
struct RequestLine {
    method: Method,
    target: Range<usize>,
    version: Version,
    /// Where the first field line begins.
    end: usize,
}

impl Reader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a head off the front of the buffer as soon as all of it is there; `None` asks for more bytes.
    /// Between two calls the buffer may grow at its end and must not change otherwise. After a fault nothing
    /// on the connection can be trusted any more.
    pub fn head(&mut self, buffer: &mut BytesMut, bounds: &Bounds) -> Result<Option<Parsed>, Fault> {
        if self.request.is_none() {
            self.request = self.request_line(buffer, bounds)?;
        }
        if self.request.is_none()
            || !self.lines.all_there(buffer, bounds.head_bytes_max, bounds.header_count_max)?
        {
            return Ok(None);
        }
        let Some(request) = self.request.take() else { return Ok(None) };
        let lines = std::mem::take(self).lines;
        let head = buffer.split_to(lines.begin).freeze();
        let mut headers = map_for(lines.count + HEADERS_ADDED);
        let mut said = Said::default();
        let mut at = request.end;
        for _ in 0..lines.count {
            let (name, value, next) = field(&head, at)?;
            at = next;
            let value = said.hear(&name, value, request.version)?;
            put(&mut headers, name, value)?;
        }
        let framing = said.framing()?;
        let later = request.version == Version::HTTP_11;
        Ok(Some(Parsed {
            framing,
            keep_alive: !said.close && (later || said.keep_alive),
            expects_continue: later
                && said.expects_continue
                && !matches!(framing, Framing::None | Framing::Length(0)),
            head: Head {
                method: request.method,
                target: head.slice(request.target),
                authority: None,
                scheme: None,
                protocol: None,
                version: request.version,
                headers,
            },
        }))
    }

    /// The request line is judged as soon as it is complete, so that a client that speaks something else
    /// need not wait for the end of a head that it will never send.
    fn request_line(&mut self, buffer: &mut BytesMut, bounds: &Bounds) -> Result<Option<RequestLine>, Fault> {
        if self.lines.scanned == 0 && !self.begins(buffer)? {
            return Ok(None);
        }
        let found = memchr(b'\n', buffer.get(self.lines.scanned..).unwrap_or_default());
        let end = found.map_or(buffer.len(), |step| self.lines.scanned + step + 1);
        let line = buffer.get(..end).unwrap_or_default();
        not_too_long(line, bounds)?;
        self.lines.scanned = end;
        if found.is_none() {
            return Ok(None);
        }
        self.lines.begin = end;
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err(malformed("the request line ends with a bare LF"));
        };
        let Some(space) = memchr(b' ', line) else {
            return Err(malformed("the request line is one single word"));
        };
        let (method, rest) =
            (line.get(..space).unwrap_or_default(), line.get(space + 1..).unwrap_or_default());
        let Ok(method) = Method::from_bytes(method) else {
            return Err(malformed(format!("the method holds {}", culprit(method, is_token))));
        };
        let length = memchr(b' ', rest);
        let target = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        if target.is_empty() {
            return Err(malformed("the request line has two spaces where one belongs, or no target"));
        }
        if !target.iter().copied().all(is_target) {
            return Err(malformed(format!("the request target holds {}", culprit(target, is_target))));
        }
        let Some(length) = length else {
            return Err(malformed("the request line names no version of HTTP"));
        };
        let version = match rest.get(length + 1..).unwrap_or_default() {
            b"HTTP/1.1" => Version::HTTP_11,
            b"HTTP/1.0" => Version::HTTP_10,
            other => return Err(version_fault(other)),
        };
        if over(target.len(), bounds.target_bytes_max) {
            return Err(target_too_long(bounds));
        }
        let begin = space + 1;
        Ok(Some(RequestLine { method, target: begin..begin + length, version, end }))
    }

    /// Drops empty lines; true when a request line has begun.
    fn begins(&mut self, buffer: &mut BytesMut) -> Result<bool, Fault> {
        loop {
            match buffer.as_ref() {
                [] | [b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] if self.empty_lines < EMPTY_LINES_MAX => {
                    self.empty_lines += 1;
                    buffer.advance(2);
                }
                [b'\r', b'\n', ..] => return Err(malformed("too many empty lines before the request line")),
                [0x16, ..] => return Err(malformed("a TLS handshake came where a request should begin")),
                [first, ..] if is_token(*first) => return Ok(true),
                [first, ..] => {
                    return Err(malformed(format!("where a request should begin stands {}", byte(*first))));
                }
            }
        }
    }
}

/// `line` is a request line or the beginning of one. Judged by length alone, so that the verdict is the same
/// whether or not its end is already there.
fn not_too_long(line: &[u8], bounds: &Bounds) -> Result<(), Fault> {
    let front = line.get(..=METHOD_BYTES_MAX).unwrap_or(line);
    let Some(space) = memchr(b' ', front) else {
        if front.len() <= METHOD_BYTES_MAX {
            return Ok(());
        }
        return Err(if front.iter().copied().all(is_token) {
            Fault::with(
                Cause::NotImplemented,
                format!("the method is longer than {METHOD_BYTES_MAX} letters"),
            )
        } else {
            malformed(format!("the method holds {}", culprit(front, is_token)))
        });
    };
    let target_ends = (space as u64 + 1).saturating_add(bounds.target_bytes_max);
    let line_ends = target_ends.saturating_add(VERSION_BYTES);
    if over(line.len(), line_ends.min(bounds.head_bytes_max)) {
        return Err(if line_ends <= bounds.head_bytes_max {
            target_too_long(bounds)
        } else {
            head_too_long(bounds.head_bytes_max)
        });
    }
    Ok(())
}

/// Finds the end of a section of field lines (of a head, or of the trailers of a chunked body).
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Every byte before this one has been looked at.
    scanned: usize,
    /// Where the line begins that is not complete yet; once all is there, the end of the section.
    pub(super) begin: usize,
    /// Complete field lines so far.
    pub(super) count: usize,
}

impl Lines {
    /// True when the empty line that ends the section is there.
    pub(super) fn all_there(&mut self, bytes: &[u8], bytes_max: u64, count_max: u64) -> Result<bool, Fault> {
        while let Some(step) = memchr(b'\n', bytes.get(self.scanned..).unwrap_or_default()) {
            let end = self.scanned + step + 1;
            if over(end, bytes_max) {
                return Err(head_too_long(bytes_max));
            }
            let line = bytes.get(self.begin..end).unwrap_or_default();
            if !line.ends_with(b"\r\n") {
                return Err(malformed("a header line ends with a bare LF"));
            }
            self.scanned = end;
            self.begin = end;
            if line.len() == 2 {
                return Ok(true);
            }
            self.count += 1;
            if over(self.count, count_max) {
                return Err(Fault::with(Cause::HeadTooLarge, format!("more than {count_max} header fields")));
            }
        }
        self.scanned = bytes.len();
        if over(bytes.len(), bytes_max) {
            return Err(head_too_long(bytes_max));
        }
        Ok(false)
    }
}

/// The field whose line begins at `begin`, and where the next line begins. The line's end has been checked.
pub(super) fn field(head: &Bytes, begin: usize) -> Result<(HeaderName, HeaderValue, usize), Fault> {
    let rest = head.get(begin..).unwrap_or_default();
    let end = memchr(b'\n', rest).unwrap_or(rest.len());
    let line = rest.get(..end.saturating_sub(1)).unwrap_or_default();
    let Some(colon) = memchr(b':', line) else {
        return Err(bad_name(line, None));
    };
    let name = line.get(..colon).unwrap_or_default();
    let Ok(name) = HeaderName::from_bytes(name) else {
        return Err(bad_name(line, Some(colon)));
    };
    if is_lookalike(line.get(..colon).unwrap_or_default()) {
        return Err(Fault::with(
            Cause::Framing,
            format!("a header that poses as framing: {}", name.as_str()),
        ));
    }
    let (mut from, mut to) = (colon + 1, line.len());
    while line.get(from).is_some_and(|b| is_blank(*b)) {
        from += 1;
    }
    while to > from && line.get(to - 1).is_some_and(|b| is_blank(*b)) {
        to -= 1;
    }
    let Ok(value) = HeaderValue::from_maybe_shared(head.slice(begin + from..begin + to)) else {
        let culprit = culprit(line.get(from..to).unwrap_or_default(), is_value);
        return Err(malformed(format!("the value of {} holds {culprit}", name.as_str())));
    };
    Ok((name, value, begin + end + 1))
}

/// A map with room for so many fields, but not for more than is plausible: above 24,576 it would panic.
pub(super) fn map_for(count: usize) -> HeaderMap {
    HeaderMap::with_capacity(count.min(1_000))
}

/// Appends; a map can hold 32,768 entries, and an operator may have allowed more lines than that.
pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), Fault> {
    match headers.try_append(name, value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::with(Cause::HeadTooLarge, "more header fields than a request can hold")),
    }
}

/// `Transfer_Encoding` and `Content_Length`: CGI and its heirs turn both `-` and `_` into `_`, so behind them
/// these would be read as the real ones.
fn is_lookalike(name: &[u8]) -> bool {
    let real: &[u8] = match name.len() {
        14 => b"content-length",
        17 => b"transfer-encoding",
        _ => return false,
    };
    name.contains(&b'_')
        && name
            .iter()
            .zip(real)
            .all(|(own, real)| own.eq_ignore_ascii_case(real) || (*own == b'_' && *real == b'-'))
}

/// What the fields said about the body and the connection.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Said {
    /// Hands the value back, a length in its plainest form.
    fn hear(
        &mut self,
        name: &HeaderName,
        value: HeaderValue,
        version: Version,
    ) -> Result<HeaderValue, Fault> {
        match *name {
            header::CONTENT_LENGTH => {
                if self.length.is_some() {
                    return Err(framing("two Content-Length lines"));
                }
                let length = content_length(value.as_bytes())?;
                self.length = Some(length);
                // `007` is one length by the grammar, but a backend might read it as octal.
                if value.len() > 1 && value.as_bytes().first() == Some(&b'0') {
                    return Ok(HeaderValue::from(length));
                }
            }
            header::TRANSFER_ENCODING => {
                if version != Version::HTTP_11 {
                    return Err(framing("Transfer-Encoding in a request of HTTP/1.0"));
                }
                if self.chunked {
                    return Err(framing("two Transfer-Encoding lines"));
                }
                is_chunked(value.as_bytes())?;
                self.chunked = true;
            }
            header::CONNECTION => {
                for option in value.as_bytes().split(|b| *b == b',').map(trim) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            header::EXPECT => self.expects_continue |= value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
        Ok(value)
    }

    fn framing(&self) -> Result<Framing, Fault> {
        match (self.length, self.chunked) {
            (None, false) => Ok(Framing::None),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, true) => Ok(Framing::Chunked),
            (Some(_), true) => Err(framing("both Content-Length and Transfer-Encoding")),
        }
    }
}

/// Digits and nothing else. Lengths above 2^63 are refused: many a backend counts with a sign.
fn content_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() {
        return Err(framing("an empty Content-Length"));
    }
    if value.contains(&b',') {
        return Err(framing("a list of lengths in Content-Length"));
    }
    let mut length = 0_u64;
    for digit in value {
        if !digit.is_ascii_digit() {
            return Err(framing(format!("Content-Length holds {}", byte(*digit))));
        }
        length = match length.checked_mul(10).and_then(|ten| ten.checked_add(u64::from(digit - b'0'))) {
            Some(length) if i64::try_from(length).is_ok() => length,
            _ => return Err(framing("Content-Length is larger than any body can be")),
        };
    }
    Ok(length)
}

/// Exactly `chunked`. The other codings of the registry would have to be undone here, since a backend is told
/// the framing anew; nobody sends them.
fn is_chunked(value: &[u8]) -> Result<(), Fault> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let codings = || value.split(|b| *b == b',').map(trim);
    if codings().any(|coding| coding.is_empty() || !coding.iter().copied().all(is_token)) {
        return Err(framing("Transfer-Encoding is not a list of plain names"));
    }
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings().next_back().is_some_and(chunked) {
        return Err(framing("Transfer-Encoding does not end with chunked"));
    }
    if codings().filter(|coding| chunked(coding)).count() > 1 {
        return Err(framing("Transfer-Encoding says chunked twice"));
    }
    Err(Fault::with(Cause::NotImplemented, "a transfer coding other than chunked"))
}

fn over(length: usize, most: u64) -> bool {
    u64::try_from(length).unwrap_or(u64::MAX) > most
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Visible ASCII but for `#`, which no form of a target may hold. Which of the others need encoding is the
/// business of `message`: browsers send `|` and `"` as they are.
fn is_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

/// What a field's value may hold: visible ASCII, blanks, and the bytes above ASCII that old clients send.
fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn malformed(detail: impl Into<Box<str>>) -> Fault {
    Fault::with(Cause::Malformed, detail)
}

pub(super) fn framing(detail: impl Into<Box<str>>) -> Fault {
    Fault::with(Cause::Framing, detail)
}

fn target_too_long(bounds: &Bounds) -> Fault {
    Fault::with(
        Cause::TargetTooLong,
        format!("the request target is longer than {} bytes", bounds.target_bytes_max),
    )
}

fn head_too_long(bytes_max: u64) -> Fault {
    Fault::with(Cause::HeadTooLarge, format!("more than {bytes_max} bytes of header fields"))
}

fn version_fault(version: &[u8]) -> Fault {
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Fault::with(
                Cause::Version,
                format!("the request is of HTTP/{}.{}", char::from(*major), char::from(*minor)),
            )
        }
        [] => malformed("the request line ends with a space"),
        _ => malformed("the request line does not end with a version of HTTP"),
    }
}

/// Says what is wrong with a line whose name is none.
#[cold]
fn bad_name(line: &[u8], colon: Option<usize>) -> Fault {
    let name = line.get(..colon.unwrap_or(line.len())).unwrap_or_default();
    malformed(match (name, colon) {
        ([b' ' | b'\t', ..], _) => "a header line begins with a blank (a folded line)".to_owned(),
        (_, None) => format!("a header line without a colon: {}", shown(name)),
        ([], _) => "a header without a name".to_owned(),
        ([rest @ .., b' ' | b'\t'], _) if rest.iter().copied().all(is_token) => {
            format!("a blank between the header name {} and its colon", shown(rest))
        }
        _ if name.iter().copied().all(is_token) => "a header name that is too long".to_owned(),
        _ => format!("the header name {} holds {}", shown(name), culprit(name, is_token)),
    })
}

/// The first byte that does not belong, in words.
fn culprit(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> String {
    bytes
        .iter()
        .copied()
        .find(|b| !belongs(*b))
        .map_or_else(|| "a byte that does not belong".to_owned(), byte)
}

/// A byte in words, fit for a log.
pub(super) fn byte(byte: u8) -> String {
    match byte {
        0 => "a NUL byte".to_owned(),
        b'\r' => "a bare CR".to_owned(),
        b'\n' => "a bare LF".to_owned(),
        b'\t' => "a tab".to_owned(),
        b' ' => "a space".to_owned(),
        0x21..=0x7e => format!("the character {}", char::from(byte)),
        0x80.. => format!("the byte 0x{byte:02x}, which is not ASCII"),
        _ => format!("the control byte 0x{byte:02x}"),
    }
}

/// A name that may hold anything, fit for a log.
fn shown(name: &[u8]) -> String {
    const MOST: usize = 40;
    let mut text: String =
        name.iter().take(MOST).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
    if name.len() > MOST {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
