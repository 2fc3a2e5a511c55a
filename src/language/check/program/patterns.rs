//! Regular expressions: compiled once, equal ones shared, and found in linear time whatever the text is. What
//! that time can't be promised for (look-around, backreferences, atomic groups) is refused with the way out.

use std::collections::HashMap;
use std::fmt::Write as _;

use regex::bytes::RegexBuilder;

use super::Writer;
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{Pattern, PatternId};
use crate::language::source::Span;

const COMPILED_BYTES_MAX: usize = 2 << 20;
const SOURCE_BYTES_MAX: usize = 16 << 10;
const NESTED_MAX: u32 = 100;
/// All patterns of a tree together.
const ALL_SOURCE_BYTES_MAX: usize = 8 << 20;

#[derive(Default)]
pub(super) struct Patterns {
    list: Vec<Pattern>,
    by_source: HashMap<Box<str>, PatternId>,
    source_bytes: usize,
}

impl Patterns {
    pub(super) fn finish(self) -> Vec<Pattern> {
        self.list
    }
}

impl Writer<'_, '_, '_> {
    pub(super) fn pattern(&mut self, source: &str, span: Span) -> Option<PatternId> {
        if let Some(known) = self.patterns.by_source.get(source) {
            return Some(*known);
        }
        self.patterns.source_bytes += source.len();
        if source.len() > SOURCE_BYTES_MAX || self.patterns.source_bytes > ALL_SOURCE_BYTES_MAX {
            return self.too_large(span);
        }
        if let Some((what, instead)) = beyond(source) {
            return self.fault(
                Diagnostic::new(
                    Code::PatternNotLinear,
                    span,
                    format!("{what} can't be matched in a time that does not depend on the text"),
                )
                .label(instead),
            );
        }
        let spoken = match spelled(source) {
            Ok(spoken) => spoken,
            Err(why) => {
                return self.fault(
                    Diagnostic::new(Code::BadPattern, span, "this regular expression can't be read")
                        .label(why),
                );
            }
        };
        let regex = RegexBuilder::new(&spoken)
            .unicode(spoken.contains("\\p") || spoken.contains("\\P"))
            .size_limit(COMPILED_BYTES_MAX)
            .nest_limit(NESTED_MAX)
            .build();
        let regex = match regex {
            Ok(regex) => regex,
            Err(regex::Error::CompiledTooBig(_)) => return self.too_large(span),
            Err(error) => {
                // The last line says what is wrong; those above draw the text, which may be private.
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let shown = !self.checker.private(span);
                let fault = Diagnostic::new(Code::BadPattern, span, "this regular expression can't be read");
                return self.fault(if shown { fault.label(why.to_owned()) } else { fault });
            }
        };
        let (prefix, prefix_only) = literal_prefix(source);
        let id = PatternId(u32::try_from(self.patterns.list.len()).unwrap_or(u32::MAX));
        self.patterns.list.push(Pattern { source: source.into(), regex, prefix, prefix_only });
        self.patterns.by_source.insert(source.into(), id);
        Some(id)
    }

    fn too_large(&mut self, span: Span) -> Option<PatternId> {
        self.fault(
            Diagnostic::new(Code::PatternTooLarge, span, "this regular expression is too large")
                .label("count less (`{1000}`), or put what it lists into a `table` or an `acl`"),
        )
    }
}

/// What the engine has no linear answer for, and what to write instead.
fn beyond(source: &str) -> Option<(&'static str, &'static str)> {
    let bytes = source.as_bytes();
    let mut at = 0;
    let mut class = false;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        match byte {
            b'\\' => {
                if !class && rest.get(1).is_some_and(|next| matches!(next, b'1'..=b'9' | b'k' | b'g')) {
                    return Some((
                        "a backreference",
                        "match both parts by groups and compare them: `re.group.1 == …`",
                    ));
                }
                if !class && rest.get(1).is_some_and(|next| matches!(next, b'K' | b'G' | b'X' | b'C')) {
                    return Some(("this escape", "write out what it stands for"));
                }
                at += 1;
            }
            b'[' if !class => {
                class = true;
                // `]` as the first of a class is itself.
                at += usize::from(rest.get(1) == Some(&b'^'));
                at += usize::from(bytes.get(at + 1) == Some(&b']'));
            }
            b'[' if rest.get(1) == Some(&b':') => at += 1,
            b':' if class && rest.get(1) == Some(&b']') => at += 1,
            b']' => class = false,
            b'(' if !class => {
                if rest.starts_with(b"(?=") {
                    return Some(("look-ahead", "match the two parts by two conditions joined with `&&`"));
                }
                if rest.starts_with(b"(?!") {
                    return Some((
                        "negative look-ahead",
                        "say it by a second condition: `a ~ \"…\" && a !~ \"…\"`",
                    ));
                }
                if rest.starts_with(b"(?<=") || rest.starts_with(b"(?<!") {
                    return Some((
                        "look-behind",
                        "match what stands before as well, or say it by a second condition",
                    ));
                }
                if rest.starts_with(b"(?>") {
                    return Some(("an atomic group", "write `(?:…)`: nothing is tried twice here anyway"));
                }
                if rest.starts_with(b"(?R") || rest.starts_with(b"(?&") || rest.starts_with(b"(?(") {
                    return Some(("recursion or a condition", "write it as several conditions"));
                }
                if rest.starts_with(b"(?P=") {
                    return Some((
                        "a backreference",
                        "match both parts by groups and compare them: `re.group.1 == …`",
                    ));
                }
                if rest.starts_with(b"(?P>") || rest.starts_with(b"(?C") || rest.starts_with(b"(?|") {
                    return Some(("this group", "write it as a plain group, `(?:…)`"));
                }
                if rest.starts_with(b"(?")
                    && rest.get(2).is_some_and(|next| matches!(next, b'0'..=b'9' | b'+'))
                {
                    return Some(("recursion", "write it as several conditions"));
                }
                if rest.starts_with(b"(*") {
                    return Some(("a word of PCRE's own", "leave it out"));
                }
            }
            b'*' | b'+' | b'?' | b'}' if !class && rest.get(1) == Some(&b'+') && at > 0 => {
                return Some((
                    "a possessive count",
                    "take the second `+` out: nothing is tried twice here anyway",
                ));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// What PCRE reads otherwise than the engine, or the engine not at all: a `{` that begins no count, a `[` within
/// a class, bytes by number, any sign behind a backslash. `Err` says what neither can read.
fn spelled(source: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(source.len() + 8);
    let mut chars = source.chars().peekable();
    let mut class = false;
    // What was read last is a count: no other may follow.
    let mut counted = false;
    while let Some(c) = chars.next() {
        let before = std::mem::replace(&mut counted, false);
        match c {
            '\\' => escape(&mut chars, class, &mut out)?,
            '[' if !class => {
                class = true;
                out.push(c);
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
                // A bracket that stands first is itself.
                if chars.peek() == Some(&']') {
                    chars.next();
                    out.push_str("\\]");
                }
            }
            '[' if chars.peek() == Some(&':') => named_class(&mut chars, &mut out)?,
            '[' => out.push_str("\\["),
            ']' => {
                class = false;
                out.push(c);
            }
            // Doubled, these would be operations on sets.
            '&' | '~' if class => out.extend(['\\', c]),
            // In a class, a letter of several bytes is each of them.
            c if class && !c.is_ascii() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    write_into(&mut out, format_args!("\\x{byte:02x}"));
                }
            }
            '(' if !class && chars.peek() == Some(&'?') => {
                let mut ahead = chars.clone();
                ahead.next();
                match ahead.next() {
                    // `(?#…)` says nothing.
                    Some('#') => {
                        if !chars.any(|c| c == ')') {
                            return Err("a comment never ends");
                        }
                    }
                    // `(?'name'…)`
                    Some('\'') => {
                        chars = ahead;
                        let name: String = chars.by_ref().take_while(|c| *c != '\'').collect();
                        write_into(&mut out, format_args!("(?P<{name}>"));
                    }
                    // The sign of a group is no count.
                    _ => {
                        out.push(c);
                        out.extend(chars.next());
                    }
                }
            }
            '*' | '+' | '?' if !class => {
                if before {
                    return Err("a count follows a count");
                }
                counted = true;
                out.push(c);
                // `a*?` takes as little as it can.
                if chars.peek() == Some(&'?') {
                    out.extend(chars.next());
                }
            }
            '{' if !class && !chars.peek().is_some_and(char::is_ascii_digit) => out.push_str("\\{"),
            _ => out.push(c),
        }
    }
    Ok(out)
}

fn escape(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    class: bool,
    out: &mut String,
) -> Result<(), &'static str> {
    let Some(next) = chars.next() else { return Err("a backslash stands at the end") };
    match next {
        'Z' if !class => out.push_str("(?:\\n?\\z)"),
        'R' if !class => out.push_str("(?:\\r\\n|[\\n\\x0b\\x0c\\r])"),
        'N' if !class => out.push_str("[^\\n]"),
        'h' => out.push_str(if class { " \\t" } else { "[ \\t]" }),
        'e' => out.push_str("\\x1b"),
        '0' => {
            let mut byte = 0_u32;
            for _ in 0..2 {
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else { break };
                byte = byte * 8 + digit;
                chars.next();
            }
            write_into(out, format_args!("\\x{byte:02x}"));
        }
        'c' => match chars.next() {
            Some(letter) if letter.is_ascii() => {
                write_into(out, format_args!("\\x{:02x}", letter.to_ascii_uppercase() as u8 ^ 0x40));
            }
            _ => return Err("`\\c` is followed by no letter"),
        },
        'x' if chars.peek() == Some(&'{') => {
            chars.next();
            let digits: String = chars.by_ref().take_while(|c| *c != '}').collect();
            match u8::from_str_radix(&digits, 16) {
                Ok(byte) => write_into(out, format_args!("\\x{byte:02x}")),
                Err(_) => return Err("texts are bytes, and this is none: write the letter itself"),
            }
        }
        'u' | 'U' | 'L' | 'l' => return Err("there is no such escape; write the letter itself"),
        'Q' => {
            let mut literal = String::new();
            for c in chars.by_ref() {
                literal.push(c);
                if literal.ends_with("\\E") {
                    literal.truncate(literal.len() - 2);
                    break;
                }
            }
            out.push_str(&regex::escape(&literal));
        }
        'E' => {}
        next if next.is_ascii_alphanumeric() || keeps_backslash(next) => out.extend(['\\', next]),
        next => out.push(next),
    }
    Ok(())
}

/// `[:alpha:]` within a class.
fn named_class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) -> Result<(), &'static str> {
    const NAMES: &[&str] = &[
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "word", "xdigit",
    ];
    let mut ahead = chars.clone();
    ahead.next();
    let name: String = ahead.by_ref().take_while(|c| *c != ':').collect();
    if ahead.peek() != Some(&']') {
        // A bracket and a colon.
        out.push_str("\\[");
        return Ok(());
    }
    if !NAMES.contains(&name.trim_start_matches('^')) {
        return Err("there is no such class of letters");
    }
    ahead.next();
    *chars = ahead;
    write_into(out, format_args!("[:{name}:]"));
    Ok(())
}

/// Writing into a `String` does not fail.
fn write_into(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

/// Signs that keep their backslash.
const fn keeps_backslash(c: char) -> bool {
    matches!(
        c,
        '\\' | '.'
            | '+'
            | '*'
            | '?'
            | '('
            | ')'
            | '|'
            | '['
            | ']'
            | '{'
            | '}'
            | '^'
            | '$'
            | '#'
            | '&'
            | '-'
            | '~'
    )
}

/// The text that every match begins with, where the expression is anchored at the start; and whether that is all.
fn literal_prefix(source: &str) -> (Box<[u8]>, bool) {
    let none = || (Box::from([].as_slice()), false);
    let Some(rest) = source.strip_prefix('^') else { return none() };
    // With a choice somewhere, no part is sure to be there.
    if rest.contains('|') {
        return none();
    }
    let mut prefix: Vec<u8> = Vec::new();
    let mut chars = rest.chars().peekable();
    loop {
        let Some(c) = chars.next() else { return (prefix.into(), true) };
        let literal = match c {
            '\\' => match chars.next() {
                Some(next) if next.is_ascii_punctuation() => next,
                _ => break,
            },
            '.' | '[' | '(' | ')' | '^' | '$' | '*' | '?' | '{' | '+' => break,
            c => c,
        };
        // What may be repeated or left out is not sure.
        if chars.peek().is_some_and(|next| matches!(next, '*' | '?' | '{' | '+')) {
            break;
        }
        prefix.extend_from_slice(literal.encode_utf8(&mut [0; 4]).as_bytes());
    }
    (prefix.into(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_more_than_linear_time_is_known() {
        for source in
            ["(?=a)b", "a(?!b)", "(?<=a)b", "(?<!a)b", "(?>a)", "(a)\\1", "a++", "a*+b", "a{2}+", "(?R)"]
        {
            assert!(beyond(source).is_some(), "{source}");
        }
        for source in
            ["(?i)a", "(?:a)", "(?<n>a)", "[(?=]", "\\(?=", "[*+]", "\\*+", "a+b+", "[]a]+", "[[:alpha:]+]+"]
        {
            assert!(beyond(source).is_none(), "{source}");
        }
    }

    #[test]
    fn what_pcre_takes_as_itself_is_taken_so() {
        for (source, yes, no) in [
            ("^/\\{x", "/{x", "/x"),
            ("{x}", "{x}", "x"),
            ("a{2}", "aa", "a"),
            ("[[]", "[", "]"),
            ("[]]", "]", "["),
            ("[^]]", "a", "]"),
            ("[[:upper:]]", "A", "a"),
            ("\\/\\\"\\'", "/\"'", "x"),
            ("[a&&b]", "&", "c"),
            ("(?i)ABC", "xabcx", "ab"),
            ("a\\Z", "a", "ab"),
            ("\\hx", "\tx", "x"),
            ("\\Qa.b\\Ec", "a.bc", "axbc"),
            ("\\07", "\u{7}", "7"),
            ("\\cA", "\u{1}", "A"),
            ("^\\N$", "a", "\n"),
            ("^\\R$", "\r\n", "a"),
            ("[äö]", "ö", "a"),
            ("(?#no)a", "a", "no"),
            ("(?'n'a)b", "ab", "b"),
            ("a+?b", "aab", "b"),
        ] {
            let regex = RegexBuilder::new(&spelled(source).unwrap()).unicode(false).build().unwrap();
            assert!(regex.is_match(yes.as_bytes()), "{source}");
            assert!(!regex.is_match(no.as_bytes()), "{source}");
        }
    }

    #[test]
    fn what_neither_reads_is_refused() {
        for source in ["a**", "a+*", "[[:nothing:]]", "\\x{263a}", "\\u0041", "a\\", "(?#"] {
            assert!(spelled(source).is_err(), "{source}");
        }
    }

    #[test]
    fn a_prefix_is_what_every_match_begins_with() {
        for (source, prefix, only) in [
            ("^/svn/", "/svn/", true),
            ("^/a\\.b", "/a.b", true),
            ("^/a.b", "/a", false),
            ("^/ab?", "/a", false),
            ("^/a$", "/a", false),
            ("^/a|b", "", false),
            ("/a", "", false),
            ("^", "", true),
            ("(?i)^/a", "", false),
            ("^\\d", "", false),
        ] {
            assert_eq!(literal_prefix(source), (prefix.as_bytes().into(), only), "{source}");
        }
    }
}
