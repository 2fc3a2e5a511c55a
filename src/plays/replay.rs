//! A log, decided again: which of its requests would end otherwise under other rules.
//!
//! A request is decided as far as a log can tell: up to the moment when a backend is asked, or an answer of the
//! gateway's own. It is compared with what the log says came of it, or with what older rules say. What hangs
//! on something a log does not hold (headers, cookies, a whole address, hidden text, chance) is undecidable and
//! counted as that. Streams: memory does not grow with the log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::asked::{Asked, Scheme, Target};
use super::decide::Stage;
use super::decision::Decision;
use super::difference::many;
use super::gateway::Gateway;
use super::hinges::{Hinges, Known};
use super::logs::{self, LINE_BYTES_MAX, Logged};
use super::script::Given;
use crate::base::address::Network;
use crate::base::cause::Cause;
use crate::base::json;
use crate::language::program::Program;
use crate::message::path::SitePath;
use crate::plan::Access;

/// Patterns of requests that are told apart; the rest is counted together.
const PATTERNS_MAX: usize = 2_000;
/// Kinds of unknowns that are told apart.
const UNKNOWNS_MAX: usize = 200;
/// How the text that our logs hide is written.
const HIDDEN: &str = "***";

/// What is known of a log as a whole.
#[derive(Clone, Debug)]
pub struct About {
    /// Whose log it is, where its lines do not say.
    pub site: Option<String>,
    /// How its visitors came; logs do not say.
    pub scheme: Scheme,
}

/// What came of a log.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    pub lines: u64,
    pub same: u64,
    /// Asked of a backend now; the log does not say of which it was then.
    pub passed_on: u64,
    pub different: u64,
    pub undecidable: u64,
    /// Turned away before any rule: malformed, too long, too slow.
    pub refused_before: u64,
    /// Lines of no format that is known.
    pub unread: u64,
    /// What undecidable requests hang on.
    pub unknowns: BTreeMap<String, u64>,
    pub patterns: BTreeMap<Pattern, Seen>,
    /// Different ones beyond the patterns that are told apart.
    pub others: u64,
}

/// Requests that are alike, and how their end changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    pub request: String,
    pub before: String,
    pub after: String,
}

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub count: u64,
    /// The first of them, as the log writes it.
    pub example: String,
}

/// How a request ends, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Backend(String),
    /// By the gateway itself.
    Own {
        status: u16,
        why: String,
    },
    /// The log tells the status alone.
    Status(u16),
}

impl Ending {
    fn shown(&self) -> String {
        match self {
            Self::Backend(name) => format!("backend {name}"),
            Self::Own { status, why } if why.is_empty() => status.to_string(),
            Self::Own { status, why } => format!("{status} {why}"),
            Self::Status(status) => format!("status {status}"),
        }
    }
}

enum Verdict {
    Same,
    PassedOn,
    Different { before: String, after: String },
    Undecidable(String),
    RefusedBefore,
}

/// One set of rules, asked again and again.
struct Judge<'g> {
    gateway: &'g Gateway,
    stage: Stage<'g>,
    hinges: Option<Hinges<'g>>,
}

impl<'g> Judge<'g> {
    fn new(gateway: &'g Gateway) -> Result<Self, String> {
        let stage = Stage::new(gateway, &Given::default())?;
        let hinges = gateway.program().map(|program: &'g std::sync::Arc<Program>| Hinges::new(program));
        Ok(Self { gateway, stage, hinges })
    }

    /// What becomes of a request, or what that hangs on.
    fn decide(
        &mut self,
        asked: &Asked,
        given: &Given,
        logged: &Logged,
        known: Known,
    ) -> Result<Ending, String> {
        let decision = self.stage.decide(asked, given);
        if let Some(hinges) = &self.hinges
            && let Some(unknown) = hinges.of(&decision, known)
        {
            return Err(unknown);
        }
        if !known.address {
            self.access(&decision, asked, logged)?;
        }
        Ok(ending(&decision))
    }

    /// Whether everybody of the visitor's network is admitted, or nobody.
    fn access(&self, decision: &Decision, asked: &Asked, logged: &Logged) -> Result<(), String> {
        let unknown = || "the visitor's address".to_owned();
        let Some((site, route)) = decision.door else { return Ok(()) };
        let Some(route) = self.gateway.settings.sites.get(site).and_then(|site| site.routes.get(route))
        else {
            return Ok(());
        };
        let network = logged.address.map(|address| Network::around(address, 24, 48));
        let (path, query) = asked
            .target
            .path
            .split_once('?')
            .map_or((&*asked.target.path, None), |(path, query)| (path, Some(query)));
        let path = SitePath::parse(path.as_bytes()).map_err(|_| "its path".to_owned())?;
        let access = route.access_for(&asked.method, path.as_str(), query);
        settled(access, network).map(drop).ok_or_else(unknown)
    }
}

/// Who may pass, judged for a whole network: `None` where its addresses are told apart.
fn settled(access: &Access, network: Option<Network>) -> Option<bool> {
    match access {
        Access::Anyone => Some(true),
        Access::Nobody => Some(false),
        Access::Network(networks) => networks.settled(network?),
        Access::Not(inner) => settled(inner, network).map(|admitted| !admitted),
        Access::And(a, b) => match (settled(a, network), settled(b, network)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Access::Or(a, b) => match (settled(a, network), settled(b, network)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
    }
}

fn ending(decision: &Decision) -> Ending {
    if let Some(sent) = decision.sent.first() {
        return Ending::Backend(sent.backend.to_string());
    }
    let status = decision.answer.status;
    let why = match decision.cause {
        Some(cause) => cause.name().to_owned(),
        None => decision
            .answer
            .headers
            .get(http::header::LOCATION)
            .map(|to| format!("to {}", String::from_utf8_lossy(to.as_bytes())))
            .unwrap_or_default(),
    };
    Ending::Own { status, why }
}

/// Decides every line of a log again. `old` are rules to compare with; without, the log itself says what was.
pub fn replay(
    log: &mut dyn BufRead,
    about: &About,
    new: &Gateway,
    old: Option<&Gateway>,
) -> Result<Replayed, String> {
    let mut judge = Judge::new(new)?;
    let mut before = old.map(Judge::new).transpose()?;
    let mut found = Replayed::default();
    let mut line = Vec::new();
    loop {
        let whole = next_line(log, &mut line).map_err(|error| format!("the log can't be read: {error}"))?;
        let Some(whole) = whole else { return Ok(found) };
        if line.is_empty() && whole {
            continue;
        }
        found.lines += 1;
        let Some(logged) = whole.then(|| logs::read(&line)).flatten() else {
            found.unread += 1;
            continue;
        };
        let verdict = one(&logged, about, &mut judge, before.as_mut());
        found.count(verdict, &logged);
    }
}

/// A line without its end; false where it is too long, and its rest is passed over. `None` at the end.
fn next_line(log: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let mut whole = true;
    let mut any = false;
    loop {
        let piece = log.fill_buf()?;
        if piece.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(piece.len());
        if line.len() + length > LINE_BYTES_MAX {
            whole = false;
            line.clear();
        } else if whole {
            line.extend_from_slice(piece.get(..length).unwrap_or_default());
        }
        log.consume(length + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

impl Replayed {
    fn count(&mut self, verdict: Verdict, logged: &Logged) {
        match verdict {
            Verdict::Same => self.same += 1,
            Verdict::PassedOn => self.passed_on += 1,
            Verdict::RefusedBefore => self.refused_before += 1,
            Verdict::Undecidable(unknown) => {
                self.undecidable += 1;
                let known = self.unknowns.contains_key(&unknown);
                let key =
                    if known || self.unknowns.len() < UNKNOWNS_MAX { unknown } else { "others".to_owned() };
                *self.unknowns.entry(key).or_default() += 1;
            }
            Verdict::Different { before, after } => {
                self.different += 1;
                let site = logged.site.as_deref().unwrap_or_default();
                let pattern = Pattern {
                    request: format!("{} {site}{}", logged.method, alike(&logged.target)),
                    before,
                    after,
                };
                if self.patterns.len() >= PATTERNS_MAX && !self.patterns.contains_key(&pattern) {
                    self.others += 1;
                    return;
                }
                let seen = self.patterns.entry(pattern).or_default();
                seen.count += 1;
                if seen.example.is_empty() {
                    seen.example = logged.target.chars().take(120).flat_map(char::escape_debug).collect();
                }
            }
        }
    }

    /// Nothing is known to end otherwise.
    pub const fn is_clean(&self) -> bool {
        self.different == 0
    }

    /// For people. `most` requests are shown, the most frequent first.
    pub fn draw(&self, most: usize) -> String {
        let mut out = format!("{}: {} end as before", count(self.lines, "line"), self.same);
        for (number, text) in [
            (self.passed_on, "go to a backend, and the log does not say to which they went"),
            (self.different, "end otherwise"),
            (self.undecidable, "can't be decided"),
            (self.refused_before, "were turned away before any rule"),
            (self.unread, "are no lines of a log"),
        ] {
            if number > 0 {
                let _ = write!(out, ", {number} {text}");
            }
        }
        out.push('\n');
        if self.undecidable > 0 {
            out.push_str("\nWhat can't be decided hangs on what a log does not hold:\n");
            let mut all: Vec<_> = self.unknowns.iter().collect();
            all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            for (unknown, number) in all {
                let _ = writeln!(out, "{number:>9}  {unknown}");
            }
        }
        if self.different > 0 {
            out.push_str("\nWhat ends otherwise:\n");
            let mut all: Vec<_> = self.patterns.iter().collect();
            all.sort_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(b.0)));
            for (pattern, seen) in all.iter().take(most) {
                let Pattern { request, before, after } = pattern;
                let _ = writeln!(
                    out,
                    "{:>9}  {request}: {before} → {after}  (such as {})",
                    seen.count, seen.example
                );
            }
            let shown: u64 = all.iter().take(most).map(|(_, seen)| seen.count).sum();
            if shown < self.different {
                let _ = writeln!(out, "{:>9}  others", self.different - shown);
            }
        }
        out
    }

    /// For programs.
    pub fn json(&self, most: usize) -> String {
        let mut out = format!(
            "{{\"lines\":{},\"same\":{},\"passed_on\":{},\"different\":{},\"undecidable\":{},\"refused_before\":{},\
             \"unread\":{},\"unknowns\":{{",
            self.lines,
            self.same,
            self.passed_on,
            self.different,
            self.undecidable,
            self.refused_before,
            self.unread
        );
        for (at, (unknown, number)) in self.unknowns.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            json::text(&mut out, unknown);
            let _ = write!(out, ":{number}");
        }
        out.push_str("},\"requests\":[");
        let mut all: Vec<_> = self.patterns.iter().collect();
        all.sort_by(|a, b| b.1.count.cmp(&a.1.count).then(a.0.cmp(b.0)));
        for (at, (pattern, seen)) in all.iter().take(most).enumerate() {
            out.push_str(if at > 0 { ",{" } else { "{" });
            for (key, value) in [
                ("request", &pattern.request),
                ("before", &pattern.before),
                ("after", &pattern.after),
                ("example", &seen.example),
            ] {
                let _ = write!(out, "\"{key}\":");
                json::text(&mut out, value);
                out.push(',');
            }
            let _ = write!(out, "\"count\":{}}}", seen.count);
        }
        out.push_str("]}\n");
        out
    }
}

fn count(number: u64, what: &str) -> String {
    many(usize::try_from(number).unwrap_or(usize::MAX), what)
}

/// A path with what differs from page to page taken out: no query, numbers and names with numbers as `…`, four
/// segments at most.
fn alike(target: &str) -> String {
    const SEGMENTS: usize = 4;
    let path = target.split('?').next().unwrap_or_default();
    let mut out = String::new();
    for (at, segment) in path.split('/').skip(1).enumerate() {
        out.push('/');
        if at == SEGMENTS {
            out.push('…');
            return out;
        }
        if segment.bytes().any(|byte| byte.is_ascii_digit()) || segment.len() > 40 {
            out.push('…');
        } else {
            out.extend(segment.chars().flat_map(char::escape_debug));
        }
    }
    if out.is_empty() { "/".to_owned() } else { out }
}

/// One line, decided.
fn one(logged: &Logged, about: &About, judge: &mut Judge<'_>, before: Option<&mut Judge<'_>>) -> Verdict {
    // Our own logs name what kept a request from any rule.
    let before_rules = |cause: Cause| {
        matches!(
            cause,
            Cause::Malformed
                | Cause::Framing
                | Cause::BadHost
                | Cause::PlainOnTls
                | Cause::HeadTimeout
                | Cause::TargetTooLong
                | Cause::HeadTooLarge
                | Cause::TooManyConnections
                | Cause::Version
                | Cause::Expectation
                | Cause::NotImplemented
                | Cause::Overloaded
                | Cause::Closing
        )
    };
    if logged.cause.is_some_and(before_rules) {
        return Verdict::RefusedBefore;
    }
    let Ok(method) = Method::from_bytes(logged.method.as_bytes()) else { return Verdict::RefusedBefore };
    if !logged.target.starts_with('/') && logged.target != "*" {
        return Verdict::RefusedBefore;
    }
    let (path, query) = logged.target.split_once('?').unwrap_or((&logged.target, ""));
    if logged.ours && path.contains(HIDDEN) {
        return Verdict::Undecidable("a hidden part of its path".to_owned());
    }
    let Some(site) = logged.site.as_deref().or(about.site.as_deref()) else {
        return Verdict::Undecidable("its site".to_owned());
    };
    let Ok(target) = Target::parse(&logged.target) else { return Verdict::RefusedBefore };
    let target = Target { scheme: Some(about.scheme), host: Some(site.into()), ..target };
    let plain =
        |text: &Option<String>| text.as_ref().is_none_or(|text| !logged.ours || !text.contains(HIDDEN));
    let known = Known {
        address: !logged.ours && logged.address.is_some(),
        agent: plain(&logged.agent),
        // Of another site's address our logs keep the name alone.
        referer: logged.referer.is_none() || !logged.ours,
        query: !(logged.ours && query.contains(HIDDEN)),
        time: logged.time.is_some(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [(http::header::USER_AGENT, &logged.agent), (http::header::REFERER, &logged.referer)]
    {
        if let Some(value) = value.as_ref().and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
            headers.insert(name, value);
        }
    }
    let version = match logged.protocol.as_str() {
        "HTTP/1.0" => Version::HTTP_10,
        "HTTP/2.0" | "HTTP/2" => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    let asked = Asked { method, target, version, from: logged.address, headers, body: Bytes::new() };
    let given = Given { time: logged.time, ..Given::default() };
    let after = match judge.decide(&asked, &given, logged, known) {
        Ok(ending) => ending,
        Err(unknown) => return Verdict::Undecidable(unknown),
    };
    // A redirect to a site's name, or to https: by which name and which scheme it came, no log says.
    let told = logged.backend.is_none() && logged.cause.is_none() && (300..400).contains(&logged.status);
    let moves = |gateway: &Gateway| {
        let sites = gateway.settings.sites.iter();
        let mut named = sites.filter(|plan| *plan.name == *site || plan.any_host);
        named.any(|plan| plan.force_https || !plan.aliases.is_empty())
    };
    if told && matches!(after, Ending::Backend(_)) && logged.ours && moves(judge.gateway) {
        return Verdict::Undecidable("the name and the scheme it came by".to_owned());
    }
    let was = match before {
        Some(old) => match old.decide(&asked, &given, logged, known) {
            Ok(ending) => ending,
            Err(unknown) => return Verdict::Undecidable(unknown),
        },
        None => as_logged(logged),
    };
    compare(&was, &after)
}

/// What a line says came of it.
fn as_logged(logged: &Logged) -> Ending {
    match (&logged.backend, logged.cause) {
        (Some(backend), _) => Ending::Backend(backend.clone()),
        (None, Some(cause)) => Ending::Own { status: logged.status, why: cause.name().to_owned() },
        (None, None) if logged.ours => Ending::Own { status: logged.status, why: String::new() },
        (None, None) => Ending::Status(logged.status),
    }
}

fn compare(before: &Ending, after: &Ending) -> Verdict {
    let same = match (before, after) {
        (Ending::Backend(a), Ending::Backend(b)) => a == b,
        // Logs tell the status of an answer of ours, and why where it was a fault; not where it leads.
        (Ending::Own { status: a, why: x }, Ending::Own { status: b, why: y }) => {
            a == b && (x == y || x.is_empty() || y.is_empty())
        }
        (Ending::Status(a), Ending::Own { status: b, .. }) => a == b,
        (Ending::Status(_), Ending::Backend(_)) => return Verdict::PassedOn,
        _ => false,
    };
    if same { Verdict::Same } else { Verdict::Different { before: before.shown(), after: after.shown() } }
}
