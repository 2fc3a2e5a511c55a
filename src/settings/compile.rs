//! The walk from a tree to settings.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::places::Places;
use super::value::{self, Instead, Url};
use super::{Doors, Gateway, STATE, Settings};
use crate::base::address::{Network, NetworkSet};
use crate::base::bound::{Amount, Bounds};
use crate::language::source::{FileId, joined};
use crate::language::table::{LOG_ERRORS, LOG_FILE};
use crate::language::tree::{self, Declaration, Text, Tree, Value, Valued};
use crate::language::{Code, Diagnostic, Diagnostics, Found, Span, Suggestions};
use crate::plan::EncodedSlash;
use crate::plan::{Access, Answers, BackendId, CertificateWish, Route, Serves, Site, VisitorAddress};
use crate::{record, upstream};

/// What the system takes for the path of a unix socket.
const SOCKET_PATH_BYTES_MAX: usize = 107;

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
    };
    compiler.state = compiler.state(doors);
    compiler.networks = tree.acls.iter().map(|acl| Arc::new(compiler.acl(acl))).collect();
    let gateway = compiler.gateway(doors);
    let logs = tree.logs.iter().map(|log| compiler.log(log)).collect();
    let backends = tree.backends.iter().filter_map(|backend| compiler.backend(backend)).collect();
    let sites = compiler.sites();
    let default_log = record::LogConfig {
        name: "default".into(),
        format: record::Format::Combined,
        file: compiler.with_state(LOG_FILE).into(),
        errors: compiler.with_state(LOG_ERRORS).into(),
    };
    if !compiler.found.has_errors() {
        compiler.empty_handed();
    }
    let found = Diagnostics::new(Arc::clone(&tree.sources), std::mem::take(&mut compiler.found));
    if found.has_errors() {
        return Err(found);
    }
    let files = tree.sources.paths().map(Path::to_owned).collect();
    let networks = compiler.networks;
    let places = Places::of(tree, &networks);
    Ok(Settings {
        gateway,
        sites,
        backends,
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

    /// The name of a log file, with `{site}` and `{day}` left in it.
    fn template(&mut self, (text, span): (&Text, Span)) -> Option<String> {
        let what = format!("{} is no name of a log file", text.quote());
        let fault = |label: &str| Diagnostic::new(Code::BadTemplate, span, what.clone()).label(label);
        let names = match value::placeholders(text.get()) {
            Ok(names) => names,
            Err(instead) => return self.fault(fault(instead)),
        };
        let known = ["state", "site", "day"];
        if let Some(unknown) = names.iter().find(|name| !known.contains(*name)) {
            let near = self.suggestions.nearest(unknown, known);
            let label = match near {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => "there are `{state}`, `{site}` and `{day}`".to_owned(),
            };
            return self.fault(fault(&label));
        }
        if text.get().is_empty() || text.get().ends_with('/') {
            return self.fault(fault("write a file"));
        }
        if names.contains(&"state") && text.get().rfind("{state}") != Some(0) {
            return self.fault(fault("`{state}` stands at its beginning, once"));
        }
        Some(self.located(text.get(), span))
    }

    fn acl(&mut self, acl: &Declaration) -> NetworkSet {
        let entries: Vec<(Network, bool)> =
            acl.entries.iter().filter_map(|entry| Some((self.network(entry)?, !entry.not))).collect();
        NetworkSet::new(entries)
    }

    fn network(&mut self, entry: &tree::Entry) -> Option<Network> {
        let text = entry.address.as_ref()?;
        let at = (text, entry.address_span);
        let address = self.read(Code::BadNetwork, "address", at, |text| {
            text.parse::<IpAddr>().map_err(|_| {
                if text.contains('/') {
                    "the prefix stands behind the quotes: `\"192.0.2.0\"/24;`"
                } else {
                    "write an IPv4 or IPv6 address; names are not looked up"
                }
            })
        })?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        if let IpAddr::V6(v6) = address
            && v6.to_ipv4_mapped().is_some()
        {
            return self.fault(
                Diagnostic::new(
                    Code::BadNetwork,
                    entry.address_span,
                    "this is an IPv4 address written as IPv6",
                )
                .label("write it as IPv4: such visitors are known by that"),
            );
        }
        let (prefix, span) = match entry.prefix {
            None => return Network::new(address, bits),
            Some((prefix, span)) => (prefix, span),
        };
        let Some(network) = u8::try_from(prefix).ok().and_then(|prefix| Network::new(address, prefix)) else {
            let family = if bits == 32 { "IPv4" } else { "IPv6" };
            return self.fault(
                Diagnostic::new(Code::BadNetwork, span, format!("an {family} address has {bits} bits"))
                    .label(format!("write a prefix up to {bits}")),
            );
        };
        if Network::new(address, bits)
            .is_some_and(|alone| alone.to_string() != format!("{}/{bits}", base(network)))
        {
            let label = if text.is_private() {
                "set the bits behind the prefix to zero, or leave the prefix out".to_owned()
            } else {
                format!("write `\"{}\"/{prefix}`, or leave the prefix out", base(network))
            };
            let span = entry.address_span.to(span);
            return self.fault(
                Diagnostic::new(Code::BadNetwork, span, "an address with bits behind its prefix")
                    .label(label),
            );
        }
        Some(network)
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

    fn log(&mut self, log: &Declaration) -> record::LogConfig {
        let mut file = |name, default: &str| -> Box<str> {
            match text(log, name) {
                Some(written) => self.template(written).unwrap_or_default().into(),
                None => self.with_state(default).into(),
            }
        };
        let (file, errors) = (file("file", LOG_FILE), file("errors", LOG_ERRORS));
        let format = match word(log, "format") {
            Some("json") => record::Format::Json,
            _ => record::Format::Combined,
        };
        record::LogConfig { name: called(log), format, file, errors }
    }

    fn backend(&mut self, backend: &Declaration) -> Option<upstream::Config> {
        let url_written = text(backend, "url");
        let url = url_written.and_then(|written| {
            let url = self.read(Code::BadUrl, "url of a backend", written, value::url)?;
            Some(match url {
                Url::Http { host, port, tls } => (upstream::Address::Tcp { host, port }, tls),
                Url::Unix(path) => (upstream::Address::Unix(self.socket(path, written)?), false),
            })
        });
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
        let (address, tls) = url?;
        if !tls {
            for name in ["ca", "tls_name", "pin"] {
                if let (Some(setting), Some((_, url))) = (backend.setting(name), url_written) {
                    self.found.push(
                        Diagnostic::new(
                            Code::NoTls,
                            setting.name_span,
                            format!(
                                "`.{name}` says how TLS is checked, and {} is reached without TLS",
                                backend.title()
                            ),
                        )
                        .label("take it out, or write `https://` in `.url`")
                        .at(url, "no `https://` here"),
                    );
                }
            }
        }
        let wait = |name, default| duration(backend, name).unwrap_or(Duration::from_secs(default));
        Some(upstream::Config {
            name: called(backend),
            address,
            tls: tls.then_some(upstream::TlsTo { name, ca, pin }),
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
            idle_max: number(backend, "idle_max").unwrap_or(64),
            max_connections: 0,
            probe: None,
        })
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

    fn sites(&mut self) -> Vec<Site> {
        let mut hosts: HashMap<Box<str>, Span> = HashMap::new();
        let tree = self.tree;
        tree.sites.iter().map(|site| self.site(site, &mut hosts)).collect()
    }

    /// A host name that no other site has.
    fn host(&mut self, written: (&Text, Span), hosts: &mut HashMap<Box<str>, Span>) -> Option<Box<str>> {
        let host = self.read(Code::BadHost, "host name", written, value::host)?;
        let (text, span) = written;
        if let Some(first) = hosts.get(&host) {
            let fault =
                Diagnostic::new(Code::HostTwice, span, format!("{} belongs to a site already", text.quote()))
                    .label("take one of them out")
                    .at(*first, "it is named here");
            return self.fault(fault);
        }
        hosts.insert(host.clone(), span);
        Some(host)
    }

    fn site(&mut self, site: &Declaration, hosts: &mut HashMap<Box<str>, Span>) -> Site {
        let name =
            site.name.as_ref().and_then(|(text, span)| self.host((text, *span), hosts)).unwrap_or_default();
        let aliases = texts(site, "aliases").filter_map(|alias| self.host(alias, hosts)).collect();
        let certificate = match site.value("certificate").map(|valued| &valued.value) {
            Some(Value::Certificate(tree::Certificate::Files { chain, key })) => {
                let chain = self.file((&chain.0, chain.1));
                let key = self.file((&key.0, key.1));
                CertificateWish::Files { chain: chain.unwrap_or_default(), key: key.unwrap_or_default() }
            }
            _ => CertificateWish::Local,
        };
        let log = reference(site, "log").and_then(|log| self.tree.logs.get(log)).map(called);
        let mut paths: HashMap<Box<str>, Span> = HashMap::with_capacity(site.inside.len());
        let routes = site.inside.iter().filter_map(|route| self.route(route, &mut paths)).collect();
        let force_https = switch(site, "force_https").unwrap_or(true);
        Site { name, any_host: false, aliases, certificate, force_https, log, routes }
    }

    fn route(&mut self, route: &Declaration, paths: &mut HashMap<Box<str>, Span>) -> Option<Route> {
        let (text, span) = route.name.as_ref()?;
        let path = self.read(Code::BadPath, "path of a route", (text, *span), value::path)?;
        let covered = path.as_str().trim_end_matches('/');
        if let Some(first) = paths.get(covered) {
            let fault =
                Diagnostic::new(Code::RouteTwice, *span, format!("a second route for {}", text.quote()))
                    .label("take one of them out")
                    .at(*first, "the first stands here");
            return self.fault(fault);
        }
        paths.insert(covered.into(), *span);
        let access = match route.value("allow").map(|valued| &valued.value) {
            None => Access::Anyone,
            Some(Value::Access(access)) => self.access(access),
            // The fault was reported; nobody gets in by it.
            Some(_) => Access::Nobody,
        };
        Some(Route {
            path: path.as_str().into(),
            names: Box::default(),
            exact: false,
            answers: Answers::Backend(BackendId(reference(route, "backend")?)),
            serves: Serves::Web,
            read: access.clone(),
            write: access,
            body_bytes_max: match route.value("body_bytes_max").map(|valued| &valued.value) {
                Some(Value::Size(size)) => Some(*size),
                _ => None,
            },
            total_timeout: duration(route, "total_timeout"),
            encoded_slash: match word(route, "encoded_slash") {
                Some("keep") => EncodedSlash::Keep,
                _ => EncodedSlash::Refuse,
            },
        })
    }

    fn access(&self, access: &tree::Access) -> Access {
        match access {
            tree::Access::Anyone => Access::Anyone,
            tree::Access::Nobody => Access::Nobody,
            tree::Access::Network(acl) => self
                .networks
                .get(*acl)
                .map_or(Access::Nobody, |networks| Access::Network(Arc::clone(networks))),
            tree::Access::Not(inner) => Access::Not(Box::new(self.access(inner))),
            tree::Access::And(terms) => self.balanced(terms, Access::And).unwrap_or(Access::Nobody),
            tree::Access::Or(terms) => self.balanced(terms, Access::Or).unwrap_or(Access::Nobody),
        }
    }

    /// A long chain becomes a bushy tree and not a deep one, which would overflow the stack that judges it.
    fn balanced(
        &self,
        terms: &[tree::Access],
        join: fn(Box<Access>, Box<Access>) -> Access,
    ) -> Option<Access> {
        match terms {
            [] => None,
            [one] => Some(self.access(one)),
            many => {
                let (left, right) = many.split_at_checked(many.len() / 2)?;
                Some(join(Box::new(self.balanced(left, join)?), Box::new(self.balanced(right, join)?)))
            }
        }
    }

    /// What is right and does nothing.
    fn empty_handed(&mut self) {
        for site in self.tree.sites.iter().filter(|site| site.inside.is_empty()) {
            self.found.push(
                Diagnostic::new(Code::NoRoutes, site.head, format!("{} has no routes", site.title()))
                    .label("its visitors get a 404: add `route \"/\" { .backend = …; }`"),
            );
        }
        if self.tree.sites.is_empty() {
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

/// The address of a network without its prefix.
fn base(network: Network) -> String {
    let text = network.to_string();
    text.split('/').next().unwrap_or_default().to_owned()
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
