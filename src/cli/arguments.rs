//! Reading a command's arguments by its row of the table.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{End, Paper};
use crate::language::Suggestions;

/// A row of the table of commands.
pub(super) struct Spec {
    pub name: &'static str,
    pub operand: Operand,
    pub flags: &'static [Flag],
    /// One line, without a full stop.
    pub summary: &'static str,
    /// What its own help page says beside that.
    pub story: &'static str,
    pub examples: &'static [&'static str],
    pub run: fn(&Given, &mut Paper<'_>) -> End,
}

/// What may stand behind a command that is no flag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    None,
    Optional(&'static str),
    /// As many as there are.
    Any(&'static str),
    /// As many as there are, of which the command makes sense: as the overview shows them, and in full.
    Form {
        brief: &'static str,
        full: &'static str,
    },
    /// This many.
    Exactly(&'static [&'static str]),
}

pub(super) struct Flag {
    /// Without its dashes.
    pub name: &'static str,
    /// What its value is called; `None` if it takes none.
    pub value: Option<&'static str>,
    /// A second, short name: `-H`.
    pub short: Option<&'static str>,
    /// May stand there several times.
    pub repeated: bool,
    pub doc: &'static str,
}

impl Flag {
    pub const fn new(name: &'static str, value: Option<&'static str>, doc: &'static str) -> Self {
        Self { name, value, short: None, repeated: false, doc }
    }

    pub const fn short(self, short: &'static str) -> Self {
        Self { short: Some(short), ..self }
    }

    pub const fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }
}

/// What was typed behind a command.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The first operand.
    pub operand: Option<OsString>,
    /// Those behind it, where a command takes several.
    pub others: Vec<OsString>,
    pub help: bool,
    flags: Vec<(&'static str, OsString)>,
}

impl Given {
    pub fn has(&self, flag: &Flag) -> bool {
        self.flags.iter().any(|(name, _)| *name == flag.name)
    }

    pub fn path(&self, flag: &Flag) -> Option<PathBuf> {
        self.flags.iter().find(|(name, _)| *name == flag.name).map(|(_, value)| PathBuf::from(value))
    }

    pub fn file(&self) -> Option<&Path> {
        self.operand.as_deref().map(Path::new)
    }

    /// All operands.
    pub fn operands(&self) -> impl Iterator<Item = &OsStr> {
        self.operand.iter().chain(&self.others).map(OsString::as_os_str)
    }

    /// Every value of a flag, in the order typed.
    pub fn values<'g>(&'g self, flag: &'g Flag) -> impl Iterator<Item = &'g OsStr> {
        self.flags.iter().filter(|(name, _)| *name == flag.name).map(|(_, value)| value.as_os_str())
    }

    /// The value of a flag as text; `Err` is a sentence.
    pub fn text(&self, flag: &Flag) -> Result<Option<&str>, String> {
        let Some((_, value)) = self.flags.iter().find(|(name, _)| *name == flag.name) else {
            return Ok(None);
        };
        value.to_str().map(Some).ok_or_else(|| format!("the value of `--{}` is no text", flag.name))
    }
}

/// The error is a sentence for who typed it.
pub(super) fn parse(spec: &Spec, arguments: impl Iterator<Item = OsString>) -> Result<Given, String> {
    let mut given = Given::default();
    let mut arguments = arguments;
    let mut only_operands = false;
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        if only_operands || bytes == b"-" || !bytes.starts_with(b"-") {
            match spec.operand {
                Operand::Optional(_) | Operand::Any(_) | Operand::Form { .. } if given.operand.is_none() => {
                    given.operand = Some(argument);
                }
                Operand::Any(_) | Operand::Form { .. } => given.others.push(argument),
                Operand::Exactly(names) if given.operands().count() < names.len() => match given.operand {
                    None => given.operand = Some(argument),
                    Some(_) => given.others.push(argument),
                },
                Operand::Exactly(names) => {
                    return Err(format!(
                        "`{}` takes {}; `{}` is one too many",
                        spec.name,
                        names.join(" and "),
                        shown(&argument)
                    ));
                }
                Operand::Optional(name) => {
                    return Err(format!(
                        "`{}` takes one {name}; `{}` is one too many",
                        spec.name,
                        shown(&argument)
                    ));
                }
                Operand::None => {
                    return Err(format!("`{}` takes no `{}`", spec.name, shown(&argument)));
                }
            }
            continue;
        }
        if bytes == b"--" {
            only_operands = true;
            continue;
        }
        if bytes == b"-h" || bytes == b"--help" {
            given.help = true;
            continue;
        }
        let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..)),
            None => (bytes, None),
        };
        let Some(flag) = spec.flags.iter().find(|flag| is_called(flag, name)) else {
            return Err(unknown(spec, &String::from_utf8_lossy(name)));
        };
        if !flag.repeated && given.has(flag) {
            return Err(format!("`--{}` stands there twice", flag.name));
        }
        let value = match (flag.value, value) {
            (None, None) => OsString::new(),
            (None, Some(_)) => return Err(format!("`--{}` takes no value", flag.name)),
            (Some(_), Some(value)) if !value.is_empty() => OsStr::from_bytes(value).to_owned(),
            (Some(what), Some(_)) => return Err(format!("`--{}` wants a {what} behind it", flag.name)),
            (Some(what), None) => arguments
                .next()
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("`--{}` wants a {what} behind it", flag.name))?,
        };
        given.flags.push((flag.name, value));
    }
    if let Operand::Exactly(names) = spec.operand
        && !given.help
        && let Some(missing) = names.get(given.operands().count())
    {
        return Err(format!("`{}` wants {}: {missing} is missing", spec.name, names.join(" and ")));
    }
    Ok(given)
}

/// `--name`, or its short form.
fn is_called(flag: &Flag, typed: &[u8]) -> bool {
    typed.strip_prefix(b"--") == Some(flag.name.as_bytes())
        || flag.short.is_some_and(|short| typed == short.as_bytes())
}

fn unknown(spec: &Spec, typed: &str) -> String {
    let near = did_you_mean(typed.trim_start_matches('-'), "--", spec.flags.iter().map(|flag| flag.name));
    let known: Vec<String> = spec.flags.iter().map(|flag| format!("--{}", flag.name)).collect();
    let more = match (near.is_empty(), known.is_empty()) {
        (false, _) => near,
        (true, true) => "; it takes no flags".to_owned(),
        (true, false) => format!("; it knows {}", known.join(", ")),
    };
    format!("`{}` knows no `{}`{more}", spec.name, typed.escape_debug())
}

/// The end of a message about a mistyped word, or nothing where no word is near.
pub(super) fn did_you_mean<'a>(word: &str, dashes: &str, among: impl Iterator<Item = &'a str>) -> String {
    let near = Suggestions::default().nearest(word, among);
    near.map(|near| format!("; did you mean `{dashes}{near}`?")).unwrap_or_default()
}

/// An argument as a message may show it.
pub(super) fn shown(argument: &OsStr) -> String {
    argument.to_string_lossy().escape_debug().to_string()
}
