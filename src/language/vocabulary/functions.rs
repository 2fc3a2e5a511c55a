//! The functions of rules.

use super::{Dialects, Phases, Type};

/// How a parameter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A value of its type.
    Value,
    /// Text made of several pieces side by side (`STRING_LIST`): whatever can be text is taken.
    Strands,
    /// A constant regular expression.
    Pattern,
    /// One of these words, without quotes.
    Words(&'static [&'static str]),
}

/// A parameter of a function, a method or a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub of: Type,
    pub shape: Shape,
    /// May be left out.
    pub optional: bool,
    /// What it is when left out, as VCL writes it; empty where being left out means something of its own.
    pub default: &'static str,
    /// May be given several times (the last parameter only).
    pub repeated: bool,
}

impl Parameter {
    pub const fn new(name: &'static str, of: Type) -> Self {
        Self { name, of, shape: Shape::Value, optional: false, default: "", repeated: false }
    }

    pub const fn strands(name: &'static str) -> Self {
        Self { shape: Shape::Strands, ..Self::new(name, Type::String) }
    }

    pub const fn pattern(name: &'static str) -> Self {
        Self { shape: Shape::Pattern, ..Self::new(name, Type::Regex) }
    }

    pub const fn words(name: &'static str, words: &'static [&'static str]) -> Self {
        Self { shape: Shape::Words(words), ..Self::new(name, Type::Word) }
    }

    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.optional = true;
        self.default = default;
        self
    }

    /// May be left out, and has no default then.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    #[must_use]
    pub const fn repeated(mut self) -> Self {
        self.repeated = true;
        self
    }
}

macro_rules! functions {
    ($( $variant:ident $name:literal ($( $parameter:expr ),*) -> $returns:ident, $phases:expr, $dialects:expr, $doc:literal, $example:literal => $result:literal; )*) => {
        /// A function of rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Function { $( #[doc = $doc] $variant, )* }

        impl Function {
            pub const ALL: &'static [Function] = &[ $( Function::$variant, )* ];

            pub const fn name(self) -> &'static str {
                match self { $( Function::$variant => $name, )* }
            }

            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $( Function::$variant => const { &[ $( $parameter ),* ] }, )* }
            }

            pub const fn returns(self) -> Type {
                match self { $( Function::$variant => Type::$returns, )* }
            }

            /// Where it may be called.
            pub const fn phases(self) -> Phases {
                match self { $( Function::$variant => $phases, )* }
            }

            pub const fn dialects(self) -> Dialects {
                match self { $( Function::$variant => $dialects, )* }
            }

            pub const fn doc(self) -> &'static str {
                match self { $( Function::$variant => $doc, )* }
            }

            /// A call, and what it gives as text: shown in the manual, and run by a test. A statement's result
            /// is what it leaves behind, in words.
            pub const fn example(self) -> (&'static str, &'static str) {
                match self { $( Function::$variant => ($example, $result), )* }
            }
        }
    };
}

functions! {
    Regsub "regsub" (Parameter::strands("text"), Parameter::pattern("regex"), Parameter::strands("with")) -> String, Phases::ALL, Dialects::ALL,
        "The text with the first match replaced; `\\1` to `\\9` are the groups, `\\0` the whole match.", "regsub(\"/a/b\", \"/\", \"-\")" => "-a/b";
    StdTolower "std.tolower" (Parameter::strands("s")) -> String, Phases::ALL, Dialects::ALL,
        "The text in lower case.", "std.tolower(\"ABC\")" => "abc";
}
