//! Directors: who is picked, and what health changes in it.

use super::*;

/// Three backends, `a`, `b` and `c`, and what `vcl_init` makes of them; `vcl_recv` follows.
fn rules(init: &str, recv: &str) -> Rules {
    load(&format!(
        "vcl 4.1;\nimport std;\nimport directors;\n\
         backend a {{ .host = \"192.0.2.1\"; }}\nbackend b {{ .host = \"192.0.2.2\"; }}\nbackend c {{ .host = \"192.0.2.3\"; }}\n\
         sub unused {{ set req.backend_hint = a; set req.backend_hint = b; set req.backend_hint = c; }}\n\
         sub vcl_init {{ {init} }}\nsub vcl_recv {{ if (req.http.Never) {{ call unused; }} {recv} return (pass); }}\nsub vcl_deliver {{ set resp.http.Url = req.url; }}"
    ))
}

fn asked(rules: &Rules, url: &str, ill: &[usize], random: f64) -> String {
    let mut around = Quiet::new();
    around.ill = ill.to_vec();
    around.random = vec![random];
    let went = drive(rules, asks(&format!("GET {url}"), &[]), around, Vec::new());
    went.asked.first().map_or_else(|| "-".to_owned(), |line| line.split(' ').next().unwrap().to_owned())
}

#[test]
fn they_take_turns() {
    let rules = rules(
        "new d = directors.round_robin(); d.add_backend(a); d.add_backend(b); d.add_backend(c);",
        "set req.backend_hint = d.backend();",
    );
    let turns: String = (0..5).map(|_| asked(&rules, "/", &[], 0.0)).collect();
    assert_eq!(turns, "abcab");
    let turns: String = (0..4).map(|_| asked(&rules, "/", &[0], 0.0)).collect();
    assert_eq!(turns, "cbcb");
    assert_eq!(asked(&rules, "/", &[0, 1, 2], 0.0), "-");
}

#[test]
fn the_first_that_is_well_answers() {
    let both = |sticky: &str| {
        rules(
            &format!(
                "new d = directors.fallback({sticky}); d.add_backend(a); d.add_backend(b); d.add_backend(c);"
            ),
            "set req.backend_hint = d.backend();",
        )
    };
    let plain = both("");
    assert_eq!(
        asked(&plain, "/", &[], 0.0) + &asked(&plain, "/", &[0], 0.0) + &asked(&plain, "/", &[], 0.0),
        "aba"
    );
    let sticky = both("sticky = true");
    let seen: String =
        [&[][..], &[0], &[], &[1], &[]].iter().map(|ill| asked(&sticky, "/", ill, 0.0)).collect();
    assert_eq!(seen, "abbcc");
}

#[test]
fn chance_is_weighed() {
    let rules = rules(
        "new d = directors.random(); d.add_backend(a, 10.0); d.add_backend(b, 5.0); d.add_backend(c, 5.0);",
        "set req.backend_hint = d.backend();",
    );
    for (share, ill, backend) in [
        (0.0, &[][..], "a"),
        (0.49, &[], "a"),
        (0.51, &[], "b"),
        (0.76, &[], "c"),
        (0.999, &[], "c"),
        (0.49, &[0], "b"),
        (0.51, &[0], "c"),
        (0.5, &[0, 1, 2], "-"),
    ] {
        assert_eq!(asked(&rules, "/", ill, share), backend, "{share} {ill:?}");
    }
}

#[test]
fn a_text_leads_to_the_backend_that_varnish_picks() {
    // Asked of varnishd 7.1.1.
    let rules = load(
        "vcl 4.1;\nimport directors;\nbackend a { .host = \"192.0.2.1\"; }\nbackend b { .host = \"192.0.2.2\"; }\n\
         sub vcl_init { new h = directors.hash(); h.add_backend(a, 1.0); h.add_backend(b, 1.0); }\n\
         sub vcl_recv { set req.http.Out = h.backend(\"foo\") + h.backend(\"bar\") + h.backend(\"baz\") + h.backend(\"qux\"); return (synth(200)); }",
    );
    assert_eq!(goes(&rules, "GET /", &[]).req("out"), "bbba");
}

#[test]
fn neighbours_are_told_apart_where_nothing_is_written() {
    let rules = rules(
        "new h = directors.hash(); h.add_backend(a); h.add_backend(b); h.add_backend(c);",
        "set req.backend_hint = h.backend(client.ip); set req.http.Out = client.ip;",
    );
    let mut seen = std::collections::BTreeSet::new();
    for last in 1..40 {
        let mut case = asks("GET /", &[]);
        case.visitor.client = ClientIp::new(format!("192.0.2.{last}").parse().unwrap());
        let went = drive(&rules, case, Quiet::new(), Vec::new());
        assert_eq!(went.req("out"), "192.0.2.0");
        seen.insert(went.asked[0].clone());
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_key_leads_to_the_places_on_the_ring_that_varnish_finds() {
    // Asked of varnishd 7.1.1, with the same backends and weights.
    const KEYS: [u32; 6] = [544_169_062, 560_801_698, 554_736_909, 541_304_802, 563_425_873, 557_544_860];
    let parts: Vec<String> = KEYS.iter().map(|key| format!("sh.backend(by = KEY, key = {key})")).collect();
    let rules = rules(
        "new sh = directors.shard(); sh.add_backend(a); sh.add_backend(b); sh.add_backend(c, weight = 2.0); sh.reconfigure();",
        &format!(
            "set req.http.Key = sh.key(\"hello\"); set req.http.Out = {}; set req.backend_hint = sh.backend(by = URL, resolve = NOW);",
            parts.join(" + ")
        ),
    );
    let went = goes(&rules, "GET /", &[]);
    assert_eq!((went.req("key"), went.req("out")), ("613976979", "cccccc"));
    // One page, one backend, until that is ill; then another, always the same.
    let first = asked(&rules, "/page", &[], 0.0);
    assert_eq!(asked(&rules, "/page", &[], 0.0), first);
    let ill = ["a", "b", "c"].iter().position(|name| *name == first).unwrap();
    let second = asked(&rules, "/page", &[ill], 0.0);
    assert!(second != first && second != "-");
    assert_eq!(asked(&rules, "/page", &[0, 1, 2], 0.0), "-");
}

#[test]
fn an_alternative_is_another_backend() {
    let rules = rules(
        "new sh = directors.shard(); sh.add_backend(a); sh.add_backend(b); sh.add_backend(c); sh.reconfigure(); sh.set_warmup(0.25);",
        "set req.http.Zero = sh.backend(by = KEY, key = 7, warmup = 0.0); set req.http.One = sh.backend(by = KEY, key = 7, alt = 1); set req.http.Two = sh.backend(by = KEY, key = 7, alt = 2); set req.http.Four = sh.backend(by = KEY, key = 7, alt = 4); set req.http.Warm = sh.backend(by = KEY, key = 7);",
    );
    let went = drive(&rules, asks("GET /", &[]), Quiet { random: vec![0.2], ..Quiet::new() }, Vec::new());
    let (zero, one, two) =
        (went.req("zero").to_owned(), went.req("one").to_owned(), went.req("two").to_owned());
    let mut all = vec![zero.clone(), one.clone(), two.clone()];
    all.sort();
    assert_eq!(all, ["a", "b", "c"]);
    assert_eq!(went.req("four"), two, "the last one, where there are fewer");
    assert_eq!(went.req("warm"), one);
    let went = drive(&rules, asks("GET /", &[]), Quiet { random: vec![0.3], ..Quiet::new() }, Vec::new());
    assert_eq!(went.req("warm"), zero);
}

#[test]
fn directors_may_be_members_of_directors() {
    let rules = rules(
        "new pair = directors.round_robin(); pair.add_backend(a); pair.add_backend(b); new d = directors.fallback(); d.add_backend(pair.backend()); d.add_backend(c);",
        "set req.backend_hint = d.backend(); if (!std.healthy(req.backend_hint)) { return (synth(503)); } set req.http.Hint = req.backend_hint;",
    );
    let turns: String = (0..3).map(|_| asked(&rules, "/", &[], 0.0)).collect();
    assert_eq!(turns, "aba");
    assert_eq!(asked(&rules, "/", &[0, 1], 0.0), "c");
    let mut around = Quiet::new();
    around.ill = vec![0, 1, 2];
    let went = drive(&rules, asks("GET /", &[]), around, Vec::new());
    assert_eq!(went.status(), 503);
    assert_eq!(goes(&rules, "GET /", &[]).req("hint"), "d");
}

#[test]
fn members_may_leave() {
    let rules = rules(
        "new d = directors.round_robin(); d.add_backend(a); d.add_backend(b); d.remove_backend(a);",
        "set req.backend_hint = d.backend();",
    );
    let turns: String = (0..2).map(|_| asked(&rules, "/", &[], 0.0)).collect();
    assert_eq!(turns, "bb");
}

#[test]
fn rules_that_refuse_to_start_are_not_loaded() {
    let files = Memory::default().with(
        "main.vcl",
        0o644,
        "vcl 4.1;\nbackend a { .host = \"192.0.2.1\"; }\nsub vcl_init { return (fail); }",
    );
    let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
    let started = Rules::start(tree.program.unwrap(), Vec::new(), vec!["a".into()], &mut Quiet::new());
    assert_eq!(started.unwrap_err().text, "vcl_init returned `fail`");
}

#[test]
fn fastlys_directors_are_declared() {
    let rules = fastly(
        "director r random { .quorum = 60%; .retries = 3; { .backend = a; .weight = 1; } { .backend = b; .weight = 2; } }\n\
         director f fallback { { .backend = b; } { .backend = a; } }\n\
         director t round-robin { { .backend = a; } { .backend = b; } }\n\
         director h hash { { .backend = a; .weight = 1; } { .backend = b; .weight = 1; } }\n\
         director c client { { .backend = a; .weight = 1; } { .backend = b; .weight = 1; } }\n\
         sub vcl_recv {\n#FASTLY recv\n\
         if (req.url ~ \"^/r\") { set req.backend = r; } elseif (req.url ~ \"^/f\") { set req.backend = f; }\n\
         elseif (req.url ~ \"^/t\") { set req.backend = t; } elseif (req.url ~ \"^/h\") { set req.backend = h; }\n\
         else { set req.backend = c; }\n return (pass); }",
    );
    let asked = |url: &str, ill: &[usize], random: f64| {
        let mut around = Quiet::new();
        around.ill = ill.to_vec();
        around.random = vec![random; 8];
        let went = drive(&rules, asks(&format!("GET {url}"), &[]), around, Vec::new());
        went.asked.first().map_or_else(|| "nobody".to_owned(), |asked| asked[..1].to_owned())
    };
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!((asked("/r", &[], 0.1), asked("/r", &[], 0.9)), both("a", "b"));
    // Two thirds are above the quorum, one third is not.
    assert_eq!((asked("/r", &[0], 0.1), asked("/r", &[1], 0.1)), both("b", "nobody"));
    assert_eq!((asked("/f", &[], 0.0), asked("/f", &[1], 0.0)), both("b", "a"));
    assert_eq!((asked("/t", &[], 0.0), asked("/t", &[], 0.0)), both("a", "b"));
    let pages: Vec<String> = (0..20).map(|page| asked(&format!("/h{page}"), &[], 0.0)).collect();
    assert!(pages.iter().any(|one| one == "a") && pages.iter().any(|one| one == "b"), "{pages:?}");
    assert_eq!(asked("/h1", &[], 0.0), asked("/h1", &[], 0.9));
    assert!((0..20).all(|page| asked(&format!("/c{page}"), &[], 0.0) == asked("/c", &[], 0.5)));
}
