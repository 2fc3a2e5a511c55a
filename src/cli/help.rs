//! Help, written from the table of commands.

use std::fmt::Write as _;

use super::arguments::{Flag, Given, Operand, Spec, shown};
use super::{COMMANDS, End, Paper, near_command, usage};

pub(super) fn run(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(word) = &given.operand else {
        paper.say(&overview());
        return End::Good;
    };
    let word = word.to_str().unwrap_or_default();
    if let Some(spec) = COMMANDS.iter().find(|spec| spec.name == word) {
        paper.say(&page(spec));
        return End::Good;
    }
    let typed = shown(given.operand.as_deref().unwrap_or_default());
    usage(paper, &format!("there is no command `{typed}`{}", near_command(word)), "doorward help")
}

pub(super) fn version(_: &Given, paper: &mut Paper<'_>) -> End {
    paper.say(&format!("doorward {}\n", env!("CARGO_PKG_VERSION")));
    End::Good
}

/// The page behind `doorward help`.
pub(super) fn overview() -> String {
    let mut text = String::from("Doorward: one program in front of every old service of a community.\n\n");
    let brief = |spec: &Spec| match spec.operand {
        Operand::Form { brief, .. } => format!("{} {brief}", spec.name),
        _ => form(spec),
    };
    let width = COMMANDS.iter().map(|spec| brief(spec).len()).max().unwrap_or(0);
    for spec in COMMANDS {
        let _ = writeln!(text, "  doorward {:width$}  {}", brief(spec), spec.summary);
    }
    text.push_str(
        "\nWithout main.vcl it is ./main.vcl or, where there is none, /etc/doorward/main.vcl.\n\
         New here?                doorward demo\n\
         After an edit:           doorward check && doorward reload\n\
         More about a command:    doorward help check\n",
    );
    text
}

/// A summary as a sentence of its own.
pub(super) fn sentence(summary: &str) -> String {
    let mut text = summary.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.ends_with(['?', '.']) {
        text.push('.');
    }
    text
}

/// The page about one command.
pub(super) fn page(spec: &Spec) -> String {
    let mut text = format!("doorward {}", form(spec));
    for flag in spec.flags {
        let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
        let dots = if flag.repeated { "..." } else { "" };
        let _ = write!(text, " [{}{value}]{dots}", typed(flag));
    }
    let _ = write!(text, "\n\n{}\n", sentence(spec.summary));
    if !spec.story.is_empty() {
        let _ = write!(text, "\n{}\n", spec.story);
    }
    if !spec.flags.is_empty() {
        text.push('\n');
        let length = |flag: &Flag| typed(flag).len() + 1 + flag.value.map_or(0, str::len);
        let width = spec.flags.iter().map(length).max().unwrap_or(0).max(18);
        for flag in spec.flags {
            let left = format!("{} {}", typed(flag), flag.value.unwrap_or_default());
            let _ = writeln!(text, "  {left:width$} {}", flag.doc);
        }
    }
    if !spec.examples.is_empty() {
        text.push_str("\nExamples:\n");
        for example in spec.examples {
            let _ = writeln!(text, "  {example}");
        }
    }
    text
}

/// A flag as it is typed.
pub(super) fn typed(flag: &Flag) -> String {
    match flag.short {
        Some(short) => format!("{short}|--{}", flag.name),
        None => format!("--{}", flag.name),
    }
}

fn form(spec: &Spec) -> String {
    format!("{}{}", spec.name, behind(spec))
}

/// What stands behind a command's name, with a space before it.
pub(super) fn behind(spec: &Spec) -> String {
    match spec.operand {
        Operand::None => String::new(),
        Operand::Optional(operand) => format!(" [{operand}]"),
        Operand::Any(operand) => format!(" [{operand}]..."),
        Operand::Form { full, .. } => format!(" {full}"),
        Operand::Exactly(operands) => format!(" {}", operands.join(" ")),
    }
}
