//! Tables of bodies and what each gets, and the same bodies in pieces.

use super::*;
use crate::base::cause::Cause;
use crate::front::h1::tests::pieces;

#[derive(Debug, PartialEq)]
struct Outcome {
    data: Vec<u8>,
    /// `None`: more is needed.
    end: Option<Result<Vec<(String, String)>, Fault>>,
    left_over: usize,
}

fn outcome(pieces: &mut dyn Iterator<Item = &[u8]>, bounds: &Bounds) -> Outcome {
    let (mut decoder, mut buffer, mut data) = (Decoder::new(bounds), BytesMut::new(), Vec::new());
    let mut end = None;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while end.is_none() {
            match decoder.decode(&mut buffer) {
                Ok(Event::NeedMore) => break,
                Ok(Event::Data(bytes)) => {
                    assert!(!bytes.is_empty());
                    data.extend_from_slice(&bytes);
                }
                Ok(Event::End(trailers)) => {
                    let text = |(n, v): (&http::HeaderName, &http::HeaderValue)| {
                        (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())
                    };
                    end = Some(Ok(trailers.iter().flatten().map(text).collect()));
                    assert!(decoder.is_done());
                }
                Err(fault) => {
                    assert!(fault.detail().chars().all(|c| !c.is_control()), "{:?}", fault.detail());
                    assert!(decoder.decode(&mut buffer).is_err(), "a fault is final");
                    end = Some(Err(fault));
                }
            }
        }
    }
    assert_eq!(decoder.is_done(), matches!(end, Some(Ok(_))));
    let left_over = if decoder.is_done() { buffer.len() } else { 0 };
    Outcome { data, end, left_over }
}

fn read(input: &[u8]) -> Outcome {
    outcome(&mut std::iter::once(input), &Bounds::default())
}

#[test]
fn bodies_that_are_refused() {
    use Cause::{Framing, Malformed};
    let table: &[(&[u8], Cause)] = &[
        // Sizes
        (b"0x5\r\nhello\r\n0\r\n\r\n", Framing),
        (b"0X5\r\nhello\r\n0\r\n\r\n", Framing),
        (b"+5\r\nhello\r\n0\r\n\r\n", Framing),
        (b"-5\r\nhello\r\n0\r\n\r\n", Framing),
        (b"-0\r\n\r\n", Framing),
        (b"5 \r\nhello\r\n0\r\n\r\n", Framing),
        (b"5\t\r\nhello\r\n0\r\n\r\n", Framing),
        (b" 5\r\nhello\r\n0\r\n\r\n", Framing),
        (b"\t5\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5 5\r\nhello\r\n", Framing),
        (b"5_0\r\nhello\r\n", Framing),
        (b"5,\r\nhello\r\n", Framing),
        (b"5.0\r\nhello\r\n", Framing),
        (b"5h\r\nhello\r\n", Framing),
        (b"g\r\nhello\r\n", Framing),
        (b"\r\nhello\r\n", Framing),
        (b"\n5\r\nhello\r\n", Framing),
        (b";a=b\r\nhello\r\n", Framing),
        (b"\"5\"\r\nhello\r\n", Framing),
        (b"5\x00\r\nhello\r\n", Framing),
        (b"\x005\r\nhello\r\n", Framing),
        (b"\xef\xbc\x95\r\nhello\r\n", Framing),
        (b"5\x0b\r\nhello\r\n", Framing),
        (b"00000000000000005\r\nhello\r\n", Framing),
        (b"10000000000000000\r\nhello\r\n", Framing),
        (b"10000000000000005\r\nhello\r\n", Framing),
        (b"ffffffffffffffff\r\nhello\r\n", Framing),
        (b"8000000000000000\r\nhello\r\n", Framing),
        (b"fffffffffffffffff\r\nhello\r\n", Framing),
        // Ends of lines
        (b"5\nhello\r\n0\r\n\r\n", Framing),
        (b"5\rhello\r\n0\r\n\r\n", Framing),
        (b"5\r\rhello\r\n0\r\n\r\n", Framing),
        (b"5\r\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5\n\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5\r\nhello\n0\r\n\r\n", Framing),
        (b"5\r\nhello\r0\r\n\r\n", Framing),
        (b"5\r\nhello0\r\n\r\n", Framing),
        (b"5\r\nhelloXX0\r\n\r\n", Framing),
        (b"5\r\nhello\r\r\n0\r\n\r\n", Framing),
        (b"5\r\nhello\n\r\n0\r\n\r\n", Framing),
        (b"5\r\nhello \r\n0\r\n\r\n", Framing),
        (b"4\r\nhello\r\n0\r\n\r\n", Framing),
        (b"6\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5\r\nhello\r\n\r\n0\r\n\r\n", Framing),
        (b"0\n\r\n", Framing),
        (b"0\r\r\n\r\n", Framing),
        (b"0\r\n\n", Malformed),
        // Extensions
        (b"5;\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;;a\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a;\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;=b\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a==b\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=b \r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a \r\nhello\r\n0\r\n\r\n", Framing),
        (b"5; \r\nhello\r\n0\r\n\r\n", Framing),
        (b"5 ;\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5 =a\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5 a\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a= \r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=b c\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=b =c\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a\x0b=b\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a b\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a\x00b\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=b\x01\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\xff\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a\rb\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a\r\rhello\r\n0\r\n\r\n", Framing),
        (b"5;\nhello\r\n0\r\n\r\n", Framing),
        (b"2;\nxx\r\n4c\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n", Framing),
        (b"5;a=\"b\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\"b\nc\"\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\"b\x7f\"\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\"b\x00\"\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\"b\\\r\"\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;a=\"b\" \r\nhello\r\n0\r\n\r\n", Framing),
        (b"5;\"a\"\r\nhello\r\n0\r\n\r\n", Framing),
        (b"0;\r\n\r\n", Framing),
        // Trailers
        (b"0\r\nContent-Length: 5\r\n\r\n", Framing),
        (b"0\r\ncontent-length: 5\r\n\r\n", Framing),
        (b"0\r\nTransfer-Encoding: chunked\r\n\r\n", Framing),
        (b"0\r\nHost: a\r\n\r\n", Framing),
        (b"0\r\nContent_Length: 5\r\n\r\n", Framing),
        (b"0\r\nTransfer_Encoding: chunked\r\n\r\n", Framing),
        (b"0\r\nX : 1\r\n\r\n", Malformed),
        (b"0\r\n X: 1\r\n\r\n", Malformed),
        (b"0\r\nX: 1\r\n 2\r\n\r\n", Malformed),
        (b"0\r\nX: 1\n\r\n", Malformed),
        (b"0\r\nX: 1\n\n", Malformed),
        (b"0\r\nX: a\rb\r\n\r\n", Malformed),
        (b"0\r\nX: a\x00\r\n\r\n", Malformed),
        (b"0\r\nX\r\n\r\n", Malformed),
        (b"0\r\n: x\r\n\r\n", Malformed),
        (b"0\r\n\r\r\n\r\n", Malformed),
        (b"0\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n", Malformed),
    ];
    for (input, expected) in table {
        let outcome = read(input);
        let cause = outcome.end.and_then(Result::err).map(|fault| fault.cause);
        assert_eq!(cause, Some(*expected), "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn unusual_bodies_that_are_valid() {
    let table: &[(&[u8], &[u8])] = &[
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"0000000000000000\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"0000000000000005\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", b"ab"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
        (b"1\r\n\x00\r\n0\r\n\r\n", b"\x00"),
        (b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5 ;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\t ; a = b\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a =\tb ; c ;d= \"e\" ;f\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a;b=c;d\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"b c\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"b;c=\\\"d\\\\\";e\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"\xc3\xa9\t\\\xe9\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n0;last\r\n\r\n", b"hello"),
    ];
    for (input, data) in table {
        let next = [input, b"GET".as_slice()].concat();
        assert_eq!(
            read(&next),
            Outcome { data: data.to_vec(), end: Some(Ok(vec![])), left_over: 3 },
            "{:?}",
            String::from_utf8_lossy(input)
        );
    }
    let trailers = read(b"1\r\nx\r\n0\r\nDigest: abc\r\nX:\r\nx: \xff \r\n\r\nGET");
    let pairs = [("digest", "abc"), ("x", ""), ("x", "\u{fffd}")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(trailers, Outcome { data: b"x".to_vec(), end: Some(Ok(pairs.to_vec())), left_over: 3 });
}

#[test]
fn every_limit_holds() {
    let bounds = Bounds { head_bytes_max: 40, header_count_max: 2, ..Bounds::default() };
    let cause = |input: &str| {
        outcome(&mut std::iter::once(input.as_bytes()), &bounds)
            .end
            .and_then(Result::err)
            .map(|fault| fault.cause)
    };
    assert_eq!(cause("0\r\na:\r\nb:\r\n\r\n"), None);
    assert_eq!(cause("0\r\na:\r\nb:\r\nc:\r\n\r\n"), Some(Cause::HeadTooLarge));
    assert_eq!(cause(&format!("0\r\na: {}\r\n\r\n", "x".repeat(33))), None);
    assert_eq!(cause(&format!("0\r\na: {}\r\n\r\n", "x".repeat(34))), Some(Cause::HeadTooLarge));
    assert_eq!(cause(&format!("0\r\n{}", "x".repeat(41))), Some(Cause::HeadTooLarge));
    // In one chunk, or a little in each of many.
    assert_eq!(cause(&format!("1;{}", "x".repeat(17_000))), Some(Cause::Framing));
    assert_eq!(cause(&format!("1;{}\r\nx\r\n", "x".repeat(99)).repeat(150)), None);
    assert_eq!(cause(&format!("1;{}\r\nx\r\n", "x".repeat(99)).repeat(170)), Some(Cause::Framing));
}

#[test]
fn a_chunk_of_any_size_streams() {
    let mut decoder = Decoder::new(&Bounds::default());
    let mut buffer = BytesMut::from(&b"7fffffffffffffff\r\n"[..]);
    assert!(matches!(decoder.decode(&mut buffer), Ok(Event::NeedMore)));
    for _ in 0..10 {
        buffer.extend_from_slice(&[b'x'; 4096]);
        assert!(matches!(decoder.decode(&mut buffer), Ok(Event::Data(data)) if data.len() == 4096));
        assert!(matches!(decoder.decode(&mut buffer), Ok(Event::NeedMore)));
    }
    assert!(!decoder.is_done());
}

#[test]
fn a_body_that_breaks_off_never_ends() {
    let whole: &[u8] = b"5;a=\"b\"\r\nhello\r\n1\r\nx\r\n0\r\nX: y\r\n\r\n";
    for end in 0..whole.len() {
        let outcome = read(&whole[..end]);
        assert_eq!(outcome.end, None, "after {end} bytes");
    }
    assert!(matches!(read(whole).end, Some(Ok(_))));
}

#[test]
fn the_pieces_never_decide() {
    const PARTS: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"0",
        b"5",
        b"f",
        b"ffffffff",
        b";",
        b"=",
        b"\"",
        b"\\",
        b"a",
        b"\0",
        b"\xff",
        b"0\r\n",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"a: b\r\n",
        b"Host: x\r\n",
        b";a=b",
    ];
    let bounds = Bounds { head_bytes_max: 24, header_count_max: 3, ..Bounds::default() };
    let good = b"5\r\nhello\r\n3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1";
    pieces::never_decide(
        0x9e37_79b9_7f4a_7c15,
        good,
        PARTS,
        |pieces| outcome(pieces, &bounds),
        |outcome| matches!(outcome.end, Some(Ok(_))),
    );
}
