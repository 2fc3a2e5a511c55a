//! Tables of heads and what each gets, and the same heads in pieces.

use super::*;
use crate::front::h1::tests::pieces;

/// A head read in one piece.
fn read(input: &[u8]) -> Result<Option<Parsed>, Fault> {
    read_with(input, &Bounds::default())
}

fn read_with(input: &[u8], bounds: &Bounds) -> Result<Option<Parsed>, Fault> {
    Reader::new().head(&mut BytesMut::from(input), bounds)
}

fn accepted(input: &[u8]) -> Parsed {
    match read(input) {
        Ok(Some(parsed)) => parsed,
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(input)),
    }
}

fn cause(input: &[u8]) -> Option<Cause> {
    match read(input) {
        Ok(_) => None,
        Err(fault) => {
            assert!(fault.detail().chars().all(|c| !c.is_control()), "{:?}", fault.detail());
            Some(fault.cause)
        }
    }
}

/// Lines between a good request line and the end of the head.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a.example\r\n", fields, b"\r\n\r\n"].concat()
}

#[test]
fn request_lines_that_are_refused() {
    use Cause::{Malformed, NotImplemented, Version};
    let table: &[(&[u8], Cause)] = &[
        // Versions
        (b"GET / HTTP/1.2\r\n", Version),
        (b"GET / HTTP/0.9\r\n", Version),
        (b"GET / HTTP/2.0\r\n", Version),
        (b"GET / HTTP/3.0\r\n", Version),
        (b"GET / HTTP/9.9\r\n", Version),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version),
        (b"GET / HTTP/01.1\r\n", Malformed),
        (b"GET / HTTP/1.01\r\n", Malformed),
        (b"GET / HTTP/1.10\r\n", Malformed),
        (b"GET / HTTP/11\r\n", Malformed),
        (b"GET / HTTP/1\r\n", Malformed),
        (b"GET / HTTP/2\r\n", Malformed),
        (b"GET / HTTP/1.\r\n", Malformed),
        (b"GET / HTTP/.1\r\n", Malformed),
        (b"GET / HTTP/\r\n", Malformed),
        (b"GET / HTTP\r\n", Malformed),
        (b"GET / HTTP/1,1\r\n", Malformed),
        (b"GET / HTTP/-1.1\r\n", Malformed),
        (b"GET / HTTP/+1.1\r\n", Malformed),
        (b"GET / HTTP /1.1\r\n", Malformed),
        (b"GET / HTTP/ 1.1\r\n", Malformed),
        (b"GET / HTTP/1. 1\r\n", Malformed),
        (b"GET / http/1.1\r\n", Malformed),
        (b"GET / Http/1.1\r\n", Malformed),
        (b"GET / HTTPS/1.1\r\n", Malformed),
        (b"GET / ICAP/1.0\r\n", Malformed),
        (b"GET / HTTP/1.1x\r\n", Malformed),
        (b"GET / HTTP/1.1\x00\r\n", Malformed),
        (b"GET / HTTP/1.1\t\r\n", Malformed),
        (b"GET / HTTP/1.1 \r\n", Malformed),
        (b"GET / HTTP/1.1 HTTP/1.1\r\n", Malformed),
        (b"GET / HTTP/1.1\r\r\n", Malformed),
        (b"GET / HTTP/\xb9.1\r\n", Malformed),
        // Words and blanks between them
        (b"GET\r\n", Malformed),
        (b"GET \r\n", Malformed),
        (b"GET /\r\n", Malformed),
        (b"GET / \r\n", Malformed),
        (b"GET  HTTP/1.1\r\n", Malformed),
        (b"GET HTTP/1.1\r\n", Malformed),
        (b"GET  / HTTP/1.1\r\n", Malformed),
        (b"GET /  HTTP/1.1\r\n", Malformed),
        (b"GET\t/ HTTP/1.1\r\n", Malformed),
        (b"GET /\tHTTP/1.1\r\n", Malformed),
        (b"GET\t/\tHTTP/1.1\r\n", Malformed),
        (b"GET \t/ HTTP/1.1\r\n", Malformed),
        (b"GET\x0b/ HTTP/1.1\r\n", Malformed),
        (b"GET\x0c/ HTTP/1.1\r\n", Malformed),
        (b"GET /\x0bHTTP/1.1\r\n", Malformed),
        (b"GET\r/ HTTP/1.1\r\n", Malformed),
        (b"GET /\rHTTP/1.1\r\n", Malformed),
        (b"GET\xa0/ HTTP/1.1\r\n", Malformed),
        (b"GET / a HTTP/1.1\r\n", Malformed),
        (b"GET /a b HTTP/1.1\r\n", Malformed),
        (b" GET / HTTP/1.1\r\n", Malformed),
        (b"\tGET / HTTP/1.1\r\n", Malformed),
        (b"\x0bGET / HTTP/1.1\r\n", Malformed),
        // Methods
        (b"G\x00ET / HTTP/1.1\r\n", Malformed),
        (b"\x00GET / HTTP/1.1\r\n", Malformed),
        (b"GET\x00 / HTTP/1.1\r\n", Malformed),
        (b"GE(T / HTTP/1.1\r\n", Malformed),
        (b"GE:T / HTTP/1.1\r\n", Malformed),
        (b"GET: / HTTP/1.1\r\n", Malformed),
        (b"GET, / HTTP/1.1\r\n", Malformed),
        (b"G/T / HTTP/1.1\r\n", Malformed),
        (b"\"GET\" / HTTP/1.1\r\n", Malformed),
        (b"<GET> / HTTP/1.1\r\n", Malformed),
        (b"{GET} / HTTP/1.1\r\n", Malformed),
        (b"[GET] / HTTP/1.1\r\n", Malformed),
        (b"G@T / HTTP/1.1\r\n", Malformed),
        (b"G\\T / HTTP/1.1\r\n", Malformed),
        (b"G=T / HTTP/1.1\r\n", Malformed),
        (b"G?T / HTTP/1.1\r\n", Malformed),
        (b"G;T / HTTP/1.1\r\n", Malformed),
        (b"G\x7fT / HTTP/1.1\r\n", Malformed),
        (b"G\xc3\x89T / HTTP/1.1\r\n", Malformed),
        (b"\xff / HTTP/1.1\r\n", Malformed),
        (
            b"AMETHODTHATISLONGERTHANANYBODYWOULDWRITEBYHANDORBYPROGRAMINAYEAROF / HTTP/1.1\r\n",
            NotImplemented,
        ),
        // Targets
        (b"GET /a\x00b HTTP/1.1\r\n", Malformed),
        (b"GET /a\x01b HTTP/1.1\r\n", Malformed),
        (b"GET /a\x1fb HTTP/1.1\r\n", Malformed),
        (b"GET /a\x7fb HTTP/1.1\r\n", Malformed),
        (b"GET /a\tb HTTP/1.1\r\n", Malformed),
        (b"GET /a\rb HTTP/1.1\r\n", Malformed),
        (b"GET /a\x80b HTTP/1.1\r\n", Malformed),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n", Malformed),
        (b"GET /\xff HTTP/1.1\r\n", Malformed),
        (b"GET /pub#/../priv HTTP/1.1\r\n", Malformed),
        (b"GET # HTTP/1.1\r\n", Malformed),
        // Ends of lines
        (b"GET / HTTP/1.1\nHost: a\n\n", Malformed),
        (b"GET / HTTP/1.1\n\r\n", Malformed),
        (b"GET /\n", Malformed),
        (b"\n", Malformed),
        (b"\nGET / HTTP/1.1\r\n", Malformed),
        (b"\r\rGET / HTTP/1.1\r\n", Malformed),
        (b"\rGET / HTTP/1.1\r\n", Malformed),
        (b"\r\n\nGET / HTTP/1.1\r\n", Malformed),
        (b"\r\n GET / HTTP/1.1\r\n", Malformed),
        (b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n", Malformed),
        // Others who have the wrong door
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Malformed),
        (b"\x80\x2e\x01\x00\x02", Malformed),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Malformed),
        (b"EHLO a.example\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\n", Malformed),
        (b"Host: a.example\r\n", Malformed),
        (b"{\"json\": true}\r\n", Malformed),
        (b"\xef\xbb\xbfGET / HTTP/1.1\r\n", Malformed),
    ];
    for (line, expected) in table {
        // Judged as soon as the line is there, and the same with the rest of the head behind it.
        let shown = String::from_utf8_lossy(line);
        assert_eq!(cause(line), Some(*expected), "{shown:?}");
        let whole = [line, b"Host: a.example\r\n\r\n".as_slice()].concat();
        assert_eq!(cause(&whole), Some(*expected), "{shown:?} with a head");
    }
}

#[test]
fn fields_that_are_refused() {
    use Cause::{Framing, Malformed, NotImplemented};
    let table: &[(&[u8], Cause)] = &[
        // Folds, and blanks around names
        (b" X: 1", Malformed),
        (b"\tX: 1", Malformed),
        (b"X: 1\r\n 2", Malformed),
        (b"X: 1\r\n\t2", Malformed),
        (b"X: 1\r\n ", Malformed),
        (b"X:\r\n 1", Malformed),
        (b"Content-Length:\r\n 5", Framing),
        (b"Transfer-Encoding:\r\n chunked", Framing),
        (b"X : 1", Malformed),
        (b"X\t: 1", Malformed),
        (b"X\x0b: 1", Malformed),
        (b"X\x0c: 1", Malformed),
        (b"X\xa0: 1", Malformed),
        (b"Content-Length : 5", Malformed),
        (b"Content-Length\t: 5", Malformed),
        (b"Transfer-Encoding : chunked", Malformed),
        (b"Transfer-Encoding\x00: chunked", Malformed),
        (b"Transfer-Encoding\r: chunked", Malformed),
        (b"Host : a.example", Malformed),
        // Names
        (b": 1", Malformed),
        (b":", Malformed),
        (b" : 1", Malformed),
        (b"X", Malformed),
        (b"X 1", Malformed),
        (b"X Y: 1", Malformed),
        (b"X\x00Y: 1", Malformed),
        (b"\x00X: 1", Malformed),
        (b"X\x01: 1", Malformed),
        (b"X\x7f: 1", Malformed),
        (b"X(Y: 1", Malformed),
        (b"X)Y: 1", Malformed),
        (b"X<Y: 1", Malformed),
        (b"X>Y: 1", Malformed),
        (b"X@Y: 1", Malformed),
        (b"X,Y: 1", Malformed),
        (b"X;Y: 1", Malformed),
        (b"X\\Y: 1", Malformed),
        (b"X\"Y: 1", Malformed),
        (b"X/Y: 1", Malformed),
        (b"X[Y: 1", Malformed),
        (b"X]Y: 1", Malformed),
        (b"X?Y: 1", Malformed),
        (b"X=Y: 1", Malformed),
        (b"X{Y: 1", Malformed),
        (b"X}Y: 1", Malformed),
        (b"X\xc3\xa9: 1", Malformed),
        (b"\xff: 1", Malformed),
        (b"\"Content-Length\": 5", Malformed),
        (b"GET /admin HTTP/1.1", Malformed),
        (b"X\r\nY: 1", Malformed),
        // Values
        (b"X: a\x00b", Malformed),
        (b"X: \x00", Malformed),
        (b"X: a\x01b", Malformed),
        (b"X: a\x08b", Malformed),
        (b"X: a\x0bb", Malformed),
        (b"X: a\x0cb", Malformed),
        (b"X: a\x1bb", Malformed),
        (b"X: a\x1fb", Malformed),
        (b"X: a\x7fb", Malformed),
        (b"X: a\rb", Malformed),
        (b"X: a\r", Malformed),
        (b"X: \r", Malformed),
        (b"X: a\rContent-Length: 5", Malformed),
        (b"X: a\r\rContent-Length: 5", Malformed),
        (b"X: a\nY: b", Malformed),
        (b"X: a\n", Malformed),
        (b"X: a\n\n", Malformed),
        (b"X: a\n\r", Malformed),
        (b"X: a\nTransfer-Encoding: chunked", Malformed),
        (b"Host: a\x00", Malformed),
        // Lengths
        (b"Content-Length: +5", Framing),
        (b"Content-Length: -5", Framing),
        (b"Content-Length: -0", Framing),
        (b"Content-Length: 5,5", Framing),
        (b"Content-Length: 5, 5", Framing),
        (b"Content-Length: 5,6", Framing),
        (b"Content-Length: ,5", Framing),
        (b"Content-Length: 5,", Framing),
        (b"Content-Length: 5 5", Framing),
        (b"Content-Length: 5\t5", Framing),
        (b"Content-Length: 5;", Framing),
        (b"Content-Length: 5;a=b", Framing),
        (b"Content-Length: 0x5", Framing),
        (b"Content-Length: 5h", Framing),
        (b"Content-Length: a", Framing),
        (b"Content-Length: 5.0", Framing),
        (b"Content-Length: 5e0", Framing),
        (b"Content-Length: 1_0", Framing),
        (b"Content-Length: \"5\"", Framing),
        (b"Content-Length: '5'", Framing),
        (b"Content-Length:", Framing),
        (b"Content-Length: ", Framing),
        (b"Content-Length: \t ", Framing),
        (b"Content-Length: \xd9\xa5", Framing),
        (b"Content-Length: \xef\xbc\x95", Framing),
        (b"Content-Length: \xa05", Framing),
        (b"Content-Length: chunked", Framing),
        (b"Content-Length: 9223372036854775808", Framing),
        (b"Content-Length: 18446744073709551615", Framing),
        (b"Content-Length: 18446744073709551616", Framing),
        (b"Content-Length: 18446744073709551621", Framing),
        (b"Content-Length: 4294967296000000000000000000000000005", Framing),
        (b"Content-Length: 5\r\nContent-Length: 5", Framing),
        (b"Content-Length: 5\r\nContent-Length: 6", Framing),
        (b"Content-Length: 5\r\ncontent-length: 5", Framing),
        (b"Content-Length: 0\r\nContent-Length: 5", Framing),
        (b"Content-Length: 5\r\nX: 1\r\nContent-Length: 5", Framing),
        (b"Content-Length: 5\r\nContent-Length:", Framing),
        (b"Content-Length: \x0b5", Malformed),
        (b"Content-Length: 5\x00", Malformed),
        (b"Content-Length: 5\r", Malformed),
        // Codings
        (b"Transfer-Encoding:", Framing),
        (b"Transfer-Encoding: ,", Framing),
        (b"Transfer-Encoding: chunked,", Framing),
        (b"Transfer-Encoding: ,chunked", Framing),
        (b"Transfer-Encoding: , chunked", Framing),
        (b"Transfer-Encoding: chunked, chunked", Framing),
        (b"Transfer-Encoding: chunked,chunked", Framing),
        (b"Transfer-Encoding: chunked, identity", Framing),
        (b"Transfer-Encoding: chunked, gzip", Framing),
        (b"Transfer-Encoding: chunked, cow", Framing),
        (b"Transfer-Encoding: identity", Framing),
        (b"Transfer-Encoding: gzip", Framing),
        (b"Transfer-Encoding: cow", Framing),
        (b"Transfer-Encoding: xchunked", Framing),
        (b"Transfer-Encoding: chunkedx", Framing),
        (b"Transfer-Encoding: chunke", Framing),
        (b"Transfer-Encoding: chun ked", Framing),
        (b"Transfer-Encoding: chunked chunked", Framing),
        (b"Transfer-Encoding: chunked;", Framing),
        (b"Transfer-Encoding: chunked;q=1", Framing),
        (b"Transfer-Encoding: chunked; q=1", Framing),
        (b"Transfer-Encoding: chunked;foo=bar", Framing),
        (b"Transfer-Encoding: \"chunked\"", Framing),
        (b"Transfer-Encoding: 'chunked'", Framing),
        (b"Transfer-Encoding: chunked\"", Framing),
        (b"Transfer-Encoding: [chunked]", Framing),
        (b"Transfer-Encoding: chunked:", Framing),
        (b"Transfer-Encoding: :chunked", Framing),
        (b"Transfer-Encoding: =chunked", Framing),
        (b"Transfer-Encoding: c\xc4\xb1unked", Framing),
        (b"Transfer-Encoding: \xffchunked", Framing),
        (b"Transfer-Encoding: \xa0chunked", Framing),
        (b"Transfer-Encoding: chun\xe2\x84\xaaed", Framing),
        (b"Transfer-Encoding: \x0bchunked", Malformed),
        (b"Transfer-Encoding: \x0cchunked", Malformed),
        (b"Transfer-Encoding: chunked\x0b", Malformed),
        (b"Transfer-Encoding: chunked\x00", Malformed),
        (b"Transfer-Encoding: \x00chunked", Malformed),
        (b"Transfer-Encoding: chunked\x7f", Malformed),
        (b"Transfer-Encoding: \x08chunked", Malformed),
        (b"Transfer-Encoding: chunked\r", Malformed),
        (b"Transfer-Encoding: chunked\nX: 1", Malformed),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Framing),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Framing),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", Framing),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding:", Framing),
        (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Framing),
        (b"Transfer-Encoding: gzip, chunked", NotImplemented),
        (b"Transfer-Encoding: identity, chunked", NotImplemented),
        (b"Transfer-Encoding: cow, chunked", NotImplemented),
        (b"Transfer-Encoding: gzip,\tCHUNKED", NotImplemented),
        // Both
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Framing),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", Framing),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 0", Framing),
        (b"Transfer-Encoding: chunked\r\nContent-Length: x", Framing),
        (b"Content-Length: 5\r\nTransfer-Encoding:", Framing),
        (b"Content-Length: 5\r\nTransfer-Encoding: identity", Framing),
        (b"Content-Length: 5\r\nX: 1\r\ntransfer-encoding: CHUNKED", Framing),
        // Names that a CGI backend folds into the real ones
        (b"Transfer_Encoding: chunked", Framing),
        (b"transfer_encoding: chunked", Framing),
        (b"TRANSFER_ENCODING: x", Framing),
        (b"Content_Length: 5", Framing),
        (b"content_length: 5", Framing),
        (b"Content-Length: 5\r\nContent_Length: 5", Framing),
    ];
    for (fields, expected) in table {
        let input = with_fields(fields);
        assert_eq!(cause(&input), Some(*expected), "{:?}", String::from_utf8_lossy(fields));
    }
    let old = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(cause(old), Some(Framing));
}

#[test]
fn unusual_heads_that_are_valid() {
    let requests: &[&[u8]] = &[
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PROPFIND /svn/ HTTP/1.1\r\nHost: a\r\nDepth: 0\r\n\r\n",
        b"VERSION-CONTROL / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKL / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        b"GET /?a=b&c[]=|\"<>\\^`{} HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET //..//%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\t a \t\r\n\r\n",
        b"GET / HTTP/1.1\r\nHOST: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb  c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: :a:b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9 \xe2\x82\xac\xff\x80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09az: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\nx: 3\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Type_Length: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: ,, close ,\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
    ];
    for request in requests {
        assert_eq!(accepted(request).framing, Framing::None);
    }
    let bodies: &[(&[u8], Framing)] = &[
        (b"Content-Length: 0", Framing::Length(0)),
        (b"Content-Length: 5", Framing::Length(5)),
        (b"Content-Length:5", Framing::Length(5)),
        (b"Content-Length: \t5\t ", Framing::Length(5)),
        (b"CONTENT-LENGTH: 5", Framing::Length(5)),
        (b"Content-Length: 0000000000000000000000000000000005", Framing::Length(5)),
        (b"Content-Length: 010", Framing::Length(10)),
        (b"Content-Length: 00", Framing::Length(0)),
        (b"Content-Length: 9223372036854775807", Framing::Length(i64::MAX as u64)),
        (b"Transfer-Encoding: chunked", Framing::Chunked),
        (b"Transfer-Encoding:chunked", Framing::Chunked),
        (b"Transfer-Encoding: Chunked", Framing::Chunked),
        (b"transfer-encoding: CHUNKED", Framing::Chunked),
        (b"Transfer-Encoding:  \tchunked \t", Framing::Chunked),
    ];
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "REPORT", "get"] {
        for (field, framing) in bodies {
            let input = [method.as_bytes(), b" /x HTTP/1.1\r\n", field, b"\r\nHost: a\r\n\r\nbody"].concat();
            let parsed = accepted(&input);
            assert_eq!(parsed.framing, *framing, "{}", String::from_utf8_lossy(field));
            assert_eq!(parsed.head.method.as_str(), method);
        }
    }
}

#[test]
fn a_head_is_read_as_it_was_sent() {
    let mut buffer = BytesMut::from(
        &b"\r\nPost /A/b?c HTTP/1.1\r\nHost: A.example:80\r\nCookie: a=1\r\nX-One:  v \r\nCookie: b=2\r\n\
           Content-Length: 007\r\n\r\n"[..],
    );
    buffer.extend_from_slice(b"1234567GET /next HTTP/1.0\r\n\r\n");
    let mut reader = Reader::new();
    let first = reader.head(&mut buffer, &Bounds::default()).unwrap().unwrap();
    assert_eq!(first.head.method.as_str(), "Post");
    assert_eq!(first.head.target, "/A/b?c");
    assert_eq!(first.head.version, Version::HTTP_11);
    let fields: Vec<_> = first.head.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(
        fields,
        [
            ("host", "A.example:80"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-one", "v"),
            ("content-length", "7"),
        ]
    );
    assert_eq!(first.framing, Framing::Length(7));
    buffer.advance(7);
    let second = reader.head(&mut buffer, &Bounds::default()).unwrap().unwrap();
    assert_eq!((second.head.target.as_ref(), second.head.version), (b"/next".as_slice(), Version::HTTP_10));
    assert!(buffer.is_empty());
    assert!(reader.head(&mut buffer, &Bounds::default()).unwrap().is_none());
}

#[test]
fn who_lets_the_connection_live() {
    for (version, connection, lives) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: x, close\r\n", false),
        ("1.1", "Connection: upgrade\r\nconnection: close\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Proxy-Connection: close\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: x ,\tkeep-alive\r\n", true),
        ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.0", "Proxy-Connection: keep-alive\r\n", false),
    ] {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        assert_eq!(accepted(input.as_bytes()).keep_alive, lives, "{version} {connection:?}");
    }
}

#[test]
fn a_100_is_promised_only_where_a_body_follows() {
    for (input, expects) in [
        ("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", true),
        ("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        ("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", false),
        ("PUT / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", false),
        ("PUT / HTTP/1.1\r\nExpect: 100-continue-later\r\nContent-Length: 5\r\n\r\n", false),
        ("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", false),
    ] {
        assert_eq!(accepted(input.as_bytes()).expects_continue, expects, "{input:?}");
    }
}

#[test]
fn every_limit_holds_to_the_byte() {
    let bounds =
        Bounds { target_bytes_max: 20, head_bytes_max: 100, header_count_max: 3, ..Bounds::default() };
    let cause = |input: &str| read_with(input.as_bytes(), &bounds).err().map(|fault| fault.cause);
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 1));
    assert_eq!(cause(&target(20)), None);
    assert_eq!(cause(&target(21)), Some(Cause::TargetTooLong));
    assert_eq!(cause(&target(1000)), Some(Cause::TargetTooLong));
    // Long before its end is seen.
    assert_eq!(cause(&format!("GET /{}", "x".repeat(40))), Some(Cause::TargetTooLong));
    assert_eq!(cause(&"x".repeat(65)), Some(Cause::NotImplemented));
    assert_eq!(cause(&"\"x".repeat(65)), Some(Cause::Malformed));
    assert_eq!(cause(&"x".repeat(64)), None);
    let count = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(count));
    assert_eq!(cause(&count(3)), None);
    assert_eq!(cause(&count(4)), Some(Cause::HeadTooLarge));
    let bytes = |length: usize| format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(length - 23));
    assert_eq!(bytes(100).len(), 100);
    assert_eq!(cause(&bytes(100)), None);
    assert_eq!(cause(&bytes(101)), Some(Cause::HeadTooLarge));
    assert_eq!(cause(&bytes(5000)), Some(Cause::HeadTooLarge));
    let tight = Bounds { head_bytes_max: 30, ..Bounds::default() };
    let long = format!("GET /{}", "x".repeat(40));
    assert_eq!(read_with(long.as_bytes(), &tight).unwrap_err().cause, Cause::HeadTooLarge);
    // A map can't hold as many entries as an operator can allow.
    let generous = Bounds {
        header_count_max: u64::MAX,
        head_bytes_max: u64::MAX,
        target_bytes_max: u64::MAX,
        ..Bounds::default()
    };
    let mut many = "GET / HTTP/1.1\r\n".to_owned();
    for number in 0..40_000 {
        many.push_str(&["x", &number.to_string(), ":\r\n"].concat());
    }
    many.push_str("\r\n");
    assert_eq!(read_with(many.as_bytes(), &generous).unwrap_err().cause, Cause::HeadTooLarge);
    let long = format!("GET / HTTP/1.1\r\n{}: x\r\n\r\n", "n".repeat(70_000));
    assert_eq!(read_with(long.as_bytes(), &generous).unwrap_err().cause, Cause::Malformed);
}

#[test]
fn what_the_operator_reads() {
    for (input, detail) in [
        (
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n".as_slice(),
            "two Content-Length lines",
        ),
        (
            b"GET / HTTP/1.1\r\nSecret\x1b[31m: x\r\n\r\n",
            r"the header name Secret\x1b[31m holds the control byte 0x1b",
        ),
        (b"GET / HTTP/1.1\r\nX-One : x\r\n\r\n", "a blank between the header name X-One and its colon"),
        (b"GET / HTTP/1.1\r\nCookie: secret\x00\r\n\r\n", "the value of cookie holds a NUL byte"),
        (b"GET / HTTP/1.1\nHost: a\n\n", "the request line ends with a bare LF"),
        (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "a header line begins with a blank (a folded line)"),
        (b"GET /\xe9 HTTP/1.1\r\n", "the request target holds the byte 0xe9, which is not ASCII"),
        (b"GET / HTTP/1.7\r\n", "the request is of HTTP/1.7"),
        (b"\x16\x03\x01", "a TLS handshake came where a request should begin"),
    ] {
        assert_eq!(read(input).unwrap_err().detail(), detail);
    }
}

/// Everything that can be told from outside about reading these pieces.
fn outcome(pieces: &mut dyn Iterator<Item = &[u8]>, bounds: &Bounds) -> String {
    let (mut reader, mut buffer, mut given) = (Reader::new(), BytesMut::new(), 0);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        given += piece.len();
        match reader.head(&mut buffer, bounds) {
            Ok(None) => {}
            Ok(Some(parsed)) => return format!("{parsed:?} after {}", given - buffer.len()),
            Err(fault) => return format!("{fault}"),
        }
    }
    "more".to_owned()
}

#[test]
fn the_pieces_never_decide() {
    const PARTS: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b",",
        b"\0",
        b"\x0b",
        b"\xff",
        b"\r\n\r\n",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Transfer_Encoding: x",
        b"Connection: close",
        b"Expect: 100-continue",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        b"#",
        b"a: b\r\n",
    ];
    let bounds =
        Bounds { target_bytes_max: 40, head_bytes_max: 160, header_count_max: 6, ..Bounds::default() };
    let good = b"POST /a/b?c=d HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nX-One: two\r\n\r\nabcGET";
    pieces::never_decide(
        0x2545_f491_4f6c_dd1d,
        good,
        PARTS,
        |pieces| outcome(pieces, &bounds),
        |outcome| outcome.starts_with("Parsed"),
    );
}
