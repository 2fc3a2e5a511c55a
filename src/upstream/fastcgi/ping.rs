//! What a probe says and hears: what the server can do, and what one script answers.

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use super::answer::HeadReader;
use super::params;
use super::record::{self, Decoder, End, Event};
use crate::message::exchange::Io;

/// What is read of an answer at most: a ping says a word.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const READ_BYTES: usize = 4 << 10;

const HUNG_UP: &str = "it hung up before its answer";

/// Asks what the server can do.
pub fn values() -> Vec<u8> {
    let mut names = BytesMut::new();
    for name in ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"] {
        params::pair(&mut names, name, &[]);
    }
    let mut bytes = BytesMut::new();
    record::get_values(&mut bytes, &names);
    bytes.into()
}

/// Asks for a script by its name, such as the `ping.path` of php-fpm.
pub fn request(target: &str) -> Vec<u8> {
    let (script, query) = target.split_once('?').unwrap_or((target, ""));
    let mut said = BytesMut::new();
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
        params::pair(&mut said, name, &[value.as_bytes()]);
    }
    let mut bytes = BytesMut::new();
    // The connection ends with its answer.
    record::begin(&mut bytes, false, &said);
    bytes.extend_from_slice(&record::STDIN_END);
    bytes.into()
}

pub async fn hear_values(io: &mut dyn Io) -> Result<(), Box<str>> {
    let mut header = [0; record::HEADER_BYTES];
    io.read_exact(&mut header).await.map_err(|_| HUNG_UP)?;
    let mut content = vec![0; record::values_told(&header)?];
    io.read_exact(&mut content).await.map_err(|_| HUNG_UP)?;
    Ok(())
}

/// The status of the script's answer, once that is whole.
pub async fn hear_status(io: &mut dyn Io) -> Result<u16, Box<str>> {
    let (mut decoder, mut head) = (Decoder::default(), HeadReader::default());
    let (mut input, mut status, mut heard) = (BytesMut::new(), None, 0);
    loop {
        while let Some(event) = decoder.next(&mut input)? {
            match event {
                Event::Stdout(piece) if status.is_none() => {
                    status = head.read(&piece)?.map(|head| head.answer.status().as_u16());
                }
                Event::End(End::Complete) => {
                    return status.ok_or_else(|| "its answer ends within its header".into());
                }
                Event::End(End::Overloaded | End::Refused) => return Err("it refused the request".into()),
                // Its page, and what it says to its error log.
                Event::Stdout(_) | Event::Stderr(..) => {}
            }
        }
        input.reserve(READ_BYTES);
        let count = io.read_buf(&mut input).await.map_err(|_| HUNG_UP)?;
        if count == 0 {
            return Err(HUNG_UP.into());
        }
        heard += count;
        if heard > ANSWER_BYTES_MAX {
            return Err("its answer is too long".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_records() {
        assert_eq!(values()[..8], [1, 9, 0, 0, 0, 48, 0, 0]);
        assert_eq!(values()[8..12], [14, 0, b'F', b'C']);
        let ping = request("/ping?full");
        assert_eq!(ping[..16], [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert!(ping.windows(17).any(|bytes| bytes == b"SCRIPT_NAME/ping\x0f"));
        assert!(ping.windows(16).any(|bytes| bytes == b"QUERY_STRINGfull"));
        assert!(ping.ends_with(&[1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0]));
    }

    #[test]
    fn what_a_server_can_do_is_a_record_of_its_own() {
        for (header, is) in [
            ([1, 10, 0, 0, 0, 48, 0, 0], Ok(48)),
            ([1, 10, 0, 0, 1, 0, 7, 0], Ok(263)),
            ([1, 11, 0, 0, 0, 8, 0, 0], Err("it does not answer what it was asked")),
            (*b"HTTP/1.1", Err("its answer is no FastCGI")),
        ] {
            assert_eq!(record::values_told(&header), is, "{header:?}");
        }
    }

    #[tokio::test]
    async fn the_status_is_the_scripts() {
        let record = |kind: u8, content: &[u8]| {
            let mut record = vec![1, kind, 0, 1, 0, u8::try_from(content.len()).unwrap(), 0, 0];
            record.extend_from_slice(content);
            record
        };
        let end = |how| record(3, &[0, 0, 0, 0, how, 0, 0, 0]);
        for (said, how, is) in [
            ("Content-type: text/plain\r\n\r\npong", 0, Ok(200)),
            ("Status: 404 Not Found\r\n\r\nStatus: 200", 0, Ok(404)),
            ("X: y\nstatus:503\n\n", 0, Ok(503)),
            ("Status: no\r\n\r\n", 0, Err("its status makes no sense")),
            ("X: y", 0, Err("within its header")),
            ("", 0, Err("within its header")),
            ("X: y\r\n\r\n", 2, Err("refused")),
        ] {
            let bytes = [record(6, said.as_bytes()), record(7, b"a notice"), end(how)].concat();
            let (mut here, mut there) = tokio::io::duplex(1024);
            tokio::io::AsyncWriteExt::write_all(&mut there, &bytes).await.unwrap();
            let heard = hear_status(&mut here).await;
            match is {
                Ok(status) => assert_eq!(heard, Ok(status), "{said:?}"),
                Err(why) => assert!(heard.as_ref().unwrap_err().contains(why), "{said:?}: {heard:?}"),
            }
        }
        let (mut here, there) = tokio::io::duplex(1024);
        drop(there);
        assert_eq!(hear_status(&mut here).await.unwrap_err().as_ref(), HUNG_UP);
    }
}
