//! What `new` can make, and what can be asked of it.

use super::functions::Parameter;
use super::{Phases, Type};

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

classes! {
    RoundRobin "directors.round_robin" (), "Backends take turns." {
        RoundRobinAdd "add_backend" (Parameter::new("be", Type::Backend)) -> Void, Phases::ALL, "One more backend.";
        RoundRobinRemove "remove_backend" (Parameter::new("be", Type::Backend)) -> Void, Phases::ALL, "One backend less.";
        RoundRobinBackend "backend" () -> Backend, Phases::ALL, "The next healthy one.";
    }
}
