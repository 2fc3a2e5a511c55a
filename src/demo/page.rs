//! What the old services have in common: a request taken apart the way a 2005 program would, and plain pages.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;

use crate::answer::escape_html;
use crate::message::{Arrival, Body, Departure};

/// Largest form an old service reads.
const FORM_BYTES_MAX: usize = 64 << 10;
/// Most fields in a form; none here has more than four.
const FORM_FIELDS_MAX: usize = 32;

const STYLE: &str = "body{font:14px Verdana,Arial,sans-serif;margin:0;color:#000;background:#fff}\
#head{background:#7b2d26;color:#fff;padding:8px 14px;font-size:20px}#head a{color:#fff;text-decoration:none}\
#nav{background:#eee;border-bottom:1px solid #bbb;padding:4px 14px}#nav a{margin-right:12px}\
#main{padding:10px 14px;max-width:56em}#foot{border-top:1px solid #bbb;color:#666;font-size:11px;margin:20px 14px;padding-top:4px}\
table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:3px 8px;text-align:left}th{background:#eee}\
pre{background:#f7f7f0;border:1px solid #ccc;padding:6px;overflow:auto}input,textarea{font:inherit}";

/// A request as an old service sees it.
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    body: Body,
}

impl Asked {
    /// Takes an arrival apart; what can't be read is answered at once.
    pub fn of(arrival: Arrival) -> Result<Self, Departure> {
        let head = arrival.head.map_err(|fault| {
            let status = StatusCode::from_u16(fault.cause.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let mut departure = plain(status, fault.cause.sentence());
            departure.close = true;
            departure
        })?;
        let target = String::from_utf8_lossy(&head.target);
        let path = target.split('?').next().unwrap_or("/").to_owned();
        Ok(Self { method: head.method, path, headers: head.headers, body: arrival.body })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads a posted form, all of it or nothing.
    pub async fn form(&mut self) -> Result<Form, Departure> {
        let mut bytes = Vec::new();
        let mut body = std::mem::take(&mut self.body);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(frame) = frame else {
                return Err(plain(StatusCode::BAD_REQUEST, "The form did not arrive in one piece."));
            };
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > FORM_BYTES_MAX {
                    let mut departure =
                        plain(StatusCode::PAYLOAD_TOO_LARGE, "This form takes 64 KB at most.");
                    departure.close = true;
                    return Err(departure);
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(Form::parse(&bytes))
    }

    /// Who this server believes it is talking to. Behind Doorward: a pseudonym that changes every day.
    pub fn visitor(&self) -> &str {
        self.header("x-forwarded-for").unwrap_or("nobody in particular")
    }
}

/// The fields of a form, in the order they were sent.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    fn parse(bytes: &[u8]) -> Self {
        let fields = bytes.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
        Self(
            fields
                .take(FORM_FIELDS_MAX)
                .map(|field| {
                    let mut halves = field.splitn(2, |byte| *byte == b'=');
                    let mut half = || unescape(halves.next().unwrap_or_default());
                    (half(), half())
                })
                .collect(),
        )
    }

    /// A field, trimmed, line ends made one kind, cut to a number of characters; empty when absent.
    pub fn field(&self, name: &str, characters_max: usize) -> String {
        let value = self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value);
        let value: String = value.replace("\r\n", "\n").trim().chars().take(characters_max).collect();
        value
    }
}

fn unescape(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'+', after) => (b' ', after),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', rest.get(1..).unwrap_or_default()),
            },
            (byte, after) => (byte, after),
        };
        out.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[allow(clippy::cast_possible_truncation)] // a hexadecimal digit fits
fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// One of the services, as its pages present it.
pub(super) struct Face {
    pub name: &'static str,
    pub home: &'static str,
    /// Links in the bar: address and words.
    pub bar: &'static [(&'static str, &'static str)],
}

/// A page in the clothes of its time. `inner` is HTML; everything else is escaped.
pub(super) fn page(face: &Face, asked: &Asked, status: StatusCode, title: &str, inner: &str) -> Departure {
    let mut text = String::with_capacity(inner.len() + 2048);
    let (name, home, title) = (face.name, face.home, escape_html(title));
    let _ = write!(
        text,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} - {name}</title><style>{STYLE}</style></head>\n<body><div id=\"head\"><a href=\"{home}\">{name}</a></div>\n<div id=\"nav\">"
    );
    for (address, words) in face.bar {
        let _ = write!(text, "<a href=\"{address}\">{words}</a>");
    }
    let _ = write!(
        text,
        "</div>\n<div id=\"main\"><h1>{title}</h1>\n{inner}\n</div>\n<div id=\"foot\">{name} 0.9.6. To this server you are {}.</div></body></html>\n",
        escape_html(asked.visitor())
    );
    answer(status, "text/html; charset=utf-8", text)
}

pub(super) fn plain(status: StatusCode, text: &str) -> Departure {
    answer(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

pub(super) fn not_found(face: &Face, asked: &Asked) -> Departure {
    page(face, asked, StatusCode::NOT_FOUND, "Not found", "<p>There is nothing at this address.</p>")
}

pub(super) fn not_allowed(allowed: &'static str) -> Departure {
    let mut departure = plain(StatusCode::METHOD_NOT_ALLOWED, "This page does not take this method.");
    departure.response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    departure
}

/// Redirect after post, so that a reload of the page does not post again.
pub(super) fn see_other(address: &str) -> Departure {
    let mut departure = plain(StatusCode::SEE_OTHER, "Done.");
    if let Ok(value) = HeaderValue::from_str(address) {
        departure.response.headers_mut().insert(LOCATION, value);
    }
    departure
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Departure {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let mut departure = Departure::answer(response);
    say_length(&mut departure);
    departure
}

/// Says the length of the body where it is known.
pub(super) fn say_length(departure: &mut Departure) {
    if let Some(length) = departure.response.body().length() {
        departure.response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// The answer to HEAD: all of the headers, none of the body.
pub(super) fn without_body(mut departure: Departure) -> Departure {
    *departure.response.body_mut() = Body::Empty;
    departure
}

#[cfg(test)]
pub(super) mod tests {
    use std::rc::Rc;

    use bytes::Bytes;

    use super::*;
    use crate::base::address::Peer;
    use crate::base::fault::Fault;
    use crate::message::{Door, Head, Pace, Street};

    pub(in crate::demo) fn street() -> Rc<Street> {
        Rc::new(Street { peer: Peer::unknown(), trusted: false, local: Street::UNKNOWN, secure: None })
    }

    pub(in crate::demo) fn arrival(
        method: &str,
        target: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Arrival {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Arrival {
            head: Ok(Head {
                method: method.parse().unwrap(),
                target: Bytes::copy_from_slice(target.as_bytes()),
                authority: None,
                scheme: None,
                protocol: None,
                version: http::Version::HTTP_11,
                headers: map,
            }),
            body: Body::full(body.to_owned()),
            hints: None,
            pace: Pace::default(),
        }
    }

    pub(in crate::demo) async fn ask<D: Door>(
        door: &Rc<D>,
        method: &str,
        target: &str,
        body: &str,
    ) -> Departure {
        Rc::clone(door).visit(&street(), arrival(method, target, &[], body)).await
    }

    pub(in crate::demo) async fn text(departure: Departure) -> String {
        let mut body = departure.response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame: Result<_, Fault> = frame;
            bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
        }
        String::from_utf8(bytes).unwrap()
    }

    pub(in crate::demo) fn header<'a>(departure: &'a Departure, name: &str) -> &'a str {
        departure.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        let form = Form::parse(b"a=1+2&b=%C3%A9%21&c&a=again&d=%zz%4&text=one%0D%0Atwo%0D%0A");
        assert_eq!(form.field("a", 99), "1 2");
        assert_eq!(form.field("b", 99), "\u{e9}!");
        assert_eq!(form.field("c", 99), "");
        assert_eq!(form.field("d", 99), "%zz%4");
        assert_eq!(form.field("text", 99), "one\ntwo");
        assert_eq!(form.field("text", 2), "on");
        assert_eq!(form.field("nothing", 9), "");
    }

    #[test]
    fn nothing_typed_becomes_markup() {
        assert_eq!(
            escape_html("<a href=\"x\" title='y'>&"),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;"
        );
    }

    #[tokio::test]
    async fn a_malformed_head_is_answered_with_its_cause() {
        let arrival = Arrival {
            head: Err(Fault::new(crate::base::cause::Cause::HeadTooLarge)),
            body: Body::Empty,
            hints: None,
            pace: Pace::default(),
        };
        let Err(departure) = Asked::of(arrival) else { panic!("a page for no request") };
        assert_eq!(departure.response.status(), 431);
        assert!(departure.close);
    }

    #[tokio::test]
    async fn a_form_larger_than_its_bound_is_refused() {
        let mut asked = Asked::of(arrival("POST", "/", &[], &"x".repeat(FORM_BYTES_MAX + 1))).ok().unwrap();
        let Err(departure) = asked.form().await else { panic!("taken") };
        assert_eq!(departure.response.status(), 413);
    }
}
