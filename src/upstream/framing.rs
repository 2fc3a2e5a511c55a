//! The framing of requests as they are sent and of answers as they come, where hyper is kinder than we are.

use http::header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;

use crate::message::{Body, headers};

/// Says the length of a body in exactly one way, whatever the headers said.
pub fn set_length(request: &mut Request<Body>) {
    // hyper writes a body of unknown length to HTTP/1.1 alone and would drop it in silence otherwise.
    *request.version_mut() = Version::HTTP_11;
    let length = request.body().length();
    let ended = request.body().is_end_stream();
    let expected = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let headers = request.headers_mut();
    match length {
        Some(0) if ended => {
            // Many old servers want a length with methods that usually have a body.
            if headers.contains_key(CONTENT_LENGTH) || expected {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            headers.remove(TRANSFER_ENCODING);
        }
        Some(length) => {
            headers.remove(TRANSFER_ENCODING);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

/// What may be done with an answer: `Ok(true)` when its connection can be used again.
pub fn admit(answer: &mut Parts, method: &Method, asked: Option<&HeaderValue>) -> Result<bool, &'static str> {
    if answer.status.as_u16() > 599 {
        return Err("it answers with a status above 599");
    }
    let mut again = answer.version == Version::HTTP_11;
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        let Some(asked) = asked else { return Err("it switches protocols without being asked") };
        let mut named = answer.headers.get_all(UPGRADE).iter();
        let fits = named.next().is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(asked.as_bytes()));
        if !fits || named.next().is_some() {
            return Err("it switches to a protocol that was not asked for");
        }
        answer.headers.remove(CONTENT_LENGTH);
        answer.headers.remove(TRANSFER_ENCODING);
        return Ok(false);
    }
    let bodiless = matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = content_length(&mut answer.headers)?;
    if answer.headers.contains_key(TRANSFER_ENCODING) {
        chunked_alone(&answer.headers)?;
        if answer.version != Version::HTTP_11 {
            return Err("it frames an HTTP/1.0 answer as HTTP/1.1 does");
        }
        answer.headers.remove(TRANSFER_ENCODING);
        // Both framings: chunks count, the length goes no further, and the connection is not trusted.
        again &= answer.headers.remove(CONTENT_LENGTH).is_none() && !bodiless && method != Method::HEAD;
    } else {
        match length {
            // A server that forgets that there is no body would answer the next request with it.
            Some(length) if bodiless || method == Method::HEAD => again &= length == 0,
            // Without a length the body ends with the connection.
            None => again &= bodiless || method == Method::HEAD,
            Some(_) => {}
        }
    }
    if answer.status == StatusCode::NO_CONTENT {
        answer.headers.remove(CONTENT_LENGTH);
    }
    Ok(again)
}

/// The one length an answer says; several equal ones become one.
pub fn content_length(headers: &mut HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut said = None;
    let mut times = 0;
    for value in headers.get_all(CONTENT_LENGTH) {
        for part in value.as_bytes().split(|byte| *byte == b',') {
            let digits = part.trim_ascii();
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err("its length is no number");
            }
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            let number = number.ok_or("its length is beyond all numbers")?;
            if said.is_some_and(|said| said != number) {
                return Err("it says two different lengths");
            }
            said = Some(number);
            times += 1;
        }
    }
    if let (Some(length), 2..) = (said, times) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(said)
}

fn chunked_alone(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err("its body is in a transfer coding other than chunked"),
    }
}

/// An interim answer from the lines it was read in; `None` where they make no sense, which hyper will say. It
/// is passed on outside the corridor, so it is cleaned here as answers are, and tells of no body.
pub fn interim(status: &[u8; 12], lines: &[u8]) -> Option<Response<()>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let (_, parsed) = match httparse::parse_headers(lines, &mut fields).ok()? {
        httparse::Status::Complete(parsed) => parsed,
        httparse::Status::Partial => return None,
    };
    let mut headers = HeaderMap::new();
    for field in parsed {
        headers.append(
            HeaderName::from_bytes(field.name.as_bytes()).ok()?,
            HeaderValue::from_bytes(field.value).ok()?,
        );
    }
    headers::clean_answer(&mut headers);
    for name in [CONTENT_LENGTH, TRAILER] {
        headers.remove(name);
    }
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_bytes(status.get(9..)?).ok()?;
    *answer.headers_mut() = headers;
    Some(answer)
}
