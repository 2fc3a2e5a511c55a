//! What a FastCGI program is told of a request, as nginx's `fastcgi_params` does: the variables of CGI 1.1, and the
//! header as `HTTP_…`. No IO.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, FORWARDED, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Version};

use crate::message::forwarded::{
    X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_FORWARDED_SSL,
};
use crate::script::Script;

/// Who is not to be told who visits learns an address that is nobody's: programs take it for granted that there
/// is one, and some fail without.
const NOBODY: &[u8] = b"0.0.0.0";

const SOFTWARE: &str = concat!("doorward/", env!("CARGO_PKG_VERSION"));

/// Fields that have a variable of their own, or are the connection's. Who the visitor is and how he came is said
/// by variables, so nothing is said twice.
fn is_elsewhere(name: &HeaderName) -> bool {
    [
        &CONNECTION, &CONTENT_LENGTH, &CONTENT_TYPE, &FORWARDED, &TE, &TRAILER, &TRANSFER_ENCODING, &UPGRADE,
        &X_FORWARDED_FOR, &X_FORWARDED_HOST, &X_FORWARDED_PORT, &X_FORWARDED_PROTO, &X_FORWARDED_SSL,
    ]
    .contains(&name)
        // `HTTP_PROXY` would send a program's own requests elsewhere (httpoxy).
        || name == "proxy"
        // It would be taken for the name with `-` in its place.
        || name.as_str().contains('_')
}

/// Writes all that is said of a request with a body of `length` bytes.
pub fn write(into: &mut BytesMut, script: &Script, asked: &Parts, length: u64, local: Option<SocketAddr>) {
    let headers = &asked.headers;
    let said = |name: &HeaderName| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let one = |into: &mut BytesMut, name: &str, value: &[u8]| pair(into, name, &[value]);
    let root = script.root.as_bytes();
    pair(into, "SCRIPT_FILENAME", &[root, script.name.as_bytes()]);
    pair(into, "SCRIPT_NAME", &[script.prefix.as_bytes(), script.name.as_bytes()]);
    if !script.info.is_empty() {
        one(into, "PATH_INFO", script.info.as_bytes());
    }
    one(into, "QUERY_STRING", asked.uri.query().unwrap_or_default().as_bytes());
    one(into, "REQUEST_METHOD", asked.method.as_str().as_bytes());
    one(into, "CONTENT_TYPE", said(&CONTENT_TYPE));
    let mut digits = Digits::default();
    let without = length == 0 && !headers.contains_key(CONTENT_LENGTH);
    one(into, "CONTENT_LENGTH", if without { b"" } else { digits.of(length) });
    let uri = asked.uri.path_and_query().map_or("/", |target| target.as_str());
    one(into, "REQUEST_URI", uri.as_bytes());
    let whole = [script.prefix.as_bytes(), script.name.as_bytes(), script.info.as_bytes()];
    pair(into, "DOCUMENT_URI", &whole);
    one(into, "DOCUMENT_ROOT", root);
    one(into, "SERVER_PROTOCOL", if asked.version == Version::HTTP_2 { b"HTTP/2.0" } else { b"HTTP/1.1" });
    let secure = said(&X_FORWARDED_PROTO) == b"https";
    one(into, "REQUEST_SCHEME", if secure { b"https" } else { b"http" });
    if secure {
        one(into, "HTTPS", b"on");
    }
    one(into, "GATEWAY_INTERFACE", b"CGI/1.1");
    one(into, "SERVER_SOFTWARE", SOFTWARE.as_bytes());
    one(into, "REMOTE_ADDR", headers.get(X_FORWARDED_FOR).map_or(NOBODY, |value| value.as_bytes()));
    if let Some(local) = local {
        let mut text = BytesMut::with_capacity(45);
        // Writing into a growing buffer can't fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{}", local.ip()));
        one(into, "SERVER_ADDR", &text);
    }
    one(into, "SERVER_PORT", said(&X_FORWARDED_PORT));
    one(into, "SERVER_NAME", without_port(said(&X_FORWARDED_HOST)));
    one(into, "REDIRECT_STATUS", b"200");
    write_headers(into, headers);
}

fn write_headers(into: &mut BytesMut, headers: &HeaderMap) {
    let mut name = [0_u8; 128];
    for field in headers.keys().filter(|field| !is_elsewhere(field)) {
        let letters = field.as_str().as_bytes();
        // Nobody's header has a name as long as this.
        let Some(place) = name.get_mut(..letters.len() + 5) else { continue };
        let (prefix, rest) = place.split_at_mut(5);
        prefix.copy_from_slice(b"HTTP_");
        for (to, from) in rest.iter_mut().zip(letters) {
            *to = if *from == b'-' { b'_' } else { from.to_ascii_uppercase() };
        }
        let mut values = headers.get_all(field).iter();
        let (first, second) = (values.next(), values.next());
        let first = first.map_or(&b""[..], |value| value.as_bytes());
        match second {
            None => raw(into, place, &[first]),
            Some(second) => {
                let between: &[u8] = if *field == COOKIE { b"; " } else { b", " };
                let mut parts = vec![first, between, second.as_bytes()];
                parts.extend(values.flat_map(|value| [between, value.as_bytes()]));
                raw(into, place, &parts);
            }
        }
    }
}

/// The host as it was typed, without its port.
fn without_port(host: &[u8]) -> &[u8] {
    let end = match host.strip_prefix(b"[") {
        Some(rest) => rest.iter().position(|byte| *byte == b']').map(|at| at + 2),
        None => host.iter().position(|byte| *byte == b':'),
    };
    end.and_then(|end| host.get(..end)).unwrap_or(host)
}

/// A pair of a name and a value in pieces.
pub fn pair(into: &mut BytesMut, name: &str, value: &[&[u8]]) {
    raw(into, name.as_bytes(), value);
}

/// A name and a value in pieces, each with its length before: one byte where that is enough, else four.
fn raw(into: &mut BytesMut, name: &[u8], value: &[&[u8]]) {
    for length in [name.len(), value.iter().map(|part| part.len()).sum()] {
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => into.put_u8(short),
            // What a head holds is bounded far below.
            _ => into.put_u32(u32::try_from(length).unwrap_or(0) | 0x8000_0000),
        }
    }
    into.extend_from_slice(name);
    for part in value {
        into.extend_from_slice(part);
    }
}

/// A number's digits, without an allocation.
#[derive(Default)]
struct Digits([u8; 20]);

impl Digits {
    fn of(&mut self, mut number: u64) -> &[u8] {
        let mut at = self.0.len();
        for place in self.0.iter_mut().rev() {
            *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            at -= 1;
            if number == 0 {
                break;
            }
        }
        self.0.get(at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Buf;
    use http::Request;

    use super::*;

    fn told(request: Request<()>, info: &str, length: u64) -> BTreeMap<String, String> {
        let script = Script {
            root: "/srv/www".into(),
            prefix: Box::default(),
            name: "/wiki/index.php".into(),
            info: info.into(),
        };
        let (asked, ()) = request.into_parts();
        let mut bytes = BytesMut::new();
        write(&mut bytes, &script, &asked, length, Some("192.0.2.1:443".parse().unwrap()));
        let mut told = BTreeMap::new();
        while bytes.has_remaining() {
            let mut number = || match bytes.get_u8() {
                short @ 0..0x80 => usize::from(short),
                first => {
                    let rest = bytes.get_uint(3);
                    usize::try_from(u64::from(first & 0x7f) << 24 | rest).unwrap()
                }
            };
            let (name, value) = (number(), number());
            let mut text = |length| String::from_utf8(bytes.split_to(length).to_vec()).unwrap();
            let name = text(name);
            assert!(told.insert(name.clone(), text(value)).is_none(), "{name} is said twice");
        }
        told
    }

    fn asked() -> http::request::Builder {
        Request::get("/wiki/index.php/A?b=c&d")
            .header("host", "www.example.org:8443")
            .header("x-forwarded-for", "198.51.100.7")
            .header("x-forwarded-host", "www.example.org:8443")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-port", "8443")
            .header("x-forwarded-ssl", "on")
            .header("forwarded", "for=198.51.100.7")
    }

    #[test]
    fn everything_is_said_that_nginx_says() {
        let told = told(asked().header("cookie", "a=b").body(()).unwrap(), "/A", 0);
        let expected = [
            ("CONTENT_LENGTH", ""),
            ("CONTENT_TYPE", ""),
            ("DOCUMENT_ROOT", "/srv/www"),
            ("DOCUMENT_URI", "/wiki/index.php/A"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("HTTPS", "on"),
            ("HTTP_COOKIE", "a=b"),
            ("HTTP_HOST", "www.example.org:8443"),
            ("PATH_INFO", "/A"),
            ("QUERY_STRING", "b=c&d"),
            ("REDIRECT_STATUS", "200"),
            ("REMOTE_ADDR", "198.51.100.7"),
            ("REQUEST_METHOD", "GET"),
            ("REQUEST_SCHEME", "https"),
            ("REQUEST_URI", "/wiki/index.php/A?b=c&d"),
            ("SCRIPT_FILENAME", "/srv/www/wiki/index.php"),
            ("SCRIPT_NAME", "/wiki/index.php"),
            ("SERVER_ADDR", "192.0.2.1"),
            ("SERVER_NAME", "www.example.org"),
            ("SERVER_PORT", "8443"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_SOFTWARE", SOFTWARE),
        ];
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_header_has_one_variable_and_never_another_ones() {
        let long = "x".repeat(300);
        let request = asked()
            .method("POST")
            .version(Version::HTTP_2)
            .header("content-type", "text/plain")
            .header("content-length", "99")
            .header("proxy", "http://evil.example/")
            .header("x_forwarded_for", "10.0.0.1")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("accept-language", "de")
            .header("accept-language", "fr")
            .header("accept-language", "es")
            .header("cookie", "a=b")
            .header("cookie", "c=d")
            .header("authorization", "Basic eA==")
            .header("x-long", &long)
            .header("y".repeat(124), "too long");
        let told = told(request.body(()).unwrap(), "", 4);
        for (name, value) in [
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", "4"),
            ("SERVER_PROTOCOL", "HTTP/2.0"),
            ("HTTP_ACCEPT_LANGUAGE", "de, fr, es"),
            ("HTTP_COOKIE", "a=b; c=d"),
            ("HTTP_AUTHORIZATION", "Basic eA=="),
            ("HTTP_X_LONG", &long),
            ("REMOTE_ADDR", "198.51.100.7"),
        ] {
            assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
        }
        let headers: Vec<_> = told.keys().filter(|name| name.starts_with("HTTP_")).collect();
        assert_eq!(
            headers,
            ["HTTP_ACCEPT_LANGUAGE", "HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_HOST", "HTTP_X_LONG"]
        );
        assert!(!told.contains_key("PATH_INFO"));
    }

    #[test]
    fn who_is_not_to_be_known_is_nobody() {
        let request = Request::post("/").header("host", "a").header("x-forwarded-host", "[2001:db8::1]:81");
        let told = told(request.header("content-length", "0").body(()).unwrap(), "", 0);
        assert_eq!(told["REMOTE_ADDR"], "0.0.0.0");
        assert_eq!(told["SERVER_NAME"], "[2001:db8::1]");
        assert_eq!((&*told["REQUEST_SCHEME"], told.get("HTTPS")), ("http", None));
        assert_eq!(told["CONTENT_LENGTH"], "0");
        let mut digits = Digits::default();
        assert_eq!(digits.of(u64::MAX), b"18446744073709551615");
    }
}
