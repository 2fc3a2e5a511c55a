//! `acl` → the networks it means.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Compiler;
use crate::base::address::{Network, NetworkSet};
use crate::language::tree::{self, Declaration, Text};
use crate::language::{Code, Diagnostic, Span};

impl Compiler<'_> {
    pub(super) fn acl(&mut self, acl: &Declaration) -> NetworkSet {
        let mut entries: Vec<(Network, bool)> = Vec::with_capacity(acl.entries.len());
        let mut seen: HashMap<Network, (bool, Span)> = HashMap::with_capacity(acl.entries.len());
        for entry in &acl.entries {
            for network in self.networks_of(acl, entry) {
                match seen.entry(network) {
                    Entry::Vacant(place) => {
                        place.insert((entry.not, entry.span));
                        entries.push((network, !entry.not));
                    }
                    Entry::Occupied(first) => {
                        let (not, span) = *first.get();
                        if not != entry.not {
                            self.found.push(
                                Diagnostic::new(
                                    Code::Conflict,
                                    entry.span,
                                    "this network stands here with and without `!`",
                                )
                                .label("take one of the two out")
                                .at(span, "the first stands here"),
                            );
                        }
                    }
                }
            }
        }
        NetworkSet::new(entries)
    }

    /// The networks that a line means; none where it was faulty.
    fn networks_of(&mut self, acl: &Declaration, entry: &tree::Entry) -> Vec<Network> {
        let Some(text) = entry.address.as_ref() else { return Vec::new() };
        // The one name whose address nobody can move.
        if text.get().eq_ignore_ascii_case("localhost") {
            if let Some((_, span)) = entry.prefix {
                self.found.push(
                    Diagnostic::new(Code::BadNetwork, span, "`localhost` is two addresses, and no network")
                        .label("write `\"127.0.0.0\"/8;`, or leave the prefix out"),
                );
                return Vec::new();
            }
            let v4 = Network::new(Ipv4Addr::LOCALHOST.into(), 32);
            return v4.into_iter().chain(Network::new(Ipv6Addr::LOCALHOST.into(), 128)).collect();
        }
        if entry.lenient && text.get().parse::<IpAddr>().is_err() {
            let fault = |code, message: &str| Diagnostic::new(code, entry.address_span, message);
            self.found.push(if entry.not {
                fault(Code::BadNetwork, "an exception that can't be known")
                    .label("names are not looked up: write the address")
            } else {
                fault(Code::NotLookedUp, "this name is passed over")
                    .label("names are not looked up: write the address")
            });
            return Vec::new();
        }
        self.network(acl, entry, text).into_iter().collect()
    }

    fn network(&mut self, acl: &Declaration, entry: &tree::Entry, text: &Text) -> Option<Network> {
        let at = (text, entry.address_span);
        let address = self.read(Code::BadNetwork, "address", at, |text| {
            text.parse::<IpAddr>().map_err(|_| {
                if text.contains('/') {
                    "the prefix stands behind the quotes: `\"192.0.2.0\"/24;`"
                } else {
                    "write an address: names are not looked up, or whoever owns the name would own the list"
                }
            })
        })?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        if let IpAddr::V6(v6) = address
            && v6.to_ipv4_mapped().is_some()
        {
            return self.fault(
                Diagnostic::new(
                    Code::BadNetwork,
                    entry.address_span,
                    "this is an IPv4 address written as IPv6",
                )
                .label("write it as IPv4: such visitors are known by that"),
            );
        }
        let (prefix, span) = match entry.prefix {
            None => return Network::new(address, bits),
            Some((prefix, span)) => (prefix, span),
        };
        let Some(network) = u8::try_from(prefix).ok().and_then(|prefix| Network::new(address, prefix)) else {
            let family = if bits == 32 { "IPv4" } else { "IPv6" };
            return self.fault(
                Diagnostic::new(Code::BadNetwork, span, format!("an {family} address has {bits} bits"))
                    .label(format!("write a prefix up to {bits}")),
            );
        };
        if !acl.has("-pedantic")
            && Network::new(address, bits)
                .is_some_and(|alone| alone.to_string() != format!("{}/{bits}", base(network)))
        {
            let label = if text.is_private() {
                "set the bits behind the prefix to zero, or leave the prefix out".to_owned()
            } else {
                format!("write `\"{}\"/{prefix}`, or leave the prefix out", base(network))
            };
            let span = entry.address_span.to(span);
            return self.fault(
                Diagnostic::new(Code::BadNetwork, span, "an address with bits behind its prefix")
                    .label(label),
            );
        }
        Some(network)
    }
}

/// The address of a network without its prefix.
fn base(network: Network) -> String {
    let text = network.to_string();
    text.split('/').next().unwrap_or_default().to_owned()
}
