//! One visit on its way to its line. However the visit ends, the line is written when the ticket goes, and
//! only then.

use std::cell::Cell;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{REFERER, USER_AGENT};
use http::{HeaderMap, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::line::{Remark, Speaker, Visit};
use super::pen::Page;
use super::{Pen, Sheet, veil};
use crate::base::address::Anonymous;
use crate::base::cause::Cause;
use crate::base::clock::{Instant, now};
use crate::base::fault::Fault;
use crate::base::random::RequestId;
use crate::message::Body;
use crate::message::exchange::{Murmurs, TunnelRider};

/// What is kept of a request head; veiled before it is kept.
pub struct Asked<'a> {
    pub method: &'a str,
    /// The canonical path.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub version: Version,
    /// The host the visitor asked, without its port: tells the site's own referers from foreign ones.
    pub host: &'a str,
    pub headers: &'a HeaderMap,
}

/// Lines that the rules of one visit may write.
const REMARKS_MAX: u32 = 64;
/// The same for the program that answers.
const MURMURS_MAX: usize = 64;

pub struct Ticket {
    pen: Rc<Pen>,
    /// The site's.
    site: Sheet,
    /// The route's, where it has one.
    sheet: Sheet,
    /// What the names in its files' names stand for: a part of the text that is in no line.
    names: Range<usize>,
    id: RequestId,
    client: Anonymous,
    began: Instant,
    /// All veiled text of this visit; the ranges below are its parts.
    text: Vec<u8>,
    method: Range<usize>,
    target: Range<usize>,
    referer: Range<usize>,
    agent: Range<usize>,
    backend: Range<usize>,
    protocol: &'static str,
    /// Nought until an answer is chosen.
    status: u16,
    to_visitor: u64,
    from_visitor: u64,
    uploaded: Option<Rc<Cell<u64>>>,
    first_byte: Option<Duration>,
    fault: Option<Fault>,
    left: bool,
    tunnel: bool,
    /// Lines its rules wrote.
    remarks: u32,
    /// What the program that answers complains of.
    murmurs: Option<Murmurs>,
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "",
    }
}

impl Ticket {
    pub(super) fn new(pen: Rc<Pen>, id: RequestId, client: Anonymous) -> Self {
        Self {
            text: pen.buffer(),
            pen,
            site: Sheet::NOBODY,
            sheet: Sheet::NOBODY,
            names: 0..0,
            id,
            client,
            began: now(),
            method: 0..0,
            target: 0..0,
            referer: 0..0,
            agent: 0..0,
            backend: 0..0,
            protocol: "",
            status: 0,
            to_visitor: 0,
            from_visitor: 0,
            uploaded: None,
            first_byte: None,
            fault: None,
            left: false,
            tunnel: false,
            remarks: 0,
            murmurs: None,
        }
    }

    #[cfg(test)]
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// The request came by way of a trusted peer, which named another visitor.
    pub fn client(&mut self, client: Anonymous) {
        self.client = client;
    }

    /// The site that was asked; its log gets the line, unless a route with one of its own is found.
    pub fn site(&mut self, sheet: Sheet) {
        self.site = sheet;
        self.no_route();
    }

    /// The route has a log of its own, with files that are named by these values: keys of a table, never what a
    /// stranger made up.
    pub fn route<'n>(&mut self, sheet: Sheet, names: impl Iterator<Item = &'n str>) {
        self.sheet = sheet;
        self.names = self.part(|text| {
            for (at, name) in names.enumerate() {
                if at > 0 {
                    text.push(b'/');
                }
                text.extend_from_slice(name.as_bytes());
            }
        });
    }

    /// The visit belongs to no route with a log of its own, or to none any more.
    pub fn no_route(&mut self) {
        self.sheet = self.site;
        self.names = 0..0;
    }

    fn page<'t>(&self, text: &'t [u8]) -> Page<'t> {
        let names = text.get(self.names.clone()).and_then(|names| std::str::from_utf8(names).ok());
        Page { sheet: self.sheet, names: names.unwrap_or_default() }
    }

    pub fn asked(&mut self, asked: &Asked<'_>) {
        self.protocol = protocol(asked.version);
        self.method = self.part(|text| veil::escape(text, asked.method.as_bytes()));
        self.target =
            self.part(|text| veil::target(text, asked.path.as_bytes(), asked.query.map(str::as_bytes)));
        self.heard(asked.host, asked.headers);
    }

    /// A request that was refused before it had a meaning: what is known of it, as it was sent.
    pub fn garbled(
        &mut self,
        method: &str,
        target: &[u8],
        version: Option<Version>,
        headers: Option<&HeaderMap>,
    ) {
        self.protocol = version.map_or("", protocol);
        self.method =
            self.part(|text| veil::escape(text, method.as_bytes().get(..32).unwrap_or(method.as_bytes())));
        self.target = self.part(|text| veil::raw_target(text, target));
        if let Some(headers) = headers {
            self.heard("", headers);
        }
    }

    fn heard(&mut self, host: &str, headers: &HeaderMap) {
        if let Some(value) = headers.get(REFERER) {
            self.referer = self.part(|text| veil::referer(text, value.as_bytes(), host));
        }
        if let Some(value) = headers.get(USER_AGENT) {
            self.agent = self.part(|text| veil::agent(text, value.as_bytes()));
        }
    }

    fn part(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let from = self.text.len();
        write(&mut self.text);
        from..self.text.len()
    }

    /// The backend by its name. Of several that were tried the last one stays.
    pub fn backend(&mut self, name: &str) {
        self.backend = self.part(|text| veil::escape(text, name.as_bytes()));
    }

    /// The backend's answer begins.
    pub fn first_byte(&mut self) {
        self.first_byte = Some(now().duration_since(self.began));
    }

    /// What a rule says of this visit, up to so many times.
    pub fn remark(&mut self, text: &[u8]) {
        if self.remarks < REMARKS_MAX {
            self.remarks += 1;
            self.pen.remark(self.page(&self.text), &Remark { id: self.id, by: Speaker::Rule, text });
        }
    }

    /// Where the program that answers may complain: lines among the errors, when the visit ends.
    pub fn murmurs(&mut self) -> Murmurs {
        self.murmurs.get_or_insert_default().clone()
    }

    fn pass_murmurs_on(&mut self) {
        let heard = self.murmurs.take().map(|murmurs| murmurs.take()).unwrap_or_default();
        for line in heard.iter().take(MURMURS_MAX) {
            let remark = Remark { id: self.id, by: Speaker::Backend, text: line };
            self.pen.remark(self.page(&self.text), &remark);
        }
    }

    /// The answer that is sent.
    pub fn answered(&mut self, status: http::StatusCode) {
        self.status = status.as_u16();
    }

    /// What went wrong. The first fault stays: what follows is mostly its consequence.
    pub fn fault(&mut self, fault: &Fault) {
        if fault.cause == Cause::VisitorLeft {
            self.left = true;
        } else if self.fault.is_none() {
            self.fault = Some(fault.clone());
        }
    }

    /// The visitor left before the answer was complete.
    pub fn left(&mut self) {
        self.left = true;
    }

    /// Counts what the visitor sends in a body.
    pub fn upload(&mut self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let count = Rc::new(Cell::new(0));
        self.uploaded = Some(Rc::clone(&count));
        Body::stream(Upload { body, count })
    }

    /// Body bytes that did not pass by `upload` or `ride`.
    pub fn moved(&mut self, from_visitor: u64, to_visitor: u64) {
        self.from_visitor = self.from_visitor.saturating_add(from_visitor);
        self.to_visitor = self.to_visitor.saturating_add(to_visitor);
    }

    /// Ends the visit now. Dropping does the same; this says it aloud.
    pub fn finish(self) {}

    /// The ticket goes on with a tunnel; the visit ends when the tunnel is dropped.
    pub fn into_tunnel(mut self) -> TunnelTicket {
        self.tunnel = true;
        TunnelTicket(self)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pass_murmurs_on();
        let duration = now().saturating_duration_since(self.began);
        // The house closed over it: that is nobody's leaving either.
        if self.fault.is_none() && (self.status == 0 || self.left) && self.pen.is_shut() {
            self.left = false;
            self.fault = Some(Fault::with(Cause::Closing, "the house closed before the answer was complete"));
        }
        // A visit that panics takes its ticket down with it; that is nobody's leaving.
        if std::thread::panicking() && self.fault.is_none() {
            self.left = false;
            self.fault = Some(Fault::with(Cause::Internal, "a panic ended the visit"));
        }
        // Nobody chose an answer: the visit was given up because the visitor had gone.
        if self.status == 0 {
            self.left |= self.fault.is_none();
            self.status = self.fault.as_ref().map_or(Cause::VisitorLeft, |fault| fault.cause).status();
        }
        let uploaded = self.uploaded.as_ref().map_or(0, |count| count.get());
        let cause = match &self.fault {
            Some(fault) => Some(fault.cause),
            None => self.left.then_some(Cause::VisitorLeft),
        };
        // Leaving is a visitor's right: it has no line among the errors.
        let detail = self.fault.take().map(|fault| self.part(|text| veil::prose(text, fault.detail())));
        let text = std::mem::take(&mut self.text);
        let part = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
        let visit = Visit {
            id: self.id,
            client: self.client,
            method: part(&self.method),
            target: part(&self.target),
            protocol: self.protocol,
            status: self.status,
            to_visitor: self.to_visitor,
            from_visitor: self.from_visitor.saturating_add(uploaded),
            duration,
            first_byte: self.first_byte,
            backend: part(&self.backend),
            cause,
            left: self.left,
            referer: part(&self.referer),
            agent: part(&self.agent),
        };
        self.pen.write(self.page(&text), &visit, detail.as_ref().map(part), !self.tunnel);
        self.pen.take_back(text);
    }
}

/// Lets the ticket ride on an answer's body: it counts what is sent and goes when the body does. The line
/// says `left` when the body was dropped before its end, and the fault when the body broke.
pub fn ride(body: Body, ticket: Ticket) -> Body {
    if body.is_end_stream() {
        ticket.finish();
        return body;
    }
    Body::stream(Ride { body, ticket: Some(ticket) })
}

struct Ride {
    body: Body,
    /// Taken at the end of the body: what is dropped later is no visitor who left.
    ticket: Option<Ticket>,
}

impl HttpBody for Ride {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let ride = self.get_mut();
        let frame = ready!(Pin::new(&mut ride.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(ticket), Some(data)) = (&mut ride.ticket, frame.data_ref()) {
                    ticket.moved(0, data.len() as u64);
                }
                // Whoever knows the length never asks for a frame behind the last.
                if ride.body.is_end_stream() {
                    ride.ticket = None;
                }
            }
            Some(Err(fault)) => {
                if let Some(mut ticket) = ride.ticket.take() {
                    ticket.fault(fault);
                }
            }
            None => ride.ticket = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Ride {
    fn drop(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.left();
        }
    }
}

struct Upload {
    body: Body,
    count: Rc<Cell<u64>>,
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.count.set(self.count.get() + data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Rides on a tunnel. `moved` is told what passed since it was last told.
pub struct TunnelTicket(Ticket);

impl TunnelRider for TunnelTicket {
    fn moved(&mut self, to_backend: u64, to_visitor: u64) {
        self.0.moved(to_backend, to_visitor);
    }
}
