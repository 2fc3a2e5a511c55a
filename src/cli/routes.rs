//! `doorward routes`: the table of doors, as a reviewer wants to see it.

use super::arguments::Given;
use super::{End, Paper, rules};
use crate::plays::{Door, Gateway};

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(main) = rules::find(given.file()) else { return rules::none_found(paper) };
    match rules::read(&main, paper) {
        Ok(settings) => {
            paper.say(&aligned(&table(&Gateway::new(settings).doors())));
            End::Good
        }
        Err(end) => end,
    }
}

fn table(doors: &[Door]) -> Vec<[String; 8]> {
    let head = ["SITE", "PATH", "BACKEND", "READ", "WRITE", "LIMITS", "LOG", "SERVES"];
    let mut rows = vec![head.map(str::to_owned)];
    for door in doors {
        let Door { site, path, to, read, write, limits, log, serves } = door.clone();
        rows.push([site, path, to, read, write, limits, log, serves.to_owned()]);
    }
    rows
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
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
    fn columns_stand_under_each_other() {
        let rows = [["SITE", "PATH"], ["büro.example", "/"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "SITE          PATH\nbüro.example  /\n");
    }
}
