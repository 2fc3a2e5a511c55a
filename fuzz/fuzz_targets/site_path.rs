//! The path: what was accepted is canonical, so it is accepted again and stays as it is.
#![no_main]

use doorward::message::path::{EncodedSlash, SitePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for slash in [EncodedSlash::Refuse, EncodedSlash::Keep] {
        let Ok(path) = SitePath::parse(data, slash) else { continue };
        let text = path.as_str();
        assert!(text.starts_with('/'), "{text}");
        assert!(text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\')), "{text}");
        assert!(text.split('/').all(|segment| segment != "." && segment != ".."), "{text}");
        assert!(!text.contains("//"), "{text}");
        let again = SitePath::parse(text.as_bytes(), slash);
        assert_eq!(again.as_ref().map(SitePath::as_str).ok(), Some(text));
    }
});
