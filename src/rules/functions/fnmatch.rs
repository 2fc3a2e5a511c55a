//! Patterns as shells know them, over bytes, as the C library of Varnish's usual system matches them. The time
//! is bounded by the lengths of both texts multiplied.

/// How a pattern is read.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    /// `*`, `?` and brackets never stand for a slash.
    pub pathname: bool,
    /// A backslash stands for itself.
    pub noescape: bool,
    /// A dot at the beginning (with `pathname`, of any piece) is only matched by a dot.
    pub period: bool,
}

/// What one piece of a pattern says of one byte.
enum Step {
    /// It fits, and the pattern goes on there.
    Fits(usize),
    Differs,
    /// It can't fit anything.
    Never,
}

pub(super) fn matches(pattern: &[u8], text: &[u8], flags: Flags) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where the last star stands and where what it stands for ends. An earlier one never has to be tried again.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let here = text.get(from).copied();
        let leading = flags.period
            && here == Some(b'.')
            && (from == 0 || flags.pathname && text.get(from - 1) == Some(&b'/'));
        match pattern.get(at) {
            None if here.is_none() => return true,
            Some(b'*') if !leading => {
                star = Some((at, from));
                at += 1;
                continue;
            }
            Some(_) if here.is_some() => match step(pattern, at, here.unwrap_or(0), leading, flags) {
                Step::Fits(next) => {
                    (at, from) = (next, from + 1);
                    continue;
                }
                Step::Never => return false,
                Step::Differs => {}
            },
            _ => {}
        }
        // The last star takes one byte more.
        let Some((place, end)) = star else { return false };
        match text.get(end) {
            None => return false,
            Some(b'/') if flags.pathname => return false,
            Some(_) => {
                star = Some((place, end + 1));
                (at, from) = (place + 1, end + 1);
            }
        }
    }
}

fn step(pattern: &[u8], at: usize, byte: u8, leading: bool, flags: Flags) -> Step {
    let fits = |yes: bool, next: usize| if yes { Step::Fits(next) } else { Step::Differs };
    let slash = byte == b'/' && flags.pathname;
    match pattern.get(at) {
        Some(b'*') => Step::Differs,
        Some(b'?') => fits(!leading && !slash, at + 1),
        Some(b'\\') if !flags.noescape => match pattern.get(at + 1) {
            Some(escaped) => fits(*escaped == byte, at + 2),
            None => Step::Never,
        },
        Some(b'[') => match bracket(pattern, at + 1, byte, flags) {
            Bracket::Closed { has, end } => fits(has && !leading && !slash, end),
            Bracket::Open => fits(byte == b'[', at + 1),
            Bracket::Wrong => Step::Never,
        },
        Some(plain) => fits(*plain == byte, at + 1),
        None => Step::Differs,
    }
}

enum Bracket {
    /// Whether the byte is in it, and where the pattern goes on.
    Closed { has: bool, end: usize },
    /// It has no end, so it is no bracket.
    Open,
    /// It names what nothing can be.
    Wrong,
}

fn bracket(pattern: &[u8], start: usize, byte: u8, flags: Flags) -> Bracket {
    let mut at = start;
    let inverted = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(inverted);
    let first = at;
    let mut has = false;
    loop {
        let Some(&letter) = pattern.get(at) else { return Bracket::Open };
        if letter == b']' && at > first {
            return Bracket::Closed { has: has != inverted, end: at + 1 };
        }
        if letter == b'[' && pattern.get(at + 1) == Some(&b':') {
            let Some((name, end)) = named(pattern, at + 2, b":]") else { return Bracket::Open };
            let Some(of_class) = class(name, byte) else { return Bracket::Wrong };
            has |= of_class;
            at = end;
            continue;
        }
        let low = match element(pattern, at, flags) {
            Ok(found) => found,
            Err(wrong) => return wrong,
        };
        at = low.1;
        let mut high = low.0;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1) != Some(&b']') {
            if pattern.get(at + 1).is_none() {
                return Bracket::Wrong;
            }
            match element(pattern, at + 1, flags) {
                Ok((end, next)) => (high, at) = (end, next),
                Err(wrong) => return wrong,
            }
        }
        has |= (low.0..=high).contains(&byte);
    }
}

/// One letter of a bracket, and where the next begins: plain, escaped, `[.x.]` or `[=x=]`.
fn element(pattern: &[u8], at: usize, flags: Flags) -> Result<(u8, usize), Bracket> {
    match (pattern.get(at).copied(), pattern.get(at + 1).copied()) {
        (Some(b'\\'), Some(escaped)) if !flags.noescape => Ok((escaped, at + 2)),
        (Some(b'['), Some(kind @ (b'.' | b'='))) => {
            let (name, end) = named(pattern, at + 2, &[kind, b']']).ok_or(Bracket::Open)?;
            match name {
                [letter] => Ok((*letter, end)),
                _ => Err(Bracket::Wrong),
            }
        }
        (Some(letter), _) => Ok((letter, at + 1)),
        (None, _) => Err(Bracket::Open),
    }
}

/// What stands up to its closing mark, and where the pattern goes on.
fn named<'p>(pattern: &'p [u8], from: usize, closing: &[u8]) -> Option<(&'p [u8], usize)> {
    let rest = pattern.get(from..)?;
    let end = memchr::memmem::find(rest, closing)?;
    Some((rest.get(..end)?, from + end + closing.len()))
}

fn class(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"punct" => byte.is_ascii_punctuation(),
        b"print" => (b' '..=b'~').contains(&byte),
        b"graph" => byte.is_ascii_graphic(),
        b"cntrl" => byte.is_ascii_control(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
