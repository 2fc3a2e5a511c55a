//! The same decisions: rules and requests for which `varnishd` and our machine must do the same, in what does not
//! hang on a cache.
//!
//! A play of `plays/*.txt` is a title (`=== …`), its rules, and then its requests (`--- GET /x`, with headers and,
//! after an empty line, a body), each with what the backend answers (`--- answer 200 OK …`; several where it is
//! asked several times; `200 OK` where none is given) and with what was decided. `decided` is what varnishd did:
//! what each backend was asked, and what the visitor got. One test holds our machine to it, another holds it
//! to varnishd; `UPDATE=1 cargo test --test vcl varnishd_decides` writes it anew.
//!
//! Where ours differs on purpose, `--- ours: why` and what we decide follow.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::varnish::{self, Folder};

const FOLDER: &str = "tests/vcl/plays";

/// The backends that every play has. `dead` answers nothing; `nobody` is nobody.
pub const BACKENDS: [&str; 3] = ["default", "other", "third"];

/// What never counts: what a proxy says of itself, of the connection and of the time.
const IGNORED: [&str; 12] = [
    "x-varnish",
    "via",
    "age",
    "date",
    "server",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-ranges",
    "x-forwarded-for",
    "keep-alive",
    "accept-encoding",
];

/// What hardly any play is about: the host asked for, and what goes with a page that nobody wrote.
const USUAL: [(&str, &str); 3] =
    [("host", "www.example"), ("content-type", "text/html; charset=utf-8"), ("retry-after", "5")];

pub struct Play {
    pub file: String,
    pub title: String,
    pub rules: String,
    pub turns: Vec<Turn>,
}

#[derive(Clone, Debug, Default)]
pub struct Turn {
    pub request: Message,
    pub answers: Vec<Message>,
    pub decided: String,
    /// Where we differ on purpose: the reason, and what we decide.
    pub ours: Option<(String, String)>,
}

/// A request (`start` is `GET /`) or an answer (`200 OK`).
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    fn read(start: &str, text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let headers = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
            .collect();
        Self { start: start.to_owned(), headers, body: body.trim_end_matches('\n').to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

pub fn answer() -> Message {
    Message { start: "200 OK".to_owned(), headers: Vec::new(), body: "from the backend".to_owned() }
}

pub fn plays() -> Vec<Play> {
    let mut files: Vec<_> =
        fs::read_dir(FOLDER).expect("the plays").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Play> {
    let text = fs::read_to_string(path).unwrap();
    let file = path.file_name().unwrap().to_str().unwrap();
    text.split("=== ").skip(1).map(|play| play_of(file, play)).collect()
}

fn play_of(file: &str, text: &str) -> Play {
    let (title, rest) = text.split_once('\n').expect("a title");
    let mut parts = rest.split("--- ");
    let rules = parts.next().unwrap_or_default().to_owned();
    let mut turns: Vec<Turn> = Vec::new();
    for part in parts {
        let (start, rest) = part.split_once('\n').unwrap_or((part, ""));
        if let Some(status) = start.strip_prefix("answer ") {
            turns.last_mut().expect("a request first").answers.push(Message::read(status, rest));
        } else if start == "decided" {
            rest.trim().clone_into(&mut turns.last_mut().unwrap().decided);
        } else if let Some(reason) = start.strip_prefix("ours: ") {
            turns.last_mut().unwrap().ours = Some((reason.to_owned(), rest.trim().to_owned()));
        } else {
            turns.push(Turn { request: Message::read(start, rest), ..Turn::default() });
        }
    }
    Play { file: file.to_owned(), title: title.to_owned(), rules, turns }
}

fn written(plays: &[&Play]) -> String {
    let mut out = String::new();
    for play in plays {
        let _ = write!(out, "=== {}\n{}\n", play.title, play.rules.trim_end());
        let message = |out: &mut String, start: &str, message: &Message| {
            let _ = writeln!(out, "--- {start}");
            for (name, value) in &message.headers {
                let _ = writeln!(out, "{name}: {value}");
            }
            if !message.body.is_empty() {
                let _ = writeln!(out, "\n{}", message.body);
            }
        };
        for turn in &play.turns {
            message(&mut out, &turn.request.start, &turn.request);
            for answer in &turn.answers {
                message(&mut out, &format!("answer {}", answer.start), answer);
            }
            let _ = writeln!(out, "--- decided\n{}", turn.decided);
            if let Some((reason, ours)) = &turn.ours {
                let _ = writeln!(out, "--- ours: {reason}\n{ours}");
            }
        }
        out.push('\n');
    }
    out
}

/// One line for each header that counts, sorted: their order is nobody's business, but that of one name's values.
pub fn headers_shown(headers: &[(String, String)]) -> String {
    let mut lines: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .filter(|(name, value)| !IGNORED.contains(&name.as_str()) && !USUAL.contains(&(name, value)))
        .collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "  {}", format!("{name}: {value}").trim_end());
        out
    })
}

pub fn asked_shown(backend: &str, start: &str, headers: &[(String, String)], body: &str) -> String {
    let body = if body.is_empty() { String::new() } else { format!("  | {body}\n") };
    format!("asks {backend}: {start}\n{}{body}", headers_shown(headers))
}

/// The page that nobody wrote is each house's own: its words are not compared.
pub fn said_shown(play: &Play, status: &str, headers: &[(String, String)], body: &str) -> String {
    let own_page = body.starts_with("<!DOCTYPE html>");
    assert!(
        !own_page || !play.rules.contains("<!DOCTYPE"),
        "a play's page must not look like the built-in one"
    );
    let body = match body {
        "" => String::new(),
        _ if own_page => "  | (a page)\n".to_owned(),
        text => format!("  | {}\n", text.replace('\n', "\n  | ")),
    };
    format!("says {status}\n{}{body}", headers_shown(headers))
}

/// What stands in front of every play's rules.
pub fn prologue(ports: [u16; 3]) -> String {
    let mut out = "vcl 4.1;\nimport std;\nimport directors;\n".to_owned();
    for (name, port) in BACKENDS.iter().zip(ports) {
        let _ = writeln!(out, "backend {name} {{ .host = \"127.0.0.1\"; .port = \"{port}\"; }}");
    }
    out.push_str(
        "backend dead { .host = \"127.0.0.1\"; .port = \"1\"; }\nbackend nobody none;\n\
         sub vcl_init {\n    new all_of_them = directors.round_robin();\n",
    );
    for name in BACKENDS.iter().chain(&["dead"]) {
        let _ = writeln!(out, "    all_of_them.add_backend({name});");
    }
    out.push_str("    if (std.healthy(nobody)) { std.log(\"nobody is well\"); }\n}\n");
    out
}

/// What the backends are to answer, and what they were asked.
#[derive(Default)]
struct Script {
    answers: Vec<Message>,
    asked: String,
}

/// Three old servers that answer as a script says.
struct Backends {
    ports: [u16; 3],
    script: Arc<Mutex<Script>>,
}

impl Backends {
    fn open() -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let ports = BACKENDS.map(|name| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let script = Arc::clone(&script);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let script = Arc::clone(&script);
                    std::thread::spawn(move || serve(name, stream, &script));
                }
            });
            port
        });
        Self { ports, script }
    }
}

/// Start line, headers, body.
fn read_message(stream: &mut BufReader<TcpStream>, body_allowed: bool) -> Option<Message> {
    let mut head = String::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        if line.trim_end().is_empty() {
            break;
        }
        head.push_str(line.trim_end_matches(['\r', '\n']));
        head.push('\n');
    }
    let (start, headers) = head.split_once('\n')?;
    let mut message = Message::read(start, headers);
    let mut body = Vec::new();
    if !body_allowed {
    } else if let Some(length) = message.header("content-length") {
        body.resize(length.parse().ok()?, 0);
        stream.read_exact(&mut body).ok()?;
    } else if message.header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else if !message.start.ends_with("HTTP/1.1") {
        let _ = stream.read_to_end(&mut body);
    }
    message.body = String::from_utf8_lossy(&body).into_owned();
    Some(message)
}

fn serve(name: &str, stream: TcpStream, script: &Mutex<Script>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut stream = BufReader::new(stream);
    let Some(asked) = read_message(&mut stream, true) else { return };
    let start = asked.start.trim_end_matches(" HTTP/1.1").to_owned();
    let answer = {
        let mut script = script.lock().unwrap();
        script.asked.push_str(&asked_shown(name, &start, &asked.headers, &asked.body));
        if script.answers.is_empty() { answer() } else { script.answers.remove(0) }
    };
    let _ = stream.get_mut().write_all(&on_the_wire(&answer, start.starts_with("HEAD ")));
}

fn on_the_wire(answer: &Message, head: bool) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {}\r\n", answer.start);
    for (name, value) in &answer.headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    let _ = write!(out, "Content-Length: {}\r\nConnection: close\r\n\r\n", answer.body.len());
    if !head && !answer.start.starts_with("304") && !answer.start.starts_with("204") {
        out.push_str(&answer.body);
    }
    out.into_bytes()
}

/// A varnishd that runs.
struct Varnish {
    child: Child,
    work: Folder,
    address: SocketAddr,
}

impl Drop for Varnish {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Varnish {
    fn start(first: &Path) -> Self {
        let work = Folder::new();
        let child = Command::new("varnishd")
            .args(["-F", "-j", "none", "-a", "127.0.0.1:0", "-s", "malloc,10m"])
            .args(["-p", "http_gzip_support=off", "-p", "vcc_err_unref=off"])
            .args(["-p", "cc_command=exec cc -fpic -shared -O0 -w -o %o %s"])
            .arg("-n")
            .arg(work.0.join("n"))
            .arg("-f")
            .arg(first)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("varnishd starts");
        let mut varnish = Self { child, work, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        // varnishadm waits until the door is open; the door's port is the kernel's choice.
        let said = (0..100)
            .find_map(|_| {
                let said = varnish.ask(&["debug.listen_address"]).ok()?;
                said.contains("127.0.0.1").then_some(said)
            })
            .expect("varnishd answers");
        let port = said.split_whitespace().nth(2).and_then(|port| port.parse().ok()).expect("a port");
        varnish.address.set_port(port);
        varnish
    }

    fn ask(&self, words: &[&str]) -> Result<String, String> {
        let out = Command::new("varnishadm")
            .args(["-t", "20", "-n"])
            .arg(self.work.0.join("n"))
            .args(words)
            .output()
            .expect("varnishadm runs");
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        if out.status.success() { Ok(said) } else { Err(said + &String::from_utf8_lossy(&out.stderr)) }
    }
}

/// What varnishd decides about one request.
fn varnish_decides(varnish: &Varnish, backends: &Backends, play: &Play, turn: &Turn) -> String {
    *backends.script.lock().unwrap() = Script { answers: turn.answers.clone(), asked: String::new() };
    // What is in the cache must not answer.
    varnish.ask(&["ban", "obj.status != 0"]).expect("a ban");
    let mut stream = TcpStream::connect(varnish.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request = format!("{} HTTP/1.1\r\n", turn.request.start);
    for (name, value) in &turn.request.headers {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    if turn.request.header("host").is_none() {
        request.push_str("Host: www.example\r\n");
    }
    let _ = write!(request, "Connection: close\r\n\r\n{}", turn.request.body);
    stream.write_all(request.as_bytes()).unwrap();
    let head = turn.request.start.starts_with("HEAD ");
    let said = read_message(&mut BufReader::new(stream), !head).unwrap_or_default();
    let asked = std::mem::take(&mut backends.script.lock().unwrap().asked);
    let status = said.start.split_once(' ').map_or("nothing", |(_, rest)| rest);
    format!("{asked}{}", said_shown(play, status, &said.headers, &said.body)).trim().to_owned()
}

#[test]
fn varnishd_decides_what_the_plays_say() {
    if !varnish::is_here() {
        return;
    }
    let update = std::env::var_os("UPDATE").is_some();
    let mut plays = plays();
    let backends = Backends::open();
    let folder = Folder::new();
    let file = |name: &str, text: &str| {
        let path = folder.0.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let varnish = Varnish::start(&file("first.vcl", "vcl 4.1;\nbackend default none;\n"));
    let mut wrong = String::new();
    let mut turns = 0;
    for (number, play) in plays.iter_mut().enumerate() {
        let name = format!("play{number}");
        let path = file(&name, &format!("{}{}", prologue(backends.ports), play.rules));
        let loaded = varnish.ask(&["vcl.load", &name, path.to_str().unwrap()]);
        if let Err(said) = loaded.and_then(|_| varnish.ask(&["vcl.use", &name])) {
            let _ = writeln!(wrong, "varnishd refuses {}: {}\n{said}", play.file, play.title);
            continue;
        }
        for turn in 0..play.turns.len() {
            let decided = varnish_decides(&varnish, &backends, play, &play.turns[turn]);
            turns += 1;
            if update {
                play.turns[turn].decided = decided;
            } else if decided != play.turns[turn].decided {
                let _ = writeln!(
                    wrong,
                    "{}: {}: {}\n-- the play says\n{}\n-- varnishd decides\n{decided}\n",
                    play.file, play.title, play.turns[turn].request.start, play.turns[turn].decided
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{} plays with {turns} requests, decided by varnishd", plays.len());
    if update {
        let mut files: BTreeMap<&str, Vec<&Play>> = BTreeMap::new();
        for play in &plays {
            files.entry(&play.file).or_default().push(play);
        }
        for (name, plays) in files {
            fs::write(Path::new(FOLDER).join(name), written(&plays)).unwrap();
        }
    }
    assert!(plays.len() >= 60, "the plays are not there");
}
