//! The keys of session tickets: what lets a visitor who was here come back without a full handshake.
//!
//! A ticket lies with its visitor, sealed; here are only the keys, two at most: the one that seals, and the one
//! before it, which still opens. They are turned every six hours, so a key that is found opens at most twelve
//! hours of tickets. They never touch a disk: a process that takes over is handed them by the one before it,
//! and a restart begins with new ones, which costs every visitor one full handshake.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::server::ProducesTickets;

use crate::base::clock::{self, Wall};
use crate::base::random;
use crate::base::secret::Secret;

/// How long a key seals, and then how long it still opens.
const TURN_SECONDS: u32 = 6 * 3_600;

const NAME_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const KEY_BYTES: usize = NAME_BYTES + SECRET_BYTES;

/// Shared by all workers; turned by one.
pub struct Tickets(ArcSwap<Ring>);

struct Ring {
    since: Wall,
    seals: Key,
    before: Option<Key>,
}

/// Chosen because a nonce that comes twice costs nothing but the knowledge that two tickets are the same: many
/// tickets are sealed under one key by nonces of twelve random bytes.
#[derive(Clone)]
struct Key {
    /// In the clear on each ticket, so that the right key is tried, and only that.
    name: [u8; NAME_BYTES],
    secret: Secret,
    cipher: Arc<LessSafeKey>,
}

impl Key {
    fn new() -> Option<Self> {
        Self::from_bytes(&random::bytes::<KEY_BYTES>())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (name, secret) = bytes.split_first_chunk::<NAME_BYTES>()?;
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, secret).ok()?;
        Some(Self { name: *name, secret: Secret::new(secret), cipher: Arc::new(LessSafeKey::new(cipher)) })
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.cipher.seal_in_place_append_tag(unique, Aad::from(self.name), &mut sealed).ok()?;
        Some([&self.name, &nonce[..], &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        if *name != self.name {
            return None;
        }
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.cipher.open_in_place(nonce, Aad::from(*name), &mut sealed).ok()?.len();
        sealed.truncate(plain);
        Some(sealed)
    }
}

impl Tickets {
    /// New keys. `None` where the library refuses a key, which it has no reason to.
    pub fn new(now: Wall) -> Option<Self> {
        Some(Self(ArcSwap::from_pointee(Ring { since: now, seals: Key::new()?, before: None })))
    }

    /// What was handed over.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (since, keys) = bytes.split_first_chunk::<8>()?;
        let (seals, before) = keys.split_at_checked(KEY_BYTES)?;
        let ring = Ring {
            since: Wall::from_seconds(u64::from_be_bytes(*since)),
            seals: Key::from_bytes(seals)?,
            before: if before.is_empty() { None } else { Some(Key::from_bytes(before)?) },
        };
        Some(Self(ArcSwap::from_pointee(ring)))
    }

    /// For the process that takes over.
    pub fn hand_over(&self) -> Secret {
        let ring = self.0.load();
        let mut bytes = ring.since.seconds.to_be_bytes().to_vec();
        for key in std::iter::once(&ring.seals).chain(&ring.before) {
            bytes.extend_from_slice(&key.name);
            bytes.extend_from_slice(key.secret.expose());
        }
        Secret::new(bytes)
    }

    /// A new key when the one that seals has had its time. To be called now and then, by one.
    pub fn turn(&self, now: Wall) {
        let ring = self.0.load();
        let age = now.seconds.saturating_sub(ring.since.seconds);
        if age < u64::from(TURN_SECONDS) {
            return;
        }
        // After a long sleep the one before has had its time, too.
        let before = (age < 2 * u64::from(TURN_SECONDS)).then(|| ring.seals.clone());
        if let Some(seals) = Key::new() {
            self.0.store(Arc::new(Ring { since: now, seals, before }));
        }
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TURN_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.load().seals.seal(plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let ring = self.0.load();
        // Also where nobody turned the keys for long: an old ticket is none.
        let age = clock::wall().seconds.saturating_sub(ring.since.seconds);
        if age >= 2 * u64::from(TURN_SECONDS) {
            return None;
        }
        ring.seals.open(ticket).or_else(|| ring.before.as_ref()?.open(ticket))
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(now: Wall, hours: u64) -> Wall {
        Wall::from_seconds(now.seconds + hours * 3_600)
    }

    #[test]
    fn a_ticket_opens_for_two_turns_of_the_keys_and_for_whoever_they_were_handed_to() {
        let now = clock::wall();
        let tickets = Tickets::new(now).unwrap();
        let first = tickets.encrypt(b"session").unwrap();
        assert_ne!(first, tickets.encrypt(b"session").unwrap());
        let heir = Tickets::from_bytes(tickets.hand_over().expose()).unwrap();
        assert_eq!(heir.decrypt(&first).unwrap(), b"session");
        assert_eq!(tickets.decrypt(&heir.encrypt(b"other").unwrap()).unwrap(), b"other");
        tickets.turn(later(now, 5));
        assert_eq!(tickets.encrypt(b"x").unwrap()[..NAME_BYTES], first[..NAME_BYTES], "not its time yet");
        tickets.turn(later(now, 6));
        assert_ne!(tickets.encrypt(b"x").unwrap()[..NAME_BYTES], first[..NAME_BYTES]);
        assert_eq!(tickets.decrypt(&first).unwrap(), b"session");
        let heir = Tickets::from_bytes(tickets.hand_over().expose()).unwrap();
        assert_eq!(heir.decrypt(&first).unwrap(), b"session", "both keys are handed over");
        tickets.turn(later(now, 12));
        assert!(tickets.decrypt(&first).is_none());
    }

    #[test]
    fn keys_that_nobody_turned_for_long_open_nothing_and_are_forgotten() {
        let long_ago = Wall::from_seconds(clock::wall().seconds - 13 * 3_600);
        let tickets = Tickets::new(long_ago).unwrap();
        let ticket = tickets.encrypt(b"session").unwrap();
        assert!(tickets.decrypt(&ticket).is_none());
        tickets.turn(clock::wall());
        assert!(tickets.decrypt(&ticket).is_none());
        assert!(tickets.decrypt(&tickets.encrypt(b"x").unwrap()).is_some());
    }

    #[test]
    fn what_is_no_ticket_of_ours_opens_nothing() {
        let tickets = Tickets::new(clock::wall()).unwrap();
        let ticket = tickets.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut bent = ticket.clone();
            bent[at] ^= 1;
            assert!(tickets.decrypt(&bent).is_none(), "{at}");
            assert!(tickets.decrypt(&ticket[..at]).is_none(), "{at}");
        }
        for bytes in [&[][..], &[0; 8], &[0; 55], &[0; 57]] {
            assert!(Tickets::from_bytes(bytes).is_none());
        }
    }
}
