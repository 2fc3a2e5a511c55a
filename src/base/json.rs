//! Text as JSON has it between quotes, for what is written for programs.

use std::fmt::Write as _;

/// Puts a text, quotes included.
pub fn text(into: &mut String, text: &str) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => into.extend(['\\', c]),
            '\n' => into.push_str("\\n"),
            c if c.is_control() => {
                // Writing to a String can't fail.
                let _ = write!(into, "\\u{:04x}", u32::from(c));
            }
            c => into.push(c),
        }
    }
    into.push('"');
}

/// The same, alone.
pub fn quoted(written: &str) -> String {
    let mut out = String::with_capacity(written.len() + 2);
    text(&mut out, written);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_json_is_written_out() {
        assert_eq!(quoted("a\"b\\c\n\u{1}ü"), "\"a\\\"b\\\\c\\n\\u0001ü\"");
    }
}
