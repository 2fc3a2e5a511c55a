//! Snippets of rules, and what the compiler makes of them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::language::diagnostic::Diagnostics;
use crate::language::program::{Choice, Do, Expr, Program, Return, Value};
use crate::language::source::Memory;
use crate::language::tree::Tree;
use crate::language::vocabulary::{Phase, Type};
use crate::plan::BackendId;

const SITE: &str = "backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\n";
const VARNISH: &str = "vcl 4.1;\nimport std;\nimport directors;\nbackend a { .host = \"127.0.0.1\"; }\n";
const FASTLY: &str = "# dialect: fastly\nbackend a { .host = \"127.0.0.1\"; }\n";

fn tree(text: &str) -> Tree {
    let files = Memory::default().with("main.vcl", 0o644, text).with("page.html", 0o644, "<p>");
    let environment = |name: &str| (name == "LEVEL").then(|| "test".to_owned());
    crate::language::read(&files, Path::new("main.vcl"), &environment)
}

/// The faults of a tree, one on each line.
fn faults(text: &str) -> String {
    let tree = tree(text);
    Diagnostics::new(tree.sources, tree.found).lines()
}

fn codes(text: &str) -> Vec<&'static str> {
    tree(text).found.iter().map(|fault| fault.code.code()).collect()
}

fn program(text: &str) -> Arc<Program> {
    let tree = tree(text);
    assert!(!tree.found.has_errors(), "{}\n{text}", faults(text));
    tree.program.unwrap()
}

/// The first step of `vcl_recv` in our own dialect.
fn first(body: &str) -> Do {
    let program = Arc::into_inner(program(&format!("{SITE}sub vcl_recv {{ {body} }}"))).unwrap();
    let id = program.bodies(Phase::Recv)[0];
    program.subs.into_iter().nth(id.0 as usize).unwrap().body.into_vec().remove(0).what
}

#[test]
fn the_built_in_policy_is_without_faults() {
    for text in [SITE, VARNISH, FASTLY] {
        assert_eq!(faults(text), "");
        let program = program(text);
        assert!(program.is_empty());
        assert!(!program.bodies(Phase::Recv).is_empty());
    }
}

#[test]
fn bodies_of_a_sub_run_one_after_another() {
    let text = format!(
        "{SITE}sub vcl_recv {{ set req.http.A = \"1\"; }} sub vcl_recv {{ set req.http.A = \"2\"; }}"
    );
    let program = program(&text);
    let bodies = program.bodies(Phase::Recv);
    assert_eq!(bodies.len(), 3);
    let built_in: Vec<bool> = bodies.iter().map(|id| program.sub(*id).unwrap().built_in).collect();
    assert_eq!(built_in, [false, false, true]);
    assert!(program.has_own(Phase::Recv) && !program.has_own(Phase::Deliver));
}

#[test]
fn a_small_sub_of_the_policy_may_be_written_anew() {
    let program = program(&format!("{SITE}sub vcl_req_cookie {{ return (hash); }}"));
    let sub = program.subs.iter().find(|sub| &*sub.name == "vcl_req_cookie").unwrap();
    assert!(sub.body.len() > 1 && matches!(sub.body[0].what, Do::Return(Return::Action { .. })));
    assert!(program.has_own(Phase::Recv));
}

#[test]
fn constants_are_folded() {
    let Do::Set { value: Expr::Constant(Value::Text(text)), .. } =
        first("set req.http.X = \"a\" + 5 + \"b\" \"c\" + true;")
    else {
        panic!()
    };
    assert_eq!(text, "a5bctrue");
    let Do::Set { value: Expr::Concat(parts), .. } =
        first("set req.http.X = \"a\" + \"b\" + req.url + \"c\" + \"d\";")
    else {
        panic!()
    };
    assert_eq!(parts.len(), 3);
}

#[test]
fn names_of_let_are_constants_in_subs() {
    let text = format!(
        "let level = env(\"LEVEL\", \"x\"); let fresh = 5m; {SITE}sub vcl_recv {{ set req.ttl = fresh; set req.http.X = level; }}"
    );
    let program = program(&text);
    let sub = program.sub(program.bodies(Phase::Recv)[0]).unwrap();
    assert!(
        matches!(&sub.body[0].what, Do::Set { value: Expr::Constant(Value::Duration(seconds)), .. } if (*seconds - 300.0).abs() < 1e-9)
    );
    assert!(
        matches!(&sub.body[1].what, Do::Set { value: Expr::Constant(Value::Text(text)), .. } if text == "test")
    );
}

#[test]
fn what_is_settled_at_load_is_a_constant() {
    assert!(matches!(
        first("set req.http.X = std.fileread(\"page.html\");"),
        Do::Set { value: Expr::Constant(Value::Text(text)), .. } if text == "<p>"
    ));
    assert!(matches!(
        first("set req.http.X = std.getenv(\"LEVEL\");"),
        Do::Set { value: Expr::Constant(Value::Text(text)), .. } if text == "test"
    ));
}

#[test]
fn backends_are_values() {
    assert!(matches!(
        first("set req.backend_hint = a;"),
        Do::Set { value: Expr::Constant(Value::Backend(Choice::Backend(BackendId(0)))), .. }
    ));
    assert!(matches!(
        first("set req.backend_hint = none;"),
        Do::Set { value: Expr::Constant(Value::Backend(Choice::None)), .. }
    ));
}

#[test]
fn equal_patterns_are_one() {
    let program = program(&format!(
        "{SITE}sub vcl_recv {{ if (req.url ~ \"^/x/\" || req.http.X ~ \"^/x/\") {{ set req.http.Y = regsub(req.url, \"^/x/\", \"/\"); }} }}"
    ));
    let mine: Vec<_> = program.patterns.iter().filter(|pattern| &*pattern.source == "^/x/").collect();
    assert_eq!(mine.len(), 1);
    assert_eq!((&*mine[0].prefix, mine[0].prefix_only), (b"/x/".as_slice(), true));
}

#[test]
fn locals_of_subs_that_call_each_other_do_not_meet() {
    let program = program(&format!(
        "{SITE}sub inner {{ declare local var.b STRING; set var.b = \"x\"; set req.http.B = var.b; }}\n\
         sub vcl_recv {{ declare local var.a INT; set var.a = 1; call inner; set req.http.A = var.a; }}"
    ));
    assert_eq!(program.locals_max, 2);
    let slots: Vec<u32> = program
        .subs
        .iter()
        .flat_map(|sub| sub.body.iter())
        .filter_map(|step| match step.what {
            Do::Declare { slot, .. } => Some(slot.0),
            _ => None,
        })
        .collect();
    assert_eq!(slots.len(), 2);
    assert_ne!(slots[0], slots[1]);
}

#[test]
fn subs_of_fastly_return_values() {
    let program = program(&format!(
        "{FASTLY}sub level STRING {{ declare local var.x STRING; set var.x = \"a\" req.url; return var.x; }}\n\
         sub vcl_recv {{\n#FASTLY recv\n set req.http.X = level(); error 601 \"gone\"; }}\n\
         sub vcl_error {{ set obj.status = 410; synthetic {{\"<p>%41\"}}; return (deliver); }}"
    ));
    assert!(program.subs.iter().any(|sub| sub.returns == Type::String));
    let error = program.sub(program.bodies(Phase::Synth)[0]).unwrap();
    assert_eq!(&*error.name, "vcl_error");
}

#[test]
fn a_fault_is_said_once_and_the_nearest_cause_first() {
    for (dialect, body, said) in [
        // There is no beresp: that the value has no unit is said when it is there.
        (SITE, "sub vcl_recv { set beresp.ttl = 10; }", "E101"),
        (SITE, "sub vcl_recv { set req.ttl = 10; }", "E104"),
        (SITE, "sub vcl_recv { if (req.nothing == 5 && req.url) { } }", "E100"),
        (SITE, "sub vcl_recv { call nothing; call nothing; }", "E107"),
        (SITE, "sub vcl_recv { set req.http.X = nothing(5, nowhere); }", "E105"),
        (SITE, "sub vcl_recv { return (pas); }", "E108"),
        (SITE, "sub vcl_recv { return (deliver); }", "E108"),
        (SITE, "sub vcl_recv { return; }", "E108"),
        (SITE, "sub vcl_recv { return (synth); }", "E108"),
        (SITE, "sub vcl_recv { return (vcl(x)); }", "E119"),
        (SITE, "sub vcl_recv { return (synth(5)); }", "E041"),
        (SITE, "sub vcl_recv { set req.backend_hint = nobody; }", "E014"),
        (SITE, "sub vcl_recv { if (client.ip ~ offce) { } }", "E014"),
        (SITE, "sub vcl_recv { if (req.url ~ \"(?=x)\") { } }", "E115"),
        (SITE, "sub vcl_recv { if (req.url ~ \"[a\") { } }", "E114"),
        (SITE, "sub vcl_recv { set req.http.X = \"a\" - \"b\"; }", "E104"),
        (SITE, "sub vcl_recv { set req.http.X.Y = \"a\"; }", "E125"),
        (SITE, "sub vcl_recv { set client.ip = \"192.0.2.1\"; }", "E102"),
        (SITE, "sub vcl_recv { unset client.ip; }", "E103"),
        (SITE, "sub vcl_recv { new x = directors.random(); }", "E101"),
        (SITE, "sub vcl_recv { x.add(5); }", "E105"),
        (SITE, "sub vcl_recv { if (user) { } }", "E016"),
        (SITE, "sub a { } sub vcl_recv { call a; } sub a { }", "E022"),
        (
            SITE,
            "sub vcl_recv { declare local var.x STRING; set var.x = \"a\"; set req.http.X = var.y; set req.http.Y = var.x; }",
            "E120",
        ),
        (VARNISH, "sub vcl_recv { set req.http.X = \"a\" \"b\"; }", "E010"),
        (VARNISH, "sub vcl_recv { declare local var.x STRING; }", "E070"),
        (VARNISH, "sub vcl_recv { error 403; }", "E070"),
        (VARNISH, "sub unused { }", "E076"),
        (VARNISH, "sub vcl_recv { set req.proto = \"x\"; }", "E102"),
        (VARNISH, "sub vcl_recv { set req.http.X = req.esi; }", "E100"),
        (
            VARNISH,
            "sub vcl_recv { pool.add_backend(a); } sub vcl_init { new pool = directors.round_robin(); }",
            "E027",
        ),
    ] {
        let text = format!("{dialect}{body}");
        assert_eq!(codes(&text), [said], "{}\n{body}", faults(&text));
    }
}

#[test]
fn a_sub_that_two_call_may_do_what_both_may() {
    let said = faults(&format!(
        "{SITE}sub both {{ set resp.http.X = \"1\"; }}\nsub vcl_recv {{ call both; }}\nsub vcl_deliver {{ call both; }}\n"
    ));
    assert_eq!(
        said,
        "main.vcl:3:16: error[E101]: `resp.http.X` can't be set in `vcl_recv`; it is there in `vcl_synth` and \
         `vcl_deliver`; main.vcl:4: on its way from `vcl_recv`, this sub is called here\n"
    );
}

#[test]
fn the_most_likely_name_is_suggested() {
    for (body, suggested) in [
        ("set req.htp.X = \"1\";", "`req.http.X`"),
        ("set req.ulr = \"1\";", "`req.url`"),
        ("set bereq.url = \"1\";", "`req.url`"),
        ("set req.http.X = std.tolowr(req.url);", "`std.tolower`"),
        ("return (syth(403));", "`synth`"),
        ("set req.backend_hint = home2;", "`home`"),
    ] {
        let home = "backend home { .url = \"http://127.0.0.1:8001\"; }";
        let said = faults(&format!("{SITE}{home}sub vcl_recv {{ {body} }}"));
        assert!(said.contains(&format!("did you mean {suggested}")), "{body}\n{said}");
    }
}

#[test]
fn warnings_stop_nothing() {
    for (body, code) in [
        ("return (pass); set req.url = \"/\";", "W020"),
        ("if (req.url) { return (pass); } else { return (hash); } set req.url = \"/\";", "W020"),
        ("if (\"x\") { return (pass); }", "W021"),
        ("return (pass); } sub vcl_recv { set req.url = \"/\";", "W020"),
    ] {
        let text = format!("{SITE}sub vcl_recv {{ {body} }}");
        assert_eq!(codes(&text), [code], "{body}");
    }
}

#[test]
fn the_text_of_a_private_file_is_in_no_message() {
    let files = Memory::default().with("main.vcl", 0o644, format!("include private \"p.vcl\";{SITE}")).with(
        "p.vcl",
        0o600,
        "sub vcl_recv { set req.http.X = hunter2; set req.hunter2 = \"x\"; call hunter2; return (hunter2); \
         if (req.url ~ \"(hunter2\") { } set req.http.Y = std.hunter2(); unset req.hunter2; }",
    );
    let tree = crate::language::read(&files, Path::new("main.vcl"), &|_| None);
    let said = Diagnostics::new(tree.sources, tree.found);
    assert!(said.iter().count() >= 6, "{}", said.lines());
    assert!(!said.draw().contains("hunter2"), "{}", said.draw());
}

#[test]
fn a_secret_is_compared_hashed_and_sent_but_not_shown() {
    let codes = |rules: &str| {
        let main = format!("include private \"p.vcl\";{SITE}{rules}");
        let files = Memory::default().with("main.vcl", 0o644, main).with(
            "p.vcl",
            0o600,
            "let token = \"hunter2\"; table keys { \"a\": \"hunter3\", }",
        );
        let tree = crate::language::read(&files, Path::new("main.vcl"), &|_| None);
        let said = Diagnostics::new(tree.sources, tree.found);
        assert!(!said.draw().contains("hunter"), "{}", said.draw());
        let errors = said.iter().map(|found| found.code.code()).filter(|code| code.starts_with('E'));
        errors.collect::<Vec<_>>()
    };
    for (phase, statement, shown) in [
        ("recv", "if (req.http.X-Token != token) { return (synth(403, \"no token\")); }", false),
        ("recv", "set req.http.Authorization = \"Bearer \" + token;", false),
        ("backend_fetch", "set bereq.http.Authorization = token;", false),
        ("deliver", "set resp.http.X = digest.hmac_sha256(token, req.url);", false),
        ("deliver", "set resp.http.X = if(req.http.X == token, \"yes\", \"no\");", false),
        ("deliver", "if (token == req.url) { set resp.http.X = \"1\"; }", false),
        ("deliver", "if (table.contains(keys, \"a\")) { set resp.http.X = \"1\"; }", false),
        ("deliver", "set resp.http.X = token;", true),
        ("deliver", "add resp.http.X = \"a\" + token;", true),
        ("deliver", "set resp.http.X = std.tolower(token);", true),
        ("deliver", "set resp.http.X = if(req.url, token, \"x\");", true),
        ("deliver", "set resp.http.X = table.lookup(keys, \"a\");", true),
        ("deliver", "declare local var.s STRING; set var.s = token + \"x\"; set resp.http.X = var.s;", true),
        ("deliver", "header.set(resp, \"X\", token);", true),
        ("deliver", "set resp.reason = token;", true),
        ("backend_response", "set beresp.http.X = token;", true),
        ("synth", "synthetic(\"a\" + token);", true),
        ("recv", "std.log(token);", true),
        ("recv", "log token;", true),
        ("recv", "return (synth(403, token));", true),
        ("backend_fetch", "return (error(503, token));", true),
    ] {
        let found = codes(&format!("sub vcl_{phase} {{ {statement} }}"));
        assert_eq!(found, if shown { &["E128"][..] } else { &[] }, "{statement}");
    }
}

#[test]
fn a_director_of_fastlys_says_what_it_can_do() {
    let said = |director: &str, code: &[&str]| {
        let text = format!(
            "{FASTLY}{director}\nsub vcl_recv {{\n#FASTLY recv\n set req.backend = d; return (pass); }}"
        );
        assert_eq!(codes(&text), code, "{director}\n{}", faults(&text));
    };
    said("director d random { .quorum = 50%; .retries = 2; { .backend = a; .weight = 1; } }", &[]);
    said("director d fallback { { .backend = a; } }", &[]);
    said("director d chash { { .backend = a; .id = \"x\"; } }", &["E016"]);
    said("director d dns { { .backend = a; } }", &["E018"]);
    said("director d fallback { .quorum = 50%; { .backend = a; } }", &["E017"]);
    said("director d random { { .backend = nobody; .weight = 1; } }", &["E014"]);
    said("director d random { { .weight = 1; } }", &["E024"]);
    said("director d random { }", &["E024"]);
    said("director d random { .quorum = 120%; { .backend = a; } }", &["E020"]);
}

#[test]
fn rules_that_lie_too_deep_are_refused_wherever_the_depth_comes_from() {
    let blocks = |inside: &str| format!("{}{inside}{}", "if (req.url) { ".repeat(60), "}".repeat(60));
    let subs: String = (1..4)
        .map(|at| format!("sub s{at} {{ {} }}\n", blocks(&format!("call s{};", at - 1))))
        .collect::<Vec<_>>()
        .concat();
    let deep = format!("{SITE}sub s0 {{ set req.http.X = \"1\"; }}\n{subs}sub vcl_recv {{ call s3; }}");
    assert_eq!(codes(&deep), ["E127"]);
    assert_eq!(codes(&deep.replace("call s3;", "call s1;").replace("sub s3", "sub vcl_deliver")), ["E127"]);
    let values = format!("std.tolower({}", "std.toupper(".repeat(40)) + "req.url" + &")".repeat(41);
    let values = format!(
        "{SITE}sub f STRING {{ return {values}; }} sub g STRING {{ return {}; }} sub h STRING {{ return {}; }}\n\
         sub vcl_recv {{ set req.http.X = h(); }}",
        values.replace("req.url", "f()"),
        values.replace("req.url", "g()")
    );
    assert_eq!(
        codes(&format!(
            "{values}\nsub x STRING {{ return {}h(){}; }} sub vcl_deliver {{ set resp.http.X = x(); }}",
            "std.tolower(".repeat(40),
            ")".repeat(40)
        )),
        ["E127"]
    );
    let sum = |signs: usize| {
        format!(
            "{SITE}sub vcl_recv {{ declare local var.x INTEGER; set var.x = req.restarts{}; if (var.x > 1) {{ return (pass); }} }}",
            " + 1".repeat(signs)
        )
    };
    assert_eq!(codes(&sum(64)), [""; 0]);
    assert_eq!(codes(&sum(65)), ["E127"]);
    assert_eq!(codes(&sum(20_000)), ["E127"]);
}

#[test]
fn long_and_wide_rules_are_read_in_linear_time() {
    let mut text = String::from(SITE);
    text.push_str("sub vcl_recv {\n");
    for at in 0..20_000 {
        let _ = writeln!(
            text,
            "if (req.url ~ \"^/x{}/\") {{ set req.http.X = \"a\" + req.url + \"{at}\"; }}",
            at % 50
        );
    }
    text.push_str("set req.http.Y = \"\"");
    for _ in 0..20_000 {
        text.push_str(" + \"a\" + req.url");
    }
    text.push_str(";\n}\n");
    let program = program(&text);
    assert!(program.patterns.len() < 100);
}

/// The codes of a tree with secrets in a private file.
fn codes_with_secrets(rules: &str) -> Vec<&'static str> {
    let main = format!("include private \"p.vcl\";{SITE}{rules}");
    let files = Memory::default().with("main.vcl", 0o644, main).with(
        "p.vcl",
        0o600,
        "let token = \"hunter2\"; let wait = 7s; table keys { \"a\": \"hunter2\", }\n\
         sub known { if (req.http.A == token || table.lookup(keys, \"a\") == \"x\") { set req.http.W = wait; } }",
    );
    let tree = crate::language::read(&files, Path::new("main.vcl"), &|_| None);
    let said = Diagnostics::new(tree.sources, tree.found);
    assert!(!said.draw().contains("hunter2"), "{}", said.draw());
    said.iter().map(|fault| fault.code.code()).collect()
}

#[test]
fn a_secret_is_written_nowhere_where_it_would_be_shown() {
    for (sub, body) in [
        ("vcl_deliver", "set resp.http.X = token;"),
        ("vcl_deliver", "set resp.http.X = \"a\" + std.toupper(token) + \"b\";"),
        ("vcl_deliver", "add resp.http.Set-Cookie = \"t=\" token;"),
        ("vcl_deliver", "set resp.reason = token;"),
        ("vcl_deliver", "set resp.http.X = wait;"),
        ("vcl_deliver", "set resp.http.X = if(req.http.A, token, \"\");"),
        ("vcl_deliver", "set resp.http.X = table.lookup(keys, \"a\");"),
        ("vcl_deliver", "set resp.http.X = digest.base64(token);"),
        ("vcl_deliver", "declare local var.x STRING; set var.x = token; set resp.http.X = var.x;"),
        ("vcl_deliver", "declare local var.x STRING = token; log var.x;"),
        ("vcl_backend_response", "set beresp.http.X = token;"),
        ("vcl_synth", "synthetic(\"<p>\" + token);"),
        ("vcl_synth", "synthetic token;"),
        ("vcl_recv", "log \"seen \" token;"),
        ("vcl_recv", "std.log(token);"),
        ("vcl_recv", "std.syslog(1, token);"),
        ("vcl_recv", "error 403 token;"),
        ("vcl_recv", "return (synth(403, token));"),
    ] {
        let codes = codes_with_secrets(&format!("sub vcl_recv {{ call known; }} sub {sub} {{ {body} }}"));
        assert_eq!(codes, ["E128"], "{body}");
    }
    for (sub, body) in [
        ("vcl_recv", "if (req.http.X-Token != token) { return (synth(403)); }"),
        ("vcl_recv", "if (req.http.X-Token ~ token && token) { return (pass); }"),
        ("vcl_recv", "set req.http.X-Token = token;"),
        ("vcl_backend_fetch", "set bereq.http.Authorization = \"Bearer \" + token;"),
        ("vcl_deliver", "set resp.http.X = digest.hmac_sha256(token, req.url);"),
        ("vcl_deliver", "set resp.http.X = if(req.http.X == token, \"yes\", \"no\");"),
        ("vcl_deliver", "if (req.http.X == token) { set resp.http.X = \"known\"; }"),
        ("vcl_deliver", "declare local var.x STRING; set var.x = \"a\"; set resp.http.X = var.x;"),
    ] {
        let codes = codes_with_secrets(&format!("sub vcl_recv {{ call known; }} sub {sub} {{ {body} }}"));
        assert_eq!(codes, [] as [&str; 0], "{body}");
    }
}

#[test]
fn what_is_wrong_is_said_once() {
    let site = |rules: &str| format!("{SITE}{rules}");
    let varnish = "vcl 4.1;\nbackend a { .host = \"127.0.0.1\"; }\n";
    for (text, wanted) in [
        (site("sub a { call b; } sub b { call a; }"), &["E109"][..]),
        (site("sub a { call a; }"), &["E109"]),
        (format!("{varnish}sub one {{ call two; }} sub two {{ call one; }}"), &["E109"]),
        (site("sub vcl_recieve { }"), &["E110"]),
        (site("sub vcl_fetch { } sub vcl_error { }"), &["E110", "E110"]),
        (format!("{varnish}sub vcl_recieve {{ }}"), &["E110"]),
        (format!("{FASTLY}sub vcl_backend_response {{ }} sub vcl_pipe {{ }}"), &["E110", "E110"]),
        (varnish.replace("4.1", "3.0"), &["E124"]),
        (varnish.replace("4.1", "4.2"), &["E124"]),
        (varnish.replace("vcl 4.1;", "vcl /* in */ 4.1 ;"), &[]),
        (varnish.replace("vcl 4.1;", "# a\nvcl // b\n4.1;"), &[]),
        (varnish.replace("4.1", "4.0").replace(".host", ".path").replace("127.0.0.1", "/run/a"), &["E070"]),
        (varnish.replace(".host", ".path").replace("127.0.0.1", "/run/a"), &[]),
    ] {
        assert_eq!(codes(&text), wanted, "{text}\n{}", faults(&text));
    }
}
