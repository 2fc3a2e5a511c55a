//! HTTP/2 by hand: frames as bytes, header blocks as plain literals, so that a visitor can say what no library
//! would let him say.

use std::io::{Read, Write};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::stage::{Secure, Stage, connect};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 32;
/// A whole head without a body.
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Answer(u16),
    Reset(u32),
    GoAway(u32),
    /// Hung up without a word.
    Closed,
    /// Nothing at all: the house answers pings as if nothing had been said.
    Silence,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Answer(status) => write!(f, "{status}"),
            Verdict::Reset(code) => write!(f, "reset {code}"),
            Verdict::GoAway(code) => write!(f, "goaway {code}"),
            Verdict::Closed => f.write_str("closed"),
            Verdict::Silence => f.write_str("silence"),
        }
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        out.push(u8::try_from(text.len()).expect("short"));
    } else {
        out.push(127);
        let mut rest = text.len() - 127;
        while rest > 127 {
            out.push(u8::try_from(rest & 127).expect("seven bits") | 128);
            rest >>= 7;
        }
        out.push(u8::try_from(rest).expect("seven bits"));
    }
    out.extend(text);
}

/// One field, never indexed, its bytes as they are.
pub fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = vec![0];
    text(&mut out, name.as_ref());
    text(&mut out, value.as_ref());
    out
}

pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// The pseudo-fields of a request of `www.test`.
pub fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":scheme", "https"), (":authority", "www.test"), (":path", path)]
}

pub fn head(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, stream, block(fields))
}

pub fn get(stream: u32, path: &str) -> Vec<u8> {
    head(stream, WHOLE, &request("GET", path))
}

/// The head of a POST whose body is to come.
pub fn post(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = request("POST", "/post");
    fields.extend(more);
    head(stream, END_HEADERS, &fields)
}

/// A visitor with a connection over TLS who writes his frames himself.
pub struct Raw {
    stream: Secure,
    inbox: Vec<u8>,
    pings: u64,
    over: bool,
    /// Answer the house's settings as the standard asks.
    pub polite: bool,
}

impl Raw {
    /// A connection that has said its preface, and that it keeps no table for compressed heads.
    pub fn new(stage: &Stage) -> Self {
        Self::with_settings(stage, &[(1, 0)])
    }

    pub fn with_settings(stage: &Stage, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::silent(stage);
        raw.send([PREFACE, &settings_frame(settings)].concat());
        raw
    }

    /// A connection that has said nothing.
    pub fn silent(stage: &Stage) -> Self {
        let name = ServerName::try_from("www.test").expect("a name");
        let tls = ClientConnection::new(stage.tls(&["h2"]), name).expect("a TLS client");
        let stream = Secure::new(tls, connect(stage.https()));
        Self { stream, inbox: Vec::new(), pings: 0, over: false, polite: true }
    }

    /// Sends bytes; the house may have hung up, which the next frame tells.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush());
    }

    fn fill(&mut self, wanted: usize) -> bool {
        while self.inbox.len() < wanted {
            let mut part = [0; 16_384];
            match self.stream.read(&mut part) {
                Ok(0) => return false,
                Ok(count) => self.inbox.extend_from_slice(&part[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    panic!("the house neither answers nor hangs up")
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// The next frame; `None` when the house has hung up. Settings and pings are answered on the way.
    pub fn next(&mut self) -> Option<Frame> {
        if self.over || !self.fill(9) {
            self.over = true;
            return None;
        }
        let length =
            usize::from(self.inbox[0]) << 16 | usize::from(self.inbox[1]) << 8 | usize::from(self.inbox[2]);
        if !self.fill(9 + length) {
            self.over = true;
            return None;
        }
        let rest = self.inbox.split_off(9 + length);
        let bytes = std::mem::replace(&mut self.inbox, rest);
        let stream = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
        let frame = Frame { kind: bytes[3], flags: bytes[4], stream, payload: bytes[9..].to_vec() };
        if self.polite && frame.flags & ACK == 0 && frame.kind == SETTINGS {
            self.send(super::frames::frame(SETTINGS, ACK, 0, []));
        }
        if self.polite && frame.flags & ACK == 0 && frame.kind == PING {
            self.send(super::frames::frame(PING, ACK, 0, &frame.payload));
        }
        Some(frame)
    }

    /// The next frame of this kind, on any stream.
    pub fn wait_for(&mut self, kind: u8) -> Frame {
        loop {
            match self.next() {
                Some(frame) if frame.kind == kind => return frame,
                Some(_) => {}
                None => panic!("the house hung up before a frame of kind {kind}"),
            }
        }
    }

    /// What becomes of a stream, waiting for it.
    pub fn verdict(&mut self, stream: u32) -> Verdict {
        loop {
            match self.next() {
                None => return Verdict::Closed,
                Some(frame) => {
                    if let Some(verdict) = judge(&frame, stream) {
                        return verdict;
                    }
                }
            }
        }
    }

    /// The first trouble on this stream or the connection, or `Silence` when two pings come back without one.
    pub fn trouble(&mut self, stream: u32) -> Verdict {
        for _ in 0..2 {
            self.pings += 1;
            let mark = self.pings.to_be_bytes();
            self.send(frame(PING, 0, 0, mark));
            loop {
                let Some(frame) = self.next() else { return Verdict::Closed };
                match judge(&frame, stream) {
                    None | Some(Verdict::Answer(_)) => {}
                    Some(verdict) => return verdict,
                }
                if frame.kind == PING && frame.flags & ACK != 0 && frame.payload == mark {
                    break;
                }
            }
        }
        Verdict::Silence
    }
}

fn judge(frame: &Frame, stream: u32) -> Option<Verdict> {
    match frame.kind {
        GOAWAY => Some(Verdict::GoAway(number(&frame.payload[4..]))),
        RST_STREAM if frame.stream == stream => Some(Verdict::Reset(number(&frame.payload))),
        HEADERS if frame.stream == stream => {
            let status = status(&frame.payload);
            (status >= 200).then_some(Verdict::Answer(status))
        }
        _ => None,
    }
}

pub fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub fn settings_frame(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [id.to_be_bytes().as_slice(), value.to_be_bytes().as_slice()].concat())
        .collect();
    frame(SETTINGS, 0, 0, payload)
}

/// `:status`, which comes first: from the static table, or three digits, plain or in Huffman's code.
pub fn status(block: &[u8]) -> u16 {
    let mut block = block;
    // A change of the table's size may stand before it.
    while block[0] & 0xe0 == 0x20 {
        let long = block[0] & 0x1f == 0x1f;
        block = &block[1..];
        while long && block[0] & 128 != 0 {
            block = &block[1..];
        }
        block = &block[usize::from(long)..];
    }
    if block[0] & 128 != 0 {
        let known = [200, 204, 206, 304, 400, 404, 500];
        return known[usize::from(block[0] & 127) - 8];
    }
    let length = usize::from(block[1] & 127);
    let value = &block[2..2 + length];
    if block[1] & 128 == 0 {
        return std::str::from_utf8(value).expect("digits").parse().expect("a status");
    }
    let bits: Vec<u8> = value.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let read =
            |count: usize| bits[at..at + count].iter().fold(0_u16, |sum, bit| sum << 1 | u16::from(*bit));
        // Nought to two have five bits, the other digits six.
        let digit = if read(5) <= 2 {
            let digit = read(5);
            at += 5;
            digit
        } else {
            let digit = read(6) - 0b01_1001 + 3;
            at += 6;
            digit
        };
        status = status * 10 + digit;
    }
    status
}
