//! What `new` can make, and what can be asked of it.

use super::functions::Parameter;
use super::{Phase, Phases, Type};

macro_rules! classes {
    ($( $class:ident $name:literal ($( $parameter:expr ),*), $doc:literal {
        $( $method:ident $word:literal ($( $argument:expr ),*) -> $returns:ident, $phases:expr, $says:literal; )*
    } )*) => {
        /// What `new` can make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Class { $( #[doc = $doc] $class, )* }

        /// What can be asked of an object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method { $( $( #[doc = $says] $method, )* )* }

        impl Class {
            pub const ALL: &'static [Class] = &[ $( Class::$class, )* ];

            /// With its vmod: `directors.round_robin`.
            pub const fn name(self) -> &'static str {
                match self { $( Class::$class => $name, )* }
            }

            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $( Class::$class => const { &[ $( $parameter ),* ] }, )* }
            }

            pub const fn methods(self) -> &'static [Method] {
                match self { $( Class::$class => &[ $( Method::$method, )* ], )* }
            }

            pub const fn doc(self) -> &'static str {
                match self { $( Class::$class => $doc, )* }
            }
        }

        impl Method {
            pub const fn word(self) -> &'static str {
                match self { $( $( Method::$method => $word, )* )* }
            }

            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $( $( Method::$method => const { &[ $( $argument ),* ] }, )* )* }
            }

            pub const fn returns(self) -> Type {
                match self { $( $( Method::$method => Type::$returns, )* )* }
            }

            pub const fn phases(self) -> Phases {
                match self { $( $( Method::$method => $phases, )* )* }
            }

            pub const fn doc(self) -> &'static str {
                match self { $( $( Method::$method => $says, )* )* }
            }
        }
    };
}

const ALWAYS: Phases = Phases::ALL;
/// Where there is a fetch to choose a backend for, and where rules begin.
const FETCHING: Phases = Phases::BACKEND.and(Phases::of(&[Phase::Pipe, Phase::Init, Phase::Fini]));

/// How a shard director finds its key.
pub const BY: &[&str] = &["HASH", "URL", "KEY", "BLOB"];
/// Whether a shard director asks for health.
pub const HEALTHY: &[&str] = &["CHOSEN", "IGNORE", "ALL"];
/// When a shard director chooses.
pub const RESOLVE: &[&str] = &["NOW", "LAZY"];

const fn of(name: &'static str, of: Type) -> Parameter {
    Parameter::new(name, of)
}

const fn words(name: &'static str, words: &'static [&'static str]) -> Parameter {
    Parameter::words(name, words).optional()
}

classes! {
    RoundRobin "directors.round_robin" (), "Its backends take turns." {
        RoundRobinAdd "add_backend" (of("backend", Type::Backend)) -> Void, ALWAYS, "One more backend.";
        RoundRobinRemove "remove_backend" (of("backend", Type::Backend)) -> Void, ALWAYS, "One backend less.";
        RoundRobinBackend "backend" () -> Backend, ALWAYS, "This director: it chooses the next healthy backend when one is asked.";
    }
    Fallback "directors.fallback" (of("sticky", Type::Bool).or("false")), "The first of its backends that is well; a sticky one stays where it is until that one fails." {
        FallbackAdd "add_backend" (of("backend", Type::Backend)) -> Void, ALWAYS, "One more backend, after the others.";
        FallbackRemove "remove_backend" (of("backend", Type::Backend)) -> Void, ALWAYS, "One backend less.";
        FallbackBackend "backend" () -> Backend, ALWAYS, "This director: it chooses the first healthy backend when one is asked.";
    }
    Random "directors.random" (), "Chance decides, by weight." {
        RandomAdd "add_backend" (of("backend", Type::Backend), of("weight", Type::Real)) -> Void, ALWAYS, "One more backend, with its weight.";
        RandomRemove "remove_backend" (of("backend", Type::Backend)) -> Void, ALWAYS, "One backend less.";
        RandomBackend "backend" () -> Backend, ALWAYS, "This director: it chooses by chance when a backend is asked.";
    }
    HashDirector "directors.hash" (), "The same text leads to the same backend." {
        HashAdd "add_backend" (of("backend", Type::Backend), of("weight", Type::Real).or("1.0")) -> Void, ALWAYS, "One more backend, with its weight.";
        HashRemove "remove_backend" (of("backend", Type::Backend)) -> Void, ALWAYS, "One backend less.";
        HashBackend "backend" (Parameter::strands("text")) -> Backend, ALWAYS, "The backend that this text leads to.";
    }
    Shard "directors.shard" (), "The same key leads to the same backend, and most keys keep theirs when backends come and go." {
        ShardSetWarmup "set_warmup" (of("probability", Type::Real).or("0.0")) -> Void, ALWAYS, "How often the next backend on the ring is asked instead, so that it is warm.";
        ShardSetRampup "set_rampup" (of("duration", Type::Duration).or("0s")) -> Void, ALWAYS, "How long a backend that just became healthy gets less than its share.";
        ShardAssociate "associate" (of("param", Type::Blob).optional()) -> Void, ALWAYS, "Takes what is left out of `backend` from a `shard_param`.";
        ShardAdd "add_backend" (of("backend", Type::Backend), of("ident", Type::String).optional(), of("rampup", Type::Duration).optional(), of("weight", Type::Real).optional()) -> Bool, ALWAYS, "One more backend, with the name that decides its places on the ring.";
        ShardRemove "remove_backend" (of("backend", Type::Backend).optional(), of("ident", Type::String).optional()) -> Bool, ALWAYS, "One backend less, by itself or by its name on the ring.";
        ShardClear "clear" () -> Bool, ALWAYS, "No backend any more.";
        ShardReconfigure "reconfigure" (of("replicas", Type::Int).or("67")) -> Bool, ALWAYS, "Builds the ring anew, with so many places for each backend.";
        ShardKey "key" (Parameter::strands("text")) -> Int, ALWAYS, "The key that a text makes.";
        ShardBackend "backend" (words("by", BY), of("key", Type::Int).optional(), of("key_blob", Type::Blob).optional(), of("alt", Type::Int).optional(), of("warmup", Type::Real).optional(), of("rampup", Type::Bool).optional(), words("healthy", HEALTHY), of("param", Type::Blob).optional(), words("resolve", RESOLVE)) -> Backend, ALWAYS, "The backend that the key leads to, or the director itself where it is to choose later.";
        ShardDebug "debug" (of("level", Type::Int)) -> Void, ALWAYS, "Changes nothing: it is here for files that say it.";
    }
    ShardParam "directors.shard_param" (), "What several shard directors are asked with." {
        ShardParamClear "clear" () -> Void, FETCHING, "Back to what `backend` takes when nothing is said.";
        ShardParamSet "set" (words("by", BY), of("key", Type::Int).optional(), of("key_blob", Type::Blob).optional(), of("alt", Type::Int).optional(), of("warmup", Type::Real).optional(), of("rampup", Type::Bool).optional(), words("healthy", HEALTHY)) -> Void, FETCHING, "Changes what is named: for all requests in `vcl_init`, for this one elsewhere.";
        ShardParamGetBy "get_by" () -> String, ALWAYS, "How the key is found.";
        ShardParamGetKey "get_key" () -> Int, ALWAYS, "The key.";
        ShardParamGetAlt "get_alt" () -> Int, ALWAYS, "How many backends on the ring are passed over.";
        ShardParamGetWarmup "get_warmup" () -> Real, ALWAYS, "How often the next backend is asked instead.";
        ShardParamGetRampup "get_rampup" () -> Bool, ALWAYS, "Whether a backend that just became healthy gets less than its share.";
        ShardParamGetHealthy "get_healthy" () -> String, ALWAYS, "Whether health is asked for.";
        ShardParamUse "use" () -> Blob, ALWAYS, "This set, for the `param` of a shard director.";
    }
}

impl Method {
    /// Whether Varnish lets an argument be given by this name: most have none there.
    pub fn may_name(self, argument: &str) -> bool {
        match self {
            Method::HashAdd => argument == "weight",
            Method::RoundRobinAdd
            | Method::RoundRobinRemove
            | Method::FallbackAdd
            | Method::FallbackRemove
            | Method::RandomAdd
            | Method::RandomRemove
            | Method::HashRemove
            | Method::HashBackend => false,
            _ => true,
        }
    }
}

impl Class {
    /// With its vmod.
    pub fn by_name(name: &str) -> Option<Class> {
        Class::ALL.iter().copied().find(|class| class.name() == name)
    }

    pub fn method(self, word: &str) -> Option<Method> {
        self.methods().iter().copied().find(|method| method.word() == word)
    }

    /// Whether it can stand where a backend can.
    pub const fn is_director(self) -> bool {
        !matches!(self, Class::ShardParam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_sentence_and_a_phase() {
        for class in Class::ALL {
            assert!(class.doc().ends_with('.'), "{}", class.name());
            assert_eq!(Class::by_name(class.name()), Some(*class));
            for method in class.methods() {
                assert!(
                    method.doc().ends_with('.') && method.doc().starts_with(char::is_uppercase),
                    "{method:?}"
                );
                assert!(!method.phases().is_empty(), "{method:?}");
                assert_eq!(class.method(method.word()), Some(*method));
            }
        }
    }

    #[test]
    fn every_director_can_be_asked_for_its_backend() {
        for class in Class::ALL.iter().filter(|class| class.is_director()) {
            assert_eq!(class.method("backend").map(Method::returns), Some(Type::Backend), "{}", class.name());
        }
    }
}
