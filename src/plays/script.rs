//! A play as it is written: Markdown in which prose, requests and expectations stand together. Text in, cases
//! out, or everything in it that can't be understood, each with its line. Prose is for people and is passed
//! over; the lines of a block are not: a word that is not known is a fault, since what a play does not say is
//! not tested.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::asked::{Asked, Scheme, Target};
use super::expect::{self, Expectation};
use crate::base::amount;
use crate::base::cause::Cause;
use crate::language::Suggestions;
use crate::language::source::quoted;

/// More than this is no play.
pub const BYTES_MAX: u64 = 4 << 20;
/// Faults of one file that are said; who has so many has another problem.
const FLAWS_MAX: usize = 50;

/// A file of plays.
#[derive(Debug, Default)]
pub struct Script {
    /// `rules: ../main.vcl`, as written: relative to the file.
    pub rules: Option<PathBuf>,
    /// `env NAME=value`: what the rules read instead of the process's environment.
    pub environment: Vec<(String, String)>,
    pub cases: Vec<Case>,
}

/// A heading and what stands below it.
#[derive(Debug, Default)]
pub struct Case {
    pub name: String,
    pub line: usize,
    pub scenes: Vec<Scene>,
}

/// One request, and what is expected of it.
#[derive(Debug)]
pub struct Scene {
    pub line: usize,
    /// What holds when it is asked: what was given before it in its section, and in the sections around it.
    pub given: Given,
    pub asked: Asked,
    pub expected: Vec<(usize, Expectation)>,
}

/// The world of a request. What is not said is the same in every run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Seconds since 1970.
    pub time: Option<f64>,
    pub seed: Option<u64>,
    /// By name, with the line that says so.
    pub backends: Vec<(String, usize, Played)>,
    /// Rows of tables: name, key, value, line.
    pub rows: Vec<Row>,
}

/// One row of a table, instead of what the rules say there.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub table: String,
    pub key: String,
    /// `None`: there is no such row.
    pub value: Option<String>,
    pub line: usize,
}

/// How a backend behaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Played {
    Healthy(bool),
    Answers(Scripted),
    Fails(Cause),
}

/// An answer of a backend that was not asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Scripted {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Default for Scripted {
    fn default() -> Self {
        Self { status: 200, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

/// Something in a play that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Counted from one.
    pub line: usize,
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Flaw {
    pub fn new(line: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { line, message: message.into(), help: help.into() }
    }

    /// Drawn like a fault of the rules.
    pub fn draw(&self, file: &Path, text: &str) -> String {
        let written = text.lines().nth(self.line.saturating_sub(1)).unwrap_or_default();
        let written = quoted(written.trim());
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        format!(
            "error: {}\n{margin}┌ {}:{number}\n{number}│ {}\n{margin}= {}\n",
            self.message,
            file.display(),
            written.trim_matches('`'),
            self.help
        )
    }
}

/// Which kind of block a fence opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Request,
    Expect,
    Given,
    /// Anything else is shown to people only.
    Prose,
}

const BLOCKS: [&str; 3] = ["request", "expect", "given"];

/// The cases of a file, or all its flaws. A file without a case is a page like any other.
pub fn parse(text: &str) -> Result<Script, Vec<Flaw>> {
    let mut reader = Reader::default();
    reader.read(text);
    if reader.flaws.is_empty() { Ok(reader.script) } else { Err(reader.flaws) }
}

#[derive(Default)]
struct Reader {
    script: Script,
    flaws: Vec<Flaw>,
    suggestions: Suggestions,
    given: Given,
    /// What held where the sections around this one began, with their levels: a section begins with what its
    /// parent had come to.
    around: Vec<(usize, Given)>,
    case: Option<Case>,
    /// A request whose `expect` has not come yet.
    waiting: Option<(usize, Asked)>,
}

/// A fence: its character, its length, what stands behind it.
fn fence(line: &str) -> Option<(char, usize, &str)> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let line = line.trim_start_matches(' ');
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == mark).count();
    let behind = line.get(length..)?.trim();
    (indent < 4 && length >= 3 && !behind.contains('`')).then_some((mark, length, behind))
}

/// A line that says for which rules the play is, wherever it stands. Prose may begin with the same words.
fn is_front(line: &str) -> bool {
    let one_word = |rest: &str| !rest.is_empty() && !rest.contains(char::is_whitespace);
    let line = line.trim();
    if let Some(path) = line.strip_prefix("rules: ") {
        return one_word(path.trim()) && Path::new(path.trim()).extension().is_some();
    }
    let set = line.strip_prefix("env ").and_then(|rest| rest.split_once('='));
    set.is_some_and(|(name, _)| one_word(name))
}

impl Reader {
    fn flaw(&mut self, line: usize, message: impl Into<String>, help: impl Into<String>) {
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(Flaw::new(line, message, help));
        }
    }

    fn read(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
        let mut front = true;
        while let Some((number, line)) = lines.next() {
            if let Some((mark, length, info)) = fence(line) {
                front = false;
                let kind = self.block_kind(number, info);
                let mut inside = Vec::new();
                let mut closed = false;
                for (at, line) in lines.by_ref() {
                    if fence(line).is_some_and(|(c, n, behind)| c == mark && n >= length && behind.is_empty())
                    {
                        closed = true;
                        break;
                    }
                    inside.push((at, line));
                }
                if !closed && kind != Block::Prose {
                    self.flaw(number, "this block has no end", "close it with a line of three backticks");
                }
                self.block(kind, number, &inside);
            } else if let Some((level, name)) = heading(line) {
                // A title may stand above them.
                front &= level == 1 && self.case.is_none() && !self.has_front();
                self.end_case();
                self.section(level);
                self.case = Some(Case { name, line: number, scenes: Vec::new() });
            } else if line.trim().is_empty() {
                front &= !self.has_front();
            } else if front {
                front = self.front(number, line.trim());
            } else if is_front(line) {
                self.flaw(
                    number,
                    "this is prose here: the play is for other rules or another environment",
                    "write it in the first lines, below the title at most",
                );
            }
        }
        self.end_case();
    }

    fn has_front(&self) -> bool {
        self.script.rules.is_some() || !self.script.environment.is_empty()
    }

    /// The lines above everything else: which rules, which environment. False where prose begins.
    fn front(&mut self, number: usize, line: &str) -> bool {
        if let Some(path) = line.strip_prefix("rules:") {
            let path = path.trim().trim_matches('`');
            if path.is_empty() {
                self.flaw(number, "no rules are named", "write their main file: `rules: ../main.vcl`");
            } else if self.script.rules.replace(PathBuf::from(path)).is_some() {
                self.flaw(number, "the rules are named twice", "a file of plays is for one tree");
            }
            return true;
        }
        if let Some(rest) = line.strip_prefix("env ") {
            match rest.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    self.script.environment.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                _ => self.flaw(number, "this sets nothing in the environment", "write `env NAME=value`"),
            }
            return true;
        }
        // A mistyped word here would make the play speak of other rules.
        let word = line.split([':', ' ']).next().unwrap_or_default();
        let looks_set =
            line.strip_prefix(word).is_some_and(|rest| rest.starts_with(':')) && !line.contains(". ");
        if looks_set && let Some(near) = self.suggestions.nearest(word, ["rules", "env"]) {
            self.flaw(
                number,
                format!("{} says nothing here", quoted(word)),
                format!("did you mean `{near}`?"),
            );
        }
        false
    }

    fn block_kind(&mut self, number: usize, info: &str) -> Block {
        let word = info.split_whitespace().next().unwrap_or_default();
        match word {
            "request" => Block::Request,
            "expect" => Block::Expect,
            "given" => Block::Given,
            _ => {
                if let Some(near) = self.suggestions.nearest(word, BLOCKS) {
                    self.flaw(
                        number,
                        format!("there is no block called {}", quoted(word)),
                        format!("did you mean `{near}`?"),
                    );
                }
                Block::Prose
            }
        }
    }

    fn block(&mut self, kind: Block, number: usize, lines: &[(usize, &str)]) {
        match kind {
            Block::Prose => {}
            Block::Request => {
                self.alone();
                match request(number, lines, &mut self.suggestions) {
                    Ok(asked) => self.waiting = Some((number, asked)),
                    Err(flaw) => {
                        self.flaw(flaw.line, flaw.message, flaw.help);
                        // Its `expect` is not to be reported as having no request.
                        self.waiting = Some((number, Asked::default()));
                    }
                }
            }
            Block::Given => {
                self.alone();
                self.given_block(lines);
            }
            Block::Expect => {
                let mut expected = Vec::new();
                for (at, line) in lines.iter().filter(|(_, line)| !is_silent(line)) {
                    match expect::read(line.trim(), &mut self.suggestions) {
                        Ok(found) => expected.extend(found.into_iter().map(|one| (*at, one))),
                        Err((message, help)) => self.flaw(*at, message, help),
                    }
                }
                let Some((line, asked)) = self.waiting.take() else {
                    self.flaw(number, "nothing was asked before this", "write a ```request block above it");
                    return;
                };
                if expected.is_empty() && self.flaws.is_empty() {
                    self.flaw(
                        number,
                        "this expects nothing",
                        "write what is to happen: `backend svn`, `status 301`",
                    );
                }
                let given = self.given.clone();
                let case = self.case.get_or_insert_with(|| Case { line, ..Case::default() });
                case.scenes.push(Scene { line, given, asked, expected });
            }
        }
    }

    /// A request whose expectation did not come before something else began.
    fn alone(&mut self) {
        if let Some((line, _)) = self.waiting.take() {
            self.flaw(line, "nothing is expected of this request", "write an ```expect block behind it");
        }
    }

    fn end_case(&mut self) {
        self.alone();
        if let Some(case) = self.case.take().filter(|case| !case.scenes.is_empty()) {
            self.script.cases.push(case);
        }
    }

    /// A section begins. What is given in one holds in those below it, and nowhere else.
    fn section(&mut self, level: usize) {
        while self.around.last().is_some_and(|(other, _)| *other >= level) {
            if let Some((_, given)) = self.around.pop() {
                self.given = given;
            }
        }
        self.around.push((level, self.given.clone()));
    }

    fn given_block(&mut self, lines: &[(usize, &str)]) {
        let mut lines = lines.iter().copied().filter(|(_, line)| !is_silent(line)).peekable();
        while let Some((at, line)) = lines.next() {
            if line.starts_with([' ', '\t']) {
                self.flaw(
                    at,
                    "this belongs to nothing above it",
                    "indented lines are headers and body of `backend … answers …`",
                );
                continue;
            }
            let mut below = Vec::new();
            while let Some(next) = lines.next_if(|(_, line)| line.starts_with([' ', '\t'])) {
                below.push(next);
            }
            if let Err(flaw) = self.given_line(at, line.trim(), &below) {
                self.flaw(flaw.line, flaw.message, flaw.help);
            }
        }
    }

    fn given_line(&mut self, at: usize, line: &str, below: &[(usize, &str)]) -> Result<(), Flaw> {
        const WORDS: [&str; 4] = ["time", "seed", "backend", "table"];
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        if let Some((at, _)) = below.first().filter(|_| !(word == "backend" && rest.contains(" answers "))) {
            return Err(Flaw::new(
                *at,
                "this belongs to nothing above it",
                "indented lines are headers and body of `backend … answers …`",
            ));
        }
        match word {
            "time" => {
                let time = instant(rest).ok_or_else(|| {
                    Flaw::new(
                        at,
                        format!("{} is no time", quoted(rest)),
                        "write it as `time 2026-03-01T12:00:00Z`, in UTC",
                    )
                })?;
                self.given.time = Some(time);
            }
            "seed" => {
                let seed = rest.parse().map_err(|_| {
                    Flaw::new(at, format!("{} is no seed", quoted(rest)), "write a number: `seed 7`")
                })?;
                self.given.seed = Some(seed);
            }
            "backend" => {
                let (name, played) = self.played(at, rest, below)?;
                // What a backend answers and whether it is healthy are two things; the later word holds.
                let healthy = matches!(played, Played::Healthy(_));
                self.given.backends.retain(|(other, _, before)| {
                    *other != name || matches!(before, Played::Healthy(_)) != healthy
                });
                self.given.backends.push((name, at, played));
            }
            "table" => {
                let row = row(at, rest)?;
                self.given.rows.retain(|other| (&other.table, &other.key) != (&row.table, &row.key));
                self.given.rows.push(row);
            }
            "env" => {
                return Err(Flaw::new(
                    at,
                    "the environment is the whole file's",
                    "write `env NAME=value` in the first lines of the file",
                ));
            }
            _ => {
                let help = match self.suggestions.nearest(word, WORDS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a play can give `time`, `seed`, `backend` and `table`".to_owned(),
                };
                return Err(Flaw::new(at, format!("{} can't be given", quoted(word)), help));
            }
        }
        Ok(())
    }

    fn played(&mut self, at: usize, rest: &str, below: &[(usize, &str)]) -> Result<(String, Played), Flaw> {
        const SHAPES: &str =
            "write `backend svn is sick`, `backend svn answers 200` or `backend svn fails with refused`";
        let mut words = rest.split_whitespace();
        let (Some(name), Some(verb)) = (words.next(), words.next()) else {
            return Err(Flaw::new(at, "this says nothing of a backend", SHAPES));
        };
        let behind: Vec<&str> = words.collect();
        let played = match (verb, behind.as_slice()) {
            ("is", ["sick"]) => Played::Healthy(false),
            ("is", ["healthy"]) => Played::Healthy(true),
            ("fails", ["with", cause]) => {
                let causes =
                    || Cause::ALL.iter().filter(|cause| cause.is_upstream()).map(|cause| cause.name());
                let Some(cause) = Cause::by_name(cause).filter(|cause| cause.is_upstream()) else {
                    let help = match self.suggestions.nearest(cause, causes()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("there are {}", causes().collect::<Vec<_>>().join(", ")),
                    };
                    return Err(Flaw::new(at, format!("no backend fails with {}", quoted(cause)), help));
                };
                Played::Fails(cause)
            }
            ("answers", [status]) => {
                let status = status_of(status).ok_or_else(|| {
                    Flaw::new(
                        at,
                        format!("{} is no status", quoted(status)),
                        "write a number from 200 to 599",
                    )
                })?;
                let mut scripted = Scripted { status, ..Scripted::default() };
                for (at, line) in below {
                    answer_line(*at, line.trim(), &mut scripted)?;
                }
                Played::Answers(scripted)
            }
            _ => return Err(Flaw::new(at, format!("{} says nothing of a backend", quoted(rest)), SHAPES)),
        };
        Ok((name.to_owned(), played))
    }
}

/// Empty lines and comments.
fn is_silent(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with("# ") || line == "#"
}

/// The level and the text of a heading.
fn heading(line: &str) -> Option<(usize, String)> {
    let hashes = line.chars().take_while(|c| *c == '#').count();
    let text = line.get(hashes..)?;
    ((1..=6).contains(&hashes) && text.starts_with([' ', '\t']))
        .then(|| (hashes, text.trim().trim_end_matches('#').trim().to_owned()))
}

/// Three digits that are a status.
pub fn status_of(text: &str) -> Option<u16> {
    let plain = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| plain && StatusCode::from_u16(*status).is_ok())
}

/// `Name: value`.
pub fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name = HeaderName::from_bytes(name.trim_end().as_bytes()).ok()?;
    Some((name, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?))
}

fn answer_line(at: usize, line: &str, scripted: &mut Scripted) -> Result<(), Flaw> {
    if let Some(body) = line.strip_prefix("body ") {
        let body = text(body.trim()).ok_or_else(|| {
            Flaw::new(at, "this is no text", "write the body between quotes: `body \"not found\"`")
        })?;
        scripted.body = Bytes::from(body);
        return Ok(());
    }
    let (name, value) = header(line).ok_or_else(|| {
        Flaw::new(
            at,
            format!("{} is no header of an answer", quoted(line)),
            "write `Name: value`, or `body \"…\"`",
        )
    })?;
    scripted.headers.append(name, value);
    Ok(())
}

/// A text between quotes, with `\"`, `\\` and `\n` in it.
pub(super) fn text(written: &str) -> Option<String> {
    let inside = written.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(c) = letters.next() {
        match c {
            '"' => return None,
            '\\' => match letters.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                other @ ('"' | '\\') => out.push(other),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

/// `projects "x" = "y"`; `projects "x" is missing`.
fn row(at: usize, rest: &str) -> Result<Row, Flaw> {
    let wrong = || {
        Flaw::new(
            at,
            format!("{} is no row of a table", quoted(rest)),
            "write `table projects \"key\" = \"value\"`, or `table projects \"key\" is missing`",
        )
    };
    let (table, rest) = rest.split_once(char::is_whitespace).ok_or_else(wrong)?;
    let rest = rest.trim();
    if let Some(key) = rest.strip_suffix("is missing") {
        let key = text(key.trim()).ok_or_else(wrong)?;
        return Ok(Row { table: table.to_owned(), key, value: None, line: at });
    }
    // The key ends at its closing quote, which no `=` in it can be taken for.
    let close = rest.get(1..).and_then(|inside| inside.find('"')).ok_or_else(wrong)? + 2;
    let (key, value) = rest.split_at_checked(close).ok_or_else(wrong)?;
    let key = text(key).ok_or_else(wrong)?;
    let value = value.trim().strip_prefix('=').ok_or_else(wrong)?.trim();
    let value = text(value).or_else(|| (!value.is_empty() && !value.contains('"')).then(|| value.to_owned()));
    Ok(Row { table: table.to_owned(), key, value: Some(value.ok_or_else(wrong)?), line: at })
}

/// `2026-03-01T12:00:00Z`, the seconds may be left out; seconds since 1970.
#[allow(clippy::cast_precision_loss)] // a second up to the year 9999 is exact
pub(super) fn instant(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z').unwrap_or(text).split_once(['T', ' '])?;
    let number = |text: &str, length: usize| -> Option<i64> {
        (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let mut parts = date.split('-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let mut clock = time.split(':');
    let (hour, minute) = (number(clock.next()?, 2)?, number(clock.next()?, 2)?);
    let second = clock.next().map_or(Some(0), |second| number(second, 2))?;
    if parts.next().is_some() || clock.next().is_some() {
        return None;
    }
    let seconds = seconds_since_1970(year, month, day)? + hour * 3_600 + minute * 60 + second;
    (hour < 24 && minute < 60 && second < 60).then_some(seconds as f64)
}

/// The start of a day, by the calendar that `base::clock` counts back.
pub(super) fn seconds_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    Some((era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468) * 86_400)
}

/// A request block: the line, headers, an empty line, a body.
fn request(number: usize, lines: &[(usize, &str)], suggestions: &mut Suggestions) -> Result<Asked, Flaw> {
    let mut lines = lines.iter().skip_while(|(_, line)| is_silent(line));
    let Some((at, line)) = lines.next() else {
        return Err(Flaw::new(
            number,
            "nothing is asked here",
            "write a method and an address: `GET https://…`",
        ));
    };
    let mut asked = request_line(*at, line.trim(), suggestions)?;
    let mut body: Option<String> = None;
    for (at, line) in lines {
        if let Some(body) = &mut body {
            body.push_str(line);
            body.push('\n');
        } else if line.trim().is_empty() {
            body = Some(String::new());
        } else {
            let (name, value) = header(line.trim()).ok_or_else(|| {
                Flaw::new(
                    *at,
                    format!("{} is no header", quoted(line.trim())),
                    "write `Name: value`; an empty line comes before the body",
                )
            })?;
            asked.headers.append(name, value);
        }
    }
    if let Some(body) = body {
        asked.body = Bytes::from(body.trim_end_matches('\n').to_owned());
    }
    Ok(asked)
}

/// `GET https://www.example/x from 192.0.2.1 over http/2`.
fn request_line(at: usize, line: &str, suggestions: &mut Suggestions) -> Result<Asked, Flaw> {
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes())
        .ok()
        .filter(|_| !method.contains(['/', ':']))
        .ok_or_else(|| {
            Flaw::new(
                at,
                format!("{} is no method", quoted(method)),
                "begin with it: `GET https://www.example/`",
            )
        })?;
    let url = words.next().ok_or_else(|| {
        Flaw::new(at, "no address is asked for", format!("write it behind the method: `{method} https://…`"))
    })?;
    let target =
        Target::parse(url).map_err(|help| Flaw::new(at, format!("{} is no address", quoted(url)), help))?;
    let mut asked = Asked { method, target, ..Asked::default() };
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match word {
            "from" => {
                let address: IpAddr = value.parse().map_err(|_| {
                    Flaw::new(
                        at,
                        format!("{} is no address of a visitor", quoted(value)),
                        "write an IPv4 or IPv6 address: `from 198.51.100.7`",
                    )
                })?;
                asked.from = Some(address);
            }
            "over" => asked.over(value).map_err(|(message, help)| Flaw::new(at, message, help))?,
            _ => {
                let help = match suggestions.nearest(word, ["from", "over"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "behind the address stand `from 198.51.100.7` and `over http`".to_owned(),
                };
                return Err(Flaw::new(at, format!("{} says nothing of a request", quoted(word)), help));
            }
        }
    }
    Ok(asked)
}

/// A duration as rules write it, in seconds.
pub(super) fn seconds(text: &str) -> Option<f64> {
    if let Some(found) = amount::duration(text) {
        return Some(found.as_secs_f64());
    }
    // `1.5s`, which VCL takes and settings do not; and the sign of a time that has run out.
    let (number, unit) = text.split_at_checked(text.find(|c: char| c.is_ascii_alphabetic())?)?;
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    number.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * unit)
}

impl Asked {
    /// `http` and `https`, `http/1.0`, `http/1.1`, `http/2`.
    fn over(&mut self, word: &str) -> Result<(), (String, String)> {
        let scheme = match word {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            _ => None,
        };
        match (scheme, word) {
            (Some(scheme), _) => match self.target.scheme {
                Some(said) if said != scheme => Err((
                    "the address and `over` name two schemes".to_owned(),
                    "leave one of them out".to_owned(),
                )),
                _ => {
                    self.target.scheme = Some(scheme);
                    Ok(())
                }
            },
            (None, "http/1.0") => {
                self.version = Version::HTTP_10;
                Ok(())
            }
            (None, "http/1.1") => {
                self.version = Version::HTTP_11;
                Ok(())
            }
            (None, "http/2") => {
                self.version = Version::HTTP_2;
                Ok(())
            }
            _ => Err((
                format!("nobody comes over {}", quoted(word)),
                "write `http`, `https`, `http/1.0`, `http/1.1` or `http/2`".to_owned(),
            )),
        }
    }
}
