//! The answers to what an editor asks, from the language's own tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::{
    CodeAction, CodeActionKind, CompletionItem, CompletionItemKind, DiagnosticRelatedInformation,
    DiagnosticSeverity, DocumentSymbol, Hover, HoverContents, Location, MarkupContent, MarkupKind,
    NumberOrString, PublishDiagnosticsParams, SymbolKind, TextDocumentPositionParams, TextEdit, Uri,
    WorkspaceEdit,
};

use super::cursor::{Cursor, look};
use super::documents::{Documents, path, uri};
use super::place::{self, Encoding};
use super::symbols::{self, Symbol, What};
use crate::language::source::{Sources, Span};
use crate::language::table::{self, Kind, Type};
use crate::language::vocabulary::{Action, Class, Dialect, Family, Function, Phase, Variable};
use crate::language::{self, Diagnostic, manual};
use crate::settings;

/// One editor's desk.
pub struct Desk {
    pub documents: Documents,
    encoding: Encoding,
    /// For each main file: the files about which something was said last, so that it can be taken back.
    told: BTreeMap<PathBuf, Vec<PathBuf>>,
}

/// A tree as it stands: what is wrong in it, and the texts it was read from.
struct Judged {
    main: PathBuf,
    sources: Arc<Sources>,
    found: Vec<Diagnostic>,
}

impl Desk {
    pub fn new(encoding: Encoding) -> Self {
        Self { documents: Documents::default(), encoding, told: BTreeMap::new() }
    }

    /// The tree a file belongs to.
    fn judged(&self, file: &Path) -> Option<Judged> {
        self.documents.mains(file).into_iter().find_map(|main| {
            let tree = language::read(&self.documents, &main, &|name| std::env::var(name).ok());
            if main != file && !tree.sources.paths().any(|read| read == file) {
                return None;
            }
            let sources = Arc::clone(&tree.sources);
            let found = match settings::compile(&tree) {
                Ok(settings) => settings.warnings,
                Err(faults) => faults,
            };
            Some(Judged { main, sources, found: found.iter().cloned().collect() })
        })
    }

    /// What is wrong with the tree of a file, for each of its files; a file that was mended gets an empty list.
    pub fn faults(&mut self, uri: &Uri) -> Vec<PublishDiagnosticsParams> {
        let Some(judged) = path(uri).and_then(|file| self.judged(&file)) else { return Vec::new() };
        let mut about: BTreeMap<PathBuf, Vec<lsp_types::Diagnostic>> =
            judged.sources.paths().map(|file| (file.to_owned(), Vec::new())).collect();
        for fault in &judged.found {
            let file = judged.sources.paths().nth(fault.span.file.0 as usize).unwrap_or(&judged.main);
            about.entry(file.to_owned()).or_default().push(self.drawn(&judged.sources, fault));
        }
        let now: Vec<PathBuf> = about.keys().cloned().collect();
        for gone in self.told.insert(judged.main, now).unwrap_or_default() {
            about.entry(gone).or_default();
        }
        about
            .into_iter()
            .filter_map(|(file, diagnostics)| {
                Some(PublishDiagnosticsParams { uri: self::uri(&file)?, diagnostics, version: None })
            })
            .collect()
    }

    fn drawn(&self, sources: &Sources, fault: &Diagnostic) -> lsp_types::Diagnostic {
        let mut message = fault.message.clone();
        for more in [Some(&fault.label), fault.help.as_ref()].into_iter().flatten() {
            if !more.is_empty() {
                message.push('\n');
                message.push_str(more);
            }
        }
        let other = fault.other.as_ref().and_then(|(span, label)| {
            let location = self.location(sources, *span)?;
            Some(vec![DiagnosticRelatedInformation { location, message: label.clone() }])
        });
        lsp_types::Diagnostic {
            range: self.range(sources.whole(fault.span.file), fault.span),
            severity: Some(if fault.is_error() {
                DiagnosticSeverity::ERROR
            } else {
                DiagnosticSeverity::WARNING
            }),
            code: Some(NumberOrString::String(fault.code.code().to_owned())),
            source: Some("doorward".to_owned()),
            message,
            related_information: other,
            ..lsp_types::Diagnostic::default()
        }
    }

    fn range(&self, text: &str, span: Span) -> lsp_types::Range {
        place::range(text, span.start as usize, span.end as usize, self.encoding)
    }

    fn location(&self, sources: &Sources, span: Span) -> Option<Location> {
        let file = sources.paths().nth(span.file.0 as usize)?;
        Some(Location { uri: uri(file)?, range: self.range(sources.whole(span.file), span) })
    }

    fn symbols(&self, file: &Path) -> Vec<Symbol> {
        let mains = self.documents.mains(file);
        let trees = mains.iter().map(|main| (main, symbols::of_tree(&self.documents, main)));
        let mut own = trees.filter(|(main, symbols)| {
            main.as_path() == file || symbols.iter().any(|symbol| symbol.file == file)
        });
        own.next().map(|(_, symbols)| symbols).unwrap_or_default()
    }

    /// The dialect of the tree of a file.
    fn dialect(&self, file: &Path) -> Dialect {
        let main = self.documents.mains(file).into_iter().next().and_then(|main| self.documents.text(&main));
        main.map_or(Dialect::Doorward, |text| language::lexer::dialect(&text))
    }

    /// The text of a file, and the cursor in it.
    fn at<T>(
        &self,
        asked: &TextDocumentPositionParams,
        answer: impl FnOnce(&Path, &str, &Cursor<'_>) -> Option<T>,
    ) -> Option<T> {
        let file = path(&asked.text_document.uri)?;
        let text = self.documents.text(&file)?;
        let offset = place::offset(&text, asked.position, self.encoding);
        answer(&file, &text, &look(&text, offset, self.dialect(&file))?)
    }

    /// What the word under the cursor means.
    pub fn hover(&self, asked: &TextDocumentPositionParams) -> Option<Hover> {
        self.at(asked, |file, text, cursor| {
            let said = meaning(cursor, self.dialect(file)).or_else(|| {
                let symbols = self.symbols(file);
                let symbol = named(&symbols, cursor, file)?;
                (!symbol.line.is_empty()).then(|| format!("```vcl\n{}\n```", symbol.line))
            })?;
            let end = cursor.start + cursor.name.len();
            Some(Hover {
                contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: said }),
                range: Some(place::range(text, cursor.start, end, self.encoding)),
            })
        })
    }

    /// Where what the word under the cursor names is declared.
    pub fn definition(&self, asked: &TextDocumentPositionParams) -> Option<Location> {
        self.at(asked, |file, _, cursor| {
            let symbols = self.symbols(file);
            let symbol = named(&symbols, cursor, file)?;
            let text = self.documents.text(&symbol.file)?;
            let range = place::range(&text, symbol.at.0, symbol.at.1, self.encoding);
            Some(Location { uri: uri(&symbol.file)?, range })
        })
    }

    /// What could stand at the cursor.
    pub fn completions(&self, asked: &TextDocumentPositionParams) -> Vec<CompletionItem> {
        self.at(asked, |file, _, cursor| Some(offers(cursor, self.dialect(file), &self.symbols(file), file)))
            .unwrap_or_default()
    }

    /// The names of a file.
    pub fn outline(&self, uri: &Uri) -> Vec<DocumentSymbol> {
        let Some((file, text)) = path(uri).and_then(|file| Some((file.clone(), self.documents.text(&file)?)))
        else {
            return Vec::new();
        };
        let symbols = self.symbols(&file);
        let own = symbols.iter().filter(|symbol| symbol.file == file && symbol.what != What::Local);
        let mut out: Vec<DocumentSymbol> = Vec::new();
        for symbol in own {
            let drawn = self.symbol(symbol, &text);
            match out.last_mut() {
                Some(outer) if symbol.depth > 0 => outer.children.get_or_insert_default().push(drawn),
                _ => out.push(drawn),
            }
        }
        out
    }

    #[allow(deprecated)] // the structure demands a field that the protocol has given up
    fn symbol(&self, symbol: &Symbol, text: &str) -> DocumentSymbol {
        DocumentSymbol {
            name: if symbol.name.is_empty() { symbol.what.word().to_owned() } else { symbol.name.clone() },
            detail: Some(symbol.what.word().to_owned()),
            kind: match symbol.what {
                What::Sub => SymbolKind::FUNCTION,
                What::Let => SymbolKind::CONSTANT,
                What::Object => SymbolKind::OBJECT,
                What::Local => SymbolKind::VARIABLE,
                What::Declared(Kind::Site | Kind::Gateway) => SymbolKind::MODULE,
                What::Declared(_) => SymbolKind::STRUCT,
            },
            tags: None,
            deprecated: None,
            range: place::range(text, symbol.whole.0, symbol.whole.1, self.encoding),
            selection_range: place::range(text, symbol.at.0, symbol.at.1, self.encoding),
            children: None,
        }
    }

    /// What mends the faults in a range for certain.
    pub fn mends(&self, uri: &Uri, range: lsp_types::Range) -> Vec<CodeAction> {
        let Some((file, judged)) = path(uri).and_then(|file| Some((file.clone(), self.judged(&file)?)))
        else {
            return Vec::new();
        };
        let of = |span: Span| judged.sources.paths().nth(span.file.0 as usize);
        let here = judged.found.iter().filter(|fault| {
            !fault.fix.is_empty() && fault.fix.iter().all(|edit| of(edit.span) == Some(file.as_path()))
        });
        let mends = here.filter_map(|fault| {
            let drawn = self.drawn(&judged.sources, fault);
            if drawn.range.end < range.start || range.end < drawn.range.start {
                return None;
            }
            let whole = judged.sources.whole(fault.span.file);
            let edits = fault
                .fix
                .iter()
                .map(|edit| TextEdit { range: self.range(whole, edit.span), new_text: edit.text.clone() });
            let title = match fault.fix.as_slice() {
                [only] if !only.text.trim().is_empty() => format!("Write `{}`", only.text.trim()),
                [only] if only.text.is_empty() => "Take it out".to_owned(),
                _ => fault.label.clone(),
            };
            // Written as the protocol has it: a map by addresses, which no map of Rust's likes as keys.
            let edit: WorkspaceEdit = serde_json::from_value(serde_json::json!({
                "changes": { uri.as_str(): edits.collect::<Vec<TextEdit>>() }
            }))
            .ok()?;
            Some(CodeAction {
                title,
                kind: Some(CodeActionKind::QUICKFIX),
                diagnostics: Some(vec![drawn]),
                edit: Some(edit),
                is_preferred: Some(true),
                ..CodeAction::default()
            })
        });
        mends.collect()
    }

    /// The file in its one layout; nothing where it can't be read.
    pub fn formatted(&self, uri: &Uri) -> Option<Vec<TextEdit>> {
        let file = path(uri)?;
        let text = self.documents.text(&file)?;
        // A part of a tree is laid out in its tree's language.
        let new_text = self
            .documents
            .mains(&file)
            .into_iter()
            .flat_map(|main| language::format::tree(&self.documents, &main).files)
            .find(|laid| laid.path == file)?
            .text;
        if new_text == text {
            return Some(Vec::new());
        }
        Some(vec![TextEdit { range: place::range(&text, 0, text.len(), self.encoding), new_text }])
    }
}

/// What the tables say of the word under the cursor.
fn meaning(cursor: &Cursor<'_>, dialect: Dialect) -> Option<String> {
    let name = cursor.name;
    if cursor.is_setting {
        let row = row(cursor.kind()?, name)?;
        return Some(setting(row));
    }
    if let Some(set) = cursor.setting()
        && let Some(row) = cursor.kind().and_then(|kind| row(kind, set))
        && let Type::Word(words) = row.takes
        && let Some(word) = words.iter().find(|word| word.word == name)
    {
        return Some(format!("`{name}`: {}", word.doc));
    }
    if cursor.around.is_empty() && cursor.before.is_empty() {
        return Kind::by_word(name).map(|kind| format!("`{name}`: {}", kind.doc()));
    }
    if cursor.sub().is_none() {
        return Kind::by_word(name).map(|kind| format!("`{name}`: {}", kind.doc()));
    }
    if let Some(variable) = Variable::by_name(name, dialect) {
        return Some(self::variable(variable));
    }
    if let Some(function) =
        Function::ALL.iter().find(|known| known.name() == name && known.dialects().has(dialect))
    {
        return Some(self::function(*function));
    }
    if let Some(class) = Class::ALL.iter().find(|class| class.name() == name) {
        return Some(format!(
            "```vcl\nnew name = {}({})\n```\n{}",
            name,
            manual::parameters(class.parameters()),
            class.doc()
        ));
    }
    if let Some((family, header)) = header(name) {
        return Some(format!("```vcl\n{name}: STRING\n```\nThe header `{header}` of {}.", of_family(family)));
    }
    if returns(cursor)
        && let Some(action) = Action::ALL.iter().find(|action| action.word() == name)
    {
        return Some(format!("`return ({name})`: {}", action.doc()));
    }
    None
}

fn row(kind: Kind, name: &str) -> Option<&'static table::Setting> {
    kind.settings().iter().find(|row| row.name == name)
}

fn setting(row: &table::Setting) -> String {
    let default = if row.required {
        "It must be said.".to_owned()
    } else {
        format!("When nothing is said: {}.", row.default)
    };
    format!(
        "```vcl\n.{} = {};\n```\n{}\n\nTakes {}. {default}",
        row.name,
        row.example,
        row.doc,
        row.takes.title()
    )
}

fn variable(variable: Variable) -> String {
    let mut out = format!("```vcl\n{}: {}\n```\n{}\n", variable.name(), variable.of().word(), variable.doc());
    for (what, phases) in
        [("Read", variable.readable()), ("Set", variable.writable()), ("Unset", variable.unsettable())]
    {
        if !phases.is_empty() {
            let subs: Vec<&str> = phases.iter().map(Phase::sub).collect();
            let _ = write!(out, "\n{what} in {}.", subs.join(", "));
        }
    }
    out
}

fn function(function: Function) -> String {
    let (example, result) = function.example();
    format!(
        "```vcl\n{}({}) -> {}\n```\n{}\n\n`{example}` gives `{result}`.",
        function.name(),
        manual::parameters(function.parameters()),
        function.returns().word(),
        function.doc()
    )
}

/// `req.http.Host` → the family and the header.
fn header(name: &str) -> Option<(Family, &str)> {
    let (family, rest) = name.split_once('.')?;
    let header = rest.strip_prefix("http.").filter(|header| !header.is_empty())?;
    Some((Family::ALL.iter().copied().find(|known| known.word() == family)?, header))
}

const fn of_family(family: Family) -> &'static str {
    match family {
        Family::Req | Family::ReqTop => "the visitor's request",
        Family::Bereq => "the request to the backend",
        Family::Beresp => "the backend's answer",
        Family::Obj => "the answer as it is kept",
        Family::Resp => "the answer to the visitor",
    }
}

/// Whether the action of a `return` is being written.
fn returns(cursor: &Cursor<'_>) -> bool {
    cursor.word(0) == Some("return") && cursor.before.len() <= 2
}

/// The declaration that the name under the cursor means here.
fn named<'s>(symbols: &'s [Symbol], cursor: &Cursor<'_>, file: &Path) -> Option<&'s Symbol> {
    if cursor.is_setting || cursor.name.is_empty() {
        return None;
    }
    let wanted = wanted(cursor);
    let candidates = |name: &str| {
        let mut all: Vec<&Symbol> = symbols.iter().filter(|symbol| symbol.name == name).collect();
        // What the place asks for comes first, then what the same file holds.
        all.sort_by_key(|symbol| (Some(symbol.what) != wanted, symbol.file != file));
        all.into_iter().next()
    };
    // `people.backend()` means the object `people`.
    candidates(cursor.name).or_else(|| candidates(cursor.name.split('.').next()?))
}

/// What the place asks for by name.
fn wanted(cursor: &Cursor<'_>) -> Option<What> {
    if let (Some(kind), Some(set)) = (cursor.kind(), cursor.setting()) {
        return match row(kind, set)?.takes {
            Type::Name(kind) => Some(What::Declared(kind)),
            Type::Member => Some(What::Declared(Kind::Backend)),
            _ => Some(What::Let),
        };
    }
    match cursor.word(0) {
        Some("call") => Some(What::Sub),
        _ if cursor.before.last().is_some_and(|piece| matches!(piece.text, "~" | "!~")) => {
            Some(What::Declared(Kind::Acl))
        }
        _ => None,
    }
}

/// What could stand at the cursor.
fn offers(cursor: &Cursor<'_>, dialect: Dialect, symbols: &[Symbol], file: &Path) -> Vec<CompletionItem> {
    let mut out = Vec::new();
    if cursor.sub().is_some() {
        in_sub(cursor, dialect, symbols, file, &mut out);
    } else if let Some(kind) = cursor.kind() {
        in_declaration(cursor, kind, symbols, &mut out);
    } else if cursor.before.is_empty() {
        for kind in Kind::ALL.iter().filter(|kind| kind.inside().is_none()) {
            out.push(item(kind.word(), CompletionItemKind::KEYWORD, kind.doc()));
        }
        for (word, doc) in TOP_WORDS {
            out.push(item(word, CompletionItemKind::KEYWORD, doc));
        }
    } else if cursor.word(0) == Some("sub") && cursor.before.len() == 1 {
        for phase in Phase::ALL.iter().filter(|phase| Phase::of_sub(phase.sub(), dialect).is_some()) {
            out.push(item(
                phase.sub(),
                CompletionItemKind::FUNCTION,
                "A sub that the gateway calls by itself.",
            ));
        }
    } else {
        lets(symbols, &mut out);
    }
    out.retain(|offer| offer.label.starts_with(cursor.typed));
    out
}

const TOP_WORDS: &[(&str, &str)] = &[
    ("let", "A constant: `let name = value;`"),
    ("include", "Another file of the same tree: `include \"file.vcl\";`"),
    ("sub", "Rules: `sub vcl_recv { … }`"),
    ("import", "What VCL files name before they use it: `import std;`"),
];

const STATEMENTS: &[(&str, &str)] = &[
    ("set", "Writes a variable or a header."),
    ("unset", "Takes a header away."),
    ("if", "`if (condition) { … } elseif (condition) { … } else { … }`"),
    ("call", "Runs another sub."),
    ("return", "Ends this sub, and says where the request goes."),
    ("declare", "A local variable: `declare local var.name STRING;`"),
    ("error", "On to `vcl_synth` with a status: `error 403 \"reason\";`"),
    ("log", "Writes a line into the log."),
    ("new", "Makes an object, in `vcl_init`."),
];

fn in_declaration(cursor: &Cursor<'_>, kind: Kind, symbols: &[Symbol], out: &mut Vec<CompletionItem>) {
    let settings = || kind.settings().iter();
    if cursor.is_setting || cursor.before.is_empty() {
        for row in settings() {
            let mut offer = item(row.name, CompletionItemKind::PROPERTY, row.doc);
            if !cursor.is_setting {
                offer.label = format!(".{}", row.name);
            }
            out.push(offer);
        }
        for inside in Kind::ALL.iter().filter(|inside| inside.inside() == Some(kind) && !cursor.is_setting) {
            out.push(item(inside.word(), CompletionItemKind::KEYWORD, inside.doc()));
        }
        return;
    }
    let Some(row) = cursor.setting().and_then(|set| row(kind, set)) else { return };
    match row.takes {
        Type::Word(words) => {
            for word in words {
                out.push(item(word.word, CompletionItemKind::ENUM_MEMBER, word.doc));
            }
        }
        Type::Name(kind) => {
            declared(kind, symbols, out);
            if kind == Kind::Backend {
                declared(Kind::Director, symbols, out);
            }
        }
        Type::Member => declared(Kind::Backend, symbols, out),
        Type::HashBy => {
            for (word, doc) in [
                ("client", "The visitor's address, of IPv6 its network."),
                ("path", "The path that is asked for."),
                ("cookie", "A cookie: `cookie(\"session\")`."),
                ("header", "A header: `header(\"X-Tenant\")`."),
            ] {
                out.push(item(word, CompletionItemKind::VALUE, doc));
            }
        }
        Type::Bool => {
            for word in ["yes", "no"] {
                out.push(item(word, CompletionItemKind::VALUE, row.doc));
            }
        }
        Type::Access => {
            for (word, doc) in [
                ("anyone", "Everybody may pass."),
                ("nobody", "Nobody may pass."),
                ("network", "Who comes from a network of an acl may pass: `network(office)`."),
            ] {
                out.push(item(word, CompletionItemKind::FUNCTION, doc));
            }
            declared(Kind::Acl, symbols, out);
        }
        Type::Certificate => {
            out.push(item(
                "local",
                CompletionItemKind::VALUE,
                "From the authority the machine makes for itself.",
            ));
            out.push(files());
        }
        Type::OwnCertificate => out.push(files()),
        _ => {}
    }
    lets(symbols, out);
}

fn files() -> CompletionItem {
    item("files", CompletionItemKind::FUNCTION, "`files(\"chain.pem\", \"key.pem\")`")
}

fn in_sub(
    cursor: &Cursor<'_>,
    dialect: Dialect,
    symbols: &[Symbol],
    file: &Path,
    out: &mut Vec<CompletionItem>,
) {
    let phase = cursor.phase(dialect);
    if cursor.before.is_empty() {
        for (word, doc) in STATEMENTS {
            out.push(item(word, CompletionItemKind::KEYWORD, doc));
        }
        functions(dialect, phase, out);
        return;
    }
    if returns(cursor) {
        for action in Action::ALL.iter().filter(|action| {
            phase.map_or(action.dialects().has(dialect), |phase| action.fits(phase, dialect))
        }) {
            out.push(item(action.word(), CompletionItemKind::KEYWORD, action.doc()));
        }
        return;
    }
    match cursor.word(0) {
        Some("call") => {
            for symbol in symbols.iter().filter(|symbol| symbol.what == What::Sub) {
                if !symbol.name.starts_with("vcl_") {
                    out.push(item(&symbol.name, CompletionItemKind::FUNCTION, &symbol.line));
                }
            }
            return;
        }
        Some("new") => {
            for class in Class::ALL {
                out.push(item(class.name(), CompletionItemKind::CLASS, class.doc()));
            }
            return;
        }
        _ => {}
    }
    let is_target = cursor.before.len() == 1;
    let allowed = |variable: &Variable| match (cursor.word(0), is_target) {
        (Some("set"), true) => variable.writable(),
        (Some("unset"), true) => variable.unsettable(),
        _ => variable.readable(),
    };
    for variable in Variable::ALL.iter().filter(|variable| variable.dialects().has(dialect)) {
        let phases = allowed(variable);
        if phase.map_or(!phases.is_empty(), |phase| phases.has(phase)) {
            out.push(item(variable.name(), CompletionItemKind::VARIABLE, variable.doc()));
        }
    }
    for family in Family::ALL {
        let doc = format!("A header of {}.", of_family(*family));
        out.push(item(&format!("{}.http.", family.word()), CompletionItemKind::FIELD, &doc));
    }
    for symbol in symbols.iter().filter(|symbol| symbol.file == file || symbol.what != What::Local) {
        let kind = match symbol.what {
            What::Local => CompletionItemKind::VARIABLE,
            What::Object => CompletionItemKind::CLASS,
            What::Let => CompletionItemKind::CONSTANT,
            What::Declared(Kind::Acl | Kind::Backend | Kind::Director | Kind::Table) => {
                CompletionItemKind::STRUCT
            }
            _ => continue,
        };
        out.push(item(&symbol.name, kind, &symbol.line));
    }
    if !is_target {
        functions(dialect, phase, out);
    }
}

fn functions(dialect: Dialect, phase: Option<Phase>, out: &mut Vec<CompletionItem>) {
    for function in Function::ALL.iter().filter(|function| function.dialects().has(dialect)) {
        if phase.is_none_or(|phase| function.phases().has(phase)) {
            out.push(item(function.name(), CompletionItemKind::FUNCTION, function.doc()));
        }
    }
}

fn declared(kind: Kind, symbols: &[Symbol], out: &mut Vec<CompletionItem>) {
    for symbol in symbols.iter().filter(|symbol| symbol.what == What::Declared(kind)) {
        out.push(item(&symbol.name, CompletionItemKind::REFERENCE, &symbol.line));
    }
}

fn lets(symbols: &[Symbol], out: &mut Vec<CompletionItem>) {
    for symbol in symbols.iter().filter(|symbol| symbol.what == What::Let) {
        out.push(item(&symbol.name, CompletionItemKind::CONSTANT, &symbol.line));
    }
}

fn item(label: &str, kind: CompletionItemKind, doc: &str) -> CompletionItem {
    CompletionItem {
        label: label.to_owned(),
        kind: Some(kind),
        detail: (!doc.is_empty()).then(|| doc.to_owned()),
        ..CompletionItem::default()
    }
}
