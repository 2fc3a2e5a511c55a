//! The plays, decided by our machine: the same rules and requests, in one thread and without a socket.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use bytes::Bytes;
use doorward::base::address::ClientIp;
use doorward::base::cause::Cause;
use doorward::base::random::RequestId;
use doorward::language::{self, Memory};
use doorward::plan::BackendId;
use doorward::rules::Rules;
use doorward::rules::case::{Case, Question, Reply, ReplyBody, Url, Visitor};
use doorward::rules::flow::{Flow, Next};
use doorward::rules::machine::Surroundings;
use doorward::settings;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::plays::{self, Message, Play, Turn};

/// What the clock says.
const NOW: f64 = 1_790_000_000.0;

/// Everybody is well, but for the backend that is nobody.
struct World {
    nobody: Option<BackendId>,
}

impl Surroundings for World {
    fn healthy(&self, backend: BackendId) -> bool {
        self.nobody != Some(backend)
    }

    fn now(&self) -> f64 {
        NOW
    }

    fn random(&mut self) -> f64 {
        0.5
    }
}

fn header_map(message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.trim().as_bytes()).unwrap(),
        );
    }
    headers
}

fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

fn case_of(request: &Message) -> Case {
    let (method, url) = request.start.split_once(' ').unwrap();
    let mut headers = header_map(request);
    headers.entry("host").or_insert(HeaderValue::from_static("www.example"));
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let visitor = Visitor {
        client: ClientIp::new(here),
        port: 40_000,
        remote: ClientIp::new(here),
        server: here,
        server_port: 80,
        secure: false,
        tls: None,
        identity: None,
    };
    let req = Question {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        url: Url::Written(Bytes::copy_from_slice(url.as_bytes())),
        version: Version::HTTP_11,
        headers,
    };
    Case::new(RequestId::next(), req, visitor, NOW)
}

/// What our machine decides about one request, in the words of the plays.
fn decides(rules: &Rules, play: &Play, turn: &Turn, world: &mut World) -> String {
    let mut out = String::new();
    let mut answers = turn.answers.iter().cloned();
    let mut body = String::new();
    let mut flow = Flow::begin(rules, case_of(&turn.request));
    for _ in 0..100 {
        match flow.next(world) {
            Next::Route => flow.routed(flow.case().default),
            Next::Fetch | Next::Pipe => {
                let errand = flow.errand().expect("an errand");
                let BackendId(backend) = errand.backend;
                let name = &*rules.backends[backend];
                if !plays::BACKENDS.contains(&name) {
                    flow.answered(Err(Cause::Refused));
                    continue;
                }
                let asked = &errand.question;
                let start = format!("{} {}", asked.method, String::from_utf8_lossy(asked.url.as_bytes()));
                let sent = if errand.with_body { turn.request.body.as_str() } else { "" };
                out.push_str(&plays::asked_shown(name, &start, &listed(&asked.headers), sent));
                let answer = answers.next().unwrap_or_else(plays::answer);
                let (status, reason) = answer.start.split_once(' ').unwrap_or((&answer.start, ""));
                body.clone_from(&answer.body);
                flow.answered(Ok(Reply::of_backend(
                    status.parse().unwrap(),
                    (!reason.is_empty()).then(|| Bytes::copy_from_slice(reason.as_bytes())),
                    Version::HTTP_11,
                    header_map(&answer),
                )));
            }
            Next::Deliver => {
                let resp = flow.case().resp.as_ref().expect("an answer");
                let status = resp.visible_status();
                let usual = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
                let reason = resp.reason.as_ref().map_or_else(
                    || usual.unwrap_or("Unknown HTTP Status").to_owned(),
                    |reason| String::from_utf8_lossy(reason).into_owned(),
                );
                let body = match &resp.body {
                    _ if turn.request.start.starts_with("HEAD ") => String::new(),
                    ReplyBody::Backend => body,
                    ReplyBody::Page => "<!DOCTYPE html>".to_owned(),
                    ReplyBody::Text(text) => String::from_utf8_lossy(text).into_owned(),
                };
                out.push_str(&plays::said_shown(
                    play,
                    &format!("{status} {reason}"),
                    &listed(&resp.headers),
                    &body,
                ));
                return out.trim().to_owned();
            }
            Next::Fail(fault) => return format!("{out}fails: {}", fault.text),
        }
    }
    format!("{out}comes to no end")
}

#[test]
fn our_machine_decides_what_the_plays_say() {
    let plays = plays::plays();
    let mut wrong = String::new();
    let (mut turns, mut meant) = (0, 0);
    for play in &plays {
        let text = format!("{}{}", plays::prologue([1001, 1002, 1003]), play.rules);
        let files = Memory::default().with("main.vcl", 0o644, text);
        let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
        let settings = match settings::compile(&tree) {
            Ok(settings) => settings,
            Err(faults) => {
                let _ = writeln!(wrong, "{}: {}\n{}", play.file, play.title, faults.draw());
                continue;
            }
        };
        let names: Vec<Box<str>> = settings.backends.iter().map(|backend| backend.name.clone()).collect();
        let mut world = World { nobody: names.iter().position(|name| &**name == "nobody").map(BackendId) };
        let program = settings.program.expect("a program");
        let rules = Rules::start(program, settings.networks, names, &mut world).expect("rules that start");
        for turn in &play.turns {
            turns += 1;
            let decided = decides(&rules, play, turn, &mut world);
            let wanted = match &turn.ours {
                Some((_, ours)) => {
                    meant += 1;
                    assert_ne!(ours, &turn.decided, "{}: differs no longer", play.title);
                    ours
                }
                None => &turn.decided,
            };
            if decided != *wanted {
                let _ = writeln!(
                    wrong,
                    "{}: {}: {}\n-- wanted\n{wanted}\n-- decided\n{decided}\n",
                    play.file, play.title, turn.request.start
                );
            }
        }
    }
    println!("{} plays with {turns} requests, of which {meant} differ on purpose", plays.len());
    assert!(wrong.is_empty(), "{wrong}");
    assert!(plays.len() >= 60 && meant * 100 <= turns * 5, "too few plays, or too many that differ");
}
