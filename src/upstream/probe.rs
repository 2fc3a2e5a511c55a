//! Asks backends whether they are well: one small request on a connection of its own, again and again, for as
//! long as any generation names the backend. Runs on the control thread, never on a worker.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};

use super::backend::{Backend, Inner};
use super::config::{Address, Ask, ProbeConfig, Protocol};
use super::health::{Health, Window};
use super::{connect, streams};
use crate::base::clock::{self, Wall};
use crate::base::fault::Fault;
use crate::message::exchange::Io;

/// As much of an answer as holds its status line.
const STATUS_BYTES_MAX: usize = 512;

/// A backend that became healthy or sick.
#[derive(Debug)]
pub struct News<'a> {
    pub backend: &'a str,
    pub healthy: bool,
    /// What was wrong with the last answer, in words without an address.
    pub why: &'a str,
}

/// Probing a backend, for whoever calls first; `None` where it has no probe, or is probed already. Ends when
/// no generation names the backend any more.
pub fn probing<T>(backend: &Arc<Backend>, tell: T) -> Option<impl Future<Output = ()> + use<T>>
where
    T: Fn(News<'_>) + 'static,
{
    let probe = backend.0.config.probe.clone()?;
    if !backend.0.health.as_ref()?.take_on() {
        return None;
    }
    Some(keep_asking(Arc::downgrade(backend), probe, tell))
}

pub(super) fn window(probe: &ProbeConfig) -> Window {
    Window::new(probe.window, probe.threshold, probe.initial)
}

pub(super) fn health(probe: &ProbeConfig, now: Wall) -> Health {
    Health::new(&window(probe), now)
}

async fn keep_asking(backend: Weak<Backend>, probe: ProbeConfig, tell: impl Fn(News<'_>)) {
    let mut window = window(&probe);
    let mut first = true;
    loop {
        let begun = clock::now();
        {
            let Some(backend) = backend.upgrade() else { return };
            let answer = ask(&backend.0, &probe).await;
            window.note(answer.is_ok());
            let why = match &answer {
                Ok(()) => "",
                Err(why) => why.as_ref(),
            };
            // A backend that begins as sick and is does not change, and yet nobody would know why it gets nothing.
            let sick_from_the_start = first && !window.healthy() && answer.is_err();
            if let Some(health) = &backend.0.health
                && (health.tell(&window, clock::wall()) || sick_from_the_start)
            {
                if !window.healthy() {
                    backend.0.fell_sick();
                }
                tell(News { backend: backend.name(), healthy: window.healthy(), why });
            }
            first = false;
        }
        sleep_until(begun + probe.interval).await;
    }
}

/// One question; the error is what was wrong.
async fn ask(backend: &Inner, probe: &ProbeConfig) -> Result<(), Box<str>> {
    let asked = async {
        let mut io = connect::open(backend, Duration::ZERO).await.map_err(|fault| why(&fault))?;
        if let (Protocol::Http2, Ask::Url(url)) = (backend.config.protocol, &probe.ask) {
            let status = streams::status_of(io, url, &host(backend), backend.tls.is_some()).await?;
            return expected(status, probe);
        }
        io.write_all(&question(backend, probe)).await.map_err(|_| "it hung up on the question")?;
        listen(&mut *io, probe).await
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
fn question(backend: &Inner, probe: &ProbeConfig) -> Vec<u8> {
    let url = match &probe.ask {
        Ask::Request(request) => return request.to_vec(),
        Ask::Url(url) => url,
    };
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

fn expected(status: u16, probe: &ProbeConfig) -> Result<(), Box<str>> {
    if status != probe.expected_response {
        return Err(format!("it answers {status}, not {}", probe.expected_response).into());
    }
    Ok(())
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
