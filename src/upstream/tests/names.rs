//! Backends that are called by a name: where it leads may change, and nobody may know it for a while.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::base::cause::Cause;
use crate::base::clock;
use crate::upstream::{Event, News, tending};

/// What asking for the name comes to; `None` is nobody who answers.
#[derive(Clone, Default)]
struct Book {
    says: Arc<Mutex<Option<Vec<SocketAddr>>>>,
    asked: Arc<AtomicUsize>,
    takes: Duration,
}

impl Book {
    fn say(&self, says: Option<Vec<SocketAddr>>) {
        *self.says.lock().unwrap() = says;
    }

    fn backend(&self, change: impl FnOnce(&mut Config)) -> Arc<Backend> {
        let mut config = config(Address::Tcp { host: "wiki.internal".into(), port: 80 });
        change(&mut config);
        let book = self.clone();
        let lookup = move |host: &str, _: u16| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            assert_eq!(host, "wiki.internal");
            book.asked.fetch_add(1, Ordering::Relaxed);
            let book = book.clone();
            Box::pin(async move {
                tokio::time::sleep(book.takes).await;
                book.says.lock().unwrap().clone().ok_or_else(|| io::ErrorKind::NotFound.into())
            })
        };
        Arc::new(Backend::asking(config, Arc::new(lookup)).unwrap())
    }
}

/// An old server that says who it is on kept connections.
async fn server(who: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::task::spawn_local(always(stream, who));
        }
    });
    address
}

const FIRST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst";
const OTHER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother";

#[test]
fn a_name_that_leads_elsewhere_is_followed_without_a_restart() {
    play(async {
        let (first, other) = (server(FIRST).await, server(OTHER).await);
        let book = Book::default();
        book.say(Some(vec![first]));
        let backend = book.backend(|_| {});
        let news: Rc<RefCell<Vec<String>>> = Rc::default();
        let told = Rc::clone(&news);
        let tell = move |news: News<'_>| {
            let word = match news.event {
                Event::Stands(standing, _) => standing.condition.word().to_owned(),
                Event::NameLost { goes_on } => format!("lost, {goes_on}"),
                Event::NameFound => "found".to_owned(),
            };
            told.borrow_mut().push(word);
        };
        tokio::task::spawn_local(tending(&backend, tell).unwrap());
        let pool = Pool::new();
        for _ in 0..10 {
            assert_eq!(text(&pool, &backend, get()).await.unwrap(), "first");
        }
        assert_eq!((book.asked.load(Ordering::Relaxed), pool.idle(&backend)), (1, 1));
        // The name leads elsewhere; what is kept goes to where it led, until the sweep.
        book.say(Some(vec![other]));
        tokio::time::sleep(Duration::from_secs(11)).await;
        pool.sweep(clock::now());
        assert_eq!(pool.idle(&backend), 0, "nobody is sent where it does not lead any more");
        assert_eq!(text(&pool, &backend, get()).await.unwrap(), "other");
        // Nobody knows it: the last answer holds, for as long as it takes.
        book.say(None);
        tokio::time::sleep(Duration::from_secs(60)).await;
        pool.sweep(clock::now());
        assert_eq!(text(&pool, &backend, get()).await.unwrap(), "other");
        book.say(Some(vec![other]));
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(*news.borrow(), ["lost, true", "found"], "each is said once");
        let asked = book.asked.load(Ordering::Relaxed);
        assert_eq!(asked, 9, "every ten seconds, whoever visits");
    });
}

#[test]
fn an_unknown_name_has_its_cause_and_is_asked_for_once_at_a_time() {
    play(async {
        let first = server(FIRST).await;
        let book = Book { takes: Duration::from_millis(100), ..Book::default() };
        let backend = book.backend(|config| config.breaker.failures_max = 0);
        // Fifty at once, before anybody has asked: one asks for all.
        let mut tasks = Vec::new();
        for _ in 0..50 {
            let backend = Arc::clone(&backend);
            tasks.push(tokio::task::spawn_local(async move {
                text(&Pool::new(), &backend, get()).await.map_err(|fault| fault.cause)
            }));
        }
        for task in tasks {
            assert_eq!(task.await.unwrap(), Err(Cause::Dns));
        }
        assert_eq!(book.asked.load(Ordering::Relaxed), 1);
        for _ in 0..50 {
            let fault = text(&Pool::new(), &backend, get()).await.unwrap_err();
            assert_eq!((fault.cause, fault.detail()), (Cause::Dns, "backend `old`: its name is not known"));
        }
        assert_eq!(book.asked.load(Ordering::Relaxed), 1, "for a second nobody asks again");
        book.say(Some(vec![first]));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(text(&Pool::new(), &backend, get()).await.unwrap(), "first");
        assert_eq!(backend.figures().faults, [(Cause::Dns, 100)]);
    });
}

#[test]
fn a_look_up_that_hangs_is_waited_for_no_longer_than_a_connection_and_asked_once() {
    play(async {
        let first = server(FIRST).await;
        let book = Book { takes: Duration::from_secs(30), ..Book::default() };
        book.say(Some(vec![first]));
        let backend = book.backend(|config| config.breaker.failures_max = 0);
        let began = clock::now();
        for _ in 0..5 {
            let fault = text(&Pool::new(), &backend, get()).await.unwrap_err();
            assert_eq!(fault.cause, Cause::Dns, "{fault}");
        }
        assert_eq!((began.elapsed().as_secs(), book.asked.load(Ordering::Relaxed)), (15, 1));
        // Those who left did not take the look-up with them.
        tokio::time::sleep(Duration::from_secs(16)).await;
        assert_eq!(text(&Pool::new(), &backend, get()).await.unwrap(), "first");
        assert_eq!(book.asked.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn one_dead_address_of_several_is_passed_over() {
    play(async {
        let first = server(FIRST).await;
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let book = Book::default();
        book.say(Some(vec![dead, first]));
        let backend = book.backend(|_| {});
        assert_eq!(text(&Pool::new(), &backend, get()).await.unwrap(), "first");
        book.say(Some(Vec::new()));
        assert_eq!(text(&Pool::new(), &backend, get()).await.unwrap(), "first", "no answer is no news");
    });
}
