//! The functions of rules that need nothing but their arguments: bytes in, a value out. What `varnishd` gives
//! for the same call is given here; where a function of Fastly's leaves something open, its doc says what was
//! chosen. Functions that touch the request live in the machine.

mod digest;
mod fnmatch;
mod number;
mod query;
#[cfg(test)]
mod tests;
mod text;
mod time;

use regex::bytes::Regex;

use crate::base::base64;
use crate::language::vocabulary::Function;
use crate::rules::value::Value;

pub use text::replace_matches;

/// What a function was given in one place.
#[derive(Clone, Debug)]
pub enum Given<'a> {
    Value(Value<'a>),
    /// Left out, and there is no default.
    Absent,
    Pattern(&'a Regex),
}

/// Why there is no value: a sentence for the error log. It never repeats what the visitor sent.
pub type Failure = Box<str>;

/// All that a function was given, by place. What is not there is unset, and its amount is zero.
#[derive(Clone, Copy)]
struct Args<'a, 'g>(&'g [Given<'a>]);

impl Args<'_, '_> {
    fn given(&self, at: usize) -> Option<&Value<'_>> {
        match self.0.get(at) {
            Some(Given::Value(value)) => Some(value),
            _ => None,
        }
    }

    fn text(&self, at: usize) -> &[u8] {
        self.given(at).map_or(b"", Value::as_text)
    }

    fn is_unset(&self, at: usize) -> bool {
        self.given(at).is_none_or(Value::is_unset)
    }

    fn int(&self, at: usize) -> i64 {
        match self.given(at) {
            Some(Value::Int(value) | Value::Bytes(value)) => *value,
            _ => 0,
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn amount(&self, at: usize) -> f64 {
        match self.given(at) {
            Some(Value::Real(value) | Value::Duration(value) | Value::Time(value)) => *value,
            Some(Value::Int(value) | Value::Bytes(value)) => *value as f64,
            _ => 0.0,
        }
    }

    fn truth(&self, at: usize) -> bool {
        matches!(self.given(at), Some(Value::Bool(true)))
    }

    fn pattern(&self, at: usize) -> Option<&Regex> {
        match self.0.get(at) {
            Some(Given::Pattern(pattern)) => Some(pattern),
            _ => None,
        }
    }
}

fn text_of(bytes: impl Into<Vec<u8>>) -> Value<'static> {
    Value::text(bytes.into())
}

/// A text, or unset.
fn maybe(bytes: Option<Vec<u8>>) -> Value<'static> {
    bytes.map_or(Value::Unset, text_of)
}

/// What a function gives. `None`: it touches the request or its surroundings, and the machine does it.
#[allow(clippy::too_many_lines)]
pub fn call(function: Function, args: &[Given<'_>]) -> Option<Result<Value<'static>, Failure>> {
    let args = Args(args);
    let (first, second, third) = (|| args.text(0), || args.text(1), || args.text(2));
    Some(Ok(match function {
        Function::Regsub | Function::Regsuball => {
            let Some(pattern) = args.pattern(1) else {
                return Some(Err("there is no regular expression to replace".into()));
            };
            match replace_matches(pattern, first(), third(), function == Function::Regsuball) {
                Ok(text) => text_of(text),
                Err(failure) => return Some(Err(failure)),
            }
        }
        Function::StdTolower | Function::Lower => text_of(first().to_ascii_lowercase()),
        Function::StdToupper | Function::Upper => text_of(first().to_ascii_uppercase()),
        Function::StdStrstr => {
            if args.is_unset(0) || args.is_unset(1) {
                Value::Unset
            } else {
                maybe(text::find(first(), second()).and_then(|at| first().get(at..)).map(<[u8]>::to_vec))
            }
        }
        Function::StdFnmatch => {
            if args.is_unset(0) || args.is_unset(1) {
                return Some(Err("std.fnmatch was given text that is not set".into()));
            }
            let flags =
                fnmatch::Flags { pathname: args.truth(2), noescape: args.truth(3), period: args.truth(4) };
            Value::Bool(fnmatch::matches(first(), second(), flags))
        }

        Function::StdRound | Function::MathRound => Value::Real(args.amount(0).round()),
        Function::StdDuration => return Some(number::duration(args)),
        Function::StdBytes => return Some(number::bytes(args)),
        Function::StdInteger => return Some(number::integer(args)),
        Function::StdReal => return Some(number::real(args)),
        Function::StdIp => return Some(number::ip(args)),
        Function::StdReal2integer | Function::StdTime2integer => number::whole(args.amount(0).round()).map_or(Value::Int(args.int(1)), Value::Int),
        Function::StdReal2time | Function::StdInteger2time => Value::Time(args.amount(0)),
        Function::StdTime2real => Value::Real(args.amount(0)),
        // The port that an address has when nobody wrote one.
        Function::StdPort => Value::Int(80),

        Function::StdTime => return Some(time::time(args)),
        Function::StdStrftime => text_of(time::strftime(args.amount(0), second())),
        Function::Strftime => text_of(time::strftime(args.amount(1), first())),
        Function::TimeAdd => Value::Time(args.amount(0) + args.amount(1)),
        Function::TimeSub => Value::Time(args.amount(0) - args.amount(1)),
        Function::TimeIsAfter => Value::Bool(args.amount(0) > args.amount(1)),
        Function::TimeHexToTime => Value::Time(time::of_hex(args.int(0), second())),
        Function::TimeUnits | Function::TimeRunits => return Some(time::units(first(), args.amount(1))),
        Function::TimeIntervalElapsedRatio => {
            Value::Real(time::elapsed_ratio(args.amount(0), args.amount(1), args.amount(2)))
        }
        Function::ParseTimeDelta => Value::Int(time::delta(first()).unwrap_or(-1)),

        Function::StdAtoi => Value::Int(number::leading_whole(first(), 10)),
        Function::StdStrtol => return Some(number::strtol(first(), args.int(1))),
        Function::StdAtof => Value::Real(number::leading_real(first())),
        Function::StdItoa => return Some(number::itoa(args.int(0), args.int(1))),
        Function::RandomBoolSeeded => {
            Value::Bool(number::seeded(args.int(2)) * args.amount(1) < args.amount(0))
        }
        Function::RandomIntSeeded => Value::Int(number::between(args.int(0), args.int(1), number::seeded(args.int(2)))),
        Function::MathFloor => Value::Real(args.amount(0).floor()),
        Function::MathCeil => Value::Real(args.amount(0).ceil()),
        Function::MathRoundeven => Value::Real(args.amount(0).round_ties_even()),
        Function::MathRoundhalfup => Value::Real((args.amount(0) + 0.5).floor()),
        Function::MathRoundhalfdown => Value::Real((args.amount(0) - 0.5).ceil()),
        Function::MathTrunc => Value::Real(args.amount(0).trunc()),
        Function::MathSqrt => Value::Real(args.amount(0).sqrt()),
        Function::MathExp => Value::Real(args.amount(0).exp()),
        Function::MathExp2 => Value::Real(args.amount(0).exp2()),
        Function::MathLog => Value::Real(args.amount(0).ln()),
        Function::MathLog2 => Value::Real(args.amount(0).log2()),
        Function::MathLog10 => Value::Real(args.amount(0).log10()),
        Function::MathIsFinite => Value::Bool(args.amount(0).is_finite()),
        Function::MathIsInfinite => Value::Bool(args.amount(0).is_infinite()),
        Function::MathIsNan => Value::Bool(args.amount(0).is_nan()),

        Function::StdStrlen => Value::Int(number::length(first().len())),
        Function::StdStrrep => return Some(text::repeat(first(), args.int(1)).map(text_of)),
        Function::StdStrrev => text_of(first().iter().rev().copied().collect::<Vec<u8>>()),
        Function::StdStrpad => return Some(text::pad(first(), args.int(1), third()).map(text_of)),
        Function::StdStrcasecmp => Value::Bool(first().eq_ignore_ascii_case(second())),
        Function::StdReplace => return Some(text::replace(first(), second(), third(), false).map(text_of)),
        Function::StdReplaceall => return Some(text::replace(first(), second(), third(), true).map(text_of)),
        Function::StdReplacePrefix => text_of(match first().strip_prefix(second()) {
            Some(rest) => [third(), rest].concat(),
            None => first().to_vec(),
        }),
        Function::StdReplaceSuffix => text_of(match first().strip_suffix(second()) {
            Some(rest) => [rest, third()].concat(),
            None => first().to_vec(),
        }),
        Function::StdPrefixof => Value::Bool(first().starts_with(second())),
        Function::StdSuffixof => Value::Bool(first().ends_with(second())),
        Function::StdBasename => text_of(text::basename(first())),
        Function::StdDirname => text_of(text::dirname(first())),
        Function::Substr => maybe(text::piece(first().len(), args.int(1), args.given(2).map(|_| args.int(2)))
            .and_then(|piece| first().get(piece))
            .map(<[u8]>::to_vec)),
        Function::Utf8Substr => maybe(text::characters(first(), args.int(1), args.given(2).map(|_| args.int(2)))),
        Function::Utf8CodepointCount => {
            Value::Int(std::str::from_utf8(first()).map_or(0, |text| number::length(text.chars().count())))
        }
        Function::Utf8IsValid => Value::Bool(std::str::from_utf8(first()).is_ok()),
        Function::Urlencode => text_of(text::url_encode(first())),
        Function::Urldecode => text_of(text::url_decode(first())),
        Function::CstrEscape => text_of(text::cstr_escape(first())),
        Function::JsonEscape => text_of(text::json_escape(first())),
        Function::XmlEscape => text_of(text::xml_escape(first())),
        Function::Subfield => maybe(text::subfield(first(), second(), third()).map(<[u8]>::to_vec)),
        Function::HttpStatusMatches => Value::Bool(text::status_matches(args.int(0), second())),
        Function::AddrIsIpv4 => Value::Bool(number::address(args.given(0)).is_some_and(|ip| ip.is_ipv4())),
        Function::AddrIsIpv6 => Value::Bool(number::address(args.given(0)).is_some_and(|ip| ip.is_ipv6())),
        Function::StdStr2ip => {
            match number::read_address(first()).or_else(|| number::read_address(second())) {
                Some(ip) => Value::Ip(ip),
                None => return Some(Err("std.str2ip was given no address, and no fallback that is one".into())),
            }
        }

        Function::StdQuerysort | Function::QuerystringSort | Function::BoltsortSort => {
            if args.is_unset(0) {
                Value::Unset
            } else {
                text_of(query::sort(first()))
            }
        }
        Function::QuerystringGet => maybe(query::get(first(), second()).map(<[u8]>::to_vec)),
        Function::QuerystringSet => text_of(query::set(first(), second(), third())),
        Function::QuerystringAdd => text_of(query::add(first(), second(), third())),
        Function::QuerystringRemove => text_of(query::path(first())),
        Function::QuerystringClean => text_of(query::keep(first(), |argument| !argument.is_empty())),
        Function::QuerystringFilter | Function::QuerystringFilterExcept => {
            let except = function == Function::QuerystringFilterExcept;
            text_of(query::keep_named(first(), |name| query::is_listed(name, second()) == except))
        }
        Function::QuerystringFiltersep => text_of([query::SEPARATOR]),
        Function::QuerystringGlobfilter | Function::QuerystringGlobfilterExcept => {
            let except = function == Function::QuerystringGlobfilterExcept;
            let flags = fnmatch::Flags { pathname: false, noescape: false, period: false };
            text_of(query::keep_named(first(), |name| fnmatch::matches(second(), name, flags) == except))
        }
        Function::QuerystringRegfilter | Function::QuerystringRegfilterExcept => {
            let except = function == Function::QuerystringRegfilterExcept;
            let Some(pattern) = args.pattern(1) else {
                return Some(Err("there is no regular expression to filter by".into()));
            };
            text_of(query::keep_named(first(), |name| pattern.is_match(name) == except))
        }

        Function::DigestHashSha1 => text_of(digest::hash(digest::SHA1, first())),
        Function::DigestHashSha224 => text_of(digest::hash(digest::SHA224, first())),
        Function::DigestHashSha256 => text_of(digest::hash(digest::SHA256, first())),
        Function::DigestHashSha384 => text_of(digest::hash(digest::SHA384, first())),
        Function::DigestHashSha512 => text_of(digest::hash(digest::SHA512, first())),
        Function::DigestHmacSha1 => text_of(digest::hmac_hex(digest::HMAC_SHA1, first(), second())),
        Function::DigestHmacSha256 => text_of(digest::hmac_hex(digest::HMAC_SHA256, first(), second())),
        Function::DigestHmacSha512 => text_of(digest::hmac_hex(digest::HMAC_SHA512, first(), second())),
        Function::DigestHmacSha1Base64 => text_of(digest::hmac_base64(digest::HMAC_SHA1, first(), second())),
        Function::DigestHmacSha256Base64 => text_of(digest::hmac_base64(digest::HMAC_SHA256, first(), second())),
        Function::DigestHmacSha512Base64 => text_of(digest::hmac_base64(digest::HMAC_SHA512, first(), second())),
        Function::DigestHmacSha256WithBase64Key => match base64::decode(first()) {
            Some(key) => text_of(digest::hmac_base64(digest::HMAC_SHA256, &key, second())),
            None => return Some(Err("digest.hmac_sha256_with_base64_key was given a key that is no base64".into())),
        },
        Function::DigestAwsv4Hmac => {
            text_of(digest::awsv4(first(), &[second(), third(), args.text(3), b"aws4_request", args.text(4)]))
        }
        Function::DigestSecureIsEqual => Value::Bool(digest::is_equal(first(), second())),
        Function::DigestBase64 => text_of(digest::base64(first())),
        Function::DigestBase64url => text_of(digest::base64url(first())),
        Function::DigestBase64urlNopad => text_of(digest::base64url(first()).trim_end_matches('=')),
        Function::DigestBase64Decode
        | Function::DigestBase64urlDecode
        | Function::DigestBase64urlNopadDecode => text_of(digest::base64_decode(first())),
        Function::BinBase64ToHex => text_of(base64::decode(first()).map(|bytes| digest::hex(&bytes)).unwrap_or_default()),
        Function::BinHexToBase64 => text_of(digest::unhex(first()).map(|bytes| digest::base64(&bytes)).unwrap_or_default()),
        Function::UuidIsValid => Value::Bool(text::uuid_version(first()).is_some()),
        Function::UuidIsVersion4 => Value::Bool(text::uuid_version(first()) == Some(b'4')),

        // The case, its surroundings and its backends.
        Function::Ban
        | Function::HashData
        | Function::Synthetic
        | Function::SyntheticBase64
        | Function::Resolve
        | Function::StdRandom
        | Function::StdCollect
        | Function::StdHealthy
        | Function::StdLog
        | Function::StdSyslog
        | Function::StdTimestamp
        | Function::StdCacheReqBody
        | Function::StdLate100Continue
        | Function::StdRollback
        | Function::StdBan
        | Function::StdBanError
        | Function::DirectorsLookup
        | Function::TableLookup
        | Function::TableContains
        | Function::TableLookupBool
        | Function::TableLookupInteger
        | Function::TableLookupFloat
        | Function::TableLookupRtime
        | Function::TableLookupIp
        | Function::TableLookupBackend
        | Function::RandomBool
        | Function::RandomInt
        | Function::RandomStr
        | Function::UuidVersion4
        | Function::HeaderGet
        | Function::HeaderSet
        | Function::HeaderUnset
        | Function::SetcookieGet
        | Function::SetcookieDelete
        | Function::StdCount
        // Settled when the rules are loaded.
        | Function::StdFileread
        | Function::StdBlobread
        | Function::StdSyntax
        | Function::StdGetenv => return None,
    }))
}
