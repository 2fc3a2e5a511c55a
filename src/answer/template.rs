//! A page with holes: `{id}` and its kind. Parsed once; filling one is a few copies.
//!
//! A line with a hole that has nothing to say is left out, so that a page says "try again in {retry}" only where
//! that is known, without a language of its own for such things.

/// What is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    Site,
    Status,
    Reason,
    Cause,
    Id,
    Retry,
    StatusPage,
    Note,
    Until,
    Location,
    Headline,
    Content,
}

impl Hole {
    /// Those that a page may hold, and what stands there.
    pub const OF_PAGES: &'static [(&'static str, Hole, &'static str)] = &[
        ("site", Hole::Site, "the host that was asked"),
        ("status", Hole::Status, "the status, such as 503"),
        ("reason", Hole::Reason, "the status in words"),
        ("cause", Hole::Cause, "what went wrong, as the log calls it"),
        ("id", Hole::Id, "the code by which the log knows this request"),
        ("retry", Hole::Retry, "when to come back, such as “30 seconds”; where it is known"),
        (
            "status_page",
            Hole::StatusPage,
            "the address of the status page; where the site has one and we are at fault",
        ),
        ("note", Hole::Note, "what the people who run the site say of it; where they do"),
        ("until", Hole::Until, "when maintenance is to end; where it is known"),
    ];
    /// And those of the few other pages of the house.
    const OF_THE_HOUSE: &'static [(&'static str, Hole)] =
        &[("location", Hole::Location), ("headline", Hole::Headline), ("content", Hole::Content)];

    fn by_name(name: &str) -> Option<Self> {
        let of_pages = Self::OF_PAGES.iter().map(|(known, hole, _)| (*known, *hole));
        let mut all = of_pages.chain(Self::OF_THE_HOUSE.iter().copied());
        all.find(|(known, _)| *known == name).map(|(_, hole)| hole)
    }
}

/// Lines: some are only text, some have holes.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
    bytes: usize,
}

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Line(Vec<(Box<str>, Option<Hole>)>),
}

impl Template {
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        for line in text.split_inclusive('\n') {
            let found = words(line);
            let known = || found.iter().filter_map(|(at, name)| Some((*at, *name, Hole::by_name(name)?)));
            if known().next().is_none() {
                plain.push_str(line);
                continue;
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            let mut pieces = Vec::new();
            let mut from = 0;
            for (at, name, hole) in known() {
                pieces.push((line.get(from..at).unwrap_or_default().into(), Some(hole)));
                from = at + name.len() + 2;
            }
            pieces.push((line.get(from..).unwrap_or_default().into(), None));
            parts.push(Part::Line(pieces));
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Self { parts, bytes: text.len() }
    }

    /// `fill` puts what stands in a hole, as HTML, or says that there is nothing.
    pub fn fill(&self, fill: impl Fn(&mut String, Hole) -> bool) -> String {
        let mut page = String::with_capacity(self.bytes + 512);
        for part in &self.parts {
            match part {
                Part::Text(text) => page.push_str(text),
                Part::Line(pieces) => {
                    let begin = page.len();
                    let whole = pieces.iter().all(|(text, hole)| {
                        page.push_str(text);
                        hole.is_none_or(|hole| fill(&mut page, hole))
                    });
                    if !whole {
                        page.truncate(begin);
                    }
                }
            }
        }
        page
    }

    #[cfg(test)]
    pub fn holes(&self) -> Vec<Hole> {
        let lines = self.parts.iter().filter_map(|part| match part {
            Part::Line(pieces) => Some(pieces),
            Part::Text(_) => None,
        });
        lines.flatten().filter_map(|(_, hole)| *hole).collect()
    }
}

/// Words between braces, with the place of the brace; braces of any other kind, such as those of a style, are text.
pub fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('{') {
        let word = text.get(at + 1..).and_then(|rest| rest.split_once('}')).map(|(word, _)| word);
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if let Some(word) = word.filter(|word| !word.is_empty() && word.bytes().all(letters)) {
            found.push((at, word));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_nothing_to_say_is_left_out() {
        let page =
            Template::new("a{color:red} {} {Id} {id\n{id}: {note}!\n{retry}\n<p>{id}</p>\nend {nothing}");
        let filled = |note: Option<&'static str>| {
            page.fill(|page, hole| match (hole, note) {
                (Hole::Id, _) => {
                    page.push_str("ID");
                    true
                }
                (Hole::Note, Some(note)) => {
                    page.push_str(note);
                    true
                }
                _ => false,
            })
        };
        assert_eq!(filled(Some("so")), "a{color:red} {} {Id} {id\nID: so!\n<p>ID</p>\nend {nothing}");
        assert_eq!(filled(None), "a{color:red} {} {Id} {id\n<p>ID</p>\nend {nothing}");
        assert_eq!(Template::new("").fill(|_, _| true), "");
        assert_eq!(Template::new("{id}").fill(|_, _| false), "");
    }
}
