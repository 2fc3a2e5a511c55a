//! A visit under rules of the tree's own: the same order as without, with a sub of the rules between one step and
//! the next. The order itself is `rules::flow`'s; here is what each of its steps does in this house.
//!
//! Route first, then `vcl_recv`; what it rewrote is read anew as if a visitor had sent it, and routed again;
//! access is judged on the last one. What rules of the backend's side rewrite is read and judged once more before
//! it is sent. What is sent passes the same cleaning as a visitor's own headers, and says the length of its body
//! in our words; so does the answer. A rule that fails ends its visit and says where in the log, and nowhere else.

use std::cell::OnceCell;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body as _;
use hyper::ext::ReasonPhrase;

use super::collect::Collecting;
use super::errand::{self, Bearer, Wish};
use super::settle::{self, Outcome, Settled};
use super::way::{self, Home};
use super::{Corridor, Luggage, World, drain, maintenance, meter, rescue};
use crate::answer;
use crate::base::cause::Cause;
use crate::base::clock::{self, Wall};
use crate::base::fault::Fault;
use crate::base::random;
use crate::language::program::{Choice, Mark};
use crate::language::source::Sources;
use crate::message::body::Lent;
use crate::message::{Body, Departure, Hints, Pace, Request, SitePath, Street, headers};
use crate::plan::{Answers, BackendId, Route, SiteId};
use crate::record::{Level, Office, Ticket};
use crate::rules::case::{Case, Reply, ReplyBody, Url};
use crate::rules::flow::{Errand, Flow, Next};
use crate::rules::machine::{RuleFault, Surroundings};
use crate::rules::{Rules, SiteRef, Way, doorplate};
use crate::script::Script;
use crate::upstream::{Answer, Passage, Target, Waits};

/// The rules of a generation that has some of its own.
pub struct Rulebook {
    rules: Rules,
    /// The name of this machine.
    hostname: Box<str>,
    /// The texts they were read from.
    sources: Arc<Sources>,
    office: Arc<Office>,
}

impl Rulebook {
    pub fn new(rules: Rules, sources: Arc<Sources>, office: Arc<Office>) -> Self {
        // Where it can't be read it is not known; nothing but a rule that shows it hangs on it.
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { rules, hostname: hostname.trim().into(), sources, office }
    }

    /// What a rule did wrong, and where.
    fn explain(&self, fault: &RuleFault) -> Fault {
        Fault::with(Cause::RuleFault, explain(&self.rules.program.marks, &self.sources, fault))
    }
}

impl Drop for Rulebook {
    /// The last visit under these rules has ended.
    fn drop(&mut self) {
        self.rules.end(&mut Outside(&self.office));
    }
}

/// The world as `vcl_init` and `vcl_fini` see it: nobody visits.
pub struct Outside<'a>(pub &'a Office);

impl Surroundings for Outside<'_> {
    fn now(&self) -> f64 {
        seconds()
    }

    fn random(&mut self) -> f64 {
        random::fraction()
    }

    fn log(&mut self, line: &[u8]) {
        self.0.note(Level::Info, "a rule says", &[("text", &String::from_utf8_lossy(line))]);
    }
}

/// A rule's fault with its place, `main.vcl, line 12: …`: written so, the log does not take it for an address
/// with a port.
pub fn explain(marks: &[crate::language::Span], sources: &Sources, fault: &RuleFault) -> String {
    let span = fault.mark.and_then(|Mark(mark)| marks.get(mark as usize));
    let place = span.and_then(|span| Some((sources.name(span.file), sources.place(span.file, span.start)?)));
    // From where the main file lies: what is above it says nothing, and might be taken for a key.
    let home = sources.paths().next().and_then(Path::parent);
    match place {
        Some((file, place)) => {
            let file =
                home.and_then(|home| Path::new(file).strip_prefix(home).ok()).unwrap_or(Path::new(file));
            format!("{}, line {}: {}", file.display(), place.line, fault.text)
        }
        None => fault.text.clone().into_owned(),
    }
}

/// What a visit stands on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub corridor: &'a Corridor,
    pub world: &'a World,
    pub book: &'a Rulebook,
    pub street: &'a Street,
    pub asker: &'a rescue::Asker,
}

/// The walk under rules, from the site that was found to the answer.
pub async fn walk(
    ground: Ground<'_>,
    found: SiteRef<'_>,
    request: Request,
    luggage: Luggage,
    ticket: &mut Ticket,
) -> Result<Departure, Fault> {
    let mut visit = Visit::begin(ground, found, request, luggage, ticket)?;
    loop {
        match visit.flow.next(&mut visit.around) {
            Next::Route => visit.route().await,
            Next::Fetch | Next::Pipe => {
                if let Some(tunnel) = visit.fetch().await {
                    return Ok(tunnel);
                }
            }
            Next::Deliver => return visit.deliver(),
            Next::Fail(fault) => return Err(visit.ground.book.explain(&fault)),
        }
    }
}

/// One visit on its way.
struct Visit<'a> {
    ground: Ground<'a>,
    flow: Flow<'a>,
    around: Around<'a>,
    found: SiteRef<'a>,
    /// What was decided on last; its headers are the rules'. Its host is the one the visitor typed.
    request: Request,
    covered: Result<Covered<'a>, Fault>,
    body: Loan,
    hints: Option<Hints>,
    pace: Pace,
    time: Option<meter::Time>,
    /// The script that the route's files have for what was decided on.
    script: Option<Script>,
    /// What was sent last, for an internal route that the answer may lead to.
    spare: HeaderMap,
    /// The body of the last answer, and the length it was said to have.
    answer: Body,
    length: Option<HeaderValue>,
    /// What leads the visitor back to the member of a director that answered last.
    cookie: Option<HeaderValue>,
    /// What went wrong last, for the log.
    fault: Option<Fault>,
}

/// What came of a request to a backend.
struct Asked<'a> {
    answer: Answer,
    wish: Wish,
    time: meter::Time,
    target: &'a Target,
    /// A `Host` that rules wrote.
    told: Option<HeaderValue>,
}

/// A route that covers the request.
struct Covered<'a> {
    route: &'a Route,
    /// No row of its table may fit this path; `None`: the house itself answers.
    backend: Result<Option<BackendId>, Fault>,
    names: Vec<Box<str>>,
}

impl<'a> Visit<'a> {
    fn begin(
        ground: Ground<'a>,
        found: SiteRef<'a>,
        mut request: Request,
        luggage: Luggage,
        ticket: &'a mut Ticket,
    ) -> Result<Self, Fault> {
        doorplate::not_ours(&request.path)?;
        let covered = cover(found, &request);
        let mut case = Case::of(&mut request, ground.street, seconds());
        case.statuses = found.site.plan.statuses;
        if let Some(upgrade) = &request.upgrade {
            // Rules may look for it, and take it away.
            case.req.headers.insert(UPGRADE, upgrade.protocol.clone());
        }
        let mut around = Around {
            world: ground.world,
            book: ground.book,
            street: ground.street,
            listener: OnceCell::new(),
            ticket,
            found,
            route: None,
            fault: None,
        };
        if let Ok(covered) = &covered {
            around.stands_at(covered);
            case.default = chosen(covered.backend.clone().ok().flatten());
        }
        Ok(Self {
            flow: Flow::begin(&ground.book.rules, case),
            ground,
            around,
            found,
            request,
            covered,
            body: Loan::new(luggage.body),
            hints: luggage.hints,
            pace: luggage.pace,
            time: None,
            script: None,
            spare: HeaderMap::new(),
            answer: Body::Empty,
            length: None,
            cookie: None,
            fault: None,
        })
    }

    /// Judges what rules of the visitor's side made of the request.
    async fn route(&mut self) {
        let settled = match self.judge() {
            Ok(None) if self.flow.takes_settled() => match self.settle().await {
                Ok(Outcome::Settled(settled)) => Ok(settled),
                Ok(Outcome::Script(backend, script)) => {
                    self.script = Some(script);
                    return self.flow.routed(chosen(Some(backend)));
                }
                Err(fault) => Err(fault),
            },
            Ok(backend) => return self.flow.routed(chosen(backend)),
            Err(fault) => Err(fault),
        };
        match settled {
            Ok(settled) => {
                let reply = self.take_settled(settled);
                self.flow.settled(reply);
            }
            Err(fault) => self.refuse(fault),
        }
    }

    /// The script to run for what is sent, where the route's files hold some. What rules of the backend's side made
    /// of the path is looked for anew.
    async fn script(&self, target: &Target, errand: &http::Request<Body>) -> Result<Option<Script>, Fault> {
        let Ok(covered) = &self.covered else { return Ok(None) };
        let beside = matches!(&covered.route.answers, Answers::Files(files) if files.scripts.is_some());
        if !beside || !target.runs_scripts() {
            return Ok(None);
        }
        let sent = errand.uri().path();
        if self.script.is_some() && sent == self.request.path.as_str() {
            return Ok(self.script.clone());
        }
        let path = SitePath::parse(sent.as_bytes())?;
        let question = settle::Question {
            route: covered.route,
            names: &[],
            method: errand.method(),
            headers: errand.headers(),
            path: &path,
            query: None,
        };
        settle::script(self.ground.world, question, self.ground.asker).await.map(Some)
    }

    /// The route's own answer.
    async fn settle(&mut self) -> Result<Outcome, Fault> {
        let covered = self.covered.as_ref().map_err(Clone::clone)?;
        let names: Vec<&str> = covered.names.iter().map(|name| &**name).collect();
        let question = settle::Question {
            route: covered.route,
            names: &names,
            method: &self.request.method,
            headers: &self.flow.case().req.headers,
            path: &self.request.path,
            query: self.request.query.as_ref(),
        };
        settle::settle(self.ground.world, question, None, self.ground.asker).await
    }

    /// An answer of the house, as rules see it: its body stays here.
    fn take_settled(&mut self, settled: Settled) -> Reply {
        if let Some(fault) = &settled.fault {
            self.around.ticket.fault(fault);
        }
        self.begin_time();
        let (parts, body) = settled.response.into_parts();
        self.length = parts.headers.get(CONTENT_LENGTH).cloned();
        self.answer = body;
        Reply::of_backend(parts.status.as_u16(), None, parts.version, parts.headers)
    }

    /// The time of the visit, from when something was first done for it.
    fn begin_time(&mut self) -> meter::Time {
        let route = self.covered.as_ref().ok().map(|covered| covered.route);
        let usual = self.ground.world.terms.bounds.total_timeout;
        let total = route.and_then(|route| route.total_timeout).unwrap_or(usual);
        *self.time.get_or_insert_with(|| meter::Time::begin(total))
    }

    fn judge(&mut self) -> Result<Option<BackendId>, Fault> {
        self.script = None;
        if self.flow.case().moved {
            let doorplate::Decided { method, host, path, query } =
                doorplate::reread(&self.flow.case().req, &self.request.host)?;
            self.request.method = method;
            self.request.path = path;
            self.request.query = query;
            let before = self.found.site.id;
            self.found = doorplate::site_of(&self.ground.world.rules, self.found, &host);
            let case = self.flow.case_mut();
            case.req.url = Url::Canonical(self.request.target_for_backend());
            self.covered = cover(self.found, &self.request);
            self.around.found = self.found;
            self.flow.case_mut().statuses = self.found.site.plan.statuses;
            self.ground.asker.at(self.found.site.id);
            if let Ok(covered) = &self.covered {
                self.around.stands_at(covered);
            }
            self.open(before, self.found)?;
        }
        let covered = self.covered.as_ref().map_err(Clone::clone)?;
        doorplate::access(covered.route, &self.request)?;
        let backend = covered.backend.clone()?;
        if let Some(pause) = covered.route.body_timeout {
            self.pace.set(pause);
        }
        let Around { world, ticket, .. } = &mut self.around;
        world.recorded(ticket, self.found.site.id, covered.route, &covered.names);
        Ok(backend)
    }

    /// A site that rules lead to may be closed, whoever they lead there.
    fn open(&self, before: SiteId, found: SiteRef<'_>) -> Result<(), Fault> {
        if found.site.id == before {
            return Ok(());
        }
        maintenance::open(self.ground.world, found, &self.request, self.ground.asker)
    }

    fn refuse(&mut self, fault: Fault) {
        self.around.ticket.no_route();
        self.flow.refused(fault.cause);
        self.fault = Some(fault);
    }

    /// Asks the backend. A tunnel ends the rules' part: there is no answer for them to see.
    async fn fetch(&mut self) -> Option<Departure> {
        // An answer that rules did not want: its connection is not kept waiting.
        self.answer = Body::Empty;
        let way = match self.judge_again() {
            Ok(way) => way,
            Err(fault) => {
                self.refuse(fault);
                return None;
            }
        };
        match self.ask(&way).await {
            Ok(Asked { answer, wish, time, target, told })
                if answer.upgraded.is_some() || wish.takes_page_for_tunnel(answer.head.status()) =>
            {
                let home = Home { way: &way, request: &self.request, target, told };
                match errand::bring_back(answer, &wish, &time, |parts, body| home.put_right(parts, body)) {
                    Ok(tunnel) => return Some(tunnel),
                    Err(fault) => self.unanswered(fault),
                }
            }
            Ok(Asked { answer, time, target, told, .. }) => {
                errand::answered(&answer, self.around.ticket);
                self.cookie.clone_from(&answer.cookie);
                if settle::leads_on(&answer) {
                    match Box::pin(self.follow(&answer, &time)).await {
                        Ok(settled) => {
                            let reply = self.take_settled(settled);
                            self.flow.answered(Ok(reply));
                        }
                        Err(fault) if fault.cause.status() < 500 => self.refuse(fault),
                        Err(fault) => self.unanswered(fault),
                    }
                    return None;
                }
                let route = self.covered.as_ref().ok().map(|covered| covered.route);
                if route.is_some_and(|route| rescue::replaces(route, &answer, self.ground.asker)) {
                    self.replaced(answer);
                    return None;
                }
                let (mut parts, ()) = answer.head.into_parts();
                headers::clean_answer(&mut parts.headers);
                // Before rules see it: what they write themselves stays as they wrote it.
                let home = Home { way: &way, request: &self.request, target, told };
                let body = home.put_right(&mut parts, answer.body);
                let reason = parts.extensions.get::<ReasonPhrase>();
                let reason = reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes()));
                self.length = parts.headers.get(CONTENT_LENGTH).cloned();
                self.answer = body;
                let reply = Reply::of_backend(parts.status.as_u16(), reason, parts.version, parts.headers);
                self.flow.answered(Ok(reply));
            }
            // What the visitor did is no failure of the backend, for rules to ask another.
            Err(fault) if fault.cause.status() < 500 || fault.cause == Cause::Destination => {
                self.refuse(fault);
            }
            Err(fault) => self.unanswered(fault),
        }
        None
    }

    /// The route wants our page in the place of this answer. Rules of the backend's side see its status and what is
    /// kept of its headers, and may ask again; the page is made where it is delivered.
    fn replaced(&mut self, answer: Answer) {
        let (mut parts, ()) = answer.head.into_parts();
        answer::keep_of_replaced(&mut parts.headers);
        let reply = Reply::of_backend(parts.status.as_u16(), None, parts.version, parts.headers);
        self.flow.answered(Ok(Reply { body: ReplyBody::Page, ..reply }));
        self.flow.case_mut().cause = Some(Cause::BackendError);
        self.fault = Some(answer::own_fault(parts.status));
    }

    /// What a backend hands over to an internal route: rules see the answer that takes its place.
    async fn follow(&mut self, answer: &Answer, time: &meter::Time) -> Result<Settled, Fault> {
        let spare = std::mem::take(&mut self.spare);
        let Ground { corridor, world, street, asker, .. } = self.ground;
        let ground = settle::Ground { corridor, world, found: self.found, street, asker, time };
        settle::follow(&ground, answer, &mut self.request, spare, self.around.ticket).await
    }

    fn unanswered(&mut self, fault: Fault) {
        self.flow.answered(Err(fault.cause));
        self.fault = Some(fault);
    }

    /// What rules of the backend's side made of the request must be open to this visitor too. Its path goes to the
    /// backend as the route says that covers it now: rules see paths as visitors do.
    fn judge_again(&mut self) -> Result<Way<'a>, Fault> {
        let case = self.flow.case_mut();
        let rewritten = case.sent_elsewhere;
        let Some(bereq) =
            case.bereq.as_mut().filter(|bereq| rewritten || matches!(bereq.url, Url::Written(_)))
        else {
            return Ok(match &self.covered {
                Ok(covered) => Way::of(self.found, covered.route, &covered.names, &self.request.path),
                Err(_) => Way::nowhere(self.found),
            });
        };
        let doorplate::Decided { method, host, path, query } = doorplate::reread(bereq, &self.request.host)?;
        let found = doorplate::site_of(&self.ground.world.rules, self.found, &host);
        let before = (
            std::mem::replace(&mut self.request.method, method),
            std::mem::replace(&mut self.request.path, path),
            std::mem::replace(&mut self.request.query, query),
        );
        bereq.url = Url::Canonical(self.request.target_for_backend());
        let covered = cover(found, &self.request);
        let open = self.open(self.found.site.id, found);
        let judged = open.and(covered).and_then(|covered| {
            doorplate::access(covered.route, &self.request)?;
            Ok(Way::of(found, covered.route, &covered.names, &self.request.path))
        });
        // A retry begins from what the visitor's side decided.
        (self.request.method, self.request.path, self.request.query) = before;
        judged
    }

    /// One request to the backend that rules chose.
    async fn ask(&mut self, way: &Way<'a>) -> Result<Asked<'a>, Fault> {
        let Errand { backend, question, patience, with_body } = self
            .flow
            .errand()
            .ok_or_else(|| Fault::with(Cause::Internal, "rules ask for a fetch without a backend"))?;
        let world = self.ground.world;
        let target = world.target(backend)?;
        self.around.ticket.backend(target.name());
        let route = self.covered.as_ref().ok().map(|covered| covered.route);
        let bounds = &world.terms.bounds;
        let most = route.and_then(|route| route.body_bytes_max).unwrap_or(bounds.body_bytes_max);
        let time = self.begin_time();
        let collecting = Collecting::on(route, &self.request);
        let body = if with_body { self.body.lend(most, self.around.ticket)? } else { Body::Empty };
        self.spare = settle::spare(self.found, &question.headers);
        let own = self.covered.as_ref().ok().and_then(|covered| covered.backend.clone().ok().flatten());
        let asked = [Some(backend), own];
        let asked: Vec<BackendId> = asked.into_iter().flatten().collect();
        let destination = way::judge(world, self.found, &self.request, &question.headers, &asked)?;
        let told = question.headers.get(HOST).filter(|host| **host != self.request.host.header()).cloned();
        let (mut errand, wish) = errand::compose_ruled(&self.request, question, body, way)?;
        if with_body && !self.body.collected && collecting.takes(errand.body(), errand.headers()) {
            let body = std::mem::take(errand.body_mut());
            let (hints, buffers) = (self.hints.as_ref(), &world.buffers);
            let form = collecting.collect(body, errand.headers_mut(), hints, &time, buffers).await?;
            *errand.body_mut() = self.body.gathered(form);
        }
        let street = self.ground.street;
        let script = self.script(target, &errand).await?;
        let ticket = &mut *self.around.ticket;
        let seen = &self.ground.corridor.scripts;
        errand::find_script(&mut errand, target, (route, script), &self.request, street, ticket, seen)?;
        let corridor = self.ground.corridor;
        let bearer = Bearer {
            request: &self.request,
            world,
            introductions: &corridor.introductions,
            destination: destination.as_ref(),
        };
        let passage = Passage {
            hints: self.hints.clone(),
            waits: waiting(patience),
            introduce: &|backend, headers| bearer.introduce(backend, headers),
            client: self.request.client,
            secure: self.request.secure,
        };
        let sending = pin!(corridor.pool.ask(target, errand, passage));
        let answer = time.within(sending).await?;
        Ok(Asked { answer, wish, time, target, told })
    }

    /// The answer as rules left it.
    fn deliver(self) -> Result<Departure, Fault> {
        let Self { ground, flow, around, fault, answer, length, cookie, time, request, covered, .. } = self;
        let case = flow.into_case();
        if let Some(fault) = &around.fault {
            around.ticket.fault(fault);
        }
        if let Some(cause) = case.cause {
            let fault = fault.filter(|fault| fault.cause == cause);
            around.ticket.fault(&fault.unwrap_or(Fault::new(cause)));
        }
        let reply = case.resp.ok_or_else(|| Fault::with(Cause::Internal, "rules deliver nothing"))?;
        let status = StatusCode::from_u16(reply.status).ok().filter(|status| status.as_u16() >= 200);
        let status = status.ok_or_else(|| {
            Fault::with(
                Cause::RuleFault,
                format!("rules answer with the status {}, which is none", reply.status),
            )
        })?;
        if status.is_success() && request.upgrade.as_ref().is_some_and(|upgrade| upgrade.extended) {
            // To who asked for a tunnel it would be one.
            return Err(Fault::with(Cause::RuleFault, "rules answer a WebSocket with a page"));
        }
        let Reply { reason, mut headers, body, .. } = reply;
        headers::clean_answer(&mut headers);
        headers.remove(CONTENT_LENGTH);
        let told = reason.as_deref();
        let mut response = match body {
            ReplyBody::Backend => {
                let limited = time.as_ref().map_or(Body::Empty, |time| time.limit(answer));
                if let Some(length) = length {
                    headers.insert(CONTENT_LENGTH, length);
                }
                let mut response = Response::new(limited);
                *response.headers_mut() = headers;
                response
            }
            ReplyBody::Text(text) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
                let mut response =
                    Response::new(if ground.asker.head_only() { Body::Empty } else { Body::full(text) });
                *response.headers_mut() = headers;
                response
            }
            ReplyBody::Page => {
                let told = told.map(String::from_utf8_lossy);
                rescue::ruled_with(status, told.as_deref(), case.cause, headers, ground.asker)
            }
        };
        *response.status_mut() = status;
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            *response.body_mut() = Body::Empty;
            if status == StatusCode::NO_CONTENT {
                response.headers_mut().remove(CONTENT_LENGTH);
            }
        }
        if let Some(cookie) = cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        if let Some(reason) = told.and_then(|told| ReasonPhrase::try_from(told).ok()) {
            response.extensions_mut().insert(reason);
        }
        let route = covered.as_ref().ok().map(|covered| covered.route);
        let time = time.unwrap_or_else(|| meter::Time::begin(Duration::ZERO));
        Ok(Departure::answer(drain::drained(response, route, &time, &ground.world.buffers)))
    }
}

fn cover<'w>(found: SiteRef<'w>, request: &Request) -> Result<Covered<'w>, Fault> {
    let covered = doorplate::route(found, request)?;
    let names = covered.names.values().iter().map(|name| (*name).into()).collect();
    let ours = covered.route.answers.is_ours();
    let backend = if ours { Ok(None) } else { doorplate::backend(&covered).map(Some) };
    Ok(Covered { route: covered.route, backend, names })
}

fn chosen(backend: Option<BackendId>) -> Choice {
    backend.map_or(Choice::None, Choice::Backend)
}

/// A wait that no visit lives to see the end of.
const FOREVER: Duration = Duration::from_secs(366 * 86_400);

/// How long the backend may take where rules say so.
fn waiting(said: crate::rules::case::Patience) -> Waits {
    Waits {
        connect: wait(said.connect),
        first_byte: wait(said.first_byte),
        between_bytes: wait(said.between_bytes),
    }
}

/// `0s` in a rule is no limit of its own: what was declared holds, as in Varnish.
fn wait(said: Option<f64>) -> Option<Duration> {
    let seconds = said.filter(|seconds| *seconds > 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).map_or(FOREVER, |said| said.min(FOREVER)))
}

/// The visitor's body, lent to one request after the other until one of them has taken something of it.
struct Loan {
    /// Empty from the start: there is nothing to lend, as often as one likes.
    none: bool,
    /// It was read before anybody was asked.
    collected: bool,
    lent: Option<Lent>,
    body: Option<Body>,
}

impl Loan {
    fn new(body: Body) -> Self {
        Self { none: body.is_end_stream(), collected: false, lent: None, body: Some(body) }
    }

    /// What was read of it before anybody was asked: nobody has taken anything yet.
    fn gathered(&mut self, form: Body) -> Body {
        self.collected = true;
        let lent = self.lent.insert(Lent::new(form));
        lent.lend().unwrap_or_default()
    }

    fn lend(&mut self, most: u64, ticket: &mut Ticket) -> Result<Body, Fault> {
        if self.none {
            return Ok(Body::Empty);
        }
        if let Some(body) = self.body.take() {
            let body = meter::capped(ticket.upload(body), most)?;
            self.lent = Some(Lent::new(body));
        }
        self.lent.as_ref().and_then(Lent::lend).ok_or_else(|| {
            Fault::with(
                Cause::RuleFault,
                "the body of the request was sent to a backend already, and can't be sent again",
            )
        })
    }
}

/// The world as rules see it.
struct Around<'a> {
    world: &'a World,
    book: &'a Rulebook,
    street: &'a Street,
    /// Our own end, as text, once a rule has asked for it.
    listener: OnceCell<String>,
    ticket: &'a mut Ticket,
    found: SiteRef<'a>,
    route: Option<(&'a Route, Vec<Box<str>>)>,
    /// The first thing a rule did wrong.
    fault: Option<Fault>,
}

impl<'a> Around<'a> {
    fn stands_at(&mut self, covered: &Covered<'a>) {
        self.route = Some((covered.route, covered.names.clone()));
    }

    fn target(&self, id: BackendId) -> Option<&Target> {
        self.world.targets.get(id.0)
    }
}

impl Surroundings for Around<'_> {
    fn now(&self) -> f64 {
        seconds()
    }

    fn random(&mut self) -> f64 {
        random::fraction()
    }

    fn healthy(&self, backend: BackendId) -> bool {
        self.target(backend).is_some_and(Target::healthy)
    }

    fn sickness(&self, backend: BackendId) -> Cause {
        self.target(backend).map_or(Cause::Unhealthy, Target::sickness)
    }

    fn changed(&self, backend: BackendId) -> f64 {
        let since = self.target(backend).and_then(Target::changed);
        since.map_or(0.0, Wall::as_seconds)
    }

    fn connections(&self, backend: BackendId) -> u64 {
        self.target(backend).map_or(0, Target::in_flight)
    }

    fn site(&self) -> &str {
        &self.found.site.plan.name
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or("", |(route, _)| &route.path)
    }

    fn hostname(&self) -> &str {
        &self.book.hostname
    }

    fn listener(&self) -> &str {
        self.listener.get_or_init(|| self.street.local.to_string())
    }

    fn tls_name(&self) -> Option<&str> {
        self.street.secure.as_ref()?.name.as_deref()
    }

    fn named(&self, name: &str) -> Option<&str> {
        let (route, values) = self.route.as_ref()?;
        let at = route.names.iter().position(|known| **known == *name)?;
        values.get(at).map(|value| &**value)
    }

    fn log(&mut self, line: &[u8]) {
        self.ticket.remark(line);
    }

    fn fault(&mut self, fault: &RuleFault) {
        if self.fault.is_none() {
            self.fault = Some(self.book.explain(fault));
        }
    }
}

/// Now, in seconds since 1970.
fn seconds() -> f64 {
    clock::wall().as_seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_waits_as_long_as_it_says_or_as_was_declared() {
        for (said, waits) in [
            (None, None),
            (Some(0.0), None),
            (Some(-1.0), None),
            (Some(f64::NAN), None),
            (Some(0.25), Some(Duration::from_millis(250))),
            (Some(1e300), Some(FOREVER)),
            (Some(f64::INFINITY), Some(FOREVER)),
        ] {
            assert_eq!(wait(said), waits, "{said:?}");
        }
    }
}
