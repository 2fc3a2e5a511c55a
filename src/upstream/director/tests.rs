// Shares are worked out from whole numbers, and are exact.
#![allow(clippy::float_cmp)]

use std::collections::BTreeMap;

use http::header::COOKIE;

use super::*;
use crate::base::clock;
use crate::upstream::health::Window;
use crate::upstream::{Address, Ask, Config, ProbeConfig, tests};

fn backend(name: &str, slow_start: u64) -> Arc<Backend> {
    let probe = ProbeConfig {
        ask: Ask::Url("/".into()),
        expected: [(200, 200)].into(),
        timeout: Duration::from_secs(2),
        interval: Duration::from_secs(5),
        window: 1,
        threshold: 1,
        initial: 1,
        expect_close: true,
    };
    let address = Address::Tcp { host: "127.0.0.1".into(), port: 1 };
    let config = Config {
        name: name.into(),
        slow_start: Duration::from_secs(slow_start),
        probe: Some(probe),
        ..tests::config(address)
    };
    Arc::new(Backend::new(config).unwrap())
}

/// What its probe finds, so many seconds after it was made.
fn say(backend: &Backend, healthy: bool, at: u64) {
    let window = Window::new(1, 1, u32::from(healthy));
    let why = (!healthy).then(|| "it is silent".into());
    let at = clock::now() + Duration::from_secs(at);
    backend.0.health.probed(window, why, at, clock::wall());
}

fn config(policy: Policy, members: &[(&str, u32)]) -> DirectorConfig {
    DirectorConfig {
        name: "home".into(),
        policy,
        members: members.iter().map(|(name, weight)| ((*name).into(), *weight)).collect(),
        sticky: None,
        retries: 2,
    }
}

fn key() -> StickyKey {
    StickyKey::new([7; 32])
}

fn director(config: DirectorConfig) -> (Director, Vec<Arc<Backend>>) {
    let backends: Vec<_> = config.members.iter().map(|(name, _)| backend(name, 0)).collect();
    (Director::new(config, &backends, &key(), None).unwrap(), backends)
}

/// How often each member is chosen by one worker.
fn counts(director: &Director, times: u32) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    let mut number = 0_u32;
    for _ in 0..times {
        let mut chance = || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(number) / 4_294_967_296.0
        };
        let chosen = director.choose(None, None, &[], 0, clock::now(), &mut chance);
        let name = chosen.map_or("nobody", |at| director.members[at].backend.name());
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

fn only(name: &str, times: u32) -> BTreeMap<String, u32> {
    BTreeMap::from([(name.to_owned(), times)])
}

#[test]
fn who_is_sick_drained_or_without_weight_is_not_chosen() {
    for policy in [Policy::RoundRobin, Policy::Random, Policy::Least, Policy::Fallback] {
        let (director, backends) = director(config(policy, &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]));
        say(&backends[0], false, 1);
        backends[1].drain(true);
        assert!(director.set_weight("c", 0));
        assert_eq!(counts(&director, 100), only("d", 100));
        assert!(director.healthy() && !director.set_weight("x", 1));
        backends[3].drain(true);
        assert!(!director.healthy());
        assert_eq!(counts(&director, 3), only("nobody", 3));
        backends[3].drain(false);
        assert_eq!(counts(&director, 3), only("d", 3));
        backends[3].drain(true);
        assert!(director.set_weight("c", 1));
        assert_eq!(counts(&director, 3), only("c", 3));
    }
}

#[test]
fn each_worker_has_turns_of_its_own() {
    let (director, _) = director(config(Policy::RoundRobin, &[("a", 2), ("b", 1)]));
    let mut course = |worker| director.choose(None, None, &[], worker, clock::now(), &mut || 0.0).unwrap();
    assert_eq!([0, 0, 0].map(&mut course), [0, 1, 0]);
    assert_eq!([1, 1, 1].map(&mut course), [0, 1, 0]);
}

#[test]
fn the_order_of_a_fallback_is_kept() {
    let (director, backends) = director(config(Policy::Fallback, &[("b", 1), ("a", 9)]));
    assert_eq!(counts(&director, 5), only("b", 5));
    say(&backends[0], false, 1);
    assert_eq!(counts(&director, 5), only("a", 5));
}

#[test]
fn a_member_that_came_back_starts_slowly() {
    let backends = vec![backend("a", 100), backend("b", 0)];
    let director =
        Director::new(config(Policy::Random, &[("a", 10), ("b", 10)]), &backends, &key(), None).unwrap();
    say(&backends[0], false, 1);
    say(&backends[0], true, 10);
    let back = backends[0].well_since().unwrap();
    let gets = |after: u64| director.members(back + Duration::from_secs(after))[0].gets;
    assert_eq!([0, 5, 10, 25, 50, 99, 100, 5_000].map(gets), [1.0, 1.0, 1.0, 2.5, 5.0, 9.9, 10.0, 10.0]);
    // It is not back yet by this clock, and yet it is asked: a tenth of its weight, an eleventh of all.
    let chosen = counts(&director, 3_000)["a"];
    assert!(chosen.abs_diff(273) < 60, "{chosen}");
    say(&backends[0], false, 20);
    assert_eq!(director.members(back)[0].gets, 0.0);
}

#[test]
fn what_was_set_outlives_a_reload_of_the_same_words() {
    let words = || config(Policy::RoundRobin, &[("a", 1), ("b", 1)]);
    let (old, _) = director(words());
    old.set_weight("a", 3);
    old.count(0);
    assert!(old.may_repeat(clock::now()));
    // Its backends may be others, since they were declared anew.
    let backends = [backend("b", 0), backend("a", 9)];
    let kept = Director::new(words(), &backends, &key(), Some(&old)).unwrap();
    let standing: Vec<_> =
        kept.members(clock::now()).into_iter().map(|member| (member.name, member.weight)).collect();
    assert_eq!(standing, [("a".into(), 3), ("b".into(), 1)]);
    assert_eq!(kept.retries(), 1);
    let other = config(Policy::RoundRobin, &[("a", 2), ("b", 1)]);
    let anew = Director::new(other, &backends, &key(), Some(&old)).unwrap();
    assert_eq!(anew.members(clock::now()).iter().map(|member| member.weight).collect::<Vec<_>>(), [2, 1]);
    assert!(Director::new(words(), &backends[..1], &key(), None).is_err());
}

fn headers(cookie: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
    headers
}

fn sticky() -> (Director, Vec<Arc<Backend>>) {
    director(DirectorConfig {
        sticky: Some("seat".into()),
        ..config(Policy::Fallback, &[("secret-host", 1), ("b", 1)])
    })
}

#[test]
fn a_cookie_leads_back_and_tells_nothing() {
    let (director, backends) = sticky();
    let [plain, secure] = [false, true].map(|secure| director.cookie(1, secure).unwrap());
    let (plain, secure) = (plain.to_str().unwrap(), secure.to_str().unwrap());
    let (pair, attributes) = plain.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(secure, format!("{plain}; Secure"));
    let value = pair.strip_prefix("seat=").unwrap();
    assert!(value.len() == 24 && value.bytes().all(|byte| byte.is_ascii_hexdigit()), "{value}");
    let back = director.back_to(&headers(&format!("other=1; {pair}")));
    assert_eq!(back, Some(1));
    let choose = |tried: &[usize]| director.choose(back, None, tried, 0, clock::now(), &mut || 0.0);
    assert_eq!((choose(&[]), choose(&[1])), (Some(1), Some(0)));
    // Who has the cookie stays where nobody new is sent; not where nobody is.
    director.set_weight("b", 0);
    assert_eq!(choose(&[]), Some(1));
    backends[1].drain(true);
    assert_eq!(choose(&[]), Some(0));
    backends[1].drain(false);
    say(&backends[1], false, 1);
    assert_eq!(choose(&[]), Some(0));
}

#[test]
fn a_made_up_cookie_leads_nowhere() {
    let (one, _) = sticky();
    for cookie in ["seat=", "seat=b", "seat=secret-host", "seat=000000000000000000000000", "seat", "Seat=x"] {
        assert_eq!(one.back_to(&headers(cookie)), None, "{cookie}");
    }
    let told = one.cookie(0, false).unwrap();
    let pair = told.to_str().unwrap().split("; ").next().unwrap().to_owned();
    assert_eq!(one.back_to(&headers(&pair)), Some(0));
    // Under another key, and of another director, it says nothing.
    let backends = [backend("secret-host", 0), backend("b", 0)];
    let words = one.config.clone();
    let foreign = Director::new(words.clone(), &backends, &StickyKey::new([8; 32]), None).unwrap();
    assert_eq!(foreign.back_to(&headers(&pair)), None);
    let other = Director::new(DirectorConfig { name: "x".into(), ..words }, &backends, &key(), None).unwrap();
    assert_eq!(other.back_to(&headers(&pair)), None);
}

#[test]
fn a_key_is_what_the_rules_name_or_else_the_client() {
    let client = |text: &str| ClientIp::new(text.parse().unwrap());
    let place = |by: By, header: &HeaderMap, uri: &str, from: &str| {
        let (director, _) = director(config(Policy::Hash(by), &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]));
        let key = director.key(header, &uri.parse().unwrap(), client(from)).unwrap();
        director.choose(None, Some(&key), &[], 0, clock::now(), &mut || 0.0).unwrap()
    };
    let spread =
        |choose: &dyn Fn(u32) -> usize| (0..64).map(choose).collect::<std::collections::BTreeSet<_>>().len();
    let none = HeaderMap::new();
    assert_eq!(spread(&|at| place(By::Client, &none, "/", &format!("192.0.2.{at}"))), 4);
    assert_eq!(spread(&|at| place(By::Client, &none, &format!("/{at}"), "192.0.2.1")), 1);
    assert_eq!(spread(&|at| place(By::Client, &none, "/", &format!("2001:db8::{at}"))), 1);
    assert_eq!(spread(&|at| place(By::Client, &none, "/", &format!("2001:db8:0:{at}::1"))), 4);
    assert_eq!(spread(&|at| place(By::Path, &none, &format!("/{at}"), "192.0.2.1")), 4);
    assert_eq!(spread(&|at| place(By::Path, &none, &format!("/x?{at}"), "192.0.2.1")), 1);
    let session = || By::Cookie("session".into());
    assert_eq!(spread(&|at| place(session(), &headers(&format!("session={at}")), "/", "192.0.2.1")), 4);
    assert_eq!(spread(&|at| place(session(), &headers("session=1"), "/", &format!("192.0.2.{at}"))), 1);
    assert_eq!(spread(&|at| place(session(), &none, "/", &format!("192.0.2.{at}"))), 4);
    let tenant = || By::Header(HeaderName::from_static("x-tenant"));
    let header =
        |at: u32| HeaderMap::from_iter([(HeaderName::from_static("x-tenant"), HeaderValue::from(at))]);
    assert_eq!(spread(&|at| place(tenant(), &header(at), "/", "192.0.2.1")), 4);
}

#[test]
fn a_weight_that_changes_moves_keys_to_it_alone() {
    let (director, _) = director(config(Policy::Hash(By::Path), &[("a", 1), ("b", 1), ("c", 1)]));
    let place = |at: u32| {
        let uri = format!("/{at}").parse().unwrap();
        let key = director.key(&HeaderMap::new(), &uri, ClientIp::unknown()).unwrap();
        director.choose(None, Some(&key), &[], 0, clock::now(), &mut || 0.0).unwrap()
    };
    let before: Vec<usize> = (0..2_000).map(place).collect();
    director.set_weight("c", 3);
    let after: Vec<usize> = (0..2_000).map(place).collect();
    let moved: Vec<usize> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .map(|(_, after)| *after)
        .collect();
    assert!(moved.len() > 300 && moved.iter().all(|at| *at == 2), "{}", moved.len());
    director.set_weight("c", 0);
    assert!((0..2_000).all(|at| place(at) != 2));
}
