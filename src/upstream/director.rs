//! Several backends that answer as one: who of them is asked, and what outlives a reload.
//!
//! Workers choose without waiting for each other: weights are numbers that anybody may change, whose turn it is
//! each worker knows for itself, and the ring is swapped as a whole. Members are backends; no director is the
//! member of another, so there is no circle to guard against.

pub(super) mod ask;
mod budget;
mod choose;
mod ring;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use self::budget::Bucket;
use self::choose::Field;
use self::ring::{Key, Ring};
use super::backend::Backend;
use super::health::Condition;
use crate::base::address::ClientIp;
use crate::base::clock::{Instant, Wall};
use crate::message::headers;

/// More workers than this share a place to count in; that only costs speed.
const SHARDS: usize = 16;
/// What a member gets of its weight in the moment it comes back.
const SHARE_LEAST: f64 = 0.1;
/// Bytes of the hash that a visitor's cookie holds: nobody makes up one that is right.
const COOKIE_BYTES: usize = 12;

/// A member by its name, and its weight.
pub type Weighed = (Box<str>, u32);

/// What a `director` declaration means. Of two equal ones what was learned and set at run time outlives a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorConfig {
    pub name: Box<str>,
    pub policy: Policy,
    /// Backends by their names, each with its weight: at least 1.
    pub members: Box<[Weighed]>,
    /// The cookie by which a visitor comes back to the same member.
    pub sticky: Option<Box<str>>,
    /// How many other members may be tried in one request.
    pub retries: u32,
}

/// How one of the members is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    RoundRobin,
    Random,
    Least,
    Hash(By),
    Fallback,
}

impl Policy {
    /// As the rules say it.
    pub const fn word(&self) -> &'static str {
        match self {
            Policy::RoundRobin => "round_robin",
            Policy::Random => "random",
            Policy::Least => "least",
            Policy::Hash(_) => "hash",
            Policy::Fallback => "fallback",
        }
    }
}

/// What of a request leads to a member. Where it has no such cookie or header, the client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    Client,
    Path,
    Cookie(Box<str>),
    Header(HeaderName),
}

/// Under which the names of members are hashed into cookies.
pub struct StickyKey(hmac::Key);

impl StickyKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }
}

/// Shared by all workers.
pub struct Director {
    config: DirectorConfig,
    members: Box<[Member]>,
    state: Arc<State>,
}

struct Member {
    backend: Arc<Backend>,
    /// What a visitor's cookie says of it.
    cookie: Box<str>,
}

/// What outlives a reload.
struct State {
    /// By the places of the members.
    weights: Box<[AtomicU32]>,
    ring: ArcSwapOption<Ring>,
    shards: Box<[Shard]>,
    bucket: Mutex<Bucket>,
    retries: AtomicU64,
}

/// What one worker keeps, on cache lines of its own.
#[repr(align(128))]
struct Shard {
    requests: AtomicU64,
    turns: Mutex<Vec<f64>>,
}

/// A member as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberStanding {
    pub name: Box<str>,
    /// As declared, or as was said at run time; 0 takes nobody new.
    pub weight: u32,
    pub condition: Condition,
    /// What it gets now: its weight, or less while it starts slowly, or nothing.
    pub gets: f64,
}

/// Grows evenly from a tenth to one, over so long a time since it began.
pub(super) fn ramp(since: Instant, over: Duration, now: Instant) -> f64 {
    let age = now.saturating_duration_since(since);
    (age.as_secs_f64() / over.as_secs_f64()).clamp(SHARE_LEAST, 1.0)
}

impl Director {
    /// `backends` are those of its generation, `kept` is the director of that name in the one before. The error is
    /// a sentence for the operator.
    pub fn new(
        config: DirectorConfig,
        backends: &[Arc<Backend>],
        key: &StickyKey,
        kept: Option<&Director>,
    ) -> Result<Self, String> {
        let member = |(name, _): &Weighed| match backends.iter().find(|it| it.name() == &**name) {
            Some(backend) => {
                Ok(Member { backend: Arc::clone(backend), cookie: cookie_value(key, &config.name, name) })
            }
            None => Err(format!("director `{}`: there is no backend `{name}`", config.name)),
        };
        let members = config.members.iter().map(member).collect::<Result<_, _>>()?;
        let state = match kept.filter(|kept| kept.config == config) {
            Some(kept) => Arc::clone(&kept.state),
            None => Arc::new(State::new(&config)),
        };
        Ok(Self { config, members, state })
    }

    pub fn config(&self) -> &DirectorConfig {
        &self.config
    }

    /// Its members.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.members.iter().map(|member| &member.backend)
    }

    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether any of its members may be asked.
    pub fn healthy(&self) -> bool {
        (0..self.members.len()).any(|at| self.takes(at) && self.weight(at) > 0)
    }

    /// Whether its members need a script that runs: all do, or none.
    pub fn runs_scripts(&self) -> bool {
        self.members.iter().any(|member| member.backend.runs_scripts())
    }

    /// When one of its members became as healthy or sick as it is, the latest.
    pub fn changed(&self) -> Option<Wall> {
        let changes = self.members.iter().map(|member| member.backend.standing().since);
        changes.max_by_key(|since| since.seconds)
    }

    /// Requests its members are working on now, whoever sent them.
    pub fn in_flight(&self) -> u64 {
        self.members.iter().map(|member| member.backend.in_flight()).sum()
    }

    /// Requests that were sent to a member again, or to another, though one may have seen them.
    pub fn retries(&self) -> u64 {
        self.state.retries.load(Ordering::Relaxed)
    }

    pub fn members(&self, now: Instant) -> Vec<MemberStanding> {
        let standing = |(at, member): (usize, &Member)| MemberStanding {
            name: member.backend.name().into(),
            weight: self.weight(at),
            condition: member.backend.standing().condition,
            gets: self.gets(at, now),
        };
        self.members.iter().enumerate().map(standing).collect()
    }

    /// Gives a member another weight than the declared one; 0 takes nobody new. False where there is no such member.
    pub fn set_weight(&self, member: &str, weight: u32) -> bool {
        let at = self.members.iter().position(|known| known.backend.name() == member);
        let Some(place) = at.and_then(|at| self.state.weights.get(at)) else { return false };
        let before = place.swap(weight, Ordering::Relaxed);
        if before != weight && matches!(self.config.policy, Policy::Hash(_)) {
            self.state.ring.store(Some(Arc::new(self.state.ring(&self.config))));
        }
        true
    }

    fn weight(&self, at: usize) -> u32 {
        self.state.weights.get(at).map_or(0, |weight| weight.load(Ordering::Relaxed))
    }

    /// Whether a member may be asked at all.
    fn takes(&self, at: usize) -> bool {
        self.members.get(at).is_some_and(|member| member.backend.healthy())
    }

    fn gets(&self, at: usize, now: Instant) -> f64 {
        let weight = self.weight(at);
        let Some(member) = self.members.get(at).filter(|_| weight > 0 && self.takes(at)) else { return 0.0 };
        f64::from(weight) * member.backend.share(now)
    }

    /// Which member is asked, of those that were not tried. `key` is of a director that hashes.
    fn choose(
        &self,
        back_to: Option<usize>,
        key: Option<&Key>,
        tried: &[usize],
        worker: usize,
        now: Instant,
        chance: &mut dyn FnMut() -> f64,
    ) -> Option<usize> {
        if let Some(at) = back_to
            && !tried.contains(&at)
            && self.takes(at)
        {
            return Some(at);
        }
        let gets = |at: usize| if tried.contains(&at) { 0.0 } else { self.gets(at, now) };
        let load = |at: usize| self.members.get(at).map_or(u64::MAX, |member| member.backend.in_flight());
        let field = Field { count: self.members.len(), weight: &gets };
        match (&self.config.policy, key) {
            (Policy::RoundRobin, _) => {
                let shard = self.state.shards.get(worker % SHARDS)?;
                field.in_turn(&mut shard.turns.lock().unwrap_or_else(PoisonError::into_inner))
            }
            (Policy::Random, _) => field.by_chance(chance()),
            (Policy::Fallback, _) => field.first(),
            (Policy::Hash(_), Some(key)) => {
                let weight = |at: usize| f64::from(self.weight(at).max(1));
                self.state.ring.load().as_ref()?.walk(key, |at| gets(at) / weight(at))
            }
            (Policy::Least | Policy::Hash(_), _) => field.least(load, chance(), chance()),
        }
    }

    /// What leads a request to a member, where the director hashes. It is never written anywhere.
    fn key(&self, headers: &HeaderMap, uri: &Uri, client: ClientIp) -> Option<Key> {
        let Policy::Hash(by) = &self.config.policy else { return None };
        let said = match by {
            By::Client => None,
            By::Path => Some(uri.path().as_bytes()),
            By::Cookie(name) => headers::cookie(headers, name),
            By::Header(name) => headers.get(name).map(HeaderValue::as_bytes),
        };
        let mut context = digest::Context::new(&SHA256);
        match said {
            Some(said) => context.update(said),
            None => match client.expose() {
                IpAddr::V4(v4) => context.update(&v4.octets()),
                // Visitors of IPv6 change their addresses by the hour, and keep their network.
                IpAddr::V6(v6) => context.update(v6.octets().first_chunk::<8>().map_or(&[], |it| &it[..])),
            },
        }
        Key::of(context.finish().as_ref())
    }

    /// The member that a visitor's cookie leads back to.
    fn back_to(&self, headers: &HeaderMap) -> Option<usize> {
        let said = headers::cookie(headers, self.config.sticky.as_deref()?)?;
        self.members.iter().position(|member| member.cookie.as_bytes() == said)
    }

    /// The cookie that leads back to a member.
    fn cookie(&self, at: usize, secure: bool) -> Option<HeaderValue> {
        let (name, member) = (self.config.sticky.as_deref()?, self.members.get(at)?);
        let secure = if secure { "; Secure" } else { "" };
        let cookie = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}", member.cookie);
        let mut cookie = HeaderValue::try_from(cookie).ok()?;
        cookie.set_sensitive(true);
        Some(cookie)
    }

    /// A request comes in; retries are measured against these.
    fn count(&self, worker: usize) {
        if let Some(shard) = self.state.shards.get(worker % SHARDS) {
            shard.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a request that a member may have seen can be sent once more.
    fn may_repeat(&self, now: Instant) -> bool {
        let may = self.bucket(|bucket, requests| bucket.take(requests, now));
        if may {
            self.state.retries.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    /// A request was sent again without asking: a kept connection turned out dead.
    fn repeated(&self, now: Instant) {
        self.bucket(|bucket, requests| bucket.owe(requests, now));
        self.state.retries.fetch_add(1, Ordering::Relaxed);
    }

    fn bucket<T>(&self, act: impl FnOnce(&mut Bucket, u64) -> T) -> T {
        let requests = self.state.shards.iter().map(|shard| shard.requests.load(Ordering::Relaxed)).sum();
        act(&mut self.state.bucket.lock().unwrap_or_else(PoisonError::into_inner), requests)
    }
}

impl State {
    fn new(config: &DirectorConfig) -> Self {
        let shard = |_| Shard { requests: AtomicU64::new(0), turns: Mutex::default() };
        let state = Self {
            weights: config.members.iter().map(|(_, weight)| AtomicU32::new(*weight)).collect(),
            ring: ArcSwapOption::empty(),
            shards: (0..SHARDS).map(shard).collect(),
            bucket: Mutex::default(),
            retries: AtomicU64::new(0),
        };
        if matches!(config.policy, Policy::Hash(_)) {
            state.ring.store(Some(Arc::new(state.ring(config))));
        }
        state
    }

    fn ring(&self, config: &DirectorConfig) -> Ring {
        let weights = self.weights.iter().map(|weight| weight.load(Ordering::Relaxed));
        Ring::new(config.members.iter().map(|(name, _)| &**name).zip(weights))
    }
}

/// The same for the same member of the same director, for as long as the house keeps its key.
fn cookie_value(key: &StickyKey, director: &str, member: &str) -> Box<str> {
    let mut context = hmac::Context::with_key(&key.0);
    context.update(director.as_bytes());
    context.update(&[0]);
    context.update(member.as_bytes());
    let mut value = String::new();
    for byte in context.sign().as_ref().iter().take(COOKIE_BYTES) {
        // Writing to a String can't fail.
        let _ = write!(value, "{byte:02x}");
    }
    value.into()
}

impl fmt::Debug for Director {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Director").field(&self.name()).finish()
    }
}
