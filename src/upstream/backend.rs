//! One backend as all workers share it: its settings made ready, and its counters.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderValue;
use hyper::client::conn::http1::Builder;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::config::{Address, Config};
use super::health::{Health, Standing};
use super::permits::Limit;
use super::send::Patience;
use super::{connect, probe, trust};
use crate::base::cause::Cause;
use crate::base::clock::{self, Wall};
use crate::base::fault::Fault;

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
    /// What its probe says; `None` without one.
    pub health: Option<Health>,
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
            health: config.probe.as_ref().map(|probe| probe::health(probe, clock::wall())),
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

    /// Whether it may be asked: its probe says that it is well, or it has none.
    pub fn healthy(&self) -> bool {
        self.0.health.as_ref().is_none_or(Health::healthy) && self.0.config.address != Address::Nowhere
    }

    /// How much of its weight it gets among the members of a director: all of it, or less while it has not been
    /// back for as long as its `slow_start`.
    pub fn share(&self, now: Wall) -> f64 {
        let over = self.0.config.slow_start;
        let Some(health) = self.0.health.as_ref().filter(|_| !over.is_zero()) else { return 1.0 };
        super::director::ramp(health.since(), over, now)
    }

    /// What its probe says; `None` without one.
    pub fn standing(&self) -> Option<Standing> {
        let window = self.0.config.probe.as_ref()?.window;
        Some(self.0.health.as_ref()?.standing(window))
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

    /// It is asked nothing while it is not well.
    pub fn admit(&self) -> Result<(), Fault> {
        if self.health.as_ref().is_none_or(Health::healthy) { Ok(()) } else { Err(self.sick()) }
    }

    fn sick(&self) -> Fault {
        connect::fault(self, Cause::Unhealthy, "its probe says that it is sick")
    }

    /// It has just become sick: who waits for it waits in vain.
    pub fn fell_sick(&self) {
        if let Some(limit) = &self.limit {
            limit.dismiss(&self.sick());
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

    /// Counts what is the backend's fault; a visitor who left is not.
    pub fn fault(&self, cause: Cause) {
        if cause.is_upstream() {
            let counter =
                Cause::ALL.iter().position(|other| *other == cause).and_then(|at| self.faults.get(at));
            if let Some(counter) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
