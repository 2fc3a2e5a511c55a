//! What can be mended for certain, mended: `doorward check --fix`.
//!
//! It works on copies in memory, round by round, until nothing is left that leaves no doubt; whoever asked
//! writes what changed. A round after which there is more to complain about than before is undone, and its
//! mends are tried one by one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Diagnostics, Edit};
use super::source::{Files, Read, Sources};

/// How often a tree is read again.
const TRIES_MAX: usize = 100;
/// As much as a rule file may hold.
const BYTES_MAX: u64 = 32 << 20;

/// What came of it.
#[derive(Debug)]
pub struct Mended {
    /// The files that changed: what stood in them, and what should.
    pub files: Vec<(PathBuf, String, String)>,
    /// A line for each mend, in the order in which they were made.
    pub done: Vec<String>,
}

/// Mends a tree; `judge` says what is wrong with it.
pub fn mend(files: &dyn Files, judge: &dyn Fn(&dyn Files) -> Diagnostics) -> Mended {
    let mut texts = Texts { below: files, changed: BTreeMap::new() };
    let mut done = Vec::new();
    let mut said = judge(&texts);
    // How many mends of the list made it worse; `None` as long as they are made all at once.
    let mut passed_over: Option<usize> = None;
    for _ in 0..TRIES_MAX {
        let (first, most) = passed_over.map_or((0, usize::MAX), |count| (count, 1));
        let mendable = said.iter().filter(|fault| !fault.fix.is_empty());
        let round: Vec<&Diagnostic> = apart(mendable.skip(first).take(most));
        if round.is_empty() {
            break;
        }
        let Some(next) = texts.with(&round, said.sources()) else { break };
        let after = judge(&next);
        if after.count().0 > said.count().0 {
            passed_over = Some(passed_over.map_or(0, |count| count + 1));
            continue;
        }
        done.extend(round.iter().map(|fault| told(fault, said.sources())));
        texts = next;
        said = after;
    }
    let changed = texts.changed.into_iter().filter(|(_, (before, after))| before != after);
    Mended { files: changed.map(|(path, (before, after))| (path, before, after)).collect(), done }
}

/// Those that do not touch each other; the others have their turn in the next round.
fn apart<'d>(faults: impl Iterator<Item = &'d Diagnostic>) -> Vec<&'d Diagnostic> {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut out = Vec::new();
    for fault in faults {
        let touches = |a: &Edit, b: &Edit| {
            a.span.file == b.span.file && a.span.start <= b.span.end && b.span.start <= a.span.end
        };
        if !fault.fix.iter().any(|edit| taken.iter().any(|other| touches(edit, other))) {
            taken.extend(&fault.fix);
            out.push(fault);
        }
    }
    out
}

/// `sites.vcl:12:35: there is no backend called …; now …`: nothing of a private file is in a message.
fn told(fault: &Diagnostic, sources: &Sources) -> String {
    let at = sources.place(fault.span.file, fault.span.start);
    let place = at.map_or_else(String::new, |at| {
        format!("{}:{}:{}: ", sources.name(fault.span.file), at.line, at.column)
    });
    let how = match fault.fix.as_slice() {
        [only] if only.text.is_empty() => "; taken out".to_owned(),
        [only] if only.span.start == only.span.end => format!("; put in `{}`", only.text.trim()),
        [only] => format!("; now `{}`", only.text),
        _ => String::new(),
    };
    format!("mended {place}{}{how}", fault.message)
}

/// Texts over those below them.
#[derive(Clone)]
struct Texts<'f> {
    below: &'f dyn Files,
    /// Before and after.
    changed: BTreeMap<PathBuf, (String, String)>,
}

impl Files for Texts<'_> {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Read> {
        let read = self.below.read(path, bytes_max)?;
        match self.changed.get(path) {
            Some((_, after)) => Ok(Read { bytes: after.clone().into_bytes(), ..read }),
            None => Ok(read),
        }
    }
}

impl Texts<'_> {
    /// The same with these mends in it; `None` where a text is not the one that was judged.
    fn with(&self, round: &[&Diagnostic], sources: &Sources) -> Option<Self> {
        let mut edits: Vec<&Edit> = round.iter().flat_map(|fault| &fault.fix).collect();
        edits.sort_by_key(|edit| (edit.span.file, edit.span.start, edit.span.end));
        let mut next = self.clone();
        for of_file in edits.chunk_by(|a, b| a.span.file == b.span.file) {
            let file = of_file.first()?.span.file;
            let path = sources.paths().nth(file.0 as usize)?;
            let judged = sources.whole(file);
            if self.read(path, BYTES_MAX).ok()?.bytes != judged.as_bytes() {
                return None;
            }
            let text = edited(judged, of_file)?;
            let before = self.changed.get(path).map_or(judged, |(before, _)| before).to_owned();
            next.changed.insert(path.to_owned(), (before, text));
        }
        Some(next)
    }
}

/// A text with edits that are in order and apart.
fn edited(text: &str, edits: &[&Edit]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.span.start as usize)?);
        out.push_str(&edit.text);
        at = edit.span.end as usize;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::language::source::Memory;

    fn judged(files: &dyn Files) -> Diagnostics {
        let tree = crate::language::read(files, Path::new("main.vcl"), &|_| None);
        Diagnostics::new(Arc::clone(&tree.sources), tree.found)
    }

    /// What becomes of a main file.
    fn mended(text: &str) -> (String, Vec<String>) {
        let files = Memory::default().with("main.vcl", 0o644, text);
        let Mended { files, done } = mend(&files, &judged);
        let after = files.into_iter().next().map_or_else(
            || text.to_owned(),
            |(_, before, after)| {
                assert_eq!(before, text);
                after
            },
        );
        (after, done)
    }

    const SITE: &str = "backend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = trac; } }\n";
    const VARNISH: &str = "vcl 4.1;\nbackend default { .host = \"127.0.0.1\"; }\n";

    #[test]
    fn what_is_certain_is_mended() {
        let in_recv = |start: &str, text: &str| format!("{start}sub vcl_recv {{ {text} }}\n");
        for (before, after) in [
            (SITE.replace("= trac", "= tarc"), SITE.to_owned()),
            (SITE.replace(".url", ".ulr"), SITE.to_owned()),
            (SITE.replace(".url", "url"), SITE.to_owned()),
            (SITE.replace("backend trac", "bakcend trac"), SITE.to_owned()),
            (SITE.replace("= trac;", "= trac"), SITE.to_owned()),
            (SITE.replace("= trac;", "= \"trac\";"), SITE.to_owned()),
            (SITE.replace("\"www.example\"", "www.example"), SITE.to_owned()),
            (SITE.replace("\"www.example\"", "'www.example'"), SITE.to_owned()),
            (SITE.replace("\"www.example\"", "“www.example”"), SITE.to_owned()),
            (
                format!("{SITE}gateway {{ .head_bytes_max = 64kb; }}\n"),
                format!("{SITE}gateway {{ .head_bytes_max = 64KB; }}\n"),
            ),
            (
                format!("{SITE}gateway {{ .head_bytes_max = 64 KB; }}\n"),
                format!("{SITE}gateway {{ .head_bytes_max = 64KB; }}\n"),
            ),
            (
                format!("{SITE}gateway {{ .workers = \"2\"; }}\n"),
                format!("{SITE}gateway {{ .workers = 2; }}\n"),
            ),
            (
                format!("{SITE}log l {{ .format = \"json\"; }}\n"),
                format!("{SITE}log l {{ .format = json; }}\n"),
            ),
            (in_recv(SITE, "set req.htp.X = \"1\";"), in_recv(SITE, "set req.http.X = \"1\";")),
            (in_recv(SITE, "set req.http.X == \"1\";"), in_recv(SITE, "set req.http.X = \"1\";")),
            (in_recv(SITE, "req.http.X = \"1\";"), in_recv(SITE, "set req.http.X = \"1\";")),
            (in_recv(SITE, "set req.http.X = \"1\""), in_recv(SITE, "set req.http.X = \"1\";")),
            (in_recv(SITE, "set req . http.X = \"1\";"), in_recv(SITE, "set req.http.X = \"1\";")),
            (in_recv(SITE, "retrun (pass);"), in_recv(SITE, "return (pass);")),
            (in_recv(SITE, "return (pas);"), in_recv(SITE, "return (pass);")),
            (
                in_recv(SITE, "set req.http.X = std.tolowr(req.url);"),
                in_recv(SITE, "set req.http.X = std.tolower(req.url);"),
            ),
            (
                in_recv(SITE, "if (req.url = \"/\") { return (pass); }"),
                in_recv(SITE, "if (req.url == \"/\") { return (pass); }"),
            ),
            (
                in_recv(SITE, "if (req.url and not req.http.X or req.http.Y) { return (pass); }"),
                in_recv(SITE, "if (req.url && !req.http.X || req.http.Y) { return (pass); }"),
            ),
            (
                in_recv(
                    SITE,
                    "if (req.url) { return (pass); } elsief (req.http.X) { return (hash); } esle { return (pipe); }",
                ),
                in_recv(
                    SITE,
                    "if (req.url) { return (pass); } elseif (req.http.X) { return (hash); } else { return (pipe); }",
                ),
            ),
            (
                in_recv(VARNISH, "set req.http.X = \"a\" req.url \"b\";"),
                in_recv(VARNISH, "set req.http.X = \"a\" + req.url + \"b\";"),
            ),
            (
                in_recv(VARNISH, "std.log(std.tolower(\"a\"));").replace("4.1;", "4.1; # ours"),
                in_recv(VARNISH, "std.log(std.tolower(\"a\"));").replace("4.1;", "4.1; # ours\nimport std;"),
            ),
            (in_recv(VARNISH, "set req.http.X = \"a\";;"), in_recv(VARNISH, "set req.http.X = \"a\";")),
        ] {
            let (now, done) = mended(&before);
            assert_eq!(now, after, "{before}");
            assert!(!done.is_empty(), "{before}");
            let (again, done) = mended(&now);
            assert_eq!((again.as_str(), done.len()), (now.as_str(), 0), "mending twice is mending once");
        }
    }

    #[test]
    fn what_leaves_a_doubt_is_left() {
        for text in [
            SITE.replace("= trac", "= subversion"),
            SITE.replace("= trac", "= trac2"),
            format!("{SITE}sub vcl_fetch {{ }}\n"),
            format!("{SITE}sub vcl_recv {{ set req.http.X = 1.2.3; }}\n"),
            format!("{SITE}sub vcl_recv {{ set req.http.X = 'it\"s'; }}\n"),
            format!("{SITE}sub vcl_recv {{ set beresp.ttl = 10; }}\n"),
            format!("{SITE}backend tracs {{ .url = \"http://127.0.0.1:8001\"; }}\n")
                .replace("= trac;", "= trak;")
                .replace("tracs", "traks"),
        ] {
            let (now, done) = mended(&text);
            assert!(judged(&Memory::default().with("main.vcl", 0o644, text.clone())).has_errors(), "{text}");
            if !text.contains("traks") {
                assert_eq!((now, done.len()), (text, 0));
            }
        }
    }

    #[test]
    fn all_files_of_a_tree_are_mended_and_private_ones_never_shown() {
        let files = Memory::default()
            .with(
                "main.vcl",
                0o644,
                format!("include private \"p.vcl\";\n{}", SITE.replace("= trac", "= tarc")),
            )
            .with("p.vcl", 0o600, "let token = 'hunter2'\nlet other = token;\n");
        let Mended { files, done } = mend(&files, &judged);
        let of = |name: &str| {
            files.iter().find(|(path, ..)| path == Path::new(name)).map(|(.., text)| text.as_str())
        };
        assert_eq!(of("p.vcl"), Some("let token = \"hunter2\";\nlet other = token;\n"));
        assert!(of("main.vcl").unwrap().contains(".backend = trac;"));
        assert_eq!(done.len(), 3, "{done:?}");
        assert!(
            done.iter()
                .any(|line| line == "mended main.vcl:3:45: there is no backend called `tarc`; now `trac`"),
            "{done:?}"
        );
        assert!(!done.concat().contains("hunter2"), "{done:?}");
    }

    #[test]
    fn a_round_that_makes_it_worse_is_undone_and_the_good_ones_kept() {
        // A judge who counts `b` as one fault and `c` as three, and would turn `a` into `b` and `b` into `c`.
        let judge = |files: &dyn Files| {
            let text = String::from_utf8(files.read(Path::new("m"), 100).unwrap().bytes).unwrap();
            let mut sources = Sources::default();
            let file = sources.add(PathBuf::from("m"), text.clone(), false);
            let mut found = crate::language::Found::default();
            for (at, c) in text.char_indices() {
                let at = u32::try_from(at).unwrap();
                let span = crate::language::Span::new(file, at, at + 1);
                let fault = || Diagnostic::new(crate::language::Code::Unexpected, span, "odd");
                match c {
                    'a' => found.push(fault().fix(span, "-")),
                    'b' => found.push(fault().fix(span, "c")),
                    'c' => (0..3).for_each(|_| found.push(fault())),
                    _ => {}
                }
            }
            Diagnostics::new(Arc::new(sources), found)
        };
        let files = Memory::default().with("m", 0o644, "b a b a");
        let Mended { files, done } = mend(&files, &judge);
        assert_eq!(files, [(PathBuf::from("m"), "b a b a".to_owned(), "b - b -".to_owned())]);
        assert_eq!(done.len(), 2);
    }

    #[test]
    fn thousands_of_faults_are_mended_in_a_few_rounds() {
        let text = format!("{SITE}sub vcl_recv {{\n{}}}\n", "set req.http.X = \"a\"\n".repeat(300));
        let (now, done) = mended(&text);
        assert_eq!(done.len(), 300);
        assert!(!judged(&Memory::default().with("main.vcl", 0o644, now)).has_errors());
    }
}
