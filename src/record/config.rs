//! What a `log` declaration says, and the files it names.

use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Combined,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub name: Box<str>,
    pub format: Format,
    /// Where visits go: a template with `{state}`, `{site}`, `{day}` and the `names`.
    pub file: Box<str>,
    /// Where faults go: a template with the same words.
    pub errors: Box<str>,
    /// Names of a route's path that stand in these two.
    pub names: Box<[Box<str>]>,
}

impl LogConfig {
    /// Where visits and faults of a site go.
    pub fn files(&self, state: &Path, site: &str) -> [FileName; 2] {
        let folder = safe_name(site);
        [&self.file, &self.errors].map(|template| FileName::new(state, template, &folder, &self.names))
    }
}

/// The name of a file, complete but for the day and the names of a path.
#[derive(Debug)]
pub struct FileName(Box<[Piece]>);

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Day,
    /// By its place among the names of the log.
    Name(usize),
}

impl FileName {
    fn new(state: &Path, template: &str, folder: &str, names: &[Box<str>]) -> Self {
        // A path that begins nowhere begins in the state folder, not where the house was started.
        let template = state.join(template.replace("{state}", &state.to_string_lossy()));
        let template = template.to_string_lossy();
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = &*template;
        while let Some((before, behind)) = rest.split_once('{') {
            text.push_str(before);
            let (word, after) = behind.split_once('}').unwrap_or((behind, ""));
            let piece = match word {
                "day" => Some(Piece::Day),
                _ => names.iter().position(|name| **name == *word).map(Piece::Name),
            };
            rest = after;
            match piece {
                Some(piece) => {
                    pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                    pieces.push(piece);
                }
                None if word == "site" => text.push_str(folder),
                None => {
                    text.push('{');
                    rest = behind;
                }
            }
        }
        text.push_str(rest);
        pieces.push(Piece::Text(text.into()));
        Self(pieces.into())
    }

    /// `names` are values, in the log's order, with a `/` between them.
    pub fn path(&self, day: &str, names: &str) -> PathBuf {
        let name = |at: usize| names.split('/').nth(at).unwrap_or_default();
        let text = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Day => day,
            Piece::Name(at) => name(*at),
        });
        text.collect::<String>().into()
    }

    /// Which of the log's names stand in it.
    pub fn names(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Name(at) => Some(*at),
            _ => None,
        })
    }
}

/// A site's name as one folder: nothing in it can point elsewhere.
fn safe_name(name: &str) -> String {
    let mut safe: String = name
        .chars()
        .take(200)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if safe.starts_with('.') {
        safe.replace_range(..1, "_");
    }
    if safe.is_empty() { "unknown".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sites_name_makes_one_folder() {
        for (name, folder) in [
            ("www.example.org", "www.example.org"),
            ("WWW.Example.org", "www.example.org"),
            ("../../etc", "_._.._etc"),
            ("..", "_."),
            ("a/b\\c\0d e", "a_b_c_d_e"),
            ("[2001:db8::1]", "_2001_db8__1_"),
            ("", "unknown"),
        ] {
            assert_eq!(safe_name(name), folder);
        }
    }

    #[test]
    fn files_are_named_by_site_day_and_names() {
        let log = |file: &str| LogConfig {
            file: file.into(),
            names: ["group", "project"].map(Into::into).into(),
            ..LogConfig::standard()
        };
        for (file, named) in [
            ("{state}/log/{site}/access-{day}.log", "/s/log/a.example/access-2026-11-20.log"),
            ("all.log", "/s/all.log"),
            ("/l/{group}/{project}-{day}-{group}.log", "/l/g/p-2026-11-20-g.log"),
            ("/l/{other}{", "/l/{other}{"),
        ] {
            let [visits, _] = log(file).files(Path::new("/s"), "A.example");
            assert_eq!(visits.path("2026-11-20", "g/p"), Path::new(named));
        }
        // What a name stands for is no template.
        let [visits, _] = log("/l/{project}-{day}").files(Path::new("/s"), "a.example");
        assert_eq!(visits.path("now", "{day}/{group}{day}"), Path::new("/l/{group}{day}-now"));
        assert_eq!(visits.names().collect::<Vec<_>>(), [1]);
    }
}
