//! What the service manager is told (`sd_notify`): datagrams to `$NOTIFY_SOCKET`, where there is one.
//!
//! Written by hand, because it is a line of text to a socket. Nobody waits for it for long, and a manager that does
//! not listen stops nothing.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::Environment;
use crate::base::clock;

/// The manager reads these at once; one that hangs must not hang us.
const PATIENCE: Duration = Duration::from_millis(500);

pub struct Manager {
    ear: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that started this process, if there is one.
    pub fn of(environment: &Environment) -> Self {
        let ear = environment("NOTIFY_SOCKET").and_then(|path| ear(&path).ok());
        let ours = |pid: &String| pid.parse() == Ok(std::process::id());
        let meant = environment("WATCHDOG_PID").as_ref().is_none_or(ours);
        let watchdog = environment("WATCHDOG_USEC").filter(|_| meant).and_then(|micros| micros.parse().ok());
        let watchdog = watchdog.filter(|micros| *micros > 0 && ear.is_some()).map(Duration::from_micros);
        Self { ear, watchdog }
    }

    /// Nobody.
    pub fn none() -> Self {
        Self { ear: None, watchdog: None }
    }

    /// How long it waits for a sign of life before it takes this process for dead.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// Followed by `ready`. The time says that this reload began after it was asked for.
    pub fn reloading(&self) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic_micros()));
    }

    /// `within`: how long it may take at most, which may be longer than the manager's own patience.
    pub fn stopping(&self, within: Duration) {
        self.say(&format!("STOPPING=1\nSTATUS=closing\nEXTEND_TIMEOUT_USEC={}", within.as_micros()));
    }

    /// Another process is this service from now on.
    pub fn hand_over(&self, pid: u32) {
        self.say(&format!("MAINPID={pid}"));
    }

    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, text: &str) {
        if let Some((socket, address)) = &self.ear {
            // Nobody there to tell that nobody is there.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// `@` stands for the zero byte of an abstract name.
fn ear(path: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random;
    use std::sync::Arc;

    fn environment(rows: Vec<(&'static str, String)>) -> Environment {
        Arc::new(move |name| rows.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn the_manager_hears_each_state_by_path_or_abstract_name() {
        let name = format!("doorward-notify-{:016x}", random::number());
        let path = std::env::temp_dir().join(&name);
        let hidden = SocketAddr::from_abstract_name(&name).unwrap();
        let ears = [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&hidden).unwrap(), format!("@{name}")),
        ];
        for (ear, place) in ears {
            let manager = Manager::of(&environment(vec![("NOTIFY_SOCKET", place)]));
            let mut bytes = [0; 256];
            let mut heard = || {
                let length = ear.recv(&mut bytes).unwrap();
                String::from_utf8(bytes[..length].to_vec()).unwrap()
            };
            manager.ready("serves");
            assert_eq!(heard(), "READY=1\nSTATUS=serves");
            let before = clock::monotonic_micros();
            manager.reloading();
            let text = heard();
            let at: u64 = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
            assert!(at >= before);
            manager.hand_over(4711);
            assert_eq!(heard(), "MAINPID=4711");
            manager.stopping(Duration::from_secs(7));
            assert_eq!(heard(), "STOPPING=1\nSTATUS=closing\nEXTEND_TIMEOUT_USEC=7000000");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_watchdog_is_for_the_process_that_is_named_and_needs_somebody_who_listens() {
        let watchdog = |rows| Manager::of(&environment(rows)).watchdog();
        let (ear, micros) =
            (("NOTIFY_SOCKET", "/nowhere".to_owned()), ("WATCHDOG_USEC", "30000000".to_owned()));
        let pid = |pid: u32| ("WATCHDOG_PID", pid.to_string());
        assert_eq!(watchdog(vec![ear.clone(), micros.clone()]), Some(Duration::from_secs(30)));
        assert!(watchdog(vec![ear.clone(), micros.clone(), pid(std::process::id())]).is_some());
        assert!(watchdog(vec![ear.clone(), micros.clone(), pid(1)]).is_none());
        assert!(watchdog(vec![micros]).is_none() && watchdog(vec![ear]).is_none());
        // Nobody listens there: nothing happens.
        Manager::of(&environment(vec![("NOTIFY_SOCKET", "/nowhere".to_owned())])).alive();
        Manager::none().alive();
    }
}
