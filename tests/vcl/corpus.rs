//! The corpus: what `varnishd` takes and what it refuses, and whether we do.
//!
//! A file of `corpus/` holds one class of snippets. `@ recv set req.url = %%;` names the frame of the lines that
//! follow, and `%%` is their place in it; then one line is one snippet, `+` where varnishd accepts it, `-` where
//! not. Frames:
//!
//! - `recv`, `deliver`, `backend_fetch`, …: the body of that sub, behind `prologue.vcl`
//! - `bare`, `bare40`: behind a version and one backend, and nothing else
//! - `file`: a whole file
//! - `edit NAME`: `files/NAME` with one line written differently: `what it was => what it became`
//!
//! `UPDATE=1 cargo test --test vcl verdicts` asks varnishd about every snippet and writes the signs anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use doorward::language::{self, Memory};
use doorward::settings;

use crate::varnish::{self, Judge};

const FOLDER: &str = "tests/vcl/corpus";

struct Snippet {
    file: String,
    /// Which line of its file, from zero. None for the whole files.
    line: Option<usize>,
    name: String,
    text: String,
    /// What varnishd said.
    accepted: bool,
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(path)).expect(path)
}

fn names(folder: &str, end: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(Path::new(FOLDER).join(folder))
        .expect("the corpus")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(end) && name != "known.txt")
        .collect();
    names.sort();
    names
}

/// A snippet in its frame.
fn framed(frame: &str, text: &str, prologue: &str) -> String {
    if let Some(name) = frame.strip_prefix("edit ") {
        let (was, is) = text.split_once(" => ").expect("an edit says `was => is`");
        let file = read(&format!("files/{name}"));
        assert!(file.contains(was), "{name} has no `{was}`");
        return file.replacen(was, is, 1);
    }
    match frame {
        "file" => text.to_owned(),
        "bare" => format!("vcl 4.1;\nbackend default {{ .host = \"127.0.0.1\"; }}\n{text}\n"),
        "bare40" => format!("vcl 4.0;\nbackend default {{ .host = \"127.0.0.1\"; }}\n{text}\n"),
        phase => format!("{prologue}sub vcl_{phase} {{\n{text}\n}}\n"),
    }
}

fn snippets() -> Vec<Snippet> {
    let prologue = read("prologue.vcl");
    let mut found = Vec::new();
    for file in names("", ".txt") {
        let (mut frame, mut template) = (String::new(), "%%".to_owned());
        for (line, text) in read(&file).lines().enumerate() {
            if let Some(head) = text.strip_prefix("@ ") {
                let (word, rest) = head.split_once(' ').unwrap_or((head, "%%"));
                (frame, template) = match word {
                    "edit" => (head.to_owned(), "%%".to_owned()),
                    _ => (word.to_owned(), rest.to_owned()),
                };
                continue;
            }
            let Some((sign @ ("+" | "-" | "?"), text)) = text.split_once(' ') else {
                assert!(text.is_empty() || text.starts_with('#'), "{file}:{}: {text}", line + 1);
                continue;
            };
            let text = template.replacen("%%", text, 1);
            found.push(Snippet {
                name: format!("{file}: {frame}: {text}"),
                text: framed(&frame, &text, &prologue),
                file: file.clone(),
                line: Some(line),
                accepted: sign == "+",
            });
        }
    }
    for name in names("files", ".vcl") {
        found.push(Snippet {
            text: read(&format!("files/{name}")),
            name: format!("files/{name}"),
            file: "files".to_owned(),
            line: None,
            accepted: true,
        });
    }
    found
}

/// What we say against it; `None` where we accept it.
fn refusal(text: &str, parts: &Memory) -> Option<String> {
    let files = parts.clone().with("main.vcl", 0o644, text);
    let tree = language::read(&files, Path::new("main.vcl"), &|_| None);
    settings::compile(&tree).err().map(|faults| faults.draw())
}

/// Where we differ from varnishd on purpose: name → reason.
fn known() -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    let mut reason = String::new();
    for line in read("known.txt").lines() {
        if let Some(text) = line.strip_prefix("# ") {
            text.clone_into(&mut reason);
        } else if !line.is_empty() {
            known.insert(line.to_owned(), reason.clone());
        }
    }
    known
}

#[test]
fn what_varnish_accepts_and_refuses_we_accept_and_refuse() {
    let mut parts = Memory::default().with("/etc/hostname", 0o644, "a.example\n");
    for part in names("parts", ".vcl") {
        parts = parts.with(&part, 0o644, read(&format!("parts/{part}")));
    }
    let mut known = known();
    // By class: how many, how many agree, how many differ on purpose.
    let mut classes: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut wrong = String::new();
    for snippet in snippets() {
        let said = refusal(&snippet.text, &parts);
        let counts = classes.entry(snippet.file.clone()).or_default();
        counts[0] += 1;
        if said.is_none() == snippet.accepted {
            counts[1] += 1;
            continue;
        }
        if known.remove(&snippet.name).is_some() {
            counts[2] += 1;
            continue;
        }
        let ours = said.map_or_else(
            || "varnishd refuses it, we don't".to_owned(),
            |faults| {
                let first = faults.lines().next().unwrap_or_default().to_owned();
                format!("varnishd accepts it, we say {first}")
            },
        );
        let _ = writeln!(wrong, "{}\n    {ours}", snippet.name);
    }
    let [mut all, mut agree] = [0, 0];
    for (class, [count, same, meant]) in &classes {
        println!("{class:24} {count:5} snippets, {same:5} agree, {meant:3} differ on purpose");
        all += count;
        agree += same;
    }
    println!("{all} snippets, {}.{:02} % agree", agree * 100 / all, agree * 10_000 / all % 100);
    assert!(all >= 4_000, "the corpus is not there");
    assert!(wrong.is_empty(), "not the same verdict:\n{wrong}");
    assert!(known.is_empty(), "these agree by now, or are gone; take them out of known.txt: {known:#?}");
    assert!(agree * 100 >= all * 97, "less than 97 % agree");
}

/// The signs in the corpus are varnishd's own. A fifth of them each time, so that it takes seconds; all of them
/// with `UPDATE=1`, which writes them anew.
#[test]
fn the_verdicts_are_varnishds() {
    if !varnish::is_here() {
        return;
    }
    let update = std::env::var_os("UPDATE").is_some();
    let judge = Judge::new();
    let every = if update { 1 } else { 5 };
    let asked: Vec<(usize, Snippet)> = snippets().into_iter().enumerate().step_by(every).collect();
    // Two at a time: most of a run is waiting for the disk.
    let (left, right) = asked.split_at(asked.len() / 2);
    let ask = |asked: &[(usize, Snippet)]| -> Vec<Option<String>> {
        asked.iter().map(|(number, snippet)| judge.refusal(&number.to_string(), &snippet.text)).collect()
    };
    let refusals: Vec<Option<String>> = std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(left));
        let second = ask(right);
        first.join().unwrap().into_iter().chain(second).collect()
    });
    let mut wrong = String::new();
    let mut texts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((_, snippet), refusal) in asked.iter().zip(&refusals) {
        let accepted = refusal.is_none();
        if let Some(line) = snippet.line
            && update
        {
            let lines = texts
                .entry(&snippet.file)
                .or_insert_with(|| read(&snippet.file).lines().map(str::to_owned).collect());
            lines[line].replace_range(..1, if accepted { "+" } else { "-" });
        } else if accepted != snippet.accepted {
            let _ = writeln!(wrong, "{}\n{}", snippet.name, refusal.as_deref().unwrap_or("it accepts it"));
        }
    }
    for (file, lines) in texts {
        fs::write(Path::new(FOLDER).join(file), lines.join("\n") + "\n").unwrap();
    }
    println!("asked varnishd about {} snippets", asked.len());
    assert!(wrong.is_empty(), "varnishd says otherwise:\n{wrong}");
}
