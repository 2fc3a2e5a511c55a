//! Directors and what becomes of a request when a member fails: who is asked next, and who never is.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderMap;

use super::*;
use crate::base::address::ClientIp;
use crate::base::cause::Cause;
use crate::upstream::{Answer, Director, DirectorConfig, Passage, Policy, StickyKey, Target, Waits};

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// Members are asked in order, so that a play knows who fails first.
fn in_order(members: &[&Arc<Backend>], retries: u32) -> Target {
    director(members, Policy::Fallback, retries, None)
}

fn director(members: &[&Arc<Backend>], policy: Policy, retries: u32, sticky: Option<&str>) -> Target {
    let config = DirectorConfig {
        name: "home".into(),
        policy,
        members: members.iter().map(|member| (member.name().into(), 1)).collect(),
        sticky: sticky.map(Into::into),
        retries,
    };
    let backends: Vec<_> = members.iter().map(|member| Arc::clone(member)).collect();
    Target::Director(Arc::new(Director::new(config, &backends, &StickyKey::new([7; 32]), None).unwrap()))
}

async fn ask(pool: &Pool, target: &Target, request: Request<Body>) -> Result<Answer, Fault> {
    let passage = Passage {
        hints: None,
        waits: Waits::default(),
        introduce: &|backend: &Backend, headers: &mut HeaderMap| {
            assert!(!headers.contains_key("x-introduced"), "each member gets an introduction of its own");
            headers.insert("x-introduced", backend.name().parse().unwrap());
        },
        client: ClientIp::unknown(),
        secure: true,
    };
    pool.ask(target, request, passage).await
}

/// The member that answered, or the cause.
async fn asked(pool: &Pool, target: &Target, request: Request<Body>) -> Result<String, Fault> {
    let answer = ask(pool, target, request).await?;
    let by = answer.by.as_ref().unwrap().name().to_owned();
    let (bytes, _, fault) = drain(answer.body).await;
    assert_eq!((bytes.as_slice(), fault), (&b"hi"[..], None));
    Ok(by)
}

async fn good(name: &'static str) -> Raw {
    raw_with(|_, stream| always(stream, HI), |config| config.name = name.into()).await
}

/// How a member fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fails {
    /// Nobody listens.
    Closed,
    /// It has no connection to spare.
    Full,
    /// It takes the whole request, and hangs up.
    HangsUp,
    /// It takes the whole request, and answers with nonsense.
    Nonsense,
    /// It takes the whole request, and is silent.
    Silent,
}

impl Fails {
    const ALL: [Fails; 5] = [Fails::Closed, Fails::Full, Fails::HangsUp, Fails::Nonsense, Fails::Silent];

    fn cause(self) -> Cause {
        match self {
            Fails::Closed => Cause::Refused,
            Fails::Full => Cause::MaxConnections,
            Fails::HangsUp => Cause::Read,
            Fails::Nonsense => Cause::Protocol,
            Fails::Silent => Cause::FirstByteTimeout,
        }
    }

    /// Nothing of a request can have been seen.
    fn unseen(self) -> bool {
        matches!(self, Fails::Closed | Fails::Full)
    }
}

/// A member that fails, and how many requests it has seen. What is held keeps it full.
struct Failing {
    backend: Arc<Backend>,
    seen: Arc<AtomicUsize>,
    _held: Option<Answer>,
}

async fn failing(pool: &Pool, name: &'static str, how: Fails) -> Failing {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let raw = raw_with(
        move |_, mut stream| {
            let count = Arc::clone(&count);
            async move {
                let text = head(&mut stream).await;
                if text.starts_with("GET /hold") {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh").await.unwrap();
                    return std::future::pending().await;
                }
                if text.is_empty() {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
                for _ in 0..length.map_or(0, |length| length.parse::<usize>().unwrap()) {
                    stream.read_u8().await.unwrap();
                }
                match how {
                    Fails::Nonsense => stream.write_all(b"\x16\x03\x01 no\r\n\r\n").await.unwrap(),
                    Fails::Silent => std::future::pending().await,
                    _ => {}
                }
            }
        },
        |config| {
            config.name = name.into();
            config.max_connections = usize::from(how == Fails::Full);
            // What is tried here is what becomes of requests that meet it.
            config.breaker.failures_max = 0;
            if how == Fails::Closed {
                config.address = tcp(closed_port());
            }
        },
    )
    .await;
    let mut held = None;
    if how == Fails::Full {
        let mut hold = get();
        *hold.uri_mut() = "/hold".parse().unwrap();
        held = Some(pool.send(&raw.backend, hold, None).await.unwrap());
    }
    Failing { backend: raw.backend, seen, _held: held }
}

/// A port that nobody listens on, nor can: it is taken until the tests end.
fn closed_port() -> u16 {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    std::mem::forget(socket);
    port
}

#[test]
fn another_member_is_asked_where_nobody_is_asked_twice() {
    for how in Fails::ALL {
        for (method, only_reads) in [
            ("GET", true),
            ("OPTIONS", true),
            ("PROPFIND", true),
            ("REPORT", true),
            ("PUT", false),
            ("POST", false),
            ("MERGE", false),
            ("DELETE", false),
            ("PROPPATCH", false),
            ("LOCK", false),
            ("BREW", false),
        ] {
            for body in ["", "full", "stream"] {
                play(async {
                    let pool = Pool::new();
                    let (bad, well) = (failing(&pool, "bad", how).await, good("well").await);
                    let target = in_order(&[&bad.backend, &well.backend], 2);
                    let (content, feed) = match body {
                        "stream" => {
                            let feed = Feed::default();
                            feed.give(Ok(Bytes::from_static(b"piece")));
                            feed.end();
                            (feed.body(), Some(feed))
                        }
                        "full" => (Body::full("whole"), None),
                        _ => (Body::Empty, None),
                    };
                    let mut request = request(method, content);
                    if feed.is_some() {
                        // Its length is known, so that the member which fails can read all of it.
                        request.headers_mut().insert("content-length", 5.into());
                    }
                    let outcome = asked_anything(&pool, &target, request).await;
                    let seen = bad.seen.load(Ordering::Relaxed);
                    let again = how.unseen() || (only_reads && body != "stream");
                    let told = format!("{how:?} {method} {body}");
                    if again {
                        assert_eq!(outcome.unwrap(), "well", "{told}");
                        assert_eq!(well.accepted.get(), 1, "{told}");
                    } else {
                        assert_eq!(outcome.unwrap_err().cause, how.cause(), "{told}");
                        assert_eq!((seen, well.accepted.get()), (1, 0), "{told}");
                    }
                    assert_eq!(seen, usize::from(!how.unseen()), "{told}");
                    assert_eq!(bad.backend.figures().faults, [(how.cause(), 1)], "{told}");
                });
            }
        }
    }
}

/// Who answered; the member that is well reads no bodies, so what it says is not looked at.
async fn asked_anything(pool: &Pool, target: &Target, request: Request<Body>) -> Result<String, Fault> {
    Ok(ask(pool, target, request).await?.by.unwrap().name().to_owned())
}

#[test]
fn who_failed_is_named_when_nobody_is_left() {
    play(async {
        let pool = Pool::new();
        let closed = failing(&pool, "one", Fails::Closed).await;
        let hangs = failing(&pool, "two", Fails::HangsUp).await;
        let sick = backend(Config { name: "three".into(), ..config(Address::Nowhere) });
        let all = in_order(&[&closed.backend, &hangs.backend, &sick], 2);
        let fault = ask(&pool, &all, get()).await.err().unwrap();
        assert_eq!(fault.cause, Cause::AllFailed);
        for part in
            ["director `home`", "backend `one`", "backend `two`: it hung up", "backend `three` is no server"]
        {
            assert!(fault.detail().contains(part), "{}", fault.detail());
        }
        // One that failed, beside one that is sick: they are all.
        let fault = ask(&pool, &in_order(&[&closed.backend, &sick], 2), get()).await.err().unwrap();
        assert_eq!(fault.cause, Cause::AllFailed);
        // Nobody may be asked.
        let other = backend(Config { name: "four".into(), ..config(Address::Nowhere) });
        let none = in_order(&[&sick, &other], 2);
        assert!(!none.healthy());
        assert_eq!(none.sickness(), Cause::NoneHealthy);
        let fault = ask(&pool, &none, get()).await.err().unwrap();
        assert_eq!(fault.cause, Cause::NoneHealthy);
        assert!(
            fault.detail().ends_with("backend `three` is no server; backend `four` is no server"),
            "{}",
            fault.detail()
        );
        // The only one: what it did.
        let fault = ask(&pool, &in_order(&[&closed.backend], 2), get()).await.err().unwrap();
        assert_eq!(fault.cause, Cause::Refused);
        assert_eq!(in_order(&[&sick], 2).sickness(), Cause::Unhealthy);
    });
}

#[test]
fn no_more_members_are_tried_than_may_be() {
    play(async {
        let pool = Pool::new();
        let bad: Vec<Failing> = [
            failing(&pool, "a", Fails::Closed).await,
            failing(&pool, "b", Fails::Closed).await,
            failing(&pool, "c", Fails::Closed).await,
        ]
        .into();
        let well = good("well").await;
        let members = [&bad[0].backend, &bad[1].backend, &bad[2].backend, &well.backend];
        for (retries, outcome) in [
            (0, Err(Cause::Refused)),
            (1, Err(Cause::AllFailed)),
            (2, Err(Cause::AllFailed)),
            (3, Ok("well".to_owned())),
        ] {
            let found = asked(&pool, &in_order(&members, retries), get()).await;
            assert_eq!(found.map_err(|fault| fault.cause), outcome, "{retries}");
        }
    });
}

#[test]
fn what_a_member_may_have_seen_is_repeated_for_a_tenth_of_all_requests() {
    play(async {
        let pool = Pool::new();
        let (bad, well) = (failing(&pool, "bad", Fails::HangsUp).await, good("well").await);
        let target = in_order(&[&bad.backend, &well.backend], 1);
        let mut good = 0;
        for _ in 0..300 {
            match asked(&pool, &target, get()).await {
                Ok(_) => good += 1,
                Err(fault) => assert_eq!(fault.cause, Cause::Read),
            }
        }
        // Ten at first, then a tenth.
        assert_eq!(good, 10 + 30);
        let Target::Director(director) = &target else { unreachable!() };
        assert_eq!(director.retries(), 40);
        // What nobody has seen is not asked twice, and needs no leave.
        let closed = failing(&pool, "closed", Fails::Closed).await;
        let target = in_order(&[&closed.backend, &well.backend], 1);
        for _ in 0..100 {
            assert_eq!(asked(&pool, &target, get()).await.unwrap(), "well");
        }
    });
}

#[test]
fn a_visitor_who_fails_is_not_taken_for_the_member() {
    play(async {
        let pool = Pool::new();
        let (one, two) = (good("one").await, good("two").await);
        let feed = Feed::default();
        feed.give(Err(Fault::new(Cause::BodyTimeout)));
        let both = in_order(&[&one.backend, &two.backend], 2);
        let failed = ask(&pool, &both, request("REPORT", feed.body())).await;
        assert_eq!(failed.err().unwrap().cause, Cause::BodyTimeout);
        assert_eq!((two.accepted.get(), one.backend.figures().faults), (0, vec![]));
    });
}

#[test]
fn a_cookie_keeps_a_visitor_where_he_is() {
    play(async {
        let pool = Pool::new();
        let (one, two) = (good("one").await, good("two").await);
        let target = director(&[&one.backend, &two.backend], Policy::RoundRobin, 1, Some("seat"));
        let first = ask(&pool, &target, get()).await.unwrap();
        let told = first.cookie.unwrap();
        assert!(told.to_str().unwrap().ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
        let pair = told.to_str().unwrap().split(';').next().unwrap().to_owned();
        let member = first.by.unwrap().name().to_owned();
        for _ in 0..5 {
            let mut request = get();
            request.headers_mut().insert("cookie", pair.parse().unwrap());
            let again = ask(&pool, &target, request).await.unwrap();
            assert_eq!((again.by.unwrap().name(), again.cookie), (&*member, None));
        }
        let both = [&one.backend, &two.backend];
        both.into_iter().find(|backend| backend.name() == member).unwrap().drain(true);
        let mut request = get();
        request.headers_mut().insert("cookie", pair.parse().unwrap());
        let moved = ask(&pool, &target, request).await.unwrap();
        assert!(moved.by.unwrap().name() != member && moved.cookie.is_some());
    });
}
