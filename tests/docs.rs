//! The pages that are written from tables in the code, held to them. `UPDATE=1` rewrites what differs.

#![allow(clippy::expect_used)] // all of this is test, the helpers too

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

#[test]
fn every_cause_named_in_the_pages_exists_with_that_status() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md")).expect("the page");
    let (_, section) = page.split_once("cause in the log |\n").expect("the table of causes");
    let rows: Vec<&str> = section.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(!rows.is_empty());
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let cause = Cause::by_name(cells[3]).unwrap_or_else(|| panic!("no cause is called {}", cells[3]));
        assert_eq!(cause.status().to_string(), cells[2], "{row}");
        for limit in cells[1].split(',').map(|limit| limit.trim().trim_matches('`')) {
            assert!(Bounds::ROWS.iter().any(|row| row.name == limit), "no limit is called {limit}");
        }
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
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).filter(|word| word.contains('_')).collect();
    assert!(named.len() > 10);
    for test in named {
        assert!(code.contains(&format!("fn {test}(")), "no test is called {test}");
    }
}
