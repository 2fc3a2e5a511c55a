//! The records of FastCGI 1.0, both ways: bytes in, events out, no IO. One request at a time is spoken of on a
//! connection, and it is number 1.

use bytes::{Buf, Bytes, BytesMut};

const VERSION: u8 = 1;
const REQUEST: [u8; 2] = [0, 1];
pub const HEADER_BYTES: usize = 8;
/// As much as one record holds here: the most there is, in whole words of eight bytes, so that nothing is padded.
pub const CONTENT_BYTES_MAX: usize = 0xfff8;

const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;
const GET_VALUES: u8 = 9;
const GET_VALUES_RESULT: u8 = 10;

const NO_FASTCGI: &str = "its answer is no FastCGI";

/// Nothing more of the body comes.
pub const STDIN_END: [u8; HEADER_BYTES] = header(STDIN, 0);

#[allow(clippy::cast_possible_truncation)] // its two bytes
const fn header(kind: u8, length: u16) -> [u8; HEADER_BYTES] {
    [VERSION, kind, REQUEST[0], REQUEST[1], (length >> 8) as u8, length as u8, 0, 0]
}

/// What stands before a piece of a body, which is `CONTENT_BYTES_MAX` long at most.
pub fn stdin(piece: &[u8]) -> [u8; HEADER_BYTES] {
    header(STDIN, u16::try_from(piece.len()).unwrap_or(0))
}

/// The begin of a request, in the role of a responder, and all that is said of it.
pub fn begin(into: &mut BytesMut, keep: bool, params: &[u8]) {
    into.extend_from_slice(&header(BEGIN_REQUEST, 8));
    into.extend_from_slice(&[0, 1, u8::from(keep), 0, 0, 0, 0, 0]);
    for piece in params.chunks(CONTENT_BYTES_MAX) {
        into.extend_from_slice(&header(PARAMS, u16::try_from(piece.len()).unwrap_or(0)));
        into.extend_from_slice(piece);
    }
    into.extend_from_slice(&header(PARAMS, 0));
}

/// Asks what the server can do by the names of its values. That belongs to no request: its number is 0.
pub fn get_values(into: &mut BytesMut, names: &[u8]) {
    let [version, kind, _, _, rest @ ..] = header(GET_VALUES, u16::try_from(names.len()).unwrap_or(0));
    into.extend_from_slice(&[version, kind, 0, 0]);
    into.extend_from_slice(&rest);
    into.extend_from_slice(names);
}

/// How many bytes of what it can do follow, padding included. The error is what is wrong, in words.
pub fn values_told(header: &[u8; HEADER_BYTES]) -> Result<usize, &'static str> {
    match *header {
        [VERSION, GET_VALUES_RESULT, 0, 0, high, low, padding, _] => {
            Ok(usize::from(u16::from_be_bytes([high, low])) + usize::from(padding))
        }
        [VERSION, ..] => Err("it does not answer what it was asked"),
        _ => Err(NO_FASTCGI),
    }
}

/// What a record says. Long ones come in the pieces they arrive in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A piece of the answer.
    Stdout(Bytes),
    /// A piece of what the program complains of, and whether its record ends with it.
    Stderr(Bytes, bool),
    End(End),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Complete,
    /// It has no room for this request.
    Overloaded,
    /// It can't do what was asked of it (several requests at once, another role).
    Refused,
}

/// Reads records as they come.
#[derive(Debug, Default)]
pub struct Decoder {
    kind: u8,
    /// Of the content of this record.
    left: usize,
    padding: usize,
    /// An empty piece has ended the answer.
    ended: bool,
}

impl Decoder {
    /// The next event in what has come; `None` when more must come first. The error is what is wrong, in words.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, &'static str> {
        loop {
            if self.left > 0 {
                return Ok(self.content(input));
            }
            if self.padding > 0 {
                let skipped = self.padding.min(input.len());
                input.advance(skipped);
                self.padding -= skipped;
                if self.padding > 0 {
                    return Ok(None);
                }
            }
            let Some((header, _)) = input.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
            let [version, kind, id_high, id_low, high, low, padding, _] = *header;
            if version != VERSION {
                return Err(NO_FASTCGI);
            }
            if [id_high, id_low] != REQUEST {
                return Err("it answers a request that was not asked");
            }
            let length = usize::from(u16::from_be_bytes([high, low]));
            match kind {
                STDOUT if self.ended => return Err("it goes on behind the end of its answer"),
                STDOUT => self.ended = length == 0,
                END_REQUEST if length != 8 => return Err("its last record has a wrong length"),
                STDERR | END_REQUEST => {}
                _ => return Err("it sends a record that no answer has"),
            }
            input.advance(HEADER_BYTES);
            (self.kind, self.left, self.padding) = (kind, length, usize::from(padding));
        }
    }

    fn content(&mut self, input: &mut BytesMut) -> Option<Event> {
        if self.kind == END_REQUEST {
            let (content, _) = input.split_first_chunk::<8>()?;
            let end = match content[4] {
                0 => End::Complete,
                2 => End::Overloaded,
                _ => End::Refused,
            };
            input.advance(8);
            self.left = 0;
            return Some(Event::End(end));
        }
        let count = self.left.min(input.len());
        if count == 0 {
            return None;
        }
        self.left -= count;
        let piece = input.split_to(count).freeze();
        Some(if self.kind == STDOUT { Event::Stdout(piece) } else { Event::Stderr(piece, self.left == 0) })
    }

    /// After the last event: whether nothing of its record is still to come, so that another request may follow.
    pub fn rests(&self, input: &BytesMut) -> bool {
        self.left == 0 && self.padding == input.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let mut record = vec![1, kind, 0, 1, length[0], length[1], padding, 0];
        record.extend_from_slice(content);
        record.extend(std::iter::repeat_n(b'p', usize::from(padding)));
        record
    }

    /// The answer, what the program complained of, how it ended, and whether the connection rests.
    type Heard = (Vec<u8>, Vec<u8>, Option<End>, bool);

    /// What comes out of bytes that come in pieces of a size: pieces of one stream are joined.
    fn read(bytes: &[u8], size: usize) -> Result<Heard, &'static str> {
        let (mut decoder, mut input) = (Decoder::default(), BytesMut::new());
        let (mut out, mut err, mut end) = (Vec::new(), Vec::new(), None);
        for piece in bytes.chunks(size) {
            input.extend_from_slice(piece);
            while let Some(event) = decoder.next(&mut input)? {
                match event {
                    Event::Stdout(piece) => out.extend_from_slice(&piece),
                    Event::Stderr(piece, last) => {
                        err.extend_from_slice(&piece);
                        err.extend(last.then_some(b'|'));
                    }
                    Event::End(how) => end = Some(how),
                }
            }
        }
        Ok((out, err, end, decoder.rests(&input)))
    }

    #[test]
    fn an_answer_is_the_same_in_any_pieces() {
        let mut bytes = record(STDOUT, b"Status: 200\r\n\r\n", 3);
        bytes.extend(record(STDERR, b"a notice", 0));
        bytes.extend(record(STDOUT, &[b'x'; 70], 255));
        bytes.extend(record(STDERR, b"", 0));
        bytes.extend(record(STDOUT, b"", 5));
        bytes.extend(record(END_REQUEST, &[0, 0, 0, 9, 0, 0, 0, 0], 0));
        let whole = read(&bytes, bytes.len()).unwrap();
        assert_eq!(whole.0.len(), 85);
        assert_eq!((whole.1.as_slice(), whole.2, whole.3), (&b"a notice|"[..], Some(End::Complete), true));
        for size in 1..40 {
            assert_eq!(read(&bytes, size).as_ref(), Ok(&whole), "{size}");
        }
    }

    #[test]
    fn what_no_answer_holds_is_refused() {
        let end = [0, 0, 0, 0, 0, 0, 0, 0];
        let mut other_id = record(STDOUT, b"x", 0);
        other_id[3] = 2;
        let mut management = record(10, b"", 0);
        management[3] = 0;
        for (bytes, why) in [
            (b"HTTP/1.1 200 OK\r\n".to_vec(), "no FastCGI"),
            ([vec![2], record(STDOUT, b"x", 0)[1..].to_vec()].concat(), "no FastCGI"),
            (other_id, "not asked"),
            (management, "not asked"),
            (record(STDIN, b"x", 0), "no answer has"),
            (record(99, b"x", 0), "no answer has"),
            (record(END_REQUEST, &end[..7], 0), "wrong length"),
            (record(END_REQUEST, b"", 0), "wrong length"),
            ([record(STDOUT, b"", 0), record(STDOUT, b"x", 0)].concat(), "behind the end"),
        ] {
            for size in [1, 3, 100] {
                let refused = read(&bytes, size).unwrap_err();
                assert!(refused.contains(why), "{bytes:?}: {refused}");
            }
        }
    }

    #[test]
    fn what_follows_the_end_is_noticed() {
        let end = |status| record(END_REQUEST, &[0, 0, 0, 0, status, 0, 0, 0], 4);
        for (status, how) in [(0, End::Complete), (1, End::Refused), (2, End::Overloaded), (3, End::Refused)]
        {
            assert_eq!(read(&end(status), 5).unwrap().2, Some(how));
        }
        assert!(read(&end(0), 100).unwrap().3);
        let bytes = end(0);
        assert!(!read(&bytes[..bytes.len() - 1], 100).unwrap().3, "a part of the padding is missing");
        let (mut decoder, mut input) = (Decoder::default(), BytesMut::new());
        input.extend_from_slice(&[end(0), vec![1]].concat());
        assert_eq!(decoder.next(&mut input), Ok(Some(Event::End(End::Complete))));
        assert!(!decoder.rests(&input));
    }

    #[test]
    fn a_request_is_written_in_records_that_fit() {
        let mut bytes = BytesMut::new();
        begin(&mut bytes, true, &vec![b'p'; CONTENT_BYTES_MAX + 1]);
        assert_eq!(&bytes[..16], [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[16..24], [1, 4, 0, 1, 0xff, 0xf8, 0, 0]);
        let second = 24 + CONTENT_BYTES_MAX;
        assert_eq!(&bytes[second..], [1, 4, 0, 1, 0, 1, 0, 0, b'p', 1, 4, 0, 1, 0, 0, 0, 0]);
        assert_eq!(stdin(b"four"), [1, 5, 0, 1, 0, 4, 0, 0]);
        assert_eq!(STDIN_END, [1, 5, 0, 1, 0, 0, 0, 0]);
    }
}
