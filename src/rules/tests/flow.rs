//! The order of the subs, and what happens between them.

use super::*;

#[test]
fn a_page_without_rules_of_its_own_goes_the_built_in_way() {
    let rules = vcl("");
    let went = goes(&rules, "GET /", &[]);
    assert_eq!(
        went.way(),
        "recv>hash hash>lookup miss>fetch backend_fetch>fetch backend_response>deliver deliver>deliver"
    );
    assert_eq!((went.asked.join(" "), went.status()), ("a GET /".to_owned(), 200));
    for (line, fields) in [
        ("POST /", &[][..]),
        ("DELETE /", &[]),
        ("GET /", &[("cookie", "a=1")]),
        ("GET /", &[("authorization", "Basic x")]),
    ] {
        let went = goes(&vcl(""), line, fields);
        assert_eq!(
            went.way(),
            "recv>pass hash>lookup pass>fetch backend_fetch>fetch backend_response>deliver deliver>deliver",
            "{line} {fields:?}"
        );
    }
}

#[test]
fn an_unknown_method_is_piped_in_vcl_and_passed_in_ours() {
    let went = goes(&vcl(""), "PROPFIND /", &[]);
    assert!(went.piped);
    assert_eq!(went.way(), "recv>pipe hash>lookup pipe>pipe");
    let rules = load(
        "backend a { .url = \"http://192.0.2.1\"; }\n\
         site \"www.test\" { .certificate = local; route \"/\" { .backend = a; } }\n\
         sub vcl_deliver { set resp.http.X = \"1\"; }",
    );
    let went = goes(&rules, "PROPFIND /", &[]);
    assert!(!went.piped);
    assert!(went.way().starts_with("recv>pass"), "{}", went.way());
}

#[test]
fn what_falls_through_goes_on_with_the_next_body() {
    let rules = vcl("sub vcl_recv { set req.http.X = \"1\"; }\n\
         sub vcl_recv { set req.http.X = req.http.X + \"2\"; if (req.url == \"/end\") { return (pass); } }\n\
         sub vcl_recv { set req.http.X = req.http.X + \"3\"; }\n\
         sub vcl_deliver { set resp.http.X = req.http.X; }");
    let went = goes(&rules, "GET /", &[]);
    assert_eq!((went.req("x"), went.way().starts_with("recv>hash")), ("123", true));
    let went = goes(&rules, "GET /end", &[]);
    assert_eq!((went.req("x"), went.way().starts_with("recv>pass")), ("12", true));
}

#[test]
fn each_action_leads_where_it_says() {
    for (subs, way, status) in [
        ("sub vcl_recv { return (synth(404)); }", "recv>synth 404 hash>lookup synth>deliver", 404),
        ("sub vcl_recv { return (purge); }", "recv>purge hash>lookup purge>synth 200 synth>deliver", 200),
        ("sub vcl_recv { return (fail); }", "recv>fail synth>deliver", 503),
        ("sub vcl_hash { return (fail); }", "recv>hash hash>fail synth>deliver", 503),
        ("sub vcl_miss { return (synth(401)); }", "recv>hash hash>lookup miss>synth 401 synth>deliver", 401),
        (
            "sub vcl_miss { return (pass); }",
            "recv>hash hash>lookup miss>pass pass>fetch backend_fetch>fetch backend_response>deliver deliver>deliver",
            200,
        ),
        (
            "sub vcl_pass { return (synth(402)); } sub vcl_recv { return (pass); }",
            "recv>pass hash>lookup pass>synth 402 synth>deliver",
            402,
        ),
        (
            "sub vcl_recv { return (pipe); } sub vcl_pipe { return (synth(405)); }",
            "recv>pipe hash>lookup pipe>synth 405 synth>deliver",
            405,
        ),
        (
            "sub vcl_backend_fetch { return (abandon); }",
            "recv>hash hash>lookup miss>fetch backend_fetch>abandon synth>deliver",
            503,
        ),
        (
            "sub vcl_backend_fetch { return (error(418, \"short\")); }",
            "recv>hash hash>lookup miss>fetch backend_fetch>error 418 backend_error>deliver deliver>deliver",
            418,
        ),
        (
            "sub vcl_backend_response { return (error(501)); }",
            "recv>hash hash>lookup miss>fetch backend_fetch>fetch backend_response>error 501 backend_error>deliver deliver>deliver",
            501,
        ),
        (
            "sub vcl_backend_response { return (abandon); }",
            "recv>hash hash>lookup miss>fetch backend_fetch>fetch backend_response>abandon synth>deliver",
            503,
        ),
        (
            "sub vcl_backend_response { return (fail); }",
            "recv>hash hash>lookup miss>fetch backend_fetch>fetch backend_response>fail synth>deliver",
            503,
        ),
        (
            "sub vcl_deliver { return (synth(500)); }",
            "recv>hash hash>lookup miss>fetch backend_fetch>fetch backend_response>deliver deliver>synth 500 synth>deliver",
            500,
        ),
        (
            "sub vcl_deliver { return (fail); }",
            "recv>hash hash>lookup miss>fetch backend_fetch>fetch backend_response>deliver deliver>fail synth>deliver",
            503,
        ),
    ] {
        let went = goes(&vcl(subs), "GET /", &[]);
        assert_eq!((went.way().as_str(), went.status()), (way, status), "{subs}");
        assert!(went.failed.is_none());
    }
}

#[test]
fn a_synth_that_fails_is_the_houses_business() {
    let went =
        goes(&vcl("sub vcl_recv { return (synth(200)); } sub vcl_synth { return (fail); }"), "GET /", &[]);
    assert!(went.failed.is_some());
}

#[test]
fn an_answer_of_our_own_has_a_body_only_where_a_rule_writes_one() {
    let went = goes(&vcl("sub vcl_recv { return (synth(403)); }"), "GET /", &[]);
    assert_eq!(went.body(), &ReplyBody::Page);
    let rules = vcl("sub vcl_recv { return (synth(12404, \"Nothing here\")); }\n\
         sub vcl_synth { set resp.http.Content-Type = \"text/plain\"; set resp.http.S = resp.status + resp.reason; set resp.body = \"no \" + req.url; return (deliver); }");
    let went = goes(&rules, "GET /x", &[]);
    assert_eq!(went.body(), &ReplyBody::Text("no /x".into()));
    assert_eq!(
        (went.status(), went.resp("content-type"), went.resp("s")),
        (404, "text/plain", "12404Nothing here")
    );
    let went = goes(
        &vcl("sub vcl_recv { return (synth(700)); } sub vcl_synth { set resp.http.R = resp.reason; }"),
        "GET /",
        &[],
    );
    assert_eq!((went.status(), went.resp("r")), (700, "Unknown HTTP Status"));
    // `synthetic` does the same.
    let went = goes(
        &vcl("sub vcl_recv { return (synth(200)); } sub vcl_synth { synthetic(\"x\"); return (deliver); }"),
        "GET /",
        &[],
    );
    assert_eq!(went.body(), &ReplyBody::Text("x".into()));
}

#[test]
fn a_status_brings_its_reason() {
    let went = goes(
        &vcl(
            "sub vcl_deliver { set resp.status = 404; set resp.http.R = resp.reason; set resp.reason = \"Gone fishing\"; }",
        ),
        "GET /",
        &[],
    );
    assert_eq!((went.status(), went.resp("r")), (404, "Not Found"));
    assert_eq!(went.case.resp.as_ref().unwrap().reason.as_deref(), Some(&b"Gone fishing"[..]));
}

#[test]
fn restarts_end() {
    let rules = vcl("sub vcl_recv { set req.http.N = req.http.N + req.restarts; return (restart); }");
    let went = goes(&rules, "GET /", &[]);
    assert_eq!((went.req("n"), went.status(), went.case.restarts), ("01234", 503, 5));
    assert_eq!(went.around.faults[0].text, "too many restarts");
    // Asked of varnishd: what is beyond the last is delivered as it stands.
    let rules = vcl("sub vcl_recv { return (synth(200)); } sub vcl_synth { return (restart); }");
    assert_eq!(goes(&rules, "GET /", &[]).status(), 503);
    let rules = vcl("sub vcl_recv { if (req.restarts == 1) { set req.backend_hint = b; } return (pass); }\n\
         sub vcl_deliver { if (resp.status == 503 && req.restarts == 0) { return (restart); } }");
    let sick = Ok(Reply::of_backend(503, None, Version::HTTP_11, HeaderMap::new()));
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), vec![sick]);
    assert_eq!(went.asked, ["a GET /", "b GET /"]);
    assert_eq!(went.status(), 200);
}

#[test]
fn retries_end() {
    let rules = vcl("sub vcl_backend_fetch { set bereq.http.N = bereq.http.N + bereq.retries; }\n\
         sub vcl_backend_response { if (beresp.status == 503) { return (retry); } set beresp.http.N = bereq.http.N; }");
    let sick = || Ok(Reply::of_backend(503, None, Version::HTTP_11, HeaderMap::new()));
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), vec![sick(), sick()]);
    assert_eq!((went.asked.len(), went.status(), went.resp("n")), (3, 200, "012"));
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), (0..9).map(|_| sick()).collect());
    assert_eq!((went.asked.len(), went.status()), (5, 503));
    assert_eq!(went.around.faults[0].text, "too many retries");
    assert!(
        went.way().ends_with("backend_response>retry backend_error>deliver deliver>deliver"),
        "{}",
        went.way()
    );
    // And from the error's own sub.
    let rules = vcl("sub vcl_backend_error { return (retry); }");
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), (0..9).map(|_| Err(Cause::Refused)).collect());
    assert_eq!((went.asked.len(), went.status()), (5, 503));
    assert!(went.way().ends_with("backend_error>retry synth>deliver"), "{}", went.way());
}

#[test]
fn a_backend_that_does_not_answer_leads_to_its_error() {
    let rules = vcl(
        "sub vcl_backend_error { set beresp.http.S = beresp.status + \" \" + beresp.reason; if (bereq.url == \"/own\") { set beresp.status = 200; set beresp.body = \"sorry\"; } }",
    );
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), vec![Err(Cause::Refused)]);
    assert_eq!(
        (went.status(), went.resp("s"), went.body()),
        (503, "503 Backend fetch failed", &ReplyBody::Page)
    );
    assert_eq!(went.case.cause, Some(Cause::Refused));
    let went = drive(&rules, asks("GET /own", &[]), Quiet::new(), vec![Err(Cause::Refused)]);
    assert_eq!((went.status(), went.body()), (200, &ReplyBody::Text("sorry".into())));
    // Nobody is asked who is ill.
    let mut around = Quiet::new();
    around.ill = vec![0];
    let went = drive(&rules, asks("GET /", &[]), around, Vec::new());
    assert_eq!((went.asked.len(), went.status(), went.case.cause), (0, 503, Some(Cause::Unhealthy)));
}

#[test]
fn our_dialect_says_the_cause() {
    let rules = load(
        "backend a { .url = \"http://192.0.2.1\"; }\n\
         site \"www.test\" { .certificate = local; route \"/\" { .backend = a; } }\n\
         sub vcl_backend_error { set beresp.http.Cause = cause; }\n\
         sub vcl_synth { set resp.http.Cause = cause; }",
    );
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), vec![Err(Cause::FirstByteTimeout)]);
    assert_eq!((went.status(), went.resp("cause")), (503, "first_byte_timeout"));
    let mut flow = Flow::begin(&rules, asks("GET /", &[]));
    let mut around = Quiet::new();
    assert!(matches!(flow.next(&mut around), Next::Route));
    flow.refused(Cause::Denied);
    assert!(matches!(flow.next(&mut around), Next::Deliver));
    let resp = flow.case().resp.as_ref().unwrap();
    assert_eq!((resp.status, resp.headers["cause"].as_bytes()), (403, &b"denied"[..]));
}

#[test]
fn the_driver_is_asked_again_when_the_request_changes() {
    let rules = vcl(
        "sub vcl_recv { if (req.url == \"/old\") { set req.url = \"/new?x\"; set req.http.Host = \"other.test\"; } return (pass); }\n\
         sub vcl_pass { if (req.http.Late) { set req.url = \"/late\"; } }",
    );
    let went = goes(&rules, "GET /old", &[]);
    assert_eq!(went.judged, ["GET other.test/new?x"]);
    assert_eq!(went.asked, ["a GET /new?x"]);
    let went = goes(&rules, "GET /old", &[("late", "1")]);
    assert_eq!(went.judged, ["GET other.test/new?x", "GET other.test/late"]);
    assert_eq!(went.asked, ["a GET /late"]);
    let mut flow = Flow::begin(&rules, asks("GET /old", &[]));
    let mut around = Quiet::new();
    assert!(matches!(flow.next(&mut around), Next::Route) && flow.case().moved);
    let mut flow = Flow::begin(&rules, asks("GET /", &[]));
    assert!(matches!(flow.next(&mut around), Next::Route) && !flow.case().moved);
    // Nothing goes on before the driver has said so.
    assert!(matches!(flow.next(&mut around), Next::Route));
}

#[test]
fn the_backend_is_asked_for_what_its_own_rules_wrote() {
    let rules = vcl(
        "sub vcl_backend_fetch { set bereq.url = \"/inner\" + bereq.url; set bereq.http.X = \"1\"; unset bereq.http.Cookie; set bereq.first_byte_timeout = 7s; }\n\
         sub vcl_deliver { set resp.http.Url = req.url; set resp.http.Cookie-Seen = req.http.Cookie; }",
    );
    let mut flow = Flow::begin(&rules, asks("POST /x", &[("cookie", "a=1")]));
    let mut around = Quiet::new();
    assert!(matches!(flow.next(&mut around), Next::Route));
    flow.routed(Choice::Backend(BackendId(1)));
    assert!(matches!(flow.next(&mut around), Next::Fetch));
    assert!(flow.case().sent_elsewhere);
    let errand = flow.errand().unwrap();
    assert_eq!((errand.backend, errand.question.url.as_bytes()), (BackendId(1), &b"/inner/x"[..]));
    assert_eq!(errand.question.headers.get("cookie"), None);
    assert_eq!((errand.patience.first_byte, errand.with_body), (Some(7.0), true));
    flow.answered(ok());
    assert!(matches!(flow.next(&mut around), Next::Deliver));
    let resp = flow.case().resp.as_ref().unwrap();
    assert_eq!(
        (resp.headers["url"].as_bytes(), resp.headers["cookie-seen"].as_bytes()),
        (&b"/x"[..], &b"a=1"[..])
    );
}

#[test]
fn the_body_of_a_get_stays_here_in_vcl() {
    for (line, goes_along) in [("GET /", false), ("POST /", true)] {
        let rules = vcl("");
        let mut flow = Flow::begin(&rules, asks(line, &[]));
        let mut around = Quiet::new();
        assert!(matches!(flow.next(&mut around), Next::Route));
        flow.routed(Choice::Backend(BackendId(0)));
        assert!(matches!(flow.next(&mut around), Next::Fetch));
        assert_eq!(flow.errand().unwrap().with_body, goes_along, "{line}");
    }
}

#[test]
fn four_reasons_not_to_keep_an_answer() {
    let rules =
        vcl("sub vcl_deliver { set resp.http.Kept = obj.uncacheable + \" \" + obj.ttl + \" \" + obj.hits; }");
    for (fields, kept) in [
        (&[("cache-control", "max-age=60")][..], "false 60.000 0"),
        (&[], "false 120.000 0"),
        (&[("cache-control", "max-age=0")], "true 120.000 0"),
        (&[("cache-control", "max-age=60"), ("set-cookie", "a=1")], "true 120.000 0"),
        (&[("cache-control", "private, max-age=60")], "true 120.000 0"),
        (&[("surrogate-control", "no-store")], "true 120.000 0"),
        (&[("surrogate-control", "max-age=5"), ("cache-control", "no-store")], "false 120.000 0"),
        (&[("vary", "*")], "true 120.000 0"),
        (&[("vary", "Accept")], "false 120.000 0"),
    ] {
        let reply = Ok(Reply::of_backend(200, None, Version::HTTP_11, headers(fields)));
        let went = drive(&rules, asks("GET /", &[]), Quiet::new(), vec![reply]);
        assert_eq!(went.resp("kept"), kept, "{fields:?}");
    }
    // What is passed is never kept.
    assert_eq!(goes(&rules, "POST /", &[]).resp("kept"), "true 0.000 0");
}

#[test]
fn what_rules_wish_of_a_cache_is_kept_as_data() {
    let rules = vcl(
        "sub vcl_recv { set req.hash_always_miss = true; set req.grace = 10s; ban(\"req.url ~ /x\"); return (hash); }\n\
         sub vcl_hash { hash_data(\"more\"); }\n\
         sub vcl_backend_response { set beresp.ttl = 5m; set beresp.grace = 1h; set beresp.keep = 1d; set beresp.do_esi = true; set beresp.uncacheable = true; set beresp.uncacheable = false; return (deliver); }",
    );
    let went = goes(&rules, "GET /", &[]);
    let life = &went.case.resp.as_ref().unwrap().life;
    assert_eq!(
        (life.ttl, life.grace, life.keep, life.do_esi, life.uncacheable),
        (300.0, 3600.0, 86_400.0, true, true)
    );
    assert!(went.case.wishes.hash_always_miss);
    assert_eq!(went.case.wishes.grace, Some(10.0));
    assert_eq!(went.case.bans, ["req.url ~ /x"]);
    assert_eq!(went.case.hash, ["more", "/", "www.test"]);
}

#[test]
fn what_nobody_reads_later_is_moved() {
    let needs = |subs: &str| {
        let needs = vcl(subs).needs;
        (needs.req_later, needs.bereq_later, needs.rollback, needs.groups)
    };
    assert_eq!(
        needs("sub vcl_recv { set req.http.X = req.url; return (pass); }"),
        (false, false, false, false)
    );
    assert_eq!(needs("sub vcl_deliver { set resp.http.X = req.url; }"), (true, false, false, false));
    assert_eq!(needs("sub vcl_deliver { return (restart); }"), (true, false, false, false));
    assert_eq!(
        needs("sub vcl_backend_response { set beresp.http.X = bereq.url; }"),
        (false, true, false, false)
    );
    assert_eq!(needs("sub vcl_backend_error { return (retry); }"), (false, true, false, false));
    assert_eq!(needs("sub vcl_recv { std.rollback(req); }"), (true, false, true, false));
}

#[test]
fn a_rollback_gives_the_request_back_as_it_came() {
    let rules = vcl(
        "sub vcl_recv { set req.url = \"/other\"; set req.http.X = \"1\"; std.rollback(req); return (pass); }",
    );
    let went = goes(&rules, "GET /x", &[]);
    assert_eq!((went.asked, went.case.req.headers.get("x")), (vec!["a GET /x".to_owned()], None));
}

#[test]
fn fastly_has_an_order_of_its_own() {
    let rules = fastly("");
    assert_eq!(
        goes(&rules, "GET /", &[]).way(),
        "recv>lookup hash>lookup miss>fetch backend_response>deliver deliver>deliver log>deliver"
    );
    assert_eq!(
        goes(&rules, "POST /", &[]).way(),
        "recv>pass hash>lookup pass>pass backend_response>deliver deliver>deliver log>deliver"
    );
    let rules = fastly(
        "sub vcl_recv {\n#FASTLY recv\n if (req.url == \"/e\") { error 601 \"own\"; } return (lookup); }\n\
         sub vcl_miss {\n#FASTLY miss\n set bereq.http.X = \"1\"; return (fetch); }\n\
         sub vcl_fetch {\n#FASTLY fetch\n if (beresp.status == 503 && req.restarts < 1) { restart; } return (deliver); }\n\
         sub vcl_error {\n#FASTLY error\n if (obj.status == 601) { set obj.status = 200; set obj.http.Content-Type = \"text/plain\"; synthetic \"hello\"; } return (deliver); }",
    );
    let went = goes(&rules, "GET /e", &[]);
    assert_eq!(
        (went.status(), went.resp("content-type"), went.body()),
        (200, "text/plain", &ReplyBody::Text("hello".into()))
    );
    let sick = Ok(Reply::of_backend(503, None, Version::HTTP_11, HeaderMap::new()));
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), vec![sick]);
    assert_eq!((went.asked.len(), went.case.restarts, went.status()), (2, 1, 200));
    let went = drive(&rules, asks("GET /", &[]), Quiet::new(), vec![Err(Cause::Refused)]);
    assert_eq!(went.status(), 503);
    assert!(went.way().contains("synth>deliver"), "{}", went.way());
}
