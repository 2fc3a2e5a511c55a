//! Where in a text the cursor stands, told from its tokens alone: a text that is being typed has no tree yet.

use crate::language::Found;
use crate::language::lexer::{Token, TokenKind, lex};
use crate::language::source::FileId;
use crate::language::table::Kind;
use crate::language::vocabulary::{Dialect, Phase};

/// What stands around the cursor.
#[derive(Debug, Default)]
pub struct Cursor<'t> {
    /// Each open brace: the words of the statement it belongs to, outermost first.
    pub around: Vec<Vec<&'t str>>,
    /// The statement in which the cursor stands, up to it, word under it excluded.
    pub before: Vec<Piece<'t>>,
    /// The name under the cursor, with its dots: `req.http.Host`. Empty between words.
    pub name: &'t str,
    /// Where it begins.
    pub start: usize,
    /// The part of it before the cursor.
    pub typed: &'t str,
    /// The name begins with a dot of its own: a setting.
    pub is_setting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'t> {
    pub kind: TokenKind,
    pub text: &'t str,
}

/// Looks at the place of a byte in a text; `None` within a comment or a string.
pub fn look(text: &str, offset: usize, dialect: Dialect) -> Option<Cursor<'_>> {
    let mut found = Found::default();
    let lexed = lex(FileId(0), text, dialect, &mut found);
    let inside = |start: u32, end: u32| (start as usize) < offset && offset < end as usize;
    if lexed.comments.iter().any(|comment| {
        inside(comment.start, comment.end)
            || (comment.end as usize == offset
                && text
                    .get(comment.start as usize..comment.end as usize)
                    .is_some_and(|text| !text.ends_with("*/")))
    }) {
        return None;
    }
    let text_of = |token: &Token| text.get(token.start as usize..token.end as usize).unwrap_or("");
    let mut cursor = Cursor { start: offset, ..Cursor::default() };
    let name = name_at(&lexed.tokens, offset);
    if let Some((start, end)) = name {
        cursor.name = text.get(start..end).unwrap_or("");
        cursor.typed = text.get(start..offset).unwrap_or("");
        cursor.start = start;
    }
    for token in &lexed.tokens {
        if token.start as usize >= cursor.start {
            break;
        }
        if matches!(token.kind, TokenKind::Text(_)) && inside(token.start, token.end) {
            return None;
        }
        match token.kind {
            TokenKind::Open => {
                let words = cursor.before.iter().filter(|piece| piece.kind == TokenKind::Word);
                cursor.around.push(words.map(|piece| piece.text).collect());
                cursor.before.clear();
            }
            TokenKind::Close => {
                cursor.around.pop();
                cursor.before.clear();
            }
            TokenKind::Semicolon => cursor.before.clear(),
            kind => cursor.before.push(Piece { kind, text: text_of(token) }),
        }
    }
    // The dot of a setting stands before its name.
    cursor.is_setting = matches!(cursor.before.as_slice(), [Piece { kind: TokenKind::Dot, .. }]);
    Some(cursor)
}

/// The bytes of the name a place lies in or touches: words, and the dots and colons that join them.
fn name_at(tokens: &[Token], offset: usize) -> Option<(usize, usize)> {
    let joins = |token: &Token, text_kind: bool| {
        matches!(token.kind, TokenKind::Word | TokenKind::Number)
            || (text_kind && token.kind == TokenKind::Dot)
    };
    let at = tokens.iter().rposition(|token| {
        joins(token, true) && token.start as usize <= offset && offset <= token.end as usize
    })?;
    let touching = |left: &Token, right: &Token| left.end == right.start;
    let mut first = at;
    while let Some((before, here)) =
        first.checked_sub(1).and_then(|before| Some((tokens.get(before)?, tokens.get(first)?)))
    {
        if !joins(before, true) || !touching(before, here) || before.kind == here.kind {
            break;
        }
        first -= 1;
    }
    let mut last = at;
    while let Some((here, after)) = tokens.get(last).zip(tokens.get(last + 1)) {
        if !joins(after, true) || !touching(here, after) || after.kind == here.kind {
            break;
        }
        last += 1;
    }
    // A dot in front belongs to a setting, not to a name.
    if tokens.get(first).is_some_and(|token| token.kind == TokenKind::Dot) {
        first += 1;
    }
    let (start, end) = (tokens.get(first)?.start as usize, tokens.get(last)?.end as usize);
    (start <= offset && offset <= end && start < end).then_some((start, end))
}

impl Cursor<'_> {
    /// The declaration whose braces are the nearest.
    pub fn kind(&self) -> Option<Kind> {
        self.around.last().and_then(|words| Kind::by_word(words.first()?))
    }

    /// The sub the cursor stands in.
    pub fn sub(&self) -> Option<&str> {
        self.around.iter().find(|words| words.first() == Some(&"sub"))?.get(1).copied()
    }

    /// The phase of that sub, where the gateway calls it by itself.
    pub fn phase(&self, dialect: Dialect) -> Option<Phase> {
        Phase::of_sub(self.sub()?, dialect)
    }

    /// The words that begin the statement.
    pub fn word(&self, at: usize) -> Option<&str> {
        self.before.get(at).filter(|piece| piece.kind == TokenKind::Word).map(|piece| piece.text)
    }

    /// The setting whose value is being written.
    pub fn setting(&self) -> Option<&str> {
        match self.before.as_slice() {
            [dot, name, equals, ..]
                if dot.kind == TokenKind::Dot
                    && name.kind == TokenKind::Word
                    && equals.kind == TokenKind::Assign =>
            {
                Some(name.text)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cursor is where `|` stands.
    fn at(text: &str) -> (String, usize) {
        let offset = text.find('|').unwrap();
        (text.replacen('|', "", 1), offset)
    }

    #[test]
    fn the_name_under_the_cursor_has_its_dots() {
        for (text, name, typed) in [
            ("sub vcl_recv { set req.http.Ho|st = \"a\"; }", "req.http.Host", "req.http.Ho"),
            ("sub vcl_recv { set |req.url = 1; }", "req.url", ""),
            ("sub vcl_recv { set req.| }", "req.", "req."),
            ("route \"/\" { .back|end = trac; }", "backend", "back"),
            ("route \"/\" { .backend = tr|ac; }", "trac", "tr"),
            ("a | b", "", ""),
            ("std.ip|(req.url)", "std.ip", "std.ip"),
        ] {
            let (text, offset) = at(text);
            let cursor = look(&text, offset, Dialect::Doorward).unwrap();
            assert_eq!((cursor.name, cursor.typed), (name, typed), "{text}");
        }
    }

    #[test]
    fn what_stands_around_is_known_without_a_tree() {
        let (text, offset) = at("sub vcl_deliver { if (req.url ~ \"{\") { set resp.| ");
        let cursor = look(&text, offset, Dialect::Doorward).unwrap();
        assert_eq!(cursor.phase(Dialect::Doorward), Some(Phase::Deliver));
        assert_eq!(cursor.word(0), Some("set"));
        let (text, offset) = at("site \"a\" { route \"/\" { .backend = | } }");
        let cursor = look(&text, offset, Dialect::Doorward).unwrap();
        assert_eq!((cursor.kind(), cursor.setting()), (Some(Kind::Route), Some("backend")));
        let (text, offset) = at("site \"a\" { route \"/\" { } .|");
        let cursor = look(&text, offset, Dialect::Doorward).unwrap();
        assert_eq!((cursor.kind(), cursor.is_setting), (Some(Kind::Site), true));
    }

    #[test]
    fn nothing_is_said_in_comments_and_strings() {
        for text in ["# a |b", "/* x| */", "let a = \"x|y\";", "// |"] {
            let (text, offset) = at(text);
            assert!(look(&text, offset, Dialect::Doorward).is_none(), "{text}");
        }
        let (text, offset) = at("/* x */|");
        assert!(look(&text, offset, Dialect::Doorward).is_some());
    }
}
