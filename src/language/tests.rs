//! The language as a whole: text in, declarations or faults out.

use super::source::FileId;
use super::table::Kind;
use super::tree::{Certificate, Value};
use super::*;

/// Reads a tree that must be without errors.
fn load(files: &dyn Files, main: &Path, environment: Environment<'_>) -> Result<Tree, Diagnostics> {
    let tree = read(files, main, environment);
    if tree.found.has_errors() { Err(Diagnostics::new(tree.sources, tree.found)) } else { Ok(tree) }
}

fn tree(text: &str) -> Tree {
    let files = Memory::default().with("main.vcl", 0o644, text);
    match load(&files, Path::new("main.vcl"), &|_| None) {
        Ok(tree) => tree,
        Err(faults) => panic!("{faults}\n{text}"),
    }
}

fn value(text: &str, name: &str) -> Value {
    let tree = tree(text);
    let declared = tree.gateway.iter().chain(&tree.backends).chain(&tree.sites).chain(&tree.logs);
    declared.filter_map(|declared| declared.value(name)).map(|valued| valued.value.clone()).next().unwrap()
}

#[test]
fn expressions_mean_what_they_say() {
    for (expression, number) in [
        ("if(yes, 1, 2)", 1),
        ("if(no, 1, 2)", 2),
        ("if(!no && yes, 1, 2)", 1),
        ("if(no || no || yes, 1, 2)", 1),
        ("if(\"a\" + \"b\" == \"ab\", 1, 2)", 1),
        ("if(\"a\" != \"A\", 1, 2)", 1),
        ("if(5s + 5s == 10s, 1, 2)", 1),
        ("if(1KB == 1024B, 1, 2)", 1),
        ("if(!(1 == 2), 1, 2)", 1),
        ("if(! 1 == 2, 1, 2)", 1),
        ("if(no && nothing == 1 || yes, 1, 2)", 1),
        ("if(true == yes, if(false, 1, (2)), 3)", 2),
        ("2 + 3", 5),
        ("nothing", 0),
        ("if({\"a\"} == \"\"\"a\"\"\", 1, 2)", 1),
    ] {
        let text =
            format!("let nothing = 0; gateway {{ .workers = 1 + {expression}; .linger_timeout = nothing; }}");
        assert_eq!(value(&text, "workers"), Value::Number(1 + number), "{expression}");
    }
}

#[test]
fn text_is_what_stands_between_the_quotes() {
    for (written, text) in [
        ("\"a\\n%20\"", "a\\n%20"),
        ("{\"a \"quoted\" b\"}", "a \"quoted\" b"),
        ("\"\"\"two\nlines\"\"\"", "two\nlines"),
        ("\"a\" + 1 + \"b\"", "a1b"),
        ("env(\"NOT_SET\", \"default\")", "default"),
    ] {
        let Value::Text(found) = value(&format!("gateway {{ .state = {written}; }}"), "state") else {
            panic!()
        };
        assert_eq!(found.get(), text, "{written}");
    }
}

#[test]
fn declarations_may_stand_in_any_order() {
    let tree = tree(
        "site \"a\" { .log = l; route \"/\" { .allow = network(o); .backend = c; } .certificate = files(\"a\", \"b\"); }
         backend b { .url = \"http://b\"; } backend c { .url = \"http://c\"; } acl o { \"::1\"; } log l { }",
    );
    let site = &tree.sites[0];
    assert_eq!(site.value("log").map(|valued| &valued.value), Some(&Value::Name(0)));
    assert_eq!(site.inside[0].value("backend").map(|valued| &valued.value), Some(&Value::Name(1)));
    assert!(matches!(
        site.value("certificate").map(|valued| &valued.value),
        Some(Value::Certificate(Certificate::Files { .. }))
    ));
    assert_eq!(site.inside[0].kind, Kind::Route);
}

#[test]
fn comments_stay_beside_the_tree() {
    let text = "# one\nlet a = 1; // two\n/* three\n */ gateway { .workers = a; # four\n}\n#";
    let mut sources = Sources::default();
    let file = sources.add("main.vcl".into(), text.to_owned(), false);
    let mut found = Found::default();
    let parsed =
        parser::parse(&sources, file, vocabulary::Dialect::Doorward, &mut found, &mut Suggestions::default());
    let comments: Vec<&str> = parsed.comments.iter().map(|span| sources.text(*span)).collect();
    assert_eq!(comments, ["# one", "// two", "/* three\n */", "# four", "#"]);
    assert_eq!(parsed.items.len(), 2);
    assert!(!found.has_errors());
}

#[test]
fn a_branch_not_taken_needs_no_environment() {
    let text =
        "let level = \"test\"; gateway { .state = if(level == \"production\", env(\"STATE\"), \"here\"); }";
    let Value::Text(found) = value(text, "state") else { panic!() };
    assert_eq!(found.get(), "here");
}

#[test]
fn a_private_text_does_not_print() {
    let files = Memory::default()
        .with("main.vcl", 0o644, "include private \"p.vcl\"; gateway { .state = \"/srv/\" + token; }")
        .with("p.vcl", 0o600, "let token = \"hunter2\";");
    let tree = load(&files, Path::new("main.vcl"), &|_| None).unwrap();
    assert!(!format!("{tree:?}").contains("hunter2"), "{tree:?}");
    let Some(Value::Text(text)) = tree.gateway.as_ref().unwrap().value("state").map(|valued| &valued.value)
    else {
        panic!()
    };
    assert_eq!((text.get(), text.is_private()), ("/srv/hunter2", true));
}

#[test]
fn a_main_file_that_is_not_there_is_said_without_a_place() {
    let found = load(&Memory::default(), Path::new("main.vcl"), &|_| None).unwrap_err();
    assert_eq!(
        found.draw(),
        "error[E001]: `main.vcl` cannot be read: there is no such file\n \
         = say which file holds the rules, such as `/etc/doorward/main.vcl`\n \
         = run `doorward explain E001` for what this means and how to mend it\n\n\
         1 error; nothing was loaded.\n"
    );
    assert_eq!(found.iter().next().map(|fault| fault.span.file), Some(FileId(u32::MAX)));
}
