//! A connection to a FastCGI program, and those of one worker that nobody uses.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::record::{Decoder, Event};
use crate::base::clock::Instant;
use crate::base::fault::Fault;
use crate::message::exchange::Io;
use crate::upstream::backend::Inner;
use crate::upstream::connect;
use crate::upstream::permits::Permit;
use crate::upstream::pool::Open;

/// What is read at once: a small answer is whole then.
const READ_BYTES: usize = 8 << 10;
/// The same once an answer has turned out to be long.
const READ_BYTES_MAX: usize = 64 << 10;

/// One connection. Dropping it closes it.
pub struct Link {
    io: Box<dyn Io>,
    input: BytesMut,
    decoder: Decoder,
    /// How much is read next.
    piece: usize,
    /// A request has been answered over it before.
    pub used: bool,
    since: Instant,
    _open: Open,
    /// Where the backend's connections are limited: one of those it may have, until it is closed.
    _permit: Option<Permit>,
}

/// Why no event comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Broken(&'static str),
    HungUp,
}

impl Link {
    pub async fn open(
        backend: &Arc<Inner>,
        worker: usize,
        permit: Option<Permit>,
        limit: Duration,
        now: Instant,
    ) -> Result<Self, Fault> {
        let opened = connect::open(backend, limit).await;
        let io = opened.inspect_err(|fault| backend.out_of_reach(fault))?.io;
        Ok(Self {
            io,
            input: BytesMut::new(),
            decoder: Decoder::default(),
            piece: READ_BYTES,
            used: false,
            since: now,
            _open: Open::new(Arc::clone(backend), worker),
            _permit: permit,
        })
    }

    /// The next event, read where none is there.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Trouble>> {
        loop {
            if let Some(event) = self.event_at_hand()? {
                return Poll::Ready(Ok(event));
            }
            self.input.reserve(self.piece);
            let room = self.input.capacity() - self.input.len();
            let count = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx));
            match count {
                Ok(0) | Err(_) => return Poll::Ready(Err(Trouble::HungUp)),
                Ok(count) if count == room => self.piece = READ_BYTES_MAX,
                Ok(_) => {}
            }
        }
    }

    /// The next event of what has been read already.
    pub fn event_at_hand(&mut self) -> Result<Option<Event>, Trouble> {
        self.decoder.next(&mut self.input).map_err(Trouble::Broken)
    }

    pub fn writer(&mut self) -> Pin<&mut (impl AsyncWrite + ?Sized)> {
        Pin::new(&mut *self.io)
    }

    /// After the last event: nothing is left that would be taken for the next answer.
    pub fn rests(&self) -> bool {
        self.decoder.rests(&self.input)
    }

    /// Whether it stands and is silent, as one that nobody uses should be.
    fn is_silent(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut byte = [0_u8; 1];
        pin!(self.io.read(&mut byte)).poll(&mut cx).is_pending()
    }
}

/// The connections of one worker to one backend that nobody uses.
#[derive(Default)]
pub struct Shelf(RefCell<Vec<Link>>);

impl Shelf {
    /// The one used last that still stands.
    pub fn take(&self) -> Option<Link> {
        let mut links = self.0.borrow_mut();
        loop {
            let mut link = links.pop()?;
            if link.is_silent() {
                return Some(link);
            }
        }
    }

    pub fn put(&self, mut link: Link, now: Instant, most: usize) {
        let mut links = self.0.borrow_mut();
        if links.len() < most {
            link.used = true;
            link.since = now;
            link.input = BytesMut::new();
            link.piece = READ_BYTES;
            link.decoder = Decoder::default();
            links.push(link);
        }
    }

    /// Closes what has been idle for too long, or was closed by the other side.
    pub fn sweep(&self, now: Instant, limit: Duration) {
        self.0.borrow_mut().retain_mut(|link| {
            (limit.is_zero() || now.duration_since(link.since) < limit) && link.is_silent()
        });
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }
}
