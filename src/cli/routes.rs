//! `doorward routes`: the table of doors, as a reviewer wants to see it.

use super::arguments::Given;
use super::{End, Paper, rules};
use crate::plan::{Access, Answers, BackendId, Route};
use crate::settings::Settings;

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(main) = rules::find(given.file()) else { return rules::none_found(paper) };
    match rules::read(&main, paper) {
        Ok(settings) => {
            paper.say(&aligned(&table(&settings)));
            End::Good
        }
        Err(end) => end,
    }
}

fn table(settings: &Settings) -> Vec<[String; 5]> {
    let mut rows = vec![["SITE", "PATH", "BACKEND", "READ", "WRITE"].map(str::to_owned)];
    for site in &settings.sites {
        for route in &site.routes {
            rows.push([
                if site.any_host { "(any host)".to_owned() } else { site.name.to_string() },
                if route.exact { format!("{} exact", route.path) } else { route.path.to_string() },
                answers(settings, route),
                who(&route.read, false),
                who(&route.write, false),
            ]);
        }
        for alias in &site.aliases {
            let to = format!("→ {}", site.name);
            rows.push([alias.to_string(), "/".to_owned(), to, "anyone".to_owned(), "anyone".to_owned()]);
        }
    }
    rows
}

/// Who answers: a backend, or a table and the name that is looked up in it.
fn answers(settings: &Settings, route: &Route) -> String {
    let called = |id: BackendId| settings.backends.get(id.0).map_or("?", |backend| &backend.name);
    match &route.answers {
        Answers::Backend(id) => called(*id).to_owned(),
        Answers::Lookup { table, key, otherwise, .. } => {
            let key = key.written(&route.names);
            match otherwise {
                None => format!("lookup({table}, \"{key}\")"),
                Some(id) => format!("lookup({table}, \"{key}\", {})", called(*id)),
            }
        }
    }
}

/// An access as the rules would write it; lists of networks keep their addresses to themselves.
fn who(access: &Access, inside: bool) -> String {
    let joined = |a: &Access, sign: &str, b: &Access| {
        let whole = format!("{} {sign} {}", who(a, true), who(b, true));
        if inside { format!("({whole})") } else { whole }
    };
    match access {
        Access::Anyone => "anyone".to_owned(),
        Access::Nobody => "nobody".to_owned(),
        Access::Network(_) => "network(…)".to_owned(),
        Access::And(a, b) => joined(a, "&&", b),
        Access::Or(a, b) => joined(a, "||", b),
        Access::Not(inner) => format!("!{}", who(inner, true)),
    }
}

fn aligned(rows: &[[String; 5]]) -> String {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_shown_as_it_would_be_written() {
        let both = Access::Or(Box::new(Access::Anyone), Box::new(Access::Nobody));
        assert_eq!(who(&both, false), "anyone || nobody");
        assert_eq!(who(&Access::Not(Box::new(both)), false), "!(anyone || nobody)");
    }

    #[test]
    fn columns_stand_under_each_other() {
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        let rows = [
            row(["SITE", "PATH", "BACKEND", "READ", "WRITE"]),
            row(["büro.example", "/", "b", "anyone", "nobody"]),
        ];
        assert_eq!(
            aligned(&rows),
            "SITE          PATH  BACKEND  READ    WRITE\nbüro.example  /     b        anyone  nobody\n"
        );
    }
}
