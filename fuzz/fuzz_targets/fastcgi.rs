//! Answers by FastCGI: the same in any pieces, never more than was there, and the head of the answer likewise.
#![no_main]

use bytes::BytesMut;
use doorward::upstream::fastcgi::answer::{Head, HeadReader};
use doorward::upstream::fastcgi::record::{Decoder, End, Event};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Default, PartialEq)]
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    ends: Vec<End>,
    wrong: Option<&'static str>,
    rests: bool,
}

fn hear(data: &[u8], size: usize) -> Heard {
    let (mut decoder, mut input, mut heard) = (Decoder::default(), BytesMut::new(), Heard::default());
    'all: for piece in data.chunks(size) {
        input.extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(Event::Stdout(piece))) => heard.out.extend_from_slice(&piece),
                Ok(Some(Event::Stderr(piece, last))) => {
                    heard.err.extend_from_slice(&piece);
                    heard.err.extend(last.then_some(b'\n'));
                }
                Ok(Some(Event::End(end))) => heard.ends.push(end),
                Ok(None) => break,
                Err(why) => {
                    heard.wrong = Some(why);
                    break 'all;
                }
            }
        }
    }
    heard.rests = heard.wrong.is_none() && decoder.rests(&input);
    heard
}

fn shown(head: &Head) -> String {
    format!("{} {:?} {:?}", head.answer.status(), head.answer.headers(), head.length)
}

/// The head, and how much of the bytes it took.
fn read(data: &[u8], size: usize) -> Result<Option<(String, usize)>, &'static str> {
    let mut reader = HeadReader::default();
    let mut seen = 0;
    for piece in data.chunks(size) {
        seen += piece.len();
        if let Some(head) = reader.read(piece)? {
            assert!(head.first.len() <= seen && data[..seen].ends_with(&head.first));
            assert!((200..600).contains(&head.answer.status().as_u16()));
            return Ok(Some((shown(&head), seen - head.first.len())));
        }
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else { return };
    let size = usize::from(*size).max(1);
    let whole = hear(data, data.len().max(1));
    assert!(whole.out.len() + whole.err.len() <= data.len() + whole.err.iter().filter(|b| **b == b'\n').count());
    assert_eq!(whole, hear(data, size));
    assert_eq!(whole, hear(data, 1));
    for text in [data, &whole.out[..]] {
        let once = read(text, text.len().max(1));
        for size in [size, 1] {
            match (&once, read(text, size)) {
                // Which of two faults is met first may hang on the pieces.
                (Err(_), Err(_)) => {}
                (once, again) => assert_eq!(once, &again),
            }
        }
    }
});
