//! Headers of a case, and the parts of one: cookies, and the members of a list such as `Cache-Control`.

use bytes::Bytes;
use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Machine, Run};
use crate::language::program::{Expr, Value as Constant};
use crate::language::vocabulary::Family;
use crate::message::headers::trim;
use crate::rules::case::Case;
use crate::rules::value::{Text, Value};

/// What sets cookies apart.
const COOKIES: u8 = b';';
/// What a header costs beside its letters, so that a great many empty ones count too.
const HEADER_COST: usize = 32;

/// What no header may hold: it would end there, or be cut.
pub(super) const fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

impl Case {
    pub(super) fn headers(&self, family: Family) -> Option<&HeaderMap> {
        match family {
            Family::Req | Family::ReqTop => Some(&self.req.headers),
            Family::Bereq => self.bereq.as_ref().map(|bereq| &bereq.headers),
            Family::Beresp => self.beresp.as_ref().map(|beresp| &beresp.headers),
            Family::Obj | Family::Resp => self.resp.as_ref().map(|resp| &resp.headers),
        }
    }

    pub(super) fn headers_mut(&mut self, family: Family) -> Option<&mut HeaderMap> {
        match family {
            Family::Req | Family::ReqTop => Some(&mut self.req.headers),
            Family::Bereq => self.bereq.as_mut().map(|bereq| &mut bereq.headers),
            Family::Beresp => self.beresp.as_mut().map(|beresp| &mut beresp.headers),
            Family::Obj | Family::Resp => self.resp.as_mut().map(|resp| &mut resp.headers),
        }
    }

    /// A header of this name was written: a host may lead to another route.
    fn touched(&mut self, family: Family, name: &HeaderName) {
        if *name == HOST {
            match family {
                Family::Req | Family::ReqTop => self.moved = true,
                Family::Bereq => self.sent_elsewhere = true,
                Family::Beresp | Family::Obj | Family::Resp => {}
            }
        }
    }
}

impl<'r> Machine<'r, '_> {
    /// Of several headers of a name, the first.
    pub(super) fn first_header(&self, family: Family, name: &HeaderName) -> Option<&HeaderValue> {
        self.case.headers(family)?.get(name)
    }

    pub(super) fn header<'a>(&'a self, family: Family, name: &HeaderName, part: Option<&str>) -> Value<'a> {
        let Some(part) = part else {
            return match self.first_header(family, name) {
                Some(value) => Value::Text(Text::Borrowed(value.as_bytes())),
                None => Value::Unset,
            };
        };
        let found = self
            .case
            .headers(family)
            .into_iter()
            .flat_map(|headers| headers.get_all(name))
            .find_map(|line| find_part(line.as_bytes(), separator(name), part.as_bytes()));
        match found {
            Some((_, value)) => Value::Text(Text::Borrowed(value)),
            None => Value::Unset,
        }
    }

    /// The value of an expression as a header can hold it. A header that is copied costs nothing.
    pub(super) fn header_value(&mut self, expr: &'r Expr) -> Run<HeaderValue> {
        let bytes = match expr {
            Expr::Constant(Constant::Text(text)) => {
                self.made(text.len())?;
                text.clone()
            }
            Expr::Concat(parts) => Bytes::from(self.concat(parts)?),
            Expr::Text(inner) => return self.header_value(inner),
            _ => match self.eval(expr)? {
                Value::Text(Text::Header(value)) => {
                    self.made(value.len())?;
                    return Ok(value);
                }
                Value::Text(text) => {
                    self.made(text.len())?;
                    text.into_bytes()
                }
                other => Bytes::from(self.text_of(&other).into_owned()),
            },
        };
        self.to_header(&bytes)
    }

    pub(super) fn to_header(&self, bytes: &Bytes) -> Run<HeaderValue> {
        // Blanks in front of a value belong to no value.
        let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match HeaderValue::from_maybe_shared(bytes.slice(blanks..)) {
            Ok(value) => Ok(value),
            Err(_) => self.fault("a header's new value holds a control character"),
        }
    }

    /// All headers of the name give way to this one.
    pub(super) fn put_header(&mut self, family: Family, name: &HeaderName, value: HeaderValue) -> Run<()> {
        self.made(HEADER_COST)?;
        self.case.touched(family, name);
        let Some(headers) = self.case.headers_mut(family) else { return Ok(()) };
        match headers.try_insert(name, value) {
            Ok(_) => Ok(()),
            Err(_) => self.fault("there are too many headers"),
        }
    }

    pub(super) fn append_header(&mut self, family: Family, name: &HeaderName, value: HeaderValue) -> Run<()> {
        self.made(HEADER_COST)?;
        self.case.touched(family, name);
        let Some(headers) = self.case.headers_mut(family) else { return Ok(()) };
        match headers.try_append(name, value) {
            Ok(_) => Ok(()),
            Err(_) => self.fault("there are too many headers"),
        }
    }

    pub(super) fn remove_header(&mut self, family: Family, name: &HeaderName) {
        self.case.touched(family, name);
        if let Some(headers) = self.case.headers_mut(family) {
            headers.remove(name);
        }
    }

    pub(super) fn unset_all(&mut self, family: Family, prefix: &str) {
        if HOST.as_str().starts_with(prefix) {
            self.case.touched(family, &HOST);
        }
        let Some(headers) = self.case.headers_mut(family) else { return };
        let names: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with(prefix)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }

    /// The part takes its old place, or the last one. What stood in several headers stands in one.
    pub(super) fn set_part(
        &mut self,
        family: Family,
        name: &HeaderName,
        part: &str,
        value: &[u8],
    ) -> Run<()> {
        let separator = separator(name);
        let Some(written) = write_part(separator, part, value) else {
            return self.fault("the new value would be read as more than one cookie");
        };
        let mut text = Vec::with_capacity(64);
        let mut done = false;
        for member in self.members(family, name) {
            let ours = is_part(member, part.as_bytes());
            if ours && done {
                continue;
            }
            begin_member(&mut text, separator);
            if ours {
                text.extend_from_slice(&written);
                done = true;
            } else {
                text.extend_from_slice(member);
            }
        }
        if !done {
            begin_member(&mut text, separator);
            text.extend_from_slice(&written);
        }
        self.made(text.len())?;
        let value = self.to_header(&text.into())?;
        self.put_header(family, name, value)
    }

    /// With its last part a header goes.
    pub(super) fn remove_part(&mut self, family: Family, name: &HeaderName, part: &str) -> Run<()> {
        let separator = separator(name);
        let mut text = Vec::with_capacity(64);
        let mut found = false;
        for member in self.members(family, name) {
            if is_part(member, part.as_bytes()) {
                found = true;
            } else {
                begin_member(&mut text, separator);
                text.extend_from_slice(member);
            }
        }
        if !found {
            return Ok(());
        }
        if text.is_empty() {
            self.remove_header(family, name);
            return Ok(());
        }
        self.made(text.len())?;
        let value = self.to_header(&text.into())?;
        self.put_header(family, name, value)
    }

    /// The members of all headers of a name, in their order.
    fn members<'a>(&'a self, family: Family, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let separator = separator(name);
        let lines = self.case.headers(family).map(|headers| headers.get_all(name));
        lines.into_iter().flatten().flat_map(move |line| members(line.as_bytes(), separator))
    }

    /// `std.collect`: all headers of a name become one.
    pub(super) fn collect(&mut self, family: Family, name: &HeaderName, separator: &[u8]) -> Run<()> {
        let Some(headers) = self.case.headers(family) else { return Ok(()) };
        let mut lines = headers.get_all(name).iter();
        let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return Ok(()) };
        let mut text = first.as_bytes().to_vec();
        for line in std::iter::once(second).chain(lines) {
            text.extend_from_slice(separator);
            text.extend_from_slice(line.as_bytes());
        }
        self.made(text.len())?;
        let value = self.to_header(&text.into())?;
        self.put_header(family, name, value)
    }

    /// The cookie of this name, whichever line it is in.
    pub(super) fn cookie(&self, name: &str) -> Value<'_> {
        self.header(Family::Req, &COOKIE, Some(name))
    }
}

/// Cookies are set apart by `;`, the members of lists by `,`.
fn separator(name: &HeaderName) -> u8 {
    if *name == COOKIE { COOKIES } else { b',' }
}

/// The members of a line, trimmed; a separator within quotes is none. Cookies know no quotes: most of those who
/// read them end one at every `;`, and what one reader takes for a cookie must not be hidden from rules.
fn members(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        loop {
            let text = rest?;
            let mut quoted = false;
            let mut escaped = false;
            let end = text.iter().position(|byte| {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' if separator != COOKIES => quoted = !quoted,
                    _ => return *byte == separator && !quoted,
                }
                false
            });
            let (member, behind) = end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, b""));
            rest = behind.get(1..);
            let member = trim(member);
            if !member.is_empty() {
                return Some(member);
            }
        }
    })
}

/// A member as its name and, behind `=`, its value without quotes; without `=` the value is empty.
fn split_part(member: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', member).and_then(|at| member.split_at_checked(at)) {
        Some((name, value)) => {
            let value = trim(value.get(1..).unwrap_or_default());
            let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            (trim(name), bare.unwrap_or(value))
        }
        None => (member, b""),
    }
}

fn is_part(member: &[u8], part: &[u8]) -> bool {
    split_part(member).0.eq_ignore_ascii_case(part)
}

fn find_part<'a>(line: &'a [u8], separator: u8, part: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    members(line, separator).map(split_part).find(|(name, _)| name.eq_ignore_ascii_case(part))
}

fn begin_member(text: &mut Vec<u8>, separator: u8) {
    if !text.is_empty() {
        text.extend_from_slice(&[separator, b' ']);
    }
}

/// A member that is read as this part and nothing else, whatever the value holds: in a list it is quoted where
/// it has to be, and a cookie that can't hold it is none.
fn write_part(separator: u8, part: &str, value: &[u8]) -> Option<Vec<u8>> {
    let mut text = part.as_bytes().to_vec();
    if value.is_empty() {
        return Some(text);
    }
    text.push(b'=');
    let plain = !value.contains(&separator);
    if separator == COOKIES || plain && !value.contains(&b'"') || is_quoted(value) {
        text.extend_from_slice(value);
        return (plain || separator != COOKIES).then_some(text);
    }
    text.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text.push(b'"');
    Some(text)
}

/// Whether all of a value lies within one pair of quotes.
fn is_quoted(value: &[u8]) -> bool {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) else {
        return false;
    };
    let mut escaped = false;
    for byte in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return false,
            _ => {}
        }
    }
    !escaped
}
