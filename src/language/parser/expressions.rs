//! Values, from the loosest operator to the tightest: `||`, `&&`, `!`, comparisons, `+` and `-`, side by side,
//! `*`, `/` and `%`, a minus sign, methods.

use super::{EXPRESSIONS_DEEP_MAX, Parsed, Parser, Reported, inner};
use crate::base::amount;
use crate::language::ast::{Argument, Comparison, Expr, ExprKind, Factor, Sign};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::lexer::{TokenKind, size};
use crate::language::source::Span;
use crate::language::vocabulary::Dialect;

/// What begins a name with a dot in settings, once those are known.
const LATER: &[&str] = &["secret", "user", "req", "client"];

impl Parser<'_> {
    pub(super) fn expression(&mut self, depth: usize) -> Parsed<Expr> {
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
        if self.kind() != operator && !self.word_for_operator(operator) {
            return Ok(first);
        }
        // A word was taken already.
        self.take(operator);
        let start = first.span;
        let mut parts = vec![first, part(self, depth)?];
        while self.take(operator).is_some() || self.word_for_operator(operator) {
            parts.push(part(self, depth)?);
        }
        Ok(Expr { span: start.to(self.before()), kind: build(parts) })
    }

    fn negation(&mut self, depth: usize) -> Parsed<Expr> {
        let not = match self.take(TokenKind::Not) {
            Some(not) => not,
            None if self.word_for_operator(TokenKind::Not) => self.before(),
            None => return self.comparison(depth),
        };
        self.too_deep(depth, not)?;
        let inner = self.negation(depth + 1)?;
        Ok(Expr { span: not.to(self.before()), kind: ExprKind::Not(Box::new(inner)) })
    }

    fn compares(&self) -> Option<Comparison> {
        Some(match self.kind() {
            TokenKind::Equal => Comparison::Equal,
            TokenKind::NotEqual => Comparison::NotEqual,
            // In settings there is nothing to weigh.
            _ if !self.rules => return None,
            TokenKind::Less => Comparison::Less,
            TokenKind::LessOrEqual => Comparison::LessOrEqual,
            TokenKind::Greater => Comparison::Greater,
            TokenKind::GreaterOrEqual => Comparison::GreaterOrEqual,
            TokenKind::Matches => Comparison::Matches,
            TokenKind::MatchesNot => Comparison::MatchesNot,
            _ => return None,
        })
    }

    fn comparison(&mut self, depth: usize) -> Parsed<Expr> {
        let left = self.sum(depth)?;
        let Some(how) = self.compares() else { return Ok(left) };
        let how_span = self.next();
        let right = self.sum(depth)?;
        if self.compares().is_some() {
            let span = self.span();
            return Err(self.report(
                Diagnostic::new(Code::Unexpected, span, "a comparison of a comparison")
                    .label("join two comparisons by `&&`, or put the first into parentheses"),
            ));
        }
        let span = left.span.to(right.span);
        Ok(Expr {
            span,
            kind: ExprKind::Compare { how, how_span, left: Box::new(left), right: Box::new(right) },
        })
    }

    /// `a + b - c` as one flat node.
    fn sum(&mut self, depth: usize) -> Parsed<Expr> {
        let first = self.strands(depth)?;
        let start = first.span;
        let mut rest = Vec::new();
        loop {
            let sign = match self.kind() {
                TokenKind::Plus => Sign::Plus,
                TokenKind::Minus if self.rules => Sign::Minus,
                _ if rest.is_empty() => return Ok(first),
                _ => break,
            };
            self.next();
            rest.push((sign, self.strands(depth)?));
        }
        Ok(Expr { span: start.to(self.before()), kind: ExprKind::Sum { first: Box::new(first), rest } })
    }

    /// `"a" req.url "b"`.
    fn strands(&mut self, depth: usize) -> Parsed<Expr> {
        let first = self.product(depth)?;
        if !self.strand_follows(&first)? {
            return Ok(first);
        }
        let start = first.span;
        let mut all = vec![first];
        loop {
            let next = self.product(depth)?;
            let more = self.strand_follows(&next)?;
            all.push(next);
            if !more {
                break;
            }
        }
        let refused = self.rules && self.dialect == Dialect::Varnish;
        let kind = match all.get(1) {
            Some(second) if refused => {
                let fault = Diagnostic::new(Code::Unexpected, second.span, "two values stand side by side")
                    .label("write `+` in front of this one")
                    .help("Varnish takes values side by side no more since version 7");
                let joined = all.iter().skip(1).fold(fault, |fault, part| fault.fix(part.span.front(), "+ "));
                self.found.push(joined);
                ExprKind::Faulty
            }
            _ => ExprKind::Strands(all),
        };
        Ok(Expr { span: start.to(self.before()), kind })
    }

    /// Whether what follows belongs to the text that `before` begins.
    fn strand_follows(&mut self, before: &Expr) -> Parsed<bool> {
        let text = matches!(self.kind(), TokenKind::Text(_));
        if !self.rules {
            if text && self.lines {
                return Ok(true);
            }
            if !text || !matches!(before.kind, ExprKind::Text { .. }) {
                return Ok(false);
            }
            if self.starts_line(0) {
                return Ok(false);
            }
            let here = self.span();
            return Err(self.report(
                Diagnostic::new(Code::Unexpected, here, "two strings stand side by side")
                    .label("join them with `+`, or part them with `,`"),
            ));
        }
        let holds_text = !matches!(
            before.kind,
            ExprKind::Number(_) | ExprKind::Real(_) | ExprKind::Duration(_) | ExprKind::Size(_)
        );
        let word =
            self.word(0).is_some_and(|word| super::operator_word(word).is_none()) && !self.statement_begins();
        // Where values do not stand side by side, a `;` is missing rather than a `+`.
        let line = self.dialect == Dialect::Varnish && self.starts_line(0);
        Ok(holds_text && (text || word) && !line)
    }

    fn product(&mut self, depth: usize) -> Parsed<Expr> {
        let first = self.signed(depth)?;
        let start = first.span;
        let mut rest = Vec::new();
        loop {
            let factor = match self.kind() {
                TokenKind::Star if self.rules => Factor::Times,
                TokenKind::Slash if self.rules => Factor::Over,
                TokenKind::Percent if self.rules => Factor::Modulo,
                _ if rest.is_empty() => return Ok(first),
                _ => break,
            };
            self.next();
            rest.push((factor, self.signed(depth)?));
        }
        Ok(Expr { span: start.to(self.before()), kind: ExprKind::Product { first: Box::new(first), rest } })
    }

    fn signed(&mut self, depth: usize) -> Parsed<Expr> {
        if !self.rules || self.kind() != TokenKind::Minus {
            return self.with_methods(depth);
        }
        let minus = self.next();
        self.too_deep(depth, minus)?;
        let inner = self.signed(depth + 1)?;
        Ok(Expr { span: minus.to(inner.span), kind: ExprKind::Negative(Box::new(inner)) })
    }

    /// `(a + b).lower()`
    pub(super) fn with_methods(&mut self, depth: usize) -> Parsed<Expr> {
        let mut value = self.primary(depth)?;
        let mut deep = depth;
        while self.rules
            && self.kind() == TokenKind::Dot
            && self.token(1).kind == TokenKind::Word
            && self.token(2).kind == TokenKind::OpenParen
        {
            self.next();
            let name = self.next();
            let args = self.arguments(deep)?;
            deep += 1;
            let span = value.span.to(self.before());
            value = Expr { span, kind: ExprKind::Method { of: Box::new(value), name, args } };
        }
        Ok(value)
    }

    pub(super) fn too_deep(&mut self, depth: usize, span: Span) -> Parsed<()> {
        if depth < EXPRESSIONS_DEEP_MAX {
            return Ok(());
        }
        let name_it = if self.rules { "keep a part in a variable" } else { "name a part with `let`" };
        Err(self.report(
            Diagnostic::new(Code::TooDeep, span, "this expression is nested too deep")
                .label(format!("at most {EXPRESSIONS_DEEP_MAX} may lie in each other; {name_it}")),
        ))
    }

    pub(super) fn primary(&mut self, depth: usize) -> Parsed<Expr> {
        let span = self.span();
        let text = self.str(span);
        let kind = match self.kind() {
            TokenKind::Text(width) => ExprKind::Text { inner: inner(span, width), long: width > 1 },
            TokenKind::Number | TokenKind::Real => return Ok(self.number()),
            TokenKind::Duration => amount::duration(text).map_or(ExprKind::Faulty, ExprKind::Duration),
            TokenKind::Size => size(text, self.dialect).map_or(ExprKind::Faulty, ExprKind::Size),
            TokenKind::Blob => ExprKind::Blob(inner(span, 1)),
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
        Ok(Expr { span, kind })
    }

    /// A number, with what makes more of it: `6/m` and `50%` in settings, and a unit behind a space where
    /// Varnish allows it.
    fn number(&mut self) -> Expr {
        let span = self.next();
        let text = self.str(span);
        let unit = self.word(0).unwrap_or("");
        if (self.rules || self.dialect == Dialect::Varnish) && !unit.is_empty() && !self.starts_line(0) {
            let whole = format!("{text}{unit}");
            let kind = amount::duration(&whole)
                .map(ExprKind::Duration)
                .or_else(|| size(&whole, self.dialect).map(ExprKind::Size));
            if let Some(kind) = kind {
                self.next();
                return Expr { span: span.to(self.before()), kind };
            }
        }
        let per = self.word(1).is_some_and(|unit| matches!(unit, "s" | "m" | "h" | "d"));
        if !self.rules && self.kind() == TokenKind::Slash && per && self.adjoins(0) && self.adjoins(1) {
            self.next();
            self.next();
            return Expr { span: span.to(self.before()), kind: ExprKind::Rate };
        }
        let kind = match text.strip_prefix("0x") {
            Some(hex) => ExprKind::Number(u64::from_str_radix(hex, 16).unwrap_or(u64::MAX)),
            None if text.contains('.') => ExprKind::Real(text.parse().unwrap_or(f64::INFINITY)),
            None => ExprKind::Number(text.parse().unwrap_or(u64::MAX)),
        };
        if !self.rules && self.kind() == TokenKind::Percent && self.adjoins(0) {
            self.next();
            return Expr { span: span.to(self.before()), kind };
        }
        Expr { span, kind }
    }

    /// `req.http.Cookie:session`: words, dots and colons without a space between them. A header's name may
    /// stand in quotes.
    pub(super) fn name(&mut self) -> Span {
        let start = self.next();
        let mut headers = self.str(start) == "http";
        let mut part = false;
        loop {
            let word = matches!(self.token(1).kind, TokenKind::Word | TokenKind::Text(1) | TokenKind::Bad);
            let joined = word && self.adjoins(0) && self.adjoins(1);
            match self.kind() {
                TokenKind::Dot if joined => {}
                TokenKind::Colon if joined && headers && !part && self.dialect != Dialect::Varnish => {
                    part = true;
                }
                _ => break,
            }
            self.next();
            let last = self.next();
            headers |= self.str(last) == "http";
        }
        start.to(self.before())
    }

    /// Behind the name stand a space, a dot and another part of it.
    pub(super) fn name_with_gaps(&mut self, name: Span) -> Reported {
        let part = self.span_of(self.token(1));
        self.report(
            Diagnostic::new(Code::Unexpected, name.to(part), "a name is written without spaces")
                .label("take the space out at the dot")
                .fix(name.behind().to(part.front()), "."),
        )
    }

    fn name_or_call(&mut self, depth: usize) -> Parsed<Expr> {
        let name = if self.rules {
            self.name()
        } else {
            let bare = self.bare_text().filter(|count| {
                matches!(self.token(*count).kind, TokenKind::Semicolon | TokenKind::Comma)
                    && !LATER.contains(&self.str(self.span()))
            });
            if let Some(count) = bare {
                return Err(self.wants_quotes(count, "a text"));
            }
            let name = self.next();
            if self.kind() == TokenKind::Dot && self.token(1).kind == TokenKind::Word && !self.starts_line(0)
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
            name
        };
        if self.rules
            && self.kind() == TokenKind::Dot
            && self.token(1).kind == TokenKind::Word
            && self.token(2).kind != TokenKind::OpenParen
        {
            return Err(self.name_with_gaps(name));
        }
        if self.kind() != TokenKind::OpenParen {
            return Ok(Expr { span: name, kind: ExprKind::Name });
        }
        let args = self.arguments(depth)?;
        Ok(Expr { span: name.to(self.before()), kind: ExprKind::Call { name, args } })
    }

    /// `(a, name = b)`
    pub(super) fn arguments(&mut self, depth: usize) -> Parsed<Vec<Argument>> {
        let open = self.span();
        if self.take(TokenKind::OpenParen).is_none() {
            return Err(self.unexpected("`(`", "arguments stand between `(` and `)`"));
        }
        self.too_deep(depth, open)?;
        let mut args = Vec::new();
        while self.kind() != TokenKind::CloseParen || !args.is_empty() {
            let name = match self.kind() {
                TokenKind::Word if self.token(1).kind == TokenKind::Assign => {
                    let name = self.next();
                    self.next();
                    Some(name)
                }
                _ => None,
            };
            args.push(Argument { name, value: self.expression(depth + 1)? });
            if self.take(TokenKind::Comma).is_none() {
                break;
            }
        }
        if self.take(TokenKind::CloseParen).is_none() {
            return Err(self.unexpected("`)`", "close the arguments with `)`, or write `,` and one more"));
        }
        Ok(args)
    }
}
