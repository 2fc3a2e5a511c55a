//! What can be loaded and is most likely not meant: doors that stand open.

use std::collections::HashMap;

use super::Compiler;
use crate::language::tree::{Declaration, Value};
use crate::language::{Code, Diagnostic};
use crate::plan::{Access, Route, Serves, Site};
use crate::settings::value::Pattern;

impl Compiler<'_> {
    pub(super) fn judge_doors(&mut self, sites: &[Site]) {
        let tree = self.tree;
        for probe in &tree.probes {
            self.judge_probe(probe);
        }
        // A fault in a route leaves it out, and what is missing would be taken for what is wide.
        if self.found.has_errors() {
            return;
        }
        for (declared, site) in tree.sites.iter().zip(sites) {
            let routes: Vec<(&Declaration, &Route)> = declared.inside.iter().zip(&site.routes).collect();
            for (declared, route) in &routes {
                self.open_write(declared, route);
            }
            self.doors_behind_doors(&routes);
        }
    }

    fn open_write(&mut self, declared: &Declaration, route: &Route) {
        if !is_anyone(&route.write) || declared.setting("allow").is_some() {
            return;
        }
        let fault = match declared.setting("write") {
            Some(said) => Diagnostic::new(Code::OpenWrite, said.name_span, "anyone may write here")
                .label("say who may, such as `.write = network(office);`"),
            None if route.serves != Serves::Web => {
                Diagnostic::new(Code::OpenWrite, declared.head, "nothing is said about who may write here")
                    .label("add `.write = …;`, or `.allow = anyone;` where the backend itself asks")
            }
            None => return,
        };
        self.found.push(fault);
    }

    /// Each route beside the one around it: the next above it that covers everything below.
    fn doors_behind_doors(&mut self, routes: &[(&Declaration, &Route)]) {
        let shape = |route: &Route| Pattern { path: route.path.clone(), names: Box::default() }.shape();
        let around: HashMap<String, usize> = routes
            .iter()
            .enumerate()
            .filter(|(_, (_, route))| !route.exact)
            .map(|(at, (_, route))| (shape(route), at))
            .collect();
        for (declared, route) in routes {
            let whole = shape(route);
            let mut outer = whole.as_str();
            let mut repository = None;
            let mut nearest = None;
            while let Some((above, _)) = outer.rsplit_once('/') {
                outer = above;
                let Some((outer, of_it)) = around.get(above).and_then(|at| routes.get(*at)) else { continue };
                nearest = nearest.or(Some((*outer, *of_it)));
                if of_it.serves == Serves::Subversion && of_it.answers == route.answers {
                    repository = repository.or(Some((*outer, *of_it)));
                }
            }
            if let Some((outer, of_it)) = repository
                && (is_wider(&of_it.read, &route.read) || is_wider(&of_it.write, &route.write))
            {
                self.found.push(
                    Diagnostic::new(
                        Code::PathRuleInRepository,
                        declared.head,
                        "this path is no boundary for Subversion",
                    )
                    .label("its files are reached by `!svn` paths of the repository too")
                    .at(outer.head, "whoever may enter here gets at them"),
                );
            } else if let Some((outer, of_it)) = nearest
                && (is_wider(&route.read, &of_it.read) || is_wider(&route.write, &of_it.write))
                && !(shape(of_it).is_empty() && says_who(declared))
            {
                self.found.push(
                    Diagnostic::new(
                        Code::WiderBelow,
                        declared.head,
                        "more people may enter here than the route around it lets in",
                    )
                    .label("say `.allow` as it is there, if that was meant")
                    .at(outer.head, "this keeps them out"),
                );
            }
        }
    }
}

fn says_who(declared: &Declaration) -> bool {
    ["allow", "read", "write"]
        .iter()
        .any(|name| declared.value(name).is_some_and(|valued| matches!(valued.value, Value::Access(_))))
}

fn is_anyone(access: &Access) -> bool {
    match access {
        Access::Anyone => true,
        Access::Or(a, b) => is_anyone(a) || is_anyone(b),
        Access::And(a, b) => is_anyone(a) && is_anyone(b),
        Access::Not(inner) => **inner == Access::Nobody,
        Access::Nobody | Access::Network(_) => false,
    }
}

/// Whether it is certain that `a` lets in everyone whom `b` does, and others.
fn is_wider(a: &Access, b: &Access) -> bool {
    // Nobody writes more terms than he can read; from there on nothing is certain.
    terms(a) * terms(b) <= 10_000 && is_within(b, a) && !is_within(a, b)
}

fn terms(access: &Access) -> usize {
    match access {
        Access::Anyone | Access::Nobody | Access::Network(_) => 1,
        Access::And(a, b) | Access::Or(a, b) => terms(a) + terms(b),
        Access::Not(inner) => terms(inner),
    }
}

/// Whether it is certain that whoever passes `a` passes `b`.
fn is_within(a: &Access, b: &Access) -> bool {
    if a == b || is_anyone(b) || *a == Access::Nobody {
        return true;
    }
    match (a, b) {
        (Access::Or(left, right), _) => is_within(left, b) && is_within(right, b),
        (_, Access::And(left, right)) => is_within(a, left) && is_within(a, right),
        (Access::And(left, right), Access::Or(one, other)) => {
            is_within(left, b) || is_within(right, b) || is_within(a, one) || is_within(a, other)
        }
        (Access::And(left, right), _) => is_within(left, b) || is_within(right, b),
        (_, Access::Or(left, right)) => is_within(a, left) || is_within(a, right),
        (Access::Not(a), Access::Not(b)) => is_within(b, a),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::address::{Network, NetworkSet};

    #[test]
    fn one_door_is_wider_than_another_only_where_that_is_certain() {
        let list = |text: &str| {
            let network = Network::new(text.parse().unwrap(), 24).unwrap();
            Access::Network(Arc::new(NetworkSet::new([(network, true)])))
        };
        let (a, b) = (list("192.0.2.0"), list("198.51.100.0"));
        let or = |a: &Access, b: &Access| Access::Or(Box::new(a.clone()), Box::new(b.clone()));
        let and = |a: &Access, b: &Access| Access::And(Box::new(a.clone()), Box::new(b.clone()));
        let not = |a: &Access| Access::Not(Box::new(a.clone()));
        for (wide, narrow) in [
            (&Access::Anyone, &a),
            (&a, &Access::Nobody),
            (&or(&a, &b), &a),
            (&or(&b, &a), &a),
            (&a, &and(&a, &b)),
            (&or(&a, &b), &and(&b, &a)),
            (&Access::Anyone, &not(&a)),
            (&not(&a), &not(&or(&a, &b))),
            (&not(&Access::Nobody), &a),
        ] {
            assert!(is_wider(wide, narrow), "{wide:?} {narrow:?}");
            assert!(!is_wider(narrow, wide), "{narrow:?} {wide:?}");
        }
        for (one, other) in [
            (&a, &b),
            (&a, &a),
            (&a, &not(&a)),
            (&or(&a, &b), &or(&b, &a)),
            (&Access::Anyone, &not(&Access::Nobody)),
            (&Access::Anyone, &or(&a, &Access::Anyone)),
        ] {
            assert!(!is_wider(one, other) && !is_wider(other, one), "{one:?} {other:?}");
        }
    }
}
