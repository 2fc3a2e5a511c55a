//! The stage for this room's plays: raw backends that say exactly what a play wants, on loopback and unix
//! sockets, in the same thread as the pool, on a clock that stands still but for waits.

mod breaking;
mod clocks;
mod directors;
mod fastcgi;
mod health;
mod hostile;
mod names;
mod pooling;
mod streams;
mod tls;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body::Body as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::*;
use crate::base::fault::Fault;
use crate::message::Body;
use crate::plan::VisitorAddress;

/// Runs a play on paused time, with the pool's worker around it.
fn play<T>(act: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, act)
}

pub fn config(address: Address) -> Config {
    Config {
        name: "old".into(),
        address,
        protocol: Protocol::Http1,
        tls: None,
        host_header: None,
        visitor_address: VisitorAddress::default(),
        connect_timeout: Duration::from_secs(3),
        first_byte_timeout: Duration::from_secs(60),
        between_bytes_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(50),
        idle_max: 4,
        slow_start: Duration::ZERO,
        max_connections: 0,
        probe: None,
        breaker: BreakerTerms::default(),
        resolve_every: Duration::from_secs(10),
    }
}

fn tcp(port: u16) -> Address {
    Address::Tcp { host: "127.0.0.1".into(), port }
}

fn backend(config: Config) -> Arc<Backend> {
    Arc::new(Backend::new(config).unwrap())
}

/// A raw backend: every connection is given, with its number, to `each`.
struct Raw {
    backend: Arc<Backend>,
    accepted: Rc<Cell<usize>>,
}

async fn raw<F, A>(each: F) -> Raw
where
    F: Fn(usize, TcpStream) -> A + 'static,
    A: Future<Output = ()> + 'static,
{
    raw_with(each, |_| {}).await
}

async fn raw_with<F, A>(each: F, change: impl FnOnce(&mut Config)) -> Raw
where
    F: Fn(usize, TcpStream) -> A + 'static,
    A: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(tcp(listener.local_addr().unwrap().port()));
    change(&mut config);
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.set(count.get() + 1);
            // Time stands still here: a kernel that waits for an acknowledgement would wait for ever.
            stream.set_nodelay(true).unwrap();
            tokio::task::spawn_local(each(count.get(), stream));
        }
    });
    Raw { backend: backend(config), accepted }
}

/// Reads one request head, as text; empty at the end of the connection.
async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Answers every request on a connection with the same bytes.
async fn always(mut stream: TcpStream, answer: &'static str) {
    while !head(&mut stream).await.is_empty() {
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn request(method: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri("/a?b=c")
        .header("host", "Old.Example:8443")
        .body(body)
        .unwrap()
}

fn get() -> Request<Body> {
    request("GET", Body::Empty)
}

/// A body read to its end: its bytes, its trailers, its fault.
async fn drain(body: Body) -> (Vec<u8>, Option<http::HeaderMap>, Option<Fault>) {
    let mut body = std::pin::pin!(body);
    let (mut bytes, mut trailers) = (Vec::new(), None);
    loop {
        match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            None => return (bytes, trailers, None),
            Some(Err(fault)) => return (bytes, trailers, Some(fault)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
    }
}

async fn text(pool: &Pool, backend: &Arc<Backend>, request: Request<Body>) -> Result<String, Fault> {
    let answer = pool.send(backend, request, None).await?;
    let (bytes, _, fault) = drain(answer.body).await;
    match fault {
        None => Ok(String::from_utf8(bytes).unwrap()),
        Some(fault) => Err(fault),
    }
}

/// Lets everything that can happen without time passing happen.
async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// An upload that a play feeds piece by piece.
#[derive(Clone, Default)]
struct Feed(Rc<RefCell<Fed>>);

#[derive(Default)]
struct Fed {
    pieces: std::collections::VecDeque<Result<Bytes, Fault>>,
    ended: bool,
    waker: Option<std::task::Waker>,
}

impl Feed {
    fn give(&self, piece: Result<Bytes, Fault>) {
        let mut fed = self.0.borrow_mut();
        fed.pieces.push_back(piece);
        if let Some(waker) = fed.waker.take() {
            waker.wake();
        }
    }

    fn end(&self) {
        let mut fed = self.0.borrow_mut();
        fed.ended = true;
        if let Some(waker) = fed.waker.take() {
            waker.wake();
        }
    }

    fn body(&self) -> Body {
        Body::stream(self.clone())
    }
}

impl http_body::Body for Feed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Fault>>> {
        let mut fed = self.0.borrow_mut();
        match fed.pieces.pop_front() {
            Some(piece) => std::task::Poll::Ready(Some(piece.map(http_body::Frame::data))),
            None if fed.ended => std::task::Poll::Ready(None),
            None => {
                fed.waker = Some(cx.waker().clone());
                std::task::Poll::Pending
            }
        }
    }
}
