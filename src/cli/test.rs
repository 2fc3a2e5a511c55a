//! `doorward test`: runs the plays.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::arguments::{Given, shown};
use super::{COVERAGE, End, JSON, MAIN, Paper, usage};
use crate::base::json;
use crate::plays::{self, Coverage, Gateway, Script, Visited};

/// Folders below folders, and files in all, that are looked through.
const DEPTH_MAX: usize = 16;
const FILES_MAX: usize = 10_000;

/// One tree of rules with one environment, and where plays have been in it.
struct Tree {
    /// `None`: it has faults, which were drawn.
    gateway: Option<Gateway>,
    visited: Visited,
}

/// Rules by their main file and what their environment says.
type Trees = BTreeMap<(PathBuf, Vec<(String, String)>), Tree>;

#[derive(Default)]
struct Count {
    files: usize,
    cases: usize,
    requests: usize,
    failed: usize,
    flaws: usize,
    /// Trees of rules with faults.
    broken: usize,
    json: Vec<String>,
}

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let mut files: Vec<(PathBuf, bool)> = Vec::new();
    let mut named: Vec<PathBuf> = given.operands().map(PathBuf::from).collect();
    if named.is_empty() {
        named.push(PathBuf::from("."));
    }
    for path in named {
        if path.is_dir() {
            let mut found = Vec::new();
            pages(&path, 0, &mut found);
            found.sort();
            files.extend(found.into_iter().map(|file| (file, false)));
        } else {
            files.push((path, true));
        }
    }
    let json = given.has(&JSON);
    let mut trees = Trees::new();
    let mut count = Count::default();
    for (file, asked_for) in &files {
        if let Err(end) = page(file, *asked_for, given, &mut trees, &mut count, paper) {
            return end;
        }
    }
    if count.files + count.flaws + count.broken == 0 {
        return usage(
            paper,
            "there is no play: no Markdown file here holds a ```request block",
            "doorward help test",
        );
    }
    if json {
        let failures = count.json.join(",");
        let mut out = format!(
            "{{\"files\":{},\"plays\":{},\"requests\":{},\"failed\":{},\"flaws\":{},\"failures\":[{failures}]",
            count.files, count.cases, count.requests, count.failed, count.flaws
        );
        if given.has(&COVERAGE) {
            out.push_str(",\"coverage\":[");
            out.push_str(&coverage_json(&trees));
            out.push(']');
        }
        out.push_str("}\n");
        paper.say(&out);
    } else {
        if given.has(&COVERAGE) {
            for (main, found) in coverages(&trees) {
                paper.say(&format!("\n{}: {}", main.display(), found.draw()));
            }
            paper.say("\n");
        }
        paper.say(&summary(&count));
    }
    if count.failed + count.flaws + count.broken > 0 { End::Faults } else { End::Good }
}

fn summary(count: &Count) -> String {
    let verdict = match (count.failed, count.flaws + count.broken) {
        (0, 0) => "all as expected".to_owned(),
        (0, flaws) => format!("all as expected, but {} could not be read", many(flaws, "thing")),
        (failed, 0) => format!("{failed} not as expected"),
        (failed, flaws) => {
            format!("{failed} not as expected, and {} could not be read", many(flaws, "thing"))
        }
    };
    format!(
        "{}, {}, {}: {verdict}\n",
        many(count.files, "file"),
        many(count.cases, "play"),
        many(count.requests, "request")
    )
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The Markdown files below a folder. Links are not followed: they could lead round in a circle.
fn pages(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if into.len() >= FILES_MAX {
            return;
        }
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                let built = path.join("CACHEDIR.TAG").exists() || path.ends_with("node_modules");
                if depth < DEPTH_MAX && !hidden && !built {
                    pages(&path, depth + 1, into);
                }
            }
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "md") => into.push(path),
            _ => {}
        }
    }
}

/// One file of plays. `Err` where the command can't go on at all.
fn page(
    file: &Path,
    asked_for: bool,
    given: &Given,
    trees: &mut Trees,
    count: &mut Count,
    paper: &mut Paper<'_>,
) -> Result<(), End> {
    let flaw = |count: &mut Count, paper: &mut Paper<'_>, drawn: &str| {
        count.flaws += 1;
        paper.draw(drawn, !given.has(&JSON));
    };
    let text = match read(file) {
        Ok(text) => text,
        Err(why) => {
            flaw(count, paper, &format!("error: {} can't be read: {why}\n", shown(file.as_os_str())));
            return Ok(());
        }
    };
    let script = match plays::parse(&text) {
        Ok(script) if script.cases.is_empty() => {
            if asked_for {
                let name = shown(file.as_os_str());
                flaw(count, paper, &format!("error: there is no play in {name}: no ```request block\n"));
            }
            return Ok(());
        }
        Ok(script) => script,
        Err(flaws) => {
            for one in flaws {
                flaw(count, paper, &one.draw(file, &text));
            }
            return Ok(());
        }
    };
    let Some(main) = main_of(file, &script, given) else {
        let name = file.display();
        let text = format!(
            "{name} does not say for which rules it is, and there is no main.vcl beside or above it: write \
             `rules: ../main.vcl` in its first line, or say `--main main.vcl`"
        );
        return Err(usage(paper, &text, "doorward help test"));
    };
    let key = (main.clone(), script.environment.clone());
    let tree = trees.entry(key).or_insert_with(|| {
        let gateway = match Gateway::load(&main, &script.environment) {
            Ok(gateway) => Some(gateway),
            Err(faults) => {
                paper.draw(&faults.draw(), false);
                count.broken += 1;
                None
            }
        };
        Tree { gateway, visited: Visited::default() }
    });
    let Some(gateway) = &tree.gateway else { return Ok(()) };
    count.files += 1;
    match plays::play(gateway, &script, &mut tree.visited) {
        Ok(report) => {
            count.cases += report.cases;
            count.requests += report.requests;
            for failure in report.failures {
                count.failed += 1;
                if given.has(&JSON) {
                    count.json.push(failure.json(&file.display().to_string()));
                } else {
                    paper.say(&format!("{}\n", failure.draw(&file.display().to_string())));
                }
            }
        }
        Err(flaws) => {
            for one in flaws {
                flaw(count, paper, &one.draw(file, &text));
            }
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, String> {
    let about = fs::metadata(file).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(file).map_err(|error| error.to_string())?;
    file.take(plays::BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > plays::BYTES_MAX {
        return Err("it is larger than any play".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())
}

/// The rules of a file of plays: as it says itself, else as was typed, else the nearest `main.vcl`.
fn main_of(file: &Path, script: &Script, given: &Given) -> Option<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    if let Some(named) = &script.rules {
        return Some(crate::language::source::joined(folder, named));
    }
    if let Some(main) = given.path(&MAIN) {
        return Some(main);
    }
    let mut folder =
        fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }).ok()?;
    loop {
        let main = folder.join("main.vcl");
        if main.is_file() {
            // As it would be typed, where it lies below the folder one is in.
            let here = std::env::current_dir().and_then(fs::canonicalize).ok();
            let short = here.and_then(|here| main.strip_prefix(here).map(Path::to_owned).ok());
            return Some(short.unwrap_or(main));
        }
        if !folder.pop() {
            return None;
        }
    }
}

/// One for each main file, whatever environments its plays had it read.
fn coverages(trees: &Trees) -> Vec<(&Path, Coverage)> {
    let mut of_one: BTreeMap<&Path, Vec<(&Gateway, &Visited)>> = BTreeMap::new();
    for ((main, _), tree) in trees {
        if let Some(gateway) = &tree.gateway {
            of_one.entry(main).or_default().push((gateway, &tree.visited));
        }
    }
    of_one.into_iter().map(|(main, all)| (main, plays::coverage(all))).collect()
}

fn coverage_json(trees: &Trees) -> String {
    let mut out = String::new();
    for (main, found) in coverages(trees) {
        out.push_str(if out.is_empty() { "" } else { "," });
        let _ = write!(out, "{{\"rules\":");
        json::text(&mut out, &main.display().to_string());
        let _ = write!(
            out,
            ",\"lines\":[{},{}],\"routes\":[{},{}],\"missed\":[",
            found.rules.0, found.rules.1, found.routes.0, found.routes.1
        );
        for (at, spot) in found.missed_rules.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            json::text(&mut out, &format!("{}:{}", spot.file, spot.line));
        }
        out.push_str("],\"missed_routes\":[");
        for (at, (site, path, _)) in found.missed_routes.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            json::text(&mut out, &format!("{site} {path}"));
        }
        out.push_str("]}");
    }
    out
}
