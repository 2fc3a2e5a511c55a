//! Text as an operator wrote it → the one form in which a room takes it, or what to write instead. The
//! labels returned name no value, so that they can be shown whatever file the text comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderName;

use crate::message::{Host, SitePath};
use crate::rules::{NAMES_MAX, SEGMENTS_MAX};
use crate::upstream::Protocol;

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
    Http { host: Box<str>, port: u16, tls: bool, protocol: Protocol },
    Unix(&'a str),
    FastCgiUnix(&'a str),
}

/// Where php-fpm listens when nobody says otherwise.
const FASTCGI_PORT: u16 = 9_000;

pub fn url(text: &str) -> Result<Url<'_>, Instead> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() {
            Err("write the socket's path behind `unix:`")
        } else {
            Ok(Url::Unix(path))
        };
    }
    if let Some(path) = text.strip_prefix("fastcgi:").filter(|rest| !rest.starts_with("//")) {
        return if path.is_empty() {
            Err("write the socket's path behind `fastcgi:`, or `fastcgi://host:port`")
        } else {
            Ok(Url::FastCgiUnix(path))
        };
    }
    let ((tls, protocol), rest) = match text.split_once("://") {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" => ((false, Protocol::Http1), rest),
            "https" => ((true, Protocol::Http1), rest),
            "h2c" => ((false, Protocol::Http2), rest),
            "h2" => ((true, Protocol::Http2), rest),
            "fastcgi" => ((false, Protocol::FastCgi), rest),
            _ => {
                return Err(
                    "doorward speaks `http://`, `https://`, `h2://`, `h2c://`, `unix:` and `fastcgi:` to backends",
                );
            }
        },
        None if text.starts_with("fastcgi") => {
            return Err("write `fastcgi:/run/php.sock` for a socket, or `fastcgi://host:port`");
        }
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
            let usual = if protocol == Protocol::FastCgi {
                FASTCGI_PORT
            } else if tls {
                443
            } else {
                80
            };
            let port = port.unwrap_or(usual);
            Ok(Url::Http { host: host.name().into(), port, tls, protocol })
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

/// The address of a page, as it stands in a link.
pub fn link(text: &str) -> Result<Box<str>, Instead> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if !scheme.is_some_and(|scheme| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
    {
        return Err("begin it with `https://`");
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'<' | b'>')) {
        return Err("write it as a browser sends it: letters, digits and `%XX`");
    }
    match text.parse::<http::Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(text.into()),
        _ => Err("write a whole address, such as `\"https://status.example\"`"),
    }
}

/// A `Host` header: a host, with a port where the server wants one.
pub fn host_header(text: &str) -> Result<Box<str>, Instead> {
    match Host::parse(text.as_bytes()) {
        Ok(host) => Ok(host.as_typed().into()),
        Err(_) => Err(host_instead(text)),
    }
}

/// The name of a cookie: a token, as RFC 6265 wants it.
pub fn cookie(text: &str) -> Result<Box<str>, Instead> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.into()),
        Err(_) => Err("write letters, digits, `-` and `_`"),
    }
}

pub fn header(text: &str) -> Result<HeaderName, Instead> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| "write letters, digits and `-`")
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

/// A server as VCL names it: a name or an address, and its port where it says one.
pub fn server(text: &str) -> Result<(Box<str>, Option<u16>), Instead> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok((address.to_string().into(), None));
    }
    // `host port` is a way to write it, too.
    let written = match text.split_once(' ') {
        Some((host, port)) => format!("{host}:{port}"),
        None => text.to_owned(),
    };
    match Host::parse(written.as_bytes()) {
        Ok(host) if host.port() == Some(0) => {
            Err("port 0 is none; write the port that the server listens on")
        }
        Ok(host) => Ok((host.name().into(), host.port())),
        Err(_) => Err(host_instead(text)),
    }
}

/// Services that have one port everywhere, and are what a web server listens on.
const SERVICES: &[(&str, u16)] =
    &[("http", 80), ("www", 80), ("https", 443), ("http-alt", 8_080), ("webcache", 8_080)];

/// `8080`, or the name of a service. Empty is the usual one.
pub fn port(text: &str) -> Result<u16, Instead> {
    if text.is_empty() {
        return Ok(80);
    }
    if let Some((_, port)) = SERVICES.iter().find(|(name, _)| *name == text) {
        return Ok(*port);
    }
    match number(text) {
        Some(0) => Err("port 0 is none; write the port that the server listens on"),
        Some(port) => Ok(port),
        None => Err("write a number up to 65535, or `http`"),
    }
}

/// Where visitors are sent: an address, or a path of the same site. Names may stand behind the host only: before it,
/// a visitor could choose where he, or whoever follows his link, is sent.
pub fn address(text: &str) -> Result<(), Instead> {
    if text
        .bytes()
        .any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`'))
    {
        return Err("write it as it is sent: letters, digits and `%XX`");
    }
    if let Some(path) = text.strip_prefix('/') {
        return if path.starts_with('/') { Err("two slashes would begin a host: write one") } else { Ok(()) };
    }
    let (scheme, rest) = text.split_once("://").ok_or("begin it with `https://`, `http://` or `/`")?;
    if !matches!(scheme, "https" | "http") {
        return Err("begin it with `https://`, `http://` or `/`");
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains(['{', '}']) {
        return Err("end the host with a `/` before a name: a visitor could choose the host");
    }
    if host.contains('@') || Host::parse(host.as_bytes()).is_err() {
        return Err("write `https://host/`, and the rest behind it");
    }
    Ok(())
}

/// What a probe asks for: a path, with a query where it needs one.
pub fn target(text: &str) -> Result<(), Instead> {
    if !text.starts_with('/') {
        return Err("begin it with `/`");
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
        return Err("write it as it is sent: letters, digits and `%XX`");
    }
    Ok(())
}

/// `204`, or `200-299`: the first and the last.
pub fn statuses(text: &str) -> Result<(u16, u16), Instead> {
    let status = |text: &str| number(text).filter(|status| (100..=999).contains(status));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (status(first.trim()), status(last.trim())) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (Some(_), Some(_)) => Err("write the lower one first"),
        _ => Err("write three digits, or a range such as `\"200-299\"`"),
    }
}

/// The lines of a probe's request.
pub fn request(text: &str) -> Result<(), Instead> {
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ');
    let method = words
        .next()
        .is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()));
    if !method || words.next().is_none() || !words.next().is_some_and(|word| word.starts_with("HTTP/1.")) {
        return Err("begin it with a request line, such as `\"GET / HTTP/1.1\"`");
    }
    let mut closes = first.ends_with("HTTP/1.0");
    for line in lines {
        if line.is_empty() || line.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("write each line as a string of its own, and no empty one");
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err("the lines behind the first are headers: `\"Name: value\"`");
        };
        closes |= name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close");
    }
    if closes {
        Ok(())
    } else {
        Err("add the line `\"Connection: close\"`: the end of the connection is a part of the answer")
    }
}

/// The path of a route in canonical form, with its names.
#[derive(Debug, PartialEq, Eq)]
pub struct Pattern {
    pub path: Box<str>,
    pub names: Box<[Box<str>]>,
}

impl Pattern {
    /// What two routes have in common that cover the same: names are all alike.
    pub fn shape(&self) -> String {
        let mut shape = String::with_capacity(self.path.len());
        for segment in self.path.split('/').filter(|segment| !segment.is_empty()) {
            shape.push('/');
            shape.push_str(if segment.starts_with('{') { "{}" } else { segment });
        }
        shape
    }
}

/// Names that mean something else in the name of a log file.
const TAKEN: &[&str] = &["state", "site", "day"];

pub fn path(text: &str) -> Result<Pattern, Instead> {
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
        return Err(
            "patterns are not known: a route covers everything below its path, and `{name}` is any segment",
        );
    }
    if text.contains(';') {
        return Err("what follows a `;` could be read in two ways: end the path before it");
    }
    let mut names: Vec<Box<str>> = Vec::new();
    // Which segments, without the empty ones, are names.
    let mut places: Vec<usize> = Vec::new();
    let mut segments = 0;
    let mut plain = String::with_capacity(text.len());
    for (at, segment) in text.split('/').enumerate() {
        if matches!(segment, "." | "..") {
            return Err("write the path without `.` and `..`");
        }
        if at > 0 {
            plain.push('/');
        }
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            if segment.contains(['{', '}']) {
                return Err("a name stands for a whole segment: `/svn/{project}/`");
            }
            plain.push_str(segment);
            segments += usize::from(!segment.is_empty());
            continue;
        };
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !letters || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err("a name in a path is made of letters, digits and `_`");
        }
        if TAKEN.contains(&name) {
            return Err(
                "`state`, `site` and `day` mean something else in the names of logs: call it otherwise",
            );
        }
        if names.iter().any(|known| **known == *name) {
            return Err("a name stands once in a path");
        }
        names.push(name.into());
        places.push(segments);
        segments += 1;
        plain.push_str("name");
    }
    if names.len() > NAMES_MAX {
        return Err("a path has eight names at most");
    }
    let path =
        SitePath::literal(&plain).map_err(|_| "this could be read in two ways: write plain text and `/`")?;
    if path.ambiguous() {
        return Err("an encoded slash could be read in two ways: end the path before it");
    }
    if path.as_str() == "/.doorward" || path.as_str().starts_with("/.doorward/") {
        return Err("`/.doorward/` belongs to the gateway itself");
    }
    if segments > SEGMENTS_MAX {
        return Err("a path has a hundred segments at most");
    }
    if names.is_empty() {
        return Ok(Pattern { path: path.as_str().into(), names: Box::default() });
    }
    let mut named = String::with_capacity(text.len());
    let mut each = names.iter();
    for (at, segment) in path.segments().enumerate() {
        named.push('/');
        match places.contains(&at).then(|| each.next()).flatten() {
            Some(name) => {
                named.push('{');
                named.push_str(name);
                named.push('}');
            }
            None => named.push_str(segment),
        }
    }
    if path.as_str().ends_with('/') {
        named.push('/');
    }
    Ok(Pattern { path: named.into(), names: names.into() })
}

/// A path on a backend's own disk.
pub fn place(text: &str) -> Result<Box<str>, Instead> {
    if !text.starts_with('/') {
        return Err("begin it with `/`: it is a folder as the backend sees it");
    }
    if text.chars().any(char::is_control) {
        return Err("no path holds this");
    }
    // A name follows, which begins with a slash.
    Ok(text.trim_end_matches('/').into())
}

/// The one script that stands for all paths of a route, from the root on.
pub fn script(text: &str) -> Result<Box<str>, Instead> {
    if !text.starts_with('/') {
        return Err("begin it with `/`: it lies below `.root`");
    }
    if text.split('/').any(|segment| segment.starts_with('.')) || text.chars().any(char::is_control) {
        return Err("write the path without `.` and `..`");
    }
    if text.ends_with('/') || text.contains("//") {
        return Err("write the path of one script, such as `\"/index.php\"`");
    }
    Ok(text.into())
}

/// The name of a file in whichever folder.
pub fn name_in_folder(text: &str) -> Result<Box<str>, Instead> {
    if text.is_empty() || text.starts_with('.') || text.contains('/') || text.chars().any(char::is_control) {
        return Err("write the name of a file, such as `\"index.php\"`");
    }
    Ok(text.into())
}

/// How the names of scripts end.
pub fn ending(text: &str) -> Result<Box<str>, Instead> {
    let letters = text.strip_prefix('.').unwrap_or_default();
    if letters.is_empty() || !letters.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("write a dot and letters, such as `\".php\"`");
    }
    Ok(text.into())
}

/// What a route's path is replaced by; which names it may hold is looked at elsewhere.
pub fn replacement(text: &str) -> Result<(), Instead> {
    if !text.starts_with('/') {
        return Err("begin it with `/`");
    }
    if text.contains(['?', '#']) {
        return Err("it is a path alone: the query stays what the visitor sent");
    }
    if text.contains(';') {
        return Err("what follows a `;` could be read in two ways: end the path before it");
    }
    if text.contains("//") {
        return Err("write one `/` between two names");
    }
    if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("write the path without `.` and `..`");
    }
    let mut plain = text.to_owned();
    for name in placeholders(text)? {
        plain = plain.replacen(&format!("{{{name}}}"), "name", 1);
    }
    match SitePath::literal(&plain) {
        Ok(path) if !path.ambiguous() => Ok(()),
        _ => Err("this could be read in two ways: write plain text and `/`"),
    }
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

/// A segment of a canonical path that is to be a part of a file's name.
pub fn file_name(text: &str) -> Result<(), Instead> {
    if text.is_empty() {
        Err("it is empty")
    } else if text.starts_with('.') {
        Err("files that begin with a dot are hidden")
    } else if text.len() > 100 {
        Err("it is longer than 100 bytes")
    } else if text.contains("%2F") {
        Err("it holds an encoded slash")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') {
        Err("it holds what no file's name does")
    } else {
        Ok(())
    }
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
        let http =
            |host: &str, port, tls| Ok(Url::Http { host: host.into(), port, tls, protocol: Protocol::Http1 });
        let fastcgi = |host: &str, port| {
            Ok(Url::Http { host: host.into(), port, tls: false, protocol: Protocol::FastCgi })
        };
        for (text, place) in [
            ("http://127.0.0.1:8000", http("127.0.0.1", 8000, false)),
            ("http://App.internal/", http("app.internal", 80, false)),
            ("HTTPS://app", http("app", 443, true)),
            ("https://[2001:db8::1]:8443", http("2001:db8::1", 8443, true)),
            ("unix:/run/app.sock", Ok(Url::Unix("/run/app.sock"))),
            ("fastcgi:/run/php.sock", Ok(Url::FastCgiUnix("/run/php.sock"))),
            ("fastcgi://127.0.0.1:9001", fastcgi("127.0.0.1", 9001)),
            ("fastcgi://App", fastcgi("app", 9000)),
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
            "fastcgi:",
            "fastcgi://",
            "fastcgi:///run/php.sock",
            "fastcgi+unix:/run/php.sock",
            "fcgi://a",
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
            assert_eq!(path(text).map(|pattern| pattern.path).as_deref(), Ok(canonical), "{text}");
        }
        for text in [
            "",
            "a",
            "/a?b",
            "/a#b",
            "/*",
            "/a{b}/",
            "/{a",
            "/{}/",
            "/{1}/",
            "/{a-b}/",
            "/{a}/{a}/",
            "/{day}/",
            "/{a}{b}/",
            "/a;b/",
            "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/",
            &"/a".repeat(101),
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
    fn names_in_a_path_are_whole_segments() {
        for (text, canonical, names, shape) in [
            ("/svn/{project}/", "/svn/{project}/", &["project"][..], "/svn/{}"),
            ("/svn/{project}", "/svn/{project}", &["project"], "/svn/{}"),
            (
                "//größe//{a_1}/name/{B}",
                "/gr%C3%B6%C3%9Fe/{a_1}/name/{B}",
                &["a_1", "B"],
                "/gr%C3%B6%C3%9Fe/{}/name/{}",
            ),
            ("/name/{x}/", "/name/{x}/", &["x"], "/name/{}"),
            ("/", "/", &[], ""),
        ] {
            let pattern = path(text).unwrap();
            assert_eq!(&*pattern.path, canonical, "{text}");
            assert_eq!(pattern.names.iter().map(|name| &**name).collect::<Vec<_>>(), names, "{text}");
            assert_eq!(pattern.shape(), shape, "{text}");
        }
    }

    #[test]
    fn servers_and_ports_are_written_as_in_vcl() {
        for (text, host, within) in [
            ("127.0.0.1", "127.0.0.1", None),
            ("127.0.0.1:8080", "127.0.0.1", Some(8080)),
            ("127.0.0.1 8080", "127.0.0.1", Some(8080)),
            ("App.example", "app.example", None),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
        ] {
            assert_eq!(server(text), Ok((host.into(), within)), "{text}");
        }
        for text in ["", "http://a", "a:0", "a/b", "a b c", "a:70000"] {
            assert!(server(text).is_err(), "{text}");
        }
        for (text, number) in [("8080", 8080), ("http", 80), ("https", 443), ("", 80)] {
            assert_eq!(port(text), Ok(number), "{text}");
        }
        for text in ["0", "70000", "+80", "nosuchservice"] {
            assert!(port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_of_a_probe_is_whole() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close",
            "HEAD /a?b HTTP/1.1\r\nconnection:close",
            "GET / HTTP/1.0",
        ] {
            assert_eq!(request(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "GET /",
            "get / HTTP/1.1\r\nConnection: close",
            "GET / HTTP/1.1\r\nHost: a",
            "GET / HTTP/1.1\r\n\r\nConnection: close",
            "GET / HTTP/1.1\r\nConnection close",
            "GET / HTTP/2\r\nConnection: close",
            "GET / HTTP/1.1\r\nA: b\nConnection: close",
        ] {
            assert!(request(text).is_err(), "{text}");
        }
        assert!(target("/a?b").is_ok() && target("a").is_err() && target("/a b").is_err());
    }

    #[test]
    fn scripts_are_named_from_the_root_on() {
        assert_eq!(place("/var/www/").as_deref(), Ok("/var/www"));
        assert_eq!(place("/").as_deref(), Ok(""));
        assert!(place("www").is_err() && place("").is_err() && place("/a\n").is_err());
        assert_eq!(script("/app/index.php").as_deref(), Ok("/app/index.php"));
        for text in ["", "index.php", "/", "/a/", "/../a.php", "/a//b.php", "/.a.php", "/a\0"] {
            assert!(script(text).is_err(), "{text:?}");
        }
        assert!(name_in_folder("index.php").is_ok() && ending(".php").is_ok());
        for text in ["", "a/b", ".index"] {
            assert!(name_in_folder(text).is_err(), "{text}");
        }
        for text in ["", ".", "php", ".p/p", "..php"] {
            assert!(ending(text).is_err(), "{text}");
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
