//! Listening sockets: one for each worker on the same port (`SO_REUSEPORT`), so that the kernel spreads
//! connections and no two workers fight over one queue.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::str::FromStr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// What fits in the kernel's queue before a worker takes it. The kernel cuts it to `net.core.somaxconn`
/// (4096 on Linux since 5.4), so more would be a promise that nobody keeps.
const BACKLOG: i32 = 4_096;

/// Linux's number for an address family that the machine does not have.
const EAFNOSUPPORT: i32 = 97;

/// Where to listen, as the rules write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `:443`: every address of the machine, IPv4 and IPv6; IPv4 alone where there is no IPv6.
    Everywhere(u16),
    /// `192.0.2.1:443`, `[2001:db8::1]:443`. `[::]:443` is IPv6 alone, so that it stands beside
    /// `0.0.0.0:443`.
    At(SocketAddr),
}

impl Place {
    pub const fn port(&self) -> u16 {
        match self {
            Place::Everywhere(port) => *port,
            Place::At(address) => address.port(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Everywhere(port) => write!(f, ":{port}"),
            Place::At(address) => write!(f, "{address}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix(':') {
            // `parse` alone would take `+80`.
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
                return port
                    .parse()
                    .map(Place::Everywhere)
                    .map_err(|_| format!("`{text}` is no place to listen: ports end at 65535"));
            }
        } else if let Ok(address) = text.parse() {
            return Ok(Place::At(address));
        }
        Err(format!(
            "`{text}` is no place to listen: write `:443` for every address of the machine, or one address \
             with its port, such as `192.0.2.1:443` or `[2001:db8::1]:443`"
        ))
    }
}

/// Why a place can't be listened on, and what to do about it.
#[derive(Debug)]
pub struct BindFault {
    pub place: Place,
    pub error: io::Error,
}

impl fmt::Display for BindFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, port) = (self.place, self.place.port());
        write!(f, "cannot listen on {place}: ")?;
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "another program does already. `ss -ltnp sport = :{port}` names it; stop it or take \
                     another port"
                )
            }
            io::ErrorKind::PermissionDenied => write!(
                f,
                "ports below 1024 need a privilege. Give it to the program (`setcap \
                 cap_net_bind_service=+ep` on its file, or `AmbientCapabilities=CAP_NET_BIND_SERVICE` in \
                 its systemd unit), run it under `authbind`, or take a port from 1024 up"
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "this machine has no such address; `ip address` lists those it has")
            }
            _ if self.error.raw_os_error() == Some(EAFNOSUPPORT) => write!(f, "this machine has no IPv6"),
            _ => write!(f, "{}", self.error),
        }
    }
}

impl std::error::Error for BindFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// One listener for each worker, all on the same address and port, ready for tokio. With port 0 the first
/// takes a free port and the others share it.
pub fn bind(place: Place, workers: usize) -> Result<Vec<TcpListener>, BindFault> {
    let fault = |error| BindFault { place, error };
    let workers = workers.max(1);
    let any_v4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let (first, target) = match place {
        Place::At(address) => (listener(address, true, workers).map_err(fault)?, address),
        Place::Everywhere(port) => {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            match listener(both, false, workers) {
                Ok(first) => (first, both),
                Err(error) if without_ipv6(&error) => {
                    (listener(any_v4(port), true, workers).map_err(fault)?, any_v4(port))
                }
                Err(error) => return Err(fault(error)),
            }
        }
    };
    let only_v6 = matches!(place, Place::At(_));
    let mut shared = target;
    shared.set_port(first.local_addr().map_err(fault)?.port());
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(socket(shared, only_v6, true).and_then(listening).map_err(fault)?);
    }
    Ok(listeners)
}

/// One more socket beside one that listens and lets others share its port.
pub(super) fn beside(place: Place, bound: SocketAddr) -> io::Result<TcpListener> {
    socket(bound, matches!(place, Place::At(_)), true).and_then(listening)
}

/// The first socket on an address.
fn listener(address: SocketAddr, only_v6: bool, workers: usize) -> io::Result<TcpListener> {
    if workers > 1 && address.port() != 0 {
        // With SO_REUSEPORT a second gateway of the same user would be let in and take half of the
        // connections. A socket without it is refused while anybody listens, so it asks first.
        drop(socket(address, only_v6, false)?);
    }
    listening(socket(address, only_v6, workers > 1)?)
}

fn socket(address: SocketAddr, only_v6: bool, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listening(socket: Socket) -> io::Result<TcpListener> {
    prepare(&socket)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

pub(super) fn prepare(socket: &Socket) -> io::Result<()> {
    // Accepted sockets inherit both on Linux, which saves two system calls for each connection. Keep-alive is
    // for tunnels (WebSocket), which may rest for hours and whose far end may be gone without a word.
    socket.set_tcp_nodelay(true)?;
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(120))
        .with_interval(Duration::from_secs(30))
        .with_retries(4);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_nonblocking(true)
}

fn without_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;
    use std::net::TcpStream;

    fn local(port: u16) -> Place {
        Place::At(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in [":443", ":0", "192.0.2.1:80", "[2001:db8::1]:443", "[::]:443", "0.0.0.0:80"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in
            ["", ":", "443", ":65536", ":+80", ":-1", ": 80", "localhost:80", "::1:80", "192.0.2.1", "*:80"]
        {
            let error = text.parse::<Place>().unwrap_err();
            assert!(error.contains("no place to listen"), "{text}: {error}");
        }
    }

    #[test]
    fn workers_share_the_port_that_the_first_one_got() {
        let listeners = bind(local(0), 3).unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]));
        assert_eq!(bind(local(0), 0).unwrap().len(), 1, "no workers is one worker");
    }

    #[test]
    fn a_port_of_another_program_is_not_shared() {
        for (theirs, ours) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let other = bind(local(0), theirs).unwrap();
            let port = other[0].local_addr().unwrap().port();
            let fault = bind(local(port), ours).unwrap_err();
            assert_eq!(fault.error.kind(), io::ErrorKind::AddrInUse, "{theirs} {ours}");
            let text = fault.to_string();
            assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("ss -ltnp"), "{text}");
        }
    }

    #[test]
    fn an_address_of_another_machine_is_named_as_such() {
        let place: Place = "192.0.2.1:0".parse().unwrap();
        let text = bind(place, 1).unwrap_err().to_string();
        assert!(text.contains("192.0.2.1:0") && text.contains("no such address"), "{text}");
    }

    #[test]
    fn a_privileged_port_says_how_to_get_it() {
        let fault =
            BindFault { place: Place::Everywhere(443), error: io::ErrorKind::PermissionDenied.into() };
        let text = fault.to_string();
        assert!(text.starts_with("cannot listen on :443:") && text.contains("setcap"), "{text}");
    }

    #[test]
    fn everywhere_is_both_families() {
        let listeners = bind(Place::Everywhere(0), 2).unwrap();
        let address = listeners[0].local_addr().unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).unwrap();
        if address.is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, address.port())).unwrap();
        }
    }

    #[test]
    fn accepted_sockets_inherit_what_was_set_on_the_listener() {
        let listener = bind(local(0), 1).unwrap().remove(0);
        listener.set_nonblocking(false).unwrap();
        let _visitor = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(SockRef::from(&accepted).keepalive().unwrap());
        assert_eq!(SockRef::from(&accepted).tcp_keepalive_time().unwrap(), Duration::from_secs(120));
    }
}
