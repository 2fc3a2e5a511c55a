//! Each form of the grammar, written back in one canonical spelling; and that nothing makes the parser hang,
//! overflow or complain twice.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::language::ast::{
    Argument, Assign, Block, Expr, ExprKind, Factor, Item, Member, Sign, Statement, StatementKind,
};
use crate::language::diagnostic::Diagnostics;
use crate::language::load::load;
use crate::language::source::Memory;

/// Parses one file; its items and what is wrong with it, as code and message.
fn parsed(text: &str, dialect: Dialect) -> (Sources, Vec<Item>, Vec<String>) {
    let mut sources = Sources::default();
    let file = sources.add("main.vcl".into(), text.to_owned(), false);
    let mut found = Found::default();
    let file = parse(&sources, file, dialect, &mut found, &mut Suggestions::default());
    let faults = found.iter().map(|fault| format!("{} {}", fault.code.code(), fault.message)).collect();
    (sources, file.items, faults)
}

/// The tree written with all its parentheses, so that a test reads what belongs to what.
struct Writer<'a>(&'a Sources);

impl Writer<'_> {
    fn list(&self, parts: &[Expr], between: &str) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.expr(part)).collect();
        format!("({})", parts.join(between))
    }

    fn args(&self, args: &[Argument]) -> String {
        let args: Vec<String> = args
            .iter()
            .map(|arg| {
                let value = self.expr(&arg.value);
                arg.name.map_or(value.clone(), |name| format!("{}={value}", self.0.text(name)))
            })
            .collect();
        args.join(", ")
    }

    fn expr(&self, expr: &Expr) -> String {
        let text = |span| self.0.text(span);
        match &expr.kind {
            ExprKind::Faulty => "faulty".to_owned(),
            ExprKind::Text { inner, .. } => format!("\"{}\"", text(*inner)),
            ExprKind::Blob(inner) => format!(":{}:", text(*inner)),
            ExprKind::Number(number) => number.to_string(),
            ExprKind::Real(number) => format!("{number:?}"),
            ExprKind::Duration(duration) => format!("{duration:?}"),
            ExprKind::Size(size) => format!("{size}B"),
            ExprKind::Rate => format!("rate {}", text(expr.span)),
            ExprKind::Name => text(expr.span).to_owned(),
            ExprKind::Call { name, args } => format!("{}({})", text(*name), self.args(args)),
            ExprKind::Method { of, name, args } => {
                format!("[{}].{}({})", self.expr(of), text(*name), self.args(args))
            }
            ExprKind::Braced(braced) => format!("{{{}}}", self.members(&braced.body)),
            ExprKind::Group(inner) => format!("<{}>", self.expr(inner)),
            ExprKind::Not(inner) => format!("!{}", self.expr(inner)),
            ExprKind::Negative(inner) => format!("-{}", self.expr(inner)),
            ExprKind::Sum { first, rest } => {
                let mut out = format!("({}", self.expr(first));
                for (sign, part) in rest {
                    let sign = if *sign == Sign::Plus { '+' } else { '-' };
                    let _ = write!(out, " {sign} {}", self.expr(part));
                }
                out + ")"
            }
            ExprKind::Product { first, rest } => {
                let mut out = format!("({}", self.expr(first));
                for (factor, part) in rest {
                    let sign = match factor {
                        Factor::Times => '*',
                        Factor::Over => '/',
                        Factor::Modulo => '%',
                    };
                    let _ = write!(out, " {sign} {}", self.expr(part));
                }
                out + ")"
            }
            ExprKind::Strands(parts) => self.list(parts, " "),
            ExprKind::And(parts) => self.list(parts, " && "),
            ExprKind::Or(parts) => self.list(parts, " || "),
            ExprKind::Compare { how, left, right, .. } => {
                format!("({} {how:?} {})", self.expr(left), self.expr(right))
            }
        }
    }

    fn members(&self, members: &[Member]) -> String {
        let mut out = String::new();
        for member in members {
            match member {
                Member::Setting(setting) => {
                    let values: Vec<String> = setting.values.iter().map(|value| self.expr(value)).collect();
                    let _ = write!(out, ".{}={};", self.0.text(setting.name), values.join(","));
                }
                Member::Entry(entry) => {
                    let (open, close) = if entry.lenient { ("(", ")") } else { ("", "") };
                    let not = if entry.not { "!" } else { "" };
                    let prefix = entry.prefix.map_or(String::new(), |(prefix, _)| format!("/{prefix}"));
                    let _ = write!(out, "{not}{open}{}{prefix}{close};", self.expr(&entry.address));
                }
                Member::Row(row) => {
                    let _ = write!(out, "{}:{},", self.expr(&row.key), self.expr(&row.value));
                }
                Member::Declaration(inner) => out.push_str(&self.declaration(inner)),
                Member::Block(braced) => {
                    let _ = write!(out, "{{{}}}", self.members(&braced.body));
                }
                Member::FromFile { path, .. } => {
                    let _ = write!(out, "from {};", self.expr(path));
                }
            }
        }
        out
    }

    fn declaration(&self, written: &crate::language::ast::Declaration) -> String {
        let mut out = written.kind.word().to_owned();
        if let Some(name) = &written.name {
            let _ = write!(out, " {}", self.expr(name));
        }
        for flag in &written.flags {
            let _ = write!(out, " |{}", self.0.text(*flag));
        }
        let broken = if written.broken { " broken" } else { "" };
        let _ = write!(out, " {{{}}}{broken}", self.members(&written.body));
        out
    }

    fn block(&self, block: &Block) -> String {
        let broken = if block.broken { " broken" } else { "" };
        format!("{{{}}}{broken}", self.statements(&block.statements))
    }

    fn statements(&self, statements: &[Statement]) -> String {
        let all: Vec<String> = statements.iter().map(|statement| self.statement(statement)).collect();
        all.join(" ")
    }

    fn statement(&self, statement: &Statement) -> String {
        let text = |span| self.0.text(span);
        let maybe = |value: &Option<Expr>| value.as_ref().map_or("none".to_owned(), |value| self.expr(value));
        match &statement.kind {
            StatementKind::If { arms, otherwise } => {
                let mut out = String::new();
                for (condition, block) in arms {
                    let _ = write!(out, "if {} {} ", self.expr(condition), self.block(block));
                }
                if let Some(block) = otherwise {
                    let _ = write!(out, "else {}", self.block(block));
                }
                out.trim_end().to_owned()
            }
            StatementKind::Block(block) => self.block(block),
            StatementKind::Set { target, how, value, .. } => {
                let how = if *how == Assign::Is { "=".to_owned() } else { format!("{how:?}") };
                format!("set {} {how} {};", text(*target), self.expr(value))
            }
            StatementKind::Add { target, value } => format!("add {} {};", text(*target), self.expr(value)),
            StatementKind::Unset { target } => format!("unset {};", text(*target)),
            StatementKind::Call { name } => format!("call {};", text(*name)),
            StatementKind::Return { value, parens } => format!("return {} {parens};", maybe(value)),
            StatementKind::New { name, class, args } => {
                format!("new {} {}({});", text(*name), text(*class), self.args(args))
            }
            StatementKind::Evaluate(value) => format!("do {};", self.expr(value)),
            StatementKind::Error { status, reason } => format!("error {} {};", maybe(status), maybe(reason)),
            StatementKind::Restart => "restart;".to_owned(),
            StatementKind::Esi => "esi;".to_owned(),
            StatementKind::Log(value) => format!("log {};", self.expr(value)),
            StatementKind::Synthetic { value, base64 } => format!("synthetic {} {base64};", self.expr(value)),
            StatementKind::Declare { name, of, value } => {
                format!("declare {} {} {};", text(*name), text(*of), maybe(value))
            }
            StatementKind::Switch { value, cases, .. } => {
                let mut out = format!("switch {}", self.expr(value));
                for case in cases {
                    let regex = if case.regex { "~" } else { "" };
                    let _ = write!(out, " [{regex}{}: {}]", maybe(&case.value), self.statements(&case.body));
                }
                out
            }
            StatementKind::Break => "break;".to_owned(),
            StatementKind::Fallthrough => "fallthrough;".to_owned(),
            StatementKind::Goto { label } => format!("goto {};", text(*label)),
            StatementKind::Label { label } => format!("{}:", text(*label)),
            StatementKind::Macro { name } => format!("macro {}", text(*name)),
            StatementKind::InlineC => "C".to_owned(),
            StatementKind::Import(import) => format!("import {};", text(import.name)),
            StatementKind::Include { include, body } => {
                format!("include {} [{}]", text(include.path), self.statements(body))
            }
        }
    }

    fn item(&self, item: &Item) -> String {
        let text = |span| self.0.text(span);
        match item {
            Item::Version(version) => format!("vcl {}", text(version.number)),
            Item::Let(constant) => format!("let {} {}", text(constant.name), self.expr(&constant.value)),
            Item::Include(include) => format!("include {} {}", include.private, text(include.path)),
            Item::Import(import) => format!(
                "import {} as {} from {}",
                text(import.name),
                import.alias.map_or("-", text),
                import.from.map_or("-", text)
            ),
            Item::Declaration(written) => self.declaration(written),
            Item::Sub(sub) => format!(
                "sub {} {}{}",
                text(sub.name),
                sub.returns.map_or(String::new(), |of| format!("{} ", text(of))),
                self.block(&sub.body)
            ),
            Item::InlineC(_) => "C".to_owned(),
        }
    }
}

fn written(text: &str, dialect: Dialect) -> String {
    let (sources, items, faults) = parsed(text, dialect);
    assert!(faults.is_empty(), "{text}\n{faults:#?}");
    let items: Vec<String> = items.iter().map(|item| Writer(&sources).item(item)).collect();
    items.join(" ")
}

fn statement(text: &str) -> String {
    let sub = written(&format!("sub s {{ {text} }}"), Dialect::Fastly);
    sub.strip_prefix("sub s {").and_then(|rest| rest.strip_suffix('}')).unwrap().to_owned()
}

fn faults(text: &str, dialect: Dialect) -> Vec<String> {
    parsed(text, dialect).2
}

#[test]
fn every_expression_has_its_place() {
    for (text, tree) in [
        ("a || b && c", "(a || (b && c))"),
        ("!a == b && c", "(!(a Equal b) && c)"),
        ("a + b == c - d", "((a + b) Equal (c - d))"),
        ("a + b * c % d - e / f", "(a + (b * c % d) - (e / f))"),
        ("(a + b) * c", "(<(a + b)> * c)"),
        ("-1 - -a.b", "(-1 - -a.b)"),
        (
            "1 < 2 && 1 <= 2 && 2 > 1 && 2 >= 1",
            "((1 Less 2) && (1 LessOrEqual 2) && (2 Greater 1) && (2 GreaterOrEqual 1))",
        ),
        (
            "req.url ~ \"^/x\" || client.ip !~ office",
            "((req.url Matches \"^/x\") || (client.ip MatchesNot office))",
        ),
        ("\"a\" req.url {\"b\"} \"\"\"c\"\"\"", "(\"a\" req.url \"b\" \"c\")"),
        ("\"a\"\n req.url\n \"b\"", "(\"a\" req.url \"b\")"),
        ("\"a\" req.url + \"b\" now", "((\"a\" req.url) + (\"b\" now))"),
        ("\"a\" if(b, \"c\", \"d\") \"e\"", "(\"a\" if(b, \"c\", \"d\") \"e\")"),
        ("std.integer(\"7\", fallback = 0)", "std.integer(\"7\", fallback=0)"),
        ("blob.encode(encoding = HEX, blob = :aGVs+/8=:)", "blob.encode(encoding=HEX, blob=:aGVs+/8=:)"),
        ("req.http.Cookie:name == req.http.\"x y\"", "(req.http.Cookie:name Equal req.http.\"x y\")"),
        ("req.http.X-Y-- + re.group.1 + req.http.2fa", "(req.http.X-Y-- + re.group.1 + req.http.2fa)"),
        ("req.url.lower()", "req.url.lower()"),
        ("(req.url + \"x\").lower().upper()", "[[<(req.url + \"x\")>].lower()].upper()"),
        ("\"X\".lower()", "[\"X\"].lower()"),
        ("regsub(a, \"b\", \"c\").lower()", "[regsub(a, \"b\", \"c\")].lower()"),
        ("10/s", "(10 / s)"),
        ("10s + 250ms + 10 s", "(10s + 250ms + 10s)"),
        ("1.5 * 2 + 64KB", "((1.5 * 2) + 65536B)"),
        ("0x1F", "31"),
        ("f()", "f()"),
        ("std.log (a)", "std.log(a)"),
        ("table.lookup(t, req.http.Host, \"none\")", "table.lookup(t, req.http.Host, \"none\")"),
    ] {
        assert_eq!(statement(&format!("set x = {text};")), format!("set x = {tree};"), "{text}");
    }
}

#[test]
fn every_statement_is_read() {
    for (text, tree) in [
        (
            "if (a) { } elseif (b) { } elsif (c) { } elif (d) { } else if (e) { } else { esi; }",
            "if a {} if b {} if c {} if d {} if e {} else {esi;}",
        ),
        ("{ { } }", "{{}}"),
        (
            "set a.b += 1; set a -= 1; set a *= 2; set a /= 2; set a %= 2;",
            "set a.b Add 1; set a Subtract 1; set a Multiply 2; set a Divide 2; set a Remainder 2;",
        ),
        (
            "set a |= 1; set a &= 1; set a ^= 1; set a <<= 1; set a >>= 1;",
            "set a BitOr 1; set a BitAnd 1; set a BitXor 1; set a ShiftLeft 1; set a ShiftRight 1;",
        ),
        (
            "set a rol= 1; set a ror= 1; set a &&= b; set a ||= b;",
            "set a RotateLeft 1; set a RotateRight 1; set a And b; set a Or b;",
        ),
        ("add resp.http.Set-Cookie = \"a\";", "add resp.http.Set-Cookie \"a\";"),
        (
            "unset req.http.Cookie:x; remove req.http.X-*; unset req.http.*;",
            "unset req.http.Cookie:x; unset req.http.X-*; unset req.http.*;",
        ),
        ("call a; call b();", "call a; call b;"),
        (
            "return; return (hash); return(synth(503, \"x\")); return lookup; return (a) + b;",
            "return none false; return hash true; return synth(503, \"x\") true; return lookup false; return (<a> + b) false;",
        ),
        (
            "new x = directors.round_robin(); new y = vsthrottle.z(1, a = b);",
            "new x directors.round_robin(); new y vsthrottle.z(1, a=b);",
        ),
        (
            "std.log(\"a\"); hash_data(req.url); ban(\"a\"); x.add_backend(b); synthetic(\"a\");",
            "do std.log(\"a\"); do hash_data(req.url); do ban(\"a\"); do x.add_backend(b); do synthetic(\"a\");",
        ),
        (
            "error 403 \"no\"; error 503; error; error 601 \"a\" req.url; error var.n var.s;",
            "error 403 \"no\"; error 503 none; error none none; error 601 (\"a\" req.url); error var.n var.s;",
        ),
        ("restart; esi; log \"a\" req.url; log (\"x\");", "restart; esi; log (\"a\" req.url); log <\"x\">;"),
        (
            "synthetic {\"a\"} req.url; synthetic.base64 \"YQ==\";",
            "synthetic (\"a\" req.url) false; synthetic \"YQ==\" true;",
        ),
        (
            "declare local var.x STRING; declare local var.y INTEGER = 3;",
            "declare var.x STRING none; declare var.y INTEGER 3;",
        ),
        (
            "switch (req.http.Host) { case \"a\": esi; break; case ~ \"b\": fallthrough; default: if (c) { } break; }",
            "switch req.http.Host [\"a\": esi; break;] [~\"b\": fallthrough;] [none: if c {} break;]",
        ),
        ("goto there; there: esi;", "goto there; there: esi;"),
        ("#FASTLY recv\n esi;", "macro recv esi;"),
        ("import std; include \"x.vcl\";", "import std; include x.vcl []"),
        (
            "log.info(\"a\"); error.say(b); set.add(c); default.x();",
            "do log.info(\"a\"); do error.say(b); do set.add(c); do default.x();",
        ),
        ("set if = log; set x = default;", "set if = log; set x = default;"),
        ("set x = {END\"a\"}\"END};", "set x = \"a\"}\";"),
        (";;esi;;", "esi;"),
    ] {
        assert_eq!(statement(text), tree, "{text}");
    }
}

#[test]
fn every_declaration_is_read() {
    for (text, tree) in [
        (
            "vcl 4.1; import std; import std as s; import x from \"y\";",
            "vcl 4.1 import std as - from - import std as s from - import x as - from y",
        ),
        ("include \"a\"; include private \"b\";", "include false a include true b"),
        (
            "backend a none; backend b { .host = \"h\"; .probe = { .url = \"/\"; } .port = \"80\"; }",
            "backend a |none {} backend b {.host=\"h\";.probe={.url=\"/\";};.port=\"80\";}",
        ),
        (
            "backend b { .probe = { .request = \"GET / HTTP/1.1\" \"Host: x\"\n\"A: b\"; }; .share_key = \"x\"; }",
            "backend b {.probe={.request=(\"GET / HTTP/1.1\" \"Host: x\" \"A: b\");};.share_key=\"x\";}",
        ),
        (
            "probe p { .request = \"a\" \"b\"; .timeout = 2s; .threshold = 3; }",
            "probe p {.request=(\"a\" \"b\");.timeout=2s;.threshold=3;}",
        ),
        (
            "acl a -pedantic +log +fold(-report) { \"1.2.3.0\"/24; ! \"1.2.3.4\"; (\"h\"); ! (\"h\"/8); (\"h\")/8; \"1.2.3.4/24\"; from file \"x\"; }",
            "acl a |-pedantic |+log |+fold(-report) {\"1.2.3.0\"/24;!\"1.2.3.4\";(\"h\");!(\"h\"/8);(\"h\"/8);\"1.2.3.4/24\";from \"x\";}",
        ),
        (
            "table t { \"a\": \"b\", \"c\":\"d\" } table u INTEGER { \"a\": -1, \"b\":2, }",
            "table t {\"a\":\"b\",\"c\":\"d\",} table u |INTEGER {\"a\":-1,\"b\":2,}",
        ),
        ("table t BACKEND { from file \"x\"; \"a\":site,\n}", "table t |BACKEND {from \"x\";\"a\":site,}"),
        (
            "director d random { .quorum = 50%; .retries = 3; { .backend = a; .weight = 1; } { .backend = b; .weight = 2; } }",
            "director d |random {.quorum=50;.retries=3;{.backend=a;.weight=1;}{.backend=b;.weight=2;}}",
        ),
        ("penaltybox p { } ratecounter r { }", "penaltybox p {} ratecounter r {}"),
        (
            "sub f STRING { return \"a\"; } sub log { } sub site { }",
            "sub f STRING {return \"a\" false;} sub log {} sub site {}",
        ),
        (
            "backend site { .url = \"x\"; } backend a-b { } backend none { }",
            "backend site {.url=\"x\";} backend a-b {} backend none {}",
        ),
        (
            "site any { route \"/\" { .limit = 10/s; } route exact \"/x\" { } }",
            "site any {route \"/\" {.limit=rate 10/s;}route \"/x\" |exact {}}",
        ),
        ("site \"www.\" + domain { .a = 1, 2; }", "site (\"www.\" + domain) {.a=1,2;}"),
    ] {
        assert_eq!(written(text, Dialect::Fastly), tree, "{text}");
        assert_eq!(written(text, Dialect::Doorward), tree, "{text}");
    }
}

#[test]
fn what_varnish_alone_spells_so_is_read() {
    for (text, tree) in [
        (
            "SET req.http.a = \"b\"; If (a) { } else { } RETURN (pass);",
            "set req.http.a = \"b\"; if a {} else {} return pass true;",
        ),
        ("set a = 1. + 1.5MB + 10 s;", "set a = (1.0 + 1572864B + 10s);"),
    ] {
        assert_eq!(written(&format!("sub s {{ {text} }}"), Dialect::Varnish), format!("sub s {{{tree}}}"));
    }
    for text in ["set req.http.2a = \"b\";", "set req.http.a:b = \"c\";", "set a = 0x10;"] {
        assert_eq!(faults(&format!("sub s {{ {text} }}"), Dialect::Varnish).len(), 1, "{text}");
    }
}

#[test]
fn what_the_dialect_does_not_know_is_said() {
    let text = "vcl 4.1;\nbackend b none;;\nsub a { call b(); set req.url = \"a\" \"b\"; ; }\n/* /* */";
    assert_eq!(
        faults(text, Dialect::Varnish),
        [
            "E008 a comment begins in a comment",
            "E010 this `;` ends nothing",
            "E010 a sub is called by its name alone",
            "E010 two values stand side by side",
            "E010 this `;` ends nothing",
        ]
    );
    assert_eq!(faults(text, Dialect::Doorward), Vec::<String>::new());
    for (text, dialect) in [
        ("vcl 4.1; backend a none;", Dialect::Varnish),
        ("# a\n/* vcl 3; */ vcl\t4.0;", Dialect::Varnish),
        ("# dialect: fastly\nsub a { }", Dialect::Fastly),
        ("# a\n# dialect: fastly\n", Dialect::Doorward),
        ("vclx 4.1;", Dialect::Doorward),
        ("", Dialect::Doorward),
    ] {
        assert_eq!(crate::language::lexer::dialect(text), dialect, "{text}");
    }
    // Elsewhere the macro is a comment.
    assert_eq!(written("sub a { #FASTLY recv\n }", Dialect::Doorward), "sub a {}");
}

/// Each with exactly one fault, however much hangs on it.
#[test]
fn a_fault_is_said_once_and_the_rest_is_read() {
    for (text, fault) in [
        ("if (req.url ~ \"x\" { esi; } else { esi; }", "E010 expected `)`, found `{`"),
        ("if req.url { esi; } elsif (a) { esi; }", "E010 expected `(`, found `req`"),
        ("if (a = b) { esi; }", "E010 `=` gives a value; values are compared by `==`"),
        ("if (a == b == c) { esi; }", "E010 a comparison of a comparison"),
        ("if (a) esi;", "E010 expected `{`, found `esi`"),
        ("else { esi; }", "E010 this `else` belongs to no `if`"),
        ("retrun (pass);", "E010 there is no statement called `retrun`"),
        ("sett a = b;", "E010 there is no statement called `sett`"),
        ("a = b;", "E010 a value is given by `set`"),
        ("a;", "E010 a value alone does nothing"),
        ("set a == b;", "E010 `==` compares; a value is given by `=`"),
        ("set a b;", "E010 expected `=`, found `b`"),
        ("set a = ;", "E010 expected a value, found `;`"),
        ("set a = b\n", "E011 a `;` is missing"),
        ("set a = 1 unset b;", "E011 a `;` is missing"),
        ("set a = b & c;", "E010 `&` has no meaning in a value"),
        ("set a = f(b;", "E010 expected `)`, found `;`"),
        ("set a = 10 20;", "E010 expected `;`, found `20`"),
        ("set = 3;", "E010 expected the name of what is set, found `=`"),
        ("case \"a\": esi;", "E025 `case` stands in a `switch` only"),
        ("switch (a) { esi; case \"a\": esi; }", "E010 expected `case`, `default` or `}`, found `esi`"),
        ("switch (a) { case \"a\" esi; case \"b\": esi; }", "E010 expected `:`, found `esi`"),
        ("while (a) { esi; }", "E010 rules have no loops"),
        (".url = \"a\";", "E025 `.url` stands in no declaration"),
        ("C{ int a; }C", "E113 C code is never run here"),
        ("include +glob \"./*.vcl\";", "E016 this version of doorward does not know `+glob` yet"),
        ("declare var.x STRING;", "E010 expected `local`, found `var`"),
        ("new x directors.round_robin();", "E010 expected `=`, found `directors`"),
        ("set a = req . url;", "E010 a name is written without spaces"),
        ("set a = 'b';", "E009 strings stand between double quotes"),
        ("@", "E009 `@` means nothing here"),
        (") esi;", "E010 expected a statement or `}`, found `)`"),
    ] {
        let (sources, items, found) =
            parsed(&format!("sub a {{\n esi; {text}\n restart; }} sub b {{ }}"), Dialect::Doorward);
        assert_eq!(found, [fault], "{text}");
        let items: Vec<String> = items.iter().map(|item| Writer(&sources).item(item)).collect();
        let all = items.join(" ");
        assert!(all.starts_with("sub a {esi;") && all.ends_with(" sub b {}"), "{text}: {all}");
        assert!(all.contains(" restart;}"), "{text}: {all}");
    }
}

#[test]
fn a_missing_brace_is_said_once() {
    for text in [
        "sub a {\n if (b) {\n esi;\n\nsub c { }\n",
        "sub a {\n switch (b) {\n case \"c\":\n esi;\n\nbackend c none;\n",
        "sub a {\n if (b) {\n if (c) {\n esi;\n",
        "site \"a\" {\n route \"/\" {\n",
    ] {
        assert_eq!(faults(text, Dialect::Doorward), ["E012 this `{` is never closed"], "{text}");
    }
}

#[test]
fn depth_is_bounded_and_has_a_place() {
    let deep = |open: &str, close: &str| {
        format!("sub a {{ {}{} esi; }} sub b {{ }}", open.repeat(10_000), close.repeat(10_000))
    };
    for (text, fault) in [
        (deep("if (a) { ", "}"), "E013 blocks are nested too deep"),
        (deep("{ ", "}"), "E013 blocks are nested too deep"),
        (deep("switch (a) { case 1: ", "}"), "E013 blocks are nested too deep"),
        (
            format!("sub a {{ set b = {}1{}; }}", "(".repeat(10_000), ")".repeat(10_000)),
            "E013 this expression is nested too deep",
        ),
        (format!("sub a {{ set b = {}1; }}", "-".repeat(10_000)), "E013 this expression is nested too deep"),
        (format!("sub a {{ set b = {}1; }}", "!".repeat(10_000)), "E013 this expression is nested too deep"),
        (
            format!("sub a {{ set b = \"\"{}; }}", ".lower()".repeat(10_000)),
            "E013 this expression is nested too deep",
        ),
        (
            format!("sub a {{ set b = {}1{}; }}", "f(".repeat(10_000), ")".repeat(10_000)),
            "E013 this expression is nested too deep",
        ),
        (
            format!("backend a {{ .probe = {}{} }}", "{ .probe = ".repeat(10_000), "}".repeat(10_000)),
            "E013 declarations are nested too deep",
        ),
    ] {
        let short: String = text.chars().take(60).collect();
        assert_eq!(faults(&text, Dialect::Doorward), [fault], "{short}");
    }
    // What is long is not deep.
    let long = format!(
        "sub a {{ if (a) {{ }} {} set b = \"a\"{}{}; set c = 1{}; }}",
        "elsif (a) { }".repeat(50_000),
        " req.url".repeat(50_000),
        " + \"x\"".repeat(50_000),
        " * 2".repeat(50_000)
    );
    assert_eq!(faults(&long, Dialect::Doorward), Vec::<String>::new());
}

#[test]
fn files_of_statements_stand_in_subs() {
    let files = Memory::default()
        .with(
            "main.vcl",
            0o644,
            "vcl 4.1; sub a { if (b) { include \"x/s.vcl\"; } } sub c { include \"x/s.vcl\"; }",
        )
        .with("x/s.vcl", 0o644, "esi; include \"t.vcl\"; { }")
        .with("x/t.vcl", 0o644, "restart;");
    let loaded = load(&files, Path::new("main.vcl"));
    assert_eq!(loaded.dialect, Dialect::Varnish);
    let found = Diagnostics::new(loaded.sources.into(), loaded.found);
    assert_eq!(found.count(), (0, 0), "{found}");
    let loaded = load(&files, Path::new("main.vcl"));
    let items: Vec<String> = loaded.items.iter().map(|item| Writer(&loaded.sources).item(item)).collect();
    assert_eq!(
        items.join(" "),
        "vcl 4.1 sub a {if b {include x/s.vcl [esi; include t.vcl [restart;] {}]}} \
         sub c {include x/s.vcl [esi; include t.vcl [restart;] {}]}"
    );
    for (text, inner, expected) in [
        ("sub a { include \"s.vcl\"; include \"s.vcl\"; }", "sett a = b; esi;", vec!["E010"]),
        ("sub a { include \"s.vcl\"; }", "include \"s.vcl\";", vec!["E004"]),
        ("sub a { include \"main.vcl\"; }", "", vec!["E004"]),
        ("sub a { include \"t.vcl\"; }", "", vec!["E001"]),
        ("sub a { include \"s.vcl\"; }", "esi; } sub b { esi;", vec!["E012", "E025"]),
        ("sub a { include \"s.vcl\"; }", "esi;\nsub b { esi; }", vec!["E025"]),
    ] {
        let files = Memory::default().with("main.vcl", 0o644, text).with("s.vcl", 0o644, inner);
        let loaded = load(&files, Path::new("main.vcl"));
        let codes: Vec<&str> = loaded.found.iter().map(|fault| fault.code.code()).collect();
        assert_eq!(codes, expected, "{text} {inner}");
    }
    // Each file twice in the next: what grows without bound is stopped.
    let mut files = Memory::default().with("main.vcl", 0o644, "sub a { include \"0\"; }");
    for at in 0..15 {
        let name = at.to_string();
        files = files.with(&name, 0o644, format!("include \"{0}\"; include \"{0}\";", at + 1));
    }
    let loaded = load(&files.with("15", 0o644, "esi;"), Path::new("main.vcl"));
    assert!(loaded.found.iter().any(|fault| fault.code == Code::TooManyIncludes));
    // Blocks of included files count from where they stand.
    let files = Memory::default()
        .with("main.vcl", 0o644, format!("sub a {{ {} include \"s\"; {} }}", "{".repeat(60), "}".repeat(60)))
        .with("s", 0o644, format!("{}{}", "{".repeat(10), "}".repeat(10)));
    let loaded = load(&files, Path::new("main.vcl"));
    assert_eq!(loaded.found.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::TooDeep]);
}

#[test]
fn a_private_text_is_in_no_fault() {
    let secret = "hunter2";
    for text in [
        format!(
            "sub a {{ sett {secret} = \"{secret}\"; {secret} {secret}; set {secret} \"{secret}\"; if ({secret} = 1) {{ }} }}"
        ),
        format!("table t {{ \"{secret}\" \"{secret}\", \"a\": {secret} {secret} }} vcl 9.{secret};"),
        format!(
            "backend {secret} {{ {secret} = 1; {secret} }} {secret} \"{secret}\"; sub {secret} {{ case {secret}: }}"
        ),
    ] {
        let files = Memory::default().with("main.vcl", 0o644, "include private \"p.vcl\";").with(
            "p.vcl",
            0o600,
            text.clone(),
        );
        let loaded = load(&files, Path::new("main.vcl"));
        let found = Diagnostics::new(loaded.sources.into(), loaded.found);
        assert!(found.count().0 > 0);
        assert!(!found.draw().contains(secret), "{}", found.draw());
    }
}

#[test]
fn any_tokens_at_all_are_parsed_to_the_end() {
    let pieces = [
        "sub a {",
        "if (",
        ")",
        "{",
        "}",
        "else",
        "elsif (b) {",
        "set a.b",
        "=",
        "+=",
        "\"x\"",
        "{\"y\"}",
        ";",
        "switch (a) {",
        "case \"a\":",
        "default:",
        "return",
        "(",
        "10s",
        "1",
        "/",
        "-",
        "!",
        "~",
        "&&",
        "table t {",
        "\"k\":",
        ",",
        "acl a {",
        "backend b {",
        ".url",
        "site \"a\" {",
        "route \"/\" {",
        "error",
        "log",
        "#c\n",
        "\n",
        ".",
        ":",
        "C{ }C",
        "new x",
        "call",
        "include \"x\";",
        "let a",
        "director d random {",
        "probe p {",
        "vcl 4.1;",
        "import std;",
        "goto",
        "@",
        "none",
    ];
    let mut seed = 11_u64;
    for dialect in [Dialect::Doorward, Dialect::Varnish, Dialect::Fastly] {
        for _ in 0..4_000 {
            let mut text = String::new();
            for _ in 0..24 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
                text.push(if seed >> 63 == 1 { ' ' } else { '\n' });
            }
            parsed(&text, dialect);
        }
    }
}

#[test]
fn a_hundred_thousand_lines_are_parsed_at_once() {
    let mut text = String::new();
    for at in 0..10_000 {
        let _ = write!(
            text,
            "sub s{at} {{\n    # a comment\n    if (req.url ~ \"^/x{at}/\" && req.http.Cookie:a != \"b\") {{\n        \
             set req.http.X-A = \"a\" + req.url + {{\"b\"}};\n        unset req.http.Cookie;\n        \
             return (synth(403, \"no\"));\n    }} else {{\n        std.log(\"x\" + {at});\n    }}\n}}\n"
        );
    }
    assert!(text.lines().count() >= 100_000);
    let begun = crate::base::clock::now();
    assert_eq!(faults(&text, Dialect::Doorward), Vec::<String>::new());
    // Unoptimised and on a busy machine; a quadratic parser would need hours.
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}
