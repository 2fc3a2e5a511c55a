//! `.files`, `.redirect` and `.answer` of a route: what the house answers by itself.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;

use super::{Compiler, duration, number, switch, text, texts, word};
use crate::language::source::joined;
use crate::language::table::{ANSWERS, one_of};
use crate::language::tree::{Declaration, Setting, Text, Value};
use crate::language::{Code, Diagnostic, Span};
use crate::message::SitePath;
use crate::plan::{self, Answers, Files, FilesId, Fixed, Links, Part, Redirect, Try};
use crate::settings::value::{self, Instead, Pattern};

/// Settings that say something only beside another.
const BESIDE: &[(&str, &[&str])] = &[
    ("strip", &["backend"]),
    ("replace", &["backend"]),
    ("rewrite_links", &["backend"]),
    ("index", &["files", "root"]),
    ("listing", &["files"]),
    ("try", &["files"]),
    ("expires", &["files"]),
    ("links", &["files"]),
    ("precompressed", &["files"]),
    ("hidden", &["files"]),
    ("status", &["redirect", "answer"]),
    ("type", &["answer"]),
    ("replace_errors", &["backend", "scripts"]),
    ("scripts", &["files"]),
];

/// Statuses that send visitors elsewhere, and are of use where the address may change.
const REDIRECTS: &[usize] = &[301, 302, 303, 307, 308];

impl Compiler<'_> {
    /// Says what does not go together; `true` where one of the four is said and can be read.
    pub(super) fn one_answer(&mut self, route: &Declaration) -> bool {
        let said: Vec<&Setting> = ANSWERS.iter().filter_map(|name| route.setting(name)).collect();
        if let [first, second, ..] = said.as_slice() {
            self.found.push(
                Diagnostic::new(
                    Code::Contradiction,
                    second.name_span,
                    format!("`.{}` answers already, and this would too", first.row.name),
                )
                .label("keep one of them: a route has one answer")
                .at(first.name_span, "the other stands here"),
            );
            return false;
        }
        for (name, of) in BESIDE {
            let Some(setting) = route.setting(name) else { continue };
            if of.iter().any(|of| route.setting(of).is_some()) {
                continue;
            }
            let of: Vec<String> = of.iter().map(|of| format!("`.{of}`")).collect();
            self.found.push(
                Diagnostic::new(
                    Code::Contradiction,
                    setting.name_span,
                    format!("`.{name}` says something of {} only", one_of(&of)),
                )
                .label("take it out"),
            );
        }
        true
    }

    pub(super) fn files(&mut self, route: &Declaration, (root, span): (&Text, Span)) -> Option<Answers> {
        let root = self.folder((root, span))?;
        let scripts = match route.setting("scripts") {
            Some(_) => Some(self.scripts_beside(route, &root)?),
            None => None,
        };
        let index = match route.setting("index") {
            None if scripts.is_some() => Box::from([Box::from("index.php"), Box::from("index.html")]),
            None => Box::from([Box::from("index.html")]),
            Some(_) => texts(route, "index").filter_map(|index| self.index(index)).collect(),
        };
        let tries = self.tries(route);
        let id = FilesId(self.files);
        self.files += 1;
        Some(Answers::Files(Arc::new(Files {
            id,
            root,
            index,
            listing: switch(route, "listing").unwrap_or(false),
            expires: duration(route, "expires"),
            links: match word(route, "links") {
                Some("follow") => Links::Follow,
                Some("refuse") => Links::Refuse,
                _ => Links::Inside,
            },
            precompressed: switch(route, "precompressed").unwrap_or(true),
            hidden: switch(route, "hidden").unwrap_or(false),
            tries,
            scripts,
        })))
    }

    /// A folder that a setting names; it may hold `{state}`.
    pub(super) fn folder(&mut self, (folder, span): (&Text, Span)) -> Option<PathBuf> {
        let text = folder.get();
        let wrong = match value::placeholders(text) {
            _ if text.is_empty() => Some("write a folder"),
            Err(instead) => Some(instead),
            Ok(names) if names.as_slice() == ["state"] && text.starts_with("{state}") => None,
            Ok(names) if !names.is_empty() => Some("only `{state}` may stand in it, once, at its beginning"),
            Ok(_) => None,
        };
        if let Some(instead) = wrong {
            return self.fault(
                Diagnostic::new(Code::BadFile, span, format!("{} is no folder", folder.quote()))
                    .label(instead),
            );
        }
        if text.starts_with("{state}") {
            return Some(PathBuf::from(self.with_state(text)));
        }
        Some(joined(self.tree.sources.folder(span.file), text))
    }

    fn index(&mut self, (name, span): (&Text, Span)) -> Option<Box<str>> {
        let text = name.get();
        if text.is_empty() || matches!(text, "." | "..") || text.contains(['/', '\0', '{', '}']) {
            return self.fault(
                Diagnostic::new(Code::BadFile, span, format!("{} is no file's name", name.quote()))
                    .label("write a name without a folder: `\"index.html\"`"),
            );
        }
        Some(text.into())
    }

    fn tries(&mut self, route: &Declaration) -> Box<[Try]> {
        let Some(setting) = route.setting("try") else { return Box::default() };
        let mut tries = Vec::with_capacity(setting.values.len());
        for (at, valued) in setting.values.iter().enumerate() {
            let read = match &valued.value {
                Value::Number(_) if at + 1 < setting.values.len() => {
                    Err("a status ends the list: nothing behind it is looked for".to_owned())
                }
                Value::Number(status) => a_page(*status).map(Try::Status).map_err(str::to_owned),
                Value::Text(text) => tried(text.get()).map_err(str::to_owned),
                _ => continue,
            };
            match read {
                Ok(found) => tries.push(found),
                Err(instead) => self.found.push(
                    Diagnostic::new(Code::BadAnswer, valued.span, "nothing can be looked for like that")
                        .label(instead),
                ),
            }
        }
        tries.into()
    }

    pub(super) fn redirect(
        &mut self,
        route: &Declaration,
        (to, span): (&Text, Span),
        pattern: &Pattern,
    ) -> Option<Answers> {
        let bad = |label: Instead| {
            Diagnostic::new(
                Code::BadAnswer,
                span,
                format!("{} is no address to send visitors to", to.quote()),
            )
            .label(label)
        };
        let names = match value::placeholders(to.get()) {
            Ok(names) => names,
            Err(instead) => return self.fault(bad(instead)),
        };
        if let Err(instead) = value::address(to.get()) {
            return self.fault(bad(instead));
        }
        let mut pieces = Vec::new();
        let mut rest = to.get();
        for name in names {
            let (before, behind) = rest.split_once(&format!("{{{name}}}"))?;
            if !before.is_empty() {
                pieces.push(Part::Text(before.into()));
            }
            rest = behind;
            // A name of the route's own is nearer than ours.
            let own = pattern.names.iter().position(|known| **known == *name);
            pieces.push(match (own, name) {
                (Some(at), _) => Part::Name(at),
                (None, "path") => Part::Path,
                (None, "query") => Part::Query,
                (None, _) => {
                    let mut known: Vec<String> =
                        pattern.names.iter().map(|name| format!("`{{{name}}}`")).collect();
                    known.extend(["`{path}`".to_owned(), "`{query}`".to_owned()]);
                    return self.fault(
                        Diagnostic::new(
                            Code::BadName,
                            span,
                            format!("{} holds no name of this route", to.quote()),
                        )
                        .label(format!("there is {}", one_of(&known))),
                    );
                }
            });
        }
        if !rest.is_empty() {
            pieces.push(Part::Text(rest.into()));
        }
        let status =
            self.status(route, 301, |status| REDIRECTS.contains(&status), "301, 302, 303, 307 or 308")?;
        Some(Answers::Redirect(Arc::new(Redirect { status, to: pieces.into() })))
    }

    pub(super) fn fixed(&mut self, route: &Declaration, answer: &Value, span: Span) -> Option<Answers> {
        let text = match answer {
            Value::Number(status) => {
                for name in ["status", "type"] {
                    if let Some(setting) = route.setting(name) {
                        self.found.push(
                            Diagnostic::new(
                                Code::Contradiction,
                                setting.name_span,
                                format!(
                                    "`.{name}` says something of a text only, and this answers with a page"
                                ),
                            )
                            .label("take it out")
                            .at(span, "the status is said here"),
                        );
                    }
                }
                return match a_page(*status) {
                    Ok(status) => Some(Answers::Fixed(Arc::new(Fixed { status, text: None }))),
                    Err(instead) => self.fault(
                        Diagnostic::new(Code::BadAnswer, span, format!("{status} is no answer by itself"))
                            .label(instead),
                    ),
                };
            }
            Value::Text(text) => text.get(),
            _ => return None,
        };
        let status = self.status(
            route,
            200,
            |status| !matches!(status, 204 | 205 | 304) && !REDIRECTS.contains(&status),
            "a status of an answer that has a text, such as 200 or 404",
        )?;
        let kind = match self::text(route, "type") {
            None => HeaderValue::from_static("text/plain; charset=utf-8"),
            Some((kind, span)) => match media(kind.get()) {
                Ok(kind) => kind,
                Err(instead) => {
                    return self.fault(
                        Diagnostic::new(Code::BadAnswer, span, format!("{} is no media type", kind.quote()))
                            .label(instead),
                    );
                }
            },
        };
        Some(Answers::Fixed(Arc::new(Fixed { status, text: Some(plan::Text { kind, text: text.into() }) })))
    }

    fn status(
        &mut self,
        route: &Declaration,
        usual: u16,
        fits: impl Fn(usize) -> bool,
        what: &str,
    ) -> Option<u16> {
        let Some(valued) = route.value("status") else { return Some(usual) };
        let status = number(route, "status")?;
        if fits(status) {
            return u16::try_from(status).ok();
        }
        self.fault(
            Diagnostic::new(Code::BadAnswer, valued.span, format!("{status} does not fit here"))
                .label(format!("write {what}")),
        )
    }
}

/// A status of which there is a page, or that has none.
fn a_page(status: u64) -> Result<u16, Instead> {
    match u16::try_from(status) {
        Ok(status @ (204 | 400..=599)) => Ok(status),
        _ => Err("write 204, or a status from 400 to 599"),
    }
}

/// One thing that a `.try` looks for.
fn tried(text: &str) -> Result<Try, Instead> {
    let names = value::placeholders(text)?;
    if names.iter().any(|name| *name != "path") {
        return Err("only `{path}` stands between braces here");
    }
    let plain = SitePath::literal(&format!("/{}", text.replace("{path}", "path").trim_start_matches('/')));
    if text.is_empty() || text.contains('\0') || !plain.is_ok_and(|path| !path.as_str().contains("%2F")) {
        return Err("write a path below the folder: `\"{path}\"`, `\"{path}.html\"` or `\"/index.html\"`");
    }
    if text.split('/').any(|part| matches!(part, "." | "..")) {
        return Err("write the path without `.` and `..`");
    }
    match (names.as_slice(), text.split_once("{path}")) {
        ([], _) => Ok(Try::At(text.into())),
        ([_], Some((before, behind))) => {
            Ok(Try::Below { before: before.trim_start_matches('/').into(), behind: behind.into() })
        }
        _ => Err("`{path}` stands in it once"),
    }
}

/// A media type as `Content-Type` has it; a text is UTF-8, as our rules are.
fn media(text: &str) -> Result<HeaderValue, Instead> {
    const INSTEAD: Instead = "write `text/plain`, `text/html`, `application/json` or one like them";
    let kind = text.split(';').next().unwrap_or_default().trim();
    let (of, what) = kind.split_once('/').ok_or(INSTEAD)?;
    let token = |text: &str| !text.is_empty() && text.bytes().all(crate::message::headers::is_token);
    if !token(of) || !token(what) {
        return Err(INSTEAD);
    }
    let whole = if kind.starts_with("text/") && !text.contains("charset") {
        format!("{text}; charset=utf-8")
    } else {
        text.to_owned()
    };
    HeaderValue::from_str(&whole).map_err(|_| INSTEAD)
}
