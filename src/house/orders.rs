//! What operators say at run time: which backends are drained, what members of directors weigh, which sites are closed
//! for maintenance. Kept in the store, so that it outlives reloads, upgrades and restarts; each order is kept before it
//! is carried out.
//!
//! An order comes as a line of JSON over the control socket (`{"do":"drain","backend":"wiki"}`), so that names and
//! notes may hold what they like. What it names is looked up in the rules as they are: an order about something that is
//! not there is refused, and one whose backend or site goes away later is kept until it is back.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::generation::{HOUSE, unusable};
use crate::admin::control::Answer;
use crate::base::address::NetworkSet;
use crate::base::amount;
use crate::base::clock::{self, Wall};
use crate::language::Suggestions;
use crate::plan::{Access, Site, SiteId};
use crate::settings::Settings;
use crate::store::{self, Desk};
use crate::visit::{Closure, World};

/// What an operator may tell visitors.
const NOTE_LETTERS_MAX: usize = 500;

/// Where each kind of order lies in the store.
const DRAINED: &str = "drained/";
const WEIGHTS: &str = "weight/";
const CLOSED: &str = "closed/";

/// As the rules take it, and 0 besides.
const WEIGHT_MAX: u32 = 1_000;

/// What holds now.
#[derive(Default)]
pub struct Orders(RefCell<Given>);

#[derive(Default)]
struct Given {
    /// Backends that are drained, by name.
    drained: BTreeSet<Box<str>>,
    /// Weights of members, by `director/member`.
    weights: BTreeMap<Box<str>, u32>,
    /// Sites that are closed, by name.
    closed: BTreeMap<Box<str>, Closed>,
    /// The lists of networks of the rules, by name.
    acls: BTreeMap<Box<str>, Arc<NetworkSet>>,
}

/// A site that is closed, as it was said.
#[derive(Clone)]
struct Closed {
    since: Wall,
    until: Option<Wall>,
    note: Option<Box<str>>,
    /// The name of an `acl`; `None`: whom the rules let in.
    allow: Option<Box<str>>,
}

/// A site that is closed, for who asks how things are.
pub struct Shut {
    pub site: Box<str>,
    /// `None`: the rules say so.
    pub since: Option<Wall>,
    pub until: Option<Wall>,
    pub note: Option<Box<str>>,
    /// Who sees it, in words.
    pub allow: Box<str>,
}

impl Orders {
    /// As they were kept. What can't be read is passed over: an order of a newer program must not stop an older one.
    pub async fn kept(desk: &Desk) -> Result<Self, String> {
        let mut given = Given::default();
        for (name, _) in all(desk, DRAINED).await? {
            given.drained.insert(name);
        }
        for (name, value) in all(desk, WEIGHTS).await? {
            if let Ok(weight) = serde_json::from_slice::<u32>(&value) {
                given.weights.insert(name, weight);
            }
        }
        for (name, value) in all(desk, CLOSED).await? {
            if let Some(closed) = serde_json::from_slice(&value).ok().as_ref().and_then(Closed::read) {
                given.closed.insert(name, closed);
            }
        }
        Ok(Self(RefCell::new(given)))
    }

    /// Makes a generation follow them.
    pub fn apply(&self, settings: &Settings, world: &World) {
        let mut given = self.0.borrow_mut();
        given.acls = settings
            .networks
            .iter()
            .filter_map(|networks| Some((settings.places.acl(networks)?.into(), Arc::clone(networks))))
            .collect();
        for backend in world.servers() {
            backend.drain(given.drained.contains(backend.name()));
        }
        for director in world.directors() {
            for (member, _) in &director.config().members {
                if let Some(weight) = given.weights.get(&*format!("{}/{member}", director.name())) {
                    director.set_weight(member, *weight);
                }
            }
        }
        given.close(world);
    }

    /// Carries an order out; the answer is what its user reads. True for one that was more than a question.
    pub async fn obey(&self, order: &str, desk: &Desk, world: &World) -> (Answer, bool) {
        let order: Value = serde_json::from_str(order).unwrap_or_default();
        let asks = order.get("do").is_some_and(|what| what == "closed");
        match self.carry_out(&order, desk, world).await {
            Ok(text) => (Answer::done(text), !asks),
            Err(text) => (Answer::fault(format!("doorward: {text}")), false),
        }
    }

    async fn carry_out(&self, order: &Value, desk: &Desk, world: &World) -> Result<String, String> {
        let said = |name: &str| order.get(name).and_then(Value::as_str);
        let needed = |name: &str| said(name).ok_or_else(|| format!("the order does not say which {name}"));
        match needed("do")? {
            "drain" => self.drain(needed("backend")?, true, desk, world).await,
            "resume" => self.drain(needed("backend")?, false, desk, world).await,
            "weigh" => {
                let (director, member) = (needed("director")?, needed("member")?);
                self.weigh(director, member, needed("weight")?, desk, world).await
            }
            "close" => {
                let site = site(world, needed("site")?)?;
                let closed = self.closing(said("until"), said("note"), said("allow"))?;
                self.close(site, closed, desk, world).await
            }
            "open" => self.open(needed("site")?, desk, world).await,
            "closed" => Ok(self.tell_closed(world)),
            other => Err(format!("the running gateway does not know the order `{}`", other.escape_debug())),
        }
    }

    async fn drain(&self, name: &str, drain: bool, desk: &Desk, world: &World) -> Result<String, String> {
        let Some(backend) = world.servers().find(|backend| backend.name() == name) else {
            let near = match world.directors().find(|director| director.name() == name) {
                Some(director) => {
                    let members = director.config().members.iter().map(|(name, _)| format!("`{name}`"));
                    let members = members.collect::<Vec<_>>().join(", ");
                    format!(": it is a director, whose members are {members}")
                }
                None => near(name, &world.servers().map(|backend| backend.name()).collect::<Vec<_>>()),
            };
            // One that is no more may still be let go of.
            if !drain && self.0.borrow_mut().drained.remove(name) {
                forget(desk, DRAINED, name).await?;
                return Ok(format!("`{name}` is not drained any more; the rules have no such backend now"));
            }
            return Err(format!("the rules have no backend called `{}`{near}", name.escape_debug()));
        };
        if drain {
            keep(desk, DRAINED, name, b"{}".to_vec()).await?;
            self.0.borrow_mut().drained.insert(name.into());
        } else {
            forget(desk, DRAINED, name).await?;
            self.0.borrow_mut().drained.remove(name);
        }
        let news = backend.drain(drain);
        Ok(match (drain, news) {
            (true, true) => format!(
                "{name} is drained: nobody new is sent there; {} under way",
                match backend.in_flight() {
                    0 => "nothing is".to_owned(),
                    1 => "one request is".to_owned(),
                    more => format!("{more} requests are"),
                }
            ),
            (true, false) => format!("{name} was drained already"),
            (false, true) => format!("{name} takes visitors again"),
            (false, false) => format!("{name} was not drained"),
        })
    }

    async fn weigh(
        &self,
        name: &str,
        member: &str,
        weight: &str,
        desk: &Desk,
        world: &World,
    ) -> Result<String, String> {
        let Some(director) = world.directors().find(|director| director.name() == name) else {
            let near = near(name, &world.directors().map(|director| director.name()).collect::<Vec<_>>());
            return Err(format!("the rules have no director called `{}`{near}", name.escape_debug()));
        };
        let members = &director.config().members;
        let Some((_, declared)) = members.iter().find(|(known, _)| &**known == member) else {
            let near = near(member, &members.iter().map(|(name, _)| &**name).collect::<Vec<_>>());
            return Err(format!("{name} has no member called `{}`{near}", member.escape_debug()));
        };
        let said = match weight {
            "declared" => None,
            number => {
                Some(number.parse::<u32>().ok().filter(|weight| *weight <= WEIGHT_MAX).ok_or_else(|| {
                    format!(
                        "`{}` is no weight: write a number up to {WEIGHT_MAX}, or `declared`",
                        number.escape_debug()
                    )
                })?)
            }
        };
        let key = format!("{name}/{member}");
        if let Some(weight) = said {
            keep(desk, WEIGHTS, &key, weight.to_string().into_bytes()).await?;
            self.0.borrow_mut().weights.insert(key.into(), weight);
        } else {
            forget(desk, WEIGHTS, &key).await?;
            self.0.borrow_mut().weights.remove(&*key);
        }
        let weight = said.unwrap_or(*declared);
        director.set_weight(member, weight);
        let how = if said.is_none() { ", as the rules say" } else { "" };
        Ok(format!("{member} has weight {weight} in {name}{how}"))
    }

    fn closing(
        &self,
        until: Option<&str>,
        note: Option<&str>,
        allow: Option<&str>,
    ) -> Result<Closed, String> {
        let since = clock::wall();
        let until = until.map(|text| moment(text, since)).transpose()?;
        if let Some(note) = note {
            if note.chars().count() > NOTE_LETTERS_MAX {
                return Err(format!("a note has {NOTE_LETTERS_MAX} letters at most"));
            }
            if note.trim().is_empty() || note.chars().any(char::is_control) {
                return Err("a note is one line of text".to_owned());
            }
        }
        if let Some(allow) = allow {
            if allow.starts_with("group") {
                return Err(format!(
                    "`{}`: nobody signs in here yet, so there are no groups; name an `acl` of the rules",
                    allow.escape_debug()
                ));
            }
            let given = self.0.borrow();
            if !given.acls.contains_key(allow) {
                let near = near(allow, &given.acls.keys().map(|name| &**name).collect::<Vec<_>>());
                return Err(format!("the rules have no `acl` called `{}`{near}", allow.escape_debug()));
            }
        }
        Ok(Closed { since, until, note: note.map(|note| note.trim().into()), allow: allow.map(Into::into) })
    }

    async fn close(&self, site: &Site, closed: Closed, desk: &Desk, world: &World) -> Result<String, String> {
        keep(desk, CLOSED, &site.name, closed.written().to_string().into_bytes()).await?;
        let mut given = self.0.borrow_mut();
        let before = given.closed.insert(site.name.clone(), closed);
        given.close(world);
        let shut = given.shut(site).map(|shut| shut.tell(clock::wall())).unwrap_or_default();
        let again = if before.is_some() { "closed already, and now as follows: " } else { "" };
        Ok(format!("{}: {again}{shut}", site.name))
    }

    async fn open(&self, name: &str, desk: &Desk, world: &World) -> Result<String, String> {
        let found = site(world, name);
        let name = found.as_ref().map_or(name, |site| &site.name);
        let was = {
            let mut given = self.0.borrow_mut();
            let was = given.closed.remove(name);
            given.close(world);
            was
        };
        if let Some(was) = &was
            && let Err(fault) = forget(desk, CLOSED, name).await
        {
            // What is not forgotten would be back with the next start: then it holds now, too.
            let mut given = self.0.borrow_mut();
            given.closed.insert(name.into(), was.clone());
            given.close(world);
            return Err(fault);
        }
        match (found, was) {
            (Ok(site), _) if site.maintenance => Err(format!(
                "the rules close {name} (`.maintenance = yes`): take that out, then `doorward reload`"
            )),
            (Ok(_), Some(_)) => Ok(format!("{name} is open again")),
            (Ok(_), None) => Ok(format!("{name} was not closed")),
            (Err(_), Some(_)) => {
                Ok(format!("{name} is not closed any more; the rules have no such site now"))
            }
            (Err(fault), None) => Err(fault),
        }
    }

    /// The sites that are closed now.
    pub fn shut(&self, world: &World) -> Vec<Shut> {
        let given = self.0.borrow();
        world.rules.sites().iter().filter_map(|site| given.shut(&site.plan)).collect()
    }

    fn tell_closed(&self, world: &World) -> String {
        let (now, mut text) = (clock::wall(), String::new());
        for shut in self.shut(world) {
            let _ = writeln!(text, "{}: {}", shut.site, shut.tell(now));
        }
        if text.is_empty() { "no site is closed".to_owned() } else { text }
    }
}

impl Given {
    /// Closes the sites of a generation, and opens the others.
    fn close(&self, world: &World) {
        let sites = world.rules.sites().iter().enumerate();
        let closed = sites.filter_map(|(at, site)| {
            let closed = self.closed.get(&site.plan.name)?;
            let allow = match &closed.allow {
                None => site.plan.maintenance_allow.clone(),
                // A list that is gone lets nobody in.
                Some(name) => {
                    self.acls.get(name).map_or(Access::Nobody, |acl| Access::Network(Arc::clone(acl)))
                }
            };
            Some((SiteId(at), Arc::new(Closure { until: closed.until, note: closed.note.clone(), allow })))
        });
        world.closures.set(closed.collect());
    }

    fn shut(&self, site: &Site) -> Option<Shut> {
        let now = clock::wall();
        let closed =
            self.closed.get(&site.name).filter(|closed| closed.until.is_none_or(|until| now < until));
        let allow = match closed.and_then(|closed| closed.allow.as_deref()) {
            Some(name) if self.acls.contains_key(name) => format!("the acl {name} sees it"),
            Some(name) => format!("nobody sees it: the rules have no acl {name} any more"),
            None if site.maintenance_allow == Access::Nobody => "nobody sees it".to_owned(),
            None => "`.maintenance_allow` sees it".to_owned(),
        };
        match closed {
            Some(closed) => Some(Shut {
                site: site.name.clone(),
                since: Some(closed.since),
                until: closed.until,
                note: closed.note.clone(),
                allow: allow.into(),
            }),
            None if site.maintenance => {
                let (since, until, note) = (None, None, None);
                Some(Shut { site: site.name.clone(), since, until, note, allow: allow.into() })
            }
            None => None,
        }
    }
}

impl Shut {
    /// `closed for 2h until 2026-12-01T08:00Z (in 3d), the acl office sees it, "We move."`
    pub fn tell(&self, now: Wall) -> String {
        let between = |from: Wall, to: Wall| {
            amount::write_age(Duration::from_secs(to.seconds.saturating_sub(from.seconds)))
        };
        let mut text = match self.since {
            Some(since) if now.seconds > since.seconds => format!("closed for {}", between(since, now)),
            Some(_) => "closed".to_owned(),
            None => "closed by the rules".to_owned(),
        };
        match self.until {
            Some(until) => {
                let _ = write!(text, " until {} (in {})", until.minute(), between(now, until));
            }
            None if self.since.is_some() => text.push_str(" until you say `doorward maintenance off`"),
            None => {}
        }
        let _ = write!(text, ", {}", self.allow);
        if let Some(note) = &self.note {
            let _ = write!(text, ", \"{note}\"");
        }
        text
    }
}

impl Closed {
    fn written(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("since".into(), json!(self.since.seconds));
        if let Some(until) = self.until {
            fields.insert("until".into(), json!(until.seconds));
        }
        if let Some(note) = &self.note {
            fields.insert("note".into(), json!(note));
        }
        if let Some(allow) = &self.allow {
            fields.insert("allow".into(), json!(allow));
        }
        Value::Object(fields)
    }

    fn read(value: &Value) -> Option<Self> {
        let time = |name: &str| value.get(name)?.as_u64().map(Wall::from_seconds);
        let text = |name: &str| value.get(name)?.as_str().map(Into::into);
        Some(Self { since: time("since")?, until: time("until"), note: text("note"), allow: text("allow") })
    }
}

/// `2026-12-01T08:00` (UTC where no zone stands there), or `2h` from now.
fn moment(text: &str, now: Wall) -> Result<Wall, String> {
    let until = match amount::duration(text) {
        Some(wait) => Wall::from_seconds(now.seconds.saturating_add(wait.as_secs())),
        None => Wall::read(text).ok_or_else(|| {
            format!(
                "`{}` is no time: write `2h`, `3d`, or `2026-12-01T08:00` in UTC (`+01:00` behind it for another \
                 zone)",
                text.escape_debug()
            )
        })?,
    };
    if until <= now {
        return Err(format!("{} has passed", until.minute()));
    }
    Ok(until)
}

/// A site by its name or by one of its aliases.
fn site<'w>(world: &'w World, name: &str) -> Result<&'w Site, String> {
    let sites = world.rules.sites();
    let is = |site: &Site| {
        site.name.eq_ignore_ascii_case(name)
            || site.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    };
    sites.iter().map(|site| &site.plan).find(|site| is(site)).ok_or_else(|| {
        let near = near(name, &sites.iter().map(|site| &*site.plan.name).collect::<Vec<_>>());
        format!("the rules have no site called `{}`{near}", name.escape_debug())
    })
}

/// "; did you mean …", or what there is.
fn near(name: &str, among: &[&str]) -> String {
    const SHOWN: usize = 8;
    if let Some(near) = Suggestions::default().nearest(name, among.iter().copied()) {
        return format!("; did you mean `{near}`?");
    }
    let mut shown: Vec<String> = among.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match among.len() {
        0 => return "; they have none".to_owned(),
        count if count > SHOWN => shown.push(format!("{} more", count - SHOWN)),
        _ => {}
    }
    format!("; they have {}", shown.join(", "))
}

async fn all(desk: &Desk, kind: &str) -> Result<Vec<(Box<str>, store::Bytes)>, String> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let prefix = HOUSE.key(kind).map_err(|fault| unusable(&fault))?;
        let page = desk.ask(store::scan(prefix, after, store::PAGE_ENTRIES_MAX)).await;
        let page = page.map_err(|fault| unusable(&fault))?;
        for (name, value) in page.entries {
            if let Some(name) = std::str::from_utf8(&name).ok().and_then(|name| name.strip_prefix(kind)) {
                found.push((name.into(), value));
            }
        }
        after = page.more;
        if after.is_none() {
            return Ok(found);
        }
    }
}

async fn keep(desk: &Desk, kind: &str, name: &str, value: Vec<u8>) -> Result<(), String> {
    let key = HOUSE.key(format!("{kind}{name}")).map_err(|fault| unusable(&fault))?;
    desk.ask(store::put(key, value, None)).await.map_err(|fault| unusable(&fault))
}

async fn forget(desk: &Desk, kind: &str, name: &str) -> Result<(), String> {
    let key = HOUSE.key(format!("{kind}{name}")).map_err(|fault| unusable(&fault))?;
    desk.ask(store::delete(key)).await.map(|_| ()).map_err(|fault| unusable(&fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let now = Wall::from_seconds(1_795_000_000);
        let at = |text| moment(text, now).map(Wall::minute);
        for (text, is) in [
            ("2h", "2026-11-18T13:06Z"),
            ("90s", "2026-11-18T11:08Z"),
            ("2026-12-01T08:00", "2026-12-01T08:00Z"),
            ("2026-12-01 08:00", "2026-12-01T08:00Z"),
            ("2026-12-01", "2026-12-01T00:00Z"),
            ("2026-12-01T08:00:30Z", "2026-12-01T08:00Z"),
            ("2026-12-01T08:00+02:00", "2026-12-01T06:00Z"),
            ("2026-12-01T08:00-05:30", "2026-12-01T13:30Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(is), "{text}");
        }
        for text in
            ["", "soon", "2026-13-01", "2026-02-30", "2026-12-01T24:00", "2026-12-01T8", "-2h", "08:00"]
        {
            assert!(at(text).unwrap_err().contains("is no time"), "{text}");
        }
        assert_eq!(at("2026-11-18T10:00").unwrap_err(), "2026-11-18T10:00Z has passed");
        assert!(at("0s").unwrap_err().ends_with("has passed"));
    }
}
