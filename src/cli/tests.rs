use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::paper::Colours;
use super::*;

/// Runs a command line: how it ended, what stood on the output, what on the error output.
fn typed(line: &[&str]) -> (End, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = line.iter().map(OsString::from).collect();
    let end = obey(arguments, &mut Paper::new(&mut out, &mut err, Colours::default()));
    (end, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// A folder with a main.vcl, gone with the test.
struct Tree(PathBuf);

impl Tree {
    fn new(main: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("doorward-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("main.vcl"), main).unwrap();
        Self(folder)
    }

    fn main(&self) -> String {
        self.0.join("main.vcl").to_str().unwrap().to_owned()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const RULES: &str = r#"
gateway { .https = "127.0.0.1:8443"; .state = "state"; }
acl office { "192.0.2.0"/24; }
backend wiki { .url = "unix:/run/wiki.sock"; }
backend old { .url = "http://127.0.0.1:8000"; }
site "www.example" {
    .aliases = "example";
    .certificate = local;
    route "/wiki/" { .backend = wiki; .allow = network(office); }
    route "/" { .backend = old; }
}
"#;

#[test]
fn mistyped_commands_and_flags_get_the_nearest_word() {
    for (line, said) in [
        (&["sevre"][..], "there is no command `sevre`; did you mean `serve`?"),
        (&["stauts", "--state", "x"], "did you mean `status`?"),
        (&["frobnicate"], "there is no command `frobnicate`\n"),
        (&["--state", "x", "status"], "the command comes first, before `--state`"),
        (&["status", "--stat", "x"], "`status` knows no `--stat`; did you mean `--state`?"),
        (&["status", "--colour"], "it knows --state, --config"),
        (&["routes", "--json"], "it takes no flags"),
        (&["status", "main.vcl"], "`status` takes no `main.vcl`"),
        (&["check", "a.vcl", "b.vcl"], "takes one main.vcl; `b.vcl` is one too many"),
        (&["check", "--json=yes"], "`--json` takes no value"),
        (&["check", "--json", "--json"], "stands there twice"),
        (&["status", "--state"], "`--state` wants a DIR behind it"),
        (&["status", "--state="], "`--state` wants a DIR behind it"),
        (&["help", "chek"], "did you mean `check`?"),
        (&["explain", "E0O1"], "there is no fault with the code `E0O1`; did you mean `E001`?"),
        (&["explain", "https://a/", "--as", "alice"], "nobody signs in to this doorward yet"),
        (&["explain", "https://a/", "--from", "here"], "`here` is no address of a visitor"),
        (&["explain", "https://a/", "-H", "x"], "write it like `-H 'Accept: text/html'`"),
        (&["explain", "https://a/", "-H", "a: b", "-H"], "`--header` wants a 'NAME: VALUE' behind it"),
        (&["explain", "https://a/", "--method", "G T"], "`G T` is no method"),
        (&["explain", "https://a/", "--backend-answers", "20"], "`20` is no status"),
        (&["explain", "ftp://a/"], "`ftp://a/` is no address: addresses begin with"),
        (&["diff", "a.vcl"], "`diff` wants old.vcl and new.vcl: new.vcl is missing"),
        (&["diff", "a", "b", "c"], "`diff` takes old.vcl and new.vcl; `c` is one too many"),
        (&["replay"], "`replay` wants access.log: access.log is missing"),
        (&["replay", "a.log"], "say by which rules: `--against new.vcl`"),
        (&["replay", "a.log", "--against", "x", "--over", "ftp"], "nobody comes over `ftp`"),
        (&["replay", "a.log", "--against", "x", "--show", "many"], "`--show` takes a number"),
        (&["\u{1b}[2J"], "`\\u{1b}[2J`"),
    ] {
        let (end, out, err) = typed(line);
        assert_eq!((end, out.as_str()), (End::Usage, ""), "{line:?}");
        assert!(err.contains(said), "{line:?}: {err}");
        assert!(err.contains("` says more.\n"), "{line:?}: {err}");
    }
}

#[test]
fn help_names_every_command_and_each_has_a_page() {
    let (end, overview, _) = typed(&["help"]);
    assert_eq!(end, End::Good);
    assert_eq!(typed(&["--help"]).1, overview);
    assert_eq!(typed(&[]), (End::Usage, String::new(), overview.clone()));
    assert!(overview.lines().all(|line| line.chars().count() <= 100), "{overview}");
    for spec in COMMANDS {
        assert!(overview.contains(&format!("  doorward {}", spec.name)), "{}", spec.name);
        assert!(overview.contains(spec.summary) && !spec.summary.ends_with('.'), "{}", spec.name);
        let (end, page, _) = typed(&["help", spec.name]);
        assert_eq!(end, End::Good);
        assert_eq!(typed(&[spec.name, "--help"]).1, page);
        for flag in spec.flags {
            assert!(page.contains(&format!("--{}", flag.name)), "{page}");
        }
        // What help shows must be understood: each example is parsed by its own row.
        for example in spec.examples.iter().flat_map(|line| line.split(" && ")) {
            let words: Vec<&str> = example.split(" | ").next().unwrap().split(' ').collect();
            let [program, command, arguments @ ..] = words.as_slice() else { panic!("{example}") };
            let row = COMMANDS.iter().find(|row| row.name == *command).unwrap();
            assert_eq!(*program, "doorward");
            arguments::parse(row, arguments.iter().map(OsString::from)).unwrap();
        }
    }
    assert!(typed(&["version"]).1.starts_with("doorward 0."));
    assert_eq!(typed(&["-V"]).1, typed(&["version"]).1);
}

#[test]
fn flags_may_stand_anywhere_behind_the_command() {
    let check = COMMANDS.iter().find(|spec| spec.name == "check").unwrap();
    for line in [&["--json", "a.vcl"][..], &["a.vcl", "--json"], &["--json", "--", "a.vcl"]] {
        let given = arguments::parse(check, line.iter().map(OsString::from)).unwrap();
        assert!(given.has(&JSON) && given.file() == Some("a.vcl".as_ref()));
    }
    let dashed = arguments::parse(check, ["--", "--json"].iter().map(OsString::from)).unwrap();
    assert!(!dashed.has(&JSON) && dashed.file() == Some("--json".as_ref()));
    let status = COMMANDS.iter().find(|spec| spec.name == "status").unwrap();
    for line in [&["--state=/x=y"][..], &["--state", "/x=y"]] {
        let given = arguments::parse(status, line.iter().map(OsString::from)).unwrap();
        assert_eq!(given.path(&STATE), Some(PathBuf::from("/x=y")));
    }
}

#[test]
fn a_good_tree_is_counted() {
    let tree = Tree::new(RULES);
    let (end, out, err) = typed(&["check", &tree.main()]);
    assert_eq!(err, "");
    assert_eq!(out, format!("{}: 1 site, 2 routes, 2 backends: all good\n", tree.main()));
    assert_eq!(end, End::Good);
    let unused = Tree::new(&format!("let unused = 1;\n{RULES}"));
    let (end, out, _) = typed(&["check", &unused.main()]);
    assert!(out.ends_with(": 1 site, 2 routes, 2 backends: good, but for 1 warning\n"), "{out}");
    assert_eq!(end, End::Good);
    let (end, out, _) = typed(&["check", "--json", &tree.main()]);
    assert_eq!(end, End::Good);
    assert!(out.ends_with("\"world\":[],\"sites\":1,\"routes\":2,\"backends\":2}\n"), "{out}");
}

#[test]
fn files_that_rules_name_are_opened() {
    let tree = Tree::new("");
    let folder = tree.0.display();
    let files = format!("= files(\"{folder}/chain.pem\", \"{folder}/key.pem\")");
    std::fs::write(tree.main(), RULES.replace("= local", &files)).unwrap();
    let (end, out, _) = typed(&["check", &tree.main()]);
    assert_eq!(end, End::Faults);
    assert!(out.contains("error: site `www.example`: ") && out.contains("chain.pem"), "{out}");
    assert!(out.contains("main.vcl:"), "where it is said: {out}");
    assert!(out.ends_with(": 1 site, 2 routes, 2 backends: 1 fault\n"), "{out}");
    let made = rcgen::generate_simple_self_signed(["www.example".to_owned(), "example".to_owned()]).unwrap();
    std::fs::write(tree.0.join("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(tree.0.join("key.pem"), "-----BEGIN\"").unwrap();
    let (end, out, _) = typed(&["check", "--json", &tree.main()]);
    assert_eq!(end, End::Faults);
    assert!(out.contains("\"world\":[{\"severity\":\"error\",\"message\":\"site `www.example`: "), "{out}");
    std::fs::write(tree.0.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let (end, out, _) = typed(&["check", &tree.main()]);
    assert_eq!(end, End::Good, "{out}");
}

#[test]
fn faults_are_drawn_and_counted_as_faults() {
    let tree = Tree::new(&RULES.replace("= old", "= odl"));
    let (end, out, _) = typed(&["check", &tree.main()]);
    assert_eq!(end, End::Faults);
    assert!(out.starts_with("error[E") && out.contains("`odl`"), "{out}");
    let (end, out, _) = typed(&["check", &tree.main(), "--json"]);
    assert_eq!(end, End::Faults);
    assert!(out.starts_with("{\"rules\":{\"faults\":[{") && out.ends_with(",\"world\":[]}\n"), "{out}");
    let (end, out, err) = typed(&["routes", &tree.main()]);
    assert_eq!((end, out.as_str()), (End::Faults, ""));
    assert!(err.contains("error[E"), "{err}");
    // Which state folder is meant can't be known: the gateway is not asked.
    let (end, _, err) = typed(&["stop", "--config", &tree.main()]);
    assert_eq!(end, End::Faults);
    assert!(err.contains("error[E") && err.contains("say `--state DIR`"), "{err}");
    assert_eq!(typed(&["check", "/no/such/main.vcl"]).0, End::Faults);
}

#[test]
fn routes_are_a_table_of_doors() {
    let tree = Tree::new(RULES);
    let (end, out, _) = typed(&["routes", &tree.main()]);
    assert_eq!(end, End::Good);
    assert_eq!(
        out,
        "SITE         PATH    BACKEND        READ             WRITE            LIMITS  LOG      SERVES\n\
         www.example  /wiki/  wiki           network(office)  network(office)  -       default  web\n\
         www.example  /       old            anyone           anyone           -       default  web\n\
         example      /       → www.example  anyone           anyone           -       default  redirect\n"
    );
}

#[test]
fn a_request_is_explained_with_its_lines() {
    let tree = Tree::new(RULES);
    let main = tree.main();
    let ask = |more: &[&str]| {
        let mut line = vec!["explain", "https://www.example/wiki/Home", "--main", &main];
        line.extend(more);
        typed(&line)
    };
    let (end, out, err) = ask(&["--from", "192.0.2.7", "--method", "POST", "-H", "Cookie: a=b"]);
    assert_eq!((end, err.as_str()), (End::Good, ""));
    let head =
        format!("POST https://www.example/wiki/Home from 192.0.2.7, by {main}\n\nsite     www.example  (");
    assert!(out.starts_with(&head), "{out}");
    assert!(out.contains("access   admitted to write: network(office)  ("), "{out}");
    assert!(
        out.ends_with("answer   200, assumed: nobody was asked\nend      200 from backend wiki\n"),
        "{out}"
    );
    let (_, out, _) = ask(&["--from", "192.0.2.7", "--backend-answers=404"]);
    assert!(out.ends_with("answer   404\nend      404 from backend wiki\n"), "{out}");
    let (end, out, _) = ask(&["--json"]);
    assert_eq!(end, End::Good);
    assert!(
        out.contains("\"cause\":\"denied\",\"handling\":\"answered at the door\",\"status\":403"),
        "{out}"
    );
}

#[test]
fn plays_are_found_run_and_counted() {
    let tree = Tree::new(RULES);
    let play = |address: &str, backend: &str| {
        format!(
            "## A page\n```request\nGET https://www.example/x from {address}\n```\n```expect\nbackend {backend}\n```\n"
        )
    };
    let folder = tree.0.join("plays");
    std::fs::create_dir(&folder).unwrap();
    let folder_name = folder.to_str().unwrap();
    let (end, _, err) = typed(&["test", folder_name]);
    assert_eq!(end, End::Usage);
    assert!(err.contains("there is no play"), "{err}");
    std::fs::write(folder.join("page.md"), "# Just a page\n").unwrap();
    std::fs::write(folder.join("good.md"), play("192.0.2.1", "old")).unwrap();
    let (end, out, err) = typed(&["test", folder_name]);
    assert_eq!(
        (end, out.as_str(), err.as_str()),
        (End::Good, "1 file, 1 play, 1 request: all as expected\n", "")
    );
    let (_, out, _) = typed(&["test", folder_name, "--coverage"]);
    assert!(
        out.contains(
            "visited: 0 of 0 lines of rules, 1 of 2 routes\nnever visited: route /wiki/ of www.example  ("
        ),
        "{out}"
    );
    std::fs::write(folder.join("bad.md"), format!("rules: ../main.vcl\n\n{}", play("192.0.2.1", "wiki")))
        .unwrap();
    let (end, out, _) = typed(&["test", folder_name]);
    assert_eq!(end, End::Faults);
    assert!(out.contains("bad.md:4: A page\n  GET https://www.example/x\n  expected  backend wiki  (line 8)\n  came      backend old\n"), "{out}");
    assert!(out.ends_with("2 files, 2 plays, 2 requests: 1 not as expected\n"), "{out}");
    let (end, out, _) = typed(&["test", folder_name, "--json", "--coverage"]);
    assert_eq!(end, End::Faults);
    assert!(
        out.starts_with(
            "{\"files\":2,\"plays\":2,\"requests\":2,\"failed\":1,\"flaws\":0,\"failures\":[{\"file\":"
        ),
        "{out}"
    );
    assert!(
        out.contains("\"routes\":[1,2],\"missed\":[],\"missed_routes\":[\"www.example /wiki/\"]}]}"),
        "{out}"
    );
    // What is visited under one environment counts for the tree.
    let wiki = play("192.0.2.1", "wiki").replacen("/x", "/wiki/x", 1);
    std::fs::write(folder.join("bad.md"), format!("env LEVEL=staging\n\n{wiki}")).unwrap();
    let (_, out, _) = typed(&["test", folder_name, "--coverage"]);
    assert_eq!(out.matches("visited: ").count(), 1, "{out}");
    assert!(out.contains("2 of 2 routes\n"), "{out}");
    // A play that can't be understood is no play that went well.
    std::fs::write(folder.join("bad.md"), play("192.0.2.1", "odl")).unwrap();
    let (end, out, _) = typed(&["test", folder_name]);
    assert_eq!(end, End::Faults);
    assert!(out.contains("did you mean `old`?"), "{out}");
    assert_eq!(typed(&["test", folder.join("page.md").to_str().unwrap()]).0, End::Faults);
    assert_eq!(typed(&["test", folder.join("none.md").to_str().unwrap()]).0, End::Faults);
    std::fs::write(tree.main(), "site").unwrap();
    let (end, _, err) = typed(&["test", folder.join("good.md").to_str().unwrap()]);
    assert_eq!(end, End::Faults);
    assert!(err.contains("error[E"), "{err}");
}

#[test]
fn two_trees_and_a_log_are_compared() {
    let (old, new) = (Tree::new(RULES), Tree::new(&RULES.replace(".allow = network(office); ", "")));
    assert_eq!(typed(&["diff", &old.main(), &old.main()]), (End::Good, String::new(), String::new()));
    let (end, out, _) = typed(&["diff", &old.main(), &new.main()]);
    assert_eq!(end, End::Faults);
    assert!(out.starts_with("opened   www.example /wiki/  network(office) → anyone  ("), "{out}");
    let broken = Tree::new("site");
    assert_eq!(typed(&["diff", &old.main(), &broken.main()]).0, End::Usage);

    let line = "203.0.113.0 - - [20/Nov/2026:13:55:12 +0000] \"GET /wiki/ HTTP/1.1\" 403 9 \"-\" \"-\" id=0123456789abc seconds=0.001000 cause=denied\n";
    let log = old.0.join("access.log");
    std::fs::write(&log, line).unwrap();
    let log = log.to_str().unwrap();
    let (end, out, _) = typed(&["replay", log, "--against", &old.main(), "--strict"]);
    assert_eq!((end, out.as_str()), (End::Good, "1 line: 1 end as before\n"));
    let (end, out, _) = typed(&["replay", log, "--against", &new.main()]);
    assert_eq!(end, End::Good);
    assert!(out.contains("1  GET /wiki/: 403 denied → backend wiki  (such as /wiki/)"), "{out}");
    assert_eq!(typed(&["replay", log, "--against", &new.main(), "--strict"]).0, End::Faults);
    let (end, out, _) = typed(&["replay", log, "--against", &new.main(), "--with", &new.main(), "--json"]);
    assert_eq!(end, End::Good);
    assert!(out.starts_with("{\"lines\":1,\"same\":1,"), "{out}");
    let (end, _, err) = typed(&["replay", log, "--against", &new.main(), "--site", "ww.example"]);
    assert_eq!(end, End::Usage);
    assert!(err.contains("did you mean `www.example`?"), "{err}");
    assert_eq!(typed(&["replay", "/no/such.log", "--against", &new.main()]).0, End::Faults);
}

#[test]
fn faults_are_explained_in_any_case() {
    let (end, list, _) = typed(&["explain"]);
    assert_eq!(end, End::Good);
    assert!(list.contains("E001  "), "{list}");
    let (end, text, _) = typed(&["explain", "e001"]);
    assert_eq!(end, End::Good);
    assert!(text.starts_with("E001"), "{text}");
}

#[test]
fn a_gateway_that_does_not_run_is_said_to() {
    let tree = Tree::new(RULES);
    for command in ["status", "reload", "stop"] {
        let (end, _, err) = typed(&[command, "--state", tree.0.to_str().unwrap()]);
        assert_eq!(end, End::Faults);
        assert!(err.contains("no gateway runs on the state folder"), "{err}");
    }
}

#[test]
fn files_are_laid_out_where_they_are() {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = Tree::new("include private \"p.vcl\";\nlet  a=1; include \"b.vcl\";\ninclude \"c.vcl\";\n");
    let file = |name: &str| tree.0.join(name);
    std::fs::write(file("p.vcl"), "let  secret=\"hunter2\";").unwrap();
    std::fs::set_permissions(file("p.vcl"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(file("b.vcl"), "let b = 1;\n").unwrap();
    std::fs::write(file("c.vcl"), "let  c = ;").unwrap();
    let shown = |name: &str, what: &str| format!("{}: {what}\n", file(name).display());

    let (end, out, err) = typed(&["fmt", "--check", &tree.main()]);
    let would = shown("main.vcl", "would change") + &shown("p.vcl", "would change");
    assert_eq!((end, out), (End::Faults, would));
    assert!(err.contains("expected a value") && !err.contains("hunter2"), "{err}");
    assert_eq!(std::fs::read_to_string(file("p.vcl")).unwrap(), "let  secret=\"hunter2\";");

    let (end, out, _) = typed(&["fmt", &tree.main(), file("b.vcl").to_str().unwrap()]);
    assert_eq!((end, out), (End::Faults, shown("main.vcl", "changed") + &shown("p.vcl", "changed")));
    assert_eq!(std::fs::read_to_string(file("p.vcl")).unwrap(), "let secret = \"hunter2\";\n");
    assert_eq!(std::fs::metadata(file("p.vcl")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(file("c.vcl")).unwrap(), "let  c = ;");

    std::fs::write(file("c.vcl"), "let c = 1;\n").unwrap();
    assert_eq!(typed(&["fmt", "--check", &tree.main()]), (End::Good, String::new(), String::new()));
    assert_eq!(typed(&["fmt", &tree.main()]), (End::Good, String::new(), String::new()));
    assert_eq!(typed(&["fmt", "-", "x.vcl"]).0, End::Usage);
}

#[test]
fn what_leaves_no_doubt_is_mended_in_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = RULES
        .replace(".backend = old;", ".backend = odl")
        .replace("\"unix:", "'unix:")
        .replace("sock\"", "sock'");
    let tree = Tree::new(&format!("include private \"p.vcl\";{wrong}"));
    let private = tree.0.join("p.vcl");
    std::fs::write(&private, "let token = 'hunter2'\nlet other = token;\n").unwrap();
    let mode = |wanted: Option<u32>| {
        if let Some(mode) = wanted {
            std::fs::set_permissions(&private, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::fs::metadata(&private).unwrap().permissions().mode() & 0o777
    };
    mode(Some(0o600));
    let before = std::fs::read_to_string(tree.main()).unwrap();
    assert_eq!(typed(&["check", &tree.main()]).0, End::Faults);
    assert_eq!(std::fs::read_to_string(tree.main()).unwrap(), before, "without --fix nothing is changed");

    let (end, out, err) = typed(&["check", &tree.main(), "--fix"]);
    assert_eq!((end, err.as_str()), (End::Good, ""), "{out}");
    assert!(out.contains("there is no backend called `odl`; now `old`"), "{out}");
    assert!(out.contains("p.vcl:1:22: a `;` is missing; put in `;`"), "{out}");
    assert!(!out.contains("hunter2"), "{out}");
    assert_eq!(std::fs::read_to_string(tree.main()).unwrap(), format!("include private \"p.vcl\";{RULES}"));
    assert_eq!(std::fs::read_to_string(&private).unwrap(), "let token = \"hunter2\";\nlet other = token;\n");
    assert_eq!(mode(None), 0o600);

    let (end, out, _) = typed(&["check", "--fix", "--json", &tree.main()]);
    assert_eq!(end, End::Good);
    assert!(out.starts_with("{\"rules\":") && !out.contains("mended"), "programs read one object: {out}");
}

#[test]
fn pages_are_written_out_whole_and_overwrite_nothing() {
    let tree = Tree::new(RULES);
    let folder = tree.0.join("pages");
    let export = |more: &[&str]| typed(&[&["pages", "export", folder.to_str().unwrap()], more].concat());
    let (end, out, err) = export(&[]);
    assert_eq!((end, err.as_str()), (End::Good, ""));
    assert!(out.contains("49 pages in 4 languages") && out.contains(".pages = "), "{out}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 49 * 4);
    let page = folder.join("connection-refused.de.html");
    let ours = std::fs::read_to_string(&page).unwrap();
    assert!(ours.contains("{id}") && ours.contains("<html lang=\"de\">"));
    std::fs::write(&page, "mine").unwrap();
    let (end, out, err) = export(&[]);
    assert_eq!((end, out.as_str()), (End::Faults, ""));
    assert!(
        err.contains("and 195 more already, and nothing was written") && err.contains("--force"),
        "{err}"
    );
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "mine");
    assert_eq!(export(&["--force"]).0, End::Good);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), ours);
    // What is written is what a site takes.
    let rules = RULES.replace(".certificate = local;", ".certificate = local; .pages = \"pages\";");
    std::fs::write(tree.0.join("main.vcl"), &rules).unwrap();
    let (end, out, _) = typed(&["check", &tree.main()]);
    assert_eq!(end, End::Good, "{out}");
    std::fs::write(folder.join("404.html"), "{id} <script>").unwrap();
    std::fs::write(folder.join("connexion-refused.html"), "").unwrap();
    let (end, out, _) = typed(&["check", &tree.main()]);
    assert_eq!(end, End::Faults);
    assert!(out.contains("error: site `www.example`: ") && out.contains("404.html holds a script"), "{out}");
    assert!(out.contains("did you mean `connection-refused.html`?"), "{out}");
    let (end, _, err) = typed(&["pages", "preview", &tree.main()]);
    assert_eq!(end, End::Faults);
    assert!(err.contains("404.html holds a script"), "{err}");
    std::fs::write(tree.0.join("file"), "").unwrap();
    let (end, _, err) = typed(&["pages", "export", tree.0.join("file").to_str().unwrap()]);
    assert!(end == End::Faults && err.contains("can't be written to"), "{err}");
}

#[test]
fn what_pages_cannot_do_is_said() {
    for (line, said) in [
        (&["pages"][..], "say what to do: `pages export DIR` or `pages preview`"),
        (&["pages", "export"], "wants a folder to write to"),
        (&["pages", "exprot", "x"], "`pages` can't `exprot`; did you mean `export`?"),
        (&["pages", "frobnicate"], "it can export and preview"),
        (&["pages", "export", "a", "b"], "one thing to do, and one folder or file"),
        (&["pages", "export", "a", "--listen", ":0"], "`pages export` knows no `--listen`"),
        (&["pages", "preview", "--force"], "`pages preview` knows no `--force`"),
        (
            &["pages", "preview", "--listen", "80"],
            "`80` is no address to listen on: write a `:` before the port",
        ),
    ] {
        let (end, out, err) = typed(line);
        assert_eq!((end, out.as_str()), (End::Usage, ""), "{line:?}");
        assert!(err.contains(said), "{line:?}: {err}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (end, _, err) = typed(&["pages", "preview", "--listen", &address]);
    assert_eq!(end, End::Faults);
    assert!(err.contains(&format!("can't be shown on {address}")), "{err}");
}
