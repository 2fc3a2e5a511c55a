//! The few records of FastCGI that a probe says and hears: what the server can do, and what one script answers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::message::exchange::Io;

const VERSION: u8 = 1;
const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const GET_VALUES: u8 = 9;
const GET_VALUES_RESULT: u8 = 10;

/// What is read of an answer at most: a ping says a word.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Asks what the server can do.
pub fn values() -> Vec<u8> {
    let mut content = Vec::new();
    for name in ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"] {
        pair(&mut content, name, "");
    }
    let mut bytes = Vec::new();
    record(&mut bytes, GET_VALUES, 0, &content);
    bytes
}

/// Asks for a script by its name, such as the `ping.path` of php-fpm.
pub fn request(target: &str) -> Vec<u8> {
    let (script, query) = target.split_once('?').unwrap_or((target, ""));
    let mut params = Vec::new();
    for (name, value) in [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "doorward"),
        ("SERVER_NAME", "localhost"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", target),
        ("SCRIPT_NAME", script),
        ("SCRIPT_FILENAME", script),
        ("QUERY_STRING", query),
        ("CONTENT_LENGTH", "0"),
    ] {
        pair(&mut params, name, value);
    }
    let mut bytes = Vec::new();
    // A responder, and the connection ends with its answer.
    record(&mut bytes, BEGIN_REQUEST, 1, &[0, 1, 0, 0, 0, 0, 0, 0]);
    record(&mut bytes, PARAMS, 1, &params);
    record(&mut bytes, PARAMS, 1, &[]);
    record(&mut bytes, STDIN, 1, &[]);
    bytes
}

/// `content` is at most 65,535 bytes: what a target of the rules and our own words make is far below.
fn record(bytes: &mut Vec<u8>, kind: u8, id: u16, content: &[u8]) {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(content.get(..usize::from(length)).unwrap_or(content));
}

fn pair(bytes: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, value] {
        let length = u32::try_from(part.len()).unwrap_or(0);
        match u8::try_from(length) {
            Ok(short) if short < 128 => bytes.push(short),
            _ => bytes.extend_from_slice(&(length | 1 << 31).to_be_bytes()),
        }
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(value.as_bytes());
}

/// The next record's kind and content.
async fn next(io: &mut dyn Io) -> Result<(u8, Vec<u8>), &'static str> {
    const HUNG_UP: &str = "it hung up before its answer";
    let mut head = [0; 8];
    io.read_exact(&mut head).await.map_err(|_| HUNG_UP)?;
    let [version, kind, _, _, high, low, padding, _] = head;
    if version != VERSION {
        return Err("its answer is no FastCGI");
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let mut content = vec![0; length + usize::from(padding)];
    io.read_exact(&mut content).await.map_err(|_| HUNG_UP)?;
    content.truncate(length);
    Ok((kind, content))
}

pub async fn hear_values(io: &mut dyn Io) -> Result<(), Box<str>> {
    match next(io).await? {
        (GET_VALUES_RESULT, _) => Ok(()),
        _ => Err("it does not answer what it was asked".into()),
    }
}

/// The status of the script's answer, once that is whole.
pub async fn hear_status(io: &mut dyn Io) -> Result<u16, Box<str>> {
    let mut said = Vec::new();
    let mut heard = 0;
    loop {
        let (kind, content) = next(io).await?;
        heard += content.len();
        match kind {
            STDOUT => said.extend_from_slice(&content),
            // Did it end as a program ends, or was the request refused?
            END_REQUEST => {
                return match content.get(4) {
                    Some(0) => status(&said).ok_or_else(|| "its answer makes no sense".into()),
                    _ => Err("it refused the request".into()),
                };
            }
            // What it says to its error log.
            _ => {}
        }
        if heard > ANSWER_BYTES_MAX {
            let _ = io.shutdown().await;
            return Err("its answer is too long".into());
        }
    }
}

/// `Status: 404 Not Found` among the header lines; 200 where there is none.
fn status(said: &[u8]) -> Option<u16> {
    if said.is_empty() {
        return None;
    }
    for line in said.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_at_checked(7)
            && name.eq_ignore_ascii_case(b"status:")
        {
            return std::str::from_utf8(value.trim_ascii().get(..3)?).ok()?.parse().ok();
        }
    }
    Some(200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_among_the_lines() {
        for (said, is) in [
            ("Content-type: text/plain\r\n\r\npong", Some(200)),
            ("Status: 404 Not Found\r\n\r\nStatus: 200", Some(404)),
            ("X: y\nstatus:503\n\n", Some(503)),
            ("X: y\r\n\r\nStatus: 404\r\n", Some(200)),
            ("Status: no\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(status(said.as_bytes()), is, "{said:?}");
        }
    }

    #[test]
    fn long_values_have_long_lengths() {
        let mut bytes = Vec::new();
        pair(&mut bytes, "A", &"x".repeat(200));
        assert_eq!(bytes[..6], [1, 0x80, 0, 0, 200, b'A']);
        assert_eq!(bytes.len(), 206);
        assert_eq!(values()[..8], [1, 9, 0, 0, 0, 48, 0, 0]);
    }
}
