//! The old process's side of an upgrade: hands everything over, or goes on as if nothing had been.

use std::io::Write as _;
use std::rc::Rc;

use serde_json::json;

use super::control::{Heir, House, Signals};
use super::notify::Manager;
use super::succession::{Bequest, Program, Successor};
use super::worker::Phase;
use crate::admin::control::Answer;
use crate::base::amount;
use crate::record::Level;

impl House {
    pub(super) async fn upgrade(&mut self) -> Answer {
        let Some(program) = self.program.clone() else {
            return Answer::fault("this gateway is a part of another program: it can only be restarted");
        };
        if self.phase.borrow().ne(&Phase::Open) {
            return Answer::fault("the gateway is closing");
        }
        if std::process::id() == 1 {
            return Answer::fault(
                "this gateway is the first process of its container, which ends with it: start a new container",
            );
        }
        self.keep.office.note(Level::Info, "an upgrade begins", &[("program", &program.path().display())]);
        match self.hand_over(&program).await {
            Ok(pid) => {
                let text = self.leave(pid);
                Answer::done(text)
            }
            Err(why) => {
                let office = &self.keep.office;
                office.note(Level::Error, "the upgrade failed, and the old process goes on", &[]);
                if self.signals.is_some() {
                    let _ = writeln!(std::io::stderr(), "{why}");
                }
                Answer::fault(format!("{why}\nthe old process goes on"))
            }
        }
    }

    /// The process that serves now; or why there is none, with everything as it was.
    async fn hand_over(&mut self, program: &Program) -> Result<u32, String> {
        let successor = Successor::start(program)?;
        let mut lent = false;
        // Who wants the gateway to end does not wait for a new one that does not stand.
        let mut signals = self.signals.take();
        let agreed = tokio::select! {
            agreed = self.agree(&successor, &mut lent) => agreed,
            () = Signals::stop(&mut signals) => {
                self.stop();
                Err("the gateway was told to stop meanwhile".to_owned())
            }
        };
        self.signals = signals;
        match agreed {
            Ok(()) => {}
            // It came too late to be heard in time, and visitors are with it: that is no failure.
            Err(_) if successor.serves_after_all() => {}
            Err(why) => {
                let why = successor.give_up(why).await;
                if lent && let Err(error) = self.keep.take_store_back(&self.gateway.state).await {
                    let office = &self.keep.office;
                    office.note(Level::Error, "the store could not be opened again", &[("error", &error)]);
                }
                return Err(why);
            }
        }
        let pid = successor.pid();
        self.predecessors.leave();
        // Before the other says a word to the service manager, which listens to one process only.
        self.manager.hand_over(pid);
        // If it can't be said, the other goes on without.
        let _ = successor.say(&json!({"say": "yours"})).await;
        self.heir = Some(Heir { pid, line: Some(Rc::new(successor.taken_over())) });
        Ok(pid)
    }

    async fn agree(&mut self, successor: &Successor, lent: &mut bool) -> Result<(), String> {
        {
            let old = self.predecessors.all();
            let predecessors = old.iter().map(|old| (old.pid, old.since, old.line.file())).collect();
            let bequest = Bequest {
                state: &self.gateway.state,
                doorways: &self.doorways,
                tickets: self.worlds.current().acceptor.tickets().hand_over(),
                predecessors,
            };
            successor.bequeath(&bequest).await?;
        }
        successor.wait_for("store").await?;
        *lent = true;
        self.keep.lend_store().await;
        successor.say(&json!({"say": "closed"})).await?;
        successor.wait_for("stands").await?;
        successor.say(&json!({"say": "go"})).await?;
        successor.wait_for("serving").await
    }

    /// Lets nobody in any more; those who are here finish.
    fn leave(&mut self, pid: u32) -> String {
        // What is left open here would keep a queue that nobody empties once the other closes its own.
        self.doorways.clear();
        self.manager = Manager::none();
        self.leave_admin();
        self.phase.send_replace(Phase::Leaving);
        self.keep.office.note(Level::Info, "another process has taken over", &[("pid", &pid)]);
        let most = self.worlds.current().terms.bounds.upgrade_drain_timeout;
        format!(
            "upgraded: process {pid} serves; process {} ends with its last open visit, in {} at the latest\n",
            std::process::id(),
            amount::write_duration(most)
        )
    }
}
