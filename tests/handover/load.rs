//! Visitors at a steady rate, who count everything that is not as it should be. Nobody tries anything twice: an
//! answer that does not come, comes short or is another one is a failure, whatever a browser would have done.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use super::stage::PATIENCE;
use super::svn::PAGE_BYTES;

/// Of how many requests each kind of visitor makes how many.
const SHARES: [(Kind, usize, usize); 3] = [(Kind::Plain, 10, 20), (Kind::Secure, 20, 40), (Kind::H2, 5, 40)];
const TALK_EVERY: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Secure,
    H2,
}

#[derive(Default)]
pub struct Tally {
    plain: AtomicUsize,
    secure: AtomicUsize,
    h2: AtomicUsize,
    messages: AtomicUsize,
    /// Connections that were told to end, and began anew.
    moved: AtomicUsize,
    /// Requests that crossed the goodbye on their way: HTTP/2 says that nobody has looked at them, and every client
    /// asks anew by itself.
    crossed: AtomicUsize,
    slowest: Mutex<Duration>,
    failures: Mutex<Vec<String>>,
}

impl Tally {
    fn answered(&self, kind: Kind, took: Duration) {
        let count = match kind {
            Kind::Plain => &self.plain,
            Kind::Secure => &self.secure,
            Kind::H2 => &self.h2,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let mut slowest = self.slowest.lock().expect("the tally");
        *slowest = took.max(*slowest);
    }

    fn failed(&self, what: &str, why: impl fmt::Display) {
        self.failures.lock().expect("the tally").push(format!("{what}: {why}"));
    }

    fn requests(&self) -> usize {
        [&self.plain, &self.secure, &self.h2].iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Nothing failed, and at least so much was asked.
    #[allow(clippy::cast_precision_loss)]
    pub fn judge(&self, least: f64) {
        let failures = self.failures.lock().expect("the tally");
        assert!(failures.is_empty(), "{} failures, such as {:?}", failures.len(), failures.first());
        let requests = self.requests() as f64;
        assert!(requests > least, "{requests} requests instead of {least:.0}: the machine is too busy");
        assert!(self.messages.load(Ordering::Relaxed) > 0);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        write!(
            f,
            "{} requests ({} over plain HTTP/1.1, {} over TLS, {} over HTTP/2), {} messages over WebSockets, {} \
             connections moved on, {} requests crossed a goodbye, slowest answer {:?}: {} failed or reset",
            self.requests(),
            count(&self.plain),
            count(&self.secure),
            count(&self.h2),
            count(&self.messages),
            count(&self.moved),
            count(&self.crossed),
            self.slowest.lock().expect("the tally"),
            self.failures.lock().expect("the tally").len()
        )
    }
}

pub struct Crowd {
    runtime: Runtime,
    town: Arc<Town>,
    tasks: Mutex<JoinSet<()>>,
}

/// What all visitors know.
struct Town {
    http: SocketAddr,
    https: SocketAddr,
    h1: TlsConnector,
    h2: TlsConnector,
    over: AtomicBool,
    tally: Arc<Tally>,
}

impl Crowd {
    pub fn start(http: SocketAddr, https: SocketAddr, root: &Path, rate: usize, tally: &Arc<Tally>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let connector = |alpn: &[u8]| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(root).expect("the root")).expect("the root");
            let mut tls = ClientConfig::builder_with_provider(doorward::base::crypto::provider())
                .with_safe_default_protocol_versions()
                .expect("TLS versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            tls.alpn_protocols = vec![alpn.to_vec()];
            TlsConnector::from(Arc::new(tls))
        };
        let town = Arc::new(Town {
            http,
            https,
            h1: connector(b"http/1.1"),
            h2: connector(b"h2"),
            over: AtomicBool::new(false),
            tally: Arc::clone(tally),
        });
        let mut tasks = JoinSet::new();
        let parts: usize = SHARES.iter().map(|(_, _, share)| share).sum();
        for (kind, visitors, share) in SHARES {
            // Each of them asks so many times a second.
            let each = (rate * share).div_ceil(parts * visitors).max(1);
            let pace = Duration::from_secs(1) / u32::try_from(each).expect("a pace");
            for _ in 0..visitors {
                let town = Arc::clone(&town);
                tasks.spawn_on(
                    async move {
                        match kind {
                            Kind::Plain | Kind::Secure => h1(&town, kind, pace).await,
                            Kind::H2 => h2(&town, pace).await,
                        }
                    },
                    runtime.handle(),
                );
            }
        }
        let crowd = Self { runtime, town, tasks: Mutex::new(tasks) };
        crowd.talk();
        crowd
    }

    /// One more WebSocket, which talks until the end.
    pub fn talk(&self) {
        let (open, opened) = std::sync::mpsc::channel();
        let town = Arc::clone(&self.town);
        self.tasks.lock().expect("the crowd").spawn_on(
            async move {
                if let Err(why) = talk(&town, open).await {
                    town.tally.failed("a WebSocket", why);
                }
            },
            self.runtime.handle(),
        );
        opened.recv_timeout(PATIENCE).expect("a WebSocket");
    }

    pub fn end(self) {
        self.town.over.store(true, Ordering::Relaxed);
        let tasks = self.tasks.into_inner().expect("the crowd");
        self.runtime.block_on(async { timeout(PATIENCE, tasks.join_all()).await.expect("they all go home") });
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

impl Town {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    async fn wire(&self, kind: Kind) -> std::io::Result<Box<dyn Wire>> {
        if kind == Kind::Secure {
            return Ok(Box::new(self.secure(&self.h1).await?));
        }
        let stream = TcpStream::connect(self.http).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    async fn secure(
        &self,
        tls: &TlsConnector,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.https).await?;
        stream.set_nodelay(true)?;
        tls.connect(ServerName::try_from("www.test").expect("a name"), stream).await
    }
}

/// One who asks again and again on a connection, for as long as the gateway keeps it.
async fn h1(town: &Town, kind: Kind, pace: Duration) {
    let mut beat = interval(pace);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection: Option<BufReader<Box<dyn Wire>>> = None;
    while town.goes_on() {
        beat.tick().await;
        let begun = Instant::now();
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => match town.wire(kind).await {
                Ok(stream) => BufReader::new(stream),
                Err(why) => {
                    town.tally.failed("a connection", why);
                    continue;
                }
            },
        };
        match timeout(PATIENCE, ask(&mut stream)).await {
            Ok(Ok(stays)) => {
                town.tally.answered(kind, begun.elapsed());
                if stays {
                    connection = Some(stream);
                } else {
                    town.tally.moved.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(Err(why)) => town.tally.failed("a request", why),
            Err(_) => town.tally.failed("a request", "no answer"),
        }
    }
}

/// Whether the connection may be used again.
async fn ask(stream: &mut BufReader<Box<dyn Wire>>) -> std::io::Result<bool> {
    stream.get_mut().write_all(b"GET /page HTTP/1.1\r\nHost: www.test\r\n\r\n").await?;
    stream.get_mut().flush().await?;
    let (mut stays, mut length, mut line) = (true, None, String::new());
    stream.read_line(&mut line).await?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(std::io::Error::other(format!("{line:?}")));
    }
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let field = line.trim_end().to_ascii_lowercase();
        match field.split_once(": ") {
            Some(("connection", "close")) => stays = false,
            Some(("content-length", text)) => length = text.parse().ok(),
            Some(_) => {}
            None => break,
        }
    }
    let length: usize = length.ok_or_else(|| std::io::Error::other("no length"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    if length != PAGE_BYTES || body.iter().any(|byte| *byte != b'x') {
        return Err(std::io::Error::other("another page"));
    }
    Ok(stays)
}

/// One who asks many things at once on a connection of HTTP/2.
async fn h2(town: &Arc<Town>, pace: Duration) {
    let mut beat = interval(pace);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = JoinSet::new();
    while town.goes_on() {
        let stream = match town.secure(&town.h2).await {
            Ok(stream) => stream,
            Err(why) => {
                town.tally.failed("a connection", why);
                continue;
            }
        };
        let (mut sender, connection) = match h2::client::handshake(stream).await {
            Ok(opened) => opened,
            Err(why) => {
                town.tally.failed("a connection of HTTP/2", why);
                continue;
            }
        };
        let carrying = {
            let town = Arc::clone(town);
            tokio::spawn(async move {
                if let Err(why) = connection.await {
                    town.tally.failed("a connection of HTTP/2", why);
                }
            })
        };
        while town.goes_on() {
            beat.tick().await;
            // The gateway says goodbye before anything is sent: no request is lost by that.
            sender = match sender.ready().await {
                Ok(sender) => sender,
                Err(why) if why.is_go_away() && why.reason() == Some(h2::Reason::NO_ERROR) => {
                    town.tally.moved.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Err(why) => {
                    town.tally.failed("a connection of HTTP/2", why);
                    break;
                }
            };
            let request = http::Request::get("https://www.test/page").body(()).expect("a request");
            let town = Arc::clone(town);
            let begun = Instant::now();
            let sent = sender.send_request(request, true);
            asked.spawn(async move {
                let answered = async {
                    let answer = sent?.0.await?;
                    let (status, mut body) = (answer.status(), answer.into_body());
                    let mut bytes = 0;
                    while let Some(data) = body.data().await {
                        let data: Bytes = data?;
                        bytes += data.len();
                        let _ = body.flow_control().release_capacity(data.len());
                    }
                    Ok::<_, h2::Error>((status, bytes))
                };
                match timeout(PATIENCE, answered).await {
                    Ok(Ok((http::StatusCode::OK, PAGE_BYTES))) => {
                        town.tally.answered(Kind::H2, begun.elapsed());
                    }
                    Ok(Ok((status, bytes))) => {
                        town.tally.failed("a stream", format!("{status}, {bytes} bytes"));
                    }
                    Ok(Err(why)) if why.is_go_away() && why.reason() == Some(h2::Reason::NO_ERROR) => {
                        town.tally.crossed.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(Err(why)) => town.tally.failed("a stream", why),
                    Err(_) => town.tally.failed("a stream", "no answer"),
                }
            });
            while asked.try_join_next().is_some() {}
            if carrying.is_finished() {
                break;
            }
        }
        // What was asked is answered on the connection it was asked on.
        drop(carrying);
    }
    asked.join_all().await;
}

async fn talk(town: &Town, open: std::sync::mpsc::Sender<()>) -> std::io::Result<()> {
    let mut stream = BufReader::new(town.secure(&town.h1).await?);
    let ask = "GET /talk HTTP/1.1\r\nHost: www.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.get_mut().write_all(ask.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    if !line.starts_with("HTTP/1.1 101 ") {
        return Err(std::io::Error::other(line));
    }
    while line.trim_end() != "" {
        line.clear();
        stream.read_line(&mut line).await?;
    }
    let _ = open.send(());
    let mut beat = interval(TALK_EVERY);
    let mut number = 0_u64;
    while town.goes_on() {
        beat.tick().await;
        number += 1;
        stream.get_mut().write_all(&number.to_be_bytes()).await?;
        let mut echo = [0; 8];
        timeout(PATIENCE, stream.read_exact(&mut echo)).await.map_err(std::io::Error::other)??;
        if echo != number.to_be_bytes() {
            return Err(std::io::Error::other("another echo"));
        }
        town.tally.messages.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Echoes whatever comes behind an upgrade of the protocol.
pub fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    if !matches!(stream.read(&mut byte), Ok(1)) {
                        return;
                    }
                    head.push(byte[0]);
                }
                let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
                let _ = stream.write_all(answer.as_bytes());
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
