//! The room as its users see it: what comes to lie in files, whatever happens on the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use http_body::{Body as HttpBody, Frame};

use super::*;
use crate::base::address::{Anonymous, ClientIp};
use crate::base::cause::Cause;
use crate::base::clock::Wall;
use crate::base::fault::Fault;
use crate::base::random::{self, RequestId};
use crate::message::Body;
use crate::message::exchange::TunnelRider;

/// A state folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(
            "doorward-record-{}-{count}-{:x}",
            std::process::id(),
            random::number()
        ));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    /// Everything that was written, wherever.
    fn everything(&self) -> String {
        fn walk(path: &Path, into: &mut String) {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, into);
                } else {
                    into.push_str(&fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut text = String::new();
        walk(&self.0, &mut text);
        text
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// 2026-11-20T13:55:12.123Z
const NOON: Wall = Wall { seconds: 1_795_182_912, nanos: 123_456_789 };
const TODAY: &str = "log/a.example/access-2026-11-20.log";
const TODAYS_ERRORS: &str = "log/a.example/error-2026-11-20.log";

struct Desk {
    folder: Folder,
    office: Arc<Office>,
    pen: Rc<Pen>,
    sheet: Sheet,
}

fn desk_with(log: &LogConfig) -> Desk {
    let folder = Folder::new();
    let office =
        Office::open(Options { state: folder.0.clone(), unknown: log.clone(), stderr: false }).unwrap();
    let pen = office.pen();
    pen.time.set(Some(NOON));
    let sheet = office.sheet("a.example", log);
    Desk { folder, office, pen, sheet }
}

fn desk() -> Desk {
    desk_with(&LogConfig::standard())
}

fn json_log() -> LogConfig {
    LogConfig { format: Format::Json, ..LogConfig::standard() }
}

fn visitor() -> Anonymous {
    ClientIp::new("203.0.113.77".parse().unwrap()).anonymous()
}

fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap()))
        .collect()
}

impl Desk {
    fn ticket(&self) -> Ticket {
        let mut ticket = self.pen.ticket(RequestId::next(), visitor());
        ticket.site(self.sheet);
        ticket
    }

    fn asked(&self, path: &str, query: Option<&str>, headers: &HeaderMap) -> Ticket {
        let mut ticket = self.ticket();
        let version = Version::HTTP_11;
        ticket.asked(&Asked { method: "GET", path, query, version, host: "a.example", headers });
        ticket
    }

    fn settle(&self) {
        self.pen.flush();
        self.office.settle();
    }

    fn lines(&self) -> Vec<String> {
        self.settle();
        self.folder.read(TODAY).lines().map(str::to_owned).collect()
    }
}

/// The id and the durations differ from run to run.
fn without_the_changing(line: &str) -> String {
    line.split(' ')
        .map(|word| match word.split_once('=') {
            Some((key @ ("id" | "seconds" | "first_byte"), _)) => format!("{key}=~"),
            _ => word.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test(start_paused = true)]
async fn the_combined_line() {
    let desk = desk();
    let mut ticket = desk.asked(
        "/trac/ticket/1",
        Some("format=rss&token=abc"),
        &headers(&[
            ("user-agent", b"feeds/1.0 (alice@example.org)"),
            ("referer", b"https://mail.example.com/inbox/42"),
        ]),
    );
    ticket.backend("trac");
    tokio::time::advance(Duration::from_millis(12)).await;
    ticket.first_byte();
    ticket.answered(StatusCode::OK);
    ticket.moved(7, 1_234);
    tokio::time::advance(Duration::from_micros(345)).await;
    let id = ticket.id();
    ticket.finish();
    assert_eq!(
        desk.lines(),
        [format!(
            "203.0.113.0 - - [20/Nov/2026:13:55:12 +0000] \"GET /trac/ticket/1?format=rss&token=*** HTTP/1.1\" 200 1234 \
             \"https://mail.example.com/\" \"feeds/1.0 (***)\" id={id} seconds=0.012345 backend=trac first_byte=0.012000 received=7"
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn the_json_line_is_json() {
    let desk = desk_with(&json_log());
    let mut ticket = desk.asked("/x\"y", None, &headers(&[("user-agent", b"a\\b\xff\"\x09c")]));
    ticket.backend("trac");
    ticket.answered(StatusCode::BAD_GATEWAY);
    ticket.fault(&Fault::with(Cause::Read, "10.0.0.4:80 hung \"up\"\n"));
    let id = ticket.id();
    drop(ticket);
    assert_eq!(
        desk.lines(),
        [format!(
            "{{\"time\":\"2026-11-20T13:55:12.123Z\",\"id\":\"{id}\",\"site\":\"a.example\",\"client\":\"203.0.113.0\",\"method\":\"GET\",\
             \"target\":\"/x\\\"y\",\"protocol\":\"HTTP/1.1\",\"agent\":\"a\\\\b\\ufffd\\\"\\u0009c\",\"backend\":\"trac\",\
             \"cause\":\"read\",\"status\":502,\"sent\":0,\"received\":0,\"seconds\":0.000000,\"left\":false}}"
        )]
    );
    assert_eq!(
        desk.folder.read(TODAYS_ERRORS),
        format!(
            "{{\"time\":\"2026-11-20T13:55:12.123Z\",\"id\":\"{id}\",\"site\":\"a.example\",\"cause\":\"read\",\"backend\":\"trac\",\
             \"detail\":\"*** hung \\\"up\\\"\\u000a\",\"status\":502}}\n"
        )
    );
}

/// The list of what has leaked elsewhere, each with a mark that must not come back.
#[test]
fn nothing_of_a_visitor_is_written() {
    const MARKS: &[&str] = &["203.0.113.77", "2001:db8:1:2:3:4:5:77", "CANARY", "canary", "hunter2", "alice"];
    for log in [LogConfig::standard(), json_log()] {
        let desk = desk_with(&log);
        let address = "203.0.113.77";
        let headers = headers(&[
            ("x-forwarded-for", address.as_bytes()),
            ("forwarded", b"for=203.0.113.77"),
            ("x-real-ip", address.as_bytes()),
            ("cf-connecting-ip", address.as_bytes()),
            ("true-client-ip", address.as_bytes()),
            ("cookie", b"trac_auth=CANARY"),
            ("set-cookie", b"sid=CANARY"),
            ("authorization", b"Basic YWxpY2U6aHVudGVyMg=="),
            ("proxy-authorization", b"Digest username=\"alice\""),
            ("x-api-key", b"CANARY"),
            (
                "referer",
                b"https://alice:hunter2@a.example/reset?token=CANARY&u=alice@example.org#access_token=CANARY",
            ),
            ("user-agent", b"script/1 alice@example.org token=CANARY 203.0.113.77 http://alice:hunter2@h/"),
        ]);
        let queries = [
            "token=CANARY",
            "access_token=CANARY&x=1",
            "user%5Bpassword%5D=hunter2",
            "PASSWORD=hunter2;sid=CANARY",
            "login=alice&key=CANARY",
            "email=alice%40example.org",
            "next=https%3A%2F%2Fa.example%2F%3Fcode%3DCANARY",
            "ip=203.0.113.77",
            "x=2001:db8:1:2:3:4:5:77",
            "X-Amz-Signature=CANARY&X-Amz-Credential=CANARY",
            "SAMLResponse=CANARY&RelayState=CANARY&state=CANARY",
            "__FORM_TOKEN=CANARY",
            "ticket=ST-CANARY",
        ];
        for query in queries {
            let mut ticket = desk.asked(
                "/wiki/User:203.0.113.77/confirm/canary123/alice@example.org",
                Some(query),
                &headers,
            );
            ticket.answered(StatusCode::OK);
        }
        for (method, target) in [
            ("GET", &b"http://alice:hunter2@203.0.113.77/?token=CANARY"[..]),
            ("CONNECT", b"203.0.113.77:443"),
            ("GET", b"alice:hunter2@h:80"),
            ("GET", b"/a;jsessionid=CANARY?sid=CANARY?token=CANARY#token=CANARY"),
            ("GET", b"/\xff\x00?password=CANARY\xfe"),
        ] {
            let mut ticket = desk.ticket();
            ticket.garbled(method, target, None, Some(&headers));
            ticket.answered(StatusCode::BAD_REQUEST);
            ticket.fault(&Fault::new(Cause::Malformed));
        }
        for detail in [
            "connect to 203.0.113.77:80 refused",
            "connect to [2001:db8:1:2:3:4:5:77]:80 refused",
            "peer 203.0.113.77 sent garbage",
            "http://alice:hunter2@10.0.0.4:8000/x?token=CANARY is down",
            "header cookie: trac_auth=CANARY; x=CANARY",
            "header authorization: Bearer CANARY",
            "bind as uid=alice,ou=people failed for alice@example.org",
            "bad value token=CANARY",
        ] {
            let mut ticket = desk.ticket();
            ticket.answered(StatusCode::BAD_GATEWAY);
            ticket.fault(&Fault::with(Cause::Read, detail));
            ticket.remark(detail.as_bytes());
            drop(ticket);
            desk.pen.error(desk.sheet, RequestId::next(), &Fault::with(Cause::Tls, detail), Some("trac"));
            desk.office.note(Level::Warning, "something failed", &[("error", &detail)]);
        }
        desk.settle();
        let (written, metrics) = (desk.folder.everything(), desk.office.scrape(&[], &[]));
        assert!(written.lines().count() > 40);
        for mark in MARKS {
            for text in [&written, &metrics] {
                let line = text.lines().find(|line| line.contains(mark));
                assert_eq!(line, None, "{mark} leaked");
            }
        }
        assert!(!written.contains("YWxpY2U6"));
    }
}

#[test]
fn what_rules_say_is_written_and_bounded() {
    for (log, said) in [(LogConfig::standard(), " rule=\"seen it\""), (json_log(), "\"rule\":\"seen it\"}")] {
        let desk = desk_with(&log);
        let mut ticket = desk.ticket();
        let id = ticket.id().to_string();
        for _ in 0..1_000 {
            ticket.remark(b"seen it");
        }
        ticket.remark(&vec![b'x'; 100_000]);
        drop(ticket);
        desk.settle();
        let written = desk.folder.read(TODAYS_ERRORS);
        assert_eq!(written.lines().count(), 64, "of one visit");
        assert!(written.lines().all(|line| line.contains(&id) && line.ends_with(said)), "{written}");
        for _ in 0..2_000 {
            let mut ticket = desk.ticket();
            ticket.remark(&[b'x'; 5_000]);
        }
        desk.settle();
        let written = desk.folder.read(TODAYS_ERRORS);
        assert_eq!(written.lines().count(), 1_000, "of one second");
        assert!(written.lines().all(|line| line.len() < 800));
        assert_eq!(desk.office.dropped(), 1_064);
        desk.pen.time.set(Some(Wall { seconds: NOON.seconds + 1, nanos: 0 }));
        desk.ticket().remark(b"seen it");
        desk.settle();
        assert_eq!(desk.folder.read(TODAYS_ERRORS).lines().count(), 1_001);
    }
}

#[test]
fn no_line_can_be_forged() {
    for log in [LogConfig::standard(), json_log()] {
        let desk = desk_with(&log);
        let evil = "x\"\r\n203.0.113.0 - - \\\" 200 id=0 \u{1b}[2J\u{202e}\u{2028}\u{85}\u{0}";
        let mut ticket = desk.ticket();
        ticket.garbled(evil, evil.as_bytes(), None, None);
        ticket.backend(evil);
        ticket.answered(StatusCode::BAD_REQUEST);
        ticket.fault(&Fault::with(Cause::Malformed, evil));
        ticket.remark(evil.as_bytes());
        ticket.remark(b"\xff\xfe\x00");
        drop(ticket);
        // Header values can't hold line ends, but quotes, backslashes and bytes above 127.
        let odd = headers(&[("user-agent", b"\" id=0 \\"), ("referer", b"https://a.example/\" \\\xff")]);
        let mut ticket = desk.asked("/", None, &odd);
        ticket.answered(StatusCode::OK);
        drop(ticket);
        let lines = desk.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(desk.folder.read(TODAYS_ERRORS).lines().count(), 3);
        for line in desk.folder.everything().lines() {
            assert!(line.bytes().all(|byte| matches!(byte, 0x20..=0x7e)), "{line}");
            // Every quote that is not ours is escaped: what is between quotes ends where it should.
            let bare = line.replace("\\\\", "").replace("\\\"", "");
            let quotes = bare.matches('"').count();
            assert_eq!(quotes % 2, 0, "{line}");
            if log.format == Format::Combined && line.contains("seconds=") {
                assert_eq!(quotes, 6, "{line}");
            }
        }
    }
}

/// A body that says what it is told to, and whether it has ended only when asked for more.
struct Script(Vec<Result<&'static [u8], Cause>>);

impl HttpBody for Script {
    type Data = Bytes;
    type Error = Fault;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match self.0.remove(0) {
            Ok(bytes) => Ok(Frame::data(Bytes::from_static(bytes))),
            Err(cause) => Err(Fault::new(cause)),
        }))
    }
}

fn poll(body: &mut Body) -> Option<Result<Frame<Bytes>, Fault>> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame,
        Poll::Pending => panic!("this body never waits"),
    }
}

#[test]
fn every_ending_writes_one_line() {
    let desk = desk();
    let none = HeaderMap::new();
    let start = |path: &str| {
        let mut ticket = desk.asked(path, None, &none);
        ticket.answered(StatusCode::OK);
        ticket
    };
    let expect = |path: &str, end: &str| {
        let lines = desk.lines();
        let found: Vec<_> = lines.iter().filter(|line| line.contains(&format!(" {path} "))).collect();
        assert_eq!(found.len(), 1, "{path}: {found:?}");
        let line = without_the_changing(found[0]);
        assert!(line.ends_with(end), "{path}: {line}");
    };

    start("/finished").finish();
    expect("/finished", "200 0 \"-\" \"-\" id=~ seconds=~");

    let body = ride(Body::Empty, start("/empty"));
    expect("/empty", "200 0 \"-\" \"-\" id=~ seconds=~");
    drop(body);

    let mut body = ride(Body::full("12345"), start("/full"));
    assert_eq!(body.length(), Some(5));
    poll(&mut body);
    expect("/full", "200 5 \"-\" \"-\" id=~ seconds=~");
    drop(body);

    let mut body = ride(Body::stream(Script(vec![Ok(b"123"), Ok(b"45")])), start("/stream"));
    while poll(&mut body).is_some() {}
    drop(body);
    expect("/stream", "200 5 \"-\" \"-\" id=~ seconds=~");

    let mut body = ride(Body::stream(Script(vec![Ok(b"123"), Ok(b"45")])), start("/half"));
    poll(&mut body);
    drop(body);
    expect("/half", "200 3 \"-\" \"-\" id=~ seconds=~ cause=visitor_left left=yes");

    let mut body = ride(Body::stream(Script(vec![Ok(b"123"), Err(Cause::BetweenBytes)])), start("/broken"));
    while poll(&mut body).is_some_and(|frame| frame.is_ok()) {}
    drop(body);
    expect("/broken", "200 3 \"-\" \"-\" id=~ seconds=~ cause=between_bytes");

    drop(ride(Body::full("12345"), start("/unread")));
    expect("/unread", "200 0 \"-\" \"-\" id=~ seconds=~ cause=visitor_left left=yes");

    drop(desk.asked("/given-up", None, &none));
    expect("/given-up", "499 0 \"-\" \"-\" id=~ seconds=~ cause=visitor_left left=yes");

    let mut ticket = desk.asked("/unanswered", None, &none);
    ticket.fault(&Fault::new(Cause::Refused));
    ticket.fault(&Fault::new(Cause::Internal));
    drop(ticket);
    expect("/unanswered", "503 0 \"-\" \"-\" id=~ seconds=~ cause=refused");

    let mut ticket = start("/upload");
    let mut body = ticket.upload(Body::full("123456789"));
    poll(&mut body);
    ticket.finish();
    expect("/upload", "200 0 \"-\" \"-\" id=~ seconds=~ received=9");

    let mut ticket = desk.asked("/socket", None, &none);
    ticket.answered(StatusCode::SWITCHING_PROTOCOLS);
    let mut rider: Box<dyn TunnelRider> = Box::new(ticket.into_tunnel());
    rider.moved(3, 4);
    rider.moved(30, 40);
    drop(rider);
    expect("/socket", "101 44 \"-\" \"-\" id=~ seconds=~ received=33");

    assert_eq!(desk.lines().len(), 11);
    // A visitor who leaves is no trouble of ours; the two faults are.
    assert_eq!(desk.folder.read(TODAYS_ERRORS).lines().count(), 2);
    let metrics = desk.office.scrape(&[], &[]);
    for line in [
        "doorward_requests_total{site=\"a.example\",status=\"200\"} 8",
        "doorward_requests_total{site=\"a.example\",status=\"499\"} 1",
        "doorward_bytes_total{direction=\"out\",site=\"a.example\"} 60",
        "doorward_bytes_total{direction=\"in\",site=\"a.example\"} 42",
        "doorward_faults_total{cause=\"visitor_left\"} 3",
        "doorward_faults_total{cause=\"refused\"} 1",
        "doorward_faults_total{cause=\"tls\"} 0",
        // The tunnel is not in it.
        "doorward_request_seconds_count{site=\"a.example\"} 10",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is not in\n{metrics}");
    }
}

#[test]
fn visits_to_nobody_have_a_folder_of_their_own() {
    let desk = desk();
    let mut ticket = desk.pen.ticket(RequestId::next(), visitor());
    ticket.fault(&Fault::new(Cause::HeadTimeout));
    ticket.answered(StatusCode::REQUEST_TIMEOUT);
    drop(ticket);
    desk.settle();
    let line = desk.folder.read("log/unknown/access-2026-11-20.log");
    assert_eq!(
        without_the_changing(line.trim_end()),
        "203.0.113.0 - - [20/Nov/2026:13:55:12 +0000] \"-\" 408 0 \"-\" \"-\" id=~ seconds=~ cause=head_timeout"
    );
    assert!(desk.office.scrape(&[], &[]).contains("doorward_requests_total{site=\"-\",status=\"408\"} 1"));
    let mode = |path: &str| fs::metadata(desk.folder.0.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("log/unknown") & 0o027, mode("log/unknown/access-2026-11-20.log") & 0o137), (0, 0));
}

#[test]
fn sites_that_share_a_file_are_named_in_it() {
    let log = LogConfig {
        file: "{state}/all-{day}.log".into(),
        errors: "{state}/all-errors.log".into(),
        ..LogConfig::standard()
    };
    let desk = desk_with(&log);
    for site in ["a.example", "b.example"] {
        let mut ticket = desk.pen.ticket(RequestId::next(), visitor());
        ticket.site(desk.office.sheet(site, &log));
        ticket.answered(StatusCode::OK);
    }
    desk.settle();
    let text = desk.folder.read("all-2026-11-20.log");
    assert!(text.contains(" site=a.example") && text.contains(" site=b.example"), "{text}");
    assert_eq!(desk.office.sheet("a.example", &log), desk.sheet);
    assert_ne!(desk.office.sheet("a.example", &LogConfig::standard()), desk.sheet);
}

#[test]
fn a_new_day_gets_a_new_file() {
    let desk = desk();
    let last_second = Wall::from_seconds((NOON.day_number() + 1) * 86_400 - 1);
    for (time, count) in [(last_second, 3), (Wall::from_seconds(last_second.seconds + 1), 2)] {
        desk.pen.time.set(Some(time));
        for _ in 0..count {
            desk.ticket().answered(StatusCode::OK);
        }
    }
    assert_eq!(desk.lines().len(), 3);
    let tomorrow = desk.folder.read("log/a.example/access-2026-11-21.log");
    assert_eq!(tomorrow.lines().count(), 2);
    assert!(tomorrow.contains("[21/Nov/2026:00:00:00 +0000]"));
}

#[test]
fn files_are_opened_anew_when_asked_or_when_they_are_gone() {
    let desk = desk();
    let visit = || {
        desk.ticket().answered(StatusCode::OK);
        desk.settle();
    };
    let (file, old) = (desk.folder.0.join(TODAY), desk.folder.0.join("old.log"));
    visit();
    fs::rename(&file, &old).unwrap();
    visit();
    assert_eq!(desk.folder.read("old.log").lines().count(), 2, "a renamed file is written until we are told");
    desk.office.reopen();
    visit();
    assert_eq!(desk.folder.read(TODAY).lines().count(), 1);
    fs::remove_dir_all(desk.folder.0.join("log")).unwrap();
    visit();
    assert_eq!(desk.folder.read(TODAY).lines().count(), 1, "folders come back too");
    assert_eq!(desk.office.dropped(), 0);
}

#[test]
fn a_full_disk_drops_and_counts_and_holds_nobody_up() {
    let log = LogConfig { file: "/dev/full".into(), errors: "/dev/full".into(), ..LogConfig::standard() };
    let desk = desk_with(&log);
    let healthy = desk.office.sheet("b.example", &LogConfig::standard());
    let each = 30_000;
    for _ in 0..each {
        desk.ticket().answered(StatusCode::OK);
    }
    let mut ticket = desk.pen.ticket(RequestId::next(), visitor());
    ticket.site(healthy);
    ticket.answered(StatusCode::OK);
    drop(ticket);
    desk.settle();
    let kept = desk.folder.read("log/b.example/access-2026-11-20.log");
    assert_eq!(kept.lines().count(), 1, "other files go on");
    assert!(desk.office.dropped() > 0 && desk.office.dropped() < each);
    desk.pen.flush();
    desk.office.close();
    assert_eq!(desk.office.dropped(), each, "what still waited at the end is counted too");
    let house = desk.folder.everything();
    assert!(house.contains("a log file can't be written file=\"/dev/full\""), "{house}");
    assert!(house.contains("log lines were lost lines="), "{house}");
    assert_eq!(house.matches("can't be written").count(), 1, "it is said once");
}

#[test]
fn what_a_missing_folder_held_up_is_written_when_it_comes_back() {
    let desk = desk();
    // A file stands where the folder should be.
    fs::write(desk.folder.0.join("log"), "").unwrap();
    for _ in 0..3 {
        desk.ticket().answered(StatusCode::OK);
    }
    desk.settle();
    fs::remove_file(desk.folder.0.join("log")).unwrap();
    desk.ticket().answered(StatusCode::OK);
    assert_eq!(desk.lines().len(), 4);
    desk.settle();
    assert_eq!(desk.office.dropped(), 0);
    let text = desk.folder.everything();
    assert!(text.contains("a log file can be written again"), "{text}");
}

#[test]
fn a_torn_line_stays_alone() {
    let desk = desk();
    fs::create_dir_all(desk.folder.0.join("log/a.example")).unwrap();
    fs::write(desk.folder.0.join(TODAY), "203.0.113.0 - - [20/No").unwrap();
    desk.ticket().answered(StatusCode::OK);
    let lines = desk.lines();
    assert_eq!((lines.len(), lines[0].as_str()), (2, "203.0.113.0 - - [20/No"));
}

#[test]
fn a_clean_stop_loses_nothing() {
    let desk = desk();
    for _ in 0..2_000 {
        let mut ticket = desk.asked("/a/path/of/ordinary/length", Some("page=2"), &HeaderMap::new());
        ticket.answered(StatusCode::OK);
    }
    let Desk { folder, office, pen, .. } = desk;
    drop(pen); // flushes
    office.close();
    assert_eq!(folder.read(TODAY).lines().count(), 2_000);
    assert_eq!(office.dropped(), 0);
    office.note(Level::Info, "too late", &[]);
    assert_eq!(office.dropped(), 1);
}

#[test]
fn more_sites_than_open_files() {
    let desk = desk();
    let log = LogConfig::standard();
    for round in 0..2 {
        for site in 0..300 {
            let mut ticket = desk.pen.ticket(RequestId::next(), visitor());
            ticket.site(desk.office.sheet(&format!("s{site}.example"), &log));
            ticket.answered(StatusCode::OK);
        }
        desk.settle();
        let open =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        let ours = open.filter(|path| path.starts_with(&desk.folder.0)).count();
        assert!((1..=128).contains(&ours), "{ours}");
        for site in 0..300 {
            let text = desk.folder.read(&format!("log/s{site}.example/access-2026-11-20.log"));
            assert_eq!(text.lines().count(), round + 1);
        }
    }
}

#[test]
fn each_name_has_its_files_and_few_of_them_are_open() {
    const NAMES: usize = 400;
    let log = LogConfig {
        file: "{state}/log/{site}/{group}/{project}-{day}.log".into(),
        errors: "{state}/log/{site}/{group}/{project}-errors.log".into(),
        names: ["group", "project"].map(Into::into).into(),
        ..LogConfig::standard()
    };
    let desk = desk();
    let sheet = desk.office.sheet("a.example", &log);
    for round in 1..3 {
        for name in 0..NAMES {
            let mut ticket = desk.ticket();
            ticket.route(sheet, ["g", &*format!("p{name}")].into_iter());
            ticket.remark(b"seen");
            ticket.answered(StatusCode::OK);
        }
        desk.settle();
        let open =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        let ours = open.filter(|path| path.starts_with(&desk.folder.0)).count();
        assert!((1..=writer::OPEN_FILES_MAX).contains(&ours), "{ours}");
        for name in 0..NAMES {
            for file in [format!("p{name}-2026-11-20.log"), format!("p{name}-errors.log")] {
                let text = desk.folder.read(&format!("log/a.example/g/{file}"));
                assert_eq!(text.lines().count(), round, "{file}");
            }
        }
    }
    // They count as visits of their site, and tomorrow has files of its own.
    let metrics = desk.office.scrape(&[], &[]);
    assert!(metrics.contains("doorward_requests_total{site=\"a.example\",status=\"200\"} 800"), "{metrics}");
    desk.pen.time.set(Some(Wall { seconds: NOON.seconds + 86_400, ..NOON }));
    let mut ticket = desk.ticket();
    ticket.route(sheet, ["g", "p7"].into_iter());
    ticket.answered(StatusCode::OK);
    drop(ticket);
    // Whoever loses his route is the site's again.
    let mut ticket = desk.ticket();
    ticket.route(sheet, ["g", "p8"].into_iter());
    ticket.no_route();
    drop(ticket);
    desk.settle();
    assert_eq!(desk.folder.read("log/a.example/g/p7-2026-11-21.log").lines().count(), 1);
    assert_eq!(desk.folder.read("log/a.example/access-2026-11-21.log").lines().count(), 1);
    assert_eq!(desk.office.dropped(), 0);
}

#[test]
fn metrics_are_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let manual = metrics::manual();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &manual).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        manual,
        "UPDATE=1 writes docs/metrics.md again"
    );
    for metric in metrics::METRICS {
        assert!(metric.doc.ends_with('.') && metric.name.is_ascii(), "{}", metric.name);
    }
}

#[test]
fn the_scrape_shows_every_metric_and_no_other() {
    let desk = desk();
    desk.ticket().answered(StatusCode::OK);
    desk.pen.handshake(Handshake::Done);
    let presence = desk.pen.presence(Listener::Https);
    drop(desk.pen.presence(Listener::Http));
    desk.office.reloaded(true);
    desk.office.certificates(&[("gone.example", NOON)]);
    desk.office.certificates(&[("a.example", NOON)]);
    desk.settle();
    let figures = BackendFigures {
        healthy: false,
        name: "trac".into(),
        requests: 5,
        in_flight: 1,
        open: 2,
        waiting: 4,
        waited: 9,
        faults: vec![(Cause::Refused, 3)],
    };
    let directors = DirectorFigures {
        name: "home".into(),
        shares: vec![("trac".into(), 0.0), ("moin".into(), 1.5)],
        retries: 7,
    };
    let text = desk.office.scrape(&[figures], &[directors]);
    for line in [
        "doorward_handshakes_total{result=\"done\"} 1",
        "doorward_connections{listener=\"https\"} 1",
        "doorward_connections{listener=\"http\"} 0",
        "doorward_reloads_total{result=\"taken\"} 1",
        "doorward_reloads_total{result=\"refused\"} 0",
        "doorward_certificate_expiry_seconds{site=\"a.example\"} 1795182912",
        "doorward_backend_requests_total{backend=\"trac\"} 5",
        "doorward_backend_faults_total{backend=\"trac\",cause=\"refused\"} 3",
        "doorward_backend_in_flight{backend=\"trac\"} 1",
        "doorward_backend_connections{backend=\"trac\"} 2",
        "doorward_backend_waiting{backend=\"trac\"} 4",
        "doorward_backend_waited_total{backend=\"trac\"} 9",
        "doorward_backend_up{backend=\"trac\"} 0",
        "doorward_director_share{backend=\"trac\",director=\"home\"} 0",
        "doorward_director_share{backend=\"moin\",director=\"home\"} 1.5",
        "doorward_director_retries_total{director=\"home\"} 7",
        "doorward_log_dropped_total 0",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("gone.example"));
    let shown: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut known: Vec<&str> = metrics::METRICS.iter().map(|metric| metric.name).collect();
    known.sort_unstable();
    assert_eq!(shown, known);
    drop(presence);
    desk.settle();
    assert!(desk.office.scrape(&[], &[]).contains("doorward_connections{listener=\"https\"} 0"));
}

#[test]
fn a_storm_of_bad_handshakes_is_counted_but_not_written_out() {
    let desk = desk();
    for second in 0..2 {
        desk.pen.time.set(Some(Wall::from_seconds(NOON.seconds + second)));
        for _ in 0..500 {
            desk.pen.handshake_fault(&Fault::with(Cause::Malformed, "no TLS: 203.0.113.77 sent garbage"));
        }
    }
    desk.settle();
    let lines = desk.folder.read("log/unknown/error-2026-11-20.log");
    assert_eq!(lines.lines().count(), 20);
    assert!(lines.ends_with(" cause=malformed status=400 detail=\"no TLS: *** sent garbage\"\n"), "{lines}");
    assert!(desk.office.scrape(&[], &[]).contains("doorward_faults_total{cause=\"malformed\"} 1000"));
}

/// Prints what a line costs: `cargo test --release --lib what_a_line_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn what_a_line_costs() {
    // Processor time of this thread: other work on the machine and the writer do not count.
    let spent = || -> u64 {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let measure = |what: &str, each: &mut dyn FnMut()| {
        let many = 200_000;
        (0..1_000).for_each(|_| each());
        let before = spent();
        (0..many).for_each(|_| each());
        println!("{:>6} ns  {what}", (spent() - before) / many);
    };
    let desk = desk();
    desk.pen.time.set(None);
    let headers = headers(&[
        ("user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("referer", b"https://a.example/trac/wiki/WikiStart"),
    ]);
    let visit = |path, query| {
        let mut ticket = desk.asked(path, query, &headers);
        ticket.backend("trac");
        ticket.first_byte();
        ticket.answered(StatusCode::OK);
        ticket
    };
    measure("reading the clocks as often as a visit does", &mut || {
        std::hint::black_box((
            crate::base::clock::now(),
            crate::base::clock::now(),
            crate::base::clock::now(),
        ));
        std::hint::black_box(crate::base::clock::wall());
    });
    let mut out = Vec::with_capacity(1_024);
    for (what, name) in [("a name of a browser, veiled", "user-agent"), ("a referer, veiled", "referer")] {
        measure(what, &mut || {
            out.clear();
            let value = headers[name].as_bytes();
            if name == "referer" {
                veil::referer(&mut out, value, "a.example");
            } else {
                veil::agent(&mut out, value);
            }
            std::hint::black_box(&out);
        });
    }
    measure("a ticket without a request, to its line", &mut || desk.ticket().answered(StatusCode::OK));
    measure("a visit, to its line", &mut || visit("/trac/wiki/WikiStart", None).finish());
    measure("a visit with a query", &mut || visit("/trac/ticket/1234", Some("format=rss&page=2")).finish());
    measure("a visit riding on its answer", &mut || {
        let mut body = ride(Body::full("hello"), visit("/trac/wiki/WikiStart", None));
        poll(&mut body);
    });
    println!("{:>6} lost", desk.office.dropped());
}
