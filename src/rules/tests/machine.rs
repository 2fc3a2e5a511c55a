//! Statements and expressions.

use super::*;

/// What `statements` in `vcl_recv` leave in `req.http.X`.
fn left(statements: &str) -> String {
    let rules = vcl(&format!("sub vcl_recv {{ {statements} return (synth(200)); }}"));
    let fields = [
        ("cookie", "a=1; session=\"s 2\"; b = 3"),
        ("x-many", "one"),
        ("x-many", "two"),
        ("x-empty", ""),
        ("cache-control", "max-age=60, no-store, private=\"a, b\""),
    ];
    let went = goes(&rules, "GET /a/b.css?x=1&name=J%C3%BCrgen+K&x=2", &fields);
    assert_eq!(went.around.faults, [], "{statements}");
    went.req("x-out").to_owned()
}

/// What an expression is as a text.
fn says(expression: &str) -> String {
    left(&format!("set req.http.X-Out = {expression};"))
}

/// The same in our own dialect.
fn ours(statements: &str) -> String {
    let rules = load(&format!(
        "backend a {{ .url = \"http://192.0.2.1\"; }}\nacl office {{ \"192.0.2.0\"/24; }}\n\
         table colours {{ \"sea\": \"blue\", \"sun\": \"yellow\", }}\n\
         site \"www.test\" {{ .certificate = local; route \"/\" {{ .backend = a; .allow = network(office) || anyone; }} }}\n\
         sub vcl_recv {{ {statements} return (synth(200)); }}"
    ));
    let fields = [
        ("cookie", "a=1; session=\"s 2\"; b = 3"),
        ("cache-control", "max-age=60, no-store, private=\"a, b\""),
    ];
    let went = goes(&rules, "GET /a/b.css?x=1&name=J%C3%BCrgen+K&x=2", &fields);
    assert_eq!(went.around.faults, [], "{statements}");
    went.req("x-out").to_owned()
}

#[test]
fn values_have_the_texts_that_varnish_gives_them() {
    for (expression, text) in [
        ("\"a\" + \"b\"", "ab"),
        ("req.http.X-None + \"x\" + req.http.X-None", "x"),
        ("1.5 + 2.0", "3.500"),
        ("90s", "90.000"),
        ("10s / 4", "2.500"),
        ("-5", "-5"),
        ("7 / 2", "3"),
        ("-7 % 3", "-1"),
        ("req.esi_level == 0", "true"),
        ("now", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("req.time + 1h", "Sun, 06 Nov 1994 09:49:37 GMT"),
        ("req.backend_hint", "a"),
        ("req.url", "/a/b.css?x=1&name=J%C3%BCrgen+K&x=2"),
        ("req.method + req.proto", "GETHTTP/1.1"),
        ("req.restarts", "0"),
        ("server.ip", "198.51.100.1"),
        ("server.hostname", "gate"),
        ("req.http.X-Many", "one"),
        ("\"  padded  \"", "padded  "),
        ("req.http.X-None", ""),
    ] {
        assert_eq!(says(expression), text, "{expression}");
    }
}

#[test]
fn no_rule_can_write_an_address() {
    assert_eq!(says("client.ip"), "192.0.2.0");
    assert_eq!(
        says("\"\" + client.ip + \"/\" + remote.ip + \"/\" + client.identity"),
        "192.0.2.0/192.0.2.0/192.0.2.0"
    );
    // It compares as it is.
    assert_eq!(says("client.ip == \"192.0.2.7\""), "true");
    assert_eq!(says("client.ip == \"192.0.2.0\""), "false");
}

#[test]
fn what_is_unset_is_like_nothing() {
    for (condition, holds) in [
        ("req.http.X-None", false),
        ("!req.http.X-None", true),
        ("req.http.X-Empty", true),
        ("req.http.X-None == \"\"", false),
        ("req.http.X-Empty == \"\"", true),
        ("req.http.X-None != \"x\"", true),
        ("req.http.X-None == req.http.X-None-Either", false),
        ("req.http.X-None ~ \"^$\"", true),
        ("req.http.X-None !~ \".\"", true),
    ] {
        let out = left(&format!("if ({condition}) {{ set req.http.X-Out = \"yes\"; }}"));
        assert_eq!(out == "yes", holds, "{condition}");
    }
    // To set from what is unset leaves an empty header, as in Varnish.
    assert_eq!(
        left(
            "set req.http.Y = req.http.X-None; if (req.http.Y) { set req.http.X-Out = \"[\" + req.http.Y + \"]\"; }"
        ),
        "[]"
    );
    assert_eq!(
        left("set req.http.Y = \"1\"; unset req.http.Y; if (!req.http.Y) { set req.http.X-Out = \"gone\"; }"),
        "gone"
    );
}

#[test]
fn conditions_are_read_as_written() {
    for (condition, holds) in [
        ("req.url ~ \"^/a/\"", true),
        ("req.url ~ \"^/A/\"", false),
        ("req.url ~ \"(?i)^/A/B\"", true),
        ("req.url ~ \"css\"", true),
        ("req.url !~ \"css\"", false),
        ("req.url ~ \"^/a/b\\.css\\?x=1\"", true),
        ("req.url == \"/a/b.css\"", false),
        ("req.method == \"GET\" && req.url ~ \"^/a\" && !req.http.X-None", true),
        ("req.method == \"PUT\" || req.url ~ \"^/z\" || req.http.X-None", false),
        ("req.restarts < 1", true),
        ("req.restarts >= 1", false),
        ("10s > 9.5s", true),
        ("1.0 <= 0.5", false),
        ("now > req.time - 1s", true),
        ("req.backend_hint == a", true),
        ("req.backend_hint == b", false),
        ("req.backend_hint != b", true),
    ] {
        let out = left(&format!("if ({condition}) {{ set req.http.X-Out = \"yes\"; }}"));
        assert_eq!(out == "yes", holds, "{condition}");
    }
    assert_eq!(
        left(
            "if (req.url ~ \"^/z\") { set req.http.X-Out = \"1\"; } elsif (req.url ~ \"^/a\") { set req.http.X-Out = \"2\"; } else { set req.http.X-Out = \"3\"; }"
        ),
        "2"
    );
    assert_eq!(
        left("if (req.http.X-None) { set req.http.X-Out = \"1\"; } else { set req.http.X-Out = \"3\"; }"),
        "3"
    );
}

#[test]
fn an_acl_takes_addresses_as_they_are() {
    let rules = load(
        "vcl 4.1;\nbackend a { .host = \"192.0.2.1\"; }\nacl office { \"192.0.2.0\"/24; }\n\
         sub vcl_recv { if (client.ip ~ office) { return (synth(202)); } return (synth(403)); }",
    );
    assert_eq!(goes(&rules, "GET /", &[]).status(), 202);
    let mut case = asks("GET /", &[]);
    case.visitor.client = ClientIp::new("198.51.100.7".parse().unwrap());
    assert_eq!(drive(&rules, case, Quiet::new(), Vec::new()).status(), 403);
}

#[test]
fn headers_of_one_name_are_one_or_several() {
    assert_eq!(left("std.collect(req.http.X-Many); set req.http.X-Out = req.http.X-Many;"), "one, two");
    assert_eq!(
        left("std.collect(req.http.X-Many, \"; \"); set req.http.X-Out = req.http.X-Many;"),
        "one; two"
    );
    let rules = vcl("sub vcl_recv { set req.http.X-Many = \"new\"; return (synth(200)); }");
    let went = goes(&rules, "GET /", &[("x-many", "1"), ("x-many", "2")]);
    assert_eq!(went.case.req.headers.get_all("x-many").iter().count(), 1);
}

#[test]
fn parts_of_a_header_are_read_and_written() {
    for (statements, out) in [
        ("set req.http.X-Out = req.http.Cookie:a;", "1"),
        ("set req.http.X-Out = req.http.Cookie:session;", "s 2"),
        ("set req.http.X-Out = req.http.Cookie:b;", "3"),
        ("set req.http.X-Out = \"[\" + req.http.Cookie:none + \"]\";", "[]"),
        ("set req.http.X-Out = req.cookie.session;", "s 2"),
        ("set req.http.X-Out = req.http.Cache-Control:max-age;", "60"),
        ("set req.http.X-Out = req.http.Cache-Control:private;", "a, b"),
        ("if (req.http.Cache-Control:no-store) { set req.http.X-Out = \"set\"; }", "set"),
        ("unset req.http.Cookie:a; set req.http.X-Out = req.http.Cookie;", "session=\"s 2\"; b = 3"),
        (
            "set req.http.Cookie:a = \"9\"; set req.http.X-Out = req.http.Cookie;",
            "a=9; session=\"s 2\"; b = 3",
        ),
        (
            "set req.http.Cookie:c = \"4\"; set req.http.X-Out = req.http.Cookie;",
            "a=1; session=\"s 2\"; b = 3; c=4",
        ),
        (
            "set req.http.X-New:a = \"1\"; set req.http.X-New:b = \"2\"; set req.http.X-Out = req.http.X-New;",
            "a=1, b=2",
        ),
        (
            "set req.http.X-New:a = \"1\"; unset req.http.X-New:a; if (!req.http.X-New) { set req.http.X-Out = \"gone\"; }",
            "gone",
        ),
    ] {
        assert_eq!(ours(statements), out, "{statements}");
    }
}

#[test]
fn our_own_words_mean_what_their_rows_say() {
    for (expression, out) in [
        ("req.arg.x", "1"),
        ("req.arg.name", "Jürgen K"),
        ("\"[\" + req.arg.none + \"]\"", "[]"),
        ("req.path", "/a/b.css"),
        ("req.query", "x=1&name=J%C3%BCrgen+K&x=2"),
        ("req.host", "www.test"),
        ("req.site", "www.test"),
        ("req.route", "/"),
        ("client.network", "192.0.2.0"),
        ("client.tls.version", "TLSv1.3"),
        ("if(req.method == \"GET\", \"read\", \"write\")", "read"),
        ("table.lookup(colours, \"sea\")", "blue"),
        ("table.lookup(colours, \"sky\", \"grey\")", "grey"),
        ("table.contains(colours, \"sun\")", "true"),
        ("req.url.ext + req.url.basename + req.url.dirname", "cssb.css/a"),
    ] {
        let text = ours(&format!("set req.http.X-Out = {expression};"));
        assert_eq!(text, out, "{expression}");
    }
}

#[test]
fn locals_live_in_their_sub() {
    assert_eq!(
        ours(
            "declare local var.n INT; declare local var.s STRING; set var.n = 2; set var.n += 3; set var.s = \"n=\" + var.n; set req.http.X-Out = var.s;"
        ),
        "n=5"
    );
    assert_eq!(ours("declare local var.s STRING; if (!var.s) { set req.http.X-Out = \"unset\"; }"), "unset");
    assert_eq!(ours("declare local var.b BOOL; set req.http.X-Out = var.b;"), "false");
    let rules = load(
        "backend a { .url = \"http://192.0.2.1\"; }\n\
         site \"www.test\" { .certificate = local; route \"/\" { .backend = a; } }\n\
         sub inner { declare local var.x STRING; set var.x = \"inner\"; set req.http.Y = var.x; }\n\
         sub vcl_recv { declare local var.x STRING; set var.x = \"outer\"; call inner; set req.http.X-Out = var.x + req.http.Y; return (synth(200)); }",
    );
    assert_eq!(goes(&rules, "GET /", &[]).req("x-out"), "outerinner");
}

#[test]
fn a_match_leaves_its_groups() {
    assert_eq!(
        ours(
            "if (req.url ~ \"^/([a-z]+)/([a-z]+)\\.\") { set req.http.X-Out = re.group.0 + \"|\" + re.group.1 + \"|\" + re.group.2 + \"|\" + re.group.3; }"
        ),
        "/a/b.|a|b|"
    );
    // What did not match changes nothing.
    assert_eq!(
        ours("if (req.url ~ \"^/(a)\") { } if (req.url ~ \"^/(z)\") { } set req.http.X-Out = re.group.1;"),
        "a"
    );
}

#[test]
fn what_would_split_a_header_is_a_fault() {
    for statements in [
        "set req.http.X = {\"a\nb\"};",
        "set req.http.X = \"a\" + {\"\r\n\"} + \"Y: b\";",
        "return (synth(200, {\"a\nb\"}));",
        "return (synth(99));",
        "return (synth(70000));",
        "set req.method = \"GET /\";",
    ] {
        let rules = vcl(&format!("sub vcl_recv {{ {statements} return (synth(200)); }}"));
        let went = goes(&rules, "GET /", &[]);
        assert_eq!(went.status(), 503, "{statements}");
        assert_eq!(went.case.resp.as_ref().unwrap().reason.as_deref(), Some(&b"VCL failed"[..]));
        assert_eq!(went.around.faults.len(), 1, "{statements}");
        let mark = went.around.faults[0].mark.unwrap();
        assert!(rules.program.marks.get(mark.0 as usize).is_some(), "{statements}");
    }
}

#[test]
fn what_rules_make_is_bounded() {
    // Each line doubles the header: 2^30 bytes at the end.
    let text = "set req.http.X = req.http.X + req.http.X; ".repeat(27);
    let rules =
        vcl(&format!("sub vcl_recv {{ set req.http.X = \"12345678\"; {text} return (synth(200)); }}"));
    let went = goes(&rules, "GET /", &[]);
    assert_eq!(went.status(), 503);
    assert!(went.around.faults[0].text.contains("1 MB"), "{:?}", went.around.faults);
    assert!(went.req("x").len() <= crate::rules::machine::MADE_BYTES_MAX);
}

#[test]
fn a_rule_logs_and_leaves_its_marks() {
    let rules = vcl(
        "sub vcl_recv { std.log(\"seen \" + req.url); if (req.url == \"/\") { return (synth(200)); } return (synth(201)); }",
    );
    let went = goes(&rules, "GET /", &[]);
    assert_eq!(went.around.logged, ["seen /"]);
    // The log, the if, its arm and the return; then those of vcl_hash and vcl_synth.
    assert!(went.around.marks.len() >= 4, "{:?}", went.around.marks);
    let mut quiet = Quiet::new();
    quiet.listens = false;
    let went = drive(&rules, asks("GET /", &[]), quiet, Vec::new());
    assert!(went.around.marks.is_empty() && went.around.phases.is_empty());
    assert_eq!(went.status(), 200);
}

#[test]
fn subs_call_subs_and_return_from_them() {
    let rules = vcl(
        "sub inner { if (req.url == \"/early\") { return; } set req.http.Y = \"inner\"; if (req.url == \"/end\") { return (synth(204)); } }\n\
         sub vcl_recv { call inner; return (synth(200)); }",
    );
    let went = goes(&rules, "GET /", &[]);
    assert_eq!((went.status(), went.req("y")), (200, "inner"));
    let went = goes(&rules, "GET /early", &[]);
    assert_eq!((went.status(), went.req("y")), (200, "(unset)"));
    assert_eq!(goes(&rules, "GET /end", &[]).status(), 204);
}

/// `cargo test --release --lib rules::tests -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn what_a_typical_recv_costs() {
    let rules = vcl(
        "sub vcl_recv {
            if (req.http.Host ~ \"(?i)^old\\.\") { return (synth(301)); }
            if (req.url ~ \"^/trac/login\") { set req.http.X-Class = \"login\"; }
            if (req.url ~ \"^/trac/(browser|changeset|log)/\" && !req.http.Cookie) { set req.http.X-Class = \"dear\"; }
            if (req.http.User-Agent ~ \"(?i)badbot|scraper|crawl\") { return (synth(403)); }
            if (req.method == \"PURGE\") { if (client.ip != \"127.0.0.1\") { return (synth(405)); } return (purge); }
            if (req.method != \"GET\" && req.method != \"HEAD\") { return (pass); }
            if (req.http.Authorization) { return (pass); }
            if (req.url ~ \"\\.(css|js|png|gif|jpe?g|ico|svg|woff2?)(\\?.*)?$\") { unset req.http.Cookie; return (hash); }
            if (req.url ~ \"^/static/\") { unset req.http.Cookie; }
            if (req.url ~ \"^/svn/\") { set req.backend_hint = b; }
            if (req.http.X-Forwarded-Proto == \"http\") { set req.http.X-Old = \"yes\"; }
            if (req.http.Accept-Language ~ \"^de\") { set req.http.X-Language = \"de\"; } else { set req.http.X-Language = \"en\"; }
            if (req.url ~ \"^/wiki/\" && req.http.Cookie ~ \"session=\") { return (pass); }
            set req.http.X-Served = \"doorward\";
            unset req.http.X-Debug;
            unset req.http.Proxy;
            if (req.restarts > 0) { set req.http.X-Restarts = req.restarts; }
            return (pass);
         }",
    );
    let fields = [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept", "text/html"),
        ("cookie", "session=1234; theme=dark"),
    ];
    let mut quiet = Quiet::new();
    quiet.listens = false;
    let mut case = asks("GET /wiki2/FrontPage?action=show", &fields);
    let mut best = std::time::Duration::MAX;
    for _ in 0..2_000 {
        case.made = 0;
        let start = crate::base::clock::now();
        for _ in 0..100 {
            let verdict = crate::rules::machine::run(&rules, &mut case, Phase::Recv, &mut quiet).unwrap();
            assert_eq!(std::hint::black_box(verdict), Verdict::To(Action::Pass));
        }
        best = best.min(start.elapsed());
    }
    println!("{:?} for a vcl_recv of forty lines", best / 100);
}
