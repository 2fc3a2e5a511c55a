//! The host a request is for: read strictly once, sent on as it was typed.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::HeaderValue;

use crate::base::cause::Cause;
use crate::base::fault::Fault;

/// A host name or address, and the port where one was typed. It exists in valid form only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    typed: HeaderValue,
    name: Box<str>,
    port: Option<u16>,
}

impl Host {
    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        Self::read(HeaderValue::from_bytes(raw).map_err(|_| bad("the host holds a control character"))?)
    }

    /// Like `parse`, without a copy of what was typed.
    pub fn read(typed: HeaderValue) -> Result<Self, Fault> {
        let (name, port) = split(typed.as_bytes())?;
        Ok(Self { typed, name, port })
    }

    pub(super) fn of_authority(raw: Bytes) -> Result<Self, Fault> {
        Self::read(
            HeaderValue::from_maybe_shared(raw).map_err(|_| bad("the host holds a control character"))?,
        )
    }

    /// What sites are found by: lower case, no trailing dot; an IPv6 address without its brackets, written
    /// the shortest way.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `None` when none was typed: the scheme's own.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// What reaches the backend.
    pub fn as_typed(&self) -> &str {
        self.typed.to_str().unwrap_or("")
    }

    /// The same as a header value; costs no copy.
    pub fn header(&self) -> HeaderValue {
        self.typed.clone()
    }

    /// Whether two spellings name one place, on connections whose port is `default` when none is typed.
    pub fn same_place(&self, other: &Host, default: u16) -> bool {
        self.name == other.name && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

fn split(raw: &[u8]) -> Result<(Box<str>, Option<u16>), Fault> {
    if let Some(rest) = raw.strip_prefix(b"[") {
        let end = rest
            .iter()
            .position(|byte| *byte == b']')
            .ok_or_else(|| bad("a bracket of the host is not closed"))?;
        let (address, after) =
            rest.split_at_checked(end).ok_or_else(|| bad("a bracket of the host is not closed"))?;
        let address: Ipv6Addr = std::str::from_utf8(address)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| bad("what stands in brackets is no IPv6 address"))?;
        let after = after.strip_prefix(b"]").unwrap_or(after);
        let port = match after.split_first() {
            None => None,
            Some((b':', digits)) => port(digits)?,
            Some(_) => return Err(bad("something follows the brackets of the host")),
        };
        return Ok((address.to_string().into(), port));
    }
    let (name, port) = match raw.iter().position(|byte| *byte == b':') {
        Some(at) => {
            let (name, rest) = raw.split_at_checked(at).unwrap_or((raw, b""));
            (name, port(rest.strip_prefix(b":").unwrap_or(rest))?)
        }
        None => (raw, None),
    };
    Ok((host_name(name)?, port))
}

fn host_name(typed: &[u8]) -> Result<Box<str>, Fault> {
    let name = typed.strip_suffix(b".").unwrap_or(typed);
    if name.is_empty() {
        return Err(bad("the host is empty"));
    }
    if name.len() > 253 {
        return Err(bad("the host is longer than 253 bytes"));
    }
    let mut label = 0;
    for byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => label += 1,
            b'.' if label > 0 => label = 0,
            b'.' => return Err(bad("a label of the host is empty")),
            b'@' => return Err(bad("the host carries a user name")),
            _ => return Err(bad("the host holds a byte that no host name has")),
        }
        if label > 63 {
            return Err(bad("a label of the host is longer than 63 bytes"));
        }
    }
    if label == 0 {
        return Err(bad("a label of the host is empty"));
    }
    let mut name: Box<str> =
        std::str::from_utf8(name).map_err(|_| bad("the host holds a byte that no host name has"))?.into();
    name.make_ascii_lowercase();
    // `127.1`, `0x7f.0.0.1` and `2130706433` are addresses to some readers and names to others.
    let last = name.rsplit('.').next().unwrap_or("");
    let number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if number && name.parse::<Ipv4Addr>().is_err() {
        return Err(bad("the host ends in a number but is no IPv4 address"));
    }
    Ok(name)
}

/// The digits behind a colon; none at all means the scheme's own port (RFC 3986, 3.2.3).
fn port(digits: &[u8]) -> Result<Option<u16>, Fault> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(bad("the port of the host is no number from 1 to 65535"));
    }
    let number = digits.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'));
    match u16::try_from(number) {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(bad("the port of the host is no number from 1 to 65535")),
    }
}

fn bad(detail: &'static str) -> Fault {
    Fault::with(Cause::BadHost, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_by_one_spelling_and_sent_as_typed() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for (typed, name, port) in [
            ("example.com", "example.com", None),
            ("EXAMPLE.Com", "example.com", None),
            ("example.com.", "example.com", None),
            ("example.com:", "example.com", None),
            ("example.com:1", "example.com", Some(1)),
            ("example.com:65535", "example.com", Some(65_535)),
            ("example.com.:08080", "example.com", Some(8_080)),
            ("localhost", "localhost", None),
            ("my_tool.example", "my_tool.example", None),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
            ("3com.com", "3com.com", None),
            ("0xyz", "0xyz", None),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[::1]", "::1", None),
            ("[::1]:", "::1", None),
            ("[2001:DB8:0:0::1]:8443", "2001:db8::1", Some(8_443)),
            ("[::ffff:192.0.2.1]", "::ffff:192.0.2.1", None),
            (&longest, &longest, None),
        ] {
            let host = Host::parse(typed.as_bytes()).unwrap_or_else(|fault| panic!("{typed}: {fault}"));
            assert_eq!((host.name(), host.port(), host.as_typed()), (name, port, typed));
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let label = "a".repeat(64);
        let long = ["abcdefg"; 32].join(".");
        for typed in [
            "",
            ".",
            "..",
            ".example.com",
            "example..com",
            "example.com..",
            ":80",
            "example.com:0",
            "example.com:00",
            "example.com:65536",
            "example.com:99999",
            "example.com:000080",
            "example.com:80:80",
            "example.com:+80",
            "example.com:-1",
            "example.com: 80",
            "example.com:80 ",
            "example.com:8o",
            "user@example.com",
            "user:pass@example.com",
            "example.com/",
            "example.com/path",
            "example.com?x",
            "example.com#x",
            "example.com\\x",
            "example.com,example.org",
            "example.com example.org",
            " example.com",
            "exa%6dple.com",
            "example.com%00",
            "exämple.com",
            "http://example.com",
            "*.example.com",
            "exam'ple.com",
            "1.2.3",
            "127.1",
            "256.1.1.1",
            "192.0.2.01",
            "0x7f.0.0.1",
            "0x7f000001",
            "2130706433",
            "example.0x",
            "1.2.3.4.5",
            "::1",
            "2001:db8::1",
            "[::1",
            "[]",
            "[::1]80",
            "[::1]:0",
            "[::1].",
            "[fe80::1%eth0]",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "[192.0.2.1]",
            "[example.com]",
            "[[::1]]",
            &label,
            &long,
        ] {
            match Host::parse(typed.as_bytes()) {
                Err(fault) => assert_eq!(fault.cause, Cause::BadHost, "{typed}"),
                Ok(host) => panic!("{typed:?} was taken as {:?}", host.name()),
            }
        }
        for raw in [&b"a\0b"[..], b"a\nb", b"a\tb", b"\xff", b"a\x7fb"] {
            assert_eq!(Host::parse(raw).unwrap_err().cause, Cause::BadHost);
        }
    }

    #[test]
    fn one_place_has_many_spellings() {
        let host = |typed: &str| Host::parse(typed.as_bytes()).unwrap();
        assert!(host("Example.com").same_place(&host("example.com.:443"), 443));
        assert!(!host("example.com").same_place(&host("example.com:443"), 80));
        assert!(!host("example.com").same_place(&host("example.org"), 80));
    }
}
