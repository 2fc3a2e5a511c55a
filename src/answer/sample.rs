//! Pages as somebody would see them, for who looks at them before anybody does.

use http::{Response, StatusCode};

use super::page::{self, Told};
use super::pages::{self, Ready};
use super::{Ask, Form, Languages, Voice, in_html, retry_after};
use crate::base::cause::Cause;
use crate::base::clock::Wall;
use crate::base::random::RequestId;
use crate::message::Body;

/// Whether a page is shown as in a light or a dark room, whatever the browser prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

/// The status with which a page is mostly seen, and the cause that leads to it.
pub fn occasion(name: &str) -> (u16, Option<Cause>) {
    if let Some(cause) = Cause::ALL.iter().copied().find(|cause| cause.page() == name) {
        return (cause.status(), Some(cause));
    }
    let status = match name {
        pages::REDIRECT => 301,
        "page-unavailable" => 503,
        _ => name.parse().unwrap_or(422),
    };
    (status, None)
}

/// A page with every hole filled. `None`: there is no such page, or not in this language.
pub fn sample(
    name: &str,
    language: &str,
    scheme: Option<Scheme>,
    site: &str,
    voice: &Voice,
) -> Option<Response<Body>> {
    if !voice.languages(name).contains(&language) {
        return None;
    }
    let (status, cause) = occasion(name);
    let status = StatusCode::from_u16(status).ok()?;
    let maintenance = cause == Some(Cause::Maintenance);
    let ask = Ask {
        form: Form::Html,
        languages: Languages::only(language),
        site_name: Some(site),
        // The evening of a day that is far away.
        until: maintenance.then(|| Wall::from_seconds(4_099_831_200)),
        ..Ask::of(RequestId::next(), voice)
    };
    let told = Told {
        status,
        cause: cause.map_or("rules", Cause::name),
        detail: "",
        note: maintenance.then_some("The disks are being replaced."),
        retry: cause.and_then(retry_after),
    };
    let (text, ready, language) = if name == pages::REDIRECT {
        page::redirect("https://www.example.org/trac/wiki/WikiStart", &ask)
    } else {
        page::fill(name, &told, &ask)
    };
    let Some(scheme) = scheme else { return Some(in_html(StatusCode::OK, (text, ready, language), &ask)) };
    let (media, only) = match scheme {
        Scheme::Light => ("not all", "color-scheme:light"),
        Scheme::Dark => ("all", "color-scheme:dark"),
    };
    let text = text
        .replace("(prefers-color-scheme:dark)", media)
        .replace("(prefers-color-scheme: dark)", media)
        .replace("color-scheme:light dark", only)
        .replace("color-scheme: light dark", only);
    // Another style has another hash.
    let ready = Ready::new(&text);
    Some(in_html(StatusCode::OK, (text, &ready, language), &ask))
}
