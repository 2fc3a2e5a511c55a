//! Two trees compared as a reviewer reads them: which doors the new one opens, closes and moves, and what else
//! is not as it was. Addresses of backends are not told, since they may come from private files; that they
//! changed is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::decision::Spot;
use super::doors;
use super::gateway::Gateway;
use crate::base::amount::write_duration;
use crate::base::bound::Bounds;
use crate::language::Span;
use crate::message::SitePath;
use crate::plan::{Access, Answers, CertificateWish, Files, Route, Site, VisitorAddress};
use crate::upstream;

/// What kind of difference it is. The order is that of a listing: what lets somebody in comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    Opened,
    Closed,
    Access,
    Moved,
    Limits,
    Site,
    Rules,
    Backend,
    Acl,
    Table,
    Gateway,
}

impl Turn {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Access => "access",
            Self::Moved => "moved",
            Self::Limits => "limits",
            Self::Site => "site",
            Self::Rules => "rules",
            Self::Backend => "backend",
            Self::Acl => "acl",
            Self::Table => "table",
            Self::Gateway => "gateway",
        }
    }
}

/// One thing that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub turn: Turn,
    /// What it is about: `www.example /svn/`, `vcl_recv`.
    pub what: String,
    pub text: String,
    /// In the new rules; in the old ones for what is gone.
    pub place: Option<Spot>,
}

/// Every difference, what lets somebody in first.
pub fn compare(old: &Gateway, new: &Gateway) -> Vec<Change> {
    let mut found = Comparison { old, new, changes: Vec::new() };
    found.sites();
    found.rules();
    found.backends();
    found.directors();
    found.acls();
    found.tables();
    found.gateway();
    found.changes.sort_by_key(|change| change.turn);
    found.changes
}

/// As a list; empty where there is no difference.
pub fn draw(changes: &[Change]) -> String {
    let width = changes.iter().map(|change| change.what.chars().count()).max().unwrap_or(0).min(60);
    let mut out = String::new();
    for change in changes {
        let place = change.place.as_ref().map(|place| format!("  ({}:{})", place.file, place.line));
        let _ = writeln!(
            out,
            "{:8} {:width$}  {}{}",
            change.turn.word(),
            change.what,
            change.text,
            place.unwrap_or_default()
        );
    }
    out
}

struct Comparison<'g> {
    old: &'g Gateway,
    new: &'g Gateway,
    changes: Vec<Change>,
}

/// Who may pass, compared: whether more, fewer, or simply others.
enum Shift {
    Same,
    Opened,
    Closed,
    Other,
}

fn shift(old: &Access, new: &Access) -> Shift {
    match (old, new) {
        _ if old == new => Shift::Same,
        (Access::Nobody, _) | (_, Access::Anyone) => Shift::Opened,
        (_, Access::Nobody) | (Access::Anyone, _) => Shift::Closed,
        _ => Shift::Other,
    }
}

impl<'g> Comparison<'g> {
    fn push(&mut self, turn: Turn, what: &str, text: impl Into<String>, place: Option<Spot>) {
        self.changes.push(Change { turn, what: what.to_owned(), text: text.into(), place });
    }

    fn sites(&mut self) {
        let (old, new) = (self.old, self.new);
        let find = |gateway: &'g Gateway, site: &Site| {
            let mut sites = gateway.settings.sites.iter().enumerate();
            sites.find(|(_, other)| other.name == site.name && other.any_host == site.any_host)
        };
        for (at, site) in old.settings.sites.iter().enumerate() {
            if find(new, site).is_none() {
                let place = old.settings.places.site(at).and_then(|span| old.spot(span));
                let text = match new.table.site(&site.name) {
                    Some(other) => format!("no site any more; visitors are sent to {}", other.site.plan.name),
                    None => format!("no site any more, with {}", many(site.routes.len(), "route")),
                };
                self.push(Turn::Closed, &doors::site_name(site), text, place);
            }
        }
        for (at, site) in new.settings.sites.iter().enumerate() {
            if let Some((before, was)) = find(old, site) {
                self.site((before, was), (at, site));
                continue;
            }
            let place = new.settings.places.site(at).and_then(|span| new.spot(span));
            self.push(Turn::Opened, &doors::site_name(site), "a new site", place);
            for (number, route) in site.routes.iter().enumerate() {
                self.opened((at, site), (number, route), None);
            }
        }
    }

    fn opened(&mut self, (at, site): (usize, &Site), (number, route): (usize, &Route), was: Option<&Route>) {
        let door = self.new.door(site, route);
        let what = format!("{} {}", door.site, door.path);
        let who = if door.read == door.write {
            door.read.clone()
        } else {
            format!("{} to read, {} to write", door.read, door.write)
        };
        let before = was.map(|was| format!("; was covered by {}", doors::path(was))).unwrap_or_default();
        let place = self.new.route_spot((at, number));
        self.push(Turn::Opened, &what, format!("→ {} for {who}{before}", door.to), place);
    }

    fn site(&mut self, (before, was): (usize, &'g Site), (at, site): (usize, &'g Site)) {
        let (old, new) = (self.old, self.new);
        let name = doors::site_name(site);
        let place = || new.settings.places.site(at).and_then(|span| new.spot(span));
        for alias in was.aliases.iter().filter(|alias| !site.aliases.contains(alias)) {
            self.push(Turn::Closed, alias, format!("no other name of {name} any more"), place());
        }
        for alias in site.aliases.iter().filter(|alias| !was.aliases.contains(alias)) {
            self.push(Turn::Opened, alias, format!("redirects to {name}"), place());
        }
        if was.force_https != site.force_https {
            let text =
                if site.force_https { "plain http is sent to https now" } else { "plain http is served now" };
            self.push(Turn::Site, &name, text, place());
        }
        if was.certificate != site.certificate {
            let shown = |wish: &CertificateWish| match wish {
                CertificateWish::Local => "the machine's own",
                CertificateWish::Files { .. } => "from files",
            };
            let (before, after) = (shown(&was.certificate), shown(&site.certificate));
            let text = if before == after {
                "its certificate comes from other files".to_owned()
            } else {
                format!("certificate: {before} → {after}")
            };
            self.push(Turn::Site, &name, text, place());
        }
        if was.log != site.log {
            let shown = |log: &Option<Box<str>>| log.as_deref().unwrap_or("default").to_owned();
            self.push(Turn::Site, &name, format!("log: {} → {}", shown(&was.log), shown(&site.log)), place());
        }
        let same = |one: &Route, other: &Route| one.path == other.path && one.exact == other.exact;
        for (number, route) in was.routes.iter().enumerate() {
            if site.routes.iter().any(|other| same(route, other)) {
                continue;
            }
            let door = old.door(was, route);
            let covered = covering(new, &name, route);
            let after = match covered {
                Some(other) => format!("; {} covers it now", doors::path(other)),
                None => "; nothing covers it now".to_owned(),
            };
            let place = old.route_spot((before, number));
            self.push(
                Turn::Closed,
                &format!("{name} {}", door.path),
                format!("was → {}{after}", door.to),
                place,
            );
        }
        for (number, route) in site.routes.iter().enumerate() {
            match was.routes.iter().find(|other| same(route, other)) {
                Some(other) => self.route(&name, other, (at, number), route),
                None => self.opened((at, site), (number, route), covering(old, &name, route)),
            }
        }
    }

    fn route(&mut self, site: &str, was: &Route, door: (usize, usize), route: &Route) {
        let (old, new) = (self.old, self.new);
        let what = format!("{site} {}", doors::path(route));
        let place = || new.route_spot(door);
        let alike = was.read == was.write && route.read == route.write;
        let both = [("read: ", &was.read, &route.read), ("write: ", &was.write, &route.write)];
        let once = [("", &was.read, &route.read)];
        for (word, before, after) in if alike { &once[..] } else { &both } {
            let turn = match shift(before, after) {
                Shift::Same => continue,
                Shift::Opened => Turn::Opened,
                Shift::Closed => Turn::Closed,
                Shift::Other => Turn::Access,
            };
            let (from, to) = (old.who(before), new.who(after));
            let text = if from == to {
                format!("{word}{to}, and a list of networks in it is another")
            } else {
                format!("{word}{from} → {to}")
            };
            self.push(turn, &what, text, place());
        }
        let (from, to) = (old.answers(was), new.answers(route));
        if from != to {
            self.push(Turn::Moved, &what, format!("{from} → {to}"), place());
        } else if let (Answers::Lookup { rows: before, .. }, Answers::Lookup { rows: after, .. }) =
            (&was.answers, &route.answers)
        {
            let named = |gateway: &Gateway, rows: &crate::plan::Rows<crate::plan::BackendId>| {
                let rows = rows.0.iter().map(|(key, id)| (key.to_string(), gateway.backend(*id).to_owned()));
                rows.collect::<BTreeMap<_, _>>()
            };
            if let Some(text) = rows_changed(&named(old, before), &named(new, after)) {
                self.push(Turn::Moved, &what, format!("{to}: {text}"), place());
            }
        } else if let Some(text) = own_changed(&was.answers, &route.answers) {
            self.push(Turn::Moved, &what, format!("{to}: {text}"), place());
        }
        if was.internal != route.internal {
            let (turn, text) = if route.internal {
                (Turn::Closed, "only backends' answers lead here now")
            } else {
                (Turn::Opened, "visitors reach it now")
            };
            self.push(turn, &what, text, place());
        }
        let (from, to) = (doors::limits(was), doors::limits(route));
        if from != to {
            self.push(Turn::Limits, &what, format!("{from} → {to}"), place());
        }
        let (from, to) = (old.log(was), new.log(route));
        if from != to {
            let shown = |log: Option<&str>| log.unwrap_or("the site's").to_owned();
            self.push(Turn::Site, &what, format!("log: {} → {}", shown(from), shown(to)), place());
        }
        if was.serves != route.serves {
            let text = format!("serves {} → {}", doors::serves(was.serves), doors::serves(route.serves));
            self.push(Turn::Access, &what, text, place());
        }
        if was.encoded_slash != route.encoded_slash {
            let text = match route.encoded_slash {
                crate::plan::EncodedSlash::Keep => "an encoded slash is taken now",
                crate::plan::EncodedSlash::Refuse => "an encoded slash is refused now",
            };
            self.push(Turn::Access, &what, text, place());
        }
        if was.scripts != route.scripts {
            self.push(Turn::Backend, &what, "its scripts lie or are found elsewhere".to_owned(), place());
        }
    }

    fn rules(&mut self) {
        let (old, new) = (self.old, self.new);
        let subs = |gateway: &'g Gateway| {
            let mut found: BTreeMap<String, (String, Option<Spot>)> = BTreeMap::new();
            let Some(program) = gateway.program() else { return found };
            for sub in program.subs.iter().filter(|sub| !sub.built_in) {
                // Several subs of one name run one after another: together they are the rule.
                let entry = found.entry(sub.name.to_string()).or_insert_with(|| (String::new(), None));
                entry.0.push_str(&plain(gateway.settings.places.sources.text(sub.span)));
                entry.0.push('\n');
                if entry.1.is_none() {
                    entry.1 = gateway.spot(sub.span);
                }
            }
            found
        };
        let (before, after) = (subs(old), subs(new));
        for (name, (_, place)) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
            self.push(Turn::Rules, name, "is gone", place.clone());
        }
        for (name, (text, place)) in &after {
            match before.get(name) {
                None => self.push(Turn::Rules, name, "is new", place.clone()),
                Some((was, _)) if was != text => {
                    let (gone, come) = lines_changed(was, text);
                    let text = format!("{}, {}", many(come, "line") + " new", many(gone, "line") + " gone");
                    self.push(Turn::Rules, name, text, place.clone());
                }
                Some(_) => {}
            }
        }
    }

    fn backends(&mut self) {
        let (old, new) = (self.old, self.new);
        let place = |gateway: &Gateway, at: usize| {
            gateway.settings.places.backend(at).and_then(|span: Span| gateway.spot(span))
        };
        for (at, backend) in old.settings.backends.iter().enumerate() {
            if new.backend_by_name(&backend.name).is_none() {
                self.push(Turn::Backend, &backend.name, "is gone", place(old, at));
            }
        }
        for (at, backend) in new.settings.backends.iter().enumerate() {
            let was = old.backend_by_name(&backend.name).and_then(|id| old.settings.backends.get(id.0));
            match was {
                None => self.push(Turn::Backend, &backend.name, "is new", place(new, at)),
                Some(was) if was != backend => {
                    self.push(Turn::Backend, &backend.name, backend_changed(was, backend), place(new, at));
                }
                Some(_) => {}
            }
        }
    }

    fn directors(&mut self) {
        let (old, new) = (self.old, self.new);
        let place = |gateway: &Gateway, name: &str| {
            let id = gateway.backend_by_name(name)?;
            gateway.settings.places.backend(id.0).and_then(|span: Span| gateway.spot(span))
        };
        for director in &old.settings.directors {
            if !new.settings.directors.iter().any(|other| other.name == director.name) {
                self.push(Turn::Backend, &director.name, "is gone", place(old, &director.name));
            }
        }
        for director in &new.settings.directors {
            let text = match old.settings.directors.iter().find(|other| other.name == director.name) {
                None => "is new".to_owned(),
                Some(was) if was != director => director_changed(was, director),
                Some(_) => continue,
            };
            self.push(Turn::Backend, &director.name, text, place(new, &director.name));
        }
    }

    fn acls(&mut self) {
        let (old, new) = (self.old, self.new);
        let before: BTreeMap<&str, _> = old.settings.places.acls().collect();
        let after: BTreeMap<&str, _> = new.settings.places.acls().collect();
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.push(Turn::Acl, name, "is gone", None);
        }
        for (name, networks) in &after {
            match before.get(name) {
                None => self.push(Turn::Acl, name, "is new", None),
                Some(was) if was != networks => self.push(Turn::Acl, name, "has other networks", None),
                Some(_) => {}
            }
        }
    }

    fn tables(&mut self) {
        let (old, new) = (self.old, self.new);
        let tables = |gateway: &'g Gateway| {
            let tables = gateway.settings.program.iter().flat_map(|program| &program.tables);
            tables.map(|table| (&*table.name, &table.rows)).collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (tables(old), tables(new));
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.push(Turn::Table, name, "is gone", None);
        }
        for (name, rows) in &after {
            let Some(was) = before.get(name) else {
                self.push(Turn::Table, name, format!("is new, with {}", many(rows.len(), "row")), None);
                continue;
            };
            let text = |rows: &std::collections::HashMap<Box<[u8]>, crate::language::program::Value>| {
                let rows = rows.iter();
                rows.map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), format!("{value:?}")))
                    .collect::<BTreeMap<_, _>>()
            };
            if let Some(text) = rows_changed(&text(was), &text(rows)) {
                self.push(Turn::Table, name, text, None);
            }
        }
    }

    fn gateway(&mut self) {
        let (old, new) = (&self.old.settings.gateway, &self.new.settings.gateway);
        let mut texts = Vec::new();
        if old.http != new.http {
            texts.push(format!("http: {:?} → {:?}", old.http, new.http));
        }
        if old.https != new.https {
            texts.push(format!("https: {:?} → {:?}", old.https, new.https));
        }
        if old.admin != new.admin {
            texts.push("admin pages: another listener".to_owned());
        }
        if old.trusted != new.trusted {
            texts.push("trusted peers are others".to_owned());
        }
        if old.proxy_protocol != new.proxy_protocol {
            let word = if new.proxy_protocol { "is owed now" } else { "is not owed any more" };
            texts.push(format!("a PROXY header {word} by trusted peers"));
        }
        for row in Bounds::ROWS {
            let (before, after) = (old.bounds.show(row.name), new.bounds.show(row.name));
            if before != after {
                let text = |shown: Option<String>| shown.unwrap_or_default();
                texts.push(format!("{}: {} → {}", row.name, text(before), text(after)));
            }
        }
        for text in texts {
            self.push(Turn::Gateway, "", text, None);
        }
    }
}

/// The route that covers another one's path in other rules.
fn covering<'g>(gateway: &'g Gateway, site: &str, route: &Route) -> Option<&'g Route> {
    let path = SitePath::literal(&route.path.replace(['{', '}'], "-")).ok()?;
    Some(gateway.table.site(site)?.site.route(&path)?.route)
}

fn director_changed(was: &upstream::DirectorConfig, now: &upstream::DirectorConfig) -> String {
    let changes: Vec<&str> = [
        (was.policy != now.policy, "how it chooses"),
        (was.members != now.members, "its members"),
        (was.sticky != now.sticky, "its cookie"),
        (was.retries != now.retries, "its retries"),
    ]
    .iter()
    .filter_map(|(changed, what)| changed.then_some(*what))
    .collect();
    format!("is another: {}", changes.join(", "))
}

/// What is said otherwise of files, or of a fixed answer, in the same words of a listing.
fn own_changed(was: &Answers, now: &Answers) -> Option<String> {
    match (was, now) {
        (Answers::Files(was), Answers::Files(now)) => {
            // Who runs them stands in the listing.
            let there = |files: &Files| files.scripts.as_ref().map(|scripts| Arc::clone(&scripts.root_there));
            let endings = |files: &Files| files.scripts.as_ref().map(|scripts| scripts.endings.clone());
            let changed = [
                ("index", was.index != now.index),
                ("listing", was.listing != now.listing),
                ("try", was.tries != now.tries),
                ("expires", was.expires != now.expires),
                ("links", was.links != now.links),
                ("precompressed", was.precompressed != now.precompressed),
                ("hidden", was.hidden != now.hidden),
                ("root_there", there(was) != there(now)),
                ("endings", endings(was) != endings(now)),
            ];
            let changed: Vec<String> = changed
                .iter()
                .filter(|(_, changed)| *changed)
                .map(|(name, _)| format!("`.{name}`"))
                .collect();
            (!changed.is_empty()).then(|| format!("{} is another", changed.join(", ")))
        }
        (Answers::Fixed(was), Answers::Fixed(now)) => (was != now).then(|| "its text is another".to_owned()),
        _ => None,
    }
}

/// What changed, by the settings' names; times with their values, places without.
fn backend_changed(was: &upstream::Config, now: &upstream::Config) -> String {
    let mut texts = Vec::new();
    if was.address != now.address {
        texts.push("another address".to_owned());
    }
    if was.tls != now.tls {
        texts.push(match (&was.tls, &now.tls) {
            (None, Some(_)) => "TLS now".to_owned(),
            (Some(_), None) => "no TLS any more".to_owned(),
            _ => "another trust in its certificate".to_owned(),
        });
    }
    if was.host_header != now.host_header {
        texts.push("another host_header".to_owned());
    }
    if was.visitor_address != now.visitor_address {
        texts.push(format!("visitor_address: {} → {}", seen(was.visitor_address), seen(now.visitor_address)));
    }
    for (name, before, after) in [
        ("connect_timeout", was.connect_timeout, now.connect_timeout),
        ("first_byte_timeout", was.first_byte_timeout, now.first_byte_timeout),
        ("between_bytes_timeout", was.between_bytes_timeout, now.between_bytes_timeout),
        ("idle_timeout", was.idle_timeout, now.idle_timeout),
    ] {
        if before != after {
            texts.push(format!("{name}: {} → {}", write_duration(before), write_duration(after)));
        }
    }
    if was.slow_start != now.slow_start {
        let [before, after] = [was.slow_start, now.slow_start].map(write_duration);
        texts.push(format!("slow_start: {before} → {after}"));
    }
    if was.idle_max != now.idle_max {
        texts.push(format!("idle_max: {} → {}", was.idle_max, now.idle_max));
    }
    if texts.is_empty() { "other settings".to_owned() } else { texts.join(", ") }
}

const fn seen(seen: VisitorAddress) -> &'static str {
    match seen {
        VisitorAddress::Pseudonym => "pseudonym",
        VisitorAddress::Cut => "cut",
        VisitorAddress::Full => "full",
        VisitorAddress::None => "none",
    }
}

/// A sub's text without what says nothing: the white space at its edges, comments that fill a line.
fn plain(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let said = lines.filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"));
    said.collect::<Vec<_>>().join("\n")
}

/// How many lines are only in the one and only in the other.
fn lines_changed(was: &str, now: &str) -> (usize, usize) {
    let mut count: BTreeMap<&str, isize> = BTreeMap::new();
    for line in was.lines() {
        *count.entry(line).or_default() -= 1;
    }
    for line in now.lines() {
        *count.entry(line).or_default() += 1;
    }
    let gone: isize = count.values().filter(|count| **count < 0).map(|count| -count).sum();
    let come: isize = count.values().filter(|count| **count > 0).sum();
    (gone.unsigned_abs(), come.unsigned_abs())
}

fn rows_changed(was: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Option<String> {
    let gone = was.keys().filter(|key| !now.contains_key(*key)).count();
    let come = now.keys().filter(|key| !was.contains_key(*key)).count();
    let other =
        now.iter().filter(|(key, value)| was.get(*key).is_some_and(|before| before != *value)).count();
    let parts = [(come, "new"), (gone, "gone"), (other, "changed")];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", many(*n, "row"))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
