//! Backends that speak HTTP/2, good and bad.

use h2::Reason;
use h2::server::{self, SendResponse};
use http::{HeaderMap, Response, StatusCode, Version};

use super::*;
use crate::base::cause::Cause;
use crate::message::Hints;

type Asked = Request<h2::RecvStream>;
type Reply = SendResponse<Bytes>;

/// A backend that answers each request of each connection as `each` says.
async fn h2c<F, A>(each: F) -> Raw
where
    F: Fn(usize, Asked, Reply) -> A + Clone + 'static,
    A: Future<Output = ()> + 'static,
{
    h2c_with(server::Builder::new(), each, |_| {}).await
}

async fn h2c_with<F, A>(builder: server::Builder, each: F, change: impl FnOnce(&mut Config)) -> Raw
where
    F: Fn(usize, Asked, Reply) -> A + Clone + 'static,
    A: Future<Output = ()> + 'static,
{
    raw_with(
        move |number, stream| {
            let (each, builder) = (each.clone(), builder.clone());
            async move {
                let Ok(mut connection) = builder.handshake(stream).await else { return };
                while let Some(Ok((request, reply))) = connection.accept().await {
                    tokio::task::spawn_local(each(number, request, reply));
                }
            }
        },
        |config| {
            config.protocol = Protocol::Http2;
            change(config);
        },
    )
    .await
}

fn ok() -> Response<()> {
    Response::new(())
}

fn say(mut reply: Reply, text: &'static str) {
    let mut body = reply.send_response(ok(), text.is_empty()).unwrap();
    if !text.is_empty() {
        body.send_data(Bytes::from_static(text.as_bytes()), true).unwrap();
    }
}

async fn all_of(mut body: h2::RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
    }
    bytes
}

#[test]
fn many_requests_share_one_connection() {
    play(async {
        let raw = h2c(|_, asked, reply| async move {
            assert_eq!(asked.uri().to_string(), "http://Old.Example:8443/a?b=c");
            assert_eq!(asked.version(), Version::HTTP_2);
            assert!(!asked.headers().contains_key("host") && !asked.headers().contains_key("connection"));
            say(reply, "hi");
        })
        .await;
        let pool = Pool::new();
        for _ in 0..3 {
            assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        }
        let mut asked = get();
        asked.headers_mut().insert("connection", "keep-alive".parse().unwrap());
        let all = [get(), get(), asked].map(|asked| Box::pin(text(&pool, &raw.backend, asked)));
        for one in all {
            assert_eq!(one.await.unwrap(), "hi");
        }
        let figures = raw.backend.figures();
        assert_eq!((raw.accepted.get(), figures.requests, figures.in_flight), (1, 6, 0));
        assert_eq!((figures.connections_open, pool.idle(&raw.backend)), (1, 1));
    });
}

#[test]
fn requests_at_once_open_one_connection_and_more_only_when_it_is_full() {
    play(async {
        let gate = Rc::new(tokio::sync::Semaphore::new(0));
        let held = Rc::clone(&gate);
        let mut builder = server::Builder::new();
        builder.max_concurrent_streams(2);
        let raw = h2c_with(
            builder,
            move |_, _, reply| {
                let held = Rc::clone(&held);
                async move {
                    held.acquire().await.unwrap().forget();
                    say(reply, "hi");
                }
            },
            |_| {},
        )
        .await;
        let pool = Pool::new();
        // The first connection tells how much it takes.
        gate.add_permits(1);
        text(&pool, &raw.backend, get()).await.unwrap();
        let asking: Vec<_> = (0..5)
            .map(|_| {
                let (pool, backend) = (pool.clone(), Arc::clone(&raw.backend));
                tokio::task::spawn_local(async move { text(&pool, &backend, get()).await })
            })
            .collect();
        while raw.backend.in_flight() < 5 || raw.accepted.get() < 2 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(5);
        for one in asking {
            assert_eq!(one.await.unwrap().unwrap(), "hi");
        }
        assert!((2..=3).contains(&raw.accepted.get()), "{}", raw.accepted.get());
    });
}

#[test]
fn bodies_and_trailers_travel_both_ways() {
    play(async {
        let raw = h2c(|_, asked, mut reply| async move {
            let bytes = all_of(asked.into_body()).await;
            let mut head = ok();
            head.headers_mut().insert("x-length", bytes.len().into());
            let mut body = reply.send_response(head, false).unwrap();
            body.send_data(bytes.into(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-end", "yes".parse().unwrap());
            trailers.insert("set-cookie", "no".parse().unwrap());
            body.send_trailers(trailers).unwrap();
        })
        .await;
        let pool = Pool::new();
        let feed = Feed::default();
        for piece in [&b"one "[..], b"two ", b"three"] {
            feed.give(Ok(Bytes::from_static(piece)));
        }
        feed.end();
        for body in [feed.body(), Body::full("one two three")] {
            let answer = pool.send(&raw.backend, request("POST", body), None).await.unwrap();
            assert_eq!(answer.head.headers()["x-length"], "13");
            let (bytes, trailers, fault) = drain(answer.body).await;
            assert_eq!((&*bytes, fault), (&b"one two three"[..], None));
            let trailers = trailers.unwrap();
            assert!(trailers.contains_key("x-end") && !trailers.contains_key("set-cookie"));
        }
    });
}

#[test]
fn what_the_backend_surely_did_not_touch_is_asked_again() {
    for (method, reason, again) in [
        ("GET", Reason::REFUSED_STREAM, true),
        ("POST", Reason::REFUSED_STREAM, true),
        ("GET", Reason::INTERNAL_ERROR, false),
        ("POST", Reason::INTERNAL_ERROR, false),
        ("GET", Reason::ENHANCE_YOUR_CALM, false),
    ] {
        play(async {
            let times = Rc::new(Cell::new(0));
            let counted = Rc::clone(&times);
            let raw = h2c(move |_, _, mut reply| {
                counted.set(counted.get() + 1);
                let first = counted.get() == 1;
                async move {
                    if first {
                        reply.send_reset(reason);
                    } else {
                        say(reply, "hi");
                    }
                }
            })
            .await;
            let body = if method == "POST" { Body::full("form") } else { Body::Empty };
            let got = text(&Pool::new(), &raw.backend, request(method, body)).await;
            let expected = if again { Ok("hi".to_owned()) } else { Err(Cause::Read) };
            assert_eq!(got.map_err(|fault| fault.cause), expected, "{method} {reason:?}");
            assert_eq!(times.get(), 1 + usize::from(again));
        });
    }
}

#[test]
fn a_connection_that_went_away_is_replaced_unseen() {
    play(async {
        let raw = raw_with(
            |_, stream| async move {
                let mut connection = server::handshake(stream).await.unwrap();
                let (_, reply) = connection.accept().await.unwrap().unwrap();
                say(reply, "hi");
                connection.graceful_shutdown();
                while connection.accept().await.is_some() {}
            },
            |config| config.protocol = Protocol::Http2,
        )
        .await;
        let pool = Pool::new();
        for round in 1..4 {
            assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
            settle().await;
            assert_eq!(raw.accepted.get(), round);
        }
    });
}

#[test]
fn what_is_wrong_has_its_cause() {
    async fn cause<F, A>(each: F) -> Cause
    where
        F: Fn(usize, Asked, Reply) -> A + Clone + 'static,
        A: Future<Output = ()> + 'static,
    {
        let raw = h2c(each).await;
        let cause = text(&Pool::new(), &raw.backend, get()).await.unwrap_err().cause;
        assert_eq!(raw.backend.figures().faults, [(cause, 1)]);
        assert_eq!(raw.backend.in_flight(), 0);
        cause
    }
    play(async {
        let silent = cause(|_, _, reply| async move {
            std::future::pending::<()>().await;
            drop(reply);
        });
        assert_eq!(silent.await, Cause::FirstByteTimeout);
        let stalls = cause(|_, _, mut reply| async move {
            let mut body = reply.send_response(ok(), false).unwrap();
            body.send_data(Bytes::from_static(b"half"), false).unwrap();
            std::future::pending::<()>().await;
        });
        assert_eq!(stalls.await, Cause::BetweenBytes);
        let cut = cause(|_, _, mut reply| async move {
            let mut body = reply.send_response(ok(), false).unwrap();
            body.send_data(Bytes::from_static(b"half"), false).unwrap();
            settle().await;
            body.send_reset(Reason::INTERNAL_ERROR);
        });
        assert_eq!(cut.await, Cause::Read);
        let short = cause(|_, _, mut reply| async move {
            let mut head = ok();
            head.headers_mut().insert("content-length", "10".parse().unwrap());
            let mut body = reply.send_response(head, false).unwrap();
            body.send_data(Bytes::from_static(b"half"), true).unwrap();
        });
        assert_eq!(short.await, Cause::Protocol);
        let flood = cause(|_, _, mut reply| async move {
            for _ in 0..40 {
                let mut hint = ok();
                *hint.status_mut() = StatusCode::EARLY_HINTS;
                if reply.send_informational(hint).is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            say(reply, "hi");
        });
        assert_eq!(flood.await, Cause::Protocol);
    });
}

#[test]
fn who_does_not_speak_http_2_makes_no_sense() {
    for says in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH\r\n"] {
        play(async move {
            let raw = raw_with(
                move |_, mut stream| async move {
                    stream.write_all(says.as_bytes()).await.unwrap();
                    let mut rest = Vec::new();
                    let _ = stream.read_to_end(&mut rest).await;
                },
                |config| config.protocol = Protocol::Http2,
            )
            .await;
            let fault = text(&Pool::new(), &raw.backend, get()).await.unwrap_err();
            assert_eq!(fault.cause, Cause::Protocol, "{}", fault.detail());
        });
    }
    play(async {
        let raw = raw_with(|_, _| async {}, |config| config.protocol = Protocol::Http2).await;
        let fault = text(&Pool::new(), &raw.backend, get()).await.unwrap_err();
        assert_eq!(fault.cause, Cause::Read, "{}", fault.detail());
    });
}

#[test]
fn a_visitor_who_leaves_ends_his_stream_and_no_other() {
    play(async {
        let reset = Rc::new(Cell::new(false));
        let seen = Rc::clone(&reset);
        let raw = h2c(move |_, asked, mut reply| {
            let seen = Rc::clone(&seen);
            async move {
                if asked.method() == Method::GET {
                    return say(reply, "hi");
                }
                let mut body = reply.send_response(ok(), false).unwrap();
                body.send_data(Bytes::from_static(b"half"), false).unwrap();
                let _ = std::future::poll_fn(|cx| body.poll_reset(cx)).await;
                seen.set(true);
            }
        })
        .await;
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, request("REPORT", Body::Empty), None).await.unwrap();
        assert_eq!(raw.backend.in_flight(), 1);
        drop(answer);
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        while !reset.get() {
            tokio::task::yield_now().await;
        }
        assert_eq!((raw.accepted.get(), raw.backend.in_flight()), (1, 0));
    });
}

#[test]
fn who_reads_nothing_is_sent_no_more_than_a_window() {
    play(async {
        let sent = Rc::new(Cell::new(0));
        let counted = Rc::clone(&sent);
        let raw = h2c(move |_, _, mut reply| {
            let counted = Rc::clone(&counted);
            async move {
                let mut body = reply.send_response(ok(), false).unwrap();
                loop {
                    body.reserve_capacity(16 << 10);
                    let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else {
                        return;
                    };
                    counted.set(counted.get() + room);
                    if body.send_data(Bytes::from(vec![0; room]), false).is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, get(), None).await.unwrap();
        for _ in 0..50 {
            settle().await;
        }
        assert!((1..=128 << 10).contains(&sent.get()), "{}", sent.get());
        drop(answer);
    });
}

#[test]
fn who_reads_nothing_keeps_nobody_elses_answer() {
    play(async {
        let raw = h2c(|_, asked, mut reply| async move {
            if asked.uri().path() != "/large" {
                return say(reply, "hi");
            }
            let mut body = reply.send_response(ok(), false).unwrap();
            let mut left = 1 << 20;
            while left > 0 {
                body.reserve_capacity(left);
                let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else { return };
                left -= room;
                if body.send_data(vec![b'x'; room].into(), left == 0).is_err() {
                    return;
                }
            }
        })
        .await;
        let pool = Pool::new();
        // The first tells how many streams there may be, so that all of them ride together.
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        let mut unread = Vec::new();
        for _ in 0..20 {
            let mut large = get();
            *large.uri_mut() = "/large".parse().unwrap();
            unread.push(pool.send(&raw.backend, large, None).await.unwrap());
        }
        // What their windows hold comes in.
        for _ in 0..200 {
            settle().await;
        }
        let (asking, backend) = (pool.clone(), Arc::clone(&raw.backend));
        let asking = tokio::task::spawn_local(async move { text(&asking, &backend, get()).await });
        for _ in 0..1_000 {
            settle().await;
        }
        assert!(asking.is_finished(), "somebody else's answer comes");
        assert_eq!(asking.await.unwrap().unwrap(), "hi");
        assert_eq!(raw.accepted.get(), 1, "on the same connection");
        drop(unread);
    });
}

#[test]
fn interim_answers_go_ahead() {
    play(async {
        let raw = h2c(|_, _, mut reply| async move {
            let mut hint = ok();
            *hint.status_mut() = StatusCode::EARLY_HINTS;
            hint.headers_mut().insert("link", "</a.css>; rel=preload".parse().unwrap());
            reply.send_informational(hint).unwrap();
            settle().await;
            say(reply, "hi");
        })
        .await;
        let hints = Hints::default();
        let answer = Pool::new().send(&raw.backend, get(), Some(hints.clone())).await.unwrap();
        assert_eq!(answer.head.status(), 200);
        let hint = std::future::poll_fn(|cx| hints.poll_next(cx)).await;
        assert_eq!(hint.status(), 103);
        assert!(hint.headers().contains_key("link"));
    });
}

#[test]
fn a_probe_asks_by_http_2() {
    for (path, well) in [("/alive", true), ("/none", false)] {
        play(async {
            let raw = h2c_with(
                server::Builder::new(),
                |_, asked, mut reply| async move {
                    let mut head = ok();
                    if asked.uri().path() != "/alive" {
                        *head.status_mut() = StatusCode::NOT_FOUND;
                    }
                    reply.send_response(head, true).unwrap();
                },
                |config| {
                    config.probe = Some(ProbeConfig {
                        ask: Ask::Url(path.into()),
                        expected: [(200, 200)].into(),
                        timeout: Duration::from_secs(2),
                        interval: Duration::from_secs(5),
                        window: 1,
                        threshold: 1,
                        initial: 0,
                        expect_close: true,
                    });
                },
            )
            .await;
            let (told, heard) = oneshot();
            tokio::task::spawn_local(tending(&raw.backend, told).unwrap());
            let news = heard.await;
            assert_eq!(news, (well, if well { "" } else { "its probe: it answers 404, not 200" }.to_owned()));
        });
    }
}

/// Somebody to tell, and what he was told first.
fn oneshot() -> (impl Fn(News<'_>), impl Future<Output = (bool, String)>) {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |news: News<'_>| {
        if let Event::Stands(standing, _) = news.event {
            drop(told.send((standing.healthy(), standing.reason.into())));
        }
    };
    (tell, async move { heard.recv().await.unwrap() })
}

#[test]
fn a_websocket_is_told_that_it_needs_another_way() {
    play(async {
        let raw = h2c(|_, _, reply| async { say(reply, "hi") }).await;
        let mut asked = get();
        asked.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        asked.headers_mut().insert("connection", "upgrade".parse().unwrap());
        let fault = text(&Pool::new(), &raw.backend, asked).await.unwrap_err();
        assert!(
            fault.cause == Cause::NotImplemented && fault.detail().contains("http://"),
            "{}",
            fault.detail()
        );
    });
}
