//! Names of files: from a path, and which of them are shown. Pure.

/// The name below the root that the rest of a canonical path stands for; `None` where no file can be called so: an
/// encoded slash is a part of a name there, which no file's is.
pub fn decoded(path: &str) -> Option<String> {
    let mut name = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if !name.is_empty() {
            name.push('/');
        }
        let start = name.len();
        decode(segment, &mut name)?;
        can_be(name.get(start..)?).then_some(())?;
    }
    Some(name)
}

/// The same for a name as the disk has it.
pub fn plain(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    parts.iter().all(|part| can_be(part)).then(|| parts.join("/"))
}

fn can_be(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(['/', '\0']) && part.len() <= 255
}

fn decode(segment: &str, into: &mut String) -> Option<()> {
    let mut rest = segment;
    while let Some((before, behind)) = rest.split_once('%') {
        into.push_str(before);
        // Bytes of one letter stand side by side: collected, and read as UTF-8 together.
        let mut bytes = Vec::new();
        let mut next = Some(behind);
        while let Some(digits) = next {
            let (two, after) = digits.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(two, 16).ok()?);
            rest = after;
            next = after.strip_prefix('%');
        }
        into.push_str(std::str::from_utf8(&bytes).ok()?);
    }
    into.push_str(rest);
    Some(())
}

/// Ends of names that editors and people leave behind when they change a file.
const LEFT_BEHIND: &[&str] = &["~", ".bak", ".old", ".orig", ".save", ".swp", ".swo"];
/// Ends of names of programs: where one lies among files, its source is not meant to be read.
const SOURCES: &[&str] = &[".php", ".phtml", ".phar", ".phps", ".php3", ".php4", ".php5", ".php7", ".php8"];

/// Whether a file of this name is meant for visitors: no part of it is hidden.
pub fn may_be_shown(name: &str) -> bool {
    name.split('/').all(|part| !is_hidden(part))
}

fn is_hidden(part: &str) -> bool {
    if part == ".well-known" {
        return false;
    }
    let ends = |end: &&str| {
        let bytes = part.as_bytes();
        bytes.len() >= end.len()
            && bytes
                .get(bytes.len() - end.len()..)
                .is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
    };
    part.starts_with('.')
        || (part.starts_with('#') && part.ends_with('#'))
        || LEFT_BEHIND.iter().any(ends)
        || SOURCES.iter().any(ends)
}

/// Whether a file of this name may be a program: where programs run, none is ever shown, whatever a route says of
/// hidden files.
pub fn is_program(name: &str, endings: &[Box<str>]) -> bool {
    let ends = |part: &str, end: &str| {
        let bytes = part.as_bytes();
        bytes
            .len()
            .checked_sub(end.len())
            .and_then(|at| bytes.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    SOURCES.iter().copied().chain(endings.iter().map(|end| &**end)).any(|end| ends(last, end))
}

/// A name as the disk has it, as a path: what is decoded from it is the name.
pub fn as_path(name: &str) -> String {
    name.trim_start_matches('/').replace('%', "%25")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names() {
        for (path, name) in [
            ("", Some("")),
            ("a/b.css", Some("a/b.css")),
            ("a/", Some("a")),
            ("%C3%BC%20x/100%25", Some("ü x/100%")),
            ("a;b/c+d", Some("a;b/c+d")),
            ("a%2Fb", None),
            ("a%00", None),
            ("%C3", None),
            ("%2", None),
            ("%2E%2E/a", None),
            ("a/..", None),
            ("./a", None),
        ] {
            assert_eq!(decoded(path).as_deref(), name, "{path}");
        }
        assert_eq!(decoded(&"x".repeat(256)), None);
        for (text, name) in [
            ("a//b c", Some("a/b c")),
            ("100%25", Some("100%25")),
            ("../a", None),
            ("a/./b", None),
            ("a\0", None),
        ] {
            assert_eq!(plain(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn what_is_hidden_is_not_shown() {
        for name in [
            ".git/config",
            "a/.htaccess",
            ".env",
            "a~",
            "a/b~/c",
            "#a#",
            "wp-config.php.bak",
            "a.BAK",
            ".a.swp",
            "index.php",
            "x/INDEX.PHP",
            "a.phtml",
            "a.sql.old",
            ".well-known/.x",
        ] {
            assert!(!may_be_shown(name), "{name}");
        }
        for name in
            ["", "a", "a.b", ".well-known/acme-challenge/x", "a#b", "backup", "php", "a.php.txt", "x.sold"]
        {
            assert!(may_be_shown(name), "{name}");
        }
    }
}
