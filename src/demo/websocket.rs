//! A WebSocket that says back what it hears (RFC 6455). Strict: what the standard forbids ends the
//! conversation with the code it names. Frames are taken off a buffer by a pure function.

use std::time::Duration;

use aws_lc_rs::digest;
use bytes::{Buf as _, BytesMut};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::page::{Asked, plain};
use crate::base::base64;
use crate::message::exchange::TunnelRider;
use crate::message::{Body, Departure, Tunnel};

/// Largest message said back, in one frame or many.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Who says nothing for so long, not even a ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(300);
const PIPE_BYTES: usize = 16 << 10;

const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Why a conversation ends, as its close frame says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code(u16);

const GOING_AWAY: Code = Code(1001);
const PROTOCOL_ERROR: Code = Code(1002);
const NOT_TEXT: Code = Code(1007);
const TOO_BIG: Code = Code(1009);

/// Answers the handshake and begins the conversation, in a task of its own on this worker.
pub(super) fn upgrade(asked: &Asked) -> Departure {
    let accept = match accepted(asked) {
        Ok(accept) => accept,
        Err(refusal) => return refusal,
    };
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    tokio::task::spawn_local(converse(near));
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Departure {
        response,
        tunnel: Some(Tunnel { far: Box::new(far), rider: Box::new(NoRecord) }),
        close: false,
    }
}

/// The old services keep no record of what went through.
struct NoRecord;

impl TunnelRider for NoRecord {
    fn moved(&mut self, _to_backend: u64, _to_visitor: u64) {}
}

/// The value of `Sec-WebSocket-Accept`, when all of the handshake is there.
fn accepted(asked: &Asked) -> Result<HeaderValue, Departure> {
    let says = |name: &str, word: &str| {
        let values = asked.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
    };
    let with_version = |status, text| {
        let mut departure = plain(status, text);
        departure.response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        departure
    };
    if asked.method != http::Method::GET || !says("connection", "upgrade") || !says("upgrade", "websocket") {
        return Err(with_version(StatusCode::UPGRADE_REQUIRED, "This address speaks WebSocket: see /talk."));
    }
    if !says("sec-websocket-version", "13") {
        return Err(with_version(
            StatusCode::UPGRADE_REQUIRED,
            "Only version 13 of WebSocket is spoken here.",
        ));
    }
    let mut keys = asked.headers.get_all("sec-websocket-key").into_iter();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key.as_bytes()) => key,
        _ => return Err(plain(StatusCode::BAD_REQUEST, "The WebSocket key is no key.")),
    };
    HeaderValue::from_str(&accept_value(key.as_bytes()))
        .map_err(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "The WebSocket key has no answer."))
}

/// Sixteen bytes in base64: 22 characters and two signs of padding.
fn is_key(key: &[u8]) -> bool {
    let Some(body) = key.strip_suffix(b"==") else { return false };
    body.len() == 22 && body.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/')
}

fn accept_value(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(MAGIC);
    base64::encode(context.finish().as_ref())
}

/// One frame as it was read, unmasked.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    last: bool,
    kind: u8,
    payload: BytesMut,
}

/// Takes the next whole frame off the buffer; `None` when more bytes are needed.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, Code> {
    let [first, second, rest @ ..] = &buffer[..] else { return Ok(None) };
    let (last, kind, masked) = (first & 0x80 != 0, first & 0x0f, second & 0x80 != 0);
    if first & 0x70 != 0 || !masked || !matches!(kind, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
        return Err(PROTOCOL_ERROR);
    }
    let (length, length_bytes) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    // The shortest form is demanded, so that a length is written in one way only.
    let shortest = match length_bytes {
        2 => length > 125,
        8 => length > 0xffff && length <= u64::MAX >> 1,
        _ => true,
    };
    if !shortest || (kind >= CLOSE && (!last || length > 125)) {
        return Err(PROTOCOL_ERROR);
    }
    let Ok(length) = usize::try_from(length) else { return Err(TOO_BIG) };
    if length > MESSAGE_BYTES_MAX {
        return Err(TOO_BIG);
    }
    let Some(mask) = rest.get(length_bytes..).and_then(|rest| rest.first_chunk::<4>()).copied() else {
        return Ok(None);
    };
    let head = 2 + length_bytes + 4;
    if buffer.len() < head + length {
        return Ok(None);
    }
    buffer.advance(head);
    let mut payload = buffer.split_to(length);
    for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
    Ok(Some(Frame { last, kind, payload }))
}

/// A message in the making, and what is to be said to each frame.
#[derive(Default)]
struct Conversation {
    /// The kind of the message whose frames are being gathered.
    gathering: Option<u8>,
    message: BytesMut,
}

#[derive(Debug, PartialEq, Eq)]
enum Say {
    Nothing,
    Frame(u8, BytesMut),
    /// A last frame, and then no more.
    Close(BytesMut),
}

impl Conversation {
    fn hear(&mut self, frame: Frame) -> Result<Say, Code> {
        let Frame { last, kind, payload } = frame;
        match kind {
            PING => return Ok(Say::Frame(PONG, payload)),
            PONG => return Ok(Say::Nothing),
            CLOSE => return close_answer(payload),
            TEXT | BINARY if self.gathering.is_none() => {
                self.gathering = Some(kind);
                self.message = payload;
            }
            CONTINUATION if self.gathering.is_some() => {
                if self.message.len() + payload.len() > MESSAGE_BYTES_MAX {
                    return Err(TOO_BIG);
                }
                self.message.extend_from_slice(&payload);
            }
            _ => return Err(PROTOCOL_ERROR),
        }
        if !last {
            return Ok(Say::Nothing);
        }
        let kind = self.gathering.take().unwrap_or(BINARY);
        let message = std::mem::take(&mut self.message);
        if kind == TEXT && std::str::from_utf8(&message).is_err() {
            return Err(NOT_TEXT);
        }
        Ok(Say::Frame(kind, message))
    }
}

/// A close frame is answered with its own code, if that is one a peer may send.
fn close_answer(payload: BytesMut) -> Result<Say, Code> {
    let (code, reason) = match &payload[..] {
        [] => return Ok(Say::Close(payload)),
        [_] => return Err(PROTOCOL_ERROR),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(PROTOCOL_ERROR);
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(NOT_TEXT);
    }
    Ok(Say::Close(payload))
}

fn write_frame(kind: u8, payload: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(&[0x80 | kind]);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.extend_from_slice(&[short]),
        (_, Ok(middle)) => {
            out.extend_from_slice(&[126]);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[127]);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Reads and answers until either side has had enough.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut heard = BytesMut::with_capacity(4 << 10);
    let mut said = BytesMut::new();
    let mut conversation = Conversation::default();
    loop {
        let answer = match take_frame(&mut heard) {
            Ok(Some(frame)) => conversation.hear(frame),
            Ok(None) => match tokio::time::timeout(SILENCE_MAX, stream.read_buf(&mut heard)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) => continue,
                Err(_) => Err(GOING_AWAY),
            },
            Err(code) => Err(code),
        };
        let closes = match answer {
            Ok(Say::Nothing) => continue,
            Ok(Say::Frame(kind, payload)) => {
                write_frame(kind, &payload, &mut said);
                false
            }
            Ok(Say::Close(payload)) => {
                write_frame(CLOSE, &payload, &mut said);
                true
            }
            Err(code) => {
                write_frame(CLOSE, &code.0.to_be_bytes(), &mut said);
                true
            }
        };
        if stream.write_all(&said).await.is_err() || closes {
            let _ = stream.shutdown().await;
            return;
        }
        said.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::io::DuplexStream;
    use tokio::task::LocalSet;

    use super::super::area::Area;
    use super::super::page::tests::{arrival, header, street};
    use super::*;
    use crate::message::Door as _;

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut out = BytesMut::new();
        write_frame(first & 0x0f, payload, &mut out);
        out[0] = first;
        out[1] |= 0x80;
        let head = out.len() - payload.len();
        let mut bytes = out.to_vec();
        bytes.splice(
            head..,
            mask.into_iter().chain(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m)),
        );
        bytes
    }

    async fn talk(sent: &[u8]) -> Vec<u8> {
        let (near, mut far): (DuplexStream, DuplexStream) = tokio::io::duplex(4 << 20);
        far.write_all(sent).await.unwrap();
        far.shutdown().await.unwrap();
        converse(near).await;
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        heard
    }

    #[test]
    fn the_standard_s_own_handshake_is_answered_as_it_says() {
        assert_eq!(accept_value(KEY.1.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn an_upgrade_is_granted_to_a_whole_handshake_only() {
        let good = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket"), VERSION, KEY];
        let area = Rc::new(Area);
        LocalSet::new()
            .run_until(async {
                let granted = Rc::clone(&area).visit(&street(), arrival("GET", "/echo", &good, "")).await;
                assert_eq!(granted.response.status(), 101);
                assert_eq!(header(&granted, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
                let mut far = granted.tunnel.unwrap().far;
                far.write_all(&masked(0x81, b"hello")).await.unwrap();
                let mut back = [0; 7];
                far.read_exact(&mut back).await.unwrap();
                assert_eq!(&back, b"\x81\x05hello");

                for (left_out, status) in [(0, 426), (1, 426), (2, 426), (3, 400)] {
                    let mut headers = good.to_vec();
                    headers.remove(left_out);
                    let refused =
                        Rc::clone(&area).visit(&street(), arrival("GET", "/echo", &headers, "")).await;
                    assert_eq!(refused.response.status(), status, "without {:?}", good[left_out]);
                    assert!(refused.tunnel.is_none());
                }
                let twice = [good[0], good[1], VERSION, KEY, KEY];
                let refused = Rc::clone(&area).visit(&street(), arrival("GET", "/echo", &twice, "")).await;
                assert_eq!(refused.response.status(), 400);
            })
            .await;
    }

    #[tokio::test]
    async fn messages_come_back_whole_whatever_their_frames() {
        let mut sent = masked(0x01, b"one ");
        sent.extend(masked(0x89, b"still there?"));
        sent.extend(masked(0x00, b"two "));
        sent.extend(masked(0x80, b"three"));
        sent.extend(masked(0x82, &[7; 300]));
        sent.extend(masked(0x8a, b"unasked"));
        sent.extend(masked(0x88, b"\x03\xe8bye"));
        let mut expected = b"\x8a\x0cstill there?\x81\x0done two three\x82\x7e\x01\x2c".to_vec();
        expected.extend([7; 300]);
        expected.extend(b"\x88\x05\x03\xe8bye");
        assert_eq!(talk(&sent).await, expected);
    }

    #[tokio::test]
    async fn a_large_message_needs_the_long_length() {
        let heard = talk(&masked(0x82, &vec![1; 70_000])).await;
        assert_eq!(&heard[..10], b"\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70");
        assert_eq!(heard.len(), 70_010);
    }

    #[tokio::test]
    async fn what_the_standard_forbids_ends_the_conversation_with_its_code() {
        let too_big = [&[0x82, 0xff][..], &(MESSAGE_BYTES_MAX as u64 + 1).to_be_bytes()].concat();
        let mut grows_too_big = masked(0x02, &vec![0; MESSAGE_BYTES_MAX]);
        grows_too_big.extend(masked(0x80, b"!"));
        let cases: [(&str, Vec<u8>, Code); 15] = [
            ("no mask", b"\x81\x01a".to_vec(), PROTOCOL_ERROR),
            ("a reserved bit", masked(0xc1, b"a"), PROTOCOL_ERROR),
            ("an unknown kind", masked(0x83, b"a"), PROTOCOL_ERROR),
            ("an unknown control", masked(0x8b, b"a"), PROTOCOL_ERROR),
            ("a ping in parts", masked(0x09, b"a"), PROTOCOL_ERROR),
            ("a ping too long", masked(0x89, &[0; 126]), PROTOCOL_ERROR),
            ("a continuation of nothing", masked(0x80, b"a"), PROTOCOL_ERROR),
            (
                "a new message inside another",
                [masked(0x01, b"a"), masked(0x81, b"b")].concat(),
                PROTOCOL_ERROR,
            ),
            ("a length too wide by one", b"\x82\xfe\x00\x7d".to_vec(), PROTOCOL_ERROR),
            (
                "a length too wide by far",
                b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff".to_vec(),
                PROTOCOL_ERROR,
            ),
            ("text that is none", masked(0x81, b"\xff"), NOT_TEXT),
            ("too big at once", too_big, TOO_BIG),
            ("too big in parts", grows_too_big, TOO_BIG),
            ("half a close code", masked(0x88, b"\x03"), PROTOCOL_ERROR),
            ("a close code nobody may send", masked(0x88, b"\x03\xee"), PROTOCOL_ERROR),
        ];
        for (name, sent, code) in cases {
            assert_eq!(talk(&sent).await, [&[0x88, 0x02][..], &code.0.to_be_bytes()].concat(), "{name}");
        }
    }

    #[test]
    fn a_frame_is_taken_only_when_it_is_whole() {
        let whole = masked(0x81, &[b'x'; 200]);
        for length in 0..whole.len() {
            assert_eq!(take_frame(&mut BytesMut::from(&whole[..length])), Ok(None), "{length} bytes");
        }
        let mut buffer = BytesMut::from(&[&whole[..], b"rest"].concat()[..]);
        assert_eq!(take_frame(&mut buffer).unwrap().unwrap().payload, [b'x'; 200][..]);
        assert_eq!(&buffer[..], b"rest");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it() {
        let (near, mut far) = tokio::io::duplex(64);
        converse(near).await;
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"\x88\x02\x03\xe9");
    }
}
