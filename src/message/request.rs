//! The one canonical request, and the door it comes through.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::exchange::{Head, Street};
use super::headers::{self, Marks};
use super::path::Query;
use super::{Host, SitePath, forwarded};
use crate::base::address::ClientIp;
use crate::base::cause::Cause;
use crate::base::fault::Fault;
use crate::base::random::RequestId;

/// What a visitor asks for, with one reading. The same whether it came by HTTP/1 or HTTP/2.
#[derive(Debug)]
pub struct Request {
    pub id: RequestId,
    /// As sent, but `GET` for the extended CONNECT that opens a `WebSocket` in HTTP/2.
    pub method: Method,
    pub version: Version,
    /// Whether the visitor speaks https: to us, or to a trusted peer in front of us.
    pub secure: bool,
    pub host: Host,
    /// The port the visitor means: typed, or told by a trusted peer, or the scheme's own.
    pub port: u16,
    pub path: SitePath,
    pub query: Option<Query>,
    /// What is left for the backend: nothing of the connection, no `Host`, nobody's word on who the visitor is.
    pub headers: HeaderMap,
    pub client: ClientIp,
    pub upgrade: Option<Upgrade>,
}

/// Another protocol that the visitor wants to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    pub protocol: HeaderValue,
    /// Asked for by extended CONNECT (RFC 8441): answered with 200, and there is no `Sec-WebSocket-Key`.
    pub extended: bool,
}

/// A request that was turned away at the door.
#[derive(Debug)]
pub struct Refused {
    pub fault: Fault,
    pub seen: Seen,
}

/// What is known of a refused request, for its answer and its line in the log.
#[derive(Debug)]
pub struct Seen {
    pub method: Method,
    /// As sent, in visible ASCII, cut where it is long; who writes it escapes quotes as his format asks.
    pub target: Box<str>,
    pub version: Version,
    pub host: Option<Host>,
    /// As sent; for `Accept` and `User-Agent` alone.
    pub headers: HeaderMap,
    pub client: ClientIp,
}

/// What the door finds out step by step.
struct Findings {
    secure: bool,
    client: ClientIp,
    host: Option<Host>,
}

struct Meaning {
    host: Host,
    port: u16,
    path: SitePath,
    query: Option<Query>,
    upgrade: Option<Upgrade>,
}

impl Request {
    /// Takes a head in, or refuses it. Nothing is repaired: what a strict reader would refuse, and what two
    /// readers would read in two ways, goes no further.
    pub fn admit(id: RequestId, mut head: Head, street: &Street) -> Result<Self, Box<Refused>> {
        let mut findings = Findings { secure: street.secure.is_some(), client: street.peer.ip, host: None };
        match read(&mut head, street, &mut findings) {
            Ok(Meaning { host, port, path, query, upgrade }) => Ok(Self {
                id,
                method: if head.protocol.is_some() { Method::GET } else { head.method },
                version: head.version,
                secure: findings.secure,
                host,
                port,
                path,
                query,
                headers: head.headers,
                client: findings.client,
                upgrade,
            }),
            Err(fault) => Err(Box::new(Refused {
                fault,
                seen: Seen {
                    method: head.method,
                    target: printable(&head.target),
                    version: head.version,
                    host: findings.host,
                    headers: head.headers,
                    client: findings.client,
                },
            })),
        }
    }

    /// What a backend is asked for: the path that was decided on and the query as it was sent. Costs no copy
    /// without a query.
    pub fn target_for_backend(&self) -> PathAndQuery {
        self.path.target_with(self.query.as_ref())
    }
}

fn read(head: &mut Head, street: &Street, findings: &mut Findings) -> Result<Meaning, Fault> {
    let second = head.version == Version::HTTP_2;
    // Read before the survey takes them away.
    let told = if street.trusted { forwarded::parse(&head.headers) } else { Ok(forwarded::Told::default()) };
    let marks = headers::survey(&mut head.headers, &head.method);

    if second {
        hold_to_second(&head.headers, marks)?;
    }
    let form = if second { form_of_second(head)? } else { form_of_first(head)? };
    let default_port = if form.secure.unwrap_or(findings.secure) { 443 } else { 80 };
    let mut host = one_host(&mut head.headers, form.authority, second, head.version, default_port)?;
    findings.host = Some(host.clone());
    if form.secure.is_some_and(|secure| secure != findings.secure) && !street.trusted {
        return Err(Fault::with(
            Cause::Misdirected,
            "the scheme of the target is not that of the connection",
        ));
    }

    let told = told?;
    findings.client = told.client.unwrap_or(findings.client);
    findings.secure = told.secure.or(form.secure).unwrap_or(findings.secure);
    if let Some(told) = told.host {
        host = told;
        findings.host = Some(host.clone());
    }
    let port = told.port.or(host.port()).unwrap_or(if findings.secure { 443 } else { 80 });

    let path = form.path.map_or_else(|| Ok(SitePath::asterisk()), SitePath::read)?;
    let query = form.query.map(Query::read).transpose()?;

    let mut upgrade = form.upgrade;
    if marks.has(Marks::CONTENT_LENGTH.and(Marks::TRANSFER_ENCODING)) {
        settle_framing(head, marks)?;
    }
    if marks.has(Marks::CONNECTION) {
        let connection = headers::obey_connection(&mut head.headers)?;
        if connection.upgrade && marks.has(Marks::UPGRADE) {
            upgrade = upgrade_of(head)?;
        }
    }
    if marks.has(Marks::COOKIE) {
        headers::settle_cookies(&mut head.headers, second)?;
    }
    if marks.has(Marks::SINGLE.and(Marks::AUTHORIZATION)) {
        headers::refuse_doubles(&head.headers)?;
    }
    if marks.has(Marks::EXPECT) && head.headers.contains_key(EXPECT) {
        headers::settle_expect(&mut head.headers, head.version != Version::HTTP_10)?;
    }
    headers::remove_read(&mut head.headers, marks);
    Ok(Meaning { host, port, path, query, upgrade })
}

/// What a target says, whatever its form.
struct Form {
    /// Where the target names the host itself.
    authority: Option<Host>,
    /// Where the target names the scheme itself.
    secure: Option<bool>,
    /// `None` for `*`.
    path: Option<Bytes>,
    query: Option<Bytes>,
    upgrade: Option<Upgrade>,
}

fn malformed(detail: &'static str) -> Fault {
    Fault::with(Cause::Malformed, detail)
}

/// RFC 9112, 3.2: origin, absolute, authority and asterisk form.
fn form_of_first(head: &Head) -> Result<Form, Fault> {
    if head.method == Method::CONNECT {
        return Err(Cause::NotImplemented.into());
    }
    let target = &head.target;
    match target.first() {
        Some(b'/') => {
            let (path, query) = split_query(target);
            Ok(Form { authority: None, secure: None, path: Some(path), query, upgrade: None })
        }
        Some(b'*') if target.len() == 1 && head.method == Method::OPTIONS => {
            Ok(Form { authority: None, secure: None, path: None, query: None, upgrade: None })
        }
        _ => absolute_form(head),
    }
}

fn absolute_form(head: &Head) -> Result<Form, Fault> {
    let target = &head.target;
    let no_form = || malformed("the target is neither a path nor an http address");
    let colon = target.windows(3).position(|three| three == b"://").ok_or_else(no_form)?;
    let secure = scheme(target.get(..colon).unwrap_or_default()).ok_or_else(no_form)?;
    let rest = target.slice(colon + 3..);
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let authority = Some(Host::of_authority(rest.slice(..end))?);
    let rest = rest.slice(end..);
    if rest.is_empty() && head.method == Method::OPTIONS {
        // How a proxy asks for `*` (RFC 9112, 3.2.4).
        return Ok(Form { authority, secure: Some(secure), path: None, query: None, upgrade: None });
    }
    let (path, query) = split_query(&rest);
    let path = if path.is_empty() { Bytes::from_static(b"/") } else { path };
    Ok(Form { authority, secure: Some(secure), path: Some(path), query, upgrade: None })
}

/// RFC 9113, 8.3.1 and RFC 8441.
fn form_of_second(head: &mut Head) -> Result<Form, Fault> {
    let connect = head.method == Method::CONNECT;
    let upgrade = match &head.protocol {
        Some(_) if !connect => return Err(malformed(":protocol without CONNECT")),
        Some(_) if head.headers.contains_key(CONTENT_LENGTH) => {
            return Err(malformed("a tunnel is asked for with a Content-Length"));
        }
        Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => {
            Some(Upgrade { protocol: HeaderValue::from_static("websocket"), extended: true })
        }
        None if !connect => None,
        _ => return Err(Cause::NotImplemented.into()),
    };
    let secure = match head.scheme.as_deref() {
        Some(sent) => Some(scheme(sent).ok_or_else(|| malformed(":scheme is neither http nor https"))?),
        // Who names the host in `Host` alone, as a gateway from HTTP/1 does: the library has seen that there
        // is a scheme, and tells it only beside an authority. It is the connection's.
        None if head.authority.is_none() => None,
        None => return Err(malformed(":scheme is missing")),
    };
    let authority = head.authority.clone().map(Host::of_authority).transpose()?;
    if head.target == "*" && head.method == Method::OPTIONS {
        return Ok(Form { authority, secure, path: None, query: None, upgrade });
    }
    if head.target.first() != Some(&b'/') {
        return Err(malformed(":path is missing or does not begin with a slash"));
    }
    let (path, query) = split_query(&head.target);
    Ok(Form { authority, secure, path: Some(path), query, upgrade })
}

fn scheme(sent: &[u8]) -> Option<bool> {
    if sent.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else if sent.eq_ignore_ascii_case(b"http") {
        Some(false)
    } else {
        None
    }
}

fn split_query(target: &Bytes) -> (Bytes, Option<Bytes>) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (target.slice(..at), Some(target.slice(at + 1..))),
        None => (target.clone(), None),
    }
}

/// The one host of a request. HTTP/1.1 must send `Host`, and says the same in an absolute target; HTTP/1.0
/// may say it in the target alone, HTTP/2 in either place.
fn one_host(
    headers: &mut HeaderMap,
    authority: Option<Host>,
    second: bool,
    version: Version,
    default_port: u16,
) -> Result<Host, Fault> {
    let bad = |detail: &'static str| Fault::with(Cause::BadHost, detail);
    let mut fields = headers.get_all(http::header::HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(_), Some(_)) => return Err(bad("the request carries more than one Host field")),
        (Some(field), None) => Some(Host::read(field.clone())?),
        (None, _) => None,
    };
    match (field, authority) {
        (None, None) => Err(bad("the request names no host")),
        (Some(field), None) => Ok(field),
        (None, Some(authority)) if second || version == Version::HTTP_10 => Ok(authority),
        (None, Some(_)) => Err(bad("the request carries no Host field")),
        (Some(field), Some(authority)) if field.same_place(&authority, default_port) => {
            Ok(if second { authority } else { field })
        }
        (Some(_), Some(_)) => Err(bad("the target and the Host field name different hosts")),
    }
}

/// RFC 9113, 8.2.1 and 8.2.2: what may not stand in a field of HTTP/2, since it was made for another protocol
/// or would be read in another way there.
fn hold_to_second(headers: &HeaderMap, marks: Marks) -> Result<(), Fault> {
    let connection = Marks::CONNECTION.and(Marks::TRANSFER_ENCODING).and(Marks::UPGRADE).and(Marks::HOP);
    if marks.has(connection) {
        return Err(malformed("an HTTP/2 request carries a field of HTTP/1 connections"));
    }
    if headers.get_all(TE).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        return Err(malformed("TE says something else than trailers in an HTTP/2 request"));
    }
    if headers::any_padded(headers) {
        return Err(malformed("a field of an HTTP/2 request begins or ends with white space"));
    }
    Ok(())
}

/// The front has settled how a body ends before it comes here; this holds for whoever calls.
fn settle_framing(head: &mut Head, marks: Marks) -> Result<(), Fault> {
    headers::settle_length(&mut head.headers)?;
    if marks.has(Marks::TRANSFER_ENCODING) && head.version == Version::HTTP_10 {
        return Err(Fault::with(Cause::Framing, "an HTTP/1.0 request carries Transfer-Encoding"));
    }
    Ok(())
}

/// The protocol of an `Upgrade` that we take on: exactly one is asked for, by HTTP/1.1, without a body.
/// All others are ignored, as RFC 9110, 7.8 allows, and go no further.
fn upgrade_of(head: &Head) -> Result<Option<Upgrade>, Fault> {
    let mut wanted = None;
    let mut count = 0;
    for value in head.headers.get_all(UPGRADE) {
        for protocol in headers::list(value) {
            if !protocol.iter().all(|byte| headers::is_token(*byte) || *byte == b'/') {
                return Err(malformed("Upgrade names no protocol"));
            }
            // HTTP and TLS themselves are settled by ALPN and ports, not in mid-connection.
            let lower = protocol.to_ascii_lowercase();
            if lower.starts_with(b"h2") || lower.starts_with(b"http/") || lower.starts_with(b"tls/") {
                continue;
            }
            count += 1;
            wanted = HeaderValue::from_bytes(protocol).ok();
        }
    }
    let body = head.headers.contains_key(TRANSFER_ENCODING)
        || head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if count != 1 || body || head.version != Version::HTTP_11 {
        return Ok(None);
    }
    Ok(wanted.map(|protocol| Upgrade { protocol, extended: false }))
}

/// A target that may hold anything, in visible ASCII: all else is written as `%1B`.
fn printable(target: &[u8]) -> Box<str> {
    const MOST: usize = 2_048;
    let mut text = String::with_capacity(target.len().min(MOST) + 8);
    for byte in target {
        if text.len() >= MOST {
            text.push_str("...");
            break;
        }
        if byte.is_ascii_graphic() {
            text.push(char::from(*byte));
        } else {
            let digit =
                |value: u8| char::from_digit(u32::from(value & 15), 16).unwrap_or('0').to_ascii_uppercase();
            text.extend(['%', digit(byte >> 4), digit(*byte)]);
        }
    }
    text.into()
}

#[cfg(test)]
mod tests;
