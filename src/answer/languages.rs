//! Which language a person reads: `Accept-Language` (RFC 9110) matched by look-up (RFC 4647, 3.4).

use http::HeaderValue;

use super::form::thousandths;

/// Ranges of languages, the most wanted first. Nothing said is English, which every page of ours has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages(Vec<Wish>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    /// In lower case; `*` is any.
    range: Box<str>,
    /// In thousandths; 0 is a refusal.
    quality: u16,
}

/// A person says a few; a stranger may say thousands.
const RANGES_MAX: usize = 24;

impl Languages {
    pub const ENGLISH: Self = Self(Vec::new());

    /// One language, for pages that are looked at.
    pub fn only(tag: &str) -> Self {
        Self(vec![Wish { range: tag.into(), quality: 1_000 }])
    }

    pub fn read<'v>(values: impl IntoIterator<Item = &'v HeaderValue>) -> Self {
        let values = values.into_iter().filter_map(|value| value.to_str().ok());
        let wishes = values.flat_map(|value| value.split(',')).take(RANGES_MAX).filter_map(|range| {
            let (range, quality) = range.split_once(';').map_or((range, None), |(range, quality)| {
                (
                    range,
                    quality.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim().strip_prefix('=')),
                )
            });
            let range = range.trim();
            let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (range == "*" || !range.is_empty() && range.len() <= 35 && range.bytes().all(known)).then(|| {
                Wish {
                    range: range.to_ascii_lowercase().into(),
                    quality: quality.map_or(1_000, |quality| thousandths(quality.trim())),
                }
            })
        });
        let mut wishes: Vec<Wish> = wishes.collect();
        // The order they were said in decides between those that are wanted alike.
        wishes.sort_by_key(|wish| std::cmp::Reverse(wish.quality));
        Self(wishes)
    }

    /// The place of the language to answer in; 0 where none of them is wanted. `known` are tags in lower case.
    pub fn choose(&self, known: &[&str]) -> usize {
        let refused = |tag: &str| self.0.iter().any(|wish| wish.quality == 0 && *wish.range == *tag);
        let wanted = self.0.iter().filter(|wish| wish.quality > 0);
        let found = wanted.into_iter().find_map(|wish| {
            if &*wish.range == "*" {
                return known.iter().position(|tag| !refused(tag));
            }
            let mut range = &*wish.range;
            loop {
                let exact = known.iter().position(|tag| *tag == range);
                // Whoever reads Portuguese reads it as it is written in Brazil.
                let narrower = || {
                    known
                        .iter()
                        .position(|tag| tag.strip_prefix(range).is_some_and(|rest| rest.starts_with('-')))
                };
                if let Some(at) =
                    exact.or_else(narrower).filter(|at| !known.get(*at).is_some_and(|tag| refused(tag)))
                {
                    return Some(at);
                }
                // `zh-hant-x-old`, `zh-hant`, `zh`: a single letter says nothing without what follows it.
                let (shorter, _) = range.rsplit_once('-')?;
                range = match shorter.rsplit_once('-') {
                    Some((before, single)) if single.len() == 1 => before,
                    _ => shorter,
                };
            }
        });
        found.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_in_the_language_that_is_wanted_most() {
        let ours = ["en", "de", "fr", "es"];
        for (said, known, chosen) in [
            (&[][..], &ours[..], "en"),
            (&["de"], &ours, "de"),
            (&["DE-at"], &ours, "de"),
            (&["de-CH-1996, en;q=0.5"], &ours, "de"),
            (&["zh-Hant-x-old"], &["en", "zh"], "zh"),
            (&["zh-Hant-x-old"], &["en", "zh-hant"], "zh-hant"),
            (&["pt, en;q=0.5"], &["en", "pt-br"], "pt-br"),
            (&["pt-PT, en;q=0.5"], &["en", "pt-br"], "pt-br"),
            (&["pl, cs;q=0.9"], &ours, "en"),
            (&["pl, cs;q=0.9, fr;q=0.1"], &ours, "fr"),
            (&["en;q=0.5, fr;q=0.7, de;q=0.6"], &ours, "fr"),
            (&["fr, de"], &ours, "fr"),
            (&["pl", "es;q=0.3"], &ours, "es"),
            (&["*"], &ours, "en"),
            (&["pl, *;q=0.5"], &ours, "en"),
            (&["en;q=0, *"], &ours, "de"),
            (&["en;q=0, de;q=0, *;q=0.1"], &ours, "fr"),
            (&["en;q=0"], &ours, "en"),
            (&["de;q=0, en"], &ours, "en"),
            (&["*, de;q=0.5"], &ours, "en"),
            (&["de;q=0.5, *;q=0.1"], &ours, "de"),
            (&["d e, ;q=1, ,, de;q=x, fr;q=0.5"], &ours, "fr"),
            (&["english, german"], &ours, "en"),
            (&["e"], &ours, "en"),
            (&["es-419"], &ours, "es"),
            (&["fr ; q=0.2 , de ; q=0.1"], &ours, "fr"),
            // A site's own pages may have no English one: the first is what it has.
            (&["en"], &["pl"], "pl"),
        ] {
            let values: Vec<HeaderValue> = said.iter().map(|value| HeaderValue::from_static(value)).collect();
            let at = Languages::read(&values).choose(known);
            assert_eq!(known[at], chosen, "{said:?} of {known:?}");
        }
    }

    #[test]
    fn strangers_cannot_say_more_than_is_read() {
        let long = vec!["pl"; RANGES_MAX].join(",") + ",de";
        assert_eq!(Languages::read(&[HeaderValue::try_from(long).unwrap()]).choose(&["en", "de"]), 0);
        let odd = HeaderValue::from_bytes(b"\xff, de").unwrap();
        assert_eq!(Languages::read(&[odd, HeaderValue::from_static("fr")]).choose(&["en", "fr"]), 1);
    }
}
