//! Each way in which a server can fail a visitor, made to happen: the page that he reads, in his language, the line
//! that the operator finds by the page's id, and what a program is told.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use doorward::base::cause::Cause;
use socket2::{Domain, Socket, Type};

use crate::server::{Server, free_port};
use crate::stage::{Folder, OldServer, PATIENCE, Reply, Secure, Stage, Visitor, closed_port};

/// What each backend of the stage is called, what it does to its visitors, and what they are told.
const FAILS: &[(&str, Cause)] = &[
    ("closed", Cause::Refused),
    ("nowhere", Cause::Unreachable),
    ("full", Cause::MaxConnections),
    ("crowded", Cause::QueueFull),
    ("sick", Cause::Unhealthy),
    ("all_sick", Cause::NoneHealthy),
    ("all_dead", Cause::AllFailed),
    ("resets", Cause::Read),
    ("stopped", Cause::FirstByteTimeout),
    ("deaf", Cause::ConnectTimeout),
    ("nameless", Cause::Dns),
    ("impostor", Cause::Tls),
    ("babbles", Cause::Protocol),
];

/// nginx, which sends its large file slowly.
fn nginx() -> (Server, u16) {
    let port = free_port();
    let folder = Folder::new();
    folder.write("big", &"0123456789".repeat(1_000_000));
    folder.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off; \
             server {{ listen 127.0.0.1:{port}; root {}; limit_rate 100k; }} }}",
            folder.0.display()
        ),
    );
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder.0).args(["-c", "nginx.conf", "-e", "stderr"]);
    let mut nginx = Server::start(folder, command);
    nginx.wait_for(SocketAddr::from(([127, 0, 0, 1], port)));
    (nginx, port)
}

fn signal(server: &Server, name: &str) {
    let sent = Command::new("kill").args([name, &server.pid().to_string()]).status();
    assert!(sent.is_ok_and(|sent| sent.success()), "kill {name}");
}

/// Somebody listens, and never takes a connection: the queue of the system is full.
fn deaf() -> (Socket, Vec<TcpStream>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    socket.listen(0).expect("a listener");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
    let patience = Duration::from_millis(200);
    let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, patience).ok());
    (socket, waiting.take(64).collect(), address)
}

fn browser(visitor: &mut Visitor<Secure>, path: &str) -> Reply {
    visitor.ask(&format!(
        "GET {path} HTTP/1.1\r\nHost: www.test\r\nAccept: text/html\r\nAccept-Language: de-CH, en;q=0.3\r\n\r\n"
    ))
}

/// Until a visitor stands in line.
fn until_one_waits(stage: &Stage) {
    let begun = Instant::now();
    while !stage.running().status().text.contains("1 wait for a place") {
        assert!(begun.elapsed() < PATIENCE, "nobody waits: {}", stage.running().status().text);
        thread::yield_now();
    }
}

/// The headline of a page as it lies in the folder.
fn headline(cause: Cause) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("error-pages").join(format!("{}.de.html", cause.page()));
    let page = fs::read_to_string(&path).expect("a page for each cause");
    let (_, rest) = page.split_once("<h1>").expect("a headline");
    format!("<h1>{}</h1>", rest.split("</h1>").next().unwrap_or_default())
}

#[test]
fn each_failure_has_its_page_its_line_and_its_word_for_programs() {
    let holds = || {
        OldServer::playing(|connection| {
            while let Some(asked) = connection.head() {
                connection.note(asked);
            }
        })
    };
    let (full, crowded) = (holds(), holds());
    let resets = OldServer::playing(|connection| {
        connection.head();
        connection.reset();
    });
    let babbles = OldServer::answering(|_| b"220 mail.test ready\r\n".to_vec());
    let (stopped, port) = nginx();
    signal(&stopped, "-STOP");
    let (_socket, _waiting, deaf) = deaf();
    let plain = OldServer::saying("no TLS here");
    let dead = || format!("http://{}", closed_port());

    let mut rules = String::from("probe dead { .url = \"/\"; .initial = 0; .interval = 1h; }\n");
    let mut backend = |name: &str, url: &str, more: &str| {
        writeln!(rules, "backend {name} {{ .url = \"{url}\"; .failures_max = 0; {more} }}").expect("text");
    };
    backend("closed", &dead(), "");
    // No route leads to a group by TCP, whatever network this machine is in.
    backend("nowhere", "http://224.0.0.1", "");
    backend("full", &format!("http://{}", full.address), ".max_connections = 1;");
    backend("crowded", &format!("http://{}", crowded.address), ".workers = 1; .queue = 1;");
    backend("sick", &dead(), ".probe = dead;");
    backend("sick_too", &dead(), ".probe = dead;");
    backend("dead", &dead(), "");
    backend("dead_too", &dead(), "");
    backend("resets", &format!("http://{}", resets.address), "");
    backend("stopped", &format!("http://127.0.0.1:{port}"), ".first_byte_timeout = 300ms;");
    backend("deaf", &format!("http://{deaf}"), ".connect_timeout = 300ms;");
    backend("nameless", "http://nobody.invalid", "");
    backend(
        "impostor",
        &format!("https://{}", plain.address),
        ".pin = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\";",
    );
    backend("babbles", &format!("http://{}", babbles.address), "");
    rules.push_str("director all_sick { .members = sick, sick_too; }\ndirector all_dead { .members = dead, dead_too; }\n");
    let mut routes = String::new();
    for (name, _) in FAILS {
        writeln!(routes, "route \"/{name}/\" {{ .backend = {name}; }}").expect("text");
    }
    let mut stage = Stage::with(&routes, &rules);

    // Those who came first hold what there is.
    let mut held: Vec<_> = (0..3).map(|_| stage.visitor()).collect();
    for (visitor, (path, server)) in
        held.iter_mut().zip([("/full/", Some(&full)), ("/crowded/", Some(&crowded)), ("/crowded/wait", None)])
    {
        visitor.send(format!("GET {path} HTTP/1.1\r\nHost: www.test\r\n\r\n"));
        match server {
            Some(server) => drop(server.heard()),
            None => until_one_waits(&stage),
        }
    }
    let mut told = Vec::new();
    for (name, cause) in FAILS {
        let mut visitor = stage.visitor();
        let page = browser(&mut visitor, &format!("/{name}/"));
        let id = page.header("x-request-id").expect("an id").to_owned();
        assert_eq!(
            (page.status, page.header("content-language")),
            (503, Some("de")),
            "{name}: {}",
            page.text()
        );
        assert!(page.text().contains(&headline(*cause)), "{name}: {}", page.text());
        assert!(page.text().contains(&id), "{name}");
        let json = visitor.ask(&format!(
            "GET /{name}/ HTTP/1.1\r\nHost: www.test\r\nAccept: application/problem+json\r\n\r\n"
        ));
        let json: serde_json::Value = serde_json::from_slice(&json.body).expect("JSON");
        assert_eq!((&json["cause"], &json["status"]), (&cause.name().into(), &503.into()), "{name}");
        told.push((id, *cause));
    }
    drop(held);
    signal(&stopped, "-CONT");
    let errors = stage.log("www.test", "error");
    for (id, cause) in told {
        let line =
            errors.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("no line of {id}"));
        assert!(line.contains(&format!(" cause={}", cause.name())), "{line}");
    }
}

#[test]
fn a_server_killed_in_mid_answer_leaves_a_visibly_broken_one_and_then_a_page() {
    let (nginx, port) = nginx();
    let stage = Stage::with(
        "route \"/\" { .backend = web; }",
        &format!("backend web {{ .url = \"http://127.0.0.1:{port}\"; }}"),
    );
    let mut visitor = stage.visitor();
    visitor.send("GET /big HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let mut line = String::new();
    visitor.stream.read_line(&mut line).expect("the answer begins");
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        visitor.stream.read_line(&mut line).expect("a header line");
        length = line
            .strip_prefix("content-length: ")
            .map_or(length, |text| text.trim().parse().expect("a length"));
    }
    assert_eq!(length, 10_000_000);
    signal(&nginx, "-KILL");
    let mut body = Vec::new();
    // It ends, well before patience does: a connection that only hangs tells nobody that something is missing.
    let ended = visitor.stream.read_to_end(&mut body);
    assert!(!ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "it hangs");
    assert!(body.len() < length, "it looks whole");
    let page = browser(&mut stage.visitor(), "/big");
    assert!(page.status == 503 && page.text().contains(&headline(Cause::Refused)), "{}", page.text());
}

#[test]
fn a_server_that_hangs_up_on_an_upload_has_its_page() {
    let server = OldServer::playing(|connection| {
        connection.head();
        let _ = connection.stream.read_exact(&mut vec![0; 100_000]);
        connection.reset();
    });
    let mut stage = Stage::with("route \"/\" { .backend = old; }", &server.declared("old"));
    let mut visitor = stage.visitor();
    visitor.send(
        "POST /up HTTP/1.1\r\nHost: www.test\r\nAccept: text/html\r\nAccept-Language: de\r\nContent-Type: \
         application/octet-stream\r\nContent-Length: 50000000\r\n\r\n",
    );
    let piece = vec![b'x'; 1_000_000];
    for _ in 0..50 {
        use std::io::Write as _;
        if visitor.stream.get_mut().write_all(&piece).is_err() {
            break;
        }
    }
    let page = visitor.reply(false);
    assert_eq!(page.status, 503);
    assert!(page.text().contains(&headline(Cause::Write)), "{}", page.text());
    let id = page.header("x-request-id").expect("an id").to_owned();
    let errors = stage.log("www.test", "error");
    assert!(errors.lines().any(|line| line.contains(&id) && line.contains(" cause=write")), "{errors}");
}
