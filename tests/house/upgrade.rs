//! Change without an outage: the program starts itself anew and hands everything over, as an operator meets it.

use std::fs;
use std::future::poll_fn;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use doorward::base::random;
use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};

use super::stage::{Folder, OldServer, PATIENCE, Stage, Visitor, connect, ok};
use super::tools::{Program, doorward, log_of, looker, page, run, until};

const SITE: &str = "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n";
const WEBSOCKET: &str = "GET /echo HTTP/1.1\r\nHost: www.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A gateway and all that take over from it; they end with the test.
struct House {
    program: Option<Program>,
    folder: Folder,
}

impl House {
    fn with(gateway: &str, rest: &str) -> Self {
        let folder = Folder::new();
        folder.write("main.vcl", &Stage::text(gateway, rest));
        Self::on(folder)
    }

    fn on(folder: Folder) -> Self {
        Self { program: Some(Program::serve(&folder.0)), folder }
    }

    fn program(&self) -> &Program {
        self.program.as_ref().expect("it runs")
    }

    fn rules(&self, gateway: &str, rest: &str) {
        self.folder.write("main.vcl", &Stage::text(gateway, rest));
    }

    fn status(&self) -> String {
        let (code, status, fault) = self.program().ask("status");
        assert_eq!(code, Some(0), "{fault}");
        status
    }

    /// Which process answers.
    fn pid(&self) -> u32 {
        let status = self.status();
        let pid = status.split("(pid ").nth(1).and_then(|rest| rest.split(')').next()?.parse().ok());
        pid.unwrap_or_else(|| panic!("no pid in {status}"))
    }

    /// Hands over, and gives the new process.
    fn upgrade(&self) -> u32 {
        let before = self.pid();
        let (code, said, fault) = self.program().ask("upgrade");
        assert_eq!(code, Some(0), "{said}{fault}");
        let after = self.pid();
        assert!(after != before && said.contains(&format!("process {after} serves")), "{said}");
        after
    }

    fn refused(&self) -> String {
        let before = self.pid();
        let (code, said, fault) = self.program().ask("upgrade");
        assert_eq!(code, Some(1), "{said}");
        assert!(fault.contains("the old process goes on"), "{fault}");
        assert_eq!(self.pid(), before);
        fault
    }

    fn http(&self) -> SocketAddr {
        self.program().address("http")
    }

    fn visitor(&self) -> Visitor<TcpStream> {
        Visitor::new(connect(self.http()))
    }

    /// Whether a process of ours still runs.
    fn runs(pid: u32) -> bool {
        // One that has ended and that nobody asked about is a zombie.
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn gone(pid: u32) {
        until(&format!("process {pid} to end"), || !Self::runs(pid));
    }

    /// Stops it; everything that was said and done is on disk then.
    fn ended(mut self) -> Folder {
        self.program().ask("stop");
        let program = self.program.take().expect("it runs");
        program.ended();
        std::mem::replace(&mut self.folder, Folder::new())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(program) = &self.program {
            program.ask("stop");
            program.ask("stop");
        }
    }
}

/// Echoes after an upgrade of the protocol, says a word otherwise, and takes bodies of any length.
fn old_server() -> OldServer {
    OldServer::playing(|connection| {
        while let Some(asked) = connection.head() {
            if asked.header("upgrade").is_some() {
                connection.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
                let mut bytes = [0; 1024];
                while let Ok(read @ 1..) = connection.stream.read(&mut bytes) {
                    connection.write(&bytes[..read]);
                }
                return;
            }
            let length = asked.header("content-length").map_or(0, |text| text.parse().expect("a length"));
            let mut body = vec![0; length];
            if connection.stream.read_exact(&mut body).is_err() {
                return;
            }
            connection.note(asked);
            connection.write(&ok(&format!("took {length}")));
        }
    })
}

#[test]
fn an_upgrade_cuts_off_nobody() {
    let server = old_server();
    let house = House::with("", &format!("{SITE}{}", server.declared("old")));
    let old = house.pid();
    let mut rests = house.visitor();
    assert_eq!(rests.get("/").status, 200);
    let mut secure = looker("www.test").at(house.program().address("https"));
    assert_eq!(secure.get("/").status, 200);
    let mut silent = house.visitor();
    let mut uploads = house.visitor();
    uploads.send("PUT /big HTTP/1.1\r\nHost: www.test\r\nContent-Length: 200000\r\n\r\n");
    uploads.send(vec![b'x'; 100_000]);
    let mut talks = house.visitor();
    talks.send(WEBSOCKET);
    assert_eq!(talks.reply(false).status, 101);
    let (page_before, _) = page(house.program().address("admin"), "/health");
    let new = house.upgrade();
    assert!(House::runs(old));
    let status = house.status();
    assert!(status.contains(&format!("draining: process {old}")), "{status}");
    assert_eq!((page_before, page(house.program().address("admin"), "/health").0), (200, 200));
    // What rested is answered once more and told to come again; so is who had said nothing yet.
    for reply in [rests.get("/"), silent.get("/")] {
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    }
    let reply = secure.get("/");
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert!(rests.hung_up() && silent.hung_up() && secure.hung_up());
    // A new visitor stays.
    let mut fresh = house.visitor();
    assert_eq!((fresh.get("/").header("connection"), fresh.get("/").status), (None, 200));
    // What takes its time has it.
    uploads.send(vec![b'x'; 100_000]);
    let reply = uploads.reply(false);
    assert_eq!((reply.status, reply.text().as_str()), (200, "took 200000"));
    for word in ["over", "and", "over"] {
        talks.send(word);
        let mut echo = vec![0; word.len()];
        talks.stream.read_exact(&mut echo).expect("an echo");
        assert_eq!(echo, word.as_bytes());
    }
    assert!(House::runs(old));
    drop((talks, uploads));
    House::gone(old);
    until("the new process to notice", || !house.status().contains("draining"));
    assert_eq!(house.pid(), new);
    drop(fresh);
    let folder = house.ended();
    let lines = log_of(&folder.0.join("state"), "www.test", "access");
    assert_eq!(lines.lines().count(), 9, "both wrote into the same file:\n{lines}");
    assert!(lines.lines().all(|line| line.contains(" 200 ") || line.contains(" 101 ")), "{lines}");
}

#[test]
fn streams_of_http_2_end_whole_and_the_next_one_finds_the_new_process() {
    let (tell, asked) = mpsc::channel();
    let (answer, wait) = mpsc::channel::<()>();
    let inside = (Mutex::new(tell), Mutex::new(wait));
    let server = OldServer::playing(move |connection| {
        while let Some(request) = connection.request() {
            if request.line.contains("/slow") {
                inside.0.lock().expect("the test").send(()).expect("the test");
                let _ = inside.1.lock().expect("the test").recv();
            }
            connection.write(&ok("done"));
        }
    });
    let house = House::with("", &format!("{SITE}{}", server.declared("old")));
    let (old, https) = (house.pid(), house.program().address("https"));
    let root = house.folder.0.join("state/authority/root.pem");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(root).expect("the root")).expect("the root");
        let mut tls = ClientConfig::builder_with_provider(doorward::base::crypto::provider())
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let tls = Arc::new(tls);
        let open = async || {
            let stream = tokio::net::TcpStream::connect(https).await.expect("a connection");
            let name = ServerName::try_from("www.test").expect("a name");
            let tls =
                tokio_rustls::TlsConnector::from(Arc::clone(&tls)).connect(name, stream).await.expect("TLS");
            let (sender, connection) = h2::client::handshake(tls).await.expect("HTTP/2");
            (sender.ready().await.expect("a stream"), tokio::spawn(connection))
        };
        let request =
            |path: &str| http::Request::get(format!("https://www.test{path}")).body(()).expect("a request");
        let (mut sender, connection) = open().await;
        let (slow, _) = sender.send_request(request("/slow"), true).expect("a stream");
        tokio::task::block_in_place(|| {
            asked.recv_timeout(PATIENCE).expect("the old server is asked");
            house.upgrade();
        });
        // The goodbye names the last stream that counts: one that begins now is not begun at all.
        poll_fn(|cx| sender.poll_ready(cx)).await.expect_err("the goodbye");
        assert!(House::runs(old));
        answer.send(()).expect("the old server");
        let answered = slow.await.expect("an answer");
        assert_eq!(answered.status(), 200);
        let mut body = answered.into_body();
        assert_eq!(body.data().await.expect("a body").expect("a body"), "done");
        let _ = body.flow_control().release_capacity(4);
        drop((body, sender));
        connection.await.expect("its task").expect("the connection ends well");
        let (mut sender, _connection) = open().await;
        let (next, _) = sender.send_request(request("/"), true).expect("a stream");
        assert_eq!(next.await.expect("an answer").status(), 200);
    });
    House::gone(old);
}

#[test]
fn one_after_the_other_takes_over_while_the_first_still_has_visitors() {
    let server = old_server();
    let house = House::with("", &format!("{SITE}{}", server.declared("old")));
    let mut talks = Vec::new();
    let mut pids = vec![house.pid()];
    for _ in 0..3 {
        let mut visitor = house.visitor();
        visitor.send(WEBSOCKET);
        assert_eq!(visitor.reply(false).status, 101);
        talks.push(visitor);
        pids.push(house.upgrade());
    }
    let status = house.status();
    for pid in &pids[..3] {
        assert!(status.contains(&format!("draining: process {pid}, taken over from")), "{status}");
    }
    until("their counts", || house.status().matches(", 1 connections").count() == 3);
    for (visitor, pid) in talks.iter_mut().zip(&pids) {
        visitor.send("still there?");
        let mut echo = [0; 12];
        visitor.stream.read_exact(&mut echo).expect("an echo");
        assert!(House::runs(*pid));
    }
    drop(talks.remove(1));
    House::gone(pids[1]);
    until("it to be noticed", || !house.status().contains(&format!("process {},", pids[1])));
    assert!(House::runs(pids[0]) && House::runs(pids[2]));
    assert_eq!(house.visitor().get("/").status, 200);
    // A stop reaches all of them, the last process ends last, and a second stop ends what is open.
    let program = house.program();
    assert_eq!(program.ask("stop").0, Some(0));
    until("it to close", || program.ask("status").1.contains("closing"));
    assert!(House::runs(pids[0]) && House::runs(pids[2]) && House::runs(pids[3]));
    assert_eq!(program.ask("stop").0, Some(0));
    for pid in pids {
        House::gone(pid);
    }
    assert!(talks.iter_mut().all(Visitor::hung_up));
}

#[test]
fn a_signal_does_what_the_command_does() {
    let server = old_server();
    let house = House::with("", &format!("{SITE}{}", server.declared("old")));
    let old = house.pid();
    house.program().signal("USR2");
    house.program().said("another process has taken over");
    assert_ne!(house.pid(), old);
    House::gone(old);
    assert_eq!(house.visitor().get("/").status, 200);
    house.rules("", "site \"www.test\" {");
    let new = house.pid();
    let done = std::process::Command::new("sh").args(["-c", &format!("kill -USR2 {new}")]).status();
    assert!(done.expect("a shell").success());
    house.program().said("the upgrade failed, and the old process goes on");
    house.program().said("main.vcl:");
    assert_eq!(house.pid(), new);
}

#[test]
fn what_does_not_stand_changes_nothing_and_says_why() {
    let server = old_server();
    let good = format!("{SITE}{}", server.declared("old"));
    let house = House::with("", &good);
    let (mut kept, old) = (house.visitor(), house.pid());
    assert_eq!(kept.get("/").status, 200);
    // Rules with a fault.
    house.rules("", &good.replace(".backend = old", ".backend = odl"));
    let fault = house.refused();
    assert!(fault.contains("did you mean `old`") && fault.contains("main.vcl:"), "{fault}");
    // Another state folder is another gateway.
    house.folder.write("main.vcl", &Stage::text("", &good).replace("\"state\"", "\"other\""));
    assert!(house.refused().contains("takes a restart"));
    assert!(!house.folder.0.join("other").exists());
    // A port that is taken.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port");
    let busy = TcpListener::bind(taken).expect("the port");
    house.folder.write("main.vcl", &Stage::text("", &good).replacen("127.0.0.1:0", &taken.to_string(), 1));
    assert!(house.refused().contains("another program does already"));
    drop(busy);
    // Something that is found late, when the store has been handed over already.
    house.rules("", &good);
    let key = house.folder.0.join("state/authority/root.key");
    let hidden = house.folder.0.join("hidden");
    fs::rename(&key, &hidden).expect("the key");
    let fault = house.refused();
    assert!(fault.contains("root"), "{fault}");
    fs::rename(&hidden, &key).expect("the key");
    // The old one has noticed nothing: it has its store, its control socket, its visitors.
    assert_eq!((kept.get("/").header("connection"), house.pid()), (None, old));
    assert_eq!(house.program().ask("reload").0, Some(0));
    assert!(!house.folder.0.join("state/control.new").exists());
    assert_ne!(house.upgrade(), old);
    assert_eq!(kept.get("/").header("connection"), Some("close"));
}

#[test]
fn a_program_that_falls_is_told_in_its_own_words_and_a_good_one_is_taken() {
    let server = old_server();
    let folder = Folder::new();
    let main = folder.write("main.vcl", &Stage::text("", &format!("{SITE}{}", server.declared("old"))));
    let binary = folder.0.join("gateway");
    let real = |to: &Path| {
        fs::copy(env!("CARGO_BIN_EXE_doorward"), to).expect("the program");
    };
    replace(&binary, &real);
    let mut command = std::process::Command::new(&binary);
    command.args(["serve", main.to_str().expect("a path")]).stdin(Stdio::null());
    let program = Program::start(command, folder.0.join("state"));
    program.said("the house stands");
    let house = House { program: Some(program), folder };
    let script = |text: &'static str| {
        move |to: &Path| fs::write(to, format!("#!/bin/sh\n{text}\n")).expect("a script")
    };
    replace(&binary, &script("echo 'libnew.so: not found' >&2; exit 127"));
    assert!(house.refused().contains("libnew.so: not found"));
    replace(&binary, &script("exit 3"));
    let fault = house.refused();
    assert!(fault.contains("without a word") && fault.contains('3'), "{fault}");
    fs::write(&binary, "no program").expect("a file");
    assert!(house.refused().contains("cannot start"));
    replace(&binary, &real);
    house.upgrade();
    assert_eq!(house.visitor().get("/").status, 200);
}

/// Puts another program in the place of one that runs, as packages do.
fn replace(binary: &Path, write: &dyn Fn(&Path)) {
    let new = binary.with_extension("new");
    write(&new);
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::rename(&new, binary).expect("the program");
}

#[test]
fn visitors_keep_their_pseudonym_and_their_tls_session() {
    let server = old_server();
    let house = House::with("", &format!("{SITE}{}", server.declared("old")));
    assert_eq!(house.visitor().get("/").status, 200);
    let name = server.heard().header("x-forwarded-for").expect("a pseudonym").to_owned();
    let mut roots = RootCertStore::empty();
    let root = house.folder.0.join("state/authority/root.pem");
    roots.add(CertificateDer::from_pem_file(root).expect("the root")).expect("the root");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut tls = ClientConfig::builder_with_provider(doorward::base::crypto::provider())
            .with_protocol_versions(&[version])
            .expect("TLS versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        tls.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)));
        let tls = Arc::new(tls);
        let visit = || {
            let name = ServerName::try_from("www.test").expect("a name");
            let client = ClientConnection::new(Arc::clone(&tls), name).expect("a client");
            let stream = connect(house.program().address("https"));
            let mut visitor = Visitor::new(rustls::StreamOwned::new(client, stream));
            assert_eq!(visitor.get("/").status, 200);
            visitor.stream.get_ref().conn.handshake_kind().expect("a handshake")
        };
        assert_ne!(visit(), HandshakeKind::Resumed);
        house.upgrade();
        assert_eq!(visit(), HandshakeKind::Resumed, "{version:?}");
        house.upgrade();
        assert_eq!(visit(), HandshakeKind::Resumed, "{version:?}");
    }
    while !server.heard_nothing() {
        assert_eq!(server.heard().header("x-forwarded-for"), Some(&*name), "one visitor, one name");
    }
}

#[test]
fn workers_and_addresses_follow_the_rules_of_the_new_process() {
    let server = old_server();
    let rest = format!("{SITE}{}", server.declared("old"));
    let house = House::with("", &rest);
    let text = |workers: usize, http: &str| {
        let text = Stage::text("", &rest).replace(".workers = 1;", &format!(".workers = {workers};"));
        text.replacen("\"127.0.0.1:0\"", http, 1)
    };
    let at = house.http();
    for workers in [4, 1, 3, 2] {
        house.folder.write("main.vcl", &text(workers, "\"127.0.0.1:0\""));
        house.upgrade();
        assert_eq!(house.http(), at);
        // Many, so that the kernel puts some into each queue: one that nobody empties would hang here.
        let mut visitors: Vec<_> = (0..40).map(|_| house.visitor()).collect();
        assert!(visitors.iter_mut().all(|visitor| visitor.get("/").status == 200), "{workers} workers");
    }
    house.program().said("workers=\"4\"");
    // One more address, then only that one.
    let other = super::stage::vacant_port();
    house.folder.write("main.vcl", &text(2, &format!("\"{at}\", \"{other}\"")));
    house.upgrade();
    for place in [at, other] {
        assert_eq!(Visitor::new(connect(place)).get("/").status, 200);
    }
    house.folder.write("main.vcl", &text(2, &format!("\"{other}\"")));
    house.upgrade();
    until("the old address to close", || TcpStream::connect(at).is_err());
    assert_eq!(Visitor::new(connect(other)).get("/").status, 200);
}

#[test]
fn who_waits_in_the_queue_is_served_by_the_next_process() {
    let server = old_server();
    // One visitor at a time, who stays: all others wait in the kernel's queues.
    let house = House::with(".connections_max = 1;", &format!("{SITE}{}", server.declared("old")));
    let mut first = house.visitor();
    assert_eq!(first.get("/").status, 200);
    let mut waiting: Vec<_> = (0..20).map(|_| house.visitor()).collect();
    for visitor in &mut waiting {
        visitor.send("GET / HTTP/1.1\r\nHost: www.test\r\nConnection: close\r\n\r\n");
    }
    house.upgrade();
    // Each leaves when it has been answered, and the next has its place.
    for mut visitor in waiting {
        assert_eq!(visitor.reply(false).status, 200);
    }
    assert_eq!(first.get("/").header("connection"), Some("close"));
}

/// Visitors who come again and again, each in its way, until told to stop: how often, and what went wrong.
fn crowd(at: SocketAddr, stop: &Arc<AtomicBool>, count: usize) -> Vec<thread::JoinHandle<usize>> {
    (0..count)
        .map(|number| {
            let stop = Arc::clone(stop);
            thread::spawn(move || {
                let mut asked = 0;
                let mut visitor = Visitor::new(connect(at));
                while !stop.load(Ordering::Relaxed) {
                    let reply = visitor.get("/");
                    assert_eq!((reply.status, reply.complete), (200, true));
                    asked += 1;
                    // Some come anew each time.
                    if number % 2 == 0 || reply.header("connection") == Some("close") {
                        visitor = Visitor::new(connect(at));
                    }
                }
                asked
            })
        })
        .collect()
}

#[test]
fn reloads_and_upgrades_under_constant_requests_fail_nobody() {
    let servers = [old_server(), old_server()];
    let rest = |at: usize| format!("{SITE}{}", servers[at].declared("old"));
    let house = House::with("", &rest(0));
    let stop = Arc::new(AtomicBool::new(false));
    let visitors = crowd(house.http(), &stop, 6);
    for turn in 1..=40 {
        house.rules("", &rest(turn % 2));
        assert_eq!(house.program().ask("reload").0, Some(0));
        if turn % 10 == 0 {
            house.upgrade();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let asked: Vec<usize> = visitors.into_iter().map(|visitor| visitor.join().expect("no failure")).collect();
    assert!(asked.iter().all(|count| *count > 0), "{asked:?}");
    let folder = house.ended();
    let lines = log_of(&folder.0.join("state"), "www.test", "access");
    assert_eq!(lines.lines().count(), asked.iter().sum::<usize>(), "one line for each");
}

#[test]
fn the_process_that_was_replaced_ends_what_is_open_when_its_time_is_over() {
    let server = old_server();
    let house = House::with(".upgrade_drain_timeout = 300ms;", &format!("{SITE}{}", server.declared("old")));
    let old = house.pid();
    let mut talks = house.visitor();
    talks.send(WEBSOCKET);
    assert_eq!(talks.reply(false).status, 101);
    house.upgrade();
    assert!(talks.hung_up());
    House::gone(old);
}

// ---- under systemd

/// A service manager, as far as it listens.
struct Manager {
    ear: UnixDatagram,
    name: String,
}

impl Manager {
    fn new() -> Self {
        let name = format!("doorward-test-{:016x}", random::number());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
        let ear = UnixDatagram::bind_addr(&address).expect("an ear");
        ear.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { ear, name: format!("@{name}") }
    }

    fn heard(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.ear.recv(&mut bytes).expect("a word");
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    }

    /// The next word that begins like this, others passed over.
    fn hears(&self, begins: &str) -> String {
        loop {
            let heard = self.heard();
            if heard.starts_with(begins) {
                return heard;
            }
        }
    }
}

#[test]
fn systemd_is_told_how_the_service_is_and_passes_its_sockets() {
    let server = old_server();
    let folder = Folder::new();
    let manager = Manager::new();
    let (http, https) = (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
    let (http, https) = (http.expect("a port"), https.expect("a port"));
    let (at, secure_at) = (http.local_addr().expect("a port"), https.local_addr().expect("a port"));
    // The first is known by its port, the second by its name.
    let text = Stage::text("", &format!("{SITE}{}", server.declared("old")));
    let main =
        folder.write("main.vcl", &text.replacen("127.0.0.1:0", &format!("127.0.0.1:{}", at.port()), 1));
    // What systemd does between fork and exec: the sockets are 3 and 4.
    let script = "exec 3<&0 4<&1 1>&2 0</dev/null; LISTEN_PID=$$ exec \"$0\" serve \"$1\"";
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_doorward"), main.to_str().expect("a path")])
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "doorward.socket:https")
        .env("NOTIFY_SOCKET", &manager.name)
        .env("WATCHDOG_USEC", "400000")
        .stdin(Stdio::from(OwnedFd::from(http.try_clone().expect("a socket"))))
        .stdout(Stdio::from(OwnedFd::from(https.try_clone().expect("a socket"))))
        .stderr(Stdio::piped());
    let program = Program::start_silent(command, folder.0.join("state"));
    let house = House { program: Some(program), folder };
    let ready = manager.heard();
    assert!(ready.starts_with("READY=1\nSTATUS=doorward ") && ready.contains("serves 1 site"), "{ready}");
    drop((http, https));
    assert_eq!((house.http(), house.program().address("https")), (at, secure_at));
    assert_eq!(house.visitor().get("/").status, 200);
    assert_eq!(looker("www.test").at(secure_at).get("/").status, 200);
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    assert_eq!(house.program().ask("reload").0, Some(0));
    manager.hears("RELOADING=1\nMONOTONIC_USEC=");
    assert!(manager.hears("READY=1").contains("generation 2"));
    let good = fs::read_to_string(&main).expect("the rules");
    fs::write(&main, "site {").expect("the rules");
    assert_eq!(house.program().ask("reload").0, Some(1));
    manager.hears("RELOADING=1\nMONOTONIC_USEC=");
    assert!(manager.hears("READY=1").contains("the new rules were refused"));
    fs::write(&main, good).expect("the rules");
    for _ in 0..2 {
        let new = house.upgrade();
        assert_eq!(manager.hears("MAINPID="), format!("MAINPID={new}"));
        assert!(manager.hears("READY=1").contains("serves 1 site"));
        manager.hears("WATCHDOG=1");
        assert_eq!((house.http(), house.program().address("https")), (at, secure_at));
        assert_eq!(house.visitor().get("/").status, 200);
        assert_eq!(looker("www.test").at(secure_at).get("/").status, 200);
    }
    assert_eq!(house.program().ask("stop").0, Some(0));
    assert!(manager.hears("STOPPING=1").contains("EXTEND_TIMEOUT_USEC=40000000"));
}

#[test]
fn a_socket_that_nothing_is_said_about_is_refused_in_words() {
    let folder = Folder::new();
    let main = folder.write("main.vcl", &Stage::text("", "site \"www.test\" { }\n"));
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ exec \"$0\" serve \"$1\"";
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_doorward"), main.to_str().expect("a path")])
        .env("LISTEN_FDS", "1")
        .stdin(Stdio::from(OwnedFd::from(socket)));
    let (code, _, fault) = run(&mut command);
    assert!(code == Some(1) && fault.contains("FileDescriptorName=https"), "{fault}");
    // And a line that is none.
    let (code, _, fault) =
        run(doorward(&["serve", main.to_str().expect("a path")]).env("DOORWARD_TAKE_OVER", "1"));
    assert!(code == Some(1) && fault.contains("DOORWARD_TAKE_OVER is set"), "{fault}");
}
