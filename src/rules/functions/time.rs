//! Points in time, UTC: read as HTTP writes them, written as `strftime` of the C library does.

use super::number::read_real;
use super::{Args, Failure, text_of};
use crate::rules::value::Value;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Days since 1970 of a date of the Gregorian calendar, by counting eras of 400 years from the first of March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A point in time, taken apart.
struct Civil {
    year: i64,
    /// From 1.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// 0 is Sunday.
    weekday: i64,
    /// From 0.
    yearday: i64,
}

impl Civil {
    fn of(seconds: i64) -> Self {
        let whole = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        let shifted = whole + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            weekday: (whole + 4).rem_euclid(7),
            yearday: whole - days(year, 1, 1),
        }
    }

    fn day_name(&self) -> &'static str {
        usize::try_from(self.weekday).ok().and_then(|at| DAYS.get(at)).copied().unwrap_or("?")
    }

    fn month_name(&self) -> &'static str {
        usize::try_from(self.month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("?")
    }

    /// The year and the week of ISO 8601: weeks begin on Monday, and the first holds the year's first Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let from_monday = (self.weekday + 6) % 7;
        let thursday = Civil::of((days(self.year, self.month, self.day) - from_monday + 3) * 86_400);
        (thursday.year, thursday.yearday / 7 + 1)
    }

    const fn hour_of_clock(&self) -> i64 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }
}

/// Reads a text from its front.
struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn word(&mut self, word: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(word.as_bytes())?;
        Some(())
    }

    fn one_of(&mut self, words: &[&str], letters: usize) -> Option<i64> {
        let at = words.iter().position(|word| {
            let word = word.get(..letters.min(word.len())).unwrap_or(word);
            self.0.starts_with(word.as_bytes())
        })?;
        let length = words.get(at)?.len().min(letters);
        self.0 = self.0.get(length..)?;
        i64::try_from(at).ok()
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    fn clock(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.word(":")?;
        let minute = self.digits(2)?;
        self.word(":")?;
        let second = self.digits(2)?;
        // A leap second is the second before it.
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second.min(59))
    }
}

/// Seconds since 1970, where there is such a day and it is called so.
fn date(year: i64, month: i64, day: i64, weekday: Option<i64>) -> Option<i64> {
    let found = days(year, month + 1, day);
    let civil = Civil::of(found * 86_400);
    let exists = year >= 1899 && civil.month == month + 1 && civil.day == day;
    (exists && weekday.is_none_or(|weekday| weekday == civil.weekday)).then_some(found * 86_400)
}

/// The date formats of HTTP, and ISO's without a zone.
fn read_date(text: &[u8]) -> Option<i64> {
    let mut reader = Reader(text);
    let seconds = if text.first()?.is_ascii_digit() {
        let year = reader.digits(4)?;
        reader.word("-")?;
        let month = reader.digits(2)? - 1;
        reader.word("-")?;
        let day = reader.digits(2)?;
        reader.word("T")?;
        date(year, month, day, None)? + reader.clock()?
    } else if let Some(weekday) = reader.one_of(&DAYS, 9).filter(|_| reader.0.starts_with(b",")) {
        reader.word(", ")?;
        let day = reader.digits(2)?;
        reader.word("-")?;
        let month = reader.one_of(&MONTHS, 3)?;
        reader.word("-")?;
        let year = reader.digits(2)?;
        reader.word(" ")?;
        let clock = reader.clock()?;
        reader.word(" GMT")?;
        date(if year < 69 { year + 2000 } else { year + 1900 }, month, day, Some(weekday))? + clock
    } else {
        reader = Reader(text);
        let weekday = reader.one_of(&DAYS, 3)?;
        if reader.word(", ").is_some() {
            let day = reader.digits(2)?;
            reader.word(" ")?;
            let month = reader.one_of(&MONTHS, 3)?;
            reader.word(" ")?;
            let year = reader.digits(4)?;
            reader.word(" ")?;
            let clock = reader.clock()?;
            reader.word(" GMT")?;
            date(year, month, day, Some(weekday))? + clock
        } else {
            reader.word(" ")?;
            let month = reader.one_of(&MONTHS, 3)?;
            reader.word(" ")?;
            let day = if reader.word(" ").is_some() { reader.digits(1)? } else { reader.digits(2)? };
            reader.word(" ")?;
            let clock = reader.clock()?;
            reader.word(" ")?;
            let year = reader.digits(4)?;
            date(year, month, day, Some(weekday))? + clock
        }
    };
    reader.0.is_empty().then_some(seconds)
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn time(args: Args<'_, '_>) -> Result<Value<'static>, Failure> {
    let given: Vec<usize> = [0, 2, 3].into_iter().filter(|at| args.given(*at).is_some()).collect();
    let found = match *given {
        [0] => {
            let text = args.text(0).trim_ascii();
            // The beginning of all time is what Varnish calls a failure.
            let date = read_date(text).filter(|seconds| *seconds != 0);
            date.map(|seconds| seconds as f64).or_else(|| read_real(text).filter(|time| *time >= 0.0))
        }
        [at] => Some(args.amount(at)),
        [] => return Err("std.time was given nothing to convert".into()),
        _ => return Err("std.time was given more than one thing to convert".into()),
    };
    match (found, args.given(1)) {
        (Some(time), _) => Ok(Value::Time(time)),
        // Fastly's takes a text as the fallback too; the checker has made a time of it.
        (None, Some(fallback)) => Ok(fallback.clone().into_owned()),
        (None, None) => Err("std.time was given what is no time, and no fallback".into()),
    }
}

/// How a piece of a format is to be filled up.
struct Filling {
    flag: Option<u8>,
    upper: bool,
    swap: bool,
    width: Option<usize>,
}

/// What one call may make.
const WIDTH_MAX: usize = 1024;

#[allow(clippy::cast_possible_truncation)]
pub(super) fn strftime(time: f64, format: &[u8]) -> Vec<u8> {
    let seconds = time as i64;
    // Within what a year of five digits can say; beyond, C says nothing at all.
    if seconds.unsigned_abs() > 2_000_000_000_000 {
        return Vec::new();
    }
    let civil = Civil::of(seconds);
    written(format, &civil, seconds)
}

/// What stands for the conversion behind a `%`, and how long that is. `None` for what is none.
fn conversion(after: &[u8], civil: &Civil, seconds: i64) -> Option<(usize, Vec<u8>)> {
    let mut at = 0;
    let mut filling = Filling { flag: None, upper: false, swap: false, width: None };
    while let Some(flag @ (b'_' | b'-' | b'0' | b'^' | b'#')) = after.get(at) {
        match flag {
            b'^' => filling.upper = true,
            b'#' => filling.swap = true,
            flag => filling.flag = Some(*flag),
        }
        at += 1;
    }
    while let Some(digit) = after.get(at).filter(|byte| byte.is_ascii_digit()) {
        let width = filling.width.unwrap_or(0) * 10 + usize::from(digit - b'0');
        filling.width = Some(width.min(WIDTH_MAX));
        at += 1;
    }
    if matches!(after.get(at), Some(b'E' | b'O')) {
        at += 1;
    }
    let letter = *after.get(at)?;
    let number = |value: i64, width: usize| Some(filling.number(value, width, b'0'));
    let spaced = |value: i64, width: usize| Some(filling.number(value, width, b' '));
    let text = |text: &str| Some(filling.text(text));
    let nested = |format: &str| {
        let inner = written(format.as_bytes(), civil, seconds);
        Some(filling.text(&String::from_utf8_lossy(&inner)))
    };
    let half = if civil.hour < 12 { "AM" } else { "PM" };
    let piece = match letter {
        b'a' => filling.name(civil.day_name().get(..3)?),
        b'A' => filling.name(civil.day_name()),
        b'b' | b'h' => filling.name(civil.month_name().get(..3)?),
        b'B' => filling.name(civil.month_name()),
        b'c' => nested("%a %b %e %H:%M:%S %Y")?,
        b'C' => number(civil.year.div_euclid(100), 2)?,
        b'd' => number(civil.day, 2)?,
        b'D' | b'x' => nested("%m/%d/%y")?,
        b'e' => spaced(civil.day, 2)?,
        b'F' => nested("%Y-%m-%d")?,
        b'g' => number(civil.iso_week().0.rem_euclid(100), 2)?,
        b'G' => number(civil.iso_week().0, 1)?,
        b'H' => number(civil.hour, 2)?,
        b'I' => number(civil.hour_of_clock(), 2)?,
        b'j' => number(civil.yearday + 1, 3)?,
        b'k' => spaced(civil.hour, 2)?,
        b'l' => spaced(civil.hour_of_clock(), 2)?,
        b'm' => number(civil.month, 2)?,
        b'M' => number(civil.minute, 2)?,
        b'n' => text("\n")?,
        b'p' if filling.swap => text(&half.to_ascii_lowercase())?,
        b'p' => text(half)?,
        b'P' => text(&half.to_ascii_lowercase())?,
        b'r' => nested("%I:%M:%S %p")?,
        b'R' => nested("%H:%M")?,
        b's' => number(seconds, 1)?,
        b'S' => number(civil.second, 2)?,
        b't' => text("\t")?,
        b'T' | b'X' => nested("%H:%M:%S")?,
        b'u' => number(if civil.weekday == 0 { 7 } else { civil.weekday }, 1)?,
        b'U' => number((civil.yearday + 7 - civil.weekday) / 7, 2)?,
        b'V' => number(civil.iso_week().1, 2)?,
        b'w' => number(civil.weekday, 1)?,
        b'W' => number((civil.yearday + 7 - (civil.weekday + 6) % 7) / 7, 2)?,
        b'y' => number(civil.year.rem_euclid(100), 2)?,
        b'Y' => number(civil.year, 1)?,
        b'z' => text("+0000")?,
        b'Z' if filling.swap => text("gmt")?,
        b'Z' => text("GMT")?,
        b'%' => text("%")?,
        _ => return None,
    };
    Some((at + 1, piece))
}

fn written(format: &[u8], civil: &Civil, seconds: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte == b'%').then(|| conversion(after, civil, seconds)).flatten() {
            Some((length, piece)) => {
                out.extend_from_slice(&piece);
                rest = after.get(length..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

impl Filling {
    fn number(&self, value: i64, usual: usize, with: u8) -> Vec<u8> {
        let (with, width) = match self.flag {
            Some(b'-') => (b' ', self.width.unwrap_or(0)),
            Some(b'_') => (b' ', self.width.unwrap_or(usual)),
            Some(_) => (b'0', self.width.unwrap_or(usual)),
            None => (with, self.width.unwrap_or(usual)),
        };
        let digits = value.unsigned_abs().to_string();
        let sign = if value < 0 { "-" } else { "" };
        let missing = width.max(usual.min(width)).saturating_sub(digits.len() + sign.len());
        let filled = vec![with; missing];
        match with {
            b'0' => [sign.as_bytes(), &filled, digits.as_bytes()].concat(),
            _ => [&filled, sign.as_bytes(), digits.as_bytes()].concat(),
        }
    }

    fn text(&self, text: &str) -> Vec<u8> {
        let with = if self.flag == Some(b'0') { b'0' } else { b' ' };
        let missing = self.width.unwrap_or(0).saturating_sub(text.len());
        let mut out = vec![with; missing];
        let cased = if self.upper { text.to_ascii_uppercase() } else { text.to_owned() };
        out.extend_from_slice(cased.as_bytes());
        out
    }

    /// The name of a day or a month, which `#` writes in capitals.
    fn name(&self, name: &str) -> Vec<u8> {
        if self.swap { self.text(&name.to_ascii_uppercase()) } else { self.text(name) }
    }
}

/// The point in time of a hexadecimal number of seconds, divided.
#[allow(clippy::cast_precision_loss)]
pub(super) fn of_hex(divisor: i64, hex: &[u8]) -> f64 {
    let value = super::number::leading_whole(hex, 16);
    if divisor == 0 { 0.0 } else { (value / divisor) as f64 }
}

/// As a number of units, without a fraction.
pub(super) fn units(unit: &[u8], seconds: f64) -> Result<Value<'static>, Failure> {
    let scale = match unit {
        b"s" => 1.0,
        b"ms" => 1e3,
        b"us" => 1e6,
        b"ns" => 1e9,
        _ => return Err("a unit of time is one of s, ms, us and ns".into()),
    };
    Ok(text_of(format!("{:.0}", (seconds * scale).trunc())))
}

pub(super) fn elapsed_ratio(now: f64, start: f64, end: f64) -> f64 {
    if end <= start {
        return if now < start { 0.0 } else { 1.0 };
    }
    ((now - start) / (end - start)).clamp(0.0, 1.0)
}

/// The seconds of a text such as `2h`.
pub(super) fn delta(text: &[u8]) -> Option<i64> {
    let (unit, digits) = text.split_last()?;
    let seconds = match unit.to_ascii_lowercase() {
        b'd' => 86_400,
        b'h' => 3_600,
        b'm' => 60,
        b's' => 1,
        _ => return None,
    };
    let count: i64 =
        std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?.parse().ok()?;
    count.checked_mul(seconds)
}
