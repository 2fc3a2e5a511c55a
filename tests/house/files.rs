//! Files, redirects, fixed answers and internal routes, through the wire.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use super::stage::{Folder, OldServer, Reply, Stage, ok};
use super::tools::figure;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A folder of files that changed long ago.
fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    for (name, text) in files {
        let path = folder.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
    }
    folder
}

fn route(path: &str, folder: &Folder, more: &str) -> String {
    format!("route \"{path}\" {{ .files = \"{}\"; {more} }}\n", folder.0.display())
}

#[test]
fn a_file_is_served_and_asked_for_again() {
    let files = folder(&[("a.css", "body{}"), ("docs/index.html", "<p>docs"), ("letters.txt", "abcdefghij")]);
    let mut stage = Stage::with(&route("/static/", &files, ".expires = 30d;"), "");
    let mut visitor = stage.visitor();
    let reply = visitor.get("/static/a.css");
    assert_eq!((reply.status, reply.text().as_str()), (200, "body{}"));
    assert_eq!(reply.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=2592000"));
    assert_eq!(reply.header("last-modified"), Some(DATE));
    let tag = reply.header("etag").unwrap().to_owned();
    // All on one connection: each answer ends where it says.
    let with = |method: &str, path: &str, fields: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: www.test\r\n{fields}\r\n")
    };
    let mut ask = |method: &str, path: &str, fields: &str| visitor.ask(&with(method, path, fields));
    let reply = ask("GET", "/static/a.css", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((reply.status, reply.header("etag"), reply.body.len()), (304, Some(tag.as_str()), 0));
    let reply = ask("HEAD", "/static/a.css", "");
    assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("6"), 0));
    let reply = ask("GET", "/static/letters.txt", "Range: bytes=2-4\r\n");
    assert_eq!((reply.status, reply.text().as_str()), (206, "cde"));
    assert_eq!(reply.header("content-range"), Some("bytes 2-4/10"));
    let reply = ask("GET", "/static/letters.txt", "Range: bytes=20-\r\n");
    assert_eq!((reply.status, reply.header("content-range")), (416, Some("bytes */10")));
    assert!(reply.text().contains("range"), "{}", reply.text());
    let reply = ask("GET", "/static/letters.txt", "If-Match: \"other\"\r\n");
    assert_eq!(reply.status, 412);
    let reply = ask("POST", "/static/a.css", "Content-Length: 3\r\n\r\nabc");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let reply = ask("OPTIONS", "/static/a.css", "");
    assert_eq!((reply.status, reply.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    let reply = ask("GET", "/static/docs?x=1", "");
    assert_eq!((reply.status, reply.header("location")), (301, Some("/static/docs/?x=1")));
    assert_eq!(ask("GET", "/static/docs/", "").text(), "<p>docs");
    assert_eq!(ask("GET", "/static", "").status, 404);
    assert_eq!(ask("GET", "/static/none", "").status, 404);
    let (errors, lines) = (stage.log("www.test", "error"), stage.log("www.test", "access"));
    for cause in ["cause=range", "cause=method_not_allowed", "cause=no_route"] {
        assert!(errors.contains(cause), "{cause}\n{errors}");
    }
    assert!(lines.contains("\" 304 ") && lines.contains("\" 206 3 "), "{lines}");
    assert!(!errors.contains(&files.0.display().to_string()), "{errors}");
}

#[test]
fn no_spelling_leaves_the_folder() {
    let files = folder(&[("root/a.txt", "a"), ("secret.txt", "secret"), ("root/.git/config", "hidden")]);
    symlink("../secret.txt", files.0.join("root/link")).unwrap();
    let root = Folder(files.0.join("root"));
    let stage = Stage::with(&route("/s/", &root, ".encoded_slash = keep;"), "");
    for path in [
        "/s/../secret.txt",
        "/s/%2e%2e/secret.txt",
        "/s/..%2fsecret.txt",
        "/s/x%2f..%2f..%2fsecret.txt",
        "/s//../../secret.txt",
        "/s/..%5csecret.txt",
        "/s/a.txt%00",
        "/s/link",
        "/s/.git/config",
        "/s/%2egit/config",
        "/s/./.git/config",
        "/s/a.txt/",
    ] {
        let reply = stage.visitor().get(path);
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
        assert!(!reply.text().contains("secret") && !reply.text().contains("hidden"), "{path}");
    }
    assert_eq!(stage.visitor().get("/s/x/../a.txt").text(), "a");
    std::mem::forget(root);
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_shows_as_incomplete() {
    let files = folder(&[]);
    let path = files.0.join("large.bin");
    let file = fs::File::create(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    let mut stage = Stage::with(&route("/", &files, ""), "");
    let mut visitor = stage.visitor();
    visitor.send("GET /large.bin HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let mut head = [0; 100];
    visitor.stream.read_exact(&mut head).unwrap();
    file.set_len(1 << 20).unwrap();
    let mut rest = Vec::new();
    let ended = visitor.stream.read_to_end(&mut rest);
    assert!(rest.len() < 64 << 20 && ended.is_err(), "{} bytes, {ended:?}", rest.len());
    let errors = stage.log("www.test", "error");
    assert!(errors.contains("the file became shorter while it was sent"), "{errors}");
}

#[test]
fn a_file_larger_than_memory_costs_none() {
    let files = folder(&[]);
    fs::File::create(files.0.join("sparse.iso")).unwrap().set_len(1 << 30).unwrap();
    let stage = Stage::with(&route("/", &files, ""), "");
    let resident = || figure(stage.admin(), "process_resident_memory_bytes").expect("a figure");
    let mut visitor = stage.visitor();
    visitor.send("GET /sparse.iso HTTP/1.1\r\nHost: www.test\r\n\r\n");
    let mut piece = vec![0; 1 << 20];
    visitor.stream.read_exact(&mut piece).unwrap();
    let before = resident();
    for _ in 0..63 {
        visitor.stream.read_exact(&mut piece).unwrap();
    }
    let grown = resident() - before;
    assert!(grown < f64::from(24 << 20), "{grown} bytes more");
    let reply =
        stage.visitor().ask("GET /sparse.iso HTTP/1.1\r\nHost: www.test\r\nRange: bytes=1073741823-\r\n\r\n");
    assert_eq!((reply.status, reply.body), (206, vec![0]));
}

#[test]
fn a_folder_is_listed_where_the_route_says_so() {
    let files = folder(&[("a <b>.txt", "text"), ("sub/x", "x"), (".hidden", "h")]);
    let stage = Stage::with(&route("/pub/", &files, ".listing = yes;"), "");
    let reply = stage.visitor().get("/pub/");
    let page = reply.text();
    assert_eq!(reply.status, 200);
    assert!(page.contains("<a href=\"./sub/\">sub/</a>"), "{page}");
    assert!(page.contains("<a href=\"./a%20%3Cb%3E.txt\">a &lt;b&gt;.txt</a>"), "{page}");
    assert!(!page.contains("hidden") && !page.contains(&files.0.display().to_string()), "{page}");
    assert_eq!(stage.visitor().get("/pub").header("location"), Some("/pub/"));
    let head = stage.visitor().ask("HEAD /pub/ HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some(page.len().to_string().as_str())));
}

#[test]
fn redirects_and_fixed_answers_are_what_the_route_says() {
    let stage = Stage::with(
        r#"route "/old/" { .redirect = "https://new.example/{path}{query}"; }
           route "/moved/{project}/" { .redirect = "/projects/{project}/x/{path}"; .status = 307; }
           route exact "/robots.txt" { .answer = {"User-agent: *
Disallow: /private/
"}; }
           route exact "/data.json" { .answer = "{}"; .type = "application/json"; .status = 202; }
           route "/gone/" { .answer = 410; }
           route "/none/" { .answer = 204; }
           route "/closed/" { .answer = 403; .allow = nobody; }"#,
        "",
    );
    let mut visitor = stage.visitor();
    for (path, status, location) in [
        ("/old", 301, "https://new.example/"),
        ("/old/a%20b/c?x=%2F", 301, "https://new.example/a%20b/c?x=%2F"),
        ("/old//x/../y", 301, "https://new.example/y"),
        ("/old/%2e%2e/old//evil.example/", 301, "https://new.example/evil.example/"),
        ("/moved/numpy/wiki/a?x", 307, "/projects/numpy/x/wiki/a"),
    ] {
        let reply = visitor.get(path);
        assert_eq!((reply.status, reply.header("location")), (status, Some(location)), "{path}");
        assert_eq!(
            reply.header("cache-control"),
            Some(if status == 301 { "max-age=3600" } else { "no-store" })
        );
    }
    let reply = visitor.ask("PROPFIND /old/x HTTP/1.1\r\nHost: www.test\r\nDepth: 0\r\n\r\n");
    assert_eq!((reply.status, reply.header("location")), (301, Some("https://new.example/x")));
    let reply = visitor.get("/robots.txt");
    assert_eq!((reply.status, reply.text().as_str()), (200, "User-agent: *\nDisallow: /private/\n"));
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    let reply = visitor.ask("HEAD /robots.txt HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("34")));
    let reply = visitor.ask("DELETE /robots.txt HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let reply = visitor.get("/data.json");
    assert_eq!((reply.status, reply.text().as_str()), (202, "{}"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(visitor.get("/gone/x").status, 410);
    let reply = visitor.get("/none/");
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    let reply = visitor.get("/closed/");
    assert!(reply.status == 403 && reply.text().contains("denied"), "access is judged first");
}

fn handing_over(header: &'static str) -> OldServer {
    OldServer::answering(move |asked| {
        let more =
            if asked.line.starts_with("GET /kind") { "Content-Type: application/x-own\r\n" } else { "" };
        let more = if asked.line.starts_with("GET /whole") { "Accept-Ranges: none\r\n" } else { more };
        format!(
            "HTTP/1.1 200 OK\r\n{header}\r\n{more}Content-Disposition: attachment; filename=\"x.pdf\"\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nCache-Control: private\r\nX-Accel-Buffering: yes\r\nX-Other: own\r\n\
             Content-Length: 4\r\n\r\nbody"
        )
        .into_bytes()
    })
}

fn cookies(reply: &Reply) -> usize {
    reply.headers.iter().filter(|(name, _)| name == "set-cookie").count()
}

#[test]
fn a_backend_hands_over_to_an_internal_route() {
    let files = folder(&[("a b.pdf", "0123456789")]);
    for rules in ["", "sub vcl_deliver { set resp.http.X-Ruled = \"yes\"; }"] {
        let server = handing_over("X-Accel-Redirect: /protected/a%20b.pdf?v=1");
        let site = format!(
            "route \"/\" {{ .backend = app; }}\n{}",
            route("/protected/", &files, "").replace("route ", "route internal ")
        );
        let stage = Stage::with(&site, &format!("{}{rules}", server.declared("app")));
        let mut visitor = stage.visitor();
        let reply = visitor.get("/download/1");
        assert_eq!((reply.status, reply.text().as_str()), (200, "0123456789"));
        assert_eq!(reply.header("content-type"), Some("application/pdf"));
        assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"x.pdf\""));
        assert_eq!(reply.header("cache-control"), Some("private"));
        assert_eq!(cookies(&reply), 2);
        for gone in ["x-accel-redirect", "x-accel-buffering", "x-other"] {
            assert_eq!(reply.header(gone), None, "{gone}");
        }
        assert_eq!(reply.header("x-ruled"), (!rules.is_empty()).then_some("yes"));
        let tag = reply.header("etag").unwrap().to_owned();
        assert_eq!(visitor.get("/kind").header("content-type"), Some("application/x-own"));
        let mut ask = |path: &str, fields: &str| {
            visitor.ask(&format!("GET {path} HTTP/1.1\r\nHost: www.test\r\n{fields}\r\n"))
        };
        let reply = ask("/download/1", "Range: bytes=3-5\r\n");
        assert_eq!((reply.status, reply.text().as_str()), (206, "345"));
        let reply = ask("/whole", "Range: bytes=3-5\r\n");
        assert_eq!((reply.status, reply.header("accept-ranges")), (200, Some("none")));
        let reply = ask("/download/1", &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((reply.status, cookies(&reply)), (304, 2));
        // A form may lead to a file as well; the file is read.
        let reply = visitor.ask("POST /export HTTP/1.1\r\nHost: www.test\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!((reply.status, reply.text().as_str()), (200, "0123456789"));
        let reply = visitor.ask("HEAD /download/1 HTTP/1.1\r\nHost: www.test\r\n\r\n");
        assert_eq!((reply.status, reply.header("content-length")), (200, Some("10")));
    }
}

#[test]
fn an_internal_route_is_not_there_for_visitors() {
    let files = folder(&[("a.pdf", "inside")]);
    let server = OldServer::saying("outside");
    let internal = route("/protected/", &files, "").replace("route ", "route internal ");
    for rules in ["", "sub vcl_recv { if (req.url ~ \"^/by-rule\") { set req.url = \"/protected/a.pdf\"; } }"]
    {
        let site = format!("route \"/\" {{ .backend = app; .encoded_slash = keep; }}\n{internal}");
        let mut stage = Stage::with(&site, &format!("{}{rules}", server.declared("app")));
        for path in [
            "/protected/a.pdf",
            "/protected",
            "/protected/",
            "//protected/a.pdf",
            "/x/../protected/a.pdf",
            "/%70rotected/a.pdf",
            "/protected%2fa.pdf",
            "/protected;x/a.pdf",
            "/./protected/a.pdf?x",
        ] {
            let reply = stage.visitor().get(path);
            assert_eq!(reply.status, 404, "{path}");
            assert!(!reply.text().contains("inside"), "{path}");
        }
        if !rules.is_empty() {
            assert_eq!(stage.visitor().get("/by-rule").status, 404);
        }
        // Nobody outside can pose as a backend.
        let reply = stage
            .visitor()
            .ask("GET /x HTTP/1.1\r\nHost: www.test\r\nX-Accel-Redirect: /protected/a.pdf\r\n\r\n");
        assert_eq!(reply.text(), "outside");
        stage.close();
    }
    while !server.heard_nothing() {
        assert!(!server.heard().line.contains("rotected"));
    }
}

#[test]
fn what_a_backend_may_not_name_is_a_fault_of_its_own() {
    let files = folder(&[("root/a.pdf", "a"), ("secret", "secret")]);
    let root = files.0.join("root");
    let internal = format!("route internal \"/protected/\" {{ .files = \"{}\"; }}\n", root.display());
    let outside: &'static str = format!("X-Sendfile: {}/secret", files.0.display()).leak();
    let inside: &'static str = format!("X-Sendfile: {}/a.pdf", root.display()).leak();
    let climbing: &'static str = format!("X-Sendfile: {}/../secret", root.display()).leak();
    for (header, status, detail) in [
        (inside, 200, ""),
        (outside, 503, "X-Sendfile can't be followed"),
        (climbing, 404, ""),
        ("X-Sendfile: a.pdf", 503, "X-Sendfile can't be followed"),
        ("X-Accel-Redirect: /protected/none.pdf", 404, "no file of this name"),
        ("X-Accel-Redirect: /protected/../open", 503, "is not internal"),
        ("X-Accel-Redirect: /protected", 404, ""),
        ("X-Accel-Redirect: /open", 503, "is not internal"),
        ("X-Accel-Redirect: protected/a.pdf", 503, "X-Accel-Redirect can't be followed"),
        ("X-Accel-Redirect: http://www.test/protected/a.pdf", 503, "X-Accel-Redirect can't be followed"),
        ("X-Accel-Redirect: /../secret", 503, "X-Accel-Redirect can't be followed"),
        ("X-Accel-Redirect: /protected/..%2f..%2fsecret", 503, "encoded slash"),
        ("X-Accel-Redirect: /.doorward/x", 503, ""),
    ] {
        let server = handing_over(header);
        let site = format!("route \"/\" {{ .backend = app; }}\n{internal}");
        let mut stage = Stage::with(&site, &server.declared("app"));
        let reply = stage.visitor().get("/x");
        assert_eq!(reply.status, status, "{header}: {}", reply.text());
        assert!(!reply.text().contains("secret"), "{header}");
        assert!(reply.header("x-sendfile").is_none() && reply.header("x-accel-redirect").is_none());
        let errors = stage.log("www.test", "error");
        assert!(errors.contains(detail), "{header}\n{errors}");
    }
}

#[test]
fn an_internal_route_may_be_another_backend_once() {
    let store = OldServer::answering(|asked| {
        if asked.line.starts_with("GET /store/again") {
            return b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /store/x\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        ok("from the store")
    });
    let app = OldServer::answering(|asked| {
        let to = if asked.line.contains("again") { "/store/again" } else { "/store/a%20b?v=1" };
        format!(
            "HTTP/1.1 200 OK\r\nX-Accel-Redirect: {to}\r\nSet-Cookie: a=1\r\nContent-Disposition: inline\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    });
    for rules in ["", "sub vcl_recv { set req.http.X-Rule = \"1\"; }"] {
        let mut stage = Stage::with(
            "route \"/\" { .backend = app; }\nroute internal \"/store/\" { .backend = store; }",
            &format!("{}{}{rules}", app.declared("app"), store.declared("store")),
        );
        let mut visitor = stage.visitor();
        let reply = visitor.ask(
            "POST /up HTTP/1.1\r\nHost: www.test\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nCookie: c=1\r\n\r\nbody",
        );
        assert_eq!((reply.status, reply.text().as_str()), (200, "from the store"));
        assert_eq!((cookies(&reply), reply.header("content-disposition")), (1, Some("inline")));
        let asked = store.heard();
        assert_eq!(asked.line, "GET /store/a%20b?v=1 HTTP/1.1");
        assert_eq!((asked.header("cookie"), asked.header("content-type")), (Some("c=1"), None));
        assert!(asked.body.is_empty() && asked.header("x-forwarded-for").is_some());
        let reply = visitor.get("/again");
        assert_eq!(reply.status, 503);
        assert!(stage.log("www.test", "error").contains("one step is followed"));
        store.heard();
    }
}

#[test]
fn rules_see_what_the_house_answers() {
    let files = folder(&[("a.txt", "file"), ("copy/page", "the copy")]);
    let server = OldServer::saying("backend");
    let rules = r#"
        sub vcl_recv {
            if (req.url == "/static/ruled") { set req.url = "/static/a.txt"; }
            if (req.url == "/static/backend") { set req.backend_hint = old; }
            if (req.url == "/static/synth") { return (synth(451)); }
            if (req.url == "/static/pass") { set req.url = "/static/a.txt"; return (pass); }
        }
        sub vcl_backend_response { set beresp.http.X-Backend = "seen"; }
        sub vcl_deliver { set resp.http.X-Status = resp.status; unset resp.http.ETag; }
        sub vcl_synth { set resp.http.X-Synth = resp.status; }"#;
    let site = format!(
        "route \"/\" {{ .backend = old; }}\n{}route \"/old/\" {{ .redirect = \"/new/{{path}}\"; }}\n\
         route \"/text\" {{ .answer = \"text\"; }}",
        route("/static/", &files, "")
    );
    let stage = Stage::with(&site, &format!("{}{rules}", server.declared("old")));
    let mut visitor = stage.visitor();
    for path in ["/static/a.txt", "/static/ruled", "/static/pass"] {
        let reply = visitor.get(path);
        assert_eq!((reply.status, reply.text().as_str()), (200, "file"), "{path}");
        assert_eq!((reply.header("x-status"), reply.header("etag")), (Some("200"), None));
        assert_eq!(reply.header("x-backend"), None);
    }
    assert!(server.heard_nothing());
    let reply = visitor.get("/static/backend");
    assert_eq!((reply.text().as_str(), reply.header("x-backend")), ("backend", Some("seen")));
    assert_eq!(visitor.get("/static/synth").status, 451);
    let reply = visitor.get("/static/none");
    assert_eq!((reply.status, reply.header("x-synth")), (404, Some("404")));
    let reply = visitor.ask("POST /static/a.txt HTTP/1.1\r\nHost: www.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(reply.status, 405);
    let reply = visitor.get("/old/x");
    assert_eq!(
        (reply.status, reply.header("location"), reply.header("x-status")),
        (301, Some("/new/x"), Some("301"))
    );
    assert_eq!(visitor.get("/text").text(), "text");
    let reply = visitor.ask("GET /static/a.txt HTTP/1.1\r\nHost: www.test\r\nRange: bytes=9-\r\n\r\n");
    assert_eq!((reply.status, reply.header("content-range")), (416, Some("bytes */4")));
    let head = visitor.ask("HEAD /static/a.txt HTTP/1.1\r\nHost: www.test\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
}

#[test]
fn a_copy_is_read_while_a_program_is_down() {
    let files = folder(&[("wiki/page", "the copy")]);
    let rules = r#"sub vcl_deliver {
        if (req.restarts == 0 && resp.status >= 500 && req.method == "GET") {
            set req.url = "/copy" + req.url;
            return (restart);
        }
    }"#;
    let site = format!("route \"/\" {{ .backend = old; }}\n{}", route("/copy/", &files, ""));
    let down = format!("backend old {{ .url = \"http://{}\"; }}", super::stage::closed_port());
    let stage = Stage::with(&site, &format!("{down}{rules}"));
    let reply = stage.visitor().get("/wiki/page");
    assert_eq!((reply.status, reply.text().as_str()), (200, "the copy"));
    assert_eq!(stage.visitor().get("/wiki/none").status, 404);
}
