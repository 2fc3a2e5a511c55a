//! `backend` and `probe` → what `upstream` is told.

use std::path::PathBuf;
use std::time::Duration;

use super::{Compiler, called, duration, number, reference, switch, text, texts, word};
use crate::language::tree::{Certificate, Declaration, Text, Value};
use crate::language::vocabulary::Dialect;
use crate::language::{Code, Diagnostic, Span};
use crate::plan::VisitorAddress;
use crate::settings::value::{self, Instead, Url};
use crate::upstream::{Address, Ask, BreakerTerms, Config, ProbeConfig, Protocol, TlsTo};

/// What the system takes for the path of a unix socket.
const SOCKET_PATH_BYTES_MAX: usize = 107;

const WINDOW: u32 = 8;
const THRESHOLD: u32 = 3;

impl Compiler<'_> {
    pub(super) fn backend(&mut self, backend: &Declaration) -> Option<Config> {
        let url_written = text(backend, "url");
        let url = self.address(backend);
        let host = |compiler: &mut Self, name, read: fn(&str) -> Result<Box<str>, Instead>| {
            text(backend, name).and_then(|written| compiler.read(Code::BadHost, "host name", written, read))
        };
        let host_header = host(self, "host_header", value::host_header);
        let name = host(self, "tls_name", value::host);
        let ca = text(backend, "ca").and_then(|written| self.file(written));
        let pin = text(backend, "pin")
            .and_then(|written| self.read(Code::BadDigest, "fingerprint", written, value::digest));
        if let (Some(ca), Some(pin)) = (backend.setting("ca"), backend.setting("pin")) {
            self.found.push(
                Diagnostic::new(Code::Contradiction, ca.name_span, "beside `.pin` no authority is asked")
                    .label("take out one of the two")
                    .at(pin.name_span, "this trusts one certificate, whoever signed it"),
            );
        }
        let mut probe = self.probe_of(backend);
        let client = match backend.value("client_certificate").map(|valued| &valued.value) {
            Some(Value::Certificate(Certificate::Files { chain, key })) => {
                let chain = self.file((&chain.0, chain.1));
                let key = self.file((&key.0, key.1));
                Some((chain?, key?))
            }
            _ => None,
        };
        let (address, protocol, tls) = url?;
        if !tls {
            for name in ["ca", "tls_name", "pin", "client_certificate"] {
                if let Some(setting) = backend.setting(name) {
                    let fault = Diagnostic::new(
                        Code::NoTls,
                        setting.name_span,
                        format!("`.{name}` is about TLS, and {} is reached without it", backend.title()),
                    )
                    .label("take it out, or write `https://` in `.url`");
                    self.found.push(match url_written {
                        Some((_, url)) => fault.at(url, "no `https://` here"),
                        None => fault,
                    });
                }
            }
        }
        if let Some(probe) = &mut probe {
            let title = backend.title();
            let unfit = match (protocol, &probe.ask) {
                (Protocol::Http2, Ask::Request(_)) => Some((
                    format!("{title} speaks HTTP/2, and its probe asks in lines of HTTP/1"),
                    "let the probe say `.url` instead of `.request`",
                )),
                (Protocol::FastCgi, Ask::Request(_)) => Some((
                    format!("{title} speaks FastCGI, and its probe asks in lines of HTTP/1"),
                    "let the probe say `.kind = fastcgi` instead, and a script as `.url`",
                )),
                (Protocol::Http1 | Protocol::Http2, Ask::Values | Ask::Script(_)) => Some((
                    format!("{title} speaks HTTP, and its probe asks by FastCGI"),
                    "let the probe say another `.kind`",
                )),
                _ => None,
            };
            if let (Some((text, label)), Some((_, span))) = (unfit, &backend.name) {
                self.found.push(Diagnostic::new(Code::BadProbe, *span, text).label(label));
            }
            // A probe that says nothing of its kind asks as the backend speaks.
            if let (Protocol::FastCgi, Ask::Url(url)) = (protocol, &probe.ask) {
                probe.ask = if **url == *"/" { Ask::Values } else { Ask::Script(url.clone()) };
            }
        }
        let wait = |name, default| duration(backend, name).unwrap_or(Duration::from_secs(default));
        Some(Config {
            name: called(backend),
            address,
            protocol,
            tls: tls.then_some(TlsTo { name, ca, client, pin }),
            host_header,
            visitor_address: match word(backend, "visitor_address") {
                Some("cut") => VisitorAddress::Cut,
                Some("full") => VisitorAddress::Full,
                Some("none") => VisitorAddress::None,
                _ => VisitorAddress::Pseudonym,
            },
            connect_timeout: wait("connect_timeout", 3),
            first_byte_timeout: wait("first_byte_timeout", 60),
            between_bytes_timeout: wait("between_bytes_timeout", 60),
            idle_timeout: wait("idle_timeout", 50),
            // A connection that php-fpm keeps takes one of its processes.
            idle_max: number(backend, "idle_max").unwrap_or(if protocol == Protocol::FastCgi {
                0
            } else {
                64
            }),
            slow_start: duration(backend, "slow_start").unwrap_or(Duration::ZERO),
            max_connections: number(backend, "max_connections").unwrap_or(0),
            probe,
            breaker: breaker(backend),
            resolve_every: wait("resolve_every", 10),
        })
    }

    /// Where it is, what is spoken to it, and whether by TLS.
    fn address(&mut self, backend: &Declaration) -> Option<(Address, Protocol, bool)> {
        if backend.has("none") {
            return Some((Address::Nowhere, Protocol::Http1, false));
        }
        let ways = ["url", "host", "path"].map(|name| backend.setting(name));
        let mut ways = ways.into_iter().flatten();
        if let (Some(first), Some(second)) = (ways.next(), ways.next()) {
            return self.fault(
                Diagnostic::new(
                    Code::Contradiction,
                    second.name_span,
                    format!("{} is in two places", backend.title()),
                )
                .label("take out one of the two")
                .at(first.name_span, "it is here already"),
            );
        }
        if let Some(port) = backend.setting("port")
            && backend.setting("host").is_none()
            && self.tree.dialect == Dialect::Doorward
        {
            self.found.push(
                Diagnostic::new(Code::Contradiction, port.name_span, "a port without a `.host`")
                    .label("write it in `.url`, or say `.host`"),
            );
        }
        if let Some(written) = text(backend, "url") {
            let url = self.read(Code::BadUrl, "url of a backend", written, value::url)?;
            return Some(match url {
                Url::Http { host, port, tls, protocol } => (Address::Tcp { host, port }, protocol, tls),
                Url::Unix(path) => (Address::Unix(self.socket(path, written)?), Protocol::Http1, false),
                Url::FastCgiUnix(path) => {
                    (Address::Unix(self.socket(path, written)?), Protocol::FastCgi, false)
                }
            });
        }
        if let Some((path, span)) = text(backend, "path") {
            if !path.get().starts_with('/') {
                return self.fault(
                    Diagnostic::new(Code::BadFile, span, format!("{} is no path of a socket", path.quote()))
                        .label("begin it with `/`"),
                );
            }
            return Some((Address::Unix(self.socket(path.get(), (path, span))?), Protocol::Http1, false));
        }
        let (host, within) = self.read(Code::BadHost, "host", text(backend, "host")?, value::server)?;
        let port = match text(backend, "port") {
            Some((port, span)) if within.is_some() => {
                return self.fault(
                    Diagnostic::new(Code::Contradiction, span, format!("a second port, {}", port.quote()))
                        .label("`.host` says one already"),
                );
            }
            Some(port) => self.read(Code::BadHost, "port", port, value::port)?,
            None => within.unwrap_or(80),
        };
        Some((Address::Tcp { host, port }, Protocol::Http1, false))
    }

    /// The backend's own probe, or the one called `default`.
    fn probe_of(&mut self, backend: &Declaration) -> Option<ProbeConfig> {
        if backend.has("none") {
            return None;
        }
        let tree = self.tree;
        let probe = match reference(backend, "probe") {
            Some(probe) => tree.probes.get(probe)?,
            None => tree
                .probes
                .iter()
                .find(|probe| probe.name.as_ref().is_some_and(|(name, _)| name.get() == "default"))?,
        };
        // What is wrong with it is said once for all its backends.
        Some(probe_config(probe))
    }

    /// What a probe says that could never work.
    pub(super) fn judge_probe(&mut self, probe: &Declaration) {
        let mut values = probe.settings.iter().flat_map(|setting| &setting.values);
        if values.any(|valued| valued.value == Value::Faulty) {
            return;
        }
        self.judge_kind(probe);
        for written in texts(probe, "expected") {
            self.read(Code::BadProbe, "status or range of statuses", written, value::statuses);
        }
        let vcl = self.tree.dialect == Dialect::Varnish;
        if let (Some(url), Some(request)) = (probe.setting("url"), probe.setting("request")) {
            self.found.push(
                Diagnostic::new(Code::BadProbe, request.name_span, "it asks `.url` already")
                    .label("take out one of the two")
                    .at(url.name_span, "this would not be asked"),
            );
        }
        if let Some((url, span)) = text(probe, "url")
            && !vcl
        {
            self.read(Code::BadProbe, "path to ask for", (url, span), value::target);
        }
        if let Some((request, span)) = text(probe, "request")
            && !vcl
        {
            self.read(Code::BadProbe, "request", (request, span), value::request);
        }
        let (window, threshold) = (probe.setting("window"), probe.setting("threshold"));
        match (window, threshold) {
            (Some(window), None) if vcl => self.found.push(
                Diagnostic::new(Code::BadProbe, window.name_span, "`.window` without `.threshold`")
                    .label("say how many of them must be good: `.threshold = 3;`"),
            ),
            (None, _) if vcl => {}
            _ => {
                let (most, least) = (of(probe, "window", WINDOW), of(probe, "threshold", THRESHOLD));
                if least > most
                    && let Some(setting) = threshold.or(window)
                {
                    self.found.push(
                        Diagnostic::new(
                            Code::BadProbe,
                            setting.name_span,
                            format!("{least} good answers of {most} are more than there are"),
                        )
                        .label("let `.threshold` be `.window` at most"),
                    );
                }
            }
        }
    }

    /// What a probe of its kind would never look at.
    fn judge_kind(&mut self, probe: &Declaration) {
        if let (Some(one), Some(several)) = (probe.setting("expected_response"), probe.setting("expected")) {
            self.found.push(
                Diagnostic::new(Code::BadProbe, several.name_span, "which answers are good is said twice")
                    .label("take out one of the two")
                    .at(one.name_span, "it is said here already"),
            );
        }
        let (kind, idle): (_, &[&str]) = match word(probe, "kind") {
            Some("tcp") => ("tcp", &["url", "request", "expected_response", "expected", "expect_close"]),
            Some("fastcgi") if probe.setting("url").is_some() => ("fastcgi", &["request", "expect_close"]),
            Some("fastcgi") => ("fastcgi", &["request", "expected_response", "expected", "expect_close"]),
            _ => return,
        };
        for setting in idle.iter().filter_map(|name| probe.setting(name)) {
            let name = setting.row.name;
            let why = match (kind, name) {
                ("fastcgi", "expected" | "expected_response") => {
                    format!("without a `.url` no script answers, and `.{name}` is not looked at")
                }
                _ => format!("a probe of `.kind = {kind}` does not look at `.{name}`"),
            };
            self.found.push(Diagnostic::new(Code::BadProbe, setting.name_span, why).label("take it out"));
        }
    }

    fn socket(&mut self, path: &str, (url, span): (&Text, Span)) -> Option<PathBuf> {
        let path = url.part(path);
        let path = self.file((&path, span))?;
        let length = path.as_os_str().len();
        if length > SOCKET_PATH_BYTES_MAX {
            return self.fault(
                Diagnostic::new(Code::BadFile, span, "the path of this socket is too long for the system")
                    .label(format!("it has {length} bytes in full, and {SOCKET_PATH_BYTES_MAX} are taken")),
            );
        }
        Some(path)
    }
}

/// A number of a probe; 0 is what VCL writes for the default.
fn of(probe: &Declaration, name: &str, default: u32) -> u32 {
    number(probe, name)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 0)
        .unwrap_or(default)
}

fn breaker(backend: &Declaration) -> BreakerTerms {
    let usual = BreakerTerms::default();
    let count = |name| number(backend, name).and_then(|number| u32::try_from(number).ok());
    BreakerTerms {
        failures_max: count("failures_max").unwrap_or(usual.failures_max),
        failure_rate: count("failure_rate").unwrap_or(usual.failure_rate),
        retry_every: duration(backend, "retry_every").unwrap_or(usual.retry_every),
    }
}

fn probe_config(probe: &Declaration) -> ProbeConfig {
    let wait = |name, default| {
        duration(probe, name).filter(|wait| !wait.is_zero()).unwrap_or(Duration::from_secs(default))
    };
    let threshold = of(probe, "threshold", THRESHOLD);
    let initial = number(probe, "initial").map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let url = text(probe, "url").map(|(url, _)| url.get());
    let ask = match text(probe, "request") {
        _ if word(probe, "kind") == Some("tcp") => Ask::Connection,
        _ if word(probe, "kind") == Some("fastcgi") => {
            url.map_or(Ask::Values, |script| Ask::Script(script.into()))
        }
        Some((request, _)) => Ask::Request(format!("{}\r\n\r\n", request.get()).into_bytes().into()),
        None => Ask::Url(url.unwrap_or("/").into()),
    };
    let mut expected: Vec<_> =
        texts(probe, "expected").filter_map(|(text, _)| value::statuses(text.get()).ok()).collect();
    if expected.is_empty() {
        let one = u16::try_from(of(probe, "expected_response", 200)).unwrap_or(200);
        expected.push((one, one));
    }
    ProbeConfig {
        ask,
        expected: expected.into(),
        timeout: wait("timeout", 2),
        interval: wait("interval", 5),
        window: of(probe, "window", WINDOW),
        threshold,
        initial: initial.unwrap_or(threshold.saturating_sub(1)).min(threshold),
        expect_close: switch(probe, "expect_close").unwrap_or(true),
    }
}
