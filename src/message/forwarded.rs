//! What a trusted peer in front of us says of the visitor, and what we say of him to backends.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

use bytes::BytesMut;
use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers::{is_token, trim};
use super::{Host, Request};
use crate::base::address::ClientIp;
use crate::base::cause::Cause;
use crate::base::fault::Fault;

pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const X_FORWARDED_SSL: HeaderName = HeaderName::from_static("x-forwarded-ssl");

/// What a trusted peer says of the visitor; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub client: Option<ClientIp>,
    pub secure: Option<bool>,
    pub host: Option<Host>,
    pub port: Option<u16>,
}

/// Reads what a trusted peer says. It is one hop: of a list the last entry is its own, all before it are
/// claims of whoever stood in front of it. What can't be read is a fault, since the alternative is to take
/// the peer for the visitor. When it speaks both languages, `X-Forwarded-*` and `Forwarded`, they must say
/// the same: one of them may be the visitor's, passed on unread.
pub fn parse(headers: &HeaderMap) -> Result<Told, Fault> {
    let (x, standard) = (x_forwarded(headers)?, forwarded(headers)?);
    let mut told = match (x, standard) {
        (Some(x), Some(standard)) if x == standard => x,
        (Some(_), Some(_)) => return Err(bad("Forwarded and X-Forwarded-* contradict each other")),
        (Some(told), None) | (None, Some(told)) => told,
        (None, None) => Told::default(),
    };
    if let Some(value) = single(headers, &X_FORWARDED_PORT, "X-Forwarded-Port has more than one value")? {
        let port =
            number(value).filter(|port| *port > 0).ok_or_else(|| bad("X-Forwarded-Port is no port"))?;
        if told.host.as_ref().and_then(Host::port).is_some_and(|typed| typed != port) {
            return Err(bad("X-Forwarded-Port and X-Forwarded-Host contradict each other"));
        }
        told.port = Some(port);
    }
    Ok(told)
}

fn x_forwarded(headers: &HeaderMap) -> Result<Option<Told>, Fault> {
    let mut told = Told::default();
    if let Some(value) = headers.get_all(X_FORWARDED_FOR).iter().next_back() {
        let last = value.as_bytes().rsplit(|byte| *byte == b',').next().map(trim).unwrap_or_default();
        // The bare IPv6 address is this field's own custom; all else is written as in Forwarded.
        let bare = text(last).and_then(|last| last.parse::<Ipv6Addr>().ok());
        told.client = Some(match bare {
            Some(address) => ClientIp::new(address.into()),
            None => node(last).ok_or_else(|| bad("the last entry of X-Forwarded-For is no address"))?,
        });
    }
    if let Some(value) = single(headers, &X_FORWARDED_PROTO, "X-Forwarded-Proto has more than one value")? {
        told.secure = Some(scheme(value).ok_or_else(|| bad("X-Forwarded-Proto is neither http nor https"))?);
    }
    if let Some(value) = single(headers, &X_FORWARDED_HOST, "X-Forwarded-Host has more than one value")? {
        told.host = Some(Host::parse(value).map_err(|_| bad("X-Forwarded-Host is no host"))?);
    }
    Ok((told != Told::default()).then_some(told))
}

/// A field that has one value and is no list.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    more: &'static str,
) -> Result<Option<&'a [u8]>, Fault> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if !value.as_bytes().contains(&b',') => Ok(Some(trim(value.as_bytes()))),
        _ => Err(bad(more)),
    }
}

/// The last element of the last line, all of the line being well formed: a quote left open by a visitor
/// would otherwise swallow what the peer appended.
fn forwarded(headers: &HeaderMap) -> Result<Option<Told>, Fault> {
    let malformed = || bad("Forwarded is malformed");
    let Some(value) = headers.get_all(FORWARDED).iter().next_back() else { return Ok(None) };
    let mut rest = value.as_bytes();
    loop {
        let (element, after) = element(rest).ok_or_else(malformed)?;
        match after {
            Some(after) => rest = after,
            None => return if element == Told::default() { Err(malformed()) } else { Ok(Some(element)) },
        }
    }
}

/// Reads pairs up to a comma or the end; with what stands behind the comma, if there is one.
fn element(mut rest: &[u8]) -> Option<(Told, Option<&[u8]>)> {
    let mut told = Told::default();
    let mut by = false;
    loop {
        rest = trim(rest);
        // A pair may be left out (RFC 7239, 4).
        if !matches!(rest.first(), None | Some(b';' | b',')) {
            let split = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(split)?;
            let value;
            (value, rest) = value_of(after.strip_prefix(b"=")?)?;
            let value: &[u8] = &value;
            if name.eq_ignore_ascii_case(b"for") {
                set(&mut told.client, node(value)?)?;
            } else if name.eq_ignore_ascii_case(b"proto") {
                set(&mut told.secure, scheme(value)?)?;
            } else if name.eq_ignore_ascii_case(b"host") {
                set(&mut told.host, Host::parse(value).ok()?)?;
            } else if name.eq_ignore_ascii_case(b"by") {
                node(value)?;
                if std::mem::replace(&mut by, true) {
                    return None;
                }
            } else if name.is_empty() {
                return None;
            }
        }
        rest = trim(rest);
        match rest.split_first() {
            None => return Some((told, None)),
            Some((b',', after)) => return Some((told, Some(after))),
            Some((b';', after)) => rest = after,
            Some(_) => return None,
        }
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// A token, or a quoted string without its quotes.
fn value_of(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let split = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(split)?;
        return (!token.is_empty()).then(|| (token.to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((value, rest)),
            b'\\' => {
                let (quoted, after) = rest.split_first()?;
                value.push(*quoted);
                rest = after;
            }
            byte => value.push(*byte),
        }
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, `unknown`, `_hidden`: the last two are a visitor
/// without an address.
fn node(value: &[u8]) -> Option<ClientIp> {
    let value = text(value)?;
    let (name, port) = match value.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            (Ok(address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => match value.split_once(':') {
            Some((name, port)) => (Err(name), Some(port)),
            None => (Err(value), None),
        },
    };
    if port.is_some_and(|port| number(port.as_bytes()).is_none() && !is_obfuscated(port)) {
        return None;
    }
    match name {
        Ok(address) => Some(ClientIp::new(address.into())),
        Err(name) if name.eq_ignore_ascii_case("unknown") || is_obfuscated(name) => Some(ClientIp::unknown()),
        Err(name) => Some(ClientIp::new(IpAddr::V4(name.parse().ok()?))),
    }
}

fn is_obfuscated(name: &str) -> bool {
    name.strip_prefix('_').is_some_and(|rest| {
        !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    })
}

fn scheme(value: &[u8]) -> Option<bool> {
    if value.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else if value.eq_ignore_ascii_case(b"http") {
        Some(false)
    } else {
        None
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text(digits)?.parse().ok()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn bad(detail: &'static str) -> Fault {
    Fault::with(Cause::Malformed, detail)
}

/// What a backend is told of who asks, for what, and how: `X-Forwarded-For/-Proto/-Host/-Port/-Ssl` and
/// `Forwarded`, all from what was decided on. Without an address nothing is said of who.
#[derive(Clone, Debug)]
pub struct Introduction {
    address: Option<HeaderValue>,
    forwarded: Option<HeaderValue>,
    host: HeaderValue,
    port: HeaderValue,
    proto: &'static str,
    ssl: &'static str,
}

impl Introduction {
    pub fn new(request: &Request, address: Option<IpAddr>) -> Self {
        let (proto, ssl) = if request.secure { ("https", "on") } else { ("http", "off") };
        let typed = request.host.as_typed();
        // One buffer for all that has to be written; the values are slices of it. The host too: an
        // introduction may be kept, and a slice of the request would keep its cookies and all with it.
        let mut buffer = BytesMut::with_capacity(160 + 2 * typed.len());
        let mut value = |text: std::fmt::Arguments<'_>| {
            // Writing into a growing buffer can't fail, nor can a host or an address be no header value.
            let _ = buffer.write_fmt(text);
            HeaderValue::from_maybe_shared(buffer.split().freeze()).ok()
        };
        let host = value(format_args!("{typed}")).unwrap_or_else(|| request.host.header());
        let forwarded = match address {
            Some(IpAddr::V4(v4)) => value(format_args!("for={v4};host=\"{typed}\";proto={proto}")),
            Some(IpAddr::V6(v6)) => value(format_args!("for=\"[{v6}]\";host=\"{typed}\";proto={proto}")),
            None => value(format_args!("host=\"{typed}\";proto={proto}")),
        };
        let port = match request.port {
            443 => HeaderValue::from_static("443"),
            80 => HeaderValue::from_static("80"),
            port => HeaderValue::from(port),
        };
        Self {
            address: address.and_then(|address| value(format_args!("{address}"))),
            forwarded,
            host,
            port,
            proto,
            ssl,
        }
    }

    /// The host as it was typed.
    pub const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Puts it into a request's headers, in place of anything that stood there.
    pub fn put(&self, headers: &mut HeaderMap) {
        let mut told = |name: HeaderName, value: &Option<HeaderValue>| match value {
            Some(value) => set_field(headers, name, value.clone()),
            None => drop(headers.remove(name)),
        };
        told(X_FORWARDED_FOR, &self.address);
        told(FORWARDED, &self.forwarded);
        set_field(headers, X_FORWARDED_HOST, self.host.clone());
        set_field(headers, X_FORWARDED_PORT, self.port.clone());
        set_field(headers, X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
        set_field(headers, X_FORWARDED_SSL, HeaderValue::from_static(self.ssl));
    }
}

/// A map that is full (32,768 fields) keeps what it has; what a stranger said is not in it.
fn set_field(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let _ = headers.try_insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::headers::tests::map;

    fn ip(text: &str) -> ClientIp {
        ClientIp::new(text.parse().unwrap())
    }

    const FOR: &str = "x-forwarded-for";

    #[test]
    fn the_last_entry_is_the_peers_own() {
        let hidden = ClientIp::unknown();
        for (fields, client) in [
            (&[(FOR, "203.0.113.7")][..], ip("203.0.113.7")),
            (&[(FOR, "10.0.0.1, 203.0.113.7")], ip("203.0.113.7")),
            (&[(FOR, "rubbish \", 203.0.113.7 \t")], ip("203.0.113.7")),
            (&[(FOR, "10.0.0.1"), (FOR, "203.0.113.7")], ip("203.0.113.7")),
            (&[(FOR, "203.0.113.7:4711")], ip("203.0.113.7")),
            (&[(FOR, "2001:db8::7")], ip("2001:db8::7")),
            (&[(FOR, "[2001:db8::7]")], ip("2001:db8::7")),
            (&[(FOR, "[2001:db8::7]:4711")], ip("2001:db8::7")),
            (&[(FOR, "::ffff:203.0.113.7")], ip("203.0.113.7")),
            (&[(FOR, "unknown")], hidden),
            (&[("forwarded", "for=203.0.113.7")], ip("203.0.113.7")),
            (&[("forwarded", "For=\"203.0.113.7:4711\"")], ip("203.0.113.7")),
            (&[("forwarded", "for=\"[2001:db8::7]:4711\"")], ip("2001:db8::7")),
            (&[("forwarded", "for=\"[2001:db8::7]:_p\"")], ip("2001:db8::7")),
            (&[("forwarded", "for=\"\\2\\03.0.113.7\"")], ip("203.0.113.7")),
            (&[("forwarded", "for=10.0.0.1;by=_x , for=203.0.113.7; by=unknown")], ip("203.0.113.7")),
            (&[("forwarded", "for=\"a,b\""), ("forwarded", "for=203.0.113.7")], ip("203.0.113.7")),
            (&[("forwarded", "ext=\"a, for=10.0.0.1\";for=203.0.113.7")], ip("203.0.113.7")),
            (&[("forwarded", ",; for=203.0.113.7 ; ;")], ip("203.0.113.7")),
            (&[("forwarded", "for=_hidden")], hidden),
            (&[("forwarded", "for=unknown")], hidden),
            (&[("forwarded", "for=203.0.113.7"), (FOR, "203.0.113.7")], ip("203.0.113.7")),
        ] {
            let told = parse(&map(fields)).unwrap_or_else(|fault| panic!("{fields:?}: {fault}"));
            assert_eq!(told, Told { client: Some(client), ..Told::default() }, "{fields:?}");
        }
    }

    #[test]
    fn scheme_host_and_port_are_believed() {
        let told = parse(&map(&[
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-host", "Example.com:8443"),
            ("x-forwarded-port", "8443"),
        ]))
        .unwrap();
        assert_eq!((told.secure, told.port), (Some(true), Some(8_443)));
        assert_eq!(told.host.unwrap().as_typed(), "Example.com:8443");
        let told = parse(&map(&[("forwarded", "proto=http;host=\"[::1]:80\"")])).unwrap();
        assert_eq!((told.secure, told.host.unwrap().name()), (Some(false), "::1"));
        assert_eq!(parse(&map(&[("accept", "*/*")])).unwrap(), Told::default());
    }

    #[test]
    fn what_a_peer_garbles_is_a_fault() {
        for fields in [
            &[(FOR, "")][..],
            &[(FOR, "203.0.113.7,")],
            &[(FOR, "203.0.113.7, rubbish")],
            &[(FOR, "203.0.113.7"), (FOR, "")],
            &[(FOR, "203.0.113.07")],
            &[(FOR, "203.0.113.7:")],
            &[(FOR, "203.0.113.7:99999")],
            &[(FOR, "203.0.113")],
            &[(FOR, "fe80::1%eth0")],
            &[(FOR, "[::1")],
            &[(FOR, "[203.0.113.7]")],
            &[(FOR, "\"203.0.113.7\"")],
            &[("x-forwarded-proto", "")],
            &[("x-forwarded-proto", "ftp")],
            &[("x-forwarded-proto", "https, http")],
            &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")],
            &[("x-forwarded-host", "")],
            &[("x-forwarded-host", "a/b")],
            &[("x-forwarded-host", "a, b")],
            &[("x-forwarded-host", "a"), ("x-forwarded-host", "a")],
            &[("x-forwarded-port", "0")],
            &[("x-forwarded-port", "65536")],
            &[("x-forwarded-port", "+443")],
            &[("x-forwarded-port", "443, 443")],
            &[("x-forwarded-host", "a:1"), ("x-forwarded-port", "2")],
            &[("forwarded", "")],
            &[("forwarded", "for")],
            &[("forwarded", "for=")],
            &[("forwarded", "=203.0.113.7")],
            &[("forwarded", "for =203.0.113.7")],
            &[("forwarded", "for= 203.0.113.7")],
            &[("forwarded", "for=203.0.113.7:80")],
            &[("forwarded", "for=2001:db8::7")],
            &[("forwarded", "for=\"2001:db8::7\"")],
            &[("forwarded", "for=[2001:db8::7]")],
            &[("forwarded", "for=\"203.0.113.7")],
            &[("forwarded", "for=\"203.0.113.7\\")],
            &[("forwarded", "for=\"203.0.113.7\"x")],
            &[("forwarded", "for=203.0.113.7;for=203.0.113.8")],
            &[("forwarded", "for=203.0.113.7;proto=http;proto=https")],
            &[("forwarded", "for=203.0.113.7;by=_a;by=_b")],
            &[("forwarded", "for=203.0.113.7,")],
            &[("forwarded", "for=_")],
            &[("forwarded", "for=\"\"")],
            &[("forwarded", "proto=gopher")],
            &[("forwarded", "host=a/b")],
            &[("forwarded", "host=\"a b\"")],
            &[("forwarded", "for=\", for=203.0.113.7")],
            &[("forwarded", "ext=1")],
            &[("forwarded", "for=203.0.113.7"), (FOR, "203.0.113.8")],
            &[
                ("forwarded", "for=203.0.113.7;proto=http"),
                (FOR, "203.0.113.7"),
                ("x-forwarded-proto", "https"),
            ],
            &[("forwarded", "for=203.0.113.7;host=evil"), (FOR, "203.0.113.7")],
            &[("forwarded", "for=203.0.113.7"), (FOR, "203.0.113.7"), ("x-forwarded-host", "evil")],
        ] {
            match parse(&map(fields)) {
                Err(fault) => assert_eq!(fault.cause, Cause::Malformed, "{fields:?}"),
                Ok(told) => panic!("{fields:?} was taken as {told:?}"),
            }
        }
    }
}
