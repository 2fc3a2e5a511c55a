//! Takes out of text what must not be written, and escapes the rest.
//!
//! Names of parameters that carry secrets or people, values that look like keys, mail addresses, network
//! addresses and credentials become `***`. What is left is escaped as JSON escapes it (`\"`, `\\`, `\u001b`),
//! everything outside printable ASCII included, so that one text serves all formats: no control character,
//! no text that runs right to left and no line of one's own can be smuggled into a log or a terminal.
//!
//! This errs on the side of hiding: a page that is called like a key loses its name in the log.

use std::net::IpAddr;

pub const MASK: &[u8] = b"***";

/// Longest piece of a request that is looked at; what is behind it is not written.
const TARGET_MAX: usize = 2_048;
const REFERER_MAX: usize = 1_024;
const AGENT_MAX: usize = 400;
const PROSE_MAX: usize = 600;
const CUT: &[u8] = b"...";

/// `"`, `\` and everything outside printable ASCII.
const fn plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Appends text so that it can stand between quotes in any of our formats.
pub fn escape(into: &mut Vec<u8>, text: &[u8]) {
    // Without an early way out inside a block the compiler looks at many bytes at once.
    if text.chunks(16).all(|block| block.iter().fold(true, |all, byte| all & plain(*byte))) {
        into.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => into.extend_from_slice(b"\\\""),
                '\\' => into.extend_from_slice(b"\\\\"),
                ' '..='~' => into.push(character as u8),
                _ => {
                    let mut units = [0_u16; 2];
                    for unit in character.encode_utf16(&mut units) {
                        unicode(into, *unit);
                    }
                }
            }
        }
        if !chunk.invalid().is_empty() {
            unicode(into, 0xfffd);
        }
    }
}

fn unicode(into: &mut Vec<u8>, unit: u16) {
    into.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit(u32::from(unit >> shift & 15), 16).unwrap_or('0');
        into.push(digit as u8);
    }
}

fn shorten(text: &[u8], most: usize) -> (&[u8], bool) {
    text.get(..most).map_or((text, false), |head| (head, text.len() > most))
}

/// A request target: a canonical path and query, or whatever a malformed request had in their place.
pub fn target(into: &mut Vec<u8>, path: &[u8], query: Option<&[u8]>) {
    let (path, mut cut) = shorten(path, TARGET_MAX);
    veil_path(into, path);
    if let Some(query) = query
        && !cut
    {
        let (query, query_cut) = shorten(query, TARGET_MAX - path.len());
        cut = query_cut;
        into.push(b'?');
        pairs(into, query);
    }
    if cut {
        into.extend_from_slice(CUT);
    }
}

/// A target that could not be parsed: any bytes.
pub fn raw_target(into: &mut Vec<u8>, raw: &[u8]) {
    let at = raw.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(raw.len());
    let (front, back) = raw.split_at(at);
    // An absolute form may hold `user:password@`; the host itself is not ours to keep either.
    let front = match find(front, b"://") {
        Some(scheme) => {
            let rest = front.get(scheme + 3..).unwrap_or_default();
            escape(into, shorten(front, scheme.min(16)).0);
            into.extend_from_slice(b"://");
            into.extend_from_slice(MASK);
            rest.iter().position(|byte| *byte == b'/').and_then(|slash| rest.get(slash..)).unwrap_or_default()
        }
        None if front.contains(&b'@') && !front.starts_with(b"/") => {
            into.extend_from_slice(MASK);
            &[]
        }
        None => front,
    };
    target(into, front, back.split_first().map(|(_, query)| query));
}

/// Path segments whose successors are one-time keys when they look like one: the links that sites mail
/// out to reset a password, confirm an address or leave a list.
const MAILED: &[&[u8]] = &[
    b"activate",
    b"activation",
    b"confirm",
    b"confirm-email",
    b"confirm_email",
    b"invitation",
    b"invite",
    b"magic",
    b"password-reset",
    b"password_reset",
    b"recover",
    b"reset",
    b"reset-password",
    b"reset_password",
    b"special:confirmemail",
    b"special:invalidateemail",
    b"unsubscribe",
    b"verify",
    b"verify-email",
    b"verify_email",
];

fn veil_path(into: &mut Vec<u8>, path: &[u8]) {
    // Everything that is hidden in a path has one of these in it.
    if !path.iter().any(|byte| matches!(byte, b'0'..=b'9' | b'@' | b'%' | b';' | b'=' | b':')) {
        escape(into, path);
        return;
    }
    let mut mailed = false;
    for (at, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
            into.push(b'/');
        }
        if segment.is_empty() {
            continue;
        }
        if (mailed && segment.len() >= 6 && segment.iter().any(u8::is_ascii_digit))
            || is_mail(segment)
            || holds_address(segment)
        {
            into.extend_from_slice(MASK);
        } else if segment.contains(&b';') || segment.contains(&b'=') {
            pairs(into, segment);
        } else {
            escape(into, segment);
        }
        mailed |= MAILED.iter().any(|word| word.eq_ignore_ascii_case(segment));
    }
}

/// `name=value` pairs, parted by whatever parts them in any of the old applications.
fn pairs(into: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        let end =
            rest.iter().position(|byte| matches!(byte, b'&' | b';' | b'#' | b'?')).unwrap_or(rest.len());
        let (pair, after) = rest.split_at(end);
        veil_pair(into, pair);
        let Some((parting, next)) = after.split_first() else { return };
        into.push(*parting);
        rest = next;
    }
}

fn veil_pair(into: &mut Vec<u8>, pair: &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=');
    let (name, value) = match at {
        Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
        None => (&[][..], pair),
    };
    if at.is_some() {
        // A name that is itself a key or an address must not pass for being a name.
        if hides(name) {
            into.extend_from_slice(MASK);
        } else {
            escape(into, name);
        }
        into.push(b'=');
    }
    if !value.is_empty() && ((at.is_some() && secret_name(name, value)) || hides(value)) {
        into.extend_from_slice(MASK);
    } else {
        escape(into, value);
    }
}

/// Whether a value says something that must not be written, whatever its name, also when it is a whole
/// address of a page with parameters of its own (`?next=…`), encoded once or more.
fn hides(value: &[u8]) -> bool {
    // All that is hidden is long or has one of these in it.
    if value.len() < KEY_MIN && !value.iter().any(|byte| matches!(byte, b'@' | b'%' | b'.' | b':')) {
        return false;
    }
    if plainly_hides(value) {
        return true;
    }
    let mut text = value.to_vec();
    for _ in 0..3 {
        if !text.contains(&b'%') {
            return false;
        }
        text = decode(&text);
        let inner =
            text.split(|byte| matches!(byte, b'&' | b';' | b'#' | b'?' | b'/' | b' ')).any(|pair| match pair
                .iter()
                .position(|byte| *byte == b'=')
            {
                Some(at) => {
                    let (name, rest) = pair.split_at(at);
                    rest.len() > 1 && secret_name(name, rest.get(1..).unwrap_or_default())
                }
                None => false,
            });
        if inner || plainly_hides(&text) {
            return true;
        }
    }
    false
}

fn plainly_hides(value: &[u8]) -> bool {
    is_mail(value) || holds_address(value) || holds_key(value)
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%'
            && let [high, low, tail @ ..] = after
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            out.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
            rest = tail;
        } else {
            out.push(*first);
        }
    }
    out
}

/// Parameters whose value is a secret or a person, by their whole name.
const SECRET_NAMES: &[&str] = &[
    "auth", "code", "hmac", "ip", "jwt", "key", "login", "nick", "nonce", "otp", "pass", "phone", "pin",
    "pw", "pwd", "sid", "sig", "state", "tel", "ticket", "uid", "uname", "user", "userid", "username",
];
/// … and by a part of it, which begins here. `auth` is no part, or every `author` would go.
fn secret_part(rest: &[u8]) -> bool {
    let parts: &[&str] = match rest.first() {
        Some(b'a') => &["accesskey", "apikey", "assertion", "authorization"],
        Some(b'c') => &["clientip", "cookie", "credential", "csrf"],
        Some(b'm') => &["mail"],
        Some(b'o') => &["oauth"],
        Some(b'p') => &["passphrase", "passw", "privatekey"],
        Some(b'r') => &["relaystate", "remoteaddr"],
        Some(b's') => &["saml", "secret", "sessid", "session", "signature"],
        Some(b't') => &["token"],
        Some(b'x') => &["xsrf"],
        _ => &[],
    };
    parts.iter().any(|part| rest.starts_with(part.as_bytes()))
}

/// `access_token`, `accessToken`, `Access-Token`, `access%5Ftoken` and `user[password]` are read alike.
fn secret_name(name: &[u8], value: &[u8]) -> bool {
    let mut letters = [0_u8; 64];
    let mut length = 0;
    let decoded;
    let name = if name.contains(&b'%') {
        decoded = decode(&decode(name));
        &decoded
    } else {
        name
    };
    for (place, byte) in letters.iter_mut().zip(name.iter().filter(|byte| byte.is_ascii_alphanumeric())) {
        *place = byte.to_ascii_lowercase();
        length += 1;
    }
    let name = letters.get(..length).unwrap_or_default();
    // Trac's tickets are numbers; a sign-on service's are not.
    if name == b"ticket" && value.iter().all(u8::is_ascii_digit) {
        return false;
    }
    SECRET_NAMES.iter().any(|secret| secret.as_bytes() == name)
        || (0..name.len()).any(|at| name.get(at..).is_some_and(secret_part))
}

/// `someone@example.org`, its `@` plain or encoded; `package@1.2.3` is none.
fn is_mail(text: &[u8]) -> bool {
    let after = match text.iter().position(|byte| *byte == b'@') {
        Some(at) if at > 0 => text.get(at + 1..),
        _ => match find(text, b"%40") {
            Some(at) if at > 0 => text.get(at + 3..),
            _ => None,
        },
    };
    let Some(after) = after else { return false };
    let end = after.iter().position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-'));
    let host = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
    let mut labels = host.split(|byte| *byte == b'.').filter(|label| !label.is_empty());
    let last = labels.next_back();
    labels.next().is_some()
        && last.is_some_and(|label| label.len() >= 2 && label.iter().all(u8::is_ascii_alphabetic))
}

/// A network address, alone or behind a colon (`User:198.51.100.7`), in brackets or with a port.
fn holds_address(text: &[u8]) -> bool {
    if text.len() < 3 || !text.iter().any(|byte| matches!(byte, b'.' | b':')) {
        return false;
    }
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut rest = text;
    loop {
        // Looked for at every colon: what is too long for an address is not read as one each time.
        if rest.len() <= ADDRESS_MAX && is_address(rest) {
            return true;
        }
        match rest.split_once(':') {
            Some((_, after)) if !after.is_empty() => rest = after,
            _ => return false,
        }
    }
}

/// An IPv6 address with an IPv4 one at its end, in brackets, with a prefix and a port, is shorter.
const ADDRESS_MAX: usize = 64;

fn is_address(text: &str) -> bool {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'[' | b']' | b'/'))
    {
        return false;
    }
    let text = text.split_once('/').map_or(text, |(address, _)| address);
    let bare = text.trim_start_matches('[');
    let bare = bare.split_once(']').map_or(bare, |(address, _)| address);
    if bare.parse::<IpAddr>().is_ok() {
        return bare != "::";
    }
    text.rsplit_once(':').is_some_and(|(address, _)| address.parse::<std::net::Ipv4Addr>().is_ok())
}

/// A run of letters and digits that no person would type: long, and mixed as random keys are.
fn holds_key(text: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-')).any(is_key)
}

const KEY_MIN: usize = 20;

fn is_key(run: &[u8]) -> bool {
    if run.len() < KEY_MIN {
        return false;
    }
    if run.starts_with(b"eyJ") {
        return true; // `{"` in base64: the start of every JSON web token
    }
    let (mut upper, mut lower, mut digits, mut hex, mut turns) = (0, 0, 0, true, 0);
    let mut was_digit = None;
    for byte in run {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'A'..=b'Z' => upper += 1,
            b'a'..=b'z' => lower += 1,
            _ => continue,
        }
        hex &= byte.is_ascii_hexdigit();
        let digit = byte.is_ascii_digit();
        turns += u32::from(was_digit.is_some_and(|was| was != digit));
        was_digit = Some(digit);
    }
    (turns >= 4 && digits > 0 && (hex || (upper > 0 && lower > 0))) || (turns >= 6 && run.len() >= 24)
}

/// Where a visitor came from. Of another site only its name is kept: its paths and queries are that site's
/// and its visitors' affair (browsers send no more by themselves today). Within a site all is kept that
/// would be kept of a request.
pub fn referer(into: &mut Vec<u8>, value: &[u8], own_host: &str) {
    let (value, _) = shorten(value, REFERER_MAX);
    let parted = find(value, b"://").and_then(|at| Some((value.get(..at)?, value.get(at + 3..)?)));
    let Some((scheme, rest)) = parted else {
        into.push(b'-');
        return;
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let known =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if host.is_empty()
        || !host.iter().all(known)
        || !scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    {
        into.push(b'-');
        return;
    }
    into.extend_from_slice(scheme);
    into.extend_from_slice(b"://");
    if own_host.as_bytes().eq_ignore_ascii_case(without_port(host)) && !own_host.is_empty() {
        into.extend_from_slice(host);
        let rest = rest.split(|byte| *byte == b'#').next().unwrap_or_default();
        let at = rest.iter().position(|byte| *byte == b'?');
        let (path, query) = rest.split_at(at.unwrap_or(rest.len()));
        veil_path(into, path);
        if let Some((mark, query)) = query.split_first() {
            into.push(*mark);
            pairs(into, query);
        }
    } else {
        into.extend_from_slice(if plainly_hides(host) { MASK } else { host });
        into.push(b'/');
    }
}

fn without_port(host: &[u8]) -> &[u8] {
    if host.starts_with(b"[") {
        return host.iter().position(|byte| *byte == b']').and_then(|end| host.get(1..end)).unwrap_or(host);
    }
    host.split(|byte| *byte == b':').next().unwrap_or(host)
}

/// What a browser or a program calls itself. People write their mail address there, and scripts their keys.
pub fn agent(into: &mut Vec<u8>, value: &[u8]) {
    let (value, cut) = shorten(value, AGENT_MAX);
    if !cut && is_harmless(value) {
        into.extend_from_slice(value);
        return;
    }
    agent_words(into, value);
    if cut {
        into.extend_from_slice(CUT);
    }
}

fn agent_words(into: &mut Vec<u8>, value: &[u8]) {
    words(into, value, |into, word| {
        if word.contains(&b'@') || find(word, b"%40").is_some() || holds_key(word) || (holds_address(word)) {
            into.extend_from_slice(MASK);
        } else if let Some(at) = find(word, b"://") {
            // The page a crawler names about itself: its address stays, its parameters are veiled.
            let rest = word.get(at + 3..).unwrap_or_default();
            let host = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            if holds_address(host) { into.extend_from_slice(MASK) } else { pairs(into, word) }
        } else if word.contains(&b'=') {
            pairs(into, word);
        } else {
            escape(into, word);
        }
    });
}

/// Whether one look is enough: nothing to escape, no word that could be hidden. True for nearly every
/// browser; a doubt costs only the longer way.
fn is_harmless(agent: &[u8]) -> bool {
    let (mut run, mut colons, mut dots) = (0, 0, 0);
    // The word consists of digits and dots so far.
    let mut figures = true;
    for byte in agent {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' => (run, figures) = (run + 1, false),
            b'0'..=b'9' => run += 1,
            b'.' => {
                run = 0;
                dots += 1;
                if figures && dots >= 3 {
                    return false;
                }
            }
            b' ' | b',' | b'(' | b')' | b';' => (run, colons, dots, figures) = (0, 0, 0, true),
            // `rv:128.0` is in every Firefox; `://` and addresses are not.
            b':' => {
                (run, colons, dots, figures) = (0, colons + 1, 0, true);
                if colons > 1 {
                    return false;
                }
            }
            b'/' if run == 0 && colons > 0 => return false,
            b'/' | b'+' => (run, figures) = (0, false),
            _ => return false,
        }
        if run >= KEY_MIN {
            return false;
        }
    }
    true
}

/// A detail of a fault or a value in a message of the house, which may quote another library, a header or
/// an address of a backend.
pub fn prose(into: &mut Vec<u8>, text: &str) {
    let (value, cut) = shorten(text.as_bytes(), PROSE_MAX);
    let mut hide_rest = false;
    words(into, value, |into, word| {
        let lower = word.to_ascii_lowercase();
        if hide_rest {
            into.extend_from_slice(MASK);
        } else if let Some(at) = find(word, b"://") {
            escape(into, word.get(..at).unwrap_or_default());
            into.extend_from_slice(b"://");
            into.extend_from_slice(MASK);
        } else if lower.starts_with(b"unix:")
            || word.contains(&b'@')
            || find(word, b"%40").is_some()
            || holds_key(word)
            || holds_address(word)
            || has_address_and_port(word)
        {
            into.extend_from_slice(MASK);
        } else if word.iter().any(|byte| matches!(byte, b'=' | b'?')) {
            pairs(into, word);
        } else {
            escape(into, word);
        }
        hide_rest |= [
            &b"authorization"[..],
            b"proxy-authorization",
            b"cookie",
            b"set-cookie",
            b"bearer",
            b"basic",
            b"digest",
        ]
        .contains(&lower.as_slice().strip_suffix(b":").unwrap_or(&lower));
    });
    if cut {
        into.extend_from_slice(CUT);
    }
}

/// `10.0.0.4:8080`, `localhost:8080`, `[::1]:80`: how other libraries name a backend.
fn has_address_and_port(word: &[u8]) -> bool {
    let Ok(word) = std::str::from_utf8(word) else { return false };
    let Some((host, port)) = word.rsplit_once(':') else { return false };
    port.len() >= 2
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && host.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        })
}

/// Parts prose at spaces and punctuation that belongs to no address; the parting is kept.
fn words(into: &mut Vec<u8>, text: &[u8], mut word: impl FnMut(&mut Vec<u8>, &[u8])) {
    let parts = |byte: &u8| {
        byte.is_ascii_whitespace()
            || matches!(byte, b',' | b'(' | b')' | b'<' | b'>' | b'"' | b'\'' | b';' | b'`' | b'{' | b'}')
    };
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.iter().position(parts).unwrap_or(rest.len());
        let (this, after) = rest.split_at(end);
        if !this.is_empty() {
            word(into, this);
        }
        let next = after.iter().position(|byte| !parts(byte)).unwrap_or(after.len());
        let (parting, after) = after.split_at(next);
        escape(into, parting);
        rest = after;
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        if text.get(from + at..)?.starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        assert!(out.iter().all(|byte| matches!(byte, 0x20..=0x7e)), "{}", String::from_utf8_lossy(&out));
        String::from_utf8(out).unwrap()
    }

    fn veiled(text: &str) -> String {
        of(|out| raw_target(out, text.as_bytes()))
    }

    #[test]
    fn ordinary_targets_stay_as_they_are() {
        for text in [
            "/",
            "/trac/ticket/1234",
            "/trac/changeset/12345/trunk/a.c",
            "/svn/!svn/txr/1-1/trunk/a.c",
            "/svn/trunk/a.c@123",
            "/wiki/Kurt_G%C3%B6del",
            "/pkg@1.2.3/index.js",
            "/wiki/User:Alice",
            "/trac/query?status=new&milestone=1.0&order=priority",
            "/w/index.php?title=Main_Page&action=history&offset=20261120120000&limit=50",
            "/gitweb?p=numpy.git;a=tree;f=doc",
            "/trac/timeline?from=2026-11-20T12%3A00%3A00Z&author=alice",
            "/search?q=reset+password",
            "/x?ticket=42",
            "/wiki/reset/notes",
            "*",
        ] {
            assert_eq!(veiled(text), text);
        }
    }

    #[test]
    fn secrets_and_people_are_veiled() {
        for (text, expected) in [
            ("/x?token=abc&page=2", "/x?token=***&page=2"),
            ("/x?a=1;ACCESS-Token=abc", "/x?a=1;ACCESS-Token=***"),
            ("/x?%74oken=abc", "/x?%74oken=***"),
            ("/x?user%5Bpassword%5D=abc", "/x?user%5Bpassword%5D=***"),
            ("/x?session_id=1&sid=2&pwd=3&code=4", "/x?session_id=***&sid=***&pwd=***&code=***"),
            ("/wp-login.php?action=rp&key=k1&login=alice", "/wp-login.php?action=rp&key=***&login=***"),
            ("/x?to=alice@example.org", "/x?to=***"),
            ("/x?to=alice%40example.org", "/x?to=***"),
            ("/x?next=%2Fa%3Ftoken%3Dabc", "/x?next=***"),
            ("/x?next=%252Fa%253Ftoken%253Dabc", "/x?next=***"),
            ("/x?t=eyJhbGciOiJIUzI1NiIsInR5cCI6.e30.x", "/x?t=***"),
            ("/x?t=9f86d081884c7d659a2feaa0c55ad015", "/x?t=***"),
            ("/x?dGhpcyBpc3ABh4c1mV0IGtleQ7x9", "/x?***"),
            ("/x?seen=198.51.100.77", "/x?seen=***"),
            ("/x?seen=2001%3Adb8%3A%3A77", "/x?seen=***"),
            ("/wiki/User:198.51.100.77/talk", "/wiki/***/talk"),
            ("/wiki/Special:Contributions/2001:db8::77", "/wiki/Special:Contributions/***"),
            ("/accounts/reset/MQ/5x3-0123456789abcdef/", "/accounts/reset/MQ/***/"),
            ("/list/unsubscribe/alice@example.org/", "/list/unsubscribe/***/"),
            ("/a;jsessionid=0A1B/b", "/a;jsessionid=***/b"),
            ("http://alice:hunter2@example.org/x?y=1", "http://***/x?y=1"),
            ("alice:hunter2@example.org:443", "***"),
            ("/x#access_token=abc", "/x?access_token=***"),
        ] {
            assert_eq!(veiled(text), expected, "{text}");
        }
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        assert_eq!(
            of(|out| escape(out, b"a\"b\\c\r\n\x1b[2J\x7f\xff")),
            "a\\\"b\\\\c\\u000d\\u000a\\u001b[2J\\u007f\\ufffd"
        );
        assert_eq!(
            of(|out| escape(out, "x\u{202e}y\u{85}z\u{1f600}ä".as_bytes())),
            "x\\u202ey\\u0085z\\ud83d\\ude00\\u00e4"
        );
    }

    #[test]
    fn referers_tell_little_of_other_sites() {
        let own = |text: &str| of(|out| referer(out, text.as_bytes(), "www.example.org"));
        assert_eq!(
            own("https://WWW.example.org/trac/x?token=a&b=1#frag"),
            "https://WWW.example.org/trac/x?token=***&b=1"
        );
        assert_eq!(own("https://www.example.org:8443/trac"), "https://www.example.org:8443/trac");
        assert_eq!(own("https://mail.example.com/inbox/42?token=a"), "https://mail.example.com/");
        assert_eq!(own("https://bob:pw@mail.example.com?x"), "https://mail.example.com/");
        assert_eq!(own("https://bob:pw@www.example.org/x"), "https://www.example.org/x");
        assert_eq!(own("http://198.51.100.77/x"), "http://***/");
        assert_eq!(own("android-app://org.example.app/"), "android-app://org.example.app/");
        for odd in ["", "about:blank", "/relative", "https://", "https://a b/", "java\"script://x"] {
            assert_eq!(own(odd), "-", "{odd}");
        }
    }

    #[test]
    fn agents_keep_their_versions_and_lose_their_people() {
        for text in [
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
            "SVN/1.14.2 (x86_64-pc-linux-gnu) serf/1.3.9",
            "git/2.39.5",
            "Mozilla/5.0 (compatible; Bot/2.1; +https://bot.example/about.html)",
        ] {
            assert_eq!(of(|out| agent(out, text.as_bytes())), text);
        }
        for (text, expected) in [
            ("feeds/1.0 (alice@example.org)", "feeds/1.0 (***)"),
            ("x (+http://alice:pw@h/)", "x (***)"),
            ("x token=abc", "x token=***"),
            ("x 198.51.100.77", "x ***"),
            ("x [198.51.100.77]", "x ***"),
            ("x 198.51.100.77:80", "x ***"),
            ("x:198.51.100.77", "***"),
            ("x 2001:db8::77", "x ***"),
            ("x ::77", "x ***"),
            ("198.51.100.77/24", "***"),
            ("x (+http://198.51.100.77/)", "x (***)"),
            ("key dGhpcyBpc3ABh4c1mV0IGtleQ7x9", "key ***"),
        ] {
            assert_eq!(of(|out| agent(out, text.as_bytes())), expected);
        }
    }

    #[test]
    fn the_short_way_through_an_agent_hides_as_much_as_the_long_one() {
        const PIECES: &[&str] = &[
            "1",
            "22",
            "198",
            "a",
            "fe80",
            "Z9",
            "-",
            "_",
            ".",
            ".",
            ":",
            "/",
            " ",
            "(",
            ";",
            "+",
            "http",
            "203.0.113.7",
            "9f86d081",
        ];
        let mut seed = 7_u64;
        let mut harmless = 0;
        for _ in 0..50_000 {
            let mut text = String::new();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(PIECES[(seed >> 33) as usize % PIECES.len()]);
            }
            if is_harmless(text.as_bytes()) {
                harmless += 1;
                assert_eq!(of(|out| agent_words(out, text.as_bytes())), text);
            }
        }
        assert!(harmless > 5_000, "{harmless}");
    }

    #[test]
    fn details_name_no_address() {
        for (text, expected) in [
            ("connection refused (os error 111)", "connection refused (os error 111)"),
            ("the header `x-a_b` is refused", "the header `x-a_b` is refused"),
            ("connect to 10.0.0.4:8080 failed", "connect to *** failed"),
            ("connect to [2001:db8::1]:80, failed", "connect to ***, failed"),
            ("connect to localhost:8080", "connect to ***"),
            ("http://u:p@trac.internal:8000/x answered", "http://*** answered"),
            ("unix:/run/x.sock is gone", "*** is gone"),
            ("header authorization: Basic YWxpY2U6aHVudGVyMg==", "header authorization: *** ***"),
            ("bind as uid=alice,mail=a@b.example failed token=abc", "bind as uid=***,*** failed token=***"),
        ] {
            assert_eq!(of(|out| prose(out, text)), expected, "{text}");
        }
    }

    #[test]
    fn any_bytes_come_out_as_one_quotable_line() {
        const PIECES: &[&[u8]] = &[
            b"\"",
            b"\\",
            b"\n",
            b"\r",
            b"\x1b",
            b"\xff",
            b"\xc3",
            b"%",
            b"%4",
            b"%40",
            b"%25",
            b"=",
            b"&",
            b";",
            b"?",
            b"#",
            b"/",
            b":",
            b"::",
            b"@",
            b"[",
            b"]",
            b"://",
            b"a.b",
            b"token",
            b"9f86d081884c7d659a2f",
            b" ",
            b"\xe2\x80\xae",
            b"",
        ];
        let mut seed = 11_u64;
        for _ in 0..20_000 {
            let mut text = Vec::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.extend_from_slice(PIECES[(seed >> 33) as usize % PIECES.len()]);
            }
            let shown = String::from_utf8_lossy(&text).into_owned();
            for out in [
                of(|out| raw_target(out, &text)),
                of(|out| referer(out, &text, "a.b")),
                of(|out| agent(out, &text)),
                of(|out| prose(out, &shown)),
            ] {
                // Of every quote and backslash the escape is complete.
                let bare = out.replace("\\\\", "").replace("\\\"", "").replace("\\u", "");
                assert!(!bare.contains(['"', '\\']), "{shown:?} became {out}");
            }
        }
    }

    #[test]
    fn long_things_are_cut() {
        let long = format!("/{}?x={}", "a".repeat(1_500), "b ".repeat(3_000));
        let text = veiled(&long);
        assert!(text.len() < TARGET_MAX + 10 && text.ends_with("..."));
        assert!(of(|out| agent(out, "a ".repeat(4_000).as_bytes())).len() < AGENT_MAX + 10);
    }
}
