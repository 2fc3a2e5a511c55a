//! A backend that fails is left alone at once, tried again soon, and back with its first good answer.

use super::*;
use crate::base::cause::Cause;
use crate::base::clock;
use crate::upstream::{Condition, Event, News, tending};

const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";

/// What the backend does with who comes, as a play says at the time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Gone,
    Hanging,
    /// A head, half a body, and the end.
    Cutting,
    Sulking,
}

struct Moody {
    raw: Raw,
    mood: Rc<Cell<Mood>>,
}

async fn moody(change: impl FnOnce(&mut Config)) -> Moody {
    let mood = Rc::new(Cell::new(Mood::Well));
    let now = Rc::clone(&mood);
    let raw = raw_with(
        move |_, mut stream| {
            let mood = Rc::clone(&now);
            async move {
                if mood.get() == Mood::Gone {
                    return;
                }
                while !head(&mut stream).await.is_empty() {
                    let answer = match mood.get() {
                        Mood::Well => WELL,
                        Mood::Gone => return,
                        Mood::Hanging => return std::future::pending().await,
                        Mood::Sulking => "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
                        Mood::Cutting => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwe",
                    };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if mood.get() == Mood::Cutting {
                        return;
                    }
                }
            }
        },
        |config| {
            // Each request has a connection of its own, so that a mood is everybody's.
            config.idle_max = 0;
            change(config);
        },
    )
    .await;
    Moody { raw, mood }
}

impl Moody {
    async fn ask(&self) -> Result<String, Cause> {
        text(&Pool::new(), &self.raw.backend, get()).await.map_err(|fault| fault.cause)
    }

    fn condition(&self) -> (Condition, String) {
        let standing = self.raw.backend.standing();
        (standing.condition, standing.reason.into())
    }
}

#[test]
fn one_that_dies_is_left_alone_at_once_and_is_back_with_its_first_answer() {
    play(async {
        let old = moody(|_| {}).await;
        assert_eq!(old.ask().await.unwrap(), "well");
        old.mood.set(Mood::Gone);
        for _ in 0..4 {
            assert_eq!(old.ask().await, Err(Cause::Read));
        }
        assert_eq!(old.condition(), (Condition::Well, String::new()));
        assert_eq!(old.ask().await, Err(Cause::Read));
        assert_eq!(old.condition(), (Condition::Failing, "5 failures in a row: read".to_owned()));
        let asked = old.raw.accepted.get();
        assert!(!old.raw.backend.healthy());
        for _ in 0..100 {
            assert_eq!(old.ask().await, Err(Cause::Unhealthy));
        }
        // A minute in which nobody visits.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(old.raw.accepted.get(), asked, "while it is left alone nothing is asked");
        // Visitors who come all the time: one in each half second is sent there.
        assert!(old.raw.backend.healthy(), "whoever comes next is");
        for _ in 0..100 {
            assert!(matches!(old.ask().await, Err(Cause::Read | Cause::Unhealthy)));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(old.raw.accepted.get() - asked, 20, "twice a second");
        old.mood.set(Mood::Well);
        let back = clock::now();
        while old.ask().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(back.elapsed() <= Duration::from_secs(1), "{:?}", back.elapsed());
        assert_eq!(old.condition(), (Condition::Well, String::new()));
        assert!((0..20).all(|_| old.raw.backend.healthy()));
        assert!(old.raw.backend.well_since().unwrap() >= back);
    });
}

#[test]
fn one_that_hangs_keeps_nobody_from_trying_next() {
    play(async {
        let old = moody(|config| config.first_byte_timeout = Duration::from_secs(30)).await;
        old.mood.set(Mood::Hanging);
        let hung = futures(5, &old).await;
        assert!(hung.iter().all(|outcome| *outcome == Err(Cause::FirstByteTimeout)));
        assert_eq!(old.condition().1, "5 failures in a row: first_byte_timeout");
        tokio::time::sleep(Duration::from_millis(500)).await;
        // The trial hangs, and its slot is free half a second later.
        let trial = tokio::task::spawn_local({
            let backend = Arc::clone(&old.raw.backend);
            async move { text(&Pool::new(), &backend, get()).await.map_err(|fault| fault.cause) }
        });
        settle().await;
        assert_eq!(old.ask().await, Err(Cause::Unhealthy));
        old.mood.set(Mood::Well);
        let back = clock::now();
        while old.ask().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(back.elapsed() <= Duration::from_secs(1), "{:?}", back.elapsed());
        assert_eq!(trial.await.unwrap(), Err(Cause::FirstByteTimeout));
        assert_eq!(old.condition().0, Condition::Well, "one late failure opens nothing");
    });
}

/// So many at once.
async fn futures(count: usize, old: &Moody) -> Vec<Result<String, Cause>> {
    let mut tasks = Vec::new();
    for _ in 0..count {
        let backend = Arc::clone(&old.raw.backend);
        tasks.push(tokio::task::spawn_local(async move {
            text(&Pool::new(), &backend, get()).await.map_err(|fault| fault.cause)
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[test]
fn an_answer_that_breaks_off_is_a_failure_and_any_whole_one_is_none() {
    play(async {
        let old = moody(|config| config.breaker.failures_max = 3).await;
        old.mood.set(Mood::Cutting);
        for _ in 0..3 {
            assert_eq!(old.condition().0, Condition::Well);
            assert_eq!(old.ask().await, Err(Cause::Read));
        }
        assert_eq!(old.condition(), (Condition::Failing, "3 failures in a row: read".to_owned()));
        tokio::time::sleep(Duration::from_millis(500)).await;
        old.mood.set(Mood::Sulking);
        for _ in 0..20 {
            assert_eq!(old.ask().await, Ok(String::new()), "its own error page is an answer");
        }
        assert_eq!(old.condition().0, Condition::Well);
        // Two failures, one good answer, two failures: never three in a row.
        for mood in [Mood::Gone, Mood::Gone, Mood::Well, Mood::Gone, Mood::Cutting, Mood::Well] {
            old.mood.set(mood);
            let _ = old.ask().await;
            assert_eq!(old.condition().0, Condition::Well);
        }
        // A visitor who leaves is no failure, however often.
        old.mood.set(Mood::Hanging);
        for _ in 0..10 {
            let left = tokio::time::timeout(Duration::from_millis(5), old.ask()).await;
            assert!(left.is_err());
        }
        assert_eq!(old.condition().0, Condition::Well);
    });
}

#[test]
fn who_sends_too_slowly_or_too_much_brings_nobody_into_disrepute() {
    play(async {
        // It hangs up on whoever sends a body: once while it waits for him, once while he still sends.
        let raw = raw_with(
            |_, mut stream| async move {
                let head = head(&mut stream).await;
                if !head.starts_with("PUT") {
                    stream.write_all(WELL.as_bytes()).await.unwrap();
                }
            },
            |config| config.idle_max = 0,
        )
        .await;
        for piece in ["", "a piece"] {
            for _ in 0..10 {
                let feed = Feed::default();
                if !piece.is_empty() {
                    feed.give(Ok(Bytes::from_static(piece.as_bytes())));
                }
                let fault = text(&Pool::new(), &raw.backend, request("PUT", feed.body())).await.unwrap_err();
                assert!(matches!(fault.cause, Cause::Write | Cause::Read), "{fault}");
                assert_eq!(raw.backend.standing().condition, Condition::Well, "{fault}");
            }
        }
        let failures: u64 = raw.backend.figures().faults.iter().map(|(_, count)| count).sum();
        assert_eq!(failures, 20, "they are counted all the same");
        assert_eq!(text(&Pool::new(), &raw.backend, get()).await.unwrap(), "well");
    });
}

#[test]
fn a_trial_whose_visitor_leaves_gives_its_turn_on() {
    play(async {
        let old = moody(|config| config.breaker.failures_max = 1).await;
        old.mood.set(Mood::Gone);
        assert_eq!(old.ask().await, Err(Cause::Read));
        tokio::time::sleep(Duration::from_millis(500)).await;
        old.mood.set(Mood::Hanging);
        let left = tokio::time::timeout(Duration::from_millis(1), old.ask()).await;
        assert!(left.is_err(), "the trial was under way");
        old.mood.set(Mood::Well);
        assert_eq!(old.ask().await, Err(Cause::Unhealthy));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(old.ask().await.unwrap(), "well");
    });
}

#[test]
fn a_rate_of_failures_opens_it_too() {
    play(async {
        let old = moody(|config| config.breaker.failure_rate = 50).await;
        let mut opened_after = 0;
        for number in 0..60 {
            // Every third is good: never five failures in a row.
            old.mood.set(if number % 3 == 0 { Mood::Well } else { Mood::Gone });
            let _ = old.ask().await;
            if old.condition().0 == Condition::Failing {
                opened_after = number + 1;
                break;
            }
        }
        assert!((20..=22).contains(&opened_after), "{opened_after}");
        assert!(old.condition().1.ends_with("requests failed: read"), "{:?}", old.condition());
        let forgiving = moody(|_| {}).await;
        for number in 0..60 {
            forgiving.mood.set(if number % 3 == 0 { Mood::Well } else { Mood::Gone });
            let _ = forgiving.ask().await;
        }
        assert_eq!(forgiving.condition().0, Condition::Well, "no rate is set, and it is never five in a row");
    });
}

#[test]
fn a_drained_one_is_asked_nothing_and_finishes_what_it_has() {
    play(async {
        let raw = raw(|_, mut stream| async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            stream.write_all(b"lf").await.unwrap();
            head(&mut stream).await;
        })
        .await;
        let pool = Pool::new();
        let answer = pool.send(&raw.backend, get(), None).await.unwrap();
        assert!(raw.backend.drain(true) && raw.backend.drained());
        let fault = text(&pool, &raw.backend, get()).await.unwrap_err();
        assert_eq!(fault.cause, Cause::Unhealthy);
        assert_eq!(fault.detail(), "backend `old`: drained by an operator");
        assert_eq!(drain(answer.body).await.0, b"half", "what is under way goes on");
        assert!(raw.backend.drain(false) && !raw.backend.drained());
        assert_eq!(text(&pool, &raw.backend, get()).await.unwrap(), "half");
    });
}

#[test]
fn changes_are_told_at_once_and_never_in_a_storm() {
    play(async {
        let old = moody(|config| config.breaker.failures_max = 1).await;
        let heard: Rc<RefCell<Vec<(u64, Condition, u64)>>> = Rc::default();
        let (told, began) = (Rc::clone(&heard), clock::now());
        let tell = move |news: News<'_>| {
            assert_eq!(news.backend, "old");
            let Event::Stands(standing, changes) = news.event else { return };
            told.borrow_mut().push((began.elapsed().as_secs(), standing.condition, changes));
        };
        let tended = tokio::task::spawn_local(tending(&old.raw.backend, tell).unwrap());
        settle().await;
        // Well and failing in turns, each half second, for a minute.
        for turn in 0..120 {
            old.mood.set(if turn % 2 == 0 { Mood::Gone } else { Mood::Well });
            let _ = old.ask().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let heard = heard.borrow().clone();
        assert_eq!(heard[0], (0, Condition::Failing, 1), "the first is told at once");
        assert!((5..=7).contains(&heard.len()), "{heard:?}");
        assert!(heard[1..].iter().all(|(_, _, changes)| (18..=21).contains(changes)), "{heard:?}");
        drop(old);
        tended.await.unwrap();
    });
}
