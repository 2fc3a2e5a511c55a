//! An answer on its way home: where it names a place as its backend knows it, the visitor is told the place as he
//! knows it. `Location`, `Content-Location`, `Refresh`, `Link` and `Set-Cookie`; links inside of pages are put
//! right with the same `address`.
//!
//! Pure. Promises: what names somebody else's place, or can't be read, passes byte for byte; what is relative
//! does too, since it is relative to the page as the visitor has it.

use std::net::IpAddr;

use http::header::{CONTENT_LOCATION, LINK, LOCATION, REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers::trim;
use super::{Host, Mapping};

/// What a backend may call itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As `Host::name` has it.
    pub name: Box<str>,
    pub port: u16,
    /// It is told this name, and may leave the port away.
    pub told: bool,
}

impl Place {
    /// A `Host` that a backend is told, on a connection with or without TLS.
    pub fn told(host: &Host, tls: bool) -> Self {
        let port = host.port().unwrap_or(default_port(tls));
        Self { name: host.name().into(), port, told: true }
    }
}

/// What has to be known to put an answer right.
#[derive(Clone, Debug)]
pub struct Homeward {
    /// The visitor speaks https.
    pub secure: bool,
    /// The host he typed.
    pub typed: Host,
    /// The port he means.
    pub port: u16,
    /// Cookies are for https alone: he speaks it, and everybody is sent there.
    pub cookies_secure: bool,
    pub places: Vec<Place>,
    pub mapping: Option<Mapping>,
}

/// Whether an answer names places at all: most don't.
pub fn concerns(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| part_of(name).is_some())
}

/// What of a field's value is an address.
#[derive(Clone, Copy)]
enum Part {
    All,
    Refresh,
    Link,
    Cookie,
}

fn part_of(name: &HeaderName) -> Option<Part> {
    // Lengths first: nearly every name is none of these.
    match name.as_str().len() {
        4 if *name == LINK => Some(Part::Link),
        7 if *name == REFRESH => Some(Part::Refresh),
        8 if *name == LOCATION => Some(Part::All),
        10 if *name == SET_COOKIE => Some(Part::Cookie),
        16 if *name == CONTENT_LOCATION => Some(Part::All),
        _ => None,
    }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

impl Homeward {
    /// Puts every field right that names a place of ours.
    pub fn put_right(&self, headers: &mut HeaderMap) {
        for (name, value) in headers.iter_mut() {
            let bytes = value.as_bytes();
            let right = match part_of(name) {
                None => None,
                Some(Part::All) => self.address(bytes),
                Some(Part::Refresh) => self.refresh(bytes),
                Some(Part::Link) => self.links(bytes),
                Some(Part::Cookie) => self.cookie(bytes),
            };
            if let Some(mut right) =
                right.and_then(|right| HeaderValue::from_maybe_shared(bytes::Bytes::from(right)).ok())
            {
                right.set_sensitive(value.is_sensitive());
                *value = right;
            }
        }
    }

    /// An address as the visitor knows it; `None` where it stays as it is.
    pub fn address(&self, written: &[u8]) -> Option<Vec<u8>> {
        let (scheme, rest) = match scheme(written) {
            Some((secure, rest)) => (Some(secure), rest),
            None => match written {
                [b'/', b'/', rest @ ..] => (None, rest),
                [b'/', b'\\', ..] => return None,
                [b'/', ..] => return self.below(written),
                _ => return None,
            },
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        let secure = scheme.unwrap_or(self.secure);
        let host = Host::parse(authority).ok()?;
        if !self.is_ours(&host, secure) {
            return None;
        }
        let there = secure == self.secure && host.same_place(&self.typed, default_port(secure));
        let path = self.below(rest);
        if there && path.is_none() {
            return None;
        }
        let mut right = Vec::with_capacity(written.len() + 16);
        if scheme.is_some() {
            right.extend_from_slice(if self.secure { b"https:" } else { b"http:" });
        }
        right.extend_from_slice(b"//");
        right.extend_from_slice(if there { authority } else { self.typed.as_typed().as_bytes() });
        right.extend_from_slice(path.as_deref().unwrap_or(rest));
        Some(right)
    }

    /// The path at the beginning of this, mapped; what follows it as it is. `None` where nothing is mapped.
    fn below(&self, rest: &[u8]) -> Option<Vec<u8>> {
        let mapping = self.mapping.as_ref()?;
        let end = rest.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(rest.len());
        let (path, behind) = rest.split_at_checked(end)?;
        let mut right = mapping.outward(path)?;
        right.extend_from_slice(behind);
        Some(right)
    }

    /// Whether an address with this host and scheme is one of ours: by the name the visitor typed, or by one that
    /// the backend has. Who speaks http and is told https under his own name is sent there on purpose.
    fn is_ours(&self, host: &Host, secure: bool) -> bool {
        let usual = default_port(secure);
        let port = host.port().unwrap_or(usual);
        let backends = || self.places.iter().map(|place| place.port);
        if host.name() == self.typed.name() && (self.secure || !secure) {
            return port == usual || port == self.port || backends().any(|other| other == port);
        }
        self.places.iter().any(|place| {
            let same =
                *place.name == *host.name() || (host.name() == "localhost" && is_loopback(&place.name));
            same && (port == place.port || (place.told && host.port().is_none()))
                && (*place.name != *self.typed.name())
        })
    }

    /// `5; url=…`, as browsers read it.
    fn refresh(&self, written: &[u8]) -> Option<Vec<u8>> {
        let at = refresh_target(written)?;
        let (before, rest) = written.split_at_checked(at)?;
        let end = match before.last() {
            Some(quote @ (b'"' | b'\'')) => rest.iter().position(|byte| byte == quote),
            _ => None,
        };
        let end = end.unwrap_or_else(|| rest.trim_ascii_end().len());
        let (target, behind) = rest.split_at_checked(end)?;
        Some([before, &self.address(target)?, behind].concat())
    }

    /// What a `<meta http-equiv=refresh>` says, for whoever reads pages.
    pub fn refresh_text(&self, written: &str) -> Option<String> {
        String::from_utf8(self.refresh(written.as_bytes())?).ok()
    }

    /// `</a>; rel=next, <http://…>; title="<x>"`: what stands between angle brackets outside of quotes.
    fn links(&self, written: &[u8]) -> Option<Vec<u8>> {
        let mut right = Vec::with_capacity(written.len() + 16);
        let mut changed = false;
        let mut rest = written;
        let mut quoted = false;
        while let Some((byte, after)) = rest.split_first() {
            right.push(*byte);
            rest = after;
            match byte {
                b'\\' if quoted => {
                    if let Some((escaped, after)) = rest.split_first() {
                        right.push(*escaped);
                        rest = after;
                    }
                }
                b'"' => quoted = !quoted,
                b'<' if !quoted => {
                    let end = rest.iter().position(|byte| *byte == b'>')?;
                    let (target, after) = rest.split_at_checked(end)?;
                    match self.address(target) {
                        Some(other) => {
                            right.extend_from_slice(&other);
                            changed = true;
                        }
                        None => right.extend_from_slice(target),
                    }
                    rest = after;
                }
                _ => {}
            }
        }
        changed.then_some(right)
    }

    /// `name=value; Path=/; Domain=…`. `SameSite` stays as it is, and stays away where it is not said: browsers
    /// then take POSTs from other sites for a while, which some sign-ins live on.
    fn cookie(&self, written: &[u8]) -> Option<Vec<u8>> {
        let mut attributes = written.split(|byte| *byte == b';');
        let pair = attributes.next()?;
        // Such a cookie holds for all of its host, or the browser does not take it.
        let of_the_host = trim(pair).get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"__Host-"));
        let mut right = pair.to_vec();
        let (mut changed, mut secure) = (false, false);
        for attribute in attributes {
            let equals = attribute.iter().position(|byte| *byte == b'=').unwrap_or(attribute.len());
            let (name, value) = attribute.split_at_checked(equals)?;
            let value = trim(value.get(1..).unwrap_or_default());
            let name = trim(name);
            secure |= name.eq_ignore_ascii_case(b"secure");
            if name.eq_ignore_ascii_case(b"domain") && self.is_the_backends(value) {
                changed = true;
                continue;
            }
            right.push(b';');
            let path = match &self.mapping {
                Some(mapping) if name.eq_ignore_ascii_case(b"path") && !of_the_host => {
                    mapping.outward_for_cookies(value)
                }
                _ => None,
            };
            match path {
                Some(path) if value.first() == Some(&b'/') => {
                    right.extend_from_slice(b" Path=");
                    right.extend_from_slice(&path);
                    changed = true;
                }
                _ => right.extend_from_slice(attribute),
            }
        }
        if self.cookies_secure && !secure {
            right.extend_from_slice(b"; Secure");
            changed = true;
        }
        changed.then_some(right)
    }

    /// Whether a cookie is for the backend's own name, where no browser would send it to us.
    fn is_the_backends(&self, domain: &[u8]) -> bool {
        let domain = domain.strip_prefix(b".").unwrap_or(domain);
        let Ok(domain) = Host::parse(domain) else { return false };
        let (domain, typed) = (domain.name(), self.typed.name());
        let holds = typed.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        !holds
            && self
                .places
                .iter()
                .any(|place| *place.name == *domain || (domain == "localhost" && is_loopback(&place.name)))
    }
}

fn is_loopback(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `http://` or `https://`, in any case, and what follows it.
pub(super) fn scheme(written: &[u8]) -> Option<(bool, &[u8])> {
    let prefix = |wanted: &[u8]| {
        let (scheme, rest) = written.split_at_checked(wanted.len())?;
        scheme.eq_ignore_ascii_case(wanted).then_some(rest)
    };
    prefix(b"https://").map(|rest| (true, rest)).or_else(|| prefix(b"http://").map(|rest| (false, rest)))
}

/// Where the address of a `Refresh` begins.
fn refresh_target(written: &[u8]) -> Option<usize> {
    let mut rest = written.trim_ascii_start();
    while let [b'0'..=b'9' | b'.', after @ ..] = rest {
        rest = after;
    }
    rest = rest.trim_ascii_start();
    let [b';' | b',', after @ ..] = rest else { return None };
    rest = after.trim_ascii_start();
    let (word, after) = rest.split_at_checked(3)?;
    if !word.eq_ignore_ascii_case(b"url") {
        return None;
    }
    rest = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    if let [b'"' | b'\'', after @ ..] = rest {
        rest = after;
    }
    Some(written.len() - rest.len())
}

#[cfg(test)]
mod tests;
