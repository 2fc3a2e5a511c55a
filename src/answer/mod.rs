//! What the house says by itself: pages for faults, redirects, small pages of its own listeners.
//!
//! Called by `visit` and `front` (faults, redirects) and `admin` (its pages). Promises: everything is in
//! memory from the start and needs neither disk nor store; a browser gets a page that a person
//! understands, a program one line or JSON; each answer carries the request's id, says its exact length,
//! is never kept by a cache (a redirect for an hour at most), and lets nothing run or load. Never fails.

mod form;
mod listing;
mod page;
mod words;

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::base::cause::Cause;
use crate::base::clock::{self, Wall};
use crate::base::random::RequestId;
use crate::message::Body;

pub use form::{Form, Taste, form_for};
pub use listing::{Row, listing};
pub use page::escape_html;

/// The visitor reads it on the page, the operator finds it in the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When to come back, where nobody knows better.
const RETRY_UPSTREAM: Duration = Duration::from_secs(30);
const RETRY_CLOSING: Duration = Duration::from_secs(5);
const RETRY_CROWDED: Duration = Duration::from_secs(10);

/// How and for whom an answer is made.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub form: Form,
    pub request_id: RequestId,
    /// The site that was asked; `None` where it is none of ours.
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

impl Ask<'_> {
    /// For a request of which nothing is known but that it failed.
    pub const fn blind(request_id: RequestId) -> Self {
        Self {
            form: Form::Plain,
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
    fault_as(StatusCode::from_u16(cause.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), cause, ask)
}

fn fault_as(status: StatusCode, cause: Cause, ask: &Ask<'_>) -> Response<Body> {
    let text = match ask.form {
        Form::Html => page::fault(cause, status, ask),
        Form::Plain => page::fault_line(cause, status, ask),
        Form::Json => page::fault_json(cause, status, ask),
    };
    let mut response = answer(status, ask, text);
    let until = ask.until.map(|until| Duration::from_secs_f64((until.as_seconds() - now()).max(1.0)));
    if let Some(wait) = ask.retry_after.or(until).or_else(|| retry_after(cause)) {
        // Rounded up: a second early is one refusal more.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if cause == Cause::MethodNotAllowed {
        // Said of files and of what the house answers by itself: backends say their own.
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
    response
}

fn now() -> f64 {
    clock::wall().as_seconds()
}

/// Headers that rules set, beside those of our page: what describes the page itself stays ours.
pub fn dress(page: &mut HeaderMap, ruled: HeaderMap) {
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
    let told = told.filter(|told| !told.is_empty() && Some(*told) != status.canonical_reason());
    let text = match ask.form {
        Form::Html => page::ruled(status, told, ask),
        Form::Plain => format!(
            "{} {} (request {})\n",
            status.as_str(),
            told.unwrap_or(reason(status)).replace(char::is_control, " "),
            ask.request_id
        ),
        Form::Json => format!(
            "{{\"status\":{},\"message\":{},\"request_id\":\"{}\"}}\n",
            status.as_str(),
            page::json_text(told.unwrap_or(reason(status))),
            ask.request_id
        ),
    };
    answer(status, ask, text)
}

/// Sends the visitor elsewhere. A location that is no header value becomes a fault of our own.
pub fn redirect(status: StatusCode, location: &str, ask: &Ask<'_>) -> Response<Body> {
    let Ok(value) = HeaderValue::from_str(location) else { return fault(Cause::Internal, ask) };
    let text = match ask.form {
        Form::Html => page::redirect(location),
        Form::Plain => format!("{}: {location}\n", reason(status)),
        Form::Json => format!(
            "{{\"status\":{},\"location\":{},\"request_id\":\"{}\"}}\n",
            status.as_u16(),
            page::json_text(location),
            ask.request_id
        ),
    };
    let mut response = answer(status, ask, text);
    let headers = response.headers_mut();
    headers.insert(LOCATION, value);
    if matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT) {
        // Browsers keep these for good, and one that was a mistake can't be called back: an hour is enough.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    }
    response
}

/// A small page of our own, from a headline and paragraphs that are HTML already.
pub fn small_page(status: StatusCode, headline: &str, content: &str, ask: &Ask<'_>) -> Response<Body> {
    answer(status, &Ask { form: Form::Html, ..ask.clone() }, page::small(headline, content))
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
    headers.insert(CONTENT_SECURITY_POLICY, page::policy());
    if let Ok(id) = HeaderValue::from_bytes(&ask.request_id.letters()) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

/// Where coming back helps. A server that can't prove who it is needs a person, not patience.
const fn retry_after(cause: Cause) -> Option<Duration> {
    match cause {
        Cause::Closing => Some(RETRY_CLOSING),
        Cause::Overloaded | Cause::TooManyConnections | Cause::MaxConnections | Cause::QueueFull => {
            Some(RETRY_CROWDED)
        }
        Cause::Refused
        | Cause::Dns
        | Cause::Unreachable
        | Cause::ConnectTimeout
        | Cause::Unhealthy
        | Cause::NoneHealthy
        | Cause::AllFailed
        | Cause::BackendError
        | Cause::Maintenance => Some(RETRY_UPSTREAM),
        _ => None,
    }
}

/// The status in words, also for the one that has no official ones.
fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or(if status.as_u16() == 499 { "Closed" } else { "Answered" })
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    fn ask(form: Form) -> Ask<'static> {
        Ask {
            form,
            request_id: RequestId::next(),
            site_name: Some("www.example.org"),
            method_head: false,
            retry_after: None,
            note: None,
            until: None,
        }
    }

    fn text(response: Response<Body>) -> String {
        match response.into_body() {
            Body::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn every_cause_is_answered_in_every_form() {
        for cause in Cause::ALL {
            for form in [Form::Html, Form::Plain, Form::Json] {
                let ask = ask(form);
                let id = ask.request_id.to_string();
                let response = fault(*cause, &ask);
                let head = fault(*cause, &Ask { method_head: true, ..ask.clone() });
                assert_eq!(response.status().as_u16(), cause.status());
                assert_eq!(header(&response, "x-request-id"), id);
                assert_eq!(header(&response, "cache-control"), "no-store");
                assert_eq!(header(&response, "x-content-type-options"), "nosniff");
                assert!(header(&response, "content-type").ends_with("; charset=utf-8"));
                assert!(header(&response, "content-security-policy").starts_with("default-src 'none'; "));
                assert_eq!(
                    header(&response, "retry-after").is_empty(),
                    !matches!(cause.status(), 503 | 429),
                    "{cause:?}"
                );
                assert_eq!(
                    header(&response, "content-length"),
                    response.body().size_hint().exact().unwrap().to_string()
                );
                assert_eq!(head.headers(), response.headers());
                assert!(head.body().is_end_stream());
                let text = text(response);
                assert!(text.contains(&id) && text.contains(cause.name()), "{text}");
                assert_eq!(text.lines().count() == 1, form != Form::Html, "{text}");
            }
        }
    }

    #[test]
    fn what_rules_say_without_a_page_gets_one() {
        for form in [Form::Html, Form::Plain, Form::Json] {
            for status in [200, 302, 403, 404, 418, 429, 451, 500, 503, 599, 750] {
                let ask = ask(form);
                let status = StatusCode::from_u16(status).unwrap();
                let response = ruled(status, Some("Go <away>"), None, &ask);
                assert_eq!(response.status(), status);
                let length = response.body().size_hint().exact().unwrap().to_string();
                assert_eq!(header(&response, "content-length"), length);
                let text = text(response);
                let said = if form == Form::Html { "Go &lt;away&gt;" } else { "Go <away>" };
                assert!(text.contains(said) && text.contains(&ask.request_id.to_string()), "{text}");
                let head = ruled(status, None, None, &Ask { method_head: true, ..ask.clone() });
                assert!(head.body().is_end_stream() && header(&head, "content-length") != "0");
            }
            let known = ruled(StatusCode::NOT_FOUND, None, Some(Cause::Refused), &ask(form));
            assert_eq!((known.status().as_u16(), header(&known, "retry-after")), (404, "30"));
            let text = text(known);
            assert!(text.contains("refused") && text.contains("404") && !text.contains("503"), "{text}");
        }
        let plain = text(ruled(StatusCode::FORBIDDEN, Some("a\r\nb"), None, &ask(Form::Plain)));
        assert_eq!(plain.lines().count(), 1, "{plain}");
    }

    #[test]
    fn lines_and_json_read_well() {
        let ask = ask(Form::Plain);
        let id = ask.request_id;
        assert_eq!(
            text(fault(Cause::Refused, &ask)),
            format!(
                "503 Service Unavailable: The server behind this page is not running. (refused, request {id})\n"
            )
        );
        assert_eq!(
            text(fault(Cause::NoRoute, &Ask { form: Form::Json, site_name: Some("a\"b"), ..ask.clone() })),
            format!(
                "{{\"status\":404,\"cause\":\"no_route\",\"message\":\"There is no page at this address.\",\
                 \"site\":\"a\\\"b\",\"request_id\":\"{id}\"}}\n"
            )
        );
        assert_eq!(fault(Cause::VisitorLeft, &ask).status().as_u16(), 499);
    }

    #[test]
    fn who_knows_when_to_come_back_is_believed() {
        let told = Ask { retry_after: Some(Duration::from_millis(1_200)), ..ask(Form::Plain) };
        assert_eq!(header(&fault(Cause::FirstByteTimeout, &told), "retry-after"), "2");
        assert_eq!(header(&fault(Cause::Closing, &ask(Form::Plain)), "retry-after"), "5");
    }

    #[test]
    fn nothing_from_outside_becomes_html() {
        let evil = "<script>\"'&";
        let page = text(fault(Cause::NoRoute, &Ask { site_name: Some(evil), ..ask(Form::Html) }));
        assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;") && !page.contains("<script"), "{page}");
        let location = "https://a.example/?x=\"><script>alert(1)</script>";
        let page = text(redirect(StatusCode::MOVED_PERMANENTLY, location, &ask(Form::Html)));
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn redirects_say_where_and_are_soon_forgotten() {
        for form in [Form::Html, Form::Plain, Form::Json] {
            let location = "https://www.example.org:8443/x?y=1&z=2";
            let response = redirect(StatusCode::MOVED_PERMANENTLY, location, &ask(form));
            assert_eq!(response.status(), 301);
            assert_eq!(header(&response, "location"), location);
            assert_eq!(header(&response, "cache-control"), "max-age=3600");
            assert!(text(response).contains("https://www.example.org:8443/x?y=1&"));
        }
        assert_eq!(redirect(StatusCode::FOUND, "https://a\r\nx: y", &ask(Form::Plain)).status(), 500);
    }

    /// Writes every page to a folder, to be looked at: `PAGES=/some/folder cargo test --lib pages_to_look_at -- --ignored`.
    #[test]
    #[ignore = "writes files to look at"]
    fn pages_to_look_at() {
        let folder = std::path::PathBuf::from(std::env::var_os("PAGES").expect("PAGES names a folder"));
        std::fs::create_dir_all(&folder).unwrap();
        for cause in Cause::ALL {
            std::fs::write(
                folder.join(format!("{}.html", cause.name())),
                text(fault(*cause, &ask(Form::Html))),
            )
            .unwrap();
        }
        let location = "https://www.example.org/trac/wiki/WikiStart";
        let page = text(redirect(StatusCode::MOVED_PERMANENTLY, location, &ask(Form::Html)));
        std::fs::write(folder.join("redirect.html"), page).unwrap();
    }
}
