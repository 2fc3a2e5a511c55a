//! How long an answer may be kept, as Varnish works it out from its head.

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName};

use super::case::Life;
use crate::base::clock::Wall;
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

/// A date of HTTP, in seconds since 1970.
pub fn date(text: &[u8]) -> Option<f64> {
    Wall::read_http_date(text).map(Wall::as_seconds)
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
}
