//! Backends, probes and acls, in VCL's words and in ours.

use super::*;
use crate::upstream::{Address, Ask, Config, ProbeConfig};

fn vcl(text: &str) -> Diagnostics {
    faults(&format!("vcl 4.1;\n{text}"))
}

/// The one backend of a plain VCL file.
fn backend(settings: &str) -> Config {
    super::settings(&format!("vcl 4.1;\nbackend default {{ {settings} }}")).backends.remove(0)
}

/// The verdicts are those of varnishd 7.1.1.
#[test]
fn a_backend_is_judged_as_varnish_judges_it() {
    for taken in [
        r#".host = "127.0.0.1"; .port = "http";"#,
        r#".host = "127.0.0.1"; .port = "";"#,
        r#".host = "127.0.0.1 81";"#,
        r#".host = {"127.0.0.1"};"#,
        r#".host = "[::1]:8080";"#,
        r#".host = "::1";"#,
        r#".host = "[::1]"; .port = "80";"#,
        r#".host = "localhost";"#,
        r#".path = "/nowhere"; .host_header = "x";"#,
        r#".path = "/nowhere"; .port = "80";"#,
        r#".host = "127.0.0.1"; .max_connections = 0;"#,
        r#".host = "127.0.0.1"; .connect_timeout = 0s;"#,
        r#".host = "127.0.0.1"; .connect_timeout = 1.5s;"#,
        r#".host = "127.0.0.1"; .connect_timeout = 1 s;"#,
        r#".host = "127.0.0.1"; .probe = { .initial = 9; }"#,
        r#".host = "127.0.0.1"; .probe = { .interval = 0s; }"#,
        r#".host = "127.0.0.1"; .probe = { .timeout = 0s; }"#,
        r#".host = "127.0.0.1"; .probe = { .threshold = 0; .initial = 0; }"#,
        r#".host = "127.0.0.1"; .probe = { .threshold = 10; }"#,
        r#".host = "127.0.0.1"; .probe = { .threshold = 7; .window = 8; .initial = 70; }"#,
        r#".host = "127.0.0.1"; .probe = { .url = "x"; }"#,
        r#".host = "127.0.0.1"; .probe = { .url = ""; }"#,
        r#".host = "127.0.0.1"; .probe = { .request = "GET / HTTP/1.1" "Host: x"; }"#,
        r#".host = "127.0.0.1"; .probe = { .expected_response = 600; }"#,
        r#".host = "127.0.0.1"; .probe = {}"#,
    ] {
        let found = vcl(&format!("backend default {{ {taken} }}"));
        assert!(!found.has_errors(), "{taken}\n{found}");
    }
    for (refused, code) in [
        (r#".host = "127.0.0.1"; .host = "127.0.0.2";"#, "E023"),
        (r#".port = "80";"#, "E024"),
        ("", "E024"),
        (r#".host = "127.0.0.1"; .path = "/x";"#, "E045"),
        (r#".host = "127.0.0.1"; .port = 80;"#, "E020"),
        (r#".host = "127.0.0.1"; .port = "nosuchservice";"#, "E033"),
        (r#".host = "127.0.0.1"; .port = http;"#, "E019"),
        (r#".host = "127.0.0.1:81"; .port = "80";"#, "E045"),
        (r#".host = "";"#, "E033"),
        (r#".host = "127.0.0.1" + "";"#, "E020"),
        (r#".path = "x";"#, "E044"),
        (r#".path = "";"#, "E044"),
        (r#".host = "127.0.0.1"; .max_connections = 1.5;"#, "E020"),
        (r#".host = "127.0.0.1"; .max_connections = 5s;"#, "E020"),
        (r#".host = "127.0.0.1"; .connect_timeout = 1;"#, "E020"),
        (r#".host = "127.0.0.1"; .connect_timeout = 1.5;"#, "E020"),
        (r#".host = "127.0.0.1"; .connect_timeout = "1s";"#, "E020"),
        (
            r#".host = "127.0.0.1"; .probe = { .url = "/"; .request = "GET / HTTP/1.1" "Connection: close"; }"#,
            "E075",
        ),
        (r#".host = "127.0.0.1"; .probe = { .window = 65; }"#, "E041"),
        (r#".host = "127.0.0.1"; .probe = { .threshold = 65; }"#, "E041"),
        (r#".host = "127.0.0.1"; .probe = { .window = 4; }"#, "E075"),
        (r#".host = "127.0.0.1"; .probe = { .window = 5; .threshold = 6; }"#, "E075"),
        (r#".host = "127.0.0.1"; .probe = { .expected_response = 99; }"#, "E041"),
        (r#".host = "127.0.0.1"; .probe = { .expected_response = 1000; }"#, "E041"),
        (r#".host = "127.0.0.1"; .probe = { .expect_close = true; }"#, "E070"),
        (r#".host = "127.0.0.1"; .probe = { .url = "/"; .url = "/x"; }"#, "E023"),
        (r#".host = "127.0.0.1"; .probe = nowhere;"#, "E014"),
        (r#".host = "127.0.0.1"; .proxy_header = 3;"#, "E016"),
        (r#".host = "127.0.0.1"; .share = 5;"#, "E017"),
        (r#".url = "http://127.0.0.1";"#, "E070"),
    ] {
        let found = vcl(&format!("backend default {{ {refused} }}"));
        let codes: Vec<&str> =
            found.iter().filter(|fault| fault.is_error()).map(|fault| fault.code.code()).collect();
        assert_eq!(codes, [code], "{refused}\n{found}");
    }
}

#[test]
fn a_plain_vcl_file_is_judged_as_varnish_judges_it() {
    let host = r#".host = "127.0.0.1";"#;
    for taken in [
        "backend a none;".to_owned(),
        "probe default { } backend a none;".to_owned(),
        format!("probe p {{ }} backend a {{ {host} .probe = p; }}"),
        format!("probe default {{ }} backend a {{ {host} .probe = default; }}"),
        format!("backend a {{ {host} }} probe default {{ }}"),
    ] {
        let found = vcl(&taken);
        assert!(!found.has_errors(), "{taken}\n{found}");
    }
    for (refused, code) in [
        (format!("backend a {{ {host} }} backend b none;"), "E076"),
        (format!("backend a {{ {host} }} backend default {{ {host} }}"), "E076"),
        (format!("backend a {{ {host} }} probe p {{ }}"), "E076"),
        (format!("backend a {{ {host} }} acl b {{ \"192.0.2.1\"; }}"), "E076"),
        (format!("backend a {{ {host} }} backend a {{ {host} }}"), "E022"),
        (format!("backend a {{ {host} .probe = p; }} probe p {{ }}"), "E027"),
        (format!("probe p {{ }} probe p {{ }} backend a {{ {host} .probe = p; }}"), "E022"),
        (format!("backend a {{ {host} }} site \"a\" {{ }}"), "E070"),
        (format!("backend a {{ {host} }} table t {{ \"a\": \"b\", }}"), "E070"),
        ("probe default { }".to_owned(), "E123"),
        (String::new(), "E123"),
    ] {
        let found = vcl(&refused);
        let codes: Vec<&str> =
            found.iter().filter(|fault| fault.is_error()).map(|fault| fault.code.code()).collect();
        assert_eq!(codes, [code], "{refused}\n{found}");
    }
}

#[test]
fn what_vcl_says_of_a_backend_is_what_is_done() {
    let tcp = |host: &str, port| Address::Tcp { host: host.into(), port };
    for (said, address) in [
        (r#".host = "127.0.0.1";"#, tcp("127.0.0.1", 80)),
        (r#".host = "App.example"; .port = "8080";"#, tcp("app.example", 8080)),
        (r#".host = "[::1]:8080";"#, tcp("::1", 8080)),
        (r#".path = "/run/app.sock";"#, Address::Unix("/run/app.sock".into())),
    ] {
        let config = backend(said);
        assert_eq!((config.address, config.tls), (address, None), "{said}");
    }
    let config = backend(
        r#".host = "127.0.0.1"; .host_header = "app"; .connect_timeout = 1.5s; .first_byte_timeout = 1m;
           .between_bytes_timeout = 2s; .max_connections = 12;"#,
    );
    assert_eq!(config.host_header.as_deref(), Some("app"));
    assert_eq!(config.connect_timeout.as_millis(), 1_500);
    assert_eq!((config.first_byte_timeout.as_secs(), config.between_bytes_timeout.as_secs()), (60, 2));
    assert_eq!(config.max_connections, 12);
    assert_eq!(super::settings("vcl 4.1; backend a none;").backends[0].address, Address::Nowhere);
    // In our own language a port may be a number.
    let ours = super::settings(
        "let port = 8000; backend a { .host = \"127.0.0.1\"; .port = port + 1; } site \"a\" { route \"/\" { .backend = a; } }",
    );
    assert_eq!(ours.backends[0].address, tcp("127.0.0.1", 8001));
}

fn probe(settings: &str) -> ProbeConfig {
    backend(&format!(".host = \"127.0.0.1\"; .probe = {{ {settings} }}")).probe.unwrap()
}

#[test]
fn a_probe_has_the_defaults_of_varnish() {
    let plain = probe("");
    assert_eq!(plain.ask, Ask::Url("/".into()));
    assert_eq!((plain.window, plain.threshold, plain.initial), (8, 3, 2));
    assert_eq!(*plain.expected, [(200, 200)]);
    assert_eq!((plain.timeout.as_secs(), plain.interval.as_secs(), plain.expect_close), (2, 5, true));
    // Nothing is "as it is otherwise"; what counts as good at first is never more than must be good.
    assert_eq!(probe(".timeout = 0s; .interval = 0s; .threshold = 0; .window = 0;"), plain);
    assert_eq!(probe(".initial = 9;").initial, 3);
    assert_eq!(probe(".initial = 0;").initial, 0);
    assert_eq!(probe(".threshold = 5;").initial, 4);
    let whole = probe(r#".request = "GET /alive HTTP/1.1" "Host: app" "Connection: close";"#);
    let bytes = b"GET /alive HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    assert_eq!(whole.ask, Ask::Request(bytes.to_vec().into()));
    let made = [
        r#""GET /" + "alive" + " HTTP/1.1" "Host: " + name "Connection: close""#,
        r#"first "Host: " + name "Connection: close""#,
    ];
    for lines in made {
        let found = super::settings(&format!(
            "let name = \"app\"; let first = \"GET /alive HTTP/1.1\";
             probe p {{ .request = {lines}; }} backend a {{ .url = \"http://127.0.0.1:1\"; .probe = p; }}
             site \"www.test\" {{ route \"/\" {{ .backend = a; }} }}"
        ));
        assert_eq!(found.backends[0].probe.as_ref().unwrap().ask, whole.ask, "{lines}");
    }
}

#[test]
fn probes_are_shared_by_name_or_by_default() {
    let found = super::settings(
        "vcl 4.1; probe p { .window = 4; .threshold = 2; } probe default { .window = 6; .threshold = 2; }
         backend a { .host = \"127.0.0.1\"; .probe = p; }
         ",
    );
    assert_eq!(found.backends[0].probe.as_ref().map(|probe| probe.window), Some(4));
    let windows = |text: &str| -> Vec<Option<u32>> {
        let found = super::settings(text);
        found.backends.iter().map(|backend| backend.probe.as_ref().map(|probe| probe.window)).collect()
    };
    assert_eq!(
        windows(
            "probe default { .window = 6; } probe p { .window = 4; }
             backend a { .url = \"http://a\"; .probe = p; } backend b { .url = \"http://b\"; }
             backend c { .url = \"http://c\"; .probe = { .window = 7; } } backend d none;
             backend e { .url = \"http://e\"; .probe = if(no, default, p); }
             site \"a\" { route \"/\" { .backend = a; } route \"/b\" { .backend = b; } route \"/c\" { .backend = c; }
                 route \"/d\" { .backend = d; } route \"/e\" { .backend = e; } }"
        ),
        [Some(4), Some(6), Some(7), None, Some(4)]
    );
}

#[test]
fn a_probe_that_could_not_work_is_said() {
    for probe in [
        ".url = \"alive\";",
        ".url = \"/a b\";",
        ".request = \"GET / HTTP/1.1\" \"Host: a\";",
        ".request = \"GET /\" \"Connection: close\";",
        ".window = 2;",
        ".threshold = 9;",
    ] {
        let text = format!(
            "probe p {{ {probe} }} backend a {{ .url = \"http://a\"; .probe = p; }} backend b {{ .url = \"http://b\"; .probe = p; }}
             site \"a\" {{ route \"/\" {{ .backend = a; }} route \"/b\" {{ .backend = b; }} }}"
        );
        let found = faults(&text);
        let codes: Vec<Code> = found.iter().map(|fault| fault.code).collect();
        assert_eq!(codes, [Code::BadProbe], "{probe}\n{found}");
    }
}

/// The verdicts are those of varnishd 7.1.1, but for what is said beside.
#[test]
fn an_acl_is_judged_as_varnish_judges_it() {
    let tree = |acl: &str| format!("acl a {acl} gateway {{ .trusted = a; }} {TWO}");
    for taken in [
        "{ \"localhost\"; }",
        "{ ! \"192.0.2.0\"/24; }",
        "{ (\"192.0.2.0\"/24); }",
        "{ (\"nosuch.invalid\"); }",
        "-pedantic { \"192.0.2.1\"/24; }",
        "-pedantic { \"192.0.2.1\"/0; }",
        "+log { \"192.0.2.1\"/32; }",
        "+table -log +pedantic { \"192.0.2.1\"; }",
        "{ \"192.0.2.1\"; \"192.0.2.1\"; }",
        "{ }",
        "{ {\"192.0.2.1\"}; }",
        "{ \"0.0.0.0\"/0; }",
    ] {
        let found = faults(&tree(taken));
        assert!(!found.has_errors(), "{taken}\n{found}");
    }
    for refused in [
        "{ \"192.0.2.1\"/33; }",
        "{ \"192.0.2.1\"/24; }",
        "{ \"192.0.2.1/24\"; }",
        "{ \"nosuch.invalid\"; }",
        "+pedantic { \"192.0.2.1\"/24; }",
        "log { \"192.0.2.1\"/32; }",
        "+foo { \"192.0.2.1\"/32; }",
        "+fold { \"192.0.2.1\"/32; }",
        "{ \"192.0.2.1\"; ! \"192.0.2.1\"; }",
        "{ \"::1\"/129; }",
        "{ \"\"; }",
        "{ \"[::1]\"; }",
        "{ \"192.0.2.1:80\"; }",
        "{ \"localhost\"/8; }",
        "{ \"192.0.2.0\"/24 }",
        // Varnish takes the next three: a name it looks up, and two shapes of an address that are not what they seem.
        "{ ! (\"nosuch.invalid\"); }",
        "{ \"192.0.2\"; }",
        "{ \"::ffff:192.0.2.1\"; }",
    ] {
        assert!(faults(&tree(refused)).has_errors(), "{refused}");
    }
}

#[test]
fn an_acl_takes_networks_from_a_file() {
    let files = |list: &str| {
        Memory::default()
            .with("main.vcl", 0o644, format!("acl a {{ from file \"lists/a.txt\"; \"198.51.100.1\"; }} gateway {{ .trusted = a; }} {TWO}"))
            .with("lists/a.txt", 0o644, list)
    };
    let found = compiled(&files(
        "\u{feff}# the office\n192.0.2.0/24\n\n  ! 192.0.2.66   # but for him\n!\"192.0.2.67\"\r\n2001:db8::/48\nlocalhost\n",
    ))
    .unwrap();
    let inside = |text: &str| {
        found.gateway.trusted.contains(crate::base::address::ClientIp::new(text.parse().unwrap()))
    };
    for (address, is_inside) in [
        ("192.0.2.1", true),
        ("192.0.2.66", false),
        ("192.0.2.67", false),
        ("2001:db8::1", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("198.51.100.1", true),
        ("198.51.100.2", false),
    ] {
        assert_eq!(inside(address), is_inside, "{address}");
    }
    // A reload watches it.
    assert_eq!(found.files, [Path::new("main.vcl"), Path::new("lists/a.txt")]);
    let wrong = compiled(&files("192.0.2.0/24\n192.0.2.7/24\nwww.example\n192.0.2.0/x\n! 192.0.2.0/24\n"))
        .unwrap_err();
    assert_eq!(
        wrong.lines(),
        "lists/a.txt:2:1: error[E037]: an address with bits behind its prefix; write `\"192.0.2.0\"/24`, or leave the prefix out\n\
         lists/a.txt:3:1: error[E037]: `www.example` is no address; write an address: names are not looked up, or whoever owns the name would own the list\n\
         lists/a.txt:4:11: error[E037]: an IPv4 address has 32 bits; write a prefix up to 32\n\
         lists/a.txt:5:1: error[E077]: this network stands here with and without `!`; take one of the two out; lists/a.txt:1: the first stands here\n"
    );
}
