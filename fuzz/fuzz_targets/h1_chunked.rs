//! A chunked body against itself in other pieces, and against hyper: what is complete to us must be complete to
//! hyper, with the same data and the same trailers.
#![no_main]

use bytes::BytesMut;
use doorward::base::bound::Bounds;
use doorward::front::h1::chunked::{Decoder, Event};
use doorward_fuzz::{Hyper, arrivals, hyper};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, PartialEq)]
struct Outcome {
    data: Vec<u8>,
    end: Result<Option<Option<HeaderMap>>, String>,
    left_over: usize,
}

fn ours(pieces: &[&[u8]], bounds: &Bounds) -> Outcome {
    let (mut decoder, mut buffer, mut data) = (Decoder::new(bounds), BytesMut::new(), Vec::new());
    let mut left_over: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        left_over -= piece.len();
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Event::NeedMore) => break,
                Ok(Event::Data(bytes)) => {
                    assert!(!bytes.is_empty());
                    data.extend_from_slice(&bytes);
                }
                Ok(Event::End(trailers)) => {
                    assert!(decoder.is_done());
                    return Outcome { data, end: Ok(Some(trailers)), left_over: left_over + buffer.len() };
                }
                Err(fault) => {
                    assert!(
                        fault.detail().chars().all(|c| !c.is_control()),
                        "a log line: {:?}",
                        fault.detail()
                    );
                    assert!(decoder.decode(&mut buffer).is_err());
                    return Outcome { data, end: Err(fault.to_string()), left_over: 0 };
                }
            }
        }
    }
    assert!(!decoder.is_done());
    Outcome { data, end: Ok(None), left_over: 0 }
}

fuzz_target!(|data: &[u8]| {
    let bounds = Bounds { head_bytes_max: 1 << 10, header_count_max: 20, ..Bounds::default() };
    let [whole, two, bytes] = arrivals(data);
    let outcome = ours(&whole, &bounds);
    assert_eq!(outcome, ours(&two, &bounds));
    assert_eq!(outcome, ours(&bytes, &bounds));
    let Ok(Some(trailers)) = outcome.end else { return };
    let mut request = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    request.extend_from_slice(&data[..data.len() - outcome.left_over]);
    let Hyper::Accepted(seen) = hyper(&request) else { panic!("hyper did not take the head") };
    assert!(seen.body_complete, "complete, and not to hyper");
    assert_eq!(outcome.data, seen.body);
    assert_eq!(trailers, seen.trailers);
});
