//! The PROXY header: the same in any pieces, never more than was there, and the same again when it is written
//! as version 1.
#![no_main]

use std::net::SocketAddr;

use doorward::listen::proxy::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    let mut first = None;
    for end in 0..=data.len().min(5000) {
        match parse(&data[..end]) {
            Ok(None) => {}
            early => {
                first = Some((end, early));
                break;
            }
        }
    }
    match (whole, first) {
        (Ok(None), None) => {}
        (Ok(Some((used, proxied))), Some((end, Ok(Some((early_used, early)))))) => {
            assert!(used <= data.len() && used == end && used == early_used && proxied == early);
            assert!(used <= 16 + 4096);
            assert_eq!(proxied.source.is_some(), proxied.destination.is_some());
            let (Some(source), Some(destination)) = (proxied.source, proxied.destination) else { return };
            let family = if matches!(source, SocketAddr::V4(_)) { "TCP4" } else { "TCP6" };
            let line = format!(
                "PROXY {family} {} {} {} {}\r\n",
                source.ip(),
                destination.ip(),
                source.port(),
                destination.port()
            );
            assert!(line.len() <= 107);
            let Ok(Some((used, again))) = parse(line.as_bytes()) else { panic!("not read again: {line}") };
            assert!(used == line.len() && again == proxied);
        }
        (Err(whole), Some((_, Err(early)))) => assert_eq!(whole, early),
        _ => panic!("the pieces decide the outcome"),
    }
});
