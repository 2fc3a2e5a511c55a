//! The request as the backend gets it, and the answer as the visitor gets it.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use aws_lc_rs::digest;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SET_COOKIE, UPGRADE,
};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use http_body::Body as _;

use super::World;
use super::meter;
use crate::base::address::{ClientIp, PseudonymKey};
use crate::base::cause::Cause;
use crate::base::clock;
use crate::base::fault::Fault;
use crate::base::{base64, random};
use crate::message::destination::DESTINATION;
use crate::message::forwarded::Introduction;
use crate::message::request::Upgrade;
use crate::message::{Aside, Body, Departure, Request, SitePath, Street, Tunnel, TunnelRider, headers};
use crate::plan::{Route, VisitorAddress};
use crate::record::Ticket;
use crate::rules::case::{Question, Url};
use crate::rules::{self, Way, doorplate};
use crate::script::{self, Script};
use crate::upstream::{Answer, Backend, Target};

/// What has to be remembered of a request while its backend has it.
pub struct Wish {
    upgrade: Option<Upgrade>,
    /// For an extended CONNECT, which brings none: the key we asked with.
    key: Option<HeaderValue>,
}

/// What was decided on, as it is sent: the canonical path, mapped as its route says, and the visitor's own headers.
/// Who speaks and how is written for each server that is asked: see `Bearer`.
pub fn compose(
    request: &mut Request,
    body: Body,
    way: &Way<'_>,
) -> Result<(http::Request<Body>, Wish), Fault> {
    let target = way.target(&request.path, request.query.as_ref())?;
    let mut errand = http::Request::new(body);
    *errand.method_mut() = request.method.clone();
    *errand.uri_mut() = Uri::from(target);
    *errand.headers_mut() = std::mem::take(&mut request.headers);
    way.prepare(errand.headers_mut());
    let upgrade = request.upgrade.clone();
    let key = upgrade.as_ref().and_then(|upgrade| ask_to_switch(errand.headers_mut(), upgrade));
    Ok((errand, Wish { upgrade, key }))
}

/// The same for what rules made of a request. `asked` is what the visitor's side decided: it says who he is, and
/// what he typed. Rules may not say it, nor how long the body is; they may take a wish for another protocol away,
/// and a `Host` of theirs goes before the backend's own.
pub fn compose_ruled(
    asked: &Request,
    question: Question,
    body: Body,
    way: &Way<'_>,
) -> Result<(http::Request<Body>, Wish), Fault> {
    let Question { method, url: Url::Canonical(target), mut headers, .. } = question else {
        return Err(Fault::with(Cause::Internal, "an address that nobody has read would be sent"));
    };
    let target = way.ruled_target(target)?;
    way.prepare(&mut headers);
    let upgrade = asked.upgrade.clone().filter(|_| headers.contains_key(UPGRADE));
    let host = headers.remove(HOST);
    headers::clean_ruled(&mut headers, &method);
    if body.is_end_stream() {
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    let key = upgrade.as_ref().and_then(|upgrade| ask_to_switch(&mut headers, upgrade));
    let mut errand = http::Request::new(body);
    *errand.method_mut() = method;
    *errand.uri_mut() = Uri::from(target);
    *errand.headers_mut() = headers;
    Ok((errand, Wish { upgrade, key }))
}

/// Introduces the visitor to whichever server gets his request.
pub struct Bearer<'a> {
    pub request: &'a Request,
    pub world: &'a World,
    pub introductions: &'a Introductions,
    /// Where a copy or a move goes to.
    pub destination: Option<&'a PathAndQuery>,
}

impl Bearer<'_> {
    /// Writes the `Host` that this server is told, and as much of the visitor as it may know. A `Host` that rules
    /// wrote stands among the headers.
    pub fn introduce(&self, backend: &Backend, headers: &mut HeaderMap) {
        let typed = self.request.host.header();
        let host = doorplate::host_sent(headers, typed, backend.host_header());
        if let Some(target) = self.destination {
            let tls = backend.config().tls.is_some();
            match rules::way::destination_told(tls, &host, target) {
                Some(told) => drop(headers.insert(DESTINATION, told)),
                None => drop(headers.remove(DESTINATION)),
            }
        }
        headers.insert(HOST, host);
        let (seen_as, key) = (backend.config().visitor_address, self.world.pseudonyms.load());
        self.introductions.of(self.request, seen_as, &key).put(headers);
    }
}

/// Where a request goes to a backend that runs scripts: finds the one that the path means below the route's folder,
/// the path being what is sent. What is no script has no page. Among files it was `found` already.
pub fn find_script(
    errand: &mut http::Request<Body>,
    target: &Target,
    (route, found): (Option<&Route>, Option<Script>),
    asked: &Request,
    street: &Street,
    ticket: &mut Ticket,
    seen: &script::Seen,
) -> Result<(), Fault> {
    if !target.runs_scripts() {
        return Ok(());
    }
    if let Some(script) = found {
        to_script(errand, script, asked, street, ticket);
        return Ok(());
    }
    let scripts = route.and_then(|route| route.scripts.as_ref()).ok_or_else(|| {
        Fault::with(
            Cause::RuleFault,
            "rules send this to a backend that runs scripts, and its route has no `.root`",
        )
    })?;
    let sent = errand.uri().path();
    let path = if sent == "*" { SitePath::asterisk() } else { SitePath::parse(sent.as_bytes())? };
    let script = script::resolve(scripts, &path, seen, clock::now())?;
    to_script(errand, script, asked, street, ticket);
    Ok(())
}

/// Lets a request carry the script that is to run for it.
pub fn to_script(
    errand: &mut http::Request<Body>,
    script: Script,
    asked: &Request,
    street: &Street,
    ticket: &mut Ticket,
) {
    *errand.version_mut() = asked.version;
    errand.extensions_mut().insert(script);
    errand.extensions_mut().insert(Aside { local: street.local, murmurs: ticket.murmurs() });
}

impl Wish {
    /// To an extended CONNECT any success says that a tunnel stands: a page would be taken for frames.
    pub fn takes_page_for_tunnel(&self, status: StatusCode) -> bool {
        status.is_success() && self.upgrade.as_ref().is_some_and(|upgrade| upgrade.extended)
    }
}

fn no_tunnel() -> Fault {
    Fault::with(Cause::Protocol, "the backend answered a WebSocket with a page")
}

/// How visitors were introduced lately: who asks once mostly asks again, and a pseudonym is a keyed hash.
/// One place for each of a few visitors; who comes later takes it over.
#[derive(Default)]
pub struct Introductions(RefCell<Vec<Option<Known>>>);

/// As many as the eight bits that choose one.
const PLACES: usize = 256;

struct Known {
    client: ClientIp,
    seen_as: VisitorAddress,
    /// The day of its pseudonym.
    day: u64,
    secure: bool,
    port: u16,
    introduction: Rc<Introduction>,
}

impl Introductions {
    fn of(&self, request: &Request, seen_as: VisitorAddress, key: &PseudonymKey) -> Rc<Introduction> {
        let mut places = self.0.borrow_mut();
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        let Some(place) = places.get_mut(place_of(request.client)) else {
            return Rc::new(Introduction::new(request, visible(request.client, seen_as, key)));
        };
        if let Some(known) = place
            && known.client == request.client
            && known.day == key.day()
            && known.seen_as == seen_as
            && (known.secure, known.port) == (request.secure, request.port)
            && known.introduction.host() == request.host.as_typed()
        {
            return Rc::clone(&known.introduction);
        }
        let introduction = Rc::new(Introduction::new(request, visible(request.client, seen_as, key)));
        *place = Some(Known {
            client: request.client,
            seen_as,
            day: key.day(),
            secure: request.secure,
            port: request.port,
            introduction: Rc::clone(&introduction),
        });
        introduction
    }
}

/// Neighbours get different places; whoever picks his address to share one only costs himself a hash.
fn place_of(client: ClientIp) -> usize {
    let bits = match client.expose() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => v6
            .segments()
            .iter()
            .fold(0_u64, |bits, part| bits.wrapping_mul(0x1_0001).wrapping_add(u64::from(*part))),
    };
    usize::try_from(bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).unwrap_or(0)
}

/// A visitor's address as a backend may see it.
fn visible(client: ClientIp, seen_as: VisitorAddress, key: &PseudonymKey) -> Option<IpAddr> {
    match seen_as {
        VisitorAddress::Pseudonym => Some(IpAddr::V6(client.pseudonym(key))),
        VisitorAddress::Cut => Some(client.anonymous().address()),
        VisitorAddress::Full => Some(client.expose()),
        VisitorAddress::None => None,
    }
}

fn ask_to_switch(headers: &mut HeaderMap, upgrade: &Upgrade) -> Option<HeaderValue> {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, upgrade.protocol.clone());
    if !upgrade.extended {
        return None;
    }
    // RFC 8441 has no key; the backend, which speaks HTTP/1, wants one.
    let key = HeaderValue::try_from(base64::encode(&random::bytes::<16>())).ok()?;
    headers.insert(SEC_WEBSOCKET_KEY, key.clone());
    Some(key)
}

/// What a server that has understood a WebSocket key answers it with (RFC 6455, 4.2.2).
fn accept_for(key: &HeaderValue) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::encode(context.finish().as_ref())
}

/// An answer begins: the record names who gave it.
pub fn answered(answer: &Answer, ticket: &mut Ticket) {
    if let Some(member) = &answer.by {
        ticket.backend(member.name());
    }
    ticket.first_byte();
}

/// The backend's answer, cleaned of what was meant for us alone, and put right.
pub fn bring_back(
    answer: Answer,
    wish: &Wish,
    time: &meter::Time,
    put_right: impl FnOnce(&mut Parts, Body) -> Body,
) -> Result<Departure, Fault> {
    let Answer { head, body, upgraded, cookie, .. } = answer;
    let (mut parts, ()) = head.into_parts();
    headers::clean_answer(&mut parts.headers);
    let body = put_right(&mut parts, body);
    if let Some(cookie) = cookie {
        parts.headers.append(SET_COOKIE, cookie);
    }
    let Some(far) = upgraded else {
        if wish.takes_page_for_tunnel(parts.status) {
            return Err(no_tunnel());
        }
        return Ok(Departure::answer(Response::from_parts(parts, time.limit(body))));
    };
    let Some(upgrade) = &wish.upgrade else {
        return Err(Fault::with(Cause::Protocol, "the backend switched protocols without being asked"));
    };
    if upgrade.extended {
        let accepted = parts.headers.remove(SEC_WEBSOCKET_ACCEPT);
        if wish.key.as_ref().map(accept_for).as_deref().map(str::as_bytes)
            != accepted.as_ref().map(HeaderValue::as_bytes)
        {
            return Err(Fault::with(Cause::Protocol, "the backend did not understand the WebSocket key"));
        }
        parts.status = StatusCode::OK;
    } else {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, upgrade.protocol.clone());
    }
    let tunnel = Tunnel { far, rider: Box::new(Unrecorded) };
    Ok(Departure { response: Response::from_parts(parts, Body::Empty), tunnel: Some(tunnel), close: true })
}

/// Stands in for the record until the visit signs out.
struct Unrecorded;

impl TunnelRider for Unrecorded {
    fn moved(&mut self, _to_backend: u64, _to_visitor: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::from_u16(status).unwrap();
        Answer::new(head, Body::full("page"), None)
    }

    #[test]
    fn a_page_is_never_taken_for_a_tunnel() {
        let time = meter::Time::begin(std::time::Duration::ZERO);
        let asked = |extended| Wish {
            upgrade: Some(Upgrade { protocol: HeaderValue::from_static("websocket"), extended }),
            key: None,
        };
        let cause = |status, wish: &Wish| {
            bring_back(answer(status), wish, &time, |_, body| body).err().map(|fault| fault.cause)
        };
        assert_eq!(cause(200, &asked(true)), Some(Cause::Protocol));
        assert_eq!(cause(403, &asked(true)), None);
        assert_eq!(cause(200, &asked(false)), None);
        assert_eq!(cause(200, &Wish { upgrade: None, key: None }), None);
    }

    #[test]
    fn the_key_of_the_standard_is_answered_as_the_standard_says() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_for(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
