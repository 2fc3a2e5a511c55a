//! The rules that are read as models: every tree below `vcl-like-rules/` checks without a word, looks as
//! `doorward fmt` writes it, and its plays go as they say, with no line of a rule left out.

// A test says what is wrong by panicking.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use doorward::language::{self, Memory, format as layout};
use doorward::plays::{self, Gateway, Script, Visited};
use doorward::settings::{self, Disk};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vcl-like-rules")
}

/// Every file below a folder, by the end of its name.
fn files(under: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap_or_else(|why| panic!("{}: {why}", under.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.extension().is_some_and(|extension| extension == end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Everything that a tree is read from, and nothing of whoever runs the test.
fn nothing(_: &str) -> Option<String> {
    None
}

fn main_files() -> Vec<PathBuf> {
    let all = files(&root(), "vcl").into_iter();
    let found: Vec<_> = all.filter(|path| path.ends_with("main.vcl")).collect();
    assert!(found.len() > 5, "{found:?}");
    found
}

/// The plays by the main file that they are for. A page without a request is a page.
fn scripts() -> BTreeMap<PathBuf, Vec<(PathBuf, Script)>> {
    let mut all: BTreeMap<PathBuf, Vec<(PathBuf, Script)>> = BTreeMap::new();
    for page in files(&root(), "md") {
        let text = read(&page);
        let script = plays::parse(&text).unwrap_or_else(|flaws| {
            panic!("{}", flaws.iter().map(|flaw| flaw.draw(&page, &text)).collect::<String>())
        });
        if script.cases.iter().all(|case| case.scenes.is_empty()) {
            continue;
        }
        let named = script.rules.clone().unwrap_or_else(|| PathBuf::from("main.vcl"));
        let main = page.parent().unwrap().join(named);
        let main = main.canonicalize().unwrap_or_else(|why| panic!("{}: {why}", main.display()));
        all.entry(main).or_default().push((page, script));
    }
    all
}

#[test]
fn every_tree_checks_without_a_word() {
    for main in main_files() {
        match settings::compile(&language::read(&Disk, &main, &nothing)) {
            Ok(settings) => {
                assert!(settings.warnings.is_empty(), "{}", settings.warnings.draw());
            }
            Err(faults) => panic!("{}", faults.draw()),
        }
    }
}

#[test]
fn every_play_goes_as_it_says() {
    let mut wrong = String::new();
    let all = scripts();
    for (main, scripts) in &all {
        let mut been: Vec<(Gateway, Visited)> = Vec::new();
        for (page, script) in scripts {
            let gateway =
                Gateway::load(main, &script.environment).unwrap_or_else(|faults| panic!("{}", faults.draw()));
            let mut visited = Visited::default();
            let report = plays::play(&gateway, script, &mut visited)
                .unwrap_or_else(|flaws| panic!("{}: {flaws:?}", page.display()));
            let name = page.display().to_string();
            wrong.extend(report.failures.iter().map(|failure| failure.draw(&name)));
            been.push((gateway, visited));
        }
        let found = plays::coverage(been.iter().map(|(gateway, visited)| (gateway, visited)));
        // A recipe closes many doors in one way; an example is shown whole.
        let whole = found.missed_routes.is_empty() || !main.starts_with(root().join("examples"));
        if !found.missed_rules.is_empty() || !whole {
            writeln!(wrong, "{}: {}", main.display(), found.draw()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let examples = all.keys().filter(|main| main.starts_with(root().join("examples"))).count();
    assert_eq!(examples, 5, "{:?}", all.keys());
}

/// `UPDATE=1 cargo test --test plays` writes them so.
#[test]
fn every_rule_file_looks_as_the_formatter_writes_it() {
    let mut other = Vec::new();
    for path in files(&root(), "vcl").into_iter().chain(files(&root(), "example")) {
        let text = read(&path);
        let laid = layout::text(&text, &path).unwrap_or_else(|faults| panic!("{}", faults.draw()));
        if laid == text {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, laid).unwrap();
        } else {
            other.push(path);
        }
    }
    assert!(other.is_empty(), "`doorward fmt` would write these otherwise: {other:?}");
}

/// What nobody but the operator may read is no part of the project; a copy with its example in its place is whole.
#[test]
fn what_is_private_fits_where_its_example_says() {
    let examples: Vec<_> = files(&root(), "example");
    assert!(!examples.is_empty());
    for example in examples {
        let folder = example.parent().unwrap();
        let name = example.file_stem().unwrap().to_str().unwrap();
        let mut tree = Memory::default().with(name, 0o600, read(&example));
        let kinds = ["vcl", "txt", "html"];
        for path in kinds.iter().flat_map(|end| files(folder, end)) {
            let inside = path.strip_prefix(folder).unwrap().to_path_buf();
            let off = format!("# include private \"{name}\";");
            let on = format!("include private \"{name}\";");
            let text = read(&path);
            assert!(inside != Path::new("main.vcl") || text.contains(&off), "{}", path.display());
            tree = tree.with(inside.to_str().unwrap(), 0o644, text.replace(&off, &on));
        }
        match settings::compile(&language::read(&tree, Path::new("main.vcl"), &nothing)) {
            Ok(settings) => assert!(settings.warnings.is_empty(), "{}", settings.warnings.draw()),
            Err(faults) => panic!("{}", faults.draw()),
        }
    }
}

/// Nobody's address stands in what people copy: only those that are set aside for documentation, and this machine.
#[test]
fn only_addresses_that_are_nobodys_stand_in_the_rules() {
    let mut seen = BTreeSet::new();
    for path in ["vcl", "md", "txt", "example"].iter().flat_map(|end| files(&root(), end)) {
        let text = read(&path);
        let words = text.split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')));
        for word in words {
            let word = word.trim_matches('.');
            let address = word.parse::<IpAddr>().ok().or_else(|| word.split(':').next()?.parse().ok());
            let Some(address) = address else { continue };
            let allowed = match address {
                IpAddr::V4(address) => {
                    address.is_documentation() || address.is_loopback() || address.is_unspecified()
                }
                IpAddr::V6(address) => {
                    address.segments().starts_with(&[0x2001, 0xdb8])
                        || address.is_loopback()
                        || address.is_unspecified()
                }
            };
            assert!(allowed, "{} in {}", address, path.display());
            seen.insert(address);
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}
