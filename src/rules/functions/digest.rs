//! Digests, and bytes written as text.

use aws_lc_rs::{constant_time, digest, hmac};

pub(super) static SHA1: &digest::Algorithm = &digest::SHA1_FOR_LEGACY_USE_ONLY;
pub(super) static SHA224: &digest::Algorithm = &digest::SHA224;
pub(super) static SHA256: &digest::Algorithm = &digest::SHA256;
pub(super) static SHA384: &digest::Algorithm = &digest::SHA384;
pub(super) static SHA512: &digest::Algorithm = &digest::SHA512;
pub(super) const HMAC_SHA1: hmac::Algorithm = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
pub(super) const HMAC_SHA256: hmac::Algorithm = hmac::HMAC_SHA256;
pub(super) const HMAC_SHA512: hmac::Algorithm = hmac::HMAC_SHA512;

pub(super) fn hash(algorithm: &'static digest::Algorithm, text: &[u8]) -> String {
    hex(digest::digest(algorithm, text).as_ref())
}

fn tag(algorithm: hmac::Algorithm, key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(algorithm, key), text)
}

/// As Fastly writes it, with `0x` before it.
pub(super) fn hmac_hex(algorithm: hmac::Algorithm, key: &[u8], text: &[u8]) -> String {
    format!("0x{}", hex(tag(algorithm, key, text).as_ref()))
}

pub(super) fn hmac_base64(algorithm: hmac::Algorithm, key: &[u8], text: &[u8]) -> String {
    base64(tag(algorithm, key, text).as_ref())
}

/// A chain of keys: each step signs the next word with what the last one gave.
pub(super) fn awsv4(key: &[u8], words: &[&[u8]]) -> String {
    let first = [b"AWS4", key].concat();
    let last = words.iter().fold(first, |key, word| tag(HMAC_SHA256, &key, word).as_ref().to_vec());
    format!("0x{}", hex(&last))
}

pub(super) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    crate::base::base64::encode(bytes)
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    base64(bytes).replace('+', "-").replace('/', "_")
}

/// Up to the first byte that does not belong there, and up to the first zero: a text of rules holds none.
pub(super) fn base64_decode(text: &[u8]) -> Vec<u8> {
    let (mut out, _) = crate::base::base64::decode_while(text);
    if let Some(at) = memchr::memchr(0, &out) {
        out.truncate(at);
    }
    out
}
