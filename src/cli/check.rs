//! `doorward check`: everything that can be known about the rules without serving them.
//!
//! The language finds what is wrong in the text. Beside that this opens the files the rules name and
//! resolves the backends' names, since a gateway that starts at night must not learn of them then.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::time::Duration;

use super::arguments::Given;
use super::{End, JSON, Paper, rules};
use crate::base::clock;
use crate::plan::CertificateWish;
use crate::settings::{self, Settings};
use crate::upstream::Address;

/// Time for all names together: without DNS each would take its own.
const RESOLVING: Duration = Duration::from_secs(10);
/// A certificate chain is a few kilobytes.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Something about the world that the rules rely on.
struct Finding {
    is_error: bool,
    text: String,
}

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(main) = rules::find(given.file()) else { return rules::none_found(paper) };
    let json = given.has(&JSON);
    let settings = match settings::load(&main) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            if json {
                paper.say(&format!("{{\"rules\":{},\"world\":[]}}\n", diagnostics.json()));
            } else {
                paper.draw(&diagnostics.draw(), true);
            }
            return End::Faults;
        }
    };
    let findings = look(&settings);
    if json {
        paper.say(&as_json(&settings, &findings));
    } else {
        for finding in &findings {
            let word = if finding.is_error { "error" } else { "warning" };
            paper.draw(&format!("{word}: {}\n", finding.text), true);
        }
        paper.say(&format!("{}: {}\n", main.display(), summary(&settings, &findings)));
    }
    if findings.iter().any(|finding| finding.is_error) { End::Faults } else { End::Good }
}

/// `3 sites, 12 routes, 4 backends: all good`.
fn summary(settings: &Settings, findings: &[Finding]) -> String {
    let (sites, routes, backends) = counted(settings);
    let errors = findings.iter().filter(|finding| finding.is_error).count();
    let verdict = match (errors, findings.len() - errors) {
        (0, 0) => "all good".to_owned(),
        (0, warnings) => format!("good, but for {}", many(warnings, "warning")),
        (errors, _) => many(errors, "fault"),
    };
    format!("{}, {}, {}: {verdict}", many(sites, "site"), many(routes, "route"), many(backends, "backend"))
}

fn counted(settings: &Settings) -> (usize, usize, usize) {
    let routes = settings.sites.iter().map(|site| site.routes.len()).sum();
    (settings.sites.len(), routes, settings.backends.len())
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn look(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut must_hold = |path: &Path, what: &str, whose: &str| {
        if let Err(why) = holds_pem(path, what) {
            findings.push(Finding { is_error: true, text: format!("{} of {whose} {why}", path.display()) });
        }
    };
    for site in &settings.sites {
        if let CertificateWish::Files { chain, key } = &site.certificate {
            must_hold(chain, "CERTIFICATE", &format!("site `{}`", site.name));
            must_hold(key, "PRIVATE KEY", &format!("site `{}`", site.name));
        }
    }
    for backend in &settings.backends {
        if let Some(ca) = backend.tls.as_ref().and_then(|tls| tls.ca.as_deref()) {
            must_hold(ca, "CERTIFICATE", &format!("backend `{}`", backend.name));
        }
    }
    resolve(settings, &mut findings);
    findings
}

fn holds_pem(path: &Path, what: &str) -> Result<(), String> {
    let mut text = Vec::new();
    let metadata = std::fs::metadata(path).map_err(|error| format!("can't be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    File::open(path)
        .and_then(|file| file.take(PEM_BYTES_MAX).read_to_end(&mut text))
        .map_err(|error| format!("can't be read: {error}"))?;
    let is_begin = |line: &[u8]| {
        let line = line.trim_ascii();
        // `RSA PRIVATE KEY` and `EC PRIVATE KEY` are keys too.
        line.strip_prefix(b"-----BEGIN ")
            .and_then(|line| line.strip_suffix(b"-----"))
            .is_some_and(|label| label.ends_with(what.as_bytes()))
    };
    if text.split(|byte| *byte == b'\n').any(is_begin) {
        Ok(())
    } else {
        Err(format!("holds no `BEGIN {what}`"))
    }
}

/// A name that DNS does not know today may be known tomorrow: a warning.
fn resolve(settings: &Settings, findings: &mut Vec<Finding>) {
    let began = clock::now();
    let mut seen = BTreeSet::new();
    for backend in &settings.backends {
        let Address::Tcp { host, port } = &backend.address else { continue };
        if !seen.insert(host) {
            continue;
        }
        let text = if began.elapsed() > RESOLVING {
            format!("backend `{}`: `{host}` was not looked up, since others took too long", backend.name)
        } else {
            match (host.as_ref(), *port).to_socket_addrs().map(|mut found| found.next().is_some()) {
                Ok(true) => continue,
                Ok(false) => format!("backend `{}`: `{host}` has no address", backend.name),
                Err(error) => format!("backend `{}`: `{host}` can't be resolved: {error}", backend.name),
            }
        };
        findings.push(Finding { is_error: false, text });
    }
}

fn as_json(settings: &Settings, findings: &[Finding]) -> String {
    let (sites, routes, backends) = counted(settings);
    let mut out =
        String::from("{\"rules\":{\"faults\":[],\"errors\":0,\"warnings\":0,\"not_shown\":0},\"world\":[");
    for (at, finding) in findings.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let severity = if finding.is_error { "error" } else { "warning" };
        let _ =
            write!(out, "{comma}{{\"severity\":\"{severity}\",\"message\":\"{}\"}}", escaped(&finding.text));
    }
    let _ = writeln!(out, "],\"sites\":{sites},\"routes\":{routes},\"backends\":{backends}}}");
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
