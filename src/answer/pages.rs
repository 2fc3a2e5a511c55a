//! The pages of `error-pages/`, which are in the program and so in memory from its start: a name, and the same
//! page in each language. Which page tells of which cause is in the causes' own table.

use std::sync::OnceLock;

use aws_lc_rs::digest;
use http::HeaderValue;

use super::template::Template;
use crate::base::base64;

/// A page in one language.
#[derive(Debug)]
pub struct Version {
    /// A tag as `Accept-Language` has it, in lower case.
    pub language: &'static str,
    pub text: &'static str,
    ready: OnceLock<Ready>,
}

/// A page, parsed, and what it may load and show: its own style, and nothing else.
#[derive(Debug)]
pub struct Ready {
    pub template: Template,
    pub policy: HeaderValue,
}

impl Ready {
    pub fn new(text: &str) -> Self {
        Self { template: Template::new(text), policy: policy(text) }
    }
}

impl Version {
    pub fn ready(&self) -> &Ready {
        self.ready.get_or_init(|| Ready::new(self.text))
    }
}

/// A page in each of our languages, English first.
pub struct Page {
    pub name: &'static str,
    pub versions: [Version; 4],
}

macro_rules! pages {
    ($($name:literal)*) => {
        [$(Page {
            name: $name,
            versions: [
                Version { language: "en", text: include_str!(concat!("../../error-pages/", $name, ".html")), ready: OnceLock::new() },
                Version { language: "de", text: include_str!(concat!("../../error-pages/", $name, ".de.html")), ready: OnceLock::new() },
                Version { language: "fr", text: include_str!(concat!("../../error-pages/", $name, ".fr.html")), ready: OnceLock::new() },
                Version { language: "es", text: include_str!(concat!("../../error-pages/", $name, ".es.html")), ready: OnceLock::new() },
            ],
        },)*]
    };
}

/// Where a visitor is sent elsewhere; no fault, but a page like the others.
pub const REDIRECT: &str = "redirect";
/// What is left of the statuses that rules may say.
const REFUSED: &str = "request-refused";
const UNAVAILABLE: &str = "page-unavailable";

/// Every page; those that a cause leads to, those that rules' own statuses lead to, and `redirect`.
pub static PAGES: [Page; 49] = pages! {
    "connection-refused"
    "network-unreachable"
    "backend-connection-limit"
    "backend-unhealthy"
    "no-healthy-backends"
    "all-backends-failed"
    "backend-read-error"
    "backend-write-error"
    "backend-name-unknown"
    "backend-connect-timeout"
    "backend-first-byte-timeout"
    "backend-between-bytes-timeout"
    "backend-not-trusted"
    "backend-protocol-error"
    "backend-queue-full"
    "backend-error"
    "total-timeout"
    "maintenance"
    "overloaded"
    "restarting"
    "destination-elsewhere"
    "rule-fault"
    "400"
    "401"
    "403"
    "404"
    "405"
    "408"
    "413"
    "414"
    "416"
    "417"
    "421"
    "429"
    "431"
    "500"
    "501"
    "505"
    "unclear-length"
    "unclear-host"
    "unclear-address"
    "https-needed"
    "network-not-allowed"
    "upload-stopped"
    "too-many-connections"
    "visit-ended"
    "request-refused"
    "page-unavailable"
    "redirect"
};

/// The page of the admin listener, and of rules that say a status that is no fault.
static SMALL: Version =
    Version { language: "en", text: include_str!("../../error-pages/plain.html"), ready: OnceLock::new() };

pub fn small() -> &'static Ready {
    SMALL.ready()
}

pub fn find(name: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == name)
}

/// The page for a status that rules said, without a cause of ours; `None` where it says that all is well.
pub fn of_status(status: u16) -> Option<&'static str> {
    let own = |name: &str| name.parse() == Ok(status);
    match status {
        0..400 => None,
        410 => Some("404"),
        451 => Some("403"),
        400..500 => Some(PAGES.iter().map(|page| page.name).find(|name| own(name)).unwrap_or(REFUSED)),
        _ => Some(PAGES.iter().map(|page| page.name).find(|name| own(name)).unwrap_or(UNAVAILABLE)),
    }
}

/// Its own style by its hash, pictures that stand in it, and nothing else, from nowhere else.
fn policy(text: &str) -> HeaderValue {
    let mut styles = String::new();
    for style in styles_of(text) {
        let hash = base64::encode(digest::digest(&digest::SHA256, style.as_bytes()).as_ref());
        styles.push_str(" 'sha256-");
        styles.push_str(&hash);
        styles.push('\'');
    }
    if styles.is_empty() {
        styles.push_str(" 'none'");
    }
    let policy = format!(
        "default-src 'none'; style-src{styles}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Without the hash the page is only plainer.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// What stands in the `<style>` elements of a page.
pub fn styles_of(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = lower.get(from..).and_then(|rest| rest.find("<style")).map(|at| at + from) {
        let Some(begin) = lower.get(at..).and_then(|rest| rest.find('>')).map(|end| at + end + 1) else {
            break;
        };
        let Some(end) = lower.get(begin..).and_then(|rest| rest.find("</style")).map(|end| begin + end)
        else {
            break;
        };
        found.extend(text.get(begin..end));
        from = end;
    }
    found
}
