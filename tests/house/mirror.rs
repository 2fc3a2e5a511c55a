//! The plays and the house side by side: the same rules, the same requests, the same backends. What a play says
//! would happen is what happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use doorward::base::cause::Cause;
use doorward::plays::{self, Gateway, Given, Played, Scripted, Target};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::stage::{OldServer, Reply, Stage, closed_port};

const RULES: &str = r#"
acl nobody_here { "192.0.2.1"; }
table people BACKEND { "ada": two, "bob": one, }
site "www.test" {
    route "/" { .backend = one; }
    route "/two/" { .backend = two; .body_bytes_max = 8B; }
    route "/private/" { .backend = two; .allow = network(nobody_here); }
    route "/read/" { .backend = one; .read = anyone; .write = network(nobody_here); }
    route exact "/robots.txt" { .backend = two; }
    route "/people/{who}/" { .backend = lookup(people, "{who}"); }
    route "/keep/" { .backend = one; .encoded_slash = keep; }
    route "/dead/" { .backend = dead; }
}
site "other.test" {
    .aliases = "alias.test";
    route "/" { .backend = two; }
    route "/closed/" { .backend = two; .allow = network(nobody_here); }
}
sub vcl_recv {
    if (req.http.X-Url) { set req.url = req.http.X-Url; }
    if (req.http.X-Host) { set req.http.Host = req.http.X-Host; }
    if (req.http.X-Method) { set req.method = req.http.X-Method; }
    if (req.http.X-Rollback && req.restarts > 0) { std.rollback(req); }
    if (req.http.X-Unset-Host && req.restarts > 0) { unset req.http.Host; unset req.http.X-Host; }
    if (req.http.X-Backend == "two") { set req.backend_hint = two; }
    if (req.http.X-Backend == "dead") { set req.backend_hint = dead; }
    set req.http.Remote-User = req.http.X-Claim;
    set req.http.X-Route = req.route + " " + req.site;
    if (req.http.X-Do == "synth") { return (synth(418, "Short")); }
    if (req.http.X-Do == "odd") { return (synth(12404)); }
    if (req.http.X-Do == "pipe") { return (pipe); }
    if (req.http.X-Do == "pass") { return (pass); }
    if (req.http.X-Do == "purge") { return (purge); }
    if (req.http.X-Do == "fail") { return (fail); }
    if (req.http.X-Do == "fault") { set req.http.X-Bad = std.real2integer(std.real("1.0", 0.0) / std.real("0.0", 0.0), 0); }
    if (req.http.X-Do == "restart" && req.restarts < 2) { return (restart); }
    if (req.http.X-Do == "round") { return (restart); }
    if (req.http.X-Do == "recv-synth-restart" && req.restarts < 1) { return (synth(700)); }
}
sub vcl_hash { if (req.http.X-Hash-Url) { set req.url = req.http.X-Hash-Url; } }
sub vcl_miss { if (req.http.X-Miss-Url) { set req.url = req.http.X-Miss-Url; } }
sub vcl_pass { if (req.http.X-Pass-Host) { set req.http.Host = req.http.X-Pass-Host; } }
sub vcl_pipe { if (bereq.http.X-Pipe-Url) { set bereq.url = bereq.http.X-Pipe-Url; } }
sub vcl_backend_fetch {
    if (bereq.http.X-B-Url && (bereq.retries == 0 || bereq.http.X-B-Url ~ "private")) { set bereq.url = bereq.http.X-B-Url; }
    if (bereq.http.X-B-Host) { set bereq.http.Host = bereq.http.X-B-Host; }
    if (bereq.http.X-B-Unset) { unset bereq.http.Host; }
    if (bereq.http.X-B-Method) { set bereq.method = bereq.http.X-B-Method; }
    if (bereq.http.X-B-Do == "error") { return (error(520, "Own")); }
    if (bereq.http.X-B-Do == "abandon") { return (abandon); }
    set bereq.http.Content-Length = bereq.http.X-Length;
    set bereq.http.Transfer-Encoding = bereq.http.X-Length;
    set bereq.http.X-Forwarded-For = "198.51.100.1";
    set bereq.http.Connection = "X-Route";
}
sub vcl_backend_response {
    if (bereq.http.X-B-Do == "retry" && bereq.retries < 1) { return (retry); }
    if (bereq.http.X-B-Do == "ever") { return (retry); }
    set beresp.http.X-Seen = beresp.status + " " + bereq.url + " " + bereq.retries;
    if (bereq.http.X-Status == "200") { set beresp.status = 200; }
    if (bereq.http.X-Status == "204") { set beresp.status = 204; }
    if (bereq.http.X-Status == "304") { set beresp.status = 304; }
}
sub vcl_backend_error {
    if (bereq.http.X-E-Do == "two" && bereq.retries < 1) { set bereq.backend = two; return (retry); }
    if (bereq.http.X-E-Do == "text") { synthetic("sorry"); set beresp.status = 502; return (deliver); }
}
sub vcl_deliver {
    if (req.http.X-D-Do == "restart" && req.restarts < 1) { set req.url = "/two/again"; return (restart); }
    if (req.http.X-D-Do == "private" && req.restarts < 1) { set req.url = "/private/again"; return (restart); }
    if (req.http.X-D-Do == "synth") { return (synth(410, "Gone away")); }
    set resp.http.X-Cause = cause;
    set resp.http.X-Left = req.url + " " + req.http.Host + " " + req.http.X-Route;
    set resp.http.Connection = "close";
    set resp.http.Content-Length = "3";
    unset resp.http.X-Inner;
}
sub vcl_synth {
    if (resp.status == 700) { set req.http.X-Url = "/private/later"; return (restart); }
    if (req.http.X-S-Do == "restart" && req.restarts < 1) { unset req.http.X-Url; set req.url = "/mended"; return (restart); }
    set resp.http.X-Cause = cause;
    if (req.http.X-S-Do == "text") { synthetic("own " + resp.status); return (deliver); }
    if (req.http.X-S-Do == "body") { set resp.body = "own " + resp.reason; return (deliver); }
}
"#;

/// A request: method, path, fields, body.
type Asks = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const REQUESTS: &[Asks] = &[
    ("GET", "/", &[], ""),
    (
        "GET",
        "/a/../b//c?x=1",
        &[("X-Claim", "root"), ("Remote-User", "root"), ("X-Forwarded-For", "1.2.3.4")],
        "",
    ),
    ("GET", "/../up", &[], ""),
    ("GET", "/private/x", &[], ""),
    ("GET", "/private/x", &[("X-S-Do", "restart")], ""),
    ("GET", "/private/x", &[("X-S-Do", "text")], ""),
    ("GET", "/private/x", &[("X-S-Do", "body")], ""),
    ("GET", "/x", &[("X-Url", "/private/y")], ""),
    ("GET", "/x", &[("X-Url", "/PRIVATE/../%70rivate/y")], ""),
    ("GET", "/x", &[("X-Url", "/private%2Fy")], ""),
    ("GET", "/x", &[("X-Url", "/private;a=b/y")], ""),
    ("GET", "/x", &[("X-Url", "/keep/a%2fb?c=%2f")], ""),
    ("GET", "/x", &[("X-Url", "*")], ""),
    ("GET", "/x", &[("X-Url", "no slash")], ""),
    ("GET", "/x", &[("X-Url", "")], ""),
    ("GET", "/x", &[("X-Url", "http://other.test/closed/")], ""),
    ("GET", "/x", &[("X-Url", "/.doorward/health")], ""),
    ("GET", "/private/x", &[("X-Url", "/open")], ""),
    ("GET", "/robots.txt", &[], ""),
    ("GET", "/robots.txt/x", &[], ""),
    ("GET", "/people/ada/x", &[], ""),
    ("GET", "/people/ada%2Fx", &[], ""),
    ("GET", "/people/eve/x", &[], ""),
    ("GET", "/people/eve/x", &[("X-Backend", "two")], ""),
    ("GET", "/people/eve/x", &[("X-Url", "/people/bob/y")], ""),
    ("GET", "/people/ada/x", &[("X-B-Url", "/people/eve/x")], ""),
    ("PUT", "/read/x", &[], "abc"),
    ("get", "/read/x", &[], ""),
    ("GET", "/read/x", &[("X-Method", "DELETE")], ""),
    ("GET", "/read/x", &[("X-Method", "two words")], ""),
    ("GET", "/read/x", &[("X-Method", "CONNECT")], ""),
    ("PUT", "/read/x", &[("X-Method", "GET")], "abc"),
    ("GET", "/read/x", &[("X-B-Method", "DELETE")], ""),
    ("GET", "/read/x", &[("X-B-Method", "HEAD")], ""),
    ("HEAD", "/read/x", &[("X-B-Method", "GET")], ""),
    ("HEAD", "/read/x", &[], ""),
    ("HEAD", "/x", &[("X-Do", "synth"), ("X-S-Do", "text")], ""),
    ("OPTIONS", "*", &[], ""),
    ("OPTIONS", "*", &[("X-Method", "GET")], ""),
    ("OPTIONS", "*", &[("X-B-Method", "GET")], ""),
    ("GET", "/read/x", &[("X-Method", "OPTIONS"), ("X-Url", "*")], ""),
    ("TRACE", "/x", &[], ""),
    ("GET", "/x", &[("Connection", "upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "x")], ""),
    ("GET", "/private/x", &[("Connection", "upgrade"), ("Upgrade", "websocket"), ("X-Do", "pipe")], ""),
    ("POST", "/two/x", &[], "abc"),
    ("POST", "/two/x", &[], "more than eight"),
    ("POST", "/x", &[("X-Url", "/two/x")], "more than eight"),
    ("POST", "/x", &[("X-Length", "1")], "abc"),
    ("GET", "/x", &[("X-Length", "7")], ""),
    ("POST", "/x", &[("X-Method-Override", "DELETE"), ("X-Method", "GET")], "abc"),
    ("GET", "/x", &[("X-Http-Method-Override", "DELETE"), ("X-Method", "POST")], ""),
    ("GET", "/x", &[("X-Host", "other.test")], ""),
    ("GET", "/closed/x", &[("X-Host", "Other.test:81")], ""),
    ("GET", "/closed/x", &[("X-Host", "alias.test")], ""),
    ("GET", "/closed/x", &[("X-Host", "unknown.test")], ""),
    ("GET", "/x", &[("X-Host", "two words")], ""),
    ("GET", "/x", &[("X-Host", "")], ""),
    ("GET", "/x", &[("X-Host", "other.test"), ("X-Do", "restart"), ("X-Rollback", "1")], ""),
    ("GET", "/closed/x", &[("X-Host", "other.test"), ("X-Do", "restart"), ("X-Unset-Host", "1")], ""),
    ("GET", "/closed/x", &[("X-Host", "other.test"), ("X-S-Do", "restart"), ("X-Unset-Host", "1")], ""),
    ("GET", "/closed/x", &[("X-Pass-Host", "other.test"), ("X-Do", "pass")], ""),
    ("GET", "/x", &[("X-Pass-Host", "other.test"), ("X-Do", "pass")], ""),
    ("GET", "/closed/x", &[("X-B-Host", "other.test")], ""),
    ("GET", "/closed/x", &[("X-B-Host", "unknown.test")], ""),
    ("GET", "/closed/x", &[("X-Host", "other.test"), ("X-B-Unset", "1")], ""),
    ("GET", "/closed/x", &[("X-B-Host", "[::1")], ""),
    ("GET", "/x", &[("X-B-Host", "other.test"), ("X-B-Unset", "1")], ""),
    ("GET", "/x", &[("X-Hash-Url", "/private/x")], ""),
    ("GET", "/x", &[("X-Miss-Url", "/private/x")], ""),
    ("GET", "/x", &[("X-Miss-Url", "/two/./x?y")], ""),
    ("GET", "/x", &[("X-B-Url", "/private/x")], ""),
    ("GET", "/x", &[("X-B-Url", "/private/x"), ("X-B-Do", "retry")], ""),
    ("GET", "/x", &[("X-B-Url", "/two/x?a b")], ""),
    ("GET", "/x", &[("X-B-Url", "/two//x")], ""),
    ("GET", "/x", &[("X-Pipe-Url", "/private/x"), ("X-Do", "pipe")], ""),
    ("GET", "/x", &[("X-Pipe-Url", "/other/x"), ("X-Do", "pipe")], ""),
    ("GET", "/dead/x", &[("X-Do", "pipe")], ""),
    ("GET", "/private/x", &[("X-Do", "pipe")], ""),
    ("GET", "/private/x", &[("X-Do", "purge")], ""),
    ("GET", "/x", &[("X-Do", "purge")], ""),
    ("GET", "/x", &[("X-Do", "synth")], ""),
    ("GET", "/x", &[("X-Do", "odd")], ""),
    ("GET", "/x", &[("X-Do", "fail")], ""),
    ("GET", "/x", &[("X-Do", "fault")], ""),
    ("GET", "/x", &[("X-Do", "restart")], ""),
    ("GET", "/x", &[("X-Do", "round")], ""),
    ("GET", "/x", &[("X-Do", "recv-synth-restart")], ""),
    ("GET", "/x", &[("X-D-Do", "restart")], ""),
    ("POST", "/x", &[("X-D-Do", "restart")], "abc"),
    ("GET", "/x", &[("X-D-Do", "private")], ""),
    ("GET", "/x", &[("X-D-Do", "synth")], ""),
    ("GET", "/x", &[("X-B-Do", "error")], ""),
    ("GET", "/x", &[("X-B-Do", "error"), ("X-E-Do", "text")], ""),
    ("GET", "/x", &[("X-B-Do", "abandon")], ""),
    ("GET", "/x", &[("X-B-Do", "retry")], ""),
    ("GET", "/x", &[("X-B-Do", "ever")], ""),
    ("GET", "/dead/x", &[], ""),
    ("GET", "/dead/x", &[("X-E-Do", "two")], ""),
    ("POST", "/dead/x", &[("X-E-Do", "two")], "abc"),
    ("GET", "/dead/x", &[("X-E-Do", "text")], ""),
    ("GET", "/x", &[("X-Backend", "dead")], ""),
    ("GET", "/private/x", &[("X-Backend", "two")], ""),
    ("GET", "/x", &[("X-Status", "204")], ""),
    ("GET", "/x", &[("X-Status", "304")], ""),
    ("GET", "/not-modified", &[("X-Status", "200")], ""),
    ("GET", "/not-modified", &[], ""),
];

/// What an old server says to everything, told to both sides.
fn answer(path: &str) -> (u16, &'static [(&'static str, &'static str)], &'static str) {
    match path {
        "/not-modified" => (304, &[("ETag", "\"1\""), ("Content-Length", "1000")], ""),
        _ => (200, &[("X-Inner", "1"), ("Connection", "X-Lost"), ("X-Lost", "1"), ("X-Kept", "2")], "hello"),
    }
}

/// Fields that are the house's own, or of one run alone.
fn told(name: &str) -> bool {
    !matches!(
        name,
        "date"
            | "content-length"
            | "x-request-id"
            | "x-forwarded-for"
            | "forwarded"
            | "x-real-ip"
            | "connection"
    )
}

fn fields(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        fields.entry(name.as_str().to_owned()).or_default().push(value);
    }
    fields.retain(|name, _| told(name));
    fields
}

fn seen(headers: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        fields.entry(name.clone()).or_default().push(value.clone());
    }
    fields.retain(|name, _| told(name));
    fields
}

/// One request to a backend: its line, its fields and the length it says.
type Errand = (&'static str, String, BTreeMap<String, Vec<String>>, Option<String>);

#[test]
fn what_a_play_says_is_what_happens() {
    let says = Arc::new(Mutex::new(Vec::new()));
    let server = |says: &Arc<Mutex<Vec<u8>>>| {
        let says = Arc::clone(says);
        OldServer::answering(move |asked| {
            let all = says.lock().unwrap().clone();
            let head = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            if asked.line.starts_with("HEAD ") { all[..head].to_vec() } else { all }
        })
    };
    let (one, two) = (server(&says), server(&says));
    let dead = format!("backend dead {{ .url = \"http://{}\"; .failures_max = 0; }}\n", closed_port());
    let declared = format!(
        "{}{}{dead}{RULES}",
        one.declared("one"),
        two.declared_with("two", ".host_header = \"two.inner\";")
    );
    let stage = Stage::raw("", &declared);
    let gateway = Gateway::load(&stage.folder.0.join("main.vcl"), &[]).expect("rules that serve");

    let mut differ = Vec::new();
    for (method, path, with, body) in REQUESTS {
        let (status, answered, text) = answer(path);
        let lines =
            answered.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
        let length = if answered.iter().any(|(name, _)| *name == "Content-Length") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", text.len())
        };
        *says.lock().unwrap() = format!("HTTP/1.1 {status} Said\r\n{lines}{length}\r\n{text}").into_bytes();

        // The house.
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: www.test\r\n");
        for (name, value) in *with {
            request.extend([format!("{name}: {value}\r\n")]);
        }
        if !body.is_empty() {
            request.extend([format!("Content-Length: {}\r\n", body.len())]);
        }
        let reply: Reply = stage.visitor().ask(&format!("{request}\r\n{body}"));
        let mut went: Vec<Errand> = Vec::new();
        for (name, server) in [("one", &one), ("two", &two)] {
            while !server.heard_nothing() {
                let asked = server.heard();
                let line = asked.line.trim_end_matches(" HTTP/1.1").to_owned();
                went.push((
                    name,
                    line,
                    seen(&asked.headers),
                    asked.header("content-length").map(str::to_owned),
                ));
            }
        }

        // However it came about: who may not open a door does not.
        for (name, line, fields, _) in &went {
            let host = fields.get("host").map_or("", |host| &host[0]);
            assert!(!line.contains(" /private"), "{name} was asked for {line} by {with:?}");
            assert!(
                !(line.contains(" /closed") && host.contains("other")),
                "{name}: {line} of {host} by {with:?}"
            );
            assert!(
                !(line.contains(" /read/") && !line.starts_with("GET ") && !line.starts_with("HEAD ")),
                "{line}"
            );
        }

        // The play.
        let headers = |fields: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                );
            }
            headers
        };
        let scripted = Scripted { status, headers: headers(answered), body: text.into() };
        let given = Given {
            backends: vec![
                ("one".into(), 1, Played::Answers(scripted.clone())),
                ("two".into(), 1, Played::Answers(scripted)),
                ("dead".into(), 1, Played::Fails(Cause::Refused)),
            ],
            ..Given::default()
        };
        let asked = plays::Asked {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            target: Target { scheme: None, host: Some("www.test".into()), path: (*path).into() },
            headers: headers(with),
            body: (*body).into(),
            ..plays::Asked::default()
        };
        let decision = plays::Stage::new(&gateway, &given).expect("rules that start").decide(&asked, &given);
        let mut says: Vec<Errand> = Vec::new();
        for name in ["one", "two"] {
            for sent in decision.sent.iter().filter(|sent| *sent.backend == *name) {
                let length =
                    sent.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
                says.push((name, format!("{} {}", sent.method, sent.url), fields(&sent.headers), length));
            }
        }
        // `Content-Length: 0` is the house's word for no body.
        for errand in &mut went {
            errand.3 = errand.3.take().filter(|length| length != "0");
        }
        let title = format!("{method} {path} {with:?}");
        let mut differs = |what: &str, house: String, play: String| {
            if house != play {
                differ.push(format!("{title}\n  {what} of the house {house}\n  {what} of the play  {play}"));
            }
        };
        differs("status", reply.status.to_string(), decision.answer.status.to_string());
        differs("errands", format!("{went:?}"), format!("{says:?}"));
        differs(
            "fields",
            format!("{:?}", seen(&reply.headers)),
            format!("{:?}", fields(&decision.answer.headers)),
        );
        let body = |text: String| {
            if text.contains("doorward") || text.contains("equest") { String::from("page") } else { text }
        };
        differs(
            "body",
            body(reply.text()),
            body(String::from_utf8_lossy(&decision.answer.body).into_owned()),
        );
    }
    assert!(differ.is_empty(), "{} differences\n{}", differ.len(), differ.join("\n"));
}
