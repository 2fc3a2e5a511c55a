//! The manual's tables, written from the language's own: they cannot drift from what the program does. The
//! prose around them is `docs/language/README.md`, written by hand.

use std::fmt::Write as _;

use super::faults::{Code, Severity};
use super::table::{Kind, Setting, Type as Takes};
use super::vocabulary::{
    Action, Class, Dialect, Dialects, Function, Parameter, Phase, Phases, Shape, Type, Variable,
};

/// The pages: the name of the file, and its text.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("settings.md", settings()),
        ("subs.md", subs()),
        ("variables.md", variables()),
        ("functions.md", functions()),
        ("faults.md", faults()),
    ]
}

const WRITTEN: &str = "<!-- Written by `doorward docs` from the program's own tables. -->\n";

fn settings() -> String {
    let mut out = format!(
        "# Declarations and their settings\n{WRITTEN}\n\
         Every declaration has one shape: `kind name {{ .setting = value; }}`. A setting that is not said has the default of its row.\n"
    );
    for kind in Kind::ALL {
        let _ = write!(out, "\n## `{}`\n\n{}\n", kind.word(), kind.doc());
        if let Some(inside) = kind.inside() {
            let _ = writeln!(out, "It stands in a `{}`.", inside.word());
        }
        if kind.settings().is_empty() {
            continue;
        }
        out.push_str("\n| setting | takes | when nothing is said | |\n|---|---|---|---|\n");
        for row in kind.settings() {
            let _ = writeln!(
                out,
                "| `.{}` | {} | {} | {} |",
                row.name,
                cell(&takes(row)),
                cell(&default(row)),
                cell(row.doc)
            );
        }
        for row in kind.settings() {
            if let Takes::Word(words) = row.takes {
                let _ = write!(out, "\nWords of `.{}`:\n\n", row.name);
                for word in words {
                    let _ = writeln!(out, "- `{}`: {}", word.word, word.doc);
                }
            }
        }
    }
    out
}

fn takes(row: &Setting) -> String {
    let title = row.takes.title();
    if row.several { format!("{title}; several, parted by commas") } else { title.into_owned() }
}

fn default(row: &Setting) -> String {
    if row.required {
        return "it must be said".to_owned();
    }
    // A default in words is a sentence's part, one as it is written is code.
    if row.default.contains(' ') { row.default.to_string() } else { format!("`{}`", row.default) }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn subs() -> String {
    let mut out = format!(
        "# Subs and where they lead\n{WRITTEN}\n\
         The gateway calls these subs by itself. Each may be written several times; they run in the order of the text until one\n\
         returns an action, and the built-in one of `vcl-like-rules/builtin.vcl` runs last.\n\n\
         | sub | may return |\n|---|---|\n"
    );
    for phase in Phase::ALL.iter().filter(|phase| Phase::of_sub(phase.sub(), Dialect::Doorward).is_some()) {
        let actions: Vec<String> = Action::ALL
            .iter()
            .filter(|action| action.fits(*phase, Dialect::Doorward))
            .map(|action| format!("`{}`", action.word()))
            .collect();
        let _ = writeln!(out, "| `{}` | {} |", phase.sub(), actions.join(", "));
    }
    out.push_str("\n## Actions\n\n");
    for action in Action::ALL {
        let _ = writeln!(out, "- `{}`{}: {}", action.word(), only(action.dialects()), action.doc());
    }
    out
}

/// Says where a word is known, when not everywhere.
fn only(dialects: Dialects) -> &'static str {
    match (dialects.has(Dialect::Doorward), dialects.has(Dialect::Varnish), dialects.has(Dialect::Fastly)) {
        (true, false, _) => " (not in a `vcl 4.1` file)",
        (false, true, _) => " (in a `vcl 4.1` file only)",
        (false, false, true) => " (in Fastly's dialect only)",
        _ => "",
    }
}

fn variables() -> String {
    let mut out = format!(
        "# Variables\n{WRITTEN}\n\
         Headers are `req.http.Name`, `bereq.http.Name`, `beresp.http.Name`, `obj.http.Name` and `resp.http.Name`; a part of one is\n\
         `req.http.Cookie:session`. *Client subs* are those of the visitor's side (`vcl_recv` to `vcl_deliver`), *backend subs* are\n\
         `vcl_backend_fetch`, `vcl_backend_response` and `vcl_backend_error`.\n\n\
         | variable | type | read in | set in | |\n|---|---|---|---|---|\n"
    );
    for variable in Variable::ALL {
        let unset = if variable.unsettable().is_empty() { "" } else { "; can be unset" };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {}{unset} | {}{} |",
            variable.name(),
            variable.of().word(),
            places(variable.readable()),
            places(variable.writable()),
            cell(variable.doc()),
            only(variable.dialects())
        );
    }
    out
}

/// A set of phases in words, the usual sets by their names.
fn places(phases: Phases) -> String {
    if phases.is_empty() {
        return "–".to_owned();
    }
    if phases == Phases::ALL {
        return "all subs".to_owned();
    }
    let mut names = Vec::new();
    let mut left = phases;
    for (set, name) in [(Phases::CLIENT, "client subs"), (Phases::BACKEND, "backend subs")] {
        // `vcl_log` is Fastly's alone; whether it belongs to the set is not what a reader looks for.
        let known = set.but(Phases::of(&[Phase::Log]));
        if left.both(known) == known {
            names.push(name.to_owned());
            left = left.but(set);
        }
    }
    names.extend(left.iter().filter(|phase| *phase != Phase::Log).map(|phase| format!("`{}`", phase.sub())));
    names.join(", ")
}

fn functions() -> String {
    let mut out = format!(
        "# Functions and objects\n{WRITTEN}\n\
         An argument may be given by its name: `std.integer(\"x\", fallback = 0)`. In square brackets stands what may be left out.\n"
    );
    for function in Function::ALL {
        let (example, result) = function.example();
        let _ = write!(
            out,
            "\n### `{}({}){}`{}\n\n{}\n",
            function.name(),
            parameters(function.parameters()),
            returned(function.returns()),
            only(function.dialects()),
            function.doc()
        );
        if function.phases() != Phases::ALL {
            let _ = writeln!(out, "In {}.", places(function.phases()));
        }
        if !example.is_empty() {
            let _ = write!(out, "\n`{example}` → {}\n", shown(function.returns(), result));
        }
    }
    out.push_str("\n## Objects\n\nMade in `vcl_init`: `new name = class(arguments);`\n");
    for class in Class::ALL {
        let _ = write!(
            out,
            "\n### `{}({})`\n\n{}\n\n",
            class.name(),
            parameters(class.parameters()),
            class.doc()
        );
        for method in class.methods() {
            let _ = writeln!(
                out,
                "- `.{}({}){}`: {}",
                method.word(),
                parameters(method.parameters()),
                returned(method.returns()),
                method.doc()
            );
        }
    }
    out
}

fn shown(of: Type, result: &str) -> String {
    if of == Type::Void { result.to_owned() } else { format!("`{result}`") }
}

fn returned(of: Type) -> String {
    if of == Type::Void { String::new() } else { format!(" -> {}", of.word()) }
}

/// Parameters as a signature shows them.
pub fn parameters(all: &[Parameter]) -> String {
    let written: Vec<String> = all
        .iter()
        .map(|parameter| {
            let of = match parameter.shape {
                Shape::Words(words) => words.join("|"),
                _ => parameter.of.word().to_owned(),
            };
            let more = if parameter.repeated { ", …" } else { "" };
            match (parameter.optional, parameter.default) {
                (true, "") => format!("[{of} {}{more}]", parameter.name),
                (true, default) => format!("[{of} {} = {default}]", parameter.name),
                (false, _) => format!("{of} {}{more}", parameter.name),
            }
        })
        .collect();
    written.join(", ")
}

fn faults() -> String {
    let mut out = format!(
        "# Faults\n{WRITTEN}\n\
         What `doorward check` may say, by code. `doorward explain E014` shows the same with an example.\n"
    );
    for (severity, title) in [
        (Severity::Error, "Errors: nothing is loaded"),
        (Severity::Warning, "Warnings: worth a look, and the rules load"),
    ] {
        let _ = write!(out, "\n## {title}\n");
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let _ = write!(out, "\n### {}: {}\n\n{}\n", code.code(), code.title(), code.meaning());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_language_stands_in_the_manual() {
        let text: String = pages().into_iter().map(|(_, text)| text).collect();
        for kind in Kind::ALL {
            assert!(text.contains(&format!("\n## `{}`\n", kind.word())));
            for row in kind.settings() {
                assert!(text.contains(&format!("| `.{}` |", row.name)), "{}", row.name);
            }
        }
        for variable in Variable::ALL {
            assert!(text.contains(&format!("| `{}` |", variable.name())), "{}", variable.name());
        }
        for function in Function::ALL {
            assert!(text.contains(&format!("### `{}(", function.name())), "{}", function.name());
        }
        for code in Code::ALL {
            assert!(text.contains(&format!("### {}:", code.code())), "{}", code.code());
        }
    }

    #[test]
    fn a_table_has_as_many_cells_in_each_row() {
        for (name, text) in pages() {
            let mut wide = None;
            for line in text.lines() {
                if !line.starts_with('|') {
                    wide = None;
                    continue;
                }
                let cells = line.replace("\\|", "").matches('|').count();
                assert_eq!(*wide.get_or_insert(cells), cells, "{name}: {line}");
            }
        }
    }
}
