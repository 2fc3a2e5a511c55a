//! What visitors see when something is wrong: in their language, in the site's own words, in the place of what a
//! backend says by itself.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use doorward::settings::Doors;

use super::stage::{Folder, OldServer, Stage, closed_port};

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

fn asking(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: www.test\r\n{more}\r\n")
}

#[test]
fn a_fault_is_told_in_the_visitors_language_with_the_way_to_the_status_page() {
    // Asked so often that it would be left alone.
    let down = format!("backend down {{ .url = \"http://{}\"; .failures_max = 0; }}", closed_port());
    let stage =
        Stage::with(".status = \"https://status.test/?a&b\"; route \"/\" { .backend = down; }", &down);
    let mut visitor = stage.visitor();
    for (accepted, language, said) in [
        ("", "en", "This part of the site is not running"),
        ("Accept-Language: de-AT,de;q=0.9,en;q=0.5\r\n", "de", "Dieser Teil der Website läuft gerade nicht"),
        ("Accept-Language: pl,fr;q=0.2\r\n", "fr", "Cette partie du site est à l’arrêt"),
        ("Accept-Language: es-419\r\n", "es", "Esta parte del sitio no está en marcha"),
        ("Accept-Language: pl\r\n", "en", "This part of the site is not running"),
    ] {
        let reply = visitor.ask(&asking("GET", "/", &format!("{BROWSER}{accepted}")));
        assert_eq!((reply.status, reply.header("content-language")), (503, Some(language)), "{accepted}");
        assert_eq!(reply.header("vary"), Some("accept, accept-language"));
        assert_eq!(reply.header("retry-after"), Some("30"));
        let page = reply.text();
        assert!(page.contains(&format!("<h1>{said}</h1>")), "{page}");
        assert!(page.contains("<a href=\"https://status.test/?a&amp;b\">"), "{page}");
        assert!(page.contains(reply.header("x-request-id").expect("an id")), "{page}");
    }
    let reply = visitor.ask(&asking("GET", "/", "Accept: application/problem+json\r\n"));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let json: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(json["status"], 503);
    assert_eq!((&json["cause"], &json["site"]), (&"refused".into(), &"www.test".into()));
    assert_eq!((&json["title"], &json["type"]), (&"Service Unavailable".into(), &"about:blank".into()));
    assert_eq!(json["instance"], reply.header("x-request-id").expect("an id"));
    assert_eq!(json["status_page"], "https://status.test/?a&b");
    let reply = visitor.ask(&asking("PROPFIND", "/", "Accept-Language: de\r\n"));
    assert!(
        reply.text().contains("is not running. See https://status.test/?a&b (refused, "),
        "{}",
        reply.text()
    );
    let head = visitor.ask(&asking("HEAD", "/", BROWSER));
    assert!(head.body.is_empty() && head.header("content-language") == Some("en"));
}

#[test]
fn a_site_may_have_faults_told_apart_by_status() {
    let server = OldServer::playing(|connection| {
        if connection.request().is_some() {
            connection.write(b"what?\r\n\r\n");
        }
    });
    let site = |settings: &str| {
        format!(
            "site \"www.test\" {{ {settings} route \"/\" {{ .backend = old; }} }}\n{}",
            server.declared("old")
        )
    };
    let status = |stage: &Stage| stage.visitor().get("/").status;
    assert_eq!(status(&Stage::raw("", &site(""))), 503);
    assert_eq!(status(&Stage::raw("", &site(".fault_status = by_cause;"))), 502);
    // Rules are told the same, and may say another.
    let seen = "sub vcl_backend_error { set beresp.http.X-Status = beresp.status; }";
    let stage = Stage::raw("", &format!("{}\n{seen}", site(".fault_status = by_cause;")));
    let reply = stage.visitor().get("/");
    assert_eq!((reply.status, reply.header("x-status")), (502, Some("502")));
    let other = "sub vcl_backend_error { set beresp.status = 504; }";
    assert_eq!(status(&Stage::raw("", &format!("{}\n{other}", site("")))), 504);
}

fn with_pages(page: &str) -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("pages")).expect("a folder of pages");
    folder.write("pages/connection-refused.html", page);
    let site = format!(
        "site \"www.test\" {{ .pages = \"pages\"; route \"/\" {{ .backend = down; }} }}\nbackend down {{ .url = \"http://{}\"; }}",
        closed_port()
    );
    folder.write("main.vcl", &Stage::text("", &site));
    folder
}

#[test]
fn a_sites_own_pages_are_read_with_the_rules_and_kept() {
    let stage = Stage::open(with_pages("<html lang=\"cs\"><style>b{color:red}</style>\nOurs {id}\n{note}\n"));
    let ask = || stage.visitor().ask(&asking("GET", "/", &format!("{BROWSER}Accept-Language: de\r\n")));
    let reply = ask();
    let id = reply.header("x-request-id").expect("an id").to_owned();
    assert_eq!(reply.text(), format!("<html lang=\"cs\"><style>b{{color:red}}</style>\nOurs {id}\n"));
    assert_eq!(reply.header("content-language"), Some("cs"));
    // What its style hashes to, as `openssl dgst -sha256 -binary | base64` says.
    assert!(
        reply.header("content-security-policy").expect("a policy").contains("style-src 'sha256-"),
        "{:?}",
        reply.headers
    );
    // The disk may go away.
    fs::remove_dir_all(stage.folder.0.join("pages")).expect("the pages go");
    assert!(ask().text().contains("Ours"));
    // A reload that can't have them changes nothing.
    let told = stage.running().reload();
    assert!(!told.done && told.text.contains("site www.test: the folder of its pages"), "{}", told.text);
    assert!(ask().text().contains("Ours"));
    fs::create_dir(stage.folder.0.join("pages")).expect("a folder of pages");
    stage.folder.write("pages/connection-refused.html", "<html lang=\"cs\">Other {id}");
    assert!(stage.running().reload().done);
    assert!(ask().text().contains("Other"));
}

#[test]
fn pages_that_cannot_be_taken_stop_the_start() {
    let folder = with_pages("<script>{id}</script>");
    let rules = fs::read_to_string(folder.0.join("main.vcl")).expect("the rules");
    let rules = rules.replace("\"pages\"", &format!("\"{}\"", folder.0.join("pages").display()));
    let told = Stage::refused(&rules, Doors::default());
    assert!(told.contains("connection-refused.html holds a script"), "{told}");
}

/// A server whose answers are its own faults.
fn failing() -> OldServer {
    OldServer::answering(|asked| {
        let path = asked.line.split(' ').nth(1).unwrap_or_default();
        let status = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let body = "<h1>Traceback (most recent call last)</h1>";
        let body = if asked.line.starts_with("HEAD") { "" } else { body };
        format!(
            "HTTP/1.1 {status} Oops\r\nContent-Type: text/html\r\nServer: Old/1.0\r\nSet-Cookie: a=1\r\nRetry-After: 77\r\nX-Trace: secret\r\nContent-Length: 42\r\n\r\n{body}"
        )
        .into_bytes()
    })
}

#[test]
fn our_page_takes_the_place_of_a_backends_own() {
    let server = failing();
    let routes =
        "route \"/\" { .backend = old; .replace_errors = yes; } route \"/as-it-is\" { .backend = old; }
         route \"/500/svn\" { .backend = old; .replace_errors = yes; .serves = subversion; }";
    for rules in ["", "sub vcl_deliver { set resp.http.X-Rules = resp.status; }"] {
        let mut stage = Stage::with(routes, &format!("{}\n{rules}", server.declared("old")));
        let mut visitor = stage.visitor();
        for status in [500, 503, 599] {
            let reply = visitor.ask(&asking(
                "GET",
                &format!("/{status}"),
                &format!("{BROWSER}Accept-Language: de\r\n"),
            ));
            assert_eq!(reply.status, status);
            let page = reply.text();
            assert!(
                page.contains("<h1>In diesem Teil der Website ist ein Fehler aufgetreten</h1>"),
                "{page}"
            );
            assert!(page.contains("in 77 Sekunden") && !page.contains("Traceback"), "{page}");
            for (name, value) in [
                ("retry-after", Some("77")),
                ("set-cookie", Some("a=1")),
                ("server", None),
                ("x-trace", None),
                ("content-type", Some("text/html; charset=utf-8")),
                ("cache-control", Some("no-store")),
            ] {
                assert_eq!(reply.header(name), value, "{name} with {rules:?}");
            }
            assert_eq!(reply.header("x-rules").is_some(), !rules.is_empty());
        }
        let reply = visitor.ask(&asking("GET", "/500", "Accept: application/json\r\n"));
        assert_eq!((reply.status, reply.header("content-type")), (500, Some("application/problem+json")));
        assert!(reply.text().contains("\"cause\":\"backend_error\""), "{}", reply.text());
        let reply = visitor.ask(&asking("HEAD", "/500", BROWSER));
        assert!(reply.status == 500 && reply.body.is_empty() && reply.header("server").is_none());
        // What is no fault of a server's stays as it is, and so does what a program reads.
        for (method, path, more) in [
            ("GET", "/404", BROWSER),
            ("GET", "/200", BROWSER),
            ("GET", "/500/svn", ""),
            ("REPORT", "/500/svn", ""),
        ] {
            let reply = visitor.ask(&asking(method, path, more));
            assert_eq!(reply.header("server"), Some("Old/1.0"), "{method} {path}");
            assert!(reply.text().contains("Traceback"), "{method} {path}");
        }
        let line = visitor.ask(&asking("GET", "/500", ""));
        assert!(
            line.text().starts_with("500 Internal Server Error: ") && line.text().contains("backend_error")
        );
        drop(visitor);
        stage.close();
        let errors = stage.log("www.test", "error");
        assert_eq!(errors.matches("cause=backend_error").count(), 6, "{errors}");
        assert!(errors.contains("it answered 599"), "{errors}");
    }
}

#[test]
fn rules_may_ask_again_before_our_page_is_made() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let server = OldServer::answering(|_| {
        let first = ASKED.fetch_add(1, Ordering::SeqCst) == 0;
        let status = if first { "500 Oops" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi").into_bytes()
    });
    let stage = Stage::with(
        "route \"/\" { .backend = old; .replace_errors = yes; }",
        &format!(
            "{}\nsub vcl_backend_response {{ if (beresp.status >= 500 && bereq.retries == 0) {{ return (retry); }} }}",
            server.declared("old")
        ),
    );
    let reply = stage.visitor().get("/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "hi"));
}
