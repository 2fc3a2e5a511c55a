//! Who is asked and who is left alone: probes, limits of connections, clocks that rules set.

use super::*;
use crate::base::cause::Cause;
use crate::base::clock;
use crate::upstream::{Ask, Condition, Event, News, ProbeConfig, tending};

fn probe() -> ProbeConfig {
    ProbeConfig {
        ask: Ask::Url("/alive?deep=1".into()),
        expected: [(200, 200)].into(),
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
    let tell = move |news: News<'_>| {
        if let Event::Stands(standing, _) = news.event {
            told.borrow_mut().push((standing.healthy(), standing.reason.into()));
        }
    };
    tokio::task::spawn_local(tending(backend, tell).unwrap());
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
        assert!(tending(&raw.backend, |_| {}).is_none(), "one asks, and nobody beside it");
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
            [(true, String::new()), (false, "its probe: it answers 500, not 200".to_owned())],
            "two of three were good with the first answer, and were not with the third"
        );
        let standing = raw.backend.standing();
        assert_eq!((standing.condition, standing.probe), (Condition::Sick, Some((1, 3))));
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
            assert_eq!(*heard.borrow(), [(false, format!("its probe: {why}"))], "{answer:?}");
        });
    }
    play(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let probe = ProbeConfig { threshold: 1, initial: 1, window: 1, ..probe() };
        let backend = backend(Config { probe: Some(probe), ..config(tcp(dead)) });
        let heard = ask(&backend);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(*heard.borrow(), [(false, "its probe: nobody listens there".to_owned())]);
    });
    // Who begins as sick and is, is heard of once.
    play(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let backend = backend(Config { probe: Some(probe()), ..config(tcp(dead)) });
        assert!(!backend.healthy());
        let heard = ask(&backend);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(*heard.borrow(), [(false, "its probe: nobody listens there".to_owned())]);
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
                    Some(ProbeConfig { ask, expected: [(418, 418)].into(), expect_close: false, ..probe() });
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
        let asking = tokio::task::spawn_local(tending(&raw.backend, |_| {}).unwrap());
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

/// Tends a backend whose probe has just become what it is, and says what came of one question.
async fn one_question<F, A>(each: F, ask: Ask, expected: &[(u16, u16)]) -> (bool, String)
where
    F: Fn(usize, TcpStream) -> A + 'static,
    A: Future<Output = ()> + 'static,
{
    let probe = ProbeConfig {
        ask,
        expected: expected.into(),
        window: 1,
        threshold: 1,
        initial: 0,
        expect_close: false,
        ..probe()
    };
    let raw = raw_with(each, |config| config.probe = Some(probe)).await;
    let heard = self::ask(&raw.backend);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let heard = heard.borrow();
    assert_eq!(heard.len(), 1);
    heard[0].clone()
}

#[test]
fn several_statuses_may_be_good() {
    let answering = |status: &'static str| {
        move |_, mut stream: TcpStream| async move {
            head(&mut stream).await;
            stream.write_all(format!("HTTP/1.1 {status} Well\r\n\r\n").as_bytes()).await.unwrap();
        }
    };
    for (status, good) in [("200", true), ("299", true), ("401", true), ("300", false), ("400", false)] {
        let heard = play(one_question(answering(status), Ask::Url("/".into()), &[(200, 299), (401, 401)]));
        let why = format!("its probe: it answers {status}, not 200-299, 401");
        assert_eq!(heard, (good, if good { String::new() } else { why }));
    }
}

#[test]
fn a_connection_alone_may_be_the_answer() {
    let heard = play(one_question(|_, stream| async move { drop(stream) }, Ask::Connection, &[]));
    assert_eq!(heard, (true, String::new()));
    play(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let probe = ProbeConfig { ask: Ask::Connection, threshold: 1, initial: 1, window: 1, ..probe() };
        let backend = backend(Config { probe: Some(probe), ..config(tcp(dead)) });
        let heard = ask(&backend);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(*heard.borrow(), [(false, "its probe: nobody listens there".to_owned())]);
    });
}

/// Reads FastCGI records up to the one that ends what was asked; their kinds and contents.
async fn records(stream: &mut TcpStream, last: (u8, bool)) -> Vec<(u8, Vec<u8>)> {
    let mut records = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).await.unwrap();
        let mut content = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) + usize::from(head[6])];
        stream.read_exact(&mut content).await.unwrap();
        let end = head[1] == last.0 && content.is_empty() == last.1;
        records.push((head[1], content));
        if end {
            return records;
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_fastcgi_server_is_asked_in_its_own_words() {
    let values = |kind: u8| {
        move |_, mut stream: TcpStream| async move {
            let asked = records(&mut stream, (9, false)).await;
            assert!(contains(&asked[0].1, b"FCGI_MAX_CONNS"));
            let answer = [&[1, kind, 0, 0, 0, 17, 7, 0][..], b"\x0e\x01FCGI_MAX_CONNS8", &[0; 7]].concat();
            stream.write_all(&answer).await.unwrap();
            std::future::pending::<()>().await;
        }
    };
    assert_eq!(play(one_question(values(10), Ask::Values, &[])), (true, String::new()));
    let other = play(one_question(values(11), Ask::Values, &[]));
    assert_eq!(other, (false, "its probe: it does not answer what it was asked".to_owned()));
    let web = |_, mut stream: TcpStream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    let other = play(one_question(web, Ask::Values, &[]));
    assert_eq!(other, (false, "its probe: its answer is no FastCGI".to_owned()));

    let script = |said: &'static str, refused: u8| {
        move |_, mut stream: TcpStream| async move {
            let asked = records(&mut stream, (5, true)).await;
            assert_eq!(asked.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [1, 4, 4, 5]);
            assert!(contains(&asked[1].1, b"\x0b\x05SCRIPT_NAME/ping"), "{asked:?}");
            let length = u8::try_from(said.len()).unwrap();
            let mut answer = vec![1, 7, 0, 1, 0, 3, 0, 0, b'o', b'h', b'!'];
            answer.extend([1, 6, 0, 1, 0, length, 0, 0]);
            answer.extend(said.as_bytes());
            answer.extend([1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, refused, 0, 0, 0]);
            stream.write_all(&answer).await.unwrap();
            std::future::pending::<()>().await;
        }
    };
    let ping = || Ask::Script("/ping?full=1".into());
    for (said, refused, heard) in [
        ("Content-type: text/plain\r\n\r\npong", 0, ""),
        ("Status: 404 Not Found\r\n\r\n", 0, "its probe: it answers 404, not 200"),
        ("", 0, "its probe: its answer ends within its header"),
        ("X: y\r\n\r\n", 2, "its probe: it refused the request"),
    ] {
        let told = play(one_question(script(said, refused), ping(), &[(200, 200)]));
        assert_eq!(told, (heard.is_empty(), heard.to_owned()), "{said:?}");
    }
}
