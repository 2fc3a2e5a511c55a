use std::path::Path;

use super::*;
use crate::language::{self, Memory};
use crate::settings;

const RULES: &str = r#"gateway { .https = "127.0.0.1:8443"; .http = "127.0.0.1:8080"; }
acl office { "192.0.2.0"/24; }
acl guests { "198.51.100.64"/26; }
backend wiki { .url = "http://127.0.0.1:8001"; .visitor_address = cut; }
backend trac { .url = "http://127.0.0.1:8002"; .host_header = "trac.internal"; .visitor_address = none; }
backend home { .url = "http://127.0.0.1:8003"; .visitor_address = none; }
site "www.example" {
    .aliases = "example";
    route "/wiki/" { .backend = wiki; }
    route "/trac/" { .backend = trac; .allow = network(office) || network(guests); }
    route "/closed/" { .backend = trac; .allow = nobody; }
    route "/" { .backend = home; .body_bytes_max = 1MB; }
}
site "plain.example" {
    .force_https = no;
    route "/only/" { .backend = home; }
}
"#;

pub(super) fn gateway(rules: &str) -> Gateway {
    let files = Memory::default().with("main.vcl", 0o644, rules);
    let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
    Gateway::new(settings::compile(&tree).unwrap_or_else(|faults| panic!("{}", faults.draw())))
}

fn decided(gateway: &Gateway, line: &str) -> Decision {
    let play = format!("```request\n{line}\n```\n```expect\nstatus 200\n```\n");
    let script = parse(&play).unwrap_or_else(|flaws| panic!("{flaws:?}"));
    let scene = &script.cases[0].scenes[0];
    Stage::new(gateway, &scene.given).unwrap().decide(&scene.asked, &scene.given)
}

#[test]
fn a_request_ends_as_the_corridor_would_end_it() {
    let gateway = gateway(RULES);
    for (line, ending) in [
        ("GET https://www.example/wiki/Home", "200 from backend wiki"),
        ("GET https://www.example/wiki/../trac/x from 192.0.2.9", "200 from backend trac"),
        ("GET https://www.example/trac/x from 198.51.100.70", "200 from backend trac"),
        ("GET https://www.example/trac/x", "403, denied"),
        ("GET https://www.example/trac;x/y from 192.0.2.9", "404, no_route"),
        ("GET https://www.example/a%2Fb", "400, bad_path"),
        ("GET https://www.example/.doorward/x", "404, no_route"),
        ("GET https://www.example/closed/ from 192.0.2.9", "403, denied"),
        ("GET http://www.example/wiki/?a=b", "301 to https://www.example:8443/wiki/?a=b"),
        ("GET https://example/wiki/", "301 to https://www.example/wiki/"),
        ("GET https://nobody.example/", "421, misdirected"),
        ("GET http://plain.example/only/", "200 from backend home"),
        ("GET http://plain.example/else/", "404, no_route"),
        ("GET https://www.example/../x", "400, bad_path"),
        ("CONNECT https://www.example/", "501, not_implemented"),
        ("OPTIONS https://www.example/ over http/2", "200 from backend home"),
    ] {
        assert_eq!(decided(&gateway, line).ending(), ending, "{line}");
    }
}

#[test]
fn a_story_names_every_decision_and_its_line() {
    let gateway = gateway(RULES);
    let decision = decided(
        &gateway,
        "GET https://www.example/trac/x?a=b from 192.0.2.9\nCookie: a=b\nX-Forwarded-For: 1.2.3.4",
    );
    assert_eq!(
        story(&decision),
        "site     www.example  (main.vcl:7)\n\
         route    /trac/ → backend trac  (main.vcl:10)\n\
         access   admitted to read: network(office)  (main.vcl:10)\n\
         backend  trac is asked: GET /trac/x?a=b  (main.vcl:5)\n         \
         + host: trac.internal\n         \
         + forwarded: host=\"www.example\";proto=https\n         \
         + x-forwarded-host: www.example\n         \
         + x-forwarded-port: 443\n         \
         + x-forwarded-proto: https\n         \
         + x-forwarded-ssl: on\n\
         answer   200, assumed: nobody was asked\n\
         end      200 from backend trac\n"
    );
    let decision = decided(&gateway, "GET https://www.example/trac/");
    assert_eq!(
        story(&decision),
        "site     www.example  (main.vcl:7)\n\
         route    /trac/ → backend trac  (main.vcl:10)\n\
         access   refused to read: network(office) || network(guests)  (main.vcl:10)\n\
         fault    denied: the route /trac/ does not admit the visitor\n\
         end      403, denied\n"
    );
    let redirected = decided(&gateway, "GET http://example/");
    assert_eq!(
        story(&redirected),
        "site     example is another name of www.example  (main.vcl:7)\n\
         redirect https://www.example:8443/, since the site has one name, and is served by https\n\
         end      301 to https://www.example:8443/\n"
    );
    let json = json(&redirected, "GET http://example/");
    assert!(
        json.starts_with("{\"request\":\"GET http://example/\",\"steps\":[{\"step\":\"site\","),
        "{json}"
    );
    assert!(
        json.contains("\"file\":\"main.vcl\",\"line\":7,\"source\":\"site \\\"www.example\\\" {\""),
        "{json}"
    );
    assert!(json.contains("\"status\":301") && json.ends_with("]}\n"), "{json}");
}

const PLAY: &str = r#"env X=1

# Plays

What is given here holds everywhere.

```given
time 2026-03-01T12:00:00Z
backend wiki answers 404
  Content-Type: text/plain
  body "no such page"
```

## The wiki is open
Prose, and a block for people only:
```vcl
request
```
```request
GET https://www.example/wiki/Home   from 203.0.113.9
Accept: text/html
```
```expect
site www.example
route /wiki/
backend wiki
status 404
lookup
header Content-Type: text/plain
no header Set-Cookie
body contains "such"
bereq method GET
bereq url /wiki/Home
bereq header X-Forwarded-For: 203.0.113.0
no bereq header Cookie
rule main.vcl:9
no rule main.vcl:10
```

## Trouble
```given
backend wiki fails with connect_timeout
```
```request
POST https://www.example/wiki/Home

a=b
```
```expect
503
backend wiki
cause connect_timeout
bereq header content-length: 3
```
```request
GET http://example/x
```
```expect
redirect https://www.example:8443/x
no backend
```
"#;

#[test]
fn a_play_goes_as_it_says() {
    let gateway = gateway(RULES);
    let script = parse(PLAY).unwrap();
    assert_eq!(script.environment, [("X".to_owned(), "1".to_owned())]);
    let mut visited = Visited::default();
    let report = play(&gateway, &script, &mut visited).unwrap();
    assert_eq!(report.failures, []);
    assert_eq!((report.cases, report.requests), (2, 3));
    assert_eq!(
        coverage([(&gateway, &visited)]).draw(),
        "visited: 0 of 0 lines of rules, 1 of 5 routes\n\
         never visited: route /trac/ of www.example  (main.vcl:10)\n\
         never visited: route /closed/ of www.example  (main.vcl:11)\n\
         never visited: route / of www.example  (main.vcl:12)\n\
         never visited: route /only/ of plain.example  (main.vcl:16)\n"
    );
}

#[test]
fn every_expectation_can_fail_and_says_what_came() {
    let gateway = gateway(RULES);
    for (expected, wanted, came) in [
        ("backend home", "backend home", "backend wiki"),
        ("no backend", "no backend", "backend wiki"),
        ("site plain.example", "site plain.example", "www.example"),
        ("route /trac/", "route /trac/", "/wiki/"),
        ("status 404", "status 404", "status 200"),
        ("404", "status 404", "status 200"),
        ("401 challenge Basic realm=\"x\"", "challenge Basic realm=\"x\"", "challenge none"),
        ("challenge Negotiate", "challenge Negotiate", "challenge none"),
        ("301 https://x/", "location https://x/", "location none"),
        ("redirect 302 https://x/", "status 302", "status 200"),
        ("location contains \"x\"", "location something with \"x\" in it", "location none"),
        ("reason \"Fine\"", "reason \"Fine\"", "reason \"\""),
        ("synth 200", "synth 200", "200 from backend wiki"),
        ("header Server: x", "header server: x", "header server: none"),
        (
            "header Content-Type contains \"html\"",
            "header content-type: something with \"html\" in it",
            "header content-type: text/plain",
        ),
        ("no header Content-Type", "no header content-type", "header content-type: text/plain"),
        ("body \"x\"", "body x", "body \"page\""),
        ("body contains \"x\"", "body something with \"x\" in it", "body \"page\""),
        ("bereq url /x", "bereq url /x", "bereq url /wiki/"),
        ("bereq method PUT", "bereq method PUT", "bereq method GET"),
        ("bereq header Host: x", "bereq header host: x", "bereq header host: www.example"),
        ("no bereq header Host", "no bereq header host", "bereq header host: www.example"),
        ("ttl 60s", "ttl 60s", "ttl none"),
        ("grace 1.5s", "grace 1.5s", "grace none"),
        ("keep 1h", "keep 3600s", "keep none"),
        ("pass", "pass", "lookup"),
        ("pipe", "pipe", "lookup"),
        ("purge", "purge", "lookup"),
        ("cause denied", "cause denied", "cause none"),
        ("rule main.vcl:10", "rule main.vcl:10 to be reached", "it was not"),
        ("no rule main.vcl:9", "rule main.vcl:9 not to be reached", "it was"),
        ("log contains \"x\"", "log something with \"x\" in it", "log none"),
        (
            "record contains \"/error\"",
            "record something with \"/error\" in it",
            "record /var/lib/doorward/log/www.example/access-{day}.log",
        ),
    ] {
        let text = format!(
            "```given\nbackend wiki answers 200\n  Content-Type: text/plain\n  body \"page\"\n```\n\
             ```request\nGET https://www.example/wiki/\n```\n```expect\n{expected}\n```\n"
        );
        let script = parse(&text).unwrap_or_else(|flaws| panic!("{expected}: {flaws:?}"));
        let report =
            play(&gateway, &script, &mut Visited::default()).unwrap_or_else(|flaws| panic!("{flaws:?}"));
        let wrong = &report.failures[0].wrong;
        let (_, found, got) =
            wrong.iter().find(|(_, found, _)| found == wanted).unwrap_or_else(|| panic!("{wrong:?}"));
        assert_eq!((found.as_str(), got.as_str()), (wanted, came), "{expected}");
    }
}

#[test]
fn a_failure_is_told_with_what_came_and_how() {
    let gateway = gateway(RULES);
    let text =
        "## Trac is for all\n```request\nGET https://www.example/trac/\n```\n```expect\nbackend trac\n```\n";
    let report = play(&gateway, &parse(text).unwrap(), &mut Visited::default()).unwrap();
    assert_eq!(
        report.failures[0].draw("plays/trac.md"),
        "plays/trac.md:2: Trac is for all\n  \
         GET https://www.example/trac/\n  \
         expected  backend trac  (line 6)\n  \
         came      no backend was asked: 403, denied\n  \
         how       site     www.example  (main.vcl:7)\n            \
         route    /trac/ → backend trac  (main.vcl:10)\n            \
         access   refused to read: network(office) || network(guests)  (main.vcl:10)\n            \
         fault    denied: the route /trac/ does not admit the visitor\n            \
         end      403, denied\n"
    );
    assert_eq!(
        report.failures[0].json("a.md"),
        "{\"file\":\"a.md\",\"line\":2,\"case\":\"Trac is for all\",\"request\":\"GET https://www.example/trac/\",\
         \"wrong\":[{\"line\":6,\"expected\":\"backend trac\",\"came\":\"no backend was asked: 403, denied\"}]}"
    );
}

/// A play with one line of one block replaced.
fn with(block: &str, line: &str) -> String {
    let of = |kind: &str, usual: &str| if kind == block { line.to_owned() } else { usual.to_owned() };
    format!(
        "```given\n{}\n```\n```request\n{}\n```\n```expect\n{}\n```\n",
        of("given", "seed 7"),
        of("request", "GET https://www.example/wiki/"),
        of("expect", "backend wiki")
    )
}

#[test]
fn a_wrong_word_is_a_fault_with_its_line_and_never_ignored() {
    let gateway = gateway(RULES);
    for (text, line, said) in [
        (with("expect", "bakcend wiki"), 8, "there is no expectation `bakcend`; did you mean `backend`?"),
        (
            with("expect", "backend wikki"),
            8,
            "the rules have no backend called `wikki`; did you mean `wiki`?",
        ),
        (
            with("expect", "route /wikis/"),
            8,
            "the rules have no route called `/wikis/`; did you mean `/wiki/`?",
        ),
        (with("expect", "site www.exmaple"), 8, "did you mean `www.example`?"),
        (
            with("expect", "rule main.vcl:8"),
            8,
            "no rule stands at main.vcl:8; the nearest stands at main.vcl:9",
        ),
        (with("expect", "rule sites.vcl:8"), 8, "name a file of these rules"),
        (with("expect", "status"), 8, "`status` can't be expected like that; write `status 404`"),
        (with("expect", "status 2000"), 8, "can't be expected like that"),
        (with("expect", "pass on"), 8, "`on` is too much behind `pass`"),
        (with("expect", "cause conect_timeout"), 8, "did you mean `connect_timeout`?"),
        (with("expect", "no heder X"), 8, "write `no backend`, `no header Name`"),
        (with("expect", "header X"), 8, "write `header Name: value`"),
        (with("expect", "body contains x"), 8, "write `body contains \"…\"`"),
        (with("expect", ""), 7, "this expects nothing"),
        (with("given", "tiem 2026-03-01T12:00:00Z"), 2, "`tiem` can't be given; did you mean `time`?"),
        (with("given", "time noon"), 2, "`noon` is no time"),
        (with("given", "time 2026-02-30T12:00:00Z"), 2, "is no time"),
        (with("given", "backend wikki is sick"), 2, "did you mean `wiki`?"),
        (with("given", "backend wiki is ill"), 2, "write `backend svn is sick`"),
        (with("given", "backend wiki fails with refuse"), 2, "did you mean `refused`?"),
        (with("given", "backend wiki fails with denied"), 2, "no backend fails with `denied`"),
        (with("given", "backend wiki answers 99"), 2, "`99` is no status"),
        (with("given", "backend wiki answers 200\n  what is this"), 3, "is no header of an answer"),
        (with("given", "seed 7\n  X: y"), 3, "this belongs to nothing above it"),
        (with("given", "table projects \"x\" = \"wiki\""), 2, "the rules have no table called `projects`"),
        (with("given", "table projects x = y"), 2, "is no row of a table"),
        (with("given", "env X=1"), 2, "the environment is the whole file's"),
        (with("request", "GET"), 5, "no address is asked for"),
        (with("request", "https://www.example/"), 5, "is no method; begin with it"),
        (with("request", "GET ftp://www.example/"), 5, "begin with `https://` or `http://`"),
        (with("request", "GET https://www.example/ form 192.0.2.1"), 5, "did you mean `from`?"),
        (with("request", "GET https://www.example/ from here"), 5, "is no address of a visitor"),
        (with("request", "GET https://www.example/ over htp"), 5, "nobody comes over `htp`"),
        (with("request", "GET https://www.example/ over http"), 5, "name two schemes"),
        (with("request", "GET https://www.example/\nno header"), 6, "`no header` is no header"),
        (with("request", ""), 4, "nothing is asked here"),
        (
            "```reqest\nGET /\n```\n".to_owned(),
            1,
            "there is no block called `reqest`; did you mean `request`?",
        ),
        ("```request\nGET https://www.example/\n```\n".to_owned(), 1, "nothing is expected of this request"),
        ("```expect\nbackend wiki\n```\n".to_owned(), 1, "nothing was asked before this"),
        ("```request\nGET https://www.example/\n".to_owned(), 1, "this block has no end"),
        (format!("rulse: main.vcl\n\n{}", with("", "")), 1, "did you mean `rules`?"),
        (format!("rules:\n\n{}", with("", "")), 1, "no rules are named"),
        (format!("Prose.\n\nrules: a.vcl\n{}", with("", "")), 3, "in the first lines"),
        (format!("{}\nenv SITE=staging\n", with("", "")), 11, "in the first lines"),
    ] {
        let flaws = match parse(&text) {
            Ok(script) => match play(&gateway, &script, &mut Visited::default()) {
                Ok(_) => panic!("taken: {text}"),
                Err(flaws) => flaws,
            },
            Err(flaws) => flaws,
        };
        let told = format!("{}; {}", flaws[0].message, flaws[0].help);
        assert!(told.contains(said) && flaws[0].line == line, "{text}\n{flaws:?}");
    }
    let drawn = parse(&with("expect", "bakcend wiki")).unwrap_err()[0]
        .draw(Path::new("a.md"), &with("expect", "bakcend wiki"));
    assert_eq!(
        drawn,
        "error: there is no expectation `bakcend`\n ┌ a.md:8\n8│ bakcend wiki\n = did you mean `backend`?\n"
    );
}

#[test]
fn no_text_brings_a_play_down() {
    let gateway = gateway(RULES);
    for end in (0..PLAY.len()).filter(|end| PLAY.is_char_boundary(*end)) {
        if let Ok(script) = parse(&PLAY[..end]) {
            let _ = play(&gateway, &script, &mut Visited::default());
        }
        for odd in ["\0", "\"", "```", "\r", "=", "\u{202e}", " ", "\n", "~~~"] {
            let text = format!("{}{odd}{}", &PLAY[..end], &PLAY[end..]);
            if let Ok(script) = parse(&text) {
                let _ = play(&gateway, &script, &mut Visited::default());
            }
        }
    }
}

#[test]
fn the_log_of_a_visit_is_told() {
    const LOGS: &str = r#"gateway { .state = "/s"; }
backend app { .url = "http://127.0.0.1:8001"; .visitor_address = none; }
table projects BACKEND { "numpy": app, }
log projects { .file = "{state}/{site}/{project}-{day}.log"; }
log all { .file = "{state}/all.log"; }
site "a.example" { .log = all; .force_https = no;
    route "/p/{project}/" { .backend = lookup(projects, "{project}"); .log = projects; }
    route "/" { .backend = app; } }
site "b.example" { .force_https = no; route "/" { .backend = app; } }
"#;
    for rules in [LOGS.to_owned(), format!("{LOGS} sub vcl_recv {{ set req.http.X-A = \"b\"; }}")] {
        let gateway = gateway(&rules);
        for (url, told) in [
            ("http://a.example/p/numpy/x", Some("projects: /s/a.example/numpy-{day}.log")),
            ("http://a.example/x", Some("all: /s/all.log")),
            ("http://a.example/p/nobody/x", None),
            ("http://b.example/", None),
        ] {
            let decision = decided(&gateway, &format!("GET {url}"));
            let record = decision.steps.iter().find(|step| step.kind == Kind::Record);
            assert_eq!(record.map(|step| &*step.text), told, "{url}");
        }
        let logs: Vec<String> = gateway.doors().into_iter().map(|door| door.log).collect();
        assert_eq!(logs, ["projects", "all", "default"]);
    }
    let plain = LOGS.replace(" .log = projects;", "");
    assert_eq!(
        draw(&compare(&gateway(LOGS), &gateway(&plain))),
        "site     a.example /p/{project}/  log: projects → the site's  (main.vcl:7)\n"
    );
}

#[test]
fn two_trees_are_compared_by_their_doors() {
    let old = gateway(RULES);
    assert_eq!(compare(&old, &gateway(RULES)), []);
    let changed = RULES
        .replace("\"192.0.2.0\"/24", "\"192.0.2.0\"/25")
        .replace(".allow = nobody;", ".allow = network(office);")
        .replace(
            "    route \"/wiki/\" { .backend = wiki; }\n",
            "    route \"/wiki/new/\" { .backend = wiki; }\n",
        )
        .replace(
            ".backend = home; .body_bytes_max = 1MB;",
            ".backend = wiki; .body_bytes_max = 1GB; .total_timeout = 5s;",
        )
        .replace(".force_https = no;", "")
        .replace("\"example\"", "\"old.example\"")
        .replace("host_header = \"trac.internal\"", "connect_timeout = 9s");
    assert_eq!(
        draw(&compare(&old, &gateway(&changed))),
        "opened   old.example             redirects to www.example  (main.vcl:7)\n\
         opened   www.example /wiki/new/  → wiki for anyone; was covered by /wiki/  (main.vcl:9)\n\
         opened   www.example /closed/    nobody → network(office)  (main.vcl:11)\n\
         closed   example                 no other name of www.example any more  (main.vcl:7)\n\
         closed   www.example /wiki/      was → wiki; / covers it now  (main.vcl:9)\n\
         access   www.example /trac/      network(office) || network(guests), and a list of networks in it is \
         another  (main.vcl:10)\n\
         moved    www.example /           home → wiki  (main.vcl:12)\n\
         limits   www.example /           body 1MB → body 1GB, time 5s  (main.vcl:12)\n\
         site     plain.example           plain http is sent to https now  (main.vcl:14)\n\
         backend  trac                    another host_header, connect_timeout: 3s → 9s  (main.vcl:5)\n\
         acl      office                  has other networks\n"
    );
}

fn replayed(rules: &str, old: Option<&str>, log: &str) -> Replayed {
    let about = About { site: Some("www.example".to_owned()), scheme: Scheme::Https };
    let (new, old) = (gateway(rules), old.map(gateway));
    replay(&mut log.as_bytes(), &about, &new, old.as_ref()).unwrap()
}

fn line(address: &str, request: &str, status: u16, rest: &str) -> String {
    format!(
        "{address} - - [20/Nov/2026:13:55:12 +0000] \"{request} HTTP/1.1\" {status} 12 \"-\" \"SVN/1.14\"{rest}\n"
    )
}

#[test]
fn a_log_is_decided_again_and_what_it_does_not_hold_is_not_guessed() {
    let ours = |request: &str, status, rest: &str, address: &str| {
        line(address, request, status, &format!(" id=0123456789abc seconds=0.001000{rest}"))
    };
    for (log, same, passed_on, different, undecidable, others) in [
        (ours("GET /wiki/", 200, " backend=wiki", "203.0.113.0"), 1, 0, 0, 0, 0),
        (ours("GET /wiki/", 200, " backend=home", "203.0.113.0"), 0, 0, 1, 0, 0),
        (ours("GET /trac/", 403, " cause=denied", "203.0.113.0"), 1, 0, 0, 0, 0),
        (ours("GET /trac/", 200, " backend=trac", "203.0.113.0"), 0, 0, 1, 0, 0),
        (ours("GET /trac/", 200, " backend=trac", "192.0.2.0"), 1, 0, 0, 0, 0),
        // A part of the network is admitted: the log does not say which part it was.
        (ours("GET /trac/", 200, " backend=trac", "198.51.100.0"), 0, 0, 0, 1, 0),
        (ours("GET /wiki/***", 200, " backend=wiki", "203.0.113.0"), 0, 0, 0, 1, 0),
        (ours("GET /wiki/?token=***", 200, " backend=wiki", "203.0.113.0"), 1, 0, 0, 0, 0),
        (ours("GET /wiki/", 301, "", "203.0.113.0"), 0, 0, 0, 1, 0),
        (ours("GET /../", 400, " cause=malformed", "203.0.113.0"), 0, 0, 0, 0, 1),
        (line("198.51.100.70", "GET /trac/", 200, ""), 0, 1, 0, 0, 0),
        (line("198.51.100.1", "GET /trac/", 200, ""), 0, 0, 1, 0, 0),
        (line("198.51.100.1", "GET /trac/", 403, ""), 1, 0, 0, 0, 0),
        ("no line\n".to_owned(), 0, 0, 0, 0, 1),
        ("\n".to_owned(), 0, 0, 0, 0, 0),
    ] {
        let found = replayed(RULES, None, &log);
        assert_eq!(
            (
                found.same,
                found.passed_on,
                found.different,
                found.undecidable,
                found.refused_before + found.unread
            ),
            (same, passed_on, different, undecidable, others),
            "{log}"
        );
    }
}

#[test]
fn what_ends_otherwise_is_shown_by_kinds() {
    let closed =
        RULES.replace("route \"/wiki/\" { .backend = wiki; }", "route \"/wiki/\" { .backend = home; }");
    let mut log = String::new();
    for page in 0..30 {
        log.push_str(&line("198.51.100.1", &format!("GET /wiki/Page{page}?x"), 200, ""));
        log.push_str(&line("198.51.100.1", "GET /other", 200, ""));
    }
    log.push_str(&line("198.51.100.1", "POST /wiki/", 200, ""));
    let found = replayed(&closed, Some(RULES), &log);
    assert_eq!(
        found.draw(1),
        "61 lines: 30 end as before, 31 end otherwise\n\n\
         What ends otherwise:\n       \
         30  GET /wiki/…: backend wiki → backend home  (such as /wiki/Page0?x)\n        \
         1  others\n"
    );
    assert!(!found.is_clean());
    assert!(
        found.json(9).contains("\"before\":\"backend wiki\",\"after\":\"backend home\""),
        "{}",
        found.json(9)
    );
}

#[test]
fn a_line_without_end_costs_no_memory() {
    let mut log = vec![b'a'; 3 << 20];
    log.push(b'\n');
    log.extend_from_slice(line("198.51.100.1", "GET /other", 200, "").as_bytes());
    let about = About { site: Some("www.example".to_owned()), scheme: Scheme::Https };
    let found = replay(&mut log.as_slice(), &about, &gateway(RULES), None).unwrap();
    assert_eq!((found.lines, found.unread, found.passed_on), (2, 1, 1));
}

const RULED: &str = r#"gateway { .https = "127.0.0.1:443"; .http = "127.0.0.1:80"; }
acl office { "192.0.2.0"/24; }
backend wiki { .url = "http://127.0.0.1:8001"; .visitor_address = none; }
backend home { .url = "http://127.0.0.1:8003"; .visitor_address = none; }
backend old { .url = "http://127.0.0.1:8004"; .visitor_address = none; }
site "www.example" {
    route "/wiki/" { .backend = wiki; }
    route "/private/" { .backend = home; .allow = network(office); }
    route "/" { .backend = home; }
}
sub vcl_init {
    new turns = directors.round_robin();
    turns.add_backend(wiki);
    turns.add_backend(old);
}
sub vcl_recv {
    if (req.http.User-Agent ~ "badbot") {
        return (synth(403, "Not you"));
    }
    if (req.url == "/secret") { set req.url = "/private/x"; }
    if (req.http.X-Turn) { set req.backend_hint = turns.backend(); }
    if (req.http.X-Class == "dear") {
        set req.http.X-Seen = "yes";
    }
    if (req.url ~ "^/now") {
        if (now > std.time("Mon, 01 Jun 2026 00:00:00 GMT", now)) { return (synth(410)); }
        return (pass);
    }
}
sub vcl_backend_fetch {
    if (bereq.url == "/sneak") { set bereq.url = "/private/y"; }
    set bereq.http.X-Asked = "rules";
}
sub vcl_backend_response {
    if (beresp.status == 503 && bereq.retries == 0) { return (retry); }
    set beresp.ttl = 60s;
}
sub vcl_backend_error {
    set beresp.http.X-Cause = cause;
}
sub vcl_deliver {
    set resp.http.X-Served-By = "doorward";
}
"#;

fn playing(rules: &str, text: &str) -> (String, Visited) {
    let gateway = gateway(rules);
    let script = parse(text).unwrap_or_else(|flaws| panic!("{flaws:?}"));
    let mut visited = Visited::default();
    let report = play(&gateway, &script, &mut visited).unwrap_or_else(|flaws| panic!("{flaws:?}"));
    (report.failures.iter().map(|failure| failure.draw("a.md")).collect(), visited)
}

const RULED_PLAY: &str = r#"
## Rules answer, rewrite and choose
```request
GET https://www.example/
User-Agent: badbot/1
```
```expect
synth 403
reason "Not you"
no backend
rule main.vcl:18
no rule main.vcl:20
```
```request
GET https://www.example/wiki/
```
```expect
backend wiki
ttl 60s
lookup
bereq header X-Asked: rules
header X-Served-By: doorward
```

## Access follows the last rewrite
```request
GET https://www.example/secret from 192.0.2.9
```
```expect
backend home
route /private/
bereq url /private/x
```
```request
GET https://www.example/secret from 203.0.113.9
```
```expect
403
cause denied
no backend
```
```request
GET https://www.example/sneak from 203.0.113.9
```
```expect
403
cause denied
no backend
```

## Directors remember within a case
```given
backend old is healthy
```
```request
GET https://www.example/
X-Turn: 1
```
```expect
backend wiki
```
```request
GET https://www.example/
X-Turn: 1
```
```expect
backend old
```

## A sick one is passed over
```given
backend wiki is sick
```
```request
GET https://www.example/
X-Turn: 1
```
```expect
backend old
```

## Time is what the play says
```given
time 2026-05-31T23:59:59Z
```
```request
GET https://www.example/now
```
```expect
pass
backend home
```
```given
time 2026-06-01T00:00:01Z
```
```request
GET https://www.example/now
```
```expect
synth 410
```

## A backend that fails is asked again or answered for
```given
backend home answers 503
```
```request
GET https://www.example/
```
```expect
503
rule main.vcl:35
```
```given
backend home fails with first_byte_timeout
```
```request
GET https://www.example/
```
```expect
cause first_byte_timeout
header X-Cause: first_byte_timeout
rule main.vcl:39
```
"#;

#[test]
fn a_title_may_stand_above_the_rules_a_play_is_for() {
    let text = format!("# The wiki\n\nrules: other.vcl\nenv X=1\n\n## Open\n{}", with("", ""));
    let script = parse(&text).unwrap();
    assert_eq!(script.rules.as_deref(), Some(Path::new("other.vcl")));
    assert_eq!(script.environment, [("X".to_owned(), "1".to_owned())]);
}

/// A director is decided as a backend of its own name; its members say how it plays.
#[test]
fn a_director_plays_as_its_members_do() {
    let rules = |ruled: &str| {
        format!(
            "backend one {{ .url = \"http://127.0.0.1:1\"; .visitor_address = none; .host_header = \"one\"; }}
             backend two {{ .url = \"http://127.0.0.1:2\"; .visitor_address = none; .host_header = \"two\"; }}
             director home {{ .members = one, two; }} director single {{ .members = two; }}
             site \"www.example\" {{ route \"/\" {{ .backend = home; }} route \"/single\" {{ .backend = single; }} }}
             {ruled}"
        )
    };
    for ruled in ["", "sub vcl_recv { set req.http.X-Home = if(std.healthy(home), \"well\", \"sick\"); }"] {
        let gateway = gateway(&rules(ruled));
        for (given, path, ending) in [
            ("", "/", "200 from backend home"),
            ("backend one is sick", "/", "200 from backend home"),
            ("backend one is sick\nbackend two is sick", "/", "503, none_healthy"),
            ("backend two is sick", "/single", "503, unhealthy"),
            ("backend home is sick", "/", "503, none_healthy"),
            ("backend one fails with refused", "/", "200 from backend home"),
            ("backend one fails with refused\nbackend two fails with read", "/", "503, all_failed"),
            ("backend one is sick\nbackend two answers 404", "/", "404 from backend home"),
            ("backend two fails with refused", "/single", "503, refused"),
            ("backend home answers 410\nbackend one answers 404", "/", "410 from backend home"),
        ] {
            let play = format!(
                "```given\n{given}\n```\n```request\nGET https://www.example{path}\n```\n```expect\nstatus 200\n```\n"
            );
            let script = parse(&play).unwrap_or_else(|flaws| panic!("{flaws:?}"));
            let scene = &script.cases[0].scenes[0];
            let decision = Stage::new(&gateway, &scene.given).unwrap().decide(&scene.asked, &scene.given);
            assert_eq!(decision.ending(), ending, "{given} {path} {ruled}");
            if given == "backend one is sick" {
                assert_eq!(decision.sent[0].headers["host"], "two", "who is well speaks for them");
            }
        }
    }
}

#[test]
fn what_runs_before_the_first_request_has_been_visited() {
    let rules = r#"
backend a { .url = "http://127.0.0.1:1"; }
site "www.example" { route "/" { .backend = a; } }
sub vcl_init { new pair = directors.round_robin(); pair.add_backend(a); }
sub vcl_recv { set req.backend_hint = pair.backend(); }
"#;
    let (failures, visited) =
        playing(rules, "```request\nGET https://www.example/\n```\n```expect\nbackend a\n```\n");
    assert_eq!(failures, "");
    assert_eq!(
        coverage([(&gateway(rules), &visited)]).draw(),
        "visited: 2 of 2 lines of rules, 1 of 1 routes\n"
    );
}

#[test]
fn a_backend_is_asked_for_a_tunnel_unless_rules_take_it_away() {
    let asked = |path: &str| {
        format!("```request\nGET https://www.example{path}\nConnection: Upgrade\nUpgrade: websocket\n```\n")
    };
    let kept = "```expect\nbereq header Upgrade: websocket\n```\n";
    let taken = "```expect\nno bereq header Upgrade\n```\n";
    let plain = "backend a { .url = \"http://127.0.0.1:1\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\n";
    let ruled = format!("{plain}sub vcl_recv {{ if (req.url == \"/no\") {{ unset req.http.Upgrade; }} }}\n");
    assert_eq!(playing(plain, &format!("{}{kept}", asked("/"))).0, "");
    assert_eq!(playing(&ruled, &format!("{}{kept}{}{taken}", asked("/"), asked("/no"))).0, "");
}

#[test]
fn a_line_goes_where_the_route_says_if_it_admits() {
    let rules = r#"
acl office { "192.0.2.0"/24; }
backend a { .url = "http://127.0.0.1:1"; }
table tools BACKEND { "map": a, }
log visitors { .file = "/log/{site}.log"; }
log tool { .file = "/log/{tool}-{day}.log"; .errors = "/log/{tool}.errors"; }
site "www.example" {
    .log = visitors;
    route "/" { .backend = a; }
    route "/{tool}/" { .backend = lookup(tools, "{tool}"); .log = tool; .allow = network(office); }
}
"#;
    let asked = |path: &str, from: &str, file: &str| {
        format!("```request\nGET https://www.example{path} from {from}\n```\n```expect\nrecord {file}\n```\n")
    };
    let text = [
        asked("/", "192.0.2.1", "/log/www.example.log"),
        asked("/map/", "192.0.2.1", "/log/map-{day}.log"),
        asked("/map/", "203.0.113.1", "/log/www.example.log"),
        asked("/nothing/", "192.0.2.1", "/log/www.example.log"),
    ];
    assert_eq!(playing(rules, &text.concat()).0, "");
    let ruled = format!("{rules}sub vcl_recv {{ set req.http.X-Seen = \"yes\"; }}\n");
    assert_eq!(playing(&ruled, &text.concat()).0, "");
}

#[test]
fn what_is_larger_than_a_route_takes_reaches_no_backend() {
    let plain = r#"
backend a { .url = "http://127.0.0.1:1"; }
gateway { .body_bytes_max = 100B; }
site "www.example" { route "/" { .backend = a; } route "/files/" { .backend = a; .body_bytes_max = 1KB; } }
"#;
    let sent = |path: &str, bytes: u32, expected: &str| {
        format!(
            "```request\nPOST https://www.example{path}\nContent-Length: {bytes}\n```\n```expect\n{expected}\n```\n"
        )
    };
    let text = [
        sent("/", 100, "backend a"),
        sent("/", 101, "413\ncause body_too_large\nno backend"),
        sent("/files/", 1024, "backend a"),
        sent("/files/", 1025, "413\ncause body_too_large\nno backend"),
    ];
    assert_eq!(playing(plain, &text.concat()).0, "");
    let ruled = format!("{plain}sub vcl_recv {{ set req.http.X-Seen = \"yes\"; }}\n");
    assert_eq!(playing(&ruled, &text.concat()).0, "");
}

#[test]
fn what_was_visited_in_another_environment_was_visited() {
    let been = |domain: &str, path: &str| {
        let gateway = gateway(&format!(
            "backend a {{ .url = \"http://127.0.0.1:1\"; }}\nsite \"{domain}\" {{\n\
             route \"/\" {{ .backend = a; }}\nroute \"/x/\" {{ .backend = a; }}\n}}\n\
             sub vcl_recv {{\nif (req.url == \"/x\") {{\nset req.http.A = \"b\";\n}}\n}}\n"
        ));
        let text = format!("```request\nGET https://{domain}{path}\n```\n```expect\nbackend a\n```\n");
        let mut visited = Visited::default();
        play(&gateway, &parse(&text).unwrap(), &mut visited).unwrap();
        (gateway, visited)
    };
    let (one, other) = (been("www.example", "/"), been("staging.example", "/x"));
    let both = coverage([(&one.0, &one.1), (&other.0, &other.1)]);
    assert_eq!(both.draw(), "visited: 2 of 2 lines of rules, 2 of 2 routes\n");
    let alone = coverage([(&one.0, &one.1)]);
    assert!(alone.draw().starts_with("visited: 1 of 2 lines of rules, 1 of 2 routes\n"));
}

#[test]
fn rules_run_in_plays_as_they_do_in_the_corridor() {
    let (failures, visited) = playing(RULED, RULED_PLAY);
    assert_eq!(failures, "");
    let gateway = gateway(RULED);
    let told = coverage([(&gateway, &visited)]).draw();
    assert!(told.contains("3 of 3 routes\n"), "{told}");
    assert!(told.ends_with("\nnever visited: set req.http.X-Seen = \"yes\";  (main.vcl:23)\n"), "{told}");
}

#[test]
fn the_story_of_a_ruled_request_names_its_rules() {
    let gateway = gateway(RULED);
    let decision = decided(&gateway, "GET https://www.example/secret");
    assert_eq!(
        story(&decision),
        "site     www.example  (main.vcl:6)\n\
         route    / → backend home  (main.vcl:9)\n\
         rule     if (req.http.User-Agent ~ \"badbot\")  (main.vcl:17, vcl_recv)\n\
         rule     if (req.url == \"/secret\")  (main.vcl:20, vcl_recv)\n\
         rule     set req.url = \"/private/x\";  (main.vcl:20, vcl_recv)\n\
         rule     if (req.http.X-Turn)  (main.vcl:21, vcl_recv)\n\
         rule     if (req.http.X-Class == \"dear\")  (main.vcl:22, vcl_recv)\n\
         rule     if (req.url ~ \"^/now\")  (main.vcl:25, vcl_recv)\n\
         rewrite  GET www.example/private/x\n\
         route    /private/ → backend home  (main.vcl:8)\n\
         access   refused to read: network(office)  (main.vcl:8)\n\
         fault    denied: the route /private/ does not admit the visitor\n\
         end      403, denied\n"
    );
}

/// What was asked and what was done are two lines of a story, also where they are one of the file.
#[test]
fn a_story_shows_whether_the_answer_was_yes() {
    let gateway = gateway(
        "backend home { .url = \"http://127.0.0.1:8003\"; }\nsite \"www.example\" { route \"/\" { .backend = home; } }\n\
         sub vcl_recv { if (req.path == \"/a\") { set req.http.A = \"{1}\"; } else if (req.path == \"/b\" || req.path == \"/c\") { unset req.http.A; }\n\
         if (req.http.B\n&& req.http.C) { unset req.http.C; } }\n",
    );
    let told = |path: &str| -> Vec<String> {
        let story = story(&decided(&gateway, &format!("GET https://www.example{path}")));
        story.lines().filter_map(|line| line.strip_prefix("rule     ")).map(str::to_owned).collect()
    };
    let last = "if (req.http.B  (main.vcl:4, vcl_recv)";
    let first = "if (req.path == \"/a\")  (main.vcl:3, vcl_recv)";
    assert_eq!(told("/a"), [first, "set req.http.A = \"{1}\";  (main.vcl:3, vcl_recv)", last]);
    let other = "else if (req.path == \"/b\" || req.path == \"/c\")  (main.vcl:3, vcl_recv)";
    assert_eq!(told("/b"), [first, other, "unset req.http.A;  (main.vcl:3, vcl_recv)", last]);
    assert_eq!(told("/d"), [first, last]);
}

#[test]
fn what_a_log_does_not_hold_makes_a_decision_undecidable_only_where_it_counts() {
    let one = |rules: &str, request: &str, address: &str| {
        let log = line(address, request, 200, " id=0123456789abc seconds=0.001000 backend=home");
        let found = replayed(rules, None, &log);
        let mut unknowns = found.unknowns.into_keys();
        unknowns
            .next()
            .unwrap_or_else(|| if found.same == 1 { "same".to_owned() } else { "different".to_owned() })
    };
    let recv = |body: &str| {
        let start = RULED.find("sub vcl_recv").unwrap();
        format!("{}sub vcl_recv {{ {body} }}\n", &RULED[..start])
    };
    for (body, request, address, hangs) in [
        ("if (req.http.Cookie ~ \"x\") { return (synth(403)); }", "GET /", "203.0.113.0", "req.http.cookie"),
        (
            "if (req.http.Cookie:x) { set req.backend_hint = old; }",
            "GET /",
            "203.0.113.0",
            "req.http.cookie:x",
        ),
        // What nobody sees does not count.
        ("if (req.http.Cookie ~ \"x\") { set req.http.X-Y = \"1\"; }", "GET /", "203.0.113.0", "same"),
        (
            "if (req.http.Cookie ~ \"x\") { set req.http.X-Y = \"1\"; } if (req.http.X-Y) { return (synth(403)); }",
            "GET /",
            "203.0.113.0",
            "req.http.cookie",
        ),
        (
            "set req.http.X-Y = req.http.Accept; if (req.http.X-Y == \"z\") { return (synth(403)); }",
            "GET /",
            "203.0.113.0",
            "req.http.accept",
        ),
        (
            "set req.http.X-Y = \"z\"; if (req.http.X-Y == \"y\") { return (synth(403)); }",
            "GET /",
            "203.0.113.0",
            "same",
        ),
        (
            "unset req.http.Cookie; if (req.http.Cookie) { return (synth(403)); }",
            "GET /",
            "203.0.113.0",
            "same",
        ),
        (
            "if (req.http.Cookie) { return (pass); } if (req.url == \"/x\") { return (synth(403)); }",
            "GET /",
            "203.0.113.0",
            "req.http.cookie",
        ),
        (
            "if (req.url == \"/x\" && req.http.Cookie) { return (synth(403)); }",
            "GET /y",
            "203.0.113.0",
            "req.http.cookie",
        ),
        ("if (client.ip ~ office) { return (synth(403)); }", "GET /", "203.0.113.0", "client.ip"),
        ("if (req.url ~ \"token\") { return (synth(403)); }", "GET /?token=***", "203.0.113.0", "req.url"),
        ("if (req.url ~ \"token\") { return (synth(403)); }", "GET /?a=b", "203.0.113.0", "same"),
        ("if (req.http.User-Agent ~ \"SVN\") { return (synth(403)); }", "GET /", "203.0.113.0", "different"),
        ("if (req.method == \"POST\") { return (synth(405)); }", "GET /", "203.0.113.0", "same"),
        ("set req.backend_hint = turns.backend();", "GET /", "203.0.113.0", "a director's turn"),
        (
            "if (now > std.time(\"Mon, 01 Jun 2026 00:00:00 GMT\", now)) { return (synth(410)); }",
            "GET /",
            "203.0.113.0",
            "different",
        ),
    ] {
        // What the cut-out rules used is used all the same.
        let body = format!("{body} if (req.url == \"/never\") {{ set req.backend_hint = turns.backend(); }}");
        assert_eq!(one(&recv(&body), request, address), hangs, "{body}");
    }
}

#[test]
fn an_answer_of_the_rules_own_making_is_known_from_a_log() {
    let moved = |synth: &str| {
        format!(
            "backend a {{ .url = \"http://127.0.0.1:1\"; }}\nsite \"www.example\" {{ route \"/\" {{ .backend = a; }} }}\n\
             sub vcl_recv {{ if (req.url ~ \"^/old\") {{ return (synth(301, \"/new\" + req.http.Accept)); }} }}\n\
             sub vcl_synth {{ {synth} }}\n"
        )
    };
    let found = |synth: &str, status| {
        let log = line("203.0.113.0", "GET /old", status, " id=0123456789abc seconds=0.001000");
        let found = replayed(&moved(synth), None, &log);
        (found.same, found.unknowns.into_keys().next())
    };
    let hangs = |on: &str| (0, Some(on.to_owned()));
    let usual = "if (resp.status == 301) { set resp.http.Location = resp.reason; return (deliver); }";
    assert_eq!(found(usual, 301), (1, None));
    assert_eq!(found(usual, 404), (0, None));
    assert_eq!(found("if (cause) { set resp.status = 410; }", 301), (1, None));
    assert_eq!(
        found("if (resp.reason == \"/new\") { set resp.status = 410; }", 301),
        hangs("req.http.accept")
    );
    assert_eq!(found("if (req.http.Cookie) { set resp.status = 410; }", 301), hangs("req.http.cookie"));
    assert_eq!(
        found("if (req.restarts == 0 && req.http.Cookie) { return (restart); }", 301),
        hangs("req.http.cookie")
    );
}

#[test]
fn what_a_backend_hands_over_is_played() {
    let plain = r#"
backend a { .url = "http://127.0.0.1:1"; }
backend store { .url = "http://127.0.0.1:2"; }
site "www.example" {
    route "/" { .backend = a; }
    route internal "/kept/" { .files = "/srv/kept"; .expires = 1h; }
    route internal "/store/" { .backend = store; }
}
"#;
    let played = |header: &str, expected: &str| {
        format!(
            "```given\nbackend a answers 200\n  {header}\n  Set-Cookie: a=1\n```\n\
             ```request\nGET https://www.example/x\n```\n```expect\n{expected}\n```\n"
        )
    };
    let text = [
        played(
            "X-Accel-Redirect: /kept/a b.pdf",
            "200\nfiles /srv/kept\nheader Content-Type: application/pdf\nheader Cache-Control: public, max-age=3600\nheader Set-Cookie: a=1\nno header X-Accel-Redirect",
        ),
        played("X-Sendfile: /srv/kept/a.pdf", "200\nfiles /srv/kept\nno header X-Sendfile"),
        played("X-Accel-Redirect: /store/x?v=1", "200\nbackend store\nbereq url /store/x?v=1\nheader Set-Cookie: a=1"),
        played("X-Accel-Redirect: /other", "503\ncause protocol"),
        played("X-Sendfile: /etc/passwd", "503\ncause protocol"),
        "```request\nGET https://www.example/kept/a.pdf\n```\n```expect\n404\ncause no_route\nno backend\n```\n".to_owned(),
    ];
    assert_eq!(playing(plain, &text.concat()).0, "");
    let ruled = format!("{plain}sub vcl_recv {{ set req.http.X-Seen = \"yes\"; }}\n");
    assert_eq!(playing(&ruled, &text.concat()).0, "");
}

#[test]
fn a_backend_that_a_rule_names_goes_before_the_route() {
    let rules = r#"
backend a { .url = "http://127.0.0.1:1"; }
site "www.example" {
    route "/" { .files = "/srv"; }
    route "/old/{name}/" { .redirect = "https://new.example/{name}/{path}{query}"; }
    route "/gone/" { .answer = 410; }
}
sub vcl_recv { if (req.http.X-Old) { set req.backend_hint = a; } }
sub vcl_deliver { set resp.http.X-Ruled = "yes"; }
"#;
    let asked = |path: &str, field: &str, expected: &str| {
        format!("```request\nGET https://www.example{path}\n{field}```\n```expect\n{expected}\n```\n")
    };
    let text = [
        asked(
            "/a.css",
            "",
            "files /srv\nno backend\nheader X-Ruled: yes\nheader Content-Type: text/css; charset=utf-8",
        ),
        asked("/a.css", "X-Old: 1\n", "backend a\nbereq url /a.css"),
        asked("/old/x/y?z", "", "redirect 301 https://new.example/x/y?z\nheader X-Ruled: yes"),
        asked("/gone/x", "", "answer 410\n410"),
    ];
    assert_eq!(playing(rules, &text.concat()).0, "");
}
