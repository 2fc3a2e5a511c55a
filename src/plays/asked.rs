//! One imagined request, before anybody has looked at it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::base::address::{NetworkSet, Peer};
use crate::base::fault::Fault;
use crate::base::random::RequestId;
use crate::message::exchange::Secure;
use crate::message::{Head, Request, Street};

/// The visitor of a request that names none: an address that documents use (RFC 5737).
pub const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// Our own end of such a connection.
pub fn ours(secure: bool) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], if secure { 443 } else { 80 }))
}

/// The longest address that is taken; the corridor's own bound is a setting.
const TARGET_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Target {
    /// `None`: https, unless somebody says otherwise.
    pub scheme: Option<Scheme>,
    /// As typed, with its port; `None` where only a path is written.
    pub host: Option<Box<str>>,
    /// From the first slash on, exactly as it would be sent.
    pub path: Box<str>,
}

impl Target {
    /// `https://host/path`, `host/path` or `/path`; the error says what to write.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > TARGET_BYTES_MAX {
            return Err("it is longer than any address may be");
        }
        if text.is_empty() || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("write an address without spaces: `https://www.example/path`");
        }
        let (scheme, rest) = match text.split_once("://") {
            _ if text.starts_with('/') => (None, text),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some((scheme, _)) if !scheme.contains('/') => {
                return Err("addresses begin with `https://` or `http://`");
            }
            _ => (None, text),
        };
        if rest == "*" {
            return Ok(Self { scheme, host: None, path: "*".into() });
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if host.is_empty() && scheme.is_some() {
            return Err("write the host behind the scheme: `https://www.example/`");
        }
        if host.contains(['@', '#']) {
            return Err("the host stands alone: no user before it, and no `#`");
        }
        let path = match path.bytes().next() {
            None => "/".to_owned(),
            Some(b'?') => format!("/{path}"),
            Some(_) => path.to_owned(),
        };
        Ok(Self { scheme, host: (!host.is_empty()).then(|| host.into()), path: path.into() })
    }
}

/// A request that somebody might send.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub target: Target,
    pub version: Version,
    /// `None`: somebody.
    pub from: Option<IpAddr>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            method: Method::GET,
            target: Target::default(),
            version: Version::HTTP_11,
            from: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

impl Asked {
    pub fn from(&self) -> IpAddr {
        self.from.unwrap_or(SOMEBODY)
    }

    pub fn is_secure(&self) -> bool {
        self.target.scheme != Some(Scheme::Http)
    }

    /// How much is sent: the body that is written, or what a play says of one that nobody wants to read.
    pub fn body_bytes(&self) -> u64 {
        let said =
            self.headers.get(http::header::CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse().ok());
        said.unwrap_or(self.body.len() as u64)
    }

    /// As a person would name it.
    pub fn title(&self, host: &str) -> String {
        let scheme = if self.is_secure() { "https" } else { "http" };
        let host = self.target.host.as_deref().unwrap_or(host);
        format!("{} {scheme}://{host}{}", self.method, self.target.path)
    }

    /// The request as the corridor would read it: by the same reader, with the same refusals. `host` is for
    /// who wrote none.
    pub fn admit(&self, id: RequestId, host: &str, trusted: &NetworkSet) -> Result<Request, Fault> {
        let peer = Peer::new((self.from(), 40_000).into());
        let secure = self.is_secure();
        let mut headers = self.headers.clone();
        let typed = self.target.host.as_deref().unwrap_or(host);
        if !headers.contains_key(HOST)
            && let Ok(value) = HeaderValue::from_bytes(typed.as_bytes())
        {
            headers.insert(HOST, value);
        }
        if !self.body.is_empty() && !headers.contains_key(http::header::CONTENT_LENGTH) {
            headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        let second = self.version == Version::HTTP_2;
        let head = Head {
            method: self.method.clone(),
            target: Bytes::copy_from_slice(self.target.path.as_bytes()),
            authority: second.then(|| Bytes::copy_from_slice(typed.as_bytes())),
            scheme: second.then(|| Bytes::from_static(if secure { b"https" } else { b"http" })),
            protocol: None,
            version: self.version,
            headers,
        };
        let street = Street {
            peer,
            trusted: trusted.contains(peer.ip),
            local: ours(secure),
            secure: secure.then_some(Secure { name: None, certificate: None, protocol: "TLSv1.3" }),
        };
        Request::admit(id, head, &street).map_err(|refused| refused.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_nothing_in_them_is_repaired() {
        use Scheme::{Http, Https};
        for (text, scheme, host, path) in [
            ("https://www.example/a?b=c", Some(Https), Some("www.example"), "/a?b=c"),
            ("http://www.example:8080", Some(Http), Some("www.example:8080"), "/"),
            ("https://[2001:db8::1]/x", Some(Https), Some("[2001:db8::1]"), "/x"),
            ("www.example/%2e%2E/a//b", None, Some("www.example"), "/%2e%2E/a//b"),
            ("https://www.example?q", Some(Https), Some("www.example"), "/?q"),
            ("/only/a/path://x", None, None, "/only/a/path://x"),
            ("*", None, None, "*"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.scheme, target.host.as_deref(), &*target.path),
                (scheme, host, path),
                "{text}"
            );
        }
        for text in ["", "ftp://a/", "https:///x", "https://u@a/", "a b", "https://a#b/"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_corridor_refuses_is_refused() {
        let ask = |text: &str| {
            let asked = Asked { target: Target::parse(text).unwrap(), ..Asked::default() };
            asked.admit(RequestId::next(), "www.example", &NetworkSet::default()).map(|request| {
                (
                    request.secure,
                    request.host.name().to_owned(),
                    request.path.as_str().to_owned(),
                    request.port,
                )
            })
        };
        assert_eq!(ask("/a/../b"), Ok((true, "www.example".to_owned(), "/b".to_owned(), 443)));
        assert_eq!(ask("http://Old.example:81/"), Ok((false, "old.example".to_owned(), "/".to_owned(), 81)));
        assert!(ask("/../x").is_err());
        assert!(ask("https://www.example:x/").is_err());
    }
}
