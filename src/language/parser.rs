//! Tokens → tree. After a fault the parser goes on at the next place where a declaration, a setting or a
//! statement can begin, so that one run finds them all; what hangs on a fault is not reported again.
//!
//! `declarations` reads what stands at the top of a file, `statements` what stands in a `sub`, and
//! `expressions` values in both. Here is what they share: the cursor, the `;`, and the ways out of a fault.

mod declarations;
mod expressions;
mod statements;
#[cfg(test)]
mod tests;

use super::ast::{File, Statement};
use super::diagnostic::{Diagnostic, Found};
use super::faults::Code;
use super::lexer::{Lexed, Token, TokenKind, lex};
use super::source::{FileId, Sources, Span};
use super::suggest::Suggestions;
use super::table::Kind;
use super::vocabulary::Dialect;
use crate::base::amount;

/// How deep parentheses, calls and `!` may be nested.
const EXPRESSIONS_DEEP_MAX: usize = 64;
/// How deep declarations may be nested.
const DECLARATIONS_DEEP_MAX: usize = 8;
/// How deep blocks of statements may be nested, those of included files counted from where they stand.
const BLOCKS_DEEP_MAX: usize = 64;

/// A fault was reported; the caller recovers.
struct Reported;

type Parsed<T> = Result<T, Reported>;

/// A file that stands at the top of a tree.
pub fn parse(
    sources: &Sources,
    file: FileId,
    dialect: Dialect,
    found: &mut Found,
    suggestions: &mut Suggestions,
) -> File {
    let (mut parser, comments) = Parser::new(sources, file, dialect, found, suggestions);
    let items = parser.items();
    File { id: file, items, comments }
}

/// A file that stands in a `sub`, `depth` blocks deep.
pub fn parse_statements(
    sources: &Sources,
    file: FileId,
    depth: usize,
    dialect: Dialect,
    found: &mut Found,
    suggestions: &mut Suggestions,
) -> Vec<Statement> {
    let (mut parser, _) = Parser::new(sources, file, dialect, found, suggestions);
    parser.rules = true;
    parser.lone_statements(depth)
}

struct Parser<'a> {
    sources: &'a Sources,
    file: FileId,
    text: &'a str,
    dialect: Dialect,
    tokens: Vec<Token>,
    at: usize,
    found: &'a mut Found,
    suggestions: &'a mut Suggestions,
    /// In a `sub`, where every operator has a meaning and strings may stand side by side.
    rules: bool,
    /// In a `probe`, where strings may stand side by side too.
    lines: bool,
    /// In a `director`, where a weight may stand behind a name.
    weights: bool,
    /// Right in a `case`, which ends where the next one begins.
    in_case: bool,
    /// Where a `}` was found missing: the braces around it need not say so again.
    unclosed: Option<usize>,
}

impl<'a> Parser<'a> {
    fn new(
        sources: &'a Sources,
        file: FileId,
        dialect: Dialect,
        found: &'a mut Found,
        suggestions: &'a mut Suggestions,
    ) -> (Self, Vec<Span>) {
        let text = sources.whole(file);
        let Lexed { tokens, comments } = lex(file, text, dialect, found);
        let parser = Self {
            sources,
            file,
            text,
            dialect,
            tokens,
            at: 0,
            found,
            suggestions,
            rules: false,
            lines: false,
            weights: false,
            in_case: false,
            unclosed: None,
        };
        (parser, comments)
    }

    fn token(&self, ahead: usize) -> Token {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let last = Token { kind: TokenKind::End, start: end, end };
        self.tokens.get(self.at + ahead).copied().unwrap_or(last)
    }

    fn kind(&self) -> TokenKind {
        self.token(0).kind
    }

    fn span_of(&self, token: Token) -> Span {
        Span::new(self.file, token.start, token.end)
    }

    fn span(&self) -> Span {
        self.span_of(self.token(0))
    }

    fn before(&self) -> Span {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or_else(|| Span::new(self.file, 0, 0), |token| self.span_of(*token))
    }

    fn str(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    fn word(&self, ahead: usize) -> Option<&'a str> {
        let token = self.token(ahead);
        (token.kind == TokenKind::Word).then(|| self.str(self.span_of(token)))
    }

    fn next(&mut self) -> Span {
        let span = self.span();
        if self.kind() != TokenKind::End {
            self.at += 1;
        }
        span
    }

    fn take(&mut self, kind: TokenKind) -> Option<Span> {
        (self.kind() == kind).then(|| self.next())
    }

    fn starts_line(&self, ahead: usize) -> bool {
        let Some(before) = (self.at + ahead).checked_sub(1).and_then(|at| self.tokens.get(at)) else {
            return true;
        };
        let start = self.token(ahead).start as usize;
        self.text.get(before.end as usize..start).is_some_and(|gap| gap.contains('\n'))
    }

    /// What stands here, for a message.
    fn found_here(&self) -> String {
        match self.kind() {
            TokenKind::End => "the end of the file".to_owned(),
            _ => self.sources.quote(self.span()),
        }
    }

    fn report(&mut self, fault: Diagnostic) -> Reported {
        self.found.push(fault);
        Reported
    }

    /// Something else was expected; quiet when what stands here was reported already.
    fn unexpected(&mut self, wanted: &str, label: &str) -> Reported {
        if self.kind() == TokenKind::Bad {
            return Reported;
        }
        let here = self.found_here();
        let span = self.span();
        self.report(
            Diagnostic::new(Code::Unexpected, span, format!("expected {wanted}, found {here}")).label(label),
        )
    }

    /// Whether nothing stands between this token and the one before.
    fn adjoins(&self, ahead: usize) -> bool {
        (self.at + ahead)
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .is_some_and(|before| before.end == self.token(ahead).start)
    }

    /// The `{` at `open` has no `}` before this place. Said once, for the innermost of them.
    fn never_closed(&mut self, open: Span) {
        if self.unclosed.replace(self.at) == Some(self.at) {
            return;
        }
        let says = if self.kind() == TokenKind::End {
            "the file ends here"
        } else {
            "here the next declaration begins"
        };
        let here = self.span();
        self.found.push(
            Diagnostic::new(Code::OpenBrace, open, "this `{` is never closed")
                .label("its `}` is missing")
                .at(here, says),
        );
    }

    /// A `;` without anything in front; nobody is helped by a fault, but Varnish refuses it.
    fn stray_semicolon(&mut self) {
        let span = self.next();
        if self.dialect == Dialect::Varnish {
            self.found.push(
                Diagnostic::new(Code::Unexpected, span, "this `;` ends nothing")
                    .label("take it out")
                    .fix(span, ""),
            );
        }
    }

    fn inline_c(&mut self) -> Span {
        let span = self.next();
        let opening = Span { end: span.start + 2, ..span };
        self.found.push(
            Diagnostic::new(Code::InlineC, opening, "C code is never run here")
                .label("take it out, up to `}C`")
                .help("what it did is most often a function of `std` by now"),
        );
        span
    }

    /// A missing `;` is reported behind what it should end; when the next thing begins a line, a setting or
    /// ends the block, nothing needs to be skipped.
    fn semicolon(&mut self) -> Parsed<()> {
        if self.take(TokenKind::Semicolon).is_some() {
            return Ok(());
        }
        let before = self.tokens.get(self.at.wrapping_sub(1)).map(|token| token.kind);
        if before == Some(TokenKind::Bad) || self.kind() == TokenKind::Bad {
            return if self.starts_line(0) { Ok(()) } else { Err(Reported) };
        }
        if self.starts_line(0)
            || matches!(self.kind(), TokenKind::Close | TokenKind::End | TokenKind::Dot)
            || self.rules && self.statement_begins()
        {
            let span = self.before().behind();
            let fault = Diagnostic::new(Code::NoSemicolon, span, "a `;` is missing").label("write `;` here");
            // `1.2.3` may mean anything.
            let sure = self.kind() != TokenKind::Dot || !self.adjoins(0);
            self.found.push(if sure { fault.fix(span, ";") } else { fault });
            return Ok(());
        }
        if before == Some(TokenKind::Number)
            && self
                .word(0)
                .map(|unit| format!("1{unit}"))
                .is_some_and(|one| amount::duration(&one).is_some() || amount::size(&one).is_some())
        {
            let (number, unit) = (self.before(), self.span());
            return Err(self.report(
                Diagnostic::new(
                    Code::Unexpected,
                    number.to(unit),
                    "an amount and its unit are written together",
                )
                .label("take the space out, as in `10s` or `64KB`")
                .fix(number.behind().to(unit.front()), ""),
            ));
        }
        if self.is_operator() {
            let here = self.found_here();
            let span = self.span();
            let label = if self.rules {
                "values are joined by `+`, `-`, `==`, `~`, `&&`, `||` and others, but not by this"
            } else {
                "values are joined by `+`, `==`, `!=`, `&&`, `||` and `!`"
            };
            return Err(self.report(
                Diagnostic::new(Code::Unexpected, span, format!("{here} has no meaning in a value"))
                    .label(label),
            ));
        }
        Err(self.unexpected("`;`", "the value ends before this; write `;`, or an operator"))
    }

    /// `and`, `or` or `not` where `&&`, `||` or `!` is meant: said, and gone on from as if it stood there.
    fn word_for_operator(&mut self, operator: TokenKind) -> bool {
        if self.word(0).and_then(operator_word) != Some(operator) {
            return false;
        }
        let value_follows = matches!(
            self.token(1).kind,
            TokenKind::Word
                | TokenKind::Text(_)
                | TokenKind::Number
                | TokenKind::Real
                | TokenKind::Duration
                | TokenKind::Size
                | TokenKind::OpenParen
                | TokenKind::Not
        );
        if !value_follows {
            return false;
        }
        let sign = match operator {
            TokenKind::And => "&&",
            TokenKind::Or => "||",
            _ => "!",
        };
        let span = self.next();
        let word = self.str(span);
        // `!` stands right before what it denies.
        let replaced = if operator == TokenKind::Not { span.to(self.span().front()) } else { span };
        self.found.push(
            Diagnostic::new(Code::Unexpected, span, format!("`{word}` is no operator here"))
                .label(format!("write `{sign}`"))
                .fix(replaced, sign),
        );
        true
    }

    /// How many tokens stand here without a gap that look like a text whose quotes were forgotten: a host name,
    /// a path, a file's name.
    fn bare_text(&self) -> Option<usize> {
        use TokenKind::{Colon, Dot, Duration, Minus, Number, Real, Size, Slash, Word};
        let like = |ahead: usize| {
            matches!(
                self.token(ahead).kind,
                Word | Number | Real | Dot | Minus | Slash | Colon | Duration | Size
            )
        };
        let mut count = 0;
        while like(count) && (count == 0 || self.adjoins(count)) {
            count += 1;
        }
        // A lone word may be a name.
        (count > 1 || count == 1 && self.kind() == Slash).then_some(count)
    }

    /// Reports it, and stands behind it.
    fn wants_quotes(&mut self, count: usize, what: &str) -> Reported {
        let start = self.span();
        for _ in 0..count {
            self.next();
        }
        let span = start.to(self.before());
        self.report(
            Diagnostic::new(Code::Unexpected, span, format!("{what} stands in quotes"))
                .label("write it in quotes")
                .fix(span.front(), "\"")
                .fix(span.behind(), "\""),
        )
    }

    fn is_operator(&self) -> bool {
        use TokenKind::{
            Assign, Change, Colon, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Matches, MatchesNot,
            Minus, NotEqual, Operator, Percent, Slash, Star,
        };
        match self.kind() {
            Change(_) | Colon | Greater | GreaterOrEqual | Less | LessOrEqual | Matches | MatchesNot
            | Minus | Operator | Percent | Slash | Star => true,
            Assign | Equal | NotEqual => self.rules,
            _ => false,
        }
    }

    /// To the next place where something at the top of a file can begin.
    fn skip_to_item(&mut self, began: usize) {
        let mut depth = 0_usize;
        // A declaration does not end with `;`: what follows one is still its body, up to the margin.
        let short = self.tokens.get(began).is_some_and(|token| {
            token.kind != TokenKind::Word
                || matches!(self.str(self.span_of(*token)), "let" | "include" | "import" | "vcl")
                || statements::WORDS.contains(&self.str(self.span_of(*token)))
        });
        loop {
            match self.kind() {
                TokenKind::End => return,
                TokenKind::Semicolon if depth == 0 => {
                    self.next();
                    let next = self.token(0).start as usize;
                    if short || self.text.as_bytes().get(next.wrapping_sub(1)) == Some(&b'\n') {
                        return;
                    }
                    continue;
                }
                TokenKind::Open => depth += 1,
                // A `}` in the midst of a line that opened nothing is part of what is wrong.
                TokenKind::Close if depth == 0 && !self.starts_line(0) => {}
                TokenKind::Close => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.next();
                        return;
                    }
                }
                TokenKind::Word if self.at > began && self.next_declaration() => return,
                _ => {}
            }
            self.next();
        }
    }

    /// To the next setting, or to the brace that ends the block.
    fn skip_in_body(&mut self, began: usize) {
        let mut depth = 0_usize;
        loop {
            match self.kind() {
                TokenKind::End => return,
                TokenKind::Semicolon if depth == 0 => {
                    self.next();
                    return;
                }
                TokenKind::Open => depth += 1,
                TokenKind::Close if depth == 0 => return,
                TokenKind::Close => {
                    depth -= 1;
                    if depth == 0 {
                        self.next();
                        return;
                    }
                }
                TokenKind::Dot if depth == 0 && self.at > began && self.starts_line(0) => return,
                // The next row of a table.
                TokenKind::Text(_)
                    if depth == 0 && self.at > began && self.token(1).kind == TokenKind::Colon =>
                {
                    return;
                }
                TokenKind::Word if self.at > began && self.next_declaration() => return,
                TokenKind::Word
                    if depth == 0
                        && self.at > began
                        && self.starts_line(0)
                        && self.word(0).is_some_and(|word| Kind::by_word(word).is_some()) =>
                {
                    return;
                }
                _ => {}
            }
            self.next();
        }
    }
}

/// How one names the operators of a condition that other languages write as words.
fn operator_word(word: &str) -> Option<TokenKind> {
    match word {
        "and" | "AND" => Some(TokenKind::And),
        "or" | "OR" => Some(TokenKind::Or),
        "not" | "NOT" => Some(TokenKind::Not),
        _ => None,
    }
}

/// The text between the quotes.
fn inner(token: Span, width: u8) -> Span {
    Span { start: token.start + u32::from(width), end: token.end - u32::from(width), ..token }
}
