//! Values: each expression becomes a typed one, with every conversion written out. As in VCL, what is asked for
//! decides how a constant is read: `"192.0.2.1"` is an address where an address is compared, `10` a size where a
//! size is.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::Writer;
use super::names::{Access, Symbol, is_storage};
use super::operators;
use crate::base::base64;
use crate::language::ast::{self, Comparison, ExprKind, Factor, Sign};
use crate::language::check::constants::Constant;
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{AclId, Argument, Arithmetic, Choice, Expr, Order, PatternId, Place, Value};
use crate::language::source::Span;
use crate::language::table::Kind;
use crate::language::vocabulary::{Function, Type};

/// Signs of arithmetic in one expression.
const ARITHMETIC_MAX: usize = 64;

/// A value with its type.
pub(super) struct Typed {
    pub(super) of: Type,
    pub(super) value: Expr,
}

impl Typed {
    pub(super) const fn constant(of: Type, value: Value) -> Self {
        Self { of, value: Expr::Constant(value) }
    }

    pub(super) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::constant(Type::String, Value::Text(Bytes::from(text.into())))
    }
}

impl<'a> Writer<'_, '_, 'a> {
    /// A value of the type that is taken here.
    pub(super) fn value(&mut self, expr: &ast::Expr, wanted: Type) -> Option<Expr> {
        if wanted == Type::String {
            let typed = self.judge(expr, Type::String)?;
            return self.as_text(typed, expr.span).map(|typed| typed.value);
        }
        let typed = self.judge(expr, wanted)?;
        if typed.of == wanted {
            return Some(typed.value);
        }
        if wanted == Type::Bool {
            return self.as_truth(typed, expr.span);
        }
        if !self.is_varnish() {
            if wanted == Type::Real && typed.of == Type::Int {
                return Some(Expr::Convert { to: Type::Real, value: Box::new(typed.value) });
            }
            // Fastly's locals: INTEGER and FLOAT, TIME and RTIME are read as each other.
            if self.is_fastly() && matches!((typed.of, wanted), (Type::Real, Type::Int)) {
                return Some(Expr::Convert { to: wanted, value: Box::new(typed.value) });
            }
        }
        self.mismatch(expr.span, &typed, wanted)
    }

    fn mismatch<T>(&mut self, span: Span, typed: &Typed, wanted: Type) -> Option<T> {
        let fault = Diagnostic::new(
            Code::TypesClash,
            span,
            format!("this is {}, and {} is taken here", typed.of.title(), wanted.title()),
        );
        let number = match &typed.value {
            Expr::Constant(Value::Int(number)) if *number >= 0 => Some(*number),
            _ => None,
        };
        self.fault(match (number, wanted, typed.of) {
            (Some(number), Type::Duration, _) => fault.label(format!("write the unit: `{number}s`")),
            (Some(number), Type::Bytes, _) => fault.label(format!("write the unit: `{number}B`")),
            (_, Type::Int, Type::String) => fault.label("`std.integer(…, 0)` makes a number of a text"),
            (_, Type::Ip, Type::String) => {
                fault.label("`std.ip(…, \"192.0.2.1\")` makes an address of a text")
            }
            (_, Type::Duration, Type::String) => {
                fault.label("`std.duration(…, 0s)` makes a duration of a text")
            }
            (_, Type::Regex, _) => fault.label("a regular expression is a constant text"),
            (_, Type::Bool, _) => fault.label("compare it with something"),
            _ => fault.label(wanted.word().to_owned() + " is taken, and this is " + typed.of.word()),
        })
    }

    /// As text, whatever it is.
    pub(super) fn as_text(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        let value = match (typed.of, typed.value) {
            (Type::String, value) => value,
            (_, Expr::Constant(Value::Int(number))) => return Some(Typed::text(number.to_string())),
            (_, Expr::Constant(Value::Bool(truth))) => return Some(Typed::text(truth.to_string())),
            // An acl or a probe as text is its name.
            (Type::Acl | Type::Probe, value) => value,
            (of, value) if operators::is_printable(of) => Expr::Text(Box::new(value)),
            (of, _) => {
                return self.fault(
                    Diagnostic::new(Code::TypesClash, span, format!("{} can't be text", of.title()))
                        .label(format!("{} has no form as text", of.word())),
                );
            }
        };
        Some(Typed { of: Type::String, value })
    }

    /// As yes or no.
    pub(super) fn as_truth(&mut self, typed: Typed, span: Span) -> Option<Expr> {
        match typed.of {
            Type::Bool => Some(typed.value),
            Type::String | Type::Int | Type::Duration | Type::Backend => {
                Some(Expr::Truth(Box::new(typed.value)))
            }
            Type::Bytes | Type::Real if !self.is_varnish() => Some(Expr::Truth(Box::new(typed.value))),
            of => {
                let help = match of {
                    Type::Real => "compare it: `… > 0.0`",
                    Type::Time => "compare it: `… > now`",
                    Type::Ip => "compare it with an address, or match it with an acl: `… ~ office`",
                    Type::Acl => "match an address with it: `client.ip ~ …`",
                    _ => "compare it with something",
                };
                self.fault(
                    Diagnostic::new(
                        Code::TypesClash,
                        span,
                        format!("{} is neither true nor false", of.title()),
                    )
                    .label(help),
                )
            }
        }
    }

    /// A value of whatever type it has; `hint` is what is asked for.
    pub(super) fn judge(&mut self, expr: &ast::Expr, hint: Type) -> Option<Typed> {
        let span = expr.span;
        if self.is_varnish()
            && matches!(
                expr.kind,
                ExprKind::Number(_) | ExprKind::Real(_) | ExprKind::Duration(_) | ExprKind::Size(_)
            )
            && !fits_varnish(self.text(span))
        {
            return self.fault(
                Diagnostic::new(Code::OutOfRange, span, "Varnish takes no number of so many digits")
                    .label("at most 15; with a fraction, 12 before the dot and 3 behind it"),
            );
        }
        match &expr.kind {
            ExprKind::Faulty => None,
            ExprKind::Group(inner) => self.judge(inner, hint),
            ExprKind::Text { inner, long } => self.text_constant(*inner, *long, span, hint),
            ExprKind::Number(number) => self.number(*number, span, hint),
            ExprKind::Real(number) => Some(Typed::constant(Type::Real, Value::Real(*number))),
            ExprKind::Duration(length) => {
                if hint == Type::Bytes {
                    return self.fault(
                        Diagnostic::new(
                            Code::TypesClash,
                            span,
                            "this is a duration, and a size is taken here",
                        )
                        .label("sizes are counted in B, KB, MB, GB and TB"),
                    );
                }
                Some(Typed::constant(Type::Duration, Value::Duration(length.as_secs_f64())))
            }
            ExprKind::Size(size) => {
                if self.is_varnish() && hint != Type::Bytes {
                    return self.fault(
                        Diagnostic::new(Code::TypesClash, span, "a size has no meaning here")
                            .label("VCL takes sizes only where a size is asked for"),
                    );
                }
                Some(Typed::constant(Type::Bytes, Value::Bytes(i64::try_from(*size).unwrap_or(i64::MAX))))
            }
            ExprKind::Rate => self.fault(
                Diagnostic::new(Code::TypesClash, span, "a rate has no meaning in a sub")
                    .label("write a number or a duration"),
            ),
            ExprKind::Blob(inner) => self.blob(*inner, span),
            ExprKind::Name => self.name(span, hint),
            ExprKind::Call { name, args } => self.call(*name, span, args, hint),
            ExprKind::Method { of, name, args } => self.method(of, *name, args),
            ExprKind::Braced(_) => self.fault(
                Diagnostic::new(Code::TypesClash, span, "settings have no meaning in a sub")
                    .label("braces stand behind `.probe =` in a backend"),
            ),
            ExprKind::Negative(inner) => self.negative(inner, span, hint),
            ExprKind::Strands(parts) => self.strands(parts, span),
            ExprKind::Sum { first, rest } => self.sum(first, rest, hint),
            ExprKind::Product { first, rest } => self.product(first, rest, hint),
            ExprKind::Compare { how, how_span, left, right } => {
                // Whether it is the same tells nothing of what it is.
                let secret = self.here.secret;
                let typed = self.compare(*how, *how_span, left, right, hint);
                self.here.secret = secret;
                typed
            }
            ExprKind::Not(inner) => {
                if self.is_varnish() && matches!(inner.kind, ExprKind::Not(_)) {
                    return self.fault(
                        Diagnostic::new(Code::OtherDialect, span, "VCL takes one `!` in a row")
                            .label("take both out, or put the second into parentheses"),
                    );
                }
                let typed = self.judge(inner, hint)?;
                let truth = self.as_truth(typed, inner.span)?;
                let value = match truth {
                    Expr::Constant(Value::Bool(truth)) => Expr::Constant(Value::Bool(!truth)),
                    truth => Expr::Not(Box::new(truth)),
                };
                Some(Typed { of: Type::Bool, value })
            }
            ExprKind::And(parts) => {
                self.truths(parts, hint).map(|parts| Typed { of: Type::Bool, value: Expr::And(parts) })
            }
            ExprKind::Or(parts) => {
                self.truths(parts, hint).map(|parts| Typed { of: Type::Bool, value: Expr::Or(parts) })
            }
        }
    }

    fn truths(&mut self, parts: &[ast::Expr], hint: Type) -> Option<Box<[Expr]>> {
        let mut all = Vec::with_capacity(parts.len());
        let mut faulty = false;
        for part in parts {
            let truth = self.judge(part, hint).and_then(|typed| self.as_truth(typed, part.span));
            match truth {
                Some(truth) => all.push(truth),
                None => faulty = true,
            }
        }
        (!faulty).then(|| all.into())
    }

    fn text_constant(&mut self, inner: Span, long: bool, span: Span, hint: Type) -> Option<Typed> {
        let text = self.text(inner);
        match hint {
            Type::Ip => {
                let address = self.address(text, span)?;
                return Some(Typed::constant(Type::Ip, Value::Ip(address)));
            }
            _ if self.is_fastly() && !long => {
                let Some(bytes) = unescaped(text) else {
                    return self.fault(
                        Diagnostic::new(
                            Code::TypesClash,
                            span,
                            "a `%` in this text is followed by no two hexadecimal digits",
                        )
                        .label("write `%25` for the sign itself"),
                    );
                };
                return Some(Typed::text(bytes));
            }
            _ => {}
        }
        Some(Typed::constant(Type::String, Value::Text(Bytes::copy_from_slice(text.as_bytes()))))
    }

    pub(super) fn address(&mut self, text: &str, span: Span) -> Option<IpAddr> {
        let plain = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = plain.parse::<IpAddr>() {
            return Some(address);
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(address.ip());
        }
        if text == "localhost" {
            return Some(IpAddr::from([127, 0, 0, 1]));
        }
        let quote = self.quote(span);
        self.fault(
            Diagnostic::new(Code::BadAddress, span, format!("{quote} is no address"))
                .label("write it in digits, such as `\"192.0.2.1\"`; names are not looked up here"),
        )
    }

    fn number(&mut self, number: u64, span: Span, hint: Type) -> Option<Typed> {
        match hint {
            Type::Bytes if self.is_varnish() => self.fault(
                Diagnostic::new(Code::TypesClash, span, "a size needs its unit")
                    .label(format!("write `{number}B`")),
            ),
            Type::Bytes => {
                Some(Typed::constant(Type::Bytes, Value::Bytes(i64::try_from(number).unwrap_or(i64::MAX))))
            }
            #[expect(clippy::cast_precision_loss, reason = "a number with a fraction is as exact as that")]
            Type::Real => Some(Typed::constant(Type::Real, Value::Real(number as f64))),
            _ => match i64::try_from(number) {
                Ok(number) => Some(Typed::constant(Type::Int, Value::Int(number))),
                Err(_) => self.fault(
                    Diagnostic::new(Code::OutOfRange, span, "this number is larger than any that rules know")
                        .label("the largest is 9223372036854775807"),
                ),
            },
        }
    }

    fn blob(&mut self, inner: Span, span: Span) -> Option<Typed> {
        let text: String = self.text(inner).chars().filter(|c| !c.is_whitespace()).collect();
        // Of the two alphabets, VCL's blobs have the one that is not for addresses.
        let bytes = if text.contains(['-', '_']) { None } else { base64::decode(text.as_bytes()) };
        match bytes {
            Some(bytes) => Some(Typed::constant(Type::Blob, Value::Blob(bytes.into()))),
            None => self.fault(
                Diagnostic::new(Code::TypesClash, span, "what stands between these colons is no base64")
                    .label("A–Z, a–z, 0–9, `+`, `/`, and `=` at the end"),
            ),
        }
    }

    fn negative(&mut self, inner: &ast::Expr, span: Span, hint: Type) -> Option<Typed> {
        let taken = matches!(hint, Type::Int | Type::Real | Type::Duration | Type::String);
        if self.is_varnish() && !taken {
            return self.fault(
                Diagnostic::new(
                    Code::TypesClash,
                    span,
                    format!("{} is taken here, and that has no `-`", hint.title()),
                )
                .label("VCL takes a `-` only where a number or a duration is asked for"),
            );
        }
        let typed = self.judge(inner, hint)?;
        let value = match typed.value {
            Expr::Constant(Value::Int(number)) => Expr::Constant(Value::Int(-number)),
            Expr::Constant(Value::Real(number)) => Expr::Constant(Value::Real(-number)),
            Expr::Constant(Value::Duration(length)) => Expr::Constant(Value::Duration(-length)),
            value if matches!(typed.of, Type::Int | Type::Real | Type::Duration | Type::Bytes) => {
                Expr::Negative(Box::new(value))
            }
            _ => {
                return self.fault(
                    Diagnostic::new(Code::TypesClash, span, format!("{} has no opposite", typed.of.title()))
                        .label("`-` stands before numbers and durations"),
                );
            }
        };
        Some(Typed { of: typed.of, value })
    }

    /// `"a" req.url "b"`: side by side.
    fn strands(&mut self, parts: &[ast::Expr], span: Span) -> Option<Typed> {
        if self.is_varnish() {
            let second = parts.get(1).map_or(span, |part| part.span);
            return self.other_dialect(second, "text side by side", "join texts with `+`");
        }
        let mut texts = Vec::with_capacity(parts.len());
        let mut faulty = false;
        for part in parts {
            let text = self.judge(part, Type::String).and_then(|typed| self.as_text(typed, part.span));
            match text {
                Some(text) => texts.push(text.value),
                None => faulty = true,
            }
        }
        (!faulty).then(|| Typed { of: Type::String, value: concat(texts) })
    }

    fn sum(&mut self, first: &ast::Expr, rest: &[(Sign, ast::Expr)], hint: Type) -> Option<Typed> {
        let mut left = self.judge(first, hint);
        let mut left_span = first.span;
        // Texts are gathered, so that a long chain of them is one step.
        let mut texts: Vec<Expr> = Vec::new();
        for (sign, part) in rest {
            let wanted = match &left {
                _ if !texts.is_empty() => Type::String,
                Some(typed) if typed.of == Type::String => Type::String,
                Some(typed)
                    if operators::sum(*sign, typed.of, typed.of).is_some() || typed.of == Type::Time =>
                {
                    typed.of
                }
                _ if hint == Type::String => Type::String,
                Some(typed) => typed.of,
                None => hint,
            };
            let right = self.judge(part, wanted);
            let span = left_span.to(part.span);
            let (Some(before), Some(after)) = (left.take(), right) else {
                left_span = span;
                continue;
            };
            let joins = if texts.is_empty() { operators::sum(*sign, before.of, after.of) } else { None };
            if let Some(of) = joins {
                if rest.len() > ARITHMETIC_MAX {
                    return self.long_arithmetic(span);
                }
                left = Some(arithmetic(operators::addition(*sign), of, before, after));
            } else if *sign == Sign::Plus
                && (hint == Type::String
                    || before.of == Type::String
                    || !self.is_varnish() && after.of == Type::String)
            {
                let before = self.as_text(before, left_span);
                let after = self.as_text(after, part.span);
                if let (Some(before), Some(after)) = (before, after) {
                    if texts.is_empty() {
                        texts.push(before.value);
                    }
                    texts.push(after.value);
                    // Stands for what was gathered.
                    left = Some(Typed::text(""));
                }
            } else {
                let sign = if *sign == Sign::Plus { '+' } else { '-' };
                let (a, b) = (before.of, after.of);
                let fault = Diagnostic::new(
                    Code::TypesClash,
                    span,
                    format!("{} `{sign}` {} has no meaning", a.title(), b.title()),
                );
                self.fault::<()>(match (a, b, &after.value) {
                    (Type::Duration | Type::Time, Type::Int, Expr::Constant(Value::Int(number))) => {
                        fault.label(format!("write the unit: `{number}s`"))
                    }
                    (Type::String, _, _) => fault.label("texts are joined with `+`"),
                    _ => fault.label(format!("{} {sign} {}", a.word(), b.word())),
                });
            }
            left_span = span;
        }
        let left = left?;
        Some(if texts.is_empty() { left } else { Typed { of: Type::String, value: concat(texts) } })
    }

    /// Each step lies within the next one.
    fn long_arithmetic<T>(&mut self, span: Span) -> Option<T> {
        self.fault(
            Diagnostic::new(Code::CallsTooDeep, span, "this adds up more than fits into one expression")
                .label(format!(
                    "at most {ARITHMETIC_MAX} signs in a row; keep a part of it in a header or a local"
                )),
        )
    }

    fn product(&mut self, first: &ast::Expr, rest: &[(Factor, ast::Expr)], hint: Type) -> Option<Typed> {
        if rest.len() > ARITHMETIC_MAX {
            return self.long_arithmetic(first.span);
        }
        let lenient = !self.is_varnish();
        let mut left = self.judge(first, hint);
        let mut left_span = first.span;
        for (factor, part) in rest {
            let span = left_span.to(part.span);
            left_span = span;
            let sign = operators::factor_sign(*factor);
            let wanted = left.as_ref().map(|typed| typed.of);
            let Some(of) = wanted else {
                self.judge(part, hint);
                continue;
            };
            let Some(wanted) = operators::factor_wanted(of) else {
                left = self.fault(
                    Diagnostic::new(
                        Code::TypesClash,
                        span,
                        format!("`{sign}` has no meaning for {}", of.title()),
                    )
                    .label("numbers, durations and sizes can be multiplied"),
                );
                continue;
            };
            let right = self.judge(part, wanted);
            let (Some(before), Some(after)) = (left.take(), right) else { continue };
            let (a, b) = (before.of, after.of);
            left = match operators::product(*factor, a, b, lenient) {
                Some(of) => Some(arithmetic(operators::arithmetic(*factor), of, before, after)),
                None => self.fault(
                    Diagnostic::new(
                        Code::TypesClash,
                        span,
                        format!("{} `{sign}` {} has no meaning", a.title(), b.title()),
                    )
                    .label(if a == Type::Int && b == Type::Duration {
                        "write the duration first".to_owned()
                    } else {
                        format!("{} {sign} {}", a.word(), b.word())
                    }),
                ),
            };
        }
        left
    }

    fn compare(
        &mut self,
        how: Comparison,
        how_span: Span,
        left: &ast::Expr,
        right: &ast::Expr,
        hint: Type,
    ) -> Option<Typed> {
        let typed = self.judge(left, hint);
        let Some(order) = operators::order(how) else {
            return self.matches(how, how_span, typed, left.span, right);
        };
        let Some(left_typed) = typed else {
            // The right side has faults of its own to tell.
            self.judge(right, hint);
            return None;
        };
        let of = if left_typed.of == Type::Header { Type::String } else { left_typed.of };
        if !operators::is_ordered(of, order) {
            self.judge(right, of);
            return self.fault(
                Diagnostic::new(
                    Code::TypesClash,
                    how_span,
                    format!("`{}` has no meaning for {}", operators::sign_of(how), of.title()),
                )
                .label(if operators::is_ordered(of, Order::Equal) {
                    "it can only be equal or not"
                } else {
                    "it can't be compared"
                }),
            );
        }
        let right_typed = self.judge(right, of)?;
        let (mut a, mut b) = (left_typed, right_typed);
        if a.of != b.of && !self.is_varnish() {
            self.level(&mut a, &mut b, right.span)?;
        }
        if a.of != b.of {
            let fault = Diagnostic::new(
                Code::TypesClash,
                how_span,
                format!("{} can't be compared with {}", a.of.title(), b.of.title()),
            );
            return self.fault(match (a.of, b.of, &b.value) {
                (Type::String, Type::Int, Expr::Constant(Value::Int(number))) => {
                    fault.label(format!("write it in quotes: `\"{number}\"`"))
                }
                (Type::Duration, Type::Int, Expr::Constant(Value::Int(number))) => {
                    fault.label(format!("write the unit: `{number}s`"))
                }
                (Type::Int, Type::String, _) => fault.label("write the number without quotes"),
                (Type::String, Type::Ip, _) => fault.label("write the address first"),
                (Type::Int, Type::Real, _) => fault.label("compare whole numbers with whole numbers"),
                _ => fault.label(format!("{} {} {}", a.of.word(), operators::sign_of(how), b.of.word())),
            });
        }
        Some(Typed {
            of: Type::Bool,
            value: Expr::Compare { how: order, left: Box::new(a.value), right: Box::new(b.value) },
        })
    }

    /// Ours and Fastly's compare whole numbers with others, and anything with a text.
    fn level(&mut self, a: &mut Typed, b: &mut Typed, span: Span) -> Option<()> {
        let empty = || Expr::Constant(Value::Unset);
        match (a.of, b.of) {
            (Type::Int, Type::Real) | (Type::Real, Type::Int) => {
                for side in [a, b] {
                    if side.of == Type::Int {
                        let value = std::mem::replace(&mut side.value, empty());
                        *side = Typed {
                            of: Type::Real,
                            value: Expr::Convert { to: Type::Real, value: Box::new(value) },
                        };
                    }
                }
            }
            (Type::String, of) if self.is_fastly() && operators::is_printable(of) => {
                let value = std::mem::replace(&mut b.value, empty());
                *b = self.as_text(Typed { of, value }, span)?;
            }
            _ => {}
        }
        Some(())
    }

    fn matches(
        &mut self,
        how: Comparison,
        how_span: Span,
        left: Option<Typed>,
        left_span: Span,
        right: &ast::Expr,
    ) -> Option<Typed> {
        let negate = how == Comparison::MatchesNot;
        let value = match left?.of_and_value() {
            (Type::Ip, address) => {
                let acl = self.acl(right)?;
                Expr::Within { address: Box::new(address), acl }
            }
            (Type::String, text) => {
                if let ExprKind::Name = right.kind
                    && self.declaration(Kind::Acl, self.text(right.span)).is_some()
                {
                    // Fastly matches a text with an acl as the address that it spells.
                    if self.is_fastly() {
                        let acl = self.acl(right)?;
                        let address = address_of(text);
                        return Some(Typed {
                            of: Type::Bool,
                            value: negated(Expr::Within { address: Box::new(address), acl }, negate),
                        });
                    }
                    self.acl(right);
                    let quote = self.quote(left_span);
                    return self.fault(
                        Diagnostic::new(Code::TypesClash, how_span, "a text can't be matched with an acl")
                            .label(format!(
                                "make an address of it: `std.ip({}, \"192.0.2.1\")`",
                                quote.trim_matches('`')
                            )),
                    );
                }
                let pattern = self.regex(right)?;
                Expr::Match { text: Box::new(text), pattern }
            }
            (of, _) => {
                return self.fault(
                    Diagnostic::new(
                        Code::TypesClash,
                        how_span,
                        format!("`{}` has no meaning for {}", operators::sign_of(how), of.title()),
                    )
                    .label("texts are matched with regular expressions, addresses with acls"),
                );
            }
        };
        Some(Typed { of: Type::Bool, value: negated(value, negate) })
    }

    /// A constant text as a pattern.
    pub(super) fn regex(&mut self, expr: &ast::Expr) -> Option<PatternId> {
        // `"a" + "b"` is a constant too.
        let typed = self.judge(expr, Type::Regex)?;
        match typed.value {
            Expr::Constant(Value::Text(text)) if typed.of == Type::String => {
                let source = String::from_utf8_lossy(&text).into_owned();
                self.pattern(&source, expr.span)
            }
            _ => self.fault(
                Diagnostic::new(Code::NotConstant, expr.span, "a regular expression is a constant text")
                    .label("it is compiled once, when the rules are loaded"),
            ),
        }
    }

    pub(super) fn acl(&mut self, expr: &ast::Expr) -> Option<AclId> {
        if let ExprKind::Group(inner) = &expr.kind {
            return self.acl(inner);
        }
        if !matches!(expr.kind, ExprKind::Name) {
            self.judge(expr, Type::Acl)?;
            return self.fault(
                Diagnostic::new(Code::TypesClash, expr.span, "an address is matched with an acl")
                    .label("declare one, and write its name: `acl office { … }`"),
            );
        }
        let name = self.text(expr.span);
        if let Some((index, ..)) = self.declaration(Kind::Acl, name) {
            self.checker.used.insert((Kind::Acl, index));
            return Some(AclId(u32::try_from(index).unwrap_or(u32::MAX)));
        }
        let of_other = self.checker.names.keys().any(|(_, known)| *known == name);
        if of_other || self.symbol(expr.span)?.is_some() {
            return self.fault(
                Diagnostic::new(Code::TypesClash, expr.span, "an address is matched with an acl")
                    .label("this is none"),
            );
        }
        self.unknown(expr.span, Type::Acl)
    }

    /// A name alone.
    fn name(&mut self, span: Span, hint: Type) -> Option<Typed> {
        let name = self.text(span);
        let folded = self.folded(name);
        match &*folded {
            "true" => return Some(Typed::constant(Type::Bool, Value::Bool(true))),
            "false" => return Some(Typed::constant(Type::Bool, Value::Bool(false))),
            "default" => return self.default_value(span, hint),
            "none" if hint == Type::Backend && !self.is_varnish() => {
                return Some(Typed::constant(Type::Backend, Value::Backend(Choice::None)));
            }
            _ => {}
        }
        if let Some(group) = name.strip_prefix("re.group.")
            && !self.is_varnish()
        {
            return match group.parse::<u8>() {
                Ok(group) if group <= 10 => Some(Typed { of: Type::String, value: Expr::Capture(group) }),
                _ => self.fault(
                    Diagnostic::new(
                        Code::UnknownVariable,
                        span,
                        "groups are counted from `re.group.0` to `re.group.10`",
                    )
                    .label("`re.group.0` is the whole match"),
                ),
            };
        }
        if let Some(symbol) = self.symbol(span)? {
            return self.read(symbol, span, hint);
        }
        if let Some(storage) = name.strip_prefix("storage.")
            && is_storage(storage)
        {
            return Some(Typed { of: Type::Stevedore, ..Typed::text(storage) });
        }
        if let Some(typed) = self.declared(name, span, hint) {
            return typed;
        }
        self.unknown(span, hint)
    }

    pub(super) fn read(&mut self, symbol: Symbol, span: Span, hint: Type) -> Option<Typed> {
        if !self.allowed(&symbol, Access::Read, span) {
            return None;
        }
        Some(match symbol {
            Symbol::Header { family, name, part, .. } => {
                let of = if hint == Type::Header { Type::Header } else { Type::String };
                Typed { of, value: Expr::Read(Place::Header { family, name, part }) }
            }
            Symbol::Variable(variable) => {
                Typed { of: variable.of(), value: Expr::Read(Place::Variable(variable)) }
            }
            Symbol::Indexed(variable, name) => {
                Typed { of: variable.of(), value: Expr::Named { variable, name } }
            }
            Symbol::Local(local) => {
                self.here.secret |= self.here.secret_locals.contains(&local.slot.0);
                Typed { of: local.of, value: Expr::Read(Place::Local(local.slot)) }
            }
        })
    }

    fn default_value(&mut self, span: Span, hint: Type) -> Option<Typed> {
        match (hint, self.default_backend()) {
            (Type::Backend, Some(backend)) => {
                let choice = self.backend(backend.0);
                Some(Typed::constant(Type::Backend, Value::Backend(choice)))
            }
            (Type::Backend, None) => Some(Typed::constant(Type::Backend, Value::Backend(Choice::None))),
            _ => self.fault(
                Diagnostic::new(
                    Code::ReservedName,
                    span,
                    "`default` means a backend, and none is taken here",
                )
                .label("write text in quotes"),
            ),
        }
    }

    /// What a `let` or a declaration of that name stands for; `None` when there is none.
    #[expect(clippy::option_option, reason = "a fault that was reported is not the same as nothing found")]
    fn declared(&mut self, name: &'a str, span: Span, hint: Type) -> Option<Option<Typed>> {
        let wanted = [(Type::Backend, Kind::Backend), (Type::Acl, Kind::Acl), (Type::Probe, Kind::Probe)];
        let asked = wanted.iter().find(|(of, _)| *of == hint).map(|(_, kind)| *kind);
        let of_asked = asked.is_some_and(|kind| self.declaration(kind, name).is_some());
        if !of_asked && self.checker.lets.contains_key(name) {
            return Some(self.constant_named(span));
        }
        let kinds = [Kind::Backend, Kind::Acl, Kind::Probe, Kind::Table];
        let found = asked.into_iter().chain(kinds).find_map(|kind| {
            self.declaration(kind, name).map(|(index, span, name)| (kind, index, span, name))
        });
        if let Some((kind, index, declared, written)) = found {
            // Varnish knows what stands above, but for what a backend is asked for.
            let later = declared.file == span.file && declared.start > span.start;
            if self.is_varnish() && later && asked != Some(kind) {
                let quote = self.quote(span);
                return Some(
                    self.fault(
                        Diagnostic::new(
                            Code::UsedBefore,
                            span,
                            format!("{quote} is named before it is declared"),
                        )
                        .label("move its declaration above this sub")
                        .at(declared, "it is declared here"),
                    ),
                );
            }
            self.checker.used.insert((kind, index));
            return Some(match kind {
                Kind::Backend => Some(Typed::constant(Type::Backend, Value::Backend(self.backend(index)))),
                Kind::Probe if hint == Type::String => Some(Typed::text(written)),
                _ => {
                    let of = match kind {
                        Kind::Acl => Type::Acl,
                        Kind::Probe => Type::Probe,
                        _ => Type::Table,
                    };
                    // Equal names are equal things.
                    Some(Typed { of, ..Typed::text(written) })
                }
            });
        }
        if let Some(object) = self.object(name) {
            return Some(self.object_alone(object, span));
        }
        if let Some(routine) = self.routine_called(span) {
            let returns = self.routines.get(routine).map(|routine| routine.returns);
            let quote = self.quote(span);
            let fault = Diagnostic::new(Code::TypesClash, span, format!("{quote} is a sub"));
            return Some(self.fault(match returns {
                Some(Type::Void) | None => fault.label("a sub is called by `call`"),
                Some(_) => fault.label(format!("ask it: `{}()`", quote.trim_matches('`'))),
            }));
        }
        None
    }

    /// A `let` as a value.
    fn constant_named(&mut self, span: Span) -> Option<Typed> {
        let known = self.checker.named(span)?;
        self.here.secret |= known.private;
        Some(match known.constant {
            Constant::Text(text) => Typed::text(text),
            Constant::Bool(truth) => Typed::constant(Type::Bool, Value::Bool(truth)),
            Constant::Number(number) => {
                Typed::constant(Type::Int, Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
            }
            Constant::Duration(length) => {
                Typed::constant(Type::Duration, Value::Duration(length.as_secs_f64()))
            }
            Constant::Size(size) => {
                Typed::constant(Type::Bytes, Value::Bytes(i64::try_from(size).unwrap_or(i64::MAX)))
            }
            Constant::Real(number) => Typed::constant(Type::Real, Value::Real(number)),
            Constant::Rate => {
                let quote = self.quote(span);
                return self.fault(
                    Diagnostic::new(Code::TypesClash, span, format!("{quote} can't be used in a sub"))
                        .label("texts, numbers, durations, sizes, `yes` and `no` can"),
                );
            }
        })
    }

    /// `if(condition, a, b)`
    pub(super) fn choice(&mut self, span: Span, args: &[ast::Argument], hint: Type) -> Option<Typed> {
        let [condition, yes, no] = args else {
            return self.fault(
                Diagnostic::new(
                    Code::BadCall,
                    span,
                    format!("`if` takes 3 arguments, and here are {}", args.len()),
                )
                .label("write `if(condition, a, b)`"),
            );
        };
        let truth = self.value(&condition.value, Type::Bool);
        let a = self.judge(&yes.value, hint);
        let b = self
            .judge(&no.value, a.as_ref().map_or(hint, |a| if hint == Type::String { hint } else { a.of }));
        let (truth, mut a, mut b) = (truth?, a?, b?);
        if a.of != b.of {
            if operators::is_printable(a.of) && operators::is_printable(b.of) && hint == Type::String {
                a = self.as_text(a, yes.value.span)?;
                b = self.as_text(b, no.value.span)?;
            } else {
                return self.fault(
                    Diagnostic::new(
                        Code::TypesClash,
                        span,
                        format!("one side is {}, and the other {}", a.of.title(), b.of.title()),
                    )
                    .label("both sides of `if(…)` are of one type"),
                );
            }
        }
        Some(Typed {
            of: a.of,
            value: Expr::If { condition: Box::new(truth), yes: Box::new(a.value), no: Box::new(b.value) },
        })
    }
}

/// Whether Varnish reads the number as it is written.
fn fits_varnish(text: &str) -> bool {
    if text.starts_with("0x") {
        return false;
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    match text.split_once('.') {
        None => digits(text) <= 15,
        Some((before, behind)) => before.len() <= 12 && digits(behind) <= 3,
    }
}

impl Typed {
    fn of_and_value(self) -> (Type, Expr) {
        (self.of, self.value)
    }
}

/// Two amounts; a whole number beside one with a fraction becomes one.
fn arithmetic(how: Arithmetic, of: Type, left: Typed, right: Typed) -> Typed {
    let real = |typed: Typed| match typed.of {
        Type::Int if of != Type::Int => Expr::Convert { to: Type::Real, value: Box::new(typed.value) },
        _ => typed.value,
    };
    let value = Expr::Arithmetic { how, of, left: Box::new(real(left)), right: Box::new(real(right)) };
    Typed { of, value }
}

/// The address that a text spells, as Fastly's `~` reads it; no address is in no acl of worth.
fn address_of(text: Expr) -> Expr {
    let fallback = Expr::Constant(Value::Text(Bytes::from_static(b"0.0.0.0")));
    let args = Box::new([Argument::Value(text), Argument::Value(fallback)]);
    Expr::Call { function: Function::StdStr2ip, args }
}

fn negated(value: Expr, negate: bool) -> Expr {
    if negate { Expr::Not(Box::new(value)) } else { value }
}

/// Texts side by side, with neighbouring constants as one.
pub(super) fn concat(parts: Vec<Expr>) -> Expr {
    let mut out: Vec<Expr> = Vec::with_capacity(parts.len());
    let mut constant: Vec<u8> = Vec::new();
    let several = parts.len() > 1;
    let mut all = parts;
    // What was joined in parentheses belongs to the same chain.
    if all.iter().any(|part| matches!(part, Expr::Concat(_))) {
        all = all
            .into_iter()
            .flat_map(|part| match part {
                Expr::Concat(inner) => inner.into_vec(),
                part => vec![part],
            })
            .collect();
    }
    for part in all {
        match part {
            Expr::Constant(Value::Text(text)) => constant.extend_from_slice(&text),
            part => {
                settle(&mut constant, &mut out);
                out.push(part);
            }
        }
    }
    settle(&mut constant, &mut out);
    match out.len() {
        0 => Expr::Constant(Value::Text(Bytes::new())),
        1 if !several || matches!(out.first(), Some(Expr::Constant(_))) => {
            out.pop().unwrap_or(Expr::Constant(Value::Unset))
        }
        // Also of one part: what is unset is the empty text beside another.
        _ => Expr::Concat(out.into()),
    }
}

fn settle(constant: &mut Vec<u8>, out: &mut Vec<Expr>) {
    if !constant.is_empty() {
        out.push(Expr::Constant(Value::Text(Bytes::from(std::mem::take(constant)))));
    }
}

/// Fastly's short strings: `%41`, `%u0041`, `%u{1f600}`.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('%') {
        out.extend_from_slice(plain.as_bytes());
        let (digits, after, unicode) = if let Some(braced) = behind.strip_prefix("u{") {
            let (digits, after) = braced.split_once('}')?;
            (digits, after, true)
        } else if let Some(four) = behind.strip_prefix('u') {
            (four.get(..4)?, four.get(4..)?, true)
        } else {
            (behind.get(..2)?, behind.get(2..)?, false)
        };
        if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(digits, 16).ok()?;
        if unicode {
            out.extend_from_slice(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            out.push(u8::try_from(number).ok()?);
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_fastly_are_bytes() {
        assert_eq!(unescaped("a%20b").unwrap(), b"a b");
        assert_eq!(unescaped("%u00e9%u{1f600}").unwrap(), "é😀".as_bytes());
        assert_eq!(unescaped("%ff").unwrap(), [0xff]);
        for bad in ["%", "%4", "%zz", "%u12", "%u{}", "%u{110000}"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
    }

    #[test]
    fn constants_side_by_side_are_one() {
        let text = |text: &'static str| Expr::Constant(Value::Text(Bytes::from_static(text.as_bytes())));
        let Expr::Constant(Value::Text(joined)) = concat(vec![text("a"), text("b"), text("c")]) else {
            panic!()
        };
        assert_eq!(joined, "abc");
        let Expr::Concat(parts) = concat(vec![text("a"), Expr::Capture(1), text("b"), text("c")]) else {
            panic!()
        };
        assert_eq!(parts.len(), 3);
    }
}
