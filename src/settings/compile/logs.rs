//! `log`, and who may use one whose files are named by names of a path.
//!
//! A visitor makes up what stands in a path. So a name of a path names a file only where the route confines it to
//! the keys of a table, which operators write; and those are judged one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use super::routes::canonical;
use super::{Compiler, called, reference, text, word};
use crate::language::table::{LOG_ERRORS, LOG_FILE, one_of};
use crate::language::tree::{Declaration, Text, Value};
use crate::language::{Code, Diagnostic, Span};
use crate::plan::{Answers, Key, LogId, Piece, Recorded, Site};
use crate::record::{self, LogConfig};
use crate::settings::value::{self, Pattern};

/// What stands between braces in every log.
const WORDS: [&str; 3] = ["state", "site", "day"];
/// Rows that are looked for, one after the other, to show where they stand.
const SEARCHES_MAX: usize = 50;

/// What a `log` holds of names of paths.
pub(super) struct Named {
    /// Where the first stands.
    at: Span,
    names: Box<[Box<str>]>,
    /// No message may say them.
    private: bool,
}

/// Whose lines lie in a file.
#[derive(PartialEq, Eq)]
enum Owner {
    /// Those of a site, or of the house.
    House,
    /// Those of a row: what the names in the file's name stand for.
    Row(String),
}

impl Compiler<'_> {
    pub(super) fn log(&mut self, log: &Declaration) -> LogConfig {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut named = None;
        let mut file = |name, default: &str| -> Box<str> {
            let Some((written, span)) = text(log, name) else { return self.with_state(default).into() };
            let Some(template) = self.template((written, span)) else { return Box::default() };
            for name in value::placeholders(written.get()).unwrap_or_default() {
                if !WORDS.contains(&name) {
                    named = named.or(Some((span, written.is_private())));
                    if !names.iter().any(|known| **known == *name) {
                        names.push(name.into());
                    }
                }
            }
            template.into()
        };
        let (file, errors) = (file("file", LOG_FILE), file("errors", LOG_ERRORS));
        let names: Box<[Box<str>]> = names.into();
        self.named.push(named.map(|(at, private)| Named { at, names: names.clone(), private }));
        let format = match word(log, "format") {
            Some("json") => record::Format::Json,
            _ => record::Format::Combined,
        };
        LogConfig { name: called(log), format, file, errors, names }
    }

    /// The name of a log file, with `{site}`, `{day}` and names of paths left in it.
    fn template(&mut self, (text, span): (&Text, Span)) -> Option<String> {
        let what = format!("{} is no name of a log file", text.quote());
        let fault = |label: &str| Diagnostic::new(Code::BadTemplate, span, what.clone()).label(label);
        let names = match value::placeholders(text.get()) {
            Ok(names) => names,
            Err(instead) => return self.fault(fault(instead)),
        };
        let in_paths = self.path_names();
        let known = |name: &str| WORDS.contains(&name) || in_paths.contains_key(name);
        if let Some(unknown) = names.iter().find(|name| !known(name)) {
            let shown = in_paths.iter().filter(|(_, shown)| **shown).map(|(name, _)| name.as_str());
            let near = self.suggestions.nearest(unknown, WORDS.into_iter().chain(shown));
            let label = match near {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => "there are `{state}`, `{site}`, `{day}`, and the names of routes' paths".to_owned(),
            };
            self.path_names = Some(in_paths);
            return self.fault(fault(&label));
        }
        self.path_names = Some(in_paths);
        if text.get().is_empty() || text.get().ends_with('/') {
            return self.fault(fault("write a file"));
        }
        if names.contains(&"state") && text.get().rfind("{state}") != Some(0) {
            return self.fault(fault("`{state}` stands at its beginning, once"));
        }
        Some(self.located(text.get(), span))
    }

    fn path_names(&mut self) -> BTreeMap<String, bool> {
        self.path_names.take().unwrap_or_else(|| {
            let routes = self.tree.sites.iter().flat_map(|site| &site.inside);
            let paths = routes.filter_map(|route| route.name.as_ref()).map(|(path, _)| path);
            let mut names = BTreeMap::new();
            for path in paths.filter(|path| path.get().contains('{')) {
                let segments = path.get().split('/');
                for name in segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
                    *names.entry(name.to_owned()).or_default() |= !path.is_private();
                }
            }
            names
        })
    }

    /// The log of a site, which has no names to give.
    pub(super) fn site_log(&mut self, site: &Declaration) -> Option<Box<str>> {
        let log = reference(site, "log")?;
        if let (Some(said), Some(Some(named))) = (site.value("log"), self.named.get(log)) {
            let fault =
                Diagnostic::new(Code::BadTemplate, said.span, "a whole site has no names to name a file by")
                    .label("say `.log` on the routes that have them, and another log here")
                    .at(named.at, "a name of a path stands here");
            return self.fault(fault);
        }
        self.tree.logs.get(log).map(called)
    }

    /// The log of a route, every name in its files confined to a table.
    pub(super) fn route_log(
        &mut self,
        route: &Declaration,
        pattern: &Pattern,
        answers: &Answers,
    ) -> Option<Box<Recorded>> {
        let log = reference(route, "log")?;
        let said = route.value("log")?.span;
        let Some(Some(named)) = self.named.get(log) else {
            return Some(Box::new(Recorded { log: LogId(log), names: Box::default() }));
        };
        let at = named.at;
        let refuse = |what: String, label: String| {
            Diagnostic::new(Code::BadTemplate, said, what).label(label).at(at, "it stands in this name")
        };
        let mut places = Vec::new();
        for name in &named.names {
            let braced = if named.private { "a name".to_owned() } else { format!("`{{{name}}}`") };
            let Some(place) = pattern.names.iter().position(|known| known == name) else {
                let label = match &*pattern.names {
                    [] => "this path has no names".to_owned(),
                    known => {
                        let known: Vec<String> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
                        format!("this path has {}", one_of(&known))
                    }
                };
                return self.fault(refuse(
                    format!("{braced} would name a file, and is no name of this route"),
                    label,
                ));
            };
            let stranger = format!("{braced} would name a file, and a visitor may type anything for it");
            match answers {
                Answers::Lookup { key, otherwise: None, .. } if key.0.contains(&Piece::Name(place)) => {
                    if !key.tells_apart() {
                        let label = "put a `/` between the names in the key: nobody can tell where one ends";
                        return self.fault(refuse(stranger, label.to_owned()));
                    }
                }
                Answers::Lookup { key, otherwise: Some(_), .. } if key.0.contains(&Piece::Name(place)) => {
                    let label =
                        "take the third part out of `lookup()`: it lets names through that have no row";
                    return self.fault(refuse(stranger, label.to_owned()));
                }
                _ => {
                    let key = if named.private { "…" } else { name };
                    let label = format!(
                        "confine it to the rows of a table: `.backend = lookup(table, \"{{{key}}}\")`"
                    );
                    return self.fault(refuse(stranger, label));
                }
            }
            places.push(place);
        }
        Some(Box::new(Recorded { log: LogId(log), names: places.into() }))
    }

    /// Every row that names a file of a log: whether its key can be one's name, and whether the file is its own.
    pub(super) fn files_of_their_own(&mut self, sites: &[Site], logs: &[LogConfig]) {
        if self.named.iter().all(Option::is_none) || self.found.has_errors() {
            return;
        }
        let tree = self.tree;
        let mut owners: HashMap<PathBuf, Owner> = HashMap::new();
        let day = "{day}";
        let standard = LogConfig::standard();
        let house = ["doorward", "unknown"].map(|house| (house, &standard));
        let called = |name: &str| logs.iter().find(|log| *log.name == *name);
        let of_sites =
            sites.iter().map(|site| (&*site.name, site.log.as_deref().and_then(called).unwrap_or(&standard)));
        let mut of_routes: BTreeSet<(&str, LogId)> = BTreeSet::new();
        for site in sites {
            let plain = site.routes.iter().filter_map(|route| route.log.as_ref());
            let plain = plain.filter(|recorded| recorded.names.is_empty());
            of_routes.extend(plain.map(|recorded| (&*site.name, recorded.log)));
        }
        let of_routes =
            of_routes.into_iter().filter_map(|(site, log)| logs.get(log.0).map(|log| (site, log)));
        for (site, log) in house.into_iter().chain(of_sites).chain(of_routes) {
            for file in log.files(&self.state, site) {
                owners.insert(file.path(day, ""), Owner::House);
            }
        }
        owners.insert(self.state.join("log/doorward-{day}.log"), Owner::House);
        let mut judged: BTreeSet<(usize, LogId, Vec<usize>, String, &str)> = BTreeSet::new();
        for (declared, site) in tree.sites.iter().zip(sites) {
            for (declared, route) in declared.inside.iter().zip(&site.routes) {
                let (Some(recorded), Answers::Lookup { key, .. }) = (&route.log, &route.answers) else {
                    continue;
                };
                let (Some(Value::Lookup { table, .. }), Some(log)) =
                    (declared.value("backend").map(|said| &said.value), logs.get(recorded.log.0))
                else {
                    continue;
                };
                let once =
                    (*table, recorded.log, recorded.names.to_vec(), key.written(&route.names), &*site.name);
                if !recorded.names.is_empty() && judged.insert(once) {
                    self.rows_as_files(*table, (key, recorded), (log, &site.name), &mut owners);
                }
            }
        }
    }

    fn rows_as_files(
        &mut self,
        table: usize,
        (key, recorded): (&Key, &Recorded),
        (log, site): (&LogConfig, &str),
        owners: &mut HashMap<PathBuf, Owner>,
    ) {
        let tree = self.tree;
        let (Some(declared), Some(Some(named))) = (tree.tables.get(table), self.named.get(recorded.log.0))
        else {
            return;
        };
        let template = named.at;
        let files = log.files(&self.state, site);
        let bare = matches!(*key.0, [Piece::Name(_)]);
        let mut bad: Vec<(&str, &str)> = Vec::new();
        let mut rows: Vec<&str> =
            declared.rows.keys().filter_map(|row| std::str::from_utf8(row).ok()).collect();
        rows.sort_unstable();
        for row in rows {
            let Some(written) = canonical(row.as_bytes()) else {
                bad.push((row, "no path can hold it"));
                continue;
            };
            let Some(values) = key.read(&written) else {
                // Another route may be meant by it, unless the whole key is the name.
                if bare {
                    bad.push((row, "a name of a path holds no `/`"));
                }
                continue;
            };
            let value =
                |place: &usize| values.iter().find(|(at, _)| at == place).map_or("", |(_, value)| value);
            let values: Vec<&str> = recorded.names.iter().map(value).collect();
            if let Some(instead) = values.iter().find_map(|value| value::file_name(value).err()) {
                bad.push((row, instead));
                continue;
            }
            let joined = values.join("/");
            for file in files.iter().filter(|file| file.names().next().is_some()) {
                let own: Vec<&str> = file.names().filter_map(|at| values.get(at).copied()).collect();
                let owner = Owner::Row(own.join("/"));
                let path = file.path("{day}", &joined);
                match owners.get(&path) {
                    Some(Owner::House) => bad.push((row, "its file would be that of another log")),
                    Some(other) if *other != owner => {
                        bad.push((row, "its file would be that of another row"));
                    }
                    Some(_) => {}
                    None => drop(owners.insert(path, owner)),
                }
            }
        }
        for (row, label) in bad.iter().take(SEARCHES_MAX) {
            let place = tree.row(table, row);
            let what = "the key of this row is no name of a log file";
            let fault = Diagnostic::new(Code::BadTemplate, place.unwrap_or(template), what).label(*label);
            self.found.push(match place {
                Some(_) => fault.at(template, "it would stand in this name"),
                None => fault,
            });
        }
        if let Some(more @ 1..) = bad.len().checked_sub(SEARCHES_MAX) {
            let what = format!("the keys of {more} more rows are no names of log files");
            self.found
                .push(Diagnostic::new(Code::BadTemplate, template, what).label("they would stand here"));
        }
    }
}
