//! Tables, names in paths, and who may come in.

use http::Method;

use super::*;
use crate::base::address::ClientIp;
use crate::plan::{Access, Answers, BackendId, Serves};
use crate::rules::Table;

fn codes(text: &str) -> Vec<&'static str> {
    faults(text).iter().map(|fault| fault.code.code()).collect()
}

const APPS: &str = "backend a { .url = \"http://a\"; } backend b { .url = \"http://b\"; }";

#[test]
fn a_table_holds_rows_of_its_type() {
    for (of, rows) in [
        ("", "\"a\": \"b\","),
        ("STRING", "\"a\": {\"long\"}, \"b\": if(yes, \"c\", \"d\"), \"c\": \"x\" + \"y\""),
        ("BOOL", "\"a\": yes, \"b\": false,"),
        ("INT", "\"a\": 7, \"b\": -7,"),
        ("INTEGER", "\"a\": 7,"),
        ("REAL", "\"a\": 1.5, \"b\": 2, \"c\": -0.5,"),
        ("FLOAT", "\"a\": 1.5,"),
        ("DURATION", "\"a\": 5s, \"b\": 1.5h,"),
        ("RTIME", "\"a\": 5s,"),
        ("BYTES", "\"a\": 64KB,"),
        ("IP", "\"a\": \"192.0.2.1\", \"b\": \"::1\","),
        ("BACKEND", "\"a\": a, \"b\": b,"),
    ] {
        let text = format!(
            "table t {of} {{ {rows} }} {APPS} site \"a\" {{ route \"/\" {{ .backend = a; }} route \"/b\" {{ .backend = b; }} }}"
        );
        let found = faults(&text);
        assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::Unused], "{found}");
    }
    for (of, rows, code) in [
        ("", "\"a\": 5,", "E020"),
        ("", "\"a\": \"b\", \"a\": \"c\",", "E071"),
        ("", "\"\": \"b\",", "E072"),
        ("", "5: \"b\",", "E010"),
        ("", ".name = 5;", "E025"),
        ("INT", "\"a\": 1.5,", "E020"),
        ("INT", "\"a\": \"1\",", "E020"),
        ("IP", "\"a\": \"192.0.2\",", "E020"),
        ("BACKEND", "\"a\": nowhere,", "E014"),
        ("BACKEND", "\"a\": 5,", "E020"),
        ("ACL", "\"a\": b,", "E018"),
        ("STRNG", "\"a\": \"b\",", "E018"),
        ("INT INT", "\"a\": 5,", "E025"),
    ] {
        let text = format!(
            "table t {of} {{ {rows} }} {APPS} site \"a\" {{ route \"/\" {{ .backend = a; }} route \"/b\" {{ .backend = b; }} }}"
        );
        let found = faults(&text);
        let errors: Vec<&str> =
            found.iter().filter(|fault| fault.is_error()).map(|fault| fault.code.code()).collect();
        assert_eq!(errors.first(), Some(&code), "{rows}\n{found}");
    }
}

#[test]
fn settings_look_things_up() {
    let text = "
        let level = \"test\";
        table hosts { \"live\": \"www.example\", \"test\": \"test.example\", }
        table waits DURATION { \"test\": 7s, }
        table sizes BYTES { \"test\": 7KB, }
        table counts INT { \"test\": 7, }
        table switches BOOL { \"test\": no, }
        table apps BACKEND { \"test\": b, }
        backend a { .url = \"http://a\"; .host_header = lookup(hosts, \"nobody\", \"else.example\"); }
        backend b { .url = \"http://\" + lookup(hosts, level); .idle_max = lookup(counts, level); .connect_timeout = lookup(waits, level); }
        site lookup(hosts, level) { .force_https = lookup(switches, level);
            route \"/\" { .backend = lookup(apps, level); .body_bytes_max = lookup(sizes, level); }
            route \"/a\" { .backend = lookup(apps, \"live\", a); } }";
    let found = settings(text);
    assert_eq!((&*found.sites[0].name, found.sites[0].force_https), ("test.example", false));
    assert_eq!(found.sites[0].routes[0].answers, Answers::Backend(BackendId(1)));
    assert_eq!(found.sites[0].routes[0].body_bytes_max, Some(7 << 10));
    assert_eq!(found.sites[0].routes[1].answers, Answers::Backend(BackendId(0)));
    assert_eq!(found.backends[0].host_header.as_deref(), Some("else.example"));
    assert_eq!((found.backends[1].idle_max, found.backends[1].connect_timeout.as_secs()), (7, 7));
    for (wrong, code) in [
        ("lookup(hosts, \"lvie\")", "E073"),
        ("lookup(hosts)", "E026"),
        ("lookup(host, \"live\")", "E014"),
        ("lookup(hosts, 5)", "E020"),
        ("lookup(counts, \"a\")", "E020"),
    ] {
        let text = format!(
            "table hosts {{ \"live\": \"l\", }} table counts INT {{ \"a\": 5, }} {APPS} site {wrong} {{ route \"/\" {{ .backend = a; }} }}"
        );
        assert_eq!(codes(&text), [code], "{wrong}\n{}", faults(&text));
    }
    assert_eq!(
        codes(&format!(
            "table t {{ \"a\": \"b\", }} let x = lookup(t, \"a\"); {APPS} site x {{ route \"/\" {{ .backend = a; }} }}"
        )),
        ["E027"]
    );
}

#[test]
fn a_table_takes_rows_from_a_file() {
    let read = |of: &str, rows: &str| {
        compiled(
            &Memory::default()
                .with("etc/main.vcl", 0o644, "include \"sub/more.vcl\";")
                .with("main.vcl", 0o644, "include \"sub/more.vcl\";")
                .with("sub/more.vcl", 0o644, format!("table t {of} {{ \"own\": x, from file \"rows.txt\"; }} let x = \"1\"; backend b {{ .url = \"http://b\"; }}
                    site lookup(t, \"a\") + lookup(t, \"b c\") + lookup(t, \"own\") {{ route \"/\" {{ .backend = b; }} }}"))
                .with("sub/rows.txt", 0o644, rows),
        )
    };
    let found = read("STRING", "# projects\na  one#two \n\n\"b c\"\t\"three four\"\r\n")
        .map(|found| found.sites[0].name.clone());
    // Not a host, but looked up.
    assert!(found.unwrap_err().lines().contains("`one#twothree four1` is no host name"));
    let wrong = read("STRING", "a x\nb\n\"c d\nb c\nd \"x\ne \"x\" y\na z\nown 5\n").unwrap_err();
    assert_eq!(
        wrong.lines(),
        "sub/rows.txt:2:1: error[E072]: this line is no row of the table; write a key and a value on each line\n\
         sub/rows.txt:3:1: error[E072]: this line is no row of the table; a `\"` has no partner\n\
         sub/rows.txt:5:1: error[E072]: this line is no row of the table; the `\"` that ends the value does not end the line\n\
         sub/rows.txt:6:1: error[E072]: this line is no row of the table; the `\"` that ends the value does not end the line\n\
         sub/rows.txt:7:1: error[E071]: a second row for `a`; take one of them out; sub/rows.txt:1: the first stands here\n\
         sub/rows.txt:8:1: error[E071]: a second row for `own`; take one of them out; sub/more.vcl:1: the first stands here\n"
    );
    let missing = compiled(&Memory::default().with(
        "main.vcl",
        0o644,
        format!("table t {{ from file \"nowhere\"; }} {TWO}"),
    ))
    .unwrap_err();
    assert!(
        missing
            .lines()
            .contains("main.vcl:1:22: error[E001]: `nowhere` cannot be read: there is no such file"),
        "{missing}"
    );
    let odd = |bytes: &[u8]| {
        let files = Memory::default()
            .with("main.vcl", 0o644, format!("table t {{ from file \"r\"; }} {TWO}"))
            .with("r", 0o644, bytes.to_vec());
        compiled(&files).unwrap_err().iter().next().unwrap().code
    };
    assert_eq!((odd(b"a \xff"), odd(b"a \0")), (Code::NotText, Code::NotText));
}

#[test]
fn a_private_table_is_private() {
    let tree = |mode: u32| {
        Memory::default()
            .with("main.vcl", 0o644, format!("include private \"p.vcl\"; site lookup(t, \"a\") {{ route \"/\" {{ .backend = lookup(t, \"b\"); }} }} {APPS}"))
            .with("p.vcl", 0o600, "table t { from file \"rows.txt\"; }")
            .with("rows.txt", mode, "a hunter2@\nhunter3\n")
    };
    let found = compiled(&tree(0o600)).unwrap_err();
    for shown in [found.draw(), found.lines(), found.json()] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
    assert!(compiled(&tree(0o644)).unwrap_err().iter().any(|fault| fault.code == Code::NotPrivate));
}

/// Who answers for a path: the backend's place, or nothing.
fn answers(found: &Settings, path: &str) -> Option<usize> {
    let table = Table::new(found.sites.clone());
    let path = crate::message::SitePath::parse(path.as_bytes()).unwrap();
    table.site("a.example")?.site.route(&path)?.backend().map(|backend| backend.0)
}

#[test]
fn a_name_in_a_path_chooses_the_backend() {
    let found = settings(&format!(
        "{APPS} backend c {{ .url = \"http://c\"; }}
         table projects BACKEND {{ \"numpy\": a, \"größe\": b, \"with space\": b, \"g/x\": a, }}
         site \"a.example\" {{
             route \"/svn/{{project}}/\" {{ .backend = lookup(projects, \"{{project}}\"); .allow = anyone; }}
             route \"/git/{{group}}/{{project}}/\" {{ .backend = lookup(projects, \"{{group}}/{{project}}\", c); }}
             route exact \"/robots.txt\" {{ .backend = if(no, a, lookup(projects, \"numpy\")); }}
         }}"
    ));
    assert!(found.warnings.is_empty(), "{}", found.warnings);
    for (path, backend) in [
        ("/svn/numpy/trunk", Some(0)),
        ("/svn/gr%c3%b6%C3%9Fe", Some(1)),
        ("/svn/with%20space/", Some(1)),
        ("/svn/other/", None),
        ("/svn/", None),
        ("/git/g/x/info", Some(0)),
        ("/git/g/y/info", Some(2)),
        ("/robots.txt", Some(0)),
        ("/robots.txt/x", None),
    ] {
        assert_eq!(answers(&found, path), backend, "{path}");
    }
    for (route, code) in [
        ("route \"/{p}/\" { .backend = lookup(projects, \"{q}\"); }", "E074"),
        ("route \"/p/\" { .backend = lookup(projects, \"{p}\"); }", "E074"),
        ("route \"/{p}/\" { .backend = lookup(projects, \"{p\"); }", "E074"),
        ("route \"/{p}/\" { .backend = lookup(titles, \"{p}\"); }", "E020"),
        ("route \"/{p}/\" { .backend = lookup(projects, \"nobody\"); }", "E073"),
        ("route \"/{p}/\" { .backend = a; } route \"/{q}\" { .backend = a; }", "E035"),
        ("route exact \"/p\" { .backend = a; } route exact \"/p/\" { .backend = a; }", "E035"),
        ("route exakt \"/p\" { .backend = a; }", "E025"),
        ("route \"/{p}x/\" { .backend = a; }", "E034"),
    ] {
        let text = format!(
            "backend a {{ .url = \"http://a\"; }} table projects BACKEND {{ \"numpy\": a, }} table titles {{ \"a\": \"b\", }} site \"a.example\" {{ {route} }}"
        );
        let found = faults(&text);
        let errors: Vec<&str> =
            found.iter().filter(|fault| fault.is_error()).map(|fault| fault.code.code()).collect();
        assert_eq!(errors, [code], "{route}\n{found}");
    }
}

/// A site with routes over a table of backends, and a log whose file is named by `{project}`.
fn projects(rows: &str, routes: &str) -> String {
    format!(
        "{APPS} table projects BACKEND {{ {rows} }} table other BACKEND {{ \"g/x\": b, \"h/y\": b, }}\n\
         log l {{ .file = \"{{state}}/{{site}}/{{project}}-{{day}}.log\"; }}\n\
         site \"a.example\" {{ {routes} route \"/\" {{ .backend = b; }} }}"
    )
}

#[test]
fn what_a_visitor_types_names_no_file() {
    const ROW: &str = "\"numpy\": a,";
    let found = super::settings(&projects(
        "\"numpy\": a, \"größe\": a,",
        "route \"/{group}/x/{project}/\" { .backend = lookup(projects, \"{project}\"); .log = l; }",
    ));
    let log = found.sites[0].routes[0].log.as_deref().unwrap();
    assert_eq!((log.log.0, &*log.names), (0, &[1][..]));
    assert_eq!(found.sites[0].routes[1].log, None);
    assert_eq!(&*found.logs[0].file, "/var/lib/doorward/{site}/{project}-{day}.log");
    assert_eq!(found.logs[0].names.iter().map(|name| &**name).collect::<Vec<_>>(), ["project"]);
    for good in [
        "route \"/{group}/{project}/\" { .backend = lookup(other, \"{group}/{project}\"); .log = l; }",
        "route \"/{project}/\" { .backend = lookup(projects, \"{project}\"); .log = l; } route \"/git/{project}/\" { .backend = lookup(projects, \"{project}\"); .log = l; }",
    ] {
        super::settings(&projects(ROW, good));
    }
    for (routes, why) in [
        ("route \"/{project}/\" { .backend = a; .log = l; }", "confine it to the rows of a table"),
        (
            "route \"/{project}/\" { .backend = lookup(projects, \"{project}\", b); .log = l; }",
            "take the third part out",
        ),
        (
            "route \"/{project}/\" { .backend = lookup(projects, \"numpy\"); .log = l; }",
            "confine it to the rows of a table",
        ),
        (
            "route \"/{project}/{part}/\" { .backend = lookup(projects, \"{part}\"); .log = l; }",
            "confine it to the rows of a table",
        ),
        (
            "route \"/{a}/{project}/\" { .backend = lookup(projects, \"{a}-{project}\"); .log = l; }",
            "put a `/` between the names",
        ),
        ("route \"/{projekt}/\" { .backend = lookup(projects, \"{projekt}\"); .log = l; }", "did you mean"),
        (
            "route \"/{x}/\" { .backend = lookup(projects, \"{x}\"); .log = l; } route \"/a/{project}\" { .backend = a; }",
            "this path has `{x}`",
        ),
        (
            "route \"/y/\" { .backend = a; .log = l; } route \"/{project}\" { .backend = a; }",
            "this path has no names",
        ),
        (
            ".log = l; route \"/{project}/\" { .backend = lookup(projects, \"{project}\"); }",
            "a whole site has no names",
        ),
    ] {
        let found = faults(&projects(ROW, routes));
        let errors: Vec<&str> =
            found.iter().filter(|fault| fault.is_error()).map(|fault| fault.code.code()).collect();
        assert_eq!(errors, ["E038"], "{routes}\n{found}");
        assert!(found.draw().contains(why), "{routes}\n{}", found.draw());
    }
}

#[test]
fn a_key_that_names_a_file_is_judged_where_it_stands() {
    const ROUTE: &str = "route \"/{project}/\" { .backend = lookup(projects, \"{project}\"); .log = l; }";
    let long = "x".repeat(101);
    for (key, why) in [
        ("..", "no path can hold it"),
        (".git", "hidden"),
        ("a/b", "holds no `/`"),
        ("a%2Fb", "encoded slash"),
        (&*long, "longer than 100 bytes"),
    ] {
        let found = faults(&projects(&format!("\"numpy\": a,\n\"{key}\": b,"), ROUTE));
        let errors: Vec<&str> =
            found.iter().filter(|fault| fault.is_error()).map(|fault| fault.code.code()).collect();
        assert_eq!(errors, ["E038"], "{key}\n{found}");
        assert!(found.lines().contains("main.vcl:2:1: ") && found.draw().contains(why), "{}", found.draw());
    }
    // From a file of rows, each with its place.
    let text = projects("from file \"rows.txt\";", ROUTE);
    let files = Memory::default().with("main.vcl", 0o644, text).with(
        "rows.txt",
        0o644,
        "good a\n# hidden\n\".one\" a\n  .two b\n",
    );
    let found = super::compiled(&files).unwrap_err();
    assert!(found.lines().contains("rows.txt:3:1: "), "{found}");
    assert!(found.lines().contains("rows.txt:4:3: "), "{found}");
}

#[test]
fn no_two_write_to_one_file() {
    let text = |file: &str, rows: &str| {
        format!(
            "{APPS} table t BACKEND {{ {rows} }} log plain {{ .file = \"{{state}}/plain\"; }} log l {{ .file = \"{file}\"; .errors = \"{{state}}/log/{{site}}/error-{{day}}.log\"; }}\n\
             site \"a.example\" {{ route \"/{{g}}/{{p}}/\" {{ .backend = lookup(t, \"{{g}}/{{p}}\"); .log = l; }} route \"/\" {{ .backend = a; .log = plain; }} }}"
        )
    };
    for (file, rows, good) in [
        ("{state}/{p}", "\"x/plain\": a,", false),
        ("{state}/log/{site}/{p}-{day}.log", "\"x/access\": a,", false),
        ("{state}/log/{g}-{day}.log", "\"doorward/x\": a,", false),
        ("{state}/{g}-{p}.log", "\"a-b/c\": a, \"a/b-c\": a,", false),
        ("{state}/{g}/{p}.log", "\"a-b/c\": a, \"a/b-c\": a,", true),
        ("{state}/{g}.log", "\"a/b\": a, \"a/c\": a,", true),
    ] {
        let found = super::compiled(&Memory::default().with("main.vcl", 0o644, text(file, rows)));
        match found {
            Ok(_) => assert!(good, "{file}"),
            Err(found) => {
                assert!(
                    !good
                        && found.draw().contains("E038")
                        && found.draw().contains("would be that of another"),
                    "{file}\n{found}"
                );
            }
        }
    }
}

#[test]
fn reading_and_writing_have_doors_of_their_own() {
    let inside = ClientIp::new("192.0.2.1".parse().unwrap());
    let outside = ClientIp::new("203.0.113.1".parse().unwrap());
    // Who may read and who may write from outside and from the office, and whether a warning is given.
    for (settings, reads, writes, warns) in [
        ("", [true, true], [true, true], false),
        (".allow = network(office);", [false, true], [false, true], false),
        (".read = network(office);", [false, true], [false, true], false),
        (".write = network(office);", [true, true], [false, true], false),
        (".read = network(office); .write = nobody;", [false, true], [false, false], false),
        (".read = network(office); .write = anyone;", [false, true], [true, true], true),
        (".write = anyone;", [true, true], [true, true], true),
        (".serves = subversion;", [true, true], [true, true], true),
        (".serves = subversion; .allow = anyone;", [true, true], [true, true], false),
        (".serves = git; .write = network(office) || anyone;", [true, true], [true, true], true),
        (".serves = webdav; .write = network(office);", [true, true], [false, true], false),
    ] {
        let text = format!(
            "acl office {{ \"192.0.2.0\"/24; }} gateway {{ .trusted = office; }} backend a {{ .url = \"http://a\"; }} site \"a\" {{ route \"/\" {{ .backend = a; {settings} }} }}"
        );
        let found = super::settings(&text);
        let route = &found.sites[0].routes[0];
        let may = |method: &Method| {
            [outside, inside].map(|client| route.access_for(method, "/x", None).admits(client))
        };
        assert_eq!((may(&Method::GET), may(&Method::PUT)), (reads, writes), "{settings}");
        let warned: Vec<Code> = found.warnings.iter().map(|fault| fault.code).collect();
        assert_eq!(warned, vec![Code::OpenWrite; usize::from(warns)], "{settings}\n{}", found.warnings);
    }
    let text =
        format!("{TWO} site \"b\" {{ route \"/\" {{ .backend = app; .allow = anyone; .read = nobody; }} }}");
    assert_eq!(codes(&text), ["E045"]);
    let found = super::settings(&format!(
        "{TWO} site \"b\" {{ route \"/\" {{ .backend = app; .serves = git; .allow = anyone; }} }}"
    ));
    assert_eq!(found.sites[1].routes[0].serves, Serves::Git);
}

#[test]
fn a_wider_door_behind_a_narrow_one_is_shown_with_both() {
    for (routes, expected) in [
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route \"/private/x/\" { .backend = a; }",
            vec!["W011"],
        ),
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route \"/private/x/\" { .backend = a; .allow = anyone; }",
            vec!["W011"],
        ),
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route exact \"/private/x\" { .backend = a; }",
            vec!["W011"],
        ),
        (
            "route \"/p/{n}/\" { .backend = a; .allow = network(office); } route \"/p/{m}/x/\" { .backend = a; }",
            vec!["W011"],
        ),
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route \"/private/x/\" { .backend = a; .allow = network(office); }",
            vec![],
        ),
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route \"/private/x/\" { .backend = a; .allow = nobody; }",
            vec![],
        ),
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route \"/private/x/\" { .backend = a; .allow = network(lab); }",
            vec![],
        ),
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route \"/private/x/\" { .backend = a; .allow = network(lab) || network(office); }",
            vec!["W011"],
        ),
        (
            "route \"/private/\" { .backend = a; .allow = network(office); } route \"/privatex/\" { .backend = a; }",
            vec![],
        ),
        // The one next above it decides.
        (
            "route \"/\" { .backend = a; .allow = nobody; } route \"/a/\" { .backend = a; .allow = anyone; } route \"/a/b/\" { .backend = a; }",
            vec![],
        ),
        // Below the root a door that says so is meant.
        (
            "route \"/\" { .backend = a; .allow = network(office); } route \"/public/\" { .backend = a; .allow = anyone; }",
            vec![],
        ),
        (
            "route \"/\" { .backend = a; .allow = network(office); } route \"/public/\" { .backend = a; }",
            vec!["W011"],
        ),
    ] {
        let text = format!(
            "acl office {{ \"192.0.2.0\"/24; }} acl lab {{ \"198.51.100.0\"/24; }} gateway {{ .trusted = if(yes, office, lab); }} backend a {{ .url = \"http://a\"; }} site \"a\" {{ {routes} }}"
        );
        let found = faults(&text);
        assert_eq!(
            found.iter().map(|fault| fault.code.code()).collect::<Vec<_>>(),
            expected,
            "{routes}\n{found}"
        );
        assert!(found.iter().all(|fault| fault.other.is_some()), "{found}");
    }
}

#[test]
fn a_path_rule_in_a_repository_is_shown_with_the_repository() {
    for (inner, warns) in [
        ("route \"/svn/private/\" { .backend = a; .allow = network(office); }", true),
        ("route \"/svn/private/\" { .backend = a; .serves = subversion; .allow = network(office); }", true),
        ("route exact \"/svn/private/a.c\" { .backend = a; .allow = nobody; }", true),
        ("route \"/svn/private/\" { .backend = a; .write = nobody; }", true),
        ("route \"/svn/private/\" { .backend = a; .serves = subversion; .write = network(office); }", false),
        ("route \"/svn/private/\" { .backend = b; .allow = network(office); }", false),
        ("route \"/other/private/\" { .backend = a; .allow = network(office); }", false),
    ] {
        let text = format!(
            "acl office {{ \"192.0.2.0\"/24; }} {APPS} site \"a\" {{ route \"/svn/\" {{ .backend = a; .serves = subversion; .write = network(office); }} route \"/b/\" {{ .backend = b; }} {inner} }}"
        );
        let found = faults(&text);
        let expected = if warns { vec![Code::PathRuleInRepository] } else { vec![] };
        assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), expected, "{inner}\n{found}");
    }
}

#[test]
fn plain_vcl_is_one_site_for_any_host() {
    for (text, backend) in [
        ("vcl 4.1; backend a { .host = \"127.0.0.1\"; }", 0),
        (
            "# dialect: fastly\nbackend a { .host = \"127.0.0.1\"; } backend default { .host = \"127.0.0.2\"; }",
            1,
        ),
        ("# dialect: fastly\nbackend a { .host = \"127.0.0.1\"; } backend b { .host = \"127.0.0.2\"; }", 0),
    ] {
        let found = settings(text);
        let [site] = found.sites.as_slice() else { panic!("{found:?}") };
        assert!(site.any_host && !site.force_https && site.certificate == plan::CertificateWish::Local);
        assert_eq!(site.routes[0].answers, Answers::Backend(BackendId(backend)), "{text}");
        assert_eq!((&site.routes[0].read, &site.routes[0].write), (&Access::Anyone, &Access::Anyone));
        let table = Table::new(found.sites.clone());
        assert!(table.site("whoever.example").is_some_and(|found| !found.by_alias));
    }
}

/// `if()` in a setting of every type.
#[test]
fn one_tree_is_production_and_staging() {
    let text = r#"
        let live = env("LIVE", "no") == "yes";
        acl office { "192.0.2.0"/24; } acl lab { "198.51.100.0"/24; }
        probe a { .window = 4; .request = if(live, "GET /live HTTP/1.1" "Connection: close", "GET /test HTTP/1.1" "Connection: close"); } probe b { .url = if(live, "/live", "/test"); }
        log one { .format = if(live, json, combined); .file = if(live, "live.log", "test.log"); } log two { }
        table apps BACKEND { "x": if(live, a, b), "y": a, "z": b, }
        gateway { .http = if(live, ":80", ":8080"); .admin = if(live, "127.0.0.1:1", "127.0.0.1:2"); .state = if(live, "/live", "/test");
            .workers = if(live, 4, 2); .trusted = if(live, office, lab); .proxy_protocol = if(live, yes, no);
            .head_timeout = if(live, 7s, 5s); .head_bytes_max = if(live, 7KB, 9KB); }
        backend a { .url = if(live, "https://live", "https://test"); .probe = if(live, a, b); .host_header = if(live, "l", "t"); .ca = if(live, "l.pem", "t.pem"); .visitor_address = if(live, cut, none); }
        backend b { .host = if(live, "live", "test"); .port = if(live, 81, "82"); .probe = if(live, b, a); }
        backend c { .path = if(live, "/live", "/test"); }
        backend d { .url = "https://d"; .pin = if(live, "sha256:0000000000000000000000000000000000000000000000000000000000000001", "sha256:0000000000000000000000000000000000000000000000000000000000000002"); }
        site if(live, "www", "test") + ".example" { .certificate = if(live, files("a", "b"), local); .log = if(live, one, two);
            route if(live, "/live/{p}/", "/test/{p}/") { .backend = if(live, lookup(apps, "{p}"), a); .allow = if(live, network(office), network(lab)); }
            route "/r/" { .backend = if(live, c, d); .read = if(live, anyone, nobody); .write = if(live, nobody, network(lab)); .serves = if(live, git, webdav); }
        }"#;
    let read = |live: &str| {
        let files = Memory::default().with("main.vcl", 0o644, text);
        compile(&language::read(&files, Path::new("main.vcl"), &|_| Some(live.to_owned()))).unwrap()
    };
    let (live, test) = (format!("{:#?}", read("yes")), format!("{:#?}", read("no")));
    assert!(live.contains("www.example") && test.contains("test.example"));
    // Whatever differs in the rules differs in the settings.
    let (live, test) = (read("yes"), read("no"));
    assert_ne!(live.gateway, test.gateway);
    for (live, test) in live.backends.iter().zip(&test.backends) {
        assert_ne!(live, test);
    }
    for (live, test) in live.sites[0].routes.iter().zip(&test.sites[0].routes) {
        assert!(live.answers != test.answers && live.read != test.read && live.write != test.write);
    }
    assert_eq!(live.sites[0].log.as_deref(), Some("one"));
    assert_eq!(test.sites[0].log.as_deref(), Some("two"));
}

#[test]
fn many_rows_and_networks_load_without_haste() {
    let mut rows = String::new();
    let mut list = String::new();
    for n in 0..50_000 {
        let _ = writeln!(rows, "project-{n} Title of {n}");
        let _ = writeln!(list, "10.{}.{}.0/24", n / 256, n % 256);
    }
    let files = Memory::default()
        .with("main.vcl", 0o644, "table t { from file \"rows\"; } acl a { from file \"list\"; } gateway { .trusted = a; } backend app { .url = \"http://a\"; } site \"a\" { route \"/\" { .backend = app; } }")
        .with("rows", 0o644, rows)
        .with("list", 0o644, list);
    let found = compiled(&files).unwrap();
    assert!(found.gateway.trusted.contains(ClientIp::new("10.195.79.1".parse().unwrap())));
    assert!(!found.gateway.trusted.contains(ClientIp::new("10.195.80.1".parse().unwrap())));
}

/// Run by hand and by `make prove` in a release build.
#[test]
#[ignore = "measures; meant for a release build"]
fn a_million_rows_load_in_time() {
    let mut rows = String::new();
    for n in 0..1_000_000 {
        let _ = writeln!(rows, "project-{n} Title of {n}");
    }
    let files = Memory::default()
        .with("main.vcl", 0o644, format!("table t {{ from file \"rows\"; }} {TWO}"))
        .with("rows", 0o644, rows);
    let start = crate::base::clock::now();
    assert!(compiled(&files).is_ok());
    let took = start.elapsed();
    println!("1000000 rows: {took:?}");
    assert!(took.as_secs() < 2, "{took:?}");
}
