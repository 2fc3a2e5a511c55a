//! `doorward status|reload|upgrade|stop`: asks the running gateway over its control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::Given;
use super::{CONFIG, End, Paper, STATE, rules};
use crate::admin::control::{self, Command};
use crate::settings;

pub(super) fn status(given: &Given, paper: &mut Paper<'_>) -> End {
    ask(given, paper, Command::Status, Duration::from_secs(10))
}

pub(super) fn reload(given: &Given, paper: &mut Paper<'_>) -> End {
    // Reading many rules and certificates takes its time.
    ask(given, paper, Command::Reload, Duration::from_secs(120))
}

pub(super) fn upgrade(given: &Given, paper: &mut Paper<'_>) -> End {
    // Each step has its own time; this is more than a few of them.
    ask(given, paper, Command::Upgrade, Duration::from_secs(300))
}

pub(super) fn stop(given: &Given, paper: &mut Paper<'_>) -> End {
    ask(given, paper, Command::Stop, Duration::from_secs(60))
}

pub(super) fn ask(given: &Given, paper: &mut Paper<'_>, command: Command, patience: Duration) -> End {
    let state = match state(given, paper) {
        Ok(state) => state,
        Err(end) => return end,
    };
    tell(&state, paper, command, patience)
}

fn tell(state: &Path, paper: &mut Paper<'_>, command: Command, patience: Duration) -> End {
    match control::ask(&control::socket(state), command, patience) {
        Ok(answer) if answer.done => {
            paper.say(&answer.text);
            End::Good
        }
        Ok(answer) => {
            paper.draw(&answer.text, false);
            End::Faults
        }
        Err(fault) => {
            paper.fault(&format!("doorward: {fault}.\n"));
            End::Faults
        }
    }
}

fn state(given: &Given, paper: &mut Paper<'_>) -> Result<PathBuf, End> {
    if let Some(state) = given.path(&STATE) {
        return Ok(state);
    }
    let Some(main) = rules::find(given.path(&CONFIG).as_deref()) else {
        return Ok(PathBuf::from(settings::STATE));
    };
    rules::read(&main, paper).map(|settings| settings.gateway.state.clone()).inspect_err(|_| {
        paper.fault(&format!(
            "doorward: {} has faults, and which gateway is meant stands in it: none was asked, what runs goes on \
             as it was. Mend it, or say `--state DIR`.\n",
            main.display()
        ));
    })
}

#[cfg(test)]
mod tests {
    use super::super::paper::Colours;
    use super::*;
    use crate::admin::control::Answer;

    fn told(state: &Path, command: Command) -> (End, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let end = tell(
            state,
            &mut Paper::new(&mut out, &mut err, Colours::default()),
            command,
            Duration::from_secs(20),
        );
        (end, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn what_the_gateway_answers_is_what_is_read() {
        let state = std::env::temp_dir().join(format!("doorward-talk-{}", std::process::id()));
        let door = control::open(&control::socket(&state)).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let gateway = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let handler = |command| async move {
                    match command {
                        Command::Status => Answer::done("up for 3 days"),
                        _ => Answer::fault("error[E014]: no such backend"),
                    }
                };
                tokio::select! {
                    done = door.serve(handler) => done.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        assert_eq!(told(&state, Command::Status), (End::Good, "up for 3 days\n".to_owned(), String::new()));
        let (end, out, err) = told(&state, Command::Reload);
        assert_eq!((end, out.as_str(), err.as_str()), (End::Faults, "", "error[E014]: no such backend\n"));
        drop(stop);
        gateway.join().unwrap();
        let (end, _, err) = told(&state, Command::Stop);
        assert_eq!(end, End::Faults);
        assert!(err.starts_with("doorward: no gateway runs on the state folder"), "{err}");
        std::fs::remove_dir_all(&state).unwrap();
    }
}
