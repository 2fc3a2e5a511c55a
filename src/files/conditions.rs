//! Conditions of a request on a file (RFC 9110, 13), in the order in which they count. Pure.

use http::HeaderMap;
use http::header::{
    GetAll, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

use crate::base::clock::Wall;

/// A file that changed less than this many seconds ago may change once more without its date showing it.
const SETTLED: u64 = 2;

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// With its quotes; `W/` before it while the file is young.
    pub etag: String,
    /// Never later than now.
    pub modified: Wall,
    weak: bool,
}

impl Validators {
    /// The same on every machine that has the same file with the same date, so that several may serve a site.
    pub fn of(modified: Wall, size: u64, encoding: Option<&str>, now: Wall) -> Self {
        let weak = modified.seconds + SETTLED > now.seconds;
        let prefix = if weak { "W/" } else { "" };
        let (dash, encoding) = encoding.map_or(("", ""), |encoding| ("-", encoding));
        let etag = format!("{prefix}\"{:x}-{size:x}{dash}{encoding}\"", modified.seconds);
        let modified = Wall::from_seconds(modified.seconds.min(now.seconds));
        Self { etag, modified, weak }
    }

    fn opaque(&self) -> &str {
        self.etag.strip_prefix("W/").unwrap_or(&self.etag)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    NotModified,
    Failed,
}

/// For GET and HEAD.
pub fn judge(headers: &HeaderMap, file: &Validators) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !matches(&headers.get_all(IF_MATCH), file, true) {
            return Verdict::Failed;
        }
    } else if let Some(since) = headers.get(IF_UNMODIFIED_SINCE).and_then(date)
        && file.modified > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if matches(&headers.get_all(IF_NONE_MATCH), file, false) {
            return Verdict::NotModified;
        }
    } else if let Some(since) = headers.get(IF_MODIFIED_SINCE).and_then(date)
        && file.modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether a wish for parts counts: `If-Range` names the very state that the file is in, or is not there.
pub fn parts_count(headers: &HeaderMap, file: &Validators) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else { return true };
    if file.weak {
        return false;
    }
    let said = condition.as_bytes().trim_ascii();
    said == file.etag.as_bytes() || date(condition) == Some(file.modified)
}

fn date(value: &HeaderValue) -> Option<Wall> {
    Wall::read_http_date(value.as_bytes())
}

/// Whether one of the tags of a list is this file's. A strong comparison holds for strong tags alone.
fn matches(lists: &GetAll<'_, HeaderValue>, file: &Validators, strong: bool) -> bool {
    lists.iter().any(|list| {
        let mut rest = list.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        loop {
            rest = rest.trim_ascii_start();
            if let Some(behind) = rest.strip_prefix(b",") {
                rest = behind;
                continue;
            }
            let (weak, tag) = match rest.strip_prefix(b"W/") {
                Some(tag) => (true, tag),
                None => (false, rest),
            };
            // What is no tag ends the list: nothing behind it can be told apart.
            let Some(inner) = tag.strip_prefix(b"\"") else { return false };
            let Some(end) = inner.iter().position(|byte| *byte == b'"') else { return false };
            let (Some(whole), Some(behind)) = (tag.get(..end + 2), tag.get(end + 2..)) else { return false };
            if whole == file.opaque().as_bytes() && !(strong && (weak || file.weak)) {
                return true;
            }
            rest = behind;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn file(age: u64) -> Validators {
        Validators::of(Wall::from_seconds(NOW), 0x1f, None, Wall::from_seconds(NOW + age))
    }

    #[test]
    fn a_file_is_told_by_its_date_and_size() {
        assert_eq!(file(60).etag, "\"2ebc9761-1f\"".replace("2ebc9761", &format!("{NOW:x}")));
        let gzip = Validators::of(Wall::from_seconds(1), 2, Some("gzip"), Wall::from_seconds(9));
        assert_eq!(gzip.etag, "\"1-2-gzip\"");
        let young = file(1);
        assert!(young.etag.starts_with("W/\"") && young.opaque() == file(60).etag);
        // A date that is still to come is not told, and its tag is weak as long as it may come again.
        let future = Validators::of(Wall::from_seconds(NOW + 99), 1, None, Wall::from_seconds(NOW));
        assert_eq!(future.modified, Wall::from_seconds(NOW));
        assert!(future.etag.starts_with("W/"));
    }

    #[test]
    fn conditions_count_in_the_order_of_the_standard() {
        use Verdict::{Failed, Go, NotModified};
        let tag = file(60).etag;
        let weak = format!("W/{tag}");
        let list = format!("\"a,b\", {weak} , \"c\"");
        for (fields, verdict) in [
            (&[][..], Go),
            (&[("if-none-match", tag.as_str())], NotModified),
            (&[("if-none-match", &weak)], NotModified),
            (&[("if-none-match", &list)], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", &tag)], NotModified),
            (&[("if-none-match", "\"x\"")], Go),
            (&[("if-none-match", "x")], Go),
            (&[("if-none-match", "\"x")], Go),
            (&[("if-none-match", "")], Go),
            (&[("if-modified-since", DATE)], NotModified),
            (&[("if-modified-since", AFTER)], NotModified),
            (&[("if-modified-since", BEFORE)], Go),
            (&[("if-modified-since", "yesterday")], Go),
            (&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
            // A tag goes before a date.
            (&[("if-none-match", "\"x\""), ("if-modified-since", DATE)], Go),
            (&[("if-match", &tag)], Go),
            (&[("if-match", &list)], Failed),
            (&[("if-match", "*")], Go),
            (&[("if-match", &weak)], Failed),
            (&[("if-match", "\"x\"")], Failed),
            (&[("if-match", "\"x\""), ("if-none-match", &tag)], Failed),
            (&[("if-match", &tag), ("if-none-match", &tag)], NotModified),
            (&[("if-unmodified-since", DATE)], Go),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", "soon")], Go),
            (&[("if-match", &tag), ("if-unmodified-since", BEFORE)], Go),
            (&[("if-unmodified-since", DATE), ("if-modified-since", DATE)], NotModified),
        ] {
            assert_eq!(judge(&headers(fields), &file(60)), verdict, "{fields:?}");
        }
        // A young file is not strong enough for `If-Match`.
        let young = file(0);
        assert_eq!(judge(&headers(&[("if-match", young.opaque())]), &young), Failed);
        assert_eq!(judge(&headers(&[("if-none-match", young.opaque())]), &young), NotModified);
    }

    #[test]
    fn parts_are_of_the_state_that_is_named() {
        let tag = file(60).etag;
        let weak = format!("W/{tag}");
        for (fields, counts) in [
            (&[][..], true),
            (&[("if-range", tag.as_str())], true),
            (&[("if-range", &weak)], false),
            (&[("if-range", "\"x\"")], false),
            (&[("if-range", DATE)], true),
            (&[("if-range", AFTER)], false),
            (&[("if-range", "")], false),
        ] {
            assert_eq!(parts_count(&headers(fields), &file(60)), counts, "{fields:?}");
            let young = parts_count(&headers(fields), &file(0));
            assert_eq!(young, fields.is_empty(), "{fields:?}");
        }
    }
}
