//! Which encoding of a file a visitor takes (RFC 9110, 12.5.3). Pure.

use http::HeaderValue;
use http::header::GetAll;

/// A file that was compressed beforehand and lies beside the other, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Brotli,
    Zstd,
    Gzip,
}

impl Encoding {
    const ALL: [Encoding; 3] = [Encoding::Brotli, Encoding::Zstd, Encoding::Gzip];

    /// As `Content-Encoding` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What stands behind the file's name.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// Encodings that are taken, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted([Option<Encoding>; 3]);

impl Wanted {
    pub fn iter(self) -> impl Iterator<Item = Encoding> {
        self.0.into_iter().flatten()
    }
}

/// Weights in thousandths.
const MOST: u16 = 1_000;

/// What `Accept-Encoding` takes. Who says nothing gets the file as it is.
pub fn accepted(lines: &GetAll<'_, HeaderValue>) -> Wanted {
    let mut weights: [Option<u16>; 3] = [None; 3];
    let (mut any, mut identity) = (None, None);
    for member in lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
        let mut pieces = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = pieces.next().unwrap_or_default();
        let Some(weight) = pieces.next().map_or(Some(MOST), weight) else { continue };
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("*") {
            any = Some(weight);
        } else if is("identity") {
            identity = Some(weight);
        } else {
            for (place, encoding) in weights.iter_mut().zip(Encoding::ALL) {
                if is(encoding.word()) || (encoding == Encoding::Gzip && is("x-gzip")) {
                    *place = Some(weight);
                }
            }
        }
    }
    let least = identity.unwrap_or(0).max(1);
    let mut taken: Vec<(u16, Encoding)> = weights
        .iter()
        .zip(Encoding::ALL)
        .filter_map(|(weight, encoding)| Some((weight.or(any)?, encoding)))
        .filter(|(weight, _)| *weight >= least)
        .collect();
    // Stable: of two that are wanted alike the smaller one stays before.
    taken.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let mut wanted = Wanted::default();
    for (place, (_, encoding)) in wanted.0.iter_mut().zip(taken) {
        *place = Some(encoding);
    }
    wanted
}

/// `q=0.5`; `None` for one that can't be read, which says nothing.
fn weight(parameter: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(parameter).ok()?;
    let (name, value) = text.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(MOST),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::ACCEPT_ENCODING;

    use super::*;

    #[test]
    fn the_visitor_says_what_he_takes() {
        for (lines, expected) in [
            (&[][..], ""),
            (&["gzip, deflate, br, zstd"], "br zstd gzip"),
            (&["gzip", "br"], "br gzip"),
            (&["GZIP"], "gzip"),
            (&["x-gzip"], "gzip"),
            (&["gzip;q=1.0, br;q=0.5"], "gzip br"),
            (&["gzip; q=0.001 ,br ; q=0"], "gzip"),
            (&["*"], "br zstd gzip"),
            (&["*;q=0"], ""),
            (&["*, gzip;q=0"], "br zstd"),
            (&["br;q=0, *;q=0.3, gzip"], "gzip zstd"),
            (&["identity"], ""),
            (&["identity;q=0.5, gzip;q=0.4, br;q=0.5"], "br"),
            (&["identity;q=0, gzip;q=0.1"], "gzip"),
            (&["gzip;q=2"], ""),
            (&["gzip;q=0.1234"], ""),
            (&["gzip;level=9"], ""),
            (&["deflate, compress"], ""),
            (&["", ",,", ";;"], ""),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            let wanted = accepted(&headers.get_all(ACCEPT_ENCODING));
            let words: Vec<&str> = wanted.iter().map(Encoding::word).collect();
            assert_eq!(words.join(" "), expected, "{lines:?}");
        }
    }
}
