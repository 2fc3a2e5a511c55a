//! One backend as all workers share it: its settings made ready, and its counters.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderValue;
use hyper::client::conn::http1::Builder;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::config::{Address, Config, Protocol};
use super::health::{Condition, Health, Standing, Turn};
use super::names::{self, Lookup, Names};
use super::permits::Limit;
use super::send::{Answer, Patience};
use super::{connect, probe, trust};
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::Body;

/// What one connection reads or writes ahead at most. Measured with 1 MiB answers, CPU against hyper's own
/// 400 KiB: 128 KiB takes 0.66 of it (it stays in the core's cache), 64 KiB 0.71.
const BUFFER_BYTES_MAX: usize = 128 << 10;
/// An answer's header. Its lines are limited to hyper's own 100: that many find room on the stack, and any
/// other number costs each answer half a microsecond.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Shared by all workers, kept over reloads while its declaration stays the same.
pub struct Backend(pub(super) Arc<Inner>);

/// What connections hold on to, so that a `Backend` itself is gone when no generation names it.
pub(super) struct Inner {
    pub config: Config,
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The SHA-256 of the files that say who is who (authorities, our own certificate), as they were when they
    /// were read.
    credentials: Option<[u8; 32]>,
    pub host_header: Option<HeaderValue>,
    pub http: Builder,
    pub health: Health,
    /// Where it is, over TCP.
    pub names: Option<Names>,
    /// How much it is asked at once; `None` where there is no limit.
    pub limit: Option<Limit>,
    shards: Box<[Shard]>,
    faults: [AtomicU64; Cause::ALL.len()],
}

/// Counters of one worker on cache lines of their own, so that counting costs no traffic between cores.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    started: AtomicU64,
    finished: AtomicU64,
    opened: AtomicU64,
    closed: AtomicU64,
    retried: AtomicU64,
}

/// More workers than this share shards; that only costs speed.
const SHARDS: usize = 16;

/// What a backend has done so far, all workers together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    pub requests: u64,
    pub in_flight: u64,
    pub connections_made: u64,
    pub connections_open: u64,
    /// Requests sent again because a kept connection turned out dead.
    pub retries: u64,
    /// Requests that wait for one of its connections now, and how many have waited so far.
    pub waiting: usize,
    pub waited: u64,
    /// The causes that happened, with how often.
    pub faults: Vec<(Cause, u64)>,
}

impl Backend {
    /// Reads what the declaration names (certificates); the error is a sentence for the operator.
    pub fn new(config: Config) -> Result<Self, String> {
        Self::asking(config, names::system())
    }

    /// The same with another way to ask for names.
    pub(super) fn asking(config: Config, lookup: Lookup) -> Result<Self, String> {
        let tls = match &config.tls {
            None => None,
            Some(to) => {
                let host = match &config.address {
                    Address::Tcp { host, .. } => Some(&**host),
                    Address::Unix(_) | Address::Nowhere => None,
                };
                Some(
                    trust::connector(to, host, config.protocol)
                        .map_err(|why| format!("backend `{}`: {why}", config.name))?,
                )
            }
        };
        let host_header = match &config.host_header {
            None => None,
            Some(host) => Some(HeaderValue::from_str(host).map_err(|_| {
                format!("backend `{}`: `.host_header` holds a character that no header may hold", config.name)
            })?),
        };
        let mut http = Builder::new();
        http.max_buf_size(BUFFER_BYTES_MAX).max_header_size(HEADER_BYTES_MAX);
        Ok(Self(Arc::new(Inner {
            credentials: credentials(&config),
            health: Health::new(
                config.breaker,
                config.probe.as_ref().map(probe::window),
                clock::wall(),
                clock::now(),
            ),
            names: Names::of(&config.address, lookup),
            limit: Limit::of(&config),
            config,
            tls,
            host_header,
            http,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            faults: [const { AtomicU64::new(0) }; Cause::ALL.len()],
        })))
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether this is what a declaration means now: in the same words the same authorities and certificate, whose
    /// files may have changed.
    pub fn is(&self, config: &Config) -> bool {
        self.0.config == *config && self.0.credentials == credentials(config)
    }

    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// Whether who comes now would be sent there: it is well, or it failed and the next trial is due.
    pub fn healthy(&self) -> bool {
        self.0.config.address != Address::Nowhere && self.0.health.healthy(clock::now)
    }

    /// How much of its weight it gets among the members of a director: all of it, or less while it has not been
    /// back for as long as its `slow_start`.
    pub fn share(&self, now: Instant) -> f64 {
        let over = self.0.config.slow_start;
        match self.well_since() {
            Some(since) if !over.is_zero() => super::director::ramp(since, over, now),
            _ => 1.0,
        }
    }

    /// Whether what it is asked needs a script that runs for it.
    pub fn runs_scripts(&self) -> bool {
        self.0.config.protocol == Protocol::FastCgi
    }

    /// How it stands, why, and since when.
    pub fn standing(&self) -> Standing {
        let standing = self.0.health.standing();
        if self.0.config.address != Address::Nowhere {
            return standing;
        }
        Standing { condition: Condition::Nowhere, reason: "it is declared as `none`".into(), ..standing }
    }

    /// Since when it is well, where it once was not: it is given its share slowly. `None` where it has been well
    /// from its beginning, and where it is not.
    pub fn well_since(&self) -> Option<Instant> {
        self.0.health.well_since()
    }

    /// Whether an operator keeps visitors away from it.
    pub fn drained(&self) -> bool {
        self.0.health.drained()
    }

    /// Keeps visitors away from it, or lets them come again; what is under way goes on. True where that is news.
    pub fn drain(&self, drained: bool) -> bool {
        self.0.health.drain(drained, clock::now(), clock::wall())
    }

    /// Its own `Host`, where its declaration says one.
    pub fn host_header(&self) -> Option<&HeaderValue> {
        self.0.host_header.as_ref()
    }

    /// How long it is waited for when nobody says otherwise.
    pub fn patience(&self) -> Patience {
        let config = &self.0.config;
        Patience {
            connect: config.connect_timeout,
            first_byte: config.first_byte_timeout,
            between_bytes: config.between_bytes_timeout,
        }
    }

    /// How many of the connections it may have, or of the requests, are taken; 0 where there is no limit.
    pub fn permits(&self) -> usize {
        self.0.limit.as_ref().map_or(0, Limit::held)
    }

    /// How many requests wait for it now.
    pub fn waiting(&self) -> usize {
        self.0.limit.as_ref().map_or(0, Limit::waiting)
    }

    /// Requests it is working on now.
    pub fn in_flight(&self) -> u64 {
        let finished = self.0.sum(|shard| &shard.finished);
        self.0.sum(|shard| &shard.started).saturating_sub(finished)
    }

    pub fn figures(&self) -> Figures {
        let sum = |of| self.0.sum(of);
        // What ends is read before what begins, so that a difference is never below zero.
        let (finished, closed) = (sum(|shard| &shard.finished), sum(|shard| &shard.closed));
        let (requests, connections_made) = (sum(|shard| &shard.started), sum(|shard| &shard.opened));
        let faults = Cause::ALL.iter().zip(&self.0.faults).filter_map(|(cause, count)| {
            let count = count.load(Ordering::Relaxed);
            (count > 0).then_some((*cause, count))
        });
        Figures {
            requests,
            in_flight: requests.saturating_sub(finished),
            connections_made,
            connections_open: connections_made.saturating_sub(closed),
            retries: sum(|shard| &shard.retried),
            waiting: self.waiting(),
            waited: self.0.limit.as_ref().map_or(0, Limit::waited),
            faults: faults.collect(),
        }
    }
}

fn credentials(config: &Config) -> Option<[u8; 32]> {
    let tls = config.tls.as_ref()?;
    let own = tls.client.iter().flat_map(|(chain, key)| [chain, key]);
    let mut files = tls.ca.iter().chain(own).peekable();
    files.peek()?;
    let mut context = Context::new(&SHA256);
    for file in files {
        // The length keeps the files apart.
        let bytes = std::fs::read(file).unwrap_or_default();
        context.update(&bytes.len().to_be_bytes());
        context.update(&bytes);
    }
    context.finish().as_ref().try_into().ok()
}

impl Drop for Backend {
    /// Who tends it ends.
    fn drop(&mut self) {
        self.0.health.changed.notify_one();
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backend").field(&self.name()).finish()
    }
}

impl Inner {
    fn shard(&self, worker: usize) -> Option<&Shard> {
        self.shards.get(worker % SHARDS)
    }

    fn count(&self, worker: usize, what: fn(&Shard) -> &AtomicU64) {
        if let Some(shard) = self.shard(worker) {
            what(shard).fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn started(&self, worker: usize) {
        self.count(worker, |shard| &shard.started);
    }

    pub fn finished(&self, worker: usize) {
        self.count(worker, |shard| &shard.finished);
    }

    pub fn opened(&self, worker: usize) {
        self.count(worker, |shard| &shard.opened);
    }

    pub fn closed(&self, worker: usize) {
        self.count(worker, |shard| &shard.closed);
    }

    pub fn retried(&self, worker: usize) {
        self.count(worker, |shard| &shard.retried);
    }

    /// The right to ask it one thing: it must be well, or the breaker must want to see whether it is back.
    pub fn turn(&self) -> Result<Turn, Fault> {
        self.health.admit(clock::now).map_err(|why| connect::fault(self, Cause::Unhealthy, &why))
    }

    /// Where it has just become unwell, whoever waits for it is told so: he waits in vain.
    pub fn send_away(&self) {
        if let Some(limit) = &self.limit
            && limit.waiting() > 0
        {
            let standing = self.health.standing();
            if matches!(standing.condition, Condition::Sick | Condition::Failing) {
                limit.dismiss(&connect::fault(self, Cause::Unhealthy, &standing.reason));
            }
        }
    }

    /// No connection to it could be opened. Where none is open either, whoever waits for one is told the same,
    /// instead of each trying in his turn.
    pub fn out_of_reach(&self, fault: &Fault) {
        if let Some(limit) = &self.limit
            && limit.waiting() > 0
            && self.connections_open() == 0
        {
            limit.dismiss(fault);
        }
    }

    fn sum(&self, of: fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| of(shard).load(Ordering::Relaxed)).sum()
    }

    fn connections_open(&self) -> u64 {
        let closed = self.sum(|shard| &shard.closed);
        self.sum(|shard| &shard.opened).saturating_sub(closed)
    }

    /// What became of a request that was admitted in this turn.
    pub fn came_of(&self, turn: Turn, outcome: &Result<Answer, Fault>) {
        match outcome {
            Ok(answer) => {
                self.health.answered(turn, || (clock::now(), clock::wall()));
                // The others say so when they are whole.
                if !matches!(answer.body, Body::Stream(_)) {
                    self.health.good();
                }
            }
            Err(fault) => self.fault(fault),
        }
    }

    /// Requests there have been.
    pub fn asked(&self) -> u64 {
        self.shards.iter().map(|shard| shard.started.load(Ordering::Relaxed)).sum()
    }

    /// Counts what is the backend's fault; a visitor who left is not. Its breaker hears of it, but for one that ends
    /// while a visitor is sending: old servers hang up on who is too slow or sends too much, and a few such visitors
    /// could keep everybody else from a backend that is well.
    pub fn fault(&self, fault: &Fault) {
        let cause = fault.cause;
        if cause.is_upstream() {
            if !fault.is_of_upload() {
                self.health.failed(cause, clock::now(), clock::wall(), || self.asked());
                self.send_away();
            }
            let counter =
                Cause::ALL.iter().position(|other| *other == cause).and_then(|at| self.faults.get(at));
            if let Some(counter) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
