//! What commands write on: results to the standard output, faults to the standard error, in colour where
//! a person looks at them.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

pub(super) struct Paper<'w> {
    out: &'w mut dyn Write,
    err: &'w mut dyn Write,
    colours: Colours,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Colours {
    pub out: bool,
    pub err: bool,
}

/// Colour only for a terminal that has it, and never where `NO_COLOR` (<https://no-color.org>) is set.
pub(super) fn colours(out: &impl IsTerminal, err: &impl IsTerminal) -> Colours {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    Colours { out: !unwanted && out.is_terminal(), err: !unwanted && err.is_terminal() }
}

impl<'w> Paper<'w> {
    pub fn new(out: &'w mut dyn Write, err: &'w mut dyn Write, colours: Colours) -> Self {
        Self { out, err, colours }
    }

    /// What was asked for.
    pub fn say(&mut self, text: &str) {
        put(self.out, text);
    }

    /// What went wrong, or should be known beside the result.
    pub fn fault(&mut self, text: &str) {
        put(self.err, text);
    }

    /// Drawn faults, as the result of the command or beside it.
    pub fn draw(&mut self, drawn: &str, as_result: bool) {
        let (to, colour): (&mut dyn Write, bool) =
            if as_result { (self.out, self.colours.out) } else { (self.err, self.colours.err) };
        if colour { put(to, &painted(drawn)) } else { put(to, drawn) }
    }
}

/// Who closed the other end (`doorward routes | head`) has read enough: that is no fault.
fn put(to: &mut dyn Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const BLUE: &str = "\x1b[1;34m";

/// Colours a drawing by its shape: head lines, the gutter, the marks under a line.
fn painted(drawn: &str) -> String {
    let mut out = String::with_capacity(drawn.len() * 2);
    // The marks have the colour of the fault they belong to.
    let mut colour = RED;
    for line in drawn.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if let Some(at) = head_end(line) {
            colour = if line.starts_with("warning") { YELLOW } else { RED };
            let (head, rest) = line.split_at(at);
            let _ = write!(out, "{colour}{head}{RESET}{BOLD}{rest}{RESET}");
        } else if let Some(at) = gutter_end(line) {
            let (gutter, rest) = line.split_at(at);
            let _ = write!(out, "{BLUE}{gutter}{RESET}");
            match rest.trim_start().chars().next() {
                Some('^') => {
                    let _ = write!(out, "{colour}{rest}{RESET}");
                }
                Some('-') if gutter.trim_start().starts_with('│') => {
                    let _ = write!(out, "{BLUE}{rest}{RESET}");
                }
                _ => out.push_str(rest),
            }
        } else {
            out.push_str(line);
        }
        out.push_str(end);
    }
    out
}

/// Behind the word and the code: `error[E014]`, `warning`.
fn head_end(line: &str) -> Option<usize> {
    let word = ["error", "warning"].into_iter().find(|word| line.starts_with(word))?;
    match line.get(word.len()..)?.chars().next()? {
        ':' => Some(word.len()),
        '[' => line.find("]:").map(|at| at + 1),
        _ => None,
    }
}

/// Behind the line number and its border.
fn gutter_end(line: &str) -> Option<usize> {
    let at = line.find(|c: char| c != ' ' && !c.is_ascii_digit())?;
    let border = line.get(at..)?.chars().next()?;
    let is_border = matches!(border, '┌' | '├' | '│') || (border == '=' && line.starts_with(' '));
    is_border.then(|| at + border.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: &str = "error[E014]: there is no backend called `tarc`\n  ┌ sites.vcl:12:30\n\
                         12│     route \"/trac/\" { .backend = tarc; }\n  \
                           │                                 ^^^^ did you mean `trac`?\n  = run it\n\n1 error.\n";

    fn plain(text: &str) -> String {
        let mut out = String::new();
        for (at, piece) in text.split('\x1b').enumerate() {
            out.push_str(if at == 0 { piece } else { piece.split_once('m').unwrap().1 });
        }
        out
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let coloured = painted(DRAWN);
        assert_eq!(plain(&coloured), DRAWN);
        assert!(coloured.starts_with("\x1b[1;31merror[E014]\x1b[0m\x1b[1m: there"));
        assert!(coloured.contains("\x1b[1;34m12│\x1b[0m     route"));
        assert!(coloured.contains("^^^^ did you mean `trac`?\x1b[0m\n"));
        for odd in ["", "\n", "error[", "error", "warning: x", "errors: y", "12", "│", "=", " =", "│-", "é│"]
        {
            assert_eq!(plain(&painted(odd)), odd);
        }
    }

    #[test]
    fn only_a_drawing_for_a_terminal_is_coloured() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut paper = Paper::new(&mut out, &mut err, Colours { out: false, err: true });
        paper.draw(DRAWN, true);
        paper.draw(DRAWN, false);
        assert_eq!(out, DRAWN.as_bytes());
        assert_ne!(err, DRAWN.as_bytes());
    }
}
