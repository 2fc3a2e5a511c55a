//! Functions that read or change the case or its surroundings. All others only turn values into a value, and
//! live in `rules::functions`.

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue};

use super::variables::choice;
use super::{Machine, Run, amount};
use crate::language::program::Expr;
use crate::language::program::{Argument, Choice, ObjectId, Place, TableId, Value as Constant};
use crate::language::vocabulary::{Class, Family, Function, Variable};
use crate::message::headers::trim;
use crate::rules::case::ReplyBody;
use crate::rules::functions::{self, Given};
use crate::rules::value::Value;

impl<'r> Machine<'r, '_> {
    #[allow(clippy::too_many_lines)]
    pub(super) fn function(&mut self, function: Function, args: &'r [Argument]) -> Run<Value<'r>> {
        Ok(match function {
            Function::Ban | Function::StdBan => {
                let text = self.text_at(args, 0)?;
                let text = self.kept(text)?;
                self.case.bans.push(text);
                Value::Bool(true)
            }
            Function::StdBanError => Value::text(""),
            Function::HashData => {
                let text = self.text_at(args, 0)?;
                let text = self.kept(text)?;
                self.case.hash.push(text);
                Value::Unset
            }
            Function::Synthetic => {
                let mut text = self.body_so_far();
                text.extend_from_slice(&self.text_at(args, 0)?);
                let text = self.kept(text)?;
                self.body(text);
                Value::Unset
            }
            Function::SyntheticBase64 => {
                let decoded = self.pure(Function::DigestBase64Decode, args)?;
                let text = self.kept(self.text_of(&decoded).into_owned())?;
                self.body(text);
                Value::Unset
            }
            Function::Resolve => {
                let choice = self.choice_at(args, 0)?;
                let settled = self.rules.resolve(choice, self.case, self.phase, self.around);
                Value::Backend(settled.map_or(Choice::None, Choice::Backend))
            }
            Function::StdHealthy => {
                let choice = self.choice_at(args, 0)?;
                Value::Bool(self.rules.healthy(choice, self.around))
            }
            Function::DirectorsLookup => {
                let name = self.text_at(args, 0)?;
                Value::Backend(self.called(&name))
            }

            Function::StdCollect => {
                let separator = self.text_at(args, 1)?;
                if let Some((family, name)) = header_at(args, 0) {
                    self.collect(family, name, &separator)?;
                }
                Value::Unset
            }
            Function::StdCount => {
                let count = header_at(args, 0).and_then(|(family, name)| {
                    self.case.headers(family).map(|headers| headers.get_all(name).iter().count())
                });
                Value::Int(i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX))
            }
            Function::HeaderGet => {
                let name = self.name_at(args, 1)?;
                match (http_at(args, 0), name) {
                    (Some(family), Some(name)) => match self.first_header(family, &name) {
                        Some(value) => Value::Text(crate::rules::value::Text::Header(value.clone())),
                        None => Value::Unset,
                    },
                    _ => Value::Unset,
                }
            }
            Function::HeaderSet => {
                let name = self.name_at(args, 1)?;
                let text = self.text_at(args, 2)?;
                let value = self.kept(text).and_then(|text| self.to_header(&text))?;
                if let (Some(family), Some(name)) = (http_at(args, 0), name) {
                    self.put_header(family, &name, value)?;
                }
                Value::Unset
            }
            Function::HeaderUnset => {
                let name = self.name_at(args, 1)?;
                if let (Some(family), Some(name)) = (http_at(args, 0), name) {
                    self.remove_header(family, &name);
                }
                Value::Unset
            }
            Function::SetcookieGet => {
                let name = self.text_at(args, 1)?;
                let lines = http_at(args, 0).and_then(|family| self.case.headers(family));
                let last = lines
                    .into_iter()
                    .flat_map(|headers| headers.get_all(SET_COOKIE))
                    .filter_map(|line| cookie_of(line, &name))
                    .next_back();
                last.map_or(Value::Unset, |value| Value::text(value.to_vec()))
            }
            Function::SetcookieDelete => {
                let name = self.text_at(args, 1)?;
                Value::Bool(http_at(args, 0).is_some_and(|family| self.delete_cookie(family, &name)))
            }

            Function::StdLog => {
                let text = self.text_at(args, 0)?;
                self.made(text.len())?;
                self.around.log(&text);
                Value::Unset
            }
            Function::StdSyslog => {
                let mut line = b"<".to_vec();
                line.extend_from_slice(&self.text_at(args, 0)?);
                line.extend_from_slice(b"> ");
                line.extend_from_slice(&self.text_at(args, 1)?);
                self.made(line.len())?;
                self.around.log(&line);
                Value::Unset
            }
            Function::StdTimestamp => {
                let mut line = self.text_at(args, 0)?;
                line.extend_from_slice(format!(": {:.6}", self.around.now() - self.case.begun).as_bytes());
                self.around.log(&line);
                Value::Unset
            }
            // Bodies go on as they arrive.
            Function::StdCacheReqBody => {
                self.arguments(args)?;
                Value::Bool(false)
            }
            Function::StdLate100Continue => Value::Unset,
            Function::StdRollback => {
                if let Some(family) = http_at(args, 0) {
                    self.rollback(family);
                }
                Value::Unset
            }

            Function::StdIp => {
                // An address that is asked for as text and read again must not be cut on the way.
                if let Some(Argument::Value(Expr::Text(inner))) = args.first() {
                    let value = self.eval(inner)?;
                    if matches!(value, Value::Visitor(_) | Value::Ip(_)) {
                        return Ok(value);
                    }
                }
                self.pure(function, args)?
            }
            Function::StdPort => {
                let visitor = &self.case.visitor;
                match args.first() {
                    Some(Argument::Value(Expr::Read(Place::Variable(variable)))) => match variable {
                        Variable::ClientIp | Variable::RemoteIp => Value::Int(visitor.port.into()),
                        Variable::ServerIp | Variable::LocalIp => Value::Int(visitor.server_port.into()),
                        _ => self.pure(function, args)?,
                    },
                    _ => self.pure(function, args)?,
                }
            }

            Function::StdRandom => {
                let (low, high) = (self.amount_at(args, 0)?, self.amount_at(args, 1)?);
                Value::Real(low + self.around.random() * (high - low))
            }
            Function::RandomBool => {
                let (part, whole) = (self.amount_at(args, 0)?, self.amount_at(args, 1)?);
                Value::Bool(self.around.random() * whole < part)
            }
            Function::RandomInt => {
                let (low, high) = (self.amount_at(args, 0)?, self.amount_at(args, 1)?);
                #[allow(clippy::cast_possible_truncation)]
                Value::Int((low + self.around.random() * (high - low + 1.0)).floor().min(high) as i64)
            }
            Function::RandomStr => self.random_text(args)?,
            Function::UuidVersion4 => Value::text(self.uuid()),

            Function::TableLookup
            | Function::TableLookupBool
            | Function::TableLookupInteger
            | Function::TableLookupFloat
            | Function::TableLookupRtime
            | Function::TableLookupIp
            | Function::TableLookupBackend => {
                let key = self.text_at(args, 1)?;
                match table_at(args, 0).and_then(|table| self.row(table, &key)) {
                    Some(value) => Value::of(value),
                    None => self.value_at(args, 2)?,
                }
            }
            Function::TableContains => {
                let key = self.text_at(args, 1)?;
                Value::Bool(table_at(args, 0).and_then(|table| self.row(table, &key)).is_some())
            }
            other => self.pure(other, args)?,
        })
    }

    /// A function that needs nothing but its arguments. What can be looked at where it stands is not copied.
    fn pure(&mut self, function: Function, args: &'r [Argument]) -> Run<Value<'r>> {
        let mut worked_out = Vec::with_capacity(args.len());
        for arg in args {
            worked_out.push(match arg {
                Argument::Value(expr) if self.look(expr).is_none() => Some(self.eval(expr)?),
                _ => None,
            });
        }
        let given: Vec<Given<'_>> = args
            .iter()
            .zip(worked_out)
            .map(|(arg, value)| match (arg, value) {
                (_, Some(value)) => Given::Value(value),
                (Argument::Value(expr), None) => self.look(expr).map_or(Given::Absent, Given::Value),
                (Argument::Pattern(id), None) => {
                    self.pattern(*id).map_or(Given::Absent, |pattern| Given::Pattern(&pattern.regex))
                }
                _ => Given::Absent,
            })
            .collect();
        let value = functions::call(function, &given);
        drop(given);
        match value {
            Some(Ok(value)) => {
                self.made(value.as_text().len())?;
                Ok(value)
            }
            Some(Err(failure)) => self.fault(String::from(failure)),
            // Settled when rules are loaded: no call is left of it.
            None => self.fault(format!("{} is not called while a request waits", function.name())),
        }
    }

    // Arguments

    fn value_at(&mut self, args: &'r [Argument], at: usize) -> Run<Value<'r>> {
        match args.get(at) {
            Some(Argument::Value(expr)) => self.eval(expr),
            _ => Ok(Value::Unset),
        }
    }

    fn text_at(&mut self, args: &'r [Argument], at: usize) -> Run<Vec<u8>> {
        let mut buffer = Vec::with_capacity(64);
        if let Some(Argument::Value(expr)) = args.get(at) {
            self.append(expr, &mut buffer)?;
        }
        Ok(buffer)
    }

    fn amount_at(&mut self, args: &'r [Argument], at: usize) -> Run<f64> {
        Ok(amount(&self.value_at(args, at)?))
    }

    fn choice_at(&mut self, args: &'r [Argument], at: usize) -> Run<Choice> {
        Ok(choice(&self.value_at(args, at)?))
    }

    /// The name of a header that rules made. What is no name names no header.
    fn name_at(&mut self, args: &'r [Argument], at: usize) -> Run<Option<HeaderName>> {
        Ok(HeaderName::from_bytes(&self.text_at(args, at)?).ok())
    }

    fn kept(&mut self, text: Vec<u8>) -> Run<Bytes> {
        self.made(text.len())?;
        Ok(text.into())
    }

    // What they do

    fn row(&self, table: TableId, key: &[u8]) -> Option<&'r Constant> {
        self.program.tables.get(table.0 as usize)?.rows.get(key)
    }

    /// What `synthetic` has said before in this answer: one adds to the other, but in Fastly's dialect.
    fn body_so_far(&self) -> Vec<u8> {
        match self.case.beresp.as_ref().or(self.case.resp.as_ref()).map(|reply| &reply.body) {
            Some(ReplyBody::Text(text)) if !self.fastly() => text.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The body of the answer that the phase makes.
    fn body(&mut self, text: Bytes) {
        if let Some(reply) = self.case.beresp.as_mut().or(self.case.resp.as_mut()) {
            reply.body = ReplyBody::Text(text);
        }
    }

    /// A backend or a director by its name.
    fn called(&self, name: &[u8]) -> Choice {
        if let Some(at) = self.rules.backends.iter().position(|known| known.as_bytes() == name) {
            return Choice::Backend(crate::plan::BackendId(at));
        }
        let director = self
            .program
            .objects
            .iter()
            .position(|object| object.name.as_bytes() == name && object.class != Class::ShardParam);
        match director.and_then(|at| u32::try_from(at).ok()) {
            Some(at) => Choice::Director(ObjectId(at)),
            None => Choice::None,
        }
    }

    fn rollback(&mut self, family: Family) {
        let case = &mut *self.case;
        match family {
            Family::Req => {
                if let Some(original) = &case.original {
                    case.req = (**original).clone();
                    case.moved = true;
                }
            }
            Family::Bereq => {
                if case.bereq.is_some() {
                    case.bereq = Some(case.req.clone());
                    case.sent_elsewhere = true;
                }
            }
            Family::ReqTop | Family::Beresp | Family::Obj | Family::Resp => {}
        }
    }

    fn delete_cookie(&mut self, family: Family, name: &[u8]) -> bool {
        let Some(headers) = self.case.headers_mut(family) else { return false };
        let lines: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
        let count = lines.len();
        headers.remove(SET_COOKIE);
        let mut kept = 0;
        for line in lines {
            // There was room for it before.
            if cookie_of(&line, name).is_none() && headers.try_append(SET_COOKIE, line).is_ok() {
                kept += 1;
            }
        }
        kept < count
    }

    fn random_text(&mut self, args: &'r [Argument]) -> Run<Value<'r>> {
        let letters = self.text_at(args, 1)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let length = self.amount_at(args, 0)?.max(0.0) as usize;
        self.made(length)?;
        let mut text = Vec::with_capacity(length);
        for _ in 0..length {
            text.extend(letters.get(self.below(letters.len())));
        }
        Ok(Value::text(text))
    }

    /// A whole number below another.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn below(&mut self, end: usize) -> usize {
        (self.around.random() * end as f64) as usize
    }

    fn uuid(&mut self) -> String {
        let mut text = String::with_capacity(36);
        for at in 0..36 {
            let digit = match at {
                8 | 13 | 18 | 23 => {
                    text.push('-');
                    continue;
                }
                14 => 4,
                // The variant: 10 in front.
                19 => 8 + self.below(4),
                _ => self.below(16),
            };
            text.push(u32::try_from(digit).ok().and_then(|digit| char::from_digit(digit, 16)).unwrap_or('0'));
        }
        text
    }
}

fn header_at(args: &[Argument], at: usize) -> Option<(Family, &HeaderName)> {
    match args.get(at)? {
        Argument::Place(Place::Header { family, name, .. })
        | Argument::Value(Expr::Read(Place::Header { family, name, .. })) => Some((*family, name)),
        _ => None,
    }
}

fn http_at(args: &[Argument], at: usize) -> Option<Family> {
    match args.get(at)? {
        Argument::Http(family) => Some(*family),
        _ => None,
    }
}

fn table_at(args: &[Argument], at: usize) -> Option<TableId> {
    match args.get(at)? {
        Argument::Table(table) => Some(*table),
        _ => None,
    }
}

/// The value that a `Set-Cookie` of this name sets.
fn cookie_of<'a>(line: &'a HeaderValue, name: &[u8]) -> Option<&'a [u8]> {
    let pair = line.as_bytes().split(|byte| *byte == b';').next()?;
    let at = memchr::memchr(b'=', pair)?;
    let (found, value) = pair.split_at_checked(at)?;
    (trim(found) == name).then(|| trim(value.get(1..).unwrap_or_default()))
}
