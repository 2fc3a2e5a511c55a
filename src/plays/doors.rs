//! The doors of a gateway: every path of every site with who stands behind it and who may pass. What a
//! reviewer reads, and what two trees are compared by.

use super::gateway::Gateway;
use crate::base::amount::{write_duration, write_size};
use crate::plan::{Answers, BackendId, Route, Serves, Site};
use crate::rules::doorplate;

/// One route, in the rules' own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub site: String,
    pub path: String,
    pub to: String,
    pub read: String,
    pub write: String,
    pub limits: String,
    pub log: String,
    pub serves: &'static str,
}

impl Gateway {
    /// In the order of the rules; behind a site's routes its other names, which lead to the first.
    pub fn doors(&self) -> Vec<Door> {
        let mut doors = Vec::new();
        for site in &self.settings.sites {
            doors.extend(site.routes.iter().map(|route| self.door(site, route)));
            doors.extend(site.aliases.iter().map(|alias| Door {
                site: alias.to_string(),
                path: "/".to_owned(),
                to: format!("→ {}", site.name),
                read: "anyone".to_owned(),
                write: "anyone".to_owned(),
                limits: "-".to_owned(),
                log: site_log(site),
                serves: "redirect",
            }));
        }
        doors
    }

    pub(super) fn door(&self, site: &Site, route: &Route) -> Door {
        Door {
            site: site_name(site),
            path: path(route),
            to: self.answers(route),
            read: self.who(&route.read),
            write: self.who(&route.write),
            limits: limits(route),
            log: self.log(route).map_or_else(|| site_log(site), str::to_owned),
            serves: serves(route.serves),
        }
    }

    /// The log that a route has of its own.
    pub(super) fn log(&self, route: &Route) -> Option<&str> {
        Some(&*self.settings.logs.get(route.log.as_ref()?.log.0)?.name)
    }

    /// Who answers: a backend, or a table and the name that is looked up in it.
    pub(super) fn answers(&self, route: &Route) -> String {
        let called = |id: BackendId| self.backend(id);
        match &route.answers {
            Answers::Backend(id) => called(*id).to_owned(),
            Answers::Lookup { table, key, otherwise, .. } => {
                let key = key.written(&route.names);
                match otherwise {
                    None => format!("lookup({table}, \"{key}\")"),
                    Some(id) => format!("lookup({table}, \"{key}\", {})", called(*id)),
                }
            }
            Answers::Files(files) if let Some(scripts) = &files.scripts => {
                format!(
                    "{}, scripts {}",
                    doorplate::in_words(&route.answers, &route.names),
                    called(scripts.backend)
                )
            }
            ours => doorplate::in_words(ours, &route.names),
        }
    }
}

pub(super) fn site_name(site: &Site) -> String {
    if site.any_host { "(any host)".to_owned() } else { site.name.to_string() }
}

pub(super) fn path(route: &Route) -> String {
    let exact = if route.exact { " exact" } else { "" };
    let internal = if route.internal { " internal" } else { "" };
    format!("{}{exact}{internal}", route.path)
}

/// What a route says beside the gateway's own limits.
pub(super) fn limits(route: &Route) -> String {
    let body = route.body_bytes_max.map(|size| format!("body {}", write_size(size)));
    let time = route.total_timeout.map(|time| format!("time {}", write_duration(time)));
    let all: Vec<String> = body.into_iter().chain(time).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn site_log(site: &Site) -> String {
    site.log.as_deref().unwrap_or("default").to_owned()
}

pub(super) const fn serves(serves: Serves) -> &'static str {
    match serves {
        Serves::Web => "web",
        Serves::Subversion => "subversion",
        Serves::Webdav => "webdav",
        Serves::Git => "git",
    }
}
