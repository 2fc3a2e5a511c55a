//! Numbers, and the conversions of `std`. Text is read as RFC 8941 writes numbers, which is what Varnish does:
//! at most fifteen digits, or twelve and three behind the point.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Args, Failure, text_of};
use crate::rules::value::Value;

/// What a whole number of rules can be.
const WHOLE_MAX: f64 = 999_999_999_999_999.0;

/// A number at the beginning of a text: its thousandths, whether it has a point, and what follows.
struct Number<'t> {
    thousandths: i128,
    digits: usize,
    has_point: bool,
    /// How many digits stand before and behind the point.
    places: (usize, usize),
    rest: &'t [u8],
}

fn skip_space(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    text.get(text.iter().take_while(|byte| blank(byte)).count()..).unwrap_or_default()
}

fn number(text: &[u8]) -> Option<Number<'_>> {
    let text = skip_space(text);
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at_checked(digits)?;
    if digits > 15 {
        return None;
    }
    let value = |digits: &[u8]| digits.iter().fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let mut thousandths = value(whole) * 1000;
    let (mut has_point, mut behind, mut rest) = (false, 0, rest);
    if let Some(fraction) = rest.strip_prefix(b".") {
        behind = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // What is finer than a thousandth is cut off.
        let scale = [1000, 100, 10, 1].get(behind.min(3)).copied().unwrap_or(1);
        thousandths += value(fraction.get(..behind.min(3))?) * scale;
        has_point = true;
        rest = fraction.get(behind..)?;
        if digits > 12 {
            return None;
        }
    }
    if digits + behind == 0 {
        return None;
    }
    let thousandths = if negative { -thousandths } else { thousandths };
    Some(Number { thousandths, digits, has_point, places: (digits, behind), rest: skip_space(rest) })
}

impl Number<'_> {
    #[allow(clippy::cast_precision_loss)]
    fn real(&self) -> f64 {
        self.thousandths as f64 / 1000.0
    }
}

/// The text as a number with a fraction, all of it.
pub(super) fn read_real(text: &[u8]) -> Option<f64> {
    let number = number(text)?;
    (number.rest.is_empty() && number.digits <= 12).then(|| number.real())
}

fn read_whole(text: &[u8]) -> Option<i64> {
    let number = number(text)?;
    let whole = number.rest.is_empty() && number.thousandths % 1000 == 0;
    whole.then(|| i64::try_from(number.thousandths / 1000).ok()).flatten()
}

fn read_duration(text: &[u8]) -> Option<f64> {
    let number = number(text)?;
    let unit = number.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (unit, rest) = number.rest.split_at_checked(unit)?;
    let seconds = match unit {
        b"ms" => return (skip_space(rest).is_empty()).then(|| number.real() / 1000.0),
        b"s" => 1.0,
        b"m" => 60.0,
        b"h" => 3_600.0,
        b"d" => 86_400.0,
        b"w" => 604_800.0,
        b"y" => 31_536_000.0,
        _ => return None,
    };
    (number.digits <= 12 && skip_space(rest).is_empty()).then(|| number.real() * seconds)
}

fn read_bytes(text: &[u8]) -> Option<i64> {
    let number = number(text)?;
    if number.has_point && (number.places.0 == 0 || !(1..=3).contains(&number.places.1)) {
        return None;
    }
    let lower = number.rest.to_ascii_lowercase();
    let unit = lower.trim_ascii_end();
    let (letter, rest) = match unit.split_first() {
        Some((letter, rest)) => (Some(*letter), rest),
        None => (None, unit),
    };
    let shift = match letter {
        None | Some(b'b') => 0,
        Some(b'k') => 10,
        Some(b'm') => 20,
        Some(b'g') => 30,
        Some(b't') => 40,
        Some(b'p') => 50,
        _ => return None,
    };
    if !(rest.is_empty() || (rest == b"b" && shift > 0)) || number.thousandths < 0 {
        return None;
    }
    if letter.is_none() && number.thousandths % 1000 != 0 {
        return None;
    }
    i64::try_from((number.thousandths << shift) / 1000).ok()
}

/// Without its fraction, where it is not too large.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn whole(value: f64) -> Option<i64> {
    (value.abs() <= WHOLE_MAX).then_some(value as i64)
}

/// The one argument beside the fallback, which stands in the second place.
fn the_one<'v>(args: &'v Args<'_, '_>, name: &str) -> Result<(usize, &'v Value<'v>), Failure> {
    let mut given = (0..args.0.len()).filter(|at| *at != 1).filter_map(|at| Some((at, args.given(at)?)));
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("{name} was given nothing to convert").into()),
        (Some(_), Some(_)) => Err(format!("{name} was given more than one thing to convert").into()),
    }
}

fn or_fallback(
    found: Option<Value<'static>>,
    args: &Args<'_, '_>,
    name: &str,
    wanted: &str,
) -> Result<Value<'static>, Failure> {
    match (found, args.given(1)) {
        (Some(value), _) => Ok(value),
        (None, Some(fallback)) => Ok(fallback.clone().into_owned()),
        (None, None) => Err(format!("{name} was given what is no {wanted}, and no fallback").into()),
    }
}

pub(super) fn duration(args: Args<'_, '_>) -> Result<Value<'static>, Failure> {
    let (at, _) = the_one(&args, "std.duration")?;
    let found = if at == 0 { read_duration(args.text(0)) } else { Some(args.amount(at)) };
    or_fallback(found.map(Value::Duration), &args, "std.duration", "duration")
}

pub(super) fn bytes(args: Args<'_, '_>) -> Result<Value<'static>, Failure> {
    let (at, _) = the_one(&args, "std.bytes")?;
    let found = if at == 0 {
        read_bytes(args.text(0))
    } else {
        whole(args.amount(at)).filter(|_| args.amount(at) >= 0.0)
    };
    or_fallback(found.map(Value::Bytes), &args, "std.bytes", "size")
}

pub(super) fn integer(args: Args<'_, '_>) -> Result<Value<'static>, Failure> {
    let (_, value) = the_one(&args, "std.integer")?;
    let found = match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Bytes(value) | Value::Int(value) => Some(*value),
        Value::Real(value) | Value::Duration(value) | Value::Time(value) => whole(*value),
        value => read_whole(value.as_text()),
    };
    or_fallback(found.map(Value::Int), &args, "std.integer", "whole number")
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn real(args: Args<'_, '_>) -> Result<Value<'static>, Failure> {
    let (_, value) = the_one(&args, "std.real")?;
    let found = match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Bytes(value) | Value::Int(value) => Some(*value as f64),
        Value::Real(value) | Value::Duration(value) | Value::Time(value) => Some(*value),
        value => read_real(value.as_text()),
    };
    or_fallback(found.map(Value::Real), &args, "std.real", "number")
}

pub(super) fn ip(args: Args<'_, '_>) -> Result<Value<'static>, Failure> {
    if let Some(value @ (Value::Ip(_) | Value::Visitor(_))) = args.given(0) {
        return Ok(value.clone().into_owned());
    }
    or_fallback(read_address(args.text(0)).map(Value::Ip), &args, "std.ip", "address")
}

/// The address behind a value.
pub(super) fn address(value: Option<&Value<'_>>) -> Option<IpAddr> {
    match value? {
        Value::Ip(ip) => Some(*ip),
        Value::Visitor(client) => Some(client.expose()),
        _ => None,
    }
}

/// An address, with a port or without. The forms that some read as octal, hexadecimal or shortened are none.
pub(super) fn read_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let is_port = |port: &str| {
        let port = port.trim_matches(' ');
        port.is_empty()
            || matches!(port, "http" | "https")
            || (port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, behind) = rest.split_once(']')?;
        let port = if behind.is_empty() { "" } else { behind.strip_prefix([':', ' '])? };
        return is_port(port).then(|| parse(inner)).flatten();
    }
    let (before, port) = match text.split_once(' ') {
        Some(split) => split,
        None if text.matches(':').count() == 1 => text.split_once(':')?,
        None => (text, ""),
    };
    is_port(port).then(|| parse(before)).flatten()
}

fn parse(text: &str) -> Option<IpAddr> {
    let ip = text
        .parse::<Ipv4Addr>()
        .map(IpAddr::V4)
        .or_else(|_| text.parse::<Ipv6Addr>().map(IpAddr::V6))
        .ok()?;
    Some(ip.to_canonical())
}

/// The whole number that a text begins with, as C reads it: 0 where there is none, the largest where it is larger.
pub(super) fn leading_whole(text: &[u8], base: u32) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let prefixed = |text: &[u8]| {
        let hexadecimal =
            text.len() > 2 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"0x"));
        hexadecimal && text.get(2).is_some_and(u8::is_ascii_hexdigit)
    };
    let (base, text) = match base {
        0 | 16 if prefixed(text) => (16, text.get(2..).unwrap_or_default()),
        0 if text.starts_with(b"0") => (8, text),
        0 => (10, text),
        base => (base, text),
    };
    let mut sum = 0_i64;
    for byte in text {
        let Some(digit) = char::from(*byte).to_digit(base) else { break };
        let digit = i64::from(digit);
        let next = sum.saturating_mul(i64::from(base));
        sum = if negative { next.saturating_sub(digit) } else { next.saturating_add(digit) };
    }
    sum
}

pub(super) fn strtol(text: &[u8], base: i64) -> Result<Value<'static>, Failure> {
    match u32::try_from(base) {
        Ok(base) if base == 0 || (2..=36).contains(&base) => Ok(Value::Int(leading_whole(text, base))),
        _ => Err("std.strtol was given a base that is neither 0 nor from 2 to 36".into()),
    }
}

pub(super) fn leading_real(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
    let mut end = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = |from: usize| {
        text.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    end += digits(end);
    if text.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let read = text.get(..end).and_then(|text| std::str::from_utf8(text).ok());
    read.and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

pub(super) fn itoa(value: i64, base: i64) -> Result<Value<'static>, Failure> {
    let Some(base) = u64::try_from(base).ok().filter(|base| (2..=36).contains(base)) else {
        return Err("std.itoa was given a base that is not from 2 to 36".into());
    };
    let mut digits = Vec::new();
    let mut rest = value.unsigned_abs();
    loop {
        let digit =
            u32::try_from(rest % base).ok().and_then(|digit| char::from_digit(digit, 36)).unwrap_or('0');
        digits.push(digit as u8);
        rest /= base;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        digits.push(b'-');
    }
    digits.reverse();
    Ok(text_of(digits))
}

/// A number from 0 up to 1 that a seed always leads to (the finaliser of SplitMix64).
#[allow(clippy::cast_precision_loss)]
pub(super) fn seeded(seed: i64) -> f64 {
    let mut mixed = seed.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// A whole number between two, both included, by a number from 0 up to 1.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
pub(super) fn between(low: i64, high: i64, part: f64) -> i64 {
    let (low, high) = (low.min(high), low.max(high));
    let span = high.abs_diff(low) as f64 + 1.0;
    low.saturating_add((part * span) as i64).min(high)
}

pub(super) fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
