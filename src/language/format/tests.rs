//! Before and after; that a second time changes nothing; that nothing is ever lost.

use std::fs;

use super::*;
use crate::language::source::Memory;

fn laid(before: &str) -> String {
    match text(before, Path::new("main.vcl")) {
        Ok(after) => after,
        Err(faults) => panic!("{faults}\n{before}"),
    }
}

/// Every rule file of the checkout that has no fault in its grammar.
fn all_files() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, into);
            } else if path.extension().is_some_and(|end| end == "vcl") {
                into.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), &mut paths);
    paths.sort();
    let read = |path: PathBuf| Some((path.clone(), fs::read_to_string(path).ok()?));
    paths.into_iter().filter_map(read).filter(|(path, before)| text(before, path).is_ok()).collect()
}

#[test]
fn each_file_below_is_laid_out_as_it_was_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layout");
    let update = std::env::var_os("UPDATE").is_some();
    let mut names: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "before"));
    names.sort();
    assert!(names.len() >= 3);
    for path in names {
        let after = laid(&fs::read_to_string(&path).unwrap());
        let expected = path.with_extension("after");
        if update {
            fs::write(&expected, &after).unwrap();
        }
        assert_eq!(after, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
        assert_eq!(laid(&after), after, "{}", path.display());
    }
}

#[test]
fn a_second_time_changes_nothing() {
    let files = all_files();
    assert!(files.len() > 3);
    for (path, before) in files {
        let once = laid(&before);
        assert_eq!(laid(&once), once, "{}", path.display());
    }
}

/// White space of every kind where white space is, and the same layout or at least the same words.
#[test]
fn however_it_is_written_nothing_is_lost() {
    let mut seed = 3_u64;
    let mut random = move |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % most
    };
    let mut texts: Vec<String> = all_files().into_iter().map(|(_, text)| text).collect();
    texts.extend(EVERYTHING.iter().map(|text| (*text).to_owned()));
    for before in texts {
        let dialect = lexer::dialect(&before);
        let Lexed { tokens, comments } = lex(FileId(0), &before, dialect, &mut Found::default());
        let mut parts: Vec<(usize, usize)> = tokens
            .iter()
            .map(|token| (token.start as usize, token.end as usize))
            .chain(comments.iter().map(|span| (span.start as usize, span.end as usize)))
            .collect();
        parts.sort_unstable();
        let wanted = laid(&before);
        for round in 0..if before.len() > 1_000 { 2 } else { 6 } {
            let (mut spaced, mut lines) = (String::new(), String::new());
            let mut behind = 0;
            for (start, end) in &parts {
                let gap = &before[behind..*start];
                let begins_at_margin = gap.ends_with('\n') || behind == 0;
                if !gap.is_empty() {
                    // Only blanks differ: the layout must not.
                    let newlines: String = gap.chars().filter(|c| *c == '\n').collect();
                    let blanks = if begins_at_margin { "" } else { [" ", "\t", "   "][random(3)] };
                    spaced.push_str(&newlines.replace('\n', ["\n", " \n", "\r\n"][random(3)]));
                    spaced.push_str(blanks);
                    // Lines differ too: what is said must not.
                    let must = before[..behind]
                        .lines()
                        .next_back()
                        .is_some_and(|line| line.contains('#') || line.contains("//"));
                    let number = random(if must { 3 } else { 6 });
                    lines.push_str(["\n  ", "\n\n\n ", "\r\n ", " ", "  ", "\t"][number]);
                }
                spaced.push_str(&before[*start..*end]);
                lines.push_str(&before[*start..*end]);
                behind = *end;
            }
            assert_eq!(laid(&spaced), wanted, "round {round}:\n{spaced}");
            // `text` itself refuses what would lose a word.
            let once = match text(&lines, Path::new("main.vcl")) {
                Ok(once) => once,
                Err(faults) => panic!("{faults}\n{lines}"),
            };
            assert_eq!(laid(&once), once, "{lines}\n---\n{once}");
        }
    }
}

/// Every form of the grammar, with comments in awkward places.
const EVERYTHING: &[&str] = &[
    "vcl 4.1; import std; import x from \"y\"; backend a none;\n\
     backend b { .host = \"h\"; # c\n .port = \"80\"; .probe = { .url = \"/\"; } }\n\
     acl a -pedantic +fold(-report) { \"192.0.2.0\"/24; ! \"192.0.2.1\"; (\"h\"); /* x */ }\n\
     sub vcl_recv { if (req.url ~ \"a\" && /* y */ !req.http.X || (req.restarts - 1) * 2 > - 3) { return (pass); }\n\
     else if (a) { } else { call b; } # d\n // e\n set req.http.X = \"a\" + req.url.lower() + {\"x\n y\"}; unset req.http.Y; }\n\
     # f",
    "# dialect: fastly\ntable t STRING { \"a\": \"b\", # one\n \"ccc\": \"d\" }\n\
     director d random { .quorum = 50%; { .backend = a; .weight = 1; } { .backend = bbb; .weight = 22; } }\n\
     sub vcl_recv {\n#FASTLY recv\n declare local var.x STRING; set var.x = \"a\" req.url \"b\" ; switch (req.http.Cookie:a) { case \"a\": esi; break; # g\n\
     case ~ \"b\": fallthrough; /* h */ default: restart; } error 503 \"x\"; unset req.http.X-*; set var.x rol= -1; goto l; l: log \"a\" -1; }",
    "let a = env(\"A\", \"b\"); let bbb = if(a == \"b\", 10s, 6/m); include private \"p.vcl\"; gateway { .http = \":80\", \":81\"; .state = a + \"/x\"; }\n\
     site \"www.\" + a { .aliases = \"b\"; route \"/\" { .backend = c; .allow = !network(d) && anyone; } route \"/longer/\" { .backend = dd; .idle = 1s; } }",
];

#[test]
fn a_file_with_a_fault_is_left_alone_with_it() {
    let files = Memory::default()
        .with("main.vcl", 0o644, "include \"a.vcl\"; include \"b.vcl\";  sub a { include \"s.vcl\"; }")
        .with("a.vcl", 0o644, "let  a = ;")
        .with("b.vcl", 0o644, "let  b = 1;")
        .with("s.vcl", 0o644, "esi;  esi;");
    let formatted = tree(&files, Path::new("main.vcl"));
    let names: Vec<String> = formatted.files.iter().map(|laid| laid.path.display().to_string()).collect();
    assert_eq!(names, ["main.vcl", "b.vcl", "s.vcl"]);
    assert_eq!(formatted.found.count(), (1, 0));
    assert_eq!(formatted.files[2].text, "esi;\nesi;\n");
    assert!(formatted.files.iter().all(|laid| laid.changed));
    // By itself, as `doorward fmt s.vcl` reads it.
    let alone = tree(&files, Path::new("s.vcl"));
    assert_eq!((alone.files[0].text.as_str(), alone.found.count()), ("esi;\nesi;\n", (0, 0)));
}

#[test]
fn what_is_long_is_laid_out_at_once() {
    let long = format!(
        "sub a {{ set x = \"a\"{}; set y = 1{}; }}",
        " + req.url".repeat(50_000),
        " * 2".repeat(50_000)
    );
    let after = laid(&long);
    assert!(after.lines().all(|line| line.len() <= 120), "a line is too long");
    assert_eq!(laid(&after), after);
}
