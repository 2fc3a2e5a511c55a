//! How a site speaks when something is wrong: pages of its own in the place of ours, its status page, which
//! statuses it uses.
//!
//! The files are read and judged when the rules are loaded, and kept in memory: a page for a broken disk must not
//! lie on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::languages::Languages;
use super::pages::{self, PAGES, Ready};
use super::template::{Hole, words};
use crate::base::cause::Statuses;
use crate::language::Suggestions;
use crate::plan::Site;

/// A page of a site's own is at most this large.
pub const BYTES_MAX: u64 = 64 << 10;
/// Files in a folder of pages: each page in twenty languages.
const FILES_MAX: usize = 1_000;

/// How a site speaks.
#[derive(Debug, Default)]
pub struct Voice {
    /// By the names of pages; the one for everybody is the first.
    own: BTreeMap<&'static str, Vec<Own>>,
    pub status_page: Option<Box<str>>,
    pub statuses: Statuses,
}

#[derive(Debug)]
struct Own {
    language: Box<str>,
    ready: Ready,
}

/// How the house speaks for itself.
pub static HOUSE: Voice = Voice { own: BTreeMap::new(), status_page: None, statuses: Statuses::Always503 };

/// What is wrong with a folder of pages, or odd in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The pages can't be taken as they are.
    pub is_error: bool,
    pub text: String,
}

impl Voice {
    /// Reads the site's own pages, where it has some. With an error among the problems they are not to be used.
    pub fn open(site: &Site) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let own = site.pages.as_deref().map(|folder| read(folder, &mut problems)).unwrap_or_default();
        (Self { own, status_page: site.status_page.clone(), statuses: site.statuses }, problems)
    }

    /// The page and its language. A site that has a page of its own speaks by that one alone, in whichever
    /// languages it has: nobody meets two designs.
    pub fn page(&self, name: &str, languages: &Languages) -> (&Ready, &str) {
        if let Some(own) = self.own.get(name) {
            let known: Vec<&str> = own.iter().map(|own| &*own.language).collect();
            if let Some(own) = own.get(languages.choose(&known)) {
                return (&own.ready, &own.language);
            }
        }
        let Some(page) = pages::find(name) else { return (pages::small(), "en") };
        let known = page.versions.each_ref().map(|version| version.language);
        let version = page.versions.get(languages.choose(&known)).unwrap_or(&page.versions[0]);
        (version.ready(), version.language)
    }

    /// The languages in which it has a page.
    pub fn languages(&self, name: &str) -> Vec<&str> {
        if let Some(own) = self.own.get(name) {
            return own.iter().map(|own| &*own.language).collect();
        }
        let page = pages::find(name);
        page.map(|page| page.versions.iter().map(|version| version.language).collect()).unwrap_or_default()
    }

    /// Whether the page is the site's own.
    pub fn has_own(&self, name: &str) -> bool {
        self.own.contains_key(name)
    }
}

fn read(folder: &Path, problems: &mut Vec<Problem>) -> BTreeMap<&'static str, Vec<Own>> {
    let mut own: BTreeMap<&'static str, Vec<Own>> = BTreeMap::new();
    let mut tell = |is_error, text| problems.push(Problem { is_error, text });
    let names = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.file_name()))
            .take(FILES_MAX + 1)
            .collect::<Result<Vec<_>, std::io::Error>>()
    });
    let mut names = match names {
        Ok(names) => names,
        Err(error) => {
            tell(true, format!("the folder of its pages, {}, can't be read: {error}", folder.display()));
            return own;
        }
    };
    if names.len() > FILES_MAX {
        tell(true, format!("{} holds more than {FILES_MAX} files", folder.display()));
        return own;
    }
    // The page for everybody goes before those in a language: `404.html` before `404.de.html`.
    names.sort_by_key(|name| (name.len(), name.clone()));
    for name in names {
        let file = folder.join(&name);
        let name = name.to_string_lossy();
        let Some(stem) = name.strip_suffix(".html") else {
            if !beside(&name) {
                tell(false, format!("{} is no page: pages are called `name.html`", file.display()));
            }
            continue;
        };
        let (stem, language) = stem.split_once('.').map_or((stem, None), |(stem, tag)| (stem, Some(tag)));
        let Some(page) = pages::find(stem) else {
            let near = Suggestions::default().nearest(stem, PAGES.iter().map(|page| page.name));
            let more = near.map_or_else(
                || "`doorward pages export` writes all that there are".to_owned(),
                |near| format!("did you mean `{near}.html`?"),
            );
            tell(false, format!("{} takes the place of no page: {more}", file.display()));
            continue;
        };
        let text = match text(&file) {
            Ok(text) => text,
            Err(why) => {
                tell(true, format!("{} {why}", file.display()));
                continue;
            }
        };
        let written = lang(&text);
        for Problem { is_error, text } in judge(page.name, &text) {
            tell(is_error, format!("{} {text}", file.display()));
        }
        if let (Some(tag), Some(written)) = (language, &written)
            && !tag.eq_ignore_ascii_case(written)
        {
            tell(false, format!("{} says `lang=\"{written}\"`, and its name says `{tag}`", file.display()));
        }
        let language = language.map(str::to_ascii_lowercase).or(written).unwrap_or_else(|| "en".to_owned());
        own.entry(page.name).or_default().push(Own { language: language.into(), ready: Ready::new(&text) });
    }
    own
}

/// Files that may lie beside pages without being one.
fn beside(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || name == "style.css"
        || Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md"))
}

/// The error is the end of a sentence that begins with the file.
fn text(file: &Path) -> Result<String, String> {
    let about = fs::metadata(file).map_err(|error| format!("can't be read: {error}"))?;
    if !about.is_file() {
        return Err("is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err("is larger than 64 KB: a page for bad times is small".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not in UTF-8".to_owned())
}

/// What is wrong with a page; each text goes on behind its file's name.
fn judge(page: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut tell = |is_error, text: String| problems.push(Problem { is_error, text });
    let lower = text.to_ascii_lowercase();
    if lower.contains("<script") {
        tell(true, "holds a script, and none runs on these pages: take it out".to_owned());
    }
    // Holes within a style are its own braces.
    let mut plain = text.to_owned();
    for style in pages::styles_of(text) {
        plain = plain.replace(style, "");
    }
    let known = || Hole::OF_PAGES.iter().map(|(name, ..)| *name);
    let mut names: Vec<&str> = words(&plain).into_iter().map(|(_, name)| name).collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        if known().any(|known| known == *name) || *name == "location" && page == pages::REDIRECT {
            continue;
        }
        let near = Suggestions::default().nearest(name, known());
        let more = near.map_or_else(
            || {
                format!(
                    "there are {}",
                    known().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(", ")
                )
            },
            |near| format!("did you mean `{{{near}}}`?"),
        );
        tell(true, format!("has a hole `{{{name}}}` that nobody fills: {more}"));
    }
    if !names.contains(&"id") && page != pages::REDIRECT {
        tell(false, "does not show `{id}`, by which you would find its visit in the log".to_owned());
    }
    let loads = [
        "src=\"http",
        "src='http",
        "src=\"/",
        "<link rel=\"stylesheet",
        "@import",
        "url(http",
        "url(/",
        "url(\"http",
    ];
    if loads.iter().any(|load| lower.contains(load)) {
        tell(
            false,
            "loads something, and browsers will not: pictures stand in the page (`src=\"data:…\"`), styles in \
             `<style>`"
                .to_owned(),
        );
    }
    if lower.contains(" style=\"") {
        tell(
            false,
            "has a `style` attribute, which browsers will not follow: write it in `<style>`".to_owned(),
        );
    }
    problems
}

/// What a page says of its own language.
fn lang(text: &str) -> Option<String> {
    let html = text.to_ascii_lowercase();
    let (_, rest) = html.split_once("<html")?;
    let (inside, _) = rest.split_once('>')?;
    let (_, value) = inside.split_once("lang=")?;
    let value = value.trim_start_matches(['"', '\'']);
    let tag: String = value.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    (!tag.is_empty()).then_some(tag)
}
