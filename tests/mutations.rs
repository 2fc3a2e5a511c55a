//! Rule files with slips, cuts and splices in them, thousands of them, the same in every run: nothing panics, and
//! what `fuzz/src/rules.rs` says of any text holds. The fuzzer (`fuzz/run.sh language 300`) goes on from there.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward::base::clock;

#[path = "../fuzz/src/rules.rs"]
mod rules;

/// Few enough for a debug build on a busy machine; all of them run wherever the time allows.
const MUTATIONS: usize = 3_000;
const TIME: Duration = Duration::from_secs(8);

/// Chance from a seed, so that a failure can be seen again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/language");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the seeds").map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    assert!(paths.len() >= 50, "the seeds are not there");
    paths.into_iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// The words of the language, from the fuzzer's dictionary.
fn words() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/language.dict");
    let text = fs::read_to_string(path).expect("the dictionary");
    let words: Vec<Vec<u8>> = text
        .lines()
        .filter(|line| !line.contains("\\x"))
        .map(|line| line.trim_matches('"').as_bytes().to_vec())
        .collect();
    assert!(words.len() >= 100, "the dictionary is not there");
    words
}

fn mutated(seeds: &[Vec<u8>], words: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut text = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(text.len() + 1);
        match chance.below(7) {
            0 if !text.is_empty() => text[at.min(at.saturating_sub(1))] = chance.below(256) as u8,
            1 => text.truncate(at),
            2 => {
                let end = (at + chance.below(40)).min(text.len());
                text.drain(at..end);
            }
            3 => {
                let word = &words[chance.below(words.len())];
                text.splice(at..at, word.iter().copied());
            }
            4 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                let end = (from + chance.below(200)).min(other.len());
                text.splice(at..at, other[from..end].iter().copied());
            }
            5 => text.insert(at, b"{}();\"~.,\n\\/*#%\x00\xff"[chance.below(17)]),
            _ => {
                let end = (at + chance.below(100)).min(text.len());
                let piece = text[at..end].to_vec();
                text.splice(at..at, piece);
            }
        }
    }
    text
}

#[test]
fn whatever_a_rule_file_says_it_is_judged_and_nothing_panics() {
    let (seeds, words) = (seeds(), words());
    for seed in &seeds {
        rules::hold(seed);
    }
    let began = clock::now();
    for number in 0..MUTATIONS {
        if began.elapsed() > TIME {
            println!("{number} of {MUTATIONS} in {TIME:?}");
            assert!(number >= 100, "a text took too long");
            break;
        }
        // Each from a seed of its own, so that one can be tried alone.
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1));
        let text = mutated(&seeds, &words, &mut chance);
        let held = std::panic::catch_unwind(|| rules::hold(&text));
        assert!(held.is_ok(), "mutation {number}:\n{}", String::from_utf8_lossy(&text));
    }
}
