//! hyper's server as the other reader: what does it make of the same bytes? And `rules`: what holds for any text
//! that is taken for rules.

pub mod rules;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;

/// The first request that hyper saw.
pub struct Seen {
    pub parts: Parts,
    /// `None` for chunked.
    pub length: Option<u64>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    pub body_complete: bool,
}

pub enum Hyper {
    Accepted(Box<Seen>),
    Refused,
    NeedsMore,
}

/// Hands all of `input` to a hyper server connection and polls it by hand, without any runtime, until it has
/// read as much of the first request as there is.
pub fn hyper(input: &[u8]) -> Hyper {
    let seen: Rc<RefCell<Option<Seen>>> = Rc::default();
    let writer = seen.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let writer = writer.clone();
        async move {
            let (parts, mut body) = request.into_parts();
            if writer.borrow().is_some() {
                // A second request on the connection: wait for ever, it is not compared.
                std::future::pending::<()>().await;
            }
            *writer.borrow_mut() = Some(Seen {
                parts,
                length: body.size_hint().exact(),
                body: Vec::new(),
                trailers: None,
                body_complete: false,
            });
            loop {
                let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
                let mut writer = writer.borrow_mut();
                let seen = writer.as_mut().expect("set above");
                match frame {
                    None => seen.body_complete = true,
                    Some(Err(_)) => {}
                    Some(Ok(frame)) => {
                        match frame.into_data() {
                            Ok(data) => seen.body.extend_from_slice(&data),
                            Err(frame) => seen.trailers = frame.into_trailers().ok(),
                        }
                        continue;
                    }
                }
                break;
            }
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(Pipe { input: input.to_vec(), at: 0 }, service);
    let mut connection = pin!(connection);
    let mut context = Context::from_waker(Waker::noop());
    let mut ended = false;
    for _ in 0..input.len() + 8 {
        if connection.as_mut().poll(&mut context).is_ready() {
            ended = true;
            break;
        }
        if seen.borrow().as_ref().is_some_and(|seen| seen.body_complete) {
            break;
        }
    }
    match seen.borrow_mut().take() {
        Some(seen) => Hyper::Accepted(Box::new(seen)),
        None if ended => Hyper::Refused,
        None => Hyper::NeedsMore,
    }
}

/// Bytes to read, then nothing more; what is written goes nowhere.
struct Pipe {
    input: Vec<u8>,
    at: usize,
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.input[self.at..];
        let count = rest.len().min(buffer.remaining());
        if count == 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&rest[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl Write for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The pieces in which `data` arrives, in three ways: at once, cut in two at a place the data choose, and byte
/// by byte.
pub fn arrivals(data: &[u8]) -> [Vec<&[u8]>; 3] {
    let sum: usize = data.iter().map(|b| usize::from(*b)).sum();
    let (front, back) = data.split_at(sum % (data.len() + 1));
    [vec![data], vec![front, back], data.chunks(1).collect()]
}
