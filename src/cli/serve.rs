//! `doorward serve`: hands the rules' main file to the house and stays until it ends.

use std::path::PathBuf;

use super::arguments::Given;
use super::{End, Paper, rules};
use crate::house;

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(main) = rules::find(given.file()) else { return rules::none_found(paper) };
    match serve(main) {
        Ok(()) => End::Good,
        Err(fault) => {
            // Drawn faults of the rules, or one sentence about a port, a folder, another gateway.
            paper.draw(&format!("{}\n", fault.to_string().trim_end()), false);
            End::Faults
        }
    }
}

/// Where the command line ends and the house begins.
fn serve(main: PathBuf) -> Result<(), house::StartFault> {
    house::serve(house::Options {
        rules: main,
        env: Box::new(|name| std::env::var(name).ok()),
        announce: None,
    })
}
