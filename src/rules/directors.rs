//! Directors: what `new x = directors.…` makes, and how one of them picks a backend that is well.
//!
//! Members may come and go while requests run, so a director's list is swapped as a whole; whose turn it is,
//! is one number. Nobody waits for anybody. Picks are those of Varnish: the same key leads to the same backend
//! here and there.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use bytes::Bytes;

use super::Rules;
use super::case::Case;
use super::machine::Surroundings;
use crate::base::cause::Cause;
use crate::language::program::{Choice, ObjectId, Program};
use crate::language::vocabulary::{Class, Phase, Phases};
use crate::plan::BackendId;

/// Places of one backend on the ring.
pub const REPLICAS: u32 = 67;
/// All places on one ring.
const RING_MAX: u32 = 1 << 20;
/// Directors may be members of directors; one that is its own member ends here.
const DEPTH_MAX: usize = 16;
/// Members that one question may look at, in directors within directors.
const LOOKS_MAX: usize = 10_000;
/// Members of one director: rules may add some while requests run.
const MEMBERS_MAX: usize = 1_000;

/// The directors of a program, in the order of its objects.
#[derive(Debug)]
pub struct Directors(Vec<Director>);

#[derive(Debug)]
struct Director {
    class: Class,
    state: ArcSwap<State>,
    /// Whose turn it is.
    next: AtomicUsize,
}

#[derive(Clone, Debug, Default)]
struct State {
    members: Vec<Member>,
    sticky: bool,
    /// The share of its weight that must be well for it to be well (Fastly's `.quorum`).
    quorum: f64,
    shard: ShardParams,
    /// Of a shard director: what its own parameters fall back to.
    param: Option<ObjectId>,
    replicas: Option<u32>,
    rampup: f64,
    warmup: f64,
    /// Made when it is first asked for.
    ring: OnceLock<Vec<(u32, usize)>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub choice: Choice,
    pub weight: f64,
    /// A shard director's name for it; `None`: the backend's own.
    pub ident: Option<Bytes>,
    pub rampup: Option<f64>,
}

/// How a shard director finds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Hash,
    Url,
    Key,
    Blob,
}

/// Whether a shard director asks for health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Chosen,
    Ignore,
    All,
}

/// What a shard director is asked with, as far as somebody said it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardParams {
    pub by: Option<By>,
    pub key: Option<u32>,
    pub blob: Option<Bytes>,
    pub alt: Option<usize>,
    pub warmup: Option<f64>,
    pub rampup: Option<bool>,
    pub healthy: Option<Health>,
}

impl ShardParams {
    /// What is said here, and behind it what is said there.
    #[must_use]
    pub fn or(self, other: &ShardParams) -> Self {
        Self {
            by: self.by.or(other.by),
            key: self.key.or(other.key),
            blob: self.blob.or_else(|| other.blob.clone()),
            alt: self.alt.or(other.alt),
            warmup: self.warmup.or(other.warmup),
            rampup: self.rampup.or(other.rampup),
            healthy: self.healthy.or(other.healthy),
        }
    }
}

impl Directors {
    pub fn new(program: &Program) -> Self {
        let new = |class| Director { class, state: ArcSwap::default(), next: AtomicUsize::new(0) };
        Self(program.objects.iter().map(|object| new(object.class)).collect())
    }

    fn get(&self, id: ObjectId) -> Option<&Director> {
        self.0.get(id.0 as usize)
    }

    fn change(&self, id: ObjectId, change: impl Fn(&mut State)) {
        if let Some(director) = self.get(id) {
            director.state.rcu(|old| {
                let mut state = State::clone(old);
                state.ring = OnceLock::new();
                change(&mut state);
                state
            });
        }
    }

    pub fn set_quorum(&self, id: ObjectId, quorum: f64) {
        self.change(id, |state| state.quorum = quorum);
    }

    pub fn set_sticky(&self, id: ObjectId, sticky: bool) {
        self.change(id, |state| state.sticky = sticky);
    }

    /// Whether a director takes no more members.
    pub fn is_full(&self, id: ObjectId) -> bool {
        self.get(id).is_some_and(|director| director.state.load().members.len() >= MEMBERS_MAX)
    }

    /// False where a shard director has one of the same backend and name already.
    pub fn add(&self, id: ObjectId, member: &Member) -> bool {
        let Some(director) = self.get(id) else { return false };
        let twice = director.class == Class::Shard
            && director
                .state
                .load()
                .members
                .iter()
                .any(|known| known.choice == member.choice && known.ident == member.ident);
        if !twice {
            self.change(id, |state| state.members.push(member.clone()));
        }
        !twice
    }

    /// Takes away the first such member; a shard director all of them, by backend, by name or by both.
    pub fn remove(&self, id: ObjectId, choice: Option<Choice>, ident: Option<&Bytes>) -> bool {
        let Some(director) = self.get(id) else { return false };
        let meant = |member: &Member| {
            choice.is_none_or(|choice| member.choice == choice)
                && ident.is_none_or(|ident| member.ident.as_ref() == Some(ident))
        };
        let before = director.state.load().members.len();
        self.change(id, |state| {
            if director.class == Class::Shard {
                state.members.retain(|member| !meant(member));
            } else if let Some(at) = state.members.iter().position(meant) {
                state.members.remove(at);
            }
        });
        director.state.load().members.len() < before
    }

    pub fn clear(&self, id: ObjectId) {
        self.change(id, |state| state.members.clear());
    }

    pub fn set_warmup(&self, id: ObjectId, probability: f64) {
        self.change(id, |state| state.warmup = probability.clamp(0.0, 1.0));
    }

    pub fn set_rampup(&self, id: ObjectId, seconds: f64) {
        self.change(id, |state| state.rampup = seconds.max(0.0));
    }

    pub fn associate(&self, id: ObjectId, param: Option<ObjectId>) {
        self.change(id, |state| state.param = param);
    }

    pub fn reconfigure(&self, id: ObjectId, replicas: u32) {
        self.change(id, |state| state.replicas = Some(replicas));
    }

    /// What a `shard_param` holds for all requests.
    pub fn set_param(&self, id: ObjectId, param: &ShardParams) {
        self.change(id, |state| state.shard = param.clone());
    }

    pub fn param(&self, id: ObjectId) -> ShardParams {
        self.get(id).map_or_else(ShardParams::default, |director| director.state.load().shard.clone())
    }
}

impl Rules {
    /// The backend that is asked now: of a director, one that is well.
    pub fn resolve(
        &self,
        choice: Choice,
        case: &Case,
        phase: Phase,
        around: &mut dyn Surroundings,
    ) -> Result<BackendId, Cause> {
        match choice {
            Choice::None => Err(Cause::NoneHealthy),
            Choice::Backend(backend) if around.healthy(backend) => Ok(backend),
            Choice::Backend(backend) => Err(around.sickness(backend)),
            Choice::Director(_) => match self.settle(choice, case, phase, around, 0) {
                Choice::Backend(backend) => Ok(backend),
                Choice::None | Choice::Director(_) => Err(Cause::NoneHealthy),
            },
        }
    }

    /// Follows directors down to a backend.
    fn settle(
        &self,
        choice: Choice,
        case: &Case,
        phase: Phase,
        around: &mut dyn Surroundings,
        depth: usize,
    ) -> Choice {
        let Choice::Director(id) = choice else { return choice };
        if depth >= DEPTH_MAX {
            return Choice::None;
        }
        let Some(director) = self.directors.get(id) else { return Choice::None };
        let picked = match director.class {
            Class::RoundRobin => self.in_turn(director, around),
            Class::Fallback => self.first(director, around),
            Class::Random => {
                let share = around.random();
                self.by_weight(&director.state.load(), share, around)
            }
            // Nothing was said that could be hashed: the page decides.
            Class::HashDirector => self.by_text(id, page(case, phase), around),
            Class::Shard => self.on_ring(id, ShardParams::default(), case, phase, around),
            Class::ShardParam => Choice::None,
        };
        self.settle(picked, case, phase, around, depth + 1)
    }

    /// A backend is as well as its probe says; a director, while one of its members is.
    pub fn healthy(&self, choice: Choice, around: &dyn Surroundings) -> bool {
        let mut looks = LOOKS_MAX;
        self.is_well(choice, around, 0, &mut looks)
    }

    fn is_well(&self, choice: Choice, around: &dyn Surroundings, depth: usize, looks: &mut usize) -> bool {
        if *looks == 0 {
            return false;
        }
        *looks -= 1;
        match choice {
            Choice::None => false,
            Choice::Backend(backend) => around.healthy(backend),
            Choice::Director(id) => {
                depth < DEPTH_MAX
                    && self.directors.get(id).is_some_and(|director| {
                        let state = director.state.load();
                        let mut well =
                            |member: &&Member| self.is_well(member.choice, around, depth + 1, looks);
                        if state.quorum <= 0.0 {
                            return state.members.iter().any(|member| well(&member));
                        }
                        let weight: f64 = state.members.iter().filter(well).map(|member| member.weight).sum();
                        weight > 0.0 && state.has_quorum(weight)
                    })
            }
        }
    }

    /// When a backend, or any of a director's, changed its health last.
    fn changed(&self, choice: Choice, around: &dyn Surroundings, depth: usize, looks: &mut usize) -> f64 {
        if *looks == 0 {
            return 0.0;
        }
        *looks -= 1;
        match choice {
            Choice::Backend(backend) => around.changed(backend),
            Choice::Director(id) if depth < DEPTH_MAX => self.directors.get(id).map_or(0.0, |director| {
                let state = director.state.load();
                state
                    .members
                    .iter()
                    .map(|member| self.changed(member.choice, around, depth + 1, looks))
                    .fold(0.0, f64::max)
            }),
            Choice::None | Choice::Director(_) => 0.0,
        }
    }

    fn in_turn(&self, director: &Director, around: &dyn Surroundings) -> Choice {
        let state = director.state.load();
        let count = state.members.len();
        if count == 0 {
            return Choice::None;
        }
        let from = director.next.load(Ordering::Relaxed);
        for step in 0..count {
            let at = from.wrapping_add(step) % count;
            let Some(member) = state.members.get(at) else { continue };
            if self.healthy(member.choice, around) {
                director.next.store(at + 1, Ordering::Relaxed);
                return member.choice;
            }
        }
        Choice::None
    }

    fn first(&self, director: &Director, around: &dyn Surroundings) -> Choice {
        let state = director.state.load();
        let count = state.members.len();
        let from = if state.sticky { director.next.load(Ordering::Relaxed) } else { 0 };
        for step in 0..count {
            let at = from.wrapping_add(step) % count;
            let Some(member) = state.members.get(at) else { continue };
            if self.healthy(member.choice, around) {
                director.next.store(at, Ordering::Relaxed);
                return member.choice;
            }
        }
        Choice::None
    }

    /// Each member that is well has its share of the line from 0 to 1.
    fn by_weight(&self, state: &State, share: f64, around: &dyn Surroundings) -> Choice {
        let well = |member: &&Member| member.weight > 0.0 && self.healthy(member.choice, around);
        let all: f64 = state.members.iter().filter(well).map(|member| member.weight).sum();
        if !state.has_quorum(all) {
            return Choice::None;
        }
        let mut end = 0.0;
        let mut last = Choice::None;
        for member in state.members.iter().filter(well) {
            end += member.weight;
            last = member.choice;
            if share * all < end {
                break;
            }
        }
        last
    }

    /// What `x.backend("text")` of a hash director gives.
    pub fn by_text(&self, id: ObjectId, text: &[u8], around: &dyn Surroundings) -> Choice {
        let Some(director) = self.directors.get(id) else { return Choice::None };
        self.by_weight(&director.state.load(), f64::from(shard_key(&[text])) / 4_294_967_296.0, around)
    }

    /// What a shard director's parameters are for this request: as the call says, as its `shard_param` says
    /// for this request, and for all.
    pub fn shard_params(
        &self,
        id: ObjectId,
        said: ShardParams,
        param: Option<ObjectId>,
        case: &Case,
    ) -> ShardParams {
        // A call that put its choice off said it under the director's own name.
        let said = said.or(&self.param_of(id, case));
        let associated = self.directors.get(id).and_then(|director| director.state.load().param);
        match param.or(associated) {
            Some(param) => said.or(&self.param_of(param, case)),
            None => said,
        }
    }

    /// What a `shard_param` holds for this request.
    pub fn param_of(&self, param: ObjectId, case: &Case) -> ShardParams {
        let here = case.shards.iter().find(|(id, _)| *id == param).map(|(_, params)| params.clone());
        here.unwrap_or_default().or(&self.directors.param(param))
    }

    /// What `x.backend(…)` of a shard director gives.
    pub fn on_ring(
        &self,
        id: ObjectId,
        said: ShardParams,
        case: &Case,
        phase: Phase,
        around: &mut dyn Surroundings,
    ) -> Choice {
        let params = self.shard_params(id, said, None, case);
        let Some(director) = self.directors.get(id) else { return Choice::None };
        let state = director.state.load();
        let alt = params.alt.unwrap_or(0);
        let health = params.healthy.unwrap_or(Health::Chosen);
        let mut walk = Walk::new(self, &state, key(&params, case, phase));
        if alt > 0 && walk.next(alt - 1, health == Health::All, around).is_none() {
            return walk.last();
        }
        let Some(chosen) = walk.next(0, health != Health::Ignore, around) else { return walk.last() };
        let rampup = params.rampup.unwrap_or(true);
        let warmup = params.warmup.filter(|warmup| *warmup >= 0.0).unwrap_or(state.warmup);
        if alt > 0 || health == Health::Ignore || (!rampup && warmup <= 0.0) {
            return state.choice(chosen);
        }
        let Some(other) = walk.next(0, true, around) else { return state.choice(chosen) };
        let now = around.now();
        let since = |member: usize| {
            (now - self.changed(state.choice(member), around, 0, &mut { LOOKS_MAX }), state.rampup_of(member))
        };
        let ((chosen_since, chosen_ramp), (other_since, other_ramp)) = (since(chosen), since(other));
        let keep = if chosen_since < chosen_ramp {
            !rampup || other_since < other_ramp || around.random() * chosen_ramp < chosen_since
        } else {
            warmup <= 0.0 || other_since < other_ramp || around.random() >= warmup
        };
        state.choice(if keep { chosen } else { other })
    }
}

impl State {
    fn has_quorum(&self, well: f64) -> bool {
        let all: f64 = self.members.iter().map(|member| member.weight).sum();
        well >= all * self.quorum
    }

    fn choice(&self, member: usize) -> Choice {
        self.members.get(member).map_or(Choice::None, |member| member.choice)
    }

    fn rampup_of(&self, member: usize) -> f64 {
        self.members.get(member).and_then(|member| member.rampup).unwrap_or(self.rampup)
    }

    /// Hashes of each member's name and a number, in order.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn ring(&self, rules: &Rules) -> &[(u32, usize)] {
        self.ring.get_or_init(|| {
            let mut ring = Vec::new();
            let each_max = RING_MAX / u32::try_from(self.members.len().max(1)).unwrap_or(u32::MAX);
            for (at, member) in self.members.iter().enumerate() {
                let name = rules.name(member.choice).as_bytes();
                let name = member.ident.as_deref().unwrap_or(name);
                let replicas = f64::from(self.replicas.unwrap_or(REPLICAS)) * member.weight.max(1.0);
                for number in 0..(replicas as u32).min(each_max) {
                    ring.push((shard_key(&[name, number.to_string().as_bytes()]), at));
                }
            }
            ring.sort_unstable();
            ring
        })
    }
}

/// The members of a ring from a key on, each once.
struct Walk<'a> {
    rules: &'a Rules,
    state: &'a State,
    ring: &'a [(u32, usize)],
    at: usize,
    seen: Vec<bool>,
    left: usize,
    last: Option<usize>,
}

impl<'a> Walk<'a> {
    fn new(rules: &'a Rules, state: &'a State, key: u32) -> Self {
        let ring = state.ring(rules);
        let count = state.members.len();
        Self {
            rules,
            state,
            ring,
            at: ring.partition_point(|(place, _)| *place < key),
            seen: vec![false; count],
            left: count,
            last: None,
        }
    }

    /// The next member behind so many others; with `well`, of those that are well.
    fn next(&mut self, mut skip: usize, well: bool, around: &dyn Surroundings) -> Option<usize> {
        // Each place once: members whose weight left them none are not found.
        let mut places = self.ring.len();
        while self.left > 0 && places > 0 {
            places -= 1;
            let (_, member) = *self.ring.get(self.at % self.ring.len().max(1))?;
            self.at += 1;
            let Some(seen) = self.seen.get_mut(member) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            self.left -= 1;
            if well && !self.rules.healthy(self.state.choice(member), around) {
                continue;
            }
            self.last = Some(member);
            if skip == 0 {
                return Some(member);
            }
            skip -= 1;
        }
        None
    }

    /// The last one that was found, for when there are fewer than were asked for.
    fn last(&self) -> Choice {
        self.last.map_or(Choice::None, |member| self.state.choice(member))
    }
}

/// The key that texts make: the last four bytes of their SHA-256.
pub fn shard_key(texts: &[&[u8]]) -> u32 {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts {
        context.update(text);
    }
    match context.finish().as_ref() {
        [.., a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// The URL of the request, or of what the backend is asked for.
fn page(case: &Case, phase: Phase) -> &[u8] {
    let asking = Phases::BACKEND.has(phase) || phase == Phase::Pipe;
    let question = case.bereq.as_ref().filter(|_| asking).unwrap_or(&case.req);
    question.url.as_bytes()
}

fn key(params: &ShardParams, case: &Case, phase: Phase) -> u32 {
    match params.by.unwrap_or(By::Hash) {
        By::Key => params.key.unwrap_or(0),
        By::Blob => {
            let bytes = params.blob.as_deref().unwrap_or_default();
            bytes.iter().take(4).fold(0, |key, byte| key << 8 | u32::from(*byte))
        }
        By::Hash if Phases::BACKEND.has(phase) || phase == Phase::Pipe => {
            let hash = super::machine::hash_key(&case.hash);
            hash.iter().take(4).fold(0, |key, byte| key << 8 | u32::from(*byte))
        }
        By::Hash | By::Url => shard_key(&[page(case, phase)]),
    }
}
