//! Subs → `Program`: every name resolved, every type settled, every place where a request may be known.
//!
//! Three walks. `subs` collects who is called what and who calls whom, so that the phases in which a sub runs
//! are known before its first line is judged: a variable that is not there is said before its type is. Then
//! each body is lowered (`statements`, `expressions`, `calls`). What a tree never says, the built-in policy
//! says behind it.

mod actions;
mod calls;
mod depth;
mod directors;
mod expressions;
mod names;
mod objects;
mod operators;
mod patterns;
mod statements;
mod subs;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use self::objects::Made;
use self::patterns::Patterns;
use self::subs::Routine;
use super::Checker;
use crate::language::ast::{Declaration, Item, Member};
use crate::language::diagnostic::Diagnostic;
use crate::language::faults::Code;
use crate::language::program::{self, Choice, Mark, Program, Slot, SubId};
use crate::language::source::{FileId, Span};
use crate::language::table::Kind;
use crate::language::vocabulary::{Dialect, Phase, Phases, Syntax, Type, Variable};
use crate::plan::BackendId;

/// What is compiled behind the rules of a tree, in the order in which it runs.
pub(super) const fn built_in(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    const OURS: (&str, &str) = ("builtin.vcl", include_str!("../../../vcl-like-rules/builtin.vcl"));
    const VARNISH: (&str, &str) =
        ("builtin-varnish.vcl", include_str!("../../../vcl-like-rules/builtin-varnish.vcl"));
    const FASTLY: (&str, &str) =
        ("builtin-fastly.vcl", include_str!("../../../vcl-like-rules/builtin-fastly.vcl"));
    match dialect {
        Dialect::Doorward => &[OURS],
        Dialect::Varnish => &[VARNISH, OURS],
        Dialect::Fastly => &[FASTLY],
    }
}

/// A tree's rules and the built-in ones, as they were written.
pub(super) struct Written<'t> {
    pub(super) items: &'t [Item],
    pub(super) built_in: &'t [Item],
    /// How many files are the tree's own; those behind them are ours.
    pub(super) read: usize,
    pub(super) dialect: Dialect,
    pub(super) tables: Vec<Arc<program::Table>>,
}

/// Lowers everything. The program stands for the tree only if nothing faulty was found.
pub(super) fn program(checker: &mut Checker<'_>, written: Written<'_>) -> Arc<Program> {
    let Written { items, built_in, read, dialect, tables } = written;
    let mut writer = Writer {
        dialect,
        speech: dialect,
        read,
        syntax: Syntax::Vcl41,
        head: None,
        variables: HashMap::new(),
        imported: HashMap::new(),
        routines: Vec::new(),
        routine_of: HashMap::new(),
        objects: Vec::new(),
        object_of: HashMap::new(),
        marks: Vec::new(),
        patterns: Patterns::default(),
        tables,
        missing: BTreeSet::new(),
        here: Here::default(),
        checker,
    };
    writer.speak(dialect);
    writer.version(items);
    writer.gather(items, built_in);
    if dialect == Dialect::Varnish {
        writer.clashes(items);
    }
    writer.follow();
    let made = writer.directors(items);
    let mut subs = Vec::new();
    writer.lower_all(items, &mut subs);
    writer.speak(writer.built_in_speech());
    writer.lower_all(built_in, &mut subs);
    writer.leftovers();
    let mut program = writer.finish(subs);
    make_first(&mut program, made);
    let deep = depth::too_deep(&program).and_then(|id| program.sub(id));
    if let Some(sub) = deep.filter(|_| !checker.found.has_errors()) {
        checker.fault::<()>(
            Diagnostic::new(
                Code::CallsTooDeep,
                sub.span,
                format!("`{}` and what it calls lie too deep in each other", sub.name),
            )
            .label(format!(
                "at most {} blocks, calls and values in each other, counted through all calls",
                depth::LEVELS_MAX
            )),
        );
    }
    Arc::new(program)
}

/// What the tree declares as objects is there before its own `vcl_init` runs.
fn make_first(program: &mut Program, made: Vec<program::Step>) {
    let span = made.first().and_then(|step| program.marks.get(step.mark.0 as usize)).copied();
    let (Some(span), Ok(id)) = (span, u32::try_from(program.subs.len())) else { return };
    let (name, returns) = (Phase::Init.sub().into(), Type::Void);
    program.subs.push(program::Sub { name, span, built_in: false, returns, body: made.into() });
    if let Some(bodies) = program.phases.get_mut(Phase::Init as usize) {
        bodies.insert(0, SubId(id));
    }
    if let Some(own) = program.own.get_mut(Phase::Init as usize) {
        *own = true;
    }
}

/// A local variable.
#[derive(Clone, Copy)]
struct Local {
    slot: Slot,
    of: Type,
    span: Span,
    used: bool,
}

/// Where in the rules the writer is.
#[derive(Default)]
struct Here<'a> {
    routine: usize,
    phases: Phases,
    built_in: bool,
    locals: HashMap<&'a str, Local>,
    /// The first slot of this body that is free.
    next_slot: u32,
    /// How many `switch` are open.
    switches: usize,
    /// The value that is read holds something of a private file.
    secret: bool,
    /// Locals that were given such a value.
    secret_locals: BTreeSet<u32>,
}

struct Writer<'w, 't, 'a> {
    checker: &'w mut Checker<'a>,
    /// The tree's.
    dialect: Dialect,
    /// That of the text being read: the built-in rules speak ours.
    speech: Dialect,
    read: usize,
    syntax: Syntax,
    /// Behind the main file's `vcl 4.1;`, where imports stand.
    head: Option<Span>,
    /// What each name turned out to be, so that it is looked for once.
    variables: HashMap<&'a str, Option<Variable>>,
    /// The names that modules are called by here.
    imported: HashMap<&'a str, &'a str>,
    routines: Vec<Routine<'t, 'a>>,
    routine_of: HashMap<Cow<'a, str>, usize>,
    objects: Vec<Made<'a>>,
    object_of: HashMap<Cow<'a, str>, usize>,
    marks: Vec<Span>,
    patterns: Patterns,
    tables: Vec<Arc<program::Table>>,
    /// Names that are like no other are reported once.
    missing: BTreeSet<&'a str>,
    here: Here<'a>,
}

impl<'t, 'a> Writer<'_, 't, 'a> {
    fn text(&self, span: Span) -> &'a str {
        self.checker.sources.text(span)
    }

    /// A name as it is looked up: Varnish takes capital letters for small ones.
    fn folded<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.is_varnish() && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }

    /// What is declared under a name: its place in its list, where, and how it is written there.
    fn declaration(&self, kind: Kind, name: &'a str) -> Option<(usize, Span, &'a str)> {
        let names = &self.checker.names;
        if let Some(((_, written), (index, span))) = names.get_key_value(&(kind, name)) {
            return Some((*index, *span, written));
        }
        if !self.is_varnish() {
            return None;
        }
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        names
            .iter()
            .find(|((other, known), _)| *other == kind && same(known))
            .map(|((_, written), (index, span))| (*index, *span, *written))
    }

    fn quote(&self, span: Span) -> String {
        self.checker.quote(span)
    }

    fn fault<T>(&mut self, fault: Diagnostic) -> Option<T> {
        self.checker.fault(fault)
    }

    fn mark(&mut self, span: Span) -> Mark {
        let mark = Mark(u32::try_from(self.marks.len()).unwrap_or(u32::MAX));
        self.marks.push(span);
        mark
    }

    /// What the built-in rules are written in.
    fn built_in_speech(&self) -> Dialect {
        if self.dialect == Dialect::Fastly { Dialect::Fastly } else { Dialect::Doorward }
    }

    fn is_varnish(&self) -> bool {
        self.speech == Dialect::Varnish
    }

    fn is_fastly(&self) -> bool {
        self.speech == Dialect::Fastly
    }

    /// From here on, the words of this dialect are known.
    fn speak(&mut self, dialect: Dialect) {
        self.speech = dialect;
        self.variables.clear();
    }

    /// `vcl 4.1;`: which one, and whether we know it.
    fn version(&mut self, items: &[Item]) {
        for item in items {
            let Item::Version(version) = item else { continue };
            if self.dialect == Dialect::Doorward && version.span.file == FileId(0) {
                self.fault::<()>(
                    Diagnostic::new(
                        Code::BadVersion,
                        version.span,
                        "the version of VCL is the first that a file says",
                    )
                    .label("move it to the top, or take it out"),
                );
                continue;
            }
            if version.span.file == FileId(0) {
                self.head = Some(self.behind_version(version.span));
            }
            match self.text(version.number) {
                "4.0" if self.dialect == Dialect::Varnish => {
                    self.syntax = Syntax::Vcl40;
                    self.sockets(items);
                }
                "4.0" | "4.1" => {}
                _ => {
                    let quote = self.quote(version.number);
                    self.fault::<()>(
                        Diagnostic::new(
                            Code::BadVersion,
                            version.number,
                            format!("VCL {quote} is not spoken here"),
                        )
                        .label("write `4.1` or `4.0`"),
                    );
                }
            }
        }
    }

    /// The end of the version's line, where it holds nothing more than a comment.
    fn behind_version(&self, version: Span) -> Span {
        let rest = self.checker.sources.whole(version.file).get(version.end as usize..).unwrap_or("");
        let line = rest.split(['\n', '\r']).next().unwrap_or("");
        let said = line.trim_start();
        let quiet = said.is_empty() || said.starts_with('#') || said.starts_with("//");
        let skipped = if quiet { u32::try_from(line.len()).unwrap_or(0) } else { 0 };
        let end = version.end + skipped;
        Span { start: end, end, ..version }
    }

    /// Sockets of the file system came with VCL 4.1.
    fn sockets(&mut self, items: &[Item]) {
        for item in items {
            let Item::Declaration(Declaration { kind: Kind::Backend, body, .. }) = item else { continue };
            for member in body {
                let Member::Setting(setting) = member else { continue };
                if self.text(setting.name) == "path" {
                    self.fault::<()>(
                        Diagnostic::new(
                            Code::OtherDialect,
                            setting.name,
                            "`.path` is no setting under `vcl 4.0;`",
                        )
                        .label("it belongs to `vcl 4.1;`"),
                    );
                }
            }
        }
    }

    fn lower_all(&mut self, items: &'t [Item], into: &mut Vec<(SubId, program::Sub)>) {
        for item in items {
            match item {
                Item::Import(import) => self.import(import),
                Item::Sub(sub) => self.sub(sub, into),
                _ => {}
            }
        }
    }

    /// What is left to say when everything was read.
    fn leftovers(&mut self) {
        if self.dialect == Dialect::Varnish {
            let none = self.checker.names.keys().all(|(kind, _)| *kind != Kind::Backend)
                && !self.checker.found.has_errors();
            if none {
                // There is nothing nearer to point at than the beginning of the main file.
                let span = Span::new(FileId(0), 0, 0);
                self.fault::<()>(
                    Diagnostic::new(Code::NoBackend, span, "these rules name no backend").label(
                        "declare one: `backend default { .host = \"…\"; }`, or `backend default none;`",
                    ),
                );
            }
        }
    }

    fn finish(self, mut lowered: Vec<(SubId, program::Sub)>) -> Program {
        lowered.sort_by_key(|(id, _)| *id);
        let subs = lowered.into_iter().map(|(_, sub)| sub).collect();
        let mut phases = vec![Vec::new(); Phase::ALL.len()];
        let mut own = vec![false; Phase::ALL.len()];
        for routine in &self.routines {
            let Some(phase) = routine.phase else { continue };
            if let Some(bodies) = phases.get_mut(phase as usize) {
                bodies.extend(routine.ids.iter().copied());
            }
            if let Some(own) = own.get_mut(phase as usize) {
                *own |= routine.bodies.iter().any(|(_, built_in)| !built_in);
            }
        }
        // A small sub of the built-in policy that the tree speaks in is the tree's word in its phases.
        for routine in self.routines.iter().filter(|routine| routine.phase.is_none()) {
            let spoken = routine.bodies.iter().any(|(_, built_in)| !built_in);
            if spoken && routine.bodies.iter().any(|(_, built_in)| *built_in) {
                for phase in routine.phases.iter() {
                    if let Some(own) = own.get_mut(phase as usize) {
                        *own = true;
                    }
                }
            }
        }
        let locals_max =
            self.routines.iter().map(|routine| routine.base + routine.locals).max().unwrap_or(0) as usize;
        let default_backend = self.default_backend();
        Program {
            dialect: self.dialect,
            subs,
            phases,
            own,
            marks: self.marks,
            patterns: self.patterns.finish(),
            tables: self.tables,
            objects: self
                .objects
                .iter()
                .filter_map(|made| {
                    Some(program::Object { name: made.name.into(), class: made.class?, span: made.span })
                })
                .collect(),
            default_backend,
            locals_max,
        }
    }

    /// The backend called `default`, or else the first one.
    fn default_backend(&self) -> Option<BackendId> {
        let backends = || self.checker.names.iter().filter(|((kind, _), _)| *kind == Kind::Backend);
        backends()
            .find(|((_, name), _)| *name == "default")
            .map(|(_, (index, _))| *index)
            .or_else(|| backends().map(|(_, (index, _))| *index).min())
            .map(BackendId)
    }

    fn backend(&mut self, index: usize) -> Choice {
        self.checker.used.insert((Kind::Backend, index));
        Choice::Backend(BackendId(index))
    }
}
