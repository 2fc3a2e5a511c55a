//! Everything a run of rules sees and changes: plain data, owned. The corridor makes one from a request, the
//! plays from a page; what rules made of it is read off the same fields.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Version};

use crate::base::address::ClientIp;
use crate::base::cause::{Cause, Statuses};
use crate::base::random::RequestId;
use crate::language::program::{Choice, Mark, ObjectId};
use crate::message::{Request, Street};
use crate::rules::directors::ShardParams;
use crate::rules::machine::RuleFault;

/// One visit, as rules see it.
#[derive(Debug)]
pub struct Case {
    pub id: RequestId,
    /// What the visitor asked for (`req`).
    pub req: Question,
    /// What the backend is asked for (`bereq`): from the miss or the pass on.
    pub bereq: Option<Question>,
    /// What the backend answered (`beresp`).
    pub beresp: Option<Reply>,
    /// What the visitor gets (`resp`; in Fastly's `vcl_error` it is `obj`).
    pub resp: Option<Reply>,
    pub visitor: Visitor,
    /// Who answers where no rule says otherwise: the route's backend, or the tree's default one.
    pub default: Choice,
    /// Who answers, as a rule said: `req.backend_hint`.
    pub hint: Option<Choice>,
    /// Who answers, as it stands: `bereq.backend`.
    pub choice: Choice,
    /// A rule of the visitor's side wrote to the method, the URL or the host since the last look at the routes.
    pub moved: bool,
    /// A rule of the backend's side wrote to the URL, the method or the host.
    pub sent_elsewhere: bool,
    pub restarts: u32,
    pub retries: u32,
    /// What went wrong, in the phases that answer for it.
    pub cause: Option<Cause>,
    /// Which statuses the site uses for faults.
    pub statuses: Statuses,
    /// Nothing of this is to be kept: a pass.
    pub pass: bool,
    pub wishes: Wishes,
    /// How long the backend may take, where a rule says so.
    pub patience: Patience,
    /// The texts given to `hash_data`.
    pub hash: Vec<Bytes>,
    /// The expressions given to `ban`.
    pub bans: Vec<Bytes>,
    /// Bytes that rules have made so far.
    pub made: usize,
    /// Statements that ran so far.
    pub steps: u32,
    /// What `shard_param` objects hold for this request alone.
    pub shards: Vec<(ObjectId, ShardParams)>,
    /// A rule asked to drop the body of the request on its way to the backend.
    pub drop_body: bool,
    /// The statement that ran last.
    pub at: Option<Mark>,
    /// The first thing a rule did wrong.
    pub fault: Option<RuleFault>,
    /// The request as it came, where a rule may want it back.
    pub original: Option<Box<Question>>,
    /// When the request arrived, in seconds since 1970 (`req.time`).
    pub begun: f64,
    /// When `bereq`, `beresp`, `resp` were made.
    pub asked_at: f64,
    pub answered_at: f64,
    pub resp_at: f64,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Question {
    pub method: Method,
    pub url: Url,
    pub version: Version,
    /// With `Host`.
    pub headers: HeaderMap,
}

/// A path with its query.
#[derive(Clone, Debug)]
pub enum Url {
    /// As it was decided on: canonical.
    Canonical(PathAndQuery),
    /// As a rule wrote it. Nobody has read it yet.
    Written(Bytes),
}

impl Url {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Url::Canonical(target) => target.as_str().as_bytes(),
            Url::Written(bytes) => bytes,
        }
    }

    /// The path and, where there is a `?`, the query behind it.
    pub fn parts(&self) -> (&[u8], Option<&[u8]>) {
        let all = self.as_bytes();
        match memchr::memchr(b'?', all).and_then(|at| all.split_at_checked(at)) {
            Some((path, query)) => (path, query.get(1..)),
            None => (all, None),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// May be above 999 while rules run (`12404`): the visitor gets its last three digits.
    pub status: u16,
    /// `None`: what the status is usually called.
    pub reason: Option<Bytes>,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: ReplyBody,
    pub life: Life,
    /// Which backend gave it.
    pub from: Choice,
}

/// Where the body of an answer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// From the backend, as it comes.
    Backend,
    /// No rule has said: the house's own page for the status (and the case's `cause`).
    Page,
    /// As a rule wrote it.
    Text(Bytes),
}

/// How long an answer may be kept. Nothing is kept yet: rules see it and change it, plays show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    pub age: f64,
    pub ttl: f64,
    pub grace: f64,
    pub keep: f64,
    pub uncacheable: bool,
    pub do_esi: bool,
    pub do_gzip: bool,
    pub do_gunzip: bool,
    pub do_stream: bool,
    pub storage: Option<Bytes>,
    pub filters: Option<Bytes>,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            age: 0.0,
            ttl: 0.0,
            grace: 0.0,
            keep: 0.0,
            uncacheable: false,
            do_esi: false,
            do_gzip: false,
            do_gunzip: false,
            do_stream: true,
            storage: None,
            filters: None,
        }
    }
}

/// What rules of the visitor's side wish of a cache and of the connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    pub hash_always_miss: bool,
    pub hash_ignore_busy: bool,
    pub hash_ignore_vary: bool,
    /// `req.esi` was set to false.
    pub no_esi: bool,
    /// `None`: not limited.
    pub grace: Option<f64>,
    pub ttl: Option<f64>,
    pub storage: Option<Bytes>,
    /// `sess.*`, where a rule says so.
    pub timeout_idle: Option<f64>,
    pub timeout_linger: Option<f64>,
    pub send_timeout: Option<f64>,
    pub idle_send_timeout: Option<f64>,
    /// `req.class`
    pub class: Option<Bytes>,
}

/// How long a backend may take, in seconds, where a rule says so.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Patience {
    pub connect: Option<f64>,
    pub first_byte: Option<f64>,
    pub between_bytes: Option<f64>,
}

/// Who asks, and where.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub client: ClientIp,
    /// The port at the visitor's end.
    pub port: u16,
    /// The other end of the connection: the visitor, or a proxy in front of us.
    pub remote: ClientIp,
    /// Our own end; `0.0.0.0` where it is not known.
    pub server: IpAddr,
    pub server_port: u16,
    /// Whether the visitor speaks https.
    pub secure: bool,
    /// `TLSv1.3`; `None` on plain http.
    pub tls: Option<&'static str>,
    /// `client.identity`, where a rule set it.
    pub identity: Option<Bytes>,
}

impl Case {
    /// Takes what rules may see of a request: its headers are moved, its path is shared. `now` is seconds
    /// since 1970.
    pub fn of(request: &mut Request, street: &Street, now: f64) -> Self {
        let mut headers = std::mem::take(&mut request.headers);
        headers.insert(HOST, request.host.header());
        let req = Question {
            method: request.method.clone(),
            url: Url::Canonical(request.target_for_backend()),
            version: request.version,
            headers,
        };
        let visitor = Visitor {
            client: request.client,
            port: street.peer.port,
            remote: street.peer.ip,
            server: street.local.ip(),
            server_port: street.local.port(),
            secure: request.secure,
            tls: street.secure.as_ref().map(|secure| secure.protocol),
            identity: None,
        };
        Self::new(request.id, req, visitor, now)
    }

    pub fn new(id: RequestId, req: Question, visitor: Visitor, now: f64) -> Self {
        Self {
            id,
            req,
            bereq: None,
            beresp: None,
            resp: None,
            visitor,
            default: Choice::None,
            hint: None,
            choice: Choice::None,
            moved: false,
            sent_elsewhere: false,
            restarts: 0,
            retries: 0,
            cause: None,
            statuses: Statuses::default(),
            pass: false,
            wishes: Wishes::default(),
            patience: Patience::default(),
            hash: Vec::new(),
            bans: Vec::new(),
            made: 0,
            steps: 0,
            shards: Vec::new(),
            drop_body: false,
            at: None,
            fault: None,
            original: None,
            begun: now,
            asked_at: now,
            answered_at: now,
            resp_at: now,
        }
    }

    /// For the phases that run when nobody has asked: a request of nobody, for nothing.
    pub fn of_nobody(now: f64) -> Self {
        let req = Question {
            method: Method::GET,
            url: Url::Canonical(PathAndQuery::from_static("/")),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
        };
        let visitor = Visitor {
            client: ClientIp::unknown(),
            port: 0,
            remote: ClientIp::unknown(),
            server: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            server_port: 0,
            secure: false,
            tls: None,
            identity: None,
        };
        Self::new(RequestId::next(), req, visitor, now)
    }

    /// Who would be asked now: as a rule said, or as the route says.
    pub fn backend_hint(&self) -> Choice {
        self.hint.unwrap_or(self.default)
    }
}

impl Reply {
    /// A backend's answer. The rest is worked out from it when it is handed in.
    pub fn of_backend(status: u16, reason: Option<Bytes>, version: Version, headers: HeaderMap) -> Self {
        Self {
            status,
            reason,
            version,
            headers,
            body: ReplyBody::Backend,
            life: Life::default(),
            from: Choice::None,
        }
    }

    /// An answer of our own.
    pub fn synthetic(status: u16, reason: Option<Bytes>) -> Self {
        Self {
            status,
            reason,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body: ReplyBody::Page,
            life: Life::default(),
            from: Choice::None,
        }
    }

    /// As the visitor sees it: three digits.
    pub const fn visible_status(&self) -> u16 {
        self.status % 1000
    }
}
