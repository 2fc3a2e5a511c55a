//! A chunked request body: bytes in, events out, no IO.
//!
//! As strict as the head: sizes are hexadecimal digits and nothing else, lines end with CRLF, extensions
//! follow their grammar and are dropped, trailers are read as headers are. Blanks stand where the grammar has
//! them (RFC 9112, 7.1.1: around `;` and `=`) and nowhere else, least of all at the end of a line, where
//! readers disagree. Data is handed on as slices of what was read, never a byte beyond its chunk.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};

use super::parse::{self, Lines, byte, framing};
use crate::base::bound::Bounds;
use crate::base::fault::Fault;
use crate::message::headers::is_token;

/// The most bytes of chunk extensions in a whole body. They mean nothing to anybody, but whoever reads them
/// without end can be kept busy for free.
const EXTENSION_BYTES_MAX: u32 = 16 << 10;
/// As many digits as 64 bits have.
const SIZE_DIGITS_MAX: u8 = 16;

#[derive(Debug)]
pub enum Event {
    /// Nothing to hand on before more bytes arrive.
    NeedMore,
    /// A piece of the body, never empty.
    Data(Bytes),
    /// The body is complete; what the buffer still holds belongs to the next request.
    End(Option<HeaderMap>),
}

#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The size of the chunk as far as it was read, then what is left of its data.
    left: u64,
    digits: u8,
    extension_bytes: u32,
    trailers: Lines,
    trailer_bytes_max: u64,
    trailer_count_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    /// Behind a blank that only a `;` may follow.
    Semicolon,
    /// Behind a `;`: a name must follow.
    NameBegins,
    Name,
    /// Behind a name and a blank: `=` or `;` must follow.
    NameEnded,
    /// Behind a `=`: a token or a quoted string must follow.
    ValueBegins,
    Token,
    Quoted,
    /// Behind a backslash in a quoted string.
    Escaped,
    /// Behind the closing quote.
    Closed,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Done,
    Broken,
}

impl Decoder {
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            state: State::Size,
            left: 0,
            digits: 0,
            extension_bytes: 0,
            trailers: Lines::default(),
            trailer_bytes_max: bounds.head_bytes_max,
            trailer_count_max: bounds.header_count_max,
        }
    }

    /// Takes the next piece off the front of the buffer. After a fault nothing on the connection can be
    /// trusted any more, and each further call says so.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Event, Fault> {
        let event = self.next(buffer);
        if event.is_err() {
            self.state = State::Broken;
        }
        event
    }

    /// All of the body has been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn next(&mut self, buffer: &mut BytesMut) -> Result<Event, Fault> {
        loop {
            match self.state {
                State::Data => {
                    if buffer.is_empty() {
                        return Ok(Event::NeedMore);
                    }
                    let there =
                        usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
                    self.left -= there as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Event::Data(buffer.split_to(there).freeze()));
                }
                State::Trailers => return self.trailers(buffer),
                State::Done => return Ok(Event::End(None)),
                State::Broken => return Err(framing("the body is read on after a fault")),
                _ => {
                    let used = self.between_data(buffer)?;
                    buffer.advance(used);
                    if !matches!(self.state, State::Data | State::Trailers) {
                        return Ok(Event::NeedMore);
                    }
                }
            }
        }
    }

    /// Reads from the end of one chunk's data to the beginning of the next one's; how many bytes that took.
    fn between_data(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        for (at, &b) in bytes.iter().enumerate() {
            self.state = match (self.state, b) {
                (State::DataCr, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => {
                    self.left = 0;
                    self.digits = 0;
                    State::Size
                }
                (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(b)?,
                (State::Size, b';') if self.digits > 0 => State::NameBegins,
                (State::Size, b' ' | b'\t') if self.digits > 0 => State::Semicolon,
                (state @ (State::Semicolon | State::NameBegins | State::ValueBegins), b' ' | b'\t') => state,
                (State::NameBegins | State::Name, b) if is_token(b) => State::Name,
                (State::Name | State::NameEnded, b' ' | b'\t') => State::NameEnded,
                (State::Name | State::NameEnded, b'=') => State::ValueBegins,
                (State::ValueBegins, b'"') => State::Quoted,
                (State::ValueBegins | State::Token, b) if is_token(b) => State::Token,
                (State::Quoted, b'"') => State::Closed,
                (State::Quoted, b'\\') => State::Escaped,
                (State::Quoted | State::Escaped, b'\t' | b' '..=0x7e | 0x80..) => State::Quoted,
                (State::Token | State::Closed, b' ' | b'\t') => State::Semicolon,
                (State::Name | State::NameEnded | State::Token | State::Closed | State::Semicolon, b';') => {
                    State::NameBegins
                }
                (State::Name | State::Token | State::Closed, b'\r') => State::SizeLf,
                (State::Size, b'\r') if self.digits > 0 => State::SizeLf,
                (State::SizeLf, b'\n') => {
                    self.state = if self.left > 0 { State::Data } else { State::Trailers };
                    return Ok(at + 1);
                }
                (state, b) => return Err(misplaced(state, self.digits, b)),
            };
            if !matches!(self.state, State::Size | State::SizeLf | State::DataLf) {
                self.extension_bytes += 1;
                if self.extension_bytes > EXTENSION_BYTES_MAX {
                    return Err(framing(format!(
                        "more than {EXTENSION_BYTES_MAX} bytes of chunk extensions"
                    )));
                }
            }
        }
        Ok(bytes.len())
    }

    fn digit(&mut self, digit: u8) -> Result<State, Fault> {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => digit - b'A' + 10,
        };
        if self.digits == SIZE_DIGITS_MAX {
            return Err(framing(format!("a chunk size of more than {SIZE_DIGITS_MAX} digits")));
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(value);
        // Many a backend counts with a sign.
        if i64::try_from(self.left).is_err() {
            return Err(framing("a chunk size larger than any body can be"));
        }
        Ok(State::Size)
    }

    fn trailers(&mut self, buffer: &mut BytesMut) -> Result<Event, Fault> {
        if !self.trailers.all_there(buffer, self.trailer_bytes_max, self.trailer_count_max)? {
            return Ok(Event::NeedMore);
        }
        let (end, count) = (self.trailers.begin, self.trailers.count);
        self.state = State::Done;
        if count == 0 {
            buffer.advance(end);
            return Ok(Event::End(None));
        }
        let section = buffer.split_to(end).freeze();
        let mut trailers = parse::map_for(count);
        let mut at = 0;
        for _ in 0..count {
            let (name, value, next) = parse::field(&section, at)?;
            at = next;
            // Whoever merged these into the head would change what was already decided.
            if matches!(name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::HOST) {
                return Err(framing(format!("{} among the trailers", name.as_str())));
            }
            parse::put(&mut trailers, name, value)?;
        }
        Ok(Event::End(Some(trailers)))
    }
}

fn misplaced(state: State, digits: u8, b: u8) -> Fault {
    let place = match state {
        State::DataCr | State::DataLf => "where the CRLF behind a chunk's data should be",
        State::Size if digits == 0 => "where a chunk size should begin",
        State::Size => "in a chunk size",
        State::SizeLf => "behind a CR in a chunk size line",
        _ => "in a chunk extension",
    };
    framing(format!("{place} stands {}", byte(b)))
}

#[cfg(test)]
mod tests;
