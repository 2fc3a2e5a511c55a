//! Bodies with something riding on them: an upload that tells how far it is, an answer that keeps its clock
//! and gives its connection back.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::Held;
use super::wire::{Line, Upload};
use super::{connect, send};
use crate::base::cause::Cause;
use crate::base::clock::{self, Instant};
use crate::base::fault::Fault;
use crate::message::{Body, headers};

type Polled = Poll<Option<Result<Frame<Bytes>, Fault>>>;

/// A request's body on its way to the backend.
pub struct Sending {
    inner: Body,
    line: Rc<Line>,
}

impl Sending {
    pub fn new(inner: Body, line: Rc<Line>) -> Self {
        Self { inner, line }
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let mut polled = Pin::new(&mut self.inner).poll_frame(cx);
        // What a stranger may not say in a head, he may not say behind the body either.
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(trailers) = frame.trailers_mut()
        {
            headers::clean_trailers(trailers);
        }
        self.line.upload.set(match &polled {
            Poll::Pending => Upload::Visitor,
            Poll::Ready(Some(Ok(frame))) => {
                self.line.moved.set(Some(clock::now()));
                if frame.is_trailers() || self.inner.is_end_stream() { Upload::Done } else { Upload::Moving }
            }
            Poll::Ready(_) => Upload::Done,
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body. Its end gives the connection back; dropping it before closes the connection.
pub struct Receiving {
    /// What came together with the head.
    first: Option<Frame<Bytes>>,
    incoming: Incoming,
    held: Option<Held>,
    /// The longest pause there may be; zero is no limit.
    pause: Duration,
    /// When the pause that is going on becomes too long.
    due: Option<Instant>,
}

impl Receiving {
    pub fn new(first: Option<Frame<Bytes>>, incoming: Incoming, held: Held, pause: Duration) -> Self {
        let mut body = Self { first: first.map(clean), incoming, held: Some(held), pause, due: None };
        body.end_if_complete();
        body
    }

    fn end_if_complete(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(held) = self.held.take()
        {
            held.backend.health.good();
            held.put_back();
        }
    }

    fn fail(&mut self, blame: impl FnOnce(&Held) -> Fault) -> Polled {
        let Some(held) = self.held.take() else { return Poll::Ready(None) };
        let fault = blame(&held);
        held.backend.fault(&fault);
        Poll::Ready(Some(Err(fault)))
    }
}

fn clean(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        headers::clean_trailers(trailers);
    }
    frame
}

impl HttpBody for Receiving {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.held.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.due = None;
                self.end_if_complete();
                Poll::Ready(Some(Ok(clean(frame))))
            }
            Poll::Ready(Some(Err(error))) => self.fail(|held| send::blame(held, &error)),
            Poll::Ready(None) => {
                if let Some(held) = self.held.take() {
                    held.backend.health.good();
                    held.put_back();
                }
                Poll::Ready(None)
            }
            Poll::Pending => {
                let this = &mut *self;
                let Some(held) = &mut this.held else { return Poll::Pending };
                let limit = this.pause;
                if limit.is_zero() {
                    return Poll::Pending;
                }
                let due = *this.due.get_or_insert_with(|| clock::now() + limit);
                if held.alarm.poll(cx, due).is_pending() {
                    return Poll::Pending;
                }
                self.fail(|held| {
                    connect::fault(
                        &held.backend,
                        Cause::BetweenBytes,
                        "it stopped in the middle of its answer",
                    )
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && (self.held.is_none() || self.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let rest = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        // The upper end first: a lower one above it would be a contradiction.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint.set_lower(rest.lower().saturating_add(first));
        hint
    }
}
