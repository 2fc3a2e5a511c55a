//! What every store must do, run over each of them. A new store (one more line in `stores!`) is done when
//! this passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::*;

const SPACE: Space = Space::new("conformance");
const NEIGHBOUR: Space = Space::new("conformance_b");
const START: Wall = Wall::from_seconds(1_700_000_000);
const BYTES_MAX: u64 = 4 << 20;

/// A folder of its own for one test; gone with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("doorward-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

macro_rules! stores {
    ($($name:ident),* $(,)?) => {
        mod memory { $( #[test] fn $name() { super::$name(&mut super::Memory::new(super::BYTES_MAX)); } )* }
        mod embedded { $( #[test] fn $name() {
            let folder = super::Folder::new();
            super::$name(&mut super::Embedded::open(folder.path(), super::BYTES_MAX).unwrap());
        } )* }
    };
}

stores![
    what_is_put_is_got_until_its_life_is_over,
    spaces_and_names_do_not_meet,
    counters_count_and_keep_their_window,
    a_swap_happens_only_over_what_was_expected,
    deleting_says_whether_there_was_one,
    scans_are_ordered_paged_and_see_only_the_living,
    pages_are_bounded_in_bytes,
    bounds_hold_and_nothing_is_forgotten_for_a_newcomer,
    sweeping_gives_room_back_and_changes_no_answer,
    a_batch_answers_each_order_in_its_place,
    a_thousand_random_orders_agree_with_a_plain_map,
];

fn later(seconds: u64) -> Wall {
    Wall::from_seconds(START.seconds + seconds)
}

fn key(name: impl AsRef<[u8]>) -> Key {
    SPACE.key(name).unwrap()
}

fn at<T>(store: &mut dyn Store, now: Wall, order: Ask<T>) -> Result<T, StoreFault> {
    ask(store, order, now)
}

fn now<T>(store: &mut dyn Store, order: Ask<T>) -> T {
    ask(store, order, START).unwrap()
}

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

fn what_is_put_is_got_until_its_life_is_over(store: &mut dyn Store) {
    assert_eq!(now(store, get(key("a"))), None);
    now(store, put(key("a"), "one", MINUTE));
    assert_eq!(at(store, later(59), get(key("a"))).unwrap(), Some("one".into()));
    assert_eq!(at(store, later(60), get(key("a"))).unwrap(), None);
    // A second put replaces the life too, both ways.
    now(store, put(key("a"), "two", None));
    assert_eq!(at(store, later(1 << 40), get(key("a"))).unwrap(), Some("two".into()));
    now(store, put(key("a"), "three", Some(Duration::from_millis(1))));
    assert_eq!(now(store, get(key("a"))), Some("three".into()));
    assert_eq!(at(store, Wall { seconds: START.seconds, nanos: 1_000_000 }, get(key("a"))).unwrap(), None);
    // Empty values and any bytes are values; a life of ages is one.
    now(store, put(key([0, 255, 0]), Bytes::new(), Some(Duration::MAX)));
    assert_eq!(now(store, get(key([0, 255, 0]))), Some(Bytes::new()));
    now(store, put(key(""), vec![0, 255], None));
    assert_eq!(now(store, get(key(""))), Some(vec![0, 255].into()));
    // None at all is over at once.
    now(store, put(key("gone"), "x", Some(Duration::ZERO)));
    assert_eq!(now(store, get(key("gone"))), None);
}

fn spaces_and_names_do_not_meet(store: &mut dyn Store) {
    now(store, put(key("name"), "mine", None));
    assert_eq!(now(store, get(NEIGHBOUR.key("name").unwrap())), None);
    now(store, put(NEIGHBOUR.key("name").unwrap(), "theirs", None));
    assert_eq!(now(store, get(key("name"))), Some("mine".into()));
    assert_eq!(now(store, scan(key(""), None, 10)).entries.len(), 1);
    assert_eq!(now(store, scan(NEIGHBOUR.key("").unwrap(), None, 10)).entries.len(), 1);
    assert_eq!(now(store, get(key("nam"))), None);
}

fn counters_count_and_keep_their_window(store: &mut dyn Store) {
    assert_eq!(now(store, add(key("n"), 5, MINUTE)), 5);
    assert_eq!(at(store, later(30), add(key("n"), -7, MINUTE)), Ok(-2));
    assert_eq!(at(store, later(30), get(key("n"))).unwrap(), Some("-2".into()));
    // The window began with the first; afterwards it begins anew.
    assert_eq!(at(store, later(60), add(key("n"), 1, MINUTE)), Ok(1));
    now(store, put(key("text"), "007", None));
    assert_eq!(at(store, START, add(key("text"), 1, None)), Err(StoreFault::NotACounter));
    now(store, put(key("text"), "7", None));
    assert_eq!(now(store, add(key("text"), 1, None)), 8);
    now(store, put(key("much"), i64::MAX.to_string(), None));
    assert_eq!(at(store, START, add(key("much"), 1, None)), Err(StoreFault::NotACounter));
    assert_eq!(now(store, add(key("much"), 0, None)), i64::MAX);
}

fn a_swap_happens_only_over_what_was_expected(store: &mut dyn Store) {
    let one: Option<Bytes> = Some("one".into());
    let two: Option<Bytes> = Some("two".into());
    assert!(now(store, swap(key("s"), two.clone(), one.clone(), None)) == Swap::Other(None));
    assert!(now(store, swap(key("s"), None, one.clone(), MINUTE)) == Swap::Done);
    assert!(now(store, swap(key("s"), None, two.clone(), None)) == Swap::Other(one.clone()));
    assert!(now(store, swap(key("s"), one.clone(), two.clone(), MINUTE)) == Swap::Done);
    assert_eq!(now(store, get(key("s"))), two);
    // What is over counts as absent.
    assert!(at(store, later(60), swap(key("s"), two.clone(), one.clone(), None)) == Ok(Swap::Other(None)));
    assert!(at(store, later(60), swap(key("s"), None, one.clone(), None)) == Ok(Swap::Done));
    // To nothing: it is deleted.
    assert!(now(store, swap(key("s"), two, None, None)) == Swap::Other(one.clone()));
    assert!(now(store, swap(key("s"), one, None, None)) == Swap::Done);
    assert_eq!(now(store, get(key("s"))), None);
    assert!(now(store, swap(key("s"), None, None, None)) == Swap::Done);
}

fn deleting_says_whether_there_was_one(store: &mut dyn Store) {
    assert!(!now(store, delete(key("d"))));
    now(store, put(key("d"), "x", MINUTE));
    assert!(now(store, delete(key("d"))));
    assert!(!now(store, delete(key("d"))));
    now(store, put(key("d"), "x", MINUTE));
    assert_eq!(at(store, later(60), delete(key("d"))), Ok(false));
}

fn names(page: &Page) -> Vec<String> {
    page.entries.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

fn scans_are_ordered_paged_and_see_only_the_living(store: &mut dyn Store) {
    for name in ["b/2", "a", "b/1", "b/10", "c", "b", "b/3"] {
        now(store, put(key(name), name, None));
    }
    now(store, put(key("b/0"), "dead soon", MINUTE));
    now(store, put(NEIGHBOUR.key("b/4").unwrap(), "not ours", None));
    let first = at(store, later(60), scan(key("b/"), None, 2)).unwrap();
    assert_eq!(names(&first), ["b/1", "b/10"]);
    let second = at(store, later(60), scan(key("b/"), first.more.clone(), 2)).unwrap();
    assert_eq!(names(&second), ["b/2", "b/3"]);
    assert!(second.more.is_none());
    let whole = at(store, later(60), scan(key(""), None, 100)).unwrap();
    assert_eq!(names(&whole), ["a", "b", "b/1", "b/10", "b/2", "b/3", "c"]);
    assert_eq!(whole.entries[2].1, "b/1");
    // A place that was deleted since is still a place; one outside the prefix leads nowhere else.
    now(store, delete(key("b/10")));
    assert_eq!(names(&at(store, later(60), scan(key("b/"), first.more, 9)).unwrap()), ["b/2", "b/3"]);
    assert_eq!(names(&at(store, later(60), scan(key("b/"), Some((*b"a").into()), 1)).unwrap()), ["b/1"]);
    assert!(at(store, later(60), scan(key("b/"), Some((*b"zz").into()), 9)).unwrap().entries.is_empty());
    // Zero would never come to an end.
    assert_eq!(names(&now(store, scan(key("c"), None, 0))), ["c"]);
}

fn pages_are_bounded_in_bytes(store: &mut dyn Store) {
    for name in 0..10_u8 {
        now(store, put(key([name]), vec![name; VALUE_BYTES_MAX], None));
    }
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let page = now(store, scan(key(""), after, PAGE_ENTRIES_MAX));
        let bytes: usize = page.entries.iter().map(|(_, value)| value.len()).sum();
        assert!(bytes < PAGE_BYTES_MAX + VALUE_BYTES_MAX);
        seen.extend(page.entries.iter().map(|(name, _)| name[0]));
        let Some(more) = page.more else { break };
        after = Some(more);
    }
    assert_eq!(seen, (0..10).collect::<Vec<u8>>());
}

fn bounds_hold_and_nothing_is_forgotten_for_a_newcomer(store: &mut dyn Store) {
    assert!(matches!(SPACE.key(vec![0; NAME_BYTES_MAX + 1]), Err(StoreFault::TooLarge)));
    now(store, put(key(vec![0; NAME_BYTES_MAX]), vec![1; VALUE_BYTES_MAX], None));
    assert_eq!(
        at(store, START, put(key("v"), vec![1; VALUE_BYTES_MAX + 1], None)),
        Err(StoreFault::TooLarge)
    );
    now(store, delete(key(vec![0; NAME_BYTES_MAX])));
    let mut held = 0_u32;
    let full = loop {
        match at(store, START, put(key(held.to_be_bytes()), vec![1; 100_000], MINUTE)) {
            Ok(()) => held += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!(full, StoreFault::Full);
    assert!(store.bytes_used().unwrap() <= BYTES_MAX);
    assert_eq!(held, 41);
    for number in 0..held {
        assert!(now(store, get(key(number.to_be_bytes()))).is_some());
    }
    // What is there may be replaced by what is no larger, read, and deleted, also now.
    now(store, put(key(0_u32.to_be_bytes()), vec![2; 100_000], MINUTE));
    assert_eq!(
        at(store, START, swap(key("new"), None, Some(vec![0; 100_000].into()), None)).err(),
        Some(StoreFault::Full)
    );
    // When lives are over there is room, without anybody sweeping.
    assert_eq!(at(store, later(60), put(key("new"), vec![3; 100_000], None)), Ok(()));
}

fn sweeping_gives_room_back_and_changes_no_answer(store: &mut dyn Store) {
    let empty = store.bytes_used().unwrap();
    for number in 0..10_u8 {
        let life = Some(Duration::from_secs(u64::from(number) + 1));
        now(store, put(key([number]), "x", life));
        // Replaced lives must not be swept by their old end.
        now(store, put(key([100 + number]), "x", life));
        now(store, put(key([100 + number]), "y", None));
    }
    assert_eq!(store.sweep(START, 100), Ok(0));
    assert_eq!(store.sweep(later(5), 3), Ok(3));
    assert_eq!(store.sweep(later(5), 100), Ok(2));
    assert_eq!(at(store, later(5), get(key([5]))).unwrap(), Some("x".into()));
    assert_eq!(store.sweep(later(1_000), 100), Ok(5));
    for number in 0..10_u8 {
        assert_eq!(now(store, get(key([100 + number]))), Some("y".into()));
        now(store, delete(key([100 + number])));
    }
    assert_eq!(store.bytes_used().unwrap(), empty);
}

fn a_batch_answers_each_order_in_its_place(store: &mut dyn Store) {
    now(store, put(key("word"), "word", None));
    let orders = [
        add(key("n"), 2, None).order,
        add(key("word"), 1, None).order,
        get(key("n")).order,
        put(key("large"), vec![0; VALUE_BYTES_MAX + 1], None).order,
        delete(key("word")).order,
        get(key("word")).order,
    ];
    let outcomes = store.carry_out(&orders, START);
    assert_eq!(outcomes.len(), orders.len());
    assert!(matches!(outcomes[0], Ok(Outcome::Count(2))));
    assert!(matches!(outcomes[1], Err(StoreFault::NotACounter)));
    assert!(matches!(&outcomes[2], Ok(Outcome::Value(Some(two))) if two == "2"));
    assert!(matches!(outcomes[3], Err(StoreFault::TooLarge)));
    assert!(matches!(outcomes[4], Ok(Outcome::Deleted(true))));
    assert!(matches!(outcomes[5], Ok(Outcome::Value(None))));
    assert!(store.carry_out(&[], START).is_empty());
}

/// A small generator of its own: the same orders each time, printed by their seed.
fn a_thousand_random_orders_agree_with_a_plain_map(store: &mut dyn Store) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut model: BTreeMap<Vec<u8>, (Option<u64>, Vec<u8>)> = BTreeMap::new();
    let mut time = 0;
    for step in 0..1_000 {
        time += random(3);
        let name = vec![b'k', u8::try_from(random(12)).unwrap()];
        let value = random(100).to_string().into_bytes();
        let life = (random(3) > 0).then(|| random(20));
        let end = life.map(|life| time + life);
        let span = life.map(Duration::from_secs);
        model.retain(|_, (end, _)| end.is_none_or(|end| end > time));
        let before = model.get(&name).map(|(_, value)| Bytes::from(value.clone()));
        let moment = later(time);
        match random(6) {
            0 => {
                at(store, moment, put(key(&name), value.clone(), span)).unwrap();
                model.insert(name, (end, value));
            }
            1 => assert_eq!(at(store, moment, get(key(&name))).unwrap(), before, "step {step}"),
            2 => {
                let entry = model.entry(name.clone()).or_insert_with(|| (end, b"0".to_vec()));
                let sum = std::str::from_utf8(&entry.1).unwrap().parse::<i64>().unwrap() + 3;
                entry.1 = sum.to_string().into_bytes();
                assert_eq!(at(store, moment, add(key(&name), 3, span)), Ok(sum), "step {step}");
            }
            3 => {
                let expected = if random(2) == 0 { before.clone() } else { Some("wrong".into()) };
                let done =
                    at(store, moment, swap(key(&name), expected.clone(), Some(value.clone().into()), span));
                assert_eq!(done.unwrap() == Swap::Done, expected == before, "step {step}");
                if expected == before {
                    model.insert(name, (end, value));
                }
            }
            4 => {
                assert_eq!(at(store, moment, delete(key(&name))), Ok(before.is_some()), "step {step}");
                model.remove(&name);
            }
            _ => {
                store.sweep(moment, 2).unwrap();
                let page = at(store, moment, scan(key("k"), None, 100)).unwrap();
                let living: Vec<_> =
                    model.iter().filter(|(_, (end, _))| end.is_none_or(|end| end > time)).collect();
                assert_eq!(page.entries.len(), living.len(), "step {step}");
                for ((name, value), (expected, (_, bytes))) in page.entries.iter().zip(living) {
                    assert!(name == expected && value == bytes, "step {step}");
                }
            }
        }
    }
}
