//! What stands in a page's holes, and the same said to programs.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;

use super::template::Hole;
use super::{Ask, pages, reason};
use crate::base::clock::Wall;
use crate::base::json;

/// What an answer tells, in whatever form.
pub(super) struct Told<'a> {
    pub status: StatusCode,
    /// As the log calls it.
    pub cause: &'a str,
    /// One sentence, for programs.
    pub detail: &'a str,
    /// What the people who run the site say of it.
    pub note: Option<&'a str>,
    pub retry: Option<Duration>,
}

impl Told<'_> {
    /// Where we are at fault, and the site has one.
    fn status_page<'a>(&self, ask: &Ask<'a>) -> Option<&'a str> {
        ask.voice.status_page.as_deref().filter(|_| self.status.is_server_error())
    }
}

/// The page of that name, with its language and policy.
pub(super) fn fill<'a>(name: &str, told: &Told<'_>, ask: &Ask<'a>) -> (String, &'a pages::Ready, &'a str) {
    let (ready, language) = ask.voice.page(name, &ask.languages);
    let page = ready.template.fill(|page, hole| match hole {
        Hole::Site => put(page, ask.site_name),
        Hole::Status => put(page, Some(told.status.as_str())),
        Hole::Reason => put(page, Some(reason(told.status))),
        Hole::Cause => put(page, Some(told.cause)),
        Hole::Id => put(page, Some(&ask.request_id.to_string())),
        Hole::Retry => put(page, told.retry.map(|wait| in_words(wait, language)).as_deref()),
        Hole::StatusPage => put(page, told.status_page(ask)),
        Hole::Note => put(page, told.note),
        Hole::Until => put(page, ask.until.map(moment).as_deref()),
        Hole::Location | Hole::Headline | Hole::Content => false,
    });
    (page, ready, language)
}

pub(super) fn redirect<'a>(location: &str, ask: &Ask<'a>) -> (String, &'a pages::Ready, &'a str) {
    let (ready, language) = ask.voice.page(pages::REDIRECT, &ask.languages);
    let page = ready.template.fill(|page, hole| match hole {
        Hole::Location => put(page, Some(location)),
        Hole::Site => put(page, ask.site_name),
        Hole::Id => put(page, Some(&ask.request_id.to_string())),
        _ => false,
    });
    (page, ready, language)
}

/// `content` is HTML already.
pub(super) fn small(headline: &str, content: &str) -> String {
    pages::small().template.fill(|page, hole| match hole {
        Hole::Headline => put(page, Some(headline)),
        Hole::Content => {
            page.push_str(content);
            true
        }
        _ => false,
    })
}

/// One line, whatever was said.
pub(super) fn line(told: &Told<'_>, ask: &Ask<'_>) -> String {
    let mut line = format!("{} {}", told.status.as_str(), reason(told.status));
    if told.detail != reason(told.status) {
        let _ = write!(line, ": {}", told.detail);
    }
    if let Some(note) = told.note {
        let _ = write!(line, " {note}");
    }
    if let Some(until) = ask.until {
        let _ = write!(line, " Until {}.", moment(until));
    }
    if let Some(page) = told.status_page(ask) {
        let _ = write!(line, " See {page}");
    }
    let _ = write!(line, " ({}, request {})", told.cause, ask.request_id);
    line.replace(char::is_control, " ") + "\n"
}

/// A problem as RFC 9457 has it. Its type is the general one: what tells causes apart is `cause`.
pub(super) fn problem(told: &Told<'_>, ask: &Ask<'_>) -> String {
    let mut out = format!(
        "{{\"type\":\"about:blank\",\"title\":{},\"status\":{},\"detail\":{},\"instance\":\"{}\",\"cause\":{}",
        json::quoted(reason(told.status)),
        told.status.as_str(),
        json::quoted(told.detail),
        ask.request_id,
        json::quoted(told.cause),
    );
    let mut member = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(out, ",\"{name}\":{value}");
        }
    };
    member("site", ask.site_name.map(json::quoted));
    member("note", told.note.map(json::quoted));
    member("until", ask.until.map(|until| json::quoted(&until.iso())));
    member("retry_after", told.retry.map(|wait| seconds(wait).to_string()));
    member("status_page", told.status_page(ask).map(json::quoted));
    out.push_str("}\n");
    out
}

/// Rounded up: a second early is one refusal more.
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A wait as a person says it, rounded up: `30 seconds`, `2 minutes`. A language whose words we do not have gets
/// the signs that everybody knows.
fn in_words(wait: Duration, language: &str) -> String {
    // In each: one second, several of them, and so on for minutes, hours and days.
    const EN: [&str; 8] = ["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days"];
    const DE: [&str; 8] = ["Sekunde", "Sekunden", "Minute", "Minuten", "Stunde", "Stunden", "Tag", "Tagen"];
    const FR: [&str; 8] = ["seconde", "secondes", "minute", "minutes", "heure", "heures", "jour", "jours"];
    const ES: [&str; 8] = ["segundo", "segundos", "minuto", "minutos", "hora", "horas", "día", "días"];
    const SIGNS: [&str; 8] = ["s", "s", "min", "min", "h", "h", "d", "d"];
    let words = match language.split('-').next().unwrap_or_default() {
        "en" => EN,
        "de" => DE,
        "fr" => FR,
        "es" => ES,
        _ => SIGNS,
    };
    let wait = seconds(wait);
    let (number, unit) = match wait {
        0..=119 if wait != 60 => (wait, 0),
        0..=7_199 if wait != 3_600 => (wait.div_ceil(60), 1),
        0..=172_799 if wait != 86_400 => (wait.div_ceil(3_600), 2),
        _ => (wait.div_ceil(86_400), 3),
    };
    let word = words.get(unit * 2 + usize::from(number != 1)).copied().unwrap_or_default();
    format!("{number} {word}")
}

/// `2026-11-20, 21:30 UTC`: the same in every language, and whoever reads it may be anywhere.
fn moment(time: Wall) -> String {
    let civil = time.civil();
    format!("{}, {:02}:{:02} UTC", time.day(), civil.hour, civil.minute)
}

/// Whether there was anything to put.
fn put(page: &mut String, text: Option<&str>) -> bool {
    let text = text.unwrap_or_default();
    escape_into(page, text);
    !text.is_empty()
}

/// Text that can stand between tags and in a quoted attribute.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

fn escape_into(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            _ => page.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_said_as_people_say_them() {
        for (wait, language, said) in [
            (0, "en", "0 seconds"),
            (1, "en", "1 second"),
            (30, "en", "30 seconds"),
            (30, "de", "30 Sekunden"),
            (60, "fr", "1 minute"),
            (61, "es", "61 segundos"),
            (121, "es", "3 minutos"),
            (3_600, "de", "1 Stunde"),
            (3_601, "de", "61 Minuten"),
            (7_201, "fr", "3 heures"),
            (86_400, "es", "1 día"),
            (200_000, "de-at", "3 Tagen"),
            (90, "pl", "90 s"),
            (600, "pl", "10 min"),
        ] {
            assert_eq!(in_words(Duration::from_secs(wait), language), said, "{wait} {language}");
        }
        assert_eq!(in_words(Duration::from_millis(1_200), "en"), "2 seconds");
        assert_eq!(moment(Wall::from_seconds(784_111_777)), "1994-11-06, 08:49 UTC");
    }
}
