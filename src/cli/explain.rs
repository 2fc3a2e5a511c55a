//! `doorward explain E014`: what a fault means and how to mend it, from the language's own table.

use std::fmt::Write as _;

use super::arguments::{Given, did_you_mean, shown};
use super::{End, Paper, usage};
use crate::language::{self, Code};

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(typed) = &given.operand else {
        let mut list = String::new();
        for code in Code::ALL {
            let _ = writeln!(list, "{}  {}", code.code(), code.title());
        }
        paper.say(&list);
        return End::Good;
    };
    let word = typed.to_str().unwrap_or_default();
    if let Some(text) = language::explain(word) {
        paper.say(&text);
        return End::Good;
    }
    let near = did_you_mean(word, "", Code::ALL.iter().map(|code| code.code()));
    usage(paper, &format!("there is no fault with the code `{}`{near}", shown(typed)), "doorward explain")
}
