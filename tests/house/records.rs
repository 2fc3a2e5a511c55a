//! What remains of visits: one line each, nothing of who they were.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc;

use super::stage::{Folder, OldServer, PATIENCE, Stage, Visitor, closed_port, connect, ok};
use super::tools::{Program, connect_from, files_below, log_of, looker, page, send_anyway, until};

/// Every access line of a state folder.
fn visits(state: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for path in files_below(&state.join("log")) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("access")) {
            lines.extend(fs::read_to_string(path).expect("a log").lines().map(str::to_owned));
        }
    }
    lines
}

/// An old server that answers `/slow…` when it is told to, `/half…` by half, `/garbage` with garbage.
struct Moody {
    server: OldServer,
    /// Somebody asks for something slow.
    asked: mpsc::Receiver<String>,
    answer: mpsc::Sender<()>,
    /// The gateway hung up on something slow.
    left: mpsc::Receiver<()>,
}

impl Moody {
    fn new() -> Self {
        let (tell, asked) = mpsc::channel();
        let (answer, wait) = mpsc::channel();
        let (went, left) = mpsc::channel();
        let inside = (Mutex::new(tell), Mutex::new(wait), Mutex::new(went));
        let server = OldServer::playing(move |connection| {
            let (tell, wait, went) = &inside;
            while let Some(request) = connection.request() {
                let path = request.line.split(' ').nth(1).unwrap_or_default().to_owned();
                if path.starts_with("/slow") {
                    tell.lock().expect("the test").send(path).expect("the test");
                    wait.lock().expect("the test").recv().expect("the test");
                    connection.write(&ok("slow"));
                } else if path.starts_with("/never") {
                    tell.lock().expect("the test").send(path).expect("the test");
                    while connection.request().is_some() {}
                    let _ = went.lock().expect("the test").send(());
                } else if path.starts_with("/half") {
                    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
                    return;
                } else if path.starts_with("/endless") {
                    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
                    let piece = vec![b'x'; 65_536];
                    while connection.stream.get_mut().write_all(&piece).is_ok() {}
                    let _ = went.lock().expect("the test").send(());
                    return;
                } else if path.starts_with("/garbage") {
                    connection.write(b"garbage 203.0.113.77\r\n\r\n");
                    return;
                } else {
                    connection.write(&ok("hello"));
                }
            }
        });
        Self { server, asked, answer, left }
    }

    fn asked(&self) -> String {
        self.asked.recv_timeout(PATIENCE).expect("the old server is asked")
    }

    fn left(&self) {
        self.left.recv_timeout(PATIENCE).expect("the gateway hangs up");
    }
}

#[test]
fn every_visit_has_one_line_however_it_ends() {
    let moody = Moody::new();
    let rules = format!(
        "site \"www.test\" {{ route \"/\" {{ .backend = old; }} route \"/down\" {{ .backend = down; }} route \"/closed\" {{ .backend = old; .allow = nobody; }} route \"/small\" {{ .backend = old; .body_bytes_max = 1KB; }} }}\nbackend down {{ .url = \"http://{}\"; }}\n{}",
        closed_port(),
        moody.server.declared("old")
    );
    let mut stage = Stage::raw("", &rules);
    let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
    let mut visitor = stage.visitor();
    for (path, status) in [
        ("/ok-1", "200"),
        ("/ok-2", "200"),
        ("/down", "503"),
        ("/closed", "403"),
        ("/.doorward/x", "404"),
        ("/garbage", "503"),
    ] {
        assert_eq!(visitor.get(path).status.to_string(), status, "{path}");
        expected.insert(path, status);
    }
    assert_eq!(visitor.ask("HEAD /head HTTP/1.1\r\nHost: www.test\r\n\r\n").status, 200);
    expected.insert("/head", "200");
    assert_eq!(visitor.ask("GET /elsewhere HTTP/1.1\r\nHost: else.test\r\n\r\n").status, 421);
    expected.insert("/elsewhere", "421");
    assert!(!visitor.get("/half").complete);
    expected.insert("/half", "200");
    let mut visitor = stage.visitor();
    let large = visitor.ask("POST /small HTTP/1.1\r\nHost: www.test\r\nContent-Length: 2048\r\n\r\n");
    assert_eq!(large.status, 413);
    expected.insert("/small", "413");
    for (path, head) in [
        ("/two-hosts", "GET /two-hosts HTTP/1.1\r\nHost: www.test\r\nHost: www.test\r\n\r\n"),
        ("/bad%2Fpath", "GET /bad%2fpath HTTP/1.1\r\nHost: www.test\r\n\r\n"),
    ] {
        assert_eq!(stage.visitor().ask(head).status, 400, "{path}");
        expected.insert(path, "400");
    }
    assert_eq!(stage.visitor().ask("GET /space d HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(stage.plain_visitor().ask("GET /plain HTTP/1.1\r\nHost: www.test\r\n\r\n").status, 301);
    expected.insert("/plain", "301");
    // Who leaves before the answer, with a reset and with a goodbye; and in the middle of it.
    for path in ["/never-1", "/never-2"] {
        let mut visitor = stage.visitor();
        visitor.send(format!("GET {path} HTTP/1.1\r\nHost: www.test\r\n\r\n"));
        assert_eq!(moody.asked(), path);
        if path == "/never-1" {
            let socket = socket2::SockRef::from(&visitor.stream.get_ref().sock);
            socket.set_linger(Some(std::time::Duration::ZERO)).expect("a reset");
        }
        drop(visitor);
        moody.left();
        expected.insert(path, "499");
    }
    let mut visitor = stage.visitor();
    visitor.send("GET /endless HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(visitor.any_reply(true).status, 200);
    drop(visitor);
    moody.left();
    expected.insert("/endless", "200");
    // A reload in between, and another that is refused.
    let mut visitor = stage.visitor();
    visitor.send("GET /slow-reload HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(moody.asked(), "/slow-reload");
    assert!(stage.running().reload().done);
    stage.folder.write("main.vcl", "rubbish");
    assert!(!stage.running().reload().done);
    moody.answer.send(()).expect("the old server");
    assert_eq!(visitor.reply(false).status, 200);
    expected.insert("/slow-reload", "200");
    // The house closes while one visit can be finished and another can't.
    let mut finishes = stage.visitor();
    finishes.send("GET /slow-stop HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(moody.asked(), "/slow-stop");
    let mut breaks = stage.visitor();
    breaks.send("GET /never-stop HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(moody.asked(), "/never-stop");
    stage.running().stop();
    until("the house to close its doors", || page(stage.admin(), "/health").0 == 503);
    moody.answer.send(()).expect("the old server");
    let reply = finishes.reply(false);
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    expected.insert("/slow-stop", "200");
    stage.close();
    expected.insert("/never-stop", "503");

    let lines = visits(&stage.folder.0.join("state"));
    for (path, status) in &expected {
        let quoted = format!(" {path} HTTP/1.1\" {status}");
        let found: Vec<&String> =
            lines.iter().filter(|line| line.contains(&format!(" {path} HTTP/"))).collect();
        assert_eq!(found.len(), 1, "{path}: {found:?}\n{}", lines.join("\n"));
        assert!(found[0].contains(&quoted), "{path} {status}: {}", found[0]);
    }
    // And the one whose request line nobody could read.
    assert_eq!(lines.len(), expected.len() + 1, "{}", lines.join("\n"));
    let left: Vec<&str> = lines
        .iter()
        .filter(|line| line.contains("left=yes"))
        .map(|line| line.split(' ').nth(6).unwrap_or_default())
        .collect();
    let left: std::collections::BTreeSet<&str> = left.into_iter().collect();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["/endless", "/never-1", "/never-2"]);
}

/// Strict enough for our own lines: one flat object of texts, numbers and truths.
fn json(line: &str) -> BTreeMap<String, String> {
    let mut rest = line.strip_prefix('{').expect("an object");
    let mut members = BTreeMap::new();
    let text = |rest: &mut &str| {
        let body = rest.strip_prefix('"').expect("a quote");
        let mut out = String::new();
        let mut letters = body.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    *rest = &body[at + 1..];
                    return out;
                }
                '\\' => match letters.next().expect("an escape").1 {
                    'u' => {
                        let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16).expect("hex");
                        out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    letter => out.push(letter),
                },
                letter => {
                    assert!((' '..='~').contains(&letter), "raw {letter:?}");
                    out.push(letter);
                }
            }
        }
        panic!("no end of text in {line}")
    };
    loop {
        let name = text(&mut rest);
        rest = rest.strip_prefix(':').expect("a colon");
        let value = if rest.starts_with('"') {
            text(&mut rest)
        } else {
            let end = rest.find([',', '}']).expect("an end");
            let (value, after) = rest.split_at(end);
            assert!(value == "true" || value == "false" || value.parse::<f64>().is_ok(), "{value}");
            rest = after;
            value.to_owned()
        };
        assert!(members.insert(name.clone(), value).is_none(), "{name} twice in {line}");
        match rest.split_at(1) {
            (",", after) => rest = after,
            ("}", after) => {
                assert!(after.is_empty());
                return members;
            }
            _ => panic!("no object: {line}"),
        }
    }
}

/// Apache's combined format: nine fields, and ours behind them.
fn combined(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut letters = line.chars();
    let mut field = String::new();
    let mut until = ' ';
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if until == '"' => field.extend(['\\', letters.next().expect("an escape")]),
            '[' if until == ' ' && field.is_empty() => until = ']',
            '"' if until == ' ' && field.is_empty() => until = '"',
            letter if letter == until && until != ' ' => until = ' ',
            ' ' if until == ' ' => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    assert_eq!(until, ' ', "an open quote in {line}");
    fields.push(field);
    fields
}

#[test]
fn lines_parse_back_whatever_was_sent_and_errors_carry_the_pages_id() {
    let server = OldServer::saying("hello");
    let logs = "log wide { .format = json; .file = \"{state}/log/wide.json\"; .errors = \"{state}/log/wide-errors.json\"; }\n";
    let site = |name: &str, log: &str| {
        format!(
            "site \"{name}\" {{ .force_https = no; {log} route \"/\" {{ .backend = old; }} route \"/down\" {{ .backend = down; }} }}\n"
        )
    };
    let rules = [
        logs.to_owned(),
        site("plain.test", ""),
        site("json.test", ".log = wide;"),
        format!("backend down {{ .url = \"http://{}\"; }}\n", closed_port()),
        server.declared("old"),
    ];
    let mut stage = Stage::raw("", &rules.concat());
    let agent = "Mozilla/5.0 (X; \"quoted\" \\ back) \u{e9}\t{\"json\":1}";
    let mut ids = Vec::new();
    for host in ["plain.test", "json.test"] {
        let mut visitor = stage.plain_visitor();
        for path in ["/a?b=%22c%22&d=\\", "/down?x"] {
            let reply = visitor.ask(&format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nReferer: http://{host}/\"x\"\r\nAccept: text/html\r\n\r\n"
            ));
            assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
            if reply.status == 503 {
                let id = reply.header("x-request-id").expect("an id").to_owned();
                assert!(reply.text().contains(&id), "the page says it too");
                ids.push(id);
            }
        }
    }
    stage.close();
    let state = stage.folder.0.join("state");
    let lines = log_of(&state, "plain.test", "access");
    let lines: Vec<Vec<String>> = lines.lines().map(combined).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(&lines[0][..3], ["127.0.0.0", "-", "-"]);
    assert!(
        lines[0][4].starts_with("GET /a?b=%22c%22&d=") && lines[0][4].ends_with(" HTTP/1.1"),
        "{:?}",
        lines[0]
    );
    assert_eq!((lines[0][5].as_str(), lines[0][6].as_str()), ("200", "5"));
    assert!(lines[0][8].starts_with("Mozilla/5.0 (X; \\\"quoted\\\" \\\\ back)"), "{:?}", lines[0]);
    assert_eq!(lines[1][5], "503");
    assert!(lines[1].contains(&format!("id={}", ids[0])) && lines[1].contains(&"backend=down".to_owned()));
    let errors = log_of(&state, "plain.test", "error");
    assert!(errors.contains(&format!("id={} cause=refused status=503 backend=down", ids[0])), "{errors}");
    let wide = fs::read_to_string(state.join("log/wide.json")).expect("the JSON log");
    let wide: Vec<_> = wide.lines().map(json).collect();
    assert_eq!(wide.len(), 2);
    assert_eq!(
        (&*wide[0]["site"], &*wide[0]["client"], &*wide[0]["status"], &*wide[0]["backend"]),
        ("json.test", "127.0.0.0", "200", "old")
    );
    assert!(wide[0]["agent"].starts_with("Mozilla/5.0 (X; \"quoted\" \\ back)"), "{}", wide[0]["agent"]);
    assert_eq!((&*wide[1]["id"], &*wide[1]["cause"]), (&*ids[1], "refused"));
    let errors = fs::read_to_string(state.join("log/wide-errors.json")).expect("the JSON log of errors");
    let errors: Vec<_> = errors.lines().map(json).collect();
    assert_eq!(
        (&*errors[0]["id"], &*errors[0]["site"], &*errors[0]["backend"]),
        (&*ids[1], "json.test", "down")
    );
}

#[test]
fn nothing_of_a_visitor_lies_in_any_file_or_metric() {
    let moody = Moody::new();
    let down = closed_port();
    let site = "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } route \"/down\" { .backend = down; } route \"/closed\" { .backend = old; .allow = nobody; } }\n";
    let rules = format!(
        "acl balancer {{ \"127.0.0.9\"; }}\n{site}backend down {{ .url = \"http://{down}\"; }}\n{}",
        moody.server.declared_with("old", ".visitor_address = full;")
    );
    let mut stage = Stage::raw(".trusted = balancer; .proxy_protocol = yes;", &rules);
    let (four, six) =
        (Ipv4Addr::new(203, 0, 113, 77), "2001:db8:77::77".parse::<Ipv6Addr>().expect("an address"));
    let secrets = "Cookie: session=kanari-cookie; other=kanari-other\r\nAuthorization: Basic a2FuYXJpOmthbmFyaQ==\r\n\
                   X-Api-Key: kanari-key\r\nUser-Agent: Tool/1.0 (kanari-mail@example.org; 203.0.113.77; 2001:db8:77::77)\r\n\
                   Referer: https://www.test/reset/Kanari7x8Zq2Lm7Pw3tY5aB9?token=kanari-referer\r\n";
    let both = |header: &str| {
        let mut streams = vec![connect_from("127.0.0.9", stage.http())];
        streams[0].write_all(header.as_bytes()).expect("a header");
        let mut secure = connect_from("127.0.0.9", stage.https());
        secure.write_all(header.as_bytes()).expect("a header");
        (streams.remove(0), secure)
    };
    for header in [
        format!("PROXY TCP4 {four} 192.0.2.1 4711 443\r\n"),
        format!("PROXY TCP6 {six} 2001:db8::1 4711 443\r\n"),
    ] {
        let heads = [
            format!(
                "GET /ok?token=kanari-token&password=kanari-password&address={four}&six={six}&mail=kanari-mail%40example.org HTTP/1.1\r\nHost: www.test\r\n{secrets}\r\n"
            ),
            format!("GET /reset/Kanari7x8Zq2Lm7Pw3tY5aB9 HTTP/1.1\r\nHost: www.test\r\n{secrets}\r\n"),
            format!("GET /down?sid=kanari-sid HTTP/1.1\r\nHost: www.test\r\n{secrets}\r\n"),
            format!("GET /garbage?sid=kanari-sid HTTP/1.1\r\nHost: www.test\r\n{secrets}\r\n"),
            format!("GET /half?sid=kanari-sid HTTP/1.1\r\nHost: www.test\r\n{secrets}\r\n"),
            format!(
                "GET /closed HTTP/1.1\r\nHost: www.test\r\nX-Forwarded-For: {four}, {six}\r\n{secrets}\r\n"
            ),
            format!(
                "POST /ok HTTP/1.1\r\nHost: www.test\r\nContent-Length: 24\r\n{secrets}\r\npassword=kanari-password!"
            ),
            format!("GET / HTTP/1.1\r\nHost: {four}\r\n{secrets}\r\n"),
            format!("GET / HTTP/1.1\r\nHost: [{six}]\r\n{secrets}\r\n"),
            format!(
                "GET http://kanari:kanari-password@www.test/ HTTP/1.1\r\nHost: www.test\r\n{secrets}\r\n"
            ),
            format!("GET /bad%2f?token=kanari-token HTTP/1.1\r\nHost: www.test\r\n{secrets}\r\n"),
            format!("GET /kanari HTTP/1.1\r\nHost: kanari-password@{four}\r\n\r\n").replace("/kanari", "/x"),
            format!("GET / HTTP/1.1\r\nHost: www.test\r\nCookie kanari-cookie {four}\r\n\r\n"),
            format!(
                "GET / HTTP/1.1\r\nHost: www.test\r\nForwarded: for={four}\r\nConnection: cookie, {four}\r\n{secrets}\r\n"
            ),
        ];
        for head in &heads {
            let (plain, secure) = both(&header);
            let mut plain = Visitor::new(plain);
            plain.send(head);
            let status = plain.any_reply(false).status;
            assert!(status >= 200, "{head}");
            let mut secure = looker("www.test").over(secure).expect("TLS");
            secure.send(head);
            assert!(secure.any_reply(false).status >= 200);
        }
        // Who breaks off: in the handshake, in a head, in an upload.
        let (plain, mut secure) = both(&header);
        send_anyway(&mut secure, &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]);
        let mut visitor = Visitor::new(plain);
        visitor.send(format!(
            "POST /ok HTTP/1.1\r\nHost: www.test\r\nContent-Length: 99\r\n{secrets}\r\npassword=kanari"
        ));
        visitor.stream.get_ref().shutdown(Shutdown::Write).expect("a goodbye");
        let _ = visitor.hung_up();
        let (mut plain, _) = both(&header);
        send_anyway(&mut plain, format!("GET / HTTP/1.1\r\nCookie: kanari-cookie {four}").as_bytes());
        plain.shutdown(Shutdown::Write).expect("a goodbye");
        let _ = Visitor::new(plain).hung_up();
    }
    // And over HTTP/2, by the word of a trusted peer.
    let port = stage.https().port();
    for (address, path) in [
        (four.to_string(), "/ok?token=kanari-token"),
        (four.to_string(), "/down?sid=kanari-sid"),
        (six.to_string(), "/garbage?sid=kanari-sid"),
        (six.to_string(), "/bad%2f?token=kanari-token"),
        (four.to_string(), "/half?code=kanari-code"),
    ] {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sSk", "--max-time", "20", "--http2", "--haproxy-protocol", "--interface", "127.0.0.9"]);
        curl.args(["--resolve", &format!("www.test:{port}:127.0.0.1"), "-u", "kanari:kanari"]);
        for field in secrets.lines().map(str::trim).filter(|field| !field.starts_with("Authorization")) {
            curl.args(["-H", field]);
        }
        curl.args(["-H", &format!("X-Forwarded-For: {address}")]);
        if path.starts_with("/ok") {
            curl.args(["-d", "password=kanari-password"]);
        }
        let output = curl.arg(format!("https://www.test:{port}{path}")).output().expect("curl");
        assert!(!output.stdout.is_empty(), "{path}: {output:?}");
    }
    assert!(!stage.running().reload().text.contains("kanari"));
    until("the figures", || page(stage.admin(), "/metrics").1.contains("status=\"403\""));
    let (_, metrics) = page(stage.admin(), "/metrics");
    let status = stage.running().status().text;
    stage.close();
    let state = stage.folder.0.join("state");
    let old = moody.server.address.port().to_string();
    let needles: [&[u8]; 9] = [
        b"kanari",
        b"a2FuYXJp",
        b"203.0.113.77",
        b"2001:db8:77::77",
        &four.octets(),
        &six.octets(),
        b"192.0.2.1",
        old.as_bytes(),
        b"4711",
    ];
    let holds = |bytes: &[u8], needle: &[u8]| {
        bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
    };
    let mut seen = files_below(&state);
    seen.retain(|path| path.extension().is_none_or(|end| end != "pem" && end != "key"));
    assert!(seen.iter().any(|path| path.to_string_lossy().ends_with(".redb")), "{seen:?}");
    let mut sources: Vec<(String, Vec<u8>)> =
        seen.into_iter().map(|path| (path.display().to_string(), fs::read(path).expect("a file"))).collect();
    sources.push(("/metrics".to_owned(), metrics.clone().into_bytes()));
    for (name, bytes) in &sources {
        for needle in needles {
            if needle == old.as_bytes() || needle == b"4711" {
                // Digits of a time may look like a port: those of an address stand behind a colon.
                let port = [b":", needle].concat();
                assert!(!holds(bytes, &port), "{name} holds a port");
                continue;
            }
            assert!(
                !holds(bytes, needle),
                "{name} holds {}:\n{}",
                String::from_utf8_lossy(needle),
                String::from_utf8_lossy(bytes)
                    .lines()
                    .filter(|line| holds(line.as_bytes(), needle))
                    .collect::<Vec<_>>()
                    .join("\n")
            );
        }
    }
    assert!(!status.contains("203.0.113") && !metrics.contains("127.0.0.1"));
    let lines = log_of(&state, "www.test", "access");
    assert!(lines.contains("203.0.113.0 - -") && lines.contains("2001:db8:77:: - -"), "{lines}");
    let second: Vec<&str> = lines.lines().filter(|line| line.contains(" HTTP/2.0\"")).collect();
    assert_eq!(second.len(), 5, "{lines}");
    assert_eq!(second.iter().filter(|line| line.starts_with("203.0.113.0 ")).count(), 3);
    assert!(
        lines.contains("backend=down")
            && metrics.contains("backend=\"down\"")
            && metrics.contains("site=\"www.test\"")
    );
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew_at_a_hangup() {
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    let site = "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n";
    folder.write("main.vcl", &Stage::text("", &format!("{site}{}", server.declared("old"))));
    let house = Program::serve(&folder.0);
    let mut visitor = Visitor::new(connect(house.address("http")));
    let log = || log_of(&house.state, "www.test", "access");
    assert_eq!(visitor.get("/one").status, 200);
    until("the first line", || log().lines().count() == 1);
    let files = files_below(&house.state.join("log/www.test"));
    let moved = house.state.join("log/moved.log");
    fs::rename(&files[0], &moved).expect("it moves");
    house.signal("HUP");
    house.said("rules reloaded");
    assert_eq!(visitor.get("/two").status, 200);
    until("the second line", || log().lines().count() == 1);
    assert!(log().contains("/two ") && !log().contains("/one "));
    let moved = fs::read_to_string(moved).expect("the moved log");
    assert!(moved.contains("/one ") && moved.lines().count() == 1);
}

#[test]
fn a_log_that_cannot_be_written_stops_no_visit() {
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    fs::create_dir_all(folder.0.join("state/log")).expect("a folder");
    let perms = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(folder.0.join("state"), perms).expect("a private folder");
    // Whoever runs the tests, root too, can't make a folder where a file is.
    let obstacle = folder.write("state/log/www.test", "");
    let site = "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n";
    folder.write("main.vcl", &Stage::text("", &format!("{site}{}", server.declared("old"))));
    let mut stage = Stage::open(folder);
    let mut visitor = stage.plain_visitor();
    for _ in 0..20 {
        assert_eq!(visitor.get("/x").status, 200);
    }
    let state = stage.folder.0.join("state");
    until("a word about it", || log_of(&state, "", "doorward-").contains("a log file can't be written"));
    assert_eq!(visitor.get("/x").status, 200);
    fs::remove_file(obstacle).expect("the obstacle goes");
    stage.close();
    assert_eq!(log_of(&state, "www.test", "access").lines().count(), 21, "nothing was lost");
    let said = log_of(&state, "", "doorward-");
    assert_eq!(said.matches("a log file can't be written").count(), 1, "{said}");
}

#[test]
fn what_the_house_itself_ends_is_recorded_as_that() {
    let (tell, begun) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        if asked.line.starts_with("GET /talk") {
            connection
                .write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
            let mut word = [0; 5];
            while connection.stream.read_exact(&mut word).is_ok() {
                connection.write(&word);
                connection.write(&word);
            }
        } else {
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            tell.lock().expect("the test").send(()).expect("the test");
            let piece = vec![b'x'; 65_536];
            while connection.stream.get_mut().write_all(&piece).is_ok() {}
        }
    });
    let mut stage = Stage::with("route \"/\" { .backend = old; }", &server.declared("old"));
    let mut talks = stage.visitor();
    talks.send("GET /talk HTTP/1.1\r\nHost: www.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(talks.any_reply(true).status, 101);
    talks.send("hello");
    let mut echo = [0; 10];
    talks.stream.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"hellohello");
    let mut reads = stage.visitor();
    reads.send("GET /endless HTTP/1.1\r\nHost: www.test\r\n\r\n");
    begun.recv_timeout(PATIENCE).expect("it begins");
    assert_eq!(reads.any_reply(true).status, 200);
    let lines = stage.log("www.test", "access");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let line = |path: &str| lines.lines().find(|line| line.contains(path)).expect(path);
    assert!(line("/talk").contains("\" 101 10 ") && line("/talk").contains("received=5"), "{lines}");
    assert!(line("/endless").contains("\" 200 ") && line("/endless").contains("cause=closing"), "{lines}");
    assert!(!lines.contains("left=yes"), "{lines}");
}

/// A gateway whose projects stand in a file of rows, each with logs of its own.
fn projects(folder: &Folder, server: &OldServer, rows: &str, more: &str) {
    folder.write("projects.txt", rows);
    let site = "log projects { .file = \"{state}/log/{site}/{project}-{day}.log\"; .errors = \"{state}/log/{site}/{project}-error-{day}.log\"; }
        table projects BACKEND { from file \"projects.txt\"; }
        site \"www.test\" { .force_https = no;
            route \"/\" { .backend = old; }
            route \"/projects/{project}/\" { .backend = lookup(projects, \"{project}\"); .log = projects; .body_bytes_max = 1KB; }
            route \"/projects/{project}/closed/\" { .backend = lookup(projects, \"{project}\"); .log = projects; .allow = nobody; } }\n";
    let down = format!("backend down {{ .url = \"http://{}\"; }}\n", closed_port());
    folder.write("main.vcl", &Stage::text("", &format!("{site}{down}{}{more}", server.declared("old"))));
}

#[test]
fn each_project_has_logs_of_its_own() {
    // The same with rules of the tree's own: one takes `/old/…` to where it is now.
    let rules = "sub vcl_recv { set req.url = regsub(req.url, \"^/old/\", \"/projects/\"); if (req.url ~ \"/synth$\") { return (synth(410)); } }
        sub vcl_deliver { std.log(\"delivered\"); }\n";
    for (more, numpy) in [("", "/projects/numpy/a"), (rules, "/old/numpy/a")] {
        let server = OldServer::saying("hello");
        let folder = Folder::new();
        projects(&folder, &server, "numpy old\nscipy old\nsage down\n", more);
        let house = Program::serve(&folder.0);
        let log = |which: &str| log_of(&house.state, "www.test", which);
        let mut visitor = Visitor::new(connect(house.address("http")));
        for (path, status) in [
            (numpy, 200),
            ("/projects/scipy/b?token=secret", 200),
            ("/projects/sage/c", 503),
            ("/projects/nobody/d", 404),
            ("/projects/..%2fevil/e", 400),
            ("/projects/numpy/closed/f", 403),
            ("/projects/later/g", 404),
            ("/h", 200),
        ] {
            assert_eq!(visitor.get(path).status, status, "{path}");
        }
        until("all lines", || log("").matches("\" 200 ").count() == 3 && log("access").lines().count() == 4);
        let lines = |which: &str| log(which).lines().map(str::to_owned).collect::<Vec<_>>();
        let paths = |which: &str| {
            let lines = lines(which);
            let path = |line: &String| line.split(' ').nth(6).unwrap_or_default().to_owned();
            lines.iter().map(path).collect::<Vec<_>>()
        };
        assert_eq!(paths("numpy-2"), [numpy]);
        assert_eq!(paths("scipy-2"), ["/projects/scipy/b?token=***"]);
        assert_eq!(paths("sage-2"), ["/projects/sage/c"]);
        let error = log("sage-error-");
        assert!(error.contains("cause=refused") || error.contains("cause=unreachable"), "{error}");
        assert!(lines("scipy-2")[0].starts_with("127.0.0.0 - - ["), "only the network is kept");
        // What never came to a row, or was turned away, is the site's.
        let of_site = paths("access").join(" ");
        for path in ["/projects/nobody/d", "/projects/numpy/closed/f", "/projects/later/g", "/h"] {
            assert!(of_site.contains(path), "{path}: {of_site}");
        }
        assert!(!of_site.contains("scipy") && !log("error").contains("unreachable"));
        let named: Vec<String> = files_below(&house.state.join("log/www.test"))
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        assert!(named.iter().all(|name| !name.contains("nobody") && !name.contains("later")), "{named:?}");
        if more.is_empty() {
            assert!(log("numpy-error-").is_empty());
        } else {
            assert!(log("numpy-error-").contains("rule=\"delivered\""), "{named:?}");
            assert_eq!(visitor.get("/projects/numpy/synth").status, 410);
            until("the site's line", || log("access").contains("/projects/numpy/synth"));
        }
        // A row that comes, and one that goes.
        folder.write("projects.txt", "numpy old\nlater old\nsage down\n");
        assert_eq!(house.ask("reload").0, Some(0));
        for (path, status) in
            [("/projects/later/1", 200), ("/projects/numpy/2", 200), ("/projects/scipy/3", 404)]
        {
            assert_eq!(visitor.get(path).status, status, "{path}");
        }
        until("the new project's line", || log("later-2").lines().count() == 1);
        until("the old one's second line", || log("numpy-2").lines().count() == 2);
        until("the site's line", || log("access").contains("/projects/scipy/3"));
        assert_eq!(log("scipy-2").lines().count(), 1);
        // A row whose key is no name of a file is refused, and the old rules go on.
        folder.write("projects.txt", "numpy old\n.later old\n");
        let (code, out, err) = house.ask("reload");
        assert!(code == Some(1) && format!("{out}{err}").contains("projects.txt:2"), "{out}{err}");
    }
}
