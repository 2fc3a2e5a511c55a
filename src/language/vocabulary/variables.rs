//! The variables of rules: what each is, where it may be read and written.

use super::{Dialect, Dialects, Phase, Phases, Type};

/// A message with headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    Req,
    Bereq,
    Beresp,
    Obj,
    Resp,
}

impl Family {
    pub const ALL: &'static [Family] =
        &[Family::Req, Family::Bereq, Family::Beresp, Family::Obj, Family::Resp];

    pub const fn word(self) -> &'static str {
        match self {
            Family::Req => "req",
            Family::Bereq => "bereq",
            Family::Beresp => "beresp",
            Family::Obj => "obj",
            Family::Resp => "resp",
        }
    }
}

macro_rules! variables {
    ($( $variant:ident $name:literal: $of:ident, $read:expr, $write:expr, $unset:expr, $dialects:expr, $doc:literal; )*) => {
        /// A variable of rules. Headers are places of their own (`Place::Header`); a name that ends in `.*` takes
        /// one more word: `req.cookie.session`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Variable { $( #[doc = $doc] $variant, )* }

        impl Variable {
            pub const ALL: &'static [Variable] = &[ $( Variable::$variant, )* ];

            pub const fn name(self) -> &'static str {
                match self { $( Variable::$variant => $name, )* }
            }

            pub const fn of(self) -> Type {
                match self { $( Variable::$variant => Type::$of, )* }
            }

            pub const fn readable(self) -> Phases {
                match self { $( Variable::$variant => $read, )* }
            }

            pub const fn writable(self) -> Phases {
                match self { $( Variable::$variant => $write, )* }
            }

            pub const fn unsettable(self) -> Phases {
                match self { $( Variable::$variant => $unset, )* }
            }

            pub const fn dialects(self) -> Dialects {
                match self { $( Variable::$variant => $dialects, )* }
            }

            pub const fn doc(self) -> &'static str {
                match self { $( Variable::$variant => $doc, )* }
            }
        }
    };
}

const NONE: Phases = Phases::NONE;

variables! {
    ReqUrl "req.url": String, Phases::CLIENT, Phases::CLIENT, NONE, Dialects::ALL, "The path and the query that were asked for.";
    ReqMethod "req.method": String, Phases::CLIENT, Phases::CLIENT, NONE, Dialects::ALL, "The method, such as `GET`.";
    BerespTtl "beresp.ttl": Duration, Phases::of(&[Phase::BackendResponse, Phase::BackendError]), Phases::of(&[Phase::BackendResponse, Phase::BackendError]), NONE, Dialects::ALL, "How long the answer may be kept.";
}

impl Variable {
    /// By name, as a dialect spells it: synonyms lead to the same variable.
    pub fn by_name(name: &str, dialect: Dialect) -> Option<Variable> {
        Variable::ALL
            .iter()
            .copied()
            .find(|variable| variable.name() == name && variable.dialects().has(dialect))
    }
}
