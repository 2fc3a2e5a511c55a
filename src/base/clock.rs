//! The only place that reads time. Pure cores take `now` as an argument.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

pub type Instant = tokio::time::Instant;

/// Monotonic time; stands still under tokio's paused clock in tests.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day.
#[allow(clippy::disallowed_methods)]
pub fn wall() -> Wall {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall { seconds: since.as_secs(), nanos: since.subsec_nanos() }
}

/// Microseconds of the machine's monotonic clock, for a service manager that reads the same one.
pub fn monotonic_micros() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000);
    u64::try_from(micros).unwrap_or(0)
}

/// A time of day in UTC: seconds since 1970 and a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall {
    pub seconds: u64,
    pub nanos: u32,
}

/// A time of day taken apart, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// 0 is Sunday.
    pub weekday: u8,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Wall {
    pub const fn from_seconds(seconds: u64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Seconds since 1970, with their fraction.
    #[allow(clippy::cast_precision_loss)] // exact for the next two hundred million years
    pub fn as_seconds(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / 1e9
    }

    /// Days since 1970-01-01: what a log file or a daily key belongs to.
    pub const fn day_number(self) -> u64 {
        self.seconds / 86_400
    }

    /// The proleptic Gregorian date by counting in 400-year eras of 146,097 days.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
    pub const fn civil(self) -> Civil {
        let days = self.day_number() as i64;
        let shifted = days + 719_468; // days since 0000-03-01
        let era = shifted / 146_097;
        let of_era = shifted - era * 146_097;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        let of_day = self.seconds % 86_400;
        Civil {
            year,
            month: month as u8,
            day: day as u8,
            hour: (of_day / 3_600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            weekday: ((days + 4) % 7) as u8,
        }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, as HTTP headers write it.
    pub fn http_date(self) -> String {
        let c = self.civil();
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            WEEKDAYS.get(usize::from(c.weekday)).unwrap_or(&"Sun"),
            c.day,
            c.month_name(),
            c.year,
            c.hour,
            c.minute,
            c.second
        )
    }

    /// A date of HTTP in any of its three spellings (RFC 9110, 5.6.7). Before 1970 there was none.
    pub fn read_http_date(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text.trim_ascii()).ok()?;
        let words: Vec<&str> = text.split([' ', '-']).filter(|word| !word.is_empty()).collect();
        // `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`
        let (day, month, year, time) = match words.as_slice() {
            [_, day, month, year, time, "GMT"] | [_, month, day, time, year] => (*day, *month, *year, *time),
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
        let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
        Some(Self::from_seconds(u64::try_from(seconds).unwrap_or(0)))
    }

    /// `06/Nov/1994:08:49:37 +0000`, as the combined log format writes it.
    pub fn log_date(self) -> String {
        let c = self.civil();
        format!(
            "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
            c.day,
            c.month_name(),
            c.year,
            c.hour,
            c.minute,
            c.second
        )
    }

    /// `1994-11-06T08:49:37.123Z`.
    pub fn iso(self) -> String {
        let c = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            c.year,
            c.month,
            c.day,
            c.hour,
            c.minute,
            c.second,
            self.nanos / 1_000_000
        )
    }

    /// `1994-11-06T08:49Z`.
    pub fn minute(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02}T{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute)
    }

    /// `1994-11-06`, `1994-11-06T08:49`, `1994-11-06 08:49:37+01:00`: UTC where no zone stands there.
    pub fn read(text: &str) -> Option<Self> {
        let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00Z"));
        let numbers = |text: &str, mark: char, widths: &[usize]| -> Option<Vec<u64>> {
            let parts: Vec<&str> = text.split(mark).collect();
            if parts.len() != widths.len() {
                return None;
            }
            let number = |(part, width): (&&str, &usize)| {
                let digits = part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| part.parse().ok())?
            };
            parts.iter().zip(widths).map(number).collect()
        };
        let &[year, month, day] = numbers(day, '-', &[4, 2, 2])?.as_slice() else { return None };
        let (time, ahead) = match time.strip_suffix('Z') {
            Some(time) => (time, 0),
            None => match time.rfind(['+', '-']) {
                None => (time, 0),
                Some(at) => {
                    let (time, zone) = time.split_at_checked(at)?;
                    let &[hours, minutes] = numbers(zone.get(1..)?, ':', &[2, 2])?.as_slice() else {
                        return None;
                    };
                    let ahead = i64::try_from(hours * 3_600 + minutes * 60).ok()?;
                    (time, if zone.starts_with('-') { -ahead } else { ahead })
                }
            },
        };
        let time = numbers(time, ':', &[2, 2, 2]).or_else(|| numbers(time, ':', &[2, 2]))?;
        let (hour, minute, second) = match *time.as_slice() {
            [hour, minute] => (hour, minute, 0),
            [hour, minute, second] => (hour, minute, second),
            _ => return None,
        };
        if hour > 23
            || minute > 59
            || second > 59
            || !(1..=12).contains(&month)
            || !(1970..=9999).contains(&year)
        {
            return None;
        }
        // Days by counting from March on, so that a leap day is a year's last.
        let (shifted_year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, of_era) = (shifted_year / 400, shifted_year % 400);
        let days =
            era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * from_march + 2) / 5 + day;
        let days = days.checked_sub(1 + 719_468)?;
        let seconds = (days * 86_400 + hour * 3_600 + minute * 60 + second).checked_add_signed(-ahead)?;
        let read = Self::from_seconds(seconds);
        // A day that its month does not have comes out as another.
        let civil = Self::from_seconds(days * 86_400).civil();
        ((u64::from(civil.month), u64::from(civil.day)) == (month, day)).then_some(read)
    }

    /// `1994-11-06`.
    pub fn day(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02}", c.year, c.month, c.day)
    }
}

/// Days from 1970-01-01 to the first of a month, counted from 0.
#[allow(clippy::cast_possible_wrap)]
fn days_before(year: i64, month: usize) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    // Leap years are counted up to the last February that has passed.
    let settled = if month > 1 { year } else { year - 1 };
    let leaps = settled / 4 - settled / 100 + settled / 400 - 477;
    (year - 1970) * 365 + leaps + BEFORE.get(month).copied().unwrap_or(0)
}

impl Civil {
    pub fn month_name(self) -> &'static str {
        MONTHS.get(usize::from(self.month).wrapping_sub(1)).copied().unwrap_or("Jan")
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_each_reader_wants_them() {
        let time = Wall { seconds: 784_111_777, nanos: 5_000_000 };
        assert_eq!(time.http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(time.log_date(), "06/Nov/1994:08:49:37 +0000");
        assert_eq!(time.iso(), "1994-11-06T08:49:37.005Z");
        assert_eq!(time.day(), "1994-11-06");
    }

    #[test]
    fn what_is_written_is_read() {
        for seconds in [0, 951_782_400, 1_709_164_800, 1_735_689_540, 4_107_542_400] {
            let time = Wall::from_seconds(seconds);
            assert_eq!(Wall::read(&time.minute()), Some(time), "{time}");
            assert_eq!(Wall::read(&time.day()).map(Wall::day), Some(time.day()));
        }
        for text in ["1970-01-01T00:00+00:01", "2023-02-29", "1969-12-31", "2024-02-29T12", "2024-2-29", "Z"]
        {
            assert_eq!(Wall::read(text), None, "{text}");
        }
    }

    #[test]
    fn leap_days_and_year_ends_fall_where_they_should() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Wall::from_seconds(seconds).day(), day);
        }
    }

    #[test]
    fn a_date_is_read_in_each_of_its_spellings() {
        let read = |text: &str| Wall::read_http_date(text.as_bytes());
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(read(text), Some(Wall::from_seconds(784_111_777)), "{text}");
        }
        for text in [
            "",
            "0",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for seconds in [0, 951_782_400, 951_868_800, 1_709_164_800, 1_735_689_599, 4_107_542_400] {
            let wall = Wall::from_seconds(seconds);
            assert_eq!(read(&wall.http_date()), Some(wall));
        }
        assert_eq!(read("Sun, 06 Nov 1904 08:49:37 GMT"), Some(Wall::from_seconds(0)));
    }
}
