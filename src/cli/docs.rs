//! `doorward docs`: the manual's tables, from the language's own.

use std::fs;
use std::path::Path;

use super::arguments::Given;
use super::{End, Paper};
use crate::language::manual;

/// Where a checkout keeps them.
const FOLDER: &str = "docs/language";

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let folder = given.file().unwrap_or(Path::new(FOLDER));
    let written = fs::create_dir_all(folder).and_then(|()| {
        manual::pages().into_iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
    });
    match written {
        Ok(()) => {
            let names: Vec<&str> = manual::pages().into_iter().map(|(name, _)| name).collect();
            paper.say(&format!("{}: {}\n", folder.display(), names.join(", ")));
            End::Good
        }
        Err(error) => {
            paper.fault(&format!("doorward: the manual can't be written to {}: {error}\n", folder.display()));
            End::Faults
        }
    }
}
