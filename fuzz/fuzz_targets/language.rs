//! Rules: whatever a file says, it is read, judged and laid out in bounded time, and nothing panics. What was laid
//! out stays as it is, and is judged as before; what compiled runs.
#![no_main]

use std::path::Path;

use doorward::language::{self, Memory};
use doorward::settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let main = Path::new("main.vcl");
    // Two files, where a NUL parts them: the second is what the first may include.
    let (first, second) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    let files = Memory::default().with("main.vcl", 0o644, first).with("a.vcl", 0o600, second);
    let tree = language::read(&files, main, &|name| (name == "A").then(|| "value".to_owned()));
    let compiled = settings::compile(&tree);
    if let Err(faults) = &compiled {
        assert!(faults.has_errors());
        assert!(!faults.draw().is_empty() && !faults.lines().is_empty() && !faults.json().is_empty());
    }
    let Ok(text) = std::str::from_utf8(first) else { return };
    if let Ok(laid) = language::format::text(text, main) {
        let again = language::format::text(&laid, main).expect("what was laid out can be read");
        assert_eq!(laid, again, "it stays as it is");
        let files = Memory::default().with("main.vcl", 0o644, laid).with("a.vcl", 0o600, second);
        let tree = language::read(&files, main, &|name| (name == "A").then(|| "value".to_owned()));
        assert_eq!(settings::compile(&tree).is_ok(), compiled.is_ok(), "it means what it meant");
    }
});
