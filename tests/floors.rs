//! The floors test: a room may use rooms on lower floors only, and rooms on one floor never use each other.
//! It reads the sources as text (`crate::room`, `super::super::room` is not used in this house) and needs
//! nothing but std, so it runs in milliseconds.

// A test says what is wrong by panicking.
#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floor of every room. A folder in `src/` that is not named here fails the test.
const FLOORS: &[(u8, &[&str])] = &[
    (0, &["base"]),
    (1, &["message", "plan"]),
    (2, &["language", "script", "store"]),
    (3, &["listen", "tls", "rules", "upstream", "files", "answer", "record"]),
    (4, &["admin", "settings"]),
    (5, &["visit", "plays", "editor"]),
    (6, &["front"]),
    (7, &["house"]),
    (8, &["demo"]),
    (9, &["cli"]),
];

fn floors() -> BTreeMap<&'static str, u8> {
    FLOORS.iter().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, *floor))).collect()
}

fn sources(under: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(under).expect("src can be read") {
        let path = entry.expect("an entry of src").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

/// Every room named after `crate::` in a source text, with its line; `crate::{a, b}` counts as both.
fn rooms_named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        for after in code.split("crate::").skip(1) {
            if let Some(group) = after.strip_prefix('{') {
                let mut depth = 0_usize;
                let mut word = String::new();
                let mut at_head = true;
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_head = true,
                        c if (c.is_alphanumeric() || c == '_') && depth == 0 && at_head => {
                            word.push(c);
                            continue;
                        }
                        _ => {}
                    }
                    if !word.is_empty() {
                        named.push((number + 1, std::mem::take(&mut word)));
                        at_head = false;
                    }
                }
                if !word.is_empty() {
                    named.push((number + 1, word));
                }
            } else {
                let room: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                named.push((number + 1, room));
            }
        }
    }
    named
}

#[test]
fn rooms_use_lower_floors_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floors = floors();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).expect("below src");
        let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().to_string();
        let room = first.trim_end_matches(".rs");
        if room == "lib" || room == "main" {
            continue;
        }
        let Some(&own) = floors.get(room) else {
            wrong.push(format!(
                "src/{room} stands on no floor: name it in tests/floors.rs and ARCHITECTURE.md"
            ));
            continue;
        };
        let text = fs::read_to_string(file).expect("a source file");
        for (line, other) in rooms_named(&text) {
            let Some(&floor) = floors.get(other.as_str()) else { continue };
            if other != room && floor >= own {
                wrong.push(format!(
                    "{}:{line}: `{room}` (floor {own}) uses `{other}` (floor {floor})",
                    inside.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "the floors do not hold:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_this_test_sees_groups_and_paths() {
    let text =
        "use crate::{base::clock, visit::{self, Stop}, front};\nlet x = crate::tls::y(); // crate::house\n";
    let rooms: Vec<String> = rooms_named(text).into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, ["base", "visit", "front", "tls"]);
}

#[test]
fn every_room_is_named_in_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for (floor, rooms) in FLOORS {
        let row = map.lines().find(|line| line.starts_with(&format!("| {floor} |")));
        let row = row.unwrap_or_else(|| panic!("ARCHITECTURE.md has no floor {floor}"));
        for room in *rooms {
            assert!(
                row.contains(&format!("`{room}`")),
                "ARCHITECTURE.md does not put `{room}` on floor {floor}"
            );
        }
    }
}

/// Every file of a room but `mod.rs` and its tests, as the map writes it: `h1/parse`.
#[test]
fn every_file_of_a_room_is_named_in_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, rooms) = map.split_once("\n## Rooms\n").expect("the rooms");
    let rooms = rooms.split("\n## ").next().unwrap_or_default();
    let mut wrong = Vec::new();
    for room in floors().keys() {
        let Some((_, page)) = rooms.split_once(&format!("\n### `{room}`\n")) else {
            wrong.push(format!("the room `{room}` is not described"));
            continue;
        };
        let page = page.split("\n### ").next().unwrap_or_default();
        let folder = root.join("src").join(room);
        let mut files = Vec::new();
        sources(&folder, &mut files);
        let names: Vec<String> = files
            .iter()
            .map(|file| file.strip_prefix(&folder).expect("a file of the room").with_extension(""))
            .map(|file| file.to_string_lossy().into_owned())
            .collect();
        let is_test = |name: &str| name.split('/').any(|part| matches!(part, "tests" | "conformance"));
        for name in names.iter().filter(|name| *name != "mod" && !is_test(name)) {
            if !page.contains(&format!("`{name}`")) {
                wrong.push(format!("`{room}` does not name its file `{name}`"));
            }
        }
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            let cell = row.split('|').nth(1).unwrap_or_default();
            for name in cell.split('`').skip(1).step_by(2) {
                if !names.iter().any(|file| file == name) {
                    wrong.push(format!("`{room}` names `{name}`, and there is no such file"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "ARCHITECTURE.md is not the map of this house:\n{}", wrong.join("\n"));
}
