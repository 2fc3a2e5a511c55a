//! An editor in memory talks to the server.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use lsp_server::{Connection, Message, Notification, Request, RequestId};
use serde_json::{Value, json};

use super::talk;

/// A folder with rule files, and an editor that has none of them open yet.
struct Editor {
    folder: PathBuf,
    connection: Option<Connection>,
    server: Option<JoinHandle<()>>,
    asked: i32,
    told: Vec<Notification>,
}

impl Editor {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("doorward-editor-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (here, there) = Connection::memory();
        let server = thread::spawn(move || talk(&there).unwrap());
        let mut editor =
            Self { folder, connection: Some(here), server: Some(server), asked: 0, told: Vec::new() };
        let hello = editor
            .ask("initialize", json!({ "capabilities": { "general": { "positionEncodings": ["utf-8"] } } }));
        assert_eq!(hello["capabilities"]["positionEncoding"], "utf-8");
        editor.tell("initialized", json!({}));
        editor
    }

    fn wire(&self) -> &Connection {
        self.connection.as_ref().unwrap()
    }

    fn uri(&self, file: &str) -> String {
        super::documents::uri(&self.folder.join(file)).unwrap().as_str().to_owned()
    }

    fn tell(&self, method: &str, params: Value) {
        self.wire().sender.send(Message::Notification(Notification::new(method.to_owned(), params))).unwrap();
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = RequestId::from(self.asked);
        self.wire()
            .sender
            .send(Message::Request(Request::new(id.clone(), method.to_owned(), params)))
            .unwrap();
        loop {
            match self.wire().receiver.recv().unwrap() {
                Message::Response(response) => {
                    assert_eq!(response.id, id);
                    return serde_json::to_value(response).unwrap()["result"].clone();
                }
                Message::Notification(told) => self.told.push(told),
                Message::Request(_) => {}
            }
        }
    }

    /// Opens or changes a text, and returns the faults told of it: line, code, message.
    fn write(&mut self, file: &str, text: &str) -> Vec<(u64, String, String)> {
        let uri = self.uri(file);
        self.told.clear();
        self.tell(
            "textDocument/didOpen",
            json!({ "textDocument": { "uri": uri, "languageId": "vcl", "version": 1, "text": text } }),
        );
        // What is answered after it was sent, was sent after it was judged.
        self.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
        let told = self.told.iter().find(|told| told.params["uri"] == uri.as_str()).unwrap();
        assert_eq!(told.method, "textDocument/publishDiagnostics");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        told.params["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| {
                (
                    fault["range"]["start"]["line"].as_u64().unwrap(),
                    text(&fault["code"]),
                    text(&fault["message"]),
                )
            })
            .collect()
    }

    /// Writes a text with a `|` in it and asks something about that place.
    fn at(&mut self, method: &str, file: &str, text: &str) -> Value {
        let offset = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        self.write(file, &text);
        let before = &text[..offset];
        let line = before.matches('\n').count();
        let character = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        let uri = self.uri(file);
        self.ask(
            method,
            json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } }),
        )
    }

    fn offered(&mut self, file: &str, text: &str) -> Vec<String> {
        let offers = self.at("textDocument/completion", file, text);
        offers.as_array().unwrap().iter().map(|offer| offer["label"].as_str().unwrap().to_owned()).collect()
    }

    fn hovered(&mut self, file: &str, text: &str) -> String {
        self.at("textDocument/hover", file, text)["contents"]["value"].as_str().unwrap_or("").to_owned()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.ask("shutdown", Value::Null);
            self.tell("exit", Value::Null);
            self.server.take().unwrap().join().unwrap();
        }
        self.connection.take();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

const BACKENDS: &str = "backend trac { .url = \"http://127.0.0.1:8000\"; }\n";
const MAIN: &str = "include \"backends.vcl\";\nsite \"www.test\" { route \"/\" { .backend = trac; } }\n";

#[test]
fn faults_come_as_one_types_and_go_when_they_are_mended() {
    let mut editor = Editor::new("faults", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    assert_eq!(editor.write("main.vcl", MAIN), []);
    let wrong = editor.write("main.vcl", &MAIN.replace("= trac", "= tarc"));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!((wrong[0].0, wrong[0].1.as_str()), (1, "E014"));
    assert!(wrong[0].2.contains("did you mean `trac`"), "{wrong:?}");
    assert_eq!(editor.write("main.vcl", MAIN), []);
}

#[test]
fn an_included_file_is_judged_with_its_tree() {
    let mut editor = Editor::new("included", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    // By itself its backend would be used by nobody.
    assert_eq!(editor.write("backends.vcl", BACKENDS), []);
    let renamed = editor.write("main.vcl", &MAIN.replace("trac", "wiki"));
    assert_eq!(renamed[0].1, "E014", "{renamed:?}");
    // What the editor holds counts, not what lies on disk.
    assert_eq!(editor.write("backends.vcl", &BACKENDS.replace("trac", "wiki")), []);
    // A file that no main file names is a tree of its own.
    let alone = editor.write("other.vcl", BACKENDS);
    assert!(alone.iter().all(|fault| fault.1.starts_with('W')), "{alone:?}");
}

#[test]
fn a_hover_says_what_the_tables_say() {
    let mut editor = Editor::new("hover", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    for (text, says) in [
        ("backend a { .connect_time|out = 1s; }", "How long a connection may take to open."),
        ("log a { .format = jso|n; }", "One JSON object on each line."),
        ("gate|way { }", "This process"),
        ("sub vcl_recv { set req.u|rl = \"/\"; }", "req.url: STRING"),
        ("sub vcl_recv { set req.http.X = req.http.Ho|st; }", "The header `Host` of the visitor's request."),
        ("sub vcl_recv { set req.url = std.tolow|er(req.url); }", "std.tolower(STRING s) -> STRING"),
        ("sub vcl_recv { return (pa|ss); }", "Asks the backend"),
        ("include \"backends.vcl\"; site \"a\" { route \"/\" { .backend = tr|ac; } }", "backend trac {"),
    ] {
        let said = editor.hovered("main.vcl", text);
        assert!(said.contains(says), "{text}: {said}");
    }
    assert_eq!(editor.hovered("main.vcl", "# gate|way"), "");
}

#[test]
fn a_name_leads_to_its_declaration() {
    let mut editor = Editor::new("definition", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    let there = editor.at("textDocument/definition", "main.vcl", &MAIN.replace("= trac", "= tr|ac"));
    assert_eq!(there["uri"], editor.uri("backends.vcl"));
    assert_eq!(there["range"]["start"], json!({ "line": 0, "character": 8 }));
    for (text, line, character) in [
        ("sub a { }\nsub vcl_recv { call |a; }", 0, 4),
        ("let a = \"x\";\nacl a2 { \"192.0.2.1\"; }\nsub vcl_recv { if (client.ip ~ a|2) { } }", 1, 4),
        ("sub vcl_recv {\n declare local var.x STRING;\n set var.|x = \"\"; }", 1, 15),
        (
            "sub vcl_init {\n new d = directors.round_robin(); }\nsub vcl_recv { set req.backend_hint = d|.backend(); }",
            1,
            5,
        ),
    ] {
        let there = editor.at("textDocument/definition", "main.vcl", text);
        assert_eq!(
            there["range"]["start"],
            json!({ "line": line, "character": character }),
            "{text}: {there}"
        );
    }
}

#[test]
fn what_could_stand_here_is_offered() {
    let mut editor = Editor::new("offers", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    for (text, offered, not_offered) in [
        ("|", "site", "route"),
        ("site \"a\" { | }", "route", "gateway"),
        ("site \"a\" { .al| }", "aliases", "log"),
        ("site \"a\" { route \"/\" { .encoded_slash = | } }", "keep", "site"),
        ("include \"backends.vcl\"; site \"a\" { route \"/\" { .backend = | } }", "trac", "keep"),
        (
            "include \"backends.vcl\"; director home { .members = trac; } site \"a\" { route \"/\" { .backend = | } }",
            "home",
            "keep",
        ),
        ("include \"backends.vcl\"; director home { | }", ".members", ".backend"),
        ("include \"backends.vcl\"; director home { .members = | }", "trac", "home"),
        ("director home { .policy = | }", "round_robin", "client"),
        ("director home { .policy = hash; .by = | }", "client", "round_robin"),
        ("sub | { }", "vcl_recv", "site"),
        ("sub vcl_recv { | }", "set", "site"),
        ("sub vcl_recv { set req.u| }", "req.url", "beresp.ttl"),
        ("sub vcl_backend_response { set | }", "beresp.ttl", "req.url"),
        ("sub vcl_recv { return (| }", "pass", "deliver"),
        ("sub vcl_recv { set req.url = std.| }", "std.tolower", "req.url"),
        ("sub helper { } sub vcl_recv { call | }", "helper", "vcl_recv"),
    ] {
        let all = editor.offered("main.vcl", text);
        assert!(all.iter().any(|label| label == offered), "{text}: {all:?}");
        assert!(!all.iter().any(|label| label == not_offered), "{text}: {all:?}");
    }
    assert_eq!(editor.offered("main.vcl", "# |"), [""; 0]);
}

#[test]
fn the_outline_names_what_the_file_declares() {
    let mut editor = Editor::new("outline", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    let text = format!("{MAIN}sub vcl_recv {{ }}\n");
    editor.write("main.vcl", &text);
    let uri = editor.uri("main.vcl");
    let outline = editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } }));
    let names: Vec<&str> =
        outline.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["www.test", "vcl_recv"]);
    assert_eq!(outline[0]["children"][0]["name"], "/");
}

#[test]
fn a_fault_that_leaves_no_doubt_comes_with_its_mend() {
    let mut editor = Editor::new("mends", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    editor.write("main.vcl", &MAIN.replace("= trac;", "= \"trac\""));
    let uri = editor.uri("main.vcl");
    let mut asked = |line: u64| {
        let range =
            json!({ "start": { "line": line, "character": 0 }, "end": { "line": line, "character": 99 } });
        let params =
            json!({ "textDocument": { "uri": uri }, "range": range, "context": { "diagnostics": [] } });
        editor.ask("textDocument/codeAction", params)
    };
    let mends = asked(1);
    let mends = mends.as_array().unwrap();
    assert_eq!(mends.len(), 2, "{mends:?}");
    let titles: Vec<&str> = mends.iter().map(|mend| mend["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Write `trac`", "Write `;`"]);
    let edits = &mends[0]["edit"]["changes"][uri.as_str()];
    assert_eq!(edits[0]["newText"], "trac");
    let start = &edits[0]["range"]["start"];
    assert_eq!((&start["line"], &start["character"]), (&json!(1), &json!(41)));
    assert_eq!(mends[0]["diagnostics"][0]["code"], "E020");
    assert_eq!(mends[0]["kind"], "quickfix");
    assert_eq!(asked(0), json!([]), "only where the cursor is");
}

#[test]
fn a_text_is_laid_out_in_the_language_of_its_tree() {
    let mut editor = Editor::new("layout", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    let mut laid_out = |file: &str, text: &str| {
        editor.write(file, text);
        let uri = editor.uri(file);
        let options = json!({ "tabSize": 4, "insertSpaces": true });
        editor.ask("textDocument/formatting", json!({ "textDocument": { "uri": uri }, "options": options }))
    };
    let edits = laid_out("backends.vcl", &BACKENDS.replace(" = ", "="));
    assert_eq!(edits[0]["newText"], BACKENDS);
    assert_eq!(laid_out("backends.vcl", BACKENDS), json!([]));
    assert_eq!(laid_out("backends.vcl", "backend {"), Value::Null);
}

#[test]
fn nonsense_is_answered_and_the_server_lives_on() {
    let mut editor = Editor::new("nonsense", &[("main.vcl", MAIN), ("backends.vcl", BACKENDS)]);
    assert_eq!(editor.ask("doorward/unknown", json!({})), Value::Null);
    assert_eq!(editor.ask("textDocument/hover", json!({ "oops": 1 })), Value::Null);
    editor.tell("textDocument/didChange", json!([]));
    for text in [
        "",
        "\u{feff}|",
        "{|{{{",
        "\"|",
        "sub vcl_recv { set req.http.|",
        "}}}|}",
        "ü|ü",
        "/*|",
        "route { .|",
    ] {
        let text = if text.contains('|') { text.to_owned() } else { format!("{text}|") };
        for method in ["textDocument/hover", "textDocument/completion", "textDocument/definition"] {
            editor.at(method, "main.vcl", &text);
        }
    }
    assert!(Path::new(&editor.folder).exists());
}
