//! What several subjects need beside the stage: certificates made on the spot, visitors who look at a
//! certificate instead of trusting it or who come from another address, and the program as a child.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use doorward::base::crypto;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use super::stage::{PATIENCE, Secure, Visitor, connect};

/// Waits for what nobody announces (a file, a count), and says what when it does not come.
pub fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A certificate in PEM, and its key.
pub struct Made {
    pub chain: String,
    pub key: String,
    pub der: CertificateDer<'static>,
}

/// An authority of a test's own.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Ca {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("an authority").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub fn signs(&self, names: &[&str]) -> Made {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Made { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }
}

/// Takes any certificate, to look at it.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = crypto::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = crypto::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A client that looks at what it is shown.
#[derive(Clone, Copy, Default)]
pub struct Looker<'a> {
    /// The name asked for by SNI.
    pub name: Option<&'a str>,
    pub versions: &'a [&'static SupportedProtocolVersion],
    pub alpn: &'a [&'a str],
}

pub fn looker(name: &str) -> Looker<'_> {
    Looker { name: Some(name), ..Looker::default() }
}

impl Looker<'_> {
    pub fn over(self, stream: TcpStream) -> std::io::Result<Visitor<Secure>> {
        let versions = if self.versions.is_empty() { rustls::ALL_VERSIONS } else { self.versions };
        let mut config = ClientConfig::builder_with_provider(crypto::provider())
            .with_protocol_versions(versions)
            .expect("TLS versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anything))
            .with_no_client_auth();
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        // An address is never said by SNI.
        let name = self.name.unwrap_or("127.0.0.1").to_owned();
        let name = ServerName::try_from(name).expect("a server name");
        let mut secure =
            StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), stream);
        while secure.conn.is_handshaking() {
            secure.conn.complete_io(&mut secure.sock)?;
        }
        Ok(Visitor::new(secure))
    }

    pub fn at(self, address: SocketAddr) -> Visitor<Secure> {
        self.over(connect(address)).expect("a handshake")
    }
}

impl Visitor<Secure> {
    pub fn certificate(&self) -> CertificateDer<'static> {
        let shown = self.stream.get_ref().conn.peer_certificates().expect("a certificate");
        shown[0].clone().into_owned()
    }

    /// Whether the certificate that was shown carries this name.
    pub fn covers(&self, name: &str) -> bool {
        let shown = self.certificate();
        let parsed = rustls::server::ParsedCertificate::try_from(&shown).expect("a certificate");
        let name = ServerName::try_from(name).expect("a name");
        rustls::client::verify_server_name(&parsed, &name).is_ok()
    }
}

/// A connection from another address of this machine: all of 127/8 is ours.
pub fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let from: IpAddr = from.parse().expect("an address");
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)
        .expect("a socket");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Reads a whole message off a stream as it came: head, and body by Content-Length or chunks.
pub fn raw_message(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    let ends = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { return false };
        if text[..head].contains("transfer-encoding: chunked") {
            return text[head..].contains("\r\n0\r\n") && text.ends_with("\r\n\r\n");
        }
        let length = text[..head]
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        text.len() == head + 4 + length.unwrap_or(0)
    };
    while !ends(&bytes) {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            found.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// The text of one kind of log of a site (`access`, `error`), all days.
pub fn log_of(state: &Path, site: &str, which: &str) -> String {
    let mut files = files_below(&state.join("log").join(site));
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(which)));
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).expect("a log")).collect()
}

/// What a child says, line by line.
#[derive(Default)]
struct Said {
    text: Mutex<(String, bool)>,
    more: Condvar,
}

impl Said {
    fn listen(source: impl Read + Send + 'static) -> Arc<Self> {
        let said = Arc::new(Self::default());
        let ears = Arc::clone(&said);
        thread::spawn(move || {
            let mut lines = BufReader::new(source);
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                ears.text.lock().expect("the ears").0.push_str(&std::mem::take(&mut line));
                ears.more.notify_all();
            }
            ears.text.lock().expect("the ears").1 = true;
            ears.more.notify_all();
        });
        said
    }

    fn wait(&self, what: &str, enough: impl Fn(&(String, bool)) -> bool) -> String {
        let text = self.text.lock().expect("the ears");
        let (text, waited) =
            self.more.wait_timeout_while(text, PATIENCE, |text| !enough(text)).expect("the ears");
        assert!(!waited.timed_out(), "waited in vain for {what}; it said:\n{}", text.0);
        text.0.clone()
    }
}

/// The program, running a gateway.
pub struct Program {
    child: Child,
    out: Arc<Said>,
    err: Arc<Said>,
    pub state: PathBuf,
}

/// The program with these arguments, in a quiet environment.
pub fn doorward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(arguments).env_remove("DOORWARD_STATE").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

impl Program {
    /// `doorward serve` on `main.vcl` of a folder, whose state lies in `state`.
    pub fn serve(folder: &Path) -> Self {
        let main = folder.join("main.vcl");
        let program = Self::start(doorward(&["serve", main.to_str().expect("a path")]), folder.join("state"));
        program.said("the house stands");
        program
    }

    pub fn start(mut command: Command, state: PathBuf) -> Self {
        command.stdout(Stdio::piped());
        Self::start_silent(command, state)
    }

    /// One whose standard output is something else.
    pub fn start_silent(mut command: Command, state: PathBuf) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let out = child.stdout.take().map(Said::listen).unwrap_or_default();
        let err = Said::listen(child.stderr.take().expect("its errors"));
        Self { child, out, err, state }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until standard error says this; gives all of it so far.
    pub fn said(&self, what: &str) -> String {
        self.err.wait(what, |(text, over)| text.contains(what) || (*over && panic_with(what, text)))
    }

    /// Waits until it says this so many times.
    pub fn said_times(&self, what: &str, times: usize) -> String {
        self.err.wait(what, |(text, _)| text.matches(what).count() >= times)
    }

    pub fn printed(&self, what: &str) -> String {
        self.out.wait(what, |(text, over)| text.contains(what) || (*over && panic_with(what, text)))
    }

    pub fn so_far(&self) -> String {
        self.err.text.lock().expect("the ears").0.clone()
    }

    pub fn ask(&self, command: &str) -> (Option<i32>, String, String) {
        run(&mut doorward(&[command, "--state", self.state.to_str().expect("a path")]))
    }

    /// Where it listens, by kind: `http`, `https`, `admin`.
    pub fn address(&self, kind: &str) -> SocketAddr {
        let (_, status, faults) = self.ask("status");
        let line = status.lines().find_map(|line| line.strip_prefix("listens: "));
        let line = line.unwrap_or_else(|| panic!("no listeners in the status: {status}{faults}"));
        let found = line.split(", ").find_map(|each| each.strip_prefix(kind)?.strip_prefix(' '));
        found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {kind} in {line}"))
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(done.is_ok_and(|status| status.success()), "a signal");
    }

    /// Waits for its end.
    pub fn ended(mut self) -> (ExitStatus, String) {
        self.err.wait("its end", |(_, over)| *over);
        let text = self.so_far();
        (self.child.wait().expect("its end"), text)
    }
}

fn panic_with(what: &str, text: &str) -> bool {
    panic!("it ended before it said {what:?}:\n{text}")
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a page of the admin listener says, and its status.
pub fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let reply = Visitor::new(connect(address))
        .ask(&format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"));
    (reply.status, reply.text())
}

/// The value of one series of `/metrics`.
pub fn figure(address: SocketAddr, series: &str) -> Option<f64> {
    let (_, text) = page(address, "/metrics");
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Writes and goes on, whatever becomes of it.
pub fn send_anyway(stream: &mut impl Write, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
    let _ = stream.flush();
}
