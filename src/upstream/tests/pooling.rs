//! Which connection a request takes, what is tried twice, and what is closed.

use super::*;
use crate::base::cause::Cause;
use crate::base::clock;
use crate::message::Hints;

const HI: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn one_connection_serves_one_request_after_the_other() {
    play(async {
        let raw = raw(|_, stream| always(stream, HI)).await;
        let pool = Pool::new();
        for _ in 0..5 {
            assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        }
        assert_eq!((raw.accepted.get(), pool.idle(&raw.backend)), (1, 1));
        let figures = raw.backend.figures();
        assert_eq!((figures.requests, figures.in_flight, figures.connections_open), (5, 0, 1));
    });
}

#[test]
fn what_is_sent_is_what_was_meant() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            loop {
                let said = head(&mut stream).await;
                let length = said
                    .to_lowercase()
                    .split("content-length: ")
                    .nth(1)
                    .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
                let mut body = vec![0; length];
                if said.contains("chunked") {
                    body.clear();
                    while !body.ends_with(b"\r\n\r\n") {
                        body.push(stream.read_u8().await.unwrap());
                    }
                } else if stream.read_exact(&mut body).await.is_err() || said.is_empty() {
                    return;
                }
                let echo = format!("{said}{}", String::from_utf8(body).unwrap());
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{echo}", echo.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await;
        let pool = Pool::new();
        let mut many = get();
        many.headers_mut().append("dav", "a".parse().unwrap());
        many.headers_mut().append("dav", "b".parse().unwrap());
        *many.version_mut() = http::Version::HTTP_2;
        let feed = Feed::default();
        feed.give(Ok("one".into()));
        feed.give(Ok("two".into()));
        feed.end();
        let chunks = feed.clone();
        let mut lying = request("POST", Body::full("four"));
        lying.headers_mut().append("content-length", "9".parse().unwrap());
        lying.headers_mut().append("transfer-encoding", "chunked".parse().unwrap());
        let first = "/a?b=c HTTP/1.1\r\nhost: Old.Example:8443\r\n";
        for (request, expected) in [
            (get(), format!("GET {first}\r\n")),
            (many, format!("GET {first}dav: a\r\ndav: b\r\n\r\n")),
            (request("POST", Body::Empty), format!("POST {first}content-length: 0\r\n\r\n")),
            (request("POST", Body::full("four")), format!("POST {first}content-length: 4\r\n\r\nfour")),
            (lying, format!("POST {first}content-length: 4\r\n\r\nfour")),
            (
                request("GET", chunks.body()),
                format!("GET {first}transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
            ),
        ] {
            assert_eq!(text(&pool, &raw.backend, request).await.unwrap(), expected);
        }
        assert_eq!(raw.accepted.get(), 1);
    });
}

#[test]
fn the_host_may_be_another() {
    play(async {
        let raw = raw_with(
            |_, mut stream| async move {
                assert!(head(&mut stream).await.contains("host: inner.example\r\n"));
                stream.write_all(HI.as_bytes()).await.unwrap();
            },
            |config| config.host_header = Some("inner.example".into()),
        )
        .await;
        assert_eq!(text(&Pool::new(), &raw.backend, get()).await.unwrap(), "hi");
    });
}

/// A backend that answers the first request on each connection and dies on the second, having read it.
async fn dies_on_second() -> Raw {
    raw(|number, mut stream| async move {
        head(&mut stream).await;
        stream.write_all(HI.as_bytes()).await.unwrap();
        if number > 1 {
            head(&mut stream).await;
        }
        head(&mut stream).await;
    })
    .await
}

#[test]
fn a_safe_request_lost_on_a_kept_connection_is_asked_again() {
    for method in ["GET", "OPTIONS", "PROPFIND", "REPORT"] {
        play(async {
            let raw = dies_on_second().await;
            let pool = Pool::new();
            assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
            assert_eq!(
                text(&pool, &raw.backend, request(method, Body::Empty)).await.unwrap(),
                "hi",
                "{method}"
            );
            let figures = raw.backend.figures();
            assert_eq!((figures.retries, raw.accepted.get(), figures.requests), (1, 2, 2), "{method}");
        });
    }
}

#[test]
fn what_a_backend_may_have_acted_on_is_never_asked_twice() {
    for (method, body) in [
        ("PUT", "x"),
        ("POST", ""),
        ("POST", "x"),
        ("MERGE", "x"),
        ("DELETE", ""),
        ("LOCK", ""),
        ("PROPFIND", "<xml/>"),
    ] {
        play(async {
            let raw = dies_on_second().await;
            let pool = Pool::new();
            assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
            let lost = text(&pool, &raw.backend, request(method, Body::full(body))).await.unwrap_err();
            assert_eq!(lost.cause, Cause::Read, "{method}");
            assert_eq!((raw.backend.figures().retries, raw.accepted.get()), (0, 1), "{method}");
        });
    }
}

#[test]
fn the_second_try_is_the_last() {
    play(async {
        let raw = raw(|number, mut stream| async move {
            head(&mut stream).await;
            if number == 1 {
                stream.write_all(HI.as_bytes()).await.unwrap();
                head(&mut stream).await;
            }
        })
        .await;
        let pool = Pool::new();
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap_err().cause, Cause::Read);
        assert_eq!(raw.accepted.get(), 2);
        // On a fresh connection nothing is tried twice at all.
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap_err().cause, Cause::Read);
        assert_eq!(raw.accepted.get(), 3);
    });
}

#[test]
fn half_an_answer_is_not_asked_again() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(HI.as_bytes()).await.unwrap();
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 20").await.unwrap();
        })
        .await;
        let pool = Pool::new();
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap_err().cause, Cause::Read);
        assert_eq!(raw.accepted.get(), 1);
    });
}

#[test]
fn a_connection_closed_while_idle_costs_nobody_anything() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(HI.as_bytes()).await.unwrap();
        })
        .await;
        let pool = Pool::new();
        for _ in 0..3 {
            assert_eq!(text(&pool, &raw.backend, request("POST", Body::full("x"))).await.unwrap(), "hi");
            settle().await;
        }
        assert_eq!(raw.accepted.get(), 3);
    });
}

#[test]
fn an_answer_nobody_asked_for_never_meets_a_request() {
    play(async {
        let raw = raw(|number, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(HI.as_bytes()).await.unwrap();
            if number == 1 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await.unwrap();
            }
            head(&mut stream).await;
        })
        .await;
        let pool = Pool::new();
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        tokio::time::sleep(Duration::from_secs(2)).await;
        settle().await;
        assert_eq!(text(&pool, &raw.backend, request("POST", Body::full("x"))).await.unwrap(), "hi");
        assert_eq!(raw.accepted.get(), 2);
    });
}

#[test]
fn idle_connections_are_swept_and_counted() {
    play(async {
        let raw = raw(|_, stream| always(stream, HI)).await;
        let pool = Pool::new();
        let mut open = Vec::new();
        for _ in 0..6 {
            let pool = pool.clone();
            let backend = Arc::clone(&raw.backend);
            open.push(tokio::task::spawn_local(async move { text(&pool, &backend, get()).await.unwrap() }));
        }
        for one in open {
            one.await.unwrap();
        }
        settle().await;
        assert_eq!((raw.accepted.get(), pool.idle(&raw.backend)), (6, 4), "no more are kept than idle_max");
        pool.sweep(clock::now() + Duration::from_secs(49));
        assert_eq!(pool.idle(&raw.backend), 4);
        pool.sweep(clock::now() + Duration::from_secs(51));
        settle().await;
        assert_eq!((pool.idle(&raw.backend), raw.backend.figures().connections_open), (0, 0));
    });
}

#[test]
fn a_backend_that_is_gone_is_forgotten() {
    play(async {
        let raw = raw(|_, stream| always(stream, HI)).await;
        let pool = Pool::new();
        text(&pool, &raw.backend, get()).await.unwrap();
        let inner = Arc::clone(&raw.backend.0);
        drop(raw.backend);
        pool.sweep(clock::now());
        settle().await;
        assert_eq!(Arc::strong_count(&inner), 1, "no connection and no shelf holds it");
    });
}

#[test]
fn who_leaves_before_the_end_closes_the_connection() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
            head(&mut stream).await;
        })
        .await;
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, get(), None).await.unwrap();
        assert_eq!(raw.backend.figures().in_flight, 1);
        drop(answer);
        settle().await;
        let figures = raw.backend.figures();
        assert_eq!((figures.in_flight, figures.connections_open, pool.idle(&raw.backend)), (0, 0, 0));
        // Before the head, too.
        let waiting = tokio::time::timeout(Duration::from_secs(1), async {
            let silent = super::raw(|_, mut stream| async move {
                head(&mut stream).await;
                head(&mut stream).await;
            });
            let silent = silent.await;
            let _ = pool.send(&silent.backend, get(), None).await;
        });
        assert!(waiting.await.is_err());
    });
}

#[test]
fn an_early_answer_is_given_at_once_and_the_upload_goes_on() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
            let mut body = Vec::new();
            while !body.ends_with(b"0\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => body.push(byte),
                    Err(_) => return,
                }
            }
            always(stream, HI).await;
        })
        .await;
        let pool = Pool::new();
        let feed = Feed::default();
        feed.give(Ok("piece".into()));
        assert_eq!(text(&pool, &raw.backend, request("PUT", feed.body())).await.unwrap(), "no");
        assert_eq!(pool.idle(&raw.backend), 0, "not used again while the upload goes on");
        feed.end();
        settle().await;
        pool.sweep(clock::now());
        assert_eq!(pool.idle(&raw.backend), 1);
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        assert_eq!(raw.accepted.get(), 1);
    });
}

#[test]
fn a_refusal_is_heard_although_the_backend_hangs_up_on_the_upload() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            let answer = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge";
            stream.write_all(answer.as_bytes()).await.unwrap();
            // With unread bytes in the socket this is a reset.
        })
        .await;
        let feed = Feed::default();
        for _ in 0..200 {
            feed.give(Ok(Bytes::from(vec![0; 64 << 10])));
        }
        feed.end();
        assert_eq!(text(&Pool::new(), &raw.backend, request("PUT", feed.body())).await.unwrap(), "large");
    });
}

#[test]
fn hanging_up_on_an_upload_is_a_write_fault() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
        })
        .await;
        let feed = Feed::default();
        for _ in 0..200 {
            feed.give(Ok(Bytes::from(vec![0; 64 << 10])));
        }
        let fault = text(&Pool::new(), &raw.backend, request("PUT", feed.body())).await.unwrap_err();
        assert_eq!(fault.cause, Cause::Write);
    });
}

#[test]
fn interim_answers_are_relayed_clean() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            let early = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Hop: 1\r\nConnection: x-hop\r\n\r\n";
            stream.write_all(format!("HTTP/1.1 100 Continue\r\n\r\n{early}{HI}").as_bytes()).await.unwrap();
            head(&mut stream).await;
        })
        .await;
        let hints = Hints::default();
        let answer = Pool::new().send(&raw.backend, get(), Some(hints.clone())).await.unwrap();
        assert_eq!(answer.head.status(), 200);
        let next = async || std::future::poll_fn(|cx| hints.poll_next(cx)).await;
        assert_eq!(next().await.status(), 100);
        let early = next().await;
        assert_eq!((early.status().as_u16(), early.headers().len()), (103, 1));
        assert_eq!(early.headers()["link"], "</a.css>");
    });
}

fn websocket() -> Request<Body> {
    let mut request = get();
    request.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    request
}

#[test]
fn an_upgrade_becomes_a_tunnel_that_loses_no_byte() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            assert!(head(&mut stream).await.contains("upgrade: websocket\r\n"));
            let answer = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\nahead";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let mut said = [0; 4];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(&said).await.unwrap();
        })
        .await;
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, websocket(), None).await.unwrap();
        assert_eq!(answer.head.status(), 101);
        let mut tunnel = answer.upgraded.unwrap();
        assert_eq!(raw.backend.figures().connections_open, 1, "a tunnel is an open connection");
        tunnel.write_all(b"\nhi\n").await.unwrap();
        let mut all = String::new();
        tunnel.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "ahead\nhi\n");
        drop(tunnel);
        let figures = raw.backend.figures();
        assert_eq!((figures.connections_open, figures.in_flight, pool.idle(&raw.backend)), (0, 0, 0));
    });
}

#[test]
fn an_upgrade_may_be_declined_but_not_exchanged() {
    play(async {
        let raw = raw(|_, stream| always(stream, HI)).await;
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, websocket(), None).await.unwrap();
        assert!(answer.head.status() == 200 && answer.upgraded.is_none());
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "hi");
        for answer in [
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
        ] {
            let raw = super::raw(move |_, stream| always(stream, answer)).await;
            assert_eq!(
                pool.send(&raw.backend, websocket(), None).await.err().unwrap().cause,
                Cause::Protocol
            );
        }
    });
}

#[test]
fn nobody_there_is_said_as_it_is() {
    play(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let nowhere = std::env::temp_dir().join("doorward-no-such-socket");
        for (address, cause) in [
            (tcp(port), Cause::Refused),
            (Address::Unix(nowhere), Cause::Refused),
            (Address::Tcp { host: "no-such-host.invalid".into(), port: 80 }, Cause::Dns),
        ] {
            let backend = backend(config(address));
            let fault = text(&Pool::new(), &backend, get()).await.unwrap_err();
            assert_eq!(fault.cause, cause);
            for secret in ["127.0.0.1", "doorward-no-such", "no-such-host", &port.to_string()] {
                assert!(!fault.detail().contains(secret), "{fault}");
            }
            assert_eq!(backend.figures().faults, vec![(cause, 1)]);
            assert_eq!((backend.figures().requests, backend.figures().in_flight), (1, 0));
        }
    });
}

#[test]
fn unix_sockets_are_kept_alive_too() {
    play(async {
        let path = std::env::temp_dir().join(format!("doorward-{}", crate::base::random::RequestId::next()));
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while !head(&mut stream).await.is_empty() {
                stream.write_all(HI.as_bytes()).await.unwrap();
            }
        });
        let backend = backend(config(Address::Unix(path.clone())));
        let pool = Pool::new();
        for _ in 0..3 {
            assert_eq!(text(&pool, &backend, get()).await.unwrap(), "hi");
        }
        std::fs::remove_file(path).unwrap();
    });
}

/// An upload that ends in a trailer.
struct Trailed(u8);

impl http_body::Body for Trailed {
    type Data = Bytes;
    type Error = Fault;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Fault>>> {
        self.0 += 1;
        std::task::Poll::Ready(match self.0 {
            1 => Some(Ok(http_body::Frame::data("hi".into()))),
            2 => {
                let said = ["x-sum", "x-remote-user", "cookie"];
                let trailers = said.map(|name| (name.parse().unwrap(), "up".parse().unwrap()));
                Some(Ok(http_body::Frame::trailers(trailers.into_iter().collect())))
            }
            _ => None,
        })
    }
}

#[test]
fn trailers_travel_both_ways() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            let mut body = Vec::new();
            while !body.ends_with(b"\r\n\r\n") {
                body.push(stream.read_u8().await.unwrap());
            }
            assert_eq!(body, b"2\r\nhi\r\n0\r\nx-sum: up\r\n\r\n");
            let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
                          X-Sum: down\r\nSet-Cookie: a=b\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            head(&mut stream).await;
        })
        .await;
        let mut put = request("PUT", Body::stream(Trailed(0)));
        // Announced or not: who somebody is, is not for a visitor to say.
        put.headers_mut().insert("trailer", "x-sum, x-remote-user, cookie".parse().unwrap());
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, put, None).await.unwrap();
        let (bytes, trailers, fault) = drain(answer.body).await;
        assert_eq!((bytes.as_slice(), fault), (&b"hi"[..], None));
        let trailers = trailers.unwrap();
        assert_eq!((trailers.len(), trailers["x-sum"].to_str().unwrap()), (1, "down"));
        assert_eq!(pool.idle(&raw.backend), 1);
    });
}

#[test]
fn large_answers_wait_for_their_reader() {
    play(async {
        let written = Rc::new(Cell::new(0));
        let count = Rc::clone(&written);
        let raw = raw(move |_, mut stream| {
            let count = Rc::clone(&count);
            async move {
                head(&mut stream).await;
                let piece = vec![b'x'; 64 << 10];
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n").await.unwrap();
                for _ in 0..1024 {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                    count.set(count.get() + piece.len());
                }
                head(&mut stream).await;
            }
        })
        .await;
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, get(), None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(
            written.get() < 16 << 20,
            "{} bytes were taken for a reader who reads nothing",
            written.get()
        );
        let (bytes, _, fault) = drain(answer.body).await;
        assert_eq!((bytes.len(), fault), (64 << 20, None));
        assert_eq!(pool.idle(&raw.backend), 1);
    });
}
