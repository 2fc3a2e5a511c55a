//! An ordinary form is read whole before its backend is asked: an old server has few processes, and none of them
//! should wait for somebody who types by modem. What is large or of unknown kind (uploads, Subversion) streams.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::buffers::{Buffers, Share};
use super::meter::Time;
use crate::base::fault::Fault;
use crate::message::{Body, Hints, Request};
use crate::plan::{Route, Serves};

/// How much of a request's body is read before its backend is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collecting(u64);

impl Collecting {
    /// What a route says of it. Other protocols than the web's stream, and what becomes a tunnel has no form.
    pub fn on(route: Option<&Route>, request: &Request) -> Self {
        let most = route.filter(|route| route.serves == Serves::Web).map_or(0, |route| route.collect_max);
        Self(if request.upgrade.is_none() { most } else { 0 })
    }

    /// Whether this body is one to wait for: short by what it says, or without a length and of a kind that people
    /// fill in. A stream of anything else may be a conversation, in which the backend has the next word.
    pub fn takes(self, body: &Body, headers: &HeaderMap) -> bool {
        matches!(body, Body::Stream(_))
            && self.0 > 0
            && !body.is_end_stream()
            && body.length().map_or_else(|| is_form(headers), |length| length <= self.0)
    }

    /// The body, collected where it is one to wait for, in the time that the visit has.
    pub async fn collect(
        self,
        body: Body,
        headers: &mut HeaderMap,
        hints: Option<&Hints>,
        time: &Time,
        buffers: &Arc<Buffers>,
    ) -> Result<Body, Fault> {
        if !self.takes(&body, headers) {
            return Ok(body);
        }
        // In a box: most requests have no body, and need no room for this.
        let reading = Box::pin(self.read(body, headers, hints, buffers));
        time.within(pin!(reading)).await
    }

    /// All of it; what turns out to be longer streams from there on, and so does one for which no memory is left. A
    /// visitor who waits for leave to send it gets that here, and no backend needs to give it.
    async fn read(
        self,
        mut body: Body,
        headers: &mut HeaderMap,
        hints: Option<&Hints>,
        buffers: &Arc<Buffers>,
    ) -> Result<Body, Fault> {
        let Some(share) = buffers.take(body.length().unwrap_or(self.0)) else { return Ok(body) };
        if headers.remove(EXPECT).is_some()
            && let Some(hints) = hints
        {
            let mut go_on = Response::new(());
            *go_on.status_mut() = StatusCode::CONTINUE;
            hints.send(go_on);
        }
        let mut form = Vec::new();
        let mut stream = pin!(&mut body);
        loop {
            let Some(frame) = std::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)).await else {
                return Ok(whole(form, share));
            };
            match frame?.into_data() {
                Ok(data) => {
                    if form.is_empty() && stream.is_end_stream() {
                        // It came in one piece, as most do: nothing to copy.
                        return Ok(Body::full(data));
                    }
                    if (form.len() + data.len()) as u64 > share.bytes() {
                        let ahead = VecDeque::from([Frame::data(share.around(form)), Frame::data(data)]);
                        return Ok(Body::stream(Begun { ahead, rest: body }));
                    }
                    form.extend_from_slice(&data);
                }
                Err(trailers) => {
                    let ahead = VecDeque::from([Frame::data(share.around(form)), trailers]);
                    return Ok(Body::stream(Begun { ahead, rest: Body::Empty }));
                }
            }
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*kind, "application/x-www-form-urlencoded" | "multipart/form-data" | "application/json")
        || kind.starts_with("text/")
}

fn whole(form: Vec<u8>, share: Share) -> Body {
    if form.is_empty() { Body::Empty } else { Body::full(share.around(form)) }
}

/// A body of which something was read already.
struct Begun {
    ahead: VecDeque<Frame<Bytes>>,
    rest: Body,
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead: usize = self.ahead.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        // What has trailers can't say its length beforehand: it would be sent without them.
        let trailers = self.ahead.iter().any(Frame::is_trailers);
        if let Some(upper) = rest.upper().filter(|_| !trailers) {
            hint.set_upper(upper.saturating_add(ahead as u64));
        }
        hint.set_lower(rest.lower().saturating_add(ahead as u64));
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cause::Cause;

    /// A body in these pieces, of a length that is told or not.
    struct Pieces {
        frames: VecDeque<Result<Frame<Bytes>, Fault>>,
        told: Option<u64>,
    }

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            Poll::Ready(self.frames.pop_front())
        }

        fn is_end_stream(&self) -> bool {
            self.told.is_some() && self.frames.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            self.told.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    fn body(pieces: &[&'static str], told: bool) -> Body {
        let told = told.then(|| pieces.iter().map(|piece| piece.len() as u64).sum());
        let frames =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
        Body::stream(Pieces { frames, told })
    }

    async fn read(mut body: Body) -> (String, usize, bool) {
        let (mut text, mut frames, mut trailers) = (String::new(), 0, false);
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            frames += 1;
            match frame.unwrap().into_data() {
                Ok(data) => text.push_str(std::str::from_utf8(&data).unwrap()),
                Err(_) => trailers = true,
            }
        }
        (text, frames, trailers)
    }

    #[tokio::test]
    async fn a_form_is_whole_and_what_is_longer_streams() {
        let buffers = Arc::new(Buffers::new(1_000));
        let collect = |body: Body, most| {
            let buffers = Arc::clone(&buffers);
            async move { Collecting(most).read(body, &mut HeaderMap::new(), None, &buffers).await.unwrap() }
        };
        for (pieces, told) in [(&["one"][..], true), (&["a", "b", "cd"], true), (&["a", "b", "cd"], false)] {
            let got = collect(body(pieces, told), 10).await;
            assert!(
                matches!(&got, Body::Full(whole) if whole[..] == *pieces.concat().as_bytes()),
                "{pieces:?}"
            );
        }
        assert!(matches!(collect(body(&[], false), 10).await, Body::Empty));
        assert_eq!(buffers.used(), 0);
        // Of no told length and longer than the bound: nothing is lost, nothing is held twice.
        let long = collect(body(&["12345678", "9abc", "def"], false), 10).await;
        assert!(long.length().is_none() && buffers.used() == 8);
        assert_eq!(read(long).await, ("123456789abcdef".into(), 3, false));
        assert_eq!(buffers.used(), 0);
        // Where no memory is left the form streams as it always did.
        let taken = buffers.take(995).unwrap();
        assert_eq!(
            read(collect(body(&["1234", "5678"], true), 10).await).await,
            ("12345678".into(), 2, false)
        );
        drop(taken);
    }

    #[tokio::test]
    async fn trailers_and_faults_stay_what_they_are() {
        let buffers = Arc::new(Buffers::new(1_000));
        let mut with = Pieces { frames: VecDeque::new(), told: None };
        with.frames.push_back(Ok(Frame::data(Bytes::from_static(b"form"))));
        with.frames.push_back(Ok(Frame::trailers(HeaderMap::new())));
        let mut headers = HeaderMap::new();
        let got = Collecting(10).read(Body::stream(with), &mut headers, None, &buffers).await.unwrap();
        assert!(got.length().is_none());
        assert_eq!(read(got).await, ("form".into(), 2, true));
        let mut broken = Pieces { frames: VecDeque::new(), told: None };
        broken.frames.push_back(Ok(Frame::data(Bytes::from_static(b"fo"))));
        broken.frames.push_back(Err(Cause::BodyTimeout.into()));
        let got = Collecting(10).read(Body::stream(broken), &mut headers, None, &buffers).await;
        assert_eq!(got.err().map(|fault| fault.cause), Some(Cause::BodyTimeout));
        assert_eq!(buffers.used(), 0);
    }

    #[tokio::test]
    async fn who_waits_to_be_told_goes_on() {
        let buffers = Arc::new(Buffers::new(1_000));
        let hints = Hints::default();
        let mut headers = HeaderMap::new();
        headers.insert(EXPECT, http::HeaderValue::from_static("100-continue"));
        let form = body(&["form"], true);
        Collecting(10).read(form, &mut headers, Some(&hints), &buffers).await.unwrap();
        assert!(headers.is_empty());
        let told = std::future::poll_fn(|cx| hints.poll_next(cx)).await;
        assert_eq!(told.status(), StatusCode::CONTINUE);
    }

    #[test]
    fn what_is_long_is_not_waited_for() {
        for (text, told, kind, most, takes) in [
            ("12345", true, "image/png", 5, true),
            ("123456", true, "text/plain", 5, false),
            ("123456", false, "Text/Plain; charset=utf-8", 5, true),
            ("123456", false, "application/x-www-form-urlencoded", 5, true),
            ("1", false, "multipart/form-data; boundary=x", 5, true),
            ("1", false, "application/json", 5, true),
            ("1", false, "application/octet-stream", 5, false),
            ("1", false, "", 5, false),
            ("1", true, "text/plain", 0, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(Collecting(most).takes(&body(&[text], told), &headers), takes, "{text} {told} {kind}");
        }
        let nothing = HeaderMap::new();
        assert!(!Collecting(5).takes(&Body::Empty, &nothing));
        assert!(!Collecting(5).takes(&Body::full("1"), &nothing));
    }
}
