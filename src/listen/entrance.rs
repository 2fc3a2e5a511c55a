//! The accept loop of one listener on one worker.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::gate::{Gate, Pass};
use crate::base::address::{ClientIp, Peer};
use crate::base::clock;

const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Accepting fails for a reason that is ours, not one visitor's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What it is and what to do, in one sentence.
    pub text: String,
    /// How many more of its kind there were since the last report.
    pub kept_back: u64,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.kept_back > 0 {
            write!(f, " ({} more times since the last report)", self.kept_back)?;
        }
        Ok(())
    }
}

/// Where connections come in.
pub struct Entrance {
    listener: TcpListener,
    gate: Arc<Gate>,
    report: Box<dyn Fn(Trouble)>,
    pause: Cell<Duration>,
    /// Taken off the queue, and waiting for a place in the house.
    in_hand: RefCell<Option<(TcpStream, SocketAddr)>>,
}

impl Entrance {
    /// To be called inside the worker's runtime. `report` hears of troubles at most once a minute over all
    /// entrances of the gate.
    pub fn new(
        listener: std::net::TcpListener,
        gate: Arc<Gate>,
        report: impl Fn(Trouble) + 'static,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            gate,
            report: Box::new(report),
            pause: Cell::new(PAUSE_MIN),
            in_hand: RefCell::default(),
        })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection. Pauses while the house is full; closes connections of a network that has its
    /// share at once. Peers that are `exempt` (trusted ones, who bring many visitors over one address) are
    /// not counted for their network; `Pass::count` does it when the visitor behind them is known.
    ///
    /// Dropping the future loses no connection: one that waits in our hand is `last`'s, or the next call's.
    pub async fn accept(&self, exempt: impl Fn(ClientIp) -> bool) -> (TcpStream, Peer, Pass) {
        loop {
            if self.in_hand.borrow().is_none() {
                self.gate.vacancy().await;
                let taken = self.taken(async || self.listener.accept().await).await;
                self.in_hand.replace(Some(taken));
            }
            // Another worker may have taken the last place meanwhile; this one connection waits in our hand.
            if let Some(admitted) = admitted(&self.gate, &self.in_hand, &exempt).await {
                return admitted;
            }
        }
    }

    /// Closes the entrance. Whoever was taken off the queue already is let in as soon as there is a place:
    /// nobody else can have this connection.
    pub async fn last(self, exempt: impl Fn(ClientIp) -> bool) -> Option<(TcpStream, Peer, Pass)> {
        let Self { listener, gate, report, pause, in_hand } = self;
        drop((listener, report, pause));
        let waits = in_hand.borrow().is_some();
        if waits { admitted(&gate, &in_hand, &exempt).await } else { None }
    }

    /// What accepting yields, however often it fails before.
    async fn taken<T>(&self, accept: impl AsyncFn() -> io::Result<T>) -> T {
        loop {
            match accept().await {
                Ok(taken) => {
                    self.pause.set(PAUSE_MIN);
                    return taken;
                }
                // It was taken off the queue with its fault: the next one may be well.
                Err(error) if of_one_connection(&error) => tokio::task::yield_now().await,
                Err(error) => {
                    if let Some(kept_back) = self.gate.complain(clock::now()) {
                        (self.report)(Trouble { text: explain(&error), kept_back });
                    }
                    // The connection is still in the queue and the listener still ready: without a pause this
                    // loop would eat a core until somebody else closes a file.
                    let pause = self.pause.get();
                    self.pause.set((pause * 2).min(PAUSE_MAX));
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// The connection in hand, when there is a place for it; none for one whose network has its share.
async fn admitted(
    gate: &Arc<Gate>,
    in_hand: &RefCell<Option<(TcpStream, SocketAddr)>>,
    exempt: &impl Fn(ClientIp) -> bool,
) -> Option<(TcpStream, Peer, Pass)> {
    let mut pass = gate.enter().await;
    let (stream, address) = in_hand.take()?;
    let peer = Peer::new(address);
    (exempt(peer.ip) || pass.count(peer.ip).is_ok()).then_some((stream, peer, pass))
}

// Linux's numbers; std has no names for these.
const EPERM: i32 = 1;
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENONET: i32 = 64;
const EPROTO: i32 = 71;
const ENOPROTOOPT: i32 = 92;
const EOPNOTSUPP: i32 = 95;
const ENETDOWN: i32 = 100;
const ENETUNREACH: i32 = 101;
const ECONNABORTED: i32 = 103;
const ENOBUFS: i32 = 105;
const EHOSTDOWN: i32 = 112;
const EHOSTUNREACH: i32 = 113;

/// Faults of the connection that was to be accepted, which Linux hands out by `accept` (accept(2), "Error
/// handling"), with EPERM, by which a firewall refuses one.
fn of_one_connection(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
        || matches!(
            error.raw_os_error(),
            Some(
                ECONNABORTED
                    | EPERM
                    | EPROTO
                    | ENONET
                    | ENOPROTOOPT
                    | EOPNOTSUPP
                    | ENETDOWN
                    | ENETUNREACH
                    | EHOSTDOWN
                    | EHOSTUNREACH
            )
        )
}

fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(EMFILE) => {
            "new connections wait: this process has as many files open as it may; raise its limit \
                         (`LimitNOFILE=` in its systemd unit, `ulimit -n`) or lower connections_max"
                .to_owned()
        }
        Some(ENFILE) => {
            "new connections wait: the machine has as many files open as it may (sysctl fs.file-max)"
                .to_owned()
        }
        Some(ENOBUFS | ENOMEM) => {
            "new connections wait: the machine has no memory left for sockets".to_owned()
        }
        _ => format!("new connections wait: accepting fails ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::bound::Bounds;
    use crate::listen::{Place, bind};
    use std::collections::VecDeque;
    use std::rc::Rc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn entrance(bounds: &Bounds) -> (Entrance, Rc<RefCell<Vec<Trouble>>>, Arc<Gate>) {
        let gate = Gate::new(bounds);
        let heard = Rc::new(RefCell::new(Vec::new()));
        let listener = bind(Place::At("127.0.0.1:0".parse().unwrap()), 1).unwrap().remove(0);
        let hears = Rc::clone(&heard);
        let entrance =
            Entrance::new(listener, Arc::clone(&gate), move |t| hears.borrow_mut().push(t)).unwrap();
        (entrance, heard, gate)
    }

    async fn run(entrance: &Entrance, script: Vec<io::Result<u8>>) -> (u8, Duration) {
        let script = RefCell::new(VecDeque::from(script));
        let start = clock::now();
        let taken = entrance.taken(async || script.borrow_mut().pop_front().unwrap()).await;
        (taken, clock::now() - start)
    }

    fn fails(code: i32) -> io::Result<u8> {
        Err(io::Error::from_raw_os_error(code))
    }

    #[tokio::test(start_paused = true)]
    async fn out_of_files_it_waits_longer_each_time_and_says_so_once() {
        let (entrance, heard, _gate) = entrance(&Bounds::default());
        let mut script: Vec<_> = (0..10).map(|_| fails(EMFILE)).collect();
        script.push(Ok(7));
        let (taken, waited) = run(&entrance, script).await;
        assert_eq!(taken, 7);
        // 10 + 20 + … + 640, then a second each.
        assert_eq!(waited, Duration::from_millis(10 + 20 + 40 + 80 + 160 + 320 + 640 + 3_000));
        assert_eq!(heard.borrow().len(), 1);
        assert!(heard.borrow()[0].text.contains("ulimit"));
        // Well again: the next trouble starts with a short pause, and is not told within the minute.
        let (_, waited) = run(&entrance, vec![fails(ENFILE), Ok(1)]).await;
        assert_eq!(waited, PAUSE_MIN);
        assert_eq!(heard.borrow().len(), 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        run(&entrance, vec![fails(ENOMEM), Ok(1)]).await;
        assert_eq!(heard.borrow().len(), 2);
        assert_eq!(heard.borrow()[1].kept_back, 10);
        assert!(heard.borrow()[1].to_string().contains("10 more times"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_broke_in_the_queue_costs_no_pause_and_no_word() {
        let (entrance, heard, _gate) = entrance(&Bounds::default());
        let script = vec![fails(ECONNABORTED), fails(EPROTO), fails(EHOSTUNREACH), fails(EPERM), Ok(3)];
        assert_eq!(run(&entrance, script).await, (3, Duration::ZERO));
        assert!(heard.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_fault_waits_too() {
        let (entrance, heard, _gate) = entrance(&Bounds::default());
        let (_, waited) = run(&entrance, vec![fails(9), Ok(3)]).await;
        assert_eq!(waited, PAUSE_MIN);
        assert!(heard.borrow()[0].text.contains("accepting fails"));
    }

    #[tokio::test]
    async fn a_full_house_leaves_connections_in_the_queue() {
        let (entrance, _heard, gate) = entrance(&Bounds { connections_max: 1, ..Bounds::default() });
        let at = entrance.local_addr().unwrap();
        let mut first = TcpStream::connect(at).await.unwrap();
        let mut second = TcpStream::connect(at).await.unwrap();
        first.write_all(b"1").await.unwrap();
        second.write_all(b"2").await.unwrap();
        let (mut stream, _peer, pass) = entrance.accept(|_| false).await;
        assert_eq!(stream.read_u8().await.unwrap(), b'1');
        let mut next = std::pin::pin!(entrance.accept(|_| false));
        let waits =
            std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx).is_pending())).await;
        assert!(waits && gate.open() == 1);
        drop(pass);
        let (mut stream, _peer, _pass) = next.await;
        assert_eq!(stream.read_u8().await.unwrap(), b'2');
        assert_eq!(gate.open(), 1);
    }

    #[tokio::test]
    async fn who_was_taken_off_the_queue_is_let_in_although_the_entrance_closes() {
        let (entrance, _heard, gate) = entrance(&Bounds { connections_max: 1, ..Bounds::default() });
        let at = entrance.local_addr().unwrap();
        let mut visitor = TcpStream::connect(at).await.unwrap();
        visitor.write_all(b"1").await.unwrap();
        let mut accepting = Box::pin(entrance.accept(|_| false));
        // The last place goes to another worker while this one has the connection in its hand.
        let mut held = None;
        std::future::poll_fn(|cx| {
            if held.is_none() {
                let mut entering = std::pin::pin!(gate.enter());
                if let std::task::Poll::Ready(pass) = entering.as_mut().poll(cx) {
                    held = Some(pass);
                }
            }
            std::task::Poll::Ready(())
        })
        .await;
        entrance.in_hand.replace(Some(entrance.listener.accept().await.unwrap()));
        let waits =
            std::future::poll_fn(|cx| std::task::Poll::Ready(accepting.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
        drop(accepting);
        let mut last = std::pin::pin!(entrance.last(|_| false));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(last.as_mut().poll(cx).is_pending())).await);
        drop(held);
        let (mut stream, _peer, _pass) = last.await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'1');
        assert!(TcpStream::connect(at).await.is_err(), "nobody else is let in");
    }

    #[tokio::test]
    async fn a_network_with_its_share_is_turned_away_and_trusted_peers_are_not() {
        let bounds = Bounds { connections_per_network_max: 1, ..Bounds::default() };
        let (entrance, _heard, gate) = entrance(&bounds);
        let at = entrance.local_addr().unwrap();
        let _first = TcpStream::connect(at).await.unwrap();
        let (_stream, peer, _pass) = entrance.accept(|_| false).await;
        let mut second = TcpStream::connect(at).await.unwrap();
        let third = async {
            // Closed at once, without a word.
            assert_eq!(second.read(&mut [0; 8]).await.unwrap(), 0);
            TcpStream::connect(at).await.unwrap()
        };
        let exempt = Cell::new(0);
        let accepted = entrance.accept(|client| {
            assert_eq!(client, peer.ip);
            exempt.set(exempt.get() + 1);
            exempt.get() == 2
        });
        let (_third, _accepted) = tokio::join!(third, accepted);
        assert_eq!((gate.refused(), gate.open()), (1, 2));
    }
}
