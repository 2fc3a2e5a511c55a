//! What one visitor, one network and all of them together may take: connections, time, files.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::stage::{Folder, OldServer, PATIENCE, Stage, Visitor, connect};
use super::tools::{Program, connect_from, doorward, figure, looker, page, run, send_anyway, until};

const SITE: &str = "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n";
const HELLO: &str = "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n";

fn stage(gateway: &str, server: &OldServer) -> Stage {
    Stage::raw(gateway, &format!("{SITE}{}", server.declared("old")))
}

/// Nothing has come, and nobody hung up.
fn silent(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a stream");
    let silent = stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).expect("a stream");
    silent
}

/// Reads until the house hangs up; all that came.
fn to_the_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_full_house_keeps_the_next_waiting_and_lets_it_in_when_somebody_leaves() {
    let server = OldServer::saying("hello");
    let stage = stage(".connections_max = 2;", &server);
    let mut first = stage.plain_visitor();
    assert_eq!(first.get("/").status, 200);
    let mut second = looker("www.test").at(stage.https());
    assert_eq!(second.get("/").status, 200);
    let mut third = connect(stage.http());
    third.write_all(HELLO.as_bytes()).expect("the kernel takes it");
    assert!(
        stage.running().status().text.contains("connections: 2 open"),
        "{}",
        stage.running().status().text
    );
    assert_eq!(second.get("/").status, 200, "who is in is served");
    assert!(silent(&third));
    drop(first);
    let reply = Visitor::new(third).reply(false);
    assert_eq!(reply.status, 200);
}

#[test]
fn a_network_has_its_share_and_others_have_theirs() {
    let server = OldServer::saying("hello");
    let stage = stage(".connections_per_network_max = 2;", &server);
    let mut greedy: Vec<_> = (0..2).map(|_| Visitor::new(connect_from("127.0.0.3", stage.http()))).collect();
    for visitor in &mut greedy {
        assert_eq!(visitor.get("/").status, 200);
    }
    for address in [stage.http(), stage.https()] {
        let mut third = connect_from("127.0.0.3", address);
        assert_eq!(to_the_end(&mut third), "", "closed without a word");
    }
    let mut other = Visitor::new(connect_from("127.0.0.4", stage.http()));
    assert_eq!(other.get("/").status, 200);
    assert!(
        stage.running().status().text.contains("3 open, 2 turned away"),
        "{}",
        stage.running().status().text
    );
    greedy.pop();
    until("the share to be given back", || {
        let mut again = connect_from("127.0.0.3", stage.http());
        send_anyway(&mut again, HELLO.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes());
        to_the_end(&mut again).starts_with("HTTP/1.1 200")
    });
}

#[test]
fn whom_a_proxy_brings_is_counted_by_his_own_network() {
    let server = OldServer::saying("hello");
    let stage = Stage::raw(
        ".connections_per_network_max = 1; .trusted = balancer; .proxy_protocol = yes;",
        &format!("acl balancer {{ \"127.0.0.9\"; }}\n{SITE}{}", server.declared("old")),
    );
    let brought = |address: &str| {
        let mut stream = connect_from("127.0.0.9", stage.http());
        send_anyway(&mut stream, format!("PROXY TCP4 {address} 192.0.2.1 1 80\r\n{HELLO}").as_bytes());
        Visitor::new(stream)
    };
    let mut open: Vec<_> = ["203.0.113.1", "203.0.113.2", "203.0.113.3"].map(brought).into();
    for visitor in &mut open {
        assert_eq!(visitor.reply(false).status, 200, "the balancer itself has no share");
    }
    assert!(brought("203.0.113.2").hung_up());
}

#[test]
fn a_head_has_its_time_in_all_however_it_drips() {
    let server = OldServer::saying("hello");
    let stage = stage(".head_timeout = 300ms;", &server);
    let began = Instant::now();
    let mut stream = connect(stage.http());
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let mut dripped = 0;
    let mut text = Vec::new();
    loop {
        send_anyway(&mut stream, &HELLO.as_bytes()[dripped.min(20)..=dripped.min(20)]);
        dripped += 1;
        let mut room = [0; 4096];
        // An answer that does not come is the pause between two drops.
        match stream.read(&mut room) {
            Ok(0) => break,
            Ok(got) => text.extend_from_slice(&room[..got]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
        assert!(began.elapsed() < PATIENCE, "drips for ever");
    }
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(dripped > 3 && server.heard_nothing());
}

#[test]
fn a_connection_that_rests_too_long_is_closed_without_a_word() {
    let server = OldServer::saying("hello");
    let stage = stage(".idle_timeout = 200ms;", &server);
    let mut never = connect(stage.http());
    assert_eq!(to_the_end(&mut never), "");
    let mut once = stage.plain_visitor();
    assert_eq!(once.get("/").status, 200);
    assert!(once.hung_up());
    let mut secure = looker("www.test").at(stage.https());
    assert_eq!(secure.get("/").status, 200);
    assert!(secure.hung_up());
}

#[test]
fn handshakes_that_never_end_hold_nobody_up() {
    let server = OldServer::saying("hello");
    let stage = stage(".handshake_timeout = 700ms; .connections_per_network_max = 10000;", &server);
    // A record of a handshake that announces 512 bytes, and the first of them.
    let begun: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let mut half: Vec<TcpStream> = (0..300).map(|_| connect(stage.https())).collect();
    for (at, stream) in half.iter_mut().enumerate() {
        // Some say nothing at all.
        if at % 3 > 0 {
            stream.write_all(begun).expect("bytes");
        }
    }
    let mut visitor = looker("www.test").at(stage.https());
    assert_eq!(visitor.get("/").status, 200, "others are served meanwhile");
    for stream in &mut half {
        assert_eq!(to_the_end(stream).len(), 0, "closed without a word");
    }
    until("the count of them", || {
        figure(stage.admin(), "doorward_handshakes_total{result=\"timeout\"}") == Some(300.0)
            && stage.running().status().text.contains("connections: 1 open")
    });
    assert_eq!(visitor.get("/").status, 200);
}

/// Rules for many connections from here.
fn crowded(server: &OldServer) -> Folder {
    let folder = Folder::new();
    let rules = format!("{SITE}{}", server.declared("old"));
    folder.write("main.vcl", &Stage::text(".connections_per_network_max = 10000;", &rules));
    folder
}

#[test]
fn out_of_files_the_house_goes_on_and_says_so_once() {
    let server = OldServer::saying("hello");
    let folder = crowded(&server);
    let main = folder.0.join("main.vcl");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" serve \"$1\"", env!("CARGO_BIN_EXE_doorward")]).arg(&main);
    let house = Program::start(command, folder.0.join("state"));
    house.said("the house stands");
    let (http, admin) = (house.address("http"), house.address("admin"));
    let mut crowd: Vec<TcpStream> = (0..120).map(|_| connect(http)).collect();
    let said = house.said("new connections wait: this process has as many files open as it may");
    assert!(said.contains("ulimit"));
    // Many more knock while there are no files: not one word more.
    crowd.extend((0..200).map(|_| connect(http)));
    drop(crowd);
    until("the house to be itself again", || {
        let mut stream = connect(http);
        send_anyway(&mut stream, HELLO.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes());
        to_the_end(&mut stream).starts_with("HTTP/1.1 200")
    });
    assert_eq!(page(admin, "/health"), (200, "ok\n".to_owned()), "the admin pages are there again");
    assert_eq!(run(&mut doorward(&["status", "--state", house.state.to_str().expect("a path")])).0, Some(0));
    let said = house.so_far();
    assert_eq!(said.matches("new connections wait").count(), 1, "{said}");
    assert!(said.lines().count() < 20, "a log storm:\n{said}");
}

#[test]
fn a_thousand_connections_leave_no_file_open() {
    let server = OldServer::saying("hello");
    let folder = crowded(&server);
    let house = Program::serve(&folder.0);
    let (http, https, admin) = (house.address("http"), house.address("https"), house.address("admin"));
    let warm = |times: usize| {
        for at in 0..times {
            let mut visitor = Visitor::new(connect(http));
            match at % 5 {
                // A visit; a goodbye after half a head; none at all; a reset; TLS.
                0 => assert_eq!(visitor.get("/").status, 200),
                1 => visitor.send("GET / HT"),
                2 => {}
                3 => {
                    let socket = socket2::SockRef::from(visitor.stream.get_ref());
                    socket.set_linger(Some(Duration::ZERO)).expect("a reset");
                }
                _ if at % 50 == 4 => assert_eq!(looker("www.test").at(https).get("/").status, 200),
                _ => send_anyway(&mut connect(https), &[0x16, 3, 1]),
            }
        }
    };
    let files = || std::fs::read_dir(format!("/proc/{}/fd", house.id())).expect("its files").count();
    let alone = || {
        let (_, status, _) = house.ask("status");
        status.contains("connections: 0 open")
    };
    warm(50);
    until("everybody to leave", alone);
    // The page's own connection is open while it counts.
    let before = files();
    warm(1_000);
    until("everybody to leave", alone);
    // A log or a connection to the backend may have been opened since; a thousand may not.
    until("no more files than before", || files() <= before + 8);
    assert!(figure(admin, "process_open_fds").is_some());
}

#[test]
fn a_trusted_peer_that_owes_a_header_has_the_handshakes_time() {
    let server = OldServer::saying("hello");
    let stage = Stage::raw(
        ".handshake_timeout = 200ms; .trusted = balancer; .proxy_protocol = yes;",
        &format!("acl balancer {{ \"127.0.0.9\"; }}\n{SITE}{}", server.declared("old")),
    );
    for address in [stage.http(), stage.https()] {
        for said in [&b""[..], b"PROXY TCP4 203.0"] {
            let mut stream = connect_from("127.0.0.9", address);
            send_anyway(&mut stream, said);
            assert_eq!(to_the_end(&mut stream), "");
        }
    }
}

#[test]
fn who_stops_in_the_middle_is_given_up() {
    let (went, left) = mpsc::channel();
    let went = Mutex::new(went);
    let server = OldServer::playing(move |connection| {
        let Some(asked) = connection.head() else { return };
        if asked.line.starts_with("GET /endless") {
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            let piece = vec![b'x'; 1 << 20];
            while connection.stream.get_mut().write_all(&piece).is_ok() {}
        } else {
            let _ = connection.stream.read_to_end(&mut Vec::new());
        }
        went.lock().expect("the test").send(asked.line).expect("the test");
    });
    let site = SITE
        .replace("route \"/\"", "route \"/short/\" { .backend = old; .total_timeout = 300ms; } route \"/\"");
    let mut stage = Stage::raw(".body_timeout = 300ms;", &format!("{site}{}", server.declared("old")));
    let gone = || left.recv_timeout(PATIENCE).expect("the gateway hangs up on the old server");
    // Reads nothing of its answer.
    let mut reader = connect(stage.http());
    send_anyway(&mut reader, HELLO.replace("GET /", "GET /endless").as_bytes());
    assert!(gone().contains("/endless"));
    drop(reader);
    // Sends half of its upload.
    let mut sender = stage.plain_visitor();
    let reply = sender.ask("POST /half HTTP/1.1\r\nHost: www.test\r\nContent-Length: 10\r\n\r\nhello");
    assert_eq!(reply.status, 408);
    assert!(sender.hung_up() && gone().contains("/half"));
    // Waits for an answer that takes longer than the route allows.
    let reply = stage.plain_visitor().get("/short/x");
    assert_eq!(reply.status, 503);
    assert!(gone().contains("/short/x"));
    let lines = stage.log("www.test", "access");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    for part in ["/endless HTTP/1.1\" 200", "cause=body_timeout", "cause=total_timeout"] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}

#[test]
fn no_time_to_linger_is_none() {
    let server = OldServer::saying("hello");
    let stage = stage(".linger_timeout = 0s;", &server);
    let mut stays = [stage.plain_visitor(), stage.plain_visitor()];
    assert_eq!(stays[0].ask("GET / HTTP/1.1\r\n\r\n").status, 400);
    let reply = stays[1].ask("GET / HTTP/1.1\r\nHost: www.test\r\nConnection: close\r\n\r\n");
    assert_eq!(reply.status, 200);
    until("both to be shown out", || stage.running().status().text.contains("connections: 0 open"));
}
