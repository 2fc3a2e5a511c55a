//! What the house says by itself: pages for faults, redirects, small pages of its own listeners.
//!
//! Called by `visit` and `front` (faults, redirects) and `admin` (its pages). Promises: everything is in
//! memory from the start and needs neither disk nor store; a browser gets a page that a person
//! understands, a program one line or JSON; each answer carries the request's id, says its exact length,
//! is never kept by a cache (a redirect for an hour at most), and lets nothing run or load. Never fails.

mod form;
mod languages;
mod listing;
mod page;
mod pages;
mod sample;
mod template;
mod voice;

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use self::page::Told;
use crate::base::cause::Cause;
use crate::base::clock::{self, Wall};
use crate::base::fault::Fault;
use crate::base::json;
use crate::base::random::RequestId;
use crate::message::Body;
use crate::plan::{Route, Serves};

pub use form::{Form, Taste};
pub use languages::Languages;
pub use listing::{Row, listing};
pub use page::escape_html;
pub use pages::{PAGES, Page, REDIRECT, Version};
pub use sample::{Scheme, occasion, sample};
pub use template::Hole;
pub use voice::{HOUSE, Problem, Voice};

/// The visitor reads it on the page, the operator finds it in the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When to come back, where nobody knows better.
const RETRY_UPSTREAM: Duration = Duration::from_secs(30);
const RETRY_MENDED: Duration = Duration::from_secs(300);
const RETRY_CLOSING: Duration = Duration::from_secs(5);
const RETRY_CROWDED: Duration = Duration::from_secs(10);

/// How and for whom an answer is made.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub form: Form,
    pub languages: Languages,
    /// How the site speaks, or the house where it is none of ours.
    pub voice: &'a Voice,
    pub request_id: RequestId,
    /// The host that was asked, where there is one.
    pub site_name: Option<&'a str>,
    /// HEAD: all headers, no body.
    pub method_head: bool,
    /// When to come back, where it is known; a cause that passes has its own guess.
    pub retry_after: Option<Duration>,
    /// What the people who run the site say of it: text, not HTML.
    pub note: Option<&'a str>,
    /// When maintenance is to end. It says when to come back, too.
    pub until: Option<Wall>,
}

impl<'a> Ask<'a> {
    /// For a request of which nothing is known but that it failed.
    pub const fn blind(request_id: RequestId) -> Self {
        Self::of(request_id, &HOUSE)
    }

    /// For a request to a site, of which nothing else is known.
    pub const fn of(request_id: RequestId, voice: &'a Voice) -> Self {
        Self {
            form: Form::Plain,
            languages: Languages::ENGLISH,
            voice,
            request_id,
            site_name: None,
            method_head: false,
            retry_after: None,
            note: None,
            until: None,
        }
    }
}

/// The answer to a visit that went wrong.
pub fn fault(cause: Cause, ask: &Ask<'_>) -> Response<Body> {
    let status = StatusCode::from_u16(ask.voice.statuses.of(cause));
    fault_as(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), cause, ask)
}

fn fault_as(status: StatusCode, cause: Cause, ask: &Ask<'_>) -> Response<Body> {
    let until = ask.until.map(|until| Duration::from_secs_f64((until.as_seconds() - now()).max(1.0)));
    let retry = ask.retry_after.or(until).or(retry_after(cause));
    let told = Told { status, cause: cause.name(), detail: cause.sentence(), note: ask.note, retry };
    let mut response = tell(cause.page(), &told, ask);
    if cause == Cause::MethodNotAllowed {
        // Said of files and of what the house answers by itself: backends say their own.
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
    response
}

fn tell(page: &str, told: &Told<'_>, ask: &Ask<'_>) -> Response<Body> {
    let mut response = match ask.form {
        Form::Html => in_html(told.status, page::fill(page, told, ask), ask),
        Form::Plain => answer(told.status, ask, page::line(told, ask)),
        Form::Json => {
            let mut response = answer(told.status, ask, page::problem(told, ask));
            let kind = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
    };
    let headers = response.headers_mut();
    if let Some(wait) = told.retry {
        headers.insert(RETRY_AFTER, HeaderValue::from(page::seconds(wait)));
    }
    headers.insert(VARY, HeaderValue::from_static("accept, accept-language"));
    response
}

/// Whether our page takes the place of what a backend answered. A program that speaks Subversion, `WebDAV` or git
/// finds the backend's own words in its answer, and would find none in ours.
pub fn replaces(route: &Route, status: StatusCode, form: Form) -> bool {
    route.replace_errors && status.is_server_error() && (route.serves == Serves::Web || form != Form::Plain)
}

/// What went wrong where a backend's answer is replaced.
pub fn own_fault(status: StatusCode) -> Fault {
    Fault::with(Cause::BackendError, format!("it answered {}", status.as_str()))
}

/// The page that takes the place of a backend's own, of which `headers` were kept: see [`keep_of_replaced`].
pub fn replaced(status: StatusCode, headers: HeaderMap, ask: &Ask<'_>) -> Response<Body> {
    ruled_with(status, None, Some(Cause::BackendError), headers, ask)
}

/// What is left of the headers of a backend's answer when our page takes its place: when to come back, and the
/// cookies, which are about the visitor and not about the page.
pub fn keep_of_replaced(headers: &mut HeaderMap) {
    let mut kept = HeaderMap::new();
    for name in [RETRY_AFTER, SET_COOKIE] {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    *headers = kept;
}

/// Headers that rules set, beside those of our page: what describes the page itself stays ours.
fn dress(page: &mut HeaderMap, ruled: HeaderMap) {
    let ours: Vec<_> = page.keys().filter(|name| name.as_str().starts_with("content-")).cloned().collect();
    let mut replaced = Vec::new();
    let mut last = None;
    for (name, value) in ruled {
        let Some(name) = name.or_else(|| last.clone()) else { continue };
        last = Some(name.clone());
        if ours.contains(&name) {
            continue;
        }
        if replaced.contains(&name) {
            page.append(name, value);
        } else {
            page.insert(name.clone(), value);
            replaced.push(name);
        }
    }
}

/// The answer that rules asked for without writing its page: their status, their reason where they give one.
/// Where something had gone wrong before, the page says what.
pub fn ruled(status: StatusCode, told: Option<&str>, cause: Option<Cause>, ask: &Ask<'_>) -> Response<Body> {
    if let Some(cause) = cause {
        return fault_as(status, cause, ask);
    }
    let note = told.filter(|told| !told.is_empty() && Some(*told) != status.canonical_reason());
    let Some(page) = pages::of_status(status.as_u16()) else { return well(status, note, ask) };
    let detail = note.unwrap_or(reason(status));
    // A person reads the rules' own words beside the page's; a program gets them alone.
    let note = note.filter(|_| ask.form == Form::Html);
    tell(page, &Told { status, cause: "rules", detail, note, retry: ask.retry_after }, ask)
}

/// The same with headers of the rules', or of a backend: who says when to come back there knows it better than we do.
/// A date is passed on as it is.
pub fn ruled_with(
    status: StatusCode,
    told: Option<&str>,
    cause: Option<Cause>,
    headers: HeaderMap,
    ask: &Ask<'_>,
) -> Response<Body> {
    let said = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let ask = Ask { retry_after: said.map(Duration::from_secs).or(ask.retry_after), ..ask.clone() };
    let mut response = ruled(status, told, cause, &ask);
    dress(response.headers_mut(), headers);
    response
}

/// A status without a fault, said without a page.
fn well(status: StatusCode, told: Option<&str>, ask: &Ask<'_>) -> Response<Body> {
    let told = told.unwrap_or(reason(status));
    let id = ask.request_id;
    match ask.form {
        Form::Html => {
            let site = ask.site_name.map(|site| format!("<p class=\"lead\">{}</p>\n", escape_html(site)));
            let content =
                format!("{}<footer><p class=\"id\"><code>{id}</code></p></footer>", site.unwrap_or_default());
            small_page(status, told, &content, ask)
        }
        Form::Plain => {
            let told = told.replace(char::is_control, " ");
            answer(status, ask, format!("{} {told} (request {id})\n", status.as_str()))
        }
        Form::Json => {
            let text = json::quoted(told);
            let status_text = status.as_str();
            answer(
                status,
                ask,
                format!("{{\"status\":{status_text},\"message\":{text},\"request_id\":\"{id}\"}}\n"),
            )
        }
    }
}

/// Sends the visitor elsewhere. A location that is no header value becomes a fault of our own.
pub fn redirect(status: StatusCode, location: &str, ask: &Ask<'_>) -> Response<Body> {
    let Ok(value) = HeaderValue::from_str(location) else { return fault(Cause::Internal, ask) };
    let mut response = match ask.form {
        Form::Html => in_html(status, page::redirect(location, ask), ask),
        Form::Plain => answer(status, ask, format!("{}: {location}\n", reason(status))),
        Form::Json => answer(
            status,
            ask,
            format!(
                "{{\"status\":{},\"location\":{},\"request_id\":\"{}\"}}\n",
                status.as_u16(),
                json::quoted(location),
                ask.request_id
            ),
        ),
    };
    let headers = response.headers_mut();
    headers.insert(LOCATION, value);
    headers.insert(VARY, HeaderValue::from_static("accept, accept-language"));
    if matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT) {
        // Browsers keep these for good, and one that was a mistake can't be called back: an hour is enough.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    }
    response
}

/// A small page of our own, from a headline and paragraphs that are HTML already.
pub fn small_page(status: StatusCode, headline: &str, content: &str, ask: &Ask<'_>) -> Response<Body> {
    in_html(status, (page::small(headline, content), pages::small(), "en"), ask)
}

fn in_html(
    status: StatusCode,
    (text, ready, language): (String, &pages::Ready, &str),
    ask: &Ask<'_>,
) -> Response<Body> {
    let mut response = answer(status, &Ask { form: Form::Html, ..ask.clone() }, text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, ready.policy.clone());
    if let Ok(language) = HeaderValue::from_str(language) {
        headers.insert(CONTENT_LANGUAGE, language);
    }
    response
}

/// An answer in the form that was asked for, its text made by the caller.
pub fn answer(status: StatusCode, ask: &Ask<'_>, text: String) -> Response<Body> {
    let bytes = Bytes::from(text);
    let length = bytes.len();
    let body = if ask.method_head { Body::Empty } else { Body::full(bytes) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = match ask.form {
        Form::Html => "text/html; charset=utf-8",
        Form::Plain => "text/plain; charset=utf-8",
        Form::Json => "application/json; charset=utf-8",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, pages::small().policy.clone());
    if let Ok(id) = HeaderValue::from_bytes(&ask.request_id.letters()) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

fn now() -> f64 {
    clock::wall().as_seconds()
}

/// Where coming back helps. What needs a person needs his time, too.
const fn retry_after(cause: Cause) -> Option<Duration> {
    match cause {
        Cause::Closing => Some(RETRY_CLOSING),
        Cause::Overloaded | Cause::TooManyConnections | Cause::MaxConnections | Cause::QueueFull => {
            Some(RETRY_CROWDED)
        }
        Cause::Tls | Cause::Protocol | Cause::Maintenance => Some(RETRY_MENDED),
        _ if cause.is_upstream() => Some(RETRY_UPSTREAM),
        _ => None,
    }
}

/// The status in words, also for the one that has no official ones.
fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or(if status.as_u16() == 499 { "Closed" } else { "Answered" })
}

#[cfg(test)]
mod tests;
