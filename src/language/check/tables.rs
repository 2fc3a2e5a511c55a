//! `table`s: rows of one type, from the rules or from a file, and `lookup(table, key)` in settings.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Checker;
use super::constants::{Constant, Known, truth};
use crate::base::amount;
use crate::language::ast::{self, Argument, Expr, ExprKind, Member};
use crate::language::data;
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{Choice, Table, Value};
use crate::language::source::{FileId, Span, quoted};
use crate::language::table::Kind;
use crate::language::tree::{self, Text};
use crate::language::vocabulary::Type;
use crate::plan::BackendId;

/// What a row may hold.
const TYPES: &[Type] =
    &[Type::String, Type::Bool, Type::Int, Type::Real, Type::Duration, Type::Bytes, Type::Ip, Type::Backend];
const ROWS_MAX: usize = 2_000_000;
/// How often the first of two equal rows is looked for, one row after the other.
const SEARCHES_MAX: usize = 50;

/// A table as it fills: which key came first is looked for only when one comes twice.
struct Filling {
    index: usize,
    of: Type,
    rows: HashMap<Box<[u8]>, Value>,
    places: Vec<(FileId, u32)>,
    twice: usize,
    full: bool,
    /// Rows are missing.
    broken: bool,
}

impl Checker<'_> {
    /// The table, and where its rows begin.
    pub(super) fn table(&mut self, written: &ast::Declaration) -> (Table, Vec<(FileId, u32)>) {
        let faults = self.found.errors();
        self.spoken(written);
        let name = self.declared_name(written).map(|(name, _)| name.get().into()).unwrap_or_default();
        let of = self.row_type(&written.flags);
        let mut filling = Filling {
            index: self.tables.len(),
            of: of.unwrap_or(Type::String),
            rows: HashMap::new(),
            places: Vec::new(),
            twice: 0,
            full: false,
            broken: false,
        };
        for member in &written.body {
            match member {
                Member::Row(row) => self.row(row, of.is_some(), &mut filling),
                Member::FromFile { path, .. } => {
                    match self.data_file(path) {
                        Some(file) if of.is_some() => self.rows(file, &mut filling),
                        Some(_) => {}
                        // The fault was reported when it was read.
                        None => filling.broken = true,
                    }
                }
                Member::Setting(ast::Setting { span, .. })
                | Member::Entry(ast::Entry { span, .. })
                | Member::Block(ast::Braced { span, .. })
                | Member::Declaration(ast::Declaration { span, .. }) => {
                    self.found.push(
                        Diagnostic::new(Code::Misplaced, *span, "a `table` holds rows, and this is none")
                            .label("write `\"key\": value,` or `from file \"rows.txt\";`"),
                    );
                }
            }
        }
        if self.private(written.span) {
            self.private_tables.insert(filling.index);
        }
        if filling.broken || written.broken || self.found.errors() > faults {
            self.broken_tables.insert(filling.index);
        }
        let places = if filling.of == Type::Backend { filling.places } else { Vec::new() };
        (Table { name, of: filling.of, rows: filling.rows }, places)
    }

    fn row_type(&mut self, flags: &[Span]) -> Option<Type> {
        let Some(first) = flags.first() else { return Some(Type::String) };
        if let Some(second) = flags.get(1) {
            self.found.push(
                Diagnostic::new(Code::Misplaced, *second, "a `table` has one type")
                    .label("take this one out"),
            );
        }
        let word = self.sources.text(*first);
        if let Some(of) = Type::by_word(word).filter(|of| TYPES.contains(of)) {
            return Some(of);
        }
        let quote = self.quote(*first);
        let words: Vec<String> = TYPES.iter().map(|of| format!("`{}`", of.word())).collect();
        let near = self.suggestions.near(word, TYPES.iter().map(|of| of.word()));
        let fault =
            Diagnostic::new(Code::UnknownValue, *first, format!("the rows of a `table` can't be {quote}"));
        self.fault(match near {
            Some(near) => fault.meant(near),
            None => fault.label(format!("there are {}", crate::language::table::one_of(&words))),
        })
    }

    /// The file that `from file` names, when it could be read.
    pub(super) fn data_file(&mut self, path: &Expr) -> Option<FileId> {
        if !matches!(path.kind, ExprKind::Text { .. }) {
            return match path.kind {
                ExprKind::Faulty => None,
                _ => self.fault(
                    Diagnostic::new(
                        Code::WrongType,
                        path.span,
                        "the file of rows is named by a plain string",
                    )
                    .label("write it in quotes: it is read before anything is worked out"),
                ),
            };
        }
        self.data.get(&path.span).copied()
    }

    fn row(&mut self, row: &ast::Row, judge: bool, filling: &mut Filling) {
        let key = self.constant(&row.key);
        let value = self.row_value(&row.value, filling.of);
        let (Some(key), Some((value, private))) = (key, value) else { return };
        if key.private || private {
            self.private_tables.insert(filling.index);
        }
        let Constant::Text(text) = &key.constant else {
            let is = key.constant.title();
            self.found.push(
                Diagnostic::new(
                    Code::WrongType,
                    row.key.span,
                    format!("a key is a string, and this is {is}"),
                )
                .label("write it in quotes"),
            );
            return;
        };
        if judge {
            let private = key.private || self.private(row.key.span);
            self.keep(filling, text, private, value, row.key.span);
        }
    }

    /// The value of a row, and whether it is private.
    fn row_value(&mut self, expr: &Expr, of: Type) -> Option<(Value, bool)> {
        if of == Type::Backend {
            let backend = self.backend(expr)?;
            return Some((Value::Backend(Choice::Backend(BackendId(backend))), false));
        }
        let (negative, inner) = match &expr.kind {
            ExprKind::Negative(inner) => (true, &**inner),
            _ => (false, expr),
        };
        let known = self.constant(inner)?;
        let sign = if negative { -1.0 } else { 1.0 };
        let plain = !negative;
        let value = match (of, &known.constant) {
            (Type::String, Constant::Text(text)) if plain => {
                Some(Value::Text(Bytes::copy_from_slice(text.as_bytes())))
            }
            (Type::Bool, Constant::Bool(value)) if plain => Some(Value::Bool(*value)),
            (Type::Int, Constant::Number(value)) => {
                i64::try_from(*value).ok().map(|value| Value::Int(if negative { -value } else { value }))
            }
            (Type::Real, Constant::Number(value)) => {
                u32::try_from(*value).ok().map(|value| Value::Real(sign * f64::from(value)))
            }
            (Type::Real, Constant::Real(value)) => Some(Value::Real(sign * value)),
            (Type::Duration, Constant::Duration(value)) => Some(Value::Duration(sign * value.as_secs_f64())),
            (Type::Bytes, Constant::Size(value) | Constant::Number(value)) if plain => {
                i64::try_from(*value).ok().map(Value::Bytes)
            }
            (Type::Ip, Constant::Text(text)) if plain => text.parse().ok().map(Value::Ip),
            (_, Constant::Text(text)) if known.environment => self.row_of_text(text, of),
            _ => None,
        };
        if let Some(value) = value {
            return Some((value, known.private || self.private(expr.span)));
        }
        let is = known.constant.title();
        self.fault(
            Diagnostic::new(
                Code::WrongType,
                expr.span,
                format!("the rows of this `table` hold {}, and this is {is}", of.title()),
            )
            .label(format!("write {}", of.title())),
        )
    }

    /// The backend that is named, or chosen by `if()`.
    fn backend(&mut self, expr: &Expr) -> Option<usize> {
        match &expr.kind {
            ExprKind::Group(inner) => self.backend(inner),
            ExprKind::Call { name, args } if self.sources.text(*name) == "if" => {
                self.choose(*name, expr.span, args, Self::backend)
            }
            _ => self.reference(expr, Kind::Backend, None),
        }
    }

    /// A value as a file of rows says it.
    fn row_of_text(&self, text: &str, of: Type) -> Option<Value> {
        match of {
            Type::String => Some(Value::Text(Bytes::copy_from_slice(text.as_bytes()))),
            Type::Bool => truth(text).map(Value::Bool),
            Type::Int => text.parse().ok().map(Value::Int),
            Type::Real => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::Real),
            Type::Duration => amount::duration(text).map(|value| Value::Duration(value.as_secs_f64())),
            Type::Bytes => amount::size(text).and_then(|size| i64::try_from(size).ok()).map(Value::Bytes),
            Type::Ip => text.parse::<IpAddr>().ok().map(Value::Ip),
            Type::Backend => {
                let (backend, _) = self.names.get(&(Kind::Backend, text))?;
                Some(Value::Backend(Choice::Backend(BackendId(*backend))))
            }
            _ => None,
        }
    }

    /// `key value`, one on each line; either may stand in quotes, which is how a key holds a space.
    fn rows(&mut self, file: FileId, filling: &mut Filling) {
        let sources = self.sources;
        let private = sources.is_private(file);
        if private {
            self.private_tables.insert(filling.index);
        }
        let whole = Bytes::copy_from_slice(sources.whole(file).as_bytes());
        let origin = sources.whole(file).as_ptr() as usize;
        let lines = memchr::memchr_iter(b'\n', sources.whole(file).as_bytes()).count() + 1;
        filling.rows.reserve(lines.min(ROWS_MAX));
        filling.places.reserve(lines.min(ROWS_MAX));
        for (line, start) in data::lines(sources, file) {
            let span = data::place(file, start, line);
            let Some((key, rest)) = word(line) else {
                self.bad_row(span, "a `\"` has no partner");
                continue;
            };
            let rest = rest.trim_start();
            let value = match word(rest) {
                _ if rest.is_empty() => {
                    self.bad_row(span, "write a key and a value on each line");
                    continue;
                }
                Some((quoted, "")) if rest.starts_with('"') => quoted,
                _ if rest.starts_with('"') => {
                    self.bad_row(span, "the `\"` that ends the value does not end the line");
                    continue;
                }
                _ => rest,
            };
            let kept = if filling.of == Type::String {
                // A piece of the one text, which is kept whole.
                let at = (value.as_ptr() as usize).saturating_sub(origin);
                Some(Value::Text(whole.slice(at..at + value.len())))
            } else {
                self.row_of_text(value, filling.of)
            };
            if let Some(Value::Backend(Choice::Backend(BackendId(backend)))) = kept {
                self.used.insert((Kind::Backend, backend));
            }
            let at = data::place(file, start, key);
            let Some(kept) = kept else {
                let of = filling.of.title();
                self.bad_row(span, &format!("its value is not {of}, which the rows of this `table` hold"));
                continue;
            };
            if !self.keep(filling, key, private, kept, at) {
                return;
            }
        }
    }

    fn bad_row(&mut self, span: Span, label: &str) {
        self.found.push(Diagnostic::new(Code::BadRow, span, "this line is no row of the table").label(label));
    }

    /// `false` when no more can be kept.
    fn keep(&mut self, filling: &mut Filling, key: &str, private: bool, value: Value, at: Span) -> bool {
        if key.is_empty() {
            self.found.push(Diagnostic::new(Code::BadRow, at, "a row without a key").label("write its key"));
            return true;
        }
        if filling.rows.len() >= ROWS_MAX {
            if !filling.full {
                filling.full = true;
                self.found.push(
                    Diagnostic::new(Code::BadRow, at, "a table holds two million rows")
                        .label("this one is too many"),
                );
            }
            return false;
        }
        let rows = filling.rows.len();
        filling.rows.entry(key.as_bytes().into()).or_insert(value);
        if filling.rows.len() > rows {
            filling.places.push((at.file, at.start));
            return true;
        }
        filling.twice += 1;
        let sources = self.sources;
        let searched = if filling.twice > SEARCHES_MAX { &[][..] } else { &filling.places };
        let first = data::row(sources, searched, key);
        let shown = Text { value: key.to_owned(), private }.quote();
        let fault = Diagnostic::new(Code::RowTwice, at, format!("a second row for {shown}"))
            .label("take one of them out");
        let fault = match first {
            Some(first) => fault.at(first, "the first stands here"),
            None => fault,
        };
        self.found.push(fault);
        true
    }

    /// `lookup(table, key[, otherwise])`: the table, the key, and what else.
    fn lookup_arguments<'e>(
        &mut self,
        name: Span,
        span: Span,
        args: &'e [Argument],
    ) -> Option<(usize, Known, Span, Option<&'e Expr>)> {
        let (table, key, otherwise) = match args {
            [table, key] => (&table.value, &key.value, None),
            [table, key, otherwise] => (&table.value, &key.value, Some(&otherwise.value)),
            _ => return self.arguments(span, name, "lookup(table, \"key\")", 2, args.len()),
        };
        let index = self.reference(table, Kind::Table, None);
        let known = self.constant(key)?;
        if !matches!(known.constant, Constant::Text(_)) {
            let is = known.constant.title();
            return self.fault(
                Diagnostic::new(Code::WrongType, key.span, format!("a key is a string, and this is {is}"))
                    .label("write it in quotes"),
            );
        }
        Some((index?, known, key.span, otherwise))
    }

    /// A look-up where a backend is meant.
    pub(super) fn lookup_backend(
        &mut self,
        name: Span,
        span: Span,
        args: &[Argument],
    ) -> Option<tree::Value> {
        let (table, known, key_span, otherwise) = self.lookup_arguments(name, span, args)?;
        let otherwise = match otherwise {
            Some(expr) => Some(self.backend(expr)?),
            None => None,
        };
        let of = self.tables.get(table).map(|table| table.of)?;
        if of != Type::Backend {
            let quote = args.first().map(|table| self.quote(table.value.span)).unwrap_or_default();
            return self.fault(
                Diagnostic::new(
                    Code::WrongType,
                    name,
                    format!("a backend is wanted, and the rows of {quote} hold {}", of.title()),
                )
                .label("declare it as `table name BACKEND { … }`"),
            );
        }
        let private = known.private || self.private(key_span);
        let Constant::Text(value) = known.constant else { return None };
        Some(tree::Value::Lookup { table, key: Text { value, private }, key_span, otherwise })
    }

    /// A look-up in a constant.
    pub(super) fn lookup(&mut self, name: Span, span: Span, args: &[Argument]) -> Option<Known> {
        if self.tables.is_empty() && !self.names.keys().any(|(kind, _)| *kind == Kind::Table) {
            // Nothing is declared: `reference` says so.
            self.lookup_arguments(name, span, args)?;
            return None;
        }
        let (index, key, key_span, otherwise) = self.lookup_arguments(name, span, args)?;
        let Some(table) = self.tables.get(index).map(Arc::clone) else {
            return self.fault(
                Diagnostic::new(Code::UsedBefore, span, "a `let` is worked out before any table")
                    .label("look it up in the setting itself"),
            );
        };
        let otherwise = match otherwise {
            Some(expr) => Some(self.constant(expr)?),
            None => None,
        };
        let Constant::Text(text) = &key.constant else { return None };
        let private = key.private || self.private(span) || self.private_tables.contains(&index);
        if let Some(value) = table.rows.get(text.as_bytes()) {
            let constant = match value {
                Value::Text(text) => Constant::Text(String::from_utf8_lossy(text).into_owned()),
                Value::Bool(value) => Constant::Bool(*value),
                Value::Int(value) if *value >= 0 => Constant::Number(value.unsigned_abs()),
                Value::Real(value) => Constant::Real(*value),
                Value::Duration(value) if *value >= 0.0 => {
                    Constant::Duration(Duration::try_from_secs_f64(*value).unwrap_or(Duration::MAX))
                }
                Value::Bytes(value) if *value >= 0 => Constant::Size(value.unsigned_abs()),
                Value::Ip(address) => Constant::Text(address.to_string()),
                _ => {
                    let is = table.of.title();
                    return self.fault(
                        Diagnostic::new(
                            Code::WrongType,
                            span,
                            format!("this is {is} that no setting here can hold"),
                        )
                        .label("write the value itself"),
                    );
                }
            };
            return Some(Known { constant, private, environment: false });
        }
        if let Some(mut otherwise) = otherwise {
            otherwise.private |= private;
            return Some(otherwise);
        }
        // A row that could not be read may be the one.
        if self.unchosen > 0 || self.broken_tables.contains(&index) {
            return None;
        }
        self.no_row(&table, index, &Text { value: text.clone(), private }, key_span)
    }

    pub(super) fn no_row<T>(&mut self, table: &Table, index: usize, key: &Text, span: Span) -> Option<T> {
        let shown = !self.private_tables.contains(&index);
        let name = if shown { quoted(&table.name) } else { "the table".to_owned() };
        let fault = Diagnostic::new(Code::NoRow, span, format!("{name} has no row for {}", key.quote()));
        let near = if shown && table.rows.len() <= 10_000 {
            let keys = table.rows.keys().filter_map(|key| std::str::from_utf8(key).ok());
            self.suggestions.nearest(key.get(), keys).map(str::to_owned)
        } else {
            None
        };
        self.fault(match near {
            _ if key.get().contains('{') => {
                fault.label("names of a path choose backends only: `.backend = lookup(table, \"{name}\")`")
            }
            Some(near) if !key.is_private() => fault.label(format!("did you mean `{near}`?")),
            _ => fault.label("add the row, or say what else: `lookup(table, \"key\", otherwise)`"),
        })
    }
}

/// The first word of a line, or what stands between its quotes, and what is behind it.
fn word(line: &str) -> Option<(&str, &str)> {
    if line.as_bytes().first() == Some(&b'"')
        && let Some(quoted) = line.get(1..)
    {
        return quoted.split_once('"').map(|(word, rest)| (word, rest.trim_end()));
    }
    Some(line.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((line, "")))
}
