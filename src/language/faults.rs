//! The one table of faults: code, title, what it means and how to mend it, and an example that produces it.
//! A code is never used for something else later: people put them into notes and searches.

use super::source::Memory;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is loaded.
    Error,
    /// Worth a look; the rules load.
    Warning,
}

impl Severity {
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A tree that produces the fault.
#[derive(Clone, Copy)]
pub enum Example {
    /// What stands in `main.vcl`.
    Main(&'static str),
    /// Several files, each with its mode.
    Tree(&'static [(&'static str, u32, &'static str)]),
    /// Too long to print.
    Made(fn() -> String),
}

impl Example {
    /// The example as files; `main.vcl` is the main one.
    pub fn files(self) -> Memory {
        match self {
            Example::Main(text) => Memory::default().with("main.vcl", 0o644, text),
            Example::Tree(files) => {
                files.iter().fold(Memory::default(), |all, (name, mode, text)| all.with(name, *mode, *text))
            }
            Example::Made(make) => Memory::default().with("main.vcl", 0o644, make()),
        }
    }
}

macro_rules! faults {
    ($( $code:ident $variant:ident, $severity:ident, $title:literal, $meaning:literal, $example:expr; )*) => {
        /// Everything that can be wrong with a rule file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $( #[doc = $title] $variant, )* }

        impl Code {
            pub const ALL: &'static [Code] = &[ $( Code::$variant, )* ];

            pub const fn code(self) -> &'static str {
                match self { $( Code::$variant => stringify!($code), )* }
            }

            pub const fn severity(self) -> Severity {
                match self { $( Code::$variant => Severity::$severity, )* }
            }

            pub const fn title(self) -> &'static str {
                match self { $( Code::$variant => $title, )* }
            }

            /// What it means, and how to mend it.
            pub const fn meaning(self) -> &'static str {
                match self { $( Code::$variant => $meaning, )* }
            }

            pub fn example(self) -> Example {
                match self { $( Code::$variant => $example, )* }
            }
        }
    };
}

use Example::{Made, Main, Tree};

faults! {
    E001 Unreadable, Error, "a file cannot be read",
        "The main file or an included one is not there, is no regular file, or may not be read by the user that doorward runs as. An `include` is looked for beside the file it stands in.\n\nCheck the name, and try `ls -l` as that user.",
        Main("include \"backends.vcl\";\n");
    E002 TooLarge, Error, "a tree of rules is too large",
        "A rule file may hold 32 MB, and a tree 64 MB in all. Rules that long are most often another file included by mistake, such as a log or an archive.",
        Made(|| "#".repeat((32 << 20) + 1));
    E003 NotText, Error, "a file is no text",
        "Rule files are UTF-8 without zero bytes. The place shown is the first byte that is not. Old files are most often Latin-1: `iconv -f latin1 -t utf-8 old.vcl > new.vcl` turns them. A zero byte most often means that the file is none of rules, or is written in UTF-16.",
        Tree(&[("main.vcl", 0o644, "include \"latin.vcl\";\n"), ("latin.vcl", 0o644, "\u{0}")]);
    E004 IncludedTwice, Error, "a file is included twice",
        "Each file of a tree is read once. Including it a second time would declare everything in it again; a file that includes itself, also by way of others, would never end. Keep one of the two lines.",
        Tree(&[("main.vcl", 0o644, "include \"a.vcl\";\ninclude \"a.vcl\";\n"), ("a.vcl", 0o644, "")]);
    E005 TooManyIncludes, Error, "includes are nested too deep, or there are too many",
        "A tree may hold 1,000 files, and an include may lie 16 files deep. Include from the main file what belongs to the gateway, and keep the rest beside it.",
        Tree(&[
            ("main.vcl", 0o644, "include \"1.vcl\";"), ("1.vcl", 0o644, "include \"2.vcl\";"), ("2.vcl", 0o644, "include \"3.vcl\";"),
            ("3.vcl", 0o644, "include \"4.vcl\";"), ("4.vcl", 0o644, "include \"5.vcl\";"), ("5.vcl", 0o644, "include \"6.vcl\";"),
            ("6.vcl", 0o644, "include \"7.vcl\";"), ("7.vcl", 0o644, "include \"8.vcl\";"), ("8.vcl", 0o644, "include \"9.vcl\";"),
            ("9.vcl", 0o644, "include \"10.vcl\";"), ("10.vcl", 0o644, "include \"11.vcl\";"), ("11.vcl", 0o644, "include \"12.vcl\";"),
            ("12.vcl", 0o644, "include \"13.vcl\";"), ("13.vcl", 0o644, "include \"14.vcl\";"), ("14.vcl", 0o644, "include \"15.vcl\";"),
            ("15.vcl", 0o644, "include \"16.vcl\";"), ("16.vcl", 0o644, "include \"17.vcl\";"), ("17.vcl", 0o644, ""),
        ]);
    E006 NotPrivate, Error, "others may read a private file",
        "What is included as `private` holds secrets, and so does what it includes. Such a file is taken only when nobody but its owner may read, write or run it: `chmod 600 private.vcl`, and let it belong to the user that doorward runs as. If the file was readable before, the secrets in it are best replaced.",
        Tree(&[("main.vcl", 0o644, "include private \"private.vcl\";\n"), ("private.vcl", 0o644, "let token = \"x\";\n")]);
    E007 OpenText, Error, "a string never ends",
        "A `\"…\"` string ends on the line it begins on. Longer texts stand between `{\"` and `\"}` or between `\"\"\"` and `\"\"\"`. Because `{\"` begins a string, a block that begins with one needs a space: `acl office { \"192.0.2.0\"/24; }`.",
        Main("let domain = \"scipy.example;\n");
    E008 OpenComment, Error, "a comment never ends",
        "A comment that begins with `/*` ends with the next `*/`. Comments of one line begin with `#` or `//` and need no end.",
        Main("/* the gateway\n");
    E009 OddCharacter, Error, "a character that has no meaning here",
        "Outside of strings and comments the language is written in ASCII; strings stand between double quotes. Curly quotes come from word processors and web pages. Characters that can't be seen (control characters, marks that turn the direction of text) are refused also in strings, because a file could then say something other than what a reviewer sees.",
        Main("let domain = 'scipy.example';\n");
    E010 Unexpected, Error, "something else was expected here",
        "The text can't be read as a declaration, a setting or a statement. Every declaration has one shape, `kind name { .setting = value; }`, and a setting is a dot, a name, `=`, one or more values parted by commas, and `;`. In a `sub` stand statements, such as `set name = value;`, `if (condition) { … }` and `return (pass);`; conditions are joined by `&&`, `||` and `!`. Text stands in double quotes everywhere.",
        Main("backend trac { url = \"http://127.0.0.1:8000\"; }\n");
    E011 NoSemicolon, Error, "a `;` is missing",
        "Every setting, `let`, `include` and statement ends with `;`, also the last one before a `}`.",
        Main("let domain = \"scipy.example\"\nlet level = \"test\";\n");
    E012 OpenBrace, Error, "braces do not pair",
        "Every `{` needs its `}`. The place shown is the brace without a partner; the one that is missing belongs before the next declaration.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\";\nsite \"www.example\" { route \"/\" { .backend = trac; } }\n");
    E013 TooDeep, Error, "nested too deep",
        "Parentheses and blocks of statements may be nested 64 deep, declarations 8. Nobody can read more; give a part of the expression a name with `let`, and a part of the statements a `sub` of its own.",
        Made(|| format!("let x = {}1{};\n", "(".repeat(100_000), ")".repeat(100_000)));
    E014 UnknownReference, Error, "nothing of that name is declared",
        "A setting or a rule names a `backend`, `acl`, `log`, `probe` or `table` that no file of this tree declares. The order of declarations does not matter; a file that is not included does.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = tarc; } }\n");
    E015 UnknownKind, Error, "no such declaration",
        "A file holds `let`, `include`, `import`, `sub`, and the declarations `gateway`, `backend`, `probe`, `site` (with its `route`s), `acl`, `table` and `log`.",
        Main("backnd trac { .url = \"http://127.0.0.1:8000\"; }\n");
    E016 NotYet, Error, "this word is not spoken yet",
        "The word belongs to the rule language, or to VCL as others speak it, but this version of doorward can't do yet what it asks for. It is refused rather than ignored: a rule that looks as if it worked is worse than none. Take it out, or see the changelog of newer versions; where another way leads there today, the message says so.",
        Main("directory people { }\n");
    E017 UnknownSetting, Error, "no such setting",
        "The declaration has no setting of this name. The manual lists them all, and so does this message where there are few.",
        Main("backend trac { .ulr = \"http://127.0.0.1:8000\"; }\n");
    E018 UnknownValue, Error, "no such value",
        "The setting takes one of a few words, and this is none of them. They stand without quotes.",
        Main("log visitors { .format = jsn; }\n");
    E019 UnknownName, Error, "no such name or function",
        "A name without quotes is a constant from `let`, or one of the words of the language. The functions are `env(\"NAME\", \"default\")`, `if(condition, a, b)`, `lookup(table, \"key\")`, and, where a setting takes them, `files(…)` and `network(…)`. Text stands in double quotes.",
        Main("let domain = \"scipy.example\";\nlet host = \"www.\" + domian;\n");
    E020 WrongType, Error, "a value of another kind was expected",
        "Each setting takes one kind of value: strings stand in quotes; numbers, durations (`10s`) and sizes (`64KB`) without; switches are `yes` or `no`. What comes from `env(…)` is read as what the setting takes.",
        Main("gateway { .workers = \"2\"; }\n");
    E021 BadAmount, Error, "an amount that cannot be read",
        "Durations are a number and one of ms, s, m, h, d, w, y (`1.5h`). Sizes are a whole number and one of B, KB, MB, GB, TB, counted in powers of 1024. Capital letters matter: `m` is minutes, `MB` is megabytes.",
        Main("gateway { .head_bytes_max = 64kb; }\n");
    E022 DeclaredTwice, Error, "declared twice",
        "Names of `let`, `backend`, `acl`, `log`, `probe`, `table`, of objects and of subs of your own are used once in a tree, those of local variables once in a sub, and there is one `gateway`. Were both taken, which one counts would depend on the order of files. Keep one, or rename one. Only a sub that the gateway calls, such as `vcl_recv`, may be written several times: its bodies run one after another.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nbackend trac { .url = \"http://127.0.0.1:8001\"; }\n");
    E023 SetTwice, Error, "set twice",
        "A setting stands once in its declaration. Where several values are taken they are parted by commas: `.http = \":80\", \":8080\";`.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; .url = \"http://127.0.0.1:8001\"; }\n");
    E024 Missing, Error, "a setting is missing",
        "The declaration can't work without this setting, and there is no safe default for it.",
        Main("backend trac { .idle_max = 8; }\n");
    E025 Misplaced, Error, "this does not belong here",
        "Statements stand in a `sub`, a `route` stands in a `site`, rows in a `table`; everything else stands at the top of a file. `backend`, `acl` and `log` have a name without quotes, `site` and `route` a text, `gateway` has none. Lines of networks stand in an `acl`, and settings in the other declarations.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nroute \"/\" { .backend = trac; }\n");
    E026 Arguments, Error, "a function has other arguments",
        "`env(\"NAME\", \"default\")` (the default may be left out: then the variable must be set), `if(condition, a, b)`, `files(\"chain.pem\", \"key.pem\")`, `network(acl)`.",
        Main("let level = if(yes, \"a\");\n");
    E027 UsedBefore, Error, "used before it is defined",
        "A `let` may use the ones that stand above it, in the order in which files are included. So no two can wait for each other. Everything else may use any `let`.",
        Main("let host = \"www.\" + domain;\nlet domain = \"scipy.example\";\n");
    E028 NotInEnvironment, Error, "an environment variable is not set",
        "`env(\"NAME\")` without a default demands the variable. Set it for the service (`Environment=` in a systemd unit), or give a default: `env(\"NAME\", \"default\")`.",
        Main("let domain = env(\"SITE_DOMAIN\");\n");
    E029 Reserved, Error, "the name has a meaning already",
        "A `let` can't take the name of a word of the language, nor of something that is declared: a reader could not tell which one is meant.",
        Main("let local = \"a\";\n");
    E030 OneValue, Error, "one value is taken, not several",
        "The setting takes a single value. Commas part the values of settings that take several.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\", \"http://127.0.0.1:8001\"; }\n");
    E031 BadListener, Error, "no address to listen on",
        "A listener is `\":443\"` for every address of the machine, or one address with a port: `\"192.0.2.1:443\"`, `\"[2001:db8::1]:443\"`. Names are not looked up here, because a start must not wait for DNS.",
        Main("gateway { .http = \"80\"; }\n");
    E032 BadUrl, Error, "no url of a backend",
        "A backend's url is `\"http://host:port\"`, `\"https://host:port\"` (the port may be left out) or `\"unix:/path/of/socket\"`. A path belongs to the route, a password to neither.",
        Main("backend trac { .url = \"127.0.0.1:8000\"; }\n");
    E033 BadHost, Error, "no host name",
        "A host name is letters, digits, `-` and dots, up to 253 characters, without a scheme, port or path; an IPv4 or IPv6 address does too. Names with other letters are written in their `xn--` form. Only `.host_header` may hold a port.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"https://www.example\" { route \"/\" { .backend = trac; } }\n");
    E034 BadPath, Error, "no path of a route",
        "A route's path begins with `/` and covers itself and everything below it, by whole segments: `/svn/` covers `/svn` and `/svn/trunk`, not `/svnx`. But for `{names}`, each of which stands for a whole segment, it is plain text as a visitor's path is when it has been made canonical: no query, no patterns, no `.` or `..`, nothing that could be read in two ways. Any other path would never come, and the route never match. `route exact \"/robots.txt\"` covers nothing below.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"trac\" { .backend = trac; } }\n");
    E035 RouteTwice, Error, "the same route twice",
        "Two routes of a site cover the same path; `/trac` and `/trac/` are the same route. The most specific path wins whatever the order, but of two equal ones neither is more specific.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/trac\" { .backend = trac; } route \"/trac/\" { .backend = trac; } }\n");
    E036 HostTwice, Error, "the same host name twice",
        "A host name belongs to one site, as its name or as one of its aliases; upper and lower case are the same.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { .aliases = \"example\"; route \"/\" { .backend = trac; } }\nsite \"example\" { route \"/\" { .backend = trac; } }\n");
    E037 BadNetwork, Error, "no network",
        "A line of an `acl` is an address in quotes and, where more than one address is meant, a prefix behind it: `\"192.0.2.0\"/24;`, `\"2001:db8::\"/48;`. The bits behind the prefix are zero. `!` in front makes an exception.",
        Main("acl office { \"192.0.2.7\"/24; }\ngateway { .trusted = office; }\n");
    E038 BadTemplate, Error, "no name of a log file",
        "`{state}` is the state folder, `{site}` the site's name, `{day}` the date. A name of a path (`{project}`) stands between braces where every route that uses the log confines it to the rows of a table: `.backend = lookup(projects, \"{project}\")`, without a third part. Otherwise a visitor could make files by typing addresses. So each key of that table is a part of a file's name: no longer than 100 bytes, without a slash, without a dot in front, and such that no two rows write to one file.",
        Main("log visitors { .file = \"{state}/log/{host}.log\"; }\nbackend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { .log = visitors; route \"/\" { .backend = trac; } }\n");
    E039 BadDigest, Error, "no fingerprint",
        "A fingerprint is `sha256:` and 64 hexadecimal digits, with or without colons. `openssl x509 -in cert.pem -noout -fingerprint -sha256` prints it.",
        Main("backend trac { .url = \"https://127.0.0.1:8000\"; .pin = \"sha256:abc\"; }\n");
    E040 NoTls, Error, "a setting for TLS without TLS",
        "`.ca`, `.tls_name` and `.pin` say how a backend proves who it is. Without https it proves nothing, and a setting that looks like protection must not stand there for show. Write `https://` in `.url`, or take the setting out.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; .ca = \"ca.pem\"; }\n");
    E041 OutOfRange, Error, "too little or too much",
        "The amount is outside of what the setting can mean: a timeout of 0 would refuse everyone, and one of a hundred years is most often a wrong unit.",
        Main("gateway { .workers = 0; }\n");
    E042 ListenerTwice, Error, "the same address twice",
        "Two listeners can't share an address and port. `\":80\"` takes the port on every address.",
        Main("gateway { .http = \":80\"; .https = \":80\"; }\n");
    E043 NobodyTrusted, Error, "a PROXY header from nobody",
        "`.proxy_protocol` makes trusted peers begin their connections with a PROXY header. Without `.trusted` there are none, and the setting would do nothing.",
        Main("gateway { .proxy_protocol = yes; }\n");
    E044 BadFile, Error, "no file name",
        "A file name is not empty, holds no zero bytes, and names nothing in braces but what the setting knows: `{state}` is the state folder. A unix socket's full path has at most 107 bytes, which is the system's limit.",
        Main("gateway { .state = \"\"; }\n");
    E045 Contradiction, Error, "two settings that exclude each other",
        "With `.pin` exactly one certificate is trusted, whoever signed it; the authorities in `.ca` would never be asked. Keep `.pin` for a server whose certificate no authority signed, and `.ca` for all others.",
        Main("backend trac { .url = \"https://127.0.0.1:8000\"; .ca = \"ca.pem\"; .pin = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"; }\n");
    E055 BadAnswer, Error, "no answer of a route",
        "A route answers by a backend, by files, by a redirect or always the same. `.redirect` is an address that begins with `https://`, `http://` or a single `/`, and a name of the path stands behind the host only: before it, a visitor could choose the host. Its `.status` is 301, 302, 303, 307 or 308. A fixed `.answer` is a text, or one of the statuses that have a page (400 to 599) or none (204). What a `.try` looks for holds `{path}` once at most, and a status stands at its end.",
        Main("site \"www.example\" { route \"/old/\" { .redirect = \"https://{path}\"; } }\n");
    E056 NoRoot, Error, "no folder for the scripts",
        "A backend that is reached by `fastcgi:` runs scripts, and is told which: the file that the path means below the `.root` of its route. So each route of such a backend has a `.root`.",
        Main("backend php { .url = \"fastcgi:/run/php/php-fpm.sock\"; }\nsite \"www.example.org\" { route \"/\" { .backend = php; } }\n");
    E070 OtherDialect, Error, "another language has this",
        "The first line of the main file says which language a tree is written in. A file that begins `vcl 4.1;` is taken as Varnish takes it, and one that begins `# dialect: fastly` as Fastly does: what they don't know is refused there too, so that the file stays what it says it is. Sites, routes and settings of doorward's own stand in files without such a line; those may include a VCL file.",
        Main("vcl 4.1;\nbackend default { .host = \"127.0.0.1\"; }\nlog visitors { }\n");
    E071 RowTwice, Error, "the same row twice",
        "A key stands once in a table, in all of its rows and files together. Were both taken, which one counts would depend on their order.",
        Main("table titles { \"svn\": \"Subversion\", \"svn\": \"Old Subversion\", }\nsite lookup(titles, \"svn\") + \".example\" { route \"/\" { .backend = a; } }\nbackend a { .url = \"http://127.0.0.1:8000\"; }\n");
    E072 BadRow, Error, "no row of a table",
        "In the rules a row is `\"key\": value,`. In a file it is a line: a key, a space, and the value up to the end of the line; both may stand in quotes, which is how a key holds a space. Lines that begin with `#` are comments. The type behind the table's name says what every value is; a table holds at most two million rows.",
        Tree(&[("main.vcl", 0o644, "table ports INT { from file \"ports.txt\"; }\nbackend a { .host = \"127.0.0.1\"; .port = lookup(ports, \"a\"); }\nsite \"a.example\" { route \"/\" { .backend = a; } }\n"), ("ports.txt", 0o644, "a 8000\nb eight\n")]);
    E073 NoRow, Error, "the table has no such row",
        "`lookup(table, \"key\")` in a setting is worked out when the rules are read, and the key must be there. `lookup(table, \"key\", otherwise)` says what is taken when it is not. Where the key holds a name of the path, as in `.backend = lookup(projects, \"{project}\")`, it is looked up for each request, and a name without a row is a page that is not there (404).",
        Main("table titles { \"svn\": \"Subversion\", }\nsite lookup(titles, \"snv\") + \".example\" { route \"/\" { .backend = a; } }\nbackend a { .url = \"http://127.0.0.1:8000\"; }\n");
    E074 BadName, Error, "no name of a path",
        "A name in a path stands for one whole segment: `/svn/{project}/` covers `/svn/numpy/trunk`, and `{project}` is `numpy` there. It is made of letters, digits and `_`. Settings may use the names of their own route only.",
        Main("table projects BACKEND { \"numpy\": a, }\nbackend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"a.example\" { route \"/svn/{project}/\" { .backend = lookup(projects, \"{projet}\"); } }\n");
    E075 BadProbe, Error, "a probe that could not work",
        "A probe asks `.url` or `.request`, not both. A `.request` begins with a request line, and one of its other lines is `Connection: close`, because the end of the connection is a part of the answer. Of the last `.window` answers `.threshold` must be good, so it can't be more than there are.",
        Main("probe alive { .window = 4; .threshold = 5; }\nbackend a { .url = \"http://127.0.0.1:8000\"; .probe = alive; }\nsite \"a.example\" { route \"/\" { .backend = a; } }\n");
    E076 UnusedInVcl, Error, "nothing uses this, and Varnish would not load it",
        "Varnish refuses a file with a `backend`, `acl`, `probe` or `sub` that nothing uses. A file that begins `vcl 4.1;` is taken as Varnish takes it. In doorward's own language the same is a warning.",
        Main("vcl 4.1;\nbackend default { .host = \"127.0.0.1\"; }\nbackend other { .host = \"127.0.0.2\"; }\n");
    E077 Conflict, Error, "one network inside and outside",
        "The same network stands in the list with and without `!`. The longest network that holds an address decides, and of these two neither is longer.",
        Main("acl office { \"192.0.2.0\"/24; ! \"192.0.2.0\"/24; }\ngateway { .trusted = office; }\n");
    E100 UnknownVariable, Error, "no such variable",
        "A name without quotes in a sub is a variable, a `let`, or something that is declared. Text stands in quotes. The manual lists all variables, and in which subs each is there.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { set req.htp.X = \"1\"; }\n");
    E101 NotHere, Error, "not in this sub",
        "Variables, functions and statements belong to a part of a request's way: there is no answer of the backend before the backend was asked. A sub that is called runs where its callers run, and may use only what is there in all of them; the message names one where it is not, and the call that leads there.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { set beresp.ttl = 10s; }\n");
    E102 ReadOnly, Error, "can only be read",
        "The variable says what is, and a rule can't change that.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { set req.restarts = 0; }\n");
    E103 NotUnset, Error, "can't be unset",
        "Headers can be unset, and the body of a request to the backend. Everything else always has a value; set it to another.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { unset req.url; }\n");
    E104 TypesClash, Error, "types that do not go together",
        "Every value in a sub has a type: text, a number, a duration, a point in time, an address, a backend and so on. Text is made of almost anything by itself; everything else has to be of the type that is taken. Durations and sizes carry their unit: `10s`, `64KB`. `std.integer(…)`, `std.duration(…)` and `std.ip(…)` read values from text.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_backend_response { set beresp.ttl = 10; }\n");
    E105 UnknownFunction, Error, "no such function",
        "There is no function, method or class of this name in this dialect. The manual lists all of them. A few that others have can't be honoured here; the message says why, and what to write instead.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { set req.http.X = std.tolowr(req.url); }\n");
    E106 BadCall, Error, "a function is given something else",
        "The message shows what the function takes: arguments in square brackets may be left out, and any may be given by name, `std.integer(\"7\", fallback = 0)`, behind those that have none.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { set req.http.X = regsub(req.url, \"a\"); }\n");
    E107 UnknownSub, Error, "no such sub",
        "`call` names a sub that no file of the tree declares.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub normalize { }\nsub vcl_recv { call normalise; call normalize; }\n");
    E108 BadReturn, Error, "the sub can't end so",
        "`return (…)` says where a request goes from here, and each sub of the gateway leads to a few places only. A sub of your own may end the way all of its callers may; `return;` alone ends only the sub itself, and has no meaning in a sub that the gateway calls.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { return (fetch); }\n");
    E109 Recursion, Error, "a sub that would call itself",
        "Rules have no loops, so that they always come to an end. No sub may call itself, nor one that would lead back to it.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub one { call two; }\nsub two { call one; }\nsub vcl_recv { call one; }\n");
    E110 ReservedName, Error, "the name has a meaning already",
        "Names that begin `vcl_` are those of the subs that the gateway calls. Two have changed since VCL 3: `vcl_fetch` is `vcl_backend_response`, and `vcl_error` is `vcl_synth`; only a file that begins `# dialect: fastly` knows the old ones. The small subs of the built-in policy, such as `vcl_req_cookie`, may be written anew under their names. The words of the language are no names either.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recieve { }\n");
    E111 NotImported, Error, "a module is not imported",
        "In a file that begins `vcl 4.1;` the functions of `std` and `directors` need `import std;` or `import directors;` above them, as in Varnish. Other files know them without.",
        Main("vcl 4.1;\nbackend default { .host = \"127.0.0.1\"; }\nsub vcl_recv { std.log(\"seen\"); }\n");
    E112 UnknownModule, Error, "no such module",
        "The modules `std` and `directors` are built in. Modules for Varnish are programs for its own machine, and can't be loaded here; much of what they are used for has a variable or a function of its own.",
        Main("vcl 4.1;\nimport geoip2;\nbackend default { .host = \"127.0.0.1\"; }\n");
    E113 InlineC, Error, "C in rules",
        "What stands between `C{` and `}C` would be compiled into Varnish. Rules here can't crash or hang, so C is never run.",
        Main("vcl 4.1;\nbackend default { .host = \"127.0.0.1\"; }\nsub vcl_recv { C{ abort(); }C }\n");
    E114 BadPattern, Error, "a regular expression that can't be read",
        "Regular expressions are written as in PCRE. A sign that has a meaning there stands for itself behind a backslash: `\\.`, `\\(`.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { if (req.url ~ \"(a\") { return (pass); } }\n");
    E115 PatternNotLinear, Error, "a regular expression that could take forever",
        "Whether an expression matches is found in a time that grows with the text and not with the expression, so that no visitor can make the gateway think for minutes. Look-ahead, look-behind, backreferences, atomic groups and possessive counts can't be had so. Most often a second condition says the same: `req.url ~ \"^/a\" && req.url !~ \"^/a/b\"` for `^/a(?!/b)`.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { if (req.url ~ \"^/a(?!/b)\") { return (pass); } }\n");
    E116 PatternTooLarge, Error, "a regular expression that is too large",
        "A compiled expression may have 2 MB, and its text 16 KB. Large counts (`{1000}`) multiply what they count. Long lists are better kept in a `table` or an `acl`, which find things at once.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { if (req.url ~ \"((a{100}){100}){100}\") { return (pass); } }\n");
    E117 NotConstant, Error, "a constant is taken here",
        "Regular expressions are compiled, and files read, when the rules are loaded. So they can't depend on a request.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { if (req.url ~ req.http.X) { return (pass); } }\n");
    E118 BadAddress, Error, "no address",
        "Where an address is taken, a text is read as one: `\"192.0.2.1\"`, `\"2001:db8::1\"`. Names are not looked up, because rules must not wait for DNS.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { if (client.ip == \"www.example\") { return (pass); } }\n");
    E119 NoLabel, Error, "no rules under this label",
        "`return (vcl(label))` hands a request to other rules that Varnish was told of on its command line. A file alone names none, and here one tree holds everything: choose by `site`, by `route` or by `call`.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { return (vcl(shop)); }\n");
    E120 UnknownLocal, Error, "a local variable that is not declared",
        "`declare local var.name STRING;` stands in the same sub, above the first use. What should be known in several subs is kept in a header.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { set var.path = req.url; }\n");
    E121 BadSwitch, Error, "a `switch` that does not work out",
        "Every `case` ends with `break;`, `fallthrough;`, `return (…);` or another statement that leaves, and there is one `default`. `break;` stands in a `switch` only.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { break; }\n");
    E122 NoGoto, Error, "rules do not jump",
        "`goto` skips what stands between it and its label. Put that into an `if` with the condition the other way round.",
        Main("# dialect: fastly\nbackend a { .host = \"127.0.0.1\"; }\nsub vcl_recv { goto end; }\n");
    E123 NoBackend, Error, "rules without a backend",
        "Varnish takes no file that names no backend. `backend default none;` says that there is none.",
        Main("vcl 4.1;\nsub vcl_recv { return (synth(200)); }\n");
    E124 BadVersion, Error, "a version of VCL that is not spoken",
        "The first line of VCL is `vcl 4.1;` or `vcl 4.0;`. Older files need to be rewritten for Varnish 4 first; doorward's own language has no such line.",
        Main("vcl 3.0;\nbackend default { .host = \"127.0.0.1\"; }\n");
    E125 BadHeaderName, Error, "no name of a header",
        "Behind `req.http.` (and `bereq.http.`, `beresp.http.`, `resp.http.`) stands the name of a header: it begins with a letter and goes on with letters, digits and `-`. Other names stand in quotes: `req.http.\"5g.example\"`.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { unset req.http.X.Y; }\n");
    E126 UselessCall, Error, "a value that goes nowhere",
        "The statement works out a value, and nothing is done with it.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { regsub(req.url, \"a\", \"b\"); }\n");
    E127 CallsTooDeep, Error, "rules lie too deep in each other",
        "A sub may call another, which calls another, up to 64 of them. Blocks, calls and values may lie in each other 150 deep, counted through all calls: so deep they fit the memory of any thread.",
        Made(|| {
            let mut text = String::from("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { call s0; }\n");
            text.extend((0..100).map(|at| format!("sub s{at} {{ call s{}; }}\n", at + 1)));
            text + "sub s100 { }\n"
        });
    E128 SecretShown, Error, "a secret would be shown",
        "What stands in a file that is included as `private` is a secret: a `let` of it, and a row of a table there. Rules may compare it, hash it and send it to a backend (`set bereq.http.Authorization = …;`); in an answer, in a reason or in a log everybody could read it. What rules put into a header of the request is not followed further.",
        Tree(&[("main.vcl", 0o644, "include private \"private.vcl\";\nbackend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_deliver { set resp.http.X-Token = token; }\n"), ("private.vcl", 0o600, "let token = \"hunter2\";\n")]);
    E160 BadLink, Error, "no address of a page",
        "The address of a status page is a whole one, as a browser shows it: `\"https://status.example\"`. It stands on error pages, so it is best on another server than the one they speak of.",
        Main("backend trac { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { .status = \"status.example\"; route \"/\" { .backend = trac; } }\n");
    W001 Unused, Warning, "nothing uses this",
        "A `let`, `backend`, `acl`, `log`, `probe`, `table` or local variable that nothing names, or a `sub` that nothing calls. It is checked all the same. Most often the name was changed in one place, or a route still points at the old server.",
        Main("let domain = \"scipy.example\";\n");
    W002 NoRoutes, Warning, "a site without routes",
        "Every visitor of this site gets a 404. Add a `route`, or take the site out.",
        Main("site \"www.example\" { }\n");
    W003 NoSites, Warning, "a gateway without sites",
        "No file of the tree declares a `site`, so every visitor is told that nothing is served here. Most often an `include` is missing.",
        Main("gateway { .workers = 2; }\n");
    W010 OpenWrite, Warning, "anyone may write",
        "The route serves a repository or a folder of files, and says nothing about who may change it, or says `anyone` although not everyone may read. Say who may: `.write = network(office);`. Where the backend itself asks for a password, `.allow = anyone;` says that this is meant.",
        Main("backend svn { .url = \"http://127.0.0.1:8000\"; }\nsite \"svn.example\" { route \"/\" { .backend = svn; .serves = subversion; } }\n");
    W011 WiderBelow, Warning, "a wider door behind a narrow one",
        "A route lies below another that fewer people may enter. The most specific route decides alone, so whoever the outer one keeps out comes in here. Where the outer route is the site's `/`, an `.allow` of its own says that this is meant. Elsewhere give both the same `.allow`; or leave the outer route open, and let a rule in `vcl_recv` close it but for the page that is for everybody.",
        Main("acl office { \"192.0.2.0\"/24; }\nbackend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"a.example\" { route \"/private/\" { .backend = a; .allow = network(office); } route \"/private/x/\" { .backend = a; } }\n");
    W012 PathRuleInRepository, Warning, "a path rule does not protect a part of a repository",
        "Subversion reaches every file of a repository by other paths too: `/svn/!svn/rvr/7/private/a.c` is the same file as `/svn/private/a.c`, and a REPORT names the path it wants in its body, where no path rule looks. So the rule keeps nobody out who may read the repository. Let Subversion itself decide (`AuthzSVNAccessFile`), or move what is private to a repository of its own. If the inner route is the root of a repository of its own (`SVNParentPath`), the rule holds and this can be passed over.",
        Main("acl office { \"192.0.2.0\"/24; }\nbackend svn { .url = \"http://127.0.0.1:8000\"; }\nsite \"a.example\" { route \"/svn/\" { .backend = svn; .serves = subversion; .write = network(office); } route \"/svn/private/\" { .backend = svn; .allow = network(office); } }\n");
    W013 NotLookedUp, Warning, "a name that is passed over",
        "Names in an `acl` are not looked up: whoever controls the name would control the list, and a start would wait for DNS. In parentheses VCL lets a name be missing, so it is passed over here.",
        Main("acl office { \"192.0.2.0\"/24; (\"office.example\"); }\ngateway { .trusted = office; }\nbackend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"a.example\" { route \"/\" { .backend = a; } }\n");
    W020 Unreachable, Warning, "never reached",
        "What stands above always leaves, by `return`, `error` or `restart`, so this is never run. Several bodies of one sub run one after another, and where the first always leaves, the second is never run.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { return (pass); set req.url = \"/\"; }\n");
    W021 AlwaysSame, Warning, "a condition that is always the same",
        "The condition does not look at the request at all. Text and numbers that are not zero are true.",
        Main("backend a { .url = \"http://127.0.0.1:8000\"; }\nsite \"www.example\" { route \"/\" { .backend = a; } }\nsub vcl_recv { if (\"/x\") { return (pass); } }\n");
    W022 StrayMacro, Warning, "a macro in another sub",
        "`#FASTLY recv` stands in `vcl_recv`, `#FASTLY fetch` in `vcl_fetch`, and so on. Here it does nothing; at Fastly the file would be refused.",
        Main("# dialect: fastly\nbackend a { .host = \"127.0.0.1\"; }\nsub vcl_recv {\n#FASTLY fetch\n}\n");
    W023 NoFile, Warning, "a file that is not there",
        "The rule names a file that can't be read. In a file that begins `vcl 4.1;` the value is unset then, as in Varnish; in doorward's own language it is an error.",
        Main("vcl 4.1;\nimport std;\nbackend default { .host = \"127.0.0.1\"; }\nsub vcl_synth { synthetic(std.fileread(\"no-such-page.html\")); }\n");
}

impl Code {
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.code().eq_ignore_ascii_case(code))
    }
}

/// What `doorward explain E014` prints.
pub fn explain(code: &str) -> Option<String> {
    let code = Code::by_code(code)?;
    let mut out =
        format!("{} ({}): {}\n\n{}\n", code.code(), code.severity().word(), code.title(), code.meaning());
    if let Main(text) = code.example() {
        out.push_str("\nFor example:\n\n");
        for line in text.lines() {
            out.push_str("    ");
            out.push_str(line);
            out.push('\n');
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_speak_in_sentences() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert_eq!(Code::by_code(code.code()), Some(*code));
            assert_eq!(code.code().starts_with('E'), code.severity() == Severity::Error);
            assert!(code.meaning().ends_with('.'), "{}", code.code());
            assert!(!code.title().ends_with('.'), "{}", code.code());
            assert!(Code::ALL.iter().skip(at + 1).all(|later| later.code() > code.code()), "{}", code.code());
        }
    }

    #[test]
    fn a_fault_is_explained_with_an_example() {
        let text = explain("e014").unwrap();
        assert!(
            text.starts_with("E014 (error): nothing of that name is declared\n\nA setting or a rule names")
        );
        assert!(text.contains("    site \"www.example\""));
        assert_eq!(explain("E999"), None);
    }
}
