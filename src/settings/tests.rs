//! What is promised of whole trees.

mod backends;
mod doors;

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::language::faults::Example;
use crate::language::table::Kind;
use crate::language::{Code, Files, Memory, Severity};

fn compiled(files: &dyn Files) -> Result<Settings, Diagnostics> {
    compile(&language::read(files, Path::new("main.vcl"), &|_| None))
}

fn settings(text: &str) -> Settings {
    match compiled(&Memory::default().with("main.vcl", 0o644, text)) {
        Ok(settings) => settings,
        Err(faults) => panic!("{faults}\n{text}"),
    }
}

fn faults(text: &str) -> Diagnostics {
    match compiled(&Memory::default().with("main.vcl", 0o644, text)) {
        Ok(settings) => settings.warnings,
        Err(faults) => faults,
    }
}

const TWO: &str = "backend app { .url = \"http://127.0.0.1:8000\"; } site \"www.example\" { route \"/\" { .backend = app; } }";

#[test]
fn each_code_has_an_example_that_produces_it_and_nothing_else() {
    for code in Code::ALL {
        let found = match compiled(&code.example().files()) {
            Ok(settings) => settings.warnings,
            Err(faults) => faults,
        };
        let of_its_kind: Vec<&str> = found
            .iter()
            .filter(|fault| fault.is_error() || code.severity() == Severity::Warning)
            .map(|fault| fault.code.code())
            .collect();
        if code.severity() == Severity::Error {
            assert_eq!(of_its_kind, [code.code()], "{found}");
        } else {
            assert!(of_its_kind.contains(&code.code()) && !found.has_errors(), "{}: {found}", code.code());
        }
        for fault in found.iter() {
            let says_what_next = !fault.label.is_empty() || fault.help.is_some();
            assert!(says_what_next, "{} leaves the reader alone", fault.code.code());
            assert!(!fault.message.ends_with('.') && !fault.label.ends_with('.'), "{}", fault.message);
        }
        assert!(matches!(code.example(), Example::Made(_)) || !found.draw().is_empty());
    }
}

/// The tree in which each setting is tried: everything that examples name is declared.
fn tried(kind: Kind, name: &str, setting: &str) -> String {
    let body = |here: Kind, usual: &str| {
        if here != kind {
            return usual.to_owned();
        }
        let kept: String =
            usual.split_inclusive(';').filter(|part| !part.contains(&format!(".{name} "))).collect();
        format!("{kept} {setting}")
    };
    let trusted = if name == "proxy_protocol" { ".trusted = office;" } else { "" };
    // A backend is in one place.
    let at = match (kind, name) {
        (Kind::Backend, "url" | "host" | "path") if !setting.is_empty() => "",
        (Kind::Backend, "url" | "port") => ".host = \"127.0.0.1\";",
        // Who waits waits for something.
        (Kind::Backend, "queue" | "queue_timeout") => ".url = \"https://127.0.0.1:8000\"; .workers = 8;",
        _ => ".url = \"https://127.0.0.1:8000\";",
    };
    let hashes = if (kind, name) == (Kind::Director, "by") { ".policy = hash;" } else { "" };
    // A route has one answer, and most settings of one say something of it alone.
    let answering = match (kind, name) {
        (Kind::Route, "files" | "redirect" | "answer") if !setting.is_empty() => "",
        (
            Kind::Route,
            "index" | "listing" | "try" | "expires" | "links" | "precompressed" | "hidden" | "scripts",
        ) => ".files = \"/srv\";",
        (Kind::Route, "status") => ".redirect = \"https://new.example/\";",
        (Kind::Route, "type") => ".answer = \"text\";",
        (Kind::Route, "root" | "root_there" | "script" | "endings") => ".backend = php; .root = \"/srv\";",
        _ => ".backend = app;",
    };
    format!(
        "acl office {{ \"192.0.2.0\"/24; }} probe alive {{ {} }} log visitors {{ {} }} gateway {{ {} }}
         backend app {{ {} }} backend asked {{ .url = \"http://127.0.0.1:8000\"; .probe = alive; }} backend other {{ .url = \"http://127.0.0.1:8000\"; }}
         backend php {{ .url = \"fastcgi:/run/php.sock\"; }}
         director home {{ {} }}
         site \"www.example\" {{ {} route \"/app/\" {{ {} }} route \"/home/\" {{ .backend = home; }} }}",
        body(Kind::Probe, ""),
        body(Kind::Log, ""),
        body(Kind::Gateway, trusted),
        body(Kind::Backend, at),
        body(Kind::Director, &format!(".members = other, app; {hashes}")),
        body(Kind::Site, ".log = visitors;"),
        body(Kind::Route, answering),
    )
}

#[test]
fn every_setting_reaches_somebody() {
    let without_warnings = |settings: Settings| {
        (
            settings.gateway,
            settings.sites,
            settings.backends,
            settings.directors,
            settings.logs,
            settings.default_log,
        )
    };
    for kind in Kind::ALL {
        for row in kind.settings() {
            let usual =
                if row.required || matches!(row.name, "log" | "backend" | "root") { row.name } else { "" };
            let usual =
                if usual.is_empty() { tried(*kind, row.name, "") } else { tried(Kind::Acl, row.name, "") };
            let without = row.name == "log" && *kind == Kind::Site;
            let usual = if without { usual.replace(".log = visitors;", "") } else { usual };
            let with = tried(*kind, row.name, &format!(".{} = {};", row.name, row.example));
            let (usual, with) = (without_warnings(settings(&usual)), without_warnings(settings(&with)));
            assert_ne!(format!("{usual:?}"), format!("{with:?}"), "nobody reads {kind:?}.{}", row.name);
        }
    }
}

#[test]
fn defaults_are_what_the_table_says() {
    for kind in Kind::ALL {
        for row in kind.settings().iter().filter(|row| {
            !row.required && !row.default.contains(' ') && row.default != "none" && row.default != "nobody"
        }) {
            if row.default.contains("{state}") || row.default.contains("/var") {
                continue;
            }
            let usual = tried(*kind, row.name, "");
            let said = tried(*kind, row.name, &format!(".{} = {};", row.name, row.default));
            let (usual, said) = (settings(&usual), settings(&said));
            assert_eq!(
                format!("{:?}", (usual.gateway, usual.sites, usual.backends, usual.directors, usual.logs)),
                format!("{:?}", (said.gateway, said.sites, said.backends, said.directors, said.logs)),
                "{kind:?}.{} = {}",
                row.name,
                row.default
            );
        }
    }
}

#[test]
fn two_lines_are_a_gateway() {
    let found = settings(TWO);
    assert!(found.warnings.is_empty(), "{}", found.warnings);
    assert_eq!(format!("{:?} {:?}", found.gateway.http, found.gateway.https), "[[::]:80] [[::]:443]");
    assert_eq!(found.gateway.state, Path::new("/var/lib/doorward"));
    let site = &found.sites[0];
    assert!(site.force_https && site.log.is_none());
    assert_eq!(site.certificate, plan::CertificateWish::Local);
    assert_eq!(&*found.default_log.file, "/var/lib/doorward/log/{site}/access-{day}.log");
    // One listener said is all there is.
    assert!(settings(&format!("gateway {{ .https = \":8443\"; }} {TWO}")).gateway.http.is_empty());
}

#[test]
fn the_environment_decides_between_production_and_staging() {
    let text = r#"
        let domain = env("DOMAIN", "scipy.example");
        let staging = domain != "scipy.example";
        gateway { .workers = env("WORKERS", "2"); .head_timeout = env("WAIT", "5s"); .proxy_protocol = env("PROXY", "no"); .trusted = near; }
        acl near { "192.0.2.0"/24; }
        log visitors { .format = env("FORMAT", "combined"); }
        backend live { .url = "http://127.0.0.1:1"; } backend test { .url = "http://127.0.0.1:2"; }
        site "www." + domain { .log = visitors; .certificate = if(staging, local, files("a.pem", "a.key"));
            route "/" { .backend = if(staging, test, live); .allow = if(staging, network(near), anyone); }
            route "/other" { .backend = env("OTHER", "test"); } }"#;
    let files = Memory::default().with("main.vcl", 0o644, text);
    let read = |variables: &[(&str, &str)]| {
        let look_up = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        compile(&language::read(&files, Path::new("main.vcl"), &look_up)).map_err(|faults| faults.lines())
    };
    let live = read(&[]).unwrap();
    assert_eq!(&*live.sites[0].name, "www.scipy.example");
    assert_eq!(live.sites[0].routes[0].answers, plan::Answers::Backend(plan::BackendId(0)));
    assert_eq!(live.sites[0].routes[0].read, plan::Access::Anyone);
    assert_eq!(live.gateway.workers, Some(2));
    let test = read(&[
        ("DOMAIN", "test.example"),
        ("WORKERS", "3"),
        ("WAIT", "7s"),
        ("PROXY", "yes"),
        ("FORMAT", "json"),
        ("OTHER", "live"),
    ])
    .unwrap();
    assert_eq!(&*test.sites[0].name, "www.test.example");
    assert_eq!(test.sites[0].routes[0].answers, plan::Answers::Backend(plan::BackendId(1)));
    assert_eq!(test.sites[0].routes[1].answers, plan::Answers::Backend(plan::BackendId(0)));
    assert!(matches!(test.sites[0].routes[0].read, plan::Access::Network(_)));
    assert_eq!((test.gateway.workers, test.gateway.proxy_protocol), (Some(3), true));
    assert_eq!(test.gateway.bounds.head_timeout.as_secs(), 7);
    assert_eq!(test.logs[0].format, record::Format::Json);
    let wrong = read(&[("WORKERS", "many")]).unwrap_err();
    assert!(
        wrong.contains("`.workers` takes a whole number, and this is `many`, from the environment"),
        "{wrong}"
    );
}

#[test]
fn paths_are_relative_to_the_file_they_stand_in() {
    let files = Memory::default()
        .with(
            "etc/main.vcl",
            0o644,
            "gateway { .state = \"../state\"; } include \"sites/www.vcl\"; log l { .file = \"l/{day}.log\"; }",
        )
        .with(
            "etc/sites/www.vcl",
            0o644,
            "backend app { .url = \"unix:app.sock\"; } backend tls { .url = \"https://app\"; .ca = \"../ca.pem\"; }
             backend kept { .url = \"unix:{state}/kept.sock\"; }
             site \"www.example\" { .log = l; .certificate = files(\"{state}/a.pem\", \"/b.key\");
               route \"/\" { .backend = app; } route \"/a\" { .backend = tls; } route \"/b\" { .backend = kept; } }",
        );
    let found = compile(&language::read(&files, Path::new("etc/main.vcl"), &|_| None)).unwrap();
    assert_eq!(found.gateway.state, Path::new("state"));
    assert_eq!(found.backends[0].address, upstream::Address::Unix("etc/sites/app.sock".into()));
    assert_eq!(found.backends[1].tls.as_ref().unwrap().ca.as_deref(), Some(Path::new("etc/ca.pem")));
    assert_eq!(found.backends[2].address, upstream::Address::Unix("state/kept.sock".into()));
    assert_eq!(
        found.sites[0].certificate,
        plan::CertificateWish::Files { chain: "state/a.pem".into(), key: "/b.key".into() }
    );
    assert_eq!(
        (&*found.logs[0].file, &*found.logs[0].errors),
        ("etc/l/{day}.log", "state/log/{site}/error-{day}.log")
    );
    assert_eq!(found.files, [Path::new("etc/main.vcl"), Path::new("etc/sites/www.vcl")]);
}

#[test]
fn a_private_value_is_in_no_message() {
    const SECRET: &str = "hunter2";
    // The secret is wrong in every setting that takes text, used from a file that is not private, and
    // stands in the private file where nothing is expected.
    let mut mains = vec![
        format!("site token {{ route token {{ .backend = token; }} }} {TWO}"),
        "site \"a\" + token { } site token + \"/\" { .aliases = token; }".to_owned(),
        "acl a { token; token/24; } gateway { .trusted = a; .workers = token; }".to_owned(),
        "let x = token + \"@\"; let y = if(token == \"x\", \"a\", token); site x { } site y { }".to_owned(),
        "let z = env(token); site z { }".to_owned(),
        "let z = 5s + token; let w = !token; site \"a\" { .certificate = token; route \"/\" { .allow = token; } }".to_owned(),
    ];
    for kind in Kind::ALL {
        for row in kind.settings() {
            mains.push(tried(*kind, row.name, &format!(".{} = token;", row.name)));
            mains.push(tried(*kind, row.name, &format!(".{} = token + \"{{x}}\";", row.name)));
        }
    }
    let privates = [
        format!("let token = \"{SECRET} \";"),
        format!("let token = {SECRET};"),
        format!("let token = \"{SECRET}"),
        format!("{SECRET} = \"a\";"),
        format!(".{SECRET} = 1;"),
        format!("backend {SECRET} {{ .{SECRET} = {SECRET}; {SECRET} }} let token = \"{SECRET}\";"),
        format!("let token = '{SECRET}';"),
        format!("let token = \"{SECRET}\" \"{SECRET}\";"),
        format!("let token = {SECRET}(\"a\");"),
        format!("let token = {SECRET}.{SECRET};"),
        format!(
            "site \"{SECRET} \" {{ route \"{SECRET}\" {{ .backend = {SECRET}; .allow = {SECRET}; .encoded_slash = {SECRET}; }} }} let token = \"{SECRET} \";"
        ),
        format!("include \"{SECRET}\"; let token = \"\";"),
        format!("let {SECRET} = 1; let {SECRET} = 1; let token = \"{SECRET} \";"),
    ];
    let mut seen = 0;
    for private in &privates {
        for main in &mains {
            let files = Memory::default()
                .with("main.vcl", 0o644, format!("include private \"p.vcl\"; {main}"))
                .with("p.vcl", 0o600, private.clone());
            let Err(found) = compiled(&files) else { continue };
            seen += 1;
            for shown in [found.draw(), found.lines(), found.json(), format!("{found:?}")] {
                assert!(!shown.contains(SECRET), "{private}\n{main}\n{shown}");
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn a_private_file_is_private_all_the_way_down() {
    let tree = |mode| {
        Memory::default()
            .with("main.vcl", 0o644, format!("include private \"p.vcl\"; {TWO}"))
            .with("p.vcl", 0o600, "include \"q.vcl\";")
            .with("q.vcl", mode, "")
    };
    assert!(compiled(&tree(0o600)).is_ok());
    for mode in [0o640, 0o604, 0o610, 0o601, 0o620, 0o644, 0o777] {
        let found = compiled(&tree(mode)).unwrap_err();
        assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::NotPrivate], "{mode:o}");
    }
    assert!(compiled(&tree(0o400)).is_ok());
}

#[test]
fn all_faults_come_in_one_run_and_in_file_order() {
    let files = Memory::default()
        .with(
            "main.vcl",
            0o644,
            "include \"b.vcl\";\nsite \"www.example\" {\n  route \"trac\" { .backend = tarc; }\n  .aliass = \"a\";\n}\nlet x = @;\n",
        )
        .with("b.vcl", 0o644, "backend trac { .url = \"http://a:0\"; .idle_max = 5s }\nsit \"b\" { }\n");
    let found = compiled(&files).unwrap_err();
    assert_eq!(
        found.lines(),
        "main.vcl:3:9: error[E034]: `trac` is no path of a route; begin it with `/`\n\
         main.vcl:3:29: error[E014]: there is no backend called `tarc`; did you mean `trac` (b.vcl:1)?\n\
         main.vcl:4:3: error[E017]: a `site` has no setting `.aliass`; did you mean `.aliases`?\n\
         main.vcl:6:9: error[E009]: `@` means nothing here; take it out, or put it in a string\n\
         b.vcl:1:23: error[E032]: `http://a:0` is no url of a backend; write `http://host` or `http://host:port`\n\
         b.vcl:1:49: error[E020]: `.idle_max` takes a whole number, and this is a duration; write a whole number\n\
         b.vcl:1:51: error[E011]: a `;` is missing; write `;` here\n\
         b.vcl:2:1: error[E015]: there is no declaration called `sit`; did you mean `site`?\n"
    );
}

#[test]
fn recovery_does_not_invent_faults() {
    for (text, codes) in [
        ("backend app { .url = \"http://a\" .idle_max = 4; }", vec!["E011"]),
        ("backend app { .url = ; .idle_max = 4; }", vec!["E010"]),
        ("backend app {\n .url =\n .idle_max = 4;\n}", vec!["E010"]),
        ("backend app { .url \"http://a\"; }", vec!["E010"]),
        ("backend app { .url = \"http://a\"; } }", vec!["E012"]),
        ("backend app { .url = \"http://a\";\nbackend b { .url = \"http://b\"; }", vec!["E012"]),
        (
            "sub vcl_recv { if (req.url ~ \"x\") { set req.htp.A = \"b\"; } }\nbackend app { .url = \"http://a\"; }",
            vec!["E100"],
        ),
        ("import std;\nvcl 4.1;\nprobe p { .url = \"/\"; }", vec!["E124"]),
        ("directory people { }\nlimit posts { }", vec!["E016", "E016"]),
        ("backend app { .url = \"http://a\" \"b\"; }", vec!["E010"]),
        ("backend app { .url = \"http://a\"; .idle_max = 3 - 4; }", vec!["E010"]),
        ("backend app { .url = env(\"A\" \"b\"); }", vec!["E010"]),
        ("backend app { .url = (\"http://a\"; }", vec!["E010"]),
        ("acl a {\"192.0.2.1\"; }", vec!["E007"]),
        ("backend \"app\" { .url = \"http://a\"; }", vec!["E025"]),
        ("backend { .url = \"http://a\"; }", vec!["E025"]),
        ("gateway x { }", vec!["E025"]),
        ("site \"a\" { backend b { .url = \"http://a\"; } }", vec!["E025"]),
        ("site \"a\" { let b = 1; include \"x\"; }", vec!["E025", "E025"]),
        ("site { }", vec!["E025"]),
        ("backend app { \"a\"; .url = \"http://a\"; }", vec!["E025"]),
        (".url = \"a\";", vec!["E025"]),
        ("let x = nope; let y = x + \"a\"; site y { }", vec!["E019"]),
        ("let x = y; let y = x; ", vec!["E027"]),
        ("let a = \"1\" == 1;", vec!["E020"]),
        ("let a = if(\"x\", 1, 2);", vec!["E020"]),
        ("let a = env();", vec!["E026"]),
        (
            "backend app { .url = \"http://a\"; .visitor_address = fulll; .first_byte_timeout = 10; }",
            vec!["E018", "E020"],
        ),
        ("log l { .format = \"json\"; }", vec!["E018"]),
        (
            "site \"a\" { route \"/\" { .backend = b; .allow = user(\"x\"); } } backend b { .url = \"http://a\"; }",
            vec!["E016"],
        ),
        (
            "site \"a\" { route \"/\" { .backend = b; .allow = c; } } acl c { } backend b { .url = \"http://a\"; }",
            vec!["E018"],
        ),
        ("site \"a\" { route \"/\" { .backend = \"b\"; } } backend b { .url = \"http://a\"; }", vec!["E020"]),
        ("backend b { .url = \"http://a\"; } acl b { } let b = 1;", vec!["E029", "E029"]),
        (
            "gateway { .admin = \"127.0.0.1:80\"; .http = \":80\"; .https = \"[::1]:443\", \"0.0.0.0:443\"; }",
            vec!["E042"],
        ),
        ("acl a { ! \"::ffff:192.0.2.1\"; \"::ffff:192.0.2.0\"/120; }", vec!["E037", "E037"]),
        ("acl a { \"192.0.2.0\"/33; \"192.0.2.0/24\"; \"::\"/0; 5; }", vec!["E037", "E037", "E020"]),
    ] {
        let found = faults(text);
        let mut codes = codes;
        let mut seen: Vec<&str> =
            found.iter().filter(|fault| fault.is_error()).map(|fault| fault.code.code()).collect();
        codes.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, codes, "{text}\n{found}");
    }
}

#[test]
fn what_is_nested_is_bounded() {
    let open = |piece: &str, times: usize| piece.repeat(times);
    for text in [
        format!("let x = {}", open("(", 100_000)),
        format!("let x = {};", open("!", 100_000)),
        format!("let x = {};", open("f(", 100_000)),
        format!("let x = {};", open("if(yes,", 100_000)),
        open("site \"a\" { ", 100_000),
        open("{", 100_000),
        open("{\"", 100_000),
        open("}", 100_000),
        open("“", 50_000),
        open(".", 100_000),
        open("let ", 100_000),
        format!("site \"a\" {}", open("{ route \"/\" ", 50_000)),
    ] {
        let found = faults(&text);
        assert!(found.has_errors());
        assert!(found.draw().len() < 2_000_000);
    }
    // Long is not deep.
    let long = format!(
        "let x = {}1; let y = x == 100001; site \"a\" + if(y, \"b\", \"c\") {{ }}",
        "1 + ".repeat(100_000)
    );
    assert_eq!(&*settings(&long).sites[0].name, "ab");
    let allow = vec!["network(a)"; 50_000].join(" || ");
    let found = settings(&format!(
        "acl a {{ \"192.0.2.0\"/24; }} backend b {{ .url = \"http://a\"; }} site \"a\" {{ route \"/\" {{ .backend = b; .allow = {allow}; }} }}"
    ));
    let visitor = crate::base::address::ClientIp::new("203.0.113.1".parse().unwrap());
    assert!(!found.sites[0].routes[0].read.admits(visitor));
}

#[test]
fn any_text_at_all_is_read_to_the_end() {
    let pieces = [
        "backend", "site", "route", "acl", "log", "gateway", "let", "include", "sub", " a ", " = ", "\"/\"",
        "\"a\"", "{", "}", "(", ")", ";", ",", ".url", ".backend", ".allow", "5s", "7", "64KB", "!", "&&",
        "||", "==", "+", "\n", "network", "if(", "env(", "yes", "/24", "#", "/*", "*/", "\"", "{\"", "\"}",
        "ü", "private",
    ];
    let mut seed = 11_u64;
    for _ in 0..4_000 {
        let mut text = String::new();
        for _ in 0..24 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            text.push(' ');
        }
        let found = faults(&text);
        let _ = (found.draw(), found.json(), found.lines());
    }
}

#[test]
fn many_routes_load_without_haste() {
    let mut text =
        String::from("backend app { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" {\n");
    for route in 0..20_000 {
        let _ = writeln!(text, "    route \"/project/{route}/\" {{ .backend = app; }}");
    }
    text.push('}');
    assert_eq!(settings(&text).sites[0].routes.len(), 20_000);
}

/// Run by hand and by `make prove` in a release build: how long a load takes says nothing in a debug build
/// on a busy machine.
#[test]
#[ignore = "measures; meant for a release build"]
fn a_large_tree_loads_in_time() {
    let many = |routes: usize| {
        let mut text =
            String::from("backend app { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" {\n");
        for route in 0..routes {
            let _ = writeln!(text, "    route \"/project/{route}/\" {{ .backend = app; }}");
        }
        text + "}"
    };
    for (lines, most) in [(5_000, 10), (100_000, 2_000)] {
        let files = Memory::default().with("main.vcl", 0o644, many(lines));
        let mut best = u128::MAX;
        for _ in 0..5 {
            let start = crate::base::clock::now();
            assert!(compiled(&files).is_ok());
            best = best.min(start.elapsed().as_micros());
        }
        println!("{lines} routes: {best} µs");
        assert!(best <= most * 1_000, "{lines} routes took {best} µs");
    }
}

#[test]
fn one_wrong_byte_brings_no_flood() {
    let text = "let domain = \"scipy.example\";
acl office { \"192.0.2.0\"/24; ! \"192.0.2.66\"; }
backend trac { .url = \"http://127.0.0.1:8000\"; .idle_max = 7; }
backend svn { .url = \"https://svn\"; .connect_timeout = 5s; }
site \"www.\" + domain {
    .aliases = domain;
    route \"/trac/\" { .backend = trac; .allow = network(office) || nobody; }
    route \"/svn/\" { .backend = if(domain == \"a\", trac, svn); .body_bytes_max = 10MB; }
    route \"/\" { .backend = trac; }
}
";
    assert!(faults(text).is_empty(), "{}", faults(text));
    for at in 0..text.len() {
        for wrong in ["", "x", "\"", "{", "}", ";", ".", "@", "("] {
            let broken = format!("{}{wrong}{}", &text[..at], &text[at + 1..]);
            let found = faults(&broken);
            assert!(found.count().0 <= 7, "{broken}\n{}", found.lines());
        }
    }
}
