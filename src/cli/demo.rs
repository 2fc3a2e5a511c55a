//! `doorward demo`: three small old services and the gateway before them, in one process.

use std::path::{Path, PathBuf};

use super::arguments::Given;
use super::{End, Paper, rules};
use crate::demo;

/// In a checkout its own rules are served, elsewhere the program's copy of them.
const MAIN: &str = "vcl-like-rules/main.vcl";
/// Where the state of the latter lies.
const STATE: &str = "doorward-demo";

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let main = match given.file() {
        Some(named) => named,
        None if Path::new(MAIN).exists() => Path::new(MAIN),
        None => {
            let state =
                std::env::var_os("DOORWARD_STATE").map_or_else(|| PathBuf::from(STATE), PathBuf::from);
            return End::As(demo::run(demo::Options { rules: None, state }));
        }
    };
    // The services' sockets lie where the rules say that state lies.
    match rules::read(main, paper) {
        Ok(settings) => End::As(demo::run(demo::Options {
            rules: Some(main.to_owned()),
            state: settings.gateway.state.clone(),
        })),
        Err(end) => end,
    }
}
