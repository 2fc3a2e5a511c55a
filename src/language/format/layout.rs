//! Tokens and comments → lines. Entries are found by `;` and braces; a line that is too long is broken at its
//! loosest operator; then settings, rows, short blocks and comments in a row are lined up.

use super::super::lexer::{Lexed, Token, TokenKind, lex};
use crate::language::diagnostic::Found;
use crate::language::source::FileId;
use crate::language::vocabulary::Dialect;

/// Longer lines are broken where they can be.
const WIDTH: usize = 120;
const INDENT: usize = 4;
/// What is this much longer than the shortest in a row is not waited for.
const UNEVEN_MAX: usize = 20;

/// What goes on behind the `}` of an `if`.
const OTHERWISE: &[&str] = &["else", "elseif", "elsif", "elif"];

pub(super) fn layout(text: &str, file: FileId, dialect: Dialect, fragment: bool) -> String {
    let Lexed { tokens, comments } = lex(file, text, dialect, &mut Found::default());
    let mut page = Page::new(text, tokens);
    page.attach(&comments.iter().map(|span| (span.start as usize, span.end as usize)).collect::<Vec<_>>());
    let within = if fragment { Within::Rules } else { Within::Top };
    let mut at = 0;
    while page.kind(at) != TokenKind::End {
        let entries = page.entries(&mut at, within);
        page.body(&entries, 0, within);
        // A `}` too many: a text with faults is not laid out, but nothing may hang on that.
        if page.kind(at) == TokenKind::Close {
            page.push(Line::plain(0, "}".to_owned()));
            at += 1;
        }
    }
    page.comments_before(at, 0);
    page.written()
}

/// A comment without the white space at its end.
pub(super) fn comment_text(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Top,
    Settings,
    Acl,
    Table,
    Rules,
}

struct Comment {
    text: String,
    /// Ends with its line: `#` or `//`.
    line: bool,
    /// What it precedes stands on another line.
    alone: bool,
    blank_before: bool,
}

/// From one `;` to the next, or a head and its block.
struct Entry {
    /// Up to the `;` and with it, or up to the `{`.
    first: usize,
    end: usize,
    block: Option<Body>,
}

struct Body {
    open: usize,
    entries: Vec<Entry>,
    within: Within,
    close: usize,
    /// The `;` behind the `}`.
    tail: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LineKind {
    Plain,
    Comment,
    /// Lined up with others of its kind: a setting, a `let`, a row, a block on one line.
    Column(String),
}

struct Line {
    indent: usize,
    kind: LineKind,
    /// All but the last are filled up where lines stand in columns.
    cells: Vec<String>,
    trailing: String,
    blank_before: bool,
}

impl Line {
    fn plain(indent: usize, text: String) -> Self {
        Self {
            indent,
            kind: LineKind::Plain,
            cells: vec![text],
            trailing: String::new(),
            blank_before: false,
        }
    }

    fn is_even(&self) -> bool {
        !self.cells.iter().any(|cell| cell.contains('\n'))
    }
}

/// A piece of a line that is never broken.
struct Chunk {
    text: String,
    space: bool,
    /// A line may be broken in front of it; best where this is least.
    rank: Option<usize>,
    /// It begins a line in any case.
    hard: bool,
}

struct Page<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// For each token, the comments in front of it and behind it on its line.
    before: Vec<Vec<Comment>>,
    after: Vec<Vec<Comment>>,
    /// For each token, whether a blank line stands in front of it.
    blank: Vec<bool>,
    lines: Vec<Line>,
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or("")
}

fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or("")
}

impl<'a> Page<'a> {
    fn new(text: &'a str, tokens: Vec<Token>) -> Self {
        let empty = |count: usize| (0..count).map(|_| Vec::new()).collect();
        let count = tokens.len();
        Self {
            text,
            before: empty(count),
            after: empty(count),
            blank: vec![false; count],
            tokens,
            lines: Vec::new(),
        }
    }

    fn token(&self, at: usize) -> Token {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.tokens.get(at).copied().unwrap_or(Token { kind: TokenKind::End, start: end, end })
    }

    fn kind(&self, at: usize) -> TokenKind {
        self.token(at).kind
    }

    fn str(&self, at: usize) -> &'a str {
        let token = self.token(at);
        self.gap(token.start as usize, token.end as usize)
    }

    fn gap(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or("")
    }

    fn word(&self, at: usize) -> &'a str {
        if self.kind(at) == TokenKind::Word { self.str(at) } else { "" }
    }

    /// Gives each comment to the token it speaks of: the one before it on its line, or the next.
    fn attach(&mut self, comments: &[(usize, usize)]) {
        let mut comments = comments.iter().copied().peekable();
        let mut behind = if self.text.starts_with('\u{feff}') { 3 } else { 0 };
        for at in 0..self.tokens.len() {
            let start = self.token(at).start as usize;
            let mut gap = Vec::new();
            while let Some(comment) = comments.next_if(|(begins, _)| *begins < start) {
                gap.push(comment);
            }
            // How many of them stand on the line of the token before, when nothing else follows there.
            let mut trailing = 0;
            let mut from = behind;
            for (begins, ends) in &gap {
                if at == 0 || self.gap(from, *begins).contains('\n') {
                    break;
                }
                from = *ends;
                trailing += 1;
            }
            let next = gap.get(trailing).map_or(start, |(begins, _)| *begins);
            let last_is_line = trailing > 0
                && gap
                    .get(trailing - 1)
                    .is_some_and(|(begins, _)| !self.gap(*begins, begins + 2).starts_with("/*"));
            if !last_is_line && self.kind(at) != TokenKind::End && !self.gap(from, next).contains('\n') {
                trailing = 0;
            }
            for (number, (begins, ends)) in gap.iter().enumerate() {
                let space = self.gap(behind, *begins);
                let next = gap.get(number + 1).map_or(start, |(begins, _)| *begins);
                let text = comment_text(self.gap(*begins, *ends));
                let comment = Comment {
                    line: !text.starts_with("/*"),
                    text,
                    alone: self.gap(*ends, next).contains('\n')
                        || matches!(self.kind(at), TokenKind::End | TokenKind::Close),
                    blank_before: space.matches('\n').count() > 1,
                };
                let list =
                    if number < trailing { self.after.get_mut(at - 1) } else { self.before.get_mut(at) };
                if let Some(list) = list {
                    list.push(comment);
                }
                behind = *ends;
            }
            let blank = self.gap(behind, start).matches('\n').count() > 1;
            if let Some(kept) = self.blank.get_mut(at) {
                *kept = blank;
            }
            behind = self.token(at).end as usize;
        }
    }

    fn comments_of(list: &[Vec<Comment>], at: usize) -> &[Comment] {
        list.get(at).map_or(&[], Vec::as_slice)
    }

    /// Up to the `}` that ends the block, or the end.
    fn entries(&self, at: &mut usize, within: Within) -> Vec<Entry> {
        let mut entries = Vec::new();
        while !matches!(self.kind(*at), TokenKind::Close | TokenKind::End) {
            entries.push(self.entry(at, within));
        }
        entries
    }

    fn entry(&self, at: &mut usize, within: Within) -> Entry {
        let first = *at;
        let mut parens = 0_usize;
        loop {
            match self.kind(*at) {
                TokenKind::OpenParen => parens += 1,
                TokenKind::CloseParen => parens = parens.saturating_sub(1),
                TokenKind::End | TokenKind::Close => return Entry { first, end: *at, block: None },
                _ if parens > 0 => {}
                TokenKind::Open => {
                    let open = *at;
                    *at += 1;
                    let inner = match self.word(first) {
                        _ if within == Within::Rules => Within::Rules,
                        "sub" => Within::Rules,
                        "table" => Within::Table,
                        "acl" => Within::Acl,
                        _ => Within::Settings,
                    };
                    let entries = self.entries(at, inner);
                    let close = *at;
                    let mut tail = None;
                    if self.kind(close) == TokenKind::Close {
                        *at += 1;
                        let parted = !Self::comments_of(&self.after, close).is_empty()
                            || !Self::comments_of(&self.before, *at).is_empty();
                        if self.kind(*at) == TokenKind::Semicolon && !parted {
                            tail = Some(*at);
                            *at += 1;
                        }
                    }
                    let block = Some(Body { open, entries, within: inner, close, tail });
                    return Entry { first, end: open, block };
                }
                TokenKind::Semicolon | TokenKind::Macro | TokenKind::InlineC => break,
                TokenKind::Comma if within == Within::Table => break,
                TokenKind::Colon if within == Within::Rules && self.ends_label(first, *at) => break,
                _ => {}
            }
            *at += 1;
        }
        *at += 1;
        Entry { first, end: *at, block: None }
    }

    /// Whether the `:` ends `case …:`, `default:` or `label:`, and does not part a header.
    fn ends_label(&self, first: usize, colon: usize) -> bool {
        colon == first + 1 || self.word(first) == "case" && !self.is_part(colon)
    }

    /// Whether the `:` stands in `req.http.Cookie:name`.
    fn is_part(&self, colon: usize) -> bool {
        let touches = |at: usize| self.token(at).end == self.token(at + 1).start;
        let Some(before) = colon.checked_sub(1) else { return false };
        if !touches(before) || !touches(colon) {
            return false;
        }
        let mut at = before;
        while at >= 2 && self.kind(at - 1) == TokenKind::Dot && touches(at - 1) && touches(at - 2) {
            at -= 2;
            if self.word(at) == "http" {
                return true;
            }
        }
        false
    }

    fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// The comments in front of a token, each on a line of its own; those that share the token's line are
    /// returned.
    fn comments_before(&mut self, at: usize, indent: usize) -> String {
        let comments = self.before.get_mut(at).map(std::mem::take).unwrap_or_default();
        let alone = comments.iter().rposition(|comment| comment.alone).map_or(0, |last| last + 1);
        let mut together = String::new();
        for (number, comment) in comments.into_iter().enumerate() {
            if number >= alone {
                together.push_str(&comment.text);
                together.push(' ');
                // The blank line in front of it is the entry's.
                if let Some(kept) = self.blank.get_mut(at) {
                    *kept |= comment.blank_before;
                }
                continue;
            }
            self.push(Line {
                indent,
                kind: LineKind::Comment,
                cells: vec![comment.text],
                trailing: String::new(),
                blank_before: comment.blank_before,
            });
        }
        together
    }

    fn trailing(&mut self, at: usize) -> String {
        let comments = self.after.get_mut(at).map(std::mem::take).unwrap_or_default();
        comments.into_iter().map(|comment| comment.text).collect::<Vec<_>>().join(" ")
    }

    fn body(&mut self, entries: &[Entry], indent: usize, within: Within) {
        let mut deeper = 0;
        for (number, entry) in entries.iter().enumerate() {
            let is_case = entry.block.is_none()
                && self.kind(entry.end - 1) == TokenKind::Colon
                && matches!(self.word(entry.first), "case" | "default");
            if is_case {
                deeper = 0;
            }
            let goes_on =
                entries.get(number + 1).is_some_and(|next| OTHERWISE.contains(&self.word(next.first)));
            self.written_entry(entry, indent + deeper, within, goes_on);
            if is_case {
                deeper = 1;
            }
        }
    }

    fn written_entry(&mut self, entry: &Entry, indent: usize, within: Within, goes_on: bool) {
        let mut prefix = self.comments_before(entry.first, indent);
        let blank_before = self.blank.get(entry.first).copied().unwrap_or(false);
        let mut blank_before = blank_before;
        let otherwise = OTHERWISE.contains(&self.word(entry.first)) && within == Within::Rules;
        if otherwise
            && let Some(last) = self.lines.last()
            && last.indent == indent
            && last.kind == LineKind::Plain
            && last.trailing.is_empty()
            && last.cells.len() == 1
            && last.cells.first().is_some_and(|cell| cell == "}")
        {
            blank_before = last.blank_before;
            self.lines.pop();
            prefix = format!("}} {prefix}");
        }
        let Some(block) = &entry.block else {
            let trailing = self.trailing(entry.end - 1);
            let chunks = self.chunks(entry.first, entry.end, within);
            let (kind, cells) = self.columns(entry, within, &prefix, &chunks, indent);
            self.push(Line { indent, kind, cells, trailing, blank_before });
            return;
        };
        let short = !otherwise && !goes_on && prefix.is_empty();
        if let Some((kind, cells)) = self.one_line(entry, block, within, indent, (short, goes_on)) {
            let trailing = self.trailing(block.tail.unwrap_or(block.close));
            if otherwise || !prefix.is_empty() {
                let text = format!("{prefix}{}", cells.join(" "));
                self.push(Line { trailing, blank_before, ..Line::plain(indent, text) });
            } else {
                self.push(Line { indent, kind, cells, trailing, blank_before });
            }
            return;
        }
        let mut chunks = self.chunks(entry.first, entry.end, within);
        let hard = self.breaks_before(entry.end, &mut chunks);
        chunks.push(Chunk { text: "{".to_owned(), space: !chunks.is_empty(), rank: None, hard });
        let text = filled(&prefix, &chunks, indent * INDENT, 2 * INDENT);
        let trailing = self.trailing(block.open);
        self.push(Line { trailing, blank_before, ..Line::plain(indent, text) });
        let begins = self.lines.len();
        self.body(&block.entries, indent + 1, block.within);
        self.comments_before(block.close, indent + 1);
        if let Some(first) = self.lines.get_mut(begins) {
            first.blank_before = false;
        }
        if self.kind(block.close) != TokenKind::Close {
            return;
        }
        let tail = if block.tail.is_some() { ";" } else { "" };
        let trailing = self.trailing(block.tail.unwrap_or(block.close));
        self.push(Line { trailing, ..Line::plain(indent, format!("}}{tail}")) });
    }

    /// A statement or setting in its columns, where it has any.
    fn columns(
        &self,
        entry: &Entry,
        within: Within,
        prefix: &str,
        chunks: &[Chunk],
        indent: usize,
    ) -> (LineKind, Vec<String>) {
        let first = entry.first;
        let text = filled(prefix, chunks, indent * INDENT, INDENT);
        let (name, keys) = match within {
            _ if !prefix.is_empty() || text.contains('\n') => ("", 0),
            Within::Top if self.word(first) == "let" && self.kind(first + 2) == TokenKind::Assign => {
                ("let", 2)
            }
            Within::Settings
                if self.kind(first) == TokenKind::Dot && self.kind(first + 2) == TokenKind::Assign =>
            {
                ("setting", 2)
            }
            Within::Table if self.kind(first + 1) == TokenKind::Colon => ("row", 2),
            _ => ("", 0),
        };
        if keys == 0 || chunks.len() <= keys || chunks.len() != entry.end - first {
            return (LineKind::Plain, vec![text]);
        }
        let (key, value) = chunks.split_at(keys);
        (LineKind::Column(name.to_owned()), vec![joined(key), joined(value)])
    }

    /// A block on one line, as it was written and where it fits: its head, its first entry, the others.
    fn one_line(
        &self,
        entry: &Entry,
        block: &Body,
        within: Within,
        indent: usize,
        (short, goes_on): (bool, bool),
    ) -> Option<(LineKind, Vec<String>)> {
        let last = block.tail.unwrap_or(block.close);
        let (start, end) = (self.token(entry.first).start as usize, self.token(block.close).end as usize);
        let quiet = (entry.first..=last).all(|at| {
            (at == entry.first || Self::comments_of(&self.before, at).is_empty())
                && (at == last || Self::comments_of(&self.after, at).is_empty())
        });
        let empty = block.entries.is_empty();
        let lone = block.entries.len() <= 1 && block.entries.iter().all(|entry| entry.block.is_none());
        // Another arm follows, so this one's `}` begins its line.
        let allowed = empty && !goes_on
            || short && !self.gap(start, end).contains('\n') && (block.within != Within::Rules || lone);
        if !quiet || !allowed || self.kind(block.close) != TokenKind::Close {
            return None;
        }
        let chunks = self.chunks(entry.first, entry.end, within);
        if chunks.iter().any(|chunk| chunk.hard) {
            return None;
        }
        let head = joined(&chunks);
        let tail = if block.tail.is_some() { ";" } else { "" };
        let mut inner: Vec<String> =
            block.entries.iter().map(|entry| self.inline(entry, block.within)).collect();
        let cells = if inner.is_empty() {
            vec![head, format!("{{ }}{tail}")]
        } else {
            let rest = inner.split_off(1).join(" ");
            let one = format!("{{ {}", inner.concat());
            if rest.is_empty() {
                vec![head, format!("{one} }}{tail}")]
            } else {
                vec![head, one, format!("{rest} }}{tail}")]
            }
        };
        let cells: Vec<String> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
        let text = cells.join(" ");
        if text.contains('\n') || indent * INDENT + width(&text) > WIDTH {
            return if empty && !text.contains('\n') { Some((LineKind::Plain, vec![text])) } else { None };
        }
        if block.within == Within::Rules || within == Within::Rules || cells.len() < 2 {
            return Some((LineKind::Plain, vec![text]));
        }
        Some((LineKind::Column(format!("{} {{", self.str(entry.first))), cells))
    }

    /// An entry on one line, blocks and all.
    fn inline(&self, entry: &Entry, within: Within) -> String {
        let head = joined(&self.chunks(entry.first, entry.end, within));
        let Some(block) = &entry.block else { return head };
        let inner: Vec<String> = block.entries.iter().map(|entry| self.inline(entry, block.within)).collect();
        let tail = if block.tail.is_some() { ";" } else { "" };
        let space = if head.is_empty() { "" } else { " " };
        if inner.is_empty() {
            return format!("{head}{space}{{ }}{tail}");
        }
        format!("{head}{space}{{ {} }}{tail}", inner.join(" "))
    }

    /// Tokens and the comments among them.
    fn chunks(&self, first: usize, end: usize, within: Within) -> Vec<Chunk> {
        let mut chunks: Vec<Chunk> = Vec::with_capacity(end - first);
        let strands =
            within == Within::Settings && (first + 1..end).any(|at| self.is_text(at) && self.is_text(at - 1));
        let mut depth = 0_usize;
        for at in first..end {
            let mut hard = false;
            if at > first {
                hard = self.breaks_before(at, &mut chunks);
                // The lines of a probe's request.
                hard |= strands
                    && self.is_text(at)
                    && (self.is_text(at - 1) || self.kind(at - 1) == TokenKind::Assign);
            }
            if self.kind(at) == TokenKind::CloseParen {
                depth = depth.saturating_sub(1);
            }
            let space = at > first && self.space(first, at, within);
            let rank = self.rank(first, at, within).filter(|_| at > first).map(|rank| depth * 8 + rank);
            chunks.push(Chunk { text: self.str(at).to_owned(), space, rank, hard });
            if self.kind(at) == TokenKind::OpenParen {
                depth += 1;
            }
        }
        chunks
    }

    fn is_text(&self, at: usize) -> bool {
        matches!(self.kind(at), TokenKind::Text(_))
    }

    /// Adds the comments between a token and the one before; whether the token begins a line for their sake.
    fn breaks_before(&self, at: usize, chunks: &mut Vec<Chunk>) -> bool {
        let behind = at.checked_sub(1).map_or(&[][..], |before| Self::comments_of(&self.after, before));
        let mut hard = false;
        for comment in behind {
            chunks.push(Chunk { text: comment.text.clone(), space: true, rank: None, hard });
            hard = comment.line;
        }
        for comment in Self::comments_of(&self.before, at) {
            chunks.push(Chunk {
                text: comment.text.clone(),
                space: true,
                rank: None,
                hard: hard || comment.line,
            });
            hard = comment.line;
        }
        hard
    }

    /// Whether a `+` or `-` belongs to what follows.
    fn is_sign(&self, first: usize, at: usize) -> bool {
        use TokenKind::{
            And, Assign, Change, Colon, Comma, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Matches,
            MatchesNot, Minus, Not, NotEqual, OpenParen, Or, Percent, Plus, Slash, Star, Word,
        };
        if !matches!(self.kind(at), Plus | Minus) {
            return false;
        }
        if at == first || self.word(first) == "acl" {
            return true;
        }
        match self.kind(at - 1) {
            And | Assign | Change(_) | Colon | Comma | Equal | Greater | GreaterOrEqual | Less
            | LessOrEqual | Matches | MatchesNot | Minus | Not | NotEqual | OpenParen | Or | Percent
            | Plus | Slash | Star => true,
            Word => at == first + 1 && matches!(self.word(first), "return" | "log" | "error" | "case"),
            _ => false,
        }
    }

    /// Whether a space stands in front of a token.
    fn space(&self, first: usize, at: usize, within: Within) -> bool {
        use TokenKind::{
            CloseParen, Colon, Comma, Dot, Minus, Not, OpenParen, Percent, Semicolon, Slash, Star, Word,
        };
        let (before, here) = (self.kind(at - 1), self.kind(at));
        let takes_away = matches!(self.word(first), "unset" | "remove") && within == Within::Rules;
        match (before, here) {
            (_, Semicolon | Comma | CloseParen | Colon | Dot) | (OpenParen | Dot, _) => false,
            (Colon, _) => !self.is_part(at - 1),
            (Not, _) => within == Within::Acl && at == first + 1,
            _ if self.is_sign(first, at - 1) => false,
            (Word, OpenParen) => {
                let word = self.word(at - 1);
                let leads = matches!(
                    word,
                    "if" | "elseif" | "elsif" | "elif" | "switch" | "return" | "log" | "error" | "case"
                );
                within == Within::Rules
                    && (at == first + 1 && leads || at == first + 2 && self.word(first) == "else")
            }
            (Minus | Star, _) | (_, Minus | Star) if takes_away => false,
            (Slash, _) | (_, Slash | Percent) => within == Within::Rules,
            _ => true,
        }
    }

    /// How good a place this is to break a line, from 0; `None` where none may be.
    fn rank(&self, first: usize, at: usize, within: Within) -> Option<usize> {
        use TokenKind::{
            And, Assign, Change, CloseParen, Comma, Minus, Or, Percent, Plus, Slash, Star, Text, Word,
        };
        let takes_away = matches!(self.word(first), "unset" | "remove");
        match (self.kind(at.checked_sub(1)?), self.kind(at)) {
            (_, Or) => Some(0),
            (_, And) => Some(1),
            (Comma, _) => Some(2),
            (_, Plus | Minus) if !self.is_sign(first, at) && !takes_away => Some(3),
            (_, Star | Slash | Percent) if within == Within::Rules && !takes_away => Some(4),
            (Text(_) | CloseParen, Text(_) | Word) | (Word, Text(_)) if at > first + 1 => Some(5),
            (Assign | Change(_), _) => Some(6),
            _ => None,
        }
    }

    /// All lines, in their columns.
    fn written(mut self) -> String {
        self.line_up_cells();
        self.line_up_comments();
        let mut out = String::with_capacity(self.text.len() + 64);
        for (number, line) in self.lines.iter().enumerate() {
            if line.blank_before && number > 0 {
                out.push('\n');
            }
            for _ in 0..line.indent * INDENT {
                out.push(' ');
            }
            out.push_str(&line.cells.join(" "));
            if !line.trailing.is_empty() {
                out.push_str(&line.trailing);
            }
            out.push('\n');
        }
        out
    }

    fn line_up_cells(&mut self) {
        let mut begins = 0;
        while begins < self.lines.len() {
            let mut ends = begins + 1;
            while ends < self.lines.len() && stand_together(&self.lines, ends - 1) {
                ends += 1;
            }
            let Some(run) = self.lines.get_mut(begins..ends) else { return };
            for column in 0..2 {
                fill_up(run, column);
            }
            begins = ends;
        }
    }

    /// Comments behind lines that follow one another begin in one column.
    fn line_up_comments(&mut self) {
        let mut begins = 0;
        while begins < self.lines.len() {
            let mut ends = begins;
            let mut widest = 0;
            while let Some(line) = self.lines.get(ends) {
                let goes_on = ends == begins
                    || !line.blank_before
                        && self.lines.get(begins).is_some_and(|first| first.indent == line.indent);
                if line.trailing.is_empty() || !goes_on {
                    break;
                }
                widest = widest.max(line_width(line));
                ends += 1;
            }
            for line in self.lines.get_mut(begins..ends).into_iter().flatten() {
                let gap = widest - line_width(line) + 2;
                line.trailing.insert_str(0, &" ".repeat(gap));
            }
            begins = ends.max(begins + 1);
        }
    }
}

/// Where the text of a line ends.
fn line_width(line: &Line) -> usize {
    let text = line.cells.join(" ");
    let last = last_line(&text);
    width(last) + if text.contains('\n') { 0 } else { line.indent * INDENT }
}

/// Whether a line and the next are lined up.
fn stand_together(lines: &[Line], at: usize) -> bool {
    let (Some(one), Some(two)) = (lines.get(at), lines.get(at + 1)) else { return false };
    matches!(one.kind, LineKind::Column(_))
        && one.kind == two.kind
        && one.indent == two.indent
        && one.is_even()
        && two.is_even()
        && !two.blank_before
}

/// Makes the cells of a column as wide as the widest that others can wait for.
fn fill_up(run: &mut [Line], column: usize) {
    let widths: Vec<usize> = run
        .iter()
        .filter(|line| line.cells.len() > column + 1)
        .filter_map(|line| line.cells.get(column))
        .map(|cell| width(cell))
        .collect();
    let least = widths.iter().min().copied().unwrap_or(0);
    let most = widths.iter().copied().filter(|width| *width <= least + UNEVEN_MAX).max().unwrap_or(0);
    for line in run.iter_mut().filter(|line| line.cells.len() > column + 1) {
        if let Some(cell) = line.cells.get_mut(column) {
            let missing = most.saturating_sub(width(cell));
            cell.push_str(&" ".repeat(missing));
        }
    }
}

fn joined(chunks: &[Chunk]) -> String {
    let mut out = String::new();
    for chunk in chunks {
        if chunk.space && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&chunk.text);
    }
    out
}

/// Chunks in lines that are not too long: where one is, it is broken at its loosest place, the last of several.
/// The first line begins at `indent`, and the others `deeper` behind it.
fn filled(prefix: &str, chunks: &[Chunk], indent: usize, deeper: usize) -> String {
    // How wide each is together with what can't be parted from it.
    let mut ahead = vec![0; chunks.len() + 1];
    for (at, chunk) in chunks.iter().enumerate().rev() {
        let glued = chunks.get(at + 1).is_some_and(|next| next.rank.is_none() && !next.hard);
        let more = if glued && !chunk.text.contains('\n') {
            ahead.get(at + 1).copied().unwrap_or(0)
                + chunks.get(at + 1).map_or(0, |next| usize::from(next.space))
        } else {
            0
        };
        if let Some(kept) = ahead.get_mut(at) {
            *kept = width(first_line(&chunk.text)) + more;
        }
    }
    let margin = " ".repeat(indent + deeper);
    let mut breaks: Vec<usize> = Vec::new();
    let mut begins = 0;
    let mut column = indent + width(last_line(prefix));
    let mut best: Option<(usize, usize)> = None;
    let mut at = 0;
    while let Some(chunk) = chunks.get(at) {
        if chunk.hard && at > begins {
            breaks.push(at);
            (begins, column, best) = (at, margin.len(), None);
        }
        if let Some(rank) = chunk.rank
            && at > begins
            && best.is_none_or(|(least, _)| rank <= least)
        {
            best = Some((rank, at));
        }
        let space = usize::from(chunk.space && at > begins);
        if column + space + ahead.get(at).copied().unwrap_or(0) > WIDTH
            && let Some((_, place)) = best
        {
            breaks.push(place);
            (begins, column, best, at) = (place, margin.len(), None, place);
            continue;
        }
        column = if chunk.text.contains('\n') {
            width(last_line(&chunk.text))
        } else {
            column + space + width(&chunk.text)
        };
        at += 1;
    }
    let mut out = prefix.to_owned();
    let mut breaks = breaks.into_iter().peekable();
    for (at, chunk) in chunks.iter().enumerate() {
        if breaks.next_if_eq(&at).is_some() {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(&margin);
        } else if chunk.space && at > 0 {
            out.push(' ');
        }
        out.push_str(&chunk.text);
    }
    out
}
