//! The one table of limits. Every limit holds on HTTP/1 and HTTP/2 alike; each row is a setting of
//! `gateway` by the same name, and `docs/limits.md` is written from it.

use std::time::Duration;

use super::amount;

macro_rules! bounds {
    (@type count) => { u64 }; (@type size) => { u64 }; (@type time) => { Duration };
    (@value count $v:expr) => { $v }; (@value size $v:expr) => { $v }; (@value time $v:expr) => { Duration::from_secs($v) };
    (@kind count) => { Kind::Count }; (@kind size) => { Kind::Size }; (@kind time) => { Kind::Time };
    (@show count $v:expr) => { $v.to_string() }; (@show size $v:expr) => { amount::write_size($v) }; (@show time $v:expr) => { amount::write_duration($v) };
    (@set count $slot:expr, $value:expr) => { if let Amount::Count(value) = $value { $slot = value; true } else { false } };
    (@set size $slot:expr, $value:expr) => { if let Amount::Size(value) = $value { $slot = value; true } else { false } };
    (@set time $slot:expr, $value:expr) => { if let Amount::Time(value) = $value { $slot = value; true } else { false } };
    ($( $name:ident : $kind:ident = $default:expr, $doc:literal; )*) => {
        /// What a stranger may ask of the house.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Bounds { $( #[doc = $doc] pub $name: bounds!(@type $kind), )* }

        impl Default for Bounds {
            fn default() -> Self { Self { $( $name: bounds!(@value $kind $default), )* } }
        }

        impl Bounds {
            pub const ROWS: &'static [Row] = &[ $( Row { name: stringify!($name), kind: bounds!(@kind $kind), doc: $doc }, )* ];

            /// Sets a limit by its name; false when there is none or the amount is of another kind.
            pub fn set(&mut self, name: &str, value: Amount) -> bool {
                match name { $( stringify!($name) => bounds!(@set $kind self.$name, value), )* _ => false }
            }

            /// The limit as an operator would write it.
            pub fn show(&self, name: &str) -> Option<String> {
                match name { $( stringify!($name) => Some(bounds!(@show $kind self.$name)), )* _ => None }
            }
        }
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Count,
    Size,
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Count(u64),
    Size(u64),
    Time(Duration),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
}

bounds! {
    target_bytes_max: size = 16 << 10, "Longest request target (path and query) taken; longer ones get 414.";
    head_bytes_max: size = 64 << 10, "Most bytes of request line and header fields together; more get 431.";
    header_count_max: count = 100, "Most header fields in a request, each cookie crumb counted; more get 431.";
    body_bytes_max: size = 0, "Largest request body taken, 0 for no limit; larger ones get 413. A route may say less or more.";
    connections_max: count = 20_000, "Connections open at once, all listeners together; more wait in the kernel's queue.";
    connections_per_network_max: count = 256, "Connections open at once from one IPv4 address or IPv6 /64; more are closed at once.";
    streams_max: count = 100, "HTTP/2 streams open at once on one connection.";
    handshake_timeout: time = 10, "Time for the PROXY header and the TLS handshake together.";
    head_timeout: time = 10, "Time for a whole request head, from its first byte to its last.";
    idle_timeout: time = 75, "Time a connection may rest between two requests.";
    body_timeout: time = 30, "Longest pause between two pieces of a request body, or of an answer the visitor does not read.";
    total_timeout: time = 0, "Longest a whole visit may take, 0 for no limit (Subversion and event streams need none).";
    linger_timeout: time = 5, "Time given to a visitor to read an answer that came before the request was complete; 0 closes at once.";
    drain_timeout: time = 30, "Time open visits get to finish when the house closes.";
    upgrade_drain_timeout: time = 3_600, "Time open visits get to finish in the process that an upgrade has replaced; 0 ends them at once.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_and_shown() {
        let mut bounds = Bounds::default();
        for row in Bounds::ROWS {
            let (value, shown) = match row.kind {
                Kind::Count => (Amount::Count(7), "7"),
                Kind::Size => (Amount::Size(7 << 10), "7KB"),
                Kind::Time => (Amount::Time(Duration::from_secs(7)), "7s"),
            };
            assert!(bounds.set(row.name, value), "{}", row.name);
            assert_eq!(bounds.show(row.name).as_deref(), Some(shown), "{}", row.name);
            assert!(row.doc.ends_with('.'));
        }
        assert!(!bounds.set("head_timeout", Amount::Count(7)));
        assert!(!bounds.set("no_such_limit", Amount::Count(7)));
    }
}
