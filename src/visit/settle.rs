//! What the house answers by itself: files, redirects, fixed answers; and what a backend hands over to one of
//! the site's internal routes. Both walks come here once access is judged.

use std::pin::pin;
use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::errand::{self, Bearer};
use super::way::Home;
use super::{Corridor, World, meter, rescue};
use crate::answer;
use crate::base::cause::Cause;
use crate::base::clock;
use crate::base::fault::Fault;
use crate::files::{self, Below, Served};
use crate::message::destination::DESTINATION;
use crate::message::path::Query;
use crate::message::{Body, Departure, Request, SitePath, Street};
use crate::plan::{self, Answers, BackendId, Route};
use crate::record::Ticket;
use crate::rules::handover::{self, Handover, KEPT};
use crate::rules::{RouteRef, SiteRef, Way, doorplate};
use crate::script::Script;
use crate::upstream::{Answer, Passage, Waits};

/// What is asked of a route, as it was decided on.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub route: &'a Route,
    pub names: &'a [&'a str],
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub path: &'a SitePath,
    pub query: Option<&'a Query>,
}

/// An answer of the house. What is wrong with it is noted, and on its page.
pub struct Settled {
    pub response: Response<Body>,
    pub fault: Option<Fault>,
}

/// What becomes of a request on a route of the house.
pub enum Outcome {
    Settled(Settled),
    /// A script that lies among its files, and who runs it.
    Script(BackendId, Script),
}

/// What was decided on, asked of the route that covers it.
pub fn question<'a>(covered: &'a RouteRef<'a, 'a>, request: &'a Request) -> Question<'a> {
    Question {
        route: covered.route,
        names: covered.names.values(),
        method: &request.method,
        headers: &request.headers,
        path: &request.path,
        query: request.query.as_ref(),
    }
}

impl Settled {
    /// As it leaves the house.
    pub fn leave(self, time: &meter::Time, ticket: &mut Ticket) -> Departure {
        if let Some(fault) = &self.fault {
            ticket.fault(fault);
        }
        Departure::answer(self.response.map(|body| time.limit(body)))
    }
}

impl From<Response<Body>> for Settled {
    fn from(response: Response<Body>) -> Self {
        Self { response, fault: None }
    }
}

/// The answer of a route that is the house's own. `handed` is what the backend said that led here.
pub async fn settle(
    world: &World,
    question: Question<'_>,
    handed: Option<&Handed>,
    asker: &rescue::Asker,
) -> Result<Outcome, Fault> {
    let settled = match &question.route.answers {
        Answers::Files(plan) => {
            let below = doorplate::below(question.route, question.path);
            let slash = question.path.as_str().ends_with('/');
            return of_files(world, plan, question, (Below::Path(below), slash), handed, asker).await;
        }
        Answers::Redirect(redirect) => {
            let to =
                doorplate::location(redirect, question.route, question.names, question.path, question.query);
            let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
            rescue::redirect(status, &to, asker)
        }
        Answers::Fixed(fixed) => of_fixed(fixed, question.method, asker)?,
        Answers::Backend(_) | Answers::Lookup { .. } => {
            return Err(Fault::with(Cause::Internal, "a backend's route is answered by the house"));
        }
    };
    Ok(Outcome::Settled(settled.into()))
}

/// The script that a path means among the files of a route, where another one than the visitor's is sent on.
pub async fn script(world: &World, question: Question<'_>, asker: &rescue::Asker) -> Result<Script, Fault> {
    match settle(world, question, None, asker).await? {
        Outcome::Script(_, script) => Ok(script),
        Outcome::Settled(_) => {
            Err(Fault::with(Cause::NoRoute, "rules send this to who runs scripts, and it is none"))
        }
    }
}

fn of_fixed(fixed: &plan::Fixed, method: &Method, asker: &rescue::Asker) -> Result<Response<Body>, Fault> {
    let status = StatusCode::from_u16(fixed.status).unwrap_or(StatusCode::OK);
    let Some(plan::Text { kind, text }) = &fixed.text else {
        if status != StatusCode::NO_CONTENT {
            return Ok(rescue::ruled(status, None, None, asker));
        }
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = status;
        return Ok(response);
    };
    if *method == Method::OPTIONS {
        return Ok(files::options());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Fault::with(Cause::MethodNotAllowed, format!("{method} of a fixed answer")));
    }
    let mut response =
        Response::new(if asker.head_only() { Body::Empty } else { Body::full(text.to_string()) });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    Ok(response)
}

async fn of_files(
    world: &World,
    plan: &Arc<plan::Files>,
    question: Question<'_>,
    (below, slash): (Below<'_>, bool),
    handed: Option<&Handed>,
    asker: &rescue::Asker,
) -> Result<Outcome, Fault> {
    if *question.method == Method::OPTIONS && *question.path == SitePath::asterisk() {
        return Ok(Outcome::Settled(files::options().into()));
    }
    let ask = files::Ask {
        method: question.method,
        headers: question.headers,
        below,
        slash,
        now: clock::wall(),
        content_type: handed.and_then(|handed| handed.kept.get(CONTENT_TYPE)),
        ranges: !handed.is_some_and(Handed::wants_it_whole),
        named: handed.is_some(),
    };
    let mut settled: Settled = match files::serve(world.root(plan.id)?, plan, ask).await? {
        Served::Answer(response) => response.into(),
        Served::Failed => rescue::ruled(StatusCode::PRECONDITION_FAILED, None, None, asker).into(),
        Served::NoSuchPart(size) => {
            let fault = Fault::with(Cause::Range, format!("the file has {size} bytes"));
            let mut response = rescue::answer(&fault, asker).response;
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}")) {
                response.headers_mut().insert(CONTENT_RANGE, range);
            }
            Settled { response, fault: Some(fault) }
        }
        // Addresses of internal routes are nobody's business.
        Served::Slash if handed.is_some() => return Err(Cause::NoRoute.into()),
        Served::Slash => {
            let query = question.query.map(|query| format!("?{}", query.as_str())).unwrap_or_default();
            let to = format!("{}/{query}", question.path.as_str());
            // A form that is on its way to a script goes along.
            let reads = matches!(*question.method, Method::GET | Method::HEAD);
            let status = if reads { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
            rescue::redirect(status, &to, asker).into()
        }
        Served::Script { name, info } => {
            let scripts = plan.scripts.as_ref();
            let scripts = scripts.ok_or_else(|| Fault::with(Cause::Internal, "a script where none runs"))?;
            let before = match below {
                Below::Path(below) => question.path.as_str().strip_suffix(below).unwrap_or_default(),
                Below::Name(_) => "",
            };
            let script = Script::among_files(scripts, before, (name, info));
            return Ok(Outcome::Script(scripts.backend, script));
        }
        Served::Listing(listing) => {
            let rows = listing.entries.iter().map(|entry| answer::Row {
                name: &entry.name,
                folder: entry.folder,
                size: entry.size,
                modified: entry.modified,
            });
            rescue::listing(question.path.as_str(), rows, listing.more, asker).into()
        }
        Served::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
            let mut response = rescue::ruled(status, None, None, asker);
            if status == StatusCode::NO_CONTENT {
                *response.body_mut() = Body::Empty;
                response.headers_mut().remove(CONTENT_LENGTH);
            }
            response.into()
        }
    };
    if let Some(handed) = handed {
        handed.dress(&mut settled.response);
    }
    Ok(Outcome::Settled(settled))
}

/// What a backend's answer says of the answer that takes its place, as nginx keeps it.
pub struct Handed {
    to: Handover,
    kept: HeaderMap,
}

impl Handed {
    fn read(answer: &HeaderMap) -> Result<Self, Fault> {
        let to = handover::read(answer)?;
        let mut kept = HeaderMap::new();
        for name in &KEPT {
            for value in answer.get_all(name) {
                kept.append(name, value.clone());
            }
        }
        Ok(Self { to, kept })
    }

    /// `Accept-Ranges: none`: the program does not want parts of it to be asked for.
    fn wants_it_whole(&self) -> bool {
        self.kept.get(ACCEPT_RANGES).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"none"))
    }

    /// What the first answer said of its content holds for the file; of a page of ours only its cookies do.
    fn dress(&self, response: &mut Response<Body>) {
        let whole = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
        for name in KEPT.iter().filter(|name| whole || **name == SET_COOKIE) {
            // The file's own kind was said where it was served, and parts have another.
            if *name == CONTENT_TYPE || *name == ACCEPT_RANGES || !self.kept.contains_key(name) {
                continue;
            }
            response.headers_mut().remove(name);
            for value in self.kept.get_all(name) {
                response.headers_mut().append(name, value.clone());
            }
        }
    }

    /// The same where another backend answers: what that says of itself goes first.
    fn dress_answer(&self, headers: &mut HeaderMap) {
        let own: Vec<bool> =
            KEPT.iter().map(|name| headers.contains_key(name) && *name != SET_COOKIE).collect();
        for (name, own) in KEPT.iter().zip(own) {
            if own || *name == ACCEPT_RANGES {
                continue;
            }
            for value in self.kept.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

/// What a hand-over stands on.
pub struct Ground<'a> {
    pub corridor: &'a Corridor,
    pub world: &'a World,
    pub found: SiteRef<'a>,
    pub street: &'a Street,
    pub asker: &'a rescue::Asker,
    pub time: &'a meter::Time,
}

/// What of a visitor's request goes along to an internal route, where the site has one: his conditions and ranges,
/// but nothing of his body.
pub fn spare(found: SiteRef<'_>, headers: &HeaderMap) -> HeaderMap {
    if found.site.internal().next().is_none() {
        return HeaderMap::new();
    }
    let mut spare = headers.clone();
    for name in [CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, DESTINATION] {
        spare.remove(name);
    }
    spare
}

/// Whether a backend's answer leads on: nearly none does.
pub fn leads_on(answer: &Answer) -> bool {
    handover::is_one(answer.head.headers())
}

/// The answer of the internal route that a backend's answer leads to. Access was judged
/// on what the visitor asked for; an internal route has none of its own to judge, as in nginx.
pub async fn follow(
    ground: &Ground<'_>,
    answer: &Answer,
    request: &mut Request,
    spare: HeaderMap,
    ticket: &mut Ticket,
) -> Result<Settled, Fault> {
    let handed = Handed::read(answer.head.headers())?;
    let method = if request.method == Method::HEAD { Method::HEAD } else { Method::GET };
    let (world, asker) = (ground.world, ground.asker);
    match &handed.to {
        Handover::Address(path, query) => {
            let covered = handover::route(ground.found, path)?;
            let (backend, script) = if covered.route.answers.is_ours() {
                let names = covered.names.values();
                let (route, query) = (covered.route, query.as_ref());
                let question = Question { route, names, method: &method, headers: &spare, path, query };
                match settle(world, question, Some(&handed), asker).await? {
                    Outcome::Settled(settled) => return Ok(settled),
                    Outcome::Script(backend, script) => (backend, Some(script)),
                }
            } else {
                (doorplate::backend(&covered)?, None)
            };
            let way = Way::of(ground.found, covered.route, covered.names.values(), path);
            // What was decided on stays what rules and the record know of the request.
            let before = (
                std::mem::replace(&mut request.method, method),
                std::mem::replace(&mut request.path, path.clone()),
                std::mem::replace(&mut request.query, query.clone()),
                request.upgrade.take(),
            );
            request.headers = spare;
            let asked = ask(ground, (covered.route, backend, script), &way, request, ticket).await;
            (request.method, request.path, request.query, request.upgrade) = before;
            let mut response = asked?;
            handed.dress_answer(response.headers_mut());
            Ok(response.into())
        }
        Handover::File(file) => {
            let root = |id| Some(world.root(id).ok()?.path());
            let (route, plan, below) = handover::file(ground.found, file, root)?;
            let path = SitePath::asterisk();
            let question =
                Question { route, names: &[], method: &method, headers: &spare, path: &path, query: None };
            let place = (Below::Name(below), false);
            match of_files(world, plan, question, place, Some(&handed), asker).await? {
                Outcome::Settled(settled) => Ok(settled),
                Outcome::Script(..) => {
                    Err(Fault::with(Cause::NoRoute, "no such file lies there, but a script"))
                }
            }
        }
    }
}

/// Asks the backend of an internal route.
async fn ask(
    ground: &Ground<'_>,
    (route, backend, script): (&Route, BackendId, Option<Script>),
    way: &Way<'_>,
    request: &mut Request,
    ticket: &mut Ticket,
) -> Result<Response<Body>, Fault> {
    let Ground { corridor, world, street, time, .. } = ground;
    let target = world.target(backend)?;
    let (mut errand, wish) = errand::compose(request, Body::Empty, way)?;
    errand::find_script(
        &mut errand,
        target,
        (Some(route), script),
        request,
        street,
        ticket,
        &corridor.scripts,
    )?;
    let bearer = Bearer { request, world, introductions: &corridor.introductions, destination: None };
    let passage = Passage {
        hints: None,
        waits: Waits::default(),
        introduce: &|backend, headers| bearer.introduce(backend, headers),
        client: request.client,
        secure: request.secure,
    };
    let sending = pin!(corridor.pool.ask(target, errand, passage));
    let answer = time.within(sending).await?;
    if leads_on(&answer) {
        return Err(handover::again());
    }
    // Where an internal route lies is nobody's business: no path is put below it.
    let way = Way::nowhere(ground.found);
    let home = Home { way: &way, request, target, told: None };
    Ok(errand::bring_back(answer, &wish, time, |parts, body| home.put_right(parts, body))?.response)
}
