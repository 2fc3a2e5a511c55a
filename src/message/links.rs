//! Links in pages on their way to the visitor: `http://` ones to ourselves, and those that name the backend, become
//! the visitor's own. Streaming: what is read is written on at once, but for a tag that is not whole yet.
//!
//! Only whole pages of HTML that nobody has compressed. The rest of a page that can't be read on passes as it is.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Body as HttpBody, Frame};
use lol_html::html_content::Element;
use lol_html::{AsciiCompatibleEncoding, HtmlRewriter, MemorySettings, Settings, element};

use super::Body;
use super::homeward::Homeward;
use crate::base::fault::Fault;

/// What one page may take of memory on its way: a tag that is not whole yet, and the elements that are open. What
/// follows a tag that is longer (some carry a whole picture) passes as it is.
const MEMORY_BYTES_MAX: usize = 256 << 10;

/// Attributes that hold one address each.
const ADDRESSES: &[&str] = &[
    "href",
    "src",
    "action",
    "formaction",
    "poster",
    "data",
    "background",
    "longdesc",
    "cite",
    "xlink:href",
];
/// Attributes that hold several, each with a size behind it.
const SETS: &[&str] = &["srcset", "imagesrcset"];
/// Elements that have them. Tags of all others pass unread.
const ELEMENTS: &str = "a, area, audio, base, blockquote, body, button, del, embed, form, frame, iframe, image, \
    img, input, ins, link, meta, object, q, script, source, table, td, th, track, use, video";

/// Says what a page was before it was changed.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Lets the links of a page be put right while it passes.
pub fn put_right(parts: &mut Parts, body: Body, homeward: impl FnOnce() -> Homeward) -> Body {
    if parts.status == StatusCode::NOT_MODIFIED {
        // It speaks of a page that was changed on its way.
        weaken(&mut parts.headers);
        return body;
    }
    if parts.status == StatusCode::PARTIAL_CONTENT || !is_plain_html(&parts.headers) {
        return body;
    }
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(ACCEPT_RANGES);
    for digest in DIGESTS {
        parts.headers.remove(digest);
    }
    weaken(&mut parts.headers);
    if body.is_end_stream() { body } else { Body::stream(Page::new(body, homeward())) }
}

/// HTML in an encoding in which a tag is written as in ASCII, and not compressed.
fn is_plain_html(headers: &HeaderMap) -> bool {
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return false;
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(written), None) = (types.next(), types.next()) else { return false };
    let Ok(written) = written.to_str() else { return false };
    let mut parameters = written.split(';').map(str::trim);
    if !parameters.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html")) {
        return false;
    }
    parameters.all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return true };
        let value = value.trim_matches('"').to_ascii_lowercase();
        !name.trim().eq_ignore_ascii_case("charset")
            || !["utf-16", "utf-32", "utf-7", "iso-2022", "hz-gb", "ucs-2"]
                .iter()
                .any(|odd| value.starts_with(odd))
    })
}

fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) else { return };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}

/// What the rewriter has written and nobody has taken yet.
type Written = Rc<RefCell<BytesMut>>;
type Sink = Box<dyn FnMut(&[u8])>;
type Rewriter = HtmlRewriter<'static, Sink>;

/// A page with its links put right.
struct Page {
    body: Body,
    /// `None`: what comes is not looked at any more.
    rewriter: Option<Box<Rewriter>>,
    written: Written,
    /// What comes behind the page, or instead of its end.
    last: Option<Result<Frame<Bytes>, Fault>>,
    over: bool,
}

impl Page {
    fn new(body: Body, homeward: Homeward) -> Self {
        let written = Written::default();
        let sink = Rc::clone(&written);
        // Each of its letters is one byte, and each byte a letter: whatever a page is written in, what is not
        // changed comes out as it went in.
        let encoding = AsciiCompatibleEncoding::new(encoding_rs::WINDOWS_1252);
        let memory = MemorySettings::new()
            .with_max_allowed_memory_usage(MEMORY_BYTES_MAX)
            .with_graceful_bail_out_on_memory_limit_exceeded(true);
        let settings = Settings::new()
            .append_element_content_handler(element!(ELEMENTS, move |tag| {
                put_tag_right(tag, &homeward);
                Ok(())
            }))
            .with_encoding(encoding.unwrap_or_else(AsciiCompatibleEncoding::utf_8))
            .with_memory_settings(memory)
            // Old pages are not well-formed.
            .with_strict(false)
            .with_graceful_bail_out_on_content_handler_error(true);
        let sink: Sink = Box::new(move |bytes: &[u8]| sink.borrow_mut().extend_from_slice(bytes));
        Self {
            body,
            rewriter: Some(Box::new(HtmlRewriter::new(settings, sink))),
            written,
            last: None,
            over: false,
        }
    }

    /// A tag that is not whole is written too: it was the visitor's.
    fn end(&mut self, last: Option<Result<Frame<Bytes>, Fault>>) {
        if let Some(rewriter) = self.rewriter.take() {
            let _ = rewriter.end();
        }
        self.last = last;
        self.over = true;
    }

    fn take(&self) -> Option<Frame<Bytes>> {
        let mut written = self.written.borrow_mut();
        (!written.is_empty()).then(|| Frame::data(written.split().freeze()))
    }
}

fn put_tag_right<H: lol_html::HandlerTypes>(tag: &mut Element<'_, '_, H>, homeward: &Homeward) {
    let mut changes: Vec<(String, String)> = Vec::new();
    for attribute in tag.attributes() {
        let name = attribute.name();
        let right = if ADDRESSES.contains(&&*name) {
            address(&attribute.value(), homeward)
        } else if SETS.contains(&&*name) {
            set(&attribute.value(), homeward)
        } else {
            None
        };
        changes.extend(right.map(|right| (name, right)));
    }
    if tag.tag_name() == "meta"
        && tag.get_attribute("http-equiv").is_some_and(|kind| kind.trim().eq_ignore_ascii_case("refresh"))
        && let Some(right) = tag.get_attribute("content").and_then(|content| homeward.refresh_text(&content))
    {
        changes.push(("content".to_owned(), right));
    }
    for (name, right) in changes {
        // A name that was read can be written.
        let _ = tag.set_attribute(&name, &right);
    }
}

/// One address, as browsers read it: without the white space around it.
fn address(written: &str, homeward: &Homeward) -> Option<String> {
    let right = homeward.address(written.trim_ascii().as_bytes())?;
    String::from_utf8(right).ok()
}

/// `a.png 1x, b.png 2x`
fn set(written: &str, homeward: &Homeward) -> Option<String> {
    let mut changed = false;
    let mut right = String::with_capacity(written.len() + 16);
    let mut rest = written;
    loop {
        // An address ends at white space; commas end it where they stand last, and belong to it elsewhere.
        let start = rest.find(|c: char| !c.is_ascii_whitespace() && c != ',').unwrap_or(rest.len());
        let (before, after) = rest.split_at(start);
        right.push_str(before);
        if after.is_empty() {
            return changed.then_some(right);
        }
        let end = after.find(|c: char| c.is_ascii_whitespace()).unwrap_or(after.len());
        let (word, behind) = after.split_at(end);
        let target = word.trim_end_matches(',');
        match homeward.address(target.as_bytes()).and_then(|right| String::from_utf8(right).ok()) {
            Some(other) => {
                right.push_str(&other);
                changed = true;
            }
            None => right.push_str(target),
        }
        right.push_str(word.get(target.len()..).unwrap_or_default());
        // What says its size reaches to the next comma.
        let size = if word.len() > target.len() { 0 } else { behind.find(',').unwrap_or(behind.len()) };
        let (size, next) = behind.split_at(size);
        right.push_str(size);
        rest = next;
    }
}

impl HttpBody for Page {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let page = self.get_mut();
        loop {
            if let Some(frame) = page.take() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if page.over {
                return Poll::Ready(page.last.take());
            }
            match ready!(Pin::new(&mut page.body).poll_frame(cx)) {
                Some(Ok(frame)) if page.rewriter.is_none() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        // On its way out it has written all that it had read, as it was.
                        if page.rewriter.as_mut().is_some_and(|rewriter| rewriter.write(&data).is_err()) {
                            page.rewriter = None;
                        }
                    }
                    Err(trailers) => page.end(Some(Ok(trailers))),
                },
                Some(Err(fault)) => page.end(Some(Err(fault))),
                None => page.end(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over && self.last.is_none() && self.written.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests;
