//! `doorward fmt`: one layout for every rule file.
//!
//! A file with a fault in it, or one whose layout would change more than white space, stays as it is. What is
//! written replaces the old file in one step and keeps its mode and its owner.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::arguments::{Flag, Given};
use super::{End, Paper, rules};
use crate::base::random;
use crate::language::format::{self, Formatted, Laid};
use crate::settings::Disk;

pub(super) const CHECK: Flag = Flag::new("check", None, "change nothing, name the files that would change");

/// As much as a rule file may hold.
pub(super) const BYTES_MAX: u64 = 32 << 20;

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let mut mains: Vec<PathBuf> = given.operands().map(PathBuf::from).collect();
    if mains.iter().any(|path| path.as_os_str() == "-") {
        if mains.len() > 1 {
            return super::usage(paper, "`-` is the standard input, and stands alone", "doorward help fmt");
        }
        return filter(&mut io::stdin().lock(), given.has(&CHECK), paper);
    }
    if mains.is_empty() {
        let Some(main) = rules::find(None) else { return rules::none_found(paper) };
        mains.push(main);
    }
    let check = given.has(&CHECK);
    let mut trees: Vec<(PathBuf, Formatted)> = mains
        .into_iter()
        .map(|path| if path.is_dir() { path.join("main.vcl") } else { path })
        .map(|main| (main.clone(), format::tree(&Disk, &main)))
        .collect();
    // A file that others include is laid out as a part of their tree, whose language it speaks.
    trees.sort_by_key(|(_, tree)| std::cmp::Reverse(tree.files.len()));
    let (mut seen, mut good) = (BTreeSet::new(), true);
    for (main, tree) in trees {
        if seen.contains(&real(&main)) {
            continue;
        }
        if tree.found.count().0 > 0 {
            good = false;
            paper.draw(&tree.found.draw(), false);
        }
        for laid in tree.files {
            if seen.insert(real(&laid.path)) && laid.changed {
                good &= settle(&laid, check, paper);
            }
        }
    }
    if good { End::Good } else { End::Faults }
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Says of a file that it changes, and changes it unless only asked. Whether all is good.
fn settle(laid: &Laid, check: bool, paper: &mut Paper<'_>) -> bool {
    let shown = laid.path.display();
    if check {
        paper.say(&format!("{shown}: would change\n"));
        return false;
    }
    match rewrite(&laid.path, &laid.text) {
        Ok(()) => {
            paper.say(&format!("{shown}: changed\n"));
            true
        }
        Err(error) => {
            paper.fault(&format!("doorward: {shown} can't be written: {error}\n"));
            false
        }
    }
}

/// In one step: a file beside it, to the disk, then renamed over the old one.
pub(super) fn rewrite(path: &Path, text: &str) -> io::Result<()> {
    // Through a link, the file it points to is replaced, and not the link.
    let path = fs::canonicalize(path)?;
    let about = fs::metadata(&path)?;
    let temporary = path.with_file_name(format!(".doorward-{:016x}", random::number()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (about.uid(), about.gid()) {
            // Only root may give a file away; for others it is theirs now, as with any editor.
            let _ = fchown(&file, Some(about.uid()), Some(about.gid()));
        }
        file.set_permissions(about.permissions())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Standard input to standard output.
fn filter(input: &mut dyn io::Read, check: bool, paper: &mut Paper<'_>) -> End {
    let mut before = String::new();
    if let Err(error) = input.take(BYTES_MAX).read_to_string(&mut before) {
        paper.fault(&format!("doorward: the standard input can't be read: {error}\n"));
        return End::Faults;
    }
    match format::text(&before, Path::new("-")) {
        Ok(after) if check && after == before => End::Good,
        Ok(_) if check => {
            paper.say("-: would change\n");
            End::Faults
        }
        Ok(after) => {
            paper.say(&after);
            End::Good
        }
        Err(faults) => {
            paper.draw(&faults.draw(), false);
            End::Faults
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paper::Colours;
    use super::*;

    fn filtered(text: &[u8], check: bool) -> (End, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let end = filter(&mut &*text, check, &mut Paper::new(&mut out, &mut err, Colours::default()));
        (end, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn the_standard_input_is_laid_out_on_the_standard_output() {
        assert_eq!(filtered(b"let  a=1;", false), (End::Good, "let a = 1;\n".to_owned(), String::new()));
        assert_eq!(filtered(b"let a = 1;\n", true), (End::Good, String::new(), String::new()));
        assert_eq!(filtered(b"let  a=1;", true).0, End::Faults);
        for bad in [&b"let a = ;"[..], b"\xff"] {
            let (end, out, err) = filtered(bad, false);
            assert_eq!((end, out.as_str()), (End::Faults, ""));
            assert!(!err.is_empty());
        }
    }
}
