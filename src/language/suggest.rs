//! "Did you mean": the nearest of the words that would have been right.

use std::fmt;

/// How many words one load may compare, and for how many faults: a tree with thousands of faults over thousands
/// of names must not spend seconds on suggestions nobody reads.
pub struct Suggestions {
    left: usize,
    asked: usize,
}

impl Default for Suggestions {
    fn default() -> Self {
        Self { left: 500_000, asked: 1_500 }
    }
}

/// The word that was most likely meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near<'a> {
    pub word: &'a str,
    /// One slip of the keyboard explains it, and no other word is as near: it may be put in without asking.
    pub certain: bool,
}

impl fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

impl Suggestions {
    /// The candidate nearest to `word`, when one is near enough that a typing error explains it.
    pub fn nearest<'a>(&mut self, word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        self.near(word, among).map(|near| near.word)
    }

    /// The same, and whether there is any doubt.
    pub fn near<'a>(&mut self, word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<Near<'a>> {
        self.asked = self.asked.checked_sub(1)?;
        let word: Vec<char> = word.chars().take(65).flat_map(char::to_lowercase).collect();
        if word.is_empty() || word.len() > 64 {
            return None;
        }
        let mut best: Option<(usize, &str)> = None;
        let mut certain = false;
        for candidate in among {
            self.left = self.left.checked_sub(1)?;
            // A letter has at most four bytes, and lower case may have more letters.
            if candidate.len() > 256 || candidate.is_ascii() && candidate.len().abs_diff(word.len()) > 4 {
                continue;
            }
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            let most = (word.len().max(letters.len()) / 3).clamp(1, 4);
            if letters.len().abs_diff(word.len()) > most {
                continue;
            }
            let distance = distance(&word, &letters);
            let akin = distance < word.len().min(letters.len());
            if !akin || distance > most {
                continue;
            }
            match best {
                Some((_, same)) if same == candidate => {}
                Some((least, _)) if distance > least => certain &= distance > 1,
                Some((least, _)) if distance == least => certain = false,
                nearer => {
                    certain = is_slip(&word, &letters, distance) && nearer.is_none_or(|(least, _)| least > 1);
                    best = Some((distance, candidate));
                }
            }
        }
        best.map(|(_, word)| Near { word, certain })
    }
}

/// Whether one slip of the keyboard explains it. Names that differ in a number are most often two names, and
/// short ones are near to each other by chance.
fn is_slip(word: &[char], meant: &[char], distance: usize) -> bool {
    let digits =
        |letters: &[char]| -> Vec<char> { letters.iter().copied().filter(char::is_ascii_digit).collect() };
    let sorted = |letters: &[char]| {
        let mut letters = letters.to_vec();
        letters.sort_unstable();
        letters
    };
    distance <= 1
        && digits(word) == digits(meant)
        && (word.len().max(meant.len()) >= 4 || word.len() >= 3 && sorted(word) == sorted(meant))
}

/// Insertions, deletions, replacements and swapped neighbours from one word to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, &letter) in a.iter().enumerate() {
        let mut line = Vec::with_capacity(b.len() + 1);
        line.push(row + 1);
        let mut left = row + 1;
        let mut last_b = None;
        for (column, &other) in b.iter().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut least = (cell(&above, column) + usize::from(letter != other))
                .min(cell(&above, column + 1) + 1)
                .min(left + 1);
            if last_a == Some(other) && last_b == Some(letter) && column > 0 {
                least = least.min(cell(&before, column - 1) + 1);
            }
            line.push(least);
            left = least;
            last_b = Some(other);
        }
        before = above;
        above = line;
        last_a = Some(letter);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_typing_errors() {
        for (a, b, steps) in [
            ("trac", "trac", 0),
            ("tarc", "trac", 1),
            ("trac", "trca", 1),
            ("backnd", "backend", 1),
            ("backends", "backend", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!(distance(&a, &b), steps, "{a:?} {b:?}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let mut suggestions = Suggestions::default();
        let words = ["backend", "site", "route", "gateway"];
        assert_eq!(suggestions.nearest("Backnd", words), Some("backend"));
        assert_eq!(suggestions.nearest("sit", words), Some("site"));
        assert_eq!(suggestions.nearest("director", words), None);
        assert_eq!(suggestions.nearest("b", ["a"]), None);
        assert_eq!(suggestions.nearest("", words), None);
        assert_eq!(suggestions.nearest(&"x".repeat(10_000), words), None);
    }

    #[test]
    fn only_what_leaves_no_doubt_is_certain() {
        for (word, among, certain) in [
            ("tarc", &["trac", "svn"][..], true),
            ("Trac", &["trac"], true),
            ("trak", &["trac", "trac"], true),
            ("svnn", &["svn"], true),
            ("snv", &["svn"], true),
            ("bakcedn", &["backend"], false),
            ("trac", &["track", "trace"], false),
            ("trac", &["trace", "trackers", "track"], false),
            ("tarc", &["trac", "tars"], false),
            ("home3", &["home1"], false),
            ("home", &["home1"], false),
            ("svm", &["svn"], false),
            ("ab", &["ac"], false),
        ] {
            let near = Suggestions::default().near(word, among.iter().copied());
            assert_eq!(near.map(|near| near.certain), Some(certain), "{word} {among:?}");
        }
    }

    #[test]
    fn suggestions_end_before_patience_does() {
        let mut suggestions = Suggestions { left: 3, asked: 10 };
        assert_eq!(suggestions.nearest("sitr", ["a", "b", "c", "site"]), None);
        let mut suggestions = Suggestions { left: 30, asked: 1 };
        assert_eq!(suggestions.nearest("sitr", ["site"]), Some("site"));
        assert_eq!(suggestions.nearest("sitr", ["site"]), None);
    }
}
