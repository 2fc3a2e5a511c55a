//! The command line: what a person types, and what a person reads.
//!
//! [`COMMANDS`] is the one table; parsing, help and dispatch read it. Each command is a file of its own and
//! gets its parsed arguments and a [`Paper`] to write on, so that tests read what a person would.
//!
//! Exit statuses: 0 all good, 1 there were faults, 2 the command was not understood. Nothing here decides
//! about a request.

mod arguments;
mod check;
mod demo;
mod diff;
mod docs;
mod explain;
mod format;
mod help;
mod lsp;
mod order;
mod pages;
mod paper;
mod replay;
mod routes;
mod rules;
mod serve;
mod shell;
mod talk;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use self::arguments::{Flag, Operand, Spec};
use self::paper::Paper;

/// How a command ended.
#[derive(Debug, PartialEq)]
enum End {
    Good,
    Faults,
    Usage,
    /// What a part of the house that runs to its own end says.
    As(ExitCode),
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Good => ExitCode::SUCCESS,
            End::Faults => ExitCode::from(1),
            End::Usage => ExitCode::from(2),
            End::As(code) => code,
        }
    }
}

const STATE: Flag = Flag::new("state", Some("DIR"), "the state folder of the gateway to ask");
const UNTIL: Flag = Flag::new(
    "until",
    Some("TIME"),
    "when the site opens by itself: 2h, 3d, or 2026-12-01T08:00 (UTC, or with +01:00 behind it)",
);
const NOTE: Flag = Flag::new("note", Some("TEXT"), "what visitors are told beside the usual");
const ALLOW: Flag = Flag::new("allow", Some("ACL"), "who sees the site all the same: an `acl` of the rules");
const CONFIG: Flag = Flag::new("config", Some("MAIN.VCL"), "the rules that name the state folder");
const MAIN: Flag = Flag::new("main", Some("MAIN.VCL"), "the rules to ask");
const METHOD: Flag = Flag::new("method", Some("METHOD"), "the method; GET if nothing is said");
const FROM: Flag = Flag::new("from", Some("ADDRESS"), "the visitor's address");
const HEADER: Flag =
    Flag::new("header", Some("'NAME: VALUE'"), "a header of the request; as often as there are")
        .short("-H")
        .repeated();
const AS: Flag = Flag::new("as", Some("NAME"), "somebody who is signed in: comes with sign-in");
const BACKEND_ANSWERS: Flag =
    Flag::new("backend-answers", Some("STATUS"), "what any backend answers; 200 if nothing is said");
const COVERAGE: Flag =
    Flag::new("coverage", None, "name the lines of rules and the routes no play has visited");
const AGAINST: Flag = Flag::new("against", Some("NEW.VCL"), "the rules to decide by");
const WITH: Flag = Flag::new("with", Some("OLD.VCL"), "rules to compare with, instead of what the log says");
const SITE: Flag = Flag::new("site", Some("NAME"), "whose log it is, where neither lines nor folder say");
const OVER: Flag =
    Flag::new("over", Some("SCHEME"), "http or https: how its visitors came; https if nothing is said");
const SHOW: Flag = Flag::new("show", Some("N"), "how many kinds of requests to show; 20 if nothing is said");
const STRICT: Flag = Flag::new("strict", None, "exit status 1 if a request ends otherwise");
const JSON: Flag = Flag::new("json", None, "one JSON object, for editors and scripts");

const HTTP: Flag = Flag {
    name: "http",
    value: Some("ADDRESS"),
    repeated: false,
    short: None,
    doc: "listen here for plain http: `127.0.0.1:8080`, or `:8080` for every address",
};
const HTTPS: Flag = Flag {
    name: "https",
    value: Some("ADDRESS"),
    repeated: false,
    short: None,
    doc: "listen here for https",
};
const ADMIN: Flag = Flag {
    name: "admin",
    value: Some("ADDRESS"),
    repeated: false,
    short: None,
    doc: "show health and metrics here",
};
const KEEP: Flag = Flag {
    name: "state",
    value: Some("DIR"),
    repeated: false,
    short: None,
    doc: "keep certificates, logs and the control socket here",
};

/// Every command, in the order in which `doorward help` shows them.
const COMMANDS: &[Spec] = &[
    Spec {
        name: "serve",
        operand: Operand::Optional("main.vcl"),
        flags: &[HTTP, HTTPS, ADMIN, KEEP],
        summary: "run the gateway",
        story: "Serves until it is told to stop. SIGHUP or `doorward reload` swaps the rules, all or nothing;\n\
                SIGUSR2 or `doorward upgrade` hands over to a new process. SIGTERM or `doorward stop` lets open\n\
                visits finish; a second SIGTERM does not.\n\
                The flags are for rules without a `gateway`, such as a VCL file that Varnish ran: it is served\n\
                for any host. Where one address is named, nothing else is listened on.",
        examples: &[
            "doorward serve /etc/doorward/main.vcl",
            "doorward serve default.vcl --http 127.0.0.1:8080 --state /tmp/doorward",
        ],
        run: serve::run,
    },
    Spec {
        name: "check",
        operand: Operand::Optional("main.vcl"),
        flags: &[JSON, check::FIX],
        summary: "find every fault in the rules",
        story: "Compiles the whole tree, opens every file it names and resolves every backend's name. All\n\
                faults are shown in one run, each with its place and what to do. Exit status 1 if there are\n\
                any; a name that DNS does not know is only a warning. Nothing is changed but with --fix: then\n\
                what leaves no doubt (a missing `;`, a name with one slip in it, quotes of a word processor) is\n\
                mended in the files, as long as that leaves fewer faults, and each mend is named.",
        examples: &[
            "doorward check && doorward reload",
            "doorward check site/main.vcl --json",
            "doorward check --fix",
        ],
        run: check::run,
    },
    Spec {
        name: "fmt",
        operand: Operand::Any("file"),
        flags: &[format::CHECK],
        summary: "lay out rule files, comments and all",
        story: "A main file is laid out with everything it includes; `-` reads the standard input and writes\n\
                the standard output. Only white space changes. A file with a fault in it stays as it is, and\n\
                the fault is shown. Exit status 1 if there is one, or with --check if a file would change.",
        examples: &["doorward fmt", "doorward fmt --check main.vcl", "doorward fmt - < old.vcl > new.vcl"],
        run: format::run,
    },
    Spec {
        name: "routes",
        operand: Operand::Optional("main.vcl"),
        flags: &[],
        summary: "show every door: site, path, backend, who may pass, limits",
        story: "One line for each route of each site, as the rules mean them after every `let`, `if` and\n\
                `include`: what a reviewer wants to see.",
        examples: &["doorward routes", "doorward routes main.vcl | grep wiki"],
        run: routes::run,
    },
    Spec {
        name: "explain",
        operand: Operand::Optional("URL|CODE"),
        flags: &[METHOD, FROM, HEADER, BACKEND_ANSWERS, AS, MAIN, JSON],
        summary: "tell what becomes of a request, or what a fault (E014) means",
        story: "Walks one imagined request through the rules and tells every decision with its file and line: site,\n\
                redirect, route, each rule that is reached, access and the term that decided it, what the backend\n\
                would be sent, and the answer. Nobody is asked: an answer is assumed to be 200. With a code it\n\
                explains that fault; without either it lists them all.",
        examples: &[
            "doorward explain https://www.example/wiki/Home",
            "doorward explain https://www.example/svn/x --method PUT --from 198.51.100.7",
            "doorward explain E014",
        ],
        run: explain::run,
    },
    Spec {
        name: "test",
        operand: Operand::Any("plays"),
        flags: &[MAIN, COVERAGE, JSON],
        summary: "run the plays: requests, and what is expected of them",
        story: "Plays are Markdown files (docs/plays.md) in which prose, requests and expectations stand together.\n\
                Takes files and folders; without either it looks through the folder it is in. A play is for the\n\
                rules it names in its first line, else those of --main, else the nearest main.vcl beside or above\n\
                it. Exit status 1 if one does not go as expected, or can't be understood.",
        examples: &[
            "doorward test",
            "doorward test plays --coverage",
            "doorward test plays/svn.md --main main.vcl",
        ],
        run: test::run,
    },
    Spec {
        name: "replay",
        operand: Operand::Exactly(&["access.log"]),
        flags: &[AGAINST, WITH, SITE, OVER, SHOW, STRICT, JSON],
        summary: "decide the requests of a log again: which would end otherwise?",
        story: "Reads our own logs and the combined format of nginx and Apache. Each request is decided by the new\n\
                rules, up to the backend that is asked or an answer of the gateway's own, and compared with what\n\
                the log says, or with older rules. What hangs on something that a log does not hold (headers,\n\
                cookies, whole addresses, hidden text, chance) is counted as undecidable, never guessed.",
        examples: &[
            "doorward replay access.log --against new.vcl",
            "doorward replay access.log --against new.vcl --with main.vcl --strict",
        ],
        run: replay::run,
    },
    Spec {
        name: "diff",
        operand: Operand::Exactly(&["old.vcl", "new.vcl"]),
        flags: &[],
        summary: "compare two trees of rules: doors opened, closed and moved",
        story: "What lets somebody in comes first. Exit status 0 if the two mean the same, 1 if they differ, 2 if one\n\
                has faults.",
        examples: &["doorward diff /etc/doorward/main.vcl main.vcl"],
        run: diff::run,
    },
    Spec {
        name: "status",
        operand: Operand::None,
        flags: &[STATE, CONFIG],
        summary: "ask the running gateway how it is",
        story: "How long it runs and by which rules, where it listens, and how each backend, director and closed\n\
                site is. Exit status 1 when none runs.",
        examples: &["doorward status", "doorward status --state /var/lib/doorward"],
        run: talk::status,
    },
    Spec {
        name: "reload",
        operand: Operand::None,
        flags: &[STATE, CONFIG],
        summary: "make the running gateway read its rules again",
        story: "All or nothing: with a fault anywhere the old rules stay, and the faults are shown here.\n\
                Requests that are under way finish under the rules they began with.",
        examples: &["doorward check && doorward reload"],
        run: talk::reload,
    },
    Spec {
        name: "backend",
        operand: Operand::Exactly(&["NAME", "drain|resume"]),
        flags: &[STATE, CONFIG],
        summary: "drain a backend, or resume it: whether visitors are sent there",
        story: "`drain` sends nobody new there and lets what is under way end; a director sends its visitors to\n\
                the others. Holds over reloads and restarts, until `resume`.",
        examples: &["doorward backend wiki drain", "doorward backend wiki resume"],
        run: order::backend,
    },
    Spec {
        name: "director",
        operand: Operand::Form { brief: "NAME weight ...", full: "NAME weight MEMBER N|declared" },
        flags: &[STATE, CONFIG],
        summary: "change the weight of a director's member",
        story: "Says what share of a director's visitors its MEMBER gets, beside the weights of the others.\n\
                0 sends nobody new there; `declared` goes back to what the rules say. Holds over reloads and\n\
                restarts.",
        examples: &["doorward director home weight wiki1 5", "doorward director home weight wiki1 declared"],
        run: order::director,
    },
    Spec {
        name: "maintenance",
        operand: Operand::Form { brief: "[on|off SITE]", full: "[on|off SITE]" },
        flags: &[UNTIL, NOTE, ALLOW, STATE, CONFIG],
        summary: "close a site, open it again, or say which are closed",
        story: "Visitors get the page for maintenance, with your note and when to come back. Holds over reloads\n\
                and restarts, until `off` or until the time that you said. Alone it tells which sites are closed.",
        examples: &[
            "doorward maintenance on wiki.example.org --until 2h --note \"We move to a new disk.\"",
            "doorward maintenance on wiki.example.org --until 2026-12-01T08:00 --allow office",
            "doorward maintenance off wiki.example.org",
            "doorward maintenance",
        ],
        run: order::maintenance,
    },
    Spec {
        name: "upgrade",
        operand: Operand::None,
        flags: &[STATE, CONFIG],
        summary: "start the program anew and hand the running gateway over to it",
        story: "For a new version of the program, and for what a reload can't change (addresses, workers). The new\n\
                process reads the rules and takes over the listening sockets; the old one finishes what is open and\n\
                ends, after `.upgrade_drain_timeout` at the latest. Nobody is refused or cut off. If the new one does\n\
                not stand, the old one goes on, and the reason is shown here. SIGUSR2 does the same.",
        examples: &["doorward check && doorward upgrade"],
        run: talk::upgrade,
    },
    Spec {
        name: "stop",
        operand: Operand::None,
        flags: &[STATE, CONFIG],
        summary: "let the running gateway finish what is open, then end",
        story: "Nothing new is taken. What is still open after `.drain_timeout` is closed.",
        examples: &["doorward stop"],
        run: talk::stop,
    },
    Spec {
        name: "demo",
        operand: Operand::Optional("main.vcl"),
        flags: &[],
        summary: "serve three small old services to look at (`make run`)",
        story: "Starts the services and the gateway in one process and says what to open: from the rules\n\
                that are named, else from vcl-like-rules/main.vcl of a checkout, else from a copy in the\n\
                program. Leaves nothing behind but its state folder; without rules, that is ./doorward-demo.",
        examples: &["doorward demo"],
        run: demo::run,
    },
    Spec {
        name: "pages",
        operand: Operand::Form { brief: "preview|export", full: "preview [main.vcl]|export DIR" },
        flags: &[pages::FORCE, pages::LISTEN],
        summary: "look at the error pages, or write them out to change them",
        story: "`preview` shows every page in every language, in light and in dark, with its holes filled; with rules,\n\
                as each site of theirs has it. `export` writes ours to a folder, where they can be changed: the\n\
                `.pages` of a site names it (docs/pages.md). Nothing is overwritten but with --force.",
        examples: &[
            "doorward pages preview",
            "doorward pages preview main.vcl --listen 127.0.0.1:8090",
            "doorward pages export my-pages",
        ],
        run: pages::run,
    },
    Spec {
        name: "docs",
        operand: Operand::Optional("DIR"),
        flags: &[],
        summary: "write the manual: settings, variables, functions, faults",
        story: "Markdown from the program's own tables, into docs/language where no folder is named.",
        examples: &["doorward docs", "doorward docs /tmp/manual"],
        run: docs::run,
    },
    Spec {
        name: "lsp",
        operand: Operand::None,
        flags: &[],
        summary: "help an editor while rules are written",
        story: "A language server on stdin and stdout, which editors start: faults as you type, what a word\n\
                means, where it is declared, what could stand here, one layout. A file belongs to the nearest\n\
                main.vcl that includes it.",
        examples: &["doorward lsp"],
        run: lsp::run,
    },
    Spec {
        name: "completions",
        operand: Operand::Optional("SHELL"),
        flags: &[],
        summary: "print what makes a shell complete these commands",
        story: "For bash, zsh and fish.",
        examples: &["doorward completions bash"],
        run: shell::completions,
    },
    Spec {
        name: "man",
        operand: Operand::None,
        flags: &[],
        summary: "print the manual page of these commands",
        story: "",
        examples: &["doorward man"],
        run: shell::man,
    },
    Spec {
        name: "version",
        operand: Operand::None,
        flags: &[],
        summary: "say which doorward this is",
        story: "",
        examples: &[],
        run: help::version,
    },
    Spec {
        name: "help",
        operand: Operand::Optional("COMMAND"),
        flags: &[],
        summary: "this page, or a page about one command",
        story: "",
        examples: &["doorward help check"],
        run: help::run,
    },
];

/// Does what the arguments (without the program's own name) ask for.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let colours = paper::colours(&out, &err);
    obey(arguments, &mut Paper::new(&mut out, &mut err, colours)).into()
}

fn obey(arguments: Vec<OsString>, paper: &mut Paper<'_>) -> End {
    let mut arguments = arguments.into_iter();
    let Some(first) = arguments.next() else {
        paper.fault(&help::overview());
        return End::Usage;
    };
    let word = match first.to_str() {
        Some("-h" | "--help") => "help",
        Some("-V" | "--version") => "version",
        Some(word) => word,
        None => "",
    };
    let Some(spec) = COMMANDS.iter().find(|spec| spec.name == word) else {
        let shown = arguments::shown(&first);
        let message = if word.starts_with('-') {
            format!("the command comes first, before `{shown}`")
        } else {
            format!("there is no command `{shown}`{}", near_command(word))
        };
        return usage(paper, &message, "doorward help");
    };
    match arguments::parse(spec, arguments) {
        Ok(given) if given.help => {
            paper.say(&help::page(spec));
            End::Good
        }
        Ok(given) => (spec.run)(&given, paper),
        Err(message) => usage(paper, &message, &format!("doorward help {}", spec.name)),
    }
}

fn near_command(word: &str) -> String {
    arguments::did_you_mean(word, "", COMMANDS.iter().map(|spec| spec.name))
}

fn usage(paper: &mut Paper<'_>, message: &str, next: &str) -> End {
    paper.fault(&format!("doorward: {message}\n`{next}` says more.\n"));
    End::Usage
}

#[cfg(test)]
mod tests;
