//! Which bytes of a file are wanted (RFC 9110, 14). Pure, but for the boundary between parts.

use std::fmt::Write as _;

use http::HeaderMap;
use http::header::RANGE;

use crate::base::random;

/// More parts than this are not asked for by whoever wants to read: the whole file is sent.
pub const PARTS_MAX: usize = 16;
/// Two parts with less than this between them are sent as one: the head of a part costs as much.
const GAP: u64 = 80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub at: u64,
    pub length: u64,
}

impl Part {
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.at, self.at + self.length - 1)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    One(Part),
    /// Two at least, in the order of the file, each behind the one before.
    Several(Vec<Part>),
    /// Nothing of it is in the file.
    Nothing,
}

/// What a `Range` asks of a file of this size. One that can't be read, or is of another unit, asks for nothing.
pub fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut lines = headers.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Wanted::Whole };
    let Ok(text) = line.to_str() else { return Wanted::Whole };
    let Some((unit, list)) = text.trim().split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut parts = Vec::new();
    let mut said = 0;
    for member in list.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        said += 1;
        if said > PARTS_MAX {
            return Wanted::Whole;
        }
        match part(member, size) {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => {}
            Err(()) => return Wanted::Whole,
        }
    }
    if said == 0 {
        return Wanted::Whole;
    }
    match joined(parts).as_slice() {
        [] => Wanted::Nothing,
        [one] => Wanted::One(*one),
        several => Wanted::Several(several.to_vec()),
    }
}

/// `0-9`, `10-` or `-5`; `None` where it lies behind the end.
fn part(text: &str, size: u64) -> Result<Option<Part>, ()> {
    let (first, last) = text.split_once('-').ok_or(())?;
    if first.is_empty() {
        let length = number(last)?.min(size);
        return Ok((length > 0).then_some(Part { at: size - length, length }));
    }
    let at = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < at {
        return Err(());
    }
    Ok((at < size).then(|| Part { at, length: last.min(size - 1) - at + 1 }))
}

/// Digits alone. What is larger than any file is behind the end of all.
fn number(text: &str) -> Result<u64, ()> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// In order, and without one byte twice: what is sent is never more than the file.
fn joined(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by_key(|part| part.at);
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(last) if part.at <= last.at + last.length + GAP => {
                last.length = last.length.max(part.at + part.length - last.at);
            }
            _ => joined.push(part),
        }
    }
    joined
}

/// What stands between two parts, and in no file that anybody wrote before.
pub fn boundary() -> String {
    let mut text = String::with_capacity(32);
    for byte in random::bytes::<16>() {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(text: &str, size: u64) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(text).unwrap());
        match wanted(&headers, size) {
            Wanted::Whole => "whole".to_owned(),
            Wanted::Nothing => "nothing".to_owned(),
            Wanted::One(part) => part.content_range(size),
            Wanted::Several(parts) => {
                let parts: Vec<String> =
                    parts.iter().map(|part| format!("{}+{}", part.at, part.length)).collect();
                parts.join(" ")
            }
        }
    }

    #[test]
    fn parts_are_what_the_standard_says() {
        for (text, size, expected) in [
            ("bytes=0-0", 1_000, "bytes 0-0/1000"),
            ("bytes=0-499", 1_000, "bytes 0-499/1000"),
            ("Bytes=500-", 1_000, "bytes 500-999/1000"),
            ("bytes=-500", 1_000, "bytes 500-999/1000"),
            ("bytes=-5000", 1_000, "bytes 0-999/1000"),
            ("bytes=900-5000", 1_000, "bytes 900-999/1000"),
            ("bytes=999-", 1_000, "bytes 999-999/1000"),
            ("bytes=1000-", 1_000, "nothing"),
            ("bytes=-0", 1_000, "nothing"),
            ("bytes=0-", 0, "nothing"),
            ("bytes=-1", 0, "nothing"),
            ("bytes=0-0,1000-", 1_000, "bytes 0-0/1000"),
            ("bytes=1000-,2000-", 1_000, "nothing"),
            ("bytes=5-4", 1_000, "whole"),
            ("bytes=a-", 1_000, "whole"),
            ("bytes=+1-2", 1_000, "whole"),
            ("bytes=1-2;3", 1_000, "whole"),
            ("bytes=", 1_000, "whole"),
            ("bytes=-", 1_000, "whole"),
            ("bytes 0-1", 1_000, "whole"),
            ("items=0-1", 1_000, "whole"),
            ("bytes=0-99999999999999999999999", 1_000, "bytes 0-999/1000"),
            ("bytes=99999999999999999999999-", 1_000, "nothing"),
            ("bytes=18446744073709551615-", 1_000, "nothing"),
            ("bytes=0-18446744073709551615", 1_000, "bytes 0-999/1000"),
            ("bytes=0-9, ,500-509", 1_000, "0+10 500+10"),
            ("bytes=500-509,0-9", 1_000, "0+10 500+10"),
            // What lies close, or on each other, is one.
            ("bytes=0-9,20-29", 1_000, "bytes 0-29/1000"),
            ("bytes=0-,0-,0-", 1_000, "bytes 0-999/1000"),
            ("bytes=0-499,100-199,800-", 1_000, "0+500 800+200"),
        ] {
            assert_eq!(asked(text, size), expected, "{text} of {size}");
        }
        let many = (0..20).map(|at| format!("{}-{}", at * 1_000, at * 1_000 + 1)).collect::<Vec<_>>();
        assert_eq!(asked(&format!("bytes={}", many.join(",")), 100_000), "whole");
        let few = many.get(..PARTS_MAX).unwrap().join(",");
        assert_eq!(asked(&format!("bytes={few}"), 100_000).split(' ').count(), PARTS_MAX);
    }

    #[test]
    fn two_lines_are_no_range() {
        let mut headers = HeaderMap::new();
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(wanted(&headers, 10), Wanted::Whole);
        assert_eq!(wanted(&HeaderMap::new(), 10), Wanted::Whole);
    }

    #[test]
    fn what_is_sent_is_never_more_than_the_file() {
        for text in ["bytes=0-,1-,2-,3-,4-", "bytes=0-5,3-8,-4", "bytes=9-9,0-0,-1"] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_str(text).unwrap());
            let sent: u64 = match wanted(&headers, 10) {
                Wanted::One(part) => part.length,
                Wanted::Several(parts) => parts.iter().map(|part| part.length).sum(),
                Wanted::Whole | Wanted::Nothing => 0,
            };
            assert!((1..=10).contains(&sent), "{text}");
        }
        assert_ne!(boundary(), boundary());
    }
}
