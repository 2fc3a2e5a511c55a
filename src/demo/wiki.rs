//! A wiki of the old kind: pages that link to each other by `[[Name]]`, an edit form. In memory, bounded.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use http::{Method, StatusCode};

use super::page::{Asked, Face, not_allowed, not_found, page, plain, see_other, without_body};
use crate::answer::escape_html;
use crate::message::{Arrival, Departure, Door, Street};

const PAGES_MAX: usize = 200;
const TEXT_CHARACTERS_MAX: usize = 8_000;
const NAME_BYTES_MAX: usize = 64;

const FACE: Face = Face {
    name: "Old Wiki",
    home: "/wiki/",
    bar: &[("/wiki/FrontPage", "FrontPage"), ("/wiki/TitleIndex", "TitleIndex"), ("/", "All services")],
};

const FRONT_PAGE: &str = "Welcome to a wiki from 2005.\n\nIt knows nothing of https, of HTTP/2 or of who you are: \
what stands in front of it does.\n\nSee [[HowToEdit]], or begin a page of your own: [[SandBox]].";
const HOW_TO_EDIT: &str = "Press \"Edit\" below a page. A name between two square brackets is a link: [[FrontPage]].\n\n\
An empty line begins a new paragraph. A page saved empty is gone.";

pub(super) struct Wiki {
    pages: RefCell<BTreeMap<String, String>>,
}

impl Wiki {
    pub fn new() -> Self {
        let pages = [("FrontPage", FRONT_PAGE), ("HowToEdit", HOW_TO_EDIT)];
        let pages = pages.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        Self { pages: RefCell::new(pages) }
    }

    fn index(&self, asked: &Asked) -> Departure {
        let mut list = String::from("<ul>\n");
        for name in self.pages.borrow().keys() {
            let _ = writeln!(list, "<li><a href=\"/wiki/{name}\">{name}</a></li>");
        }
        list.push_str("</ul>");
        page(&FACE, asked, StatusCode::OK, "TitleIndex", &list)
    }

    fn show(&self, asked: &Asked, name: &str) -> Departure {
        let pages = self.pages.borrow();
        let Some(text) = pages.get(name) else {
            let inner =
                format!("<p>This page does not exist yet. <a href=\"/wiki/{name}/edit\">Create it</a></p>");
            return page(&FACE, asked, StatusCode::NOT_FOUND, name, &inner);
        };
        let mut inner = String::new();
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            let _ = writeln!(inner, "<p>{}</p>", marked_up(paragraph));
        }
        let _ = write!(inner, "<p>[<a href=\"/wiki/{name}/edit\">Edit</a>]</p>");
        page(&FACE, asked, StatusCode::OK, name, &inner)
    }

    fn edit(&self, asked: &Asked, name: &str) -> Departure {
        let pages = self.pages.borrow();
        let text = pages.get(name).map_or("", String::as_str);
        let inner = format!(
            "<form method=\"post\" action=\"/wiki/{name}/edit\"><p><textarea name=\"text\" rows=\"16\" cols=\"70\">{}</textarea></p>\n\
             <p><input type=\"submit\" value=\"Save changes\"> <a href=\"/wiki/{name}\">Cancel</a></p></form>",
            escape_html(text)
        );
        page(&FACE, asked, StatusCode::OK, &format!("Edit {name}"), &inner)
    }

    async fn save(&self, mut asked: Asked, name: &str) -> Departure {
        let form = match asked.form().await {
            Ok(form) => form,
            Err(departure) => return departure,
        };
        let text = form.field("text", TEXT_CHARACTERS_MAX);
        let mut pages = self.pages.borrow_mut();
        if text.is_empty() {
            pages.remove(name);
        } else if pages.len() < PAGES_MAX || pages.contains_key(name) {
            pages.insert(name.to_owned(), text);
        } else {
            return plain(StatusCode::INSUFFICIENT_STORAGE, "This wiki holds 200 pages and is full.");
        }
        see_other(&format!("/wiki/{name}"))
    }
}

/// A paragraph as HTML: `[[Name]]` becomes a link, a line end a line break, all else plain text.
fn marked_up(paragraph: &str) -> String {
    let mut out = String::with_capacity(paragraph.len() + 64);
    let mut rest = paragraph;
    while let Some((before, after)) = rest.split_once("[[") {
        out.push_str(&escape_html(before));
        match after.split_once("]]") {
            Some((name, after)) if is_name(name) => {
                let _ = write!(out, "<a href=\"/wiki/{name}\">{name}</a>");
                rest = after;
            }
            _ => {
                out.push_str("[[");
                rest = after;
            }
        }
    }
    out.push_str(&escape_html(rest));
    out.replace('\n', "<br>\n")
}

/// Page names are letters, digits, `-` and `_`: the same in a link, an address and a title.
fn is_name(name: &str) -> bool {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    fits && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl Door for Wiki {
    async fn visit(self: Rc<Self>, _street: &Rc<Street>, arrival: Arrival) -> Departure {
        let asked = match Asked::of(arrival) {
            Ok(asked) => asked,
            Err(departure) => return departure,
        };
        let path = asked.path.clone();
        let (name, edits) = match path.strip_prefix("/wiki/").unwrap_or("") {
            "" => ("FrontPage", false),
            rest => rest.strip_suffix("/edit").map_or((rest, false), |name| (name, true)),
        };
        let reads = asked.method == Method::GET || asked.method == Method::HEAD;
        let departure = match (edits, name) {
            _ if !is_name(name) => not_found(&FACE, &asked),
            (true, _) if asked.method == Method::POST => return self.save(asked, name).await,
            (true, _) if !reads => return not_allowed("GET, HEAD, POST"),
            (false, _) if !reads => return not_allowed("GET, HEAD"),
            (true, _) => self.edit(&asked, name),
            (false, "TitleIndex") => self.index(&asked),
            (false, _) => self.show(&asked, name),
        };
        if asked.method == Method::HEAD { without_body(departure) } else { departure }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::{ask, header, text};
    use super::*;

    #[tokio::test]
    async fn a_page_can_be_made_changed_and_emptied() {
        let wiki = Rc::new(Wiki::new());
        assert_eq!(ask(&wiki, "GET", "/wiki/SandBox", "").await.response.status(), 404);
        let saved = ask(&wiki, "POST", "/wiki/SandBox/edit", "text=sand+%26+[[FrontPage]]").await;
        assert_eq!((saved.response.status().as_u16(), header(&saved, "location")), (303, "/wiki/SandBox"));
        let shown = text(ask(&wiki, "GET", "/wiki/SandBox", "").await).await;
        assert!(shown.contains("sand &amp; <a href=\"/wiki/FrontPage\">FrontPage</a>"), "{shown}");
        assert!(
            text(ask(&wiki, "GET", "/wiki/SandBox/edit", "").await)
                .await
                .contains("sand &amp; [[FrontPage]]")
        );
        assert!(text(ask(&wiki, "GET", "/wiki/TitleIndex", "").await).await.contains("SandBox"));
        ask(&wiki, "POST", "/wiki/SandBox/edit", "text=").await;
        assert_eq!(ask(&wiki, "GET", "/wiki/SandBox", "").await.response.status(), 404);
    }

    #[tokio::test]
    async fn every_address_of_the_front_page_shows_it() {
        let wiki = Rc::new(Wiki::new());
        for target in ["/wiki", "/wiki/", "/wiki/FrontPage", "/wiki/FrontPage?action=view"] {
            assert!(text(ask(&wiki, "GET", target, "").await).await.contains("from 2005"), "{target}");
        }
    }

    #[tokio::test]
    async fn names_with_other_characters_are_no_pages() {
        let wiki = Rc::new(Wiki::new());
        for target in ["/wiki/a/b", "/wiki/%3Cb%3E", "/wiki/a.b", "/wiki//edit"] {
            assert_eq!(ask(&wiki, "GET", target, "").await.response.status(), 404, "{target}");
        }
        assert_eq!(ask(&wiki, "POST", "/wiki/FrontPage", "text=x").await.response.status(), 405);
    }

    #[tokio::test]
    async fn a_full_wiki_still_takes_changes() {
        let wiki = Rc::new(Wiki::new());
        for number in 0..PAGES_MAX - 2 {
            wiki.pages.borrow_mut().insert(format!("P{number}"), "x".into());
        }
        assert_eq!(ask(&wiki, "POST", "/wiki/OneMore/edit", "text=x").await.response.status(), 507);
        assert_eq!(ask(&wiki, "POST", "/wiki/P1/edit", "text=y").await.response.status(), 303);
    }

    #[test]
    fn only_names_become_links() {
        assert_eq!(marked_up("[[<b>]] [[A]] [[x"), "[[&lt;b&gt;]] <a href=\"/wiki/A\">A</a> [[x");
    }
}
