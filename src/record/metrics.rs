//! What the house counts. One table; `docs/metrics.md` is written from it.
//!
//! Workers count into cells of their own and add them to the shared counters when they flush their pen, so
//! no two workers meet on the way of a request. Labels hold names from the rules, statuses and words from
//! our own tables: nothing a stranger sends can make a new series.

use std::fmt::Write;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::process::Figures;
use crate::base::cause::Cause;
use crate::base::clock::Wall;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub doc: &'static str,
}

macro_rules! metrics {
    ($( $row:ident = $name:literal, $kind:ident, [$($label:literal),*], $doc:literal; )*) => {
        $( const $row: Metric = Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], doc: $doc }; )*
        /// Everything `/metrics` shows.
        pub const METRICS: &[Metric] = &[ $( $row, )* ];
    };
}

metrics! {
    REQUESTS = "doorward_requests_total", Counter, ["site", "status"], "Visits that ended, by site and the status that was sent. The site is `-` where the request named none of ours.";
    REQUEST_SECONDS = "doorward_request_seconds", Histogram, ["site"], "How long visits took, from the first byte of the request to the last of the answer. Tunnels (WebSocket) are not in it.";
    BYTES = "doorward_bytes_total", Counter, ["site", "direction"], "Bytes of bodies and tunnels, `in` from visitors and `out` to them.";
    FAULTS = "doorward_faults_total", Counter, ["cause"], "Visits that ended with a fault, by cause.";
    CONNECTIONS = "doorward_connections", Gauge, ["listener"], "Connections from visitors open now, by the kind of listener.";
    HANDSHAKES = "doorward_handshakes_total", Counter, ["result"], "TLS handshakes (with the PROXY header before them, where one is expected): `done`, `failed`, `timeout`.";
    BACKEND_REQUESTS = "doorward_backend_requests_total", Counter, ["backend"], "Requests sent to a backend.";
    BACKEND_FAULTS = "doorward_backend_faults_total", Counter, ["backend", "cause"], "Requests a backend did not answer well, by cause.";
    BACKEND_IN_FLIGHT = "doorward_backend_in_flight", Gauge, ["backend"], "Requests a backend is working on now.";
    BACKEND_CONNECTIONS = "doorward_backend_connections", Gauge, ["backend"], "Connections open to a backend now, resting ones included.";
    BACKEND_WAITING = "doorward_backend_waiting", Gauge, ["backend"], "Requests that wait for one of a backend's connections now, where `.workers` or `.max_connections` limits them.";
    BACKEND_WAITED = "doorward_backend_waited_total", Counter, ["backend"], "Requests that had to wait for one of a backend's connections.";
    DIRECTOR_SHARE = "doorward_director_share", Gauge, ["director", "backend"], "What a member of a director gets now: its weight, less while it starts slowly, 0 while it is asked nothing.";
    DIRECTOR_RETRIES = "doorward_director_retries_total", Counter, ["director"], "Requests a director sent once more though a member may have seen them.";
    BACKEND_UP = "doorward_backend_up", Gauge, ["backend"], "1 while a backend is healthy, 0 while its probe says that it is sick, while its requests fail, and while it is drained.";
    LOG_DROPPED = "doorward_log_dropped_total", Counter, [], "Log lines that could not be kept, because a disk was full or too slow.";
    RELOADS = "doorward_reloads_total", Counter, ["result"], "Reloads of the rules: `taken` or `refused`.";
    CERTIFICATE = "doorward_certificate_expiry_seconds", Gauge, ["site"], "When the site's certificate ends, in seconds since 1970.";
    BUILD = "doorward_build_info", Gauge, ["version"], "Always 1; the version is in the label.";
    CPU = "process_cpu_seconds_total", Counter, [], "Processor time used, user and system.";
    RESIDENT = "process_resident_memory_bytes", Gauge, [], "Memory held.";
    THREADS = "process_threads", Gauge, [], "Threads running.";
    OPEN_FILES = "process_open_fds", Gauge, [], "Files and sockets open now.";
    MOST_FILES = "process_max_fds", Gauge, [], "Files and sockets that may be open at once.";
    STARTED = "process_start_time_seconds", Gauge, [], "When the process started, in seconds since 1970.";
}

/// From half a millisecond to half a minute: cache hits, old servers, slow downloads.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The kinds of listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    Http,
    Https,
}

impl Listener {
    pub(super) const ALL: [Listener; 2] = [Listener::Http, Listener::Https];

    pub const fn name(self) -> &'static str {
        match self {
            Listener::Http => "http",
            Listener::Https => "https",
        }
    }
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    Done,
    Failed,
    Timeout,
}

impl Handshake {
    pub(super) const ALL: [Handshake; 3] = [Handshake::Done, Handshake::Failed, Handshake::Timeout];

    pub const fn name(self) -> &'static str {
        match self {
            Handshake::Done => "done",
            Handshake::Failed => "failed",
            Handshake::Timeout => "timeout",
        }
    }
}

/// What a backend knows of itself at the time of a scrape.
#[derive(Clone, Debug, Default)]
pub struct BackendFigures {
    pub name: Box<str>,
    pub requests: u64,
    pub in_flight: u64,
    pub open: u64,
    pub waiting: usize,
    pub waited: u64,
    pub faults: Vec<(Cause, u64)>,
    pub healthy: bool,
}

/// What a director knows of itself at the time of a scrape.
#[derive(Clone, Debug, Default)]
pub struct DirectorFigures {
    pub name: Box<str>,
    /// What each member gets.
    pub shares: Vec<(Box<str>, f64)>,
    pub retries: u64,
}

/// The shared counters.
pub(super) struct Meters {
    pub requests: IntCounterVec,
    pub seconds: HistogramVec,
    pub bytes: IntCounterVec,
    pub faults: IntCounterVec,
    pub connections: IntGaugeVec,
    pub handshakes: IntCounterVec,
    pub reloads: IntCounterVec,
    pub certificates: IntGaugeVec,
}

fn opts(metric: Metric) -> Opts {
    Opts::new(metric.name, metric.doc)
}

impl Meters {
    pub fn new() -> Result<Self, prometheus::Error> {
        let counters = |metric: Metric| IntCounterVec::new(opts(metric), metric.labels);
        let gauges = |metric: Metric| IntGaugeVec::new(opts(metric), metric.labels);
        let seconds = HistogramOpts::from(opts(REQUEST_SECONDS)).buckets(SECONDS.to_vec());
        let meters = Self {
            requests: counters(REQUESTS)?,
            seconds: HistogramVec::new(seconds, REQUEST_SECONDS.labels)?,
            bytes: counters(BYTES)?,
            faults: counters(FAULTS)?,
            connections: gauges(CONNECTIONS)?,
            handshakes: counters(HANDSHAKES)?,
            reloads: counters(RELOADS)?,
            certificates: gauges(CERTIFICATE)?,
        };
        // A rate over a series that has just appeared is wrong: what is known beforehand begins at nought.
        for cause in Cause::ALL {
            meters.faults.with_label_values(&[cause.name()]);
        }
        for result in Handshake::ALL {
            meters.handshakes.with_label_values(&[result.name()]);
        }
        for listener in Listener::ALL {
            meters.connections.with_label_values(&[listener.name()]);
        }
        for result in ["taken", "refused"] {
            meters.reloads.with_label_values(&[result]);
        }
        Ok(meters)
    }

    pub fn certificates(&self, ends: &[(&str, Wall)]) {
        self.certificates.reset();
        for (site, end) in ends {
            self.certificates.with_label_values(&[*site]).set(i64::try_from(end.seconds).unwrap_or(i64::MAX));
        }
    }

    /// All figures as Prometheus reads them.
    pub fn scrape(
        &self,
        backends: &[BackendFigures],
        directors: &[DirectorFigures],
        process: Figures,
        dropped: u64,
        started: Wall,
    ) -> Result<String, prometheus::Error> {
        let mut families: Vec<MetricFamily> = Vec::new();
        for shared in [&self.requests, &self.bytes, &self.faults, &self.handshakes, &self.reloads] {
            families.extend(shared.collect());
        }
        families.extend(self.seconds.collect());
        families.extend(self.connections.collect());
        families.extend(self.certificates.collect());
        families.extend(passing(backends, directors, process, dropped, started)?.gather());
        families.retain(|family| !family.get_metric().is_empty());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        TextEncoder::new().encode_to_string(&families)
    }
}

/// What others count: held only for the time of a scrape.
#[allow(clippy::cast_precision_loss)] // Prometheus figures are floating point
fn passing(
    backends: &[BackendFigures],
    directors: &[DirectorFigures],
    process: Figures,
    dropped: u64,
    started: Wall,
) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    let counters = |metric: Metric| -> Result<IntCounterVec, prometheus::Error> {
        let vector = IntCounterVec::new(opts(metric), metric.labels)?;
        registry.register(Box::new(vector.clone()))?;
        Ok(vector)
    };
    let gauges = |metric: Metric| -> Result<GaugeVec, prometheus::Error> {
        let vector = GaugeVec::new(opts(metric), metric.labels)?;
        registry.register(Box::new(vector.clone()))?;
        Ok(vector)
    };
    let gauge = |metric: Metric, value: f64| -> Result<(), prometheus::Error> {
        let gauge = Gauge::with_opts(opts(metric))?;
        gauge.set(value);
        registry.register(Box::new(gauge))
    };
    let requests = counters(BACKEND_REQUESTS)?;
    let faults = counters(BACKEND_FAULTS)?;
    let in_flight = gauges(BACKEND_IN_FLIGHT)?;
    let open = gauges(BACKEND_CONNECTIONS)?;
    let waiting = gauges(BACKEND_WAITING)?;
    let waited = counters(BACKEND_WAITED)?;
    let up = gauges(BACKEND_UP)?;
    for backend in backends {
        let name = &*backend.name;
        requests.with_label_values(&[name]).inc_by(backend.requests);
        in_flight.with_label_values(&[name]).set(backend.in_flight as f64);
        open.with_label_values(&[name]).set(backend.open as f64);
        waiting.with_label_values(&[name]).set(backend.waiting as f64);
        waited.with_label_values(&[name]).inc_by(backend.waited);
        up.with_label_values(&[name]).set(if backend.healthy { 1.0 } else { 0.0 });
        for (cause, count) in &backend.faults {
            faults.with_label_values(&[name, cause.name()]).inc_by(*count);
        }
    }
    let (shares, retries) = (gauges(DIRECTOR_SHARE)?, counters(DIRECTOR_RETRIES)?);
    for director in directors {
        retries.with_label_values(&[&*director.name]).inc_by(director.retries);
        for (member, share) in &director.shares {
            shares.with_label_values(&[&*director.name, &**member]).set(*share);
        }
    }
    counters(LOG_DROPPED)?.with_label_values::<&str>(&[]).inc_by(dropped);
    gauges(BUILD)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    if let Some(seconds) = process.cpu_seconds {
        let cpu = prometheus::Counter::with_opts(opts(CPU))?;
        cpu.inc_by(seconds);
        registry.register(Box::new(cpu))?;
    }
    for (metric, value) in [
        (RESIDENT, process.resident_bytes),
        (THREADS, process.threads),
        (OPEN_FILES, process.open_files),
        (MOST_FILES, process.most_files),
        (STARTED, Some(started.seconds)),
    ] {
        if let Some(value) = value {
            gauge(metric, value as f64)?;
        }
    }
    Ok(registry)
}

/// The page about all metrics, in Markdown.
pub fn manual() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `/metrics` on the admin listener shows, in Prometheus' text format. Written from the table in \
         `src/record/metrics.rs`; `UPDATE=1 cargo test metrics_are_documented` writes it again.\n\nFigures of the workers are at \
         most a moment old: each adds its counts a few times a second. No label holds anything a visitor sent.\n\n\
         | metric | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", metric.kind).to_lowercase();
        // Writing to a String can't fail.
        let _ = writeln!(page, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(" "), metric.doc);
    }
    page
}

/// For the histogram.
pub(super) fn as_seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
