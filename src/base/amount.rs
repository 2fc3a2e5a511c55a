//! Durations and sizes as people write them: `10s`, `1.5h`, `64KB`; numbers as quickly as they can be written.

use std::time::Duration;

/// Units of time, longest spelling first.
const TIMES: &[(&str, f64)] = &[
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
    ("y", 31_536_000.0),
];

/// Units of size: powers of 1024, as Varnish counts them.
const SIZES: &[(&str, u64)] = &[("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

/// `10s`, `250ms`, `1.5h`, `30d`. `None` for anything else, also for what no `Duration` can hold.
pub fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(split)?;
    let seconds = TIMES.iter().find(|(name, _)| *name == unit)?.1;
    Duration::try_from_secs_f64(decimal(number)? * seconds).ok()
}

/// `64KB`, `10MB`, `1GB`, `512B`, and a bare number of bytes.
pub fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let scale = if unit.is_empty() { 1 } else { SIZES.iter().find(|(name, _)| *name == unit)?.1 };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

fn decimal(text: &str) -> Option<f64> {
    let digits = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.bytes().filter(|b| *b == b'.').count() <= 1
        && text.bytes().next().is_some_and(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The shortest way to write a duration in one unit: `600s` is `10m`.
pub fn write_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") }
}

/// How long something has lasted, as one says it: `78s` is `1m 18s`, and of days the minutes are of no interest.
pub fn write_age(age: Duration) -> String {
    let seconds = age.as_secs();
    let units =
        [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let shown: Vec<String> =
        units.iter().skip(first).take(2).map(|(count, unit)| format!("{count}{unit}")).collect();
    shown.join(" ")
}

/// The shortest way to write a size in one unit: `65536` is `64KB`.
pub fn write_size(size: u64) -> String {
    for (unit, scale) in SIZES.iter().rev() {
        if size >= *scale && size.is_multiple_of(*scale) {
            return format!("{}{unit}", size / scale);
        }
    }
    format!("{size}B")
}

/// A number for a head or a line of a log, where `std::fmt` would cost more than all the rest of it.
pub fn write_digits(into: &mut Vec<u8>, value: u64) {
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut length = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    into.extend_from_slice(digits.get(20 - length..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_formatting() {
        for number in [0, 7, 10, 4_096, u64::MAX] {
            let mut out = Vec::new();
            write_digits(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    fn durations_are_read_as_written() {
        for (text, millis) in [
            ("10s", 10_000),
            ("250ms", 250),
            ("1.5h", 5_400_000),
            ("30d", 2_592_000_000),
            ("0s", 0),
            ("1w", 604_800_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "10 s", "-1s", "1..5s", "10x", ".5s", "1e9s", "99999999999999999999y"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_written() {
        for (text, bytes) in
            [("512B", 512), ("64KB", 65_536), ("10MB", 10_485_760), ("1GB", 1 << 30), ("77", 77)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "KB", "1.5MB", "64kb", "-1B", "99999999999TB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_written_short() {
        assert_eq!(write_duration(Duration::from_secs(600)), "10m");
        assert_eq!(write_duration(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(write_duration(Duration::ZERO), "0s");
        for (seconds, age) in
            [(0, "0s"), (59, "59s"), (78, "1m 18s"), (3_600, "1h 0m"), (86_399, "23h 59m"), (90_061, "1d 1h")]
        {
            assert_eq!(write_age(Duration::from_secs(seconds)), age);
        }
        assert_eq!(write_size(65_536), "64KB");
        assert_eq!(write_size(1_000), "1000B");
    }
}
