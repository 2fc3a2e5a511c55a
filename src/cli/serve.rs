//! `doorward serve`: hands the rules' main file to the house and stays until it ends.

use super::arguments::Given;
use super::{End, Paper, rules};
use crate::house;

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(main) = rules::find(given.file()) else { return rules::none_found(paper) };
    let options =
        house::Options { rules: main, environment: house::environment(), announce: None, foreground: true };
    match house::start(options) {
        Ok(running) => {
            if running.wait() {
                return End::Good;
            }
            paper.fault("doorward: the gateway ended, and nobody had told it to; its log says more\n");
            End::Faults
        }
        Err(fault) => {
            // Drawn faults of the rules, or one sentence about a port, a folder, another gateway.
            paper.draw(&format!("{}\n", fault.to_string().trim_end()), false);
            End::Faults
        }
    }
}
