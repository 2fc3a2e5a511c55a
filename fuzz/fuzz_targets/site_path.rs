//! The path: what was accepted is canonical, so it is accepted again and stays as it is.
#![no_main]

use doorward::message::path::SitePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = match SitePath::parse(data) {
        Ok(path) => path,
        Err(fault) => {
            assert!(fault.detail().chars().all(|c| !c.is_control()), "a log line: {:?}", fault.detail());
            return;
        }
    };
    let text = path.as_str();
    assert!(text.starts_with('/'), "{text}");
    assert!(text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\')), "{text}");
    assert!(text.split('/').all(|segment| segment != "." && segment != ".."), "{text}");
    assert!(!text.contains("//"), "{text}");
    assert_eq!(SitePath::parse(text.as_bytes()).as_ref(), Ok(&path));
});
