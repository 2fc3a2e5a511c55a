//! The PROXY header, versions 1 and 2, that a trusted load balancer puts before everything else on a
//! connection: bytes in, addresses out, no IO.
//!
//! Strict, since whoever can bend this header chooses the address that rules see: one spelling per address,
//! nothing left over, bounded lengths. Never looked for on connections of peers that are not trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::cause::Cause;
use crate::base::fault::Fault;

/// What the header said. Both are `None` where the balancer speaks for itself (a health check) or for a visitor
/// without an IP address. Raw addresses: has no `Debug` for that reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proxied {
    pub source: Option<SocketAddr>,
    pub destination: Option<SocketAddr>,
}

impl Proxied {
    const NOBODY: Self = Self { source: None, destination: None };
}

const V1_BEGINS: &[u8] = b"PROXY ";
/// The longest line of version 1, its CRLF included.
const V1_BYTES_MAX: usize = 107;
const V2_BEGINS: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED_BYTES: usize = 16;
/// Addresses and additional fields of version 2; large ones hold client certificates' names.
const V2_REST_BYTES_MAX: usize = 4 << 10;

/// Reads the header at the front of `bytes`: how many bytes it took and what it said. `None` asks for more bytes.
pub fn parse(bytes: &[u8]) -> Result<Option<(usize, Proxied)>, Fault> {
    if begins(bytes, V1_BEGINS) {
        v1(bytes)
    } else if begins(bytes, V2_BEGINS) {
        v2(bytes)
    } else {
        Err(fault("the connection does not begin with a PROXY header"))
    }
}

/// As far as there are bytes, they are those.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(own, other)| own == other)
}

fn v1(bytes: &[u8]) -> Result<Option<(usize, Proxied)>, Fault> {
    let window = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = window.iter().position(|b| *b == b'\n') else {
        if window.len() == V1_BYTES_MAX {
            return Err(fault("the PROXY line is longer than 107 bytes"));
        }
        return Ok(None);
    };
    let line = window.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Err(fault("the PROXY line does not end with CRLF, or is no text"));
    };
    let mut words = line.split(' ').skip(1);
    let proxied = match words.next() {
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => Proxied::NOBODY,
        Some("TCP4") => v1_addresses(words, |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::V4))?,
        Some("TCP6") => v1_addresses(words, |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?,
        _ => return Err(fault("the PROXY line names none of TCP4, TCP6 and UNKNOWN")),
    };
    Ok(Some((end + 1, proxied)))
}

fn v1_addresses<'a>(
    mut words: impl Iterator<Item = &'a str>,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Result<Proxied, Fault> {
    let (Some(source), Some(destination), Some(source_port), Some(destination_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(fault("the PROXY line does not hold two addresses and two ports"));
    };
    let (Some(source), Some(destination)) = (address(source), address(destination)) else {
        return Err(fault("the PROXY line holds an address that is none of its family"));
    };
    let (Some(source_port), Some(destination_port)) = (port(source_port), port(destination_port)) else {
        return Err(fault("the PROXY line holds a port that is none"));
    };
    Ok(Proxied {
        source: Some(SocketAddr::new(source, source_port)),
        destination: Some(SocketAddr::new(destination, destination_port)),
    })
}

/// Plain decimal: no sign, no leading zero that could be octal.
fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if plain { word.parse().ok() } else { None }
}

fn v2(bytes: &[u8]) -> Result<Option<(usize, Proxied)>, Fault> {
    let Some((fixed, rest)) = bytes.split_at_checked(V2_FIXED_BYTES) else { return Ok(None) };
    let [.., command, family, high, low] = fixed else { return Ok(None) };
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(fault("the PROXY header is of an unknown version or command")),
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > V2_REST_BYTES_MAX {
        return Err(fault("the PROXY header is longer than 4 KB"));
    }
    let address_bytes = match family {
        _ if local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err(fault("the PROXY header is of a family or transport that no listener here has")),
    };
    if length < address_bytes {
        return Err(fault("the PROXY header is too short for its addresses"));
    }
    let Some(rest) = rest.get(..length) else { return Ok(None) };
    let (addresses, fields) = rest.split_at_checked(address_bytes).unwrap_or_default();
    // Without addresses all of the rest is to be skipped unread.
    if address_bytes > 0 {
        v2_fields(fields)?;
    }
    let proxied = match addresses.len() {
        12 => v2_addresses::<4>(addresses),
        36 => v2_addresses::<16>(addresses),
        _ => Proxied::NOBODY,
    };
    Ok(Some((V2_FIXED_BYTES + length, proxied)))
}

/// Source, destination, source port, destination port.
fn v2_addresses<const N: usize>(bytes: &[u8]) -> Proxied
where
    IpAddr: From<[u8; N]>,
{
    let ends = || {
        let (source, rest) = bytes.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let (source_port, rest) = rest.split_first_chunk::<2>()?;
        let (destination_port, _) = rest.split_first_chunk::<2>()?;
        Some(Proxied {
            source: Some((IpAddr::from(*source), u16::from_be_bytes(*source_port)).into()),
            destination: Some((IpAddr::from(*destination), u16::from_be_bytes(*destination_port)).into()),
        })
    };
    ends().unwrap_or(Proxied::NOBODY)
}

/// Additional fields (type, length, value) are skipped; they must end where the header does.
fn v2_fields(mut fields: &[u8]) -> Result<(), Fault> {
    while let [_, high, low, rest @ ..] = fields {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(next) = rest.get(length..) else {
            return Err(fault("a field of the PROXY header is longer than the header"));
        };
        fields = next;
    }
    if fields.is_empty() { Ok(()) } else { Err(fault("a field of the PROXY header is cut short")) }
}

fn fault(detail: &'static str) -> Fault {
    Fault::with(Cause::Malformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes the header took, and its two ends in words.
    fn read(bytes: &[u8]) -> Result<Option<(usize, String)>, Fault> {
        let words = |end: Option<SocketAddr>| end.map_or_else(|| "-".to_owned(), |end| end.to_string());
        let parsed = parse(bytes)?;
        Ok(parsed.map(|(used, p)| (used, format!("{} {}", words(p.source), words(p.destination)))))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2_BEGINS.as_slice(), &[command, family], &length, rest].concat()
    }

    const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

    #[test]
    fn headers_that_are_read() {
        let v6: Vec<u8> = [
            "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets().as_slice(),
            &"2001:db8::2".parse::<Ipv6Addr>().unwrap().octets(),
            &[0, 1, 0xff, 0xff],
        ]
        .concat();
        let fields = [V4, &[0x04, 0, 0], &[0x20, 0, 3, 1, 2, 3]].concat();
        let four = "192.0.2.1:56324 198.51.100.7:443";
        let table: &[(&[u8], &str)] = &[
            (b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", four),
            (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0 255.255.255.255:65535"),
            (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1 [::1]:2"),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "[::ffff:192.0.2.1]:1 [::1]:2"),
            (
                b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
            (b"PROXY UNKNOWN\r\n", "- -"),
            (b"PROXY UNKNOWN ffff::1 whatever 65536 -\r\n", "- -"),
            (&v2(0x21, 0x11, V4), four),
            (&v2(0x21, 0x11, &fields), four),
            (&v2(0x21, 0x21, &v6), "[2001:db8::1]:1 [2001:db8::2]:65535"),
            (&v2(0x21, 0x31, &[b'/'; 216]), "- -"),
            (&v2(0x21, 0x00, b""), "- -"),
            (&v2(0x21, 0x00, b"skipped unread"), "- -"),
            (&v2(0x20, 0x00, b""), "- -"),
            (&v2(0x20, 0x11, V4), "- -"),
            (&v2(0x20, 0xff, b"skipped unread"), "- -"),
            (&v2(0x21, 0x00, &[0; 4096]), "- -"),
        ];
        for (header, words) in table {
            let shown = String::from_utf8_lossy(header);
            let followed = [header, b"GET / HTTP/1.1\r\n".as_slice()].concat();
            assert_eq!(read(&followed), Ok(Some((header.len(), (*words).to_owned()))), "{shown:?}");
            // Never before all of it is there.
            for end in 0..header.len() {
                assert_eq!(read(&header[..end]), Ok(None), "{end} bytes of {shown:?}");
            }
        }
    }

    #[test]
    fn headers_that_are_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert_eq!(long.len(), 108);
        let table: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            b"\r\n\r\n\0\r\nQUIx",
            b"\r\nGET",
            b"proxy TCP4 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY\tTCP4 192.0.2.1 198.51.100.7 1 2\r\n",
            b" PROXY TCP4",
            b"PROXY \r\n",
            b"PROXY  TCP4 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY TCP\r\n",
            b"PROXY tcp4 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY UNKNOWNX\r\n",
            b"PROXY TCP4\r\n",
            b"PROXY TCP4 192.0.2.1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2 \r\n",
            b"PROXY TCP4 192.0.2.1  198.51.100.7 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 -2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 +2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 02\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 00\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 1 0x2\r\n",
            b"PROXY TCP4 192.0.2.01 198.51.100.7 1 2\r\n",
            b"PROXY TCP4 192.0.2 198.51.100.7 1 2\r\n",
            b"PROXY TCP4 192.0.2.256 198.51.100.7 1 2\r\n",
            b"PROXY TCP4 3221225985 198.51.100.7 1 2\r\n",
            b"PROXY TCP4 a.example 198.51.100.7 1 2\r\n",
            b"PROXY TCP4 ::1 ::2 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n",
            b"PROXY TCP6 [::1] ::2 1 2\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
            b"PROXY TCP6 1::2::3 ::2 1 2\r\n",
            b"PROXY TCP4 \xff\xff 198.51.100.7 1 2\r\n",
            b"PROXY TCP4 192.0.2.1\x00 198.51.100.7 1 2\r\n",
            long.as_bytes(),
            &long.as_bytes()[..107],
            &v2(0x11, 0x11, V4),
            &v2(0x31, 0x11, V4),
            &v2(0x22, 0x11, V4),
            &v2(0x2f, 0x11, V4),
            &v2(0x21, 0x12, V4),
            &v2(0x21, 0x10, V4),
            &v2(0x21, 0x41, V4),
            &v2(0x21, 0x01, V4),
            &v2(0x21, 0x21, V4),
            &v2(0x21, 0x31, V4),
            &v2(0x21, 0x11, &V4[..11]),
            &v2(0x21, 0x11, b""),
            &v2(0x21, 0x11, &[V4, &[1]].concat()),
            &v2(0x21, 0x11, &[V4, &[1, 0]].concat()),
            &v2(0x21, 0x11, &[V4, &[1, 0, 1]].concat()),
            &v2(0x21, 0x11, &[V4, &[1, 0xff, 0xff, 0]].concat()),
            &v2(0x21, 0x00, &[0; 4097]),
            &v2(0x20, 0x00, &[0; 4097]),
            &[V2_BEGINS.as_slice(), &[0x21, 0x00, 0xff, 0xff]].concat(),
        ];
        for header in table {
            let fault = read(header).expect_err(&String::from_utf8_lossy(header));
            assert_eq!(fault.cause, Cause::Malformed);
        }
    }
}
