//! A tree of rules, ready to be asked what it would do.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use http::HeaderMap;

use super::decision::Spot;
use crate::answer::Voice;
use crate::base::address::ClientIp;
use crate::language::program::{Mark, Program};
use crate::language::{self, Diagnostics, Span};
use crate::plan::{Access, Answers, BackendId, FilesId};
use crate::rules::Table;
use crate::settings::{self, Disk, Settings};

/// Everything one reading of the rules says, without a network.
pub struct Gateway {
    pub settings: Settings,
    pub(super) table: Table,
    /// How each site speaks, in the order of the sites. What is wrong with its pages `check` tells.
    pub(super) voices: Vec<Voice>,
    /// The files that hold built-in rules.
    built_in: BTreeSet<u32>,
}

impl Gateway {
    pub fn new(settings: Settings) -> Self {
        let table = Table::new(settings.sites.clone());
        let subs = settings.program.iter().flat_map(|program| &program.subs);
        let built_in = subs.filter(|sub| sub.built_in).map(|sub| sub.span.file.0).collect();
        let voices = settings.sites.iter().map(|site| Voice::open(site).0).collect();
        Self { settings, table, voices, built_in }
    }

    /// Reads rules from disk. What `environment` does not name is read from the process's own.
    pub fn load(main: &Path, environment: &[(String, String)]) -> Result<Self, Diagnostics> {
        let variable = |name: &str| {
            let set = environment.iter().rev().find(|(known, _)| known == name);
            set.map(|(_, value)| value.clone()).or_else(|| std::env::var(name).ok())
        };
        settings::compile(&language::read(&Disk, main, &variable)).map(Self::new)
    }

    /// The rules of the tree's own, where there are any: without one, the corridor has none to run.
    pub fn program(&self) -> Option<&Arc<Program>> {
        self.settings.program.as_ref().filter(|program| !program.is_empty())
    }

    /// Where visitors of plain http are sent; a port of the system's choice is not known.
    pub(super) fn https_port(&self) -> Option<u16> {
        self.settings.gateway.https.first().map(std::net::SocketAddr::port)
    }

    pub fn backend(&self, id: BackendId) -> &str {
        self.settings.backend_name(id).unwrap_or("?")
    }

    /// A folder of files.
    pub(super) fn folder(&self, id: FilesId) -> Option<&Path> {
        let routes = self.settings.sites.iter().flat_map(|site| &site.routes);
        routes.into_iter().find_map(|route| match &route.answers {
            Answers::Files(files) if files.id == id => Some(files.root.as_path()),
            _ => None,
        })
    }

    pub fn backend_by_name(&self, name: &str) -> Option<BackendId> {
        self.settings.backend_names().position(|known| known == name).map(BackendId)
    }

    pub fn spot(&self, span: Span) -> Option<Spot> {
        let sources = &self.settings.places.sources;
        let place = sources.place(span.file, span.start)?;
        Some(Spot {
            file: sources.name(span.file).to_owned(),
            line: place.line,
            source: sources.quote_line(span),
        })
    }

    /// The built-in rules are no operator's: they are not his to visit, and told only where they decide.
    pub(super) fn is_built_in(&self, span: Span) -> bool {
        self.built_in.contains(&span.file.0)
    }

    /// Where a rule stands.
    pub fn mark(&self, mark: Mark) -> Option<Spot> {
        self.spot(self.settings.program.as_ref()?.marks.get(mark.0 as usize).copied()?)
    }

    /// Where a rule stands that is worth telling of: one of the tree's own, or a built-in one that ends the
    /// usual way.
    pub(super) fn telling(&self, mark: Mark) -> Option<Spot> {
        const USUAL: [&str; 6] = ["deliver", "lookup", "hash", "fetch", "ok", "purge"];
        let span = self.settings.program.as_ref()?.marks.get(mark.0 as usize).copied()?;
        let spot = Spot { source: self.settings.places.sources.quote_rule(span), ..self.spot(span)? };
        let decides = || {
            let action = spot.source.strip_prefix("return (")?;
            Some(!USUAL.iter().any(|usual| action.starts_with(usual)))
        };
        (!self.is_built_in(span) || decides().unwrap_or(false)).then_some(spot)
    }

    pub(super) fn route_spot(&self, door: (usize, usize)) -> Option<Spot> {
        self.spot(self.settings.places.route(door.0, door.1)?)
    }

    /// The site of a request that names none: the only one there is.
    pub fn only_site(&self) -> Option<&str> {
        match self.settings.sites.as_slice() {
            [site] => Some(&site.name),
            _ => None,
        }
    }

    /// Who may pass, as the rules write it; lists of networks by their names.
    pub fn who(&self, access: &Access) -> String {
        self.who_inside(access, false)
    }

    fn who_inside(&self, access: &Access, inside: bool) -> String {
        let joined = |a: &Access, sign: &str, b: &Access| {
            let whole = format!("{} {sign} {}", self.who_inside(a, true), self.who_inside(b, true));
            if inside { format!("({whole})") } else { whole }
        };
        match access {
            Access::Anyone => "anyone".to_owned(),
            Access::Nobody => "nobody".to_owned(),
            Access::Network(networks) => {
                format!("network({})", self.settings.places.acl(networks).unwrap_or("…"))
            }
            Access::And(a, b) => joined(a, "&&", b),
            Access::Or(a, b) => joined(a, "||", b),
            Access::Not(inner) => format!("!{}", self.who_inside(inner, true)),
        }
    }

    /// The term on which it hung whether somebody may pass.
    pub(super) fn deciding(&self, access: &Access, client: ClientIp) -> String {
        self.who(deciding(access, client))
    }
}

/// The smallest part of an access on which its answer hangs: of several that must all hold the first that does
/// not, of several of which one must hold the first that does.
fn deciding(access: &Access, client: ClientIp) -> &Access {
    let whole = access.admits(client);
    match access {
        Access::And(a, b) if !whole => deciding(if a.admits(client) { b } else { a }, client),
        Access::Or(a, b) if whole => deciding(if a.admits(client) { a } else { b }, client),
        other => other,
    }
}

/// The fields in which one set of headers differs from another, as lines.
pub(super) fn changed(before: &HeaderMap, after: &HeaderMap) -> Vec<String> {
    let shown = |value: &http::HeaderValue| super::tell::plain(&String::from_utf8_lossy(value.as_bytes()));
    let mut lines = Vec::new();
    for name in after.keys() {
        let new: Vec<_> = after.get_all(name).iter().collect();
        if new != before.get_all(name).iter().collect::<Vec<_>>() {
            lines.extend(new.into_iter().map(|value| format!("+ {name}: {}", shown(value))));
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        lines.extend(before.get_all(name).iter().map(|value| format!("- {name}: {}", shown(value))));
    }
    lines
}
