//! Fills the pages. Templates are parted once, at the first page; filling one is a few copies.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use http::{HeaderValue, StatusCode};

use super::{Ask, reason, words};
use crate::base::base64;
use crate::base::cause::Cause;

const STYLE: &str = include_str!("../../error-pages/style.css");
static FAULT: LazyLock<Template> =
    LazyLock::new(|| Template::new(include_str!("../../error-pages/page.html")));
static REDIRECT: LazyLock<Template> =
    LazyLock::new(|| Template::new(include_str!("../../error-pages/redirect.html")));
static SMALL: LazyLock<Template> =
    LazyLock::new(|| Template::new(include_str!("../../error-pages/plain.html")));

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = base64::encode(digest::digest(&digest::SHA256, STYLE.as_bytes()).as_ref());
    let text = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Without the hash the page is only plainer.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Only our own style, nothing else, nowhere else.
pub(super) fn policy() -> HeaderValue {
    POLICY.clone()
}

/// Text and the words that stand between its pieces.
struct Template(Vec<(&'static str, Option<&'static str>)>);

impl Template {
    /// `{word}` is a hole; braces of any other kind are text.
    fn new(text: &'static str) -> Self {
        let mut pieces = Vec::new();
        let mut start = 0;
        let mut from = 0;
        while let Some(open) = text.get(from..).and_then(|rest| rest.find('{')).map(|at| at + from) {
            let word = text.get(open + 1..).and_then(|rest| rest.split_once('}')).map(|(word, _)| word);
            match word {
                Some(word) if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                    pieces.push((text.get(start..open).unwrap_or(""), Some(word)));
                    start = open + word.len() + 2;
                    from = start;
                }
                _ => from = open + 1,
            }
        }
        pieces.push((text.get(start..).unwrap_or(""), None));
        Self(pieces)
    }

    fn fill(&self, capacity: usize, word: impl Fn(&mut String, &str)) -> String {
        let mut page = String::with_capacity(capacity);
        for (text, hole) in &self.0 {
            page.push_str(text);
            match hole {
                Some("style") => page.push_str(STYLE),
                Some(hole) => word(&mut page, hole),
                None => {}
            }
        }
        page
    }
}

pub(super) fn fault(cause: Cause, status: StatusCode, ask: &Ask<'_>) -> String {
    with_words(&words::of(cause), None, status, cause.name(), ask)
}

fn with_words(
    words: &words::Words,
    headline: Option<&str>,
    status: StatusCode,
    cause: &str,
    ask: &Ask<'_>,
) -> String {
    FAULT.fill(6 << 10, |page, hole| match hole {
        "headline" => escape_into(page, headline.unwrap_or(words.headline)),
        "meaning" => {
            escape_into(page, words.meaning);
            if let Some(note) = ask.note {
                page.push(' ');
                escape_into(page, note);
            }
        }
        "advice" => {
            for (at, advice) in words.advice.iter().enumerate() {
                page.push_str(if at > 0 { "\n<li>" } else { "<li>" });
                escape_into(page, advice);
                page.push_str("</li>");
            }
        }
        "site" => escape_into(page, ask.site_name.unwrap_or("")),
        "id" => page.push_str(&ask.request_id.to_string()),
        "status" => page.push_str(status.as_str()),
        "reason" => page.push_str(reason(status)),
        "cause" => page.push_str(cause),
        _ => {}
    })
}

/// A page for a status that rules asked for; `told` is their own reason.
pub(super) fn ruled(status: StatusCode, told: Option<&str>, ask: &Ask<'_>) -> String {
    let Some(words) = words::of_status(status) else {
        let mut content = String::new();
        if let Some(site) = ask.site_name {
            content.push_str("<p class=\"lead\">");
            escape_into(&mut content, site);
            content.push_str("</p>\n");
        }
        content.push_str("<footer><p class=\"id\"><code>");
        content.push_str(&ask.request_id.to_string());
        content.push_str("</code></p></footer>");
        return small(told.unwrap_or(reason(status)), &content);
    };
    with_words(&words, told, status, "rules", ask)
}

pub(super) fn fault_line(cause: Cause, status: StatusCode, ask: &Ask<'_>) -> String {
    let note = ask.note.map(|note| format!(" {}", note.replace(char::is_control, " "))).unwrap_or_default();
    format!(
        "{} {}: {}{note} ({}, request {})\n",
        status.as_str(),
        reason(status),
        cause.sentence(),
        cause.name(),
        ask.request_id
    )
}

pub(super) fn fault_json(cause: Cause, status: StatusCode, ask: &Ask<'_>) -> String {
    let site = ask.site_name.map_or_else(String::new, |name| format!("\"site\":{},", json_text(name)));
    let note = ask.note.map_or_else(String::new, |note| format!("\"note\":{},", json_text(note)));
    format!(
        "{{\"status\":{},\"cause\":\"{}\",\"message\":{},{note}{site}\"request_id\":\"{}\"}}\n",
        status.as_str(),
        cause.name(),
        json_text(cause.sentence()),
        ask.request_id
    )
}

pub(super) fn redirect(location: &str) -> String {
    REDIRECT.fill(4 << 10, |page, hole| {
        if hole == "location" {
            escape_into(page, location);
        }
    })
}

pub(super) fn small(headline: &str, content: &str) -> String {
    SMALL.fill(4 << 10, |page, hole| match hole {
        "headline" => escape_into(page, headline),
        "content" => page.push_str(content),
        _ => {}
    })
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

/// A JSON string, quotes included.
pub(super) fn json_text(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(character),
            _ => {
                let mut units = [0_u16; 2];
                for unit in character.encode_utf16(&mut units) {
                    // Writing to a String can't fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_hold_what_we_fill_in_and_load_nothing() {
        for (template, holes) in [
            (
                &*FAULT,
                &[
                    "advice", "cause", "headline", "headline", "id", "meaning", "reason", "site", "status",
                    "style",
                ][..],
            ),
            (&*REDIRECT, &["location", "location", "style"]),
            (&*SMALL, &["content", "headline", "headline", "style"]),
        ] {
            let mut found: Vec<_> = template.0.iter().filter_map(|(_, hole)| *hole).collect();
            found.sort_unstable();
            assert_eq!(found, holes);
            let text: String = template.0.iter().map(|(text, _)| *text).collect();
            for never in ["<script", "http:", "https:", "src=", "@import", "url(", " style=", "onload"] {
                assert!(!text.contains(never) && !STYLE.contains(never), "{never}");
            }
        }
        assert!(!STYLE.contains('<'));
    }

    #[test]
    fn every_cause_has_words_of_its_own() {
        for (at, cause) in Cause::ALL.iter().enumerate() {
            let words = words::of(*cause);
            assert!(!words.headline.ends_with('.') && words.headline.len() < 60, "{}", words.headline);
            assert!(words.meaning.ends_with('.') && !words.advice.is_empty());
            assert!(words.advice.iter().all(|advice| advice.ends_with('.')), "{cause:?}");
            let others = Cause::ALL.iter().skip(at + 1);
            assert!(
                others.clone().all(|other| words::of(*other).headline != words.headline),
                "{}",
                words.headline
            );
            assert!(
                others.clone().all(|other| words::of(*other).meaning != words.meaning),
                "{}",
                words.meaning
            );
        }
    }

    #[test]
    fn the_style_is_allowed_by_its_hash() {
        assert!(policy().to_str().unwrap().contains("style-src 'sha256-"));
    }
}
