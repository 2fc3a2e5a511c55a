//! The pages that are written from tables in the code, held to them. `UPDATE=1` rewrites what differs.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // all of this is test, the helpers too

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use doorward::answer::Hole;
use doorward::base::bound::Bounds;
use doorward::base::cause::{Cause, Statuses};
use doorward::language::{self, Diagnostics, Memory};
use doorward::settings;

/// Replaces what stands between the two marks of a page.
fn between_marks(page: &str, table: &str) -> String {
    let (before, rest) = page.split_once("<!-- table:").expect("the mark before the table");
    let (mark, rest) = rest.split_once("-->\n").expect("the end of that mark");
    let (_, after) = rest.split_once("<!-- end -->").expect("the mark behind the table");
    format!("{before}<!-- table:{mark}-->\n{table}<!-- end -->{after}")
}

fn limits() -> String {
    let bounds = Bounds::default();
    let mut table = String::from("| setting | default | what it bounds |\n|---|--:|---|\n");
    for row in Bounds::ROWS {
        let default = bounds.show(row.name).expect("every row can be shown");
        writeln!(table, "| `{}` | {default} | {} |", row.name, row.doc).expect("a String takes everything");
    }
    table
}

#[test]
fn the_table_of_limits_is_the_one_in_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    let page = fs::read_to_string(&path).expect("docs/limits.md");
    let expected = between_marks(&page, &limits());
    if page != expected && std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).expect("docs/limits.md can be written");
    } else {
        assert_eq!(page, expected, "write it anew with: UPDATE=1 cargo test --test docs");
    }
}

/// Every cause with its page and its statuses.
fn causes() -> String {
    let mut table = String::from(
        "| cause | page | status | `by_cause` | what a program is told |\n|---|---|--:|--:|---|\n",
    );
    for cause in Cause::ALL {
        let other = Statuses::ByCause.of(*cause);
        let other = if other == cause.status() { String::new() } else { other.to_string() };
        let (name, page, status) = (cause.name(), cause.page(), cause.status());
        writeln!(table, "| `{name}` | `{page}` | {status} | {other} | {} |", cause.sentence())
            .expect("a String takes everything");
    }
    table
}

#[test]
fn the_page_about_pages_names_every_cause_and_every_hole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pages.md");
    let page = fs::read_to_string(&path).expect("docs/pages.md");
    for (name, ..) in Hole::OF_PAGES {
        assert!(page.contains(&format!("`{{{name}}}`")), "docs/pages.md says nothing of {{{name}}}");
    }
    let expected = between_marks(&page, &causes());
    if page != expected && std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).expect("docs/pages.md can be written");
    } else {
        assert_eq!(page, expected, "write it anew with: UPDATE=1 cargo test --test docs");
    }
}

/// The rows of a page's table of causes: what it is about, the status, the cause.
fn causes_of(page: &str) -> Vec<(String, String, Cause)> {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).expect("the page");
    let (_, section) = page.split_once("cause in the log |\n").expect("the table of causes");
    let rows = section.lines().skip(1).take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            let name = cells[2].trim_matches('`');
            let cause = Cause::by_name(name).unwrap_or_else(|| panic!("no cause is called {name}"));
            (cells[0].to_owned(), cells[1].to_owned(), cause)
        })
        .collect();
    assert!(!rows.is_empty());
    rows
}

#[test]
fn every_cause_named_in_the_pages_exists_with_that_status() {
    for (limits, status, cause) in causes_of("limits.md") {
        assert_eq!(cause.status().to_string(), status, "{limits}");
        for limit in limits.split(',').map(|limit| limit.trim().trim_matches('`')) {
            assert!(Bounds::ROWS.iter().any(|row| row.name == limit), "no limit is called {limit}");
        }
    }
    for (what, status, cause) in causes_of("refused.md") {
        assert_eq!(cause.status().to_string(), status, "{what}");
    }
}

#[test]
fn every_refusal_at_the_door_is_in_the_manual() {
    let told: Vec<Cause> =
        ["limits.md", "refused.md"].into_iter().flat_map(causes_of).map(|(_, _, cause)| cause).collect();
    for cause in Cause::ALL.iter().filter(|cause| cause.status() < 500 || !cause.is_upstream()) {
        // Said elsewhere: who may pass is the rules' own word; nobody reads an answer after he left, nor one
        // that ends before HTTP is spoken; the last four are about us.
        let elsewhere = matches!(
            cause,
            Cause::Denied
                | Cause::VisitorLeft
                | Cause::MethodNotAllowed
                | Cause::Range
                | Cause::Maintenance
                | Cause::Destination
                | Cause::TooManyConnections
                | Cause::Overloaded
                | Cause::Closing
                | Cause::RuleFault
                | Cause::Internal
        );
        assert!(elsewhere || told.contains(cause), "no page tells of {}", cause.name());
    }
}

/// Every Rust source below a folder, as one text.
fn sources(under: &Path, into: &mut String) {
    for entry in fs::read_dir(under).expect("a folder of the project") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn the_tests_that_the_map_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, table) = map.split_once("## What always holds").expect("the table of what always holds");
    let table = table.split("\n## ").next().unwrap_or_default();
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("tests"), &mut code);
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cell = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "nothing holds: {row}");
        for test in tests {
            named += 1;
            assert!(is_a_test(&code, test), "no test is called {test}");
        }
    }
    assert!(named > 60);
}

/// Whether a function of this name stands behind an attribute that makes it a test.
fn is_a_test(code: &str, name: &str) -> bool {
    code.match_indices(&format!("fn {name}(")).any(|(at, _)| {
        let before = code.get(..at).unwrap_or_default();
        before.lines().rev().take(4).any(|line| {
            let line = line.trim_start();
            line.starts_with("#[test]") || line.starts_with("#[tokio::test")
        })
    })
}

/// `doorward docs` writes these, and what lies in the repository is what it writes.
#[test]
fn the_manual_is_what_the_tables_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language");
    for (name, text) in doorward::language::manual::pages() {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        assert!(
            std::env::var_os("UPDATE").is_some(),
            "docs/language/{name} is stale; write it anew with: UPDATE=1 cargo test --test docs"
        );
        fs::create_dir_all(&folder).expect("docs/language can be made");
        fs::write(&path, &text).expect("the page can be written");
    }
}

/// Every Markdown page of the repository that people read.
fn pages(under: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(under).expect("a folder of pages") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            pages(&path, into);
        } else if path.extension().is_some_and(|end| end == "md") {
            into.push(path);
        }
    }
}

/// A block of rules in a page: its first line's place, the words behind `vcl`, and its text.
struct Block {
    place: String,
    words: String,
    text: String,
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("the page");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match &mut open {
            Some(block) if line.trim_end() == "```" => {
                blocks.push(Block {
                    text: std::mem::take(&mut block.text),
                    ..open.take().expect("it is open")
                });
            }
            Some(block) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {
                if let Some(words) = line.strip_prefix("```vcl") {
                    let place = format!("{}:{}", page.display(), number + 2);
                    open = Some(Block { place, words: words.trim().to_owned(), text: String::new() });
                }
            }
        }
    }
    blocks
}

/// A piece of rules as a page shows it, made whole: the site around a route, the backends that it names.
fn whole(block: &Block) -> String {
    let text = &block.text;
    let first =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or("");
    let mut out = if first.starts_with("route ") {
        format!("site \"page.test\" {{\n{text}}}\n")
    } else if first.starts_with('.') {
        format!("site \"page.test\" {{ route \"/\" {{\n{text}}} }}\n")
    } else {
        text.clone()
    };
    let named =
        |word: &str| out.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|found| found == word);
    let mut more = String::new();
    let mut there = BTreeSet::new();
    // What follows `.backend =`, and the values of a table of backends.
    let asked = out.split(".backend = ").skip(1).chain(out.split("\": ").skip(1));
    for rest in asked {
        let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let declared = ["backend", "director"].iter().any(|kind| out.contains(&format!("{kind} {word} ")));
        let is_call = matches!(word.as_str(), "" | "if" | "lookup");
        if !is_call && !declared && there.insert(word.clone()) {
            writeln!(more, "backend {word} {{ .url = \"http://127.0.0.1:8000\"; }}").expect("a String");
        }
    }
    if named("office") && !out.contains("acl office") {
        more.push_str("acl office { \"192.0.2.0\"/24; }\n");
    }
    out.push_str(&more);
    out
}

/// Rules in pages are read by people who copy them: ```` ```vcl ```` compiles, ```` ```vcl E014 ```` has that fault.
#[test]
fn every_block_of_rules_in_the_pages_is_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    pages(&root.join("docs"), &mut all);
    pages(&root.join("vcl-like-rules"), &mut all);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for block in all.iter().flat_map(|page| blocks(page)) {
        seen += 1;
        let files = Memory::default().with("main.vcl", 0o644, whole(&block));
        let found = settings::compile(&language::read(&files, Path::new("main.vcl"), &|_| None)).err();
        let codes = |faults: &Diagnostics| faults.iter().any(|fault| fault.code.code() == block.words);
        match (&found, block.words.as_str()) {
            (None, "") => {}
            (Some(faults), words) if !words.is_empty() && codes(faults) => {}
            (None, words) => wrong.push(format!("{}: has no {words}", block.place)),
            (Some(faults), _) => wrong.push(format!("{}:\n{}", block.place, faults.draw())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 3, "only {seen} blocks were found");
}
