//! Rule files and what becomes of them: `tests/golden/*.vcl` above, the settings or the drawn faults below,
//! in a `.txt` of the same name. `UPDATE=1 cargo test --test golden` writes the `.txt` files anew; what
//! changed is then read in the diff. `tests/golden/faults/` holds files that are refused, and how that is drawn.

// A test says what is wrong by panicking.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::cell::RefCell;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use doorward::base::bound::Bounds;
use doorward::base::{clock, random};
use doorward::language::mend::{Mended, mend};
use doorward::language::{self, Files, Memory};
use doorward::settings::{self, Disk, Gateway, Settings};

fn shown(settings: &Settings) -> String {
    let mut out = String::new();
    if !settings.warnings.is_empty() {
        out.push_str(&settings.warnings.draw());
        out.push('\n');
    }
    let Gateway { http, https, admin, state, workers, trusted, proxy_protocol, bounds } = &settings.gateway;
    let _ = write!(
        out,
        "http {http:?}\nhttps {https:?}\nadmin {admin:?}\nstate {}\nworkers {workers:?}\n\
         proxy_protocol {proxy_protocol}\ntrusted {trusted:?}\n",
        state.display()
    );
    // Limits as they are by default would change every file with every new limit.
    for row in Bounds::ROWS.iter().filter(|row| bounds.show(row.name) != Bounds::default().show(row.name)) {
        let _ = writeln!(out, "{} {}", row.name, bounds.show(row.name).unwrap_or_default());
    }
    for site in &settings.sites {
        let _ = writeln!(out, "{site:#?}");
    }
    for backend in &settings.backends {
        let _ = writeln!(out, "{backend:#?}");
    }
    for log in settings.logs.iter().chain([&settings.default_log]) {
        let _ = writeln!(out, "{log:#?}");
    }
    out
}

fn result(main: &Path) -> String {
    // One variable is set, so that the environment of whoever runs the test plays no part.
    let environment = |name: &str| (name == "GOLDEN_DOMAIN").then(|| "staging.example".to_owned());
    match settings::compile(&language::read(&Disk, main, &environment)) {
        Ok(settings) => shown(&settings),
        Err(faults) => faults.draw(),
    }
}

/// What is drawn for a file that is faulty, or at least worth a warning.
fn drawn(main: &Path) -> String {
    match settings::compile(&language::read(&Disk, main, &|_| None)) {
        Ok(settings) => settings.warnings.draw(),
        Err(faults) => faults.draw(),
    }
}

/// Each rule file of a folder beside its `.txt`: compared, or written anew. How many there are.
fn held_to_their_texts(folder: &str, result: impl Fn(&Path) -> String) -> usize {
    let mut mains: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the golden folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "vcl"))
        .collect();
    mains.sort();
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for main in &mains {
        let expected = main.with_extension("txt");
        let found = result(main);
        if update {
            fs::write(&expected, &found).expect("the result can be written");
            continue;
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if wanted != found {
            let line = wanted.lines().zip(found.lines()).take_while(|(a, b)| a == b).count() + 1;
            wrong.push(format!(
                "{} differs from line {line}:\n--- wanted\n{wanted}\n--- found\n{found}",
                expected.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\nIf this is meant: UPDATE=1 cargo test --test golden", wrong.join("\n"));
    mains.len()
}

#[test]
fn rule_files_become_what_they_became_before() {
    // The tests' working directory is the package's, so the names in messages are the same everywhere.
    let count = held_to_their_texts("tests/golden", result);
    assert!(count >= 6, "the golden files are not there");
}

/// `faults/` holds one or two faults a file; the name says what is wrong.
#[test]
fn faulty_files_are_drawn_as_they_were_before() {
    let faultless = RefCell::new(Vec::new());
    let count = held_to_their_texts("tests/golden/faults", |main| {
        let drawn = drawn(main);
        if drawn.is_empty() {
            faultless.borrow_mut().push(main.display().to_string());
        }
        drawn
    });
    assert!(faultless.borrow().is_empty(), "no faults are found in {faultless:?}");
    assert!(count >= 200, "the faulty files are not there");
}

/// Mending what leaves no doubt never leaves more faults than there were, and mending twice is mending once.
#[test]
fn faulty_files_are_mended_and_never_made_worse() {
    let mut mains: Vec<PathBuf> =
        fs::read_dir("tests/golden/faults").unwrap().map(|entry| entry.unwrap().path()).collect();
    mains.retain(|path| path.extension().is_some_and(|end| end == "vcl"));
    mains.sort();
    let mut told = String::new();
    for main in &mains {
        let judge = |files: &dyn Files| match settings::compile(&language::read(files, main, &|_| None)) {
            Ok(settings) => settings.warnings,
            Err(faults) => faults,
        };
        let Mended { files, done } = mend(&Disk, &judge);
        let mut after = Memory::default();
        for path in judge(&Disk).sources().paths() {
            let kept = || Disk.read(path, 1 << 25).map(|read| read.bytes).unwrap_or_default();
            let text = files
                .iter()
                .find(|(changed, ..)| changed == path)
                .map_or_else(kept, |(.., after)| after.clone().into_bytes());
            after = after.with(path.to_str().unwrap(), 0o600, text);
        }
        if done.is_empty() {
            continue;
        }
        let (before, now) = (judge(&Disk).count().0, judge(&after).count().0);
        assert!(now <= before, "{}: {done:?}", main.display());
        let again = mend(&after, &judge);
        assert!(again.done.is_empty(), "{}: {:?} after {done:?}", main.display(), again.done);
        let name = main.file_name().unwrap().to_string_lossy();
        let _ = writeln!(told, "{name}: {before} → {now}\n    {}", done.join("\n    "));
        for (_, _, text) in files {
            let lines = text.lines().take(12).collect::<Vec<_>>().join("\n    | ");
            let _ = writeln!(told, "    | {lines}");
        }
    }
    let expected = "tests/golden/mended.txt";
    if std::env::var_os("UPDATE").is_some() {
        fs::write(expected, &told).unwrap();
    }
    assert_eq!(
        told,
        fs::read_to_string(expected).unwrap(),
        "If this is meant: UPDATE=1 cargo test --test golden"
    );
}

/// Too much to be kept in a file: each is a fault with a place, in a moment.
#[test]
fn what_is_too_much_is_a_fault_with_a_place() {
    let folder = std::env::temp_dir().join(format!("doorward-golden-{:016x}", random::number()));
    fs::create_dir_all(folder.join("folder")).unwrap();
    let path = |name: &str| folder.join(name);
    File::create(path("huge.vcl")).unwrap().set_len(1 << 30).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe.vcl")).status().unwrap().success());
    let version = "vcl 4.1;\nbackend default { .host = \"127.0.0.1\"; }\n";
    let many = |count: usize, text: &str| text.repeat(count);
    let in_recv = |text: String| format!("{version}sub vcl_recv {{\n{text}\n}}\n");
    let deep_ifs = format!("{}{}", many(10_000, "if (req.url) { "), many(10_000, "}"));
    let long_chain = format!("if (req.url) {{ }}{}", many(100_000, " else if (req.url) { }"));
    let mut calls = String::new();
    for number in 0..10_000 {
        let _ = writeln!(calls, "sub s{number} {{ call s{}; }}", number + 1);
    }
    let cases = [
        ("nested-ifs.vcl", in_recv(deep_ifs)),
        ("nested-ifs-open.vcl", in_recv(many(10_000, "if (req.url) { "))),
        (
            "nested-else-ifs.vcl",
            in_recv(format!("{}{}", many(10_000, "if (req.url) { } else { "), many(10_000, "}"))),
        ),
        ("a-chain-of-else-ifs.vcl", in_recv(format!("{long_chain} retrun;"))),
        (
            "parentheses.vcl",
            in_recv(format!("if ({}req.url{}) {{ }}", many(100_000, "("), many(100_000, ")"))),
        ),
        ("nots.vcl", in_recv(format!("if ({}req.url) {{ }}", many(100_000, "!")))),
        ("minuses.vcl", in_recv(format!("if ({}1 == 1) {{ }}", many(100_000, "- ")))),
        ("calls-in-a-row.vcl", format!("{version}{calls}sub vcl_recv {{ call s0; }}\n")),
        ("braces.vcl", many(100_000, "{")),
        ("a-string-of-ten-megabytes.vcl", format!("let a = \"{}\n", many(10 << 20, "x"))),
        ("a-name-of-a-megabyte.vcl", format!("{} {{ }}\n", many(1 << 20, "x"))),
        ("a-number-of-a-megabyte.vcl", format!("gateway {{ .workers = {}; }}\n", many(1 << 20, "9"))),
        (
            "a-pattern-of-a-megabyte.vcl",
            in_recv(format!("if (req.url ~ \"{}\") {{ }}", many(1 << 18, "(a|"))),
        ),
        ("faults.vcl", in_recv(many(20_000, "set req.ulr = 1;\n"))),
        ("sums.vcl", format!("let a = \"a\"{}\n", many(200_000, " + \"b\""))),
        ("include-a-folder.vcl", "include \"folder\";\n".to_owned()),
        ("include-a-gigabyte.vcl", "include \"huge.vcl\";\n".to_owned()),
        ("include-a-pipe.vcl", "include \"pipe.vcl\";\n".to_owned()),
        ("include-itself.vcl", "include \"include-itself.vcl\";\n".to_owned()),
        ("include-in-a-circle.vcl", "include \"circle.vcl\";\n".to_owned()),
    ];
    fs::write(path("circle.vcl"), "include \"include-in-a-circle.vcl\";\n").unwrap();
    for (name, text) in cases {
        fs::write(path(name), text).unwrap();
        let begun = clock::now();
        let tree = language::read(&Disk, &path(name), &|_| None);
        let Err(faults) = settings::compile(&tree) else { panic!("{name} is taken") };
        let drawn = faults.draw();
        let took = clock::now().duration_since(begun);
        assert!(drawn.starts_with("error[E") && drawn.contains(" ┌ "), "{name}: {drawn:.300}");
        assert!(drawn.len() < 1 << 20, "{name}: {} bytes are drawn", drawn.len());
        assert!(took.as_secs() < 10, "{name} takes {took:?}");
    }
    fs::remove_dir_all(&folder).unwrap();
}
