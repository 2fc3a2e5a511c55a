//! The formats. What a line is made of was veiled and escaped before it came here.
//!
//! Combined is Apache's combined format to the last quote, so that every analyser reads it; what that
//! format has no place for follows behind as `key=value`.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use super::Format;
use crate::base::address::Anonymous;
use crate::base::amount::write_digits;
use crate::base::cause::Cause;
use crate::base::clock::Wall;
use crate::base::random::RequestId;

/// One visit, ready to be written. The slices are veiled text.
pub(super) struct Visit<'a> {
    pub id: RequestId,
    pub client: Anonymous,
    pub method: &'a [u8],
    pub target: &'a [u8],
    /// Empty when the request never said one.
    pub protocol: &'static str,
    pub status: u16,
    pub to_visitor: u64,
    pub from_visitor: u64,
    pub duration: Duration,
    pub first_byte: Option<Duration>,
    pub backend: &'a [u8],
    pub cause: Option<Cause>,
    /// The visitor left before the answer was complete.
    pub left: bool,
    pub referer: &'a [u8],
    pub agent: &'a [u8],
}

/// One fault, ready to be written.
pub(super) struct Trouble<'a> {
    pub id: RequestId,
    pub cause: Cause,
    pub status: u16,
    pub backend: &'a [u8],
    pub detail: &'a [u8],
}

/// Who has something to say of a visit.
#[derive(Clone, Copy)]
pub(super) enum Speaker {
    Rule,
    /// The program that answers it.
    Backend,
}

impl Speaker {
    const fn word(self) -> &'static str {
        match self {
            Speaker::Rule => "rule",
            Speaker::Backend => "program",
        }
    }
}

/// What somebody has to say of a visit.
pub(super) struct Remark<'a> {
    pub id: RequestId,
    pub by: Speaker,
    pub text: &'a [u8],
}

/// The time of day as the formats write it, made once a second.
pub(super) struct Stamp {
    second: u64,
    combined: Box<[u8]>,
    /// Up to the second: `2026-11-20T13:55:12`.
    iso: Box<[u8]>,
}

impl Stamp {
    pub fn new() -> Self {
        let mut stamp = Self { second: u64::MAX, combined: Box::default(), iso: Box::default() };
        stamp.set(Wall::from_seconds(0));
        stamp
    }

    pub fn set(&mut self, wall: Wall) {
        if self.second != wall.seconds {
            self.second = wall.seconds;
            self.combined = wall.log_date().into_bytes().into();
            let iso = wall.iso();
            self.iso = iso.as_bytes().get(..19).unwrap_or_default().into();
        }
    }

    fn iso(&self, into: &mut Vec<u8>, wall: Wall) {
        into.extend_from_slice(&self.iso);
        into.push(b'.');
        thousandths(into, wall.nanos / 1_000_000);
        into.push(b'Z');
    }
}

/// `site` is `None` where the file alone says it.
pub(super) fn visit(
    into: &mut Vec<u8>,
    format: Format,
    site: Option<&[u8]>,
    wall: Wall,
    stamp: &Stamp,
    visit: &Visit<'_>,
) {
    match format {
        Format::Combined => combined(into, site, stamp, visit),
        Format::Json => json(into, site, wall, stamp, visit),
    }
    into.push(b'\n');
}

fn combined(into: &mut Vec<u8>, site: Option<&[u8]>, stamp: &Stamp, visit: &Visit<'_>) {
    address(into, visit.client);
    into.extend_from_slice(b" - - [");
    into.extend_from_slice(&stamp.combined);
    into.extend_from_slice(b"] \"");
    if visit.method.is_empty() && visit.target.is_empty() {
        into.push(b'-');
    } else {
        into.extend_from_slice(or_dash(visit.method));
        into.push(b' ');
        into.extend_from_slice(or_dash(visit.target));
        if !visit.protocol.is_empty() {
            into.push(b' ');
            into.extend_from_slice(visit.protocol.as_bytes());
        }
    }
    into.extend_from_slice(b"\" ");
    write_digits(into, u64::from(visit.status));
    into.push(b' ');
    write_digits(into, visit.to_visitor);
    into.extend_from_slice(b" \"");
    into.extend_from_slice(or_dash(visit.referer));
    into.extend_from_slice(b"\" \"");
    into.extend_from_slice(or_dash(visit.agent));
    into.extend_from_slice(b"\" id=");
    into.extend_from_slice(&visit.id.letters());
    into.extend_from_slice(b" seconds=");
    seconds(into, visit.duration);
    if let Some(site) = site {
        into.extend_from_slice(b" site=");
        into.extend_from_slice(site);
    }
    if !visit.backend.is_empty() {
        into.extend_from_slice(b" backend=");
        into.extend_from_slice(visit.backend);
    }
    if let Some(first) = visit.first_byte {
        into.extend_from_slice(b" first_byte=");
        seconds(into, first);
    }
    if visit.from_visitor > 0 {
        into.extend_from_slice(b" received=");
        write_digits(into, visit.from_visitor);
    }
    if let Some(cause) = visit.cause {
        into.extend_from_slice(b" cause=");
        into.extend_from_slice(cause.name().as_bytes());
    }
    if visit.left {
        into.extend_from_slice(b" left=yes");
    }
}

fn json(into: &mut Vec<u8>, site: Option<&[u8]>, wall: Wall, stamp: &Stamp, visit: &Visit<'_>) {
    into.extend_from_slice(b"{\"time\":\"");
    stamp.iso(into, wall);
    into.extend_from_slice(b"\",\"id\":\"");
    into.extend_from_slice(&visit.id.letters());
    if let Some(site) = site {
        text(into, b"\",\"site\":\"", site);
    }
    into.extend_from_slice(b"\",\"client\":\"");
    address(into, visit.client);
    text(into, b"\",\"method\":\"", visit.method);
    text(into, b"\",\"target\":\"", visit.target);
    text(into, b"\",\"protocol\":\"", visit.protocol.as_bytes());
    text(into, b"\",\"referer\":\"", visit.referer);
    text(into, b"\",\"agent\":\"", visit.agent);
    text(into, b"\",\"backend\":\"", visit.backend);
    text(into, b"\",\"cause\":\"", visit.cause.map_or("", Cause::name).as_bytes());
    into.extend_from_slice(b"\",\"status\":");
    write_digits(into, u64::from(visit.status));
    into.extend_from_slice(b",\"sent\":");
    write_digits(into, visit.to_visitor);
    into.extend_from_slice(b",\"received\":");
    write_digits(into, visit.from_visitor);
    into.extend_from_slice(b",\"seconds\":");
    seconds(into, visit.duration);
    if let Some(first) = visit.first_byte {
        into.extend_from_slice(b",\"first_byte\":");
        seconds(into, first);
    }
    into.extend_from_slice(if visit.left { b",\"left\":true}" } else { b",\"left\":false}" });
}

/// A member of the object, left out when there is nothing to say; `key` closes the member before it.
fn text(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    if !value.is_empty() {
        into.extend_from_slice(key);
        into.extend_from_slice(value);
    }
}

pub(super) fn trouble(
    into: &mut Vec<u8>,
    format: Format,
    site: Option<&[u8]>,
    wall: Wall,
    stamp: &Stamp,
    trouble: &Trouble<'_>,
) {
    match format {
        Format::Combined => {
            stamp.iso(into, wall);
            into.extend_from_slice(b" id=");
            into.extend_from_slice(&trouble.id.letters());
            into.extend_from_slice(b" cause=");
            into.extend_from_slice(trouble.cause.name().as_bytes());
            into.extend_from_slice(b" status=");
            write_digits(into, u64::from(trouble.status));
            if let Some(site) = site {
                into.extend_from_slice(b" site=");
                into.extend_from_slice(site);
            }
            if !trouble.backend.is_empty() {
                into.extend_from_slice(b" backend=");
                into.extend_from_slice(trouble.backend);
            }
            into.extend_from_slice(b" detail=\"");
            into.extend_from_slice(trouble.detail);
            into.extend_from_slice(b"\"\n");
        }
        Format::Json => {
            into.extend_from_slice(b"{\"time\":\"");
            stamp.iso(into, wall);
            into.extend_from_slice(b"\",\"id\":\"");
            into.extend_from_slice(&trouble.id.letters());
            if let Some(site) = site {
                text(into, b"\",\"site\":\"", site);
            }
            text(into, b"\",\"cause\":\"", trouble.cause.name().as_bytes());
            text(into, b"\",\"backend\":\"", trouble.backend);
            text(into, b"\",\"detail\":\"", trouble.detail);
            into.extend_from_slice(b"\",\"status\":");
            write_digits(into, u64::from(trouble.status));
            into.extend_from_slice(b"}\n");
        }
    }
}

pub(super) fn remark(
    into: &mut Vec<u8>,
    format: Format,
    site: Option<&[u8]>,
    wall: Wall,
    stamp: &Stamp,
    remark: &Remark<'_>,
) {
    match format {
        Format::Combined => {
            stamp.iso(into, wall);
            into.extend_from_slice(b" id=");
            into.extend_from_slice(&remark.id.letters());
            if let Some(site) = site {
                into.extend_from_slice(b" site=");
                into.extend_from_slice(site);
            }
            into.push(b' ');
            into.extend_from_slice(remark.by.word().as_bytes());
            into.extend_from_slice(b"=\"");
            into.extend_from_slice(remark.text);
            into.extend_from_slice(b"\"\n");
        }
        Format::Json => {
            into.extend_from_slice(b"{\"time\":\"");
            stamp.iso(into, wall);
            into.extend_from_slice(b"\",\"id\":\"");
            into.extend_from_slice(&remark.id.letters());
            if let Some(site) = site {
                text(into, b"\",\"site\":\"", site);
            }
            into.extend_from_slice(b"\",\"");
            into.extend_from_slice(remark.by.word().as_bytes());
            into.extend_from_slice(b"\":\"");
            into.extend_from_slice(remark.text);
            into.extend_from_slice(b"\"}\n");
        }
    }
}

fn or_dash(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"-" } else { text }
}

fn address(into: &mut Vec<u8>, client: Anonymous) {
    match client.address() {
        IpAddr::V4(v4) => {
            for (at, octet) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    into.push(b'.');
                }
                write_digits(into, u64::from(octet));
            }
        }
        // Writing to a Vec can't fail.
        IpAddr::V6(v6) => write!(into, "{v6}").unwrap_or_default(),
    }
}

fn thousandths(into: &mut Vec<u8>, value: u32) {
    for digit in [value / 100 % 10, value / 10 % 10, value % 10] {
        into.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// Seconds to the microsecond.
fn seconds(into: &mut Vec<u8>, duration: Duration) {
    write_digits(into, duration.as_secs());
    into.push(b'.');
    let micros = duration.subsec_micros();
    thousandths(into, micros / 1_000);
    thousandths(into, micros % 1_000);
}
