//! Rules that go too far, and visitors who try to make them: what is bounded, what can't be smuggled.

use super::*;

/// In our own dialect, with a director.
fn ours(rules: &str) -> Rules {
    load(&format!(
        "backend a {{ .url = \"http://192.0.2.1\"; }}\nbackend b {{ .url = \"http://192.0.2.2\"; }}\n\
         site \"www.test\" {{ .certificate = local; route \"/\" {{ .backend = a; }} route \"/b/\" {{ .backend = b; }} }}\n{rules}"
    ))
}

fn fault(rules: &Rules, fields: &[(&str, &str)]) -> String {
    let went = goes(rules, "GET /", fields);
    went.around.faults.first().map_or_else(String::new, |fault| fault.text.to_string())
}

#[test]
fn a_part_of_a_header_stays_one_part_whatever_it_holds() {
    let set = |header: &str, value: &str| {
        let rules = ours(&format!(
            "sub vcl_recv {{ set req.http.{header}:new = req.http.X; set req.http.Y = req.http.{header}:admin; \
             return (synth(200)); }}"
        ));
        let went = goes(&rules, "GET /", &[("x", value), ("cookie", "a=1"), ("list", "a=1")]);
        let name = header.to_lowercase();
        (went.req(&name).to_owned(), went.req("y").to_owned(), went.around.faults.len())
    };
    for value in ["2; admin=1", ";admin=1", "\"2; admin=1\"", "a;"] {
        let (cookie, admin, faults) = set("Cookie", value);
        assert_eq!((cookie.as_str(), admin.as_str(), faults), ("a=1", "(unset)", 1), "{value}");
    }
    for (value, written) in [
        ("2", "a=1, new=2"),
        ("\"2, x\"", "a=1, new=\"2, x\""),
        ("2, admin=1", "a=1, new=\"2, admin=1\""),
        ("2\", admin=\"1", "a=1, new=\"2\\\", admin=\\\"1\""),
        ("2\"x\", admin=1", "a=1, new=\"2\\\"x\\\", admin=1\""),
        ("\"open", "a=1, new=\"\\\"open\""),
    ] {
        let (list, admin, faults) = set("List", value);
        assert_eq!((list.as_str(), admin.as_str(), faults), (written, "", 0), "{value}");
    }
}

#[test]
fn a_cookie_is_not_hidden_in_quotes() {
    let rules = ours(
        "sub vcl_recv { set req.http.X = req.http.Cookie:admin; unset req.http.Cookie:admin; return (synth(200)); }",
    );
    let went = goes(&rules, "GET /", &[("cookie", "x=\"; admin=1; y=2\"")]);
    assert_eq!((went.req("x"), went.req("cookie")), ("1", "x=\"; y=2\""));
}

#[test]
fn texts_are_stopped_while_they_grow() {
    let long = "a".repeat(30_000);
    let fields = [("x", long.as_str())];
    let sum = vec!["req.http.X"; 500].join(" + ");
    for rules in [
        format!("sub vcl_recv {{ set req.http.Y = {sum}; }}"),
        format!("sub vcl_recv {{ std.log({sum}); }}"),
        "sub vcl_recv { set req.http.Y = regsuball(req.http.X, \"a\", req.http.X); }".to_owned(),
    ] {
        let said = fault(&ours(&rules), &fields);
        assert!(said.contains("1 MB") || said.contains("megabyte"), "{said}: {rules:.80}");
    }
}

#[test]
fn rules_end_also_where_subs_call_others_over_and_over() {
    let mut text = String::from("sub s0 { if (req.url == \"/x\") { return (pass); } }\n");
    for at in 1..40 {
        text.push_str(&format!("sub s{at} {{ call s{}; call s{}; }}\n", at - 1, at - 1));
    }
    text.push_str("sub vcl_recv { call s39; }");
    assert!(fault(&ours(&text), &[]).contains("100,000 statements"));
}

#[test]
fn the_deepest_rules_that_are_taken_fit_the_stack_of_a_thread() {
    // Close to 150 levels each; tests run on 2 MiB, and their frames are the largest there are.
    let blocks = |at: u32, inside: &str| {
        format!("sub s{at} {{ {}{inside}{} }}\n", "if (req.url) { ".repeat(45), " }".repeat(45))
    };
    let mut text = blocks(0, "set req.http.X = \"1\";");
    text.extend((1..3).map(|at| blocks(at, &format!("call s{};", at - 1))));
    assert_eq!(fault(&ours(&format!("{text}sub vcl_recv {{ call s2; }}")), &[]), "");
}

#[test]
fn the_deepest_values_that_are_taken_fit_the_stack_of_a_thread() {
    let values = |inside: &str, deep: usize| {
        format!("{}{inside}{}", "std.tolower(\"x\" + ".repeat(deep), ")".repeat(deep))
    };
    let mut text = format!("sub f0 STRING {{ return {}; }}\n", values("req.url", 22));
    text.extend(
        (1..3)
            .map(|at| format!("sub f{at} STRING {{ return {}; }}\n", values(&format!("f{}()", at - 1), 22))),
    );
    assert_eq!(fault(&ours(&format!("{text}sub vcl_recv {{ set req.http.X = f2(); }}")), &[]), "");
}

#[test]
fn a_director_does_not_grow_with_every_request() {
    let rules = ours(
        "sub vcl_init { new d = directors.round_robin(); d.add_backend(a); }\n\
         sub vcl_recv { d.add_backend(b); set req.backend_hint = d.backend(); return (pass); }",
    );
    let faults = (0..1_010).filter(|_| !goes(&rules, "GET /", &[]).around.faults.is_empty()).count();
    assert_eq!(faults, 11);
}

#[test]
fn directors_that_hold_each_other_come_to_an_end() {
    let twice = "d.add_backend(e.backend()); e.add_backend(d.backend());".repeat(20);
    let rules = ours(&format!(
        "sub vcl_init {{ new d = directors.round_robin(); new e = directors.round_robin(); {twice} }}\n\
         sub vcl_recv {{ set req.backend_hint = d.backend(); if (std.healthy(d.backend())) {{ return (synth(200)); }} return (pass); }}"
    ));
    let went = goes(&rules, "GET /", &[]);
    assert!(went.asked.is_empty());
    assert_eq!(went.case.cause, Some(Cause::NoneHealthy));
}

#[test]
fn an_address_does_not_leave_by_what_a_match_found() {
    let rules = ours(
        "sub vcl_init { new h = directors.hash(); h.add_backend(a); }\n\
         sub vcl_recv {\n\
         set req.backend_hint = h.backend(if(\"\" + client.ip ~ \"^(.*)$\", \"x\", \"y\"));\n\
         set req.http.X = re.group.1; return (synth(200)); }",
    );
    assert_eq!(goes(&rules, "GET /", &[]).req("x"), "192.0.2.0");
}

#[test]
fn a_number_that_varnish_does_not_write_is_a_fault_there() {
    let large = "std.integer(\"999999999999999\", 0)";
    let set = |sum: &str| format!("sub vcl_recv {{ set req.http.X = {sum}; }}");
    assert_eq!(fault(&vcl(&set(&format!("\"\" + {large}"))), &[]), "");
    assert!(fault(&vcl(&set(&format!("\"\" + ({large} + {large})"))), &[]).contains("too large"));
    assert!(fault(&vcl(&set("\"\" + std.real(\"999999999999.0\", 0.0) * 2.0")), &[]).contains("too large"));
    // Our own numbers have as many digits as they need.
    assert_eq!(fault(&ours(&set(&format!("\"\" + ({large} + {large})"))), &[]), "");
}

#[test]
fn from_miss_to_pass_fastlys_request_to_the_backend_is_kept() {
    let rules = fastly(
        "sub vcl_miss {\n#FASTLY miss\n set bereq.http.X = \"1\"; return (pass); }\n\
         sub vcl_pass {\n#FASTLY pass\n set bereq.http.Y = bereq.http.X + bereq.http.Authorization; return (pass); }",
    );
    let mut flow = Flow::begin(&rules, asks("GET /", &[("x-page", "p"), ("authorization", "Basic z")]));
    let mut around = Quiet::new();
    loop {
        match flow.next(&mut around) {
            Next::Route => flow.routed(Choice::Backend(BackendId(0))),
            Next::Fetch => break,
            _ => panic!("no fetch"),
        }
    }
    let sent = flow.errand().unwrap().question.headers;
    let read = |name: &str| sent.get(name).map_or("(unset)", |value| value.to_str().unwrap());
    assert_eq!((read("x"), read("y"), read("x-page"), read("host")), ("1", "1Basic z", "p", "www.test"));
}
