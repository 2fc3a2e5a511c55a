//! Which program a path means: the one script below a route's folder that runs for it, or none.
//!
//! Called by `visit`, and by `files` where scripts lie beside them, before a FastCGI backend is asked; `upstream` tells
//! the backend what was found. The path is split as nginx's `^(.+?\.php)(/.*)$` does, and then the file must be
//! there: below the folder, with no link out of it, an ordinary file. So `/upload/x.jpg/a.php` runs nothing, and
//! it is never the backend that guesses. What is no script has no page here (404).
//!
//! Promises: no part of a script's path begins with a dot, holds a `;`, an encoded slash or anything else that could
//! be read in two ways; what follows the script is passed on decoded, as CGI wants it.
//!
//! The look at the disk is five short system calls on the worker itself, and holds for a second (`Seen`). A folder on a network disk that hangs would hang its worker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::base::beneath::{self, Folder};
use crate::base::cause::Cause;
use crate::base::clock::Instant;
use crate::base::fault::Fault;
use crate::message::SitePath;
use crate::plan::{Scripts, ScriptsBeside};

/// What runs for a request. Travels with it to the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The folder of the scripts as the backend sees it.
    pub root: Arc<str>,
    /// What of the path stands before the script and not in the folder: a route with `.files` takes its own path off.
    pub prefix: Box<str>,
    /// The script below the folder, decoded: `/wiki/index.php`.
    pub name: Box<str>,
    /// What of the path follows the script, decoded; empty, or begins with a slash.
    pub info: Box<str>,
}

impl Script {
    /// One that lies among files, below a route's own path: `before` is that, as it stands in the canonical path.
    pub fn among_files(scripts: &ScriptsBeside, before: &str, (name, info): (String, String)) -> Self {
        Self {
            root: Arc::clone(&scripts.root_there),
            prefix: decode(before.trim_end_matches('/')).into(),
            name: name.into(),
            info: info.into(),
        }
    }
}

/// Scripts that one worker has found a moment ago: the look is not taken again for each of many visitors. What was
/// not there is looked for every time; one that goes meanwhile is missed by its backend, as it would be if it went
/// between the look and the answer.
#[derive(Debug, Default)]
pub struct Seen(RefCell<Vec<Found>>);

/// Below one root: names, and when each was found.
type Found = (Box<Path>, HashMap<Box<str>, Instant>);

/// How long a look holds.
const LOOK_HOLDS: Duration = Duration::from_secs(1);
/// Roots and names that are remembered; beyond that a worker forgets all and begins anew.
const ROOTS_MAX: usize = 64;
const NAMES_MAX: usize = 1_024;

impl Seen {
    fn knows(&self, root: &Path, name: &str, now: Instant) -> bool {
        let roots = self.0.borrow();
        let names = roots.iter().find(|(known, _)| **known == *root).map(|(_, names)| names);
        let found = names.and_then(|names| names.get(name));
        found.is_some_and(|found| now.saturating_duration_since(*found) < LOOK_HOLDS)
    }

    fn note(&self, root: &Path, name: &str, now: Instant) {
        let mut roots = self.0.borrow_mut();
        let at = roots.iter().position(|(known, _)| **known == *root).unwrap_or_else(|| {
            if roots.len() >= ROOTS_MAX {
                roots.clear();
            }
            roots.push((root.into(), HashMap::new()));
            roots.len() - 1
        });
        let Some((_, names)) = roots.get_mut(at) else { return };
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.insert(name.into(), now);
    }
}

/// The script that a path means. Nobody is asked yet whether it is there: see `resolve`.
pub fn split(scripts: &Scripts, path: &SitePath) -> Result<Script, Fault> {
    let script = |name: &str, info: &str| Script {
        root: Arc::clone(&scripts.root_there),
        prefix: Box::default(),
        name: name.into(),
        info: info.into(),
    };
    if let Some(front) = &scripts.front {
        return Ok(script(front, ""));
    }
    let text = path.as_str();
    let Some(below) = text.strip_prefix('/') else { return Err(none("this is no path")) };
    let (mut name, info) = among(&scripts.endings, below)?;
    if let Some(info) = info {
        return Ok(script(&name, &info));
    }
    if !text.ends_with('/') {
        return Err(none("this is no script"));
    }
    name.push('/');
    name.push_str(&scripts.index);
    Ok(script(&name, ""))
}

/// The first part of a path that is called as scripts are: its name from the root on, decoded, and what follows it.
/// Without one, the name of all of it. `path` is canonical, without the slash before it.
pub fn among(endings: &[Box<str>], path: &str) -> Result<(String, Option<String>), Fault> {
    let mut rest = path;
    let mut name = String::with_capacity(path.len() + 1);
    while !rest.is_empty() {
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        let decoded = decode(segment);
        if decoded.starts_with('.') || decoded.contains(['/', ';']) {
            return Err(none("no script has such a name"));
        }
        name.push('/');
        name.push_str(&decoded);
        if endings.iter().any(|ending| decoded.ends_with(&**ending)) {
            return Ok((name, Some(decode(rest.get(segment.len()..).unwrap_or_default()))));
        }
        rest = after;
    }
    Ok((name, None))
}

/// The script that a path means, if it is there. The one that stands for all paths is not looked for: the operator
/// named it, and it may lie where only the backend sees it.
pub fn resolve(scripts: &Scripts, path: &SitePath, seen: &Seen, now: Instant) -> Result<Script, Fault> {
    let script = split(scripts, path)?;
    // No visitor chose the one that stands for all.
    if scripts.front.is_some() || seen.knows(&scripts.root, &script.name, now) {
        return Ok(script);
    }
    let root = Folder::open(&scripts.root).map_err(|error| {
        Fault::with(Cause::Internal, format!("`.root` can't be opened: {}", error.kind()))
    })?;
    let below = script.name.strip_prefix('/').unwrap_or(&script.name);
    match root.look(Path::new(below)) {
        Ok(stat) if beneath::is_file(&stat) => {
            seen.note(&scripts.root, &script.name, now);
            Ok(script)
        }
        Ok(_) => Err(none("what lies there is no file")),
        Err(error) if beneath::is_nothing(&error) => Err(none("no script lies there")),
        Err(error) => {
            Err(Fault::with(Cause::Internal, format!("a script can't be looked for: {}", error.kind())))
        }
    }
}

fn none(why: &'static str) -> Fault {
    Fault::with(Cause::NoRoute, why)
}

/// A canonical path, or a segment of one, decoded: it is UTF-8 without control characters, or there would be none.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        if let Some((digits, rest)) = piece.split_at_checked(2)
            && let Ok(byte) = u8::from_str_radix(digits, 16)
        {
            bytes.push(byte);
            bytes.extend_from_slice(rest.as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::base::clock;

    fn scripts() -> Scripts {
        Scripts {
            root: "/nowhere".into(),
            root_there: "/srv".into(),
            index: "index.php".into(),
            front: None,
            endings: [".php".into()].into(),
        }
    }

    fn path(text: &str) -> SitePath {
        SitePath::parse(text.as_bytes()).unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn a_path_is_split_behind_its_first_script() {
        for (sent, name, info) in [
            ("/", "/index.php", ""),
            ("/a/", "/a/index.php", ""),
            ("/a.php", "/a.php", ""),
            ("/a/b.php", "/a/b.php", ""),
            ("/a.php/", "/a.php", "/"),
            ("/a.php/b/c", "/a.php", "/b/c"),
            ("/a.php/b.php", "/a.php", "/b.php"),
            ("/a.php/AC%2FDC", "/a.php", "/AC/DC"),
            ("/a.php/%C3%BC;x=1", "/a.php", "/ü;x=1"),
            ("/a.php/.hidden", "/a.php", "/.hidden"),
            ("/gr%C3%BC%C3%9Fe%20x.php", "/grüße x.php", ""),
            ("/%61.ph%70", "/a.php", ""),
            ("/x.jpg/a.php", "/x.jpg/a.php", ""),
            ("/100%25.php", "/100%.php", ""),
        ] {
            let script = split(&scripts(), &path(sent)).unwrap_or_else(|fault| panic!("{sent}: {fault:?}"));
            assert_eq!((&*script.name, &*script.info, &*script.root), (name, info, "/srv"), "{sent}");
        }
        for sent in [
            "/a",
            "/a/b",
            "/a.jpg",
            "/a.php.jpg",
            "/a.php%2Fb",
            "/x%2Fa.php",
            "/a.php;x",
            "/a;x/b.php",
            "/.git/x.php",
            "/.php",
            "/a/.x.php",
            "/a.PHP",
            "/a.php5",
            "/aphp",
            "/.well-known/",
            "/a%2F/",
        ] {
            assert_eq!(split(&scripts(), &path(sent)).unwrap_err().cause, Cause::NoRoute, "{sent}");
        }
        assert_eq!(split(&scripts(), &SitePath::asterisk()).unwrap_err().cause, Cause::NoRoute);
        for sent in ["/a%00.php", "/a%0A.php", "/a\\b.php"] {
            assert!(SitePath::parse(sent.as_bytes()).is_err(), "{sent} never comes here");
        }
    }

    #[test]
    fn one_script_may_stand_for_all_paths() {
        let scripts = Scripts { front: Some("/app/index.php".into()), ..scripts() };
        for sent in ["/", "/a.php/b", "/.git/config", "/x%2Fy", "/a.jpg"] {
            let script = split(&scripts, &path(sent)).unwrap();
            assert_eq!((&*script.name, &*script.info), ("/app/index.php", ""), "{sent}");
        }
    }

    #[test]
    fn only_a_file_below_the_folder_runs() {
        let home = std::env::temp_dir().join(format!("doorward-script-{}", std::process::id()));
        let root = home.join("root");
        std::fs::create_dir_all(root.join("folder.php")).unwrap();
        std::fs::create_dir_all(root.join("in")).unwrap();
        for file in ["a.php", "in/index.php", "x.jpg"] {
            std::fs::write(root.join(file), "<?php").unwrap();
        }
        std::fs::write(home.join("out.php"), "<?php").unwrap();
        symlink("../out.php", root.join("link.php")).unwrap();
        symlink("a.php", root.join("inside.php")).unwrap();
        symlink("/tmp", root.join("tmp")).unwrap();
        let scripts = Scripts { root: root.clone(), ..scripts() };
        for (sent, there) in [
            ("/a.php", true),
            ("/a.php/x", true),
            ("/inside.php", true),
            ("/in/", true),
            ("/", false),
            ("/b.php", false),
            ("/x.jpg/a.php", false),
            ("/a.php%20", false),
            ("/folder.php", false),
            ("/folder.php/a.php", false),
            ("/link.php", false),
            ("/tmp/a.php", false),
            ("/in", false),
        ] {
            match resolve(&scripts, &path(sent), &Seen::default(), clock::now()) {
                Ok(_) => assert!(there, "{sent}"),
                Err(fault) => assert!(!there && fault.cause == Cause::NoRoute, "{sent}: {fault:?}"),
            }
        }
        let long = format!("/{}.php", "x".repeat(300));
        assert_eq!(
            resolve(&scripts, &path(&long), &Seen::default(), clock::now()).unwrap_err().cause,
            Cause::NoRoute
        );
        std::fs::remove_dir_all(&home).unwrap();
        assert_eq!(
            resolve(&scripts, &path("/a.php"), &Seen::default(), clock::now()).unwrap_err().cause,
            Cause::Internal
        );
    }

    #[test]
    fn a_look_holds_for_a_second_and_what_is_not_there_is_looked_for_again() {
        let root = std::env::temp_dir().join(format!("doorward-seen-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let scripts = Scripts { root: root.clone(), ..scripts() };
        let (seen, begin) = (Seen::default(), clock::now());
        let there = |after| {
            let path = SitePath::parse(b"/a.php").unwrap();
            resolve(&scripts, &path, &seen, begin + Duration::from_millis(after)).is_ok()
        };
        assert!(!there(0));
        std::fs::write(root.join("a.php"), "").unwrap();
        assert!(there(0));
        std::fs::remove_file(root.join("a.php")).unwrap();
        assert!(there(999) && !there(1_000) && !there(1_001));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (seen, now) = (Seen::default(), clock::now());
        for root in 0..200 {
            for name in 0..2_000 {
                seen.note(Path::new(&format!("/{}", root % 70)), &format!("/{name}.php"), now);
            }
            let roots = seen.0.borrow();
            assert!(roots.len() <= ROOTS_MAX && roots.iter().all(|(_, names)| names.len() <= NAMES_MAX));
        }
        assert!(!seen.knows(Path::new("/none"), "/1.php", now));
    }
}
