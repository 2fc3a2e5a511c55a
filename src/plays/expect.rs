//! What a play expects, line by line: read from words, and held against a decision.

use http::{HeaderMap, HeaderName};

use super::decision::{Decision, Handling};
use super::script::{header, seconds, status_of, text};
use crate::base::cause::Cause;
use crate::language::Suggestions;
use crate::language::source::quoted;

/// One line of an `expect` block.
#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// Who was asked last; `None`: nobody.
    Backend(Option<String>),
    /// The folder that answers.
    Files(String),
    /// The script that runs, with what of the path follows it.
    Script(Texts),
    /// The route answers always the same, with this status.
    Own(u16),
    Site(String),
    Route(String),
    Status(u16),
    Reason(String),
    Synth(u16),
    Location(Texts),
    Challenge(String),
    Header(HeaderName, Texts),
    NoHeader(HeaderName),
    Body(Texts),
    Sent(Asking),
    Ttl(f64),
    Grace(f64),
    Keep(f64),
    Handled(Handling),
    Cause(Cause),
    /// File and line.
    Rule(String, usize),
    NoRule(String, usize),
    Log(Texts),
    /// The file that gets the line of the visit.
    Record(Texts),
}

/// What the backend was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Asking {
    Method(String),
    Url(Texts),
    Header(HeaderName, Texts),
    NoHeader(HeaderName),
}

/// How a text is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Texts {
    Is(String),
    Contains(String),
}

impl Texts {
    fn read(written: &str) -> Option<Self> {
        if let Some(part) = written.strip_prefix("contains ") {
            return text(part.trim()).map(Self::Contains);
        }
        if written.starts_with('"') {
            return text(written).map(Self::Is);
        }
        (!written.is_empty()).then(|| Self::Is(written.to_owned()))
    }

    fn holds(&self, found: &[u8]) -> bool {
        match self {
            Self::Is(wanted) => wanted.as_bytes() == found,
            Self::Contains(part) => {
                part.is_empty() || found.windows(part.len()).any(|window| window == part.as_bytes())
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Is(wanted) => wanted.clone(),
            Self::Contains(part) => format!("something with {part:?} in it"),
        }
    }
}

const WORDS: &[&str] = &[
    "backend",
    "files",
    "script",
    "answer",
    "no",
    "site",
    "route",
    "status",
    "reason",
    "synth",
    "redirect",
    "location",
    "challenge",
    "header",
    "body",
    "bereq",
    "ttl",
    "grace",
    "keep",
    "lookup",
    "pass",
    "pipe",
    "purge",
    "cause",
    "rule",
    "log",
    "record",
];

type Wrong = (String, String);

/// The expectations of a line: mostly one. The error is what is wrong and what to write.
pub fn read(line: &str, suggestions: &mut Suggestions) -> Result<Vec<Expectation>, Wrong> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let alone = |found: Expectation| {
        if rest.is_empty() {
            Ok(vec![found])
        } else {
            Err((
                format!("{} is too much behind `{word}`", quoted(rest)),
                "write nothing behind it".to_owned(),
            ))
        }
    };
    // `401`, `401 challenge Basic realm="…"`, `301 https://…`: a status and what goes with it.
    if let Some(status) = status_of(word) {
        let mut found = vec![Expectation::Status(status)];
        match rest.split_once(char::is_whitespace) {
            None if rest.is_empty() => {}
            Some(("challenge", challenge)) => found.push(Expectation::Challenge(challenge.trim().to_owned())),
            _ if (300..400).contains(&status) && (rest.starts_with('/') || rest.contains("://")) => {
                found.push(Expectation::Location(Texts::Is(rest.to_owned())));
            }
            _ => {
                return Err((
                    format!("{} says nothing beside a status", quoted(rest)),
                    "write `401 challenge Basic realm=\"…\"`, `301 https://…`, or what follows on a line of its own"
                        .to_owned(),
                ));
            }
        }
        return Ok(found);
    }
    let one = |found: Option<Expectation>, help: &str| match found {
        Some(found) => Ok(vec![found]),
        None => Err((format!("{} can't be expected like that", quoted(line)), help.to_owned())),
    };
    let plain =
        |text: &str| (!text.is_empty() && !text.contains(char::is_whitespace)).then(|| text.to_owned());
    match word {
        "backend" => one(plain(rest).map(|name| Expectation::Backend(Some(name))), "write `backend svn`"),
        "files" => one(plain_text(rest).map(Expectation::Files), "write the folder: `files /srv/static`"),
        "script" => one(Texts::read(rest).map(Expectation::Script), "write the script: `script /index.php`"),
        "answer" => one(status_of(rest).map(Expectation::Own), "write its status: `answer 200`"),
        "site" => one(plain(rest).map(Expectation::Site), "write `site www.example`"),
        "route" => one(plain(rest).map(Expectation::Route), "write the route's path: `route /svn/`"),
        "status" => one(status_of(rest).map(Expectation::Status), "write `status 404`"),
        "reason" => one(plain_text(rest).map(Expectation::Reason), "write `reason \"Not today\"`"),
        "synth" => one(status_of(rest).map(Expectation::Synth), "write `synth 403`"),
        "location" => one(Texts::read(rest).map(Expectation::Location), "write `location https://…`"),
        "redirect" => {
            let (status, to) = rest.split_once(char::is_whitespace).unwrap_or(("", rest));
            let status = if status.is_empty() { Some(301) } else { status_of(status) };
            match (status, Texts::read(to.trim())) {
                (Some(status), Some(to)) => Ok(vec![Expectation::Status(status), Expectation::Location(to)]),
                _ => one(None, "write `redirect https://…`, or with its status `redirect 302 https://…`"),
            }
        }
        "challenge" => {
            let wanted = (!rest.is_empty()).then(|| Expectation::Challenge(rest.to_owned()));
            one(wanted, "write `challenge Basic realm=\"…\"`")
        }
        "header" => one(
            field(rest).map(|(name, value)| Expectation::Header(name, value)),
            "write `header Name: value` or `header Name contains \"…\"`",
        ),
        "body" => {
            one(Texts::read(rest).map(Expectation::Body), "write `body contains \"…\"` or `body \"…\"`")
        }
        "bereq" => one(
            asking(rest).map(Expectation::Sent),
            "write `bereq url /x`, `bereq method GET` or `bereq header Name: value`",
        ),
        "ttl" => one(seconds(rest).map(Expectation::Ttl), "write `ttl 60s`"),
        "grace" => one(seconds(rest).map(Expectation::Grace), "write `grace 1h`"),
        "keep" => one(seconds(rest).map(Expectation::Keep), "write `keep 1h`"),
        "lookup" => alone(Expectation::Handled(Handling::Lookup)),
        "pass" => alone(Expectation::Handled(Handling::Pass)),
        "pipe" => alone(Expectation::Handled(Handling::Pipe)),
        "purge" => alone(Expectation::Handled(Handling::Purge)),
        "cause" => match Cause::by_name(rest) {
            Some(cause) => Ok(vec![Expectation::Cause(cause)]),
            None => Err((
                format!("there is no cause called {}", quoted(rest)),
                match suggestions.nearest(rest, Cause::ALL.iter().map(|cause| cause.name())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "causes have the names of the log's `cause=`".to_owned(),
                },
            )),
        },
        "rule" => {
            one(place(rest).map(|(file, line)| Expectation::Rule(file, line)), "write `rule sites.vcl:12`")
        }
        "log" => one(Texts::read(rest).map(Expectation::Log), "write `log contains \"…\"`"),
        "record" => {
            one(Texts::read(rest).map(Expectation::Record), "write `record contains \"/log/www.example/\"`")
        }
        "no" => {
            let (what, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let rest = rest.trim();
            let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).ok();
            let help =
                "write `no backend`, `no header Name`, `no bereq header Name` or `no rule sites.vcl:12`";
            let found = match what {
                "backend" if rest.is_empty() => Some(Expectation::Backend(None)),
                "header" => name(rest).map(Expectation::NoHeader),
                "rule" => place(rest).map(|(file, line)| Expectation::NoRule(file, line)),
                "bereq" => rest
                    .strip_prefix("header")
                    .and_then(|rest| name(rest.trim()))
                    .map(|name| Expectation::Sent(Asking::NoHeader(name))),
                _ => None,
            };
            one(found, help)
        }
        _ => {
            let help = match suggestions.nearest(word, WORDS.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a play can expect {}", WORDS.join(", ")),
            };
            Err((format!("there is no expectation {}", quoted(word)), help))
        }
    }
}

fn plain_text(written: &str) -> Option<String> {
    text(written).or_else(|| (!written.is_empty() && !written.starts_with('"')).then(|| written.to_owned()))
}

/// `Name: value`, `Name contains "…"`.
fn field(written: &str) -> Option<(HeaderName, Texts)> {
    if let Some((name, part)) = written.split_once(" contains ")
        && !name.contains(':')
    {
        return Some((
            HeaderName::from_bytes(name.trim().as_bytes()).ok()?,
            Texts::Contains(text(part.trim())?),
        ));
    }
    let (name, value) = header(written)?;
    Some((name, Texts::Is(value.to_str().ok()?.to_owned())))
}

fn asking(written: &str) -> Option<Asking> {
    let (what, rest) = written.split_once(char::is_whitespace)?;
    let rest = rest.trim();
    match what {
        "url" => Texts::read(rest).map(Asking::Url),
        "method" => (!rest.is_empty()).then(|| Asking::Method(rest.to_owned())),
        "header" => field(rest).map(|(name, value)| Asking::Header(name, value)),
        _ => None,
    }
}

/// `sites.vcl:12`
fn place(written: &str) -> Option<(String, usize)> {
    let (file, line) = written.rsplit_once(':')?;
    let line = line.parse().ok().filter(|line| *line > 0)?;
    (!file.is_empty()).then(|| (file.to_owned(), line))
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

fn held(headers: &HeaderMap, name: &HeaderName, wanted: &Texts) -> bool {
    headers.get_all(name).iter().any(|value| wanted.holds(value.as_bytes()))
}

/// Several values in one line; none of them in words.
fn listed(values: &[String]) -> String {
    if values.is_empty() { "none".to_owned() } else { values.join(" | ") }
}

fn amount(found: Option<f64>) -> String {
    found.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds}s"))
}

impl Expectation {
    /// Whether a decision is as expected. If not: what was expected, and what came.
    pub fn judge(&self, decision: &Decision) -> Result<(), (String, String)> {
        let answer = &decision.answer;
        let sent = decision.sent.last();
        let asked = || match sent {
            Some(sent) => format!("backend {}", sent.backend),
            None => format!("no backend was asked: {}", decision.ending()),
        };
        let text = |found: Option<&str>| found.unwrap_or("none").to_owned();
        let bytes = |found: &[u8]| {
            let shown: String = String::from_utf8_lossy(found).chars().take(300).collect();
            format!("{shown:?}")
        };
        let (holds, wanted, came) = match self {
            Self::Backend(None) => (sent.is_none(), "no backend".to_owned(), asked()),
            Self::Backend(Some(name)) => {
                (sent.is_some_and(|sent| *sent.backend == **name), format!("backend {name}"), asked())
            }
            Self::Files(folder) => {
                let wanted = format!("files {folder}");
                (decision.own.as_ref() == Some(&wanted), wanted, decision.own.clone().unwrap_or_else(asked))
            }
            Self::Script(wanted) => {
                let script = sent.and_then(|sent| sent.script.as_deref());
                let holds = script.is_some_and(|script| wanted.holds(script.as_bytes()));
                (holds, format!("script {}", wanted.shown()), script.map_or_else(asked, str::to_owned))
            }
            Self::Own(status) => {
                let wanted = format!("answer {status}");
                (decision.own.as_ref() == Some(&wanted), wanted, decision.own.clone().unwrap_or_else(asked))
            }
            Self::Site(name) => (
                decision.site.as_deref() == Some(name),
                format!("site {name}"),
                text(decision.site.as_deref()),
            ),
            Self::Route(path) => (
                decision.route.as_deref() == Some(path),
                format!("route {path}"),
                text(decision.route.as_deref()),
            ),
            Self::Status(status) => {
                (answer.status == *status, format!("status {status}"), format!("status {}", answer.status))
            }
            Self::Reason(reason) => (
                answer.reason.as_deref() == Some(reason),
                format!("reason {reason:?}"),
                format!("reason {:?}", answer.reason.as_deref().unwrap_or_default()),
            ),
            Self::Synth(status) => (
                decision.handling == Handling::Synth && answer.status == *status,
                format!("synth {status}"),
                decision.ending(),
            ),
            Self::Location(to) => (
                held(&answer.headers, &http::header::LOCATION, to),
                format!("location {}", to.shown()),
                format!("location {}", listed(&values(&answer.headers, &http::header::LOCATION))),
            ),
            Self::Challenge(challenge) => {
                let name = http::header::WWW_AUTHENTICATE;
                (
                    held(&answer.headers, &name, &Texts::Is(challenge.clone())),
                    format!("challenge {challenge}"),
                    format!("challenge {}", listed(&values(&answer.headers, &name))),
                )
            }
            Self::Header(name, value) => (
                held(&answer.headers, name, value),
                format!("header {name}: {}", value.shown()),
                format!("header {name}: {}", listed(&values(&answer.headers, name))),
            ),
            Self::NoHeader(name) => (
                !answer.headers.contains_key(name),
                format!("no header {name}"),
                format!("header {name}: {}", listed(&values(&answer.headers, name))),
            ),
            Self::Body(wanted) => (
                wanted.holds(&answer.body),
                format!("body {}", wanted.shown()),
                format!("body {}", bytes(&answer.body)),
            ),
            Self::Sent(asking) => {
                let Some(sent) = sent else { return Err((asking.shown(), asked())) };
                let (holds, came) = match asking {
                    Asking::Method(method) => {
                        (*method == *sent.method, format!("bereq method {}", sent.method))
                    }
                    Asking::Url(url) => (url.holds(sent.url.as_bytes()), format!("bereq url {}", sent.url)),
                    Asking::Header(name, value) => (
                        held(&sent.headers, name, value),
                        format!("bereq header {name}: {}", listed(&values(&sent.headers, name))),
                    ),
                    Asking::NoHeader(name) => (
                        !sent.headers.contains_key(name),
                        format!("bereq header {name}: {}", listed(&values(&sent.headers, name))),
                    ),
                };
                (holds, asking.shown(), came)
            }
            Self::Ttl(wanted) => near("ttl", *wanted, decision.ttl),
            Self::Grace(wanted) => near("grace", *wanted, decision.grace),
            Self::Keep(wanted) => near("keep", *wanted, decision.keep),
            Self::Handled(handling) => (
                decision.handling == *handling,
                handling.word().to_owned(),
                decision.handling.word().to_owned(),
            ),
            Self::Cause(cause) => (
                decision.cause == Some(*cause),
                format!("cause {}", cause.name()),
                format!("cause {}", decision.cause.map_or("none", Cause::name)),
            ),
            Self::Rule(file, line) => (
                decision.reached(file, *line),
                format!("rule {file}:{line} to be reached"),
                "it was not".to_owned(),
            ),
            Self::NoRule(file, line) => (
                !decision.reached(file, *line),
                format!("rule {file}:{line} not to be reached"),
                "it was".to_owned(),
            ),
            Self::Log(wanted) => (
                decision.logged.iter().any(|line| wanted.holds(line.as_bytes())),
                format!("log {}", wanted.shown()),
                format!("log {}", listed(&decision.logged)),
            ),
            Self::Record(wanted) => {
                let file = decision.record.as_deref();
                (
                    file.is_some_and(|file| wanted.holds(file.as_bytes())),
                    format!("record {}", wanted.shown()),
                    format!("record {}", file.unwrap_or("none")),
                )
            }
        };
        if holds { Ok(()) } else { Err((wanted, came)) }
    }
}

/// To the thousandth, as rules count.
fn near(what: &str, wanted: f64, found: Option<f64>) -> (bool, String, String) {
    let holds = found.is_some_and(|found| (found - wanted).abs() < 0.000_5);
    (holds, format!("{what} {wanted}s"), format!("{what} {}", amount(found)))
}

impl Asking {
    fn shown(&self) -> String {
        match self {
            Self::Method(method) => format!("bereq method {method}"),
            Self::Url(url) => format!("bereq url {}", url.shown()),
            Self::Header(name, value) => format!("bereq header {name}: {}", value.shown()),
            Self::NoHeader(name) => format!("no bereq header {name}"),
        }
    }
}
