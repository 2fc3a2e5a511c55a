//! The stage: a gateway, old servers behind it and visitors before it, in one process on free ports. Nothing
//! here sleeps; everything waits for what it needs, and gives up with a clear word after `PATIENCE`.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use doorward::base::random;
use doorward::house::{self, Options, Running};
use doorward::settings::Doors;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long anything may take before a test says that it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("doorward-{:016x}", random::number()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file for the test");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A gateway that stands.
pub struct Stage {
    pub running: Option<Running>,
    pub folder: Folder,
    tls: Arc<ClientConfig>,
}

impl Stage {
    /// A gateway with one site, `www.test`, whose rules (routes and site settings) are `site`; `rest` stands
    /// beside it.
    pub fn with(site: &str, rest: &str) -> Self {
        Self::raw("", &format!("site \"www.test\" {{\n{site}\n}}\n{rest}"))
    }

    /// A gateway on free ports with these gateway settings and declarations.
    pub fn raw(gateway: &str, rest: &str) -> Self {
        let folder = Folder::new();
        folder.write("main.vcl", &Self::text(gateway, rest));
        Self::open(folder)
    }

    pub fn text(gateway: &str, rest: &str) -> String {
        format!(
            "gateway {{\n.http = \"127.0.0.1:0\";\n.https = \"127.0.0.1:0\";\n.admin = \"127.0.0.1:0\";\n.state = \"state\";\n.workers = 1;\n{gateway}\n}}\n{rest}"
        )
    }

    /// A VCL file that knows nothing of gateways and sites, behind a plain http door.
    pub fn plain(rules: &str) -> Self {
        let folder = Folder::new();
        folder.write("main.vcl", rules);
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let state = Some(folder.0.join("state"));
        Self::open_behind(folder, Doors { http: Some(free), https: None, admin: Some(free), state })
    }

    pub fn open(folder: Folder) -> Self {
        Self::open_behind(folder, Doors::default())
    }

    /// Why a gateway with these rules does not stand.
    pub fn refused(rules: &str, doors: Doors) -> String {
        let folder = Folder::new();
        folder.write("main.vcl", rules);
        match house::start(Self::options(&folder, doors)) {
            Ok(running) => {
                running.stop();
                running.wait();
                panic!("the house stands")
            }
            Err(fault) => fault.to_string(),
        }
    }

    fn options(folder: &Folder, doors: Doors) -> Options {
        Options {
            rules: folder.0.join("main.vcl"),
            doors,
            environment: Arc::new(|_| None),
            announce: None,
            foreground: false,
            passed: Vec::new(),
            program: None,
        }
    }

    fn open_behind(folder: Folder, doors: Doors) -> Self {
        let running = match house::start(Self::options(&folder, doors)) {
            Ok(running) => running,
            Err(fault) => panic!("the house does not stand: {fault}"),
        };
        let root = CertificateDer::from_pem_file(&running.open.root_certificate).expect("the local root");
        let mut roots = RootCertStore::empty();
        roots.add(root).expect("the local root");
        let tls = ClientConfig::builder_with_provider(doorward::base::crypto::provider())
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { running: Some(running), folder, tls: Arc::new(tls) }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("the house stands")
    }

    pub fn https(&self) -> SocketAddr {
        self.running().open.https[0]
    }

    pub fn http(&self) -> SocketAddr {
        self.running().open.http[0]
    }

    pub fn admin(&self) -> SocketAddr {
        self.running().open.admin.expect("admin pages")
    }

    pub fn tls(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut config = (*self.tls).clone();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A visitor of `www.test` over TLS, HTTP/1.1.
    pub fn visitor(&self) -> Visitor<Secure> {
        self.visitor_of("www.test")
    }

    pub fn visitor_of(&self, name: &str) -> Visitor<Secure> {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let connection = ClientConnection::new(self.tls(&["http/1.1"]), name).expect("a TLS client");
        Visitor::new(StreamOwned::new(connection, connect(self.https())))
    }

    /// A visitor over plain http.
    pub fn plain_visitor(&self) -> Visitor<TcpStream> {
        Visitor::new(connect(self.http()))
    }

    /// Stops the house, so that every line is written, and reads a log of today.
    pub fn log(&mut self, site: &str, which: &str) -> String {
        self.close();
        let folder = self.folder.0.join("state/log").join(site);
        let mut text = String::new();
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a log").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(which)) {
                text.push_str(&fs::read_to_string(path).expect("a log"));
            }
        }
        text
    }

    pub fn close(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
            running.stop();
            running.wait();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.close();
    }
}

pub type Secure = StreamOwned<ClientConnection, TcpStream>;

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Someone on the street, with a connection.
pub struct Visitor<S> {
    pub stream: BufReader<S>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub reason: String,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Trailers of a chunked body.
    pub trailers: Vec<(String, String)>,
    /// The body ended as its framing said.
    pub complete: bool,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl<S: Read + Write> Visitor<S> {
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the house takes bytes");
        self.stream.get_mut().flush().expect("the house takes bytes");
    }

    /// A GET of `www.test`, and its answer.
    pub fn get(&mut self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: www.test\r\n\r\n"))
    }

    pub fn ask(&mut self, request: &str) -> Reply {
        self.send(request);
        self.reply(request.starts_with("HEAD "))
    }

    /// The next final answer; interim ones are passed over.
    pub fn reply(&mut self, bodiless: bool) -> Reply {
        loop {
            let reply = self.any_reply(bodiless);
            if reply.status >= 200 || reply.status == 101 {
                return reply;
            }
        }
    }

    /// The next answer, interim ones too.
    pub fn any_reply(&mut self, bodiless: bool) -> Reply {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a status line");
        assert!(line.starts_with("HTTP/1.1 "), "no status line: {line:?}");
        let status = line[9..12].parse().expect("a status");
        let reason = line[12..].trim().to_owned();
        let headers = self.fields();
        let mut reply =
            Reply { status, reason, headers, body: Vec::new(), trailers: Vec::new(), complete: true };
        if bodiless || status < 200 || status == 204 || status == 304 {
            return reply;
        }
        if reply.header("transfer-encoding") == Some("chunked") {
            self.chunks(&mut reply);
        } else if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().expect("a length");
            let mut body = Vec::new();
            let got = (&mut self.stream).take(length as u64).read_to_end(&mut body);
            reply.complete = got.is_ok() && body.len() == length;
            reply.body = body;
        } else {
            reply.complete = self.stream.read_to_end(&mut reply.body).is_ok();
        }
        reply
    }

    fn chunks(&mut self, reply: &mut Reply) {
        loop {
            let mut size = String::new();
            if self.stream.read_line(&mut size).unwrap_or(0) == 0 {
                reply.complete = false;
                return;
            }
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
            if size == 0 {
                reply.trailers = self.fields();
                return;
            }
            let mut data = vec![0; size + 2];
            if self.stream.read_exact(&mut data).is_err() {
                reply.complete = false;
                return;
            }
            reply.body.extend_from_slice(&data[..size]);
        }
    }

    fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line).expect("a header line");
            assert!(read > 0, "the head ends in the middle");
            let line = line.trim_end();
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(':').expect("a header line");
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Whether the house has hung up, with no word more.
    pub fn hung_up(&mut self) -> bool {
        let mut rest = Vec::new();
        // Patience that ran out is no end.
        let waiting = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        !self.stream.read_to_end(&mut rest).is_err_and(waiting) && rest.is_empty()
    }
}

/// An old server: plays its part for each connection, and remembers what it heard.
pub struct OldServer {
    pub address: SocketAddr,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    requests: Mutex<VecDeque<Asked>>,
    more: Condvar,
}

/// A request as an old server got it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(known, _)| known == name).count()
    }
}

impl OldServer {
    /// Answers every request with what `part` says, bytes as they are.
    pub fn answering(part: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::playing(move |connection| {
            while let Some(asked) = connection.request() {
                connection.write(&part(&asked));
            }
        })
    }

    /// Says 200 and this text to everybody.
    pub fn saying(text: &'static str) -> Self {
        Self::answering(move |_| ok(text))
    }

    /// Plays `part` on each connection, on a thread of its own.
    pub fn playing(part: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Heard::default());
        let (part, ears) = (Arc::new(part), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (part, heard) = (Arc::clone(&part), Arc::clone(&ears));
                thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE * 3)).expect("a timeout");
                    part(&mut Connection { stream: BufReader::new(stream), heard });
                });
            }
        });
        Self { address, heard }
    }

    /// Its declaration in the rules.
    pub fn declared(&self, name: &str) -> String {
        self.declared_with(name, "")
    }

    pub fn declared_with(&self, name: &str, more: &str) -> String {
        format!("backend {name} {{ .url = \"http://{}\"; {more} }}\n", self.address)
    }

    /// The next request it heard, waiting for it.
    pub fn heard(&self) -> Asked {
        let requests = self.heard.requests.lock().expect("the ears");
        let (mut requests, waited) = self
            .heard
            .more
            .wait_timeout_while(requests, PATIENCE, |requests| requests.is_empty())
            .expect("the ears");
        assert!(!waited.timed_out(), "the old server heard nothing");
        requests.pop_front().expect("a request")
    }

    /// What it heard so far and nobody asked about.
    pub fn heard_nothing(&self) -> bool {
        self.heard.requests.lock().expect("the ears").is_empty()
    }
}

/// The old server's side of a connection.
pub struct Connection {
    pub stream: BufReader<TcpStream>,
    heard: Arc<Heard>,
}

impl Connection {
    /// Reads a whole request; `None` when the gateway has hung up.
    pub fn request(&mut self) -> Option<Asked> {
        let asked = self.head()?;
        let body = self.body(&asked)?;
        let asked = Asked { body, ..asked };
        self.note(asked.clone());
        Some(asked)
    }

    /// Reads a head and leaves the body.
    pub fn head(&mut self) -> Option<Asked> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut headers = Vec::new();
        loop {
            let mut field = String::new();
            if self.stream.read_line(&mut field).ok()? == 0 {
                return None;
            }
            let field = field.trim_end();
            if field.is_empty() {
                break;
            }
            let (name, value) = field.split_once(':').expect("a header line");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Asked { line: line.trim_end().to_owned(), headers, body: Vec::new() })
    }

    pub fn note(&self, asked: Asked) {
        self.heard.requests.lock().expect("the ears").push_back(asked);
        self.heard.more.notify_all();
    }

    fn body(&mut self, asked: &Asked) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        if asked.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                if self.stream.read_line(&mut size).ok()? == 0 {
                    return None;
                }
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
                if size == 0 {
                    loop {
                        let mut trailer = String::new();
                        self.stream.read_line(&mut trailer).ok()?;
                        if trailer.trim_end().is_empty() {
                            return Some(body);
                        }
                    }
                }
                let mut data = vec![0; size + 2];
                self.stream.read_exact(&mut data).ok()?;
                body.extend_from_slice(&data[..size]);
            }
        }
        if let Some(length) = asked.header("content-length") {
            body = vec![0; length.parse().expect("a length")];
            self.stream.read_exact(&mut body).ok()?;
        }
        Some(body)
    }

    pub fn write(&mut self, bytes: &[u8]) {
        // The gateway may have hung up; what that means is what the test looks at.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Ends the connection with a reset instead of a goodbye.
    pub fn reset(self: &mut Connection) {
        let socket = socket2::SockRef::from(self.stream.get_ref());
        socket.set_linger(Some(Duration::ZERO)).expect("a reset");
    }
}

pub fn ok(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

/// A port that nobody listens on now.
pub fn vacant_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

/// A port where nobody listens, nor can: it is taken until the tests end.
pub fn closed_port() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("a port");
    std::mem::forget(socket);
    address
}
