//! The pages that are written from tables in the code, held to them. `UPDATE=1` rewrites what differs.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // all of this is test, the helpers too

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use doorward::base::bound::Bounds;
use doorward::base::cause::Cause;

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
