//! What keeps visitors away from a backend or from a site, and lets them come again: failures, probes, and what an
//! operator says at run time.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::stage::{Folder, OldServer, Stage, Visitor, ok, vacant_port};
use super::tools::{doorward, figure, page, run, until};

/// A command to the gateway of a stage: its status, and what it says.
fn told(stage: &Stage, command: &[&str]) -> (Option<i32>, String) {
    let state = stage.folder.0.join("state");
    let mut words = command.to_vec();
    words.extend(["--state", state.to_str().expect("a path")]);
    let (code, out, err) = run(&mut doorward(&words));
    (code, format!("{out}{err}"))
}

fn done(stage: &Stage, command: &[&str]) -> String {
    let (code, said) = told(stage, command);
    assert_eq!(code, Some(0), "{command:?}: {said}");
    said
}

fn refused(stage: &Stage, command: &[&str], says: &str) {
    let (code, said) = told(stage, command);
    assert_eq!(code, Some(1), "{command:?}: {said}");
    assert!(said.contains(says), "{command:?} says {said}, not {says}");
}

/// Closes the house and opens it again on what it kept.
fn restart(mut stage: Stage) -> Stage {
    stage.close();
    let folder = std::mem::replace(&mut stage.folder, Folder::new());
    drop(stage);
    Stage::open(folder)
}

/// The cause of what a visitor gets; `200` for what is well.
fn cause(visitor: &mut Visitor<TcpStream>) -> String {
    let reply = visitor.ask("GET / HTTP/1.1\r\nHost: www.test\r\nAccept: application/json\r\n\r\n");
    let text = reply.text();
    let cause = text.split("\"cause\":\"").nth(1).and_then(|rest| rest.split('"').next());
    cause.map_or_else(|| reply.status.to_string(), str::to_owned)
}

fn json(admin: SocketAddr) -> String {
    let mut visitor = Visitor::new(super::stage::connect(admin));
    visitor.ask("GET /health HTTP/1.1\r\nHost: admin\r\nAccept: application/json\r\n\r\n").text()
}

const SITE: &str = ".force_https = no; .aliases = \"alias.test\"; route \"/\" { .backend = old; }";
const LISTS: &str = "acl here { \"127.0.0.1\"; } acl office { \"192.0.2.0\"/24; }\n";

#[test]
fn a_site_is_closed_for_a_while_and_stays_so_over_restarts() {
    let old = OldServer::saying("open");
    let stage = Stage::with(SITE, &format!("{LISTS}{}", old.declared("old")));
    assert_eq!(done(&stage, &["maintenance"]), "no site is closed\n");
    assert_eq!(done(&stage, &["maintenance", "off", "www.test"]), "www.test was not closed\n");
    let mut visitor = stage.plain_visitor();
    assert_eq!(cause(&mut visitor), "200");

    let note = "We move to a \"new\" <disk>.";
    let said = done(&stage, &["maintenance", "on", "alias.test", "--until", "2h", "--note", note]);
    assert!(said.starts_with("www.test: closed until 20") && said.contains("Z (in "), "{said}");
    assert!(said.contains("nobody sees it"), "{said}");
    for accept in ["text/html", "application/json", "text/plain"] {
        let reply = visitor.ask(&format!("GET / HTTP/1.1\r\nHost: www.test\r\nAccept: {accept}\r\n\r\n"));
        let text = reply.text();
        assert_eq!(reply.status, 503);
        let wait: u64 = reply.header("retry-after").expect("when to come back").parse().expect("seconds");
        assert!((7_100..=7_200).contains(&wait), "{wait}");
        let note = match accept {
            "text/html" => "We move to a &quot;new&quot; &lt;disk&gt;.",
            "application/json" => "We move to a \\\"new\\\" <disk>.",
            _ => note,
        };
        assert!(text.contains(note), "{text}");
    }
    // Before redirects and routes: nothing of the site is told apart.
    let reply = visitor.ask("GET /nowhere HTTP/1.1\r\nHost: alias.test\r\n\r\n");
    assert_eq!((reply.status, reply.header("location")), (503, None));
    let (_, plain) = page(stage.admin(), "/health");
    assert!(plain.starts_with("ok\nsite www.test: closed for maintenance until 20"), "{plain}");
    let health = json(stage.admin());
    assert!(health.contains("\"maintenance\":[{\"site\":\"www.test\",\"until\":\"20"), "{health}");
    assert!(done(&stage, &["status"]).contains("site www.test: closed "));

    assert!(stage.running().reload().done);
    assert_eq!(cause(&mut visitor), "maintenance");
    let stage = restart(stage);
    let mut visitor = stage.plain_visitor();
    assert_eq!(cause(&mut visitor), "maintenance");
    assert!(done(&stage, &["maintenance"]).contains(note));

    assert_eq!(done(&stage, &["maintenance", "off", "www.test"]), "www.test is open again\n");
    assert_eq!(cause(&mut visitor), "200");
    let mut stage = restart(stage);
    assert_eq!(cause(&mut stage.plain_visitor()), "200", "off survives too");
    assert!(old.heard().line.starts_with("GET / "));
    let errors = stage.log("www.test", "error");
    assert!(errors.contains("an operator has closed the site"), "{errors}");
}

#[test]
fn a_closed_site_is_seen_by_whom_the_operator_names_and_opens_in_time() {
    let old = OldServer::saying("open");
    let stage = Stage::with(SITE, &format!("{LISTS}{}", old.declared("old")));
    let mut visitor = stage.plain_visitor();
    let said = done(&stage, &["maintenance", "on", "www.test", "--allow", "office"]);
    assert!(said.contains("until you say `doorward maintenance off`, the acl office sees it"), "{said}");
    assert_eq!(cause(&mut visitor), "maintenance");
    let said = done(&stage, &["maintenance", "on", "www.test", "--allow", "here"]);
    assert!(said.contains("closed already, and now as follows"), "{said}");
    assert_eq!(cause(&mut visitor), "200", "the acl `here` sees it");

    // A list that the rules have no more lets nobody in, and the site stays closed.
    let text = fs::read_to_string(stage.folder.0.join("main.vcl")).expect("the rules");
    stage.folder.write("main.vcl", &text.replace("acl here {", "acl near {"));
    assert!(stage.running().reload().done);
    assert_eq!(cause(&mut visitor), "maintenance");
    assert!(done(&stage, &["maintenance"]).contains("the rules have no acl here any more"));

    done(&stage, &["maintenance", "on", "www.test", "--until", "1s"]);
    assert_eq!(cause(&mut visitor), "maintenance");
    until("the site to open by itself", || cause(&mut visitor) == "200");
    assert_eq!(done(&stage, &["maintenance"]), "no site is closed\n");
}

#[test]
fn the_rules_may_close_a_site() {
    let old = OldServer::saying("open");
    let site = format!(".maintenance = yes; .maintenance_allow = office; {SITE}");
    let stage = Stage::with(&site, &format!("{LISTS}{}", old.declared("old")));
    let mut visitor = stage.plain_visitor();
    assert_eq!(cause(&mut visitor), "maintenance");
    assert_eq!(
        done(&stage, &["maintenance"]),
        "www.test: closed by the rules, `.maintenance_allow` sees it\n"
    );
    refused(&stage, &["maintenance", "off", "www.test"], "take that out, then `doorward reload`");
    // What an operator says goes before the rules, while it holds.
    done(&stage, &["maintenance", "on", "www.test", "--allow", "here"]);
    assert_eq!(cause(&mut visitor), "200");
    refused(&stage, &["maintenance", "off", "www.test"], "the rules close www.test");
    assert_eq!(cause(&mut visitor), "maintenance");
    let text = fs::read_to_string(stage.folder.0.join("main.vcl")).expect("the rules");
    stage.folder.write("main.vcl", &text.replace("_allow = office", "_allow = here"));
    assert!(stage.running().reload().done);
    assert_eq!(cause(&mut visitor), "200");
}

#[test]
fn an_order_that_means_nothing_here_says_what_would() {
    let old = OldServer::saying("open");
    let stage = Stage::with(SITE, &format!("{LISTS}{}", old.declared("old")));
    for (command, says) in [
        (&["maintenance", "on", "ww.test"][..], "no site called `ww.test`; did you mean `www.test`?"),
        (&["maintenance", "off", "wiki.example"], "no site called `wiki.example`; they have `www.test`"),
        (
            &["maintenance", "on", "www.test", "--allow", "offce"],
            "no `acl` called `offce`; did you mean `office`?",
        ),
        (&["maintenance", "on", "www.test", "--allow", "group(staff)"], "nobody signs in here yet"),
        (&["maintenance", "on", "www.test", "--until", "tomorrow"], "`tomorrow` is no time: write `2h`"),
        (&["maintenance", "on", "www.test", "--until", "2020-01-01"], "2020-01-01T00:00Z has passed"),
        (&["maintenance", "on", "www.test", "--note", " "], "a note is one line of text"),
        (&["backend", "odl", "drain"], "no backend called `odl`; did you mean `old`?"),
        (&["backend", "odl", "resume"], "no backend called `odl`"),
    ] {
        refused(&stage, command, says);
    }
    let long = "x".repeat(501);
    refused(&stage, &["maintenance", "on", "www.test", "--note", &long], "500 letters at most");
    assert!(!stage.running().tell("{").done && !stage.running().tell("{\"do\":\"dance\"}").done);
    assert_eq!(cause(&mut stage.plain_visitor()), "200", "nothing of that changed anything");
}

#[test]
fn a_drained_backend_gets_nobody_new_until_it_is_resumed() {
    let old = OldServer::saying("open");
    let stage = Stage::with(SITE, &format!("{LISTS}{}", old.declared("old")));
    let mut visitor = stage.plain_visitor();
    assert_eq!(cause(&mut visitor), "200");
    assert!(
        done(&stage, &["backend", "old", "drain"]).starts_with("old is drained: nobody new is sent there; ")
    );
    assert_eq!(done(&stage, &["backend", "old", "drain"]), "old was drained already\n");
    assert_eq!(cause(&mut visitor), "unhealthy");
    let status = done(&stage, &["status"]);
    let line = status.lines().find(|line| line.starts_with("backend old: drained for "));
    assert!(line.is_some_and(|line| line.contains("; 0 in flight, ")), "one line tells all: {status}");
    let health = json(stage.admin());
    assert!(health.contains("\"name\":\"old\",\"state\":\"drained\""), "{health}");
    assert!(health.contains("\"reason\":\"drained by an operator\""), "{health}");
    assert_eq!(figure(stage.admin(), "doorward_backend_up{backend=\"old\"}"), Some(0.0));
    // A declaration that changed makes a backend anew, and it is drained all the same.
    let text = fs::read_to_string(stage.folder.0.join("main.vcl")).expect("the rules");
    stage.folder.write("main.vcl", &text.replace("backend old {", "backend old { .idle_max = 7;"));
    assert!(stage.running().reload().done);
    assert_eq!(cause(&mut visitor), "unhealthy");
    let mut stage = restart(stage);
    let mut visitor = stage.plain_visitor();
    assert_eq!(cause(&mut visitor), "unhealthy");
    assert_eq!(done(&stage, &["backend", "old", "resume"]), "old takes visitors again\n");
    assert_eq!(done(&stage, &["backend", "old", "resume"]), "old was not drained\n");
    assert_eq!(cause(&mut visitor), "200");
    assert_eq!(json(stage.admin()), "{\"status\":\"ok\"}\n");
    assert!(stage.log("www.test", "error").contains("drained by an operator"));
}

#[test]
fn a_dead_backend_is_left_alone_at_once_and_back_within_a_second() {
    let address = vacant_port();
    let rules = format!("backend old {{ .url = \"http://{address}\"; .failures_max = 3; }}\n");
    let mut stage = Stage::with(SITE, &rules);
    let mut visitor = stage.plain_visitor();
    let began = Instant::now();
    let causes: Vec<String> = (0..4).map(|_| cause(&mut visitor)).collect();
    assert_eq!(causes, ["refused", "refused", "refused", "unhealthy"]);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let health = json(stage.admin());
    assert!(health.contains("\"state\":\"failing\""), "{health}");
    assert!(health.contains("\"reason\":\"3 failures in a row: refused\""), "{health}");
    assert!(done(&stage, &["status"]).contains("backend old: failing for "));

    let listener = TcpListener::bind(address).expect("the port of before");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                    stream.write_all(&ok("back")).expect("an answer");
                }
            });
        }
    });
    let back = Instant::now();
    until("the first good answer", || cause(&mut visitor) == "200");
    assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
    stage.close();
    let log = stage.folder.0.join("state/log");
    let mut found = String::new();
    for file in super::tools::files_below(&log) {
        found.push_str(&fs::read_to_string(file).unwrap_or_default());
    }
    assert!(found.contains("a backend fails and is left alone"), "{found}");
    assert!(found.contains("3 failures in a row: refused"), "{found}");
}

#[test]
fn an_unknown_name_is_a_warning_at_the_start_and_a_page_for_visitors() {
    let rules = "backend old { .url = \"http://no-such-host.invalid\"; }\n";
    let mut stage = Stage::with(SITE, rules);
    assert_eq!(cause(&mut stage.plain_visitor()), "dns");
    stage.close();
    let mut found = String::new();
    for file in super::tools::files_below(&stage.folder.0.join("state/log")) {
        found.push_str(&fs::read_to_string(file).unwrap_or_default());
    }
    assert!(found.contains("nobody knows a backend's name"), "{found}");
    assert!(!found.contains("no-such-host"), "{found}");
}

#[test]
fn a_probe_by_connection_sees_a_server_come() {
    let address = vacant_port();
    let probe = ".probe = { .kind = tcp; .interval = 50ms; .window = 2; .threshold = 1; .initial = 0; };";
    let stage = Stage::with(SITE, &format!("backend old {{ .url = \"http://{address}\"; {probe} }}\n"));
    let mut visitor = stage.plain_visitor();
    until("the probe to be asked", || json(stage.admin()).contains("its probe: nobody listens there"));
    assert_eq!(cause(&mut visitor), "unhealthy");
    let _listener = TcpListener::bind(address).expect("the port of before");
    until("the probe to see it", || json(stage.admin()) == "{\"status\":\"ok\"}\n");
}

#[test]
fn a_weight_that_was_said_stays_until_the_declared_one_is_wanted_again() {
    let (one, two) = (OldServer::saying("one"), OldServer::saying("two"));
    let director = "director home { .policy = round_robin; .members = one weight 3, two; }\n";
    let site = ".force_https = no; route \"/\" { .backend = home; }";
    let stage = Stage::with(site, &format!("{}{}{director}", one.declared("one"), two.declared("two")));
    refused(&stage, &["director", "hme", "weight", "one", "5"], "did you mean `home`?");
    refused(&stage, &["director", "home", "weight", "thre", "5"], "home has no member called `thre`");
    refused(&stage, &["director", "home", "weight", "one", "1001"], "`1001` is no weight");
    refused(&stage, &["backend", "home", "drain"], "it is a director, whose members are `one`, `two`");
    assert_eq!(done(&stage, &["director", "home", "weight", "one", "0"]), "one has weight 0 in home\n");
    assert!(done(&stage, &["status"]).contains("one weight 0 (the rules say 3), two weight 1; 0 retries"));
    let told = |stage: &Stage| {
        let mut visitor = stage.plain_visitor();
        (0..8).map(|_| visitor.ask("GET / HTTP/1.1\r\nHost: www.test\r\n\r\n").text()).collect::<Vec<_>>()
    };
    assert_eq!(told(&stage), ["two"; 8], "nobody is sent to weight 0");
    let stage = restart(stage);
    assert_eq!(told(&stage), ["two"; 8], "also after a restart");
    let said = done(&stage, &["director", "home", "weight", "one", "declared"]);
    assert_eq!(said, "one has weight 3 in home, as the rules say\n");
    assert_eq!(told(&stage).iter().filter(|text| *text == "one").count(), 6);
}
