//! Texts: bytes, whatever they mean.

use std::ops::Range;

use memchr::memmem;
use regex::bytes::Regex;

use super::Failure;

/// What one function may make: more than any header or page that rules write.
const TEXT_MAX: usize = 1 << 20;

fn bounded(length: usize) -> Result<(), Failure> {
    if length > TEXT_MAX { Err("a text would have become longer than a megabyte".into()) } else { Ok(()) }
}

/// The text with the first match, or all, replaced. `\0` to `\9` are groups; a backslash before anything else
/// stands for what follows it. As in Varnish, only the first match may be empty.
pub fn replace_matches(pattern: &Regex, text: &[u8], with: &[u8], all: bool) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(text.len() + with.len());
    let (mut copied, mut from, mut is_first) = (0, 0, true);
    while from <= text.len() {
        let Some(groups) = pattern.captures_at(text, from) else { break };
        let Some(found) = groups.get(0) else { break };
        if found.is_empty() && !is_first {
            from = found.end() + 1;
            continue;
        }
        is_first = false;
        out.extend_from_slice(text.get(copied..found.start()).unwrap_or_default());
        expand(with, &mut out, |group| groups.get(group).map_or(b"".as_slice(), |found| found.as_bytes()))?;
        (copied, from) = (found.end(), found.end());
        if !all {
            break;
        }
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
    Ok(out)
}

/// Bounded as it grows: the groups of every match may be as long as the text, and so may what replaces them.
fn expand<'t>(with: &[u8], out: &mut Vec<u8>, group: impl Fn(usize) -> &'t [u8]) -> Result<(), Failure> {
    let mut bytes = with.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek().copied()) {
            (b'\\', Some(digit @ b'0'..=b'9')) => {
                out.extend_from_slice(group(usize::from(digit - b'0')));
                bounded(out.len())?;
                bytes.next();
            }
            (b'\\', Some(other)) => {
                out.push(other);
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    bounded(out.len())
}

pub(super) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    memmem::find(text, what)
}

pub(super) fn replace(text: &[u8], what: &[u8], with: &[u8], all: bool) -> Result<Vec<u8>, Failure> {
    if what.is_empty() {
        return Ok(text.to_vec());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find(rest, what) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(with);
        bounded(out.len())?;
        rest = rest.get(at + what.len()..).unwrap_or_default();
        if !all {
            break;
        }
    }
    out.extend_from_slice(rest);
    Ok(out)
}

pub(super) fn repeat(text: &[u8], times: i64) -> Result<Vec<u8>, Failure> {
    let times = usize::try_from(times).unwrap_or(0);
    bounded(text.len().saturating_mul(times))?;
    Ok(text.repeat(times))
}

pub(super) fn pad(text: &[u8], width: i64, with: &[u8]) -> Result<Vec<u8>, Failure> {
    let wanted = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
    let missing = wanted.saturating_sub(text.len());
    if missing == 0 || with.is_empty() {
        return Ok(text.to_vec());
    }
    bounded(wanted)?;
    let filling: Vec<u8> = with.iter().copied().cycle().take(missing).collect();
    Ok(if width < 0 { [text, &filling].concat() } else { [&filling, text].concat() })
}

/// The last piece of a path, as `basename` of a shell has it.
pub(super) fn basename(path: &[u8]) -> &[u8] {
    let trimmed = without_slashes(path);
    if trimmed.is_empty() {
        return if path.is_empty() { b"." } else { b"/" };
    }
    trimmed.rsplit(|byte| *byte == b'/').next().unwrap_or(trimmed)
}

/// The path without its last piece, as `dirname` of a shell has it.
pub(super) fn dirname(path: &[u8]) -> &[u8] {
    let trimmed = without_slashes(path);
    match memchr::memrchr(b'/', trimmed) {
        None if trimmed.is_empty() && !path.is_empty() => b"/",
        None => b".",
        Some(at) => {
            let before = without_slashes(trimmed.get(..at).unwrap_or_default());
            if before.is_empty() { b"/" } else { before }
        }
    }
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    path.get(..end).unwrap_or_default()
}

/// Which of so many bytes or characters a piece is.
pub(super) fn piece(length: usize, offset: i64, wanted: Option<i64>) -> Option<Range<usize>> {
    let length = i64::try_from(length).ok()?;
    let start = if offset < 0 { length.checked_add(offset)? } else { offset };
    if !(0..=length).contains(&start) {
        return None;
    }
    let end = match wanted {
        None => length,
        Some(wanted) if wanted < 0 => length.checked_add(wanted)?,
        Some(wanted) => start.saturating_add(wanted).min(length),
    };
    (end >= start).then_some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

pub(super) fn characters(text: &[u8], offset: i64, wanted: Option<i64>) -> Option<Vec<u8>> {
    let characters: Vec<char> = std::str::from_utf8(text).ok()?.chars().collect();
    let piece = piece(characters.len(), offset, wanted)?;
    Some(characters.get(piece)?.iter().collect::<String>().into_bytes())
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn hex_digits(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    [digit(byte >> 4), digit(byte & 15)]
}

pub(super) fn url_encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend_from_slice(&hex_digits(byte));
        }
    }
    out
}

/// Up to the first zero byte: a text of rules holds none.
pub(super) fn url_decode(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escaped = match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        at += if escaped.is_some() { 3 } else { 1 };
        let byte = escaped.unwrap_or(byte);
        if byte == 0 {
            break;
        }
        out.push(byte);
    }
    out
}

pub(super) fn cstr_escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0b => out.extend_from_slice(b"\\v"),
            b' '..=b'~' => out.push(byte),
            _ => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&hex_digits(byte).map(|digit| digit.to_ascii_lowercase()));
            }
        }
    }
    out
}

/// What is not UTF-8 becomes U+FFFD, since JSON has no other bytes.
pub(super) fn json_escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            letter if letter < ' ' || letter == '\u{7f}' || letter == '\u{2028}' || letter == '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes());
            }
            letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

pub(super) fn xml_escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&apos;"),
            _ => out.push(byte),
        }
    }
    out
}

/// One part of a header: `name=value` between separators, quoted or not. Names are compared as headers are.
pub(super) fn subfield<'t>(header: &'t [u8], name: &[u8], separator: &[u8]) -> Option<&'t [u8]> {
    let separator = separator.first().copied().unwrap_or(b',');
    let mut quoted = false;
    let parts = header.split(|byte| {
        if *byte == b'"' {
            quoted = !quoted;
        }
        *byte == separator && !quoted
    });
    parts.map(<[u8]>::trim_ascii).find_map(|part| {
        let (key, value) = match memchr::memchr(b'=', part).and_then(|at| part.split_at_checked(at)) {
            Some((key, value)) => (key.trim_ascii_end(), value.get(1..)?.trim_ascii_start()),
            None => (part, b"".as_slice()),
        };
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        key.eq_ignore_ascii_case(name).then(|| bare.unwrap_or(value))
    })
}

/// Whether a status is in a list such as `404,410`, or in none of it after a `!`.
pub(super) fn status_matches(status: i64, list: &[u8]) -> bool {
    let (inverted, list) = match list.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, list),
    };
    let written = status.to_string();
    let listed = list.split(|byte| *byte == b',').any(|one| one.trim_ascii() == written.as_bytes());
    listed != inverted
}

/// The digit that says how a UUID was made.
pub(super) fn uuid_version(text: &[u8]) -> Option<u8> {
    let fits = text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    fits.then(|| text.get(14).copied()).flatten()
}
