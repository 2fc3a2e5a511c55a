//! Who is asked and who is left alone: probes, limits of connections, clocks that rules set.

use super::*;
use crate::base::cause::Cause;
use crate::base::clock;
use crate::upstream::{Ask, News, ProbeConfig, probing};

fn probe() -> ProbeConfig {
    ProbeConfig {
        ask: Ask::Url("/alive?deep=1".into()),
        expected_response: 200,
        timeout: Duration::from_secs(2),
        interval: Duration::from_secs(5),
        window: 3,
        threshold: 2,
        initial: 1,
        expect_close: true,
    }
}

/// What a play has heard of a backend's health.
type Heard = Rc<RefCell<Vec<(bool, String)>>>;

fn ask(backend: &Arc<Backend>) -> Heard {
    let heard = Heard::default();
    let told = Rc::clone(&heard);
    let tell = move |news: News<'_>| told.borrow_mut().push((news.healthy, news.why.to_owned()));
    tokio::task::spawn_local(probing(backend, tell).unwrap());
    heard
}

const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";

#[test]
fn a_probe_asks_at_once_and_then_at_its_pace() {
    play(async {
        let questions = Rc::new(RefCell::new(Vec::new()));
        let heard_there = Rc::clone(&questions);
        let began = clock::now();
        let raw = raw_with(
            move |number, mut stream| {
                let questions = Rc::clone(&heard_there);
                async move {
                    let question = head(&mut stream).await;
                    questions.borrow_mut().push((clock::now().duration_since(began).as_secs(), question));
                    let answer = if number == 1 { WELL } else { "HTTP/1.1 500 No\r\n\r\n" };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            },
            |config| config.probe = Some(probe()),
        )
        .await;
        assert!(!raw.backend.healthy(), "one good answer was thought of, and two are needed");
        let fault = text(&Pool::new(), &raw.backend, get()).await.unwrap_err();
        assert_eq!((fault.cause, raw.accepted.get()), (Cause::Unhealthy, 0), "it is not asked");
        let heard = ask(&raw.backend);
        assert!(probing(&raw.backend, |_| {}).is_none(), "one asks, and nobody beside it");
        tokio::time::sleep(Duration::from_secs(11)).await;
        let port = raw.backend.config().address.clone();
        let Address::Tcp { port, .. } = port else { unreachable!() };
        let question =
            format!("GET /alive?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        let at: Vec<u64> = questions.borrow().iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [0, 5, 10]);
        assert!(questions.borrow().iter().all(|(_, asked)| *asked == question), "{questions:?}");
        assert_eq!(
            *heard.borrow(),
            [(true, String::new()), (false, "it answers 500, not 200".to_owned())],
            "two of three were good with the first answer, and were not with the third"
        );
        let standing = raw.backend.standing().unwrap();
        assert_eq!((standing.healthy, standing.good, standing.window), (false, 1, 3));
        assert_eq!(raw.backend.figures().faults, [(Cause::Unhealthy, 1)]);
    });
}

#[test]
fn whatever_is_no_good_answer_is_a_bad_one() {
    let slow = "it took too long";
    for (answer, why) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "it answers 204, not 200"),
        ("nothing of the kind\r\n", "its answer is no HTTP"),
        ("", "its answer is no HTTP"),
        ("HTTP/1.1 200 OK\r\n\r\n|", slow),
        ("HTTP/1.1 2|", slow),
    ] {
        play(async move {
            let raw = raw_with(
                move |_, mut stream| async move {
                    head(&mut stream).await;
                    stream.write_all(answer.trim_end_matches('|').as_bytes()).await.unwrap();
                    if answer.ends_with('|') {
                        std::future::pending::<()>().await;
                    }
                },
                |config| config.probe = Some(ProbeConfig { threshold: 1, initial: 1, window: 1, ..probe() }),
            )
            .await;
            assert!(raw.backend.healthy());
            let heard = ask(&raw.backend);
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(*heard.borrow(), [(false, why.to_owned())], "{answer:?}");
        });
    }
    play(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let probe = ProbeConfig { threshold: 1, initial: 1, window: 1, ..probe() };
        let backend = backend(Config { probe: Some(probe), ..config(tcp(dead)) });
        let heard = ask(&backend);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(*heard.borrow(), [(false, "nobody listens there".to_owned())]);
    });
    // Who begins as sick and is, is heard of once.
    play(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let backend = backend(Config { probe: Some(probe()), ..config(tcp(dead)) });
        assert!(!backend.healthy());
        let heard = ask(&backend);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(*heard.borrow(), [(false, "nobody listens there".to_owned())]);
    });
}

#[test]
fn an_answer_may_stay_open_where_the_probe_says_so() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                assert_eq!(head(&mut stream).await, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
                stream.write_all(b"HTTP/1.1 418 Teapot\r\n\r\n").await.unwrap();
                std::future::pending::<()>().await;
            },
            |config| {
                let ask = Ask::Request((*b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").into());
                config.probe =
                    Some(ProbeConfig { ask, expected_response: 418, expect_close: false, ..probe() });
            },
        )
        .await;
        let heard = ask(&raw.backend);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(*heard.borrow(), [(true, String::new())]);
    });
}

#[test]
fn a_backend_that_nobody_names_is_not_asked_any_more() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                head(&mut stream).await;
                stream.write_all(WELL.as_bytes()).await.unwrap();
            },
            |config| config.probe = Some(probe()),
        )
        .await;
        let asking = tokio::task::spawn_local(probing(&raw.backend, |_| {}).unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(raw.backend);
        asking.await.unwrap();
        assert_eq!(raw.accepted.get(), 1);
    });
}

#[test]
fn the_limit_of_connections_is_exact_over_all_workers() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                while !head(&mut stream).await.is_empty() {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").await.unwrap();
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    stream.write_all(b"lf").await.unwrap();
                }
            },
            |config| config.max_connections = 2,
        )
        .await;
        let (one, other) = (Pool::new(), Pool::new());
        let first = one.send(&raw.backend, get(), None).await.unwrap();
        let second = other.send(&raw.backend, get(), None).await.unwrap();
        let fault = other.send(&raw.backend, get(), None).await.err().unwrap();
        assert_eq!(fault.cause, Cause::MaxConnections);
        assert!(fault.detail().contains("`old`") && fault.detail().contains("2 connections"), "{fault}");
        // An answer that ended makes room, and so does one that nobody wants any more.
        assert_eq!(drain(first.body).await.0, b"half");
        assert_eq!(raw.backend.permits(), 1);
        let third = one.send(&raw.backend, get(), None).await.unwrap();
        assert_eq!(raw.backend.permits(), 2);
        drop((second.body, third.body));
        assert_eq!(raw.backend.permits(), 0);
        assert_eq!(text(&other, &raw.backend, get()).await.unwrap(), "half");
        assert_eq!(raw.backend.permits(), 0);
    });
}

#[test]
fn a_failure_and_a_tunnel_hold_what_is_theirs() {
    play(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let gone = backend(Config { max_connections: 1, ..config(tcp(dead)) });
        for _ in 0..3 {
            let fault = text(&Pool::new(), &gone, get()).await.unwrap_err();
            assert_eq!((fault.cause, gone.permits()), (Cause::Refused, 0));
        }
        let raw = raw_with(
            |_, mut stream| async move {
                head(&mut stream).await;
                let answer = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
                head(&mut stream).await;
            },
            |config| config.max_connections = 1,
        )
        .await;
        let mut asking = get();
        asking.headers_mut().insert("connection", "upgrade".parse().unwrap());
        asking.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        let answer = Pool::new().send(&raw.backend, asking, None).await.unwrap();
        assert!(answer.upgraded.is_some());
        assert_eq!(raw.backend.permits(), 1);
        drop(answer);
        settle().await;
        assert_eq!(raw.backend.permits(), 0);
    });
}

#[test]
fn one_request_may_be_waited_for_in_its_own_way() {
    play(async {
        let raw = raw(|number, mut stream| async move {
            head(&mut stream).await;
            if number == 2 {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").await.unwrap();
            }
            head(&mut stream).await;
        })
        .await;
        let patience = Patience {
            first_byte: Duration::from_secs(2),
            between_bytes: Duration::from_secs(3),
            ..raw.backend.patience()
        };
        let pool = Pool::new();
        let began = clock::now();
        let fault = pool.send_within(&raw.backend, get(), None, patience).await.err().unwrap();
        assert_eq!((fault.cause, began.elapsed().as_secs()), (Cause::FirstByteTimeout, 2));
        let began = clock::now();
        let answer = pool.send_within(&raw.backend, get(), None, patience).await.unwrap();
        let fault = drain(answer.body).await.2.unwrap();
        assert_eq!((fault.cause, began.elapsed().as_secs()), (Cause::BetweenBytes, 3));
        // The next one has the backend's own clocks again.
        let began = clock::now();
        let fault = text(&pool, &raw.backend, get()).await.unwrap_err();
        assert_eq!((fault.cause, began.elapsed().as_secs()), (Cause::FirstByteTimeout, 60));
    });
}

#[test]
fn a_connection_is_given_up_when_the_request_says_so() {
    play(async {
        let folder = std::env::temp_dir()
            .join(format!("doorward-patience-{}", crate::base::random::RequestId::next()));
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&socket2::SockAddr::unix(&folder).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let backend = backend(config(Address::Unix(folder.clone())));
        let mut queue = Vec::new();
        loop {
            let next = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
            next.set_nonblocking(true).unwrap();
            let outcome = next.connect(&socket2::SockAddr::unix(&folder).unwrap());
            queue.push(next);
            if outcome.is_err() {
                break;
            }
        }
        let patience = Patience { connect: Duration::from_secs(1), ..backend.patience() };
        let began = clock::now();
        let fault = Pool::new().send_within(&backend, get(), None, patience).await.err().unwrap();
        assert_eq!((fault.cause, began.elapsed().as_secs()), (Cause::ConnectTimeout, 1));
        std::fs::remove_file(&folder).unwrap();
    });
}
