//! Text as an operator wrote it → the one form in which a room takes it, or what to write instead. The
//! labels returned name no value, so that they can be shown whatever file the text comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::message::{Host, SitePath};

/// What to write instead.
pub type Instead = &'static str;

/// `:443` is every address of the machine; it is written `[::]:443`, which listens for IPv4 too.
pub fn listener(text: &str) -> Result<SocketAddr, Instead> {
    if let Some(port) = text.strip_prefix(':') {
        return number(port)
            .map(|port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
            .ok_or("the port is a number up to 65535");
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if number(text).is_some() {
        return Err("write a `:` before the port");
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err("write its port too, such as `\"127.0.0.1:80\"` or `\"[::1]:80\"`");
    }
    match text.rsplit_once(':') {
        Some(("*", _)) => Err("every address is written `\":80\"`, without the `*`"),
        Some(("localhost", _)) => Err("names are not looked up: write `127.0.0.1` or `[::1]`"),
        Some((_, port)) if number(port).is_some() => {
            Err("names are not looked up: write the address, and IPv6 in brackets")
        }
        _ => Err("write `\":443\"`, or an address with its port"),
    }
}

/// A port, digits only: `parse` alone would take `+80`.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Where a backend is, before its path is known to the disk.
#[derive(Debug, PartialEq, Eq)]
pub enum Url<'a> {
    Http { host: Box<str>, port: u16, tls: bool },
    Unix(&'a str),
}

pub fn url(text: &str) -> Result<Url<'_>, Instead> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() {
            Err("write the socket's path behind `unix:`")
        } else {
            Ok(Url::Unix(path))
        };
    }
    let (tls, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
        Some(_) => return Err("doorward speaks `http://`, `https://` and `unix:` to backends"),
        None if text.starts_with('/') => return Err("write `unix:` before the path of a socket"),
        None => return Err("write `http://` or `https://` before the host"),
    };
    let place = rest.strip_suffix('/').unwrap_or(rest);
    if place.contains('@') {
        return Err("a url of a backend holds no user and no password");
    }
    if place.contains(['/', '?', '#']) {
        return Err("end it behind the host: the path is the routes' business");
    }
    let host = Host::parse(place.as_bytes()).map_err(|_| "write `http://host` or `http://host:port`")?;
    match host.port() {
        Some(0) => Err("port 0 is none; write the port that the server listens on"),
        port => {
            Ok(Url::Http { host: host.name().into(), port: port.unwrap_or(if tls { 443 } else { 80 }), tls })
        }
    }
}

/// A host without a port, in the form sites are found by.
pub fn host(text: &str) -> Result<Box<str>, Instead> {
    // An IPv6 address is written in brackets, where a port could follow; without them none can.
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(address.to_string().into());
    }
    match Host::parse(text.as_bytes()) {
        Ok(host) if host.port().is_none() => Ok(host.name().into()),
        Ok(_) => Err("take out the port: a site answers on every listener"),
        Err(_) => Err(host_instead(text)),
    }
}

/// A `Host` header: a host, with a port where the server wants one.
pub fn host_header(text: &str) -> Result<Box<str>, Instead> {
    match Host::parse(text.as_bytes()) {
        Ok(host) => Ok(host.as_typed().into()),
        Err(_) => Err(host_instead(text)),
    }
}

fn host_instead(text: &str) -> Instead {
    if text.is_empty() {
        "write a name"
    } else if text.contains("://") {
        "take out the scheme"
    } else if text.contains('/') {
        "take out the path"
    } else if text.contains('*') {
        "patterns are not known: write each host as a name or an alias"
    } else if !text.is_ascii() {
        "write it in its `xn--` form"
    } else {
        "write letters, digits, `-` and dots"
    }
}

/// A route's path in canonical form.
pub fn path(text: &str) -> Result<SitePath, Instead> {
    if !text.starts_with('/') {
        return Err("begin it with `/`");
    }
    if text.contains('?') {
        return Err("a route is a path without a query: end it before the `?`");
    }
    if text.contains('#') {
        return Err("browsers never send what follows a `#`: end it before");
    }
    if text.contains('*') {
        return Err("patterns are not known: a route covers everything below its path");
    }
    if text.contains(['{', '}']) {
        return Err("names in braces are not known yet: write the path itself");
    }
    if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("write the path without `.` and `..`");
    }
    let path =
        SitePath::literal(text).map_err(|_| "this could be read in two ways: write plain text and `/`")?;
    if path.ambiguous() {
        return Err("an encoded slash could be read in two ways: end the path before it");
    }
    if path.as_str() == "/.doorward" || path.as_str().starts_with("/.doorward/") {
        return Err("`/.doorward/` belongs to the gateway itself");
    }
    Ok(path)
}

/// The SHA-256 of a certificate.
pub fn digest(text: &str) -> Result<[u8; 32], Instead> {
    let Some(("sha256", digits)) = text
        .split_once(':')
        .filter(|(name, _)| name.eq_ignore_ascii_case("sha256"))
        .map(|(_, rest)| ("sha256", rest))
    else {
        return Err("write `sha256:` and 64 hexadecimal digits");
    };
    let digits: Vec<u8> =
        digits.chars().filter(|c| *c != ':').map_while(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    let length = text.chars().skip("sha256:".len()).filter(|c| *c != ':').count();
    let mut digest = [0; 32];
    if digits.len() != 64 || length != 64 {
        return Err("write 64 hexadecimal digits behind `sha256:`");
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    Ok(digest)
}

/// The names between braces, or what is wrong with the braces.
pub fn placeholders(text: &str) -> Result<Vec<&str>, Instead> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        if before.contains('}') {
            return Err("a `}` has no `{`");
        }
        let (name, behind) = behind.split_once('}').ok_or("a `{` has no `}`")?;
        names.push(name);
        rest = behind;
    }
    if rest.contains('}') { Err("a `}` has no `{`") } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_addresses_with_ports() {
        for (text, address) in [
            (":80", "[::]:80"),
            ("127.0.0.1:9900", "127.0.0.1:9900"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            assert_eq!(listener(text).map(|found| found.to_string()).as_deref(), Ok(address), "{text}");
        }
        for text in
            ["", "80", "*:80", "localhost:80", "::1", "127.0.0.1", ":+80", ":65536", ":", "a b:80", "::1:x"]
        {
            assert!(listener(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_are_places_of_servers() {
        let http = |host: &str, port, tls| Ok(Url::Http { host: host.into(), port, tls });
        for (text, place) in [
            ("http://127.0.0.1:8000", http("127.0.0.1", 8000, false)),
            ("http://App.internal/", http("app.internal", 80, false)),
            ("HTTPS://app", http("app", 443, true)),
            ("https://[2001:db8::1]:8443", http("2001:db8::1", 8443, true)),
            ("unix:/run/app.sock", Ok(Url::Unix("/run/app.sock"))),
        ] {
            assert_eq!(url(text), place, "{text}");
        }
        for text in [
            "",
            "app",
            "127.0.0.1:8000",
            "/run/app.sock",
            "unix:",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://a?b",
            "http://u:p@a",
            "http://a:0",
            "http://a:70000",
            "http://a b",
            "http:///",
            "http://a//",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_have_one_form() {
        for (text, name) in [
            ("WWW.Example", "www.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("2001:db8:0::1", "2001:db8::1"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(name), "{text}");
        }
        for text in ["", "https://a", "a/b", "*.example", "a:80", "bücher.example", "a b", "a..b"] {
            assert!(host(text).is_err(), "{text}");
        }
        assert_eq!(host_header("App.internal:8000").as_deref(), Ok("App.internal:8000"));
        assert!(host_header("a b").is_err());
    }

    #[test]
    fn routes_are_plain_paths() {
        for (text, canonical) in [("/", "/"), ("/trac/", "/trac/"), ("/a//b", "/a/b"), ("/a b", "/a%20b")] {
            assert_eq!(path(text).map(|path| path.as_str().to_owned()).as_deref(), Ok(canonical), "{text}");
        }
        for text in [
            "",
            "a",
            "/a?b",
            "/a#b",
            "/*",
            "/{a}/",
            "/a/../b",
            "/.",
            "/a%2fb",
            "/a%00",
            "/.doorward/x",
            "/.doorward",
            "/a\\b",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fingerprints_are_read_as_openssl_prints_them() {
        let plain = "00ff".repeat(16);
        let colons = vec!["00:FF"; 16].join(":");
        let expected: Vec<u8> = [0, 255].repeat(16);
        assert_eq!(digest(&format!("sha256:{plain}")).map(Vec::from), Ok(expected.clone()));
        assert_eq!(digest(&format!("SHA256:{colons}")).map(Vec::from), Ok(expected));
        for text in [
            "",
            "sha256:",
            "sha256:00",
            "sha1:00",
            &format!("sha256:{plain}0"),
            &format!("sha256:{}zz", &plain[2..]),
        ] {
            assert!(digest(text).is_err(), "{text}");
        }
    }

    #[test]
    fn braces_pair() {
        assert_eq!(placeholders("{state}/a-{day}"), Ok(vec!["state", "day"]));
        assert_eq!(placeholders("plain"), Ok(vec![]));
        for text in ["{", "}", "a}b{c}", "{a", "{a}}"] {
            assert!(placeholders(text).is_err(), "{text}");
        }
    }
}
