//! The only place that makes randomness.

use std::cell::Cell;
use std::fmt;

/// Fills a buffer from the system's generator.
///
/// # Panics
/// Never in practice: the generator can only fail where the kernel has none. Going on with predictable
/// bytes would be worse than stopping, so this is the one place that may stop the process.
#[allow(clippy::disallowed_methods, clippy::expect_used)]
pub fn fill(buffer: &mut [u8]) {
    aws_lc_rs::rand::fill(buffer).expect("the system has no randomness to give");
}

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    fill(&mut buffer);
    buffer
}

pub fn number() -> u64 {
    u64::from_le_bytes(bytes())
}

/// At least 0, below 1: 53 random bits, which is all that such a number holds.
#[allow(clippy::cast_precision_loss)]
pub fn fraction() -> f64 {
    (number() >> 11) as f64 / (1_u64 << 53) as f64
}

/// The name of one visit: the visitor reads it on an error page, the operator finds it in the log.
/// Unique, not secret: a random start per thread, then a stride that walks all 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

thread_local! {
    static NEXT: Cell<u64> = Cell::new(number());
}

impl RequestId {
    pub fn next() -> Self {
        // An odd constant visits every value once before it repeats.
        NEXT.with(|next| {
            let id = next.get();
            next.set(id.wrapping_add(0x9e37_79b9_7f4a_7c15));
            Self(id)
        })
    }

    /// The name of a visit that is only imagined, so that it is the same each time.
    pub const fn imagined(number: u64) -> Self {
        Self(number)
    }

    /// Thirteen letters and digits that can be read over a telephone: no i, l, o, u.
    pub fn letters(self) -> [u8; 13] {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut out = [b'0'; 13];
        let mut rest = self.0;
        for place in out.iter_mut().rev() {
            *place = ALPHABET.get((rest & 31) as usize).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        out
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.letters()).unwrap_or(""))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_differ_and_can_be_read_aloud() {
        let (a, b) = (RequestId::next(), RequestId::next());
        assert_ne!(a, b);
        assert_eq!(a.to_string().len(), 13);
        assert!(!a.to_string().contains(['i', 'l', 'o', 'u']));
    }
}
