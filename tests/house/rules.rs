//! Rules on real requests: what they may change, what stays as it is whatever they write.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use doorward::settings::Doors;

use super::stage::{OldServer, Stage, closed_port, ok};
use super::tools::until;

/// One site with two routes: everybody's, and one that nobody may open.
fn two_doors(server: &OldServer, rules: &str) -> Stage {
    Stage::with(
        "route \"/\" { .backend = old; }\nroute \"/private/\" { .backend = old; .allow = nobody; }",
        &format!("{}\n{rules}", server.declared("old")),
    )
}

fn one_door(server: &OldServer, rules: &str) -> Stage {
    Stage::with("route \"/\" { .backend = old; }", &format!("{}\n{rules}", server.declared("old")))
}

#[test]
fn access_is_judged_on_what_vcl_recv_made_of_the_request() {
    let server = OldServer::saying("hello");
    let stage = two_doors(
        &server,
        r#"sub vcl_recv {
            if (req.url == "/open") { set req.url = "/private/page"; }
            if (req.url == "/private/open") { set req.url = "/other?a=b"; }
            if (req.url == "/sly") { set req.url = "/x/..//%70rivate/page"; }
            if (req.url == "/broken") { set req.url = "/%2e%2e/../up"; }
        }"#,
    );
    for (path, status) in [("/open", 403), ("/sly", 403), ("/private/page", 403), ("/broken", 400)] {
        let reply = stage.visitor().get(path);
        assert_eq!(reply.status, status, "{path}");
    }
    assert!(server.heard_nothing(), "a refused request reached the backend");
    assert_eq!(stage.visitor().get("/private/open").status, 200);
    assert_eq!(server.heard().line, "GET /other?a=b HTTP/1.1");
}

#[test]
fn what_is_sent_to_the_backend_is_judged_again() {
    let server = OldServer::saying("hello");
    let mut stage = two_doors(
        &server,
        r#"sub vcl_backend_fetch {
            if (bereq.url == "/trick") { set bereq.url = "/private/page"; }
            if (bereq.url == "/plain") { set bereq.url = "/a/./b?c"; }
        }"#,
    );
    let reply = stage.visitor().get("/trick");
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("denied"), "{}", reply.text());
    assert!(server.heard_nothing());
    assert_eq!(stage.visitor().get("/plain").status, 200);
    assert_eq!(server.heard().line, "GET /a/b?c HTTP/1.1");
    let errors = stage.log("www.test", "error");
    assert!(errors.contains("cause=denied") && errors.contains("/private/"), "{errors}");
}

#[test]
fn a_method_that_rules_made_a_write_is_judged_as_one() {
    let server = OldServer::saying("hello");
    let stage = Stage::with(
        "route \"/\" { .backend = old; .read = anyone; .write = nobody; }",
        &format!(
            "{}\nsub vcl_recv {{ if (req.url == \"/put\") {{ set req.method = \"PUT\"; return (pass); }} }}\n\
             sub vcl_backend_fetch {{ if (bereq.url == \"/delete\") {{ set bereq.method = \"DELETE\"; }} }}",
            server.declared("old")
        ),
    );
    assert_eq!(stage.visitor().get("/read").status, 200);
    server.heard();
    for path in ["/put", "/delete"] {
        assert_eq!(stage.visitor().get(path).status, 403, "{path}");
    }
    assert!(server.heard_nothing());
}

#[test]
fn rules_answer_by_themselves() {
    let server = OldServer::saying("hello");
    let mut stage = one_door(
        &server,
        r#"sub vcl_recv {
            if (req.url == "/teapot") { return (synth(418, "Short and stout")); }
            if (req.url == "/moved") { return (synth(301)); }
            if (req.url == "/text") { return (synth(200, "Fine")); }
            if (req.url == "/odd") { return (synth(12404)); }
        }
        sub vcl_synth {
            set resp.http.X-Said-By = "rules";
            if (resp.status == 301) { set resp.http.Location = "https://www.test/there"; return (deliver); }
            if (req.url == "/text") {
                set resp.http.Content-Type = "text/plain";
                set resp.http.Content-Length = "7";
                synthetic("as " + "written");
            }
            return (deliver);
        }"#,
    );
    let mut visitor = stage.visitor();
    let reply = visitor.get("/teapot");
    assert_eq!((reply.status, reply.reason.as_str()), (418, "Short and stout"));
    assert_eq!(reply.header("x-said-by"), Some("rules"));
    assert!(reply.text().contains("Short and stout"), "{}", reply.text());
    let page = visitor
        .ask("GET /teapot HTTP/1.1\r\nHost: www.test\r\nAccept: text/html\r\nUser-Agent: Firefox\r\n\r\n");
    assert!(page.text().contains("<html") && page.text().contains("Short and stout"), "{}", page.text());
    let reply = visitor.get("/moved");
    assert_eq!((reply.status, reply.header("location")), (301, Some("https://www.test/there")));
    let reply = visitor.get("/text");
    assert_eq!((reply.status, reply.text().as_str()), (200, "as written"));
    assert_eq!(
        (reply.header("content-length"), reply.header("content-type")),
        (Some("10"), Some("text/plain"))
    );
    let head = visitor.ask("HEAD /text HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    // The connection goes on: nothing of a body came behind the head.
    assert_eq!(visitor.get("/odd").status, 404);
    assert!(server.heard_nothing());
    let visits = stage.log("www.test", "access");
    assert_eq!(visits.lines().count(), 6, "{visits}");
    assert!(!visits.contains("cause="), "an answer of rules is no fault: {visits}");
}

#[test]
fn rules_edit_headers_but_not_who_the_visitor_is_nor_how_a_body_is_framed() {
    let server = OldServer::answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: Old/1\r\nX-Inner: 1\r\n\r\nhello".to_vec()
    });
    let stage = one_door(
        &server,
        r#"sub vcl_recv {
            set req.http.X-Added = req.http.User-Agent + "!";
            unset req.http.X-Removed;
            set req.http.X-Forwarded-For = "198.51.100.9";
            set req.http.X-Forwarded-User = req.http.X-Name;
            set req.http.Remote-User = req.http.X-Name;
            set req.http.X_Real_IP = "198.51.100.9";
            set req.http.Connection = "close, X-Added";
            set req.http.Transfer-Encoding = "chunked";
            set req.http.Upgrade = "h2c";
        }
        sub vcl_backend_fetch { set bereq.http.Content-Length = "100"; set bereq.http.Host = "inner.test:81"; }
        sub vcl_deliver {
            unset resp.http.Server;
            set resp.http.X-Outer = resp.http.X-Inner + "2";
            set resp.http.Content-Length = "1";
            set resp.http.Transfer-Encoding = "chunked";
            set resp.http.Connection = "close";
            set resp.status = 203;
            set resp.reason = "Well";
        }"#,
    );
    let mut visitor = stage.visitor();
    for _ in 0..2 {
        let reply = visitor.ask(
            "GET / HTTP/1.1\r\nHost: www.test\r\nUser-Agent: me\r\nX-Removed: 1\r\nX-Name: root\r\nRemote-User: root\r\n\r\n",
        );
        assert_eq!((reply.status, reply.reason.as_str(), reply.text().as_str()), (203, "Well", "hello"));
        assert_eq!((reply.header("server"), reply.header("x-outer")), (None, Some("12")));
        assert_eq!((reply.header("content-length"), reply.header("transfer-encoding")), (Some("5"), None));
        assert_eq!(reply.header("connection"), None);
        let asked = server.heard();
        assert_eq!((asked.header("x-added"), asked.header("x-removed")), (Some("me!"), None));
        assert_eq!(
            (asked.header("host"), asked.header("x-forwarded-host")),
            (Some("inner.test:81"), Some("www.test"))
        );
        for name in
            ["remote-user", "x-forwarded-user", "x_real_ip", "connection", "transfer-encoding", "upgrade"]
        {
            assert_eq!(asked.header(name), None, "{name}");
        }
        assert_eq!(asked.header("content-length"), None);
        let shown = asked.header("x-forwarded-for").expect("a pseudonym");
        assert!(shown.starts_with("fd"), "{shown}");
    }
}

#[test]
fn a_host_that_rules_write_is_read_and_leads_to_its_site() {
    let (server, other) = (OldServer::saying("one"), OldServer::saying("two"));
    let stage = Stage::raw(
        "",
        &format!(
            "site \"www.test\" {{ route \"/\" {{ .backend = one; }} }}\n\
             site \"other.test\" {{ route \"/\" {{ .backend = two; }} route \"/closed/\" {{ .backend = two; .allow = nobody; }} }}\n\
             {}{}\nsub vcl_recv {{\n\
             if (req.http.X-Where) {{ set req.http.Host = req.http.X-Where; }}\n}}",
            server.declared("one"),
            other.declared("two")
        ),
    );
    let ask = |path: &str, host: &str| {
        stage.visitor().ask(&format!("GET {path} HTTP/1.1\r\nHost: www.test\r\nX-Where: {host}\r\n\r\n"))
    };
    assert_eq!(ask("/", "Other.test").text(), "two");
    assert_eq!(other.heard().header("host"), Some("Other.test"));
    assert_eq!(ask("/closed/x", "other.test").status, 403);
    assert_eq!(ask("/", "two words").status, 400);
    // A name that no site has is for the backend alone.
    assert_eq!(ask("/closed/x", "inner.example").text(), "one");
    assert_eq!(server.heard().header("host"), Some("inner.example"));
    assert!(other.heard_nothing() && server.heard_nothing());
}

#[test]
fn rules_lead_nobody_into_a_closed_site() {
    let (server, other) = (OldServer::saying("one"), OldServer::saying("two"));
    let stage = Stage::raw(
        "",
        &format!(
            "site \"www.test\" {{ route \"/\" {{ .backend = one; }} }}\n\
             site \"other.test\" {{ .maintenance = yes; route \"/\" {{ .backend = two; }} }}\n\
             {}{}\nsub vcl_recv {{\n\
             if (req.url == \"/there\") {{ set req.http.Host = \"other.test\"; set req.backend_hint = two; }}\n}}\n\
             sub vcl_backend_fetch {{\n\
             if (bereq.url == \"/late\") {{ set bereq.http.Host = \"other.test\"; set bereq.url = \"/late/r\"; }}\n}}",
            server.declared("one"),
            other.declared("two")
        ),
    );
    for path in ["/there", "/late"] {
        let reply = stage.visitor().get(path);
        assert_eq!(reply.status, 503, "{path}");
        assert!(reply.text().contains("maintenance"), "{path}: {}", reply.text());
    }
    assert_eq!(stage.visitor().get("/").text(), "one");
    assert!(other.heard_nothing() && server.heard().line.starts_with("GET / "));
}

#[test]
fn rules_choose_the_backend_and_directors_take_turns() {
    let (one, two) = (OldServer::saying("one"), OldServer::saying("two"));
    let stage = Stage::with(
        "route \"/\" { .backend = one; }",
        &format!(
            "{}{}\nsub vcl_init {{ new both = directors.round_robin(); both.add_backend(one); both.add_backend(two); }}\n\
             sub vcl_recv {{\n\
             if (req.url ~ \"^/both\") {{ set req.backend_hint = both.backend(); }}\n\
             if (req.url == \"/two\") {{ set req.backend_hint = two; }}\n}}",
            one.declared("one"),
            two.declared("two")
        ),
    );
    let mut visitor = stage.visitor();
    assert_eq!(visitor.get("/").text(), "one");
    assert_eq!(visitor.get("/two").text(), "two");
    let mut turns: Vec<String> = (0..4).map(|_| visitor.get("/both").text()).collect();
    assert_ne!(turns[0], turns[1], "{turns:?}");
    assert_eq!((&turns[0], &turns[1]), (&turns[2], &turns[3]));
    turns.sort();
    assert_eq!(turns, ["one", "one", "two", "two"]);
}

#[test]
fn a_sick_backend_is_left_alone_and_the_next_one_asked() {
    let well = Arc::new(AtomicBool::new(true));
    let says = Arc::clone(&well);
    let first = OldServer::playing(move |connection| {
        while let Some(asked) = connection.request() {
            let probe = asked.line.starts_with("GET /probe ");
            if probe && !says.load(Ordering::SeqCst) {
                connection.write(b"HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n");
            } else {
                connection.write(&ok("first"));
            }
            if probe {
                // A probe waits for the end of its answer.
                return;
            }
        }
    });
    let second = OldServer::saying("second");
    let stage = Stage::with(
        "route \"/\" { .backend = first; }",
        &format!(
            "probe alive {{ .url = \"/probe\"; .interval = 20ms; .timeout = 2s; .window = 2; .threshold = 2; .initial = 2; }}\n\
             {}{}\nsub vcl_init {{ new way = directors.fallback(); way.add_backend(first); way.add_backend(second); }}\n\
             sub vcl_recv {{ if (req.url == \"/way\") {{ set req.backend_hint = way.backend(); }} }}",
            first.declared_with("first", ".probe = alive;"),
            second.declared("second")
        ),
    );
    assert_eq!(stage.visitor().get("/way").text(), "first");
    assert!(stage.running().status().text.contains("backend first: healthy"));
    well.store(false, Ordering::SeqCst);
    until("the backend is sick", || stage.running().status().text.contains("backend first: sick"));
    assert_eq!(stage.visitor().get("/way").text(), "second");
    let page = stage.visitor().get("/");
    assert_eq!(page.status, 503);
    assert!(page.text().contains("unhealthy"), "{}", page.text());
    well.store(true, Ordering::SeqCst);
    until("the backend is healthy", || stage.running().status().text.contains("backend first: healthy"));
    assert_eq!(stage.visitor().get("/way").text(), "first");
}

#[test]
fn a_sick_backend_has_a_page_without_rules_too() {
    let server = OldServer::saying("hello");
    let down = closed_port();
    let stage = Stage::with(
        "route \"/\" { .backend = old; }\nroute \"/well/\" { .backend = well; }",
        &format!(
            "backend old {{ .url = \"http://{down}\"; .probe = {{ .interval = 1h; }} }}\n{}",
            server.declared("well")
        ),
    );
    let page = stage.visitor().get("/");
    assert_eq!((page.status, page.header("retry-after")), (503, Some("30")));
    assert!(page.text().contains("unhealthy"), "{}", page.text());
    assert_eq!(stage.visitor().get("/well/").text(), "hello");
}

#[test]
fn a_visit_that_failed_begins_again_elsewhere() {
    let broken = OldServer::answering(|_| b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nsick".to_vec());
    let spare = OldServer::saying("spare");
    let mut stage = Stage::with(
        "route \"/\" { .backend = broken; }",
        &format!(
            "{}{}\nsub vcl_recv {{ if (req.restarts > 0 && req.url != \"/circle\") {{ set req.backend_hint = spare; }} }}\n\
             sub vcl_deliver {{ if (resp.status == 503) {{ return (restart); }} }}",
            broken.declared("broken"),
            spare.declared("spare")
        ),
    );
    let mut visitor = stage.visitor();
    let reply = visitor.get("/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "spare"));
    assert_eq!((broken.heard().line, spare.heard().line), ("GET / HTTP/1.1".into(), "GET / HTTP/1.1".into()));
    // In a circle: five times in all, then the rules are told that it is enough.
    assert!(visitor.get("/circle").status >= 500);
    for _ in 0..5 {
        broken.heard();
    }
    assert!(broken.heard_nothing());
    // What was sent of a body can't be sent again.
    let reply = visitor.ask("POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((reply.status, broken.heard().body), (500, b"hello".to_vec()));
    assert!(spare.heard_nothing());
    assert_eq!(visitor.get("/").text(), "spare", "the connection goes on");
    let errors = stage.log("www.test", "error");
    assert!(errors.contains("too many restarts"), "{errors}");
    assert!(errors.contains("can't be sent again"), "{errors}");
}

#[test]
fn a_body_that_nobody_took_goes_to_the_next() {
    let down = closed_port();
    let spare = OldServer::saying("spare");
    let stage = Stage::with(
        "route \"/\" { .backend = down; }",
        &format!(
            "backend down {{ .url = \"http://{down}\"; }}\n{}\n\
             sub vcl_backend_error {{ if (bereq.retries == 0) {{ set bereq.backend = spare; return (retry); }} }}\n\
             sub vcl_backend_fetch {{ if (bereq.retries > 0) {{ set bereq.backend = spare; }} }}",
            spare.declared("spare")
        ),
    );
    let reply = stage.visitor().ask("POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((reply.status, reply.text().as_str()), (200, "spare"));
    assert_eq!(spare.heard().body, b"hello");
}

#[test]
fn a_body_that_is_too_large_is_no_failure_of_the_backend() {
    let server = OldServer::saying("page");
    let stage = Stage::with(
        "route \"/\" { .backend = old; .body_bytes_max = 4B; }",
        &format!(
            "{}\nsub vcl_backend_error {{ set beresp.status = 200; }}\n\
             sub vcl_synth {{ set resp.http.X-Cause = cause; }}",
            server.declared("old")
        ),
    );
    let said = "POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello";
    let counted =
        "POST / HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for sent in [said, counted] {
        let reply = stage.visitor().ask(sent);
        assert_eq!((reply.status, reply.header("x-cause")), (413, Some("body_too_large")), "{sent}");
    }
}

#[test]
fn the_backend_is_asked_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let server = OldServer::answering(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno".to_vec(),
        _ => ok("at last"),
    });
    let mut stage =
        one_door(&server, "sub vcl_backend_response { if (beresp.status == 500) { return (retry); } }");
    assert_eq!(stage.visitor().get("/").text(), "at last");
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let visits = stage.log("www.test", "access");
    assert!(visits.contains("\" 200 ") && !visits.contains("cause="), "{visits}");
}

#[test]
fn one_request_has_its_own_clock() {
    let server = OldServer::playing(|connection| {
        connection.request();
        let mut rest = Vec::new();
        let _ = connection.stream.read_to_end(&mut rest);
    });
    let stage = one_door(
        &server,
        "sub vcl_backend_fetch { if (bereq.url == \"/soon\") { set bereq.first_byte_timeout = 50ms; } }",
    );
    let reply = stage.visitor().get("/soon");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("first_byte_timeout"), "{}", reply.text());
}

#[test]
fn a_backend_that_is_busy_to_its_limit_has_a_page() {
    let server = OldServer::playing(|connection| {
        connection.request();
        // Held until the visitor leaves.
        let mut rest = Vec::new();
        let _ = connection.stream.read_to_end(&mut rest);
    });
    let stage =
        Stage::with("route \"/\" { .backend = old; }", &server.declared_with("old", ".max_connections = 1;"));
    let mut first = stage.visitor();
    first.send("GET /held HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!(server.heard().line, "GET /held HTTP/1.1");
    let page = stage.visitor().get("/");
    assert_eq!((page.status, page.header("retry-after")), (503, Some("10")));
    assert!(page.text().contains("max_connections"), "{}", page.text());
    assert!(server.heard_nothing());
}

#[test]
fn a_plain_vcl_file_is_served_for_any_host() {
    let server = OldServer::saying("hello");
    let stage = Stage::plain(&format!(
        "vcl 4.1;\nimport std;\nbackend default {{ .host = \"127.0.0.1\"; .port = \"{}\"; }}\n\
         sub vcl_recv {{ set req.url = std.tolower(req.url); }}\n\
         sub vcl_deliver {{ set resp.http.X-Cache = \"MISS\"; }}",
        server.address.port()
    ));
    for host in ["a.example", "B.example:8080", "127.0.0.1"] {
        let reply = stage.plain_visitor().ask(&format!("GET /UP HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!((reply.status, reply.text().as_str()), (200, "hello"), "{host}");
        assert_eq!(reply.header("x-cache"), Some("MISS"));
        let asked = server.heard();
        // As in Varnish, its own rules write the host in lower case.
        let told = host.to_lowercase();
        assert_eq!((asked.line.as_str(), asked.header("host")), ("GET /up HTTP/1.1", Some(&*told)));
        assert_eq!(asked.header("x-forwarded-host"), Some(host));
    }
}

#[test]
fn who_speaks_of_a_cache_is_told_once_that_there_is_none() {
    for (rules, told) in [
        ("sub vcl_backend_response { set beresp.ttl = 5m; }", true),
        ("sub vcl_recv { if (req.method == \"PURGE\") { return (purge); } }", true),
        ("sub vcl_deliver { set resp.http.X-Seen = \"yes\"; }", false),
    ] {
        let server = OldServer::saying("hello");
        let mut stage = one_door(&server, rules);
        for _ in 0..2 {
            assert_eq!(stage.visitor().get("/").text(), "hello");
        }
        let log = stage.log("", "doorward");
        assert_eq!(log.matches("every look-up is a miss").count(), usize::from(told), "{rules}: {log}");
    }
}

#[test]
fn flags_and_a_gateway_contradict_each_other() {
    let doors = Doors { http: Some(([127, 0, 0, 1], 0).into()), ..Doors::default() };
    let fault = Stage::refused("gateway { .state = \"state\"; }", doors);
    assert!(fault.contains("has a `gateway`"), "{fault}");
}

#[test]
fn rules_that_refuse_to_start_are_not_loaded() {
    let server = OldServer::saying("hello");
    let rules = |init: &str| {
        let site = "site \"www.test\" { route \"/\" { .backend = old; } }\n";
        Stage::text("", &format!("{site}{}\nsub vcl_init {{ {init} }}", server.declared("old")))
    };
    let fault = Stage::refused(&rules("return (fail);"), Doors::default());
    assert!(fault.contains("the rules do not start"), "{fault}");
    let folder = super::stage::Folder::new();
    folder.write("main.vcl", &rules("return (ok);"));
    let stage = Stage::open(folder);
    stage.folder.write("main.vcl", &rules("return (fail);"));
    let answer = stage.running().reload();
    assert!(!answer.done && answer.text.contains("the old rules go on"), "{}", answer.text);
    assert_eq!(stage.visitor().get("/").text(), "hello");
}

#[test]
fn what_rules_log_names_no_address() {
    let server = OldServer::saying("hello");
    let mut stage = one_door(
        &server,
        "import std;\nsub vcl_recv { std.log(\"seen \" + client.ip + \" at \" + req.url + \" from 203.0.113.77\"); }",
    );
    let reply = stage.visitor().get("/page");
    assert_eq!(reply.status, 200);
    let errors = stage.log("www.test", "error");
    let line = errors.lines().find(|line| line.contains("rule=\"seen ")).expect("the line of the rule");
    assert!(line.contains("at /page") && line.contains(" id="), "{line}");
    assert!(!errors.contains("127.0.0.1") && !errors.contains("203.0.113.77"), "{errors}");
}

#[test]
fn a_rule_that_fails_says_where_in_the_log_alone() {
    let server = OldServer::saying("hello");
    let mut stage = one_door(
        &server,
        "sub vcl_recv {\n if (req.url == \"/bad\") {\n  return (synth(std.integer(req.http.X-Status, 3)));\n }\n}",
    );
    assert_eq!(stage.visitor().get("/").text(), "hello");
    let reply = stage.visitor().get("/bad");
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("rule_fault"), "{}", reply.text());
    assert!(!reply.text().contains("main.vcl"), "{}", reply.text());
    let errors = stage.log("www.test", "error");
    assert!(errors.contains("cause=rule_fault") && errors.contains("main.vcl, line "), "{errors}");
}

#[test]
fn a_websocket_walks_by_the_rules() {
    let echo = OldServer::playing(|connection| {
        let Some(asked) = connection.request() else { return };
        assert_eq!(asked.header("upgrade"), Some("websocket"));
        connection.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        );
        let mut word = [0; 5];
        if connection.stream.read_exact(&mut word).is_ok() {
            connection.write(&word);
        }
    });
    let other = OldServer::saying("no socket");
    let stage = Stage::with(
        "route \"/\" { .backend = other; }\nroute \"/closed/\" { .backend = echo; .allow = nobody; }",
        &format!(
            "{}{}\nsub vcl_recv {{\n\
             if (req.http.Upgrade ~ \"(?i)websocket\" && req.url ~ \"^/piped\") {{ set req.backend_hint = echo; return (pipe); }}\n\
             if (req.http.Upgrade && req.url == \"/fetched\") {{ set req.backend_hint = echo; }}\n\
             if (req.url == \"/no\") {{ unset req.http.Upgrade; }}\n\
             if (req.url == \"/sly\") {{ set req.url = \"/closed/x\"; return (pipe); }}\n}}\n\
             sub vcl_pipe {{ set bereq.http.X-Piped = \"yes\"; if (bereq.url == \"/piped/sly\") {{ set bereq.url = \"/closed/y\"; }} }}",
            echo.declared("echo"),
            other.declared("other")
        ),
    );
    let ask = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: www.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    for (path, piped) in [("/piped", Some("yes")), ("/fetched", None)] {
        let mut visitor = stage.visitor();
        assert_eq!(visitor.ask(&ask(path)).status, 101, "{path}");
        visitor.stream.get_mut().write_all(b"hello").expect("the tunnel takes bytes");
        visitor.stream.get_mut().flush().expect("the tunnel takes bytes");
        let mut word = [0; 5];
        visitor.stream.read_exact(&mut word).expect("the echo");
        assert_eq!((&word, echo.heard().header("x-piped")), (b"hello", piped));
    }
    assert_eq!(stage.visitor().ask(&ask("/no")).text(), "no socket");
    assert_eq!(other.heard().header("upgrade"), None);
    for path in ["/sly", "/piped/sly"] {
        assert_eq!(stage.visitor().ask(&ask(path)).status, 403, "{path}");
    }
    assert!(echo.heard_nothing() && other.heard_nothing());
}

#[test]
fn errors_of_a_backend_are_told_in_the_rules_words_or_ours() {
    let down = closed_port();
    let mut stage = Stage::with(
        "route \"/\" { .backend = old; }",
        &format!(
            "backend old {{ .url = \"http://{down}\"; }}\n\
             sub vcl_backend_error {{\n\
             set beresp.http.X-Cause = cause;\n\
             if (bereq.url == \"/soon\") {{ set beresp.status = 200; synthetic(\"back soon\"); return (deliver); }}\n}}"
        ),
    );
    let reply = stage.visitor().get("/");
    assert_eq!((reply.status, reply.header("x-cause")), (503, Some("refused")));
    assert!(reply.text().contains("refused"), "{}", reply.text());
    let reply = stage.visitor().get("/soon");
    assert_eq!((reply.status, reply.text().as_str()), (200, "back soon"));
    let errors = stage.log("www.test", "error");
    assert_eq!(errors.matches("cause=refused").count(), 2, "{errors}");
}

#[test]
fn long_answers_pass_through_rules_as_they_come() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let server = OldServer::playing(move |connection| {
        connection.request();
        connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        // The rest comes when the visitor has read the beginning.
        let _ = gone.lock().expect("one connection").recv();
        connection.write(b"6\r\n world\r\n0\r\n\r\n");
    });
    let stage = one_door(&server, "sub vcl_deliver { set resp.http.X-Seen = \"yes\"; }");
    let mut visitor = stage.visitor();
    visitor.send("GET / HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let mut head = Vec::new();
    while !head.ends_with(b"hello") {
        let mut byte = [0];
        visitor.stream.read_exact(&mut byte).expect("the beginning");
        head.push(byte[0]);
    }
    assert!(String::from_utf8_lossy(&head).contains("x-seen: yes"));
    go.send(()).expect("the server waits");
    let mut rest = vec![0; 14];
    visitor.stream.read_exact(&mut rest).expect("the rest");
    assert!(String::from_utf8_lossy(&rest).contains(" world"), "{rest:?}");
}

#[test]
fn rules_know_our_own_end_of_a_connection() {
    let server = OldServer::saying("hello");
    let stage = one_door(
        &server,
        r#"sub vcl_deliver {
            set resp.http.X-Here = server.ip + " " + std.port(server.ip) + " " + local.endpoint;
            set resp.http.X-Name = client.tls.name + " " + client.tls.version;
            set resp.http.X-Machine = server.hostname;
        }"#,
    );
    let reply = stage.visitor().get("/");
    let here = stage.https();
    assert_eq!(reply.header("x-here"), Some(&*format!("127.0.0.1 {} {here}", here.port())));
    assert_eq!(reply.header("x-name"), Some("www.test TLSv1.3"));
    assert_ne!(reply.header("x-machine"), Some(""));
}
