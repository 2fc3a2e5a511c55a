//! Lines of access logs: our own in both formats, and the combined format of nginx and Apache, with or without
//! a virtual host before it. Pure; whatever the bytes, there is a visit or nothing.

use std::net::IpAddr;

use super::script::seconds_since_1970;
use crate::base::cause::Cause;

/// A longer line is none of a log's.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// One visit, as far as a log tells of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logged {
    pub address: Option<IpAddr>,
    /// Written by us: the address is a network's, and what is hidden stands as `***`.
    pub ours: bool,
    /// Seconds since 1970.
    pub time: Option<f64>,
    pub method: String,
    /// As sent; some of it may be hidden.
    pub target: String,
    pub protocol: String,
    pub status: u16,
    /// `None`: the log says that there was none, or hides it.
    pub referer: Option<String>,
    pub agent: Option<String>,
    pub site: Option<String>,
    pub backend: Option<String>,
    pub cause: Option<Cause>,
}

/// A visit, or `None` for what is no line of a known format.
pub fn read(line: &[u8]) -> Option<Logged> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    if line.first() == Some(&b'{') { json(line) } else { combined(line) }
}

/// `address - - [date] "request" status bytes "referer" "agent"`, and what follows as `key=value`.
fn combined(line: &[u8]) -> Option<Logged> {
    let mut rest = Rest(line);
    let first = rest.word()?;
    let second = rest.word()?;
    // Apache's `vhost_combined` begins with the virtual host and its port.
    let (address, site) = match (address(first), address(second)) {
        (Some(found), _) => (Some(found), None),
        (None, Some(found)) => {
            rest.word()?;
            let host = std::str::from_utf8(first).ok()?;
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            (Some(found), Some(name.to_ascii_lowercase()))
        }
        // A name that was looked up, or the path of a socket.
        (None, None) => (None, None),
    };
    rest.word()?;
    let time = date(rest.between(b'[', b']')?);
    let request = rest.quoted()?;
    let status = number(rest.word()?)?;
    rest.word()?;
    let mut logged = Logged { address, time, status, site, ..Logged::default() };
    set_request(&mut logged, &request);
    if let Some(referer) = rest.quoted() {
        logged.referer = said(referer);
        logged.agent = rest.quoted().and_then(said);
    }
    while let Some(word) = rest.word() {
        let mut parts = word.splitn(2, |byte| *byte == b'=');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
        let value = String::from_utf8_lossy(value).into_owned();
        match key {
            // Only our own lines name the visit.
            b"id" => logged.ours = value.len() == 13,
            b"site" => logged.site = Some(value),
            b"backend" => logged.backend = Some(value),
            b"cause" => logged.cause = Cause::by_name(&value),
            _ => {}
        }
    }
    if !logged.ours {
        take_host_from_target(&mut logged);
    }
    (100..600).contains(&logged.status).then_some(logged)
}

/// `GET http://www.example/x`: how varnishncsa writes every request, and the others those that were sent so.
fn take_host_from_target(logged: &mut Logged) {
    let Some((scheme, rest)) = logged.target.split_once("://") else { return };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return;
    }
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if logged.site.is_none() && !host.is_empty() {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        logged.site = Some(name.to_ascii_lowercase());
    }
    logged.target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
}

fn set_request(logged: &mut Logged, request: &str) {
    let mut words = request.split(' ');
    words.next().unwrap_or_default().clone_into(&mut logged.method);
    words.next().unwrap_or_default().clone_into(&mut logged.target);
    words.next().unwrap_or_default().clone_into(&mut logged.protocol);
}

/// What a field says; `-` says nothing.
fn said(text: String) -> Option<String> {
    (text != "-" && !text.is_empty()).then_some(text)
}

fn address(word: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn number(word: &[u8]) -> Option<u16> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// `20/Nov/2026:13:55:12 +0000`
#[allow(clippy::cast_precision_loss)] // a second up to the year 9999 is exact
fn date(text: &[u8]) -> Option<f64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = std::str::from_utf8(text).ok()?;
    let (stamp, zone) = text.split_once(' ').unwrap_or((text, "+0000"));
    let mut parts = stamp.split(['/', ':']);
    let small =
        |text: &str| -> Option<i64> { text.parse().ok().filter(|number| (0..=9_999).contains(number)) };
    let day = small(parts.next()?)?;
    let month = parts.next()?;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let year = small(parts.next()?)?;
    let (hour, minute, second) = (small(parts.next()?)?, small(parts.next()?)?, small(parts.next()?)?);
    let (sign, hours, minutes) =
        (if zone.starts_with('-') { -1 } else { 1 }, small(zone.get(1..3)?)?, small(zone.get(3..5)?)?);
    let here = seconds_since_1970(year, month, day)? + hour * 3_600 + minute * 60 + second;
    Some((here - sign * (hours * 3_600 + minutes * 60)) as f64)
}

/// `2026-11-20T13:55:12.345Z`, as our JSON writes it.
fn iso(text: &str) -> Option<f64> {
    let text = text.strip_suffix('Z')?;
    super::script::instant(text.split_once('.').map_or(text, |(whole, _)| whole))
}

/// A line that is read from left to right.
struct Rest<'l>(&'l [u8]);

impl<'l> Rest<'l> {
    fn skip_spaces(&mut self) {
        while let Some(rest) = self.0.strip_prefix(b" ") {
            self.0 = rest;
        }
    }

    /// Up to the next space.
    fn word(&mut self) -> Option<&'l [u8]> {
        self.skip_spaces();
        let end = self.0.iter().position(|byte| *byte == b' ').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    fn between(&mut self, open: u8, close: u8) -> Option<&'l [u8]> {
        self.skip_spaces();
        let inside = self.0.strip_prefix(&[open])?;
        let end = inside.iter().position(|byte| *byte == close)?;
        let (text, rest) = inside.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        Some(text)
    }

    /// A text between quotes, its escapes undone: ours and nginx's `\"`, `\u001b`, `\x1B`, Apache's `\n`.
    fn quoted(&mut self) -> Option<String> {
        self.skip_spaces();
        let mut rest = self.0.strip_prefix(b"\"")?;
        let mut out = Vec::new();
        loop {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            match byte {
                b'"' => break,
                b'\\' => {
                    let (kind, behind) = rest.split_first()?;
                    rest = behind;
                    let digits = match kind {
                        b'u' => 4,
                        b'x' => 2,
                        _ => 0,
                    };
                    if digits > 0 {
                        let (code, behind) = rest.split_at_checked(digits)?;
                        rest = behind;
                        let code = u32::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?;
                        // A byte as it was; a character as it is written in UTF-8.
                        if let (2, Ok(byte)) = (digits, u8::try_from(code)) {
                            out.push(byte);
                        } else {
                            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                        }
                    } else {
                        out.push(match kind {
                            b'n' => b'\n',
                            b'r' => b'\r',
                            b't' => b'\t',
                            b'b' => 8,
                            b'f' => 12,
                            b'v' => 11,
                            other => *other,
                        });
                    }
                }
                byte => out.push(*byte),
            }
        }
        self.0 = rest;
        Some(String::from_utf8_lossy(&out).into_owned())
    }
}

/// One flat object, as our own logs write it.
fn json(line: &[u8]) -> Option<Logged> {
    let mut logged = Logged { ours: true, ..Logged::default() };
    let mut rest = Rest(line.strip_prefix(b"{")?);
    loop {
        rest.skip_spaces();
        if rest.0.first() == Some(&b'}') {
            break;
        }
        let key = rest.quoted()?;
        rest.skip_spaces();
        rest.0 = rest.0.strip_prefix(b":")?;
        rest.skip_spaces();
        if rest.0.first() == Some(&b'"') {
            let value = rest.quoted()?;
            match key.as_str() {
                "time" => logged.time = iso(&value),
                "site" => logged.site = Some(value),
                "client" => logged.address = value.parse().ok(),
                "method" => logged.method = value,
                "target" => logged.target = value,
                "protocol" => logged.protocol = value,
                "referer" => logged.referer = said(value),
                "agent" => logged.agent = said(value),
                "backend" => logged.backend = Some(value),
                "cause" => logged.cause = Cause::by_name(&value),
                _ => {}
            }
        } else {
            let end = rest.0.iter().position(|byte| matches!(byte, b',' | b'}'))?;
            let (value, behind) = rest.0.split_at_checked(end)?;
            rest.0 = behind;
            if key == "status" {
                logged.status = number(value)?;
            }
        }
        rest.skip_spaces();
        match rest.0.split_first()? {
            (b',', behind) => rest.0 = behind,
            (b'}', _) => break,
            _ => return None,
        }
    }
    (100..600).contains(&logged.status).then_some(logged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_format_are_read() {
        let ours = br#"203.0.113.0 - - [20/Nov/2026:13:55:12 +0000] "GET /trac/ticket/1?q=***&x=\"y\" HTTP/1.1" 200 1234 "-" "SVN/1.14.2" id=0123456789abc seconds=0.012345 site=www.example backend=trac first_byte=0.012000"#;
        let logged = read(ours).unwrap();
        assert!(logged.ours);
        assert_eq!(logged.target, "/trac/ticket/1?q=***&x=\"y\"");
        assert_eq!((logged.status, logged.time), (200, Some(1_795_182_912.0)));
        assert_eq!((logged.site.as_deref(), logged.backend.as_deref()), (Some("www.example"), Some("trac")));
        assert_eq!((logged.referer, logged.agent.as_deref()), (None, Some("SVN/1.14.2")));

        let json = br#"{"time":"2026-11-20T13:55:12.001Z","id":"0123456789abc","site":"www.example","client":"203.0.113.0","method":"GET","target":"/a\u001b","protocol":"HTTP/2.0","cause":"denied","status":403,"sent":10,"received":0,"seconds":0.000100,"left":false}"#;
        let logged = read(json).unwrap();
        assert!(logged.ours);
        assert_eq!((&*logged.target, logged.status, logged.cause), ("/a\u{1b}", 403, Some(Cause::Denied)));
        assert_eq!(logged.time, Some(1_795_182_912.0));

        let nginx = br#"198.51.100.7 - alice [20/Nov/2026:14:55:12 +0100] "GET /\xC3\xBC HTTP/1.1" 301 162 "https://x.example/" "curl/8 \x22q\x22""#;
        let logged = read(nginx).unwrap();
        assert!(!logged.ours && logged.site.is_none());
        assert_eq!((&*logged.target, logged.agent.as_deref()), ("/\u{fc}", Some("curl/8 \"q\"")));
        assert_eq!(logged.time, Some(1_795_182_912.0));

        let apache = br#"WWW.example:443 198.51.100.7 - - [20/Nov/2026:13:55:12 +0000] "GET / HTTP/1.1" 200 - "-" "-""#;
        let logged = read(apache).unwrap();
        assert_eq!((logged.site.as_deref(), logged.agent), (Some("www.example"), None));

        for (request, site, target) in [
            ("http://WWW.example:8080/x?u=http://y/", "www.example", "/x?u=http://y/"),
            ("https://www.example", "www.example", "/"),
            ("http://www.example?a=b", "www.example", "/?a=b"),
            ("http://[2001:db8::1]/x", "[2001:db8::1]", "/x"),
        ] {
            let varnish = format!(
                "198.51.100.7 - - [20/Nov/2026:13:55:12 +0000] \"GET {request} HTTP/1.1\" 200 1 \"-\" \"-\""
            );
            let logged = read(varnish.as_bytes()).unwrap();
            assert_eq!((logged.site.as_deref(), &*logged.target), (Some(site), target), "{request}");
        }
    }

    #[test]
    fn what_is_no_line_is_none_and_never_a_panic() {
        let good = br#"203.0.113.0 - - [20/Nov/2026:13:55:12 +0000] "GET / HTTP/1.1" 200 12 "-" "-" id=0123456789abc"#;
        let json = br#"{"time":"x","client":"y","status":403,"left":false}"#;
        for whole in [&good[..], &json[..]] {
            for end in 0..whole.len() {
                let _ = read(&whole[..end]);
                let mut broken = whole.to_vec();
                for byte in [0, b'"', b'\\', b'{', b' ', 0xff] {
                    broken[end] = byte;
                    let _ = read(&broken);
                }
            }
        }
        for line in ["", "{", "{}", "hello", "a b c", "1.2.3.4 - - [x] \"GET / HTTP/1.1\" 99 1", "\u{feff}"] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
        assert_eq!(read(&vec![b' '; LINE_BYTES_MAX + 1]), None);
    }
}
