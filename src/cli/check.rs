//! `doorward check`: everything that can be known about the rules without serving them.
//!
//! The language finds what is wrong in the text. Beside that this opens the files the rules name and
//! resolves the backends' names, since a gateway that starts at night must not learn of them then.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::time::Duration;

use super::arguments::{Flag, Given};
use super::{End, JSON, Paper, format, rules};
use crate::answer::{Problem, Voice};
use crate::base::{clock, json};
use crate::language::mend::{Mended, mend};
use crate::language::{self, Diagnostics, Files, Span};
use crate::plan::{Answers, CertificateWish};
use crate::settings::{self, Disk, Settings};
use crate::tls;
use crate::upstream::{self, Address};

/// Time for all names together: without DNS each would take its own.
const RESOLVING: Duration = Duration::from_secs(10);

pub(super) const FIX: Flag = Flag::new("fix", None, "mend what leaves no doubt, then show what is left");

/// Something about the world that the rules rely on.
struct Finding {
    is_error: bool,
    text: String,
}

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(main) = rules::find(given.file()) else { return rules::none_found(paper) };
    let json = given.has(&JSON);
    if given.has(&FIX) && !fix(&main, json, paper) {
        return End::Faults;
    }
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
        paper.draw(&settings.warnings.draw(), true);
        for finding in &findings {
            let word = if finding.is_error { "error" } else { "warning" };
            paper.draw(&format!("{word}: {}\n", finding.text), true);
        }
        paper.say(&format!("{}: {}\n", main.display(), summary(&settings, &findings)));
    }
    if findings.iter().any(|finding| finding.is_error) { End::Faults } else { End::Good }
}

/// Mends what can be mended for certain, in the files themselves. Whether they could be written.
fn fix(main: &Path, json: bool, paper: &mut Paper<'_>) -> bool {
    let judge = |files: &dyn Files| -> Diagnostics {
        match settings::compile(&language::read(files, main, &|name| std::env::var(name).ok())) {
            Ok(settings) => settings.warnings,
            Err(faults) => faults,
        }
    };
    let Mended { files, done } = mend(&Disk, &judge);
    for (path, before, after) in files {
        // Nobody's work is lost who saved the file in the meantime.
        let same = Disk.read(&path, format::BYTES_MAX).is_ok_and(|read| read.bytes == before.as_bytes());
        let written = if same {
            format::rewrite(&path, &after)
        } else {
            Err(io::Error::other("it was changed in the meantime; run this once more"))
        };
        if let Err(error) = written {
            paper.fault(&format!("doorward: {} can't be written: {error}\n", path.display()));
            return false;
        }
    }
    for line in done {
        // Programs read the faults alone.
        if json { paper.fault(&format!("{line}\n")) } else { paper.say(&format!("{line}\n")) }
    }
    true
}

/// `3 sites, 12 routes, 4 backends: all good`.
fn summary(settings: &Settings, findings: &[Finding]) -> String {
    let (sites, routes, backends) = counted(settings);
    let errors = findings.iter().filter(|finding| finding.is_error).count();
    let warnings = findings.len() - errors + settings.warnings.count().1;
    let verdict = match (errors, warnings) {
        (0, 0) => "all good".to_owned(),
        (0, warnings) => format!("good, but for {}", many(warnings, "warning")),
        (errors, _) => many(errors, "fault"),
    };
    let directors = match settings.directors.len() {
        0 => String::new(),
        some => format!(", {}", many(some, "director")),
    };
    let (sites, routes, backends) = (many(sites, "site"), many(routes, "route"), many(backends, "backend"));
    format!("{sites}, {routes}, {backends}{directors}: {verdict}")
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
    let now = clock::wall();
    for (at, site) in settings.sites.iter().enumerate() {
        let (_, problems) = Voice::open(site);
        let place = place(settings, settings.places.site(at));
        findings.extend(problems.into_iter().map(|Problem { is_error, text }| Finding {
            is_error,
            text: format!("site `{}`: {text}{place}", site.name),
        }));
    }
    for (at, site) in settings.sites.iter().enumerate() {
        let CertificateWish::Files { chain, key } = &site.certificate else { continue };
        let names: Vec<Box<str>> = std::iter::once(&site.name).chain(&site.aliases).cloned().collect();
        let place = place(settings, settings.places.site(at));
        let about = |text: String| format!("site `{}`: {text}{place}", site.name);
        match tls::files::load(chain, key, &names, now) {
            Ok(certificate) => {
                let odd = certificate.warnings.into_iter();
                findings.extend(odd.map(|text| Finding { is_error: false, text: about(text) }));
            }
            Err(text) => findings.push(Finding { is_error: true, text: about(text) }),
        }
    }
    for (at, backend) in settings.backends.iter().enumerate() {
        // Reads its authorities; connects to nobody.
        if let Err(text) = upstream::Backend::new(backend.clone()) {
            let place = place(settings, settings.places.backend(at));
            let text = format!("backend `{}`: {text}{place}", backend.name);
            findings.push(Finding { is_error: true, text });
        }
    }
    folders(settings, &mut findings);
    resolve(settings, &mut findings);
    findings
}

/// A folder of files that is missing here may be there where the rules will serve: a warning.
fn folders(settings: &Settings, findings: &mut Vec<Finding>) {
    for (at, site) in settings.sites.iter().enumerate() {
        for (number, route) in site.routes.iter().enumerate() {
            let Answers::Files(files) = &route.answers else { continue };
            let why = match std::fs::metadata(&files.root) {
                Ok(found) if found.is_dir() => continue,
                Ok(_) => "it is no folder".to_owned(),
                Err(error) => error.to_string(),
            };
            let place = place(settings, settings.places.route(at, number));
            let text = format!(
                "the files of `{}` can't be found in {}: {why}{place}",
                route.path,
                files.root.display()
            );
            findings.push(Finding { is_error: false, text });
        }
    }
}

/// ` (sites.vcl:7)`
fn place(settings: &Settings, span: Option<Span>) -> String {
    let sources = &settings.places.sources;
    span.and_then(|span| Some((span, sources.place(span.file, span.start)?)))
        .map(|(span, place)| format!(" ({}:{})", sources.name(span.file), place.line))
        .unwrap_or_default()
}

/// A name that DNS does not know today may be known tomorrow: a warning.
fn resolve(settings: &Settings, findings: &mut Vec<Finding>) {
    let began = clock::now();
    let mut seen = BTreeSet::new();
    for (at, backend) in settings.backends.iter().enumerate() {
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
        let place = place(settings, settings.places.backend(at));
        findings.push(Finding { is_error: false, text: text + &place });
    }
}

fn as_json(settings: &Settings, findings: &[Finding]) -> String {
    let (sites, routes, backends) = counted(settings);
    let mut out = format!("{{\"rules\":{},\"world\":[", settings.warnings.json());
    for (at, finding) in findings.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let severity = if finding.is_error { "error" } else { "warning" };
        let _ =
            write!(out, "{comma}{{\"severity\":\"{severity}\",\"message\":{}}}", json::quoted(&finding.text));
    }
    let _ = writeln!(out, "],\"sites\":{sites},\"routes\":{routes},\"backends\":{backends}}}");
    out
}
