use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use http::Method;
use http_body::Body as _;

use super::page::Told;
use super::template::words;
use super::*;
use crate::base::cause::Statuses;
use crate::plan::Site;

fn ask(form: Form) -> Ask<'static> {
    Ask { form, site_name: Some("www.example.org"), ..Ask::blind(RequestId::next()) }
}

fn in_language(language: &'static str) -> Ask<'static> {
    Ask { languages: Languages::read(&[HeaderValue::from_static(language)]), ..ask(Form::Html) }
}

fn text(response: Response<Body>) -> String {
    match response.into_body() {
        Body::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        _ => String::new(),
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Each page of the folder in each language, with the name of its file.
fn files() -> Vec<(&'static Page, &'static Version, String)> {
    let each = |page: &'static Page| {
        page.versions.iter().map(move |version| {
            let tag = if version.language == "en" { String::new() } else { format!(".{}", version.language) };
            (page, version, format!("{}{tag}.html", page.name))
        })
    };
    PAGES.iter().flat_map(each).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("error-pages")
}

#[test]
fn every_cause_is_answered_in_every_form() {
    for cause in Cause::ALL {
        for form in [Form::Html, Form::Plain, Form::Json] {
            let ask = ask(form);
            let id = ask.request_id.to_string();
            let response = fault(*cause, &ask);
            let head = fault(*cause, &Ask { method_head: true, ..ask.clone() });
            assert_eq!(response.status().as_u16(), cause.status());
            assert_eq!(header(&response, "x-request-id"), id);
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert_eq!(header(&response, "vary"), "accept, accept-language");
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            let kind = match form {
                Form::Html => "text/html; charset=utf-8",
                Form::Plain => "text/plain; charset=utf-8",
                Form::Json => "application/problem+json",
            };
            assert_eq!(header(&response, "content-type"), kind);
            assert_eq!(header(&response, "content-language"), if form == Form::Html { "en" } else { "" });
            assert!(header(&response, "content-security-policy").starts_with("default-src 'none'; "));
            assert_eq!(
                header(&response, "retry-after").is_empty(),
                !matches!(cause.status(), 503 | 429),
                "{cause:?}"
            );
            assert_eq!(
                header(&response, "content-length"),
                response.body().size_hint().exact().unwrap().to_string()
            );
            assert_eq!(head.headers(), response.headers());
            assert!(head.body().is_end_stream());
            let text = text(response);
            assert!(text.contains(&id) && text.contains(cause.name()), "{text}");
            assert_eq!(text.lines().count() == 1, form != Form::Html, "{text}");
        }
    }
}

#[test]
fn every_cause_has_its_page_in_every_language() {
    let mut seen = BTreeSet::new();
    for cause in Cause::ALL {
        assert!(seen.insert(cause.page()), "{cause:?} shares the page {}", cause.page());
        for language in ["en", "de", "fr", "es"] {
            let ask = in_language(language);
            let response = fault(*cause, &ask);
            assert_eq!(header(&response, "content-language"), language);
            let page = text(response);
            assert!(page.contains(&format!("<html lang=\"{language}\">")), "{page}");
            let version = pages::find(cause.page()).unwrap().versions.iter().find(|v| v.language == language);
            let title = version.unwrap().text.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
            assert!(page.contains(title), "{title}");
            assert!(words(page.split("</style>").nth(1).unwrap()).is_empty(), "a hole is left open: {page}");
        }
    }
    for (status, name) in [
        (200, None),
        (302, None),
        (400, Some("400")),
        (401, Some("401")),
        (402, Some("request-refused")),
        (403, Some("403")),
        (410, Some("404")),
        (418, Some("request-refused")),
        (429, Some("429")),
        (451, Some("403")),
        (500, Some("500")),
        (503, Some("page-unavailable")),
        (750, Some("page-unavailable")),
    ] {
        assert_eq!(pages::of_status(status), name);
        seen.extend(name);
    }
    seen.insert(REDIRECT);
    // Nothing leads to a page that nobody sees.
    assert_eq!(seen, PAGES.iter().map(|page| page.name).collect());
}

/// `UPDATE=1` writes the style into each page.
#[test]
fn the_folder_holds_these_pages_and_the_same_style_in_each() {
    let style = fs::read_to_string(folder().join("style.css")).unwrap();
    let mut known: BTreeSet<String> = files().into_iter().map(|(.., name)| name).collect();
    known.extend(["README.md", "style.css", "plain.html"].map(str::to_owned));
    let listed = fs::read_dir(folder()).unwrap();
    let listed: BTreeSet<_> = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(listed, known, "the folder and the table of pages differ");
    for name in known.iter().filter(|name| name.contains(".html")) {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let (before, rest) = text.split_once("<style>").unwrap();
        let (own, behind) = rest.split_once("</style>").unwrap();
        if own != style && std::env::var_os("UPDATE").is_some() {
            fs::write(folder().join(name), format!("{before}<style>{style}</style>{behind}")).unwrap();
        } else {
            assert!(own == style, "{name} has another style: UPDATE=1 cargo test --lib the_folder_holds");
        }
    }
}

#[test]
fn pages_run_nothing_load_nothing_and_are_small() {
    for (page, version, name) in files() {
        let text = version.text;
        assert!(text.len() <= 8 << 10, "{name} has {} bytes", text.len());
        for never in [
            "<script", "http:", "src=", "@import", "url(", " style=", "onload", "onclick", "<form", "<iframe",
        ] {
            let said = page.name == "https-needed" && never == "http:";
            assert!(said || !text.contains(never), "{name} holds {never}");
        }
        // The only addresses that a page leads to are its site's own.
        let links: Vec<&str> = text.match_indices("href=\"").map(|(at, _)| &text[at + 6..at + 10]).collect();
        assert!(links.iter().all(|link| ["data", "{sta", "{loc"].contains(link)), "{name}: {links:?}");
        assert!(
            header(&fault(Cause::Refused, &ask(Form::Html)), "content-security-policy").contains("'sha256-")
        );
    }
}

/// The elements of a page and its holes, without its words; of lists only that there is one.
fn skeleton(text: &str) -> Vec<String> {
    let body = text.split("</style>").nth(1).unwrap();
    let mut found: Vec<String> = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find(['<', '{']) {
        let close = if rest[at..].starts_with('<') { '>' } else { '}' };
        let end = at + rest[at..].find(close).unwrap() + 1;
        found.push(rest[at..end].to_owned());
        rest = &rest[end..];
    }
    found
}

#[test]
fn a_page_has_the_same_skeleton_in_every_language() {
    for page in &PAGES {
        let english = skeleton(page.versions[0].text);
        for version in &page.versions {
            let text = version.text;
            assert_eq!(skeleton(text), english, "{} {}", page.name, version.language);
            assert!(text.starts_with(&format!("<!doctype html>\n<html lang=\"{}\">\n", version.language)));
            for once in ["<h1>", "<main>", "<title>", "<meta name=\"viewport\"", "charset=\"utf-8\""] {
                assert_eq!(text.matches(once).count(), 1, "{} {}: {once}", page.name, version.language);
            }
            let between = |open: &str, close: &str| {
                text.split(open).nth(1).and_then(|rest| rest.split(close).next()).unwrap().to_owned()
            };
            assert_eq!(between("<title>", "</title>"), between("<h1>", "</h1>"));
            if page.name != REDIRECT {
                for once in
                    ["<footer>", "<h2>", "<header ", "{id}", "{status}", "{retry}", "{note}", "{site}"]
                {
                    assert_eq!(text.matches(once).count(), 1, "{} {}: {once}", page.name, version.language);
                }
                assert!(between("<p class=\"lead\">", "</p>").ends_with('.'), "{}", page.name);
            }
            // Nobody translated half of it.
            if version.language != "en" && page.name != REDIRECT {
                let english = page.versions[0].text;
                for line in text.lines().filter(|line| line.starts_with("<li>") || line.starts_with("<p>")) {
                    assert!(!english.contains(line), "{} {}: {line}", page.name, version.language);
                }
            }
        }
        let titles: BTreeSet<&str> = page.versions.iter().map(|version| version.text).collect();
        assert_eq!(titles.len(), 4);
    }
    // No two pages have the same headline, in any language.
    for at in 0..4 {
        let titles: BTreeSet<&str> = PAGES
            .iter()
            .map(|page| page.versions[at].text.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap())
            .collect();
        assert_eq!(titles.len(), PAGES.len());
    }
}

/// The relative luminance of `#rgb` or `#rrggbb`, as WCAG has it.
fn luminance(colour: &str) -> f64 {
    let digits: String = match colour.len() {
        3 => colour.chars().flat_map(|digit| [digit, digit]).collect(),
        _ => colour.to_owned(),
    };
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

#[test]
fn text_stands_out_in_light_and_in_dark() {
    let style = fs::read_to_string(folder().join("style.css")).unwrap();
    let schemes: Vec<&str> =
        style.split(":root{").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        let colour = |name: &str| {
            let value = scheme.split(&format!("--{name}:#")).nth(1).unwrap();
            luminance(value.split(';').next().unwrap().trim_end_matches('}'))
        };
        for ground in ["card", "paper"] {
            for ink in ["ink", "soft", "door"] {
                let (one, other) = (colour(ink), colour(ground));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 4.5, "{ink} on {ground}: {contrast:.2}");
            }
        }
    }
    assert!((luminance("fff") - 1.0).abs() < 1e-9 && luminance("000000") < 1e-9);
}

#[test]
fn what_rules_say_without_a_page_gets_one() {
    for form in [Form::Html, Form::Plain, Form::Json] {
        for status in [200, 302, 403, 404, 418, 429, 451, 500, 503, 599, 750] {
            let ask = ask(form);
            let status = StatusCode::from_u16(status).unwrap();
            let response = ruled(status, Some("Go <away>"), None, &ask);
            assert_eq!(response.status(), status);
            let length = response.body().size_hint().exact().unwrap().to_string();
            assert_eq!(header(&response, "content-length"), length);
            let text = text(response);
            let said = if form == Form::Html { "Go &lt;away&gt;" } else { "Go <away>" };
            assert!(text.contains(said) && text.contains(&ask.request_id.to_string()), "{text}");
            let head = ruled(status, None, None, &Ask { method_head: true, ..ask.clone() });
            assert!(head.body().is_end_stream() && header(&head, "content-length") != "0");
        }
        let known = ruled(StatusCode::NOT_FOUND, None, Some(Cause::Refused), &ask(form));
        assert_eq!((known.status().as_u16(), header(&known, "retry-after")), (404, "30"));
        let text = text(known);
        assert!(text.contains("refused") && text.contains("404") && !text.contains("503"), "{text}");
    }
    let plain = text(ruled(StatusCode::FORBIDDEN, Some("a\r\nb"), None, &ask(Form::Plain)));
    assert_eq!(plain.lines().count(), 1, "{plain}");
    let ask = ask(Form::Plain);
    let id = ask.request_id;
    assert_eq!(
        text(ruled(StatusCode::NOT_FOUND, None, None, &ask)),
        format!("404 Not Found (rules, request {id})\n")
    );
}

#[test]
fn lines_and_json_read_well() {
    let ask = ask(Form::Plain);
    let id = ask.request_id;
    assert_eq!(
        text(fault(Cause::Refused, &ask)),
        format!(
            "503 Service Unavailable: The server behind this page is not running. (refused, request {id})\n"
        )
    );
    assert_eq!(
        text(fault(Cause::NoRoute, &Ask { form: Form::Json, site_name: Some("a\"b"), ..ask.clone() })),
        format!(
            "{{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\
             \"detail\":\"There is no page at this address.\",\"instance\":\"{id}\",\"cause\":\"no_route\",\
             \"site\":\"a\\\"b\"}}\n"
        )
    );
    assert_eq!(fault(Cause::VisitorLeft, &ask).status().as_u16(), 499);
}

#[test]
fn maintenance_says_why_and_until_when() {
    let (voice, _) = Voice::open(&Site {
        status_page: Some("https://status.example/?a=1&b".into()),
        ..Site::new("a.example", Vec::new())
    });
    let until = Wall::from_seconds(4_102_444_800);
    let ask =
        |form| Ask { voice: &voice, note: Some("New disks <b>\nand more"), until: Some(until), ..ask(form) };
    let page = fault(Cause::Maintenance, &ask(Form::Html));
    assert!(header(&page, "retry-after").parse::<u64>().unwrap() > 1_000_000);
    let page = text(page);
    for said in [
        "<p class=\"note\">New disks &lt;b&gt;\nand more</p>",
        "We expect to be back: <b>2100-01-01, 00:00 UTC</b>.",
        "<a href=\"https://status.example/?a=1&amp;b\">",
        " days.</li>",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
    let line = text(fault(Cause::Maintenance, &ask(Form::Plain)));
    assert!(line.starts_with(
        "503 Service Unavailable: This site is closed for maintenance. New disks <b> and more Until 2100-01-01, 00:00 \
         UTC. See https://status.example/?a=1&b (maintenance, request "
    ));
    let json = text(fault(Cause::Maintenance, &ask(Form::Json)));
    for said in [
        "\"note\":\"New disks <b>\\nand more\"",
        "\"until\":\"2100-01-01T00:00:00.000Z\"",
        "\"retry_after\":",
        "\"status_page\":\"https://status.example/?a=1&b\"",
    ] {
        assert!(json.contains(said), "{json}");
    }
    // Where the visitor is at fault no status page helps; where nothing is known nothing is said.
    let page = text(fault(Cause::NoRoute, &Ask { voice: &voice, ..ask(Form::Html) }));
    assert!(!page.contains("status.example"));
    let page = text(fault(Cause::Maintenance, &super::tests::ask(Form::Html)));
    assert!(!page.contains("class=\"note\"") && !page.contains("back:") && !page.contains("status page"));
    // An end that has passed is soon.
    let late = Ask { until: Some(Wall::from_seconds(1)), ..ask(Form::Plain) };
    assert_eq!(header(&fault(Cause::Maintenance, &late), "retry-after"), "1");
}

#[test]
fn a_site_chooses_the_statuses_of_faults() {
    let (voice, _) = Voice::open(&Site { statuses: Statuses::ByCause, ..Site::new("a.example", Vec::new()) });
    let ask = Ask { voice: &voice, ..ask(Form::Plain) };
    assert_eq!(fault(Cause::Read, &ask).status(), 502);
    assert_eq!(fault(Cause::FirstByteTimeout, &ask).status(), 504);
    assert_eq!(fault(Cause::Refused, &ask).status(), 503);
    assert_eq!(fault(Cause::NoRoute, &ask).status(), 404);
}

#[test]
fn who_knows_when_to_come_back_is_believed() {
    let told = Ask { retry_after: Some(Duration::from_millis(1_200)), ..ask(Form::Plain) };
    assert_eq!(header(&fault(Cause::FirstByteTimeout, &told), "retry-after"), "2");
    assert_eq!(header(&fault(Cause::Closing, &ask(Form::Plain)), "retry-after"), "5");
    let page = text(fault(Cause::Refused, &in_language("de")));
    assert!(page.contains("in 30 Sekunden."), "{page}");
    assert!(!text(fault(Cause::NoRoute, &in_language("de"))).contains("{retry}"));
}

#[test]
fn the_place_of_a_backends_page_is_taken_by_ours() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-length", "7"),
        ("server", "Old/1.0"),
        ("etag", "\"x\""),
        ("retry-after", "90"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    keep_of_replaced(&mut headers);
    for form in [Form::Html, Form::Json] {
        let response = replaced(StatusCode::BAD_GATEWAY, headers.clone(), &ask(form));
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (502, "90"));
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert!(response.headers().get("server").is_none() && response.headers().get("etag").is_none());
        let text = text(response);
        assert!(text.contains("backend_error") && text.contains("90"), "{text}");
    }
    let mut route = Route::new("/", crate::plan::Answers::Backend(crate::plan::BackendId(0)));
    let replaces =
        |route: &Route, status, form| super::replaces(route, StatusCode::from_u16(status).unwrap(), form);
    assert!(!replaces(&route, 500, Form::Html));
    route.replace_errors = true;
    for (status, does) in
        [(200, false), (404, false), (499, false), (500, true), (503, true), (599, true), (600, false)]
    {
        assert_eq!(replaces(&route, status, Form::Plain), does, "{status}");
    }
    // svn reads what is wrong in the body that its server sent.
    route.serves = Serves::Subversion;
    assert!(replaces(&route, 500, Form::Html) && !replaces(&route, 500, Form::Plain));
}

#[test]
fn nothing_from_outside_becomes_html() {
    let evil = "<script>\"'&";
    let page = text(fault(Cause::NoRoute, &Ask { site_name: Some(evil), ..ask(Form::Html) }));
    assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;") && !page.contains("<script"), "{page}");
    let location = "https://a.example/?x=\"><script>alert(1)</script>";
    let page = text(redirect(StatusCode::MOVED_PERMANENTLY, location, &ask(Form::Html)));
    assert!(!page.contains("<script"), "{page}");
    // What fills a hole is no hole.
    let page = text(fault(Cause::NoRoute, &Ask { note: Some("{id}"), site_name: None, ..ask(Form::Html) }));
    assert!(page.contains("<p class=\"note\">{id}</p>"), "{page}");
}

#[test]
fn redirects_say_where_and_are_soon_forgotten() {
    for form in [Form::Html, Form::Plain, Form::Json] {
        let location = "https://www.example.org:8443/x?y=1&z=2";
        let response = redirect(StatusCode::MOVED_PERMANENTLY, location, &ask(form));
        assert_eq!(response.status(), 301);
        assert_eq!(header(&response, "location"), location);
        assert_eq!(header(&response, "cache-control"), "max-age=3600");
        assert!(text(response).contains("https://www.example.org:8443/x?y=1&"));
    }
    let german = redirect(StatusCode::FOUND, "https://a.example/", &in_language("de"));
    assert_eq!(header(&german, "content-language"), "de");
    assert!(text(german).contains("Sie finden sie hier: <a href=\"https://a.example/\">"));
    assert_eq!(redirect(StatusCode::FOUND, "https://a\r\nx: y", &ask(Form::Plain)).status(), 500);
}

/// A folder of its own for each test, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = std::env::temp_dir().join(format!("doorward-pages-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        Self(folder)
    }

    fn open(&self) -> (Voice, Vec<Problem>) {
        Voice::open(&Site { pages: Some(self.0.clone()), ..Site::new("www.example.org", Vec::new()) })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_site_speaks_by_pages_of_its_own() {
    let scratch = Scratch::new(
        "own",
        &[
            (
                "404.html",
                b"<html lang=pl><style>p{color:red}</style><p>Nie ma: {id}\n<i>{retry}</i>\n<b>{status}</b>",
            ),
            ("404.de.html", b"<html lang=\"de\">Weg: {id} <img src=\"data:image/png;base64,AA==\">"),
            ("connection-refused.pl.html", b"<html lang=\"pl\">Za {retry} {id} {site}"),
            ("README.md", b"ours"),
            ("style.css", b""),
            (".hidden", b""),
        ],
    );
    let (voice, problems) = scratch.open();
    assert_eq!(problems, []);
    let said = |cause, language| {
        let languages = Languages::read(&[HeaderValue::from_static(language)]);
        let ask = Ask { voice: &voice, languages, ..ask(Form::Html) };
        let response = fault(cause, &ask);
        let id = ask.request_id.to_string();
        let (language, policy) = (
            header(&response, "content-language").to_owned(),
            header(&response, "content-security-policy").to_owned(),
        );
        (language, policy, text(response).replace(&id, "ID"))
    };
    let (language, policy, page) = said(Cause::NoRoute, "en");
    assert_eq!(page, "<html lang=pl><style>p{color:red}</style><p>Nie ma: ID\n<b>404</b>");
    assert_eq!(language, "pl");
    // The hash of its own style, and of no other.
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"p{color:red}");
    let hash = crate::base::base64::encode(hash.as_ref());
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    let (language, policy, page) = said(Cause::NoRoute, "de-AT");
    assert_eq!((language.as_str(), page.starts_with("<html lang=\"de\">Weg: ID")), ("de", true));
    assert!(policy.contains("style-src 'none'"));
    // It has this page in one language only: nobody gets ours.
    assert_eq!(said(Cause::Refused, "de").2, "<html lang=\"pl\">Za 30 s ID www.example.org");
    // And ours where it has none.
    assert!(
        said(Cause::Unreachable, "de").2.contains("Statusseite") || said(Cause::Unreachable, "de").0 == "de"
    );
    assert!(voice.has_own("404") && !voice.has_own("403"));
    assert_eq!(voice.languages("404"), ["pl", "de"]);
    assert_eq!(voice.languages("403"), ["en", "de", "fr", "es"]);
}

#[test]
fn what_is_wrong_with_a_sites_pages_is_told_when_they_are_read() {
    let large = vec![b'x'; 65_537];
    for (file, bytes, is_error, said) in [
        ("404.html", &b"{id}<SCRIPT src=x>"[..], true, "holds a script"),
        ("404.html", b"{id} {sitee}", true, "`{sitee}` that nobody fills: did you mean `{site}`?"),
        ("404.html", b"{id} {whatever}", true, "nobody fills: there are `{site}`, `{status}`"),
        ("404.html", b"{id} {location}", true, "`{location}` that nobody fills"),
        ("404.html", b"\xff{id}", true, "is not in UTF-8"),
        ("404.html", &large, true, "is larger than 64 KB"),
        ("404.html", b"no hole", false, "does not show `{id}`"),
        ("404.html", b"{id}<img src=\"https://x.example/a.png\">", false, "loads something"),
        ("404.html", b"{id}<p style=\"color:red\">", false, "has a `style` attribute"),
        ("404.de.html", b"<html lang=\"en\">{id}", false, "says `lang=\"en\"`, and its name says `de`"),
        ("connection-refussed.html", b"{id}", false, "did you mean `connection-refused.html`?"),
        ("418.html", b"{id}", false, "takes the place of no page"),
        ("logo.png", b"", false, "is no page"),
    ] {
        let scratch = Scratch::new("odd", &[(file, bytes)]);
        let (_, problems) = scratch.open();
        let [problem] = &problems[..] else { panic!("{file}: {problems:?}") };
        assert!(problem.is_error == is_error && problem.text.contains(said), "{problem:?}");
        assert!(problem.text.contains(file), "{problem:?}");
    }
    let scratch = Scratch::new("folder", &[]);
    fs::create_dir(scratch.0.join("404.html")).unwrap();
    assert!(scratch.open().1[0].text.ends_with("404.html is no file"));
    let missing = Site { pages: Some(scratch.0.join("missing")), ..Site::new("a.example", Vec::new()) };
    let (_, problems) = Voice::open(&missing);
    assert!(problems[0].is_error && problems[0].text.contains("can't be read"), "{problems:?}");
    // What we ship would be taken as it is.
    for (_, version, name) in files() {
        let scratch = Scratch::new("ours", &[(&name, version.text.as_bytes())]);
        assert_eq!(scratch.open().1, [], "{name}");
    }
}

#[test]
fn the_language_is_chosen_by_what_the_request_says() {
    let mut headers = HeaderMap::new();
    headers.append("accept", HeaderValue::from_static("text/html"));
    headers.append("accept-language", HeaderValue::from_static("pl, fr-CA;q=0.8"));
    headers.append("accept-language", HeaderValue::from_static("de;q=0.5"));
    let taste = Taste::of(&Method::GET, &headers);
    let ask = Ask { form: taste.form(), languages: taste.languages(), ..ask(Form::Plain) };
    assert_eq!(header(&fault(Cause::Refused, &ask), "content-language"), "fr");
    // Programs are told in one language.
    let line =
        Told { status: StatusCode::NOT_FOUND, cause: "x", detail: "Not there.", note: None, retry: None };
    assert!(page::line(&line, &ask).starts_with("404 Not Found: Not there. (x, "));
}
