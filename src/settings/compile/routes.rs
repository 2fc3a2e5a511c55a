//! `site` and `route` → the plan of each: who answers at which path, and who may come in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::{Compiler, called, duration, reference, switch, text, texts, word};
use crate::base::cause::Statuses;
use crate::language::program::{self, Choice};
use crate::language::source::quoted;
use crate::language::table::one_of;
use crate::language::tree::{self, Declaration, Text, Value};
use crate::language::vocabulary::Dialect;
use crate::language::{Code, Diagnostic, Span};
use crate::message::SitePath;
use crate::plan::{
    Access, Answers, BackendId, CertificateWish, EncodedSlash, Key, Piece, Route, Rows, Serves, Site,
};
use crate::settings::value::{self, Pattern};

impl Compiler<'_> {
    pub(super) fn sites(&mut self) -> Vec<Site> {
        let mut hosts: HashMap<Box<str>, Span> = HashMap::new();
        let tree = self.tree;
        if tree.sites.is_empty() && tree.dialect != Dialect::Doorward {
            return vec![self.any_host()];
        }
        tree.sites.iter().map(|site| self.site(site, &mut hosts)).collect()
    }

    /// A host name that no other site has.
    fn host(&mut self, written: (&Text, Span), hosts: &mut HashMap<Box<str>, Span>) -> Option<Box<str>> {
        let host = self.read(Code::BadHost, "host name", written, value::host)?;
        let (text, span) = written;
        if let Some(first) = hosts.get(&host) {
            let fault =
                Diagnostic::new(Code::HostTwice, span, format!("{} belongs to a site already", text.quote()))
                    .label("take one of them out")
                    .at(*first, "it is named here");
            return self.fault(fault);
        }
        hosts.insert(host.clone(), span);
        Some(host)
    }

    fn site(&mut self, site: &Declaration, hosts: &mut HashMap<Box<str>, Span>) -> Site {
        let name =
            site.name.as_ref().and_then(|(text, span)| self.host((text, *span), hosts)).unwrap_or_default();
        let aliases = texts(site, "aliases").filter_map(|alias| self.host(alias, hosts)).collect();
        let certificate = match site.value("certificate").map(|valued| &valued.value) {
            Some(Value::Certificate(tree::Certificate::Files { chain, key })) => {
                let chain = self.file((&chain.0, chain.1));
                let key = self.file((&key.0, key.1));
                CertificateWish::Files { chain: chain.unwrap_or_default(), key: key.unwrap_or_default() }
            }
            _ => CertificateWish::Local,
        };
        let log = self.site_log(site);
        let mut paths: HashMap<(bool, String), Span> = HashMap::with_capacity(site.inside.len());
        let routes = site.inside.iter().filter_map(|route| self.route(route, &mut paths)).collect();
        let force_https = switch(site, "force_https").unwrap_or(true);
        let statuses = match word(site, "fault_status") {
            Some("by_cause") => Statuses::ByCause,
            _ => Statuses::Always503,
        };
        let status_page = text(site, "status")
            .and_then(|said| self.read(Code::BadLink, "address of a page", said, value::link));
        let pages = text(site, "pages").and_then(|said| self.folder(said));
        let maintenance_allow = reference(site, "maintenance_allow").and_then(|acl| self.networks.get(acl));
        Site {
            aliases,
            certificate,
            force_https,
            maintenance: switch(site, "maintenance").unwrap_or(false),
            maintenance_allow: maintenance_allow
                .map_or(Access::Nobody, |networks| Access::Network(Arc::clone(networks))),
            log,
            status_page,
            statuses,
            pages,
            ..Site::new(name, routes)
        }
    }

    fn route(&mut self, route: &Declaration, paths: &mut HashMap<(bool, String), Span>) -> Option<Route> {
        let (text, span) = route.name.as_ref()?;
        let pattern = self.read(Code::BadPath, "path of a route", (text, *span), value::path)?;
        let exact = route.has("exact");
        if let Some(first) = paths.get(&(exact, pattern.shape())) {
            let fault =
                Diagnostic::new(Code::RouteTwice, *span, format!("a second route for {}", text.quote()))
                    .label("take one of them out")
                    .at(*first, "the first stands here");
            return self.fault(fault);
        }
        paths.insert((exact, pattern.shape()), *span);
        let (read, write) = self.doors(route);
        let answers = if self.one_answer(route) { self.answers(route, &pattern)? } else { return None };
        let log = self.route_log(route, &pattern, &answers);
        let scripts = self.scripts(route, &answers);
        let moved_to = self.moved_to(route, &pattern);
        Some(Route {
            log,
            scripts,
            moved_to,
            rewrite_links: switch(route, "rewrite_links").unwrap_or(false),
            body_timeout: duration(route, "body_timeout"),
            names: pattern.names,
            exact,
            internal: route.has("internal"),
            serves: match word(route, "serves") {
                Some("subversion") => Serves::Subversion,
                Some("webdav") => Serves::Webdav,
                Some("git") => Serves::Git,
                _ => Serves::Web,
            },
            read,
            write,
            body_bytes_max: match route.value("body_bytes_max").map(|valued| &valued.value) {
                Some(Value::Size(size)) => Some(*size),
                _ => None,
            },
            total_timeout: duration(route, "total_timeout"),
            encoded_slash: match word(route, "encoded_slash") {
                Some("keep") => EncodedSlash::Keep,
                _ => EncodedSlash::Refuse,
            },
            replace_errors: switch(route, "replace_errors").unwrap_or(false),
            ..Route::new(pattern.path, answers)
        })
    }

    /// Who may read, and who may write.
    fn doors(&mut self, route: &Declaration) -> (Access, Access) {
        let said = |name| {
            route.value(name).map(|valued| match &valued.value {
                Value::Access(access) => self.access(access),
                // The fault was reported; nobody gets in by it.
                _ => Access::Nobody,
            })
        };
        let (allow, read, write) = (said("allow"), said("read"), said("write"));
        if let (Some(both), Some(one)) =
            (route.setting("allow"), route.setting("read").or(route.setting("write")))
        {
            self.found.push(
                Diagnostic::new(
                    Code::Contradiction,
                    both.name_span,
                    format!("`.allow` is `.read` and `.write` at once, and `.{}` is said too", one.row.name),
                )
                .label("say `.read` and `.write`, or `.allow` alone")
                .at(one.name_span, "it is said here"),
            );
        }
        // Whoever may not even read may not write unless that is said.
        let read = read.or(allow).unwrap_or(Access::Anyone);
        let write = write.unwrap_or_else(|| read.clone());
        (read, write)
    }

    /// What its backend is asked for in the place of its path.
    fn moved_to(&mut self, route: &Declaration, pattern: &Pattern) -> Option<Key> {
        let strips = switch(route, "strip").unwrap_or(false);
        let (strip, replace) = (route.setting("strip").filter(|_| strips), route.setting("replace"));
        let setting = strip.or(replace)?;
        if let (Some(strip), Some(replace)) = (strip, replace) {
            return self.fault(
                Diagnostic::new(
                    Code::Contradiction,
                    replace.name_span,
                    "`.strip` takes the path of the route off, and `.replace` puts another one there",
                )
                .label("take out one of the two: `.replace = \"/\"` is `.strip = yes`")
                .at(strip.name_span, "it is taken off here"),
            );
        }
        // A listing of a folder, and every answer of Subversion, names paths inside of XML.
        if let Some(serves @ ("subversion" | "webdav")) = word(route, "serves")
            && let Some(served) = route.setting("serves")
        {
            return self.fault(
                Diagnostic::new(
                    Code::Contradiction,
                    setting.name_span,
                    format!("{serves} is served at one path: its answers name paths in their XML"),
                )
                .label("take it out, and give the backend the path that visitors see")
                .at(served.name_span, "this is why"),
            );
        }
        if strip.is_some() {
            if pattern.path.split('/').all(str::is_empty) {
                return self.fault(
                    Diagnostic::new(
                        Code::Contradiction,
                        setting.name_span,
                        "this route has no path to take off",
                    )
                    .label("take it out"),
                );
            }
            return Some(Key([Piece::Text("/".into())].into()));
        }
        let (written, span) = text(route, "replace")?;
        self.read(Code::BadPath, "path to be asked for", (written, span), value::replacement)?;
        self.key(written, span, pattern)
    }

    fn answers(&mut self, route: &Declaration, pattern: &Pattern) -> Option<Answers> {
        let tree = self.tree;
        if let Some(root) = super::text(route, "files") {
            return self.files(route, root);
        }
        if let Some(to) = super::text(route, "redirect") {
            return self.redirect(route, to, pattern);
        }
        if let Some(answer) = route.value("answer") {
            return self.fixed(route, &answer.value, answer.span);
        }
        let (table, key, key_span, otherwise) = match &route.value("backend")?.value {
            Value::Name(backend) => return Some(Answers::Backend(BackendId(*backend))),
            Value::Lookup { table, key, key_span, otherwise } => (*table, key, *key_span, *otherwise),
            _ => return None,
        };
        let declared = tree.tables.get(table)?;
        let key = self.key(key, key_span, pattern)?;
        let otherwise = otherwise.map(BackendId);
        // Without a name in it the key is known now.
        if let [] | [Piece::Text(_)] = *key.0 {
            let wanted = key.fill(&[]);
            let found = declared.rows.iter().find_map(|(row, value)| {
                let Choice::Backend(backend) = chosen(value)? else { return None };
                (canonical(row).as_deref() == Some(&*wanted)).then_some(backend)
            });
            return match found.or(otherwise) {
                Some(backend) => Some(Answers::Backend(backend)),
                // The row may be one that could not be read.
                None if self.tree.found.has_errors() => None,
                None => self.fault(
                    Diagnostic::new(
                        Code::NoRow,
                        key_span,
                        format!("{} has no such row", quoted(&declared.name)),
                    )
                    .label("add the row, or say what else: `lookup(table, \"key\", otherwise)`"),
                ),
            };
        }
        let rows = self.rows.entry(table).or_insert_with(|| {
            let mut rows = HashMap::with_capacity(declared.rows.len());
            rows.extend(declared.rows.iter().filter_map(|(row, value)| match chosen(value)? {
                Choice::Backend(backend) => Some((canonical(row)?.into(), backend)),
                _ => None,
            }));
            Arc::new(Rows(rows))
        });
        let rows = Arc::clone(rows);
        Some(Answers::Lookup { table: declared.name.clone(), rows, key, otherwise })
    }

    /// A key with names of the route's path in it.
    fn key(&mut self, key: &Text, span: Span, pattern: &Pattern) -> Option<Key> {
        let bad = |label: String| {
            Diagnostic::new(Code::BadName, span, format!("{} holds no name of this route", key.quote()))
                .label(label)
        };
        let names = match value::placeholders(key.get()) {
            Ok(names) => names,
            Err(instead) => return self.fault(bad(instead.to_owned())),
        };
        let mut pieces = Vec::new();
        let mut rest = key.get();
        for name in names {
            let braced = format!("{{{name}}}");
            let (before, behind) = rest.split_once(&braced)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(between(before)));
            }
            rest = behind;
            let Some(at) = pattern.names.iter().position(|known| **known == *name) else {
                let near = self.suggestions.nearest(name, pattern.names.iter().map(|name| &**name));
                let label = match (near, &*pattern.names) {
                    (Some(near), _) => format!("did you mean `{{{near}}}`?"),
                    (None, []) => "the path of this route has no names: `/svn/{project}/` has one".to_owned(),
                    (None, known) => {
                        let known: Vec<String> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
                        format!("the path of this route has {}", one_of(&known))
                    }
                };
                return self.fault(bad(label));
            };
            pieces.push(Piece::Name(at));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(between(rest)));
        }
        Some(Key(pieces.into()))
    }

    /// Plain VCL knows no sites: one takes every host, and its one route leads to the default backend.
    pub(super) fn any_host(&self) -> Site {
        let backends = &self.tree.backends;
        let called_default = |backend: &Declaration| &*called(backend) == "default";
        let default = backends.iter().position(called_default).or((!backends.is_empty()).then_some(0));
        let route = |backend| Route {
            encoded_slash: EncodedSlash::Keep,
            ..Route::new("/", Answers::Backend(BackendId(backend)))
        };
        Site {
            any_host: true,
            force_https: false,
            ..Site::new("default", default.map(route).into_iter().collect())
        }
    }

    fn access(&self, access: &tree::Access) -> Access {
        match access {
            tree::Access::Anyone => Access::Anyone,
            tree::Access::Nobody => Access::Nobody,
            tree::Access::Network(acl) => self
                .networks
                .get(*acl)
                .map_or(Access::Nobody, |networks| Access::Network(Arc::clone(networks))),
            tree::Access::Not(inner) => Access::Not(Box::new(self.access(inner))),
            tree::Access::And(terms) => self.balanced(terms, Access::And).unwrap_or(Access::Nobody),
            tree::Access::Or(terms) => self.balanced(terms, Access::Or).unwrap_or(Access::Nobody),
        }
    }

    /// A long chain becomes a bushy tree and not a deep one, which would overflow the stack that judges it.
    fn balanced(
        &self,
        terms: &[tree::Access],
        join: fn(Box<Access>, Box<Access>) -> Access,
    ) -> Option<Access> {
        match terms {
            [] => None,
            [one] => Some(self.access(one)),
            many => {
                let (left, right) = many.split_at_checked(many.len() / 2)?;
                Some(join(Box::new(self.balanced(left, join)?), Box::new(self.balanced(right, join)?)))
            }
        }
    }
}

fn chosen(value: &program::Value) -> Option<Choice> {
    match value {
        program::Value::Backend(choice) => Some(*choice),
        _ => None,
    }
}

/// A key as it stands in a canonical path; `None` for one that no path can hold.
pub(super) fn canonical(key: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(key).ok()?;
    // Most keys are plain words, and a table may hold a million of them.
    if !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Some(Cow::Borrowed(text));
    }
    let path = SitePath::literal(&format!("/{text}")).ok()?;
    path.as_str().strip_prefix('/').map(|text| Cow::Owned(text.to_owned()))
}

/// What stands beside the names of a key, written as a path is; the slashes stay as they are.
fn between(text: &str) -> Box<str> {
    let segments = text.split('/').map(|segment| match canonical(segment.as_bytes()) {
        Some(written) => written,
        None => Cow::Borrowed(segment),
    });
    segments.collect::<Vec<_>>().join("/").into()
}
