//! Text → tokens. Every byte belongs to a token, a comment or white space; a fault becomes a token of its
//! own (`Bad`) so that the parser goes on behind it without complaining twice.

use super::ast::Assign;
use super::diagnostic::{Diagnostic, Found};
use super::faults::Code;
use super::source::{FileId, Span, is_invisible, quoted};
use super::vocabulary::Dialect;
use crate::base::amount;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Word,
    /// A string; its text lies `u8` bytes inside the token on both sides.
    Text(u8),
    Number,
    Real,
    Duration,
    Size,
    /// `:aGVsbG8=:`
    Blob,
    /// `C{ … }C`
    InlineC,
    /// `#FASTLY recv`, in Fastly's dialect.
    Macro,
    Open,
    Close,
    OpenParen,
    CloseParen,
    Semicolon,
    Comma,
    Dot,
    Colon,
    /// `=`
    Assign,
    /// `+=` and the others that change what is there.
    Change(Assign),
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    MatchesNot,
    And,
    Or,
    Not,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    /// An operator that no expression has: `&`, `|`, `^`, `<<`, `>>`.
    Operator,
    /// Already reported.
    Bad,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: u32,
    pub end: u32,
}

pub struct Lexed {
    pub tokens: Vec<Token>,
    pub comments: Vec<Span>,
}

/// Which language the text speaks, when it is the main file of a tree.
pub fn dialect(text: &str) -> Dialect {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    let mut first_comment = true;
    loop {
        if rest.starts_with('#') || rest.starts_with("//") {
            let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
            let said = line.trim_start_matches(['#', '/']).trim();
            if first_comment && said.strip_prefix("dialect:").is_some_and(|name| name.trim() == "fastly") {
                return Dialect::Fastly;
            }
            rest = behind.trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, behind)| behind).trim_start();
        } else {
            break;
        }
        first_comment = false;
    }
    let version = rest.strip_prefix("vcl").is_some_and(|behind| {
        let number = behind_blanks(behind);
        number.len() < behind.len() && number.starts_with(|c: char| c.is_ascii_digit())
    });
    if version { Dialect::Varnish } else { Dialect::Doorward }
}

/// What stands behind white space and comments.
fn behind_blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let behind = if rest.starts_with('#') || rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, behind)| behind)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, behind)| behind)
        } else {
            return rest;
        };
        rest = behind.trim_start();
    }
}

/// `text` must be shorter than 4 GiB; the loader sees to it.
pub fn lex(file: FileId, text: &str, dialect: Dialect, found: &mut Found) -> Lexed {
    let mut lexer = Lexer {
        file,
        text,
        dialect,
        at: 0,
        found,
        tokens: Vec::with_capacity(text.len() / 5),
        comments: Vec::new(),
        no_end_ahead: false,
        no_c_ahead: false,
    };
    // A byte order mark is no text.
    if text.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    while lexer.step() {}
    lexer.push(TokenKind::End, text.len());
    Lexed { tokens: lexer.tokens, comments: lexer.comments }
}

/// A size as it is written. Settings count whole units; Varnish knows `1.5MB`.
pub fn size(text: &str, dialect: Dialect) -> Option<u64> {
    amount::size(text).or_else(|| {
        let split = text.find(|c: char| c.is_ascii_alphabetic()).filter(|_| dialect == Dialect::Varnish)?;
        let (number, unit) = text.split_at_checked(split)?;
        let one = u128::from(amount::size(&format!("1{unit}"))?);
        let (whole, part) = number.split_once('.')?;
        // More digits than these are less than a byte.
        let part = part.get(..part.len().min(15))?;
        let parts = 10_u128.pow(u32::try_from(part.len()).ok()?);
        let part = if part.is_empty() { 0 } else { part.parse::<u128>().ok()? };
        u64::try_from(u128::from(whole.parse::<u64>().ok()?) * one + part * one / parts).ok()
    })
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    dialect: Dialect,
    at: usize,
    found: &'a mut Found,
    tokens: Vec<Token>,
    comments: Vec<Span>,
    /// No `"}` stands ahead: looked for once, not once for each `{"`.
    no_end_ahead: bool,
    /// The same of `}C`.
    no_c_ahead: bool,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(self.file, offset(start), offset(end))
    }

    /// Ends a token that began at `self.at`.
    fn push(&mut self, kind: TokenKind, end: usize) {
        let span = self.span(self.at, end);
        self.tokens.push(Token { kind, start: span.start, end: span.end });
        self.at = end;
    }

    fn while_bytes(&self, from: usize, wanted: impl Fn(u8) -> bool) -> usize {
        self.text
            .as_bytes()
            .get(from..)
            .and_then(|rest| rest.iter().position(|byte| !wanted(*byte)))
            .map_or(self.text.len(), |length| from + length)
    }

    fn end_of_line(&self) -> usize {
        let end = self.while_bytes(self.at, |byte| byte != b'\n');
        if self.text.as_bytes().get(end.wrapping_sub(1)) == Some(&b'\r') && end > self.at {
            end - 1
        } else {
            end
        }
    }

    fn step(&mut self) -> bool {
        if self.at >= self.text.len() {
            return false;
        }
        let one = self.at + 1;
        match (self.byte(0), self.byte(1)) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => {
                self.at = self.while_bytes(self.at, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            }
            (b'#', _) if self.dialect == Dialect::Fastly && self.rest().starts_with("#FASTLY ") => {
                let end = self.end_of_line();
                let end = self.at + self.text.get(self.at..end).unwrap_or("").trim_end().len();
                self.push(TokenKind::Macro, end);
            }
            (b'#', _) | (b'/', b'/') => {
                let end = self.end_of_line();
                self.comments.push(self.span(self.at, end));
                self.at = end;
            }
            (b'/', b'*') => self.block_comment(),
            (b'"', _) if self.rest().starts_with("\"\"\"") => self.long_text("\"\"\"", "\"\"\"", 3),
            (b'{', b'"') => self.long_text("{\"", "\"}", 2),
            (b'"', _) => self.short_text(),
            (b'{', _) if self.dialect == Dialect::Fastly => self.marked_text(),
            (b'{', _) => self.push(TokenKind::Open, one),
            (b'}', _) => self.push(TokenKind::Close, one),
            (b'(', _) => self.push(TokenKind::OpenParen, one),
            (b')', _) => self.push(TokenKind::CloseParen, one),
            (b';', _) => self.push(TokenKind::Semicolon, one),
            (b',', _) => self.push(TokenKind::Comma, one),
            (b'.', _) => self.push(TokenKind::Dot, one),
            (b'C', b'{') => self.inline_c(),
            (b':', _) => self.colon(),
            (byte, _) if byte.is_ascii_digit() && !self.part_of_name() => self.amount(),
            (byte, _) if byte.is_ascii_alphanumeric() || byte == b'_' => self.word(),
            _ => match self.operator() {
                Some((kind, length)) => self.push(kind, self.at + length),
                None => self.unknown(),
            },
        }
        true
    }

    fn operator(&self) -> Option<(TokenKind, usize)> {
        use TokenKind::{
            And, Change, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Matches, MatchesNot, Minus, Not,
            NotEqual, Operator, Or, Percent, Plus, Slash, Star,
        };
        Some(match (self.byte(0), self.byte(1), self.byte(2)) {
            (b'<', b'<', b'=') => (Change(Assign::ShiftLeft), 3),
            (b'>', b'>', b'=') => (Change(Assign::ShiftRight), 3),
            (b'&', b'&', b'=') => (Change(Assign::And), 3),
            (b'|', b'|', b'=') => (Change(Assign::Or), 3),
            (b'<', b'<', _) | (b'>', b'>', _) => (Operator, 2),
            (b'=', b'=', _) => (Equal, 2),
            (b'!', b'=', _) => (NotEqual, 2),
            (b'!', b'~', _) => (MatchesNot, 2),
            (b'<', b'=', _) => (LessOrEqual, 2),
            (b'>', b'=', _) => (GreaterOrEqual, 2),
            (b'&', b'&', _) => (And, 2),
            (b'|', b'|', _) => (Or, 2),
            (b'+', b'=', _) => (Change(Assign::Add), 2),
            (b'-', b'=', _) => (Change(Assign::Subtract), 2),
            (b'*', b'=', _) => (Change(Assign::Multiply), 2),
            (b'/', b'=', _) => (Change(Assign::Divide), 2),
            (b'%', b'=', _) => (Change(Assign::Remainder), 2),
            (b'|', b'=', _) => (Change(Assign::BitOr), 2),
            (b'&', b'=', _) => (Change(Assign::BitAnd), 2),
            (b'^', b'=', _) => (Change(Assign::BitXor), 2),
            (b'=', ..) => (TokenKind::Assign, 1),
            (b'!', ..) => (Not, 1),
            (b'~', ..) => (Matches, 1),
            (b'<', ..) => (Less, 1),
            (b'>', ..) => (Greater, 1),
            (b'+', ..) => (Plus, 1),
            (b'-', ..) => (Minus, 1),
            (b'*', ..) => (Star, 1),
            (b'/', ..) => (Slash, 1),
            (b'%', ..) => (Percent, 1),
            (b'&' | b'|' | b'^', ..) => (Operator, 1),
            _ => return None,
        })
    }

    /// Whether the token that ends here is a dot right behind a word: then what follows is a part of a name,
    /// whatever it begins with, as in `re.group.1`.
    fn part_of_name(&self) -> bool {
        if self.dialect == Dialect::Varnish && self.byte(0).is_ascii_digit() {
            return false;
        }
        let [.., before, dot] = self.tokens.as_slice() else { return false };
        dot.kind == TokenKind::Dot
            && dot.end as usize == self.at
            && before.kind == TokenKind::Word
            && before.end == dot.start
    }

    /// `:` parts a key from its value and a header from its part; where a value is due it opens a blob.
    fn colon(&mut self) {
        let value_due = self.tokens.last().is_some_and(|last| {
            !matches!(
                last.kind,
                TokenKind::Word
                    | TokenKind::Text(_)
                    | TokenKind::Number
                    | TokenKind::Real
                    | TokenKind::Duration
                    | TokenKind::Size
                    | TokenKind::CloseParen
                    | TokenKind::Bad
            )
        });
        let end = self.while_bytes(self.at + 1, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
        });
        if value_due && self.text.as_bytes().get(end) == Some(&b':') {
            return self.push(TokenKind::Blob, end + 1);
        }
        self.push(TokenKind::Colon, self.at + 1);
    }

    /// `C{ … }C`; without an end, a word in front of a brace.
    fn inline_c(&mut self) {
        let length = if self.no_c_ahead { None } else { self.rest().find("}C") };
        if let Some(length) = length {
            return self.push(TokenKind::InlineC, self.at + length + 2);
        }
        self.no_c_ahead = true;
        self.push(TokenKind::Word, self.at + 1);
    }

    /// `{END"…"END}`, which Fastly has; or a brace.
    fn marked_text(&mut self) {
        let mark_end = self.while_bytes(self.at + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let mark = self.text.get(self.at + 1..mark_end).unwrap_or("");
        let width = u8::try_from(mark.len() + 2).ok().filter(|_| !mark.is_empty());
        match width {
            Some(width) if self.text.as_bytes().get(mark_end) == Some(&b'"') => {
                let (open, close) = (format!("{{{mark}\""), format!("\"{mark}}}"));
                self.long_text(&open, &close, width);
            }
            _ => self.push(TokenKind::Open, self.at + 1),
        }
    }

    /// Letters, digits, `_` and `-`. A last `-` belongs to the name of a header and to no other, so that
    /// `a -b` and `a-=1` are read as they are meant.
    fn word(&mut self) {
        let named = self.part_of_name();
        let bytes = self.text.as_bytes();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let mut end = self.at;
        loop {
            end = self.while_bytes(end, |byte| is_word(&byte));
            let dashes = self.while_bytes(end, |byte| byte == b'-');
            let joins = dashes > end
                && (bytes.get(dashes).is_some_and(is_word) || named && bytes.get(dashes) != Some(&b'='));
            if !joins {
                break;
            }
            end = dashes;
        }
        self.push(TokenKind::Word, end);
    }

    fn amount(&mut self) {
        let mut end = self.while_bytes(self.at, |byte| byte.is_ascii_digit());
        let bytes = self.text.as_bytes();
        let mut real = false;
        let fraction = self.dialect == Dialect::Varnish || bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if bytes.get(end) == Some(&b'.') && fraction {
            real = true;
            end = self.while_bytes(end + 1, |byte| byte.is_ascii_digit());
        }
        let number_end = end;
        end = self.while_bytes(end, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let text = self.text.get(self.at..end).unwrap_or("");
        if end == number_end {
            if real {
                return self.push(TokenKind::Real, end);
            }
            if text.parse::<u64>().is_ok() {
                return self.push(TokenKind::Number, end);
            }
        } else if self.dialect != Dialect::Varnish
            && text.strip_prefix("0x").is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok())
        {
            return self.push(TokenKind::Number, end);
        } else if amount::duration(text).is_some() {
            return self.push(TokenKind::Duration, end);
        } else if size(text, self.dialect).is_some() {
            return self.push(TokenKind::Size, end);
        }
        let span = self.span(self.at, end);
        let fault = self.bad_amount(span, number_end, end);
        self.found.push(fault);
        self.push(TokenKind::Bad, end);
    }

    fn bad_amount(&self, span: Span, number_end: usize, end: usize) -> Diagnostic {
        let number = self.text.get(self.at..number_end).unwrap_or("");
        let unit = self.text.get(number_end..end).unwrap_or("");
        // A private file's text must not come into a message: these faults name units, never amounts.
        let known = ["ms", "s", "m", "h", "d", "w", "y", "B", "KB", "MB", "GB", "TB"];
        let fault = Diagnostic::new(Code::BadAmount, span, "this amount cannot be read");
        let units = "durations end in ms, s, m, h, d, w or y; sizes in B, KB, MB, GB or TB";
        if unit.is_empty() || known.contains(&unit) {
            let size = unit.ends_with('B');
            return if size && number.contains('.') {
                fault.label("sizes are whole numbers; use the next smaller unit")
            } else {
                fault.label("this is more than any setting can hold")
            };
        }
        let near = match unit.to_ascii_lowercase().as_str() {
            "k" | "kb" | "kib" => "KB",
            "mb" | "mib" => "MB",
            "g" | "gb" | "gib" => "GB",
            "t" | "tb" | "tib" => "TB",
            "b" | "byte" | "bytes" => "B",
            "sec" | "secs" | "second" | "seconds" => "s",
            "min" | "mins" | "minute" | "minutes" => "m",
            "hour" | "hours" | "hr" => "h",
            "day" | "days" => "d",
            "week" | "weeks" => "w",
            "year" | "years" => "y",
            "msec" | "msecs" | "millis" => "ms",
            _ => return fault.label("its unit is not known").help(units),
        };
        let whole = format!("{number}{near}");
        let fault = fault.label(format!("did you mean the unit `{near}`?")).help(units);
        if amount::duration(&whole).is_some() || size(&whole, self.dialect).is_some() {
            fault.fix(self.span(number_end, end), near)
        } else {
            fault
        }
    }

    fn block_comment(&mut self) {
        let end = self.rest().get(2..).and_then(|rest| rest.find("*/")).map(|length| self.at + length + 4);
        if let Some(end) = end {
            let inner = self.text.get(self.at + 2..end - 2).and_then(|comment| comment.find("/*"));
            if let Some(inner) = inner.filter(|_| self.dialect == Dialect::Varnish) {
                let start = self.at + 2 + inner;
                self.found.push(
                    Diagnostic::new(
                        Code::OpenComment,
                        self.span(start, start + 2),
                        "a comment begins in a comment",
                    )
                    .label("the first `*/` ends both; take this one out"),
                );
            }
            self.comments.push(self.span(self.at, end));
            self.at = end;
            return;
        }
        let span = self.span(self.at, self.at + 2);
        self.found.push(
            Diagnostic::new(Code::OpenComment, span, "this comment never ends")
                .label("close it with `*/`")
                .help("everything behind it was left unread"),
        );
        self.push(TokenKind::Bad, self.text.len());
    }

    fn short_text(&mut self) {
        let body = self.at + 1;
        let end = self.while_bytes(body, |byte| byte != b'"' && byte != b'\n');
        if self.text.as_bytes().get(end) == Some(&b'"') {
            return self.text_token(1, end, end + 1);
        }
        let end = self.end_of_line();
        let span = self.span(self.at, end);
        self.found.push(
            Diagnostic::new(Code::OpenText, span, "this string never ends")
                .label("close it with `\"` on the same line")
                .help("a text of several lines stands between `{\"` and `\"}`"),
        );
        self.push(TokenKind::Bad, end);
    }

    fn long_text(&mut self, open: &str, close: &str, width: u8) {
        let body = self.at + open.len();
        let length = if self.no_end_ahead && open == "{\"" {
            None
        } else {
            self.text.get(body..).and_then(|rest| rest.find(close))
        };
        if let Some(length) = length {
            return self.text_token(width, body + length, body + length + close.len());
        }
        let span = self.span(self.at, body);
        let mut fault = Diagnostic::new(Code::OpenText, span, "this long string never ends")
            .label(format!("close it with `{close}`"));
        if open == "{\"" {
            fault = fault.help("if a block was meant, put a space between `{` and `\"`");
        }
        self.found.push(fault);
        if open == "{\"" {
            self.no_end_ahead = true;
            // Most likely a block: go on as if the space were there.
            self.push(TokenKind::Open, self.at + 1);
        } else {
            self.push(TokenKind::Bad, self.text.len());
        }
    }

    fn text_token(&mut self, width: u8, body_end: usize, end: usize) {
        let start = self.at + usize::from(width);
        let body = self.text.get(start..body_end).unwrap_or("");
        let odd = body.char_indices().find(|(_, c)| {
            (c.is_control() && !matches!(c, '\t') && !(width > 1 && matches!(c, '\n' | '\r')))
                || is_invisible(*c)
        });
        if let Some((at, c)) = odd {
            let span = self.span(start + at, start + at + c.len_utf8());
            self.found.push(
                Diagnostic::new(
                    Code::OddCharacter,
                    span,
                    "a character that cannot be seen stands in this string",
                )
                .label(format!("it is U+{:04X}", u32::from(c)))
                .help("take it out: what a rule file says must be what a reviewer sees"),
            );
            return self.push(TokenKind::Bad, end);
        }
        self.push(TokenKind::Text(width), end);
    }

    /// What no token begins with; single and curly quotes get a word of their own.
    fn unknown(&mut self) {
        let Some(first) = self.rest().chars().next() else { return };
        let one = self.at + first.len_utf8();
        let closing = match first {
            '\'' => Some('\''),
            '“' | '”' | '„' => Some('”'),
            '‘' | '’' => Some('’'),
            _ => None,
        };
        // Looked for nearby only: a line of a million quotes must not be read a million times.
        let near =
            self.text.get(one..).unwrap_or("").char_indices().take(200).take_while(|(_, c)| *c != '\n');
        let closed = near
            .filter(|(_, c)| closing == Some(*c) || (closing == Some('”') && matches!(c, '“' | '"')))
            .map(|(length, closed)| (one + length, one + length + closed.len_utf8()))
            .next();
        if closing.is_some() {
            let end = closed.map_or(one, |(_, end)| end);
            let fault = Diagnostic::new(
                Code::OddCharacter,
                self.span(self.at, end),
                "strings stand between double quotes",
            )
            .label("write it between `\"` and `\"`");
            let plain = |start: usize, end: usize| {
                let body = self.text.get(start..end).unwrap_or("");
                !body.contains(|c: char| c == '"' || c.is_control() || is_invisible(c))
            };
            self.found.push(match closed {
                Some((start, end)) if plain(one, start) => {
                    fault.fix(self.span(self.at, one), "\"").fix(self.span(start, end), "\"")
                }
                _ => fault,
            });
            return self.push(TokenKind::Bad, end);
        }
        let starts = |c: char| {
            c.is_ascii_alphanumeric()
                || c.is_ascii_whitespace()
                || "_\"{}();,.=!&|+/~<>-*%:#'“”„‘’".contains(c)
        };
        // Behind the first, which may look like the start of something and be none, as a form feed does.
        let rest = self.text.get(one..).unwrap_or("");
        let length = first.len_utf8() + rest.find(starts).unwrap_or(rest.len());
        let span = self.span(self.at, self.at + length);
        let shown = quoted(self.rest().get(..first.len_utf8()).unwrap_or(""));
        let fault = if first.is_alphabetic() {
            Diagnostic::new(Code::OddCharacter, span, "names are written with a to z, digits, `_` and `-`")
                .label("this letter cannot stand in a name")
        } else {
            Diagnostic::new(Code::OddCharacter, span, format!("{shown} means nothing here"))
                .label("take it out, or put it in a string")
        };
        self.found.push(fault);
        self.push(TokenKind::Bad, self.at + length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> (Vec<TokenKind>, Vec<&'static str>) {
        let mut found = Found::default();
        let lexed = lex(FileId(0), text, Dialect::Doorward, &mut found);
        let mut at = 0;
        for token in &lexed.tokens {
            assert!(token.start >= at && token.end >= token.start, "{text:?}");
            at = token.end;
        }
        (
            lexed.tokens.iter().map(|token| token.kind).filter(|kind| *kind != TokenKind::End).collect(),
            found.iter().map(|fault| fault.code.code()).collect(),
        )
    }

    #[test]
    fn each_spelling_is_one_token() {
        use TokenKind::*;
        for (text, expected) in [
            ("backend", vec![Word]),
            ("User-Agent", vec![Word]),
            ("a - b", vec![Word, Minus, Word]),
            ("a-", vec![Word, Minus]),
            ("a--b", vec![Word]),
            ("x.a- x.a-=1", vec![Word, Dot, Word, Word, Dot, Word, Change(super::Assign::Subtract), Number]),
            ("re.group.1", vec![Word, Dot, Word, Dot, Word]),
            ("req.http.2fa", vec![Word, Dot, Word, Dot, Word]),
            ("\"a b\"", vec![Text(1)]),
            ("\"\"", vec![Text(1)]),
            ("{\"a \" b\n\"}", vec![Text(2)]),
            ("\"\"\"a \"\" b\"\"\"", vec![Text(3)]),
            ("10s 250ms 1.5h 30d", vec![Duration; 4]),
            ("64KB 10MB 512B", vec![Size; 3]),
            ("6/m", vec![Number, Slash, Word]),
            ("0x1F", vec![Number]),
            ("(:aGVs+bG8/=:)", vec![OpenParen, Blob, CloseParen]),
            ("\"a\":b:", vec![Text(1), Colon, Word, Colon]),
            ("C{ \" { }C", vec![InlineC]),
            ("C{ }", vec![Word, Open, Close]),
            ("#FASTLY recv", vec![]),
            ("\"192.0.2.0\"/24", vec![Text(1), Slash, Number]),
            ("24 1.5", vec![Number, Real]),
            (
                "== != && || ! + = ; , . ( ) { }",
                vec![
                    Equal, NotEqual, And, Or, Not, Plus, Assign, Semicolon, Comma, Dot, OpenParen,
                    CloseParen, Open, Close,
                ],
            ),
            (
                "~ !~ <= >= < > - * / % & << ^",
                vec![
                    Matches,
                    MatchesNot,
                    LessOrEqual,
                    GreaterOrEqual,
                    Less,
                    Greater,
                    Minus,
                    Star,
                    Slash,
                    Percent,
                    Operator,
                    Operator,
                    Operator,
                ],
            ),
            (
                "<<= &&= |= %=",
                vec![
                    Change(super::Assign::ShiftLeft),
                    Change(super::Assign::And),
                    Change(super::Assign::BitOr),
                    Change(super::Assign::Remainder),
                ],
            ),
            ("# x\n// y\n/* z\n*/", vec![]),
            ("\u{feff}a", vec![Word]),
        ] {
            assert_eq!(kinds(text), (expected, vec![]), "{text}");
        }
    }

    #[test]
    fn a_bad_token_is_reported_once() {
        for (text, code) in [
            ("\"abc", "E007"),
            ("\"\"\"abc", "E007"),
            ("/* abc", "E008"),
            ("'abc'", "E009"),
            ("“abc”", "E009"),
            ("@@@", "E009"),
            ("größe", "E009"),
            ("\"a\u{202e}b\"", "E009"),
            ("\"a\u{0}b\"", "E009"),
            ("10x", "E021"),
            ("1.5MB", "E021"),
            ("99999999999999999999", "E021"),
            ("64kb", "E021"),
        ] {
            let (_, codes) = kinds(text);
            assert_eq!(codes, [code], "{text}");
        }
    }

    #[test]
    fn any_character_at_all_is_passed() {
        for c in (0..0x3000).filter_map(char::from_u32) {
            kinds(&format!("a {c}{c} b"));
        }
    }

    #[test]
    fn any_bytes_at_all_are_lexed_to_the_end() {
        let pieces =
            ["\"", "{\"", "\"}", "/*", "*/", "'", "“", "#", "\n", "\r", "1", ".", "s", "ü", "\0", "-", "a"];
        let mut seed = 7_u64;
        for _ in 0..5_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            kinds(&text);
        }
    }
}
