//! What stands at the top of a file: `let`, `include`, `import`, the version, declarations with their settings,
//! entries and rows.

use super::{DECLARATIONS_DEEP_MAX, Parsed, Parser, Reported, inner, statements};
use crate::language::ast::{
    Braced, Declaration, Entry, Expr, ExprKind, Import, Include, Item, Let, Member, Row, Setting, Version,
};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::lexer::TokenKind;
use crate::language::source::Span;
use crate::language::table::{Kind, LATER, Named};

/// Words that begin something at the top of a file, beside the kinds of declarations.
const OTHERS: &[&str] = &["let", "include", "sub", "import", "vcl"];

impl Parser<'_> {
    pub(super) fn items(&mut self) -> Vec<Item> {
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
                TokenKind::InlineC => Ok(Item::InlineC(self.inline_c())),
                TokenKind::Macro => {
                    self.next();
                    continue;
                }
                TokenKind::Semicolon => {
                    self.stray_semicolon();
                    continue;
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
            "import" => self.import().map(Item::Import),
            "sub" => self.sub().map(Item::Sub),
            "vcl" => self.version().map(Item::Version),
            _ => self.declaration(0, None).map(Item::Declaration),
        }
    }

    fn version(&mut self) -> Parsed<Version> {
        let start = self.next();
        let number = self.span();
        if !matches!(self.kind(), TokenKind::Real | TokenKind::Number) {
            return Err(self.unexpected("a version", "the first line of a VCL file is `vcl 4.1;`"));
        }
        self.next();
        self.semicolon()?;
        Ok(Version { span: start.to(self.before()), number })
    }

    pub(super) fn import(&mut self) -> Parsed<Import> {
        let says = "an import is `import std;`";
        let start = self.next();
        let name = self.expected_word("the name of a module", says)?;
        let mut alias = None;
        if self.word(0) == Some("as") {
            self.next();
            alias = Some(self.expected_word("a name", "`import std as s;`")?);
        }
        let mut from = None;
        if self.word(0) == Some("from") {
            self.next();
            let TokenKind::Text(width) = self.kind() else {
                return Err(self.unexpected("a path in quotes", says));
            };
            from = Some(inner(self.next(), width));
        }
        self.semicolon()?;
        Ok(Import { span: start.to(self.before()), name, alias, from })
    }

    fn constant(&mut self) -> Parsed<Let> {
        let began = self.at;
        let start = self.next();
        let name = self.expected_word("a name", "a constant is `let name = value;`")?;
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

    pub(super) fn include(&mut self) -> Parsed<Include> {
        let start = self.next();
        let private = self.word(0) == Some("private");
        if private {
            self.next();
        }
        if self.kind() == TokenKind::Plus && self.word(1) == Some("glob") {
            let span = self.span().to(self.span_of(self.token(1)));
            return Err(self.report(
                Diagnostic::new(Code::NotYet, span, "this version of doorward does not know `+glob` yet")
                    .label("include the files one by one")
                    .help("then their order is what you say, and not what the folder holds today"),
            ));
        }
        let TokenKind::Text(width) = self.kind() else {
            let bare = self.bare_text().filter(|count| self.token(*count).kind == TokenKind::Semicolon);
            return Err(match bare {
                Some(count) => self.wants_quotes(count, "the name of a file"),
                None => self.unexpected("a file name in quotes", "an include is `include \"file.vcl\";`"),
            });
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
        let (name, flags) = self.head(kind)?;
        let mut written =
            Declaration { span: kind_span, kind, kind_span, name, flags, body: Vec::new(), broken: false };
        let is_none = written.flags.last().is_some_and(|flag| self.str(*flag) == "none");
        if kind == Kind::Backend && is_none && self.take(TokenKind::Semicolon).is_some() {
            written.span = kind_span.to(self.before());
            return Ok(written);
        }
        let Some(open) = self.take(TokenKind::Open) else {
            self.unexpected("`{`", "the settings of a declaration stand between `{` and `}`");
            if depth == 0 {
                self.skip_to_item(began);
            } else {
                self.skip_in_body(began);
            }
            // What can't be read is still known by its name.
            written.span = kind_span.to(self.before());
            written.broken = true;
            return Ok(written);
        };
        if depth >= DECLARATIONS_DEEP_MAX {
            self.nested_too_deep(open);
            self.at = self.at.saturating_sub(1);
            return Err(Reported);
        }
        let lines = std::mem::replace(&mut self.lines, kind == Kind::Probe);
        let weights = std::mem::replace(&mut self.weights, kind == Kind::Director);
        (written.body, written.broken) = self.body(Some(kind), open, depth);
        (self.lines, self.weights) = (lines, weights);
        written.span = kind_span.to(self.before());
        Ok(written)
    }

    fn nested_too_deep(&mut self, open: Span) {
        self.found.push(
            Diagnostic::new(Code::TooDeep, open, "declarations are nested too deep")
                .label(format!("at most {DECLARATIONS_DEEP_MAX} may lie in each other")),
        );
    }

    /// The name, and the words between it and the brace (in front of it where the name is a text).
    fn head(&mut self, kind: Kind) -> Parsed<(Option<Expr>, Vec<Span>)> {
        let mut flags = Vec::new();
        if kind.named() == Named::Word && self.kind() == TokenKind::Word {
            let name = Expr { span: self.next(), kind: ExprKind::Name };
            while let Some(flag) = self.flag() {
                flags.push(flag);
            }
            return Ok((Some(name), flags));
        }
        while kind.named() == Named::Text
            && self.kind() == TokenKind::Word
            && matches!(self.token(1).kind, TokenKind::Word | TokenKind::Text(_))
        {
            flags.push(self.next());
        }
        let bare = self.bare_text().filter(|count| self.token(*count).kind == TokenKind::Open);
        let name = match (self.kind(), bare) {
            (TokenKind::Open, _) => None,
            (_, Some(count)) if kind.named() == Named::Text => {
                let start = self.span();
                let Reported = self.wants_quotes(count, &format!("the name of {}", kind.a_word()));
                Some(Expr { span: start.to(self.before()), kind: ExprKind::Faulty })
            }
            _ => Some(self.expression(0)?),
        };
        Ok((name, flags))
    }

    /// `STRING`, `none`, `-pedantic`, `+fold(-report)`
    fn flag(&mut self) -> Option<Span> {
        if self.starts_line(0) && self.kind() == TokenKind::Word && self.next_declaration() {
            return None;
        }
        let start = match (self.kind(), self.token(1).kind) {
            (TokenKind::Word, _) => self.next(),
            (TokenKind::Plus | TokenKind::Minus, TokenKind::Word) => {
                let sign = self.next();
                self.next();
                sign
            }
            _ => return None,
        };
        let argument = self.kind() == TokenKind::OpenParen
            && matches!(self.token(1).kind, TokenKind::Plus | TokenKind::Minus)
            && self.token(2).kind == TokenKind::Word
            && self.token(3).kind == TokenKind::CloseParen;
        if argument {
            for _ in 0..4 {
                self.next();
            }
        }
        Some(start.to(self.before()))
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
        let statement = statements::WORDS.contains(&word)
            || matches!(self.token(1).kind, TokenKind::Dot if self.adjoins(1));
        if inside.is_none() && statement {
            self.found
                .push(Diagnostic::new(Code::Misplaced, span, "a statement stands in a `sub`").label(
                    "put it into one, such as `sub vcl_recv { … }`, or look for a `}` too many above",
                ));
            return None;
        }
        let here = || Kind::ALL.iter().filter(|kind| kind.inside() == inside).map(|kind| kind.word());
        let others: &[&str] = if inside.is_none() { OTHERS } else { &[] };
        let near = self.suggestions.near(word, here().chain(others.iter().copied()));
        let fault =
            Diagnostic::new(Code::UnknownKind, span, format!("there is no declaration called {quoted}"));
        self.found.push(match (near, inside) {
            (Some(near), _) => fault.meant(near),
            (None, Some(kind)) => fault
                .label("this begins nothing that can stand here")
                .help(format!("{} holds settings: `.name = value;`", kind.a_word())),
            (None, None) => {
                let all: Vec<String> = here().map(|word| format!("`{word}`")).collect();
                fault
                    .label("this begins no declaration")
                    .help(format!("a file holds {}, `sub`, `let` and `include`", all.join(", ")))
            }
        });
        near.and_then(|near| Kind::by_word(near.word))
    }

    /// From behind the `{` to behind its `}`; and whether a part of it could not be read. Braces without a
    /// kind are a value, or a member of a director.
    fn body(&mut self, kind: Option<Kind>, open: Span, depth: usize) -> (Vec<Member>, bool) {
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
                    self.never_closed(open);
                    return (members, true);
                }
                TokenKind::Word if self.next_declaration() => {
                    self.never_closed(open);
                    return (members, true);
                }
                TokenKind::Semicolon => {
                    self.stray_semicolon();
                    Ok(())
                }
                TokenKind::Bad => Err(Reported),
                _ => self.member(kind, depth).map(|member| members.push(member)),
            };
            if parsed.is_err() {
                broken = true;
                self.skip_in_body(began);
            }
        }
    }

    fn member(&mut self, kind: Option<Kind>, depth: usize) -> Parsed<Member> {
        match self.kind() {
            TokenKind::Dot => self.setting(depth).map(Member::Setting),
            TokenKind::Text(_) if kind == Some(Kind::Table) => self.row().map(Member::Row),
            TokenKind::Word
                if matches!(kind, Some(Kind::Table | Kind::Acl))
                    && self.word(0) == Some("from")
                    && self.word(1) == Some("file") =>
            {
                let start = self.next();
                self.next();
                let path = self.expression(0)?;
                self.semicolon()?;
                Ok(Member::FromFile { span: start.to(self.before()), path })
            }
            TokenKind::Not | TokenKind::Text(_) => self.entry().map(Member::Entry),
            TokenKind::Word | TokenKind::Number | TokenKind::Real | TokenKind::OpenParen
                if kind == Some(Kind::Acl) && self.token(1).kind != TokenKind::Assign =>
            {
                self.entry().map(Member::Entry)
            }
            TokenKind::Open if kind == Some(Kind::Director) => {
                let braced = self.braced(depth)?;
                Ok(Member::Block(braced))
            }
            TokenKind::Word if self.token(1).kind == TokenKind::Assign => {
                let span = self.span();
                let here = self.found_here();
                let label = if self.sources.is_private(self.file) {
                    "a setting begins with a dot: `.name = value;`".to_owned()
                } else {
                    format!("write the dot: `.{} = …;`", self.str(span))
                };
                let known = kind.is_some_and(|kind| kind.setting(self.str(span), self.dialect).is_some());
                let fault =
                    Diagnostic::new(Code::Unexpected, span, format!("expected a setting, found {here}"))
                        .label(label);
                Err(self.report(if known { fault.fix(span.front(), ".") } else { fault }))
            }
            TokenKind::Word if self.word(0).is_some_and(|word| OTHERS.contains(&word)) => {
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
            TokenKind::Word if kind.is_some() => self.declaration(depth + 1, kind).map(Member::Declaration),
            _ => Err(self.unexpected("a setting or `}`", "a setting is `.name = value;`")),
        }
    }

    /// `{ .url = "/"; }`
    fn braced(&mut self, depth: usize) -> Parsed<Braced> {
        let open = self.next();
        if depth + 1 >= DECLARATIONS_DEEP_MAX {
            self.nested_too_deep(open);
            self.at = self.at.saturating_sub(1);
            return Err(Reported);
        }
        let lines = std::mem::replace(&mut self.lines, true);
        let (body, broken) = self.body(None, open, depth + 1);
        self.lines = lines;
        Ok(Braced { span: open.to(self.before()), body, broken })
    }

    /// Whether something begins here, at the margin, that can only stand at the top: then a `}` was forgotten.
    pub(super) fn next_declaration(&self) -> bool {
        let Some(word) = self.word(0) else { return false };
        let start = self.token(0).start as usize;
        let at_margin = start == 0 || self.text.as_bytes().get(start - 1) == Some(&b'\n');
        if !at_margin {
            return false;
        }
        if self.rules {
            return self.declaration_in_rules(word);
        }
        (Kind::by_word(word).is_some_and(|kind| kind.inside().is_none())
            || matches!(word, "let" | "sub" | "include" | "import"))
            && matches!(self.token(1).kind, TokenKind::Word | TokenKind::Text(_) | TokenKind::Open)
    }

    /// The same among statements, which may stand at the margin themselves, and begin with many a word.
    pub(super) fn declaration_in_rules(&self, word: &str) -> bool {
        let (second, third) = (self.token(1).kind, self.token(2).kind);
        let named = second == TokenKind::Word && third == TokenKind::Open;
        match Kind::by_word(word) {
            Some(kind) if kind.inside().is_some() => false,
            Some(Kind::Gateway) => second == TokenKind::Open,
            Some(Kind::Site) => matches!(second, TokenKind::Text(_)) || named,
            Some(Kind::Log) => named,
            Some(_) => second == TokenKind::Word,
            None if word == "sub" => second == TokenKind::Word,
            None => word == "let" && second == TokenKind::Word && third == TokenKind::Assign,
        }
    }

    fn setting(&mut self, depth: usize) -> Parsed<Setting> {
        let start = self.next();
        let name = self.expected_word("the name of a setting", "a setting is `.name = value;`")?;
        if self.take(TokenKind::Assign).is_none() {
            return Err(self.unexpected("`=`", "a setting is `.name = value;`"));
        }
        if self.kind() == TokenKind::Open {
            let braced = self.braced(depth)?;
            let value = Expr { span: braced.span, kind: ExprKind::Braced(braced) };
            // No `;`: Varnish knows none here, and where Fastly's stands, it ends nothing.
            return Ok(Setting { span: start.to(self.before()), name, values: vec![value] });
        }
        let mut values = vec![self.weighed()?];
        while self.take(TokenKind::Comma).is_some() {
            values.push(self.weighed()?);
        }
        self.semicolon()?;
        Ok(Setting { span: start.to(self.before()), name, values })
    }

    /// A value; in a director `home weight 2` is one, of three parts side by side.
    fn weighed(&mut self) -> Parsed<Expr> {
        let value = self.expression(0)?;
        if !self.weights || self.word(0) != Some("weight") {
            return Ok(value);
        }
        let word = Expr { span: self.next(), kind: ExprKind::Name };
        let weight = self.expression(0)?;
        let span = value.span.to(weight.span);
        Ok(Expr { span, kind: ExprKind::Strands(vec![value, word, weight]) })
    }

    /// `"key": value,`; the last comma may be left out.
    fn row(&mut self) -> Parsed<Row> {
        let key = self.primary(0)?;
        let start = key.span;
        let says = "a row is `\"key\": value,`";
        if self.take(TokenKind::Colon).is_none() {
            return Err(self.unexpected("`:`", says));
        }
        let minus = self.take(TokenKind::Minus);
        let mut value = self.expression(0)?;
        if let Some(minus) = minus {
            value = Expr { span: minus.to(value.span), kind: ExprKind::Negative(Box::new(value)) };
        }
        if self.take(TokenKind::Comma).is_none() && self.kind() != TokenKind::Close {
            if self.kind() != TokenKind::Semicolon && self.starts_line(0) {
                let span = self.before().behind();
                self.found.push(
                    Diagnostic::new(Code::Unexpected, span, "a `,` is missing")
                        .label("write `,` here")
                        .fix(span, ","),
                );
            } else {
                return Err(self.unexpected("`,`", says));
            }
        }
        Ok(Row { span: start.to(self.before()), key, value })
    }

    /// `! "192.0.2.0"/24;`, `("host.example");`
    fn entry(&mut self) -> Parsed<Entry> {
        let start = self.span();
        let not = self.take(TokenKind::Not).is_some();
        let lenient = self.take(TokenKind::OpenParen).is_some();
        let address = self.primary(0)?;
        let mut prefix = self.prefix()?;
        if lenient {
            if self.take(TokenKind::CloseParen).is_none() {
                return Err(self.unexpected("`)`", "close the parenthesis here with `)`"));
            }
            prefix = match prefix {
                None => self.prefix()?,
                some => some,
            };
        }
        self.semicolon()?;
        Ok(Entry { span: start.to(self.before()), not, lenient, address, prefix })
    }

    fn prefix(&mut self) -> Parsed<Option<(u64, Span)>> {
        if self.take(TokenKind::Slash).is_none() {
            return Ok(None);
        }
        let span = self.span();
        if self.kind() != TokenKind::Number {
            return Err(self.unexpected("a prefix", "a network is `\"192.0.2.0\"/24;`"));
        }
        self.next();
        Ok(Some((self.str(span).parse().unwrap_or(u64::MAX), span)))
    }

    pub(super) fn expected_word(&mut self, wanted: &str, label: &str) -> Parsed<Span> {
        match self.take(TokenKind::Word) {
            Some(span) => Ok(span),
            None => Err(self.unexpected(wanted, label)),
        }
    }
}
