//! Bodies in either direction. One enum, so that the common kinds cost no allocation and one call.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::base::fault::Fault;

/// A stream of a body's frames that lives on one worker.
pub type Stream = Pin<Box<dyn HttpBody<Data = Bytes, Error = Fault>>>;

#[derive(Default)]
pub enum Body {
    #[default]
    Empty,
    /// All of it, at once.
    Full(Bytes),
    /// Anything that is read as it comes: an upload, an answer, a body with something riding on it.
    Stream(Stream),
}

impl Body {
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    pub fn stream(body: impl HttpBody<Data = Bytes, Error = Fault> + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// What is there of it without waiting; all of it, where nothing has to be waited for.
    pub fn at_once(mut self) -> Bytes {
        if let Body::Full(bytes) = self {
            return bytes;
        }
        let mut all = BytesMut::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut self).poll_frame(&mut cx) {
            all.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        all.freeze()
    }

    /// The length, where it is known before the body is read.
    pub fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let body = self.get_mut();
        match body {
            Body::Empty => Poll::Ready(None),
            Body::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *body = Body::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Body::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Full(_) => false,
            Body::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(stream) => stream.size_hint(),
        }
    }
}

/// A body that is lent to one request after the other, until one of them has taken something of it.
pub struct Lent(Rc<Inner>);

struct Inner {
    body: RefCell<Body>,
    touched: Cell<bool>,
}

impl Lent {
    pub fn new(body: Body) -> Self {
        Self(Rc::new(Inner { body: RefCell::new(body), touched: Cell::new(false) }))
    }

    /// Somebody asked for a piece of it: it can't be lent any more.
    pub fn is_touched(&self) -> bool {
        self.0.touched.get()
    }

    pub fn lend(&self) -> Option<Body> {
        (!self.is_touched()).then(|| Body::stream(Borrowed(Rc::clone(&self.0))))
    }
}

struct Borrowed(Rc<Inner>);

impl HttpBody for Borrowed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.0.touched.set(true);
        Pin::new(&mut *self.0.body.borrow_mut()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().size_hint()
    }
}
