//! The program from its start to its end, as an operator meets it: a child process, signals, commands.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc;

use super::stage::{Folder, OldServer, PATIENCE, Stage, Visitor, connect, ok};
use super::tools::{Program, doorward, figure, files_below, log_of, looker, page, run, until};

const SITE: &str = "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n";

fn rules(folder: &Folder, gateway: &str, rest: &str) {
    folder.write("main.vcl", &Stage::text(gateway, rest));
}

/// An old server that answers `/slow` when it is told to.
struct Slow {
    server: OldServer,
    asked: mpsc::Receiver<()>,
    answer: mpsc::Sender<()>,
}

impl Slow {
    fn saying(text: &'static str) -> Self {
        let (tell, asked) = mpsc::channel();
        let (answer, wait) = mpsc::channel();
        let inside = (Mutex::new(tell), Mutex::new(wait));
        let server = OldServer::playing(move |connection| {
            while let Some(request) = connection.request() {
                if request.line.contains("/slow") {
                    inside.0.lock().expect("the test").send(()).expect("the test");
                    if inside.1.lock().expect("the test").recv().is_err() {
                        return;
                    }
                }
                connection.write(&ok(text));
            }
        });
        Self { server, asked, answer }
    }

    fn asked(&self) {
        self.asked.recv_timeout(PATIENCE).expect("the old server is asked");
    }
}

const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: www.test\r\n\r\n";

#[test]
fn check_draws_what_is_wrong_and_its_status_says_how_it_went() {
    let folder = Folder::new();
    let main = folder.write(
        "main.vcl",
        &Stage::text("", &format!("{SITE}backend old {{ .url = \"http://127.0.0.1:1\"; }}\n")),
    );
    let main = main.to_str().expect("a path");
    let (code, out, err) = run(&mut doorward(&["check", main]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("1 site, 1 route, 1 backend: all good"), "{out}");
    assert!(!folder.0.join("state").exists(), "a check leaves nothing");
    folder.write("main.vcl", &Stage::text("", "site \"www.test\" {\n    route \"/\" { .backend = odl; }\n}\nbackend old { .url = \"ftp://x\"; .connect_timeuot = 3s; }\n"));
    let (code, out, err) = run(&mut doorward(&["check", main]));
    assert_eq!(code, Some(1));
    let drawn = format!("{out}{err}");
    for part in
        ["main.vcl:10:28", "odl", "did you mean `old`", "ftp://x", "connect_timeuot", "connect_timeout", "^"]
    {
        assert!(drawn.contains(part), "{part} is not in:\n{drawn}");
    }
    let (code, out, err) = run(&mut doorward(&["serve", main]));
    assert_eq!(code, Some(1));
    assert!(format!("{out}{err}").contains("did you mean `old`"), "{out}{err}");
    assert!(!folder.0.join("state").exists(), "a start that fails leaves nothing");
    assert_eq!(run(&mut doorward(&["check", "/nowhere/main.vcl"])).0, Some(1));
    let (code, _, err) = run(&mut doorward(&["chekc"]));
    assert!(code == Some(2) && err.contains("check"), "{err}");
}

#[test]
fn the_rules_to_start_from_are_good_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (code, out, err) = run(doorward(&["check", "vcl-like-rules/main.vcl"]).current_dir(root));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("all good"), "{out}");
}

#[test]
fn a_reload_is_whole_or_nothing_and_nobody_notices() {
    let (old, new) = (Slow::saying("old"), OldServer::saying("new"));
    let folder = Folder::new();
    rules(&folder, "", &format!("{SITE}{}", old.server.declared("old")));
    let house = Program::serve(&folder.0);
    let (code, status, _) = house.ask("status");
    assert!(
        code == Some(0)
            && status.contains("generation 1")
            && status.contains("0 requests so far with 0 faults"),
        "{status}"
    );
    let http = house.address("http");
    let mut slow = Visitor::new(connect(http));
    slow.send(SLOW);
    old.asked();
    // Broken: the fault is drawn, here and on standard error, and the old rules go on.
    folder.write("main.vcl", &Stage::text("", &format!("{SITE}backend old {{ .url = \"http://x:y\"; }}\n")));
    let (code, out, err) = house.ask("reload");
    let drawn = format!("{out}{err}");
    assert_eq!(code, Some(1));
    assert!(
        drawn.contains("http://x:y") && drawn.contains("main.vcl:") && drawn.contains("the old rules go on"),
        "{drawn}"
    );
    house.signal("HUP");
    house.said_times("the new rules were refused, the old ones go on", 2);
    assert_eq!(Visitor::new(connect(http)).get("/").text(), "old");
    // Good: new visits go by the new rules, the open one ends by the old ones.
    let mut kept = Visitor::new(connect(http));
    assert_eq!(kept.get("/").text(), "old");
    rules(&folder, "", &format!("{SITE}{}", new.declared("old")));
    let (code, out, err) = house.ask("reload");
    assert!(code == Some(0) && out.contains("reloaded: 1 site, 1 backend"), "{out}{err}");
    assert_eq!(kept.get("/").text(), "new", "also on an open connection");
    old.answer.send(()).expect("the old server");
    assert_eq!(slow.reply(false).text(), "old");
    assert!(house.ask("status").1.contains("generation 2"));
    // What an operator says stands in the log as well.
    let state = house.state.to_str().expect("a path");
    let closed = run(&mut doorward(&["maintenance", "on", "www.test", "--state", state]));
    assert_eq!(closed.0, Some(0), "{}", closed.2);
    house.said("an operator's order holds order=\"www.test: closed until you say");
    assert_eq!(run(&mut doorward(&["maintenance", "off", "www.test", "--state", state])).0, Some(0));
    // And by a signal, with what takes a restart said.
    let other = "site \"other.test\" { .force_https = no; route \"/\" { .backend = old; } }\n";
    let text = Stage::text("", &format!("{other}{}", new.declared("old")));
    folder.write("main.vcl", &text.replace(".workers = 1;", ".workers = 2;"));
    house.signal("HUP");
    house.said_times("rules reloaded", 2);
    assert_eq!(kept.get("/").status, 421, "the site is gone");
    assert_eq!(kept.ask("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n").text(), "new");
    let admin = house.address("admin");
    assert_eq!(figure(admin, "doorward_reloads_total{result=\"taken\"}"), Some(2.0));
    assert_eq!(figure(admin, "doorward_reloads_total{result=\"refused\"}"), Some(2.0));
}

#[test]
fn a_stop_lets_open_answers_finish_and_closes_what_rests() {
    let old = Slow::saying("slow");
    let folder = Folder::new();
    rules(&folder, "", &format!("{SITE}{}", old.server.declared("old")));
    let house = Program::serve(&folder.0);
    let (http, admin) = (house.address("http"), house.address("admin"));
    let mut rests = Visitor::new(connect(http));
    assert_eq!(rests.get("/").status, 200);
    let mut secure = looker("www.test").at(house.address("https"));
    assert_eq!(secure.get("/").status, 200);
    let mut silent = Visitor::new(connect(http));
    let mut slow = Visitor::new(connect(http));
    slow.send(SLOW);
    old.asked();
    assert_eq!(page(admin, "/health"), (200, "ok\n".to_owned()));
    house.signal("TERM");
    house.said("closing: open visits are given their time");
    assert_eq!(page(admin, "/health"), (503, "draining\n".to_owned()));
    assert!(rests.hung_up() && secure.hung_up() && silent.hung_up());
    until("the door to close", || std::net::TcpStream::connect(http).is_err());
    assert!(page(admin, "/metrics").1.contains("doorward_connections{listener=\"http\"}"));
    old.answer.send(()).expect("the old server");
    let reply = slow.reply(false);
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("slow", Some("close")));
    // Who has read to the end leaves; the house waits a while for those who don't.
    drop(slow);
    let state = house.state.clone();
    let (status, said) = house.ended();
    assert!(status.success() && said.contains("the house is closed"), "{said}");
    assert_eq!(log_of(&state, "www.test", "access").lines().count(), 3);
    assert!(!state.join("control.sock").exists());
}

#[test]
fn what_does_not_end_in_time_is_ended() {
    let old = Slow::saying("slow");
    let folder = Folder::new();
    rules(&folder, ".drain_timeout = 300ms;", &format!("{SITE}{}", old.server.declared("old")));
    let house = Program::serve(&folder.0);
    let mut slow = Visitor::new(connect(house.address("http")));
    slow.send(SLOW);
    old.asked();
    house.signal("TERM");
    assert!(slow.hung_up());
    let state = house.state.clone();
    let (status, _) = house.ended();
    assert!(status.success());
    assert_eq!(log_of(&state, "www.test", "access").lines().count(), 1);
}

#[test]
fn a_second_signal_ends_it_at_once_and_so_do_two_stops() {
    for by_command in [false, true] {
        let old = Slow::saying("slow");
        let folder = Folder::new();
        rules(&folder, ".drain_timeout = 1h;", &format!("{SITE}{}", old.server.declared("old")));
        let house = Program::serve(&folder.0);
        let mut slow = Visitor::new(connect(house.address("http")));
        slow.send(SLOW);
        old.asked();
        for word in ["closing: open visits", "closing at once"] {
            if by_command {
                let (code, out, err) = house.ask("stop");
                assert_eq!(code, Some(0), "{out}{err}");
            } else {
                house.signal("TERM");
            }
            house.said(word);
        }
        assert!(slow.hung_up());
        let state = house.state.clone();
        assert!(house.ended().0.success());
        let lines = log_of(&state, "www.test", "access");
        assert!(lines.lines().count() == 1 && lines.contains("/slow"), "{lines}");
    }
}

#[test]
fn a_killed_gateway_starts_again_and_is_the_same() {
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    rules(&folder, "", &format!("{SITE}{}", server.declared("old")));
    let house = Program::serve(&folder.0);
    assert_eq!(Visitor::new(connect(house.address("http"))).get("/").status, 200);
    let name = server.heard().header("x-forwarded-for").expect("a pseudonym").to_owned();
    let root = fs::read(house.state.join("authority/root.pem")).expect("the root");
    let shown = looker("www.test").at(house.address("https")).certificate();
    house.signal("KILL");
    let (status, _) = house.ended();
    assert!(!status.success());
    assert!(folder.0.join("state/control.sock").exists(), "what a killed gateway leaves");
    let (code, _, err) =
        run(&mut doorward(&["status", "--state", folder.0.join("state").to_str().expect("a path")]));
    assert!(code == Some(1) && err.contains("no gateway runs"), "{err}");
    let house = Program::serve(&folder.0);
    assert_eq!(Visitor::new(connect(house.address("http"))).get("/").status, 200);
    assert_eq!(
        server.heard().header("x-forwarded-for"),
        Some(&*name),
        "one visitor, one name, over a restart"
    );
    assert_eq!(fs::read(house.state.join("authority/root.pem")).expect("the root"), root);
    assert_eq!(looker("www.test").at(house.address("https")).certificate(), shown);
}

#[test]
fn a_second_gateway_is_refused_in_words() {
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    rules(&folder, "", &format!("{SITE}{}", server.declared("old")));
    let house = Program::serve(&folder.0);
    let main = folder.0.join("main.vcl");
    let (code, _, err) = run(&mut doorward(&["serve", main.to_str().expect("a path")]));
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("pid {}", house.id())) && err.contains("doorward stop --state"), "{err}");
    // Another folder, but the same port.
    let taken = house.address("http");
    let other = Folder::new();
    let text = Stage::text("", &format!("{SITE}{}", server.declared("old")));
    let main = other.write("main.vcl", &text.replacen("127.0.0.1:0", &taken.to_string(), 1));
    let (code, _, err) = run(&mut doorward(&["serve", main.to_str().expect("a path")]));
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("cannot listen on {taken}: another program does already")), "{err}");
    assert!(!other.0.join("state/control.sock").exists());
    assert_eq!(house.ask("status").0, Some(0), "the first goes on");
    assert_eq!(Visitor::new(connect(taken)).get("/").status, 200);
}

#[test]
fn every_metric_of_the_manual_is_there_and_counts() {
    let server = OldServer::saying("hello");
    let rest = format!(
        "{SITE}site \"two.test\" {{ route \"/\" {{ .backend = gone; }} route \"/home/\" {{ .backend = home; }} }}\n\
         director home {{ .members = old weight 3; }}\nbackend gone {{ .url = \"http://{}\"; .probe = {{ .interval = 1h; .threshold = 1; .initial = 1; }} }}\n{}",
        super::stage::closed_port(),
        server.declared("old")
    );
    let stage = Stage::raw("", &rest);
    let mut secure = looker("www.test").at(stage.https());
    assert_eq!(secure.get("/").status, 200);
    assert_eq!(secure.get("/.doorward/").status, 404);
    let mut plain = stage.plain_visitor();
    assert_eq!(plain.ask("POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\n12345").status, 200);
    assert_eq!(
        looker("two.test").at(stage.https()).ask("GET / HTTP/1.1\r\nHost: two.test\r\n\r\n").status,
        503
    );
    assert_eq!(plain.ask("GET / HTTP/1.1\r\nHost: else.test\r\n\r\n").status, 421);
    assert!(stage.running().reload().done);
    let admin = stage.admin();
    for (series, value) in [
        ("doorward_requests_total{site=\"www.test\",status=\"200\"}", 2.0),
        ("doorward_requests_total{site=\"www.test\",status=\"404\"}", 1.0),
        ("doorward_requests_total{site=\"two.test\",status=\"503\"}", 1.0),
        ("doorward_requests_total{site=\"-\",status=\"421\"}", 1.0),
        ("doorward_request_seconds_count{site=\"www.test\"}", 3.0),
        ("doorward_bytes_total{direction=\"in\",site=\"www.test\"}", 5.0),
        ("doorward_faults_total{cause=\"refused\"}", 1.0),
        ("doorward_connections{listener=\"http\"}", 1.0),
        ("doorward_connections{listener=\"https\"}", 1.0),
        ("doorward_handshakes_total{result=\"done\"}", 2.0),
        ("doorward_backend_requests_total{backend=\"old\"}", 2.0),
        ("doorward_backend_requests_total{backend=\"gone\"}", 1.0),
        ("doorward_backend_faults_total{backend=\"gone\",cause=\"refused\"}", 1.0),
        ("doorward_backend_in_flight{backend=\"old\"}", 0.0),
        ("doorward_backend_connections{backend=\"old\"}", 1.0),
        ("doorward_backend_up{backend=\"gone\"}", 1.0),
        ("doorward_director_share{backend=\"old\",director=\"home\"}", 3.0),
        ("doorward_director_retries_total{director=\"home\"}", 0.0),
        ("doorward_log_dropped_total", 0.0),
        ("doorward_reloads_total{result=\"taken\"}", 1.0),
    ] {
        until(&format!("{series} to be {value}"), || figure(admin, series) == Some(value));
    }
    let (_, text) = page(admin, "/metrics");
    let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md"))
        .expect("the manual");
    let names: Vec<&str> =
        manual.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(names.len() > 15);
    for name in names {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is not in:\n{text}");
    }
    for site in ["www.test", "two.test"] {
        let ends = figure(admin, &format!("doorward_certificate_expiry_seconds{{site=\"{site}\"}}"))
            .expect("an end");
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs_f64();
        let days = (ends - now) / 86_400.0;
        assert!((29.0..31.0).contains(&days), "{site}: {days} days");
    }
}

#[test]
fn our_own_paths_reach_no_backend_on_any_site() {
    let server = OldServer::saying("hello");
    let keeps = "site \"keeps.test\" { .force_https = no; route \"/\" { .backend = old; .encoded_slash = keep; } route \"/.doorward/mine/\" { .backend = old; } }\n";
    let rest = format!("{SITE}{keeps}{}", server.declared("old"));
    let folder = Folder::new();
    folder.write("main.vcl", &Stage::text("", &rest));
    let (code, out, err) =
        run(&mut doorward(&["check", folder.0.join("main.vcl").to_str().expect("a path")]));
    if code == Some(0) {
        let stage = Stage::open(folder);
        for host in ["www.test", "keeps.test"] {
            for path in [
                "/.doorward",
                "/.doorward/",
                "/.doorward/x",
                "/%2edoorward/x",
                "//.doorward/x",
                "/a/../.doorward/x",
                "/.doorward/mine/x",
            ] {
                let reply =
                    stage.plain_visitor().ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                assert_eq!(reply.status, 404, "{host}{path}");
            }
            let reply =
                stage.plain_visitor().ask(&format!("GET /.doorwards HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(reply.status, 200, "a neighbour is no path of ours");
            server.heard();
        }
        assert!(server.heard_nothing());
    } else {
        assert!(format!("{out}{err}").contains(".doorward"), "{out}{err}");
    }
}

/// The demo and its rules, on free ports.
fn on_free_ports(state: &Path, arguments: &[&str]) -> Program {
    let mut command = doorward(arguments);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("DOORWARD_STATE", state);
    for name in ["DOORWARD_HTTP", "DOORWARD_HTTPS", "DOORWARD_ADMIN"] {
        command.env(name, "127.0.0.1:0");
    }
    Program::start(command, state.to_owned())
}

#[test]
fn the_demo_stands_and_leaves_nothing_but_its_folder() {
    let folder = Folder::new();
    let state = folder.0.join("state");
    let demo = on_free_ports(&state, &["demo"]);
    let welcome = demo.printed("Ctrl-C");
    let https = demo.address("https");
    assert!(welcome.contains(&format!("https://localhost:{}/", https.port())), "{welcome}");
    let root = state.join("authority/root.pem");
    assert!(welcome.contains(root.to_str().expect("a path")));
    let mut visitor = looker("localhost").at(https);
    let mut ask = |path: &str| {
        visitor.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nAccept: text/html\r\n\r\n",
            https.port()
        ))
    };
    for (path, part) in [("/", "<html"), ("/tracker/", "<html"), ("/wiki/", "<html"), ("/talk", "<html")] {
        let mut reply = ask(path);
        if reply.status == 302 || reply.status == 303 {
            let to = reply.header("location").expect("a place").to_owned();
            reply = ask(&to);
        }
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert!(reply.text().contains(part), "{path}: {}", reply.text());
    }
    let down = ask("/down/");
    assert_eq!(down.status, 503);
    assert!(down.text().contains(down.header("x-request-id").expect("an id")));
    let part = visitor.ask("HEAD /download/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(part.status, 200);
    let mut plain = Visitor::new(connect(demo.address("http")));
    assert_eq!(
        plain.ask("GET /wiki/ HTTP/1.1\r\nHost: localhost\r\n\r\n").header("location"),
        Some(&*format!("https://localhost:{}/wiki/", https.port()))
    );
    let second = on_free_ports(&state, &["demo"]);
    let (status, said) = second.ended();
    assert!(!status.success() && said.contains("another"), "{said}");
    assert_eq!(
        looker("localhost").at(https).ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").status,
        200,
        "the first goes on"
    );
    drop((visitor, plain));
    demo.signal("INT");
    let (status, said) = demo.ended();
    assert!(status.success(), "{said}");
    let left: Vec<_> = fs::read_dir(&folder.0)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["state"]);
    let sockets = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "sock")))
    };
    assert!(!state.join("demo").exists() && !sockets(&state));
    assert!(!files_below(&state).is_empty());
}

#[test]
fn without_a_checkout_the_demo_serves_its_own_copy_of_the_rules() {
    let folder = Folder::new();
    let state = folder.0.join("state");
    let mut command = doorward(&["demo"]);
    command.current_dir(&folder.0).env("DOORWARD_STATE", &state);
    for name in ["DOORWARD_HTTP", "DOORWARD_HTTPS", "DOORWARD_ADMIN"] {
        command.env(name, "127.0.0.1:0");
    }
    let demo = Program::start(command, state.clone());
    let welcome = demo.printed("Ctrl-C");
    let rules = state.join("demo/main.vcl");
    assert!(welcome.contains(rules.to_str().expect("a path")), "{welcome}");
    let reply =
        looker("localhost").at(demo.address("https")).ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(reply.status, 200, "{}", reply.text());
    demo.signal("INT");
    let (status, said) = demo.ended();
    assert!(status.success(), "{said}");
    assert!(!state.join("demo").exists());
}

#[test]
fn the_rules_to_start_from_serve_from_a_checkout() {
    let folder = Folder::new();
    let state = folder.0.join("state");
    let house = on_free_ports(&state, &["serve", "vcl-like-rules/main.vcl"]);
    house.said("the house stands");
    let reply =
        looker("localhost").at(house.address("https")).ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(reply.status, 503, "the old services are the demo's");
    let (_, status, _) = house.ask("status");
    assert!(status.contains("vcl-like-rules/main.vcl"), "{status}");
    assert_eq!(house.ask("stop").0, Some(0));
    assert!(house.ended().0.success());
}

const SIZE: usize = 32 << 20;

#[test]
fn a_large_answer_is_whole_although_the_house_closes_meanwhile() {
    let (tell, begun) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = OldServer::playing(move |connection| {
        while connection.request().is_some() {
            connection.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes());
            tell.lock().expect("the test").send(()).expect("the test");
            connection.write(&vec![b'x'; SIZE]);
        }
    });
    let folder = Folder::new();
    rules(&folder, "", &format!("{SITE}{}", server.declared("old")));
    let house = Program::serve(&folder.0);
    let mut visitor = looker("www.test").at(house.address("https"));
    visitor.send("GET / HTTP/1.1\r\nHost: www.test\r\n\r\n");
    begun.recv_timeout(PATIENCE).expect("it begins");
    house.signal("TERM");
    house.said("closing");
    let reply = visitor.reply(false);
    assert!(reply.complete && reply.body.len() == SIZE);
    let mut rest = Vec::new();
    let _ = visitor.stream.get_mut().flush();
    assert_eq!(visitor.stream.read_to_end(&mut rest).expect("a goodbye"), 0, "TLS says goodbye");
    drop(visitor);
    assert!(house.ended().0.success());
}

#[test]
fn all_workers_follow_a_reload_and_all_of_them_drain() {
    let (old, new) = (OldServer::saying("old"), OldServer::saying("new"));
    let folder = Folder::new();
    let workers = |text: String| text.replace(".workers = 1;", ".workers = 3;");
    folder.write("main.vcl", &workers(Stage::text("", &format!("{SITE}{}", old.declared("old")))));
    let house = Program::serve(&folder.0);
    let (http, https) = (house.address("http"), house.address("https"));
    // The kernel spreads them over the workers.
    let mut open: Vec<_> = (0..40).map(|_| Visitor::new(connect(http))).collect();
    assert!(open.iter_mut().all(|visitor| visitor.get("/").text() == "old"));
    folder.write("main.vcl", &workers(Stage::text("", &format!("{SITE}{}", new.declared("old")))));
    assert_eq!(house.ask("reload").0, Some(0));
    assert!(open.iter_mut().all(|visitor| visitor.get("/").text() == "new"));
    assert!((0..20).all(|_| looker("www.test").at(https).get("/").text() == "new"));
    until("the count of all workers", || {
        figure(house.address("admin"), "doorward_requests_total{site=\"www.test\",status=\"200\"}")
            == Some(100.0)
    });
    house.signal("TERM");
    assert!(open.iter_mut().all(Visitor::hung_up));
    let state = house.state.clone();
    assert!(house.ended().0.success());
    assert_eq!(log_of(&state, "www.test", "access").lines().count(), 100);
}

#[test]
fn visitors_of_ipv6_are_served_and_cut_to_their_network() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return; // a machine without IPv6
    }
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    let text = Stage::text("", &format!("{SITE}{}", server.declared_with("old", ".visitor_address = cut;")));
    folder.write("main.vcl", &text.replace("127.0.0.1:0", "[::1]:0"));
    let mut stage = Stage::open(folder);
    let port = stage.http().port();
    let reply = stage.plain_visitor().ask(&format!("GET / HTTP/1.1\r\nHost: www.test:{port}\r\n\r\n"));
    assert_eq!(reply.status, 200);
    assert_eq!(
        server.heard().header("forwarded"),
        Some(&*format!("for=\"[::]\";host=\"www.test:{port}\";proto=http"))
    );
    assert_eq!(page(stage.admin(), "/health").0, 200);
    assert!(stage.log("www.test", "access").starts_with(":: - - ["));
}

#[test]
fn a_backend_that_the_rules_let_go_is_let_go_also_without_visitors() {
    let (went, left) = mpsc::channel();
    let went = Mutex::new(went);
    let old = OldServer::playing(move |connection| {
        while connection.request().is_some() {
            connection.write(&ok("old"));
        }
        went.lock().expect("the test").send(()).expect("the test");
    });
    let stage = Stage::raw("", &format!("{SITE}{}", old.declared("old")));
    assert_eq!(stage.plain_visitor().get("/").text(), "old");
    let new = OldServer::saying("new");
    stage.folder.write("main.vcl", &Stage::text("", &format!("{SITE}{}", new.declared("old"))));
    assert!(stage.running().reload().done);
    left.recv_timeout(PATIENCE).expect("the gateway hangs up on the old server");
}

#[test]
fn paths_mean_the_same_wherever_the_house_is_started() {
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    fs::create_dir(folder.0.join("rules")).expect("a folder");
    let log = "log own { .file = \"../own/{site}.log\"; .errors = \"{state}/own-errors.log\"; }\n";
    let site = SITE.replace(".force_https = no;", ".force_https = no; .log = own;");
    let other = SITE.replace("www.test", "other.test");
    let text = Stage::text("", &format!("{log}{site}{other}{}", server.declared("old")));
    folder.write("rules/main.vcl", &text.replace(".state = \"state\"", ".state = \"../state\""));
    let mut command = doorward(&["serve", "rules/main.vcl"]);
    command.current_dir(&folder.0);
    let house = Program::start(command, folder.0.join("state"));
    house.said("the house stands");
    let mut visitor = Visitor::new(connect(house.address("http")));
    assert_eq!(visitor.get("/").status, 200);
    assert_eq!(visitor.ask("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n").status, 200);
    let status = run(doorward(&["status", "--config", "rules/main.vcl"]).current_dir(&folder.0));
    assert_eq!(status.0, Some(0), "{status:?}");
    house.signal("TERM");
    drop(visitor);
    assert!(house.ended().0.success());
    assert_eq!(fs::read_to_string(folder.0.join("own/www.test.log")).expect("the log").lines().count(), 1);
    assert_eq!(log_of(&folder.0.join("state"), "other.test", "access").lines().count(), 1);
    let mut left: Vec<_> = fs::read_dir(&folder.0)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["own", "rules", "state"]);
    assert!(!folder.0.join("state/state").exists() && !folder.0.join("state/rules").exists());
}
