//! Places as an editor counts them: lines from zero, columns in units of its encoding.

use lsp_types::{Position, Range};

/// What a column counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
}

/// The position of a byte. One beyond the end is the end.
pub fn position(text: &str, offset: usize, encoding: Encoding) -> Position {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = text.get(..offset).unwrap_or("");
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = width(before.get(start..).unwrap_or(""), encoding);
    Position { line: count(line), character: count(column) }
}

/// The byte at a position; a column beyond its line is the line's end.
pub fn offset(text: &str, position: Position, encoding: Encoding) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let line = text.get(start..).unwrap_or("");
    let line = line.split('\n').next().unwrap_or("").trim_end_matches('\r');
    let mut left = position.character as usize;
    for (at, c) in line.char_indices() {
        if left == 0 {
            return start + at;
        }
        let wide = match encoding {
            Encoding::Utf8 => c.len_utf8(),
            Encoding::Utf16 => c.len_utf16(),
        };
        // In the midst of a character: its beginning.
        if left < wide {
            return start + at;
        }
        left -= wide;
    }
    start + line.len()
}

pub fn range(text: &str, start: usize, end: usize, encoding: Encoding) -> Range {
    Range { start: position(text, start, encoding), end: position(text, end, encoding) }
}

fn width(text: &str, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Utf8 => text.len(),
        Encoding::Utf16 => text.encode_utf16().count(),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_to_the_bytes_they_were_made_from() {
        let text = "a = \"ü😀\";\r\nb\n\nlast";
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            for (at, _) in text.char_indices().filter(|(_, c)| *c != '\r' && *c != '\n') {
                let there = position(text, at, encoding);
                assert_eq!(offset(text, there, encoding), at, "{encoding:?} {there:?}");
            }
        }
        assert_eq!(position(text, 11, Encoding::Utf16), Position { line: 0, character: 8 });
        assert_eq!(position(text, 11, Encoding::Utf8), Position { line: 0, character: 11 });
        assert_eq!(position(text, 999, Encoding::Utf8), Position { line: 3, character: 4 });
        assert_eq!(offset(text, Position { line: 9, character: 9 }, Encoding::Utf8), text.len());
        assert_eq!(offset(text, Position { line: 1, character: 9 }, Encoding::Utf8), 16);
        assert_eq!(offset(text, Position { line: 0, character: 7 }, Encoding::Utf16), 7);
    }
}
