//! A decision told, as a person would: a line for each step, with the place in the rules it comes from.

use std::fmt::Write as _;

use super::decision::{Decision, Kind, Step};
use crate::base::json::text as json_text;

/// Every step, aligned.
pub fn story(decision: &Decision) -> String {
    lines(decision.steps.iter())
}

/// What is worth a look where a play failed: the steps without the lines below them.
pub fn short(decision: &Decision) -> String {
    const MOST: usize = 14;
    let count = decision.steps.len();
    let mut out = String::new();
    let (first, last) = if count > MOST { (MOST / 2, count - MOST / 2) } else { (count, count) };
    for (at, step) in decision.steps.iter().enumerate() {
        if at < first || at >= last {
            line(&mut out, step);
        } else if at == first {
            let _ = writeln!(out, "…        {} more steps", last - first);
        }
    }
    out
}

fn lines<'a>(steps: impl Iterator<Item = &'a Step>) -> String {
    let mut out = String::new();
    for step in steps {
        line(&mut out, step);
        for below in &step.below {
            let _ = writeln!(out, "{:9}{below}", "");
        }
    }
    out
}

fn line(out: &mut String, step: &Step) {
    let _ = write!(out, "{:8} ", step.kind.word());
    match (&step.place, step.kind) {
        // The rule itself is what it says; the sub it is reached from stands behind it.
        (Some(place), Kind::Rule) => {
            let _ = write!(out, "{}  ({}:{}", place.source, place.file, place.line);
            let _ = if step.text.is_empty() { write!(out, ")") } else { write!(out, ", {})", step.text) };
        }
        (Some(place), _) => {
            let _ = write!(out, "{}  ({}:{})", step.text, place.file, place.line);
        }
        (None, _) => out.push_str(&step.text),
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// The same for programs.
pub fn json(decision: &Decision, title: &str) -> String {
    let mut out = String::from("{\"request\":");
    json_text(&mut out, title);
    out.push_str(",\"steps\":[");
    for (at, step) in decision.steps.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let _ = write!(out, "{{\"step\":\"{}\",\"text\":", step.kind.word());
        json_text(&mut out, &step.text);
        if let Some(place) = &step.place {
            out.push_str(",\"file\":");
            json_text(&mut out, &place.file);
            let _ = write!(out, ",\"line\":{},\"source\":", place.line);
            json_text(&mut out, &place.source);
        }
        if !step.below.is_empty() {
            out.push_str(",\"below\":[");
            for (at, line) in step.below.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json_text(&mut out, line);
            }
            out.push(']');
        }
        out.push('}');
    }
    out.push(']');
    for (name, value) in [("site", &decision.site), ("route", &decision.route)] {
        if let Some(value) = value {
            let _ = write!(out, ",\"{name}\":");
            json_text(&mut out, value);
        }
    }
    if let Some(sent) = decision.sent.last() {
        out.push_str(",\"backend\":");
        json_text(&mut out, &sent.backend);
    }
    if let Some(cause) = decision.cause {
        let _ = write!(out, ",\"cause\":\"{}\"", cause.name());
    }
    let _ =
        write!(out, ",\"handling\":\"{}\",\"status\":{}", decision.handling.word(), decision.answer.status);
    out.push_str(",\"headers\":[");
    for (at, (name, value)) in decision.answer.headers.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push('[');
        json_text(&mut out, name.as_str());
        out.push(',');
        json_text(&mut out, &String::from_utf8_lossy(value.as_bytes()));
        out.push(']');
    }
    out.push_str("]}\n");
    out
}

/// A text without what could move a terminal's cursor.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
