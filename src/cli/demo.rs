//! `doorward demo`: three small old services and the gateway before them, in one process.

use std::path::Path;

use super::arguments::Given;
use super::{End, Paper, rules};
use crate::demo;

/// Beside the checkout's own rules.
const MAIN: &str = "vcl-like-rules/main.vcl";

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let main = given.file().unwrap_or(Path::new(MAIN));
    if !main.exists() {
        paper.fault(&format!(
            "doorward: {} is not here. Run the demo in a checkout of doorward, or name its main.vcl.\n",
            main.display()
        ));
        return End::Faults;
    }
    // The services' sockets lie where the rules say that state lies.
    match rules::read(main, paper) {
        Ok(settings) => End::As(demo::run(demo::Options {
            rules: main.to_owned(),
            state: settings.gateway.state.clone(),
        })),
        Err(end) => end,
    }
}
