//! What a backend hands over to an internal route of the site: `X-Accel-Redirect`, an address, or `X-Sendfile`, a file.
//! Read here for the corridor and for the plays, and as strictly as what visitors send.

use std::path::Path;
use std::sync::Arc;

use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, EXPIRES, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{RouteRef, SiteRef, doorplate};
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::message::path::Query;
use crate::message::{SitePath, headers};
use crate::plan::{Answers, Files, FilesId, Route};

const X_ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");
const X_SENDFILE: HeaderName = HeaderName::from_static("x-sendfile");

/// What is kept of the first answer.
pub static KEPT: [HeaderName; 6] =
    [CONTENT_TYPE, CONTENT_DISPOSITION, SET_COOKIE, CACHE_CONTROL, EXPIRES, ACCEPT_RANGES];

/// Where an answer leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handover {
    Address(SitePath, Option<Query>),
    /// By its place on the disk.
    File(String),
}

/// Whether an answer leads on at all.
pub fn is_one(answer: &HeaderMap) -> bool {
    answer.contains_key(X_ACCEL_REDIRECT) || answer.contains_key(X_SENDFILE)
}

/// Where an answer that is one leads.
pub fn read(answer: &HeaderMap) -> Result<Handover, Fault> {
    if let Some(address) = answer.get(X_ACCEL_REDIRECT) {
        let text = text(address).ok_or_else(|| wrong("X-Accel-Redirect", "it is no text"))?;
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        // As rules are read: programs write names of files as they are called.
        let path = SitePath::literal(path).map_err(|fault| wrong("X-Accel-Redirect", fault.detail()))?;
        let query = query.map(|query| Query::parse(query.as_bytes())).transpose();
        let query = query.map_err(|fault| wrong("X-Accel-Redirect", fault.detail()))?;
        return Ok(Handover::Address(path, query));
    }
    let text = answer.get(X_SENDFILE).and_then(text).ok_or_else(|| wrong("X-Sendfile", "it is no text"))?;
    Ok(Handover::File(text.to_owned()))
}

/// The internal route of an address.
pub fn route<'w, 'p>(found: SiteRef<'w>, path: &'p SitePath) -> Result<RouteRef<'w, 'p>, Fault> {
    doorplate::internal(found, path).map_err(|fault| wrong("X-Accel-Redirect", fault.detail()))
}

/// The internal route below whose folder a file lies, and its name there. `root` knows the folders.
pub fn file<'w, 'p, 'r>(
    found: SiteRef<'w>,
    file: &'p str,
    root: impl Fn(FilesId) -> Option<&'r Path>,
) -> Result<(&'w Route, &'w Arc<Files>, &'p str), Fault> {
    let below = |route: &'w Route| match &route.answers {
        Answers::Files(plan) => {
            let rest = file.strip_prefix(root(plan.id)?.to_str()?.trim_end_matches('/'))?;
            Some((route, plan, rest.strip_prefix('/')?))
        }
        _ => None,
    };
    let nowhere = "the file lies below the folder of no internal route of this site";
    found.site.internal().find_map(below).ok_or_else(|| wrong("X-Sendfile", nowhere))
}

/// An answer that was led to leads on.
pub fn again() -> Fault {
    wrong("X-Accel-Redirect", "it leads to an answer that leads on, and one step is followed")
}

fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(headers::trim(value.as_bytes())).ok()
}

/// A backend that names what it can't have: its answer makes no sense.
fn wrong(header: &str, why: &str) -> Fault {
    Fault::with(Cause::Protocol, format!("the backend's {header} can't be followed: {why}"))
}
