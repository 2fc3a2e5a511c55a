//! The variables: where in a case each of them is. One that is not here does not compile.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST};
use http::{Method, Version};

use super::{Machine, Run, amount, is_true, whole};
use crate::language::program::Choice;
use crate::language::vocabulary::Variable;
use crate::rules::case::{Life, Question, Reply, ReplyBody, Url};
use crate::rules::value::{Text, Value};

/// What a cache's limits are while no rule has set one.
const NO_LIMIT: f64 = -1.0;

impl<'r> Machine<'r, '_> {
    pub(super) fn variable(&self, variable: Variable) -> Value<'_> {
        let case = &*self.case;
        let visitor = &case.visitor;
        match variable {
            // The connection
            Variable::ClientIdentity => match &visitor.identity {
                Some(identity) => Value::text(&**identity),
                None => Value::Visitor(visitor.client),
            },
            Variable::ClientIp => Value::Visitor(visitor.client),
            Variable::RemoteIp => Value::Visitor(visitor.remote),
            Variable::ClientNetwork => Value::text(visitor.client.anonymous().to_string()),
            Variable::ClientPort => Value::Int(visitor.port.into()),
            Variable::ClientTls => Value::Bool(visitor.secure),
            Variable::ClientTlsName => self.around.tls_name().map_or(Value::Unset, Value::text),
            Variable::ClientTlsVersion => visitor.tls.map_or(Value::Unset, Value::text),
            Variable::ServerHostname | Variable::ServerIdentity => Value::text(self.around.hostname()),
            Variable::ServerIp | Variable::LocalIp => Value::Ip(visitor.server),
            Variable::LocalEndpoint | Variable::LocalSocket => Value::text(self.around.listener()),
            Variable::SessIdleSendTimeout => {
                Value::Duration(case.wishes.idle_send_timeout.unwrap_or(NO_LIMIT))
            }
            Variable::SessSendTimeout => Value::Duration(case.wishes.send_timeout.unwrap_or(NO_LIMIT)),
            Variable::SessTimeoutIdle => Value::Duration(case.wishes.timeout_idle.unwrap_or(NO_LIMIT)),
            Variable::SessTimeoutLinger => Value::Duration(case.wishes.timeout_linger.unwrap_or(NO_LIMIT)),

            // The request
            Variable::SessXid | Variable::ReqXid | Variable::BereqXid | Variable::ReqId => {
                Value::text(case.id.letters().to_vec())
            }
            Variable::ReqBackendHint => Value::Backend(case.backend_hint()),
            Variable::ReqBackendHealthy => Value::Bool(self.rules.healthy(case.backend_hint(), self.around)),
            Variable::ReqCanGzip => Value::Bool(takes_gzip(&case.req)),
            Variable::ReqEsi => Value::Bool(!case.wishes.no_esi),
            Variable::ReqEsiLevel | Variable::ObjHits | Variable::FastlyVisits => Value::Int(0),
            Variable::ReqGrace => Value::Duration(case.wishes.grace.unwrap_or(NO_LIMIT)),
            Variable::ReqTtl => Value::Duration(case.wishes.ttl.unwrap_or(NO_LIMIT)),
            Variable::ReqHash | Variable::BereqHash => Value::Blob(hash_key(&case.hash)),
            Variable::ReqHashText => Value::text(case.hash.concat()),
            Variable::ReqHashAlwaysMiss => Value::Bool(case.wishes.hash_always_miss),
            Variable::ReqHashIgnoreBusy => Value::Bool(case.wishes.hash_ignore_busy),
            Variable::ReqHashIgnoreVary => Value::Bool(case.wishes.hash_ignore_vary),
            // Nothing is in the cache: what hangs on that is never so.
            Variable::ReqIsHitmiss
            | Variable::ReqIsHitpass
            | Variable::BereqIsBgfetch
            | Variable::BereqIsHitmiss
            | Variable::BereqIsHitpass
            | Variable::BerespWas304
            | Variable::StaleExists => Value::Bool(false),
            Variable::ReqMethod | Variable::ReqTopMethod => Value::text(case.req.method.as_str()),
            Variable::ReqProto | Variable::ReqTopProto => Value::text(proto(case.req.version)),
            Variable::ReqIsHttp2 => Value::Bool(case.req.version == Version::HTTP_2),
            Variable::ReqIsIpv6 => Value::Bool(visitor.client.expose().is_ipv6()),
            Variable::ReqProtocol => Value::text(if visitor.secure { "https" } else { "http" }),
            Variable::ReqRestarts => Value::Int(case.restarts.into()),
            Variable::ReqStorage => optional(case.wishes.storage.as_ref()),
            Variable::ReqTime | Variable::ReqTopTime | Variable::TimeStart => Value::Time(case.begun),
            Variable::ReqTransport => {
                Value::text(if case.req.version == Version::HTTP_2 { "H2" } else { "HTTP/1" })
            }
            Variable::ReqUrl | Variable::ReqTopUrl => Value::text(case.req.url.as_bytes()),
            Variable::ReqPath => Value::text(case.req.url.parts().0),
            Variable::ReqQuery => case.req.url.parts().1.map_or(Value::Unset, Value::text),
            Variable::ReqUrlBasename => Value::text(basename(&case.req.url)),
            Variable::ReqUrlDirname => Value::text(dirname(&case.req.url)),
            Variable::ReqUrlExt => Value::text(extension(&case.req.url)),
            Variable::ReqHost => host(&case.req),
            Variable::ReqSite => Value::text(self.around.site()),
            Variable::ReqRoute => Value::text(self.around.route()),
            // They take a word, and are read by `named`.
            Variable::ReqCookie
            | Variable::ReqArg
            | Variable::ReqName
            | Variable::StorageFreeSpace
            | Variable::StorageHappy
            | Variable::StorageUsedSpace => self.named(variable, ""),

            // The request to the backend
            Variable::BereqBackend => Value::Backend(case.choice),
            Variable::BereqBetweenBytesTimeout => Value::Duration(case.patience.between_bytes.unwrap_or(0.0)),
            Variable::BereqConnectTimeout => Value::Duration(case.patience.connect.unwrap_or(0.0)),
            Variable::BereqFirstByteTimeout => Value::Duration(case.patience.first_byte.unwrap_or(0.0)),
            Variable::BereqBody => Value::Unset,
            Variable::BereqMethod => self.asked(|bereq| Value::text(bereq.method.as_str())),
            Variable::BereqProto => self.asked(|bereq| Value::text(proto(bereq.version))),
            Variable::BereqUrl => self.asked(|bereq| Value::text(bereq.url.as_bytes())),
            Variable::BereqPath => self.asked(|bereq| Value::text(bereq.url.parts().0)),
            Variable::BereqQuery => self.asked(|bereq| bereq.url.parts().1.map_or(Value::Unset, Value::text)),
            Variable::BereqUrlBasename => self.asked(|bereq| Value::text(basename(&bereq.url))),
            Variable::BereqUrlDirname => self.asked(|bereq| Value::text(dirname(&bereq.url))),
            Variable::BereqUrlExt => self.asked(|bereq| Value::text(extension(&bereq.url))),
            Variable::BereqRetries => Value::Int(case.retries.into()),
            Variable::BereqTime => Value::Time(case.asked_at),
            Variable::BereqUncacheable => {
                Value::Bool(case.pass || case.beresp.as_ref().is_some_and(|reply| reply.life.uncacheable))
            }

            // The answers
            Variable::BerespAge
            | Variable::BerespBackend
            | Variable::BerespBackendName
            | Variable::BerespBody
            | Variable::BerespDoEsi
            | Variable::BerespDoGunzip
            | Variable::BerespDoGzip
            | Variable::BerespDoStream
            | Variable::BerespFilters
            | Variable::BerespGrace
            | Variable::BerespKeep
            | Variable::BerespProto
            | Variable::BerespReason
            | Variable::BerespStatus
            | Variable::BerespStorage
            | Variable::BerespStorageHint
            | Variable::BerespTtl
            | Variable::BerespUncacheable
            | Variable::BerespCacheable
            | Variable::BerespStaleIfError
            | Variable::BerespStaleWhileRevalidate => {
                case.beresp.as_ref().map_or(Value::Unset, |reply| self.of_reply(variable, reply))
            }
            Variable::ObjAge
            | Variable::ObjCanEsi
            | Variable::ObjGrace
            | Variable::ObjKeep
            | Variable::ObjProto
            | Variable::ObjReason
            | Variable::ObjStatus
            | Variable::ObjStorage
            | Variable::ObjTtl
            | Variable::ObjUncacheable
            | Variable::RespBody
            | Variable::RespDoEsi
            | Variable::RespFilters
            | Variable::RespIsStreaming
            | Variable::RespProto
            | Variable::RespReason
            | Variable::RespStatus => {
                case.resp.as_ref().map_or(Value::Unset, |reply| self.of_reply(variable, reply))
            }
            // Names are looked up by the room that connects; rules see none of it.
            Variable::BerespBackendIp => Value::Ip(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
            Variable::BerespTime | Variable::ObjTime => Value::Time(case.answered_at),
            Variable::RespTime => Value::Time(case.resp_at),
            Variable::FastlyInfoState => Value::text(if case.cause.is_some() {
                "ERROR"
            } else if case.pass {
                "PASS"
            } else {
                "MISS"
            }),
            Variable::Cause => case.cause.map_or(Value::Unset, |cause| Value::text(cause.name())),

            // The time
            Variable::Now => Value::Time(self.now()),
            Variable::NowSec => units(self.now(), 1.0),
            Variable::TimeStartSec => units(case.begun, 1.0),
            Variable::TimeStartMsec => units(case.begun, 1e3),
            Variable::TimeStartMsecFrac => fraction(case.begun, 3),
            Variable::TimeStartUsec => units(case.begun, 1e6),
            Variable::TimeStartUsecFrac => fraction(case.begun, 6),
            Variable::TimeElapsed => Value::Duration(self.elapsed()),
            Variable::TimeElapsedSec => units(self.elapsed(), 1.0),
            Variable::TimeElapsedMsec => units(self.elapsed(), 1e3),
            Variable::TimeElapsedMsecFrac => fraction(self.elapsed(), 3),
            Variable::TimeElapsedUsec => units(self.elapsed(), 1e6),
            Variable::TimeElapsedUsecFrac => fraction(self.elapsed(), 6),
        }
    }

    fn elapsed(&self) -> f64 {
        (self.now() - self.case.begun).max(0.0)
    }

    fn asked<'a>(&'a self, read: impl FnOnce(&'a Question) -> Value<'a>) -> Value<'a> {
        self.case.bereq.as_ref().map_or(Value::Unset, read)
    }

    fn of_reply<'a>(&self, variable: Variable, reply: &'a Reply) -> Value<'a> {
        let life = &reply.life;
        match variable {
            Variable::BerespAge | Variable::ObjAge => Value::Duration(life.age),
            Variable::BerespBackend => Value::Backend(reply.from),
            Variable::BerespBackendName => Value::text(self.rules.name(reply.from).to_owned()),
            Variable::BerespBody | Variable::RespBody => match &reply.body {
                ReplyBody::Text(text) => Value::text(&**text),
                ReplyBody::Backend | ReplyBody::Page => Value::Unset,
            },
            Variable::BerespDoEsi | Variable::ObjCanEsi | Variable::RespDoEsi => Value::Bool(life.do_esi),
            Variable::BerespDoGunzip => Value::Bool(life.do_gunzip),
            Variable::BerespDoGzip => Value::Bool(life.do_gzip),
            Variable::BerespDoStream => Value::Bool(life.do_stream),
            Variable::BerespFilters | Variable::RespFilters => optional(life.filters.as_ref()),
            Variable::BerespGrace
            | Variable::ObjGrace
            | Variable::BerespStaleIfError
            | Variable::BerespStaleWhileRevalidate => Value::Duration(life.grace),
            Variable::BerespKeep | Variable::ObjKeep => Value::Duration(life.keep),
            Variable::BerespProto | Variable::ObjProto | Variable::RespProto => {
                Value::text(proto(reply.version))
            }
            Variable::BerespReason | Variable::ObjReason | Variable::RespReason => match &reply.reason {
                Some(reason) => Value::text(&**reason),
                None => Value::text(usual_reason(reply.status)),
            },
            Variable::BerespStatus | Variable::ObjStatus | Variable::RespStatus => {
                Value::Int(reply.status.into())
            }
            Variable::BerespStorage | Variable::BerespStorageHint | Variable::ObjStorage => {
                optional(life.storage.as_ref())
            }
            Variable::BerespTtl | Variable::ObjTtl => Value::Duration(life.ttl),
            Variable::BerespUncacheable | Variable::ObjUncacheable => Value::Bool(life.uncacheable),
            Variable::BerespCacheable => Value::Bool(!life.uncacheable),
            Variable::RespIsStreaming => Value::Bool(reply.body == ReplyBody::Backend && life.do_stream),
            _ => Value::Unset,
        }
    }

    /// A variable that takes a word.
    pub(super) fn named<'a>(&'a self, variable: Variable, name: &str) -> Value<'a> {
        match variable {
            Variable::ReqCookie => self.cookie(name),
            Variable::ReqArg => {
                self.case.req.url.parts().1.map_or(Value::Unset, |query| argument(query, name))
            }
            Variable::ReqName => self.around.named(name).map_or(Value::Unset, Value::text),
            Variable::StorageHappy => Value::Bool(true),
            Variable::StorageFreeSpace | Variable::StorageUsedSpace => Value::Bytes(0),
            other => self.variable(other),
        }
    }

    #[allow(clippy::too_many_lines)]
    pub(super) fn write_variable(&mut self, variable: Variable, value: Value<'r>) -> Run<()> {
        match variable {
            Variable::ClientIdentity => self.case.visitor.identity = Some(self.text_to_keep(value)?),
            Variable::SessIdleSendTimeout => self.case.wishes.idle_send_timeout = Some(amount(&value)),
            Variable::SessSendTimeout => self.case.wishes.send_timeout = Some(amount(&value)),
            Variable::SessTimeoutIdle => self.case.wishes.timeout_idle = Some(amount(&value)),
            Variable::SessTimeoutLinger => self.case.wishes.timeout_linger = Some(amount(&value)),

            Variable::ReqBackendHint => self.case.hint = Some(choice(&value)),
            Variable::ReqEsi => self.case.wishes.no_esi = !is_true(&value),
            Variable::ReqGrace => self.case.wishes.grace = Some(amount(&value)),
            Variable::ReqTtl => self.case.wishes.ttl = Some(amount(&value)),
            Variable::ReqHashText => self.case.hash = vec![self.text_to_keep(value)?],
            Variable::ReqHashAlwaysMiss => self.case.wishes.hash_always_miss = is_true(&value),
            Variable::ReqHashIgnoreBusy => self.case.wishes.hash_ignore_busy = is_true(&value),
            Variable::ReqHashIgnoreVary => self.case.wishes.hash_ignore_vary = is_true(&value),
            Variable::ReqMethod => {
                self.case.req.method = self.method_of(&value)?;
                self.case.moved = true;
            }
            Variable::ReqProto => self.case.req.version = self.version(&value)?,
            Variable::ReqStorage => self.case.wishes.storage = Some(self.text_to_keep(value)?),
            Variable::ReqUrl => {
                self.case.req.url = Url::Written(self.text_to_keep(value)?);
                self.case.moved = true;
            }

            Variable::BereqBackend => self.case.choice = choice(&value),
            Variable::BereqBetweenBytesTimeout => self.case.patience.between_bytes = Some(amount(&value)),
            Variable::BereqConnectTimeout => self.case.patience.connect = Some(amount(&value)),
            Variable::BereqFirstByteTimeout => self.case.patience.first_byte = Some(amount(&value)),
            Variable::BereqMethod => {
                let method = self.method_of(&value)?;
                self.ask(|bereq| bereq.method = method);
            }
            Variable::BereqProto => {
                let version = self.version(&value)?;
                self.ask(|bereq| bereq.version = version);
            }
            Variable::BereqUrl => {
                let url = Url::Written(self.text_to_keep(value)?);
                self.ask(|bereq| bereq.url = url);
            }

            Variable::BerespBody | Variable::RespBody => {
                let text = self.text_to_keep(value)?;
                self.speak(variable, |reply| reply.body = ReplyBody::Text(text));
            }
            Variable::BerespStatus | Variable::ObjStatus | Variable::RespStatus => {
                let status = self.status(&value)?;
                // The reason follows: it is what the status is usually called.
                self.speak(variable, |reply| {
                    reply.status = status;
                    reply.reason = None;
                });
            }
            Variable::BerespReason | Variable::ObjReason | Variable::RespReason => {
                let text = self.text_of(&value).into_owned();
                let reason = self.reason(&text)?;
                self.speak(variable, |reply| reply.reason = Some(reason));
            }
            Variable::BerespProto | Variable::RespProto => {
                let version = self.version(&value)?;
                self.speak(variable, |reply| reply.version = version);
            }
            Variable::BerespFilters | Variable::RespFilters => {
                let text = self.text_to_keep(value)?;
                self.live(variable, |life| life.filters = Some(text));
            }
            Variable::BerespStorage | Variable::BerespStorageHint => {
                let text = self.text_to_keep(value)?;
                self.live(variable, |life| life.storage = Some(text));
            }
            // It can't be taken back.
            Variable::BerespUncacheable => {
                let set = is_true(&value);
                self.live(variable, |life| life.uncacheable |= set);
            }
            Variable::BerespCacheable => {
                let set = is_true(&value);
                self.live(variable, |life| life.uncacheable = !set);
            }
            Variable::BerespDoEsi | Variable::RespDoEsi => {
                self.live(variable, |life| life.do_esi = is_true(&value));
            }
            Variable::BerespDoGunzip => self.live(variable, |life| life.do_gunzip = is_true(&value)),
            Variable::BerespDoGzip => self.live(variable, |life| life.do_gzip = is_true(&value)),
            Variable::BerespDoStream => self.live(variable, |life| life.do_stream = is_true(&value)),
            Variable::BerespTtl | Variable::ObjTtl => self.live(variable, |life| life.ttl = amount(&value)),
            Variable::BerespGrace
            | Variable::ObjGrace
            | Variable::BerespStaleIfError
            | Variable::BerespStaleWhileRevalidate => {
                self.live(variable, |life| life.grace = amount(&value).max(0.0));
            }
            Variable::BerespKeep => self.live(variable, |life| life.keep = amount(&value).max(0.0)),
            // All others are for reading only: the checker has said so.
            _ => return self.fault("this variable can't be written to"),
        }
        Ok(())
    }

    fn ask(&mut self, write: impl FnOnce(&mut Question)) {
        if let Some(bereq) = &mut self.case.bereq {
            write(bereq);
            self.case.sent_elsewhere = true;
        }
    }

    /// The answer that a variable is of.
    fn speak(&mut self, variable: Variable, write: impl FnOnce(&mut Reply)) {
        let case = &mut *self.case;
        let reply = if variable.name().starts_with("beresp.") { &mut case.beresp } else { &mut case.resp };
        if let Some(reply) = reply {
            write(reply);
        }
    }

    fn live(&mut self, variable: Variable, write: impl FnOnce(&mut Life)) {
        self.speak(variable, |reply| write(&mut reply.life));
    }

    fn text_to_keep(&mut self, value: Value<'r>) -> Run<Bytes> {
        let text = match value {
            Value::Text(text) => text.into_bytes(),
            other => Bytes::from(self.text_of(&other).into_owned()),
        };
        self.made(text.len())?;
        Ok(text)
    }

    fn method_of(&mut self, value: &Value<'_>) -> Run<Method> {
        let text = self.text_of(value);
        match Method::from_bytes(&text) {
            Ok(method) => Ok(method),
            Err(_) => self.fault("a method is one word of letters, digits and a few signs"),
        }
    }

    fn version(&self, value: &Value<'_>) -> Run<Version> {
        match &*self.text_of(value) {
            b"HTTP/1.0" => Ok(Version::HTTP_10),
            b"HTTP/1.1" => Ok(Version::HTTP_11),
            b"HTTP/2.0" | b"HTTP/2" => Ok(Version::HTTP_2),
            _ => self.fault("a protocol is `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`"),
        }
    }

    /// A whole number, for arguments.
    pub(super) fn number(value: &Value<'_>) -> Option<i64> {
        #[allow(clippy::cast_possible_truncation)]
        match value {
            Value::Unset => None,
            other => whole(other).or(Some(amount(other) as i64)),
        }
    }
}

pub(super) fn choice(value: &Value<'_>) -> Choice {
    match value {
        Value::Backend(choice) => *choice,
        _ => Choice::None,
    }
}

fn optional(text: Option<&Bytes>) -> Value<'_> {
    text.map_or(Value::Unset, |text| Value::Text(Text::Borrowed(text)))
}

pub(super) const fn proto(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// What a status is called: as the standards say it.
pub(super) fn usual_reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status % 1000)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown HTTP Status")
}

/// SHA-256 over the parts that `hash_data` was given, each with a zero behind it, as it is in Varnish.
pub(in crate::rules) fn hash_key(parts: &[Bytes]) -> Bytes {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(part);
        context.update(b"\0");
    }
    Bytes::copy_from_slice(context.finish().as_ref())
}

/// Whether gzip is among the codings, and not by `q=0`.
fn takes_gzip(question: &Question) -> bool {
    question
        .headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|member| {
            let mut parts = member.split(|byte| *byte == b';').map(crate::message::headers::trim);
            let named = parts.next().is_some_and(|name| {
                name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip")
            });
            let refused = parts.any(|part| {
                part.strip_prefix(b"q=").is_some_and(|q| q.iter().all(|byte| matches!(byte, b'0' | b'.')))
            });
            named && !refused
        })
}

/// The host that was asked for, without its port.
fn host(question: &Question) -> Value<'_> {
    let Some(host) = question.headers.get(HOST) else { return Value::Unset };
    let text = host.as_bytes();
    let end = match text.first() {
        Some(b'[') => memchr::memchr(b']', text).map(|at| at + 1),
        _ => memchr::memchr(b':', text),
    };
    let name = text.get(..end.unwrap_or(text.len())).unwrap_or(text);
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.iter().any(u8::is_ascii_uppercase) {
        Value::text(name.to_ascii_lowercase())
    } else {
        Value::text(name)
    }
}

fn basename(url: &Url) -> &[u8] {
    let path = url.parts().0;
    match memchr::memrchr(b'/', path) {
        Some(at) => path.get(at + 1..).unwrap_or_default(),
        None => path,
    }
}

fn dirname(url: &Url) -> &[u8] {
    let path = url.parts().0;
    match memchr::memrchr(b'/', path) {
        None | Some(0) => b"/",
        Some(at) => path.get(..at).unwrap_or_default(),
    }
}

fn extension(url: &Url) -> &[u8] {
    let name = basename(url);
    match memchr::memrchr(b'.', name) {
        Some(at) => name.get(at + 1..).unwrap_or_default(),
        None => b"",
    }
}

/// The first argument of this name, decoded.
fn argument<'a>(query: &'a [u8], name: &str) -> Value<'a> {
    for pair in query.split(|byte| *byte == b'&') {
        let (key, value) = match memchr::memchr(b'=', pair).and_then(|at| pair.split_at_checked(at)) {
            Some((key, value)) => (key, value.get(1..).unwrap_or_default()),
            None => (pair, &b""[..]),
        };
        if *decoded(key) == *name.as_bytes() {
            return Value::Text(match decoded(value) {
                std::borrow::Cow::Borrowed(value) => Text::Borrowed(value),
                std::borrow::Cow::Owned(value) => Text::from(value),
            });
        }
    }
    Value::Unset
}

/// `%XX` and `+` as forms write them; what is not well written stays as it is.
fn decoded(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::borrow::Cow::Borrowed(text);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        out.push(match first {
            b'+' => b' ',
            b'%' => match behind {
                [high, low, behind @ ..] => match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => {
                        rest = behind;
                        high << 4 | low
                    }
                    _ => b'%',
                },
                _ => b'%',
            },
            other => *other,
        });
    }
    std::borrow::Cow::Owned(out)
}

/// A time as a whole number of units, as text.
fn units(seconds: f64, per_second: f64) -> Value<'static> {
    Value::text(format!("{:.0}", (seconds * per_second).trunc()))
}

/// The digits of a time behind its seconds.
fn fraction(seconds: f64, digits: usize) -> Value<'static> {
    let text = format!("{:.9}", seconds.max(0.0).fract());
    Value::text(text.get(2..2 + digits).unwrap_or_default().to_owned())
}
