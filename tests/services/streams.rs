//! Apache as a backend that speaks HTTP/2, without TLS and with it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};

use crate::server::{Server, free_port};
use crate::stage::{Folder, Stage};

/// httpd with `mod_http2` on two ports, showing a certificate of its own.
fn apache() -> (Server, u16, u16) {
    let (plain, secure) = (free_port(), free_port());
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["apache.test".into()]).unwrap().self_signed(&key).unwrap();
    folder.write("leaf.pem", &leaf.pem());
    folder.write("leaf.key", &key.serialize_pem());
    std::fs::create_dir(folder.0.join("pages")).unwrap();
    folder.write("pages/big.txt", &"0123456789".repeat(50_000));
    folder.write("pages/small.txt", "small");
    let root = folder.0.display();
    let mut modules = String::new();
    for name in ["mpm_event", "authz_core", "http2", "ssl", "socache_shmcb", "mime", "headers"] {
        let _ = writeln!(modules, "LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so");
    }
    folder.write(
        "httpd.conf",
        &format!(
            "ServerRoot {root}\nServerName apache.test\nPidFile httpd.pid\nErrorLog error.log\nListen 127.0.0.1:{plain}\n\
             Listen 127.0.0.1:{secure}\nMutex file:{root}\n{modules}TypesConfig /dev/null\nDocumentRoot {root}/pages\n\
             H2Direct on\nHeader set X-Spoken %{{HTTP2}}e\n<VirtualHost *:{plain}>\nProtocols h2c\n</VirtualHost>\n\
             <VirtualHost *:{secure}>\nProtocols h2\nSSLEngine on\nSSLCertificateFile leaf.pem\n\
             SSLCertificateKeyFile leaf.key\n</VirtualHost>\n"
        ),
    );
    let mut command = Command::new("apache2");
    command.arg("-X").arg("-f").arg(folder.0.join("httpd.conf"));
    let mut server = Server::start(folder, command);
    server.wait_for(SocketAddr::from(([127, 0, 0, 1], plain)));
    (server, plain, secure)
}

#[test]
fn apache_is_spoken_to_by_http_2() {
    let (server, plain, secure) = apache();
    let stage = Stage::with(
        "route \"/plain/\" { .backend = plain; }\nroute \"/\" { .backend = secure; }",
        &format!(
            "backend plain {{ .url = \"h2c://127.0.0.1:{plain}\"; }}\n\
             backend secure {{ .url = \"h2://127.0.0.1:{secure}\"; .tls_name = \"apache.test\"; .ca = \"{}\"; }}",
            server.path("leaf.pem").display()
        ),
    );
    std::os::unix::fs::symlink(server.path("pages"), server.path("pages/plain")).unwrap();
    let mut visitor = stage.visitor();
    for path in ["/", "/plain/"] {
        for _ in 0..3 {
            let reply = visitor.get(&format!("{path}small.txt"));
            assert_eq!((reply.status, reply.text().as_str()), (200, "small"), "{path}: {}", server.said());
            assert_eq!(reply.header("x-spoken"), Some("on"), "{path}");
        }
        let reply = visitor.get(&format!("{path}big.txt"));
        assert!(reply.complete && reply.body.len() == 500_000);
        assert_eq!(reply.header("content-length"), Some("500000"));
        let part = visitor
            .ask(&format!("GET {path}big.txt HTTP/1.1\r\nHost: www.test\r\nRange: bytes=10-19\r\n\r\n"));
        assert_eq!((part.status, part.text().as_str()), (206, "0123456789"));
        let head = visitor.ask(&format!("HEAD {path}big.txt HTTP/1.1\r\nHost: www.test\r\n\r\n"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(visitor.get(&format!("{path}none")).status, 404);
    }
    let status = stage.running().status();
    assert_eq!(
        status.text.matches("1 connection open, 7 requests so far with 0 faults").count(),
        2,
        "{}",
        status.text
    );
}
