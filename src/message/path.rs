//! The path of a request in its one canonical form, and the query behind it.
//!
//! Canonical is: split at `/`, each segment percent-decoded once, `.` and `..` resolved, `//` merged,
//! written again one fixed way. Letters, digits, `-._~`, `!$&'()*+,;=` and `:@` stand as themselves
//! (so `%41` is `A`, `%21svn` is `!svn` and `C%2B%2B` is `C++`); all else is `%XX` in capitals.
//! What has two readings is refused, but for one thing: an encoded slash stays `%2F` and is marked, because
//! only the route knows whether its backend can take it (`ambiguous`).

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;

use crate::base::cause::Cause;
use crate::base::fault::Fault;

/// Longest canonical path, and longest query. Together they stay below what a URI of the `http` crate
/// holds (65,534 bytes), so that a target made of both always exists.
const LONGEST: usize = 32_000;

/// A canonical path. It exists in valid form only; what is decided on is what is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SitePath {
    /// The path alone, never a query. This type because backends are sent one and it reads as `&str` for free.
    text: PathAndQuery,
    encoded_slash: bool,
    params: bool,
}

/// How a backend might cut a path into segments. Some decode `%2F` before they cut; some (servlet
/// containers) take `;…` for parameters and drop it, before or after they decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    slash_decoded: bool,
    params: Params,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Params {
    Kept,
    /// Dropped up to the next `/` or `%2F`.
    DroppedAfterDecoding,
    /// Dropped up to the next `/`, `%2F` included.
    DroppedBeforeDecoding,
}

impl Reading {
    const LITERAL: Self = Self { slash_decoded: false, params: Params::Kept };
    const OTHERS: [Self; 4] = [
        Self { slash_decoded: true, params: Params::Kept },
        Self { slash_decoded: false, params: Params::DroppedBeforeDecoding },
        Self { slash_decoded: true, params: Params::DroppedBeforeDecoding },
        Self { slash_decoded: true, params: Params::DroppedAfterDecoding },
    ];
}

impl SitePath {
    /// Reads a path as it was sent.
    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        match canonical_already(raw) {
            Some(params) => Self::canonical(Bytes::copy_from_slice(raw), params),
            None => Self::normalised(raw, &SENT),
        }
    }

    /// Like `parse`; a path that is canonical already is not copied.
    pub fn read(raw: Bytes) -> Result<Self, Fault> {
        match canonical_already(&raw) {
            Some(params) => Self::canonical(raw, params),
            None => Self::normalised(&raw, &SENT),
        }
    }

    /// Reads a path as an operator writes it in the rules: spaces and letters of any script stand as
    /// themselves, `%XX` means what it means in an address.
    pub fn literal(text: &str) -> Result<Self, Fault> {
        Self::normalised(text.as_bytes(), &WRITTEN)
    }

    /// The target `*` of `OPTIONS`: the server itself. It has no segments, so the root's route decides.
    pub fn asterisk() -> Self {
        Self { text: PathAndQuery::from_static("*"), encoded_slash: false, params: false }
    }

    pub fn as_str(&self) -> &str {
        self.text.path()
    }

    /// Whether it holds an encoded slash, so that a backend might read it in another way than the gateway.
    /// Refused after routing, unless the route keeps them.
    pub const fn ambiguous(&self) -> bool {
        self.encoded_slash
    }

    /// The segments between slashes, as they are written; a trailing slash adds none.
    pub fn segments(&self) -> Segments<'_> {
        self.segments_in(Reading::LITERAL)
    }

    /// The segments as a backend might see them that reads the path in another way.
    pub fn segments_in(&self, reading: Reading) -> Segments<'_> {
        let rest = if self.as_str() == "*" { "" } else { self.as_str() };
        Segments { rest, reading }
    }

    /// Every other way to cut this path; empty for all but paths with `%2F` or `;`.
    pub fn other_readings(&self) -> impl Iterator<Item = Reading> + use<> {
        let (slash, params) = (self.encoded_slash, self.params);
        Reading::OTHERS.into_iter().filter(move |reading| {
            (slash || !reading.slash_decoded) && (params || reading.params == Params::Kept)
        })
    }

    /// The path, and a query behind it. Costs no copy without one.
    pub fn target_with(&self, query: Option<&Query>) -> PathAndQuery {
        let Some(query) = query else { return self.text.clone() };
        let mut target = BytesMut::with_capacity(self.text.as_str().len() + 1 + query.0.len());
        target.extend_from_slice(self.text.as_str().as_bytes());
        target.extend_from_slice(b"?");
        target.extend_from_slice(&query.0);
        // Both parts exist in valid form only, and are bounded so that together they fit.
        PathAndQuery::from_maybe_shared(target.freeze()).unwrap_or_else(|_| self.text.clone())
    }

    fn canonical(text: Bytes, params: bool) -> Result<Self, Fault> {
        Ok(Self { text: target(text)?, encoded_slash: false, params })
    }

    fn normalised(raw: &[u8], alphabet: &Alphabet) -> Result<Self, Fault> {
        let Some((b'/', rest)) = raw.split_first() else {
            return Err(bad("the path does not begin with a slash"));
        };
        let mut text = Vec::with_capacity(raw.len() + 16);
        let mut segment = Vec::new();
        let mut ends_in_slash = false;
        for sent in rest.split(|byte| *byte == b'/') {
            segment.clear();
            decode(sent, alphabet, &mut segment)?;
            // The path names a folder when nothing, or a dot, stands behind its last slash.
            ends_in_slash = true;
            match &segment[..] {
                b"" | b"." => {}
                b".." => match text.iter().rposition(|byte| *byte == b'/') {
                    Some(cut) => text.truncate(cut),
                    None => return Err(bad("the path climbs above the root")),
                },
                name => {
                    check(name)?;
                    ends_in_slash = false;
                    encode(name, &mut text);
                    if text.len() > LONGEST {
                        return Err(Cause::TargetTooLong.into());
                    }
                }
            }
        }
        if ends_in_slash {
            text.push(b'/');
        }
        // Marked by what is left of it: that alone is decided on, and sent.
        let encoded_slash = text.windows(3).any(|three| three == b"%2F");
        let params = text.contains(&b';');
        Ok(Self { text: target(text.into())?, encoded_slash, params })
    }
}

/// Names between slashes; empty ones are skipped.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: &'a str,
    reading: Reading,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        const ENCODED: &str = "%2F";
        while !self.rest.is_empty() {
            let (whole, after) = self.rest.split_once('/').unwrap_or((self.rest, ""));
            let (mut name, mut rest) = (whole, after);
            if self.reading != Reading::LITERAL {
                let sent = self.rest;
                if self.reading.slash_decoded
                    && let Some((first, _)) = whole.split_once(ENCODED)
                {
                    name = first;
                    rest = sent.get(first.len() + ENCODED.len()..).unwrap_or("");
                }
                if self.reading.params != Params::Kept
                    && let Some((first, _)) = name.split_once(';')
                {
                    name = first;
                    if self.reading.params == Params::DroppedBeforeDecoding {
                        rest = after;
                    }
                }
            }
            self.rest = rest;
            if !name.is_empty() {
                return Some(name);
            }
        }
        None
    }
}

/// The query of a request, without its `?`, as it was sent: what it means is the backend's business.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query(Bytes);

impl Query {
    /// Printable ASCII but `"`, `#`, `<`, `>`, which no browser sends unencoded.
    pub fn read(raw: Bytes) -> Result<Self, Fault> {
        if raw.len() > LONGEST {
            return Err(Cause::TargetTooLong.into());
        }
        if raw.iter().all(|byte| of(&QUERY, *byte)) {
            return Ok(Self(raw));
        }
        Err(Fault::with(Cause::Malformed, "the query holds a byte that must be percent-encoded"))
    }

    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        Self::read(Bytes::copy_from_slice(raw))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

type Alphabet = [bool; 256];

const fn of(alphabet: &Alphabet, byte: u8) -> bool {
    // A byte always finds its place in 256.
    #[allow(clippy::indexing_slicing)]
    alphabet[byte as usize]
}

const fn alphabet(also: &[u8], but: &[u8], non_ascii: bool) -> Alphabet {
    let mut table = [false; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing)]
    while byte < 256 {
        table[byte] = matches!(byte, 0x21..=0x7e) || (non_ascii && byte >= 0x80);
        byte += 1;
    }
    let mut at = 0;
    #[allow(clippy::indexing_slicing)]
    while at < also.len() {
        table[also[at] as usize] = true;
        at += 1;
    }
    at = 0;
    #[allow(clippy::indexing_slicing)]
    while at < but.len() {
        table[but[at] as usize] = false;
        at += 1;
    }
    table
}

/// What may stand unencoded in a path that was sent: the grammar of RFC 3986, and `[ ] ^ |`, which
/// browsers leave as typed.
const SENT: Alphabet = alphabet(b"", b"\"#<>?\\`{}", false);
/// What may stand unencoded in a path that an operator wrote.
const WRITTEN: Alphabet = alphabet(b" ", b"#?\\", true);
/// What may stand unencoded in a query.
const QUERY: Alphabet = alphabet(b"", b"\"#<>", false);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Has to be looked at, or is written in another way.
    Other,
    Plain,
    Slash,
    Dot,
    Semicolon,
}

const SHAPES: [Shape; 256] = {
    let mut table = [Shape::Other; 256];
    let mut byte: u8 = 0;
    #[allow(clippy::indexing_slicing)]
    while byte < 0x80 {
        table[byte as usize] = match byte {
            b'/' => Shape::Slash,
            b'.' => Shape::Dot,
            b';' => Shape::Semicolon,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => Shape::Plain,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => {
                Shape::Plain
            }
            _ => Shape::Other,
        };
        byte += 1;
    }
    table
};

const fn shape(byte: u8) -> Shape {
    #[allow(clippy::indexing_slicing)]
    SHAPES[byte as usize]
}

/// One look at each byte: `Some` when the path is written the one way already, with whether it has `;`.
/// What begins a segment with a dot is left to the careful way.
fn canonical_already(raw: &[u8]) -> Option<bool> {
    if raw.first() != Some(&b'/') || raw.len() > LONGEST {
        return None;
    }
    let mut before = Shape::Plain;
    let mut params = false;
    for byte in raw {
        let now = shape(*byte);
        match now {
            Shape::Plain => {}
            Shape::Slash | Shape::Dot => {
                if before == Shape::Slash {
                    return None;
                }
            }
            Shape::Semicolon => params = true,
            Shape::Other => return None,
        }
        before = now;
    }
    Some(params)
}

/// Percent-decodes a segment once. A slash among the decoded bytes was an encoded one.
fn decode(sent: &[u8], alphabet: &Alphabet, into: &mut Vec<u8>) -> Result<(), Fault> {
    let mut bytes = sent.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex)) else {
                return Err(bad("a percent sign is not followed by two hex digits"));
            };
            into.push(high << 4 | low);
        } else if of(alphabet, byte) {
            into.push(byte);
        } else {
            return Err(bad("the path holds a byte that must be percent-encoded"));
        }
    }
    Ok(())
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// What a decoded segment may not hold, because some backend reads it as something else.
fn check(name: &[u8]) -> Result<(), Fault> {
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(bad("the path is not valid UTF-8"));
    };
    if text.chars().any(char::is_control) {
        return Err(bad("the path holds a control character"));
    }
    if text.contains('\\') {
        return Err(bad("the path holds a backslash"));
    }
    for piece in text.split('/') {
        let (before, params) = piece.split_once(';').map_or((piece, None), |(name, rest)| (name, Some(rest)));
        let dots = !before.is_empty() && before.bytes().all(|byte| byte == b'.');
        if dots && params.is_some() {
            return Err(bad("a segment of dots carries parameters"));
        }
        // Alone they are resolved and never come here.
        if dots && before.len() <= 2 {
            return Err(bad("dots stand beside an encoded slash"));
        }
    }
    Ok(())
}

fn encode(name: &[u8], into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    into.push(b'/');
    for byte in name {
        if matches!(shape(*byte), Shape::Plain | Shape::Dot | Shape::Semicolon) {
            into.push(*byte);
        } else {
            let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
            into.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]);
        }
    }
}

fn target(text: Bytes) -> Result<PathAndQuery, Fault> {
    PathAndQuery::from_maybe_shared(text).map_err(|error| Fault::with(Cause::BadPath, error.to_string()))
}

fn bad(detail: &'static str) -> Fault {
    Fault::with(Cause::BadPath, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sent, and what becomes of it: the canonical path, or why it is refused.
    const PATHS: &[(&str, Result<&str, &str>)] = &[
        // Canonical already
        ("/", Ok("/")),
        ("/a/b", Ok("/a/b")),
        ("/a/b/", Ok("/a/b/")),
        ("/a.b/c..d/e.", Ok("/a.b/c..d/e.")),
        ("/svn/!svn/rvr/3/trunk", Ok("/svn/!svn/rvr/3/trunk")),
        ("/a:b@c!$&'()*+,;=-._~", Ok("/a:b@c!$&'()*+,;=-._~")),
        ("/a;v=1/b;w", Ok("/a;v=1/b;w")),
        // Written another way
        ("/%41", Ok("/A")),
        ("/%7euser/", Ok("/~user/")),
        ("/%21svn/", Ok("/!svn/")),
        ("/C%2B%2B", Ok("/C++")),
        ("/a%3Bb%3bc", Ok("/a;b;c")),
        ("/gr%c3%bc%C3%9fe", Ok("/gr%C3%BC%C3%9Fe")),
        ("/a%20b", Ok("/a%20b")),
        ("/x%3fy", Ok("/x%3Fy")),
        ("/x%23y", Ok("/x%23y")),
        ("/50%25", Ok("/50%25")),
        ("/%252e%252e/x", Ok("/%252e%252e/x")),
        ("/%252fx", Ok("/%252fx")),
        ("/[a]|^", Ok("/%5Ba%5D%7C%5E")),
        ("/%22%3C%3E%60%7B%7D", Ok("/%22%3C%3E%60%7B%7D")),
        ("/.well-known/x", Ok("/.well-known/x")),
        ("/%2ehtaccess", Ok("/.htaccess")),
        ("/...", Ok("/...")),
        ("/a/.../b", Ok("/a/.../b")),
        ("/%F0%9F%9A%AA", Ok("/%F0%9F%9A%AA")),
        // Dots and slashes
        ("//", Ok("/")),
        ("//host/x", Ok("/host/x")),
        ("///a////b//", Ok("/a/b/")),
        ("/a/./b", Ok("/a/b")),
        ("/a/.", Ok("/a/")),
        ("/a/%2e", Ok("/a/")),
        ("/a/%2E/b", Ok("/a/b")),
        ("/pub/../priv", Ok("/priv")),
        ("/pub/%2e%2e/priv", Ok("/priv")),
        ("/pub/%2e./priv", Ok("/priv")),
        ("/pub/.%2E/priv", Ok("/priv")),
        ("/a/b/..", Ok("/a/")),
        ("/a/..", Ok("/")),
        ("/a//../b", Ok("/b")),
        ("/./", Ok("/")),
        ("/.", Ok("/")),
        // Kept, and marked
        ("/wiki/AC%2fDC", Ok("/wiki/AC%2FDC")),
        ("/%2f%2Fhost", Ok("/%2F%2Fhost")),
        // Refused
        ("", Err("begin with a slash")),
        ("a", Err("begin with a slash")),
        ("*", Err("begin with a slash")),
        ("\\a", Err("begin with a slash")),
        ("%2fa", Err("begin with a slash")),
        ("/..", Err("above the root")),
        ("/../etc", Err("above the root")),
        ("/%2e%2e/etc", Err("above the root")),
        ("/a/../../etc", Err("above the root")),
        ("//..", Err("above the root")),
        ("/\\priv", Err("must be percent-encoded")),
        ("/..\\priv", Err("must be percent-encoded")),
        ("/%5cpriv", Err("backslash")),
        ("/a%5C..%5Cpriv", Err("backslash")),
        ("/a%00", Err("control")),
        ("/a%00.html", Err("control")),
        ("/a%0d%0aSet-Cookie:x", Err("control")),
        ("/a%09b", Err("control")),
        ("/a%7fb", Err("control")),
        ("/a%c2%85b", Err("control")),
        ("/%c0%ae", Err("UTF-8")),
        ("/%c0%ae%c0%ae/priv", Err("UTF-8")),
        ("/%e0%80%ae", Err("UTF-8")),
        ("/%c0%af", Err("UTF-8")),
        ("/%ff", Err("UTF-8")),
        ("/%ed%a0%80", Err("UTF-8")),
        ("/%c3", Err("UTF-8")),
        ("/%c3/%bc", Err("UTF-8")),
        ("/%", Err("hex digits")),
        ("/%4", Err("hex digits")),
        ("/%4/1", Err("hex digits")),
        ("/%zz", Err("hex digits")),
        ("/%u002e", Err("hex digits")),
        ("/%+1", Err("hex digits")),
        ("/%%35c", Err("hex digits")),
        ("/pub/..;/priv", Err("dots carries")),
        ("/pub/..;x=y/priv", Err("dots carries")),
        ("/pub/.;/priv", Err("dots carries")),
        ("/pub/...;/priv", Err("dots carries")),
        ("/pub/%2e%2e;/priv", Err("dots carries")),
        ("/pub/..%3b/priv", Err("dots carries")),
        ("/pub/..;", Err("dots carries")),
        ("/pub/..%2fpriv", Err("beside an encoded slash")),
        ("/pub/%2e%2e%2fpriv", Err("beside an encoded slash")),
        ("/pub/a%2f..", Err("beside an encoded slash")),
        ("/pub/a%2f.%2fb", Err("beside an encoded slash")),
        ("/pub/a%2f..;%2fb", Err("dots carries")),
        ("/a b", Err("must be percent-encoded")),
        ("/a\tb", Err("must be percent-encoded")),
        ("/a\u{0}b", Err("must be percent-encoded")),
        ("/a\u{7f}b", Err("must be percent-encoded")),
        ("/grüße", Err("must be percent-encoded")),
        ("/a#b", Err("must be percent-encoded")),
        ("/a?b", Err("must be percent-encoded")),
        ("/a\"b", Err("must be percent-encoded")),
        ("/a<b>", Err("must be percent-encoded")),
        ("/{id}", Err("must be percent-encoded")),
        ("/a`b", Err("must be percent-encoded")),
    ];

    #[test]
    fn a_path_has_one_form_or_is_refused() {
        for (sent, expected) in PATHS {
            for read in [SitePath::parse(sent.as_bytes()), SitePath::read(Bytes::from(*sent))] {
                match (read, expected) {
                    (Ok(path), Ok(canonical)) => assert_eq!(path.as_str(), *canonical, "{sent:?}"),
                    (Err(fault), Err(why)) => {
                        assert_eq!(fault.cause, Cause::BadPath, "{sent:?}");
                        assert!(fault.detail().contains(why), "{sent:?}: {}", fault.detail());
                    }
                    (read, _) => panic!("{sent:?} became {read:?}, not {expected:?}"),
                }
            }
        }
    }

    #[test]
    fn the_canonical_form_is_its_own() {
        for (sent, _) in PATHS {
            if let Ok(path) = SitePath::parse(sent.as_bytes()) {
                assert_eq!(SitePath::parse(path.as_str().as_bytes()).unwrap(), path, "{sent:?}");
            }
        }
    }

    #[test]
    fn a_canonical_path_is_not_copied() {
        let sent = Bytes::from_static(b"/trac/ticket/1;x");
        let path = SitePath::read(sent.clone()).unwrap();
        assert_eq!(path.as_str().as_ptr(), sent.as_ptr());
    }

    #[test]
    fn only_an_encoded_slash_is_left_to_the_route() {
        for (sent, ambiguous) in [
            ("/a%2fb", true),
            ("/a%2Fb", true),
            ("/a/b", false),
            ("/a%252fb", false),
            ("/a;b", false),
            ("/a%2fb/../c", false),
        ] {
            assert_eq!(SitePath::parse(sent.as_bytes()).unwrap().ambiguous(), ambiguous, "{sent}");
        }
    }

    #[test]
    fn other_readings_are_what_backends_might_see() {
        let all = |sent: &str| -> Vec<String> {
            let path = SitePath::parse(sent.as_bytes()).unwrap();
            let join = |segments: Segments<'_>| segments.collect::<Vec<_>>().join("|");
            std::iter::once(join(path.segments()))
                .chain(path.other_readings().map(|reading| join(path.segments_in(reading))))
                .collect()
        };
        assert_eq!(all("/a/b/"), ["a|b"]);
        assert_eq!(all("/a%2Fb/c"), ["a%2Fb|c", "a|b|c"]);
        assert_eq!(all("/priv;x/b"), ["priv;x|b", "priv|b"]);
        assert_eq!(all("/;x/priv;/"), [";x|priv;", "priv"]);
        assert_eq!(all("/a;x%2Fb/c"), ["a;x%2Fb|c", "a;x|b|c", "a|c", "a|c", "a|b|c"]);
    }

    #[test]
    fn a_literal_is_what_the_same_path_becomes_when_sent() {
        for (written, sent) in [
            ("/grüße und so/", "/gr%C3%BC%C3%9fe%20und%20so/"),
            ("/C++", "/C%2b%2b"),
            ("/{project}", "/%7Bproject%7D"),
            ("/wiki/AC%2FDC", "/wiki/AC%2fDC"),
        ] {
            assert_eq!(SitePath::literal(written).unwrap(), SitePath::parse(sent.as_bytes()).unwrap());
        }
        for wrong in ["", "svn", "/a?b", "/a#b", "/50%", "/../x", "/a\\b", "/a\nb"] {
            assert!(SitePath::literal(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_query_stays_as_it_was_sent() {
        for query in ["", "a=b", "a=b?c/d", "%zz", "100%", "a=%2f%00", "{\\}|^[]`'", "a=b&a=b;c"] {
            assert_eq!(Query::parse(query.as_bytes()).unwrap().as_str(), query);
        }
        for query in ["a b", "a#b", "a\"b", "<a>", "a\u{0}", "a\r\n", "ü", "\u{7f}"] {
            assert_eq!(Query::parse(query.as_bytes()).unwrap_err().cause, Cause::Malformed, "{query:?}");
        }
    }

    #[test]
    fn too_long_is_said_so() {
        let long = format!("/{}", "a".repeat(LONGEST));
        assert_eq!(SitePath::parse(long.as_bytes()).unwrap_err().cause, Cause::TargetTooLong);
        assert_eq!(Query::parse(long.as_bytes()).unwrap_err().cause, Cause::TargetTooLong);
    }

    /// Paths put together from nasty pieces, the same ones in every run.
    #[test]
    fn whatever_is_sent_the_invariant_holds() {
        const PIECES: &[&str] = &[
            "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%2F", ";", "%3b", "%5c", "%00", "a", "B", "%41",
            "%25", "2e", "2f", "%c3%bc", "%c0%ae", "%", "!", "+", "%2B", " ", "\\", "|", "#", "?", "~",
            "%7e", "...", "ü", "%20",
        ];
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut taken = 0;
        for _ in 0..100_000 {
            let mut sent = String::from("/");
            for _ in 0..(seed >> 40) % 9 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                sent.push_str(PIECES[usize::try_from(seed >> 33).unwrap() % PIECES.len()]);
            }
            seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let Ok(path) = SitePath::parse(sent.as_bytes()) else { continue };
            taken += 1;
            let text = path.as_str();
            assert!(text.starts_with('/') && !text.contains("//") && text.is_ascii(), "{sent:?} {text:?}");
            assert!(!text.bytes().any(|byte| byte <= b' ' || byte == b'\\' || byte == b'#'), "{sent:?}");
            for reading in path.other_readings().chain([Reading::LITERAL]) {
                for name in path.segments_in(reading) {
                    assert!(name != "." && name != "..", "{sent:?} {text:?}");
                }
            }
            let again = SitePath::parse(text.as_bytes()).unwrap();
            assert_eq!(again.as_str(), text, "{sent:?}");
        }
        assert!(taken > 10_000, "{taken}");
    }
}
