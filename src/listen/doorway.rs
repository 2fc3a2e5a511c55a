//! An address that is listened on, with its sockets: opened here, handed over by the process before, or passed by
//! systemd.
//!
//! A socket is moved, never opened anew beside the old one: with `SO_REUSEPORT` each socket has a queue of its own,
//! and who waits in the queue of one that closes is reset. So all that are received are accepted from, however
//! many workers there are.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::SockRef;

use super::bind::{self, BindFault, Place, bind};

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    Https,
    Admin,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Http, Kind::Https, Kind::Admin];

    pub const fn word(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Admin => "admin",
        }
    }

    pub fn by_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

pub struct Doorway {
    kind: Kind,
    /// As the rules write it. `None`: systemd passed it, and its unit says where, not the rules.
    place: Option<Place>,
    /// At least one.
    sockets: Vec<TcpListener>,
}

impl Doorway {
    /// What another process has opened. `None` without a socket.
    pub fn received(
        kind: Kind,
        place: Option<Place>,
        sockets: Vec<TcpListener>,
    ) -> io::Result<Option<Doorway>> {
        for socket in &sockets {
            bind::prepare(&SockRef::from(socket))?;
        }
        Ok(if sockets.is_empty() { None } else { Some(Self { kind, place, sockets }) })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn place(&self) -> Option<Place> {
        self.place
    }

    pub fn sockets(&self) -> &[TcpListener] {
        &self.sockets
    }

    /// Where it is really bound.
    pub fn address(&self) -> Option<SocketAddr> {
        self.sockets.first()?.local_addr().ok()
    }

    /// The sockets for each worker, so that each worker has one at least and each socket a worker.
    ///
    /// Missing ones are opened beside the others; where that can't be (systemd's, one that was opened for a
    /// single worker), workers share one queue, which is only slower. To be called when nothing can fail any
    /// more: visitors come to a new socket at once.
    pub fn shares(&mut self, workers: usize) -> io::Result<Vec<Vec<TcpListener>>> {
        let workers = workers.max(1);
        let sharing =
            self.sockets.first().is_some_and(|first| SockRef::from(first).reuse_port().unwrap_or(false));
        if let (Some(place), Some(bound), true) = (self.place, self.address(), sharing) {
            while self.sockets.len() < workers {
                match bind::beside(place, bound) {
                    Ok(socket) => self.sockets.push(socket),
                    Err(_) => break,
                }
            }
        }
        let mut shares: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        let sockets = self.sockets.iter().cycle().take(self.sockets.len().max(workers));
        for (at, socket) in sockets.enumerate() {
            if let Some(share) = shares.get_mut(at % workers) {
                share.push(socket.try_clone()?);
            }
        }
        Ok(shares)
    }
}

/// The doorways that are wanted: out of those that stand, and new ones for the others. What is not wanted any more
/// is left in `standing`.
pub fn doorways(
    kind: Kind,
    wanted: &[Place],
    workers: usize,
    standing: &mut Vec<Doorway>,
) -> Result<Vec<Doorway>, BindFault> {
    let (passed, rest) = std::mem::take(standing)
        .into_iter()
        .partition::<Vec<_>, _>(|each| each.kind == kind && each.place.is_none());
    *standing = rest;
    if !passed.is_empty() {
        return Ok(passed);
    }
    wanted
        .iter()
        .map(|place| {
            let same = |each: &Doorway| each.kind == kind && each.place == Some(*place);
            // Its port was free to choose before, or it spoke something else.
            let moved = |each: &Doorway| {
                place.port() != 0
                    && each
                        .place
                        .is_some_and(|had| matches!(had, Place::At(_)) == matches!(place, Place::At(_)))
                    && each.address().is_some_and(|at| at.port() == place.port() && covers(*place, at))
            };
            let found = standing.iter().position(same).or_else(|| standing.iter().position(moved));
            match found {
                Some(at) => Ok(Doorway { kind, place: Some(*place), ..standing.remove(at) }),
                None => Ok(Doorway { kind, place: Some(*place), sockets: bind(*place, workers)? }),
            }
        })
        .collect()
}

fn covers(place: Place, bound: SocketAddr) -> bool {
    match place {
        Place::Everywhere(_) => bound.ip().is_unspecified(),
        Place::At(address) => address == bound,
    }
}

/// A socket that systemd has passed.
pub struct Passed {
    pub name: String,
    pub socket: TcpListener,
}

/// What systemd has passed to this process (`LISTEN_FDS`). To be called once, while there is one thread: it takes
/// the variables away, so that no child believes they are its own.
pub fn passed() -> Result<Vec<Passed>, String> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut given = listenfd::ListenFd::from_env();
    let mut found = Vec::new();
    for at in 0..given.len() {
        let name = names.get(at).copied().unwrap_or_default().to_owned();
        match given.take_tcp_listener(at) {
            Ok(Some(socket)) => found.push(Passed { name, socket }),
            Ok(None) => {}
            Err(error) => {
                return Err(format!(
                    "systemd passed something as `{name}` that is no TCP socket ({error}): `ListenStream=` with a \
                     port is what the socket unit should say"
                ));
            }
        }
    }
    Ok(found)
}

/// What systemd passed, each by what it is to speak: as its `FileDescriptorName=` says, else as the rules say of its
/// port.
pub fn named(passed: Vec<Passed>, wanted: &[(Kind, Vec<Place>)]) -> Result<Vec<Doorway>, String> {
    let mut doorways: Vec<Doorway> = Vec::new();
    for Passed { name, socket } in passed {
        let address = socket.local_addr().map_err(|error| format!("systemd passed `{name}`: {error}"))?;
        let by_port = || {
            let speaks = |places: &[Place]| places.iter().any(|place| place.port() == address.port());
            wanted.iter().find(|(_, places)| speaks(places)).map(|(kind, _)| *kind)
        };
        let Some(kind) = Kind::by_word(&name).or_else(by_port) else {
            return Err(format!(
                "systemd passed a socket on {address} (`{name}`), and nothing says what to speak there: name that \
                 port in `gateway` as `.http`, `.https` or `.admin`, or write `FileDescriptorName=https` (or http, \
                 admin) into its socket unit"
            ));
        };
        let doorway = Doorway::received(kind, None, vec![socket])
            .map_err(|error| format!("systemd passed a socket on {address} that can't be used: {error}"))?;
        doorways.extend(doorway);
    }
    Ok(doorways)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn local(port: u16) -> Place {
        Place::At(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn open(workers: usize) -> Doorway {
        doorways(Kind::Http, &[local(0)], workers, &mut Vec::new()).unwrap().remove(0)
    }

    /// As another process gets it.
    fn handed_over(doorway: &Doorway) -> Doorway {
        let sockets = doorway.sockets().iter().map(|socket| socket.try_clone().unwrap()).collect();
        Doorway::received(doorway.kind(), doorway.place(), sockets).unwrap().unwrap()
    }

    #[test]
    fn each_worker_has_a_socket_and_each_socket_a_worker() {
        for (before, now) in [(1, 1), (1, 4), (4, 1), (3, 2), (2, 5), (4, 4)] {
            let old = open(before);
            let mut new = handed_over(&old);
            let at = old.address().unwrap();
            let shares = new.shares(now).unwrap();
            assert_eq!(shares.len(), now);
            assert!(shares.iter().all(|share| !share.is_empty()), "{before} {now}");
            assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), before.max(now));
            // One for a single worker can't be joined; the others can.
            assert_eq!(new.sockets().len(), if before == 1 { 1 } else { before.max(now) }, "{before} {now}");
            drop(old);
            for _ in 0..20 {
                let visitor = TcpStream::connect(at).unwrap();
                let accepted = || shares.iter().flatten().find_map(|socket| socket.accept().ok());
                while accepted().is_none() {}
                drop(visitor);
            }
        }
    }

    #[test]
    fn who_waits_in_the_queue_is_not_lost_when_the_socket_moves() {
        let old = open(3);
        let at = old.address().unwrap();
        let visitors: Vec<_> = (0..30).map(|_| TcpStream::connect(at).unwrap()).collect();
        let mut new = handed_over(&old);
        drop(old);
        let shares = new.shares(1).unwrap();
        let accepted: Vec<_> =
            shares.iter().flatten().flat_map(|socket| std::iter::from_fn(|| socket.accept().ok())).collect();
        assert_eq!(accepted.len(), visitors.len());
    }

    #[test]
    fn what_stands_is_found_again_and_what_is_not_wanted_is_left() {
        let both = doorways(Kind::Http, &[local(0), local(0)], 1, &mut Vec::new()).unwrap();
        let at: Vec<_> = both.iter().map(|each| each.address().unwrap()).collect();
        let mut standing = both;
        let kept = doorways(Kind::Http, &[local(0)], 1, &mut standing).unwrap();
        assert_eq!((kept[0].address(), standing.len()), (Some(at[0]), 1));
        // By its port, also to speak something else.
        let moved = doorways(Kind::Https, &[Place::At(at[1])], 1, &mut standing).unwrap();
        assert_eq!((moved[0].address(), moved[0].kind(), standing.len()), (Some(at[1]), Kind::Https, 0));
        // A port of the system's choice is found by its kind alone.
        let mut standing = kept;
        let other = doorways(Kind::Admin, &[local(0)], 1, &mut standing).unwrap();
        assert_ne!(other[0].address(), Some(at[0]));
        assert_eq!(standing.len(), 1);
    }

    #[test]
    fn what_systemd_passes_is_known_by_its_name_or_its_port_and_replaces_what_rules_say() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (by_name, by_port) = (socket(), socket());
        let (named_at, port_at) = (by_name.local_addr().unwrap(), by_port.local_addr().unwrap());
        let wanted = [(Kind::Http, vec![Place::Everywhere(port_at.port())]), (Kind::Https, vec![local(1)])];
        let passed = vec![
            Passed { name: "https".to_owned(), socket: by_name },
            Passed { name: "doorward.socket".to_owned(), socket: by_port },
        ];
        let mut standing = named(passed, &wanted).unwrap();
        let https = doorways(Kind::Https, &wanted[1].1, 2, &mut standing).unwrap();
        assert_eq!((https.len(), https[0].address()), (1, Some(named_at)));
        let http = doorways(Kind::Http, &wanted[0].1, 2, &mut standing).unwrap();
        assert_eq!((http.len(), http[0].address(), standing.len()), (1, Some(port_at), 0));
        let stray = vec![Passed { name: "doorward.socket".to_owned(), socket: socket() }];
        let fault = named(stray, &wanted).map(|_| ()).unwrap_err();
        assert!(fault.contains("FileDescriptorName=https"), "{fault}");
    }
}
