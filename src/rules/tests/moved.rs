//! What `needs` says nobody reads again is moved, not copied. Random programs run both ways: with what it says of
//! them, and as if they needed everything. Nothing may differ.

use super::*;
use crate::rules::needs::Needs;

/// The same numbers in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const REQ: &[&str] = &[
    "req.url",
    "req.http.A",
    "req.http.Host",
    "req.http.Cookie:a",
    "req.method",
    "req.proto",
    "req.path",
    "req.query",
    "req.cookie.a",
    "req.arg.x",
    "req.can_gzip",
    "req.hash",
    "header.get(req, \"A\")",
    "req.backend_hint",
    "f()",
    "std.count(req.http.A)",
    "re.group.0",
    "client.identity",
    "req.url.ext",
    "req.host",
    "req_top.url",
];
const BEREQ: &[&str] = &[
    "bereq.url",
    "bereq.http.A",
    "bereq.http.Host",
    "bereq.http.Cookie:a",
    "bereq.method",
    "bereq.path",
    "bereq.hash",
    "header.get(bereq, \"A\")",
    "bereq.backend",
    "bereq.retries",
    "bereq.query",
    "g()",
    "s.backend(by=URL)",
    "s.backend(by=HASH)",
    "h.backend(bereq.url)",
    "re.group.0",
];
const SUBS: &str = "sub f STRING { return req.http.B + req.url; }\nsub g STRING { return bereq.http.B + bereq.url; }\n\
    sub again { if (req.restarts < 2) { return (restart); } }\nsub retry { if (bereq.retries < 2) { return (retry); } }\n\
    sub vcl_init { new s = directors.shard(); s.add_backend(a); s.add_backend(b); s.reconfigure(); \
    new h = directors.hash(); h.add_backend(a); h.add_backend(b); }\n";

/// One statement for a sub of ours.
fn statement(dice: &mut Dice, phase: &str) -> String {
    let client = |dice: &mut Dice, to: &str| {
        let value = dice.one(REQ);
        match dice.roll(12) {
            0 => "std.collect(req.http.A);".to_owned(),
            1 => "std.rollback(req);".to_owned(),
            2 => "call again;".to_owned(),
            3 => format!("if (req.http.A ~ \"(o.)\") {{ set {to}.http.G = re.group.1; }}"),
            4 => "unset req.http.A;".to_owned(),
            5 => format!("set req.http.A = \"n\" + {value};"),
            6 => format!("if (req.http.B) {{ set {to}.http.C = req.http.B; }}"),
            7 => "set req.http.B:x = \"1\";".to_owned(),
            _ => format!("set {to}.http.B = \"v\" + {value};"),
        }
    };
    let backend = |dice: &mut Dice, to: &str| {
        let value = dice.one(BEREQ);
        match dice.roll(10) {
            0 => "call retry;".to_owned(),
            1 => "std.rollback(bereq);".to_owned(),
            2 => format!("if (bereq.http.A ~ \"(o.)\") {{ set {to}.http.G = re.group.1; }}"),
            3 => "unset bereq.http.A;".to_owned(),
            4 => format!("if (bereq.http.B) {{ set {to}.http.C = bereq.http.B; }}"),
            _ => format!("set {to}.http.B = \"v\" + {value};"),
        }
    };
    match phase {
        "recv" => match dice.roll(8) {
            0 => "return (pass);".to_owned(),
            1 => "return (pipe);".to_owned(),
            2 => "set req.url = \"/moved?x=2\";".to_owned(),
            3 => "set req.backend_hint = s.backend(resolve=LAZY);".to_owned(),
            _ => client(dice, "req"),
        },
        "hash" => "hash_data(req.http.A);".to_owned(),
        "miss" | "pass" => client(dice, "req"),
        "pipe" => match dice.roll(2) {
            0 => format!("set bereq.http.B = {};", dice.one(&["req.http.A", "bereq.http.A", "req.url"])),
            _ => "set req.http.A = \"p\";".to_owned(),
        },
        "backend_fetch" => backend(dice, "bereq").replace("call retry;", "set bereq.http.R = bereq.retries;"),
        "backend_response" | "backend_error" => backend(dice, "beresp"),
        _ => client(dice, "resp"),
    }
}

/// One statement for a sub in Fastly's dialect.
fn fastlys(dice: &mut Dice, phase: &str) -> String {
    let value = dice.one(&[
        "req.url",
        "req.http.A",
        "req.http.Cookie:a",
        "req.url.ext",
        "subfield(req.http.Cookie, \"a\", \";\")",
        "re.group.0",
    ]);
    let asked = dice.one(&["bereq.url", "bereq.http.A", "bereq.method"]);
    let again = "if (req.restarts < 2) { restart; }".to_owned();
    match (phase, dice.roll(6)) {
        ("recv", 0) => "return (pass);".to_owned(),
        ("recv", 1) => "if (req.http.A ~ \"(o.)\") { set req.http.G = \"1\"; }".to_owned(),
        ("recv", _) => format!("set req.http.B = {value};"),
        ("miss", 0) => "return (pass);".to_owned(),
        ("miss" | "pass", 1) => format!("set req.http.B = {asked};"),
        ("miss" | "pass", _) => {
            format!("set bereq.http.B = {};", if dice.roll(2) == 0 { value } else { asked })
        }
        ("fetch", 0) => again,
        ("fetch", _) => format!("set beresp.http.B = {};", if dice.roll(2) == 0 { value } else { asked }),
        ("error", 0) | ("deliver", 0) => again,
        ("error", _) => format!("set obj.http.B = {value};"),
        (_, _) => format!("set resp.http.B = {value};"),
    }
}

/// All that can be seen of a run from outside.
fn seen(rules: &Rules, seed: u64) -> String {
    let mut dice = Dice(seed);
    let fields =
        [("a", "one"), ("a", "two"), ("b", "bee"), ("cookie", "a=1; b=2"), ("accept-encoding", "gzip")];
    let mut case = asks("GET /p/q.css?x=1", &fields);
    case.id = RequestId::imagined(1);
    let mut flow = Flow::begin(rules, case);
    let mut around = Quiet::new();
    let mut out = String::new();
    loop {
        match flow.next(&mut around) {
            Next::Route => {
                if dice.roll(12) == 0 {
                    flow.refused(Cause::Denied);
                } else {
                    flow.routed(Choice::Backend(BackendId(0)));
                }
            }
            Next::Fetch | Next::Pipe => {
                let errand = flow.errand().unwrap();
                let Question { method, url, headers, .. } = errand.question;
                let url = String::from_utf8_lossy(url.as_bytes()).into_owned();
                out.push_str(&format!("{} {method} {url} {headers:?}\n", errand.backend.0));
                flow.answered(if dice.roll(3) == 0 { Err(Cause::Read) } else { ok() });
            }
            Next::Deliver => {
                let case = flow.into_case();
                let resp = case.resp.unwrap();
                out.push_str(&format!(
                    "{} {:?} {:?} {:?}\n",
                    resp.status, resp.headers, case.cause, case.fault
                ));
                break;
            }
            Next::Fail(fault) => {
                out.push_str(&format!("{fault:?}"));
                break;
            }
        }
    }
    format!("{}\n{out}", around.phases.join(" "))
}

/// Not every word may stand in every sub.
fn is_right(text: &str) -> bool {
    let files = Memory::default().with("main.vcl", 0o644, text);
    !language::read(&files, Path::new("main.vcl"), &|_| None).found.has_errors()
}

/// Whether anything was moved.
fn compare(text: &str, seed: u64) -> bool {
    let rules = load(text);
    let found = seen(&rules, seed);
    let mut whole = load(text);
    let thrifty = whole.needs.clone();
    whole.needs = Needs { req_later: true, bereq_later: true, rollback: true, groups: true, ..whole.needs };
    assert_eq!(found, seen(&whole, seed), "seed {seed}, {thrifty:?}\n{text}");
    !(thrifty.req_later && thrifty.bereq_later)
}

fn written(dice: &mut Dice, phases: &[&str], statement: impl Fn(&mut Dice, &str) -> String) -> String {
    let mut text = String::new();
    for phase in phases {
        let count = [0, 0, 0, 1, 1, 2, 3][dice.roll(7)];
        if count > 0 {
            let body: Vec<String> = (0..count).map(|_| statement(dice, phase)).collect();
            text.push_str(&format!("sub vcl_{phase} {{\n{}\n}}\n", body.join("\n")));
        }
    }
    text
}

#[test]
fn what_is_moved_is_read_by_nobody_later() {
    const OURS: &[&str] = &[
        "recv",
        "hash",
        "miss",
        "pass",
        "pipe",
        "backend_fetch",
        "backend_response",
        "backend_error",
        "deliver",
        "synth",
    ];
    let (mut moved, mut right) = (0, 0);
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let rules = written(&mut dice, OURS, statement);
        let text = format!(
            "backend a {{ .url = \"http://192.0.2.1\"; }}\nbackend b {{ .url = \"http://192.0.2.2\"; }}\n\
             site \"www.test\" {{ .certificate = local; route \"/\" {{ .backend = a; }} route \"/b/\" {{ .backend = b; }} }}\n{SUBS}{rules}"
        );
        if is_right(&text) {
            right += 1;
            moved += usize::from(compare(&text, seed));
        }
    }
    assert!(right > 200, "only {right} programs are right");
    assert!(moved > 80, "only {moved} programs let anything be moved");
}

#[test]
fn in_fastlys_dialect_neither() {
    let mut moved = 0;
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let rules = written(&mut dice, &["recv", "miss", "pass", "fetch", "deliver", "error"], fastlys);
        let text = format!(
            "# dialect: fastly\nbackend a {{ .host = \"192.0.2.1\"; }}\nbackend b {{ .host = \"192.0.2.2\"; }}\n{rules}"
        );
        moved += usize::from(compare(&text, seed));
    }
    assert!(moved > 40, "only {moved} programs let anything be moved");
}
