//! `.workers`, and the line before a backend: how many connections there are at once, who gets the next one, and
//! what becomes of those who wait.

use tokio::task::{JoinHandle, spawn_local};

use super::*;
use crate::base::cause::Cause;
use crate::base::clock;

/// An old server with a process for each connection: counts those it has, and serves each request for as long as
/// its body says in seconds.
struct Prefork {
    raw: Raw,
    /// Connections open now, the most there were, and the numbers of requests in their order.
    open: Rc<Cell<usize>>,
    most: Rc<Cell<usize>>,
    served: Rc<RefCell<Vec<String>>>,
}

impl Prefork {
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (open, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let served = Rc::<RefCell<Vec<String>>>::default();
        let (opened, peak, list) = (Rc::clone(&open), Rc::clone(&most), Rc::clone(&served));
        let serve = move |_, mut stream: TcpStream| {
            let (open, most, served) = (Rc::clone(&opened), Rc::clone(&peak), Rc::clone(&list));
            async move {
                open.set(open.get() + 1);
                most.set(most.get().max(open.get()));
                loop {
                    let head = head(&mut stream).await;
                    let Some(path) = head.split(' ').nth(1) else { break };
                    served.borrow_mut().push(path.to_owned());
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
                        break;
                    }
                }
                open.set(open.get() - 1);
            }
        };
        let raw = raw_with(serve, change).await;
        Self { raw, open, most, served }
    }

    fn backend(&self) -> &Arc<Backend> {
        &self.raw.backend
    }

    fn ask(&self, pool: &Pool, path: &str) -> JoinHandle<Result<String, Fault>> {
        let (pool, backend) = (pool.clone(), Arc::clone(&self.raw.backend));
        let mut request = get();
        *request.uri_mut() = path.parse().unwrap();
        spawn_local(async move { text(&pool, &backend, request).await })
    }
}

fn cause(outcome: Result<String, Fault>) -> Cause {
    outcome.unwrap_err().cause
}

#[test]
fn the_connections_of_all_workers_together_are_never_more_than_the_server_has_processes() {
    play(async {
        let old = Prefork::with(|config| config.workers = 3).await;
        let pools: Vec<Pool> = (0..4).map(|_| Pool::new()).collect();
        let visits: Vec<_> =
            (0..40).map(|number| old.ask(&pools[number % 4], &format!("/{number}"))).collect();
        settle().await;
        assert_eq!((old.backend().permits(), old.backend().waiting()), (3, 37));
        assert_eq!(old.backend().figures().waited, 37);
        // Three at a time, a second each: the last ones wait longer than ten seconds.
        for (number, visit) in visits.into_iter().enumerate() {
            match visit.await.unwrap() {
                Ok(_) => assert!(number < 30, "{number}"),
                Err(fault) => {
                    assert!(number >= 30 && fault.cause == Cause::MaxConnections, "{number}: {fault}");
                }
            }
        }
        assert_eq!(old.most.get(), 3);
        // First come, first served, from whichever worker.
        let order: Vec<usize> = old.served.borrow().iter().map(|path| path[1..].parse().unwrap()).collect();
        for (at, number) in order.iter().enumerate() {
            assert!(at.abs_diff(*number) < 3, "{order:?}");
        }
        settle().await;
        // At rest they are still its: exactly as many as it has open.
        assert_eq!(old.backend().permits(), old.open.get());
        assert_eq!(old.backend().permits(), pools.iter().map(|pool| pool.idle(old.backend())).sum::<usize>());
    });
}

#[test]
fn what_rests_at_another_worker_is_used_before_anybody_waits_for_long() {
    play(async {
        let old = Prefork::with(|config| config.workers = 1).await;
        let (one, other) = (Pool::new(), Pool::new());
        old.ask(&one, "/").await.unwrap().unwrap();
        assert_eq!((one.idle(old.backend()), old.backend().permits()), (1, 1));
        let began = clock::now();
        old.ask(&other, "/").await.unwrap().unwrap();
        assert_eq!(began.elapsed().as_secs(), 1, "the second of the server's own work");
        assert_eq!((one.idle(old.backend()), other.idle(old.backend())), (0, 1));
        assert_eq!((old.most.get(), old.raw.accepted.get()), (1, 2));
        // The same worker uses it as it is.
        let (second, third) = (old.ask(&other, "/a"), old.ask(&other, "/b"));
        second.await.unwrap().unwrap();
        third.await.unwrap().unwrap();
        assert_eq!(old.raw.accepted.get(), 2);
    });
}

#[test]
fn a_line_has_its_length_and_who_leaves_it_makes_room() {
    play(async {
        let old = Prefork::with(|config| (config.workers, config.queue) = (1, Some(2))).await;
        let pool = Pool::new();
        let first = old.ask(&pool, "/1");
        settle().await;
        let (second, third) = (old.ask(&pool, "/2"), old.ask(&pool, "/3"));
        settle().await;
        let fault = old.ask(&pool, "/4").await.unwrap().unwrap_err();
        assert_eq!(fault.cause, Cause::QueueFull);
        assert!(fault.detail().contains("2 requests wait"), "{fault}");
        second.abort();
        settle().await;
        assert_eq!(old.backend().waiting(), 1);
        let fifth = old.ask(&pool, "/5");
        for visit in [first, third, fifth] {
            visit.await.unwrap().unwrap();
        }
        assert_eq!(*old.served.borrow(), ["/1", "/3", "/5"]);
        assert_eq!((old.backend().permits(), old.backend().waiting()), (1, 0));

        let none = Prefork::with(|config| (config.workers, config.queue) = (1, Some(0))).await;
        let first = none.ask(&pool, "/");
        settle().await;
        assert_eq!(cause(none.ask(&pool, "/").await.unwrap()), Cause::MaxConnections);
        first.await.unwrap().unwrap();
    });
}

#[test]
fn who_leaves_in_the_moment_of_his_turn_loses_nobody_a_place() {
    play(async {
        for leaves_after in 0..40 {
            let old = Prefork::with(|config| config.workers = 1).await;
            let (one, other) = (Pool::new(), Pool::new());
            let first = old.ask(&one, "/1");
            settle().await;
            // One of the same worker, who is given the connection, and one of another, who is given its permit.
            let visits = [old.ask(&one, "/2"), old.ask(&other, "/3"), old.ask(&one, "/4")];
            settle().await;
            first.await.unwrap().unwrap();
            for _ in 0..leaves_after {
                tokio::task::yield_now().await;
            }
            let [second, third, fourth] = visits;
            second.abort();
            third.abort();
            let began = clock::now();
            fourth.await.unwrap().unwrap();
            assert!(began.elapsed().as_secs() <= 3, "{leaves_after}");
            settle().await;
            assert_eq!((old.backend().permits(), old.backend().waiting()), (1, 0), "{leaves_after}");
            assert_eq!(old.backend().figures().connections_open, 1, "{leaves_after}");
        }
    });
}

#[test]
fn a_wait_has_its_time() {
    play(async {
        let old = Prefork::with(|config| {
            (config.workers, config.queue_timeout) = (1, Duration::from_millis(400));
        })
        .await;
        let pool = Pool::new();
        let first = old.ask(&pool, "/1");
        settle().await;
        let began = clock::now();
        let fault = old.ask(&pool, "/2").await.unwrap().unwrap_err();
        assert_eq!((fault.cause, began.elapsed().as_millis()), (Cause::MaxConnections, 400));
        assert!(fault.detail().contains("in time"), "{fault}");
        assert_eq!(old.backend().waiting(), 0);
        first.await.unwrap().unwrap();
    });
}

#[test]
fn requests_may_wait_for_their_turn_too_where_a_queue_is_said() {
    play(async {
        let old = Prefork::with(|config| (config.max_connections, config.queue) = (1, Some(1))).await;
        let (one, other) = (Pool::new(), Pool::new());
        let first = old.ask(&one, "/1");
        settle().await;
        let second = old.ask(&other, "/2");
        settle().await;
        assert_eq!(cause(old.ask(&one, "/3").await.unwrap()), Cause::QueueFull);
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        // Requests are counted, not connections: each worker keeps its own.
        assert_eq!((old.backend().permits(), old.open.get()), (0, 2));
    });
}

#[test]
fn who_waits_for_a_server_that_is_gone_is_told_so() {
    play(async {
        // It answers once, then nobody listens any more.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let old = backend(Config { workers: 1, ..config(tcp(port)) });
        let pool = Pool::new();
        let visits: Vec<_> = (0..5)
            .map(|_| {
                let (pool, old) = (pool.clone(), Arc::clone(&old));
                spawn_local(async move { text(&pool, &old, get()).await })
            })
            .collect();
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        settle().await;
        assert_eq!(old.waiting(), 4);
        drop(listener);
        let began = clock::now();
        drop(stream);
        let mut causes = Vec::new();
        for visit in visits {
            causes.push(cause(visit.await.unwrap()));
        }
        assert!(matches!(causes[0], Cause::Read | Cause::Write), "{causes:?}");
        assert_eq!(causes[1..], [Cause::Refused; 4]);
        assert!(began.elapsed().is_zero());
        settle().await;
        assert_eq!((old.permits(), old.waiting()), (0, 0));
    });
}

#[test]
fn a_server_that_falls_sick_sends_those_who_wait_away() {
    play(async {
        let old = Prefork::with(|config| config.workers = 1).await;
        let pool = Pool::new();
        let first = old.ask(&pool, "/1");
        settle().await;
        let second = old.ask(&pool, "/2");
        settle().await;
        // Its probe has just failed.
        let window = crate::upstream::health::Window::new(1, 1, 0);
        old.backend().0.health.probed(window, Some("it hung up".into()), clock::now(), clock::wall());
        old.backend().0.send_away();
        let began = clock::now();
        assert_eq!(cause(second.await.unwrap()), Cause::Unhealthy);
        assert!(began.elapsed().is_zero());
        first.await.unwrap().unwrap();
    });
}

#[test]
fn a_kept_connection_that_was_dead_gives_its_place_to_the_next_try() {
    play(async {
        let raw = raw_with(
            |number, mut stream| async move {
                head(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                if number == 1 {
                    // Hangs up on the second request without a word.
                    head(&mut stream).await;
                } else {
                    always(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            },
            |config| (config.workers, config.queue) = (1, Some(0)),
        )
        .await;
        let pool = Pool::new();
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "ok");
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "ok");
        assert_eq!((raw.accepted.get(), raw.backend.permits()), (2, 1));
    });
}

#[test]
fn a_connection_that_ends_at_rest_gives_its_place_back_at_once() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                head(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                tokio::time::sleep(Duration::from_secs(5)).await;
            },
            |config| config.workers = 1,
        )
        .await;
        let pool = Pool::new();
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "ok");
        assert_eq!(raw.backend.permits(), 1);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(raw.backend.permits(), 0);
        // An answer that nobody wants, and a tunnel, hold theirs until their socket is closed.
        let answer = pool.send(&raw.backend, get(), None).await.unwrap();
        drop(answer);
        settle().await;
    });
}

#[test]
fn a_tunnel_is_one_of_its_connections() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                head(&mut stream).await;
                let answer = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
                head(&mut stream).await;
            },
            |config| (config.workers, config.queue) = (1, Some(0)),
        )
        .await;
        let mut asking = get();
        asking.headers_mut().insert("connection", "upgrade".parse().unwrap());
        asking.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, asking, None).await.unwrap();
        settle().await;
        assert_eq!(raw.backend.permits(), 1);
        assert_eq!(cause(text(&pool, &raw.backend, get()).await), Cause::MaxConnections);
        drop(answer);
        settle().await;
        assert_eq!(raw.backend.permits(), 0);
    });
}

/// Threads of their own, as the house's workers are.
#[test]
fn workers_on_threads_of_their_own_share_exactly() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let backend = backend(Config { workers: 2, queue: Some(1_000), ..config(tcp(port)) });
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in server.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut seen = Vec::new();
                let mut byte = [0; 1];
                while stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    seen.push(byte[0]);
                    if seen.ends_with(b"\r\n\r\n") {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let backend = Arc::clone(&backend);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                LocalSet::new().block_on(&runtime, async {
                    let pool = Pool::new();
                    let mut visits = Vec::new();
                    for _ in 0..8 {
                        let (pool, backend) = (pool.clone(), Arc::clone(&backend));
                        visits.push(spawn_local(async move {
                            for _ in 0..40 {
                                assert_eq!(text(&pool, &backend, get()).await.unwrap(), "ok");
                                assert!(backend.permits() <= 2);
                            }
                        }));
                    }
                    for visit in visits {
                        visit.await.unwrap();
                    }
                    // What rests here is the others', who may still wait for it: the worker goes on a while.
                    while backend.waiting() > 0 {
                        tokio::task::yield_now().await;
                    }
                });
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!((backend.permits(), backend.waiting()), (0, 0));
    assert_eq!(backend.figures().requests, 4 * 8 * 40);
}
