//! `Destination`: where a copy or a move goes to (RFC 4918, 10.3). It names a place as a request's target does,
//! so it is read as strictly; whether the place is ours, and open, is judged by whoever asks.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::path::Query;
use super::{Host, SitePath, homeward};
use crate::base::cause::Cause;
use crate::base::fault::Fault;

pub const DESTINATION: HeaderName = HeaderName::from_static("destination");

/// A destination that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Whether it says https, and of whom; `None` where it is a path alone.
    pub place: Option<(bool, Host)>,
    pub path: SitePath,
    pub query: Option<Query>,
}

impl Destination {
    /// What the headers of a request say of it. An address or a path from the root; whatever else it may be has
    /// two readings.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, Fault> {
        let mut fields = headers.get_all(DESTINATION).iter();
        let Some(value) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            return Err(malformed("the request carries more than one destination field"));
        }
        let written = value.as_bytes();
        let (place, rest) = match homeward::scheme(written) {
            Some((secure, rest)) => {
                let end =
                    rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, b""));
                (Some((secure, Host::parse(authority)?)), rest)
            }
            None => match written {
                [b'/', b'/', ..] => return Err(malformed("the destination has no scheme")),
                [b'/', ..] => (None, written),
                _ => return Err(malformed("the destination is neither an http address nor a path")),
            },
        };
        if rest.contains(&b'#') {
            return Err(malformed("the destination has a fragment"));
        }
        let (path, query) = match rest.iter().position(|byte| *byte == b'?') {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
            None => (rest, None),
        };
        let path = if path.is_empty() { b"/" } else { path };
        Ok(Some(Self {
            place,
            path: SitePath::read(Bytes::copy_from_slice(path))?,
            query: query.map(Query::parse).transpose()?,
        }))
    }
}

fn malformed(detail: &'static str) -> Fault {
    Fault::with(Cause::Malformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &[u8]) -> Result<String, Cause> {
        let mut headers = HeaderMap::new();
        headers.insert(DESTINATION, http::HeaderValue::from_bytes(value).unwrap());
        let read = Destination::read(&headers).map_err(|fault| fault.cause)?.unwrap();
        let place = match &read.place {
            Some((secure, host)) => format!("{secure} {}:{:?} ", host.name(), host.port()),
            None => String::new(),
        };
        Ok(format!("{place}{}", read.path.target_with(read.query.as_ref())))
    }

    #[test]
    fn a_destination_is_read_as_a_target_is() {
        for (written, meant) in [
            ("https://www.test/a", "true www.test:None /a"),
            ("HTTPS://WWW.Test.:443/a", "true www.test:Some(443) /a"),
            ("http://www.test", "false www.test:None /"),
            ("http://www.test?a", "false www.test:None /?a"),
            ("http://www.test/f%20one%20%c3%bce.txt", "false www.test:None /f%20one%20%C3%BCe.txt"),
            ("http://www.test/%21svn//x/../y", "false www.test:None /!svn/y"),
            ("http://[2001:DB8::1]:8443/a", "false 2001:db8::1:Some(8443) /a"),
            ("/a/b?c", "/a/b?c"),
        ] {
            assert_eq!(read(written.as_bytes()).as_deref(), Ok(meant), "{written}");
        }
    }

    #[test]
    fn what_has_two_readings_is_no_destination() {
        for (written, cause) in [
            ("", Cause::Malformed),
            ("a/b", Cause::Malformed),
            ("../a", Cause::Malformed),
            ("?a", Cause::Malformed),
            ("*", Cause::Malformed),
            ("//www.test/a", Cause::Malformed),
            ("ftp://www.test/a", Cause::Malformed),
            ("http:/www.test/a", Cause::Malformed),
            ("file:///etc/passwd", Cause::Malformed),
            ("http://www.test/a#b", Cause::Malformed),
            ("http://www.test#b", Cause::Malformed),
            ("http://user:pw@www.test/a", Cause::BadHost),
            ("http://www.test\\@evil/a", Cause::BadHost),
            ("http:///a", Cause::BadHost),
            ("http://www.test:99999/a", Cause::BadHost),
            ("http://www.test/../a", Cause::BadPath),
            ("http://www.test/a/..%2fb", Cause::BadPath),
            ("http://www.test/a b", Cause::BadPath),
            ("http://www.test/%zz", Cause::BadPath),
            ("http://www.test/a, http://www.test/b", Cause::BadPath),
            ("http://www.test/a?\"", Cause::Malformed),
            (" http://www.test/a", Cause::Malformed),
        ] {
            assert_eq!(read(written.as_bytes()), Err(cause), "{written}");
        }
        assert_eq!(read(b"http://www.test/\xff"), Err(Cause::BadPath));
        let mut two = HeaderMap::new();
        assert_eq!(Destination::read(&two), Ok(None));
        two.append(DESTINATION, "/a".parse().unwrap());
        two.append(DESTINATION, "/a".parse().unwrap());
        assert_eq!(Destination::read(&two).unwrap_err().cause, Cause::Malformed);
    }
}
