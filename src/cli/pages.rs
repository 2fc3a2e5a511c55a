//! `doorward pages`: the pages for bad days, to be looked at before one comes, and to be made one's own.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use tokio::task::LocalSet;

use super::arguments::{Flag, Given, did_you_mean, shown};
use super::{End, Paper, rules};
use crate::answer::{self, Ask, PAGES, Scheme, Voice, escape_html};
use crate::base::cause::Cause;
use crate::base::random::RequestId;
use crate::front;
use crate::front::closing::Closing;
use crate::message::{Arrival, Departure, Door, Street};
use crate::plan::Site;
use crate::settings;

pub(super) const FORCE: Flag = Flag::new("force", None, "export: write over what lies there");
pub(super) const LISTEN: Flag =
    Flag::new("listen", Some("ADDRESS"), "preview: listen here; a free port of 127.0.0.1 if nothing is said");

/// Whose pages are shown where no rules are named.
const SOMEBODY: &str = "www.example.org";

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let mut operands = given.operands();
    let word = operands.next().map(shown);
    let (second, more) = (operands.next(), operands.next().is_some());
    let wrong = match (word.as_deref(), second) {
        _ if more => "`pages` takes one thing to do, and one folder or file".to_owned(),
        (Some("export"), Some(folder)) if !given.has(&LISTEN) => {
            return export(Path::new(folder), given.has(&FORCE), paper);
        }
        (Some("export"), None) => "`pages export` wants a folder to write to".to_owned(),
        (Some("preview"), main) if !given.has(&FORCE) => return preview(main.map(Path::new), given, paper),
        (Some("export"), Some(_)) => "`pages export` knows no `--listen`".to_owned(),
        (Some("preview"), _) => "`pages preview` knows no `--force`".to_owned(),
        (Some(word), _) => {
            let near = did_you_mean(word, "", ["export", "preview"].into_iter());
            format!(
                "`pages` can't `{word}`{}",
                if near.is_empty() { "; it can export and preview" } else { &near }
            )
        }
        (None, _) => "say what to do: `pages export DIR` or `pages preview`".to_owned(),
    };
    super::usage(paper, &wrong, "doorward help pages")
}

/// Each page in each language, by the name of its file.
fn files() -> impl Iterator<Item = (String, &'static str)> {
    PAGES.iter().flat_map(|page| {
        page.versions.iter().map(move |version| {
            let tag = if version.language == "en" { String::new() } else { format!(".{}", version.language) };
            (format!("{}{tag}.html", page.name), version.text)
        })
    })
}

fn export(folder: &Path, force: bool, paper: &mut Paper<'_>) -> End {
    let there: Vec<String> =
        files().map(|(name, _)| name).filter(|name| folder.join(name).symlink_metadata().is_ok()).collect();
    if !force && let Some(first) = there.first() {
        let others = match there.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        paper.fault(&format!(
            "doorward: {} holds {first}{others} already, and nothing was written. Name another folder, or write over \
             them with --force.\n",
            folder.display()
        ));
        return End::Faults;
    }
    let written = fs::create_dir_all(folder)
        .and_then(|()| files().try_for_each(|(name, text)| fs::write(folder.join(name), text)));
    if let Err(error) = written {
        paper.fault(&format!("doorward: the pages can't be written to {}: {error}\n", folder.display()));
        return End::Faults;
    }
    paper.say(&format!(
        "{}: {} pages in {} languages. Keep those that you change, take out the others (ours stand in for them), and say \
         `.pages = \"{}\";` in a site.\n",
        folder.display(),
        PAGES.len(),
        PAGES.first().map_or(0, |page| page.versions.len()),
        folder.display(),
    ));
    End::Good
}

fn preview(main: Option<&Path>, given: &Given, paper: &mut Paper<'_>) -> End {
    let listen = match given.text(&LISTEN) {
        Ok(listen) => listen.unwrap_or("127.0.0.1:0"),
        Err(wrong) => return super::usage(paper, &wrong, "doorward help pages"),
    };
    let listen = match settings::listener(listen) {
        Ok(address) => address,
        Err(instead) => {
            let wrong = format!("`{}` is no address to listen on: {instead}", listen.escape_debug());
            return super::usage(paper, &wrong, "doorward help pages");
        }
    };
    let gallery = match Gallery::of(main, paper) {
        Ok(gallery) => gallery,
        Err(end) => return end,
    };
    let served = open(listen).and_then(|(listener, address)| {
        paper.say(&format!("http://{address}/ shows every page; Ctrl-C ends it\n"));
        gallery.serve(listener)
    });
    match served {
        Ok(()) => End::Good,
        Err(error) => {
            paper.fault(&format!("doorward: the pages can't be shown on {listen}: {error}\n"));
            End::Faults
        }
    }
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Every page of every site that speaks in its own way.
struct Gallery(Vec<(Box<str>, Voice)>);

impl Gallery {
    fn of(main: Option<&Path>, paper: &mut Paper<'_>) -> Result<Self, End> {
        let sites = match main {
            Some(main) => rules::read(main, paper)?.sites,
            None => vec![Site {
                status_page: Some("https://status.example.org".into()),
                ..Site::new(SOMEBODY, Vec::new())
            }],
        };
        let mut faults = false;
        let voices = sites.iter().map(|site| {
            let (voice, problems) = Voice::open(site);
            for problem in problems {
                faults |= problem.is_error;
                let word = if problem.is_error { "error" } else { "warning" };
                paper.draw(&format!("{word}: site `{}`: {}\n", site.name, problem.text), false);
            }
            (site.name.clone(), voice)
        });
        let voices: Vec<_> = voices.collect();
        if faults { Err(End::Faults) } else { Ok(Self(voices)) }
    }

    fn serve(self, listener: TcpListener) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            front::serve_tcp(listener, Rc::new(self), Arc::default(), Closing::default()).await;
            Ok(())
        })
    }

    /// The list of all pages.
    fn index(&self) -> String {
        let mut out = String::from(
            "<p class=\"lead\">Each page as it would be seen, its holes filled.</p>\n<p>As it is, a page follows the \
             browser into light or dark.</p>\n",
        );
        for (at, (site, voice)) in self.0.iter().enumerate() {
            let _ = write!(
                out,
                "<h2>{}</h2>\n<table>\n<thead><tr><th scope=\"col\">Page</th><th scope=\"col\">As it is</th>\
                 <th scope=\"col\">Light</th><th scope=\"col\">Dark</th></tr></thead>\n<tbody>\n",
                escape_html(site)
            );
            for page in &PAGES {
                let (status, cause) = answer::occasion(page.name);
                let own = if voice.has_own(page.name) { ", its own" } else { "" };
                let cause = cause.map_or(String::new(), |cause| format!(", {}", cause.name()));
                let _ = write!(
                    out,
                    "<tr><td>{}<br><span class=\"small\">{status}{cause}{own}</span></td>",
                    page.name
                );
                for scheme in ["", "?light", "?dark"] {
                    out.push_str("<td>");
                    for tag in voice.languages(page.name) {
                        let tag = escape_html(tag);
                        let _ = write!(out, "<a href=\"/{at}/{}/{tag}{scheme}\">{tag}</a> ", page.name);
                    }
                    out.push_str("</td>");
                }
                out.push_str("</tr>\n");
            }
            out.push_str("</tbody>\n</table>\n");
        }
        out
    }

    fn show(&self, target: &str) -> Option<http::Response<crate::message::Body>> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == "/" {
            let ask = Ask::blind(RequestId::next());
            return Some(answer::small_page(StatusCode::OK, "The pages", &self.index(), &ask));
        }
        let mut parts = path.strip_prefix('/')?.split('/');
        let (at, name, language) = (parts.next()?, parts.next()?, parts.next()?);
        let scheme = match query {
            "light" => Some(Scheme::Light),
            "dark" => Some(Scheme::Dark),
            _ => None,
        };
        let (site, voice) = self.0.get(at.parse::<usize>().ok()?)?;
        if parts.next().is_some() {
            return None;
        }
        answer::sample(name, language, scheme, site, voice)
    }
}

impl Door for Gallery {
    async fn visit(self: Rc<Self>, _street: &Rc<Street>, arrival: Arrival) -> Departure {
        let ask = Ask::blind(RequestId::next());
        let head = match arrival.head {
            Ok(head) => head,
            Err(fault) => return Departure::answer(answer::fault(fault.cause, &ask)),
        };
        let target = String::from_utf8_lossy(&head.target).into_owned();
        let mut response = self.show(&target).unwrap_or_else(|| answer::fault(Cause::NoRoute, &ask));
        if head.method == http::Method::HEAD {
            *response.body_mut() = crate::message::Body::Empty;
        }
        Departure::answer(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Body;

    fn gallery() -> Gallery {
        let mut sink = (Vec::new(), Vec::new());
        let mut paper = Paper::new(&mut sink.0, &mut sink.1, super::super::paper::Colours::default());
        Gallery::of(None, &mut paper).unwrap_or_else(|_| panic!("a gallery without rules"))
    }

    fn text(response: http::Response<Body>) -> String {
        match response.into_body() {
            Body::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn the_index_leads_to_every_page_in_light_and_in_dark() {
        let gallery = gallery();
        let index = text(gallery.show("/").unwrap());
        let links: Vec<&str> =
            index.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(links.len(), PAGES.len() * 4 * 3);
        for link in links {
            let response = gallery.show(link).unwrap_or_else(|| panic!("{link} leads nowhere"));
            let policy =
                response.headers().get("content-security-policy").unwrap().to_str().unwrap().to_owned();
            let page = text(response);
            assert!(page.contains(SOMEBODY) || link.contains("redirect"), "{link}");
            let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
            assert_eq!(style.contains("prefers-color-scheme"), !link.contains('?'), "{link}");
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
            assert!(policy.contains(&crate::base::base64::encode(hash.as_ref())), "{link}");
            // Nothing is left to be filled in.
            let body = page.split("</style>").nth(1).unwrap();
            assert!(!body.contains('{') && !body.contains('}'), "{link}: {body}");
        }
        let maintenance = text(gallery.show("/0/maintenance/de").unwrap());
        assert!(maintenance.contains("2099-12-01") && maintenance.contains("status.example.org"));
        for nowhere in
            ["/x", "/0", "/0/404", "/0/404/xx", "/1/404/en", "/0/418/en", "/0/404/en/x", "//404/en", "x"]
        {
            assert!(gallery.show(nowhere).is_none(), "{nowhere}");
        }
    }
}
