//! `doorward completions` and `doorward man`: for the shell and the manual, written from the table of commands.

use std::fmt::Write as _;

use super::arguments::{Given, Operand, Spec, did_you_mean, shown};
use super::{COMMANDS, End, Paper, help, usage};

/// Each shell, and who writes for it.
type Shell = (&'static str, fn() -> String);

const SHELLS: &[Shell] = &[("bash", bash), ("zsh", zsh), ("fish", fish)];

pub(super) fn completions(given: &Given, paper: &mut Paper<'_>) -> End {
    let Some(typed) = &given.operand else {
        return usage(
            paper,
            "`completions` wants a shell behind it: bash, zsh or fish",
            "doorward help completions",
        );
    };
    let word = typed.to_str().unwrap_or_default();
    if let Some((_, write)) = SHELLS.iter().find(|(shell, _)| *shell == word) {
        paper.say(&write());
        return End::Good;
    }
    let near = did_you_mean(word, "", SHELLS.iter().map(|(shell, _)| *shell));
    let message = format!("there are completions for bash, zsh and fish, none for `{}`{near}", shown(typed));
    usage(paper, &message, "doorward help completions")
}

pub(super) fn man(_: &Given, paper: &mut Paper<'_>) -> End {
    paper.say(&page());
    End::Good
}

/// Whether a command's operand is a file.
fn takes_file(spec: &Spec) -> bool {
    let none = ["help", "completions", "backend", "director", "maintenance"];
    spec.operand != Operand::None && !none.contains(&spec.name)
}

/// What may stand behind a command that is no file and no flag.
fn words(spec: &Spec) -> Vec<&'static str> {
    match spec.name {
        "help" => COMMANDS.iter().map(|spec| spec.name).collect(),
        "completions" => SHELLS.iter().map(|(shell, _)| *shell).collect(),
        "backend" => vec!["drain", "resume"],
        "director" => vec!["weight", "declared"],
        "maintenance" => vec!["on", "off"],
        "pages" => vec!["preview", "export"],
        _ => Vec::new(),
    }
}

fn bash() -> String {
    let all: Vec<&str> = COMMANDS.iter().map(|spec| spec.name).collect();
    let mut out = format!(
        "# bash completion for doorward: source it, or put it into /usr/share/bash-completion/completions/doorward\n\
         _doorward() {{\n    local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]:-}}\n    \
         if [ \"$COMP_CWORD\" -eq 1 ]; then\n        \
         COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n        return\n    fi\n    local flags=\"\" words=\"\" files=no\n    \
         case $command in\n",
        all.join(" ")
    );
    for spec in COMMANDS {
        let flags: Vec<String> = spec.flags.iter().map(|flag| format!("--{}", flag.name)).collect();
        let files = if takes_file(spec) { "yes" } else { "no" };
        let _ = writeln!(
            out,
            "    {}) flags=\"{}\" words=\"{}\" files={files} ;;",
            spec.name,
            flags.join(" "),
            words(spec).join(" ")
        );
    }
    out.push_str(
        "    esac\n    case $word in\n    -*) COMPREPLY=($(compgen -W \"$flags --help\" -- \"$word\")) ;;\n    \
         *)\n        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n        \
         [ $files = yes ] && COMPREPLY+=($(compgen -f -- \"$word\"))\n        ;;\n    esac\n}\n\
         complete -o filenames -F _doorward doorward\n",
    );
    out
}

fn zsh() -> String {
    let mut out = String::from(
        "#compdef doorward\n# zsh completion for doorward: put it into a folder of $fpath as _doorward\n\n_doorward() {\n  \
         local -a commands\n  commands=(\n",
    );
    for spec in COMMANDS {
        let _ = writeln!(out, "    '{}:{}'", spec.name, quoted(spec.summary, &[':']));
    }
    out.push_str(
        "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n",
    );
    for spec in COMMANDS {
        let _ = write!(out, "    {}) _arguments '*::: :->rest'", spec.name);
        for flag in spec.flags {
            let value = flag.value.map(|value| format!(":{value}:_files")).unwrap_or_default();
            let _ = write!(out, " '--{}[{}]{value}'", flag.name, quoted(flag.doc, &['[', ']', ':']));
        }
        out.push_str(" '--help[say more]'");
        let behind = words(spec);
        match (behind.is_empty(), takes_file(spec)) {
            (false, true) => {
                let _ = write!(out, " '1:word:({})' '*:file:_files'", behind.join(" "));
            }
            (false, false) => {
                let _ = write!(out, " '*:word:({})'", behind.join(" "));
            }
            (true, true) => out.push_str(" '*:file:_files'"),
            (true, false) => {}
        }
        out.push_str(" ;;\n");
    }
    out.push_str("  esac\n}\n\n_doorward \"$@\"\n");
    out.replace(" '*::: :->rest'", "")
}

fn fish() -> String {
    let mut out = String::from(
        "# fish completion for doorward: put it into ~/.config/fish/completions/doorward.fish\ncomplete -c doorward -f\n",
    );
    for spec in COMMANDS {
        let _ = writeln!(
            out,
            "complete -c doorward -n __fish_use_subcommand -a {} -d '{}'",
            spec.name,
            quoted(spec.summary, &[])
        );
        let when = format!("-n '__fish_seen_subcommand_from {}'", spec.name);
        for flag in spec.flags {
            let value = if flag.value.is_some() { " -r -F" } else { "" };
            let _ = writeln!(
                out,
                "complete -c doorward {when} -l {}{value} -d '{}'",
                flag.name,
                quoted(flag.doc, &[])
            );
        }
        let behind = words(spec);
        if !behind.is_empty() {
            let _ = writeln!(out, "complete -c doorward {when} -a '{}'", behind.join(" "));
        }
        if takes_file(spec) {
            let _ = writeln!(out, "complete -c doorward {when} -F");
        }
    }
    out
}

/// Text between single quotes of a shell; some characters mean something there and get a backslash.
fn quoted(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Nothing is lost: quotes stand in prose only.
            '\'' => out.push('’'),
            c if special.contains(&c) => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// The manual page, section 1.
fn page() -> String {
    let mut out = format!(
        ".TH DOORWARD 1 \"\" \"doorward {}\" \"User Commands\"\n.SH NAME\ndoorward \\- one program in front of every old service of a community\n.SH SYNOPSIS\n",
        env!("CARGO_PKG_VERSION")
    );
    for spec in COMMANDS {
        let _ = writeln!(out, ".B doorward {}\n{}\n.br", spec.name, roff(help::behind(spec).trim_start()));
    }
    out.push_str(
        ".SH DESCRIPTION\nEnds TLS for every site of a community, routes its paths to the servers behind it, writes logs that hold\n\
         nobody's address, and says so in plain words when a server is down. All of it is told in rule files.\n.PP\n\
         Without main.vcl it is ./main.vcl or, where there is none, /etc/doorward/main.vcl.\n.SH COMMANDS\n",
    );
    for spec in COMMANDS {
        let _ = writeln!(out, ".SS \"doorward {}{}\"", spec.name, quoted_roff(&help::behind(spec)));
        let _ = writeln!(out, "{}", roff(&help::sentence(spec.summary)));
        if !spec.story.is_empty() {
            let _ = writeln!(out, ".PP\n{}", roff(spec.story));
        }
        for flag in spec.flags {
            let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
            let form = format!("{}{value}", help::typed(flag).replace('|', ", "));
            let _ = writeln!(out, ".TP\n.B {}\n{}", roff(&form), roff(flag.doc));
        }
        if !spec.examples.is_empty() {
            out.push_str(".PP\nFor example:\n.PP\n.nf\n");
            for example in spec.examples {
                let _ = writeln!(out, "    {}", roff(example));
            }
            out.push_str(".fi\n");
        }
    }
    out.push_str(
        ".SH EXIT STATUS\n.TP\n.B 0\nAll is good.\n.TP\n.B 1\nThere were faults.\n.TP\n.B 2\nThe command was not understood.\n\
         .SH FILES\n.TP\n.I /etc/doorward/main.vcl\nThe rules, where no other file is named.\n.TP\n.I /var/lib/doorward\n\
         Keys, logs and everything else the gateway keeps, unless the rules name another folder.\n",
    );
    out
}

/// Text as roff takes it: no character begins a request or an escape.
fn roff(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.lines().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let line = line.trim();
        if line.starts_with(['.', '\'']) {
            out.push_str("\\&");
        }
        for c in line.chars() {
            match c {
                '\\' => out.push_str("\\e"),
                '-' => out.push_str("\\-"),
                // groff reads bytes.
                '…' => out.push_str("..."),
                '`' => out.push_str("\\(ga"),
                '\'' => out.push_str("\\(aq"),
                c => out.push(c),
            }
        }
    }
    if text.starts_with(' ') {
        out.insert(0, ' ');
    }
    out
}

fn quoted_roff(text: &str) -> String {
    roff(text).replace('"', "\\(dq")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// What bash offers at the end of a line.
    fn offered(line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let script = format!(
            "{}\nCOMP_WORDS=({}) COMP_CWORD={}\n_doorward\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            bash(),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len() - 1
        );
        let done = Command::new("bash").args(["-u", "-c", &script]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_commands_flags_and_files() {
        assert_eq!(offered("doorward che"), ["check"]);
        assert_eq!(offered("doorward help comp"), ["completions"]);
        assert_eq!(offered("doorward completions "), ["bash", "zsh", "fish"]);
        assert!(offered("doorward check --").contains(&"--json".to_owned()));
        assert_eq!(offered("doorward check Cargo.to"), ["Cargo.toml"]);
        assert_eq!(offered("doorward stop Cargo.to"), [""]);
        for spec in COMMANDS {
            assert!(offered("doorward ").contains(&spec.name.to_owned()));
            for flag in spec.flags {
                let all = offered(&format!("doorward {} --", spec.name));
                assert!(all.contains(&format!("--{}", flag.name)), "{} {all:?}", spec.name);
            }
        }
    }

    /// Whether a program takes a text without a word of complaint.
    fn taken(program: &str, arguments: &[&str], text: &str) -> Result<(), String> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error} (tests/needs.sh test installs it)"))?;
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.success() && said.is_empty() { Ok(()) } else { Err(format!("{program}: {said}")) }
    }

    #[test]
    fn every_shell_and_the_manual_reader_take_what_is_written_for_them() {
        taken("bash", &["-n"], &bash()).unwrap();
        taken("zsh", &["-n", "/dev/stdin"], &zsh()).unwrap();
        taken("fish", &["-n"], &fish()).unwrap();
        taken("groff", &["-man", "-Tutf8", "-ww"], &page()).unwrap();
    }

    #[test]
    fn the_manual_names_every_command_and_flag() {
        let page = page();
        for spec in COMMANDS {
            assert!(page.contains(&format!(".B doorward {}\n", spec.name)), "{}", spec.name);
            for flag in spec.flags {
                let short = flag.short.map(|short| format!("{}, ", roff(short))).unwrap_or_default();
                let form = format!("\n.B {short}\\-\\-{}", roff(flag.name));
                assert!(page.contains(&form), "{}", flag.name);
            }
        }
    }
}
