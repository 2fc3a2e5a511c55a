//! What stands in a `sub`. A word decides by what follows it: `log "x";` writes, `log.info("x");` asks an object
//! that somebody called `log`.

use super::{BLOCKS_DEEP_MAX, Parsed, Parser, Reported};
use crate::language::ast::{Assign, Block, Case, Expr, ExprKind, Statement, StatementKind, Sub};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::lexer::TokenKind;
use crate::language::source::Span;
use crate::language::suggest::Near;
use crate::language::vocabulary::Dialect;

/// Words that begin a statement.
pub(super) const WORDS: &[&str] = &[
    "add",
    "break",
    "call",
    "case",
    "declare",
    "default",
    "elif",
    "else",
    "elseif",
    "elsif",
    "error",
    "esi",
    "fallthrough",
    "goto",
    "if",
    "import",
    "include",
    "log",
    "new",
    "remove",
    "restart",
    "return",
    "set",
    "switch",
    "synthetic",
    "unset",
];

/// Those that Varnish takes in capital letters too.
const ANY_CASE: &[&str] = &["call", "if", "new", "return", "set", "synthetic", "unset"];

/// Other ways to go on than the first condition's.
const OTHERWISE: &[&str] = &["else", "elseif", "elsif", "elif"];

impl Parser<'_> {
    pub(super) fn sub(&mut self) -> Parsed<Sub> {
        let start = self.next();
        let says = "a sub is `sub name { … }`";
        let name = self.expected_word("the name of a sub", says)?;
        let returns = self.take(TokenKind::Word);
        if self.kind() != TokenKind::Open {
            return Err(self.unexpected("`{`", says));
        }
        self.rules = true;
        let body = self.block(0);
        self.rules = false;
        let body = body?;
        Ok(Sub { span: start.to(self.before()), name, returns, body })
    }

    /// A file of statements, without braces around them.
    pub(super) fn lone_statements(&mut self, depth: usize) -> Vec<Statement> {
        let mut statements = Vec::new();
        loop {
            self.statements(depth, &mut statements);
            if self.kind() == TokenKind::End {
                return statements;
            }
            let span = self.next();
            if self.str(span) != "}" {
                self.found.push(
                    Diagnostic::new(
                        Code::Misplaced,
                        span,
                        "a file that is included in a `sub` holds statements",
                    )
                    .label("this can only stand at the top of a file"),
                );
                return statements;
            }
            self.found.push(
                Diagnostic::new(Code::OpenBrace, span, "this `}` closes nothing")
                    .label("take it out, or look for a `{` that is missing above"),
            );
        }
    }

    /// `{ … }`
    fn block(&mut self, depth: usize) -> Parsed<Block> {
        let open = self.span();
        if self.take(TokenKind::Open).is_none() {
            return Err(self.unexpected("`{`", "what is done stands between `{` and `}`"));
        }
        if depth >= BLOCKS_DEEP_MAX {
            self.found.push(Diagnostic::new(Code::TooDeep, open, "blocks are nested too deep").label(
                format!("at most {BLOCKS_DEEP_MAX} may lie in each other; make this a `sub` of its own"),
            ));
            self.skip_block();
            return Ok(Block { span: open.to(self.before()), statements: Vec::new(), broken: true });
        }
        let mut statements = Vec::new();
        let in_case = std::mem::replace(&mut self.in_case, false);
        let mut broken = self.statements(depth, &mut statements);
        self.in_case = in_case;
        if self.take(TokenKind::Close).is_none() {
            self.never_closed(open);
            broken = true;
        }
        Ok(Block { span: open.to(self.before()), statements, broken })
    }

    /// Up to the `}` that ends the block, or to what shows that it is missing; whether a part could not be read.
    fn statements(&mut self, depth: usize, into: &mut Vec<Statement>) -> bool {
        let mut broken = false;
        loop {
            let began = self.at;
            match self.kind() {
                TokenKind::Close | TokenKind::End => return broken,
                TokenKind::Word if self.in_case && self.case_begins() || self.next_declaration() => {
                    return broken;
                }
                TokenKind::Semicolon => self.stray_semicolon(),
                _ => {
                    if let Ok(statement) = self.statement(depth) {
                        into.push(statement);
                    } else {
                        broken = true;
                        self.skip_statement(began);
                    }
                }
            }
        }
    }

    fn statement(&mut self, depth: usize) -> Parsed<Statement> {
        let start = self.span();
        let kind = match self.kind() {
            TokenKind::Open => StatementKind::Block(self.block(depth + 1)?),
            TokenKind::InlineC => {
                self.inline_c();
                StatementKind::InlineC
            }
            TokenKind::Macro => {
                let line = self.next();
                let text = self.str(line);
                let word = text.split_ascii_whitespace().nth(1).unwrap_or("");
                let at = text.len() - text.trim_start_matches("#FASTLY").trim_start().len();
                let name_start = line.start + u32::try_from(at).unwrap_or(0);
                let name_end = name_start + u32::try_from(word.len()).unwrap_or(0);
                StatementKind::Macro { name: Span { start: name_start, end: name_end, ..line } }
            }
            TokenKind::Word => self.worded(depth)?,
            TokenKind::Dot if self.token(1).kind == TokenKind::Word => {
                let span = self.span().to(self.span_of(self.token(1)));
                let shown = self.sources.quote(span);
                return Err(self.report(
                    Diagnostic::new(Code::Misplaced, span, format!("{shown} stands in no declaration"))
                        .label("a `sub` holds statements, such as `set req.http.X = \"…\";`"),
                ));
            }
            _ => return Err(self.no_statement()),
        };
        Ok(Statement { span: start.to(self.before()), kind })
    }

    /// Whether a statement begins here, whatever it becomes: a word of the language that is not a part of a name.
    pub(super) fn statement_begins(&self) -> bool {
        let word = self.first_word();
        if !WORDS.contains(&word) {
            return false;
        }
        match self.token(1).kind {
            // `if(a, b, c)` is a value where it does not begin a line.
            TokenKind::OpenParen if word == "if" => self.starts_line(0),
            TokenKind::Dot => word == "synthetic" && self.word(2) == Some("base64"),
            TokenKind::Colon => word == "default",
            _ => true,
        }
    }

    /// The word here as statements begin with it.
    fn first_word(&self) -> &str {
        let word = self.word(0).unwrap_or("");
        if self.dialect != Dialect::Varnish {
            return word;
        }
        ANY_CASE.iter().find(|known| known.eq_ignore_ascii_case(word)).copied().unwrap_or(word)
    }

    fn worded(&mut self, depth: usize) -> Parsed<StatementKind> {
        let word = self.first_word().to_owned();
        if self.token(1).kind == TokenKind::Colon && word != "default" {
            let label = self.next();
            self.next();
            return Ok(StatementKind::Label { label });
        }
        if self.token(1).kind == TokenKind::Dot && !(word == "synthetic" && self.word(2) == Some("base64")) {
            return self.evaluate();
        }
        match word.as_str() {
            "if" => self.branches(depth),
            "set" => self.set(),
            "add" => {
                self.next();
                let target = self.target("the name of a header", "`add resp.http.Set-Cookie = …;`")?;
                if self.take(TokenKind::Assign).is_none() {
                    return Err(self.unexpected("`=`", "`add resp.http.Set-Cookie = …;`"));
                }
                let value = self.ended_expression()?;
                Ok(StatementKind::Add { target, value })
            }
            "unset" | "remove" => {
                self.next();
                let mut target = self.target("the name of what is taken away", "`unset req.http.Cookie;`")?;
                // `unset req.http.X-*;`
                while self.adjoins(0)
                    && (matches!(self.kind(), TokenKind::Minus | TokenKind::Star)
                        || self.kind() == TokenKind::Dot && self.token(1).kind == TokenKind::Star)
                {
                    target = target.to(self.next());
                }
                self.semicolon()?;
                Ok(StatementKind::Unset { target })
            }
            "call" => self.call(),
            "return" => self.returned(),
            "new" => self.object(),
            "error" => self.error(),
            "restart" => self.alone(StatementKind::Restart),
            "esi" => self.alone(StatementKind::Esi),
            "break" => self.alone(StatementKind::Break),
            "fallthrough" => self.alone(StatementKind::Fallthrough),
            "log" => {
                self.next();
                self.ended_expression().map(StatementKind::Log)
            }
            "synthetic" => self.synthetic(),
            "declare" => self.declare(),
            "switch" => self.switch(depth),
            "goto" => {
                self.next();
                let label = self.expected_word("a label", "`goto name;`")?;
                self.semicolon()?;
                Ok(StatementKind::Goto { label })
            }
            "import" => self.import().map(StatementKind::Import),
            "include" => {
                let include = self.include()?;
                Ok(StatementKind::Include { include, body: Vec::new() })
            }
            _ if OTHERWISE.contains(&word.as_str()) => {
                let span = self.span();
                Err(self.report(
                    Diagnostic::new(Code::Unexpected, span, format!("this `{word}` belongs to no `if`"))
                        .label("it stands right behind the `}` of an `if`"),
                ))
            }
            "case" | "default" => {
                let span = self.span();
                Err(self.report(
                    Diagnostic::new(Code::Misplaced, span, format!("`{word}` stands in a `switch` only"))
                        .label("take it out"),
                ))
            }
            _ if self.declaration_in_rules(&word) => {
                let span = self.span();
                Err(self.report(
                    Diagnostic::new(
                        Code::Misplaced,
                        span,
                        format!("`{word}` stands at the top of a file only"),
                    )
                    .label("move it out of the braces, or look for a `}` that is missing above"),
                ))
            }
            "while" | "for" | "foreach" | "do" | "loop" => {
                let span = self.span();
                Err(self.report(
                    Diagnostic::new(Code::Unexpected, span, "rules have no loops")
                        .label("every rule comes to its end by itself"),
                ))
            }
            _ => self.evaluate(),
        }
    }

    /// `std.log("x");`, `hash_data(req.url);`, or something that is no statement.
    fn evaluate(&mut self) -> Parsed<StatementKind> {
        let word = self.span();
        if self.token(1).kind != TokenKind::Dot
            && let Some(near) = self.near_word()
            && (self.token(1).kind != TokenKind::OpenParen
                || matches!(near.word, "return" | "if" | "elseif" | "elsif" | "elif"))
        {
            let shown = self.sources.quote(word);
            return Err(self.report(
                Diagnostic::new(Code::Unexpected, word, format!("there is no statement called {shown}"))
                    .meant(near),
            ));
        }
        if matches!(
            self.token(1).kind,
            TokenKind::Dot
                | TokenKind::OpenParen
                | TokenKind::Assign
                | TokenKind::Change(_)
                | TokenKind::Semicolon
        ) {
            let value = self.with_methods(0)?;
            match value.kind {
                ExprKind::Call { .. } | ExprKind::Method { .. } => {
                    self.semicolon()?;
                    return Ok(StatementKind::Evaluate(value));
                }
                _ if matches!(self.kind(), TokenKind::Assign | TokenKind::Change(_)) => {
                    let fault = Diagnostic::new(Code::Unexpected, value.span, "a value is given by `set`")
                        .label("write `set ` in front of it");
                    return Err(self.report(match value.kind {
                        ExprKind::Name => fault.fix(value.span.front(), "set "),
                        _ => fault,
                    }));
                }
                _ => {
                    return Err(self.report(
                        Diagnostic::new(Code::Unexpected, value.span, "a value alone does nothing")
                            .label("a statement is `set name = value;`, `call name;`, `name(…);`, …"),
                    ));
                }
            }
        }
        Err(self.no_statement())
    }

    fn no_statement(&mut self) -> Reported {
        self.unexpected("a statement or `}`", "such as `set …;`, `call …;`, `if (…) { … }` or `return (…);`")
    }

    fn near_word(&mut self) -> Option<Near<'static>> {
        let word = self.word(0)?;
        // What some rule may call by itself is no misspelling.
        if matches!(word, "ban" | "hash_data" | "std" | "purge") {
            return None;
        }
        let near = self.suggestions.near(word, WORDS.iter().copied())?;
        if near.certain || !OTHERWISE.contains(&near.word) {
            return Some(near);
        }
        // Three of them mean the same, and the fourth has no condition.
        let meant: &[&str] =
            if self.token(1).kind == TokenKind::OpenParen { &["elseif", "elsif", "elif"] } else { &["else"] };
        let each = meant.iter().filter_map(|known| self.suggestions.near(word, [*known]));
        Some(each.into_iter().find(|near| near.certain).unwrap_or(near))
    }

    fn ended_expression(&mut self) -> Parsed<Expr> {
        let value = self.expression(0)?;
        self.semicolon()?;
        Ok(value)
    }

    fn alone(&mut self, kind: StatementKind) -> Parsed<StatementKind> {
        self.next();
        self.semicolon()?;
        Ok(kind)
    }

    fn target(&mut self, wanted: &str, label: &str) -> Parsed<Span> {
        if self.kind() != TokenKind::Word {
            return Err(self.unexpected(wanted, label));
        }
        let name = self.name();
        // `req . http.X`
        if self.kind() == TokenKind::Dot && self.token(1).kind == TokenKind::Word {
            return Err(self.name_with_gaps(name));
        }
        Ok(name)
    }

    fn set(&mut self) -> Parsed<StatementKind> {
        let says = "`set name = value;`";
        self.next();
        let target = self.target("the name of what is set", says)?;
        let rotates = match self.word(0) {
            Some("rol") => Some(Assign::RotateLeft),
            Some("ror") => Some(Assign::RotateRight),
            _ => None,
        };
        let (how, how_span) = match (self.kind(), rotates) {
            (TokenKind::Word, Some(how)) if self.token(1).kind == TokenKind::Assign => {
                let start = self.next();
                (how, start.to(self.next()))
            }
            (TokenKind::Assign, _) => (Assign::Is, self.next()),
            (TokenKind::Change(how), _) => (how, self.next()),
            (TokenKind::Equal, _) => {
                let span = self.span();
                return Err(self.report(
                    Diagnostic::new(Code::Unexpected, span, "`==` compares; a value is given by `=`")
                        .label("write `=`")
                        .fix(span, "="),
                ));
            }
            _ => return Err(self.unexpected("`=`", says)),
        };
        let value = self.ended_expression()?;
        Ok(StatementKind::Set { target, how, how_span, value })
    }

    fn call(&mut self) -> Parsed<StatementKind> {
        self.next();
        let name = self.target("the name of a sub", "`call name;`")?;
        let open = self.span();
        if self.take(TokenKind::OpenParen).is_some() {
            if self.take(TokenKind::CloseParen).is_none() {
                return Err(self.unexpected("`)`", "a sub takes no arguments"));
            }
            if self.dialect == Dialect::Varnish {
                self.found.push(
                    Diagnostic::new(
                        Code::Unexpected,
                        open.to(self.before()),
                        "a sub is called by its name alone",
                    )
                    .label("take these out")
                    .fix(open.to(self.before()), ""),
                );
            }
        }
        self.semicolon()?;
        Ok(StatementKind::Call { name })
    }

    fn returned(&mut self) -> Parsed<StatementKind> {
        self.next();
        if self.take(TokenKind::Semicolon).is_some() {
            return Ok(StatementKind::Return { value: None, parens: false });
        }
        let value = self.ended_expression()?;
        Ok(match value.kind {
            ExprKind::Group(inner) => StatementKind::Return { value: Some(*inner), parens: true },
            _ => StatementKind::Return { value: Some(value), parens: false },
        })
    }

    fn object(&mut self) -> Parsed<StatementKind> {
        let says = "`new name = directors.round_robin();`";
        self.next();
        let name = self.expected_word("a name", says)?;
        if self.take(TokenKind::Assign).is_none() {
            return Err(self.unexpected("`=`", says));
        }
        let class = self.target("what is made", says)?;
        let args = self.arguments(0)?;
        self.semicolon()?;
        Ok(StatementKind::New { name, class, args })
    }

    /// `error 503 "reason";`
    fn error(&mut self) -> Parsed<StatementKind> {
        self.next();
        let (mut status, mut reason) = (None, None);
        if !self.ends() {
            status = Some(self.with_methods(0)?);
        }
        if !self.ends() {
            reason = Some(self.expression(0)?);
        }
        self.semicolon()?;
        Ok(StatementKind::Error { status, reason })
    }

    fn ends(&self) -> bool {
        matches!(self.kind(), TokenKind::Semicolon | TokenKind::Close | TokenKind::End)
            || self.statement_begins()
    }

    fn synthetic(&mut self) -> Parsed<StatementKind> {
        if self.token(1).kind == TokenKind::OpenParen {
            let value = self.with_methods(0)?;
            self.semicolon()?;
            return Ok(StatementKind::Evaluate(value));
        }
        self.next();
        let base64 = self.take(TokenKind::Dot).is_some();
        if base64 {
            self.next();
        }
        let value = self.ended_expression()?;
        Ok(StatementKind::Synthetic { value, base64 })
    }

    fn declare(&mut self) -> Parsed<StatementKind> {
        let says = "`declare local var.name STRING;`";
        self.next();
        if self.word(0) != Some("local") {
            return Err(self.unexpected("`local`", says));
        }
        self.next();
        let name = self.target("a name", says)?;
        let of = self.expected_word("a type", says)?;
        let value = match self.take(TokenKind::Assign) {
            Some(_) => Some(self.expression(0)?),
            None => None,
        };
        self.semicolon()?;
        Ok(StatementKind::Declare { name, of, value })
    }

    /// `if (…) { … } elsif (…) { … } else { … }`
    fn branches(&mut self, depth: usize) -> Parsed<StatementKind> {
        self.next();
        let mut arms = vec![self.arm(depth)?];
        loop {
            match self.word(0) {
                Some("elseif" | "elsif" | "elif") => {
                    self.next();
                }
                Some("else") if self.word(1) == Some("if") => {
                    self.next();
                    self.next();
                }
                Some("else") => {
                    self.next();
                    let otherwise = Some(self.block(depth + 1)?);
                    return Ok(StatementKind::If { arms, otherwise });
                }
                _ => return Ok(StatementKind::If { arms, otherwise: None }),
            }
            arms.push(self.arm(depth)?);
        }
    }

    /// `(…) { … }`. When the condition can't be read, the block still is.
    fn arm(&mut self, depth: usize) -> Parsed<(Expr, Block)> {
        let start = self.span();
        let condition = self.condition().or_else(|Reported| {
            self.skip_to_block()?;
            Ok(Expr { span: start, kind: ExprKind::Faulty })
        })?;
        Ok((condition, self.block(depth + 1)?))
    }

    fn condition(&mut self) -> Parsed<Expr> {
        if self.take(TokenKind::OpenParen).is_none() {
            return Err(self.unexpected("`(`", "a condition stands between `(` and `)`"));
        }
        let condition = self.expression(0)?;
        match self.kind() {
            TokenKind::CloseParen => {
                self.next();
                Ok(condition)
            }
            TokenKind::Assign => {
                let span = self.span();
                Err(self.report(
                    Diagnostic::new(Code::Unexpected, span, "`=` gives a value; values are compared by `==`")
                        .label("write `==`")
                        .fix(span, "=="),
                ))
            }
            _ => Err(self.unexpected("`)`", "the condition ends before this; write `)`, or an operator")),
        }
    }

    /// To the `{` behind a condition that could not be read.
    fn skip_to_block(&mut self) -> Parsed<()> {
        loop {
            match self.kind() {
                TokenKind::Open => return Ok(()),
                TokenKind::Close | TokenKind::Semicolon | TokenKind::End => return Err(Reported),
                TokenKind::Word if self.next_declaration() => return Err(Reported),
                _ => self.next(),
            };
        }
    }

    /// `switch (value) { case "a": … break; default: … }`
    fn switch(&mut self, depth: usize) -> Parsed<StatementKind> {
        self.next();
        let start = self.span();
        let value = self.condition().or_else(|Reported| {
            self.skip_to_block()?;
            Ok(Expr { span: start, kind: ExprKind::Faulty })
        })?;
        let open = self.span();
        if self.take(TokenKind::Open).is_none() {
            return Err(self.unexpected("`{`", "the cases stand between `{` and `}`"));
        }
        if depth + 1 >= BLOCKS_DEEP_MAX {
            self.at = self.at.saturating_sub(1);
            self.block(depth + 1)?;
            return Ok(StatementKind::Switch {
                value,
                cases: Vec::new(),
                span_of_body: open.to(self.before()),
            });
        }
        let mut cases = Vec::new();
        loop {
            let began = self.at;
            match (self.kind(), self.word(0)) {
                (TokenKind::Close, _) => {
                    self.next();
                    break;
                }
                (TokenKind::End, _) => {
                    self.never_closed(open);
                    break;
                }
                (_, Some(_)) if self.next_declaration() => {
                    self.never_closed(open);
                    break;
                }
                (_, Some("case" | "default")) => match self.case(depth) {
                    Ok(case) => cases.push(case),
                    Err(Reported) => self.skip_statement(began),
                },
                (TokenKind::Semicolon, _) => self.stray_semicolon(),
                _ => {
                    self.unexpected("`case`, `default` or `}`", "a case is `case \"…\": … break;`");
                    self.skip_statement(began);
                }
            }
        }
        Ok(StatementKind::Switch { value, cases, span_of_body: open.to(self.before()) })
    }

    fn case(&mut self, depth: usize) -> Parsed<Case> {
        let start = self.span();
        let says = "a case is `case \"…\":` or `default:`";
        let mut regex = false;
        self.next();
        let value = if self.str(start) == "case" {
            regex = self.take(TokenKind::Matches).is_some();
            Some(self.expression(0)?)
        } else {
            None
        };
        if self.take(TokenKind::Colon).is_none() {
            return Err(self.unexpected("`:`", says));
        }
        let mut body = Vec::new();
        let in_case = std::mem::replace(&mut self.in_case, true);
        self.statements(depth + 1, &mut body);
        self.in_case = in_case;
        Ok(Case { span: start.to(self.before()), value, regex, body })
    }

    fn case_begins(&self) -> bool {
        match self.word(0) {
            Some("case") => {
                !matches!(self.token(1).kind, TokenKind::Dot | TokenKind::OpenParen | TokenKind::Colon)
            }
            Some("default") => self.token(1).kind == TokenKind::Colon,
            _ => false,
        }
    }

    /// From behind a `{` to behind its `}`, however deep what lies between.
    fn skip_block(&mut self) {
        let mut depth = 1_usize;
        loop {
            match self.kind() {
                TokenKind::End => return,
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth -= 1,
                _ => {}
            }
            self.next();
            if depth == 0 {
                return;
            }
        }
    }

    /// To the next statement, or to the brace that ends the block.
    fn skip_statement(&mut self, began: usize) {
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
                        // Other ways to go on hang on what was skipped.
                        if !self.word(0).is_some_and(|word| OTHERWISE.contains(&word)) {
                            return;
                        }
                        continue;
                    }
                }
                TokenKind::Word if self.at > began && self.next_declaration() => return,
                TokenKind::Word
                    if depth == 0
                        && self.at > began
                        && self.starts_line(0)
                        && (self.statement_begins() || self.case_begins())
                        && !self.word(0).is_some_and(|word| OTHERWISE.contains(&word)) =>
                {
                    return;
                }
                _ => {}
            }
            self.next();
        }
    }
}
