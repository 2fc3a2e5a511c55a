//! What a strict reader refuses never reaches an old server, and what is merely unusual arrives unchanged in
//! meaning. Every payload goes over TLS as it is; behind the gateway stands a recorder that keeps raw bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::stage::{PATIENCE, Secure, Stage, Visitor};

/// One payload, and what has to become of it.
struct Bad {
    group: &'static str,
    bytes: Vec<u8>,
    status: u16,
    /// Whole requests that stand before the bad one, and pass.
    before: usize,
}

#[derive(Default)]
struct Bads(Vec<Bad>);

impl Bads {
    fn add(&mut self, group: &'static str, status: u16, bytes: impl AsRef<[u8]>) {
        self.0.push(Bad { group, bytes: bytes.as_ref().to_vec(), status, before: 0 });
    }

    fn all<B: AsRef<[u8]>>(
        &mut self,
        group: &'static str,
        status: u16,
        payloads: impl IntoIterator<Item = B>,
    ) {
        for bytes in payloads {
            self.add(group, status, bytes);
        }
    }
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: www.test\r\n\r\n";

fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A GET with these lines between `Host` and the end.
fn get_with(lines: impl AsRef<[u8]>) -> Vec<u8> {
    cat(&[b"GET /a HTTP/1.1\r\nHost: www.test\r\n", lines.as_ref(), b"\r\n\r\n"])
}

fn post_with(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    cat(&[b"POST /a HTTP/1.1\r\nHost: www.test\r\n", lines.as_ref(), b"\r\n\r\n", body.as_ref()])
}

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post_with("Transfer-Encoding: chunked", body)
}

fn target(target: impl AsRef<[u8]>) -> Vec<u8> {
    cat(&[b"GET ", target.as_ref(), b" HTTP/1.1\r\nHost: www.test\r\n\r\n"])
}

fn host(line: impl AsRef<[u8]>) -> Vec<u8> {
    cat(&[b"GET /a HTTP/1.1\r\n", line.as_ref(), b"\r\n\r\n"])
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Bytes that no token holds, one of each kind.
fn odd_bytes() -> impl Iterator<Item = u8> {
    let printable = (0x21..0x7f).filter(|byte| !is_token(*byte));
    printable.chain([0, 1, 8, 9, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0xa0, 0xff])
}

fn bad_line_ends(bads: &mut Bads) {
    let parts = ["GET /a HTTP/1.1", "Host: www.test", "X-Test: y", ""];
    for place in 0..parts.len() {
        for end in ["\n", "\r", "\r\r\n", "\n\r\n", "\r\0\n", "\n\n", "\u{85}", "\u{2028}"] {
            let mut text = String::new();
            for (at, part) in parts.iter().enumerate() {
                text.push_str(part);
                text.push_str(if at == place { end } else { "\r\n" });
            }
            // Behind the last empty line there is nothing to tell these from a next request.
            if place < 3 || matches!(end, "\n" | "\r" | "\r\r\n" | "\r\0\n") {
                bads.add("line ends", 400, text);
            }
        }
    }
    bads.add("line ends", 400, "GET /a HTTP/1.1\nHost: www.test\n\n");
    bads.add("line ends", 400, "GET /a HTTP/1.1\rHost: www.test\r\r");
    bads.add("line ends", 400, "GET /a HTTP/1.1\n\rHost: www.test\n\r\n\r");
    bads.add(
        "line ends",
        400,
        format!("POST /a HTTP/1.1\r\nHost: www.test\r\nContent-Length: 0\r\n\n{SMUGGLED}"),
    );
    bads.add("line ends", 400, format!("GET /a HTTP/1.1\r\nHost: www.test\r\nX: a\n\n{SMUGGLED}"));
    bads.add("line ends", 400, format!("GET /a HTTP/1.1\r\nHost: www.test\r\nX: a\r\r{SMUGGLED}"));
}

fn bad_folds(bads: &mut Bads) {
    bads.all(
        "folded lines",
        400,
        [
            get_with("X-Test: a\r\n b"),
            get_with("X-Test: a\r\n\tb"),
            get_with("X-Test: a\r\n "),
            get_with("X-Test:\r\n a"),
            get_with(" X-Test: a"),
            get_with("\tX-Test: a"),
            get_with(" "),
            get_with("X-Test: a\r\n  \t b\r\nY: c"),
            host(" Host: www.test"),
            host("Host:\r\n www.test"),
            host("Host: www.test\r\n .evil.test"),
            host("X: y\r\n Host: www.test"),
            post_with("Content-Length:\r\n 5", "hello"),
            post_with("Content-Length: 5\r\n 5", "hello"),
            post_with("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"),
            post_with("Transfer-Encoding:\r\n\tchunked\r\nContent-Length: 5", "0\r\n\r\n"),
            post_with("Transfer-Encoding: chunked\r\n , identity", "0\r\n\r\n"),
            post_with("X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n"),
            post_with(" Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
        ],
    );
}

fn bad_beginnings(bads: &mut Bads) {
    let good = "GET /a HTTP/1.1\r\nHost: www.test\r\n\r\n";
    for first in [
        &b" "[..],
        b"\t",
        b"\0",
        b"\x0b",
        b"\x0c",
        b"\x1b",
        b"\x7f",
        b"\x80",
        b"\xef\xbb\xbf",
        b"\n",
        b"\r",
        b"\n\r\n",
        b"\r\r\n",
        b"\r\n ",
        b"\r\n\n",
        b"\r\n\r\n\r\n\r\n\r\n",
        b":",
        b"\"",
    ] {
        bads.add("beginnings", 400, cat(&[first, good.as_bytes()]));
    }
    bads.add("other protocols", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    bads.all(
        "other protocols",
        400,
        [
            &b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"[..],
            b"\x80\x2e\x01\x00\x02\x00\x15",
            b"\x05\x01\x00",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"EHLO mail.test\r\n",
            b"USER a\r\nPASS b\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /a HTTP/1.1\r\nHost: www.test\r\n\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02",
            b"get key\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ],
    );
}

fn bad_request_lines(bads: &mut Bads) {
    let with = |line: &[u8]| cat(&[line, b"\r\nHost: www.test\r\n\r\n"]);
    for version in ["HTTP/1.2", "HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.0", "HTTP/1.9"] {
        bads.add("versions", 505, with(format!("GET /a {version}").as_bytes()));
    }
    for version in [
        "HTTP/1.1.1",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1.10",
        "HTTP/11",
        "HTTP/1",
        "HTTP/2",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/",
        "HTTP",
        "HTTP/1,1",
        "HTTP/-1.1",
        "HTTP/+1.1",
        "HTTP /1.1",
        "HTTP/ 1.1",
        "HTTP/1. 1",
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "XTTP/1.1",
        "HTTP\\1.1",
        "HTTP/1.1a",
        "HTTP/1.1;",
        "HTTP/1.1 x",
        "HTTP/1.1 ",
        "HTTP/1.1\t",
        "HTTP/\u{ff11}.1",
        "HTTP/1.\0",
        "HTTP/0x1.1",
        "ICY/1.0",
        "RTSP/1.0",
        "\0HTTP/1.1",
        "HTTP/a.b",
        "HTTP//1.1",
    ] {
        bads.add("versions", 400, with(format!("GET /a {version}").as_bytes()));
    }
    for blank in ["  ", "\t", " \t", "\u{b}", "\u{c}", "\u{a0}", "\0"] {
        bads.add("request lines", 400, with(format!("GET{blank}/a HTTP/1.1").as_bytes()));
        bads.add("request lines", 400, with(format!("GET /a{blank}HTTP/1.1").as_bytes()));
    }
    bads.all(
        "request lines",
        400,
        [
            "GET",
            "GET ",
            "GET /a",
            "GET /a ",
            "GET  HTTP/1.1",
            " /a HTTP/1.1",
            "/a HTTP/1.1",
            "GET/a HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /a HTTP/1.1 HTTP/1.1",
            "GET /a\u{a0}HTTP/1.1 HTTP/1.1",
        ]
        .map(|line| with(line.as_bytes())),
    );
    for byte in odd_bytes() {
        bads.add("methods", 400, with(&cat(&[b"G", &[byte], b"T /a HTTP/1.1"])));
    }
    bads.add("methods", 501, with(format!("{} /a HTTP/1.1", "A".repeat(65)).as_bytes()));
    bads.add("methods", 501, with(format!("{} /a HTTP/1.1", "A".repeat(5_000)).as_bytes()));
    bads.add("methods", 501, with(b"CONNECT www.test:443 HTTP/1.1"));
    bads.add("methods", 501, with(b"CONNECT / HTTP/1.1"));
}

fn bad_targets(bads: &mut Bads) {
    for byte in (0..0x21).chain([b'"', b'#', b'<', b'>', b'\\', b'`', b'{', b'}', 0x7f, 0x80, 0xc3, 0xff]) {
        // A bare LF or CR ends or breaks the line, a space ends the target; all else is no part of one.
        bads.add("targets", 400, target(cat(&[b"/a", &[byte], b"b"])));
    }
    bads.all(
        "targets",
        400,
        [
            "a",
            "www.test/a",
            "?a=b",
            "#",
            "*",
            "**",
            "*a",
            "www.test:443",
            "http:/a",
            "http:a",
            "http://",
            "https://",
            "https:///a",
            "ftp://www.test/a",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "://www.test/a",
            "https://other.test/a",
            "https://user@www.test/a",
            "https://user:word@www.test/a",
            "https://www.test:99999/a",
            "https://www.test:x/a",
            "https://www.test@other.test/a",
            "https://[::1/a",
            "https://www.test\\@other.test/a",
            "https://other.test:443/a",
            "/a#b",
            "/a?b#c",
            "/a?b\"c",
            "/a?b<c",
            "/a?b>c",
            "@www.test/a",
            ":80/a",
            "..",
            "../a",
            "./a",
            "\\a",
        ]
        .map(target),
    );
    bads.add("targets", 421, target("http://www.test/a"));
    bads.all(
        "paths",
        400,
        [
            "/%",
            "/%2",
            "/%zz",
            "/%2x",
            "/%%32e",
            "/%u002f",
            "/%00",
            "/a%00b",
            "/%0a",
            "/%0d%0aX:%20y",
            "/%0D%0ASet-Cookie:a=b",
            "/%1f",
            "/%7f",
            "/%80",
            "/%ff",
            "/%c0%af",
            "/%c0%ae%c0%ae/",
            "/%e0%80%af",
            "/%f0%80%80%af",
            "/%ed%a0%80",
            "/%f4%90%80%80",
            "/%c2%85",
            "/%5c",
            "/a%5C..%5Cb",
            "/a%2fb",
            "/a%2Fb",
            "/%2f",
            "/..%2fa",
            "/a/..%2f..%2fb",
            "/..",
            "/../",
            "/../a",
            "/a/../../b",
            "/%2e%2e",
            "/%2e%2e/a",
            "/a/%2e%2e/%2e%2e/b",
            "/a/.%2e/../b",
            "/..;/a",
            "/a/..;/b",
            "/a/..;x=y/b",
            "/.;/a",
            "/a/%2e%2e;/b",
            "/a/.;x/b",
            "/./../a",
            "//../a",
            "/a//../../../b",
        ]
        .map(target),
    );
}

fn bad_names(bads: &mut Bads) {
    for byte in odd_bytes().filter(|byte| *byte != b':') {
        bads.add("header names", 400, get_with(cat(&[b"X", &[byte], b"Y: v"])));
    }
    for name in ["Host", "Content-Length", "Transfer-Encoding", "X-Test", "Connection"] {
        for blank in [" ", "\t", "\u{b}", "\0", "  "] {
            let value = match name {
                "Host" => "www.test",
                "Content-Length" => "5",
                "Transfer-Encoding" => "chunked",
                _ => "close",
            };
            bads.add("header names", 400, post_with(format!("{name}{blank}: {value}"), "0\r\n\r\n"));
        }
    }
    bads.all(
        "header names",
        400,
        [
            get_with(": v"),
            get_with(":"),
            get_with("X"),
            get_with("X-Test"),
            get_with("X y: v"),
            get_with("\0: v"),
            get_with("X-Test v"),
            get_with("X-Test; v"),
            get_with("(X): v"),
            get_with("X\u{e9}: v"),
            get_with("\"X\": v"),
            get_with("GET /smuggled HTTP/1.1"),
            get_with("X-Test: a\r\n: b"),
        ],
    );
    for line in [
        "Transfer_Encoding: chunked",
        "transfer_encoding: chunked",
        "Content_Length: 5",
        "TRANSFER_ENCODING: x",
        "CONTENT_LENGTH: 0",
    ] {
        bads.add("lookalikes", 400, post_with(line, "0\r\n\r\n"));
        bads.add("lookalikes", 400, post_with(format!("Content-Length: 5\r\n{line}"), "0\r\n\r\n"));
    }
}

fn bad_values(bads: &mut Bads) {
    for byte in (0..0x20).chain([0x7f]).filter(|byte| *byte != b'\t') {
        bads.add("header values", 400, get_with(cat(&[b"X-Test: a", &[byte], b"c"])));
    }
    bads.all(
        "header values",
        400,
        [
            get_with("X-Test: a\rTransfer-Encoding: chunked"),
            get_with("X-Test: a\nTransfer-Encoding: chunked"),
            get_with("X-Test: \0"),
            get_with("X-Test: a\r\r\nY: b"),
            get_with("\r: a"),
            get_with("Connection: \"close\""),
            get_with("Connection: x y"),
            get_with("Cookie: a=b\r\nCookie: c=d"),
            get_with("Authorization: Basic YQ==\r\nAuthorization: Basic Yg=="),
            get_with("Content-Type: a/b\r\nContent-Type: c/d"),
            get_with("Destination: /a\r\nDestination: /b"),
            get_with("Connection: upgrade\r\nUpgrade: web socket"),
        ],
    );
    for name in [
        "host",
        "content-length",
        "transfer-encoding",
        "cookie",
        "Authorization",
        "content-type",
        "if-match",
        "range",
        "expect",
        "Sec-WebSocket-Key",
    ] {
        bads.add("connection options", 400, get_with(format!("Connection: {name}")));
        bads.add("connection options", 400, get_with(format!("Connection: close, {name}")));
    }
    for value in ["200-ok", "100-continue, x", "x", "100", "100-continue;q=1", "\"100-continue\"", ""] {
        bads.add("expectations", 417, post_with(format!("Expect: {value}\r\nContent-Length: 5"), "hello"));
    }
}

fn bad_lengths(bads: &mut Bads) {
    for value in [
        "+5",
        "-5",
        "-0",
        "5 5",
        "5,5",
        "5, 5",
        "5,6",
        "5,",
        ",5",
        "0x5",
        "0X5",
        "5.0",
        "5e0",
        "",
        "five",
        "5;",
        "5;a=b",
        "\"5\"",
        "'5'",
        "\u{ff15}",
        "5_0",
        "5 x",
        "5h",
        "0b101",
        "18446744073709551616",
        "18446744073709551621",
        "9223372036854775808",
        "99999999999999999999999999",
        "4294967301x",
        "5\u{b}",
        "\u{c}5",
        "5\u{7f}",
        "5\0",
        "5\u{a0}",
        "NaN",
        "1e1",
        "(5)",
        "=5",
        "5/2",
        "- 5",
    ] {
        bads.add("lengths", 400, post_with(format!("Content-Length: {value}"), format!("hello{SMUGGLED}")));
    }
    for (one, two) in [("5", "5"), ("5", "6"), ("0", "5"), ("5", "0"), ("5", ""), ("5", "x"), ("05", "5")] {
        bads.add(
            "lengths",
            400,
            post_with(format!("Content-Length: {one}\r\nContent-Length: {two}"), "hello"),
        );
        bads.add(
            "lengths",
            400,
            post_with(format!("content-length: {one}\r\nX: y\r\nCONTENT-LENGTH: {two}"), "hello"),
        );
    }
}

fn bad_codings(bads: &mut Bads) {
    for value in [
        "chunked, chunked",
        "chunked,chunked",
        "identity",
        "gzip",
        "chunked, gzip",
        "chunked, identity",
        "chunked;q=1",
        "chunked;",
        "xchunked",
        "chunkedx",
        "chunked,",
        ",chunked",
        ", chunked",
        "\"chunked\"",
        "'chunked'",
        "chunk",
        "chunked chunked",
        "cow",
        "",
        ",",
        "chunked\u{b}",
        "\u{b}chunked",
        "chunked\u{c}",
        "chunked\0",
        "chunked\u{7f}",
        "\u{ff43}hunked",
        "chunked\u{a0}",
        "chunked-",
        "chun ked",
        "c",
        "0",
        "[chunked]",
        "chunked=1",
        "chunked/1",
        "gzip chunked",
        "identity, chunked, identity",
        "ch\u{212a}unked",
        "chun\u{212a}ed",
    ] {
        bads.add(
            "codings",
            400,
            post_with(format!("Transfer-Encoding: {value}"), format!("0\r\n\r\n{SMUGGLED}")),
        );
        bads.add(
            "codings",
            400,
            post_with(
                format!("Content-Length: 5\r\nTransfer-Encoding: {value}"),
                format!("0\r\n\r\n{SMUGGLED}"),
            ),
        );
    }
    for value in ["gzip, chunked", "identity, chunked", "cow, chunked", "deflate , chunked"] {
        bads.add(
            "codings",
            501,
            post_with(format!("Transfer-Encoding: {value}"), format!("0\r\n\r\n{SMUGGLED}")),
        );
    }
    for lines in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: x",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding:",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "transfer-encoding: CHUNKED\r\ncontent-length: 100",
        "Content-Length: 5\r\nX: y\r\nTRANSFER-ENCODING: chunked",
    ] {
        bads.add("codings", 400, post_with(lines, format!("0\r\n\r\n{SMUGGLED}")));
        bads.add(
            "codings",
            400,
            cat(&[b"GET /a HTTP/1.1\r\nHost: www.test\r\n", lines.as_bytes(), b"\r\n\r\n0\r\n\r\n"]),
        );
    }
    for lines in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: x",
        "Connection: keep-alive\r\nTransfer-Encoding: chunked",
    ] {
        bads.add(
            "codings",
            400,
            cat(&[b"POST /a HTTP/1.0\r\nHost: www.test\r\n", lines.as_bytes(), b"\r\n\r\n0\r\n\r\n"]),
        );
    }
}

fn bad_hosts(bads: &mut Bads) {
    bads.all(
        "hosts",
        400,
        [
            "X: y",
            "Host:",
            "Host: ",
            "Host: www.test\r\nHost: www.test",
            "Host: www.test\r\nHost: other.test",
            "Host: www.test\r\nhost: www.test",
            "Host: www.test\r\nHost:",
            "Host: www.test, www.test",
            "Host: www.test,other.test",
            "Host: www.test other.test",
            "Host: user@www.test",
            "Host: other.test@www.test",
            "Host: :443",
            "Host: www.test:abc",
            "Host: www.test:99999",
            "Host: www.test:0",
            "Host: www.test:-1",
            "Host: www.test:+443",
            "Host: www.test:443:443",
            "Host: www.test:443 ,",
            "Host: www.test/a",
            "Host: http://www.test",
            "Host: //www.test",
            "Host: www.test?a",
            "Host: www.test#a",
            "Host: [::1",
            "Host: ::1",
            "Host: [::1]x",
            "Host: [www.test]",
            "Host: [::g]",
            "Host: []",
            "Host: www..test",
            "Host: .www.test",
            "Host: www.test..",
            "Host: .",
            "Host: www%2etest",
            "Host: www.te%73t",
            "Host: www.test%00",
            "Host: www.test\\",
            "Host: www.t\u{e9}st",
            "Host: www.test\t.evil.test",
            "Host: 127.1",
            "Host: 0x7f.1",
            "Host: 2130706433",
            "Host: *",
            "Host: \"www.test\"",
            "Host: (www.test)",
            "Host: www.test;a",
            "Host: www.test|a",
            "Host: www.test&a",
            "Host: www.test'",
            "Host: <www.test>",
            "Host: www.test\0",
            "Host: www\u{0}.test",
            "Host: www.test\u{b}",
            "H\u{f6}st: www.test",
            "Hos\tt: www.test",
        ]
        .map(host),
    );
    bads.add("hosts", 400, host(format!("Host: {}.test", "a".repeat(64))));
    bads.add("hosts", 400, host(format!("Host: {}test", "a.".repeat(200))));
    bads.add("hosts", 400, "GET /a HTTP/1.0\r\n\r\n");
    bads.add("hosts", 400, "GET https://www.test/a HTTP/1.1\r\n\r\n");
    bads.add("hosts", 400, "GET https://www.test/a HTTP/1.1\r\nHost: other.test\r\n\r\n");
    bads.add("hosts", 400, "GET https://www.test:8443/a HTTP/1.1\r\nHost: www.test\r\n\r\n");
    for name in [
        "other.test",
        "www.test.evil.test",
        "evilwww.test",
        "test",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "ww.test",
    ] {
        bads.add("hosts", 421, host(format!("Host: {name}")));
    }
}

fn bad_chunks(bads: &mut Bads) {
    for size in [
        "0x5",
        "0X5",
        "+5",
        "-5",
        "-0",
        "5 ",
        "5\t",
        " 5",
        "\t5",
        "5 5",
        "5_0",
        "5,",
        "5.0",
        "5h",
        "g",
        "",
        ";a=b",
        "\"5\"",
        "5\0",
        "\x005",
        "\u{ff15}",
        "5\u{b}",
        "5\u{c}",
        "5\u{a0}",
        "00000000000000005",
        "10000000000000005",
        "ffffffffffffffff",
        "8000000000000005",
        "fffffffffffffffff",
        "100000000000000000000000000000005",
        "5=",
        "5\"",
        "5\\",
        "5/",
        "5:",
        "(5)",
        "0o5",
        "5e+0",
        "05x",
        "%35",
    ] {
        bads.add("chunk sizes", 400, chunked(format!("{size}\r\nhello\r\n0\r\n\r\n{SMUGGLED}")));
    }
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5\n\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\r\r\n0\r\n\r\n",
        "5\r\nhello\n\r\n0\r\n\r\n",
        "5\r\nhello \r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "0\n\r\n",
        "0\r\r\n\r\n",
        "0\r\n\n",
        "0\n\n",
        "0\r\r",
        "5\r\nhello\r\n0\r\n\r\r\n",
        "\r\n0\r\n\r\n",
        "\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\rX",
        "5\r\nhello\r\n 0\r\n\r\n",
        "5\r\nhello\r\n0 \r\n\r\n",
    ] {
        bads.add("chunk lines", 400, chunked(format!("{body}{SMUGGLED}")));
    }
    for ext in [
        ";",
        ";;a",
        ";a;",
        ";=b",
        ";a=",
        ";a==b",
        " a",
        "  ",
        "; ",
        ";a ",
        ";a=b ",
        ";a=b\t",
        ";a b",
        ";a\0b",
        ";a=b\u{1}",
        ";a=\u{e9}",
        ";a=\"b",
        ";a=\"b\u{7f}\"",
        ";a=\"b\0\"",
        ";a=\"b\"c",
        ";a=\"b\" ",
        ";\"a\"",
        ";a=b=c",
        ";a,b",
        ";a=b c",
        ";a;;b",
        ";(a)",
        ";a=\"\\",
        ";a\u{b}=b",
        " =b",
    ] {
        bads.add("chunk extensions", 400, chunked(format!("5{ext}\r\nhello\r\n0\r\n\r\n{SMUGGLED}")));
    }
    for line in [
        "5;a\n",
        "5;a\r",
        "5;a\r\r\n",
        "5;\n",
        "5;a=\"b\n\"\r\n",
        "5;a=\"b\r\n\"\r\n",
        "5;a\nb\r\n",
        "5;a\rb\r\n",
        "5 ;\n",
        "5 \n",
        "2;\nxx\r\n",
    ] {
        bads.add("chunk extensions", 400, chunked(format!("{line}hello\r\n0\r\n\r\n{SMUGGLED}")));
    }
    bads.add("chunk extensions", 400, chunked(format!("5;a={}\r\nhello\r\n0\r\n\r\n", "b".repeat(17 << 10))));
    bads.add(
        "chunk extensions",
        400,
        chunked(format!("{}0\r\n\r\n", "1;a=bbbbbbbbbbbbbbbbbbbbbbbbbb\r\nx\r\n".repeat(1_000))),
    );
    for trailer in [
        "Content-Length: 5\r\n",
        "content-length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Host: www.test\r\n",
        "Content_Length: 5\r\n",
        "Transfer_Encoding: chunked\r\n",
        "X : 1\r\n",
        "X\t: 1\r\n",
        " X: 1\r\n",
        "X: 1\r\n 2\r\n",
        "X: 1\n",
        "X: a\rb\r\n",
        "X: a\0\r\n",
        "X\r\n",
        ": x\r\n",
        "\r\r\n",
        "GET /smuggled HTTP/1.1\r\nHost: www.test\r\n",
        "X\0: 1\r\n",
        "X(: 1\r\n",
        "X: 1\r\r\n",
        "X: \u{7f}\r\n",
    ] {
        bads.add("trailers", 400, chunked(format!("5\r\nhello\r\n0\r\n{trailer}\r\n{SMUGGLED}")));
    }
    bads.add("trailers", 431, chunked(format!("0\r\n{}\r\n", "X: y\r\n".repeat(101))));
    bads.add("trailers", 431, chunked(format!("0\r\nX: {}\r\n\r\n", "y".repeat(65 << 10))));
}

fn too_much(bads: &mut Bads) {
    let many = |count: usize, line: &str| line.repeat(count);
    bads.add("too much", 414, target(format!("/{}", "a".repeat(17 << 10))));
    bads.add("too much", 414, target(format!("/?{}", "a".repeat(17 << 10))));
    bads.add("too much", 414, format!("GET /{}", "a".repeat(17 << 10)));
    bads.add("too much", 431, get_with(many(101, "X: y\r\n")));
    bads.add("too much", 431, get_with(format!("X: {}", "y".repeat(65 << 10))));
    bads.add("too much", 431, get_with(format!("{}: y", "x".repeat(65 << 10))));
    bads.add("too much", 431, get_with(many(90, &format!("X: {}\r\n", "y".repeat(800)))));
    bads.add("too much", 431, format!("GET /a HTTP/1.1\r\nHost: www.test\r\nX: {}", "y".repeat(65 << 10)));
    bads.add("too much", 431, get_with(format!("Cookie: {}", "y".repeat(65 << 10))));
}

/// What stands behind a good request is judged like the first: nobody is let in on another's heels.
fn bad_followers(bads: &mut Bads) {
    let firsts = [
        "GET /first HTTP/1.1\r\nHost: www.test\r\n\r\n",
        "POST /first HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello",
        "POST /first HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ];
    let seconds = [
        "0\r\n\r\n".to_owned(),
        format!("X\u{0}{SMUGGLED}"),
        format!("hello\r\n{SMUGGLED}"),
        format!(" {SMUGGLED}"),
        format!("\n{SMUGGLED}"),
        format!("\r\n\r\n\r\n\r\n\r\n{SMUGGLED}"),
        "GET /smuggled HTTP/1.1\r\n\r\n".to_owned(),
        "GET /smuggled HTTP/1.1\nHost: www.test\n\n".to_owned(),
        "GET /smuggled HTTP/9.9\r\nHost: www.test\r\n\r\n".to_owned(),
        "GET /smuggled HTTP/1.1\r\nHost : www.test\r\n\r\n".to_owned(),
        "POST /smuggled HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "POST /smuggled HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5, 5\r\n\r\nhello".to_owned(),
    ];
    for first in firsts {
        for second in &seconds {
            let status = if second.contains("9.9") { 505 } else { 400 };
            let bytes = [first, second].concat().into_bytes();
            bads.0.push(Bad { group: "followers", bytes, status, before: 1 });
        }
    }
}

#[test]
fn what_is_refused_reaches_nobody() {
    let mut bads = Bads::default();
    bad_line_ends(&mut bads);
    bad_folds(&mut bads);
    bad_beginnings(&mut bads);
    bad_request_lines(&mut bads);
    bad_targets(&mut bads);
    bad_names(&mut bads);
    bad_values(&mut bads);
    bad_lengths(&mut bads);
    bad_codings(&mut bads);
    bad_hosts(&mut bads);
    bad_chunks(&mut bads);
    too_much(&mut bads);
    bad_followers(&mut bads);
    let bads = bads.0;
    assert!(bads.len() >= 400, "only {} payloads", bads.len());

    let mut range = Range::open();
    let mut wrong = Vec::new();
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for bad in &bads {
        let tally = groups.entry(bad.group).or_default();
        tally.0 += 1;
        match range.try_refused(bad) {
            Ok(()) => tally.1 += 1,
            Err(why) => wrong.push(format!("{}: {} -> {why}", bad.group, shown(&bad.bytes))),
        }
    }
    for (group, (tried, refused)) in &groups {
        println!("{group:>20}: {refused} of {tried}");
    }
    range.every_answer_is_recorded();
    println!("{} of {} payloads refused, nothing dangerous forwarded", bads.len() - wrong.len(), bads.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), bads.len(), wrong.join("\n"));
}

fn shown(bytes: &[u8]) -> String {
    let text: String =
        bytes.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    text.chars().take(220).collect()
}

/// A payload that looks odd and is valid, and what the old server must see of it.
struct Odd {
    bytes: Vec<u8>,
    line: &'static str,
    /// Header and value; `None` where it must not arrive.
    seen: &'static [(&'static str, Option<&'static str>)],
    body: &'static str,
}

fn odd(bytes: impl AsRef<[u8]>, line: &'static str) -> Odd {
    Odd { bytes: bytes.as_ref().to_vec(), line, seen: &[], body: "" }
}

impl Odd {
    fn seen(self, seen: &'static [(&'static str, Option<&'static str>)]) -> Self {
        Self { seen, ..self }
    }

    fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }
}

const GET: &str = "GET /a HTTP/1.1";
const POST: &str = "POST /a HTTP/1.1";

fn odd_heads() -> Vec<Odd> {
    let mut odds = vec![
        odd("\r\nGET /a HTTP/1.1\r\nHost: www.test\r\n\r\n", GET),
        odd("\r\n\r\nGET /a HTTP/1.1\r\nHost: www.test\r\n\r\n", GET),
        odd("GET /a HTTP/1.0\r\nHost: www.test\r\n\r\n", GET),
        odd("GET /a HTTP/1.0\r\nHost: www.test\r\nConnection: keep-alive\r\n\r\n", GET)
            .seen(&[("connection", None)]),
        odd("GET https://www.test/a HTTP/1.0\r\n\r\n", GET),
        odd("GET https://www.test/a?b HTTP/1.1\r\nHost: www.test\r\n\r\n", "GET /a?b HTTP/1.1"),
        odd("GET HTTPS://WWW.test HTTP/1.1\r\nHost: www.test\r\n\r\n", "GET / HTTP/1.1"),
        odd("GET https://www.test?b HTTP/1.1\r\nHost: www.test\r\n\r\n", "GET /?b HTTP/1.1"),
        odd("GET https://www.test:443/a HTTP/1.1\r\nHost: www.test\r\n\r\n", GET)
            .seen(&[("host", Some("www.test"))]),
        odd("OPTIONS * HTTP/1.1\r\nHost: www.test\r\n\r\n", "OPTIONS * HTTP/1.1"),
        odd("OPTIONS https://www.test HTTP/1.1\r\nHost: www.test\r\n\r\n", "OPTIONS * HTTP/1.1"),
        odd(host("host:www.test"), GET).seen(&[("host", Some("www.test"))]),
        odd(host("HOST: \t www.test \t "), GET).seen(&[("host", Some("www.test"))]),
        odd(host("Host: WWW.Test"), GET).seen(&[("host", Some("WWW.Test"))]),
        odd(host("Host: www.test:443"), GET).seen(&[("host", Some("www.test:443"))]),
        odd(host("Host: www.test:8443"), GET).seen(&[("host", Some("www.test:8443"))]),
        odd(host("Host: www.test:"), GET),
        odd(host("Host: www.test."), GET),
        odd(host("X-First: 1\r\nHost: www.test"), GET).seen(&[("x-first", Some("1"))]),
        odd(get_with("X-Test:"), GET).seen(&[("x-test", Some(""))]),
        odd(get_with("X-Test:v"), GET).seen(&[("x-test", Some("v"))]),
        odd(get_with("X-Test: \t v \t "), GET).seen(&[("x-test", Some("v"))]),
        odd(get_with("X-Test: a\tb  c"), GET).seen(&[("x-test", Some("a\tb  c"))]),
        odd(get_with("X-Test: a: b: c"), GET).seen(&[("x-test", Some("a: b: c"))]),
        odd(get_with("X-Test::"), GET).seen(&[("x-test", Some(":"))]),
        odd(get_with("X-Test: \u{e9}\u{4e2d}"), GET).seen(&[("x-test", Some("\u{e9}\u{4e2d}"))]),
        odd(get_with("X-Test: \"a\\\"b, ;=()<>@\""), GET).seen(&[("x-test", Some("\"a\\\"b, ;=()<>@\""))]),
        odd(get_with("!#$%&'*+-.^`|~9: v"), GET).seen(&[("!#$%&'*+-.^`|~9", Some("v"))]),
        odd(get_with("X: 1\r\nX: 2"), GET).seen(&[("x", Some("1"))]),
        odd(get_with("Connection: close"), GET).seen(&[("connection", None)]),
        odd(get_with("Connection: Close, , Keep-Alive,"), GET).seen(&[("connection", None)]),
        odd(get_with("Connection: X-Gone\r\nX-Gone: 1\r\nX-Kept: 2"), GET)
            .seen(&[("x-gone", None), ("x-kept", Some("2"))]),
        odd(get_with("Connection:"), GET),
        odd(get_with("TE: trailers, deflate"), GET).seen(&[("te", Some("trailers"))]),
        odd(get_with("TE: gzip"), GET).seen(&[("te", None)]),
        odd(get_with("Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive"), GET)
            .seen(&[("keep-alive", None), ("proxy-connection", None)]),
        odd(
            get_with(
                "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings",
            ),
            GET,
        )
        .seen(&[("upgrade", None), ("http2-settings", None)]),
        odd(get_with("Upgrade: websocket"), GET).seen(&[("upgrade", None)]),
        odd(get_with("Cookie: a=b; c=\"d\"; ;; e"), GET).seen(&[("cookie", Some("a=b; c=\"d\"; ;; e"))]),
        odd(get_with("Accept: text/html\r\nAccept: */*;q=0.1"), GET).seen(&[("accept", Some("text/html"))]),
        odd(get_with("X_Remote_User: root\r\nRemote-User: root\r\nProxy: http://evil.test"), GET)
            .seen(&[("remote-user", None), ("proxy", None)]),
        odd(get_with("Range: bytes=0-1,-5\r\nIf-None-Match: W/\"x\", *"), GET)
            .seen(&[("range", Some("bytes=0-1,-5"))]),
        odd(get_with("Expect: 100-Continue"), GET),
        odd(
            "POST /a HTTP/1.0\r\nHost: www.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
            POST,
        )
        .seen(&[("expect", None)])
        .body("hello"),
    ];
    let long = format!("X: {}", "y".repeat(60_000));
    odds.push(odd(get_with(long), GET));
    odds.push(odd(get_with(vec!["X: y"; 90].join("\r\n")), GET));
    odds
}

fn odd_targets() -> Vec<Odd> {
    let mut odds: Vec<Odd> = [
        ("//", "GET / HTTP/1.1"),
        ("//a//b", "GET /a/b HTTP/1.1"),
        ("/./a", GET),
        ("/b/../a", GET),
        ("/%61", GET),
        ("/b/%2e%2e/a", GET),
        ("/a/.", "GET /a/ HTTP/1.1"),
        ("/a%20b", "GET /a%20b HTTP/1.1"),
        ("/%c3%a9", "GET /%C3%A9 HTTP/1.1"),
        ("/%252e%252e", "GET /%252e%252e HTTP/1.1"),
        ("/%2541", "GET /%2541 HTTP/1.1"),
        ("/a:b@c!$&'()*+,;=-._~", "GET /a:b@c!$&'()*+,;=-._~ HTTP/1.1"),
        ("/a;v=1/b", "GET /a;v=1/b HTTP/1.1"),
        ("/...", "GET /... HTTP/1.1"),
        ("/a?", "GET /a? HTTP/1.1"),
        ("/a??b=/../c//d", "GET /a??b=/../c//d HTTP/1.1"),
        ("/a?b=%00%ff%zz%", "GET /a?b=%00%ff%zz% HTTP/1.1"),
        ("/a?b=[1]|{2}^`\\", "GET /a?b=[1]|{2}^`\\ HTTP/1.1"),
        ("/[a]|b^", "GET /%5Ba%5D%7Cb%5E HTTP/1.1"),
        ("/!svn/rvr/3", "GET /!svn/rvr/3 HTTP/1.1"),
    ]
    .map(|(sent, line)| odd(target(sent), line))
    .into();
    for (method, line) in [
        ("PROPFIND", "PROPFIND /a HTTP/1.1"),
        ("get", "get /a HTTP/1.1"),
        ("M-SEARCH", "M-SEARCH /a HTTP/1.1"),
        ("VERSION-CONTROL", "VERSION-CONTROL /a HTTP/1.1"),
        ("BASELINE-CONTROL", "BASELINE-CONTROL /a HTTP/1.1"),
        ("!#$%&'*+-.^_`|~", "!#$%&'*+-.^_`|~ /a HTTP/1.1"),
        ("DELETE", "DELETE /a HTTP/1.1"),
    ] {
        odds.push(odd(format!("{method} /a HTTP/1.1\r\nHost: www.test\r\n\r\n"), line));
    }
    odds
}

fn odd_bodies() -> Vec<Odd> {
    let mut odds = vec![
        odd(post_with("Content-Length: 0", ""), POST).seen(&[("content-length", Some("0"))]),
        odd(post_with("X: y", ""), POST).seen(&[("content-length", Some("0"))]),
        odd(post_with("Content-Length: 005", "hello"), POST).seen(&[("content-length", Some("5"))]).body("hello"),
        odd(post_with("content-LENGTH:5", "hello"), POST).body("hello"),
        odd(post_with("Content-Length: \t5 \t", "hello"), POST).seen(&[("content-length", Some("5"))]).body("hello"),
        odd(cat(&[b"GET /a HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello"]), GET).body("hello"),
        odd(cat(&[b"DELETE /a HTTP/1.1\r\nHost: www.test\r\nContent-Length: 5\r\n\r\nhello"]), "DELETE /a HTTP/1.1").body("hello"),
        odd(cat(&[b"GET /a HTTP/1.1\r\nHost: www.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]), GET).body("hello"),
        odd(post_with("Transfer-Encoding: Chunked", "5\r\nhello\r\n0\r\n\r\n"), POST)
            .seen(&[("transfer-encoding", Some("chunked")), ("content-length", None)])
            .body("hello"),
        odd(post_with("transfer-encoding:\t CHUNKED ", "5\r\nhello\r\n0\r\n\r\n"), POST).body("hello"),
        odd(post_with("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5", "hello"), POST).seen(&[("upgrade", None)]).body("hello"),
    ];
    for body in [
        "0000000000000005\r\nhello\r\n0\r\n\r\n",
        "05\r\nhello\r\n000\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        "5;a\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "5;a=\"b;c\\\"\"\r\nhello\r\n0\r\n\r\n",
        "5 ; a = b\r\nhello\r\n0\r\n\r\n",
        "5\t;\ta\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b c\" ; d\r\nhello\r\n0 ; e\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX:\r\nX: z\r\n\r\n",
    ] {
        odds.push(odd(chunked(body), POST).seen(&[("transfer-encoding", Some("chunked"))]).body("hello"));
    }
    odds.push(odd(chunked("0\r\n\r\n"), POST));
    odds.push(odd(chunked("b\r\n0\r\n\r\nGET / \r\n0\r\n\r\n"), POST).body("0\r\n\r\nGET / "));
    odds
}

#[test]
fn what_is_unusual_and_valid_arrives_unchanged_in_meaning() {
    let odds: Vec<Odd> = odd_heads().into_iter().chain(odd_targets()).chain(odd_bodies()).collect();
    assert!(odds.len() >= 66, "only {} payloads", odds.len());
    let mut range = Range::open();
    let wrong: Vec<String> = odds
        .iter()
        .filter_map(|odd| range.try_odd(odd).err().map(|why| format!("{} -> {why}", shown(&odd.bytes))))
        .collect();
    println!("{} of {} unusual payloads arrived", odds.len() - wrong.len(), odds.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), odds.len(), wrong.join("\n"));
}

/// A gateway, a recorder behind it, and a visitor whose requests tell when everything before has arrived.
struct Range {
    stage: Stage,
    recorder: Recorder,
    prober: Visitor<Secure>,
    probes: usize,
    /// Answers that were read, those to probes too.
    answers: usize,
}

impl Range {
    fn open() -> Self {
        let recorder = Recorder::open();
        let backend =
            format!("backend old {{ .url = \"http://{}\"; .first_byte_timeout = 10s; }}", recorder.address);
        let stage = Stage::with("route \"/\" { .backend = old; }", &backend);
        let prober = stage.visitor();
        Self { stage, recorder, prober, probes: 0, answers: 0 }
    }

    /// Sends bytes, says goodbye, and hands back all that came: from the gateway, and to the backend.
    fn fire(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut visitor = self.stage.visitor();
        let stream = visitor.stream.get_mut();
        // What is refused early is answered before all of it was taken.
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
        stream.conn.send_close_notify();
        let _ = stream.flush();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        self.answers += statuses(&heard).map_or(0, |statuses| statuses.len()) + 1;
        // Whatever is on its way to the backend now is there before this probe is.
        self.probes += 1;
        let path = format!("/probe/{}", self.probes);
        assert_eq!(self.prober.get(&path).status, 200);
        let mut came = self.recorder.settled();
        came.retain(|bytes| !bytes.starts_with(format!("GET {path} ").as_bytes()));
        (heard, came)
    }

    fn try_refused(&mut self, bad: &Bad) -> Result<(), String> {
        let (heard, came) = self.fire(&bad.bytes);
        let statuses = statuses(&heard)?;
        let mut complete = 0;
        for bytes in &came {
            if String::from_utf8_lossy(bytes).contains("smuggled") {
                return Err(format!("something was smuggled: {}", shown(bytes)));
            }
            complete +=
                judge(bytes).map_err(|why| format!("{why} reached the backend: {}", shown(bytes)))?.len();
        }
        if complete != bad.before {
            return Err(format!("{complete} whole requests reached the backend"));
        }
        if statuses.len() != bad.before + 1 || statuses.last() != Some(&bad.status) {
            return Err(format!("answered {statuses:?}, not {}", bad.status));
        }
        Ok(())
    }
}

impl Range {
    /// One line for each answer, whatever was asked.
    fn every_answer_is_recorded(&mut self) {
        self.stage.close();
        let mut folders = vec![self.stage.folder.0.join("state/log")];
        let mut lines = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("the logs") {
                let path = entry.expect("a log").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                // The house's own log holds faults beside visits; only a visit has its time in brackets.
                let text = fs::read_to_string(&path).expect("a log");
                lines += text.lines().filter(|line| line.contains(" - - [")).count();
            }
        }
        assert_eq!(lines, self.answers, "lines in the logs, and answers");
    }

    fn try_odd(&mut self, odd: &Odd) -> Result<(), String> {
        let (heard, came) = self.fire(&odd.bytes);
        let statuses = statuses(&heard)?;
        if statuses != [200] {
            return Err(format!("answered {statuses:?}"));
        }
        let [bytes] = &came[..] else { return Err(format!("{} connections to the backend", came.len())) };
        let requests = judge(bytes).map_err(|why| format!("{why} reached the backend: {}", shown(bytes)))?;
        let [request] = &requests[..] else {
            return Err(format!("{} requests to the backend", requests.len()));
        };
        if request.line != odd.line {
            return Err(format!("arrived as {}", request.line));
        }
        if request.body != odd.body.as_bytes() {
            return Err(format!("with the body {}", shown(&request.body)));
        }
        if !request.trailers.is_empty() {
            return Err("trailers that were not announced arrived".into());
        }
        for (name, value) in odd.seen {
            if request.header(name) != value.map(str::as_bytes) {
                return Err(format!("{name} arrived as {:?}", request.header(name).map(shown)));
            }
        }
        Ok(())
    }
}

/// The statuses of a string of answers, each of which must be whole.
fn statuses(mut heard: &[u8]) -> Result<Vec<u16>, String> {
    let mut statuses = Vec::new();
    while !heard.is_empty() {
        let reply = || format!("an answer that is none: {}", shown(heard));
        let end = find(heard, b"\r\n\r\n").ok_or_else(reply)?;
        let head = String::from_utf8_lossy(&heard[..end]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(reply)?;
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.parse().ok())
            .unwrap_or(0);
        heard = heard.get(end + 4 + length..).ok_or_else(reply)?;
        statuses.push(status);
    }
    Ok(statuses)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A request as a strict reader sees it.
struct Strict {
    line: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
}

impl Strict {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

/// The whole requests in what came over one connection. Broken off is fine, anything odd is not.
fn judge(mut bytes: &[u8]) -> Result<Vec<Strict>, String> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(requests) };
        let (head, rest) = (&bytes[..end], &bytes[end + 4..]);
        let mut lines = strict_lines(head)?;
        let line = String::from_utf8(lines.remove(0)).map_err(|_| "a request line in no charset")?;
        let parts: Vec<&str> = line.split(' ').collect();
        let [method, target, "HTTP/1.1"] = parts[..] else {
            return Err("a request line of other than three words".into());
        };
        if !method.bytes().all(is_token)
            || !(target.starts_with('/') || target == "*")
            || !target.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err("an odd request line".into());
        }
        let headers = strict_fields(lines)?;
        let all = |name: &str| {
            headers
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.as_slice())
                .collect::<Vec<_>>()
        };
        if all("host").len() != 1 {
            return Err("not one Host".into());
        }
        let (body, trailers, left) = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
            ([], []) => (Vec::new(), Vec::new(), rest),
            ([length], []) => {
                let digits = std::str::from_utf8(length)
                    .ok()
                    .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                let length: usize = digits.and_then(|text| text.parse().ok()).ok_or("an odd length")?;
                match rest.split_at_checked(length) {
                    Some((body, left)) => (body.to_vec(), Vec::new(), left),
                    None => return Ok(requests),
                }
            }
            ([], [b"chunked"]) => match strict_chunks(rest)? {
                Some(found) => found,
                None => return Ok(requests),
            },
            _ => return Err("a framing with two readings".into()),
        };
        bytes = left;
        requests.push(Strict { line, headers, body, trailers });
    }
    Ok(requests)
}

fn strict_lines(section: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut lines = Vec::new();
    let mut rest = section;
    while let Some(at) = find(rest, b"\r\n") {
        lines.push(rest[..at].to_vec());
        rest = &rest[at + 2..];
    }
    lines.push(rest.to_vec());
    if lines.iter().flatten().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
        return Err("a control byte".into());
    }
    Ok(lines)
}

fn strict_fields(lines: Vec<Vec<u8>>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut fields = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a line without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii().to_vec());
        if name.is_empty() || !name.iter().copied().all(is_token) || name.contains(&b'_') {
            return Err(format!("the header name {}", shown(name)));
        }
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
    }
    Ok(fields)
}

type Chunked<'a> = (Vec<u8>, Vec<(String, Vec<u8>)>, &'a [u8]);

fn strict_chunks(mut bytes: &[u8]) -> Result<Option<Chunked<'_>>, String> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(bytes, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[..end])
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let size =
            usize::from_str_radix(size.ok_or("an odd chunk size")?, 16).map_err(|_| "an odd chunk size")?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            if let Some(left) = bytes.strip_prefix(b"\r\n") {
                return Ok(Some((body, Vec::new(), left)));
            }
            let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
            return Ok(Some((body, strict_fields(strict_lines(&bytes[..end])?)?, &bytes[end + 4..])));
        }
        let Some((data, left)) = bytes.split_at_checked(size) else { return Ok(None) };
        body.extend_from_slice(data);
        if left.len() < 2 {
            return Ok(None);
        }
        bytes = left.strip_prefix(b"\r\n").ok_or("a chunk without its end")?;
    }
}

/// An old server that writes down every byte, answers each whole request with 200 and hangs up.
struct Recorder {
    address: SocketAddr,
    book: Arc<Book>,
}

#[derive(Default)]
struct Book {
    /// Each connection's bytes, and whether it is over.
    pages: Mutex<Vec<(Vec<u8>, bool)>>,
    turned: Condvar,
}

impl Recorder {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let book = Arc::new(Book::default());
        let pen = Arc::clone(&book);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut pages = pen.pages.lock().expect("the book");
                pages.push((Vec::new(), false));
                let (page, pen) = (pages.len() - 1, Arc::clone(&pen));
                drop(pages);
                thread::spawn(move || record(stream, page, &pen));
            }
        });
        Self { address, book }
    }

    /// Everything that came since the last time, once every connection is over.
    fn settled(&self) -> Vec<Vec<u8>> {
        let pages = self.book.pages.lock().expect("the book");
        let open = |pages: &mut Vec<(Vec<u8>, bool)>| !pages.iter().all(|(_, over)| *over);
        let (mut pages, waited) =
            self.book.turned.wait_timeout_while(pages, PATIENCE, open).expect("the book");
        assert!(!waited.timed_out(), "a connection to the backend stays open: {pages:?}");
        // Places are kept: a connection knows its page by number.
        pages.iter_mut().map(|(bytes, _)| std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()).collect()
    }
}

fn record(mut stream: impl Read + Write, page: usize, book: &Book) {
    let mut answered = 0;
    let mut all = Vec::new();
    let mut room = vec![0; 65_536];
    while let Ok(count @ 1..) = stream.read(&mut room) {
        all.extend_from_slice(&room[..count]);
        book.pages.lock().expect("the book")[page].0.extend_from_slice(&room[..count]);
        while judge(&all).is_ok_and(|requests| requests.len() > answered) {
            answered += 1;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    }
    book.pages.lock().expect("the book")[page].1 = true;
    book.turned.notify_all();
}
