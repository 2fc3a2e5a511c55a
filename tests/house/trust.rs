//! Who is believed what: forwarding headers and PROXY headers from trusted peers only, nobody's word on who
//! the visitor is; what a backend is told, and how a backend proves itself.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::digest;
use doorward::base::crypto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::stage::{Folder, OldServer, PATIENCE, Stage, Visitor, connect, ok};
use super::tools::{Ca, Made, connect_from, log_of, looker, raw_message, send_anyway};

const ROUTE: &str = "route \"/\" { .backend = old; }";
/// The balancer of these tests.
const BALANCER: &str = "127.0.0.9";
const ACL: &str = "acl balancer { \"127.0.0.9\"; }\n";

/// An old server that keeps every byte it is sent.
struct Witness {
    server: OldServer,
    heard: Receiver<String>,
}

impl Witness {
    fn new() -> Self {
        let (tell, heard) = mpsc::channel();
        let tell = Mutex::new(tell);
        let server = OldServer::playing(move |connection| {
            while let Some(message) = raw_message(&mut connection.stream) {
                tell.lock().expect("the ears").send(message).expect("the test listens");
                connection.write(&ok("hello"));
            }
        });
        Self { server, heard }
    }

    fn heard(&self) -> String {
        self.heard.recv_timeout(PATIENCE).expect("the old server is asked")
    }
}

/// The values of a field of a raw message.
fn values<'m>(message: &'m str, name: &str) -> Vec<&'m str> {
    let fields = message.lines().skip(1).take_while(|line| !line.is_empty());
    fields
        .filter_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn nobody_says_who_he_is_in_any_spelling() {
    let witness = Witness::new();
    let stage = Stage::with(ROUTE, &witness.server.declared("old"));
    let mut visitor = stage.visitor();
    let names = [
        "Remote-User",
        "REMOTE-USER",
        "remote_user",
        "REMOTE_USER",
        "Remote_User",
        "remote.user",
        "Remote~User",
        "X-Remote-User",
        "X_Remote_User",
        "x-remote_user",
        "X!Remote|User",
        "X-Forwarded-User",
        "Remote-Groups",
        "Remote-Email",
        "Remote-Name",
        "X-WebAuth-User",
        "X-Auth-Request-User",
        "X-authentik-username",
        "X-Authenticated-User",
        "X-Doorward-User",
        "X-SSL-Client-Verify",
        "SSL-Client-Cert",
        "Client-Cert",
        "X-Client-DN",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Ssl",
        "X-Forwarded-Prefix",
        "X_Forwarded_For",
        "Forwarded",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Proxy",
        "Script_Name",
        "X-Accel-Redirect",
        "X-Url-Scheme",
        "X-Host",
    ];
    for name in names {
        // Twice, in two spellings of case, and once named as a field of this connection alone.
        for connection in ["", "Connection: close, Remote-User, remote_user\r\n"] {
            let mut visitor = stage.visitor();
            let (upper, lower) = (name.to_uppercase(), name.to_lowercase());
            let reply = visitor.ask(&format!(
                "GET / HTTP/1.1\r\nHost: www.test\r\n{connection}{name}: mallory\r\nAccept: text/x\r\n{upper}: mallory\r\n{lower}:mallory\r\n\r\n"
            ));
            assert_eq!(reply.status, 200, "{name} {connection}");
            let heard = witness.heard();
            assert!(!heard.contains("mallory"), "{name}:\n{heard}");
            assert_eq!(values(&heard, "accept"), ["text/x"]);
        }
    }
    visitor.send(
        "POST / HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Remote-User\r\n\r\n\
         3\r\nabc\r\n0\r\nRemote-User: mallory\r\nX-Remote-User: mallory\r\nremote_user: mallory\r\nX-Forwarded-For: mallory\r\n\
         X-Sum: 7\r\n\r\n",
    );
    assert_eq!(visitor.reply(false).status, 200);
    let heard = witness.heard();
    assert!(!heard.contains("mallory"), "{heard}");
    assert!(heard.to_lowercase().contains("\r\nx-sum: 7\r\n"), "trailers that mean no harm pass: {heard}");
}

#[test]
fn a_backend_is_told_afresh_who_asks_for_what_and_how() {
    let witness = Witness::new();
    let stage = Stage::with(ROUTE, &witness.server.declared_with("old", ".visitor_address = cut;"));
    let mut visitor = stage.visitor();
    let strangers = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\n\
                     X-Forwarded-Ssl: off\r\nForwarded: for=10.0.0.1;host=evil.test\r\n";
    for (typed, port) in [("www.test", "443"), ("WWW.Test:8443", "8443"), ("www.test.", "443")] {
        let reply = visitor.ask(&format!("GET / HTTP/1.1\r\nHost: {typed}\r\n{strangers}\r\n"));
        assert_eq!(reply.status, 200, "{typed}");
        let heard = witness.heard();
        for (name, value) in [
            ("host", typed),
            ("x-forwarded-for", "127.0.0.0"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", typed),
            ("x-forwarded-port", port),
            ("x-forwarded-ssl", "on"),
            ("forwarded", &format!("for=127.0.0.0;host=\"{typed}\";proto=https")),
        ] {
            assert_eq!(values(&heard, name), [value], "{name}:\n{heard}");
        }
        assert!(!heard.contains("10.0.0.1") && !heard.contains("evil.test"), "{heard}");
    }
}

#[test]
fn forwarding_headers_are_believed_from_trusted_peers_alone() {
    let witness = Witness::new();
    let stage = Stage::raw(
        ".trusted = balancer;",
        &[
            ACL,
            "acl office { \"203.0.113.0\"/24; }\nsite \"www.test\" { route \"/\" { .backend = old; } route \"/office/\" { .backend = old; .allow = network(office); } }\n",
            &witness.server.declared_with("old", ".visitor_address = full;"),
        ]
        .concat(),
    );
    let told = [
        "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n",
        "Forwarded: for=198.51.100.1, for=203.0.113.7;proto=https\r\n",
    ];
    for told in told {
        let request = format!("GET /office/ HTTP/1.1\r\nHost: www.test\r\n{told}\r\n");
        let mut trusted = Visitor::new(connect_from(BALANCER, stage.http()));
        let reply = trusted.ask(&request);
        assert_eq!(reply.status, 200, "{told}: {}", reply.text());
        let heard = witness.heard();
        assert_eq!(
            values(&heard, "x-forwarded-for"),
            ["203.0.113.7"],
            "the peer's own word, and no other: {heard}"
        );
        assert_eq!(values(&heard, "x-forwarded-proto"), ["https"]);
        let reply = stage.plain_visitor().ask(&request);
        assert_eq!(reply.status, 301, "a stranger is on plain http, whatever he says");
        let reply = stage.visitor().ask(&request);
        assert_eq!(reply.status, 403, "a stranger is not in the office, whatever he says");
    }
    let mut trusted = Visitor::new(connect_from(BALANCER, stage.http()));
    let reply = trusted.ask(
        "GET / HTTP/1.1\r\nHost: www.test\r\nX-Forwarded-For: rubbish\r\nX-Forwarded-Proto: https\r\n\r\n",
    );
    assert_eq!(reply.status, 400, "what a trusted peer garbles is not guessed at");
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &length, rest].concat()
}

#[test]
fn a_proxy_header_is_owed_by_trusted_peers_and_believed_from_nobody_else() {
    let witness = Witness::new();
    let stage = Stage::raw(
        ".trusted = balancer; .proxy_protocol = yes;",
        &[
            ACL,
            "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n",
            &witness.server.declared_with("old", ".visitor_address = full;"),
        ]
        .concat(),
    );
    let v4 = [203, 0, 113, 77, 192, 0, 2, 1, 0x12, 0x67, 0x01, 0xbb];
    let six = "2001:db8:77::77".parse::<std::net::Ipv6Addr>().expect("an address").octets();
    let v6 = [&six[..], &six, &[1, 2, 3, 4]].concat();
    let extra = [&v4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    for (header, address) in [
        (b"PROXY TCP4 203.0.113.77 192.0.2.1 4711 443\r\n".to_vec(), "203.0.113.77"),
        (b"PROXY TCP6 2001:db8:77::77 2001:db8::1 4711 443\r\n".to_vec(), "2001:db8:77::77"),
        (b"PROXY UNKNOWN\r\n".to_vec(), BALANCER),
        (v2(0x21, 0x11, &v4), "203.0.113.77"),
        (v2(0x21, 0x11, &extra), "203.0.113.77"),
        (v2(0x21, 0x21, &v6), "2001:db8:77::77"),
        (v2(0x20, 0x00, &[]), BALANCER),
    ] {
        let mut plain = connect_from(BALANCER, stage.http());
        plain.write_all(&header).expect("a header");
        assert_eq!(Visitor::new(plain).get("/").status, 200);
        assert_eq!(values(&witness.heard(), "x-forwarded-for"), [address]);
        // In pieces, and TLS behind it.
        let mut secure = connect_from(BALANCER, stage.https());
        for piece in header.chunks(7) {
            secure.write_all(piece).expect("a piece");
        }
        let mut visitor = looker("www.test").over(secure).expect("TLS behind the header");
        let reply = visitor.ask("GET / HTTP/1.1\r\nHost: www.test\r\nX-Forwarded-For: 10.9.8.7\r\n\r\n");
        assert_eq!(reply.status, 200);
        let heard = witness.heard();
        assert_eq!(
            values(&heard, "x-forwarded-for"),
            [address],
            "after the header nobody speaks for the visitor"
        );
    }
    for rubbish in [
        &b"GET / HTTP/1.1\r\nHost: www.test\r\n\r\n"[..],
        b"PROXY TCP4 203.0.113.077 192.0.2.1 4711 443\r\n",
        b"PROXY TCP4 2001:db8::1 192.0.2.1 4711 443\r\n",
        b"proxy TCP4 203.0.113.77 192.0.2.1 4711 443\r\n",
        &v2(0x22, 0x11, &v4),
        &v2(0x21, 0x11, &v4[..4]),
    ] {
        let mut stream = connect_from(BALANCER, stage.http());
        send_anyway(&mut stream, rubbish);
        assert!(Visitor::new(stream).hung_up(), "{}", String::from_utf8_lossy(rubbish));
    }
    for (address, header) in [
        (stage.http(), b"PROXY TCP4 203.0.113.77 192.0.2.1 4711 443\r\n".to_vec()),
        (stage.http(), v2(0x21, 0x11, &v4)),
        (stage.https(), b"PROXY TCP4 203.0.113.77 192.0.2.1 4711 443\r\n".to_vec()),
    ] {
        let mut stranger = Visitor::new(connect(address));
        stranger.send(&header);
        let reply = stranger.ask("GET / HTTP/1.1\r\nHost: www.test\r\n\r\n");
        assert_eq!(reply.status, 400, "a stranger's header is no header: {}", reply.text());
    }
    let mut stranger = connect(stage.https());
    send_anyway(&mut stranger, &v2(0x21, 0x11, &v4));
    assert!(looker("www.test").over(stranger).is_err());
    assert!(witness.heard.try_recv().is_err(), "no rubbish reached the backend");
}

#[test]
fn a_backend_learns_as_much_of_an_address_as_its_rules_say() {
    let servers: Vec<(&str, Witness)> =
        ["pseudonym", "cut", "full", "none"].into_iter().map(|word| (word, Witness::new())).collect();
    let mut rest = ACL.to_owned();
    let mut routes = String::new();
    for (word, witness) in &servers {
        rest.push_str(
            &witness.server.declared_with(&format!("b_{word}"), &format!(".visitor_address = {word};")),
        );
        let _ = writeln!(routes, "route \"/{word}/\" {{ .backend = b_{word}; }}");
    }
    let stage = Stage::raw(
        ".trusted = balancer; .proxy_protocol = yes;",
        &format!("{rest}site \"www.test\" {{ .force_https = no; {routes} }}\n"),
    );
    let mut pseudonyms = Vec::new();
    for address in ["203.0.113.77", "203.0.113.77", "203.0.113.78"] {
        let mut stream = connect_from(BALANCER, stage.http());
        stream.write_all(format!("PROXY TCP4 {address} 192.0.2.1 1 80\r\n").as_bytes()).expect("a header");
        let mut visitor = Visitor::new(stream);
        for (word, witness) in &servers {
            assert_eq!(visitor.get(&format!("/{word}/")).status, 200);
            let heard = witness.heard();
            let told = values(&heard, "x-forwarded-for");
            match *word {
                "full" => assert_eq!(told, [address]),
                "cut" => assert_eq!(told, ["203.0.113.0"]),
                "none" => assert!(told.is_empty() && !values(&heard, "forwarded")[0].contains("for=")),
                _ => {
                    assert!(
                        told[0].starts_with("fd") && values(&heard, "forwarded")[0].contains(told[0]),
                        "{heard}"
                    );
                    pseudonyms.push(told[0].to_owned());
                }
            }
            assert!(*word == "full" || !heard.contains(address), "{word}: {heard}");
        }
    }
    assert_eq!(pseudonyms[0], pseudonyms[1], "one visitor, one name");
    assert_ne!(pseudonyms[0], pseudonyms[2]);
}

#[test]
fn a_backend_may_have_a_host_of_its_own() {
    let witness = Witness::new();
    let stage =
        Stage::with(ROUTE, &witness.server.declared_with("old", ".host_header = \"app.internal:8000\";"));
    assert_eq!(stage.visitor().get("/").status, 200);
    let heard = witness.heard();
    assert_eq!(values(&heard, "host"), ["app.internal:8000"]);
    assert_eq!(values(&heard, "x-forwarded-host"), ["www.test"]);
}

#[test]
fn a_backend_may_live_on_a_unix_socket() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.0.join("app.sock")).expect("a socket");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                while let Some(message) = raw_message(&mut stream) {
                    let path = message.split(' ').nth(1).unwrap_or_default().to_owned();
                    send_anyway(&mut stream, &ok(&path));
                }
            });
        }
    });
    let rules = Stage::text(
        "",
        "backend old { .url = \"unix:app.sock\"; }\nsite \"www.test\" { route \"/\" { .backend = old; } }\n",
    );
    folder.write("main.vcl", &rules);
    let stage = Stage::open(folder);
    let mut visitor = stage.visitor();
    for path in ["/one", "/two?x"] {
        let reply = visitor.get(path);
        assert_eq!((reply.status, reply.text().as_str()), (200, path));
    }
}

/// An old server that speaks TLS.
fn tls_server(made: &Made) -> std::net::SocketAddr {
    let chain = vec![CertificateDer::from_pem_slice(made.chain.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(crypto::provider())
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a server");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let mut secure = StreamOwned::new(ServerConnection::new(config).expect("TLS"), stream);
                while raw_message(&mut secure).is_some() {
                    let name = secure.conn.server_name().unwrap_or("nobody").to_owned();
                    send_anyway(&mut secure, &ok(&name));
                }
                // A goodbye that is not read would be a reset.
                let _ = secure.sock.shutdown(std::net::Shutdown::Write);
                let _ = secure.sock.read(&mut [0; 64]);
            });
        }
    });
    address
}

#[test]
fn a_backend_over_tls_proves_who_it_is() {
    let folder = Folder::new();
    let (ca, other) = (Ca::new(), Ca::new());
    let made = ca.signs(&["app.internal"]);
    let address = tls_server(&made);
    folder.write("ca.pem", &ca.pem);
    folder.write("other.pem", &other.pem);
    let pin =
        digest::digest(&digest::SHA256, &made.der).as_ref().iter().fold(String::new(), |mut pin, byte| {
            let _ = write!(pin, "{byte:02x}");
            pin
        });
    let wrong: String = pin.chars().rev().collect();
    let cases = [
        ("good", ".ca = \"ca.pem\"; .tls_name = \"app.internal\";".to_owned(), 200),
        ("name", ".ca = \"ca.pem\"; .tls_name = \"other.internal\";".to_owned(), 503),
        ("noname", ".ca = \"ca.pem\";".to_owned(), 503),
        ("ca", ".ca = \"other.pem\"; .tls_name = \"app.internal\";".to_owned(), 503),
        ("system", ".tls_name = \"app.internal\";".to_owned(), 503),
        ("pin", format!(".pin = \"sha256:{pin}\";"), 200),
        ("badpin", format!(".pin = \"sha256:{wrong}\";"), 503),
    ];
    let mut rules = String::from("site \"www.test\" {\n");
    for (name, ..) in &cases {
        let _ = writeln!(rules, "route \"/{name}\" {{ .backend = b_{name}; }}");
    }
    rules.push_str("}\n");
    for (name, settings, _) in &cases {
        let _ = writeln!(rules, "backend b_{name} {{ .url = \"https://{address}\"; {settings} }}");
    }
    folder.write("main.vcl", &Stage::text("", &rules));
    let mut stage = Stage::open(folder);
    let mut visitor = stage.visitor();
    for (name, _, status) in &cases {
        let reply = visitor.get(&format!("/{name}"));
        assert_eq!(reply.status, *status, "{name}: {}", reply.text());
        if *name == "good" {
            assert_eq!(reply.text(), "app.internal", "asked for by name");
        }
    }
    stage.close();
    let errors = log_of(&stage.folder.0.join("state"), "www.test", "error");
    assert_eq!(errors.lines().filter(|line| line.contains("cause=tls ")).count(), 5, "{errors}");
    assert!(!errors.contains(&address.port().to_string()), "no address of a backend is written: {errors}");
}

#[test]
fn rules_see_our_end_as_the_balancer_tells_it() {
    let witness = Witness::new();
    let stage = Stage::raw(
        ".trusted = balancer; .proxy_protocol = yes;",
        &[
            ACL,
            "site \"www.test\" { .force_https = no; route \"/\" { .backend = old; } }\n\
             sub vcl_deliver { set resp.http.X-Here = server.ip + \" \" + std.port(server.ip); }\n",
            &witness.server.declared("old"),
        ]
        .concat(),
    );
    let mut told = connect_from(BALANCER, stage.http());
    told.write_all(b"PROXY TCP4 203.0.113.77 192.0.2.1 4711 443\r\n").expect("a header");
    assert_eq!(Visitor::new(told).get("/").header("x-here"), Some("192.0.2.1 443"));
    let own = format!("127.0.0.1 {}", stage.http().port());
    assert_eq!(stage.plain_visitor().get("/").header("x-here"), Some(&*own));
}
