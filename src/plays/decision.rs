//! What becomes of a request, and how it came to that: plain data for expectations, stories and comparisons.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::HeaderMap;

use crate::base::cause::Cause;
use crate::language::program::Mark;

/// How rules have a request handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Handling {
    /// Answered by the gateway before any rule: a redirect, a refusal.
    #[default]
    Door,
    /// Looked up; until there is a cache, every look-up is a miss.
    Lookup,
    Pass,
    Pipe,
    Purge,
    Synth,
}

impl Handling {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Door => "answered at the door",
            Self::Lookup => "lookup",
            Self::Pass => "pass",
            Self::Pipe => "pipe",
            Self::Purge => "purge",
            Self::Synth => "synth",
        }
    }
}

/// One thing that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub kind: Kind,
    /// For people: "www.example", "/svn/ → backend svn".
    pub text: String,
    pub place: Option<Spot>,
    /// Lines that belong to it, such as the headers a backend is sent.
    pub below: Vec<String>,
}

/// A place in the rules, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub file: String,
    pub line: usize,
    /// The line itself, trimmed; empty for a private file.
    pub source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Site,
    Redirect,
    Route,
    Rule,
    Rewrite,
    Access,
    Record,
    Backend,
    Answer,
    Log,
    Fault,
    End,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Redirect => "redirect",
            Self::Route => "route",
            Self::Rule => "rule",
            Self::Rewrite => "rewrite",
            Self::Access => "access",
            Self::Record => "record",
            Self::Backend => "backend",
            Self::Answer => "answer",
            Self::Log => "log",
            Self::Fault => "fault",
            Self::End => "end",
        }
    }
}

/// A request that a backend would be sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub backend: Box<str>,
    pub method: Box<str>,
    pub url: Box<str>,
    pub headers: HeaderMap,
    /// The script that a FastCGI backend runs for it, and what of the path follows it.
    pub script: Option<Box<str>>,
}

/// What the visitor gets.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub reason: Option<Box<str>>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    pub steps: Vec<Step>,
    pub site: Option<Box<str>>,
    /// The path of the route, as the rules write it.
    pub route: Option<Box<str>>,
    pub handling: Handling,
    /// In the order asked: a retry asks again.
    pub sent: Vec<Sent>,
    /// What the house answered by itself: `files /srv/static`, `redirect 301 …`, `answer 200`.
    pub own: Option<String>,
    pub answer: Answer,
    pub ttl: Option<f64>,
    pub grace: Option<f64>,
    pub keep: Option<f64>,
    pub cause: Option<Cause>,
    /// Rules that were reached.
    pub marks: BTreeSet<Mark>,
    /// The same in order, each time.
    pub way: Vec<Mark>,
    /// How much of that way was gone when the first backend was asked.
    pub way_to_backend: usize,
    /// What rules wrote to the log.
    pub logged: Vec<String>,
    /// The file that gets the line of this visit; its day is not known.
    pub record: Option<String>,
    /// Where its route stands among all sites' routes.
    pub door: Option<(usize, usize)>,
    /// The same of the internal route that a backend's answer led to.
    pub handed: Option<(usize, usize)>,
}

impl Decision {
    pub fn step(&mut self, kind: Kind, text: impl Into<String>, place: Option<Spot>) {
        self.steps.push(Step { kind, text: text.into(), place, below: Vec::new() });
    }

    /// Whether a rule on this line was reached; a file is named by the end of its path.
    pub fn reached(&self, file: &str, line: usize) -> bool {
        let same =
            |name: &str| name == file || name.strip_suffix(file).is_some_and(|before| before.ends_with('/'));
        self.steps
            .iter()
            .filter_map(|step| step.place.as_ref())
            .any(|place| place.line == line && same(&place.file))
    }

    /// The end in a few words.
    pub fn ending(&self) -> String {
        let status = self.answer.status;
        let location = self.answer.headers.get(http::header::LOCATION);
        match (self.cause, self.sent.last()) {
            (Some(cause), _) => format!("{status}, {}", cause.name()),
            _ if (300..400).contains(&status) && location.is_some() => {
                let to = location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
                format!("{status} to {}", to.unwrap_or_default())
            }
            _ if self.handling == Handling::Synth => format!("synth {status}"),
            (None, Some(sent)) => format!("{status} from backend {}", sent.backend),
            (None, None) if self.own.is_some() => {
                format!("{status}: {}", self.own.as_deref().unwrap_or_default())
            }
            (None, None) => format!("status {status}"),
        }
    }
}
