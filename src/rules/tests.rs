//! Rules as texts, and what comes of them: each line of a test is a VCL file in small, run over one request
//! with a backend that a script plays.

use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::case::{Case, Question, Reply, ReplyBody, Url, Visitor};
use super::flow::{Flow, Next};
use super::machine::{RuleFault, Surroundings, Verdict};
use super::*;
use crate::base::address::{ClientIp, Network};
use crate::base::cause::Cause;
use crate::base::random::RequestId;
use crate::language::program::{Choice, Mark};
use crate::language::{self, Memory};
use crate::plan::BackendId;

mod directors;
mod flow;
mod hostile;
mod machine;
mod moved;

/// A world that stands still: the time, a row of random numbers, ill backends.
struct Quiet {
    now: f64,
    random: Vec<f64>,
    ill: Vec<usize>,
    /// Backend 0 became healthy then.
    changed: f64,
    logged: Vec<String>,
    faults: Vec<RuleFault>,
    marks: Vec<Mark>,
    phases: Vec<String>,
    listens: bool,
}

impl Quiet {
    fn new() -> Self {
        Self {
            now: 784_111_777.0,
            random: Vec::new(),
            ill: Vec::new(),
            changed: 0.0,
            logged: Vec::new(),
            faults: Vec::new(),
            marks: Vec::new(),
            phases: Vec::new(),
            listens: true,
        }
    }
}

impl Surroundings for Quiet {
    fn now(&self) -> f64 {
        self.now
    }

    fn random(&mut self) -> f64 {
        if self.random.is_empty() { 0.5 } else { self.random.remove(0) }
    }

    fn healthy(&self, backend: BackendId) -> bool {
        !self.ill.contains(&backend.0)
    }

    fn changed(&self, backend: BackendId) -> f64 {
        if backend.0 == 0 { self.changed } else { 0.0 }
    }

    fn site(&self) -> &'static str {
        "www.test"
    }

    fn route(&self) -> &'static str {
        "/"
    }

    fn hostname(&self) -> &'static str {
        "gate"
    }

    fn named(&self, name: &str) -> Option<&str> {
        (name == "project").then_some("scipy")
    }

    fn log(&mut self, line: &[u8]) {
        self.logged.push(String::from_utf8_lossy(line).into_owned());
    }

    fn fault(&mut self, fault: &RuleFault) {
        self.faults.push(fault.clone());
    }

    fn listens(&self) -> bool {
        self.listens
    }

    fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    fn entered(&mut self, phase: Phase) {
        self.phases.push(phase.sub().trim_start_matches("vcl_").to_owned());
    }

    fn left(&mut self, _phase: Phase, verdict: &Verdict) {
        let shown = match verdict {
            Verdict::To(action) => action.word().to_owned(),
            Verdict::Synth { status, .. } => format!("synth {status}"),
            Verdict::Error { status, .. } => format!("error {status}"),
            Verdict::PassFor(time) => format!("pass {time}"),
        };
        if let Some(last) = self.phases.last_mut() {
            last.push('>');
            last.push_str(&shown);
        }
    }
}

/// Rules of a whole text. Backends are named in their order.
fn load(text: &str) -> Rules {
    let files = Memory::default().with("main.vcl", 0o644, text);
    let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
    if tree.found.has_errors() {
        let faults = language::Diagnostics::new(tree.sources, tree.found);
        panic!("{faults}\n{text}");
    }
    let backends =
        tree.backends.iter().map(|backend| backend.name.as_ref().unwrap().0.get().into()).collect();
    let office = NetworkSet::new([(Network::new("192.0.2.0".parse().unwrap(), 24).unwrap(), true)]);
    let networks = tree.acls.iter().map(|_| Arc::new(office.clone())).collect();
    Rules::start(tree.program.unwrap(), networks, backends, &mut Quiet::new()).unwrap()
}

/// A VCL 4.1 file with two backends, `a` and `b`, and an acl.
fn vcl(subs: &str) -> Rules {
    load(&format!(
        "vcl 4.1;\nimport std;\nimport directors;\nbackend a {{ .host = \"192.0.2.1\"; }}\n\
         backend b {{ .host = \"192.0.2.2\"; }}\nsub vcl_fini {{ if (std.healthy(b)) {{ return (ok); }} }}\n{subs}\n"
    ))
}

fn fastly(subs: &str) -> Rules {
    load(&format!(
        "# dialect: fastly\nbackend a {{ .host = \"192.0.2.1\"; }}\nbackend b {{ .host = \"192.0.2.2\"; }}\n{subs}\n"
    ))
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// `GET /path` and fields, from 192.0.2.7 over https.
fn asks(line: &str, fields: &[(&str, &str)]) -> Case {
    let (method, url) = line.split_once(' ').unwrap();
    let mut all = headers(&[("host", "www.test")]);
    for (name, value) in &headers(fields) {
        all.append(name, value.clone());
    }
    let req = Question {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        url: Url::Canonical(url.parse().unwrap()),
        version: Version::HTTP_11,
        headers: all,
    };
    let visitor = Visitor {
        client: ClientIp::new("192.0.2.7".parse().unwrap()),
        port: 4711,
        remote: ClientIp::new("192.0.2.7".parse().unwrap()),
        server: "198.51.100.1".parse().unwrap(),
        server_port: 443,
        secure: true,
        tls: Some("TLSv1.3"),
        identity: None,
    };
    Case::new(RequestId::next(), req, visitor, 784_111_777.0)
}

/// As the driver hands it in.
#[allow(clippy::unnecessary_wraps)]
fn ok() -> Result<Reply, Cause> {
    Ok(Reply::of_backend(200, None, Version::HTTP_11, headers(&[("cache-control", "max-age=60")])))
}

/// How a visit went.
struct Went {
    case: Case,
    around: Quiet,
    /// `a GET /path`, for each time a backend was asked.
    asked: Vec<String>,
    /// Each time the driver was asked for a route: the method, the host and the URL.
    judged: Vec<String>,
    piped: bool,
    failed: Option<RuleFault>,
}

impl Went {
    fn status(&self) -> u16 {
        self.case.resp.as_ref().unwrap().status
    }

    fn resp(&self, name: &str) -> &str {
        self.case.resp.as_ref().unwrap().headers.get(name).map_or("(unset)", |value| value.to_str().unwrap())
    }

    fn req(&self, name: &str) -> &str {
        let value = self.case.req.headers.get(name).map(http::HeaderValue::as_bytes);
        value.map_or("(unset)", |value| std::str::from_utf8(value).unwrap())
    }

    fn body(&self) -> &ReplyBody {
        &self.case.resp.as_ref().unwrap().body
    }

    fn way(&self) -> String {
        self.around.phases.join(" ")
    }
}

/// Drives a flow; the script's answers are given in turn, and 200 after them.
fn drive(rules: &Rules, case: Case, mut around: Quiet, script: Vec<Result<Reply, Cause>>) -> Went {
    let mut script = script.into_iter();
    let mut flow = Flow::begin(rules, case);
    let (mut asked, mut judged, mut piped, mut failed) = (Vec::new(), Vec::new(), false, None);
    for _ in 0..100 {
        let next = flow.next(&mut around);
        match next {
            Next::Route => {
                let req = &flow.case().req;
                let host = req.headers.get("host").map_or("", |host| host.to_str().unwrap());
                judged.push(format!("{} {host}{}", req.method, String::from_utf8_lossy(req.url.as_bytes())));
                flow.routed(Choice::Backend(BackendId(0)));
            }
            Next::Fetch | Next::Pipe => {
                piped = matches!(next, Next::Pipe);
                let errand = flow.errand().unwrap();
                let question = &errand.question;
                let url = String::from_utf8_lossy(question.url.as_bytes());
                asked.push(format!("{} {} {url}", rules.backends[errand.backend.0], question.method));
                flow.answered(script.next().unwrap_or_else(ok));
            }
            Next::Deliver => {
                return Went { case: flow.into_case(), around, asked, judged, piped, failed };
            }
            Next::Fail(fault) => {
                failed = Some(fault);
                return Went { case: flow.into_case(), around, asked, judged, piped, failed };
            }
        }
    }
    panic!("the flow goes round in circles: {}", around.phases.join(" "));
}

fn goes(rules: &Rules, line: &str, fields: &[(&str, &str)]) -> Went {
    drive(rules, asks(line, fields), Quiet::new(), Vec::new())
}
