//! The walk from a tree to settings.

mod answers;
mod backends;
mod directors;
mod doors;
mod logs;
mod networks;
mod routes;
mod scripts;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::places::Places;
use super::value::{self, Instead};
use super::{Doors, Gateway, STATE, Settings};
use crate::base::address::NetworkSet;
use crate::base::bound::{Amount, Bounds};
use crate::language::source::{FileId, joined};
use crate::language::table::{LOG_ERRORS, LOG_FILE};
use crate::language::tree::{Declaration, Text, Tree, Value, Valued};
use crate::language::vocabulary::Dialect;
use crate::language::{Code, Diagnostic, Diagnostics, Found, Span, Suggestions};
use crate::plan::BackendRows;
use crate::record;

/// Everything that is wrong with the tree and with what it means, or the settings.
pub fn compile(tree: &Tree) -> Result<Settings, Diagnostics> {
    compile_behind(&Doors::default(), tree)
}

/// The same with other doors than rules without a `gateway` have. One that stands in the rules goes first.
pub fn compile_behind(doors: &Doors, tree: &Tree) -> Result<Settings, Diagnostics> {
    let mut compiler = Compiler {
        tree,
        found: tree.found.clone(),
        suggestions: Suggestions::default(),
        state: PathBuf::from(STATE),
        networks: Vec::new(),
        rows: HashMap::new(),
        named: Vec::new(),
        path_names: None,
        files: 0,
    };
    compiler.state = compiler.state(doors);
    compiler.networks = tree.acls.iter().map(|acl| Arc::new(compiler.acl(acl))).collect();
    let gateway = compiler.gateway(doors);
    let logs: Vec<_> = tree.logs.iter().map(|log| compiler.log(log)).collect();
    let backends = tree.backends.iter().filter_map(|backend| compiler.backend(backend)).collect();
    let directors = compiler.directors();
    let sites = compiler.sites();
    compiler.files_of_their_own(&sites, &logs);
    compiler.judge_doors(&sites);
    let default_log = record::LogConfig {
        name: "default".into(),
        format: record::Format::Combined,
        file: compiler.with_state(LOG_FILE).into(),
        errors: compiler.with_state(LOG_ERRORS).into(),
        names: Box::default(),
    };
    if !compiler.found.has_errors() {
        compiler.empty_handed();
    }
    let found = Diagnostics::new(Arc::clone(&tree.sources), std::mem::take(&mut compiler.found));
    if found.has_errors() {
        return Err(found);
    }
    let files = tree.sources.paths().take(tree.read).map(Path::to_owned).collect();
    let networks = compiler.networks;
    let places = Places::of(tree, &networks);
    Ok(Settings {
        gateway,
        sites,
        backends,
        directors,
        logs,
        default_log,
        warnings: found,
        files,
        program: tree.program.clone(),
        networks,
        places,
    })
}

struct Compiler<'a> {
    tree: &'a Tree,
    found: Found,
    suggestions: Suggestions,
    state: PathBuf,
    /// Each `acl`, in the order of the tree.
    networks: Vec<Arc<NetworkSet>>,
    /// The tables that routes look backends up in, as they are needed.
    rows: HashMap<usize, BackendRows>,
    /// By each `log`: the names of paths in the names of its files.
    named: Vec<Option<logs::Named>>,
    /// Every name that stands in a path, and whether it may be shown; once somebody asked.
    path_names: Option<BTreeMap<String, bool>>,
    /// How many folders of files there are.
    files: usize,
}

/// A text setting and where it stands; `None` when it is not set or was faulty.
fn text<'t>(declared: &'t Declaration, name: &str) -> Option<(&'t Text, Span)> {
    match declared.value(name)? {
        Valued { value: Value::Text(text), span } => Some((text, *span)),
        _ => None,
    }
}

fn texts<'t>(declared: &'t Declaration, name: &str) -> impl Iterator<Item = (&'t Text, Span)> {
    declared.setting(name).into_iter().flat_map(|setting| &setting.values).filter_map(|valued| match &valued
        .value
    {
        Value::Text(text) => Some((text, valued.span)),
        _ => None,
    })
}

fn word(declared: &Declaration, name: &str) -> Option<&'static str> {
    match declared.value(name)?.value {
        Value::Word(word) => Some(word),
        _ => None,
    }
}

fn switch(declared: &Declaration, name: &str) -> Option<bool> {
    match declared.value(name)?.value {
        Value::Bool(value) => Some(value),
        _ => None,
    }
}

fn duration(declared: &Declaration, name: &str) -> Option<Duration> {
    match declared.value(name)?.value {
        Value::Duration(value) => Some(value),
        _ => None,
    }
}

fn number(declared: &Declaration, name: &str) -> Option<usize> {
    match declared.value(name)?.value {
        Value::Number(value) => usize::try_from(value).ok(),
        _ => None,
    }
}

fn size(declared: &Declaration, name: &str) -> Option<u64> {
    match &declared.value(name)?.value {
        Value::Size(size) => Some(*size),
        _ => None,
    }
}

fn reference(declared: &Declaration, name: &str) -> Option<usize> {
    match declared.value(name)?.value {
        Value::Name(index) => Some(index),
        _ => None,
    }
}

impl Compiler<'_> {
    fn fault<T>(&mut self, fault: Diagnostic) -> Option<T> {
        self.found.push(fault);
        None
    }

    /// The value of a text, or a fault that says what to write instead.
    fn read<'t, T>(
        &mut self,
        code: Code,
        what: &str,
        (text, span): (&'t Text, Span),
        read: impl FnOnce(&'t str) -> Result<T, Instead>,
    ) -> Option<T> {
        match read(text.get()) {
            Ok(value) => Some(value),
            Err(instead) => self
                .fault(Diagnostic::new(code, span, format!("{} is no {what}", text.quote())).label(instead)),
        }
    }

    fn state(&mut self, doors: &Doors) -> PathBuf {
        if let (None, Some(state)) = (&self.tree.gateway, &doors.state) {
            return state.clone();
        }
        let set = self.tree.gateway.as_ref().and_then(|gateway| text(gateway, "state"));
        let Some((state, span)) = set else { return PathBuf::from(STATE) };
        let wrong = if state.get().is_empty() {
            Some("write a folder")
        } else if state.get().contains(['{', '}']) {
            Some("take the braces out: they have a meaning in the names of logs")
        } else {
            None
        };
        if let Some(instead) = wrong {
            self.found.push(
                Diagnostic::new(Code::BadFile, span, format!("{} is no folder", state.quote()))
                    .label(instead),
            );
        }
        joined(self.tree.sources.folder(FileId(0)), state.get())
    }

    fn with_state(&self, text: &str) -> String {
        text.replacen("{state}", &self.state.display().to_string(), 1)
    }

    /// A path as it will be opened: `{state}` filled in, and relative to the rule file it stands in.
    fn located(&self, text: &str, span: Span) -> String {
        if text.starts_with("{state}") {
            return self.with_state(text);
        }
        joined(self.tree.sources.folder(span.file), text).display().to_string()
    }

    /// A file that a setting names; it may hold `{state}`.
    fn file(&mut self, (text, span): (&Text, Span)) -> Option<PathBuf> {
        let braces = value::placeholders(text.get());
        let wrong = match &braces {
            _ if text.get().is_empty() => Some("write a file"),
            _ if text.get().ends_with('/') => Some("this is a folder: write a file in it"),
            Err(instead) => Some(*instead),
            Ok(names) if names.iter().any(|name| *name != "state") => {
                Some("only `{state}` stands between braces here")
            }
            Ok(names) if !names.is_empty() && text.get().rfind("{state}") != Some(0) => {
                Some("`{state}` stands at its beginning, once")
            }
            Ok(_) => None,
        };
        if let Some(instead) = wrong {
            return self.fault(
                Diagnostic::new(Code::BadFile, span, format!("{} is no file name", text.quote()))
                    .label(instead),
            );
        }
        Some(PathBuf::from(self.located(text.get(), span)))
    }

    fn gateway(&mut self, doors: &Doors) -> Gateway {
        let mut gateway = Gateway {
            http: Vec::new(),
            https: Vec::new(),
            admin: None,
            state: self.state.clone(),
            workers: None,
            trusted: Arc::default(),
            proxy_protocol: false,
            bounds: Bounds::default(),
        };
        let everywhere = |port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        let Some(declared) = &self.tree.gateway else {
            gateway.admin = doors.admin;
            if doors.http.is_none() && doors.https.is_none() {
                gateway.http.push(everywhere(80));
                gateway.https.push(everywhere(443));
            }
            gateway.http.extend(doors.http);
            gateway.https.extend(doors.https);
            return gateway;
        };
        let mut taken: Vec<(SocketAddr, Span)> = Vec::new();
        gateway.http = self.listeners(declared, "http", &mut taken);
        gateway.https = self.listeners(declared, "https", &mut taken);
        gateway.admin = self.listeners(declared, "admin", &mut taken).first().copied();
        if declared.setting("http").is_none() && declared.setting("https").is_none() {
            gateway.http.push(everywhere(80));
            gateway.https.push(everywhere(443));
        }
        gateway.workers = number(declared, "workers");
        if let Some(trusted) = reference(declared, "trusted").and_then(|acl| self.networks.get(acl)) {
            gateway.trusted = Arc::clone(trusted);
        }
        gateway.proxy_protocol = switch(declared, "proxy_protocol").unwrap_or(false);
        if gateway.proxy_protocol
            && declared.setting("trusted").is_none()
            && let Some(setting) = declared.setting("proxy_protocol")
        {
            self.found.push(
                Diagnostic::new(
                    Code::NobodyTrusted,
                    setting.name_span,
                    "a PROXY header is believed from nobody",
                )
                .label("say from whom: `.trusted = name_of_an_acl;`"),
            );
        }
        for row in Bounds::ROWS {
            let amount = match declared.value(row.name).map(|valued| &valued.value) {
                Some(Value::Number(value)) => Amount::Count(*value),
                Some(Value::Size(value)) => Amount::Size(*value),
                Some(Value::Duration(value)) => Amount::Time(*value),
                _ => continue,
            };
            gateway.bounds.set(row.name, amount);
        }
        gateway
    }

    fn listeners(
        &mut self,
        gateway: &Declaration,
        name: &str,
        taken: &mut Vec<(SocketAddr, Span)>,
    ) -> Vec<SocketAddr> {
        let mut listeners = Vec::new();
        for (text, span) in texts(gateway, name) {
            let Some(address) =
                self.read(Code::BadListener, "address to listen on", (text, span), value::listener)
            else {
                continue;
            };
            match taken.iter().find(|(other, _)| overlap(*other, address)) {
                Some((_, first)) => {
                    self.found.push(
                        Diagnostic::new(
                            Code::ListenerTwice,
                            span,
                            format!("{} is taken already", text.quote()),
                        )
                        .label("give it another port")
                        .at(*first, "by this"),
                    );
                }
                None => taken.push((address, span)),
            }
            listeners.push(address);
        }
        listeners
    }

    /// What is right and does nothing.
    fn empty_handed(&mut self) {
        for site in self.tree.sites.iter().filter(|site| site.inside.is_empty()) {
            self.found.push(
                Diagnostic::new(Code::NoRoutes, site.head, format!("{} has no routes", site.title()))
                    .label("its visitors get a 404: add `route \"/\" { .backend = …; }`"),
            );
        }
        if self.tree.sites.is_empty() && self.tree.dialect == Dialect::Doorward {
            let span = self.tree.gateway.as_ref().map_or(Span::new(FileId(0), 0, 0), |gateway| gateway.head);
            self.found.push(
                Diagnostic::new(Code::NoSites, span, "this gateway serves no site")
                    .label("add `site \"host.name\" { … }`, or include the file that holds it"),
            );
        }
    }
}

fn called(declared: &Declaration) -> Box<str> {
    declared.name.as_ref().map(|(name, _)| name.get().into()).unwrap_or_default()
}

/// Whether two listeners can't exist beside each other. Port 0 is a port of the system's choice.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let everywhere = |address: SocketAddr| address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let all_of_v4 = |address: SocketAddr| address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip()
            || everywhere(a)
            || everywhere(b)
            || (all_of_v4(a) && b.is_ipv4())
            || (all_of_v4(b) && a.is_ipv4()))
}
