//! What holds for any text that is taken for rules. The fuzzer asks it, and so does `cargo test`, for a bounded time.

use std::path::Path;

use doorward::language::{self, Memory};
use doorward::settings;

/// Whatever a file says, it is read, judged and laid out, and nothing panics. What was laid out stays as it is,
/// and is judged as before. Where a NUL parts the text, what follows it is a second file, `a.vcl`.
pub fn hold(data: &[u8]) {
    let (first, second) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => data.split_at(at),
        None => (data, &[][..]),
    };
    let second = second.get(1..).unwrap_or_default();
    let compiles = judged(first, second);
    let Ok(text) = std::str::from_utf8(first) else { return };
    if let Ok(laid) = language::format::text(text, Path::new("main.vcl")) {
        let again = language::format::text(&laid, Path::new("main.vcl"));
        assert_eq!(again.as_ref().ok(), Some(&laid), "what was laid out stays as it is");
        assert_eq!(judged(laid.as_bytes(), second), compiles, "what was laid out means what it meant");
    }
}

/// Whether it compiles; what is wrong can be shown in every form.
fn judged(first: &[u8], second: &[u8]) -> bool {
    let files = Memory::default().with("main.vcl", 0o644, first).with("a.vcl", 0o600, second);
    let environment = |name: &str| (name == "A").then(|| "value".to_owned());
    let tree = language::read(&files, Path::new("main.vcl"), &environment);
    match settings::compile(&tree) {
        Ok(_) => true,
        Err(faults) => {
            assert!(faults.has_errors(), "there is a reason");
            assert!(!faults.draw().is_empty() && !faults.lines().is_empty() && !faults.json().is_empty());
            false
        }
    }
}
