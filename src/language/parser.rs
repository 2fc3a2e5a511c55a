//! Tokens → tree. After a fault the parser goes on at the next place where a declaration or a setting can
//! begin, so that one run finds them all; what hangs on a fault is not reported again.

use super::ast::{
    Argument, Comparison, Declaration, Entry, Expr, ExprKind, File, Include, Item, Let, Member, Setting, Sign,
};
use super::diagnostic::{Diagnostic, Found};
use super::faults::Code;
use super::lexer::{Lexed, Token, TokenKind, lex};
use super::source::{FileId, Sources, Span};
use super::suggest::Suggestions;
use super::table::{Kind, LATER};
use crate::base::amount;

/// How deep parentheses, calls and `!` may be nested.
const EXPRESSIONS_DEEP_MAX: usize = 64;
/// How deep declarations may be nested.
const DECLARATIONS_DEEP_MAX: usize = 8;

/// A fault was reported; the caller recovers.
struct Reported;

type Parsed<T> = Result<T, Reported>;

pub fn parse(sources: &Sources, file: FileId, found: &mut Found, suggestions: &mut Suggestions) -> File {
    let text = sources.whole(file);
    let Lexed { tokens, comments } = lex(file, text, found);
    let mut parser = Parser { sources, file, text, tokens, at: 0, found, suggestions };
    let items = parser.items();
    File { id: file, items, comments }
}

struct Parser<'a> {
    sources: &'a Sources,
    file: FileId,
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    found: &'a mut Found,
    suggestions: &'a mut Suggestions,
}

impl<'a> Parser<'a> {
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

    fn items(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        loop {
            let began = self.at;
            let parsed = match self.kind() {
                TokenKind::End => return items,
                TokenKind::Word => self.item(),
                TokenKind::Close => {
                    let span = self.next();
                    self.found.push(
                        Diagnostic::new(Code::OpenBrace, span, "this `}` closes nothing")
                            .label("take it out, or look for a `{` that is missing above"),
                    );
                    continue;
                }
                TokenKind::Bad => {
                    self.next();
                    Err(Reported)
                }
                TokenKind::Dot if matches!(self.token(1).kind, TokenKind::Word) => {
                    let span = self.span().to(self.span_of(self.token(1)));
                    let name = self.sources.quote(span);
                    Err(self.report(
                        Diagnostic::new(Code::Misplaced, span, format!("{name} stands in no declaration"))
                            .label("settings stand between the braces of a `gateway`, `backend`, `site`, …"),
                    ))
                }
                _ => Err(self.unexpected(
                    "a declaration",
                    "here a declaration such as `backend name { … }`, `let` or `include` can stand",
                )),
            };
            match parsed {
                Ok(item) => items.push(item),
                Err(Reported) => self.skip_to_item(began),
            }
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        match self.word(0).unwrap_or("") {
            "let" => self.constant().map(Item::Let),
            "include" => self.include().map(Item::Include),
            _ => self.declaration(0, None).map(Item::Declaration),
        }
    }

    fn constant(&mut self) -> Parsed<Let> {
        let began = self.at;
        let start = self.next();
        let Some(name) = self.take(TokenKind::Word) else {
            return Err(self.unexpected("a name", "a constant is `let name = value;`"));
        };
        // A constant whose value can't be read is still known by its name.
        let value = self.constant_value().unwrap_or_else(|Reported| {
            self.skip_to_item(began);
            Expr { span: name.behind(), kind: ExprKind::Faulty }
        });
        Ok(Let { span: start.to(self.before()), name, value })
    }

    fn constant_value(&mut self) -> Parsed<Expr> {
        if self.take(TokenKind::Assign).is_none() {
            return Err(self.unexpected("`=`", "a constant is `let name = value;`"));
        }
        let value = self.expression(0)?;
        self.semicolon()?;
        Ok(value)
    }

    fn include(&mut self) -> Parsed<Include> {
        let start = self.next();
        let private = self.word(0) == Some("private");
        if private {
            self.next();
        }
        let TokenKind::Text(width) = self.kind() else {
            return Err(self.unexpected("a file name in quotes", "an include is `include \"file.vcl\";`"));
        };
        let path = inner(self.next(), width);
        self.semicolon()?;
        Ok(Include { span: start.to(self.before()), private, path })
    }

    fn declaration(&mut self, depth: usize, inside: Option<Kind>) -> Parsed<Declaration> {
        let began = self.at;
        let kind_span = self.span();
        let word = self.word(0).unwrap_or("");
        let Some(kind) = Kind::by_word(word).or_else(|| self.unknown_kind(word, kind_span, inside)) else {
            return Err(Reported);
        };
        self.next();
        let name = match self.kind() {
            TokenKind::Open => None,
            _ => Some(self.expression(0)?),
        };
        let Some(open) = self.take(TokenKind::Open) else {
            self.unexpected("`{`", "the settings of a declaration stand between `{` and `}`");
            if depth == 0 {
                self.skip_to_item(began);
            } else {
                self.skip_in_body(began);
            }
            // What can't be read is still known by its name.
            let span = kind_span.to(self.before());
            return Ok(Declaration {
                span,
                kind,
                kind_span,
                name,
                flags: Vec::new(),
                body: Vec::new(),
                broken: true,
            });
        };
        if depth >= DECLARATIONS_DEEP_MAX {
            let reported = self.report(
                Diagnostic::new(Code::TooDeep, open, "declarations are nested too deep")
                    .label(format!("at most {DECLARATIONS_DEEP_MAX} may lie in each other")),
            );
            self.at = self.at.saturating_sub(1);
            return Err(reported);
        }
        let (body, broken) = self.body(kind, open, depth);
        Ok(Declaration {
            span: kind_span.to(self.before()),
            kind,
            kind_span,
            name,
            flags: Vec::new(),
            body,
            broken,
        })
    }

    /// Reports a kind that is not known, and returns the one that was most likely meant, so that what hangs
    /// on the declaration is not reported too.
    fn unknown_kind(&mut self, word: &str, span: Span, inside: Option<Kind>) -> Option<Kind> {
        let quoted = self.sources.quote(span);
        if LATER.contains(&word) {
            self.found.push(
                Diagnostic::new(
                    Code::NotYet,
                    span,
                    format!("this version of doorward does not know {quoted} yet"),
                )
                .label("take it out for now"),
            );
            return None;
        }
        let here = || Kind::ALL.iter().filter(|kind| kind.inside() == inside).map(|kind| kind.word());
        let others: &[&str] = if inside.is_none() { &["let", "include"] } else { &[] };
        let near = self.suggestions.nearest(word, here().chain(others.iter().copied()));
        let fault =
            Diagnostic::new(Code::UnknownKind, span, format!("there is no declaration called {quoted}"));
        self.found.push(match (near, inside) {
            (Some(near), _) => fault.label(format!("did you mean `{near}`?")),
            (None, Some(kind)) => fault
                .label("this begins nothing that can stand here")
                .help(format!("{} holds settings: `.name = value;`", kind.a_word())),
            (None, None) => {
                let all: Vec<String> = here().map(|word| format!("`{word}`")).collect();
                fault
                    .label("this begins no declaration")
                    .help(format!("a file holds {}, `let` and `include`", all.join(", ")))
            }
        });
        near.and_then(Kind::by_word)
    }

    /// From behind the `{` to behind its `}`; and whether a part of it could not be read.
    fn body(&mut self, kind: Kind, open: Span, depth: usize) -> (Vec<Member>, bool) {
        let mut members = Vec::new();
        let mut broken = false;
        loop {
            let began = self.at;
            let parsed = match self.kind() {
                TokenKind::Close => {
                    self.next();
                    return (members, broken);
                }
                TokenKind::End => {
                    self.found.push(
                        Diagnostic::new(Code::OpenBrace, open, "this `{` is never closed")
                            .label("its `}` is missing")
                            .at(self.span(), "the file ends here"),
                    );
                    return (members, true);
                }
                TokenKind::Dot => self.setting().map(|setting| members.push(Member::Setting(setting))),
                TokenKind::Not | TokenKind::Text(_) => {
                    self.entry().map(|entry| members.push(Member::Entry(entry)))
                }
                TokenKind::Word if self.next_declaration() => {
                    let here = self.span();
                    self.found.push(
                        Diagnostic::new(Code::OpenBrace, open, "this `{` is never closed")
                            .label("its `}` is missing")
                            .at(here, "here the next declaration begins"),
                    );
                    return (members, true);
                }
                TokenKind::Word | TokenKind::Number
                    if kind == Kind::Acl && self.token(1).kind != TokenKind::Assign =>
                {
                    self.entry().map(|entry| members.push(Member::Entry(entry)))
                }
                TokenKind::Word if self.token(1).kind == TokenKind::Assign => {
                    let span = self.span();
                    let here = self.found_here();
                    let label = if self.sources.is_private(self.file) {
                        "a setting begins with a dot: `.name = value;`".to_owned()
                    } else {
                        format!("write the dot: `.{} = …;`", self.str(span))
                    };
                    Err(self.report(
                        Diagnostic::new(Code::Unexpected, span, format!("expected a setting, found {here}"))
                            .label(label),
                    ))
                }
                TokenKind::Word if matches!(self.word(0), Some("include" | "let")) => {
                    let span = self.span();
                    let word = self.word(0).unwrap_or("");
                    Err(self.report(
                        Diagnostic::new(
                            Code::Misplaced,
                            span,
                            format!("`{word}` stands between declarations, not in one"),
                        )
                        .label("move it out of the braces"),
                    ))
                }
                TokenKind::Word => self
                    .declaration(depth + 1, Some(kind))
                    .map(|inside| members.push(Member::Declaration(inside))),
                TokenKind::Semicolon => {
                    // An empty line of rules; nobody is helped by a fault.
                    self.next();
                    Ok(())
                }
                TokenKind::Bad => Err(Reported),
                _ => Err(self.unexpected("a setting or `}`", "a setting is `.name = value;`")),
            };
            if parsed.is_err() {
                broken = true;
                self.skip_in_body(began);
            }
        }
    }

    /// Whether something begins here, at the margin, that can only stand at the top: then a `}` was forgotten.
    fn next_declaration(&self) -> bool {
        let Some(word) = self.word(0) else { return false };
        let start = self.token(0).start as usize;
        let at_margin = start == 0 || self.text.as_bytes().get(start - 1) == Some(&b'\n');
        at_margin
            && (Kind::by_word(word).is_some_and(|kind| kind.inside().is_none())
                || matches!(word, "let" | "sub" | "include"))
            && matches!(self.token(1).kind, TokenKind::Word | TokenKind::Text(_) | TokenKind::Open)
    }

    fn setting(&mut self) -> Parsed<Setting> {
        let start = self.next();
        let Some(name) = self.take(TokenKind::Word) else {
            return Err(self.unexpected("the name of a setting", "a setting is `.name = value;`"));
        };
        if self.take(TokenKind::Assign).is_none() {
            return Err(self.unexpected("`=`", "a setting is `.name = value;`"));
        }
        let mut values = vec![self.expression(0)?];
        while self.take(TokenKind::Comma).is_some() {
            values.push(self.expression(0)?);
        }
        self.semicolon()?;
        Ok(Setting { span: start.to(self.before()), name, values })
    }

    fn entry(&mut self) -> Parsed<Entry> {
        let start = self.span();
        let not = self.take(TokenKind::Not).is_some();
        let address = self.primary(0)?;
        let mut prefix = None;
        if self.take(TokenKind::Slash).is_some() {
            let span = self.span();
            if self.kind() != TokenKind::Number {
                return Err(self.unexpected("a prefix", "a network is `\"192.0.2.0\"/24;`"));
            }
            self.next();
            prefix = Some((self.str(span).parse().unwrap_or(u64::MAX), span));
        }
        self.semicolon()?;
        Ok(Entry { span: start.to(self.before()), not, lenient: false, address, prefix })
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
        if self.starts_line(0) || matches!(self.kind(), TokenKind::Close | TokenKind::End | TokenKind::Dot) {
            let span = self.before().behind();
            self.found
                .push(Diagnostic::new(Code::NoSemicolon, span, "a `;` is missing").label("write `;` here"));
            return Ok(());
        }
        if before == Some(TokenKind::Number)
            && self
                .word(0)
                .map(|unit| format!("1{unit}"))
                .is_some_and(|one| amount::duration(&one).is_some() || amount::size(&one).is_some())
        {
            let span = self.before().to(self.span());
            return Err(self.report(
                Diagnostic::new(Code::Unexpected, span, "an amount and its unit are written together")
                    .label("take the space out, as in `10s` or `64KB`"),
            ));
        }
        if self.kind() == TokenKind::Operator {
            let here = self.found_here();
            let span = self.span();
            return Err(self.report(
                Diagnostic::new(Code::Unexpected, span, format!("{here} has no meaning in a value"))
                    .label("values are joined by `+`, `==`, `!=`, `&&`, `||` and `!`"),
            ));
        }
        Err(self.unexpected("`;`", "the value ends before this; write `;`, or an operator"))
    }

    /// To the next place where something at the top of a file can begin.
    fn skip_to_item(&mut self, began: usize) {
        let mut depth = 0_usize;
        // A declaration does not end with `;`: what follows one is still its body, up to the margin.
        let short = self.tokens.get(began).is_some_and(|token| {
            token.kind != TokenKind::Word
                || matches!(self.str(self.span_of(*token)), "let" | "include" | "import" | "vcl")
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

    fn expression(&mut self, depth: usize) -> Parsed<Expr> {
        self.chain(TokenKind::Or, depth, ExprKind::Or, |parser, depth| {
            parser.chain(TokenKind::And, depth, ExprKind::And, Self::negation)
        })
    }

    /// `a op b op c` as one flat node.
    fn chain(
        &mut self,
        operator: TokenKind,
        depth: usize,
        build: fn(Vec<Expr>) -> ExprKind,
        part: impl Fn(&mut Self, usize) -> Parsed<Expr>,
    ) -> Parsed<Expr> {
        let first = part(self, depth)?;
        if self.kind() != operator {
            return Ok(first);
        }
        let start = first.span;
        let mut parts = vec![first];
        while self.take(operator).is_some() {
            parts.push(part(self, depth)?);
        }
        Ok(Expr { span: start.to(self.before()), kind: build(parts) })
    }

    fn negation(&mut self, depth: usize) -> Parsed<Expr> {
        let Some(not) = self.take(TokenKind::Not) else { return self.comparison(depth) };
        self.too_deep(depth, not)?;
        let inner = self.negation(depth + 1)?;
        Ok(Expr { span: not.to(self.before()), kind: ExprKind::Not(Box::new(inner)) })
    }

    fn comparison(&mut self, depth: usize) -> Parsed<Expr> {
        let left = self.sum(depth)?;
        let how = match self.kind() {
            TokenKind::Equal => Comparison::Equal,
            TokenKind::NotEqual => Comparison::NotEqual,
            _ => return Ok(left),
        };
        let how_span = self.next();
        let right = self.sum(depth)?;
        let span = left.span.to(right.span);
        Ok(Expr {
            span,
            kind: ExprKind::Compare { how, how_span, left: Box::new(left), right: Box::new(right) },
        })
    }

    /// `a + b + c` as one flat node.
    fn sum(&mut self, depth: usize) -> Parsed<Expr> {
        let first = self.primary(depth)?;
        if self.kind() != TokenKind::Plus {
            return Ok(first);
        }
        let start = first.span;
        let mut rest = Vec::new();
        while self.take(TokenKind::Plus).is_some() {
            rest.push((Sign::Plus, self.primary(depth)?));
        }
        Ok(Expr { span: start.to(self.before()), kind: ExprKind::Sum { first: Box::new(first), rest } })
    }

    fn too_deep(&mut self, depth: usize, span: Span) -> Parsed<()> {
        if depth < EXPRESSIONS_DEEP_MAX {
            return Ok(());
        }
        Err(self.report(
            Diagnostic::new(Code::TooDeep, span, "this expression is nested too deep").label(format!(
                "at most {EXPRESSIONS_DEEP_MAX} may lie in each other; name a part with `let`"
            )),
        ))
    }

    fn primary(&mut self, depth: usize) -> Parsed<Expr> {
        let span = self.span();
        let text = self.str(span);
        let kind = match self.kind() {
            TokenKind::Text(width) => ExprKind::Text { inner: inner(span, width), long: width > 1 },
            TokenKind::Number => ExprKind::Number(text.parse().unwrap_or(u64::MAX)),
            TokenKind::Real => ExprKind::Real(text.parse().unwrap_or(f64::INFINITY)),
            TokenKind::Rate => ExprKind::Rate,
            TokenKind::Duration => amount::duration(text).map_or(ExprKind::Faulty, ExprKind::Duration),
            TokenKind::Size => amount::size(text).map_or(ExprKind::Faulty, ExprKind::Size),
            TokenKind::Bad => ExprKind::Faulty,
            TokenKind::Word => return self.name_or_call(depth),
            TokenKind::OpenParen => {
                self.too_deep(depth, span)?;
                self.next();
                let inner = self.expression(depth + 1)?;
                if self.take(TokenKind::CloseParen).is_none() {
                    return Err(self.unexpected("`)`", "close the parenthesis here with `)`"));
                }
                return Ok(Expr { span: span.to(self.before()), kind: ExprKind::Group(Box::new(inner)) });
            }
            _ => return Err(self.unexpected("a value", "a string in quotes, a number, a name, …")),
        };
        self.next();
        if matches!(self.kind(), TokenKind::Text(_))
            && matches!(kind, ExprKind::Text { .. })
            && !self.starts_line(0)
        {
            let here = self.span();
            return Err(self.report(
                Diagnostic::new(Code::Unexpected, here, "two strings stand side by side")
                    .label("join them with `+`, or part them with `,`"),
            ));
        }
        Ok(Expr { span, kind })
    }

    fn name_or_call(&mut self, depth: usize) -> Parsed<Expr> {
        let name = self.next();
        if self.kind() == TokenKind::Dot
            && matches!(self.token(1).kind, TokenKind::Word)
            && !self.starts_line(0)
        {
            let span = name.to(self.span_of(self.token(1)));
            let shown = self.sources.quote(span);
            return Err(self.report(
                Diagnostic::new(
                    Code::NotYet,
                    span,
                    format!("this version of doorward does not know {shown} yet"),
                )
                .label("names with a dot belong to rules in a `sub`"),
            ));
        }
        if self.kind() != TokenKind::OpenParen {
            return Ok(Expr { span: name, kind: ExprKind::Name });
        }
        let open = self.span();
        self.too_deep(depth, open)?;
        self.next();
        let mut args = Vec::new();
        if self.kind() != TokenKind::CloseParen {
            args.push(Argument { name: None, value: self.expression(depth + 1)? });
            while self.take(TokenKind::Comma).is_some() {
                args.push(Argument { name: None, value: self.expression(depth + 1)? });
            }
        }
        if self.take(TokenKind::CloseParen).is_none() {
            return Err(self.unexpected("`)`", "close the arguments with `)`, or write `,` and one more"));
        }
        Ok(Expr { span: name.to(self.before()), kind: ExprKind::Call { name, args } })
    }
}

/// The text between the quotes.
fn inner(token: Span, width: u8) -> Span {
    Span { start: token.start + u32::from(width), end: token.end - u32::from(width), ..token }
}
