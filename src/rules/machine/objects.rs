//! What is asked of objects: the directors.

use bytes::Bytes;

use super::variables::choice;
use super::{Machine, Run, amount, is_true};
use crate::language::program::{Argument, Choice, ObjectId};
use crate::language::vocabulary::{Class, Method, Phase, Phases};
use crate::rules::directors::{By, Health, Member, REPLICAS, ShardParams, shard_key};
use crate::rules::value::Value;

/// What `x.use()` gives: the object, as a blob that only `param` understands.
fn ticket(object: ObjectId) -> Bytes {
    Bytes::copy_from_slice(&object.0.to_be_bytes())
}

fn object(value: &Value<'_>) -> Option<ObjectId> {
    match value {
        Value::Blob(bytes) => Some(ObjectId(u32::from_be_bytes(bytes.as_ref().try_into().ok()?))),
        _ => None,
    }
}

impl<'r> Machine<'r, '_> {
    /// `new`.
    pub(super) fn make(&mut self, id: ObjectId, args: &[Value<'r>]) {
        let class = self.program.objects.get(id.0 as usize).map(|object| object.class);
        if class == Some(Class::Fallback) {
            self.rules.directors.set_sticky(id, args.first().is_some_and(is_true));
        }
    }

    pub(super) fn method(&mut self, id: ObjectId, method: Method, args: &'r [Argument]) -> Run<Value<'r>> {
        self.hashing = method == Method::HashBackend;
        let values = self.arguments(args);
        let hashing = std::mem::take(&mut self.hashing);
        let args = Arguments { list: args, values: values? };
        let directors = &self.rules.directors;
        let adds = matches!(
            method,
            Method::RoundRobinAdd
                | Method::FallbackAdd
                | Method::RandomAdd
                | Method::HashAdd
                | Method::ShardAdd
        );
        if adds && directors.is_full(id) {
            return self.fault("a director has more than 1,000 backends");
        }
        Ok(match method {
            Method::RoundRobinAdd | Method::FallbackAdd => {
                directors.add(id, &Member { choice: args.choice(0), weight: 1.0, ident: None, rampup: None });
                Value::Unset
            }
            Method::RandomAdd | Method::HashAdd => {
                let weight = args.amount(1).unwrap_or(1.0);
                if weight < 0.0 {
                    return self.fault("the weight of a backend is below zero");
                }
                directors.add(id, &Member { choice: args.choice(0), weight, ident: None, rampup: None });
                Value::Unset
            }
            Method::RoundRobinRemove | Method::FallbackRemove | Method::RandomRemove | Method::HashRemove => {
                directors.remove(id, Some(args.choice(0)), None);
                Value::Unset
            }
            // They choose when a backend is asked.
            Method::RoundRobinBackend | Method::FallbackBackend | Method::RandomBackend => {
                Value::Backend(Choice::Director(id))
            }
            Method::HashBackend => {
                self.hashing = hashing;
                let text = args.text(self, 0);
                self.hashing = false;
                Value::Backend(self.rules.by_text(id, &text, self.around))
            }

            Method::ShardSetWarmup => {
                directors.set_warmup(id, args.amount(0).unwrap_or(0.0));
                Value::Unset
            }
            Method::ShardSetRampup => {
                directors.set_rampup(id, args.amount(0).unwrap_or(0.0));
                Value::Unset
            }
            Method::ShardAssociate => {
                directors.associate(id, args.value(0).and_then(object));
                Value::Unset
            }
            Method::ShardAdd => {
                let ident = args.value(1).map(|value| Bytes::from(self.text_of(value).into_owned()));
                let weight = args.amount(3).unwrap_or(1.0).max(1.0);
                let member = Member { choice: args.choice(0), weight, ident, rampup: args.amount(2) };
                Value::Bool(directors.add(id, &member))
            }
            Method::ShardRemove => {
                let choice = args.value(0).map(choice);
                let ident = args.value(1).map(|value| Bytes::from(self.text_of(value).into_owned()));
                let said = choice.is_some() || ident.is_some();
                Value::Bool(said && directors.remove(id, choice, ident.as_ref()))
            }
            Method::ShardClear => {
                directors.clear(id);
                Value::Bool(true)
            }
            Method::ShardReconfigure => {
                let replicas = args.whole(0).and_then(|count| u32::try_from(count).ok()).unwrap_or(REPLICAS);
                directors.reconfigure(id, replicas);
                Value::Bool(replicas > 0)
            }
            Method::ShardKey => Value::Int(shard_key(&[&args.text(self, 0)]).into()),
            Method::ShardBackend => self.shard(id, &args),
            Method::ShardDebug => Value::Unset,

            Method::ShardParamClear => {
                self.set_param(id, None);
                Value::Unset
            }
            Method::ShardParamSet => {
                let said = args.shard(self);
                self.set_param(id, Some(said));
                Value::Unset
            }
            Method::ShardParamGetBy => {
                Value::text(match self.rules.param_of(id, self.case).by.unwrap_or(By::Hash) {
                    By::Hash => "HASH",
                    By::Url => "URL",
                    By::Key => "KEY",
                    By::Blob => "BLOB",
                })
            }
            Method::ShardParamGetKey => {
                Value::Int(self.rules.param_of(id, self.case).key.unwrap_or(0).into())
            }
            Method::ShardParamGetAlt => {
                let alt = self.rules.param_of(id, self.case).alt.unwrap_or(0);
                Value::Int(i64::try_from(alt).unwrap_or(i64::MAX))
            }
            Method::ShardParamGetWarmup => {
                Value::Real(self.rules.param_of(id, self.case).warmup.unwrap_or(-1.0))
            }
            Method::ShardParamGetRampup => {
                Value::Bool(self.rules.param_of(id, self.case).rampup.unwrap_or(true))
            }
            Method::ShardParamGetHealthy => {
                Value::text(match self.rules.param_of(id, self.case).healthy.unwrap_or(Health::Chosen) {
                    Health::Chosen => "CHOSEN",
                    Health::Ignore => "IGNORE",
                    Health::All => "ALL",
                })
            }
            Method::ShardParamUse => Value::Blob(ticket(id)),
        })
    }

    fn shard(&mut self, id: ObjectId, args: &Arguments<'r>) -> Value<'r> {
        let said = args.shard(self);
        let param = args.value(7).and_then(object);
        let lazy = args.word(8).map_or(self.phase == Phase::Init, |word| word == 1);
        if lazy {
            // What is said now holds when the director chooses: for this request.
            if Phases::BACKEND.has(self.phase) || self.phase == Phase::Pipe {
                let said = self.rules.shard_params(id, said, param, self.case);
                self.keep_params(id, said);
            }
            return Value::Backend(Choice::Director(id));
        }
        let said = self.rules.shard_params(id, said, param, self.case);
        Value::Backend(self.rules.on_ring(id, said, self.case, self.phase, self.around))
    }

    /// In `vcl_init` for all requests, elsewhere for this one.
    fn set_param(&mut self, id: ObjectId, said: Option<ShardParams>) {
        if self.phase == Phase::Init {
            let params = said.map(|said| said.or(&self.rules.directors.param(id))).unwrap_or_default();
            self.rules.directors.set_param(id, &params);
            return;
        }
        let params = said.map(|said| {
            let here =
                self.case.shards.iter().find(|(known, _)| *known == id).map(|(_, params)| params.clone());
            said.or(&here.unwrap_or_default())
        });
        self.keep_params(id, params.unwrap_or_default());
    }

    fn keep_params(&mut self, id: ObjectId, params: ShardParams) {
        match self.case.shards.iter_mut().find(|(known, _)| *known == id) {
            Some((_, kept)) => *kept = params,
            None => self.case.shards.push((id, params)),
        }
    }

    /// The values among the arguments, each at its place.
    pub(super) fn arguments(&mut self, args: &'r [Argument]) -> Run<Vec<Option<Value<'r>>>> {
        args.iter()
            .map(|arg| match arg {
                Argument::Value(expr) => self.eval(expr).map(Some),
                _ => Ok(None),
            })
            .collect()
    }
}

/// Arguments by their places.
struct Arguments<'r> {
    list: &'r [Argument],
    values: Vec<Option<Value<'r>>>,
}

impl<'r> Arguments<'r> {
    fn value(&self, at: usize) -> Option<&Value<'r>> {
        self.values.get(at).and_then(Option::as_ref).filter(|value| !value.is_unset())
    }

    fn choice(&self, at: usize) -> Choice {
        self.value(at).map_or(Choice::None, choice)
    }

    fn amount(&self, at: usize) -> Option<f64> {
        self.value(at).map(amount)
    }

    fn whole(&self, at: usize) -> Option<i64> {
        self.value(at).and_then(Machine::number)
    }

    fn text(&self, machine: &Machine<'_, '_>, at: usize) -> Vec<u8> {
        self.value(at).map(|value| machine.text_of(value).into_owned()).unwrap_or_default()
    }

    fn word(&self, at: usize) -> Option<u8> {
        match self.list.get(at) {
            Some(Argument::Word(word)) => Some(*word),
            _ => None,
        }
    }

    /// What `backend(by, key, key_blob, alt, warmup, rampup, healthy, …)` and `set(…)` say.
    fn shard(&self, machine: &Machine<'_, '_>) -> ShardParams {
        let blob = self.value(2).map(|value| match value {
            Value::Blob(bytes) => bytes.clone(),
            other => Bytes::from(machine.text_of(other).into_owned()),
        });
        ShardParams {
            by: self.word(0).map(|word| match word {
                1 => By::Url,
                2 => By::Key,
                3 => By::Blob,
                _ => By::Hash,
            }),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            key: self.whole(1).map(|key| key as u32),
            blob,
            alt: self.whole(3).map(|alt| usize::try_from(alt).unwrap_or(0)),
            warmup: self.amount(4),
            rampup: self.value(5).map(is_true),
            healthy: self.word(6).map(|word| match word {
                1 => Health::Ignore,
                2 => Health::All,
                _ => Health::Chosen,
            }),
        }
    }
}
