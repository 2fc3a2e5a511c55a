//! The https door: which certificate, which versions, where plain http is sent.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustls::{NamedGroup, ProtocolVersion};

use super::stage::{Folder, OldServer, Stage, connect};
use super::tools::{Ca, Looker, figure, log_of, looker, until};

const ROUTE: &str = "route \"/\" { .backend = old; }";

fn site(name: &str, more: &str) -> String {
    format!("site \"{name}\" {{ {more} {ROUTE} }}\n")
}

fn ask(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn each_name_is_shown_its_own_certificate_and_strangers_a_neutral_one() {
    let server = OldServer::saying("hello");
    let stage = Stage::raw("", &[site("a.test", ""), site("b.test", ""), server.declared("old")].concat());
    for name in ["a.test", "b.test", "A.Test"] {
        let mut visitor = looker(name).at(stage.https());
        assert!(visitor.covers(name) && !visitor.covers("neutral.invalid"));
        assert_eq!(visitor.ask(&ask(name)).status, 200);
    }
    assert!(!looker("a.test").at(stage.https()).covers("b.test"));
    for name in [Some("nobody.test"), None] {
        let mut visitor = Looker { name, ..Looker::default() }.at(stage.https());
        assert!(visitor.covers("neutral.invalid") && !visitor.covers("a.test"));
        for host in ["nobody.test", "a.test"] {
            let reply = visitor.ask(&ask(host));
            assert_eq!(reply.status, 421, "{name:?} {host}");
            assert!(reply.text().contains("421"), "{}", reply.text());
        }
    }
}

#[test]
fn a_connection_serves_the_hosts_of_its_certificate_and_no_other() {
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    let both = Ca::new().signs(&["one.test", "two.test"]);
    folder.write("chain.pem", &both.chain);
    folder.write("key.pem", &both.key);
    let files = ".certificate = files(\"chain.pem\", \"key.pem\");";
    let sites = [
        site("a.test", ".aliases = \"also.a.test\";"),
        site("one.test", files),
        site("two.test", files),
        server.declared("old"),
    ];
    folder.write("main.vcl", &Stage::text("", &sites.concat()));
    let stage = Stage::open(folder);
    let mut visitor = looker("one.test").at(stage.https());
    assert_eq!(visitor.certificate(), both.der);
    assert_eq!(visitor.ask(&ask("one.test")).status, 200);
    assert_eq!(visitor.ask(&ask("two.test")).status, 200, "browsers use one connection for both");
    let reply = visitor.ask(&ask("a.test"));
    assert_eq!(reply.status, 421);
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(visitor.ask(&ask("one.test")).status, 200, "the connection goes on");
    let mut visitor = looker("a.test").at(stage.https());
    assert_eq!(visitor.ask(&ask("two.test")).status, 421);
    let reply = visitor.ask("GET /x?y=1 HTTP/1.1\r\nHost: also.a.test:8443\r\n\r\n");
    assert_eq!((reply.status, reply.header("location")), (301, Some("https://a.test:8443/x?y=1")));
    let mut visitor = looker("also.a.test").at(stage.https());
    assert!(visitor.covers("a.test"));
    assert_eq!(visitor.ask(&ask("also.a.test")).header("location"), Some("https://a.test/"));
}

#[test]
fn versions_protocols_and_groups_are_those_we_say() {
    let server = OldServer::saying("hello");
    let stage = Stage::with(ROUTE, &server.declared("old"));
    for (version, protocol) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut visitor = Looker { versions: &[version], ..looker("www.test") }.at(stage.https());
        assert_eq!(visitor.stream.get_ref().conn.protocol_version(), Some(protocol));
        assert_eq!(visitor.get("/").status, 200);
    }
    let visitor = looker("www.test").at(stage.https());
    let group = visitor.stream.get_ref().conn.negotiated_key_exchange_group().expect("a group");
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768, "hybrid first");
    for (alpn, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let visitor = Looker { alpn, ..looker("www.test") }.at(stage.https());
        assert_eq!(visitor.stream.get_ref().conn.alpn_protocol(), chosen, "{alpn:?}");
    }
    let refused = Looker { alpn: &["spdy/3"], ..looker("www.test") }.over(connect(stage.https()));
    assert!(refused.is_err(), "nothing in common");
    until("the failed handshake in the metrics", || {
        figure(stage.admin(), "doorward_handshakes_total{result=\"failed\"}") == Some(1.0)
    });
}

#[test]
fn certificate_files_are_read_again_and_broken_ones_keep_the_site_alive() {
    let server = OldServer::saying("hello");
    let folder = Folder::new();
    let ca = Ca::new();
    let (first, second) = (ca.signs(&["files.test"]), ca.signs(&["files.test"]));
    folder.write("chain.pem", "no certificate at all\n");
    folder.write("key.pem", &first.key);
    let sites =
        [site("files.test", ".certificate = files(\"chain.pem\", \"key.pem\");"), server.declared("old")];
    folder.write("main.vcl", &Stage::text("", &sites.concat()));
    let mut stage = Stage::open(folder);
    let shown = |stage: &Stage| {
        let mut visitor = looker("files.test").at(stage.https());
        assert_eq!(visitor.ask(&ask("files.test")).status, 200, "the site is up");
        visitor.certificate()
    };
    let stand_in = shown(&stage);
    assert_ne!(stand_in, first.der, "one of the local authority");
    stage.folder.write("chain.pem", &first.chain);
    assert!(stage.running().reload().done);
    assert_eq!(shown(&stage), first.der);
    let mut open = looker("files.test").at(stage.https());
    stage.folder.write("chain.pem", &second.chain);
    stage.folder.write("key.pem", &second.key);
    assert!(stage.running().reload().done);
    assert_eq!(shown(&stage), second.der);
    assert_eq!(open.ask(&ask("files.test")).status, 200, "open connections outlive a renewal");
    stage.folder.write("key.pem", "-----BEGIN PRIVATE KEY-----\nrubbish\n");
    assert!(stage.running().reload().done);
    assert_eq!(shown(&stage), second.der, "the one from before");
    let ends = figure(stage.admin(), "doorward_certificate_expiry_seconds{site=\"files.test\"}");
    assert!(ends.is_some_and(|ends| ends > 1_790_000_000.0), "{ends:?}");
    stage.close();
    let said = log_of(&stage.folder.0.join("state"), "", "doorward-");
    assert!(
        said.contains("holds no certificate") && said.contains("the certificate from before is shown"),
        "{said}"
    );
}

#[test]
fn plain_http_goes_to_https_whatever_it_asks_and_is_never_asked_for_a_password() {
    let server = OldServer::answering(|_| {
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let stage = Stage::with(&format!(".aliases = \"test\"; {ROUTE}"), &server.declared("old"));
    let port = stage.https().port();
    let to = format!("https://www.test:{port}/a?b=c");
    for (method, more) in [
        ("GET", ""),
        ("HEAD", ""),
        ("PROPFIND", ""),
        ("GET", "Authorization: Basic YTpi\r\n"),
        ("POST", "Content-Length: 3\r\n"),
    ] {
        for host in ["www.test", "www.test:80", "test", "WWW.Test"] {
            let mut visitor = stage.plain_visitor();
            let body = if method == "POST" { "a=b" } else { "" };
            let reply = visitor.ask(&format!("{method} /a?b=c HTTP/1.1\r\nHost: {host}\r\n{more}\r\n{body}"));
            assert_eq!((reply.status, reply.header("location")), (301, Some(&*to)), "{method} {host}");
            assert!(reply.header("www-authenticate").is_none() && reply.header("set-cookie").is_none());
        }
    }
    let reply = stage.plain_visitor().ask(&ask("elsewhere.test"));
    assert_eq!(reply.status, 421, "no redirect to a name that is not ours");
    assert!(server.heard_nothing());
}

#[test]
fn a_site_that_says_so_is_served_over_plain_http() {
    let server = OldServer::saying("hello");
    let stage =
        Stage::with(&format!(".force_https = no; .aliases = \"test\"; {ROUTE}"), &server.declared("old"));
    assert_eq!(stage.plain_visitor().get("/").text(), "hello");
    let asked = server.heard();
    assert_eq!(asked.header("x-forwarded-proto"), Some("http"));
    assert_eq!(asked.header("x-forwarded-ssl"), Some("off"));
    let reply = stage.plain_visitor().ask(&ask("test:8080"));
    assert_eq!((reply.status, reply.header("location")), (301, Some("http://www.test:8080/")));
    assert_eq!(stage.visitor().get("/").status, 200);
    assert_eq!(server.heard().header("x-forwarded-proto"), Some("https"));
}

#[test]
fn plain_http_on_the_https_port_is_told_so_in_words() {
    let server = OldServer::saying("hello");
    let stage = Stage::with(ROUTE, &server.declared("old"));
    let mut visitor = super::stage::Visitor::new(connect(stage.https()));
    let reply = visitor.get("/");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("https"), "{}", reply.text());
    assert!(visitor.hung_up() && server.heard_nothing());
}

#[test]
fn keys_lie_where_only_their_owner_reads_them() {
    let server = OldServer::saying("hello");
    let stage = Stage::with(ROUTE, &server.declared("old"));
    let state = stage.folder.0.join("state");
    for (path, mode) in [
        ("", 0o700),
        ("authority", 0o700),
        ("authority/root.key", 0o600),
        ("authority/root.pem", 0o644),
        ("authority/sites/www.test.pem", 0o600),
        ("control.sock", 0o600),
    ] {
        let found = fs::metadata(state.join(path)).expect(path).permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}: {found:o}");
    }
    for path in super::tools::files_below(&state) {
        let found = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        assert!(found.trailing_zeros() >= 3 || path.ends_with("root.pem"), "{}: {found:o}", path.display());
    }
}

#[test]
fn curl_trusts_the_local_root_and_nothing_else() {
    let server = OldServer::saying("hello");
    let stage = Stage::with(ROUTE, &server.declared("old"));
    let port = stage.https().port();
    let root = stage.running().open.root_certificate.clone();
    let curl = |arguments: &[&str]| {
        let mut command = std::process::Command::new("curl");
        command.args(["-sS", "--max-time", "20", "--resolve", &format!("www.test:{port}:127.0.0.1")]);
        let output = command.args(arguments).arg(format!("https://www.test:{port}/")).output().expect("curl");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let root = root.to_str().expect("a path");
    assert_eq!(curl(&["--cacert", root]), (true, "hello".to_owned()));
    assert_eq!(curl(&["--cacert", root, "--http1.1", "--tls-max", "1.2"]), (true, "hello".to_owned()));
    assert!(!curl(&[]).0, "nobody else trusts it");
}
