//! Tends backends: asks those that have a probe whether they are well (one small request on a connection of its
//! own), asks for their names, and tells what changed, for as long as any generation names the backend. Runs on
//! the control thread, never on a worker.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};

use super::backend::{Backend, Inner};
use super::config::{Address, Ask, ProbeConfig, Protocol};
use super::fastcgi::ping;
use super::health::{Standing, Window};
use super::names::Names;
use super::{connect, streams};
use crate::base::clock;
use crate::base::fault::Fault;
use crate::message::exchange::Io;

/// As much of an answer as holds its status line.
const STATUS_BYTES_MAX: usize = 512;
/// Who changes more often than this is told of once, with how often.
const QUIET: Duration = Duration::from_secs(10);

/// What is new of a backend.
#[derive(Debug)]
pub struct News<'a> {
    pub backend: &'a str,
    pub event: Event,
}

#[derive(Debug)]
pub enum Event {
    /// It stands like this now; with how often that changed since it was told last.
    Stands(Standing, u64),
    /// Nobody knows its name; whether it is gone on with an answer of before.
    NameLost { goes_on: bool },
    /// Its name is known again.
    NameFound,
}

/// Tending a backend, for whoever calls first; `None` where it is tended already. Ends when no generation names
/// the backend any more.
pub fn tending<T>(backend: &Arc<Backend>, tell: T) -> Option<impl Future<Output = ()> + use<T>>
where
    T: Fn(News<'_>) + 'static,
{
    if !backend.0.health.take_on() {
        return None;
    }
    let (weak, inner) = (Arc::downgrade(backend), Arc::clone(&backend.0));
    Some(async move {
        let work = async {
            tokio::join!(keep_asking(weak.clone()), keep_finding(weak.clone(), &tell));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = work => {}
            () = keep_telling(weak.clone(), inner, &tell) => {}
        }
    })
}

pub(super) fn window(probe: &ProbeConfig) -> Window {
    Window::new(probe.window, probe.threshold, probe.initial)
}

/// Tells what changed, at once and then not again for a while. Ends with the backend.
async fn keep_telling(backend: Weak<Backend>, inner: Arc<Inner>, tell: &impl Fn(News<'_>)) {
    let mut told = 0;
    loop {
        inner.health.changed.notified().await;
        {
            let Some(backend) = backend.upgrade() else { return };
            let standing = backend.standing();
            let changes = standing.changes - told;
            if changes == 0 {
                continue;
            }
            told = standing.changes;
            tell(News { backend: backend.name(), event: Event::Stands(standing, changes) });
        }
        let gone = async {
            while backend.strong_count() > 0 {
                inner.health.changed.notified().await;
            }
        };
        let quiet = timeout(QUIET, gone).await;
        if quiet.is_ok() {
            return;
        }
        // What changed meanwhile was heard and not told.
        inner.health.changed.notify_one();
    }
}

/// Asks for the backend's name, again and again.
async fn keep_finding(backend: Weak<Backend>, tell: &impl Fn(News<'_>)) {
    let mut was_known = true;
    loop {
        let begun = clock::now();
        let every = {
            let Some(backend) = backend.upgrade() else { return };
            let Some(Names::Asked(asked)) = &backend.0.names else { return };
            let known = asked.ask().await;
            if known != was_known {
                let event =
                    if known { Event::NameFound } else { Event::NameLost { goes_on: asked.is_known() } };
                tell(News { backend: backend.name(), event });
                was_known = known;
            }
            backend.0.config.resolve_every
        };
        sleep_until(begun + every).await;
    }
}

async fn keep_asking(backend: Weak<Backend>) {
    let Some(probe) = backend.upgrade().and_then(|backend| backend.0.config.probe.clone()) else { return };
    let mut window = window(&probe);
    loop {
        let begun = clock::now();
        {
            let Some(backend) = backend.upgrade() else { return };
            let answer = ask(&backend.0, &probe).await;
            window.note(answer.is_ok());
            backend.0.health.probed(window, answer.err(), clock::now(), clock::wall());
            backend.0.send_away();
        }
        sleep_until(begun + probe.interval).await;
    }
}

/// One question; the error is what was wrong.
async fn ask(backend: &Inner, probe: &ProbeConfig) -> Result<(), Box<str>> {
    let asked = async {
        let mut io = connect::open(backend, Duration::ZERO).await.map_err(|fault| why(&fault))?.io;
        if let (Protocol::Http2, Ask::Url(url)) = (backend.config.protocol, &probe.ask) {
            let status = streams::status_of(io, url, &host(backend), backend.tls.is_some()).await?;
            return expected(status, probe);
        }
        let question = match &probe.ask {
            Ask::Connection => return Ok(()),
            Ask::Values => ping::values(),
            Ask::Script(script) => ping::request(script),
            Ask::Request(request) => request.to_vec(),
            Ask::Url(url) => question(backend, url),
        };
        io.write_all(&question).await.map_err(|_| "it hung up on the question")?;
        match &probe.ask {
            Ask::Values => ping::hear_values(&mut *io).await,
            Ask::Script(_) => expected(ping::hear_status(&mut *io).await?, probe),
            _ => listen(&mut *io, probe).await,
        }
    };
    match timeout(probe.timeout, asked).await {
        Ok(answer) => answer,
        Err(_) => Err("it took too long".into()),
    }
}

fn why(fault: &Fault) -> Box<str> {
    // The name of the backend is said beside it.
    fault.detail().split_once(": ").map_or(fault.detail(), |(_, why)| why).into()
}

/// The request, byte for byte.
fn question(backend: &Inner, url: &str) -> Vec<u8> {
    format!("GET {url} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", host(backend)).into_bytes()
}

/// The host that is asked for.
fn host(backend: &Inner) -> String {
    match (&backend.config.host_header, &backend.config.address) {
        (Some(host), _) => host.to_string(),
        (None, Address::Tcp { host, port }) => {
            let usual = if backend.tls.is_some() { 443 } else { 80 };
            if *port == usual { host.to_string() } else { format!("{host}:{port}") }
        }
        (None, Address::Unix(_) | Address::Nowhere) => "localhost".to_owned(),
    }
}

/// Reads the status line, and on to the end where the end belongs to the answer.
async fn listen(io: &mut dyn Io, probe: &ProbeConfig) -> Result<(), Box<str>> {
    let mut head = Vec::new();
    let mut piece = [0; 4_096];
    let mut ended = false;
    while !head.contains(&b'\n') && head.len() < STATUS_BYTES_MAX && !ended {
        match io.read(&mut piece).await {
            Ok(0) => ended = true,
            Ok(count) => head.extend_from_slice(piece.get(..count).unwrap_or(&[])),
            Err(_) => return Err("it hung up before its answer".into()),
        }
    }
    let status = status(&head).ok_or("its answer is no HTTP")?;
    expected(status, probe)?;
    while probe.expect_close && !ended {
        match io.read(&mut piece).await {
            // A TLS server that just hangs up has ended its answer, too.
            Ok(0) | Err(_) => ended = true,
            Ok(_) => {}
        }
    }
    Ok(())
}

fn expected(status: u16, probe: &ProbeConfig) -> Result<(), Box<str>> {
    if probe.expected.iter().any(|(first, last)| (*first..=*last).contains(&status)) {
        return Ok(());
    }
    let wanted: Vec<String> = probe
        .expected
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    Err(format!("it answers {status}, not {}", wanted.join(", ")).into())
}

/// The status of `HTTP/1.1 200 OK`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, after) = rest.split_at_checked(3)?;
    if !matches!(after.first(), None | Some(b' ')) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read_strictly() {
        for (line, is) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503\r\n", Some(503)),
            ("HTTP/1.1 200 \r\n", Some(200)),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("HTTP/1.1 2x0 OK\r\n", None),
            ("HTTP/1.1  200 OK\r\n", None),
            ("HTTP/2 200\r\n", None),
            ("SSH-2.0-OpenSSH\r\n", None),
            ("", None),
        ] {
            assert_eq!(status(line.as_bytes()), is, "{line:?}");
        }
    }
}
