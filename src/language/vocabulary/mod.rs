//! The words of rules: types, phases, variables, functions, actions, objects. Each is a row of a table that
//! feeds the checker, the machine that runs rules, the manual, the completions and the hovers of editors.
//! A row has an identity (an enum's variant), so that the machine's `match` is exhaustive: a word without a
//! behaviour does not compile.

mod actions;
mod functions;
mod objects;
mod variables;

pub use actions::Action;
pub use functions::{Function, Parameter, Shape};
pub use objects::{BY, Class, HEALTHY, Method, RESOLVE};
pub use variables::{Family, LATER, SYNONYMS, Syntax, Variable};

/// Which language a tree is written in. The first line of its main file says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Ours: Varnish's core language, declarations of sites and routes, and what operators reach for beside it.
    Doorward,
    /// The file begins `vcl 4.0;` or `vcl 4.1;`: what Varnish takes is taken, what it refuses is refused.
    Varnish,
    /// The file begins `# dialect: fastly`.
    Fastly,
}

impl Dialect {
    pub const ALL: &'static [Dialect] = &[Dialect::Doorward, Dialect::Varnish, Dialect::Fastly];
}

/// A set of dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialects(u8);

impl Dialects {
    pub const ALL: Self = Self(0b111);
    /// Ours alone.
    pub const OURS: Self = Self(0b001);
    /// As in Varnish, and ours.
    pub const VCL: Self = Self(0b011);
    /// As in Fastly's, and ours.
    pub const EXTENDED: Self = Self(0b101);
    /// Fastly's alone.
    pub const FASTLY: Self = Self(0b100);
    /// Varnish's alone: what we do not want to see in new files.
    pub const VARNISH: Self = Self(0b010);
    /// What Varnish left behind with VCL 4.1 and Fastly still knows.
    pub const LEGACY: Self = Self(0b110);

    pub const fn has(self, dialect: Dialect) -> bool {
        let bit = match dialect {
            Dialect::Doorward => 0b001,
            Dialect::Varnish => 0b010,
            Dialect::Fastly => 0b100,
        };
        self.0 & bit != 0
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Nothing: what a statement returns.
    Void,
    String,
    Bool,
    Int,
    Real,
    Duration,
    Time,
    Bytes,
    Ip,
    Backend,
    Acl,
    Probe,
    /// A header as a place, not as its value.
    Header,
    /// All headers of a message.
    Http,
    Body,
    Blob,
    Regex,
    Stevedore,
    Sub,
    /// A `table`.
    Table,
    /// One of a few words: the parameter says which.
    Word,
}

impl Type {
    pub const ALL: &'static [Type] = &[
        Type::Void,
        Type::String,
        Type::Bool,
        Type::Int,
        Type::Real,
        Type::Duration,
        Type::Time,
        Type::Bytes,
        Type::Ip,
        Type::Backend,
        Type::Acl,
        Type::Probe,
        Type::Header,
        Type::Http,
        Type::Body,
        Type::Blob,
        Type::Regex,
        Type::Stevedore,
        Type::Sub,
        Type::Table,
        Type::Word,
    ];

    /// As VCL writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Type::Void => "VOID",
            Type::String => "STRING",
            Type::Bool => "BOOL",
            Type::Int => "INT",
            Type::Real => "REAL",
            Type::Duration => "DURATION",
            Type::Time => "TIME",
            Type::Bytes => "BYTES",
            Type::Ip => "IP",
            Type::Backend => "BACKEND",
            Type::Acl => "ACL",
            Type::Probe => "PROBE",
            Type::Header => "HEADER",
            Type::Http => "HTTP",
            Type::Body => "BODY",
            Type::Blob => "BLOB",
            Type::Regex => "REGEX",
            Type::Stevedore => "STEVEDORE",
            Type::Sub => "SUB",
            Type::Table => "TABLE",
            Type::Word => "ENUM",
        }
    }

    /// As `declare local` may name it, in Varnish's and in Fastly's words.
    pub fn by_word(word: &str) -> Option<Type> {
        Some(match word {
            "INTEGER" => Type::Int,
            "FLOAT" => Type::Real,
            "RTIME" => Type::Duration,
            "ID" => Type::String,
            _ => return Type::ALL.iter().copied().find(|known| known.word() == word),
        })
    }

    /// As a sentence says it: "a string", "an address".
    pub const fn title(self) -> &'static str {
        match self {
            Type::Void => "nothing",
            Type::String => "a string",
            Type::Bool => "true or false",
            Type::Int => "a whole number",
            Type::Real => "a number with a fraction",
            Type::Duration => "a duration",
            Type::Time => "a point in time",
            Type::Bytes => "a size",
            Type::Ip => "an address",
            Type::Backend => "a backend",
            Type::Acl => "an acl",
            Type::Probe => "a probe",
            Type::Header => "a header",
            Type::Http => "all headers of a message",
            Type::Body => "a body",
            Type::Blob => "a blob",
            Type::Regex => "a regular expression",
            Type::Stevedore => "a storage",
            Type::Sub => "a sub",
            Type::Table => "a table",
            Type::Word => "one of a few words",
        }
    }
}

/// Where in a request's life rules run: one for each sub that the gateway calls by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    Init,
    Fini,
    Recv,
    Hash,
    Hit,
    Miss,
    Pass,
    Pipe,
    Purge,
    Synth,
    Deliver,
    /// Fastly's `vcl_log`.
    Log,
    BackendFetch,
    BackendResponse,
    BackendError,
}

impl Phase {
    pub const ALL: &'static [Phase] = &[
        Phase::Init,
        Phase::Fini,
        Phase::Recv,
        Phase::Hash,
        Phase::Hit,
        Phase::Miss,
        Phase::Pass,
        Phase::Pipe,
        Phase::Purge,
        Phase::Synth,
        Phase::Deliver,
        Phase::Log,
        Phase::BackendFetch,
        Phase::BackendResponse,
        Phase::BackendError,
    ];

    /// The name of its sub.
    pub const fn sub(self) -> &'static str {
        match self {
            Phase::Init => "vcl_init",
            Phase::Fini => "vcl_fini",
            Phase::Recv => "vcl_recv",
            Phase::Hash => "vcl_hash",
            Phase::Hit => "vcl_hit",
            Phase::Miss => "vcl_miss",
            Phase::Pass => "vcl_pass",
            Phase::Pipe => "vcl_pipe",
            Phase::Purge => "vcl_purge",
            Phase::Synth => "vcl_synth",
            Phase::Deliver => "vcl_deliver",
            Phase::Log => "vcl_log",
            Phase::BackendFetch => "vcl_backend_fetch",
            Phase::BackendResponse => "vcl_backend_response",
            Phase::BackendError => "vcl_backend_error",
        }
    }

    /// The phase of a sub's name. Fastly calls two of them otherwise; only its `vcl_log` is a phase there.
    pub fn of_sub(name: &str, dialect: Dialect) -> Option<Phase> {
        if dialect == Dialect::Fastly {
            return match name {
                "vcl_fetch" => Some(Phase::BackendResponse),
                "vcl_error" => Some(Phase::Synth),
                _ => [
                    Phase::Recv,
                    Phase::Hash,
                    Phase::Hit,
                    Phase::Miss,
                    Phase::Pass,
                    Phase::Deliver,
                    Phase::Log,
                ]
                .into_iter()
                .find(|phase| phase.sub() == name),
            };
        }
        Phase::ALL.iter().copied().find(|phase| phase.sub() == name && *phase != Phase::Log)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Phases(u16);

impl Phases {
    pub const NONE: Self = Self(0);
    /// Those of the visitor's side.
    pub const CLIENT: Self = Self::of(&[
        Phase::Recv,
        Phase::Hash,
        Phase::Hit,
        Phase::Miss,
        Phase::Pass,
        Phase::Pipe,
        Phase::Purge,
        Phase::Synth,
        Phase::Deliver,
        Phase::Log,
    ]);
    /// Those of the backend's side.
    pub const BACKEND: Self = Self::of(&[Phase::BackendFetch, Phase::BackendResponse, Phase::BackendError]);
    /// When rules are loaded and let go.
    pub const HOUSEKEEPING: Self = Self::of(&[Phase::Init, Phase::Fini]);
    /// Whenever there is a request.
    pub const REQUEST: Self = Self::CLIENT.and(Self::BACKEND);
    pub const ALL: Self = Self::REQUEST.and(Self::HOUSEKEEPING);

    pub const fn of(phases: &[Phase]) -> Self {
        let mut bits = 0;
        let mut rest = phases;
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    #[must_use]
    pub const fn but(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    #[must_use]
    pub const fn both(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    pub const fn has(self, phase: Phase) -> bool {
        self.0 & phase.bit() != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::ALL.iter().copied().filter(move |phase| self.has(*phase))
    }
}
