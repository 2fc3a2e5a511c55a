//! What would become of a request: the corridor's way without its network. The request is read, its site and
//! route are found, the rules are run and access is judged by the very code that serves; only backends, time,
//! health and chance are what a play says they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use super::asked::Asked;
use super::decision::{Decision, Handling, Kind, Sent, Step};
use super::gateway::{Gateway, changed};
use super::script::{Given, Played, Scripted};
use super::tell;
use crate::answer::{self, Ask, Taste};
use crate::base::address::{ClientIp, PseudonymKey};
use crate::base::amount::write_size;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::base::random::RequestId;
use crate::files;
use crate::language::program::{Choice, Mark};
use crate::language::vocabulary::{Action, Phase};
use crate::message::destination::DESTINATION;
use crate::message::exchange::Secure;
use crate::message::forwarded::Introduction;
use crate::message::path::Query;
use crate::message::request::Upgrade;
use crate::message::{Body, Request, SitePath, Street, headers};
use crate::plan::{Answers, BackendId, Route, SiteId, VisitorAddress};
use crate::record::LogConfig;
use crate::rules::case::{Case, Question, Reply, ReplyBody, Url};
use crate::rules::doorplate::Decided;
use crate::rules::flow::{Flow, Next};
use crate::rules::handover::{self, Handover};
use crate::rules::machine::{RuleFault, Surroundings, Verdict};
use crate::rules::way::{destination, destination_told, place_told};
use crate::rules::{Rules, SiteRef, Way, doorplate};
use crate::script::{self, Script};
use crate::upstream::{self, Protocol};

/// Noon of the first day of 2026, where a play names no time.
pub const SOME_TIME: f64 = 1_767_268_800.0;
/// Rounds between the rules and whoever drives them, for one request; restarts and retries are bounded below.
const TURNS_MAX: usize = 100;
/// Steps that are told of one request.
const STEPS_MAX: usize = 2_000;

/// A gateway in a play: its rules started, its directors where the last request left them.
pub struct Stage<'g> {
    pub gateway: &'g Gateway,
    rules: Option<Rules>,
    /// The rules that ran in `vcl_init`.
    begun: BTreeSet<Mark>,
    asked: u64,
}

/// What a run of rules meets.
struct World<'s> {
    gateway: &'s Gateway,
    now: f64,
    chance: u64,
    backends: BTreeMap<BackendId, Part>,
    /// The site that the visitor named, by its number.
    asked: Option<usize>,
    /// The site that answers for it: rules may have led it to another.
    speaker: Option<usize>,
    site: String,
    route: String,
    names: Vec<(String, String)>,
    decision: Decision,
    phase: Option<Phase>,
    /// The rule that was told of last, and its line: an `if` and its question are one step.
    last: Option<(String, usize, String)>,
}

/// How a backend plays.
#[derive(Clone, Debug, Default)]
struct Part {
    sick: bool,
    answer: Option<Result<Scripted, Cause>>,
}

impl Surroundings for World<'_> {
    fn now(&self) -> f64 {
        self.now
    }

    /// The same numbers for the same seed, everywhere (splitmix64).
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    fn random(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn healthy(&self, backend: BackendId) -> bool {
        let sick = self.backends.get(&backend).is_some_and(|part| part.sick);
        let members = self.members(backend);
        !sick && (members.is_empty() || members.iter().any(|member| self.healthy(*member)))
    }

    fn sickness(&self, backend: BackendId) -> Cause {
        if self.members(backend).len() > 1 { Cause::NoneHealthy } else { Cause::Unhealthy }
    }

    fn site(&self) -> &str {
        &self.site
    }

    fn route(&self) -> &str {
        &self.route
    }

    fn named(&self, name: &str) -> Option<&str> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn log(&mut self, line: &[u8]) {
        let line = tell::plain(&String::from_utf8_lossy(line));
        self.tell(Kind::Log, line.clone(), None);
        self.decision.logged.push(line);
    }

    fn fault(&mut self, fault: &RuleFault) {
        let place = fault.mark.and_then(|mark| self.gateway.mark(mark));
        self.tell(Kind::Fault, fault.text.to_string(), place);
    }

    fn listens(&self) -> bool {
        true
    }

    fn mark(&mut self, mark: Mark) {
        self.decision.marks.insert(mark);
        if self.decision.way.len() < STEPS_MAX {
            self.decision.way.push(mark);
        }
        let Some(place) = self.gateway.telling(mark) else { return };
        // The question of an `if` has a mark beside that of the statement.
        let told = (place.file.clone(), place.line, place.source.clone());
        if self.last.as_ref() == Some(&told) {
            return;
        }
        let text = self.phase.map_or("", Phase::sub).to_owned();
        self.tell(Kind::Rule, text, Some(place));
        self.last = Some(told);
    }

    fn entered(&mut self, phase: Phase) {
        self.phase = Some(phase);
        self.last = None;
    }

    fn left(&mut self, phase: Phase, verdict: &Verdict) {
        self.phase = None;
        match (phase, verdict) {
            (Phase::Recv | Phase::Miss, Verdict::To(Action::Pass)) => self.decision.handling = Handling::Pass,
            (Phase::Recv, Verdict::To(Action::Pipe)) => self.decision.handling = Handling::Pipe,
            (Phase::Recv, Verdict::To(Action::Purge)) => self.decision.handling = Handling::Purge,
            (Phase::Recv, _) => self.decision.handling = Handling::Lookup,
            (Phase::Synth, _) => self.decision.handling = Handling::Synth,
            _ => {}
        }
    }
}

impl<'s> World<'s> {
    fn tell(&mut self, kind: Kind, text: impl Into<String>, place: Option<super::decision::Spot>) {
        if self.decision.steps.len() < STEPS_MAX {
            self.decision.step(kind, text, place);
        }
    }

    fn below(&mut self, lines: Vec<String>) {
        if let Some(step) = self.decision.steps.last_mut() {
            step.below = lines;
        }
    }

    /// The members of a director; a backend has none.
    fn members(&self, id: BackendId) -> Vec<BackendId> {
        let director = self.gateway.settings.director(id);
        let names = director.iter().flat_map(|director| &director.members);
        names.filter_map(|(name, _)| self.gateway.backend_by_name(name)).collect()
    }

    /// Who of a director speaks for it in a play: the first member that is well. Which one it would be is chance,
    /// or what is going on at the time.
    fn speaker(&self, id: BackendId) -> BackendId {
        let members = self.members(id);
        let well = members.iter().find(|member| self.healthy(**member));
        well.or(members.first()).copied().unwrap_or(id)
    }

    /// The `Host` that a backend is always told.
    fn host_header(&self, id: BackendId) -> Option<HeaderValue> {
        self.gateway.settings.backends.get(self.speaker(id).0)?.host_header.as_deref()?.parse().ok()
    }

    /// Rules led the request elsewhere.
    fn rewritten(&mut self, method: &Method, found: SiteRef<'_>, target: &str) {
        let text = format!("{method} {}{}", found.site.plan.name, tell::plain(target));
        self.tell(Kind::Rewrite, text, None);
    }

    /// A destination as its backend gets it.
    fn tell_destination(&self, id: BackendId, headers: &mut HeaderMap, target: Option<&PathAndQuery>) {
        let speaker = self.gateway.settings.backends.get(self.speaker(id).0);
        let tls = speaker.is_some_and(|backend| backend.tls.is_some());
        let told =
            target.zip(headers.get(HOST)).and_then(|(target, host)| destination_told(tls, host, target));
        if let Some(told) = told {
            headers.insert(DESTINATION, told);
        }
    }

    /// What a backend answered, as the corridor hands it on.
    fn brought_home(
        &self,
        way: &Way<'_>,
        request: &Request,
        (asked, told): (BackendId, Option<&HeaderValue>),
        scripted: Scripted,
    ) -> (u16, HeaderMap, Bytes) {
        let Scripted { status, headers, body } = scripted;
        let mut answer = Response::new(());
        *answer.headers_mut() = headers;
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        let (mut parts, ()) = answer.into_parts();
        headers::clean_answer(&mut parts.headers);
        let mut servers = self.members(asked);
        if servers.is_empty() {
            servers.push(asked);
        }
        let backends = &self.gateway.settings.backends;
        let servers = || servers.iter().filter_map(|id| backends.get(id.0));
        let places = || {
            let tls = servers().any(|backend| backend.tls.is_some());
            let told = told.and_then(|told| place_told(told, tls));
            servers().flat_map(upstream::Config::places).chain(told).collect()
        };
        let body = way.put_right(request, places, &mut parts, Body::full(body));
        (status, parts.headers, body.at_once())
    }

    fn backend(&self, id: BackendId) -> Result<Scripted, Cause> {
        if !self.healthy(id) {
            return Err(self.sickness(id));
        }
        let scripted = |id: BackendId| self.backends.get(&id).and_then(|part| part.answer.clone());
        if let Some(own) = scripted(id) {
            return own;
        }
        let members = self.members(id);
        let mut failed = None;
        for member in members.iter().filter(|member| self.healthy(**member)) {
            match scripted(*member).unwrap_or_else(|| Ok(Scripted::default())) {
                Ok(answer) => return Ok(answer),
                Err(cause) => failed = Some(if members.len() > 1 { Cause::AllFailed } else { cause }),
            }
        }
        failed.map_or_else(|| Ok(Scripted::default()), Err)
    }

    /// Whether a play says what it answers.
    fn is_scripted(&self, id: BackendId) -> bool {
        let said = |id: &BackendId| self.backends.get(id).is_some_and(|part| part.answer.is_some());
        said(&id) || self.members(id).iter().any(said)
    }

    /// A backend's answer led to an internal route.
    fn handed_to(&mut self, found: SiteRef<'_>, route: &Route) {
        let at = found.site.plan.routes.iter().position(|known| std::ptr::eq(known, route));
        self.decision.handed = at.map(|at| (found.site.id.0, at));
    }

    /// The log of the site that was asked, which gets the line of whoever is admitted to no route with one of
    /// its own. It is given back where the site names it.
    fn record_at_site(&mut self) -> Option<&'s LogConfig> {
        let gateway: &'s Gateway = self.gateway;
        let settings = &gateway.settings;
        let site = settings.sites.get(self.asked?)?;
        let named = settings.logs.iter().find(|log| site.log.as_ref() == Some(&log.name));
        let [visits, _] = named.unwrap_or(&settings.default_log).files(&settings.gateway.state, &site.name);
        self.decision.record = Some(visits.path("{day}", "").display().to_string());
        named
    }

    /// What is sent must not be larger than the route takes.
    fn fits(&self, route: Option<&Route>, asked: &Asked) -> Result<(), Fault> {
        let most = route.and_then(|route| route.body_bytes_max);
        let most = most.unwrap_or(self.gateway.settings.gateway.bounds.body_bytes_max);
        if most == 0 || asked.body_bytes() <= most {
            return Ok(());
        }
        Err(Fault::with(Cause::BodyTooLarge, format!("the body is larger than {}", write_size(most))))
    }

    /// An answer of the gateway itself.
    fn answer(&mut self, response: Response<Body>) {
        let (parts, body) = response.into_parts();
        let answer = &mut self.decision.answer;
        answer.status = parts.status.as_u16();
        answer.headers = parts.headers;
        answer.body = whole(body);
    }

    /// The site speaks, once it is known.
    fn voiced<'a>(&self, ask: &Ask<'a>) -> Ask<'a>
    where
        's: 'a,
    {
        let gateway: &'s Gateway = self.gateway;
        let voice = self.speaker.and_then(|at| gateway.voices.get(at)).unwrap_or(ask.voice);
        Ask { voice, ..ask.clone() }
    }

    fn refuse(&mut self, fault: &Fault, ask: &Ask<'_>) {
        self.decision.cause = Some(fault.cause);
        self.answer(answer::fault(fault.cause, &self.voiced(ask)));
        self.tell(Kind::Fault, format!("{}: {}", fault.cause.name(), fault.detail()), None);
    }
}

impl<'g> Stage<'g> {
    /// Starts the rules (`vcl_init`). The error is a sentence: rules that refuse to start.
    pub fn new(gateway: &'g Gateway, given: &Given) -> Result<Self, String> {
        let mut world = World::new(gateway, given, 0);
        let rules = gateway.program().map(|program| {
            let backends = gateway.settings.backend_names().map(Into::into).collect();
            let networks = gateway.settings.networks.clone();
            Rules::start(Arc::clone(program), networks, backends, &mut world)
        });
        let rules = rules.transpose().map_err(|fault| {
            let place = fault.mark.and_then(|mark| gateway.mark(mark));
            let place = place.map(|place| format!(" ({}:{})", place.file, place.line)).unwrap_or_default();
            format!("the rules do not start: {}{place}", fault.text)
        })?;
        Ok(Self { gateway, rules, begun: world.decision.marks, asked: 0 })
    }

    /// The rules that ran before anybody asked.
    pub fn begun(&self) -> &BTreeSet<Mark> {
        &self.begun
    }

    /// What becomes of one request. The next one meets the directors where this one leaves them.
    pub fn decide(&mut self, asked: &Asked, given: &Given) -> Decision {
        self.asked += 1;
        let mut world = World::new(self.gateway, given, self.asked);
        let id = RequestId::imagined(self.asked);
        let host = self.gateway.only_site().unwrap_or_default();
        let taste = Taste::of(&asked.method, &asked.headers);
        let typed = asked.target.host.as_deref().unwrap_or(host).to_owned();
        let ask = Ask {
            form: taste.form(),
            languages: taste.languages(),
            site_name: (!typed.is_empty()).then_some(&*typed),
            method_head: asked.method == http::Method::HEAD,
            ..Ask::blind(id)
        };
        match asked.admit(id, host, &self.gateway.settings.gateway.trusted) {
            Ok(request) => {
                if let Err(fault) = self.walk(request, asked, &mut world, &ask) {
                    world.refuse(&fault, &ask);
                }
            }
            Err(fault) => world.refuse(&fault, &ask),
        }
        let answer = &mut world.decision.answer;
        if asked.method == Method::HEAD || matches!(answer.status, 204 | 304) {
            answer.body = Bytes::new();
        }
        let ending = world.decision.ending();
        if world.decision.sent.is_empty() {
            world.decision.way_to_backend = world.decision.way.len();
        }
        world.decision.steps.push(Step { kind: Kind::End, text: ending, place: None, below: Vec::new() });
        world.decision
    }

    /// The corridor's walk.
    fn walk(
        &self,
        mut request: Request,
        asked: &Asked,
        world: &mut World<'g>,
        ask: &Ask<'_>,
    ) -> Result<(), Fault> {
        let gateway = self.gateway;
        let found = gateway.table.site(request.host.name()).ok_or_else(|| {
            Fault::with(Cause::Misdirected, format!("no site is called {}", request.host.name()))
        })?;
        let number = found.site.id.0;
        let name = &found.site.plan.name;
        world.asked = Some(number);
        world.speaker = Some(number);
        world.record_at_site();
        world.site = name.to_string();
        world.decision.site = Some(name.clone());
        let place = gateway.settings.places.site(number).and_then(|span| gateway.spot(span));
        let text = if found.by_alias {
            format!("{} is another name of {name}", request.host.name())
        } else {
            name.to_string()
        };
        world.tell(Kind::Site, text, place);
        doorplate::maintenance(found, &request)?;
        if let Some(location) = doorplate::elsewhere(found, &request, gateway.https_port()) {
            let why = match (found.by_alias, request.secure) {
                (true, true) => "the site has one name",
                (true, false) => "the site has one name, and is served by https",
                (false, _) => "the site is served by https",
            };
            world.tell(Kind::Redirect, format!("{location}, since {why}"), None);
            world.answer(answer::redirect(StatusCode::MOVED_PERMANENTLY, &location, &world.voiced(ask)));
            return Ok(());
        }
        match &self.rules {
            None => {
                let door = look_up(world, found, &request)?;
                let backend = admit(world, &door, &request)?;
                world.fits(Some(door.route), asked)?;
                let runs = || Some(among_files(door.route, &request.path)?.0);
                if let Some(backend) = backend.or_else(runs) {
                    let way = Way::of(found, door.route, &door.names, &request.path);
                    let destination =
                        judge_destination(world, found, &request, &request.headers, &[backend])?;
                    let road = (door.route, backend, &way, destination);
                    Self::plain(&mut request, road, found, world, ask)?;
                } else {
                    world.decision.handling = Handling::Lookup;
                    let response = settle(world, door.route, &request, ask)?;
                    world.answer(response);
                }
                Ok(())
            }
            Some(rules) => Self::ruled(rules, request, asked, found, world, ask),
        }
    }

    /// Without rules: the route's backend is asked, and its answer is the answer.
    fn plain(
        request: &mut Request,
        (route, backend, way, destination): (&Route, BackendId, &Way<'_>, Option<PathAndQuery>),
        found: SiteRef<'_>,
        world: &mut World<'_>,
        ask: &Ask<'_>,
    ) -> Result<(), Fault> {
        world.decision.handling = Handling::Lookup;
        let before = request.headers.clone();
        let mut headers = std::mem::take(&mut request.headers);
        let own = world.host_header(backend);
        headers.insert(HOST, own.unwrap_or_else(|| request.host.header()));
        ask_to_switch(&mut headers, request.upgrade.as_ref());
        way.prepare(&mut headers);
        world.tell_destination(backend, &mut headers, destination.as_ref());
        let url = way.target(&request.path, request.query.as_ref())?.to_string();
        let method = request.method.clone();
        let script = to_run(world, backend, Some(route), &url)?;
        match send(world, backend, (method, url, headers), request, &before, script) {
            Ok(scripted) if handover::is_one(&scripted.headers) => {
                let response = follow(world, found, &scripted.headers, request, ask)?;
                world.answer(response);
            }
            Ok(scripted) => {
                if let Some(status) = instead_of(route, scripted.status, ask) {
                    let Scripted { mut headers, .. } = scripted;
                    world.decision.cause = Some(Cause::BackendError);
                    answer::keep_of_replaced(&mut headers);
                    world.answer(answer::replaced(status, headers, &world.voiced(ask)));
                    return Ok(());
                }
                let (status, headers, body) = world.brought_home(way, request, (backend, None), scripted);
                world.decision.answer = super::decision::Answer { status, reason: None, headers, body };
            }
            Err(cause) => {
                world.decision.cause = Some(cause);
                world.answer(answer::fault(cause, &world.voiced(ask)));
            }
        }
        Ok(())
    }

    /// With rules: they say where it goes, what is sent and what comes back.
    fn ruled(
        rules: &Rules,
        mut request: Request,
        asked: &Asked,
        mut found: SiteRef<'g>,
        world: &mut World<'g>,
        ask: &Ask<'_>,
    ) -> Result<(), Fault> {
        let gateway = world.gateway;
        doorplate::not_ours(&request.path)?;
        // Rules may still lead to a route where there is none.
        let mut door = look_up(world, found, &request);
        let before = request.headers.clone();
        let mut case = Case::of(&mut request, &street(asked), world.now);
        if let Some(upgrade) = &request.upgrade {
            case.req.headers.insert(UPGRADE, upgrade.protocol.clone());
        }
        let default = door.as_ref().ok().and_then(|door| door.backend);
        case.default = default.map_or(Choice::None, Choice::Backend);
        case.statuses = found.site.plan.statuses;
        let mut flow = Flow::begin(rules, case);
        // A backend has taken something of the body: it can't be sent again.
        let mut taken = false;
        for _ in 0..TURNS_MAX {
            match flow.next(world) {
                Next::Route => {
                    let judged = if flow.case().moved {
                        doorplate::reread(&flow.case().req, &request.host).and_then(|decided| {
                            let Decided { method, host: written, path, query } = decided;
                            (request.method, request.path, request.query) = (method, path, query);
                            let before = found.site.id;
                            found = doorplate::site_of(&gateway.table, found, &written);
                            let target = request.target_for_backend();
                            world.rewritten(&request.method, found, target.as_str());
                            flow.case_mut().req.url = Url::Canonical(target);
                            flow.case_mut().statuses = found.site.plan.statuses;
                            world.speaker = Some(found.site.id.0);
                            door = look_up(world, found, &request);
                            open(before, found, &request)?;
                            admit(world, door.as_ref().map_err(Clone::clone)?, &request)
                        })
                    } else {
                        door.as_ref().map_err(Clone::clone).and_then(|door| admit(world, door, &request))
                    };
                    let runs = |door: &Door<'_>| Some(among_files(door.route, &request.path)?.0);
                    let judged = match (judged, &door) {
                        (Ok(None), Ok(door)) if flow.takes_settled() && runs(door).is_some() => {
                            Ok(runs(door))
                        }
                        (Ok(None), Ok(door)) if flow.takes_settled() => {
                            match settle(world, door.route, &request, ask) {
                                Ok(response) => {
                                    let (parts, body) = response.into_parts();
                                    world.decision.answer.body = whole(body);
                                    let status = parts.status.as_u16();
                                    flow.settled(Reply::of_backend(
                                        status,
                                        None,
                                        parts.version,
                                        parts.headers,
                                    ));
                                    continue;
                                }
                                Err(fault) => Err(fault),
                            }
                        }
                        (judged, _) => judged,
                    };
                    match judged {
                        Ok(backend) => flow.routed(backend.map_or(Choice::None, Choice::Backend)),
                        Err(fault) => refused(world, &mut flow, &fault),
                    }
                }
                next @ (Next::Fetch | Next::Pipe) => {
                    if matches!(next, Next::Pipe) {
                        world.decision.handling = Handling::Pipe;
                    }
                    let way = match judge_again(world, &mut flow, found, door.as_ref().ok(), &mut request) {
                        Ok(way) => way,
                        Err(fault) => {
                            refused(world, &mut flow, &fault);
                            continue;
                        }
                    };
                    let errand = flow.errand();
                    let Some(errand) = errand else {
                        return Err(Fault::with(Cause::Internal, "rules ask for a fetch without a backend"));
                    };
                    let route = door.as_ref().ok().map(|door| door.route);
                    let with_body = errand.with_body && asked.body_bytes() > 0;
                    if with_body && taken {
                        let text = "the body was sent to a backend already, and can't be sent again";
                        world.tell(Kind::Fault, text, None);
                        flow.answered(Err(Cause::RuleFault));
                        continue;
                    }
                    if with_body && let Err(fault) = world.fits(route, asked) {
                        refused(world, &mut flow, &fault);
                        continue;
                    }
                    let Question { method, url, mut headers, .. } = errand.question;
                    let own = door.as_ref().ok().and_then(|door| door.backend);
                    let meant: Vec<BackendId> = [Some(errand.backend), own].into_iter().flatten().collect();
                    let destination = match judge_destination(world, found, &request, &headers, &meant) {
                        Ok(destination) => destination,
                        Err(fault) => {
                            refused(world, &mut flow, &fault);
                            continue;
                        }
                    };
                    let own = world.host_header(errand.backend);
                    let typed = request.host.header();
                    let told = headers.get(HOST).filter(|host| **host != typed).cloned();
                    let sent_host = doorplate::host_sent(&headers, typed, own.as_ref());
                    let upgrade = request.upgrade.clone().filter(|_| headers.contains_key(UPGRADE));
                    headers::clean_ruled(&mut headers, &method);
                    ask_to_switch(&mut headers, upgrade.as_ref());
                    headers.remove(CONTENT_LENGTH);
                    if with_body {
                        headers.insert(CONTENT_LENGTH, HeaderValue::from(asked.body_bytes()));
                    }
                    headers.insert(HOST, sent_host);
                    way.prepare(&mut headers);
                    world.tell_destination(errand.backend, &mut headers, destination.as_ref());
                    let head_only = method == Method::HEAD;
                    let url = match url {
                        Url::Canonical(target) => way.ruled_target(target)?.to_string(),
                        Url::Written(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    };
                    let script = match to_run(world, errand.backend, route, &url) {
                        Ok(script) => script,
                        Err(fault) => {
                            refused(world, &mut flow, &fault);
                            continue;
                        }
                    };
                    let sent = (method, url, headers);
                    let answer = send(world, errand.backend, sent, &request, &before, script);
                    taken |= with_body && answer.as_ref().map_or_else(|cause| reached(*cause), |_| true);
                    if let Ok(scripted) = &answer
                        && handover::is_one(&scripted.headers)
                    {
                        match follow(world, found, &scripted.headers, &request, ask) {
                            Ok(response) => {
                                let (parts, body) = response.into_parts();
                                world.decision.answer.body = whole(body);
                                let status = parts.status.as_u16();
                                flow.answered(Ok(Reply::of_backend(
                                    status,
                                    None,
                                    parts.version,
                                    parts.headers,
                                )));
                            }
                            Err(fault) if fault.cause.status() < 500 => refused(world, &mut flow, &fault),
                            Err(fault) => {
                                let text = format!("{}: {}", fault.cause.name(), fault.detail());
                                world.tell(Kind::Fault, text, None);
                                flow.answered(Err(fault.cause));
                            }
                        }
                        continue;
                    }
                    let replaced = route.zip(answer.as_ref().ok());
                    let replaced =
                        replaced.and_then(|(route, scripted)| instead_of(route, scripted.status, ask));
                    flow.answered(answer.map(|scripted| {
                        if replaced.is_some() {
                            let Scripted { status, mut headers, .. } = scripted;
                            answer::keep_of_replaced(&mut headers);
                            let reply = Reply::of_backend(status, None, Version::HTTP_11, headers);
                            return Reply { body: ReplyBody::Page, ..reply };
                        }
                        let asked = (errand.backend, told.as_ref());
                        let (status, headers, body) = world.brought_home(&way, &request, asked, scripted);
                        world.decision.answer.body = if head_only { Bytes::new() } else { body };
                        Reply::of_backend(status, None, Version::HTTP_11, headers)
                    }));
                    if replaced.is_some() {
                        flow.case_mut().cause = Some(Cause::BackendError);
                    }
                }
                Next::Deliver => return deliver(world, flow.into_case(), ask),
                Next::Fail(fault) => {
                    let place = fault.mark.and_then(|mark| gateway.mark(mark));
                    world.tell(Kind::Fault, fault.text.to_string(), place);
                    return Err(Fault::with(Cause::RuleFault, "a rule can't go on"));
                }
            }
        }
        Err(Fault::with(Cause::Internal, "the rules come to no end"))
    }
}

/// The status of an answer that our page takes the place of.
fn instead_of(route: &Route, status: u16, ask: &Ask<'_>) -> Option<StatusCode> {
    StatusCode::from_u16(status).ok().filter(|status| answer::replaces(route, *status, ask.form))
}

fn whole(body: Body) -> Bytes {
    match body {
        Body::Full(bytes) => bytes,
        _ => Bytes::new(),
    }
}

/// What a backend hands over to an internal route.
fn follow(
    world: &mut World<'_>,
    found: SiteRef<'_>,
    answer: &HeaderMap,
    request: &Request,
    ask: &Ask<'_>,
) -> Result<Response<Body>, Fault> {
    let method = if request.method == Method::HEAD { Method::HEAD } else { Method::GET };
    let mut response = match handover::read(answer)? {
        Handover::Address(path, query) => {
            let covered = handover::route(found, &path)?;
            let names = covered.names.values();
            world.handed_to(found, covered.route);
            world.tell(Kind::Rewrite, format!("{} is internal", tell::plain(path.as_str())), None);
            let runs = among_files(covered.route, &path).map(|(backend, _)| backend);
            if covered.route.answers.is_ours() && runs.is_none() {
                own(world, covered.route, names, (&method, &path, query.as_ref()), ask)?
            } else {
                let backend = runs.map_or_else(|| doorplate::backend(&covered), Ok)?;
                let way = Way::of(found, covered.route, names, &path);
                let url = way.target(&path, query.as_ref())?.to_string();
                let before = HeaderMap::new();
                let script = to_run(world, backend, Some(covered.route), &url)?;
                match send(world, backend, (method, url, HeaderMap::new()), request, &before, script) {
                    Ok(next) if handover::is_one(&next.headers) => return Err(handover::again()),
                    Ok(Scripted { status, mut headers, body }) => {
                        headers::clean_answer(&mut headers);
                        let mut response = Response::new(Body::full(body));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                        *response.headers_mut() = headers;
                        response
                    }
                    Err(cause) => return Err(cause.into()),
                }
            }
        }
        Handover::File(file) => {
            let (route, folder, below) = handover::file(found, &file, |id| world.gateway.folder(id))?;
            world.handed_to(found, route);
            let told = format!("files {}", folder.root.display());
            world.tell(
                Kind::Answer,
                format!("{told}: /{}, assumed: no disk is read", tell::plain(below)),
                None,
            );
            world.decision.own = Some(told);
            let mut response = Response::new(Body::Empty);
            *response.headers_mut() = files::assumed(folder, below);
            response
        }
    };
    for name in handover::KEPT.iter().filter(|name| answer.contains_key(*name)) {
        response.headers_mut().remove(name);
        for value in answer.get_all(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    Ok(response)
}

/// What the house answers by itself.
fn settle(
    world: &mut World<'_>,
    route: &Route,
    request: &Request,
    ask: &Ask<'_>,
) -> Result<Response<Body>, Fault> {
    let names: Vec<String> = world.names.iter().map(|(_, value)| value.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    own(world, route, &names, (&request.method, &request.path, request.query.as_ref()), ask)
}

/// The same, for a path that may be another one than the visitor's. No disk is read in a play: each file is there.
fn own(
    world: &mut World<'_>,
    route: &Route,
    names: &[&str],
    (method, path, query): (&Method, &SitePath, Option<&Query>),
    ask: &Ask<'_>,
) -> Result<Response<Body>, Fault> {
    let only_reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let refused = || Fault::with(Cause::MethodNotAllowed, format!("{method} of what is only read"));
    let (told, response) = match &route.answers {
        Answers::Files(_) if !only_reads => return Err(refused()),
        Answers::Files(folder) => {
            let below = doorplate::below(route, path);
            let mut response = Response::new(Body::Empty);
            if *method == Method::OPTIONS {
                *response.status_mut() = StatusCode::NO_CONTENT;
            } else {
                *response.headers_mut() = files::assumed(folder, below);
            }
            let told = format!("files {}", folder.root.display());
            world.tell(
                Kind::Answer,
                format!("{told}: /{}, assumed: no disk is read", tell::plain(below)),
                None,
            );
            (told, response)
        }
        Answers::Redirect(redirect) => {
            let to = doorplate::location(redirect, route, names, path, query);
            let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
            world.tell(Kind::Redirect, format!("{} {}", redirect.status, tell::plain(&to)), None);
            (format!("redirect {} {to}", redirect.status), answer::redirect(status, &to, &world.voiced(ask)))
        }
        Answers::Fixed(fixed) => {
            let status = StatusCode::from_u16(fixed.status).unwrap_or(StatusCode::OK);
            let response = match &fixed.text {
                Some(_) if !only_reads => return Err(refused()),
                Some(text) => {
                    let mut response = Response::new(Body::full(text.text.to_string()));
                    response.headers_mut().insert(CONTENT_TYPE, text.kind.clone());
                    *response.status_mut() = status;
                    response
                }
                None => answer::ruled(status, None, None, &world.voiced(ask)),
            };
            world.tell(Kind::Answer, format!("{}, as the route says", fixed.status), None);
            (format!("answer {}", fixed.status), response)
        }
        Answers::Backend(_) | Answers::Lookup { .. } => {
            return Err(Fault::with(Cause::Internal, "a backend's route is answered by the house"));
        }
    };
    world.decision.own = Some(told);
    Ok(response)
}

/// Whether a backend that gave no answer may have taken something of the body.
const fn reached(cause: Cause) -> bool {
    !matches!(
        cause,
        Cause::Refused
            | Cause::Unreachable
            | Cause::ConnectTimeout
            | Cause::Tls
            | Cause::Unhealthy
            | Cause::NoneHealthy
            | Cause::MaxConnections
    )
}

/// What rules of the backend's side made of the request must be open to this visitor too. Its path goes to the
/// backend as the route says that covers it now.
fn judge_again<'g>(
    world: &mut World<'g>,
    flow: &mut Flow<'_>,
    found: SiteRef<'g>,
    own: Option<&Door<'g>>,
    request: &mut Request,
) -> Result<Way<'g>, Fault> {
    let way =
        |found, door: &Door<'g>, request: &Request| Way::of(found, door.route, &door.names, &request.path);
    let case = flow.case_mut();
    let rewritten = case.sent_elsewhere;
    let Some(bereq) = case.bereq.as_mut().filter(|bereq| rewritten || matches!(bereq.url, Url::Written(_)))
    else {
        return Ok(own.map_or_else(|| Way::nowhere(found), |door| way(found, door, request)));
    };
    let Decided { method, host, path, query } = doorplate::reread(bereq, &request.host)?;
    let own_site = found.site.id;
    let found = doorplate::site_of(&world.gateway.table, found, &host);
    let before = (
        std::mem::replace(&mut request.method, method),
        std::mem::replace(&mut request.path, path),
        std::mem::replace(&mut request.query, query),
    );
    let target = request.target_for_backend();
    world.rewritten(&request.method, found, target.as_str());
    bereq.url = Url::Canonical(target);
    let (door, route) = (world.decision.door, world.decision.route.clone());
    // Access alone: who answers was decided by the rules.
    let judged = look_up(world, found, request).and_then(|door| {
        open(own_site, found, request)?;
        judge(world, door.route, request)?;
        Ok(way(found, &door, request))
    });
    (world.decision.door, world.decision.route) = (door, route);
    (request.method, request.path, request.query) = before;
    judged
}

/// A site that rules lead to may be closed, whoever they lead there.
fn open(before: SiteId, found: SiteRef<'_>, request: &Request) -> Result<(), Fault> {
    if found.site.id == before { Ok(()) } else { doorplate::maintenance(found, request) }
}

/// Where a copy or a move goes to, told with the term on which it hung.
fn judge_destination(
    world: &mut World<'_>,
    found: SiteRef<'_>,
    request: &Request,
    headers: &HeaderMap,
    asked: &[BackendId],
) -> Result<Option<PathAndQuery>, Fault> {
    let gateway = world.gateway;
    let Some(destined) = destination(&gateway.table, found, request, headers, asked)? else {
        return Ok(None);
    };
    let judged = destined.admits(request);
    let word = if judged.is_ok() { "admitted" } else { "refused" };
    let term = gateway.deciding(&destined.route.write, request.client);
    let site = found.site.id.0;
    let at = found.site.plan.routes.iter().position(|known| std::ptr::eq(known, destined.route));
    let place = at.and_then(|at| gateway.route_spot((site, at)));
    let path = tell::plain(destined.path.as_str());
    world.tell(Kind::Access, format!("{word} to write at the destination, {path}: {term}"), place);
    judged.map(|()| Some(destined.target))
}

/// The connection as rules may see it.
fn street(asked: &Asked) -> Street {
    let secure = asked.is_secure();
    Street {
        peer: crate::base::address::Peer::new((asked.from(), 40_000).into()),
        trusted: false,
        local: super::asked::ours(secure),
        secure: secure.then_some(Secure { name: None, certificate: None, protocol: "TLSv1.3" }),
    }
}

impl<'s> World<'s> {
    fn new(gateway: &'s Gateway, given: &Given, turn: u64) -> Self {
        let mut backends: BTreeMap<BackendId, Part> = BTreeMap::new();
        for (name, _, played) in &given.backends {
            let Some(id) = gateway.backend_by_name(name) else { continue };
            let part = backends.entry(id).or_default();
            match played {
                Played::Healthy(healthy) => part.sick = !healthy,
                Played::Answers(scripted) => part.answer = Some(Ok(scripted.clone())),
                Played::Fails(cause) => part.answer = Some(Err(*cause)),
            }
        }
        Self {
            gateway,
            now: given.time.unwrap_or(SOME_TIME),
            chance: given.seed.unwrap_or(1).wrapping_add(turn.wrapping_mul(0x5851_f42d_4c95_7f2d)),
            backends,
            asked: None,
            speaker: None,
            site: String::new(),
            route: String::new(),
            names: Vec::new(),
            decision: Decision::default(),
            phase: None,
            last: None,
        }
    }
}

/// A route that was found.
#[derive(Clone)]
struct Door<'g> {
    route: &'g Route,
    /// What its names stand for.
    names: Vec<Box<str>>,
    /// `None`: the route's table has no row for this path, or the house itself answers.
    backend: Option<BackendId>,
}

/// The route, told.
fn look_up<'g>(world: &mut World<'_>, found: SiteRef<'g>, request: &Request) -> Result<Door<'g>, Fault> {
    let gateway = world.gateway;
    let covered = doorplate::route(found, request)?;
    let route = covered.route;
    let site = found.site.id.0;
    let at = found.site.plan.routes.iter().position(|known| std::ptr::eq(known, route));
    world.decision.door = at.map(|at| (site, at));
    world.route = route.path.to_string();
    let values = covered.names.values();
    world.names =
        route.names.iter().map(ToString::to_string).zip(values.iter().map(ToString::to_string)).collect();
    world.decision.route = Some(route.path.clone());
    let place = at.and_then(|at| gateway.route_spot((site, at)));
    let shown: Vec<String> = world.names.iter().map(|(name, value)| format!("{name} is {value}")).collect();
    let shown = if shown.is_empty() { String::new() } else { format!(", {}", shown.join(", ")) };
    let backend = covered.backend().filter(|_| !route.answers.is_ours());
    let to = match backend {
        Some(id) => format!("backend {}", gateway.backend(id)),
        None if route.answers.is_ours() => gateway.answers(route),
        None => "no row of its table".to_owned(),
    };
    world.tell(Kind::Route, format!("{} → {to}{shown}", route.path), place);
    let names = values.iter().map(|value| (*value).into()).collect();
    Ok(Door { route, names, backend })
}

/// Access, told with the term on which it hung.
fn judge(world: &mut World<'_>, route: &Route, request: &Request) -> Result<(), Fault> {
    let gateway = world.gateway;
    let query = request.query.as_ref().map(Query::as_str);
    let reads = route.serves.only_reads(&request.method, request.path.as_str(), query);
    let access = route.access_for(&request.method, request.path.as_str(), query);
    let term = gateway.deciding(access, request.client);
    let place = world.decision.door.and_then(|door| gateway.route_spot(door));
    let judged = doorplate::access(route, request);
    let word = if judged.is_ok() { "admitted" } else { "refused" };
    let what = if reads { "to read" } else { "to write" };
    world.tell(Kind::Access, format!("{word} {what}: {term}"), place);
    judged
}

/// Access, then who answers: the corridor's order. `None`: the house itself.
fn admit(world: &mut World<'_>, door: &Door<'_>, request: &Request) -> Result<Option<BackendId>, Fault> {
    judge(world, door.route, request)?;
    if door.backend.is_none() && !door.route.answers.is_ours() {
        let text = format!("the table of the route {} has no such row", door.route.path);
        return Err(Fault::with(Cause::NoRoute, text));
    }
    recorded(world, door.route);
    Ok(door.backend)
}

/// Where the visit is written, told where the rules say it.
fn recorded(world: &mut World<'_>, route: &Route) {
    let gateway = world.gateway;
    let settings = &gateway.settings;
    let log = match &route.log {
        Some(recorded) => {
            let names = recorded.names.iter().filter_map(|at| world.names.get(*at));
            let names: Vec<&str> = names.map(|(_, value)| value.as_str()).collect();
            let site = world.decision.door.and_then(|(site, _)| settings.sites.get(site));
            let Some((site, log)) = site.zip(settings.logs.get(recorded.log.0)) else { return };
            let [visits, _] = log.files(&settings.gateway.state, &site.name);
            let file = visits.path("{day}", &names.join("/"));
            world.decision.record = Some(file.display().to_string());
            log
        }
        None => match world.record_at_site() {
            Some(log) => log,
            None => return,
        },
    };
    let text = format!("{}: {}", log.name, world.decision.record.as_deref().unwrap_or_default());
    world.tell(Kind::Record, text, None);
}

/// The rules make the answer, and may read why.
fn refused(world: &mut World<'_>, flow: &mut Flow<'_>, fault: &Fault) {
    world.tell(Kind::Fault, format!("{}: {}", fault.cause.name(), fault.detail()), None);
    flow.refused(fault.cause);
    world.record_at_site();
}

/// What the backend would be sent, told; and what it answers in this play.
fn send(
    world: &mut World<'_>,
    backend: BackendId,
    (method, url, mut headers): (Method, String, HeaderMap),
    request: &Request,
    before: &HeaderMap,
    script: Option<Script>,
) -> Result<Scripted, Cause> {
    let gateway = world.gateway;
    let name = gateway.backend(backend).to_owned();
    let seen_as = gateway
        .settings
        .backends
        .get(world.speaker(backend).0)
        .map_or(VisitorAddress::None, |it| it.visitor_address);
    Introduction::new(request, visible(request.client, seen_as)).put(&mut headers);
    let place = gateway.settings.places.backend(backend.0).and_then(|span| gateway.spot(span));
    world.tell(Kind::Backend, format!("{name} is asked: {method} {}", tell::plain(&url)), place);
    world.below(changed(before, &headers));
    if world.decision.sent.is_empty() {
        world.decision.way_to_backend = world.decision.way.len();
    }
    let script = script.map(|script| {
        let file = format!("{}{}", script.root, script.name);
        world.tell(Kind::Backend, format!("it runs {}, if that is there", tell::plain(&file)), None);
        format!("{}{}{}", script.prefix, script.name, script.info).into()
    });
    let sent =
        Sent { backend: name.into(), method: method.as_str().into(), url: url.into(), headers, script };
    world.decision.sent.push(sent);
    let scripted = world.is_scripted(backend);
    let answer = world.backend(backend);
    let text = match &answer {
        Ok(answer) if scripted => answer.status.to_string(),
        Ok(answer) => format!("{}, assumed: nobody was asked", answer.status),
        Err(cause) => format!("none: {}", cause.name()),
    };
    world.tell(Kind::Answer, text, None);
    if let Ok(answer) = &answer {
        world.below(changed(&HeaderMap::new(), &answer.headers));
    }
    answer
}

/// The script that is to run, where the backend runs some. No disk is read in a play: each is there.
fn to_run(
    world: &World<'_>,
    backend: BackendId,
    route: Option<&Route>,
    target: &str,
) -> Result<Option<Script>, Fault> {
    let speaker = world.gateway.settings.backends.get(world.speaker(backend).0);
    if speaker.is_none_or(|speaker| speaker.protocol != Protocol::FastCgi) {
        return Ok(None);
    }
    let path = target.split('?').next().unwrap_or_default();
    if let Some(route) =
        route.filter(|route| matches!(&route.answers, Answers::Files(files) if files.scripts.is_some()))
    {
        let (_, script) = among_files(route, &SitePath::parse(path.as_bytes())?)
            .ok_or_else(|| Fault::with(Cause::NoRoute, "it is sent to who runs scripts, and it is none"))?;
        return Ok(Some(script));
    }
    let scripts = route.and_then(|route| route.scripts.as_ref()).ok_or_else(|| {
        Fault::with(
            Cause::RuleFault,
            "its backend runs scripts, and this route has no `.root` where they lie",
        )
    })?;
    script::split(scripts, &SitePath::parse(path.as_bytes())?).map(Some)
}

/// The script that a path is taken for among the files of a route, and who runs it.
fn among_files(route: &Route, path: &SitePath) -> Option<(BackendId, Script)> {
    let Answers::Files(files) = &route.answers else { return None };
    let scripts = files.scripts.as_ref()?;
    let below = doorplate::below(route, path);
    let found = files::assumed_script(files, below)?;
    let before = path.as_str().strip_suffix(below).unwrap_or_default();
    Some((scripts.backend, Script::among_files(scripts, before, found)))
}

/// What a visitor who wants a tunnel asks of the backend, as the corridor asks it.
fn ask_to_switch(headers: &mut HeaderMap, upgrade: Option<&Upgrade>) {
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade.protocol.clone());
    }
}

/// A visitor's address as the backend learns it. The key of the day is the house's secret: here it is always
/// the same one.
fn visible(client: ClientIp, seen_as: VisitorAddress) -> Option<std::net::IpAddr> {
    match seen_as {
        VisitorAddress::Pseudonym => Some(client.pseudonym(&PseudonymKey::new(0, [0; 32])).into()),
        VisitorAddress::Cut => Some(client.anonymous().address()),
        VisitorAddress::Full => Some(client.expose()),
        VisitorAddress::None => None,
    }
}

/// What the visitor gets.
fn deliver(world: &mut World<'_>, case: Case, ask: &Ask<'_>) -> Result<(), Fault> {
    let resp = case.resp.ok_or_else(|| Fault::with(Cause::Internal, "rules deliver nothing"))?;
    let status = StatusCode::from_u16(resp.status).ok().filter(|status| status.as_u16() >= 200);
    let status = status.ok_or_else(|| {
        Fault::with(Cause::RuleFault, format!("rules answer with the status {}, which is none", resp.status))
    })?;
    world.decision.cause = case.cause;
    let Reply { reason, mut headers, body, life, .. } = resp;
    if !world.decision.sent.is_empty() {
        (world.decision.ttl, world.decision.grace, world.decision.keep) =
            (Some(life.ttl), Some(life.grace), Some(life.keep));
    }
    let from_backend = std::mem::take(&mut world.decision.answer.body);
    headers::clean_answer(&mut headers);
    let reason = reason.map(|reason| String::from_utf8_lossy(&reason).into_owned());
    let body = match body {
        ReplyBody::Backend => from_backend,
        ReplyBody::Text(text) => text,
        ReplyBody::Page => {
            let ask = world.voiced(ask);
            let page = answer::ruled_with(status, reason.as_deref(), case.cause, headers, &ask);
            world.answer(page);
            let own = &mut world.decision.answer;
            headers = std::mem::take(&mut own.headers);
            std::mem::take(&mut own.body)
        }
    };
    let (status, reason) = (status.as_u16(), reason.map(Into::into));
    world.decision.answer = super::decision::Answer { status, reason, headers, body };
    Ok(())
}
