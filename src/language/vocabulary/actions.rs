//! What `return (…)` may say, and where.

use super::{Dialect, Dialects, Phase, Phases};

macro_rules! actions {
    ($( $variant:ident $word:literal, $phases:expr, $dialects:expr, $doc:literal; )*) => {
        /// Where a phase leads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $( #[doc = $doc] $variant, )* }

        impl Action {
            pub const ALL: &'static [Action] = &[ $( Action::$variant, )* ];

            pub const fn word(self) -> &'static str {
                match self { $( Action::$variant => $word, )* }
            }

            /// The phases that may end so. In Fastly's dialect `fastly` holds instead.
            pub const fn phases(self) -> Phases {
                match self { $( Action::$variant => $phases, )* }
            }

            pub const fn dialects(self) -> Dialects {
                match self { $( Action::$variant => $dialects, )* }
            }

            pub const fn doc(self) -> &'static str {
                match self { $( Action::$variant => $doc, )* }
            }
        }
    };
}

use Phase::{
    BackendError, BackendFetch, BackendResponse, Deliver as InDeliver, Fini, Hash as InHash, Hit, Init,
    Miss as InMiss, Pass as InPass, Pipe as InPipe, Purge as InPurge, Recv, Synth as InSynth,
};

actions! {
    Hash "hash", Phases::of(&[Recv]), Dialects::ALL, "Looks the request up in the cache.";
    Pass "pass", Phases::of(&[Recv, Hit, InMiss, BackendResponse]), Dialects::ALL, "Asks the backend and keeps nothing.";
    Pipe "pipe", Phases::of(&[Recv, InPipe]), Dialects::VCL, "Passes the request on as it is, whatever its method.";
    Purge "purge", Phases::of(&[Recv]), Dialects::VCL, "Forgets what the cache holds under this address.";
    Synth "synth", Phases::CLIENT.but(Phases::of(&[InHash, InSynth, Phase::Log])), Dialects::VCL, "Answers from `vcl_synth`, with this status and reason.";
    Restart "restart", Phases::of(&[Recv, Hit, InMiss, InPass, InPurge, InSynth, InDeliver]), Dialects::ALL, "Begins again with `vcl_recv`.";
    Vcl "vcl", Phases::of(&[Recv]), Dialects::VCL, "Goes on under another set of rules.";
    Fail "fail", Phases::ALL.but(Phases::of(&[Fini, Phase::Log])), Dialects::VCL, "Stops: a rule says that it can't go on.";
    Lookup "lookup", Phases::of(&[InHash]), Dialects::ALL, "Goes on with what is in the cache.";
    Deliver "deliver", Phases::of(&[Hit, BackendResponse, BackendError, InDeliver, InSynth]), Dialects::ALL, "Goes on with this answer.";
    Fetch "fetch", Phases::of(&[InMiss, InPass, BackendFetch]), Dialects::ALL, "Asks the backend.";
    Error "error", Phases::of(&[BackendFetch, BackendResponse]), Dialects::ALL, "Goes on with `vcl_backend_error`, with this status and reason.";
    Retry "retry", Phases::of(&[BackendResponse, BackendError]), Dialects::VCL, "Asks again, from `vcl_backend_fetch` on.";
    Abandon "abandon", Phases::of(&[BackendFetch, BackendResponse, BackendError]), Dialects::VCL, "Gives the fetch up: the visitor gets a 503.";
    Ok "ok", Phases::of(&[Init, Fini]), Dialects::VCL, "The rules are ready.";
    DeliverStale "deliver_stale", Phases::NONE, Dialects::FASTLY, "Goes on with an old answer, where there is one.";
    HitForPass "hit_for_pass", Phases::NONE, Dialects::FASTLY, "Keeps in mind that this is not to be kept.";
}

impl Action {
    /// Whether a phase may end so, in a dialect.
    pub const fn fits(self, phase: Phase, dialect: Dialect) -> bool {
        if !self.dialects().has(dialect) {
            return false;
        }
        match dialect {
            Dialect::Fastly => self.in_fastly().has(phase),
            _ => self.phases().has(phase),
        }
    }

    const fn in_fastly(self) -> Phases {
        match self {
            Action::Lookup => Phases::of(&[Recv, InHash]),
            Action::Hash => Phases::of(&[InHash]),
            Action::Pass => Phases::of(&[Recv, Hit, InMiss, BackendResponse, InPass]),
            Action::Restart => Phases::of(&[Recv, Hit, BackendResponse, InSynth, InDeliver]),
            Action::Fetch => Phases::of(&[InMiss]),
            Action::Deliver => Phases::of(&[Hit, BackendResponse, InSynth, InDeliver, Phase::Log]),
            Action::DeliverStale => Phases::of(&[Hit, InMiss, BackendResponse, InSynth]),
            Action::HitForPass => Phases::of(&[BackendResponse]),
            Action::Error => Phases::of(&[Recv, Hit, InMiss, InPass, BackendResponse]),
            _ => Phases::NONE,
        }
    }
}
