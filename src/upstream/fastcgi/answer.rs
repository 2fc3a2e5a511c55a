//! The head of a CGI answer: lines until an empty one, ended by LF or CR LF, as programs print them. No IO.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use memchr::memchr;

use crate::message::headers::trim;
use crate::upstream::framing;

/// As for HTTP: see `backend`.
const HEAD_BYTES_MAX: usize = 64 << 10;
const LINES_MAX: usize = 100;

/// A head that is being read.
#[derive(Debug, Default)]
pub struct HeadReader {
    /// What has come and is not read: the begin of a line.
    waiting: BytesMut,
    /// Of the whole head so far.
    taken: usize,
    lines: usize,
    status: Option<(StatusCode, Option<ReasonPhrase>)>,
    headers: HeaderMap,
}

/// A head that is whole.
#[derive(Debug)]
pub struct Head {
    pub answer: Response<()>,
    /// The length that its body is said to have.
    pub length: Option<u64>,
    /// What of the body came with it.
    pub first: Bytes,
}

impl HeadReader {
    /// Nothing has come.
    pub fn is_untouched(&self) -> bool {
        self.taken == 0 && self.waiting.is_empty()
    }

    /// Takes the next piece; `None` when more must come. The error is what is wrong, in words.
    pub fn read(&mut self, piece: &[u8]) -> Result<Option<Head>, &'static str> {
        self.waiting.extend_from_slice(piece);
        while let Some(end) = memchr(b'\n', &self.waiting) {
            self.taken += end + 1;
            if self.taken > HEAD_BYTES_MAX {
                return Err("its header is too large");
            }
            let line = self.waiting.split_to(end).freeze();
            self.waiting.advance(1);
            let line = match line.last() {
                Some(b'\r') => line.slice(..line.len() - 1),
                _ => line,
            };
            if line.is_empty() {
                return self.finish().map(Some);
            }
            self.line(&line)?;
        }
        if self.taken + self.waiting.len() > HEAD_BYTES_MAX {
            return Err("its header is too large");
        }
        Ok(None)
    }

    fn line(&mut self, line: &Bytes) -> Result<(), &'static str> {
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Err("its header has too many lines");
        }
        let colon = memchr(b':', line).ok_or("a line of its header is none")?;
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = trim(value.get(1..).unwrap_or_default());
        // A name that begins or ends with a blank is none either, so lines that go on are refused here.
        let name = HeaderName::from_bytes(name).map_err(|_| "a line of its header is none")?;
        if name == "status" {
            if self.status.is_some() {
                return Err("it says its status twice");
            }
            self.status = Some(status(value)?);
            return Ok(());
        }
        let value = HeaderValue::from_maybe_shared(line.slice_ref(value))
            .map_err(|_| "its header holds what no header may hold")?;
        self.headers.append(name, value);
        Ok(())
    }

    fn finish(&mut self) -> Result<Head, &'static str> {
        let mut headers = std::mem::take(&mut self.headers);
        if headers.contains_key(TRANSFER_ENCODING) {
            return Err("it frames its body, which is the gateway's business");
        }
        let mut length = framing::content_length(&mut headers)?;
        let mut answer = Response::new(());
        match self.status.take() {
            Some((status, reason)) => {
                *answer.status_mut() = status;
                if let Some(reason) = reason {
                    answer.extensions_mut().insert(reason);
                }
            }
            // RFC 3875, 6.2.3: who only says where else to look means that.
            None if headers.contains_key(LOCATION) => *answer.status_mut() = StatusCode::FOUND,
            None => {}
        }
        if answer.status() == StatusCode::NO_CONTENT {
            headers.remove(CONTENT_LENGTH);
            length = None;
        }
        *answer.headers_mut() = headers;
        Ok(Head { answer, length, first: self.waiting.split().freeze() })
    }
}

/// `404 Not Found`, or the number alone.
fn status(value: &[u8]) -> Result<(StatusCode, Option<ReasonPhrase>), &'static str> {
    const NO_STATUS: &str = "its status makes no sense";
    let (digits, rest) = value.split_at_checked(3).ok_or(NO_STATUS)?;
    let status = StatusCode::from_bytes(digits).map_err(|_| NO_STATUS)?;
    if !matches!(rest.first(), None | Some(b' ')) || !(200..=599).contains(&status.as_u16()) {
        return Err(NO_STATUS);
    }
    let reason = trim(rest);
    if reason.is_empty() || status.canonical_reason().is_some_and(|usual| usual.as_bytes() == reason) {
        return Ok((status, None));
    }
    let reason = ReasonPhrase::try_from(reason).map_err(|_| NO_STATUS)?;
    Ok((status, Some(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, size: usize) -> Result<Option<Head>, &'static str> {
        let mut reader = HeadReader::default();
        let mut pieces = text.as_bytes().chunks(size);
        for piece in &mut pieces {
            if let Some(mut head) = reader.read(piece)? {
                let rest: Vec<u8> = head.first.iter().copied().chain(pieces.flatten().copied()).collect();
                head.first = rest.into();
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Status, length, headers and the rest, as a line.
    fn shown(head: &Head) -> String {
        let headers: Vec<String> = (head.answer.headers().iter())
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        let length = head.length.map_or("-".into(), |length| length.to_string());
        let first = std::str::from_utf8(&head.first).unwrap();
        format!("{} {length} [{}] {first}", head.answer.status().as_u16(), headers.join(", "))
    }

    #[test]
    fn heads_are_read_as_php_writes_them() {
        for (text, is) in [
            ("Content-type: text/html\r\n\r\nhi", "200 - [content-type=text/html] hi"),
            ("Status: 404 Not Found\r\n\r\n", "404 - [] "),
            ("Status: 404\nX: y\n\nhi\n", "404 - [x=y] hi\n"),
            ("Status:500 \r\n\r\n", "500 - [] "),
            ("Location: /a\r\n\r\n", "302 - [location=/a] "),
            ("Location: /a\r\nStatus: 201 Created\r\n\r\n", "201 - [location=/a] "),
            ("X:\r\nX: a\r\nX:b \r\n\r\n", "200 - [x=, x=a, x=b] "),
            ("Content-Length: 2\r\nContent-Length: 2\n\r\nhi", "200 2 [content-length=2] hi"),
            ("Status: 204\r\nContent-Length: 2\r\n\r\n", "204 - [] "),
            ("\r\nhi", "200 - [] hi"),
        ] {
            for size in [1, 2, 7, 100] {
                let head = read(text, size).unwrap().unwrap_or_else(|| panic!("{text:?}"));
                assert_eq!(shown(&head), is, "{text:?} in {size}");
            }
        }
        let own = read("Status: 404 Gone fishing\r\n\r\n", 100).unwrap().unwrap();
        assert_eq!(own.answer.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"Gone fishing");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (text, why) in [
            ("hello\r\n", "a line of its header is none"),
            ("HTTP/1.1 200 OK\r\n\r\n", "a line of its header is none"),
            (" Folded: x\r\n\r\n", "a line of its header is none"),
            ("A: b\r\n c\r\n\r\n", "a line of its header is none"),
            ("A : b\r\n\r\n", "a line of its header is none"),
            (": b\r\n\r\n", "a line of its header is none"),
            ("A: b\rc\r\n\r\n", "what no header may hold"),
            ("A: \0\r\n\r\n", "what no header may hold"),
            ("Status: 99\r\n\r\n", "its status makes no sense"),
            ("Status: 100 Continue\r\n\r\n", "its status makes no sense"),
            ("Status: 101\r\n\r\n", "its status makes no sense"),
            ("Status: 600\r\n\r\n", "its status makes no sense"),
            ("Status: 2000\r\n\r\n", "its status makes no sense"),
            ("Status: OK\r\n\r\n", "its status makes no sense"),
            ("Status: 200\r\nStatus: 200\r\n\r\n", "twice"),
            ("Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "two different lengths"),
            ("Content-Length: -1\r\n\r\n", "no number"),
            ("Content-Length: 99999999999999999999\r\n\r\n", "beyond all numbers"),
            ("Transfer-Encoding: chunked\r\n\r\n", "frames its body"),
        ] {
            for size in [1, 100] {
                let refused = read(text, size).unwrap_err();
                assert!(refused.contains(why), "{text:?}: {refused}");
            }
        }
        for (text, why) in [
            ("X: y\r\n".repeat(101), "too many lines"),
            (format!("X: {}", "y".repeat(HEAD_BYTES_MAX)), "too large"),
            ("x".repeat(HEAD_BYTES_MAX + 1), "too large"),
            (format!("X: {}\r\n", "y".repeat(1_000)).repeat(99), "too large"),
        ] {
            for size in [1_000, 1 << 20] {
                assert!(read(&text, size).unwrap_err().contains(why), "{why}");
            }
        }
        assert!(read("X: y\r\n", 100).unwrap().is_none());
        assert!(read("", 100).unwrap().is_none());
    }
}
