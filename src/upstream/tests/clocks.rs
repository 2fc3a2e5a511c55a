//! Waiting: how long, for what, and whose fault it is.

use super::*;
use crate::base::cause::Cause;
use crate::base::clock;

#[test]
fn a_silent_backend_is_given_up_on_time() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            head(&mut stream).await;
        })
        .await;
        let began = clock::now();
        let fault = text(&Pool::new(), &raw.backend, get()).await.unwrap_err();
        assert_eq!(fault.cause, Cause::FirstByteTimeout);
        assert_eq!(clock::now().duration_since(began).as_secs(), 60);
        assert!(fault.detail().contains("`old`") && !fault.detail().contains("127.0.0.1"), "{fault}");
        settle().await;
        let figures = raw.backend.figures();
        assert_eq!((figures.in_flight, figures.connections_open), (0, 0));
        assert_eq!(figures.faults, vec![(Cause::FirstByteTimeout, 1)]);
    });
}

#[test]
fn interim_answers_do_not_buy_time() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            for _ in 0..20 {
                let _ = stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await;
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        })
        .await;
        let began = clock::now();
        let fault = text(&Pool::new(), &raw.backend, get()).await.unwrap_err();
        assert_eq!(
            (fault.cause, clock::now().duration_since(began).as_secs()),
            (Cause::FirstByteTimeout, 60)
        );
    });
}

#[test]
fn the_first_byte_clock_waits_for_a_slow_upload() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            let mut body = Vec::new();
            while !body.ends_with(b"0\r\n\r\n") {
                body.push(stream.read_u8().await.unwrap());
            }
            tokio::time::sleep(Duration::from_secs(59)).await;
            stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            head(&mut stream).await;
        })
        .await;
        let feed = Feed::default();
        let visitor = feed.clone();
        tokio::task::spawn_local(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                visitor.give(Ok("piece".into()));
            }
            tokio::time::sleep(Duration::from_secs(100)).await;
            visitor.end();
        });
        let pool = Pool::new();
        assert_eq!(text(&pool, &raw.backend, request("PUT", feed.body())).await.unwrap(), "ok");
        assert_eq!(pool.idle(&raw.backend), 1);
    });
}

#[test]
fn after_the_upload_the_clock_runs() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
        })
        .await;
        let feed = Feed::default();
        feed.give(Ok("piece".into()));
        feed.end();
        let began = clock::now();
        let fault = text(&Pool::new(), &raw.backend, request("PUT", feed.body())).await.unwrap_err();
        assert_eq!(
            (fault.cause, clock::now().duration_since(began).as_secs()),
            (Cause::FirstByteTimeout, 60)
        );
    });
}

#[test]
fn a_backend_that_takes_no_more_of_an_upload_is_given_up() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            std::future::pending::<()>().await;
        })
        .await;
        let feed = Feed::default();
        for _ in 0..400 {
            feed.give(Ok(Bytes::from(vec![0; 64 << 10])));
        }
        let fault = text(&Pool::new(), &raw.backend, request("PUT", feed.body())).await.unwrap_err();
        assert_eq!(fault.cause, Cause::FirstByteTimeout);
        assert!(
            !feed.0.borrow().pieces.is_empty(),
            "what the backend does not take is not read from the visitor"
        );
    });
}

#[test]
fn the_visitors_own_fault_is_not_the_backends() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            assert!(!all.ends_with(b"0\r\n\r\n"), "a broken upload must not look complete");
        })
        .await;
        let feed = Feed::default();
        feed.give(Ok("piece".into()));
        feed.give(Err(Fault::with(Cause::BodyTimeout, "the visitor sends nothing")));
        let fault = text(&Pool::new(), &raw.backend, request("PUT", feed.body())).await.unwrap_err();
        assert_eq!((fault.cause, fault.detail()), (Cause::BodyTimeout, "the visitor sends nothing"));
        assert_eq!(raw.backend.figures().faults, vec![]);
    });
}

#[test]
fn an_answer_may_pause_but_not_for_ever() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").await.unwrap();
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(59)).await;
                stream.write_all(b"x").await.unwrap();
            }
            head(&mut stream).await;
        })
        .await;
        let began = clock::now();
        let answer = Pool::new().send(&raw.backend, get(), None).await.unwrap();
        let (bytes, _, fault) = drain(answer.body).await;
        assert_eq!((bytes.len(), fault.unwrap().cause), (5, Cause::BetweenBytes));
        assert_eq!(clock::now().duration_since(began).as_secs(), 5 * 59 + 60);
        settle().await;
        assert_eq!(raw.backend.figures().connections_open, 0);
    });
}

#[test]
fn a_slow_reader_is_not_the_backends_pause() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await.unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
            stream.write_all(b"world").await.unwrap();
            head(&mut stream).await;
        })
        .await;
        let answer = Pool::new().send(&raw.backend, get(), None).await.unwrap();
        let mut body = std::pin::pin!(answer.body);
        let mut next = async || std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        assert!(next().await.unwrap().is_ok());
        // The pause begins to be waited for, then the visitor reads nothing for an hour.
        let _ = tokio::time::timeout(Duration::from_secs(1), next()).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(next().await.unwrap().unwrap().into_data().unwrap(), "world");
    });
}

#[test]
fn short_limits_are_kept_on_connections_that_had_long_ones() {
    play(async {
        // First byte 60 s, between bytes 1 s: the same alarm serves both.
        let raw = raw_with(
            |_, mut stream| async move {
                head(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await.unwrap();
                head(&mut stream).await;
            },
            |config| config.between_bytes_timeout = Duration::from_secs(1),
        )
        .await;
        let began = clock::now();
        let answer = Pool::new().send(&raw.backend, get(), None).await.unwrap();
        assert_eq!(drain(answer.body).await.2.unwrap().cause, Cause::BetweenBytes);
        assert_eq!(clock::now().duration_since(began).as_secs(), 1);
    });
}

#[test]
fn zero_is_no_limit() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                head(&mut stream).await;
                tokio::time::sleep(Duration::from_secs(100_000)).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await.unwrap();
                tokio::time::sleep(Duration::from_secs(100_000)).await;
                stream.write_all(b"hi").await.unwrap();
            },
            |config| {
                config.connect_timeout = Duration::ZERO;
                config.first_byte_timeout = Duration::ZERO;
                config.between_bytes_timeout = Duration::ZERO;
            },
        )
        .await;
        assert_eq!(text(&Pool::new(), &raw.backend, get()).await.unwrap(), "hi");
    });
}

#[test]
fn a_full_queue_is_a_connection_that_does_not_come() {
    play(async {
        let dir = std::env::temp_dir()
            .join(format!("doorward-upstream-{}", crate::base::random::RequestId::next()));
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&socket2::SockAddr::unix(&dir).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let backend = backend(config(Address::Unix(dir.clone())));
        let mut queue = Vec::new();
        loop {
            let next = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
            next.set_nonblocking(true).unwrap();
            let outcome = next.connect(&socket2::SockAddr::unix(&dir).unwrap());
            queue.push(next);
            if outcome.is_err() {
                break;
            }
        }
        let began = clock::now();
        let fault = text(&Pool::new(), &backend, get()).await.unwrap_err();
        assert_eq!((fault.cause, clock::now().duration_since(began).as_secs()), (Cause::ConnectTimeout, 3));
        std::fs::remove_file(&dir).unwrap();
    });
}
