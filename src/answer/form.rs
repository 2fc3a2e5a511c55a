//! In which form an answer of ours is read: by a person, by a program that wants JSON, or by a program
//! that wants one line.

use http::header::{ACCEPT, ACCEPT_LANGUAGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Languages;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Html,
    Plain,
    Json,
}

/// Whoever wants HTML less than this only mentions it.
const DECENT: u16 = 100;

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What tells the form, kept of a request that may never need an answer of ours: cheap to take, and read only
/// when there is one to make.
#[derive(Clone, Debug, Default)]
pub struct Taste {
    method: Method,
    accept: Vec<HeaderValue>,
    languages: Vec<HeaderValue>,
    navigates: bool,
}

impl Taste {
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        // A browser says one; a stranger may say thousands.
        let few = |name| headers.get_all(name).iter().take(8).cloned().collect();
        Self {
            method: method.clone(),
            accept: few(ACCEPT),
            languages: few(ACCEPT_LANGUAGE),
            navigates: headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode.as_bytes() == b"navigate"),
        }
    }

    /// A page only where a browser shows it to somebody; JSON where it was asked for by name; else one line.
    pub fn form(&self) -> Form {
        let wishes = Wishes::read(&self.accept);
        if wishes.json > wishes.html && wishes.json >= wishes.other {
            return Form::Json;
        }
        // Subversion, git and WebDAV never show a page, whatever else they say they accept.
        if !matches!(self.method, Method::GET | Method::HEAD | Method::POST) {
            return Form::Plain;
        }
        if self.navigates || (wishes.html >= DECENT && wishes.html >= wishes.other) {
            Form::Html
        } else {
            Form::Plain
        }
    }

    pub fn languages(&self) -> Languages {
        Languages::read(&self.languages)
    }
}

/// How much each kind is wanted, in thousandths.
#[derive(Default)]
struct Wishes {
    html: u16,
    json: u16,
    /// Feeds, scripts, pictures … but not what is said along with HTML anyway (`application/xml`, `*/*`).
    other: u16,
}

impl Wishes {
    fn read(accept: &[HeaderValue]) -> Self {
        let mut wishes = Self::default();
        let ranges = accept.iter().filter_map(|value| value.to_str().ok());
        for range in ranges.flat_map(|value| value.split(',')).take(32) {
            let mut parts = range.split(';');
            let kind = parts.next().unwrap_or("").trim().to_ascii_lowercase();
            let quality = parts
                .find_map(|part| part.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('='))
                .map_or(1_000, |value| thousandths(value.trim()));
            let slot = match kind.as_str() {
                "text/html" | "application/xhtml+xml" => &mut wishes.html,
                "application/xml" | "text/xml" | "*/*" | "text/*" | "application/*" | "" => continue,
                kind if kind == "application/json" || kind == "text/json" || kind.ends_with("+json") => {
                    &mut wishes.json
                }
                // Browsers name the pictures and signed exchanges they know beside HTML.
                kind if kind.starts_with("image/") || kind.starts_with("application/signed-exchange") => {
                    continue;
                }
                _ => &mut wishes.other,
            };
            *slot = (*slot).max(quality);
        }
        wishes
    }
}

/// `1`, `0.8`, `0.123`; what is no quality at all counts as little.
pub(super) fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole == "1" {
        return 1_000;
    }
    if whole != "0" || fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 1;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_machines_get_lines() {
        const BROWSER: &str =
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        for (what, method, lines, form) in [
            ("Firefox", "GET", &[("accept", BROWSER), ("sec-fetch-mode", "navigate")][..], Form::Html),
            ("a form", "POST", &[("accept", BROWSER)], Form::Html),
            ("a small browser", "GET", &[("accept", "text/html, text/plain;q=0.5, */*;q=0.1")], Form::Html),
            (
                "a frame without Accept",
                "GET",
                &[("accept", "*/*"), ("sec-fetch-mode", "navigate")],
                Form::Html,
            ),
            ("curl", "GET", &[("accept", "*/*")], Form::Plain),
            ("nothing said", "GET", &[], Form::Plain),
            ("git", "GET", &[("accept", "*/*"), ("git-protocol", "version=2")], Form::Plain),
            ("svn", "PROPFIND", &[("accept", "*/*")], Form::Plain),
            ("svn, with a wish", "REPORT", &[("accept", "text/html")], Form::Plain),
            (
                "a feed reader",
                "GET",
                &[("accept", "application/atom+xml, application/rss+xml, text/html;q=0.5")],
                Form::Plain,
            ),
            (
                "a picture",
                "GET",
                &[("accept", "image/avif,image/webp,*/*;q=0.8"), ("sec-fetch-mode", "no-cors")],
                Form::Plain,
            ),
            ("an API script", "GET", &[("accept", "application/json")], Form::Json),
            ("an API call", "DELETE", &[("accept", "application/json")], Form::Json),
            ("jQuery", "GET", &[("accept", "application/json, text/javascript, */*; q=0.01")], Form::Json),
            ("a problem reader", "GET", &[("accept", "application/problem+json")], Form::Json),
            ("JSON-LD", "GET", &[("accept", "application/ld+json;q=0.9, text/html;q=0.1")], Form::Json),
            ("HTML before JSON", "GET", &[("accept", "text/html, application/json;q=0.9")], Form::Html),
            ("HTML refused", "GET", &[("accept", "text/html;q=0, */*")], Form::Plain),
            (
                "two lines",
                "GET",
                &[("accept", "image/png"), ("accept", "Application/JSON ; Q=1")],
                Form::Json,
            ),
            ("garbage", "GET", &[("accept", ";;,,q=;text/html;q=x")], Form::Plain),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(Taste::of(&method, &headers).form(), form, "{what}");
        }
        assert_eq!(
            ["1", "0", "0.5", "0.123", "1.000", "0.1234", "x", ""].map(thousandths),
            [1_000, 0, 500, 123, 1_000, 1, 1, 1]
        );
    }
}
