//! What a person sees when a rule file is wrong: every fault of the tree in one run, each with its place,
//! a drawing, and the next thing to do.

use std::fmt::{self, Write};
use std::sync::Arc;

use super::faults::{Code, Severity};
use super::source::{Sources, Span, printable};
use super::suggest::Near;
use crate::base::json;

/// More faults than anybody reads in one run; what is beyond is counted.
const FAULTS_MAX: usize = 1_000;
/// A drawn line is cut around its fault to this many characters.
const LINE_CHARS_MAX: usize = 140;

/// What stands at `span` becomes `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub span: Span,
    /// Never a piece of the rules themselves, which may be private: words of the language, names that are shown.
    pub text: String,
}

/// One thing that is wrong, or worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub span: Span,
    /// One sentence without a full stop.
    pub message: String,
    /// Written beside the carets: most often what to write instead.
    pub label: String,
    /// Another place that belongs to it, such as the first of two, and what stands there.
    pub other: Option<(Span, String)>,
    /// The next thing to do, where the label does not say it.
    pub help: Option<String>,
    /// What mends it for certain, all of it together; empty where a person has to decide.
    pub fix: Vec<Edit>,
}

impl Diagnostic {
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            span,
            message: message.into(),
            label: String::new(),
            other: None,
            help: None,
            fix: Vec::new(),
        }
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What mends it for certain. Several calls make one mend.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix.push(Edit { span, text: text.into() });
        self
    }

    /// "Did you mean": the word at the place of the fault.
    #[must_use]
    pub fn meant(self, near: Near<'_>) -> Self {
        self.label(format!("did you mean `{near}`?")).or(near)
    }

    /// The word that stands for the faulty one, if that is certain.
    #[must_use]
    pub fn or(self, near: Near<'_>) -> Self {
        let span = self.span;
        if near.certain { self.fix(span, near.word) } else { self }
    }

    pub const fn is_error(&self) -> bool {
        matches!(self.code.severity(), Severity::Error)
    }
}

/// A bounded heap of faults.
#[derive(Clone, Debug, Default)]
pub struct Found {
    list: Vec<Diagnostic>,
    /// How many of the list are warnings.
    warnings: usize,
    errors: usize,
    dropped: usize,
}

impl Found {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let is_error = diagnostic.is_error();
        if is_error {
            self.errors += 1;
        }
        if self.list.len() < FAULTS_MAX {
            self.warnings += usize::from(!is_error);
            self.list.push(diagnostic);
            return;
        }
        self.dropped += 1;
        // A warning never takes the place of an error.
        if is_error
            && self.warnings > 0
            && let Some(warning) = self.list.iter().rposition(|kept| !kept.is_error())
        {
            self.warnings -= 1;
            self.list.remove(warning);
            self.list.push(diagnostic);
        }
    }

    /// Whether another error would only be counted: then nothing needs to be said of it.
    pub const fn only_counts(&self) -> bool {
        self.list.len() >= FAULTS_MAX && self.warnings == 0
    }

    pub const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub const fn errors(&self) -> usize {
        self.errors
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }
}

/// What was found in a tree, in file order, with the texts to draw it on.
#[derive(Clone)]
pub struct Diagnostics {
    sources: Arc<Sources>,
    found: Found,
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines())
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draw())
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostics {
    pub fn new(sources: Arc<Sources>, mut found: Found) -> Self {
        found.list.sort_by_key(|diagnostic| (diagnostic.span.file, diagnostic.span.start));
        Self { sources, found }
    }

    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    pub fn has_errors(&self) -> bool {
        self.found.has_errors()
    }

    pub fn is_empty(&self) -> bool {
        self.found.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// The number of errors and of warnings.
    pub fn count(&self) -> (usize, usize) {
        (self.found.errors, self.found.list.len() + self.found.dropped - self.found.errors)
    }

    /// Every fault drawn, and one line that sums them up.
    pub fn draw(&self) -> String {
        let mut out = String::new();
        for diagnostic in self.iter() {
            self.draw_one(diagnostic, &mut out);
            out.push('\n');
        }
        if self.found.dropped > 0 {
            let _ = writeln!(out, "… and {} more that are not shown.", self.found.dropped);
        }
        let (errors, warnings) = self.count();
        let warned = match warnings {
            0 => String::new(),
            1 => "1 warning".to_owned(),
            many => format!("{many} warnings"),
        };
        let _ = match errors {
            0 if warnings == 0 => Ok(()),
            0 => writeln!(out, "{warned}; the rules can be loaded."),
            errors => {
                let plural = if errors == 1 { "" } else { "s" };
                let and = if warned.is_empty() { "" } else { " and " };
                writeln!(out, "{errors} error{plural}{and}{warned}; nothing was loaded.")
            }
        };
        out
    }

    fn draw_one(&self, diagnostic: &Diagnostic, out: &mut String) {
        let code = diagnostic.code;
        let _ = writeln!(out, "{}[{}]: {}", code.severity().word(), code.code(), diagnostic.message);
        let other = diagnostic.other.as_ref();
        let line_of = |span: Span| self.sources.place(span.file, span.start).map_or(1, |place| place.line);
        let last = line_of(diagnostic.span).max(other.map_or(0, |(span, _)| line_of(*span)));
        let width = last.to_string().len();
        self.draw_place(diagnostic.span, &diagnostic.label, ('┌', '^'), width, out);
        if let Some((span, label)) = other {
            self.draw_place(*span, label, ('├', '-'), width, out);
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "{:width$}= {help}", "");
        }
        let _ = writeln!(
            out,
            "{:width$}= run `doorward explain {}` for what this means and how to mend it",
            "",
            code.code()
        );
    }

    fn draw_place(
        &self,
        span: Span,
        label: &str,
        (corner, mark): (char, char),
        width: usize,
        out: &mut String,
    ) {
        let Some(place) = self.sources.place(span.file, span.start) else {
            if !label.is_empty() {
                let _ = writeln!(out, "{:width$}= {label}", "");
            }
            return;
        };
        let name = self.sources.name(span.file);
        let _ = writeln!(out, "{:width$}{corner} {name}:{}:{}", "", place.line, place.column);
        if self.sources.is_private(span.file) {
            let _ = writeln!(out, "{:>width$}│ (a private file: its text is not shown)", place.line);
            if !label.is_empty() {
                let _ = writeln!(out, "{:width$}│ {label}", "");
            }
            return;
        }
        let line = self.sources.line(span.file, place.line);
        let before = place.column - 1;
        let marked = self.sources.text(span).split('\n').next().unwrap_or("").chars().count();
        let (shown, indent, marks) = window(line, before, marked);
        let _ = writeln!(out, "{:>width$}│ {shown}", place.line);
        let carets: String = std::iter::repeat_n(mark, marks).collect();
        let gap = if label.is_empty() { "" } else { " " };
        let _ = writeln!(out, "{:width$}│ {:indent$}{carets}{gap}{label}", "", "");
    }

    /// One line for each: `main.vcl:3:9: error[E014]: …`.
    pub fn lines(&self) -> String {
        let mut out = String::new();
        for diagnostic in self.iter() {
            let _ = writeln!(out, "{}", self.line(diagnostic));
        }
        out
    }

    /// One fault on one line.
    pub fn line(&self, diagnostic: &Diagnostic) -> String {
        let mut out = String::new();
        let span = diagnostic.span;
        if let Some(place) = self.sources.place(span.file, span.start) {
            let _ = write!(out, "{}:{}:{}: ", self.sources.name(span.file), place.line, place.column);
        }
        let code = diagnostic.code;
        let _ = write!(out, "{}[{}]: {}", code.severity().word(), code.code(), diagnostic.message);
        if !diagnostic.label.is_empty() {
            let _ = write!(out, "; {}", diagnostic.label);
        }
        if let Some((span, label)) = &diagnostic.other {
            let _ = write!(out, "; {}: {label}", self.sources.short_place(*span));
        }
        if let Some(help) = &diagnostic.help {
            let _ = write!(out, "; {help}");
        }
        out
    }

    /// For editors and scripts: one JSON object, with every fault in file order.
    pub fn json(&self) -> String {
        let mut out = String::from("{\"faults\":[");
        for (at, diagnostic) in self.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let code = diagnostic.code;
            let _ = write!(
                out,
                "{{\"code\":\"{}\",\"severity\":\"{}\",\"title\":{},\"message\":{},\"label\":{},\"help\":{},",
                code.code(),
                code.severity().word(),
                json::quoted(code.title()),
                json::quoted(&diagnostic.message),
                json::quoted(&diagnostic.label),
                diagnostic.help.as_deref().map_or("null".to_owned(), json::quoted),
            );
            let _ = write!(out, "\"place\":{},\"other\":", self.json_place(diagnostic.span));
            match &diagnostic.other {
                None => out.push_str("null"),
                Some((span, label)) => {
                    let _ = write!(
                        out,
                        "{{\"label\":{},\"place\":{}}}",
                        json::quoted(label),
                        self.json_place(*span)
                    );
                }
            }
            out.push_str(",\"fix\":[");
            for (at, edit) in diagnostic.fix.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let (text, place) = (json::quoted(&edit.text), self.json_place(edit.span));
                let _ = write!(out, "{comma}{{\"text\":{text},\"place\":{place}}}");
            }
            out.push_str("]}");
        }
        let (errors, warnings) = self.count();
        let _ = write!(
            out,
            "],\"errors\":{errors},\"warnings\":{warnings},\"not_shown\":{}}}",
            self.found.dropped
        );
        out
    }

    fn json_place(&self, span: Span) -> String {
        let (Some(from), Some(to)) =
            (self.sources.place(span.file, span.start), self.sources.place(span.file, span.end))
        else {
            return "null".to_owned();
        };
        format!(
            "{{\"file\":{},\"line\":{},\"column\":{},\"end_line\":{},\"end_column\":{},\"start\":{},\"end\":{}}}",
            json::quoted(self.sources.name(span.file)),
            from.line,
            from.column,
            to.line,
            to.column,
            span.start,
            span.end
        )
    }
}

/// The part of a line that is drawn: tabs as spaces, nothing that moves the cursor, cut around the fault.
/// Returns the text, the column of the first caret, and the number of carets.
fn window(line: &str, before: usize, marked: usize) -> (String, usize, usize) {
    let from = if before + marked.min(40) <= LINE_CHARS_MAX { 0 } else { before.saturating_sub(40) };
    let mut shown = String::new();
    let (mut indent, mut marks, mut column) = (0, 0, 0);
    if from > 0 {
        shown.push('…');
        column = 1;
        indent = 1;
    }
    let mut rest = line.chars().enumerate().skip(from).peekable();
    while let Some((at, c)) = rest.next() {
        let drawn = if c == '\t' { "    ".to_owned() } else { printable(c.encode_utf8(&mut [0; 4]), 1) };
        let width = drawn.chars().count();
        if at < before {
            indent += width;
        } else if at < before + marked {
            marks += width;
        }
        shown.push_str(&drawn);
        column += width;
        if column >= LINE_CHARS_MAX && rest.peek().is_some() {
            shown.push('…');
            break;
        }
    }
    (shown, indent, marks.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::source::FileId;
    use std::path::PathBuf;

    fn one(private: bool) -> (Arc<Sources>, FileId) {
        let mut sources = Sources::default();
        sources.add(PathBuf::from("backends.vcl"), "# a\n# b\nbackend trac { }\n".to_owned(), false);
        let text = format!("{}\troute \"/trac/\" {{ .backend = tarc; }}\n", "\n".repeat(11));
        let file = sources.add(PathBuf::from("sites.vcl"), text, private);
        (Arc::new(sources), file)
    }

    fn found(file: FileId) -> Found {
        let mut found = Found::default();
        found.push(
            Diagnostic::new(
                Code::UnknownReference,
                Span::new(file, 40, 44),
                "there is no backend called `tarc`",
            )
            .label("did you mean `trac` (backends.vcl:3)?")
            .or(Near { word: "trac", certain: true }),
        );
        found
    }

    #[test]
    fn a_fault_is_drawn_with_its_place() {
        let (sources, file) = one(false);
        let drawn = Diagnostics::new(sources, found(file)).draw();
        assert_eq!(
            drawn,
            "error[E014]: there is no backend called `tarc`\n  \
               ┌ sites.vcl:12:30\n\
             12│     route \"/trac/\" { .backend = tarc; }\n  \
               │                                 ^^^^ did you mean `trac` (backends.vcl:3)?\n  \
               = run `doorward explain E014` for what this means and how to mend it\n\n\
             1 error; nothing was loaded.\n"
        );
    }

    #[test]
    fn a_private_line_is_not_drawn() {
        let (sources, file) = one(true);
        let diagnostics = Diagnostics::new(sources, found(file));
        assert!(!diagnostics.draw().contains("route"));
        assert!(diagnostics.draw().contains("12│ (a private file: its text is not shown)"));
    }

    #[test]
    fn one_line_and_json_say_the_same() {
        let (sources, file) = one(false);
        let diagnostics = Diagnostics::new(sources, found(file));
        assert_eq!(
            diagnostics.lines(),
            "sites.vcl:12:30: error[E014]: there is no backend called `tarc`; did you mean `trac` (backends.vcl:3)?\n"
        );
        assert_eq!(
            diagnostics.json(),
            "{\"faults\":[{\"code\":\"E014\",\"severity\":\"error\",\"title\":\"nothing of that name is declared\",\
             \"message\":\"there is no backend called `tarc`\",\"label\":\"did you mean `trac` (backends.vcl:3)?\",\
             \"help\":null,\"place\":{\"file\":\"sites.vcl\",\"line\":12,\"column\":30,\"end_line\":12,\
             \"end_column\":34,\"start\":40,\"end\":44},\"other\":null,\"fix\":[{\"text\":\"trac\",\"place\":{\"file\":\"sites.vcl\",\"line\":12,\
             \"column\":30,\"end_line\":12,\"end_column\":34,\"start\":40,\"end\":44}}]}],\"errors\":1,\"warnings\":0,\"not_shown\":0}"
        );
        assert_eq!(json::quoted("a\"b\\c\n\u{1}"), "\"a\\\"b\\\\c\\n\\u0001\"");
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let line = format!("{}HERE{}", "a".repeat(5_000), "b".repeat(5_000));
        let (shown, indent, marks) = window(&line, 5_000, 4);
        assert!(shown.chars().count() <= LINE_CHARS_MAX + 2);
        let under: String = shown.chars().skip(indent).take(marks).collect();
        assert_eq!(under, "HERE");
        assert_eq!(window("", 0, 0), (String::new(), 0, 1));
    }

    #[test]
    fn more_faults_than_anybody_reads_are_counted() {
        let (sources, file) = one(false);
        let mut all = Found::default();
        for _ in 0..FAULTS_MAX {
            all.push(Diagnostic::new(Code::Unused, Span::new(file, 0, 1), "unused"));
        }
        found(file).list.into_iter().for_each(|each| all.push(each));
        let diagnostics = Diagnostics::new(sources, all);
        assert!(diagnostics.has_errors());
        assert_eq!(diagnostics.count(), (1, FAULTS_MAX));
        assert!(diagnostics.lines().contains("E014"), "an error is never crowded out by warnings");
        assert!(diagnostics.draw().contains("… and 1 more that are not shown."));
    }
}
