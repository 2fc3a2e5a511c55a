use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::conformance::Folder;
use super::super::{Space, add, ask, get, put};
use super::*;

const SPACE: Space = Space::new("embedded");
const NOW: Wall = Wall::from_seconds(1_700_000_000);
const MAX: u64 = 64 << 20;
/// Where the child process of the crash test keeps its store.
const CHILD: &str = "DOORWARD_TEST_STORE_TO_CRASH";

fn number(store: &mut dyn Store, name: &str, by: i64) -> i64 {
    ask(store, add(SPACE.key(name).unwrap(), by, None), NOW).unwrap()
}

#[test]
fn what_was_answered_is_there_after_reopening() {
    let folder = Folder::new();
    let state = folder.path().join("deeper/state");
    let mut store = Embedded::open(&state, MAX).unwrap();
    let life = Some(Duration::from_secs(60));
    ask(&mut store, put(SPACE.key("short").unwrap(), "x", life), NOW).unwrap();
    number(&mut store, "n", 42);
    let used = store.bytes_used().unwrap();
    drop(store);
    let mut store = Embedded::open(&state, MAX).unwrap();
    assert_eq!(number(&mut store, "n", 0), 42);
    assert_eq!(store.bytes_used().unwrap(), used);
    let later = Wall::from_seconds(NOW.seconds + 60);
    assert_eq!(ask(&mut store, get(SPACE.key("short").unwrap()), later).unwrap(), None);
    assert_eq!(Store::sweep(&mut store, later, 10), Ok(1));
}

#[test]
fn folder_and_file_are_for_their_user_alone() {
    let folder = Folder::new();
    let state = folder.path().join("state");
    let store = Embedded::open(&state, MAX).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(store.path()), 0o600);
    assert!(!state.join("doorward.redb.new").exists());
    // A file that was copied back with other rights is closed again.
    let path = store.path().to_owned();
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _store = Embedded::open(&state, MAX).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_second_owner_is_refused_and_told_what_to_do() {
    let folder = Folder::new();
    let mut first = Embedded::open(folder.path(), MAX).unwrap();
    let second = Embedded::open(folder.path(), MAX).err().unwrap();
    assert!(matches!(second, OpenFault::Owned(_)));
    assert!(second.to_string().contains("doorward status"), "{second}");
    assert_eq!(number(&mut first, "n", 1), 1);
    drop(first);
    Embedded::open(folder.path(), MAX).unwrap();
}

#[test]
fn an_interrupted_creation_is_begun_again() {
    let folder = Folder::new();
    fs::write(folder.path().join("doorward.redb.new"), [0; 100]).unwrap();
    let mut store = Embedded::open(folder.path(), MAX).unwrap();
    assert_eq!(number(&mut store, "n", 1), 1);
}

#[test]
fn a_damaged_file_is_named_and_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.path().join(FILE);
    for garbage in [b"not a store".to_vec(), vec![0; 5_000], vec![0xff; 1 << 20]] {
        fs::write(&path, &garbage).unwrap();
        let fault = Embedded::open(folder.path(), MAX).err().unwrap();
        assert!(matches!(fault, OpenFault::Damaged(..)), "{fault}");
        assert!(fault.to_string().contains("left untouched"), "{fault}");
        assert_eq!(fs::read(&path).unwrap(), garbage);
    }
}

#[test]
fn a_file_of_a_newer_program_is_left_to_it() {
    let folder = Folder::new();
    let store = Embedded::open(folder.path(), MAX).unwrap();
    let database = store.open.as_ref().unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(BOOK).unwrap().insert("format", FORMAT + 1).unwrap();
    transaction.commit().unwrap();
    drop(store);
    assert!(matches!(Embedded::open(folder.path(), MAX).err(), Some(OpenFault::Newer(_))));
}

/// Every 97th byte in turn: it opens with its entries, or says what is wrong; it never panics through.
#[test]
fn a_flipped_byte_never_gets_further_than_a_fault() {
    let folder = Folder::new();
    let mut store = Embedded::open(folder.path(), MAX).unwrap();
    for name in 0..50_u8 {
        ask(&mut store, put(SPACE.key([name]).unwrap(), vec![name; 200], None), NOW).unwrap();
    }
    let path = store.path().to_owned();
    drop(store);
    let whole = fs::read(&path).unwrap();
    let used = whole.len().min(64 << 10);
    for at in (0..used).step_by(997) {
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[!whole[at]]).unwrap();
        if let Ok(mut store) = Embedded::open(folder.path(), MAX) {
            for name in 0..50_u8 {
                let _ =
                    catch_unwind(AssertUnwindSafe(|| ask(&mut store, get(SPACE.key([name]).unwrap()), NOW)));
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

/// After a failure the store opens its file again instead of failing for ever.
#[test]
fn a_store_that_failed_opens_its_file_again() {
    let folder = Folder::new();
    let mut store = Embedded::open(folder.path(), MAX).unwrap();
    assert_eq!(number(&mut store, "n", 1), 1);
    let failed: Result<(), StoreFault> = store.with(|_, _| Err(StoreFault::Broken("disk full".into())));
    assert!(failed.is_err() && store.open.is_none());
    assert_eq!(number(&mut store, "n", 1), 2);
}

/// The child of the next test: writes numbers as fast as it can and says each one once it is answered.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(state) = std::env::var_os(CHILD) else { return };
    let mut store = Embedded::open(Path::new(&state), MAX).unwrap();
    let mut out = std::io::stdout();
    loop {
        let n = number(&mut store, "n", 1);
        ask(&mut store, put(SPACE.key(format!("entry {n}")).unwrap(), vec![7; 3_000], None), NOW).unwrap();
        writeln!(out, "kept {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_answered_survives_kill_9() {
    let folder = Folder::new();
    let mut answered: Vec<i64> = Vec::new();
    let heard = |line: &str| line.trim().split_once("kept ").and_then(|(_, n)| n.parse::<i64>().ok());
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::embedded::tests::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        while answered.len() < round * 15 {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the child ended by itself");
            // The test runner's own words may stand before the first.
            answered.extend(heard(&line));
        }
        // Somewhere in the middle of a transaction.
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        answered.extend(rest.lines().filter_map(heard));
        let mut store = Embedded::open(folder.path(), MAX).unwrap();
        let found = number(&mut store, "n", 0);
        let last = *answered.last().unwrap();
        // One more may have been counted before it could be said.
        assert!(found == last || found == last + 1, "{found} found, {last} answered");
        for n in &answered {
            let entry = ask(&mut store, get(SPACE.key(format!("entry {n}")).unwrap()), NOW).unwrap();
            assert_eq!(entry.unwrap().len(), 3_000);
        }
    }
}

/// `cargo test --release --lib store::embedded::tests::figures -- --ignored --nocapture`
#[test]
#[ignore = "prints figures, proves nothing"]
fn figures() {
    let folder = Folder::new();
    let mut store = Embedded::open(folder.path(), 1 << 30).unwrap();
    let puts = |from: u32, count: u32| -> Vec<Order> {
        (from..from + count)
            .map(|n| Order::Put {
                key: SPACE.key(n.to_be_bytes()).unwrap(),
                value: vec![7; 200].into(),
                life: Some(Duration::from_secs(3_600)),
            })
            .collect()
    };
    let mut measure = |what: &str, count: u32, work: &mut dyn FnMut(&mut Embedded)| {
        let start = crate::base::clock::now();
        work(&mut store);
        let seconds = start.elapsed().as_secs_f64();
        println!("{what}: {:.0} per second", f64::from(count) / seconds);
    };
    measure("changes, one flush each", 200, &mut |store| {
        for n in 0..200 {
            store.carry_out(&puts(n, 1), NOW);
        }
    });
    measure("changes, 256 to a flush", 25_600, &mut |store| {
        for n in 0..100 {
            store.carry_out(&puts(n * 256, 256), NOW);
        }
    });
    measure("reads, one at a time", 100_000, &mut |store| {
        for n in 0..100_000_u32 {
            let order = Order::Get(SPACE.key((n % 25_600).to_be_bytes()).unwrap());
            assert!(matches!(store.carry_out(&[order], NOW).pop(), Some(Ok(Outcome::Value(Some(_))))));
        }
    });
    measure("sweeping", 25_600, &mut |store| {
        let over = Wall::from_seconds(NOW.seconds + 3_600);
        while Store::sweep(store, over, 2_000) != Ok(0) {}
    });
}
