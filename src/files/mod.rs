//! Files of this machine, as answers.
//!
//! Called by `visit` for a route with `.files`, and for what a backend names by `X-Accel-Redirect` or
//! `X-Sendfile`. Promises: nothing outside the root is ever opened, by no path and no link (the kernel resolves each
//! name beneath the root, `openat2`), unless the route says `.links = follow`; only regular files are served, and no
//! pipe or device can hold us; nothing hidden and no program's source is shown; a worker never waits for a disk:
//! what the page cache has not is opened and read on threads made for it, of which there are a few; bodies are read
//! only as fast as the visitor takes them, and one that can't be what its head promised ends as a fault. It never
//! writes. What a request means for a file (conditions, ranges, encodings) is pure and has tables beside it.
//!
//! It fails with `NoRoute` where there is nothing to show, `MethodNotAllowed`, and `Internal` where the machine is
//! at fault: a root that is missing, a disk that fails. The log has the reason; visitors never learn a file's place.

mod body;
mod conditions;
mod disk;
mod encodings;
mod listing;
mod names;
mod ranges;
mod types;

use std::fs::File;
use std::sync::Arc;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::base::cause::Cause;
use crate::base::clock::Wall;
use crate::base::fault::Fault;
use crate::message::Body;
use crate::plan;
use crate::script;

use self::conditions::{Validators, Verdict};
use self::disk::{Candidate, Found, Stood};
use self::encodings::Encoding;
use self::ranges::Wanted;

pub use self::disk::Root;
pub use self::listing::{Entry, Listing};

/// What is asked of a folder of files.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub method: &'a Method,
    /// Conditions, ranges, encodings.
    pub headers: &'a HeaderMap,
    /// What is asked for below the root, and whether a slash ends it: a folder is meant.
    pub below: Below<'a>,
    pub slash: bool,
    pub now: Wall,
    /// A backend said what it is.
    pub content_type: Option<&'a HeaderValue>,
    /// Parts of it may be asked for.
    pub ranges: bool,
    /// A backend names it, and not a visitor: what is hidden may be named.
    pub named: bool,
}

/// Where a file is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Below<'a> {
    /// The rest of a canonical path.
    Path(&'a str),
    /// A name, as the disk has it.
    Name(&'a str),
}

/// What there is.
pub enum Served {
    /// A file, or what its conditions make of it.
    Answer(Response<Body>),
    /// A condition of the visitor does not hold: 412.
    Failed,
    /// No part of what was asked for is in the file, which has so many bytes: 416.
    NoSuchPart(u64),
    /// A folder that was asked for without the slash behind its name.
    Slash,
    /// What lies in a folder, in the order in which it is shown.
    Listing(Listing),
    /// The `.try` list ends with this status.
    Status(u16),
    /// A script that lies there: its name from the root on, and what follows it in the path. Whatever the method: the
    /// script will say.
    Script { name: String, info: String },
}

/// Methods a file answers.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

/// Looks a file up and makes its answer.
pub async fn serve(root: &Arc<Root>, plan: &Arc<plan::Files>, ask: Ask<'_>) -> Result<Served, Fault> {
    if plan.scripts.is_none()
        && let Some(answer) = other_method(ask.method)
    {
        return answer;
    }
    let path = match ask.below {
        Below::Path(path) => Some(path),
        Below::Name(_) => None,
    };
    let below = match ask.below {
        Below::Path(path) => names::decoded(path),
        Below::Name(name) => names::plain(name),
    };
    let below = below.filter(|name| plan.hidden || ask.named || names::may_be_shown(name));
    // The path of nothing that can be shown: what else is tried does not hang on it.
    let below = below.map(|name| Candidate { name, slash: ask.slash, asked: true, runs: None });
    let wanted = disk::Wanted {
        candidates: candidates(plan, path, below.as_ref()),
        encodings: if plan.precompressed {
            encodings::accepted(&ask.headers.get_all(ACCEPT_ENCODING))
        } else {
            encodings::Wanted::default()
        },
    };
    let stood = disk::look(root, plan, wanted).await;
    // What a script takes it says itself; a file is only read.
    if let Ok(Stood::File(_) | Stood::Folder(_)) = stood
        && let Some(answer) = other_method(ask.method)
    {
        return answer;
    }
    match stood {
        Ok(Stood::Script(name, info)) => Ok(Served::Script { name: format!("/{name}"), info }),
        Ok(Stood::File(found)) => file(plan, &ask, found).await,
        Ok(Stood::Slash) => Ok(Served::Slash),
        Ok(Stood::Folder(folder)) => listing::of(folder, plan.hidden).await.map(Served::Listing),
        Err(fault) => match plan.tries.last() {
            Some(plan::Try::Status(status)) if fault.cause == Cause::NoRoute && *status != 404 => {
                Ok(Served::Status(*status))
            }
            _ => Err(fault),
        },
    }
}

/// The answer to a method that does not read a file.
fn other_method(method: &Method) -> Option<Result<Served, Fault>> {
    match *method {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(Ok(Served::Answer(options()))),
        _ => Some(Err(Fault::with(Cause::MethodNotAllowed, format!("{method} of a file")))),
    }
}

/// The answer to OPTIONS, also for what is no file and answers like one.
pub fn options() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

/// What is looked for, one after the other.
fn candidates(plan: &plan::Files, path: Option<&str>, below: Option<&Candidate>) -> Vec<Candidate> {
    let asked = || path.and_then(|path| script_at(plan, path)).or_else(|| below.cloned());
    if plan.tries.is_empty() {
        return asked().into_iter().collect();
    }
    let tried = |tried: &plan::Try| match tried {
        plan::Try::At(name) => {
            Some(script_at(plan, &names::as_path(name)).unwrap_or_else(|| Candidate::said(name)))
        }
        plan::Try::Below { before, behind } => {
            if before.is_empty() && behind.is_empty() {
                return asked();
            }
            let around = |path: &str| {
                let path = if behind.is_empty() { path } else { path.trim_end_matches('/') };
                script_at(plan, &format!("{}{path}{}", names::as_path(before), behind.replace('%', "%25")))
            };
            if let Some(script) = path.and_then(around) {
                return Some(script);
            }
            let below = below?;
            // `{path}.html` of the folder itself would be a name without a name.
            let hollow = below.name.is_empty() && !behind.is_empty() && !behind.starts_with('/');
            (!hollow).then(|| Candidate::said(&format!("{before}{}{behind}", below.name)))
        }
        plan::Try::Status(_) => None,
    };
    let shown = |candidate: &Candidate| {
        let judged = plan.hidden || candidate.asked || candidate.runs.is_some();
        judged || names::may_be_shown(&candidate.name)
    };
    plan.tries.iter().filter_map(tried).filter(shown).collect()
}

/// The script that a path below the root names, where scripts lie among the files.
fn script_at(plan: &plan::Files, path: &str) -> Option<Candidate> {
    let (name, info) = script::among(&plan.scripts.as_ref()?.endings, path).ok()?;
    let name = name.strip_prefix('/')?.to_owned();
    Some(Candidate { name, slash: false, asked: false, runs: Some(info?) })
}

async fn file(plan: &plan::Files, ask: &Ask<'_>, found: Found) -> Result<Served, Fault> {
    let Found { file, name, size, modified, encoding, varies } = found;
    let validators = Validators::of(modified, size, encoding.map(Encoding::word), ask.now);
    match conditions::judge(ask.headers, &validators) {
        Verdict::Failed => return Ok(Served::Failed),
        Verdict::NotModified => {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            describe(response.headers_mut(), plan, &validators, varies)?;
            return Ok(Served::Answer(response));
        }
        Verdict::Go => {}
    }
    let known = types::of(&name);
    let kind = ask.content_type.cloned().map_or_else(|| header(&known.text()), Ok)?;
    // RFC 9110 knows parts for GET alone.
    let may_ask =
        ask.ranges && *ask.method == Method::GET && conditions::parts_count(ask.headers, &validators);
    let wanted = if may_ask { ranges::wanted(ask.headers, size) } else { Wanted::Whole };
    let mut response = Response::new(Body::Empty);
    describe(response.headers_mut(), plan, &validators, varies)?;
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static(if ask.ranges { "bytes" } else { "none" }));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.word()));
    }
    if known.guess() && ask.content_type.is_none() {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    let sheet = match wanted {
        Wanted::Whole => {
            headers.insert(CONTENT_TYPE, kind);
            body::Sheet::whole(size)
        }
        Wanted::One(part) => {
            headers.insert(CONTENT_TYPE, kind);
            headers.insert(CONTENT_RANGE, header(&part.content_range(size))?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            body::Sheet::part(part)
        }
        Wanted::Several(parts) => {
            let boundary = ranges::boundary();
            headers.insert(CONTENT_TYPE, header(&format!("multipart/byteranges; boundary={boundary}"))?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            body::Sheet::parts(&parts, size, &boundary, &kind)
        }
        Wanted::Nothing => return Ok(Served::NoSuchPart(size)),
    };
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(sheet.length()));
    if *ask.method != Method::HEAD {
        *response.body_mut() = sheet.read_from(file).await?;
    }
    Ok(Served::Answer(response))
}

/// What is said of a file, also where it is not sent again.
fn describe(
    headers: &mut HeaderMap,
    plan: &plan::Files,
    validators: &Validators,
    varies: bool,
) -> Result<(), Fault> {
    headers.insert(ETAG, header(&validators.etag)?);
    headers.insert(LAST_MODIFIED, header(&validators.modified.http_date())?);
    if varies {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Some(said) = kept(plan) {
        headers.insert(CACHE_CONTROL, header(&said)?);
    }
    Ok(())
}

/// How long an answer may be kept, as `Cache-Control` has it.
fn kept(plan: &plan::Files) -> Option<String> {
    Some(match plan.expires?.as_secs() {
        0 => "no-cache".to_owned(),
        seconds => format!("public, max-age={seconds}"),
    })
}

/// What would be said of a file by its name alone, for who reads no disk. `below` is the rest of a canonical path.
pub fn assumed(plan: &plan::Files, below: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let name = match (below.is_empty() || below.ends_with('/'), plan.index.first()) {
        (true, Some(index)) => index,
        _ => below,
    };
    let said = [(CONTENT_TYPE, Some(types::of(name).text())), (CACHE_CONTROL, kept(plan))];
    for (name, text) in said {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// The script that a path means, for who reads no disk: the one it names, and where its last part looks like no file's
/// name, the first of the `.try` list, or the index of the folder. `None`: it is taken for a file.
pub fn assumed_script(plan: &plan::Files, below: &str) -> Option<(String, String)> {
    let named = |candidate: Candidate| Some((format!("/{}", candidate.name), candidate.runs?));
    if let Some(script) = script_at(plan, below) {
        return named(script);
    }
    plan.scripts.as_ref()?;
    let folder = below.is_empty() || below.ends_with('/');
    if !folder && below.rsplit('/').next().is_some_and(|last| last.contains('.')) {
        return None;
    }
    let index = || {
        let index = plan.index.first().filter(|_| folder)?;
        script_at(plan, &format!("{below}{}", names::as_path(index)))
    };
    if below.is_empty()
        && let Some(script) = index()
    {
        return named(script);
    }
    let without_itself: Vec<plan::Try> =
        plan.tries.iter().filter(|tried| !is_itself(tried)).cloned().collect();
    let rest = plan::Files { tries: without_itself.into(), ..plan.clone() };
    let tried = if rest.tries.is_empty() { Vec::new() } else { candidates(&rest, Some(below), None) };
    tried.into_iter().find(|candidate| candidate.runs.is_some()).or_else(index).and_then(named)
}

fn is_itself(tried: &plan::Try) -> bool {
    matches!(tried, plan::Try::Below { before, behind } if before.is_empty() && behind.is_empty())
}

fn header(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::with(Cause::Internal, "a file's header is none"))
}

/// A disk that fails.
fn broken(what: &str, error: &std::io::Error) -> Fault {
    Fault::with(Cause::Internal, format!("{what}: {error}"))
}

/// An open file, shared by whoever reads it now and the thread that may still do so.
type Shared = Arc<File>;

#[cfg(test)]
mod tests;
