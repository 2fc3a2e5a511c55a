//! `director` → what `upstream` is told.

use std::collections::BTreeMap;

use super::{Compiler, called, number, text, word};
use crate::language::table::MEMBERS_MAX;
use crate::language::tree::{Declaration, HashBy, Value};
use crate::language::{Code, Diagnostic, Span};
use crate::settings::value;
use crate::upstream::{By, DirectorConfig, Policy, Weighed};

/// Other members that may be tried when nothing is said.
const RETRIES: u32 = 2;

impl Compiler<'_> {
    pub(super) fn directors(&mut self) -> Vec<DirectorConfig> {
        let tree = self.tree;
        let mut cookies: BTreeMap<Box<str>, Span> = BTreeMap::new();
        tree.directors.iter().filter_map(|director| self.director(director, &mut cookies)).collect()
    }

    fn director(
        &mut self,
        director: &Declaration,
        cookies: &mut BTreeMap<Box<str>, Span>,
    ) -> Option<DirectorConfig> {
        let members = self.members(director);
        let by = self.by(director);
        let policy = match word(director, "policy") {
            Some("round_robin") => Policy::RoundRobin,
            Some("random") => Policy::Random,
            Some("fallback") => Policy::Fallback,
            Some("hash") => Policy::Hash(by.unwrap_or(By::Client)),
            _ => Policy::Least,
        };
        if let (Some(setting), false) = (director.setting("by"), matches!(policy, Policy::Hash(_))) {
            self.found.push(
                Diagnostic::new(
                    Code::Contradiction,
                    setting.name_span,
                    format!("{} hashes nothing", director.title()),
                )
                .label("add `.policy = hash;`, or take this out"),
            );
        }
        let sticky = text(director, "sticky").and_then(|written| {
            let name = self.read(Code::UnknownValue, "name of a cookie", written, value::cookie)?;
            if let Some(first) = cookies.get(&name) {
                let first = *first;
                return self.fault(
                    Diagnostic::new(
                        Code::Contradiction,
                        written.1,
                        format!("the cookie {} leads to members of another director", written.0.quote()),
                    )
                    .label("give each director a cookie of its own")
                    .at(first, "it is used here already"),
                );
            }
            cookies.insert(name.clone(), written.1);
            Some(name)
        });
        let retries = number(director, "retries").and_then(|retries| u32::try_from(retries).ok());
        Some(DirectorConfig {
            name: called(director),
            policy,
            members: members?,
            sticky,
            retries: retries.unwrap_or(RETRIES),
        })
    }

    fn members(&mut self, director: &Declaration) -> Option<Box<[Weighed]>> {
        let setting = director.setting("members")?;
        if let Some(beyond) = setting.values.get(MEMBERS_MAX) {
            return self.fault(
                Diagnostic::new(
                    Code::OutOfRange,
                    beyond.span,
                    format!("{} has more members than {MEMBERS_MAX}", director.title()),
                )
                .label("take some out"),
            );
        }
        let mut members = Vec::new();
        let mut seen: BTreeMap<usize, Span> = BTreeMap::new();
        for valued in &setting.values {
            let Value::Member { backend, weight } = valued.value else { return None };
            let declared = self.tree.backends.get(backend)?;
            if let Some(first) = seen.insert(backend, valued.span) {
                return self.fault(
                    Diagnostic::new(
                        Code::Contradiction,
                        valued.span,
                        format!("{} is a member twice", declared.title()),
                    )
                    .label("say its share by `weight 2`")
                    .at(first, "it is one already"),
                );
            }
            members.push((called(declared), u32::try_from(weight).unwrap_or(u32::MAX)));
        }
        Some(members.into())
    }

    fn by(&mut self, director: &Declaration) -> Option<By> {
        match &director.value("by")?.value {
            Value::HashBy(HashBy::Client) => Some(By::Client),
            Value::HashBy(HashBy::Path) => Some(By::Path),
            Value::HashBy(HashBy::Cookie(name, span)) => self
                .read(Code::UnknownValue, "name of a cookie", (name, *span), value::cookie)
                .map(By::Cookie),
            Value::HashBy(HashBy::Header(name, span)) => self
                .read(Code::UnknownValue, "name of a header", (name, *span), value::header)
                .map(By::Header),
            _ => None,
        }
    }
}
