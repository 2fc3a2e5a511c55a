//! Plays run: each case on a stage of its own, each request held against what is expected of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::decide::Stage;
use super::decision::Spot;
use super::expect::Expectation;
use super::gateway::Gateway;
use super::script::{Flaw, Row, Script};
use super::tell;
use crate::base::json;
use crate::language::program::{Choice, Mark, Value};
use crate::language::source::quoted;
use crate::language::vocabulary::Type;
use crate::language::{Span, Suggestions};
use crate::plan::{Answers, Rows};

/// What came of a file of plays.
#[derive(Debug, Default)]
pub struct Report {
    pub cases: usize,
    pub requests: usize,
    pub failures: Vec<Failure>,
}

/// A request that did not go as its play says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub case: String,
    pub line: usize,
    /// `GET https://www.example/`
    pub request: String,
    /// What was expected and what came, with the line that says so.
    pub wrong: Vec<(usize, String, String)>,
    /// How it came to that, in short.
    pub story: String,
}

/// What plays have been to. One for all files of plays about the same rules.
#[derive(Debug, Default)]
pub struct Visited {
    marks: BTreeSet<Mark>,
    doors: BTreeSet<(usize, usize)>,
}

/// Runs every case. What a play says of things that the rules do not have is a flaw of the play.
pub fn play(gateway: &Gateway, script: &Script, visited: &mut Visited) -> Result<Report, Vec<Flaw>> {
    let flaws = misnamed(gateway, script);
    if !flaws.is_empty() {
        return Err(flaws);
    }
    let mut report = Report::default();
    for case in &script.cases {
        report.cases += 1;
        let Some(first) = case.scenes.first() else { continue };
        let other;
        let gateway = if first.given.rows.is_empty() {
            gateway
        } else {
            other = gateway.with_rows(&first.given.rows).map_err(|flaw| vec![flaw])?;
            &other
        };
        let mut stage = match Stage::new(gateway, &first.given) {
            Ok(stage) => stage,
            Err(why) => {
                return Err(vec![Flaw::new(case.line, why, "`doorward check` shows the rules' own faults")]);
            }
        };
        visited.marks.extend(stage.begun());
        for scene in &case.scenes {
            report.requests += 1;
            let decision = stage.decide(&scene.asked, &scene.given);
            visited.marks.extend(&decision.marks);
            visited.doors.extend(decision.door.into_iter().chain(decision.handed));
            let wrong: Vec<_> = scene
                .expected
                .iter()
                .filter_map(|(line, expected)| {
                    let (wanted, came) = expected.judge(&decision).err()?;
                    Some((*line, wanted, came))
                })
                .collect();
            if !wrong.is_empty() {
                report.failures.push(Failure {
                    case: case.name.clone(),
                    line: scene.line,
                    request: scene.asked.title(gateway.only_site().unwrap_or_default()),
                    wrong,
                    story: tell::short(&decision),
                });
            }
        }
    }
    Ok(report)
}

impl Failure {
    /// For a person: what was asked, what was expected, what came, and how.
    pub fn draw(&self, file: &str) -> String {
        let mut out = format!("{file}:{}: {}\n  {}\n", self.line, self.case, self.request);
        for (line, wanted, came) in &self.wrong {
            let _ = writeln!(out, "  expected  {wanted}  (line {line})\n  came      {came}");
        }
        for (at, line) in self.story.lines().enumerate() {
            let _ = writeln!(out, "  {}  {line}", if at == 0 { "how     " } else { "        " });
        }
        out
    }
}

impl Failure {
    /// For programs.
    pub fn json(&self, file: &str) -> String {
        let mut out = String::from("{\"file\":");
        json::text(&mut out, file);
        let _ = write!(out, ",\"line\":{},\"case\":", self.line);
        json::text(&mut out, &self.case);
        out.push_str(",\"request\":");
        json::text(&mut out, &self.request);
        out.push_str(",\"wrong\":[");
        for (at, (line, wanted, came)) in self.wrong.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            let _ = write!(out, "{{\"line\":{line},\"expected\":");
            json::text(&mut out, wanted);
            out.push_str(",\"came\":");
            json::text(&mut out, came);
            out.push('}');
        }
        out.push_str("]}");
        out
    }
}

/// Names in a play that the rules do not have.
fn misnamed(gateway: &Gateway, script: &Script) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut suggestions = Suggestions::default();
    let settings = &gateway.settings;
    let backends: Vec<&str> = settings.backend_names().collect();
    let sites: Vec<&str> = settings.sites.iter().map(|site| &*site.name).collect();
    let routes: Vec<&str> =
        settings.sites.iter().flat_map(|site| &site.routes).map(|route| &*route.path).collect();
    let tables = gateway.tables();
    let mut known = |line: usize, what: &str, name: &str, among: &[&str]| {
        if among.contains(&name) {
            return None;
        }
        let help = match suggestions.nearest(name, among.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if among.is_empty() => format!("there is no {what} at all"),
            None if among.len() <= 12 => format!("there are {}", among.join(", ")),
            None => "`doorward routes` shows what there is".to_owned(),
        };
        Some(Flaw::new(line, format!("the rules have no {what} called {}", quoted(name)), help))
    };
    // What is given before the first heading is given in each case, and said once.
    let mut told = BTreeSet::new();
    for case in &script.cases {
        let rows = case.scenes.first().map(|scene| &scene.given.rows);
        for scene in &case.scenes {
            for (name, line, _) in &scene.given.backends {
                if told.insert(*line) {
                    flaws.extend(known(*line, "backend", name, &backends));
                }
            }
            for row in &scene.given.rows {
                if told.insert(row.line) {
                    flaws.extend(known(row.line, "table", &row.table, &tables));
                    if !rows.is_some_and(|rows| rows.contains(row)) {
                        flaws.push(Flaw::new(
                            row.line,
                            "a table changes in the middle of a case",
                            "give its rows before the first request, or begin another case",
                        ));
                    }
                }
            }
            for (line, expected) in &scene.expected {
                flaws.extend(match expected {
                    Expectation::Backend(Some(name)) => known(*line, "backend", name, &backends),
                    Expectation::Site(name) => known(*line, "site", name, &sites),
                    Expectation::Route(path) => known(*line, "route", path, &routes),
                    Expectation::Rule(file, number) | Expectation::NoRule(file, number) => gateway
                        .no_rule(file, *number)
                        .map(|help| Flaw::new(*line, format!("no rule stands at {file}:{number}"), help)),
                    _ => None,
                });
            }
        }
    }
    flaws
}

/// Lines and routes that no play has been to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    pub rules: (usize, usize),
    pub routes: (usize, usize),
    /// In file order.
    pub missed_rules: Vec<Spot>,
    pub missed_routes: Vec<Route>,
}

/// Site, path, place.
pub type Route = (String, String, Option<Spot>);

/// Of one tree of rules, under every environment that plays had it read: what one of them has been to, was been to.
pub fn coverage<'a>(all: impl IntoIterator<Item = (&'a Gateway, &'a Visited)>) -> Coverage {
    let mut found = Coverage::default();
    let mut lines: BTreeMap<(u32, usize), (bool, Spot)> = BTreeMap::new();
    let mut routes: BTreeMap<(usize, usize), (bool, Route)> = BTreeMap::new();
    for (gateway, visited) in all {
        for (at, span) in gateway.own_marks() {
            let Some(spot) = gateway.spot(span) else { continue };
            let been = visited.marks.contains(&at);
            lines.entry((span.file.0, spot.line)).or_insert((false, spot)).0 |= been;
        }
        for (at, site) in gateway.settings.sites.iter().enumerate() {
            for (number, route) in site.routes.iter().enumerate() {
                let row = routes.entry((at, number)).or_insert_with(|| {
                    let place = gateway.route_spot((at, number));
                    (false, (site.name.to_string(), route.path.to_string(), place))
                });
                row.0 |= visited.doors.contains(&(at, number));
            }
        }
    }
    for (been, spot) in lines.into_values() {
        found.rules.1 += 1;
        if been {
            found.rules.0 += 1;
        } else {
            found.missed_rules.push(spot);
        }
    }
    for (been, route) in routes.into_values() {
        found.routes.1 += 1;
        if been {
            found.routes.0 += 1;
        } else {
            found.missed_routes.push(route);
        }
    }
    found
}

impl Coverage {
    pub fn draw(&self) -> String {
        let mut out = format!(
            "visited: {} of {} lines of rules, {} of {} routes\n",
            self.rules.0, self.rules.1, self.routes.0, self.routes.1
        );
        for (site, path, place) in &self.missed_routes {
            let place = place.as_ref().map(|place| format!("  ({}:{})", place.file, place.line));
            let _ = writeln!(out, "never visited: route {path} of {site}{}", place.unwrap_or_default());
        }
        for spot in &self.missed_rules {
            let _ = writeln!(out, "never visited: {}  ({}:{})", spot.source, spot.file, spot.line);
        }
        out
    }
}

impl Gateway {
    /// The tables that a play can change: those of rules, and those that routes look up.
    pub(super) fn tables(&self) -> Vec<&str> {
        let mut names: BTreeSet<&str> = self
            .settings
            .program
            .iter()
            .flat_map(|program| &program.tables)
            .map(|table| &*table.name)
            .collect();
        for route in self.settings.sites.iter().flat_map(|site| &site.routes) {
            if let Answers::Lookup { table, .. } = &route.answers {
                names.insert(table);
            }
        }
        names.into_iter().collect()
    }

    /// The marks of the tree's own rules, and where they stand.
    pub(super) fn own_marks(&self) -> impl Iterator<Item = (Mark, Span)> {
        let marks = self.program().map_or(&[][..], |program| &program.marks);
        let numbered = marks.iter().enumerate();
        numbered
            .filter(|(_, span)| !self.is_built_in(**span))
            .map(|(at, span)| (Mark(u32::try_from(at).unwrap_or(u32::MAX)), *span))
    }

    /// `None` where a rule or a route stands on the line; else what to write.
    fn no_rule(&self, file: &str, line: usize) -> Option<String> {
        let same =
            |name: &str| name == file || name.strip_suffix(file).is_some_and(|before| before.ends_with('/'));
        let program = self.program();
        let marks = program.map_or(&[][..], |program| &program.marks);
        let rules = marks.iter().filter_map(|span| self.spot(*span));
        let sites = self.settings.sites.iter().enumerate();
        let doors = sites.flat_map(|(site, plan)| (0..plan.routes.len()).map(move |route| (site, route)));
        let spots = rules.chain(doors.filter_map(|door| self.route_spot(door)));
        let mut lines = BTreeSet::new();
        for spot in spots.filter(|spot| same(&spot.file)) {
            if spot.line == line {
                return None;
            }
            lines.insert(spot.line);
        }
        let Some(near) = lines.into_iter().min_by_key(|other| other.abs_diff(line)) else {
            return Some("name a file of these rules, and the line of a statement or a route".to_owned());
        };
        Some(format!("the nearest stands at {file}:{near}"))
    }

    /// The same rules with some rows of their tables changed.
    fn with_rows(&self, rows: &[Row]) -> Result<Gateway, Flaw> {
        let mut settings = self.settings.clone();
        let mut program = settings.program.as_deref().cloned();
        for row in rows {
            if let Some(program) = &mut program {
                for table in program.tables.iter_mut().filter(|table| *table.name == *row.table) {
                    let key: Box<[u8]> = row.key.as_bytes().into();
                    match &row.value {
                        None => drop(Arc::make_mut(table).rows.remove(&key)),
                        Some(value) => {
                            let value = self.value(table.of, value).ok_or_else(|| {
                                Flaw::new(
                                    row.line,
                                    format!("{} is no value of this table", quoted(value)),
                                    format!("its rows are {}", table.of.title()),
                                )
                            })?;
                            Arc::make_mut(table).rows.insert(key, value);
                        }
                    }
                }
            }
            for route in settings.sites.iter_mut().flat_map(|site| &mut site.routes) {
                let Answers::Lookup { table, rows, .. } = &mut route.answers else { continue };
                if **table != *row.table {
                    continue;
                }
                let mut changed = Rows(rows.0.clone());
                match &row.value {
                    None => drop(changed.0.remove(row.key.as_str())),
                    Some(value) => {
                        let backend = self.backend_by_name(value).ok_or_else(|| {
                            Flaw::new(
                                row.line,
                                format!("the rules have no backend called {}", quoted(value)),
                                "a row of this table names a backend",
                            )
                        })?;
                        changed.0.insert(row.key.as_str().into(), backend);
                    }
                }
                *rows = Arc::new(changed);
            }
        }
        settings.program = program.map(Arc::new);
        Ok(Gateway::new(settings))
    }

    fn value(&self, of: Type, written: &str) -> Option<Value> {
        Some(match of {
            Type::String => Value::Text(bytes::Bytes::from(written.to_owned())),
            Type::Bool => Value::Bool(written.parse().ok()?),
            Type::Int => Value::Int(written.parse().ok()?),
            Type::Real => Value::Real(written.parse().ok()?),
            Type::Duration => Value::Duration(super::script::seconds(written)?),
            Type::Time => Value::Time(super::script::instant(written)?),
            Type::Bytes => Value::Bytes(i64::try_from(crate::base::amount::size(written)?).ok()?),
            Type::Ip => Value::Ip(written.parse().ok()?),
            Type::Backend => Value::Backend(Choice::Backend(self.backend_by_name(written)?)),
            _ => return None,
        })
    }
}
