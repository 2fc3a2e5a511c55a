//! How long an answer may be kept, as Varnish works it out from its head.

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName};

use super::case::Life;
use crate::message::headers::trim;

/// Where the answer says nothing.
pub const DEFAULT_TTL: f64 = 120.0;
pub const DEFAULT_GRACE: f64 = 10.0;
pub const DEFAULT_KEEP: f64 = 0.0;
/// Clocks that differ by less are taken for one.
const CLOCK_SKEW: f64 = 10.0;

pub fn of(status: u16, headers: &HeaderMap, now: f64) -> Life {
    let age = first(headers, &AGE).map_or(0.0, seconds);
    let mut life =
        Life { age, ttl: DEFAULT_TTL, grace: DEFAULT_GRACE, keep: DEFAULT_KEEP, ..Life::default() };
    match status % 1000 {
        200 | 203 | 204 | 300 | 301 | 304 | 404 | 410 | 414 => {}
        // These are kept only when they say so themselves.
        302 | 307 => life.ttl = -1.0,
        _ => {
            life.ttl = -1.0;
            return left(life);
        }
    }
    let told = control(headers, b"s-maxage").or_else(|| control(headers, b"max-age"));
    if let Some(told) = told {
        life.ttl = seconds(told);
    } else if let Some(expires) = first(headers, &EXPIRES).and_then(date) {
        life.ttl = until(expires, first(headers, &DATE).and_then(date), now);
    }
    if life.ttl >= 0.0
        && let Some(told) = control(headers, b"stale-while-revalidate")
    {
        life.grace = seconds(told);
    }
    left(life)
}

/// What was old when it came has less time left.
fn left(mut life: Life) -> Life {
    life.ttl = life.ttl.max(0.0) - life.age;
    life
}

fn until(expires: f64, date: Option<f64>, now: f64) -> f64 {
    match date {
        Some(date) if expires < date => 0.0,
        Some(date) if (date - now).abs() >= CLOCK_SKEW => (expires - date).trunc(),
        _ => (expires - now).max(0.0),
    }
}

fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(|value| trim(value.as_bytes()))
}

/// A whole number of seconds; nothing where there is none.
fn seconds(text: &[u8]) -> f64 {
    let mut value = 0.0;
    for byte in trim(text) {
        match byte {
            b'0'..=b'9' => value = value * 10.0 + f64::from(byte - b'0'),
            _ => break,
        }
    }
    value
}

/// The value of one word of `Cache-Control`, from whichever of its lines has it first.
fn control<'a>(headers: &'a HeaderMap, word: &[u8]) -> Option<&'a [u8]> {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .find_map(|member| {
            let (name, value) = trim(member).split_at_checked(word.len())?;
            let value = trim(value).strip_prefix(b"=")?;
            name.eq_ignore_ascii_case(word).then(|| trim(value))
        })
}

/// A date of HTTP in any of its three spellings (RFC 9110, 5.6.7), in seconds since 1970.
pub fn date(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(trim(text)).ok()?;
    let words: Vec<&str> = text.split([' ', '-']).filter(|word| !word.is_empty()).collect();
    // `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`
    let (day, month, year, time) = match words.as_slice() {
        [_, day, month, year, time, "GMT"] => (*day, *month, *year, *time),
        [_, month, day, time, year] => (*day, *month, *year, *time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let day: i64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let year: i64 = match year.parse().ok()? {
        short @ 0..70 if year.len() == 2 => 2000 + short,
        short @ 70..100 if year.len() == 2 => 1900 + short,
        long @ 1900..10_000 => long,
        _ => return None,
    };
    let mut clock = time.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    #[allow(clippy::cast_precision_loss)]
    Some(days as f64 * 86_400.0 + f64::from(hour * 3600 + minute * 60 + second))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days from 1970-01-01 to the first of a month, counted from 0.
#[allow(clippy::cast_possible_wrap)]
fn days_before(year: i64, month: usize) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    // Leap years are counted up to the last February that has passed.
    let settled = if month > 1 { year } else { year - 1 };
    let leaps = settled / 4 - settled / 100 + settled / 400 - 477;
    (year - 1970) * 365 + leaps + BEFORE.get(month).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: f64 = 784_111_777.0;

    fn shown(status: u16, fields: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let life = of(status, &headers, NOW);
        format!("{} {} {}", life.ttl, life.grace, life.age)
    }

    #[test]
    fn an_answer_lives_as_long_as_varnish_lets_it() {
        // Asked of varnishd 7.1.1, with these heads.
        let at =
            |seconds: u64| crate::base::clock::Wall::from_seconds(784_111_777 + seconds - 2000).http_date();
        let (old, now, soon) = (at(1000), at(2000), at(2100));
        for (status, fields, expected) in [
            (200, &[][..], "120 10 0"),
            (200, &[("cache-control", "max-age=60")], "60 10 0"),
            (200, &[("cache-control", "max-age=60"), ("age", "10")], "50 10 10"),
            (200, &[("cache-control", "max-age=60,s-maxage=30")], "30 10 0"),
            (200, &[("cache-control", "max-age=60"), ("cache-control", "S-MaxAge=30")], "30 10 0"),
            (200, &[("age", "10")], "110 10 10"),
            (200, &[("expires", &soon)], "100 10 0"),
            (200, &[("expires", &soon), ("date", &now)], "100 10 0"),
            (200, &[("expires", &soon), ("date", &old)], "1100 10 0"),
            (200, &[("expires", &old), ("date", &now)], "0 10 0"),
            (200, &[("expires", &old)], "0 10 0"),
            (200, &[("expires", "0")], "120 10 0"),
            (200, &[("cache-control", "max-age=-5")], "0 10 0"),
            (200, &[("cache-control", "max-age=\"60\"")], "0 10 0"),
            (200, &[("cache-control", "max-age")], "120 10 0"),
            (200, &[("cache-control", "max-age=0")], "0 10 0"),
            (200, &[("cache-control", "max-age=5"), ("age", "100")], "-95 10 100"),
            (200, &[("cache-control", "no-cache")], "120 10 0"),
            (200, &[("cache-control", "max-age=60, stale-while-revalidate=33")], "60 33 0"),
            (301, &[], "120 10 0"),
            (302, &[], "0 10 0"),
            (302, &[("cache-control", "max-age=60")], "60 10 0"),
            (302, &[("cache-control", "stale-while-revalidate=33")], "0 10 0"),
            (307, &[("expires", &soon)], "100 10 0"),
            (404, &[("age", "200")], "-80 10 200"),
            (410, &[("cache-control", "max-age=1.9")], "1 10 0"),
            (206, &[("cache-control", "max-age=9")], "0 10 0"),
            (500, &[("cache-control", "max-age=60")], "0 10 0"),
        ] {
            assert_eq!(shown(status, fields), expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn a_date_is_read_in_each_of_its_spellings() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(date(text.as_bytes()), Some(784_111_777.0), "{text}");
        }
        for text in [
            "",
            "0",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
        for seconds in [0, 951_782_400, 951_868_800, 1_709_164_800, 1_735_689_599, 4_107_542_400] {
            let text = crate::base::clock::Wall::from_seconds(seconds).http_date();
            #[allow(clippy::cast_precision_loss)]
            let expected = seconds as f64;
            assert_eq!(date(text.as_bytes()), Some(expected), "{text}");
        }
    }
}
