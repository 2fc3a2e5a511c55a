//! Header fields: which ones end at this house, and which ones nobody outside may set.

use http::header::{
    ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, Entry, HOST, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::base::cause::Cause;
use crate::base::fault::Fault;

/// What an answer says of its own connection, and other doors that it announces; `Connection` is the first.
static OF_THE_CONNECTION: [HeaderName; 8] =
    [CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE, TE, ALT_SVC, PROXY_CONNECTION, HTTP2_SETTINGS];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What one name of a field asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Passes.
    Plain,
    /// Has a meaning that `Request::admit` reads.
    Read(Marks),
    /// Never passes.
    Dropped,
    /// Turns a reading method into a writing one; passes on POST, where access has counted a write already.
    MethodOverride,
}

/// The fields a request was seen to carry, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u16);

impl Marks {
    pub(super) const AUTHORIZATION: Self = Self(1);
    pub(super) const CONNECTION: Self = Self(1 << 1);
    pub(super) const CONTENT_LENGTH: Self = Self(1 << 2);
    pub(super) const COOKIE: Self = Self(1 << 3);
    pub(super) const EXPECT: Self = Self(1 << 4);
    pub(super) const HOST: Self = Self(1 << 5);
    /// `Keep-Alive`, `Proxy-Connection`, `HTTP2-Settings`: nothing but the connection's.
    pub(super) const HOP: Self = Self(1 << 6);
    pub(super) const TE: Self = Self(1 << 7);
    pub(super) const TRANSFER_ENCODING: Self = Self(1 << 8);
    pub(super) const UPGRADE: Self = Self(1 << 9);
    /// Fields of which a second one would be a second reading.
    pub(super) const SINGLE: Self = Self(1 << 10);

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Names that say who the visitor is or where he came from, or that speak to a backend in our place.
/// Each with what follows it: `x-forwarded` is also `x-forwarded-for` and all its kin.
const X_FAMILIES: &[&str] = &[
    "x-accel",
    "x-amzn-oidc",
    "x-auth-email",
    "x-auth-groups",
    "x-auth-request",
    "x-auth-user",
    "x-auth-username",
    "x-authelia",
    "x-authentik",
    "x-authenticated",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-client-cert",
    "x-client-dn",
    "x-client-verify",
    "x-doorward",
    "x-envoy-external",
    "x-forwarded",
    "x-goog-authenticated-user",
    "x-goog-iap",
    "x-ms-client-principal",
    "x-original",
    "x-pomerium",
    "x-real",
    "x-remote",
    "x-rewrite",
    "x-script",
    "x-sendfile",
    "x-ssl",
    "x-webauth",
];
const X_NAMES: &[&str] = &[
    "x-appengine-user-ip",
    "x-arr-ssl",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-https",
    "x-http-destinationurl",
    "x-http-host-override",
    "x-originating-ip",
    "x-proto",
    "x-proxy-url",
    "x-proxyuser-ip",
    "x-scheme",
    "x-url-scheme",
    "x-user-dn",
];

fn is_or_below(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Sorted by first letter, since nearly every name of a browser is decided there.
fn kind(name: &str) -> Kind {
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return kind_of_odd(name);
    }
    let first = name.as_bytes().first().copied().unwrap_or(0);
    match (first, name) {
        (b'a', "authorization") => Kind::Read(Marks::AUTHORIZATION),
        (b'c', "connection") => Kind::Read(Marks::CONNECTION),
        (b'c', "content-length") => Kind::Read(Marks::CONTENT_LENGTH),
        (b'c', "content-type") | (b'd', "destination") => Kind::Read(Marks::SINGLE),
        (b'c', "cookie") => Kind::Read(Marks::COOKIE),
        (b'e', "expect") => Kind::Read(Marks::EXPECT),
        (b'h', "host") => Kind::Read(Marks::HOST),
        (b'h', "http2-settings") | (b'k', "keep-alive") | (b'p', "proxy-connection") => {
            Kind::Read(Marks::HOP)
        }
        (b't', "te") => Kind::Read(Marks::TE),
        (b't', "transfer-encoding") => Kind::Read(Marks::TRANSFER_ENCODING),
        (b'u', "upgrade") => Kind::Read(Marks::UPGRADE),
        (b'x', "x-http-method-override" | "x-http-method" | "x-method-override") => Kind::MethodOverride,
        _ if is_impostor(first, name) => Kind::Dropped,
        _ => Kind::Plain,
    }
}

/// Whether only a gateway may send a field of this name to a backend.
fn is_impostor(first: u8, name: &str) -> bool {
    match first {
        b'c' => {
            name == "client-ip"
                || ["client-cert", "cf-access", "cf-connecting"]
                    .iter()
                    .any(|family| is_or_below(name, family))
        }
        b'f' => matches!(name, "forwarded" | "fastly-client-ip" | "fly-client-ip" | "front-end-https"),
        // `Proxy` becomes HTTP_PROXY in a CGI program's environment (httpoxy); `Proxy-*` is for this hop.
        b'p' => is_or_below(name, "proxy"),
        b'r' => is_or_below(name, "remote"),
        b's' => matches!(name, "script-name" | "server-name" | "server-port") || is_or_below(name, "ssl"),
        b't' => name == "true-client-ip" || is_or_below(name, "tailscale"),
        b'w' => is_or_below(name, "wl-proxy"),
        b'x' => X_NAMES.contains(&name) || X_FAMILIES.iter().any(|family| is_or_below(name, family)),
        _ => false,
    }
}

/// CGI, WSGI and their kin read `-` and `_` alike, and some read every odd letter so: `X_Remote.User`
/// would be `X-Remote-User` to them. No name with `_` passes, and none that means something when its odd
/// letters are read as `-`.
fn kind_of_odd(name: &str) -> Kind {
    if name.contains('_') {
        return Kind::Dropped;
    }
    let mut plain = [0_u8; 64];
    for (place, byte) in plain.iter_mut().zip(name.bytes()) {
        *place = if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    }
    let plain = plain.get(..name.len().min(64)).unwrap_or(&plain);
    match std::str::from_utf8(plain).map(kind) {
        Ok(Kind::Plain) => Kind::Plain,
        _ => Kind::Dropped,
    }
}

/// Walks the names once: notes which fields are there, takes away those that nobody outside may set, and
/// marks those that hold secrets, so that nothing prints them.
pub(super) fn survey(headers: &mut HeaderMap, method: &Method) -> Marks {
    let mut marks = Marks::default();
    let mut dropped = Vec::new();
    for name in headers.keys() {
        match kind(name.as_str()) {
            Kind::Plain => {}
            Kind::Read(mark) => marks = marks.and(mark),
            Kind::MethodOverride if *method == Method::POST => {}
            Kind::Dropped | Kind::MethodOverride => dropped.push(name.clone()),
        }
    }
    for name in dropped {
        headers.remove(name);
    }
    for (mark, name) in [(Marks::AUTHORIZATION, AUTHORIZATION), (Marks::COOKIE, COOKIE)] {
        if marks.has(mark)
            && let Entry::Occupied(mut values) = headers.entry(name)
        {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
    marks
}

/// Fields without which a request or an answer would mean something else: no `Connection` may take
/// them away.
fn is_meaning(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "cache-control"
            | "cookie"
            | "date"
            | "depth"
            | "destination"
            | "etag"
            | "expect"
            | "expires"
            | "host"
            | "location"
            | "lock-token"
            | "origin"
            | "overwrite"
            | "range"
            | "referer"
            | "set-cookie"
            | "trailer"
            | "transfer-encoding"
            | "vary"
            | "www-authenticate"
    ) || ["content", "if", "sec", "access-control", "strict-transport"]
        .iter()
        .any(|family| is_or_below(name, family))
}

/// What a request's `Connection` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) upgrade: bool,
}

/// Reads the options of a request's `Connection` and takes away the fields they name. One that names a
/// field which decides what the request means is refused: whoever sends it wants two readers to disagree.
pub(super) fn obey_connection(headers: &mut HeaderMap) -> Result<Connection, Fault> {
    let mut connection = Connection::default();
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive") {
                continue;
            }
            if option.eq_ignore_ascii_case(b"upgrade") {
                connection.upgrade = true;
                continue;
            }
            let name = HeaderName::from_bytes(option)
                .map_err(|_| Fault::with(Cause::Malformed, "a Connection option is no token"))?;
            if is_meaning(name.as_str()) {
                return Err(Fault::with(
                    Cause::Malformed,
                    format!("Connection names {name}, which decides what the request means"),
                ));
            }
            // Read and settled by whoever called.
            if name != TE && name != UPGRADE {
                named.push(name);
            }
        }
    }
    for name in named {
        headers.remove(name);
    }
    Ok(connection)
}

/// The members of a comma-separated list, empty ones left out.
pub(super) fn list(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// The characters of a token (RFC 9110, 5.6.2).
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Without the blanks around it: spaces and tabs, which is all that HTTP calls white space.
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Takes away what `Connection` names, but for what gives a message its meaning.
fn remove_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(list)
        .filter(|option| {
            !option.eq_ignore_ascii_case(b"keep-alive") && !option.eq_ignore_ascii_case(b"close")
        })
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| *name != TE && !is_meaning(name.as_str()))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Leaves `TE: trailers`, once, or nothing.
pub(super) fn settle_te(headers: &mut HeaderMap) {
    let trailers =
        headers.get_all(TE).iter().flat_map(list).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    headers.remove(TE);
    if trailers {
        // Room is there: a field was just taken away.
        let _ = headers.try_insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// What an answer of a backend may not bring along: everything of its connection to us, and the doors it
/// would announce beside ours.
pub fn clean_answer(headers: &mut HeaderMap) {
    // Most answers carry one of these at most: names are compared, which costs less than looking each up.
    let mut found = [false; 8];
    let mut ours = false;
    for name in headers.keys() {
        let known = OF_THE_CONNECTION.iter().zip(&mut found).find(|(known, _)| *known == name);
        match known {
            Some((_, found)) => *found = true,
            None => ours |= is_for_a_proxy(name.as_str()),
        }
    }
    let [connection, ..] = found;
    if connection {
        remove_named(headers);
    }
    for (name, found) in OF_THE_CONNECTION.iter().zip(found) {
        if found {
            headers.remove(name);
        }
    }
    if ours {
        drop_where(headers, is_for_a_proxy);
    }
}

/// What a backend says to whoever stands before it: of proxies, and of files in the place of its answer, which would
/// tell visitors where those lie.
fn is_for_a_proxy(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'p') => is_or_below(name, "proxy"),
        Some(b'x') => {
            // Whether an answer may be buffered is asked where that is done, and taken out there.
            (is_or_below(name, "x-accel") && name != "x-accel-buffering")
                || matches!(name, "x-sendfile" | "x-sendfile2" | "x-lighttpd-send-file")
        }
        _ => false,
    }
}

/// What rules may not add to a request any more than a visitor may: fields of the connection, framing, and who
/// the visitor is or where he came from. `Host` and the protocol to switch to are taken out, to be put in by
/// whoever decided on them.
pub fn clean_ruled(headers: &mut HeaderMap, method: &Method) {
    let marks = survey(headers, method);
    remove_read(headers, marks);
    if headers.get_all(EXPECT).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        headers.remove(EXPECT);
    }
}

/// Whether a value begins or ends with white space, which HTTP/2 has no place for (RFC 9113, 8.2.1).
pub fn any_padded(headers: &HeaderMap) -> bool {
    headers.values().any(|value| matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t']))
}

/// Leaves trailers that only tell something (`Server-Timing`, checksums, gRPC's status), and takes away
/// those that frame, route, sign in or steer, which a reader might merge into the head (RFC 9110, 6.5.1).
pub fn clean_trailers(trailers: &mut HeaderMap) {
    drop_where(trailers, |name| {
        kind(name) != Kind::Plain
            || is_meaning(name)
            || matches!(
                name,
                "age"
                    | "alt-svc"
                    | "clear-site-data"
                    | "max-forwards"
                    | "pragma"
                    | "refresh"
                    | "retry-after"
                    | "server"
                    | "trailer"
                    | "user-agent"
                    | "via"
                    | "warning"
                    | "x-http-method"
            )
            || ["accept", "cookie", "set-cookie"].iter().any(|family| is_or_below(name, family))
    });
}

fn drop_where(headers: &mut HeaderMap, wanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| wanted(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The value of a cookie; the first, where there are several of a name.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let crumbs = headers.get(COOKIE)?.as_bytes().split(|byte| *byte == b';');
    crumbs.map(<[u8]>::trim_ascii).find_map(|crumb| {
        let value = crumb.strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    })
}

/// One `Cookie` field, since backends differ in which of two they read. HTTP/2 sends crumbs that belong
/// together (RFC 9113, 8.2.3); in HTTP/1 a second one is refused.
pub(super) fn settle_cookies(headers: &mut HeaderMap, crumbs: bool) -> Result<(), Fault> {
    let mut cookies = headers.get_all(COOKIE).iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return Ok(());
    }
    if !crumbs {
        return Err(Fault::with(Cause::Malformed, "the request carries more than one Cookie field"));
    }
    let joined =
        headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    let mut joined = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined))
        .map_err(|_| Fault::with(Cause::Malformed, "the Cookie fields can't be joined"))?;
    joined.set_sensitive(true);
    headers.insert(COOKIE, joined);
    Ok(())
}

/// Of fields that decide, one is one too many when there are two.
pub(super) fn refuse_doubles(headers: &HeaderMap) -> Result<(), Fault> {
    for name in [AUTHORIZATION, http::header::CONTENT_TYPE, HeaderName::from_static("destination")] {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return Err(Fault::with(
                Cause::Malformed,
                format!("the request carries more than one {name} field"),
            ));
        }
    }
    Ok(())
}

/// The length a request declares: one number in digits, and not beside a transfer coding. It is left
/// without leading zeros, which make an octal number of it to some readers.
pub(super) fn settle_length(headers: &mut HeaderMap) -> Result<(), Fault> {
    let framing = |detail: &'static str| Fault::with(Cause::Framing, detail);
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(()) };
    if lengths.next().is_some() {
        return Err(framing("the request carries more than one Content-Length"));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(framing("the request carries both Content-Length and Transfer-Encoding"));
    }
    let digits = first.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(framing("the Content-Length is no number"));
    }
    let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
    let length = length.ok_or_else(|| framing("the Content-Length is larger than any body"))?;
    if digits.len() > 1 && digits.starts_with(b"0") {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(())
}

/// Takes away what was read and is sent by nobody but us.
pub(super) fn remove_read(headers: &mut HeaderMap, marks: Marks) {
    for (mark, name) in [
        (Marks::HOST, HOST),
        (Marks::CONNECTION, CONNECTION),
        (Marks::TRANSFER_ENCODING, TRANSFER_ENCODING),
        (Marks::UPGRADE, UPGRADE),
    ] {
        if marks.has(mark) {
            headers.remove(name);
        }
    }
    if marks.has(Marks::HOP) {
        for name in [KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS] {
            headers.remove(name);
        }
    }
    if marks.has(Marks::TE) {
        settle_te(headers);
    }
}

/// An expectation is `100-continue`, or 417. HTTP/1.0 has none: it is ignored there (RFC 9110, 10.1.1).
pub(super) fn settle_expect(headers: &mut HeaderMap, known: bool) -> Result<(), Fault> {
    if !known {
        headers.remove(EXPECT);
        return Ok(());
    }
    if headers.get_all(EXPECT).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Cause::Expectation.into());
    }
    headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn nobody_outside_can_say_who_or_where_he_is() {
        for name in [
            "Remote-User",
            "REMOTE-USER",
            "Remote_User",
            "remote.user",
            "Remote-Groups",
            "Remote-Email",
            "Remote-Addr",
            "X-Remote-User",
            "X_Remote_User",
            "X-Remote_User",
            "X!Remote~User",
            "X-Forwarded-User",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-Prefix",
            "X-Forwarded-Client-Cert",
            "X-Forwarded",
            "x.forwarded.for",
            "Forwarded",
            "X-Real-IP",
            "X-Real-Port",
            "True-Client-IP",
            "CF-Connecting-IP",
            "CF-Connecting-IPv6",
            "Fastly-Client-IP",
            "X-Client-IP",
            "Client-IP",
            "X-Cluster-Client-IP",
            "X-Originating-IP",
            "X-Original-URL",
            "X-Original-Host",
            "X-Rewrite-URL",
            "X-Auth-Request-User",
            "X-Auth-User",
            "X-Amzn-Oidc-Identity",
            "X-Goog-Authenticated-User-Email",
            "X-MS-Client-Principal-Name",
            "Cf-Access-Authenticated-User-Email",
            "Tailscale-User-Login",
            "X-Authenticated-User",
            "X-WebAuth-User",
            "X-authentik-username",
            "X-SSL-Client-Verify",
            "SSL-Client-Cert",
            "Client-Cert",
            "Client-Cert-Chain",
            "X-Client-Cert",
            "X-Script-Name",
            "Script-Name",
            "Script_Name",
            "X-Sendfile-Type",
            "X-Accel-Mapping",
            "X-Doorward-User",
            "WL-Proxy-Client-IP",
            "Front-End-Https",
            "X-Scheme",
            "X-Url-Scheme",
            "X-Host",
            "Proxy",
            "Proxy-Authorization",
            "Content_Length",
            "Content.Length",
            "Transfer_Encoding",
            "Transfer~Encoding",
            "Cookie_",
            "Any_Thing",
        ] {
            let mut headers = map(&[(name, "a"), ("accept", "*/*"), (name, "b")]);
            survey(&mut headers, &Method::GET);
            assert_eq!(names(&headers), ["accept"], "{name}");
        }
    }

    #[test]
    fn what_applications_need_passes() {
        for name in [
            "X-Requested-With",
            "X-CSRFToken",
            "X-Auth-Token",
            "X-Api-Key",
            "X-Forward",
            "X-Realm",
            "X-Remotely",
            "X-Request-Id",
            "X-SVN-Options",
            "X-SVN-Version-Name",
            "X.Dotted",
            "Remotely",
            "Sslx",
            "Depth",
            "DAV",
            "If",
            "Lock-Token",
            "Via",
            "Trailer",
            "Proxies",
            "Sec-Fetch-Site",
            "Traceparent",
        ] {
            let mut headers = map(&[(name, "a")]);
            assert_eq!(survey(&mut headers, &Method::GET), Marks::default(), "{name}");
            assert_eq!(headers.len(), 1, "{name}");
        }
    }

    #[test]
    fn a_reading_method_can_not_be_overridden() {
        for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
            for (method, kept) in
                [(Method::GET, 0), (Method::HEAD, 0), (Method::OPTIONS, 0), (Method::POST, 1)]
            {
                let mut headers = map(&[(name, "DELETE")]);
                survey(&mut headers, &method);
                assert_eq!(headers.len(), kept, "{name} {method}");
            }
        }
    }

    #[test]
    fn what_is_the_connections_stays_on_it() {
        let mut headers = map(&[
            ("connection", "close, X-Foo ,, \t x-bar"),
            ("connection", "te"),
            ("x-foo", "1"),
            ("x-bar", "1"),
            ("x-baz", "1"),
            ("content-length", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("te", "gzip;q=0.5, Trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAA"),
        ]);
        let marks = survey(&mut headers, &Method::GET);
        obey_connection(&mut headers).unwrap();
        remove_read(&mut headers, marks);
        assert_eq!(names(&headers), ["content-length", "te", "trailer", "x-baz"]);
        assert_eq!(headers[TE], "trailers");
        assert!(obey_connection(&mut map(&[("connection", "content-length, te")])).is_err());
    }

    #[test]
    fn what_rules_add_passes_the_same_door() {
        let mut headers = map(&[
            ("host", "www.test"),
            ("connection", "x-kept"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("remote-user", "root"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-user", "root"),
            ("forwarded", "for=192.0.2.1"),
            ("x_remote_user", "root"),
            ("x-http-method-override", "DELETE"),
            ("te", "gzip, trailers"),
            ("expect", "a miracle"),
            ("x-kept", "1"),
            ("cookie", "a=b"),
        ]);
        clean_ruled(&mut headers, &Method::GET);
        assert_eq!(names(&headers), ["cookie", "te", "x-kept"]);
        assert!(headers[COOKIE].is_sensitive());
        let mut headers = map(&[("expect", "100-Continue")]);
        clean_ruled(&mut headers, &Method::PUT);
        assert_eq!(names(&headers), ["expect"]);
    }

    #[test]
    fn an_answer_leaves_its_connection_behind() {
        let mut headers = map(&[
            ("connection", "upgrade, x-private, set-cookie"),
            ("x-private", "1"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("upgrade", "h2,h2c"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5, max=100"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authentication-info", "x"),
            ("proxy-status", "x"),
            ("te", "trailers"),
            ("alt-svc", "h3=\":443\""),
            ("trailer", "x-sum"),
            ("content-type", "text/html"),
            ("x_odd", "passes"),
        ]);
        clean_answer(&mut headers);
        assert_eq!(names(&headers), ["content-type", "set-cookie", "trailer", "x_odd"]);
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn trailers_only_tell() {
        let mut trailers = map(&[
            ("server-timing", "db;dur=5"),
            ("grpc-status", "0"),
            ("x-checksum", "1"),
            ("content-length", "5"),
            ("content-type", "text/html"),
            ("transfer-encoding", "chunked"),
            ("host", "evil"),
            ("authorization", "Basic x"),
            ("cookie", "a=b"),
            ("set-cookie", "a=b"),
            ("remote-user", "root"),
            ("remote_user", "root"),
            ("x-forwarded-for", "::1"),
            ("location", "/"),
            ("cache-control", "no-store"),
            ("x-http-method-override", "DELETE"),
            ("connection", "close"),
        ]);
        clean_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["grpc-status", "server-timing", "x-checksum"]);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookie(&headers, "a"), None);
        headers.insert(COOKIE, HeaderValue::from_static("ab=1; a=2;a=3 ; b=\"x=y\"; c; d="));
        for (name, value) in [
            ("a", Some("2")),
            ("ab", Some("1")),
            ("b", Some("\"x=y\"")),
            ("c", None),
            ("d", Some("")),
            ("A", None),
        ] {
            assert_eq!(cookie(&headers, name), value.map(str::as_bytes), "{name}");
        }
    }
}
