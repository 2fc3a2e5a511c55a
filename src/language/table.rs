//! The one table of declarations and their settings. The checker, the manual, the completions and the
//! formatter read it; a row without its sentence or without someone who reads it fails a test.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::vocabulary::{Dialect, Dialects};
use crate::base::bound;

/// A kind of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Gateway,
    Backend,
    Site,
    Route,
    Acl,
    Log,
    Probe,
    Table,
    Director,
    PenaltyBox,
    RateCounter,
}

/// How a declaration is called by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// `gateway { … }`: there is one.
    Nothing,
    /// `backend trac { … }`
    Word,
    /// `site "www." + domain { … }`
    Text,
}

impl Kind {
    pub const ALL: &'static [Kind] = &[
        Kind::Gateway,
        Kind::Backend,
        Kind::Site,
        Kind::Route,
        Kind::Acl,
        Kind::Log,
        Kind::Probe,
        Kind::Table,
        Kind::Director,
        Kind::PenaltyBox,
        Kind::RateCounter,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Kind::Gateway => "gateway",
            Kind::Backend => "backend",
            Kind::Site => "site",
            Kind::Route => "route",
            Kind::Acl => "acl",
            Kind::Log => "log",
            Kind::Probe => "probe",
            Kind::Table => "table",
            Kind::Director => "director",
            Kind::PenaltyBox => "penaltybox",
            Kind::RateCounter => "ratecounter",
        }
    }

    /// The word with its article, for sentences.
    pub const fn a_word(self) -> &'static str {
        match self {
            Kind::Gateway => "a `gateway`",
            Kind::Backend => "a `backend`",
            Kind::Site => "a `site`",
            Kind::Route => "a `route`",
            Kind::Acl => "an `acl`",
            Kind::Log => "a `log`",
            Kind::Probe => "a `probe`",
            Kind::Table => "a `table`",
            Kind::Director => "a `director`",
            Kind::PenaltyBox => "a `penaltybox`",
            Kind::RateCounter => "a `ratecounter`",
        }
    }

    pub const fn doc(self) -> &'static str {
        match self {
            Kind::Gateway => {
                "This process: where it listens, where it keeps its state, whom it trusts, and its limits."
            }
            Kind::Backend => "One server behind the gateway.",
            Kind::Site => "One host name and its routes.",
            Kind::Route => "A path of a site, and what happens to it and to everything below it.",
            Kind::Acl => "A list of networks; the longest network that holds an address decides.",
            Kind::Log => "Where records go, and in which format.",
            Kind::Probe => "How a backend is asked whether it is well.",
            Kind::Table => "A list of keys and what each stands for.",
            Kind::Director => "Several backends that answer as one.",
            Kind::PenaltyBox => "Who is kept out for a while.",
            Kind::RateCounter => "How often each visitor came.",
        }
    }

    pub const fn named(self) -> Named {
        match self {
            Kind::Gateway => Named::Nothing,
            Kind::Backend
            | Kind::Acl
            | Kind::Log
            | Kind::Probe
            | Kind::Table
            | Kind::Director
            | Kind::PenaltyBox
            | Kind::RateCounter => Named::Word,
            Kind::Site | Kind::Route => Named::Text,
        }
    }

    /// The kind it stands in; `None` for the top level.
    pub const fn inside(self) -> Option<Kind> {
        match self {
            Kind::Route => Some(Kind::Site),
            _ => None,
        }
    }

    pub fn by_word(word: &str) -> Option<Kind> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    pub fn settings(self) -> &'static [Setting] {
        match self {
            Kind::Gateway => &GATEWAY,
            Kind::Backend => BACKEND,
            Kind::Site => SITE,
            Kind::Route => ROUTE,
            Kind::Acl | Kind::Table | Kind::PenaltyBox | Kind::RateCounter => &[],
            Kind::Director => DIRECTOR,
            Kind::Log => LOG,
            Kind::Probe => PROBE,
        }
    }

    /// Which languages declare it.
    pub const fn dialects(self) -> Dialects {
        match self {
            Kind::Backend | Kind::Acl | Kind::Probe => Dialects::ALL,
            Kind::Table | Kind::Director => Dialects::EXTENDED,
            Kind::PenaltyBox | Kind::RateCounter => Dialects::FASTLY,
            Kind::Gateway | Kind::Site | Kind::Route | Kind::Log => Dialects::OURS,
        }
    }

    /// A setting that a dialect knows.
    pub fn setting(self, name: &str, dialect: Dialect) -> Option<&'static Setting> {
        self.settings().iter().find(|row| row.name == name && row.dialects.has(dialect))
    }

    /// Words that may stand between its name and its body.
    pub const fn flags(self) -> &'static [Word] {
        match self {
            Kind::Backend => BACKEND_FLAGS,
            Kind::Route => ROUTE_FLAGS,
            Kind::Acl => ACL_FLAGS,
            _ => &[],
        }
    }
}

const BACKEND_FLAGS: &[Word] =
    &[Word { word: "none", doc: "Stands for no server at all; it is never healthy, and has no body." }];

const ROUTE_FLAGS: &[Word] = &[
    Word {
        word: "exact",
        doc: "Covers the path alone, with or without a slash at its end, and nothing below it.",
    },
    Word {
        word: "internal",
        doc: "Is not there for visitors: a backend's answer leads here by `X-Accel-Redirect` or `X-Sendfile`, and access is not judged again.",
    },
];

const ACL_FLAGS: &[Word] = &[
    Word { word: "+log", doc: "As in VCL; look-ups are shown by `explain`, and in no log." },
    Word { word: "-log", doc: "As in VCL." },
    Word { word: "+pedantic", doc: "Refuses bits behind a prefix; it is what is done anyway." },
    Word { word: "-pedantic", doc: "Takes bits behind a prefix for zero, as VCL does." },
    Word { word: "+table", doc: "As in VCL; every list is kept as ranges here." },
    Word { word: "-table", doc: "As in VCL; every list is kept as ranges here." },
];

/// Settings that VCL knows and that are refused, with the reason.
pub const REFUSED: &[(Kind, &str, &str)] = &[
    (
        Kind::Backend,
        "proxy_header",
        "no PROXY header is sent to backends: say who visits by `.visitor_address`",
    ),
    (Kind::Backend, "preamble", "nothing is sent to a backend before its requests"),
    (Kind::Backend, "via", "backends are reached directly"),
    (Kind::Backend, "authority", "backends are reached directly"),
    (Kind::Backend, "share_key", "connections are kept per backend, and shared with nobody"),
    (Kind::Backend, "dynamic", "every name is asked for again by itself: `.resolve_every` says how often"),
    (Kind::Backend, "ssl", "write `.url = \"https://host\";` instead of `.host` and `.ssl`"),
    (Kind::Backend, "ssl_cert_hostname", "write `.url = \"https://…\";` and `.tls_name`"),
    (Kind::Backend, "ssl_sni_hostname", "write `.url = \"https://…\";` and `.tls_name`"),
    (Kind::Backend, "ssl_check_cert", "certificates are always checked; `.pin` trusts one whoever signed it"),
    (Kind::Probe, "dummy", "a probe asks, or there is none"),
];

/// Words of the full language that are not spoken yet, so that nobody hunts for a typing error.
pub const LATER: &[&str] = &["authority", "directory", "limit", "secret"];

/// Settings of the full language whose rooms are not built yet.
pub const LATER_SETTINGS: &[(Kind, &[&str])] = &[
    (Kind::Gateway, &["portal", "store", "memory"]),
    (Kind::Backend, &["shares", "identity"]),
    (Kind::Site, &["directory", "hsts", "limits"]),
    (Kind::Route, &["sign_in", "sign_out", "realm", "limits", "class", "cache", "cookies"]),
    (Kind::Log, &["archive", "readers"]),
];

/// Who answers on a route: exactly one of these is said.
pub const ANSWERS: &[&str] = &["backend", "files", "redirect", "answer"];

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// An address to listen on: `":443"`, `"127.0.0.1:9900"`, `"[::1]:80"`.
    Listener,
    /// Where a backend is: `"http://host:port"`, `"https://host"`, `"unix:/run/x.sock"`, `"fastcgi:/run/x.sock"`,
    /// `"fastcgi://host:port"`.
    Url,
    /// Where a backend is, in VCL's words: a name or an address, with a port or without.
    Server,
    /// `"8080"`, `8080` or the name of a service.
    Port,
    /// The path of a unix socket.
    Socket,
    /// A path and a query, as they are asked for.
    Target,
    /// Text whose form its reader knows.
    Text,
    /// A path as a route's own is written, with names of the route's.
    Path,
    /// Lines of a request, as strings side by side.
    Lines,
    /// `"204"` or `"200-299"`.
    Statuses,
    /// The name of a `probe`, or its settings between braces.
    Probe,
    /// A host name, with a port where it says so.
    Host,
    /// A path, relative to the rule file it stands in; `{state}` is the state folder.
    File,
    /// A path; relative to what its setting says.
    Folder,
    /// A path with `{state}`, `{site}` and `{day}`.
    Template,
    /// The address of a page, as a browser has it: `"https://status.example"`.
    Link,
    /// `"sha256:…"`
    Digest,
    /// Where visitors are sent: an address, or a path, with names of the path, `{path}` and `{query}`.
    Address,
    /// What is looked for: `"{path}.html"`, `"/index.html"`, or at last a status.
    Attempt,
    /// A text to answer, or a status.
    Reply,
    /// `"text/plain"`
    Media,
    Bool,
    Count,
    Duration,
    Size,
    Word(&'static [Word]),
    Name(Kind),
    Certificate,
    /// A certificate and its key, from files.
    OwnCertificate,
    Access,
    /// The name of a backend, with `weight` and a number behind it where it takes more than one share.
    Member,
    /// What of a request leads to a member: `client`, `path`, `cookie("name")` or `header("Name")`.
    HashBy,
    /// The name of a cookie.
    Cookie,
}

impl Type {
    /// What stands in messages and in the manual.
    pub fn title(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Type::Listener => "an address to listen on, such as `\":443\"` or `\"127.0.0.1:9900\"`",
            Type::Url => "a url, such as `\"http://127.0.0.1:8000\"` or `\"unix:/run/app.sock\"`",
            Type::Server => "a host name or an address in quotes",
            Type::Port => "a port in quotes, such as `\"8080\"` or `\"http\"`",
            Type::Socket => "the path of a socket in quotes",
            Type::Target => "a path in quotes, such as `\"/alive\"`",
            Type::Text => "text in quotes",
            Type::Path => {
                "a path in quotes, such as `\"/trac/env1/\"`, which may hold names of the route's own"
            }
            Type::Lines => "the lines of a request, such as `\"GET / HTTP/1.1\" \"Connection: close\"`",
            Type::Statuses => "a status or a range of them in quotes, such as `\"204\"` or `\"200-299\"`",
            Type::Probe => "the name of a `probe`, or its settings between braces",
            Type::Host => "a host name in quotes",
            Type::File => "a file name in quotes",
            Type::Folder => "a folder name in quotes",
            Type::Template => {
                "a file name in quotes, which may hold `{state}`, `{site}`, `{day}` and names of a path"
            }
            Type::Link => "the address of a page, such as `\"https://status.example\"`",
            Type::Digest => "a fingerprint, such as `\"sha256:9f86…\"`",
            Type::Address => "an address in quotes, such as `\"https://new.example/{path}\"`",
            Type::Attempt => "a file such as `\"{path}.html\"` or `\"/index.html\"`, or a status",
            Type::Reply => "a text in quotes, or a status such as `404`",
            Type::Media => "a media type, such as `\"text/plain\"`",
            Type::Bool => "`yes` or `no`",
            Type::Count => "a whole number",
            Type::Duration => "a duration, such as `10s` or `5m`",
            Type::Size => "a size, such as `64KB` or `10MB`",
            Type::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{}`", word.word)).collect();
                return Cow::Owned(one_of(&words));
            }
            Type::Name(Kind::Backend) => "the name of a `backend`",
            Type::Name(Kind::Acl) => "the name of an `acl`",
            Type::Name(Kind::Log) => "the name of a `log`",
            Type::Name(Kind::Table) => "the name of a `table`",
            Type::Name(Kind::Probe) => "the name of a `probe`",
            Type::Name(_) => "a name",
            Type::Certificate => "`local` or `files(\"chain.pem\", \"key.pem\")`",
            Type::Member => "the name of a `backend`, and `weight 2` behind it where it takes more",
            Type::HashBy => "`client`, `path`, `cookie(\"name\")` or `header(\"Name\")`",
            Type::Cookie => "the name of a cookie in quotes",
            Type::OwnCertificate => "`files(\"chain.pem\", \"key.pem\")`",
            Type::Access => "who may pass: `anyone`, `nobody`, `network(acl)`, joined by `&&`, `||` and `!`",
        })
    }

    /// Whether the value is text that its room reads further.
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Type::Listener
                | Type::Url
                | Type::Server
                | Type::Port
                | Type::Socket
                | Type::Target
                | Type::Statuses
                | Type::Text
                | Type::Path
                | Type::Host
                | Type::File
                | Type::Folder
                | Type::Template
                | Type::Link
                | Type::Digest
                | Type::Address
                | Type::Attempt
                | Type::Reply
                | Type::Media
                | Type::Cookie
        )
    }

    /// Whether a number may stand in the place of the text: a status.
    pub const fn is_status_too(self) -> bool {
        matches!(self, Type::Attempt | Type::Reply)
    }
}

/// `a, b or c`.
pub fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A word that a setting takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    pub word: &'static str,
    pub doc: &'static str,
}

/// A row: one setting of one kind.
#[derive(Clone, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub takes: Type,
    /// As an operator would write it, or in words; empty when it must be said.
    pub default: Cow<'static, str>,
    pub doc: &'static str,
    pub required: bool,
    /// Takes several values, parted by commas.
    pub several: bool,
    /// The least and the most, in numbers, bytes or milliseconds.
    pub range: (u64, u64),
    /// A value other than the default, for the manual and for the test that finds a setting nobody reads.
    pub example: &'static str,
    pub dialects: Dialects,
}

const ANY: (u64, u64) = (0, u64::MAX);
/// A year: a timer further away says less than "never" and costs more than it.
const YEAR: u64 = 366 * 86_400_000;
const WAIT: (u64, u64) = (1, YEAR);
const WAIT_OR_NONE: (u64, u64) = (0, YEAR);

const fn row(
    name: &'static str,
    takes: Type,
    default: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Setting {
    Setting {
        name,
        takes,
        default: Cow::Borrowed(default),
        doc,
        required: default.is_empty(),
        several: false,
        range: match takes {
            Type::Duration => WAIT,
            _ => ANY,
        },
        example,
        dialects: Dialects::OURS,
    }
}

impl Setting {
    const fn several(mut self) -> Self {
        self.several = true;
        self
    }

    const fn range(mut self, range: (u64, u64)) -> Self {
        self.range = range;
        self
    }

    /// A setting that VCL has too.
    const fn vcl(mut self) -> Self {
        self.dialects = Dialects::ALL;
        self
    }
}

static GATEWAY: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut rows = vec![
        row("http", Type::Listener, "\":80\", when `.https` is not set either", "Addresses for plain http, which redirects to https; `\":80\"` is every address of the machine, IPv4 and IPv6.", "\":8080\", \"127.0.0.1:8081\"").several(),
        row("https", Type::Listener, "\":443\", when `.http` is not set either", "Addresses for https.", "\":8443\"").several(),
        row("admin", Type::Listener, "none", "Address for health and metrics, read only; keep it away from the street.", "\"127.0.0.1:9900\""),
        row("state", Type::Folder, "\"/var/lib/doorward\"", "The folder for certificates, logs and everything else the gateway keeps; relative to the folder of the main file.", "\"state\""),
        row("workers", Type::Count, "one for each processor core", "Threads that serve visitors.", "2").range((1, 1024)),
        row("trusted", Type::Name(Kind::Acl), "nobody", "Proxies in front of this gateway whose `X-Forwarded-*` and PROXY headers are believed.", "office"),
        row("proxy_protocol", Type::Bool, "no", "Whether every trusted peer begins its connections with a PROXY header (version 1 or 2); it is never believed from others.", "yes"),
    ];
    let defaults = bound::Bounds::default();
    for bound in bound::Bounds::ROWS {
        let none = matches!(
            bound.name,
            "body_bytes_max"
                | "buffers_max"
                | "total_timeout"
                | "linger_timeout"
                | "drain_timeout"
                | "upgrade_drain_timeout"
        );
        let least = u64::from(!none);
        let (takes, range, example) = match bound.kind {
            bound::Kind::Count => (Type::Count, (least, 10_000_000), "77"),
            bound::Kind::Size if none => (Type::Size, ANY, "10MB"),
            bound::Kind::Size => (Type::Size, (1 << 10, 16 << 20), "7KB"),
            bound::Kind::Time if none => (Type::Duration, WAIT_OR_NONE, "77s"),
            bound::Kind::Time => (Type::Duration, WAIT, "77s"),
        };
        let default = defaults.show(bound.name).unwrap_or_default();
        rows.push(Setting {
            default: Cow::Owned(default),
            required: false,
            ..row(bound.name, takes, " ", bound.doc, example).range(range)
        });
    }
    rows
});

const ADDRESS_WORDS: &[Word] = &[
    Word {
        word: "pseudonym",
        doc: "An address of its own for each visitor, the same for a day, shaped as IPv6.",
    },
    Word { word: "cut", doc: "The visitor's network: /24 or /48." },
    Word { word: "full", doc: "The visitor's address itself." },
    Word { word: "none", doc: "Nothing." },
];

static BACKEND: &[Setting] = &[
    row(
        "url",
        Type::Url,
        "what `.host` or `.path` says",
        "Where the server is: `http://`, `https://`, `h2://` (HTTP/2 over TLS), `h2c://` (HTTP/2 without TLS), a unix socket, or FastCGI by `fastcgi://host:port` or `fastcgi:/run/php.sock`; no path, which is the routes' business.",
        "\"https://127.0.0.1:8001\"",
    ),
    row(
        "host",
        Type::Server,
        "what `.url` says",
        "Where the server is, as VCL writes it: a name or an address; it is spoken to without TLS.",
        "\"127.0.0.2\"",
    )
    .vcl(),
    row("port", Type::Port, "80, or what `.host` says", "The port beside `.host`.", "\"8001\"").vcl(),
    row(
        "path",
        Type::Socket,
        "what `.url` says",
        "The unix socket of the server, as VCL writes it: from the root of the file system.",
        "\"/run/app.sock\"",
    )
    .vcl(),
    row(
        "host_header",
        Type::Host,
        "what the visitor typed, port included",
        "The `Host` this server is asked for.",
        "\"app.internal:8000\"",
    )
    .vcl(),
    row(
        "max_connections",
        Type::Count,
        "0",
        "How many requests it may have at once, all workers together; 0 is no limit.",
        "7",
    )
    .range((0, 1_000_000))
    .vcl(),
    row(
        "workers",
        Type::Count,
        "0",
        "How many connections it can serve at once, as many as it has processes or threads; those that rest count \
         too. All workers of the gateway together never open more; 0 is no limit.",
        "8",
    )
    .range((0, 100_000)),
    row(
        "queue",
        Type::Count,
        "100 with `.workers`, 0 with `.max_connections`",
        "How many requests may wait when it has as many as it can take; first come, first served.",
        "50",
    )
    .range((0, 100_000)),
    row("queue_timeout", Type::Duration, "10s", "How long each of them may wait; 0 is no limit.", "77s")
        .range(WAIT_OR_NONE),
    row(
        "probe",
        Type::Probe,
        "the `probe` called `default`, where there is one",
        "How its health is asked.",
        "alive",
    )
    .vcl(),
    row(
        "failures_max",
        Type::Count,
        "5",
        "Failures in a row after which it is left alone, but for one visitor now and then; 0 is never. A refused or lost connection, a TLS failure, an answer that makes no sense and one that does not come are failures; an answer is none, whatever its status.",
        "7",
    )
    .range((0, 1_000_000)),
    row(
        "failure_rate",
        Type::Count,
        "0",
        "Failures in a hundred requests, of the last 10 seconds and of 20 requests at least, after which it is left alone as well; 0 is never.",
        "50",
    )
    .range((0, 100)),
    row(
        "retry_every",
        Type::Duration,
        "500ms",
        "While it is left alone, how often one visitor is sent there all the same; a good answer ends it. One second at most.",
        "250ms",
    )
    .range((1, 1_000)),
    row(
        "resolve_every",
        Type::Duration,
        "10s",
        "How often its name is asked for again. When nobody knows it any more, the last answer holds.",
        "77s",
    )
    .range((1_000, YEAR)),
    row(
        "visitor_address",
        Type::Word(ADDRESS_WORDS),
        "pseudonym",
        "What this server learns of a visitor's address.",
        "cut",
    ),
    row("connect_timeout", Type::Duration, "3s", "How long a connection may take to open.", "77s").vcl(),
    row(
        "first_byte_timeout",
        Type::Duration,
        "1m",
        "How long the server may think before its answer begins.",
        "77s",
    )
    .vcl(),
    row("between_bytes_timeout", Type::Duration, "1m", "Longest pause within an answer.", "77s").vcl(),
    row(
        "idle_timeout",
        Type::Duration,
        "50s",
        "How long an unused connection is kept; say less than the server does.",
        "77s",
    ),
    row(
        "slow_start",
        Type::Duration,
        "0s",
        "How long a member of a director that has come back takes to its full weight, from a tenth of it.",
        "77s",
    )
    .range(WAIT_OR_NONE),
    row(
        "idle_max",
        Type::Count,
        "64, and 0 for FastCGI, where each one would keep a process of php-fpm",
        "Unused connections kept by each worker; 0 keeps none.",
        "7",
    )
    .range((0, 100_000)),
    row(
        "ca",
        Type::File,
        "the system's authorities",
        "Trust the authorities in this PEM file, and no others.",
        "\"ca.pem\"",
    ),
    row(
        "tls_name",
        Type::Host,
        "the host of `.url`",
        "The name the server's certificate must carry.",
        "\"app.internal\"",
    ),
    row(
        "pin",
        Type::Digest,
        "none",
        "Trust exactly the certificate with this SHA-256 fingerprint, whoever signed it; for old servers.",
        "\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
    ),
    row(
        "client_certificate",
        Type::OwnCertificate,
        "none",
        "The certificate and the key by which the gateway proves to this server who it is.",
        "files(\"gateway.pem\", \"gateway.key\")",
    ),
];

const POLICY_WORDS: &[Word] = &[
    Word { word: "least", doc: "Of two members by chance, the one that works on less for its weight." },
    Word { word: "round_robin", doc: "One after the other, each as often as its weight says." },
    Word { word: "random", doc: "By chance, each as often as its weight says." },
    Word {
        word: "hash",
        doc: "Always the same member for the same `.by`; only keys of a member that goes move.",
    },
    Word { word: "fallback", doc: "The first that is well, in the order of `.members`." },
];

/// Shares of one member; as many lie on the ring of a director that hashes.
pub const WEIGHT_MAX: u64 = 1_000;
/// Members of one director.
pub const MEMBERS_MAX: usize = 256;

static DIRECTOR: &[Setting] = &[
    row(
        "members",
        Type::Member,
        "",
        "The backends that answer, each with `weight 2` behind it where it takes more than its share; no directors.",
        "app, other weight 2",
    )
    .several(),
    row("policy", Type::Word(POLICY_WORDS), "least", "How one of them is chosen.", "round_robin"),
    row(
        "by",
        Type::HashBy,
        "client",
        "With `.policy = hash`: what leads to a member; where the request has no such cookie or header, the client does.",
        "cookie(\"session\")",
    ),
    row(
        "sticky",
        Type::Cookie,
        "none",
        "A cookie by which a visitor comes back to the same member while that is well; its value names nothing.",
        "\"member\"",
    ),
    row(
        "retries",
        Type::Count,
        "2",
        "How many other members may be tried when one fails; a member that may have seen a request that changes something stays the last.",
        "1",
    )
    .range((0, 10)),
];

static SITE: &[Setting] = &[
    row(
        "aliases",
        Type::Host,
        "none",
        "Other host names, redirected to the first.",
        "\"alias.example\", \"other.example\"",
    )
    .several(),
    row(
        "certificate",
        Type::Certificate,
        "local",
        "The certificate shown: from files, or from the authority the machine makes for itself.",
        "files(\"chain.pem\", \"key.pem\")",
    ),
    row("force_https", Type::Bool, "yes", "Whether plain http is redirected to https.", "no"),
    row("log", Type::Name(Kind::Log), "the default log", "Where this site's records go.", "visitors"),
    row(
        "status",
        Type::Link,
        "none",
        "The page that tells how the services are: error pages link to it, also before a backend is known to be sick.",
        "\"https://status.example\"",
    ),
    row(
        "fault_status",
        Type::Word(STATUSES_WORDS),
        "always_503",
        "Which status visitors get when a backend fails; rules may say another.",
        "by_cause",
    ),
    row(
        "pages",
        Type::Folder,
        "none",
        "A folder of pages that take the place of ours of the same names (docs/pages.md); relative to the rule file.",
        "\"pages\"",
    ),
    row(
        "maintenance",
        Type::Bool,
        "no",
        "Whether the site is closed: visitors get the page for that. `doorward maintenance` closes it at run time.",
        "yes",
    ),
    row(
        "maintenance_allow",
        Type::Name(Kind::Acl),
        "nobody",
        "Who sees the site while it is closed, unless `doorward maintenance on` says otherwise.",
        "office",
    ),
];

const STATUSES_WORDS: &[Word] = &[
    Word { word: "always_503", doc: "503 for every fault of a backend: come back later." },
    Word {
        word: "by_cause",
        doc: "502 where its answer was none, 504 where it came too late, 503 where it could not be asked.",
    },
];

const SLASH_WORDS: &[Word] = &[
    Word { word: "refuse", doc: "`%2f` in a path gets 400: it could be read in two ways." },
    Word { word: "keep", doc: "`%2f` stays as it is, for titles such as MediaWiki's `AC%2FDC`." },
];

const SERVES_WORDS: &[Word] = &[
    Word { word: "web", doc: "Pages and forms: GET, HEAD and OPTIONS only read." },
    Word { word: "subversion", doc: "Subversion over http: PROPFIND and REPORT only read too." },
    Word { word: "webdav", doc: "A folder of files: PROPFIND, REPORT and SEARCH only read too." },
    Word { word: "git", doc: "Git over http: a fetch only reads, a push writes from its first request on." },
];

const LINK_WORDS: &[Word] = &[
    Word {
        word: "inside",
        doc: "They are followed as long as they stay beneath the folder; absolute ones lead out of it.",
    },
    Word { word: "follow", doc: "They are followed wherever they lead." },
    Word { word: "refuse", doc: "None is followed." },
];

static ROUTE: &[Setting] = &[
    row(
        "backend",
        Type::Name(Kind::Backend),
        "what `.files`, `.redirect` or `.answer` says",
        "Who answers; by a name of the path with `lookup(table, \"{name}\")`. Each route has this, or `.files`, `.redirect` or `.answer`.",
        "other",
    ),
    row(
        "files",
        Type::Folder,
        "none",
        "Answers with the files below this folder, which is relative to the rule file it stands in: of `route \"/static/\" { .files = \"/srv/static\"; }`, `/static/a.css` is `/srv/static/a.css`.",
        "\"/srv/static\"",
    ),
    row(
        "scripts",
        Type::Name(Kind::Backend),
        "none",
        "Who runs the scripts that lie below `.files`, a FastCGI backend: they are run and never shown, all else is a file; `.try` may end with one.",
        "php",
    ),
    row(
        "index",
        Type::File,
        "\"index.html\"; with `.scripts` \"index.php\", \"index.html\"",
        "What is served for a folder of `.files`: the first of these that is there. Below a `.root`: the script that stands for a folder, `index.php` when nothing is said.",
        "\"index.htm\", \"index.txt\"",
    )
    .several(),
    row("listing", Type::Bool, "no", "Whether a folder of `.files` without an index shows what lies in it.", "yes"),
    row(
        "try",
        Type::Attempt,
        "the path alone",
        "What is looked for below `.files`, one after the other: `{path}` is what was asked for; the last may be a status. For a site of one page: `\"{path}\", \"/index.html\"`.",
        "\"{path}\", \"{path}.html\", \"/index.html\"",
    )
    .several(),
    row(
        "expires",
        Type::Duration,
        "nothing is said",
        "How long a file may be kept without asking again (`Cache-Control`); 0 for a look each time.",
        "30d",
    )
    .range(WAIT_OR_NONE),
    row("links", Type::Word(LINK_WORDS), "inside", "Where symbolic links below `.files` may lead.", "refuse"),
    row(
        "precompressed",
        Type::Bool,
        "yes",
        "Whether `a.css.br`, `a.css.zst` or `a.css.gz`, beside `a.css` and not older, go to visitors who take them.",
        "no",
    ),
    row(
        "hidden",
        Type::Bool,
        "no",
        "Whether `.files` shows hidden files too: names that begin with a dot (but for `.well-known`), what editors leave behind, and sources of PHP.",
        "yes",
    ),
    row(
        "redirect",
        Type::Address,
        "none",
        "Sends visitors elsewhere; `{path}` is what stands behind the route's own path, `{query}` the query with its `?`, and names of the path may stand in it.",
        "\"https://new.example/{path}{query}\"",
    ),
    row(
        "answer",
        Type::Reply,
        "none",
        "Answers always the same: a text, or our page for a status.",
        "\"User-agent: *\"",
    ),
    row(
        "status",
        Type::Count,
        "301 for `.redirect`, 200 for a text",
        "The status of `.redirect` (301, 302, 303, 307 or 308; clients of WebDAV follow 301 alone) or of a text in `.answer`.",
        "302",
    )
    .range((200, 599)),
    row("type", Type::Media, "\"text/plain\"", "What the text in `.answer` is.", "\"text/html\""),
    row("allow", Type::Access, "anyone", "Who may pass, to read and to write.", "network(office)"),
    row("read", Type::Access, "anyone", "Who may do what only reads.", "network(office)"),
    row(
        "write",
        Type::Access,
        "what `.read` says",
        "Who may do everything that is not known to only read.",
        "network(office)",
    ),
    row(
        "serves",
        Type::Word(SERVES_WORDS),
        "web",
        "What the backend speaks; it says which requests only read.",
        "subversion",
    ),
    row(
        "body_bytes_max",
        Type::Size,
        "what the gateway says",
        "Largest request body taken, 0 for no limit; larger ones get 413.",
        "10MB",
    ),
    row(
        "collect_max",
        Type::Size,
        "64KB",
        "A request's body up to this size is read whole before the backend is asked, so that no process of it waits \
         for a slow visitor; 0 for none. Where the route serves something else than `web` all bodies stream.",
        "10KB",
    )
    .range((0, 16 << 20)),
    row(
        "answer_buffer",
        Type::Size,
        "1MB",
        "So much of an answer is held for a visitor who reads slowly, and its backend is free when it has said all; \
         0 for none. Event streams, answers with `X-Accel-Buffering: no` and routes that serve something else than \
         `web` pass straight.",
        "10MB",
    )
    .range((0, 1 << 30)),
    row(
        "root",
        Type::Folder,
        "none",
        "The folder that the scripts of a FastCGI backend lie in; relative to the folder of the main file.",
        "\"/srv/www\"",
    ),
    row(
        "root_there",
        Type::Text,
        "what `.root` says",
        "The same folder as the FastCGI backend sees it, such as in a container.",
        "\"/var/www/html\"",
    ),
    row(
        "script",
        Type::Text,
        "what the path names",
        "The one script that every request of the route goes to, from `.root` on.",
        "\"/index.php\"",
    ),
    row(
        "endings",
        Type::Text,
        "\".php\"",
        "How the names of scripts end; what else lies below a `.root` has no page, below `.files` it is a file.",
        "\".php\", \".phtml\"",
    )
    .several(),
    row(
        "strip",
        Type::Bool,
        "no",
        "Whether the route's own path is taken off before the backend is asked: `/wiki/a` becomes `/a`.",
        "yes",
    ),
    row(
        "replace",
        Type::Path,
        "the route's own path",
        "What the backend is asked for in the place of the route's own path; it may hold names of that.",
        "\"/trac/env1/\"",
    ),
    row(
        "rewrite_links",
        Type::Bool,
        "no",
        "Whether links in its pages that name the backend, or this site by http, are put right on the way.",
        "yes",
    ),
    row("encoded_slash", Type::Word(SLASH_WORDS), "refuse", "What happens to `%2f` in a path.", "keep"),
    row(
        "replace_errors",
        Type::Bool,
        "no",
        "Whether our page takes the place of the backend's own where it answers 500 or more; its status stays.",
        "yes",
    ),
    row(
        "log",
        Type::Name(Kind::Log),
        "the log of its site",
        "Where this route's records go; its files may be named by names of the path.",
        "visitors",
    ),
    row(
        "total_timeout",
        Type::Duration,
        "what the gateway says",
        "Longest a whole visit may take, 0 for no limit.",
        "77s",
    )
    .range(WAIT_OR_NONE),
    row(
        "body_timeout",
        Type::Duration,
        "what the gateway says",
        "Longest pause between two pieces of a request body, or of an answer the visitor does not read.",
        "77s",
    ),
];

const FORMAT_WORDS: &[Word] = &[
    Word { word: "combined", doc: "The line that every analyser of web logs can read." },
    Word { word: "json", doc: "One JSON object on each line." },
];

/// Where a log goes when nothing is said.
pub const LOG_FILE: &str = "{state}/log/{site}/access-{day}.log";
pub const LOG_ERRORS: &str = "{state}/log/{site}/error-{day}.log";

static LOG: &[Setting] = &[
    row("format", Type::Word(FORMAT_WORDS), "combined", "How a visit is written down.", "json"),
    row(
        "file",
        Type::Template,
        "\"{state}/log/{site}/access-{day}.log\"",
        "The access log; relative to the rule file it stands in.",
        "\"access.log\"",
    ),
    row(
        "errors",
        Type::Template,
        "\"{state}/log/{site}/error-{day}.log\"",
        "The error log; relative to the rule file it stands in.",
        "\"error.log\"",
    ),
];

const PROBE_WORDS: &[Word] = &[
    Word { word: "web", doc: "A request, and the status of its answer." },
    Word { word: "tcp", doc: "A connection, with its TLS where the backend has it; nothing is asked." },
    Word {
        word: "fastcgi",
        doc: "For FastCGI: with `.url` the script of that name, such as php-fpm's `ping.path`; without, what the \
              server can do, for which no script runs.",
    },
];

static PROBE: &[Setting] = &[
    row("kind", Type::Word(PROBE_WORDS), "web", "What is asked.", "tcp"),
    row("url", Type::Target, "\"/\"", "The path that is asked for, by GET.", "\"/alive\"").vcl(),
    row(
        "request",
        Type::Lines,
        "none",
        "A whole request instead of `.url`: its lines as strings side by side, of which one is `Connection: close`.",
        "\"GET /alive HTTP/1.1\" \"Host: app\" \"Connection: close\"",
    )
    .vcl(),
    row("expected_response", Type::Count, "200", "The status of a good answer.", "204").range((100, 999)).vcl(),
    row(
        "expected",
        Type::Statuses,
        "what `.expected_response` says",
        "The statuses of a good answer, where it is not one alone.",
        "\"200-299\", \"401\"",
    )
    .several(),
    row("timeout", Type::Duration, "2s", "How long an answer may take, the connection included.", "3s").vcl(),
    row("interval", Type::Duration, "5s", "From one question to the next.", "7s").vcl(),
    row("window", Type::Count, "8", "How many of the last answers count.", "10").range((1, 64)).vcl(),
    row("threshold", Type::Count, "3", "How many of them must be good.", "5").range((1, 64)).vcl(),
    row(
        "initial",
        Type::Count,
        "one less than `.threshold`",
        "How many count as good before anything was asked.",
        "0",
    )
    .range((0, u32::MAX as u64))
    .vcl(),
    row(
        "expect_close",
        Type::Bool,
        "yes",
        "Whether the server must end the connection behind its answer.",
        "no",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::amount;

    #[test]
    fn every_row_has_its_sentence() {
        for kind in Kind::ALL {
            assert!(kind.doc().ends_with('.'), "{kind:?}");
            assert_eq!(Kind::by_word(kind.word()), Some(*kind));
            assert!(!LATER.contains(&kind.word()));
            for (_, later) in LATER_SETTINGS.iter().filter(|(of, _)| of == kind) {
                let built = kind.settings().iter().find(|row| later.contains(&row.name));
                assert!(built.is_none(), "{kind:?}.{} is here", built.map_or("", |row| row.name));
            }
            for (at, setting) in kind.settings().iter().enumerate() {
                let name = format!("{kind:?}.{}", setting.name);
                let first = setting.doc.chars().next();
                assert!(
                    setting.doc.ends_with('.') && first.is_some_and(|c| c.is_uppercase() || c == '`'),
                    "{name} has no sentence"
                );
                assert!(!setting.example.is_empty(), "{name} has no example");
                assert_eq!(setting.required, setting.default.is_empty(), "{name}: required or a default");
                assert!(setting.range.0 < setting.range.1, "{name}");
                assert!(
                    !kind.settings().iter().skip(at + 1).any(|other| other.name == setting.name),
                    "{name} stands twice"
                );
                if let Type::Word(words) = setting.takes {
                    assert!(words.iter().all(|word| word.doc.ends_with('.')), "{name}");
                    assert!(words.iter().any(|word| word.word == setting.default), "{name}");
                }
                if setting.takes == Type::Duration && !setting.default.contains(' ') {
                    assert!(amount::duration(&setting.default).is_some(), "{name}");
                }
            }
        }
    }

    #[test]
    fn every_limit_is_a_setting_of_the_gateway() {
        for bound in bound::Bounds::ROWS {
            let row = Kind::Gateway.settings().iter().find(|row| row.name == bound.name);
            assert_eq!(row.map(|row| row.doc), Some(bound.doc), "{}", bound.name);
            let none = row.is_some_and(|row| row.range.0 == 0);
            assert!(!bound.doc.contains("0 for no limit") || none, "{} may be 0", bound.name);
        }
    }
}
