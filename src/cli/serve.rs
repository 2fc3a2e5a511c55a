//! `doorward serve`: hands the rules' main file to the house and stays until it ends.

use std::net::SocketAddr;

use super::arguments::{Flag, Given};
use super::{ADMIN, End, HTTP, HTTPS, KEEP, Paper, rules, usage};
use crate::house;
use crate::listen;
use crate::settings::{self, Doors};

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let doors = match doors(given) {
        Ok(doors) => doors,
        Err(message) => return usage(paper, &message, "doorward help serve"),
    };
    let Some(main) = rules::find(given.file()) else { return rules::none_found(paper) };
    // Here, while there is one thread.
    let passed = match listen::passed() {
        Ok(passed) => passed,
        Err(fault) => {
            paper.fault(&format!("doorward: {fault}\n"));
            return End::Faults;
        }
    };
    let options = house::Options {
        rules: main,
        doors,
        environment: house::environment(),
        announce: None,
        foreground: true,
        passed,
        // Where the system does not say which file runs, there is none to start again.
        program: house::Program::of_this_process().ok(),
    };
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

/// What the flags say; the error is a sentence for who typed them.
fn doors(given: &Given) -> Result<Doors, String> {
    let address = |flag: &Flag| -> Result<Option<SocketAddr>, String> {
        let Some(typed) = given.path(flag) else { return Ok(None) };
        let typed = typed.to_string_lossy();
        settings::listener(&typed)
            .map(Some)
            .map_err(|instead| format!("`--{} {}`: {instead}", flag.name, typed.escape_debug()))
    };
    let state = given.path(&KEEP).map(|state| std::path::absolute(&state).unwrap_or(state));
    Ok(Doors { http: address(&HTTP)?, https: address(&HTTPS)?, admin: address(&ADMIN)?, state })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::COMMANDS;
    use super::super::arguments::parse;
    use super::*;

    fn of(line: &str) -> Result<Doors, String> {
        let serve = COMMANDS.iter().find(|spec| spec.name == "serve").unwrap();
        doors(&parse(serve, line.split(' ').map(OsString::from)).unwrap())
    }

    #[test]
    fn flags_open_doors() {
        let doors = of("x.vcl --http 127.0.0.1:8080 --https=:8443 --state /tmp/x").unwrap();
        assert_eq!(doors.http, Some("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(doors.https, Some("[::]:8443".parse().unwrap()));
        assert_eq!((doors.admin, doors.state), (None, Some("/tmp/x".into())));
        assert_eq!(of("x.vcl").unwrap(), Doors::default());
        let fault = of("x.vcl --http 8080").unwrap_err();
        assert!(fault.contains("`--http 8080`: write a `:` before the port"), "{fault}");
    }
}
